import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  AttributeStore,
  BgpTable,
  defaultDecisionOptions,
  NexthopTable,
  PATH_REMOVED,
  PEER_EBGP,
  PEER_IBGP,
  PEER_IBGP_CLIENT,
  PEER_LOCAL,
  type PeerInfo,
  type PeerKind,
  type Policy,
} from '../../src/bgp/rib/index.ts';
import { type GroupMember, type GroupOptions, UpdateGroup } from '../../src/bgp/updategroup/index.ts';
import { ACTION_OK } from '../../src/bgp/wire/attribute.ts';
import { MessageType } from '../../src/bgp/wire/message.ts';
import { countPrefixes } from '../../src/bgp/wire/nlri.ts';
import { encodeRouteRefresh, RefreshKind } from '../../src/bgp/wire/refresh.ts';
import { UpdateParser } from '../../src/bgp/wire/update.ts';
import { type AddressWords, AF_INET, AF_INET6, type Family } from '../../src/net/index.ts';
import { PLAIN_GROUP } from './lib/group-options.ts';

const OPTIONS: GroupOptions = { ...PLAIN_GROUP, localAddress6: [0x20010db8, 0, 0, 0x63] };

function info(kind: PeerKind, index: number): PeerInfo {
  return { kind, as: 65000 + index, routerId: index, address: [index, 0, 0, 0], weight: 0, allowOwnAs: 0, role: -1 };
}

interface Speaker {
  store: AttributeStore;
  table: BgpTable;
}

function speaker(family: Family = AF_INET, localAs = 65000): Speaker {
  const nexthops = new NexthopTable();
  nexthops.defaultReachable = true;
  const store = new AttributeStore(nexthops, 4);
  return { store, table: new BgpTable({ family, store, decision: defaultDecisionOptions(localAs, 99), now: () => 1 }) };
}

/** A peer's end: a bounded pipe, and behind it a table that takes what comes through it. */
class Remote implements GroupMember {
  readonly peer: number;
  readonly family: Family;
  address: AddressWords = [0, 0, 0, 0];
  readonly far: Speaker;
  readonly #parser: UpdateParser;
  readonly #from: number;
  queue: Uint8Array[] = [];
  queued = 0;
  capacity: number;
  endOfRib = 0;
  messages = 0;
  prefixes = 0;
  withdrawn = 0;
  largest = 0;
  /** Marks of a route refresh, and how many prefixes had come before each. */
  readonly marks: [kind: number, prefixes: number][] = [];
  markRefresh: ((kind: 'begin' | 'end') => void) | undefined;

