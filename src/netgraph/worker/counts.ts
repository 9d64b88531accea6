// Counters of nodes and hooks: kept where they are counted, in the worker's own memory as doubles (whole numbers to 2^53), and
// copied at times into memory that others may read.
//
//    block of one worker    word 0: version, odd while it is written      word 1 + 2i, 2 + 2i: counter i, low and high
//
// Why a reader gets counters of one moment: it reads the version, the words, and the version again, and starts over where the version
// was odd or is another. All accesses are atomics of one order, so words read between two equal even versions were all written before.
import { load, store, words } from '../../concurrency/index.ts';
import type { Place } from './plan.ts';

/** Bytes of one worker's block of `counters`; whole cache lines in pairs, so that no two workers write to one. */
export function blockBytes(counters: number): number {
  return (4 * (1 + 2 * counters) + 127) & -128;
}

/** A worker's own counters with their place in shared memory. */
export class Counts {
  /** Counter i, in this worker's memory. */
  readonly values: Float64Array;
  readonly #shown: Float64Array;
  #words: Int32Array | undefined;
  /** Word of the block, where it has one. */
  #at = 0;
  #version = 0;

  constructor(memory: SharedArrayBuffer, place: Place | undefined, worker: number, counters: number) {
    this.values = new Float64Array(counters);
    this.#shown = new Float64Array(counters);
    this.#begin(memory, place, worker);
  }

  /** The counters of a node or hook that is no more begin again, for another: arrays cost more to make than nodes. */
  reuse(memory: SharedArrayBuffer, place: Place | undefined, worker: number): void {
    // Some twenty: `fill` is a call each that takes longer.
    for (let i = 0; i < this.values.length; i++) this.values[i] = this.#shown[i] = 0;
    this.#begin(memory, place, worker);
  }

  #begin(memory: SharedArrayBuffer, place: Place | undefined, worker: number): void {
    this.#words = place && wholeOf(memory);
    this.#version = 0;
    const words = this.#words;
    if (!words) return;
    const at = (this.#at = (place!.offset + worker * place!.stride) >> 2);
    if (words[at] === 0) return;
    // What a predecessor in this worker's place had counted goes on. It is dead, so nobody else writes: plain reads.
    this.#version = words[at]!;
    for (let i = 0; i < this.values.length; i++) {
      this.values[i] = (words[at + 2 + 2 * i]! >>> 0) * 2 ** 32 + (words[at + 1 + 2 * i]! >>> 0);
      this.#shown[i] = this.values[i]!;
    }
    // It died while it wrote. Not back to the version before: a reader may have seen that one, and half of what came after.
    if (this.#version & 1) store(words, at, (this.#version = (this.#version + 1) | 0));
  }

  /** Shows what has changed. */
  show(): void {
    const words = this.#words;
    if (!words) return;
    const at = this.#at;
    const { values } = this;
    const shown = this.#shown;
    let open = false;
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      const before = shown[i]!;
      if (value === before) continue;
      if (!open) {
        open = true;
        store(words, at, (this.#version = (this.#version + 1) | 0));
      }
      shown[i] = value;
      store(words, at + 1 + 2 * i, value | 0 /* modulo 2^32 */);
      const high = Math.floor(value / 2 ** 32);
      if (high !== Math.floor(before / 2 ** 32)) store(words, at + 2 + 2 * i, high);
    }
    if (open) store(words, at, (this.#version = (this.#version + 1) | 0));
  }
}

const views: WeakMap<SharedArrayBuffer, Int32Array> = new WeakMap();

/** All of a memory as words; one view for all counters in it. */
function wholeOf(memory: SharedArrayBuffer): Int32Array {
  let view = views.get(memory);
  if (!view) views.set(memory, (view = words(memory, 0, memory.byteLength >> 2)));
  return view;
}

/** Adds one worker's counters to `sum`; false where the worker was in the middle of writing them for a thousand looks: it has died
 *  or is not scheduled, and `sum` is as it was. */
export function addCounts(memory: SharedArrayBuffer, place: Place, worker: number, sum: Float64Array): boolean {
  const view = words(memory, place.offset + worker * place.stride, 1 + 2 * sum.length);
  const read = new Float64Array(sum.length);
  for (let attempt = 0; attempt < 1000; attempt++) {
    const version = load(view, 0);
    if (version & 1) continue;
    for (let i = 0; i < sum.length; i++) {
      const low = load(view, 1 + 2 * i) >>> 0;
      read[i] = (load(view, 2 + 2 * i) >>> 0) * 2 ** 32 + low;
    }
    if (load(view, 0) !== version) continue;
    for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + read[i]!;
    return true;
  }
  return false;
}
