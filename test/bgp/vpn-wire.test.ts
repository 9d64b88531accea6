// What prefixes of VPNs are made of: route distinguishers, route targets, labels, memberships. FRR's readings of the same octets are in
// vpn-wire-interop.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatIp4, readWord } from '../../src/net/index.ts';
import {
  isWithdrawnLabel,
  LABEL_BYTES,
  labelStackBytes,
  MAX_LABEL,
  readLabel,
  writeLabel,
  writeWithdrawnLabel,
} from '../../src/bgp/wire/labels.ts';
import { prefixWord, writePrefix6 } from '../../src/bgp/wire/nlri.ts';
import { formatRouteDistinguisher, parseRouteDistinguisher } from '../../src/bgp/wire/route-distinguisher.ts';
import {
  formatRouteTarget,
  isRouteTarget,
  parseOwned,
  parseRouteTarget,
  parseRouteTargets,
  SUBTYPE_ROUTE_ORIGIN,
} from '../../src/bgp/wire/route-target.ts';
import { checkMemberships, formatMembership, wantsTarget } from '../../src/bgp/wire/rt-membership.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const hexOf = (...words: number[]): string => words.map(word => word.toString(16).padStart(8, '0')).join('');

const word = fc.integer({ min: 0, max: 0xffffffff });
const half = fc.integer({ min: 0, max: 0xffff });
const owned = fc.oneof(
  fc.tuple(half, word).map(([as, number]) => `${as}:${number}`),
  fc.tuple(word, half).map(([address, number]) => `${formatIp4(address)}:${number}`),
  fc.tuple(fc.integer({ min: 0x10000, max: 0xffffffff }), half).map(([as, number]) => `${as}:${number}`),
);

// RFC 4364 §4.2.
const OWNED: readonly [string, string][] = [
  ['65001:10', '0000 fde9 0000000a'],
  ['0:0', '0000 0000 00000000'],
  ['65535:4294967295', '0000 ffff ffffffff'],
  ['1.1.1.1:5', '0001 01010101 0005'],
  ['255.255.255.255:65535', '0001 ffffffff ffff'],
  ['65536:5', '0002 00010000 0005'],
  ['4294967295:65535', '0002 ffffffff ffff'],
];

const NOT_OWNED: readonly string[] = [
  '',
  ' 65001:1',
  ...': 65001 65001: :5 a:5 65001:a 65001:5x 65001:-1 -1:5 65001:+5 65001:1:2'.split(' '),
  // No room.
  ...'65001:4294967296 65536:65536 1.1.1.1:65536 4294967296:1 256.1.1.1:5 99999999999:1 1:99999999999'.split(' '),
  // inet_aton(3) would have them.
  ...'1.5:5 1.1.1:5 01.1.1.1:5 1.1.1.1.1:5'.split(' '),
];

test('a route distinguisher is OWNER:NUMBER in three forms, and what has no room is none', () => {
  for (const [text, octets] of OWNED) {
    const pair = parseRouteDistinguisher(text);
    assert.ok(pair, text);
    assert.equal(hexOf(...pair), octets.replaceAll(' ', ''));
    assert.equal(formatRouteDistinguisher(...pair), text);
  }
  for (const text of NOT_OWNED) assert.equal(parseRouteDistinguisher(text), undefined, text);
  fc.assert(
    fc.property(owned, text => {
      const pair = parseRouteDistinguisher(text);
      assert.ok(pair);
      assert.equal(formatRouteDistinguisher(...pair), text);
    }),
  );
});

test('a route distinguisher of another type is shown by its octets', () => {
  assert.equal(formatRouteDistinguisher(0x0003fde9, 10), '0x0003fde90000000a');
  fc.assert(fc.property(word, word, (hi, lo) => formatRouteDistinguisher(hi, lo).length > 2));
});

test('a route target has the same form behind its own type', () => {
  for (const [text, octets] of OWNED) {
    const target = parseRouteTarget(text);
    assert.ok(target, text);
    const [type, ...rest] = octets.split(' ');
    assert.equal(hexOf(...target), `${type!.slice(2)}02${rest.join('')}`);
    assert.ok(isRouteTarget(target[0]));
    assert.equal(formatRouteTarget(...target), text);
    assert.equal(isRouteTarget(parseOwned(SUBTYPE_ROUTE_ORIGIN, text)![0]), false);
  }
  for (const text of NOT_OWNED) assert.equal(parseRouteTarget(text), undefined, text);
  // Not transitive; of an opaque type; a bandwidth.
  for (const octets of ['4002fde9', '03020000', '4004fde9', '00030000']) {
    assert.equal(isRouteTarget(readWord(hex(octets), 0)), false, octets);
  }
});

test('a line may have several route targets, and an error names the one that is none', () => {
  const texts = (line: string): string[] => parseRouteTargets(line).map(target => formatRouteTarget(...target));
  assert.deepEqual(texts('65001:20  1.1.1.1:5 65001:10 65001:020'), ['65001:20', '1.1.1.1:5', '65001:10']);
  for (const bad of ['65001:65536:1', 'both', '70000:65536']) {
    assert.throws(() => parseRouteTargets(`65001:1 ${bad} 65001:2`), { message: `'${bad}' is not a route target` });
  }
  assert.throws(() => parseRouteTargets(' '), RangeError);
});

