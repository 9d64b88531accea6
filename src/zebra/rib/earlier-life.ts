// Routes of an earlier life. What the first dumps find in the kernel under our protocols is adopted as it is, and marked
// stale; an announcement that matches it costs no message. What nobody has asked for when its time is up is swept.
import type { NexthopObjects } from '../nexthop/objects.ts';
import type { RibHost, RibStats } from './parts.ts';
import { STALE } from './table.ts';
import type { RibTables } from './tables.ts';

export class EarlierLife {
  /** The kernel's state is not known yet: nothing is decided. */
  starting = true;
  /** Routes of an earlier life have had their time. */
  swept = false;
  sweptAt = 0;
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

  /**
   * The time for earlier routes is up: those of these kernel protocols (0 = all) that nobody asked for are removed.
   */
  sweep(protocol = 0): void {
    const all = protocol === 0;
    if (all) {
      this.swept = true;
      this.sweptAt = this.#host.nowS();
      this.#objects.doomUnclaimed();
    }
    for (const t of this.#tables.all) {
      for (let id = 0; id < t.prefixes.limit; id++) {
        if ((t.state[id]! & STALE) === 0 || !t.prefixes.has(id)) continue;
        if (!all && t.kernelProtocol[id] !== protocol) continue;
        t.state[id]! &= ~STALE;
        this.#stats.sweptRoutes++;
        this.#tables.mark(t, id, false);
      }
    }
    this.#host.wake();
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
