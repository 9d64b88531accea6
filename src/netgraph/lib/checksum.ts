// The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of 16-bit words. A sum is kept unfolded,
// so sums of several pieces (pseudo-header, header, payload) are simply added; `finish` folds and complements once.
//
// Short pieces are read by bytes, the high and the low ones of each word summed apart: no shift and no carry in the loop, and neither
// half can overflow. From 64 bytes on it pays to read 32 bits at a time through a DataView, which knows no alignment (1,500 bytes: 300
// ns against 690); those of the last two memories are kept, so a packet does not make one.
import {
  IPPROTO_FRAGMENT,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_ROUTING,
  IPPROTO_TCP,
  IPPROTO_UDP,
  ip4HeaderLength,
  ip4IsFragment,
  ip6Extension,
  ip6Upper,
  read16,
  write16,
} from './ip.ts';

const LONG = 64;
let view: DataView = new DataView(new ArrayBuffer(0));
let viewBefore: DataView = view;

/** The unfolded sum of `length` bytes. Only the last piece of several may be of odd length. */
export function sum(bytes: Uint8Array, offset: number, length: number): number {
  if (length >= LONG) return sumLong(bytes, offset, length);
  let high = 0;
  let low = 0;
  let i = offset;
  const end = offset + length;
  for (const unrolled = end - 3; i < unrolled; i += 4) {
    high += bytes[i]! + bytes[i + 2]!;
    low += bytes[i + 1]! + bytes[i + 3]!;
  }
  if (i + 1 < end) {
    high += bytes[i]!;
    low += bytes[i + 1]!;
    i += 2;
  }
  if (i < end) high += bytes[i]!;
  return high * 256 + low;
}

function sumLong(bytes: Uint8Array, offset: number, length: number): number {
  const { buffer } = bytes;
  if (view.buffer !== buffer) {
    const last = view;
    view = viewBefore.buffer === buffer ? viewBefore : new DataView(buffer);
    viewBefore = last;
  }
  const words = view;
  let high = 0;
  let low = 0;
  let i = bytes.byteOffset + offset;
  const end = i + length;
  for (const unrolled = end - 15; i < unrolled; i += 16) {
    const a = words.getInt32(i);
    const b = words.getInt32(i + 4);
    const c = words.getInt32(i + 8);
    const d = words.getInt32(i + 12);
    high += (a >>> 16) + (b >>> 16) + (c >>> 16) + (d >>> 16);
    low += (a & 0xffff) + (b & 0xffff) + (c & 0xffff) + (d & 0xffff);
  }
  for (; i + 1 < end; i += 2) low += words.getUint16(i);
  if (i < end) low += words.getUint8(i) << 8;
  return high + low;
}

/** A sum folded to 16 bits, the carries brought round. */
export function fold(total: number): number {
  let folded = (total & 0xffff) + Math.floor(total / 65536);
  folded = (folded & 0xffff) + (folded >>> 16);
  return (folded & 0xffff) + (folded >>> 16);
}

/** The checksum that belongs to a sum. */
export function finish(total: number): number {
  return ~fold(total) & 0xffff;
}

/** The checksum of a piece alone. */
export function checksum(bytes: Uint8Array, offset: number, length: number): number {
  return finish(sum(bytes, offset, length));
}

/** The checksum after one 16-bit word of what it covers has changed: RFC 1624 §3 eqn. 3, HC' = ~(~HC + ~m + m'). */
export function update16(check: number, before: number, after: number): number {
  let total = (~check & 0xffff) + (~before & 0xffff) + after;
  total = (total & 0xffff) + (total >>> 16);
  total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}

/** The same for a 32-bit word, aligned to 16 bits. */
export function update32(check: number, before: number, after: number): number {
  let total =
    (~check & 0xffff) + (~before & 0xffff) + ((~before >>> 16) & 0xffff) + (after & 0xffff) + ((after >>> 16) & 0xffff);
  total = (total & 0xffff) + (total >>> 16);
  total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}

