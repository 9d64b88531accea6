// The table shows: generators over a snapshot of prefix ids in order, so that a million rows stream out in slices while the
// table goes on changing. A row that is gone when its turn comes is left out.
import { AF_INET6, containsPrefix, formatAddress, formatIp4, maskWords, type Prefix } from '../net/index.ts';
import type { FamilyInstance, Membership } from './family.ts';
import type { PeerFamily } from './peer-family.ts';
import {
  type BgpTable,
  PATH_BEST,
  PATH_FILTERED,
  PATH_LOOP,
  PATH_MULTIPATH,
  PATH_REMOVED,
  PATH_VALID,
  PEER_IBGP,
  PEER_IBGP_CLIENT,
  REASONS,
} from './rib/index.ts';
import { ORIGIN_CODES, ORIGIN_NAMES, type PathView, routerIdText, viewPath } from './show-format.ts';

const STATUS_CODES = `Status codes:  s suppressed, d damped, h history, * valid, > best, = multipath,
               i internal, r RIB-failure, S Stale, R Removed
Nexthop codes: @NNN nexthop's vrf id, < announce-nh-self
Origin codes:  i - IGP, e - EGP, ? - incomplete
RPKI validation codes: V valid, I invalid, N Not found

   Network          Next Hop            Metric LocPrf Weight Path
`;

export function heading(family: FamilyInstance): string {
  const { instance, table } = family;
  return `BGP table version is ${table.changes}, local router ID is ${routerIdText(instance)}, vrf id ${instance.vrf.id}
Default local pref ${instance.options.defaultLocalPref}, local AS ${instance.as}
${STATUS_CODES}`;
}

export function statusOf(table: BgpTable, path: number): string {
  const flags = table.pathFlags[path]!;
  const kind = table.peerKind(table.pathPeer[path]!);
  const suppressed = table.suppressed[table.pathPrefix[path]!] === 1;
  const first = suppressed ? 's' : table.isStale(path) ? 'S' : (flags & PATH_VALID) !== 0 ? '*' : ' ';
  const second = (flags & PATH_BEST) !== 0 ? '>' : (flags & PATH_MULTIPATH) !== 0 ? '=' : ' ';
  return `${first}${second}${kind === PEER_IBGP || kind === PEER_IBGP_CLIENT ? 'i' : ' '}`;
}

export function line(status: string, network: string, view: PathView): string {
  const named =
    network === '' ? ' '.repeat(17) : network.length > 16 ? `${network}\n${' '.repeat(20)}` : network.padEnd(17);
  const hop = view.nextHop.length > 15 ? `${view.nextHop}\n${' '.repeat(36)}` : view.nextHop.padEnd(16);
  const med = view.med === undefined ? ' '.repeat(10) : String(view.med).padStart(10);
  const pref = view.localPref === undefined ? ' '.repeat(7) : String(view.localPref).padStart(7);
  const path = view.path === '' ? '' : `${view.path} `;
  return `${status}${named}${hop}${med}${pref}${String(view.weight).padStart(7)} ${path}${ORIGIN_CODES[view.origin]}\n`;
}

/** Which paths a show is about. */
export interface Selection {
  /** Only prefixes inside this one. */
  readonly within?: Prefix;
  /** Only paths of this peer. */
  readonly peer?: PeerFamily;
}

/** Refused by policy, or a loop: kept, but no route. */
export function isHidden(table: BgpTable, path: number): boolean {
  return (
    (table.pathFlags[path]! & (PATH_FILTERED | PATH_LOOP | PATH_REMOVED)) !== 0 || table.pathAttributes[path] === 0
  );
}

/** Prefix ids in order; yields while it sorts, gives nothing to show. */
export function* ordered(table: BgpTable): Generator<string, Uint32Array> {
  const sorting = table.prefixes.sorting();
  for (let step = sorting.next(); ; step = sorting.next()) {
    if (step.done) return step.value;
    yield '';
  }
}

function inside(table: BgpTable, prefix: number, within: Prefix | undefined): boolean {
  return within === undefined || containsPrefix(within, table.prefixes.prefix(prefix));
}

