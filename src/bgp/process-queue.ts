// The process queue of an instance: prefixes whose best path is to be decided, and walks over the tables, of all its address
// families in turn. There is no hold: a change is decided in the next slice, and what changes ten times by then is decided once.
//
// When no prefix has lost its last path for a moment, the rows of those that did are given back.
import { MarkQueue, type Loop, type TimerTask, type WorkQueueStats, type WorkTask } from '../concurrency/index.ts';
import type { BgpTable } from './rib/index.ts';

/** Rows of a walk between two looks at the clock: some milliseconds even before they are compiled. */
const WALK_ROWS = 1_000;
const QUIET_MS = 50;

export class ProcessQueue {
  readonly #tables: BgpTable[] = [];
  readonly #queue: MarkQueue;
  readonly #quiet: TimerTask;
  readonly #sweep: WorkTask;
  #emptied = 0;

  constructor(loop: Loop, name: string) {
    const sum = (of: (table: BgpTable) => number): number => this.#tables.reduce((all, table) => all + of(table), 0);
    this.#queue = new MarkQueue(loop, {
      name: `bgp process ${name}`,
      slice: () => {
        let more: boolean;
        do {
          more = false;
          for (const table of this.#tables) if (table.work(WALK_ROWS)) more = true;
        } while (more && !loop.shouldYield());
        return more;
      },
      items: () => sum(table => table.undecided.size + table.walks),
      processed: () => sum(table => table.decisions),
    });
    this.#sweep = loop.work('bgp sweep', () => {
      let more: boolean;
      do {
        more = false;
        for (const table of this.#tables) if (table.sweep(WALK_ROWS)) more = true;
      } while (more && !loop.shouldYield());
      return more;
    });
    this.#quiet = loop.timer('bgp quiet', () => {
      const emptied = sum(table => table.emptied);
      if (emptied === this.#emptied) this.#sweep.wake();
      else {
        this.#emptied = emptied;
        this.#quiet.start(QUIET_MS);
      }
    });
  }

  add(table: BgpTable): void {
    this.#tables.push(table);
    table.onWork = () => this.#queue.wake();
    table.onEmpty = () => this.#quiet.start(QUIET_MS);
  }

  stats(): WorkQueueStats {
    return this.#queue.stats();
  }
}
