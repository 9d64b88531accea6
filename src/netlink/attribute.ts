// Attributes are declared, not coded: a table names each one, its number and how its value is written and read. Messages that
// are few (links, addresses, neighbours, rules) are objects made by these tables; routes and nexthop objects, of which
// there are millions, have coders of their own that use no tables and make no objects (route.ts, nexthop.ts).
import type { AddressWords, Family } from '../net/index.ts';
import { AF_INET, AF_INET6, readWord, writeWord } from '../net/index.ts';
import { HEADER_BYTES, MessageBuffer, swap32, writeHeader } from './buffer.ts';

/** How one kind of value is written and read. `family` is that of the message's fixed part. */
export interface Codec<V> {
  write(writer: MessageWriter, value: V, family: number): void;
  read(bytes: Uint8Array, offset: number, length: number, family: number): V;
}

export interface Attribute<V> {
  readonly type: number;
  readonly codec: Codec<V>;
}

/** One attribute for each optional property of T. */
export type AttributeTable<T> = { readonly [K in keyof T]-?: Attribute<NonNullable<T[K]>> };

export function attribute<V>(type: number, codec: Codec<V>): Attribute<V> {
  return { type, codec };
}

/** NLA_F_NESTED */
export const NESTED = 0x8000;
const TYPE_MASK = 0x3fff;

/** Builds messages of attributes one after another in a buffer. */
export class MessageWriter {
  readonly buffer: MessageBuffer;
  /** End of what is written so far, in bytes. */
  at = 0;

  constructor(size = 4096) {
    this.buffer = new MessageBuffer(size);
  }

  /** The bytes written. */
  get message(): Uint8Array {
    return this.buffer.bytes.subarray(0, this.at);
  }

  reset(): this {
    this.at = 0;
    return this;
  }

  u8(value: number): this {
    this.#room(1);
    this.buffer.view.setUint8(this.at, value);
    this.at += 1;
    return this;
  }

  u16(value: number): this {
    this.#room(2);
    this.buffer.view.setUint16(this.at, value, true);
    this.at += 2;
    return this;
  }

  u32(value: number): this {
    this.#room(4);
    this.buffer.view.setUint32(this.at, value, true);
    this.at += 4;
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.#room(bytes.length);
    this.buffer.bytes.set(bytes, this.at);
    this.at += bytes.length;
    return this;
  }

  /** Zeroes up to the next multiple of four. */
  align(): this {
    while ((this.at & 3) !== 0) this.u8(0);
    return this;
  }

  /** Starts a message; `end` writes its length. */
  begin(type: number, flags: number, sequence = 0): number {
    const start = this.align().at;
    this.#room(HEADER_BYTES);
    writeHeader(this.buffer, start, 0, type, flags, sequence);
    this.at += HEADER_BYTES;
    return start;
  }

  end(start: number): this {
    this.align();
    this.buffer.view.setUint32(start, this.at - start, true);
    return this;
  }

  /** Writes one attribute whose value `write` appends. */
  attribute(type: number, write: () => void): this {
    const start = this.align().at;
    this.u16(0).u16(type);
    write();
    this.buffer.view.setUint16(start, this.at - start, true);
    return this.align();
  }

  #room(bytes: number): void {
    if (this.at + bytes > this.buffer.bytes.length) {
      throw new RangeError(`netlink message longer than ${this.buffer.bytes.length} bytes`);
    }
  }
}

/** Appends every property of `values` that the table has and that is not undefined. */
export function writeAttributes<T extends object>(
  writer: MessageWriter,
  table: AttributeTable<T>,
  values: T,
  family: number,
): void {
  for (const key in table) {
    const value = values[key as keyof T];
    if (value === undefined) continue;
    const { type, codec } = table[key as keyof T];
    writer.attribute(type, () => codec.write(writer, value as NonNullable<T[keyof T]>, family));
  }
}

/** Attributes by number, made once for each table. */
const indexes = new WeakMap<object, Map<number, [string, Codec<unknown>]>>();

/** Reads the attributes in `bytes[offset, end)` that the table has; others are passed over. Broken lengths end it. */
export function readAttributes<T>(
  bytes: Uint8Array,
  offset: number,
  end: number,
  table: AttributeTable<T>,
  family: number,
): Partial<T> {
  let index = indexes.get(table);
  if (index === undefined) {
    index = new Map();
    for (const key in table) {
      const { type, codec } = table[key as keyof T];
      index.set(type, [key, codec as Codec<unknown>]);
    }
    indexes.set(table, index);
  }
  const values: Record<string, unknown> = {};
  for (let at = offset; at + 4 <= end; ) {
    const length = bytes[at]! | (bytes[at + 1]! << 8);
    if (length < 4 || at + length > end) break;
    const type = (bytes[at + 2]! | (bytes[at + 3]! << 8)) & TYPE_MASK;
    const entry = index.get(type);
    if (entry !== undefined) values[entry[0]] = entry[1].read(bytes, at + 4, length - 4, family);
    at += (length + 3) & ~3;
  }
  return values as Partial<T>;
}

