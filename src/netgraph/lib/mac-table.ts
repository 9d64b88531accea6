// Which value belongs to an Ethernet address: a hash table in shared memory that every worker reads without a lock, and that any of them may
// write, one at a time. A bridge learns in it, and a filter keeps its rules in it.
//
//    lock · version · tick · count │ slot │ slot │ slot │ …        a free slot ends a search, so at least a quarter of them is free
//
//    slot   low: octets 0 to 3 · high: octets 4 and 5, and that it is used · value · born · seen         ticks, the caller's seconds
//
// Who writes holds the lock, which says who that is. Nobody spins for it: a worker only tries, since what it can not learn now it learns from
// the host's next packet; and the graph's thread tries again later. A worker that dies with the lock may have been anywhere in its writing:
// when it is sure that it is no more, that thread makes the table whole and gives the lock back (`release`). Until then readers find
// what can be found. For that each slot is free or whole at every moment: what moves into a slot is written while it is free.
//
// Why a reader never takes one host for another: a slot gets its address while it is free, `low` before `high`; from then on only the
// value changes, which is one word. Addresses are only moved or taken away while `version` is odd, and it is another one afterwards; a
// reader that sees it odd, or not the same after as before, has found nothing. All accesses are atomics of one order, so what it found
// under one even version was there at one moment.
import { compareExchange, load, store, words } from '../../concurrency/index.ts';

const LOCK = 0;
const VERSION = 32;
const TICK = 64;
const COUNT = 96;
const HEADER = 128;
const SLOT = 8;
const LOW = 0;
const HIGH = 1;
const VALUE = 2;
const BORN = 3;
const SEEN = 4;
const USED = 1 << 16;

/** What the lock says when the graph's thread has it. */
const GRAPH = 1;

/** What became of what was to be learnt or moved. */
export const MAC_DONE = 0;
/** Another writes at the moment. */
export const MAC_BUSY = 1;
/** There are too many addresses. */
export const MAC_FULL = 2;
/** It is too young to be moved; all addresses of the value that it was to have are forgotten. */
export const MAC_UNSTABLE = 3;

export interface MacEntry {
  readonly low: number;
  readonly high: number;
  readonly value: number;
  readonly born: number;
  readonly seen: number;
}

/** What the lock says when a worker has it. */
const holder = (worker: number): number => worker + 2;

export class MacTable {
  /** Of what `find` found last. */
  value = 0;
  born = 0;
  readonly #words: Int32Array;
  readonly #mask: number;
  readonly #limit: number;
  /** What the lock says when it is ours. */
  readonly #mine: number;

  /** Memory for a table of `slots` (a power of two), three quarters of which may be used. Its ticks begin at 1. */
  static create(slots: number): SharedArrayBuffer {
    if (!Number.isInteger(slots) || slots < 4 || slots > 2 ** 24 || (slots & (slots - 1)) !== 0) {
      throw new RangeError(`a table of ${slots} slots: a power of two from 4 to 2^24`);
    }
    const memory = new SharedArrayBuffer((HEADER + slots * SLOT) * 4);
    store(words(memory, 0, HEADER), TICK, 1);
    return memory;
  }

