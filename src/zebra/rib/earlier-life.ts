// Routes of an earlier life. What the first dumps find in the kernel under our protocols is adopted as it is, and marked
// stale; an announcement that matches it costs no message. What nobody has asked for when its time is up is swept, unless a
// client is there that may count on it: FRR 8.4.4's bgpd tells a zebra that came back nothing of what it had told before.
// What is kept so goes when its client takes it back, says that it is complete, or goes itself.
import { AF_INET, type Family } from '../../net/index.ts';
import type { Owner } from '../face.ts';
import type { NexthopObjects } from '../nexthop/objects.ts';
import { kernelProtocol } from '../route-type.ts';
import type { RibHost, RibStats } from './parts.ts';
import { type RibTable, STALE } from './table.ts';
import type { RibTables } from './tables.ts';

/** Whether somebody may count on the routes of this kernel protocol and family without announcing them again. */
export type Keeps = (protocol: number, family: Family) => boolean;

const nobody: Keeps = () => false;

export class EarlierLife {
  /** The kernel's state is not known yet: nothing is decided. */
  starting = true;
  /** Routes of an earlier life have had their time. */
  swept = false;
  sweptAt = 0;
  /** By owner and family: routes of an earlier life that it announced again, without having taken them back before. */
  readonly #confirmed: Uint32Array = new Uint32Array(2 * 65_536);
  /** Routes that a client took back without having announced them: they go when their time is up, or come again. */
  readonly #withdrawn: Map<RibTable, Set<number>> = new Map();
  readonly #host: RibHost;
  readonly #tables: RibTables;
  readonly #objects: NexthopObjects;
  readonly #stats: RibStats;

  constructor(host: RibHost, tables: RibTables, objects: NexthopObjects, stats: RibStats) {
    this.#host = host;
    this.#tables = tables;
    this.#objects = objects;
    this.#stats = stats;
  }

  /** The state at start is known: from now on destinations are decided. */
  started(): void {
    if (!this.starting) return;
    this.starting = false;
    this.#host.wake();
  }

  /** A number was given to a new owner. */
  ownerCame(owner: Owner): void {
    this.#confirmed.fill(0, 2 * owner, 2 * owner + 2);
  }

  confirmed(owner: Owner, family: Family): number {
    return this.#confirmed[place(owner, family)]!;
  }

  /** A client announced a route of this type where a stale one is. Whoever calls marks the destination. */
  announced(t: RibTable, id: number, type: number, owner: Owner): void {
    if (t.kernelProtocol[id] !== kernelProtocol(type)) return;
    if (this.#withdrawn.get(t)?.delete(id) !== true) this.#confirmed[place(owner, t.family)]!++;
    if (this.swept) t.state[id]! &= ~STALE;
  }

  /** A client takes back a route of this type that it has not announced. */
  withdrawn(t: RibTable, id: number, type: number): void {
    if ((t.state[id]! & STALE) === 0 || t.kernelProtocol[id] !== kernelProtocol(type)) return;
    if (this.swept) this.#drop(t, id);
    else {
      // FRR's staticd takes back first what it announces a moment later.
      let ids = this.#withdrawn.get(t);
      if (ids === undefined) this.#withdrawn.set(t, (ids = new Set()));
      ids.add(id);
    }
  }

  /** The time for earlier routes is up. */
  sweepAll(keeps: Keeps = nobody): void {
    this.swept = true;
    this.sweptAt = this.#host.nowS();
    this.sweep(keeps);
    this.#withdrawn.clear();
  }

  /** Removes those that nobody asked for and nobody keeps, of one kernel protocol or of all (0). */
  sweep(keeps: Keeps, protocol = 0): void {
    const keptObjects = new Set<number>();
    for (const t of this.#tables.all) {
      const kept = Uint8Array.from({ length: 256 }, (_, one) => (keeps(one, t.family) ? 1 : 0));
      for (let id = 0; id < t.prefixes.limit; id++) {
        if ((t.state[id]! & STALE) === 0 || !t.prefixes.has(id)) continue;
        const own = t.kernelProtocol[id]!;
        const stays = (protocol !== 0 && own !== protocol) || (kept[own] === 1 && !this.#spokenOf(t, id));
        if (stays) keptObjects.add(t.kernel[id]!);
        else this.#drop(t, id);
      }
    }
    if (this.swept) this.#objects.doomUnclaimed(keptObjects);
    this.#host.wake();
  }

  #drop(t: RibTable, id: number): void {
    t.state[id]! &= ~STALE;
    this.#stats.sweptRoutes++;
    this.#tables.mark(t, id, false);
  }

  /** Some client has said of this very route that it wants something else, or nothing. */
  #spokenOf(t: RibTable, id: number): boolean {
    if (this.#withdrawn.get(t)?.has(id) === true) return true;
    let row = t.first[id]!;
    while (row >= 0 && kernelProtocol(t.type[row]!) !== t.kernelProtocol[id]) row = t.next[row]!;
    return row >= 0;
  }

  /** How many routes of a family and kernel protocol nobody has said anything of yet. */
  unspoken(family: Family): Uint32Array {
    const counts = new Uint32Array(256);
    for (const t of this.#tables.all) {
      if (t.family !== family) continue;
      for (let id = 0; id < t.prefixes.limit; id++) {
        if ((t.state[id]! & STALE) !== 0 && t.prefixes.has(id) && !this.#spokenOf(t, id))
          counts[t.kernelProtocol[id]!]!++;
      }
    }
    return counts;
  }

  /** Routes of an earlier life that nobody has asked for yet. */
  get stale(): number {
    let count = 0;
    for (const t of this.#tables.all) {
      for (let id = 0; id < t.prefixes.limit; id++) if ((t.state[id]! & STALE) !== 0 && t.prefixes.has(id)) count++;
    }
    return count;
  }
}

function place(owner: Owner, family: Family): number {
  return 2 * owner + (family === AF_INET ? 0 : 1);
}
