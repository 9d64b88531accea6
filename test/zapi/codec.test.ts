import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  AF_INET as INET,
  AF_INET6 as INET6,
  type AddressWords,
  type Family,
  makePrefix,
  maskWords,
} from '../../src/net/index.ts';
import {
  BodyReader,
  type ClientMessages,
  decodeToClient,
  decodeToServer,
  encodeToClient,
  encodeToServer,
  Framer,
  FRR_8_4_4,
  HEADER_BYTES,
  MESSAGE_BACKUP_NEXTHOPS,
  MESSAGE_NEXTHOP,
  MESSAGE_OPAQUE,
  MESSAGE_SRCPFX,
  MESSAGE_SRTE,
  NEXTHOP_FLAG_HAS_BACKUP,
  NEXTHOP_FLAG_LABEL,
  NEXTHOP_FLAG_WEIGHT,
  NexthopColumns,
  ROUTE_BAD_FAMILY,
  ROUTE_BAD_NEXTHOP_TYPE,
  ROUTE_BAD_PREFIX_LENGTH,
  ROUTE_OK,
  ROUTE_TRUNCATED,
  RouteMessage,
  routeFaultText,
  type ServerMessages,
  writeHeader,
  ZapiError,
} from '../../src/zapi/index.ts';

const u8 = fc.integer({ min: 0, max: 255 });
const u16 = fc.integer({ min: 0, max: 65535 });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const words6: fc.Arbitrary<AddressWords> = fc.tuple(u32, u32, u32, u32);

const nexthop = fc.record({
  vrf: u32,
  type: fc.integer({ min: 1, max: 6 }),
  flags: fc.integer({ min: 0, max: 0x7f }),
  ifindex: u32,
  words: words6,
  blackhole: fc.integer({ min: 0, max: 3 }),
  weight: u32,
  color: u32,
  labels: fc.array(u32, { maxLength: 16 }),
  backups: fc.array(u8, { maxLength: 8 }),
  fill: u8,
});

const routeArbitrary = fc.record({
  family: fc.constantFrom<Family>(INET, INET6),
  words: words6,
  length: fc.integer({ min: 0, max: 128 }),
  source: words6,
  sourceLength: fc.integer({ min: 1, max: 128 }),
  type: fc.integer({ min: 0, max: 30 }),
  instance: u16,
  flags: u32,
  message: fc.integer({ min: 0, max: 0x7ff }),
  safi: fc.integer({ min: 1, max: 8 }),
  nhgId: u32,
  distance: u8,
  metric: u32,
  tag: u32,
  mtu: u32,
  tableId: u32,
  opaque: fc.uint8Array({ maxLength: 100 }),
  nexthops: fc.array(nexthop, { maxLength: 8 }),
  backups: fc.array(nexthop, { maxLength: 3 }),
  vrf: u32,
});

type RouteSample = typeof routeArbitrary extends fc.Arbitrary<infer T> ? T : never;
type NexthopSample = typeof nexthop extends fc.Arbitrary<infer T> ? T : never;

function columnsOf(samples: readonly NexthopSample[]): NexthopColumns {
  const columns = new NexthopColumns(16);
  for (const one of samples) {
    const row = columns.add(one.type, one.vrf);
    columns.flags[row] = one.flags;
    columns.ifindex[row] = one.type === 6 ? 0 : one.ifindex;
    if (one.type === 2 || one.type === 3) columns.w0[row] = one.words[0];
    if (one.type === 4 || one.type === 5) {
      columns.w0[row] = one.words[0];
      columns.w1[row] = one.words[1];
      columns.w2[row] = one.words[2];
      columns.w3[row] = one.words[3];
    }
    if (one.type === 6) columns.blackhole[row] = one.blackhole;
    if ((one.flags & NEXTHOP_FLAG_WEIGHT) !== 0) columns.weight[row] = one.weight;
    if ((one.flags & NEXTHOP_FLAG_LABEL) !== 0) {
      columns.labelCount[row] = one.labels.length;
      columns.labels.set(one.labels, row * 16);
    }
    if ((one.flags & NEXTHOP_FLAG_HAS_BACKUP) !== 0) {
      columns.backupCount[row] = one.backups.length;
      columns.backups.set(one.backups, row * 8);
    }
    columns.color[row] = one.color;
    columns.routerMac.fill(one.fill, row * 6, row * 6 + 6);
    columns.seg6localAction[row] = one.fill;
    columns.seg6localContext.fill(one.fill, row * 24, row * 24 + 24);
    columns.seg6Sid.fill(one.fill, row * 16, row * 16 + 16);
  }
  return columns;
}

