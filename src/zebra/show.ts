// What zebra shows, as FRR 8.4.4 prints it (compared with it, black box). Tables are generators over a sorted snapshot of
// prefix ids: a slice at a time, while the table changes under it.
import {
  AF_INET,
  addressBits,
  containsAddress,
  type Family,
  formatAddress,
  formatPrefix,
  isLinkLocal6,
  type Prefix,
  isLoopback,
} from '../net/index.ts';
import { FLAG_IBGP, FLAG_SELECTED } from './face.ts';
import { interfaceSwitches } from './forwarding.ts';
import {
  IFA_F_SECONDARY,
  IFF_BROADCAST,
  IFF_LOOPBACK,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_POINTOPOINT,
  IFF_RUNNING,
  IFF_UP,
  type Interface,
  type InterfaceAddress,
} from './interface/interfaces.ts';
import {
  BLACKHOLE_NULL,
  BLACKHOLE_PROHIBIT,
  BLACKHOLE_REJECT,
  type MemberResolution,
  type Nexthop,
  type ResolvedPath,
} from './nexthop/set.ts';
import { RT_TABLE_MAIN } from './rib/rib.ts';
import { FAILED, IN_FLIGHT, type RibTable, ROW_ZAPI_FLAGS } from './rib/table.ts';
import { ROUTE_BGP, ROUTE_CONNECT, ROUTE_KERNEL, routeType, routeTypeName } from './route-type.ts';
import type { Zebra } from './zebra.ts';

/** `00:00:03`, `1d02h03m`, `2w3d04h`. */
export function formatUptime(seconds: number): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const s = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor(s / 60) % 60;
  const hours = Math.floor(s / 3600) % 24;
  const days = Math.floor(s / 86_400);
  if (days === 0) return `${two(hours)}:${two(minutes)}:${two(s % 60)}`;
  if (days < 7) return `${days}d${two(hours)}h${two(minutes)}m`;
  return `${two(Math.floor(days / 7))}w${days % 7}d${two(hours)}h`;
}

const CODES_4 = `Codes: K - kernel route, C - connected, S - static, R - RIP,
       O - OSPF, I - IS-IS, B - BGP, E - EIGRP, N - NHRP,
       T - Table, v - VNC, V - VNC-Direct, A - Babel, F - PBR,
       f - OpenFabric,
       > - selected route, * - FIB route, q - queued, r - rejected, b - backup
       t - trapped, o - offload failure

`;
const CODES_6 = `Codes: K - kernel route, C - connected, S - static, R - RIPng,
       O - OSPFv3, I - IS-IS, B - BGP, N - NHRP, T - Table,
       v - VNC, V - VNC-Direct, A - Babel, F - PBR,
       f - OpenFabric,
       > - selected route, * - FIB route, q - queued, r - rejected, b - backup
       t - trapped, o - offload failure

`;

export const NOT_IN_TABLE = '% Network not in table\n';

// One next hop of a route, as it is printed: members, and below a recursive one the paths that it resolves to.
interface Shown {
  readonly level: 0 | 1;
  readonly recursive: boolean;
  readonly active: boolean;
  readonly gatewayFamily: Family | 0;
  readonly gateway: Nexthop['gateway'];
  readonly ifindex: number;
  readonly blackhole: number;
  readonly onlink: boolean;
  /** undefined where none is printed: connected routes, and kernel routes of one path. */
  readonly weight: number | undefined;
}

function shownNexthops(zebra: Zebra, table: RibTable, row: number): Shown[] {
  const set = zebra.sets.get(table.set[row]!);
  const type = table.type[row]!;
  const weighted = type !== ROUTE_CONNECT && (type !== ROUTE_KERNEL || set.members.length > 1);
  const out: Shown[] = [];
  const shown = (
    path: Nexthop | ResolvedPath,
    level: 0 | 1,
    recursive: boolean,
    active: boolean,
    ifindex = path.ifindex,
  ): Shown => ({
    level,
    recursive,
    active,
    gatewayFamily: path.gatewayFamily,
    gateway: path.gateway,
    ifindex,
    blackhole: path.blackhole,
    // Kernel routes are marked so inside, because nothing about them is to be proved; they are not printed so.
    onlink: path.onlink && type !== ROUTE_KERNEL,
    weight: weighted ? path.weight || 1 : undefined,
  });
  set.members.forEach((member, i) => {
    const resolution: MemberResolution | undefined = set.resolution[i];
    if (resolution === undefined || !resolution.active) out.push(shown(member, 0, false, false));
    else if (!resolution.recursive)
      out.push(shown(member, 0, false, true, resolution.paths[0]?.ifindex ?? member.ifindex));
    else {
      out.push(shown(member, 0, true, true));
      for (const path of resolution.paths) out.push(shown(path, 1, false, true));
    }
  });
  return out;
}

