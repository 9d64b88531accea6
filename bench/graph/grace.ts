// How long the graph waits for its workers to be quiescent, while one forwards as fast as it can. The control thread looks all the time.
import { openGraph, send, type WorkerPlane } from '../../src/netgraph/index.ts';
import { percentile } from '../lib/percentile.ts';
import { generator } from './types.ts';

const PERIODS = 5000;
const RUNS = 20;

export interface Grace {
  /** Microseconds, of the run with the least p99: in the others somebody else had the processors. */
  readonly p50: number;
  readonly p99: number;
  /** Of all runs. */
  readonly allP50: number;
  readonly allP99: number;
}

/** With sources that bring `vector` packets at once. */
export async function measureGrace(vector: number): Promise<Grace> {
  const graph = await openGraph({
    workers: 1,
    vector,
    types: [generator],
    packets: { perWorker: 4096, maxBytes: 1518 },
  });
  const source = graph.create('bench-generator', 'source');
  const ipfwd = graph.mkpeer(source, 'ipfwd', 'out', 'in');
  graph.mkpeer(ipfwd, 'hole', 'out', 'in');
  await send(graph, undefined, 'source:', 'set', { destinations: Int32Array.of(0x0200000a), length: 64 });
  await graph.settled();
  const { qsbr } = graph.plane as WorkerPlane;
  const runs: number[][] = [];
  for (let run = 0; run < RUNS; run++) {
    const times: number[] = [];
    for (let i = 0; i < PERIODS; i++) {
      const start = performance.now();
      if (!qsbr.synchronize(1000)) throw new Error('the worker has not been quiescent for a second');
      times.push((performance.now() - start) * 1000);
    }
    runs.push(times);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  await graph.close();
  const best = runs.toSorted((a, b) => percentile(a, 0.99) - percentile(b, 0.99))[0]!;
  const all = runs.flat();
  return {
    p50: percentile(best, 0.5),
    p99: percentile(best, 0.99),
    allP50: percentile(all, 0.5),
    allP99: percentile(all, 0.99),
  };
}

if (import.meta.main) for (const vector of [32, 64, 128, 256]) console.log(vector, await measureGrace(vector));