export function* pathsOf(table: BgpTable, prefix: number, selection: Selection): Generator<number> {
  for (let path = table.first[prefix]!; path !== 0; path = table.pathNext[path]!) {
    if (selection.peer !== undefined && table.pathPeer[path] !== selection.peer.index) continue;
    if (!isHidden(table, path)) yield path;
  }
}

/** `show bgp ipv4 unicast`, `… longer-prefixes`, `… neighbors X routes`. */
export function* tableText(family: FamilyInstance, selection: Selection = {}): Generator<string> {
  const { table } = family;
  table.decide();
  const ids = yield* ordered(table);
  let shown = 0;
  for (const prefix of ids) {
    if (!table.prefixes.has(prefix) || !inside(table, prefix, selection.within)) continue;
    let network = '';
    let text = '';
    for (const path of pathsOf(table, prefix, selection)) {
      if (text === '') network = table.prefixes.format(prefix);
      text += line(statusOf(table, path), text === '' ? network : '', viewPath(table, path));
    }
    if (text === '') continue;
    if (shown++ === 0) yield heading(family);
    yield text;
  }
  if (shown > 0) yield `\nDisplayed  ${shown} routes and ${table.acceptedPaths} total paths\n`;
  else if (selection.peer === undefined) yield `No BGP prefixes displayed, ${table.prefixCount} exist\n`;
}

export function hopJson(family: FamilyInstance, view: PathView): Record<string, unknown> {
  const { bgp } = family.instance;
  const hostname = view.local ? bgp.hostname : view.peer?.negotiated?.remote.hostname;
  const wide = view.nextHop.includes(':');
  return {
    ip: view.nextHop,
    ...(hostname === undefined || hostname === '' ? {} : { hostname }),
    afi: wide ? 'ipv6' : 'ipv4',
    ...(wide ? { scope: 'global' } : {}),
  };
}

export function pathJson(family: FamilyInstance, prefix: number, path: number): object {
  const { table } = family;
  const view = viewPath(table, path);
  const flags = table.pathFlags[path]!;
  const kind = table.peerKind(table.pathPeer[path]!);
  const network = table.prefixes.format(prefix);
  const slash = network.indexOf('/');
  const best = (flags & PATH_BEST) !== 0;
  return {
    ...(table.suppressed[prefix] === 1 ? { suppressed: true } : {}),
    ...((flags & PATH_VALID) === 0 ? {} : { valid: true }),
    ...(best || (flags & PATH_MULTIPATH) === 0 || table.selectedPaths(prefix) < 2 ? {} : { multipath: true }),
    ...(best ? { bestpath: true, selectionReason: REASONS[table.pathReason[path]!] } : {}),
    ...(table.isStale(path) ? { stale: true } : {}),
    pathFrom: kind === PEER_IBGP || kind === PEER_IBGP_CLIENT ? 'internal' : 'external',
    prefix: network.slice(0, slash),
    prefixLen: Number(network.slice(slash + 1)),
    network,
    version: table.best[prefix] === 0 ? 0 : table.version[prefix],
    ...(view.med === undefined ? {} : { metric: view.med }),
    ...(view.localPref === undefined ? {} : { locPrf: view.localPref }),
    weight: view.weight,
    peerId: view.peer?.name ?? '(unspec)',
    path: view.path,
    origin: ORIGIN_NAMES[view.origin],
    nexthops: [{ ...hopJson(family, view), used: true }],
  };
}

/** The same as JSON, in FRR's shape: written as it goes, for there may be a million. */
export function* tableJson(family: FamilyInstance, selection: Selection = {}): Generator<string> {
  const { table, instance } = family;
  table.decide();
  yield `{
 "vrfId": ${instance.vrf.id},
 "vrfName": "${instance.name}",
 "tableVersion": ${table.changes},
 "routerId": "${routerIdText(instance)}",
 "defaultLocPrf": ${instance.options.defaultLocalPref},
 "localAS": ${instance.as},
 "routes": { `;
  const ids = yield* ordered(table);
  let separator = '';
  for (const prefix of ids) {
    if (!table.prefixes.has(prefix) || !inside(table, prefix, selection.within)) continue;
    const paths: string[] = [];
    for (const path of pathsOf(table, prefix, selection)) paths.push(JSON.stringify(pathJson(family, prefix, path)));
    if (paths.length === 0) continue;
    yield `${separator}"${table.prefixes.format(prefix)}": [${paths.join(',')}]\n`;
    separator = ',';
  }
  yield ' }  } \n';
}

