import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  addRouteFlags,
  appendNexthopEncap,
  appendNexthopFdb,
  appendPreferredSource,
  appendResilience,
  appendRouteEncap,
  beginNexthopGroup,
  decodeEncap,
  type Encap,
  encapBytes,
  encodeEncap,
  encodeGroupMember,
  encodeLabel,
  encodeLabelDelete,
  encodeNexthop,
  encodeRoute,
  encodeRouteWithPaths,
  endNexthopGroup,
  LABEL_BYTES,
  MessageBuffer,
  NexthopView,
  NEXTHOP_BYTES_MAX,
  type RoutePath,
  routeWithPathsBytes,
  RouteView,
  rtnetlink as c,
} from '../../src/netlink/index.ts';
import type { AddressWords } from '../../src/net/index.ts';

const u8 = fc.integer({ min: 0, max: 255 });
const u16 = fc.integer({ min: 0, max: 65_535 });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const words4 = fc.tuple(u32, fc.constant(0), fc.constant(0), fc.constant(0));
const words6 = fc.tuple(u32, u32, u32, u32);
const family = fc.constantFrom(2 as const, 10 as const);
const label = fc.integer({ min: 0, max: 0xfffff });
// A segment of zeroes at the end would be the place of the packet's own destination.
const segments = fc.array(
  words6.filter(words => words.some(word => word !== 0)),
  { minLength: 1, maxLength: 12 },
);

const plain = { noNullPrototype: true } as const;
const mpls: fc.Arbitrary<Encap> = fc.record(
  { type: fc.constant(c.LWTUNNEL_ENCAP_MPLS), labels: fc.array(label, { minLength: 1, maxLength: 16 }) },
  plain,
);
const seg6: fc.Arbitrary<Encap> = fc.record(
  { type: fc.constant(c.LWTUNNEL_ENCAP_SEG6), mode: fc.integer({ min: 0, max: 4 }), segments },
  plain,
);
const local: fc.Arbitrary<Encap> = fc.record(
  {
    type: fc.constant(c.LWTUNNEL_ENCAP_SEG6_LOCAL),
    action: fc.integer({ min: 1, max: 16 }),
    segments,
    table: u32,
    gateway4: u32,
    gateway6: words6,
    inputIfindex: u32,
    outputIfindex: u32,
    vrfTable: u32,
    flavors: fc.record({ operations: u32, blockBits: u8, functionBits: u8 }, plain),
  },
  { requiredKeys: ['type', 'action'], noNullPrototype: true },
);
const encap: fc.Arbitrary<Encap> = fc.oneof(mpls, seg6, local);

const NO_GATEWAY: AddressWords = [0, 0, 0, 0];
const hop = fc.oneof(
  fc.record({ gatewayFamily: fc.constant(2 as const), gateway: words4 }),
  fc.record({ gatewayFamily: fc.constant(10 as const), gateway: words6 }),
  fc.record({ gatewayFamily: fc.constant(0 as const), gateway: fc.constant(NO_GATEWAY) }),
);

function pathsWith(encaps: fc.Arbitrary<Encap>): fc.Arbitrary<RoutePath[]> {
  const path = fc.tuple(hop, fc.integer({ min: 1, max: 1000 }), fc.option(encaps, { nil: undefined }));
  return fc.array(path, { minLength: 1, maxLength: 6 }).map(list =>
    list.map(([where, ifindex, what]) => ({
      ...where,
      ifindex,
      flags: 0,
      weight: 1,
      ...(what !== undefined && { encap: what }),
    })),
  );
}

const pathsOf = (view: RouteView): RoutePath[] => Array.from({ length: view.pathCount }, (_, i) => view.path(i));

