// The smallest program that keeps a kernel as it should be, over the dataplane's client: what it wants is known, what the kernel has
// is known from results and notifications, and the difference is sent, one request an object at a time. Tests let it be disturbed.
//
// Where what happened cannot be told from what was said, it asks for a dump: when a link, an address or a nexthop object changes (the
// kernel takes IPv4 routes and objects along in silence), when somebody else touches what is its own (whether that was before or after
// its own change is not said), and when a request failed (a provider may have taken back what another had done).
import {
  type ContextPool,
  type DataplaneClient,
  FLAG_DUMP,
  FLAG_GROUP,
  KIND_ADDRESS,
  KIND_LINK,
  KIND_NEIGHBOR,
  KIND_NEXTHOP,
  KIND_ROUTE,
  KIND_RULE,
  OP_ADDRESS,
  OP_ADDRESS_GONE,
  OP_DUMP_BEGIN,
  OP_DUMP_END,
  OP_LINK,
  OP_LINK_GONE,
  OP_NEIGHBOR,
  OP_NEIGHBOR_GONE,
  OP_NEXTHOP,
  OP_NEXTHOP_GONE,
  OP_RESYNC,
  OP_ROUTE,
  OP_ROUTE_GONE,
  OP_RULE,
  OP_RULE_GONE,
} from '../../src/dataplane/index.ts';
import { formatAddress } from '../../src/net/index.ts';

/** One object that may be in the kernel, in one of several ways. */
export interface Item {
  readonly key: string;
  readonly kind: number;
  /** By value: how it is made so. */
  readonly ways: ReadonlyMap<string, Request>;
  /** How it is removed when it is as the value says. */
  readonly remove: (value: string) => Request;
  /** It cannot be made or removed, only set: a link. */
  readonly always?: boolean;
}

export interface Request {
  readonly op: number;
  readonly fill: (pool: ContextPool, handle: number) => void;
}

/** Kinds whose changes take objects of others along. */
const TAKES_ALONG: ReadonlyMap<number, number> = new Map([
  [KIND_LINK, KIND_NEXTHOP | KIND_ROUTE | KIND_ADDRESS | KIND_NEIGHBOR],
  [KIND_ADDRESS, KIND_NEXTHOP | KIND_ROUTE],
  [KIND_NEXTHOP, KIND_NEXTHOP | KIND_ROUTE],
]);
/** The kinds that it keeps. */
export const KEPT: number = KIND_LINK | KIND_ADDRESS | KIND_NEXTHOP | KIND_ROUTE | KIND_NEIGHBOR | KIND_RULE;
const AGAIN_MS = 10;
/** NUD_PERMANENT */
const PERMANENT = 0x80;

interface Flight {
  readonly item: Item;
  /** '' where it is to be removed. */
  readonly value: string;
}

export class Owner {
  /** What there should be: the model. Keys that are not here should not be there. */
  readonly wanted: Map<string, string> = new Map();
  /** What there is, by kind and key, as far as is known. */
  readonly seen: Map<number, Map<string, string>> = new Map();
  readonly items: ReadonlyMap<string, Item>;
  readonly links: Map<number, string> = new Map();
  client: DataplaneClient;
  failures = 0;
  #flights: Map<number, Flight> = new Map();
  readonly #busy: Set<string> = new Set();
  readonly #notBefore: Map<string, number> = new Map();
  /** Of the dumps that are going on: what was told, or written by us meanwhile. */
  readonly #told: Map<number, Set<string>> = new Map();
  #doubt = 0;
  #resyncing = 0;
  #next = 1;
  /** Kinds never dumped yet. */
  #unknown = KEPT;

  constructor(client: DataplaneClient, items: readonly Item[]) {
    this.client = client;
    this.items = new Map(items.map(item => [item.key, item]));
    this.#forget();
  }

  /** The dataplane died, and another one is there. */
  restart(client: DataplaneClient): void {
    this.client = client;
    this.#flights = new Map();
    this.#busy.clear();
    this.#told.clear();
    this.#doubt = 0;
    this.#resyncing = 0;
    this.#unknown = KEPT;
    this.#forget();
  }

