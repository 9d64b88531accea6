// Routes of MPLS labels: RTM_NEWROUTE and RTM_DELROUTE of AF_MPLS. A label is looked up whole, so it is a prefix of 20 bits;
// there is one table and no metric. What it is replaced by is the encap of a path; none, or no label in it: it is popped.
// They are read by RouteView, like all routes.
//
// The kernel takes only labels below the sysctl net.mpls.platform_labels, which is 0 in every new namespace, and labelled
// packets only from interfaces where net.mpls.conf.NAME.input is 1. Paths have no weights there.
import { HEADER_BYTES, type MessageBuffer, swap32, writeHeader } from './buffer.ts';
import {
  AF_MPLS,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTM_DELROUTE,
  RTM_GETROUTE,
  RTM_NEWROUTE,
  RTN_UNICAST,
} from './constants.ts';
import { appendPaths, type RoutePath } from './route.ts';

const RTA_DST = 1;
const LABEL_BITS = 20;
const BOTTOM_OF_STACK = 0x100;

/** `encodeLabelDelete` and `encodeLabelGet` need no more; `encodeLabel` no more than `routeWithPathsBytes`. */
export const LABEL_BYTES = 36;

/** Writes RTM_NEWROUTE for what arrives with `label` outermost, and returns its length. Weights of paths must be 1. */
export function encodeLabel(
  buffer: MessageBuffer,
  offset: number,
  sequence: number,
  flags: number,
  label: number,
  protocol: number,
  paths: readonly RoutePath[],
): number {
  const size = encode(buffer, offset, RTM_NEWROUTE, sequence, flags, label, protocol);
  return appendPaths(buffer, offset, size, AF_MPLS, paths);
}

/** Writes RTM_DELROUTE for the label, whatever its paths. */
export function encodeLabelDelete(
  buffer: MessageBuffer,
  offset: number,
  sequence: number,
  flags: number,
  label: number,
): number {
  return encode(buffer, offset, RTM_DELROUTE, sequence, flags, label, 0);
}

/** Writes RTM_GETROUTE for one label. */
export function encodeLabelGet(
  buffer: MessageBuffer,
  offset: number,
  sequence: number,
  flags: number,
  label: number,
): number {
  return encode(buffer, offset, RTM_GETROUTE, sequence, flags, label, 0);
}

function encode(
  buffer: MessageBuffer,
  offset: number,
  message: number,
  sequence: number,
  flags: number,
  label: number,
  protocol: number,
): number {
  const words = buffer.words;
  const at = (offset + HEADER_BYTES) >> 2;
  words[at] = AF_MPLS | (LABEL_BITS << 8);
  words[at + 1] =
    message === RTM_GETROUTE ? 0 : RT_TABLE_MAIN | (protocol << 8) | (RT_SCOPE_UNIVERSE << 16) | (RTN_UNICAST << 24);
  words[at + 2] = 0;
  words[at + 3] = 8 | (RTA_DST << 16);
  words[at + 4] = swap32((label << 12) | BOTTOM_OF_STACK);
  writeHeader(buffer, offset, LABEL_BYTES, message, flags, sequence);
  return LABEL_BYTES;
}
