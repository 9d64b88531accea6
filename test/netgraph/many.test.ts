// Thousands of hooks on one node, thousands of nodes, loops: all of it is made, taken away, and put back whole where a change is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { InlinePlane, NetgraphError, openGraph, send, socketOf } from '../../src/netgraph/index.ts';
import { SAMPLES } from './lib/good-messages.ts';
import { Inline } from './lib/inline.ts';

const MANY = 3000;

for (const [type, hook] of [
  ['hub', 'h'],
  ['bridge', 'link'],
  ['tag', 't'],
  ['bpf', 'b'],
  ['tcpmss', 'm'],
  ['macfilter', 'f'],
  ['vlan', 'v'],
  ['netflow', 'iface'],
] as const) {
  test(`${type} with ${MANY} hooks`, async () => {
    const inline = await Inline.open();
    const { graph } = inline;
    // A short commit first: the next is longer than any before.
    const node = inline.make(type);
    const names = Array.from({ length: MANY }, (_, i) => `${hook}${i}`);
    graph.change(() => {
      for (const name of names) inline.join(node, name);
    });
    const before = graph.snapshot();
    assert.throws(
      () =>
        graph.change(() => {
          for (const name of names.slice(0, 100)) graph.rmhook(node.hooks.get(name)!);
          graph.shutdown(node);
          throw new NetgraphError('EPERM', 'never mind');
        }),
      { code: 'EPERM' },
    );
    // What differs of so much nobody could read.
    assert.ok(isDeepStrictEqual(graph.snapshot(), before));
    inline.write(`${hook}7`, new Uint8Array(60).fill(2));
    assert.equal(node.counts()['packets'], 1);
    graph.shutdown(node);
    assert.equal(inline.me.hooks.size, 0);
    await inline.close();
  });
}

test('limits of types are told', async () => {
  const inline = await Inline.open();
  for (const [type, taken, not] of [
    ['one2many', 'many63', 'many64'],
    ['bridge', 'link4294967295', 'link4294967296'],
    ['bridge', 'uplink1', 'uplink0'],
    ['netflow', 'iface65534', 'iface65535'],
    ['split', 'mixed', 'mix'],
  ] as const) {
    const node = inline.make(type, taken);
    inline.refusesHook(node, 'EINVAL', not, not);
    inline.graph.shutdown(node);
  }
  await inline.close();
});

test('names and addresses that can not be', async () => {
  const graph = await openGraph({ workers: 0 });
  const me = graph.create('socket', 'me');
  for (const name of ['', 'a.b', 'a:', '\0', 'n'.repeat(32), 'é'.repeat(16), '[1]', '[ffffffff]']) {
    assert.throws(() => graph.create('hub', name), { code: 'EINVAL' }, name);
    if (!name.startsWith('[')) assert.throws(() => graph.mkpeer(me, 'hub', name, 'x'), { code: 'EINVAL' }, name);
  }
  for (const name of ['n'.repeat(31), 'é'.repeat(15), '[0]', '[x]', '[1ffffffff]', '-', ' ']) {
    const node = graph.create('hub', name);
    assert.equal(graph.find(`${name}:`).node, node);
    await assert.rejects(send(graph, me, 'me:', 'name', { name }), { code: 'EADDRINUSE' });
    graph.connect(node, 'a', node, 'b');
    assert.equal(graph.find(`${name}:${'a.b.'.repeat(100)}`.slice(0, 500).replace(/\.$/, '')).node, node);
    graph.shutdown(node);
  }
  for (const address of ['', ':', '::', 'a:b:c', 'a..b', 'me:x', '[0]:', '[99]:', '[g]:', 'x'.repeat(600), 'me.x:']) {
    assert.throws(() => graph.find(address), /EINVAL|ENOENT/, address);
  }
  await graph.close();
});

test('a storm in a loop ends with its node, whatever is done meanwhile', async () => {
  const graph = await openGraph({ workers: 0 });
  const plane = graph.plane as InlinePlane;
  const me = graph.create('socket', 'me');
  const hub = graph.create('hub', 'storm');
  graph.connect(me, 'out', hub, 'in');
  graph.connect(hub, 'a', hub, 'b');
  graph.connect(hub, 'c', hub, 'd');
  for (let i = 0; i < 3; i++) socketOf(me).write('out', new Uint8Array(60));
  assert.ok(plane.runtime.busy);
  const more = graph.mkpeer(hub, 'tee', 'e', 'left');
  plane.step();
  graph.rmhook(hub.hooks.get('a')!);
  graph.shutdown(more);
  plane.step();
  assert.ok(hub.counts()['packets']! > 1000);
  graph.shutdown(hub);
  while (plane.runtime.busy) plane.step();
  await graph.close();
  assert.equal(plane.packets.free, plane.packets.size);
  assert.equal(plane.memory.inUse, 0);
});

test('every type ends in a storm that goes through it', async () => {
  for (const [type, { hooks }] of Object.entries(SAMPLES)) {
    if (type === 'socket' || hooks.length < 2) continue;
    const inline = await Inline.open();
    const hub = inline.make('hub', 'first');
    const node = inline.graph.create(type);
    for (const hook of hooks) inline.graph.connect(hub, hook, node, hook);
    inline.graph.connect(hub, 'loop', hub, 'back');
    inline.write('first', new Uint8Array(60).fill(2));
    inline.plane.step();
    inline.graph.shutdown(node);
    inline.plane.step();
    inline.graph.shutdown(hub);
    while (inline.plane.runtime.busy) inline.plane.step();
    await inline.close();
  }
});