  constructor(
    peer: number,
    family: Family,
    capacity = Number.POSITIVE_INFINITY,
    session: { ebgp?: boolean; as4?: boolean; addPath?: boolean } = {},
  ) {
    this.peer = peer;
    this.family = family;
    this.capacity = capacity;
    this.far = speaker(family, 64999);
    const ebgp = session.ebgp ?? true;
    this.#from = this.far.table.addPeer(info(ebgp ? PEER_EBGP : PEER_IBGP, 1));
    const addPath = session.addPath ?? false;
    this.#parser = new UpdateParser({
      ebgp,
      as4: session.as4 ?? true,
      ipv4: true,
      ipv6: true,
      addPath: addPath ? [AF_INET, AF_INET6] : [],
      firstAs: 0,
    });
  }

  hasRoom(bytes: number): boolean {
    return bytes <= this.capacity - this.queued;
  }

  send(bytes: Uint8Array, offset: number, length: number): boolean {
    assert.ok(this.hasRoom(length), 'a message was sent without room');
    this.queue.push(bytes.slice(offset, offset + length));
    this.queued += length;
    return true;
  }

  /** Reads some messages. */
  read(max = Number.POSITIVE_INFINITY): void {
    for (let i = 0; i < max; i++) {
      const message = this.queue.shift();
      if (!message) return;
      this.queued -= message.length;
      this.largest = Math.max(this.largest, message.length);
      assert.equal((message[16]! << 8) | message[17]!, message.length);
      if (message[18] === MessageType.routeRefresh) {
        this.marks.push([message[21]!, this.prefixes]);
        continue;
      }
      const parsed = this.#parser;
      parsed.parse(message, 0, message.length);
      assert.equal(parsed.action, ACTION_OK, parsed.describe());
      if (parsed.endOfRib !== 0) {
        this.endOfRib++;
        continue;
      }
      this.messages++;
      const [idBytes4, idBytes6] = [this.#parser.idBytes(AF_INET), this.#parser.idBytes(AF_INET6)];
      this.withdrawn += countPrefixes(message, parsed.withdrawnStart, parsed.withdrawnEnd, idBytes4);
      this.withdrawn += countPrefixes(message, parsed.unreachStart, parsed.unreachEnd, idBytes6);
      this.prefixes += countPrefixes(message, parsed.nlriStart, parsed.nlriEnd, idBytes4);
      this.prefixes += countPrefixes(message, parsed.reachStart, parsed.reachEnd, idBytes6);
      this.far.table.ingest(this.#from, parsed);
      this.far.table.decide();
    }
  }

  /** `prefix → AS path next hop`, behind the identifier where the path has one, of everything the peer believes. */
  content(): string[] {
    const { table, store } = this.far;
    const lines: string[] = [];
    for (let id = 0; id < table.prefixes.limit; id++) {
      if (!table.prefixes.has(id)) continue;
      for (let path = table.first[id]!; path !== 0; path = table.pathNext[path]!) {
        const set = table.pathReceived[path]!;
        const named = table.idOf(path) === 0 ? '' : `${table.idOf(path)}: `;
        lines.push(
          `${named}${table.prefixes.format(id)} ${store.asPathText(set)} ${store.nexthops.format(store.nexthop[set]!)}`,
        );
      }
    }
    return lines.sort();
  }
}

function announce(
  from: Speaker,
  peer: number,
  prefix: number,
  path: number[],
  more: Parameters<AttributeStore['encode']>[0] = {},
  pathId = 0,
): void {
  const id = from.store.encode({
    origin: 0,
    asPath: path.length > 0 ? [{ type: 'sequence', as: path }] : [],
    nextHop: { family: AF_INET, words: [0x0a000000 + peer, 0, 0, 0] },
    ...more,
  });
  if (from.table.family === AF_INET) from.table.announce(peer, prefix << 8, 0, 0, 0, 24, id, pathId);
  else from.table.announce(peer, 0x20010db8, prefix, 0, 0, 64, id, pathId);
  from.store.release(id);
}

function drain(group: UpdateGroup, remotes: readonly Remote[], now = 0): void {
  for (let turn = 0; turn < 10_000; turn++) {
    const more = group.run(10_000, now + turn);
    let moved = false;
    for (const remote of remotes) {
      moved ||= remote.queue.length > 0;
      remote.read();
    }
    if (!more && !moved) return;
  }
  assert.fail('never quiet');
}

test('prefixes with one attribute set go out in as few messages as hold them, End-of-RIB follows', () => {
  const near = speaker();
  const source = near.table.addPeer(info(PEER_EBGP, 1));
  const remote = new Remote(near.table.addPeer(info(PEER_EBGP, 2)), AF_INET);
  for (let i = 0; i < 3000; i++) announce(near, source, i, i % 3 === 0 ? [65001] : [65001, 7]);
  const group = new UpdateGroup(near.table, OPTIONS);
  group.join(remote);
  drain(group, [remote]);
  assert.equal(remote.prefixes, 3000);
  // Four octets a prefix: 1,000 in one message, 2,000 in two.
  assert.ok(remote.messages <= 4, `${remote.messages} messages`);
  assert.ok(remote.largest > 4000 && remote.largest <= 4096);
  assert.equal(remote.endOfRib, 1);
  assert.equal(remote.content()[0], '0.0.0.0/24 65000 65001 10.0.0.99');
  near.table.peerDown(source);
  while (near.table.work(500));
  drain(group, [remote]);
  assert.deepEqual(remote.content(), []);
  assert.ok(remote.messages <= 8, `${remote.messages} messages with the withdrawals`);
  while (near.table.sweep(100));
  assert.equal(near.table.prefixes.size, 0);
  assert.equal(near.store.size, 0);
});

test('a slice of the sweep is as long with many groups as with one', () => {
  const near = speaker();
  const source = near.table.addPeer(info(PEER_EBGP, 1));
  const groups = Array.from({ length: 5 }, () => new UpdateGroup(near.table, OPTIONS));
  const remotes = groups.map((_, i) => new Remote(near.table.addPeer(info(PEER_EBGP, 2 + i)), AF_INET));
  groups.forEach((group, i) => group.join(remotes[i]!));
  for (let i = 0; i < 20; i++) announce(near, source, i, [65001, 100 + i]);
  for (const group of groups) drain(group, remotes);
  near.table.peerDown(source);
  while (near.table.work(500));
  for (const group of groups) drain(group, remotes);
  const used = (): number => {
    const stores = [near.store, ...groups.map(group => group.sets)];
    return stores.reduce((sum, store) => sum + store.stats().arenaUsedBytes, 0);
  };
  const set = used() / 120; // octets of each
  for (let more = true; more; ) {
    const [bytes, rows] = [used(), near.table.prefixes.size];
    more = near.table.sweep(4);
    assert.ok((bytes - used()) / set + rows - near.table.prefixes.size <= 4);
  }
  assert.deepEqual([used(), near.table.prefixes.size], [0, 0]);
});

test('extended messages hold sixteen times as much', () => {
  const near = speaker();
  const source = near.table.addPeer(info(PEER_EBGP, 1));
  const remote = new Remote(near.table.addPeer(info(PEER_EBGP, 2)), AF_INET);
  for (let i = 0; i < 16000; i++) announce(near, source, i, [65001]);
  const group = new UpdateGroup(near.table, { ...OPTIONS, maximumMessageBytes: 65535 });
  group.join(remote);
  drain(group, [remote]);
  assert.equal(remote.prefixes, 16000);
  assert.ok(remote.messages <= 17, `${remote.messages} messages`); // slices of `run` bound a message too
});

test('IPv6 prefixes go in MP_REACH_NLRI and MP_UNREACH_NLRI', () => {
  const near = speaker(AF_INET6);
  const source = near.table.addPeer(info(PEER_EBGP, 1));
  const remote = new Remote(near.table.addPeer(info(PEER_EBGP, 2)), AF_INET6);
  const group = new UpdateGroup(near.table, { ...OPTIONS, localLinkLocal6: [0xfe800000, 0, 0, 1] });
  group.join(remote);
  for (let i = 0; i < 1000; i++) {
    announce(near, source, i, [65001], {
      nextHop: { family: AF_INET6, words: [0x20010db8, 0, 0, 5] },
      communities: [i % 2],
    });
  }
  drain(group, [remote]);
  assert.equal(remote.content().length, 1000);
  assert.ok(remote.content().includes('2001:db8::/64 65000 65001 2001:db8::63'));
  assert.ok(remote.largest <= 4096 && remote.largest > 3900);
  for (let i = 0; i < 1000; i += 2) near.table.withdraw(source, 0x20010db8, i, 0, 0, 64);
  drain(group, [remote]);
  assert.equal(remote.content().length, 500);
});

test('IPv4 prefixes go with an IPv6 next hop where that was agreed (RFC 8950)', () => {
  const near = speaker();
  const source = near.table.addPeer(info(PEER_EBGP, 1));
  const remote = new Remote(near.table.addPeer(info(PEER_EBGP, 2)), AF_INET);
  const { localAddress4: _, ...rest } = OPTIONS;
  const group = new UpdateGroup(near.table, { ...rest, extendedNextHop: true });
  group.join(remote);
  announce(near, source, 1, [65001]);
  drain(group, [remote]);
  assert.deepEqual(remote.content(), ['0.0.1.0/24 65000 65001 2001:db8::63']);
});

test('a 2-octet speaker gets AS_TRANS and finds the path again in AS4_PATH', () => {
  const near = speaker();
  const source = near.table.addPeer(info(PEER_EBGP, 1));
  const remote = new Remote(near.table.addPeer(info(PEER_EBGP, 2)), AF_INET, undefined, { as4: false });
  const group = new UpdateGroup(near.table, { ...OPTIONS, as4: false });
  group.join(remote);
  announce(near, source, 1, [65001, 200000], {
    aggregator: { as: 200000, routerId: 7 },
    largeCommunities: [[1, 2, 3]],
  });
  drain(group, [remote]);
  assert.deepEqual(remote.content(), ['0.0.1.0/24 65000 65001 200000 10.0.0.99']);
  const { table, store } = remote.far;
  const set = store.decode(table.pathReceived[table.best[0]!]!);
  assert.deepEqual(set.aggregator, { as: 200000, routerId: 7 });
  assert.deepEqual(set.largeCommunities, [[1, 2, 3]]);
});

test('what is stripped, kept and added on the way out', () => {
  const near = speaker();
  const outside = near.table.addPeer(info(PEER_EBGP, 1));
  const inside = near.table.addPeer(info(PEER_IBGP, 2));
  const client = near.table.addPeer(info(PEER_IBGP_CLIENT, 3));
  const here = near.table.addPeer(info(PEER_LOCAL, 0));
  const attributes = {
    med: 5,
    communities: [77],
    localPref: 300,
    unknown: [{ flags: 0xc0, code: 99, value: Uint8Array.of(1) }],
  };
  announce(near, outside, 1, [65001], attributes);
  announce(near, inside, 2, [65009], attributes);
  announce(near, client, 3, [65009], { ...attributes, clusterList: [5], originatorId: 8 });
  announce(near, outside, 4, [65001], { communities: [0xffffff01] });
  announce(near, outside, 5, [65001], { communities: [0xffffff02] });
  const local = near.store.encode({ origin: 0, med: 9 });
  near.table.announce(here, 6 << 8, 0, 0, 0, 24, local);
  near.store.release(local);

  const look = (options: Partial<GroupOptions>, ebgp: boolean): Map<number, ReturnType<AttributeStore['decode']>> => {
    const remote = new Remote(near.table.addPeer(info(ebgp ? PEER_EBGP : PEER_IBGP, 50)), AF_INET, undefined, { ebgp });
    const group = new UpdateGroup(near.table, { ...OPTIONS, ...options });
    group.join(remote);
    drain(group, [remote]);
    group.leave(remote);
    group.close();
    const { table, store } = remote.far;
    const found = new Map<number, ReturnType<AttributeStore['decode']>>();
    for (let id = 0; id < table.prefixes.limit; id++) {
      found.set(table.prefixes.w0[id]! >>> 8, store.decode(table.pathReceived[table.first[id]!]!));
    }
    return found;
  };

  const ebgp = look({}, true);
  assert.deepEqual(
    [...ebgp.keys()].sort((a, b) => a - b),
    [1, 2, 3, 6],
  );
  assert.equal(ebgp.get(1)!.med, undefined);
  assert.equal(ebgp.get(6)!.med, 9);
  assert.equal(ebgp.get(1)!.localPref, undefined);
  assert.deepEqual(ebgp.get(1)!.communities, [77]);
  assert.deepEqual(ebgp.get(1)!.unknown[0]!.flags, 0xe0);
  assert.deepEqual(ebgp.get(3)!.clusterList, []);
  assert.equal(ebgp.get(3)!.originatorId, undefined);
  assert.deepEqual(ebgp.get(6)!.asPath, [{ type: 'sequence', as: [65000] }]);
  assert.deepEqual(look({ sendCommunity: false }, true).get(1)!.communities, []);
  assert.deepEqual(look({ removePrivateAs: 'all' }, true).get(1)!.asPath, [{ type: 'sequence', as: [65000] }]);

  const ibgp = look({ kind: 'ibgp' }, false);
  assert.deepEqual(
    [...ibgp.keys()].sort((a, b) => a - b),
    [1, 3, 4, 6],
  ); // 2 came from another of the mesh
  assert.equal(ibgp.get(1)!.med, 5);
  assert.equal(ibgp.get(1)!.localPref, 300);
  assert.equal(ibgp.get(4)!.localPref, 100);
  assert.deepEqual(ibgp.get(1)!.asPath, [{ type: 'sequence', as: [65001] }]);
  assert.equal(ibgp.get(1)!.nextHop?.words[0], 0x0a000001);
  assert.equal(ibgp.get(6)!.nextHop?.words[0], 0x0a000063);
  assert.deepEqual(ibgp.get(3)!.clusterList, [99, 5]);
  assert.equal(ibgp.get(3)!.originatorId, 8);
  assert.equal(look({ kind: 'ibgp', nextHopSelf: true }, false).get(1)!.nextHop?.words[0], 0x0a000063);
  assert.equal(look({ kind: 'ibgp', nextHopSelf: true }, false).get(3)!.nextHop?.words[0], 0x0a000003);

  const reflected = look({ kind: 'ibgp-client' }, false);
  assert.deepEqual(
    [...reflected.keys()].sort((a, b) => a - b),
    [1, 2, 3, 4, 6],
  );
  assert.equal(reflected.get(2)!.originatorId, 2);
  assert.deepEqual(reflected.get(2)!.clusterList, [99]);
  assert.equal(reflected.get(1)!.originatorId, undefined);

  const shared = look({ sharedSubnet: { family: AF_INET, words: [0x0a000000, 0, 0, 0], length: 24 } }, true);
  assert.equal(shared.get(1)!.nextHop?.words[0], 0x0a000001);
});

test('a set that cannot fit into a message is not sent, and counted', () => {
  const near = speaker();
  const source = near.table.addPeer(info(PEER_EBGP, 1));
  const remote = new Remote(near.table.addPeer(info(PEER_EBGP, 2)), AF_INET);
  const group = new UpdateGroup(near.table, OPTIONS);
  group.join(remote);
  announce(near, source, 1, [65001], { communities: Array.from({ length: 1100 }, (_, i) => i) });
  announce(near, source, 2, [65001]);
  drain(group, [remote]);
  assert.equal(remote.content().length, 1);
  assert.equal(group.stats().tooLarge, 1);
});

test('a route that starts here does not go to the neighbour that is its next hop', () => {
  const near = speaker();
  const here = near.table.addPeer(info(PEER_LOCAL, 1));
  const [a, b, late] = [2, 3, 4].map(index => {
    const remote = new Remote(near.table.addPeer(info(PEER_EBGP, index)), AF_INET);
    remote.address = [0x0a000000 + index, 0, 0, 0];
    return remote;
  }) as [Remote, Remote, Remote];
  const group = new UpdateGroup(near.table, {
    ...OPTIONS,
    sharedSubnet: { family: AF_INET, words: [0x0a000000, 0, 0, 0], length: 24 },
  });
  for (const remote of [a, b]) group.join(remote);
  const via = (index: number): string => `0.0.1.0/24 65000 10.0.0.${index}`;
  announce(near, here, 1, [], { nextHop: { family: AF_INET, words: a.address } });
  drain(group, [a, b]);
  assert.deepEqual([a.content(), b.content()], [[], [via(2)]]);
  assert.equal(group.advertised(a, 0), 0);

  announce(near, here, 1, [], { nextHop: { family: AF_INET, words: b.address } });
  drain(group, [a, b]);
  assert.deepEqual([a.content(), b.content()], [[via(3)], []]);

  announce(near, here, 1, [], { nextHop: { family: AF_INET, words: late.address } });
  drain(group, [a, b]);
  group.join(late);
  drain(group, [a, b, late]);
  assert.deepEqual([a.content(), b.content(), late.content()], [[via(4)], [via(4)], []]);
  group.leave(late);
  drain(group, [a, b]);
  assert.deepEqual([a.content(), b.content()], [[via(4)], [via(4)]]);
});

test('a path goes to everybody but its own peer, which gets a withdrawal of what it had', () => {
  const near = speaker();
  const a = near.table.addPeer(info(PEER_EBGP, 1));
  const b = near.table.addPeer(info(PEER_EBGP, 2));
  const remotes = [new Remote(a, AF_INET), new Remote(b, AF_INET)];
  const group = new UpdateGroup(near.table, OPTIONS);
  for (const remote of remotes) group.join(remote);
  drain(group, remotes);
  announce(near, a, 1, [65001, 7]);
  drain(group, remotes);
  assert.deepEqual(
    remotes.map(remote => remote.content().length),
    [0, 1],
  );
  assert.equal(remotes[0]!.withdrawn, 0);
  announce(near, b, 1, [65002]);
  drain(group, remotes);
  assert.deepEqual(
    remotes.map(remote => remote.content()),
    [['0.0.1.0/24 65000 65002 10.0.0.99'], []],
  );
  assert.equal(remotes[1]!.withdrawn, 1);
});

test('one that does not read delays the others once, then has a stream of its own and catches up', () => {
  const near = speaker();
  const source = near.table.addPeer(info(PEER_EBGP, 1));
  const fast = new Remote(near.table.addPeer(info(PEER_EBGP, 2)), AF_INET);
  const slow = new Remote(near.table.addPeer(info(PEER_EBGP, 3)), AF_INET, 8192);
  const group = new UpdateGroup(near.table, OPTIONS);
  let timer = 0;
  group.onTimer = ms => {
    timer = ms;
  };
  group.join(fast);
  group.join(slow);
  drain(group, [fast, slow]);
  for (let i = 0; i < 5000; i++) announce(near, source, i, [65001, 1 + i]);
  const flow = (now: number): void => {
    while (group.run(1000, now)) fast.read();
    fast.read();
  };
  flow(10_000);
  assert.ok(timer > 0 && fast.content().length < 5000);
  flow(10_000 + timer);
  assert.equal(fast.content().length, 5000);
  assert.equal(group.stats().slow, 1);
  for (let i = 0; i < 5000; i += 2) near.table.withdraw(source, i << 8, 0, 0, 0, 24);
  flow(20_000);
  assert.equal(fast.content().length, 2500);
  drain(group, [fast, slow], 30_000);
  assert.deepEqual(slow.content(), fast.content());
  assert.equal(group.stats().streams, 1);
});

test('route refresh sends everything again to the one that asked', () => {
  const near = speaker();
  const source = near.table.addPeer(info(PEER_EBGP, 1));
  const remotes = [2, 3].map(i => new Remote(near.table.addPeer(info(PEER_EBGP, i)), AF_INET));
  const group = new UpdateGroup(near.table, OPTIONS);
  for (const remote of remotes) group.join(remote);
  for (let i = 0; i < 100; i++) announce(near, source, i, [65001]);
  drain(group, remotes);
  group.refresh(remotes[0]!);
  drain(group, remotes);
  assert.deepEqual(
    remotes.map(remote => remote.prefixes),
    [200, 100],
  );
  assert.deepEqual(
    remotes.map(remote => remote.endOfRib),
    [1, 1],
  );
});

test('the answer to a route refresh stands between its marks (RFC 7313), once End-of-RIB was sent', () => {
  const near = speaker();
  const source = near.table.addPeer(info(PEER_EBGP, 1));
  // Room for two messages, so that the answer is given in many turns.
  const remotes = [2, 3].map(i => new Remote(near.table.addPeer(info(PEER_EBGP, i)), AF_INET, 8192));
  for (const remote of remotes) {
    remote.markRefresh = kind => {
      const mark = encodeRouteRefresh({ afi: 1, safi: 1, kind: RefreshKind[kind] });
      remote.send(mark, 0, mark.length);
    };
  }
  const group = new UpdateGroup(near.table, OPTIONS);
  for (const remote of remotes) group.join(remote);
  for (let i = 0; i < 5000; i++) announce(near, source, i, [65001, 1 + (i % 500)]);
  group.refresh(remotes[0]!, true);
  drain(group, remotes);
  assert.deepEqual(remotes[0]!.marks, [], 'the first table is not marked');
  const before = remotes[0]!.prefixes;
  group.refresh(remotes[0]!, true);
  drain(group, remotes);
  assert.deepEqual(remotes[0]!.marks, [
    [RefreshKind.begin, before],
    [RefreshKind.end, before + 5000],
  ]);
  group.refresh(remotes[1]!);
  drain(group, remotes);
  assert.deepEqual(remotes[1]!.marks, [], 'nor is what nobody asked for');
  assert.equal(group.stats().streams, 1);
});

test('route refreshes without end: what is asked before an answer begins is one, and what is asked while it is given one more', () => {
  const near = speaker();
  const source = near.table.addPeer(info(PEER_EBGP, 1));
  const remote = new Remote(near.table.addPeer(info(PEER_EBGP, 2)), AF_INET, 8192);
  const group = new UpdateGroup(near.table, OPTIONS);
  group.join(remote);
  for (let i = 0; i < 5000; i++) announce(near, source, i, [65001, 1 + (i % 500)]);
  drain(group, [remote]);
  assert.equal(remote.prefixes, 5000);
  for (let i = 0; i < 100; i++) group.refresh(remote, true);
  group.run(1000);
  assert.ok(remote.queue.length > 0, 'the first answer has begun');
  for (let i = 0; i < 100; i++) group.refresh(remote, true);
  // What was sent before the second question counts for the first one only.
  announce(near, source, 0, [65001, 7]);
  drain(group, [remote]);
  assert.ok(remote.prefixes >= 15_000 && remote.prefixes <= 15_002, `${remote.prefixes} prefixes`);
  group.refresh(remote, true);
  drain(group, [remote]);
  assert.ok(remote.prefixes >= 20_000 && remote.prefixes <= 20_002, `${remote.prefixes} prefixes`);
  assert.equal(group.stats().streams, 1);
});

test('about to leave (RFC 8326): GRACEFUL_SHUTDOWN among the communities outside, the last choice inside', () => {
  const near = speaker();
  const outside = near.table.addPeer(info(PEER_EBGP, 1));
  const mark = 0xffff0000;
  announce(near, outside, 1, [65001], { localPref: 300 });
  announce(near, outside, 2, [65001], { communities: [7, 0xfffffff0], originatorId: 5, largeCommunities: [[1, 2, 3]] });
  announce(near, outside, 3, [65001], { communities: [7, mark] });
  announce(near, outside, 4, [65001], { largeCommunities: [[1, 2, 3]] });
  const look = (options: Partial<GroupOptions>): { communities: number[]; localPref: number | undefined }[] => {
    const ebgp = options.kind !== 'ibgp';
    const remote = new Remote(near.table.addPeer(info(ebgp ? PEER_EBGP : PEER_IBGP, 9)), AF_INET, undefined, { ebgp });
    const group = new UpdateGroup(near.table, { ...OPTIONS, gracefulShutdown: true, ...options });
    group.join(remote);
    drain(group, [remote]);
    const { table, store } = remote.far;
    return [1, 2, 3, 4].map(prefix => {
      const id = table.prefixes.find(prefix << 8, 0, 0, 0, 24);
      const set = store.decode(table.pathReceived[table.first[id]!]!);
      assert.equal(set.largeCommunities.length, prefix % 2 === 0 ? 1 : 0);
      return { communities: set.communities, localPref: set.localPref };
    });
  };
  const outward = [[mark], [7, mark, 0xfffffff0], [7, mark], [mark]];
  assert.deepEqual(
    look({}).map(one => one.communities),
    outward,
  );
  assert.deepEqual(
    look({ sendCommunity: false }).map(one => one.communities),
    [[], [], [], []],
  );
  const inward = look({ kind: 'ibgp' });
  assert.deepEqual(
    inward.map(one => one.localPref),
    [0, 0, 0, 0],
  );
  assert.deepEqual(inward[0]!.communities, []);
});

function pathsOf(table: BgpTable, prefix: number): number[] {
  const paths: number[] = [];
  for (let path = table.first[prefix]!; path !== 0; path = table.pathNext[path]!) {
    if ((table.pathFlags[path]! & PATH_REMOVED) === 0) paths.push(path);
  }
  return paths;
}

type Step =
  | { kind: 'announce'; prefix: number; source: number; id: number; path: number[] }
  | { kind: 'withdraw'; prefix: number; source: number; id: number }
  | { kind: 'down'; source: number }
  | { kind: 'policy'; allow: number }
  | { kind: 'join'; remote: number }
  | { kind: 'leave'; remote: number }
  | { kind: 'refresh'; remote: number }
  | { kind: 'run'; max: number; wait: number }
  | { kind: 'read'; remote: number; count: number };

const remoteIndex = fc.nat(3);
const sourceIndex = fc.integer({ min: 1, max: 5 }); // 1 is no member, the others are
const pathId = fc.nat(2);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant('announce' as const),
        prefix: fc.nat(40),
        source: sourceIndex,
        id: pathId,
        path: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('withdraw' as const),
        prefix: fc.nat(40),
        source: sourceIndex,
        id: pathId,
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('down' as const), source: sourceIndex }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('policy' as const), allow: fc.nat(3) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constantFrom<'join' | 'leave' | 'refresh'>('join', 'leave', 'refresh'),
        remote: remoteIndex,
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('run' as const),
        max: fc.integer({ min: 1, max: 20 }),
        wait: fc.constantFrom(0, 1, 150),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('read' as const),
        remote: remoteIndex,
        count: fc.integer({ min: 1, max: 5 }),
      }),
    },
  ),
  { maxLength: 120, size: 'max' },
);

