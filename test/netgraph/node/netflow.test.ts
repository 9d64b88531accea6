// ng_netflow(4), rule by rule; what it exports is read by tshark, and goes through a ksocket to a socket of Node's.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, beforeEach, test } from 'node:test';
import { LINKTYPE_RAW } from '../../../src/netgraph/lib/pcapng.ts';
import type { Node } from '../../../src/netgraph/index.ts';
import { until } from '../../lib/wait.ts';
import { Inline } from '../lib/inline.ts';
import { ip4, ip6, tcp, tshark, udp } from '../lib/packets.ts';

let inline: Inline;
let node: Node;
beforeEach(async () => {
  inline = await Inline.open();
  node = inline.make('netflow', 'iface0', 'out0', 'export', 'export9');
  await inline.ascii(node, 'setdlt', '{ iface=0 dlt=12 }');
  await inline.ascii(node, 'setifindex', '{ iface=0 index=7 }');
});
afterEach(() => inline.close());

const A6 = Uint8Array.from(Buffer.from('20010db8000000000000000000000001', 'hex'));
const B6 = Uint8Array.from(Buffer.from('20010db8000000000000000000000002', 'hex'));
const datagram = (port: number): Uint8Array => ip4(udp(port, 53, [1, 2, 3, 4]));
const six = ip6(udp(9, 53, [1]), 17, A6, B6);

/** What tshark reads in a datagram for a collector. */
function read(datagrams: readonly Uint8Array[], fields: readonly string[]): string[][] {
  const packets = datagrams.map(each => ip4(udp(1, 2055, each)));
  return tshark(packets, LINKTYPE_RAW, fields, ['-d', 'udp.port==2055,cflow']);
}

async function exported(hook: string): Promise<Buffer[]> {
  return (await inline.came()).filter(came => came.hook === hook).map(({ data }) => data);
}

test('packets go through both ways, counted on the way in; a flow that is idle is told of in versions 5 and 9', async () => {
  inline.write('iface0', datagram(1));
  inline.write('iface0', datagram(1));
  inline.write('iface0', six);
  inline.write('out0', datagram(2));
  const came = await inline.came();
  assert.deepEqual(
    came.map(({ hook }) => hook),
    ['out0', 'out0', 'out0', 'iface0'],
  );
  assert.equal(
    await inline.ascii(node, 'info'),
    '{ IPv4 bytes=64 IPv4 packets=2 IPv6 bytes=49 IPv6 packets=1' +
      ' IPv4 records used=1 IPv6 records used=1 Inactive timeout=15 Active timeout=1800 }',
  );
  assert.equal(await inline.ascii(node, 'ifinfo', '0'), '{ packets=3 data link type=12 index=7 conf=1 }');
  inline.pass(15_000);
  assert.deepEqual(await inline.came(), []);
  inline.pass(3_000);
  const out = await inline.came();
  const five = out.filter(({ hook }) => hook === 'export').map(({ data }) => data);
  const nine = out.filter(({ hook }) => hook === 'export9').map(({ data }) => data);
  const fields = ['srcaddr', 'dstaddr', 'srcport', 'dstport', 'packets', 'octets', 'inputint', 'protocol'];
  assert.deepEqual(read(five, ['cflow.version', 'cflow.count', ...fields.map(field => `cflow.${field}`)]), [
    ['5', '1', '10.0.0.1', '198.51.100.7', '1', '53', '2', '64', '7', '17'],
  ]);
  const names = [
    'cflow.version',
    'cflow.template_id',
    'cflow.srcaddr',
    'cflow.srcaddrv6',
    'cflow.octets',
    'cflow.source_id',
  ];
  const rows = read(nine, names);
  assert.deepEqual(
    rows.map(row => [row[0], row[2], row[3], row[4]?.split(',').sort().join(), row[5]]),
    [['9', '10.0.0.1', '2001:db8::1', '49,64', String(node.id)]],
  );
  assert.match((await inline.ascii(node, 'info'))!, /Inactive expiries=2 Inactive timeout/);
});

