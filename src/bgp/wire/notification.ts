// NOTIFICATION (RFC 4271 §4.5): why a session ends, as a code, a subcode and data. The same triple is this project's type of
// a peer's mistake: a parser that meets one returns a `PeerError`, and the session sends exactly that as NOTIFICATION.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  | Error code    | Error subcode |   Data (variable)             |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/** Error codes (IANA "BGP Error (Notification) Codes"). */
export const ErrorCode = {
  messageHeader: 1,
  open: 2,
  update: 3,
  holdTimer: 4,
  fsm: 5,
  cease: 6,
  routeRefresh: 7, // RFC 7313 §5
  sendHoldTimer: 8, // RFC 9687 §3.3
} as const;

/** Subcodes of code 1 (RFC 4271 §6.1). */
export const HeaderError = { notSynchronized: 1, badLength: 2, badType: 3 } as const;

/** Subcodes of code 2 (RFC 4271 §6.2, RFC 5492 §3, RFC 9234 §4.2). */
export const OpenError = {
  unspecific: 0,
  unsupportedVersion: 1,
  badPeerAs: 2,
  badIdentifier: 3,
  unsupportedOptionalParameter: 4,
  // 5: authentication failure (deprecated)
  unacceptableHoldTime: 6,
  unsupportedCapability: 7,
  roleMismatch: 11,
} as const;

/** Subcodes of code 3 (RFC 4271 §6.3). */
export const UpdateError = {
  unspecific: 0,
  malformedAttributeList: 1,
  unrecognizedWellKnown: 2,
  missingWellKnown: 3,
  attributeFlags: 4,
  attributeLength: 5,
  invalidOrigin: 6,
  // 7: AS routing loop (deprecated)
  invalidNextHop: 8,
  optionalAttribute: 9,
  invalidNetworkField: 10,
  malformedAsPath: 11,
} as const;

/** Subcodes of code 5: the state in which the unexpected message came (RFC 6608). */
export const FsmError = { unspecific: 0, inOpenSent: 1, inOpenConfirm: 2, inEstablished: 3 } as const;

/** Subcodes of code 6 (RFC 4486, RFC 8538, RFC 9384). */
export const Cease = {
  unspecific: 0,
  maximumPrefixes: 1,
  administrativeShutdown: 2,
  peerDeconfigured: 3,
  administrativeReset: 4,
  connectionRejected: 5,
  otherConfigurationChange: 6,
  connectionCollision: 7,
  outOfResources: 8,
  hardReset: 9,
  bfdDown: 10,
} as const;

/** Subcodes of code 7 (RFC 7313 §5). */
export const RouteRefreshError = { invalidLength: 1 } as const;

/** A peer's mistake, in the words of the NOTIFICATION that answers it. Never thrown: parsers return it. */
export interface PeerError {
  readonly code: number;
  readonly subcode: number;
  readonly data: Uint8Array;
}

const noData: Uint8Array = new Uint8Array(0);

/** A peer's mistake; `data` is what §6 of RFC 4271 asks to send back. */
export function peerError(code: number, subcode: number, data: Uint8Array = noData): PeerError {
  return { code, subcode, data };
}

/** Whether a parser's result is a mistake instead of a value. */
export function isPeerError(value: object): value is PeerError {
  return 'subcode' in value && 'code' in value && 'data' in value;
}

interface CodeName {
  readonly name: string;
  readonly subcodes: Readonly<Record<number, string>>;
}

const names: Readonly<Record<number, CodeName>> = {
  1: {
    name: 'Message Header Error',
    subcodes: { 1: 'Connection Not Synchronized', 2: 'Bad Message Length', 3: 'Bad Message Type' },
  },
  2: {
    name: 'OPEN Message Error',
    subcodes: {
      0: 'Unspecific',
      1: 'Unsupported Version Number',
      2: 'Bad Peer AS',
      3: 'Bad BGP Identifier',
      4: 'Unsupported Optional Parameter',
      5: 'Authentication Failure',
      6: 'Unacceptable Hold Time',
      7: 'Unsupported Capability',
      11: 'Role Mismatch',
    },
  },
  3: {
    name: 'UPDATE Message Error',
    subcodes: {
      0: 'Unspecific',
      1: 'Malformed Attribute List',
      2: 'Unrecognized Well-known Attribute',
      3: 'Missing Well-known Attribute',
      4: 'Attribute Flags Error',
      5: 'Attribute Length Error',
      6: 'Invalid ORIGIN Attribute',
      7: 'AS Routing Loop',
      8: 'Invalid NEXT_HOP Attribute',
      9: 'Optional Attribute Error',
      10: 'Invalid Network Field',
      11: 'Malformed AS_PATH',
    },
  },
  4: { name: 'Hold Timer Expired', subcodes: {} },
  5: {
    name: 'Finite State Machine Error',
    subcodes: {
      0: 'Unspecific',
      1: 'Unexpected Message in OpenSent',
      2: 'Unexpected Message in OpenConfirm',
      3: 'Unexpected Message in Established',
    },
  },
  6: {
    name: 'Cease',
    subcodes: {
      0: 'Unspecific',
      1: 'Maximum Number of Prefixes Reached',
      2: 'Administrative Shutdown',
      3: 'Peer De-configured',
      4: 'Administrative Reset',
      5: 'Connection Rejected',
      6: 'Other Configuration Change',
      7: 'Connection Collision Resolution',
      8: 'Out of Resources',
      9: 'Hard Reset',
      10: 'BFD Down',
    },
  },
  7: { name: 'ROUTE-REFRESH Message Error', subcodes: { 1: 'Invalid Message Length' } },
  8: { name: 'Send Hold Timer Expired', subcodes: {} },
};

