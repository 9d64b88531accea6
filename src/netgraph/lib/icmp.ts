// ICMP errors that a router sends, and when it must not: RFC 792 and RFC 1812 §4.3 for IPv4, RFC 4443 for IPv6; and the bucket that
// keeps them few. What is written starts with the IP header.
import { checksum, set6, setIp4Checksum, update16 } from './checksum.ts';
import { IPPROTO_ICMP, IPPROTO_ICMPV6, ip4HeaderLength, ip6Upper, read16, read32, write16, write32 } from './ip.ts';

export const ICMP_UNREACHABLE = 3;
export const ICMP_TIME_EXCEEDED = 11;
export const ICMP_PARAMETER_PROBLEM = 12;
/** Codes of ICMP_UNREACHABLE. */
export const ICMP_UNREACHABLE_NET = 0;
export const ICMP_UNREACHABLE_HOST = 1;
export const ICMP_UNREACHABLE_NEED_FRAGMENT = 4;

export const ICMP6_UNREACHABLE = 1;
export const ICMP6_PACKET_TOO_BIG = 2;
export const ICMP6_TIME_EXCEEDED = 3;
export const ICMP6_PARAMETER_PROBLEM = 4;
/** Codes of ICMP6_UNREACHABLE. */
export const ICMP6_UNREACHABLE_NO_ROUTE = 0;
export const ICMP6_UNREACHABLE_ADDRESS = 3;
/** Code of ICMP6_PARAMETER_PROBLEM: an option that is not known. */
export const ICMP6_PARAMETER_OPTION = 2;

/** Bytes of an error at most: RFC 1812 §4.3.2.3, and the least MTU of IPv6, RFC 4443 §2.4 (c). */
export const ICMP_ERROR_BYTES = 576;
export const ICMP6_ERROR_BYTES = 1280;

const HOPS = 64;

/**
 * Whether an error may be sent about this IPv4 packet (RFC 1812 §4.3.2.7). That it did not come as a link-layer broadcast is
 * for the caller to know.
 */
export function mayError4(bytes: Uint8Array, offset: number, length: number): boolean {
  const header = ip4HeaderLength(bytes, offset, length);
  if (header < 0 || (read16(bytes, offset + 6) & 0x1fff) !== 0) return false;
  const source = read32(bytes, offset + 12);
  const network = source >>> 24;
  // A source that is no single host: this network, loopback, multicast and beyond, up to the broadcast.
  if (network === 0 || network === 127 || network >= 224) return false;
  if (bytes[offset + 16]! >= 224) return false;
  if (bytes[offset + 9] !== IPPROTO_ICMP) return true;
  if (header >= length || header >= read16(bytes, offset + 2)) return false;
  return !isIcmp4Error(bytes[offset + header]!);
}

/** Whether this ICMP type is about another packet. Unknown types are taken for errors: silence harms nobody. */
export function isIcmp4Error(type: number): boolean {
  return !(
    type === 0 ||
    type === 8 ||
    type === 9 ||
    type === 10 ||
    (type >= 13 && type <= 18) ||
    type === 42 ||
    type === 43
  );
}

/**
 * An error about the packet from `source`, which is ours; returns its length. `rest` is the second word: the next hop's MTU
 * for ICMP_UNREACHABLE_NEED_FRAGMENT (RFC 1191 §4), the pointer in the high byte for ICMP_PARAMETER_PROBLEM. `out` has room for
 * ICMP_ERROR_BYTES and does not overlap the packet.
 */
export function writeError4(
  out: Uint8Array,
  at: number,
  type: number,
  code: number,
  rest: number,
  source: number,
  packet: Uint8Array,
  offset: number,
  length: number,
): number {
  const quoted = Math.min(read16(packet, offset + 2), length, ICMP_ERROR_BYTES - 28);
  const total = 28 + quoted;
  out[at] = 0x45;
  // RFC 1812 §4.3.2.5: the packet's type of service, at the precedence of network control.
  out[at + 1] = 0xc0 | (packet[offset + 1]! & 0x1e);
  write16(out, at + 2, total);
  write16(out, at + 4, 0);
  write16(out, at + 6, 0x4000); // not to be fragmented, so it needs no identification (RFC 6864 §4.1)
  out[at + 8] = HOPS;
  out[at + 9] = IPPROTO_ICMP;
  write32(out, at + 12, source);
  write32(out, at + 16, read32(packet, offset + 12));
  setIp4Checksum(out, at, 20);
  out[at + 20] = type;
  out[at + 21] = code;
  write16(out, at + 22, 0);
  write32(out, at + 24, rest);
  for (let i = 0; i < quoted; i++) out[at + 28 + i] = packet[offset + i]!;
  write16(out, at + 22, checksum(out, at + 20, 8 + quoted));
  return total;
}

/**
 * Whether an error of this type and code may be sent about this IPv6 packet (RFC 4443 §2.4 (e)). `linkMulticast`: it came as a
 * link-layer multicast or broadcast.
 */
