// The Prefix-SID attribute (RFC 8669 §3) as SRv6 VPNs use it (RFC 9252): the segment that a packet for the route is sent to, in TLVs of
// TLVs of TLVs, each `type (1), length (2), value`:
//
//    5: L3 service         | reserved (1) | sub-TLVs …
//      1: SID information    | reserved (1) | SID (16) | flags (1) | behavior (2) | reserved (1) | sub-sub-TLVs …
//        1: SID structure      | block | node | function | argument | transposition length | offset |     bits, an octet each
//
// The SID's bits say who (the locator: block and node) and what (function, argument). What differs from route to route may stand in the
// label of the prefix, so that many routes share one attribute; this is transposition (RFC 9252 §3.2.1, §4, errata 7652):
//
//    SID    | block | node | 0 … 0 | argument |
//                            ▲─────── the first `transposition length` bits of the label, to `transposition offset`
//    label                   | x … x | 0 |
//
// A label index (1) and an originator's SRGB (3) are for labelled unicast only (RFC 8669 §3.1, §3.2); an L2 service (6) is looked at for
// faults. They are passed over, as are types that nobody here knows.
//
// RFC 8669 §4 has the attribute dropped where it comes over eBGP from outside the SR domain, and nobody has said that it may come. FRR
// 8.4.4 keeps it, and so does this codec: what a VPN session with another AS is for, its configuration has said.
import { type AddressWords, readWord, writeWord } from '../../net/index.ts';

const TLV_L3_SERVICE = 5;
const TLV_L2_SERVICE = 6;
const SUB_TLV_SID = 1;
const SUB_SUB_TLV_STRUCTURE = 1;
/** Type and length before a value. */
const TLV_HEADER_BYTES = 3;
/** The value of a SID information without further TLVs, and that of a structure. */
const SID_BYTES = 21;
const STRUCTURE_BYTES = 6;

/** What a SID does, as IANA numbers it ("SRv6 Endpoint Behaviors", RFC 8986 §10.2, RFC 9800). */
export const EndpointBehavior = {
  dt6: 0x12,
  dt4: 0x13,
  dt46: 0x14,
  dt2m: 0x18,
  dt6Next: 0x3e,
  dt4Next: 0x3f,
  dt46Next: 0x40,
  /** Whoever sent it does not say (RFC 9252 §3.1). */
  opaque: 0xffff,
} as const;
/** Services with the NEXT-CSID flavor, from End.DX6 to End.DT2M. */
const FIRST_NEXT_CSID = 0x3c;
const LAST_NEXT_CSID = 0x44;

/** Bits of the label that take part in transposition: in a VPN's prefix (RFC 9252 §5.1), and in one that has no label. */
export const VPN_LABEL_BITS = 20;
export const NO_LABEL_BITS = 0;

/** Bits of the parts of a SID, and which of them stand in the label. */
export interface SidStructure {
  readonly blockBits: number;
  readonly nodeBits: number;
  readonly functionBits: number;
  readonly argumentBits: number;
  readonly transpositionLength: number;
  readonly transpositionOffset: number;
}

// ----- faults -----

export const PREFIX_SID_SOUND = 0;
/** TLVs that do not fill the attribute (RFC 8669 §6): it goes, and the route stays. */
export const PREFIX_SID_MALFORMED = 1;
/** A service's TLV that is malformed (RFC 9252 §7): the route goes. */
export const PREFIX_SID_MALFORMED_SERVICE = 2;

/**
 * What is wrong with the octets, whatever they mean. Where a service was read and what follows it is malformed, the route goes too:
 * without the attribute it would be taken for one whose label is MPLS's, and RFC 7606 §2 drops no attribute that forwarding hangs on.
 */
export function prefixSidFault(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return PREFIX_SID_MALFORMED;
  let fault = PREFIX_SID_MALFORMED;
  for (let at = start; at < end; ) {
    const type = bytes[at]!;
    const service = type === TLV_L3_SERVICE || type === TLV_L2_SERVICE;
    if (service) fault = PREFIX_SID_MALFORMED_SERVICE;
    const next = afterTlv(bytes, at, end);
    if (next === 0 || (service && !isService(bytes, at + TLV_HEADER_BYTES, next))) return fault;
    at = next;
  }
  return PREFIX_SID_SOUND;
}

/** Where the TLV at `at` ends; 0 where that is behind `end`. */
function afterTlv(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < TLV_HEADER_BYTES) return 0;
  const next = at + TLV_HEADER_BYTES + ((bytes[at + 1]! << 8) | bytes[at + 2]!);
  return next > end ? 0 : next;
}

