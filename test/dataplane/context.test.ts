// Contexts: what is written is what is read, whatever it is and however many slots it takes, and every slot comes back.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  contextPool,
  type ContextPool,
  ContextPool as Pool,
  type FdbValue,
  FLAG_OFFLOADED,
  type MulticastQuery,
  type MulticastUse,
  type NeighborValue,
  type NetconfValue,
  OP_FDB,
  OP_LABEL,
  OP_MULTICAST_READ,
  OP_NEIGHBOR,
  OP_NETCONF,
  OP_NEXTHOP,
  OP_ROUTE,
  OP_RULE,
  type RuleValue,
} from '../../src/dataplane/index.ts';
import type { AddressWords } from '../../src/net/index.ts';
import { type Encap, rtnetlink as c } from '../../src/netlink/index.ts';

process.env['GREVY_CHECK_CONTEXTS'] = '1';

/** Objects as others make them. */
const record = ((model: object, constraints?: object): unknown =>
  fc.record(model as never, { ...constraints, noNullPrototype: true } as never)) as typeof fc.record;
const byte = fc.nat(255);
const u16 = fc.nat(0xffff);
const i31 = fc.nat(0x7fffffff);
const u32 = fc.nat(0xffffffff);
const big = fc.nat(Number.MAX_SAFE_INTEGER);
const fourWords: fc.Arbitrary<AddressWords> = fc.tuple(u32, u32, u32, u32);
const octets = (minLength: number, maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength, maxLength });
const name = fc.array(fc.integer({ min: 1, max: 255 }), { maxLength: 15 }).map(codes => String.fromCharCode(...codes));
const range = (end: fc.Arbitrary<number>): fc.Arbitrary<{ start: number; end: number }> => record({ start: end, end });

const neighbor: fc.Arbitrary<NeighborValue> = record({
  ifindex: i31,
  family: fc.constantFrom(2, 10),
  address: fourWords,
  state: u16,
  flags: byte,
  extendedFlags: u32,
  mac: octets(0, 8),
  protocol: byte,
});

const fdb: fc.Arbitrary<FdbValue> = record({
  ifindex: i31,
  mac: octets(0, 8),
  vlan: u16,
  state: u16,
  flags: byte,
  extendedFlags: u32,
  protocol: byte,
  master: i31,
  tunnelFamily: fc.constantFrom(0, 2, 10),
  tunnel: fourWords,
  port: u16,
  vni: u32,
  viaIfindex: i31,
  sourceVni: u32,
  nexthopId: u32,
});

const rule: fc.Arbitrary<RuleValue> = record(
  {
    family: fc.constantFrom(2, 10),
    priority: u32,
    action: byte,
    table: u32,
    source: fourWords,
    sourceLength: fc.nat(128),
    destination: fourWords,
    destinationLength: fc.nat(128),
    mark: u32,
    markMask: u32,
    inverted: fc.boolean(),
    protocol: byte,
    inputInterface: name,
    outputInterface: name,
    tos: byte,
    dscp: fc.nat(63),
    ipProtocol: byte,
    sourcePorts: range(u16),
    destinationPorts: range(u16),
    uids: range(u32),
    goto: u32,
    suppressPrefixLength: u32,
    suppressGroup: u32,
    l3mdev: byte,
    tunnelId: big,
  },
  {
    requiredKeys: [
      'family',
      'priority',
      'action',
      'table',
      'source',
      'sourceLength',
      'destination',
      'destinationLength',
      'mark',
      'markMask',
      'inverted',
      'protocol',
      'inputInterface',
      'outputInterface',
    ],
  },
) as fc.Arbitrary<RuleValue>;

const i32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const netconf: fc.Arbitrary<NetconfValue> = record(
  {
    ifindex: i32,
    family: fc.constantFrom(2, 10, c.AF_MPLS),
    forwarding: i32,
    rpFilter: i32,
    multicastForwarding: i32,
    proxyNeighbor: i32,
    ignoreRoutesWithLinkdown: i32,
    input: i32,
    broadcastForwarding: i32,
  },
  { requiredKeys: ['ifindex', 'family'] },
) as fc.Arbitrary<NetconfValue>;

const multicast: fc.Arbitrary<MulticastUse> = record({
  inputIfindex: i31,
  packets: big,
  bytes: big,
  wrongInterface: big,
  idle: big,
});

