// What a follower of the notification stream believes, as text, and the same text made of what `ip -j` says.
import {
  type NetlinkEvent,
  type NotificationStream,
  eventSink,
  KIND_ADDRESS,
  KIND_LINK,
  KIND_NEIGHBOR,
  KIND_NEXTHOP,
  KIND_ROUTE,
  KIND_RULE,
  type RouteView,
  rtnetlink as c,
  type StreamSink,
} from '../../src/netlink/index.ts';
import { type Family, formatAddress } from '../../src/net/index.ts';
import type { Namespace } from '../lib/netns.ts';

type Table = Map<string, string>;

/** Applies events in order. Knows which changes the kernel makes without a word, and asks for a dump then. */
export class Picture {
  readonly tables: Record<number, Table> = {};
  readonly sink: StreamSink;
  #stream: NotificationStream | undefined;
  #seen: Set<string> | undefined;
  #seenKind = 0;

  constructor() {
    for (const kind of [KIND_LINK, KIND_ADDRESS, KIND_NEXTHOP, KIND_ROUTE, KIND_NEIGHBOR, KIND_RULE]) {
      this.tables[kind] = new Map();
    }
    this.sink = eventSink(event => this.#apply(event));
  }

  follow(stream: NotificationStream): void {
    this.#stream = stream;
  }

  /** Takes everything that is there now. */
  settle(): void {
    const stream = this.#stream!;
    while (stream.step(this.sink)) {
      // One datagram after another.
    }
  }

  text(): string {
    return render(this.tables);
  }

  #apply(event: NetlinkEvent): void {
    switch (event.what) {
      case 'dumpBegin':
        this.#seen = new Set();
        this.#seenKind = event.kind;
        return;
      case 'dumpEnd': {
        const table = this.tables[event.kind]!;
        for (const key of table.keys()) if (!this.#seen!.has(key)) table.delete(key);
        this.#seen = undefined;
        return;
      }
      case 'link': {
        const { link } = event;
        const up = (link.flags & c.IFF_UP) !== 0;
        this.#set(KIND_LINK, String(link.ifindex), event.gone ? undefined : `${link.name} ${up} ${link.mtu}`);
        if (event.gone || !up) this.#stream!.resync(KIND_ROUTE | KIND_NEXTHOP);
        return;
      }
      case 'address': {
        const { address } = event;
        const local = formatAddress(address.family as Family, address.local ?? address.peer!);
        this.#set(KIND_ADDRESS, `${address.ifindex} ${local}/${address.length}`, event.gone ? undefined : 'there');
        // Removing an address takes IPv4 routes that prefer it, or need its subnet, along.
        if (event.gone) this.#stream!.resync(KIND_ROUTE);
        return;
      }
      case 'neighbor': {
        const { neighbor } = event;
        if (neighbor.family !== 2 && neighbor.family !== 10) return;
        const key = `${neighbor.ifindex} ${formatAddress(neighbor.family, neighbor.destination!)}`;
        const kept = !event.gone && neighbor.state === c.NUD_PERMANENT;
        this.#set(KIND_NEIGHBOR, key, kept ? [...(neighbor.mac ?? [])].map(hex).join(':') : undefined);
        return;
      }
      case 'rule': {
        const { rule } = event;
        const source = rule.source ? formatAddress(rule.family as Family, rule.source) : 'all';
        const key = `${rule.family} ${rule.priority ?? 0} ${source}/${rule.sourceLength} ${rule.table}`;
        this.#set(KIND_RULE, key, event.gone ? undefined : 'there');
        return;
      }
      case 'nexthop': {
        const { nexthop } = event;
        const members: string[] = [];
        for (let i = 0; i < nexthop.memberCount; i++) {
          members.push(`${nexthop.memberId[i]!}*${nexthop.memberWeight[i]!}`);
        }
        const gateway =
          nexthop.gatewayFamily === 0
            ? '-'
            : formatAddress(nexthop.gatewayFamily, [nexthop.w0, nexthop.w1, nexthop.w2, nexthop.w3]);
        const value =
          members.length > 0 ? members.join(' ') : nexthop.blackhole ? 'blackhole' : `${gateway} ${nexthop.ifindex}`;
        this.#set(KIND_NEXTHOP, String(nexthop.id), event.gone ? undefined : value);
        if (event.gone) this.#stream!.resync(KIND_ROUTE | KIND_NEXTHOP);
        return;
      }
      case 'route':
        this.#route(event.route, event.gone);
        return;
      default:
    }
  }

  #route(route: RouteView, gone: boolean): void {
    if (!isOurBusiness(route.table, route.type)) return;
    const prefix = `${formatAddress(route.family as Family, [route.w0, route.w1, route.w2, route.w3])}/${route.length}`;
    const value = route.nexthopId === 0 ? `${route.pathCount} paths` : `object ${route.nexthopId}`;
    this.#set(
      KIND_ROUTE,
      `${prefix} ${route.table} ${route.metric}`,
      gone ? undefined : `${route.type} ${route.protocol} ${value}`,
    );
  }

  #set(kind: number, key: string, value: string | undefined): void {
    if (value === undefined) this.tables[kind]!.delete(key);
    else this.tables[kind]!.set(key, value);
    if (this.#seen !== undefined && kind === this.#seenKind) this.#seen.add(key);
  }
}

