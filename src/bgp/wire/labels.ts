// MPLS labels in front of a prefix (RFC 8277 §2, RFC 3107 §3): three octets for each, which the prefix's length counts too.
//
//     0                   1                   2
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3
//    +---------------------------------------+-----+-+
//    |                 label                 | TC  |S|     S: the bottom of the stack, the last label
//    +---------------------------------------+-----+-+
//
// Where the Multiple Labels capability was not agreed there is one label, whatever S says (RFC 8277 §2.2); where it was,
// `labelStackBytes` finds the last. A withdrawal has three octets there that say nothing (RFC 8277 §2.4).

/** Octets, and bits, of a label. */
export const LABEL_BYTES = 3;
export const LABEL_BITS = 24;

export const MAX_LABEL = 0xfffff;
/** "Pop, and look at what is below" (RFC 3032 §2.1); also what stands there where no part of an SRv6 SID does (RFC 9252 §5.1). */
export const LABEL_IMPLICIT_NULL = 3;

const BOTTOM = 1;
/** What stands in a withdrawal, and for RFC 3107's speakers meant one; the older form is three zeros. */
export const WITHDRAWN_LABEL = 0x800000;

function field(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
}

/** The label at `at`, 0 to 2^20 - 1, whatever its other bits. */
export function readLabel(bytes: Uint8Array, at: number): number {
  return field(bytes, at) >>> 4;
}

/** Whether this is what stands for a label in withdrawals. */
export function isWithdrawnLabel(bytes: Uint8Array, at: number): boolean {
  const value = field(bytes, at);
  return value === WITHDRAWN_LABEL || value === 0;
}

/**
 * Octets of the labels from `at` on, up to the one at the bottom of the stack, or one that stands for none; 0 where there is no such
 * before `end`. Label i is at `at + i * LABEL_BYTES`, the top first.
 */
export function labelStackBytes(bytes: Uint8Array, at: number, end: number): number {
  for (let i = at; i + LABEL_BYTES <= end; i += LABEL_BYTES) {
    if ((bytes[i + 2]! & BOTTOM) !== 0) return i + LABEL_BYTES - at;
    if (i === at && isWithdrawnLabel(bytes, i)) return LABEL_BYTES;
  }
  return 0;
}

/** The octets of a label at the bottom of the stack, without a traffic class, as a number. */
export function labelField(label: number): number {
  return (label << 4) | BOTTOM;
}

/** Writes a label, without a traffic class; returns the octets written. */
export function writeLabel(bytes: Uint8Array, at: number, label: number, bottom = true): number {
  bytes[at] = label >>> 12;
  bytes[at + 1] = label >>> 4;
  bytes[at + 2] = (label << 4) | (bottom ? BOTTOM : 0);
  return LABEL_BYTES;
}

/** Writes what stands for a label in a withdrawal (RFC 8277 §2.4); returns the octets written. */
export function writeWithdrawnLabel(bytes: Uint8Array, at: number): number {
  bytes[at] = WITHDRAWN_LABEL >>> 16;
  bytes[at + 1] = bytes[at + 2] = 0;
  return LABEL_BYTES;
}
