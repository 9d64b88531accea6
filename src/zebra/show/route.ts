// Routes, as FRR 8.4.4 prints them (compared with it, black box): a table of them, or one destination. Tables are generators
// over a sorted snapshot of prefix ids: a slice at a time, while the table changes under it.
import { addressBits, AF_INET, containsAddress, type Family, formatAddress, type Prefix } from '../../net/index.ts';
import { FLAG_OFFLOAD_FAILED, FLAG_OFFLOADED, FLAG_SELECTED, FLAG_TRAPPED } from '../face.ts';
import { FAILED, IN_FLIGHT, type RibTable, ROW_SEEN, ROW_ZAPI_FLAGS } from '../rib/table.ts';
import { ROUTE_CONNECT, ROUTE_KERNEL, routeType, routeTypeName } from '../route-type.ts';
import { VRF_DEFAULT } from '../vrf.ts';
import type { Zebra } from '../zebra.ts';
import { blackholeText, nexthopJson, nexthopText, remarks, type Shown, shownNexthops, vrfText } from './nexthop.ts';
import { formatUptime } from './uptime.ts';

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

const NOT_IN_TABLE = '% Network not in table\n';

/** Whether the row's route forwards: the kernel has it, by our hand or its own. */
export function inFib(table: RibTable, id: number, row: number): boolean {
  const type = table.type[row]!;
  if (type === ROUTE_CONNECT) return true;
  if (table.selected[id] !== row) return false;
  return type === ROUTE_KERNEL || table.kernel[id] !== 0;
}

/** What stands before each of the row's next hops. */
function marks(zebra: Zebra, table: RibTable, id: number, row: number): (one: Shown) => string {
  const selected = table.selected[id] === row;
  const state = table.state[id]!;
  if (selected && (state & FAILED) !== 0) return () => 'r';
  if (!inFib(table, id, row)) return () => (selected && (state & IN_FLIGHT) !== 0 ? 'q' : ' ');
  const { outcomes } = zebra.rib;
  const outcome = selected ? outcomes.of(table, id) : 0;
  const mark = (outcome & FLAG_TRAPPED) !== 0 ? 't' : (outcome & FLAG_OFFLOAD_FAILED) !== 0 ? 'o' : '*';
  return one => (forwards(zebra, table, id, one) ? mark : ' ');
}

/** Whether a next hop of a route that forwards is one that it forwards by. */
function forwards(zebra: Zebra, table: RibTable, id: number, one: Shown): boolean {
  return one.active && !one.recursive && zebra.rib.outcomes.uses(table, id, one);
}

