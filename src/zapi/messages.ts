// The messages but the bulk ones (routes and their notes), as plain values: they are thousands, not millions. Each command
// has one body per direction; both directions of a command are kept apart, since most ask with one shape and answer with
// another. A prefix here may have host bits: many of these carry an interface's address.
import type { AddressWords, Family, Prefix } from '../net/index.ts';

export interface Empty {
  readonly [none: string]: never;
}

export interface Hello {
  /** Route type that the client announces, and so never wants redistributed. */
  readonly routeType: number;
  readonly instance: number;
  readonly session: number;
  /** Wants ROUTE_NOTIFY_OWNER. */
  readonly receiveNotify: boolean;
  /** A request-and-answer session: nothing is sent to it unasked. */
  readonly synchronous: boolean;
}

/** Client to zebra: AFI_IP or AFI_IP6. */
export interface AfiRequest {
  readonly afi: number;
}

export interface RedistributeRequest {
  readonly afi: number;
  readonly routeType: number;
  readonly instance: number;
}

export interface NexthopRegistration {
  readonly connected: boolean;
  readonly resolveViaDefault: boolean;
  readonly safi: number;
  readonly prefix: Prefix;
}

export interface NexthopRegister {
  readonly entries: readonly NexthopRegistration[];
}

export const NO_LABEL = 0xffffffff;

// Who made a label-switched path.
export const LSP_STATIC = 1;
export const LSP_LDP = 2;
export const LSP_BGP = 3;
export const LSP_OSPF_SR = 4;
export const LSP_ISIS_SR = 5;
export const LSP_SHARP = 6;
export const LSP_SRTE = 7;

/** What comes with this label is looked up in the table of the VRF that stands in the header. */
export interface VrfLabel {
  /** NO_LABEL = none. */
  readonly label: number;
  readonly afi: number;
  /** LSP_*. */
  readonly lspType: number;
}

/** MPLS_LABELS_ADD, _DELETE and _REPLACE: what becomes of packets with a label, and what a route's own get pushed. */
export interface LabelledPaths {
  /** LSP_*. */
  readonly lspType: number;
  /** The label that comes in; NO_LABEL or implicit null (3): there is none. */
  readonly label: number;
  /** The labels are pushed on packets of this route as well, which another client announces. */
  readonly route?: { readonly prefix: Prefix; readonly routeType: number; readonly instance: number };
  /** Gateways, or interfaces, with the labels that go out. */
  readonly nexthops: readonly UpdateNexthop[];
}

export interface BfdClientRegister {
  readonly pid: number;
}

export const CAPABILITY_GRACEFUL_RESTART = 1;
export const CAPABILITY_ROUTE_UPDATE_COMPLETE = 2;
export const CAPABILITY_ROUTE_UPDATE_PENDING = 3;
export const CAPABILITY_GRACEFUL_RESTART_DISABLE = 4;
export const CAPABILITY_RIB_STALE_TIME = 5;

/** CLIENT_CAPABILITIES: which fields are on the wire depends on `capability`; the others are 0. */
export interface ClientCapabilities {
  readonly capability: number;
  readonly vrf: number;
  readonly afi: number;
  readonly safi: number;
  readonly staleTimeS: number;
}

export interface RouteNotifyRequest {
  readonly notify: boolean;
}

export interface ManagerConnect {
  readonly routeType: number;
  readonly instance: number;
}

export interface ManagerConnected extends ManagerConnect {
  /** 0 = accepted. */
  readonly result: number;
}

export const ANY_LABEL_BASE = 0;

export interface LabelChunkRequest extends ManagerConnect {
  /** 1: the chunk outlives the connection. */
  readonly keep: number;
  /** Labels wanted. */
  readonly size: number;
  /** ANY_LABEL_BASE, or the first label wanted. */
  readonly base: number;
}

export interface LabelChunkRelease extends ManagerConnect {
  readonly start: number;
  readonly end: number;
}

/** An answer without `range` is a refusal. */
export interface LabelChunk extends ManagerConnect {
  readonly range?: { readonly keep: number; readonly start: number; readonly end: number };
}

export interface TableChunkRequest {
  readonly size: number;
}

export interface TableChunk {
  readonly start: number;
  readonly end: number;
}

export interface TableManagerConnected {
  readonly result: number;
}

export interface LocatorName {
  readonly name: string;
}