for (const [name, perPrefix, addPath] of [
  ['a policy on attributes', false, undefined],
  ['a policy on prefixes', true, undefined],
  ['a policy on attributes', false, 'all'],
  ['a policy on prefixes', true, 'all'],
  ['a policy on attributes', false, 'best-per-as'],
] as const) {
  const what = { all: 'every path', 'best-per-as': 'the best path of each AS' };
  const end = addPath === undefined ? 'what the table selects' : what[addPath];
  test(`under any operations and ${name}, every peer ends with ${end}`, () => {
    fc.assert(
      fc.property(steps, list => {
        const near = speaker();
        // What the first one announces starts here, and leads to one of the others or to nobody.
        for (let i = 1; i <= 5; i++) near.table.addPeer(info(i === 1 ? PEER_LOCAL : PEER_EBGP, i));
        const local = (hop: number): object => ({ nextHop: { family: AF_INET, words: [0x0a000002 + hop, 0, 0, 0] } });
        let allow = 0;
        const allowed = (set: number, prefix: number): boolean =>
          perPrefix ? near.table.prefixes.w0[prefix]! >>> 8 > allow * 5 : near.store.asPathLength[set]! !== allow;
        const policy: Policy = {
          perPrefix,
          apply: (set, prefix) =>
            allowed(set, prefix)
              ? near.store.editor
                  .begin(set)
                  .prependAs(1000 + allow)
                  .finish()
              : -1,
        };
        const group = new UpdateGroup(near.table, {
          ...OPTIONS,
          policy,
          addPath,
          maximumMessageBytes: 150,
          sharedSubnet: { family: AF_INET, words: [0x0a000000, 0, 0, 0], length: 24 },
        });
        group.onTimer = () => {};
        const joined = new Map<number, Remote>();
        let now = 0;
        for (const step of list) {
          if (step.kind === 'announce') {
            const { source, prefix, path, id } = step;
            announce(
              near,
              source,
              prefix,
              [65000 + source, ...path],
              source === 1 ? local((prefix + path.length) % 5) : {},
              id,
            );
          } else if (step.kind === 'withdraw') near.table.withdraw(step.source, step.prefix << 8, 0, 0, 0, 24, step.id);
          else if (step.kind === 'down') near.table.peerDown(step.source);
          else if (step.kind === 'policy') {
            allow = step.allow;
            group.policyChanged();
          } else if (step.kind === 'join') {
            if (joined.has(step.remote)) continue;
            const capacity = step.remote === 3 ? 10_000 : 300 + step.remote * 100;
            const remote = new Remote(2 + step.remote, AF_INET, capacity, { addPath: addPath !== undefined });
            remote.address = [0x0a000002 + step.remote, 0, 0, 0];
            joined.set(step.remote, remote);
            group.join(remote);
          } else if (step.kind === 'leave') {
            const remote = joined.get(step.remote);
            if (remote) group.leave(remote);
            joined.delete(step.remote);
          } else if (step.kind === 'refresh') {
            const remote = joined.get(step.remote);
            if (remote) group.refresh(remote, step.remote % 2 === 0);
          } else if (step.kind === 'run') {
            now += step.wait;
            near.table.work(step.max);
            near.table.sweep(2);
            group.run(step.max, now);
          } else joined.get(step.remote)?.read(step.count);
        }
        while (near.table.work(7));
        drain(group, [...joined.values()], now);
        const { table, store } = near;
        for (const remote of joined.values()) {
          const expected: string[] = [];
          for (let id = 0; id < table.prefixes.limit; id++) {
            if (!table.prefixes.has(id)) continue;
            let paths = [table.best[id]!];
            if (addPath === 'all') paths = pathsOf(table, id);
            else if (addPath !== undefined) paths = Array.from(table.ofEachAs.subarray(0, table.bestOfEachAs(id)));
            for (const path of paths) {
              if (path === 0 || table.pathPeer[path] === remote.peer) continue;
              const set = table.pathAttributes[path]!;
              if (!allowed(set, id)) continue;
              const hop = store.nexthop[set]!;
              if (table.pathPeer[path] === 1 && store.nexthops.words(hop)[0] === remote.address[0]) continue;
              const text = `${1000 + allow} ${store.asPathText(set)} ${store.nexthops.format(hop)}`;
              expected.push(`${addPath === undefined ? '' : `${path}: `}${table.prefixes.format(id)} 65000 ${text}`);
            }
          }
          assert.deepEqual(remote.content(), expected.sort());
          assert.equal(remote.endOfRib, 1);
          assert.equal(group.advertisedCount(remote), expected.length);
        }
        assert.ok(group.stats().streams <= 2);
        for (let i = 1; i <= 5; i++) table.peerDown(i);
        while (table.work(7));
        drain(group, [...joined.values()], now + 1000);
        for (const remote of joined.values()) {
          assert.deepEqual(remote.content(), []);
          group.leave(remote);
        }
        group.close();
        while (table.sweep(100));
        assert.equal(table.prefixes.size, 0);
        assert.equal(store.size, 0);
      }),
      { numRuns: 300 },
    );
  });
}

