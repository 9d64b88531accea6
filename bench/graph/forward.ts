// IPv4 forwarding in memory: generator, ipfwd, fib4, hole. One measurement is a process of its own (own-process.ts):
//
//    node bench/graph/forward.ts WORKERS plain|gate     packets a second, in millions, of all workers; one number, the best window's
//    node bench/graph/forward.ts cpu plain|idle         nanoseconds of the processor's time a packet
//    node bench/graph/forward.ts reclamation            the same, with and without reclamation
import { Qsbr, QsbrReader } from '../../src/concurrency/index.ts';
import { type Graph, type InlinePlane, openGraph, send, standardTypes } from '../../src/netgraph/index.ts';
import { threadCpuUs } from '../../src/sys/index.ts';
import { Commits, CommitReader } from '../../src/netgraph/worker/commits.ts';
import { gateMemory, gatedFib4, gatedHole, gatedIpfwd } from './gate.ts';
import { ownProcess } from './own-process.ts';
import { generator } from './types.ts';

export type Kind = 'plain' | 'gate' | 'idle';
const IDLE = 20;

async function build(workers: number, kind: Kind): Promise<Graph> {
  const gate = kind === 'gate';
  const graph = await openGraph({
    workers,
    types: gate ? [generator, gatedIpfwd, gatedFib4, gatedHole] : [generator],
    packets: { perWorker: 4096, maxBytes: 1518 },
  });
  if (gate) graph.plane.announce(gateMemory());
  const of = (type: string): string => (gate ? `gated-${type}` : type);
  const source = graph.create('bench-generator', 'source');
  const ipfwd = graph.mkpeer(source, of('ipfwd'), 'out', 'in');
  const fib = graph.mkpeer(ipfwd, of('fib4'), 'out', 'in');
  const sink = graph.mkpeer(fib, of('hole'), 'a', 'in');
  graph.rename(fib, 'fib');
  graph.rename(sink, 'sink');
  await send(graph, undefined, 'fib:', 'addroute', { prefix: '10.0.0.0/8', hook: 'a', gateway: '192.0.2.1' });
  await send(graph, undefined, 'fib:', 'addroute', { prefix: '10.1.2.0/24', hook: 'a', gateway: '192.0.2.2' });
  const destinations = new Int32Array(256);
  const bytes = new Uint8Array(destinations.buffer);
  for (let i = 0; i < 256; i++) bytes.set([10, i, 2, 7], 4 * i);
  if (kind === 'idle') {
    // Twenty nodes of other types, which have nothing to do.
    const idle = standardTypes.filter(({ name }) => !['ipfwd', 'fib4', 'hole', 'source'].includes(name)).slice(0, IDLE);
    for (const { name } of idle) graph.create(name).persistent = true;
  }
  await send(graph, undefined, 'source:', 'set', { destinations, length: 64 });
  return graph;
}

/** Millions of packets a second: the best of `windows` windows of `ms`. */
async function inThreads(workers: number, kind: Kind, windows: number, ms: number): Promise<number> {
  const graph = await build(workers, kind);
  const sink = graph.named('sink')!;
  await new Promise(resolve => setTimeout(resolve, 300));
  let best = 0;
  for (let i = 0; i < windows; i++) {
    const before = graph.countsOf(sink)['packets']!;
    const start = performance.now();
    await new Promise(resolve => setTimeout(resolve, ms));
    best = Math.max(best, (graph.countsOf(sink)['packets']! - before) / (performance.now() - start) / 1000);
  }
  await graph.close();
  return best;
}

/** Nanoseconds of the processor's time a packet, of the fastest of many runs of a whole round: all sources, and the timers at times. */
async function rounds(kind: Kind): Promise<number> {
  const graph = await build(0, kind);
  const { runtime } = graph.plane as InlinePlane;
  const count = 2000;
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 150; i++) {
    const start = threadCpuUs();
    for (let round = 0; round < count; round++) {
      runtime.begin();
      for (let j = 0; j < runtime.sources.length; j++) runtime.turn(runtime.sources[j]!, 256);
    }
    if (i > 20) best = Math.min(best, ((threadCpuUs() - start) * 1000) / count / 256);
  }
  await graph.close();
  return best;
}

/** Nanoseconds of the processor's time a packet, of the fastest of many runs: with what a worker does for reclamation after each vector
 *  (`quiescent`, and the look whether there is a commit), and without. Both in turns. */
async function reclamation(): Promise<Cost> {
  const graph = await build(0, 'plain');
  const { runtime } = graph.plane as InlinePlane;
  const reader = new QsbrReader(Qsbr.create(1), 0);
  const commits = new CommitReader(Commits.create(1), Commits.createRing(4096), 0);
  reader.online();
  const plain = (vectors: number): void => {
    for (let i = 0; i < vectors; i++) {
      runtime.begin();
      runtime.poll(runtime.sources[0]!, 256);
    }
  };
  const safe = (vectors: number): void => {
    for (let i = 0; i < vectors; i++) {
      runtime.begin();
      runtime.poll(runtime.sources[0]!, 256);
      reader.quiescent();
      if (commits.pending) throw new Error('nobody commits');
    }
  };
  const best = { with: Number.POSITIVE_INFINITY, without: Number.POSITIVE_INFINITY };
  const vectors = 2000;
  for (let i = 0; i < 150; i++) {
    for (const [kind, run] of [
      ['without', plain],
      ['with', safe],
    ] as const) {
      // biome-ignore format: one line
      const start = threadCpuUs();
      run(vectors);
      const ns = ((threadCpuUs() - start) * 1000) / vectors / 256;
      if (i > 20) best[kind] = Math.min(best[kind], ns);
    }
  }
  await graph.close();
  return best;
}

const child = (...args: readonly string[]): Promise<string> => ownProcess(import.meta.url, ...args);

/** Millions of packets a second: the best of `runs` processes. */
export async function forward(workers: number, kind: Kind, runs = 3): Promise<number> {
  let best = 0;
  for (let i = 0; i < runs; i++) best = Math.max(best, Number(await child(String(workers), kind)));
  return best;
}

/** Both in turns, for a ratio on a noisy machine: the best of each. */
export async function compare(workers: number, a: Kind, b: Kind, runs = 4): Promise<readonly [number, number]> {
  const best: [number, number] = [0, 0];
  for (let i = 0; i < runs; i++) {
    best[0] = Math.max(best[0], await forward(workers, a, 1));
    best[1] = Math.max(best[1], await forward(workers, b, 1));
  }
  return best;
}

export interface Cost {
  /** Nanoseconds of the processor's time a packet. */
  readonly with: number;
  readonly without: number;
}

export async function reclamationCost(): Promise<Cost> {
  return JSON.parse(await child('reclamation')) as Cost;
}

/** Of twenty idle nodes; processes in turns, the fastest of each. */
export async function idleCost(runs = 4): Promise<Cost> {
  const best = { with: Number.POSITIVE_INFINITY, without: Number.POSITIVE_INFINITY };
  for (let i = 0; i < runs; i++) {
    best.without = Math.min(best.without, Number(await child('cpu', 'plain')));
    best.with = Math.min(best.with, Number(await child('cpu', 'idle')));
  }
  return best;
}

if (import.meta.main) {
  const [what = '1', kind = 'plain'] = process.argv.slice(2);
  if (what === 'cpu') console.log(await rounds(kind as Kind));
  else if (what === 'reclamation') console.log(JSON.stringify(await reclamation()));
  else console.log(await inThreads(Number(what), kind as Kind, 6, 250));
}
