// ng_one2many(4): in turn, to all, to the first; only what is connected and enabled; links that say themselves how they are.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { send } from '../../../src/netgraph/index.ts';
import { Inline } from '../lib/inline.ts';

let inline: Inline;
beforeEach(async () => {
  inline = await Inline.open();
});
afterEach(() => inline.close());

const one = async (...packets: string[]): Promise<readonly string[]> => {
  for (const packet of packets) inline.write('one', packet);
  return inline.texts();
};

test('in turn over the active links; what they bring goes out of one; each link counts', async () => {
  const node = inline.make('one2many', 'one', 'many2', 'many0', 'many63');
  assert.deepEqual(await one('a', 'b', 'c', 'd'), ['many0 a', 'many2 b', 'many63 c', 'many0 d']);
  inline.write('many63', 'up');
  assert.deepEqual(await inline.texts(), ['one up']);
  assert.equal(await inline.ascii(node, 'getconfig'), '{ xmitAlg=1 failAlg=1 enabledLinks=[ 1 2=1 63=1 ] }');
  assert.equal(await inline.ascii(node, 'getstats', '-1'), '{ recvOctets=4 recvPackets=4 xmitOctets=2 xmitPackets=1 }');
  assert.equal(await inline.ascii(node, 'getstats', '0'), '{ xmitOctets=2 xmitPackets=2 }');
  assert.equal(
    await inline.ascii(node, 'getclrstats', '63'),
    '{ recvOctets=2 recvPackets=1 xmitOctets=1 xmitPackets=1 }',
  );
  assert.equal(await inline.ascii(node, 'getstats', '63'), '{}');
  assert.equal(await inline.ascii(node, 'getstats', '5'), '{}');
  await inline.ascii(node, 'clrstats', '-1');
  assert.equal(await inline.ascii(node, 'getstats', '-1'), '{}');
  // What takes part in turn changes at once, and nobody is left out.
  await inline.ascii(node, 'setconfig', '{ xmitAlg=1 failAlg=1 enabledLinks=[ 1 63=1 ] }');
  assert.deepEqual(
    (await one('a', 'b')).map(text => text.split(' ')[0]!).sort((a, b) => a.localeCompare(b)),
    ['many0', 'many63'],
  );
});

test('to all, and to the first that is enabled', async () => {
  const node = inline.make('one2many', 'one', 'many0', 'many1', 'many2');
  await inline.ascii(node, 'setconfig', '{ xmitAlg=2 failAlg=1 enabledLinks=[ 1 1 ] }');
  assert.deepEqual([...(await one('abc'))].sort(), ['many0 abc', 'many1 abc']);
  assert.equal(await inline.ascii(node, 'getstats', '1'), '{ xmitOctets=3 xmitPackets=1 }');
  await inline.ascii(node, 'setconfig', '{ xmitAlg=3 failAlg=1 enabledLinks=[ 0 1 1 ] }');
  assert.deepEqual(await one('a', 'b'), ['many1 a', 'many1 b']);
  inline.graph.rmhook(node.hooks.get('many1')!);
  assert.deepEqual(await one('c'), ['many2 c']);
  // A link that is connected anew is enabled, whatever was before.
  inline.join(node, 'many1');
  assert.deepEqual(await one('d'), ['many1 d']);
  await inline.ascii(node, 'setconfig', '{ xmitAlg=3 failAlg=1 }');
  assert.deepEqual(await one('e'), []);
  assert.equal(node.counts()['drop.notConnected'], 1);
});

test('links that say how they are, and what is said to the one', async () => {
  const node = inline.make('one2many', 'one', 'many0', 'many1');
  const said: string[] = [];
  await inline.texts();
  inline.socket.onMessage = (name, _args, { hook }) => void said.push(`${hook!.name} ${name}`);
  await inline.ascii(node, 'setconfig', '{ xmitAlg=3 failAlg=1 enabledLinks=[ 1 1 ] }');
  await send(inline.graph, inline.me, 'many0', 'link_is_down');
  assert.deepEqual(await one('manual'), ['many0 manual'], 'failAlg 1 does not listen');
  await inline.ascii(node, 'setconfig', '{ xmitAlg=3 failAlg=2 enabledLinks=[ 1 1 ] }');
  await send(inline.graph, inline.me, 'many0', 'link_is_down');
  assert.deepEqual(await one('notified'), ['many1 notified']);
  await send(inline.graph, inline.me, 'many1', 'link_is_down');
  await send(inline.graph, inline.me, 'many1', 'link_is_up');
  await inline.texts();
  assert.deepEqual(said, ['one link_is_down', 'one link_is_up']);
  assert.deepEqual(await one('again'), ['many1 again']);
});

test('what is refused', async () => {
  const node = inline.make('one2many', 'one');
  for (const hook of ['many', 'many64', 'many01', 'many-1', 'many1x', 'two'])
    inline.refusesHook(node, 'EINVAL', hook, hook);
  await inline.refuses(node, 'EINVAL', 'setconfig', '{ xmitAlg=4 failAlg=1 }', '4');
  await inline.refuses(node, 'EINVAL', 'setconfig', '{ xmitAlg=1 failAlg=3 }', '3');
  await inline.refuses(node, 'EINVAL', 'getstats', '64', '64');
  await inline.refuses(node, 'EINVAL', 'getstats', '-2', '-2');
  await inline.refuses(node, 'EINVAL', 'nosuch');
});

test('copies that there is no packet for are counted, and the original goes on', async () => {
  await inline.close();
  inline = await Inline.open({ packets: { perWorker: 8, maxBytes: 256 } });
  const node = inline.make('one2many', 'one', 'many0', 'many1');
  const hub = inline.graph.mkpeer(inline.me, 'hub', 'x', 'x');
  // Packets that go round and round between two hubs leave none but the reserve.
  inline.graph.connect(hub, 'a', hub, 'b');
  inline.graph.connect(hub, 'c', hub, 'd');
  inline.write('x', 'storm');
  await inline.ascii(node, 'setconfig', '{ xmitAlg=2 failAlg=1 enabledLinks=[ 1 1 ] }');
  for (let i = 0; i < 100 && node.counts()['drop.noPacket'] === 0; i++) {
    try {
      inline.write('one', 'p');
    } catch {
      // Nothing is free at this moment.
    }
    inline.plane.step();
  }
  assert.ok(node.counts()['drop.noPacket']! > 0);
  assert.ok((await inline.texts()).includes('many0 p'));
  const { memoryFailures } = await inline.send<{ memoryFailures: number }>(node, 'getstats', 1);
  assert.ok(memoryFailures > 0);
  inline.graph.shutdown(hub);
  for (let i = 0; i < 100 && inline.plane.runtime.busy; i++) inline.plane.step();
});
