// Between zebra's objects and ZAPI's messages.
import { AF_INET, AF_INET6, type AddressWords, type Family, readAddress, readWord } from '../../net/index.ts';
import { rtnetlink as c } from '../../netlink/index.ts';
import {
  INTERFACE_ACTIVE,
  INTERFACE_LINKDETECTION,
  type InterfaceAddressMessage,
  type InterfaceMessage,
  MAX_LABELS,
  NEXTHOP_BLACKHOLE,
  NEXTHOP_FLAG_EVPN,
  NEXTHOP_FLAG_HAS_BACKUP,
  NEXTHOP_FLAG_LABEL,
  NEXTHOP_FLAG_ONLINK,
  NEXTHOP_FLAG_SEG6,
  NEXTHOP_FLAG_SEG6LOCAL,
  NEXTHOP_FLAG_WEIGHT,
  NEXTHOP_IFINDEX,
  NEXTHOP_IPV4,
  NEXTHOP_IPV4_IFINDEX,
  NEXTHOP_IPV6,
  NEXTHOP_IPV6_IFINDEX,
  type NexthopColumns,
  type NexthopUpdate,
  readHostWord,
  SEG6LOCAL_CONTEXT_BYTES,
  type UpdateNexthop,
} from '../../zapi/index.ts';
import type { NhtRegistration } from '../face.ts';
import { IFA_F_SECONDARY, type Interface, type InterfaceAddress } from '../interface/interfaces.ts';
import { type Encap, labelsOf } from '../nexthop/encap.ts';
import {
  BLACKHOLE_NULL,
  blackholeNexthop,
  gatewayNexthop,
  interfaceNexthop,
  type Nexthop,
  type NexthopSet,
  type ResolvedPath,
} from '../nexthop/set.ts';

const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;
// FRR's own numbers of link-layer types.
const LLT_UNKNOWN = 0;
const LLT_ETHER = 1;
const LLT_LOOPBACK = 30;

const ADDRESS_SECONDARY = 1;
const ADDRESS_PEER = 2;

const ZERO: AddressWords = [0, 0, 0, 0];

export function interfaceMessage(one: Interface): InterfaceMessage {
  const type =
    one.hardwareType === ARPHRD_ETHER ? LLT_ETHER : one.hardwareType === ARPHRD_LOOPBACK ? LLT_LOOPBACK : LLT_UNKNOWN;
  return {
    name: one.name,
    ifindex: one.ifindex,
    status: INTERFACE_ACTIVE | INTERFACE_LINKDETECTION,
    flags: one.flags,
    ptmEnable: 0,
    // 2 = unknown: there is no topology manager.
    ptmStatus: 2,
    metric: 0,
    speed: one.speed,
    mtu: one.mtu,
    mtu6: one.mtu,
    bandwidth: 0,
    linkIfindex: one.link,
    linkType: type,
    hardwareAddress: type === LLT_LOOPBACK ? one.mac.subarray(0, 0) : one.mac.subarray(0, 20),
  };
}

export function addressMessage(one: Interface, address: InterfaceAddress): InterfaceAddressMessage {
  return {
    ifindex: one.ifindex,
    flags:
      ((address.flags & IFA_F_SECONDARY) !== 0 && address.family === AF_INET ? ADDRESS_SECONDARY : 0) |
      (address.hasPeer ? ADDRESS_PEER : 0),
    address: { family: address.family, words: address.local, length: address.length },
    destination: address.hasPeer ? address.peer : ZERO,
  };
}

/** ZAPI's type of a resolved path. */
export function pathType(gatewayFamily: Family | 0, blackhole: number): number {
  if (blackhole !== 0) return NEXTHOP_BLACKHOLE;
  if (gatewayFamily === AF_INET) return NEXTHOP_IPV4_IFINDEX;
  return gatewayFamily === AF_INET6 ? NEXTHOP_IPV6_IFINDEX : NEXTHOP_IFINDEX;
}

