// The frame: every message starts with ten bytes, big endian.
//
//    0        2    3    4              8          10
//   ┌────────┬────┬────┬──────────────┬──────────┬──────────
//   │ length │ fe │ 06 │ vrf          │ command  │ body …      length counts the header
//   └────────┴────┴────┴──────────────┴──────────┴──────────
//
// A Framer finds frames in a byte stream that comes in chunks of any size. A frame that lies whole in its chunk is read
// where it is; only the one that a chunk's end cuts is put together in a buffer of its own. It is pulled, not pushed: the
// owner asks for the next frame when it is ready for one, and may stop in the middle of a chunk.
import { ZapiError } from './error.ts';

export const HEADER_BYTES = 10;
export const MARKER = 254;
export const VERSION = 6;
export const MAX_FRAME_BYTES = 16384;

/** Writes a header at `offset`; `length` counts it. */
export function writeHeader(bytes: Uint8Array, offset: number, length: number, vrf: number, command: number): void {
  bytes[offset] = length >>> 8;
  bytes[offset + 1] = length;
  bytes[offset + 2] = MARKER;
  bytes[offset + 3] = VERSION;
  bytes[offset + 4] = vrf >>> 24;
  bytes[offset + 5] = vrf >>> 16;
  bytes[offset + 6] = vrf >>> 8;
  bytes[offset + 7] = vrf;
  bytes[offset + 8] = command >>> 8;
  bytes[offset + 9] = command;
}

const NOTHING: Uint8Array = new Uint8Array(0);

export class Framer {
  /** The frame that `next` found: its body is `bytes[body, end)`. Valid until the next call of `next` or `push`. */
  bytes: Uint8Array = NOTHING;
  body = 0;
  end = 0;
  vrf = 0;
  command = 0;
  /** Frames found so far. */
  frames = 0;

  readonly #maxFrameBytes: number;
  #chunk: Uint8Array = NOTHING;
  #at = 0;
  #chunkEnd = 0;
  readonly #carry: Uint8Array;
  #carried = 0;

  constructor(maxFrameBytes: number = MAX_FRAME_BYTES) {
    this.#maxFrameBytes = maxFrameBytes;
    this.#carry = new Uint8Array(maxFrameBytes);
  }

  /** Bytes of the present chunk that no frame has used yet. */
  get pending(): number {
    return this.#chunkEnd - this.#at;
  }

  /** Gives the next chunk, `bytes[offset, end)`; the one before must have been used up (`next` said false). */
  push(bytes: Uint8Array, offset: number = 0, end: number = bytes.length): void {
    if (this.#at !== this.#chunkEnd)
      throw new Error(`framer: ${this.pending} bytes of the last chunk are still unread`);
    this.#chunk = bytes;
    this.#at = offset;
    this.#chunkEnd = end;
  }

  /**
   * Finds the next whole frame, or says false when the chunk is used up (what is left of it has been copied: the chunk's
   * memory may be reused). Throws ZapiError where the bytes are not ZAPI; the stream is worthless from there on.
   */
  next(): boolean {
    const left = this.#chunkEnd - this.#at;
    if (this.#carried === 0) {
      const chunk = this.#chunk;
      const at = this.#at;
      if (left >= HEADER_BYTES) {
        const length = (chunk[at]! << 8) | chunk[at + 1]!;
        this.#check(chunk, at, length);
        if (left >= length) {
          this.#found(chunk, at, length);
          this.#at = at + length;
          return true;
        }
      }
      this.#take(left);
      return false;
    }
    if (this.#carried < HEADER_BYTES) {
      this.#take(Math.min(left, HEADER_BYTES - this.#carried));
      if (this.#carried < HEADER_BYTES) return false;
    }
    const carry = this.#carry;
    const length = (carry[0]! << 8) | carry[1]!;
    // A header that came in one piece is looked at again here; that is cheaper than remembering.
    this.#check(carry, 0, length);
    this.#take(Math.min(this.#chunkEnd - this.#at, length - this.#carried));
    if (this.#carried < length) return false;
    this.#carried = 0;
    this.#found(carry, 0, length);
    return true;
  }

  /** Forgets everything: a new connection. */
  reset(): void {
    this.#chunk = NOTHING;
    this.#at = 0;
    this.#chunkEnd = 0;
    this.#carried = 0;
  }

  #take(n: number): void {
    if (n === 0) return;
    const chunk = this.#chunk;
    const at = this.#at;
    const carry = this.#carry;
    const carried = this.#carried;
    for (let i = 0; i < n; i++) carry[carried + i] = chunk[at + i]!;
    this.#carried = carried + n;
    this.#at = at + n;
  }

  #found(bytes: Uint8Array, at: number, length: number): void {
    this.bytes = bytes;
    this.body = at + HEADER_BYTES;
    this.end = at + length;
    this.vrf = ((bytes[at + 4]! << 24) | (bytes[at + 5]! << 16) | (bytes[at + 6]! << 8) | bytes[at + 7]!) >>> 0;
    this.command = (bytes[at + 8]! << 8) | bytes[at + 9]!;
    this.frames++;
  }

  #check(bytes: Uint8Array, at: number, length: number): void {
    if (
      bytes[at + 2] === MARKER &&
      bytes[at + 3] === VERSION &&
      length >= HEADER_BYTES &&
      length <= this.#maxFrameBytes
    ) {
      return;
    }
    const marker = bytes[at + 2]!;
    const version = bytes[at + 3]!;
    if (marker !== MARKER) throw new ZapiError('marker', `frame marker is ${marker}, not ${MARKER}`, marker);
    if (version !== VERSION) throw new ZapiError('version', `frame version is ${version}, not ${VERSION}`, version);
    throw new ZapiError('length', `frame length ${length} is not in ${HEADER_BYTES}–${this.#maxFrameBytes}`, length);
  }
}
