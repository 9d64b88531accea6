// Aggregates against a plain model that looks at everything anew.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type AggregateOptions,
  type AsPathSegment,
  type AttributeSet,
  AttributeStore,
  BgpTable,
  defaultDecisionOptions,
  MergedAttributes,
  NexthopTable,
  PATH_FILTERED,
  PATH_REMOVED,
  PEER_EBGP,
  PEER_LOCAL,
  type PeerInfo,
  type Policy,
} from '../../src/bgp/rib/index.ts';
import { NO_ROLE } from '../../src/bgp/wire/role.ts';
import { AF_INET, AF_INET6, containsPrefix, type Family, formatPrefix, type Prefix } from '../../src/net/index.ts';

const AGGREGATOR = { as: 65000, routerId: 99 };

const info = (over: Partial<PeerInfo>): PeerInfo => ({
  kind: PEER_EBGP,
  as: 65001,
  routerId: 1,
  address: [1, 0, 0, 0],
  weight: 0,
  allowOwnAs: 0,
  role: NO_ROLE,
  ...over,
});

const segments: fc.Arbitrary<AsPathSegment> = fc.record(
  {
    type: fc.constantFrom('sequence' as const, 'sequence' as const, 'sequence' as const, 'set' as const),
    as: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
  },
  { noNullPrototype: true },
);

const sets: fc.Arbitrary<Partial<AttributeSet>> = fc.record(
  {
    origin: fc.nat(2),
    asPath: fc.array(segments, { maxLength: 3 }),
    med: fc.nat(1),
    atomicAggregate: fc.boolean(),
    communities: fc.uniqueArray(fc.nat(3), { maxLength: 3 }),
    largeCommunities: fc.array(fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1)), { maxLength: 2 }),
    extendedCommunities: fc.array(
      fc.nat(2).map(n => Uint8Array.of(0, 2, 0, 0, 0, 0, 0, n)),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: ['origin', 'asPath'], noNullPrototype: true },
);

/** The path of all paths, from nothing but the paths. */
function plainPath(paths: readonly AsPathSegment[][]): AsPathSegment[] {
  const leading = paths.map(path => {
    const end = path.findIndex(segment => segment.type !== 'sequence');
    return path.slice(0, end < 0 ? path.length : end).flatMap(segment => segment.as);
  });
  const common: number[] = [];
  while (
    leading[0]!.length > common.length &&
    leading.every(one => one[common.length] === leading[0]![common.length])
  ) {
    common.push(leading[0]![common.length]!);
  }
  const rest = paths.flatMap(path => path.flatMap(segment => segment.as).slice(common.length));
  const others = [...new Set(rest)].sort((a, b) => a - b);
  return [
    ...(common.length > 0 ? [{ type: 'sequence' as const, as: common }] : []),
    ...(others.length > 0 ? [{ type: 'set' as const, as: others }] : []),
  ];
}

const union = <T>(lists: readonly (readonly T[])[], key: (one: T) => string): string[] =>
  [...new Set(lists.flatMap(list => list.map(key)))].sort();

test('what sets amount to together does not depend on those that came and went', () => {
  fc.assert(
    fc.property(fc.array(sets, { minLength: 1, maxLength: 6 }), fc.array(sets, { maxLength: 6 }), (stay, go) => {
      const store = new AttributeStore(new NexthopTable());
      const decoded = [...stay, ...go].map(set => store.decode(store.encode(set)));
      const merged = new MergedAttributes();
      for (const set of decoded) merged.add(set);
      for (const set of decoded.slice(stay.length)) merged.remove(set);
      const left = decoded.slice(0, stay.length);
      assert.deepEqual(merged.asPath, plainPath(left.map(set => set.asPath)));
      assert.deepEqual(
        merged.communities.map(String).sort(),
        union(
          left.map(set => set.communities),
          String,
        ),
      );
      assert.deepEqual(
        merged.largeCommunities.map(String).sort(),
        union(
          left.map(set => set.largeCommunities),
          String,
        ),
      );
      assert.deepEqual(
        merged.extendedCommunities.map(String).sort(),
        union(
          left.map(set => set.extendedCommunities),
          String,
        ),
      );
    }),
    { numRuns: 400 },
  );
});

