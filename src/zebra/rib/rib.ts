// The RIB: from what clients and the kernel say about a prefix to what the kernel shall have. Nothing is done where it is
// said; the destination is marked dirty, and a slice decides it:
//
//   add/remove ─▶ rows ─┐                       ┌─▶ selected ─▶ redistribution, next-hop tracking
//   kernel's own route ─┼─▶ dirty ─▶ decide ────┤
//   interface, set      │                       └─▶ settle: wanted == kernel?  yes: note to the owner
//   result, ROUTE_GONE ─┘                                                      no:  one context, IN_FLIGHT ─▶ result ─▶ settle
//
// What is wanted and what the kernel has are both columns, so every disturbance has one cure: correct the `kernel` column
// and mark the destination. Sending what the kernel already has is harmless, so all doubt (something was on its way while
// the kernel's notification came) is resolved by sending once more.
//
// A destination has at most one context on its way; its result is matched by (table, prefix id, generation) and nothing
// else. What changes meanwhile is seen when the result is settled.
import { AF_INET, equalWords, type Family, grown } from '../../net/index.ts';
import {
  FLAG_RR_USE_DISTANCE,
  NOTE_BETTER_ADMIN_WON,
  NOTE_FAIL_INSTALL,
  NOTE_INSTALLED,
  NOTE_REMOVED,
  type Note,
  type Owner,
  type RibFace,
} from '../face.ts';
import { NEXTHOP_ID_BASE, NEXTHOP_ID_SPAN, type NexthopObjects, NO_ROOM } from '../nexthop/objects.ts';
import type { Nexthop, NexthopSet, NexthopSets } from '../nexthop/set.ts';
import { KIND_ROUTE, type Plane, RTN_UNICAST } from '../plane.ts';
import { isOwnProtocol, kernelProtocol, ROUTE_CONNECT, ROUTE_KERNEL, ROUTE_STATIC } from '../route-type.ts';
import { IdQueue } from './id-queue.ts';
import type { Feed } from './redistribution.ts';
import {
  DIRTY,
  DOOMED,
  DOUBT,
  FAILED,
  IN_FLIGHT,
  RibTable,
  ROW_CHANGED,
  ROW_INSTALLED,
  ROW_ZAPI_FLAGS,
  SEEN,
  STALE,
  URGENT,
} from './table.ts';

/** RTA_PRIORITY of all routes of ours. */
export const KERNEL_METRIC = 20;
/** The kernel's main table. */
export const RT_TABLE_MAIN = 254;
/**
 * Something that is never what we want, so it is always replaced or deleted: unicast with a next hop of its own, or a
 * route of which nobody knows whether it is there.
 */
const KERNEL_OTHER = RTN_UNICAST;
/** Kernel row seen in the dump that is going on. */
const ROW_SEEN = 0x2000;

const ENOENT = 2;
const ESRCH = 3;
const ENODEV = 19;

export interface RibHost {
  readonly nowS: () => number;
  /** Something waits for `run`. */
  wake(): void;
  selectionChanged(table: RibTable, id: number): void;
  note(owner: Owner, note: Note, table: RibTable, id: number, type: number, instance: number): void;
  /** A route failed: call `retryFailed` later. */
  retryLater(): void;
}

interface Queues {
  readonly urgent: IdQueue;
  readonly bulk: IdQueue;
}

const WALK_CHUNK = 16_384;

export class Rib implements RibFace {
  readonly tables: RibTable[] = [];
  /** Notes are wanted by this owner. */
  readonly notify: Uint8Array = new Uint8Array(65_536);
  readonly #queues: Queues[] = [];
  readonly #byVrf: Map<number, RibTable> = new Map();
  readonly #host: RibHost;
  readonly #plane: Plane;
  readonly #sets: NexthopSets;
  readonly #objects: NexthopObjects;
  readonly #feeds: readonly Feed[];
  readonly #jobs: Generator<void, void, undefined>[] = [];
  #v4: RibTable | undefined;
  #v6: RibTable | undefined;

  /** Routes of an earlier life have had their time. */
  swept = false;
  sweptAt = 0;
  inFlight = 0;
  #dumping = false;
  #starting = true;

  // A walk over all destinations, by what changed. Flags set while one walks are for the next.
  #lost: Set<number> = new Set();
  #revisit: Set<number> = new Set();
  #revisitGroups: Set<number> = new Set();
  #walk: Generator<void, void, undefined> | undefined;

  // Counters for `show zebra` and the drift report.
  readonly stats = {
    routeAdds: 0,
    routeRemoves: 0,
    decided: 0,
    sentInstalls: 0,
    sentDeletes: 0,
    failures: 0,
    lostRoutes: 0,
    repaired: 0,
    adopted: 0,
    sweptRoutes: 0,
    walks: 0,
    congestions: 0,
  };

  constructor(host: RibHost, plane: Plane, sets: NexthopSets, objects: NexthopObjects, feeds: readonly Feed[]) {
    this.#host = host;
    this.#plane = plane;
    this.#sets = sets;
    this.#objects = objects;
    this.#feeds = feeds;
  }