/** Whether the row's route forwards: the kernel has it, by our hand or its own. */
function inFib(table: RibTable, id: number, row: number): boolean {
  const type = table.type[row]!;
  if (type === ROUTE_CONNECT) return true;
  if (table.selected[id] !== row) return false;
  return type === ROUTE_KERNEL || table.kernel[id] !== 0;
}

function blackholeText(blackhole: number): string {
  if (blackhole === BLACKHOLE_REJECT) return ' unreachable (ICMP unreachable)';
  if (blackhole === BLACKHOLE_PROHIBIT) return ' unreachable (ICMP admin-prohibited)';
  if (blackhole === BLACKHOLE_NULL) return ' unreachable (blackhole)';
  return ' unreachable';
}

function nexthopText(zebra: Zebra, one: Shown, uptime: string): string {
  let text: string;
  if (one.blackhole !== 0) text = blackholeText(one.blackhole);
  else if (one.gatewayFamily !== 0) {
    text = ` via ${formatAddress(one.gatewayFamily, one.gateway)}`;
    if (one.ifindex !== 0 && !one.recursive) text += `, ${zebra.interfaces.nameOf(one.ifindex)}`;
  } else text = ` is directly connected, ${zebra.interfaces.nameOf(one.ifindex)}`;
  if (!one.active) text += ' inactive';
  if (one.onlink) text += ' onlink';
  if (one.recursive) text += ' (recursive)';
  if (one.weight !== undefined) text += `, weight ${one.weight}`;
  return `${text}, ${uptime}\n`;
}

function rowText(zebra: Zebra, table: RibTable, id: number, row: number, nowS: number): string {
  const type = table.type[row]!;
  const selected = table.selected[id] === row;
  const fib = inFib(table, id, row);
  const state = table.state[id]!;
  const letter = routeType(type)?.letter ?? '?';
  const uptime = formatUptime(nowS - table.since[row]!);
  const mark = (one: Shown): string => {
    if (selected && (state & FAILED) !== 0) return 'r';
    if (fib) return one.active && !one.recursive ? '*' : ' ';
    return selected && (state & IN_FLIGHT) !== 0 ? 'q' : ' ';
  };
  const distance = type === ROUTE_CONNECT ? '' : ` [${table.distance[row]}/${table.metric[row]}]`;
  const instance = table.instance[row] === 0 ? '' : `[${table.instance[row]}]`;
  let text = '';
  let width = 0;
  for (const one of shownNexthops(zebra, table, row)) {
    if (text === '') {
      const head = `${letter}${instance}${selected ? '>' : ' '}${mark(one)} ${table.prefixes.format(id)}${distance}`;
      width = head.length;
      text = head + nexthopText(zebra, one, uptime);
    } else text += `  ${mark(one)}${' '.repeat(width - 3 + 2 * one.level)}${nexthopText(zebra, one, uptime)}`;
  }
  return text;
}

function rowJson(zebra: Zebra, table: RibTable, id: number, row: number, nowS: number): Record<string, unknown> {
  const set = zebra.sets.get(table.set[row]!);
  const selected = table.selected[id] === row;
  const fib = inFib(table, id, row);
  const shown = shownNexthops(zebra, table, row);
  const tag = table.tag[row]!;
  const json: Record<string, unknown> = {
    prefix: table.prefixes.format(id),
    prefixLen: table.prefixes.length[id]!,
    protocol: routeTypeName(table.type[row]!),
  };
  if (table.instance[row] !== 0) json['instance'] = table.instance[row];
  json['vrfId'] = table.vrf;
  json['vrfName'] = 'default';
  if (selected) {
    json['selected'] = true;
    json['destSelected'] = true;
  }
  json['distance'] = table.distance[row]!;
  json['metric'] = table.metric[row]!;
  if (fib) json['installed'] = true;
  if (selected && (table.state[id]! & FAILED) !== 0) json['failed'] = true;
  if (selected && (table.state[id]! & IN_FLIGHT) !== 0) json['queued'] = true;
  if (tag !== 0) json['tag'] = tag;
  json['table'] = RT_TABLE_MAIN;
  json['internalStatus'] = fib ? 0x10 : 0;
  json['internalFlags'] = (table.flags[row]! & ROW_ZAPI_FLAGS & ~0x2000) | (selected ? FLAG_SELECTED : 0);
  json['internalNextHopNum'] = shown.length;
  json['internalNextHopActiveNum'] = shown.filter(one => one.active).length;
  const group = zebra.objects.groupOf[set.id]! >= 256 ? zebra.objects.groupOf[set.id]! : 0;
  if (group !== 0) json['nexthopGroupId'] = group;
  if (fib && table.kernel[id]! >= 256 && selected) json['installedNexthopGroupId'] = table.kernel[id]!;
  json['uptime'] = formatUptime(nowS - table.since[row]!);
  json['nexthops'] = shown.map(one => nexthopJson(zebra, one, fib));
  return json;
}

