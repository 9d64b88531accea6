// What a follower of the notification stream believes, as text, and the same text made of what `ip -j` says.
import {
  type NetlinkEvent,
  type NotificationStream,
  eventSink,
  type FdbMessage,
  KIND_ADDRESS,
  KIND_ALL,
  KIND_FDB,
  KIND_LINK,
  KIND_MPLS,
  KIND_NEIGHBOR,
  KIND_NETCONF,
  KIND_NEXTHOP,
  KIND_ROUTE,
  KIND_RULE,
  type NetconfMessage,
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

  /** What a notification of these does not say has not changed. */
  readonly #netconf = new Map<string, NetconfMessage>();

  readonly #masters = new Map<number, number | undefined>();

  constructor() {
    const more = [KIND_NETCONF, KIND_FDB, KIND_MPLS];
    for (const kind of [KIND_LINK, KIND_ADDRESS, KIND_NEXTHOP, KIND_ROUTE, KIND_NEIGHBOR, KIND_RULE, ...more]) {
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
    while (stream.step(this.sink) || stream.retryInMs(performance.now()) >= 0) {
      // One datagram after another, and the dumps that were put off.
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
        // A port that leaves its bridge leaves its own MAC to the bridge, for a moment.
        const master = event.gone ? undefined : link.master;
        if (master !== this.#masters.get(link.ifindex)) this.#stream!.resync(KIND_FDB);
        this.#masters.set(link.ifindex, master);
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
      case 'netconf': {
        const { netconf } = event;
        // What is set for new interfaces goes to the old ones too that were never set themselves.
        if (!event.dumped && netconf.ifindex === c.NETCONFA_IFINDEX_DEFAULT) this.#stream!.resync(KIND_NETCONF);
        const key = `${netconf.family} ${netconf.ifindex}`;
        const whole = { ...this.#netconf.get(key), ...netconf };
        this.#netconf.set(key, whole);
        if (event.gone) this.#netconf.delete(key);
        this.#set(KIND_NETCONF, key, event.gone ? undefined : netconfText(whole));
        return;
      }
      case 'fdb':
        this.#fdb(event.fdb, event.gone);
        return;
      case 'label': {
        const { route } = event;
        this.#set(KIND_MPLS, String(route.w0), event.gone ? undefined : `${route.pathCount} paths`);
        return;
      }
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

  #fdb(fdb: FdbMessage, gone: boolean): void {
    // What a device's own filter holds changes without a word.
    if (fdb.master === undefined && fdb.tunnel === undefined) return;
    const tunnel = fdb.tunnel === undefined ? '-' : formatAddress(fdb.tunnel.family, fdb.tunnel.words);
    const key = `${fdb.ifindex} ${[...fdb.mac!].map(hex).join(':')} ${fdb.vlan ?? 0}`;
    const value = `${tunnel} ${fdb.master ?? 0} ${(fdb.state & c.NUD_PERMANENT) !== 0} ${(fdb.flags & c.NTF_EXT_LEARNED) !== 0}`;
    this.#set(KIND_FDB, key, gone ? undefined : value);
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

function netconfText(one: NetconfMessage): string {
  const { forwarding, rpFilter, multicastForwarding, proxyNeighbor, ignoreRoutesWithLinkdown, input } = one;
  const values = [forwarding, rpFilter, multicastForwarding, proxyNeighbor, ignoreRoutesWithLinkdown, input];
  return values.map(value => value ?? '-').join(' ');
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

/** The same text, from iproute2, of all kinds that are asked for beyond KIND_ALL. */
export async function kernelText(namespace: Namespace, kinds: number = KIND_ALL): Promise<string> {
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
        `${family === '-4' ? 2 : 10} ${Number(rule.priority)} ${source}/${length} ${Number(rule.table ?? 0)}`,
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
  const ifindexOf = (name: unknown): number => index.get(String(name))!;
  if ((kinds & KIND_NETCONF) !== 0) {
    for (const one of await ask('netconf')) {
      const ifindex = one.interface === 'all' ? -1 : one.interface === 'default' ? -2 : ifindexOf(one.interface);
      const bit = (name: string): string => (one[name] === undefined ? '-' : one[name] === true ? '1' : '0');
      const filter = one.rp_filter === undefined ? '-' : ['off', 'strict', 'loose'].indexOf(one.rp_filter as string);
      put(
        KIND_NETCONF,
        `${{ inet: 2, inet6: 10, mpls: c.AF_MPLS }[one.family as 'inet']} ${ifindex}`,
        `${bit('forwarding')} ${filter} ${bit('mc_forwarding')} ${bit('proxy_neigh')} ` +
          `${bit('ignore_routes_with_linkdown')} ${bit('input')}`,
      );
    }
  }
  if ((kinds & KIND_FDB) !== 0) {
    for (const one of JSON.parse(await namespace.run('bridge', '-j', 'fdb')) as Json[]) {
      if (one.master === undefined && one.dst === undefined) continue;
      const flags = one.flags as string[];
      put(
        KIND_FDB,
        `${ifindexOf(one.ifname)} ${one.mac as string} ${Number(one.vlan ?? 0)}`,
        `${(one.dst as string | undefined) ?? '-'} ${one.master === undefined ? 0 : ifindexOf(one.master)} ${one.state === 'permanent'} ${flags.includes('extern_learn')}`,
      );
    }
  }
  if ((kinds & KIND_MPLS) !== 0) {
    for (const one of await ask('-f', 'mpls', 'route')) {
      const paths = (one.nexthops as Json[] | undefined)?.length ?? 1;
      put(KIND_MPLS, String(one.dst), `${paths} paths`);
    }
  }
  return render(tables);
}
