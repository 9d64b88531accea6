// The forwarding table as words in shared memory: a multibit trie that one thread writes and any number read without a lock.
//
//   root, 2^16 words                     groups of 256 words, one for each further byte of the address
//   ┌──────────────┐                     ┌──────────────┐
//   │ depth │ hop  │  a route of ≤ 16    │ depth │ hop  │
//   │ 1 │ where ───┼──────────────────▶  │ 1 │ where ───┼──▶ …
//   └──────────────┘                     └──────────────┘
//      bit 31: the word leads on to a group, whose first word is at `where`
//      else bits 30–23: length of the prefix that the word comes from; bits 22–0: its next hop, 0 = no route
//
// A route is written into every word that it covers and that no longer prefix has (controlled prefix expansion), so a
// look-up is one load for each level and never looks back. The writer keeps the set of prefixes beside it; when one goes, the longest
// of those that cover it comes back in its words.
//
// Why readers need no lock. A look-up reads single aligned 32-bit words, which never tear, and each is either the old or the new one:
// for any address the answer is a route that was right at some moment of the look-up. A group is filled before the
// one word that leads to it is stored, and that store is a sequentially consistent one; a reader comes to the group only through that
// word, and the address of its second load depends on the value of the first, which no processor that Node runs on reorders,
// so a reader that sees the way sees the filling. ECMAScript does not promise that for plain loads; an atomic load would make it
// formal and costs six times as much (5.6 ns a level against 0.9). A group that is no more needed is unlinked by one store, and handed to
// `retire`: it is filled anew only after every reader has passed a quiescent state, whose atomics order the rest.
//
// The levels were measured (full-table lengths, addresses spread over all routes, and over 256 of them):
//
//                      IPv4, 200,000 routes                 IPv6, 170,000 routes
//                      ns spread  ns few  MB resident       ns spread  ns few  MB resident
//   24 bits, 8            14       2.7       101
//   16 bits, 8, 8         20       5.3        34
//   16 bits, 8, 8 …                                            70        12       146
//   16 bits, 4, 4 …                                           149        23        23
//
// Twenty-four bits at once are faster, but a default route alone then touches 64 MB; 16-8-8 touches a quarter of one.
import { addressBits, type Family, formatIp4, formatIp6, maskWord, type Prefix, PrefixTable } from '../../net/index.ts';
import { store, words } from '../../concurrency/index.ts';

/** Words of the root: one for every value of the first sixteen bits. */
export const FIB_ROOT_WORDS = 65_536;
/** Words of a group: one for every value of the next byte. */
export const FIB_GROUP_WORDS = 256;
/** Next hops are 1 to this. */
export const FIB_MAX_NEXT_HOP = 0x7fffff;
/** The bits of a word that are the next hop, or, of one that leads on, where to. */
export const FIB_HOP_MASK = 0x7fffff;
export const FIB_GROUP_MASK = 0x7fffffff;

const LEADS_ON = 1 << 31;
const DEPTH_SHIFT = 23;
const FREE = -1;

/** No group is free: the table was made for fewer, or those given back are still waiting for their readers. */
export class FibFullError extends Error {
  override readonly name = 'FibFullError';
  readonly groups: number;

  constructor(groups: number, prefix: string) {
    super(`forwarding table: all ${groups} groups are in use, there is no room for ${prefix}`);
    this.groups = groups;
  }
}

/** Runs `free` when every reader of the table has passed a quiescent state. */
export type Retire = (free: () => void) => void;

export interface FibStats {
  routes: number;
  /** Groups in use, of `groupLimit`. */
  groups: number;
  groupLimit: number;
  /** Groups unlinked whose readers have not all passed a quiescent state. */
  retired: number;
}

/** Shared memory of a table with `groups` groups at most. What was never written to costs no memory. */
export function createFibMemory(groups: number): SharedArrayBuffer {
  const most = (2 ** 31 - 1 - FIB_ROOT_WORDS * 4) / (FIB_GROUP_WORDS * 4);
  if (!Number.isInteger(groups) || groups < 1 || groups > most) {
    throw new RangeError(`a forwarding table has 1 to ${Math.floor(most)} groups, not ${groups}`);
  }
  return new SharedArrayBuffer((FIB_ROOT_WORDS + groups * FIB_GROUP_WORDS) * 4);
}

