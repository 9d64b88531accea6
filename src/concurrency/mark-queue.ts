// A work queue whose items are marks in somebody's tables (a dirty set, a walk that is under way): what changes ten times while
// it waits is one item, and nothing is ever refused. It has the hold time, the slices and the accounts of a WorkQueue.
import type { TimerTask, WorkTask } from './tasks.ts';
import type { Loop, WorkQueueStats } from './work-queue.ts';

export interface MarkQueueOptions {
  name: string;
  /** Works for as long as the loop's slice lasts; true: there is more to do at once. */
  slice(): boolean;
  /** Marks that wait. */
  items(): number;
  /** Marks worked off since the start. */
  processed(): number;
  /** What is left waits for somebody else, who wakes the queue; more that comes meanwhile starts no new hold. */
  blocked?(): boolean;
}

export class MarkQueue {
  /** Wait after the first mark that comes when there is nothing to do, in milliseconds; 0: none. */
  holdMs = 0;
  readonly #options: MarkQueueOptions;
  readonly #work: WorkTask;
  readonly #hold: TimerTask;
  #holding = false;
  #busy = false;
  #highWater = 0;
  #runs = 0;
  #yields = 0;
  #best = 0;

  constructor(loop: Pick<Loop, 'timer' | 'work'>, options: MarkQueueOptions) {
    this.#options = options;
    this.#work = loop.work(options.name, () => this.#slice());
    this.#hold = loop.timer(`${options.name} hold`, () => {
      this.#holding = false;
      this.#work.wake();
    });
  }

  /** There is a mark. */
  wake(): void {
    if (this.holdMs === 0 || this.#busy) this.#work.wake();
    else if (!this.#holding) {
      this.#holding = true;
      this.#hold.start(this.holdMs);
    }
  }

  stats(): WorkQueueStats {
    return {
      name: this.#options.name,
      items: this.#options.items(),
      highWater: this.#highWater,
      refused: 0,
      holdMs: this.holdMs,
      retries: 0,
      failed: 0,
      runs: this.#runs,
      yields: this.#yields,
      processed: this.#options.processed(),
      best: this.#best,
    };
  }

  #slice(): boolean {
    const queue = this.#options;
    this.#runs++;
    this.#highWater = Math.max(this.#highWater, queue.items());
    const before = queue.processed();
    const more = queue.slice();
    this.#best = Math.max(this.#best, queue.processed() - before);
    if (more) this.#yields++;
    this.#busy = more || queue.blocked?.() === true;
    return more;
  }
}
