// A dataplane over a real kernel, in a namespace, turned by the test itself: nothing happens between two turns, so a test can let
// the kernel run far ahead. What comes back is kept as it came.
import assert from 'node:assert/strict';
import {
  closeDataplaneChannel,
  type ContextPool,
  createDataplaneChannel,
  Dataplane,
  type DataplaneChannel,
  DataplaneClient,
  type DataplaneOptions,
  type DataplaneSettings,
  KIND_ALL,
  OP_DUMP_BEGIN,
  OP_DUMP_END,
  OP_NEXTHOP_INSTALL,
  OP_ROUTE,
  OP_ROUTE_GONE,
  OP_ROUTE_INSTALL,
} from '../../src/dataplane/index.ts';
import { formatIp4 } from '../../src/net/index.ts';
import type { Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

export interface Outcome {
  readonly object: number;
  readonly op: number;
  readonly errno: number;
  readonly provider: number;
  /** FLAG_* */
  readonly flags: number;
}

export class KernelWorld {
  readonly ns: Namespace;
  readonly channel: DataplaneChannel;
  readonly client: DataplaneClient;
  readonly dataplane: Dataplane;
  readonly logs: string[] = [];
  readonly outcomes: Outcome[] = [];
  /** IPv4 routes of others in the main table, as told: by prefix and metric. */
  readonly routes: Set<string> = new Set();
  /** KIND_* bits of what was dumped. */
  dumped = 0;
  /** Looks at every notification. */
  watch: (pool: ContextPool, handle: number) => void = () => {};
  #seen: Set<string> | undefined;

  constructor(ns: Namespace, settings: DataplaneSettings = {}, options: DataplaneOptions = {}) {
    this.ns = ns;
    this.channel = createDataplaneChannel(options);
    this.client = new DataplaneClient(this.channel);
    this.dataplane = new Dataplane(this.channel, {
      namespace: ns.path,
      log: text => void this.logs.push(text),
      ...settings,
    });
  }

  /** Turns until the condition holds. */
  async until(done: () => boolean, what: string | (() => string), timeoutMs = 15_000): Promise<void> {
    await until(
      () => {
        for (let i = 0; i < 50 && this.turn(); i++);
        return done();
      },
      { what, timeoutMs, everyMs: 1 },
    );
  }

  /** Until every kind was dumped. */
  ready(): Promise<void> {
    return this.until(() => this.dumped === KIND_ALL, 'the first dump');
  }

  turn(): boolean {
    const more = this.dataplane.turn();
    return (
      this.client.poll(
        4096,
        (pool, handle) =>
          void this.outcomes.push({
            object: pool.object(handle),
            op: pool.op(handle),
            errno: pool.errno(handle),
            provider: pool.provider(handle),
            flags: pool.flags(handle),
          }),
        (pool, handle) => {
          this.watch(pool, handle);
          this.#note(pool, handle);
        },
      ) > 0 || more
    );
  }

  send(op: number, object: number, fill: (pool: ContextPool, handle: number) => void): void {
    const handle = this.client.allocate(op);
    assert.notEqual(handle, 0);
    this.client.requests.setObject(handle, object, 1);
    fill(this.client.requests, handle);
    this.client.enqueue(handle);
    this.client.flush();
  }

  nexthop(id: number, ifindex: number, gateway: string, family: 2 | 10 = 2): void {
    this.send(OP_NEXTHOP_INSTALL, id, (pool, handle) => {
      pool.setNexthop(handle, id, family, 11);
      pool.setPath(handle, ifindex, family, ...words(gateway), 0, 1);
    });
  }

  /** An IPv4 /24 by nexthop object, or a blackhole. */
  route(object: number, word: number, nexthopId: number, op: number = OP_ROUTE_INSTALL, flags = 0): void {
    this.send(op, object, (pool, handle) => {
      pool.setRoute(handle, 254, 2, word >>> 0, 0, 0, 0, 24, 186, nexthopId === 0 ? 6 : 1, 20, nexthopId);
      pool.setFlags(handle, flags);
    });
  }

  async results(count: number): Promise<readonly Outcome[]> {
    await this.until(
      () => this.outcomes.length >= count,
      () => `${count} results, got ${this.outcomes.length}`,
    );
    return this.outcomes;
  }

  async close(): Promise<void> {
    this.dataplane.close();
    closeDataplaneChannel(this.channel);
  }

  /** Of IPv4 routes what a picture needs: between the marks of a dump, what it does not mention is gone. */
  #note(pool: ContextPool, handle: number): void {
    const op = pool.op(handle);
    if (op === OP_DUMP_BEGIN && (pool.kinds(handle) & 8) !== 0) this.#seen = new Set();
    else if (op === OP_DUMP_END) {
      this.dumped |= pool.kinds(handle);
      if ((pool.kinds(handle) & 8) === 0 || this.#seen === undefined) return;
      for (const key of this.routes) if (!this.#seen.has(key)) this.routes.delete(key);
      this.#seen = undefined;
    } else if ((op === OP_ROUTE || op === OP_ROUTE_GONE) && pool.family(handle) === 2 && pool.table(handle) === 254) {
      const key = `${formatIp4(pool.prefixWord(handle, 0))}/${pool.length(handle)} ${pool.metric(handle)}`;
      if (op === OP_ROUTE_GONE) this.routes.delete(key);
      else {
        this.routes.add(key);
        this.#seen?.add(key);
      }
    }
  }
}

function words(address: string): [number, number, number, number] {
  if (address.startsWith('fe80::')) return [0xfe800000, 0, 0, Number(`0x${address.slice(6)}`)];
  const [a, b, c, d] = address.split('.').map(Number) as [number, number, number, number];
  return [((a << 24) | (b << 16) | (c << 8) | d) >>> 0, 0, 0, 0];
}

/** IPv4 routes of the main table as `ip` has them, by prefix and metric. */
export async function kernelRoutes(ns: Namespace, ...filter: string[]): Promise<Set<string>> {
  const routes = await ns.ipJson<{ dst: string; metric?: number }[]>('-4', 'route', 'show', 'table', 'main', ...filter);
  return new Set(routes.map(({ dst, metric = 0 }) => `${dst.includes('/') ? dst : `${dst}/32`} ${metric}`));
}

export async function ifindexOf(ns: Namespace, name: string): Promise<number> {
  const [link] = await ns.ipJson<{ ifindex: number }[]>('link', 'show', name);
  return link!.ifindex;
}
