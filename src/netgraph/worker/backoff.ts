// How long a worker that died is waited for: the first time not at all, since others have to do its work meanwhile; then, where it dies again
// and again, longer each time, up to a limit, since each start costs them something, too.
const PEACE_MS = 10_000;

/** Milliseconds. */
export type BackoffRange = readonly [first: number, most: number];

export class Backoff {
  readonly #first: number;
  readonly #most: number;
  #next = 0;
  #since = 0;

  constructor([first, most]: BackoffRange) {
    this.#first = first;
    this.#most = most;
  }

  /** It works. */
  begun(now: number): void {
    this.#since = now;
  }

  /** It has died; how long until the next begins. One that had lived for a while is forgiven what was before. */
  died(now: number): number {
    const delay = now - this.#since >= PEACE_MS ? 0 : this.#next;
    this.#next = delay === 0 ? this.#first : Math.min(this.#most, delay * 2);
    return delay;
  }
}
