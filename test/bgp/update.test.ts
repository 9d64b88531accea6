import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AF_INET, AF_INET6 } from '../../src/net/index.ts';
import { type AttributeSet, decodeAttributes } from '../../src/bgp/rib/attribute-set.ts';
import { AttributeStore, NexthopTable } from '../../src/bgp/rib/index.ts';
import {
  ACTION_DISCARD,
  ACTION_OK,
  ACTION_RESET,
  ACTION_WITHDRAW,
  AttributeWriter,
} from '../../src/bgp/wire/attribute.ts';
import { checkPrefixes, prefixWord, writePrefix4, writePrefix6 } from '../../src/bgp/wire/nlri.ts';
import { UpdateParser, type UpdateSession, writeEndOfRib } from '../../src/bgp/wire/update.ts';

const SESSION: UpdateSession = { ebgp: true, as4: true, ipv4: true, ipv6: true, firstAs: 0 };

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s+/g, ''), 'hex'));
}

/** An UPDATE of these three fields. */
function update(withdrawn: string, attributes: string, nlri: string): Uint8Array {
  const [w, a, n] = [hex(withdrawn), hex(attributes), hex(nlri)];
  const length = 23 + w.length + a.length + n.length;
  return Uint8Array.from([
    ...new Array<number>(16).fill(255),
    length >> 8,
    length & 255,
    2,
    w.length >> 8,
    w.length & 255,
    ...w,
    a.length >> 8,
    a.length & 255,
    ...a,
    ...n,
  ]);
}

/** MP_REACH_NLRI with 2001:db8::/32. */
function reach(hop: string, flags = '80'): string {
  return `${flags}0e1a 0002 01 10 ${hop} 00 20 20010db8`;
}

function parse(bytes: Uint8Array, session: Partial<UpdateSession> = {}): UpdateParser {
  const parser = new UpdateParser({ ...SESSION, ...session });
  parser.parse(bytes, 0, bytes.length);
  return parser;
}

const ORIGIN = '400101 00';
const PATH = '400206 0201 0000fde9';
const HOP = '400304 0a000001';
const NET = '18 0a0100';
const GOOD = ORIGIN + PATH + HOP;

function canonical(parser: UpdateParser, reach = false): AttributeSet {
  const writer = parser.canonical(reach);
  return decodeAttributes(writer.bytes, 0, writer.length);
}

