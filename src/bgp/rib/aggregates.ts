// Aggregates: a route that stands for the more specific ones below it, and goes with the last of them (RFC 4271 §9.2.2.2).
//
//   decision ─dirty─▶ count: a prefix's best path, into every aggregate above it
//                       └─▶ settle: what the aggregate says now ─announce─▶ table, as a route of our own
//                             └─▶ judge: whether a prefix below it is told to peers ─▶ `suppressed`
//
// It is the table's first consumer: what was decided goes through here before anybody else looks, so that no route that is
// suppressed leaves before it is. A change costs a look-up for each length that aggregates have. Only a new aggregate walks
// over the table, and only one that comes or goes over what is below it; both in slices.
//
// Best paths contribute, and no aggregate does, to another one: what is below it is below the other one too.
import { grown, maskWord, type Prefix, PrefixTable } from '../../net/index.ts';
import type { AttributeSet } from './attribute-set.ts';
import { HAS_ATOMIC_AGGREGATE, HAS_MED } from './attributes.ts';
import type { TableConsumer } from './consumers.ts';
import { DirtySet } from './dirty.ts';
import { MergedAttributes } from './merged-attributes.ts';
import type { BgpTable } from './table.ts';
import { ORIGIN_EGP, ORIGIN_IGP, ORIGIN_INCOMPLETE, type Policy } from './types.ts';

export interface AggregateOptions {
  /** The ASes and communities of all that it stands for are in it. */
  readonly asSet: boolean;
  /** What it stands for is not told to peers. */
  readonly summaryOnly: boolean;
  /** It is there only while all that it stands for has one MED. */
  readonly matchingMedOnly: boolean;
  /** Instead of the worst of those it stands for. */
  readonly origin: number | undefined;
  /** What becomes of the aggregate; refused, it is not there. */
  readonly policy: Policy | undefined;
  /** What this permits is not told to peers. */
  readonly suppress: Policy | undefined;
}

/** Who aggregates. */
export interface Aggregator {
  /** Its source's index in the table. */
  readonly peer: number;
  readonly as: number;
  readonly routerId: number;
}

interface Aggregate {
  readonly prefix: Prefix;
  options: AggregateOptions;
  /** Prefixes whose rows are below this have been counted. */
  counted: number;
  /** Prefixes that contribute, */
  readonly contributors: DirtySet;
  /** and how many of them have each attribute set. */
  readonly sets: Map<number, number>;
  /** Contributors by ORIGIN, */
  readonly origins: [number, number, number];
  /** by MED (−1: none), */
  readonly meds: Map<number, number>;
  /** and those that are atomic themselves. */
  atomic: number;
  /** Of the sets, while `asSet`. */
  merged: MergedAttributes | undefined;
  /** It is announced. */
  active: boolean;
}

export class Aggregates implements TableConsumer {
  readonly dirty: DirtySet = new DirtySet();
  readonly everyPath = false;
  readonly #table: BgpTable;
  #attached = false;
  #aggregator: Aggregator = { peer: 0, as: 0, routerId: 0 };
  readonly #prefixes: PrefixTable;
  /** By row of `#prefixes`. */
  readonly #aggregates: (Aggregate | undefined)[] = [];
  /** The attribute set, held, that a prefix's contributions were counted with; 0: it is in no aggregate. */
  #contributed: Uint32Array = new Uint32Array(0);
  readonly #counting = new Set<Aggregate>();
  readonly #unsettled = new Set<Aggregate>();
  /** Prefixes to be judged because an aggregate above them came, went, or suppresses others than before. */
  readonly #pending: DirtySet = new DirtySet();
  readonly #above: Aggregate[] = [];

  constructor(table: BgpTable) {
    this.#table = table;
    this.#prefixes = new PrefixTable(table.family, 16);
  }

  /** Prefixes with an aggregate. */
  get size(): number {
    return this.#prefixes.size;
  }

