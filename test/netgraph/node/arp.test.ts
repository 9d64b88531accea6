// arp and nd: questions, answers, what waits and what becomes of it, and how sure a node is of a neighbour as time goes by.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { Node } from '../../../src/netgraph/index.ts';
import { writeArpReply, writeArpRequest } from '../../../src/netgraph/lib/arp.ts';
import { set6 } from '../../../src/netgraph/lib/checksum.ts';
import { ndMessage, writeNeighborAdvert, writeNeighborSolicit } from '../../../src/netgraph/lib/nd.ts';
import { parseAddress } from '../../../src/net/index.ts';
import { frame } from '../lib/frames.ts';
import { type Came, Inline } from '../lib/inline.ts';
import { icmp, ip4, ip6, udp } from '../lib/ip.ts';

const MINE = Uint8Array.of(2, 0, 0, 0, 0, 1);
const THEIRS = Uint8Array.of(2, 0, 0, 0, 0, 2);
const OTHER = Uint8Array.of(2, 0, 0, 0, 0, 3);
const word = (text: string): number => parseAddress(text)!.words[0];
const bytes6 = (text: string): Uint8Array => {
  const bytes = new Uint8Array(16);
  parseAddress(text)!.words.forEach((each, i) => new DataView(bytes.buffer).setUint32(4 * i, each));
  return bytes;
};
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

let inline: Inline;
let node: Node;
beforeEach(async () => {
  inline = await Inline.open();
});
afterEach(() => inline.close());
const outs = async (hook: string): Promise<Buffer[]> =>
  (await inline.came()).filter((came: Came) => came.hook === hook).map(({ data }) => data);
const count = (name: string): number => node.counts()[name]!;