/** A route message of a sample, its blocks encoded. */
function routeOf(sample: RouteSample): RouteMessage {
  const route = new RouteMessage();
  const bits = sample.family === INET ? 32 : 128;
  const length = Math.min(sample.length, bits);
  const words = maskWords(sample.words, length);
  route.message = sample.family === INET ? sample.message & ~MESSAGE_SRCPFX : sample.message;
  route.type = sample.type;
  route.instance = sample.instance;
  route.flags = sample.flags;
  route.safi = sample.safi;
  route.family = sample.family;
  route.prefixLength = length;
  route.w0 = words[0];
  if (sample.family === INET6) {
    route.w1 = words[1];
    route.w2 = words[2];
    route.w3 = words[3];
  }
  if ((route.message & MESSAGE_SRCPFX) !== 0) {
    const source = maskWords(sample.source, sample.sourceLength);
    route.sourceLength = sample.sourceLength;
    route.s0 = source[0];
    route.s1 = source[1];
    route.s2 = source[2];
    route.s3 = source[3];
  }
  route.nhgId = sample.nhgId;
  route.distance = sample.distance;
  route.metric = sample.metric;
  route.tag = sample.tag;
  route.mtu = sample.mtu;
  route.tableId = sample.tableId;
  const block = new Uint8Array(8000);
  route.bytes = block;
  let at = 0;
  if ((route.message & MESSAGE_NEXTHOP) !== 0) {
    route.nexthopCount = sample.nexthops.length;
    at = FRR_8_4_4.route.encodeNexthops(columnsOf(sample.nexthops), route.message, block, at);
  }
  route.nexthopEnd = at;
  route.backupStart = at;
  if ((route.message & MESSAGE_BACKUP_NEXTHOPS) !== 0) {
    route.backupCount = sample.backups.length;
    at = FRR_8_4_4.route.encodeNexthops(columnsOf(sample.backups), route.message, block, at);
  }
  route.backupEnd = at;
  route.opaqueStart = at;
  if ((route.message & MESSAGE_OPAQUE) !== 0) {
    block.set(sample.opaque, at);
    at += sample.opaque.length;
  }
  route.opaqueEnd = at;
  return route;
}

