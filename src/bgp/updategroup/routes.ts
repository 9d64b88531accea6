// What the rows of a group's adj-RIB-out are.
//
//   members that take one path a prefix:            a row per prefix, numbered as in the table
//   members that take several (add-path, RFC 7911): a row per path, numbered as in the table
//
// The number of a path's row is also the identifier that the members know the path by. It is the path's for as long as anybody
// has been told of it: the table gives the row to no other path until the group has taken the path back.
import type { DirtySet } from '../rib/dirty.ts';
import type { BgpTable } from '../rib/table.ts';

export class Routes {
  /** A row per path. */
  readonly byPath: boolean;
  readonly #table: BgpTable;

  constructor(table: BgpTable, byPath: boolean) {
    this.#table = table;
    this.byPath = byPath;
  }

  /** Rows that there may be. */
  get capacity(): number {
    return this.byPath ? this.#table.pathPrefix.length : this.#table.prefixes.capacity;
  }

  /** The prefix that a row is about. */
  prefixOf(route: number): number {
    return this.byPath ? this.#table.pathPrefix[route]! : route;
  }

  /** The group may be done with the row: the table takes it back if it has no use for it either. */
  release(route: number): void {
    if (this.byPath) this.#table.releasePath(route);
    else this.#table.releasePrefix(route);
  }

  /** `release` for all of a set, which is empty then. */
  releaseAll(set: DirtySet): void {
    for (let route = set.take(); route >= 0; route = set.take()) this.release(route);
  }
}
