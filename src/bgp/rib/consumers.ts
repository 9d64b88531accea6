// Who is told of changed selections: update groups, and zebra. They hold a bit per prefix and read the table when they come,
// so the slowest of them costs a bit and always gets the newest.
//
// A prefix without paths is of no use when all of them know. Its row is given back later, by `sweep`: that takes as long as the
// withdrawal itself did, nobody waits for it, and most prefixes come back (a session that flaps, a table sent again).
import { grown } from '../../net/index.ts';
import type { TableColumns } from './columns.ts';
import { DirtySet } from './dirty.ts';
import { PATH_LOCAL, PATH_MULTIPATH, PATH_REMOVED } from './types.ts';

/** An update group. */
export interface TableConsumer {
  /** Prefixes whose best path changed, or any of their paths where `everyPath`. */
  readonly dirty: DirtySet;
  /** It is told of more paths than the best one. */
  readonly everyPath: boolean;
  /** Whether the prefix's row is still needed although it has no path. */
  holds(prefix: number): boolean;
  /** Whether a path's row is still needed although the path is gone; asked only where `everyPath`. */
  holdsPath(path: number): boolean;
  /** There is something in `dirty`. */
  wake(): void;
  /** Frees attribute sets of its own that nobody holds; returns at how many it looked, `max` at most. */
  sweep(max: number): number;
}

export class Consumers {
  readonly #rows: TableColumns;
  readonly #groups: TableConsumer[] = [];
  readonly #pathGroups: TableConsumer[] = []; // those of them that are told of every path
  readonly #zebra = new DirtySet();
  /** Called when there is something to `sweep`. */
  onEmpty: () => void = () => {};
  /** Prefixes without paths, some of which somebody may still need. */
  readonly #empty = new DirtySet();
  #emptied = 0;
  #zebraAttached = false;
  #selected = new Uint32Array(64);

  constructor(rows: TableColumns) {
    this.#rows = rows;
  }

