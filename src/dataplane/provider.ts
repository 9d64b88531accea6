// A provider is one stage of the pipeline: it takes contexts from its in queue, does what it does, and finishes them into its
// out queue, from where they go to the next provider and at last back to zebra. The kernel is one; others come before it
// (and may change or veto) or after it (and see what the kernel took).
//
//            in             held             out
//     ──▶ ┌───────┐ take ┌────────┐ finish ┌───────┐ ──▶ the next provider
//         └───────┘ ┌──▶ └────────┘ ──┐    └───────┘
//     ◀── ┌───────┐ │            fail │    ┌───────┐ ◀── a later provider failed it: FLAG_UNDO
//         │ back  │ │◀────────────────┘    │ undo  │
//         └───────┘ └──────────────────────└───────┘
//
// The rules that keep the order: a provider finishes contexts in the order in which it took them, and zebra has at most one
// of an object under way, so nothing overtakes anything of the same object. What it fails goes no further: it turns round, and
// the providers before that took it are offered it, latest first, to take back what they did for it.
//
// In and out are bounded. `take` gives nothing when the out queue could not hold what is taken already, so a stalled provider
// stalls those before it and in the end zebra, rather than growing. The way back is never blocked: its queues hold a pool.
//
// A provider that takes nothing of what waits is left alone until something happens: another cycle is asked for only after
// one that got somewhere. It rings the bell, or says `wakeInMs`, when it can go on.
//
// A provider that throws, or breaks these rules, is fenced: what it held fails with its number, and from then on it is passed
// by, until it is restarted.
import { E } from '../sys/index.ts';
import { FLAG_UNDO, FLAG_UNDO_FAILED, STATUS_FAILED } from './constants.ts';
import type { ContextPool } from './context.ts';
import { describeContext } from './describe.ts';

export type ProviderPriority = 'pre-kernel' | 'kernel' | 'post-kernel' | 'last';

/** What the dataplane is to a provider. */
export interface ProviderHost {
  /** The provider's number: in contexts that it failed, and in those for it alone. */
  readonly id: number;
  /** Rung from any thread, gives the provider a cycle soon. */
  readonly bell: SharedArrayBuffer;
  readonly log: (text: string) => void;
  /**
   * A follower asks to be told everything again, from nothing: between a REPLAY_BEGIN, until which whatever comes is of no use
   * any more, and a REPLAY_END. A route that it is told takes the place of what it was told of that prefix and table before.
   */
  readonly replay: () => void;
  /**
   * Tells zebra what the provider saw happen: a notification of this operation, in one slot, that `fill` completes. Of routes
   * (ROUTE, ROUTE_GONE): what the kernel has of other things is told by the kernel alone, and zebra passes the rest over. False
   * where there is no room now: nothing was told, and a cycle comes when there may be room again.
   */
  readonly notify: (op: number, fill: (pool: ContextPool, handle: number) => void) => boolean;
}

export interface Provider {
  readonly name: string;
  /** Providers run in the order of priority, then of registration. */
  readonly priority: ProviderPriority;
  /** PROVIDER_* bits. */
  readonly flags?: number;
  /** Contexts that either queue holds at most; 2048 unless told. */
  readonly queueLimit?: number;
  /** Contexts it may take in one cycle; 1024 unless told. A provider with more to do gets its turn in the next cycle. */
  readonly workLimit?: number;
  /** To finish nothing for so long, of what it holds or could take, is to be fenced. Absent: it may keep everybody waiting. */
  readonly timeoutMs?: number;
  /** Called once, before its first cycle. */
  start?(host: ProviderHost): void;
  /**
   * Called in each cycle, work or not. Must not wait. What it takes may be of another network namespace (`pool.namespace`), which
   * has its own tables and interface numbers: who serves only the daemon's own passes that on.
   */
  process(work: ProviderWork): void;
  /**
   * Every result and every notification on its way to zebra, in that order. Must not change or keep it. Not asked of one in a
   * worker, which would have to be waited for.
   */
  observe?(pool: ContextPool, handle: number): void;
  /** Milliseconds after which it wants a cycle although nothing comes in (a retry); -1 = none. */
  wakeInMs?(): number;
  /**
   * The end comes. Early: before zebra takes its routes back, so that who should not see that can leave; late: after the last
   * context. It goes on to be called until then, and lets go of what it has when it is late.
   */
  finish?(early: boolean): void;
  /** After the late `finish`: whether it has let go of everything. Absent: at once. */
  finished?(): boolean;
  /** What it has to say of itself, for `show`: any JSON. */
  status?(): Readonly<Record<string, unknown>> | undefined;
  /** It is passed by from now on, for whatever reason: whatever it still has is let go of at once. */
  close?(): void;
}