  /** Before the first aggregate, and whenever it changes. */
  setAggregator(aggregator: Aggregator): void {
    this.#aggregator = aggregator;
    for (const aggregate of this.#aggregates) if (aggregate !== undefined) this.#unsettled.add(aggregate);
    this.#table.onWork();
  }

  /** An aggregate comes, or is to be another one; `undefined` takes it away. */
  set(prefix: Prefix, options: AggregateOptions | undefined): void {
    const row = this.#prefixes.find(...prefix.words, prefix.length);
    if (options === undefined) {
      if (row >= 0) this.#remove(row);
    } else if (row < 0) this.#add(prefix, options);
    else {
      const aggregate = this.#aggregates[row]!;
      const { summaryOnly, suppress, asSet } = aggregate.options;
      aggregate.options = options;
      if (asSet !== options.asSet) aggregate.merged = options.asSet ? this.#merged(aggregate) : undefined;
      if (summaryOnly !== options.summaryOnly || suppress !== undefined || options.suppress !== undefined) {
        this.#pending.addAll(aggregate.contributors);
      }
      this.#unsettled.add(aggregate);
    }
    this.#table.onWork();
  }

  #add(prefix: Prefix, options: AggregateOptions): void {
    if (!this.#attached) {
      this.#attached = true;
      this.#table.attach(this);
      this.dirty.clear(); // what is there is counted by walking
    }
    const aggregate: Aggregate = {
      prefix,
      options,
      counted: 0,
      contributors: new DirtySet(),
      sets: new Map(),
      origins: [0, 0, 0],
      meds: new Map(),
      atomic: 0,
      merged: options.asSet ? new MergedAttributes() : undefined,
      active: false,
    };
    this.#aggregates[this.#prefixes.insert(...prefix.words, prefix.length)] = aggregate;
    this.#counting.add(aggregate);
  }

