// Walks over all destinations, for what concerns many of them at once: an owner that went, objects that the kernel lost, sets
// that resolve anew. A column read in order costs about a nanosecond a row, less than keeping a list of routes per set
// would for every route that never needs it. Whatever comes while one walks is for the next.
import type { Owner } from '../face.ts';
import { NEXTHOP_ID_BASE } from '../nexthop/object.ts';
import type { NexthopObjects } from '../nexthop/objects.ts';
import type { NexthopSet, NexthopSets } from '../nexthop/set.ts';
import { kernelProtocol } from '../route-type.ts';
import type { EarlierLife } from './earlier-life.ts';
import type { KernelUsers } from './kernel-users.ts';
import type { RibHost, RibRows, RibStats } from './parts.ts';
import { KERNEL_OTHER, type Settling } from './settling.ts';
import { DOOMED, DOUBT, FAILED, IN_FLIGHT, type RibTable, STALE } from './table.ts';
import type { RibTables } from './tables.ts';

const WALK_CHUNK = 16_384;

/** What a walk is to do with the routes that name a group. */
const LOST = 1;
const REVISIT = 2;
const PERHAPS = 4;

export class Walks {
  readonly #host: RibHost;
  readonly #rows: RibRows;
  readonly #tables: RibTables;
  readonly #sets: NexthopSets;
  readonly #objects: NexthopObjects;
  readonly #settling: Settling;
  readonly #kernel: KernelUsers;
  readonly #earlier: EarlierLife;
  readonly #stats: RibStats;
  readonly #jobs: Generator<void, void, undefined>[] = [];
  /** Groups whose routes are gone; true: perhaps. */
  #lost: Map<number, boolean> = new Map();
  #revisit: Set<number> = new Set();
  #revisitGroups: Set<number> = new Set();
  #walk: Generator<void, void, undefined> | undefined;

  constructor(
    host: RibHost,
    rows: RibRows,
    tables: RibTables,
    sets: NexthopSets,
    objects: NexthopObjects,
    settling: Settling,
    kernel: KernelUsers,
    earlier: EarlierLife,
    stats: RibStats,
  ) {
    this.#host = host;
    this.#rows = rows;
    this.#tables = tables;
    this.#sets = sets;
    this.#objects = objects;
    this.#settling = settling;
    this.#kernel = kernel;
    this.#earlier = earlier;
    this.#stats = stats;
  }

  /** Routes of an owner that went, in slices. `kept` is asked again when the turn comes. */
  dropOwner(owner: Owner): void {
    this.#jobs.push(this.#dropOwnerJob(owner));
    this.#host.wake();
  }

