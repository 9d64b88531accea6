// Path attributes as data: one row for each code with its name, its flags on the wire and the check that RFC 7606 §7 asks
// for. The parser below it (update.ts) has no attribute's name in it except where an attribute changes what others mean
// (MP_REACH_NLRI, AS4_PATH); adding an attribute is one row here.
//
//     0                   1
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
//    +-+-+-+-+-------+---------------+----------------+---
//    |O|T|P|E| unused|  code         | length (1 or 2)| value …        (RFC 4271 §4.3)
//    +-+-+-+-+-------+---------------+----------------+---
//     O optional, T transitive, P partial, E extended length
import { readWord } from '../../net/index.ts';
import { PREFIX_SID_MALFORMED_SERVICE, PREFIX_SID_SOUND, prefixSidFault } from './prefix-sid.ts';

export const FLAG_OPTIONAL = 0x80;
export const FLAG_TRANSITIVE = 0x40;
export const FLAG_PARTIAL = 0x20;
export const FLAG_EXTENDED = 0x10;

/** What no peer is told (rib/internal-attribute.ts). Code 0 is reserved, so no peer can say it, and it sorts before all others. */
export const ATTR_INTERNAL = 0;
export const ATTR_ORIGIN = 1;
export const ATTR_AS_PATH = 2;
export const ATTR_NEXT_HOP = 3;
export const ATTR_MED = 4;
export const ATTR_LOCAL_PREF = 5;
export const ATTR_ATOMIC_AGGREGATE = 6;
export const ATTR_AGGREGATOR = 7;
export const ATTR_COMMUNITIES = 8;
export const ATTR_ORIGINATOR_ID = 9;
export const ATTR_CLUSTER_LIST = 10;
export const ATTR_MP_REACH = 14;
export const ATTR_MP_UNREACH = 15;
export const ATTR_EXTENDED_COMMUNITIES = 16;
export const ATTR_AS4_PATH = 17;
export const ATTR_AS4_AGGREGATOR = 18;
export const ATTR_LARGE_COMMUNITIES = 32;
export const ATTR_OTC = 35;
export const ATTR_PREFIX_SID = 40;

export const SEGMENT_SET = 1;
export const SEGMENT_SEQUENCE = 2;
export const SEGMENT_CONFED_SEQUENCE = 3;
export const SEGMENT_CONFED_SET = 4;
/** What a 2-octet speaker sees in place of a larger AS number (RFC 6793 §9). */
export const AS_TRANS = 23456;

export const COMMUNITY_GRACEFUL_SHUTDOWN = 0xffff0000; // RFC 8326
export const COMMUNITY_BLACKHOLE = 0xffff029a; // RFC 7999
export const COMMUNITY_NO_EXPORT = 0xffffff01;
export const COMMUNITY_NO_ADVERTISE = 0xffffff02;
export const COMMUNITY_NO_EXPORT_SUBCONFED = 0xffffff03;

/** What a fault costs (RFC 7606 §2): nothing, the attribute, the routes of the message, the session. */
export const ACTION_OK = 0;
export const ACTION_DISCARD = 1;
export const ACTION_WITHDRAW = 2;
export const ACTION_RESET = 3;
export type Action = typeof ACTION_OK | typeof ACTION_DISCARD | typeof ACTION_WITHDRAW | typeof ACTION_RESET;

/** NOTIFICATION code and subcodes of UPDATE errors (RFC 4271 §6.3). */
export const UPDATE_MESSAGE_ERROR = 3;
export const MALFORMED_ATTRIBUTE_LIST = 1;
export const UNRECOGNIZED_WELL_KNOWN = 2;
export const MISSING_WELL_KNOWN = 3;
export const ATTRIBUTE_FLAGS_ERROR = 4;
export const ATTRIBUTE_LENGTH_ERROR = 5;
export const INVALID_ORIGIN = 6;
export const INVALID_NEXT_HOP = 8;
export const OPTIONAL_ATTRIBUTE_ERROR = 9;
export const INVALID_NETWORK_FIELD = 10;
export const MALFORMED_AS_PATH = 11;

