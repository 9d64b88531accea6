// One contestant with its neighbours, from the start to the end: set up, measured, taken down again however it went.
import { type Contestant, grevy, type Running } from './contestants.ts';
import { type Field, makeField, quiet, Tester } from './field.ts';
import { type Peer, peers, type RouterDescription } from './peers.ts';
import { cpuSeconds, peakMegabytes } from './process.ts';

export interface Result {
  seconds: number;
  /** Of the router, and of those who play its neighbours. */
  cpu: number;
  testerCpu: number;
  /** At its peak since it was started. */
  megabytes: number;
}

export interface Stage {
  readonly field: Field;
  readonly running: Running;
  /** Those who announce or receive. */
  readonly tester: Tester;
  /** Those who do neither, played by a process of their own, which waits for nobody. */
  readonly silent: Tester | undefined;
  /** Begins a measure; the function that is returned ends it. */
  measure: () => (ms: number) => Result;
}

/** How long anything may take. */
export const LIMIT_MS = 180_000;

export async function onStage<T>(
  contestant: Contestant,
  router: RouterDescription,
  play: (stage: Stage) => Promise<T>,
): Promise<T> {
  await quiet();
  const field = await makeField(router.peers);
  try {
    const running = await contestant.start(field, router);
    const { holdTimeS } = router;
    const idle = ({ table, export: policy }: Peer): boolean => table === undefined && policy === 'none';
    const tester = new Tester(field, { holdTimeS, peers: router.peers.filter(peer => !idle(peer)) });
    await tester.event('established');
    await quiet();
    // The machine does not rest any more when they are up: they are last.
    const silentPeers = router.peers.filter(idle);
    const silent =
      silentPeers.length > 0 ? new Tester(field, { holdTimeS, peers: silentPeers, urgent: true }) : undefined;
    await silent?.event('established');
    const spent = (): [number, number] => [
      cpuSeconds(running.pids()),
      cpuSeconds([...tester.pids(), ...(silent?.pids() ?? [])]),
    ];
    const measure = (): ((ms: number) => Result) => {
      const before = spent();
      return ms => {
        const after = spent();
        return {
          seconds: ms / 1000,
          cpu: after[0] - before[0],
          testerCpu: after[1] - before[1],
          megabytes: peakMegabytes(running.pids()),
        };
      };
    };
    const value = await play({ field, running, tester, silent, measure });
    await running.stop();
    return value;
  } finally {
    await field.lab.close();
  }
}

/** One start of Grevy that is not measured: what runs for the first time after an installation is compiled and kept. */
export async function firstStart(): Promise<void> {
  await onStage(grevy, { peers: peers({}), holdTimeS: 9, kernel: true }, () => quiet());
}

/** The middle one by seconds. */
export function median<R extends Result>(results: readonly R[]): R {
  return results.toSorted((a, b) => a.seconds - b.seconds)[results.length >> 1]!;
}
