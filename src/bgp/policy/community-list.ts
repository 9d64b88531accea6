// Lists that match communities, of the three kinds there are: what a kind's values are called and how they are written is a
// row of data, the rest is the same for all.
//
// A standard list's entry names values that must all be present; an expanded list's entry is a regular expression over the
// route's values as text. The first entry that matches decides; no match denies.
import { COMMUNITY_INTERNET, formatCommunities, parseCommunities } from './community.ts';
import { formatExtendedCommunities, formatExtendedList, parseExtendedCommunities } from './extended-community.ts';
import { formatLargeCommunities, parseLargeCommunities } from './large-community.ts';
import { PathRegex } from './regex.ts';
import { insertBySequence, nextSequence, removeSequence } from './sequence.ts';

export interface CommunityKind<Value> {
  /** Of its lists: `bgp community-list`. */
  readonly word: 'community-list' | 'extcommunity-list' | 'large-community-list';
  /** Values in ascending order, each once. Throws a RangeError naming a bad word. */
  readonly parse: (text: string) => Value[];
  /** As a standard entry is written. */
  readonly format: (values: readonly Value[]) => string;
  /** What an expression sees. */
  readonly display: (values: readonly Value[]) => string;
  /** In an entry it matches every route. */
  readonly any: Value | undefined;
}

export const STANDARD_COMMUNITIES: CommunityKind<number> = {
  word: 'community-list',
  parse: parseCommunities,
  format: formatCommunities,
  display: formatCommunities,
  any: COMMUNITY_INTERNET,
};

export const EXTENDED_COMMUNITIES: CommunityKind<string> = {
  word: 'extcommunity-list',
  parse: parseExtendedCommunities,
  format: formatExtendedList,
  display: formatExtendedCommunities,
  any: undefined,
};

export const LARGE_COMMUNITIES: CommunityKind<string> = {
  word: 'large-community-list',
  parse: parseLargeCommunities,
  format: formatLargeCommunities,
  display: formatLargeCommunities,
  any: undefined,
};

export interface CommunityEntry<Value> {
  readonly sequence: number;
  readonly permit: boolean;
  /** Values of a standard entry, in ascending order; a regular expression of an expanded one. */
  readonly match: readonly Value[] | PathRegex;
  /** What stands after permit or deny. */
  readonly text: string;
}

export class CommunityList<Value extends number | string> {
  readonly kind: CommunityKind<Value>;
  readonly name: string;
  readonly expanded: boolean;
  readonly entries: CommunityEntry<Value>[] = [];

  constructor(kind: CommunityKind<Value>, name: string, expanded: boolean) {
    this.kind = kind;
    this.name = name;
    this.expanded = expanded;
  }

  /** Throws a RangeError or SyntaxError where the text is not what the list holds. */
  set(sequence: number, permit: boolean, text: string): void {
    const entry = this.expanded
      ? { sequence, permit, match: new PathRegex(text), text }
      : { sequence, permit, match: this.kind.parse(text), text: this.kind.format(this.kind.parse(text)) };
    insertBySequence(this.entries, entry);
  }

  remove(sequence: number): boolean {
    return removeSequence(this.entries, sequence);
  }

  nextSequence(): number {
    return nextSequence(this.entries);
  }

  /** Whether the list permits a route with these values (ascending). */
  permits(values: readonly Value[], exact = false): boolean {
    for (const entry of this.entries) if (this.#matches(entry, values, exact)) return entry.permit;
    return false;
  }

  #matches({ match }: CommunityEntry<Value>, values: readonly Value[], exact: boolean): boolean {
    if (match instanceof PathRegex) return match.test(this.kind.display(values));
    if (this.#any(match)) return true;
    if (!exact) return match.every(value => values.includes(value));
    return match.length === values.length && match.every((value, i) => values[i] === value);
  }

  #any(match: readonly Value[]): boolean {
    return this.kind.any !== undefined && match.includes(this.kind.any);
  }

  /** The values that `set … delete` leaves: each is asked about by itself, and is gone where an entry that names it permits. */
  without(values: readonly Value[]): Value[] {
    return values.filter(value => {
      const names = ({ match }: CommunityEntry<Value>): boolean =>
        match instanceof PathRegex ? match.test(this.kind.display([value])) : match.includes(value) || this.#any(match);
      return this.entries.find(names)?.permit !== true;
    });
  }
}
