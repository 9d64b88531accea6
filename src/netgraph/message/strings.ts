// Strings, in quotes with C's escapes. Their bytes are UTF-8, which for the names of a graph is ASCII.
import { NetgraphError } from '../graph/error.ts';
import type { AsciiReader } from './reader.ts';
import type { Form } from './shape.ts';

const ESCAPES: Readonly<Record<number, string>> = {
  9: '\\t',
  10: '\\n',
  11: '\\v',
  12: '\\f',
  13: '\\r',
  34: '\\"',
  92: '\\\\',
};
const decoder: TextDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** In double quotes, whatever is not printable ASCII escaped: `\x00`. */
export function quote(value: string): string {
  let out = '"';
  for (const byte of Buffer.from(value)) {
    out +=
      ESCAPES[byte] ??
      (byte < 0x20 || byte > 0x7e ? `\\x${byte.toString(16).padStart(2, '0')}` : String.fromCharCode(byte));
  }
  return `${out}"`;
}

function bytesOf(view: DataView, offset: number, length: number): Uint8Array {
  if (offset + length > view.byteLength) throw new RangeError('past the end');
  return new Uint8Array(view.buffer, view.byteOffset + offset, length);
}

function text(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new NetgraphError('EINVAL', `a string is not UTF-8: ${Buffer.from(bytes).toString('hex').slice(0, 80)}`);
  }
}

function write(view: DataView, offset: number, value: string): number {
  const bytes = Buffer.from(value);
  if (bytes.toString() !== value) throw new NetgraphError('EINVAL', `half a character in ${quote(value)}`);
  bytesOf(view, offset, bytes.length).set(bytes);
  return offset + bytes.length;
}

function refuseNul(value: string): void {
  if (value.includes('\0')) throw new NetgraphError('EINVAL', `a NUL in ${quote(value)}, which it would end`);
}

const common = {
  align: 1,
  makeDefault: (): string => '',
  isDefault: (value: string): boolean => value === '',
  print: quote,
};

/** Any length, ended by a NUL. */
export const string: Form<string> = {
  ...common,
  label: 'string',
  parse(reader: AsciiReader): string {
    const start = reader.offset;
    const value = reader.string();
    if (value.includes('\0')) throw reader.error('a string without NUL', start);
    return value;
  },
  size: value => Buffer.byteLength(value) + 1,
  encode(view, offset, value) {
    refuseNul(value);
    return write(view, offset, value) + 1;
  },
  decode(view, offset) {
    let end = offset;
    while (view.getUint8(end) !== 0) end++;
    return text(bytesOf(view, offset, end - offset));
  },
};

/** A field of `size` bytes, the closing NUL among them. */
export function fixedString(size: number): Form<string> {
  return {
    ...common,
    label: `string of less than ${size} bytes`,
    parse(reader: AsciiReader): string {
      reader.peek();
      const start = reader.offset;
      const value = string.parse(reader);
      if (Buffer.byteLength(value) >= size) throw reader.error(`a string of less than ${size} bytes`, start);
      return value;
    },
    size: () => size,
    encode(view, offset, value) {
      refuseNul(value);
      if (Buffer.byteLength(value) >= size)
        throw new NetgraphError('EINVAL', `${quote(value).slice(0, 80)} has ${size} bytes or more`);
      write(view, offset, value);
      return offset + size;
    },
    decode(view, offset) {
      const field = bytesOf(view, offset, size);
      const end = field.indexOf(0);
      if (end < 0) throw new NetgraphError('EINVAL', `a string of ${size} bytes has no end`);
      return text(field.subarray(0, end));
    },
  };
}

/** Its length in 16 bits, then that many bytes. FreeBSD gives it no alignment. */
export const sizedString: Form<string> = {
  ...common,
  label: 'sized string',
  parse(reader: AsciiReader): string {
    reader.peek();
    const start = reader.offset;
    const value = reader.string();
    if (Buffer.byteLength(value) > 0xffff) throw reader.error('a string of less than 65536 bytes', start);
    return value;
  },
  size: value => 2 + Buffer.byteLength(value),
  encode(view, offset, value) {
    const length = Buffer.byteLength(value);
    if (length > 0xffff) throw new NetgraphError('EINVAL', `a sized string of ${length} bytes`);
    view.setUint16(offset, length, true);
    return write(view, offset + 2, value);
  },
  decode: (view, offset) => text(bytesOf(view, offset + 2, view.getUint16(offset, true))),
};

/** ng_parse_nodebuf_type, …_hookbuf_…, …_typebuf_…, …_cmdbuf_…, …_pathbuf_…. */
export const nodebuf: Form<string> = fixedString(32);
export const hookbuf: Form<string> = fixedString(32);
export const typebuf: Form<string> = fixedString(32);
export const cmdbuf: Form<string> = fixedString(32);
export const pathbuf: Form<string> = fixedString(512);
