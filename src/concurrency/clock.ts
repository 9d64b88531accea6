// Where a task loop gets its time, its turns and its file descriptors from: Node, or a clock that a test moves by hand.
import { performance } from 'node:perf_hooks';
import { libc, threadCpuUs, watchFd } from '../sys/index.ts';

/** What to watch a file descriptor for. */
export interface Interest {
  readable?: boolean;
  writable?: boolean;
}

/** A watched file descriptor. */
export interface Watch {
  set(interest: Interest): void;
  close(): void;
}

export interface Clock {
  /** Milliseconds, monotonic, with fractions. */
  now(): number;
  /** CPU time of this thread in microseconds. */
  cpuUs(): number;
  /** Runs `fn` once, after pending I/O had its turn; the result cancels. */
  immediate(fn: () => void): () => void;
  /** Runs `fn` once after `ms`; the result cancels. */
  timer(ms: number, fn: () => void): () => void;
  /** Calls `fn` whenever the descriptor is ready. An `owned` one that is still watched when the thread ends is closed. */
  watch(fd: number, interest: Interest, fn: (ready: Interest) => void, owned: boolean): Watch;
}

// A watch still open when its thread ends would call into an environment that is being torn down, and koffi then aborts the
// whole process; so those of this module are closed when the thread says goodbye. Descriptors belong to the process, and
// one whose thread died by an exception would stay open for ever: a peer would never hear that its session is over, and the
// next thread could not listen on the port. So those die with their thread, too.
const open: Set<Watch> = new Set<Watch>();
const owners: Set<() => Iterable<number>> = new Set<() => Iterable<number>>();
process.on('exit', () => {
  const descriptors = Array.from(owners, owner => Array.from(owner())).flat();
  for (const watch of open) watch.close();
  for (const fd of descriptors) libc.close(fd);
});

/** Descriptors that are closed when this thread ends, if `fn` still gives them then. */
export function closeAtEnd(fn: () => Iterable<number>): void {
  owners.add(fn);
}

const ownedByNode: Map<Watch, number> = new Map<Watch, number>();
closeAtEnd(() => ownedByNode.values());

/** Node's loop of this thread. */
export const nodeClock: Clock = {
  now: () => performance.now(),
  cpuUs: () => threadCpuUs(),
  immediate(fn) {
    const handle = setImmediate(fn);
    return () => clearImmediate(handle);
  },
  timer(ms, fn) {
    const handle = setTimeout(fn, ms);
    return () => clearTimeout(handle);
  },
  watch(fd, interest, fn, owned) {
    const inner = watchFd(fd, interest, fn);
    const watch: Watch = {
      set: next => inner.set(next),
      close(): void {
        open.delete(watch);
        ownedByNode.delete(watch);
        inner.close();
      },
    };
    open.add(watch);
    if (owned) ownedByNode.set(watch, fd);
    return watch;
  },
};

/** Node's loop for work that shall not be in anybody's way: its turns wait until `other` has nothing to do. */
export function idleClock(other: { readonly busy: boolean }): Clock {
  return {
    ...nodeClock,
    immediate(fn) {
      let handle = setImmediate(function turn() {
        if (other.busy) handle = setImmediate(turn);
        else fn();
      });
      return () => clearImmediate(handle);
    },
  };
}

interface Due {
  atMs: number;
  order: number;
  fn: () => void;
}

/** A clock that stands still until a test moves it. Timers of the same moment run in the order they were started. */
export class VirtualClock implements Clock {
  #nowMs = 0;
  #order = 0;
  #timers: Due[] = [];
  #immediates: (() => void)[] = [];

  now(): number {
    return this.#nowMs;
  }

  cpuUs(): number {
    return this.#nowMs * 1000;
  }

  immediate(fn: () => void): () => void {
    this.#immediates.push(fn);
    return () => {
      this.#immediates = this.#immediates.filter(other => other !== fn);
    };
  }

  timer(ms: number, fn: () => void): () => void {
    const due: Due = { atMs: this.#nowMs + ms, order: this.#order++, fn };
    this.#timers.push(due);
    return () => {
      this.#timers = this.#timers.filter(other => other !== due);
    };
  }

  watch(): Watch {
    throw new Error('VirtualClock watches no file descriptors');
  }

  /** Pretends that the running task takes `ms`. */
  consume(ms: number): void {
    this.#nowMs += ms;
  }

  /** Runs what is ready now, and what that makes ready, without moving the clock. */
  settle(limit = 100_000): void {
    for (let turns = 0; this.#immediates.length > 0; turns++) {
      if (turns === limit) throw new Error(`VirtualClock: still busy after ${limit} turns`);
      this.#immediates.shift()!();
    }
  }

  /** Moves the clock by `ms`, stopping at every timer on the way. */
  advance(ms: number): void {
    const until = this.#nowMs + ms;
    this.settle();
    for (;;) {
      let next: Due | undefined;
      for (const due of this.#timers) {
        if (due.atMs > until) continue;
        if (!next || due.atMs < next.atMs || (due.atMs === next.atMs && due.order < next.order)) next = due;
      }
      if (!next) break;
      this.#timers = this.#timers.filter(due => due !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.fn();
      this.settle();
    }
    this.#nowMs = Math.max(this.#nowMs, until);
  }

  /** Milliseconds until the next timer, or undefined where none is started. */
  nextTimerMs(): number | undefined {
    if (this.#timers.length === 0) return undefined;
    return Math.min(...this.#timers.map(due => due.atMs)) - this.#nowMs;
  }
}
