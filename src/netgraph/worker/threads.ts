// The graph in threads: N workers, each with its own sources, its part of the packets and its copy of the graph.
//
//    graph's thread                          worker 0 ... N-1
//      commit ────── ring, epoch, bell ─────▶  does it between two vectors
//      free ◀─────── applied ────────────────  all that there was
//      told   ◀───── messages ───────────────  tell       bounded: TALK_LIMIT on their way at most, more is refused and counted
//                                              ◀── packets for nodes that run in one worker, slots that go home ──▶
//
// A worker that dies is taken out: it holds nothing any more, so what waited for it is freed, and nothing more is sent to it. Another
// thread takes its place, with the graph as it is by then and the packets that the dead one had: at once, unless it dies again and again
// (backoff.ts). Nobody has to wait for that: not the other workers, and not the successor for them, who may be dead or stand still as well.
import { setTimeout as sleep } from 'node:timers/promises';
import { add, Doorbell, load, Qsbr, QsbrWriter, store, sub, Thread, words } from '../../concurrency/index.ts';
import { NetgraphError } from '../graph/error.ts';
import type { GraphMemory } from '../graph/memory.ts';
import { createPackets, packetStride, type PacketsShape } from '../packet/packets.ts';
import { Backoff, type BackoffRange } from './backoff.ts';
import { CommitWriter, Commits } from './commits.ts';
import { addCounts } from './counts.ts';
import { createExchange, type ExchangeMemory, Exchanges } from './exchange.ts';
import { type Action, encodeActions, type Place } from './plan.ts';
import type { Health, Plane, PlaneEvents } from './plane.ts';
import { type Down, TALK_LIMIT, type Up, type WorkerThreadData } from './thread-data.ts';
import { VECTOR } from './vector.ts';

export interface WorkersOptions {
  readonly workers: number;
  readonly memory: GraphMemory;
  /** Packets of each worker, and their size. Default 16,384 of 2,048 bytes. */
  readonly packets?: Omit<PacketsShape, 'workers'>;
  /** Packets that a source brings at once: fewer make commits and grace periods shorter. Default 256, at most that. */
  readonly vector?: number;
  /** A worker that has not been quiescent for so long is reported. Default 1,000 ms. */
  readonly stallMs?: number;
  /** Bytes of a worker's ring of commits. Default 4 MiB; one commit has at most half. */
  readonly ringBytes?: number;
  /** Milliseconds until a worker that dies again is replaced again: at first, and at most. Default 100 and 10,000. */
  readonly backoffMs?: BackoffRange;
  /** Network namespace of the workers (`/run/netns/NAME`). */
  readonly namespace?: string;
}

const LOOK_MS = 100;
/** How long the end waits for workers to do what was committed. */
const CLOSE_MS = 5000;

export class WorkerPlane implements Plane {
  readonly workers: number;
  readonly memory: GraphMemory;
  readonly maxPacketBytes: number;
  readonly namespace: string | undefined;
  /** Quiescent states of the graph's workers, for who shares more with them than the graph's own, which commits.ts frees. */
  readonly qsbr: QsbrWriter;
  readonly #options: WorkersOptions;
  readonly #shape: PacketsShape;
  readonly #packets: SharedArrayBuffer;
  readonly #exchange: ExchangeMemory;
  readonly #exchanges: Exchanges;
  readonly #qsbrMemory: SharedArrayBuffer;
  readonly #commitMemory: SharedArrayBuffer;
  readonly #rings: SharedArrayBuffer[];
  readonly #commits: CommitWriter;
  readonly #bells: readonly SharedArrayBuffer[];
  readonly #ringers: readonly Doorbell[];
  readonly #talkMemory: SharedArrayBuffer;
  readonly #talk: Int32Array;
  readonly #announced: Map<number, SharedArrayBuffer> = new Map();
  readonly #threads: (Thread | undefined)[] = [];
  readonly #health: Health[];
  readonly #backoffs: readonly Backoff[];
  /** Ends what waits for its time to restart. */
  readonly #end: AbortController = new AbortController();
  readonly #stalled: Set<number> = new Set();
  /** What is to be said to threads that begin, by worker. */
  readonly #starting: Map<number, Down[]> = new Map();
  /** Successors on their way. */
  readonly #restarts: Set<Promise<void>> = new Set();
  #events: PlaneEvents | undefined;
  #nextMemory = 1;
  #look: NodeJS.Timeout | undefined;
  #closed = false;

