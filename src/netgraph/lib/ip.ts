// Where things stand in an IP packet: protocol numbers, 16- and 32-bit big-endian words, and the way to the upper-layer header.
//
// A packet is always `(bytes, offset, length)`: `length` bytes from `offset`, which is the IP header's first. What comes back is
// a number; a negative one says that the packet is too short or malformed for the question.

export const IPPROTO_HOPOPTS = 0;
export const IPPROTO_ICMP = 1;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_ROUTING = 43;
export const IPPROTO_FRAGMENT = 44;
export const IPPROTO_AH = 51;
export const IPPROTO_ICMPV6 = 58;
export const IPPROTO_DSTOPTS = 60;

export const ETHERTYPE_IP = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_IPV6 = 0x86dd;

/** The big-endian 16-bit word at `offset`. */
export function read16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 8) | bytes[offset + 1]!;
}

export function write16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 8;
  bytes[offset + 1] = value;
}

/** The big-endian 32-bit word at `offset`, unsigned. */
export function read32(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>> 0;
}

/** The same, signed: V8 keeps any such number without a box, so handing it on allocates nothing. */
export function readInt32(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!;
}

export function write32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}

/** Bytes of a sound IPv4 header (RFC 791 §3.1: version, header and total length; not its checksum), or -1. */
export function ip4HeaderLength(bytes: Uint8Array, offset: number, length: number): number {
  if (length < 20) return -1;
  const first = bytes[offset]!;
  const header = (first & 15) << 2;
  const total = read16(bytes, offset + 2);
  return first >>> 4 === 4 && header >= 20 && header <= total && total <= length ? header : -1;
}

/** Whether the IPv4 packet is one fragment of several: MF set or offset not zero. */
export function ip4IsFragment(bytes: Uint8Array, offset: number): boolean {
  return (read16(bytes, offset + 6) & 0x3fff) !== 0;
}

/** What `ip6Upper` answers where there is no upper-layer header to be had. */
export const IP6_MALFORMED = -1;
/** A fragment that is not the first: its upper-layer header is elsewhere. */
export const IP6_LATER_FRAGMENT = -2;

/**
 * The way past the extension headers of RFC 8200 §4: `protocol << 16 | bytes before its header`, or a negative number.
 * The first fragment of several answers with its upper-layer header, like a whole packet; see `ip6Fragment`.
 */
export function ip6Upper(bytes: Uint8Array, offset: number, length: number): number {
  if (length < 40 || bytes[offset]! >>> 4 !== 6) return IP6_MALFORMED;
  const end = 40 + read16(bytes, offset + 4);
  if (end > length) return IP6_MALFORMED;
  let protocol = bytes[offset + 6]!;
  let at = 40;
  for (;;) {
    let size: number;
    if (protocol === IPPROTO_HOPOPTS || protocol === IPPROTO_ROUTING || protocol === IPPROTO_DSTOPTS) {
      if (at + 8 > end) return IP6_MALFORMED;
      size = (bytes[offset + at + 1]! + 1) << 3;
    } else if (protocol === IPPROTO_AH) {
      if (at + 8 > end) return IP6_MALFORMED;
      size = (bytes[offset + at + 1]! + 2) << 2; // RFC 4302 §2.2
    } else if (protocol === IPPROTO_FRAGMENT) {
      if (at + 8 > end) return IP6_MALFORMED;
      if ((read16(bytes, offset + at + 2) & 0xfff8) !== 0) return IP6_LATER_FRAGMENT;
      size = 8;
    } else return (protocol << 16) | at;
    if (at + size > end) return IP6_MALFORMED;
    protocol = bytes[offset + at]!;
    at += size;
  }
}

/** Bytes before the header of `wanted` (an extension header's number), or -1 where the packet has none. */
export function ip6Extension(bytes: Uint8Array, offset: number, length: number, wanted: number): number {
  if (length < 40) return -1;
  let protocol = bytes[offset + 6]!;
  let at = 40;
  while (at + 8 <= length) {
    if (protocol === wanted) return at;
    let size = 8;
    if (protocol === IPPROTO_HOPOPTS || protocol === IPPROTO_ROUTING || protocol === IPPROTO_DSTOPTS) {
      size = (bytes[offset + at + 1]! + 1) << 3;
    } else if (protocol === IPPROTO_AH) size = (bytes[offset + at + 1]! + 2) << 2;
    else if (protocol !== IPPROTO_FRAGMENT) return -1;
    protocol = bytes[offset + at]!;
    at += size;
  }
  return -1;
}
