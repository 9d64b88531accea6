// What goes with an attribute set and is never on the wire, as an attribute like the others, so that sets that differ in it
// are different sets.
//
//    | weight (4) | tag (4) | interface (4) | MED (4) | flags (1) | distance (1) |
import { readWord } from '../../net/index.ts';

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
}

export const INTERNAL_WEIGHT = 0;
export const INTERNAL_TAG = 4;
export const INTERNAL_IFINDEX = 8;
const INTERNAL_MED = 12;
export const INTERNAL_FLAGS = 16;
export const INTERNAL_DISTANCE = 17;
const INTERNAL_BYTES = 18;

export const INTERNAL_HAS_WEIGHT = 1;
export const INTERNAL_NEXT_HOP_KEPT = 2;
const INTERNAL_HAS_MED = 4;

/** The value as it stands in a set; undefined where there is nothing to say. */
export function encodeInternal(value: InternalAttribute): Uint8Array | undefined {
  const { weight, receivedMed, tag = 0, ifindex = 0, distance = 0, nextHopKept = false } = value;
  const flags =
    (weight === undefined ? 0 : INTERNAL_HAS_WEIGHT) |
    (nextHopKept ? INTERNAL_NEXT_HOP_KEPT : 0) |
    (receivedMed === undefined ? 0 : INTERNAL_HAS_MED);
  if (flags === 0 && tag === 0 && ifindex === 0 && distance === 0) return undefined;
  const bytes = new Uint8Array(INTERNAL_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(INTERNAL_WEIGHT, weight ?? 0);
  view.setUint32(INTERNAL_TAG, tag);
  view.setUint32(INTERNAL_IFINDEX, ifindex);
  view.setUint32(INTERNAL_MED, receivedMed ?? 0);
  bytes[INTERNAL_FLAGS] = flags;
  bytes[INTERNAL_DISTANCE] = distance;
  return bytes;
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
  return value;
}