  table(vrf: number, family: Family): RibTable {
    const fast = vrf === 0 ? (family === AF_INET ? this.#v4 : this.#v6) : undefined;
    if (fast !== undefined) return fast;
    const key = vrf * 2 + (family === AF_INET ? 0 : 1);
    let table = this.#byVrf.get(key);
    if (table === undefined) {
      table = new RibTable(vrf, family, RT_TABLE_MAIN, this.tables.length);
      this.tables.push(table);
      this.#queues.push({ urgent: new IdQueue(), bulk: new IdQueue() });
      this.#byVrf.set(key, table);
      if (vrf === 0) {
        if (family === AF_INET) this.#v4 = table;
        else this.#v6 = table;
      }
    }
    return table;
  }

  /** Table of the kernel's number, or undefined for one that we do not follow. */
  #tableByKernel(kernelTable: number, family: Family): RibTable | undefined {
    return kernelTable === RT_TABLE_MAIN ? this.table(0, family) : undefined;
  }

  // What clients say ------------------------------------------------------------------------------------------------------

  add(
    vrf: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    type: number,
    instance: number,
    flags: number,
    distance: number,
    metric: number,
    tag: number,
    asked: number,
    owner: Owner,
  ): void {
    const t = this.table(vrf, family);
    const id = t.destination(w0, w1, w2, w3, length);
    let set = asked;
    const content = this.#sets.get(asked);
    if (content.coveredBy(w0, w1, w2, w3, length)) {
      set = this.#sets.variant(content, { family, words: [w0, w1, w2, w3], length });
    }
    let row = t.first[id]!;
    while (row >= 0 && !sameRoute(t, row, type, instance, flags, distance, metric, set, owner)) row = t.next[row]!;
    this.stats.routeAdds++;
    if (row < 0) {
      row = t.pushRow(id);
      t.type[row] = type;
      t.instance[row] = instance;
      this.#sets.get(set).routes++;
      t.set[row] = set;
    } else {
      const sameOwner = t.owner[row] === owner;
      if (
        t.set[row] === set &&
        t.distance[row] === distance &&
        t.metric[row] === metric &&
        t.tag[row] === tag &&
        (t.flags[row]! & FLAG_RR_USE_DISTANCE) === (flags & FLAG_RR_USE_DISTANCE)
      ) {
        // Announced again, the same: nothing to decide, but an owner that wants to hear hears it again.
        t.owner[row] = owner;
        t.flags[row] = (flags & ROW_ZAPI_FLAGS) | (t.flags[row]! & (ROW_CHANGED | ROW_INSTALLED)) | ROW_SEEN;
        if (this.notify[owner] === 1 || !sameOwner) {
          t.flags[row]! &= ~ROW_INSTALLED;
          this.#mark(t, id, type !== 9);
        }
        return;
      }
      if (t.set[row] !== set) {
        this.#sets.get(set).routes++;
        this.#unuse(t.set[row]!);
        t.set[row] = set;
      }
    }
    t.distance[row] = distance;
    t.metric[row] = metric;
    t.tag[row] = tag;
    t.owner[row] = owner;
    t.flags[row] = (flags & ROW_ZAPI_FLAGS & ~ROW_SEEN) | ROW_CHANGED | ROW_SEEN;
    t.since[row] = this.#host.nowS();
    this.#mark(t, id, type !== 9);
  }

  remove(
    vrf: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    type: number,
    instance: number,
    distance: number,
    owner: Owner,
  ): boolean {
    const t = this.table(vrf, family);
    const id = t.prefixes.find(w0, w1, w2, w3, length);
    if (id < 0) return false;
    for (let row = t.first[id]!; row >= 0; row = t.next[row]!) {
      if (t.type[row] !== type || t.instance[row] !== instance) continue;
      if (distance >= 0 && t.distance[row] !== distance) continue;
      if (type === ROUTE_STATIC && !sameSide(t, row, owner)) continue;
      this.#drop(t, id, row);
      return true;
    }
    return false;
  }

  /** Like `remove` for a route that is known by its set (connected, kernel, static routes of one distance). */
  removeRow(t: RibTable, id: number, row: number): void {
    this.#drop(t, id, row);
  }

