// What a route or a nexthop object does to packets beyond sending them to a gateway (the kernel's lightweight tunnels): push
// MPLS labels, encapsulate with a segment routing header, or, for an SRv6 SID of our own, the behaviour of that SID.
//
// Few are distinct, so they are values, written by tables; the bytes of each are kept with it, so that who keeps one value
// for many routes pays for a copy of bytes. A coder of routes or objects writes its message first, then the encap is appended.
import type { AddressWords } from '../net/index.ts';
import { readWord } from '../net/index.ts';
import {
  type AttributeTable,
  address6,
  attribute,
  be32,
  type Codec,
  MessageWriter,
  NESTED,
  nested,
  readAttributes,
  u8,
  u32,
  writeAttributes,
} from './attribute.ts';
import { type MessageBuffer } from './buffer.ts';
import {
  AF_UNSPEC,
  LWTUNNEL_ENCAP_MPLS,
  LWTUNNEL_ENCAP_SEG6,
  LWTUNNEL_ENCAP_SEG6_LOCAL,
  SEG6_IPTUN_MODE_INLINE,
  SEG6_LOCAL_ACTION_END_B6,
} from './constants.ts';

/** Labels pushed, outermost first. In a route of an MPLS label: what that label is replaced by. */
export interface MplsEncap {
  readonly type: typeof LWTUNNEL_ENCAP_MPLS;
  readonly labels: readonly number[];
  readonly ttl?: number;
}

/** Packets travel by these segments, first to last. */
export interface Seg6Encap {
  readonly type: typeof LWTUNNEL_ENCAP_SEG6;
  /** SEG6_IPTUN_MODE_* */
  readonly mode: number;
  readonly segments: readonly AddressWords[];
}

/** The behaviour of a local SID (RFC 8986 §4): which of the fields there are is the action's. */
export interface Seg6LocalEncap extends LocalAttributes {
  readonly type: typeof LWTUNNEL_ENCAP_SEG6_LOCAL;
}

export type Encap = MplsEncap | Seg6Encap | Seg6LocalEncap;

interface LocalAttributes {
  /** SEG6_LOCAL_ACTION_* */
  readonly action: number;
  /** End.B6, End.B6.Encaps: the policy bound to the SID. */
  readonly segments?: readonly AddressWords[];
  /** End.T, End.DT6: the table looked up. */
  readonly table?: number;
  /** End.DX4, as a word. */
  readonly gateway4?: number;
  /** End.X, End.DX6. */
  readonly gateway6?: AddressWords;
  readonly inputIfindex?: number;
  /** End.DX2. */
  readonly outputIfindex?: number;
  /** End.DT4, End.DT6, End.DT46: the table of a VRF device. */
  readonly vrfTable?: number;
  readonly flavors?: Seg6Flavors;
}

/** RFC 8986 §4.16, RFC 9800 §4. */
export interface Seg6Flavors {
  /** SEG6_LOCAL_FLAVOR_* */
  readonly operations?: number;
  /** NEXT-C-SID: bits of the locator block, and of node and function of one SID. */
  readonly blockBits?: number;
  readonly functionBits?: number;
}

interface MplsAttributes {
  readonly labels: readonly number[];
  readonly ttl?: number;
}

interface Seg6Attributes {
  readonly tunnel: { readonly mode: number; readonly segments: readonly AddressWords[] };
}

const BOTTOM_OF_STACK = 0x100;
const NO_ADDRESS: AddressWords = [0, 0, 0, 0];

/** A label stack (RFC 3032 §2.1); class and TTL are 0. */
export const labelStack: Codec<readonly number[]> = {
  write: (writer, labels) => {
    for (let i = 0; i < labels.length; i++) {
      be32.write(writer, (labels[i]! << 12) | (i === labels.length - 1 ? BOTTOM_OF_STACK : 0), AF_UNSPEC);
    }
  },
  read: (bytes, offset, length) => {
    const labels: number[] = [];
    for (let at = 0; at + 4 <= length; at += 4) labels.push(readWord(bytes, offset + at) >>> 12);
    return labels;
  },
};

