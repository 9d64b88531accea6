// Routes are the bulk of ZAPI: a full table is a million ROUTE_ADD one after the other. So a route is decoded into one
// reused object of numbers and encoded from one straight into the output buffer, and its next hops are not looked at
// unless somebody must: they stand in one block of bytes, the same for all the routes of one next-hop set, and both sides
// handle the block as a value. zebra finds the set by the block's bytes; a client encodes the block once per set.
//
//   type instance flags message safi family plen prefix │ count NEXTHOPS │ distance metric …
//                                                         └ nexthopCount, bytes[nexthopStart, nexthopEnd)
//
// Nothing throws here: a fault is a number, its place is in the object, and whoever gets one asks `routeFaultText`.
import { AF_INET, AF_INET6, readWord, writeWord } from '../net/index.ts';
import { HEADER_BYTES, MAX_FRAME_BYTES, writeHeader } from './frame.ts';

// What a route message carries (its `message` word).
export const MESSAGE_NEXTHOP = 0x01;
export const MESSAGE_DISTANCE = 0x02;
export const MESSAGE_METRIC = 0x04;
export const MESSAGE_TAG = 0x08;
export const MESSAGE_MTU = 0x10;
export const MESSAGE_SRCPFX = 0x20;
export const MESSAGE_BACKUP_NEXTHOPS = 0x40;
export const MESSAGE_NHG = 0x80;
export const MESSAGE_TABLEID = 0x100;
export const MESSAGE_SRTE = 0x200;
export const MESSAGE_OPAQUE = 0x400;

// A route's flags.
export const ROUTE_FLAG_ALLOW_RECURSION = 0x01;
export const ROUTE_FLAG_SELFROUTE = 0x02;
export const ROUTE_FLAG_IBGP = 0x04;
export const ROUTE_FLAG_SELECTED = 0x08;
export const ROUTE_FLAG_FIB_OVERRIDE = 0x10;
export const ROUTE_FLAG_EVPN_ROUTE = 0x20;
export const ROUTE_FLAG_RR_USE_DISTANCE = 0x40;
export const ROUTE_FLAG_TRAPPED = 0x80;
export const ROUTE_FLAG_OFFLOADED = 0x100;
export const ROUTE_FLAG_OFFLOAD_FAILED = 0x200;

export const SAFI_UNICAST = 1;
export const SAFI_MULTICAST = 2;
const SAFI_LIMIT = 9;

export const AFI_IP = 1;
export const AFI_IP6 = 2;

// Types of a next hop.
export const NEXTHOP_IFINDEX = 1;
export const NEXTHOP_IPV4 = 2;
export const NEXTHOP_IPV4_IFINDEX = 3;
export const NEXTHOP_IPV6 = 4;
export const NEXTHOP_IPV6_IFINDEX = 5;
export const NEXTHOP_BLACKHOLE = 6;

// A next hop's flags.
export const NEXTHOP_FLAG_ONLINK = 0x01;
export const NEXTHOP_FLAG_LABEL = 0x02;
export const NEXTHOP_FLAG_WEIGHT = 0x04;
export const NEXTHOP_FLAG_HAS_BACKUP = 0x08;
export const NEXTHOP_FLAG_SEG6 = 0x10;
export const NEXTHOP_FLAG_SEG6LOCAL = 0x20;
export const NEXTHOP_FLAG_EVPN = 0x40;

/** FRR's MULTIPATH_NUM in Debian's build: the most next hops of a route. */
export const MAX_NEXTHOPS = 256;
export const MAX_LABELS = 16;
export const MAX_BACKUPS = 8;
const MAX_OPAQUE_BYTES = 1024;
/** struct seg6local_context: nh4 4, nh6 16, table 4 (host order). */
export const SEG6LOCAL_CONTEXT_BYTES = 24;

// Faults of a route.
export const ROUTE_OK = 0;
export const ROUTE_TRUNCATED = 1;
export const ROUTE_BAD_TYPE = 2;
export const ROUTE_BAD_SAFI = 3;
export const ROUTE_BAD_FAMILY = 4;
export const ROUTE_BAD_PREFIX_LENGTH = 5;
export const ROUTE_BAD_NEXTHOP_COUNT = 6;
export const ROUTE_BAD_NEXTHOP_TYPE = 7;
export const ROUTE_BAD_LABEL_COUNT = 8;
export const ROUTE_BAD_BACKUP_COUNT = 9;
export const ROUTE_BAD_OPAQUE_LENGTH = 10;
export const ROUTE_BAD_SOURCE = 11;