  #drop(t: RibTable, id: number, row: number): void {
    this.stats.routeRemoves++;
    const type = t.type[row]!;
    if ((t.flags[row]! & ROW_INSTALLED) !== 0 && this.notify[t.owner[row]!] === 1) {
      this.#host.note(t.owner[row]!, NOTE_REMOVED, t, id, type, t.instance[row]!);
    }
    const wasSelected = t.selected[id] === row;
    const set = t.set[row]!;
    t.dropRow(id, row);
    // The row may be reused before the destination is decided: whoever depends on the selection hears of the loss now.
    if (wasSelected) this.#selectionChanged(t, id);
    this.#unuse(set);
    this.#mark(t, id, type !== 9);
  }

  #unuse(id: number): void {
    const set = this.#sets.get(id);
    set.routes--;
    if (set.routes > 0) return;
    this.#objects.doom(set);
    this.#sets.maybeUnused(set);
  }

  /** Routes of an owner that went, in slices. `kept` is asked again when the turn comes. */
  dropOwner(owner: Owner): void {
    this.#jobs.push(this.#dropOwnerJob(owner));
    this.#host.wake();
  }

  *#dropOwnerJob(owner: Owner): Generator<void, void, undefined> {
    for (const t of this.tables) {
      for (let id = 0; id < t.prefixes.limit; id++) {
        if ((id & (WALK_CHUNK - 1)) === WALK_CHUNK - 1) yield;
        if (!t.prefixes.has(id)) continue;
        for (let row = t.first[id]!; row >= 0; ) {
          const next = t.next[row]!;
          if (t.owner[row] === owner) this.#drop(t, id, row);
          row = next;
        }
      }
    }
  }

  // The dirty lists -------------------------------------------------------------------------------------------------------

  #mark(t: RibTable, id: number, urgent: boolean): void {
    const state = t.state[id]!;
    if (urgent) {
      if ((state & URGENT) !== 0) return;
      t.state[id] = state | DIRTY | URGENT;
      this.#queues[t.index]!.urgent.push(id);
    } else {
      if ((state & DIRTY) !== 0) return;
      t.state[id] = state | DIRTY;
      this.#queues[t.index]!.bulk.push(id);
    }
    this.#host.wake();
  }

  /** Marks a destination to be looked at again. */
  touch(t: RibTable, id: number): void {
    this.#mark(t, id, true);
  }

  get dirty(): number {
    let count = 0;
    for (const one of this.#queues) count += one.urgent.length + one.bulk.length;
    return count;
  }

  get dirtyHighWater(): number {
    let count = 0;
    for (const one of this.#queues) count += one.urgent.highWater + one.bulk.highWater;
    return count;
  }

  /**
   * Decides dirty destinations until there are none (true), room runs out or time is up (false: `blocked` says which).
   */
  run(shouldYield: () => boolean): boolean {
    this.blocked = false;
    if (this.#starting) return true;
    while (this.#jobs.length > 0) {
      if (this.#jobs[0]!.next().done) this.#jobs.shift();
      if (shouldYield()) return false;
    }
    if (!this.#walkOn(shouldYield)) return false;
    if (!this.#objects.flushWaiting()) return this.#block();
    let count = 0;
    for (let i = 0; i < this.tables.length; i++) {
      const t = this.tables[i]!;
      const { urgent } = this.#queues[i]!;
      for (let id = urgent.shift(); id >= 0; id = urgent.shift()) {
        if ((t.state[id]! & URGENT) !== 0 && !this.#decide(t, id)) {
          urgent.unshift(id);
          return this.#block();
        }
        if ((++count & 255) === 0 && shouldYield()) return false;
      }
    }
    for (let i = 0; i < this.tables.length; i++) {
      const t = this.tables[i]!;
      const { bulk } = this.#queues[i]!;
      for (let id = bulk.shift(); id >= 0; id = bulk.shift()) {
        // Decided by way of the urgent list meanwhile, or forgotten: nothing to do.
        if ((t.state[id]! & DIRTY) !== 0 && !this.#decide(t, id)) {
          bulk.unshift(id);
          return this.#block();
        }
        if ((++count & 255) === 0 && shouldYield()) return false;
      }
    }
    // Everybody had their turn: objects that no route wants can go, and take their routes along.
    if (this.#objects.doomedCount > 0 && !this.#objects.deleteDoomed()) return this.#block();
    return true;
  }

  /** The last `run` stopped for want of room in the dataplane. */
  blocked = false;

  #block(): false {
    this.blocked = true;
    return false;
  }

  // Deciding --------------------------------------------------------------------------------------------------------------

  /** False: no room; the destination stays dirty. */
  #decide(t: RibTable, id: number): boolean {
    const was = t.selected[id]!;
    let best = -1;
    for (let row = t.first[id]!; row >= 0; row = t.next[row]!) {
      if (t.distance[row] === 255 || !this.#sets.get(t.set[row]!).active) continue;
      if (best < 0 || beats(t, row, best)) best = row;
    }
    if (best !== was) {
      if (was >= 0 && (t.flags[was]! & ROW_INSTALLED) !== 0) {
        t.flags[was]! &= ~ROW_INSTALLED;
        if (best >= 0 && this.notify[t.owner[was]!] === 1) {
          this.#host.note(t.owner[was]!, NOTE_BETTER_ADMIN_WON, t, id, t.type[was]!, t.instance[was]!);
        }
      }
      t.selected[id] = best;
      if (best >= 0) t.flags[best]! &= ~(ROW_CHANGED | ROW_INSTALLED);
      this.#selectionChanged(t, id);
    } else if (best >= 0 && (t.flags[best]! & ROW_CHANGED) !== 0) {
      t.flags[best]! &= ~(ROW_CHANGED | ROW_INSTALLED);
      this.#selectionChanged(t, id);
    }
    this.stats.decided++;
    if (!this.#settle(t, id)) return false;
    t.state[id]! &= ~(DIRTY | URGENT);
    if (t.first[id]! < 0) this.forgetIfIdle(t, id);
    return true;
  }

  #selectionChanged(t: RibTable, id: number): void {
    this.#host.selectionChanged(t, id);
    const feeds = this.#feeds;
    for (let i = 0; i < feeds.length; i++) feeds[i]!.touch(t, id);
  }

  /** Compares what is wanted with what the kernel has, and sends the difference. False: no room. */
  #settle(t: RibTable, id: number): boolean {
    const state = t.state[id]!;
    if ((state & IN_FLIGHT) !== 0) return true; // its result comes back here
    const row = t.selected[id]!;
    const have = t.kernel[id]!;
    let want = 0;
    let protocol = 0;
    if (row >= 0) {
      protocol = kernelProtocol(t.type[row]!);
      if (protocol !== 0) {
        const set = t.set[row]!;
        if (this.#objects.ready[set] === 1) want = this.#objects.groupOf[set]!;
        else {
          want = this.#objects.require(this.#sets.get(set), have, protocol);
          if (want === NO_ROOM) return false;
          if (want === 0) {
            // Its objects cannot be had now; `revisit` brings it back.
            this.#fail(t, id, row);
            return true;
          }
        }
      }
    }
    if (want === have && (want === 0 || t.kernelProtocol[id] === protocol)) {
      t.state[id] = state & ~(STALE | FAILED | DOOMED);
      if ((state & STALE) !== 0) this.stats.adopted++;
      if (row >= 0 && (t.flags[row]! & ROW_INSTALLED) === 0) {
        t.flags[row]! |= ROW_INSTALLED;
        if (this.notify[t.owner[row]!] === 1) {
          this.#host.note(t.owner[row]!, NOTE_INSTALLED, t, id, t.type[row]!, t.instance[row]!);
        }
      }
      return true;
    }
    const prefixes = t.prefixes;
    const v4 = t.family === AF_INET;
    if (want === 0) {
      // A route of an earlier life stays until its time is up; one whose object is to be deleted goes with it.
      if ((state & STALE) !== 0 && !this.swept) return true;
      if (this.#objects.isDoomed(have)) {
        t.state[id] = state | DOOMED;
        return true;
      }
      if (this.#plane.room() < 1) return false;
      const generation = (t.generation[id]! + 1) & 0xffff;
      t.generation[id] = generation;
      t.state[id] = (state & ~DOOMED) | IN_FLIGHT;
      this.inFlight++;
      this.stats.sentDeletes++;
      this.#plane.routeDelete(
        id,
        (t.index << 16) | generation,
        t.kernelTable,
        t.family,
        prefixes.w0[id]!,
        v4 ? 0 : prefixes.w1[id]!,
        v4 ? 0 : prefixes.w2[id]!,
        v4 ? 0 : prefixes.w3[id]!,
        prefixes.length[id]!,
        t.kernelProtocol[id]!,
        KERNEL_METRIC,
      );
      return true;
    }
    if (this.#plane.room() < 1) return false;
    const generation = (t.generation[id]! + 1) & 0xffff;
    t.generation[id] = generation;
    t.state[id] = (state & ~(DOOMED | STALE)) | IN_FLIGHT;
    this.inFlight++;
    this.stats.sentInstalls++;
    const object = want >= 256;
    this.#plane.routeInstall(
      id,
      (t.index << 16) | generation,
      t.kernelTable,
      t.family,
      prefixes.w0[id]!,
      v4 ? 0 : prefixes.w1[id]!,
      v4 ? 0 : prefixes.w2[id]!,
      v4 ? 0 : prefixes.w3[id]!,
      prefixes.length[id]!,
      protocol,
      object ? RTN_UNICAST : want,
      object ? want : 0,
      KERNEL_METRIC,
    );
    return true;
  }

  #fail(t: RibTable, id: number, row: number): void {
    const first = (t.state[id]! & FAILED) === 0;
    t.state[id]! |= FAILED;
    if (!first) return;
    this.stats.failures++;
    this.#host.retryLater();
    if (this.notify[t.owner[row]!] === 1) {
      this.#host.note(t.owner[row]!, NOTE_FAIL_INSTALL, t, id, t.type[row]!, t.instance[row]!);
    }
  }

  #setKernel(t: RibTable, id: number, value: number, protocol: number): void {
    const before = t.kernel[id]!;
    if (before !== value) {
      this.#count(before, -1, protocol);
      this.#count(value, 1, protocol);
      t.kernel[id] = value;
    }
    t.kernelProtocol[id] = protocol;
  }

  // Destinations per object, by id above the base: 0 means that the object can go without anybody noticing.
  #users: Int32Array = new Int32Array(256);
  /** The kernel protocol of the last route that came to name the object. */
  #userProtocol: Uint8Array = new Uint8Array(256);

  #count(value: number, by: number, protocol: number): void {
    const at = value - NEXTHOP_ID_BASE;
    if (at <= 0 || at >= NEXTHOP_ID_SPAN) return;
    if (at >= this.#users.length) {
      let rows = this.#users.length;
      while (rows <= at) rows *= 2;
      [this.#users, this.#userProtocol] = grown(rows, this.#users, this.#userProtocol);
    }
    this.#users[at]! += by;
    if (by > 0) this.#userProtocol[at] = protocol;
  }

  /** Destinations whose route in the kernel names this object. */
  usersOf(groupId: number): number {
    return this.#users[groupId - NEXTHOP_ID_BASE] ?? 0;
  }

  protocolOf(groupId: number): number {
    return this.#userProtocol[groupId - NEXTHOP_ID_BASE] ?? 0;
  }

  // Results ---------------------------------------------------------------------------------------------------------------

  #result(object: number, generation: number): RibTable | undefined {
    const t = this.tables[generation >>> 16];
    if (t === undefined || t.generation[object] !== (generation & 0xffff)) return undefined;
    if ((t.state[object]! & IN_FLIGHT) === 0) return undefined;
    this.inFlight--;
    t.state[object]! &= ~IN_FLIGHT;
    return t;
  }

  routeInstalled(
    object: number,
    generation: number,
    errno: number,
    protocol: number,
    type: number,
    nexthopId: number,
  ): void {
    const t = this.#result(object, generation);
    if (t === undefined) return;
    if (errno === 0) {
      this.#setKernel(t, object, type === RTN_UNICAST ? nexthopId : type, protocol);
      t.state[object]! &= ~FAILED;
      // Written by us just now: what a dump in progress says, or does not say, of it may be older.
      t.state[object]! |= SEEN;
    }
    if (this.#doubtful(t, object)) return;
    if (errno !== 0) {
      const row = t.selected[object]!;
      if (row >= 0) this.#fail(t, object, row);
      // What is wanted may be something else by now.
      if ((t.state[object]! & DIRTY) === 0 && row < 0) this.#mark(t, object, false);
      return;
    }
    this.#after(t, object);
  }

  routeDeleted(object: number, generation: number, errno: number): void {
    const t = this.#result(object, generation);
    if (t === undefined) return;
    if (errno === 0 || errno === ESRCH || errno === ENOENT || errno === ENODEV) this.#setKernel(t, object, 0, 0);
    if (this.#doubtful(t, object)) return;
    if (t.kernel[object] === 0) this.#after(t, object);
    else {
      this.stats.failures++;
      t.state[object]! |= FAILED;
      this.#host.retryLater();
    }
  }

  /** Something happened to the route while its context was on its way: whatever is wanted is sent once more. */
  #doubtful(t: RibTable, id: number): boolean {
    if ((t.state[id]! & DOUBT) === 0) return false;
    t.state[id]! &= ~DOUBT;
    if (t.kernel[id] === 0) {
      // A delete that went well, or an install that did not: what is there instead is nothing we know of.
      const row = t.selected[id]!;
      if (row >= 0) t.kernelProtocol[id] = kernelProtocol(t.type[row]!);
    }
    this.#setKernel(t, id, KERNEL_OTHER, t.kernelProtocol[id]!);
    this.#mark(t, id, true);
    return true;
  }

  #after(t: RibTable, id: number): void {
    if ((t.state[id]! & DIRTY) !== 0) return; // its turn comes
    if (!this.#settle(t, id)) this.#mark(t, id, false);
    else if (t.first[id]! < 0) this.forgetIfIdle(t, id);
  }

  /** A destination that nothing needs any more is forgotten. */
  forgetIfIdle(t: RibTable, id: number): void {
    if (!t.prefixes.has(id) || t.first[id]! >= 0 || t.kernel[id] !== 0) return;
    if ((t.state[id]! & (DIRTY | URGENT | IN_FLIGHT)) !== 0) return;
    const feeds = this.#feeds;
    for (let i = 0; i < feeds.length; i++) if (feeds[i]!.needs(t, id)) return;
    t.forget(id);
  }

  // What the kernel says ----------------------------------------------------------------------------------------------------

  /**
   * A route that the kernel has. Of somebody else's the kernel may have several of one prefix and metric (`ip route append`,
   * other protocols), which their next hops tell apart; `replaces`: this one took the place of one of them.
   */
  kernelRoute(
    kernelTable: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    type: number,
    metric: number,
    nexthopId: number,
    nexthops: () => readonly Nexthop[],
    replaces: boolean,
  ): void {
    const t = this.#tableByKernel(kernelTable, family);
    if (t === undefined) return;
    if (isOwnProtocol(protocol)) {
      if (metric !== KERNEL_METRIC) return; // not a shape of ours: somebody borrowed the protocol number
      const value = type !== RTN_UNICAST ? type : nexthopId === 0 ? KERNEL_OTHER : nexthopId;
      let id = t.prefixes.find(w0, w1, w2, w3, length);
      if (this.#starting) {
        id = t.destination(w0, w1, w2, w3, length);
        this.#setKernel(t, id, value, protocol);
        t.state[id]! |= STALE | SEEN;
        return;
      }
      if (id < 0) return;
      t.state[id]! |= SEEN;
      if ((t.state[id]! & IN_FLIGHT) !== 0) {
        if (!this.#dumping) t.state[id]! |= DOUBT;
        return;
      }
      if (t.kernel[id] === value && t.kernelProtocol[id] === protocol) return;
      if (t.first[id]! < 0 && t.kernel[id] === 0) return;
      this.#setKernel(t, id, value, protocol);
      this.stats.repaired++;
      this.#mark(t, id, true);
      return;
    }
    // One of the same metric may have taken our route's place without a word about ours.
    if (metric === KERNEL_METRIC) {
      const id = t.prefixes.find(w0, w1, w2, w3, length);
      if (id >= 0 && (t.kernel[id] !== 0 || (t.state[id]! & IN_FLIGHT) !== 0)) {
        if ((t.state[id]! & IN_FLIGHT) !== 0) t.state[id]! |= DOUBT;
        else if (!this.#dumping) this.#mark(t, id, true);
      }
    }
    const members = nexthops();
    const before = t.prefixes.find(w0, w1, w2, w3, length);
    const known = before >= 0 && this.#foreignRow(t, before, metric, members) >= 0;
    this.#addForeign(t, w0, w1, w2, w3, length, metric, members);
    const id = t.prefixes.find(w0, w1, w2, w3, length);
    // What may be what it replaced: the kernel takes the first of them, in an order that nobody is told.
    let candidates = metric === KERNEL_METRIC && t.kernel[id] !== 0 ? 1 : 0;
    let replaced = -1;
    for (let row = t.first[id]!; row >= 0; ) {
      const next = t.next[row]!;
      if (t.type[row] === ROUTE_CONNECT) candidates++;
      else if (isForeign(t, row, metric)) {
        const others = this.#sets.get(t.set[row]!).members;
        if (!sameNexthops(others, members)) {
          // To an IPv6 route with gateways the kernel adds paths, and tells the whole.
          if (family !== AF_INET && others.length < members.length && includesAll(members, others)) {
            this.#drop(t, id, row);
          } else {
            candidates++;
            replaced = row;
          }
        }
      }
      row = next;
    }
    if (!replaces || replaced < 0) return;
    if (candidates === 1 && !known) this.#drop(t, id, replaced);
    else this.#reread();
  }

  /** The row of somebody else's route of this metric with these next hops, or -1. */
  #foreignRow(t: RibTable, id: number, metric: number, members: readonly Nexthop[]): number {
    let row = t.first[id]!;
    while (row >= 0 && !(isForeign(t, row, metric) && sameNexthops(this.#sets.get(t.set[row]!).members, members))) {
      row = t.next[row]!;
    }
    return row;
  }

  /** A dump was asked for, and has not begun. */
  #rereading = false;

  /** What the kernel did is not to be known from what it said: a dump will tell. */
  #reread(): void {
    if (this.#rereading) return;
    this.#rereading = true;
    this.#plane.requestResync(KIND_ROUTE);
  }

  #addForeign(
    t: RibTable,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    metric: number,
    members: readonly Nexthop[],
  ): void {
    const set = this.#sets.intern(t.vrf, t.family, members, false);
    const distance = metric >>> 24;
    this.add(t.vrf, t.family, w0, w1, w2, w3, length, ROUTE_KERNEL, 0, 0, distance, metric & 0xffffff, 0, set, 0);
  }

  kernelRouteGone(
    kernelTable: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    metric: number,
    nexthops: () => readonly Nexthop[],
  ): void {
    const t = this.#tableByKernel(kernelTable, family);
    if (t === undefined) return;
    const id = t.prefixes.find(w0, w1, w2, w3, length);
    if (id < 0) return;
    if (isOwnProtocol(protocol)) {
      if (metric !== KERNEL_METRIC) return;
      if ((t.state[id]! & IN_FLIGHT) !== 0) t.state[id]! |= DOUBT;
      else if (t.kernel[id] !== 0) {
        this.#setKernel(t, id, 0, 0);
        t.state[id]! &= ~STALE;
        this.stats.lostRoutes++;
        this.#mark(t, id, true);
      }
      return;
    }
    const members = nexthops();
    const gone = this.#foreignRow(t, id, metric, members);
    if (gone >= 0) {
      this.#drop(t, id, gone);
      return;
    }
    for (let row = t.first[id]!; row >= 0; row = t.next[row]!) {
      if (!isForeign(t, row, metric)) continue;
      const others = this.#sets.get(t.set[row]!).members;
      if (family !== AF_INET && members.length < others.length && includesAll(others, members)) {
        const left = others.filter(one => !members.some(other => sameNexthop(one, other)));
        this.#addForeign(t, w0, w1, w2, w3, length, metric, left);
        this.#drop(t, id, row);
        return;
      }
      // Told otherwise than before, or of a time before the last dump.
      this.#reread();
    }
  }

  dumpBegin(): void {
    this.#dumping = true;
    this.#rereading = false;
    for (const t of this.tables) {
      for (let id = 0; id < t.prefixes.limit; id++) {
        if (!t.prefixes.has(id)) continue;
        t.state[id]! &= ~SEEN;
        for (let row = t.first[id]!; row >= 0; row = t.next[row]!) {
          if (t.type[row] === ROUTE_KERNEL) t.flags[row]! &= ~ROW_SEEN;
        }
      }
    }
  }

  dumpEnd(): void {
    this.#dumping = false;
    for (const t of this.tables) {
      for (let id = 0; id < t.prefixes.limit; id++) {
        if (!t.prefixes.has(id)) continue;
        if (t.kernel[id] !== 0 || (t.state[id]! & IN_FLIGHT) !== 0) {
          if ((t.state[id]! & IN_FLIGHT) !== 0) t.state[id]! |= DOUBT;
          else if ((t.state[id]! & SEEN) === 0) {
            this.#setKernel(t, id, 0, 0);
            t.state[id]! &= ~STALE;
            this.stats.lostRoutes++;
            this.#mark(t, id, true);
          }
        }
        for (let row = t.first[id]!; row >= 0; ) {
          const next = t.next[row]!;
          if (t.type[row] === ROUTE_KERNEL && (t.flags[row]! & ROW_SEEN) === 0) this.#drop(t, id, row);
          row = next;
        }
      }
    }
  }

  /** Interfaces through which the kernel dropped everybody's IPv4 routes without a word: foreign ones are gone for good. */
  kernelRoutesLost(dead: (set: NexthopSet) => boolean): void {
    const sets = new Set<number>();
    for (const set of this.#sets) if (set.routes > 0 && set.family === AF_INET && dead(set)) sets.add(set.id);
    if (sets.size === 0) return;
    for (const t of this.tables) {
      if (t.family !== AF_INET) continue;
      for (let id = 0; id < t.prefixes.limit; id++) {
        if (!t.prefixes.has(id)) continue;
        for (let row = t.first[id]!; row >= 0; ) {
          const next = t.next[row]!;
          if (t.type[row] === ROUTE_KERNEL && sets.has(t.set[row]!)) this.#drop(t, id, row);
          row = next;
        }
      }
    }
  }

  /** The state at start is known: from now on destinations are decided. */
  started(): void {
    if (!this.#starting) return;
    this.#starting = false;
    this.#host.wake();
  }

  /**
   * The time for earlier routes is up: those of these kernel protocols (0 = all) that nobody asked for are removed.
   */
  sweep(protocol = 0): void {
    const all = protocol === 0;
    if (all) {
      this.swept = true;
      this.sweptAt = this.#host.nowS();
      this.#objects.doomUnclaimed();
    }
    for (const t of this.tables) {
      for (let id = 0; id < t.prefixes.limit; id++) {
        if ((t.state[id]! & STALE) === 0 || !t.prefixes.has(id)) continue;
        if (!all && t.kernelProtocol[id] !== protocol) continue;
        t.state[id]! &= ~STALE;
        this.stats.sweptRoutes++;
        this.#mark(t, id, false);
      }
    }
    this.#host.wake();
  }

  /** Routes of an earlier life that nobody has asked for yet. */
  get stale(): number {
    let count = 0;
    for (const t of this.tables) {
      for (let id = 0; id < t.prefixes.limit; id++) if ((t.state[id]! & STALE) !== 0 && t.prefixes.has(id)) count++;
    }
    return count;
  }

  // Walks -------------------------------------------------------------------------------------------------------------------

  /** The kernel dropped this group, and the routes that named it: they are to be installed again. */
  groupLost(groupId: number): void {
    if (this.usersOf(groupId) === 0 && this.inFlight === 0) return;
    this.#lost.add(groupId);
    this.#host.wake();
  }

  /** Routes of this set (or that name this group) may have another fate now. */
  revisit(set: NexthopSet, groupId: number): void {
    if (set.routes > 0) this.#revisit.add(set.id);
    if (groupId !== 0 && this.usersOf(groupId) > 0) this.#revisitGroups.add(groupId);
    if (this.#revisit.size > 0 || this.#revisitGroups.size > 0) this.#host.wake();
  }

  get walking(): boolean {
    return this.#walk !== undefined || this.#lost.size > 0 || this.#revisit.size > 0 || this.#revisitGroups.size > 0;
  }

  #walkOn(shouldYield: () => boolean): boolean {
    for (;;) {
      if (this.#walk === undefined) {
        if (!this.walking) return true;
        this.#walk = this.#walkAll(this.#lost, this.#revisit, this.#revisitGroups);
        this.#lost = new Set();
        this.#revisit = new Set();
        this.#revisitGroups = new Set();
        this.stats.walks++;
      }
      while (this.#walk !== undefined) {
        if (this.#walk.next().done) this.#walk = undefined;
        if (shouldYield()) return false;
      }
    }
  }

  /**
   * One pass over all destinations: a column read in order costs about a nanosecond a row, less than keeping a list of
   * routes per set would for every route that never needs it.
   */
  *#walkAll(
    lost: ReadonlySet<number>,
    revisit: ReadonlySet<number>,
    groups: ReadonlySet<number>,
  ): Generator<void, void, undefined> {
    const flags = new Uint8Array(this.#users.length);
    for (const id of lost) if (id - NEXTHOP_ID_BASE < flags.length) flags[id - NEXTHOP_ID_BASE]! |= 1;
    for (const id of groups) if (id - NEXTHOP_ID_BASE < flags.length) flags[id - NEXTHOP_ID_BASE]! |= 2;
    const sets = new Uint8Array(this.#sets.limit);
    for (const id of revisit) sets[id] = 1;
    const anySet = revisit.size > 0;
    for (const t of this.tables) {
      for (let start = 0; start < t.prefixes.limit; start += WALK_CHUNK) {
        this.#walkRange(t, start, Math.min(start + WALK_CHUNK, t.prefixes.limit), flags, sets, anySet, lost);
        yield;
      }
    }
  }

  #walkRange(
    t: RibTable,
    from: number,
    to: number,
    flags: Uint8Array,
    sets: Uint8Array,
    anySet: boolean,
    lost: ReadonlySet<number>,
  ): void {
    for (let id = from; id < to; id++) {
      const kernel = t.kernel[id]!;
      const at = kernel - NEXTHOP_ID_BASE;
      const flag = at > 0 && at < flags.length ? flags[at]! : 0;
      if ((t.state[id]! & IN_FLIGHT) !== 0 && lost.size > 0) {
        // What it names is not known here; one more message settles it.
        const row = t.selected[id]!;
        const wants = row < 0 ? 0 : this.#objects.groupOf[t.set[row]!]!;
        if (flag !== 0 || lost.has(wants)) t.state[id]! |= DOUBT;
      } else if (flag !== 0) {
        if ((flag & 1) !== 0) {
          this.#setKernel(t, id, 0, 0);
          t.state[id]! &= ~(STALE | DOOMED);
          this.stats.lostRoutes++;
        }
        this.#mark(t, id, false);
        continue;
      }
      if (!anySet) continue;
      if (!t.prefixes.has(id)) continue;
      for (let row = t.first[id]!; row >= 0; row = t.next[row]!) {
        if (sets[t.set[row]!] === 1) {
          this.#mark(t, id, false);
          break;
        }
      }
    }
  }

  /** Everything that failed has another try. Returns how many. */
  retryFailed(): number {
    let count = 0;
    for (const t of this.tables) {
      for (let id = 0; id < t.prefixes.limit; id++) {
        if ((t.state[id]! & FAILED) === 0 || !t.prefixes.has(id)) continue;
        count++;
        this.#mark(t, id, false);
      }
    }
    return count;
  }

  /** `clear zebra route reconcile`, without a dump: every destination is compared again. */
  recheck(): void {
    for (const t of this.tables) {
      for (let id = 0; id < t.prefixes.limit; id++) if (t.prefixes.has(id)) this.#mark(t, id, false);
    }
  }

  /** Withdraws everything of ours: objects go, and their IPv4 routes with them; the rest one by one. */
  withdrawAll(): void {
    this.swept = true;
    for (const t of this.tables) {
      for (let id = 0; id < t.prefixes.limit; id++) {
        if (!t.prefixes.has(id)) continue;
        t.state[id]! &= ~STALE;
        for (let row = t.first[id]!; row >= 0; ) {
          const next = t.next[row]!;
          if (kernelProtocol(t.type[row]!) !== 0) this.#drop(t, id, row);
          row = next;
        }
        this.#mark(t, id, false);
      }
    }
    this.#objects.doomAll();
  }

  /** Routes in the kernel that are ours. */
  installedCount(): number {
    let count = 0;
    for (const t of this.tables) {
      for (let id = 0; id < t.prefixes.limit; id++) if (t.prefixes.has(id) && t.kernel[id] !== 0) count++;
    }
    return count;
  }
}

function sameRoute(
  t: RibTable,
  row: number,
  type: number,
  instance: number,
  flags: number,
  distance: number,
  metric: number,
  set: number,
  owner: Owner,
): boolean {
  if (t.type[row] !== type || t.instance[row] !== instance) return false;
  if (type === ROUTE_STATIC && !sameSide(t, row, owner)) return false;
  if (type === ROUTE_CONNECT) return t.set[row] === set;
  if (type === ROUTE_KERNEL) return t.distance[row] === distance && t.metric[row] === metric && t.set[row] === set;
  return ((flags | t.flags[row]!) & FLAG_RR_USE_DISTANCE) === 0 || t.distance[row] === distance;
}

/** Static routes of our own configuration and those of a client (FRR's staticd) stand side by side. */
function sameSide(t: RibTable, row: number, owner: Owner): boolean {
  return (t.owner[row] === 0) === (owner === 0);
}

/** Whether it is a kernel route of this metric. */
function isForeign(t: RibTable, row: number, metric: number): boolean {
  return t.type[row] === ROUTE_KERNEL && t.distance[row] === metric >>> 24 && t.metric[row] === (metric & 0xffffff);
}

function sameNexthop(a: Nexthop, b: Nexthop): boolean {
  return a.ifindex === b.ifindex && a.blackhole === b.blackhole && equalWords(a.gateway, b.gateway);
}

function includesAll(all: readonly Nexthop[], some: readonly Nexthop[]): boolean {
  return some.every(one => all.some(other => sameNexthop(one, other)));
}

function sameNexthops(a: readonly Nexthop[], b: readonly Nexthop[]): boolean {
  return a.length === b.length && includesAll(a, b);
}

/** Whether route `a` is preferred to `b`: connected first, then distance, metric, age. */
function beats(t: RibTable, a: number, b: number): boolean {
  const aConnected = t.type[a] === ROUTE_CONNECT;
  if (aConnected !== (t.type[b] === ROUTE_CONNECT)) return aConnected;
  if (t.distance[a] !== t.distance[b]) return t.distance[a]! < t.distance[b]!;
  if (t.metric[a] !== t.metric[b]) return t.metric[a]! < t.metric[b]!;
  // Rows are walked newest first: the later one is older, or as old.
  return t.since[a]! <= t.since[b]!;
}
