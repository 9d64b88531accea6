// The frame around every BGP message (RFC 4271 §4.1): sixteen bytes of ones, a length that counts the header, a type.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |                      Marker (16 × 0xff)                       |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |          Length               |      Type     |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// `checkHeader` is what the I/O thread runs for each message, so it allocates only when the peer is wrong.
import { ErrorCode, HeaderError, type PeerError, peerError } from './notification.ts';

export const MessageType = { open: 1, update: 2, notification: 3, keepalive: 4, routeRefresh: 5 } as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

export const HEADER_BYTES = 19;
export const MARKER_BYTES = 16;
/** RFC 4271 §4.1; OPEN and KEEPALIVE never grow beyond it (RFC 8654 §4). */
export const MAXIMUM_MESSAGE_BYTES = 4096;
/** Where both sides announced the extended message capability (RFC 8654). */
export const EXTENDED_MESSAGE_BYTES = 65535;

/** FRR's names, as `show bgp neighbors` counts them. */
export const MESSAGE_NAMES: readonly string[] = [
  '',
  'Opens',
  'Updates',
  'Notifications',
  'Keepalives',
  'Route Refresh',
];

/** Shortest message of each type (RFC 4271 §6.1; a short ROUTE-REFRESH has an error of its own, RFC 7313 §5). */
const SHORTEST: readonly number[] = [0, 29, 23, 21, 19, 19];

/** Length in the header at `offset`; nothing is checked. */
export function messageLength(bytes: Uint8Array, offset: number): number {
  return (bytes[offset + 16]! << 8) | bytes[offset + 17]!;
}

/** Type in the header at `offset`; nothing is checked. */
export function messageType(bytes: Uint8Array, offset: number): number {
  return bytes[offset + 18]!;
}

/**
 * Judges the whole header at `offset` (RFC 4271 §6.1): the message's length in bytes, or -1 where the header is wrong;
 * `headerError` then says what is. `maximum` is 4096 or 65535.
 */
export function checkHeader(bytes: Uint8Array, offset: number, maximum: number): number {
  for (let i = offset; i < offset + MARKER_BYTES; i++) if (bytes[i] !== 0xff) return -1;
  const length = messageLength(bytes, offset);
  const type = messageType(bytes, offset);
  if (type === 0 || type > MessageType.routeRefresh) return -1;
  if (length < SHORTEST[type]! || length > maximum) return -1;
  if (type === MessageType.keepalive && length !== HEADER_BYTES) return -1;
  if (type === MessageType.open && length > MAXIMUM_MESSAGE_BYTES) return -1;
  return length;
}

/** The mistake in a header that `checkHeader` refused (RFC 4271 §6.1, which also fixes the order of the checks). */
export function headerError(bytes: Uint8Array, offset: number, maximum: number): PeerError {
  for (let i = offset; i < offset + MARKER_BYTES; i++) {
    if (bytes[i] !== 0xff) return peerError(ErrorCode.messageHeader, HeaderError.notSynchronized);
  }
  const length = messageLength(bytes, offset);
  const type = messageType(bytes, offset);
  const shortOrLong = length < HEADER_BYTES || length > maximum;
  if (!shortOrLong && (type === 0 || type > MessageType.routeRefresh)) {
    return peerError(ErrorCode.messageHeader, HeaderError.badType, bytes.slice(offset + 18, offset + 19));
  }
  return peerError(ErrorCode.messageHeader, HeaderError.badLength, bytes.slice(offset + 16, offset + 18));
}

/** Writes a header at `offset`; `length` counts it. */
export function writeHeader(bytes: Uint8Array, offset: number, length: number, type: MessageType): void {
  bytes.fill(0xff, offset, offset + MARKER_BYTES);
  bytes[offset + 16] = length >>> 8;
  bytes[offset + 17] = length;
  bytes[offset + 18] = type;
}

/** A whole message around `body`. */
export function encodeMessage(type: MessageType, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + body.length);
  writeHeader(bytes, 0, bytes.length, type);
  bytes.set(body, HEADER_BYTES);
  return bytes;
}

/** The one KEEPALIVE (RFC 4271 §4.4). Not to be written to. */
export const KEEPALIVE: Uint8Array = encodeMessage(MessageType.keepalive, new Uint8Array(0));

/** A whole NOTIFICATION. Data that would not fit into 4096 bytes is cut. */
export function encodeNotification(error: PeerError): Uint8Array {
  const data = error.data.subarray(0, MAXIMUM_MESSAGE_BYTES - HEADER_BYTES - 2);
  const body = new Uint8Array(2 + data.length);
  body[0] = error.code;
  body[1] = error.subcode;
  body.set(data, 2);
  return encodeMessage(MessageType.notification, body);
}
