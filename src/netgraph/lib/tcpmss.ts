// The maximum segment size that a TCP SYN offers (RFC 9293 §3.7.1, RFC 6691), lowered on the way so that what comes back fits a
// link with a small MTU. The checksum is brought along (RFC 1624), not made anew: a packet that was broken stays broken.
import { update16 } from './checksum.ts';
import { IPPROTO_TCP, ip4HeaderLength, ip6Upper, read16, write16 } from './ip.ts';

/** The option was lowered. */
export const MSS_CLAMPED = 1;
/** Not a SYN with options. */
export const MSS_UNTOUCHED = 0;
/** A SYN with options that offers no more than that anyway, or has not this one. */
export const MSS_KEPT = 2;
/** Cut short. */
export const MSS_MALFORMED = -1;
/** A SYN whose options do not add up: whoever it is for may judge that. */
export const MSS_BAD_OPTIONS = -2;

const SYN = 0x02;
const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_MSS = 2;

/** Lowers the MSS option of an IPv4 or IPv6 packet to `most`: one of MSS_…. */
export function clampMss(bytes: Uint8Array, offset: number, length: number, most: number): number {
  if (length < 1) return MSS_MALFORMED;
  let header: number;
  let end = offset;
  if (bytes[offset]! >>> 4 === 6) {
    const upper = ip6Upper(bytes, offset, length);
    if (upper === -1) return MSS_MALFORMED;
    if (upper < 0 || upper >>> 16 !== IPPROTO_TCP) return MSS_UNTOUCHED;
    header = upper & 0xffff;
    end += 40 + read16(bytes, offset + 4);
  } else {
    header = ip4HeaderLength(bytes, offset, length);
    if (header < 0) return MSS_MALFORMED;
    if (bytes[offset + 9] !== IPPROTO_TCP || (read16(bytes, offset + 6) & 0x1fff) !== 0) return MSS_UNTOUCHED;
    end += read16(bytes, offset + 2);
  }
  const tcp = offset + header;
  if (tcp + 20 > end) return MSS_MALFORMED;
  if ((bytes[tcp + 13]! & SYN) === 0) return MSS_UNTOUCHED;
  const options = tcp + ((bytes[tcp + 12]! >>> 4) << 2);
  if (options < tcp + 20 || options > end) return MSS_MALFORMED;
  if (options === tcp + 20) return MSS_UNTOUCHED;
  for (let at = tcp + 20; at < options; ) {
    const kind = bytes[at]!;
    if (kind === OPTION_END) break;
    if (kind === OPTION_NOP) {
      at++;
      continue;
    }
    const size = at + 1 < options ? bytes[at + 1]! : 0;
    if (size < 2 || at + size > options) return MSS_BAD_OPTIONS;
    if (kind === OPTION_MSS) {
      if (size !== 4) return MSS_BAD_OPTIONS;
      const offered = read16(bytes, at + 2);
      if (offered <= most) return MSS_KEPT;
      write16(bytes, at + 2, most);
      // An option may start anywhere. In the sum, a word at an odd place counts with its bytes swapped (RFC 1071 §2 (B)).
      const odd = ((at - tcp) & 1) !== 0;
      const check = read16(bytes, tcp + 16);
      write16(bytes, tcp + 16, odd ? update16(check, swap(offered), swap(most)) : update16(check, offered, most));
      return MSS_CLAMPED;
    }
    at += size;
  }
  return MSS_KEPT;
}

function swap(word: number): number {
  return ((word & 255) << 8) | (word >>> 8);
}
