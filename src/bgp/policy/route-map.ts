// Route maps as configured: numbered clauses, each with conditions (match) and changes (set), tried in order. They are text
// and small values, shared by all who refer to the map by name; what runs is a map bound to a use (bound-map.ts).
import type { AddressWords, Family } from '../../net/index.ts';

export type Match =
  | { readonly kind: 'prefix-list'; readonly family: Family; readonly name: string }
  | { readonly kind: 'prefix-length'; readonly family: Family; readonly length: number }
  | { readonly kind: 'next-hop-prefix-list'; readonly family: Family; readonly name: string }
  | { readonly kind: 'next-hop'; readonly family: Family; readonly words: AddressWords }
  | { readonly kind: 'as-path'; readonly name: string }
  | { readonly kind: 'community'; readonly name: string; readonly exact: boolean }
  | { readonly kind: 'metric' | 'local-preference' | 'tag' | 'origin'; readonly value: number }
  | { readonly kind: 'peer'; readonly address: string }
  | { readonly kind: 'source-protocol'; readonly protocol: string };

export type SetAction =
  | { readonly kind: 'local-preference' | 'metric'; readonly sign: '' | '+' | '-'; readonly value: number }
  | { readonly kind: 'weight' | 'tag' | 'origin'; readonly value: number }
  | { readonly kind: 'community'; readonly values: readonly number[]; readonly additive: boolean }
  | { readonly kind: 'comm-list-delete'; readonly name: string }
  | { readonly kind: 'prepend'; readonly path: readonly number[] }
  | { readonly kind: 'prepend-last'; readonly count: number }
  | { readonly kind: 'exclude'; readonly path: readonly number[] }
  | { readonly kind: 'next-hop'; readonly family: Family; readonly words: AddressWords }
  | { readonly kind: 'next-hop-peer'; readonly family: Family }
  | { readonly kind: 'next-hop-link-local'; readonly words: AddressWords }
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
