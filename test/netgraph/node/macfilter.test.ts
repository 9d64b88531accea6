// ng_macfilter(4): hosts by address, counters, IDs of hooks, many addresses, and two workers.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { openGraph, send, socketOf } from '../../../src/netgraph/index.ts';
import { until } from '../../lib/wait.ts';
import { Inline } from '../lib/inline.ts';

let inline: Inline;
beforeEach(async () => {
  inline = await Inline.open();
});
afterEach(() => inline.close());

const mac = (host: number): string =>
  `02:00:00:00:${(host >> 8).toString(16).padStart(2, '0')}:${(host & 255).toString(16).padStart(2, '0')}`;
/** 4 bytes behind the header. */
const frame = (to: number, from: number): Buffer =>
  Buffer.from(`${mac(to)}${mac(from)}0800cafe0000`.replaceAll(':', ''), 'hex');

test('by source address to the hook that it is directed to, else to the default; all else to ether', async () => {
  const node = inline.make('macfilter', 'ether', 'default', 'left', 'right');
  const out = async (): Promise<string[]> => (await inline.came()).map(({ hook }) => hook);
  await inline.ascii(node, 'direct', `{ ether=${mac(1)} hookname="left" }`);
  await inline.ascii(node, 'directi', `{ ether=${mac(2)} hookid=2 }`);
  for (const host of [1, 2, 3]) inline.write('ether', frame(9, host));
  assert.deepEqual(await out(), ['left', 'right', 'default']);
  inline.write('left', frame(1, 9));
  inline.write('default', frame(3, 9));
  inline.write('ether', Buffer.alloc(13));
  assert.deepEqual(await out(), ['ether', 'ether']);
  assert.equal(node.counts()['drop.malformed'], 1);
  assert.equal(
    await inline.ascii(node, 'getclrmacs'),
    `{ n=2 macs=[ { ether=${mac(1)} hookid=1 packets_in=1 bytes_in=4 packets_out=1 bytes_out=4 }` +
      ` { ether=${mac(2)} hookid=2 packets_in=1 bytes_in=4 } ] }`,
  );
  assert.equal(
    await inline.ascii(node, 'getmacs'),
    `{ n=2 macs=[ { ether=${mac(1)} hookid=1 } { ether=${mac(2)} hookid=2 } ] }`,
  );
  assert.equal(
    await inline.ascii(node, 'gethooks'),
    '{ n=3 hooks=[ { hookname="default" } { hookname="left" hookid=1 maccnt=1 } { hookname="right" hookid=2 maccnt=1 } ] }',
  );
  // Directed elsewhere, to the default again, and all of them.
  await inline.ascii(node, 'direct', `{ ether=${mac(1)} hookname="right" }`);
  await inline.ascii(node, 'direct', `{ ether=${mac(2)} hookname="default" }`);
  for (const host of [1, 2]) inline.write('ether', frame(9, host));
  assert.deepEqual(await out(), ['right', 'default']);
  await inline.ascii(node, 'reset');
  inline.write('ether', frame(9, 1));
  assert.deepEqual(await out(), ['default']);
});

test('addresses go with their hook, and come back where the change is refused', async () => {
  const node = inline.make('macfilter', 'ether', 'default', 'left');
  await inline.ascii(node, 'direct', `{ ether=${mac(1)} hookname="left" }`);
  assert.throws(() =>
    inline.graph.change(() => {
      inline.graph.rmhook(node.hooks.get('left')!);
      inline.graph.create('nosuch');
    }),
  );
  inline.write('ether', frame(9, 1));
  assert.deepEqual((await inline.came()).map(({ hook }) => hook), ['left']); // biome-ignore format: one line
  inline.graph.rmhook(node.hooks.get('left')!);
  inline.write('ether', frame(9, 1));
  assert.deepEqual((await inline.came()).map(({ hook }) => hook), ['default']); // biome-ignore format: one line
  assert.equal(await inline.ascii(node, 'getmacs'), '{}');
  await inline.refuses(node, 'ENOENT', 'direct', `{ ether=${mac(1)} hookname="none" }`, 'none');
  await inline.refuses(node, 'EINVAL', 'direct', `{ ether=${mac(1)} hookname="ether" }`, 'ether');
  await inline.refuses(node, 'EINVAL', 'directi', `{ ether=${mac(1)} hookid=7 }`, '7');
});

test('12,288 addresses, and no more', async () => {
  const node = inline.make('macfilter', 'ether', 'default', 'left');
  for (let i = 0; i < 12_288; i++) await inline.send(node, 'directi', { ether: mac(i), hookid: 1 });
  await inline.refuses(node, 'ENOBUFS', 'directi', `{ ether=${mac(20_000)} hookid=1 }`, '12288');
  for (const host of [0, 12_287, 20_000]) inline.write('ether', frame(9, host));
  assert.deepEqual((await inline.came()).map(({ hook }) => hook), ['left', 'left', 'default']); // biome-ignore format: one line
  await inline.ascii(node, 'direct', `{ ether=${mac(5)} hookname="default" }`);
  await inline.send(node, 'directi', { ether: mac(20_000), hookid: 1 });
  inline.write('ether', frame(9, 20_000));
  assert.deepEqual((await inline.came()).map(({ hook }) => hook), ['left']); // biome-ignore format: one line
});

test('two workers count one host together', async () => {
  const graph = await openGraph({ workers: 2, packets: { perWorker: 512, maxBytes: 2048 } });
  try {
    const sockets = ['a', 'b', 'c'].map(name => socketOf(graph.create('socket', name)));
    const filter = graph.create('macfilter', 'filter');
    graph.connect(sockets[0]!.node, 'x', filter, 'left');
    graph.connect(sockets[1]!.node, 'x', filter, 'right');
    let came = 0;
    graph.connect(sockets[2]!.node, 'x', filter, 'ether');
    sockets[2]!.onData = () => came++;
    await send(graph, undefined, 'filter:', 'direct', { ether: mac(1), hookname: 'left' });
    for (let i = 0; i < 100; i++) {
      sockets[0]!.write('x', frame(1, 9));
      sockets[1]!.write('x', frame(1, 9));
    }
    await until(() => came === 200, { what: () => `200 packets, not ${came}` });
    const { args } = await send(graph, undefined, 'filter:', 'getmacs');
    assert.equal((args as { macs: { packets_out: number }[] }).macs[0]!.packets_out, 200);
  } finally {
    await graph.close();
  }
});
