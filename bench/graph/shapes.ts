// The shapes of DPDK's graph_perf_autotest, in a graph of ours and in dpdk-test itself, in the same run: objects a second that come to the
// sinks, in one thread. The objects are no packets in either: what is measured is the graph's own work.
import { spawn } from 'node:child_process';
import { type Graph, type InlinePlane, type Node, openGraph, tell } from '../../src/netgraph/index.ts';
import { end, objects, stage } from './types.ts';

export interface Shape {
  readonly name: string;
  /** In dpdk-test's output. */
  readonly dpdk: string;
  /** Objects that a source brings at once. */
  readonly burst: number;
  build(make: Maker): void;
}

interface Maker {
  source(): Node;
  stage(shares?: readonly number[]): Node;
  sink(): Node;
  join(from: Node, to: Node): void;
}

/** `length` stages in a row from `from`. */
function chain(make: Maker, from: Node, length: number): Node {
  let last = from;
  for (let i = 0; i < length; i++) {
    const next = make.stage();
    make.join(last, next);
    last = next;
  }
  return last;
}

/** Layers of 1, 2, 3, 4 stages, or the other way round; each hands on to its neighbours in shares that keep a layer even. */
function widen(make: Maker, layer: Node[], to: number): Node[] {
  const next = Array.from({ length: to }, () => make.stage());
  const from = layer.length;
  layer.forEach((node, i) => {
    const shares: number[] = [];
    for (let j = 0; j < to; j++) {
      // How much of this one's even part overlaps with that one's.
      const overlap = Math.min((i + 1) / from, (j + 1) / to) - Math.max(i / from, j / to);
      if (overlap <= 1e-9) continue;
      shares.push(Math.round(overlap * from * 100));
      make.join(node, next[j]!);
    }
    tell(node.graph, undefined, node.address, 'set', { shares });
  });
  return next;
}

export const SHAPES: readonly Shape[] = [
  {
    name: 'chain',
    dpdk: 'graph_hr_4s_1n_1src_1snk',
    burst: 256,
    build: make => make.join(chain(make, make.source(), 4), make.sink()),
  },
  {
    name: 'chain, one at a time',
    dpdk: 'graph_hr_4s_1n_1src_1snk_brst_one',
    burst: 1,
    build: make => make.join(chain(make, make.source(), 4), make.sink()),
  },
  {
    name: 'two sources',
    dpdk: 'graph_hr_4s_1n_2src_1snk',
    burst: 256,
    build: make => {
      const first = make.stage();
      make.join(make.source(), first);
      make.join(make.source(), first);
      make.join(chain(make, first, 3), make.sink());
    },
  },
  {
    name: 'two sinks',
    dpdk: 'graph_hr_4s_1n_1src_2snk',
    burst: 256,
    build: make => {
      const last = chain(make, make.source(), 4);
      tell(last.graph, undefined, last.address, 'set', { shares: [50, 50] });
      make.join(last, make.sink());
      make.join(last, make.sink());
    },
  },
  {
    name: 'tree',
    dpdk: 'graph_tree_4s_4n_1src_4snk',
    burst: 256,
    build: make => {
      let layer = [chain(make, make.source(), 1)];
      for (let width = 2; width <= 4; width++) layer = widen(make, layer, width);
      for (const node of layer) make.join(node, make.sink());
    },
  },
  {
    name: 'reverse tree',
    dpdk: 'graph_reverse_tree_3s_4n_1src_1snk',
    burst: 256,
    build: make => {
      const source = make.source();
      let layer = [1, 2, 3, 4].map(() => chain(make, source, 1));
      for (let width = 3; width >= 2; width--) layer = widen(make, layer, width);
      const sink = make.sink();
      for (const node of layer) make.join(node, sink);
    },
  },
  {
    name: 'parallel tree',
    dpdk: 'graph_parallel_tree_5s_4n_4src_4snk',
    burst: 256,
    build: make => {
      for (let i = 0; i < 4; i++) make.join(chain(make, make.source(), 5), make.sink());
    },
  },
];

