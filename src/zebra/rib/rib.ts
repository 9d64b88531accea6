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
import { AF_INET, type Family } from '../../net/index.ts';
import { FLAG_OUTCOMES, FLAG_RR_USE_DISTANCE, NOTE_REMOVED, type Owner } from '../face.ts';
import type { NexthopObjects } from '../nexthop/objects.ts';
import type { NexthopSets } from '../nexthop/set.ts';
import type { Plane } from '../plane.ts';
import { ROUTE_CONNECT, ROUTE_KERNEL, ROUTE_STATIC } from '../route-type.ts';
import { EarlierLife } from './earlier-life.ts';
import { KernelUsers } from './kernel-users.ts';
import { KernelNotices } from './notices.ts';
import { Outcomes } from './outcomes.ts';
import { type RibHost, type RibRows, RibStats, type RibWatcher } from './parts.ts';
import { Settling } from './settling.ts';
import { DIRTY, type RibTable, ROW_CHANGED, ROW_INSTALLED, ROW_SEEN, ROW_ZAPI_FLAGS, STALE, URGENT } from './table.ts';
import { RibTables } from './tables.ts';
import { Walks } from './walks.ts';

/** What a client may say of a route. */
const ASKED_FLAGS: number = ROW_ZAPI_FLAGS & ~(ROW_SEEN | FLAG_OUTCOMES);

/** Another set for a route that is announced with one, or the same. */
export type Dress = (
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
  asked: number,
) => number;

export class Rib implements RibRows {
  /** Notes are wanted by this owner. */
  readonly notify: Uint8Array = new Uint8Array(65_536);
  readonly stats: RibStats = new RibStats();
  readonly tables: readonly RibTable[];
  readonly kernel: KernelUsers = new KernelUsers();
  readonly earlier: EarlierLife;
  readonly settling: Settling;
  readonly notices: KernelNotices;
  readonly outcomes: Outcomes;
  readonly walks: Walks;
  /** The set that a route gets in place of the one it is announced with (mpls/route-labels.ts). */
  dress: Dress | undefined = undefined;
  /** The last `run` stopped for want of room in the dataplane. */
  blocked = false;
  readonly #tables: RibTables;
  readonly #host: RibHost;
  readonly #sets: NexthopSets;
  readonly #objects: NexthopObjects;

  constructor(
    host: RibHost,
    plane: Plane,
    sets: NexthopSets,
    objects: NexthopObjects,
    watchers: readonly RibWatcher[],
    home = 0,
  ) {
    const { kernel, notify, stats } = this;
    const tables = new RibTables(host, home);
    this.#host = host;
    this.#sets = sets;
    this.#objects = objects;
    this.#tables = tables;
    this.tables = tables.all;
    const earlier = new EarlierLife(host, tables, objects, stats);
    this.earlier = earlier;
    const outcomes = new Outcomes(host, tables, sets, notify);
    this.outcomes = outcomes;
    this.settling = new Settling(host, plane, sets, objects, watchers, tables, kernel, outcomes, notify, stats);
    this.notices = new KernelNotices(host, this, plane, tables, sets, kernel, objects.book.lists, earlier, stats);
    this.settling.onRival = () => this.notices.reread();
    this.walks = new Walks(host, this, tables, sets, objects, this.settling, kernel, earlier, stats);
  }

  table(vrf: number, family: Family): RibTable {
    return this.#tables.table(vrf, family);
  }

  /** A VRF has come, with this table of the kernel's. */
  openVrf(vrf: number, kernelTable: number): void {
    this.#tables.open(vrf, kernelTable);
  }

