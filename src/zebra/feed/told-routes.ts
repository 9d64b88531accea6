// What one follower has of a table's routes, and which prefixes it is to be told of: a queue without duplicates, and a walk
// over all of them while a replay lasts. Five bytes a prefix, whatever happens.
import { grown } from '../../net/index.ts';
import { IdQueue } from '../rib/id-queue.ts';
import { KERNEL_OTHER } from '../rib/settling.ts';
import type { RibTable } from '../rib/table.ts';
import { ROUTE_CONNECT, ROUTE_KERNEL } from '../route-type.ts';

/** In the queue; or, while an answer is awaited, to go there when it is in. */
const WAITING = 1;
/** It was told, and has not answered. */
const SENT = 2;
/** The end of the replay waits for it. */
const OWED = 4;
/** It could not be told for want of the nexthop object that it names. */
const AWAITING = 8;

/** The walk has not come upon anything yet: go on. */
export const WALKING = -2;
const WALK_CHUNK = 4096;

/** Told or to be told: a route of the system's with next hops of its own. Others are as in the column `kernel`. */
export const SYSTEM: number = KERNEL_OTHER;

/** What a follower is to be told of a prefix; 0: there is no route. */
export function stateOf(t: RibTable, id: number): number {
  const row = t.selected[id]!;
  if (row >= 0 && (t.type[row] === ROUTE_CONNECT || t.type[row] === ROUTE_KERNEL)) return SYSTEM;
  const kernel = t.kernel[id]!;
  return kernel === KERNEL_OTHER ? 0 : kernel;
}

export class ToldRoutes {
  readonly table: RibTable;
  /** Routes that it has. */
  count = 0;
  /** Prefixes that the end of the replay waits for. */
  owed = 0;
  readonly #queue: IdQueue = new IdQueue();
  #marks: Uint8Array;
  #told: Uint32Array;
  /** Prefixes from here on are still to be walked over. */
  #cursor: number = Number.POSITIVE_INFINITY;
  /** The walk stops at every route, not only at those that wait for an object. */
  #replaying = false;
  #again = false;
  #walksNext = false;

  constructor(table: RibTable) {
    this.table = table;
    this.#marks = new Uint8Array(table.first.length);
    this.#told = new Uint32Array(table.first.length);
  }

  get dirty(): number {
    return this.#queue.length + (this.walking ? Math.max(0, this.table.prefixes.limit - this.#cursor) : 0);
  }

  get walking(): boolean {
    return this.#cursor !== Number.POSITIVE_INFINITY;
  }

  told(id: number): number {
    return id < this.#told.length ? this.#told[id]! : 0;
  }

  needs(id: number): boolean {
    return id < this.#marks.length && (this.#marks[id] !== 0 || this.#told[id] !== 0);
  }

  /** To be looked at. True where nothing else was. */
  touch(id: number): boolean {
    if (this.#replaying && id >= this.#cursor) return false; // the walk will come to it
    this.#grow(id);
    const marks = this.#marks[id]!;
    if ((marks & WAITING) !== 0) return false;
    this.#marks[id] = marks | WAITING;
    if ((marks & SENT) !== 0) return false;
    this.#queue.push(id);
    return this.#queue.length === 1;
  }

  /** Every route is to be told. */
  replay(): void {
    this.#replaying = true;
    this.#again = false;
    this.#cursor = 0;
  }

  /** An object came that some wait for. */
  objectCame(): void {
    if (this.walking) this.#again = true;
    else this.#cursor = 0;
  }

  /** The next prefix to look at, WALKING, or -1. What is new and what is walked over take turns. */
  next(): number {
    this.#walksNext = !this.#walksNext;
    if (this.#walksNext && this.walking) return this.#walk();
    const id = this.#queue.shift();
    if (id < 0) return this.walking ? this.#walk() : -1;
    this.#marks[id]! &= ~WAITING;
    return id;
  }

  #walk(): number {
    const { table: t } = this;
    const end = Math.min(this.#cursor + WALK_CHUNK, t.prefixes.limit);
    if (this.#cursor < end) this.#grow(end - 1);
    while (this.#cursor < end) {
      const id = this.#cursor++;
      if (!t.prefixes.has(id)) continue;
      const marks = this.#marks[id]!;
      if (!this.#replaying) {
        if ((marks & AWAITING) === 0) continue;
      } else if (marks === 0 && this.#told[id] === 0 && stateOf(t, id) === 0) continue;
      if (this.#replaying && (marks & OWED) === 0) {
        this.#marks[id] = marks | OWED;
        this.owed++;
      }
      return id;
    }
    if (this.#cursor >= t.prefixes.limit) {
      this.#replaying = false;
      this.#cursor = this.#again ? 0 : Number.POSITIVE_INFINITY;
      this.#again = false;
    }
    return WALKING;
  }

  /** Whether it may be told now: while an answer is awaited it may not, but is looked at when that is in. */
  free(id: number): boolean {
    this.#marks[id]! &= ~AWAITING;
    if ((this.#marks[id]! & SENT) === 0) return true;
    this.#marks[id]! |= WAITING;
    return false;
  }

  sent(id: number): void {
    this.#marks[id]! |= SENT;
  }

  /** There is nothing to be told of it. */
  passed(id: number): void {
    if ((this.#marks[id]! & OWED) === 0) return;
    this.#marks[id]! &= ~OWED;
    this.owed--;
  }

  /** It cannot be told before the object comes that it names. */
  awaits(id: number): void {
    this.passed(id);
    this.#marks[id]! |= AWAITING;
  }

  /** It was told, and answered. */
  answered(id: number, state: number): void {
    this.#marks[id]! &= ~SENT;
    if (this.#told[id] === 0) this.count++;
    if (state === 0) this.count--;
    this.#told[id] = state;
    this.passed(id);
    if ((this.#marks[id]! & WAITING) !== 0) this.#queue.push(id);
  }

  /** It had no room: once more. */
  refused(id: number): void {
    this.#marks[id] = (this.#marks[id]! & ~SENT) | WAITING;
    this.#queue.push(id);
  }

  /** Prefixes that stay for what it was told, or is to be told. */
  *needed(): Generator<number, void, undefined> {
    for (let id = 0; id < this.#marks.length; id++) if (this.needs(id)) yield id;
  }

  #grow(id: number): void {
    if (id < this.#marks.length) return;
    [this.#marks, this.#told] = grown(this.table.first.length, this.#marks, this.#told);
  }
}
