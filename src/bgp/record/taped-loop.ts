// A loop whose tasks' turns, times and slices are on tape. Recording, the real loop decides; playing, there is none: the tape
// says whose turn it is.
import type { EventTask, Loop, TaskStats, TimerTask, WorkTask } from '../../concurrency/index.ts';
import type { Deck } from './deck.ts';
import { Tag } from './tape.ts';

export class TapedLoop implements Loop {
  readonly #deck: Deck;

  constructor(deck: Deck) {
    this.#deck = deck;
  }

  event(name: string, fn: () => void): EventTask {
    const run = this.#task(() => {
      fn();
      return false;
    });
    return this.#deck.real?.loop.event(name, run) ?? { schedule() {}, cancel() {} };
  }

  work(name: string, fn: () => boolean): WorkTask {
    const run = this.#task(fn);
    return this.#deck.real?.loop.work(name, run) ?? { wake() {} };
  }

  timer(name: string, fn: () => void): TimerTask {
    let active = false;
    const run = this.#task(() => {
      active = false;
      fn();
      return false;
    });
    const timer = this.#deck.real?.loop.timer(name, run);
    return {
      start(ms) {
        active = true;
        timer?.start(ms);
      },
      stop() {
        active = false;
        timer?.stop();
      },
      get active() {
        return active;
      },
    };
  }

  now(): number {
    return this.#deck.tape.time(() => this.#deck.real!.loop.now());
  }

  shouldYield(): boolean {
    return this.#deck.tape.flag(() => this.#deck.real!.loop.shouldYield());
  }

  /** For people; a speaker does not look at it. */
  stats(): TaskStats[] {
    return this.#deck.real?.loop.stats() ?? [];
  }

  /** What the real loop is to run. */
  #task(fn: () => boolean): () => boolean {
    const party = this.#deck.add(tag => {
      if (tag === Tag.run) fn();
    });
    return () => {
      this.#deck.entry(Tag.run, party);
      return fn();
    };
  }
}
