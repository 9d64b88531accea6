// Named tasks: what a thread has to do, in turns, with the time each name took. The queue and the accounts are here;
// where turns and readiness come from is the loop's (task-loop.ts: Node's; poll-loop.ts: its own poll(2)).
//
//    ready: [ bell ][ decision ][ timer ] ◀── schedule: at the end, and never twice
//              │
//              ▼ one round: each task that was ready when it began runs once, at most 2 ms in all; then I/O has its turn
//
// A task that has more to do than 2 ms of it (`shouldYield`) returns true and goes to the end of the queue, so one long
// walk never keeps the others waiting for more than its slice.
//
// CPU time costs a system call to read, more than many a task takes. So it is read at the start of a round and after each
// slice that took 100 µs or more; a shorter slice is taken to have had the CPU all the time.

/** R read, W write, T timer, E event or work: as FRR shows them. */
export type TaskType = 'R' | 'W' | 'T' | 'E';

/** A task that runs when something schedules it; scheduling it again before it ran changes nothing. */
export interface EventTask {
  schedule(): void;
  /** Forgets a `schedule` that has not run yet. */
  cancel(): void;
}

export interface TimerTask {
  /** Runs once after `ms`; a timer that is running starts afresh. */
  start(ms: number): void;
  stop(): void;
  /** Started, and has not run since. */
  readonly active: boolean;
}

/** Work in slices. */
export interface WorkTask {
  /** There is something to do; runs slices until the function returns false. */
  wake(): void;
}

/** A doorbell's task. */
export interface BellTask {
  /** Looks at the rings without being rung: after this thread changed what it is willing to take. */
  wake(): void;
  close(): void;
}

/** Accounts of one name, as `show event cpu` shows them. */
export interface TaskStats {
  name: string;
  types: string;
  active: number;
  invoked: number;
  runtimeMs: number;
  cpuAverageUs: number;
  cpuMaxUs: number;
  realAverageUs: number;
  realMaxUs: number;
}

class Account {
  readonly name: string;
  types = '';
  active = 0;
  invoked = 0;
  cpuUs = 0;
  cpuMaxUs = 0;
  realUs = 0;
  realMaxUs = 0;

  constructor(name: string) {
    this.name = name;
  }
}

/** One thing that can be ready. Belongs to the loop that made it. */
export class Task {
  readonly account: Account;
  readonly run: () => boolean;
  queued = false;
  cancelled = false;

  constructor(account: Account, run: () => boolean) {
    this.account = account;
    this.run = run;
  }
}

/** A task yields after this long, and a round ends. */
export const YIELD_MS = 2;
const SAMPLE_US = 100;

export abstract class Tasks {
  readonly name: string;
  #queue: (Task | undefined)[] = new Array<Task | undefined>(16).fill(undefined);
  #head = 0;
  #count = 0;
  #startMs = 0;
  #cpuSampleUs = 0; // CPU time when it was last read
  #cpuAssumedUs = 0; // charged to short slices since
  readonly #accounts: Map<string, Account> = new Map<string, Account>();

  constructor(name: string) {
    this.name = name;
  }

  /** Milliseconds, monotonic. */
  abstract now(): number;
  protected abstract cpuUs(): number;
  /** Something became ready while nothing was. */
  protected abstract rouse(): void;

  /** A task run by `schedule`. */
  event(name: string, fn: () => void): EventTask {
    const task = this.makeTask(name, 'E', () => {
      fn();
      return false;
    });
    return { schedule: () => this.enqueue(task), cancel: () => this.dequeue(task) };
  }

  /** Work in slices: `fn` returns true while there is more. */
  work(name: string, fn: () => boolean): WorkTask {
    const task = this.makeTask(name, 'E', fn);
    return { wake: () => this.enqueue(task) };
  }

  /** True when the running task has had its 2 ms. Costs a look at the clock: ask once per batch, not per item. */
  shouldYield(): boolean {
    return this.now() - this.#startMs >= YIELD_MS;
  }