  *#dropOwnerJob(owner: Owner): Generator<void, void, undefined> {
    for (const t of this.#tables.all) {
      for (let id = 0; id < t.prefixes.limit; id++) {
        if ((id & (WALK_CHUNK - 1)) === WALK_CHUNK - 1) yield;
        if (!t.prefixes.has(id)) continue;
        for (let row = t.first[id]!; row >= 0; ) {
          const next = t.next[row]!;
          if (t.owner[row] === owner) this.#rows.removeRow(t, id, row);
          row = next;
        }
      }
    }
  }

  /**
   * The kernel dropped this group, and the routes that named it: they are to be installed again. `perhaps`: those that are not
   * wanted are to be deleted, because they may be there.
   */
  groupLost(groupId: number, perhaps: boolean): void {
    if (this.#kernel.usersOf(groupId) === 0 && this.#settling.inFlight === 0) return;
    this.#lost.set(groupId, perhaps || (this.#lost.get(groupId) ?? false));
    this.#kernel.lost.add(groupId);
    this.#host.wake();
  }

  /** Routes of this set (or that name this group) may have another fate now. */
  revisit(set: NexthopSet, groupId: number): void {
    if (set.routes > 0) this.#revisit.add(set.id);
    if (groupId !== 0 && this.#kernel.usersOf(groupId) > 0) this.#revisitGroups.add(groupId);
    if (this.#revisit.size > 0 || this.#revisitGroups.size > 0) this.#host.wake();
  }

  get walking(): boolean {
    return this.#walk !== undefined || this.#lost.size > 0 || this.#revisit.size > 0 || this.#revisitGroups.size > 0;
  }

  /** Goes on with what was begun. False: time is up. */
  run(shouldYield: () => boolean): boolean {
    while (this.#jobs.length > 0) {
      if (this.#jobs[0]!.next().done) this.#jobs.shift();
      if (shouldYield()) return false;
    }
    return this.#walkOn(shouldYield);
  }

  #walkOn(shouldYield: () => boolean): boolean {
    for (;;) {
      if (this.#walk === undefined) {
        if (!this.walking) return true;
        this.#walk = this.#walkAll(this.#lost, this.#revisit, this.#revisitGroups);
        this.#lost = new Map();
        this.#revisit = new Set();
        this.#revisitGroups = new Set();
        this.#stats.walks++;
      }
      while (this.#walk !== undefined) {
        if (this.#walk.next().done) {
          this.#walk = undefined;
          this.#kernel.lost.clear();
          for (const id of this.#lost.keys()) this.#kernel.lost.add(id);
        }
        if (shouldYield()) return false;
      }
    }
  }

  /**
   * One pass over all destinations: a column read in order costs about a nanosecond a row, less than keeping a list of
   * routes per set would for every route that never needs it.
   */
  *#walkAll(
    lost: ReadonlyMap<number, boolean>,
    revisit: ReadonlySet<number>,
    groups: ReadonlySet<number>,
  ): Generator<void, void, undefined> {
    const flags = new Uint8Array(this.#kernel.limit);
    for (const [id, perhaps] of lost) {
      if (id - NEXTHOP_ID_BASE < flags.length) flags[id - NEXTHOP_ID_BASE]! |= perhaps ? LOST | PERHAPS : LOST;
    }
    for (const id of groups) if (id - NEXTHOP_ID_BASE < flags.length) flags[id - NEXTHOP_ID_BASE]! |= REVISIT;
    const sets = new Uint8Array(this.#sets.limit);
    for (const id of revisit) sets[id] = 1;
    const anySet = revisit.size > 0;
    for (const t of this.#tables.all) {
      for (let start = 0; start < t.prefixes.limit; start += WALK_CHUNK) {
        this.#walkRange(t, start, Math.min(start + WALK_CHUNK, t.prefixes.limit), flags, sets, anySet, lost.size > 0);
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
    anyLost: boolean,
  ): void {
    for (let id = from; id < to; id++) {
      const kernel = t.kernel[id]!;
      const at = kernel - NEXTHOP_ID_BASE;
      const flag = at > 0 && at < flags.length ? flags[at]! : 0;
      if ((t.state[id]! & IN_FLIGHT) !== 0 && anyLost) {
        // What it names is not known here; one more message settles it.
        t.state[id]! |= DOUBT;
      } else if (flag !== 0) {
        if ((flag & LOST) !== 0) {
          if ((flag & PERHAPS) !== 0) this.#kernel.set(t, id, KERNEL_OTHER, t.kernelProtocol[id]!);
          else this.#kernel.set(t, id, 0, 0);
          // What was to go with its object is not lost.
          if ((t.state[id]! & DOOMED) === 0) this.#stats.lostRoutes++;
          t.state[id]! &= ~(STALE | DOOMED);
        }
        this.#tables.mark(t, id, false);
        continue;
      }
      if (!anySet) continue;
      if (!t.prefixes.has(id)) continue;
      for (let row = t.first[id]!; row >= 0; row = t.next[row]!) {
        if (sets[t.set[row]!] === 1) {
          this.#tables.mark(t, id, false);
          break;
        }
      }
    }
  }

  /** Everything that failed has another try. Returns how many. */
  retryFailed(): number {
    let count = 0;
    for (const t of this.#tables.all) {
      for (let id = 0; id < t.prefixes.limit; id++) {
        if ((t.state[id]! & FAILED) === 0 || !t.prefixes.has(id)) continue;
        count++;
        this.#tables.mark(t, id, false);
      }
    }
    return count;
  }

  /** `clear zebra route reconcile`, without a dump: every destination is compared again. */
  recheck(): void {
    for (const t of this.#tables.all) {
      for (let id = 0; id < t.prefixes.limit; id++) if (t.prefixes.has(id)) this.#tables.mark(t, id, false);
    }
  }

  /** Takes every route out of a table, whosever it is. */
  empty(t: RibTable): void {
    for (let id = 0; id < t.prefixes.limit; id++) {
      if (!t.prefixes.has(id)) continue;
      t.state[id]! &= ~STALE;
      for (let row = t.first[id]!; row >= 0; ) {
        const next = t.next[row]!;
        this.#rows.removeRow(t, id, row);
        row = next;
      }
      this.#tables.mark(t, id, false);
    }
  }

  /** Withdraws everything of ours: objects go, and their IPv4 routes with them; the rest one by one. */
  withdrawAll(): void {
    this.#earlier.swept = true;
    for (const t of this.#tables.all) {
      for (let id = 0; id < t.prefixes.limit; id++) {
        if (!t.prefixes.has(id)) continue;
        t.state[id]! &= ~STALE;
        for (let row = t.first[id]!; row >= 0; ) {
          const next = t.next[row]!;
          if (kernelProtocol(t.type[row]!) !== 0) this.#rows.removeRow(t, id, row);
          row = next;
        }
        this.#tables.mark(t, id, false);
      }
    }
    this.#objects.doomAll();
  }

  /** Routes in the kernel that are ours. */
  installedCount(): number {
    let count = 0;
    for (const t of this.#tables.all) {
      for (let id = 0; id < t.prefixes.limit; id++) if (t.prefixes.has(id) && t.kernel[id] !== 0) count++;
    }
    return count;
  }
}
