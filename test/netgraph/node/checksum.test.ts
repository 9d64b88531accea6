// ng_checksum(4), rule by rule. What it writes is held against tshark, which computes checksums on its own.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { LINKTYPE_ETHERNET, LINKTYPE_RAW } from '../../../src/netgraph/lib/pcapng.ts';
import type { Node } from '../../../src/netgraph/index.ts';
import { Inline } from '../lib/inline.ts';
import { icmp, ip4, ip6, tcp, tshark, udp } from '../lib/packets.ts';

let inline: Inline;
let node: Node;
beforeEach(async () => {
  inline = await Inline.open();
  node = inline.make('checksum', 'in', 'out');
});
afterEach(() => inline.close());

const A6 = new Uint8Array(16).fill(0x20);
const B6 = new Uint8Array(16).fill(0x21);
const data = Array.from({ length: 101 }, (_, i) => i);

/** The same packet with wrong checksums: of the IPv4 header, and at `at` of the upper layer's. */
function broken(packet: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(packet);
  if (copy[0]! >>> 4 === 4) copy[10] = copy[10]! ^ 0x55;
  if (at > 0) copy[at] = copy[at]! ^ 0x55;
  return copy;
}

const right = {
  tcp4: ip4([...tcp(1, 2, 0x10), ...data], { protocol: 6 }),
  udp4: ip4(udp(1, 2, data), { options: [1, 1, 1, 0] }),
  icmp4: ip4(icmp(8, 0, 1, data), { protocol: 1 }),
  tcp6: ip6([...tcp(1, 2, 0x10), ...data], 6, A6, B6),
  udp6: ip6(udp(1, 2, data), 17, A6, B6),
  // Behind destination options.
  opts6: ip6([17, 0, 1, 4, 0, 0, 0, 0, ...udp(1, 2, data)], 60, A6, B6),
};
const wrong = {
  tcp4: broken(right.tcp4, 20 + 16),
  udp4: broken(right.udp4, 24 + 6),
  icmp4: broken(right.icmp4, 20 + 2),
  tcp6: broken(right.tcp6, 40 + 16),
  udp6: broken(right.udp6, 40 + 6),
  opts6: broken(right.opts6, 48 + 6),
};
const ALL = { csum_flags: 0x607, csum_offload: 0 };

async function through(packets: readonly Uint8Array[], hook = 'in'): Promise<Buffer[]> {
  for (const packet of packets) inline.write(hook, packet);
  return (await inline.came()).map(({ data }) => data);
}

function ether(type: number, tags: readonly number[], packet: Uint8Array): Uint8Array {
  const header = [...new Uint8Array(12), ...tags, type >> 8, type & 255];
  return Uint8Array.from([...header, ...packet]);
}

test('as it is made nothing is changed; with all flags every checksum is right, and tshark says so too', async () => {
  const packets = [wrong.tcp4, wrong.udp4, wrong.tcp6, wrong.udp6, wrong.opts6];
  assert.deepEqual(
    await through(packets),
    packets.map(packet => Buffer.from(packet)),
  );
  assert.equal(await inline.ascii(node, 'getstats'), '{ Received=5 }');
  await inline.send(node, 'setconfig', ALL);
  const came = await through(packets);
  assert.deepEqual(
    came,
    [right.tcp4, right.udp4, right.tcp6, right.udp6, right.opts6].map(packet => Buffer.from(packet)),
  );
  const fields = ['ip.checksum.status', 'tcp.checksum.status', 'udp.checksum.status'];
  assert.deepEqual(tshark(came, LINKTYPE_RAW, fields), [
    ['1', '1', ''],
    ['1', '', '1'],
    ['', '1', ''],
    ['', '', '1'],
    ['', '', '1'],
  ]);
  assert.deepEqual(tshark(packets.slice(0, 1), LINKTYPE_RAW, fields), [['0', '0', '']], 'tshark does look');
  assert.equal(await inline.ascii(node, 'getclrstats'), '{ Received=10 Processed=5 }');
  assert.equal(await inline.ascii(node, 'getstats'), '{}');
});

