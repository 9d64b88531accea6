// The pipeline: contexts go from zebra's ring through the providers, in the order of their priority, and back to zebra.
//
//    down ──▶ in│provider│out ──▶ in│kernel│out ──▶ in│provider│out ──▶ results
//                    ◀──── undo ─────── ◀──── undo ─────── failed
//
// A cycle gives each provider one turn. What one finishes in a cycle the next one sees in the same cycle, so a single route
// is in the kernel, and its result on the way back, after one. Followers stand beside the chain: a context for one of them
// alone (FLAG_TARGET) goes to it and back, and its result is that follower's.
import { HandleConsumer, HandleProducer } from '../concurrency/index.ts';
import { clockMonotonicUs, E } from '../sys/index.ts';
import { type DataplaneChannel, DataplanePage, PROVIDERS_MAX } from './channel.ts';
import { FLAG_TARGET, FLAG_UNDO, STATUS_FAILED, STATUS_SUCCESS } from './constants.ts';
import { contextPool } from './checked-pool.ts';
import type { ContextPool } from './context.ts';
import {
  OP_FINISH,
  OP_NAMESPACE_CLOSE,
  OP_NAMESPACE_OPEN,
  OP_RESYNC,
  OPERATIONS,
  type OperationClass,
} from './operation.ts';
import {
  type Provider,
  PROVIDER_UNDO,
  type ProviderCounters,
  type ProviderPriority,
  ProviderWork,
} from './provider.ts';

const order: readonly ProviderPriority[] = ['pre-kernel', 'kernel', 'post-kernel', 'last'];

const REMOVED = 'removed';

/** A follower wants to be told everything (again). */
export const EVENT_REPLAY = 1;
/** A follower is gone, or fenced. */
export const EVENT_GONE = 2;

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

const classes: readonly OperationClass[] = [
  'route',
  'label',
  'nexthop',
  'link',
  'address',
  'neighbor',
  'fdb',
  'rule',
  'other',
];
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

/** Who hears of what the pipeline itself has no business with. */
export interface PipelineListener {
  /** A RESYNC came out: dump these kinds of the namespace. */
  resync(kinds: number, namespace: number): void;
  /** Where there may be more than one namespace. */
  readonly namespaces?: {
    /** It is to be served from now on: an errno, or 0. */
    open(namespace: number, fd: number): number;
    /** No more. */
    close(namespace: number): void;
  };
  /** EVENT_* of a provider, for zebra. */
  event(provider: number, event: number): void;
  /** A notification of a provider's, for zebra. False where there is no room now. */
  notify(provider: number, op: number, fill: (pool: ContextPool, handle: number) => void): boolean;
  log(text: string): void;
}

export class Pipeline {
  readonly pool: ContextPool;
  readonly #channel: DataplaneChannel;
  readonly #page: DataplanePage;
  readonly #down: HandleConsumer;
  readonly #results: HandleProducer;
  readonly #stamp: OrderStamp;
  readonly #listener: PipelineListener;
  /** In the order in which contexts go through them. */
  readonly #stages: ProviderWork[] = [];
  readonly #followers: ProviderWork[] = [];
  /** Those with an `observe`. */
  #observers: ProviderWork[] = [];
  readonly #again: Map<number, () => Provider> = new Map();
  #nextId = 1;
  #removing = false;
  #ending = false;
  readonly #updates: Float64Array = new Float64Array(classes.length);
  readonly #errors: Float64Array = new Float64Array(classes.length);
  #cycles = 0;
  #yields = 0;
  #done = 0;
  #latencySumUs = 0;
  #latencyMaxUs = 0;

  constructor(channel: DataplaneChannel, stamp: OrderStamp, listener: PipelineListener) {
    this.pool = contextPool(channel.requests);
    this.#channel = channel;
    this.#page = new DataplanePage(channel.page);
    this.#down = new HandleConsumer(channel.down);
    this.#results = new HandleProducer(channel.results);
    this.#stamp = stamp;
    this.#listener = listener;
  }

  // Providers --------------------------------------------------------------------------------------------------------

