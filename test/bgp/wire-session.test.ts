// The messages that a session itself speaks: what is written can be read again, and whatever arrives, parsers answer with a
// value or with a mistake of the peer's, never with an exception.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Capability, familyName, readCapability, writeCapability } from '../../src/bgp/wire/capability.ts';
import {
  checkHeader,
  encodeMessage,
  encodeNotification,
  EXTENDED_MESSAGE_BYTES,
  HEADER_BYTES,
  headerError,
  KEEPALIVE,
  MAXIMUM_MESSAGE_BYTES,
  MessageType,
} from '../../src/bgp/wire/message.ts';
import {
  formatNotification,
  isPeerError,
  parseNotification,
  peerError,
  shutdownData,
  shutdownText,
} from '../../src/bgp/wire/notification.ts';
import { encodeOpen, type Open, parseOpen } from '../../src/bgp/wire/open.ts';
import { encodeRouteRefresh, parseRouteRefresh } from '../../src/bgp/wire/refresh.ts';
import { MessageTracker } from '../../src/bgp/io/outbox.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const body = (message: Uint8Array): Uint8Array => message.subarray(HEADER_BYTES);

/** Records like those that parsers make: with Object's prototype, for deepEqual. */
const plain = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record<T>(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
const byte = fc.nat(255);
const word16 = fc.nat(65535);
const family = plain({ afi: word16, safi: byte });
const capability: fc.Arbitrary<Capability> = fc.oneof(
  plain({ kind: fc.constant('multiprotocol' as const), family }),
  fc.constant<Capability>({ kind: 'routeRefresh' }),
  fc.constant<Capability>({ kind: 'extendedMessage' }),
  fc.constant<Capability>({ kind: 'enhancedRefresh' }),
  plain({ kind: fc.constant('as4' as const), as: fc.nat(0xffffffff) }),
  plain({
    kind: fc.constant('gracefulRestart' as const),
    restart: plain({
      restarting: fc.boolean(),
      notification: fc.boolean(),
      timeS: fc.nat(4095),
      families: fc.array(plain({ afi: word16, safi: byte, forwarding: fc.boolean() }), { maxLength: 20 }),
    }),
  }),
  fc.constant<Capability>({ kind: 'oldRouteRefresh' }),
  plain({
    kind: fc.constant('addPath' as const),
    families: fc.array(
      fc
        .constantFrom([true, false], [false, true], [true, true])
        .chain(([receive, send]) =>
          plain({ afi: word16, safi: byte, receive: fc.constant(receive!), send: fc.constant(send!) }),
        ),
      { maxLength: 10 },
    ),
  }),
  plain({
    kind: fc.constant('longLivedRestart' as const),
    families: fc.array(plain({ afi: word16, safi: byte, forwarding: fc.boolean(), staleTimeS: fc.nat(0xffffff) }), {
      maxLength: 10,
    }),
  }),
  plain({ kind: fc.constant('role' as const), role: byte }),
  plain({
    kind: fc.constant('fqdn' as const),
    hostname: fc.string({ maxLength: 64 }),
    domainname: fc.string({ maxLength: 64 }),
  }),
  plain({
    kind: fc.constant('unknown' as const),
    code: fc.integer({ min: 129, max: 255 }),
    value: fc.uint8Array({ maxLength: 255 }),
  }),
);
const open: fc.Arbitrary<Open> = plain({
  as2: word16,
  holdTimeS: word16,
  routerId: fc.nat(0xffffffff),
  capabilities: fc.array(capability, { maxLength: 14 }),
});

void test('an OPEN comes back as it was written, in the form of RFC 9072 where it is asked for or needed', () => {
  let [narrow, wide] = [0, 0];
  fc.assert(
    fc.property(open, fc.boolean(), (value, asked) => {
      const bytes = encodeOpen(asked ? { ...value, extended: true } : value);
      assert.equal(checkHeader(bytes, 0, MAXIMUM_MESSAGE_BYTES), bytes.length);
      const sizes = value.capabilities.map(one => writeCapability(one).length);
      const needed = sizes.some(size => size > 255) || sizes.reduce((sum, size) => sum + size + 2, 0) > 254;
      const extended = asked || needed;
      const came = { ...value, ...(extended && { extended }) };
      assert.deepEqual(parseOpen(bytes, HEADER_BYTES, bytes.length - HEADER_BYTES), came);
      // §2: both the length and the type are 255 then, and never 255 otherwise.
      const at = HEADER_BYTES + 9;
      assert.equal(bytes[at] === 255, extended);
      if (extended) assert.equal(bytes[at + 1], 255);
      if (extended) wide++;
      else narrow++;
    }),
    { numRuns: 300 },
  );
  assert.ok(narrow > 20 && wide > 20, `${narrow} and ${wide}`);
});

void test('the form of RFC 9072 is known by its type, whatever the length before it says but zero', () => {
  const long = `02 0080 ${'41 04 0000fdea '.repeat(21)}02 00`; // 128 bytes of capabilities in one parameter
  const parse = (text: string): unknown => parseOpen(hex(text), 0, hex(text).length);
  for (const length of ['ff', '01', '83']) {
    const result = parse(`04 fdea 00b4 0a000002 ${length} ff 0083 ${long}`) as Open;
    assert.equal(result.extended, true);
    assert.equal(result.capabilities.length, 22);
  }
  assert.deepEqual(parse(`04 fdea 00b4 0a000002 00 ff 0083 ${long}`), peerError(2, 0));
  assert.deepEqual(parse(`04 fdea 00b4 0a000002 ff ff 0082 ${long}`), peerError(2, 0), 'too short');
  assert.deepEqual(parse('04 fdea 00b4 0a000002 ff ff 00'), peerError(2, 0), 'cut');
  // No parameters at all, in many words.
  assert.deepEqual((parse('04 fdea 00b4 0a000002 ff ff 0000') as Open).capabilities, []);
});

void test('an OPEN that ends too early anywhere is a mistake of the peer, and never an exception', () => {
  fc.assert(
    fc.property(open, fc.boolean(), (value, extended) => {
      const bytes = body(encodeOpen(extended ? { ...value, extended } : value));
      for (let length = 0; length < bytes.length; length++) {
        const result = parseOpen(bytes.slice(0, length), 0, length);
        assert.ok(isPeerError(result) && result.code === 2, `cut to ${length} of ${bytes.length}`);
      }
    }),
    { numRuns: 40 },
  );
});

void test('no bytes at all make the parsers throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      parseOpen(bytes, 0, bytes.length);
      parseOpen(Uint8Array.from([4, ...bytes]), 0, bytes.length + 1);
      parseNotification(bytes, 0, bytes.length);
      parseRouteRefresh(bytes, 0, bytes.length);
      readCapability(bytes[0] ?? 0, bytes.subarray(1));
    }),
    { numRuns: 2000 },
  );
});

