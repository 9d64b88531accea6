// One pass over an UPDATE: it finds the ranges, checks every field, and says what a fault costs (RFC 7606) as a value.
// Nothing is copied and nothing is allocated; the answer is one object per session, overwritten by the next message.
//
//    +-----------------+-----------+----------------+---------+--------------------------+---------+
//    | marker, length, | withdrawn | withdrawn IPv4 | total   | path attributes          | IPv4    |
//    | type (19)       | bytes (2) | prefixes       | attr (2)| (MP_REACH, MP_UNREACH    | NLRI    |
//    |                 |           |                |         |  hold the other families)|         |
//    +-----------------+-----------+----------------+---------+--------------------------+---------+
//
// What goes on to the attribute store is not the message's own bytes but their canonical form, so that two speakers who
// say the same thing in different spelling share one set: codes ascending, short lengths where they fit, 4-octet AS
// numbers (AS4_PATH merged in), and the next hop always in attribute 3, with 4, 16 or 32 octets, wherever it stood.
import { AF_INET, AF_INET6 } from '../../net/index.ts';
import {
  ACTION_DISCARD,
  ACTION_OK,
  ACTION_RESET,
  ACTION_WITHDRAW,
  AS_TRANS,
  ATTR_AGGREGATOR,
  ATTR_AS4_AGGREGATOR,
  ATTR_AS4_PATH,
  ATTR_AS_PATH,
  ATTR_INTERNAL,
  ATTR_LOCAL_PREF,
  ATTR_MP_REACH,
  ATTR_MP_UNREACH,
  ATTR_NEXT_HOP,
  ATTR_ORIGIN,
  ATTRIBUTE_FLAGS_ERROR,
  ATTRIBUTE_LENGTH_ERROR,
  type Action,
  type AttributeContext,
  AttributeWriter,
  asPathLength,
  attributeName,
  attributeTypes,
  FLAG_EXTENDED,
  FLAG_OPTIONAL,
  FLAG_PARTIAL,
  FLAG_TRANSITIVE,
  INVALID_NETWORK_FIELD,
  INVALID_NEXT_HOP,
  isHost,
  MALFORMED_AS_PATH,
  MALFORMED_ATTRIBUTE_LIST,
  MISSING_WELL_KNOWN,
  mergeAsPaths,
  OPTIONAL_ATTRIBUTE_ERROR,
  SEGMENT_CONFED_SEQUENCE,
  SEGMENT_SEQUENCE,
  UNRECOGNIZED_WELL_KNOWN,
  UPDATE_MESSAGE_ERROR,
  widenAsPath,
} from './attribute.ts';
import { type FamilyCode, familyOf, IPV4_VPN, IPV6_VPN, ROUTE_TARGET, SAFI_ROUTE_TARGET, SAFI_VPN } from './family.ts';
import { checkNlri, checkPrefixes, PATH_ID_BYTES } from './nlri.ts';

export const HEADER_BYTES = 19;
const MESSAGE_UPDATE = 2;

/** What the session agreed on, as far as UPDATEs read differently for it. */
export interface UpdateSession extends AttributeContext {
  /** Multiprotocol families in use; IPv4 prefixes outside MP attributes are always understood. */
  ipv4: boolean;
  ipv6: boolean;
  /** Families beside unicast. */
  others?: readonly FamilyCode[];
  /** Families whose prefixes come with path identifiers (RFC 7911), in whichever field they stand. */
  addPath?: readonly FamilyCode[];
  /** The AS that must stand first in AS_PATH, 0 for no check (RFC 4271 §6.3). */
  firstAs: number;
}

