// A dataplane over a namespace, and what a client of it believes that the kernel has: it applies notifications in their order
// and nothing else. Tests ask the dataplane, or `ip`, for changes, and compare.
import assert from 'node:assert/strict';
import {
  closeDataplaneChannel,
  type ContextPool,
  createDataplaneChannel,
  type DataplaneChannel,
  DataplaneClient,
  type FdbValue,
  type LabelValue,
  type LinkValue,
  type NeighborValue,
  type NetconfValue,
  type NexthopValue,
  notificationHandler,
  KIND_FDB,
  KIND_LINK,
  KIND_MPLS,
  KIND_NEIGHBOR,
  KIND_NETCONF,
  KIND_NEXTHOP,
  KIND_ROUTE,
  KIND_RULE,
  type RouteValue,
  type RuleValue,
  type Told,
} from '../../src/dataplane/index.ts';
import { Dataplane, type DataplaneSettings } from '../../src/dataplane/dataplane.ts';
import type { RoutePath } from '../../src/netlink/index.ts';
import { type AddressWords, formatAddress, parseAddress } from '../../src/net/index.ts';
import type { Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

process.env['GREVY_CHECK_CONTEXTS'] = '1';

export type Fill = (pool: ContextPool, handle: number) => unknown;

export interface Answered<T> {
  readonly errno: number;
  readonly value: T | undefined;
}

class Table<V> {
  readonly values: Map<string, V> = new Map();
  #seen: Set<string> | undefined;

  begin(): void {
    this.#seen = new Set();
  }

  end(): void {
    for (const key of this.values.keys()) if (this.#seen?.has(key) === false) this.values.delete(key);
    this.#seen = undefined;
  }

  apply(key: string, value: V, { gone, dumped }: Told): void {
    if (gone) this.values.delete(key);
    else this.values.set(key, value);
    if (dumped) this.#seen?.add(key);
  }
}

export const words = (text: string): AddressWords => parseAddress(text)!.words;
export const macOf = (text: string): Uint8Array => Uint8Array.from(text.split(':'), part => Number.parseInt(part, 16));
export const macText = (mac: Uint8Array): string =>
  Array.from(mac, byte => byte.toString(16).padStart(2, '0')).join(':');

export class KernelWorld {
  readonly channel: DataplaneChannel;
  readonly client: DataplaneClient;
  readonly dataplane: Dataplane;
  readonly log: string[] = [];
  /** By what `ip` calls them. */
  readonly routes: Table<RouteValue> = new Table();
  readonly labels: Table<LabelValue> = new Table();
  readonly nexthops: Table<NexthopValue> = new Table();
  readonly links: Table<LinkValue> = new Table();
  readonly neighbors: Table<NeighborValue> = new Table();
  readonly fdb: Table<FdbValue> = new Table();
  readonly rules: Table<RuleValue> = new Table();
  readonly netconf: Table<NetconfValue> = new Table();
  /** How many dumps of each kind have ended. */
  readonly dumps: Map<number, number> = new Map();
  readonly #byKind: Map<number, Table<never>>;
  readonly #waiting: Map<number, (pool: ContextPool, handle: number) => void> = new Map();
  readonly #handler: (pool: ContextPool, handle: number) => void;
  #next = 1;

  constructor(ns: Namespace, settings: DataplaneSettings = {}, notifications?: number) {
    this.channel = createDataplaneChannel({
      requests: 1024,
      ...(notifications === undefined ? {} : { notifications }),
    });
    this.client = new DataplaneClient(this.channel);
    this.dataplane = new Dataplane(this.channel, {
      namespace: ns.path,
      log: text => this.log.push(text),
      ...settings,
    });
    this.#byKind = new Map<number, Table<unknown>>([
      [KIND_LINK, this.links],
      [KIND_NEXTHOP, this.nexthops],
      [KIND_ROUTE, this.routes],
      [KIND_NEIGHBOR, this.neighbors],
      [KIND_RULE, this.rules],
      [KIND_NETCONF, this.netconf],
      [KIND_FDB, this.fdb],
      [KIND_MPLS, this.labels],
    ]) as Map<number, Table<never>>;
    this.#handler = notificationHandler({
      link: (link, told) => this.links.apply(link.name, link, told),
      route: (route, told) => this.#route(route, told),
      label: (label, told) => this.labels.apply(`${label.label}`, label, told),
      nexthop: (nexthop, told) => this.nexthops.apply(`${nexthop.id}`, nexthop, told),
      neighbor: (neighbor, told) =>
        this.neighbors.apply(formatAddress(neighbor.family as 2 | 10, neighbor.address), neighbor, told),
      fdb: (entry, told) => this.fdb.apply(fdbKey(entry), entry, told),
      rule: (rule, told) => this.rules.apply(`${rule.family} ${rule.priority}`, rule, told),
      netconf: (netconf, told) => this.#netconf(netconf, told),
      dumpBegin: kind => this.#byKind.get(kind)?.begin(),
      dumpEnd: kind => {
        this.#byKind.get(kind)?.end();
        this.dumps.set(kind, (this.dumps.get(kind) ?? 0) + 1);
      },
    });
  }

  #route(route: RouteValue, told: Told): void {
    const key = `${formatAddress(route.family, route.prefix)}/${route.length} ${route.table}`;
    this.routes.apply(key, route, told);
  }

  /** What a change does not tell has not changed. */
  #netconf(netconf: NetconfValue, told: Told): void {
    const key = `${netconf.family} ${netconf.ifindex}`;
    this.netconf.apply(key, { ...this.netconf.values.get(key), ...netconf }, told);
  }

  /** One turn of both sides. */
  turn(): void {
    this.client.flush();
    this.dataplane.turn();
    this.client.poll(
      4096,
      (pool, handle) => {
        this.#waiting.get(pool.object(handle))?.(pool, handle);
        this.#waiting.delete(pool.object(handle));
      },
      this.#handler,
    );
  }

  async until<T>(condition: () => T | Promise<T>, what: string | (() => string)): Promise<NonNullable<T>> {
    return await until(
      () => {
        for (let i = 0; i < 8; i++) this.turn();
        return condition();
      },
      { what, everyMs: 2, timeoutMs: 60_000 },
    );
  }

  /** Asks for one thing, and gives its result. */
  async request<T>(op: number, fill: Fill, read?: (pool: ContextPool, handle: number) => T): Promise<Answered<T>> {
    const [answered] = await this.requestAll([[op, fill]], read);
    return answered!;
  }

  /** The same, for many at a time. */
  async requestAll<T>(
    requests: readonly (readonly [op: number, fill: Fill])[],
    read?: (pool: ContextPool, handle: number) => T,
  ): Promise<Answered<T>[]> {
    const answers: Answered<T>[] = [];
    let count = 0;
    for (const [i, [op, fill]] of requests.entries()) {
      const handle = this.client.allocate(op);
      assert.ok(handle !== 0);
      const object = this.#next++;
      this.client.requests.setObject(handle, object, 0);
      assert.notEqual(fill(this.client.requests, handle), false, 'no room for all of it');
      this.#waiting.set(object, (pool, result) => {
        const errno = pool.errno(result);
        answers[i] = { errno, value: errno === 0 ? read?.(pool, result) : undefined };
        count++;
      });
      this.client.enqueue(handle);
    }
    await this.until(
      () => count === requests.length,
      () => `${requests.length} results, got ${count}`,
    );
    return answers;
  }

  /** The same, and nothing else is an answer but success. */
  async done(op: number, fill: Fill): Promise<void> {
    assert.equal((await this.request(op, fill)).errno, 0);
  }

  /** Has these kinds dumped again, to the end. */
  async resync(kinds: number): Promise<void> {
    const wanted: [number, number][] = [];
    for (const kind of this.#byKind.keys())
      if ((kinds & kind) !== 0) wanted.push([kind, (this.dumps.get(kind) ?? 0) + 1]);
    assert.ok(this.client.requestResync(kinds));
    await this.until(() => wanted.every(([kind, count]) => (this.dumps.get(kind) ?? 0) >= count), `dumps of ${kinds}`);
  }

  /** The first dump of everything is done. */
  async started(): Promise<void> {
    await this.until(() => !this.dataplane.listener.stream.dumping && this.links.values.size > 0, 'the first dumps');
  }

  ifindex(name: string): number {
    return this.links.values.get(name)!.ifindex;
  }

  close(): void {
    assert.equal(this.client.stats().requests.inUse, 0, 'every context came back');
    this.dataplane.close();
    closeDataplaneChannel(this.channel);
  }
}