/** It stands for the kernel: contexts with FLAG_SKIP_KERNEL pass it by. */
export const PROVIDER_KERNEL = 1;
/** It takes contexts with FLAG_UNDO, which it finished before, and takes back what it did for them (or fails them). */
export const PROVIDER_UNDO = 2;
/** The dataplane is nothing without it: an error of its is the thread's. */
export const PROVIDER_ESSENTIAL = 4;
/**
 * It stands aside and is told the state of each object that changed, as often as it can take: contexts for it alone. It
 * holds nobody up, and has to be asked nothing.
 */
export const PROVIDER_FOLLOWER = 8;

export interface ProviderCounters {
  readonly id: number;
  readonly name: string;
  readonly priority: ProviderPriority;
  readonly follower: boolean;
  /** `running`, or why it is passed by. */
  readonly state: string;
  /** Contexts that came in, ever; in the queue now; at most. */
  readonly in: number;
  readonly inQueue: number;
  readonly inMax: number;
  /** Taken and not yet finished. */
  readonly held: number;
  readonly out: number;
  readonly outQueue: number;
  readonly outMax: number;
  /** Contexts that it failed. */
  readonly errors: number;
  /** Contexts that came back to be undone, and those of them that it could not undo. */
  readonly undone: number;
  readonly undoErrors: number;
  /** Cycles that ended at its work limit, or because its out queue was full. */
  readonly yields: number;
  readonly restarts: number;
}

/** A bounded queue of handles within one thread. */
class HandleQueue {
  readonly capacity: number;
  count = 0;
  max = 0;
  total = 0;
  readonly #slots: Int32Array;
  #head = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#slots = new Int32Array(capacity);
  }

  push(handle: number): void {
    let tail = this.#head + this.count;
    if (tail >= this.capacity) tail -= this.capacity;
    this.#slots[tail] = handle;
    this.count++;
    this.total++;
    if (this.count > this.max) this.max = this.count;
  }

  /** The first, or -1. */
  get first(): number {
    return this.count === 0 ? -1 : this.#slots[this.#head]!;
  }

  shift(): number {
    if (this.count === 0) return -1;
    const handle = this.#slots[this.#head]!;
    this.#head = this.#head + 1 === this.capacity ? 0 : this.#head + 1;
    this.count--;
    return handle;
  }
}

const RUNNING = 'running';
const QUEUE_LIMIT = 2048;
const WORK_LIMIT = 1024;

/** A provider's queues, as it and the pipeline see them. */
export class ProviderWork {
  readonly id: number;
  readonly pool: ContextPool;
  provider: Provider;
  /** `running`, or why it is passed by. */
  state: string = RUNNING;
  /** It was told to let go of everything. */
  closed = false;
  readonly #in: HandleQueue;
  readonly #held: HandleQueue;
  readonly #out: HandleQueue;
  readonly #undo: HandleQueue;
  readonly #back: HandleQueue;
  /** By slot: whether it took the context that is there, and so may have something to take back. */
  readonly #took: Uint8Array;
  readonly #deliver: ((handle: number) => void) | undefined;
  #workLimit: number;
  #onward = 0; // of those held, the ones that may go into `out`
  #taken = 0; // in this cycle
  #stuck = false; // it took nothing of what waits
  #finished = 0;
  #finishedSeen = 0;
  #silentSinceMs = -1; // it has had contexts since, and finished none
  #errors = 0;
  #undoErrors = 0;
  #yields = 0;
  #restarts = 0;
  #limited = false;