/** Whether the IPv4 header's checksum is right; `header` is its length in bytes. */
export function ip4HeaderOk(bytes: Uint8Array, offset: number, header: number): boolean {
  return fold(sum(bytes, offset, header)) === 0xffff;
}

/** Computes and writes the IPv4 header's checksum. */
export function setIp4Checksum(bytes: Uint8Array, offset: number, header: number): void {
  write16(bytes, offset + 10, 0);
  write16(bytes, offset + 10, checksum(bytes, offset, header));
}

/** Takes one from the TTL of an IPv4 header, and keeps its checksum right; returns what is left. The TTL must not be 0. */
export function decrementTtl(bytes: Uint8Array, offset: number): number {
  const before = read16(bytes, offset + 8);
  write16(bytes, offset + 8, before - 0x100);
  write16(bytes, offset + 10, update16(read16(bytes, offset + 10), before, before - 0x100));
  return (before >>> 8) - 1;
}

/** The sum of an IPv4 pseudo-header (RFC 9293 §3.1); `ip` is where the IPv4 header starts, `length` the upper layer's bytes. */
export function pseudo4(bytes: Uint8Array, ip: number, protocol: number, length: number): number {
  return sum(bytes, ip + 12, 8) + protocol + length;
}

/** The sum of an IPv6 pseudo-header (RFC 8200 §8.1). */
export function pseudo6(bytes: Uint8Array, ip: number, protocol: number, length: number): number {
  return sum(bytes, ip + 8, 32) + protocol + (length & 0xffff) + (length >>> 16);
}

/** Where a protocol's checksum stands in its header, or -1 where it has none that is known here. */
export function checksumOffset(protocol: number): number {
  if (protocol === IPPROTO_TCP) return 16;
  if (protocol === IPPROTO_UDP) return 6;
  if (protocol === IPPROTO_ICMP || protocol === IPPROTO_ICMPV6) return 2;
  return -1;
}

/** The upper-layer checksum is right. */
export const CHECK_OK = 0;
export const CHECK_BAD = 1;
/** Nothing to check: UDP over IPv4 without (RFC 768), a fragment, another protocol. */
export const CHECK_NONE = 2;
/** The packet is cut short or malformed. */
export const CHECK_MALFORMED = 3;

/** Checks TCP, UDP or ICMP in an IPv4 packet: one of `CHECK_…`. */
export function verify4(bytes: Uint8Array, offset: number, length: number): number {
  const header = ip4HeaderLength(bytes, offset, length);
  if (header < 0) return CHECK_MALFORMED;
  const protocol = bytes[offset + 9]!;
  const at = protocol === IPPROTO_ICMPV6 ? -1 : checksumOffset(protocol);
  if (at < 0 || ip4IsFragment(bytes, offset)) return CHECK_NONE;
  const size = read16(bytes, offset + 2) - header;
  if (size < at + 2) return CHECK_MALFORMED;
  const start = offset + header;
  if (protocol === IPPROTO_UDP) return verifyUdp(bytes, start, size, pseudo4(bytes, offset, protocol, 0), true);
  const seed = protocol === IPPROTO_ICMP ? 0 : pseudo4(bytes, offset, protocol, size);
  return fold(seed + sum(bytes, start, size)) === 0xffff ? CHECK_OK : CHECK_BAD;
}

/** Computes and writes the checksum of TCP, UDP or ICMP in an IPv4 packet: CHECK_OK where it was written. */
export function set4(bytes: Uint8Array, offset: number, length: number): number {
  const header = ip4HeaderLength(bytes, offset, length);
  if (header < 0) return CHECK_MALFORMED;
  const protocol = bytes[offset + 9]!;
  const at = protocol === IPPROTO_ICMPV6 ? -1 : checksumOffset(protocol);
  if (at < 0 || ip4IsFragment(bytes, offset)) return CHECK_NONE;
  const seed = protocol === IPPROTO_ICMP ? 0 : pseudo4(bytes, offset, protocol, 0);
  return write(bytes, offset + header, read16(bytes, offset + 2) - header, protocol, at, seed);
}

