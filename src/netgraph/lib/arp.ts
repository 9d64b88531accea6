// ARP for IPv4 over Ethernet (RFC 826): reading a packet's fields, and whole frames to send. `offset` is where ARP starts, behind
// the Ethernet header; what is written starts with the Ethernet header.
import { ETHERTYPE_ARP, ETHERTYPE_IP, read16, read32, write16, write32 } from './ip.ts';

export const ARP_REQUEST = 1;
export const ARP_REPLY = 2;
/** Bytes of an ARP packet for IPv4 over Ethernet. */
export const ARP_BYTES = 28;
/** Bytes of a frame that holds one; a sender pads to 60 where its link needs that. */
export const ARP_FRAME_BYTES = 42;

/** ARP_REQUEST or ARP_REPLY where this is IPv4 over Ethernet, else -1. */
export function arpOperation(bytes: Uint8Array, offset: number, length: number): number {
  if (length < ARP_BYTES || read16(bytes, offset) !== 1 || read16(bytes, offset + 2) !== ETHERTYPE_IP) return -1;
  if (bytes[offset + 4] !== 6 || bytes[offset + 5] !== 4) return -1;
  const operation = read16(bytes, offset + 6);
  return operation === ARP_REQUEST || operation === ARP_REPLY ? operation : -1;
}

/** Where the sender's six bytes of Ethernet address are. */
export function arpSenderMac(offset: number): number {
  return offset + 8;
}

/** The sender's IPv4 address; 0 in a probe (RFC 5227 §1.1). */
export function arpSenderIp(bytes: Uint8Array, offset: number): number {
  return read32(bytes, offset + 14);
}

export function arpTargetIp(bytes: Uint8Array, offset: number): number {
  return read32(bytes, offset + 24);
}

/** A frame that asks everybody who has `target`; returns its length. `mac` is six bytes, ours, as `ip` is. */
export function writeArpRequest(out: Uint8Array, at: number, mac: Uint8Array, ip: number, target: number): number {
  for (let i = 0; i < 6; i++) out[at + i] = 255;
  write(out, at, ARP_REQUEST, mac, ip);
  for (let i = 0; i < 6; i++) out[at + 32 + i] = 0;
  write32(out, at + 38, target);
  return ARP_FRAME_BYTES;
}

/** A frame that answers the request at `offset` for `ip` with `mac`; returns its length. `out` may not be the request's own bytes. */
export function writeArpReply(
  out: Uint8Array,
  at: number,
  mac: Uint8Array,
  ip: number,
  request: Uint8Array,
  offset: number,
): number {
  for (let i = 0; i < 6; i++) out[at + i] = request[offset + 8 + i]!;
  write(out, at, ARP_REPLY, mac, ip);
  // RFC 826: the target of the answer is the sender of the question.
  for (let i = 0; i < 10; i++) out[at + 32 + i] = request[offset + 8 + i]!;
  return ARP_FRAME_BYTES;
}

function write(out: Uint8Array, at: number, operation: number, mac: Uint8Array, ip: number): void {
  for (let i = 0; i < 6; i++) {
    out[at + 6 + i] = mac[i]!;
    out[at + 22 + i] = mac[i]!;
  }
  write16(out, at + 12, ETHERTYPE_ARP);
  write16(out, at + 14, 1);
  write16(out, at + 16, ETHERTYPE_IP);
  write16(out, at + 18, 0x0604);
  write16(out, at + 20, operation);
  write32(out, at + 28, ip);
}
