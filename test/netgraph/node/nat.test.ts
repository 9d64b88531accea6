// ng_nat(4), rule by rule; translation itself is lib/nat.ts's business and tested there. tshark looks at the checksums.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { LINKTYPE_RAW } from '../../../src/netgraph/lib/pcapng.ts';
import type { Node } from '../../../src/netgraph/index.ts';
import { Inline } from '../lib/inline.ts';
import { icmp, ip4, tcp, tshark, udp } from '../lib/packets.ts';

let inline: Inline;
let node: Node;
beforeEach(async () => {
  inline = await Inline.open();
  node = inline.make('nat', 'in', 'out');
});
afterEach(() => inline.close());

const HOST = 0x0a000005; // 10.0.0.5
const WORLD = 0xc6336407; // 198.51.100.7
const ALIAS = 0xcb007101; // 203.0.113.1
const outward = (port = 4000): Uint8Array => ip4(udp(port, 53, [1, 2, 3]), { source: HOST, destination: WORLD });
const inward = (to: number, port: number): Uint8Array => ip4(udp(53, port, [4, 5]), { source: WORLD, destination: to });

/** `hook source:port>destination:port` of each packet that came. */
async function flows(): Promise<string[]> {
  return (await inline.came()).map(({ hook, data }) => {
    const address = (at: number): string => data.subarray(at, at + 4).join('.');
    return `${hook} ${address(12)}:${data.readUInt16BE(20)}>${address(16)}:${data.readUInt16BE(22)}`;
  });
}

test('before there is an alias address everything is dropped; then out is translated, and answers come back', async () => {
  inline.write('out', outward());
  assert.deepEqual(await flows(), []);
  assert.equal(node.counts()['drop.notConnected'], 1);
  await inline.ascii(node, 'setaliasaddr', '203.0.113.1');
  inline.write('out', outward());
  inline.write('in', inward(ALIAS, 4000));
  assert.deepEqual(await flows(), ['in 203.0.113.1:4000>198.51.100.7:53', 'out 198.51.100.7:53>10.0.0.5:4000']);
  inline.write('out', ip4([...tcp(1000, 80, 2), 7], { protocol: 6, source: HOST, destination: WORLD }));
  inline.write('out', ip4(icmp(8, 0, 77, [1]), { protocol: 1, source: HOST, destination: WORLD }));
  inline.write('out', outward());
  const packets = (await inline.came()).map(({ data }) => data);
  const fields = ['ip.src', 'ip.checksum.status', 'tcp.checksum.status', 'udp.checksum.status', 'icmp.checksum.status'];
  assert.deepEqual(tshark(packets, LINKTYPE_RAW, fields), [
    ['203.0.113.1', '1', '1', '', ''],
    ['203.0.113.1', '1', '', '', '1'],
    ['203.0.113.1', '1', '', '1', ''],
  ]);
  assert.equal(await inline.ascii(node, 'libaliasinfo'), '{ icmpLinkCount=1 udpLinkCount=1 tcpLinkCount=1 }');
  inline.pass(302_000);
  assert.equal(await inline.ascii(node, 'libaliasinfo'), '{}');
  const { translated } = node.counts();
  assert.equal(translated, 5);
});

test('setmode: deny_incoming drops what nobody asked for, its mask leaves the other flags alone', async () => {
  await inline.ascii(node, 'setaliasaddr', '203.0.113.1');
  inline.write('in', inward(ALIAS, 9999));
  assert.deepEqual(await flows(), ['out 198.51.100.7:53>203.0.113.1:9999'], 'passed as it is');
  await inline.ascii(node, 'setmode', '{ flags=2 mask=2 }');
  inline.write('in', inward(ALIAS, 9999));
  assert.deepEqual(await flows(), []);
  assert.equal(node.counts()['drop.filtered'], 1);
  inline.write('out', outward(4321));
  assert.deepEqual(await flows(), ['in 203.0.113.1:4321>198.51.100.7:53'], 'ports are the same still');
  await inline.ascii(node, 'setmode', '{ flags=0 mask=2 }');
  await inline.ascii(node, 'settarget', '10.0.0.9');
  inline.write('in', inward(ALIAS, 9998));
  assert.deepEqual(await flows(), ['out 198.51.100.7:53>10.0.0.9:9998']);
  await inline.refuses(node, 'EOPNOTSUPP', 'setmode', '{ flags=1 mask=1 }', 'log');
  await inline.refuses(node, 'EINVAL', 'setmode', '{ flags=8 mask=255 }', '0x8');
});