  /** Runs `fn` at once and charges it to `name`: for callbacks that Node makes outside the loop's rounds. */
  charge<T>(name: string, type: TaskType, fn: () => T): T {
    const account = this.accountOf(name, type);
    const outer = this.#startMs;
    const start = this.now();
    this.#startMs = start;
    try {
      return fn();
    } finally {
      this.#settle(account, (this.now() - start) * 1000);
      this.#startMs = outer;
    }
  }

  /** Accounts of all names, in the order they were first used. */
  stats(): TaskStats[] {
    return Array.from(this.#accounts.values(), account => ({
      name: account.name,
      types: account.types,
      active: account.active,
      invoked: account.invoked,
      runtimeMs: account.cpuUs / 1000,
      cpuAverageUs: account.invoked > 0 ? account.cpuUs / account.invoked : 0,
      cpuMaxUs: account.cpuMaxUs,
      realAverageUs: account.invoked > 0 ? account.realUs / account.invoked : 0,
      realMaxUs: account.realMaxUs,
    }));
  }

  /** Forgets the times, not what is scheduled. */
  clearStats(): void {
    for (const account of this.#accounts.values()) {
      account.invoked = account.cpuUs = account.cpuMaxUs = account.realUs = account.realMaxUs = 0;
    }
  }

  /** Something is ready to run. */
  get busy(): boolean {
    return this.#count > 0;
  }

  /** Tasks that are ready. */
  protected get readyCount(): number {
    return this.#count;
  }

  protected makeTask(name: string, type: TaskType, run: () => boolean): Task {
    return new Task(this.accountOf(name, type), run);
  }

  protected accountOf(name: string, type: TaskType): Account {
    let account = this.#accounts.get(name);
    if (!account) this.#accounts.set(name, (account = new Account(name)));
    if (!account.types.includes(type)) account.types += type;
    return account;
  }

  protected enqueue(task: Task): void {
    task.cancelled = false;
    if (task.queued) return;
    task.queued = true;
    task.account.active++;
    if (this.#count === this.#queue.length) this.#grow();
    this.#queue[(this.#head + this.#count++) & (this.#queue.length - 1)] = task;
    if (this.#count === 1) this.rouse();
  }

  protected dequeue(task: Task): void {
    if (task.queued) task.cancelled = true;
  }

  /** Runs each task that is ready now once, until the round's time is up. True where tasks are ready afterwards. */
  protected round(): boolean {
    let now = this.now();
    const until = now + YIELD_MS;
    this.#cpuSampleUs = this.cpuUs();
    this.#cpuAssumedUs = 0;
    for (let left = this.#count; left > 0; left--) {
      const task = this.#shift();
      if (task.cancelled) continue;
      this.#startMs = now;
      const more = task.run();
      const end = this.now();
      this.#settle(task.account, (end - now) * 1000);
      if (more) this.enqueue(task);
      now = end;
      if (now >= until) break;
    }
    return this.#count > 0;
  }

  #shift(): Task {
    const task = this.#queue[this.#head]!;
    this.#queue[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#queue.length - 1);
    this.#count--;
    task.queued = false;
    task.account.active--;
    return task;
  }

  #grow(): void {
    const size = this.#queue.length;
    const bigger = new Array<Task | undefined>(size * 2).fill(undefined);
    for (let i = 0; i < this.#count; i++) bigger[i] = this.#queue[(this.#head + i) & (size - 1)];
    this.#queue = bigger;
    this.#head = 0;
  }

  #settle(account: Account, realUs: number): void {
    let cpuUs = realUs;
    if (realUs >= SAMPLE_US) {
      const sample = this.cpuUs();
      cpuUs = Math.min(realUs, Math.max(0, sample - this.#cpuSampleUs - this.#cpuAssumedUs));
      this.#cpuSampleUs = sample;
      this.#cpuAssumedUs = 0;
    } else this.#cpuAssumedUs += realUs;
    account.invoked++;
    account.realUs += realUs;
    account.cpuUs += cpuUs;
    if (realUs > account.realMaxUs) account.realMaxUs = realUs;
    if (cpuUs > account.cpuMaxUs) account.cpuMaxUs = cpuUs;
  }
}
