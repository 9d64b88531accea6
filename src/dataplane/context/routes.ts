// Routes, MPLS labels, nexthop objects, and their paths. There may be millions, so they are read and written a word at a time.
//
//    route ── next ──▶ encap's rest ──▶ path 2 ──▶ encap's rest ──▶ encap's rest ──▶ path 3
//
// How many slots the rest of an encap takes its length says.
import { decodeEncap, type Encap, encodeEncap, rtnetlink } from '../../netlink/index.ts';
import {
  FIELD_LABEL,
  FIELD_MEMBERS,
  FIELD_NEXTHOP,
  FIELD_PATH,
  FIELD_ROUTE,
  FIELD_RULE,
  FLAG_GROUP,
  MEMBERS_PER_SLOT,
} from '../constants.ts';
import { OP_MORE } from '../operation.ts';
import {
  COUNT,
  ENCAP,
  ENCAP_FIRST_BYTES,
  ENCAP_VALUE,
  GATEWAY,
  GATEWAY_FAMILY,
  IFINDEX,
  METRIC,
  NEXTHOP_ID,
  OLD_ID,
  PART_BYTES,
  PATH_FLAGS,
  PAYLOAD,
  PREFIX,
  ROUTE,
  TABLE,
  WEIGHT,
} from './layout.ts';
import { ContextSlots } from './slots.ts';

const { AF_MPLS } = rtnetlink;
const LABEL_BITS = 20;

/** Slots behind its own that an encap of so many bytes takes. */
function partsOf(length: number): number {
  return length <= ENCAP_FIRST_BYTES ? 0 : Math.ceil((length - ENCAP_FIRST_BYTES) / PART_BYTES);
}

/** Slots that so many members take. */
function slotsOf(members: number): number {
  return Math.ceil(members / MEMBERS_PER_SLOT);
}

/** Slots that a path takes which does this to packets. */
export function pathSlots(encap: Encap | undefined): number {
  return encap === undefined ? 1 : 1 + partsOf(encodeEncap(encap).length);
}

export class RouteContexts extends ContextSlots {
  /**
   * All fields of a route. Address words and ids are u32; `type` is RTN_*, `protocol` RTPROT_*. `nexthopId` 0: a route
   * without a nexthop object (blackhole and its like, or, in a notification, one that carries its own paths).
   */
  setRoute(
    handle: number,
    table: number,
    family: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    type: number,
    metric: number,
    nexthopId: number,
  ): void {
    const at = this.fieldAt(handle, FIELD_ROUTE);
    const words = this.words;
    words[at + TABLE] = table;
    words[at + ROUTE] = family | (length << 8) | (protocol << 16) | (type << 24);
    words[at + PREFIX] = w0;
    words[at + PREFIX + 1] = w1;
    words[at + PREFIX + 2] = w2;
    words[at + PREFIX + 3] = w3;
    words[at + METRIC] = metric;
    words[at + NEXTHOP_ID] = nexthopId;
  }

  table(handle: number): number {
    return this.words[this.fieldAt(handle, FIELD_ROUTE | FIELD_RULE) + TABLE]! >>> 0;
  }

  /** RTN_*. */
  routeType(handle: number): number {
    return this.words[this.fieldAt(handle, FIELD_ROUTE) + ROUTE]! >>> 24;
  }

  metric(handle: number): number {
    return this.words[this.fieldAt(handle, FIELD_ROUTE) + METRIC]! >>> 0;
  }

  /** For providers before the kernel that prefer otherwise. */
  setMetric(handle: number, metric: number): void {
    this.words[this.fieldAt(handle, FIELD_ROUTE) + METRIC] = metric;
  }

  nexthopId(handle: number): number {
    return this.words[this.fieldAt(handle, FIELD_ROUTE | FIELD_NEXTHOP) + NEXTHOP_ID]! >>> 0;
  }

  /** The object that it used before, and uses again when the change is taken back. 0: none, or nobody knows. */
  oldNexthopId(handle: number): number {
    return this.words[this.fieldAt(handle, FIELD_ROUTE | FIELD_NEXTHOP) + OLD_ID]! >>> 0;
  }

  setOldNexthopId(handle: number, id: number): void {
    this.words[this.fieldAt(handle, FIELD_ROUTE | FIELD_NEXTHOP) + OLD_ID] = id;
  }

  // MPLS labels: routes of another kind --------------------------------------------------------------------------------

  /** What arrives with this label; what it is replaced by is the encap of its paths, and without one it is taken off. */
  setLabel(handle: number, label: number, protocol: number): void {
    const at = this.fieldAt(handle, FIELD_LABEL);
    this.words[at + ROUTE] = AF_MPLS | (LABEL_BITS << 8) | (protocol << 16);
    this.words[at + PREFIX] = label;
  }