/** What a check must know of the session. */
export interface AttributeContext {
  /** With a neighbour outside our AS and our confederation. */
  ebgp: boolean;
  /** With one in another AS of our confederation (RFC 5065). */
  confed?: boolean;
  /** The AS numbers on this session have four octets. */
  as4: boolean;
}

export interface AttributeType {
  readonly code: number;
  readonly name: string;
  /** Optional and transitive bits that the attribute must carry. */
  readonly flags: number;
  /** Subcode that names a value fault. */
  readonly subcode: number;
  /** What the value costs the message; `offset` is its first byte. */
  check(bytes: Uint8Array, offset: number, length: number, session: AttributeContext): Action;
}

const WELL_KNOWN = FLAG_TRANSITIVE;
const OPTIONAL_TRANSITIVE = FLAG_OPTIONAL | FLAG_TRANSITIVE;

/**
 * Whether segments of `asBytes`-octet numbers fill the range exactly (RFC 7606 §7.2), AS 0 is not among them (RFC 7607), and
 * none is a confederation's where that has no business (RFC 5065 §4): `lastType` is the highest that has.
 */
export function wellFormedAsPath(
  bytes: Uint8Array,
  offset: number,
  length: number,
  asBytes: 2 | 4,
  lastType: number = SEGMENT_CONFED_SET,
): boolean {
  const end = offset + length;
  let at = offset;
  while (at < end) {
    if (end - at < 2) return false;
    const type = bytes[at]!;
    const count = bytes[at + 1]!;
    if (type < SEGMENT_SET || type > lastType || count === 0) return false;
    at += 2;
    const next = at + count * asBytes;
    if (next > end) return false;
    for (; at < next; at += asBytes) {
      if ((bytes[at]! | bytes[at + 1]!) !== 0) continue;
      if (asBytes === 2 || (bytes[at + 2]! | bytes[at + 3]!) === 0) return false;
    }
  }
  return true;
}