describe('routes', () => {
  test('come out of the wire as they went in', () => {
    const decoded = new RouteMessage();
    const columns = new NexthopColumns();
    fc.assert(
      fc.property(routeArbitrary, sample => {
        const route = routeOf(sample);
        const out = new Uint8Array(9000);
        const end = FRR_8_4_4.route.encode(route, sample.vrf, 8, out, 3);
        assert.equal(FRR_8_4_4.route.decode(decoded, out, 3 + HEADER_BYTES, end), ROUTE_OK);
        for (const field of [
          'type',
          'instance',
          'flags',
          'message',
          'safi',
          'family',
          'prefixLength',
          'w0',
          'w1',
          'w2',
          'w3',
        ] as const) {
          assert.equal(decoded[field], route[field], field);
        }
        for (const field of ['sourceLength', 'nexthopCount', 'backupCount'] as const) {
          assert.equal(decoded[field], route[field], field);
        }
        const again = new Uint8Array(9000);
        const length = FRR_8_4_4.route.encode(decoded, sample.vrf, 8, again, 0);
        assert.deepEqual(again.subarray(0, length), out.subarray(3, end));
        // Next hops survive a round through columns.
        const { nexthopCount, message } = decoded;
        const stop = FRR_8_4_4.route.decodeNexthops(columns, out, decoded.nexthopStart, end, nexthopCount, message);
        assert.equal(stop, decoded.nexthopEnd);
        const block = new Uint8Array(8000);
        const blockEnd = FRR_8_4_4.route.encodeNexthops(columns, message, block, 0);
        assert.deepEqual(block.subarray(0, blockEnd), out.subarray(decoded.nexthopStart, decoded.nexthopEnd));
      }),
      { numRuns: 300 },
    );
  });

  test('cut short at any byte are a fault, not a crash', () => {
    const decoded = new RouteMessage();
    const columns = new NexthopColumns();
    fc.assert(
      fc.property(routeArbitrary, sample => {
        const route = routeOf(sample);
        const out = new Uint8Array(9000);
        const end = FRR_8_4_4.route.encode(route, 0, 8, out, 0);
        for (let cut = HEADER_BYTES; cut < end; cut++) {
          assert.equal(FRR_8_4_4.route.decode(decoded, out, HEADER_BYTES, cut), ROUTE_TRUNCATED, `cut at ${cut}`);
          assert.match(routeFaultText(ROUTE_TRUNCATED, decoded, HEADER_BYTES), /ends too early/);
        }
        FRR_8_4_4.route.decode(decoded, out, HEADER_BYTES, end);
        for (let cut = decoded.nexthopStart; cut < decoded.nexthopEnd; cut++) {
          const { nexthopCount, nexthopStart, message } = decoded;
          assert.equal(
            FRR_8_4_4.route.decodeNexthops(columns, out, nexthopStart, cut, nexthopCount, message),
            -ROUTE_TRUNCATED,
          );
        }
      }),
      { numRuns: 60 },
    );
  });

  test('of random bytes never throw', () => {
    const decoded = new RouteMessage();
    const columns = new NexthopColumns();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), bytes => {
        const fault = FRR_8_4_4.route.decode(decoded, bytes, 0, bytes.length);
        assert.ok(fault >= 0 && fault <= 11);
        FRR_8_4_4.route.decodeNexthops(columns, bytes, 0, bytes.length, 3, MESSAGE_SRTE);
      }),
      { numRuns: 2000 },
    );
  });

  test('with a bad value name it and its place', () => {
    const out = new Uint8Array(200);
    const sample = routeOf({
      ...fc.sample(routeArbitrary, 1)[0]!,
      family: INET,
      words: [0x0a000000, 0, 0, 0],
      length: 8,
      message: MESSAGE_NEXTHOP,
      nexthops: [],
    });
    sample.bytes = new Uint8Array([0, 0, 0, 0, 9, 0, 1, 2, 3, 4]);
    sample.nexthopCount = 1;
    sample.nexthopEnd = 10;
    const end = FRR_8_4_4.route.encode(sample, 0, 8, out, 0);
    const decoded = new RouteMessage();
    const fault = FRR_8_4_4.route.decode(decoded, out, HEADER_BYTES, end);
    assert.equal(fault, ROUTE_BAD_NEXTHOP_TYPE);
    assert.equal(routeFaultText(fault, decoded, HEADER_BYTES), 'next-hop type 9 is not valid, at byte 21 of the body');
    out[HEADER_BYTES + 13] = 33;
    assert.equal(FRR_8_4_4.route.decode(decoded, out, HEADER_BYTES, end), ROUTE_BAD_PREFIX_LENGTH);
    out[HEADER_BYTES + 12] = 7;
    assert.equal(FRR_8_4_4.route.decode(decoded, out, HEADER_BYTES, end), ROUTE_BAD_FAMILY);
  });

  test('that do not fit the output are refused and written nowhere', () => {
    const route = routeOf(fc.sample(routeArbitrary, 1)[0]!);
    const out = new Uint8Array(40);
    assert.equal(FRR_8_4_4.route.encode(route, 0, 8, out, 0), -1);
    assert.ok(out.every(byte => byte === 0));
  });

  test('lose host bits that a client left in its prefix', () => {
    const body = Buffer.from('03000000000000000000000102140affff', 'hex');
    const decoded = new RouteMessage();
    assert.equal(FRR_8_4_4.route.decode(decoded, body, 0, body.length), ROUTE_OK);
    assert.equal(decoded.w0, 0x0afff000);
  });
});

