// ipfwd and ipfrag: what a router forwards, what it does to it, what it says to senders, and what it keeps to itself. The bytes are compared with
// the kernel's in router.test.ts.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { Node } from '../../../src/netgraph/index.ts';
import { CHECK_OK, ip4HeaderOk, verify4, verify6 } from '../../../src/netgraph/lib/checksum.ts';
import { Inline } from '../lib/inline.ts';
import { icmp, ip4, ip6, udp } from '../lib/ip.ts';

let inline: Inline;
let node: Node;
beforeEach(async () => {
  inline = await Inline.open();
  node = inline.make('ipfwd', 'in', 'out', 'icmp', 'noroute', 'nohost', 'toobig');
  await inline.ascii(
    node,
    'setaddresses',
    '{ count=3 addresses=[ { address="192.0.2.1" } { address="203.0.113.1" ifindex=7 } { address="2001:db8::1" } ] }',
  );
});
afterEach(() => inline.close());

/** What comes out of one packet: at most one, as `hook`, and its bytes. */
async function one(hook: string, packet: Uint8Array): Promise<{ hook: string; data: Buffer } | undefined> {
  inline.write(hook, packet);
  const came = await inline.came();
  assert.ok(came.length <= 1);
  return came[0];
}
const drops = (reason: string): number => node.counts()[`drop.${reason}`]!;

test('one less to live, the sum kept right, and nothing else', async () => {
  for (const packet of [
    ip4({ to: '10.0.0.1' }, udp(3)),
    ip4({ to: '10.0.0.1', options: [1, 1, 148, 4, 0, 0, 0, 0] }, udp(3)),
  ]) {
    const out = await one('in', packet);
    assert.equal(out?.hook, 'out');
    assert.equal(out.data[8], 63);
    assert.ok(ip4HeaderOk(out.data, 0, (out.data[0]! & 15) << 2));
    const back = Buffer.from(out.data);
    back[8] = 64;
    packet.copy(back, 10, 10, 12);
    assert.deepEqual(back, packet);
  }
  const packet = ip6({ to: '2001:db8:1::1' }, udp(3));
  const out = await one('in', packet);
  packet[7] = 63;
  assert.deepEqual(out, { hook: 'out', data: packet });
});

test('the checksum is right for every one there is', async () => {
  for (let id = 0; id < 65_536; id += 97) {
    const packet = ip4({ to: '10.0.0.1' }, udp(0));
    packet.writeUInt16BE(id, 4);
    packet.writeUInt16BE(0, 10);
    const again = ip4({ to: '10.0.0.1' }, udp(0));
    again.writeUInt16BE(id, 4);
    again.writeUInt16BE(0, 10);
    let sum = 0;
    for (let i = 0; i < 20; i += 2) sum += again.readUInt16BE(i);
    sum = (sum & 0xffff) + (sum >> 16);
    packet.writeUInt16BE(~((sum & 0xffff) + (sum >> 16)) & 0xffff, 10);
    inline.write('in', packet);
  }
  const came = await inline.came();
  assert.equal(came.length, Math.ceil(65_536 / 97));
  assert.ok(came.every(({ hook, data }) => hook === 'out' && ip4HeaderOk(data, 0, 20)));
});

test('what filled a frame up is taken off; what is longer than it came, or wrong, is dropped', async () => {
  const packet = ip4({ to: '10.0.0.1' }, udp(1));
  assert.equal((await one('in', Buffer.concat([packet, Buffer.alloc(17)])))?.data.length, packet.length);
  const six = ip6({ to: '2001:db8:1::1' }, udp(1));
  assert.equal((await one('in', Buffer.concat([six, Buffer.alloc(3)])))?.data.length, six.length);
  const wrong = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(packet);
    change(bytes);
    return bytes;
  };
  const all = [
    packet.subarray(0, 28),
    packet.subarray(0, 19),
    new Uint8Array(0),
    six.subarray(0, 39),
    six.subarray(0, 48),
    wrong(bytes => (bytes[10] = bytes[10]! ^ 1)),
    wrong(bytes => (bytes[0] = 0x44)),
    wrong(bytes => (bytes[0] = 0x55)),
  ];
  for (const bytes of all) assert.equal(await one('in', bytes), undefined);
  assert.equal(drops('malformed'), all.length);
});