/** A parsed UPDATE: ranges into `bytes`. Valid until the next `parse`. */
export interface ParsedUpdate {
  bytes: Uint8Array;
  /** The worst that any fault costs. RESET: nothing below may be used. WITHDRAW: announced prefixes count as withdrawn. */
  action: Action;
  /** Of the worst fault: NOTIFICATION subcode, attribute code (-1: none) and the octets for the NOTIFICATION's data. */
  subcode: number;
  attribute: number;
  faultStart: number;
  faultEnd: number;
  /** IPv4 prefixes outside the MP attributes. */
  withdrawnStart: number;
  withdrawnEnd: number;
  nlriStart: number;
  nlriEnd: number;
  /** MP_REACH_NLRI: family (0: none, or one that is not in use), prefixes. */
  reachFamily: 0 | FamilyCode;
  reachStart: number;
  reachEnd: number;
  /** MP_UNREACH_NLRI. */
  unreachFamily: 0 | FamilyCode;
  unreachStart: number;
  unreachEnd: number;
  /** End-of-RIB for this family (RFC 4724 §2), else 0. */
  endOfRib: 0 | FamilyCode;
}

export class UpdateParser implements ParsedUpdate {
  bytes: Uint8Array = new Uint8Array(0);
  action: Action = ACTION_OK;
  subcode = 0;
  attribute = -1;
  faultStart = 0;
  faultEnd = 0;
  withdrawnStart = 0;
  withdrawnEnd = 0;
  nlriStart = 0;
  nlriEnd = 0;
  reachFamily: 0 | FamilyCode = 0;
  reachStart = 0;
  reachEnd = 0;
  unreachFamily: 0 | FamilyCode = 0;
  unreachStart = 0;
  unreachEnd = 0;
  endOfRib: 0 | FamilyCode = 0;
  /** Where `canonical` leaves its octets. */
  readonly writer: AttributeWriter = new AttributeWriter();

  /** Attributes dropped since the session began (RFC 7606 "attribute discard"), unknown non-transitive ones not counted. */
  discarded = 0;

  readonly #session: UpdateSession;
  readonly #confed: boolean;
  readonly #others: readonly FamilyCode[];
  readonly #addPath: readonly FamilyCode[];
  readonly #idBytes4: number;
  // The attributes kept, in order of arrival. A code may stand once, so 256 rows are enough.
  readonly #codes = new Uint8Array(256);
  readonly #flags = new Uint8Array(256);
  readonly #starts = new Uint32Array(256);
  readonly #ends = new Uint32Array(256);
  /** Row + 1 by code. */
  readonly #row = new Uint16Array(256);
  #count = 0;
  #ascending = true;
  // Where the next hop's octets begin, how many they are, and what lies between its two addresses.
  #reachHop = 0;
  #reachHopLength = 0;
  #reachHopGap = 0;
  readonly #path = new AttributeWriter(1024);

  constructor(session: UpdateSession) {
    this.#session = session;
    this.#confed = session.confed === true;
    this.#others = session.others ?? [];
    this.#addPath = session.addPath ?? [];
    this.#idBytes4 = this.idBytes(AF_INET);
  }

  /** Octets of path identifier before each prefix of a family: 0 or 4. */
  idBytes(family: FamilyCode): number {
    return this.#addPath.includes(family) ? PATH_ID_BYTES : 0;
  }