function isOurBusiness(table: number, type: number): boolean {
  return table !== c.RT_TABLE_LOCAL && (type === c.RTN_UNICAST || (type >= c.RTN_BLACKHOLE && type <= c.RTN_PROHIBIT));
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

function render(tables: Record<number, Table>): string {
  const lines: string[] = [];
  for (const [kind, table] of Object.entries(tables)) {
    for (const [key, value] of table) lines.push(`${kind} ${key} = ${value}`);
  }
  return lines.sort().join('\n');
}

type Json = Record<string, unknown>;

/** The same text, from iproute2. */
export async function kernelText(namespace: Namespace): Promise<string> {
  const tables: Record<number, Table> = {};
  const put = (kind: number, key: string, value: string): void => {
    (tables[kind] ??= new Map()).set(key, value);
  };
  const ask = (...argv: string[]): Promise<Json[]> => namespace.ipJson<Json[]>('-N', ...argv);
  const index = new Map<string, number>();
  for (const link of await ask('addr')) {
    const ifindex = Number(link.ifindex);
    index.set(String(link.ifname), ifindex);
    put(
      KIND_LINK,
      String(ifindex),
      `${String(link.ifname)} ${(link.flags as string[]).includes('UP')} ${String(link.mtu)}`,
    );
    for (const info of link.addr_info as Json[]) {
      put(KIND_ADDRESS, `${ifindex} ${info.local as string}/${info.prefixlen as number}`, 'there');
    }
  }
  for (const family of ['-4', '-6']) {
    const bits = family === '-4' ? 32 : 128;
    for (const route of await ask(family, 'route', 'show', 'table', 'all')) {
      const type = Number(route.type ?? 1);
      const table = Number(route.table ?? 254);
      if (!isOurBusiness(table, type)) continue;
      const dst = route.dst as string;
      const prefix =
        dst === 'default' ? (family === '-4' ? '0.0.0.0/0' : '::/0') : dst.includes('/') ? dst : `${dst}/${bits}`;
      const paths = route.nexthops
        ? (route.nexthops as Json[]).length
        : route.dev !== undefined || route.gateway
          ? 1
          : 0;
      const value = route.nhid === undefined ? `${paths} paths` : `object ${route.nhid as number}`;
      put(KIND_ROUTE, `${prefix} ${table} ${Number(route.metric ?? 0)}`, `${type} ${Number(route.protocol)} ${value}`);
    }
    for (const rule of await ask(family, 'rule')) {
      const source = rule.src as string;
      const length = source === 'all' ? 0 : ((rule.srclen as number | undefined) ?? bits);
      put(
        KIND_RULE,
        `${family === '-4' ? 2 : 10} ${Number(rule.priority)} ${source}/${length} ${Number(rule.table)}`,
        'there',
      );
    }
  }
  for (const nexthop of await ask('nexthop')) {
    const group = nexthop.group as Json[] | undefined;
    const value =
      group !== undefined
        ? group.map(member => `${member.id as number}*${(member.weight as number | undefined) ?? 1}`).join(' ')
        : nexthop.blackhole !== undefined
          ? 'blackhole'
          : `${(nexthop.gateway as string | undefined) ?? '-'} ${index.get(String(nexthop.dev))}`;
    put(KIND_NEXTHOP, String(nexthop.id), value);
  }
  for (const neighbor of await ask('neigh', 'show', 'nud', 'permanent')) {
    put(KIND_NEIGHBOR, `${index.get(String(neighbor.dev))} ${neighbor.dst as string}`, String(neighbor.lladdr));
  }
  return render(tables);
}
