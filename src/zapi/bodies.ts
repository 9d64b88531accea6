// A body codec is a pair of functions over a cursor. The cursors know the bounds: a reader throws a ZapiError where a body
// ends too early, a writer says `full` where the output has no room, and then nothing of the frame is used.
import {
  type AddressWords,
  AF_INET,
  AF_INET6,
  type Family,
  makePrefix,
  type Prefix,
  readWord,
  writeWord,
} from '../net/index.ts';
import { ZapiError } from './error.ts';
import { readHostWord, writeHostWord } from './host-word.ts';

export interface Body<T> {
  /** Reads a body from `reader`, which ends where the body ends. Throws ZapiError (`body`). */
  decode(reader: BodyReader): T;
  encode(writer: BodyWriter, message: T): void;
}

/** A codec for every command of a direction. */
export type BodyCodecs<Messages> = { readonly [Name in keyof Messages]: Body<Messages[Name]> };

const ZERO: AddressWords = [0, 0, 0, 0];

export class BodyReader {
  bytes: Uint8Array;
  at: number;
  end: number;

  constructor(bytes: Uint8Array, offset: number = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.at = offset;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }

  #take(n: number): number {
    const at = this.at;
    if (at + n > this.end) throw new ZapiError('body', `body ends ${at + n - this.end} bytes too early`, this.end - at);
    this.at = at + n;
    return at;
  }

  u8(): number {
    return this.bytes[this.#take(1)]!;
  }

  u16(): number {
    const at = this.#take(2);
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }

  u32(): number {
    return readWord(this.bytes, this.#take(4));
  }

  /** A u64 as a number; exact below 2^53. */
  u64(): number {
    const at = this.#take(8);
    return readWord(this.bytes, at) * 4294967296 + readWord(this.bytes, at + 4);
  }

  hostU32(): number {
    return readHostWord(this.bytes, this.#take(4));
  }

  /** A copy of the next `n` bytes. */
  raw(n: number): Uint8Array {
    const at = this.#take(n);
    // A Buffer's own `slice` would be a view.
    return Uint8Array.prototype.slice.call(this.bytes, at, at + n);
  }

  /** Text in a field of `n` bytes, ended by NUL. */
  text(n: number): string {
    const at = this.#take(n);
    let end = at;
    while (end < at + n && this.bytes[end] !== 0) end++;
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + at, end - at).toString('utf8');
  }

  family(raw: number): Family {
    if (raw !== AF_INET && raw !== AF_INET6) throw new ZapiError('body', `address family ${raw} is not valid`, raw);
    return raw;
  }

  words(family: Family): AddressWords {
    if (family === AF_INET) return [this.u32(), 0, 0, 0];
    return [this.u32(), this.u32(), this.u32(), this.u32()];
  }

  /** `length u8 | as many bytes of the address as the length needs`, without host bits. */
  packedPrefix(family: Family): Prefix {
    const length = this.length(family, this.u8());
    const packed = new Uint8Array(16);
    const n = (length + 7) >> 3;
    packed.set(this.bytes.subarray(this.#take(n), this.at));
    const words: AddressWords = [readWord(packed, 0), readWord(packed, 4), readWord(packed, 8), readWord(packed, 12)];
    return makePrefix(family, words, length);
  }

  /** Checks a prefix length that was read. */
  length(family: Family, length: number): number {
    if (length > (family === AF_INET ? 32 : 128)) {
      throw new ZapiError('body', `prefix length ${length} is not valid`, length);
    }
    return length;
  }
}

/** Writes into `bytes` from `at`; when it does not fit, `full` is set and the rest is dropped. */
export class BodyWriter {
  bytes: Uint8Array;
  at: number;
  full = false;

  constructor(bytes: Uint8Array, offset: number = 0) {
    this.bytes = bytes;
    this.at = offset;
  }

  #take(n: number): number {
    const at = this.at;
    if (at + n > this.bytes.length) {
      this.full = true;
      return -1;
    }
    this.at = at + n;
    return at;
  }

  u8(value: number): void {
    const at = this.#take(1);
    if (at >= 0) this.bytes[at] = value;
  }

  u16(value: number): void {
    const at = this.#take(2);
    if (at < 0) return;
    this.bytes[at] = value >>> 8;
    this.bytes[at + 1] = value;
  }

  u32(value: number): void {
    const at = this.#take(4);
    if (at >= 0) writeWord(this.bytes, at, value);
  }

  u64(value: number): void {
    const at = this.#take(8);
    if (at < 0) return;
    writeWord(this.bytes, at, Math.floor(value / 4294967296));
    writeWord(this.bytes, at + 4, value >>> 0);
  }

  hostU32(value: number): void {
    const at = this.#take(4);
    if (at >= 0) writeHostWord(this.bytes, at, value);
  }

  raw(value: Uint8Array): void {
    const at = this.#take(value.length);
    if (at >= 0) this.bytes.set(value, at);
  }

  /** Text in a field of `n` bytes, NUL padded, always with at least one NUL. */
  text(value: string, n: number): void {
    const encoded = Buffer.from(value, 'utf8');
    if (encoded.length >= n) throw new RangeError(`"${value}" does not fit a field of ${n} bytes`);
    const at = this.#take(n);
    if (at < 0) return;
    this.bytes.fill(0, at, at + n);
    this.bytes.set(encoded, at);
  }

  words(family: Family, words: AddressWords): void {
    this.u32(words[0]);
    if (family === AF_INET) return;
    this.u32(words[1]);
    this.u32(words[2]);
    this.u32(words[3]);
  }

  /** As the reader's. */
  packedPrefix({ words, length }: Prefix): void {
    this.u8(length);
    const n = (length + 7) >> 3;
    for (let i = 0; i < n; i++) this.u8((words[i >> 2]! >>> (24 - 8 * (i & 3))) & 0xff);
  }
}

/** No body at all; anything that follows is ignored, as FRR does. */
export const EMPTY_BODY: Body<{ readonly [none: string]: never }> = {
  decode: () => ({}),
  encode: () => {},
};

/** `family u8 | address | length u8`. */
export const ADDRESS_BODY: Body<Prefix> = {
  decode(reader) {
    const family = reader.family(reader.u8());
    const words = reader.words(family);
    return { family, words, length: reader.length(family, reader.u8()) };
  },
  encode(writer, prefix) {
    writer.u8(prefix.family);
    writer.words(prefix.family, prefix.words);
    writer.u8(prefix.length);
  },
};

/** `family u16 | length u8 | full address`, as next-hop tracking writes it. */
export const TRACKED_BODY: Body<Prefix> = {
  decode(reader) {
    const family = reader.family(reader.u16());
    const length = reader.length(family, reader.u8());
    return { family, words: reader.words(family), length };
  },
  encode(writer, prefix) {
    writer.u16(prefix.family);
    writer.u8(prefix.length);
    writer.words(prefix.family, prefix.words);
  },
};

/** `length u16 | name`. */
export function readName(reader: BodyReader): string {
  const n = reader.u16();
  if (n > 256) throw new ZapiError('body', `name of ${n} bytes is too long`, n);
  return reader.text(n);
}

export function writeName(writer: BodyWriter, name: string): void {
  const encoded = Buffer.from(name, 'utf8');
  if (encoded.length > 256) throw new RangeError(`name "${name}" is too long`);
  writer.u16(encoded.length);
  writer.raw(encoded);
}

export { AF_INET, AF_INET6, ZERO as ZERO_ADDRESS };
