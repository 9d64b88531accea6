import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  AttributeStore,
  BgpTable,
  type DecisionOptions,
  defaultDecisionOptions,
  DirtySet,
  NexthopTable,
  PATH_MULTIPATH,
  PATH_REMOVED,
  PEER_EBGP,
  PEER_IBGP,
  PEER_LOCAL,
  type PeerInfo,
  type Policy,
  REASONS,
  type TableConsumer,
} from '../../src/bgp/rib/index.ts';
import { ProcessQueue } from '../../src/bgp/process-queue.ts';
import { TaskLoop, VirtualClock } from '../../src/concurrency/index.ts';
import { AF_INET, AF_INET6, formatIp4 } from '../../src/net/index.ts';

const LOCAL_AS = 65000;

function peer(over: Partial<PeerInfo>): PeerInfo {
  return {
    kind: PEER_EBGP,
    as: 65001,
    routerId: 1,
    address: [1, 0, 0, 0],
    weight: 0,
    allowOwnAs: 0,
    role: -1,
    ...over,
  };
}

function setup(decision: Partial<DecisionOptions> = {}): {
  store: AttributeStore;
  table: BgpTable;
  nexthops: NexthopTable;
} {
  const nexthops = new NexthopTable();
  nexthops.defaultReachable = true;
  const store = new AttributeStore(nexthops, 4);
  const table = new BgpTable({
    family: AF_INET,
    store,
    decision: { ...defaultDecisionOptions(LOCAL_AS, 99), ...decision },
    // Which path is older must not hang on when a second ends.
    now: () => 1,
  });
  return { store, table, nexthops };
}

interface Plain {
  origin: number;
  path: number[];
  hop: number;
  med: number | undefined;
  localPref: number | undefined;
  weight: number | undefined;
}

function encode(store: AttributeStore, plain: Plain): number {
  return store.encode({
    origin: plain.origin,
    asPath: plain.path.length === 0 ? [] : [{ type: 'sequence', as: plain.path }],
    nextHop: { family: AF_INET, words: [plain.hop, 0, 0, 0] },
    ...(plain.med !== undefined && { med: plain.med }),
    ...(plain.localPref !== undefined && { localPref: plain.localPref }),
    ...(plain.weight !== undefined && { weight: plain.weight }),
  });
}

// ----- the slow reference: objects, everything computed anew -----

interface RefPath {
  peer: number;
  id: number;
  plain: Plain;
  gone: boolean;
}

/** A path of a prefix, by peer and identifier. */
const named = (path: { peer: number; id: number }): string => `${path.peer}/${path.id}`;

class Reference {
  readonly paths = new Map<number, RefPath[]>();
  readonly best = new Map<number, string>();
  readonly multipath = new Map<number, string[]>();
  readonly ofEachAs = new Map<number, string[]>();
  readonly unreachable = new Set<number>();
  readonly denied = new Set<number>(); // first AS numbers that the import policy refuses
  readonly peers: readonly PeerInfo[];
  readonly decision: DecisionOptions;

  constructor(peers: readonly PeerInfo[], decision: DecisionOptions) {
    this.peers = peers;
    this.decision = decision;
  }

  announce(prefix: number, from: number, id: number, plain: Plain): void {
    const list = this.paths.get(prefix) ?? [];
    this.paths.set(prefix, list);
    const own = list.find(path => path.peer === from && path.id === id);
    if (own) Object.assign(own, { plain, gone: false });
    else list.unshift({ peer: from, id, plain, gone: false });
  }

  /** All paths of the peer, where no identifier is given. */
  withdraw(prefix: number, from: number, id?: number): void {
    for (const path of this.paths.get(prefix) ?? []) {
      if (path.peer === from && (id === undefined || path.id === id)) path.gone = true;
    }
  }

