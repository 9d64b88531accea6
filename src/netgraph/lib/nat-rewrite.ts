// One side of a packet gets another address and port: the header's checksum, and that of TCP, UDP or ICMP, are brought along by what has
// changed (RFC 3022 §4.1, RFC 1624), so a packet that came broken leaves broken and its receiver notices.
import { checksumOffset, udpNonZero, update16, update32 } from './checksum.ts';
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, read16, readInt32, write16, write32 } from './ip.ts';
import { NAT_MALFORMED, NAT_UNSUPPORTED } from './nat-options.ts';

export const SOURCE = 0;
export const DESTINATION = 1;

/**
 * Rewrites an IPv4 packet at `ip`. `upper`: where its upper layer starts, `room` how many bytes of that there are (an ICMP error quotes
 * only some; 0: a later fragment, which has none). An ICMP query's identifier is its port, on both sides.
 */
export function rewrite(
  bytes: Uint8Array,
  ip: number,
  upper: number,
  room: number,
  protocol: number,
  side: number,
  address: number,
  port: number,
): void {
  const at = ip + 12 + side * 4;
  const before = readInt32(bytes, at);
  write32(bytes, at, address);
  write16(bytes, ip + 10, update32(read16(bytes, ip + 10), before, address));
  if (protocol === IPPROTO_ICMP) {
    if (room < 8) return;
    const identifier = read16(bytes, upper + 4);
    write16(bytes, upper + 4, port);
    write16(bytes, upper + 2, update16(read16(bytes, upper + 2), identifier, port));
  } else if (protocol === IPPROTO_TCP || protocol === IPPROTO_UDP) {
    if (room < 4) return;
    const portBefore = read16(bytes, upper + side * 2);
    write16(bytes, upper + side * 2, port);
    const place = checksumOffset(protocol);
    if (room < place + 2) return;
    const check = read16(bytes, upper + place);
    if (protocol === IPPROTO_UDP && check === 0) return; // the sender made none (RFC 768)
    const after = update16(update32(check, before, address), portBefore, port);
    write16(bytes, upper + place, protocol === IPPROTO_UDP ? udpNonZero(after) : after);
  }
}

/** 0, or why a packet of this protocol cannot be translated. */
export function untranslatable(bytes: Uint8Array, upper: number, room: number, protocol: number): number {
  if (protocol === IPPROTO_TCP) return room < 20 ? NAT_MALFORMED : 0;
  if (protocol === IPPROTO_UDP) return room < 8 ? NAT_MALFORMED : 0;
  if (protocol === IPPROTO_ICMP) {
    if (room < 8) return NAT_MALFORMED;
    const type = bytes[upper]!;
    // Redirects and router discovery are between neighbours; kinds that are not known may carry addresses.
    const known = type === 0 || type === 8 || (type >= 11 && type <= 18) || type === 3 || type === 4;
    return known ? 0 : NAT_UNSUPPORTED;
  }
  return protocol === 33 || protocol === 136 ? NAT_UNSUPPORTED : 0; // DCCP, UDP-Lite
}

/** The port on one side, or an ICMP query's identifier; 0 where the protocol has neither. */
export function portOf(bytes: Uint8Array, upper: number, protocol: number, side: number): number {
  if (protocol === IPPROTO_ICMP) return read16(bytes, upper + 4);
  return protocol === IPPROTO_TCP || protocol === IPPROTO_UDP ? read16(bytes, upper + side * 2) : 0;
}