const family = fc.constantFrom<Family>(INET, INET6);
const prefix = fc.tuple(family, words6, fc.integer({ min: 0, max: 128 })).map(([fam, words, length]) => ({
  family: fam,
  words: fam === INET ? ([words[0], 0, 0, 0] as AddressWords) : words,
  length: fam === INET ? Math.min(32, length) : length,
}));
const prefix6 = fc.tuple(words6, fc.integer({ min: 0, max: 128 })).map(([words, length]) => ({
  family: INET6 as Family,
  words,
  length,
}));
const bool = fc.boolean();
const name = (max: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...Array.from('abcXYZ019-_.')), maxLength: max });
const connect = fc.record({ routeType: u8, instance: u16 });
const link = fc.record({
  name: name(15),
  ifindex: u32,
  status: u8,
  flags: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  ptmEnable: u8,
  ptmStatus: u8,
  metric: u32,
  speed: u32,
  mtu: u32,
  mtu6: u32,
  bandwidth: u32,
  linkIfindex: u32,
  linkType: u32,
  hardwareAddress: fc.uint8Array({ maxLength: 20 }),
});
const address = fc.tuple(u32, u8, prefix, words6).map(([ifindex, flags, one, destination]) => ({
  ifindex,
  flags,
  address: one,
  destination: one.family === INET ? ([destination[0], 0, 0, 0] as AddressWords) : destination,
}));
const vrf = fc.record({ table: u32, netns: name(35), name: name(35) });
const locator = fc.record({ name: name(30), prefix: prefix6 });
const register = fc.record({
  entries: fc.array(fc.record({ connected: bool, resolveViaDefault: bool, safi: u16, prefix }), { maxLength: 4 }),
});
const radv = fc.record({ ifindex: u32, intervalS: u32 });
const range = fc.record({ start: u32, end: u32 });
const neighbor = fc.record({ ifindex: u32, address: prefix });
const updateNexthop = fc
  .tuple(u32, fc.integer({ min: 1, max: 6 }), words6, u32, u8, u32, fc.array(u32, { maxLength: 16 }))
  .map(([vrfId, type, words, ifindex, blackhole, weight, labels]) => ({
    vrf: vrfId,
    type,
    flags: (labels.length > 0 ? NEXTHOP_FLAG_LABEL : 0) | (weight !== 0 ? NEXTHOP_FLAG_WEIGHT : 0),
    gateway: (type === 2 || type === 3
      ? [words[0], 0, 0, 0]
      : type >= 4 && type < 6
        ? words
        : [0, 0, 0, 0]) as AddressWords,
    ifindex: type === 6 ? 0 : ifindex,
    blackhole: type === 6 ? blackhole : 0,
    weight,
    labels,
  }));
const labelledPaths = fc.oneof(
  fc.record({ lspType: u8, label: u32, nexthops: fc.array(updateNexthop, { maxLength: 5 }) }),
  fc.record({
    lspType: u8,
    label: u32,
    route: fc.record({
      prefix: prefix.map(({ family: fam, words, length }) => makePrefix(fam, words, length)),
      routeType: u8,
      instance: u16,
    }),
    nexthops: fc.array(updateNexthop, { maxLength: 5 }),
  }),
);
const afi = fc.record({ afi: u8 });

const clientMessages: { [Name in keyof ClientMessages]: fc.Arbitrary<ClientMessages[Name]> } = {
  HELLO: fc.record({ routeType: u8, instance: u16, session: u32, receiveNotify: bool, synchronous: bool }),
  INTERFACE_ADD: fc.constant({}),
  INTERFACE_DELETE: fc.constant({}),
  ROUTER_ID_ADD: fc.record({ afi: u16 }),
  ROUTER_ID_DELETE: fc.record({ afi: u16 }),
  REDISTRIBUTE_ADD: fc.record({ afi: u8, routeType: u8, instance: u16 }),
  REDISTRIBUTE_DELETE: fc.record({ afi: u8, routeType: u8, instance: u16 }),
  REDISTRIBUTE_DEFAULT_ADD: afi,
  REDISTRIBUTE_DEFAULT_DELETE: afi,
  NEXTHOP_REGISTER: register,
  NEXTHOP_UNREGISTER: register,
  VRF_UNREGISTER: fc.constant({}),
  VRF_LABEL: fc.record({ label: u32, afi: u8, lspType: u8 }),
  MPLS_LABELS_ADD: labelledPaths,
  MPLS_LABELS_DELETE: labelledPaths,
  MPLS_LABELS_REPLACE: labelledPaths,
  BFD_CLIENT_REGISTER: fc.record({ pid: u32 }),
  BFD_CLIENT_DEREGISTER: fc.record({ pid: u32 }),
  DUPLICATE_ADDR_DETECTION: fc.record({ data: fc.uint8Array({ maxLength: 30 }) }),
  INTERFACE_ENABLE_RADV: radv,
  INTERFACE_DISABLE_RADV: radv,
  CLIENT_CAPABILITIES: fc.oneof(
    fc.record({
      capability: fc.constantFrom(1, 5),
      vrf: u32,
      afi: fc.constant(0),
      safi: fc.constant(0),
      staleTimeS: u32,
    }),
    fc.record({ capability: fc.constantFrom(2, 3), vrf: u32, afi: u32, safi: u32, staleTimeS: fc.constant(0) }),
    fc.record({
      capability: fc.constant(4),
      vrf: u32,
      afi: fc.constant(0),
      safi: fc.constant(0),
      staleTimeS: fc.constant(0),
    }),
  ),
  ROUTE_NOTIFY_REQUEST: fc.record({ notify: bool }),
  LABEL_MANAGER_CONNECT: connect,
  LABEL_MANAGER_CONNECT_ASYNC: connect,
  GET_LABEL_CHUNK: fc.record({ routeType: u8, instance: u16, keep: u8, size: u32, base: u32 }),
  RELEASE_LABEL_CHUNK: fc.record({ routeType: u8, instance: u16, start: u32, end: u32 }),
  TABLE_MANAGER_CONNECT: connect,
  GET_TABLE_CHUNK: fc.record({ size: u32 }),
  RELEASE_TABLE_CHUNK: range,
  SRV6_MANAGER_GET_LOCATOR_CHUNK: fc.record({ name: name(30) }),
  SRV6_MANAGER_RELEASE_LOCATOR_CHUNK: fc.record({ name: name(30) }),
};

