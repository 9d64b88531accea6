// Workers that die in the middle of anything, stand still, or run code that throws: nothing is lost, everything else goes on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatWorkers,
  type Graph,
  type Health,
  type Node,
  openGraph,
  send,
  socketOf,
  type WorkerPlane,
} from '../../src/netgraph/index.ts';
import { until } from '../lib/wait.ts';
import { ends, type EndsControl } from './lib/ends.ts';
import { allTypes, type FaultConfig } from './lib/traffic-types.ts';

const PACKETS = 1024;

interface Options {
  readonly stallMs?: number;
  readonly ringBytes?: number;
  readonly backoffMs?: readonly [number, number];
}

async function withGraph(
  workers: number,
  options: Options,
  fn: (graph: Graph, trouble: string[]) => Promise<void>,
): Promise<void> {
  const trouble: string[] = [];
  const graph = await openGraph({
    workers,
    types: [...allTypes, ends],
    packets: { perWorker: PACKETS, maxBytes: 128 },
    trouble: text => trouble.push(text),
    stallMs: 20_000,
    backoffMs: [0, 0],
    ...options,
  });
  try {
    await fn(graph, trouble);
  } finally {
    await graph.close();
  }
  assert.equal(graph.plane.memory.inUse, 0, 'all memory came back');
}

const address = (node: Node): string => `[${node.id.toString(16)}]:`;
const set = (graph: Graph, node: Node, args: unknown): Promise<unknown> =>
  send(graph, undefined, address(node), 'set', args);
const fail = (graph: Graph, node: Node, config: FaultConfig): Promise<unknown> => set(graph, node, config);

/** Every packet is free again, in the worker that it belongs to. */
async function allFree(graph: Graph): Promise<void> {
  const plane = graph.plane as WorkerPlane;
  const free = (): number[] => Array.from({ length: plane.workers }, (_, worker) => plane.freePackets(worker));
  await until(() => free().every(count => count === PACKETS), { what: () => `all packets free: ${free().join(', ')}` });
}

/** Sends from every worker to nodes that keep packets, one in each worker, and to one in each that is about to fail. */
async function crossing(graph: Graph): Promise<{ source: Node; faults: Node[]; refused: () => number }> {
  const source = graph.create('test-traffic', 'source');
  const hub = graph.mkpeer(source, 'hub', 'out', 'in');
  const faults: Node[] = [];
  for (let worker = 0; worker < graph.plane.workers; worker++) {
    const fault = graph.mkpeer(hub, 'test-fault-one', `f${worker}`, 'in');
    faults.push(fault);
  }
  // Each in the worker after that of who sends to it.
  for (const fault of [...faults.slice(1), faults[0]!]) graph.mkpeer(fault, 'test-keep', 'out', 'in');
  await set(graph, source, { running: true, limit: Number.MAX_SAFE_INTEGER });
  return { source, faults, refused: () => graph.countsOf(hub)['drop.crossing']! };
}

for (const workers of [1, 2, 3]) {
  test(`workers die in the middle of a vector, packets of others in their hands: none of ${workers} workers' is lost`, () =>
    withGraph(workers, {}, async (graph, trouble) => {
      const { faults } = await crossing(graph);
      assert.equal(new Set(faults.map(({ worker }) => worker)).size, workers, 'one in each worker');
      let deaths = 0;
      for (let round = 0; round < 4; round++) {
        // All at once in the last round, each after a while of its own; one after the other before.
        const victims = round === 3 ? faults : [faults[round % workers]!];
        for (const victim of victims) await fail(graph, victim, { what: 'exit', at: 1 + round });
        deaths += victims.length;
        // Commits go on meanwhile.
        await until(
          () => {
            const tee = graph.mkpeer(faults[0]!, 'tee', 'tap', 'left');
            graph.shutdown(tee);
            return trouble.length >= deaths;
          },
          { what: () => `${deaths} deaths: ${trouble.join('; ')}` },
        );
        // The successors were told the same again with the snapshot, and die, unless they are told something else.
        for (const victim of victims) await fail(graph, victim, { what: 'nothing', at: 0 });
        await graph.settled();
        deaths = trouble.length;
      }
      for (const text of trouble) assert.match(text, /^worker \d died: .*; another has taken its place$/);
      for (const node of graph.nodes) graph.shutdown(node);
      await graph.settled();
      await allFree(graph);
    }));
}