/** An SRv6 locator (RFC 8986 §3.1): the prefix that SIDs of it begin with. */
export interface Locator {
  readonly name: string;
  readonly prefix: Prefix;
}

/** SIDs are micro SIDs (NEXT-C-SID, RFC 9800 §4.1). */
export const LOCATOR_USID = 1;

/** A part of a locator for one client alone to make SIDs from; zebra gives out whole locators. Lengths are in bits. */
export interface LocatorChunk extends Locator {
  readonly blockBits: number;
  readonly nodeBits: number;
  readonly functionBits: number;
  readonly argumentBits: number;
  /** LOCATOR_*; later releases of FRR have the octet, 8.4.4 has not: it is on the wire where it is not 0. */
  readonly flags: number;
}

export interface RouterAdvertisementRequest {
  readonly ifindex: number;
  readonly intervalS: number;
}

export interface Capabilities {
  /** 0 VRF devices, 1 network namespaces. */
  readonly vrfBackend: number;
  readonly mpls: boolean;
  /** Most next hops of a route. */
  readonly ecmp: number;
  readonly mlagRole: number;
}

/** VRF_ADD and VRF_DELETE; the VRF's id stands in the header. */
export interface Vrf {
  readonly table: number;
  readonly netns: string;
  readonly name: string;
}

/** INTERFACE_ADD, _DELETE, _UP and _DOWN towards a client; the VRF stands in the header. */
export interface InterfaceMessage {
  readonly name: string;
  readonly ifindex: number;
  /** 1 active (the kernel has it), 2 sub-interface, 4 link detection on. */
  readonly status: number;
  /** IFF_*. */
  readonly flags: number;
  readonly ptmEnable: number;
  readonly ptmStatus: number;
  readonly metric: number;
  /** Mbit/s; 0xffffffff = unknown. */
  readonly speed: number;
  readonly mtu: number;
  readonly mtu6: number;
  readonly bandwidth: number;
  readonly linkIfindex: number;
  /** FRR's link-layer type: 1 Ethernet, 30 loopback, 0 unknown … */
  readonly linkType: number;
  readonly hardwareAddress: Uint8Array;
}

export const INTERFACE_ACTIVE = 1;
export const INTERFACE_SUB = 2;
export const INTERFACE_LINKDETECTION = 4;

export interface InterfaceAddressMessage {
  readonly ifindex: number;
  /** 1 secondary, 2 peer, 4 unnumbered. */
  readonly flags: number;
  /** Address and length, host bits kept. */
  readonly address: Prefix;
  /** Peer or broadcast address; zeros where there is none. */
  readonly destination: AddressWords;
}

export interface NeighborAddress {
  readonly ifindex: number;
  readonly address: Prefix;
}

export interface InterfaceVrfUpdate {
  readonly ifindex: number;
  readonly newVrf: number;
}

export interface RouterId {
  readonly prefix: Prefix;
}

export interface UpdateNexthop {
  readonly vrf: number;
  /** NEXTHOP_*. */
  readonly type: number;
  /** NEXTHOP_FLAG_*. */
  readonly flags: number;
  readonly gateway: AddressWords;
  readonly ifindex: number;
  readonly blackhole: number;
  /** 0: not on the wire. */
  readonly weight: number;
  readonly labels: readonly number[];
}

/** How a registered next hop resolves. Unreachable: `resolved` of length 0, type 0, no next hops. */
export interface NexthopUpdate {
  /** MESSAGE_SRTE where `color` is there. */
  readonly message: number;
  readonly safi: number;
  /** What was registered. */
  readonly match: Prefix;
  /** The route that it resolves through. */
  readonly resolved: Prefix;
  readonly color: number;
  readonly routeType: number;
  readonly instance: number;
  readonly distance: number;
  readonly metric: number;
  readonly nexthops: readonly UpdateNexthop[];
}

export interface ClientCloseNotify {
  readonly routeType: number;
  readonly instance: number;
  readonly session: number;
}

export const NOTE_FAIL_INSTALL = 0;
export const NOTE_BETTER_ADMIN_WON = 1;
export const NOTE_INSTALLED = 2;
export const NOTE_REMOVED = 3;
export const NOTE_REMOVE_FAIL = 4;

/** ROUTE_NOTIFY_OWNER. One of the two bulk messages towards a client: its codec reuses what it is given. */
export interface RouteNote {
  /** NOTE_*. */
  note: number;
  family: Family;
  length: number;
  w0: number;
  w1: number;
  w2: number;
  w3: number;
  table: number;
  afi: number;
  safi: number;
}

