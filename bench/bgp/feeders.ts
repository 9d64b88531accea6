// Ten feeders announce the same prefixes by different paths, all at once: until the table has every path, the receiver
// every prefix, and nothing better comes any more.
import { until } from '../../test/lib/wait.ts';
import type { Contestant } from '../lib/contestants.ts';
import { peers } from '../lib/peers.ts';
import { nowMs } from '../lib/speaker.ts';
import { LIMIT_MS, onStage, type Result } from '../lib/stage.ts';
import { setsOf } from '../lib/table.ts';
import { HOLD_S } from './through.ts';

export const FEEDERS = 10;
/** How long a receiver must have been sent nothing before that is all. */
const SILENT_MS = 1000;

export function feeders(contestant: Contestant, prefixes: number): Promise<Result & { updates: number }> {
  const table = { prefixes, attributeSets: setsOf(prefixes) };
  const router = {
    holdTimeS: HOLD_S,
    kernel: false,
    peers: peers(...Array.from({ length: FEEDERS }, (_, seed) => ({ table: { ...table, seed } })), { export: 'all' }),
  };
  return onStage(contestant, router, async ({ running, tester, measure }) => {
    tester.tell({ do: 'expect', held: prefixes });
    const end = measure();
    tester.tell({ do: 'announce' });
    const { atMs } = await tester.event<{ atMs: number }>('announcing');
    await tester.event('reached', LIMIT_MS);
    // Asking costs the router little each time, but not nothing; where the first answer is all, it was so before.
    let fullMs = 0;
    for (let looks = 0; (await running.paths()) < FEEDERS * prefixes; looks++) {
      if (nowMs() - atMs > LIMIT_MS) throw new Error(`${await running.paths()} paths after ${LIMIT_MS} ms`);
      await new Promise(resolve => setTimeout(resolve, 50));
      fullMs = nowMs();
    }
    const { lastMs, updates } = await until(
      async () => {
        tester.tell({ do: 'received' });
        const received = await tester.event<{ lastMs: number; updates: number }>('received');
        return nowMs() - received.lastMs > SILENT_MS ? received : undefined;
      },
      { timeoutMs: LIMIT_MS, everyMs: 100, what: 'the last better path' },
    );
    return { ...end(Math.max(fullMs, lastMs) - atMs), updates };
  });
}