/** AS 0 is nobody's (RFC 7607). */
function isZero(bytes: Uint8Array, offset: number, length: number): boolean {
  for (let i = offset; i < offset + length; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** What can be no host: 0.0.0.0/8, 127.0.0.0/8, what is not unicast (RFC 4271 §6.3); ::, ::1, ff00::/8. */
export function isHost(bytes: Uint8Array, offset: number, length: number): boolean {
  const first = bytes[offset]!;
  if (length === 4) return first !== 0 && first !== 127 && first < 224;
  return first !== 255 && !(isZero(bytes, offset, 15) && bytes[offset + 15]! < 2);
}

function listOf(unit: number): AttributeType['check'] {
  return (_bytes, _offset, length) => (length > 0 && length % unit === 0 ? ACTION_OK : ACTION_WITHDRAW);
}

const word: AttributeType['check'] = (_bytes, _offset, length) => (length === 4 ? ACTION_OK : ACTION_WITHDRAW);
/** What says something inside an AS only: a neighbour in another one cannot mean it (RFC 7606 §7.9, §7.10). */
function internal(check: AttributeType['check']): AttributeType['check'] {
  return (bytes, offset, length, session) =>
    session.ebgp || session.confed === true ? ACTION_DISCARD : check(bytes, offset, length, session);
}

const rows: readonly AttributeType[] = [
  {
    code: ATTR_ORIGIN,
    name: 'ORIGIN',
    flags: WELL_KNOWN,
    subcode: INVALID_ORIGIN,
    check: (bytes, offset, length) => (length === 1 && bytes[offset]! <= 2 ? ACTION_OK : ACTION_WITHDRAW),
  },
  {
    code: ATTR_AS_PATH,
    name: 'AS_PATH',
    flags: WELL_KNOWN,
    subcode: MALFORMED_AS_PATH,
    check(bytes, offset, length, session) {
      const lastType = session.ebgp ? SEGMENT_SEQUENCE : SEGMENT_CONFED_SET;
      return wellFormedAsPath(bytes, offset, length, session.as4 ? 4 : 2, lastType) ? ACTION_OK : ACTION_WITHDRAW;
    },
  },
  {
    code: ATTR_NEXT_HOP,
    name: 'NEXT_HOP',
    flags: WELL_KNOWN,
    subcode: INVALID_NEXT_HOP,
    check: (bytes, offset, length) => (length === 4 && isHost(bytes, offset, 4) ? ACTION_OK : ACTION_WITHDRAW),
  },
  {
    code: ATTR_MED,
    name: 'MULTI_EXIT_DISC',
    flags: FLAG_OPTIONAL,
    subcode: OPTIONAL_ATTRIBUTE_ERROR,
    check: word,
  },
  {
    code: ATTR_LOCAL_PREF,
    name: 'LOCAL_PREF',
    flags: WELL_KNOWN,
    subcode: ATTRIBUTE_LENGTH_ERROR,
    // From outside the confederation it is not meant either (RFC 7606 §7.5).
    check: (bytes, offset, length, session) => (session.ebgp ? ACTION_DISCARD : word(bytes, offset, length, session)),
  },
  {
    code: ATTR_ATOMIC_AGGREGATE,
    name: 'ATOMIC_AGGREGATE',
    flags: WELL_KNOWN,
    subcode: ATTRIBUTE_LENGTH_ERROR,
    check: (_bytes, _offset, length) => (length === 0 ? ACTION_OK : ACTION_DISCARD),
  },
  {
    code: ATTR_AGGREGATOR,
    name: 'AGGREGATOR',
    flags: OPTIONAL_TRANSITIVE,
    subcode: OPTIONAL_ATTRIBUTE_ERROR,
    check(bytes, offset, length, session) {
      const asBytes = session.as4 ? 4 : 2;
      return length === asBytes + 4 && !isZero(bytes, offset, asBytes) ? ACTION_OK : ACTION_DISCARD;
    },
  },
  {
    code: ATTR_COMMUNITIES,
    name: 'COMMUNITIES',
    flags: OPTIONAL_TRANSITIVE,
    subcode: OPTIONAL_ATTRIBUTE_ERROR,
    check: listOf(4),
  },
  {
    code: ATTR_ORIGINATOR_ID,
    name: 'ORIGINATOR_ID',
    flags: FLAG_OPTIONAL,
    subcode: OPTIONAL_ATTRIBUTE_ERROR,
    check: internal(word),
  },
  {
    code: ATTR_CLUSTER_LIST,
    name: 'CLUSTER_LIST',
    flags: FLAG_OPTIONAL,
    subcode: OPTIONAL_ATTRIBUTE_ERROR,
    check: internal(listOf(4)),
  },
  {
    code: ATTR_MP_REACH,
    name: 'MP_REACH_NLRI',
    flags: FLAG_OPTIONAL,
    subcode: OPTIONAL_ATTRIBUTE_ERROR,
    // AFI, SAFI, next hop length, next hop, one reserved octet; its inside is the parser's work.
    check: (bytes, offset, length) => (length >= 5 && bytes[offset + 3]! + 5 <= length ? ACTION_OK : ACTION_RESET),
  },
  {
    code: ATTR_MP_UNREACH,
    name: 'MP_UNREACH_NLRI',
    flags: FLAG_OPTIONAL,
    subcode: OPTIONAL_ATTRIBUTE_ERROR,
    check: (_bytes, _offset, length) => (length >= 3 ? ACTION_OK : ACTION_RESET),
  },
  {
    code: ATTR_EXTENDED_COMMUNITIES,
    name: 'EXTENDED_COMMUNITIES',
    flags: OPTIONAL_TRANSITIVE,
    subcode: OPTIONAL_ATTRIBUTE_ERROR,
    check: listOf(8),
  },
  {
    code: ATTR_AS4_PATH,
    name: 'AS4_PATH',
    flags: OPTIONAL_TRANSITIVE,
    subcode: OPTIONAL_ATTRIBUTE_ERROR,
    // RFC 6793 §6: a malformed one is ignored, and so is any from a speaker that has no need of it (§4.1).
    check(bytes, offset, length, session) {
      if (session.as4 || length === 0) return ACTION_DISCARD;
      return wellFormedAsPath(bytes, offset, length, 4) ? ACTION_OK : ACTION_DISCARD;
    },
  },
  {
    code: ATTR_AS4_AGGREGATOR,
    name: 'AS4_AGGREGATOR',
    flags: OPTIONAL_TRANSITIVE,
    subcode: OPTIONAL_ATTRIBUTE_ERROR,
    check: (bytes, offset, length, session) =>
      !session.as4 && length === 8 && !isZero(bytes, offset, 4) ? ACTION_OK : ACTION_DISCARD,
  },
  {
    code: ATTR_LARGE_COMMUNITIES,
    name: 'LARGE_COMMUNITY',
    flags: OPTIONAL_TRANSITIVE,
    subcode: OPTIONAL_ATTRIBUTE_ERROR,
    check: listOf(12),
  },
  {
    // RFC 9234 §5; an AS of 0 can be nobody's (RFC 7607).
    code: ATTR_OTC,
    name: 'ONLY_TO_CUSTOMER',
    flags: OPTIONAL_TRANSITIVE,
    subcode: OPTIONAL_ATTRIBUTE_ERROR,
    check: (bytes, offset, length) => (length === 4 && !isZero(bytes, offset, 4) ? ACTION_OK : ACTION_WITHDRAW),
  },
  {
    code: ATTR_PREFIX_SID,
    name: 'PREFIX_SID',
    flags: OPTIONAL_TRANSITIVE,
    subcode: OPTIONAL_ATTRIBUTE_ERROR,
    check(bytes, offset, length) {
      const fault = prefixSidFault(bytes, offset, offset + length);
      if (fault === PREFIX_SID_SOUND) return ACTION_OK;
      return fault === PREFIX_SID_MALFORMED_SERVICE ? ACTION_WITHDRAW : ACTION_DISCARD;
    },
  },
];

/** Rows by code; undefined where this speaker does not know the code. */
export const attributeTypes: readonly (AttributeType | undefined)[] = Array.from({ length: 256 }, (_, code) =>
  rows.find(row => row.code === code),
);

/** Name of an attribute for messages. */
export function attributeName(code: number): string {
  return attributeTypes[code]?.name ?? `attribute ${code}`;
}

/**
 * Attributes on their way into or out of a set: a scratch area that grows to the largest message and is used again and
 * again. Kept zero-filled up to the next word, so that sets can be hashed and compared a word at a time.
 */
export class AttributeWriter {
  bytes: Uint8Array;
  words: Uint32Array;
  length = 0;

  constructor(capacity = 4096) {
    const buffer = new ArrayBuffer(capacity);
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
  }

  /** Makes sure that `more` bytes fit behind the present end. Call before any of the writes below. */
  need(more: number): void {
    if (this.length + more + 4 <= this.bytes.length) return;
    let capacity = this.bytes.length;
    while (this.length + more + 4 > capacity) capacity *= 2;
    const buffer = (this.bytes.buffer as ArrayBuffer).transfer(capacity);
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
  }

  /** Header of an attribute whose value follows; the length takes two octets only where it must. */
  header(flags: number, code: number, length: number): void {
    this.need(4 + length);
    const bytes = this.bytes;
    let at = this.length;
    if (length > 255) {
      bytes[at] = flags | FLAG_EXTENDED;
      bytes[at + 1] = code;
      bytes[at + 2] = length >>> 8;
      bytes[at + 3] = length;
      at += 4;
    } else {
      bytes[at] = flags & ~FLAG_EXTENDED;
      bytes[at + 1] = code;
      bytes[at + 2] = length;
      at += 3;
    }
    this.length = at;
  }

  byte(value: number): void {
    this.bytes[this.length++] = value;
  }

  word(value: number): void {
    const bytes = this.bytes;
    const at = this.length;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
    this.length = at + 4;
  }

  /** Copies bytes [from, end): short runs, where a loop beats `set`. */
  copy(source: Uint8Array, from: number, end: number): void {
    const bytes = this.bytes;
    let at = this.length;
    for (let i = from; i < end; i++) bytes[at++] = source[i]!;
    this.length = at;
  }

  /** Fills up to a whole word with zeros; the length stays. */
  pad(): void {
    const bytes = this.bytes;
    for (let at = this.length; (at & 3) !== 0; at++) bytes[at] = 0;
  }
}

/** ASes that count for the path's length: a set is one, confederation segments none (RFC 4271 §9.1.2.2 (a), RFC 5065 §5.3). */
export function asPathLength(bytes: Uint8Array, from: number, end: number, asBytes: 2 | 4): number {
  let length = 0;
  for (let at = from; at < end; ) {
    const type = bytes[at]!;
    const count = bytes[at + 1]!;
    if (type === SEGMENT_SEQUENCE) length += count;
    else if (type === SEGMENT_SET) length++;
    at += 2 + count * asBytes;
  }
  return length;
}

/** Copies segments of 2-octet numbers as 4-octet ones. */
export function widenAsPath(to: AttributeWriter, bytes: Uint8Array, from: number, end: number): void {
  for (let at = from; at < end; ) {
    const count = bytes[at + 1]!;
    to.byte(bytes[at]!);
    to.byte(count);
    at += 2;
    for (let i = 0; i < count; i++, at += 2) to.word((bytes[at]! << 8) | bytes[at + 1]!);
  }
}

/**
 * Writes the path of RFC 6793 §4.2.3: as many leading ASes of the 2-octet AS_PATH as AS4_PATH is shorter, then AS4_PATH.
 * The caller has written the attribute's header for `mergedAsPathBytes`.
 */
export function mergeAsPaths(
  to: AttributeWriter,
  bytes: Uint8Array,
  path: number,
  pathEnd: number,
  path4: number,
  path4End: number,
): void {
  let leading = asPathLength(bytes, path, pathEnd, 2) - asPathLength(bytes, path4, path4End, 4);
  for (let at = path; at < pathEnd; ) {
    const type = bytes[at]!;
    const count = bytes[at + 1]!;
    const weight = type === SEGMENT_SEQUENCE ? count : type === SEGMENT_SET ? 1 : 0;
    if (leading === 0 && weight > 0) break;
    // Part of a sequence, or a whole segment.
    const take = type === SEGMENT_SEQUENCE && count > leading ? leading : count;
    to.byte(type);
    to.byte(take);
    at += 2;
    for (let i = 0; i < take; i++, at += 2) to.word((bytes[at]! << 8) | bytes[at + 1]!);
    leading -= type === SEGMENT_SEQUENCE ? take : weight;
    if (take < count) break;
  }
  for (let at = path4; at < path4End; ) {
    const count = bytes[at + 1]!;
    const next = at + 2 + count * 4;
    // Confederation segments have no business in AS4_PATH (§4.2.2).
    if (bytes[at]! <= SEGMENT_SEQUENCE) to.copy(bytes, at, next);
    at = next;
  }
}

/** An AS number of the path contains `as` this many times; 4-octet segments. */
export function countAs(bytes: Uint8Array, from: number, end: number, as: number): number {
  let found = 0;
  for (let at = from; at < end; ) {
    const count = bytes[at + 1]!;
    at += 2;
    for (let i = 0; i < count; i++, at += 4) if (readWord(bytes, at) === as) found++;
  }
  return found;
}