export function nexthopUpdate(one: NhtRegistration): NexthopUpdate {
  const match = { family: one.family, words: one.words, length: one.length };
  const to = one.resolution;
  if (to === undefined) {
    return {
      message: 0,
      safi: one.safi,
      match,
      resolved: { family: one.family, words: ZERO, length: 0 },
      color: 0,
      routeType: 0,
      instance: 0,
      distance: 0,
      metric: 0,
      nexthops: [],
    };
  }
  const nexthops: UpdateNexthop[] = to.paths.map(path => ({
    vrf: path.vrf,
    type: pathType(path.gatewayFamily, path.blackhole),
    flags: 0,
    gateway: path.gateway,
    ifindex: path.ifindex,
    blackhole: path.blackhole,
    // Weights are told where they say something.
    weight: path.weight > 1 ? path.weight : 0,
    labels: labelsOf(path.encap),
  }));
  return {
    message: 0,
    safi: one.safi,
    match,
    resolved: { family: to.family, words: to.words, length: to.length },
    color: 0,
    routeType: to.type,
    instance: to.instance,
    distance: to.distance,
    metric: to.metric,
    nexthops,
  };
}

/** What a client is told of a route that it has asked for: gateways as the route has them, not what they resolve to. */
export function redistributedPaths({ members, resolution, paths }: NexthopSet): readonly ResolvedPath[] {
  if (!resolution.some(one => one.recursive)) return paths;
  return members.flatMap((member, i): readonly ResolvedPath[] => {
    const one = resolution[i];
    if (one === undefined || !one.active) return [];
    return one.recursive ? [{ ...member, weight: member.weight || 1 }] : one.paths;
  });
}

/** Fills `into` with resolved paths; as many as it has rows for. */
export function pathsToColumns(paths: readonly ResolvedPath[], into: NexthopColumns): void {
  into.count = 0;
  for (const path of paths) {
    if (into.count >= into.type.length) return;
    const row = into.add(pathType(path.gatewayFamily, path.blackhole), path.vrf);
    into.ifindex[row] = path.ifindex;
    into.blackhole[row] = path.blackhole;
    into.w0[row] = path.gateway[0];
    into.w1[row] = path.gateway[1];
    into.w2[row] = path.gateway[2];
    into.w3[row] = path.gateway[3];
    if (path.onlink) into.flags[row]! |= NEXTHOP_FLAG_ONLINK;
    const labels = labelsOf(path.encap).slice(0, MAX_LABELS);
    if (labels.length > 0) {
      into.flags[row]! |= NEXTHOP_FLAG_LABEL;
      into.labelCount[row] = labels.length;
      into.labels.set(labels, row * MAX_LABELS);
    }
    if (path.weight > 1) {
      into.flags[row]! |= NEXTHOP_FLAG_WEIGHT;
      into.weight[row] = path.weight;
    }
  }
}

/** What zebra does not forward by yet, by the next hop's flag. */
const UNSUPPORTED: readonly (readonly [number, string])[] = [
  [NEXTHOP_FLAG_HAS_BACKUP, 'backup next hops'],
  [NEXTHOP_FLAG_EVPN, 'EVPN router MACs'],
];

/** What the next hop of this row does to packets, or what is asked for that zebra cannot do. */
function encapOf(columns: NexthopColumns, row: number): Encap | string | undefined {
  const flags = columns.flags[row]!;
  if ((flags & NEXTHOP_FLAG_SEG6LOCAL) !== 0) return localSid(columns, row);
  if ((flags & NEXTHOP_FLAG_SEG6) !== 0) {
    if ((flags & NEXTHOP_FLAG_LABEL) !== 0) return 'labels below segments';
    const sid = readAddress(AF_INET6, columns.seg6Sid, row * 16);
    return { type: c.LWTUNNEL_ENCAP_SEG6, mode: c.SEG6_IPTUN_MODE_ENCAP, segments: [sid] };
  }
  if ((flags & NEXTHOP_FLAG_LABEL) === 0) return undefined;
  const from = row * MAX_LABELS;
  return {
    type: c.LWTUNNEL_ENCAP_MPLS,
    labels: Array.from(columns.labels.subarray(from, from + columns.labelCount[row]!)),
  };
}