test('each flag writes its own checksum and no other', async () => {
  const cases = [
    [0x1, wrong.tcp4, [...right.tcp4.subarray(0, 20), ...wrong.tcp4.subarray(20)]],
    [0x2, wrong.tcp4, wrong.tcp4],
    [0x2, wrong.udp4, [...wrong.udp4.subarray(0, 24), ...right.udp4.subarray(24)]],
    [0x4, wrong.tcp4, [...wrong.tcp4.subarray(0, 20), ...right.tcp4.subarray(20)]],
    [0x607, wrong.icmp4, [...right.icmp4.subarray(0, 20), ...wrong.icmp4.subarray(20)]],
    [0x407, wrong.udp6, wrong.udp6],
    [0x207, wrong.udp6, right.udp6],
    [0x400, wrong.tcp6, right.tcp6],
    [0x600, wrong.tcp4, wrong.tcp4],
  ] as const;
  for (const [csum_flags, packet, expected] of cases) {
    await inline.send(node, 'setconfig', { csum_flags, csum_offload: 0 });
    assert.deepEqual(await through([packet]), [Buffer.from(expected)], `flags 0x${csum_flags.toString(16)}`);
  }
});

test('fragments have their header only, and what is cut short goes on as it is', async () => {
  await inline.send(node, 'setconfig', ALL);
  const fragment = ip4(udp(1, 2, data), { fragment: 0x2000 });
  const bad = broken(fragment, 20 + 6);
  assert.deepEqual(await through([bad]), [Buffer.from([...fragment.subarray(0, 20), ...bad.subarray(20)])]);
  const short = [wrong.tcp4.subarray(0, 30), wrong.udp6.subarray(0, 50), Uint8Array.of(), Uint8Array.of(0x45)];
  assert.deepEqual(
    await through(short),
    short.map(packet => Buffer.from(packet)),
  );
  assert.equal(await inline.ascii(node, 'getstats'), '{ Received=5 Processed=1 }');
});

test('setdlt 1: behind an Ethernet header with any tags; other types go on', async () => {
  await inline.send(node, 'setconfig', ALL);
  await inline.ascii(node, 'setdlt', '1');
  assert.equal(await inline.ascii(node, 'getdlt'), '1');
  const tags = [0x88, 0xa8, 0, 7, 0x81, 0, 0, 8];
  const came = await through([
    ether(0x0800, [], wrong.udp4),
    ether(0x86dd, tags, wrong.tcp6),
    ether(0x88b5, [], wrong.udp4),
    Uint8Array.of(1, 2, 3),
  ]);
  assert.deepEqual(came, [
    Buffer.from(ether(0x0800, [], right.udp4)),
    Buffer.from(ether(0x86dd, tags, right.tcp6)),
    Buffer.from(ether(0x88b5, [], wrong.udp4)),
    Buffer.of(1, 2, 3),
  ]);
  const fields = ['udp.checksum.status', 'tcp.checksum.status'];
  assert.deepEqual(tshark(came.slice(0, 2), LINKTYPE_ETHERNET, fields), [
    ['1', ''],
    ['', '1'],
  ]);
});

test('what comes in by out goes out of in untouched; without out packets come back; without in they are dropped', async () => {
  await inline.send(node, 'setconfig', ALL);
  inline.write('out', wrong.tcp4);
  assert.deepEqual(await inline.came(), [{ hook: 'in', data: Buffer.from(wrong.tcp4) }]);
  inline.graph.rmhook(node.hooks.get('out')!);
  inline.write('in', wrong.tcp4);
  assert.deepEqual(await inline.came(), [{ hook: 'in', data: Buffer.from(right.tcp4) }]);
  inline.join(node, 'out');
  inline.graph.rmhook(node.hooks.get('in')!);
  inline.write('out', wrong.tcp4);
  assert.deepEqual(await inline.came(), []);
  assert.equal(await inline.ascii(node, 'getstats'), '{ Received=3 Processed=1 Dropped=1 }');
  await inline.ascii(node, 'clrstats');
  assert.equal(await inline.ascii(node, 'getstats'), '{}');
});

test('the example of the manual; refused: other hooks, data link types, flags', async () => {
  await inline.ascii(node, 'setconfig', '{ csum_flags=0 csum_offload=6 }');
  assert.equal(await inline.ascii(node, 'getconfig'), '{ csum_offload=6 }');
  inline.refusesHook(node, 'EINVAL', 'inner', 'inner');
  await inline.refuses(node, 'EINVAL', 'setdlt', '9', '9');
  await inline.refuses(node, 'EINVAL', 'setconfig', '{ csum_flags=8 }', 'csum_flags=0x8');
  await inline.refuses(node, 'EINVAL', 'setconfig', '{ csum_offload=4294967297 }', 'csum_offload');
  assert.equal(await inline.ascii(node, 'getconfig'), '{ csum_offload=6 }');
  for (const hook of ['in', 'out']) inline.graph.rmhook(node.hooks.get(hook)!);
  assert.equal(node.state, 'gone');
});