const cases: { name: string; bytes: Uint8Array; session?: Partial<UpdateSession>; action: number; subcode?: number }[] =
  [
    { name: 'a plain announcement', bytes: update('', GOOD, NET), action: ACTION_OK },
    { name: 'a plain withdrawal', bytes: update(NET, '', ''), action: ACTION_OK },
    {
      name: 'withdrawn length past the end',
      bytes: hex(`${'ff'.repeat(16)}0017 02 0010 0000`),
      action: ACTION_RESET,
      subcode: 1,
    },
    {
      name: 'attribute length past the end',
      bytes: hex(`${'ff'.repeat(16)}0017 02 0000 0010`),
      action: ACTION_RESET,
      subcode: 1,
    },
    { name: 'prefix longer than 32 bits', bytes: update('', GOOD, '21 0a01000000'), action: ACTION_RESET, subcode: 10 },
    { name: 'prefix cut short', bytes: update('', GOOD, '18 0a01'), action: ACTION_RESET, subcode: 10 },
    { name: 'withdrawn prefix cut short', bytes: update('18 0a', '', ''), action: ACTION_RESET, subcode: 10 },
    { name: 'ORIGIN 3', bytes: update('', `40010103${PATH}${HOP}`, NET), action: ACTION_WITHDRAW, subcode: 6 },
    {
      name: 'ORIGIN of two octets',
      bytes: update('', `4001020000${PATH}${HOP}`, NET),
      action: ACTION_WITHDRAW,
      subcode: 6,
    },
    {
      name: 'ORIGIN as optional',
      bytes: update('', `c0010100${PATH}${HOP}`, NET),
      action: ACTION_WITHDRAW,
      subcode: 4,
    },
    {
      name: 'AS_PATH segment of type 9',
      bytes: update('', `${ORIGIN}400206 0901 0000fde9${HOP}`, NET),
      action: ACTION_WITHDRAW,
      subcode: 11,
    },
    {
      name: 'AS_PATH segment that overruns',
      bytes: update('', `${ORIGIN}400206 0202 0000fde9${HOP}`, NET),
      action: ACTION_WITHDRAW,
      subcode: 11,
    },
    {
      name: 'AS_PATH with an empty segment',
      bytes: update('', `${ORIGIN}400202 0200${HOP}`, NET),
      action: ACTION_WITHDRAW,
      subcode: 11,
    },
    {
      name: 'AS_PATH with one octet over',
      bytes: update('', `${ORIGIN}400207 0201 0000fde9 02${HOP}`, NET),
      action: ACTION_WITHDRAW,
      subcode: 11,
    },
    {
      name: 'AS_PATH with AS 0',
      bytes: update('', `${ORIGIN}40020a 0202 0000fde9 00000000${HOP}`, NET),
      action: ACTION_WITHDRAW,
      subcode: 11,
    },
    {
      name: 'AS_PATH with AS 0 in two octets',
      bytes: update('', `${ORIGIN}400206 0202 fde9 0000${HOP}`, NET),
      session: { as4: false },
      action: ACTION_WITHDRAW,
      subcode: 11,
    },
    {
      name: 'AS_PATH with AS 65536',
      bytes: update('', `${ORIGIN}400206 0201 00010000${HOP}`, NET),
      action: ACTION_OK,
    },
    {
      name: "AS_PATH with somebody else's confederation",
      bytes: update('', `${ORIGIN}40020c 0301 0000fde9 0201 0000fde9${HOP}`, NET),
      action: ACTION_WITHDRAW,
      subcode: 11,
    },
    {
      name: 'NEXT_HOP of five octets',
      bytes: update('', `${ORIGIN}${PATH}400305 0a00000101`, NET),
      action: ACTION_WITHDRAW,
      subcode: 8,
    },
    {
      name: 'NEXT_HOP 127.0.0.1',
      bytes: update('', `${ORIGIN}${PATH}400304 7f000001`, NET),
      action: ACTION_WITHDRAW,
      subcode: 8,
    },
    { name: 'no NEXT_HOP', bytes: update('', ORIGIN + PATH, NET), action: ACTION_WITHDRAW, subcode: 3 },
    { name: 'no ORIGIN', bytes: update('', PATH + HOP, NET), action: ACTION_WITHDRAW, subcode: 3 },
    {
      name: 'no LOCAL_PREF inside an AS',
      bytes: update('', GOOD, NET),
      session: { ebgp: false },
      action: ACTION_WITHDRAW,
      subcode: 3,
    },
    { name: 'LOCAL_PREF from outside', bytes: update('', `${GOOD}400504 00000064`, NET), action: ACTION_DISCARD },
    {
      name: 'LOCAL_PREF of three octets inside',
      bytes: update('', `${GOOD}400503 000064`, NET),
      session: { ebgp: false },
      action: ACTION_WITHDRAW,
    },
    {
      name: 'MED of three octets',
      bytes: update('', `${GOOD}800403 000064`, NET),
      action: ACTION_WITHDRAW,
      subcode: 9,
    },
    { name: 'ATOMIC_AGGREGATE with a value', bytes: update('', `${GOOD}40060101`, NET), action: ACTION_DISCARD },
    {
      name: 'AGGREGATOR of six octets where eight are due',
      bytes: update('', `${GOOD}c00706 fde9 0a000001`, NET),
      action: ACTION_DISCARD,
    },
    { name: 'COMMUNITIES of five octets', bytes: update('', `${GOOD}c00805 0000000000`, NET), action: ACTION_WITHDRAW },
    { name: 'COMMUNITIES without a value', bytes: update('', `${GOOD}c00800`, NET), action: ACTION_WITHDRAW },
    { name: 'ORIGINATOR_ID from outside', bytes: update('', `${GOOD}800904 01010101`, NET), action: ACTION_DISCARD },
    {
      name: 'CLUSTER_LIST of five octets inside',
      bytes: update('', `${GOOD}400504 00000064 800a05 0101010101`, NET),
      session: { ebgp: false },
      action: ACTION_WITHDRAW,
    },
    {
      name: 'EXTENDED_COMMUNITIES of four octets',
      bytes: update('', `${GOOD}c01004 01010101`, NET),
      action: ACTION_WITHDRAW,
    },
    {
      name: 'LARGE_COMMUNITY of eight octets',
      bytes: update('', `${GOOD}c02008 0101010101010101`, NET),
      action: ACTION_WITHDRAW,
    },
    { name: 'an attribute twice', bytes: update('', `${GOOD}${ORIGIN}`, NET), action: ACTION_DISCARD },
    {
      name: 'AS4_PATH from a 4-octet speaker',
      bytes: update('', `${GOOD}c01106 0201 0000fde9`, NET),
      action: ACTION_DISCARD,
    },
    {
      name: 'an unknown well-known attribute',
      bytes: update('', `${GOOD}406301 00`, NET),
      action: ACTION_RESET,
      subcode: 2,
    },
    { name: 'an unknown optional attribute', bytes: update('', `${GOOD}c06301 00`, NET), action: ACTION_OK },
    {
      name: 'an attribute that runs past the field',
      bytes: update('', `${GOOD}c00810 0000`, NET),
      action: ACTION_WITHDRAW,
      subcode: 5,
    },
    {
      name: 'two octets left over in the attributes',
      bytes: update('', `${GOOD}c008`, NET),
      action: ACTION_WITHDRAW,
      subcode: 1,
    },
    {
      name: 'MP_REACH_NLRI twice',
      bytes: update('', `${ORIGIN}${PATH}${'800e15 0002 01 10 20010db8000000000000000000000001 00'.repeat(2)}`, ''),
      action: ACTION_RESET,
      subcode: 1,
    },
    {
      name: 'MP_REACH_NLRI with a next hop of seven octets',
      bytes: update('', `${ORIGIN}${PATH}800e0c 0002 01 07 20010db8000000 00`, ''),
      action: ACTION_RESET,
      subcode: 9,
    },
    {
      name: 'MP_REACH_NLRI with a prefix of 129 bits',
      bytes: update(
        '',
        `${ORIGIN}${PATH}800e27 0002 01 10 20010db8000000000000000000000001 00 81 ${'20'.repeat(17)}`,
        '',
      ),
      action: ACTION_RESET,
      subcode: 9,
    },
    {
      name: 'MP_UNREACH_NLRI with a prefix cut short',
      bytes: update('', '800f05 0002 01 40 20', ''),
      action: ACTION_RESET,
      subcode: 9,
    },
    {
      name: 'a fault where nothing is announced (§5.2)',
      bytes: update(NET, `${GOOD}c00805 0000000000`, ''),
      action: ACTION_RESET,
      subcode: 9,
    },
    {
      name: 'an attribute that runs past the field, before any MP_REACH_NLRI (§5.2)',
      bytes: update('', `${ORIGIN}${PATH}c00810 0000`, ''),
      action: ACTION_RESET,
      subcode: 5,
    },
    {
      name: 'a fault of what is discarded where nothing is announced',
      bytes: update(NET, `${GOOD}40060101`, ''),
      action: ACTION_DISCARD,
    },
    {
      name: 'MP_UNREACH_NLRI as transitive',
      bytes: update('', 'c00f08 0002 01 20 20010db8', ''),
      action: ACTION_WITHDRAW,
      subcode: 4,
    },
    {
      name: 'AGGREGATOR with AS 0 (RFC 7607)',
      bytes: update('', `${GOOD}c00708 00000000 01010101`, NET),
      action: ACTION_DISCARD,
    },
    {
      name: 'AGGREGATOR with AS 0 in two octets',
      bytes: update('', `${ORIGIN}400204 0201 fde9${HOP}c00706 0000 01010101`, NET),
      session: { as4: false },
      action: ACTION_DISCARD,
    },
    {
      name: 'AS4_AGGREGATOR with AS 0',
      bytes: update('', `${ORIGIN}400204 0201 fde9${HOP}c00706 5ba0 01010101c01208 00000000 01010101`, NET),
      session: { as4: false },
      action: ACTION_DISCARD,
    },
    {
      name: 'NEXT_HOP 0.0.0.0 beside MP_REACH_NLRI, where it means nothing',
      bytes: update('', `${ORIGIN}${PATH}400304 00000000${reach('20010db8000000000000000000000001')}`, ''),
      action: ACTION_OK,
    },
    ...['00000000000000000000000000000000', '00000000000000000000000000000001', 'ff020000000000000000000000000001'].map(
      hop => ({
        name: `MP_REACH_NLRI with the next hop ${hop}`,
        bytes: update('', ORIGIN + PATH + reach(hop), ''),
        action: ACTION_WITHDRAW,
        subcode: 8,
      }),
    ),
    {
      name: 'another AS first in the path',
      bytes: update('', GOOD, NET),
      session: { firstAs: 65002 },
      action: ACTION_WITHDRAW,
      subcode: 11,
    },
    {
      name: 'the right AS first in the path',
      bytes: update('', GOOD, NET),
      session: { firstAs: 65001 },
      action: ACTION_OK,
    },
  ];

