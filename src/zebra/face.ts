// What zebra offers to those who speak for clients (server/: ZAPI) inside its thread. `Zebra` (zebra.ts) implements it; a
// test of the server may implement it too.
//
// Everything here is level-triggered: a caller states what it wants now, and hears what is true now. Nothing is answered
// from inside the call that asked for it (the one exception is said where it is), so no caller is entered twice.
import type { AddressWords, Family } from '../net/index.ts';
import type { Interface, InterfaceAddress } from './interface/interfaces.ts';
import type { Encap } from './nexthop/encap.ts';
import type { Mpls } from './mpls/mpls.ts';
import type { Nexthop, NexthopSet } from './nexthop/set.ts';
import type { RibTable } from './rib/table.ts';
import type { Locators } from './srv6/locators.ts';
import type { Vrf, VrfListener } from './vrf.ts';

/** Number of a client for as long as it lives: the owner of its routes. 1–65535; 0 is zebra itself. */
export type Owner = number;

/** ROUTE_NOTIFY_OWNER's notes. */
export const NOTE_FAIL_INSTALL = 0;
export const NOTE_BETTER_ADMIN_WON = 1;
export const NOTE_INSTALLED = 2;
export const NOTE_REMOVED = 3;
export const NOTE_REMOVE_FAIL = 4;
export type Note = 0 | 1 | 2 | 3 | 4;

/** Route flags that zebra looks at or hands on; ZAPI's numbers. */
export const FLAG_ALLOW_RECURSION = 1;
export const FLAG_SELF_ROUTE = 2;
export const FLAG_IBGP = 4;
export const FLAG_SELECTED = 8;
export const FLAG_FIB_OVERRIDE = 0x10;
export const FLAG_RR_USE_DISTANCE = 0x40;
/** What hardware made of it. */
export const FLAG_TRAPPED = 0x80;
export const FLAG_OFFLOADED = 0x100;
export const FLAG_OFFLOAD_FAILED = 0x200;
export const FLAG_OUTCOMES: number = FLAG_TRAPPED | FLAG_OFFLOADED | FLAG_OFFLOAD_FAILED;

export interface RouteNotes {
  /**
   * One of the owner's routes was installed, lost, removed or failed. Called for owners that asked for notes, from inside
   * zebra's slices; the row is valid during the call only.
   */
  note(owner: Owner, note: Note, table: RibTable, prefixId: number, type: number, instance: number): void;
}

export interface RibFace {
  /** The table of a VRF and family; made on first use. */
  table(vrf: number, family: Family): RibTable;
  /**
   * A route is wanted. Replaces what the same (type, instance) said of the prefix before, and with FLAG_RR_USE_DISTANCE what
   * it said with the same distance. Only marks the prefix dirty; never fails. The prefix's host bits must be zero, w1–w3
   * are 0 for IPv4. `set` is an id of `nexthops.intern`. `distance` 0–255 (`defaultDistance` gives a type's own).
   */
  add(
    vrf: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    type: number,
    instance: number,
    flags: number,
    distance: number,
    metric: number,
    tag: number,
    set: number,
    owner: Owner,
  ): void;
  /** It is wanted no longer; `distance` -1 = whatever distance. False where there was none (not an error). */
  remove(
    vrf: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    type: number,
    instance: number,
    distance: number,
    owner: Owner,
  ): boolean;
}

export interface NexthopsFace {
  /**
   * The id of a next-hop set of this content for routes of `family`; the same content has the same id. Ids without routes or
   * holds are given up when the current task ends: a caller that caches ids takes `hold` and lets go with `drop`.
   * `recursive`: members may resolve through other routes (FLAG_ALLOW_RECURSION).
   */
  intern(vrf: number, family: Family, members: readonly Nexthop[], recursive: boolean): number;
  hold(set: number): void;
  drop(set: number): void;
  get(set: number): NexthopSet;
}

export interface InterfacesFace {
  /** Every interface of a VRF by ifindex. */
  list(vrf: number): Interface[];
  byIndex(ifindex: number): Interface | undefined;
  byName(name: string): Interface | undefined;
  /** Hears of every change from now on; call the result to stop. */
  listen(listener: InterfaceListener): () => void;
}

export interface InterfaceListener {
  /** New, or flags, MTU, MAC, name changed. `wasUp`: it was operative before (false for a new one). */
  link?(one: Interface, wasUp: boolean): void;
  linkGone?(one: Interface): void;
  /** It is about to leave its VRF for another one; and it is there, from the VRF of this number. `link` follows. */
  leaving?(one: Interface): void;
  joined?(one: Interface, from: number): void;
  /** Only its speed is known, or another one. */
  speed?(one: Interface): void;
  address?(one: Interface, address: InterfaceAddress): void;
  addressGone?(one: Interface, address: InterfaceAddress): void;
}

export interface VrfsFace {
  /** By number; undefined where there is none. */
  get(id: number): Vrf | undefined;
  named(name: string): Vrf | undefined;
  /** By name. */
  list(): Vrf[];
  listen(listener: VrfListener): () => void;
}

