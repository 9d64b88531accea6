import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  AF_INET,
  AF_INET6,
  containsAddress,
  containsPrefix,
  formatIp4,
  formatIp6,
  formatPrefix,
  parseAddress,
  parseIp4,
  parseIp6,
  parsePrefix,
  readAddress,
  writeAddress,
} from '../../src/net/index.ts';

const word = fc.integer({ min: 0, max: 0xffffffff });
const sparseWord = fc.oneof(fc.constant(0), word, fc.integer({ min: 0, max: 0xffff }));

test('an IPv4 address survives text', () => {
  fc.assert(
    fc.property(word, value => {
      assert.equal(parseIp4(formatIp4(value)), value);
      assert.ok(isIPv4(formatIp4(value)));
    }),
  );
});

test('an IPv6 address survives text, and the text is what the platform would write', () => {
  fc.assert(
    fc.property(sparseWord, sparseWord, sparseWord, sparseWord, (a, b, c, d) => {
      const text = formatIp6(a, b, c, d);
      assert.deepEqual(parseIp6(text), [a, b, c, d]);
      // The URL standard's serializer also shortens the first longest run (but never writes a dotted tail).
      if (!text.includes('.')) assert.equal(new URL(`http://[${text}]/`).hostname, `[${text}]`);
    }),
  );
});

test('what is an address and what is not agrees with the platform', () => {
  const piece = fc.constantFrom('0', '1', '255', '256', '01', 'ffff', '10000', '', 'g', '1.2.3.4', '-1', ' ');
  const text = fc.tuple(fc.array(piece, { maxLength: 9 }), fc.constantFrom('.', ':', '::')).map(([p, s]) => p.join(s));
  fc.assert(
    fc.property(fc.oneof(text, fc.string({ unit: 'grapheme-ascii', maxLength: 20 })), candidate => {
      assert.equal(parseIp4(candidate) >= 0, isIPv4(candidate), candidate);
      assert.equal(parseIp6(candidate) !== undefined, isIPv6(candidate) && !candidate.includes('%'), candidate);
    }),
    { numRuns: 2000 },
  );
});

test('addresses survive network order', () => {
  const bytes = new Uint8Array(20);
  fc.assert(
    fc.property(word, word, word, word, (a, b, c, d) => {
      assert.equal(writeAddress(AF_INET6, [a, b, c, d], bytes, 3), 16);
      assert.deepEqual(readAddress(AF_INET6, bytes, 3), [a, b, c, d]);
      assert.equal(writeAddress(AF_INET, [a, 0, 0, 0], bytes, 1), 4);
      assert.deepEqual(readAddress(AF_INET, bytes, 1), [a, 0, 0, 0]);
    }),
  );
});

test('prefixes lose their host bits and keep their text', () => {
  assert.equal(formatPrefix(parsePrefix('10.1.2.3/8')!), '10.0.0.0/8');
  assert.equal(formatPrefix(parsePrefix('2001:db8:ffff::1/33')!), '2001:db8:8000::/33');
  assert.equal(formatPrefix(parsePrefix('192.0.2.1')!), '192.0.2.1/32');
  for (const bad of ['10.0.0.0/33', '10.0.0.0/', '::/129', '10.0.0/8', '10.0.0.0/-1', '10.0.0.0/8 ', '/8', '']) {
    assert.equal(parsePrefix(bad), undefined, bad);
  }
});

test('containment follows prefix lengths', () => {
  const ten = parsePrefix('10.0.0.0/8')!;
  assert.ok(containsPrefix(ten, parsePrefix('10.255.0.0/16')!));
  assert.ok(containsPrefix(ten, ten));
  assert.ok(!containsPrefix(parsePrefix('10.0.0.0/16')!, ten));
  assert.ok(!containsPrefix(parsePrefix('::/0')!, ten));
  const inside = parseAddress('10.9.9.9')!;
  assert.ok(containsAddress(ten, inside.family, inside.words));
});