const FAULTS: readonly string[] = [
  'no fault',
  'ends too early',
  'route type',
  'SAFI',
  'address family',
  'prefix length',
  'number of next hops',
  'next-hop type',
  'number of labels',
  'number of backup next hops',
  'length of opaque data',
  'source prefix',
];

/** What was wrong, with the offending value: `next-hop type 9 is not valid, at byte 31 of the body`. */
export function routeFaultText(fault: number, message: RouteMessage, bodyStart: number): string {
  const place = `at byte ${message.faultOffset - bodyStart} of the body`;
  if (fault === ROUTE_TRUNCATED) return `route ends too early, ${place}`;
  return `${FAULTS[fault] ?? 'fault'} ${message.faultValue} is not valid, ${place}`;
}

const NOTHING: Uint8Array = new Uint8Array(0);

/** One route as on the wire. Make one and reuse it for every message. */
export class RouteMessage {
  type = 0;
  instance = 0;
  /** ROUTE_FLAG_*. */
  flags = 0;
  /** MESSAGE_*: which of the fields below are there. */
  message = 0;
  safi: number = SAFI_UNICAST;
  family: number = AF_INET;
  prefixLength = 0;
  /** The prefix, host bits zero; w1–w3 are 0 for IPv4. */
  w0 = 0;
  w1 = 0;
  w2 = 0;
  w3 = 0;
  /** Source prefix (IPv6 only). */
  sourceLength = 0;
  s0 = 0;
  s1 = 0;
  s2 = 0;
  s3 = 0;
  /** Next-hop group that the client named by id. */
  nhgId = 0;
  /** The block of next hops is `bytes[nexthopStart, nexthopEnd)`, without its count. */
  bytes: Uint8Array = NOTHING;
  nexthopCount = 0;
  nexthopStart = 0;
  nexthopEnd = 0;
  backupCount = 0;
  backupStart = 0;
  backupEnd = 0;
  /** Fields that are not there are 0. */
  distance = 0;
  metric = 0;
  tag = 0;
  mtu = 0;
  tableId = 0;
  opaqueStart = 0;
  opaqueEnd = 0;
  /** Where and at what value decoding stopped. */
  faultOffset = 0;
  faultValue = 0;
}

/** Next hops in columns; row i is next hop i. Make one and reuse it. */
export class NexthopColumns {
  count = 0;
  readonly vrf: Uint32Array;
  /** NEXTHOP_IFINDEX … NEXTHOP_BLACKHOLE. */
  readonly type: Uint8Array;
  /** NEXTHOP_FLAG_*. LABEL and WEIGHT say whether `labels` and `weight` are on the wire. */
  readonly flags: Uint8Array;
  readonly ifindex: Uint32Array;
  /** Gateway; IPv4 in w0. */
  readonly w0: Uint32Array;
  readonly w1: Uint32Array;
  readonly w2: Uint32Array;
  readonly w3: Uint32Array;
  /** 1 null, 2 reject (unreachable), 3 prohibit. */
  readonly blackhole: Uint8Array;
  readonly weight: Uint32Array;
  readonly color: Uint32Array;
  readonly labelCount: Uint8Array;
  /** Labels of row i from i * MAX_LABELS. */
  readonly labels: Uint32Array;
  readonly backupCount: Uint8Array;
  /** From i * MAX_BACKUPS. */
  readonly backups: Uint8Array;
  /** Router MAC (EVPN), from i * 6. */
  readonly routerMac: Uint8Array;
  readonly seg6localAction: Uint32Array;
  /** From i * SEG6LOCAL_CONTEXT_BYTES. */
  readonly seg6localContext: Uint8Array;
  /** From i * 16. */
  readonly seg6Sid: Uint8Array;

  constructor(rows: number = MAX_NEXTHOPS) {
    this.vrf = new Uint32Array(rows);
    this.type = new Uint8Array(rows);
    this.flags = new Uint8Array(rows);
    this.ifindex = new Uint32Array(rows);
    this.w0 = new Uint32Array(rows);
    this.w1 = new Uint32Array(rows);
    this.w2 = new Uint32Array(rows);
    this.w3 = new Uint32Array(rows);
    this.blackhole = new Uint8Array(rows);
    this.weight = new Uint32Array(rows);
    this.color = new Uint32Array(rows);
    this.labelCount = new Uint8Array(rows);
    this.labels = new Uint32Array(rows * MAX_LABELS);
    this.backupCount = new Uint8Array(rows);
    this.backups = new Uint8Array(rows * MAX_BACKUPS);
    this.routerMac = new Uint8Array(rows * 6);
    this.seg6localAction = new Uint32Array(rows);
    this.seg6localContext = new Uint8Array(rows * SEG6LOCAL_CONTEXT_BYTES);
    this.seg6Sid = new Uint8Array(rows * 16);
  }