  #forget(): void {
    for (let kind = 1; kind <= KEPT; kind <<= 1) this.seen.set(kind, new Map());
  }

  /** Nothing is in doubt or on its way, and everything is as it should be. */
  get settled(): boolean {
    return this.quiet && this.differences().length === 0;
  }

  get quiet(): boolean {
    return (
      this.#flights.size === 0 &&
      this.#doubt === 0 &&
      this.#resyncing === 0 &&
      this.#unknown === 0 &&
      this.#told.size === 0
    );
  }

  differences(): Item[] {
    return [...this.items.values()].filter(
      ({ key, kind, always }) =>
        this.seen.get(kind)!.get(key) !== this.wanted.get(key) && !(always === true && !this.seen.get(kind)!.has(key)),
    );
  }

  /** Takes what is there, and sends what is to be done. True where something came. */
  run(): boolean {
    const came =
      this.client.poll(
        4096,
        (pool, handle) => this.#result(pool, handle),
        (pool, handle) => this.#notification(pool, handle),
      ) > 0;
    if (this.#unknown !== 0) return came;
    if (this.#doubt !== 0) {
      // What is on its way would be in doubt again.
      if (this.#flights.size === 0 && this.client.requestResync(this.#doubt)) {
        this.#resyncing |= this.#doubt;
        this.#doubt = 0;
      }
      return came;
    }
    if (this.#resyncing !== 0 || this.#told.size > 0) return came;
    const now = performance.now();
    for (const item of this.differences()) {
      if (this.#busy.has(item.key) || (this.#notBefore.get(item.key) ?? 0) > now) continue;
      const value = this.wanted.get(item.key) ?? '';
      const request = value === '' ? item.remove(this.seen.get(item.kind)!.get(item.key)!) : item.ways.get(value)!;
      const handle = this.client.allocate(request.op);
      if (handle === 0) break;
      const number = this.#next++;
      this.client.requests.setObject(handle, number, 0);
      request.fill(this.client.requests, handle);
      this.#flights.set(number, { item, value });
      this.#busy.add(item.key);
      this.client.enqueue(handle);
    }
    this.client.flush();
    return came;
  }

  #result(pool: ContextPool, handle: number): void {
    if (pool.op(handle) === OP_RESYNC) return;
    const flight = this.#flights.get(pool.object(handle));
    if (flight === undefined) throw new Error(`a result that nobody waits for: ${pool.object(handle)}`);
    const { item, value } = flight;
    this.#flights.delete(pool.object(handle));
    this.#busy.delete(item.key);
    if (pool.errno(handle) !== 0) {
      this.failures++;
      this.#notBefore.set(item.key, performance.now() + AGAIN_MS);
      this.#doubt |= item.kind | (TAKES_ALONG.get(item.kind) ?? 0);
      return;
    }
    if (item.kind === KIND_LINK) {
      this.#notBefore.set(item.key, performance.now() + AGAIN_MS); // it is told
      return;
    }
    this.#set(item.kind, item.key, value);
    if (value === '') this.#doubt |= TAKES_ALONG.get(item.kind) ?? 0;
  }

  #set(kind: number, key: string, value: string): void {
    if (value === '') this.seen.get(kind)!.delete(key);
    else this.seen.get(kind)!.set(key, value);
    this.#told.get(kind)?.add(key);
  }

  #notification(pool: ContextPool, handle: number): void {
    const op = pool.op(handle);
    if (op === OP_DUMP_BEGIN) {
      this.#told.set(pool.kinds(handle), new Set());
      // What is on its way may have been done before, and undone by somebody: its result will not say which was first.
      for (const { item } of this.#flights.values()) if (item.kind === pool.kinds(handle)) this.#doubt |= item.kind;
    } else if (op === OP_DUMP_END) {
      const kind = pool.kinds(handle);
      const told = this.#told.get(kind);
      this.#told.delete(kind);
      this.#resyncing &= ~kind;
      this.#unknown &= ~kind;
      if (told === undefined) return;
      const seen = this.seen.get(kind)!;
      for (const key of seen.keys()) if (!told.has(key)) seen.delete(key);
    } else this.#object(pool, handle, op);
  }

  #object(pool: ContextPool, handle: number, op: number): void {
    const said = this.#describe(pool, handle, op);
    if (said === undefined) return;
    const [kind, key, value] = said;
    if ((pool.flags(handle) & FLAG_DUMP) !== 0) {
      // Written by us since the dump began: what it says may be older.
      if (!(this.#told.get(kind)?.has(key) ?? false)) this.#set(kind, key, value);
      return;
    }
    const changed = (this.seen.get(kind)!.get(key) ?? '') !== value;
    this.#set(kind, key, value);
    if (changed) this.#doubt |= TAKES_ALONG.get(kind) ?? 0;
    if (this.items.has(key) && (kind === KIND_ROUTE || kind === KIND_NEXTHOP || this.#busy.has(key)))
      this.#doubt |= kind;
  }

  /** In the words of `fromIp`; undefined where it is nobody's business. */
  #describe(pool: ContextPool, handle: number, op: number): [kind: number, key: string, value: string] | undefined {
    const name = (ifindex: number): string => this.links.get(ifindex) ?? `#${ifindex}`;
    const gateway = (): string => {
      const family = pool.gatewayFamily(handle);
      if (family !== 2 && family !== 10) return '';
      const word = (i: number): number => pool.gatewayWord(handle, i);
      return formatAddress(family, [word(0), word(1), word(2), word(3)]);
    };
    switch (op) {
      case OP_LINK:
      case OP_LINK_GONE: {
        const link = pool.link(handle);
        if (op === OP_LINK) this.links.set(link.ifindex, link.name);
        const value = `${(link.flags & 1) === 0 ? 'down' : 'up'} mtu ${link.mtu}`;
        return [KIND_LINK, `link ${link.name}`, op === OP_LINK ? value : ''];
      }
      case OP_ADDRESS:
      case OP_ADDRESS_GONE: {
        const { family, local, length, ifindex } = pool.address(handle);
        if (family !== 2) return undefined;
        const text = formatAddress(family, local);
        return [KIND_ADDRESS, `addr ${text}/${length} ${name(ifindex)}`, op === OP_ADDRESS ? 'there' : ''];
      }
      case OP_NEIGHBOR:
      case OP_NEIGHBOR_GONE: {
        const { family, address, ifindex, state, mac } = pool.neighbor(handle);
        if (family !== 2 || (op === OP_NEIGHBOR && (state & PERMANENT) === 0)) return undefined;
        const text = formatAddress(family, address);
        const lladdr = [...mac].map(byte => byte.toString(16).padStart(2, '0')).join(':');
        return [KIND_NEIGHBOR, `neigh ${text} ${name(ifindex)}`, op === OP_NEIGHBOR ? lladdr : ''];
      }
      case OP_RULE:
      case OP_RULE_GONE: {
        const { family, priority, table, source, sourceLength } = pool.rule(handle);
        if (family !== 2 || priority === 0 || priority >= 32_766) return undefined;
        const from = `${formatAddress(family, source)}/${sourceLength}`;
        return [KIND_RULE, `rule ${priority} from ${from}`, op === OP_RULE ? `lookup ${table}` : ''];
      }
      case OP_NEXTHOP:
      case OP_NEXTHOP_GONE: {
        const key = `nexthop ${pool.nexthopId(handle)}`;
        if (op === OP_NEXTHOP_GONE) return [KIND_NEXTHOP, key, ''];
        const members: number[] = [];
        if ((pool.flags(handle) & FLAG_GROUP) !== 0) pool.members(handle, id => members.push(id));
        const value =
          members.length > 0 ? `group ${members.join('/')}` : `via ${gateway()} ${name(pool.ifindex(handle))}`;
        return [KIND_NEXTHOP, key, value];
      }
      case OP_ROUTE:
      case OP_ROUTE_GONE: {
        const family = pool.family(handle);
        const protocol = pool.protocol(handle);
        if ((family !== 2 && family !== 10) || pool.table(handle) !== 254 || protocol === 2) return undefined;
        const word = (i: number): number => pool.prefixWord(handle, i);
        const prefix = `${formatAddress(family, [word(0), word(1), word(2), word(3)])}/${pool.length(handle)}`;
        const id = pool.nexthopId(handle);
        const how =
          id !== 0
            ? `nhid ${id}`
            : pool.routeType(handle) === 6
              ? 'blackhole'
              : `via ${gateway()} ${name(pool.ifindex(handle))}`;
        const key = `route ${prefix} metric ${pool.metric(handle)}`;
        return [KIND_ROUTE, key, op === OP_ROUTE ? `${how} proto ${protocol}` : ''];
      }
      default:
        return undefined;
    }
  }
}
