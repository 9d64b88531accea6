// RFC 7911 without a network: what two OPENs agree on, prefixes with path identifiers on the wire, and what is sent of a prefix
// with several paths. Properties of the table and of update groups are in table.test.ts and updategroup.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  AttributeStore,
  BgpTable,
  defaultDecisionOptions,
  NexthopTable,
  PEER_EBGP,
  PEER_LOCAL,
} from '../../src/bgp/rib/index.ts';
import { localOpen, negotiate } from '../../src/bgp/session/negotiate.ts';
import type { SessionConfig } from '../../src/bgp/session/types.ts';
import { type GroupMember, type GroupOptions, UpdateGroup } from '../../src/bgp/updategroup/index.ts';
import { ACTION_OK, ACTION_RESET, ACTION_WITHDRAW } from '../../src/bgp/wire/attribute.ts';
import type { AddPath } from '../../src/bgp/wire/capability.ts';
import { NO_ROLE } from '../../src/bgp/wire/role.ts';
import { UpdateParser, type UpdateSession } from '../../src/bgp/wire/update.ts';
import { encodeWithdrawals, type PrefixWords } from '../../src/bgp/withdrawals.ts';
import { AF_INET, AF_INET6, type Family } from '../../src/net/index.ts';
import { PLAIN_GROUP } from './lib/group-options.ts';

// ---- capability --------------------------------------------------------------------------------------------------------

test('identifiers go where one side offers to send and the other to receive, family by family', () => {
  const config = (localAs: number, remoteAs: number, addPath: readonly AddPath[]): SessionConfig => ({
    localAs,
    remoteAs,
    routerId: localAs,
    remote: { family: 2, words: [1, 0, 0, 0], port: 179, scopeId: 0 },
    families: [1, 2].map(afi => ({ afi, safi: 1 })),
    addPath,
  });
  const offers: fc.Arbitrary<AddPath[]> = fc
    .tuple(fc.nat(3), fc.nat(3))
    .map(ways =>
      ways.flatMap((way, i) =>
        way === 0 ? [] : [{ afi: i + 1, safi: 1, receive: (way & 1) !== 0, send: (way & 2) !== 0 }],
      ),
    );
  fc.assert(
    fc.property(offers, offers, (ours, theirs) => {
      const [near, far] = [config(65001, 65002, ours), config(65002, 65001, theirs)];
      const agreed = negotiate(near, localOpen(near), localOpen(far));
      assert.ok('addPath' in agreed);
      for (const afi of [1, 2]) {
        const one: AddPath | undefined = agreed.addPath.find(other => other.afi === afi);
        const [a, b] = [ours, theirs].map(offer => offer.find(other => other.afi === afi));
        assert.equal(one?.send === true, a?.send === true && b?.receive === true);
        assert.equal(one?.receive === true, a?.receive === true && b?.send === true);
      }
    }),
  );
});

// ---- wire --------------------------------------------------------------------------------------------------------------

interface Path {
  id: number;
  length: number;
  octets: number[];
}

/** The octets of prefixes, as RFC 7911 §3 has them. */
function nlri(paths: readonly Path[]): number[] {
  return paths.flatMap(({ id, length, octets }) => [
    ...[24, 16, 8, 0].map(shift => (id >>> shift) & 255),
    length,
    ...octets.slice(0, Math.ceil(length / 8)),
  ]);
}

const ATTRIBUTES = [
  [0x40, 1, 1, 0],
  [0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9],
  [0x40, 3, 4, 10, 0, 0, 1],
].flat();
const HOP6 = [0x20, 1, 0x0d, 0xb8, ...new Array<number>(11).fill(0), 1];

type Field = 'withdrawn' | 'announced' | 'MP_UNREACH_NLRI' | 'MP_REACH_NLRI';