/** The writer: exactly one thread has it. */
export class FibTrie {
  readonly #words: Int32Array;
  readonly #bits: 32 | 128;
  readonly #retire: Retire;
  readonly #prefixes: PrefixTable;
  #hops: Int32Array = new Int32Array(1024);
  readonly #limit: number;
  #fresh = 0;
  /** Groups that may be filled anew, linked through their first words. */
  #free = FREE;
  #freeCount = 0;
  #inUse = 0;
  #retired = 0;
  /** Where the words stand that lead to the groups on the way to a prefix, root first. */
  readonly #path: Int32Array = new Int32Array(16);

  constructor(memory: SharedArrayBuffer, family: Family, retire: Retire) {
    this.#words = words(memory, 0, memory.byteLength / 4);
    this.#limit = (this.#words.length - FIB_ROOT_WORDS) / FIB_GROUP_WORDS;
    this.#bits = addressBits(family);
    this.#retire = retire;
    this.#prefixes = new PrefixTable(family);
  }

  stats(): FibStats {
    return {
      routes: this.#prefixes.size,
      groups: this.#inUse,
      groupLimit: this.#limit,
      retired: this.#retired,
    };
  }

  /** The next hop of exactly this prefix, 0 where there is none. */
  find(w0: number, w1: number, w2: number, w3: number, length: number): number {
    const id = this.#prefixes.find(w0, w1, w2, w3, length);
    return id < 0 ? 0 : this.#hops[id]!;
  }

  /** Routes are numbered below this, with gaps; a number is a route's as long as it is there. */
  get routeLimit(): number {
    return this.#prefixes.capacity;
  }

  /** The next hop of the route of this number, 0 where there is none. */
  hopOf(route: number): number {
    return this.#prefixes.has(route) ? this.#hops[route]! : 0;
  }

  prefixOf(route: number): Prefix {
    return this.#prefixes.prefix(route);
  }

  /** The route of the longest prefix that holds the address, -1 where there is none. */
  match(w0: number, w1: number, w2: number, w3: number): number {
    return this.#prefixes.match(w0, w1, w2, w3, this.#bits);
  }

  /** Adds a route or replaces its next hop. RangeError for what is not a prefix or a next hop; FibFullError changes nothing. */
  insert(w0: number, w1: number, w2: number, w3: number, length: number, nextHop: number): void {
    this.#check(w0, w1, w2, w3, length);
    if (!Number.isInteger(nextHop) || nextHop < 1 || nextHop > FIB_MAX_NEXT_HOP) {
      throw new RangeError(`a next hop is 1 to ${FIB_MAX_NEXT_HOP}, not ${nextHop}`);
    }
    this.#reserve(w0, w1, w2, w3, length);
    const prefixes = this.#prefixes;
    const id = prefixes.insert(w0, w1, w2, w3, length);
    if (id >= this.#hops.length) {
      const longer = new Int32Array(prefixes.capacity);
      longer.set(this.#hops);
      this.#hops = longer;
    }
    this.#hops[id] = nextHop;

    const memory = this.#words;
    let base = 0;
    let passed = 0;
    let levelBits = 16;
    while (length > passed + levelBits) {
      const at = base + index(w0, w1, w2, w3, passed, levelBits);
      const word = memory[at]!;
      if (word < 0) base = word & FIB_GROUP_MASK;
      else {
        base = this.#allocate(word);
        store(memory, at, base | LEADS_ON);
      }
      passed += levelBits;
      levelBits = 8;
    }
    const first = base + index(w0, w1, w2, w3, passed, levelBits);
    this.#paint(first, 1 << (passed + levelBits - length), length, (length << DEPTH_SHIFT) | nextHop, false);
  }

  /** Takes a route out; false where there was none. */
  remove(w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    this.#check(w0, w1, w2, w3, length);
    const prefixes = this.#prefixes;
    const id = prefixes.find(w0, w1, w2, w3, length);
    if (id < 0) return false;
    const cover = length === 0 ? -1 : prefixes.match(w0, w1, w2, w3, length - 1);
    const entry = cover < 0 ? 0 : (prefixes.length[cover]! << DEPTH_SHIFT) | this.#hops[cover]!;
    prefixes.remove(id);

    const memory = this.#words;
    let base = 0;
    let passed = 0;
    let levelBits = 16;
    let steps = 0;
    while (length > passed + levelBits) {
      const at = base + index(w0, w1, w2, w3, passed, levelBits);
      this.#path[steps++] = at;
      base = memory[at]! & FIB_GROUP_MASK;
      passed += levelBits;
      levelBits = 8;
    }
    const first = base + index(w0, w1, w2, w3, passed, levelBits);
    this.#paint(first, 1 << (passed + levelBits - length), length, entry, true);
    this.#prune(steps, passed);
    return true;
  }

  /**
   * Writes `entry` into `count` words and the groups that they lead to: wherever a prefix of at most `length` bits stands, or, with
   * `exactly`, one of just so many, which within these words is only the prefix itself.
   */
  #paint(first: number, count: number, length: number, entry: number, exactly: boolean): void {
    const memory = this.#words;
    for (let at = first; at < first + count; at++) {
      const word = memory[at]!;
      if (word < 0) this.#paint(word & FIB_GROUP_MASK, FIB_GROUP_WORDS, length, entry, exactly);
      else {
        const depth = word >>> DEPTH_SHIFT;
        if (exactly ? depth === length : depth <= length) store(memory, at, entry);
      }
    }
  }

