// `show bgp ipv4 unicast PREFIX`: one prefix with everything known of its paths, in FRR's words.
import { AF_INET, formatIp4 } from '../net/index.ts';
import type { FamilyInstance } from './family.ts';
import type { Peer } from './peer.ts';
import { formatCommunities, formatExtendedCommunities, jsonCommunity } from './policy/index.ts';
import {
  type AttributeSet,
  HAS_NO_ADVERTISE,
  HAS_NO_EXPORT,
  HAS_NO_EXPORT_SUBCONFED,
  METRIC_UNKNOWN,
  PATH_BEST,
  PATH_MULTIPATH,
  PATH_VALID,
  PEER_CONFED,
  PEER_EBGP,
  PEER_IBGP_CLIENT,
  REASONS,
} from './rib/index.ts';
import { AddPathView } from './show-add-path.ts';
import { ctime, ORIGIN_NAMES, type PathView, peersOf, routerIdText, viewPath } from './show-format.ts';
import { hopJson, isHidden, nextHopVrfJson, vrfNumber } from './show-routes.ts';
import { importedFrom, rdText, type Service, serviceOf, structureText } from './vpn/show-path.ts';

interface Detail {
  readonly path: number;
  readonly view: PathView;
  readonly set: AttributeSet;
  readonly flags: number;
  readonly kind: number;
  /** Cost to the next hop; undefined where it does not resolve. */
  readonly igpMetric: number | undefined;
}

function details(family: FamilyInstance, prefix: number): Detail[] {
  const { table, instance } = family;
  const all: Detail[] = [];
  for (let path = table.first[prefix]!; path !== 0; path = table.pathNext[path]!) {
    if (isHidden(table, path)) continue;
    const view = viewPath(family, path);
    const hop = instance.store.nexthop[view.attributes]!;
    const metric = instance.nexthops.metric[hop]!;
    const reached = view.local || instance.nexthops.reachable[hop] === 1;
    all.push({
      path,
      view,
      set: instance.store.decode(view.attributes),
      flags: table.pathFlags[path]!,
      kind: table.peerKind(table.pathPeer[path]!),
      igpMetric: reached ? (view.local || metric === METRIC_UNKNOWN ? 0 : metric) : undefined,
    });
  }
  return all;
}

/** The table's version when the best path changed last; 0 where there is none. */
export function versionOf({ table }: FamilyInstance, prefix: number): number {
  return table.best[prefix] === 0 ? 0 : table.version[prefix]!;
}

/** Who any of these paths goes to. To members of peer groups as to others: FRR tells no difference here. */
function advertisedTo(family: FamilyInstance, paths: readonly Detail[]): Peer[] {
  return peersOf(family.instance).filter(peer => {
    const { membership } = peer.families[family.afi];
    if (membership === undefined) return false;
    return paths.some(({ path }) => membership.slot.group.advertised(membership.member, path) !== 0);
  });
}

/** The same as a member of a JSON object; nothing where there is nobody. */
function advertisedJson(peers: readonly Peer[]): object {
  if (peers.length === 0) return {};
  const names = peers.map(peer => {
    const hostname = peer.negotiated?.remote.hostname;
    return [peer.name, hostname === undefined ? {} : { hostname }] as const;
  });
  return { advertisedTo: Object.fromEntries(names) };
}

