// The routes that a client announces and withdraws: from the frame's bytes into the RIB, with no object in between. What
// zebra cannot do is refused aloud, route by route.
import { AF_INET, type Family } from '../../net/index.ts';
import {
  AFI_IP,
  AFI_IP6,
  type Framer,
  MESSAGE_DISTANCE,
  MESSAGE_NHG,
  MESSAGE_SRCPFX,
  MESSAGE_TABLEID,
  NOTE_FAIL_INSTALL,
  ROUTE_FLAG_ALLOW_RECURSION,
  ROUTE_FLAG_IBGP,
  ROUTE_FLAG_RR_USE_DISTANCE,
  ROUTE_OK,
  type RouteCodec,
  routeFaultText,
  RouteMessage,
  SAFI_UNICAST,
  ZapiError,
} from '../../zapi/index.ts';
import type { ZebraFace } from '../face.ts';
import { compareNexthops } from '../nexthop/set.ts';
import { defaultDistance } from '../route-type.ts';
import { BlockCache } from './block-cache.ts';
import { type Client, MAIN_TABLE } from './client.ts';
import { membersOf } from './translate.ts';

export class RouteInput {
  /** The client has announced a route: its input is what waits when zebra is congested. */
  announces = false;
  readonly #client: Client;
  readonly #zebra: ZebraFace;
  readonly #codec: RouteCodec;
  readonly #route: RouteMessage = new RouteMessage();
  readonly #blocks: BlockCache;
  #internProblem = '';

  constructor(client: Client) {
    const { zebra, dialect } = client.host;
    this.#client = client;
    this.#zebra = zebra;
    this.#codec = dialect.route;
    this.#blocks = new BlockCache({
      intern: (vrf, family, recursive) => this.#intern(vrf, family, recursive),
      hold: set => zebra.nexthops.hold(set),
      drop: set => zebra.nexthops.drop(set),
    });
  }

  /** ROUTE_ADD. */
  add(framer: Framer, body: number, end: number): void {
    const route = this.#route;
    this.#decode(framer.bytes, body, end);
    this.announces = true;
    const vrf = framer.vrf;
    const family = route.family as Family;
    const unsupported = this.#unsupported(route, vrf);
    if (unsupported !== '') {
      this.#refuse(route, vrf, unsupported);
      return;
    }
    const set = this.#blocks.find(
      route.bytes,
      route.nexthopStart,
      route.nexthopEnd,
      vrf,
      family,
      (route.flags & ROUTE_FLAG_ALLOW_RECURSION) !== 0,
    );
    if (set < 0) {
      this.#refuse(route, vrf, this.#internProblem);
      return;
    }
    const distance =
      (route.message & MESSAGE_DISTANCE) !== 0 && route.distance !== 0
        ? route.distance
        : defaultDistance(route.type, (route.flags & ROUTE_FLAG_IBGP) !== 0);
    if (family === AF_INET) this.#client.stats.ip4.add++;
    else this.#client.stats.ip6.add++;
    this.#zebra.rib.add(
      vrf,
      family,
      route.w0,
      route.w1,
      route.w2,
      route.w3,
      route.prefixLength,
      route.type,
      route.instance,
      route.flags,
      distance,
      route.metric,
      route.tag,
      set,
      this.#client.ownerNumber(),
    );
  }

  /** ROUTE_DELETE. */
  remove(framer: Framer, body: number, end: number): void {
    const route = this.#route;
    this.#decode(framer.bytes, body, end);
    if (route.safi !== SAFI_UNICAST || this.#zebra.vrfs.get(framer.vrf) === undefined) return;
    const family = route.family as Family;
    const byDistance = (route.flags & ROUTE_FLAG_RR_USE_DISTANCE) !== 0 && (route.message & MESSAGE_DISTANCE) !== 0;
    if (family === AF_INET) this.#client.stats.ip4.delete++;
    else this.#client.stats.ip6.delete++;
    // A route that was never there is not an error: staticd takes back what it did not announce.
    this.#zebra.rib.remove(
      framer.vrf,
      family,
      route.w0,
      route.w1,
      route.w2,
      route.w3,
      route.prefixLength,
      route.type,
      route.instance,
      byDistance ? route.distance : -1,
      this.#client.ownerNumber(),
    );
  }

  /** Lets go of the next hops that it held. */
  close(): void {
    this.#blocks.clear();
  }

  #decode(bytes: Uint8Array, body: number, end: number): void {
    const route = this.#route;
    const fault = this.#codec.decode(route, bytes, body, end);
    if (fault !== ROUTE_OK) throw new ZapiError('body', routeFaultText(fault, route, body), route.faultValue);
  }

  /** What of a route zebra cannot do, or nothing. */
  #unsupported(route: RouteMessage, vrf: number): string {
    if (route.safi !== SAFI_UNICAST) return `SAFI ${route.safi}`;
    const known = this.#zebra.vrfs.get(vrf);
    if (known === undefined) return `VRF ${vrf}, which is not there`;
    if ((route.message & MESSAGE_SRCPFX) !== 0) return 'source-specific routes';
    if ((route.message & MESSAGE_NHG) !== 0) return 'next-hop groups of a client';
    if ((route.message & MESSAGE_TABLEID) !== 0 && route.tableId !== 0 && route.tableId !== known.table) {
      return `routing table ${route.tableId}`;
    }
    return route.nexthopCount === 0 ? 'a route without next hops' : '';
  }

  #intern(vrf: number, family: Family, recursive: boolean): number {
    const route = this.#route;
    const columns = this.#client.host.columns;
    const { nexthopStart, nexthopEnd, nexthopCount, message } = route;
    // Well-formed: the decoder walked it.
    this.#codec.decodeNexthops(columns, route.bytes, nexthopStart, nexthopEnd, nexthopCount, message);
    const members = membersOf(columns);
    if (typeof members === 'string') {
      this.#internProblem = members;
      return -1;
    }
    return this.#zebra.nexthops.intern(vrf, family, members.sort(compareNexthops), recursive);
  }

  /** The route is not taken. The client hears that it failed, where it listens; the log says once why. */
  #refuse(route: RouteMessage, vrf: number, why: string): void {
    this.#client.stats.refused++;
    this.#client.complain(`asks for what is not supported: ${why}`);
    if (!this.#client.notify) return;
    const family = route.family as Family;
    this.#client.out.put(
      'ROUTE_NOTIFY_OWNER',
      {
        note: NOTE_FAIL_INSTALL,
        family,
        length: route.prefixLength,
        w0: route.w0,
        w1: route.w1,
        w2: route.w2,
        w3: route.w3,
        table: this.#zebra.vrfs.get(vrf)?.table ?? MAIN_TABLE,
        afi: family === AF_INET ? AFI_IP : AFI_IP6,
        safi: route.safi,
      },
      vrf,
    );
  }
}