const SRH_TYPE = 4;
const SRH_BYTES = 8;

/** A segment routing header (RFC 8754 §2). It has the segments in the reverse of their order; its TLVs are passed over. */
const segmentHeader: Codec<readonly AddressWords[]> = {
  write: (writer, segments) => {
    const last = segments.length - 1;
    writer
      .u8(0)
      .u8(2 * segments.length)
      .u8(SRH_TYPE)
      .u8(last)
      .u8(last)
      .u8(0)
      .u16(0);
    for (let i = last; i >= 0; i--) address6.write(writer, segments[i]!, AF_UNSPEC);
  },
  read: (bytes, offset, length) => {
    const segments: AddressWords[] = [];
    const last = length >= SRH_BYTES ? bytes[offset + 4]! : -1;
    for (let i = last; i >= 0; i--) {
      const at = SRH_BYTES + 16 * i;
      if (at + 16 <= length) segments.push(address6.read(bytes, offset + at, 16, AF_UNSPEC));
    }
    return segments;
  },
};

/** A header that is put into the packet, not before it, keeps its last place for the packet's own destination. */
function withPlace(segments: readonly AddressWords[]): readonly AddressWords[] {
  return [...segments, NO_ADDRESS];
}

function withoutPlace(segments: readonly AddressWords[]): readonly AddressWords[] {
  return segments.at(-1)?.every(word => word === 0) ? segments.slice(0, -1) : segments;
}

/** struct seg6_iptunnel_encap */
const tunnel: Codec<Seg6Attributes['tunnel']> = {
  write: (writer, { mode, segments }, family) => {
    writer.u32(mode);
    segmentHeader.write(writer, mode === SEG6_IPTUN_MODE_INLINE ? withPlace(segments) : segments, family);
  },
  read: (bytes, offset, length, family) => {
    const mode = u32.read(bytes, offset, length, family);
    const segments = segmentHeader.read(bytes, offset + 4, length - 4, family);
    return { mode, segments: mode === SEG6_IPTUN_MODE_INLINE ? withoutPlace(segments) : segments };
  },
};

const mplsTable: AttributeTable<MplsAttributes> = { labels: attribute(1, labelStack), ttl: attribute(2, u8) };

const seg6Table: AttributeTable<Seg6Attributes> = { tunnel: attribute(1, tunnel) };

const flavorTable: AttributeTable<Seg6Flavors> = {
  operations: attribute(1, u32),
  blockBits: attribute(2, u8),
  functionBits: attribute(3, u8),
};

const localTable: AttributeTable<LocalAttributes> = {
  action: attribute(1, u32),
  segments: attribute(2, segmentHeader),
  table: attribute(3, u32),
  gateway4: attribute(4, be32),
  gateway6: attribute(5, address6),
  inputIfindex: attribute(6, u32),
  outputIfindex: attribute(7, u32),
  vrfTable: attribute(9, u32),
  flavors: attribute(11, nested(flavorTable)),
};

const writer = new MessageWriter(8192);
const encoded = new WeakMap<Encap, Uint8Array>();

/** The value of RTA_ENCAP or NHA_ENCAP. */
export function encodeEncap(encap: Encap): Uint8Array {
  let bytes = encoded.get(encap);
  if (bytes === undefined) {
    write(encap);
    bytes = writer.message.slice();
    encoded.set(encap, bytes);
  }
  return bytes;
}

function write(encap: Encap): void {
  writer.reset();
  switch (encap.type) {
    case LWTUNNEL_ENCAP_MPLS:
      writeAttributes<MplsAttributes>(writer, mplsTable, encap, AF_UNSPEC);
      return;
    case LWTUNNEL_ENCAP_SEG6:
      writeAttributes<Seg6Attributes>(writer, seg6Table, { tunnel: encap }, AF_UNSPEC);
      return;
    case LWTUNNEL_ENCAP_SEG6_LOCAL: {
      const inserted = encap.action === SEG6_LOCAL_ACTION_END_B6 && encap.segments !== undefined;
      const attributes = inserted ? { ...encap, segments: withPlace(encap.segments!) } : encap;
      writeAttributes<LocalAttributes>(writer, localTable, attributes, AF_UNSPEC);
      return;
    }
    default:
  }
}

