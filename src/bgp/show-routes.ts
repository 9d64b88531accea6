// The table shows: generators over a snapshot of prefix ids in order, so that a million rows stream out in slices while the
// table goes on changing. A row that is gone when its turn comes is left out.
import { containsPrefix, maskWords, type Prefix, type PrefixTable } from '../net/index.ts';
import type { FamilyInstance } from './family.ts';
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
import type { WordPair } from './wire/route-distinguisher.ts';
import type { Vrf } from './vrf.ts';
import { rdText, vpnLine } from './vpn/show-path.ts';

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

/** The number of a VRF; `-` where zebra has told none. */
export function vrfNumber({ exists, id }: Vrf): string {
  return exists ? String(id) : '-';
}

/** What stands before the rows of each route distinguisher. */
export function rdHeading(rd: string): string {
  return `Route Distinguisher: ${rd}\n`;
}

export function line(status: string, network: string, view: PathView): string {
  const named =
    network === '' ? ' '.repeat(17) : network.length > 16 ? `${network}\n${' '.repeat(20)}` : network.padEnd(17);
  const shown = `${view.nextHop}${view.nextHopVrf === undefined ? '' : `@${vrfNumber(view.nextHopVrf)}<`}`;
  const hop = shown.length > 15 ? `${shown}\n${' '.repeat(36)}` : shown.padEnd(16);
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
  /** Only prefixes with this route distinguisher. */
  readonly rd?: WordPair | undefined;
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

function isMeant({ prefixes }: BgpTable, prefix: number, { within, rd }: Selection): boolean {
  if (rd !== undefined && (prefixes.rd0[prefix] !== rd[0] || prefixes.rd1[prefix] !== rd[1])) return false;
  return within === undefined || containsPrefix(within, prefixes.prefix(prefix));
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
  const { distinguished } = table.prefixes;
  let shown = 0;
  let paths = 0;
  let rd = '';
  for (const prefix of ids) {
    if (!table.prefixes.has(prefix) || !isMeant(table, prefix, selection)) continue;
    let network = '';
    let text = '';
    for (const path of pathsOf(table, prefix, selection)) {
      if (text === '') network = table.prefixes.format(prefix);
      const view = viewPath(family, path);
      text += line(statusOf(table, path), text === '' ? network : '', view);
      if (distinguished) text += vpnLine(family, path, view);
      paths++;
    }
    if (text === '') continue;
    if (shown++ === 0) yield heading(family);
    if (distinguished && rdText(table, prefix) !== rd) yield rdHeading((rd = rdText(table, prefix)));
    yield text;
  }
  const total = selection.rd === undefined ? table.acceptedPaths : paths;
  if (shown > 0) yield `\nDisplayed  ${shown} routes and ${total} total paths\n`;
  else if (selection.peer === undefined) {
    yield `No BGP prefixes displayed, ${selection.rd === undefined ? table.prefixCount : 0} exist\n`;
  }
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

/** Whose next hop it is, as members of an object; `self` first or last, as FRR has it in one path's object and in a table's. */
export function nextHopVrfJson({ nextHopVrf: vrf }: PathView, self: 'first' | 'last'): object {
  if (vrf === undefined) return {};
  const named = { nhVrfName: vrf.name, nhVrfId: vrf.id };
  return self === 'last' ? { announceNexthopSelf: true, ...named } : { ...named, announceNexthopSelf: true };
}

export function pathJson(family: FamilyInstance, prefix: number, path: number): object {
  const { table } = family;
  const view = viewPath(family, path);
  const flags = table.pathFlags[path]!;
  const kind = table.peerKind(table.pathPeer[path]!);
  const network = table.prefixes.format(prefix);
  const slash = network.indexOf('/');
  const best = (flags & PATH_BEST) !== 0;
  const { scope, ...hop } = hopJson(family, view);
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
    ...nextHopVrfJson(view, 'last'),
    nexthops: [{ ...hop, ...(scope === undefined || table.prefixes.distinguished ? {} : { scope }), used: true }],
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
  const { distinguished } = table.prefixes;
  if (distinguished) yield ' "routeDistinguishers" : { ';
  let rd = '';
  let separator = '';
  for (const prefix of ids) {
    if (!table.prefixes.has(prefix) || !isMeant(table, prefix, selection)) continue;
    const paths: string[] = [];
    for (const path of pathsOf(table, prefix, selection)) paths.push(JSON.stringify(pathJson(family, prefix, path)));
    if (paths.length === 0) continue;
    if (distinguished && rdText(table, prefix) !== rd) {
      separator = `${rd === '' ? '' : ' }, '}"${rdText(table, prefix)}" : { `;
      rd = rdText(table, prefix);
    }
    yield `${separator}"${table.prefixes.format(prefix)}": [${paths.join(',')}]\n`;
    separator = ',';
  }
  yield `${rd === '' ? '' : ' } '}${distinguished ? ' } ' : ''} }  } \n`;
}

/**
 * The prefixes that a `show … ADDRESS` means, in order: of each route distinguisher the exact one for a prefix, the longest match for
 * an address. Yields while it searches.
 */
export function* findRoutes(
  { table }: FamilyInstance,
  prefix: Prefix,
  exact: boolean,
  rd?: WordPair,
): Generator<string, number[]> {
  table.decide();
  const { prefixes } = table;
  const [w0, w1, w2, w3] = maskWords(prefix.words, prefix.length);
  const visible = (id: number): boolean => {
    for (let path = table.first[id]!; path !== 0; path = table.pathNext[path]!) if (!isHidden(table, path)) return true;
    return false;
  };
  const longest = (rd0: number, rd1: number): number[] => {
    for (let length = prefix.length; length >= 0; ) {
      const id = exact
        ? prefixes.find(w0, w1, w2, w3, length, rd0, rd1)
        : prefixes.match(w0, w1, w2, w3, length, rd0, rd1);
      if (id < 0) return [];
      if (visible(id)) return [id];
      if (exact) return [];
      length = prefixes.length[id]! - 1;
    }
    return [];
  };
  if (!prefixes.distinguished) return longest(0, 0);
  if (rd !== undefined) return longest(...rd);
  const all = yield* distinguishersOf(prefixes);
  return all.flatMap(one => longest(...one));
}

/** Rows between two looks at the clock. */
const ROWS = 65_536;

/** The route distinguishers of a table, in order. */
function* distinguishersOf(prefixes: PrefixTable): Generator<string, WordPair[]> {
  const found = new Map<number, Set<number>>();
  for (let id = 0; id < prefixes.limit; id++) {
    if (id % ROWS === ROWS - 1) yield '';
    if (!prefixes.has(id)) continue;
    const low = found.get(prefixes.rd0[id]!);
    if (low === undefined) found.set(prefixes.rd0[id]!, new Set([prefixes.rd1[id]!]));
    else low.add(prefixes.rd1[id]!);
  }
  const all = [...found].flatMap(([hi, low]) => Array.from(low, (lo): WordPair => [hi, lo]));
  return all.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
}
