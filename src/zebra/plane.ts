// The forwarding plane as zebra sees it: a few calls that hand over one change each, and a sink for what comes back. The real
// one writes contexts of the dataplane (dataplane.ts); tests put a model of the kernel in its place. Scalars only: a
// million calls allocate nothing.
//
//   Rib, NexthopObjects ──routeInstall/nexthopInstall…──▶ Plane ──▶ kernel
//                       ◀──PlaneEvents.routeResult…──────       ◀── (results, then notifications, in the kernel's order)
//
// `object` and `generation` come back with the result untouched, and are all that a result is matched by.
import { type LinkDetail, pathSlots } from '../dataplane/index.ts';
import type { AddressWords, Family } from '../net/index.ts';
import type { Encap } from './nexthop/encap.ts';

/** What a route does, by the kernel's numbers (RTN_*). */
export const RTN_UNICAST = 1;
export const RTN_BLACKHOLE = 6;
export const RTN_UNREACHABLE = 7;
export const RTN_PROHIBIT = 8;

/** Kinds of objects, one bit each: what is dumped and resynchronised together. */
export const KIND_LINK = 1;
export const KIND_ADDRESS = 2;
export const KIND_NEXTHOP = 4;
export const KIND_ROUTE = 8;
export const KIND_LABEL = 256;
export const KINDS: readonly number[] = [KIND_LINK, KIND_ADDRESS, KIND_NEXTHOP, KIND_ROUTE, KIND_LABEL];
export const KIND_ALL: number = KINDS.reduce((all, kind) => all | kind, 0);

/** A path as the kernel has it: what a singleton nexthop object or one leg of a foreign route says. */
export interface KernelPath {
  /** 0: no gateway (directly connected, or blackhole). */
  readonly gatewayFamily: Family | 0;
  readonly gateway: AddressWords;
  /** 0 for a blackhole. */
  readonly ifindex: number;
  readonly blackhole: boolean;
  readonly onlink: boolean;
  /** 1–256. */
  readonly weight: number;
  readonly encap?: Encap;
}

/** Room that these take; a route without paths takes that of one. */
export function roomOf(paths: readonly KernelPath[]): number {
  let room = 0;
  for (const path of paths) room += pathSlots(path.encap);
  return Math.max(1, room);
}

export interface GroupMember {
  /** Id of a singleton object. */
  readonly id: number;
  /** 1–256. */
  readonly weight: number;
}

/** Changes of routes and nexthop objects, each one context. */
export interface Changes {
  /**
   * Creates or replaces a route. `nexthopId` is a nexthop object's for RTN_UNICAST and 0 for the others. `have` is what the
   * route is by now, for the case that the change is taken back: 0 nothing, below OBJECTS_FROM its RTN_* (RTN_UNICAST:
   * something that cannot be said in a word), or a nexthop object.
   */
  routeInstall(
    object: number,
    generation: number,
    table: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    type: number,
    nexthopId: number,
    metric: number,
    have: number,
  ): void;
  /**
   * The same for a route that carries its own paths; a blackhole has none. Takes as much room as `roomOf` says. Its result
   * names what `name` does.
   */
  routeWithPaths(
    object: number,
    generation: number,
    table: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    type: number,
    metric: number,
    paths: readonly KernelPath[],
    name: number,
    have: number,
  ): void;
  routeDelete(
    object: number,
    generation: number,
    table: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    metric: number,
    have: number,
  ): void;
  /** Creates or replaces a singleton nexthop object, in the room of its path. `family` is that of the routes that will use it. */
  nexthopInstall(id: number, generation: number, family: Family, path: KernelPath): void;
  /** Creates a group, or replaces what it was by `have`; takes the room of both. */
  groupInstall(
    id: number,
    generation: number,
    members: readonly GroupMember[],
    have: readonly GroupMember[] | undefined,
  ): void;
  nexthopDelete(id: number, generation: number): void;
  /**
   * What arrives with this MPLS label goes by these paths, of which there is one at least; takes as much room as `roomOf` says.
   * Their encap is what the label is replaced by. `replaces`: there is, or may be, something of the label by now.
   */
  labelInstall(
    label: number,
    generation: number,
    protocol: number,
    paths: readonly KernelPath[],
    replaces: boolean,
  ): void;
  labelDelete(label: number, generation: number, protocol: number): void;
}

/**
 * Changes for a follower alone: one who stands beside the forwarding plane and is told the states of objects. Their results
 * come by FollowerEvents.
 */
export interface FollowerPlane extends Changes {
  /** Changes that can be handed over now. */
  room(): number;
  /** It is told everything from here on, from nothing; and that was all. */
  replayBegin(generation: number): void;
  replayEnd(generation: number): void;
}