/** An UPDATE with these octets in one of its prefix fields. */
function update(family: Family, field: Field, prefixes: readonly number[]): Uint8Array {
  const multiprotocol = (code: number, head: readonly number[]): number[] => {
    const value = [0, family === AF_INET ? 1 : 2, 1, ...head, ...prefixes];
    return [0x90, code, value.length >> 8, value.length & 255, ...value];
  };
  let attributes: number[] = [];
  if (field === 'announced') attributes = ATTRIBUTES;
  else if (field === 'MP_UNREACH_NLRI') attributes = multiprotocol(15, []);
  else if (field === 'MP_REACH_NLRI') {
    const hop = family === AF_INET ? [10, 0, 0, 1] : HOP6;
    attributes = [...multiprotocol(14, [hop.length, ...hop, 0]), ...ATTRIBUTES.slice(0, 13)];
  }
  const [withdrawn, announced] = [field === 'withdrawn' ? prefixes : [], field === 'announced' ? prefixes : []];
  const length = 23 + withdrawn.length + attributes.length + announced.length;
  return Uint8Array.from([
    ...new Array<number>(16).fill(255),
    length >> 8,
    length & 255,
    2,
    withdrawn.length >> 8,
    withdrawn.length & 255,
    ...withdrawn,
    attributes.length >> 8,
    attributes.length & 255,
    ...attributes,
    ...announced,
  ]);
}

function table(family: Family): BgpTable {
  const nexthops = new NexthopTable();
  nexthops.defaultReachable = true;
  return new BgpTable({ family, store: new AttributeStore(nexthops), decision: defaultDecisionOptions(65000, 99) });
}

const PEER = {
  kind: PEER_EBGP,
  as: 65001,
  routerId: 1,
  address: [1, 0, 0, 0],
  weight: 0,
  allowOwnAs: 0,
  role: NO_ROLE,
} as const;

/** `id prefix` of all that a table has. */
function content(of: BgpTable): string[] {
  const lines: string[] = [];
  for (let prefix = 0; prefix < of.prefixes.limit; prefix++) {
    if (!of.prefixes.has(prefix)) continue;
    for (let path = of.first[prefix]!; path !== 0; path = of.pathNext[path]!) {
      lines.push(`${of.idOf(path)} ${of.prefixes.format(prefix)}`);
    }
  }
  return lines.sort();
}

const SESSION: UpdateSession = {
  ebgp: true,
  as4: true,
  ipv4: true,
  ipv6: true,
  addPath: [AF_INET, AF_INET6],
  firstAs: 0,
};
const PATHS: Record<Family, Path[]> = {
  [AF_INET]: [
    { id: 1, length: 0, octets: [] },
    { id: 0xfffffffe, length: 24, octets: [10, 1, 0] },
    { id: 0x18181818, length: 24, octets: [10, 1, 0] },
    { id: 0, length: 17, octets: [10, 2, 128] },
    { id: 7, length: 32, octets: [10, 3, 0, 1] },
  ],
  [AF_INET6]: [
    { id: 1, length: 0, octets: [] },
    { id: 0xfffffffe, length: 48, octets: [0x20, 1, 0x0d, 0xb8, 0, 1] },
    { id: 0x30303030, length: 48, octets: [0x20, 1, 0x0d, 0xb8, 0, 1] },
    { id: 0, length: 61, octets: [0x20, 1, 0x0d, 0xb8, 0, 2, 0, 8] },
    { id: 7, length: 128, octets: HOP6 },
  ],
};
const NAMES: Record<Family, string[]> = {
  [AF_INET]: ['0.0.0.0/0', '10.1.0.0/24', '10.1.0.0/24', '10.2.128.0/17', '10.3.0.1/32'],
  [AF_INET6]: ['::/0', '2001:db8:1::/48', '2001:db8:1::/48', '2001:db8:2:8::/61', '2001:db8::1/128'],
};
const FORMS: readonly (readonly [Family, Field])[] = [
  [AF_INET, 'withdrawn'],
  [AF_INET, 'announced'],
  [AF_INET, 'MP_UNREACH_NLRI'],
  [AF_INET, 'MP_REACH_NLRI'],
  [AF_INET6, 'MP_UNREACH_NLRI'],
  [AF_INET6, 'MP_REACH_NLRI'],
];

