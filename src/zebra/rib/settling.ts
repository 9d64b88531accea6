// Deciding and settling. A destination is decided: the best of its routes is selected. Then it is settled: what the selected
// route wants is compared with what the kernel has, and the difference, if there is one, goes to the plane as one context.
//
//   decide ─▶ settle: wanted == kernel?  yes: note to the owner
//               ▲                        no:  one context, IN_FLIGHT ─▶ result ─┐
//               └───────────────────────────────────────────────────────────────┘
//
// A destination has at most one context on its way; its result is matched by (table, prefix id, generation) and nothing
// else. What changes meanwhile is seen when the result is settled.
import { AF_INET } from '../../net/index.ts';
import { NOTE_BETTER_ADMIN_WON, NOTE_FAIL_INSTALL, NOTE_INSTALLED } from '../face.ts';
import { type NexthopObjects, NO_ROOM, OBJECTS_FROM } from '../nexthop/objects.ts';
import type { NexthopSets } from '../nexthop/set.ts';
import { type Plane, roomOf, RTN_UNICAST } from '../plane.ts';
import { kernelProtocol, ROUTE_CONNECT } from '../route-type.ts';
import type { KernelUsers } from './kernel-users.ts';
import type { Outcomes } from './outcomes.ts';
import { isForeign, KERNEL_METRIC, type RibHost, type RibStats, type RibWatcher } from './parts.ts';
import {
  DIRTY,
  DOOMED,
  DOUBT,
  FAILED,
  IN_FLIGHT,
  type RibTable,
  ROW_CHANGED,
  ROW_INSTALLED,
  SEEN,
  STALE,
  URGENT,
} from './table.ts';
import type { RibTables } from './tables.ts';

const ENOENT = 2;
const ESRCH = 3;
const ENODEV = 19;

/**
 * Something that is never what we want, so it is always replaced or deleted: unicast with a next hop of its own, or a
 * route of which nobody knows whether it is there.
 */
export const KERNEL_OTHER: number = RTN_UNICAST;

export class Settling {
  /** Contexts on their way. */
  inFlight = 0;
  /** What we know of somebody's route is in doubt: ours stood where that should be. */
  onRival: () => void = () => {};
  readonly #host: RibHost;
  readonly #plane: Plane;
  readonly #sets: NexthopSets;
  readonly #objects: NexthopObjects;
  readonly #watchers: readonly RibWatcher[];
  readonly #tables: RibTables;
  readonly #kernel: KernelUsers;
  readonly #outcomes: Outcomes;
  readonly #notify: Uint8Array;
  readonly #stats: RibStats;

  constructor(
    host: RibHost,
    plane: Plane,
    sets: NexthopSets,
    objects: NexthopObjects,
    watchers: readonly RibWatcher[],
    tables: RibTables,
    kernel: KernelUsers,
    outcomes: Outcomes,
    notify: Uint8Array,
    stats: RibStats,
  ) {
    this.#host = host;
    this.#plane = plane;
    this.#sets = sets;
    this.#objects = objects;
    this.#watchers = watchers;
    this.#tables = tables;
    this.#kernel = kernel;
    this.#outcomes = outcomes;
    this.#notify = notify;
    this.#stats = stats;
  }