function nexthopJson(zebra: Zebra, one: Shown, fib: boolean): Record<string, unknown> {
  const inFibNow = fib && one.active && !one.recursive;
  const json: Record<string, unknown> = {
    flags: (one.active ? 1 : 0) | (inFibNow ? 2 : 0) | (one.recursive ? 4 : 0) | (one.onlink ? 8 : 0),
  };
  if (inFibNow) json['fib'] = true;
  if (one.blackhole !== 0) {
    json['unreachable'] = true;
    if (one.blackhole === BLACKHOLE_NULL) json['blackhole'] = true;
    else if (one.blackhole === BLACKHOLE_REJECT) json['reject'] = true;
    else json['adminProhibited'] = true;
  } else if (one.gatewayFamily !== 0) {
    json['ip'] = formatAddress(one.gatewayFamily, one.gateway);
    json['afi'] = one.gatewayFamily === AF_INET ? 'ipv4' : 'ipv6';
  } else json['directlyConnected'] = true;
  if (one.ifindex !== 0 && !one.recursive) {
    json['interfaceIndex'] = one.ifindex;
    json['interfaceName'] = zebra.interfaces.nameOf(one.ifindex);
  }
  if (one.level > 0) json['resolver'] = true;
  if (one.active) json['active'] = true;
  if (one.onlink) json['onLink'] = true;
  if (one.recursive) json['recursive'] = true;
  if (one.weight !== undefined) json['weight'] = one.weight;
  return json;
}

export interface RouteFilter {
  /** ZAPI number of a route type. */
  readonly type?: number;
  /** Only prefixes inside this one. */
  readonly inside?: Prefix;
}

function matches(table: RibTable, id: number, filter: RouteFilter): boolean {
  const inside = filter.inside;
  if (inside === undefined) return true;
  return table.prefixes.length[id]! >= inside.length && containsAddress(inside, table.family, table.prefixes.words(id));
}

/** The table, sorted. */
export function* showRoutes(zebra: Zebra, family: Family, filter: RouteFilter): Generator<string, void, undefined> {
  const table = zebra.rib.table(0, family);
  const sorting = table.prefixes.sorting();
  let step = sorting.next();
  for (; !step.done; step = sorting.next()) yield '';
  const nowS = zebra.nowS();
  let head = family === AF_INET ? CODES_4 : CODES_6;
  for (const id of step.value) {
    if (!table.prefixes.has(id) || !matches(table, id, filter)) continue;
    for (let row = table.first[id]!; row >= 0; row = table.next[row]!) {
      if (filter.type !== undefined && table.type[row] !== filter.type) continue;
      const text = rowText(zebra, table, id, row, nowS);
      yield head + text;
      head = '';
    }
  }
}

export function* showRoutesJson(zebra: Zebra, family: Family, filter: RouteFilter): Generator<string, void, undefined> {
  const table = zebra.rib.table(0, family);
  const sorting = table.prefixes.sorting();
  let step = sorting.next();
  for (; !step.done; step = sorting.next()) yield '';
  const nowS = zebra.nowS();
  let between = '{\n';
  for (const id of step.value) {
    if (!table.prefixes.has(id) || !matches(table, id, filter)) continue;
    const rows: Record<string, unknown>[] = [];
    for (let row = table.first[id]!; row >= 0; row = table.next[row]!) {
      if (filter.type === undefined || table.type[row] === filter.type) rows.push(rowJson(zebra, table, id, row, nowS));
    }
    if (rows.length === 0) continue;
    yield `${between}  "${table.prefixes.format(id)}":${JSON.stringify(rows, null, 2).replaceAll('\n', '\n  ')}`;
    between = ',\n';
  }
  yield between === '{\n' ? '{\n}\n' : '\n}\n';
}