test('a worker that dies on its own, without a packet, between two commits, while others send to it', () =>
  withGraph(2, {}, async (graph, trouble) => {
    await crossing(graph);
    const plane = graph.plane as WorkerPlane;
    for (let round = 1; round <= 3; round++) {
      for (const victim of [0, 1]) plane.kill(victim);
      await until(() => trouble.length === 2 * round, { what: () => `${2 * round} deaths: ${trouble.join('; ')}` });
    }
    for (const node of graph.nodes) graph.shutdown(node);
    await graph.settled();
    await allFree(graph);
  }));

test('a worker that dies again and again is replaced after longer and longer, which show graph tells; the other goes on', () =>
  withGraph(2, { backoffMs: [40, 60] }, async (graph, trouble) => {
    const source = graph.create('test-ends');
    const fault = graph.mkpeer(source, 'test-fault', 'way', 'in');
    const sink = graph.mkpeer(fault, 'hole', 'out', 'in');
    const { plane } = graph;
    const shown = (): string => formatWorkers([0, 1].map(worker => plane.health(worker)));
    assert.equal(shown(), '');
    (source.control as EndsControl).send([new Uint8Array(20)]);
    await fail(graph, fault, { what: 'exit', at: 1, worker: 1 });
    await until(() => trouble.length >= 6, { what: () => `deaths: ${trouble.join('; ')}` });
    const why = 'worker 1 died: thread graph-1 ended with code 3; another';
    assert.deepEqual(trouble.splice(0, 6), [
      `${why} has taken its place`,
      `${why} takes its place in 40 ms`,
      `${why} has taken its place`,
      `${why} takes its place in 60 ms`,
      `${why} has taken its place`,
      `${why} takes its place in 60 ms`,
    ]);
    await until(() => plane.health(1).state === 'restarting', { what: 'one more death', everyMs: 1 });
    assert.match(
      shown(),
      /^ {2}Worker 1 has died \d+ times, last of 'thread graph-1 ended with code 3': another takes its place after 60 ms\n$/,
    );
    // Nobody waits for it.
    await graph.settled();
    const before = graph.countsOf(sink)['packets']!;
    await until(() => graph.countsOf(sink)['packets']! > before + 10, { what: 'packets of the other' });
    await fail(graph, fault, { what: 'nothing', at: 0 });
    const health = (): Health => plane.health(1);
    await until(() => health().state === 'running' && health().since! < Date.now() - 200, { what: 'one that lives' });
    assert.match(shown(), /it runs again\n$/);
    for (const node of graph.nodes) graph.shutdown(node);
    await graph.settled();
    await allFree(graph);
  }));

test('what is said to a worker that is not to be replaced for long is refused, and the graph ends at once', () =>
  withGraph(2, { backoffMs: [600_000, 600_000] }, async (graph, trouble) => {
    await crossing(graph);
    const sockets = [0, 1].map(i => graph.create('socket', `s${i}`));
    for (const node of sockets) graph.mkpeer(node, 'hole', 'out', 'in');
    const plane = graph.plane as WorkerPlane;
    for (const text of [/has taken its place$/, /takes its place in 600000 ms$/]) {
      plane.kill(0);
      await until(() => trouble.length > 0, { what: 'a death' });
      assert.match(trouble.splice(0).join(), text);
    }
    for (const node of sockets) {
      const write = (): void => socketOf(node).write('out', new Uint8Array(20));
      if (node.worker === 0)
        assert.throws(write, { code: 'EAGAIN', message: /worker 0, where node s\d: runs, has died/ });
      else write();
    }
  }));

test('what a worker was asked when it died its successor is asked, and answers', () =>
  withGraph(1, {}, async (graph, trouble) => {
    const pipe = graph.create('pipe');
    // It hears first that it is to die.
    (graph.plane as WorkerPlane).kill(0);
    const answers = [1, 2].map(() => send(graph, undefined, pipe.address, 'getrun'));
    for (const { args } of await Promise.all(answers)) assert.ok(args);
    assert.equal(trouble.length, 1);
  }));

test('the graph ends while workers die and begin', async () => {
  for (let round = 0; round < 3; round++) {
    await withGraph(2, {}, async graph => {
      await crossing(graph);
      for (const victim of [0, 1]) (graph.plane as WorkerPlane).kill(victim);
      // As far as the successors have come by then.
      for (let turn = 0; turn < round; turn++) await (graph.plane as WorkerPlane).thread(0)?.ended;
    });
  }
});