const encap: fc.Arbitrary<Encap> = fc.oneof(
  record({
    type: fc.constant(c.LWTUNNEL_ENCAP_MPLS),
    labels: fc.array(fc.nat(0xfffff), { minLength: 1, maxLength: 30 }),
  }),
  record({
    type: fc.constant(c.LWTUNNEL_ENCAP_SEG6),
    mode: fc.constant(c.SEG6_IPTUN_MODE_ENCAP),
    segments: fc.array(fourWords, { minLength: 1, maxLength: 12 }),
  }),
  record({
    type: fc.constant(c.LWTUNNEL_ENCAP_SEG6_LOCAL),
    action: fc.constant(c.SEG6_LOCAL_ACTION_END_X),
    gateway6: fourWords,
  }),
  record({
    type: fc.constant(c.LWTUNNEL_ENCAP_SEG6_LOCAL),
    action: fc.constant(c.SEG6_LOCAL_ACTION_END_DT46),
    vrfTable: u32,
  }),
) as fc.Arbitrary<Encap>;

function fresh(limit = 256): ContextPool {
  return contextPool(Pool.create(limit));
}

/** What was written through `set` is what `get` reads, and the pool is empty afterwards. */
function keeps<V>(
  values: fc.Arbitrary<V>,
  op: number,
  set: (pool: ContextPool, handle: number, value: V) => unknown,
  get: (pool: ContextPool, handle: number) => V,
): void {
  const pool = fresh();
  fc.assert(
    fc.property(values, value => {
      const handle = pool.allocate(op);
      assert.notEqual(set(pool, handle, value), false);
      assert.deepEqual(get(pool, handle), value);
      pool.free(handle);
      assert.equal(pool.inUse, 0);
    }),
    { numRuns: 300 },
  );
}

describe('what is written into a context is read out of it', () => {
  test('neighbours', () =>
    keeps(
      neighbor,
      OP_NEIGHBOR,
      (pool, handle, value) => pool.setNeighbor(handle, value),
      (pool, handle) => pool.neighbor(handle),
    ));
  test('forwarding entries', () =>
    keeps(
      fdb,
      OP_FDB,
      (pool, handle, value) => pool.setFdb(handle, value),
      (pool, handle) => pool.fdb(handle),
    ));
  test('rules', () =>
    keeps(
      rule,
      OP_RULE,
      (pool, handle, value) => pool.setRule(handle, value),
      (pool, handle) => pool.rule(handle),
    ));
  test('how interfaces forward', () =>
    keeps(
      netconf,
      OP_NETCONF,
      (pool, handle, value) => pool.setNetconf(handle, value),
      (pool, handle) => pool.netconf(handle),
    ));
  test('a question about a multicast route, and its answer', () =>
    keeps(
      fc.tuple(
        record({
          family: fc.constantFrom(2 as const, 10 as const),
          source: fourWords,
          group: fourWords,
          table: u32,
        }),
        multicast,
      ),
      OP_MULTICAST_READ,
      (pool, handle, [query, use]) => {
        pool.setMulticastQuery(handle, query);
        pool.setMulticastUse(handle, use);
      },
      (pool, handle): [MulticastQuery, MulticastUse] => [pool.multicastQuery(handle), pool.multicastUse(handle)],
    ));
  test('labels', () =>
    keeps<[number, number]>(
      fc.tuple(fc.nat(0xfffff), byte),
      OP_LABEL,
      (pool, handle, [label, protocol]) => pool.setLabel(handle, label, protocol),
      (pool, handle) => [pool.label(handle), pool.protocol(handle)],
    ));
});

/** What one path of a chain should be. */
interface Model {
  ifindex: number;
  encap: Encap | undefined;
}

function slotsOf(pool: ContextPool, handle: number, count: number): number[] {
  const slots: number[] = [];
  for (let slot = handle; slots.length < count; slot = pool.nextPath(slot)) slots.push(slot);
  return slots;
}

function assertChain(pool: ContextPool, handle: number, model: readonly Model[]): void {
  const slots = slotsOf(pool, handle, model.length);
  assert.deepEqual(
    slots.map(slot => ({ ifindex: pool.ifindex(slot), encap: pool.encap(slot) })),
    model,
  );
  assert.equal(pool.nextPath(slots.at(-1)!), 0, 'no path beyond the last');
}

type Step =
  | { readonly do: 'add'; readonly ifindex: number; readonly encap: Encap | undefined }
  | { readonly do: 'encap'; readonly at: number; readonly encap: Encap }
  | { readonly do: 'path'; readonly at: number; readonly ifindex: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  record({ do: fc.constant('add' as const), ifindex: i31, encap: fc.option(encap, { nil: undefined }) }),
  record({ do: fc.constant('encap' as const), at: fc.nat(20), encap }),
  record({ do: fc.constant('path' as const), at: fc.nat(20), ifindex: i31 }),
);

