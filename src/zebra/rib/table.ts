// A RIB table: what clients want for each prefix and what the kernel has of it, in columns.
//
//   PrefixTable ──prefix id──▶ destination columns               route entry rows
//                              first ───────────────────────────▶ row ─next─▶ row ─next─▶ -1
//                              selected ────────────────────────▶  type, instance, distance, metric, tag,
//                              kernel, kernelProtocol              flags, set, owner, since
//                              state, generation
//
// 28 bytes a route and 16 a destination beside the prefix's own 13–21; a route is never an object. Chains are short (one to
// three routes a prefix), newest first.
import { type Family, grown, moreRows, PrefixTable } from '../../net/index.ts';
import { IdQueue } from './id-queue.ts';
import { Leaving } from './leaving.ts';

/** Waiting to be decided; in the bulk list, or in that of those that leave. */
export const DIRTY = 1;
/** Waiting in the urgent list. */
export const URGENT = 2;
/** A context for it is on its way; there is never a second one. */
export const IN_FLIGHT = 4;
/** What the kernel has is not known once the context in flight is back: send again whatever the result says. */
export const DOUBT = 8;
/** The last install or delete failed; retried by kind of error. */
export const FAILED = 16;
/** The kernel's route is from an earlier life of ours and nobody has asked for it since. */
export const STALE = 32;
/** Seen in the dump that is going on. */
export const SEEN = 64;
/** Its route waits for the set's group object to be deleted, which takes the route with it. */
export const DOOMED = 128;

/** Of a kernel route: seen in the dump that is going on. */
export const ROW_SEEN = 0x2000;
/** Internal bits above ZAPI's route flags in the column `flags`. */
export const ROW_CHANGED = 0x4000;
/** The owner was told that it is installed. */
export const ROW_INSTALLED = 0x8000;
export const ROW_ZAPI_FLAGS = 0x3fff;

export class RibTable {
  /** The VRF whose routes these are; that of a table whose VRF is gone stays until another one has the table. */
  vrf: number;
  readonly family: Family;
  /** The kernel's table number. */
  readonly kernelTable: number;
  /** Place among zebra's tables; travels with contexts. */
  readonly index: number;
  readonly prefixes: PrefixTable;
  /** Destinations that wait to be decided: by a flag of `state` in at most one place of each. */
  readonly urgent: IdQueue = new IdQueue();
  readonly bulk: IdQueue = new IdQueue();
  readonly leaving: Leaving = new Leaving();

  // Destinations, by prefix id.
  /** First route row or -1. */
  first: Int32Array;
  /** Route row that won, or -1. */
  selected: Int32Array;
  /** What the kernel has of ours: 0 nothing, RTN_BLACKHOLE… for a route without next hop, else a nexthop object's id. */
  kernel: Uint32Array;
  kernelProtocol: Uint8Array;
  state: Uint8Array;
  /** Counts the contexts sent for it. */
  generation: Uint16Array;

  // Routes, by row.
  next: Int32Array;
  type: Uint8Array;
  distance: Uint8Array;
  instance: Uint16Array;
  flags: Uint16Array;
  owner: Uint16Array;
  set: Uint32Array;
  metric: Uint32Array;
  tag: Uint32Array;
  /** When it came or changed, seconds of zebra's clock. */
  since: Uint32Array;
  /** Route rows in use. */
  routes = 0;
  #rows = 0;
  #free = -1;

  constructor(vrf: number, family: Family, kernelTable: number, index: number, rows = 1024) {
    this.vrf = vrf;
    this.family = family;
    this.kernelTable = kernelTable;
    this.index = index;
    this.prefixes = new PrefixTable(family, rows);
    this.first = new Int32Array(rows);
    this.selected = new Int32Array(rows);
    this.kernel = new Uint32Array(rows);
    this.kernelProtocol = new Uint8Array(rows);
    this.state = new Uint8Array(rows);
    this.generation = new Uint16Array(rows);
    this.next = new Int32Array(rows);
    this.type = new Uint8Array(rows);
    this.distance = new Uint8Array(rows);
    this.instance = new Uint16Array(rows);
    this.flags = new Uint16Array(rows);
    this.owner = new Uint16Array(rows);
    this.set = new Uint32Array(rows);
    this.metric = new Uint32Array(rows);
    this.tag = new Uint32Array(rows);
    this.since = new Uint32Array(rows);
  }

  /** The id of a prefix, made where it is new; its destination columns exist. */
  destination(w0: number, w1: number, w2: number, w3: number, length: number): number {
    const limit = this.prefixes.limit;
    const id = this.prefixes.insert(w0, w1, w2, w3, length);
    if (id >= limit) {
      // Rows are written when they are first used, so that what a column has grown by stays untouched memory until then.
      if (id >= this.first.length) this.#growDestinations();
      this.first[id] = -1;
      this.selected[id] = -1;
    }
    return id;
  }

  /** A new route row at the head of the chain of `id`. */
  pushRow(id: number): number {
    let row = this.#free;
    if (row >= 0) this.#free = this.next[row]!;
    else {
      row = this.#rows++;
      if (row >= this.next.length) this.#growRoutes();
    }
    this.next[row] = this.first[id]!;
    this.first[id] = row;
    this.routes++;
    return row;
  }

  /** Takes a row out of the chain of `id`. */
  dropRow(id: number, row: number): void {
    if (this.first[id] === row) this.first[id] = this.next[row]!;
    else {
      let before = this.first[id]!;
      while (this.next[before] !== row) before = this.next[before]!;
      this.next[before] = this.next[row]!;
    }
    if (this.selected[id] === row) this.selected[id] = -1;
    this.next[row] = this.#free;
    this.#free = row;
    this.routes--;
  }

  /** Forgets a destination that has neither routes nor anything in the kernel nor work under way. */
  forget(id: number): void {
    this.generation[id]!++;
    this.state[id] = 0;
    this.prefixes.remove(id);
  }

  #growDestinations(): void {
    const rows = this.prefixes.capacity;
    [this.first, this.selected, this.kernel, this.kernelProtocol, this.state, this.generation] = grown(
      rows,
      this.first,
      this.selected,
      this.kernel,
      this.kernelProtocol,
      this.state,
      this.generation,
    );
  }

  #growRoutes(): void {
    const rows = moreRows(this.next.length);
    [
      this.next,
      this.type,
      this.distance,
      this.instance,
      this.flags,
      this.owner,
      this.set,
      this.metric,
      this.tag,
      this.since,
    ] = grown(
      rows,
      this.next,
      this.type,
      this.distance,
      this.instance,
      this.flags,
      this.owner,
      this.set,
      this.metric,
      this.tag,
      this.since,
    );
  }

  /** Bytes of all columns, for `show memory`. */
  get bytes(): number {
    const destinations = this.first.length * 16;
    const routes = this.next.length * 28;
    const prefixes = this.prefixes.capacity * (this.prefixes.w1.length > 0 ? 17 : 5);
    return destinations + routes + prefixes;
  }
}