test('confederation segments of what is aggregated stay confederation segments', () => {
  const store = new AttributeStore(new NexthopTable());
  const merged = new MergedAttributes();
  const path = (...asPath: AsPathSegment[]): AttributeSet => store.decode(store.encode({ asPath }));
  merged.add(path({ type: 'confed-sequence', as: [9, 8] }, { type: 'sequence', as: [1, 2] }));
  merged.add(path({ type: 'confed-sequence', as: [9] }, { type: 'sequence', as: [1, 3] }));
  assert.deepEqual(merged.asPath, [
    { type: 'confed-set', as: [8, 9] },
    { type: 'sequence', as: [1] },
    { type: 'set', as: [2, 3] },
  ]);
});

test('what fits in no message is left out, but for how far a route may go', () => {
  const store = new AttributeStore(new NexthopTable());
  const merged = new MergedAttributes();
  const set = (i: number): AttributeSet =>
    store.decode(
      store.encode({
        asPath: [{ type: 'sequence', as: [1, 2, 100 + i] }],
        communities: [i, 0xffffff01],
        largeCommunities: [[1, 2, i]],
        extendedCommunities: [Uint8Array.of(0, 2, 0, 0, 0, 0, i >> 8, i)],
      }),
    );
  for (let i = 0; i < 1000; i++) merged.add(set(i));
  assert.ok(merged.truncated);
  assert.deepEqual(merged.asPath, [{ type: 'sequence', as: [1, 2] }]);
  assert.deepEqual(merged.communities, [0xffffff01]);
  assert.deepEqual([merged.largeCommunities, merged.extendedCommunities], [[], []]);
  for (let i = 30; i < 1000; i++) merged.remove(set(i));
  assert.ok(!merged.truncated);
  assert.equal(merged.asPath[1]?.as.length, 30);
  assert.equal(merged.communities.length, 31);
  assert.deepEqual([merged.largeCommunities.length, merged.extendedCommunities.length], [30, 30]);
});

// ----- the table's aggregates -----

/** Prefixes of four lengths in one corner of the address space, so that they lie in each other. */
function corner(family: Family, step: number, value: number): Prefix {
  const unit = family === AF_INET ? 4 : 24;
  const length = 8 + step * unit;
  const word = (value << (24 - step * 4)) >>> 0;
  if (family === AF_INET) return { family, words: [((10 << 24) | (word & 0xffffff)) >>> 0, 0, 0, 0], length };
  // Of the second word as well, so that all words of a prefix have to be compared.
  return { family, words: [0x0a000000, length > 32 ? (value << 28) >>> 0 : 0, 0, 0], length };
}

interface Plain {
  asSet: boolean;
  summaryOnly: boolean;
  matchingMedOnly: boolean;
  origin: number | undefined;
  policy: boolean;
  suppress: boolean;
}

type Step =
  | { kind: 'announce'; step: number; value: number; peer: number; set: Partial<AttributeSet> }
  | { kind: 'withdraw'; step: number; value: number; peer: number }
  | { kind: 'down'; peer: number }
  | { kind: 'aggregate'; step: number; value: number; options: Plain | undefined }
  | { kind: 'policy'; refused: number }
  | { kind: 'decide' }
  | { kind: 'work' };

