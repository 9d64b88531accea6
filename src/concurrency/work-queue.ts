// A queue of work items with a hold time, retries and bounded slices, as FRR's lib/workqueue: what must be done soon, but
// not in the caller's time, and what may have to be tried again.
//
//    add ─▶ [ item ][ item ][ item ] ─▶ process ─┬─ done
//             ▲                                  ├─ failed      counted, and dropped
//             │                                  ├─ retry       the same item again, after the retry time
//             └───────── requeue ◀───────────────┘
//
// Items wait `holdMs` after the queue was empty, so that a burst is worked off as one; then slices run until it is empty.
// The queue is bounded: `add` says false when it is full, and counts it.
import type { EventTask, TaskStats, TimerTask, WorkTask } from './tasks.ts';

/** The part of a loop that a work queue needs: TaskLoop and PollLoop both have it. */
export interface Loop {
  event(name: string, fn: () => void): EventTask;
  timer(name: string, fn: () => void): TimerTask;
  work(name: string, fn: () => boolean): WorkTask;
  shouldYield(): boolean;
  now(): number;
  stats(): TaskStats[];
}

/** What `process` says of an item. */
export type WorkResult = 'done' | 'failed' | 'retry' | 'requeue';

export interface WorkQueueOptions<Item> {
  name: string;
  process(item: Item): WorkResult;
  /** An item was given up: it failed, or was retried too often. */
  failed?: (item: Item) => void;
  /** Wait after the first item of a burst. Default 0. */
  holdMs?: number;
  /** Wait before an item is retried. Default 100. */
  retryMs?: number;
  /** Retries of one item. Default 3. */
  maxRetries?: number;
  /** Items at most. Default 65536. */
  limit?: number;
}

export interface WorkQueueStats {
  name: string;
  items: number;
  highWater: number;
  refused: number;
  holdMs: number;
  retries: number;
  failed: number;
  /** Slices run, and how many of them ended because their time was up. */
  runs: number;
  yields: number;
  /** Items processed. */
  processed: number;
  /** Most items in one slice. */
  best: number;
}

interface Entry<Item> {
  item: Item;
  tries: number;
}

export class WorkQueue<Item> {
  readonly #loop: Loop;
  readonly #options: WorkQueueOptions<Item>;
  readonly #holdMs: number;
  readonly #retryMs: number;
  readonly #maxRetries: number;
  readonly #limit: number;
  #entries: Entry<Item>[] = [];
  #head = 0;
  readonly #hold: TimerTask;
  readonly #work: WorkTask;
  #waiting = false; // for the hold or the retry timer
  #plugged = false;
  #highWater = 0;
  #refused = 0;
  #retries = 0;
  #failed = 0;
  #runs = 0;
  #yields = 0;
  #processed = 0;
  #best = 0;

  constructor(loop: Loop, options: WorkQueueOptions<Item>) {
    this.#loop = loop;
    this.#options = options;
    this.#holdMs = options.holdMs ?? 0;
    this.#retryMs = options.retryMs ?? 100;
    this.#maxRetries = options.maxRetries ?? 3;
    this.#limit = options.limit ?? 65536;
    this.#work = loop.work(options.name, () => this.#slice());
    this.#hold = loop.timer(options.name, () => {
      this.#waiting = false;
      this.#start(0);
    });
  }

  get length(): number {
    return this.#entries.length - this.#head;
  }

  /** Queues an item; false where the queue is full. */
  add(item: Item): boolean {
    if (this.length >= this.#limit) {
      this.#refused++;
      return false;
    }
    this.#entries.push({ item, tries: 0 });
    if (this.length > this.#highWater) this.#highWater = this.length;
    if (this.length === 1) this.#start(this.#holdMs);
    return true;
  }

  /** Stops processing; items still come in. */
  plug(): void {
    this.#plugged = true;
  }

  unplug(): void {
    this.#plugged = false;
    this.#start(0);
  }

  stats(): WorkQueueStats {
    return {
      name: this.#options.name,
      items: this.length,
      highWater: this.#highWater,
      refused: this.#refused,
      holdMs: this.#holdMs,
      retries: this.#retries,
      failed: this.#failed,
      runs: this.#runs,
      yields: this.#yields,
      processed: this.#processed,
      best: this.#best,
    };
  }

  #start(delayMs: number): void {
    if (this.#plugged || this.#waiting || this.length === 0) return;
    if (delayMs === 0) this.#work.wake();
    else {
      this.#waiting = true;
      this.#hold.start(delayMs);
    }
  }

  #slice(): boolean {
    if (this.#waiting || this.#plugged) return false;
    this.#runs++;
    let done = 0;
    let more = false;
    // Items that are requeued wait for the next slice, or a queue of nothing but those would never let go.
    for (let left = this.length; left > 0; left--) {
      const entry = this.#entries[this.#head]!;
      const result = this.#options.process(entry.item);
      this.#processed++;
      done++;
      if (result === 'retry' && entry.tries < this.#maxRetries) {
        entry.tries++;
        this.#retries++;
        this.#start(this.#retryMs);
        break;
      }
      this.#shift();
      if (result === 'requeue') {
        this.#entries.push(entry);
        more = true;
      } else if (result !== 'done') {
        this.#failed++;
        this.#options.failed?.(entry.item);
      }
      if (left > 1 && this.#loop.shouldYield()) {
        this.#yields++;
        more = true;
        break;
      }
      if (this.#plugged) return false;
    }
    if (done > this.#best) this.#best = done;
    return !this.#waiting && (more || this.length > 0);
  }

  #shift(): void {
    this.#head++;
    // The spent front goes when it is half of the array: each item is moved once at most.
    if (this.#head >= 1024 && this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }
}

/** The text of `show work-queues`. */
export function formatWorkQueues(queues: readonly WorkQueueStats[]): string {
  const lines = [
    '   Items    Peak Refused    Hold      Runs   Yields     Total     Best  Retries   Failed  Name',
    ...queues.map(queue =>
      [
        String(queue.items).padStart(8),
        String(queue.highWater).padStart(7),
        String(queue.refused).padStart(7),
        String(queue.holdMs).padStart(7),
        String(queue.runs).padStart(9),
        String(queue.yields).padStart(8),
        String(queue.processed).padStart(9),
        String(queue.best).padStart(8),
        String(queue.retries).padStart(8),
        String(queue.failed).padStart(8),
        ` ${queue.name}`,
      ].join(' '),
    ),
  ];
  return `${lines.join('\n')}\n`;
}