/** The destination of this exact prefix, or the longest that holds the address. */
function findRoute(zebra: Zebra, prefix: Prefix, exact: boolean): { table: RibTable; id: number } | undefined {
  const table = zebra.rib.table(0, prefix.family);
  const [w0, w1, w2, w3] = prefix.words;
  if (exact) {
    const id = table.prefixes.find(w0, w1, w2, w3, prefix.length);
    return id < 0 || table.first[id]! < 0 ? undefined : { table, id };
  }
  for (let longest: number = addressBits(prefix.family); longest >= 0; ) {
    const id = table.prefixes.match(w0, w1, w2, w3, longest);
    if (id < 0) return undefined;
    if (table.first[id]! >= 0) return { table, id };
    longest = table.prefixes.length[id]! - 1;
  }
  return undefined;
}

export function showRoute(zebra: Zebra, prefix: Prefix, exact: boolean): string {
  const found = findRoute(zebra, prefix, exact);
  if (found === undefined) return NOT_IN_TABLE;
  const { table, id } = found;
  const nowS = zebra.nowS();
  let text = '';
  for (let row = table.first[id]!; row >= 0; row = table.next[row]!) {
    const selected = table.selected[id] === row;
    const fib = inFib(table, id, row);
    text += `Routing entry for ${table.prefixes.format(id)}\n  Known via "${routeTypeName(table.type[row]!)}"`;
    if (table.instance[row] !== 0) text += `[${table.instance[row]}]`;
    text += `, distance ${table.distance[row]}, metric ${table.metric[row]}`;
    if (table.tag[row] !== 0) text += `, tag ${table.tag[row]}`;
    if (selected) text += ', best';
    text += `\n  Last update ${formatUptime(nowS - table.since[row]!)} ago\n`;
    for (const one of shownNexthops(zebra, table, row)) {
      const star = fib && one.active && !one.recursive ? '*' : ' ';
      text += `  ${star} ${'  '.repeat(one.level)}`;
      if (one.blackhole !== 0) text += blackholeText(one.blackhole).slice(1);
      else if (one.gatewayFamily !== 0) {
        text += formatAddress(one.gatewayFamily, one.gateway);
        if (one.ifindex !== 0 && !one.recursive) text += `, via ${zebra.interfaces.nameOf(one.ifindex)}`;
      } else text += `directly connected, ${zebra.interfaces.nameOf(one.ifindex)}`;
      if (!one.active) text += ' inactive';
      if (one.onlink) text += ' onlink';
      if (one.recursive) text += ' (recursive)';
      if (one.weight !== undefined) text += `, weight ${one.weight}`;
      text += '\n';
    }
    text += '\n';
  }
  return text;
}

export function showRouteJson(zebra: Zebra, prefix: Prefix, exact: boolean): object {
  const found = findRoute(zebra, prefix, exact);
  if (found === undefined) return {};
  const { table, id } = found;
  const rows: object[] = [];
  for (let row = table.first[id]!; row >= 0; row = table.next[row]!) {
    rows.push(rowJson(zebra, table, id, row, zebra.nowS()));
  }
  return { [table.prefixes.format(id)]: rows };
}

function countRoutes(zebra: Zebra, family: Family): { name: string; rib: number; fib: number }[] {
  const table = zebra.rib.table(0, family);
  // BGP is counted twice over: by eBGP and iBGP, as FRR does.
  const rib = new Uint32Array(128);
  const fib = new Uint32Array(128);
  for (let id = 0; id < table.prefixes.limit; id++) {
    if (!table.prefixes.has(id)) continue;
    for (let row = table.first[id]!; row >= 0; row = table.next[row]!) {
      const type = table.type[row]!;
      const at = type === ROUTE_BGP && (table.flags[row]! & FLAG_IBGP) !== 0 ? 64 + type : type;
      rib[at]!++;
      if (inFib(table, id, row)) fib[at]!++;
    }
  }
  const out: { name: string; rib: number; fib: number }[] = [];
  for (let type = 0; type < 64; type++) {
    if (type === ROUTE_BGP) {
      const all = rib[type]! + rib[64 + type]!;
      if (all === 0) continue;
      out.push({ name: 'ebgp', rib: rib[type]!, fib: fib[type]! });
      out.push({ name: 'ibgp', rib: rib[64 + type]!, fib: fib[64 + type]! });
    } else if (rib[type]! > 0) out.push({ name: routeTypeName(type), rib: rib[type]!, fib: fib[type]! });
  }
  return out;
}