  /** For a worker; without its number, for the graph's thread. */
  constructor(memory: SharedArrayBuffer, worker?: number) {
    this.#mine = worker === undefined ? GRAPH : holder(worker);
    this.#words = words(memory, 0, memory.byteLength / 4);
    const slots = (this.#words.length - HEADER) / SLOT;
    this.#mask = slots - 1;
    this.#limit = slots - (slots >> 2);
  }

  get tick(): number {
    return load(this.#words, TICK);
  }

  set tick(tick: number) {
    store(this.#words, TICK, tick);
  }

  /** Addresses. */
  get count(): number {
    return load(this.#words, COUNT);
  }

  /** The slot of an address, with `value` and `born` set to its; -1 where it is not known. */
  find(low: number, high: number): number {
    const words = this.#words;
    const version = load(words, VERSION);
    if ((version & 1) !== 0) return -1;
    const slot = this.#search(low, high | USED);
    if (slot < 0) return -1;
    this.value = load(words, slot + VALUE);
    this.born = load(words, slot + BORN);
    return load(words, VERSION) === version ? slot : -1;
  }

  /** The same, for who must not miss one that is there: looks again while addresses are moved about, which takes the writer microseconds.
   *  For tables in which no worker writes: one might die at it. */
  findSurely(low: number, high: number): number {
    const words = this.#words;
    for (;;) {
      const version = load(words, VERSION);
      if ((version & 1) !== 0) continue;
      const slot = this.#search(low, high | USED);
      if (slot >= 0) {
        this.value = load(words, slot + VALUE);
        this.born = load(words, slot + BORN);
      }
      if (load(words, VERSION) === version) return slot;
    }
  }

  /** The host was heard of. It is written once a tick. Where the slot has become another's, that one lives a little longer. */
  touch(slot: number, tick: number): void {
    if (load(this.#words, slot + SEEN) !== tick) store(this.#words, slot + SEEN, tick);
  }

  /** Gives an address that is not there a value. One that another was quicker to learn keeps what it has. */
  learn(low: number, high: number, value: number, tick: number): number {
    if (!this.lock()) return MAC_BUSY;
    const result = this.#search(low, high | USED) < 0 ? this.#insert(low, high | USED, value, tick) : MAC_DONE;
    this.unlock();
    return result;
  }

  /** Gives an address that is there, for `minAge` ticks at least, another value. */
  move(low: number, high: number, value: number, tick: number, minAge: number): number {
    if (!this.lock()) return MAC_BUSY;
    const slot = this.#search(low, high | USED);
    const result = slot < 0 ? MAC_DONE : this.#move(slot, value, tick, minAge);
    this.unlock();
    return result;
  }

  /** Forgets those that were not heard of for `maxAge` ticks; false where another writes at the moment. */
  expire(tick: number, maxAge: number): boolean {
    if (load(this.#words, COUNT) === 0) return true;
    const words = this.#words;
    const old = (at: number): boolean => tick - load(words, at + SEEN) >= maxAge;
    let some = false;
    for (let at = HEADER; at < words.length && !some; at += SLOT) some = load(words, at + HIGH) !== 0 && old(at);
    if (!some) return true;
    if (!this.lock()) return false;
    this.#sweep(old);
    this.unlock();
    return true;
  }

  /** Whether the table is the caller's to write in, until `unlock`. */
  lock(): boolean {
    return compareExchange(this.#words, LOCK, 0, this.#mine) === 0;
  }

  unlock(): void {
    store(this.#words, LOCK, 0);
  }

  /** A worker is no more: what it was in the middle of is mended. For the graph's thread. */
  release(worker: number): void {
    if (load(this.#words, LOCK) !== holder(worker)) return;
    this.#mend();
    this.unlock();
  }

  // The rest is for who has the lock, or is the only one that writes.

  /** Does what of the two is to be done. */
  put(low: number, high: number, value: number, tick: number, minAge: number): number {
    const slot = this.#search(low, high | USED);
    return slot < 0 ? this.#insert(low, high | USED, value, tick) : this.#move(slot, value, tick, minAge);
  }

  /** Forgets one address; whether it was there. */
  remove(low: number, high: number): boolean {
    const slot = this.#search(low, high | USED);
    if (slot < 0) return false;
    this.#begin();
    this.#take(slot);
    this.#end();
    return true;
  }

  /** Forgets all addresses of a value. */
  forget(value: number): void {
    this.#sweep(at => load(this.#words, at + VALUE) === value);
  }

  /** Forgets all. */
  clear(): void {
    this.#sweep(() => true);
  }

  /** All there are. */
  entries(): MacEntry[] {
    const words = this.#words;
    const entries: MacEntry[] = [];
    for (let at = HEADER; at < words.length; at += SLOT) {
      const high = load(words, at + HIGH);
      if (high === 0) continue;
      entries.push({
        low: load(words, at + LOW),
        high: high & 0xffff,
        value: load(words, at + VALUE),
        born: load(words, at + BORN),
        seen: load(words, at + SEEN),
      });
    }
    return entries;
  }

  #insert(low: number, high: number, value: number, tick: number): number {
    const words = this.#words;
    const count = load(words, COUNT);
    if (count >= this.#limit) return MAC_FULL;
    let slot = this.#home(low, high);
    while (load(words, slot + HIGH) !== 0) slot = this.#after(slot);
    this.#fill(slot, low, high, value, tick, tick);
    store(words, COUNT, count + 1);
    return MAC_DONE;
  }

  #move(slot: number, value: number, tick: number, minAge: number): number {
    const words = this.#words;
    if (load(words, slot + VALUE) === value) return MAC_DONE;
    if (tick - load(words, slot + BORN) < minAge) {
      this.#sweep(at => load(words, at + VALUE) === value);
      return MAC_UNSTABLE;
    }
    store(words, slot + BORN, tick);
    store(words, slot + VALUE, value);
    return MAC_DONE;
  }

  /** A free slot is an address's from the moment that it has its `high`. */
  #fill(slot: number, low: number, high: number, value: number, born: number, seen: number): void {
    const words = this.#words;
    store(words, slot + LOW, low);
    store(words, slot + VALUE, value);
    store(words, slot + BORN, born);
    store(words, slot + SEEN, seen);
    store(words, slot + HIGH, high);
  }

  /** All addresses anew, each once: one may have been on its way from one slot to another, or not be counted yet. */
  #mend(): void {
    const words = this.#words;
    if ((load(words, VERSION) & 1) === 0) this.#begin();
    const entries = this.entries();
    for (let at = HEADER; at < words.length; at += SLOT) store(words, at + HIGH, 0);
    store(words, COUNT, 0);
    for (const { low, high, value, born, seen } of entries) {
      if (this.#search(low, high | USED) >= 0) continue;
      this.#insert(low, high | USED, value, born);
      store(words, this.#search(low, high | USED) + SEEN, seen);
    }
    this.#end();
  }

  #begin(): void {
    store(this.#words, VERSION, (load(this.#words, VERSION) + 1) | 0);
  }

  #end(): void {
    store(this.#words, VERSION, (load(this.#words, VERSION) + 1) | 0);
  }

  #search(low: number, high: number): number {
    const words = this.#words;
    let slot = this.#home(low, high);
    for (;;) {
      const there = load(words, slot + HIGH);
      if (there === 0) return -1;
      if (there === high && load(words, slot + LOW) === low) return slot;
      slot = this.#after(slot);
    }
  }

  #home(low: number, high: number): number {
    let hash = Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
    hash ^= hash >>> 15;
    hash = Math.imul(hash, 0xc2b2ae35);
    hash ^= hash >>> 13;
    return HEADER + (hash & this.#mask) * SLOT;
  }

  #after(slot: number): number {
    const next = slot + SLOT;
    return next === this.#words.length ? HEADER : next;
  }

  #sweep(gone: (slot: number) => boolean): void {
    const words = this.#words;
    this.#begin();
    for (let at = HEADER; at < words.length; at += SLOT) {
      // What moves up into the slot is looked at as well.
      while (load(words, at + HIGH) !== 0 && gone(at)) this.#take(at);
    }
    this.#end();
  }

  /** Frees a slot, and moves up what was only behind it because it was taken. */
  #take(slot: number): void {
    const words = this.#words;
    let hole = slot;
    for (let at = this.#after(slot); load(words, at + HIGH) !== 0; at = this.#after(at)) {
      const low = load(words, at + LOW);
      const high = load(words, at + HIGH);
      const home = this.#home(low, high);
      // Between the hole and where it stands, round the end: it stands well.
      if (hole < at ? home > hole && home <= at : home > hole || home <= at) continue;
      store(words, hole + HIGH, 0);
      this.#fill(hole, low, high, load(words, at + VALUE), load(words, at + BORN), load(words, at + SEEN));
      hole = at;
    }
    store(words, hole + HIGH, 0);
    store(words, COUNT, load(words, COUNT) - 1);
  }
}

/** Octets 0 to 3 and 4 to 5 of `aa:bb:cc:dd:ee:ff`, as the table has them. */
export function macWords(text: string): { readonly low: number; readonly high: number } {
  const [a, b, c, d, e, f] = text.split(':').map(part => Number.parseInt(part, 16)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return { low: a | (b << 8) | (c << 16) | (d << 24), high: e | (f << 8) };
}

export function formatMac(low: number, high: number): string {
  const octets = [low, low >>> 8, low >>> 16, low >>> 24, high, high >>> 8];
  return octets.map(octet => (octet & 255).toString(16).padStart(2, '0')).join(':');
}