test('sources and destinations that no packet crosses a router with', async () => {
  const bad = [
    { from: '0.0.0.1', to: '10.0.0.1' },
    { from: '127.0.0.1', to: '10.0.0.1' },
    { from: '224.0.0.1', to: '10.0.0.1' },
    { from: '255.255.255.255', to: '10.0.0.1' },
    { to: '0.0.0.0' },
    { to: '127.0.0.1' },
    { to: '239.1.2.3' },
    { to: '255.255.255.255' },
  ];
  for (const each of bad) assert.equal(await one('in', ip4(each, udp(1))), undefined, JSON.stringify(each));
  const bad6 = [
    { from: '::', to: '2001:db8:1::1' },
    { from: '::1', to: '2001:db8:1::1' },
    { from: 'ff02::1', to: '2001:db8:1::1' },
    { from: 'fe80::1', to: '2001:db8:1::1' },
    { to: '::1' },
    { to: 'ff02::1' },
    { to: 'fe80::1' },
  ];
  for (const each of bad6) assert.equal(await one('in', ip6(each, udp(1))), undefined, JSON.stringify(each));
  assert.equal(drops('filtered'), bad.length + bad6.length);
});

test('time exceeded, unreachable, too big: said to the sender, with the packet as it was', async () => {
  const packet = ip4({ to: '10.0.0.1', ttl: 1 }, udp(5));
  const expired = await one('in', packet);
  assert.equal(expired?.hook, 'icmp');
  assert.deepEqual([...expired.data.subarray(20, 22)], [11, 0]);
  assert.deepEqual([...expired.data.subarray(12, 20)], [192, 0, 2, 1, 198, 51, 100, 1]);
  assert.deepEqual(expired.data.subarray(28), packet);
  assert.equal(verify4(expired.data, 0, expired.data.length), CHECK_OK);
  const live = ip4({ to: '10.0.0.1', flags: 0x40 }, udp(5));
  for (const [hook, type, code] of [
    ['noroute', 3, 0],
    ['nohost', 3, 1],
    ['toobig', 3, 4],
  ] as const) {
    const forwarded = await one('in', live);
    const error = await one(hook, forwarded!.data);
    assert.deepEqual([error!.hook, error!.data[20], error!.data[21]], ['icmp', type, code]);
    assert.deepEqual(error!.data.subarray(28), live);
  }
  const six = ip6({ to: '2001:db8:1::1', hops: 1 }, udp(5));
  const expired6 = await one('in', six);
  assert.deepEqual([...expired6!.data.subarray(40, 42)], [3, 0]);
  assert.equal(expired6!.data.toString('hex', 8, 24), '20010db8000000000000000000000001');
  assert.deepEqual(expired6!.data.subarray(48), six);
  assert.equal(verify6(expired6!.data, 0, expired6!.data.length), CHECK_OK);
  const live6 = ip6({ to: '2001:db8:1::1' }, udp(5));
  for (const [hook, type, code] of [
    ['noroute', 1, 0],
    ['nohost', 1, 3],
    ['toobig', 2, 0],
  ] as const) {
    const error = await one(hook, (await one('in', live6))!.data);
    assert.deepEqual([error!.data[40], error!.data[41]], [type, code]);
    assert.deepEqual(error!.data.subarray(48), live6);
  }
  assert.equal(node.counts()['errors'], 8);
});

test('no error answers an error, a later fragment, or more than the limit', async () => {
  const error = ip4({ to: '10.0.0.1', ttl: 1, protocol: 1 }, icmp(11, ...ip4({ to: '9.9.9.9' }, udp(0))));
  assert.equal(await one('in', error), undefined);
  const fragment = ip4({ to: '10.0.0.1', ttl: 1 }, udp(0));
  fragment[7] = 5;
  fragment.writeUInt16BE(fragment.readUInt16BE(10) - 5, 10);
  assert.equal(await one('in', fragment), undefined);
  assert.equal(drops('expired'), 2);
  await inline.ascii(node, 'setlimit', '{ rate=10 burst=3 }');
  const packet = ip4({ to: '10.0.0.1', ttl: 1 }, udp(0));
  for (let i = 0; i < 10; i++) inline.write('in', packet);
  assert.equal((await inline.came()).length, 3);
  assert.equal(node.counts()['limited'], 7);
  inline.pass(200);
  for (let i = 0; i < 10; i++) inline.write('in', packet);
  assert.equal((await inline.came()).length, 2);
  await inline.refuses(node, 'EINVAL', 'setlimit', '{ rate=10 }', '0');
});

