// An attribute set as a plain object: for `show`, for routes that start here, and for tests. Never on the hot path.
import {
  AF_INET,
  AF_INET6,
  type AddressWords,
  type Family,
  readAddress,
  readWord,
  writeWord,
} from '../../net/index.ts';
import {
  ATTR_AGGREGATOR,
  ATTR_AS_PATH,
  ATTR_ATOMIC_AGGREGATE,
  ATTR_CLUSTER_LIST,
  ATTR_COMMUNITIES,
  ATTR_EXTENDED_COMMUNITIES,
  ATTR_INTERNAL,
  ATTR_LARGE_COMMUNITIES,
  ATTR_LOCAL_PREF,
  ATTR_MED,
  ATTR_NEXT_HOP,
  ATTR_ORIGIN,
  ATTR_ORIGINATOR_ID,
  ATTR_OTC,
  type AttributeWriter,
  attributeTypes,
  FLAG_EXTENDED,
  FLAG_OPTIONAL,
  FLAG_TRANSITIVE,
  SEGMENT_CONFED_SEQUENCE,
  SEGMENT_CONFED_SET,
  SEGMENT_SET,
} from '../wire/attribute.ts';
import { decodeInternal, encodeInternal, type InternalAttribute } from './internal-attribute.ts';

export interface AsPathSegment {
  type: 'set' | 'sequence' | 'confed-sequence' | 'confed-set';
  as: number[];
}

export interface NextHopAddress {
  family: Family;
  words: AddressWords;
  /** The link-local address that came with a global IPv6 one (RFC 2545 §3). */
  linkLocal?: AddressWords;
}

export interface AttributeSet extends InternalAttribute {
  /** 0 IGP, 1 EGP, 2 incomplete. */
  origin: number;
  asPath: AsPathSegment[];
  nextHop?: NextHopAddress;
  med?: number;
  localPref?: number;
  atomicAggregate: boolean;
  aggregator?: { as: number; routerId: number };
  communities: number[];
  /** Eight octets each. */
  extendedCommunities: Uint8Array[];
  largeCommunities: [number, number, number][];
  originatorId?: number;
  clusterList: number[];
  /** The AS from which on the route goes to customers only (RFC 9234). */
  otc?: number;
  /** Transitive attributes that this speaker does not know, passed on as they came. */
  unknown: { flags: number; code: number; value: Uint8Array }[];
}

const SEGMENT_NAMES: readonly AsPathSegment['type'][] = ['set', 'sequence', 'confed-sequence', 'confed-set'];

/** AS_PATH of 4-octet numbers to segments. */
export function decodeAsPath(bytes: Uint8Array, from: number, end: number): AsPathSegment[] {
  const segments: AsPathSegment[] = [];
  for (let at = from; at < end; ) {
    const type = SEGMENT_NAMES[bytes[at]! - 1] ?? 'set';
    const count = bytes[at + 1]!;
    at += 2;
    const as: number[] = [];
    for (let i = 0; i < count; i++, at += 4) as.push(readWord(bytes, at));
    segments.push({ type, as });
  }
  return segments;
}

/** `65001 65002 {1,2} (65010) [65011,65012]`, as every router prints it. */
export function formatAsPath(bytes: Uint8Array, from: number, end: number): string {
  let text = '';
  for (let at = from; at < end; ) {
    const type = bytes[at]!;
    const count = bytes[at + 1]!;
    at += 2;
    let segment = '';
    const joint = type === SEGMENT_SET || type === SEGMENT_CONFED_SET ? ',' : ' ';
    for (let i = 0; i < count; i++, at += 4) segment += (i === 0 ? '' : joint) + readWord(bytes, at);
    if (type === SEGMENT_SET) segment = `{${segment}}`;
    else if (type === SEGMENT_CONFED_SEQUENCE) segment = `(${segment})`;
    else if (type === SEGMENT_CONFED_SET) segment = `[${segment}]`;
    text += (text === '' ? '' : ' ') + segment;
  }
  return text;
}

function words(bytes: Uint8Array, from: number, end: number): number[] {
  const list: number[] = [];
  for (let at = from; at + 4 <= end; at += 4) list.push(readWord(bytes, at));
  return list;
}