test('redirects: made, listed, used, deleted; those that make no sense are refused', async () => {
  await inline.ascii(node, 'setaliasaddr', '203.0.113.1');
  await inline.ascii(node, 'setmode', '{ flags=2 mask=2 }');
  const port = '{ local_addr=10.0.0.8 local_port=80 alias_port=8080 proto=17 description="web" }';
  assert.equal(await inline.ascii(node, 'redirectport', port), '1');
  const address = '{ local_addr=10.0.0.9 alias_addr=203.0.113.2 }';
  assert.equal(await inline.ascii(node, 'redirectaddr', address), '2');
  assert.equal(await inline.ascii(node, 'redirectproto', '{ local_addr=10.0.0.7 proto=47 }'), '3');
  inline.write('in', inward(ALIAS, 8080));
  inline.write('in', inward(ALIAS + 1, 5555));
  inline.write('in', ip4([0, 0, 8, 0, 0, 0, 0, 0], { protocol: 47, source: WORLD, destination: ALIAS }));
  assert.deepEqual(await flows(), [
    'out 198.51.100.7:53>10.0.0.8:80',
    'out 198.51.100.7:53>10.0.0.9:5555',
    'out 198.51.100.7:0>10.0.0.7:2048',
  ]);
  assert.equal(
    await inline.ascii(node, 'listredirects'),
    '{ total_count=3 redirects=[' +
      ' { id=1 local_addr=10.0.0.8 local_port=80 alias_port=8080 proto=17 description="web" }' +
      ' { id=2 local_addr=10.0.0.9 alias_addr=203.0.113.2 proto=259 }' +
      ' { id=3 local_addr=10.0.0.7 proto=47 } ] }',
  );
  await inline.refuses(node, 'EINVAL', 'redirectport', port.replace('17', '47'), '47');
  await inline.refuses(node, 'EINVAL', 'redirectport', port.replace('=80 ', '=0 '), 'local_port=0');
  await inline.refuses(node, 'EINVAL', 'redirectproto', '{ local_addr=10.0.0.7 proto=6 }', 'proto=6');
  await inline.ascii(node, 'redirectdelete', '1');
  await inline.refuses(node, 'ENOENT', 'redirectdelete', '1', '1');
  inline.write('in', ip4(udp(54, 8080), { source: WORLD, destination: ALIAS }));
  assert.deepEqual(await flows(), []);
  assert.equal(await inline.ascii(node, 'redirectport', port), '4', 'no number comes twice');
});

test('a redirect made, changed or deleted leaves the connections that there are alone', async () => {
  await inline.ascii(node, 'setaliasaddr', '203.0.113.1');
  await inline.ascii(node, 'setmode', '{ flags=2 mask=2 }');
  const whom = async (from: number): Promise<string | undefined> => {
    inline.write('in', ip4(udp(from, 7000), { source: WORLD, destination: ALIAS }));
    return (await flows())[0]?.replace(/.*>/, '');
  };
  inline.write('out', outward(7000));
  await flows();
  await inline.ascii(node, 'redirectport', '{ local_addr=10.0.0.8 local_port=80 alias_port=7000 proto=17 }');
  assert.equal(await whom(53), '10.0.0.5:7000');
  assert.equal(await whom(54), '10.0.0.8:80');
  await inline.ascii(node, 'addserver', '{ id=1 addr=10.0.0.11 port=81 }');
  await inline.ascii(node, 'addserver', '{ id=1 addr=10.0.0.12 port=82 }');
  assert.deepEqual([await whom(1), await whom(2), await whom(3)], ['10.0.0.11:81', '10.0.0.12:82', '10.0.0.11:81']);
  assert.match((await inline.ascii(node, 'listredirects'))!, / id=1 .* lsnat=2 /);
  await inline.ascii(node, 'redirectdelete', '1');
  assert.equal(await whom(4), undefined);
  assert.deepEqual([await whom(2), await whom(54)], ['10.0.0.12:82', '10.0.0.8:80']);
  const one = '{ local_addr=10.0.0.9 local_port=9 alias_port=7000 remote_addr=198.51.100.7 remote_port=9 proto=17 }';
  assert.equal(await inline.ascii(node, 'redirectport', one), '2');
  await inline.ascii(node, 'redirectdynamic', '2');
  assert.equal(await inline.ascii(node, 'listredirects'), '{}');
  assert.deepEqual([await whom(10), await whom(9)], [undefined, '10.0.0.9:9']);
  await inline.refuses(node, 'ENOENT', 'redirectdynamic', '2', '2');
  await inline.refuses(node, 'ENOENT', 'addserver', '{ id=2 addr=10.0.0.12 port=82 }', '2');
  await inline.ascii(node, 'redirectaddr', '{ local_addr=10.0.0.8 }');
  await inline.refuses(node, 'EINVAL', 'redirectdynamic', '3', 'one remote');
});