/** `Cease`, or `code 99` where nobody gave it a name. */
export function errorCodeName(code: number): string {
  return names[code]?.name ?? `code ${code}`;
}

/** `Administrative Shutdown`; empty for subcode 0 of a code that has no subcodes. */
export function errorSubcodeName(code: number, subcode: number): string {
  return names[code]?.subcodes[subcode] ?? (subcode === 0 ? '' : `subcode ${subcode}`);
}

/** `Cease/Administrative Shutdown`. */
export function formatNotification(error: PeerError): string {
  const subcode = errorSubcodeName(error.code, error.subcode);
  return subcode === '' ? errorCodeName(error.code) : `${errorCodeName(error.code)}/${subcode}`;
}

/** Body of a NOTIFICATION from `bytes[offset, offset + length)`. Framing promises 2 bytes; fewer read as zeros. */
export function parseNotification(bytes: Uint8Array, offset: number, length: number): PeerError {
  return {
    code: length > 0 ? bytes[offset]! : 0,
    subcode: length > 1 ? bytes[offset + 1]! : 0,
    data: length > 2 ? bytes.slice(offset + 2, offset + length) : noData,
  };
}

/** The longest shutdown communication, in octets of UTF-8 (RFC 9003 §2). */
export const SHUTDOWN_BYTES = 255;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Data of Cease 2 or 4 with a text for the peer's operator (RFC 9003 §2): a length byte and at most 255 bytes of UTF-8. */
export function shutdownData(text: string): Uint8Array {
  let encoded = new TextEncoder().encode(text);
  if (encoded.length > SHUTDOWN_BYTES) {
    let end = SHUTDOWN_BYTES; // never cut inside a character
    while (end > 0 && (encoded[end]! & 0xc0) === 0x80) end--;
    encoded = encoded.subarray(0, end);
  }
  const data = new Uint8Array(1 + encoded.length);
  data[0] = encoded.length;
  data.set(encoded, 1);
  return data;
}

/** The text of a Cease 2 or 4, or undefined where there is none, or it is not what RFC 9003 allows. */
export function shutdownText(error: PeerError): string | undefined {
  if (error.code !== ErrorCode.cease) return undefined;
  if (error.subcode !== Cease.administrativeShutdown && error.subcode !== Cease.administrativeReset) return undefined;
  const length = error.data[0] ?? 0;
  if (length === 0 || length > error.data.length - 1) return undefined;
  try {
    return utf8.decode(error.data.slice(1, 1 + length));
  } catch {
    return undefined;
  }
}

/** A peer's text as one harmless line in quotes: what would break the line, or turn its direction, is shown as U+FFFD (§6). */
export function quoteShutdownText(text: string): string {
  return `"${text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, '\ufffd')}"`;
}

/** What ends a session for good, whatever graceful restart would keep (RFC 8538 §3, §5); `administrative`: a reset by an operator too. */
export function isHard({ code, subcode }: PeerError, administrative: boolean): boolean {
  if (code !== ErrorCode.cease) return false;
  if (subcode === Cease.administrativeReset) return administrative;
  return (
    subcode === Cease.maximumPrefixes ||
    subcode === Cease.administrativeShutdown ||
    subcode === Cease.peerDeconfigured ||
    subcode === Cease.hardReset ||
    subcode === Cease.bfdDown
  );
}

/** The hard reset that has a reason inside (RFC 8538 §3). */
export function hardReset({ code, subcode, data }: PeerError): PeerError {
  return peerError(ErrorCode.cease, Cease.hardReset, Uint8Array.of(code, subcode, ...data));
}

/** RFC 8538 §3: a hard reset has the reason inside. */
export function innerNotification(error: PeerError): { error: PeerError; hard: boolean } {
  const hard = error.code === ErrorCode.cease && error.subcode === Cease.hardReset;
  if (!hard || error.data.length < 2) return { error, hard };
  return { error: { code: error.data[0]!, subcode: error.data[1]!, data: error.data.slice(2) }, hard };
}