  /** The best path of the prefix changed. */
  bestChanged(prefix: number): void {
    for (let i = 0; i < this.#groups.length; i++) this.#groups[i]!.dirty.add(prefix);
    if (this.#zebraAttached) this.#zebra.add(prefix);
  }

  /** Only which paths share traffic changed, which is zebra's alone. True: zebra is there to hear of it. */
  multipathChanged(prefix: number): boolean {
    if (this.#zebraAttached) this.#zebra.add(prefix);
    return this.#zebraAttached;
  }

  /** Whether the prefix is told to peers changed; `by` knows. */
  suppressionChanged(prefix: number, by: TableConsumer): void {
    for (let i = 0; i < this.#groups.length; i++) if (this.#groups[i] !== by) this.#groups[i]!.dirty.add(prefix);
  }

  /** The prefix was decided, so any of its paths may have changed. True: somebody is there to hear of it. */
  pathsChanged(prefix: number): boolean {
    for (let i = 0; i < this.#pathGroups.length; i++) this.#pathGroups[i]!.dirty.add(prefix);
    return this.#pathGroups.length > 0;
  }

  wakeGroups(): void {
    for (let i = 0; i < this.#groups.length; i++) this.#groups[i]!.wake();
  }

  /** Every prefix with a best path is dirty for them at first. */
  attach(consumer: TableConsumer): void {
    this.#groups.push(consumer);
    if (consumer.everyPath) this.#pathGroups.push(consumer);
    this.markAll(consumer.dirty);
  }

  detach(consumer: TableConsumer): void {
    for (const groups of [this.#groups, this.#pathGroups]) {
      const at = groups.indexOf(consumer);
      if (at >= 0) groups.splice(at, 1);
    }
  }

  /** Adds every prefix that has a best path: 1 ms a million. */
  markAll(dirty: DirtySet): void {
    const rows = this.#rows;
    for (let prefix = 0; prefix < rows.prefixes.limit; prefix++) if (rows.best[prefix] !== 0) dirty.add(prefix);
  }

  /** Adds every prefix whose best path starts here, or, with `anyPath`, any of its paths. */
  markLocal(dirty: DirtySet, anyPath: boolean): void {
    const rows = this.#rows;
    if (anyPath) {
      for (let path = 1; path < rows.pathLimit; path++) {
        if ((rows.pathFlags[path]! & PATH_LOCAL) !== 0) dirty.add(rows.pathPrefix[path]!);
      }
      return;
    }
    for (let prefix = 0; prefix < rows.prefixes.limit; prefix++) {
      if ((rows.pathFlags[rows.best[prefix]!]! & PATH_LOCAL) !== 0) dirty.add(prefix);
    }
  }

  /** Zebra is there (again): every selected prefix is pending for it. */
  attachZebra(): void {
    this.#zebraAttached = true;
    this.markAll(this.#zebra);
  }

  /** Zebra is gone: nothing is kept for it. */
  detachZebra(): void {
    this.#zebraAttached = false;
    this.releaseAll(this.#zebra);
  }

  /** Prefixes that zebra has still to be told of. */
  get zebraPending(): number {
    return this.#zebra.size;
  }

  /** Zebra refused or lost one: it is told again. */
  markZebra(prefix: number): void {
    if (this.#zebraAttached) this.#zebra.add(prefix);
  }

  /**
   * Hands at most `max` changed prefixes to zebra's announcer: the selected paths, the best one first, in an array that is
   * used again for the next; none (count 0): the prefix is withdrawn. The announcer answers false when it has no room; the
   * prefix stays pending then. Returns how many were taken.
   */
  next(max: number, announce: (prefix: number, paths: Uint32Array, count: number) => boolean): number {
    const rows = this.#rows;
    let taken = 0;
    while (taken < max) {
      const prefix = this.#zebra.peek();
      if (prefix < 0) break;
      // First: the array may grow, and the shorter one is empty then.
      const count = this.selectedPaths(prefix);
      if (!announce(prefix, this.#selected, count)) break;
      this.#zebra.delete(prefix);
      if (rows.first[prefix] === 0) this.releasePrefix(prefix);
      taken++;
    }
    return taken;
  }

  /** Fills `nextChanges`' array with the selected paths of a prefix; returns how many. */
  selectedPaths(prefix: number): number {
    const rows = this.#rows;
    const best = rows.best[prefix]!;
    if (best === 0) return 0;
    this.#selected[0] = best;
    let count = 1;
    for (let path = rows.first[prefix]!; path !== 0; path = rows.pathNext[path]!) {
      if (path === best || (rows.pathFlags[path]! & PATH_MULTIPATH) === 0) continue;
      if (count === this.#selected.length) [this.#selected] = grown(count * 2, this.#selected);
      this.#selected[count++] = path;
    }
    return count;
  }

  /** Somebody is done with the prefix. Where it has no path, its row is given back when `sweep` comes by and nobody needs it. */
  releasePrefix(prefix: number): void {
    if (this.#rows.first[prefix] !== 0) return;
    this.#emptied++;
    this.#empty.add(prefix);
    if (this.#empty.size === 1) this.onEmpty();
  }

  /** How often a prefix was found without paths. */
  get emptied(): number {
    return this.#emptied;
  }

  /** Gives rows back that nobody needs; returns at how many it looked, `max` at most. */
  sweepRows(max: number): number {
    const count = Math.min(max, this.#empty.size);
    for (let i = 0; i < count; i++) this.#giveBack(this.#empty.take());
    return count;
  }

  /** The same, and for attribute sets, the table's and each group's, `max` in all: groups may be many. True: there may be more. */
  sweep(max: number): boolean {
    let left = max - this.sweepRows(max);
    left -= this.#rows.store.sweep(left);
    for (let i = 0; i < this.#groups.length && left > 0; i++) left -= this.#groups[i]!.sweep(left);
    return left === 0;
  }

  #giveBack(prefix: number): void {
    const rows = this.#rows;
    if (rows.first[prefix] !== 0 || !rows.prefixes.has(prefix)) return;
    if (rows.undecided.has(prefix) || this.#zebra.has(prefix)) return;
    for (let i = 0; i < this.#groups.length; i++) if (this.#groups[i]!.holds(prefix)) return;
    rows.prefixes.remove(prefix);
  }

  /** Whether somebody has still to be told that the path is gone. */
  holdsPath(path: number): boolean {
    for (let i = 0; i < this.#pathGroups.length; i++) if (this.#pathGroups[i]!.holdsPath(path)) return true;
    return false;
  }

  /** Gives a path's row back if the path is gone and nobody is still to be told of that. */
  releasePath(path: number): void {
    const rows = this.#rows;
    const prefix = rows.pathPrefix[path]!;
    if ((rows.pathFlags[path]! & PATH_REMOVED) === 0 || rows.undecided.has(prefix) || this.holdsPath(path)) return;
    let previous = 0;
    for (let other = rows.first[prefix]!; other !== path; other = rows.pathNext[other]!) previous = other;
    rows.freePath(path, previous);
    this.releasePrefix(prefix);
  }

  /** `releasePrefix` for all of a set, which is empty then, and `releasePath` for what there is of paths that are gone. */
  releaseAll(dirty: DirtySet): void {
    const rows = this.#rows;
    for (let prefix = dirty.take(); prefix >= 0; prefix = dirty.take()) {
      for (let path = rows.first[prefix]!; path !== 0; ) {
        const next = rows.pathNext[path]!; // the row may go
        this.releasePath(path);
        path = next;
      }
      this.releasePrefix(prefix);
    }
  }
}
