// A follower as somebody out of tree would write it: a table of what it was told, in a file that a test can read.
import { renameSync, writeFileSync } from 'node:fs';
import {
  type ContextPool,
  FLAG_GROUP,
  OP_NEXTHOP_DELETE,
  OP_NEXTHOP_INSTALL,
  OP_REPLAY_BEGIN,
  OP_REPLAY_END,
  OP_ROUTE_DELETE,
  OP_ROUTE_INSTALL,
  type Provider,
  type ProviderSettings,
} from '../../src/dataplane/index.ts';
import { formatAddress, formatPrefix, type Family } from '../../src/net/index.ts';

export interface FollowerFile {
  /** Replays that ended. */
  complete: number;
  /** Routes that named what was not told, and objects that went while they were named: there shall be none. */
  mistakes: string[];
  /** By family and prefix: the ways, `GATEWAY%IFINDEX`. */
  routes: Record<string, string[]>;
}

interface Route {
  type: number;
  nexthopId: number;
  paths: string[];
}

const RTN_UNICAST = 1;

class Table {
  complete = 0;
  readonly mistakes: string[] = [];
  readonly #routes: Map<string, Route> = new Map();
  readonly #nexthops: Map<number, string> = new Map();
  readonly #groups: Map<number, number[]> = new Map();
  #before = false;

  ask(): void {
    this.#before = true;
  }

  take(pool: ContextPool, handle: number): void {
    const op = pool.op(handle);
    if (op === OP_REPLAY_BEGIN) {
      this.#before = false;
      for (const map of [this.#routes, this.#nexthops, this.#groups]) map.clear();
    } else if (this.#before) return;
    else if (op === OP_REPLAY_END) this.complete++;
    else if (op === OP_ROUTE_INSTALL) this.#route(pool, handle);
    else if (op === OP_ROUTE_DELETE) this.#routes.delete(keyOf(pool, handle));
    else if (op === OP_NEXTHOP_INSTALL) this.#nexthop(pool, handle);
    else if (op === OP_NEXTHOP_DELETE) this.#gone(pool.nexthopId(handle));
  }

  #route(pool: ContextPool, handle: number): void {
    const key = keyOf(pool, handle);
    const nexthopId = pool.nexthopId(handle);
    if (nexthopId !== 0 && !this.#groups.has(nexthopId)) this.mistakes.push(`${key} names ${nexthopId}`);
    const paths: string[] = [];
    if (nexthopId === 0) {
      for (let slot = handle, i = 0; i < pool.count(handle); i++, slot = pool.next(slot)) paths.push(wayOf(pool, slot));
    }
    this.#routes.set(key, { type: pool.routeType(handle), nexthopId, paths });
  }

  #nexthop(pool: ContextPool, handle: number): void {
    const id = pool.nexthopId(handle);
    if ((pool.flags(handle) & FLAG_GROUP) === 0) {
      this.#nexthops.set(id, wayOf(pool, handle));
      return;
    }
    const members: number[] = [];
    pool.members(handle, member => members.push(member));
    for (const member of members) {
      if (!this.#nexthops.has(member)) this.mistakes.push(`group ${id} names ${member}`);
    }
    this.#groups.set(id, members);
  }

  #gone(id: number): void {
    for (const [key, route] of this.#routes) {
      if (route.nexthopId === id) this.mistakes.push(`${key} names ${id}, which went`);
    }
    for (const [group, members] of this.#groups) {
      if (group !== id && members.includes(id)) this.mistakes.push(`group ${group} names ${id}, which went`);
    }
    this.#groups.delete(id);
    this.#nexthops.delete(id);
  }

  get file(): FollowerFile {
    const routes: Record<string, string[]> = {};
    for (const [key, { type, nexthopId, paths }] of this.#routes) {
      const ways = nexthopId === 0 ? paths : this.#groups.get(nexthopId)!.map(id => this.#nexthops.get(id)!);
      routes[key] = type === RTN_UNICAST ? ways.toSorted() : [`type ${type}`];
    }
    return { complete: this.complete, mistakes: this.mistakes, routes };
  }
}

function keyOf(pool: ContextPool, handle: number): string {
  const words = [0, 1, 2, 3].map(i => pool.prefixWord(handle, i)) as unknown as [number, number, number, number];
  return formatPrefix({ family: pool.family(handle) as Family, words, length: pool.length(handle) });
}

function wayOf(pool: ContextPool, slot: number): string {
  const family = pool.gatewayFamily(slot);
  const words = [0, 1, 2, 3].map(i => pool.gatewayWord(slot, i)) as unknown as [number, number, number, number];
  return `${family === 0 ? '' : formatAddress(family as Family, words)}%${pool.ifindex(slot)}`;
}

export default function follower(settings: ProviderSettings): Provider {
  const path = String(settings['path']);
  const table = new Table();
  return {
    name: settings.name,
    priority: 'post-kernel',
    start: host => {
      table.ask();
      // Now and then it has lost everything.
      setInterval(() => {
        table.ask();
        host.replay();
      }, 1000);
    },
    process(work) {
      let changed = false;
      for (let handle = work.take(); handle >= 0; handle = work.take(), changed = true) {
        table.take(work.pool, handle);
        work.finish(handle);
      }
      if (!changed) return;
      writeFileSync(`${path}.new`, JSON.stringify(table.file));
      renameSync(`${path}.new`, path);
    },
  };
}
