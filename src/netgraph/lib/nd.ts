// Neighbor Discovery (RFC 4861): solicitations and advertisements, checked as §7.1 demands, and whole frames to send. `offset`
// is where the IPv6 header starts; what is written starts with the Ethernet header.
import { CHECK_OK, set6, verify6 } from './checksum.ts';
import { ETHERTYPE_IPV6, IPPROTO_ICMPV6, read16, write16, write32 } from './ip.ts';

export const ND_SOLICIT = 135;
export const ND_ADVERT = 136;
/** Flags of an advertisement (§4.4). */
export const ND_ROUTER = 0x80;
export const ND_SOLICITED = 0x40;
export const ND_OVERRIDE = 0x20;
/** Bytes of a frame that holds one, with its link-layer address option. */
export const ND_FRAME_BYTES: number = 14 + 40 + 24 + 8;

const SOURCE_LINK_LAYER = 1;
const TARGET_LINK_LAYER = 2;

/** ND_SOLICIT or ND_ADVERT where the packet is one that §7.1.1 or §7.1.2 calls valid, else -1. */
export function ndMessage(bytes: Uint8Array, offset: number, length: number): number {
  if (length < 64 || bytes[offset + 6] !== IPPROTO_ICMPV6 || bytes[offset + 7] !== 255) return -1;
  const size = read16(bytes, offset + 4);
  const type = bytes[offset + 40]!;
  if (size < 24 || size + 40 > length || (type !== ND_SOLICIT && type !== ND_ADVERT) || bytes[offset + 41] !== 0)
    return -1;
  if (bytes[offset + 48] === 255) return -1;
  if (verify6(bytes, offset, length) !== CHECK_OK) return -1;
  for (let at = 64; at < 40 + size; ) {
    if (at + 2 > 40 + size) return -1;
    const option = bytes[offset + at + 1]! << 3;
    if (option === 0 || at + option > 40 + size) return -1;
    at += option;
  }
  const multicast = bytes[offset + 24] === 255;
  if (type === ND_ADVERT) return multicast && (bytes[offset + 44]! & ND_SOLICITED) !== 0 ? -1 : type;
  if (isZero(bytes, offset + 8)) {
    // Duplicate address detection: to the solicited-node address, and without telling a link-layer address.
    if (!isSolicitedNode(bytes, offset + 24) || ndLinkLayer(bytes, offset, length) >= 0) return -1;
  }
  return type;
}

/** Where the sixteen bytes of the target are. */
export function ndTarget(offset: number): number {
  return offset + 48;
}

/** Flags of an advertisement, ND_…. */
export function ndFlags(bytes: Uint8Array, offset: number): number {
  return bytes[offset + 44]!;
}

/** Where the six bytes of the message's link-layer address are (source of a solicitation, target of an advertisement), or -1. */
export function ndLinkLayer(bytes: Uint8Array, offset: number, length: number): number {
  const wanted = bytes[offset + 40] === ND_SOLICIT ? SOURCE_LINK_LAYER : TARGET_LINK_LAYER;
  const end = Math.min(length, 40 + read16(bytes, offset + 4));
  for (let at = 64; at + 8 <= end; ) {
    const size = bytes[offset + at + 1]! << 3;
    if (size === 0) return -1;
    if (bytes[offset + at] === wanted) return offset + at + 2;
    at += size;
  }
  return -1;
}

/** A frame that asks who has `target` (16 bytes), to its solicited-node address; returns its length. `mac` and `source` are ours. */
export function writeNeighborSolicit(
  out: Uint8Array,
  at: number,
  mac: Uint8Array,
  source: Uint8Array,
  target: Uint8Array,
  targetOffset: number,
): number {
  const destination = at + 14 + 24;
  write32(out, destination, 0xff020000); // ff02::1:ffXX:XXXX, RFC 4291 §2.7.1
  write32(out, destination + 4, 0);
  write32(out, destination + 8, 1);
  out[destination + 12] = 255;
  for (let i = 13; i < 16; i++) out[destination + i] = target[targetOffset + i]!;
  write16(out, at, 0x3333); // RFC 2464 §7
  for (let i = 0; i < 4; i++) out[at + 2 + i] = out[destination + 12 + i]!;
  return write(out, at, ND_SOLICIT, 0, mac, source, 0, target, targetOffset);
}

/**
 * A frame that answers the solicitation at `offset` for its target with `mac`; returns its length. To the asker, or, where the asker has
 * no address yet, to all nodes and not as solicited (§7.2.4). `flags` are ND_ROUTER and ND_OVERRIDE. `out` may not be
 * the solicitation's own bytes.
 */
export function writeNeighborAdvert(
  out: Uint8Array,
  at: number,
  mac: Uint8Array,
  flags: number,
  solicit: Uint8Array,
  offset: number,
  length: number,
): number {
  const destination = at + 14 + 24;
  const asker = ndLinkLayer(solicit, offset, length);
  if (isZero(solicit, offset + 8)) {
    write32(out, destination, 0xff020000);
    write32(out, destination + 4, 0);
    write32(out, destination + 8, 0);
    write32(out, destination + 12, 1);
    write16(out, at, 0x3333);
    write32(out, at + 2, 1);
    return write(out, at, ND_ADVERT, flags, mac, solicit, offset + 48, solicit, offset + 48);
  }
  for (let i = 0; i < 16; i++) out[destination + i] = solicit[offset + 8 + i]!;
  // Without the option the frame's own source is the best that is known: it stands before the packet.
  const to = asker >= 0 ? asker : offset - 8;
  for (let i = 0; i < 6; i++) out[at + i] = solicit[to + i]!;
  return write(out, at, ND_ADVERT, flags | ND_SOLICITED, mac, solicit, offset + 48, solicit, offset + 48);
}

/** All but the two destinations. */
function write(
  out: Uint8Array,
  at: number,
  type: number,
  flags: number,
  mac: Uint8Array,
  source: Uint8Array,
  sourceOffset: number,
  target: Uint8Array,
  targetOffset: number,
): number {
  for (let i = 0; i < 6; i++) {
    out[at + 6 + i] = mac[i]!;
    out[at + 14 + 40 + 26 + i] = mac[i]!;
  }
  write16(out, at + 12, ETHERTYPE_IPV6);
  const ip = at + 14;
  write32(out, ip, 0x60000000);
  write16(out, ip + 4, 32);
  out[ip + 6] = IPPROTO_ICMPV6;
  out[ip + 7] = 255;
  for (let i = 0; i < 16; i++) {
    out[ip + 8 + i] = source[sourceOffset + i]!;
    out[ip + 48 + i] = target[targetOffset + i]!;
  }
  out[ip + 40] = type;
  out[ip + 41] = 0;
  write32(out, ip + 44, flags * 0x1000000);
  out[ip + 64] = type === ND_SOLICIT ? SOURCE_LINK_LAYER : TARGET_LINK_LAYER;
  out[ip + 65] = 1;
  set6(out, ip, 72);
  return ND_FRAME_BYTES;
}

function isZero(bytes: Uint8Array, offset: number): boolean {
  for (let i = 0; i < 16; i++) if (bytes[offset + i] !== 0) return false;
  return true;
}

function isSolicitedNode(bytes: Uint8Array, offset: number): boolean {
  if (read16(bytes, offset) !== 0xff02 || bytes[offset + 11] !== 1 || bytes[offset + 12] !== 255) return false;
  for (let i = 2; i < 11; i++) if (bytes[offset + i] !== 0) return false;
  return true;
}
