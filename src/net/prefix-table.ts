// Every prefix a table has ever been told of gets a small integer, its id, that stays until the prefix is removed; what
// a table knows of a prefix lives in columns indexed by that id.
//
//   slots (hash, open addressing, power of two)        columns (by id)
//   ┌─────┬─────┬─────┬─────┬─────┐                    ┌────┬────────┬─────┐
//   │  0  │ b 7 │  0  │ e 3 │ 4 1 │  tag, id + 1 ───▶   │ id │ w0..w3 │ len │
//   └─────┴─────┴─────┴─────┴─────┘  0 = empty         └────┴────────┴─────┘
//
// When the slots get crowded a larger array takes over, and the prefixes move there a few at a time, with each new one; until all
// have, one that is not found in the new slots is looked for in the old ones. Moving a full table's at once would hold its thread
// up for 50 ms.
//
// A slot has 8 bits of the hash beside 24 of the id, so that a prefix in somebody else's slot is passed over without looking
// at its columns: an exact look-up is two cache misses, and that is what a full table does a million times over. A hash and
// not a trie for the same reason. Longest match asks the hash once for each prefix length in use, which is right for its callers (next-hop
// resolution: thousands of look-ups, not millions). Ordered walks sort a snapshot of ids by radix, which costs 40 ms a
// million and lets the walk be sliced while the table changes under it.
import { AF_INET, type AddressWords, addressBits, type Family, formatIp4, formatIp6 } from './address.ts';
import { grown, moreRows, newColumn } from './column.ts';
import { maskWord, type Prefix } from './prefix.ts';

const EMPTY: Uint32Array = new Uint32Array(0);

/** A slot's bits for the id; the others are the tag. */
const ID_MASK = 0xffffff;
/** Prefixes that one table can hold. */
const MOST_ROWS = ID_MASK;
/** Slots grow so many times at once, and with each new prefix so many old ones move. */
const SLOTS_FACTOR = 4;
const MOVES = 4;

