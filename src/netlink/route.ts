// RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE. There may be a million of them, so both directions use plain words: a route is
// encoded from scalars straight into the buffer, and decoded into one view that is used again and again.
//
// A route that uses a nexthop object is 52 bytes for IPv4:
//
//    nlmsghdr 16 │ rtmsg 12 │ RTA_DST 8 │ RTA_PRIORITY 8 │ RTA_NH_ID 8
import { AF_INET, type AddressWords, type Family, readWord } from '../net/index.ts';
import { HEADER_BYTES, type MessageBuffer, swap32, writeHeader } from './buffer.ts';
import {
  RT_SCOPE_NOWHERE,
  RT_SCOPE_UNIVERSE,
  RTM_DELROUTE,
  RTM_NEWROUTE,
  RTN_UNICAST,
  RTNH_F_ONLINK,
} from './constants.ts';

const RTA_DST = 1;
const RTA_SRC = 2;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const RTA_VIA = 18;
const RTA_NH_ID = 30;

const BODY: number = HEADER_BYTES + 12;

/** No message of `encodeRoute` and `encodeRouteDelete` is longer. */
export const ROUTE_BYTES_MAX = 80;

/**
 * Writes RTM_NEWROUTE at byte `offset` and returns its length. A unicast route takes its paths from the nexthop object
 * `nexthopId`; with 0 only the types without paths (blackhole, unreachable, prohibit) make sense.
 */
export function encodeRoute(
  buffer: MessageBuffer,
  offset: number,
  sequence: number,
  flags: number,
  family: number,
  table: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  length: number,
  protocol: number,
  type: number,
  metric: number,
  nexthopId: number,
): number {
  return encode(
    buffer,
    offset,
    RTM_NEWROUTE,
    sequence,
    flags,
    family,
    table,
    w0,
    w1,
    w2,
    w3,
    length,
    protocol,
    RT_SCOPE_UNIVERSE,
    type,
    metric,
    nexthopId,
  );
}

/** Writes RTM_DELROUTE for the route with this prefix, table, metric and protocol (0: any), whatever its paths. */
export function encodeRouteDelete(
  buffer: MessageBuffer,
  offset: number,
  sequence: number,
  flags: number,
  family: number,
  table: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  length: number,
  protocol: number,
  metric: number,
): number {
  return encode(
    buffer,
    offset,
    RTM_DELROUTE,
    sequence,
    flags,
    family,
    table,
    w0,
    w1,
    w2,
    w3,
    length,
    protocol,
    RT_SCOPE_NOWHERE,
    0,
    metric,
    0,
  );
}

function encode(
  buffer: MessageBuffer,
  offset: number,
  message: number,
  sequence: number,
  flags: number,
  family: number,
  table: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  length: number,
  protocol: number,
  scope: number,
  type: number,
  metric: number,
  nexthopId: number,
): number {
  const words = buffer.words;
  let at = (offset + HEADER_BYTES) >> 2;
  words[at++] = family | (length << 8);
  words[at++] = (table < 256 ? table : 0) | (protocol << 8) | (scope << 16) | (type << 24);
  words[at++] = 0;
  if (family === AF_INET) {
    words[at++] = 8 | (RTA_DST << 16);
    words[at++] = swap32(w0);
  } else {
    words[at++] = 20 | (RTA_DST << 16);
    words[at++] = swap32(w0);
    words[at++] = swap32(w1);
    words[at++] = swap32(w2);
    words[at++] = swap32(w3);
  }
  words[at++] = 8 | (RTA_PRIORITY << 16);
  words[at++] = metric;
  if (table >= 256) {
    words[at++] = 8 | (RTA_TABLE << 16);
    words[at++] = table;
  }
  if (nexthopId !== 0) {
    words[at++] = 8 | (RTA_NH_ID << 16);
    words[at++] = nexthopId;
  }
  const size = (at << 2) - offset;
  writeHeader(buffer, offset, size, message, flags, sequence);
  return size;
}

/** A path that a route carries itself. */
export interface RoutePath {
  readonly ifindex: number;
  /** AF_INET, AF_INET6, or 0 where it has no gateway. */
  readonly gatewayFamily: Family | 0;
  readonly gateway: AddressWords;
  /** RTNH_F_* */
  readonly flags: number;
  /** From 1. */
  readonly weight: number;
}