for (const { name, bytes, session, action, subcode } of cases) {
  test(`RFC 7606: ${name}`, () => {
    const parsed = parse(bytes, session);
    assert.equal(parsed.action, action, parsed.describe());
    if (subcode !== undefined) assert.equal(parsed.subcode, subcode, parsed.describe());
    assert.ok(parsed.describe().length > 0);
  });
}

test('RFC 7606: the prefixes of MP_REACH_NLRI and MP_UNREACH_NLRI with wrong flags are withdrawn', () => {
  const announced = parse(update('', ORIGIN + PATH + reach('20010db8000000000000000000000001', 'c0'), ''));
  assert.equal(announced.action, ACTION_WITHDRAW, announced.describe());
  assert.deepEqual([announced.reachFamily, announced.reachEnd - announced.reachStart], [AF_INET6, 5]);
  const withdrawn = parse(update('', 'c00f08 0002 01 20 20010db8', ''));
  assert.deepEqual([withdrawn.unreachFamily, withdrawn.unreachEnd - withdrawn.unreachStart], [AF_INET6, 5]);
});

test('a discarded attribute does not reach the set, the others do', () => {
  const set = canonical(parse(update('', `${GOOD}400504 00000064 c00804 fde90001`, NET)));
  assert.equal(set.localPref, undefined);
  assert.deepEqual(set.communities, [0xfde90001]);
});

