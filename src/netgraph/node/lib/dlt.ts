// What a packet begins with, by FreeBSD's data link types (net/bpf.h), and the way past Ethernet's header and its tags.
import { NetgraphError } from '../../graph/error.ts';
import { read16 } from '../../lib/ip.ts';

/** Ethernet. */
export const DLT_EN10MB = 1;
/** Bare IPv4 or IPv6. */
export const DLT_RAW = 12;

/** Throws EINVAL where packets can not begin so. */
export function checkDlt(dlt: number): void {
  if (dlt === DLT_EN10MB || dlt === DLT_RAW) return;
  throw new NetgraphError('EINVAL', `dlt=${dlt}: ${DLT_EN10MB} (EN10MB) or ${DLT_RAW} (RAW)`);
}

/** No header, or no type in it. */
export const ETHER_OTHER = -1;

const TAGS_MOST = 4;

/** `type << 16 | bytes before the payload` of an Ethernet frame, unsigned, behind its tags (802.1Q, 802.1ad, 0x9100); ETHER_OTHER where it is cut short. */
export function etherPayload(bytes: Uint8Array, offset: number, length: number): number {
  let at = 14;
  for (let tags = 0; tags <= TAGS_MOST; tags++) {
    if (length < at) return ETHER_OTHER;
    const type = read16(bytes, offset + at - 2);
    if (type !== 0x8100 && type !== 0x88a8 && type !== 0x9100) return ((type << 16) | at) >>> 0;
    at += 4;
  }
  return ETHER_OTHER;
}