describe('the chain of a route', () => {
  test('holds any paths with any encaps, in whatever order they are written, in pools of any size', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 64 }), (steps, limit) => {
        const pool = fresh(limit);
        const other = fresh(64);
        const handle = pool.allocate(OP_ROUTE);
        pool.setPath(handle, 1, 0, 0, 0, 0, 0, 0, 1);
        const model: Model[] = [{ ifindex: 1, encap: undefined }];
        for (const one of steps) {
          const before = pool.inUse;
          const slots = slotsOf(pool, handle, model.length);
          if (one.do === 'add') {
            const slot = pool.addPath(slots.at(-1)!);
            assert.equal(slot === 0, before === limit, 'refused only where there is no room');
            if (slot === 0) continue;
            pool.setPath(slot, one.ifindex, 0, 0, 0, 0, 0, 0, 1);
            const kept = one.encap !== undefined && pool.setEncap(slot, one.encap);
            model.push({ ifindex: one.ifindex, encap: kept ? one.encap : undefined });
          } else {
            const at = one.at % model.length;
            if (one.do === 'path') {
              pool.setPath(slots[at]!, one.ifindex, 0, 0, 0, 0, 0, 0, 1);
              model[at] = { ifindex: one.ifindex, encap: model[at]!.encap };
            } else if (pool.setEncap(slots[at]!, one.encap)) {
              model[at] = { ifindex: model[at]!.ifindex, encap: one.encap };
            } else assert.equal(pool.inUse, before, 'what did not fit changed nothing');
          }
          assertChain(pool, handle, model);
        }
        const copy = other.copyFrom(pool, handle);
        if (copy !== 0) {
          assertChain(other, copy, model);
          other.free(copy);
        }
        pool.free(handle);
        assert.deepEqual([pool.inUse, other.inUse], [0, 0]);
      }),
      { numRuns: 300 },
    );
  });

  test('a plain route takes one slot, one that pushes three labels too, and one of two SRv6 segments two', () => {
    const pool = fresh();
    const cost = (value?: Encap): number => {
      const before = pool.inUse;
      const handle = pool.allocate(OP_ROUTE);
      pool.setPath(handle, 1, 2, 1, 0, 0, 0, 0, 1);
      if (value !== undefined) assert.ok(pool.setEncap(handle, value));
      const used = pool.inUse - before;
      pool.free(handle);
      return used;
    };
    const mpls = (labels: number[]): Encap => ({ type: c.LWTUNNEL_ENCAP_MPLS, labels });
    const segments = [1, 2].map(i => [0xfc000000, 0, 0, i] as const);
    assert.deepEqual(
      [
        cost(),
        cost(mpls([16, 17, 18])),
        cost(mpls([16, 17, 18, 19])),
        cost({ type: c.LWTUNNEL_ENCAP_SEG6, mode: c.SEG6_IPTUN_MODE_ENCAP, segments }),
      ],
      [1, 1, 2, 2],
    );
  });

  test('what comes back from a worker does not tear a path from its encap', () => {
    const pool = fresh();
    const copies = fresh();
    const handle = pool.allocate(OP_NEXTHOP);
    const value: Encap = { type: c.LWTUNNEL_ENCAP_MPLS, labels: Array.from({ length: 20 }, (_, i) => 16 + i) };
    pool.setNexthop(handle, 7, 2, 11);
    pool.setPath(handle, 5, 2, 1, 0, 0, 0, 0, 1);
    assert.ok(pool.setEncap(handle, value));
    const copy = copies.copyFrom(pool, handle);
    assert.ok(copies.setEncap(copy, { type: c.LWTUNNEL_ENCAP_MPLS, labels: [99] }));
    copies.setPath(copy, 6, 2, 2, 0, 0, 0, 0, 1);
    copies.setFlags(copy, FLAG_OFFLOADED);
    pool.takeBack(handle, copies, copy);
    assert.deepEqual([pool.ifindex(handle), pool.flags(handle)], [6, FLAG_OFFLOADED]);
    assert.deepEqual(pool.encap(handle), value);
    pool.free(handle);
    assert.equal(pool.inUse, 0);
  });

  test('a slot that was given back is known, in every storey of the class', () => {
    const pool = fresh();
    const route = pool.allocate(OP_ROUTE);
    const entry = pool.allocate(OP_FDB);
    pool.free(route);
    pool.free(entry);
    assert.throws(() => pool.op(route), /op of \d+, which was given back/);
    assert.throws(() => pool.encapType(route), /encapType of \d+, which was given back/);
    assert.throws(() => pool.fdb(entry), /fdb of \d+, which was given back/);
  });
});