for (const [family, field] of FORMS) {
  const name = `${field} of IPv${family === AF_INET ? 4 : 6}`;

  test(`${name}: read with identifiers, and cut at any octet it is whole paths or a fault of the session`, () => {
    const paths = PATHS[family];
    const whole = nlri(paths);
    const ends = paths.map((_, i) => nlri(paths.slice(0, i + 1)).length);
    const parser = new UpdateParser(SESSION);
    for (let cut = 0; cut <= whole.length; cut++) {
      const bytes = update(family, field, whole.slice(0, cut));
      parser.parse(bytes, 0, bytes.length);
      const read = cut === 0 ? 0 : ends.indexOf(cut) + 1;
      if (cut > 0 && read === 0) {
        assert.equal(parser.action, ACTION_RESET, `cut at ${cut}`);
        // Invalid Network Field; in an attribute, Optional Attribute Error (RFC 7606 §5.3, RFC 4760 §7).
        assert.equal(parser.subcode, field === 'withdrawn' || field === 'announced' ? 10 : 9);
        continue;
      }
      assert.equal(parser.action, ACTION_OK, `cut at ${cut}: ${parser.describe()}`);
      const names = paths.map((path, i) => `${path.id} ${NAMES[family][i]}`);
      const of = table(family);
      const peer = of.addPeer({ ...PEER });
      const removes = field === 'withdrawn' || field === 'MP_UNREACH_NLRI';
      if (removes) {
        const all = update(family, 'MP_REACH_NLRI', whole);
        parser.parse(all, 0, all.length);
        of.ingest(peer, parser);
        parser.parse(bytes, 0, bytes.length);
      }
      of.ingest(peer, parser);
      of.decide();
      assert.deepEqual(content(of), (removes ? names.slice(read) : names.slice(0, read)).sort(), `cut at ${cut}`);
    }
  });

  test(`${name}: a length that is too large behind an identifier is a fault of the session`, () => {
    const parser = new UpdateParser(SESSION);
    const long = family === AF_INET ? 33 : 129;
    const bytes = update(family, field, nlri([{ id: 1, length: long, octets: new Array<number>(17).fill(0) }]));
    assert.equal(parser.parse(bytes, 0, bytes.length).action, ACTION_RESET);
  });
}

test('what is treated as withdrawn takes back the paths that it names and no other', () => {
  const of = table(AF_INET);
  const peer = of.addPeer({ ...PEER });
  const parser = new UpdateParser(SESSION);
  const paths = [1, 2, 3].map(id => ({ id, length: 24, octets: [10, 1, 0] }));
  const all = update(AF_INET, 'announced', nlri(paths));
  parser.parse(all, 0, all.length);
  of.ingest(peer, parser);
  const bad = update(AF_INET, 'announced', nlri([paths[1]!]));
  bad[23 + 3] = 9; // ORIGIN 9
  assert.equal(parser.parse(bad, 0, bad.length).action, ACTION_WITHDRAW);
  of.ingest(peer, parser);
  of.decide();
  assert.deepEqual(content(of), ['1 10.1.0.0/24', '3 10.1.0.0/24']);
  assert.deepEqual(of.peerCounts(peer), { received: 2, accepted: 2 });
});

test('families without identifiers are read without, beside one that has them', () => {
  const parser = new UpdateParser({ ...SESSION, addPath: [AF_INET6] });
  const plain = update(AF_INET, 'announced', [24, 10, 1, 0, 24, 10, 2, 0]);
  assert.equal(parser.parse(plain, 0, plain.length).action, ACTION_OK);
  const of = table(AF_INET);
  of.ingest(of.addPeer({ ...PEER }), parser);
  assert.deepEqual(content(of), ['0 10.1.0.0/24', '0 10.2.0.0/24']);
  assert.equal(of.pathId.length, 0, 'nobody pays for the identifiers');
  const wide = update(AF_INET6, 'MP_REACH_NLRI', nlri(PATHS[AF_INET6]));
  assert.equal(parser.parse(wide, 0, wide.length).action, ACTION_OK);
});