/** The canonical set in the range, as an object. */
export function decodeAttributes(bytes: Uint8Array, from: number, end: number): AttributeSet {
  const set: AttributeSet = {
    origin: 2,
    asPath: [],
    atomicAggregate: false,
    communities: [],
    extendedCommunities: [],
    largeCommunities: [],
    clusterList: [],
    unknown: [],
  };
  for (let at = from; at < end; ) {
    const flags = bytes[at]!;
    const code = bytes[at + 1]!;
    let length = bytes[at + 2]!;
    if ((flags & FLAG_EXTENDED) !== 0) {
      length = (length << 8) | bytes[at + 3]!;
      at++;
    }
    at += 3;
    const next = at + length;
    switch (code) {
      case ATTR_INTERNAL:
        Object.assign(set, decodeInternal(bytes, at));
        break;
      case ATTR_ORIGIN:
        set.origin = bytes[at]!;
        break;
      case ATTR_AS_PATH:
        set.asPath = decodeAsPath(bytes, at, next);
        break;
      case ATTR_NEXT_HOP: {
        const family = length === 4 ? AF_INET : AF_INET6;
        set.nextHop = { family, words: readAddress(family, bytes, at) };
        if (length === 32) set.nextHop.linkLocal = readAddress(AF_INET6, bytes, at + 16);
        break;
      }
      case ATTR_MED:
        set.med = readWord(bytes, at);
        break;
      case ATTR_LOCAL_PREF:
        set.localPref = readWord(bytes, at);
        break;
      case ATTR_ATOMIC_AGGREGATE:
        set.atomicAggregate = true;
        break;
      case ATTR_AGGREGATOR:
        set.aggregator = { as: readWord(bytes, at), routerId: readWord(bytes, at + 4) };
        break;
      case ATTR_COMMUNITIES:
        set.communities = words(bytes, at, next);
        break;
      case ATTR_ORIGINATOR_ID:
        set.originatorId = readWord(bytes, at);
        break;
      case ATTR_CLUSTER_LIST:
        set.clusterList = words(bytes, at, next);
        break;
      case ATTR_EXTENDED_COMMUNITIES:
        for (let i = at; i < next; i += 8) set.extendedCommunities.push(bytes.slice(i, i + 8));
        break;
      case ATTR_OTC:
        set.otc = readWord(bytes, at);
        break;
      case ATTR_LARGE_COMMUNITIES:
        for (let i = at; i < next; i += 12) {
          set.largeCommunities.push([readWord(bytes, i), readWord(bytes, i + 4), readWord(bytes, i + 8)]);
        }
        break;
      default:
        set.unknown.push({ flags: flags & ~FLAG_EXTENDED, code, value: bytes.slice(at, next) });
    }
    at = next;
  }
  return set;
}

/** Value of AS_PATH; segments of more than 255 numbers are split. */
export function encodeAsPath(segments: readonly AsPathSegment[]): Uint8Array {
  const octets: number[] = [];
  for (const segment of segments) {
    for (let from = 0; from < segment.as.length; from += 255) {
      const part = segment.as.slice(from, from + 255);
      octets.push(SEGMENT_NAMES.indexOf(segment.type) + 1, part.length);
      for (const as of part) octets.push(as >>> 24, (as >>> 16) & 255, (as >>> 8) & 255, as & 255);
    }
  }
  return Uint8Array.from(octets);
}

/** Octets of words in network order. */
export function encodeWords(list: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(list.length * 4);
  for (let i = 0; i < list.length; i++) writeWord(bytes, i * 4, list[i]!);
  return bytes;
}

/** Value of attribute 3: 4, 16 or 32 octets. */
export function encodeNextHop(hop: NextHopAddress): Uint8Array {
  if (hop.family === AF_INET) return encodeWords([hop.words[0]]);
  return encodeWords(hop.linkLocal ? [...hop.words, ...hop.linkLocal] : hop.words);
}

/** Flags that an attribute carries when this speaker writes it. */
export function flagsOf(code: number): number {
  return code === ATTR_INTERNAL ? 0 : (attributeTypes[code]?.flags ?? FLAG_OPTIONAL | FLAG_TRANSITIVE);
}

/** Appends the canonical form of an object to an empty writer, padded. */
export function encodeAttributes(set: Partial<AttributeSet>, to: AttributeWriter): void {
  const values = new Map<number, { flags: number; value: Uint8Array }>();
  const put = (code: number, value: Uint8Array): void => {
    values.set(code, { flags: flagsOf(code), value });
  };
  const internal = encodeInternal(set);
  if (internal !== undefined) put(ATTR_INTERNAL, internal);
  put(ATTR_ORIGIN, Uint8Array.of(set.origin ?? 2));
  put(ATTR_AS_PATH, encodeAsPath(set.asPath ?? []));
  if (set.nextHop) put(ATTR_NEXT_HOP, encodeNextHop(set.nextHop));
  if (set.med !== undefined) put(ATTR_MED, encodeWords([set.med]));
  if (set.localPref !== undefined) put(ATTR_LOCAL_PREF, encodeWords([set.localPref]));
  if (set.atomicAggregate) put(ATTR_ATOMIC_AGGREGATE, new Uint8Array(0));
  if (set.aggregator) put(ATTR_AGGREGATOR, encodeWords([set.aggregator.as, set.aggregator.routerId]));
  if (set.communities?.length) put(ATTR_COMMUNITIES, encodeWords(set.communities));
  if (set.originatorId !== undefined) put(ATTR_ORIGINATOR_ID, encodeWords([set.originatorId]));
  if (set.clusterList?.length) put(ATTR_CLUSTER_LIST, encodeWords(set.clusterList));
  if (set.extendedCommunities?.length) put(ATTR_EXTENDED_COMMUNITIES, Buffer.concat(set.extendedCommunities));
  if (set.largeCommunities?.length) put(ATTR_LARGE_COMMUNITIES, encodeWords(set.largeCommunities.flat()));
  if (set.otc !== undefined) put(ATTR_OTC, encodeWords([set.otc]));
  for (const { flags, code, value } of set.unknown ?? []) values.set(code, { flags, value });
  for (const [code, { flags, value }] of [...values].sort((a, b) => a[0] - b[0])) {
    to.header(flags, code, value.length);
    to.copy(value, 0, value.length);
  }
  to.pad();
}
