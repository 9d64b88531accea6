// OPEN (RFC 4271 §4.2): who a speaker is and what it can do.
//
//  +---------+-------------------+-------------------+---------------------------------------+--------+
//  | version |  my AS (2 octets) |     hold time     |            BGP identifier             | length |
//  +---------+-------------------+-------------------+---------------------------------------+--------+
//  | optional parameters: type (8), length (8), value …                       type 2: capabilities    |
//  +---------------------------------------------------------------------------------------------------+
//
// More than 255 bytes of parameters (RFC 9072): length and the first type are both 255, then follows the true length in
// two octets, and each parameter's own length has two octets as well.
//
// Parsing looks at the form only. What the values mean for a session is judged in session/negotiate.ts.
import { readWord, writeWord } from '../../net/index.ts';
import { type Capability, readCapability, writeCapability } from './capability.ts';
import { encodeMessage, MAXIMUM_MESSAGE_BYTES, HEADER_BYTES, MessageType } from './message.ts';
import { ErrorCode, OpenError, type PeerError, peerError } from './notification.ts';

/** Stands for an AS number that has no two-octet form (RFC 6793 §9). */
export const AS_TRANS = 23456;
export const BGP_VERSION = 4;

const FIXED_BYTES = 10;
const PARAMETER_CAPABILITIES = 2;
const EXTENDED = 255;

export interface Open {
  /** The two-octet field: AS_TRANS where the AS number is greater. */
  readonly as2: number;
  readonly holdTimeS: number;
  /** BGP identifier as a word. */
  readonly routerId: number;
  readonly capabilities: readonly Capability[];
  /** RFC 9072's form of the parameters: it came in it, or is to be written in it though it need not be. */
  readonly extended?: true;
}

const malformed = (): PeerError => peerError(ErrorCode.open, OpenError.unspecific);

/** Body of an OPEN at `bytes[offset, offset + length)`. Never throws. */
export function parseOpen(bytes: Uint8Array, offset: number, length: number): Open | PeerError {
  if (length < FIXED_BYTES) return malformed();
  // RFC 4271 §6.2: the data is the largest version we speak that is smaller than theirs, in two octets.
  if (bytes[offset] !== BGP_VERSION) {
    return peerError(ErrorCode.open, OpenError.unsupportedVersion, new Uint8Array([0, BGP_VERSION]));
  }
  const end = offset + length;
  let at = offset + FIXED_BYTES;
  let parameters = bytes[at - 1]!;
  let wide = false;
  if (parameters !== 0 && at < end && bytes[at] === EXTENDED) {
    // RFC 9072 §2: the type decides; the length before it should be 255, but need not.
    if (at + 3 > end) return malformed();
    parameters = (bytes[at + 1]! << 8) | bytes[at + 2]!;
    wide = true;
    at += 3;
  }
  if (at + parameters !== end) return malformed();
  const capabilities: Capability[] = [];
  while (at < end) {
    const head = wide ? 3 : 2;
    if (at + head > end) return malformed();
    const type = bytes[at]!;
    const size = wide ? (bytes[at + 1]! << 8) | bytes[at + 2]! : bytes[at + 1]!;
    at += head;
    const stop = at + size;
    if (stop > end) return malformed();
    if (type !== PARAMETER_CAPABILITIES) return peerError(ErrorCode.open, OpenError.unsupportedOptionalParameter);
    while (at < stop) {
      if (at + 2 > stop || at + 2 + bytes[at + 1]! > stop) return malformed();
      const size1 = bytes[at + 1]!;
      capabilities.push(readCapability(bytes[at]!, bytes.subarray(at + 2, at + 2 + size1)));
      at += 2 + size1;
    }
  }
  return {
    as2: (bytes[offset + 1]! << 8) | bytes[offset + 2]!,
    holdTimeS: (bytes[offset + 3]! << 8) | bytes[offset + 4]!,
    routerId: readWord(bytes, offset + 5),
    capabilities,
    ...(wide && { extended: true }),
  };
}

/**
 * A whole OPEN, with one capability in each parameter, as most speakers expect it. RFC 9072's form only where it is needed or
 * asked for: who does not know it would refuse the session.
 * Throws where it would not fit into 4096 bytes, which is a mistake of ours.
 */
export function encodeOpen(open: Open): Uint8Array {
  const capabilities = open.capabilities.map(writeCapability);
  const bytesOfAll = capabilities.reduce((sum, capability) => sum + capability.length, 0);
  const narrow = bytesOfAll + 2 * capabilities.length;
  const wide = open.extended === true || narrow > 254 || capabilities.some(capability => capability.length > 255);
  const parameters = wide ? bytesOfAll + 3 * capabilities.length : narrow;
  const body = new Uint8Array(FIXED_BYTES + (wide ? 3 : 0) + parameters);
  if (HEADER_BYTES + body.length > MAXIMUM_MESSAGE_BYTES) {
    throw new RangeError(`OPEN of ${HEADER_BYTES + body.length} bytes, at most ${MAXIMUM_MESSAGE_BYTES} fit`);
  }
  body[0] = BGP_VERSION;
  body[1] = open.as2 >>> 8;
  body[2] = open.as2;
  body[3] = open.holdTimeS >>> 8;
  body[4] = open.holdTimeS;
  writeWord(body, 5, open.routerId);
  body[9] = wide ? EXTENDED : parameters;
  let at = FIXED_BYTES;
  if (wide) {
    body[at] = EXTENDED;
    body[at + 1] = parameters >>> 8;
    body[at + 2] = parameters;
    at += 3;
  }
  for (const capability of capabilities) {
    body[at++] = PARAMETER_CAPABILITIES;
    if (wide) body[at++] = capability.length >>> 8;
    body[at++] = capability.length;
    body.set(capability, at);
    at += capability.length;
  }
  return encodeMessage(MessageType.open, body);
}