export function routeText(family: FamilyInstance, prefix: number): string {
  const { table, instance } = family;
  const all = details(family, prefix);
  const best = all.findIndex(one => (one.flags & PATH_BEST) !== 0);
  const limits = best < 0 ? 0 : instance.store.flags[all[best]!.view.attributes]!;
  let scope = '';
  if ((limits & HAS_NO_ADVERTISE) !== 0) scope = ', not advertised to any peer';
  else if ((limits & HAS_NO_EXPORT) !== 0) scope = ', not advertised to EBGP peer';
  else if ((limits & HAS_NO_EXPORT_SUBCONFED) !== 0) scope = ', not advertised outside local AS';
  if (table.suppressed[prefix] === 1) scope += ', Advertisements suppressed by an aggregate.';
  const { distinguished } = table.prefixes;
  const where = distinguished ? '' : `, ${instance.kind === 'default' ? 'table' : 'vrf'} ${instance.name}`;
  const selected = best < 0 ? ', no best path' : `, best #${best + 1}${where}`;
  const network = `${distinguished ? `${rdText(table, prefix)}:` : ''}${table.prefixes.format(prefix)}`;
  const lines = [
    `BGP routing table entry for ${network}, version ${versionOf(family, prefix)}`,
    // No prefix of a VPN has a label of its own.
    ...(distinguished ? ['not allocated'] : []),
    `Paths: (${all.length} available${selected}${scope})`,
  ];
  const addPath = new AddPathView(family, prefix);
  if (!addPath.used) {
    const peers = advertisedTo(family, all);
    if (peers.length === 0) lines.push('  Not advertised to any peer');
    else lines.push('  Advertised to non peer-group peers:', `  ${peers.map(peer => peer.name).join(' ')}`);
  }
  for (const one of all) lines.push(...pathLines(family, one, addPath));
  return `${lines.join('\n')}\n`;
}

function extendedText({ extendedCommunities }: AttributeSet): string {
  // In ascending order, as FRR keeps them.
  return formatExtendedCommunities(extendedCommunities.map(value => Buffer.from(value).toString('hex')).sort());
}

/** Where a path is from, as seen from our AS. */
function kindText({ instance }: FamilyInstance, kind: number): string {
  if (kind === PEER_EBGP) return 'external';
  if (kind === PEER_CONFED) return 'confed-external';
  return instance.options.confederation === undefined ? 'internal' : 'confed-internal';
}

function pathLines(family: FamilyInstance, one: Detail, addPath: AddPathView): string[] {
  const { instance, table } = family;
  const { view, set, flags } = one;
  let first = view.path === '' ? 'Local' : view.path;
  if (set.aggregator !== undefined)
    first += `, (aggregated by ${set.aggregator.as} ${formatIp4(set.aggregator.routerId)})`;
  if (one.kind === PEER_IBGP_CLIENT) first += ', (Received from a RR-client)';
  if (table.isStale(one.path)) first += ', (stale)';
  const metric =
    one.igpMetric === undefined ? ' (inaccessible)' : one.igpMetric > 0 ? ` (metric ${one.igpMetric})` : '';
  const from = view.peer?.name ?? nobody(family);
  const id = set.originatorId ?? view.peer?.negotiated?.remoteRouterId;
  const identity = view.peer === undefined ? routerIdText(instance) : formatIp4(id ?? 0);
  const words = [`Origin ${ORIGIN_NAMES[view.origin]}`];
  if (view.med !== undefined) words.push(`metric ${view.med}`);
  if (view.localPref !== undefined) words.push(`localpref ${view.localPref}`);
  else if (view.peer?.internal === true) words.push(`localpref ${instance.options.defaultLocalPref}`);
  if (view.weight !== 0) words.push(`weight ${view.weight}`);
  if ((set.tag ?? 0) !== 0) words.push(`tag ${set.tag}`);
  words.push((flags & PATH_VALID) === 0 ? 'invalid' : 'valid');
  if (view.local || view.foreign) {
    words.push(view.aggregated ? 'aggregated' : 'sourced');
    if (!view.redistributed) words.push('local');
  } else words.push(kindText(family, one.kind));
  if (set.atomicAggregate) words.push('atomic-aggregate');
  if (set.otc !== undefined) words.push(`otc ${set.otc}`);
  if ((flags & PATH_MULTIPATH) !== 0 && table.selectedPaths(table.pathPrefix[one.path]!) > 1) words.push('multipath');
  if (addPath.isBestOfAs(one.path))
    words.push(`bestpath-from-AS ${instance.store.neighborAs[view.attributes] || 'Local'}`);
  if ((flags & PATH_BEST) !== 0) words.push(`best (${REASONS[table.pathReason[one.path]!]})`);
  const origin = importedFrom(family, one.path);
  const vrf =
    view.nextHopVrf === undefined ? '' : ` vrf ${view.nextHopVrf.name}(${vrfNumber(view.nextHopVrf)}) announce-nh-self`;
  const lines = [
    ...(origin === undefined ? [] : [`  Imported from ${origin}`]),
    `  ${first}`,
    `    ${view.nextHop}${metric} from ${from} (${identity})${vrf}`,
    `      ${words.join(', ')}`,
  ];
  if (set.communities.length > 0) lines.push(`      Community: ${formatCommunities(set.communities)}`);
  const extended = extendedText(set);
  if (extended !== '') lines.push(`      Extended Community: ${extended}`);
  if (set.largeCommunities.length > 0) {
    lines.push(`      Large Community: ${set.largeCommunities.map(one => one.join(':')).join(' ')}`);
  }
  const originator = set.originatorId === undefined ? [] : [`Originator: ${formatIp4(set.originatorId)}`];
  if (set.clusterList.length > 0) originator.push(`Cluster list: ${set.clusterList.map(formatIp4).join(' ')}`);
  if (originator.length > 0) lines.push(`      ${originator.join(', ')}`);
  lines.push(...serviceText(serviceOf(family, one.path)));
  const ids = addPath.ids(one.path);
  if (ids !== undefined) {
    lines.push(`      AddPath ID: RX ${ids.rx}, TX-All ${ids.all} TX-Best-Per-AS ${ids.perAs}`);
  }
  const peers = addPath.used ? advertisedTo(family, [one]) : [];
  if (peers.length > 0) lines.push(`      Advertised to: ${peers.map(peer => peer.name).join(' ')}`);
  lines.push(`      Last update: ${ctime(table.pathChanged[one.path]! * 1000)}`);
  return lines;
}

