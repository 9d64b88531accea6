// What becomes of a path at each border, against a model that knows segments and nothing of octets; and what a neighbour in
// another AS of the confederation may say.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type AsPathSegment,
  AttributeStore,
  BgpTable,
  defaultDecisionOptions,
  encodeAsPath,
  NexthopTable,
  ORIGIN_IGP,
  PATH_FILTERED,
  PATH_LOOP,
  PEER_CONFED,
  PEER_EBGP,
  PEER_IBGP,
  type PeerInfo,
} from '../../src/bgp/rib/index.ts';
import { ExportTransform } from '../../src/bgp/updategroup/transform.ts';
import type { GroupOptions } from '../../src/bgp/updategroup/index.ts';
import { ACTION_OK, ACTION_WITHDRAW } from '../../src/bgp/wire/attribute.ts';
import { NO_ROLE } from '../../src/bgp/wire/role.ts';
import { UpdateParser } from '../../src/bgp/wire/update.ts';
import { AF_INET } from '../../src/net/index.ts';
import { PLAIN_GROUP } from './lib/group-options.ts';

const LOCAL_AS = 65000;
const THEIR_AS = 64700;

const OPTIONS: GroupOptions = { ...PLAIN_GROUP, localAs: LOCAL_AS, remoteAs: THEIR_AS };

const peer = (over: Partial<PeerInfo> = {}): PeerInfo => ({
  kind: PEER_IBGP,
  as: LOCAL_AS,
  routerId: 1,
  address: [1, 0, 0, 0],
  weight: 0,
  allowOwnAs: 9,
  role: NO_ROLE,
  ...over,
});

function setup(decision: object = {}): { store: AttributeStore; table: BgpTable } {
  const nexthops = new NexthopTable();
  nexthops.defaultReachable = true;
  const store = new AttributeStore(nexthops);
  const options = { ...defaultDecisionOptions(LOCAL_AS, 99), ...decision };
  return { store, table: new BgpTable({ family: AF_INET, store, decision: options }) };
}

const numbers = fc.constantFrom(1, 2, 64600, THEIR_AS, LOCAL_AS);
const segments: fc.Arbitrary<AsPathSegment[]> = fc.array(
  fc.record(
    {
      type: fc.constantFrom<AsPathSegment['type']>('sequence', 'sequence', 'set', 'confed-sequence', 'confed-set'),
      as: fc.oneof(
        { weight: 9, arbitrary: fc.array(numbers, { minLength: 1, maxLength: 3 }) },
        { weight: 1, arbitrary: fc.array(numbers, { minLength: 254, maxLength: 255 }) },
      ),
    },
    { noNullPrototype: true },
  ),
  { maxLength: 4 },
);

const rules = fc.record({
  kind: fc.constantFrom<GroupOptions['kind']>('ebgp', 'ebgp', 'confed', 'ibgp-client'),
  removePrivateAs: fc.constantFrom<GroupOptions['removePrivateAs']>(
    'no',
    'if-only',
    'all',
    'replace',
    'replace-if-only',
  ),
  overrideAs: fc.boolean(),
  asPathUnchanged: fc.boolean(),
  routeServerClient: fc.boolean(),
});

type Rules = typeof rules extends fc.Arbitrary<infer T> ? T : never;

const isConfed = ({ type }: AsPathSegment): boolean => type.startsWith('confed');
const isPrivate = (as: number): boolean => as >= 64512 && as <= 65534;

/** What is said of a path, from the words of the standards and of the options. */
function model(path: AsPathSegment[], options: Rules): AsPathSegment[] {
  const prepend = (to: AsPathSegment[], type: AsPathSegment['type']): AsPathSegment[] => {
    const [first, ...rest] = to;
    if (first?.type === type && first.as.length < 255) return [{ type, as: [LOCAL_AS, ...first.as] }, ...rest];
    return [{ type, as: [LOCAL_AS] }, ...to];
  };
  if (options.kind === 'ibgp-client') return path;
  if (options.kind === 'confed') return prepend(path, 'confed-sequence');
  const { removePrivateAs: mode } = options;
  const onlyPrivate = path.every(({ as }) => as.every(isPrivate));
  const acts = mode === 'all' || mode === 'replace' || (mode !== 'no' && onlyPrivate);
  const replaces = mode.startsWith('replace');
  const goes = (as: number): boolean => acts && isPrivate(as) && as !== THEIR_AS;
  const changed = path
    .map(({ type, as }) => ({
      type,
      as: replaces ? as.map(one => (goes(one) ? LOCAL_AS : one)) : as.filter(one => !goes(one)),
    }))
    .map(({ type, as }) => ({ type, as: as.map(one => (options.overrideAs && one === THEIR_AS ? LOCAL_AS : one)) }))
    .filter(segment => segment.as.length > 0 && !isConfed(segment));
  if (options.routeServerClient || (options.asPathUnchanged && changed.length > 0)) return changed;
  return prepend(changed, 'sequence');
}

test('a path at each border is what a model makes of it', () => {
  fc.assert(
    fc.property(segments, rules, (asPath, options) => {
      const { store, table } = setup();
      const index = table.addPeer(peer());
      const id = store.encode({ origin: ORIGIN_IGP, asPath, nextHop: { family: AF_INET, words: [1, 0, 0, 0] } });
      table.announce(index, 256, 0, 0, 0, 24, id);
      table.decide();
      const prefix = table.prefixes.find(256, 0, 0, 0, 24);
      const transform = new ExportTransform(table, store, { ...OPTIONS, ...options });
      const out = transform.apply(table.first[prefix]!, prefix);
      assert.ok(out > 0);
      assert.deepEqual(store.decode(out).asPath, model(asPath, options));
      store.release(out);
      table.peerDown(index);
      while (table.work(10));
      store.release(id);
      assert.equal(store.size, 0);
    }),
    { numRuns: 1500 },
  );
});

