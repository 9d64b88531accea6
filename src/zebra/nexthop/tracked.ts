// Addresses that somebody waits for (gateways of next-hop sets, next hops that clients registered), sorted, so that a
// prefix is a range of them: when a destination changes, one binary search says whether anybody cares, which for nearly all
// of a million destinations is "no" after a dozen comparisons.
import { AF_INET, type AddressWords, type Family, maskWord } from '../../net/index.ts';

export interface Tracked<T> {
  readonly words: AddressWords;
  readonly users: Set<T>;
}

function compare(a: AddressWords, w0: number, w1: number, w2: number, w3: number): number {
  return a[0] - w0 || a[1] - w1 || a[2] - w2 || a[3] - w3;
}

/** The tracked addresses of one VRF and family. */
export class TrackedAddresses<T> {
  readonly family: Family;
  readonly #sorted: Tracked<T>[] = [];

  constructor(family: Family) {
    this.family = family;
  }

  get size(): number {
    return this.#sorted.length;
  }

  add(words: AddressWords, user: T): void {
    const at = this.#lowerBound(words[0], words[1], words[2], words[3]);
    const there = this.#sorted[at];
    if (there !== undefined && compare(there.words, words[0], words[1], words[2], words[3]) === 0)
      there.users.add(user);
    else this.#sorted.splice(at, 0, { words, users: new Set([user]) });
  }

  delete(words: AddressWords, user: T): void {
    const at = this.#lowerBound(words[0], words[1], words[2], words[3]);
    const there = this.#sorted[at];
    if (there === undefined || compare(there.words, words[0], words[1], words[2], words[3]) !== 0) return;
    there.users.delete(user);
    if (there.users.size === 0) this.#sorted.splice(at, 1);
  }

  /** Calls `visit` for each user of an address inside the prefix. */
  within(w0: number, w1: number, w2: number, w3: number, length: number, visit: (user: T) => void): void {
    const sorted = this.#sorted;
    if (sorted.length === 0) return;
    for (let at = this.#lowerBound(w0, w1, w2, w3); at < sorted.length; at++) {
      const words = sorted[at]!.words;
      if ((words[0] & maskWord(length)) >>> 0 !== w0) return;
      if (this.family !== AF_INET) {
        if ((words[1] & maskWord(length - 32)) >>> 0 !== w1) return;
        if ((words[2] & maskWord(length - 64)) >>> 0 !== w2) return;
        if ((words[3] & maskWord(length - 96)) >>> 0 !== w3) return;
      }
      for (const user of sorted[at]!.users) visit(user);
    }
  }

  /** Place of the first address that is not below the given one. */
  #lowerBound(w0: number, w1: number, w2: number, w3: number): number {
    const sorted = this.#sorted;
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(sorted[middle]!.words, w0, w1, w2, w3) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