/** Writes RTM_NEWROUTE for a route that carries its own paths (one or several): for the few, and where objects cannot be. */
export function encodeRouteWithPaths(
  buffer: MessageBuffer,
  offset: number,
  sequence: number,
  flags: number,
  family: Family,
  table: number,
  prefix: AddressWords,
  length: number,
  protocol: number,
  metric: number,
  paths: readonly RoutePath[],
): number {
  const [w0, w1, w2, w3] = prefix;
  const base = encode(
    buffer,
    offset,
    RTM_NEWROUTE,
    sequence,
    flags,
    family,
    table,
    w0,
    w1,
    w2,
    w3,
    length,
    protocol,
    // IPv4 checks the scope: without a gateway the destination is on the link.
    family === AF_INET && paths.every(path => path.gatewayFamily === 0) ? 253 : RT_SCOPE_UNIVERSE,
    RTN_UNICAST,
    metric,
    0,
  );
  const words = buffer.words;
  let at = (offset + base) >> 2;
  const only = paths.length === 1 ? paths[0] : undefined;
  const gateway = (path: RoutePath): void => {
    if (path.gatewayFamily === 0) return;
    const count = path.gatewayFamily === AF_INET ? 1 : 4;
    if (path.gatewayFamily === family) words[at++] = (4 + 4 * count) | (RTA_GATEWAY << 16);
    else {
      // RTA_VIA: a 16-bit family, then the address: an IPv4 route over an IPv6 next hop. Two bytes before, so not aligned.
      const bytes = buffer.bytes;
      const start = at << 2;
      words[at++] = (6 + 4 * count) | (RTA_VIA << 16);
      bytes[start + 4] = path.gatewayFamily;
      bytes[start + 5] = 0;
      for (let i = 0; i < count; i++) buffer.view.setUint32(start + 6 + 4 * i, path.gateway[i]!);
      bytes[start + 6 + 4 * count] = 0;
      bytes[start + 7 + 4 * count] = 0;
      at += 1 + count;
      return;
    }
    for (let i = 0; i < count; i++) words[at++] = swap32(path.gateway[i]!);
  };
  if (only !== undefined) {
    gateway(only);
    words[at++] = 8 | (RTA_OIF << 16);
    words[at++] = only.ifindex;
    words[(offset + HEADER_BYTES + 8) >> 2] = only.flags & RTNH_F_ONLINK;
  } else {
    const start = at++;
    for (const path of paths) {
      const hop = at;
      words[at++] = 0;
      words[at++] = path.ifindex;
      gateway(path);
      words[hop] = ((at - hop) << 2) | ((path.flags & RTNH_F_ONLINK) << 16) | ((path.weight - 1) << 24);
    }
    words[start] = ((at - start) << 2) | (RTA_MULTIPATH << 16);
  }
  const size = (at << 2) - offset;
  writeHeader(buffer, offset, size, RTM_NEWROUTE, flags, sequence);
  return size;
}

/** What one route message says. One view serves for a whole dump: `decode` overwrites it. */
export class RouteView {
  family = 0;
  /** Prefix length. */
  length = 0;
  sourceLength = 0;
  tos = 0;
  table = 0;
  protocol = 0;
  scope = 0;
  /** RTN_* */
  type = 0;
  /** RTM_F_* and RTNH_F_* of its single path. */
  flags = 0;
  w0 = 0;
  w1 = 0;
  w2 = 0;
  w3 = 0;
  metric = 0;
  nexthopId = 0;
  /** Number of paths the message carries; the first `pathCount` rows of the arrays below. */
  pathCount = 0;
  readonly pathIfindex: Int32Array = new Int32Array(256);
  readonly pathGatewayFamily: Uint8Array = new Uint8Array(256);
  /** Four words a row. */
  readonly pathGateway: Uint32Array = new Uint32Array(1024);
  readonly pathFlags: Uint8Array = new Uint8Array(256);
  readonly pathWeight: Uint16Array = new Uint16Array(256);
  /** Whether it carries RTA_METRICS, RTA_PREFSRC or RTA_SRC: what this view leaves out. */
  decorated = false;

