// The tables of the RIB, and in each the destinations that wait to be decided: a bit per destination, so that one waits once
// however often it changes. Urgent ones (connected, static, what the kernel lost) go before BGP's bulk.
import { AF_INET, AF_INET6, type Family } from '../../net/index.ts';
import { type RibHost, RT_TABLE_MAIN } from './parts.ts';
import { DIRTY, RibTable, URGENT } from './table.ts';

/** Rows that the table of a VRF begins with: there may be a thousand of them. */
const FEW_ROWS = 64;

/** Of VRFs that are not there. */
const NOWHERE_4: RibTable = new RibTable(-1, AF_INET, 0, -1, 1);
const NOWHERE_6: RibTable = new RibTable(-1, AF_INET6, 0, -1, 1);

function keyOf(number: number, family: Family): number {
  return number * 2 + (family === AF_INET ? 0 : 1);
}

export class RibTables {
  readonly all: RibTable[] = [];
  /** By the kernel's number and family. They outlive their VRF: what is left of its routes in the kernel has to go. */
  readonly #byKernel: Map<number, RibTable> = new Map();
  readonly #byVrf: Map<number, RibTable> = new Map();
  readonly #host: RibHost;
  /** The VRF of the main table. */
  readonly #home: number;
  #v4: RibTable | undefined;
  #v6: RibTable | undefined;

  constructor(host: RibHost, home = 0) {
    this.#host = host;
    this.#home = home;
    this.open(home, RT_TABLE_MAIN);
  }

  /** A VRF has come, with this table of the kernel's. */
  open(vrf: number, kernelTable: number): void {
    for (const family of [AF_INET, AF_INET6] as const) {
      const key = keyOf(kernelTable, family);
      let table = this.#byKernel.get(key);
      if (table === undefined) {
        table = new RibTable(vrf, family, kernelTable, this.all.length, vrf === 0 ? undefined : FEW_ROWS);
        this.all.push(table);
        this.#byKernel.set(key, table);
      }
      table.vrf = vrf;
      this.#byVrf.set(keyOf(vrf, family), table);
    }
    if (vrf === this.#home) [this.#v4, this.#v6] = this.all;
  }

  /** The VRF is gone; its tables, whose routes nobody wants any more. */
  close(vrf: number): RibTable[] {
    const closed: RibTable[] = [];
    for (const family of [AF_INET, AF_INET6] as const) {
      const table = this.#byVrf.get(keyOf(vrf, family));
      if (table === undefined) continue;
      this.#byVrf.delete(keyOf(vrf, family));
      closed.push(table);
    }
    return closed;
  }

  /** The table of a VRF. Of one that is not there: one without routes, into which none may be put. */
  table(vrf: number, family: Family): RibTable {
    const main = family === AF_INET ? this.#v4! : this.#v6!;
    if (vrf === this.#home) return main;
    return this.#byVrf.get(keyOf(vrf, family)) ?? (family === AF_INET ? NOWHERE_4 : NOWHERE_6);
  }

  /** Table of the kernel's number, or undefined for one that we do not follow. */
  ofKernel(kernelTable: number, family: Family): RibTable | undefined {
    if (kernelTable === RT_TABLE_MAIN) return family === AF_INET ? this.#v4 : this.#v6;
    return this.#byKernel.get(keyOf(kernelTable, family));
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