test('the confederation is a loop too, and sets are refused where they are to be', () => {
  const flags = (asPath: AsPathSegment[], decision: object, over: Partial<PeerInfo> = {}): number => {
    const { store, table } = setup(decision);
    const index = table.addPeer(peer({ kind: PEER_EBGP, as: 7, allowOwnAs: 0, ...over }));
    const id = store.encode({ origin: ORIGIN_IGP, asPath, nextHop: { family: AF_INET, words: [1, 0, 0, 0] } });
    table.announce(index, 256, 0, 0, 0, 24, id);
    return table.pathFlags[table.first[table.prefixes.find(256, 0, 0, 0, 24)]!]! & (PATH_LOOP | PATH_FILTERED);
  };
  const through: AsPathSegment[] = [{ type: 'sequence', as: [7, 100, 8] }];
  assert.equal(flags(through, {}), 0);
  assert.equal(flags(through, { confederation: 100 }), PATH_LOOP);
  assert.equal(flags(through, { confederation: 100 }, { allowOwnAs: 1 }), 0);
  // What we pretend to be to this neighbour (local-as) is there once, because we put it there.
  assert.equal(flags(through, {}, { localAs: 100, allowLocalAs: 0 }), PATH_LOOP);
  assert.equal(flags(through, {}, { localAs: 100, allowLocalAs: 1 }), 0);
  const own: AsPathSegment[] = [{ type: 'sequence', as: [7, LOCAL_AS] }];
  assert.equal(flags(own, {}), PATH_LOOP);
  assert.equal(flags(own, {}, { allowOwnOrigin: true }), 0);
  assert.equal(flags([{ type: 'sequence', as: [LOCAL_AS, 7] }], {}, { allowOwnOrigin: true }), PATH_LOOP);
  const set: AsPathSegment[] = [
    { type: 'sequence', as: [7] },
    { type: 'set', as: [8, 9] },
  ];
  assert.equal(flags(set, {}), 0);
  assert.equal(flags(set, { rejectAsSets: true }), PATH_FILTERED);
});

test('paths from outside and from inside share traffic where their types do not matter', () => {
  const shared = (relaxPeerType: boolean): number => {
    const { store, table } = setup({ relaxPeerType, multipathRelax: true, maximumPathsEbgp: 4, maximumPathsIbgp: 4 });
    table.attachZebra();
    const kinds = [PEER_EBGP, PEER_IBGP, PEER_CONFED] as const;
    const asPath: AsPathSegment[] = [{ type: 'sequence', as: [7] }];
    for (const [i, kind] of kinds.entries()) {
      const index = table.addPeer(peer({ kind, routerId: i, address: [i + 1, 0, 0, 0] }));
      const nextHop = { family: AF_INET, words: [i + 1, 0, 0, 0] } as const;
      table.announce(
        index,
        256,
        0,
        0,
        0,
        24,
        store.encode({ origin: ORIGIN_IGP, asPath, nextHop: { ...nextHop, words: [i + 1, 0, 0, 0] } }),
      );
    }
    table.decide();
    return table.selectedPaths(table.prefixes.find(256, 0, 0, 0, 24));
  };
  assert.equal(shared(false), 1);
  assert.equal(shared(true), 3);
});

/** An UPDATE that announces 10.0.0.0/8 with this path and these attributes besides. */
function update(asPath: AsPathSegment[], ...more: number[]): Uint8Array {
  const path = encodeAsPath(asPath);
  const attributes = [0x40, 1, 1, 0, 0x40, 2, path.length, ...path, 0x40, 3, 4, 1, 2, 3, 4, ...more];
  const length = 23 + attributes.length + 2;
  return Uint8Array.from([
    ...new Array<number>(16).fill(255),
    0,
    length,
    2,
    0,
    0,
    0,
    attributes.length,
    ...attributes,
    8,
    10,
  ]);
}

test('from another AS of the confederation a path begins with one of it, and LOCAL_PREF counts', () => {
  const parse = (bytes: Uint8Array, confed = true): UpdateParser => {
    const parser = new UpdateParser({ ebgp: !confed, confed, as4: true, ipv4: true, ipv6: false, firstAs: 0 });
    parser.parse(bytes, 0, bytes.length);
    return parser;
  };
  const member: AsPathSegment = { type: 'confed-sequence', as: [65002] };
  const beyond: AsPathSegment = { type: 'sequence', as: [7] };
  const pref = [0x40, 5, 4, 0, 0, 0, 9];
  const { store } = setup();
  const decoded = (parser: UpdateParser): ReturnType<AttributeStore['decode']> =>
    store.decode(store.intern(parser.canonical(false)));
  const good = parse(update([member, beyond], ...pref));
  assert.equal(good.action, ACTION_OK);
  assert.equal(decoded(good).localPref, 9);
  // It may be left out, unlike inside an AS.
  assert.equal(parse(update([member])).action, ACTION_OK);
  for (const path of [[], [beyond], [beyond, member], [{ type: 'confed-set' as const, as: [65002] }]]) {
    assert.equal(parse(update(path, ...pref)).action, ACTION_WITHDRAW, JSON.stringify(path));
  }
  // And outside of it nothing of the kind is said (RFC 5065 §5).
  assert.equal(parse(update([member, beyond]), false).action, ACTION_WITHDRAW);
  // Who reflected it there is nothing to us.
  const reflected = parse(update([member], ...pref, 0x80, 9, 4, 1, 1, 1, 1, 0x80, 10, 4, 2, 2, 2, 2));
  assert.equal(decoded(reflected).originatorId, undefined);
  assert.deepEqual(decoded(reflected).clusterList, []);
});
