// `bgp listen range PREFIX peer-group NAME`: whoever connects from the prefix becomes a neighbour with the group's settings, for
// as long as the connection lasts. Nobody is connected to, and nothing of such a neighbour is configured.
import {
  type AddressWords,
  containsAddress,
  containsPrefix,
  type Family,
  formatPrefix,
  type Prefix,
} from '../net/index.ts';

export interface ListenRange {
  readonly prefix: Prefix;
  readonly group: string;
}

export class ListenRanges {
  readonly #byPrefix: Map<string, ListenRange> = new Map();

  set(prefix: Prefix, group: string): void {
    this.#byPrefix.set(formatPrefix(prefix), { prefix, group });
  }

  /** The range that went. */
  delete(prefix: Prefix): ListenRange | undefined {
    const range = this.#byPrefix.get(formatPrefix(prefix));
    this.#byPrefix.delete(formatPrefix(prefix));
    return range;
  }

  /** The range that holds an address: there is one at most. */
  find(family: Family, words: AddressWords): ListenRange | undefined {
    for (const range of this) if (containsAddress(range.prefix, family, words)) return range;
    return undefined;
  }

  [Symbol.iterator](): MapIterator<ListenRange> {
    return this.#byPrefix.values();
  }
}

/** Whether a neighbour could come under both. */
export function overlap(a: Prefix, b: Prefix): boolean {
  return containsPrefix(a, b) || containsPrefix(b, a);
}