test('any octets at all are read without harm', () => {
  const parser = new UpdateParser(SESSION);
  const tables = [table(AF_INET), table(AF_INET6)];
  const peers = tables.map(one => one.addPeer({ ...PEER }));
  fc.assert(
    fc.property(fc.constantFrom(...FORMS), fc.uint8Array({ maxLength: 60 }), ([family, field], octets) => {
      const bytes = update(family, field, Array.from(octets));
      if (parser.parse(bytes, 0, bytes.length).action === ACTION_RESET) return;
      for (const [i, one] of tables.entries()) {
        one.ingest(peers[i]!, parser);
        one.decide();
        one.sweep(1);
      }
    }),
    { numRuns: 3000 },
  );
  for (const [i, one] of tables.entries()) {
    one.peerDown(peers[i]!);
    while (one.work(100));
    while (one.sweep(100));
    assert.equal(one.prefixes.size, 0);
    assert.equal(one.store.size, 0);
  }
});

test('withdrawals that no group makes have identifiers where there are such', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(0xffff), fc.nat(0xffffffff)), { minLength: 1, maxLength: 50 }), list => {
      const read = (i: number): PrefixWords => [(list[i]![0] << 8) >>> 0, 0, 0, 0, 24];
      const of = table(AF_INET);
      const peer = of.addPeer({ ...PEER });
      const set = of.store.encode({ origin: 0, nextHop: { family: AF_INET, words: [1, 0, 0, 0] } });
      for (const [word, id] of list) of.announce(peer, (word << 8) >>> 0, 0, 0, 0, 24, set, id);
      const parser = new UpdateParser(SESSION);
      for (let at = 0; at < list.length; ) {
        const { message, next } = encodeWithdrawals(AF_INET, 100, at, list.length, read, i => list[i]![1]);
        assert.ok(message!.length <= 100);
        assert.equal(parser.parse(message!, 0, message!.length).action, ACTION_OK);
        of.ingest(peer, parser);
        at = next;
      }
      of.decide();
      assert.deepEqual(content(of), []);
    }),
  );
});

// ---- sending -----------------------------------------------------------------------------------------------------------

/** A member that keeps what it believes, by identifier and prefix. */
class Member implements GroupMember {
  readonly peer: number;
  readonly family: Family;
  readonly address: [number, number, number, number];
  readonly far: BgpTable;
  readonly #from: number;
  readonly #parser = new UpdateParser(SESSION);
  /** Each message's prefixes, announced and withdrawn. */
  readonly messages: [announced: number, withdrawn: number][] = [];

  constructor(peer: number, family: Family, address = 0) {
    this.peer = peer;
    this.family = family;
    this.address = [address, 0, 0, 0];
    this.far = table(family);
    this.#from = this.far.addPeer({ ...PEER });
  }

  hasRoom(): boolean {
    return true;
  }

