import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  beginNexthopGroup,
  encodeGroupMember,
  encodeNexthop,
  encodeRoute,
  encodeRouteWithPaths,
  endNexthopGroup,
  MessageBuffer,
  MessageWriter,
  NexthopView,
  nexthopGroupBytes,
  NEXTHOP_BYTES_MAX,
  readAddressMessage,
  readFdb,
  readLink,
  readMulticastRoute,
  readNeighbor,
  readNetconf,
  readRule,
  ROUTE_BYTES_MAX,
  RouteView,
  rtnetlink as c,
  writeAddressMessage,
  writeFdb,
  writeLink,
  writeMulticastRoute,
  writeNeighbor,
  writeNetconf,
  writeRule,
} from '../../src/netlink/index.ts';

const u8 = fc.integer({ min: 0, max: 255 });
const u16 = fc.integer({ min: 0, max: 65_535 });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const words4 = fc.tuple(u32, fc.constant(0), fc.constant(0), fc.constant(0));
const words6 = fc.tuple(u32, u32, u32, u32);
const family = fc.constantFrom(2 as const, 10 as const);
const name = fc.stringMatching(/^[a-z0-9.@-]{1,15}$/);

describe('netlink codec', () => {
  test('a route by nexthop object is 52 bytes for IPv4', () => {
    const buffer = new MessageBuffer(128);
    assert.equal(encodeRoute(buffer, 0, 1, 0, 2, 254, 0x0a000000, 0, 0, 0, 8, 186, 1, 20, 7), 52);
    assert.equal(
      Buffer.from(buffer.bytes.subarray(0, 52)).toString('hex'),
      '340000001800010001000000000000000208000' +
        '0feba000100000000' +
        '080001000a000000' +
        '0800060014000000' +
        '08001e0007000000',
    );
  });

  test('routes read back as they were written, at any offset', () => {
    const buffer = new MessageBuffer(4096);
    const view = new RouteView();
    fc.assert(
      fc.property(
        family,
        words6,
        u8,
        u32,
        u8,
        u8,
        u32,
        u32,
        fc.integer({ min: 0, max: 20 }),
        (af, w, length, table, protocol, type, metric, id, place) => {
          const offset = place * 4;
          const size = encodeRoute(
            buffer,
            offset,
            9,
            0,
            af,
            table,
            w[0],
            w[1],
            w[2],
            w[3],
            length,
            protocol,
            type,
            metric,
            id,
          );
          assert.ok(size <= ROUTE_BYTES_MAX);
          assert.ok(view.decode(buffer.bytes, offset, size));
          assert.deepEqual(
            [view.family, view.table, view.w0, view.length, view.protocol, view.type, view.metric, view.nexthopId],
            [af, table, w[0], length, protocol, type, metric, id],
          );
          assert.deepEqual([view.w1, view.w2, view.w3], af === 10 ? [w[1], w[2], w[3]] : [0, 0, 0]);
        },
      ),
    );
  });

  test('routes with paths of their own read back as they were written; cut anywhere they do no harm', () => {
    const buffer = new MessageBuffer(4096);
    const view = new RouteView();
    const path = fc.oneof(
      fc.record({ gatewayFamily: fc.constant(2 as const), gateway: words4 }),
      fc.record({ gatewayFamily: fc.constant(10 as const), gateway: words6 }),
      fc.record({
        gatewayFamily: fc.constant(0 as const),
        gateway: fc.constant([0, 0, 0, 0] as [number, number, number, number]),
      }),
    );
    const full = fc.record({
      hop: path,
      ifindex: fc.integer({ min: 1, max: 1000 }),
      weight: fc.integer({ min: 1, max: 256 }),
      onlink: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(full, { minLength: 1, maxLength: 8 }), family, (hops, af) => {
        const paths = hops.map(({ hop, ifindex, weight, onlink }) => ({
          ...hop,
          ifindex,
          weight: hops.length === 1 ? 1 : weight,
          flags: onlink ? c.RTNH_F_ONLINK : 0,
        }));
        const size = encodeRouteWithPaths(buffer, 0, 1, 0, af, 254, [0x20000000, 0, 0, 0], 24, 4, 7, paths);
        assert.ok(view.decode(buffer.bytes, 0, size));
        assert.deepEqual(
          Array.from({ length: view.pathCount }, (_, i) => view.path(i)),
          paths,
        );
        for (let n = 0; n < size; n++) view.decode(buffer.bytes, 0, n);
      }),
    );
  });

  test('nexthop objects and groups read back as they were written; cut anywhere they do no harm', () => {
    const buffer = new MessageBuffer(16_384);
    const view = new NexthopView();
    fc.assert(
      fc.property(u32, fc.constantFrom(0, 2, 10), words6, u32, fc.boolean(), (id, af, w, ifindex, blackhole) => {
        const size = encodeNexthop(buffer, 8, 1, 0, id, 2, 11, ifindex, af, w[0], w[1], w[2], w[3], true, blackhole);
        assert.ok(size <= NEXTHOP_BYTES_MAX);
        assert.ok(view.decode(buffer.bytes, 8, size));
        assert.equal(view.id, id);
        assert.equal(view.blackhole, blackhole);
        assert.equal(view.memberCount, 0);
        if (!blackhole) {
          assert.equal(view.ifindex, ifindex);
          assert.equal(view.gatewayFamily, af);
          if (af !== 0) assert.equal(view.w0, w[0]);
          if (af === 10) assert.deepEqual([view.w1, view.w2, view.w3], [w[1], w[2], w[3]]);
        }
        for (let n = 0; n < size; n++) view.decode(buffer.bytes, 8, n);
      }),
    );
    const members = fc.array(fc.tuple(u32, fc.integer({ min: 1, max: 256 })), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(members, list => {
        let end = beginNexthopGroup(buffer, 4, 1, 0, 99, 11);
        for (const [id, weight] of list) end = encodeGroupMember(buffer, end, id, weight);
        const size = endNexthopGroup(buffer, 4, end);
        assert.equal(size, nexthopGroupBytes(list.length));
        assert.ok(view.decode(buffer.bytes, 4, size));
        assert.deepEqual(
          list,
          Array.from({ length: view.memberCount }, (_, i) => [view.memberId[i], view.memberWeight[i]]),
        );
      }),
    );
  });

  test('links, addresses, neighbours, forwarding entries, rules, netconf and multicast routes read back as they were written; cut anywhere they do no harm', () => {
    const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
      fc.option(arbitrary, { nil: undefined });
    const clean = (value: object): object => JSON.parse(JSON.stringify(value)) as object;
    const check = <T extends object>(
      write: (writer: MessageWriter, value: T) => void,
      read: (bytes: Uint8Array, offset: number, length: number) => object,
      value: T,
    ): void => {
      const writer = new MessageWriter();
      write(writer, value);
      assert.deepEqual(clean(read(writer.buffer.bytes, 0, writer.at)), clean(value));
      for (let n = 32; n < writer.at; n++) read(writer.buffer.bytes, 0, n);
    };
    const mac = fc.uint8Array({ minLength: 6, maxLength: 6 });
    const link = fc.record({
      family: fc.constant(0),
      hardwareType: fc.integer({ min: 0, max: 65_535 }),
      ifindex: u32,
      flags: u32,
      change: u32,
      name: optional(name),
      mtu: optional(u32),
      address: optional(mac),
      master: optional(u32),
      operState: optional(u8),
      protoDown: optional(u8),
      protoDownReason: optional(fc.record({ mask: u32, value: u32 })),
      alias: optional(name),
      info: optional(
        fc.oneof(
          fc.record({ kind: fc.constantFrom('veth', 'dummy'), slaveKind: fc.constant('bridge') }),
          fc.record({ kind: fc.constant('vrf'), data: fc.record({ table: u32 }) }),
          fc.record({ kind: fc.constant('vlan'), data: fc.record({ vlan: u16, tagProtocol: u16 }) }),
          fc.record({
            kind: fc.constant('vxlan'),
            data: fc.record({ vni: u32, local: u32, remote: u32, lower: u32, port: u16, learning: u8 }),
          }),
          fc.record({ kind: fc.constant('vxlan'), data: fc.record({ vni: u32, local6: words6, remote6: words6 }) }),
          fc.record({
            kind: fc.constant('gre'),
            data: fc.record({ local: u32, remote: u32, lower: u32, inputFlags: u16, inputKey: u32, ttl: u8 }),
          }),
          fc.record({ kind: fc.constant('ip6gre'), data: fc.record({ local6: words6, remote6: words6, lower: u32 }) }),
          fc.record({ kind: fc.constant('macvlan'), data: fc.record({ mode: u32 }) }),
          fc.record({
            kind: fc.constant('veth'),
            data: fc.record({
              peer: fc.record({
                family: fc.constant(0),
                hardwareType: u16,
                ifindex: u32,
                flags: u32,
                change: u32,
                name,
                address: mac,
              }),
            }),
          }),
        ),
      ),
    });
    fc.assert(
      fc.property(link, value => check((w, v) => writeLink(w, c.RTM_NEWLINK, 0, 1, v as never), readLink, value)),
    );
    const address = family.chain(af =>
      fc.record({
        family: fc.constant(af),
        length: u8,
        scope: u8,
        ifindex: u32,
        flags: u32,
        local: optional(af === 2 ? words4 : words6),
        peer: optional(af === 2 ? words4 : words6),
        label: optional(name),
      }),
    );
    fc.assert(
      fc.property(address, value =>
        check((w, v) => writeAddressMessage(w, c.RTM_NEWADDR, 0, 1, v as never), readAddressMessage, value),
      ),
    );
    const neighbor = family.chain(af =>
      fc.record({
        family: fc.constant(af),
        ifindex: u32,
        state: fc.integer({ min: 0, max: 65_535 }),
        flags: u8,
        type: u8,
        destination: optional(af === 2 ? words4 : words6),
        mac: optional(mac),
        protocol: optional(u8),
        extendedFlags: optional(u32),
      }),
    );
    fc.assert(
      fc.property(neighbor, value =>
        check((w, v) => writeNeighbor(w, c.RTM_NEWNEIGH, 0, 1, v as never), readNeighbor, value),
      ),
    );
    const fdb = fc.record({
      ifindex: u32,
      state: u16,
      flags: u8,
      mac: optional(mac),
      vlan: optional(u16),
      tunnel: optional(
        fc.oneof(
          fc.record({ family: fc.constant(2), words: words4 }),
          fc.record({ family: fc.constant(10), words: words6 }),
        ),
      ),
      port: optional(u16),
      vni: optional(u32),
      viaIfindex: optional(u32),
      sourceVni: optional(u32),
      nexthopId: optional(u32),
      master: optional(u32),
      protocol: optional(u8),
    });
    fc.assert(
      fc.property(fdb, value => check((w, v) => writeFdb(w, c.RTM_NEWNEIGH, 0, 1, v as never), readFdb, value)),
    );
    const rule = family.chain(af =>
      fc.record({
        family: fc.constant(af),
        destinationLength: u8,
        sourceLength: u8,
        tos: u8,
        action: u8,
        flags: u32,
        table: u32,
        source: optional(af === 2 ? words4 : words6),
        priority: optional(u32),
        mark: optional(u32),
        inputInterface: optional(name),
        l3mdev: optional(u8),
        tunnelId: optional(fc.maxSafeNat()),
        suppressGroup: optional(u32),
        uids: optional(fc.record({ start: u32, end: u32 })),
        ipProtocol: optional(u8),
        sourcePorts: optional(fc.record({ start: u16, end: u16 })),
        destinationPorts: optional(fc.record({ start: u16, end: u16 })),
        dscp: optional(u8),
      }),
    );
    fc.assert(
      fc.property(rule, value => check((w, v) => writeRule(w, c.RTM_NEWRULE, 0, 1, v as never), readRule, value)),
    );
    const i32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    const netconf = fc.record({
      family: u8,
      ifindex: optional(i32),
      forwarding: optional(i32),
      rpFilter: optional(i32),
      multicastForwarding: optional(i32),
      proxyNeighbor: optional(i32),
      ignoreRoutesWithLinkdown: optional(i32),
      input: optional(i32),
    });
    fc.assert(
      fc.property(netconf, value =>
        check((w, v) => writeNetconf(w, c.RTM_NEWNETCONF, 0, 1, v as never), readNetconf, value),
      ),
    );
    const multicast = family.chain(af =>
      fc.record({
        family: fc.constant(af),
        protocol: u8,
        unresolved: fc.boolean(),
        table: u32,
        source: optional(af === 2 ? words4 : words6),
        group: optional(af === 2 ? words4 : words6),
        inputIfindex: optional(u32),
        outputs: optional(fc.array(fc.record({ ifindex: u32, ttl: u8 }), { maxLength: 8 })),
        counters: optional(
          fc.record({ packets: fc.maxSafeNat(), bytes: fc.maxSafeNat(), wrongInterface: fc.maxSafeNat() }),
        ),
        idle: optional(fc.maxSafeNat()),
      }),
    );
    fc.assert(
      fc.property(multicast, value =>
        check(
          (w, v) => writeMulticastRoute(w, c.RTM_NEWROUTE, 0, 1, v as never),
          (bytes, offset, length) => readMulticastRoute(bytes, offset, length)!,
          value,
        ),
      ),
    );
  });
});