  /** False: no room; the destination stays dirty. */
  decide(t: RibTable, id: number): boolean {
    const was = t.selected[id]!;
    let best = -1;
    for (let row = t.first[id]!; row >= 0; row = t.next[row]!) {
      if (t.distance[row] === 255 || !this.#sets.get(t.set[row]!).active) continue;
      if (best < 0 || beats(t, row, best)) best = row;
    }
    if (best !== was) {
      if (was >= 0 && (t.flags[was]! & ROW_INSTALLED) !== 0) {
        t.flags[was]! &= ~ROW_INSTALLED;
        if (best >= 0 && this.#notify[t.owner[was]!] === 1) {
          this.#host.note(t.owner[was]!, NOTE_BETTER_ADMIN_WON, t, id, t.type[was]!, t.instance[was]!);
        }
      }
      t.selected[id] = best;
      if (best >= 0) t.flags[best]! &= ~(ROW_CHANGED | ROW_INSTALLED);
      this.selectionChanged(t, id);
    } else if (best >= 0 && (t.flags[best]! & ROW_CHANGED) !== 0) {
      t.flags[best]! &= ~(ROW_CHANGED | ROW_INSTALLED);
      this.selectionChanged(t, id);
    }
    this.#stats.decided++;
    if (!this.#settle(t, id)) return false;
    t.state[id]! &= ~(DIRTY | URGENT);
    if (t.first[id]! < 0) this.forgetIfIdle(t, id);
    return true;
  }

  /** Another route is selected, or the selected one says something else. */
  selectionChanged(t: RibTable, id: number): void {
    this.#host.selectionChanged(t, id);
    const watchers = this.#watchers;
    for (let i = 0; i < watchers.length; i++) watchers[i]!.touch(t, id);
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
      if ((state & STALE) !== 0) this.#stats.adopted++;
      if (row >= 0 && (t.flags[row]! & ROW_INSTALLED) === 0) {
        t.flags[row]! |= ROW_INSTALLED;
        if (this.#notify[t.owner[row]!] === 1) {
          this.#host.note(t.owner[row]!, NOTE_INSTALLED, t, id, t.type[row]!, t.instance[row]!);
        }
      }
      return true;
    }
    const prefixes = t.prefixes;
    const v4 = t.family === AF_INET;
    if (want === 0) {
      // A route of an earlier life stays until it is swept; one whose object is to be deleted goes with it.
      if ((state & STALE) !== 0) return true;
      if (this.#objects.isDoomed(have) && !hasRival(t, id)) {
        t.state[id] = state | DOOMED;
        return true;
      }
      if (this.#plane.room() < 1) return false;
      const generation = (t.generation[id]! + 1) & 0xffff;
      t.generation[id] = generation;
      t.state[id] = (state & ~DOOMED) | IN_FLIGHT;
      this.#outcomes.forget(t, id);
      this.inFlight++;
      this.#stats.sentDeletes++;
      const had = this.#replaced(have);
      this.#kernel.leave(had, 1);
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
        had,
      );
      return true;
    }
    const list = this.#objects.enabled || want < OBJECTS_FROM ? undefined : this.#objects.book.lists.get(want);
    if (this.#plane.room() < (list === undefined ? 1 : roomOf(list.paths))) return false;
    const generation = (t.generation[id]! + 1) & 0xffff;
    t.generation[id] = generation;
    t.state[id] = (state & ~(DOOMED | STALE)) | IN_FLIGHT;
    this.#outcomes.forget(t, id);
    this.inFlight++;
    this.#stats.sentInstalls++;
    const w0 = prefixes.w0[id]!;
    const w1 = v4 ? 0 : prefixes.w1[id]!;
    const w2 = v4 ? 0 : prefixes.w2[id]!;
    const w3 = v4 ? 0 : prefixes.w3[id]!;
    const tag = (t.index << 16) | generation;
    const length = prefixes.length[id]!;
    if (list !== undefined) {
      this.#plane.routeWithPaths(
        id,
        tag,
        t.kernelTable,
        t.family,
        w0,
        w1,
        w2,
        w3,
        length,
        protocol,
        RTN_UNICAST,
        KERNEL_METRIC,
        list.paths,
        want,
        have,
      );
      return true;
    }
    const object = want >= OBJECTS_FROM;
    const had = t.kernelProtocol[id] === protocol || have === 0 ? this.#replaced(have) : KERNEL_OTHER;
    this.#kernel.leave(had, 1);
    this.#plane.routeInstall(
      id,
      tag,
      t.kernelTable,
      t.family,
      w0,
      w1,
      w2,
      w3,
      length,
      protocol,
      object ? RTN_UNICAST : want,
      object ? want : 0,
      KERNEL_METRIC,
      had,
    );
    return true;
  }

