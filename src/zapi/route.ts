// Routes are the bulk of ZAPI: a full table is a million ROUTE_ADD one after the other. So a route is decoded into one
// reused object of numbers and encoded from one straight into the output buffer, and its next hops are not looked at
// unless somebody must: they stand in one block of bytes, the same for all the routes of one next-hop set, and both sides
// handle the block as a value. zebra finds the set by the block's bytes; a client encodes the block once per set.
//
//   type instance flags message safi family plen prefix │ count NEXTHOPS │ distance metric …
//                                                         └ nexthopCount, bytes[nexthopStart, nexthopEnd)
//
// No codec of routes throws: a fault is a number, its place is in the object, and whoever gets one asks `routeFaultText`.
import { AF_INET } from '../net/index.ts';
import type { NexthopColumns } from './nexthops.ts';

// What a route message carries (its `message` word).
export const MESSAGE_NEXTHOP = 0x01;
export const MESSAGE_DISTANCE = 0x02;
export const MESSAGE_METRIC = 0x04;
export const MESSAGE_TAG = 0x08;
export const MESSAGE_MTU = 0x10;
export const MESSAGE_SRCPFX = 0x20;
export const MESSAGE_BACKUP_NEXTHOPS = 0x40;
export const MESSAGE_NHG = 0x80;
export const MESSAGE_TABLEID = 0x100;
export const MESSAGE_SRTE = 0x200;
export const MESSAGE_OPAQUE = 0x400;

// A route's flags.
export const ROUTE_FLAG_ALLOW_RECURSION = 0x01;
export const ROUTE_FLAG_SELFROUTE = 0x02;
export const ROUTE_FLAG_IBGP = 0x04;
export const ROUTE_FLAG_SELECTED = 0x08;
export const ROUTE_FLAG_FIB_OVERRIDE = 0x10;
export const ROUTE_FLAG_EVPN_ROUTE = 0x20;
export const ROUTE_FLAG_RR_USE_DISTANCE = 0x40;
export const ROUTE_FLAG_TRAPPED = 0x80;
export const ROUTE_FLAG_OFFLOADED = 0x100;
export const ROUTE_FLAG_OFFLOAD_FAILED = 0x200;

export const SAFI_UNICAST = 1;
export const SAFI_MULTICAST = 2;

export const AFI_IP = 1;
export const AFI_IP6 = 2;

// Faults of a route.
export const ROUTE_OK = 0;
export const ROUTE_TRUNCATED = 1;
export const ROUTE_BAD_TYPE = 2;
export const ROUTE_BAD_SAFI = 3;
export const ROUTE_BAD_FAMILY = 4;
export const ROUTE_BAD_PREFIX_LENGTH = 5;
export const ROUTE_BAD_NEXTHOP_COUNT = 6;
export const ROUTE_BAD_NEXTHOP_TYPE = 7;
export const ROUTE_BAD_LABEL_COUNT = 8;
export const ROUTE_BAD_BACKUP_COUNT = 9;
export const ROUTE_BAD_OPAQUE_LENGTH = 10;
export const ROUTE_BAD_SOURCE = 11;

const FAULTS: readonly string[] = [
  'no fault',
  'ends too early',
  'route type',
  'SAFI',
  'address family',
  'prefix length',
  'number of next hops',
  'next-hop type',
  'number of labels',
  'number of backup next hops',
  'length of opaque data',
  'source prefix',
];

/** What was wrong, with the offending value: `next-hop type 9 is not valid, at byte 31 of the body`. */
export function routeFaultText(fault: number, message: RouteMessage, bodyStart: number): string {
  const place = `at byte ${message.faultOffset - bodyStart} of the body`;
  if (fault === ROUTE_TRUNCATED) return `route ends too early, ${place}`;
  return `${FAULTS[fault] ?? 'fault'} ${message.faultValue} is not valid, ${place}`;
}

const NOTHING: Uint8Array = new Uint8Array(0);

/** One route as on the wire. Make one and reuse it for every message. */
export class RouteMessage {
  type = 0;
  instance = 0;
  /** ROUTE_FLAG_*. */
  flags = 0;
  /** MESSAGE_*: which of the fields below are there. */
  message = 0;
  safi: number = SAFI_UNICAST;
  family: number = AF_INET;
  prefixLength = 0;
  /** The prefix, host bits zero; w1–w3 are 0 for IPv4. */
  w0 = 0;
  w1 = 0;
  w2 = 0;
  w3 = 0;
  /** Source prefix (IPv6 only). */
  sourceLength = 0;
  s0 = 0;
  s1 = 0;
  s2 = 0;
  s3 = 0;
  /** Next-hop group that the client named by id. */
  nhgId = 0;
  /** The block of next hops is `bytes[nexthopStart, nexthopEnd)`, without its count. */
  bytes: Uint8Array = NOTHING;
  nexthopCount = 0;
  nexthopStart = 0;
  nexthopEnd = 0;
  backupCount = 0;
  backupStart = 0;
  backupEnd = 0;
  /** Fields that are not there are 0. */
  distance = 0;
  metric = 0;
  tag = 0;
  mtu = 0;
  tableId = 0;
  opaqueStart = 0;
  opaqueEnd = 0;
  /** Where and at what value decoding stopped. */
  faultOffset = 0;
  faultValue = 0;
}

/** Codec of one dialect's routes. */
export interface RouteCodec {
  /** Reads `bytes[offset, end)`, a body, into `into`. ROUTE_OK or a fault. The block of next hops has been walked: it is well-formed. */
  decode(into: RouteMessage, bytes: Uint8Array, offset: number, end: number): number;
  /**
   * Writes a whole frame at `offset`, next hops copied from the message's block. Returns the offset after it, or -1 where
   * `bytes` has no room for it (nothing useful was written then).
   */
  encode(from: RouteMessage, vrf: number, command: number, bytes: Uint8Array, offset: number): number;
  /**
   * Reads `count` next hops from `offset` into columns; `message` is the route's. Returns the offset after them, or minus a
   * fault (with `end` reached: -ROUTE_TRUNCATED).
   */
  decodeNexthops(
    into: NexthopColumns,
    bytes: Uint8Array,
    offset: number,
    end: number,
    count: number,
    message: number,
  ): number;
  /** Writes the block of next hops; `message` is the route's. The offset after it, or -1 where there is no room. */
  encodeNexthops(from: NexthopColumns, message: number, bytes: Uint8Array, offset: number): number;
}
