// What a neighbour was told and what it told us, route by route, as the table shows tell routes: generators over a snapshot of prefix
// ids in order.
import { AF_INET6, formatAddress, formatIp4 } from '../net/index.ts';
import type { Membership } from './family.ts';
import type { PeerFamily } from './peer-family.ts';
import { PATH_FILTERED, PATH_REMOVED } from './rib/index.ts';
import { ORIGIN_CODES, type PathView, routerIdText, viewPath } from './show-format.ts';
import { heading, isHidden, line, ordered, rdHeading } from './show-routes.ts';
import { rdText } from './vpn/show-path.ts';

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
  /** Empty where prefixes have none. */
  readonly rd: string;
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
  const { family } = one;
  const { options } = membership.slot.group;
  const sent = viewPath(family, path, set, membership.slot.group.sets);
  const own = viewPath(family, path);
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
  const localPref = sent.localPref ?? own.localPref;
  return { ...sent, nextHop, nextHopVrf: undefined, path: asPath, localPref, weight: own.weight };
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
  const { membership, family } = one;
  const { table } = family;
  const rows: AdjRow[] = [];
  const add = (view: PathView, filtered: boolean): void => {
    const network = rows[0]?.network ?? table.prefixes.format(prefix);
    rows.push({ rd: table.prefixes.distinguished ? rdText(table, prefix) : '', network, view, filtered });
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
    add(viewPath(family, path, table.pathReceived[path]!), filtered);
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
  let rd = '';
  for (const row of adjRows(one, kind)) {
    if (row === undefined) {
      yield '';
      continue;
    }
    if (count++ === 0) yield head;
    if (row.filtered) filtered++;
    if (row.rd !== rd) yield rdHeading((rd = row.rd));
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
  // Prefixes with distinguishers are in an object for each of those.
  let rd = '';
  const written = (row: AdjRow): string => {
    const begins = row.rd !== rd;
    const before = begins && rd !== '' ? '\n  }' : '';
    rd = row.rd;
    return `${before}${separator}${begins ? `  "${rd}":{\n    "rd":"${rd}",\n` : ''}${adjJson(row)}`;
  };
  for (const row of adjRows(one, kind)) {
    if (row === undefined) {
      yield '';
      continue;
    }
    if (row.filtered) filtered++;
    // Of a prefix with several paths, an object holds one: the last, as FRR's does.
    if (last !== undefined && (last.network !== row.network || last.rd !== row.rd)) {
      yield written(last);
      separator = ',\n';
    }
    last = row;
    count++;
  }
  yield last === undefined ? `{\n  ${open}` : written(last);
  const refused = kind === 'received' ? filtered : 0;
  yield `${rd === '' ? '' : '\n  }'}\n  },\n  "totalPrefixCounter":${count},\n  "filteredPrefixCounter":${refused}\n}\n`;
}