const serverMessages: { [Name in keyof ServerMessages]: fc.Arbitrary<ServerMessages[Name]> } = {
  CAPABILITIES: fc.record({ vrfBackend: u32, mpls: bool, ecmp: u32, mlagRole: u8 }),
  VRF_ADD: vrf,
  VRF_DELETE: vrf,
  INTERFACE_ADD: link,
  INTERFACE_DELETE: link,
  INTERFACE_UP: link,
  INTERFACE_DOWN: link,
  INTERFACE_ADDRESS_ADD: address,
  INTERFACE_ADDRESS_DELETE: address,
  INTERFACE_NBR_ADDRESS_ADD: neighbor,
  INTERFACE_NBR_ADDRESS_DELETE: neighbor,
  INTERFACE_VRF_UPDATE: fc.record({ ifindex: u32, newVrf: u32 }),
  ROUTER_ID_UPDATE: fc.record({ prefix }),
  NEXTHOP_UPDATE: fc
    .record({
      message: fc.constantFrom(0, MESSAGE_SRTE),
      safi: u16,
      match: prefix,
      resolved: prefix,
      color: u32,
      routeType: u8,
      instance: u16,
      distance: u8,
      metric: u32,
      nexthops: fc.array(updateNexthop, { maxLength: 5 }),
    })
    .map(one => (one.message === 0 ? { ...one, color: 0 } : one)),
  ROUTE_NOTIFY_OWNER: fc.tuple(fc.integer({ min: 0, max: 4 }), prefix, u32, u8, u8).map(([note, one, table, a, s]) => ({
    note,
    family: one.family,
    length: one.length,
    w0: one.words[0],
    w1: one.words[1],
    w2: one.words[2],
    w3: one.words[3],
    table,
    afi: a,
    safi: s,
  })),
  CLIENT_CLOSE_NOTIFY: fc.record({ routeType: u8, instance: u16, session: u32 }),
  LABEL_MANAGER_CONNECT: fc.record({ routeType: u8, instance: u16, result: u8 }),
  LABEL_MANAGER_CONNECT_ASYNC: fc.record({ routeType: u8, instance: u16, result: u8 }),
  GET_LABEL_CHUNK: fc.oneof(
    connect,
    fc.record({ routeType: u8, instance: u16, range: fc.record({ keep: u8, start: u32, end: u32 }) }),
  ),
  TABLE_MANAGER_CONNECT: fc.record({ result: u8 }),
  GET_TABLE_CHUNK: range,
  SRV6_LOCATOR_ADD: locator,
  SRV6_LOCATOR_DELETE: locator,
  SRV6_MANAGER_GET_LOCATOR_CHUNK: fc.record({
    name: name(30),
    prefix: prefix6,
    blockBits: u8,
    nodeBits: u8,
    functionBits: u8,
    argumentBits: u8,
    flags: u8,
  }),
  ERROR: fc.record({ error: u32 }),
};

