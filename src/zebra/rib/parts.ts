// What the parts of the RIB have in common.
import type { Note, Owner, RibFace } from '../face.ts';
import { ROUTE_KERNEL } from '../route-type.ts';
import type { RibTable } from './table.ts';

/** RTA_PRIORITY of all routes of ours. */
export const KERNEL_METRIC = 20;
/** The kernel's main table. */
export const RT_TABLE_MAIN = 254;

/** Whether it is a kernel route of this metric. */
export function isForeign(t: RibTable, row: number, metric: number): boolean {
  return t.type[row] === ROUTE_KERNEL && t.distance[row] === metric >>> 24 && t.metric[row] === (metric & 0xffffff);
}

export interface RibHost {
  /** The VRF that an interface belongs to; undefined where there is none of this index. */
  interfaceVrf(ifindex: number): number | undefined;
  readonly nowS: () => number;
  /** Something waits for `run`. */
  wake(): void;
  selectionChanged(table: RibTable, id: number): void;
  note(owner: Owner, note: Note, table: RibTable, id: number, type: number, instance: number): void;
  /** A route failed: call `retryFailed` later. */
  retryLater(): void;
}

/** Who looks at destinations again when they have changed. */
export interface RibWatcher {
  /** Only marks. */
  touch(t: RibTable, id: number): void;
  /** Whether the destination must stay for what is still to be said of it. */
  needs(t: RibTable, id: number): boolean;
}

/** The rows of the RIB, as what changes them sees them. */
export interface RibRows extends RibFace {
  /** Like `remove` for a route that is known by its row. */
  removeRow(t: RibTable, id: number, row: number): void;
}

/** Counters for `show zebra` and the drift report. */
export class RibStats {
  routeAdds = 0;
  routeRemoves = 0;
  decided = 0;
  sentInstalls = 0;
  sentDeletes = 0;
  failures = 0;
  lostRoutes = 0;
  repaired = 0;
  adopted = 0;
  sweptRoutes = 0;
  walks = 0;
  congestions = 0;
}
