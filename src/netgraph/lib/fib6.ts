// Longest match for IPv6: sixteen bits at once, then a byte at a time as far as prefixes go (fib-trie.ts says how, and why it needs
// no lock). One thread has a `Fib6` and changes it; each worker makes a `Fib6Reader` over the same memory.
import { AF_INET6 } from '../../net/index.ts';
import { words } from '../../concurrency/index.ts';
import { createFibMemory, FIB_GROUP_MASK, FIB_HOP_MASK, type FibStats, FibTrie, type Retire } from './fib-trie.ts';

/** Groups where nobody says: a full table of the Internet needs some 180,000. 256 MB of addresses, memory only as it is used. */
export const FIB6_GROUPS = 262_144;

export class Fib6 {
  readonly memory: SharedArrayBuffer;
  readonly #trie: FibTrie;

  /** `retire` runs what it is given when every reader has passed a quiescent state. */
  constructor(retire: Retire, groups: number = FIB6_GROUPS) {
    this.memory = createFibMemory(groups);
    this.#trie = new FibTrie(this.memory, AF_INET6, retire);
  }

  /** Adds or replaces: four words with the host bits zero, `nextHop` 1 to 2^23 - 1. RangeError, FibFullError. */
  insert(w0: number, w1: number, w2: number, w3: number, length: number, nextHop: number): void {
    this.#trie.insert(w0, w1, w2, w3, length, nextHop);
  }

  /** Takes a route out; false where there was none. */
  remove(w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    return this.#trie.remove(w0, w1, w2, w3, length);
  }

  /** The next hop of exactly this prefix, or 0. */
  find(w0: number, w1: number, w2: number, w3: number, length: number): number {
    return this.#trie.find(w0, w1, w2, w3, length);
  }

  stats(): FibStats {
    return this.#trie.stats();
  }
}

export class Fib6Reader {
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = words(memory, 0, memory.byteLength / 4);
  }

  /** The next hop of the longest prefix that holds the sixteen bytes at `offset`, 0 where there is none. */
  lookupAt(bytes: Uint8Array, offset: number): number {
    const table = this.#words;
    let word = table[(bytes[offset]! << 8) | bytes[offset + 1]!]!;
    // The last byte's words never lead on.
    for (let at = offset + 2; word < 0; at++) word = table[(word & FIB_GROUP_MASK) + bytes[at]!]!;
    return word & FIB_HOP_MASK;
  }
}