function little(bytes: Uint8Array, offset: number, length: number): number {
  let value = 0;
  for (let i = Math.min(length, 4) - 1; i >= 0; i--) value = value * 256 + bytes[offset + i]!;
  return value;
}

export const u8: Codec<number> = {
  write: (writer, value) => void writer.u8(value),
  read: little,
};

export const u16: Codec<number> = {
  write: (writer, value) => void writer.u16(value),
  read: little,
};

export const u32: Codec<number> = {
  write: (writer, value) => void writer.u32(value),
  read: little,
};

export const i32: Codec<number> = {
  write: (writer, value) => void writer.u32(value >>> 0),
  read: (bytes, offset, length) => little(bytes, offset, length) | 0,
};

/** Exact up to 2^53: counters that nothing lives long enough to bring there. */
export const u64: Codec<number> = {
  write: (writer, value) => void writer.u32(value >>> 0).u32(Math.floor(value / 2 ** 32)),
  read: (bytes, offset, length) =>
    little(bytes, offset, length) + (length >= 8 ? little(bytes, offset + 4, 4) * 2 ** 32 : 0),
};

/** In network order. */
export const be16: Codec<number> = {
  write: (writer, value) => void writer.u8(value >>> 8).u8(value & 255),
  read: (bytes, offset, length) => (length >= 2 ? (bytes[offset]! << 8) | bytes[offset + 1]! : 0),
};

/** In network order; also an IPv4 address as a word. */
export const be32: Codec<number> = {
  write: (writer, value) => void writer.u32(swap32(value) >>> 0),
  read: (bytes, offset, length) => (length >= 4 ? readWord(bytes, offset) : 0),
};

/** In network order; exact up to 2^53. */
export const be64: Codec<number> = {
  write: (writer, value) => {
    be32.write(writer, Math.floor(value / 2 ** 32), 0);
    be32.write(writer, value >>> 0, 0);
  },
  read: (bytes, offset, length) => (length >= 8 ? readWord(bytes, offset) * 2 ** 32 + readWord(bytes, offset + 4) : 0),
};

/** A flag is there or not. */
export const flag: Codec<true> = {
  write: () => undefined,
  read: () => true,
};

/** Text with a zero at its end; bytes one to one (interface names are bytes to the kernel). */
export const text: Codec<string> = {
  write: (writer, value) => void writer.raw(Buffer.from(`${value}\0`, 'latin1')),
  read: (bytes, offset, length) => {
    let end = offset;
    while (end < offset + length && bytes[end] !== 0) end++;
    return Buffer.from(bytes.buffer, bytes.byteOffset + offset, end - offset).toString('latin1');
  },
};

/** A copy of the bytes. */
export const octets: Codec<Uint8Array> = {
  write: (writer, value) => void writer.raw(value),
  read: (bytes, offset, length) => bytes.slice(offset, offset + length),
};

/** An address of the message's family (for other families: by its length). */
export const address: Codec<AddressWords> = {
  write: (writer, value, family) => {
    const words = new Uint8Array(family === AF_INET ? 4 : 16);
    for (let i = 0; i * 4 < words.length; i++) writeWord(words, i * 4, value[i]!);
    writer.raw(words);
  },
  read: (bytes, offset, length) =>
    length >= 16
      ? [
          readWord(bytes, offset),
          readWord(bytes, offset + 4),
          readWord(bytes, offset + 8),
          readWord(bytes, offset + 12),
        ]
      : [length >= 4 ? readWord(bytes, offset) : 0, 0, 0, 0],
};

/** An IPv6 address in a message of whatever family. */
export const address6: Codec<AddressWords> = {
  write: (writer, value) => address.write(writer, value, AF_INET6),
  read: (bytes, offset, length) => address.read(bytes, offset, length, AF_INET6),
};

/** An address that brings its own family, which on the wire is its length. */
export interface Endpoint {
  readonly family: Family;
  readonly words: AddressWords;
}

export const endpoint: Codec<Endpoint> = {
  write: (writer, value) => address.write(writer, value.words, value.family),
  read: (bytes, offset, length, family) => ({
    family: length >= 16 ? AF_INET6 : AF_INET,
    words: address.read(bytes, offset, length, family),
  }),
};

/** Attributes within an attribute. */
export function nested<T extends object>(table: AttributeTable<T>): Codec<Partial<T>> {
  return {
    write: (writer, value, family) => {
      // NLA_F_NESTED is what strict checking asks for; the type was just written in front of us.
      const view = writer.buffer.view;
      view.setUint16(writer.at - 2, view.getUint16(writer.at - 2, true) | NESTED, true);
      writeAttributes(writer, table as AttributeTable<Partial<T>>, value, family);
    },
    read: (bytes, offset, length, family) => readAttributes(bytes, offset, offset + length, table, family),
  };
}