/** Without prototypes: fast-check's records have none. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

describe('messages', () => {
  // Bodies that may end after any entry, or at all.
  const open = new Set(['DUPLICATE_ADDR_DETECTION', 'INTERFACE_ADD', 'INTERFACE_DELETE', 'VRF_UNREGISTER']);

  const check = (
    which: string,
    arbitrary: fc.Arbitrary<unknown>,
    encode: (message: never, bytes: Uint8Array) => number,
    decode: (bytes: Uint8Array, end: number) => unknown,
    mayEnd: boolean,
  ): void => {
    fc.assert(
      fc.property(arbitrary, message => {
        const out = new Uint8Array(16384);
        const end = encode(message as never, out);
        assert.deepEqual(plain(decode(out, end)), plain(message), which);
        for (let room = 0; room < end; room++) {
          assert.equal(encode(message as never, new Uint8Array(room)), -1, `${which} in ${room} bytes`);
        }
        if (mayEnd) return;
        for (let cut = HEADER_BYTES; cut < end; cut++) {
          let value: unknown;
          try {
            value = decode(out, cut);
          } catch (error) {
            assert.ok(error instanceof ZapiError && error.fault === 'body', `${which} cut at ${cut}: ${String(error)}`);
            continue;
          }
          // Lists and optional ends may be cut between two of their entries.
          assert.notDeepEqual(plain(value), plain(message), `${which} cut at ${cut}`);
        }
      }),
      { numRuns: 25 },
    );
  };

  for (const which of Object.keys(clientMessages) as (keyof ClientMessages)[]) {
    test(`${which} to zebra makes the round trip and bears to be cut`, () => {
      check(
        which,
        clientMessages[which],
        (message, bytes) => encodeToServer(FRR_8_4_4, which, message, 5, bytes, 0),
        (bytes, end) => decodeToServer(FRR_8_4_4, which, bytes, HEADER_BYTES, end),
        open.has(which),
      );
    });
  }
  for (const which of Object.keys(serverMessages) as (keyof ServerMessages)[]) {
    test(`${which} to a client makes the round trip and bears to be cut`, () => {
      check(
        which,
        serverMessages[which],
        (message, bytes) => encodeToClient(FRR_8_4_4, which, message, 5, bytes, 0),
        (bytes, end) => decodeToClient(FRR_8_4_4, which, bytes, HEADER_BYTES, end),
        false,
      );
    });
  }

  test('a value that cannot be is refused with the value', () => {
    assert.throws(
      () => FRR_8_4_4.toClient.ROUTER_ID_UPDATE.decode(new BodyReader(new Uint8Array([7, 0, 0, 0, 0, 0]))),
      /address family 7 is not valid/,
    );
    assert.throws(
      () => FRR_8_4_4.toClient.ROUTER_ID_UPDATE.decode(new BodyReader(new Uint8Array([2, 0, 0, 0, 0, 40]))),
      /prefix length 40 is not valid/,
    );
    assert.throws(
      () =>
        encodeToClient(FRR_8_4_4, 'VRF_ADD', { table: 1, netns: '', name: 'x'.repeat(36) }, 0, new Uint8Array(200), 0),
      /does not fit a field of 36 bytes/,
    );
  });
});

describe('the framer', () => {
  const frame = (length: number, marker = 254, version = 6): Uint8Array => {
    const bytes = new Uint8Array(Math.max(10, length));
    writeHeader(bytes, 0, length, 0, 8);
    bytes[2] = marker;
    bytes[3] = version;
    return bytes;
  };

  test('names what is wrong with a header, whole or in pieces', () => {
    for (const [bytes, pattern] of [
      [frame(20, 253), /marker is 253, not 254/],
      [frame(20, 254, 5), /version is 5, not 6/],
      [frame(9), /length 9 is not in 10–16384/],
      [frame(16385), /length 16385 is not in 10–16384/],
    ] as const) {
      const whole = new Framer();
      whole.push(bytes);
      assert.throws(() => whole.next(), pattern);
      const pieces = new Framer();
      assert.throws(() => {
        for (let i = 0; i < bytes.length; i++) {
          pieces.push(bytes, i, i + 1);
          pieces.next();
        }
      }, pattern);
    }
  });

  test('takes the longest frame, split anywhere', () => {
    const bytes = frame(16384);
    bytes[16383] = 77;
    for (const cut of [1, 9, 10, 11, 16383]) {
      const framer = new Framer();
      framer.push(bytes, 0, cut);
      assert.equal(framer.next(), false);
      framer.push(bytes, cut);
      assert.ok(framer.next());
      assert.equal(framer.bytes[framer.end - 1], 77);
      assert.equal(framer.next(), false);
    }
  });

  test('lets its owner stop in the middle of a chunk', () => {
    const framer = new Framer();
    const chunk = Buffer.concat([frame(12), frame(30), frame(11)]);
    framer.push(chunk);
    assert.ok(framer.next());
    assert.equal(framer.pending, 41);
    assert.throws(() => framer.push(chunk), /41 bytes of the last chunk are still unread/);
    assert.ok(framer.next());
    assert.ok(framer.next());
    assert.equal(framer.next(), false);
    assert.equal(framer.pending, 0);
  });
});
