// Which value belongs to an Ethernet address: a hash table in shared memory that every worker reads without a lock, and that any of them may
// write, one at a time. A bridge learns in it, and a filter keeps its rules in it.
//
//    lock · version · tick · count │ slot │ slot │ slot │ …        a free slot ends a search, so at least a quarter of them is free
//
//    slot   low: octets 0 to 3 · high: octets 4 and 5, and that it is used · value · born · seen         ticks, the caller's seconds
//
// Who writes holds the lock. A worker only tries it: what it can not learn now it learns from the host's next packet. Nothing in between
// throws, and a worker ends between vectors, so the lock comes back.
//
// Why a reader never takes one host for another: a slot gets its address while it is free, `low` before `high`; from then on only the
// value changes, which is one word. Addresses are only moved or taken away while `version` is odd, and it is another one afterwards; a
// reader that sees it odd, or not the same after as before, has found nothing. All accesses are atomics of one order, so what it found
// under one even version was there at one moment.
import { compareExchange, load, store, wait, words } from '../../concurrency/index.ts';

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

export class MacTable {
  /** Of what `find` found last. */
  value = 0;
  born = 0;
  readonly #words: Int32Array;
  readonly #mask: number;
  readonly #limit: number;

  /** Memory for a table of `slots` (a power of two), three quarters of which may be used. Its ticks begin at 1. */
  static create(slots: number): SharedArrayBuffer {
    if (!Number.isInteger(slots) || slots < 4 || slots > 2 ** 24 || (slots & (slots - 1)) !== 0) {
      throw new RangeError(`a table of ${slots} slots: a power of two from 4 to 2^24`);
    }
    const memory = new SharedArrayBuffer((HEADER + slots * SLOT) * 4);
    store(words(memory, 0, HEADER), TICK, 1);
    return memory;
  }

  constructor(memory: SharedArrayBuffer) {
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

  /** The same, for who must not miss one that is there: looks again while addresses are moved about, which takes the writer microseconds. */
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
    if (!this.#tryLock()) return MAC_BUSY;
    const result = this.#search(low, high | USED) < 0 ? this.#insert(low, high | USED, value, tick) : MAC_DONE;
    this.#unlock();
    return result;
  }

  /** Gives an address that is there, for `minAge` ticks at least, another value. */
  move(low: number, high: number, value: number, tick: number, minAge: number): number {
    if (!this.#tryLock()) return MAC_BUSY;
    const slot = this.#search(low, high | USED);
    const result = slot < 0 ? MAC_DONE : this.#move(slot, value, tick, minAge);
    this.#unlock();
    return result;
  }

  /** Waits for its turn, and does what of the two is to be done. */
  put(low: number, high: number, value: number, tick: number, minAge: number): number {
    this.#lock();
    const slot = this.#search(low, high | USED);
    const result = slot < 0 ? this.#insert(low, high | USED, value, tick) : this.#move(slot, value, tick, minAge);
    this.#unlock();
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
    if (!this.#tryLock()) return false;
    this.#sweep(old);
    this.#unlock();
    return true;
  }

  /** Waits for its turn, and forgets one address; whether it was there. */
  remove(low: number, high: number): boolean {
    this.#lock();
    const slot = this.#search(low, high | USED);
    if (slot >= 0) {
      this.#begin();
      this.#take(slot);
      this.#end();
    }
    this.#unlock();
    return slot >= 0;
  }

  /** Waits for its turn, and forgets all addresses of a value. */
  forget(value: number): void {
    const words = this.#words;
    this.#lock();
    this.#sweep(at => load(words, at + VALUE) === value);
    this.#unlock();
  }

  /** Waits for its turn, and forgets all. */
  clear(): void {
    this.#lock();
    this.#sweep(() => true);
    this.#unlock();
  }

  /** Waits for its turn; all there are. */
  entries(): MacEntry[] {
    const words = this.#words;
    const entries: MacEntry[] = [];
    this.#lock();
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
    this.#unlock();
    return entries;
  }

  #insert(low: number, high: number, value: number, tick: number): number {
    const words = this.#words;
    const count = load(words, COUNT);
    if (count >= this.#limit) return MAC_FULL;
    let slot = this.#home(low, high);
    while (load(words, slot + HIGH) !== 0) slot = this.#after(slot);
    store(words, slot + LOW, low);
    store(words, slot + VALUE, value);
    store(words, slot + BORN, tick);
    store(words, slot + SEEN, tick);
    store(words, slot + HIGH, high);
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

  /** Who has it has it for microseconds, unless it is not scheduled. */
  #lock(): void {
    for (let i = 0; !this.#tryLock(); i++) if (i > 100) wait(this.#words, LOCK, 1, 1);
  }

  #tryLock(): boolean {
    return compareExchange(this.#words, LOCK, 0, 1) === 0;
  }

  #unlock(): void {
    store(this.#words, LOCK, 0);
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
      const home = this.#home(load(words, at + LOW), load(words, at + HIGH));
      // Between the hole and where it stands, round the end: it stands well.
      if (hole < at ? home > hole && home <= at : home > hole || home <= at) continue;
      for (let i = 0; i < SLOT; i++) store(words, hole + i, load(words, at + i));
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
