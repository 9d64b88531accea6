// Where messages are written: bytes for sending, and the same bytes as words. Netlink aligns everything to four bytes and
// is in the machine's order (little-endian on all that this runs on), so a message is written a word at a time; only
// addresses are in network order and get swapped.
import { NLM_F_REQUEST } from './constants.ts';

/** Bytes of `struct nlmsghdr`. */
export const HEADER_BYTES = 16;

export class MessageBuffer {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly view: DataView;

  /** `size` in bytes, rounded up to a word; in `memory` from byte `at` (a multiple of 4) where another thread shares it. */
  constructor(size: number, memory?: SharedArrayBuffer, at = 0) {
    const length = (size + 3) & ~3;
    const buffer = memory ?? new ArrayBuffer(length);
    this.bytes = new Uint8Array(buffer, at, length);
    this.words = new Int32Array(buffer, at, length >> 2);
    this.view = new DataView(buffer, at, length);
  }
}

/** The other byte order. */
export function swap32(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

export function little16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

export function little32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** Writes `struct nlmsghdr` at byte `offset`; the port id is 0, the kernel knows it. */
export function writeHeader(
  buffer: MessageBuffer,
  offset: number,
  length: number,
  type: number,
  flags: number,
  sequence: number,
): void {
  const at = offset >> 2;
  const words = buffer.words;
  words[at] = length;
  words[at + 1] = type | ((flags | NLM_F_REQUEST) << 16);
  words[at + 2] = sequence;
  words[at + 3] = 0;
}

/**
 * Appends an attribute to the message of `size` bytes at byte `offset` and returns the message's new size: how what only few
 * routes or nexthop objects have is added to what the coders of the many wrote.
 */
export function appendAttribute(
  buffer: MessageBuffer,
  offset: number,
  size: number,
  type: number,
  value: Uint8Array,
): number {
  const at = offset + size;
  const length = 4 + value.length;
  const end = (at + length + 3) & ~3;
  buffer.words[at >> 2] = length | (type << 16);
  buffer.bytes.set(value, at + 4);
  buffer.bytes.fill(0, at + length, end);
  buffer.words[offset >> 2] = end - offset;
  return end - offset;
}
