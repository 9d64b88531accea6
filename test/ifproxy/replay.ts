// A consumer that begins with nothing and applies what it is told, and complains where that makes no sense: an add of what is there, a
// change or a deletion of what is not. What it then has, as text, and the same text made of what `ip -j` says of the proxy.
import assert from 'node:assert/strict';
import {
  type AddressValue,
  EVENT_KINDS,
  type EventKind,
  type NeighborValue,
  type ProxyCallbacks,
  type ProxyEvent,
  type RouteValue,
  routeValue,
} from '../../src/ifproxy/index.ts';
import { type Family, formatAddress } from '../../src/net/index.ts';
import type { Namespace } from '../lib/netns.ts';

/** What it was told of one port. */
export class Replay {
  readonly link: { name?: string; mac?: string; mtu?: number; up?: boolean; carrier?: boolean } = {};
  readonly addresses: Map<string, AddressValue> = new Map();
  readonly neighbors: Map<string, NeighborValue> = new Map();
  readonly routes: Map<number, RouteValue> = new Map();
  gone = false;

  apply(event: ProxyEvent): void {
    switch (event.kind) {
      case 'nameChanged':
        this.link.name = event.name;
        return;
      case 'macChanged':
        this.link.mac = macText(event.mac);
        return;
      case 'mtuChanged':
        this.link.mtu = event.mtu;
        return;
      case 'linkChanged':
        this.link.up = event.up;
        this.link.carrier = event.carrier;
        return;
      case 'addressAdded':
      case 'addressChanged':
      case 'addressDeleted': {
        const { address } = event;
        const key = `${address.family} ${address.words.join()} ${address.family === 2 ? `${address.length} ${address.peer?.join()}` : ''}`;
        this.#step(this.addresses, key, address, event.kind === 'addressAdded', event.kind === 'addressDeleted');
        return;
      }
      case 'neighborAdded':
      case 'neighborChanged':
      case 'neighborDeleted': {
        const { neighbor } = event;
        const key = neighbor.words.join();
        this.#step(this.neighbors, key, neighbor, event.kind === 'neighborAdded', event.kind === 'neighborDeleted');
        return;
      }
      case 'routeAdded':
      case 'routeReplaced':
      case 'routeDeleted': {
        const route = routeValue(event);
        this.#step(this.routes, route.id, route, event.kind === 'routeAdded', event.kind === 'routeDeleted');
        return;
      }
      case 'proxyGone':
        this.gone = true;
        return;
      case 'commit':
      case 'configurationFinished':
      case 'pictureFinished':
      case 'resynchronize':
        return;
      default:
    }
  }

  forget(): void {
    this.addresses.clear();
    this.neighbors.clear();
    this.routes.clear();
    for (const key of Object.keys(this.link)) delete (this.link as Record<string, unknown>)[key];
  }

  #step<K, V>(map: Map<K, V>, key: K, value: V, added: boolean, deleted: boolean): void {
    assert.equal(
      map.has(key),
      !added,
      `${JSON.stringify(value)} ${added ? 'added again' : 'changed or deleted before it was added'}`,
    );
    if (deleted) map.delete(key);
    else map.set(key, value);
  }

  text(): string {
    const { link } = this;
    const lines = [`link ${link.name} ${link.mac} ${link.mtu} ${link.up} ${link.carrier}`];
    for (const { family, words, length, peer, scope } of this.addresses.values()) {
      const far = peer === undefined ? '' : ` peer ${formatAddress(family, peer)}`;
      lines.push(`address ${formatAddress(family, words)}${far}/${length} scope ${scope}`);
    }
    for (const { family, words, mac, state } of this.neighbors.values()) {
      if ((state & SILENT) === 0)
        lines.push(`neighbor ${formatAddress(family, words)} ${macText(mac)} ${stateText(state)}`);
    }
    for (const route of this.routes.values()) lines.push(routeText(route));
    return lines.toSorted().join('\n');
  }
}

/** NUD_INCOMPLETE, NUD_NONE: the kernel goes there without a word. */
const SILENT = 1;

function macText(mac: Uint8Array): string {
  return [...mac].map(byte => byte.toString(16).padStart(2, '0')).join(':');
}

const STATES: Record<number, string> = {
  2: 'REACHABLE',
  4: 'STALE',
  8: 'STALE',
  16: 'PROBE',
  32: 'FAILED',
  64: 'NOARP',
  128: 'PERMANENT',
};

/** DELAY is STALE to whoever is only told: the kernel goes there without a word. */
function stateText(state: number): string {
  return STATES[state] ?? String(state);
}

const TYPES = [
  '',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
];
const PROTOCOLS: Record<number, string> = { 2: 'kernel', 3: 'boot', 4: 'static', 9: 'ra', 186: 'bgp', 11: 'zebra' };
const TABLES: Record<number, string> = { 253: 'default', 254: 'main', 255: 'local' };

function routeText(route: RouteValue): string {
  const { family, words, length, table, metric, tos, protocol, type, nexthopId, source, hops } = route;
  const prefix = length === 0 ? 'default' : `${formatAddress(family, words)}/${length}`;
  const via = hops.map(({ ifindex, gatewayFamily, gateway, weight, flags }) => {
    const gate = gatewayFamily === 0 ? '' : ` via ${formatAddress(gatewayFamily, gateway)}`;
    return `[${gate} dev ${ifindex} weight ${weight}${(flags & 4) === 0 ? '' : ' onlink'}]`;
  });
  return [
    `route ${family} ${prefix}`,
    `table ${TABLES[table] ?? table} metric ${metric} tos ${tos} proto ${PROTOCOLS[protocol] ?? protocol}`,
    TYPES[type],
    source === undefined ? '' : `src ${formatAddress(source.family, source.words)}`,
    nexthopId === 0 ? '' : `nhid ${nexthopId}`,
    via.toSorted().join(''),
  ].join(' ');
}