function isService(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end) return false;
  for (let at = start + 1; at < end; ) {
    const next = afterTlv(bytes, at, end);
    if (next === 0) return false;
    if (bytes[at] === SUB_TLV_SID && !isSid(bytes, at + TLV_HEADER_BYTES, next)) return false;
    at = next;
  }
  return true;
}

function isSid(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < SID_BYTES) return false;
  for (let at = start + SID_BYTES; at < end; ) {
    at = afterTlv(bytes, at, end);
    if (at === 0) return false;
  }
  return true;
}

// ----- reading -----

/** No L3 service: what the route needs is said elsewhere. */
export const SERVICE_NONE = 0;
/** A service without a SID that holds: the path is not eligible (RFC 9252 §7). */
export const SERVICE_UNUSABLE = 1;
export const SERVICE_USABLE = 2;
export type ServiceState = typeof SERVICE_NONE | typeof SERVICE_UNUSABLE | typeof SERVICE_USABLE;

/** The L3 service of an attribute without faults. One object reads any number of them; what it holds is that of the last. */
export class L3ServiceReader implements SidStructure {
  w0 = 0;
  w1 = 0;
  w2 = 0;
  w3 = 0;
  flags = 0;
  behavior = 0;
  /** Whether the numbers below were said; else they are 0. */
  structured = false;
  blockBits = 0;
  nodeBits = 0;
  functionBits = 0;
  argumentBits = 0;
  transpositionLength = 0;
  transpositionOffset = 0;

  /**
   * Reads the value in the range. `labelBits`: of the prefix's label, VPN_LABEL_BITS or NO_LABEL_BITS. The first SID that holds is
   * taken (RFC 9252 §3.1); where none does, the fields are those of the last. Allocates nothing, never throws.
   */
  read(bytes: Uint8Array, start: number, end: number, labelBits: number): ServiceState {
    for (let at = start; at < end; ) {
      const next = afterTlv(bytes, at, end);
      if (next === 0) break;
      // All but the first are ignored (RFC 9252 §7).
      if (bytes[at] === TLV_L3_SERVICE) {
        // One reserved octet.
        return this.#readService(bytes, at + TLV_HEADER_BYTES + 1, next, labelBits) ? SERVICE_USABLE : SERVICE_UNUSABLE;
      }
      at = next;
    }
    return SERVICE_NONE;
  }

  /** Puts the transposed bits back from the prefix's label, of which `labelBits` take part. Once, after `read` said USABLE. */
  merge(label: number, labelBits: number): void {
    const length = this.transpositionLength;
    if (length === 0) return;
    const value = label >>> (labelBits - length);
    const word = this.transpositionOffset >>> 5;
    // How far the last bit is from the end of this word; below 0 it is in the next one.
    const left = 32 - (this.transpositionOffset & 31) - length;
    const ones = (1 << length) - 1;
    if (left >= 0) this.#replace(word, ones << left, value << left);
    else {
      this.#replace(word, ones >>> -left, value >>> -left);
      this.#replace(word + 1, ones << (32 + left), value << (32 + left));
    }
  }

  #readService(bytes: Uint8Array, start: number, end: number, labelBits: number): boolean {
    for (let at = start; at < end; ) {
      const next = afterTlv(bytes, at, end);
      if (next === 0) return false;
      if (bytes[at] === SUB_TLV_SID && this.#readSid(bytes, at + TLV_HEADER_BYTES, next, labelBits)) return true;
      at = next;
    }
    return false;
  }

  #readSid(bytes: Uint8Array, start: number, end: number, labelBits: number): boolean {
    if (end - start < SID_BYTES) return false;
    this.w0 = readWord(bytes, start + 1);
    this.w1 = readWord(bytes, start + 5);
    this.w2 = readWord(bytes, start + 9);
    this.w3 = readWord(bytes, start + 13);
    this.flags = bytes[start + 17]!;
    this.behavior = (bytes[start + 18]! << 8) | bytes[start + 19]!;
    this.structured = false;
    this.blockBits = this.nodeBits = this.functionBits = this.argumentBits = 0;
    this.transpositionLength = this.transpositionOffset = 0;
    for (let at = start + SID_BYTES; at < end; ) {
      const next = afterTlv(bytes, at, end);
      if (next === 0) return false;
      if (bytes[at] === SUB_SUB_TLV_STRUCTURE) {
        const value = at + TLV_HEADER_BYTES;
        // Not malformed, but nothing that could be followed.
        if (next - value !== STRUCTURE_BYTES) return false;
        this.structured = true;
        this.blockBits = bytes[value]!;
        this.nodeBits = bytes[value + 1]!;
        this.functionBits = bytes[value + 2]!;
        this.argumentBits = bytes[value + 3]!;
        this.transpositionLength = bytes[value + 4]!;
        this.transpositionOffset = bytes[value + 5]!;
        return holdsStructure(this, this.behavior, labelBits);
      }
      at = next;
    }
    return true;
  }

  #replace(word: number, mask: number, value: number): void {
    if (word === 0) this.w0 = ((this.w0 & ~mask) | value) >>> 0;
    else if (word === 1) this.w1 = ((this.w1 & ~mask) | value) >>> 0;
    else if (word === 2) this.w2 = ((this.w2 & ~mask) | value) >>> 0;
    else this.w3 = ((this.w3 & ~mask) | value) >>> 0;
  }
}

