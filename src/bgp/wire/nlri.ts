// Prefixes on the wire: a length in bits and as many octets as it needs (RFC 4271 §4.3), behind four octets of path identifier
// where that was agreed (RFC 7911 §3). The walk over a field is two functions, so that the loops of the table and of the tests
// read the same way: `checkPrefixes` once for the whole field, after which nobody else has to look for faults.
import { AF_INET, maskWord, readWord, writeWord } from '../../net/index.ts';
import { readLabel } from './labels.ts';
import { type FamilyCode, IPV4_VPN, IPV6_VPN, ROUTE_TARGET } from './family.ts';
import { checkMemberships } from './rt-membership.ts';

/** Octets of a path identifier. */
export const PATH_ID_BYTES = 4;

/** Whether the range is a row of whole prefixes no longer than `bits` (RFC 7606 §5.3), each behind `idBytes` of identifier. */
export function checkPrefixes(bytes: Uint8Array, from: number, end: number, bits: 32 | 128, idBytes = 0): boolean {
  let at = from;
  while (at + idBytes < end) {
    const length = bytes[at + idBytes]!;
    if (length > bits) return false;
    at += idBytes + 1 + ((length + 7) >>> 3);
  }
  return at === end;
}

/** Octets of label and route distinguisher before a VPN's prefix. */
export const VPN_HEAD_BYTES = 11;

/** `checkPrefixes` for the prefixes of any family. */
export function checkNlri(bytes: Uint8Array, from: number, end: number, code: FamilyCode, idBytes = 0): boolean {
  if (code === IPV4_VPN) return checkVpn(bytes, from, end, 32, idBytes);
  if (code === IPV6_VPN) return checkVpn(bytes, from, end, 128, idBytes);
  if (code === ROUTE_TARGET) return checkMemberships(bytes, from, end, idBytes);
  return checkPrefixes(bytes, from, end, code === AF_INET ? 32 : 128, idBytes);
}

/**
 * One label each: nobody offers more (RFC 8277 §2.1), so whatever its bottom-of-stack bit says, the route distinguisher follows
 * (§2.2).
 */
function checkVpn(bytes: Uint8Array, from: number, end: number, bits: 32 | 128, idBytes: number): boolean {
  let at = from;
  while (at + idBytes < end) {
    const length = bytes[at + idBytes]! - VPN_HEAD_BYTES * 8;
    if (length < 0 || length > bits) return false;
    at += idBytes + 1 + VPN_HEAD_BYTES + ((length + 7) >>> 3);
  }
  return at === end;
}

/** The label of the VPN prefix whose length octet is at `at`. */
export function vpnLabel(bytes: Uint8Array, at: number): number {
  return readLabel(bytes, at + 1);
}

/** Word `index` (0, 1) of its route distinguisher. */
export function vpnDistinguisher(bytes: Uint8Array, at: number, index: 0 | 1): number {
  return readWord(bytes, at + 4 + index * 4);
}

/** Number of prefixes in a range that `checkPrefixes` accepted. */
export function countPrefixes(bytes: Uint8Array, from: number, end: number, idBytes = 0): number {
  let count = 0;
  for (let at = from; at < end; at += idBytes + 1 + ((bytes[at + idBytes]! + 7) >>> 3)) count++;
  return count;
}

/** Word `index` (0–3) of the prefix whose length octet is at `at`, host bits cleared; `head`: octets of it before the prefix. */
export function prefixWord(bytes: Uint8Array, at: number, index: number, head = 0): number {
  const left = bytes[at]! - head * 8 - index * 32;
  if (left <= 0) return 0;
  const octets = left >= 32 ? 4 : (left + 7) >>> 3;
  const from = at + 1 + head + index * 4;
  let word = bytes[from]! << 24;
  if (octets > 1) word |= bytes[from + 1]! << 16;
  if (octets > 2) word |= bytes[from + 2]! << 8;
  if (octets > 3) word |= bytes[from + 3]!;
  return (word & maskWord(left)) >>> 0;
}

/** Writes a path identifier; returns the bytes written. */
export function writePathId(bytes: Uint8Array, at: number, id: number): number {
  writeWord(bytes, at, id);
  return PATH_ID_BYTES;
}

/** Writes an IPv4 prefix; returns the bytes written. */
export function writePrefix4(bytes: Uint8Array, at: number, word: number, length: number): number {
  bytes[at] = length;
  if (length > 0) bytes[at + 1] = word >>> 24;
  if (length > 8) bytes[at + 2] = word >>> 16;
  if (length > 16) bytes[at + 3] = word >>> 8;
  if (length > 24) bytes[at + 4] = word;
  return 1 + ((length + 7) >>> 3);
}

/** Writes an IPv6 prefix; returns the bytes written. */
export function writePrefix6(
  bytes: Uint8Array,
  at: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  length: number,
): number {
  bytes[at] = length;
  const octets = (length + 7) >>> 3;
  for (let i = 0; i < octets; i++) {
    const word = i < 4 ? w0 : i < 8 ? w1 : i < 12 ? w2 : w3;
    bytes[at + 1 + i] = word >>> (24 - (i & 3) * 8);
  }
  return 1 + octets;
}

/** Writes a VPN's prefix; `label`: the label field's 24 bits. Returns the bytes written. */
export function writeVpn(
  bytes: Uint8Array,
  at: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  length: number,
  label: number,
  rd0: number,
  rd1: number,
): number {
  // The plain form's length octet is where the last one of the distinguisher goes.
  const octets = writePrefix6(bytes, at + VPN_HEAD_BYTES, w0, w1, w2, w3, length);
  bytes[at] = length + VPN_HEAD_BYTES * 8;
  bytes[at + 1] = label >>> 16;
  bytes[at + 2] = label >>> 8;
  bytes[at + 3] = label;
  writeWord(bytes, at + 4, rd0);
  writeWord(bytes, at + 8, rd1);
  return VPN_HEAD_BYTES + octets;
}