test('for the router itself: echo is answered, the rest is for local', async () => {
  const reply = await one('in', ip4({ to: '192.0.2.1', protocol: 1 }, icmp(8, 1, 2, 3)));
  assert.deepEqual([reply!.hook, reply!.data[20], reply!.data[8]], ['icmp', 0, 64]);
  assert.equal(verify4(reply!.data, 0, reply!.data.length), CHECK_OK);
  assert.equal(reply!.data.toString('hex', 12, 20), 'c0000201c6336401');
  const reply6 = await one('in', ip6({ to: '2001:db8::1', next: 58 }, icmp(128, 1, 2, 3)));
  assert.deepEqual([reply6!.hook, reply6!.data[40]], ['icmp', 129]);
  assert.equal(await one('in', ip4({ to: '203.0.113.1' }, udp(1))), undefined);
  inline.join(node, 'local');
  const packet = ip4({ to: '203.0.113.1', ttl: 1 }, udp(1));
  assert.deepEqual(await one('in', packet), { hook: 'local', data: packet });
  assert.deepEqual(await one('local', packet), { hook: 'out', data: packet });
  await inline.refuses(
    node,
    'EINVAL',
    'setaddresses',
    '{ count=1 addresses=[ { address="10.0.0.0/8" } ] }',
    '10.0.0.0/8',
  );
  assert.match((await inline.ascii(node, 'getaddresses'))!, /^{ count=3 addresses=\[ { address="192.0.2.1" }/);
  inline.refusesHook(node, 'EINVAL', 'side', 'side');
  inline.join(node, 'in12');
  assert.equal((await one('in12', ip4({ to: '10.0.0.1' }, udp(1))))?.hook, 'out');
});

test('options: a route and times are recorded, a route from the source is not followed, a mistake is told', async () => {
  const recorded = await one('in', ip4({ to: '10.0.0.1', options: [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0] }, udp(1)));
  assert.deepEqual([...recorded!.data.subarray(20, 32)], [7, 11, 8, 192, 0, 2, 1, 0, 0, 0, 0, 0]);
  assert.ok(ip4HeaderOk(recorded!.data, 0, 32));
  const full = await one('in', ip4({ to: '10.0.0.1', options: [7, 7, 8, 1, 2, 3, 4, 0] }, udp(1)));
  assert.deepEqual([...full!.data.subarray(20, 28)], [7, 7, 8, 1, 2, 3, 4, 0]);
  const stamped = await one('in', ip4({ to: '10.0.0.1', options: [68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0] }, udp(1)));
  assert.deepEqual([...stamped!.data.subarray(20, 28)], [68, 12, 13, 1, 192, 0, 2, 1]);
  const over = await one('in', ip4({ to: '10.0.0.1', options: [68, 8, 9, 0, 1, 1, 1, 1] }, udp(1)));
  assert.deepEqual([...over!.data.subarray(20, 24)], [68, 8, 9, 0x10]);
  for (const kind of [131, 137]) {
    assert.equal(await one('in', ip4({ to: '10.0.0.1', options: [kind, 7, 4, 1, 2, 3, 4, 0] }, udp(1))), undefined);
  }
  assert.equal(drops('filtered'), 2);
  const problem = await one('in', ip4({ to: '10.0.0.1', options: [7, 7, 5, 1, 2, 3, 4, 0] }, udp(1)));
  assert.deepEqual([problem!.hook, problem!.data[20], problem!.data[24]], ['icmp', 12, 22]);
  const length = await one('in', ip4({ to: '10.0.0.1', options: [7, 9, 5, 1, 2, 3, 4, 0] }, udp(1)));
  assert.deepEqual([length!.data[20], length!.data[24]], [12, 21]);
});

test('ipfrag: cuts in their order, gives back what may not be cut, and refuses an MTU that cannot be', async () => {
  const frag = inline.make('ipfrag');
  inline.graph.connect(inline.me, 'fin', frag, 'in');
  inline.graph.connect(inline.me, 'fout', frag, 'out');
  await inline.ascii(frag, 'setmtu', '100');
  const long = ip4({ to: '10.0.0.1' }, udp(192));
  inline.write('fin', long);
  inline.write('fin', ip4({ to: '10.0.0.1' }, udp(1)));
  const came = await inline.came();
  assert.deepEqual(
    came.map(({ hook, data }) => [hook, data.length, data.readUInt16BE(6)]),
    [
      ['fout', 100, 0x2000],
      ['fout', 100, 0x200a],
      ['fout', 60, 0x0014],
      ['fout', 29, 0],
    ],
  );
  assert.deepEqual(Buffer.concat(came.slice(0, 3).map(({ data }) => data.subarray(20))), long.subarray(20));
  inline.write('fin', ip4({ to: '10.0.0.1', flags: 0x40 }, udp(192)));
  assert.equal(frag.counts()['drop.tooBig'], 1);
  inline.graph.connect(inline.me, 'big', frag, 'toobig');
  inline.write('fin', ip4({ to: '10.0.0.1', flags: 0x40 }, udp(192)));
  inline.write('fin', ip6({ to: '2001:db8::9' }, udp(192)));
  assert.deepEqual(
    (await inline.came()).map(({ hook }) => hook),
    ['big', 'big'],
  );
  inline.write('fout', long);
  assert.deepEqual(
    (await inline.came()).map(({ hook }) => hook),
    ['fin'],
  );
  await inline.refuses(frag, 'EINVAL', 'setmtu', '67', '67');
  assert.equal(await inline.ascii(frag, 'getmtu'), '100');
});