const place = { step: fc.nat(3), value: fc.nat(1), peer: fc.integer({ min: 1, max: 2 }) };
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('announce' as const), ...place, set: sets }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('withdraw' as const), ...place }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('down' as const), peer: place.peer }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('aggregate' as const),
        step: fc.nat(2),
        value: fc.nat(1),
        options: fc.option(
          fc.record({
            asSet: fc.boolean(),
            summaryOnly: fc.boolean(),
            matchingMedOnly: fc.boolean(),
            origin: fc.constantFrom(undefined, undefined, 1),
            policy: fc.boolean(),
            suppress: fc.boolean(),
          }),
          { nil: undefined, freq: 3 },
        ),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('policy' as const), refused: fc.nat(2) }) },
    { weight: 3, arbitrary: fc.constant({ kind: 'decide' as const }) },
    { weight: 3, arbitrary: fc.constant({ kind: 'work' as const }) },
  ),
  { maxLength: 60, size: 'max' },
);

test('aggregates and what they suppress are what a model finds that looks at the whole table', () => {
  fc.assert(
    fc.property(fc.constantFrom<Family>(AF_INET, AF_INET6), steps, (family, program) => {
      const nexthops = new NexthopTable();
      nexthops.defaultReachable = true;
      const store = new AttributeStore(nexthops, 4);
      const table = new BgpTable({ family, store, decision: defaultDecisionOptions(65000, 99) });
      const peers = [info({}), info({ as: 65002, routerId: 2, address: [2, 0, 0, 0] })].map(one => table.addPeer(one));
      const own = table.addPeer(info({ kind: PEER_LOCAL, as: 0 }));
      table.aggregates.setAggregator({ peer: own, ...AGGREGATOR });
      const configured = new Map<string, { prefix: Prefix; plain: Plain }>();
      let refused = -1; // the aggregates' route map refuses this ORIGIN, and the suppress-map all others
      const policy: Policy = {
        perPrefix: true,
        apply(set, row) {
          assert.ok(table.prefixes.has(row));
          return store.origin[set] === refused ? -1 : store.retain(set);
        },
      };
      const suppress: Policy = {
        perPrefix: true,
        apply: set => (store.origin[set] === refused ? store.retain(set) : -1),
      };
      const options = (plain: Plain): AggregateOptions => ({
        ...plain,
        policy: plain.policy ? policy : undefined,
        suppress: plain.suppress && !plain.summaryOnly ? suppress : undefined,
      });

      const check = (): void => {
        const rows = Array.from({ length: table.prefixes.limit }, (_, row) => row).filter(row =>
          table.prefixes.has(row),
        );
        const best = (row: number): number => table.best[row]!;
        const active = new Map<string, { prefix: Prefix; plain: Plain }>();
        for (const [key, { prefix, plain }] of configured) {
          const below = rows.filter(row => {
            const one = table.prefixes.prefix(row);
            if (best(row) === 0 || table.pathPeer[best(row)] === own) return false;
            return one.length > prefix.length && containsPrefix(prefix, one);
          });
          const decoded = below.map(row => store.decode(table.pathAttributes[best(row)]!));
          const worst = Math.max(...decoded.map(set => set.origin));
          const origin = plain.origin ?? worst;
          const there =
            below.length > 0 &&
            (!plain.matchingMedOnly || new Set(decoded.map(set => set.med)).size === 1) &&
            (!plain.policy || origin !== refused);
          const row = table.prefixes.find(...prefix.words, prefix.length);
          let path = row < 0 ? 0 : table.first[row]!;
          while (path !== 0 && table.pathPeer[path] !== own) path = table.pathNext[path]!;
          assert.equal(path !== 0, there, `${key} is there`);
          if (!there) continue;
          active.set(key, { prefix, plain });
          assert.equal(table.pathFlags[path]! & (PATH_FILTERED | PATH_REMOVED), 0);
          const set = store.decode(table.pathAttributes[path]!);
          assert.equal(set.origin, origin);
          assert.deepEqual(set.aggregator, AGGREGATOR);
          assert.equal(set.atomicAggregate, !plain.asSet || decoded.some(one => one.atomicAggregate));
          assert.deepEqual(set.asPath, plain.asSet ? plainPath(decoded.map(one => one.asPath)) : []);
          const communities = [...new Set(decoded.flatMap(one => one.communities))].sort((a, b) => a - b);
          assert.deepEqual(set.communities, plain.asSet ? communities : []);
        }
        for (const row of rows) {
          const one = table.prefixes.prefix(row);
          const above = [...active.values()].filter(
            ({ prefix }) => prefix.length < one.length && containsPrefix(prefix, one),
          );
          const contributes = best(row) !== 0 && table.pathPeer[best(row)] !== own;
          const origin = contributes ? store.origin[table.pathAttributes[best(row)]!]! : -1;
          const quiet =
            contributes &&
            above.some(
              ({ plain }) => plain.summaryOnly || (plain.suppress && !plain.summaryOnly && origin === refused),
            );
          assert.equal(table.suppressed[row] === 1, quiet, `${formatPrefix(one)} is suppressed`);
        }
      };
      const settle = (): void => {
        while (table.work(3));
        table.decide();
        check();
      };

      for (const step of program) {
        if (step.kind === 'announce') {
          const { words, length } = corner(family, step.step, step.value);
          const id = store.encode({ ...step.set, nextHop: { family, words: [1, 0, 0, 0] } });
          table.announce(peers[step.peer - 1]!, ...words, length, id);
          store.release(id);
        } else if (step.kind === 'withdraw') {
          const { words, length } = corner(family, step.step, step.value);
          table.withdraw(peers[step.peer - 1]!, ...words, length);
        } else if (step.kind === 'down') table.peerDown(peers[step.peer - 1]!);
        else if (step.kind === 'aggregate') {
          const prefix = corner(family, step.step, step.value);
          table.aggregates.set(prefix, step.options && options(step.options));
          if (step.options === undefined) configured.delete(formatPrefix(prefix));
          else configured.set(formatPrefix(prefix), { prefix, plain: step.options });
        } else if (step.kind === 'policy') {
          refused = step.refused;
          for (const { prefix, plain } of configured.values()) table.aggregates.set(prefix, options(plain));
        } else if (step.kind === 'decide') table.decide();
        else {
          table.work(2);
          table.sweep(1);
        }
      }
      settle();
      for (const peer of peers) table.peerDown(peer);
      settle();
      for (const { prefix } of configured.values()) table.aggregates.set(prefix, undefined);
      configured.clear();
      settle();
      assert.equal(table.aggregates.size, 0);
      while (table.sweep(100));
      assert.equal(table.prefixes.size, 0);
      assert.equal(store.size, 0);
    }),
    { numRuns: 1000 },
  );
});