/** Of a group, or for what is not known, a device may have several tunnel ends. */
function fdbKey(entry: FdbValue): string {
  const several = (entry.mac[0]! & 1) !== 0 || entry.mac.every(byte => byte === 0);
  const end =
    several && entry.tunnelFamily !== 0 ? ` ${formatAddress(entry.tunnelFamily as 2 | 10, entry.tunnel)}` : '';
  return `${entry.ifindex} ${macText(entry.mac)} ${entry.vlan}${end}`;
}

/** A path, as tests write it. */
export function via(ifindex: number, gateway?: string, more: Partial<RoutePath> = {}): RoutePath {
  const address = gateway === undefined ? undefined : parseAddress(gateway)!;
  return {
    ifindex,
    gatewayFamily: address?.family ?? 0,
    gateway: address?.words ?? [0, 0, 0, 0],
    flags: 0,
    weight: 1,
    ...more,
  };
}

/** Writes paths into the chain of a route or a label. */
export function writePaths(pool: ContextPool, handle: number, paths: readonly RoutePath[]): boolean {
  let slot = handle;
  for (const [i, path] of paths.entries()) {
    if (i > 0) slot = pool.addPath(slot);
    if (slot === 0) return false;
    pool.setPath(slot, path.ifindex, path.gatewayFamily, ...path.gateway, 0, path.weight);
    if (path.encap !== undefined && !pool.setEncap(slot, path.encap)) return false;
  }
  pool.setCount(handle, paths.length);
  return true;
}

/** A route with paths of its own, in the main table. */
export function route(
  family: 2 | 10,
  prefix: string,
  length: number,
  paths: readonly RoutePath[],
  protocol = 186,
): Fill {
  return (pool, handle) => {
    pool.setRoute(handle, 254, family, ...words(prefix), length, protocol, 1, 20, 0);
    return writePaths(pool, handle, paths);
  };
}