describe('arp', () => {
  beforeEach(async () => {
    node = inline.make('arp', 'ip', 'lower');
    await inline.ascii(node, 'setenaddr', '02:00:00:00:00:01');
    await inline.ascii(node, 'setaddresses', '{ count=1 addresses=[ 10.0.0.1 ] }');
  });

  function request(from: Uint8Array, ip: string, target: string): Uint8Array {
    const bytes = new Uint8Array(42);
    writeArpRequest(bytes, 0, from, word(ip), word(target));
    return bytes;
  }
  /** The answer of `mac` to the node's question for `ip`. */
  function reply(mac: Uint8Array, ip: string): Uint8Array {
    const bytes = new Uint8Array(42);
    writeArpReply(bytes, 0, mac, word(ip), request(MINE, '10.0.0.1', ip), 14);
    return bytes;
  }

  test('a packet waits for the answer, and goes with its header', async () => {
    const first = ip4({ to: '10.0.0.2' }, udp(1));
    const second = ip4({ to: '10.0.0.2' }, udp(2));
    inline.write('ip', first);
    inline.write('ip', second);
    assert.deepEqual((await outs('lower')).map(hex), [hex(request(MINE, '10.0.0.1', '10.0.0.2'))]);
    inline.write('lower', reply(THEIRS, '10.0.0.2'));
    const header = Buffer.from([...THEIRS, ...MINE, 8, 0]);
    assert.deepEqual(await outs('lower'), [Buffer.concat([header, first]), Buffer.concat([header, second])]);
    inline.write('ip', first);
    assert.deepEqual(await outs('lower'), [Buffer.concat([header, first])]);
    assert.equal(
      await inline.ascii(node, 'getentries'),
      '{ count=1 entries=[ { ip=10.0.0.2 mac=02:00:00:00:00:02 } ] }',
    );
    assert.equal(count('asked'), 1);
    await inline.ascii(node, 'delentry', '{ ip=10.0.0.2 }');
    inline.write('ip', first);
    assert.equal((await outs('lower'))[0]!.length, 42, 'it is asked again');
    await inline.refuses(node, 'ENOENT', 'delentry', '{ ip=10.0.0.9 }', '10.0.0.9');
  });

  test('who does not answer is asked three times, a second apart; what waited goes to nohost, sixteen packets at most', async () => {
    inline.join(node, 'nohost');
    for (let i = 0; i < 18; i++) inline.write('ip', ip4({ to: '10.0.0.2' }, udp(i)));
    assert.equal(count('drop.queueFull'), 2);
    inline.pass(2999);
    assert.equal((await outs('lower')).length, 3);
    inline.pass(1);
    const back = await outs('nohost');
    assert.deepEqual(
      back.map(bytes => bytes.length),
      Array.from({ length: 16 }, (_, i) => 30 + i),
    );
    assert.equal(count('failed'), 1);
    inline.graph.rmhook(node.hooks.get('nohost')!);
    inline.write('ip', ip4({ to: '10.0.0.2' }, udp(1)));
    inline.pass(3000);
    assert.equal(count('drop.unresolved'), 1);
  });

  test('answers for its own addresses, and learns who asks; believes nobody who has its address', async () => {
    inline.write('lower', request(THEIRS, '10.0.0.2', '10.0.0.1'));
    const expected = new Uint8Array(42);
    writeArpReply(expected, 0, MINE, word('10.0.0.1'), request(THEIRS, '10.0.0.2', '10.0.0.1'), 14);
    assert.deepEqual((await outs('lower')).map(hex), [hex(expected)]);
    inline.write('ip', ip4({ to: '10.0.0.2' }, udp(1)));
    assert.equal(hex((await outs('lower'))[0]!.subarray(0, 6)), hex(THEIRS));
    inline.write('lower', request(OTHER, '10.0.0.3', '10.0.0.9'));
    assert.deepEqual(await outs('lower'), [], 'of others');
    assert.match((await inline.ascii(node, 'getentries'))!, /count=1/);
    inline.write('lower', request(OTHER, '10.0.0.2', '10.0.0.9'));
    inline.write('ip', ip4({ to: '10.0.0.2' }, udp(1)));
    assert.equal(hex((await outs('lower'))[0]!.subarray(0, 6)), hex(OTHER), 'who is known is brought up to date');
    inline.write('lower', request(OTHER, '10.0.0.1', '10.0.0.1'));
    assert.deepEqual(await outs('lower'), []);
    assert.equal(count('conflicts'), 1);
    // A probe (RFC 5227 §2.1.1) is answered and teaches nothing.
    inline.write('lower', request(OTHER, '0.0.0.0', '10.0.0.1'));
    assert.equal((await outs('lower')).length, 1);
    assert.match((await inline.ascii(node, 'getentries'))!, /count=1/);
  });

  test('after a minute it is asked by itself while packets go on, and forgotten without an answer', async () => {
    const packet = ip4({ to: '10.0.0.2' }, udp(1));
    inline.write('lower', reply(THEIRS, '10.0.0.2'));
    inline.pass(59_999);
    inline.write('ip', packet);
    assert.equal((await outs('lower')).length, 1);
    inline.pass(1);
    inline.write('ip', packet);
    const came = await outs('lower');
    assert.deepEqual(
      came.map(bytes => bytes.length).toSorted((a, b) => a - b),
      [42, 43],
    );
    const question = came.find(bytes => bytes.length === 42)!;
    assert.equal(hex(question.subarray(0, 6)), hex(THEIRS), 'a unicast poll');
    inline.write('lower', reply(THEIRS, '10.0.0.2'));
    inline.pass(60_000);
    inline.write('ip', packet);
    inline.pass(3000);
    assert.equal((await outs('lower')).filter(bytes => bytes.length === 42).length, 3);
    assert.equal(count('failed'), 1);
    assert.equal(await inline.ascii(node, 'getentries'), '{}');
    inline.write('lower', reply(THEIRS, '10.0.0.2'));
    inline.pass(60_000 + 20 * 60_000);
    await outs('lower');
    assert.equal(await inline.ascii(node, 'getentries'), '{}', 'nobody needed it');
  });

  test('groups and broadcast need nobody; the gateway counts, not the destination', async () => {
    inline.write('ip', ip4({ to: '239.129.2.3' }, udp(1)));
    inline.write('ip', ip4({ to: '255.255.255.255' }, udp(1)));
    assert.deepEqual(
      (await outs('lower')).map(bytes => hex(bytes.subarray(0, 6))),
      ['01005e010203', 'ffffffffffff'],
    );
    const fib = inline.graph.create('fib4');
    inline.graph.connect(inline.me, 'fib', fib, 'in');
    inline.graph.rmhook(node.hooks.get('ip')!);
    inline.graph.connect(fib, 'out', node, 'ip');
    await inline.ascii(fib, 'addroute', '{ prefix="0.0.0.0/0" hook="out" gateway=10.0.0.254 }');
    inline.write('fib', ip4({ to: '8.8.8.8' }, udp(1)));
    assert.deepEqual((await outs('lower')).map(hex), [hex(request(MINE, '10.0.0.1', '10.0.0.254'))]);
    inline.pass(3000);
    await outs('lower');
  });

  test('entries that somebody has said stay, whatever anybody else says', async () => {
    await inline.ascii(node, 'addentry', '{ ip=10.0.0.2 mac=02:00:00:00:00:02 }');
    inline.write('lower', reply(OTHER, '10.0.0.2'));
    inline.pass(3_600_000);
    inline.write('ip', ip4({ to: '10.0.0.2' }, udp(1)));
    assert.equal(hex((await outs('lower'))[0]!.subarray(0, 6)), hex(THEIRS));
    assert.match((await inline.ascii(node, 'getentries'))!, /permanent=1/);
    inline.write('ip', ip4({ to: '10.0.0.5' }, udp(1)));
    await outs('lower');
    await inline.ascii(node, 'addentry', '{ ip=10.0.0.5 mac=02:00:00:00:00:03 }');
    inline.plane.step();
    assert.equal((await outs('lower')).length, 1, 'what waited goes at once');
    await inline.ascii(node, 'delentry', '{ ip=10.0.0.2 }');
    inline.write('ip', ip4({ to: '10.0.0.2' }, udp(1)));
    assert.equal((await outs('lower'))[0]!.length, 42);
    await inline.refuses(node, 'EINVAL', 'setenaddr', '01:00:00:00:00:01', '01:00:00:00:00:01');
    inline.refusesHook(node, 'EINVAL', 'upper', 'upper');
  });

  test('of what comes by the link only what is for us goes up', async () => {
    const packet = ip4({ to: '10.9.0.1' }, udp(20));
    inline.write('lower', frame([...MINE], [...THEIRS], 8, 0, ...packet));
    inline.write('lower', frame([...OTHER], [...THEIRS], 8, 0, ...packet));
    inline.write('lower', frame([...MINE], [...THEIRS], 0x88, 0xb5));
    inline.write('lower', new Uint8Array(13));
    inline.write('lower', reply(THEIRS, '10.0.0.2').subarray(0, 30));
    const came = await outs('ip');
    assert.deepEqual(
      came.map(bytes => hex(bytes.subarray(0, packet.length))),
      [hex(packet)],
    );
    assert.equal(count('drop.filtered'), 2);
    assert.equal(count('drop.malformed'), 2);
  });
});