function hash(w0: number, w1: number, w2: number, w3: number, length: number, rd0: number, rd1: number): number {
  let h = Math.imul(w0 ^ (length << 3) ^ length, 0x9e3779b1);
  h ^= Math.imul(w1, 0x85ebca6b) ^ Math.imul(w2, 0xc2b2ae35) ^ Math.imul(w3, 0x27d4eb2f);
  h ^= Math.imul(rd0, 0x165667b1) ^ Math.imul(rd1, 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return h ^ (h >>> 13);
}

export class PrefixTable {
  readonly family: Family;
  /** Ids handed out so far, removed ones included: columns of callers need this many rows. */
  limit = 0;
  /** Prefixes in the table. */
  size = 0;
  /** First (IPv4: only) address word, by id. */
  w0: Uint32Array;
  w1: Uint32Array = EMPTY;
  w2: Uint32Array = EMPTY;
  w3: Uint32Array = EMPTY;
  /** Route distinguisher (RFC 4364 §4.1), two words by id: where prefixes have one, that of another one is another prefix. */
  rd0: Uint32Array = EMPTY;
  rd1: Uint32Array = EMPTY;
  readonly distinguished: boolean;
  /** Prefix length in bits, by id; 255 marks a removed row. */
  length: Uint8Array;
  /** Prefixes of each length. */
  readonly lengthCount: Uint32Array = new Uint32Array(129);
  #slots: Uint32Array;
  #mask: number;
  #free = -1; // head of the list of removed rows, linked through w0
  // Slots from before, while prefixes move out of them; empty: none do.
  #old: Uint32Array = EMPTY;
  #moved = 0; // ids below have moved

  constructor(family: Family, rows = 1024, distinguished = false) {
    this.family = family;
    this.distinguished = distinguished;
    const capacity = Math.max(16, rows);
    this.w0 = new Uint32Array(capacity);
    this.length = new Uint8Array(capacity);
    if (family !== AF_INET) {
      this.w1 = new Uint32Array(capacity);
      this.w2 = new Uint32Array(capacity);
      this.w3 = new Uint32Array(capacity);
    }
    if (distinguished) {
      this.rd0 = new Uint32Array(capacity);
      this.rd1 = new Uint32Array(capacity);
    }
    let slots = 16;
    while (slots < capacity * 2) slots *= 2;
    this.#slots = new Uint32Array(slots);
    this.#mask = slots - 1;
  }

  /** Rows that the columns hold now. A caller's column is grown to this whenever it is shorter. */
  get capacity(): number {
    return this.length.length;
  }

  /** Whether the next new prefix makes the columns grow. */
  get full(): boolean {
    return this.#free < 0 && this.limit === this.capacity;
  }

  /** The id of a prefix whose host bits are zero, or -1. */
  find(w0: number, w1: number, w2: number, w3: number, length: number, rd0 = 0, rd1 = 0): number {
    const key = hash(w0, w1, w2, w3, length, rd0, rd1);
    const id = this.#findIn(this.#slots, key, w0, w1, w2, w3, length, rd0, rd1);
    return id >= 0 || this.#old.length === 0 ? id : this.#findIn(this.#old, key, w0, w1, w2, w3, length, rd0, rd1);
  }

  /** The id of a prefix whose host bits are zero, given a new one where the table has none. */
  insert(w0: number, w1: number, w2: number, w3: number, length: number, rd0 = 0, rd1 = 0): number {
    const mask = this.#mask;
    const slots = this.#slots;
    const key = hash(w0, w1, w2, w3, length, rd0, rd1);
    const tag = key & ~ID_MASK;
    let slot = key & mask;
    for (; ; slot = (slot + 1) & mask) {
      const word = slots[slot]!;
      if (word === 0) break;
      if (((word ^ tag) & ~ID_MASK) === 0) {
        const known = (word & ID_MASK) - 1;
        if (this.#is(known, w0, w1, w2, w3, length, rd0, rd1)) return known;
      }
    }
    if (this.#old.length > 0) {
      const known = this.#findIn(this.#old, key, w0, w1, w2, w3, length, rd0, rd1);
      if (known >= 0) return known;
    }
    let id = this.#free;
    if (id >= 0) this.#free = this.w0[id]! - 1;
    else {
      if (this.limit === this.capacity) {
        this.#growRows();
      }
      id = this.limit++;
    }
    this.w0[id] = w0;
    if (this.family !== AF_INET) {
      this.w1[id] = w1;
      this.w2[id] = w2;
      this.w3[id] = w3;
    }
    if (this.distinguished) {
      this.rd0[id] = rd0;
      this.rd1[id] = rd1;
    }
    this.length[id] = length;
    this.lengthCount[length]!++;
    this.size++;
    slots[slot] = tag | (id + 1);
    if (this.#old.length > 0) this.#move(MOVES);
    else if (this.size * 2 > mask) this.#growSlots();
    return id;
  }

  /** Takes a prefix out; its id may be given to another one from now on. */
  remove(id: number): void {
    if (this.#old.length > 0) this.#move(this.limit);
    const length = this.length[id]!;
    const mask = this.#mask;
    const slots = this.#slots;
    let hole = this.#hashOf(id) & mask;
    while ((slots[hole]! & ID_MASK) !== id + 1) hole = (hole + 1) & mask;
    // Close the gap: move back whatever still belongs at or before the hole, so that no tombstones are needed.
    for (let next = (hole + 1) & mask; slots[next] !== 0; next = (next + 1) & mask) {
      const home = this.#hashOf((slots[next]! & ID_MASK) - 1) & mask;
      if (((next - home) & mask) >= ((next - hole) & mask)) {
        slots[hole] = slots[next]!;
        hole = next;
      }
    }
    slots[hole] = 0;
    this.lengthCount[length]!--;
    this.size--;
    this.length[id] = 255;
    this.w0[id] = this.#free + 1;
    this.#free = id;
  }

  /** Whether `id` names a prefix at present. */
  has(id: number): boolean {
    return id >= 0 && id < this.limit && this.length[id] !== 255;
  }

  /**
   * The id of the longest prefix no longer than `longest` bits that holds the address, or -1. Call again with a smaller
   * `longest` to walk up through the covering prefixes.
   */
  match(
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    longest: number = addressBits(this.family),
    rd0 = 0,
    rd1 = 0,
  ): number {
    for (let length = longest; length >= 0; length--) {
      if (this.lengthCount[length] === 0) continue;
      const id = this.find(
        (w0 & maskWord(length)) >>> 0,
        (w1 & maskWord(length - 32)) >>> 0,
        (w2 & maskWord(length - 64)) >>> 0,
        (w3 & maskWord(length - 96)) >>> 0,
        length,
        rd0,
        rd1,
      );
      if (id >= 0) return id;
    }
    return -1;
  }

  words(id: number): AddressWords {
    if (this.family === AF_INET) return [this.w0[id]!, 0, 0, 0];
    return [this.w0[id]!, this.w1[id]!, this.w2[id]!, this.w3[id]!];
  }

  prefix(id: number): Prefix {
    return { family: this.family, words: this.words(id), length: this.length[id]! };
  }

  /** `10.0.0.0/8`. */
  format(id: number): string {
    const text =
      this.family === AF_INET
        ? formatIp4(this.w0[id]!)
        : formatIp6(this.w0[id]!, this.w1[id]!, this.w2[id]!, this.w3[id]!);
    return `${text}/${this.length[id]}`;
  }

  /** All ids by distinguisher, address and length. A snapshot: check `has` when you come to a row later. */
  sorted(): Uint32Array {
    const steps = this.sorting();
    for (;;) {
      const step = steps.next();
      if (step.done) return step.value;
    }
  }

  /** `sorted`, yielding between passes of some 10 ms a million rows, for loops that must not block. */
  *sorting(): Generator<void, Uint32Array> {
    let from = new Uint32Array(this.size);
    let rows = 0;
    for (let id = 0; id < this.limit; id++) if (this.length[id] !== 255) from[rows++] = id;
    let to = new Uint32Array(rows);
    const count = new Uint32Array(65537);
    const passes = (this.family === AF_INET ? 2 : 8) + (this.distinguished ? 4 : 0);
    // Least significant digit first: the length, then the address and the distinguisher 16 bits at a time.
    for (let pass = -1; pass < passes; pass++) {
      yield;
      // Looked up anew after each yield: growing the table moves its columns.
      const words = this.family === AF_INET ? [this.w0] : [this.w3, this.w2, this.w1, this.w0];
      if (this.distinguished) words.push(this.rd1, this.rd0);
      const column = pass < 0 ? this.length : words[pass >> 1]!;
      const shift = pass < 0 ? 0 : (pass & 1) << 4;
      count.fill(0);
      for (let i = 0; i < rows; i++) count[((column[from[i]!]! >>> shift) & 0xffff) + 1]!++;
      for (let digit = 0; digit < 65536; digit++) count[digit + 1]! += count[digit]!;
      for (let i = 0; i < rows; i++) {
        const id = from[i]!;
        to[count[(column[id]! >>> shift) & 0xffff]!++] = id;
      }
      const swap = from;
      from = to;
      to = swap;
    }
    return from;
  }

  #is(id: number, w0: number, w1: number, w2: number, w3: number, length: number, rd0: number, rd1: number): boolean {
    return (
      this.w0[id] === w0 &&
      this.length[id] === length &&
      (this.family === AF_INET || (this.w1[id] === w1 && this.w2[id] === w2 && this.w3[id] === w3)) &&
      (!this.distinguished || (this.rd0[id] === rd0 && this.rd1[id] === rd1))
    );
  }

  #hashOf(id: number): number {
    const rd0 = this.distinguished ? this.rd0[id]! : 0;
    const rd1 = this.distinguished ? this.rd1[id]! : 0;
    if (this.family === AF_INET) return hash(this.w0[id]!, 0, 0, 0, this.length[id]!, rd0, rd1);
    return hash(this.w0[id]!, this.w1[id]!, this.w2[id]!, this.w3[id]!, this.length[id]!, rd0, rd1);
  }

  #growRows(): void {
    const rows = Math.min(moreRows(this.capacity), MOST_ROWS);
    if (rows <= this.capacity) throw new RangeError(`more than ${MOST_ROWS} prefixes in one table`);
    if (this.family === AF_INET) [this.w0, this.length] = grown(rows, this.w0, this.length);
    else {
      [this.w0, this.w1, this.w2, this.w3, this.length] = grown(rows, this.w0, this.w1, this.w2, this.w3, this.length);
    }
    if (this.distinguished) [this.rd0, this.rd1] = grown(rows, this.rd0, this.rd1);
  }

  #growSlots(): void {
    this.#old = this.#slots;
    this.#moved = 0;
    this.#slots = newColumn(this.#old.length * SLOTS_FACTOR);
    this.#mask = this.#slots.length - 1;
  }

  /** The id of a prefix by these slots, or -1. */
  #findIn(
    slots: Uint32Array,
    key: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    rd0: number,
    rd1: number,
  ): number {
    const mask = slots.length - 1;
    const tag = key & ~ID_MASK;
    for (let slot = key & mask; ; slot = (slot + 1) & mask) {
      const word = slots[slot]!;
      if (word === 0) return -1;
      if (((word ^ tag) & ~ID_MASK) === 0) {
        const id = (word & ID_MASK) - 1;
        if (this.#is(id, w0, w1, w2, w3, length, rd0, rd1)) return id;
      }
    }
  }

  /** Moves the next `count` prefixes; those that came after the slots had grown are there already. */
  #move(count: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    const end = Math.min(this.limit, this.#moved + count);
    for (let id = this.#moved; id < end; id++) {
      if (this.length[id] === 255) continue;
      const key = this.#hashOf(id);
      const word = (key & ~ID_MASK) | (id + 1);
      let slot = key & mask;
      while (slots[slot] !== 0 && slots[slot] !== word) slot = (slot + 1) & mask;
      slots[slot] = word;
    }
    this.#moved = end;
    if (end === this.limit) this.#old = EMPTY;
  }
}
