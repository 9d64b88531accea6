// The flows that a netflow node is counting, a page at a time: FreeBSD's NGM_NETFLOW_SHOW, which flowctl(8) asks. Where the next page begins
// is in the answer; flows that come or go between two pages may be missed.
import { formatIp4, formatIp6 } from '../../../net/index.ts';
import type { FlowCache } from '../../lib/flow-cache.ts';
import { NETFLOW9_TEMPLATE_IP4, NETFLOW9_TEMPLATE_IP6 } from '../../lib/netflow.ts';
import {
  array,
  type Form,
  hint8,
  int64,
  ipv4,
  ipv6,
  struct,
  uint16,
  uint32,
  uint64,
  uint8,
} from '../../message/form.ts';

/** Flows of a page; those of IPv6 take more room. */
const PAGE4 = 1000;
const PAGE6 = 700;

/** struct flow_entry_data, struct flow6_entry_data. */
export interface FlowEntry {
  readonly version: number;
  readonly r: {
    readonly flow_type: number;
    readonly fib: number;
    readonly src: string;
    readonly dst: string;
    readonly sport: number;
    readonly dport: number;
    readonly proto: number;
    readonly tos: number;
    readonly i_ifx: number;
  };
  readonly next_hop: string;
  readonly o_ifx: number;
  readonly dst_mask: number;
  readonly src_mask: number;
  readonly packets: number;
  readonly bytes: number;
  /** Milliseconds of the node's life. */
  readonly first: number;
  readonly last: number;
  readonly tcp_flags: number;
}

/** struct ngnf_show_header: version 4 or 6, and where to begin, 0 or what the page before said. */
export interface FlowsAsked {
  readonly version: number;
  readonly hash_id: number;
  readonly list_id: number;
  readonly nentries: number;
}

export interface FlowPage extends FlowsAsked {
  /** Those of version 4, and of version 6. */
  readonly entries: FlowEntry[];
  readonly entries6: FlowEntry[];
}

/** FreeBSD has the ports in network order there; these are numbers. */
function entry(address: Form<string>): Form<FlowEntry> {
  return struct({
    version: uint16,
    r: struct({
      flow_type: uint16,
      fib: uint16,
      src: address,
      dst: address,
      sport: uint16,
      dport: uint16,
      proto: uint8,
      tos: hint8,
      i_ifx: uint16,
    }),
    next_hop: address,
    o_ifx: uint16,
    dst_mask: uint8,
    src_mask: uint8,
    packets: uint64,
    bytes: uint64,
    first: int64,
    last: int64,
    tcp_flags: hint8,
  });
}

const HEADER = { version: uint8, hash_id: uint32, list_id: uint32, nentries: uint32 } as const;
export const flowsAsked: Form<FlowsAsked> = struct(HEADER);

const entriesOf = (version: 4 | 6): Form<FlowEntry[]> =>
  array({
    element: entry(version === 4 ? ipv4 : ipv6),
    length: (page: FlowPage) => (page.version === version ? page.nentries : 0),
  });
export const flowsShown: Form<FlowPage> = struct({ ...HEADER, entries: entriesOf(4), entries6: entriesOf(6) });

/** The flows of a family from number `first` on, as many as a page has. */
export function flowPage(flows: FlowCache, family: 4 | 6, first: number): FlowPage {
  const most = family === 4 ? PAGE4 : PAGE6;
  const found: FlowEntry[] = [];
  let flow = first;
  for (; flow < flows.limit && found.length < most; flow++) {
    if (flows.family[flow] === family && flows.runs(flow)) found.push(entryOf(flows, flow));
  }
  return {
    version: family,
    hash_id: flow < flows.limit ? flow : 0,
    list_id: 0,
    nentries: found.length,
    entries: family === 4 ? found : [],
    entries6: family === 6 ? found : [],
  };
}

function entryOf(flows: FlowCache, flow: number): FlowEntry {
  const family = flows.family[flow]!;
  const address = (words: Uint32Array): string => {
    const at = flow * 4;
    return family === 4 ? formatIp4(words[at]!) : formatIp6(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!);
  };
  return {
    version: family,
    r: {
      flow_type: family === 4 ? NETFLOW9_TEMPLATE_IP4 : NETFLOW9_TEMPLATE_IP6,
      fib: 0,
      src: address(flows.source),
      dst: address(flows.destination),
      sport: flows.sourcePort[flow]!,
      dport: flows.destinationPort[flow]!,
      proto: flows.protocol[flow]!,
      tos: flows.tos[flow]!,
      i_ifx: flows.input[flow]!,
    },
    next_hop: address(flows.nextHop),
    o_ifx: flows.output[flow]!,
    dst_mask: flows.destinationMask[flow]!,
    src_mask: flows.sourceMask[flow]!,
    packets: flows.packets[flow]!,
    bytes: flows.octets[flow]!,
    first: Math.floor(flows.first[flow]!),
    last: Math.floor(flows.last[flow]!),
    tcp_flags: flows.tcpFlags[flow]!,
  };
}