export function mayError6(
  bytes: Uint8Array,
  offset: number,
  length: number,
  type: number,
  code: number,
  linkMulticast: boolean,
): boolean {
  if (length < 40) return false;
  // (e.6) a source that is no single node.
  if (bytes[offset + 8] === 255) return false;
  if ((read32(bytes, offset + 8) | read32(bytes, offset + 12) | read32(bytes, offset + 16)) === 0) {
    if (read32(bytes, offset + 20) <= 1) return false; // unspecified, loopback
  }
  // (e.3) to (e.5) multicast, but for path MTU discovery and for an option that asks for it.
  const exempt = type === ICMP6_PACKET_TOO_BIG || (type === ICMP6_PARAMETER_PROBLEM && code === ICMP6_PARAMETER_OPTION);
  if ((bytes[offset + 24] === 255 || linkMulticast) && !exempt) return false;
  const upper = ip6Upper(bytes, offset, length);
  if (upper < 0) return upper === -2; // a later fragment may have an error; what is malformed is left alone
  if (upper >>> 16 !== IPPROTO_ICMPV6) return true;
  const start = upper & 0xffff;
  if (start >= length) return false;
  const inner = bytes[offset + start]!;
  return inner >= 128 && inner !== 137; // (e.1) errors, (e.2) redirects
}

/**
 * An error about the packet from `source` (16 bytes), which is ours; returns its length. `rest` is the second word: the MTU for
 * ICMP6_PACKET_TOO_BIG, the pointer for ICMP6_PARAMETER_PROBLEM. `out` has room for ICMP6_ERROR_BYTES.
 */
export function writeError6(
  out: Uint8Array,
  at: number,
  type: number,
  code: number,
  rest: number,
  source: Uint8Array,
  sourceOffset: number,
  packet: Uint8Array,
  offset: number,
  length: number,
): number {
  const quoted = Math.min(40 + read16(packet, offset + 4), length, ICMP6_ERROR_BYTES - 48);
  write32(out, at, 0x60000000);
  write16(out, at + 4, 8 + quoted);
  out[at + 6] = IPPROTO_ICMPV6;
  out[at + 7] = HOPS;
  for (let i = 0; i < 16; i++) {
    out[at + 8 + i] = source[sourceOffset + i]!;
    out[at + 24 + i] = packet[offset + 8 + i]!;
  }
  out[at + 40] = type;
  out[at + 41] = code;
  write32(out, at + 44, rest);
  for (let i = 0; i < quoted; i++) out[at + 48 + i] = packet[offset + i]!;
  set6(out, at, 48 + quoted);
  return 48 + quoted;
}

/**
 * Makes an echo request to us its own reply, in place: true where it was one (RFC 792, RFC 1122 §3.2.2.6; RFC 4443 §4.2). The
 * checksums are brought along.
 */
export function turnEcho(bytes: Uint8Array, offset: number, length: number): boolean {
  if (length < 1) return false;
  if (bytes[offset]! >>> 4 === 6) {
    const upper = ip6Upper(bytes, offset, length);
    if (upper < 0 || upper >>> 16 !== IPPROTO_ICMPV6 || (upper & 0xffff) + 8 > length) return false;
    return turn(bytes, offset, offset + (upper & 0xffff), offset + 8, 16, 128, 129);
  }
  const header = ip4HeaderLength(bytes, offset, length);
  if (header < 0 || bytes[offset + 9] !== IPPROTO_ICMP || read16(bytes, offset + 2) < header + 8) return false;
  if ((read16(bytes, offset + 6) & 0x1fff) !== 0) return false;
  if (!turn(bytes, offset, offset + header, offset + 12, 4, 8, 0)) return false;
  bytes[offset + 8] = HOPS;
  setIp4Checksum(bytes, offset, header);
  return true;
}

function turn(
  bytes: Uint8Array,
  offset: number,
  icmp: number,
  addresses: number,
  size: number,
  request: number,
  reply: number,
): boolean {
  if (bytes[icmp] !== request) return false;
  for (let i = 0; i < size; i++) {
    const source = bytes[addresses + i]!;
    bytes[addresses + i] = bytes[addresses + size + i]!;
    bytes[addresses + size + i] = source;
  }
  const before = read16(bytes, icmp);
  bytes[icmp] = reply;
  write16(bytes, icmp + 2, update16(read16(bytes, icmp + 2), before, read16(bytes, icmp)));
  if (size === 16) bytes[offset + 7] = HOPS;
  return true;
}

/** How many errors go out: RFC 1812 §4.3.2.8, RFC 4443 §2.4 (f): a bucket of `burst`, refilled at `perSecond`. */
export class ErrorLimiter {
  readonly #rate: number;
  readonly #burst: number;
  readonly #state: Float64Array = new Float64Array(2); // tokens, when

  constructor(perSecond: number, burst: number, nowMs: number) {
    if (!(perSecond >= 0) || !(burst >= 1)) {
      throw new RangeError(`errors: at least 0 a second and a burst of 1, not ${perSecond} and ${burst}`);
    }
    this.#rate = perSecond / 1000;
    this.#burst = burst;
    this.#state[0] = burst;
    this.#state[1] = nowMs;
  }

  /** Whether one more may go at `nowMs`; it is counted. */
  allow(nowMs: number): boolean {
    const state = this.#state;
    const elapsed = nowMs - state[1]!;
    state[1] = nowMs;
    if (elapsed > 0) state[0] = Math.min(this.#burst, state[0]! + elapsed * this.#rate);
    if (state[0]! < 1) return false;
    state[0]!--;
    return true;
  }
}