  /** Unlinks the groups on the way, deepest first, that hold no prefix longer than what the way to them has passed. */
  #prune(steps: number, passed: number): void {
    const memory = this.#words;
    for (let step = steps - 1; step >= 0; step--) {
      const at = this.#path[step]!;
      const base = memory[at]! & FIB_GROUP_MASK;
      const word = memory[base]!;
      // Words of prefixes that cover the whole group are all the same: the longest of them.
      if (word < 0 || word >>> DEPTH_SHIFT > passed) return;
      for (let i = base + 1; i < base + FIB_GROUP_WORDS; i++) if (memory[i] !== word) return;
      store(memory, at, word);
      this.#inUse--;
      this.#retired++;
      this.#retire(() => this.#release(base));
      passed -= step === 0 ? 16 : 8;
    }
  }

  #release(base: number): void {
    this.#retired--;
    this.#words[base] = this.#free;
    this.#free = base;
    this.#freeCount++;
  }

  /** A group filled with `word`, which nothing leads to yet. */
  #allocate(word: number): number {
    let base = this.#free;
    if (base === FREE) base = FIB_ROOT_WORDS + this.#fresh++ * FIB_GROUP_WORDS;
    else {
      this.#free = this.#words[base]!;
      this.#freeCount--;
    }
    this.#words.fill(word, base, base + FIB_GROUP_WORDS);
    this.#inUse++;
    return base;
  }

  /** Throws where there are fewer groups left than the prefix needs. */
  #reserve(w0: number, w1: number, w2: number, w3: number, length: number): void {
    const memory = this.#words;
    let base = 0;
    let passed = 0;
    let levelBits = 16;
    let needed = 0;
    while (length > passed + levelBits) {
      const word = needed > 0 ? 0 : memory[base + index(w0, w1, w2, w3, passed, levelBits)]!;
      if (word < 0) base = word & FIB_GROUP_MASK;
      else needed++;
      passed += levelBits;
      levelBits = 8;
    }
    if (needed <= this.#freeCount + this.#limit - this.#fresh) return;
    throw new FibFullError(this.#limit, format(w0, w1, w2, w3, length, this.#bits));
  }

  #check(w0: number, w1: number, w2: number, w3: number, length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.#bits) {
      throw new RangeError(`a prefix is 0 to ${this.#bits} bits long, not ${length}`);
    }
    const host =
      (w0 & ~maskWord(length)) |
      (w1 & ~maskWord(length - 32)) |
      (w2 & ~maskWord(length - 64)) |
      (w3 & ~maskWord(length - 96));
    if (host !== 0)
      throw new RangeError(`${format(w0, w1, w2, w3, length, this.#bits)} has bits set beyond its length`);
  }
}

/** The `count` bits of an address that follow its first `passed` ones: 16 after none, else a whole byte. */
function index(w0: number, w1: number, w2: number, w3: number, passed: number, count: number): number {
  const word = passed < 32 ? w0 : passed < 64 ? w1 : passed < 96 ? w2 : w3;
  return (word >>> (32 - count - (passed & 31))) & ((1 << count) - 1);
}

function format(w0: number, w1: number, w2: number, w3: number, length: number, bits: 32 | 128): string {
  const address = bits === 32 ? formatIp4(w0) : formatIp6(w0, w1, w2, w3);
  return `${address}/${length}`;
}