export function showSummary(zebra: Zebra, family: Family): string {
  const line = (name: string, rib: number | string, fib: number | string): string =>
    `${name.padEnd(20)} ${String(rib).padEnd(20)} ${String(fib).padEnd(20)} \n`;
  let text = `${'Route Source'.padEnd(20)} ${'Routes'.padEnd(20)} FIB  (vrf default)\n`;
  let rib = 0;
  let fib = 0;
  for (const one of countRoutes(zebra, family)) {
    text += line(one.name, one.rib, one.fib);
    rib += one.rib;
    fib += one.fib;
  }
  return `${text}------\n${line('Totals', rib, fib)}\n`;
}

export function showSummaryJson(zebra: Zebra, family: Family): object {
  const counts = countRoutes(zebra, family);
  return {
    routes: counts.map(one => ({ fib: one.fib, rib: one.rib, fibOffLoaded: 0, fibTrapped: 0, type: one.name })),
    routesTotal: counts.reduce((sum, one) => sum + one.rib, 0),
    routesTotalFib: counts.reduce((sum, one) => sum + one.fib, 0),
  };
}

// Next hops -------------------------------------------------------------------------------------------------------------

function pathText(zebra: Zebra, path: ResolvedPath | Nexthop, ifindex = path.ifindex): string {
  if (path.blackhole !== 0) return `${blackholeText(path.blackhole).slice(1)} (vrf default)`;
  const name = ifindex === 0 ? '' : zebra.interfaces.nameOf(ifindex);
  if (path.gatewayFamily === 0) return `is directly connected, ${name} (vrf default)`;
  const onlink = path.onlink ? ' onlink' : '';
  return `via ${formatAddress(path.gatewayFamily, path.gateway)}${name === '' ? '' : `, ${name}`} (vrf default)${onlink}`;
}

export function* showNexthopGroups(zebra: Zebra, only: number | undefined): Generator<string, void, undefined> {
  let any = false;
  for (const one of zebra.objects.describe()) {
    if (only !== undefined && one.id !== only) continue;
    any = true;
    const age = one.set === undefined ? zebra.startedS : one.set.createdS;
    let text = `ID: ${one.id} (zebra)\n     RefCnt: ${one.set === undefined ? one.users.length : one.set.routes}\n`;
    text += `     Uptime: ${formatUptime(zebra.nowS() - age)}\n     VRF: default\n`;
    text += `     Valid${one.installed ? ', Installed' : ''}\n`;
    if (one.path !== undefined) {
      if (one.path.ifindex !== 0) text += `     Interface Index: ${one.path.ifindex}\n`;
      const path = { ...one.path, blackhole: one.path.blackhole ? BLACKHOLE_NULL : 0 };
      text += `           ${pathText(zebra, path)}, weight 1\n`;
      if (one.users.length > 0) text += `     Dependents:${one.users.map(id => ` (${id})`).join('')}\n`;
    } else {
      text += `     Depends:${one.members.map(member => ` (${member.id})`).join('')}\n`;
      const set = one.set;
      set?.members.forEach((member, i) => {
        const resolution = set.resolution[i];
        if (resolution === undefined || !resolution.active) {
          text += `           ${pathText(zebra, member)} inactive, weight ${member.weight || 1}\n`;
        } else if (resolution.recursive) {
          text += `        ${pathText(zebra, member, 0)} (recursive), weight ${member.weight || 1}\n`;
          for (const path of resolution.paths) text += `           ${pathText(zebra, path)}, weight ${path.weight}\n`;
        } else {
          text += `           ${pathText(zebra, member, resolution.paths[0]!.ifindex)}, weight ${member.weight || 1}\n`;
        }
      });
    }
    yield text;
  }
  if (only !== undefined && !any) yield `Nexthop Group ID: ${only} does not exist\n`;
}

export function nexthopGroupsJson(zebra: Zebra, only: number | undefined): object {
  const json: Record<string, unknown> = {};
  for (const one of zebra.objects.describe()) {
    if (only !== undefined && one.id !== only) continue;
    const paths: readonly (ResolvedPath | Nexthop)[] =
      one.path !== undefined
        ? [{ ...one.path, blackhole: one.path.blackhole ? BLACKHOLE_NULL : 0 }]
        : (one.set?.paths ?? []);
    json[String(one.id)] = {
      type: 'zebra',
      refCount: one.set === undefined ? one.users.length : one.set.routes,
      uptime: formatUptime(zebra.nowS() - (one.set?.createdS ?? zebra.startedS)),
      vrf: 'default',
      valid: true,
      installed: one.installed,
      ...(one.path !== undefined && one.path.ifindex !== 0 ? { interfaceIndex: one.path.ifindex } : {}),
      ...(one.members.length > 0 ? { depends: one.members.map(member => member.id) } : {}),
      nexthops: paths.map(path =>
        nexthopJson(
          zebra,
          {
            level: 0,
            recursive: false,
            active: true,
            gatewayFamily: path.gatewayFamily,
            gateway: path.gateway,
            ifindex: path.ifindex,
            blackhole: path.blackhole,
            onlink: path.onlink,
            weight: path.weight || 1,
          },
          one.installed,
        ),
      ),
      ...(one.users.length > 0 ? { dependents: one.users } : {}),
    };
  }
  return json;
}

