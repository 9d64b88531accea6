// Route maps as configured: numbered clauses, each with conditions (match) and changes (set), tried in order. They are text
// and small values, shared by all who refer to the map by name; what runs is a map bound to a use (bound-map.ts).
import type { AddressWords, Family } from '../../net/index.ts';

/** Which kind of list an address is looked up in. */
export type FilterKind = 'prefix-list' | 'access-list';

export type Match =
  | {
      /** Of the route, of its next hop, of the neighbour that it is from. */
      readonly kind: 'address' | 'next-hop-address' | 'route-source';
      readonly list: FilterKind;
      readonly family: Family;
      readonly name: string;
    }
  | { readonly kind: 'prefix-length'; readonly family: Family; readonly length: number }
  | { readonly kind: 'next-hop'; readonly family: Family; readonly words: AddressWords }
  /** It leads nowhere: neither address nor interface. */
  | { readonly kind: 'next-hop-blackhole'; readonly family: Family }
  | { readonly kind: 'as-path' | 'extcommunity'; readonly name: string }
  | { readonly kind: 'community' | 'large-community'; readonly name: string; readonly exact: boolean }
  | { readonly kind: 'metric' | 'local-preference' | 'tag' | 'origin'; readonly value: number }
  | { readonly kind: 'interface'; readonly name: string }
  | {
      readonly kind: 'peer';
      /** An address, an interface, a peer group, or `local`. */
      readonly name: string;
    }
  | { readonly kind: 'probability'; readonly percent: number }
  | { readonly kind: 'source-protocol'; readonly protocol: string };

export type SetAction =
  | { readonly kind: 'local-preference' | 'metric'; readonly sign: '' | '+' | '-'; readonly value: number }
  | { readonly kind: 'weight' | 'tag' | 'origin' | 'distance' | 'originator-id'; readonly value: number }
  | { readonly kind: 'aggregator'; readonly as: number; readonly routerId: number }
  | { readonly kind: 'community'; readonly values: readonly number[]; readonly additive: boolean }
  | { readonly kind: 'large-community'; readonly values: readonly string[]; readonly additive: boolean }
  /** They are added to what is there. */
  | { readonly kind: 'extcommunity'; readonly values: readonly string[] }
  | { readonly kind: 'extcommunity-none' }
  | { readonly kind: 'bandwidth'; readonly megabitsPerSecond: number; readonly transitive: boolean }
  | { readonly kind: 'comm-list-delete' | 'large-comm-list-delete'; readonly name: string }
  | { readonly kind: 'prepend'; readonly path: readonly number[] }
  | { readonly kind: 'prepend-last'; readonly count: number }
  | { readonly kind: 'exclude'; readonly path: readonly number[] }
  | { readonly kind: 'replace'; readonly as: number | 'any' }
  | { readonly kind: 'next-hop'; readonly family: Family; readonly words: AddressWords }
  | { readonly kind: 'next-hop-peer'; readonly family: Family }
  | { readonly kind: 'next-hop-link-local'; readonly words: AddressWords }
  | { readonly kind: 'next-hop-unchanged' | 'next-hop-prefer-global' }
  | { readonly kind: 'atomic-aggregate' };

export interface Clause {
  readonly sequence: number;
  permit: boolean;
  description: string | undefined;
  /** By what they look at, in the order configured; the key is what a later line replaces. */
  readonly matches: Map<string, { readonly match: Match; readonly text: string }>;
  readonly sets: Map<string, { readonly set: SetAction; readonly text: string }>;
  call: string | undefined;
  /** What follows a permitting match: leave, the next clause, or the first one at or after a number. */
  onMatch: 'exit' | 'next' | number;
  invoked: number;
}

export class RouteMap {
  readonly name: string;
  /** By sequence number. */
  readonly clauses: Clause[] = [];
  invoked = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** The clause with this number, made where there is none. */
  clause(sequence: number, permit: boolean): Clause {
    const at = this.clauses.findIndex(clause => clause.sequence >= sequence);
    const found = this.clauses[at];
    if (found !== undefined && found.sequence === sequence) {
      found.permit = permit;
      return found;
    }
    const clause: Clause = {
      sequence,
      permit,
      description: undefined,
      matches: new Map(),
      sets: new Map(),
      call: undefined,
      onMatch: 'exit',
      invoked: 0,
    };
    this.clauses.splice(at < 0 ? this.clauses.length : at, 0, clause);
    return clause;
  }

  remove(sequence: number): void {
    const at = this.clauses.findIndex(clause => clause.sequence === sequence);
    if (at >= 0) this.clauses.splice(at, 1);
  }
}
