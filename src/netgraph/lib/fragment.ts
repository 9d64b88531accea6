// IPv4 fragmentation (RFC 791 §3.2): a packet that is longer than the next link's MTU as several that are not. The first has all
// options, the others those whose copied flag is set. Each fragment is written by itself, so a node can take a packet
// buffer for one after the other; the original is not touched. One that is a fragment already is cut further.
import { setIp4Checksum } from './checksum.ts';
import { ip4HeaderLength, read16, write16 } from './ip.ts';

/** Not to be fragmented (the DF bit). */
export const FRAGMENT_FORBIDDEN = -1;
/** Cut short or malformed, or the MTU has no room for eight bytes. */
export const FRAGMENT_MALFORMED = -2;

const DF = 0x4000;
const MF = 0x2000;
const OFFSET = 0x1fff;

/** How many fragments of at most `mtu` bytes the packet makes, 1 where it fits; or FRAGMENT_…. */
export function fragmentCount(bytes: Uint8Array, offset: number, length: number, mtu: number): number {
  const header = ip4HeaderLength(bytes, offset, length);
  if (header < 0) return FRAGMENT_MALFORMED;
  const total = read16(bytes, offset + 2);
  if (total <= mtu) return 1;
  if ((read16(bytes, offset + 6) & DF) !== 0) return FRAGMENT_FORBIDDEN;
  const first = (mtu - header) & ~7;
  const each = (mtu - laterHeader(bytes, offset, header)) & ~7;
  if (first < 8) return FRAGMENT_MALFORMED;
  return 1 + Math.ceil((total - header - first) / each);
}

/** Writes fragment `index`, below `fragmentCount`, into `out`, which has room for `mtu` bytes; returns its length. */
export function writeFragment(
  out: Uint8Array,
  at: number,
  bytes: Uint8Array,
  offset: number,
  index: number,
  mtu: number,
): number {
  const header = (bytes[offset]! & 15) << 2;
  const data = read16(bytes, offset + 2) - header;
  const later = laterHeader(bytes, offset, header);
  const first = (mtu - header) & ~7;
  const each = (mtu - later) & ~7;
  const from = index === 0 ? 0 : first + (index - 1) * each;
  const size = Math.min(index === 0 ? first : each, data - from);
  const own = index === 0 ? header : later;
  const flags = read16(bytes, offset + 6);

  for (let i = 0; i < 20; i++) out[at + i] = bytes[offset + i]!;
  if (index === 0) for (let i = 20; i < header; i++) out[at + i] = bytes[offset + i]!;
  else copyOptions(out, at, bytes, offset, header);
  out[at] = 0x40 | (own >>> 2);
  write16(out, at + 2, own + size);
  const more = from + size < data ? MF : flags & MF;
  write16(out, at + 6, more | ((flags & OFFSET) + (from >>> 3)));
  for (let i = 0; i < size; i++) out[at + own + i] = bytes[offset + header + from + i]!;
  setIp4Checksum(out, at, own);
  return own + size;
}

/** Bytes of the header of fragments after the first. */
function laterHeader(bytes: Uint8Array, offset: number, header: number): number {
  let size = 20;
  for (let at = 20; at < header; ) {
    const option = optionSize(bytes, offset + at, header - at);
    if (option === 0) break;
    if ((bytes[offset + at]! & 0x80) !== 0) size += option;
    at += option;
  }
  return (size + 3) & ~3;
}

function copyOptions(out: Uint8Array, at: number, bytes: Uint8Array, offset: number, header: number): void {
  let end = 20;
  for (let from = 20; from < header; ) {
    const option = optionSize(bytes, offset + from, header - from);
    if (option === 0) break;
    if ((bytes[offset + from]! & 0x80) !== 0) {
      for (let i = 0; i < option; i++) out[at + end + i] = bytes[offset + from + i]!;
      end += option;
    }
    from += option;
  }
  for (; (end & 3) !== 0; end++) out[at + end] = 0; // end of options
}

/** Bytes of the option here, 0 at the end of options or where it does not fit. */
function optionSize(bytes: Uint8Array, at: number, room: number): number {
  const kind = bytes[at]!;
  if (kind === 0) return 0;
  if (kind === 1) return 1;
  const size = room >= 2 ? bytes[at + 1]! : 0;
  return size >= 2 && size <= room ? size : 0;
}