  /** Reads the message of `size` bytes at `offset` (4-byte aligned in `bytes`). False where it is too short. */
  decode(bytes: Uint8Array, offset: number, size: number): boolean {
    if (size < BODY) return false;
    const at = offset + HEADER_BYTES;
    const end = offset + size;
    this.family = bytes[at]!;
    this.length = bytes[at + 1]!;
    this.sourceLength = bytes[at + 2]!;
    this.tos = bytes[at + 3]!;
    this.table = bytes[at + 4]!;
    this.protocol = bytes[at + 5]!;
    this.scope = bytes[at + 6]!;
    this.type = bytes[at + 7]!;
    this.flags = little32(bytes, at + 8);
    this.w0 = 0;
    this.w1 = 0;
    this.w2 = 0;
    this.w3 = 0;
    this.metric = 0;
    this.nexthopId = 0;
    this.pathCount = 0;
    this.decorated = false;
    let ifindex = 0;
    let gatewayAt = 0;
    let gatewayLength = 0;
    for (let i = offset + BODY; i + 4 <= end; ) {
      const length = bytes[i]! | (bytes[i + 1]! << 8);
      if (length < 4 || i + length > end) break;
      const value = i + 4;
      switch (bytes[i + 2]! | ((bytes[i + 3]! & 0x3f) << 8)) {
        case RTA_DST:
          this.w0 = readWord(bytes, value);
          if (length === 20) {
            this.w1 = readWord(bytes, value + 4);
            this.w2 = readWord(bytes, value + 8);
            this.w3 = readWord(bytes, value + 12);
          }
          break;
        case RTA_TABLE:
          this.table = little32(bytes, value);
          break;
        case RTA_PRIORITY:
          this.metric = little32(bytes, value);
          break;
        case RTA_NH_ID:
          this.nexthopId = little32(bytes, value);
          break;
        case RTA_OIF:
          ifindex = little32(bytes, value);
          break;
        case RTA_GATEWAY:
          gatewayAt = value;
          gatewayLength = length - 4;
          break;
        case RTA_VIA:
          gatewayAt = value + 2;
          gatewayLength = length - 6;
          break;
        case RTA_MULTIPATH:
          this.#multipath(bytes, value, i + length);
          break;
        case RTA_METRICS:
        case RTA_PREFSRC:
        case RTA_SRC:
          this.decorated = true;
          break;
        default:
      }
      i += (length + 3) & ~3;
    }
    if (this.pathCount === 0 && (ifindex !== 0 || gatewayLength > 0)) {
      this.#path(ifindex, this.flags & 0xff, 1, bytes, gatewayAt, gatewayLength);
    }
    return true;
  }

  /** Path `i` as a value. */
  path(i: number): RoutePath {
    const family = this.pathGatewayFamily[i]!;
    const g = this.pathGateway;
    return {
      ifindex: this.pathIfindex[i]!,
      gatewayFamily: family as Family | 0,
      gateway: [g[4 * i]!, g[4 * i + 1]!, g[4 * i + 2]!, g[4 * i + 3]!],
      flags: this.pathFlags[i]!,
      weight: this.pathWeight[i]!,
    };
  }

  #multipath(bytes: Uint8Array, from: number, end: number): void {
    for (let i = from; i + 8 <= end; ) {
      const length = bytes[i]! | (bytes[i + 1]! << 8);
      if (length < 8 || i + length > end) break;
      let gatewayAt = 0;
      let gatewayLength = 0;
      for (let a = i + 8; a + 4 <= i + length; ) {
        const size = bytes[a]! | (bytes[a + 1]! << 8);
        if (size < 4) break;
        const type = bytes[a + 2]! | ((bytes[a + 3]! & 0x3f) << 8);
        if (type === RTA_GATEWAY) {
          gatewayAt = a + 4;
          gatewayLength = size - 4;
        } else if (type === RTA_VIA) {
          gatewayAt = a + 6;
          gatewayLength = size - 6;
        }
        a += (size + 3) & ~3;
      }
      this.#path(little32(bytes, i + 4), bytes[i + 2]!, bytes[i + 3]! + 1, bytes, gatewayAt, gatewayLength);
      i += (length + 3) & ~3;
    }
  }

  #path(ifindex: number, flags: number, weight: number, bytes: Uint8Array, at: number, length: number): void {
    const i = this.pathCount;
    if (i === 256) return;
    this.pathCount = i + 1;
    this.pathIfindex[i] = ifindex;
    this.pathFlags[i] = flags;
    this.pathWeight[i] = weight;
    this.pathGatewayFamily[i] = length >= 16 ? 10 : length >= 4 ? AF_INET : 0;
    const g = this.pathGateway;
    g[4 * i] = length >= 4 ? readWord(bytes, at) : 0;
    g[4 * i + 1] = length >= 16 ? readWord(bytes, at + 4) : 0;
    g[4 * i + 2] = length >= 16 ? readWord(bytes, at + 8) : 0;
    g[4 * i + 3] = length >= 16 ? readWord(bytes, at + 12) : 0;
  }
}

function little32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
