// What is redistributed to a client: the types of routes that it asked for, and the feed that brings their changes, taken
// in slices while the client reads.
import { AF_INET, AF_INET6, type Family, isLinkLocal6, isLoopback } from '../../net/index.ts';
import {
  AFI_IP,
  AFI_IP6,
  MESSAGE_DISTANCE,
  MESSAGE_METRIC,
  MESSAGE_MTU,
  MESSAGE_NEXTHOP,
  MESSAGE_TAG,
  ROUTE_FLAG_SELECTED,
  type RouteCodec,
  SAFI_UNICAST,
} from '../../zapi/index.ts';
import type { RedistributionFeed, ZebraFace } from '../face.ts';
import type { RibTable } from '../rib/table.ts';
import type { Client } from './client.ts';
import { pathsToColumns, redistributedPaths } from './translate.ts';

/** The route type that means every one of them. */
const ROUTE_ALL = 30;
/** Changes that are taken between two looks at the clock. */
const CHANGES_A_LOOK = 64;

export class Redistributed {
  readonly #client: Client;
  readonly #zebra: ZebraFace;
  readonly #codec: RouteCodec;
  #feed: RedistributionFeed | undefined;
  #ready = false;
  /** vrf << 1 | (1 for IPv6) → types asked for; type -1 is the default route. */
  readonly #types: Map<number, Set<number>> = new Map();

  constructor(client: Client) {
    this.#client = client;
    this.#zebra = client.host.zebra;
    this.#codec = client.host.dialect.route;
  }

  get types(): { vrf: number; family: Family; type: number }[] {
    const all: { vrf: number; family: Family; type: number }[] = [];
    for (const [key, types] of this.#types) {
      for (const type of types) all.push({ vrf: key >>> 1, family: (key & 1) === 1 ? AF_INET6 : AF_INET, type });
    }
    return all;
  }

  /** Whether the feed has something. */
  get ready(): boolean {
    return this.#ready && this.#feed !== undefined;
  }

  /** REDISTRIBUTE_ADD and REDISTRIBUTE_DELETE; type -1 is the default route of every type. */
  want(vrf: number, afi: number, routeType: number, instance: number, on: boolean): void {
    if (afi !== AFI_IP && afi !== AFI_IP6) return;
    const family = afi === AFI_IP ? AF_INET : AF_INET6;
    const type = routeType === ROUTE_ALL ? 0 : routeType;
    const key = (vrf << 1) | (afi === AFI_IP6 ? 1 : 0);
    let types = this.#types.get(key);
    if (types === undefined) {
      types = new Set();
      this.#types.set(key, types);
    }
    this.#feed ??= this.#zebra.redistribution(this.#client.ownerNumber(), () => {
      this.#ready = true;
      this.#client.pump();
    });
    // The default route is asked for of every type; `#one` leaves out what was not meant. Every type at once
    // is asked of zebra while either of the two is wanted.
    const everything = types.has(0) || types.has(-1);
    if (on) types.add(type);
    else types.delete(type);
    const still = types.has(0) || types.has(-1);
    if (type > 0) {
      if (on) this.#feed.subscribe(vrf, family, type, instance);
      else this.#feed.unsubscribe(vrf, family, type, instance);
    } else if (still && (on || !everything)) this.#feed.subscribe(vrf, family, 0, 0);
    else if (!still && everything) this.#feed.unsubscribe(vrf, family, 0, 0);
    this.#ready = true;
    this.#client.pump();
  }

  /** A slice. True = there is more, and room for it. */
  take(shouldYield: () => boolean): boolean {
    const feed = this.#feed;
    if (feed === undefined) return false;
    while (this.#client.out.room) {
      if (feed.take(CHANGES_A_LOOK, this.#one) === 0) {
        this.#ready = feed.pending > 0;
        return this.#ready;
      }
      if (shouldYield()) return true;
    }
    return false;
  }

  close(): void {
    this.#feed?.close();
  }

  readonly #one = (
    add: boolean,
    table: RibTable,
    prefixId: number,
    entry: number,
    type: number,
    instance: number,
  ): void => {
    const { prefixes, vrf, family } = table;
    const types = this.#types.get((vrf << 1) | (family === AF_INET6 ? 1 : 0));
    const length = prefixes.length[prefixId]!;
    // Never its own routes back.
    if (types === undefined || (type === this.#client.routeType && instance === this.#client.instance)) return;
    if (!types.has(type) && !types.has(0) && !(types.has(-1) && length === 0)) return;
    const route = this.#client.host.outRoute;
    const words = prefixes.words(prefixId);
    // What is true on one link or host only is nobody else's business.
    if (isLoopback(family, words) || (family === AF_INET6 && isLinkLocal6(words))) return;
    route.type = type;
    route.instance = instance;
    route.safi = SAFI_UNICAST;
    route.family = family;
    route.prefixLength = length;
    route.w0 = words[0];
    route.w1 = words[1];
    route.w2 = words[2];
    route.w3 = words[3];
    const { command } = this.#client.host.dialect;
    const counter = family === AF_INET ? this.#client.stats.redistribute4 : this.#client.stats.redistribute6;
    if (add) {
      counter.add++;
      route.flags = (table.flags[entry]! & 0x3ff) | ROUTE_FLAG_SELECTED;
      const tag = table.tag[entry]!;
      route.message = MESSAGE_NEXTHOP | MESSAGE_DISTANCE | MESSAGE_METRIC | MESSAGE_MTU | (tag === 0 ? 0 : MESSAGE_TAG);
      route.distance = table.distance[entry]!;
      route.metric = table.metric[entry]!;
      route.tag = tag;
      const columns = this.#client.host.columns;
      pathsToColumns(redistributedPaths(this.#zebra.nexthops.get(table.set[entry]!)), columns);
      route.bytes = this.#client.host.outBlock;
      route.nexthopCount = columns.count;
      route.nexthopStart = 0;
      route.nexthopEnd = this.#codec.encodeNexthops(columns, route.message, route.bytes, 0);
    } else {
      counter.delete++;
      route.flags = 0;
      route.message = 0;
      route.nexthopCount = 0;
      route.nexthopStart = 0;
      route.nexthopEnd = 0;
    }
    route.backupStart = route.nexthopEnd;
    route.backupEnd = route.nexthopEnd;
    route.opaqueStart = route.nexthopEnd;
    route.opaqueEnd = route.nexthopEnd;
    const number = add ? command.REDISTRIBUTE_ROUTE_ADD : command.REDISTRIBUTE_ROUTE_DEL;
    const { out } = this.#client;
    let end = this.#codec.encode(route, vrf, number, out.buffer, out.end);
    if (end < 0) {
      out.flush();
      end = this.#codec.encode(route, vrf, number, out.buffer, out.end);
    }
    out.lastCommand = add ? 'REDISTRIBUTE_ROUTE_ADD' : 'REDISTRIBUTE_ROUTE_DEL';
    out.added(end);
  };
}
