// The forwarding tables against the longest match written as plainly as it can be, over random insertions and removals that crowd
// the lengths where levels begin and end; and against memory that a reader must no longer see.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { type AddressWords, maskWords, writeWord } from '../../../src/net/index.ts';
import { Fib4, Fib4Reader } from '../../../src/netgraph/lib/fib4.ts';
import { Fib6, Fib6Reader } from '../../../src/netgraph/lib/fib6.ts';
import { FIB_MAX_NEXT_HOP, FibFullError } from '../../../src/netgraph/lib/fib-trie.ts';

const atOnce = (free: () => void): void => free();

interface Change {
  words: AddressWords;
  length: number;
  hop: number;
}

/** Prefixes near each other, so that they cover each other: few values for each byte, lengths around the levels' ends. */
function change(bits: 32 | 128): fc.Arbitrary<Change> {
  const byte = fc.constantFrom(0, 1, 127, 128, 255);
  const edge = fc.nat(bits / 8).chain(level => fc.constantFrom(level * 8 - 1, level * 8, level * 8 + 1));
  return fc
    .record({
      bytes: fc.array(byte, { minLength: bits / 8, maxLength: bits / 8 }),
      length: fc.oneof(edge, fc.nat(bits)).map(length => Math.max(0, Math.min(bits, length))),
      hop: fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 1, max: FIB_MAX_NEXT_HOP }) }, fc.constant(0)),
    })
    .map(({ bytes, length, hop }) => ({ words: maskWords(wordsOf(bytes), length), length, hop }));
}