  /**
   * `deliver`: who gets all that is finished, in that order, in place of the queues; then all comes by `enter`, in the order in
   * which it is to be taken.
   */
  constructor(provider: Provider, id: number, pool: ContextPool, limit?: number, deliver?: (handle: number) => void) {
    limit ??= provider.queueLimit ?? QUEUE_LIMIT;
    this.provider = provider;
    this.id = id;
    this.pool = pool;
    this.#deliver = deliver;
    this.#took = new Uint8Array(pool.limit);
    this.#in = new HandleQueue(limit);
    this.#out = new HandleQueue(limit);
    this.#held = new HandleQueue(limit + pool.limit);
    this.#undo = new HandleQueue(pool.limit);
    this.#back = new HandleQueue(pool.limit);
    this.#workLimit = provider.workLimit ?? WORK_LIMIT;
  }

  // The provider's side ------------------------------------------------------------------------------------------------

  /** The context that `take` would give, or -1: none waits, or the limits are reached. */
  peek(): number {
    if (this.#taken >= this.#workLimit) {
      this.#limited = this.#limited || this.#in.count + this.#undo.count > 0;
      return -1;
    }
    if (this.#undo.count > 0) return this.#undo.first;
    if (this.#in.count === 0) return -1;
    if (this.#onward + this.#out.count >= this.#out.capacity) {
      this.#limited = true;
      return -1;
    }
    return this.#in.first;
  }

  /** Takes the next context, or -1. It must be finished, sooner or later, and in this order. */
  take(): number {
    const handle = this.peek();
    if (handle < 0) return -1;
    if (this.#undo.count > 0) this.#undo.shift();
    else {
      this.#in.shift();
      this.#onward++;
      this.#took[this.pool.indexOf(handle)] = 1;
    }
    this.#taken++;
    this.#held.push(handle);
    return handle;
  }

  /** A context in one line, for people. */
  describe(handle: number): string {
    return describeContext(this.pool, handle);
  }

  /** Hands a context on; or, one with FLAG_UNDO, further back. */
  finish(handle: number): void {
    if (this.#held.first !== handle) throw new Error(`context ${handle} is not the one that was to be finished next`);
    this.#held.shift();
    this.#finished++;
    this.#sayWhy(handle);
    if (this.#deliver !== undefined) {
      this.#onward--;
      this.#deliver(handle);
      return;
    }
    const undo = (this.pool.flags(handle) & FLAG_UNDO) !== 0;
    if (!undo) this.#onward--;
    if (undo || this.pool.status(handle) === STATUS_FAILED) this.#back.push(handle);
    else this.#out.push(handle);
  }

  /** It could not be done (or undone). `errno` 0 is no reason: then it is EIO. */
  fail(handle: number, errno: number): void {
    this.#mark(handle, errno || E.EIO);
    this.finish(handle);
  }

  /** A failure that was only written into the status has a reason too, and a name. */
  #sayWhy(handle: number): void {
    const { pool } = this;
    if (pool.status(handle) !== STATUS_FAILED || (pool.flags(handle) & FLAG_UNDO) !== 0) return;
    if (pool.errno(handle) === 0 || pool.provider(handle) === 0) this.#mark(handle, pool.errno(handle) || E.EIO);
  }

  #mark(handle: number, errno: number): void {
    const { pool } = this;
    const flags = pool.flags(handle);
    if ((flags & FLAG_UNDO) !== 0) {
      this.#undoErrors++;
      pool.setFlags(handle, flags | FLAG_UNDO_FAILED);
      return;
    }
    this.#errors++;
    pool.setResult(handle, errno);
    pool.setProvider(handle, this.id);
  }

  // The pipeline's side ------------------------------------------------------------------------------------------------

  get running(): boolean {
    return this.state === RUNNING;
  }

  get inRoom(): number {
    return this.#in.capacity - this.#in.count;
  }

  enter(handle: number): void {
    this.#in.push(handle);
  }

  /** Whether it took this context on its way. */
  took(handle: number): boolean {
    return this.#took[this.pool.indexOf(handle)] === 1;
  }

  enterUndo(handle: number): void {
    this.#stuck = false;
    this.#undo.push(handle);
  }

  /** The next finished context, or -1; it stays until `leave`. */
  get nextOut(): number {
    return this.#out.first;
  }

  leave(): number {
    return this.#out.shift();
  }

  /** The next context that it failed, or is done undoing, or -1. */
  leaveBack(): number {
    return this.#back.shift();
  }

  get outCount(): number {
    return this.#out.count;
  }

  /** Contexts anywhere in it. */
  get count(): number {
    return this.#in.count + this.#held.count + this.#out.count + this.#undo.count + this.#back.count;
  }

  /** Work is left that a further cycle could do. */
  get backlog(): boolean {
    return this.#back.count > 0 || (this.#takeable && !this.#stuck);
  }

  get #takeable(): boolean {
    return this.#undo.count > 0 || (this.#in.count > 0 && this.#onward + this.#out.count < this.#out.capacity);
  }

  cycle(): void {
    if (!this.running) {
      this.#passBy();
      return;
    }
    this.#taken = 0;
    this.#limited = false;
    this.provider.process(this);
    this.#watch();
    this.#stuck = this.#taken === 0 && this.#takeable;
    if (this.#limited) this.#yields++;
  }

  #watch(): void {
    const { timeoutMs } = this.provider;
    if (timeoutMs === undefined) return;
    const nowMs = performance.now();
    if (this.#held.count === 0 && !this.#takeable) this.#silentSinceMs = -1;
    else if (this.#silentSinceMs < 0 || this.#finished !== this.#finishedSeen) this.#silentSinceMs = nowMs;
    else if (nowMs - this.#silentSinceMs >= timeoutMs)
      throw new Error(`it did not answer for ${timeoutMs} ms, with ${this.#held.count + this.#in.count} contexts`);
    this.#finishedSeen = this.#finished;
  }

  /** Milliseconds until a cycle would find it silent for too long; -1 = it is not waited for. */
  get patienceMs(): number {
    if (!this.running || this.#silentSinceMs < 0) return -1;
    return Math.max(0, this.#silentSinceMs + this.provider.timeoutMs! - performance.now());
  }

  /** Passes it by from now on; what it holds fails. */
  fence(reason: string): void {
    this.state = reason;
    this.#stuck = false;
    for (let handle = this.#held.first; handle >= 0; handle = this.#held.first) this.fail(handle, E.EIO);
    this.#passBy();
  }

  /** Another one in its place, or the same again. */
  restart(provider: Provider): void {
    this.provider = provider;
    this.#workLimit = provider.workLimit ?? WORK_LIMIT;
    this.#restarts++;
    this.#took.fill(0);
    this.#silentSinceMs = -1;
    this.closed = false;
    this.state = RUNNING;
  }

  #passBy(): void {
    while (this.#in.count > 0 && this.#out.count < this.#out.capacity) {
      const handle = this.#in.shift();
      this.#took[this.pool.indexOf(handle)] = 0;
      // What is for it alone has nowhere else to go.
      if (this.follower) this.#mark(handle, E.ENODEV);
      this.#out.push(handle);
    }
    for (let handle = this.#undo.shift(); handle >= 0; handle = this.#undo.shift()) {
      this.#mark(handle, 0);
      this.#back.push(handle);
    }
  }

  get follower(): boolean {
    return ((this.provider.flags ?? 0) & PROVIDER_FOLLOWER) !== 0;
  }

  get essential(): boolean {
    return ((this.provider.flags ?? 0) & PROVIDER_ESSENTIAL) !== 0;
  }

  get counters(): ProviderCounters {
    return {
      id: this.id,
      name: this.provider.name,
      priority: this.provider.priority,
      follower: this.follower,
      state: this.state,
      in: this.#in.total,
      inQueue: this.#in.count,
      inMax: this.#in.max,
      held: this.#held.count,
      out: this.#out.total,
      outQueue: this.#out.count,
      outMax: this.#out.max,
      errors: this.#errors,
      undone: this.#undo.total,
      undoErrors: this.#undoErrors,
      yields: this.#yields,
      restarts: this.#restarts,
    };
  }
}