test('another order and another spelling of the same attributes give the same octets', () => {
  const one = parse(update('', `${GOOD}800404 00000005`, NET)).canonical(false);
  const first = Buffer.from(one.bytes.subarray(0, one.length)).toString('hex');
  const two = parse(update('', `90040004 00000005${HOP}50020006 0201 0000fde9${ORIGIN}`, NET)).canonical(false);
  assert.equal(Buffer.from(two.bytes.subarray(0, two.length)).toString('hex'), first);
});

test('an IPv6 next hop moves from MP_REACH_NLRI into attribute 3', () => {
  const hop = '20010db8000000000000000000000001';
  const parsed = parse(update('', `800e1a 0002 01 10 ${hop} 00 20 20010db8${ORIGIN}${PATH}`, ''));
  assert.equal(parsed.action, ACTION_OK, parsed.describe());
  assert.equal(parsed.reachFamily, AF_INET6);
  const set = canonical(parsed, true);
  assert.deepEqual(set.nextHop, { family: AF_INET6, words: [0x20010db8, 0, 0, 1] });
  assert.equal(prefixWord(parsed.bytes, parsed.reachStart, 0), 0x20010db8);
});

test('IPv4 prefixes may come with an IPv6 next hop (RFC 8950)', () => {
  const hop = '20010db8000000000000000000000001 fe800000000000000000000000000001';
  const parsed = parse(update('', `${ORIGIN}${PATH}800e29 0001 01 20 ${hop} 00 ${NET}`, ''));
  assert.equal(parsed.action, ACTION_OK, parsed.describe());
  assert.equal(parsed.reachFamily, AF_INET);
  assert.deepEqual(canonical(parsed, true).nextHop, {
    family: AF_INET6,
    words: [0x20010db8, 0, 0, 1],
    linkLocal: [0xfe800000, 0, 0, 1],
  });
});