function wordsOf(bytes: ArrayLike<number>): AddressWords {
  const word = (at: number): number =>
    (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>>
    0;
  return [word(0), word(4), word(8), word(12)];
}

class Naive {
  readonly routes = new Map<string, Change>();

  apply(change: Change): void {
    const key = `${change.words.join(':')}/${change.length}`;
    if (change.hop === 0) this.routes.delete(key);
    else this.routes.set(key, change);
  }

  lookup(words: AddressWords): number {
    let best = -1;
    let hop = 0;
    for (const route of this.routes.values()) {
      if (route.length > best && maskWords(words, route.length).join() === route.words.join()) {
        best = route.length;
        hop = route.hop;
      }
    }
    return hop;
  }
}

/** The first and last address of the prefix, and their neighbours. */
function edges({ words, length }: Change, bits: 32 | 128): AddressWords[] {
  const bytes = new Uint8Array(16);
  words.forEach((word, i) => writeWord(bytes, i * 4, word));
  const last = bytes.slice();
  for (let bit = length; bit < bits; bit++) last[bit >> 3]! |= 128 >> (bit & 7);
  const after = last.slice();
  for (let at = bits / 8 - 1; at >= 0; at--) {
    after[at]!++;
    if (after[at] !== 0) break;
  }
  return [wordsOf(bytes), wordsOf(last), wordsOf(after)];
}

describe('forwarding table', () => {
  for (const bits of [32, 128] as const) {
    test(`${bits} bits: as the naive longest match, after every change`, () => {
      fc.assert(
        fc.property(fc.array(change(bits), { maxLength: 60 }), changes => {
          const four = new Fib4(atOnce, 300);
          const six = new Fib6(atOnce, 1000);
          const reader4 = new Fib4Reader(four.memory);
          const reader6 = new Fib6Reader(six.memory);
          const naive = new Naive();
          const packet = new Uint8Array(20);
          const one = new Uint32Array(1);
          const out = new Int32Array(1);
          for (const each of changes) {
            const [w0, w1, w2, w3] = each.words;
            const known = naive.routes.has(`${each.words.join(':')}/${each.length}`);
            if (bits === 32) {
              if (each.hop > 0) four.insert(w0, each.length, each.hop);
              else assert.equal(four.remove(w0, each.length), known);
              assert.equal(four.find(w0, each.length), each.hop);
            } else if (each.hop > 0) six.insert(w0, w1, w2, w3, each.length, each.hop);
            else assert.equal(six.remove(w0, w1, w2, w3, each.length), known);
            naive.apply(each);
            for (const probe of changes
              .slice(0, 8)
              .concat(each)
              .flatMap(change => edges(change, bits))) {
              const expected = naive.lookup(probe);
              probe.forEach((word, i) => writeWord(packet, 3 + i * 4, word));
              if (bits === 128) assert.equal(reader6.lookupAt(packet, 3), expected);
              else {
                one[0] = probe[0];
                reader4.lookupMany(one, out, 1);
                assert.equal(out[0], expected);
                assert.equal(reader4.lookup(probe[0]), expected);
                assert.equal(reader4.lookupAt(packet, 3), expected);
              }
            }
          }
          // With the last route goes the last group.
          for (const { words, length } of naive.routes.values()) {
            if (bits === 32) four.remove(words[0], length);
            else six.remove(...words, length);
          }
          for (const { stats } of [{ stats: four.stats() }, { stats: six.stats() }]) {
            assert.deepEqual([stats.routes, stats.groups, stats.retired], [0, 0, 0]);
          }
        }),
        { numRuns: 120 },
      );
    });
  }

  test('a group is not filled anew before its readers have let go', () => {
    const waiting: (() => void)[] = [];
    const fib = new Fib4(free => waiting.push(free), 3);
    const reader = new Fib4Reader(fib.memory);
    fib.insert(0x0a000000, 16, 9);
    fib.insert(0x0a000000, 24, 1);
    fib.insert(0x0b000000, 24, 2);
    assert.ok(fib.remove(0x0a000000, 24));
    assert.deepEqual([fib.stats().groups, fib.stats().retired], [1, 1]);
    // A reader that had come as far as the group still finds in it what covers it, though others are filled.
    fib.insert(0x0c000000, 24, 3);
    const group = new Int32Array(fib.memory, 65_536 * 4, 256);
    assert.ok(group.every(word => (word & FIB_MAX_NEXT_HOP) === 9));
    assert.throws(() => fib.insert(0x0d000000, 24, 4), FibFullError);
    assert.throws(() => fib.insert(0x0d000000, 24, 4), /all 3 groups are in use.*13\.0\.0\.0\/24/);
    assert.deepEqual([reader.lookup(0x0d000001), fib.stats().routes], [0, 3]);
    assert.equal(waiting.length, 1);
    waiting[0]!();
    fib.insert(0x0d000000, 24, 4);
    assert.equal(reader.lookup(0x0d0000ff), 4);
    assert.equal(reader.lookup(0x0a0000ff), 9);
    assert.equal(fib.stats().retired, 0);
  });

  test('what is not a prefix or a next hop is refused with its value', () => {
    const fib = new Fib4(atOnce, 4);
    assert.throws(() => fib.insert(0x0a000001, 24, 1), /10\.0\.0\.1\/24 has bits set/);
    assert.throws(() => fib.insert(0, 33, 1), /not 33/);
    assert.throws(() => fib.insert(0, 0, 0), /not 0/);
    assert.throws(() => fib.insert(0, 0, FIB_MAX_NEXT_HOP + 1), /8388608/);
    assert.throws(() => fib.remove(1, 8), RangeError);
    assert.throws(() => new Fib6(atOnce, 4).insert(0x20010db8, 0, 0, 1, 64, 1), /2001:db8::1\/64/);
    assert.throws(() => new Fib4(atOnce, 0), /not 0/);
    assert.equal(fib.stats().routes, 0);
  });

  test('a reader in another thread sees a route that is always there, whatever comes and goes around it', async () => {
    // The next hop of an address is 1 (a /16), 2 (a /24 within) or 3 (a /32 within): anything else is freed or half-made memory.
    const waiting: (() => void)[] = [];
    const fib = new Fib4(free => waiting.push(free), 64);
    fib.insert(0x0a000000, 16, 1);
    fib.insert(0x0b000000, 16, 4);
    const flags = new Int32Array(new SharedArrayBuffer(16));
    const worker = new Worker(new URL('fib-reader.ts', import.meta.url), { workerData: { memory: fib.memory, flags } });
    const ended = new Promise<number>(resolve => worker.once('exit', resolve));
    while (Atomics.load(flags, 0) === 0) Atomics.wait(flags, 3, 0, 1);
    for (let round = 0; round < 3000; round++) {
      const base = (round & 1) === 0 ? 0x0a000000 : 0x0b000000;
      fib.insert(base, 24, 2);
      fib.insert(base + 5, 32, 3);
      fib.remove(base + 5, 32);
      fib.remove(base, 24);
      // A grace period: the reader's count of quiescent states goes on by two.
      if (waiting.length > 30) {
        const before = Atomics.load(flags, 0);
        while (((Atomics.load(flags, 0) - before) | 0) < 2) Atomics.wait(flags, 3, 0, 0.01);
        for (const free of waiting.splice(0)) free();
      }
    }
    Atomics.store(flags, 1, 1);
    assert.equal(await ended, 0);
    assert.equal(flags[2], 0, 'look-ups that answered what never was');
  });
});
