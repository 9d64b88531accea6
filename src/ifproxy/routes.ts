// The routes of one family that concern our proxies, as the kernel is believed to have them: a row a route, in columns.
//
//    prefix ──▶ head ──▶ row ──▶ row ──▶ …        the rows of one prefix, of all tables and metrics, in the kernel's order
//
// A row's number is the route's name for whoever is told of it, from when it is added until it is deleted.
import { grown, moreRows, PrefixTable, type Family } from '../net/index.ts';
import type { PathSet, PathSets } from './paths.ts';

/** Bits of `state`. */
export const ROW_OWN = 1;
/** It has what rows leave out (metrics of its own, an encap). */
export const ROW_DECORATED = 2;

/** A bit for each row, most of them 0. */
export class RowBits {
  #words: Uint32Array = new Uint32Array(0);

  has(row: number): boolean {
    return row >>> 5 < this.#words.length && (this.#words[row >>> 5]! & (1 << (row & 31))) !== 0;
  }

  put(row: number, value: boolean): void {
    const at = row >>> 5;
    if (at >= this.#words.length) {
      if (!value) return;
      const longer = new Uint32Array(2 * at + 2);
      longer.set(this.#words);
      this.#words = longer;
    }
    if (value) this.#words[at]! |= 1 << (row & 31);
    else this.#words[at]! &= ~(1 << (row & 31));
  }
}

/** What a platform says of one route; filled anew for each. */
export class RouteInput {
  w0 = 0;
  w1 = 0;
  w2 = 0;
  w3 = 0;
  length = 0;
  table = 0;
  metric = 0;
  tos = 0;
  protocol = 0;
  scope = 0;
  /** RTN_* */
  type = 0;
  offload = 0;
  nexthopId = 0;
  own = false;
  decorated = false;
  /** Words of the hops: paths.ts. Interned when a row takes them. */
  paths: Int32Array = new Int32Array(8);
  pathWords = 0;
}

/** type | protocol << 8 | scope << 16 | tos << 24 */
export function routeWord(input: RouteInput): number {
  return (input.type | (input.protocol << 8) | (input.scope << 16) | (input.tos << 24)) >>> 0;
}

export class RouteTable {
  readonly family: Family;
  readonly sets: PathSets;
  readonly prefixes: PrefixTable;
  /** Rows there ever were: walks go up to here. */
  limit = 0;
  /** Routes. */
  size = 0;
  /** By row: the prefix's id plus 1; 0 = no route. */
  prefix: Uint32Array = new Uint32Array(64);
  /** The next row of the prefix plus 1; of a free row the next free one. */
  next: Uint32Array = new Uint32Array(64);
  table: Uint32Array = new Uint32Array(64);
  metric: Uint32Array = new Uint32Array(64);
  word: Uint32Array = new Uint32Array(64);
  offload: Uint32Array = new Uint32Array(64);
  set: Uint32Array = new Uint32Array(64);
  nexthop: Uint32Array = new Uint32Array(64);
  state: Uint8Array = new Uint8Array(64);
  /** The dump that last had it. */
  seen: Uint8Array = new Uint8Array(64);
  /** By prefix: its first row plus 1. */
  #heads: Uint32Array = new Uint32Array(64);
  #free = 0;

  constructor(family: Family, sets: PathSets) {
    this.family = family;
    this.sets = sets;
    this.prefixes = new PrefixTable(family, 64);
  }

  /** The first row of a prefix (-1: none). */
  first(input: RouteInput): number {
    const id = this.prefixes.find(input.w0, input.w1, input.w2, input.w3, input.length);
    return id < 0 ? -1 : this.#heads[id]! - 1;
  }

  /** The prefix's id, which it gets if it has none: a row of it has to follow. */
  locate(input: RouteInput): number {
    const prefix = this.prefixes.insert(input.w0, input.w1, input.w2, input.w3, input.length);
    if (this.#heads.length < this.prefixes.capacity) [this.#heads] = grown(this.prefixes.capacity, this.#heads);
    return prefix;
  }

  /** The first row of a prefix by its id (-1: none). */
  head(prefix: number): number {
    return this.#heads[prefix]! - 1;
  }

  /** The row after this one of the same prefix, or -1. */
  after(row: number): number {
    return this.next[row]! - 1;
  }

  paths(row: number): PathSet {
    return this.sets.sets[this.set[row]!]!;
  }

  /** A new row of this prefix behind row `after`; -1: before all. */
  add(input: RouteInput, prefix: number, after: number): number {
    let row = this.#free - 1;
    if (row >= 0) this.#free = this.next[row]!;
    else {
      if (this.limit === this.prefix.length) this.#grow();
      row = this.limit++;
    }
    this.prefix[row] = prefix + 1;
    if (after < 0) {
      this.next[row] = this.#heads[prefix]!;
      this.#heads[prefix] = row + 1;
    } else {
      this.next[row] = this.next[after]!;
      this.next[after] = row + 1;
    }
    this.table[row] = input.table;
    this.metric[row] = input.metric;
    const set = this.sets.intern(input.paths, input.pathWords);
    set.rows++;
    this.set[row] = set.id;
    this.#fill(row, input);
    this.size++;
    return row;
  }

  /** Gives the row what the input says; it keeps its place, prefix, table and metric. Its old hops must be released after. */
  replace(row: number, input: RouteInput): void {
    const set = this.sets.intern(input.paths, input.pathWords);
    this.setPaths(row, set);
    this.#fill(row, input);
  }

  setPaths(row: number, set: PathSet): void {
    this.paths(row).rows--;
    set.rows++;
    this.set[row] = set.id;
  }

  #fill(row: number, input: RouteInput): void {
    this.word[row] = routeWord(input);
    this.offload[row] = input.offload;
    this.nexthop[row] = input.nexthopId;
    this.state[row] = (input.own ? ROW_OWN : 0) | (input.decorated ? ROW_DECORATED : 0);
  }

  /** Takes the row out. Its hops must be released after. */
  remove(row: number): void {
    const prefix = this.prefix[row]! - 1;
    const head = this.#heads[prefix]! - 1;
    if (head === row) this.#heads[prefix] = this.next[row]!;
    else {
      let before = head;
      while (this.next[before] !== row + 1) before = this.next[before]! - 1;
      this.next[before] = this.next[row]!;
    }
    if (this.#heads[prefix] === 0) this.prefixes.remove(prefix);
    this.paths(row).rows--;
    this.prefix[row] = 0;
    this.next[row] = this.#free;
    this.#free = row + 1;
    this.size--;
  }

  #grow(): void {
    [
      this.prefix,
      this.next,
      this.table,
      this.metric,
      this.word,
      this.offload,
      this.set,
      this.nexthop,
      this.state,
      this.seen,
    ] = grown(
      moreRows(this.limit),
      this.prefix,
      this.next,
      this.table,
      this.metric,
      this.word,
      this.offload,
      this.set,
      this.nexthop,
      this.state,
      this.seen,
    );
  }
}