void test('an OPEN as FRR sends it is understood', () => {
  const bytes = hex(
    '04 fdea 00b4 0a000002 24' +
      '02 06 01 04 0001 00 01' + // IPv4 unicast
      '02 02 80 00 02 02 02 00' + // route refresh, old and new
      '02 06 41 04 0000fdea' + // 4-octet AS
      '02 02 06 00' + // extended messages
      '02 06 45 04 00010101', // ADD-PATH: receives
  );
  assert.deepEqual(parseOpen(bytes, 0, bytes.length), {
    as2: 65002,
    holdTimeS: 180,
    routerId: 0x0a000002,
    capabilities: [
      { kind: 'multiprotocol', family: { afi: 1, safi: 1 } },
      { kind: 'oldRouteRefresh' },
      { kind: 'routeRefresh' },
      { kind: 'as4', as: 65002 },
      { kind: 'extendedMessage' },
      { kind: 'addPath', families: [{ afi: 1, safi: 1, receive: true, send: false }] },
    ],
  });
});

void test('a wrong version is answered with ours, an unknown parameter with its own subcode', () => {
  assert.deepEqual(parseOpen(hex('03 fdea 00b4 0a000002 00'), 0, 10), peerError(2, 1, hex('0004')));
  assert.deepEqual(parseOpen(hex('04 fdea 00b4 0a000002 03 01 01 00'), 0, 13), peerError(2, 4));
});

void test('several capabilities may share one parameter', () => {
  const bytes = hex('04 fdea 00b4 0a000002 0c 02 0a 02 00 41 04 0000fdea 06 00');
  const result = parseOpen(bytes, 0, bytes.length);
  assert.ok(!isPeerError(result));
  assert.deepEqual(
    result.capabilities.map(one => one.kind),
    ['routeRefresh', 'as4', 'extendedMessage'],
  );
});

void test('a capability whose value makes no sense is kept as unknown', () => {
  assert.deepEqual(readCapability(65, hex('0001')), { kind: 'unknown', code: 65, value: hex('0001') });
  assert.deepEqual(writeCapability(readCapability(73, hex('02616205'))), hex('49 04 02616205'));
});

