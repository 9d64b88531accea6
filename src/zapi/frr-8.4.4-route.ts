// A route message as FRR 8.4.4 has it.
import { AF_INET, AF_INET6, readWord, writeWord } from '../net/index.ts';
import { HEADER_BYTES, MAX_FRAME_BYTES, writeHeader } from './frame.ts';
import { decodeNexthops, encodeNexthops, fault, skipNexthops } from './frr-8.4.4-nexthops.ts';
import { MAX_NEXTHOPS } from './nexthops.ts';
import {
  MESSAGE_BACKUP_NEXTHOPS,
  MESSAGE_DISTANCE,
  MESSAGE_METRIC,
  MESSAGE_MTU,
  MESSAGE_NEXTHOP,
  MESSAGE_NHG,
  MESSAGE_OPAQUE,
  MESSAGE_SRCPFX,
  MESSAGE_TABLEID,
  MESSAGE_TAG,
  ROUTE_BAD_FAMILY,
  ROUTE_BAD_NEXTHOP_COUNT,
  ROUTE_BAD_OPAQUE_LENGTH,
  ROUTE_BAD_PREFIX_LENGTH,
  ROUTE_BAD_SAFI,
  ROUTE_BAD_SOURCE,
  ROUTE_BAD_TYPE,
  ROUTE_OK,
  ROUTE_TRUNCATED,
  type RouteCodec,
  type RouteMessage,
} from './route.ts';

const SAFI_LIMIT = 9;
const MAX_OPAQUE_BYTES = 1024;

function truncated(into: RouteMessage, end: number): number {
  into.faultOffset = end;
  into.faultValue = 0;
  return ROUTE_TRUNCATED;
}

/** The leading `bits` bits of the word at `offset`. Bytes past the prefix are not there and not read. */
function prefixWord(bytes: Uint8Array, offset: number, bits: number): number {
  if (bits <= 0) return 0;
  let word = bytes[offset]! << 24;
  if (bits > 8) word |= bytes[offset + 1]! << 16;
  if (bits > 16) word |= bytes[offset + 2]! << 8;
  if (bits > 24) word |= bytes[offset + 3]!;
  // Host bits inside the last byte are cleared: some clients leave them.
  return bits >= 32 ? word >>> 0 : (word & (0xffffffff << (32 - bits))) >>> 0;
}