/** Whether a SID of this structure can be used (RFC 9252 §3.2.1, §5.1, §7, errata 7817). */
export function holdsStructure(structure: SidStructure, behavior: number, labelBits: number): boolean {
  const { blockBits, nodeBits, functionBits, argumentBits, transpositionLength, transpositionOffset } = structure;
  const locatorBits = blockBits + nodeBits;
  const bits = locatorBits + functionBits + argumentBits;
  if (bits > 128 || (argumentBits > 0 && !takesArgument(behavior))) return false;
  if (transpositionLength === 0) return transpositionOffset === 0;
  return (
    transpositionLength <= labelBits &&
    transpositionLength <= functionBits &&
    transpositionOffset >= locatorBits &&
    transpositionOffset + transpositionLength <= bits
  );
}

/** Where it is not known whether a behavior has an argument, a SID with one is ignored (RFC 9252 §3.2.1). */
function takesArgument(behavior: number): boolean {
  if (behavior === EndpointBehavior.dt2m) return true;
  // The argument is what the packet goes on with (RFC 9800 §4.1).
  return behavior >= FIRST_NEXT_CSID && behavior <= LAST_NEXT_CSID;
}

// ----- writing -----

export interface L3Service {
  /** The whole SID. */
  readonly sid: AddressWords;
  /** See `EndpointBehavior`. */
  readonly behavior: number;
  readonly structure?: SidStructure;
}

/** The attribute's value for a service: its SID without the bits that `transposedLabel` takes. */
export function encodeL3Service({ sid, behavior, structure }: L3Service): Uint8Array {
  const sidBytes = SID_BYTES + (structure === undefined ? 0 : TLV_HEADER_BYTES + STRUCTURE_BYTES);
  const serviceBytes = 1 + TLV_HEADER_BYTES + sidBytes;
  const bytes = new Uint8Array(TLV_HEADER_BYTES + serviceBytes);
  writeTlvHeader(bytes, 0, TLV_L3_SERVICE, serviceBytes);
  writeTlvHeader(bytes, 4, SUB_TLV_SID, sidBytes);
  const first = structure?.transpositionOffset ?? 0;
  const behind = first + (structure?.transpositionLength ?? 0);
  for (let word = 0; word < 4; word++) {
    const kept = ~(onesFrom(first - word * 32) & ~onesFrom(behind - word * 32));
    writeWord(bytes, 8 + word * 4, sid[word]! & kept);
  }
  bytes[25] = behavior >>> 8;
  bytes[26] = behavior;
  if (structure === undefined) return bytes;
  writeTlvHeader(bytes, 28, SUB_SUB_TLV_STRUCTURE, STRUCTURE_BYTES);
  bytes[31] = structure.blockBits;
  bytes[32] = structure.nodeBits;
  bytes[33] = structure.functionBits;
  bytes[34] = structure.argumentBits;
  bytes[35] = structure.transpositionLength;
  bytes[36] = structure.transpositionOffset;
  return bytes;
}

/** The bits of the SID that go into the first of a label's `labelBits`; undefined where the structure transposes none. */
export function transposedLabel({ sid, structure }: L3Service, labelBits: number): number | undefined {
  const length = structure?.transpositionLength ?? 0;
  if (structure === undefined || length === 0) return undefined;
  let value = 0;
  for (let bit = structure.transpositionOffset; bit < structure.transpositionOffset + length; bit++) {
    value = (value << 1) | ((sid[bit >>> 5]! >>> (31 - (bit & 31))) & 1);
  }
  return value << (labelBits - length);
}

/** Ones from this bit of a word on, which may be before or behind it. */
function onesFrom(bit: number): number {
  return bit <= 0 ? 0xffffffff : bit >= 32 ? 0 : 0xffffffff >>> bit;
}

function writeTlvHeader(bytes: Uint8Array, at: number, type: number, length: number): void {
  bytes[at] = type;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
}
