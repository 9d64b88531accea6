// A provider is one stage of the pipeline: it takes contexts from its in queue, does what it does, and finishes them into its
// out queue, from where they go to the next provider and at last back to zebra. The kernel is one; others come before it
// (and may change or veto) or after it (and see what the kernel took).
//
// The rules that keep the order: a provider finishes contexts in the order in which it took them, and failed ones travel on
// through the later providers like all others (status FAILED: leave them alone), so nothing overtakes anything.
//
// Both queues are bounded. `take` gives nothing when the out queue could not hold what is taken already, so a stalled
// provider stalls those before it and in the end zebra, rather than growing.
import type { ContextPool } from './context.ts';

export type ProviderPriority = 'pre-kernel' | 'kernel' | 'post-kernel' | 'last';

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
  /** Called in each cycle, work or not. Must not wait. */
  process(work: ProviderWork): void;
  /** Milliseconds after which it wants a cycle although nothing comes in (a retry); -1 = none. */
  wakeInMs?(): number;
  /** True while it can do nothing with what waits: it will ring the dataplane's bell when it can. */
  waiting?(): boolean;
  /** Gives up what it holds. Contexts in its queues come back to zebra as they are. */
  close?(): void;
}

/** It stands for the kernel: contexts with FLAG_SKIP_KERNEL pass it by. */
export const PROVIDER_KERNEL = 1;

export interface ProviderCounters {
  readonly id: number;
  readonly name: string;
  readonly priority: ProviderPriority;
  /** Contexts that came in, ever; in the queue now; at most. */
  readonly in: number;
  readonly inQueue: number;
  readonly inMax: number;
  readonly out: number;
  readonly outQueue: number;
  readonly outMax: number;
  /** Contexts that it failed. */
  readonly errors: number;
  /** Cycles that ended at its work limit, or because its out queue was full. */
  readonly yields: number;
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

/** A provider's queues, as it and the pipeline see them. */
export class ProviderWork {
  readonly provider: Provider;
  readonly id: number;
  readonly pool: ContextPool;
  readonly #in: HandleQueue;
  readonly #out: HandleQueue;
  readonly #workLimit: number;
  #held = 0; // taken, not yet finished
  #taken = 0; // in this cycle
  #errors = 0;
  #yields = 0;
  #limited = false;

  constructor(provider: Provider, id: number, pool: ContextPool) {
    const limit = provider.queueLimit ?? 2048;
    this.provider = provider;
    this.id = id;
    this.pool = pool;
    this.#in = new HandleQueue(limit);
    this.#out = new HandleQueue(limit);
    this.#workLimit = provider.workLimit ?? 1024;
  }

  // The provider's side ------------------------------------------------------------------------------------------------

  /** The context that `take` would give, or -1: none waits, or the limits are reached. */
  peek(): number {
    if (this.#in.count === 0) return -1;
    if (this.#taken >= this.#workLimit || this.#held + this.#out.count >= this.#out.capacity) {
      this.#limited = true;
      return -1;
    }
    return this.#in.first;
  }

  /** Takes the next context, or -1. It must be finished, sooner or later, and in this order. */
  take(): number {
    const handle = this.peek();
    if (handle < 0) return -1;
    this.#in.shift();
    this.#taken++;
    this.#held++;
    return handle;
  }

  /** Hands a context on. */
  finish(handle: number): void {
    this.#held--;
    this.#out.push(handle);
  }

  /** Hands a context on as failed. */
  fail(handle: number, errno: number): void {
    this.#errors++;
    this.pool.setResult(handle, errno);
    this.pool.setProvider(handle, this.id);
    this.finish(handle);
  }

  // The pipeline's side ------------------------------------------------------------------------------------------------

  get inRoom(): number {
    return this.#in.capacity - this.#in.count;
  }

  enter(handle: number): void {
    this.#in.push(handle);
  }

  /** The next finished context, or -1. */
  leave(): number {
    return this.#out.shift();
  }

  get outCount(): number {
    return this.#out.count;
  }

  /** Work is left that a further cycle could do. */
  get backlog(): boolean {
    if (this.#in.count === 0 || this.#held + this.#out.count >= this.#out.capacity) return false;
    return !(this.provider.waiting?.() ?? false);
  }

  cycle(): void {
    this.#taken = 0;
    this.#limited = false;
    this.provider.process(this);
    if (this.#limited) this.#yields++;
  }

  get counters(): ProviderCounters {
    return {
      id: this.id,
      name: this.provider.name,
      priority: this.provider.priority,
      in: this.#in.total,
      inQueue: this.#in.count,
      inMax: this.#in.max,
      out: this.#out.total,
      outQueue: this.#out.count,
      outMax: this.#out.max,
      errors: this.#errors,
      yields: this.#yields,
    };
  }
}