test('a member with a limit is never told of more, and of as many as there are places for', () => {
  fc.assert(
    fc.property(
      steps,
      fc.integer({ min: 1, max: 8 }),
      fc.constantFrom(300, 10_000),
      fc.boolean(),
      (list, limit, capacity, every) => {
        const near = speaker();
        for (let i = 1; i <= 5; i++) near.table.addPeer(info(i === 1 ? PEER_LOCAL : PEER_EBGP, i));
        let allow = 0;
        const allowed = (set: number): boolean => near.store.asPathLength[set]! !== allow;
        const policy: Policy = { perPrefix: false, apply: set => (allowed(set) ? near.store.retain(set) : -1) };
        const group = new UpdateGroup(near.table, {
          ...OPTIONS,
          policy,
          maximumMessageBytes: 150,
          maximumPrefixes: limit,
          addPath: every ? 'all' : undefined,
          sharedSubnet: { family: AF_INET, words: [0x0a000000, 0, 0, 0], length: 24 },
        });
        group.onTimer = () => {};
        // The last one announces too; what starts here may lead to it.
        const remote = new Remote(5, AF_INET, capacity, { addPath: every });
        remote.address = [0x0a000005, 0, 0, 0];
        let most = 0;
        const look = (): void => {
          most = Math.max(most, remote.content().length);
        };
        group.join(remote);
        let now = 0;
        for (const step of list) {
          if (step.kind === 'announce') {
            const hop = { nextHop: { family: AF_INET, words: [0x0a000001 + (step.prefix % 5), 0, 0, 0] } } as const;
            announce(
              near,
              step.source,
              step.prefix,
              [65000 + step.source, ...step.path],
              step.source === 1 ? { nextHop: { ...hop.nextHop, words: [...hop.nextHop.words] } } : {},
              step.id,
            );
          } else if (step.kind === 'withdraw') near.table.withdraw(step.source, step.prefix << 8, 0, 0, 0, 24, step.id);
          else if (step.kind === 'down') near.table.peerDown(step.source);
          else if (step.kind === 'policy') {
            allow = step.allow;
            group.policyChanged();
          } else if (step.kind === 'refresh') group.refresh(remote);
          else if (step.kind === 'run') {
            now += step.wait;
            near.table.work(step.max);
            near.table.sweep(2);
            group.run(step.max, now);
          } else if (step.kind === 'read') {
            for (let i = 0; i < step.count; i++) {
              remote.read(1);
              look();
            }
          }
        }
        while (near.table.work(7));
        for (let turn = 0, quiet = 0; quiet < 2; turn++) {
          assert.ok(turn < 1000, 'never quiet');
          quiet = group.run(5, now + turn) || remote.queue.length > 0 ? 0 : quiet + 1;
          remote.read(1);
          look();
        }
        assert.ok(most <= limit, `${most} routes at once, limit ${limit}`);
        const { table, store } = near;
        const candidates: string[] = [];
        for (let id = 0; id < table.prefixes.limit; id++) {
          if (!table.prefixes.has(id)) continue;
          for (const path of every ? pathsOf(table, id) : [table.best[id]!]) {
            if (path === 0 || table.pathPeer[path] === remote.peer) continue;
            const set = table.pathAttributes[path]!;
            if (!allowed(set)) continue;
            if (table.pathPeer[path] === 1 && store.nexthops.words(store.nexthop[set]!)[0] === remote.address[0])
              continue;
            candidates.push(`${every ? `${path}: ` : ''}${table.prefixes.format(id)}`);
          }
        }
        const told = remote.content().map(line =>
          line
            .split(' ')
            .slice(0, every ? 2 : 1)
            .join(' '),
        );
        assert.equal(told.length, Math.min(limit, candidates.length));
        for (const prefix of told) assert.ok(candidates.includes(prefix), `${prefix} is not selected`);
        assert.equal(group.advertisedCount(remote), told.length);
        for (let i = 1; i <= 5; i++) table.peerDown(i);
        while (table.work(7));
        drain(group, [remote], now + 10_000);
        assert.deepEqual(remote.content(), []);
        group.leave(remote);
        group.close();
        while (table.sweep(100));
        assert.equal(table.prefixes.size, 0);
        assert.equal(store.size, 0);
      },
    ),
    { numRuns: 300 },
  );
});
