// What a port hears. An event is of one kind and about one object of one proxy, and it is told once for every port bound to that
// proxy. Links, addresses and neighbours are few, so theirs are plain values. Routes are many: a route's event is a view that
// is filled anew for each, good while it is told; `routeValue` makes a value of it.
//
// Events of one object alternate: added, any number of changes, deleted. Whoever begins with nothing and applies them in order
// has what the kernel has.
import { type AddressWords, type Family, familyOf, formatIp4, formatIp6 } from '../net/index.ts';

/** All kinds, by their number in a queue's records. */
export const EVENT_KINDS = [
  'nameChanged',
  'macChanged',
  'mtuChanged',
  'linkChanged',
  'addressAdded',
  'addressChanged',
  'addressDeleted',
  'routeAdded',
  'routeReplaced',
  'routeDeleted',
  'neighborAdded',
  'neighborChanged',
  'neighborDeleted',
  'proxyGone',
  'configurationFinished',
  'pictureFinished',
  'resynchronize',
  'commit',
] as const;

export type EventKind = (typeof EVENT_KINDS)[number];

export const EVENT_NAME = 0;
export const EVENT_MAC = 1;
export const EVENT_MTU = 2;
export const EVENT_LINK = 3;
export const EVENT_ADDRESS_ADDED = 4;
export const EVENT_ADDRESS_CHANGED = 5;
export const EVENT_ADDRESS_DELETED = 6;
export const EVENT_ROUTE_ADDED = 7;
export const EVENT_ROUTE_REPLACED = 8;
export const EVENT_ROUTE_DELETED = 9;
export const EVENT_NEIGHBOR_ADDED = 10;
export const EVENT_NEIGHBOR_CHANGED = 11;
export const EVENT_NEIGHBOR_DELETED = 12;
export const EVENT_PROXY_GONE = 13;
export const EVENT_CONFIGURATION_FINISHED = 14;
export const EVENT_PICTURE_FINISHED = 15;
export const EVENT_RESYNCHRONIZE = 16;
export const EVENT_COMMIT = 17;

/** Part of the picture that a consumer is given of what was there before it asked. */
export const FLAG_PICTURE = 1;
/** The change was made by us: by the library's feedback, or by a socket that it was told of (`own`). */
export const FLAG_OWN = 2;
/** The kernel did not say it; it follows from what it said. */
export const FLAG_DERIVED = 4;

/** What every event about a port has. */
export interface About {
  /** `Proxy.id` */
  readonly proxyId: number;
  /** The port's number (`IfProxy.portId`). */
  readonly portId: number;
  readonly picture: boolean;
  readonly own: boolean;
  readonly derived: boolean;
}

export interface NameChanged extends About {
  readonly kind: 'nameChanged';
  readonly name: string;
}

export interface MacChanged extends About {
  readonly kind: 'macChanged';
  /** Six bytes on an Ethernet; empty where the interface has none (TUN). */
  readonly mac: Uint8Array;
}

export interface MtuChanged extends About {
  readonly kind: 'mtuChanged';
  readonly mtu: number;
}

export interface LinkChanged extends About {
  readonly kind: 'linkChanged';
  /** The administrator's will (IFF_UP). */
  readonly up: boolean;
  /** Whether somebody is at the other end (IFF_LOWER_UP). */
  readonly carrier: boolean;
}

export interface AddressValue {
  readonly family: Family;
  /** The interface's own address (IFA_LOCAL). */
  readonly words: AddressWords;
  /** Prefix length in bits; with a peer, that of the peer's. */
  readonly length: number;
  /** The other end, where it is not the address itself. */
  readonly peer: AddressWords | undefined;
  /** RT_SCOPE_*: 0 universe, 253 link, 254 host. */
  readonly scope: number;
  /** IFA_F_* */
  readonly flags: number;
}

export interface AddressChanged extends About {
  /** Changed: its scope, flags or, IPv6, peer. */
  readonly kind: 'addressAdded' | 'addressChanged' | 'addressDeleted';
  readonly address: AddressValue;
}

export interface NeighborValue {
  readonly family: Family;
  readonly words: AddressWords;
  /** Empty where it is not known. */
  readonly mac: Uint8Array;
  /** NUD_* */
  readonly state: number;
  /** NTF_* */
  readonly flags: number;
}

export interface NeighborChanged extends About {
  readonly kind: 'neighborAdded' | 'neighborChanged' | 'neighborDeleted';
  readonly neighbor: NeighborValue;
}

export interface ProxyGone extends About {
  readonly kind: 'proxyGone';
}

/** Told once to each consumer: what was there when it began to listen has been told. */
export interface ConfigurationFinished {
  readonly kind: 'configurationFinished';
}

/** The picture of a port that was bound later, or, with port 0, of all ports after `resynchronize`, has been told. */
export interface PictureFinished {
  readonly kind: 'pictureFinished';
  readonly portId: number;
}

/** A queue was full and something was left out: forget what was told (also what waits for a commit), all is told anew. */
export interface Resynchronize {
  readonly kind: 'resynchronize';
}

/** What came since the last one is one change: apply it as one. */
export interface Commit {
  readonly kind: 'commit';
}

/** Number of hops that a route's event can have. */
export const MAX_HOPS = 256;

