// The graph in threads: commits reach every worker whole, nothing is lost on the way, memory comes back, and a worker that dies is replaced.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Graph, openGraph, send, socketOf, WorkerPlane } from '../../src/netgraph/index.ts';
import { until } from '../lib/wait.ts';

async function withGraph(workers: number, fn: (graph: Graph, trouble: string[]) => Promise<void>): Promise<void> {
  const trouble: string[] = [];
  const graph = await openGraph({
    workers,
    packets: { perWorker: 512, maxBytes: 2048 },
    trouble: text => trouble.push(text),
  });
  try {
    await fn(graph, trouble);
  } finally {
    await graph.close();
  }
  assert.equal(graph.plane.memory.inUse, 0, 'all memory came back');
}

for (const workers of [1, 2, 3]) {
  test(`packets go through ${workers} workers in their order, and back`, () =>
    withGraph(workers, async (graph, trouble) => {
      const a = graph.create('socket', 'a');
      // Of the next number, so that it runs in another worker.
      const b = graph.create('socket', 'b');
      const tee = graph.mkpeer(a, 'tee', 'out', 'left');
      graph.connect(b, 'in', tee, 'right');
      const got: number[] = [];
      socketOf(b).onData = (_hook, data) => got.push(data[0]! * 256 + data[1]!);
      const total = 5000;
      for (let i = 0; i < total; ) {
        try {
          socketOf(a).write('out', Uint8Array.of(i >> 8, i & 255, 3));
          i++;
        } catch (error) {
          assert.equal((error as { code: string }).code, 'ENOBUFS', String(error));
          await new Promise(resolve => setImmediate(resolve));
        }
        if (i % 200 === 0) await until(() => got.length >= i - 200, { what: `${i} packets, have ${got.length}` });
      }
      await until(() => got.length === total, {
        what: () => `all packets, have ${got.length}: ${JSON.stringify([a, tee, b].map(node => graph.countsOf(node)))}`,
      });
      assert.deepEqual(
        got,
        Array.from({ length: total }, (_, i) => i),
      );
      await until(() => graph.countsOf(tee)['packets'] === total, { what: 'the counters' });
      const stats = (await send(graph, undefined, 'a:out', 'getstats')).args as { left: { inFrames: number } };
      assert.equal(stats.left.inFrames, total);
      assert.deepEqual(trouble, []);
    }));
}

test('a thousand changes while nothing runs: all of them are done, and what they took away is freed', () =>
  withGraph(2, async graph => {
    const hub = graph.create('hub');
    await send(graph, undefined, `[${hub.id.toString(16)}]:`, 'setpersistent');
    await graph.settled();
    const before = graph.plane.memory.inUse;
    for (let i = 0; i < 1000; i++) {
      const tee = graph.mkpeer(hub, 'tee', 'x', 'left');
      graph.shutdown(tee);
    }
    await graph.settled();
    assert.equal(graph.plane.memory.inUse, before);
    assert.equal(graph.nodeCount, 1);
  }));

test('a worker that dies is taken out, and another takes its place with the graph and the counters', () =>
  withGraph(2, async (graph, trouble) => {
    const a = graph.create('socket', 'a');
    const b = graph.create('socket', 'b');
    graph.connect(a, 'x', b, 'y');
    const got: string[] = [];
    socketOf(b).onData = (_hook, data) => got.push(Buffer.from(data).toString());
    socketOf(a).write('x', Buffer.from('before'));
    await until(() => got.length === 1, { what: 'the first packet' });
    const plane = graph.plane as WorkerPlane;
    for (const victim of [0, 1]) {
      const thread = plane.thread(victim)!;
      plane.kill(victim);
      await thread.ended;
      const tee = graph.mkpeer(a, 'tee', `t${victim}`, 'left');
      await until(() => trouble.length === victim + 1, { what: `the death of worker ${victim}` });
      assert.match(trouble[victim]!, new RegExp(`worker ${victim} died.*taken its place`));
      socketOf(a).write('x', Buffer.from(`after ${victim}`));
      await until(() => got.length === victim + 2, { what: 'a packet through the successor' });
      assert.equal(got[victim + 1], `after ${victim}`);
      graph.shutdown(tee);
      await graph.settled();
    }
    await until(() => graph.countsOf(b)['packets'] === 3, {
      what: `the counters that go on: ${graph.countsOf(b)['packets']}`,
    });
  }));
