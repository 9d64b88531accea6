// What traffic notices of a graph that is rebuilt 10,000 times a second: packets a second and the time each spends in the graph, in
// windows with and without rebuilding, in turns.
//
//    source ─a─▶ ipfwd ─▶ fib4 ─▶ meter        not touched
//           └b─▶ ipfwd ─▶ tee, another each time ─▶ meter
//
//    node bench/graph/rebuild.ts [MPPS]     JSON; a process of its own for each, like those of forward.ts
import { type Graph, type Node, openGraph, send } from '../../src/netgraph/index.ts';
import { percentile } from '../lib/percentile.ts';
import { ownProcess } from './own-process.ts';
import { meter, METER_BUCKETS, readMeter, sharedMeters, twoway } from './meter.ts';

export interface Rebuilding {
  /** Millions of packets a second. */
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  /** Microseconds. */
  readonly p999: number;
  /** Rebuilds a second. */
  readonly rebuilds: number;
}

export interface Compared {
  readonly calm: Rebuilding;
  readonly rebuilt: Rebuilding;
  /** Of the rate, in percent: the median of pairs of windows, one after the other. */
  readonly cost: number;
}

const PER_SECOND = 10_000;
const WINDOWS = 12;
const WINDOW_MS = 500;

async function open(mpps: number): Promise<{ graph: Graph; memory: Int32Array; first: Node; last: Node }> {
  const graph = await openGraph({
    workers: 1,
    types: [twoway, meter],
    packets: { perWorker: 4096, maxBytes: 512 },
  });
  const memory = sharedMeters(2);
  const id = graph.plane.announce(memory.buffer as SharedArrayBuffer);
  const source = graph.create('bench-twoway', 'source');
  const fib = graph.create('fib4', 'fib');
  fib.persistent = true;
  const a = graph.mkpeer(source, 'ipfwd', 'a', 'in');
  graph.connect(a, 'out', fib, 'in');
  for (const [i, name] of ['untouched', 'touched'].entries()) {
    graph.create('bench-meter', name);
    await send(graph, undefined, `${name}:`, 'set', { memory: id, slot: i });
  }
  graph.connect(fib, 'out', graph.named('untouched')!, 'in');
  await send(graph, undefined, 'fib:', 'addroute', { prefix: '10.0.0.0/8', hook: 'out', gateway: '0.0.0.0' });
  const first = graph.mkpeer(source, 'ipfwd', 'b', 'in');
  const last = graph.named('touched')!;
  first.persistent = last.persistent = true;
  rebuild(graph, first, last);
  await send(graph, undefined, 'source:', 'set', { mpps });
  return { graph, memory, first, last };
}

/** One rebuild: another node takes the place of the one that is there. The graph has as much to do for a packet before as after. */
function rebuild(graph: Graph, first: Node, last: Node): void {
  graph.change(() => {
    const before = first.hooks.get('out')?.peer?.node;
    if (before) {
      graph.rmhook(first.hooks.get('out')!);
      // A tee whose last hook but one is gone goes with the next.
      if (before.state === 'there') graph.rmhook(before.hooks.get('right')!);
    }
    const made = graph.mkpeer(first, 'tee', 'out', 'left');
    graph.connect(made, 'right', last, 'in');
  });
}

/** Medians of windows of each kind, in turns. `mpps`: packets offered, in millions a second; 0: as many as go. */
async function measure(mpps: number): Promise<Compared> {
  const { graph, memory, first, last } = await open(mpps);
  const all: { calm: Rebuilding[]; rebuilt: Rebuilding[] } = { calm: [], rebuilt: [] };
  await new Promise(resolve => setTimeout(resolve, 300));
  for (let i = 0; i < 2 * WINDOWS; i++) {
    const kind = i % 2 === 0 ? 'calm' : 'rebuilt';
    const before = [readMeter(memory, 0), readMeter(memory, 1)] as const;
    const start = performance.now();
    let done = 0;
    // Paced by the clock; this thread lets others have the turns between.
    for (;;) {
      const passed = performance.now() - start;
      if (passed >= WINDOW_MS) break;
      if (kind === 'rebuilt') {
        for (; done < (passed / 1000) * PER_SECOND; done++) rebuild(graph, first, last);
      }
      await new Promise(resolve => setTimeout(resolve, 0));
    }
    const seconds = (performance.now() - start) / 1000;
    const after = [readMeter(memory, 0), readMeter(memory, 1)] as const;
    const packets = after[0].packets - before[0].packets + after[1].packets - before[1].packets;
    // Only what is not touched: the other way is longer while a node is in it.
    const buckets = after[0].buckets.map((count, bucket) => count - before[0].buckets[bucket]!);
    all[kind].push({
      rate: packets / seconds / 1e6,
      p50: quantile(buckets, 0.5),
      p99: quantile(buckets, 0.99),
      p999: quantile(buckets, 0.999),
      rebuilds: done / seconds,
    });
  }
  await graph.close();
  const costs = all.calm.map(({ rate }, i) => (1 - all.rebuilt[i]!.rate / rate) * 100);
  return { calm: median(all.calm), rebuilt: median(all.rebuilt), cost: percentile(costs, 0.5) };
}

/** Upper end, in microseconds, of the bucket that holds the quantile. */
function quantile(buckets: readonly number[], share: number): number {
  let left = buckets.reduce((sum, count) => sum + count, 0) * share;
  for (let i = 0; i < METER_BUCKETS; i++) {
    left -= buckets[i]!;
    if (left <= 0) return 0.1 * 1.1 ** (i + 1);
  }
  return Number.POSITIVE_INFINITY;
}

function median(all: readonly Rebuilding[]): Rebuilding {
  const of = (key: keyof Rebuilding): number =>
    percentile(
      all.map(one => one[key]),
      0.5,
    );
  return { rate: of('rate'), p50: of('p50'), p99: of('p99'), p999: of('p999'), rebuilds: of('rebuilds') };
}

/** See `measure`; in a process of its own. */
export async function measureRebuild(mpps: number): Promise<Compared> {
  return JSON.parse(await ownProcess(import.meta.url, String(mpps))) as Compared;
}

if (import.meta.main) console.log(JSON.stringify(await measure(Number(process.argv[2] ?? 0))));
