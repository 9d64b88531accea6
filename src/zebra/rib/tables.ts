// The tables of the RIB, and in each the destinations that wait to be decided: a bit per destination, so that one waits once
// however often it changes. Urgent ones (connected, static, what the kernel lost) go before BGP's bulk.
import { AF_INET, type Family } from '../../net/index.ts';
import { type RibHost, RT_TABLE_MAIN } from './parts.ts';
import { DIRTY, RibTable, URGENT } from './table.ts';

export class RibTables {
  readonly all: RibTable[] = [];
  readonly #byVrf: Map<number, RibTable> = new Map();
  readonly #host: RibHost;
  #v4: RibTable | undefined;
  #v6: RibTable | undefined;

  constructor(host: RibHost) {
    this.#host = host;
  }

  table(vrf: number, family: Family): RibTable {
    const fast = vrf === 0 ? (family === AF_INET ? this.#v4 : this.#v6) : undefined;
    if (fast !== undefined) return fast;
    const key = vrf * 2 + (family === AF_INET ? 0 : 1);
    let table = this.#byVrf.get(key);
    if (table === undefined) {
      table = new RibTable(vrf, family, RT_TABLE_MAIN, this.all.length);
      this.all.push(table);
      this.#byVrf.set(key, table);
      if (vrf === 0) {
        if (family === AF_INET) this.#v4 = table;
        else this.#v6 = table;
      }
    }
    return table;
  }

  /** Table of the kernel's number, or undefined for one that we do not follow. */
  ofKernel(kernelTable: number, family: Family): RibTable | undefined {
    return kernelTable === RT_TABLE_MAIN ? this.table(0, family) : undefined;
  }

  /** Has a destination decided. */
  mark(t: RibTable, id: number, urgent: boolean): void {
    const state = t.state[id]!;
    if (urgent) {
      if ((state & URGENT) !== 0) return;
      t.state[id] = state | DIRTY | URGENT;
      t.urgent.push(id);
    } else {
      if ((state & DIRTY) !== 0) return;
      t.state[id] = state | DIRTY;
      t.bulk.push(id);
    }
    this.#host.wake();
  }

  get dirty(): number {
    let count = 0;
    for (const one of this.all) count += one.urgent.length + one.bulk.length + one.leaving.length;
    return count;
  }

  get dirtyHighWater(): number {
    let count = 0;
    for (const one of this.all) count += one.urgent.highWater + one.bulk.highWater;
    return count;
  }
}
