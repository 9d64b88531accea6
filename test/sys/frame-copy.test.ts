import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameCopy } from '../../src/sys/index.ts';

const BYTES = 2050;

test('a copy is that of set, and spills over no word', () => {
  const source = Uint8Array.from({ length: BYTES }, (_, i) => (i * 7 + (i >> 8)) & 255);
  const target = new Uint8Array(new SharedArrayBuffer(BYTES));
  const copy = new FrameCopy(source, target);
  const place = fc.integer({ min: 0, max: BYTES });
  fc.assert(
    fc.property(place, place, fc.oneof(fc.integer({ min: 0, max: 100 }), place), (from, to, wanted) => {
      const length = Math.min(wanted, BYTES - from, BYTES - to);
      target.fill(0xee);
      copy.copy(from, to, length);
      assert.deepEqual(target.subarray(to, to + length), source.subarray(from, from + length));
      const before = target.subarray(0, to & ~3);
      const after = target.subarray((to + length + 3) & ~3);
      assert.ok(before.every(byte => byte === 0xee));
      assert.ok(after.every(byte => byte === 0xee));
    }),
    {
      numRuns: 2000,
      examples: [
        [2, 2, 60],
        [66, 34, 60],
        [BYTES - 4, BYTES - 8, 4],
        [BYTES - 3, BYTES - 7, 3],
      ],
    },
  );
});

test('what lies outside is refused', () => {
  const copy = new FrameCopy(new Uint8Array(100), new Uint8Array(100));
  assert.throws(() => copy.copy(0, 96, 8), RangeError);
  assert.throws(() => new FrameCopy(new Uint8Array(100).subarray(1), new Uint8Array(100)), RangeError);
});