interface JsonHop {
  dev?: string;
  gateway?: string;
  via?: { family: string; host: string };
  weight?: number;
  flags: string[];
}

interface JsonRoute extends JsonHop {
  type?: string;
  dst: string;
  table?: string;
  metric?: number;
  tos?: string;
  protocol?: string;
  prefsrc?: string;
  nhid?: number;
  nexthops?: JsonHop[];
}

interface JsonNexthop extends JsonHop {
  id: number;
  group?: { id: number; weight?: number }[];
}

/** The hops of a nexthop object: routes do not say them where net.ipv4.nexthop_compat_mode is 0. */
function objectHops(id: number, objects: readonly JsonNexthop[]): JsonHop[] {
  const object = objects.find(other => other.id === id)!;
  if (object.group === undefined) return [object];
  const hops = object.group.flatMap(member =>
    objectHops(member.id, objects).map(hop => ({ ...hop, weight: member.weight ?? 1 })),
  );
  // A group of one: its weight says nothing.
  return hops.length === 1 ? hops.map(hop => ({ ...hop, weight: 1 })) : hops;
}

interface JsonLink {
  ifindex: number;
  ifname: string;
  address?: string;
  mtu: number;
  flags: string[];
}

interface JsonAddress {
  family: string;
  local?: string;
  address?: string;
  prefixlen: number;
  scope: string;
}

const SCOPES: Record<string, number> = { global: 0, site: 200, link: 253, host: 254 };

/** What the kernel says that the proxy has, as `Replay.text` would say it. */
export async function kernelText(namespace: Namespace, name: string): Promise<string> {
  const links = await namespace.ipJson<JsonLink[]>('link', 'show');
  const indexes = new Map(links.map(({ ifname, ifindex }) => [ifname, ifindex]));
  const link = links.find(({ ifname }) => ifname === name)!;
  const lines = [
    `link ${name} ${link.address ?? ''} ${link.mtu} ${link.flags.includes('UP')} ${link.flags.includes('LOWER_UP')}`,
  ];
  const [addressed] = await namespace.ipJson<{ addr_info: JsonAddress[] }[]>('address', 'show', 'dev', name);
  for (const { local, address, prefixlen, scope } of addressed?.addr_info ?? []) {
    const far = address === undefined || address === local ? '' : ` peer ${address}`;
    lines.push(
      `address ${local ?? address}${local === undefined ? '' : far}/${prefixlen} scope ${SCOPES[scope] ?? scope}`,
    );
  }
  interface JsonNeighbor {
    dst: string;
    lladdr?: string;
    state: string[];
  }
  for (const { dst, lladdr, state } of await namespace.ipJson<JsonNeighbor[]>(
    'neighbor',
    'show',
    'dev',
    name,
    'nud',
    'all',
  )) {
    const [word = ''] = state;
    if (word === 'NOARP' && !isUnicast(lladdr)) continue;
    if (word === 'INCOMPLETE' || word === 'NONE') continue;
    lines.push(`neighbor ${dst} ${lladdr ?? ''} ${word === 'DELAY' ? 'STALE' : word}`);
  }
  const objects = await namespace.ipJson<JsonNexthop[]>('nexthop', 'show');
  for (const family of [2, 10] as const) {
    const flag = family === 2 ? '-4' : '-6';
    for (const route of await namespace.ipJson<JsonRoute[]>(flag, 'route', 'show', 'table', 'all')) {
      const text = jsonRoute(family, route, name, indexes, objects);
      if (text !== undefined) lines.push(text);
    }
  }
  return lines.toSorted().join('\n');
}

function isUnicast(mac: string | undefined): boolean {
  return mac !== undefined && mac.length >= 17 && (Number.parseInt(mac, 16) & 1) === 0 && /[1-9a-f]/.test(mac);
}

function jsonRoute(
  family: Family,
  route: JsonRoute,
  name: string,
  indexes: ReadonlyMap<string, number>,
  objects: readonly JsonNexthop[],
): string | undefined {
  const { dst, table = 'main', metric = 0, tos = '0', protocol = 'boot', type = 'unicast', prefsrc, nhid } = route;
  const reject = ['blackhole', 'unreachable', 'prohibit', 'throw'].includes(type);
  const bare = nhid !== undefined && route.dev === undefined && route.nexthops === undefined;
  const hops = reject ? [] : bare ? objectHops(nhid, objects) : (route.nexthops ?? [route]);
  const alive = hops.filter(({ flags }) => !flags.includes('dead'));
  if (!reject && !alive.some(({ dev }) => dev === name)) return undefined;
  const prefix = dst === 'default' || dst.includes('/') ? dst : `${dst}/${family === 2 ? 32 : 128}`;
  const via = alive.map(({ dev, gateway, via: other, weight = 1, flags }) => {
    const gate = gateway ?? other?.host;
    return `[${gate === undefined ? '' : ` via ${gate}`} dev ${indexes.get(dev!)} weight ${weight}${flags.includes('onlink') ? ' onlink' : ''}]`;
  });
  return [
    `route ${family} ${prefix}`,
    `table ${table} metric ${metric} tos ${Number(tos)} proto ${protocol}`,
    type,
    prefsrc === undefined ? '' : `src ${prefsrc}`,
    nhid === undefined ? '' : `nhid ${nhid}`,
    via.toSorted().join(''),
  ].join(' ');
}

/** Callbacks for every kind that hand each event on. */
export function all(handle: (event: ProxyEvent) => boolean | void): ProxyCallbacks {
  return Object.fromEntries(EVENT_KINDS.map((kind: EventKind) => [kind, handle])) as ProxyCallbacks;
}
