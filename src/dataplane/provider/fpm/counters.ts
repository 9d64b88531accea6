// What FPM counts, in memory that the provider's worker and the dataplane's thread share, so that it outlives the worker: it is
// started again for another address, and may be fenced. Each number is 64 bits in two words, the upper one counted up when
// the lower one wraps.
import { add, load, store, words } from '../../../concurrency/index.ts';

/** By their names in `show fpm counters json`, with what the text calls them, both as FRR's, and in its order. */
export const COUNTERS = {
  'bytes-read': 'Input bytes',
  'bytes-sent': 'Output bytes',
  'obuf-bytes': 'Output buffer current size',
  'obuf-bytes-peak': 'Output buffer peak size',
  'connection-closes': 'Connection closes',
  'connection-errors': 'Connection errors',
  'data-plane-contexts': 'Data plane items processed',
  'data-plane-contexts-queue': 'Data plane items enqueued',
  'data-plane-contexts-queue-peak': 'Data plane items queue peak',
  'buffer-full-hits': 'Buffer full hits',
  'user-configures': 'User FPM configurations',
  'user-disables': 'User FPM disable requests',
} as const;

export type Counter = keyof typeof COUNTERS;

const names = Object.keys(COUNTERS) as Counter[];
const places: Readonly<Record<Counter, number>> = Object.fromEntries(names.map((name, i) => [name, 2 * i])) as Record<
  Counter,
  number
>;
const WORD = 2 ** 32;

export class FpmCounters {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(names.length * 8)) {
    this.memory = memory;
    this.#words = words(memory, 0, names.length * 2);
  }

  /** Counts up by less than 2^32. */
  count(name: Counter, by = 1): void {
    const at = places[name];
    const before = add(this.#words, at, by | 0) >>> 0;
    if (before + by >= WORD) add(this.#words, at + 1, 1);
  }

  /** Says how much there is now, and with it how much there was at most. */
  level(name: 'obuf-bytes' | 'data-plane-contexts-queue', value: number): void {
    store(this.#words, places[name], value);
    const peak = places[`${name}-peak`];
    if (value > load(this.#words, peak)) store(this.#words, peak, value);
  }

  get(name: Counter): number {
    const at = places[name];
    for (;;) {
      const high = load(this.#words, at + 1);
      const low = load(this.#words, at) >>> 0;
      if (load(this.#words, at + 1) === high) return high * WORD + low;
    }
  }

  get values(): Record<Counter, number> {
    return Object.fromEntries(names.map(name => [name, this.get(name)])) as Record<Counter, number>;
  }

  /** What counts begins at 0 again, what is level stays. */
  clear(): void {
    for (const name of names) {
      if (name === 'obuf-bytes' || name === 'data-plane-contexts-queue') continue;
      store(this.#words, places[name], 0);
      store(this.#words, places[name] + 1, 0);
    }
  }
}
