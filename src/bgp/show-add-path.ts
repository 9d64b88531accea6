// What is known of a prefix's paths where neighbours send or are sent several (RFC 7911), as the shows of one prefix tell it.
import type { FamilyInstance } from './family.ts';
import type { BgpTable } from './rib/index.ts';
import { ownerOf } from './vpn/show-path.ts';

export class AddPathView {
  /** Some neighbour is configured to be sent several: who is told of a path is then said path by path. */
  readonly used: boolean;
  readonly #table: BgpTable;
  readonly #all: boolean;
  readonly #perAs: boolean;
  readonly #ofEachAs: readonly number[];

  constructor(family: FamilyInstance, prefix: number) {
    const modes = [...family.instance.peers.values()].map(peer => peer.families[family.afi].settings.addPathTx);
    this.#table = family.table;
    this.#all = modes.includes('all');
    this.#perAs = modes.includes('best-per-as');
    this.used = this.#all || this.#perAs;
    const count = family.table.decision.deterministicMed ? family.table.bestOfEachAs(prefix) : 0;
    this.#ofEachAs = Array.from(family.table.ofEachAs.subarray(0, count));
  }

  /** The best of the paths from its neighbouring AS. */
  isBestOfAs(path: number): boolean {
    return this.#ofEachAs.includes(path);
  }

  /** The identifiers that a path came with and goes out with, 0: none; undefined where it has none at all. */
  ids(path: number): { readonly rx: number; readonly all: number; readonly perAs: number } | undefined {
    // What another table had first has its identifier from there.
    const rx = ownerOf(this.#table, path) === undefined ? this.#table.idOf(path) : 0;
    const all = this.#all ? path : 0;
    const perAs = this.#perAs && this.isBestOfAs(path) ? path : 0;
    return rx === 0 && all === 0 && perAs === 0 ? undefined : { rx, all, perAs };
  }
}