  #remove(row: number): void {
    const aggregate = this.#aggregates[row]!;
    this.#aggregates[row] = undefined;
    this.#prefixes.remove(row);
    this.#counting.delete(aggregate);
    this.#unsettled.delete(aggregate);
    this.#pending.addAll(aggregate.contributors);
    this.#withdraw(aggregate);
  }

  // ===== the table's side =====

  wake(): void {}

  sweep(): number {
    return 0;
  }

  holds(prefix: number): boolean {
    return this.dirty.has(prefix) || this.#pending.has(prefix) || (this.#contributed[prefix] ?? 0) !== 0;
  }

  holdsPath(): boolean {
    return false;
  }

  /** What was decided is counted, settled and judged. True: an aggregate was announced or withdrawn, and is to be decided. */
  run(): boolean {
    const { dirty } = this;
    if (dirty.size === 0 && this.#unsettled.size === 0) return false;
    this.#grow();
    for (let prefix = dirty.from(0); prefix >= 0; prefix = dirty.from(prefix + 1)) this.#count(prefix);
    const settled = this.#settle();
    for (let prefix = dirty.take(); prefix >= 0; prefix = dirty.take()) this.#judge(prefix);
    return settled;
  }

  /** At most `max` rows of what walks; true: there is more. After `run`. */
  work(max: number): boolean {
    if (!this.#attached) return false;
    let left = max;
    this.#grow();
    for (const aggregate of this.#counting) {
      const end = Math.min(this.#table.prefixes.limit, aggregate.counted + left);
      left -= end - aggregate.counted;
      for (; aggregate.counted < end; aggregate.counted++) this.#countInto(aggregate, aggregate.counted);
      if (end < this.#table.prefixes.limit) return true;
      aggregate.counted = Number.MAX_SAFE_INTEGER;
      this.#counting.delete(aggregate);
      this.#unsettled.add(aggregate);
    }
    for (; left > 0 && this.#pending.size > 0; left--) this.#judge(this.#pending.take());
    if (this.size === 0 && this.#pending.size === 0) {
      this.#attached = false;
      this.#table.detach(this);
    }
    return this.#unsettled.size > 0 || this.#pending.size > 0;
  }

  // ===== counting =====

  /** The set with which a prefix's best path contributes, 0: it does not. */
  #contribution(prefix: number): number {
    const table = this.#table;
    const best = table.best[prefix]!;
    return best === 0 || table.pathPeer[best] === this.#aggregator.peer ? 0 : table.pathAttributes[best]!;
  }

  /** The aggregates above a prefix that have come to its row, in an array that is used again. */
  #findAbove(prefix: number): readonly Aggregate[] {
    const above = this.#above;
    above.length = 0;
    const own = this.#table.prefixes;
    const ipv4 = own.w1.length === 0;
    const w0 = own.w0[prefix]!;
    const w1 = ipv4 ? 0 : own.w1[prefix]!;
    const w2 = ipv4 ? 0 : own.w2[prefix]!;
    const w3 = ipv4 ? 0 : own.w3[prefix]!;
    for (let longest = own.length[prefix]! - 1; longest >= 0; ) {
      const row = this.#prefixes.match(w0, w1, w2, w3, longest);
      if (row < 0) break;
      const aggregate = this.#aggregates[row]!;
      if (prefix < aggregate.counted) above.push(aggregate);
      longest = this.#prefixes.length[row]! - 1;
    }
    return above;
  }

  /** A prefix's best path changed. */
  #count(prefix: number): void {
    const set = this.#contribution(prefix);
    const before = this.#contributed[prefix]!;
    if (set === before) return;
    const above = this.#findAbove(prefix);
    const now = above.length === 0 ? 0 : set;
    for (let i = 0; i < above.length; i++) {
      const aggregate = above[i]!;
      if (before !== 0) this.#leave(aggregate, before);
      if (now === 0) aggregate.contributors.delete(prefix);
      else {
        aggregate.contributors.add(prefix);
        this.#enter(aggregate, now);
      }
      this.#unsettled.add(aggregate);
    }
    this.#hold(prefix, now);
  }

  /** An aggregate that is new comes to a row. All changes have been counted by then. */
  #countInto(aggregate: Aggregate, prefix: number): void {
    const rows = this.#table.prefixes;
    const { words, length } = aggregate.prefix;
    const own = rows.length[prefix]!;
    if (own === 255 || own <= length || (rows.w0[prefix]! & maskWord(length)) >>> 0 !== words[0]) return;
    if (rows.w1.length > 0) {
      if ((rows.w1[prefix]! & maskWord(length - 32)) >>> 0 !== words[1]) return;
      if ((rows.w2[prefix]! & maskWord(length - 64)) >>> 0 !== words[2]) return;
      if ((rows.w3[prefix]! & maskWord(length - 96)) >>> 0 !== words[3]) return;
    }
    const set = this.#contribution(prefix);
    if (set === 0) return;
    this.#hold(prefix, set);
    aggregate.contributors.add(prefix);
    this.#enter(aggregate, set);
  }

  #hold(prefix: number, set: number): void {
    const { store } = this.#table;
    const before = this.#contributed[prefix]!;
    if (set === before) return;
    if (set !== 0) store.retain(set);
    this.#contributed[prefix] = set;
    store.release(before);
  }

  #enter(aggregate: Aggregate, set: number): void {
    const count = aggregate.sets.get(set) ?? 0;
    aggregate.sets.set(set, count + 1);
    if (count === 0) aggregate.merged?.add(this.#table.store.decode(set));
    this.#tally(aggregate, set, 1);
  }

  #leave(aggregate: Aggregate, set: number): void {
    const count = aggregate.sets.get(set)! - 1;
    if (count > 0) aggregate.sets.set(set, count);
    else {
      aggregate.sets.delete(set);
      aggregate.merged?.remove(this.#table.store.decode(set));
    }
    this.#tally(aggregate, set, -1);
  }

  #tally(aggregate: Aggregate, set: number, times: 1 | -1): void {
    const { store } = this.#table;
    aggregate.origins[store.origin[set]! as 0 | 1 | 2] += times;
    const flags = store.flags[set]!;
    if ((flags & HAS_ATOMIC_AGGREGATE) !== 0) aggregate.atomic += times;
    const med = (flags & HAS_MED) === 0 ? -1 : store.med[set]!;
    const count = (aggregate.meds.get(med) ?? 0) + times;
    if (count === 0) aggregate.meds.delete(med);
    else aggregate.meds.set(med, count);
  }

  #merged(aggregate: Aggregate): MergedAttributes {
    const merged = new MergedAttributes();
    for (const set of aggregate.sets.keys()) merged.add(this.#table.store.decode(set));
    return merged;
  }

  // ===== settling =====

  /** Announces and withdraws; true where it did. */
  #settle(): boolean {
    let acted = false;
    for (const aggregate of this.#unsettled) {
      if (this.#counting.has(aggregate)) continue;
      this.#unsettled.delete(aggregate);
      const before = aggregate.active;
      const set = this.#route(aggregate);
      if (set > 0) {
        const { words, length } = aggregate.prefix;
        this.#table.announce(this.#aggregator.peer, ...words, length, set);
        this.#table.store.release(set);
        aggregate.active = true;
        acted = true;
      } else if (this.#withdraw(aggregate)) acted = true;
      if (before !== aggregate.active) this.#pending.addAll(aggregate.contributors);
    }
    return acted;
  }

  #withdraw(aggregate: Aggregate): boolean {
    if (!aggregate.active) return false;
    aggregate.active = false;
    const { words, length } = aggregate.prefix;
    return this.#table.withdraw(this.#aggregator.peer, ...words, length);
  }

  /** What an aggregate says now, with one reference; 0 or less: it is not there. */
  #route(aggregate: Aggregate): number {
    const { options, merged, meds, origins } = aggregate;
    if (aggregate.contributors.size === 0 || (options.matchingMedOnly && meds.size > 1)) return 0;
    const { as, routerId } = this.#aggregator;
    const worst = origins[2] > 0 ? ORIGIN_INCOMPLETE : origins[1] > 0 ? ORIGIN_EGP : ORIGIN_IGP;
    const set: Partial<AttributeSet> = {
      origin: options.origin ?? worst,
      asPath: merged?.asPath ?? [],
      nextHop: { family: this.#table.family, words: [0, 0, 0, 0] },
      med: 0,
      // ASes that it stands for are left out (RFC 4271 §5.1.6), here or by one before us.
      atomicAggregate: merged === undefined || merged.truncated || aggregate.atomic > 0,
      aggregator: { as, routerId },
      ...(merged && {
        communities: merged.communities,
        extendedCommunities: merged.extendedCommunities,
        largeCommunities: merged.largeCommunities,
      }),
    };
    const table = this.#table;
    const made = table.store.encode(set);
    if (options.policy === undefined) return made;
    const { words, length } = aggregate.prefix;
    const row = table.insert(...words, length);
    const out = options.policy.apply(made, row, this.#aggregator.peer);
    table.store.release(made);
    if (out < 0) table.releasePrefix(row);
    return out;
  }

  // ===== judging =====

  /** Whether a prefix is told to peers, which may have changed; and whether it is still to be held here. */
  #judge(prefix: number): void {
    const table = this.#table;
    const set = this.#contributed[prefix]!;
    const above = set === 0 ? [] : this.#findAbove(prefix);
    let counts = false;
    let suppressed = 0;
    for (let i = 0; i < above.length; i++) {
      const aggregate = above[i]!;
      counts ||= aggregate.contributors.has(prefix);
      if (aggregate.active && this.#suppresses(aggregate, set, prefix)) suppressed = 1;
    }
    if (!counts) this.#hold(prefix, 0);
    if (table.suppressed[prefix] !== suppressed) {
      table.suppressed[prefix] = suppressed;
      table.suppressionChanged(prefix);
    }
    table.releasePrefix(prefix);
  }

  #suppresses({ options }: Aggregate, set: number, prefix: number): boolean {
    if (options.summaryOnly) return true;
    if (options.suppress === undefined) return false;
    const { store, best, pathPeer } = this.#table;
    const out = options.suppress.apply(set, prefix, pathPeer[best[prefix]!]!);
    if (out > 0) store.release(out);
    return out > 0;
  }

  #grow(): void {
    const rows = this.#table.first.length;
    if (this.#contributed.length < rows) [this.#contributed] = grown(rows, this.#contributed);
  }
}
