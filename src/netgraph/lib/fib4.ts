// Longest match for IPv4: sixteen bits at once, then a byte, then a byte (fib-trie.ts says how, and why it needs no lock).
// One thread has a `Fib4` and changes it; each worker makes a `Fib4Reader` over the same memory.
import { AF_INET } from '../../net/index.ts';
import { words } from '../../concurrency/index.ts';
import { createFibMemory, FIB_GROUP_MASK, FIB_HOP_MASK, type FibStats, FibTrie, type Retire } from './fib-trie.ts';

/** Groups where nobody says: a full table of the Internet needs some 45,000. 96 MB of addresses, memory only as it is used. */
export const FIB4_GROUPS = 98_304;

export class Fib4 {
  readonly memory: SharedArrayBuffer;
  readonly #trie: FibTrie;

  /** `retire` runs what it is given when every reader has passed a quiescent state. */
  constructor(retire: Retire, groups: number = FIB4_GROUPS) {
    this.memory = createFibMemory(groups);
    this.#trie = new FibTrie(this.memory, AF_INET, retire);
  }

  /** Adds or replaces: `prefix` in host order with its host bits zero, `nextHop` 1 to 2^23 - 1. RangeError, FibFullError. */
  insert(prefix: number, length: number, nextHop: number): void {
    this.#trie.insert(prefix, 0, 0, 0, length, nextHop);
  }

  /** Takes a route out; false where there was none. */
  remove(prefix: number, length: number): boolean {
    return this.#trie.remove(prefix, 0, 0, 0, length);
  }

  /** The next hop of exactly this prefix, or 0. */
  find(prefix: number, length: number): number {
    return this.#trie.find(prefix, 0, 0, 0, length);
  }

  stats(): FibStats {
    return this.#trie.stats();
  }
}

export class Fib4Reader {
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = words(memory, 0, memory.byteLength / 4);
  }

  /** The next hop of the longest prefix that holds the address (host order), 0 where there is none. */
  lookup(address: number): number {
    const table = this.#words;
    let word = table[address >>> 16]!;
    if (word < 0) {
      word = table[(word & FIB_GROUP_MASK) + ((address >>> 8) & 255)]!;
      if (word < 0) word = table[(word & FIB_GROUP_MASK) + (address & 255)]!;
    }
    return word & FIB_HOP_MASK;
  }

  /** The same for the four bytes of an address in a packet. */
  lookupAt(bytes: Uint8Array, offset: number): number {
    const table = this.#words;
    let word = table[(bytes[offset]! << 8) | bytes[offset + 1]!]!;
    if (word < 0) {
      word = table[(word & FIB_GROUP_MASK) + bytes[offset + 2]!]!;
      if (word < 0) word = table[(word & FIB_GROUP_MASK) + bytes[offset + 3]!]!;
    }
    return word & FIB_HOP_MASK;
  }

  /** The same for the word that the four bytes are in memory: the address's first byte is the lowest. */
  lookupWord(address: number): number {
    const table = this.#words;
    let word = table[((address & 255) << 8) | ((address >>> 8) & 255)]!;
    if (word < 0) {
      word = table[(word & FIB_GROUP_MASK) + ((address >>> 16) & 255)]!;
      if (word < 0) word = table[(word & FIB_GROUP_MASK) + (address >>> 24)]!;
    }
    return word & FIB_HOP_MASK;
  }

  /** `lookup` of `count` addresses into `nextHops`. */
  lookupMany(addresses: Uint32Array, nextHops: Int32Array, count: number): void {
    const table = this.#words;
    for (let i = 0; i < count; i++) {
      const address = addresses[i]!;
      let word = table[address >>> 16]!;
      if (word < 0) {
        word = table[(word & FIB_GROUP_MASK) + ((address >>> 8) & 255)]!;
        if (word < 0) word = table[(word & FIB_GROUP_MASK) + (address & 255)]!;
      }
      nextHops[i] = word & FIB_HOP_MASK;
    }
  }
}