  /**
   * Adds a provider after those of its priority; it sees what enters from now on. `again` makes another one for a restart;
   * unless told, the same one is started again. `fenced`: why it is to be passed by until then. Returns its number. Throws
   * where the name is taken, or there are PROVIDERS_MAX.
   */
  register(provider: Provider, again?: () => Provider, fenced?: string): number {
    if (this.#find(provider.name) !== undefined) throw new Error(`there is a provider ${provider.name} already`);
    const id = this.#freeNumber();
    this.#page.setName(id, provider.name);
    const work = new ProviderWork(provider, id, this.pool);
    if (again !== undefined) this.#again.set(id, again);
    if (work.follower) this.#followers.push(work);
    else {
      const rank = (stage: ProviderWork): number => order.indexOf(stage.provider.priority);
      const after = this.#stages.findIndex(stage => rank(stage) > rank(work));
      this.#stages.splice(after < 0 ? this.#stages.length : after, 0, work);
    }
    if (fenced === undefined) this.#start(work);
    else this.#fence(work, fenced);
    return id;
  }

  /** The next one whose place for a name on the page is nobody's. */
  #freeNumber(): number {
    const taken = new Set([...this.#stages, ...this.#followers].map(work => work.id % PROVIDERS_MAX));
    if (taken.size === PROVIDERS_MAX) throw new Error(`there are ${PROVIDERS_MAX} providers already`);
    while (taken.has(this.#nextId % PROVIDERS_MAX)) this.#nextId++;
    return this.#nextId++;
  }

  /**
   * Takes a provider out: what it holds fails, what waits before it passes by. False where there is none of this name, or the
   * dataplane is nothing without it.
   */
  unregister(name: string): boolean {
    const work = this.#find(name);
    if (work === undefined || work.essential) return false;
    this.#finish(work, false);
    this.#fence(work, REMOVED);
    this.#removing = true;
    this.#again.delete(work.id);
    return true;
  }

  /** Starts a provider again, a fenced one or a running one. Returns why that is not possible, or nothing. */
  restart(name: string): string | undefined {
    const work = this.#find(name);
    if (work === undefined) return `there is no provider ${name}`;
    if (work.essential) return `the dataplane is nothing without ${name}`;
    if (work.running) {
      this.#finish(work, false);
      this.#fence(work, 'restarted');
    }
    try {
      work.restart(this.#again.get(work.id)?.() ?? work.provider);
    } catch (error) {
      work.state = reasonOf(error);
      return work.state;
    }
    this.#start(work);
    return work.running ? undefined : work.state;
  }

  get providers(): ProviderCounters[] {
    return [...this.#stages, ...this.#followers].map(stage => stage.counters);
  }

  /** Its own words, by the provider's name. */
  status(name: string): Readonly<Record<string, unknown>> | undefined {
    const work = this.#find(name);
    return work === undefined ? undefined : this.#ask(work, undefined, () => work.provider.status?.());
  }

  #find(name: string): ProviderWork | undefined {
    return [...this.#stages, ...this.#followers].find(one => one.provider.name === name && one.state !== REMOVED);
  }

  /** Those that were removed go when they are empty and have let go of everything. */
  #sweep(list: ProviderWork[]): void {
    for (let i = list.length - 1; i >= 0; i--) {
      const work = list[i]!;
      if (work.state !== REMOVED || work.count > 0 || !(work.closed || this.#finished(work))) continue;
      this.#close(work);
      list.splice(i, 1);
    }
  }

  #finished(work: ProviderWork): boolean {
    return this.#ask(work, true, () => work.provider.finished?.() ?? true);
  }

  #start(work: ProviderWork): void {
    const { id, provider } = work;
    this.#guard(work, () =>
      provider.start?.({
        id,
        bell: this.#channel.dataplaneBell,
        log: text => this.#listener.log(`${provider.name}: ${text}`),
        replay: () => this.#listener.event(id, EVENT_REPLAY),
        notify: (op, fill) => this.#listener.notify(id, op, fill),
      }),
    );
    this.#observing();
    if (work.running && work.follower) this.#listener.event(id, EVENT_REPLAY);
  }

  #observing(): void {
    this.#observers = [...this.#stages, ...this.#followers].filter(
      work => work.running && work.provider.observe !== undefined,
    );
  }

  /** Runs a provider's function, in its turn; what it throws fences it. */
  #guard(work: ProviderWork, run: (work: ProviderWork) => void): void {
    const before = this.#page.begin(work.id);
    try {
      run(work);
    } catch (error) {
      if (work.essential) throw error;
      this.#fence(work, reasonOf(error));
    } finally {
      this.#page.end(before);
    }
  }

  /** The same, of one that is asked something. */
  #ask<T>(work: ProviderWork, otherwise: T, question: () => T): T {
    let answer = otherwise;
    this.#guard(work, () => {
      answer = question();
    });
    return answer;
  }

  #fence(work: ProviderWork, reason: string): void {
    // One that was removed stays so, whatever it does on its way out.
    if (work.state !== REMOVED) work.fence(reason);
    if (reason !== REMOVED) {
      this.#close(work);
      this.#listener.log(`dataplane provider ${work.provider.name} is passed by: ${reason}`);
    }
    this.#observing();
    if (work.follower) this.#listener.event(work.id, EVENT_GONE);
  }

  #close(work: ProviderWork): void {
    if (work.closed) return;
    work.closed = true;
    const before = this.#page.begin(work.id);
    try {
      work.provider.close?.();
    } catch (error) {
      this.#listener.log(`${work.provider.name}: ${reasonOf(error)}`);
    } finally {
      this.#page.end(before);
    }
  }

  #finish(work: ProviderWork, early: boolean): void {
    if (work.running) this.#guard(work, () => work.provider.finish?.(early));
  }

  // Contexts -----------------------------------------------------------------------------------------------------------

  /** One turn for every provider. True where another cycle would find work. Results are there after `publish`. */
  cycle(): boolean {
    this.#cycles++;
    const nowUs = clockMonotonicUs();
    this.#enter(nowUs);
    let backlog = false;
    for (let i = 0; i < this.#stages.length; i++) {
      this.#guard(this.#stages[i]!, takeTurn);
      this.#handOn(i, nowUs);
    }
    for (const follower of this.#followers) {
      this.#guard(follower, takeTurn);
      for (let handle = follower.leave(); handle >= 0; handle = follower.leave()) this.#result(handle, nowUs);
      for (let handle = follower.leaveBack(); handle >= 0; handle = follower.leaveBack()) this.#result(handle, nowUs);
      if (follower.backlog) backlog = true;
    }
    // A provider that made room after its turn of being handed to, and one that was handed something back after its turn: what
    // waits there goes on in the next cycle.
    for (let i = 0; i < this.#stages.length; i++) {
      const stage = this.#stages[i]!;
      if (stage.backlog) backlog = true;
      else if (stage.outCount > 0 && (this.#stages[i + 1]?.inRoom ?? 1) > 0) backlog = true;
    }
    if (this.#removing) {
      this.#sweep(this.#stages);
      this.#sweep(this.#followers);
      this.#removing = [...this.#stages, ...this.#followers].some(work => work.state === REMOVED);
    }
    // A first provider that is full is woken by whatever it waits for, and then takes more.
    if (this.#down.length > 0 && (this.#stages[0]?.inRoom ?? 1) > 0) backlog = true;
    if (backlog) this.#yields++;
    return backlog;
  }

  /** Shows the results to zebra. */
  publish(): void {
    this.#results.publish();
  }

  /** A result or a notification on its way to zebra. */
  observe(pool: ContextPool, handle: number): void {
    for (const work of this.#observers) this.#observeBy(work, pool, handle);
  }

  /** Contexts under way. */
  get count(): number {
    let count = this.#down.length;
    for (const stage of this.#stages) count += stage.count;
    for (const follower of this.#followers) count += follower.count;
    return count;
  }

  /** Milliseconds until a provider wants a cycle; -1 = none does. */
  wakeInMs(): number {
    let soonest = -1;
    for (const stages of [this.#stages, this.#followers]) {
      for (const stage of stages) {
        const asked = stage.running || (stage.state === REMOVED && !stage.closed);
        const wakeMs = asked ? this.#ask(stage, -1, () => stage.provider.wakeInMs?.() ?? -1) : -1;
        for (const ms of [wakeMs, stage.patienceMs]) if (ms >= 0 && (soonest < 0 || ms < soonest)) soonest = ms;
      }
    }
    return soonest;
  }

  /** Tells every provider that the end comes (see Provider.finish): first that it is early, whoever could not say so in time. */
  finish(early: boolean): void {
    const all = [...this.#stages, ...this.#followers];
    if (!this.#ending) for (const work of all) this.#finish(work, true);
    this.#ending = true;
    if (!early) for (const work of all) this.#finish(work, false);
  }

  /** Lets go of everything at once. */
  close(): void {
    for (const work of [...this.#stages, ...this.#followers]) this.#close(work);
  }

  /** After the late `finish`: the names of those that have not let go of everything. */
  get unfinished(): string[] {
    return [...this.#stages, ...this.#followers]
      .filter(work => work.running && !this.#finished(work))
      .map(work => work.provider.name);
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

  /** Takes what zebra sent, as much as the first provider has room for. */
  #enter(nowUs: number): void {
    const { pool } = this;
    const first = this.#stages[0];
    let entered = 0;
    while (first === undefined || first.inRoom > 0) {
      const handle = this.#down.pop();
      if (handle < 0) break;
      entered++;
      if ((pool.flags(handle) & FLAG_TARGET) !== 0) this.#enterFollower(handle, nowUs);
      else if (pool.op(handle) === OP_FINISH) {
        this.finish(true);
        this.#result(handle, nowUs);
      } else if (pool.op(handle) === OP_NAMESPACE_OPEN || pool.op(handle) === OP_NAMESPACE_CLOSE) {
        this.#turnNamespace(handle);
        this.#result(handle, nowUs);
      } else {
        this.#updates[classOf[pool.op(handle)]!]!++;
        if (first === undefined) this.#result(handle, nowUs);
        else first.enter(handle);
      }
    }
    if (entered > 0) this.#down.release();
  }

  /** Sockets are opened before anything that is for them comes, and closed when nothing of that is left. */
  #turnNamespace(handle: number): void {
    const { pool } = this;
    const namespace = pool.namespace(handle);
    const { namespaces } = this.#listener;
    if (namespaces === undefined) pool.setResult(handle, E.ENODEV);
    else if (pool.op(handle) === OP_NAMESPACE_CLOSE) namespaces.close(namespace);
    else pool.setResult(handle, namespaces.open(namespace, pool.namespaceFd(handle)));
  }

  #enterFollower(handle: number, nowUs: number): void {
    const id = this.pool.provider(handle);
    const follower = this.#followers.find(one => one.id === id);
    if (follower?.running === true && follower.inRoom > 0) follower.enter(handle);
    else {
      this.pool.setResult(handle, follower?.running === true ? E.EAGAIN : E.ENODEV);
      this.#result(handle, nowUs);
    }
  }

  /** What a stage is done with goes to the next one, or out; what it failed, or undid, goes back, past all that waits. */
  #handOn(place: number, nowUs: number): void {
    const stage = this.#stages[place]!;
    const next = this.#stages[place + 1];
    for (let handle = stage.nextOut; handle >= 0; handle = stage.nextOut) {
      if (next === undefined) this.#result(stage.leave(), nowUs);
      else if (next.inRoom > 0) next.enter(stage.leave());
      else break;
    }
    for (let handle = stage.leaveBack(); handle >= 0; handle = stage.leaveBack()) {
      this.#sendBack(place, handle, nowUs);
    }
  }

  /** To the next provider before `place` that took it and can undo, or out. */
  #sendBack(place: number, handle: number, nowUs: number): void {
    const { pool } = this;
    for (let i = place - 1; i >= 0; i--) {
      const stage = this.#stages[i]!;
      if (((stage.provider.flags ?? 0) & PROVIDER_UNDO) === 0 || !stage.took(handle)) continue;
      pool.setFlags(handle, pool.flags(handle) | FLAG_UNDO);
      stage.enterUndo(handle);
      return;
    }
    this.#result(handle, nowUs);
  }

  #observeBy(work: ProviderWork, pool: ContextPool, handle: number): void {
    const before = this.#page.begin(work.id);
    try {
      work.provider.observe!(pool, handle);
    } catch (error) {
      this.#fence(work, reasonOf(error));
    } finally {
      this.#page.end(before);
    }
  }

  #result(handle: number, nowUs: number): void {
    const pool = this.pool;
    const status = pool.status(handle);
    if (status !== STATUS_FAILED && status !== STATUS_SUCCESS) pool.setResult(handle, 0);
    // What a follower makes of what it is told is its own, and as late as it likes.
    if ((pool.flags(handle) & FLAG_TARGET) === 0) this.#count(handle, nowUs);
    if (pool.op(handle) === OP_RESYNC) this.#listener.resync(pool.kinds(handle), pool.namespace(handle));
    pool.setSequence(handle, this.#stamp.next());
    this.observe(pool, handle);
    if (!this.#results.push(handle)) throw new Error('dataplane: the ring of results is smaller than the pool');
  }

  #count(handle: number, nowUs: number): void {
    const { pool } = this;
    if (pool.status(handle) === STATUS_FAILED) this.#errors[classOf[pool.op(handle)]!]!++;
    const latencyUs = (Math.trunc(nowUs) - pool.entered(handle)) >>> 0;
    // The clock was read when the cycle began, so a request that came in later seems to lie ahead of it.
    if (latencyUs < 0x8000_0000) {
      this.#done++;
      this.#latencySumUs += latencyUs;
      if (latencyUs > this.#latencyMaxUs) this.#latencyMaxUs = latencyUs;
    }
  }
}

/** One function for all, so that a turn costs no closure. */
function takeTurn(work: ProviderWork): void {
  work.cycle();
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
