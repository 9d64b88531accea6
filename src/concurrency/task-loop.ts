// Named tasks on Node's loop. A round of ready tasks runs in one setImmediate, and the next round in another, so sockets,
// timers and messages get their turn between two rounds: at the latest after 2 ms of ours.
import { type Clock, type Interest, nodeClock, type Watch } from './clock.ts';
import type { Doorbell } from './doorbell.ts';
import { type BellTask, Tasks, type TimerTask } from './tasks.ts';

/** What to run when a descriptor is ready. */
export interface IoFunctions {
  readable?: () => void;
  writable?: () => void;
}

export class TaskLoop extends Tasks {
  readonly #clock: Clock;
  readonly #turn: () => void;
  #cancelTurn: (() => void) | undefined;
  #closed = false;
  readonly #closers: Set<() => void> = new Set<() => void>();

  constructor(name: string, clock: Clock = nodeClock) {
    super(name);
    this.#clock = clock;
    this.#turn = () => {
      this.#cancelTurn = undefined;
      // Where a task throws, the next ones still get their turn; the exception itself is the thread's.
      let more = true;
      try {
        more = this.round();
      } finally {
        if (more && !this.#cancelTurn && this.readyCount > 0) this.rouse();
      }
    };
  }

  now(): number {
    return this.#clock.now();
  }

  protected cpuUs(): number {
    return this.#clock.cpuUs();
  }

  protected rouse(): void {
    if (this.#closed || this.#cancelTurn) return;
    this.#cancelTurn = this.#clock.immediate(this.#turn);
  }

  timer(name: string, fn: () => void): TimerTask {
    let cancel: (() => void) | undefined;
    const task = this.makeTask(name, 'T', () => {
      fn();
      return false;
    });
    const disarm = (): void => {
      if (!cancel) return;
      cancel();
      cancel = undefined;
      task.account.active--;
      this.#closers.delete(disarm);
    };
    return {
      start: (ms: number): void => {
        disarm();
        this.dequeue(task);
        if (this.#closed) return;
        task.account.active++;
        this.#closers.add(disarm);
        cancel = this.#clock.timer(ms, () => {
          cancel = undefined;
          task.account.active--;
          this.#closers.delete(disarm);
          this.enqueue(task);
        });
      },
      stop: (): void => {
        disarm();
        this.dequeue(task);
      },
      get active(): boolean {
        return cancel !== undefined || (task.queued && !task.cancelled);
      },
    };
  }

  /** Runs functions when the descriptor is ready; level-triggered, so a function may leave the rest for its next turn.
   *  Watches for what has a function, until `set` says otherwise. */
  io(name: string, fd: number, functions: IoFunctions): Watch {
    const { readable, writable } = functions;
    const reader = readable && this.makeTask(name, 'R', () => (readable(), false));
    const writer = writable && this.makeTask(name, 'W', () => (writable(), false));
    let wanted: Interest = { readable: reader !== undefined, writable: writer !== undefined };
    const watch = this.#clock.watch(
      fd,
      wanted,
      ready => {
        if (ready.readable && reader && wanted.readable) this.enqueue(reader);
        if (ready.writable && writer && wanted.writable) this.enqueue(writer);
      },
      true,
    );
    const forget = (): void => {
      if (reader) this.dequeue(reader);
      if (writer) this.dequeue(writer);
    };
    const close = (): void => {
      if (!this.#closers.delete(close)) return;
      forget();
      watch.close();
    };
    this.#closers.add(close);
    return {
      set: interest => {
        wanted = interest;
        if (reader && !interest.readable) this.dequeue(reader);
        if (writer && !interest.writable) this.dequeue(writer);
        watch.set(interest);
      },
      close,
    };
  }

  /** Runs `fn` when the bell rings, and once at the start. `fn` takes what it finds in the rings behind the bell, a bounded
   *  amount, and returns whether it found anything; it is called until it finds nothing, once more after the bell was
   *  armed (doorbell.ts says why), and then sleeps. */
  doorbell(name: string, bell: Doorbell, fn: () => boolean): BellTask {
    const task = this.makeTask(name, 'R', () => {
      bell.disarm();
      if (fn()) return true;
      bell.arm();
      return fn();
    });
    const watch = this.#clock.watch(
      bell.fd,
      { readable: true },
      () => {
        bell.answer();
        this.enqueue(task);
      },
      false,
    );
    this.enqueue(task);
    const close = (): void => {
      if (!this.#closers.delete(close)) return;
      this.dequeue(task);
      watch.close();
    };
    this.#closers.add(close);
    return { wake: () => this.enqueue(task), close };
  }

  /** Stops timers and watches; nothing runs any more. */
  close(): void {
    this.#closed = true;
    this.#cancelTurn?.();
    this.#cancelTurn = undefined;
    for (const close of Array.from(this.#closers)) close();
  }
}
