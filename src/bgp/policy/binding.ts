// For whom a route map is compiled, and where it looks up names.
import type { Family, Prefix } from '../../net/index.ts';
import type { AccessList } from './access-list.ts';
import type { AsPathList } from './as-path-list.ts';
import type { AttributeAccess } from './attribute-access.ts';
import type { CommunityList } from './community-list.ts';
import type { PrefixList } from './prefix-list.ts';
import type { FilterKind, RouteMap } from './route-map.ts';

/** Where names are looked up. */
export interface PolicyNames {
  prefixList(family: Family, name: string): PrefixList | undefined;
  accessList(family: Family, name: string): AccessList | undefined;
  asPathList(name: string): AsPathList | undefined;
  communityList(name: string): CommunityList<number> | undefined;
  extendedCommunityList(name: string): CommunityList<string> | undefined;
  largeCommunityList(name: string): CommunityList<string> | undefined;
  routeMap(name: string): RouteMap | undefined;
}

/** What prefix lists and access lists have in common: they permit a prefix, or an address as one. */
export interface PrefixFilter {
  permits(w0: number, w1: number, w2: number, w3: number, length: number): boolean;
}

/** The list of a kind and name, where there is one; the use comes to depend on it. */
export function prefixFilter(
  names: PolicyNames,
  depends: Set<string>,
  kind: FilterKind,
  family: Family,
  name: string,
): PrefixFilter | undefined {
  depends.add(`${kind} ${name}`);
  return kind === 'prefix-list' ? names.prefixList(family, name) : names.accessList(family, name);
}

/** Prefixes by id, as PrefixTable holds them. */
export interface PrefixColumns {
  readonly family: Family;
  readonly w0: Uint32Array;
  readonly w1: Uint32Array;
  readonly w2: Uint32Array;
  readonly w3: Uint32Array;
  readonly length: Uint8Array;
}

/** Whose routes a map is about. */
export interface PolicyUse {
  /** The session's remote address as text, or `local` for routes of our own. */
  readonly peer: string;
  /** What else `match peer` may call the neighbour: its interface, its group. */
  readonly peerNames?: readonly string[];
  /** The neighbour's address in words; undefined for routes of our own. */
  readonly peerAddress: Prefix | undefined;
  /** Outwards: the address of ours that the session has, for `set ip next-hop peer-address`. Undefined inwards. */
  readonly ownAddress?: Prefix | undefined;
  /** The neighbour is one inside our AS. */
  readonly internal?: boolean;
  /** LOCAL_PREF of what says none. */
  readonly defaultLocalPref: number;
  /** Our AS, for what policy writes into a route. */
  readonly localAs: number;
  /** What a redistributed route comes from (`connected`, `static`, …). */
  readonly protocol?: string;
  /** Name of an interface by index, undefined where there is none. */
  readonly interfaceName?: (ifindex: number) => string | undefined;
  /** From 0 up to, but not, 1. */
  readonly random: () => number;
}

/** For whom a map is compiled. */
export interface Binding extends PolicyUse {
  readonly names: PolicyNames;
  readonly attributes: AttributeAccess;
  readonly prefixes: PrefixColumns;
}
