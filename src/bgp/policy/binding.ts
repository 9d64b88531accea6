// For whom a route map is compiled, and where it looks up names.
import type { Family, Prefix } from '../../net/index.ts';
import type { AsPathList } from './as-path-list.ts';
import type { AttributeAccess } from './attribute-access.ts';
import type { CommunityList } from './community.ts';
import type { PrefixList } from './prefix-list.ts';
import type { RouteMap } from './route-map.ts';

/** Where names are looked up. */
export interface PolicyNames {
  prefixList(family: Family, name: string): PrefixList | undefined;
  asPathList(name: string): AsPathList | undefined;
  communityList(name: string): CommunityList | undefined;
  routeMap(name: string): RouteMap | undefined;
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

/** For whom a map is compiled. */
export interface Binding {
  readonly names: PolicyNames;
  readonly attributes: AttributeAccess;
  readonly prefixes: PrefixColumns;
  /** The session's remote address as text, or `local` for routes of our own. */
  readonly peer: string;
  /** The same in words, for `set ip next-hop peer-address`: the neighbour's inwards, our own outwards. */
  readonly peerAddress: Prefix | undefined;
  /** What a redistributed route comes from (`connected`, `static`, …). */
  readonly protocol?: string;
}
