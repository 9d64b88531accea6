// RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE. There may be a million of them, so both directions use plain words: a route is
// encoded from scalars straight into the buffer, and decoded into one view that is used again and again.
//
// A route that uses a nexthop object is 52 bytes for IPv4:
//
//    nlmsghdr 16 │ rtmsg 12 │ RTA_DST 8 │ RTA_PRIORITY 8 │ RTA_NH_ID 8
//
// What only few of them have (an encap, a preferred source, flags of an offload) is appended to what the coder wrote.
import { AF_INET, AF_INET6, type AddressWords, type Family, readWord } from '../net/index.ts';
import { MessageWriter } from './attribute.ts';
import {
  appendAttribute,
  HEADER_BYTES,
  little16,
  little32,
  type MessageBuffer,
  swap32,
  writeHeader,
} from './buffer.ts';
import {
  AF_MPLS,
  LWTUNNEL_ENCAP_MPLS,
  RT_SCOPE_NOWHERE,
  RT_SCOPE_UNIVERSE,
  RTM_DELROUTE,
  RTM_NEWROUTE,
  RTN_UNICAST,
  RTNH_F_ONLINK,
} from './constants.ts';
import { appendRouteEncap, decodeEncap, type Encap, encapBytes, labelStack } from './encap.ts';

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
const RTA_NEWDST = 19;
const RTA_ENCAP_TYPE = 21;
const RTA_ENCAP = 22;
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

/** Bytes that `appendPath` adds at most. */
export const PATH_BYTES_MAX = 32;

/**
 * Appends the only path to the route of `size` bytes that `encodeRoute` wrote at byte `offset`: interface, and gateway unless
 * `gatewayFamily` is 0; `flags` are RTNH_F_*. Returns the new size.
 */
export function appendPath(
  buffer: MessageBuffer,
  offset: number,
  size: number,
  ifindex: number,
  gatewayFamily: number,
  g0: number,
  g1: number,
  g2: number,
  g3: number,
  flags: number,
): number {
  const words = buffer.words;
  const family = buffer.bytes[offset + HEADER_BYTES]!;
  let at = (offset + size) >> 2;
  words[at++] = 8 | (RTA_OIF << 16);
  words[at++] = ifindex;
  if (gatewayFamily === 0) {
    // IPv4 checks the scope: without a gateway the destination is on the link.
    if (family === AF_INET) buffer.bytes[offset + HEADER_BYTES + 6] = 253;
  } else if (gatewayFamily === family) {
    words[at++] = (family === AF_INET ? 8 : 20) | (RTA_GATEWAY << 16);
    words[at++] = swap32(g0);
    if (family !== AF_INET) {
      words[at++] = swap32(g1);
      words[at++] = swap32(g2);
      words[at++] = swap32(g3);
    }
  } else {
    // RTA_VIA: a 16-bit family, then the address, which so lies two bytes beside the words.
    const count = gatewayFamily === AF_INET ? 1 : 4;
    const start = at << 2;
    words[at] = (6 + 4 * count) | (RTA_VIA << 16);
    buffer.view.setUint16(start + 4, gatewayFamily, true);
    buffer.view.setUint32(start + 6, g0);
    if (count === 4) {
      buffer.view.setUint32(start + 10, g1);
      buffer.view.setUint32(start + 14, g2);
      buffer.view.setUint32(start + 18, g3);
    }
    buffer.view.setUint16(start + 6 + 4 * count, 0);
    at += 2 + count;
  }
  addRouteFlags(buffer, offset, flags & RTNH_F_ONLINK);
  words[offset >> 2] = (at << 2) - offset;
  return (at << 2) - offset;
}

/** Sets RTM_F_* (an offload's outcome, which a peer on a forwarding plane tells) in the route written at byte `offset`. */
export function addRouteFlags(buffer: MessageBuffer, offset: number, flags: number): void {
  buffer.words[(offset + HEADER_BYTES + 8) >> 2]! |= flags;
}

