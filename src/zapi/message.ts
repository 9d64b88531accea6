// Whole frames of the messages that are plain values, by name.
import { BodyReader, BodyWriter } from './bodies.ts';
import type { CommandName, Dialect } from './dialect.ts';
import { HEADER_BYTES, writeHeader } from './frame.ts';
import type { ClientMessages, ServerMessages } from './messages.ts';

/** Who sends it. */
export type Direction = 'toServer' | 'toClient';

const writer: BodyWriter = new BodyWriter(new Uint8Array(0));

function encode<T>(
  dialect: Dialect,
  codec: { encode(writer: BodyWriter, message: T): void },
  name: CommandName,
  message: T,
  vrf: number,
  bytes: Uint8Array,
  offset: number,
): number {
  const start = offset + HEADER_BYTES;
  if (start > bytes.length) return -1;
  writer.bytes = bytes;
  writer.at = start;
  writer.full = false;
  codec.encode(writer, message);
  if (writer.full) return -1;
  const length = writer.at - offset;
  if (length > dialect.maxFrameBytes) {
    throw new RangeError(`${name} of ${length} bytes is longer than a frame (${dialect.maxFrameBytes})`);
  }
  writeHeader(bytes, offset, length, vrf, dialect.command[name]);
  return writer.at;
}

/** Writes a client's message as a frame at `offset`; the offset after it, or -1 where there is no room. */
export function encodeToServer<Name extends keyof ClientMessages>(
  dialect: Dialect,
  name: Name,
  message: ClientMessages[Name],
  vrf: number,
  bytes: Uint8Array,
  offset: number,
): number {
  return encode(dialect, dialect.toServer[name], name, message, vrf, bytes, offset);
}

/** Writes zebra's message as a frame at `offset`; the offset after it, or -1 where there is no room. */
export function encodeToClient<Name extends keyof ServerMessages>(
  dialect: Dialect,
  name: Name,
  message: ServerMessages[Name],
  vrf: number,
  bytes: Uint8Array,
  offset: number,
): number {
  return encode(dialect, dialect.toClient[name], name, message, vrf, bytes, offset);
}

/** Reads the body `bytes[offset, end)` of a client's message. Throws ZapiError (`body`). */
export function decodeToServer<Name extends keyof ClientMessages>(
  dialect: Dialect,
  name: Name,
  bytes: Uint8Array,
  offset: number,
  end: number,
): ClientMessages[Name] {
  return dialect.toServer[name].decode(new BodyReader(bytes, offset, end));
}

/** Reads the body `bytes[offset, end)` of zebra's message. Throws ZapiError (`body`). */
export function decodeToClient<Name extends keyof ServerMessages>(
  dialect: Dialect,
  name: Name,
  bytes: Uint8Array,
  offset: number,
  end: number,
): ServerMessages[Name] {
  return dialect.toClient[name].decode(new BodyReader(bytes, offset, end));
}