test('a worker that stands still is named, changes beyond what it can be told are refused, and then all goes on', () =>
  withGraph(2, { stallMs: 150, ringBytes: 1 << 15 }, async (graph, trouble) => {
    const source = graph.create('test-traffic', 'source');
    const fault = graph.mkpeer(source, 'test-fault', 'out', 'in');
    const sink = graph.mkpeer(fault, 'test-check', 'out', 'in');
    await set(graph, source, { running: true, limit: Number.MAX_SAFE_INTEGER });
    await fail(graph, fault, { what: 'spin', at: 1, ms: 700, worker: 1 });
    let refusal: { code: string; message: string } | undefined;
    await until(
      () => {
        try {
          for (let i = 0; i < 50; i++) graph.change(() => graph.shutdown(graph.mkpeer(sink, 'tee', 'tap', 'left')));
        } catch (error) {
          refusal = error as { code: string; message: string };
        }
        return refusal !== undefined && trouble.length > 0;
      },
      { what: 'a refusal, and a report' },
    );
    assert.equal(refusal?.code, 'ENOBUFS');
    assert.match(refusal?.message ?? '', /worker 1 has stood still for \d+ ms/);
    assert.match(trouble[0]!, /^worker 1 has stood still for \d+ ms$/);
    assert.equal(graph.nodeCount, 3, 'what was refused was undone');
    await graph.settled();
    // The other worker went on all the while, and now both do what they are told.
    graph.shutdown(graph.mkpeer(sink, 'tee', 'tap', 'left'));
    await graph.settled();
    const before = graph.countsOf(sink)['packets']!;
    await until(() => graph.countsOf(sink)['packets']! > before, { what: 'packets afterwards' });
    assert.equal(trouble.length, 1);
  }));

for (const workers of [1, 2]) {
  test(`a node whose code throws drops and counts, the others go on, and its packets and memory come back (${workers})`, () =>
    withGraph(workers, {}, async (graph, trouble) => {
      const source = graph.create('test-traffic', 'source');
      const hub = graph.mkpeer(source, 'hub', 'out', 'in');
      const well = graph.mkpeer(hub, 'test-fault', 'w', 'in');
      graph.mkpeer(well, 'test-keep', 'out', 'in');
      for (const type of ['test-fault', 'test-fault-one']) {
        const before = trouble.length;
        const ill = graph.mkpeer(hub, type, 'i', 'in');
        graph.mkpeer(ill, 'test-keep', 'out', 'in');
        const last = graph.find(`${address(ill)}out`).node;
        await set(graph, source, { running: true, limit: Number.MAX_SAFE_INTEGER });
        await fail(graph, ill, { what: 'throw', at: 2 });
        const failures = type === 'test-fault' ? workers : 1;
        await until(() => trouble.length === before + failures, { what: () => `failures: ${trouble.join('; ')}` });
        for (const text of trouble.slice(before)) {
          assert.match(text, new RegExp(`of type ${type} failed in worker \\d: Error: as it was told`));
        }
        assert.match(String(ill.failure), /as it was told/);
        const [dropped, went] = [graph.countsOf(ill)['drop.refused']!, graph.countsOf(well)['packets']!];
        await until(
          () => graph.countsOf(ill)['drop.refused']! > dropped && graph.countsOf(well)['packets']! > went + 1000,
          { what: 'drops of the one, packets of the other' },
        );
        // It is not called again, whatever comes: not for a configuration, not for a hook.
        await fail(graph, ill, { what: 'throw', at: 1 });
        graph.shutdown(last);
        graph.shutdown(ill);
        await graph.settled();
        assert.equal(trouble.length, before + failures);
      }
      for (const node of graph.nodes) graph.shutdown(node);
      await graph.settled();
      await allFree(graph);
    }));
}

test('a source whose poll throws, packets in its hands: they come back with its end', () =>
  withGraph(2, {}, async (graph, trouble) => {
    const source = graph.create('test-fault-source');
    graph.mkpeer(source, 'test-keep', 'out', 'in');
    for (const worker of [0, 1]) {
      await fail(graph, source, { what: 'throw', at: 3, worker });
      await until(() => trouble.length === worker + 1, { what: () => `a failure: ${trouble.join('; ')}` });
      assert.match(
        trouble[worker]!,
        new RegExp(`type test-fault-source failed in worker ${worker}: Error: as it was told`),
      );
    }
    for (const node of graph.nodes) graph.shutdown(node);
    await graph.settled();
    await allFree(graph);
  }));

test('a type whose module can not be had fails its nodes, not the workers', () =>
  withGraph(2, {}, async (graph, trouble) => {
    const broken = { ...allTypes.find(({ name }) => name === 'test-pass')!, name: 'test-absent' };
    graph.addType(broken);
    graph.create('test-absent');
    await until(() => trouble.length === 2, { what: () => `failures: ${trouble.join('; ')}` });
    for (const text of trouble)
      assert.match(text, /type test-absent failed in worker \d: .*exports no node type test-absent/);
  }));
