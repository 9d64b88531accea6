// ROUTE-REFRESH (RFC 2918 §3; the byte in the middle is the message subtype of RFC 7313 §3.2).
//
//  +-------+-------+-------+-------+
//  |      AFI      |subtype|  SAFI |   RFC 5291 would append outbound route filters here
//  +-------+-------+-------+-------+
import { encodeMessage, HEADER_BYTES, MessageType } from './message.ts';
import { ErrorCode, type PeerError, peerError, RouteRefreshError } from './notification.ts';

/** Message subtypes: a request, or the marks around its answer (RFC 7313). Others are ignored (§5). */
export const RefreshKind = { request: 0, begin: 1, end: 2 } as const;

export interface RouteRefresh {
  readonly afi: number;
  readonly safi: number;
  /** A `RefreshKind`, or a number we do not know and must ignore. */
  readonly kind: number;
}

/** Body of a ROUTE-REFRESH at `bytes[offset, offset + length)`. */
export function parseRouteRefresh(bytes: Uint8Array, offset: number, length: number): RouteRefresh | PeerError {
  const kind = length > 2 ? bytes[offset + 2]! : 0;
  // RFC 7313 §5: a wrong length of a marked message is answered with the whole message. A request may be followed by
  // route filters (RFC 5291), which we never ask for and skip.
  if (length < 4 || ((kind === RefreshKind.begin || kind === RefreshKind.end) && length !== 4)) {
    const whole = encodeMessage(MessageType.routeRefresh, bytes.slice(offset, offset + length));
    return peerError(ErrorCode.routeRefresh, RouteRefreshError.invalidLength, whole);
  }
  return { afi: (bytes[offset]! << 8) | bytes[offset + 1]!, kind, safi: bytes[offset + 3]! };
}

/** A whole ROUTE-REFRESH. */
export function encodeRouteRefresh(refresh: RouteRefresh): Uint8Array {
  const message = encodeMessage(MessageType.routeRefresh, new Uint8Array(4));
  message[HEADER_BYTES] = refresh.afi >>> 8;
  message[HEADER_BYTES + 1] = refresh.afi;
  message[HEADER_BYTES + 2] = refresh.kind;
  message[HEADER_BYTES + 3] = refresh.safi;
  return message;
}
