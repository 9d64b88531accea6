// Named tasks on a loop of its own around poll(2), for a thread that must not depend on Node's: its descriptors are
// answered in one system call, and an idle turn costs no more than that call.
//
//    ┌─▶ round of ready tasks ─▶ rings behind the bells ─▶ nothing to do? arm bells, look again ─▶ poll(2) ─┐
//    └──────────────────────────────────────────────────────────────────────────────────────────────────────┘
//
// poll(2) sleeps until the next timer when nothing is ready, and does not sleep at all otherwise, so descriptors have
// their turn after each round (2 ms at most) even under full load. While the thread is in `run`, Node's loop in it
// stands still: messages from main come in by a doorbell and are fetched (thread.ts, `poll`).
import { performance } from 'node:perf_hooks';
import { E, errno, libc, SysError, threadCpuUs } from '../sys/index.ts';
import { closeAtEnd, type Interest, type Watch } from './clock.ts';
import type { Doorbell } from './doorbell.ts';
import type { IoFunctions } from './task-loop.ts';
import { type BellTask, type Task, Tasks, type TimerTask } from './tasks.ts';

const POLLIN = 1;
const POLLOUT = 4;
const POLLERR_HUP_NVAL: number = 8 | 16 | 32;

interface Entry {
  fd: number;
  events: number;
  reader: Task | undefined;
  writer: Task | undefined;
}

interface Bell {
  bell: Doorbell;
  fn: () => boolean;
  task: Task;
  entry: Entry;
}

interface Timer {
  dueMs: number; // Infinity: not started
  task: Task;
}

export class PollLoop extends Tasks {
  #entries: Entry[] = [];
  #bells: Bell[] = [];
  readonly #timers: Timer[] = [];
  #stopped = false;
  #dirty = true; // the pollfd array does not describe #entries
  #pollfds = new Uint8Array(8 * 16);
  #words = new Int32Array(this.#pollfds.buffer);
  #halves = new Int16Array(this.#pollfds.buffer);