  /** A VRF is gone: nobody's routes are in its tables any more, and what the kernel has of ours there goes. */
  closeVrf(vrf: number): void {
    for (const t of this.#tables.close(vrf)) this.walks.empty(t);
  }

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
    const t = this.#tables.table(vrf, family);
    const id = t.destination(w0, w1, w2, w3, length);
    const { dress } = this;
    let set = dress === undefined ? asked : dress(vrf, family, w0, w1, w2, w3, length, type, instance, distance, asked);
    const content = this.#sets.get(set);
    if (content.coveredBy(w0, w1, w2, w3, length)) {
      set = this.#sets.variant(content, { family, words: [w0, w1, w2, w3], length });
    }
    let row = t.first[id]!;
    while (row >= 0 && !sameRoute(t, row, type, instance, flags, distance, metric, set, owner)) row = t.next[row]!;
    this.stats.routeAdds++;
    if (row < 0) {
      if ((t.state[id]! & STALE) !== 0) this.earlier.announced(t, id, type, owner);
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
        t.flags[row] = (flags & ASKED_FLAGS) | (t.flags[row]! & (ROW_CHANGED | ROW_INSTALLED)) | ROW_SEEN;
        if (this.notify[owner] === 1 || !sameOwner) {
          t.flags[row]! &= ~ROW_INSTALLED;
          this.#tables.mark(t, id, type !== 9);
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
    t.flags[row] = (flags & ASKED_FLAGS) | ROW_CHANGED | ROW_SEEN;
    t.since[row] = this.#host.nowS();
    this.#tables.mark(t, id, type !== 9);
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
    const t = this.#tables.table(vrf, family);
    const id = t.prefixes.find(w0, w1, w2, w3, length);
    if (id < 0) return false;
    for (let row = t.first[id]!; row >= 0; row = t.next[row]!) {
      if (t.type[row] !== type || t.instance[row] !== instance) continue;
      if (distance >= 0 && t.distance[row] !== distance) continue;
      if (type === ROUTE_STATIC && !sameSide(t, row, owner)) continue;
      this.removeRow(t, id, row);
      return true;
    }
    this.earlier.withdrawn(t, id, type);
    return false;
  }

  /** Takes a row away, and whatever depended on it with it. */
  removeRow(t: RibTable, id: number, row: number): void {
    this.stats.routeRemoves++;
    const type = t.type[row]!;
    if ((t.flags[row]! & ROW_INSTALLED) !== 0 && this.notify[t.owner[row]!] === 1) {
      this.#host.note(t.owner[row]!, NOTE_REMOVED, t, id, type, t.instance[row]!);
    }
    const wasSelected = t.selected[id] === row;
    const set = t.set[row]!;
    t.dropRow(id, row);
    // The row may be reused before the destination is decided: whoever depends on the selection hears of the loss now.
    if (wasSelected) this.settling.selectionChanged(t, id);
    this.#unuse(set);
    this.#tables.mark(t, id, type !== 9);
  }

  #unuse(id: number): void {
    const set = this.#sets.get(id);
    set.routes--;
    if (set.routes > 0) return;
    this.#objects.doom(set);
    this.#sets.maybeUnused(set);
  }

  /** Marks a destination to be looked at again. */
  touch(t: RibTable, id: number): void {
    this.#tables.mark(t, id, true);
  }

  get dirty(): number {
    return this.#tables.dirty;
  }

  get dirtyHighWater(): number {
    return this.#tables.dirtyHighWater;
  }

  /**
   * Decides dirty destinations until there are none (true), room runs out or time is up (false: `blocked` says which).
   */
  run(shouldYield: () => boolean): boolean {
    this.blocked = false;
    if (this.earlier.starting) return true;
    if (!this.walks.run(shouldYield)) return false;
    if (!this.#objects.flushWaiting()) return this.#block();
    let count = 0;
    for (let i = 0; i < this.tables.length; i++) {
      const t = this.tables[i]!;
      const { urgent } = t;
      for (let id = urgent.shift(); id >= 0; id = urgent.shift()) {
        if ((t.state[id]! & URGENT) !== 0 && !this.settling.decide(t, id)) {
          urgent.unshift(id);
          return this.#block();
        }
        if ((++count & 255) === 0 && shouldYield()) return false;
      }
    }
    for (let i = 0; i < this.tables.length; i++) {
      const t = this.tables[i]!;
      const { bulk } = t;
      const v4 = t.family === AF_INET;
      for (let id = bulk.shift(); id >= 0; id = bulk.shift()) {
        // Decided by way of the urgent list meanwhile, or forgotten: nothing to do.
        if ((t.state[id]! & DIRTY) !== 0) {
          if (v4 && t.first[id]! < 0 && t.kernel[id] !== 0) t.leaving.push(id, t.prefixes.length[id]!);
          else if (!this.settling.decide(t, id)) {
            bulk.unshift(id);
            return this.#block();
          } else if (!this.#decideLeaving(t)) return this.#block(); // in turn, so that neither has to wait for all of the others
        }
        if ((++count & 255) === 0 && shouldYield()) return false;
      }
    }
    for (let i = 0; i < this.tables.length; i++) {
      const t = this.tables[i]!;
      while (t.leaving.length > 0) {
        if (!this.#decideLeaving(t)) return this.#block();
        if ((++count & 255) === 0 && shouldYield()) return false;
      }
    }
    // Everybody had their turn: objects that no route wants can go, and take their routes along.
    const { doomedCount } = this.#objects;
    if (doomedCount > 0 && !this.#objects.deleteDoomed(this.settling.inFlight > 0)) return this.#block();
    return true;
  }

  /** Decides one of those that leave; false: no room. It may be wanted again by now, or gone. */
  #decideLeaving(t: RibTable): boolean {
    const { leaving } = t;
    const id = leaving.shift();
    if (id < 0 || (t.state[id]! & DIRTY) === 0 || this.settling.decide(t, id)) return true;
    leaving.unshift(id);
    return false;
  }

  #block(): false {
    this.blocked = true;
    return false;
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