  static async start(options: WorkersOptions): Promise<WorkerPlane> {
    const plane = new WorkerPlane(options);
    try {
      // All of them, so that none is on its way when there is an end.
      for (const outcome of await Promise.allSettled(plane.#bells.map((_, worker) => plane.#start(worker, false)))) {
        if (outcome.status === 'rejected') throw outcome.reason;
      }
    } catch (error) {
      await plane.close();
      throw error;
    }
    return plane;
  }

  private constructor(options: WorkersOptions) {
    const { workers, memory } = options;
    if (!Number.isInteger(workers) || workers < 1 || workers > 64) throw new RangeError(`${workers} workers: 1 to 64`);
    this.#options = options;
    this.workers = workers;
    this.#health = Array.from({ length: workers }, () => ({ state: 'running', deaths: 0 }));
    this.#backoffs = this.#health.map(() => new Backoff(options.backoffMs ?? [100, 10_000]));
    this.memory = memory;
    this.namespace = options.namespace;
    this.#shape = { perWorker: 16_384, maxBytes: 2048, ...options.packets, workers };
    this.maxPacketBytes = this.#shape.maxBytes;
    this.#packets = createPackets(this.#shape);
    this.#exchange = createExchange(workers, this.#shape.perWorker, packetStride(this.#shape) / 4);
    this.#exchanges = new Exchanges(this.#exchange);
    this.#qsbrMemory = Qsbr.create(workers);
    this.qsbr = new QsbrWriter(this.#qsbrMemory);
    this.#commitMemory = Commits.create(workers);
    this.#rings = Array.from({ length: workers }, () => Commits.createRing(options.ringBytes ?? 4 << 20));
    this.#commits = new CommitWriter(this.#commitMemory, this.#rings);
    this.#bells = Array.from({ length: workers }, () => Doorbell.create());
    this.#ringers = this.#bells.map(bell => new Doorbell(bell));
    this.#talkMemory = new SharedArrayBuffer(workers * 2 * 128);
    this.#talk = words(this.#talkMemory, 0, workers * 64);
  }

  attach(events: PlaneEvents): void {
    this.#events = events;
  }

  commit(actions: readonly Action[], retired: readonly (() => void)[]): void {
    if (this.#closed) throw new NetgraphError('ESHUTDOWN', 'the graph has ended');
    const frame = encodeActions(actions);
    if (frame.length > this.#commits.maxBytes) {
      throw new NetgraphError('EMSGSIZE', `a change of ${frame.length} bytes: at most ${this.#commits.maxBytes}`);
    }
    this.#commits.reclaim();
    if (!this.#commits.admits(retired.length)) {
      throw new NetgraphError('ENOBUFS', `${this.#commits.limbo} things wait to be freed: ${this.#behind()}`);
    }
    if (!this.#commits.commit(frame))
      throw new NetgraphError('ENOBUFS', `a worker does not take changes: ${this.#behind()}`);
    for (const ringer of this.#ringers) ringer.ring();
    for (const free of retired) this.#commits.retire(free);
    this.#watch();
  }

  /** Things that were taken away and that some worker may still look at. */
  get limbo(): number {
    return this.#commits.limbo;
  }

  /** A worker that is dead does not count; its successor does. */
  async settled(): Promise<void> {
    for (let turn = 0; !this.#commits.applied(); turn++) {
      await (turn < 1000
        ? new Promise(resolve => setImmediate(resolve))
        : new Promise(resolve => setTimeout(resolve, 1)));
      if (this.#closed) return;
    }
    this.#commits.reclaim();
  }

  announce(memory: SharedArrayBuffer): number {
    const id = this.#nextMemory++;
    this.#announced.set(id, memory);
    this.#post({ kind: 'announce', id, memory });
    return id;
  }

  forget(id: number): void {
    this.#announced.delete(id);
    this.#post({ kind: 'forget', id });
  }

  say(worker: number, node: number, value: unknown): boolean {
    const at = (2 * worker + 1) * 32;
    const thread = this.#threads[worker];
    if (!thread || load(this.#talk, at) >= TALK_LIMIT) return false;
    add(this.#talk, at, 1);
    thread.post({ kind: 'say', node, value } satisfies Down);
    return true;
  }

  counts(place: Place, counters: number): Float64Array {
    const sum = new Float64Array(counters);
    for (let worker = 0; worker < this.workers; worker++) addCounts(this.memory.memory, place, worker, sum);
    return sum;
  }

  health(worker: number): Health {
    return this.#health[worker]!;
  }

  /** Ends the workers, when they have done what was committed; one that does not within seconds is terminated. */
  async close(): Promise<void> {
    if (this.#closed) return;
    let timer: NodeJS.Timeout | undefined;
    const settled = this.settled();
    await Promise.race([settled, new Promise(resolve => (timer = setTimeout(resolve, CLOSE_MS)))]);
    clearTimeout(timer);
    this.#closed = true;
    this.#end.abort();
    clearInterval(this.#look);
    await Promise.all(this.#restarts);
    await Promise.all(
      this.#threads.map(async (thread, worker) => {
        await thread?.stop();
        this.#commits.remove(worker);
      }),
    );
    this.#commits.reclaim();
    for (const bell of this.#bells) Doorbell.close(bell);
  }

  /** Packets of its own that a worker had free when it last told, which it does now and then, and before it sleeps. */
  freePackets(worker: number): number {
    return this.#exchanges.free(worker);
  }

  /** The thread of a worker. */
  thread(worker: number): Thread | undefined {
    return this.#threads[worker];
  }

  /** Ends a worker in the middle of what it does, as a fault would: for tests. */
  kill(worker: number): void {
    this.#threads[worker]?.post({ kind: 'die' } satisfies Down);
  }

  async #start(worker: number, successor: boolean): Promise<void> {
    const data: WorkerThreadData = {
      worker,
      workers: this.workers,
      shape: this.#shape,
      packets: this.#packets,
      memory: this.memory.memory,
      qsbr: this.#qsbrMemory,
      commits: this.#commitMemory,
      ring: this.#rings[worker]!,
      exchange: this.#exchange,
      bells: this.#bells,
      talk: this.#talkMemory,
      announced: this.#announced,
      vector: Math.min(this.#options.vector ?? VECTOR, VECTOR),
      successor,
      namespace: this.#options.namespace,
    };
    const later: Down[] = [];
    this.#starting.set(worker, later);
    try {
      const thread = await Thread.start({
        name: `graph-${worker}`,
        entry: new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js', import.meta.url),
        data,
        ownLoop: true,
        onMessage: body => this.#hear(worker, body as Up),
        onCrash: error => {
          const restart = this.#died(worker, error).finally(() => this.#restarts.delete(restart));
          this.#restarts.add(restart);
        },
      });
      this.#threads[worker] = thread;
      this.#backoffs[worker]!.begun(performance.now());
      for (const message of later) thread.post(message);
    } finally {
      this.#starting.delete(worker);
    }
  }

  #hear(worker: number, message: Up): void {
    switch (message.kind) {
      case 'tell':
        sub(this.#talk, 2 * worker * 32, 1);
        this.#events?.told(message.node, worker, message.value);
        break;
      case 'failed':
        this.#events?.failed(message.node, worker, message.error);
        break;
    }
  }

  async #died(worker: number, error: Error): Promise<void> {
    this.#threads[worker] = undefined;
    const deaths = this.#health[worker]!.deaths + 1;
    this.#takeOut(worker);
    store(this.#talk, 2 * worker * 32, 0);
    store(this.#talk, (2 * worker + 1) * 32, 0);
    this.#events?.gone(worker);
    while (!this.#closed) {
      const backoffMs = this.#backoffs[worker]!.died(performance.now());
      this.#health[worker] = { state: 'restarting', deaths, lastError: error.message, backoffMs };
      if (backoffMs > 0) {
        this.#events?.delayed(worker, error, backoffMs);
        await sleep(backoffMs, undefined, { signal: this.#end.signal }).catch(() => undefined);
        if (this.#closed) return;
      }
      try {
        await this.#replace(worker);
        this.#health[worker] = { state: 'running', deaths, since: Date.now(), lastError: error.message };
        this.#events?.replaced(worker, error);
        return;
      } catch (failure) {
        this.#takeOut(worker);
        error = failure instanceof Error ? failure : new Error(String(failure));
      }
    }
  }

  /** It runs nothing any more, and nobody waits for it. */
  #takeOut(worker: number): void {
    this.#exchanges.setUp(worker, false);
    this.#commits.remove(worker);
    this.qsbr.dead(worker);
    this.#commits.reclaim();
  }

  async #replace(worker: number): Promise<void> {
    const ring = Commits.createRing(this.#options.ringBytes ?? 4 << 20);
    this.#rings[worker] = ring;
    if (!this.#commits.join(worker, ring, encodeActions(this.#events?.snapshot() ?? []))) {
      throw new NetgraphError('EMSGSIZE', 'the graph is larger than a ring of commits');
    }
    await this.#start(worker, true);
    this.#exchanges.setUp(worker, true);
  }

  #post(message: Down): void {
    for (const thread of this.#threads) thread?.post(message);
    for (const later of this.#starting.values()) later.push(message);
  }

  /** Looks after what was retired, until all of it is freed. */
  #watch(): void {
    this.#look ??= setInterval(() => {
      this.#commits.reclaim();
      for (const { worker, ms } of this.#commits.stalled(this.#options.stallMs ?? 1000, performance.now())) {
        // Who begins has time for it.
        if (this.#stalled.has(worker) || this.#starting.has(worker)) continue;
        this.#stalled.add(worker);
        this.#events?.stalled(worker, ms);
      }
      if (this.#commits.limbo > 0 || !this.#commits.applied()) return;
      this.#stalled.clear();
      clearInterval(this.#look);
      this.#look = undefined;
    }, LOOK_MS);
    this.#look.unref();
  }

  #behind(): string {
    const stalled = this.#commits.stalled(1, performance.now());
    return stalled.length === 0
      ? 'they come faster than workers take them'
      : stalled.map(({ worker, ms }) => `worker ${worker} has stood still for ${Math.round(ms)} ms`).join(', ');
  }
}