/** RTNH_F_DEAD hops are not among a route's hops, so a multipath route loses one when its link goes down, and gets it back. */
export class RouteEvent implements About {
  kind: 'routeAdded' | 'routeReplaced' | 'routeDeleted' = 'routeAdded';
  proxyId = 0;
  portId = 0;
  /** FLAG_* */
  flags = 0;
  /** Names the route from `routeAdded` to `routeDeleted`, also where several have one prefix, table and metric. */
  id = 0;
  family: Family = 2;
  /** The prefix, in words as in `grevy/net`. */
  w0 = 0;
  w1 = 0;
  w2 = 0;
  w3 = 0;
  /** Prefix length; 0 is a default route. */
  length = 0;
  table = 0;
  metric = 0;
  tos = 0;
  /** RTPROT_* */
  protocol = 0;
  /** RT_SCOPE_* */
  scope = 0;
  /** RTN_*: 1 unicast, 2 local, 3 broadcast, 6 blackhole, 7 unreachable, 8 prohibit. */
  type = 0;
  /** RTM_F_OFFLOAD, RTM_F_TRAP, RTM_F_OFFLOAD_FAILED, and RTNH_F_OFFLOAD, RTNH_F_TRAP. */
  offload = 0;
  /** The nexthop object that the hops come from; 0: none. */
  nexthopId = 0;
  /** The address that packets of this host get: 0 = none said, else its family. */
  sourceFamily: Family | 0 = 0;
  readonly source: Uint32Array = new Uint32Array(4);
  /** The first rows of the arrays below. */
  hopCount = 0;
  readonly hopIfindex: Int32Array = new Int32Array(MAX_HOPS);
  /** AF_INET, AF_INET6 (also of an IPv4 route), or 0: on the link. */
  readonly hopGatewayFamily: Uint8Array = new Uint8Array(MAX_HOPS);
  /** Four words a row. */
  readonly hopGateway: Uint32Array = new Uint32Array(4 * MAX_HOPS);
  /** From 1. */
  readonly hopWeight: Uint32Array = new Uint32Array(MAX_HOPS);
  /** RTNH_F_ONLINK */
  readonly hopFlags: Uint8Array = new Uint8Array(MAX_HOPS);
  /** LWTUNNEL_ENCAP_* of what the hop does to packets; 0: nothing. */
  readonly hopEncap: Uint8Array = new Uint8Array(MAX_HOPS);

  get picture(): boolean {
    return (this.flags & FLAG_PICTURE) !== 0;
  }

  get own(): boolean {
    return (this.flags & FLAG_OWN) !== 0;
  }

  get derived(): boolean {
    return (this.flags & FLAG_DERIVED) !== 0;
  }

  /** `10.0.0.0/8`. */
  get prefix(): string {
    const { w0, w1, w2, w3, length } = this;
    return `${this.family === 2 ? formatIp4(w0) : formatIp6(w0, w1, w2, w3)}/${length}`;
  }
}

export interface Hop {
  readonly ifindex: number;
  readonly gatewayFamily: Family | 0;
  readonly gateway: AddressWords;
  readonly weight: number;
  readonly flags: number;
  readonly encap: number;
}

export interface RouteValue {
  readonly id: number;
  readonly family: Family;
  readonly words: AddressWords;
  readonly length: number;
  readonly table: number;
  readonly metric: number;
  readonly tos: number;
  readonly protocol: number;
  readonly scope: number;
  readonly type: number;
  readonly offload: number;
  readonly nexthopId: number;
  readonly source: { readonly family: Family; readonly words: AddressWords } | undefined;
  readonly hops: readonly Hop[];
}

/** Hop `i` of a route's event as a value. */
export function routeHop(event: RouteEvent, i: number): Hop {
  const g = event.hopGateway;
  const family = event.hopGatewayFamily[i]!;
  return {
    ifindex: event.hopIfindex[i]!,
    gatewayFamily: family === 0 ? 0 : familyOf(family),
    gateway: [g[4 * i]!, g[4 * i + 1]!, g[4 * i + 2]!, g[4 * i + 3]!],
    weight: event.hopWeight[i]!,
    flags: event.hopFlags[i]!,
    encap: event.hopEncap[i]!,
  };
}

/** A route's event as a value that may be kept. */
export function routeValue(event: RouteEvent): RouteValue {
  const s = event.source;
  return {
    id: event.id,
    family: event.family,
    words: [event.w0, event.w1, event.w2, event.w3],
    length: event.length,
    table: event.table,
    metric: event.metric,
    tos: event.tos,
    protocol: event.protocol,
    scope: event.scope,
    type: event.type,
    offload: event.offload,
    nexthopId: event.nexthopId,
    source: event.sourceFamily === 0 ? undefined : { family: event.sourceFamily, words: [s[0]!, s[1]!, s[2]!, s[3]!] },
    hops: Array.from({ length: event.hopCount }, (_, i) => routeHop(event, i)),
  };
}

/** Events about a port of a proxy. */
export type PortEvent =
  | NameChanged
  | MacChanged
  | MtuChanged
  | LinkChanged
  | AddressChanged
  | NeighborChanged
  | RouteEvent
  | ProxyGone;

/** Events about what was told. */
export type StreamEvent = ConfigurationFinished | PictureFinished | Resynchronize | Commit;

export type ProxyEvent = PortEvent | StreamEvent;

export type EventOf<K extends EventKind> =
  Extract<ProxyEvent, { readonly kind: string }> extends infer E
    ? E extends { readonly kind: infer Kinds }
      ? K extends Kinds
        ? E
        : never
      : never
    : never;