export function showNht(zebra: Zebra, family: Family): string {
  let text = '';
  const byAddress = new Map<
    string,
    { clients: string[]; one: typeof zebra.resolver.registrations extends ReadonlySet<infer R> ? R : never }
  >();
  for (const one of zebra.resolver.registrations) {
    if (one.family !== family) continue;
    const host = one.length === addressBits(family);
    const key = host ? formatAddress(family, one.words) : formatPrefix(one);
    const client = zebra.owners.get(one.owner)?.options.name ?? `client ${one.owner}`;
    const there = byAddress.get(key);
    if (there === undefined) byAddress.set(key, { clients: [client], one });
    else there.clients.push(client);
  }
  for (const [key, { clients, one }] of byAddress) {
    text += `${key}${one.connected ? '(Connected)' : ''}\n`;
    const resolution = one.resolution;
    if (resolution === undefined) text += ' unresolved\n';
    else {
      text += ` resolved via ${routeTypeName(resolution.type)}\n`;
      for (const path of resolution.paths) {
        if (path.blackhole !== 0) text += ' is directly connected, Null0\n';
        else if (path.gatewayFamily === 0) text += ` is directly connected, ${zebra.interfaces.nameOf(path.ifindex)}\n`;
        else
          text += ` via ${formatAddress(path.gatewayFamily, path.gateway)}, ${zebra.interfaces.nameOf(path.ifindex)}\n`;
      }
    }
    text += ` Client list: ${clients.join(' ')}\n`;
  }
  return text;
}

// Interfaces -------------------------------------------------------------------------------------------------------------

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [IFF_UP, 'UP'],
  [IFF_BROADCAST, 'BROADCAST'],
  [IFF_LOOPBACK, 'LOOPBACK'],
  [IFF_POINTOPOINT, 'POINTOPOINT'],
  [IFF_RUNNING, 'RUNNING'],
  [IFF_NOARP, 'NOARP'],
  [IFF_MULTICAST, 'MULTICAST'],
];

function flagText(flags: number): string {
  return `<${FLAG_NAMES.filter(([bit]) => (flags & bit) !== 0)
    .map(([, name]) => name)
    .join(',')}>`;
}

const HARDWARE: Readonly<Record<number, string>> = {
  1: 'Ethernet',
  512: 'PPP',
  768: 'IPIP Tunnel',
  769: 'IPv6-in-IPv6 tunnel',
  772: 'Loopback',
  776: 'IPv6-in-IPv4 tunnel',
  778: 'GRE over IP',
  823: 'GRE over IPv6',
};

function macText(mac: Uint8Array): string {
  return Array.from(mac, byte => byte.toString(16).padStart(2, '0')).join(':');
}

/** As they came; the host's own 127.0.0.0/8 and ::1 are not shown. */
function shownAddresses(one: Interface): InterfaceAddress[] {
  return one.addresses.filter(address => !isLoopback(address.family, address.local));
}

/** By family and address; the brief JSON alone keeps the order in which they came. */
function sortedAddresses(one: Interface): InterfaceAddress[] {
  return shownAddresses(one).toSorted((a, b) => {
    if (a.family !== b.family) return a.family - b.family;
    for (const i of [0, 1, 2, 3] as const) if (a.local[i] !== b.local[i]) return a.local[i] - b.local[i];
    return a.length - b.length;
  });
}

function addressText(address: InterfaceAddress): string {
  return `${formatAddress(address.family, address.local)}/${address.length}`;
}

function hasMac(one: Interface): boolean {
  return one.mac.length > 0 && !one.loopback;
}

function timeText(ms: number): string {
  if (ms === 0) return '(never)';
  const at = new Date(ms);
  const two = (n: number): string => String(n).padStart(2, '0');
  const date = `${at.getFullYear()}/${two(at.getMonth() + 1)}/${two(at.getDate())}`;
  return `${date} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${two(Math.floor(at.getMilliseconds() / 10))}`;
}