test('proxyrule: in order of their indices, deleted by it; what says nothing is refused', async () => {
  await inline.ascii(node, 'setaliasaddr', '203.0.113.1');
  const asks = async (port: number): Promise<string> => {
    inline.write('out', outward(port));
    return (await flows())[0]!.replace(/.*>/, '');
  };
  await inline.ascii(node, 'proxyrule', '"server 203.0.113.80:8053 proto UDP port 53 rule 5"');
  await inline.ascii(node, 'proxyrule', '"rule 7 proto udp server 203.0.113.99"');
  assert.equal(await asks(1001), '203.0.113.80:8053');
  inline.write('in', ip4(udp(8053, 1001), { source: ALIAS + 79, destination: ALIAS }));
  assert.deepEqual(await flows(), ['out 198.51.100.7:53>10.0.0.5:1001']);
  await inline.ascii(node, 'proxyrule', '"server 203.0.113.81 proto udp src 10.0.0.0/8 dst 198.51.100.7 rule 5"');
  assert.equal(await asks(1002), '203.0.113.81:53');
  await inline.ascii(node, 'proxyrule', '"delete 5"');
  assert.equal(await asks(1003), '203.0.113.99:53');
  assert.equal(await asks(1001), '203.0.113.80:8053', 'a connection goes on');
  await inline.ascii(node, 'proxyrule', '"delete 7"');
  assert.equal(await asks(1004), '198.51.100.7:53');
  await inline.refuses(node, 'ENOENT', 'proxyrule', '"delete 7"', '7');
  const wrong = {
    'port 80': 'no server',
    'server a.b': 'a.b',
    'server 10.0.0.1:0': "'0'",
    'server 10.0.0.1 proto sctp': 'sctp',
    'server 10.0.0.1 src 10.0.0.0/33': '33',
    'server 10.0.0.1 dst': "behind 'dst'",
    'serve 10.0.0.1': 'serve',
    'delete 1 rule 1': 'alone',
  };
  for (const [text, why] of Object.entries(wrong)) await inline.refuses(node, 'EINVAL', 'proxyrule', `"${text}"`, why);
  await inline.refuses(node, 'EOPNOTSUPP', 'proxyrule', '"server 10.0.0.1 type encode_ip_hdr"', 'no_encode');
});

test('setdlt 1: behind an Ethernet header, padded or not; what is no IPv4 passes', async () => {
  await inline.ascii(node, 'setaliasaddr', '203.0.113.1');
  await inline.ascii(node, 'setdlt', '1');
  assert.equal(await inline.ascii(node, 'getdlt'), '1');
  const frame = (type: number, payload: Uint8Array): Uint8Array =>
    Uint8Array.from([...new Uint8Array(12), type >> 8, type & 255, ...payload, ...new Uint8Array(15)]);
  inline.write('out', frame(0x0800, outward()));
  inline.write('out', frame(0x0806, outward()));
  const came = await inline.came();
  assert.deepEqual(
    came.map(({ hook, data }) => [hook, data.length, data.subarray(26, 30).join('.')]),
    [
      ['in', 60, '203.0.113.1'],
      ['in', 60, '10.0.0.5'],
    ],
  );
  await inline.refuses(node, 'EINVAL', 'setdlt', '9', '9');
});

test('two hosts inside reach each other by the alias address; no other hooks', async () => {
  await inline.ascii(node, 'setaliasaddr', '203.0.113.1');
  await inline.ascii(node, 'redirectport', '{ local_addr=10.0.0.8 local_port=80 alias_port=8080 proto=17 }');
  inline.write('out', ip4(udp(4000, 8080), { source: HOST, destination: ALIAS }));
  assert.deepEqual(await flows(), ['out 203.0.113.1:4000>10.0.0.8:80']);
  inline.refusesHook(node, 'EINVAL', 'dmz', 'dmz');
  for (const hook of ['in', 'out']) inline.graph.rmhook(node.hooks.get(hook)!);
  assert.equal(node.state, 'gone');
});
