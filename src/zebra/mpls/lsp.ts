// A label-switched path: what becomes of packets that come with a label. Several may say it, each under its own type; the best
// type's next hops are used, all of them. They are a next-hop set of the routes' kind, so they resolve as routes do; but the
// kernel has no nexthop objects for labels, and is told the paths themselves.
//
//   mpls lsp, LDP, BGP, VRF ──▶ entries, by type ──▶ best ──▶ set ──paths──▶ want ⇄ have
//
// An LSP is an object: most have an outgoing label of their own, and so a set of their own anyway.
import type { Owner } from '../face.ts';
import { encapKey, labelsOf, pushed, withEncap } from '../nexthop/encap.ts';
import type { Nexthop, NexthopSet } from '../nexthop/set.ts';
import type { KernelPath } from '../plane.ts';
import { defaultDistance, kernelProtocol, ROUTE_BGP, ROUTE_STATIC } from '../route-type.ts';
import { formatAddress } from '../../net/index.ts';
import { rtnetlink as c } from '../../netlink/index.ts';
import { LSP_BGP, LSP_ISIS_SR, LSP_LDP, LSP_OSPF_SR, LSP_SHARP, LSP_SRTE, LSP_STATIC } from '../../zapi/index.ts';

/** Labels below are reserved (RFC 3032 §2.1). */
export const FIRST_LABEL = 16;
export const LAST_LABEL = 1_048_575;

const ROUTE_OSPF = 6;
const ROUTE_ISIS = 8;
const ROUTE_LDP = 16;
const ROUTE_SHARP = 23;
/** RTPROT_ZEBRA, for what has no protocol of its own. */
const RTPROT_ZEBRA = 11;

interface LspType {
  readonly name: string;
  readonly distance: number;
  readonly kernelProtocol: number;
}

function ofRoutes(name: string, routeType: number, distance = 150): LspType {
  return { name, distance, kernelProtocol: kernelProtocol(routeType) };
}

/** FRR's names and distances. */
const TYPES: Readonly<Record<number, LspType>> = {
  [LSP_STATIC]: ofRoutes('Static', ROUTE_STATIC, defaultDistance(ROUTE_STATIC)),
  [LSP_LDP]: ofRoutes('LDP', ROUTE_LDP),
  [LSP_BGP]: ofRoutes('BGP', ROUTE_BGP, defaultDistance(ROUTE_BGP)),
  [LSP_OSPF_SR]: ofRoutes('SR (OSPF)', ROUTE_OSPF),
  [LSP_ISIS_SR]: ofRoutes('SR (IS-IS)', ROUTE_ISIS),
  [LSP_SHARP]: ofRoutes('SHARP', ROUTE_SHARP),
  [LSP_SRTE]: { name: 'SR-TE', distance: 150, kernelProtocol: RTPROT_ZEBRA },
};
const UNKNOWN: LspType = { name: 'Unknown', distance: 150, kernelProtocol: RTPROT_ZEBRA };

export function lspType(type: number): LspType {
  return TYPES[type] ?? UNKNOWN;
}

/** What one type says of a label. */
export interface LspEntry {
  /** LSP_*. */
  readonly type: number;
  /** It is the label of a VRF, which is apart from what else its type says of the label. */
  readonly ofVrf: boolean;
  owner: Owner;
  /** As they were said, the first one first. */
  members: readonly Nexthop[];
  /** The set of these members. */
  set: NexthopSet;
}

/** What the kernel has, as far as is known. */
export interface KernelLabel {
  readonly protocol: number;
  readonly paths: readonly KernelPath[];
}

export class Lsp {
  readonly label: number;
  /** The last one first. */
  readonly entries: LspEntry[] = [];
  have: KernelLabel | undefined = undefined;
  /** The kernel may have something else, or something that nobody told: it is written again, or deleted. */
  doubt = false;
  inFlight: '' | 'install' | 'delete' = '';
  sent: KernelLabel | undefined = undefined;
  /** Something happened to it while a context was on its way. */
  disturbed = false;
  generation = 0;
  /** Of the last try; 0: none failed. */
  errno = 0;
  /** An earlier life left it, and nobody has asked for it yet. */
  stale = false;
  /** By the dump that is going on, or since it. */
  seen = false;

  constructor(label: number) {
    this.label = label;
  }

  entry(type: number, ofVrf: boolean): LspEntry | undefined {
    return this.entries.find(one => one.type === type && one.ofVrf === ofVrf);
  }

  /** The entries whose next hops are used: those of the best type that has any to use. */
  best(): readonly LspEntry[] {
    let distance = 256;
    for (const { set, type } of this.entries) {
      if (usable(set).length > 0) distance = Math.min(distance, lspType(type).distance);
    }
    return this.entries.filter(({ type }) => lspType(type).distance === distance);
  }

  /** What the kernel shall have of it; undefined: nothing. */
  want(): KernelLabel | undefined {
    const paths = new Map<string, KernelPath>();
    const best = this.best();
    for (const { set } of best.toReversed()) for (const path of usable(set)) paths.set(pathKey(path), path);
    if (paths.size === 0) return undefined;
    return { protocol: lspType(best[0]!.type).kernelProtocol, paths: [...paths.values()] };
  }
}

/** The kernel knows no weights here, no flags, no holes, and nothing that would be done to packets but labels. */
function usable(set: NexthopSet): KernelPath[] {
  const paths: KernelPath[] = [];
  for (const { gatewayFamily, gateway, ifindex, blackhole, encap } of set.paths) {
    const labels = pushed(encap);
    if (blackhole !== 0 || (labels !== undefined && labels.type !== c.LWTUNNEL_ENCAP_MPLS)) continue;
    paths.push({ gatewayFamily, gateway, ifindex, blackhole: false, onlink: false, weight: 1, ...withEncap(labels) });
  }
  return paths;
}

function pathKey({ gatewayFamily, gateway, ifindex, encap }: KernelPath): string {
  const labels = labelsOf(encap);
  const to = labels.length === 0 ? '' : encapKey(encap);
  return `${gatewayFamily === 0 ? '' : formatAddress(gatewayFamily, gateway)}%${ifindex}${to}`;
}

/** Whether they are the same to packets: the order of paths is not looked at. */
export function sameLabel(a: KernelLabel | undefined, b: KernelLabel | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.protocol !== b.protocol || a.paths.length !== b.paths.length) return false;
  const keys = new Set(a.paths.map(pathKey));
  return b.paths.every(path => keys.has(pathKey(path)));
}

/** The same next hop, whatever its labels. */
export function sameWay(a: Nexthop, b: Nexthop): boolean {
  return (
    a.gatewayFamily === b.gatewayFamily &&
    a.ifindex === b.ifindex &&
    a.gateway.every((word, i) => word === b.gateway[i])
  );
}