/** Reads the value of RTA_ENCAP or NHA_ENCAP of this LWTUNNEL_ENCAP_*; undefined for those that we know nothing of. */
export function decodeEncap(type: number, bytes: Uint8Array, offset: number, length: number): Encap | undefined {
  const end = offset + length;
  switch (type) {
    case LWTUNNEL_ENCAP_MPLS:
      return { type, labels: [], ...readAttributes(bytes, offset, end, mplsTable, AF_UNSPEC) };
    case LWTUNNEL_ENCAP_SEG6: {
      const read = readAttributes(bytes, offset, end, seg6Table, AF_UNSPEC).tunnel;
      return read && { type, ...read };
    }
    case LWTUNNEL_ENCAP_SEG6_LOCAL: {
      const read = { action: 0, ...readAttributes(bytes, offset, end, localTable, AF_UNSPEC) };
      const inserted = read.action === SEG6_LOCAL_ACTION_END_B6 && read.segments !== undefined;
      return { type, ...read, ...(inserted && { segments: withoutPlace(read.segments!) }) };
    }
    default:
      return undefined;
  }
}

/** Bytes that a value of `length` bytes adds to a message with its two attributes. */
export function encapRoom(length: number): number {
  return VALUE_AT + ((length + 3) & ~3);
}

/** Bytes that the two attributes of this encap add to a message. */
export function encapBytes(encap: Encap): number {
  return encapRoom(encodeEncap(encap).length);
}

const RTA_ENCAP_TYPE = 21;
const RTA_ENCAP = 22;
const NHA_ENCAP_TYPE = 7;
const NHA_ENCAP = 8;
/** Where the value is, from where the two attributes begin. */
const VALUE_AT = 12;

/** Appends the encap to a route that carries one path itself, of `size` bytes at `offset`; returns the new size. */
export function appendRouteEncap(buffer: MessageBuffer, offset: number, size: number, encap: Encap): number {
  const bytes = encodeEncap(encap);
  buffer.bytes.set(bytes, reserveRouteEncap(buffer, offset, size, encap.type, bytes.length));
  return size + encapRoom(bytes.length);
}

/** The same for a nexthop object that is not a group. */
export function appendNexthopEncap(buffer: MessageBuffer, offset: number, size: number, encap: Encap): number {
  const bytes = encodeEncap(encap);
  buffer.bytes.set(bytes, reserveNexthopEncap(buffer, offset, size, encap.type, bytes.length));
  return size + encapRoom(bytes.length);
}

/**
 * For who has the encap's bytes already: appends all but them, and returns the byte from which on `length` of them are to be
 * put. The message is `encapRoom(length)` bytes longer then.
 */
export function reserveRouteEncap(
  buffer: MessageBuffer,
  offset: number,
  size: number,
  type: number,
  length: number,
): number {
  return reserve(buffer, offset, size, RTA_ENCAP_TYPE, RTA_ENCAP, type, length);
}

/** The same for a nexthop object that is not a group. */
export function reserveNexthopEncap(
  buffer: MessageBuffer,
  offset: number,
  size: number,
  type: number,
  length: number,
): number {
  return reserve(buffer, offset, size, NHA_ENCAP_TYPE, NHA_ENCAP, type, length);
}

function reserve(
  buffer: MessageBuffer,
  offset: number,
  size: number,
  typeAttribute: number,
  valueAttribute: number,
  type: number,
  length: number,
): number {
  const { words } = buffer;
  const at = (offset + size) >> 2;
  const end = size + encapRoom(length);
  words[at] = 6 | (typeAttribute << 16);
  words[at + 1] = type;
  words[at + 2] = (4 + length) | ((valueAttribute | NESTED) << 16);
  // What is not of the value in its last word.
  if ((length & 3) !== 0) words[((offset + end) >> 2) - 1] = 0;
  words[offset >> 2] = end;
  return offset + size + VALUE_AT;
}
