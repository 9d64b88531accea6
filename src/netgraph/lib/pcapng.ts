// Packets as a pcapng capture (draft-ietf-opsawg-pcapng): the blocks that Wireshark and tcpdump read, written into a byte buffer.
//
//   type 4 │ total length 4 │ body, padded to 4 │ total length 4        options: code 2 │ length 2 │ value, padded to 4 … 0 0
//
// Every function writes at `at` and returns where it ended, or -1 where the buffer has no room, and then nothing counts as written:
// the caller empties the buffer and comes again. Little endian, which the section header says. Times are nanoseconds (if_tsresol 9)
// in two 32-bit halves, since a double does not hold them all.

export const LINKTYPE_ETHERNET = 1;
/** Bare IPv4 or IPv6. */
export const LINKTYPE_RAW = 101;

/** Which way a packet went (epb_flags, bits 0–1). */
export const DIRECTION_UNKNOWN = 0;
export const DIRECTION_IN = 1;
export const DIRECTION_OUT = 2;

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const INTERFACE_STATISTICS = 5;
const ENHANCED_PACKET = 6;
const BYTE_ORDER = 0x1a2b3c4d;
const UNKNOWN_LENGTH = 0xffffffff;
const OPT_COMMENT = 1;
const IF_NAME = 2;
const IF_TSRESOL = 9;
const SHB_USERAPPL = 4;
const EPB_FLAGS = 2;
const ISB_STARTTIME = 2;
const ISB_ENDTIME = 3;
const ISB_IFRECV = 4;
const ISB_IFDROP = 5;

const encoder = new TextEncoder();

/** Bytes of a packet's block beyond the packet itself: header, padding, flags, end of options, trailer. */
export const PCAPNG_PACKET_OVERHEAD = 48;

/** A section header: what a capture starts with. */
export function writeSection(bytes: Uint8Array, at: number, application: string): number {
  const name = encoder.encode(application);
  const length = 28 + optionBytes(name.length) + 4;
  if (at + length > bytes.length) return -1;
  let end = start(bytes, at, SECTION_HEADER, length);
  end = put32(bytes, end, BYTE_ORDER);
  end = put32(bytes, end, 1); // version 1.0
  end = put32(bytes, end, UNKNOWN_LENGTH);
  end = put32(bytes, end, UNKNOWN_LENGTH);
  end = putOption(bytes, end, SHB_USERAPPL, name);
  end = put32(bytes, end, 0);
  return put32(bytes, end, length);
}

/** An interface description; the section's interfaces are numbered from 0 in the order in which they are written. */
export function writeInterface(
  bytes: Uint8Array,
  at: number,
  linkType: number,
  snapLength: number,
  name: string,
): number {
  const text = encoder.encode(name);
  const length = 20 + optionBytes(text.length) + 8 + 4;
  if (at + length > bytes.length) return -1;
  let end = start(bytes, at, INTERFACE_DESCRIPTION, length);
  end = put32(bytes, end, linkType);
  end = put32(bytes, end, snapLength);
  end = putOption(bytes, end, IF_NAME, text);
  end = put32(bytes, end, IF_TSRESOL | (1 << 16));
  end = put32(bytes, end, 9);
  end = put32(bytes, end, 0);
  return put32(bytes, end, length);
}

/**
 * A packet: `length` bytes of `wireLength` were captured. `seconds` since 1970 and `nanoseconds`; `direction` one of DIRECTION_…;
 * `comment`, UTF-8, is for packets that are few.
 */
export function writePacket(
  bytes: Uint8Array,
  at: number,
  interfaceId: number,
  seconds: number,
  nanoseconds: number,
  packet: Uint8Array,
  offset: number,
  length: number,
  wireLength: number,
  direction: number,
  comment?: Uint8Array,
): number {
  const padded = (length + 3) & ~3;
  const options = (direction === DIRECTION_UNKNOWN ? 0 : 8) + (comment === undefined ? 0 : optionBytes(comment.length));
  const block = 32 + padded + (options === 0 ? 0 : options + 4);
  if (at + block > bytes.length) return -1;
  let end = start(bytes, at, ENHANCED_PACKET, block);
  end = put32(bytes, end, interfaceId);
  end = putTime(bytes, end, seconds, nanoseconds);
  end = put32(bytes, end, length);
  end = put32(bytes, end, wireLength);
  for (let i = 0; i < length; i++) bytes[end + i] = packet[offset + i]!;
  for (let i = length; i < padded; i++) bytes[end + i] = 0;
  end += padded;
  if (comment !== undefined) end = putOption(bytes, end, OPT_COMMENT, comment);
  if (direction !== DIRECTION_UNKNOWN) {
    end = put32(bytes, end, EPB_FLAGS | (4 << 16));
    end = put32(bytes, end, direction);
  }
  if (options !== 0) end = put32(bytes, end, 0);
  return put32(bytes, end, block);
}

/** What an interface has received and what was dropped, at the end of a capture; counts up to 2^53. */
export function writeStatistics(
  bytes: Uint8Array,
  at: number,
  interfaceId: number,
  startSeconds: number,
  endSeconds: number,
  endNanoseconds: number,
  received: number,
  dropped: number,
): number {
  const length = 24 + 4 * 12 + 4;
  if (at + length > bytes.length) return -1;
  let end = start(bytes, at, INTERFACE_STATISTICS, length);
  end = put32(bytes, end, interfaceId);
  end = putTime(bytes, end, endSeconds, endNanoseconds);
  end = put32(bytes, end, ISB_STARTTIME | (8 << 16));
  end = putTime(bytes, end, startSeconds, 0);
  end = put32(bytes, end, ISB_ENDTIME | (8 << 16));
  end = putTime(bytes, end, endSeconds, endNanoseconds);
  end = put32(bytes, end, ISB_IFRECV | (8 << 16));
  end = put64(bytes, end, received);
  end = put32(bytes, end, ISB_IFDROP | (8 << 16));
  end = put64(bytes, end, dropped);
  end = put32(bytes, end, 0);
  return put32(bytes, end, length);
}

function optionBytes(length: number): number {
  return 4 + ((length + 3) & ~3);
}

function start(bytes: Uint8Array, at: number, type: number, length: number): number {
  return put32(bytes, put32(bytes, at, type), length);
}

function put32(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
  return at + 4;
}

function put64(bytes: Uint8Array, at: number, value: number): number {
  return put32(bytes, put32(bytes, at, value % 2 ** 32), Math.floor(value / 2 ** 32));
}

/** The high half of the nanoseconds since 1970, then the low one. */
function putTime(bytes: Uint8Array, at: number, seconds: number, nanoseconds: number): number {
  // seconds * 10^9 in two halves: (high * 2^16 + low) * 10^9, each product exact in a double.
  const low = (seconds % 65536) * 1e9 + nanoseconds;
  const high = Math.floor(seconds / 65536) * 1e9 + Math.floor(low / 65536);
  return put32(bytes, put32(bytes, at, Math.floor(high / 65536)), (high % 65536) * 65536 + (low % 65536));
}

function putOption(bytes: Uint8Array, at: number, code: number, value: Uint8Array): number {
  const end = put32(bytes, at, code | (value.length << 16));
  const padded = (value.length + 3) & ~3;
  for (let i = 0; i < padded; i++) bytes[end + i] = i < value.length ? value[i]! : 0;
  return end + padded;
}
