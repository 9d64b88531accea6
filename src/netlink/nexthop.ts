// RTM_NEWNEXTHOP, RTM_DELNEXTHOP, RTM_GETNEXTHOP: nexthop objects, single or groups of singles. Coded as routes are: from
// scalars into the buffer, and into a view that is used again.
//
// What only few of them have (an encap, use by a bridge, resilience) is appended to what the coder wrote.
import { AF_INET, type Family, readWord } from '../net/index.ts';
import { NESTED } from './attribute.ts';
import {
  appendAttribute,
  HEADER_BYTES,
  little16,
  little32,
  type MessageBuffer,
  swap32,
  writeHeader,
} from './buffer.ts';
import { RTM_DELNEXTHOP, RTM_NEWNEXTHOP, RTNH_F_ONLINK } from './constants.ts';
import { decodeEncap, type Encap } from './encap.ts';

const NHA_ID = 1;
const NHA_GROUP = 2;
const NHA_GROUP_TYPE = 3;
const NHA_BLACKHOLE = 4;
const NHA_OIF = 5;
const NHA_GATEWAY = 6;
const NHA_ENCAP_TYPE = 7;
const NHA_ENCAP = 8;
const NHA_FDB = 11;
const NHA_RES_GROUP = 12;

const NHA_RES_GROUP_BUCKETS = 1;
const NHA_RES_GROUP_IDLE_TIMER = 2;
const NHA_RES_GROUP_UNBALANCED_TIMER = 3;

/** NEXTHOP_GRP_TYPE_RES */
const RESILIENT = 1;

const BODY: number = HEADER_BYTES + 8;

/** Bytes that `a group message` needs for this many members. */
export function nexthopGroupBytes(members: number): number {
  return BODY + 8 + 4 + 8 * members;
}

/** `encodeNexthop` never needs more. */
export const NEXTHOP_BYTES_MAX = 64;

function fixed(buffer: MessageBuffer, offset: number, family: number, protocol: number, nhFlags: number): number {
  const words = buffer.words;
  const at = (offset + HEADER_BYTES) >> 2;
  words[at] = family | (protocol << 16);
  words[at + 1] = nhFlags;
  return at + 2;
}

/**
 * Writes RTM_NEWNEXTHOP for one path and returns its length. `family` is that of the routes that will use it; a gateway of
 * the other family (`gatewayFamily`) needs `family` of the gateway: the kernel lets IPv4 routes use an IPv6 object.
 * No interface (0) only where `appendNexthopFdb` follows.
 */
export function encodeNexthop(
  buffer: MessageBuffer,
  offset: number,
  sequence: number,
  flags: number,
  id: number,
  family: number,
  protocol: number,
  ifindex: number,
  gatewayFamily: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  onlink: boolean,
  blackhole: boolean,
): number {
  const words = buffer.words;
  let at = fixed(
    buffer,
    offset,
    gatewayFamily !== 0 ? gatewayFamily : family,
    protocol,
    onlink && !blackhole ? RTNH_F_ONLINK : 0,
  );
  words[at++] = 8 | (NHA_ID << 16);
  words[at++] = id;
  if (blackhole) words[at++] = 4 | (NHA_BLACKHOLE << 16);
  else {
    if (ifindex !== 0) {
      words[at++] = 8 | (NHA_OIF << 16);
      words[at++] = ifindex;
    }
    if (gatewayFamily === AF_INET) {
      words[at++] = 8 | (NHA_GATEWAY << 16);
      words[at++] = swap32(w0);
    } else if (gatewayFamily !== 0) {
      words[at++] = 20 | (NHA_GATEWAY << 16);
      words[at++] = swap32(w0);
      words[at++] = swap32(w1);
      words[at++] = swap32(w2);
      words[at++] = swap32(w3);
    }
  }
  const size = (at << 2) - offset;
  writeHeader(buffer, offset, size, RTM_NEWNEXTHOP, flags, sequence);
  return size;
}