test('labels are read and written as RFC 8277 has them', () => {
  const bytes = new Uint8Array(3);
  assert.equal(writeLabel(bytes, 0, 0x12345), LABEL_BYTES);
  assert.deepEqual(bytes, hex('123451'));
  writeLabel(bytes, 0, 3, false);
  assert.deepEqual(bytes, hex('000030'));
  // The traffic class does not count.
  assert.equal(readLabel(hex('12345f'), 0), 0x12345);
  writeWithdrawnLabel(bytes, 0);
  assert.deepEqual(bytes, hex('800000'));
  assert.ok(isWithdrawnLabel(bytes, 0));
  assert.ok(isWithdrawnLabel(hex('000000'), 0));
  assert.equal(isWithdrawnLabel(hex('800001'), 0), false);
  assert.equal(isWithdrawnLabel(hex('000031'), 0), false);
});

test('a stack of labels ends at its bottom, and one that has none is no stack', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 16, max: MAX_LABEL }), { minLength: 1, maxLength: 5 }),
      fc.nat(4),
      (labels, from) => {
        const bytes = new Uint8Array(from + labels.length * LABEL_BYTES + 4).fill(0x10);
        let at = from;
        for (const [i, label] of labels.entries()) at += writeLabel(bytes, at, label, i === labels.length - 1);
        assert.equal(labelStackBytes(bytes, from, bytes.length), at - from);
        for (const [i, label] of labels.entries()) assert.equal(readLabel(bytes, from + i * LABEL_BYTES), label);
        for (let end = from; end < at; end++) assert.equal(labelStackBytes(bytes, from, end), 0, 'cut');
      },
    ),
  );
  assert.equal(labelStackBytes(hex('800000 123451'), 0, 6), 3);
  assert.equal(labelStackBytes(hex('000000 123451'), 0, 6), 3);
  assert.equal(labelStackBytes(hex('123450 000000 123451'), 0, 9), 9, 'explicit null below another one is a label');
  assert.equal(labelStackBytes(hex('123450'), 0, 3), 0);
  assert.equal(labelStackBytes(hex(''), 0, 0), 0);
});

test('memberships are prefixes without a length inside the AS', () => {
  const one = '60 0000fde9 0002fde90000000a';
  assert.ok(checkMemberships(hex(''), 0, 0));
  assert.ok(checkMemberships(hex(`00 ${one} 20 0000fde9 30 0000fde9 0002`), 0, 27));
  assert.ok(checkMemberships(hex(`00000001 ${one} 00000002 00`), 0, 22, 4));
  for (let length = 0; length < 256; length++) {
    const bytes = new Uint8Array(1 + ((length + 7) >> 3));
    bytes[0] = length;
    assert.equal(checkMemberships(bytes, 0, bytes.length), length === 0 || (length >= 32 && length <= 96), `${length}`);
  }
  const bytes = hex(one);
  for (let end = 1; end < bytes.length; end++) assert.equal(checkMemberships(bytes, 0, end), false, `cut at ${end}`);
  assert.equal(checkMemberships(hex('00000001 00 0000'), 0, 7, 4), false);
});

test('a membership goes to words and back', () => {
  const length = fc.oneof(fc.constant(0), fc.integer({ min: 32, max: 96 }));
  fc.assert(
    fc.property(word, word, word, length, (w0, w1, w2, bits) => {
      const bytes = new Uint8Array(16);
      const written = writePrefix6(bytes, 0, w0, w1, w2, 0, bits);
      assert.ok(checkMemberships(bytes, 0, written));
      const words = [0, 1, 2, 3].map(i => prefixWord(bytes, 0, i));
      const again = new Uint8Array(16);
      writePrefix6(again, 0, words[0]!, words[1]!, words[2]!, 0, bits);
      assert.deepEqual(
        [0, 1, 2, 3].map(i => prefixWord(again, 0, i)),
        words,
      );
      const asBits = (all: readonly number[]): string => all.map(w => w.toString(2).padStart(32, '0')).join('');
      assert.equal(asBits(words), asBits([w0, w1, w2]).slice(0, bits).padEnd(128, '0'));
    }),
  );
});

test('a membership wants the targets that begin as it does', () => {
  const [hi, lo] = parseRouteTarget('65001:10')!;
  assert.ok(wantsTarget(96, hi, lo, hi, lo));
  assert.ok(wantsTarget(0, 0, 0, hi, lo));
  assert.ok(wantsTarget(32, 0, 0, hi, lo));
  assert.ok(wantsTarget(64, hi, 0, hi, lo), 'all targets of the AS');
  assert.equal(wantsTarget(64, hi ^ 1, 0, hi, lo), false);
  assert.ok(wantsTarget(95, hi, 10, hi, 11));
  assert.equal(wantsTarget(96, hi, 10, hi, 11), false);
  assert.equal(wantsTarget(96, hi, 0x8000000a, hi, lo), false);
  fc.assert(
    fc.property(word, word, fc.integer({ min: 32, max: 96 }), fc.nat(63), (w1, w2, length, bit) => {
      const [hi2, lo2] = bit < 32 ? [(w1 ^ (1 << (31 - bit))) >>> 0, w2] : [w1, (w2 ^ (1 << (63 - bit))) >>> 0];
      assert.equal(wantsTarget(length, w1, w2, hi2, lo2), bit + 32 >= length);
    }),
  );
});

test('a membership is shown as its AS and target', () => {
  const [hi, lo] = parseRouteTarget('1.1.1.1:5')!;
  assert.equal(formatMembership(65001, hi, lo, 96), '65001:1.1.1.1:5/96');
  assert.equal(formatMembership(0, 0, 0, 0), 'default');
  assert.equal(formatMembership(65001, 0, 0, 32), '65001/32');
  assert.equal(formatMembership(65001, 0x00020000, 0, 48), '65001:0x0002000000000000/48');
  assert.equal(formatMembership(65001, 0x0003fde9, 1, 96), '65001:0x0003fde900000001/96');
});