/** FRR says what stands in the message; where that is not all of the SID, all of it follows. */
function serviceText(service: Service | undefined): string[] {
  if (service === undefined) return [];
  const { label, sid, structure, whole } = service;
  const lines = [`      Remote label: ${label}`];
  if (sid === undefined) return lines;
  lines.push(`      Remote SID: ${sid}`);
  if (structure !== undefined) lines.push(`      SID structure: [${structureText(structure)}]`);
  if (whole !== sid) lines.push(`      SID with the label's part: ${whole ?? 'none that holds'}`);
  return lines;
}

function serviceJson(service: Service | undefined): object {
  if (service === undefined) return {};
  const { label, sid, structure, whole } = service;
  return {
    remoteLabel: label,
    ...(sid === undefined ? {} : { remoteSid: sid }),
    ...(structure === undefined ? {} : { sidStructure: structure }),
    ...(whole === undefined ? {} : { sid: whole }),
  };
}

/** The neighbour of what no neighbour said. */
function nobody({ table }: FamilyInstance): string {
  return table.family === AF_INET ? '0.0.0.0' : '::';
}

/** Prefixes of a VPN's table, which have a route distinguisher each; else the one. */
export function routesJson(family: FamilyInstance, prefixes: readonly number[]): object {
  const { table } = family;
  if (!table.prefixes.distinguished) return prefixes.length === 0 ? {} : routeJson(family, prefixes[0]!);
  return Object.fromEntries(prefixes.map(prefix => [rdText(table, prefix), routeJson(family, prefix)]));
}

function routeJson(family: FamilyInstance, prefix: number): object {
  const { table } = family;
  const all = details(family, prefix);
  const addPath = new AddPathView(family, prefix);
  // What zebra redistributes, it forwards by.
  const installed = all.some(one => one.view.redistributed);
  return {
    prefix: table.prefixes.format(prefix),
    version: versionOf(family, prefix),
    ...(addPath.used ? {} : advertisedJson(advertisedTo(family, all))),
    paths: all.map(one => ({ ...pathObject(family, one, addPath), ...(installed ? { fibInstalled: true } : {}) })),
  };
}