test('setconfig: out of what comes in by out too, or by neither; Ethernet frames; what is no IP only passes', async () => {
  await inline.ascii(node, 'setconfig', '{ iface=0 conf=2 }');
  inline.write('iface0', datagram(1));
  inline.write('out0', datagram(2));
  assert.match((await inline.ascii(node, 'info'))!, /^\{ IPv4 bytes=32 IPv4 packets=1 IPv4 records/);
  await inline.ascii(node, 'setconfig', '{ iface=0 }');
  inline.write('out0', datagram(3));
  await inline.ascii(node, 'setconfig', '{ iface=0 conf=1 }');
  await inline.ascii(node, 'setdlt', '{ iface=0 dlt=1 }');
  const frame = (type: number, payload: Uint8Array): Uint8Array =>
    Uint8Array.from([...new Uint8Array(12), type >> 8, type & 255, ...payload]);
  inline.write('iface0', frame(0x86dd, six));
  inline.write('iface0', frame(0x0806, new Uint8Array(28)));
  inline.write('iface0', Uint8Array.of(1));
  assert.match(
    (await inline.ascii(node, 'info'))!,
    /^\{ IPv4 bytes=32 IPv4 packets=1 IPv6 bytes=49 IPv6 packets=1 IPv4/,
  );
  assert.equal((await inline.came()).length, 6, 'everything passes');
  inline.graph.rmhook(node.hooks.get('out0')!);
  inline.write('iface0', frame(0x86dd, six));
  assert.deepEqual(await inline.came(), [], 'a copy of the traffic ends here');
  inline.write('export', datagram(1));
  assert.equal(node.counts()['drop.filtered'], 1);
});

test('timeouts: an old flow and one that TCP ends are told of; a datagram holds thirty in version 5, and an MTU of them in 9', async () => {
  await inline.ascii(node, 'settimeouts', '{ inactive=5 active=10 }');
  const ended = [2, 0x10, 0x11].map(flags => ip4(tcp(5, 80, flags), { protocol: 6 }));
  for (const packet of ended) inline.write('iface0', packet);
  inline.pass(1_000);
  const [now] = await exported('export');
  assert.deepEqual(read([now!], ['cflow.packets', 'cflow.tcpflags']), [['3', '0x13']]);
  for (let second = 0; second < 12; second++) {
    inline.write('iface0', datagram(1));
    inline.pass(1_000);
  }
  assert.match((await inline.ascii(node, 'info'))!, /Active expiries=2/);
  await inline.came();
  inline.pass(10_000);
  await inline.came();
  await inline.ascii(node, 'setmtu', '{ mtu=600 }');
  for (let port = 1; port <= 70; port++) inline.write('iface0', datagram(port));
  inline.pass(10_000);
  const out = await inline.came();
  const five = out.filter(({ hook }) => hook === 'export').map(({ data }) => data);
  assert.deepEqual(
    read(five, ['cflow.count']).map(([count]) => count),
    ['30', '30', '10'],
  );
  const nine = out.filter(({ hook }) => hook === 'export9').map(({ data }) => data);
  assert.ok(nine.length > 6 && nine.every(({ length }) => length <= 552), String(nine.map(({ length }) => length)));
});

test('settemplate: templates go out again after so many datagrams', async () => {
  await inline.ascii(node, 'settemplate', '{ time=600 packets=2 }');
  assert.equal(await inline.ascii(node, 'v9info'), '{ v9 template packets=2 v9 template time=600 v9 MTU=1500 }');
  await inline.ascii(node, 'settimeouts', '{ inactive=1 active=100 }');
  const templates: boolean[] = [];
  for (let i = 0; i < 5; i++) {
    inline.write('iface0', datagram(i));
    inline.pass(5_000);
    for (const data of await exported('export9')) templates.push(data.readUInt16BE(20) === 0);
  }
  assert.deepEqual(templates, [true, false, true, false, true]);
});

test('through a ksocket a collector hears of the flow', async () => {
  const collector = createSocket('udp4');
  collector.bind(0, '127.0.0.1');
  await once(collector, 'listening');
  const message = once(collector, 'message');
  inline.graph.rmhook(node.hooks.get('export')!);
  const socket = inline.graph.mkpeer(node, 'ksocket', 'export', 'inet/dgram/udp');
  await inline.ascii(socket, 'connect', `inet/127.0.0.1:${collector.address().port}`);
  inline.write('iface0', datagram(77));
  inline.pass(20_000);
  let heard: Buffer | undefined;
  void message.then(([data]) => (heard = data as Buffer));
  await until(() => heard !== undefined, { what: 'a datagram' });
  assert.deepEqual(read([heard!], ['cflow.version', 'cflow.srcport']), [['5', '77']]);
  collector.close();
});

test('refused: hooks, interfaces and values that there are not', async () => {
  for (const hook of ['iface', 'iface01', 'iface65535', 'outx', 'export5']) {
    inline.refusesHook(node, 'EINVAL', hook, hook);
  }
  await inline.refuses(node, 'ENOENT', 'ifinfo', '3', 'iface3');
  await inline.refuses(node, 'ENOENT', 'setifindex', '{ iface=3 index=1 }', 'iface3');
  await inline.refuses(node, 'EINVAL', 'setdlt', '{ iface=0 dlt=9 }', 'dlt=9');
  await inline.refuses(node, 'EINVAL', 'settimeouts', '{ inactive=0 active=1 }', 'inactive=0');
  await inline.refuses(node, 'EINVAL', 'settemplate', '{ time=1 }', 'packets=0');
  await inline.refuses(node, 'EINVAL', 'setmtu', '{ mtu=100 }', 'mtu=100');
  await inline.refuses(node, 'EINVAL', 'setconfig', '{ iface=0 conf=64 }', 'conf=64');
  assert.equal(await inline.ascii(node, 'ifinfo', '0'), '{ data link type=12 index=7 conf=1 }');
  for (const hook of node.hooks.values()) inline.graph.rmhook(hook);
  assert.equal(node.state, 'gone');
});

test('show: the flows that run, by version, a page at a time', async () => {
  inline.write('iface0', datagram(1));
  inline.write('iface0', datagram(1));
  inline.write('iface0', ip4(tcp(80, 4000, 0x12), { protocol: 6 }));
  inline.write('iface0', six);
  const text = await inline.ascii(node, 'show', '{ version=6 }');
  assert.match(
    text!,
    /^{ version=6 nentries=1 entries6=\[ { version=6 r={ flow_type=260 src=2001:db8::1 dst=2001:db8::2/,
  );
  interface Page {
    hash_id: number;
    entries: { r: { sport: number; i_ifx: number }; packets: number; bytes: number; tcp_flags: number }[];
  }
  const show = (hash_id: number): Promise<Page> =>
    inline.send<Page>(node, 'show', { version: 4, hash_id, list_id: 0, nentries: 0 });
  const few = await show(0);
  assert.deepEqual(
    few.entries.map(({ r, packets, bytes, tcp_flags }) => [r.sport, r.i_ifx, packets, bytes, tcp_flags]),
    [
      [1, 7, 2, 64, 0],
      [80, 7, 1, 40, 0x12],
    ],
  );
  for (let port = 1000; port < 2500; port++) inline.write('iface0', datagram(port));
  const first = await show(0);
  const second = await show(first.hash_id);
  assert.deepEqual([first.entries.length, second.entries.length, second.hash_id], [1000, 502, 0]);
  inline.pass(20_000);
  assert.equal(await inline.ascii(node, 'show', '{ version=4 }'), '{ version=4 }', 'told of, and forgotten');
  await inline.refuses(node, 'EINVAL', 'show', '{ version=5 }', '5');
  await inline.refuses(node, 'EINVAL', 'show', '{ version=4 list_id=3 }', '3');
});

test('once: a packet that comes by twice is counted by this node, or by all of them, only once', async () => {
  // out0 of the first comes in by the second, whose out0 comes in by iface1 of the first.
  const other = inline.graph.create('netflow');
  inline.graph.rmhook(node.hooks.get('out0')!);
  inline.graph.connect(node, 'out0', other, 'iface0');
  inline.graph.connect(other, 'out0', node, 'iface1');
  for (const each of [node, other]) await inline.ascii(each, 'setdlt', '{ iface=0 dlt=12 }');
  await inline.ascii(node, 'setdlt', '{ iface=1 dlt=12 }');
  const counted = async (first: number, second: number, third: number): Promise<number[]> => {
    await inline.ascii(node, 'setconfig', `{ iface=0 conf=${first} }`);
    await inline.ascii(other, 'setconfig', `{ iface=0 conf=${second} }`);
    await inline.ascii(node, 'setconfig', `{ iface=1 conf=${third} }`);
    const before = [node, other].map(each => each.counts()['packets4']!);
    inline.write('iface0', datagram(1));
    return [node, other].map((each, i) => each.counts()['packets4']! - before[i]!);
  };
  assert.deepEqual(await counted(1, 1, 1), [2, 1]);
  assert.deepEqual(await counted(9, 9, 9), [1, 1]);
  assert.deepEqual(await counted(5, 5, 5), [1, 0]);
  assert.deepEqual(await counted(1, 5, 5), [1, 1], 'the first leaves no mark');
  assert.match((await inline.ascii(node, 'ifinfo', '1'))!, / conf=5 /);
});
