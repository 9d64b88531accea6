// A policy's view of one attribute set: say what is to change, get the id of the changed set. Changes are kept by code
// and merged with the set's own octets in one pass when `finish` is called, so ten changes cost one copy.
import { type AddressWords, AF_INET, AF_INET6, readAddress, readWord } from '../../net/index.ts';
import {
  ATTR_AGGREGATOR,
  ATTR_AS_PATH,
  ATTR_ATOMIC_AGGREGATE,
  ATTR_COMMUNITIES,
  ATTR_EXTENDED_COMMUNITIES,
  ATTR_INTERNAL,
  ATTR_LARGE_COMMUNITIES,
  ATTR_LOCAL_PREF,
  ATTR_MED,
  ATTR_NEXT_HOP,
  ATTR_ORIGIN,
  ATTR_ORIGINATOR_ID,
  ATTR_OTC,
  AttributeWriter,
  FLAG_EXTENDED,
} from '../wire/attribute.ts';
import {
  type AsPathSegment,
  decodeAsPath,
  encodeAsPath,
  encodeNextHop,
  encodeWords,
  flagsOf,
} from './attribute-set.ts';
import type { AttributeStore } from './attributes.ts';
import { decodeInternal, encodeInternal, type InternalAttribute } from './internal-attribute.ts';

export class AttributeEditor {
  readonly #store: AttributeStore;
  readonly #writer = new AttributeWriter();
  readonly #values: (Uint8Array | null | undefined)[] = new Array<Uint8Array | null | undefined>(256); // null: removed
  /** Codes of `#values` that have one, in ascending order. */
  readonly #changed: number[] = [];
  #id = 0;

  constructor(store: AttributeStore) {
    this.#store = store;
  }

  /** Starts with the set `id`, which somebody must hold until `finish`. */
  begin(id: number): this {
    this.#id = id;
    for (const code of this.#changed) this.#values[code] = undefined;
    this.#changed.length = 0;
    return this;
  }

  /** Sets a whole attribute to these octets. */
  set(code: number, value: Uint8Array): this {
    return this.#change(code, value);
  }

  remove(code: number): this {
    return this.#change(code, null);
  }

  #change(code: number, value: Uint8Array | null): this {
    if (this.#values[code] === undefined) {
      const changed = this.#changed;
      let at = changed.length;
      while (at > 0 && changed[at - 1]! > code) at--;
      changed.splice(at, 0, code);
    }
    this.#values[code] = value;
    return this;
  }