function pathObject(family: FamilyInstance, one: Detail, addPath: AddPathView): object {
  const { instance, table } = family;
  const { view, set, flags } = one;
  const changedS = table.pathChanged[one.path]!;
  const hostname = view.peer?.negotiated?.remote.hostname;
  const multipath = (flags & PATH_MULTIPATH) !== 0 && table.selectedPaths(table.pathPrefix[one.path]!) > 1;
  const best = (flags & PATH_BEST) !== 0;
  const ofAs = addPath.isBestOfAs(one.path);
  const ids = addPath.ids(one.path);
  const origin = importedFrom(family, one.path);
  const sourced = view.local || view.foreign;
  return {
    aspath: {
      string: view.path === '' ? 'Local' : view.path,
      segments: set.asPath.map(segment => ({ type: `as-${segment.type}`, list: segment.as })),
      length: instance.store.asPathLength[view.attributes],
    },
    ...nextHopVrfJson(view, 'first'),
    ...(origin === undefined ? {} : { importedFrom: origin }),
    ...(set.aggregator === undefined
      ? {}
      : { aggregatorAs: set.aggregator.as, aggregatorId: formatIp4(set.aggregator.routerId) }),
    ...(one.kind === PEER_IBGP_CLIENT ? { rxedFromRrClient: true } : {}),
    ...(table.isStale(one.path) ? { stale: true } : {}),
    origin: ORIGIN_NAMES[view.origin],
    ...(view.med === undefined ? {} : { metric: view.med }),
    ...(view.localPref === undefined
      ? view.peer?.internal === true
        ? { locPrf: instance.options.defaultLocalPref }
        : {}
      : { locPrf: view.localPref }),
    ...(view.weight === 0 ? {} : { weight: view.weight }),
    ...((set.tag ?? 0) === 0 ? {} : { tag: set.tag }),
    valid: (flags & PATH_VALID) !== 0,
    version: versionOf(family, table.pathPrefix[one.path]!),
    ...(sourced ? { [view.aggregated ? 'aggregated' : 'sourced']: true } : {}),
    ...(sourced && !view.redistributed ? { local: true } : {}),
    ...(set.atomicAggregate ? { atomicAggregate: true } : {}),
    ...(set.otc === undefined ? {} : { otc: set.otc }),
    ...(multipath ? { multipath: true } : {}),
    ...(ofAs || best
      ? {
          bestpath: {
            ...(ofAs ? { bestpathFromAs: instance.store.neighborAs[view.attributes] } : {}),
            ...(best ? { overall: true, selectionReason: REASONS[table.pathReason[one.path]!] } : {}),
          },
        }
      : {}),
    ...(set.communities.length === 0
      ? {}
      : { community: { string: formatCommunities(set.communities), list: set.communities.map(jsonCommunity) } }),
    ...(set.extendedCommunities.length === 0 ? {} : { extendedCommunity: { string: extendedText(set) } }),
    ...(set.largeCommunities.length === 0
      ? {}
      : {
          largeCommunity: {
            string: set.largeCommunities.map(value => value.join(':')).join(' '),
            list: set.largeCommunities.map(value => value.join(':')),
          },
        }),
    ...(set.originatorId === undefined ? {} : { originatorId: formatIp4(set.originatorId) }),
    ...(set.clusterList.length === 0 ? {} : { clusterList: { list: set.clusterList.map(formatIp4) } }),
    ...serviceJson(serviceOf(family, one.path)),
    ...(ids === undefined
      ? {}
      : { addpathRxId: ids.rx, addpathTxId: ids.all, addpathTxIdAll: ids.all, addpathTxIdBestPerAS: ids.perAs }),
    ...(addPath.used ? advertisedJson(advertisedTo(family, [one])) : {}),
    lastUpdate: { epoch: changedS, string: `${ctime(changedS * 1000)}\n` },
    nexthops: [
      {
        ...hopJson(family, view),
        metric: one.igpMetric ?? 0,
        accessible: one.igpMetric !== undefined,
        used: true,
      },
    ],
    peer:
      view.peer === undefined
        ? { peerId: nobody(family), routerId: routerIdText(instance) }
        : {
            peerId: view.peer.name,
            routerId: formatIp4(view.peer.negotiated?.remoteRouterId ?? 0),
            ...(hostname === undefined ? {} : { hostname }),
            ...(view.foreign ? {} : { type: kindText(family, one.kind) }),
          },
  };
}