function rowText(zebra: Zebra, table: RibTable, id: number, row: number, nowS: number): string {
  const type = table.type[row]!;
  const selected = table.selected[id] === row;
  const letter = routeType(type)?.letter ?? '?';
  const uptime = formatUptime(nowS - table.since[row]!);
  const mark = marks(zebra, table, id, row);
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
  json['vrfName'] = zebra.vrfs.nameOf(table.vrf);
  if (selected) {
    json['selected'] = true;
    json['destSelected'] = true;
  }
  json['distance'] = table.distance[row]!;
  json['metric'] = table.metric[row]!;
  if (fib) json['installed'] = true;
  if (selected && (table.state[id]! & FAILED) !== 0) json['failed'] = true;
  if (selected && (table.state[id]! & IN_FLIGHT) !== 0) json['queued'] = true;
  const outcome = selected ? zebra.rib.outcomes.of(table, id) : 0;
  if ((outcome & FLAG_OFFLOADED) !== 0) json['offloaded'] = true;
  if ((outcome & FLAG_TRAPPED) !== 0) json['trapped'] = true;
  if ((outcome & FLAG_OFFLOAD_FAILED) !== 0) json['offloadFailed'] = true;
  if (tag !== 0) json['tag'] = tag;
  json['table'] = table.kernelTable;
  json['internalStatus'] = fib ? 0x10 : 0;
  json['internalFlags'] = (table.flags[row]! & ROW_ZAPI_FLAGS & ~ROW_SEEN) | (selected ? FLAG_SELECTED : 0) | outcome;
  json['internalNextHopNum'] = shown.length;
  json['internalNextHopActiveNum'] = shown.filter(one => one.active).length;
  const group = zebra.objects.groupOf[set.id]! >= 256 ? zebra.objects.groupOf[set.id]! : 0;
  if (group !== 0) json['nexthopGroupId'] = group;
  if (fib && table.kernel[id]! >= 256 && selected) json['installedNexthopGroupId'] = table.kernel[id]!;
  json['uptime'] = formatUptime(nowS - table.since[row]!);
  json['nexthops'] = shown.map(one => nexthopJson(zebra, one, fib && forwards(zebra, table, id, one)));
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

/** What the letters mean. */
export function routeCodes(family: Family): string {
  return family === AF_INET ? CODES_4 : CODES_6;
}

/** The table of a VRF, sorted; `head` stands before the first route. */
export function* showRoutes(
  zebra: Zebra,
  vrf: number,
  family: Family,
  filter: RouteFilter,
  head: string,
): Generator<string, void, undefined> {
  const table = zebra.rib.table(vrf, family);
  const sorting = table.prefixes.sorting();
  let step = sorting.next();
  for (; !step.done; step = sorting.next()) yield '';
  const nowS = zebra.nowS();
  let before = head;
  for (const id of step.value) {
    if (!table.prefixes.has(id) || !matches(table, id, filter)) continue;
    for (let row = table.first[id]!; row >= 0; row = table.next[row]!) {
      if (filter.type !== undefined && table.type[row] !== filter.type) continue;
      const text = rowText(zebra, table, id, row, nowS);
      yield before + text;
      before = '';
    }
  }
}

export function* showRoutesJson(
  zebra: Zebra,
  vrf: number,
  family: Family,
  filter: RouteFilter,
): Generator<string, void, undefined> {
  const table = zebra.rib.table(vrf, family);
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
function findRoute(
  zebra: Zebra,
  vrf: number,
  prefix: Prefix,
  exact: boolean,
): { table: RibTable; id: number } | undefined {
  const table = zebra.rib.table(vrf, prefix.family);
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

export function showRoute(zebra: Zebra, vrf: number, prefix: Prefix, exact: boolean): string {
  const found = findRoute(zebra, vrf, prefix, exact);
  if (found === undefined) return NOT_IN_TABLE;
  const { table, id } = found;
  const nowS = zebra.nowS();
  let text = '';
  for (let row = table.first[id]!; row >= 0; row = table.next[row]!) {
    const selected = table.selected[id] === row;
    const mark = marks(zebra, table, id, row);
    text += `Routing entry for ${table.prefixes.format(id)}\n  Known via "${routeTypeName(table.type[row]!)}"`;
    if (table.instance[row] !== 0) text += `[${table.instance[row]}]`;
    text += `, distance ${table.distance[row]}, metric ${table.metric[row]}`;
    if (table.tag[row] !== 0) text += `, tag ${table.tag[row]}`;
    if (table.vrf !== VRF_DEFAULT) text += `, vrf ${zebra.vrfs.nameOf(table.vrf)}`;
    if (selected) text += ', best';
    text += `\n  Last update ${formatUptime(nowS - table.since[row]!)} ago\n`;
    for (const one of shownNexthops(zebra, table, row)) {
      text += `  ${mark(one)} ${'  '.repeat(one.level)}`;
      if (one.blackhole !== 0) text += blackholeText(one.blackhole).slice(1);
      else if (one.gatewayFamily !== 0) {
        text += formatAddress(one.gatewayFamily, one.gateway);
        if (one.ifindex !== 0 && !one.recursive) text += `, via ${zebra.interfaces.nameOf(one.ifindex)}`;
      } else text += `directly connected, ${zebra.interfaces.nameOf(one.ifindex)}`;
      text += `${vrfText(one)}${remarks(one)}\n`;
    }
    text += '\n';
  }
  return text;
}

export function showRouteJson(zebra: Zebra, vrf: number, prefix: Prefix, exact: boolean): object {
  const found = findRoute(zebra, vrf, prefix, exact);
  if (found === undefined) return {};
  const { table, id } = found;
  const rows: object[] = [];
  for (let row = table.first[id]!; row >= 0; row = table.next[row]!) {
    rows.push(rowJson(zebra, table, id, row, zebra.nowS()));
  }
  return { [table.prefixes.format(id)]: rows };
}