/** Appends RTA_PREFSRC to the route of `size` bytes at byte `offset`; returns the new size, 8 or 20 bytes more. */
export function appendPreferredSource(
  buffer: MessageBuffer,
  offset: number,
  size: number,
  family: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
): number {
  const words = buffer.words;
  let at = (offset + size) >> 2;
  words[at++] = (family === AF_INET ? 8 : 20) | (RTA_PREFSRC << 16);
  words[at++] = swap32(w0);
  if (family !== AF_INET) {
    words[at++] = swap32(w1);
    words[at++] = swap32(w2);
    words[at++] = swap32(w3);
  }
  words[offset >> 2] = (at << 2) - offset;
  return (at << 2) - offset;
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
  /** In a route of an MPLS label (mpls.ts) only labels: what it is replaced by. */
  readonly encap?: Encap;
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
  /** RTNH_F_* that are told; the kernel takes no others from anybody. */
  flagsTold: number = RTNH_F_ONLINK,
): number {
  const [w0, w1, w2, w3] = prefix;
  const size = encode(
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
  return appendPaths(buffer, offset, size, family, paths, flagsTold);
}

/** Bytes that a route with these paths may need at most, whatever its family. */
export function routeWithPathsBytes(paths: readonly RoutePath[]): number {
  let bytes = ROUTE_BYTES_MAX + 4;
  for (const { encap } of paths) bytes += 8 + 24 + (encap === undefined ? 0 : encapBytes(encap));
  return bytes;
}

/** Appends these paths (at least one) to the route of `size` bytes at byte `offset`; returns the new size. */
export function appendPaths(
  buffer: MessageBuffer,
  offset: number,
  size: number,
  family: number,
  paths: readonly RoutePath[],
  /** RTNH_F_* that are told; the kernel takes no others from anybody. */
  flagsTold: number = RTNH_F_ONLINK,
): number {
  const words = buffer.words;
  const only = paths.length === 1 ? paths[0] : undefined;
  if (only !== undefined) {
    let at = appendGateway(buffer, (offset + size) >> 2, family, only);
    words[at++] = 8 | (RTA_OIF << 16);
    words[at++] = only.ifindex;
    addRouteFlags(buffer, offset, only.flags & flagsTold);
    words[offset >> 2] = (at << 2) - offset;
    return appendPathEncap(buffer, offset, (at << 2) - offset, family, only);
  }
  const start = (offset + size) >> 2;
  let at = start + 1;
  for (const path of paths) {
    // struct rtnexthop begins, like a message, with its length, which the encap's attributes bring up to date; the flags
    // and the weight beside it are put there last.
    const hop = at;
    words[hop + 1] = path.ifindex;
    at = appendGateway(buffer, hop + 2, family, path);
    at = hop + (appendPathEncap(buffer, hop << 2, (at - hop) << 2, family, path) >> 2);
    words[hop] = ((at - hop) << 2) | ((path.flags & flagsTold) << 16) | ((path.weight - 1) << 24);
  }
  words[start] = ((at - start) << 2) | (RTA_MULTIPATH << 16);
  words[offset >> 2] = (at << 2) - offset;
  return (at << 2) - offset;
}

/** Writes RTA_GATEWAY or RTA_VIA, if any, at word `at`; returns the word behind it. */
function appendGateway(buffer: MessageBuffer, at: number, family: number, path: RoutePath): number {
  if (path.gatewayFamily === 0) return at;
  const words = buffer.words;
  const count = path.gatewayFamily === AF_INET ? 1 : 4;
  if (path.gatewayFamily === family) {
    words[at] = (4 + 4 * count) | (RTA_GATEWAY << 16);
    for (let i = 0; i < count; i++) words[at + 1 + i] = swap32(path.gateway[i]!);
    return at + 1 + count;
  }
  // RTA_VIA: a 16-bit family, then the address: an IPv4 route over an IPv6 next hop. Two bytes before, so not aligned.
  const bytes = buffer.bytes;
  const start = at << 2;
  words[at] = (6 + 4 * count) | (RTA_VIA << 16);
  bytes[start + 4] = path.gatewayFamily;
  bytes[start + 5] = 0;
  for (let i = 0; i < count; i++) buffer.view.setUint32(start + 6 + 4 * i, path.gateway[i]!);
  bytes[start + 6 + 4 * count] = 0;
  bytes[start + 7 + 4 * count] = 0;
  return at + 2 + count;
}

const labels = new MessageWriter(1024);

/** What a path does beyond forwarding, at the end of the message or of the path of `size` bytes at `offset`; the new size. */
function appendPathEncap(
  buffer: MessageBuffer,
  offset: number,
  size: number,
  family: number,
  { encap }: RoutePath,
): number {
  if (encap === undefined) return size;
  if (family !== AF_MPLS) return appendRouteEncap(buffer, offset, size, encap);
  if (encap.type !== LWTUNNEL_ENCAP_MPLS || encap.labels.length === 0) return size;
  labelStack.write(labels.reset(), encap.labels, family);
  return appendAttribute(buffer, offset, size, RTA_NEWDST, labels.message);
}

const NO_BYTES = new Uint8Array(0);

/**
 * What one route message says. One view serves for a whole dump: `decode` overwrites it. A route of an MPLS label (family
 * AF_MPLS) has the label in `w0`, and as the encap of its paths what the label is replaced by.
 */
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
  /** LWTUNNEL_ENCAP_* of what the path does to packets, 0 = nothing; `pathEncap` reads it. */
  readonly pathEncapType: Uint16Array = new Uint16Array(256);
  /** Where its value is in the bytes decoded, and its length. */
  readonly pathEncapAt: Uint32Array = new Uint32Array(256);
  readonly pathEncapLength: Uint16Array = new Uint16Array(256);
  /** The address that packets of this host get, where the route names one. */
  hasPreferredSource = false;
  readonly preferredSource: Uint32Array = new Uint32Array(4);
  /** Whether it carries RTA_METRICS or RTA_SRC: what this view leaves out. */
  decorated = false;
  #bytes: Uint8Array = NO_BYTES;

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
    this.hasPreferredSource = false;
    this.decorated = false;
    this.#bytes = bytes;
    let ifindex = 0;
    let gatewayAt = 0;
    let gatewayLength = 0;
    let encapType = 0;
    let encapAt = 0;
    let encapLength = 0;
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
          gatewayLength = viaLength(bytes, value, length - 4);
          break;
        case RTA_MULTIPATH:
          this.#multipath(bytes, value, i + length);
          break;
        case RTA_ENCAP_TYPE:
          encapType = little16(bytes, value);
          break;
        case RTA_NEWDST:
          encapType = LWTUNNEL_ENCAP_MPLS;
          encapAt = value;
          encapLength = length - 4;
          break;
        case RTA_ENCAP:
          encapAt = value;
          encapLength = length - 4;
          break;
        case RTA_PREFSRC:
          this.hasPreferredSource = true;
          for (let w = 0; w < 4; w++)
            this.preferredSource[w] = 4 * w + 8 <= length ? readWord(bytes, value + 4 * w) : 0;
          break;
        case RTA_METRICS:
        case RTA_SRC:
          this.decorated = true;
          break;
        default:
      }
      i += (length + 3) & ~3;
    }
    if (this.family === AF_MPLS) this.w0 >>>= 12;
    if (this.pathCount === 0 && (ifindex !== 0 || gatewayLength > 0)) {
      this.#path(ifindex, this.flags & 0xff, 1, bytes, gatewayAt, gatewayLength, encapType, encapAt, encapLength);
    }
    return true;
  }

  /** What path `i` does to packets, as a value; undefined where nothing, or nothing that we know. Of the bytes last decoded. */
  pathEncap(i: number): Encap | undefined {
    const type = this.pathEncapType[i]!;
    if (type === 0) return undefined;
    const at = this.pathEncapAt[i]!;
    const length = this.pathEncapLength[i]!;
    if (this.family !== AF_MPLS) return decodeEncap(type, this.#bytes, at, length);
    return { type: LWTUNNEL_ENCAP_MPLS, labels: labelStack.read(this.#bytes, at, length, AF_MPLS) };
  }

  /** Path `i` as a value. */
  path(i: number): RoutePath {
    const family = this.pathGatewayFamily[i]!;
    const g = this.pathGateway;
    const encap = this.pathEncap(i);
    return {
      ifindex: this.pathIfindex[i]!,
      gatewayFamily: family as Family | 0,
      gateway: [g[4 * i]!, g[4 * i + 1]!, g[4 * i + 2]!, g[4 * i + 3]!],
      flags: this.pathFlags[i]!,
      weight: this.pathWeight[i]!,
      ...(encap && { encap }),
    };
  }

  #multipath(bytes: Uint8Array, from: number, end: number): void {
    for (let i = from; i + 8 <= end; ) {
      const length = bytes[i]! | (bytes[i + 1]! << 8);
      if (length < 8 || i + length > end) break;
      let gatewayAt = 0;
      let gatewayLength = 0;
      let encapType = 0;
      let encapAt = 0;
      let encapLength = 0;
      for (let a = i + 8; a + 4 <= i + length; ) {
        const size = bytes[a]! | (bytes[a + 1]! << 8);
        if (size < 4 || a + size > i + length) break;
        const value = a + 4;
        switch (bytes[a + 2]! | ((bytes[a + 3]! & 0x3f) << 8)) {
          case RTA_GATEWAY:
            gatewayAt = value;
            gatewayLength = size - 4;
            break;
          case RTA_VIA:
            gatewayAt = value + 2;
            gatewayLength = viaLength(bytes, value, size - 4);
            break;
          case RTA_ENCAP_TYPE:
            encapType = little16(bytes, value);
            break;
          case RTA_NEWDST:
            encapType = LWTUNNEL_ENCAP_MPLS;
            encapAt = value;
            encapLength = size - 4;
            break;
          case RTA_ENCAP:
            encapAt = value;
            encapLength = size - 4;
            break;
          default:
        }
        a += (size + 3) & ~3;
      }
      this.#path(
        little32(bytes, i + 4),
        bytes[i + 2]!,
        bytes[i + 3]! + 1,
        bytes,
        gatewayAt,
        gatewayLength,
        encapType,
        encapAt,
        encapLength,
      );
      i += (length + 3) & ~3;
    }
  }

  #path(
    ifindex: number,
    flags: number,
    weight: number,
    bytes: Uint8Array,
    at: number,
    length: number,
    encapType: number,
    encapAt: number,
    encapLength: number,
  ): void {
    const i = this.pathCount;
    if (i === 256) return;
    this.pathCount = i + 1;
    this.pathEncapType[i] = encapLength > 0 ? encapType : 0;
    this.pathEncapAt[i] = encapAt;
    this.pathEncapLength[i] = encapLength;
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

/** Bytes of the address in RTA_VIA; that of a link layer is none of ours. */
function viaLength(bytes: Uint8Array, at: number, length: number): number {
  const family = little16(bytes, at);
  return family === AF_INET || family === AF_INET6 ? length - 2 : 0;
}