describe('nd', () => {
  beforeEach(async () => {
    node = inline.make('nd', 'ip', 'lower');
    await inline.ascii(node, 'setenaddr', '02:00:00:00:00:01');
    await inline.ascii(node, 'setaddresses', '{ count=2 addresses=[ 2001:db8::1 fe80::1 ] }');
  });

  const solicit = (mac: Uint8Array, source: string, target: string): Uint8Array => {
    const bytes = new Uint8Array(86);
    return bytes.subarray(0, writeNeighborSolicit(bytes, 0, mac, bytes6(source), bytes6(target), 0));
  };
  const advert = (mac: Uint8Array, target: string, flags: number): Uint8Array => {
    const bytes = new Uint8Array(86);
    const asked = solicit(MINE, 'fe80::1', target);
    return bytes.subarray(0, writeNeighborAdvert(bytes, 0, mac, flags, asked, 14, 72));
  };

  test('asks the solicited-node group, sends what waited, and polls itself alone after a while', async () => {
    const packet = ip6({ to: '2001:db8::2' }, udp(1));
    inline.write('ip', packet);
    assert.deepEqual((await outs('lower')).map(hex), [hex(solicit(MINE, 'fe80::1', '2001:db8::2'))]);
    inline.write('lower', advert(THEIRS, '2001:db8::2', 0x20));
    const header = Buffer.from([...THEIRS, ...MINE, 0x86, 0xdd]);
    assert.deepEqual(await outs('lower'), [Buffer.concat([header, packet])]);
    inline.pass(30_000);
    inline.write('ip', packet);
    assert.equal((await outs('lower')).length, 1);
    inline.pass(4999);
    assert.equal((await outs('lower')).length, 0, 'it is given time');
    inline.pass(1);
    const [poll] = await outs('lower');
    assert.equal(hex(poll!.subarray(0, 6)), hex(THEIRS));
    assert.ok(ndMessage(poll!, 14, poll!.length - 14) > 0, 'RFC 4861 §7.1.1');
    inline.pass(3000);
    assert.equal((await outs('lower')).length, 2);
    assert.equal(count('failed'), 1);
  });

  test('answers for its own addresses, duplicate address detection too, and nothing that is not valid', async () => {
    inline.write('lower', solicit(THEIRS, '2001:db8::2', '2001:db8::1'));
    const [answer] = await outs('lower');
    assert.equal(hex(answer!.subarray(0, 6)), hex(THEIRS));
    assert.equal(ndMessage(answer!, 14, 72), 136);
    assert.equal(answer![14 + 44], 0xe0, 'router, solicited, override');
    inline.write('ip', ip6({ to: '2001:db8::2' }, udp(1)));
    assert.equal(hex((await outs('lower'))[0]!.subarray(0, 6)), hex(THEIRS), 'who asks is known');
    const far = solicit(THEIRS, '2001:db8::2', '2001:db8::1');
    far[14 + 7] = 254;
    inline.write('lower', far);
    inline.write('lower', solicit(THEIRS, '2001:db8::2', '2001:db8::9'));
    assert.deepEqual(await outs('lower'), []);
    assert.equal(count('drop.filtered'), 1);
  });

  test('override: without it a known address is kept, and doubted', async () => {
    const to = (): Promise<string[]> => {
      inline.write('ip', ip6({ to: '2001:db8::2' }, udp(1)));
      return outs('lower').then(all =>
        all.filter(bytes => bytes.length === 63).map(bytes => hex(bytes.subarray(0, 6))),
      );
    };
    inline.write('lower', advert(THEIRS, '2001:db8::2', 0x20));
    assert.deepEqual(await to(), [hex(THEIRS)]);
    inline.write('lower', advert(OTHER, '2001:db8::2', 0));
    assert.deepEqual(await to(), [hex(THEIRS)]);
    inline.write('lower', advert(OTHER, '2001:db8::2', 0x20));
    assert.deepEqual(await to(), [hex(OTHER)]);
  });

  test('groups need nobody, and echo goes up', async () => {
    inline.write('ip', ip6({ to: 'ff02::1:2' }, udp(1)));
    assert.equal(hex((await outs('lower'))[0]!.subarray(0, 6)), '333300010002');
    const echo = ip6({ to: '2001:db8::1', next: 58 }, icmp(128, 1));
    set6(echo, 0, echo.length);
    inline.write('lower', frame([...MINE], [...THEIRS], 0x86, 0xdd, ...echo));
    assert.equal((await outs('ip')).length, 1);
  });
});
