// Keeps the groups of threads running. A thread that dies takes its group along, because what they share is broken; the
// group starts again with new shared structures after a back-off, and its configuration is told to it again.
//
//    starting ──▶ running ──crash──▶ the others end ──▶ back-off 0.1 s … 10 s ──▶ starting ──▶ configuration replayed
//                    │                                     (0.1 s again after a minute of peace)
//                    └──stop──▶ stopping ──▶ ended
//
// Routes stay in the kernel meanwhile: the threads are told `restart`, and the new zebra adopts what it finds.
//
// A thread on Node's loop that does not answer cannot be ended from outside (thread.ts of concurrency). Then the process is
// what has to go: `hopeless` is called, and whoever runs the daemon starts it again, with all routes still in place.
import { type TaskLoop, Thread, type TimerTask } from '../concurrency/index.ts';
import type { ThreadInfo } from './main-commands.ts';
import type { GroupLife, GroupPlan, ThreadPlan } from './threads.ts';

export interface SupervisorOptions {
  readonly loop: TaskLoop;
  readonly plans: readonly GroupPlan[];
  readonly log: (text: string) => void;
  /** A group runs again: its configuration has to be told to these threads. */
  readonly restarted: (threads: readonly string[]) => Promise<void>;
  /** A thread hangs and can not be ended. */
  readonly hopeless: (reason: string) => void;
  /** Back-off after the first crash, and at most; milliseconds. */
  readonly backoffMs?: readonly [first: number, most: number];
}

type State = 'starting' | 'running' | 'restarting' | 'stopping' | 'ended';

/** How long the members of a group that lost one may take to end. */
const RESTART_GRACE_MS = 5000;
/** How often it is asked whether a thread hangs. */
const WATCH_MS = 1000;
/** After this long without a crash a group is healthy again. */
const PEACE_MS = 60_000;

class Group {
  readonly plan: GroupPlan;
  state: State = 'starting';
  life: GroupLife | undefined;
  threads: Map<string, Thread> = new Map();
  names: readonly string[] = [];
  restarts = 0;
  sinceMs: number | undefined;
  readonly lastError: Map<string, string> = new Map();
  backoffMs = 0;
  timer: TimerTask | undefined;
  /** The end of a life, while one is ending. */
  ending: Promise<void> | undefined;
  /** The restart that is under way. */
  restarting: Promise<void> | undefined;

  constructor(plan: GroupPlan) {
    this.plan = plan;
  }
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #groups: Group[];
  readonly #firstBackoffMs: number;
  readonly #mostBackoffMs: number;
  readonly #watch: TimerTask;
  #stopping = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#watch = options.loop.timer('watch', () => this.#look());
    this.#groups = options.plans.map(plan => new Group(plan));
    [this.#firstBackoffMs, this.#mostBackoffMs] = options.backoffMs ?? [100, 10_000];
  }

  /** Starts every group, one after the other. Where one can not be started all are stopped, and the error thrown. */
  async start(): Promise<void> {
    for (const group of this.#groups) {
      try {
        await this.#begin(group);
      } catch (error) {
        await this.stop(RESTART_GRACE_MS);
        throw error;
      }
    }
    this.#watch.start(WATCH_MS);
  }

  /** Asks who may hang; one that does has died. */
  #look(): void {
    for (const group of this.#groups) {
      if (group.state !== 'running') continue;
      for (const { name, hung } of group.life?.threads ?? []) {
        const reason = hung?.();
        if (reason !== undefined) this.#crashed(group, name, new Error(reason));
      }
    }
    if (!this.#stopping) this.#watch.start(WATCH_MS);
  }

  /** The thread of this name, while it runs. */
  thread(name: string): Thread | undefined {
    for (const group of this.#groups) {
      const thread = group.threads.get(name);
      if (thread?.running) return thread;
    }
    return undefined;
  }