function decodeRoute(into: RouteMessage, bytes: Uint8Array, offset: number, end: number): number {
  if (end - offset < 14) return truncated(into, end);
  const type = bytes[offset]!;
  const family = bytes[offset + 12]!;
  const length = bytes[offset + 13]!;
  const safi = bytes[offset + 11]!;
  const message = readWord(bytes, offset + 7);
  if (type >= 31) return -fault(into, ROUTE_BAD_TYPE, offset, type);
  if (safi === 0 || safi >= SAFI_LIMIT) return -fault(into, ROUTE_BAD_SAFI, offset + 11, safi);
  if (family === AF_INET ? length > 32 : length > 128) {
    return -fault(into, ROUTE_BAD_PREFIX_LENGTH, offset + 13, length);
  }
  if (family !== AF_INET && family !== AF_INET6) return -fault(into, ROUTE_BAD_FAMILY, offset + 12, family);
  into.type = type;
  into.instance = (bytes[offset + 1]! << 8) | bytes[offset + 2]!;
  into.flags = readWord(bytes, offset + 3);
  into.message = message;
  into.safi = safi;
  into.family = family;
  into.prefixLength = length;
  into.bytes = bytes;
  let at = offset + 14;
  const prefixBytes = (length + 7) >>> 3;
  if (at + prefixBytes > end) return truncated(into, end);
  into.w0 = prefixWord(bytes, at, length);
  if (family === AF_INET) {
    into.w1 = 0;
    into.w2 = 0;
    into.w3 = 0;
  } else {
    into.w1 = prefixWord(bytes, at + 4, length - 32);
    into.w2 = prefixWord(bytes, at + 8, length - 64);
    into.w3 = prefixWord(bytes, at + 12, length - 96);
  }
  at += prefixBytes;
  if ((message & MESSAGE_SRCPFX) !== 0) {
    if (at >= end) return truncated(into, end);
    const sourceLength = bytes[at]!;
    if (family !== AF_INET6 || sourceLength === 0 || sourceLength > 128) {
      return -fault(into, ROUTE_BAD_SOURCE, at, sourceLength);
    }
    const sourceBytes = (sourceLength + 7) >>> 3;
    at++;
    if (at + sourceBytes > end) return truncated(into, end);
    into.sourceLength = sourceLength;
    into.s0 = prefixWord(bytes, at, sourceLength);
    into.s1 = prefixWord(bytes, at + 4, sourceLength - 32);
    into.s2 = prefixWord(bytes, at + 8, sourceLength - 64);
    into.s3 = prefixWord(bytes, at + 12, sourceLength - 96);
    at += sourceBytes;
  } else into.sourceLength = 0;
  if ((message & MESSAGE_NHG) !== 0) {
    if (at + 4 > end) return truncated(into, end);
    into.nhgId = readWord(bytes, at);
    at += 4;
  } else into.nhgId = 0;
  if ((message & MESSAGE_NEXTHOP) !== 0) {
    if (at + 2 > end) return truncated(into, end);
    const count = (bytes[at]! << 8) | bytes[at + 1]!;
    if (count > MAX_NEXTHOPS) return -fault(into, ROUTE_BAD_NEXTHOP_COUNT, at, count);
    into.nexthopCount = count;
    into.nexthopStart = at + 2;
    at = skipNexthops(into, bytes, at + 2, end, count);
    if (at < 0) return -at;
    into.nexthopEnd = at;
  } else {
    into.nexthopCount = 0;
    into.nexthopStart = at;
    into.nexthopEnd = at;
  }
  if ((message & MESSAGE_BACKUP_NEXTHOPS) !== 0) {
    if (at + 2 > end) return truncated(into, end);
    const count = (bytes[at]! << 8) | bytes[at + 1]!;
    if (count > MAX_NEXTHOPS) return -fault(into, ROUTE_BAD_NEXTHOP_COUNT, at, count);
    into.backupCount = count;
    into.backupStart = at + 2;
    at = skipNexthops(into, bytes, at + 2, end, count);
    if (at < 0) return -at;
    into.backupEnd = at;
  } else {
    into.backupCount = 0;
    into.backupStart = at;
    into.backupEnd = at;
  }
  if ((message & MESSAGE_DISTANCE) !== 0) {
    if (at >= end) return truncated(into, end);
    into.distance = bytes[at]!;
    at++;
  } else into.distance = 0;
  if ((message & MESSAGE_METRIC) !== 0) {
    if (at + 4 > end) return truncated(into, end);
    into.metric = readWord(bytes, at);
    at += 4;
  } else into.metric = 0;
  if ((message & MESSAGE_TAG) !== 0) {
    if (at + 4 > end) return truncated(into, end);
    into.tag = readWord(bytes, at);
    at += 4;
  } else into.tag = 0;
  if ((message & MESSAGE_MTU) !== 0) {
    if (at + 4 > end) return truncated(into, end);
    into.mtu = readWord(bytes, at);
    at += 4;
  } else into.mtu = 0;
  if ((message & MESSAGE_TABLEID) !== 0) {
    if (at + 4 > end) return truncated(into, end);
    into.tableId = readWord(bytes, at);
    at += 4;
  } else into.tableId = 0;
  if ((message & MESSAGE_OPAQUE) !== 0) {
    if (at + 2 > end) return truncated(into, end);
    const opaque = (bytes[at]! << 8) | bytes[at + 1]!;
    if (opaque > MAX_OPAQUE_BYTES) return -fault(into, ROUTE_BAD_OPAQUE_LENGTH, at, opaque);
    at += 2;
    if (at + opaque > end) return truncated(into, end);
    into.opaqueStart = at;
    into.opaqueEnd = at + opaque;
  } else {
    into.opaqueStart = at;
    into.opaqueEnd = at;
  }
  return ROUTE_OK;
}