test('a family that is not in use is passed over', () => {
  const parsed = parse(update('', `${ORIGIN}${PATH}800e15 0002 01 10 20010db8000000000000000000000001 00`, ''), {
    ipv6: false,
  });
  assert.equal(parsed.action, ACTION_OK);
  assert.equal(parsed.reachFamily, 0);
});

test('AS4_PATH is merged behind the leading ASes of AS_PATH (RFC 6793 §4.2.3)', () => {
  const path = '400208 0203 fde9 5ba0 5ba0';
  const parsed = parse(update('', `${ORIGIN}${path}${HOP}c0110a 0202 00010001 00010002`, NET), { as4: false });
  assert.equal(parsed.action, ACTION_OK, parsed.describe());
  assert.deepEqual(
    canonical(parsed).asPath.flatMap(segment => segment.as),
    [65001, 65537, 65538],
  );
});

test('AS4_PATH longer than AS_PATH is ignored, and so it is where AGGREGATOR has a 2-octet AS', () => {
  const longer = parse(update('', `${ORIGIN}400204 0201 fde9${HOP}c0110a 0202 00010001 00010002`, NET), { as4: false });
  assert.deepEqual(canonical(longer).asPath, [{ type: 'sequence', as: [65001] }]);
  const aggregated = parse(
    update(
      '',
      `${ORIGIN}400206 0202 fde9 5ba0${HOP}c00706 fde9 01010101 c01106 0201 00010001 c01208 00010001 02020202`,
      NET,
    ),
    { as4: false },
  );
  assert.deepEqual(canonical(aggregated).asPath, [{ type: 'sequence', as: [65001, 23456] }]);
  assert.deepEqual(canonical(aggregated).aggregator, { as: 65001, routerId: 0x01010101 });
});

test('End-of-RIB is known for both families', () => {
  for (const family of [AF_INET, AF_INET6] as const) {
    const bytes = new Uint8Array(64).fill(255);
    const length = writeEndOfRib(bytes, 0, family);
    assert.equal(parse(bytes.subarray(0, length)).endOfRib, family);
  }
  assert.equal(parse(update('', GOOD, NET)).endOfRib, 0);
});

