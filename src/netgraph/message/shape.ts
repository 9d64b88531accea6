// What a form is: the one description of a message's argument (ng_parse_type of FreeBSD) from which come the type of its value,
// its text and its bytes.
import { NetgraphError } from '../graph/error.ts';
import { AsciiReader } from './reader.ts';

/** `T` in two notations: the ASCII of ngctl(8) and the C struct of FreeBSD on amd64 (little endian, naturally aligned).
 *
 *  `parent` is the value of the struct around, as far as it is known: its fields are read in their order, so that an array may
 *  be counted by a field before it. */
export interface Form<T> {
  /** For errors: `uint32`, `struct`. */
  readonly label: string;
  /** In bytes; 1 where it stands anywhere. */
  readonly align: number;
  /** What is meant where nothing is said; a new value each time. Throws where it must be said. */
  makeDefault(parent?: unknown): T;
  /** It goes without saying: left out of the text. */
  isDefault(value: T): boolean;
  /** Reads the text at the reader. Throws AsciiError. */
  parse(reader: AsciiReader, parent?: unknown): T;
  print(value: T): string;
  /** Bytes of the value, its own padding included. */
  size(value: T): number;
  /** Writes to zeroed bytes; gives the offset after it. Throws NetgraphError EINVAL where the value does not fit. */
  encode(view: DataView, offset: number, value: T, parent?: unknown): number;
  /** Reads what begins at `offset`, which ends `size(value)` after it. Throws RangeError where the bytes end too soon. */
  decode(view: DataView, offset: number, parent?: unknown): T;
}

export type ValueOf<F> = F extends Form<infer T> ? T : never;

/** Bytes of an argument at most: what is larger is a mistake, or an attack on our memory. */
export const ARGUMENT_LIMIT: number = 16 * 1024 * 1024;

/** Reads the whole of `text`. Throws AsciiError, with the offset and what was expected there. */
export function parseAscii<T>(form: Form<T>, text: string): T {
  const reader = new AsciiReader(text);
  const value = form.parse(reader);
  reader.end();
  return value;
}

/** As FreeBSD prints it: defaults left out, hexadecimal where the form says so. */
export function printAscii<T>(form: Form<T>, value: T): string {
  return form.print(value);
}

/** The bytes of the C struct. Throws NetgraphError: EINVAL where a value does not fit, EMSGSIZE where it is too large. */
export function toBinary<T>(form: Form<T>, value: T): Uint8Array<ArrayBuffer> {
  const size = form.size(value);
  if (size > ARGUMENT_LIMIT) throw new NetgraphError('EMSGSIZE', `an argument of ${size} bytes`);
  const bytes = new Uint8Array(size);
  form.encode(new DataView(bytes.buffer), 0, value);
  return bytes;
}

/** Reads all of `bytes`. Throws NetgraphError EINVAL where they are too few, too many, or mean nothing. */
export function fromBinary<T>(form: Form<T>, bytes: Uint8Array): T {
  let value: T;
  try {
    value = form.decode(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new NetgraphError('EINVAL', `${bytes.byteLength} bytes are too few for this ${form.label}`);
  }
  const size = form.size(value);
  if (size !== bytes.byteLength)
    throw new NetgraphError('EINVAL', `this ${form.label} has ${size} bytes, not ${bytes.byteLength}`);
  return value;
}