async function open(shape: Shape): Promise<{ graph: Graph; sinks: Node[] }> {
  const graph = await openGraph({ workers: 0, types: [objects, stage, end], packets: { perWorker: 16, maxBytes: 64 } });
  const sinks: Node[] = [];
  const hooks = new Map<Node, number>();
  const next = (node: Node): number => {
    const number = hooks.get(node) ?? 0;
    hooks.set(node, number + 1);
    return number;
  };
  shape.build({
    source: () => {
      const node = graph.create('bench-objects');
      tell(graph, undefined, node.address, 'set', { objects: shape.burst });
      return node;
    },
    stage: () => graph.create('bench-stage'),
    sink: () => {
      const node = graph.create('bench-end');
      sinks.push(node);
      return node;
    },
    join: (from, to) => graph.connect(from, `out${next(from)}`, to, `in${next(to)}`),
  });
  return { graph, sinks };
}

/** Millions of objects a second that reach the sinks: the best of `runs` of `ms` each. */
export async function measureShape(shape: Shape, runs: number, ms: number): Promise<number> {
  const { graph, sinks } = await open(shape);
  const plane = graph.plane as InlinePlane;
  const arrived = (): number => sinks.reduce((sum, sink) => sum + sink.counts()['packets']!, 0);
  const { runtime } = plane;
  // As a worker's thread does it: each source, then what it brought.
  const rounds = (count: number): void => {
    for (let i = 0; i < count; i++) {
      runtime.begin();
      const { sources } = runtime;
      for (let j = 0; j < sources.length; j++) runtime.poll(sources[j]!, 256);
    }
  };
  rounds(20_000);
  let best = 0;
  for (let run = 0; run < runs; run++) {
    const before = arrived();
    const start = performance.now();
    while (performance.now() - start < ms) rounds(1000);
    best = Math.max(best, (arrived() - before) / (performance.now() - start) / 1000);
  }
  await graph.close();
  return best;
}

/** Millions of objects a second in dpdk-test, by its names of the shapes. */
export async function measureDpdk(): Promise<Map<string, number>> {
  const child = spawn(
    'dpdk-test',
    ['--no-huge', '-m', '1024', '--no-pci', '--no-telemetry', '--file-prefix', `grevy${process.pid}`, '-l', '0,1'],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  let text = '';
  child.stdout.setEncoding('utf8');
  const done = new Promise<void>((resolve, reject) => {
    child.once('error', error =>
      reject(new Error('no dpdk-test to compare with: apt-get install dpdk-dev', { cause: error })),
    );
    child.once('exit', () => resolve());
  });
  child.stdout.on('data', (chunk: string) => {
    text += chunk;
    // It forgets what it was told when its input ends before the test does.
    if (/^Test (OK|Failed)/m.test(text)) child.stdin.end('quit\n');
  });
  child.stdin.write('graph_perf_autotest\n');
  await done;
  const rates = new Map<string, number>();
  let sum = 0;
  for (const line of text.split('\n')) {
    const cells = line.split('|').map(cell => cell.trim());
    if (cells[1]?.startsWith('test_graph_perf_sink')) sum += Number(cells[6]);
    const shape = /TestCase \[ *\d+\] : (\S+) succeeded/.exec(line)?.[1];
    if (shape === undefined) continue;
    rates.set(shape, sum);
    sum = 0;
  }
  if (rates.size === 0) throw new Error(`dpdk-test gave no figures:\n${text}`);
  return rates;
}

if (import.meta.main) {
  const dpdk = await measureDpdk();
  for (const shape of SHAPES) {
    const ours = await measureShape(shape, 5, 300);
    const theirs = dpdk.get(shape.dpdk)!;
    console.log(shape.name.padEnd(24), ours.toFixed(1), theirs.toFixed(1), (ours / theirs).toFixed(2));
  }
}
