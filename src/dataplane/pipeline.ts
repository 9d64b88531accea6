// The pipeline: contexts go from zebra's ring through the providers, in the order of their priority, and back to zebra.
//
//    down ──▶ in│provider│out ──▶ in│kernel│out ──▶ in│provider│out ──▶ results
//
// A cycle gives each provider one turn. What one finishes in a cycle the next one sees in the same cycle, so a single route
// is in the kernel, and its result on the way back, after one.
import { HandleConsumer, HandleProducer } from '../concurrency/index.ts';
import { clockMonotonicUs } from '../sys/index.ts';
import type { DataplaneChannel } from './channel.ts';
import { ContextPool, STATUS_FAILED, STATUS_SUCCESS } from './context.ts';
import { OP_RESYNC, OPERATIONS, type OperationClass } from './operation.ts';
import { type Provider, type ProviderCounters, type ProviderPriority, ProviderWork } from './provider.ts';

const order: readonly ProviderPriority[] = ['pre-kernel', 'kernel', 'post-kernel', 'last'];

export interface PipelineStats {
  /** Requests that came in and errors that went out, by class. */
  readonly updates: Readonly<Record<OperationClass, number>>;
  readonly errors: Readonly<Record<OperationClass, number>>;
  readonly cycles: number;
  /** Cycles that left work for the next one. */
  readonly yields: number;
  /** From enqueue in zebra to the result's leaving here. */
  readonly latencyMeanUs: number;
  readonly latencyMaxUs: number;
}

const classes: readonly OperationClass[] = ['route', 'nexthop', 'link', 'address', 'neighbor', 'rule', 'other'];
/** Class of each operation, as an index into `classes`. */
const classOf: Uint8Array = Uint8Array.from(OPERATIONS, operation => classes.indexOf(operation?.class ?? 'other'));

function byClass(counts: Float64Array): Record<OperationClass, number> {
  return Object.fromEntries(classes.map((name, i) => [name, counts[i]!])) as Record<OperationClass, number>;
}

/** The next place in the one order of results and notifications. Shared with the listener. */
export class OrderStamp {
  #value = 0;

  next(): number {
    this.#value = (this.#value + 1) | 0;
    return this.#value;
  }
}

export class Pipeline {
  readonly pool: ContextPool;
  readonly #down: HandleConsumer;
  readonly #results: HandleProducer;
  readonly #stamp: OrderStamp;
  readonly #onResync: (kinds: number) => void;
  #stages: ProviderWork[] = [];
  #nextId = 1;
  readonly #updates: Float64Array = new Float64Array(classes.length);
  readonly #errors: Float64Array = new Float64Array(classes.length);
  #cycles = 0;
  #yields = 0;
  #done = 0;
  #latencySumUs = 0;
  #latencyMaxUs = 0;

  constructor(channel: DataplaneChannel, stamp: OrderStamp, onResync: (kinds: number) => void) {
    this.pool = new ContextPool(channel.requests);
    this.#down = new HandleConsumer(channel.down);
    this.#results = new HandleProducer(channel.results);
    this.#stamp = stamp;
    this.#onResync = onResync;
  }

  /** Adds a provider after those of its priority; it sees what enters from now on. Returns its number. */
  register(provider: Provider): number {
    const id = this.#nextId++;
    const work = new ProviderWork(provider, id, this.pool);
    const rank = (stage: ProviderWork): number => order.indexOf(stage.provider.priority);
    const after = this.#stages.findIndex(stage => rank(stage) > rank(work));
    this.#stages.splice(after < 0 ? this.#stages.length : after, 0, work);
    return id;
  }

  /** One turn for every provider. True where another cycle would find work. Results are there after `publish`. */
  cycle(): boolean {
    this.#cycles++;
    const stages = this.#stages;
    const first = stages[0];
    let entered = 0;
    while (first === undefined || first.inRoom > 0) {
      const handle = this.#down.pop();
      if (handle < 0) break;
      entered++;
      this.#updates[classOf[this.pool.op(handle)]!]!++;
      if (first === undefined) this.#result(handle, 0);
      else first.enter(handle);
    }
    if (entered > 0) this.#down.release();
    const nowUs = clockMonotonicUs();
    let backlog = false;
    for (let i = 0; i < stages.length; i++) {
      const stage = stages[i]!;
      stage.cycle();
      const next = stages[i + 1];
      if (next === undefined) {
        for (let handle = stage.leave(); handle >= 0; handle = stage.leave()) this.#result(handle, nowUs);
      } else {
        while (next.inRoom > 0) {
          const handle = stage.leave();
          if (handle < 0) break;
          next.enter(handle);
        }
      }
      if (stage.backlog) backlog = true;
    }
    // A provider that made room after its turn of being handed to: what waits before it goes on in the next cycle.
    for (let i = 0; i + 1 < stages.length; i++) {
      if (stages[i]!.outCount > 0 && stages[i + 1]!.inRoom > 0) backlog = true;
    }
    // A first provider that is full is woken by whatever it waits for, and then takes more.
    if (this.#down.length > 0 && (first === undefined || first.inRoom > 0)) backlog = true;
    if (backlog) this.#yields++;
    return backlog;
  }

  /** Shows the results to zebra. */
  publish(): void {
    this.#results.publish();
  }

  /** Whether a cycle would find work that came from zebra. */
  get waiting(): boolean {
    return this.#down.length > 0;
  }

  /** Milliseconds until a provider wants a cycle; -1 = none does. */
  wakeInMs(): number {
    let soonest = -1;
    for (const { provider } of this.#stages) {
      const ms = provider.wakeInMs?.() ?? -1;
      if (ms >= 0 && (soonest < 0 || ms < soonest)) soonest = ms;
    }
    return soonest;
  }

  close(): void {
    for (const { provider } of this.#stages) provider.close?.();
  }

  get providers(): ProviderCounters[] {
    return this.#stages.map(stage => stage.counters);
  }

  get stats(): PipelineStats {
    return {
      updates: byClass(this.#updates),
      errors: byClass(this.#errors),
      cycles: this.#cycles,
      yields: this.#yields,
      latencyMeanUs: this.#done === 0 ? 0 : this.#latencySumUs / this.#done,
      latencyMaxUs: this.#latencyMaxUs,
    };
  }

  #result(handle: number, nowUs: number): void {
    const pool = this.pool;
    const status = pool.status(handle);
    if (status === STATUS_FAILED) this.#errors[classOf[pool.op(handle)]!]!++;
    else if (status !== STATUS_SUCCESS) pool.setResult(handle, 0);
    const latencyUs = (Math.trunc(nowUs) - pool.entered(handle)) >>> 0;
    // The clock was read when the cycle began, so a request that came in later seems to lie ahead of it.
    if (latencyUs < 0x8000_0000) {
      this.#done++;
      this.#latencySumUs += latencyUs;
      if (latencyUs > this.#latencyMaxUs) this.#latencyMaxUs = latencyUs;
    }
    if (pool.op(handle) === OP_RESYNC) this.#onResync(pool.kinds(handle));
    pool.setSequence(handle, this.#stamp.next());
    if (!this.#results.push(handle)) throw new Error('dataplane: the ring of results is smaller than the pool');
  }
}
