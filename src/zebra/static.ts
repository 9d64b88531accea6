// Static routes: `ip route` and `ipv6 route` lines. Lines of one prefix and distance are the members of one route; each
// distance is a route of its own, so that a floating one waits behind the better. Interfaces and VRFs are named, and may not
// exist yet: a line whose interface or VRF is missing counts as soon as it comes.
import { type AddressWords, type Family, formatAddress, formatPrefix, type Prefix } from '../net/index.ts';
import { rtnetlink as c } from '../netlink/index.ts';
import { FLAG_ALLOW_RECURSION, FLAG_RR_USE_DISTANCE } from './face.ts';
import type { Interface, Interfaces } from './interface/interfaces.ts';
import { compareNexthops, ECMP_LIMIT, type Nexthop, type NexthopSets } from './nexthop/set.ts';
import type { Rib } from './rib/rib.ts';
import { ROUTE_STATIC } from './route-type.ts';

/** Where the routes of a VRF are put. */
export interface StaticPlace {
  readonly vrf: number;
  readonly rib: Rib;
  readonly sets: NexthopSets;
  readonly interfaces: Interfaces;
}

/** By the name of a VRF; undefined: it is not there. */
export type StaticPlaces = (name: string) => StaticPlace | undefined;

export interface StaticNexthop {
  readonly gateway: { readonly family: Family; readonly words: AddressWords } | undefined;
  readonly interface: string | undefined;
  /** BLACKHOLE_* or 0. */
  readonly blackhole: number;
  readonly onlink: boolean;
  /** Name of the VRF in which it lies, where one is named. */
  readonly vrf?: string | undefined;
  /** MPLS labels to push, the outermost first. */
  readonly labels?: readonly number[];
}

interface Line {
  readonly nexthop: StaticNexthop;
  readonly key: string;
  tag: number;
}

interface Route {
  readonly prefix: Prefix;
  readonly distance: number;
  readonly lines: Map<string, Line>;
  /** Where it was put. */
  place: StaticPlace | undefined;
}

/** Those of all VRFs, by the VRF's name. */
export class AllStatics {
  readonly #places: StaticPlaces;
  readonly #byVrf: Map<string, StaticRoutes> = new Map();

  constructor(places: StaticPlaces) {
    this.#places = places;
  }