  decide(): void {
    for (const [prefix, list] of this.paths) {
      const alive = list.filter(path => !path.gone);
      this.paths.set(prefix, alive);
      const able = alive.filter(path => this.#eligible(path));
      const previous = this.best.get(prefix);
      let best: RefPath | undefined;
      if (this.decision.deterministicMed) {
        const groups = Map.groupBy(able, path => path.plain.path[0] ?? 0);
        const order = [...groups.keys()].sort((a, b) => a - b);
        for (const as of order) {
          const winner = groups.get(as)!.reduce((a, b) => (this.#better(a, b, previous) ? a : b));
          best = best === undefined || !this.#better(best, winner, previous) ? winner : best;
        }
      } else if (able.length > 0) best = able.reduce((a, b) => (this.#better(a, b, previous) ? a : b));
      if (best) this.best.set(prefix, named(best));
      else this.best.delete(prefix);
      const now = this.best.get(prefix);
      const winners = [...Map.groupBy(able, path => path.plain.path[0] ?? 0).values()].map(group =>
        group.reduce((a, b) => (this.#better(a, b, now) ? a : b)),
      );
      this.ofEachAs.set(prefix, winners.map(named).sort());
      const chosen = best;
      const info = chosen && this.peers[chosen.peer]!;
      const maximum = info?.kind === PEER_EBGP ? this.decision.maximumPathsEbgp : this.decision.maximumPathsIbgp;
      const also = able
        .filter(path => path !== chosen && chosen && info?.kind !== PEER_LOCAL && this.#metrics(chosen, path) === 0)
        .filter(path => this.decision.multipathRelax || path.plain.path.join() === chosen!.plain.path.join())
        .sort((a, b) => this.peers[a.peer]!.address[0] - this.peers[b.peer]!.address[0] || a.id - b.id)
        .slice(0, maximum - 1);
      this.multipath.set(prefix, chosen ? [chosen, ...also].map(named).sort() : []);
    }
  }

  #eligible(path: RefPath): boolean {
    const info = this.peers[path.peer]!;
    if (info.kind === PEER_LOCAL) return true;
    return (
      !path.plain.path.includes(LOCAL_AS) &&
      !this.unreachable.has(path.plain.hop) &&
      !this.denied.has(path.plain.path[0] ?? 0)
    );
  }

  #metrics(a: RefPath, b: RefPath): number {
    const peerA = this.peers[a.peer]!;
    const peerB = this.peers[b.peer]!;
    const weight = (path: RefPath, info: PeerInfo): number =>
      path.plain.weight ?? (info.kind === PEER_LOCAL ? 32768 : info.weight);
    const steps = [
      weight(b, peerB) - weight(a, peerA),
      (b.plain.localPref ?? 100) - (a.plain.localPref ?? 100),
      Number(peerB.kind === PEER_LOCAL) - Number(peerA.kind === PEER_LOCAL),
      a.plain.path.length - b.plain.path.length,
      a.plain.origin - b.plain.origin,
      this.decision.alwaysCompareMed || (a.plain.path[0] ?? 0) === (b.plain.path[0] ?? 0)
        ? (a.plain.med ?? 0) - (b.plain.med ?? 0)
        : 0,
      Number(peerB.kind === PEER_EBGP) - Number(peerA.kind === PEER_EBGP),
    ];
    return steps.find(step => step !== 0) ?? 0;
  }

  #better(a: RefPath, b: RefPath, previous: string | undefined): boolean {
    const metrics = this.#metrics(a, b);
    if (metrics !== 0) return metrics < 0;
    const peerA = this.peers[a.peer]!;
    const peerB = this.peers[b.peer]!;
    const external = peerA.kind === PEER_EBGP && peerB.kind === PEER_EBGP;
    if (external && !this.decision.compareRouterId && (named(a) === previous || named(b) === previous))
      return named(a) === previous;
    if (peerA.routerId !== peerB.routerId) return peerA.routerId < peerB.routerId;
    if (a.peer === b.peer) return a.id < b.id;
    return peerA.address[0] < peerB.address[0];
  }
}

const PEERS: PeerInfo[] = [
  peer({}), // unused: indexes begin at 1
  peer({ as: 65001, routerId: 5, address: [11, 0, 0, 0] }),
  peer({ as: 65001, routerId: 5, address: [12, 0, 0, 0] }),
  peer({ as: 65002, routerId: 3, address: [13, 0, 0, 0] }),
  peer({ as: LOCAL_AS, kind: PEER_IBGP, routerId: 2, address: [14, 0, 0, 0] }),
  peer({ as: LOCAL_AS, kind: PEER_IBGP, routerId: 2, address: [15, 0, 0, 0], weight: 1 }),
  peer({ as: 0, kind: PEER_LOCAL, routerId: 0, address: [0, 0, 0, 0] }),
];

const plains: fc.Arbitrary<Plain> = fc.record({
  origin: fc.nat(2),
  path: fc.array(fc.constantFrom(65001, 65001, 65002, 65002, 65003, LOCAL_AS), { maxLength: 2 }),
  hop: fc.integer({ min: 1, max: 3 }),
  med: fc.option(fc.nat(2), { nil: undefined }),
  localPref: fc.constantFrom(undefined, undefined, undefined, 100, 200),
  weight: fc.constantFrom(undefined, undefined, undefined, undefined, undefined, 5),
});

type Operation =
  | { kind: 'announce'; prefix: number; peer: number; id: number; plain: Plain }
  | { kind: 'withdraw'; prefix: number; peer: number; id: number }
  | { kind: 'down'; peer: number }
  | { kind: 'hop'; hop: number; up: boolean }
  | { kind: 'policy'; as: number; deny: boolean }
  | { kind: 'decide' };

const anyId = fc.constantFrom(0, 0, 1, 0xffffffff);
const anyPeer = fc.integer({ min: 1, max: PEERS.length - 1 });
const operations: fc.Arbitrary<Operation[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('announce' as const),
        prefix: fc.nat(2),
        peer: anyPeer,
        id: anyId,
        plain: plains,
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('withdraw' as const), prefix: fc.nat(2), peer: anyPeer, id: anyId }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('down' as const), peer: anyPeer }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('hop' as const),
        hop: fc.integer({ min: 1, max: 3 }),
        up: fc.boolean(),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('policy' as const),
        as: fc.constantFrom(65001, 65002),
        deny: fc.boolean(),
      }),
    },
    { weight: 4, arbitrary: fc.constant({ kind: 'decide' as const }) },
  ),
  { maxLength: 60, size: 'max' },
);