export interface RouterIdFace {
  /** The router id of a VRF as a word, 0 while there is none. */
  get(vrf: number, family: Family): AddressWords;
  /** Called when it changes. */
  listen(listener: (vrf: number) => void): () => void;
}

/** How a tracked next hop resolves: the route that covers it and that route's paths. */
export interface NhtResolution {
  readonly family: Family;
  readonly words: AddressWords;
  readonly length: number;
  readonly type: number;
  readonly instance: number;
  readonly distance: number;
  readonly metric: number;
  readonly tag: number;
  /** Fully resolved: gateway and ifindex of every path. */
  readonly paths: readonly {
    gatewayFamily: Family | 0;
    gateway: AddressWords;
    ifindex: number;
    weight: number;
    blackhole: number;
    encap?: Encap;
    vrf: number;
  }[];
}

export interface NhtRegistration {
  readonly owner: Owner;
  readonly vrf: number;
  readonly family: Family;
  readonly words: AddressWords;
  /** Usually 32 or 128. */
  readonly length: number;
  readonly safi: number;
  /** Wants a directly connected next hop only. */
  readonly connected: boolean;
  readonly resolveViaDefault: boolean;
  /** As it is now; undefined = unreachable. */
  readonly resolution: NhtResolution | undefined;
}

export interface NhtFace {
  /**
   * Tracks an address for a client; the same registration again changes its flags. `changed` is called soon (always once,
   * also when it is unreachable) and on every change after that, never from inside this call.
   */
  register(
    owner: Owner,
    vrf: number,
    family: Family,
    words: AddressWords,
    length: number,
    safi: number,
    flags: { connected: boolean; resolveViaDefault: boolean },
    changed: (registration: NhtRegistration) => void,
  ): NhtRegistration;
  unregister(owner: Owner, vrf: number, family: Family, words: AddressWords, length: number, safi: number): void;
}

/**
 * A client's redistribution: the routes of the types that it asked for, as a queue of prefixes to look at again, which is
 * why it is bounded by the table and never by how often something changed. `ready` is called when it goes from empty to
 * not; the server takes as much as its socket has room for.
 */
export interface RedistributionFeed {
  /** Starts with a replay of what is selected now. type 0 = every type (`default-information` is type 0 on ::/0 and 0/0). */
  subscribe(vrf: number, family: Family, type: number, instance: number): void;
  /** Stops it without withdrawals: the client asked. */
  unsubscribe(vrf: number, family: Family, type: number, instance: number): void;
  /**
   * Gives up to `max` changes: `sink(add, table, prefixId, entry, type, instance)`; `entry` is the selected row of `table`
   * for an addition and -1 for a withdrawal (type and instance then say what had been announced). Returns how many.
   */
  take(max: number, sink: RedistributionSink): number;
  /** Prefixes waiting. */
  readonly pending: number;
  close(): void;
}

export type RedistributionSink = (
  add: boolean,
  table: RibTable,
  prefixId: number,
  entry: number,
  type: number,
  instance: number,
) => void;

export interface OwnerOptions {
  readonly type: number;
  readonly instance: number;
  readonly session: number;
  /** For `show zebra client`. */
  readonly name: string;
  /** It asks and waits for answers, and announces nothing. */
  readonly synchronous: boolean;
  /** Wants notes (HELLO's receive_notify, or ROUTE_NOTIFY_REQUEST later through `setNotify`). */
  readonly notify: boolean;
}

export interface ZebraFace {
  readonly mpls: Mpls;
  readonly rib: RibFace;
  readonly nexthops: NexthopsFace;
  readonly interfaces: InterfacesFace;
  readonly vrfs: VrfsFace;
  readonly routerId: RouterIdFace;
  readonly nht: NhtFace;
  readonly locators: Locators;
  redistribution(owner: Owner, ready: () => void): RedistributionFeed;

  /** A client came: its number, for everything that it owns. */
  addOwner(options: OwnerOptions): Owner;
  setNotify(owner: Owner, notify: boolean): void;
  /**
   * It went. Its registrations and feeds end at once; its routes after `retainMs` (0 = now) unless somebody announced the
   * same (type, instance, prefix) again meanwhile: that takes them over untouched.
   */
  dropOwner(owner: Owner, retainMs?: number): void;
  /** Routes in the kernel of an earlier zebra that may be its own, though it has not announced them again. */
  keptFor(owner: Owner): number;
  /** It will say `routesComplete`. */
  routesPending(owner: Owner): void;
  /** All the routes that this owner restored after a restart are announced: what an earlier one left is removed now. */
  routesComplete(owner: Owner): void;
  setNotes(notes: RouteNotes): void;

  /** True while the forwarding plane has no room and much is waiting: stop reading from clients that announce routes. */
  readonly congested: boolean;
  /** Called when `congested` goes back to false. */
  onRelief(listener: () => void): () => void;
  /** The kernel's state at start is known: before that the server accepts nobody. */
  readonly ready: boolean;
  onReady(listener: () => void): void;
}
