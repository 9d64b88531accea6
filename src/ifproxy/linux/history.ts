// The kernel's history (netlink/stream.ts) told into the picture, and beside it what the kernel does without a word:
//
//    a link set down           IPv4 routes over it go, of those with several hops and of IPv6 the hop dies; nexthop objects over it go,
//                              groups lose them, and IPv4 routes that have none left go
//    a link without carrier    its nexthop objects go likewise
//    a link set up             hops that died live again
//    the last IPv4 address     as if the link were down, for IPv4 and without its objects; the first: its hops live again
//    the last IPv6 address     what of IPv6 it takes (disable_ipv6) has its hops die; the first: they live again (only looked at again)
//    an address deleted        IPv4 routes from it go, IPv6 routes are not from it any more (only looked at again)
//    a link deleted or moved   all that is over it, IPv4 routes of several hops whole
//    an object deleted         IPv4 routes that use it go
//    a link put into a VRF     its routes move to another table (only looked at again)
//
// What is worked out so is told at once, and then routes and objects are dumped again, to be sure of it.
import { AF_INET, AF_INET6, type Family } from '../../net/index.ts';
import {
  KIND_ADDRESS,
  KIND_LINK,
  KIND_NEIGHBOR,
  KIND_NEXTHOP,
  KIND_ROUTE,
  little32,
  NexthopView,
  NotificationStream,
  readAddressMessage,
  readLink,
  readNeighbor,
  RouteView,
  rtnetlink as c,
  type StreamSink,
  type StreamStats,
} from '../../netlink/index.ts';
import { FLAG_DERIVED, FLAG_OWN } from '../event.ts';
import { type Picture, PICTURE_ADDRESSES, PICTURE_LINKS, PICTURE_NEIGHBORS, PICTURE_ROUTES } from '../picture.ts';
import type { History, HistoryOptions } from '../platform.ts';
import { Nexthops } from './nexthops.ts';
import { KernelRoutes, messageFlags } from './routes.ts';

const KINDS: number = KIND_LINK | KIND_ADDRESS | KIND_NEXTHOP | KIND_ROUTE | KIND_NEIGHBOR;
const NO_MAC: Uint8Array = new Uint8Array(0);
const HAS_CARRIER: number = c.IFF_RUNNING | c.IFF_LOWER_UP;

/** KIND_* of the stream, as the picture's kinds. */
const PICTURE_KIND: ReadonlyMap<number, number> = new Map([
  [KIND_LINK, PICTURE_LINKS],
  [KIND_ADDRESS, PICTURE_ADDRESSES],
  [KIND_ROUTE, PICTURE_ROUTES],
  [KIND_NEIGHBOR, PICTURE_NEIGHBORS],
]);

export class LinuxHistory implements History, StreamSink {
  readonly stream: NotificationStream;
  readonly #picture: Picture;
  readonly #own: ReadonlySet<number>;
  readonly #nexthops: Nexthops = new Nexthops();
  readonly #routes: KernelRoutes;
  readonly #route: RouteView = new RouteView();
  readonly #nexthop: NexthopView = new NexthopView();
  /** By ifindex: whether it has a carrier as nexthop objects are asked for it. */
  readonly #carrier: Map<number, boolean> = new Map();
  /** By ifindex: the VRF, bridge or bond that it is a port of. */
  readonly #masters: Map<number, number> = new Map();

  constructor(picture: Picture, own: ReadonlySet<number>, options: HistoryOptions) {
    this.#picture = picture;
    picture.wholeRoutesGo = true;
    this.#own = own;
    this.#routes = new KernelRoutes(picture, this.#nexthops, () => this.stream.resync(KIND_ROUTE));
    this.stream = new NotificationStream({
      kinds: KINDS,
      ...(options.receiveBuffer === undefined ? {} : { receiveBuffer: options.receiveBuffer }),
    });
  }

  get fd(): number {
    return this.stream.socket.fd;
  }

  get stats(): StreamStats {
    return this.stream.stats;
  }

  step(): boolean {
    return this.stream.step(this);
  }

  wakeInMs(): number {
    return this.stream.retryInMs(performance.now());
  }

  refresh(_kinds: number): void {
    // All: what a route leads over hangs on objects, whether a hop is alive on links.
    this.stream.resync(KINDS);
  }

  close(): void {
    this.stream.close();
  }

  // StreamSink

  dumpBegin(kind: number): void {
    if (kind === KIND_NEXTHOP) this.#nexthops.begin();
    if (kind === KIND_ROUTE) this.#routes.begin();
    const pictured = PICTURE_KIND.get(kind);
    if (pictured !== undefined) this.#picture.begin(pictured);
  }