test('table and decision agree with a slow reference under any operations', () => {
  const knobs = fc.record(
    {
      deterministicMed: fc.boolean(),
      alwaysCompareMed: fc.boolean(),
      compareRouterId: fc.boolean(),
      multipathRelax: fc.boolean(),
      maximumPathsEbgp: fc.integer({ min: 1, max: 3 }),
      maximumPathsIbgp: fc.integer({ min: 1, max: 3 }),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(knobs, operations, (options, steps) => {
      const { store, table, nexthops } = setup(options);
      const reference = new Reference(PEERS, table.decision);
      const told = new Map<number, string>(); // what zebra believes
      // Kept alive, so that a next hop's state outlives its last path, as it does in the reference.
      const hops = [1, 2, 3].map(hop =>
        encode(store, { origin: 0, path: [], hop, med: undefined, localPref: undefined, weight: undefined }),
      );
      const policy: Policy = {
        perPrefix: false,
        apply: set => (reference.denied.has(store.neighborAs[set]!) ? -1 : store.retain(set)),
      };
      for (const info of PEERS.slice(1)) {
        const index = table.addPeer(info);
        if (info.kind !== PEER_LOCAL) table.setImportPolicy(index, policy);
      }
      table.attachZebra();
      const settle = (): void => {
        while (table.work(3));
        table.decide();
        reference.decide();
        while (
          table.nextChanges(2, (prefix, paths, count) => {
            const name = formatIp4(table.prefixes.w0[prefix]!);
            const key = table.prefixes.w0[prefix]! >>> 8;
            if (count === 0) told.delete(key);
            else {
              const text = Array.from(paths.subarray(0, count), path => {
                const set = store.decode(table.pathAttributes[path]!);
                return `${table.pathPeer[path]}:${set.nextHop?.words[0]}:${set.asPath.map(segment => segment.as.join()).join()}:${String(set.med)}`;
              });
              told.set(key, `${name} ${text.sort().join()}`);
            }
            return true;
          }) > 0
        );
        for (let prefix = 0; prefix < 4; prefix++) {
          const id = table.prefixes.find(prefix << 8, 0, 0, 0, 24);
          const best = id < 0 ? 0 : table.best[id]!;
          const name = (path: number): string => named({ peer: table.pathPeer[path]!, id: table.idOf(path) });
          assert.equal(best === 0 ? undefined : name(best), reference.best.get(prefix), `best of ${prefix}`);
          const count = id < 0 ? 0 : table.bestOfEachAs(id);
          const ofEachAs = Array.from(table.ofEachAs.subarray(0, count), name).sort();
          assert.deepEqual(ofEachAs, reference.ofEachAs.get(prefix) ?? [], `of each AS for ${prefix}`);
          const multipath: string[] = [];
          if (id >= 0) {
            for (let path = table.first[id]!; path !== 0; path = table.pathNext[path]!) {
              assert.equal(table.pathFlags[path]! & PATH_REMOVED, 0);
              assert.ok(REASONS[table.pathReason[path]!]);
              if ((table.pathFlags[path]! & PATH_MULTIPATH) !== 0) multipath.push(name(path));
            }
          }
          multipath.sort();
          assert.deepEqual(multipath, reference.multipath.get(prefix) ?? [], `multipath of ${prefix}`);
          const text = multipath.map(from => {
            const { plain } = reference.paths.get(prefix)!.find(path => named(path) === from)!;
            return `${from.split('/')[0]}:${plain.hop}:${plain.path.join()}:${String(plain.med)}`;
          });
          const expected = multipath.length === 0 ? undefined : `${formatIp4(prefix << 8)} ${text.sort().join()}`;
          assert.equal(told.get(prefix), expected, `zebra about ${prefix}`);
        }
      };
      for (const step of steps) {
        if (step.kind === 'announce') {
          const id = encode(store, step.plain);
          table.announce(step.peer, step.prefix << 8, 0, 0, 0, 24, id, step.id);
          store.release(id);
          reference.announce(step.prefix, step.peer, step.id, step.plain);
        } else if (step.kind === 'withdraw') {
          table.withdraw(step.peer, step.prefix << 8, 0, 0, 0, 24, step.id);
          reference.withdraw(step.prefix, step.peer, step.id);
        } else if (step.kind === 'down') {
          table.peerDown(step.peer);
          for (const prefix of reference.paths.keys()) reference.withdraw(prefix, step.peer);
          // Both see it at once: what the walk has not reached yet counts as there.
          while (table.work(1));
          table.sweep(2);
          reference.decide();
        } else if (step.kind === 'hop') {
          if (step.up) reference.unreachable.delete(step.hop);
          else reference.unreachable.add(step.hop);
          nexthops.set(nexthops.find4(step.hop), step.up, step.up ? 0 : 1);
          const changed = nexthops.takeChanged();
          if (changed) table.nexthopsChanged(changed);
          settle();
        } else if (step.kind === 'policy') {
          if (step.deny) reference.denied.add(step.as);
          else reference.denied.delete(step.as);
          for (let index = 1; index < PEERS.length - 1; index++) table.setImportPolicy(index, policy);
          settle();
        } else settle();
      }
      settle();
      // Everything goes: nothing may be left.
      for (let index = 1; index < PEERS.length; index++) {
        table.peerDown(index);
        for (const prefix of reference.paths.keys()) reference.withdraw(prefix, index);
      }
      settle();
      for (const id of hops) store.release(id);
      while (table.sweep(100));
      assert.equal(table.prefixes.size, 0);
      assert.equal(table.pathCount, 0);
      assert.equal(store.size, 0);
      for (let index = 1; index < PEERS.length; index++)
        assert.deepEqual(table.peerCounts(index), { received: 0, accepted: 0 });
    }),
    { numRuns: 600 },
  );
});

test('rows of prefixes that are gone are given back when it has been quiet, or before the table would grow', () => {
  const { store, table } = setup();
  const clock = new VirtualClock();
  new ProcessQueue(new TaskLoop('bgp', clock), 'default').add(table);
  const index = table.addPeer(peer({}));
  const id = store.encode({ nextHop: { family: AF_INET, words: [1, 0, 0, 0] } });
  const rows = table.prefixes.capacity;
  const all = (from: number, act: (word: number) => void): void => {
    for (let i = from; i < from + rows; i++) act(i << 8);
    clock.settle();
  };
  all(0, word => table.announce(index, word, 0, 0, 0, 24, id));
  all(0, word => void table.withdraw(index, word, 0, 0, 0, 24));
  assert.deepEqual([table.prefixCount, table.prefixes.size], [0, rows]);
  // Others come at once: in the same rows.
  all(rows, word => table.announce(index, word, 0, 0, 0, 24, id));
  assert.deepEqual([table.prefixCount, table.prefixes.size, table.prefixes.capacity], [rows, rows, rows]);
  all(rows, word => void table.withdraw(index, word, 0, 0, 0, 24));
  table.announce(index, rows << 8, 0, 0, 0, 24, id);
  clock.advance(1000);
  assert.deepEqual([table.prefixCount, table.prefixes.size], [1, 1]);
  assert.ok(table.prefixes.has(table.prefixes.find(rows << 8, 0, 0, 0, 24)));
});

test('a prefix that lost its last path and has one again is counted before anything is swept', () => {
  const { store, table } = setup();
  const index = table.addPeer(peer({}));
  const id = store.encode({ nextHop: { family: AF_INET, words: [1, 0, 0, 0] } });
  for (const count of [1, 0, 1]) {
    if (count === 1) table.announce(index, 0x0a000000, 0, 0, 0, 24, id);
    else table.withdraw(index, 0x0a000000, 0, 0, 0, 24);
    table.decide();
    assert.deepEqual([table.prefixCount, table.prefixes.size], [count, 1]);
  }
});

test('a consumer of every path that goes leaves no path behind that is gone', () => {
  const { store, table } = setup();
  const index = table.addPeer(peer({}));
  const id = store.encode({ nextHop: { family: AF_INET, words: [1, 0, 0, 0] } });
  let holds = true;
  const consumer: TableConsumer = {
    dirty: new DirtySet(),
    everyPath: true,
    holds: prefix => consumer.dirty.has(prefix),
    holdsPath: () => holds,
    wake() {},
    sweep: () => 0,
  };
  table.attach(consumer);
  for (let word = 1; word <= 3; word++) table.announce(index, word << 24, 0, 0, 0, 24, id);
  table.decide();
  for (let word = 1; word <= 3; word++) table.withdraw(index, word << 24, 0, 0, 0, 24);
  table.decide();
  assert.deepEqual([table.pathCount, table.prefixCount], [0, 3], 'it has not looked yet');
  holds = false;
  table.detach(consumer);
  table.releaseAll(consumer.dirty);
  while (table.sweep(1000));
  assert.deepEqual([table.prefixCount, table.prefixes.size], [0, 0]);
  store.release(id);
});

test('what a peer announces again after its session came back is not swept with the rest', () => {
  const { store, table } = setup();
  const index = table.addPeer(peer({}));
  const id = encode(store, {
    origin: 0,
    path: [65001],
    hop: 1,
    med: undefined,
    localPref: undefined,
    weight: undefined,
  });
  for (let i = 0; i < 10; i++) table.announce(index, i << 8, 0, 0, 0, 24, id);
  table.decide();
  table.peerDown(index, true);
  for (let i = 0; i < 5; i++) table.announce(index, i << 8, 0, 0, 0, 24, id);
  table.decide();
  assert.equal(table.countSelected(), 10);
  assert.ok(table.isStale(table.best[table.prefixes.find(7 << 8, 0, 0, 0, 24)]!));
  table.sweepStale(index);
  while (table.work(2));
  assert.equal(table.countSelected(), 5);
  assert.deepEqual(table.peerCounts(index), { received: 5, accepted: 5 });
});

test('a selection that does not change is told to nobody', () => {
  const { store, table } = setup();
  const one = table.addPeer(peer({ address: [1, 0, 0, 0] }));
  const two = table.addPeer(peer({ address: [2, 0, 0, 0], routerId: 2 }));
  table.attachZebra();
  const id = encode(store, {
    origin: 0,
    path: [65001],
    hop: 1,
    med: undefined,
    localPref: undefined,
    weight: undefined,
  });
  const longer = encode(store, {
    origin: 0,
    path: [65001, 7],
    hop: 1,
    med: undefined,
    localPref: undefined,
    weight: undefined,
  });
  table.announce(one, 256, 0, 0, 0, 24, id);
  assert.equal(
    table.nextChanges(10, () => true),
    1,
  );
  table.announce(one, 256, 0, 0, 0, 24, id);
  table.announce(two, 256, 0, 0, 0, 24, longer);
  assert.equal(
    table.nextChanges(10, () => true),
    0,
  );
  assert.equal(REASONS[table.pathReason[table.best[0]!]!], 'AS Path');
  table.withdraw(one, 256, 0, 0, 0, 24);
  table.announce(one, 256, 0, 0, 0, 24, id);
  assert.ok(table.nextChanges(10, () => false) === 0);
  assert.ok(table.zebraPending <= 1);
});

test('zebra is handed all of a hundred paths that share traffic', () => {
  const { store, table } = setup({ maximumPathsEbgp: 256 });
  table.attachZebra();
  const one = { origin: 0, path: [65001], med: undefined, localPref: undefined, weight: undefined };
  for (let i = 1; i <= 100; i++) {
    const from = table.addPeer(peer({ address: [i, 0, 0, 0] }));
    const id = encode(store, { ...one, hop: i });
    table.announce(from, 256, 0, 0, 0, 24, id);
    store.release(id);
  }
  const handed: number[] = [];
  table.nextChanges(1, (_, paths, count) => {
    for (let i = 0; i < count; i++) handed.push(table.pathPeer[paths[i]!]!);
    return true;
  });
  assert.equal(handed[0], table.pathPeer[table.best[0]!]);
  assert.equal(new Set(handed).size, 100);
});

test('an IPv6 table keeps all four words apart', () => {
  const nexthops = new NexthopTable();
  nexthops.defaultReachable = true;
  const store = new AttributeStore(nexthops);
  const table = new BgpTable({ family: AF_INET6, store, decision: defaultDecisionOptions(LOCAL_AS, 1) });
  const index = table.addPeer(peer({}));
  const id = store.encode({ origin: 0, nextHop: { family: AF_INET6, words: [0x20010db8, 0, 0, 1] } });
  table.announce(index, 0x20010db8, 0, 0, 0, 128, id);
  table.announce(index, 0x20010db8, 0, 0, 1, 128, id);
  table.announce(index, 0x20010db8, 0, 0, 0, 64, id);
  table.decide();
  assert.equal(table.countSelected(), 3);
  assert.ok(table.withdraw(index, 0x20010db8, 0, 0, 1, 128));
  assert.ok(!table.withdraw(index, 0x20010db8, 0, 0, 2, 128));
  table.decide();
  assert.equal(table.countSelected(), 2);
});

test('a dirty set holds what a Set would, and goes round', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(5000)), { maxLength: 200 }), steps => {
      const dirty = new DirtySet();
      const model = new Set<number>();
      for (const [add, row] of steps) {
        if (add) {
          dirty.add(row);
          model.add(row);
        } else {
          dirty.delete(row);
          model.delete(row);
        }
        assert.equal(dirty.size, model.size);
        const first = dirty.peek();
        assert.ok(first < 0 ? model.size === 0 : model.has(first));
      }
      const sorted = [...model].sort((a, b) => a - b);
      const listed: number[] = [];
      for (let row = dirty.from(0); row >= 0; row = dirty.from(row + 1)) listed.push(row);
      assert.deepEqual(listed, sorted);
      const copy = new DirtySet();
      copy.addAll(dirty);
      const taken: number[] = [];
      for (let row = copy.take(); row >= 0; row = copy.take()) taken.push(row);
      assert.deepEqual(
        taken.sort((a, b) => a - b),
        sorted,
      );
    }),
  );
});
