// All lists and maps of a speaker, by name, and who is told when one of them changes.
import { AF_INET, type Family } from '../../net/index.ts';
import { AccessList } from './access-list.ts';
import { AsPathList } from './as-path-list.ts';
import type { PolicyNames } from './binding.ts';
import type { CommunityList } from './community-list.ts';
import { PrefixList } from './prefix-list.ts';
import { RouteMap } from './route-map.ts';

export type PolicyKind =
  | 'prefix-list'
  | 'access-list'
  | 'as-path'
  | 'community-list'
  | 'extcommunity-list'
  | 'large-community-list'
  | 'route-map'
  | 'interface';

export class PolicyLibrary implements PolicyNames {
  readonly prefixLists4: Map<string, PrefixList> = new Map();
  readonly prefixLists6: Map<string, PrefixList> = new Map();
  readonly accessLists4: Map<string, AccessList> = new Map();
  readonly accessLists6: Map<string, AccessList> = new Map();
  readonly asPathLists: Map<string, AsPathList> = new Map();
  readonly communityLists: Map<string, CommunityList<number>> = new Map();
  readonly extendedCommunityLists: Map<string, CommunityList<string>> = new Map();
  readonly largeCommunityLists: Map<string, CommunityList<string>> = new Map();
  readonly routeMaps: Map<string, RouteMap> = new Map();
  /** What changed since the owner last looked, as `kind name`. */
  readonly changed: Set<string> = new Set();
  /** Told once per change; whatever it does should be coalesced. */
  onChange: () => void = () => {};

  touch(kind: PolicyKind, name: string): void {
    this.changed.add(`${kind} ${name}`);
    this.onChange();
  }

  prefixLists(family: Family): Map<string, PrefixList> {
    return family === AF_INET ? this.prefixLists4 : this.prefixLists6;
  }

  prefixList(family: Family, name: string): PrefixList | undefined {
    return this.prefixLists(family).get(name);
  }

  accessLists(family: Family): Map<string, AccessList> {
    return family === AF_INET ? this.accessLists4 : this.accessLists6;
  }

  accessList(family: Family, name: string): AccessList | undefined {
    return this.accessLists(family).get(name);
  }

  asPathList(name: string): AsPathList | undefined {
    return this.asPathLists.get(name);
  }

  communityList(name: string): CommunityList<number> | undefined {
    return this.communityLists.get(name);
  }

  extendedCommunityList(name: string): CommunityList<string> | undefined {
    return this.extendedCommunityLists.get(name);
  }

  largeCommunityList(name: string): CommunityList<string> | undefined {
    return this.largeCommunityLists.get(name);
  }

  routeMap(name: string): RouteMap | undefined {
    return this.routeMaps.get(name);
  }

  /** The list of this name, made where there is none. */
  needPrefixList(family: Family, name: string): PrefixList {
    return need(this.prefixLists(family), name, () => new PrefixList(name, family));
  }

  needAsPathList(name: string): AsPathList {
    return need(this.asPathLists, name, () => new AsPathList(name));
  }

  needAccessList(family: Family, name: string): AccessList {
    return need(this.accessLists(family), name, () => new AccessList(name, family));
  }

  needRouteMap(name: string): RouteMap {
    return need(this.routeMaps, name, () => new RouteMap(name));
  }
}

/** Whoever owns the lists. */
export interface PolicyOwner {
  readonly policy: PolicyLibrary;
}

function need<T>(map: Map<string, T>, name: string, make: () => T): T {
  let value = map.get(name);
  if (value === undefined) {
    value = make();
    map.set(name, value);
  }
  return value;
}
