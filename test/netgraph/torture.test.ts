// Memory that workers look at for every vector is replaced and given back as fast as the control thread can, and overwritten as soon as it
// is free: nobody ever sees that. Without grace periods somebody does: this is a test that would notice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Graph, type Node, openGraph, send } from '../../src/netgraph/index.ts';
import { until } from '../lib/wait.ts';
import { allTypes, type MemoryControl } from './lib/traffic-types.ts';

const LOOKS = 50_000;
const CHANGES = 4000;

/** Renews the memory of two nodes in a row, and now and then one of the nodes, until `enough`; looks, and those that saw other than they should. */
async function torture(
  broken: boolean,
  enough: (looks: number, wrong: number, changes: number) => boolean,
): Promise<[number, number]> {
  const trouble: string[] = [];
  const graph = await openGraph({
    workers: 2,
    poison: true,
    stallMs: 20_000,
    packets: { perWorker: 1024, maxBytes: 128 },
    types: allTypes,
    trouble: text => trouble.push(text),
  });
  try {
    const source = graph.create('test-traffic', 'source');
    const first = graph.mkpeer(source, 'test-memory', 'out', 'in');
    const end = graph.create('test-check', 'end');
    let second = renewed(graph, first, end);
    const control = ({ control }: Node): MemoryControl => control as MemoryControl;
    const looked = (): [number, number] => {
      const all = [first, second].map(node => node.counts());
      return [all[0]!['looks']! + all[1]!['looks']!, all[0]!['wrong']! + all[1]!['wrong']!];
    };
    control(first).broken = broken;
    await send(graph, undefined, 'source:', 'set', { running: true, limit: Number.MAX_SAFE_INTEGER });
    let [looks, wrong] = [0, 0];
    let changes = 0;
    await until(
      () => {
        for (let i = 0; i < 20; i++) {
          attempt(() => control(first).renew());
          attempt(() => control(second).renew());
          if (++changes % 50 !== 0) continue;
          const [gone] = [second];
          const before = gone.counts();
          if (attempt(() => graph.change(() => (graph.shutdown(gone), (second = renewed(graph, first, end)))))) {
            looks += before['looks']!;
            wrong += before['wrong']!;
          } else second = gone;
        }
        const [moreLooks, moreWrong] = looked();
        return enough(looks + moreLooks, wrong + moreWrong, changes);
      },
      { what: () => `enough looks: ${looked().join(', ')} after ${changes} changes`, timeoutMs: 60_000, everyMs: 1 },
    );
    const [moreLooks, moreWrong] = looked();
    assert.deepEqual(trouble, []);
    return [looks + moreLooks, wrong + moreWrong];
  } finally {
    await graph.close();
    assert.equal(graph.plane.memory.inUse, 0, 'all memory came back');
  }
}

/** False where too much waits to be freed: nothing has happened. */
function attempt(change: () => void): boolean {
  try {
    change();
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOBUFS') throw error;
    return false;
  }
}

function renewed(graph: Graph, first: Node, end: Node): Node {
  return graph.change(() => {
    const second = graph.mkpeer(first, 'test-memory', 'out', 'in');
    graph.connect(second, 'out', end, 'in');
    return second;
  });
}

test('two workers look at memory that is replaced all the time, and never at what was freed', async t => {
  const [looks, wrong] = await torture(false, (done, _, changes) => done >= LOOKS && changes >= CHANGES);
  t.diagnostic(`${looks} looks`);
  assert.equal(wrong, 0);
});

test('without a grace period they do', async t => {
  const [looks, wrong] = await torture(true, (_, seen) => seen > 0);
  t.diagnostic(`seen after ${looks} looks`);
  assert.ok(wrong > 0);
});