  constructor(name: string) {
    super(name);
    // Doorbells are their maker's; what has a reader or a writer is this thread's.
    closeAtEnd(() => this.#entries.filter(entry => entry.reader ?? entry.writer).map(({ fd }) => fd));
  }

  now(): number {
    return performance.now();
  }

  protected cpuUs(): number {
    return threadCpuUs();
  }

  protected rouse(): void {
    // `run` looks by itself.
  }

  timer(name: string, fn: () => void): TimerTask {
    const task = this.makeTask(name, 'T', () => {
      fn();
      return false;
    });
    const timer: Timer = { dueMs: Number.POSITIVE_INFINITY, task };
    this.#timers.push(timer);
    return {
      start: (ms: number): void => {
        this.dequeue(task);
        if (timer.dueMs === Number.POSITIVE_INFINITY) task.account.active++;
        timer.dueMs = this.now() + ms;
      },
      stop: (): void => {
        this.dequeue(task);
        if (timer.dueMs !== Number.POSITIVE_INFINITY) task.account.active--;
        timer.dueMs = Number.POSITIVE_INFINITY;
      },
      get active(): boolean {
        return timer.dueMs !== Number.POSITIVE_INFINITY || (task.queued && !task.cancelled);
      },
    };
  }

  /** As TaskLoop's: level-triggered, watches for what has a function until `set` says otherwise. */
  io(name: string, fd: number, functions: IoFunctions): Watch {
    const { readable, writable } = functions;
    const entry: Entry = {
      fd,
      events: (readable ? POLLIN : 0) | (writable ? POLLOUT : 0),
      reader: readable && this.makeTask(name, 'R', () => (readable(), false)),
      writer: writable && this.makeTask(name, 'W', () => (writable(), false)),
    };
    this.#entries.push(entry);
    this.#dirty = true;
    return {
      set: (interest: Interest): void => {
        entry.events = (interest.readable ? POLLIN : 0) | (interest.writable ? POLLOUT : 0);
        if (entry.reader && !interest.readable) this.dequeue(entry.reader);
        if (entry.writer && !interest.writable) this.dequeue(entry.writer);
        this.#dirty = true;
      },
      close: (): void => {
        this.#remove(entry);
      },
    };
  }

  /** As TaskLoop's: `fn` takes a bounded amount from the rings behind the bell and returns whether it found anything. */
  doorbell(name: string, bell: Doorbell, fn: () => boolean): BellTask {
    const task = this.makeTask(name, 'R', fn);
    const entry: Entry = { fd: bell.fd, events: POLLIN, reader: undefined, writer: undefined };
    const rung: Bell = { bell, fn, task, entry };
    this.#bells.push(rung);
    this.#entries.push(entry);
    this.#dirty = true;
    this.enqueue(task);
    return {
      wake: () => this.enqueue(task),
      close: () => {
        this.dequeue(task);
        this.#bells = this.#bells.filter(other => other !== rung);
        this.#remove(entry);
      },
    };
  }

  /** Runs until `stop`. */
  run(): void {
    this.#stopped = false;
    while (!this.#stopped) this.turn();
  }

  /** Makes `run` return after the present round. */
  stop(): void {
    this.#stopped = true;
  }

  /** One turn: a round of tasks, then poll(2), which sleeps at most `maxWaitMs` and only when nothing is ready. */
  turn(maxWaitMs: number = Number.POSITIVE_INFINITY): void {
    if (this.readyCount > 0) this.round();
    if (this.#stopped) return;
    if (this.readyCount > 0) {
      this.#poll(0);
    } else {
      for (const { bell } of this.#bells) bell.arm();
      // The re-check runs as a round, so that its time is somebody's.
      for (const { task } of this.#bells) this.enqueue(task);
      if (this.readyCount > 0) this.round();
      const idle = this.readyCount === 0 && !this.#stopped;
      this.#poll(idle ? Math.min(maxWaitMs, this.#nextTimerMs()) : 0);
      for (const { bell } of this.#bells) bell.disarm();
    }
    this.#expire();
    // Under load nobody rings, because the flag is down: look at the rings every turn.
    for (const { task } of this.#bells) this.enqueue(task);
  }

  #nextTimerMs(): number {
    let due = Number.POSITIVE_INFINITY;
    for (const timer of this.#timers) if (timer.dueMs < due) due = timer.dueMs;
    return due === Number.POSITIVE_INFINITY ? due : Math.max(0, Math.ceil(due - this.now()));
  }

  #expire(): void {
    if (this.#timers.length === 0) return;
    const now = this.now();
    for (const timer of this.#timers) {
      if (timer.dueMs > now) continue;
      timer.dueMs = Number.POSITIVE_INFINITY;
      timer.task.account.active--;
      this.enqueue(timer.task);
    }
  }

  #remove(entry: Entry): void {
    this.#entries = this.#entries.filter(other => other !== entry);
    if (entry.reader) this.dequeue(entry.reader);
    if (entry.writer) this.dequeue(entry.writer);
    this.#dirty = true;
  }

  #layOut(): void {
    this.#dirty = false;
    if (this.#entries.length * 8 > this.#pollfds.length) {
      this.#pollfds = new Uint8Array(this.#entries.length * 16);
      this.#words = new Int32Array(this.#pollfds.buffer);
      this.#halves = new Int16Array(this.#pollfds.buffer);
    }
    this.#entries.forEach((entry, i) => {
      // A negative descriptor is skipped by poll(2), which otherwise reports errors nobody asked about.
      this.#words[i * 2] = entry.events === 0 ? -1 : entry.fd;
      this.#halves[i * 4 + 2] = entry.events;
    });
  }

  #poll(timeoutMs: number): void {
    if (this.#dirty) this.#layOut();
    const count = this.#entries.length;
    const timeout = timeoutMs === Number.POSITIVE_INFINITY ? -1 : timeoutMs;
    const ready = libc.poll(this.#pollfds, count, timeout);
    if (ready < 0) {
      const code = errno();
      if (code === E.EINTR) return;
      throw new SysError('poll', code);
    }
    for (let i = 0, left = ready; left > 0 && i < count; i++) {
      const found = this.#halves[i * 4 + 3]!;
      if (found === 0) continue;
      left--;
      const entry = this.#entries[i]!;
      // An error or hang-up goes to whoever watches: the next read or write reports it.
      const any = (found & POLLERR_HUP_NVAL) !== 0;
      if (entry.reader && (any || found & POLLIN) && entry.events & POLLIN) this.enqueue(entry.reader);
      if (entry.writer && (any || found & POLLOUT) && entry.events & POLLOUT) this.enqueue(entry.writer);
      if (!entry.reader && !entry.writer) this.#bells.find(rung => rung.entry === entry)?.bell.answer();
    }
  }
}