  /** What the kernel has of a route, as the plane is told of it. */
  #replaced(have: number): number {
    return have >= OBJECTS_FROM && this.#objects.book.lists.has(have) ? KERNEL_OTHER : have;
  }

  #fail(t: RibTable, id: number, row: number): void {
    const first = (t.state[id]! & FAILED) === 0;
    t.state[id]! |= FAILED;
    if (!first) return;
    this.#stats.failures++;
    this.#host.retryLater();
    if (this.#notify[t.owner[row]!] === 1) {
      this.#host.note(t.owner[row]!, NOTE_FAIL_INSTALL, t, id, t.type[row]!, t.instance[row]!);
    }
  }

  #result(object: number, generation: number): RibTable | undefined {
    const t = this.#tables.all[generation >>> 16];
    if (t === undefined || t.generation[object] !== (generation & 0xffff)) return undefined;
    if ((t.state[object]! & IN_FLIGHT) === 0) return undefined;
    this.inFlight--;
    t.state[object]! &= ~IN_FLIGHT;
    const { watcher } = this.#kernel;
    if (watcher !== undefined) watcher.touch(t, object);
    return t;
  }

  routeInstalled(
    object: number,
    generation: number,
    errno: number,
    protocol: number,
    type: number,
    nexthopId: number,
    had: number,
  ): void {
    this.#kernel.leave(had, -1);
    const t = this.#result(object, generation);
    if (t === undefined) return;
    if (errno === 0) {
      this.#kernel.set(t, object, type === RTN_UNICAST ? nexthopId : type, protocol);
      t.state[object]! &= ~FAILED;
      // Written by us just now: what a dump in progress says, or does not say, of it may be older.
      t.state[object]! |= SEEN;
      // It was on its way when this was dropped, and nobody knows which was first.
      if (this.#kernel.lost.has(nexthopId)) t.state[object]! |= DOUBT;
    }
    if (this.#doubtful(t, object)) return;
    if (errno !== 0) {
      // If ours was there for a moment, somebody else's of our metric may be gone by it.
      if (hasRival(t, object)) this.onRival();
      const row = t.selected[object]!;
      const refused = type === RTN_UNICAST ? nexthopId : type;
      // What is wanted may be something else by now, of which this says nothing.
      if (row >= 0 && this.#objects.groupOf[t.set[row]!] === refused && kernelProtocol(t.type[row]!) === protocol) {
        this.#fail(t, object, row);
        return;
      }
    }
    this.#after(t, object);
  }

  routeDeleted(object: number, generation: number, errno: number, had: number): void {
    this.#kernel.leave(had, -1);
    const t = this.#result(object, generation);
    if (t === undefined) return;
    // The kernel keeps one route of a prefix and metric, unless it is told to append. What came while ours was on its way was
    // replaced by ours, and that is an echo of our own, which nobody hears.
    if (errno === 0 && hasRival(t, object)) this.onRival();
    if (errno === 0 || errno === ESRCH || errno === ENOENT || errno === ENODEV) this.#kernel.set(t, object, 0, 0);
    if (this.#doubtful(t, object)) return;
    if (t.kernel[object] === 0) this.#after(t, object);
    else {
      this.#stats.failures++;
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
    this.#kernel.set(t, id, KERNEL_OTHER, t.kernelProtocol[id]!);
    this.#tables.mark(t, id, true);
    return true;
  }

  #after(t: RibTable, id: number): void {
    if ((t.state[id]! & DIRTY) !== 0) return; // its turn comes
    if (!this.#settle(t, id)) this.#tables.mark(t, id, false);
    else if (t.first[id]! < 0) this.forgetIfIdle(t, id);
  }

  /** A destination that nothing needs any more is forgotten. */
  forgetIfIdle(t: RibTable, id: number): void {
    if (!t.prefixes.has(id) || t.first[id]! >= 0 || t.kernel[id] !== 0) return;
    if ((t.state[id]! & (DIRTY | URGENT | IN_FLIGHT)) !== 0) return;
    const watchers = this.#watchers;
    for (let i = 0; i < watchers.length; i++) if (watchers[i]!.needs(t, id)) return;
    t.forget(id);
  }
}

/** Whether somebody else has a route of our metric there. */
function hasRival(t: RibTable, id: number): boolean {
  let row = t.first[id]!;
  while (row >= 0 && !isForeign(t, row, KERNEL_METRIC)) row = t.next[row]!;
  return row >= 0;
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