test('what is suppressed is never told before, whatever comes at once', () => {
  const nexthops = new NexthopTable();
  nexthops.defaultReachable = true;
  const store = new AttributeStore(nexthops);
  const table = new BgpTable({ family: AF_INET, store, decision: defaultDecisionOptions(65000, 99) });
  const peer = table.addPeer(info({}));
  const own = table.addPeer(info({ kind: PEER_LOCAL, as: 0 }));
  table.aggregates.setAggregator({ peer: own, ...AGGREGATOR });
  const plain = { asSet: false, summaryOnly: true, matchingMedOnly: false, origin: undefined };
  table.aggregates.set(corner(AF_INET, 0, 0), { ...plain, policy: undefined, suppress: undefined });
  while (table.work(10));
  const id = store.encode({ origin: 0, nextHop: { family: AF_INET, words: [1, 0, 0, 0] } });
  for (let i = 0; i < 1000; i++) table.announce(peer, 0x0a000000 + (i << 8), 0, 0, 0, 24, id);
  table.decide();
  const rows = Array.from({ length: table.prefixes.limit }, (_, row) => row);
  const told = rows.filter(row => table.best[row] !== 0 && table.suppressed[row] === 0);
  assert.deepEqual(
    told.map(row => table.prefixes.format(row)),
    ['10.0.0.0/8'],
  );
});