/** The context is FRR's struct: an IPv4 address, an IPv6 address, and a table in the host's order. */
function localSid(columns: NexthopColumns, row: number): Encap | string {
  const type = c.LWTUNNEL_ENCAP_SEG6_LOCAL;
  const action = columns.seg6localAction[row]!;
  const context = columns.seg6localContext;
  const at = row * SEG6LOCAL_CONTEXT_BYTES;
  const table = readHostWord(context, at + 20);
  switch (action) {
    case c.SEG6_LOCAL_ACTION_END:
      return { type, action };
    case c.SEG6_LOCAL_ACTION_END_X:
    case c.SEG6_LOCAL_ACTION_END_DX6:
      return { type, action, gateway6: readAddress(AF_INET6, context, at + 4) };
    case c.SEG6_LOCAL_ACTION_END_DX4:
      return { type, action, gateway4: readWord(context, at) };
    case c.SEG6_LOCAL_ACTION_END_T:
    case c.SEG6_LOCAL_ACTION_END_DT6:
      return { type, action, table };
    case c.SEG6_LOCAL_ACTION_END_DT4:
    case c.SEG6_LOCAL_ACTION_END_DT46:
      return { type, action, vrfTable: table };
    default:
      return `SRv6 behaviour ${action}`;
  }
}

/** Next hops as zebra takes them, each with its VRF, or what is asked for that it cannot do. */
export function membersOf(columns: NexthopColumns): Nexthop[] | string {
  const members: Nexthop[] = [];
  for (let i = 0; i < columns.count; i++) {
    const flags = columns.flags[i]!;
    for (const [flag, what] of UNSUPPORTED) {
      if ((flags & flag) !== 0) {
        // A backup may be left out: it only matters while its primary is down.
        if (flag !== NEXTHOP_FLAG_HAS_BACKUP) return what;
      }
    }
    const vrf = columns.vrf[i]!;
    const weight = (flags & NEXTHOP_FLAG_WEIGHT) !== 0 ? Math.min(256, Math.max(1, columns.weight[i]!)) : 1;
    const onlink = (flags & NEXTHOP_FLAG_ONLINK) !== 0;
    const ifindex = columns.ifindex[i]!;
    const encap = encapOf(columns, i);
    if (typeof encap === 'string') return encap;
    const words: AddressWords = [columns.w0[i]!, columns.w1[i]!, columns.w2[i]!, columns.w3[i]!];
    switch (columns.type[i]!) {
      case NEXTHOP_IFINDEX:
        members.push({ ...interfaceNexthop(ifindex, weight, encap), vrf });
        break;
      // The plain types carry an ifindex too, which is to be found anew: it is what the client saw last.
      case NEXTHOP_IPV4:
        members.push({ ...gatewayNexthop(AF_INET, words, 0, false, weight, encap), vrf });
        break;
      case NEXTHOP_IPV4_IFINDEX:
        members.push({ ...gatewayNexthop(AF_INET, words, ifindex, onlink, weight, encap), vrf });
        break;
      case NEXTHOP_IPV6:
        members.push({ ...gatewayNexthop(AF_INET6, words, 0, false, weight, encap), vrf });
        break;
      case NEXTHOP_IPV6_IFINDEX:
        members.push({ ...gatewayNexthop(AF_INET6, words, ifindex, onlink, weight, encap), vrf });
        break;
      default:
        members.push(blackholeNexthop(columns.blackhole[i] === 0 ? BLACKHOLE_NULL : columns.blackhole[i]!));
    }
  }
  return members;
}
