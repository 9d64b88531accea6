// ng_vlan(4): tags in frames and beside them, which hook is whose, and what tshark reads in the frames.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { type DataContext, DataHalf, PKT_FLAG_VLAN, PKT_FLAGS, PKT_VLAN, send } from '../../../src/netgraph/index.ts';
import { ControlHalf, type DataHook, type NodeType } from '../../../src/netgraph/index.ts';
import { frame, type Tag } from '../lib/hosts.ts';
import { Inline } from '../lib/inline.ts';
import { tshark } from '../lib/packets.ts';

/** What the packets' tags are that lie beside them; 'a' to 'b' and back, with this tag put beside. */
let beside: (number | undefined)[];
let put: number | undefined;

class BesideData extends DataHalf {
  constructor(node: DataContext) {
    super(node);
    beside = [];
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const { words } = this.node.packets;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      beside.push(words[handle + PKT_FLAGS]! & PKT_FLAG_VLAN ? words[handle + PKT_VLAN]! : undefined);
      if (put === undefined) continue;
      words[handle + PKT_VLAN] = put;
      words[handle + PKT_FLAGS] = words[handle + PKT_FLAGS]! | PKT_FLAG_VLAN;
    }
    this.node.hook(hook.name === 'a' ? 'b' : 'a')!.sendMany(handles, count);
  }
}

const besideType: NodeType = {
  name: 'beside',
  cookie: 1,
  messages: [],
  control: class extends ControlHalf {},
  data: BesideData,
  url: import.meta.url,
};

let inline: Inline;
beforeEach(async () => {
  put = undefined;
  inline = await Inline.open({ types: [besideType] });
});
afterEach(() => inline.close());

const sends = async (hook: string, tags: readonly Tag[], payload = 'data'): Promise<string[]> => {
  inline.write(hook, frame(1, 2, { tags, payload }));
  return (await inline.came()).map(({ hook: out, data }) => `${out} ${data.subarray(12).toString('hex')}`);
};
const DATA = Buffer.from('data').toString('hex');

test('a tag is taken off for the hook of its VLAN, and put on from there, with its priority', async () => {
  const vlan = inline.make('vlan', 'downstream', 'nomatch', 'v5', 'v100');
  await inline.ascii(vlan, 'addfilter', '{ hook="v5" vlan=5 }');
  await inline.ascii(vlan, 'addfilter', '{ hook="v100" vid=100 pcp=6 cfi=1 }');
  assert.deepEqual(await sends('downstream', [[0x8100, 5]]), [`v5 88b5${DATA}`]);
  assert.deepEqual(await sends('downstream', [[0x8100, 0xe064]]), [`v100 88b5${DATA}`], 'whatever its priority is');
  assert.deepEqual(
    await sends('downstream', [
      [0x8100, 5],
      [0x8100, 6],
    ]),
    [`v5 8100000688b5${DATA}`],
  );
  assert.deepEqual(await sends('downstream', [[0x8100, 7]]), [`nomatch 8100000788b5${DATA}`]);
  assert.deepEqual(await sends('downstream', [[0x88a8, 5]]), [`nomatch 88a8000588b5${DATA}`]);
  assert.deepEqual(await sends('downstream', []), [`nomatch 88b5${DATA}`]);
  assert.deepEqual(await sends('v5', []), [`downstream 8100000588b5${DATA}`]);
  assert.deepEqual(await sends('v100', []), [`downstream 8100d06488b5${DATA}`]);
  assert.deepEqual(await sends('nomatch', [[0x8100, 9]]), [`downstream 8100000988b5${DATA}`]);
  assert.equal(
    await inline.ascii(vlan, 'gettable'),
    '{ n=2 filter=[ { hook="v5" vlan=5 vid=5 } { hook="v100" vlan=100 vid=100 pcp=6 cfi=1 } ] }',
  );
});