  label(handle: number): number {
    return this.words[this.fieldAt(handle, FIELD_LABEL) + PREFIX]!;
  }

  // Nexthop objects and paths ------------------------------------------------------------------------------------------

  /** `family`: that of the routes that will use it (0 for a group). */
  setNexthop(handle: number, id: number, family: number, protocol: number): void {
    const at = this.fieldAt(handle, FIELD_NEXTHOP);
    this.words[at + NEXTHOP_ID] = id;
    this.words[at + ROUTE] = family | (protocol << 16);
  }

  /**
   * One path: of a nexthop object, or of a route or label that carries its own, in the context's slot and those of `addPath`.
   * What the path does to packets stays as it was.
   */
  setPath(
    handle: number,
    ifindex: number,
    gatewayFamily: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    flags: number,
    weight: number,
  ): void {
    const at = this.fieldAt(handle, FIELD_PATH);
    const words = this.words;
    words[at + COUNT] = 1;
    words[at + IFINDEX] = ifindex;
    words[at + GATEWAY_FAMILY] = gatewayFamily;
    words[at + GATEWAY] = w0;
    words[at + GATEWAY + 1] = w1;
    words[at + GATEWAY + 2] = w2;
    words[at + GATEWAY + 3] = w3;
    words[at + PATH_FLAGS] = flags;
    words[at + WEIGHT] = weight;
  }