// ---- adj-RIBs --------------------------------------------------------------------------------------------------------

/** What of a neighbour is shown. */
export type AdjacencyKind = 'advertised' | 'received' | 'filtered';

const ADJ_HEADING = {
  bgpStatusCodes: {
    suppressed: 's',
    damped: 'd',
    history: 'h',
    valid: '*',
    best: '>',
    multipath: '=',
    internal: 'i',
    ribFailure: 'r',
    stale: 'S',
    removed: 'R',
  },
  bgpOriginCodes: { igp: 'i', egp: 'e', incomplete: '?' },
};

interface AdjRow {
  /** As text: the row may be another prefix's when this one is shown. */
  readonly network: string;
  readonly view: PathView;
  /** The inbound policy refused it. */
  readonly filtered: boolean;
}

/**
 * A path that is advertised, as FRR tells it: as it is before the message is made, that is without our own AS in front, with
 * a next hop of zero where it is ours, and with what does not leave this AS.
 */
function advertisedView(one: PeerFamily, membership: Membership, path: number, set: number): PathView {
  const { table } = one.family;
  const { options } = membership.slot.group;
  const sent = viewPath(table, path, set, membership.slot.group.sets);
  const own = viewPath(table, path);
  const address4 = options.localAddress4 === undefined ? undefined : formatIp4(options.localAddress4);
  const addresses6 = [options.localAddress6, options.localLinkLocal6].flatMap(words =>
    words === undefined ? [] : [formatAddress(AF_INET6, words)],
  );
  let { nextHop, path: asPath } = sent;
  if (nextHop === address4) nextHop = '0.0.0.0';
  else if (addresses6.includes(nextHop)) nextHop = '::';
  const silent = options.routeServerClient || (options.asPathUnchanged && own.path !== '');
  if (options.kind === 'ebgp') {
    const kept = silent ? asPath : asPath.split(' ').slice(1).join(' ');
    // What is the confederation's own is there until the message is made.
    asPath = `${/^(?:\([^)]*\)|\[[^\]]*\]| )*/.exec(own.path)![0]}${kept}`.trim();
  } else if (options.kind === 'confed')
    asPath = asPath.replace(/^\(\d+(?:\) ?| )/, put => (put.includes(')') ? '' : '('));
  return { ...sent, nextHop, path: asPath, localPref: sent.localPref ?? own.localPref, weight: own.weight };
}

/** Rows of an adj-RIB; undefined while it sorts. */
function* adjRows(one: PeerFamily, kind: AdjacencyKind): Generator<AdjRow | undefined> {
  const { family } = one;
  const { table } = family;
  table.decide();
  const sorting = ordered(table);
  let step = sorting.next();
  for (; !step.done; step = sorting.next()) yield undefined;
  for (const prefix of step.value) if (table.prefixes.has(prefix)) yield* adjRowsOf(one, kind, prefix);
}

/** All of a prefix's at once: its paths may be others' between two of them. */
function adjRowsOf(one: PeerFamily, kind: AdjacencyKind, prefix: number): AdjRow[] {
  const { membership } = one;
  const { table } = one.family;
  const rows: AdjRow[] = [];
  const add = (view: PathView, filtered: boolean): void => {
    rows.push({ network: rows[0]?.network ?? table.prefixes.format(prefix), view, filtered });
  };
  for (let path = table.first[prefix]!; path !== 0; path = table.pathNext[path]!) {
    if (kind === 'advertised') {
      const set = membership?.slot.group.advertised(membership.member, path) ?? 0;
      if (membership !== undefined && set !== 0 && !isHidden(table, path)) {
        add(advertisedView(one, membership, path, set), false);
      }
      continue;
    }
    if (table.pathPeer[path] !== one.index || (table.pathFlags[path]! & PATH_REMOVED) !== 0) continue;
    const filtered = (table.pathFlags[path]! & PATH_FILTERED) !== 0;
    if (kind === 'filtered' && !filtered) continue;
    add(viewPath(table, path, table.pathReceived[path]!), filtered);
  }
  return rows;
}

