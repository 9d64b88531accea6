// What goes with an attribute set and is never on the wire, as an attribute like the others, so that sets that differ in it
// are different sets.
//
//    | weight (4) | tag (4) | interface (4) | MED (4) | flags (1) | distance (1) |
//
// Of a VPN's routes, and of routes of an instance whose next hop is another instance's to find, more follows:
//
//    | label + 1 (4) | instance (4) | SID (16) |
import { type AddressWords, isUnspecified, readWord, writeWord } from '../../net/index.ts';

export interface InternalAttribute {
  /** Set by policy; 0 is a weight too. */
  weight?: number;
  /** Of the route at zebra; 0: none. */
  tag?: number;
  /** Index of the interface that a redistributed route leads to; 0: none. */
  ifindex?: number;
  /** MULTI_EXIT_DISC as a neighbour said it, where it is not passed on: outbound policy may still ask for it. */
  receivedMed?: number;
  /** The administrative distance that policy chose; 0: the configured one. */
  distance?: number;
  /** Policy chose the next hop, so the rules of RFC 4271 §5.1.3 do not replace it. */
  nextHopKept?: boolean;
  /** What stood in the label field (20 bits), or what packets are to be labelled with. */
  label?: number;
  /** The number of the instance whose next hop it is, where it is not the one whose route it is. */
  via?: number;
  /** The SRv6 SID that packets are sent to. */
  sid?: AddressWords;
}

export const INTERNAL_WEIGHT = 0;
export const INTERNAL_TAG = 4;
export const INTERNAL_IFINDEX = 8;
const INTERNAL_MED = 12;
export const INTERNAL_FLAGS = 16;
export const INTERNAL_DISTANCE = 17;
const INTERNAL_BYTES = 18;
export const INTERNAL_LABEL = 18;
export const INTERNAL_VIA = 22;
export const INTERNAL_SID = 26;
const INTERNAL_VPN_BYTES = 42;

export const INTERNAL_HAS_WEIGHT = 1;
export const INTERNAL_NEXT_HOP_KEPT = 2;
const INTERNAL_HAS_MED = 4;
/** There is more than the first 18 octets. */
export const INTERNAL_HAS_VPN = 8;

/** The value as it stands in a set; undefined where there is nothing to say. */
export function encodeInternal(value: InternalAttribute): Uint8Array | undefined {
  const { weight, receivedMed, tag = 0, ifindex = 0, distance = 0, nextHopKept = false, label, via = 0, sid } = value;
  const vpn = label !== undefined || via !== 0 || sid !== undefined;
  const flags =
    (weight === undefined ? 0 : INTERNAL_HAS_WEIGHT) |
    (nextHopKept ? INTERNAL_NEXT_HOP_KEPT : 0) |
    (receivedMed === undefined ? 0 : INTERNAL_HAS_MED) |
    (vpn ? INTERNAL_HAS_VPN : 0);
  if (flags === 0 && tag === 0 && ifindex === 0 && distance === 0) return undefined;
  const bytes = new Uint8Array(vpn ? INTERNAL_VPN_BYTES : INTERNAL_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(INTERNAL_WEIGHT, weight ?? 0);
  view.setUint32(INTERNAL_TAG, tag);
  view.setUint32(INTERNAL_IFINDEX, ifindex);
  view.setUint32(INTERNAL_MED, receivedMed ?? 0);
  bytes[INTERNAL_FLAGS] = flags;
  bytes[INTERNAL_DISTANCE] = distance;
  if (vpn) {
    view.setUint32(INTERNAL_LABEL, label === undefined ? 0 : label + 1);
    view.setUint32(INTERNAL_VIA, via);
    for (let i = 0; i < 4; i++) view.setUint32(INTERNAL_SID + i * 4, sid?.[i] ?? 0);
  }
  return bytes;
}

const LABELLED: Uint8Array = encodeInternal({ label: 0 })!;

/** `encodeInternal` of a label alone; the octets are used again for the next one. */
export function encodeLabel(label: number): Uint8Array {
  writeWord(LABELLED, INTERNAL_LABEL, label + 1);
  return LABELLED;
}

/** The label of the value that stands at `at`, -1 where it has none. */
export function labelAt(bytes: Uint8Array, at: number): number {
  return (bytes[at + INTERNAL_FLAGS]! & INTERNAL_HAS_VPN) === 0 ? -1 : readWord(bytes, at + INTERNAL_LABEL) - 1;
}

/** The number of the instance whose next hop it is, 0: the route's own. */
export function viaAt(bytes: Uint8Array, at: number): number {
  return (bytes[at + INTERNAL_FLAGS]! & INTERNAL_HAS_VPN) === 0 ? 0 : readWord(bytes, at + INTERNAL_VIA);
}

/** What stands at `at`, without what says nothing. */
export function decodeInternal(bytes: Uint8Array, at: number): InternalAttribute {
  const value: InternalAttribute = {};
  const flags = bytes[at + INTERNAL_FLAGS]!;
  if ((flags & INTERNAL_HAS_WEIGHT) !== 0) value.weight = readWord(bytes, at + INTERNAL_WEIGHT);
  const tag = readWord(bytes, at + INTERNAL_TAG);
  if (tag !== 0) value.tag = tag;
  const ifindex = readWord(bytes, at + INTERNAL_IFINDEX);
  if (ifindex !== 0) value.ifindex = ifindex;
  if ((flags & INTERNAL_HAS_MED) !== 0) value.receivedMed = readWord(bytes, at + INTERNAL_MED);
  const distance = bytes[at + INTERNAL_DISTANCE]!;
  if (distance !== 0) value.distance = distance;
  if ((flags & INTERNAL_NEXT_HOP_KEPT) !== 0) value.nextHopKept = true;
  if ((flags & INTERNAL_HAS_VPN) === 0) return value;
  const label = labelAt(bytes, at);
  if (label >= 0) value.label = label;
  const via = viaAt(bytes, at);
  if (via !== 0) value.via = via;
  const word = (i: number): number => readWord(bytes, at + INTERNAL_SID + i * 4);
  const sid: AddressWords = [word(0), word(1), word(2), word(3)];
  if (!isUnspecified(sid)) value.sid = sid;
  return value;
}
