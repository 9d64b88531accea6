// Route target membership (RFC 4684 §4): "send me what has this target". It is a prefix of up to 96 bits, with no other structure than
// that its first 32, where there are any, are whole; so `prefixWord` and `writePrefix6` of nlri.ts read and write it, and a table of
// 128-bit prefixes holds it.
//
//    | length (1) | origin AS (4) | route target (8), or its first bits |
//          0                                                              wants everything
//         32              word 0                                          every target, for that AS
//     33 to 96            word 0         words 1 and 2
import { maskWord } from '../../net/index.ts';
import { formatRouteTarget, isRouteTarget } from './route-target.ts';

/** Bits of the origin AS, and of the whole. */
export const MEMBERSHIP_AS_BITS = 32;
export const MEMBERSHIP_BITS = 96;

/** Whether the range is a row of whole memberships, each behind `idBytes` of path identifier. */
export function checkMemberships(bytes: Uint8Array, from: number, end: number, idBytes = 0): boolean {
  let at = from;
  while (at + idBytes < end) {
    const length = bytes[at + idBytes]!;
    if (length > MEMBERSHIP_BITS || (length !== 0 && length < MEMBERSHIP_AS_BITS)) return false;
    at += idBytes + 1 + ((length + 7) >>> 3);
  }
  return at === end;
}

/** Whether the target (hi, lo) is asked for by a membership of this length with these words behind its AS. */
export function wantsTarget(length: number, w1: number, w2: number, hi: number, lo: number): boolean {
  const first = maskWord(length - 32);
  const second = maskWord(length - 64);
  return (((w1 ^ hi) & first) | ((w2 ^ lo) & second)) === 0;
}

/** `65001:65001:10/96`: the AS and the target; `default` for the one that asks for everything. */
export function formatMembership(w0: number, w1: number, w2: number, length: number): string {
  if (length === 0) return 'default';
  if (length === MEMBERSHIP_AS_BITS) return `${w0}/${length}`;
  if (length === MEMBERSHIP_BITS && isRouteTarget(w1)) return `${w0}:${formatRouteTarget(w1, w2)}/${length}`;
  return `${w0}:0x${hex(w1)}${hex(w2)}/${length}`;
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}