export interface Plane extends Changes {
  /** Changes that can be handed over now. */
  room(): number;
  /** What a follower is told through; undefined where the plane has none. */
  readonly follower?: (number: number) => FollowerPlane;
  /** Contexts that one follower may have at a time, so that enough are left for what must be done. */
  readonly followerCredit?: number;
  /** Wakes the other side if anything was handed over since the last flush. */
  flush(): void;
  /** Asks for a dump of the kinds (KIND_* bits); items come between dumpBegin and dumpEnd. */
  requestResync(kinds: number): void;
  /** Sets or clears link flags (IFF_UP), when there is room; undefined where the plane cannot. */
  readonly linkFlags?: (ifindex: number, change: number, flags: number) => void;
  /** The same for an interface address; undefined where the plane cannot. */
  readonly address?: (add: boolean, ifindex: number, family: Family, local: AddressWords, length: number) => void;
  /** Sets the source of packets that are encapsulated by SRv6, `::` being the plane's choice; undefined where it cannot. */
  readonly srv6Source?: (address: AddressWords) => void;
  /** Requests that may be under way at a time; 0: as many as the plane has room for. */
  setLimit?(limit: number): void;
  /** zebra is about to take its routes back. */
  finishing?(): void;
  /** Results first, then notifications, at most `max` of each; returns how many there were. */
  poll(events: PlaneEvents, max: number): number;
}

/** A link as the kernel describes it. */
export interface LinkFacts {
  readonly ifindex: number;
  readonly name: string;
  /** IFF_* */
  readonly flags: number;
  readonly mtu: number;
  readonly mac: Uint8Array;
  /** ARPHRD_* */
  readonly hardwareType: number;
  /** ifindex of the device below (VLAN, veth peer), or 0. */
  readonly link: number;
  /** ifindex of the bridge, bond or VRF that it is a port of, or 0. */
  readonly master: number;
  readonly detail: LinkDetail;
}

export interface AddressFacts {
  readonly ifindex: number;
  readonly family: Family;
  readonly local: AddressWords;
  /** The other end where the address has one; else equal to `local`. */
  readonly peer: AddressWords;
  readonly length: number;
  /** IFA_F_* */
  readonly flags: number;
  readonly label: string;
}

/** What comes back of followers. Errors are errno numbers; 0: it has it. */
export interface FollowerEvents {
  /** A follower is there and wants to be told everything, or everything again. */
  replay(follower: number): void;
  gone(follower: number): void;
  /** A route was told: as it was sent, RTN_UNICAST without a nexthop id being one with paths, and type 0 a deletion. */
  routeTold(follower: number, object: number, generation: number, errno: number, type: number, nexthopId: number): void;
  nexthopTold(follower: number, id: number, generation: number, errno: number): void;
  labelTold(follower: number, label: number, generation: number, errno: number): void;
  /** The beginning or the end of a replay. */
  replayTold(follower: number, generation: number, errno: number): void;
}

/** What comes back. Errors are errno numbers, 0 = success. */
export interface PlaneEvents {
  readonly followers: FollowerEvents;
  /** `nexthopId`: of the object, or what its paths were called. `had`: of the object that the change was to lead away from, or 0. */
  routeInstalled(
    object: number,
    generation: number,
    errno: number,
    protocol: number,
    type: number,
    nexthopId: number,
    had: number,
  ): void;
  routeDeleted(object: number, generation: number, errno: number, had: number): void;
  nexthopInstalled(id: number, generation: number, errno: number): void;
  nexthopDeleted(id: number, generation: number, errno: number): void;
  /** A label was installed or deleted. */
  labelAnswered(label: number, generation: number, errno: number): void;

  link(facts: LinkFacts): void;
  linkGone(ifindex: number): void;
  address(facts: AddressFacts): void;
  addressGone(facts: AddressFacts): void;
  /**
   * A route that is in the kernel: of somebody else, or of ours as a dump shows it. Its paths are read from `paths`, except
   * where it is one of ours that names a nexthop object. `replaces`: it took the place of one that there
   * was; the kernel may have several of one metric.
   */
  route(
    table: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    type: number,
    metric: number,
    nexthopId: number,
    paths: () => readonly KernelPath[],
    replaces: boolean,
  ): void;
  /** `paths`: those that it had; of an IPv6 route with several, perhaps only the ones that were taken away. */
  routeGone(
    table: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    type: number,
    metric: number,
    paths: () => readonly KernelPath[],
  ): void;
  /**
   * What hardware made of a route (FLAG_OUTCOMES of face.ts), as `source` says: the number of a provider, 0 the kernel. `paths`:
   * those in use there, none where it does not say.
   */
  routeOutcome(
    table: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    outcome: number,
    source: number,
    paths: () => readonly KernelPath[],
  ): void;
  /** A provider that is not the kernel has lost a route. */
  routeMissed(
    table: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    source: number,
  ): void;
  nexthop(
    id: number,
    protocol: number,
    family: Family,
    path: KernelPath | undefined,
    members: readonly GroupMember[],
  ): void;
  nexthopGone(id: number): void;
  /** What is in the kernel of an MPLS label, whoever wrote it, but for our own echoes. */
  label(label: number, protocol: number, paths: () => readonly KernelPath[]): void;
  labelGone(label: number): void;
  dumpBegin(kind: number): void;
  dumpEnd(kind: number): void;
}