  dumpEnd(kind: number): void {
    if (kind === KIND_NEXTHOP)
      this.#routes.objectsChanged(this.#nexthops.remove(this.#nexthops.unseen()), FLAG_DERIVED);
    if (kind === KIND_ROUTE) this.#routes.end(this.#route);
    if (kind === KIND_LINK) this.#checkDevices();
    const pictured = PICTURE_KIND.get(kind);
    if (pictured !== undefined) this.#picture.end(pictured);
  }

  message(type: number, bytes: Uint8Array, offset: number, length: number, dumped: boolean): void {
    const own = !dumped && this.#own.size > 0 && this.#own.has(little32(bytes, offset + 12));
    switch (type) {
      case c.RTM_NEWROUTE:
      case c.RTM_DELROUTE: {
        const route = this.#route;
        if (!route.decode(bytes, offset, length) || (route.flags & c.RTM_F_CLONED) !== 0) return;
        if (route.family !== AF_INET && route.family !== AF_INET6) return;
        // For packets from some sources only (`from`): a port that was told would send all packets by it.
        if (route.sourceLength !== 0) return;
        if (dumped) this.#routes.item(route, bytes, offset, length);
        else if (type === c.RTM_NEWROUTE) this.#routes.added(route, messageFlags(bytes, offset), own);
        else this.#routes.deleted(route, own);
        return;
      }
      case c.RTM_NEWLINK:
      case c.RTM_DELLINK:
        this.#link(type, bytes, offset, length, own);
        return;
      case c.RTM_NEWADDR:
      case c.RTM_DELADDR:
        this.#address(type, bytes, offset, length, own);
        return;
      case c.RTM_NEWNEXTHOP:
      case c.RTM_DELNEXTHOP:
        if (this.#nexthop.decode(bytes, offset, length)) this.#object(type === c.RTM_DELNEXTHOP, own);
        return;
      case c.RTM_NEWNEIGH:
      case c.RTM_DELNEIGH:
        this.#neighbor(type, bytes, offset, length, own);
        return;
      default:
    }
  }

  #link(type: number, bytes: Uint8Array, offset: number, length: number, own: boolean): void {
    const message = readLink(bytes, offset, length);
    // AF_BRIDGE messages describe a bridge's port, not the link.
    if (message.family === c.AF_BRIDGE) return;
    const { ifindex, flags } = message;
    const picture = this.#picture;
    const before = picture.links.get(ifindex);
    if (type === c.RTM_DELLINK) {
      this.#carrier.delete(ifindex);
      this.#masters.delete(ifindex);
      this.#loseObjects(ifindex);
      picture.linkGone(ifindex, own ? FLAG_OWN : 0);
      this.stream.resync(KIND_ROUTE | KIND_NEXTHOP);
      return;
    }
    const up = (flags & c.IFF_UP) !== 0;
    const wasUp = before?.up;
    const hadCarrier = this.#carrier.get(ifindex);
    const hasCarrier = (flags & HAS_CARRIER) !== 0;
    this.#carrier.set(ifindex, hasCarrier);
    picture.link(
      {
        ifindex,
        name: message.name ?? before?.name ?? '',
        mac: message.address ?? before?.mac ?? NO_MAC,
        mtu: message.mtu ?? before?.mtu ?? 0,
        up,
        carrier: (flags & c.IFF_LOWER_UP) !== 0,
        nature: `${message.hardwareType} ${message.info?.kind ?? ''}`,
      },
      own,
    );
    if (wasUp === true && !up) {
      picture.loseHops(picture.routes4, ifindex, { how: 'dead', keepLocal: true, keepObjects: true }, FLAG_DERIVED);
      this.#killHops6(ifindex);
    }
    if (wasUp === false && up) {
      picture.reviveHops(picture.routes4, ifindex, FLAG_DERIVED);
      picture.reviveHops(picture.routes6, ifindex, FLAG_DERIVED);
    }
    const lostCarrier = hadCarrier === true && !hasCarrier;
    if ((wasUp === true && !up) || lostCarrier) this.#loseObjects(ifindex);
    const master = message.master ?? 0;
    // In a VRF its routes are in another table, and those that were in the one before are gone.
    const moved = wasUp !== undefined && this.#masters.get(ifindex) !== master;
    this.#masters.set(ifindex, master);
    if ((wasUp !== undefined && wasUp !== up) || lostCarrier || moved) this.stream.resync(KIND_ROUTE | KIND_NEXTHOP);
  }

