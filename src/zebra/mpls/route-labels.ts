// Labels for the routes of others: LDP learns from a neighbour which label to push towards a prefix, and the route to that prefix
// is OSPF's, or static. So a route may be announced without labels and have them in the RIB: wherever it is announced, its next
// hops are dressed with what is known for their gateways, and when that changes the route is announced again.
//
//   ROUTE_ADD 1.1.1.2/32 via 10.0.0.2 ──▶ dress ──▶ via 10.0.0.2 label 17
//   MPLS_LABELS_ADD 1.1.1.2/32 static: 10.0.0.2 label 17
import { equalWords, formatPrefix, type Family, type Prefix } from '../../net/index.ts';
import type { Owner } from '../face.ts';
import type { Nexthop, NexthopSets } from '../nexthop/set.ts';
import type { Rib } from '../rib/rib.ts';
import { VRF_DEFAULT } from '../vrf.ts';
import { sameWay } from './lsp.ts';

interface Dressed {
  readonly prefix: Prefix;
  readonly routeType: number;
  readonly instance: number;
  /** LSP_* of who says it. */
  type: number;
  owner: Owner;
  /** Gateways, with the labels to push as their encap. */
  ways: readonly Nexthop[];
  /** By distance, the set that the route was announced with. */
  readonly bare: Map<number, number>;
}

/** A route in the words of what announces it. */
export interface LabelledRoute {
  readonly prefix: Prefix;
  readonly routeType: number;
  readonly instance: number;
}

export class RouteLabels {
  readonly #rib: Rib;
  readonly #sets: NexthopSets;
  readonly #routes: Map<string, Dressed> = new Map();

  constructor(rib: Rib, sets: NexthopSets) {
    this.#rib = rib;
    this.#sets = sets;
  }

  get size(): number {
    return this.#routes.size;
  }

  /** Labels for these gateways; a gateway that has some gets these in their place. */
  add(route: LabelledRoute, type: number, ways: readonly Nexthop[], owner: Owner): void {
    const there = this.#routes.get(keyOf(route))?.ways ?? [];
    this.replace(route, type, [...there.filter(one => !ways.some(other => sameWay(one, other))), ...ways], owner);
  }

  /** No labels for these gateways any more. */
  remove(route: LabelledRoute, type: number, ways: readonly Nexthop[]): void {
    const one = this.#routes.get(keyOf(route));
    if (one === undefined || one.type !== type) return;
    this.replace(
      route,
      type,
      one.ways.filter(way => !ways.some(other => sameWay(way, other))),
      one.owner,
    );
  }

  /** These labels and no others; none: the route goes without. */
  replace(route: LabelledRoute, type: number, ways: readonly Nexthop[], owner: Owner): void {
    const key = keyOf(route);
    let one = this.#routes.get(key);
    if (ways.length === 0) {
      if (one === undefined) return;
      this.#routes.delete(key);
      if (this.#routes.size === 0) this.#rib.dress = undefined;
      this.#announce(one);
      for (const set of one.bare.values()) this.#sets.drop(set);
      return;
    }
    if (one === undefined) {
      one = { ...route, type, owner, ways, bare: new Map() };
      this.#routes.set(key, one);
      this.#rib.dress = this.#dress;
    } else Object.assign(one, { type, owner, ways });
    this.#announce(one);
  }

  dropOwner(owner: Owner): void {
    for (const one of this.#routes.values()) if (one.owner === owner) this.replace(one, one.type, [], owner);
  }

  /** The set to use in place of the one that a route is announced with. */
  readonly #dress = (
    vrf: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    routeType: number,
    instance: number,
    distance: number,
    asked: number,
  ): number => {
    if (vrf !== VRF_DEFAULT) return asked;
    const prefix = { family, words: [w0, w1, w2, w3] as const, length };
    const one = this.#routes.get(keyOf({ prefix, routeType, instance }));
    if (one === undefined) return asked;
    const before = one.bare.get(distance);
    if (before !== asked) {
      this.#sets.hold(asked);
      one.bare.set(distance, asked);
      if (before !== undefined) this.#sets.drop(before);
    }
    return this.#dressed(one, asked);
  };

  #dressed({ ways }: Dressed, asked: number): number {
    const set = this.#sets.get(asked);
    let any = false;
    const members = set.members.map(member => {
      const way = member.gatewayFamily === 0 ? undefined : ways.find(one => leadsTo(one, member));
      // What its own client has it do goes before.
      if (way?.encap === undefined || member.encap !== undefined) return member;
      any = true;
      return { ...member, encap: way.encap };
    });
    return any ? this.#sets.intern(set.vrf, set.family, members, set.recursive) : asked;
  }

  /** Announces what there is of the route again, as it was announced. */
  #announce({ prefix, routeType, instance, bare }: Dressed): void {
    const { family, words, length } = prefix;
    const t = this.#rib.table(VRF_DEFAULT, family);
    const id = t.prefixes.find(...words, length);
    if (id < 0) return;
    const rows: number[] = [];
    for (let row = t.first[id]!; row >= 0; row = t.next[row]!) {
      if (t.type[row] === routeType && t.instance[row] === instance) rows.push(row);
    }
    for (const row of rows) {
      const since = t.since[row]!;
      const distance = t.distance[row]!;
      this.#rib.add(
        VRF_DEFAULT,
        family,
        ...words,
        length,
        routeType,
        instance,
        t.flags[row]!,
        distance,
        t.metric[row]!,
        t.tag[row]!,
        bare.get(distance) ?? t.set[row]!,
        t.owner[row]!,
      );
      t.since[row] = since;
    }
  }
}

function keyOf({ prefix, routeType, instance }: LabelledRoute): string {
  return `${formatPrefix(prefix)} ${routeType}/${instance}`;
}

/** Whether what is known of one gateway is about the other: who names no interface means whichever it is on. */
function leadsTo(one: Nexthop, member: Nexthop): boolean {
  return (
    one.gatewayFamily === member.gatewayFamily &&
    equalWords(one.gateway, member.gateway) &&
    (one.ifindex === 0 || member.ifindex === 0 || one.ifindex === member.ifindex)
  );
}