/** Checks TCP, UDP or ICMPv6 in an IPv6 packet: one of `CHECK_…`. */
export function verify6(bytes: Uint8Array, offset: number, length: number): number {
  const upper = ip6Upper(bytes, offset, length);
  if (upper === -1) return CHECK_MALFORMED;
  const protocol = upper >> 16;
  const at = upper < 0 || protocol === IPPROTO_ICMP ? -1 : checksumOffset(protocol);
  if (at < 0 || !ip6Checkable(bytes, offset, length)) return CHECK_NONE;
  const start = upper & 0xffff;
  const size = 40 + read16(bytes, offset + 4) - start;
  if (size < at + 2) return CHECK_MALFORMED;
  const seed = pseudo6(bytes, offset, protocol, 0);
  if (protocol === IPPROTO_UDP) return verifyUdp(bytes, offset + start, size, seed, false);
  return fold(seed + size + sum(bytes, offset + start, size)) === 0xffff ? CHECK_OK : CHECK_BAD;
}

/** Computes and writes the checksum of TCP, UDP or ICMPv6 in an IPv6 packet: CHECK_OK where it was written. */
export function set6(bytes: Uint8Array, offset: number, length: number): number {
  const upper = ip6Upper(bytes, offset, length);
  if (upper === -1) return CHECK_MALFORMED;
  const protocol = upper >> 16;
  const at = upper < 0 || protocol === IPPROTO_ICMP ? -1 : checksumOffset(protocol);
  if (at < 0 || !ip6Checkable(bytes, offset, length)) return CHECK_NONE;
  const start = upper & 0xffff;
  const size = 40 + read16(bytes, offset + 4) - start;
  return write(bytes, offset + start, size, protocol, at, pseudo6(bytes, offset, protocol, 0));
}

/** Not a fragment, and bound for the destination that its header names (RFC 8200 §8.1: else the last one of its route). */
function ip6Checkable(bytes: Uint8Array, offset: number, length: number): boolean {
  if (ip6Extension(bytes, offset, length, IPPROTO_FRAGMENT) >= 0) return false;
  const routing = ip6Extension(bytes, offset, length, IPPROTO_ROUTING);
  return routing < 0 || bytes[offset + routing + 3] === 0;
}

/** UDP says its own length, which may be less than what IP carries (RFC 768). */
function verifyUdp(bytes: Uint8Array, start: number, size: number, seed: number, optional: boolean): number {
  if (size < 8) return CHECK_MALFORMED;
  const stated = read16(bytes, start + 4);
  if (stated < 8 || stated > size) return CHECK_MALFORMED;
  // RFC 768: none was made; RFC 8200 §8.1: over IPv6 there must be one.
  if (read16(bytes, start + 6) === 0) return optional ? CHECK_NONE : CHECK_BAD;
  return fold(seed + stated + sum(bytes, start, stated)) === 0xffff ? CHECK_OK : CHECK_BAD;
}

function write(bytes: Uint8Array, start: number, size: number, protocol: number, at: number, seed: number): number {
  if (size < at + 2) return CHECK_MALFORMED;
  let covered = size;
  if (protocol === IPPROTO_UDP) {
    covered = read16(bytes, start + 4);
    if (covered < 8 || covered > size) return CHECK_MALFORMED;
  }
  write16(bytes, start + at, 0);
  const check = finish(sum(bytes, start, covered) + (protocol === IPPROTO_ICMP ? 0 : seed + covered));
  // RFC 768: a sum that comes to zero is sent as all ones, because zero says that there is none.
  write16(bytes, start + at, check === 0 && protocol === IPPROTO_UDP ? 0xffff : check);
  return CHECK_OK;
}

/** A UDP checksum after a change: never zero, which would say that there is none (RFC 768). */
export function udpNonZero(check: number): number {
  return check === 0 ? 0xffff : check;
}
