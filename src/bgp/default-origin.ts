// The default route that `default-originate` makes for neighbours: a table with nothing else in it. Where a route map says
// when, it is there while the map permits one of the family's best paths, and what the map sets is set on it: of several that
// it permits, the first one's, in order of prefixes.
//
// It looks at what changed only, in slices: the prefixes that the map permits are known.
import type { WorkTask } from '../concurrency/index.ts';
import { AF_INET6 } from '../net/index.ts';
import type { FamilyInstance, GroupSlot } from './family.ts';
import { localPeer } from './local-routes.ts';
import { dependsOn } from './peer-policy.ts';
import type { BoundMap } from './policy/index.ts';
import {
  BgpTable,
  defaultDecisionOptions,
  DirtySet,
  type NextHopAddress,
  ORIGIN_IGP,
  type TableConsumer,
} from './rib/index.ts';

/** Prefixes between two looks at the clock. */
const BATCH = 1_000;

export class DefaultOrigin implements TableConsumer {
  readonly table: BgpTable;
  /** Groups of its own, by the key of the family's. */
  readonly slots: Map<string, GroupSlot> = new Map();
  readonly dirty: DirtySet = new DirtySet();
  readonly everyPath = false;
  /** The route is there. */
  present = false;
  readonly #family: FamilyInstance;
  readonly #source: number;
  readonly #plain: number;
  readonly #name: string | undefined;
  #map: BoundMap | undefined;
  readonly #permitted = new DirtySet();
  /** The first permitted prefix, -1: none. */
  #first = -1;
  readonly #work: WorkTask;
  #closed = false;

  constructor(family: FamilyInstance, map: string | undefined) {
    const { instance, table } = family;
    this.#family = family;
    this.#name = map;
    const decision = defaultDecisionOptions(instance.as, instance.routerId);
    this.table = new BgpTable({ family: table.code, store: instance.store, decision });
    this.#source = this.table.addPeer(localPeer(family, 'default-originate'));
    const nextHop: NextHopAddress = { family: table.family, words: [0, 0, 0, 0] };
    this.#plain = instance.store.encode({ origin: ORIGIN_IGP, asPath: [], med: 0, nextHop });
    this.#work = instance.bgp.loop.work('bgp default originate', () => this.#run());
    if (map === undefined) this.#settle();
    else {
      this.#bind();
      table.attach(this);
      this.#work.wake();
    }
  }

  #bind(): void {
    this.#map = this.#family.bindMap(this.#name!, 'local');
  }

  policyChanged(changed: ReadonlySet<string>): void {
    if (this.#map === undefined || !dependsOn(this.#map, changed)) return;
    this.#bind();
    this.#family.table.markAll(this.dirty);
    this.#work.wake();
  }

  sweep(): number {
    return 0;
  }

  // ===== the family's table =====

  wake(): void {
    this.#work.wake();
  }

  holds(prefix: number): boolean {
    return this.dirty.has(prefix) || this.#permitted.has(prefix);
  }

  holdsPath(): boolean {
    return false;
  }

  #run(): boolean {
    if (this.#closed) return false;
    const { loop } = this.#family.instance.bgp;
    this.#family.table.decide();
    do {
      for (let left = BATCH; left > 0 && this.dirty.size > 0; left--) this.#look(this.dirty.take());
    } while (this.dirty.size > 0 && !loop.shouldYield());
    if (this.dirty.size > 0) return true;
    this.#settle();
    return false;
  }

  #look(prefix: number): void {
    const { table } = this.#family;
    const out = this.#apply(prefix);
    if (out >= 0) {
      table.store.release(out);
      this.#permitted.add(prefix);
      if (this.#first < 0 || this.#before(prefix, this.#first)) this.#first = prefix;
    } else {
      this.#permitted.delete(prefix);
      if (prefix === this.#first) this.#findFirst();
      table.releasePrefix(prefix);
    }
  }

  /** What the map makes of the default route because of a prefix, with one reference; -1: nothing. */
  #apply(prefix: number): number {
    const { table } = this.#family;
    const best = table.best[prefix]!;
    if (best === 0) return -1;
    return this.#map!.apply(table.pathAttributes[best]!, prefix, table.pathPeer[best]!, this.#plain);
  }

  #findFirst(): void {
    this.#first = -1;
    const permitted = this.#permitted;
    for (let prefix = permitted.from(0); prefix >= 0; prefix = permitted.from(prefix + 1)) {
      if (this.#first < 0 || this.#before(prefix, this.#first)) this.#first = prefix;
    }
  }

  #before(a: number, b: number): boolean {
    const { prefixes } = this.#family.table;
    const columns =
      prefixes.family === AF_INET6
        ? [prefixes.w0, prefixes.w1, prefixes.w2, prefixes.w3, prefixes.length]
        : [prefixes.w0, prefixes.length];
    for (const column of columns) if (column[a] !== column[b]) return column[a]! < column[b]!;
    return false;
  }

  #settle(): void {
    const { store } = this.#family.instance;
    const before = this.present;
    const set = this.#name === undefined ? store.retain(this.#plain) : this.#first < 0 ? -1 : this.#apply(this.#first);
    this.present = set >= 0;
    if (set >= 0) {
      this.table.announce(this.#source, 0, 0, 0, 0, 0, set);
      store.release(set);
    } else this.table.withdraw(this.#source, 0, 0, 0, 0, 0);
    this.table.decide();
    // Where there is none of ours, one that was learnt goes out instead.
    if (before !== this.present) this.#family.defaultChanged();
  }

  close(): void {
    this.#closed = true;
    this.#family.table.detach(this);
    this.table.peerDown(this.#source);
    while (this.table.work(BATCH));
    this.#family.instance.store.release(this.#plain);
    for (const set of [this.dirty, this.#permitted]) this.#family.table.releaseAll(set);
  }
}
