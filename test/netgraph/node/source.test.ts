// ng_source(4), rule by rule, by a clock that the test moves; and once in a worker of its own.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { type Node, openGraph, sendAscii, socketOf } from '../../../src/netgraph/index.ts';
import { until } from '../../lib/wait.ts';
import { Inline } from '../lib/inline.ts';

let inline: Inline;
let node: Node;
beforeEach(async () => {
  inline = await Inline.open({ packets: { perWorker: 512, maxBytes: 256 } });
  node = inline.make('source', 'input', 'output');
});
afterEach(() => inline.close());

interface Stats {
  outOctets: number;
  outFrames: number;
  queueOctets: number;
  queueFrames: number;
  maxPps: number;
  startTime: { tv_sec: number; tv_usec: number };
  endTime: { tv_sec: number; tv_usec: number };
  elapsedTime: { tv_sec: number; tv_usec: number };
}
const stats = (): Promise<Stats> => inline.send<Stats>(node, 'getstats');

test('what comes in by input is kept, and played round and round, so many in all', async () => {
  for (const text of ['one', 'two', 'three']) inline.write('input', text);
  assert.equal(await inline.ascii(node, 'getstats'), '{ queueOctets=11 queueFrames=3 }');
  await inline.ascii(node, 'start', '7');
  assert.deepEqual(await inline.texts(), [], 'not before its time');
  inline.pass(0);
  assert.deepEqual(
    await inline.texts(),
    ['one', 'two', 'three', 'one', 'two', 'three', 'one'].map(text => `output ${text}`),
  );
  await inline.ascii(node, 'start', '2');
  inline.pass(0);
  assert.deepEqual(await inline.texts(), ['output two', 'output three'], 'on from where it was');
  const { outOctets, outFrames, queueFrames, startTime, endTime } = await stats();
  assert.deepEqual([outOctets, outFrames, queueFrames], [33, 9, 3]);
  assert.ok(Math.abs(startTime.tv_sec - Date.now() / 1000) < 60, 'by the clock on the wall');
  assert.deepEqual(startTime, endTime);
  await inline.ascii(node, 'clrdata');
  assert.match((await inline.ascii(node, 'getclrstats'))!, /^\{ outOctets=33 outFrames=9 startTime/);
  assert.equal(await inline.ascii(node, 'getstats'), '{}');
});

test('setpps: packets go by the clock, at a rate that does not drift; getstats says for how long', async () => {
  inline.write('input', 'p');
  await inline.ascii(node, 'setpps', '30');
  await inline.ascii(node, 'start', '100');
  inline.pass(33);
  assert.equal((await inline.came()).length, 0);
  inline.pass(1);
  assert.equal((await inline.came()).length, 1);
  inline.pass(966);
  assert.equal((await inline.came()).length, 29, 'thirty in a second');
  assert.deepEqual((await stats()).elapsedTime, { tv_sec: 1, tv_usec: 0 });
  await inline.ascii(node, 'setpps', '2000');
  inline.pass(10);
  assert.equal((await inline.came()).length, 20);
  await inline.ascii(node, 'setpps', '0');
  inline.pass(0);
  assert.equal((await inline.came()).length, 50, 'the rest at once');
  const { elapsedTime, maxPps, outFrames } = await stats();
  assert.deepEqual([elapsedTime, maxPps, outFrames], [{ tv_sec: 1, tv_usec: 10_000 }, 0, 100]);
  inline.pass(1000);
  assert.equal((await inline.came()).length, 0);
});

test('stop stops; start while it sends is EBUSY, and after the end it is not', async () => {
  inline.write('input', 'p');
  await inline.ascii(node, 'setpps', '1000');
  await inline.ascii(node, 'start', '5');
  await inline.refuses(node, 'EBUSY', 'start', '5', 'is sending');
  inline.pass(3);
  await inline.ascii(node, 'stop');
  inline.pass(100);
  assert.equal((await inline.came()).length, 3);
  await inline.ascii(node, 'start', '2');
  inline.pass(100);
  assert.equal((await inline.came()).length, 2);
  await inline.ascii(node, 'start', '1');
  inline.pass(100);
  assert.equal((await inline.came()).length, 1);
});

test('counters and the time are written into copies: width, bounds, both ways, once a round', async () => {
  inline.write('input', Buffer.alloc(20, 0xff));
  inline.write('input', Buffer.alloc(3, 0xff));
  const set = (text: string): Promise<unknown> => inline.ascii(node, 'setcounter', `{ flags=1 ${text} }`);
  await set('offset=0 width=1 next_val=254 min_val=250 max_val=255 increment=1 index=0');
  await set('offset=1 width=2 next_val=3 min_val=1 max_val=600 increment=-2 index=1');
  await inline.ascii(
    node,
    'setcounter',
    '{ offset=4 flags=3 width=4 next_val=70000 min_val=0 max_val=70001 increment=1 index=2 }',
  );
  await inline.ascii(node, 'settimestamp', '{ offset=8 flags=1 }');
  assert.equal(await inline.ascii(node, 'gettimestamp'), '{ offset=0x8 flags=0x1 }');
  await inline.ascii(node, 'start', '6');
  inline.pass(0);
  const came = await inline.came();
  assert.deepEqual(
    came.map(({ data }) => data[0]),
    [254, 255, 250, 251, 252, 253],
  );
  // The second packet has no room for the third counter and the time, and stays as it is there.
  assert.deepEqual(
    came.map(({ data }) => data.readUInt16BE(1)),
    [3, 1, 599, 597, 595, 593],
  );
  assert.deepEqual(
    came.filter(({ data }) => data.length === 20).map(({ data }) => data.readUInt32BE(4)),
    [70000, 70001, 0],
  );
  const { startTime } = await stats();
  assert.equal(came[0]!.data.readUInt32BE(8), startTime.tv_sec);
  assert.ok(Math.abs(came[0]!.data.readUInt32BE(12) - startTime.tv_usec) <= 1);
  assert.equal(came[0]!.data.subarray(16).toString('hex'), 'ffffffff');
  assert.equal(
    await inline.ascii(node, 'getcounter', '0'),
    '{ flags=0x1 width=1 next_val=254 min_val=250 max_val=255 increment=1 }',
  );
  await inline.ascii(node, 'setpps', '9');
  assert.match((await inline.ascii(node, 'getcounter', '0'))!, /next_val=254/, 'another setting leaves counters alone');
  await inline.ascii(node, 'settimestamp', '{}');
  await inline.ascii(node, 'setcounter', '{ width=1 max_val=9 }');
  await inline.ascii(node, 'setcounter', '{ width=1 index=1 }');
  await inline.ascii(node, 'setcounter', '{ width=1 index=2 }');
  await inline.ascii(node, 'start', '1');
  inline.pass(1000);
  assert.equal((await inline.hex())[0], `output ${'ff'.repeat(20)}`, 'what is kept was never written to');
});

test('a full queue drops what is more; where there is no packet for a copy the source waits', async () => {
  for (let i = 0; i < 300; i++) inline.write('input', 'x');
  assert.equal((await stats()).queueFrames, 256, 'half of the worker');
  assert.equal(node.counts()['drop.queueFull'], 44);
  // What it sends in one go is more than there are packets for.
  await inline.ascii(node, 'start', '600');
  inline.pass(50);
  assert.equal((await inline.came()).length, 600);
  inline.write('output', 'wrong way');
  assert.equal(node.counts()['drop.filtered'], 1);
});

test('refused: no interface, no output, counters that there are not; without output the node ends', async () => {
  await inline.ascii(node, 'setiface', '"lo"');
  await inline.refuses(node, 'ENODEV', 'setiface', '"nowhere0"', 'nowhere0');
  await inline.refuses(node, 'EINVAL', 'setcounter', '{ width=3 }', 'width=3');
  await inline.refuses(node, 'EINVAL', 'setcounter', '{ width=1 index=4 }', '4');
  await inline.refuses(node, 'EINVAL', 'setcounter', '{ width=1 min_val=2 max_val=1 }', 'min_val=2');
  await inline.refuses(node, 'EINVAL', 'getcounter', '4', '4');
  inline.refusesHook(node, 'EINVAL', 'other', 'other');
  inline.graph.rmhook(node.hooks.get('output')!);
  assert.equal(node.state, 'gone');
  node = inline.make('source', 'input');
  await inline.refuses(node, 'ENOTCONN', 'start', '1', 'output');
});

test('in a worker: a run to its end, and stats that are asked for across', async () => {
  const graph = await openGraph({ workers: 2, packets: { perWorker: 1024, maxBytes: 256 } });
  try {
    const me = graph.create('socket', 'me');
    const source = graph.mkpeer(me, 'source', 'input', 'input');
    const hole = graph.mkpeer(source, 'hole', 'output', 'sink');
    socketOf(me).write('input', Buffer.from('packet'));
    const ask = async (name: string, text = ''): Promise<string | undefined> =>
      (await sendAscii(graph, me, 'me:input', name, text)).ascii;
    await until(async () => (await ask('getstats'))!.includes('queueFrames=1'), { what: 'the packet to be kept' });
    await ask('start', '10000');
    await until(() => hole.hooks.get('sink')!.counts()['frames'] === 10_000, { what: 'all packets in the hole' });
    assert.match((await ask('getstats'))!, /outOctets=60000 outFrames=10000 queueOctets=6 queueFrames=1/);
  } finally {
    await graph.close();
  }
});

test('an ether behind output leaves the source addresses of what it sends alone', async () => {
  const ether = inline.graph.create('ether');
  assert.equal(await inline.ascii(ether, 'getautosrc'), '1');
  const made = inline.graph.create('source');
  inline.graph.connect(made, 'output', ether, 'orphans');
  assert.equal(await inline.ascii(ether, 'getautosrc'), '0');
});