  /** Owner only. A slot for the path after that in `slot`, which is the last one; 0 where there is none left. `count` is for the caller. */
  addPath(slot: number): number {
    let last = slot;
    for (let i = this.#encapParts(slot); i > 0; i--) last = this.next(last);
    return this.insert(last);
  }

  /** The slot of the next path, or 0. */
  nextPath(slot: number): number {
    let next = this.next(slot);
    for (let i = this.#encapParts(slot); i > 0; i--) next = this.next(next);
    return next;
  }

  /** AF_INET, AF_INET6, or 0 where the path has no gateway. */
  gatewayFamily(handle: number): number {
    return this.words[this.fieldAt(handle, FIELD_PATH) + GATEWAY_FAMILY]!;
  }

  gatewayWord(handle: number, i: number): number {
    return this.words[this.fieldAt(handle, FIELD_PATH) + GATEWAY + i]! >>> 0;
  }

  /** PATH_* bits. */
  pathFlags(handle: number): number {
    return this.words[this.fieldAt(handle, FIELD_PATH) + PATH_FLAGS]!;
  }

  /** 1–65536; 0 is read as 1. */
  weight(handle: number): number {
    return this.words[this.fieldAt(handle, FIELD_PATH) + WEIGHT]!;
  }

  // What a path does to packets ----------------------------------------------------------------------------------------
  // Bytes as the kernel takes and tells them, so that copying is all that most have to do.

  /** LWTUNNEL_ENCAP_*; 0: it sends them on as they are. */
  encapType(slot: number): number {
    return this.words[this.fieldAt(slot, FIELD_PATH) + ENCAP]! & 0xffff;
  }

  /** Bytes of its value. */
  encapLength(slot: number): number {
    return this.words[this.fieldAt(slot, FIELD_PATH) + ENCAP]! >>> 16;
  }

  /** Owner only. False where the pool has not enough slots for it; the path is then as before. */
  setEncap(slot: number, encap: Encap): boolean {
    const value = encodeEncap(encap);
    return this.setEncapBytes(slot, encap.type, value, 0, value.length);
  }

  /** The same from the value of RTA_ENCAP or NHA_ENCAP: `length` (below 65,536) of `bytes` from `from` on. */
  setEncapBytes(slot: number, type: number, bytes: Uint8Array, from: number, length: number): boolean {
    const at = this.fieldAt(slot, FIELD_PATH);
    const before = this.#encapParts(slot);
    if (this.room + before < partsOf(length)) return false;
    for (let i = 0; i < before; i++) this.remove(slot);
    this.words[at + ENCAP] = type | (length << 16);
    const first = Math.min(length, ENCAP_FIRST_BYTES);
    let to = (at + ENCAP_VALUE) * 4;
    for (let i = 0; i < first; i++) this.bytes[to + i] = bytes[from + i]!;
    let last = slot;
    for (let done = first; done < length; done += PART_BYTES) {
      last = this.insert(last);
      to = (this.at(last) + PAYLOAD) * 4;
      const part = Math.min(length - done, PART_BYTES);
      for (let i = 0; i < part; i++) this.bytes[to + i] = bytes[from + done + i]!;
    }
    return true;
  }

  /** Copies the value to `target` from `to` on. */
  readEncap(slot: number, target: Uint8Array, to: number): void {
    const at = this.fieldAt(slot, FIELD_PATH);
    const length = this.words[at + ENCAP]! >>> 16;
    const first = Math.min(length, ENCAP_FIRST_BYTES);
    let from = (at + ENCAP_VALUE) * 4;
    for (let i = 0; i < first; i++) target[to + i] = this.bytes[from + i]!;
    let last = slot;
    for (let done = first; done < length; done += PART_BYTES) {
      last = this.next(last);
      from = (this.at(last) + PAYLOAD) * 4;
      const part = Math.min(length - done, PART_BYTES);
      for (let i = 0; i < part; i++) target[to + done + i] = this.bytes[from + i]!;
    }
  }

  /** As a value; undefined where there is none, or none that we know. */
  encap(slot: number): Encap | undefined {
    const type = this.encapType(slot);
    if (type === 0) return undefined;
    const value = new Uint8Array(this.encapLength(slot));
    this.readEncap(slot, value, 0);
    return decodeEncap(type, value, 0, value.length);
  }

  /** Slots behind this one that hold the rest of its encap. */
  #encapParts(slot: number): number {
    return partsOf(this.words[this.at(slot) + ENCAP]! >>> 16);
  }

  // Groups ---------------------------------------------------------------------------------------------------------------

  /**
   * Owner only: makes it a group of these members (parallel arrays, weights from 1). False where the pool has not enough
   * slots for the chain; the context is then as before.
   */
  setMembers(handle: number, ids: ArrayLike<number>, weights: ArrayLike<number>): boolean {
    this.fieldAt(handle, FIELD_MEMBERS);
    if (this.room < slotsOf(ids.length) - 1) return false;
    let slot = handle;
    for (let i = 0; i < ids.length; i++) {
      const place = i % MEMBERS_PER_SLOT;
      if (i > 0 && place === 0) slot = this.#append(slot);
      this.#setMember(slot, place, ids[i]!, weights[i]!);
    }
    this.words[this.at(handle) + COUNT] = ids.length;
    this.setFlags(handle, this.flags(handle) | FLAG_GROUP);
    return true;
  }

  /** Owner only, after `setMembers`: what the group consisted of before. False where there are not slots enough. */
  setOldMembers(handle: number, ids: ArrayLike<number>, weights: ArrayLike<number>): boolean {
    this.fieldAt(handle, FIELD_MEMBERS);
    if (this.room < slotsOf(ids.length)) return false;
    this.words[this.at(handle) + OLD_ID] = ids.length;
    let slot = handle;
    while (this.next(slot) !== 0) slot = this.next(slot);
    for (let i = 0; i < ids.length; i++) {
      const place = i % MEMBERS_PER_SLOT;
      if (place === 0) slot = this.#append(slot);
      this.#setMember(slot, place, ids[i]!, weights[i]!);
    }
    return true;
  }

  /** Members that a group had before; 0 where nobody said. */
  oldCount(handle: number): number {
    return this.words[this.fieldAt(handle, FIELD_MEMBERS) + OLD_ID]!;
  }

  /** The slot where they begin. */
  oldMembers(handle: number): number {
    let slot = handle;
    for (let i = Math.max(1, slotsOf(this.count(handle))); i > 0; i--) slot = this.next(slot);
    return slot;
  }

  #append(slot: number): number {
    const next = this.allocate(OP_MORE);
    this.setNext(slot, next);
    return next;
  }

  #setMember(slot: number, place: number, id: number, weight: number): void {
    const at = this.at(slot) + PAYLOAD + 2 * place;
    this.words[at] = id;
    this.words[at + 1] = weight;
  }

  /** Calls `visit` for each member of a group. For owners; the kernel provider walks the words itself. */
  members(handle: number, visit: (id: number, weight: number) => void): void {
    this.fieldAt(handle, FIELD_MEMBERS);
    const count = this.count(handle);
    let slot = handle;
    for (let i = 0; i < count; i++) {
      const place = i % MEMBERS_PER_SLOT;
      if (i > 0 && place === 0) slot = this.next(slot);
      visit(this.memberId(slot, place), this.memberWeight(slot, place));
    }
  }

  /** Of the member at `place` (below MEMBERS_PER_SLOT) of one slot of the chain. */
  memberId(slot: number, place: number): number {
    return this.words[this.fieldAt(slot, FIELD_MEMBERS) + PAYLOAD + 2 * place]! >>> 0;
  }

  memberWeight(slot: number, place: number): number {
    return this.words[this.fieldAt(slot, FIELD_MEMBERS) + PAYLOAD + 2 * place + 1]!;
  }
}