test('any octets get an answer, never an exception, and what is accepted can be interned', () => {
  const store = new AttributeStore(new NexthopTable());
  const attribute = fc
    .tuple(
      fc.constantFrom(0x40, 0x80, 0xc0, 0xe0, 0x50, 0x90),
      fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 32, 99),
      fc.uint8Array({ maxLength: 40 }),
    )
    .map(([flags, code, value]) =>
      Buffer.from(
        (flags & 0x10) !== 0 ? [flags, code, 0, value.length, ...value] : [flags, code, value.length, ...value],
      ).toString('hex'),
    );
  fc.assert(
    fc.property(
      fc.array(fc.oneof(attribute, fc.constantFrom(ORIGIN, PATH, HOP)), { maxLength: 8 }),
      fc.uint8Array({ maxLength: 12 }),
      fc.boolean(),
      fc.boolean(),
      fc.nat(60),
      (attributes, nlri, as4, ebgp, cut) => {
        const whole = update('', attributes.join(''), Buffer.from(nlri).toString('hex'));
        const bytes = cut < 30 ? whole : whole.subarray(0, Math.max(0, whole.length - (cut - 30)));
        const parser = new UpdateParser({ ...SESSION, as4, ebgp });
        parser.parse(bytes, 0, bytes.length);
        if (parser.action >= ACTION_WITHDRAW) return;
        for (const reach of [false, true]) {
          if (reach ? parser.reachFamily === 0 : parser.nlriEnd === parser.nlriStart) continue;
          const id = store.intern(parser.canonical(reach));
          const again = store.encode(store.decode(id));
          assert.equal(store.decode(again).origin, store.decode(id).origin);
          store.release(again);
          store.release(id);
        }
      },
    ),
    { numRuns: 3000 },
  );
  assert.equal(store.size, 0);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
      parse(bytes).describe();
    }),
    { numRuns: 1000 },
  );
});

test('prefixes survive encoding and decoding, and a field is checked as a whole', () => {
  const bytes = new Uint8Array(32);
  fc.assert(
    fc.property(fc.array(fc.nat(0xffffffff), { minLength: 4, maxLength: 4 }), fc.nat(128), ([a, b, c, d], length) => {
      const mask = (word: number, bits: number): number =>
        bits >= 32 ? word : bits <= 0 ? 0 : (word & (-1 << (32 - bits))) >>> 0;
      const words = [mask(a!, length), mask(b!, length - 32), mask(c!, length - 64), mask(d!, length - 96)];
      const size = writePrefix6(bytes, 1, words[0]!, words[1]!, words[2]!, words[3]!, length);
      assert.deepEqual(
        [0, 1, 2, 3].map(i => prefixWord(bytes, 1, i)),
        words,
      );
      assert.ok(checkPrefixes(bytes, 1, 1 + size, 128));
      if (size > 1) assert.ok(!checkPrefixes(bytes, 1, size, 128));
      if (length > 32) return;
      const size4 = writePrefix4(bytes, 0, words[0]!, length);
      assert.equal(prefixWord(bytes, 0, 0), words[0]);
      assert.ok(checkPrefixes(bytes, 0, size4, 32));
    }),
  );
});

const octets = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const word = fc.nat(0xffffffff);
const sets: fc.Arbitrary<Partial<AttributeSet>> = fc.record({
  origin: fc.nat(2),
  asPath: fc.array(
    fc.record(
      {
        type: fc.constantFrom('sequence', 'set', 'confed-sequence'),
        as: fc.array(word, { minLength: 1, maxLength: 5 }),
      },
      { noNullPrototype: true },
    ),
    { maxLength: 3 },
  ),
  nextHop: fc.tuple(word, word, word, word).map(words => ({ family: AF_INET6, words }) as const),
  atomicAggregate: fc.boolean(),
  communities: fc.array(word, { maxLength: 80 }),
  extendedCommunities: fc.array(octets(8), { maxLength: 3 }),
  largeCommunities: fc.array(fc.tuple(word, word, word), { maxLength: 3 }),
  clusterList: fc.array(word, { maxLength: 3 }),
  unknown: fc.array(octets(5), { maxLength: 1 }).map(values => values.map(value => ({ flags: 0xc0, code: 99, value }))),
});