/** The default route that we make for this neighbour, which is no route of the table. */
function madeDefault(one: PeerFamily, kind: AdjacencyKind): string | undefined {
  if (kind !== 'advertised' || one.membership?.originatesDefault !== true) return undefined;
  return one.afi === 'ipv4' ? '0.0.0.0/0' : '::/0';
}

export function* adjacencyText(one: PeerFamily, kind: AdjacencyKind): Generator<string> {
  const made = madeDefault(one, kind);
  const [codes, columns] = heading(one.family).split('\n\n');
  const head =
    made === undefined ? heading(one.family) : `${codes}\n\nOriginating default network ${made}\n\n${columns}`;
  let count = 0;
  let filtered = 0;
  for (const row of adjRows(one, kind)) {
    if (row === undefined) {
      yield '';
      continue;
    }
    if (count++ === 0) yield head;
    if (row.filtered) filtered++;
    yield line('*> ', row.network, row.view);
  }
  if (count === 0) return;
  const refused = kind === 'received' && filtered > 0 ? ` (${filtered} filtered)` : '';
  yield `\nTotal number of prefixes ${count}${refused}\n`;
}

function adjJson({ network, view }: AdjRow): string {
  const slash = network.indexOf('/');
  const route = {
    addrPrefix: network.slice(0, slash),
    prefixLen: Number(network.slice(slash + 1)),
    network,
    [view.nextHop.includes(':') ? 'nextHopGlobal' : 'nextHop']: view.nextHop,
    ...(view.med === undefined ? {} : { metric: view.med }),
    ...(view.localPref === undefined ? {} : { locPrf: view.localPref }),
    weight: view.weight,
    path: view.path,
    bgpOriginCode: ORIGIN_CODES[view.origin],
    appliedStatusSymbols: { '*': true, '>': true },
  };
  return `    "${network}":${JSON.stringify(route)}`;
}

export function* adjacencyJson(one: PeerFamily, kind: AdjacencyKind): Generator<string> {
  const { family } = one;
  const { table, instance } = family;
  const made = madeDefault(one, kind);
  const head = {
    bgpTableVersion: table.changes,
    bgpLocalRouterId: routerIdText(instance),
    defaultLocPrf: instance.options.defaultLocalPref,
    localAS: instance.as,
    ...ADJ_HEADING,
    ...(made === undefined ? {} : { bgpOriginatingDefaultNetwork: made }),
  };
  // The object is written open-ended, its routes one by one; without routes it has no heading.
  const open = `"${kind === 'advertised' ? 'advertisedRoutes' : 'receivedRoutes'}":{\n`;
  let separator = `${JSON.stringify(head, null, 2).slice(0, -2)},\n  ${open}`;
  let count = 0;
  let filtered = 0;
  let last: AdjRow | undefined;
  for (const row of adjRows(one, kind)) {
    if (row === undefined) {
      yield '';
      continue;
    }
    if (row.filtered) filtered++;
    // Of a prefix with several paths, an object holds one: the last, as FRR's does.
    if (last !== undefined && last.network !== row.network) {
      yield separator + adjJson(last);
      separator = ',\n';
    }
    last = row;
    count++;
  }
  yield last === undefined ? `{\n  ${open}` : separator + adjJson(last);
  const refused = kind === 'received' ? filtered : 0;
  yield `\n  },\n  "totalPrefixCounter":${count},\n  "filteredPrefixCounter":${refused}\n}\n`;
}

/** The prefix that a `show … ADDRESS` means: exact for a prefix, the longest match for an address; −1: none. */
export function findRoute(family: FamilyInstance, prefix: Prefix, exact: boolean): number {
  const { table } = family;
  table.decide();
  const visible = (id: number): boolean => {
    for (let path = table.first[id]!; path !== 0; path = table.pathNext[path]!) if (!isHidden(table, path)) return true;
    return false;
  };
  const [w0, w1, w2, w3] = maskWords(prefix.words, prefix.length);
  if (exact) {
    const id = table.prefixes.find(w0, w1, w2, w3, prefix.length);
    return id >= 0 && visible(id) ? id : -1;
  }
  for (let longest = prefix.length; longest >= 0; ) {
    const id = table.prefixes.match(w0, w1, w2, w3, longest);
    if (id < 0 || visible(id)) return id;
    longest = table.prefixes.length[id]! - 1;
  }
  return -1;
}