test('what tshark reads', async () => {
  const vlan = inline.make('vlan', 'downstream', 'v100');
  await inline.ascii(vlan, 'addfilter', '{ hook="v100" vid=100 pcp=6 cfi=1 }');
  await inline.ascii(vlan, 'setencapproto', '0x88a8');
  inline.write('v100', frame(1, 2, { payload: new Uint8Array(46) }));
  await inline.ascii(vlan, 'setencapproto', '0x8100');
  inline.write('v100', frame(1, 2, { payload: new Uint8Array(46) }));
  const came = (await inline.came()).map(({ data }) => data);
  assert.deepEqual(
    tshark(came, 1, ['eth.dst', 'eth.src', 'ieee8021ad.id', 'vlan.id', 'vlan.priority', 'vlan.dei', 'vlan.etype']),
    [
      ['02:00:00:00:00:01', '02:00:00:00:00:02', '100', '', '', '', ''],
      ['02:00:00:00:00:01', '02:00:00:00:00:02', '', '100', '6', '1', '0x88b5'],
    ],
  );
});

test('another ethertype of tags', async () => {
  const vlan = inline.make('vlan', 'downstream', 'nomatch', 'v5');
  await inline.ascii(vlan, 'addfilter', '{ hook="v5" vid=5 }');
  await inline.ascii(vlan, 'setencapproto', '0x88a8');
  assert.equal(await inline.ascii(vlan, 'getencapproto'), String(0x88a8));
  assert.deepEqual(await sends('downstream', [[0x88a8, 5]]), [`v5 88b5${DATA}`]);
  assert.deepEqual(await sends('downstream', [[0x8100, 5]]), [`nomatch 8100000588b5${DATA}`]);
  assert.deepEqual(await sends('v5', [[0x8100, 6]]), [`downstream 88a800058100000688b5${DATA}`]);
});

test('tags beside the frame: used, made by decap, made instead of encap, and put into the frame', async () => {
  const vlan = inline.graph.create('vlan', 'vlan');
  const wire = inline.graph.create('beside');
  inline.graph.connect(inline.me, 'downstream', wire, 'a');
  inline.graph.connect(wire, 'b', vlan, 'downstream');
  for (const hook of ['nomatch', 'v5']) inline.join(vlan, hook);
  await inline.ascii(vlan, 'addfilter', '{ hook="v5" vid=5 pcp=1 }');
  put = 0x2005;
  assert.deepEqual(await sends('downstream', []), [`v5 88b5${DATA}`]);
  put = undefined;
  assert.deepEqual(await sends('v5', []), [`downstream 8100200588b5${DATA}`], 'nothing is left beside it');
  assert.deepEqual(beside.slice(-1), [undefined]);
  assert.equal(await inline.ascii(vlan, 'getencap'), '1');
  await inline.ascii(vlan, 'setencap', '0');
  assert.deepEqual(await sends('v5', []), [`downstream 88b5${DATA}`]);
  assert.deepEqual(beside.slice(-1), [0x2005]);

  // What decap puts beside a frame of an unknown VLAN, encap from nomatch puts back.
  const back = inline.graph.create('vlan');
  inline.graph.rmhook(vlan.hooks.get('nomatch')!);
  const tap = inline.graph.create('beside');
  inline.graph.connect(vlan, 'nomatch', tap, 'a');
  inline.graph.connect(tap, 'b', back, 'nomatch');
  inline.graph.connect(inline.me, 'far', back, 'downstream');
  await inline.ascii(vlan, 'setdecap', '1');
  assert.equal(await inline.ascii(vlan, 'getdecap'), '1');
  await inline.ascii(back, 'setencap', '3');
  assert.deepEqual(await sends('downstream', [[0x8100, 0x6007]]), [`far 8100600788b5${DATA}`]);
  assert.deepEqual(beside.slice(-1), [0x6007]);
  assert.deepEqual(await sends('downstream', []), [`far 88b5${DATA}`]);
  await inline.ascii(back, 'setencap', '1');
  assert.deepEqual(await sends('downstream', [[0x8100, 0x6007]]), [`far 88b5${DATA}`]);
});