/** FRR's error types; the numbers are an enum's order. */
export const ERROR_NO_VRF = 2;
export const ERROR_INVALID_MSG_TYPE = 7;

export interface ErrorMessage {
  readonly error: number;
}

/** A body that is carried as it is. */
export interface Opaque {
  readonly data: Uint8Array;
}

/** What a client may send, by command. Routes have a codec of their own. */
export interface ClientMessages {
  HELLO: Hello;
  INTERFACE_ADD: Empty;
  INTERFACE_DELETE: Empty;
  ROUTER_ID_ADD: AfiRequest;
  ROUTER_ID_DELETE: AfiRequest;
  REDISTRIBUTE_ADD: RedistributeRequest;
  REDISTRIBUTE_DELETE: RedistributeRequest;
  REDISTRIBUTE_DEFAULT_ADD: AfiRequest8;
  REDISTRIBUTE_DEFAULT_DELETE: AfiRequest8;
  NEXTHOP_REGISTER: NexthopRegister;
  NEXTHOP_UNREGISTER: NexthopRegister;
  VRF_UNREGISTER: Empty;
  VRF_LABEL: VrfLabel;
  MPLS_LABELS_ADD: LabelledPaths;
  MPLS_LABELS_DELETE: LabelledPaths;
  MPLS_LABELS_REPLACE: LabelledPaths;
  BFD_CLIENT_REGISTER: BfdClientRegister;
  BFD_CLIENT_DEREGISTER: BfdClientRegister;
  DUPLICATE_ADDR_DETECTION: Opaque;
  INTERFACE_ENABLE_RADV: RouterAdvertisementRequest;
  INTERFACE_DISABLE_RADV: RouterAdvertisementRequest;
  CLIENT_CAPABILITIES: ClientCapabilities;
  ROUTE_NOTIFY_REQUEST: RouteNotifyRequest;
  LABEL_MANAGER_CONNECT: ManagerConnect;
  LABEL_MANAGER_CONNECT_ASYNC: ManagerConnect;
  GET_LABEL_CHUNK: LabelChunkRequest;
  RELEASE_LABEL_CHUNK: LabelChunkRelease;
  TABLE_MANAGER_CONNECT: ManagerConnect;
  GET_TABLE_CHUNK: TableChunkRequest;
  RELEASE_TABLE_CHUNK: TableChunk;
  SRV6_MANAGER_GET_LOCATOR_CHUNK: LocatorName;
  SRV6_MANAGER_RELEASE_LOCATOR_CHUNK: LocatorName;
}

/** As AfiRequest, in one byte. */
export type AfiRequest8 = AfiRequest;

/** What zebra may send, by command. Redistributed routes have a codec of their own. */
export interface ServerMessages {
  CAPABILITIES: Capabilities;
  VRF_ADD: Vrf;
  VRF_DELETE: Vrf;
  INTERFACE_ADD: InterfaceMessage;
  INTERFACE_DELETE: InterfaceMessage;
  INTERFACE_UP: InterfaceMessage;
  INTERFACE_DOWN: InterfaceMessage;
  INTERFACE_ADDRESS_ADD: InterfaceAddressMessage;
  INTERFACE_ADDRESS_DELETE: InterfaceAddressMessage;
  INTERFACE_NBR_ADDRESS_ADD: NeighborAddress;
  INTERFACE_NBR_ADDRESS_DELETE: NeighborAddress;
  INTERFACE_VRF_UPDATE: InterfaceVrfUpdate;
  ROUTER_ID_UPDATE: RouterId;
  NEXTHOP_UPDATE: NexthopUpdate;
  ROUTE_NOTIFY_OWNER: RouteNote;
  CLIENT_CLOSE_NOTIFY: ClientCloseNotify;
  LABEL_MANAGER_CONNECT: ManagerConnected;
  LABEL_MANAGER_CONNECT_ASYNC: ManagerConnected;
  GET_LABEL_CHUNK: LabelChunk;
  TABLE_MANAGER_CONNECT: TableManagerConnected;
  GET_TABLE_CHUNK: TableChunk;
  SRV6_LOCATOR_ADD: Locator;
  SRV6_LOCATOR_DELETE: Locator;
  SRV6_MANAGER_GET_LOCATOR_CHUNK: LocatorChunk;
  ERROR: ErrorMessage;
}