/** Starts RTM_NEWNEXTHOP for a group; then `encodeGroupMember` for each, then `endNexthopGroup`. Returns the end so far. */
export function beginNexthopGroup(
  buffer: MessageBuffer,
  offset: number,
  sequence: number,
  flags: number,
  id: number,
  protocol: number,
): number {
  const words = buffer.words;
  let at = fixed(buffer, offset, 0, protocol, 0);
  words[at++] = 8 | (NHA_ID << 16);
  words[at++] = id;
  words[at++] = NHA_GROUP << 16;
  writeHeader(buffer, offset, 0, RTM_NEWNEXTHOP, flags, sequence);
  return at << 2;
}

/** Appends one member at `end`; weight from 1 to 256. */
export function encodeGroupMember(buffer: MessageBuffer, end: number, id: number, weight: number): number {
  const at = end >> 2;
  buffer.words[at] = id;
  buffer.words[at + 1] = Math.min(255, Math.max(0, weight - 1));
  return end + 8;
}

/** Writes the lengths; returns the message's. */
export function endNexthopGroup(buffer: MessageBuffer, offset: number, end: number): number {
  const group = (offset + BODY + 8) >> 2;
  buffer.words[group] = (end - (group << 2)) | (NHA_GROUP << 16);
  buffer.words[offset >> 2] = end - offset;
  return end - offset;
}

const NOTHING = new Uint8Array(0);

/**
 * Makes the object or group of `size` bytes at byte `offset` one of a bridge's forwarding table (the end of a VXLAN tunnel);
 * returns the new size, 4 bytes more.
 */
export function appendNexthopFdb(buffer: MessageBuffer, offset: number, size: number): number {
  return appendAttribute(buffer, offset, size, NHA_FDB, NOTHING);
}

const resilience = new Uint8Array(24);
const resilienceView = new DataView(resilience.buffer);

/**
 * Makes the group of `size` bytes at byte `offset` resilient: flows stay with their member while there is one. Timers in
 * hundredths of a second. Returns the new size, 36 bytes more.
 */
export function appendResilience(
  buffer: MessageBuffer,
  offset: number,
  size: number,
  buckets: number,
  idleTimer: number,
  unbalancedTimer: number,
): number {
  const put = (at: number, length: number, type: number): void => {
    resilienceView.setUint16(at, length, true);
    resilienceView.setUint16(at + 2, type, true);
  };
  put(0, 6, NHA_RES_GROUP_BUCKETS);
  resilienceView.setUint16(4, buckets, true);
  put(8, 8, NHA_RES_GROUP_IDLE_TIMER);
  resilienceView.setUint32(12, idleTimer, true);
  put(16, 8, NHA_RES_GROUP_UNBALANCED_TIMER);
  resilienceView.setUint32(20, unbalancedTimer, true);
  const typed = appendAttribute(buffer, offset, size, NHA_GROUP_TYPE, Uint8Array.of(RESILIENT, 0));
  return appendAttribute(buffer, offset, typed, NHA_RES_GROUP | NESTED, resilience);
}

export function encodeNexthopDelete(
  buffer: MessageBuffer,
  offset: number,
  sequence: number,
  flags: number,
  id: number,
): number {
  let at = fixed(buffer, offset, 0, 0, 0);
  buffer.words[at++] = 8 | (NHA_ID << 16);
  buffer.words[at++] = id;
  const size = (at << 2) - offset;
  writeHeader(buffer, offset, size, RTM_DELNEXTHOP, flags, sequence);
  return size;
}

/** What one nexthop message says; `decode` overwrites it. */
export class NexthopView {
  id = 0;
  family = 0;
  protocol = 0;
  scope = 0;
  /** RTNH_F_* */
  flags = 0;
  ifindex = 0;
  gatewayFamily: Family | 0 = 0;
  w0 = 0;
  w1 = 0;
  w2 = 0;
  w3 = 0;
  blackhole = false;
  /** One of a bridge's forwarding table. */
  fdb = false;
  /** LWTUNNEL_ENCAP_* of what it does to packets, 0 = nothing; `encap` reads it. */
  encapType = 0;
  /** Where its value is in the bytes decoded, and its length. */
  encapAt = 0;
  encapLength = 0;
  #bytes: Uint8Array = NOTHING;
  /** A group that keeps flows with their members, and its buckets; timers in hundredths of a second. */
  resilient = false;
  buckets = 0;
  idleTimer = 0;
  unbalancedTimer = 0;
  /** Members of a group: the first rows of the arrays below; 0 = not a group. */
  memberCount = 0;
  readonly memberId: Uint32Array = new Uint32Array(1024);
  readonly memberWeight: Uint16Array = new Uint16Array(1024);