  /** Adds a row, all zero but its type, and returns its number. Throws where the columns are full. */
  add(type: number, vrf: number = 0): number {
    const row = this.count;
    if (row >= this.type.length) throw new RangeError(`a list of next hops holds at most ${this.type.length}`);
    this.count = row + 1;
    this.clear(row);
    this.type[row] = type;
    this.vrf[row] = vrf;
    return row;
  }

  clear(row: number): void {
    this.flags[row] = 0;
    this.ifindex[row] = 0;
    this.w0[row] = 0;
    this.w1[row] = 0;
    this.w2[row] = 0;
    this.w3[row] = 0;
    this.blackhole[row] = 0;
    this.weight[row] = 0;
    this.color[row] = 0;
    this.labelCount[row] = 0;
    this.backupCount[row] = 0;
  }
}

/** Codec of one dialect's routes. */
export interface RouteCodec {
  /** Reads `bytes[offset, end)`, a body, into `into`. ROUTE_OK or a fault. The block of next hops has been walked: it is well-formed. */
  decode(into: RouteMessage, bytes: Uint8Array, offset: number, end: number): number;
  /**
   * Writes a whole frame at `offset`, next hops copied from the message's block. Returns the offset after it, or -1 where
   * `bytes` has no room for it (nothing useful was written then).
   */
  encode(from: RouteMessage, vrf: number, command: number, bytes: Uint8Array, offset: number): number;
  /**
   * Reads `count` next hops from `offset` into columns; `message` is the route's. Returns the offset after them, or minus a
   * fault (with `end` reached: -ROUTE_TRUNCATED).
   */
  decodeNexthops(
    into: NexthopColumns,
    bytes: Uint8Array,
    offset: number,
    end: number,
    count: number,
    message: number,
  ): number;
  /** Writes the block of next hops; `message` is the route's. The offset after it, or -1 where there is no room. */
  encodeNexthops(from: NexthopColumns, message: number, bytes: Uint8Array, offset: number): number;
}

/** Bytes of next hop `type` between its flags and its options; -1 where the type is not valid. */
function gatewayBytes(type: number): number {
  switch (type) {
    case NEXTHOP_IPV4:
    case NEXTHOP_IPV4_IFINDEX:
      return 8;
    case NEXTHOP_IPV6:
    case NEXTHOP_IPV6_IFINDEX:
      return 20;
    case NEXTHOP_IFINDEX:
      return 4;
    case NEXTHOP_BLACKHOLE:
      return 1;
    default:
      return -1;
  }
}

/** Walks `count` next hops; the offset after them or minus a fault, with its place in `into`. */
function skipNexthops(into: RouteMessage, bytes: Uint8Array, offset: number, end: number, count: number): number {
  let at = offset;
  const color = (into.message & MESSAGE_SRTE) !== 0 ? 4 : 0;
  for (let i = 0; i < count; i++) {
    if (at + 7 > end) return fault(into, ROUTE_TRUNCATED, at, 0);
    const type = bytes[at + 4]!;
    const flags = bytes[at + 5]!;
    const gateway = gatewayBytes(type);
    if (gateway < 0) return fault(into, ROUTE_BAD_NEXTHOP_TYPE, at + 4, type);
    at += 6 + gateway;
    if ((flags & ~NEXTHOP_FLAG_ONLINK) !== 0 || color !== 0) {
      if ((flags & NEXTHOP_FLAG_LABEL) !== 0) {
        if (at >= end) return fault(into, ROUTE_TRUNCATED, at, 0);
        const labels = bytes[at]!;
        if (labels > MAX_LABELS) return fault(into, ROUTE_BAD_LABEL_COUNT, at, labels);
        at += 1 + labels * 4;
      }
      if ((flags & NEXTHOP_FLAG_WEIGHT) !== 0) at += 4;
      if ((flags & NEXTHOP_FLAG_EVPN) !== 0) at += 6;
      at += color;
      if ((flags & NEXTHOP_FLAG_HAS_BACKUP) !== 0) {
        if (at >= end) return fault(into, ROUTE_TRUNCATED, at, 0);
        const backups = bytes[at]!;
        if (backups > MAX_BACKUPS) return fault(into, ROUTE_BAD_BACKUP_COUNT, at, backups);
        at += 1 + backups;
      }
      if ((flags & NEXTHOP_FLAG_SEG6LOCAL) !== 0) at += 4 + SEG6LOCAL_CONTEXT_BYTES;
      if ((flags & NEXTHOP_FLAG_SEG6) !== 0) at += 16;
    }
    if (at > end) return fault(into, ROUTE_TRUNCATED, end, 0);
  }
  return at;
}

