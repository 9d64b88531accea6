// A model of a follower: a queue with little room, and a table made of what it was told. It never takes a route that names a
// nexthop object which it has not, nor loses one that is named.
import assert from 'node:assert/strict';
import type { Family } from '../../src/net/index.ts';
import type { FollowerEvents, FollowerPlane, GroupMember, KernelPath } from '../../src/zebra/plane.ts';

const EIO = 5;

export interface FollowedRoute {
  readonly protocol: number;
  readonly type: number;
  readonly nexthopId: number;
  readonly metric: number;
  readonly paths: readonly KernelPath[];
}

/** What a change does to a follower's table. */
type Change = (follower: FakeFollower) => void;
type Told = (events: FollowerEvents, follower: number, errno: number) => void;

export class FakeFollower {
  readonly routes: Map<string, FollowedRoute> = new Map();
  readonly nexthops: Map<number, KernelPath> = new Map();
  readonly groups: Map<number, readonly GroupMember[]> = new Map();
  readonly labels: Map<number, { protocol: number; paths: readonly KernelPath[] }> = new Map();
  /** Changes that it holds at most. */
  limit = 8;
  /** Replays that it saw the end of. */
  complete = 0;
  /** Changes of its table. */
  changes = 0;
  /** Gives an errno to refuse a change with, or 0. */
  refuse: () => number = () => 0;
  /** It asked for a replay that has not begun: what comes is of before. */
  #before = false;
  readonly #queue: [Change, (errno: number) => void][] = [];
  readonly #ask: () => void;

  constructor(ask: () => void) {
    this.#ask = ask;
  }

  enter(change: Change, answer: (errno: number) => void): boolean {
    if (this.#queue.length >= this.limit) return false;
    this.#queue.push([change, answer]);
    return true;
  }

  /** It lost everything, and asks for it. */
  replay(): void {
    this.#clear();
    this.#before = true;
    this.#ask();
  }

  serve(count: number = Number.POSITIVE_INFINITY): number {
    let done = 0;
    while (done < count) {
      const next = this.#queue.shift();
      if (next === undefined) break;
      const [change, answer] = next;
      const errno = this.refuse();
      if (errno === 0) change(this);
      answer(errno);
      done++;
    }
    return done;
  }

  end(): void {
    for (const [, answer] of this.#queue.splice(0)) answer(EIO);
  }

  begin(): void {
    this.#clear();
    this.#before = false;
  }

  finish(): void {
    if (!this.#before) this.complete++;
  }

  setRoute(key: string, route: FollowedRoute): void {
    if (this.#before) return;
    this.changes++;
    assert.ok(
      route.nexthopId === 0 || this.groups.has(route.nexthopId),
      `${key} names ${route.nexthopId}, which was not told`,
    );
    this.routes.set(key, route);
  }

  deleteRoute(key: string): void {
    if (this.#before) return;
    this.changes++;
    this.routes.delete(key);
  }

  setLabel(label: number, protocol: number, paths: readonly KernelPath[]): void {
    if (this.#before) return;
    this.changes++;
    this.labels.set(label, { protocol, paths });
  }

  deleteLabel(label: number): void {
    if (this.#before) return;
    this.changes++;
    this.labels.delete(label);
  }

  setNexthop(id: number, path: KernelPath): void {
    if (this.#before) return;
    this.changes++;
    this.nexthops.set(id, path);
  }

  setGroup(id: number, members: readonly GroupMember[]): void {
    if (this.#before) return;
    this.changes++;
    for (const member of members) {
      assert.ok(this.nexthops.has(member.id), `group ${id} has ${member.id}, which was not told`);
    }
    this.groups.set(id, members);
  }

  deleteNexthop(id: number): void {
    if (this.#before) return;
    this.changes++;
    for (const [key, route] of this.routes) assert.notEqual(route.nexthopId, id, `${key} names ${id}, which goes`);
    for (const [group, members] of this.groups) {
      assert.ok(group === id || members.every(member => member.id !== id), `group ${group} has ${id}, which goes`);
    }
    this.groups.delete(id);
    this.nexthops.delete(id);
  }

  #clear(): void {
    this.routes.clear();
    this.groups.clear();
    this.nexthops.clear();
    this.labels.clear();
  }
}

function keyOf(family: Family, words: readonly number[], length: number): string {
  return `${family}:${words.join('.')}/${length}`;
}

/** What zebra tells one follower through; each call becomes a change and how its answer is told. */
export function followerPlane(room: () => number, send: (change: Change, told: Told) => void): FollowerPlane {
  const mark = (generation: number, change: Change): void =>
    send(change, (events, follower, errno) => events.replayTold(follower, generation, errno));
  const object = (id: number, generation: number, change: Change): void =>
    send(change, (events, follower, errno) => events.nexthopTold(follower, id, generation, errno));
  const label = (number: number, generation: number, change: Change): void =>
    send(change, (events, follower, errno) => events.labelTold(follower, number, generation, errno));
  return {
    room,
    routeInstall(id, generation, _table, family, w0, w1, w2, w3, length, protocol, type, nexthopId, metric) {
      const key = keyOf(family, [w0, w1, w2, w3], length);
      send(
        one => one.setRoute(key, { protocol, type, nexthopId, metric, paths: [] }),
        (events, follower, errno) => events.routeTold(follower, id, generation, errno, type, nexthopId),
      );
    },
    routeDelete(id, generation, _table, family, w0, w1, w2, w3, length) {
      const key = keyOf(family, [w0, w1, w2, w3], length);
      send(
        one => one.deleteRoute(key),
        (events, follower, errno) => events.routeTold(follower, id, generation, errno, 0, 0),
      );
    },
    routeWithPaths(id, generation, _table, family, w0, w1, w2, w3, length, protocol, type, metric, paths) {
      const key = keyOf(family, [w0, w1, w2, w3], length);
      send(
        one => one.setRoute(key, { protocol, type, nexthopId: 0, metric, paths }),
        (events, follower, errno) => events.routeTold(follower, id, generation, errno, type, 0),
      );
    },
    nexthopInstall: (id, generation, _family, path) => object(id, generation, one => one.setNexthop(id, path)),
    groupInstall: (id, generation, members) => {
      const copy = [...members];
      object(id, generation, one => one.setGroup(id, copy));
    },
    nexthopDelete: (id, generation) => object(id, generation, one => one.deleteNexthop(id)),
    labelInstall: (number, generation, protocol, paths) =>
      label(number, generation, one => one.setLabel(number, protocol, paths)),
    labelDelete: (number, generation) => label(number, generation, one => one.deleteLabel(number)),
    replayBegin: generation => mark(generation, one => one.begin()),
    replayEnd: generation => mark(generation, one => one.finish()),
  };
}