test('a set that is encoded and decoded is the same, and equal sets have one id', () => {
  const store = new AttributeStore(new NexthopTable(), 4);
  const held: number[] = [];
  fc.assert(
    fc.property(sets, word, (plain, number) => {
      const set = { ...plain, med: number, localPref: number, weight: 7, tag: 9, originatorId: number };
      const id = store.encode(set);
      const other = store.encode(set);
      assert.equal(other, id);
      store.release(other);
      assert.deepEqual(store.decode(id), { ...set, communities: set.communities ?? [] });
      held.push(id);
      if (held.length > 20) store.release(held.shift()!);
    }),
    { numRuns: 500 },
  );
  for (const id of held) store.release(id);
  assert.equal(store.size, 0);
  while (store.sweep(10));
  assert.equal(store.stats().arenaUsedBytes, 0);
});

test('a set that nobody holds is there again when it is wanted, until it is swept or its room is needed', () => {
  const nexthops = new NexthopTable();
  const store = new AttributeStore(nexthops, 8);
  const plain = (med: number): Parameters<AttributeStore['encode']>[0] => ({
    med,
    nextHop: { family: 2, words: [0x0a000000 + med, 0, 0, 0] },
  });
  const kept = store.encode(plain(0));
  const id = store.encode(plain(1));
  const serial = store.serial[id];
  store.release(id);
  // What nobody holds leads nowhere.
  assert.deepEqual([store.size, nexthops.find4(0x0a000001)], [1, 0]);
  assert.equal(store.encode(plain(1)), id);
  assert.deepEqual([store.size, store.serial[id]], [2, serial]);
  assert.equal(nexthops.find4(0x0a000001), store.nexthop[id]);
  store.release(id);
  store.retain(id);
  assert.equal(nexthops.find4(0x0a000001), store.nexthop[id]);
  assert.deepEqual(store.decode(id).nextHop?.words, [0x0a000001, 0, 0, 0]);
  store.release(id);
  // Sets that come and go need no more room than there is.
  for (let med = 2; med < 100; med++) store.release(store.encode(plain(med)));
  assert.equal(store.capacity, 8);
  assert.equal(store.decode(kept).med, 0);
  store.release(kept);
  while (store.sweep(1));
  assert.deepEqual([store.size, store.stats().arenaUsedBytes], [0, 0]);
  assert.notEqual(store.serial[id], serial);
});

test('the editor changes what it was told to and leaves the rest', () => {
  const store = new AttributeStore(new NexthopTable());
  const id = store.encode({
    origin: 0,
    asPath: [{ type: 'sequence', as: [65001] }],
    nextHop: { family: AF_INET, words: [1, 0, 0, 0] },
    med: 5,
    communities: [9],
  });
  const changed = store.editor
    .begin(id)
    .setLocalPref(200)
    .prependAs(65000, 2)
    .setCommunities([3, 1, 3])
    .remove(4)
    .setInternal({ weight: 10 })
    .finish();
  const set = store.decode(changed);
  assert.equal(set.localPref, 200);
  assert.deepEqual(set.asPath, [{ type: 'sequence', as: [65000, 65000, 65001] }]);
  assert.deepEqual(set.communities, [1, 3]);
  assert.equal(set.med, undefined);
  assert.equal(set.weight, 10);
  assert.deepEqual(set.nextHop, { family: AF_INET, words: [1, 0, 0, 0] });
  const same = store.editor.begin(id).finish();
  assert.equal(same, id);
  store.release(same);
  assert.equal(store.asPathText(changed), '65000 65000 65001');
  store.release(changed);
  store.release(id);
  assert.equal(store.size, 0);
});

test('a writer grows and keeps what was in it', () => {
  const writer = new AttributeWriter(16);
  writer.header(0x40, 2, 300);
  for (let i = 0; i < 75; i++) writer.word(i);
  writer.pad();
  assert.equal(writer.length, 304);
  assert.equal(writer.bytes[303], 74);
});
