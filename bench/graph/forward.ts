// IPv4 forwarding in memory: generator, ipfwd, fib4, hole; packets a second in one worker.
import { type Graph, openGraph, send } from '../../src/netgraph/index.ts';
import { generator } from './types.ts';

export async function build(workers: number, vector: number): Promise<Graph> {
  const graph = await openGraph({ workers, vector, types: [generator], packets: { perWorker: 4096, maxBytes: 2048 } });
  const source = graph.create('bench-generator', 'source');
  const ipfwd = graph.mkpeer(source, 'ipfwd', 'out', 'in');
  const fib = graph.mkpeer(ipfwd, 'fib4', 'out', 'in');
  graph.rename(fib, 'fib');
  graph.mkpeer(fib, 'hole', 'a', 'in');
  graph.rename(graph.find('fib:a').node, 'sink');
  await send(graph, undefined, 'fib:', 'addroute', { prefix: '10.0.0.0/8', hook: 'a', gateway: '192.0.2.1' });
  await send(graph, undefined, 'fib:', 'addroute', { prefix: '10.1.2.0/24', hook: 'a', gateway: '192.0.2.2' });
  const destinations = new Int32Array(256);
  const bytes = new Uint8Array(destinations.buffer);
  for (let i = 0; i < 256; i++) bytes.set([10, i, 2, 7], 4 * i);
  await send(graph, undefined, 'source:', 'set', { running: true, destinations, length: 64 });
  return graph;
}

if (import.meta.main) {
  for (const vector of [32, 64, 128, 256]) {
    const graph = await build(1, vector);
    const sink = graph.named('sink')!;
    await new Promise(resolve => setTimeout(resolve, 500));
    for (let i = 0; i < 3; i++) {
      const before = graph.countsOf(sink)['packets']!;
      const start = performance.now();
      await new Promise(resolve => setTimeout(resolve, 500));
      const rate = (graph.countsOf(sink)['packets']! - before) / (performance.now() - start) / 1000;
      console.log(vector, rate.toFixed(2), 'Mpps');
    }
    for (const node of graph.nodes) {
      const c = node.counts();
      console.log(
        node.type.name,
        (c['ns']! / c['packets']!).toFixed(2),
        'ns/packet',
        Object.entries(c)
          .filter(([k, v]) => k.startsWith('drop') && v > 0)
          .join(' '),
      );
    }
    await graph.close();
  }
}
