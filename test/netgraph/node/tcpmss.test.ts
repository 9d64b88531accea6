// ng_tcpmss(4), rule by rule; what the option becomes is lib/tcpmss.ts's business and tested there.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { Node } from '../../../src/netgraph/index.ts';
import { CHECK_OK, verify4, verify6 } from '../../../src/netgraph/lib/checksum.ts';
import { Inline } from '../lib/inline.ts';
import { ip4, ip6, tcp, udp } from '../lib/packets.ts';

let inline: Inline;
let node: Node;
beforeEach(async () => {
  inline = await Inline.open();
  node = inline.make('tcpmss', 'a', 'b', 'c');
});
afterEach(() => inline.close());

const SYN = 0x02;
const MSS_1460 = [2, 4, 5, 0xb4];
const syn4 = ip4(tcp(1, 2, SYN, MSS_1460), { protocol: 6 });
const syn6 = ip6(tcp(1, 2, SYN, MSS_1460), 6, new Uint8Array(16).fill(1), new Uint8Array(16).fill(2));

async function through(hook: string, packet: Uint8Array): Promise<{ hook: string; data: Buffer } | undefined> {
  inline.write(hook, packet);
  const came = await inline.came();
  assert.ok(came.length <= 1);
  return came[0];
}

test('a hook that was told nothing drops; one that was told sends on, and lowers what is offered', async () => {
  assert.equal(await through('a', syn4), undefined);
  assert.equal(node.counts()['drop.filtered'], 1);
  await inline.ascii(node, 'config', '{ inHook="a" outHook="b" maxMSS=1200 }');
  for (const [syn, verify, header] of [
    [syn4, verify4, 20],
    [syn6, verify6, 40],
  ] as const) {
    const came = await through('a', syn);
    assert.equal(came?.hook, 'b');
    assert.equal(came.data.readUInt16BE(header + 22), 1200);
    assert.equal(verify(came.data, 0, came.data.length), CHECK_OK);
  }
  // The other way was told nothing.
  assert.equal(await through('b', syn4), undefined);
  const small = ip4(tcp(1, 2, SYN, [2, 4, 1, 0]), { protocol: 6 });
  assert.deepEqual((await through('a', small))?.data, Buffer.from(small));
  const bare = ip4(tcp(1, 2, SYN), { protocol: 6 });
  assert.deepEqual((await through('a', bare))?.data, Buffer.from(bare));
  assert.equal(
    await inline.ascii(node, 'getstats', '"a"'),
    `{ Octets=${syn4.length + syn6.length + 44 + 40} Packets=4 maxMSS=1200 SYNPkts=3 FixedPkts=2 }`,
  );
});

test('maxMSS=0 only sends on; what is no TCP, or has options that do not add up, goes on as it is', async () => {
  await inline.ascii(node, 'config', '{ inHook="a" outHook="c" }');
  assert.deepEqual((await through('a', syn4))?.data, Buffer.from(syn4));
  await inline.ascii(node, 'config', '{ inHook="a" outHook="c" maxMSS=536 }');
  for (const packet of [ip4(udp(1, 2)), ip4(tcp(1, 2, SYN, [2, 9, 5, 0xb4]), { protocol: 6 })]) {
    assert.deepEqual(await through('a', packet), { hook: 'c', data: Buffer.from(packet) });
  }
  assert.equal(await through('a', syn4.subarray(0, 30)), undefined);
  assert.equal(node.counts()['drop.malformed'], 1);
});

test('where the hook that it leads to goes, a hook drops again, also when one of that name comes', async () => {
  await inline.ascii(node, 'config', '{ inHook="a" outHook="b" maxMSS=1200 }');
  inline.graph.rmhook(node.hooks.get('b')!);
  assert.equal(await through('a', syn4), undefined);
  inline.join(node, 'b');
  assert.equal(await through('a', syn4), undefined);
  assert.equal(await inline.ascii(node, 'getclrstats', '"a"'), '{}');
  for (const name of ['a', 'b', 'c']) inline.graph.rmhook(node.hooks.get(name)!);
  assert.equal(node.state, 'gone');
});

test('counters are cleared; hooks that are not there are refused', async () => {
  await inline.ascii(node, 'config', '{ inHook="a" outHook="b" maxMSS=1200 }');
  await through('a', syn4);
  assert.match((await inline.ascii(node, 'getclrstats', '"a"'))!, /Packets=1 maxMSS=1200 SYNPkts=1 FixedPkts=1/);
  assert.equal(await inline.ascii(node, 'getstats', '"a"'), '{ maxMSS=1200 }');
  await through('a', syn4);
  await inline.ascii(node, 'clrstats', '"a"');
  assert.equal(await inline.ascii(node, 'getstats', '"a"'), '{ maxMSS=1200 }');
  await inline.refuses(node, 'ENOENT', 'config', '{ inHook="x" outHook="b" }', 'x');
  await inline.refuses(node, 'ENOENT', 'config', '{ inHook="a" outHook="y" }', 'y');
  for (const name of ['getstats', 'clrstats', 'getclrstats']) await inline.refuses(node, 'ENOENT', name, '"z"', 'z');
});
