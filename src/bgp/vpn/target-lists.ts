// The route targets that attribute sets carry, as lists of which there are few: what is to be known of a million sets is known of a
// thousand lists. A set's list is remembered by the set's id.
import { grown, readWord } from '../../net/index.ts';
import type { AttributeStore } from '../rib/index.ts';
import { ATTR_EXTENDED_COMMUNITIES } from '../wire/attribute.ts';
import { EXTENDED_COMMUNITY_BYTES, isRouteTarget } from '../wire/route-target.ts';

/** Lists before those that no set has any more are forgotten: all of them, since the others are soon found again. */
const LISTS_KEPT = 4096;

export class TargetLists {
  /** Lists were numbered anew so many times. */
  generation = 0;
  readonly #store: AttributeStore;
  readonly #kept: number;
  /** Words of targets, two each; list 0 is empty. */
  #lists: Uint32Array[] = [];
  readonly #ids: Map<string, number> = new Map();
  // By set: the list's number + 1.
  #listOfSet = new Uint32Array(0);
  #serial = new Uint32Array(0);

  constructor(store: AttributeStore, kept: number = LISTS_KEPT) {
    this.#store = store;
    this.#kept = kept;
    this.#forget();
  }

  /** How many lists there are. */
  get size(): number {
    return this.#lists.length;
  }

  /** The words of a list's targets, two each. */
  words(list: number): Uint32Array {
    return this.#lists[list]!;
  }

  /** The list of a set's targets. */
  of(set: number): number {
    if (set >= this.#listOfSet.length) {
      [this.#listOfSet, this.#serial] = grown(this.#store.capacity, this.#listOfSet, this.#serial);
    }
    const known = this.#listOfSet[set]!;
    if (known !== 0 && this.#serial[set] === this.#store.serial[set]) return known - 1;
    const list = this.#intern(targetWords(this.#store, set));
    this.#listOfSet[set] = list + 1;
    this.#serial[set] = this.#store.serial[set]!;
    return list;
  }

  #intern(words: Uint32Array): number {
    if (words.length === 0) return 0;
    const key = words.join();
    let list = this.#ids.get(key);
    if (list === undefined) {
      // There are no more lists than sets, so half of these are nobody's.
      if (this.#lists.length >= this.#kept + 2 * this.#store.size) this.#forget();
      list = this.#lists.length;
      this.#lists.push(words);
      this.#ids.set(key, list);
    }
    return list;
  }

  #forget(): void {
    this.generation++;
    this.#lists = [new Uint32Array(0)];
    this.#ids.clear();
    this.#listOfSet.fill(0);
  }
}

/** The route targets of a set, two words each, in the set's order. */
export function targetWords(store: AttributeStore, set: number): Uint32Array {
  if (!store.find(set, ATTR_EXTENDED_COMMUNITIES)) return new Uint32Array(0);
  const words: number[] = [];
  for (let at = store.foundStart; at < store.foundEnd; at += EXTENDED_COMMUNITY_BYTES) {
    const hi = readWord(store.arena, at);
    if (isRouteTarget(hi)) words.push(hi, readWord(store.arena, at + 4));
  }
  return Uint32Array.from(words);
}