  /** The octets that the attribute has at this point, changes included; undefined where it is not there. */
  get(code: number): Uint8Array | undefined {
    const value = this.#values[code];
    if (value !== undefined) return value ?? undefined;
    const store = this.#store;
    return store.find(this.#id, code) ? store.arena.slice(store.foundStart, store.foundEnd) : undefined;
  }

  setOrigin(origin: number): this {
    return this.set(ATTR_ORIGIN, Uint8Array.of(origin));
  }

  setLocalPref(value: number): this {
    return this.set(ATTR_LOCAL_PREF, encodeWords([value]));
  }

  setMed(value: number): this {
    return this.set(ATTR_MED, encodeWords([value]));
  }

  setOriginatorId(value: number): this {
    return this.set(ATTR_ORIGINATOR_ID, encodeWords([value]));
  }

  setAggregator(as: number, routerId: number): this {
    return this.set(ATTR_AGGREGATOR, encodeWords([as, routerId]));
  }

  setAtomicAggregate(): this {
    return this.set(ATTR_ATOMIC_AGGREGATE, new Uint8Array(0));
  }

  /** Changes what the fields say; the others stay. */
  setInternal(change: InternalAttribute): this {
    const own = this.get(ATTR_INTERNAL);
    const value = encodeInternal({ ...(own && decodeInternal(own, 0)), ...change });
    return value === undefined ? this.remove(ATTR_INTERNAL) : this.set(ATTR_INTERNAL, value);
  }

  asPath(): AsPathSegment[] {
    const own = this.get(ATTR_AS_PATH);
    return own ? decodeAsPath(own, 0, own.length) : [];
  }

  setAsPath(segments: readonly AsPathSegment[]): this {
    return this.set(ATTR_AS_PATH, encodeAsPath(segments));
  }

  /** Puts `as` in front of the path, `times` times. */
  prependAs(as: number, times = 1): this {
    const path = this.asPath();
    const first = path[0];
    const run = new Array<number>(times).fill(as);
    if (first?.type === 'sequence') first.as.unshift(...run);
    else path.unshift({ type: 'sequence', as: run });
    return this.setAsPath(path);
  }

  setNextHop4(word: number): this {
    return this.set(ATTR_NEXT_HOP, encodeNextHop({ family: AF_INET, words: [word, 0, 0, 0] }));
  }

  setNextHop6(words: AddressWords, linkLocal?: AddressWords): this {
    return this.set(ATTR_NEXT_HOP, encodeNextHop({ family: AF_INET6, words, ...(linkLocal && { linkLocal }) }));
  }

  /** The global IPv6 next hop at this point; undefined where there is none. */
  nextHop6(): AddressWords | undefined {
    const own = this.get(ATTR_NEXT_HOP);
    return own !== undefined && own.length >= 16 ? readAddress(AF_INET6, own, 0) : undefined;
  }

  communities(): number[] {
    const own = this.get(ATTR_COMMUNITIES);
    const list: number[] = [];
    if (own) for (let at = 0; at + 4 <= own.length; at += 4) list.push(readWord(own, at));
    return list;
  }

  setOtc(as: number): this {
    return this.set(ATTR_OTC, encodeWords([as]));
  }

  /** Sorted and without doubles, as FRR sends them; none removes the attribute. */
  setCommunities(list: readonly number[]): this {
    const done = list.every((value, i) => i === 0 || list[i - 1]! < value);
    const sorted = done ? list : [...new Set(list)].sort((a, b) => a - b);
    return sorted.length === 0 ? this.remove(ATTR_COMMUNITIES) : this.set(ATTR_COMMUNITIES, encodeWords(sorted));
  }

  /** Of 16 hex digits each; none removes the attribute. */
  setExtendedCommunities(list: readonly string[]): this {
    if (list.length === 0) return this.remove(ATTR_EXTENDED_COMMUNITIES);
    return this.set(ATTR_EXTENDED_COMMUNITIES, Buffer.from(list.join(''), 'hex'));
  }

  /** Of 24 hex digits each; none removes the attribute. */
  setLargeCommunities(list: readonly string[]): this {
    if (list.length === 0) return this.remove(ATTR_LARGE_COMMUNITIES);
    return this.set(ATTR_LARGE_COMMUNITIES, Buffer.from(list.join(''), 'hex'));
  }

  /** Interns the changed set; the caller owns one reference. Unchanged, it is `begin`'s own id, with one more. */
  finish(): number {
    const store = this.#store;
    if (this.#changed.length === 0) return store.retain(this.#id);
    const to = this.#writer;
    to.length = 0;
    const arena = store.arena;
    let at = store.start[this.#id]!;
    const end = at + store.length[this.#id]!;
    let next = 0; // of the changed codes
    while (at < end) {
      const own = arena[at + 1]!;
      const extended = (arena[at]! & FLAG_EXTENDED) !== 0;
      const length = extended ? (arena[at + 2]! << 8) | arena[at + 3]! : arena[at + 2]!;
      const behind = at + (extended ? 4 : 3) + length;
      while (next < this.#changed.length && this.#changed[next]! <= own) this.#put(to, this.#changed[next++]!);
      if (this.#values[own] === undefined) {
        to.need(behind - at);
        to.copy(arena, at, behind);
      }
      at = behind;
    }
    while (next < this.#changed.length) this.#put(to, this.#changed[next++]!);
    to.pad();
    return store.intern(to);
  }

  #put(to: AttributeWriter, code: number): void {
    const value = this.#values[code];
    if (!value) return;
    to.header(flagsOf(code), code, value.length);
    to.copy(value, 0, value.length);
  }
}