  of(vrf: string): StaticRoutes {
    let statics = this.#byVrf.get(vrf);
    if (statics === undefined) {
      statics = new StaticRoutes(this.#places, vrf);
      this.#byVrf.set(vrf, statics);
    }
    return statics;
  }

  forget(vrf: string): void {
    this.#byVrf.get(vrf)?.clear();
    this.#byVrf.delete(vrf);
  }

  interfaceChanged(one: Interface): void {
    for (const statics of this.#byVrf.values()) statics.interfaceChanged(one);
  }

  /** The VRF of this name came, went, or is another one. */
  vrfChanged(name: string): void {
    for (const statics of this.#byVrf.values()) statics.vrfChanged(name);
  }
}

export class StaticRoutes {
  readonly #places: StaticPlaces;
  /** Name of the VRF of the routes. */
  readonly #vrf: string;
  /** By prefix, and then by distance. */
  readonly #routes: Map<string, Map<number, Route>> = new Map();
  #count = 0;

  constructor(places: StaticPlaces, vrf: string) {
    this.#places = places;
    this.#vrf = vrf;
  }

  get count(): number {
    return this.#count;
  }

  /**
   * Adds a next hop to the route of this prefix and distance, or changes its tag; false where the route has as many next
   * hops as are used.
   */
  add(prefix: Prefix, nexthop: StaticNexthop, distance: number, tag: number): boolean {
    const prefixKey = formatPrefix(prefix);
    const key = lineKey(nexthop);
    const siblings = this.#routes.get(prefixKey) ?? new Map<number, Route>();
    let route = siblings.get(distance);
    if (route !== undefined && route.lines.size >= ECMP_LIMIT && !route.lines.has(key)) return false;
    // A next hop has one distance: the same one with another is moved.
    for (const other of siblings.values()) if (other !== route) this.#removeLine(siblings, other, key);
    if (route === undefined) {
      route = { prefix, distance, lines: new Map(), place: undefined };
      siblings.set(distance, route);
      this.#routes.set(prefixKey, siblings);
      this.#count++;
    }
    route.lines.set(key, { nexthop, key, tag });
    this.#update(route);
    return true;
  }

  /** Takes it away; false where there was none. */
  remove(prefix: Prefix, nexthop: StaticNexthop, distance: number): boolean {
    const prefixKey = formatPrefix(prefix);
    const siblings = this.#routes.get(prefixKey);
    const route = siblings?.get(distance);
    if (siblings === undefined || route === undefined) return false;
    const removed = this.#removeLine(siblings, route, lineKey(nexthop));
    if (siblings.size === 0) this.#routes.delete(prefixKey);
    return removed;
  }

  #removeLine(siblings: Map<number, Route>, route: Route, key: string): boolean {
    if (!route.lines.delete(key)) return false;
    this.#update(route);
    if (route.lines.size === 0 && siblings.delete(route.distance)) this.#count--;
    return true;
  }

  /** An interface came, went or was renamed: lines that name one are looked at again. */
  interfaceChanged(_one: Interface): void {
    for (const siblings of this.#routes.values()) {
      for (const route of siblings.values()) {
        for (const line of route.lines.values()) {
          if (line.nexthop.interface === undefined) continue;
          this.#update(route);
          break;
        }
      }
    }
  }

  /** Takes all of them away. */
  clear(): void {
    for (const siblings of this.#routes.values()) {
      for (const route of siblings.values()) {
        route.lines.clear();
        this.#update(route);
      }
    }
    this.#routes.clear();
    this.#count = 0;
  }

  /** The VRF of this name came, went, or is another one. */
  vrfChanged(name: string): void {
    for (const siblings of this.#routes.values()) {
      for (const route of siblings.values()) {
        if (name === this.#vrf || route.lines.values().some(line => line.nexthop.vrf === name)) this.#update(route);
      }
    }
  }

  #update(route: Route): void {
    const place = this.#places(this.#vrf);
    const members: Nexthop[] = [];
    let tag = 0;
    for (const line of route.lines.values()) {
      const { gateway, blackhole, onlink, labels = [] } = line.nexthop;
      const its = line.nexthop.vrf === undefined ? place : this.#places(line.nexthop.vrf);
      // From one network namespace no way leads into another.
      if (its === undefined || its.rib !== place?.rib) continue;
      let ifindex = 0;
      if (line.nexthop.interface !== undefined) {
        const one = its.interfaces.byName(line.nexthop.interface);
        if (one === undefined || one.vrf !== its.vrf) continue;
        ifindex = one.ifindex;
      }
      tag = line.tag;
      members.push({
        gatewayFamily: gateway === undefined ? 0 : gateway.family,
        gateway: gateway === undefined ? [0, 0, 0, 0] : gateway.words,
        ifindex,
        blackhole,
        onlink,
        weight: 1,
        vrf: its.vrf,
        ...(labels.length > 0 && { encap: { type: c.LWTUNNEL_ENCAP_MPLS, labels } }),
      });
    }
    const { family, words, length } = route.prefix;
    const [w0, w1, w2, w3] = words;
    const before = route.place;
    if (before !== undefined && (before.vrf !== place?.vrf || members.length === 0)) {
      before.rib.remove(before.vrf, family, w0, w1, w2, w3, length, ROUTE_STATIC, 0, route.distance, 0);
      route.place = undefined;
    }
    if (members.length === 0 || place === undefined) return;
    members.sort(compareNexthops);
    const { vrf, rib, sets } = place;
    const set = sets.intern(vrf, family, members, true);
    const flags = FLAG_ALLOW_RECURSION | FLAG_RR_USE_DISTANCE;
    rib.add(vrf, family, w0, w1, w2, w3, length, ROUTE_STATIC, 0, flags, route.distance, 0, tag, set, 0);
    route.place = place;
  }
}

function lineKey(one: StaticNexthop): string {
  const gateway = one.gateway === undefined ? '' : formatAddress(one.gateway.family, one.gateway.words);
  return `${gateway} ${one.interface ?? ''} ${one.blackhole} ${one.vrf ?? ''}`;
}