  /** IPv6 routes that lose their last hop are told by the kernel; of the others the hop dies in silence. */
  #killHops6(ifindex: number): void {
    const picture = this.#picture;
    picture.loseHops(
      picture.routes6,
      ifindex,
      { how: 'dead', keepLocal: true, keepObjects: true, onlySome: true },
      FLAG_DERIVED,
    );
  }

  #loseObjects(ifindex: number): void {
    const ids = this.#nexthops.over(ifindex);
    if (ids.length > 0) this.#routes.objectsChanged(this.#nexthops.remove(ids), FLAG_DERIVED);
  }

  /** An interface that we hold may have been deleted, and another one have its number, while we were told nothing. */
  #checkDevices(): void {
    for (const proxy of this.#picture.attached) {
      if (proxy.state === 'there' && proxy.device !== undefined && proxy.device.currentName() === undefined) {
        this.#picture.lost(proxy);
      }
    }
  }

  #address(type: number, bytes: Uint8Array, offset: number, length: number, own: boolean): void {
    const message = readAddressMessage(bytes, offset, length);
    const { family, ifindex } = message;
    if (family !== AF_INET && family !== AF_INET6) return;
    const words = message.local ?? message.peer;
    if (words === undefined) return;
    const far = message.peer;
    const isPeer = far !== undefined && words.some((word, i) => word !== far[i]);
    const value = {
      family: family as Family,
      words,
      length: message.length,
      peer: isPeer ? far : undefined,
      scope: message.scope,
      flags: message.flags ?? 0,
    };
    const picture = this.#picture;
    const before = picture.addressCount(ifindex, value.family);
    if (type === c.RTM_NEWADDR) picture.address(ifindex, value, own);
    else picture.addressGone(ifindex, value, own);
    if (type === c.RTM_DELADDR && this.#routes.from(value.family, words)) this.stream.resync(KIND_ROUTE);
    const after = picture.addressCount(ifindex, value.family);
    if (family === AF_INET6) {
      const severed =
        (before === 0) !== (after === 0) &&
        picture.sets.sets.some(set => set !== undefined && set.hopCount > 1 && set.uses(ifindex));
      if (severed) this.stream.resync(KIND_ROUTE);
    } else if (before > 0 && after === 0) {
      const loss = { how: 'dead', keepLocal: false, keepObjects: true } as const;
      picture.loseHops(picture.routes4, ifindex, loss, FLAG_DERIVED);
      this.stream.resync(KIND_ROUTE);
    } else if (before === 0 && after > 0 && picture.links.get(ifindex)?.up === true) {
      picture.reviveHops(picture.routes4, ifindex, FLAG_DERIVED);
    }
  }

  #object(gone: boolean, own: boolean): void {
    const view = this.#nexthop;
    const { proxies } = this.#picture;
    const flags = own ? FLAG_OWN | FLAG_DERIVED : FLAG_DERIVED;
    if (gone) {
      this.#routes.objectsChanged(this.#nexthops.remove([view.id]), flags);
      return;
    }
    const touched = this.#nexthops.touches(view.id, proxies);
    const wasBlackhole = this.#nexthops.isBlackhole(view.id);
    const affected = this.#nexthops.set(view);
    this.#routes.objectsChanged(affected, flags);
    if (affected.length === 0) return;
    // Routes that use it, or a group that has it, did not concern us until now.
    const concerns = !touched && this.#nexthops.touches(view.id, proxies);
    // They are of another type now.
    const turned = wasBlackhole !== undefined && wasBlackhole !== view.blackhole;
    if (concerns || turned) this.stream.resync(KIND_ROUTE);
  }

  #neighbor(type: number, bytes: Uint8Array, offset: number, length: number, own: boolean): void {
    const message = readNeighbor(bytes, offset, length);
    const { family, ifindex, destination, state, flags } = message;
    if (family !== AF_INET && family !== AF_INET6) return;
    if (destination === undefined || (flags & c.NTF_PROXY) !== 0) return;
    const mac = message.mac ?? NO_MAC;
    const value = { family: family as Family, words: destination, mac, state, flags };
    // The kernel makes these by itself for groups and the like, and does not say so. What becomes one is a neighbour no more.
    const group = (state & c.NUD_NOARP) !== 0 && !isUnicastMac(mac);
    if (type === c.RTM_NEWNEIGH && !group) this.#picture.neighbor(ifindex, value, own);
    else this.#picture.neighborGone(ifindex, value, own);
  }
}

function isUnicastMac(mac: Uint8Array): boolean {
  return mac.length >= 6 && (mac[0]! & 1) === 0 && mac.some(byte => byte !== 0);
}