  send(bytes: Uint8Array, offset: number, length: number): boolean {
    const parser = this.#parser;
    assert.equal(parser.parse(bytes, offset, length).action, ACTION_OK, parser.describe());
    if (parser.endOfRib !== 0) return true;
    const before = this.far.pathCount;
    this.far.ingest(this.#from, parser);
    this.far.decide();
    const more = this.far.pathCount - before;
    this.messages.push(more >= 0 ? [more, 0] : [0, -more]);
    return true;
  }
}

const RULES: GroupOptions = { ...PLAIN_GROUP, localAddress6: [0x20010db8, 0, 0, 0x63] };

function announce(of: BgpTable, peer: number, number: number, id: number, as: number, hop = peer): void {
  const ipv4 = of.family === AF_INET;
  const set = of.store.encode({
    origin: 0,
    asPath: [{ type: 'sequence', as: [as] }],
    nextHop: ipv4
      ? { family: AF_INET, words: [0x0a000000 + hop, 0, 0, 0] }
      : { family: AF_INET6, words: [0x20010db8, 0, 0, hop] },
  });
  if (ipv4) of.announce(peer, number << 8, 0, 0, 0, 24, set, id);
  else of.announce(peer, 0x20010db8, number, 0, 0, 64, set, id);
  of.store.release(set);
}

for (const family of [AF_INET, AF_INET6] as const) {
  const title = family === AF_INET ? 'IPv4' : 'IPv6';

  test(`${title}: paths of one set are packed as tightly as prefixes, and each is withdrawn when it goes`, () => {
    const of = table(family);
    const source = of.addPeer({ ...PEER });
    const group = new UpdateGroup(of, { ...RULES, addPath: 'all' });
    const members = [2, 3].map(i => new Member(of.addPeer({ ...PEER, address: [i, 0, 0, 0] }), family));
    for (const member of members) group.join(member);
    for (let i = 0; i < 1000; i++) for (const id of [5, 6, 7]) announce(of, source, i, id, 65000 + id);
    const flow = (): void => {
      while (group.run(10_000));
    };
    flow();
    for (const { far, messages } of members) {
      assert.equal(far.pathCount, 3000);
      // Eight octets a path, or thirteen: 24 KB in messages of 4 KB, three sets. A message in the middle of a chain may be short.
      const bytes = 3000 * (family === AF_INET ? 8 : 13);
      assert.ok(messages.length <= Math.ceil(bytes / 3 / 4000) * 3 + 3, `${messages.length} messages`);
    }
    const ids = content(members[0]!.far);
    // A change in place keeps the identifier.
    for (let i = 0; i < 1000; i++) announce(of, source, i, 6, 65100);
    flow();
    assert.deepEqual(content(members[0]!.far), ids);
    const before = members[0]!.messages.length;
    for (let i = 0; i < 1000; i++) {
      if (family === AF_INET) of.withdraw(source, i << 8, 0, 0, 0, 24, 6);
      else of.withdraw(source, 0x20010db8, i, 0, 0, 64, 6);
    }
    flow();
    for (const { far, messages } of members) {
      assert.equal(far.pathCount, 2000);
      assert.ok(messages.length - before <= 5, `${messages.length - before} messages of withdrawals`);
    }
    assert.deepEqual(
      content(members[0]!.far).every(line => ids.includes(line)),
      true,
    );
    of.peerDown(source);
    while (of.work(100));
    flow();
    assert.deepEqual(
      members.map(({ far }) => far.pathCount),
      [0, 0],
    );
    for (const member of members) group.leave(member);
    group.close();
    assert.equal(of.store.size, 0);
    while (of.sweep(100));
    assert.equal(of.prefixes.size, 0);
  });
}

test('a path that comes back before its end was told keeps its identifier; one of another prefix never gets it', () => {
  const of = table(AF_INET);
  const source = of.addPeer({ ...PEER });
  const group = new UpdateGroup(of, { ...RULES, addPath: 'all' });
  const member = new Member(of.addPeer({ ...PEER, address: [2, 0, 0, 0] }), AF_INET);
  group.join(member);
  announce(of, source, 1, 5, 65001);
  group.run(100);
  const [line] = content(member.far);
  of.withdraw(source, 256, 0, 0, 0, 24, 5);
  of.decide();
  announce(of, source, 2, 5, 65001);
  of.decide();
  announce(of, source, 1, 5, 65002);
  group.run(100);
  const lines = content(member.far);
  assert.equal(lines.length, 2);
  assert.ok(lines.includes(line!));
  assert.equal(new Set(lines.map(one => one.split(' ')[0])).size, 2);
  assert.deepEqual(of.peerCounts(source), { received: 2, accepted: 2 });
  group.leave(member);
  group.close();
});

test('a path that starts here and is not the best one does not go to the neighbour that is its next hop', () => {
  const of = table(AF_INET);
  const here = of.addPeer({ ...PEER, kind: PEER_LOCAL });
  const group = new UpdateGroup(of, {
    ...RULES,
    addPath: 'all',
    sharedSubnet: { family: AF_INET, words: [0x0a000000, 0, 0, 0], length: 24 },
  });
  const [first, late] = [3, 4].map(
    i => new Member(of.addPeer({ ...PEER, address: [i, 0, 0, 0] }), AF_INET, 0x0a000000 + i),
  ) as [Member, Member];
  group.join(first);
  announce(of, of.addPeer({ ...PEER, weight: 65535 }), 1, 0, 65001, 9);
  announce(of, here, 1, 0, 65001, 4); // by way of the one that joins later
  while (group.run(100));
  assert.equal(first.far.pathCount, 2);
  group.join(late);
  while (group.run(100));
  assert.deepEqual([first.far.pathCount, late.far.pathCount], [2, 1]);
  assert.deepEqual([group.advertisedCount(first), group.advertisedCount(late)], [2, 1]);
});