  /** All threads, those between two lives included. */
  threads(): ThreadInfo[] {
    return this.#groups.flatMap(group =>
      group.names.map(name => {
        const lastError = group.lastError.get(name);
        return {
          name,
          state: group.state,
          restarts: group.restarts,
          ...(group.sinceMs === undefined ? {} : { since: group.sinceMs }),
          ...(lastError === undefined ? {} : { lastError }),
        };
      }),
    );
  }

  /** Ends everything in order, the last group first. False where something is left after `deadlineMs`. */
  async stop(deadlineMs: number): Promise<boolean> {
    this.#stopping = true;
    this.#watch.stop();
    const until = performance.now() + deadlineMs;
    let clean = true;
    for (const group of Array.from(this.#groups).reverse()) {
      group.timer?.stop();
      // Threads that are starting just now have to be there before they can be stopped.
      await group.ending;
      await group.restarting;
      await group.ending;
      group.state = 'stopping';
      // In the plan's order, which is not that in which they became ready.
      for (const name of group.names) {
        const thread = group.threads.get(name);
        if (!thread) continue;
        const graceMs = Math.max(100, until - performance.now());
        if (await thread.stop(graceMs, 'end')) continue;
        this.#options.log(`thread ${thread.name} did not end within ${Math.round(graceMs)} ms`);
        clean = false;
      }
      if (!clean) return false;
      this.#dispose(group);
      group.state = 'ended';
    }
    return clean;
  }

  async #begin(group: Group): Promise<void> {
    const life = group.plan.begin();
    group.life = life;
    group.threads = new Map();
    group.names = life.threads.map(({ name }) => name);
    const started = await Promise.allSettled(life.threads.map(plan => this.#startThread(group, life, plan)));
    const failed = started.find(result => result.status === 'rejected');
    if (failed) {
      await this.#endLife(group);
      throw failed.reason;
    }
    // One may have died while the others were still starting.
    if (group.ending) throw new Error(`a thread of ${group.plan.name} died while the others started`);
    group.state = 'running';
    group.sinceMs = Date.now();
  }

  async #startThread(group: Group, life: GroupLife, plan: ThreadPlan): Promise<void> {
    try {
      const thread = await Thread.start({
        name: plan.name,
        entry: plan.entry,
        data: plan.data,
        ownLoop: plan.ownLoop,
        onMessage: message => this.#options.log(`${plan.name}: ${String(message)}`),
        onCrash: error => {
          if (group.life === life) this.#crashed(group, plan.name, error);
        },
      });
      group.threads.set(plan.name, thread);
    } catch (error) {
      group.lastError.set(plan.name, (error as Error).message);
      throw error;
    }
  }

  #crashed(group: Group, name: string, error: Error): void {
    group.lastError.set(name, error.message);
    if (this.#stopping) {
      this.#options.log(`thread ${name} died while the daemon was stopping: ${error.message}`);
      return;
    }
    this.#options.log(`thread ${name} died: ${error.stack ?? error.message}`);
    if (group.ending) return;
    const wasRunning = group.state === 'running';
    group.state = 'restarting';
    group.ending = this.#endLife(group).then(() => {
      group.ending = undefined;
      // A start that is under way sees the failure itself, and retries or gives up.
      if (wasRunning) this.#schedule(group);
    });
  }

  /** Ends what is left of a life, and lets go of what its threads shared. */
  async #endLife(group: Group): Promise<void> {
    const left = Array.from(group.threads.values());
    const ended = await Promise.all(left.map(thread => thread.stop(RESTART_GRACE_MS, 'restart')));
    const stuck = left.filter((_, index) => !ended[index]);
    if (stuck.length > 0) {
      const names = stuck.map(({ name }) => name).join(', ');
      this.#options.hopeless(`${names} did not end within ${RESTART_GRACE_MS} ms`);
      return;
    }
    this.#dispose(group);
  }

  #dispose(group: Group): void {
    const life = group.life;
    group.life = undefined;
    group.threads = new Map();
    life?.dispose();
  }

  #schedule(group: Group): void {
    if (this.#stopping) return;
    const peaceful = group.sinceMs !== undefined && Date.now() - group.sinceMs >= PEACE_MS;
    group.backoffMs =
      group.backoffMs === 0 || peaceful ? this.#firstBackoffMs : Math.min(this.#mostBackoffMs, group.backoffMs * 2);
    group.timer ??= this.#options.loop.timer(`restart ${group.plan.name}`, () => {
      group.restarting = this.#restart(group).finally(() => (group.restarting = undefined));
    });
    this.#options.log(`${group.plan.name} starts again in ${group.backoffMs} ms`);
    group.timer.start(group.backoffMs);
  }

  async #restart(group: Group): Promise<void> {
    if (this.#stopping) return;
    group.restarts++;
    group.state = 'restarting';
    try {
      await this.#begin(group);
    } catch (error) {
      this.#options.log(`${group.plan.name} cannot be started: ${(error as Error).message}`);
      await group.ending;
      group.state = 'restarting';
      this.#schedule(group);
      return;
    }
    if (this.#stopping) return;
    this.#options.log(`${group.plan.name} runs again (restart ${group.restarts})`);
    try {
      await this.#options.restarted(group.names);
    } catch (error) {
      this.#options.log(`${group.plan.name}: its configuration was not replayed: ${(error as Error).message}`);
    }
  }
}