describe('encapsulations', () => {
  test('read back as they were written; cut anywhere they do no harm', () => {
    fc.assert(
      fc.property(encap, value => {
        const bytes = encodeEncap(value);
        assert.deepEqual(decodeEncap(value.type, bytes, 0, bytes.length), value);
        for (let n = 0; n < bytes.length; n++) decodeEncap(value.type, bytes.slice(0, n), 0, n);
      }),
    );
  });

  test('whatever the bytes are, reading them does no harm', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 }), fc.uint8Array({ maxLength: 80 }), (type, bytes) => {
        decodeEncap(type, bytes, 0, bytes.length);
      }),
    );
  });

  test('a label stack and a segment routing header are what RFC 3032 and RFC 8754 say', () => {
    const hex = (value: Encap): string => Buffer.from(encodeEncap(value)).toString('hex');
    assert.equal(hex({ type: c.LWTUNNEL_ENCAP_MPLS, labels: [100, 200] }), '0c00010000064000000c8100');
    assert.equal(
      hex({
        type: c.LWTUNNEL_ENCAP_SEG6,
        mode: c.SEG6_IPTUN_MODE_ENCAP,
        segments: [
          [1, 0, 0, 0],
          [2, 0, 0, 0],
        ],
      }),
      '30000100' +
        '01000000' +
        '0004040101000000' +
        '00000002000000000000000000000000' +
        '00000001000000000000000000000000',
    );
    assert.equal(
      hex({ type: c.LWTUNNEL_ENCAP_SEG6, mode: c.SEG6_IPTUN_MODE_INLINE, segments: [[1, 0, 0, 0]] }),
      '30000100' +
        '00000000' +
        '0004040101000000' +
        '00000000000000000000000000000000' +
        '00000001000000000000000000000000',
    );
  });

  test('on routes with paths of their own they read back, within the bytes that were promised', () => {
    const buffer = new MessageBuffer(8192);
    const view = new RouteView();
    fc.assert(
      fc.property(pathsWith(encap), family, (paths, af) => {
        const size = encodeRouteWithPaths(buffer, 4, 1, 0, af, 1000, [0x20000000, 0, 0, 0], 24, 4, 7, paths);
        assert.ok(size <= routeWithPathsBytes(paths));
        assert.ok(view.decode(buffer.bytes, 4, size));
        assert.deepEqual(pathsOf(view), paths);
        for (let n = 0; n < size; n++) if (view.decode(buffer.bytes, 4, n)) pathsOf(view);
      }),
    );
  });

  test('on a route, with a preferred source and the flags of an offload, all read back; on the next one nothing is left', () => {
    const buffer = new MessageBuffer(8192);
    const view = new RouteView();
    fc.assert(
      fc.property(encap, family, words6, (value, af, w) => {
        const flags = c.RTM_F_OFFLOAD | c.RTM_F_TRAP | c.RTM_F_OFFLOAD_FAILED;
        const plain = encodeRoute(buffer, 0, 1, 0, af, 254, w[0], w[1], w[2], w[3], 24, 186, 1, 20, 7);
        view.decode(buffer.bytes, 0, plain);
        assert.deepEqual([view.flags, view.hasPreferredSource, view.pathCount], [0, false, 0]);
        let size = appendPreferredSource(buffer, 0, plain, af, w[0], w[1], w[2], w[3]);
        assert.equal(size, plain + (af === 2 ? 8 : 20));
        const before = size;
        size = appendRouteEncap(buffer, 0, size, value);
        assert.equal(size, before + encapBytes(value));
        addRouteFlags(buffer, 0, flags);
        assert.ok(view.decode(buffer.bytes, 0, size));
        assert.equal(view.flags, flags);
        assert.ok(view.hasPreferredSource);
        assert.deepEqual([...view.preferredSource], af === 2 ? [w[0], 0, 0, 0] : w);
        assert.deepEqual([view.w0, view.length, view.nexthopId], [w[0], 24, 7]);
      }),
    );
  });

  test('on nexthop objects they read back', () => {
    const buffer = new MessageBuffer(8192);
    const view = new NexthopView();
    fc.assert(
      fc.property(encap, words6, (value, w) => {
        const plain = encodeNexthop(buffer, 8, 1, 0, 5, 10, 11, 3, 10, w[0], w[1], w[2], w[3], false, false);
        assert.ok(plain <= NEXTHOP_BYTES_MAX);
        view.decode(buffer.bytes, 8, plain);
        assert.equal(view.encap(), undefined);
        const size = appendNexthopEncap(buffer, 8, plain, value);
        assert.equal(size, plain + encapBytes(value));
        assert.ok(view.decode(buffer.bytes, 8, size));
        assert.deepEqual(view.encap(), value);
        assert.deepEqual([view.id, view.ifindex, view.gatewayFamily, view.w3], [5, 3, 10, w[3]]);
        for (let n = 0; n < size; n++) if (view.decode(buffer.bytes, 8, n)) view.encap();
      }),
    );
  });

  test('nexthop objects of a forwarding table and resilient groups read back', () => {
    const buffer = new MessageBuffer(8192);
    const view = new NexthopView();
    let size = encodeNexthop(buffer, 0, 1, 0, 5, 2, 11, 0, 2, 0x0a000001, 0, 0, 0, false, false);
    size = appendNexthopFdb(buffer, 0, size);
    assert.ok(view.decode(buffer.bytes, 0, size));
    assert.deepEqual([view.id, view.fdb, view.ifindex, view.w0], [5, true, 0, 0x0a000001]);
    fc.assert(
      fc.property(u16, u32, u32, (buckets, idle, unbalanced) => {
        let end = beginNexthopGroup(buffer, 0, 1, 0, 9, 11);
        end = encodeGroupMember(buffer, end, 5, 256);
        end = encodeGroupMember(buffer, end, 6, 1);
        const total = appendResilience(buffer, 0, endNexthopGroup(buffer, 0, end), buckets, idle, unbalanced);
        assert.ok(view.decode(buffer.bytes, 0, total));
        assert.deepEqual(
          [view.memberCount, view.memberWeight[0], view.resilient, view.buckets, view.idleTimer, view.unbalancedTimer],
          [2, 256, true, buckets, idle, unbalanced],
        );
        assert.equal(view.fdb, false);
      }),
    );
  });

  test('whatever the attributes are, reading routes and nexthop objects does no harm', () => {
    const route = new RouteView();
    const nexthop = new NexthopView();
    const header = fc.uint8Array({ minLength: 28, maxLength: 28 });
    const noise = fc.array(
      fc.tuple(fc.integer({ min: 0, max: 31 }), fc.uint8Array({ maxLength: 24 })).map(([type, value]) => {
        const bytes = new Uint8Array(4 + ((value.length + 3) & ~3));
        new DataView(bytes.buffer).setUint16(0, 4 + value.length, true);
        bytes[2] = type;
        bytes.set(value, 4);
        return [...bytes];
      }),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(header, noise, (head, attributes) => {
        const bytes = Uint8Array.from([...head, ...attributes.flat()]);
        assert.ok(route.decode(bytes, 0, bytes.length));
        pathsOf(route);
        assert.ok(nexthop.decode(bytes, 0, bytes.length));
        nexthop.encap();
        nexthop.decode(bytes, 4, bytes.length - 4);
        nexthop.encap();
      }),
      { numRuns: 2000 },
    );
  });
});

describe('routes of labels', () => {
  test('read back as they were written, within the bytes that were promised; cut anywhere they do no harm', () => {
    const buffer = new MessageBuffer(8192);
    const view = new RouteView();
    fc.assert(
      fc.property(label, u8, pathsWith(mpls), (value, protocol, paths) => {
        const size = encodeLabel(buffer, 8, 1, 0, value, protocol, paths);
        assert.ok(size <= routeWithPathsBytes(paths));
        assert.ok(view.decode(buffer.bytes, 8, size));
        assert.deepEqual([view.family, view.w0, view.length, view.protocol], [c.AF_MPLS, value, 20, protocol]);
        assert.deepEqual(pathsOf(view), paths);
        for (let n = 0; n < size; n++) if (view.decode(buffer.bytes, 8, n)) pathsOf(view);
        assert.equal(encodeLabelDelete(buffer, 0, 1, 0, value), LABEL_BYTES);
        assert.ok(view.decode(buffer.bytes, 0, LABEL_BYTES));
        assert.deepEqual([view.family, view.w0, view.pathCount], [c.AF_MPLS, value, 0]);
      }),
    );
  });
});