/** Longest that anything but next hops and opaque data can be. */
const FIXED_BYTES = HEADER_BYTES + 14 + 16 + 17 + 4 + 2 + 2 + 1 + 4 * 4 + 2;

function writePrefix(
  bytes: Uint8Array,
  offset: number,
  length: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
): number {
  const n = (length + 7) >>> 3;
  // Up to 15 bytes too many are written and then overwritten: the room for them was checked.
  writeWord(bytes, offset, w0);
  if (n > 4) {
    writeWord(bytes, offset + 4, w1);
    if (n > 8) {
      writeWord(bytes, offset + 8, w2);
      writeWord(bytes, offset + 12, w3);
    }
  }
  return offset + n;
}

function copyBlock(from: Uint8Array, start: number, end: number, to: Uint8Array, offset: number): number {
  let at = offset;
  for (let i = start; i < end; i++) to[at++] = from[i]!;
  return at;
}

function encodeRoute(from: RouteMessage, vrf: number, command: number, bytes: Uint8Array, offset: number): number {
  const message = from.message;
  const variable =
    from.nexthopEnd - from.nexthopStart + (from.backupEnd - from.backupStart) + (from.opaqueEnd - from.opaqueStart);
  if (offset + FIXED_BYTES + variable > bytes.length) return -1;
  let at = offset + HEADER_BYTES;
  bytes[at] = from.type;
  bytes[at + 1] = from.instance >>> 8;
  bytes[at + 2] = from.instance;
  writeWord(bytes, at + 3, from.flags);
  writeWord(bytes, at + 7, message);
  bytes[at + 11] = from.safi;
  bytes[at + 12] = from.family;
  bytes[at + 13] = from.prefixLength;
  at = writePrefix(bytes, at + 14, from.prefixLength, from.w0, from.w1, from.w2, from.w3);
  if ((message & MESSAGE_SRCPFX) !== 0) {
    bytes[at] = from.sourceLength;
    at = writePrefix(bytes, at + 1, from.sourceLength, from.s0, from.s1, from.s2, from.s3);
  }
  if ((message & MESSAGE_NHG) !== 0) {
    writeWord(bytes, at, from.nhgId);
    at += 4;
  }
  if ((message & MESSAGE_NEXTHOP) !== 0) {
    bytes[at] = from.nexthopCount >>> 8;
    bytes[at + 1] = from.nexthopCount;
    at = copyBlock(from.bytes, from.nexthopStart, from.nexthopEnd, bytes, at + 2);
  }
  if ((message & MESSAGE_BACKUP_NEXTHOPS) !== 0) {
    bytes[at] = from.backupCount >>> 8;
    bytes[at + 1] = from.backupCount;
    at = copyBlock(from.bytes, from.backupStart, from.backupEnd, bytes, at + 2);
  }
  if ((message & MESSAGE_DISTANCE) !== 0) bytes[at++] = from.distance;
  if ((message & MESSAGE_METRIC) !== 0) {
    writeWord(bytes, at, from.metric);
    at += 4;
  }
  if ((message & MESSAGE_TAG) !== 0) {
    writeWord(bytes, at, from.tag);
    at += 4;
  }
  if ((message & MESSAGE_MTU) !== 0) {
    writeWord(bytes, at, from.mtu);
    at += 4;
  }
  if ((message & MESSAGE_TABLEID) !== 0) {
    writeWord(bytes, at, from.tableId);
    at += 4;
  }
  if ((message & MESSAGE_OPAQUE) !== 0) {
    const n = from.opaqueEnd - from.opaqueStart;
    bytes[at] = n >>> 8;
    bytes[at + 1] = n;
    at = copyBlock(from.bytes, from.opaqueStart, from.opaqueEnd, bytes, at + 2);
  }
  const length = at - offset;
  if (length > MAX_FRAME_BYTES) throw new RangeError(`a route of ${length} bytes does not fit a frame`);
  writeHeader(bytes, offset, length, vrf, command);
  return at;
}

export const ROUTE_CODEC_844: RouteCodec = {
  decode: decodeRoute,
  encode: encodeRoute,
  decodeNexthops,
  encodeNexthops,
};
