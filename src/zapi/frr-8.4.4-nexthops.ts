// A route's block of next hops as FRR 8.4.4 has it: walked, read into columns, written from them.
import { readWord, writeWord } from '../net/index.ts';
import { readHostWord, writeHostWord } from './host-word.ts';
import {
  MAX_BACKUPS,
  MAX_LABELS,
  NEXTHOP_MAX_BYTES,
  NEXTHOP_BLACKHOLE,
  NEXTHOP_FLAG_EVPN,
  NEXTHOP_FLAG_HAS_BACKUP,
  NEXTHOP_FLAG_LABEL,
  NEXTHOP_FLAG_ONLINK,
  NEXTHOP_FLAG_SEG6,
  NEXTHOP_FLAG_SEG6LOCAL,
  NEXTHOP_FLAG_WEIGHT,
  NEXTHOP_IFINDEX,
  NEXTHOP_IPV4,
  NEXTHOP_IPV4_IFINDEX,
  NEXTHOP_IPV6,
  NEXTHOP_IPV6_IFINDEX,
  type NexthopColumns,
  SEG6LOCAL_CONTEXT_BYTES,
} from './nexthops.ts';
import {
  MESSAGE_SRTE,
  ROUTE_BAD_BACKUP_COUNT,
  ROUTE_BAD_LABEL_COUNT,
  ROUTE_BAD_NEXTHOP_COUNT,
  ROUTE_BAD_NEXTHOP_TYPE,
  ROUTE_TRUNCATED,
  type RouteMessage,
} from './route.ts';

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

/** Notes where decoding stopped; minus the fault. */
export function fault(into: RouteMessage, number: number, offset: number, value: number): number {
  into.faultOffset = offset;
  into.faultValue = value;
  return -number;
}

/** Walks `count` next hops; the offset after them or minus a fault, with its place in `into`. */
export function skipNexthops(
  into: RouteMessage,
  bytes: Uint8Array,
  offset: number,
  end: number,
  count: number,
): number {
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

export function decodeNexthops(
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

export function encodeNexthops(from: NexthopColumns, message: number, bytes: Uint8Array, offset: number): number {
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