/** By name, as FRR sorts: numbers inside names count as numbers. */
export function sortedInterfaces(zebra: Zebra): Interface[] {
  return zebra.interfaces.list(0).toSorted((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
}

export function showInterface(zebra: Zebra, one: Interface): string {
  const admin = (one.flags & IFF_UP) !== 0;
  let text = `Interface ${one.name} is ${admin ? 'up' : 'down'}`;
  if (admin) text += `, line protocol is ${one.operative ? 'up' : 'down'}`;
  text += `\n  Link ups:   ${String(one.ups).padStart(5)}    last: ${timeText(one.lastUp)}\n`;
  text += `  Link downs: ${String(one.downs).padStart(5)}    last: ${timeText(one.lastDown)}\n  vrf: default\n`;
  if (one.description !== '') text += `  Description: ${one.description}\n`;
  text += `  index ${one.ifindex} metric 0 mtu ${one.mtu} \n  flags: ${flagText(one.flags)}\n`;
  text += `  Type: ${HARDWARE[one.hardwareType] ?? 'Unknown'}\n`;
  if (hasMac(one)) text += `  HWaddr: ${macText(one.mac)}\n`;
  for (const family of [AF_INET, 10] as const) {
    for (const address of sortedAddresses(one)) {
      if (address.family !== family) continue;
      text += `  ${family === AF_INET ? 'inet' : 'inet6'} ${addressText(address)}`;
      if (address.hasPeer) text += ` peer ${formatAddress(family, address.peer)}/${address.length} unnumbered`;
      if ((address.flags & IFA_F_SECONDARY) !== 0) text += ' secondary';
      text += '\n';
    }
  }
  const parent = one.link === 0 ? undefined : zebra.interfaces.byIndex(one.link);
  if (parent !== undefined) text += `  Parent interface: ${parent.name}\n`;
  return text;
}

export function interfaceJson(zebra: Zebra, one: Interface): object {
  const parent = one.link === 0 ? undefined : zebra.interfaces.byIndex(one.link);
  const admin = (one.flags & IFF_UP) !== 0;
  return {
    administrativeStatus: admin ? 'up' : 'down',
    ...(admin ? { operationalStatus: one.operative ? 'up' : 'down', linkDetection: true } : {}),
    linkUps: one.ups,
    linkDowns: one.downs,
    ...(one.lastUp === 0 ? {} : { lastLinkUp: timeText(one.lastUp) }),
    ...(one.lastDown === 0 ? {} : { lastLinkDown: timeText(one.lastDown) }),
    vrfName: 'default',
    ...(one.description === '' ? {} : { description: one.description }),
    ...interfaceSwitches(one.name),
    pseudoInterface: false,
    index: one.ifindex,
    metric: 0,
    mtu: one.mtu,
    flags: flagText(one.flags),
    type: HARDWARE[one.hardwareType] ?? 'Unknown',
    ...(hasMac(one) ? { hardwareAddress: macText(one.mac) } : {}),
    ipAddresses: sortedAddresses(one).map(address => ({
      address: addressText(address),
      ...(address.hasPeer ? { peer: `${formatAddress(address.family, address.peer)}/${address.length}` } : {}),
      secondary: (address.flags & IFA_F_SECONDARY) !== 0,
      unnumbered: address.hasPeer,
    })),
    // A bond's business, and EVPN's: zebra has neither.
    lacpBypass: false,
    evpnMh: {},
    ...(parent === undefined ? {} : { parentInterface: parent.name }),
  };
}

/** What the brief forms list: IPv4 without secondary ones, then IPv6 without link-local ones. */
function isBrief(address: InterfaceAddress): boolean {
  return address.family === AF_INET ? (address.flags & IFA_F_SECONDARY) === 0 : !isLinkLocal6(address.local);
}

/** Up by the administrator's word: whether there is a carrier is not said here. */
function briefStatus(one: Interface): string {
  return (one.flags & IFF_UP) !== 0 ? 'up' : 'down';
}

export function showInterfacesBrief(zebra: Zebra): string {
  let text = 'Interface       Status  VRF             Addresses\n---------       ------  ---             ---------\n';
  for (const one of sortedInterfaces(zebra)) {
    const four = sortedAddresses(one).filter(address => address.family === AF_INET);
    const primary = four.filter(isBrief);
    // A plus says that there are secondary ones in the same network.
    const hasMore = ({ family, local, length }: InterfaceAddress): boolean =>
      four.some(other => !isBrief(other) && containsAddress({ family, words: local, length }, family, other.local));
    const lines = primary.map(address => `${hasMore(address) ? '+ ' : ''}${addressText(address)}`);
    // One global IPv6 address, the first that came, stands for all; a plus says that there are more, link-local ones counted.
    const six = shownAddresses(one).filter(address => address.family !== AF_INET);
    const global = six.find(isBrief);
    if (global !== undefined) lines.push(`${six.length > 1 ? '+ ' : ''}${addressText(global)}`);
    const head = `${one.name.padEnd(16)}${briefStatus(one).padEnd(8)}${'default'.padEnd(16)}`;
    text += `${head}${lines[0] ?? ''}\n`;
    for (const line of lines.slice(1)) text += `${' '.repeat(40)}${line}\n`;
  }
  return `${text}\n`;
}

export function interfacesBriefJson(zebra: Zebra): object {
  const json: Record<string, unknown> = {};
  for (const one of sortedInterfaces(zebra)) {
    json[one.name] = {
      status: briefStatus(one),
      vrfName: 'default',
      addresses: shownAddresses(one).filter(isBrief).map(addressText),
    };
  }
  return json;
}

export function showInterfaceDescriptions(zebra: Zebra): string {
  let text = '\tVRF default(0)\n\nInterface       Status  Protocol  Description\n';
  for (const one of sortedInterfaces(zebra)) {
    const admin = (one.flags & IFF_UP) !== 0 ? 'up' : 'down';
    text += `${one.name.padEnd(16)}${admin.padEnd(8)}${(one.operative ? 'up' : 'down').padEnd(10)}${one.description}\n`;
  }
  return `${text}\n`;
}

// Zebra itself ----------------------------------------------------------------------------------------------------------

export function showZebra(zebra: Zebra, forwarding: { ip: boolean; ipv6: boolean }): string {
  const line = (name: string, value: string): string => ` ${name.padEnd(30)} ${value.padEnd(24)} \n`;
  const { stats } = zebra.rib;
  let text = line('ECMP Maximum', '256');
  text += line('v4 Forwarding', forwarding.ip ? 'On' : 'Off');
  text += line('v6 Forwarding', forwarding.ipv6 ? 'On' : 'Off');
  text += line('Kernel NHG', 'Available');
  text += line('Earlier routes swept', zebra.rib.swept ? 'Yes' : 'Not yet');
  text += `
                            Route      Route      Neighbor   LSP        LSP
VRF                         Installs   Removals    Updates   Installs   Removals
default                ${String(stats.sentInstalls).padStart(13)}${String(stats.sentDeletes).padStart(11)}          0          0          0
`;
  return text;
}

export interface Drift {
  readonly destinationsWaiting: number;
  readonly destinationsInFlight: number;
  readonly failed: number;
  readonly stale: number;
  readonly nexthopObjects: readonly { id: number; kind: string; errno: number }[];
  readonly routesLostToKernel: number;
  readonly resynchronisations: number;
  readonly congestions: number;
}

/** What is wanted and not in the kernel, or the other way round. */
export function drift(zebra: Zebra): Drift {
  let failed = 0;
  for (const table of zebra.rib.tables) {
    for (let id = 0; id < table.prefixes.limit; id++) {
      if (table.prefixes.has(id) && (table.state[id]! & FAILED) !== 0) failed++;
    }
  }
  return {
    destinationsWaiting: zebra.rib.dirty,
    destinationsInFlight: zebra.rib.inFlight,
    failed,
    stale: zebra.rib.stale,
    nexthopObjects: zebra.objects.drift(),
    routesLostToKernel: zebra.rib.stats.lostRoutes,
    resynchronisations: zebra.resyncs,
    congestions: zebra.rib.stats.congestions,
  };
}

export function showDrift(zebra: Zebra): string {
  const now = drift(zebra);
  let text = 'Wanted and kernel:\n';
  text += `  Destinations waiting:       ${now.destinationsWaiting}\n`;
  text += `  Destinations in flight:     ${now.destinationsInFlight}\n`;
  text += `  Destinations failed:        ${now.failed}\n`;
  text += `  Earlier routes unclaimed:   ${now.stale}\n`;
  text += `  Nexthop objects to repair:  ${now.nexthopObjects.length}\n`;
  text += `  Routes lost to the kernel:  ${now.routesLostToKernel}\n`;
  text += `  Resynchronisations:         ${now.resynchronisations}\n`;
  for (const one of now.nexthopObjects) {
    text += `  ${one.kind} ${one.id}${one.errno === 0 ? '' : `: refused with errno ${one.errno}`}\n`;
  }
  return text;
}