test("what is malformed, what is no VLAN's, and what has nowhere to go", async () => {
  const vlan = inline.make('vlan', 'downstream', 'v5', 'none');
  await inline.ascii(vlan, 'addfilter', '{ hook="v5" vid=5 }');
  inline.write('downstream', Buffer.alloc(13));
  inline.write('v5', Buffer.alloc(13));
  inline.write('downstream', frame(1, 2, { tags: [[0x8100, 5]] }).subarray(0, 17));
  assert.deepEqual(await inline.came(), []);
  assert.equal(vlan.counts()['drop.malformed'], 3);
  assert.deepEqual(await sends('none', []), []);
  assert.equal(vlan.counts()['drop.filtered'], 1);
  assert.deepEqual(await sends('downstream', [[0x8100, 6]]), []);
  inline.graph.rmhook(vlan.hooks.get('downstream')!);
  assert.deepEqual(await sends('v5', []), []);
  assert.equal(vlan.counts()['drop.notConnected'], 2);
});

test('what is refused, and filters that go', async () => {
  const vlan = inline.make('vlan', 'downstream', 'nomatch', 'a', 'b');
  await inline.refuses(vlan, 'EINVAL', 'addfilter', '{ hook="a" vid=4096 }', '4096');
  await inline.refuses(vlan, 'EINVAL', 'addfilter', '{ hook="a" vid=5 vlan=6 }', 'vlan=6');
  await inline.refuses(vlan, 'EINVAL', 'addfilter', '{ hook="a" vid=5 pcp=8 }', '8');
  await inline.refuses(vlan, 'EINVAL', 'addfilter', '{ hook="a" vid=5 cfi=2 }', '2');
  await inline.refuses(vlan, 'EINVAL', 'addfilter', '{ hook="nomatch" vid=5 }', 'nomatch');
  await inline.refuses(vlan, 'ENOENT', 'addfilter', '{ hook="c" vid=5 }', "'c'");
  await inline.refuses(vlan, 'ENOENT', 'delfilter', '"a"', "'a'");
  await inline.refuses(vlan, 'ENOENT', 'delvidflt', '5', '5');
  await inline.refuses(vlan, 'EINVAL', 'setencap', '4', '4');
  await inline.ascii(vlan, 'addfilter', '{ hook="a" vid=5 }');
  await inline.refuses(vlan, 'EEXIST', 'addfilter', '{ hook="a" vid=6 }', 'VLAN 5');
  await inline.refuses(vlan, 'EEXIST', 'addfilter', '{ hook="b" vid=5 }', "'a'");
  await inline.ascii(vlan, 'delvidflt', '5');
  await inline.ascii(vlan, 'addfilter', '{ hook="b" vid=5 }');
  await inline.ascii(vlan, 'delfilter', '"b"');
  await inline.ascii(vlan, 'addfilter', '{ hook="b" vid=5 }');
  inline.graph.rmhook(vlan.hooks.get('b')!);
  assert.equal(await inline.ascii(vlan, 'gettable'), '{}');
  assert.deepEqual(await sends('downstream', [[0x8100, 5]]), [`nomatch 8100000588b5${DATA}`]);
  await inline.ascii(vlan, 'addfilter', '{ hook="a" vid=5 }');
  const said: string[] = [];
  inline.socket.onMessage = (name, _args, sender) => void said.push(`${sender.hook!.name} ${name}`);
  await send(inline.graph, inline.me, 'downstream', 'link_is_down');
  await send(inline.graph, inline.me, 'nomatch', 'link_is_up');
  await inline.came();
  assert.deepEqual(said, ['a link_is_down']);
});

test('all 4,096 VLANs at once', async () => {
  const hub = inline.graph.create('hub', 'hub');
  const vlan = inline.make('vlan', 'downstream');
  inline.graph.change(() => {
    for (let vid = 0; vid < 4096; vid++) inline.graph.connect(vlan, `v${vid}`, hub, `v${vid}`);
  });
  // Messages within one change are one commit.
  const told = inline.graph.change(() =>
    Array.from({ length: 4096 }, (_, vid) =>
      inline.send(vlan, 'addfilter', { hook: `v${vid}`, vlan: 0, vid, pcp: 0, cfi: 0 }),
    ),
  );
  await Promise.all(told);
  inline.graph.change(() => {
    for (let vid = 0; vid < 4096; vid++) if (vid !== 4095 && vid !== 0) inline.graph.rmhook(vlan.hooks.get(`v${vid}`)!);
  });
  assert.deepEqual(await sends('downstream', [[0x8100, 4095]]), [`downstream 8100000088b5${DATA}`]);
});
