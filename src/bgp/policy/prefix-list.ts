// A prefix-list answers permit or deny for a prefix: the entry with the lowest sequence number that matches decides.
//
// An entry matches a route whose prefix lies inside the entry's and whose length lies in the entry's range, so the
// candidates for a route are the entries whose prefix is one of the route's covering prefixes. A short list is walked in
// order; a long one (an IRR list has thousands of entries) is indexed by prefix, and a route asks the index once for each
// entry length in use and takes the lowest sequence number among what it finds.
import {
  addressBits,
  AF_INET,
  type Family,
  formatPrefix,
  maskWord,
  type Prefix,
  PrefixTable,
} from '../../net/index.ts';
import { insertBySequence, nextSequence, removeSequence } from './sequence.ts';

export interface PrefixListEntry {
  readonly sequence: number;
  readonly permit: boolean;
  readonly prefix: Prefix;
  /** Bounds as configured; undefined where the line names none. */
  readonly ge: number | undefined;
  readonly le: number | undefined;
  /** `any`: written 0.0.0.0/0 le 32 or ::/0 le 128. */
  readonly any: boolean;
  /** How often this entry decided. */
  hits: number;
  /** How often it was looked at and matched or not. */
  references: number;
}

/** Lists up to this long are walked instead of indexed. */
const WALK_LIMIT = 8;

export class PrefixList {
  readonly name: string;
  readonly family: Family;
  description: string | undefined;
  /** By sequence number. */
  readonly entries: PrefixListEntry[] = [];
  #index: PrefixTable | undefined;
  /** By prefix id of the index: the entries with that prefix, by sequence number. */
  #chains: PrefixListEntry[][] = [];

  constructor(name: string, family: Family) {
    this.name = name;
    this.family = family;
  }

  /** The sequence number that a line without one gets. */
  nextSequence(): number {
    return nextSequence(this.entries);
  }

  /** Adds an entry; one with the same sequence number is replaced. */
  set(entry: PrefixListEntry): void {
    insertBySequence(this.entries, entry);
    this.#index = undefined;
  }

  remove(sequence: number): boolean {
    this.#index = undefined;
    return removeSequence(this.entries, sequence);
  }

  /** The entry that says the same, whatever its number. */
  find(permit: boolean, prefix: Prefix, ge: number | undefined, le: number | undefined): PrefixListEntry | undefined {
    const text = formatPrefix(prefix);
    return this.entries.find(
      entry =>
        entry.permit === permit &&
        entry.ge === ge &&
        entry.le === le &&
        entry.prefix.length === prefix.length &&
        formatPrefix(entry.prefix) === text,
    );
  }

  /** Whether the list permits the prefix. A list without entries permits everything, as FRR has it. */
  permits(w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    const entries = this.entries;
    if (entries.length === 0) return true;
    if (entries.length > WALK_LIMIT) return this.#indexed(w0, w1, w2, w3, length);
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!;
      entry.references++;
      if (inRange(entry, length) && covers(entry.prefix, w0, w1, w2, w3)) {
        entry.hits++;
        return entry.permit;
      }
    }
    return false;
  }

  #indexed(w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    const index = this.#index ?? this.#build();
    const lengths = index.lengthCount;
    let best: PrefixListEntry | undefined;
    for (let bits = 0; bits <= length; bits++) {
      if (lengths[bits] === 0) continue;
      const id = index.find(
        (w0 & maskWord(bits)) >>> 0,
        (w1 & maskWord(bits - 32)) >>> 0,
        (w2 & maskWord(bits - 64)) >>> 0,
        (w3 & maskWord(bits - 96)) >>> 0,
        bits,
      );
      if (id < 0) continue;
      const chain = this.#chains[id]!;
      for (let i = 0; i < chain.length; i++) {
        const entry = chain[i]!;
        if (best !== undefined && best.sequence < entry.sequence) break;
        entry.references++;
        if (inRange(entry, length)) {
          best = entry;
          break;
        }
      }
    }
    if (best === undefined) return false;
    best.hits++;
    return best.permit;
  }

  #build(): PrefixTable {
    const index = new PrefixTable(this.family, this.entries.length);
    this.#chains = [];
    for (const entry of this.entries) {
      const [w0, w1, w2, w3] = entry.prefix.words;
      const id = index.insert(w0, w1, w2, w3, entry.prefix.length);
      (this.#chains[id] ??= []).push(entry);
    }
    this.#index = index;
    return index;
  }
}

/** An entry from its words. Throws a RangeError where the bounds do not satisfy length <= ge <= le. */
export function prefixListEntry(
  sequence: number,
  permit: boolean,
  prefix: Prefix,
  ge: number | undefined,
  le: number | undefined,
  any = false,
): PrefixListEntry {
  const bits = addressBits(prefix.family);
  const low = ge ?? prefix.length;
  const high = le ?? bits;
  if (
    (ge !== undefined && ge < prefix.length) ||
    (le !== undefined && le < prefix.length) ||
    low > high ||
    high > bits
  ) {
    const bounds = `${ge === undefined ? '' : ` ge ${ge}`}${le === undefined ? '' : ` le ${le}`}`;
    throw new RangeError(
      `Invalid prefix range for ${formatPrefix(prefix)}${bounds}: make sure that mask length <= ge <= le <= ${bits}`,
    );
  }
  return { sequence, permit, prefix, ge, le, any, hits: 0, references: 0 };
}

function inRange(entry: PrefixListEntry, length: number): boolean {
  const { ge, le, prefix } = entry;
  if (ge === undefined) return le === undefined ? length === prefix.length : length >= prefix.length && length <= le;
  return length >= ge && (le === undefined || length <= le);
}

function covers(prefix: Prefix, w0: number, w1: number, w2: number, w3: number): boolean {
  const words = prefix.words;
  const length = prefix.length;
  if (((w0 ^ words[0]) & maskWord(length)) !== 0) return false;
  if (length <= 32) return true;
  return (
    ((w1 ^ words[1]) & maskWord(length - 32)) === 0 &&
    ((w2 ^ words[2]) & maskWord(length - 64)) === 0 &&
    ((w3 ^ words[3]) & maskWord(length - 96)) === 0
  );
}

/** The entry as a configuration line has it: `seq 5 permit 10.0.0.0/8 le 24`. */
export function formatPrefixListEntry(entry: PrefixListEntry): string {
  const what = entry.any ? 'any' : formatPrefix(entry.prefix);
  const ge = entry.any || entry.ge === undefined ? '' : ` ge ${entry.ge}`;
  const le = entry.any || entry.le === undefined ? '' : ` le ${entry.le}`;
  return `seq ${entry.sequence} ${entry.permit ? 'permit' : 'deny'} ${what}${ge}${le}`;
}

/** `any` of a family as an entry's prefix and bound. */
export function anyPrefix(family: Family): { prefix: Prefix; le: number } {
  return { prefix: { family, words: [0, 0, 0, 0], length: 0 }, le: family === AF_INET ? 32 : 128 };
}