void test('headers are judged in the order of RFC 4271 §6.1', () => {
  const good = encodeMessage(MessageType.update, new Uint8Array(4));
  assert.equal(checkHeader(good, 0, MAXIMUM_MESSAGE_BYTES), 23);
  const bad = (change: (bytes: Uint8Array) => void, maximum: number = MAXIMUM_MESSAGE_BYTES): unknown => {
    const bytes = good.slice();
    change(bytes);
    assert.equal(checkHeader(bytes, 0, maximum), -1);
    return headerError(bytes, 0, maximum);
  };
  assert.deepEqual(
    bad(bytes => (bytes[7] = 0)),
    peerError(1, 1),
  );
  assert.deepEqual(
    bad(bytes => (bytes[17] = 18)),
    peerError(1, 2, hex('0012')),
  );
  assert.deepEqual(
    bad(bytes => (bytes[17] = 22)),
    peerError(1, 2, hex('0016')),
  );
  assert.deepEqual(
    bad(bytes => (bytes[16] = 17)),
    peerError(1, 2, hex('1117')),
  );
  assert.deepEqual(
    bad(bytes => (bytes[18] = 9)),
    peerError(1, 3, hex('09')),
  );
  const long = encodeMessage(MessageType.open, new Uint8Array(5000));
  assert.equal(checkHeader(long, 0, EXTENDED_MESSAGE_BYTES), -1, 'OPEN never is an extended message');
  assert.equal(checkHeader(encodeMessage(MessageType.update, new Uint8Array(5000)), 0, EXTENDED_MESSAGE_BYTES), 5019);
  assert.equal(checkHeader(KEEPALIVE, 0, MAXIMUM_MESSAGE_BYTES), 19);
  assert.equal(checkHeader(encodeMessage(MessageType.keepalive, new Uint8Array(1)), 0, MAXIMUM_MESSAGE_BYTES), -1);
});

void test('a NOTIFICATION comes back as it was written, with names for people', () => {
  fc.assert(
    fc.property(byte, byte, fc.uint8Array({ maxLength: 100 }), (code, subcode, data) => {
      const bytes = encodeNotification(peerError(code, subcode, data));
      assert.deepEqual(parseNotification(bytes, 19, bytes.length - 19), { code, subcode, data });
    }),
  );
  assert.equal(formatNotification(peerError(6, 2)), 'Cease/Administrative Shutdown');
  assert.equal(formatNotification(peerError(4, 0)), 'Hold Timer Expired');
  assert.equal(formatNotification(peerError(99, 3)), 'code 99/subcode 3');
});

void test('a shutdown communication keeps whole characters and fits into 255 bytes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), text => {
      const data = shutdownData(text);
      assert.ok(data.length <= 256);
      const back = shutdownText(peerError(6, 2, data));
      assert.ok(text.toWellFormed().startsWith(back ?? ''));
      if (Buffer.byteLength(text) <= 255 && text !== '') assert.equal(back, text.toWellFormed());
    }),
  );
  assert.equal(shutdownText(peerError(6, 2, hex('03 ff ff ff'))), undefined, 'not UTF-8');
  assert.equal(shutdownText(peerError(6, 4, hex('09 61'))), undefined, 'longer than the data');
});

void test('ROUTE-REFRESH comes back as it was written', () => {
  const refresh = { afi: 2, safi: 1, kind: 0 };
  assert.deepEqual(parseRouteRefresh(encodeRouteRefresh(refresh), 19, 4), refresh);
  const short = parseRouteRefresh(hex('0001'), 0, 2);
  assert.ok(isPeerError(short) && short.code === 7 && short.subcode === 1 && short.data.length === 21);
});

void test('families have the names of FRR', () => {
  assert.equal(familyName({ afi: 2, safi: 1 }), 'ipv6Unicast');
  assert.equal(familyName({ afi: 9, safi: 9 }), 'afi9/safi9');
});

void test('the boundaries of outgoing messages are known, however the socket takes the bytes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 10 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (bodies, pieces) => {
        const stream = Buffer.concat(bodies.map(size => encodeMessage(MessageType.update, new Uint8Array(size))));
        const ends = new Set<number>();
        for (let i = 0, end = 0; i < bodies.length; i++) ends.add((end += bodies[i]! + HEADER_BYTES));
        const tracker = new MessageTracker();
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = Math.min(pieces[i % pieces.length]!, stream.length - at);
          tracker.advance(stream, at, size);
          at += size;
          assert.equal(tracker.position === 0, ends.has(at), `after ${at} bytes`);
        }
      },
    ),
  );
});