function fault(into: RouteMessage, number: number, offset: number, value: number): number {
  into.faultOffset = offset;
  into.faultValue = value;
  return -number;
}

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

function decodeRoute844(into: RouteMessage, bytes: Uint8Array, offset: number, end: number): number {
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

function encodeRoute844(from: RouteMessage, vrf: number, command: number, bytes: Uint8Array, offset: number): number {
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

function decodeNexthops844(
  into: NexthopColumns,
  bytes: Uint8Array,
  offset: number,
  end: number,
  count: number,
  message: number,
): number {
  let at = offset;
  into.count = 0;
  if (count > into.type.length) return -ROUTE_BAD_NEXTHOP_COUNT;
  for (let i = 0; i < count; i++) {
    if (at + 7 > end) return -ROUTE_TRUNCATED;
    const type = bytes[at + 4]!;
    const flags = bytes[at + 5]!;
    const gateway = gatewayBytes(type);
    if (gateway < 0) return -ROUTE_BAD_NEXTHOP_TYPE;
    if (at + 6 + gateway > end) return -ROUTE_TRUNCATED;
    into.clear(i);
    into.vrf[i] = readWord(bytes, at);
    into.type[i] = type;
    into.flags[i] = flags;
    at += 6;
    if (gateway === 8) {
      into.w0[i] = readWord(bytes, at);
      into.ifindex[i] = readWord(bytes, at + 4);
    } else if (gateway === 20) {
      into.w0[i] = readWord(bytes, at);
      into.w1[i] = readWord(bytes, at + 4);
      into.w2[i] = readWord(bytes, at + 8);
      into.w3[i] = readWord(bytes, at + 12);
      into.ifindex[i] = readWord(bytes, at + 16);
    } else if (gateway === 4) into.ifindex[i] = readWord(bytes, at);
    else into.blackhole[i] = bytes[at]!;
    at += gateway;
    if ((flags & NEXTHOP_FLAG_LABEL) !== 0) {
      if (at >= end) return -ROUTE_TRUNCATED;
      const labels = bytes[at]!;
      if (labels > MAX_LABELS) return -ROUTE_BAD_LABEL_COUNT;
      at++;
      if (at + labels * 4 > end) return -ROUTE_TRUNCATED;
      into.labelCount[i] = labels;
      for (let j = 0; j < labels; j++) {
        into.labels[i * MAX_LABELS + j] = readHostWord(bytes, at);
        at += 4;
      }
    }
    if ((flags & NEXTHOP_FLAG_WEIGHT) !== 0) {
      if (at + 4 > end) return -ROUTE_TRUNCATED;
      into.weight[i] = readWord(bytes, at);
      at += 4;
    }
    if ((flags & NEXTHOP_FLAG_EVPN) !== 0) {
      if (at + 6 > end) return -ROUTE_TRUNCATED;
      at = copyOut(bytes, at, into.routerMac, i * 6, 6);
    }
    if ((message & MESSAGE_SRTE) !== 0) {
      if (at + 4 > end) return -ROUTE_TRUNCATED;
      into.color[i] = readWord(bytes, at);
      at += 4;
    }
    if ((flags & NEXTHOP_FLAG_HAS_BACKUP) !== 0) {
      if (at >= end) return -ROUTE_TRUNCATED;
      const backups = bytes[at]!;
      if (backups > MAX_BACKUPS) return -ROUTE_BAD_BACKUP_COUNT;
      at++;
      if (at + backups > end) return -ROUTE_TRUNCATED;
      into.backupCount[i] = backups;
      at = copyOut(bytes, at, into.backups, i * MAX_BACKUPS, backups);
    }
    if ((flags & NEXTHOP_FLAG_SEG6LOCAL) !== 0) {
      if (at + 4 + SEG6LOCAL_CONTEXT_BYTES > end) return -ROUTE_TRUNCATED;
      into.seg6localAction[i] = readWord(bytes, at);
      at = copyOut(bytes, at + 4, into.seg6localContext, i * SEG6LOCAL_CONTEXT_BYTES, SEG6LOCAL_CONTEXT_BYTES);
    }
    if ((flags & NEXTHOP_FLAG_SEG6) !== 0) {
      if (at + 16 > end) return -ROUTE_TRUNCATED;
      at = copyOut(bytes, at, into.seg6Sid, i * 16, 16);
    }
    into.count = i + 1;
  }
  return at;
}

function copyOut(from: Uint8Array, at: number, to: Uint8Array, offset: number, n: number): number {
  for (let i = 0; i < n; i++) to[offset + i] = from[at + i]!;
  return at + n;
}

// Words that FRR puts on the wire as they lie in memory. Linux runs FRR on little-endian machines; where it does not, both
// sides are the same machine (a Unix socket), so the host's order is right either way.
const LITTLE_ENDIAN: boolean = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** A word in the host's byte order. */
export function readHostWord(bytes: Uint8Array, at: number): number {
  if (!LITTLE_ENDIAN) return readWord(bytes, at);
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

export function writeHostWord(bytes: Uint8Array, at: number, word: number): void {
  if (!LITTLE_ENDIAN) {
    writeWord(bytes, at, word);
    return;
  }
  bytes[at] = word;
  bytes[at + 1] = word >>> 8;
  bytes[at + 2] = word >>> 16;
  bytes[at + 3] = word >>> 24;
}

/** Longest that one next hop can be. */
const NEXTHOP_MAX_BYTES = 6 + 20 + 1 + MAX_LABELS * 4 + 4 + 6 + 4 + 1 + MAX_BACKUPS + 4 + SEG6LOCAL_CONTEXT_BYTES + 16;

function encodeNexthops844(from: NexthopColumns, message: number, bytes: Uint8Array, offset: number): number {
  let at = offset;
  for (let i = 0; i < from.count; i++) {
    if (at + NEXTHOP_MAX_BYTES > bytes.length) return -1;
    const type = from.type[i]!;
    const flags = from.flags[i]!;
    const gateway = gatewayBytes(type);
    if (gateway < 0) throw new RangeError(`next-hop type ${type} is not valid`);
    writeWord(bytes, at, from.vrf[i]!);
    bytes[at + 4] = type;
    bytes[at + 5] = flags;
    at += 6;
    if (gateway === 8) {
      writeWord(bytes, at, from.w0[i]!);
      writeWord(bytes, at + 4, from.ifindex[i]!);
    } else if (gateway === 20) {
      writeWord(bytes, at, from.w0[i]!);
      writeWord(bytes, at + 4, from.w1[i]!);
      writeWord(bytes, at + 8, from.w2[i]!);
      writeWord(bytes, at + 12, from.w3[i]!);
      writeWord(bytes, at + 16, from.ifindex[i]!);
    } else if (gateway === 4) writeWord(bytes, at, from.ifindex[i]!);
    else bytes[at] = from.blackhole[i]!;
    at += gateway;
    if ((flags & NEXTHOP_FLAG_LABEL) !== 0) {
      const labels = from.labelCount[i]!;
      bytes[at++] = labels;
      for (let j = 0; j < labels; j++) {
        writeHostWord(bytes, at, from.labels[i * MAX_LABELS + j]!);
        at += 4;
      }
    }
    if ((flags & NEXTHOP_FLAG_WEIGHT) !== 0) {
      writeWord(bytes, at, from.weight[i]!);
      at += 4;
    }
    if ((flags & NEXTHOP_FLAG_EVPN) !== 0) {
      copyOut(from.routerMac, i * 6, bytes, at, 6);
      at += 6;
    }
    if ((message & MESSAGE_SRTE) !== 0) {
      writeWord(bytes, at, from.color[i]!);
      at += 4;
    }
    if ((flags & NEXTHOP_FLAG_HAS_BACKUP) !== 0) {
      const backups = from.backupCount[i]!;
      bytes[at++] = backups;
      copyOut(from.backups, i * MAX_BACKUPS, bytes, at, backups);
      at += backups;
    }
    if ((flags & NEXTHOP_FLAG_SEG6LOCAL) !== 0) {
      writeWord(bytes, at, from.seg6localAction[i]!);
      copyOut(from.seg6localContext, i * SEG6LOCAL_CONTEXT_BYTES, bytes, at + 4, SEG6LOCAL_CONTEXT_BYTES);
      at += 4 + SEG6LOCAL_CONTEXT_BYTES;
    }
    if ((flags & NEXTHOP_FLAG_SEG6) !== 0) {
      copyOut(from.seg6Sid, i * 16, bytes, at, 16);
      at += 16;
    }
  }
  return at;
}

export const ROUTE_CODEC_844: RouteCodec = {
  decode: decodeRoute844,
  encode: encodeRoute844,
  decodeNexthops: decodeNexthops844,
  encodeNexthops: encodeNexthops844,
};