  decode(bytes: Uint8Array, offset: number, size: number): boolean {
    if (size < BODY) return false;
    const view = new DataView(bytes.buffer, bytes.byteOffset + offset, size);
    this.family = view.getUint8(16);
    this.scope = view.getUint8(17);
    this.protocol = view.getUint8(18);
    this.flags = view.getUint32(20, true);
    this.id = 0;
    this.ifindex = 0;
    this.gatewayFamily = 0;
    this.w0 = 0;
    this.w1 = 0;
    this.w2 = 0;
    this.w3 = 0;
    this.blackhole = false;
    this.fdb = false;
    this.encapType = 0;
    this.encapLength = 0;
    this.#bytes = bytes;
    this.resilient = false;
    this.buckets = 0;
    this.idleTimer = 0;
    this.unbalancedTimer = 0;
    this.memberCount = 0;
    for (let i = BODY; i + 4 <= size; ) {
      const length = view.getUint16(i, true);
      if (length < 4 || i + length > size) break;
      const value = offset + i + 4;
      switch (view.getUint16(i + 2, true) & 0x3fff) {
        case NHA_ID:
          this.id = little32(bytes, value);
          break;
        case NHA_OIF:
          this.ifindex = little32(bytes, value);
          break;
        case NHA_BLACKHOLE:
          this.blackhole = true;
          break;
        case NHA_GATEWAY:
          this.gatewayFamily = length === 20 ? 10 : AF_INET;
          this.w0 = readWord(bytes, value);
          if (length === 20) {
            this.w1 = readWord(bytes, value + 4);
            this.w2 = readWord(bytes, value + 8);
            this.w3 = readWord(bytes, value + 12);
          }
          break;
        case NHA_GROUP:
          this.memberCount = Math.min(1024, (length - 4) >> 3);
          for (let m = 0; m < this.memberCount; m++) {
            this.memberId[m] = little32(bytes, value + 8 * m);
            // struct nexthop_grp: id, weight - 1 (low byte), its high byte.
            this.memberWeight[m] = little16(bytes, value + 4 + 8 * m) + 1;
          }
          break;
        case NHA_ENCAP_TYPE:
          this.encapType = little16(bytes, value);
          break;
        case NHA_ENCAP:
          this.encapAt = value;
          this.encapLength = length - 4;
          break;
        case NHA_FDB:
          this.fdb = true;
          break;
        case NHA_GROUP_TYPE:
          this.resilient = little16(bytes, value) === RESILIENT;
          break;
        case NHA_RES_GROUP:
          this.#resilience(bytes, value, offset + i + length);
          break;
        default:
      }
      i += (length + 3) & ~3;
    }
    return true;
  }

  /** What it does to packets, as a value; undefined where nothing, or nothing that we know. Of the bytes last decoded. */
  encap(): Encap | undefined {
    return decodeEncap(this.encapType, this.#bytes, this.encapAt, this.encapLength);
  }

  #resilience(bytes: Uint8Array, from: number, end: number): void {
    for (let i = from; i + 4 <= end; ) {
      const length = little16(bytes, i);
      if (length < 4 || i + length > end) break;
      switch (little16(bytes, i + 2)) {
        case NHA_RES_GROUP_BUCKETS:
          this.buckets = little16(bytes, i + 4);
          break;
        case NHA_RES_GROUP_IDLE_TIMER:
          this.idleTimer = little32(bytes, i + 4);
          break;
        case NHA_RES_GROUP_UNBALANCED_TIMER:
          this.unbalancedTimer = little32(bytes, i + 4);
          break;
        default:
      }
      i += (length + 3) & ~3;
    }
  }
}
