// The time of day of a worker's clock: `now` of its node, moved by what the two differ at the start. Read once a round like that one, and
// moved by a test's clock like that one.

export class WallClock {
  readonly #offset: number;

  /** `now`: what the worker's clock says at this moment. */
  constructor(now: number) {
    this.#offset = performance.timeOrigin + performance.now() - now;
  }

  /** Milliseconds since 1970 when the worker's clock says, or said, `now`. */
  at(now: number): number {
    return now + this.#offset;
  }
}