  /** Another AS must stand first from now on; false where it is the same. */
  setFirstAs(as: number): boolean {
    if (this.#session.firstAs === as) return false;
    this.#session.firstAs = as;
    return true;
  }

  /**
   * Reads the UPDATE whose 19-octet header begins at `offset`; `length` counts from there. Its marker, length and type
   * were checked where messages are framed. Never throws, whatever the octets.
   */
  parse(bytes: Uint8Array, offset: number, length: number): ParsedUpdate {
    this.bytes = bytes;
    this.action = ACTION_OK;
    this.subcode = 0;
    this.attribute = -1;
    this.faultStart = this.faultEnd = 0;
    this.withdrawnStart = this.withdrawnEnd = this.nlriStart = this.nlriEnd = 0;
    this.reachFamily = this.unreachFamily = this.endOfRib = 0;
    this.reachStart = this.reachEnd = this.unreachStart = this.unreachEnd = 0;
    for (let i = 0; i < this.#count; i++) this.#row[this.#codes[i]!] = 0;
    this.#count = 0;
    this.#ascending = true;
    this.#reachHopLength = 0;

    const end = offset + length;
    let at = offset + HEADER_BYTES;
    // RFC 4271 §6.3: lengths that do not fit the message are a malformed attribute list, and nothing can be saved.
    if (length < HEADER_BYTES + 4 || end > bytes.length) return this.#reset(MALFORMED_ATTRIBUTE_LIST);
    const withdrawnBytes = (bytes[at]! << 8) | bytes[at + 1]!;
    at += 2;
    if (at + withdrawnBytes + 2 > end) return this.#reset(MALFORMED_ATTRIBUTE_LIST);
    this.withdrawnStart = at;
    at += withdrawnBytes;
    this.withdrawnEnd = at;
    const attributeBytes = (bytes[at]! << 8) | bytes[at + 1]!;
    at += 2;
    if (at + attributeBytes > end) return this.#reset(MALFORMED_ATTRIBUTE_LIST);
    this.nlriStart = at + attributeBytes;
    this.nlriEnd = end;

    if (withdrawnBytes > 0 && !checkPrefixes(bytes, this.withdrawnStart, this.withdrawnEnd, 32, this.#idBytes4)) {
      return this.#reset(INVALID_NETWORK_FIELD);
    }
    if (!checkPrefixes(bytes, this.nlriStart, end, 32, this.#idBytes4)) return this.#reset(INVALID_NETWORK_FIELD);

    this.#attributes(at, this.nlriStart);
    const announces = this.nlriEnd > this.nlriStart || this.#reachHopLength !== 0;
    // RFC 7606 §5.2: where nothing is announced, what was to be may stand behind the fault, unseen, and cannot be withdrawn.
    if ((this.action as Action) === ACTION_WITHDRAW && !announces && this.attribute !== ATTR_MP_UNREACH) {
      this.action = ACTION_RESET;
    }
    if ((this.action as Action) === ACTION_RESET) return this;
    if (this.nlriEnd > this.nlriStart || this.reachFamily !== 0) this.#mandatory();
    else if (withdrawnBytes === 0) {
      if (attributeBytes === 0) this.endOfRib = AF_INET;
      else if (this.unreachFamily !== 0 && this.unreachStart === this.unreachEnd && this.#count === 0) {
        this.endOfRib = this.unreachFamily;
      }
    }
    return this;
  }

  /** Octets for the data field of the NOTIFICATION that a RESET asks for; the code is UPDATE_MESSAGE_ERROR. */
  faultData(): Uint8Array {
    return this.bytes.slice(this.faultStart, this.faultEnd);
  }

  /** One line for the log about the worst fault. */
  describe(): string {
    const what = [
      'no fault',
      'malformed attribute list',
      'unknown well-known attribute',
      'missing well-known attribute',
      'attribute flags error',
      'attribute length error',
      'invalid ORIGIN',
      'AS routing loop',
      'invalid NEXT_HOP',
      'optional attribute error',
      'invalid network field',
      'malformed AS_PATH',
    ][this.subcode];
    const action = ['accepted', 'attribute discarded', 'treated as withdraw', 'session reset'][this.action];
    const hex = Buffer.from(this.faultData().subarray(0, 32)).toString('hex');
    return `${what ?? `error ${UPDATE_MESSAGE_ERROR}/${this.subcode}`}${this.attribute < 0 ? '' : ` in ${attributeName(this.attribute)}`}${hex ? ` (${hex})` : ''}: ${action}`;
  }

  /**
   * Writes the canonical set that the IPv4 NLRI (`reach` false) or the MP_REACH prefixes (true) were announced with into
   * `writer`, padded, behind `internal`, the value of what goes with it and is on no wire. Only after `parse` gave OK or DISCARD.
   */
  canonical(reach: boolean, internal?: Uint8Array): AttributeWriter {
    const to = this.writer;
    const bytes = this.bytes;
    to.length = 0;
    if (internal !== undefined) {
      to.header(0, ATTR_INTERNAL, internal.length);
      to.copy(internal, 0, internal.length);
    }
    if (!this.#ascending) this.#sort();
    let hop = !reach; // the next hop still has to be written (MP_REACH), before the first larger code
    for (let i = 0; i < this.#count; i++) {
      const code = this.#codes[i]!;
      const from = this.#starts[i]!;
      const end = this.#ends[i]!;
      if (!hop && code >= ATTR_NEXT_HOP) {
        this.#writeReachHop(to);
        hop = true;
      }
      if (code === ATTR_NEXT_HOP && reach) continue;
      if (!this.#session.as4) {
        if (code === ATTR_AS_PATH) {
          this.#writeOldAsPath(to, from, end);
          continue;
        }
        if (code === ATTR_AGGREGATOR) {
          this.#writeOldAggregator(to, i);
          continue;
        }
        if (code === ATTR_AS4_PATH || code === ATTR_AS4_AGGREGATOR) continue;
      }
      to.header(this.#flags[i]!, code, end - from);
      to.copy(bytes, from, end);
    }
    if (!hop) this.#writeReachHop(to);
    to.pad();
    return to;
  }

  // ----- attributes -----

  #attributes(from: number, end: number): void {
    const bytes = this.bytes;
    let at = from;
    let last = -1;
    while (at < end) {
      const start = at;
      // RFC 7606 §4: what follows an attribute that does not fit cannot be trusted; the NLRI still can.
      if (end - at < 3) return this.#fault(ACTION_WITHDRAW, MALFORMED_ATTRIBUTE_LIST, -1, start, end);
      const flags = bytes[at]!;
      const code = bytes[at + 1]!;
      let length = bytes[at + 2]!;
      at += 3;
      if ((flags & FLAG_EXTENDED) !== 0) {
        if (at === end) return this.#fault(ACTION_WITHDRAW, MALFORMED_ATTRIBUTE_LIST, code, start, end);
        length = (length << 8) | bytes[at]!;
        at++;
      }
      if (at + length > end) return this.#fault(ACTION_WITHDRAW, ATTRIBUTE_LENGTH_ERROR, code, start, end);
      const value = at;
      at += length;

      const type = attributeTypes[code];
      let kept = flags & (FLAG_OPTIONAL | FLAG_TRANSITIVE | FLAG_PARTIAL);
      if (type === undefined) {
        if ((flags & FLAG_OPTIONAL) === 0) {
          this.#fault(ACTION_RESET, UNRECOGNIZED_WELL_KNOWN, code, start, at);
          return;
        }
        // RFC 4271 §5: unknown and not transitive is quietly ignored; code 0 is ours alone.
        if ((flags & FLAG_TRANSITIVE) === 0 || code === ATTR_INTERNAL) continue;
      } else {
        // Beside MP_REACH_NLRI it means nothing, whatever it says (RFC 4760 §3).
        if (code === ATTR_NEXT_HOP && this.nlriStart === this.nlriEnd) continue;
        if (((flags ^ type.flags) & (FLAG_OPTIONAL | FLAG_TRANSITIVE)) !== 0) {
          this.#fault(ACTION_WITHDRAW, ATTRIBUTE_FLAGS_ERROR, code, start, at);
          // The prefixes in these are the ones to be withdrawn.
          if (code !== ATTR_MP_REACH && code !== ATTR_MP_UNREACH) continue;
        }
        const action = type.check(bytes, value, length, this.#session);
        if (action !== ACTION_OK) {
          this.#fault(action, type.subcode, code, start, at);
          if (action === ACTION_RESET) return;
          continue;
        }
        kept = type.flags | (flags & (type.flags >> 2) & (type.flags >> 1) & FLAG_PARTIAL);
        if (code === ATTR_MP_REACH || code === ATTR_MP_UNREACH) {
          if (code === ATTR_MP_REACH) this.#reach(value, at, start);
          else this.#unreach(value, at, start);
          if (this.action === ACTION_RESET) return;
          continue;
        }
      }
      if (this.#row[code] !== 0) {
        // RFC 7606 §3 (g): all but the first are dropped.
        this.#fault(ACTION_DISCARD, MALFORMED_ATTRIBUTE_LIST, code, start, at);
        continue;
      }
      if (code < last) this.#ascending = false;
      last = code;
      const row = this.#count++;
      this.#codes[row] = code;
      this.#flags[row] = kept;
      this.#starts[row] = value;
      this.#ends[row] = at;
      this.#row[code] = row + 1;
    }
  }

  #reach(value: number, end: number, start: number): void {
    const bytes = this.bytes;
    // RFC 7606 §3 (g): a second one makes it impossible to tell what was meant.
    if (this.#reachHopLength !== 0)
      return this.#fault(ACTION_RESET, MALFORMED_ATTRIBUTE_LIST, ATTR_MP_REACH, start, end);
    const family = this.#family(value);
    const hopLength = bytes[value + 3]!;
    this.#reachHop = value + 4;
    this.#reachHopLength = hopLength === 0 ? -1 : hopLength;
    if (family === 0) return;
    // A VPN's next hop is in a VPN of its own, of distinguisher 0 (RFC 4364 §4.3.2, RFC 4659 §3.2.1).
    const vpn = family === IPV4_VPN || family === IPV6_VPN;
    const gap = vpn ? 8 : 0;
    const octets = hopLength - (hopLength > 32 ? 2 * gap : gap);
    // RFC 2545 §3: global, or global and link-local; RFC 8950 §3 lets IPv4 prefixes have them too. RFC 4684 §4: one address.
    const narrow = octets === 4 && family !== AF_INET6 && family !== IPV6_VPN;
    if (octets !== 16 && !narrow && !(octets === 32 && family !== ROUTE_TARGET)) {
      return this.#fault(ACTION_RESET, OPTIONAL_ATTRIBUTE_ERROR, ATTR_MP_REACH, start, end);
    }
    this.#reachHop += gap;
    this.#reachHopLength = octets;
    this.#reachHopGap = gap;
    // One reserved octet between next hop and prefixes.
    const from = value + 5 + hopLength;
    if (!this.#checkPrefixes(family, from, end)) {
      return this.#fault(ACTION_RESET, OPTIONAL_ATTRIBUTE_ERROR, ATTR_MP_REACH, start, end);
    }
    this.reachFamily = family;
    this.reachStart = from;
    this.reachEnd = end;
    // The prefixes are known, so only they are lost by an address that can be nobody's.
    if (!isHost(bytes, this.#reachHop, octets === 4 ? 4 : 16)) {
      this.#fault(ACTION_WITHDRAW, INVALID_NEXT_HOP, ATTR_MP_REACH, start, end);
    }
  }

  #unreach(value: number, end: number, start: number): void {
    if (this.unreachStart !== 0)
      return this.#fault(ACTION_RESET, MALFORMED_ATTRIBUTE_LIST, ATTR_MP_UNREACH, start, end);
    const family = this.#family(value);
    this.unreachStart = value + 3;
    this.unreachEnd = end;
    if (family === 0) return;
    if (!this.#checkPrefixes(family, value + 3, end)) {
      return this.#fault(ACTION_RESET, OPTIONAL_ATTRIBUTE_ERROR, ATTR_MP_UNREACH, start, end);
    }
    this.unreachFamily = family;
  }

  #checkPrefixes(family: FamilyCode, from: number, end: number): boolean {
    return checkNlri(this.bytes, from, end, family, this.idBytes(family));
  }

  /** AFI and SAFI at `at` to a family in use, or 0. */
  #family(at: number): 0 | FamilyCode {
    const bytes = this.bytes;
    if (bytes[at] !== 0) return 0;
    const afi = bytes[at + 1];
    const safi = bytes[at + 2];
    if (safi === 1) {
      if (afi === 1 && this.#session.ipv4) return AF_INET;
      if (afi === 2 && this.#session.ipv6) return AF_INET6;
      return 0;
    }
    let other: 0 | FamilyCode = 0;
    if (safi === SAFI_VPN) other = afi === 1 ? IPV4_VPN : afi === 2 ? IPV6_VPN : 0;
    else if (safi === SAFI_ROUTE_TARGET && afi === 1) other = ROUTE_TARGET;
    return other !== 0 && this.#others.includes(other) ? other : 0;
  }

  /** What must be there when something is announced (RFC 4271 §5, RFC 7606 §3 (d)). */
  #mandatory(): void {
    const row = this.#row;
    let missing = -1;
    if (row[ATTR_ORIGIN] === 0) missing = ATTR_ORIGIN;
    else if (row[ATTR_AS_PATH] === 0) missing = ATTR_AS_PATH;
    else if (row[ATTR_NEXT_HOP] === 0 && this.nlriEnd > this.nlriStart) missing = ATTR_NEXT_HOP;
    else if (row[ATTR_LOCAL_PREF] === 0 && !this.#session.ebgp && !this.#confed) missing = ATTR_LOCAL_PREF;
    if (missing >= 0) return this.#fault(ACTION_WITHDRAW, MISSING_WELL_KNOWN, missing, 0, 0);
    const first = this.#session.firstAs;
    if (first === 0 && !this.#confed) return;
    const path = row[ATTR_AS_PATH]! - 1;
    const from = this.#starts[path]!;
    const end = this.#ends[path]!;
    const bytes = this.bytes;
    if (this.#confed) {
      // RFC 5065 §5: its own AS must stand there, as one of the confederation.
      if (end === from || bytes[from] !== SEGMENT_CONFED_SEQUENCE) {
        this.#fault(ACTION_WITHDRAW, MALFORMED_AS_PATH, ATTR_AS_PATH, from, end);
      }
      return;
    }
    let as = -1;
    if (end > from && bytes[from] === SEGMENT_SEQUENCE) {
      as = (bytes[from + 2]! << 8) | bytes[from + 3]!;
      if (this.#session.as4) as = ((as << 16) | (bytes[from + 4]! << 8) | bytes[from + 5]!) >>> 0;
    }
    const expected = this.#session.as4 || first < 65536 ? first : AS_TRANS;
    if (as !== expected) this.#fault(ACTION_WITHDRAW, MALFORMED_AS_PATH, ATTR_AS_PATH, from, end);
  }

  #fault(action: Action, subcode: number, attribute: number, start: number, end: number): void {
    if (action === ACTION_DISCARD) this.discarded++;
    if (action <= this.action) return;
    this.action = action;
    this.subcode = subcode;
    this.attribute = attribute;
    this.faultStart = start;
    this.faultEnd = end;
  }

  #reset(subcode: number): ParsedUpdate {
    this.#fault(ACTION_RESET, subcode, -1, 0, 0);
    return this;
  }

  // ----- canonical form -----

  #writeReachHop(to: AttributeWriter): void {
    const length = Math.max(this.#reachHopLength, 0);
    to.header(FLAG_TRANSITIVE, ATTR_NEXT_HOP, length);
    const global = Math.min(length, 16);
    const from = this.#reachHop;
    to.copy(this.bytes, from, from + global);
    const local = from + global + this.#reachHopGap;
    to.copy(this.bytes, local, local + length - global);
  }

  /** Whether AS4_PATH and AS4_AGGREGATOR count: not when AGGREGATOR shows a 2-octet AS that changed it (RFC 6793 §4.2.3). */
  #as4Counts(): boolean {
    const row = this.#row[ATTR_AGGREGATOR]! - 1;
    if (row < 0 || this.#row[ATTR_AS4_AGGREGATOR] === 0) return true;
    const at = this.#starts[row]!;
    return ((this.bytes[at]! << 8) | this.bytes[at + 1]!) === AS_TRANS;
  }

  #writeOldAsPath(to: AttributeWriter, from: number, end: number): void {
    const path = this.#path;
    const bytes = this.bytes;
    path.length = 0;
    const row = this.#row[ATTR_AS4_PATH]! - 1;
    if (row >= 0 && this.#as4Counts()) {
      const from4 = this.#starts[row]!;
      const end4 = this.#ends[row]!;
      path.need((end - from) * 2 + (end4 - from4));
      if (asPathLength(bytes, from, end, 2) >= asPathLength(bytes, from4, end4, 4)) {
        mergeAsPaths(path, bytes, from, end, from4, end4);
      } else widenAsPath(path, bytes, from, end);
    } else {
      path.need((end - from) * 2);
      widenAsPath(path, bytes, from, end);
    }
    to.header(FLAG_TRANSITIVE, ATTR_AS_PATH, path.length);
    to.copy(path.bytes, 0, path.length);
  }

  #writeOldAggregator(to: AttributeWriter, row: number): void {
    const bytes = this.bytes;
    const at = this.#starts[row]!;
    const as4 = this.#row[ATTR_AS4_AGGREGATOR]! - 1;
    to.header(this.#flags[row]!, ATTR_AGGREGATOR, 8);
    if (as4 >= 0 && this.#as4Counts()) to.copy(bytes, this.#starts[as4]!, this.#ends[as4]!);
    else {
      to.word((bytes[at]! << 8) | bytes[at + 1]!);
      to.copy(bytes, at + 2, at + 6);
    }
  }

  /** Rows by code. Rare: every speaker we know sends them in order. */
  #sort(): void {
    const order = Array.from({ length: this.#count }, (_, i) => i).sort((a, b) => this.#codes[a]! - this.#codes[b]!);
    const codes = this.#codes.slice();
    const flags = this.#flags.slice();
    const starts = this.#starts.slice();
    const ends = this.#ends.slice();
    for (let i = 0; i < order.length; i++) {
      const from = order[i]!;
      this.#codes[i] = codes[from]!;
      this.#flags[i] = flags[from]!;
      this.#starts[i] = starts[from]!;
      this.#ends[i] = ends[from]!;
      this.#row[codes[from]!] = i + 1;
    }
    this.#ascending = true;
  }
}

/** Writes the 19-octet header and the two length fields' places of an UPDATE; returns the offset behind the header. */
export function beginUpdate(bytes: Uint8Array, offset: number): number {
  bytes.fill(255, offset, offset + 16);
  bytes[offset + 18] = MESSAGE_UPDATE;
  return offset + HEADER_BYTES;
}

/** Sets the message length; returns it. */
export function endUpdate(bytes: Uint8Array, offset: number, end: number): number {
  const length = end - offset;
  bytes[offset + 16] = length >>> 8;
  bytes[offset + 17] = length;
  return length;
}

/** Where the prefixes of a message that only withdraws begin: IPv6's behind MP_UNREACH_NLRI's header (RFC 4760 §4). */
export function withdrawalsStart(family: FamilyCode): number {
  return family === AF_INET ? 21 : 30;
}

/** Ends a message at offset 0 that withdraws the prefixes from `withdrawalsStart` to `end`; returns its length. */
export function endWithdrawals(bytes: Uint8Array, family: FamilyCode, end: number): number {
  if (family === AF_INET) {
    bytes[19] = (end - 21) >>> 8;
    bytes[20] = end - 21;
    bytes[end] = bytes[end + 1] = 0;
    return endUpdate(bytes, 0, end + 2);
  }
  bytes[19] = bytes[20] = 0;
  bytes[21] = (end - 23) >>> 8;
  bytes[22] = end - 23;
  bytes[23] = FLAG_OPTIONAL | FLAG_EXTENDED;
  bytes[24] = ATTR_MP_UNREACH;
  bytes[25] = (end - 27) >>> 8;
  bytes[26] = end - 27;
  const { afi, safi } = familyOf(family);
  bytes[27] = 0;
  bytes[28] = afi;
  bytes[29] = safi;
  return endUpdate(bytes, 0, end);
}

/** Writes End-of-RIB for `family` (RFC 4724 §2); returns its length. */
export function writeEndOfRib(bytes: Uint8Array, offset: number, family: FamilyCode): number {
  let at = beginUpdate(bytes, offset);
  bytes[at++] = 0;
  bytes[at++] = 0;
  bytes[at++] = 0;
  if (family === AF_INET) bytes[at++] = 0;
  else {
    bytes[at++] = 6;
    bytes[at++] = FLAG_OPTIONAL;
    bytes[at++] = ATTR_MP_UNREACH;
    bytes[at++] = 3;
    const { afi, safi } = familyOf(family);
    bytes[at++] = 0;
    bytes[at++] = afi;
    bytes[at++] = safi;
  }
  return endUpdate(bytes, offset, at);
}
