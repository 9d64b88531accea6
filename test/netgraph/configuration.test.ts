// A configuration as a value: what it takes from one to the next, and that it happens as one change or not at all.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ConfiguredGraph,
  difference,
  type GraphConfiguration,
  NetgraphError,
  openGraph,
} from '../../src/netgraph/index.ts';

const wire: GraphConfiguration = {
  nodes: { a: { type: 'echo' }, t: { type: 'tee' }, h: { type: 'hole' } },
  edges: [
    ['a.1', 't.left'],
    ['t.right', 'h.1'],
  ],
};

test('the same configuration again takes nothing', () => {
  assert.deepEqual(difference(wire, structuredClone(wire)), []);
});

test('what stays is not touched, what differs is', () => {
  const next: GraphConfiguration = {
    nodes: { a: { type: 'echo' }, t: { type: 'hub', tell: [['setpersistent']] }, h: { type: 'hole' } },
    edges: [['h.1', 'a.1']],
  };
  assert.deepEqual(difference(wire, next), [
    { do: 'shutdown', node: 't' },
    { do: 'create', node: 't', type: 'hub' },
    { do: 'connect', a: { node: 'a', hook: '1' }, b: { node: 'h', hook: '1' } },
    { do: 'tell', node: 't', message: 'setpersistent', args: undefined },
  ]);
});

test('a configuration that contradicts itself is refused, and so is one that the graph refuses: nothing has happened', async () => {
  const graph = await openGraph({ workers: 0 });
  const live = new ConfiguredGraph(graph);
  live.apply(wire);
  const before = graph.snapshot();
  const refused: [string, GraphConfiguration][] = [
    ['EINVAL', { ...wire, edges: [['a.1', 'nobody.left']] }],
    ['EINVAL', { ...wire, edges: [['a.1', 't.left'], ['a.1', 't.right']] }], // biome-ignore format: one line
    ['ENXIO', { nodes: { ...wire.nodes, x: { type: 'nosuch' } }, edges: [] }],
    ['EINVAL', { nodes: wire.nodes, edges: [['a.1', 't.middle']] }],
    ['EINVAL', { nodes: { a: { type: 'tee', tell: [['nosuch']] } } }],
  ];
  for (const [code, configuration] of refused) {
    assert.throws(
      () => live.apply(configuration),
      (error: unknown) => error instanceof NetgraphError && error.code === code,
    );
    assert.deepEqual(graph.snapshot(), before);
    assert.deepEqual(live.configuration, wire);
  }
  live.clear();
  assert.equal(graph.nodeCount, 0);
  await graph.close();
  assert.equal(graph.plane.memory.inUse, 0);
});

test('what somebody else has ended is made anew', async () => {
  const graph = await openGraph({ workers: 0 });
  const live = new ConfiguredGraph(graph);
  live.apply(wire);
  const echo = graph.named('a')!;
  graph.shutdown(graph.named('t')!);
  assert.equal(live.apply(wire).length, 3);
  assert.equal(graph.named('a'), echo);
  assert.equal(graph.find('a:1.right').node.name, 'h');
  await graph.close();
});

test('from any configuration to any other: the graph is what it would be from the start', async () => {
  const types = ['echo', 'hole', 'hub'];
  const arbitrary = fc
    .record({
      types: fc.array(fc.constantFrom(...types), { minLength: 1, maxLength: 5 }),
      edges: fc.uniqueArray(fc.tuple(fc.nat(4), fc.nat(4)), {
        maxLength: 6,
        selector: ([a, b]) => `${Math.min(a, b)} ${Math.max(a, b)}`,
      }),
    })
    .map(({ types, edges }): GraphConfiguration => {
      const nodes = Object.fromEntries(types.map((type, i) => [`n${i}`, { type }]));
      return {
        nodes,
        edges: edges
          .filter(([a, b]) => a < types.length && b < types.length && a !== b)
          .map(([a, b]) => [`n${a}.to${b}`, `n${b}.to${a}`] as const),
      };
    });
  await fc.assert(
    fc.asyncProperty(fc.array(arbitrary, { minLength: 1, maxLength: 5 }), async steps => {
      const graph = await openGraph({ workers: 0 });
      const live = new ConfiguredGraph(graph);
      for (const step of steps) {
        live.apply(step);
        const nodes = [...graph.nodes].map(node => [node.name, node.type.name]);
        const wantedNodes = Object.entries(step.nodes).map(([name, { type }]) => [name, type]);
        assert.deepEqual(nodes.map(String).toSorted(), wantedNodes.map(String).toSorted());
        const edges = [...graph.nodes].flatMap(node =>
          [...node.hooks.values()].map(hook => [
            `${node.name}.${hook.name}`,
            `${hook.peer!.node.name}.${hook.peer!.name}`,
          ]),
        );
        const wanted = (step.edges ?? []).flatMap(([a, b]) => [[a, b], [b, a]]); // biome-ignore format: one line
        assert.deepEqual(edges.map(String).toSorted(), wanted.map(String).toSorted());
      }
      await graph.close();
      assert.equal(graph.plane.memory.inUse, 0);
    }),
    { numRuns: 200 },
  );
});

test('what is no configuration is refused with what is wrong in it', async () => {
  const graph = await openGraph({ workers: 0 });
  const live = new ConfiguredGraph(graph);
  const good = { nodes: { a: { type: 'hub' } } };
  live.apply(good);
  const node = graph.named('a');
  for (const [bad, text] of [
    [null, /nodes, edges \}, not null/],
    [{}, /nodes are .*, not undefined/],
    [{ nodes: [] }, /nodes are/],
    [{ nodes: { a: null } }, /node 'a' is \{ type, tell \}, not null/],
    [{ nodes: { a: { type: 5 } } }, /node 'a'.*5/],
    [{ nodes: { a: { type: 'hub', tell: 'x' } } }, /told is an array, not 'x'/],
    [{ nodes: { a: { type: 'hub', tell: ['x'] } } }, /\[message, argument\], not 'x'/],
    [{ ...good, edges: [5] }, /an edge is .*, not 5/],
    [{ ...good, edges: [['a.x']] }, /an edge is .*a\.x/],
    [{ nodes: { a: { type: 'hub', tell: [['setpersistent', () => 1]] } } }, /a configuration is data/],
    [{ nodes: { a: { type: 'pipe', tell: [['setcfg', { bandwidth: 5n }]] } } }, /bandwidth.*5/],
  ] as const) {
    assert.throws(() => live.apply(bad as never), { code: 'EINVAL', message: text });
    assert.equal(graph.named('a'), node);
    assert.deepEqual(live.configuration, good);
  }
  await graph.close();
});
