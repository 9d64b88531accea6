// A threaded provider, as the pipeline sees it: a stage that hands copies of its contexts to a worker and takes back what the
// worker made of them. So the provider may wait; nothing else does.
//
// A worker that throws, ends, or does not answer makes this stage throw, and so be fenced. What does not answer means: one in
// the chain, that held contexts for so long and finished none of them; a follower, which may keep its contexts as long as it
// likes, that its loop stood still for so long.
import { Worker } from 'node:worker_threads';
import { ByteConsumer, Doorbell, HandleConsumer, HandleProducer } from '../../concurrency/index.ts';
import { E } from '../../sys/index.ts';
import { FLAG_TARGET, FLAG_UNDO, FLAG_UNDO_FAILED, STATUS_FAILED } from '../constants.ts';
import { contextPool } from '../checked-pool.ts';
import type { ContextPool } from '../context.ts';
import {
  type Provider,
  PROVIDER_FOLLOWER,
  type ProviderHost,
  type ProviderPriority,
  type ProviderWork,
} from '../provider.ts';
import {
  BROKEN,
  COMMAND_ABANDON,
  COMMAND_FINISH,
  COMMAND_FINISH_EARLY,
  createWorkerChannel,
  FINISHED,
  LOADING,
  readLog,
  RUNNING,
  STARTING,
  type WorkerChannel,
  WorkerPage,
} from './channel.ts';

export interface WorkerStageOptions {
  readonly name: string;
  readonly priority: ProviderPriority;
  /** PROVIDER_* bits. */
  readonly flags: number;
  /** URL of the module whose default export makes the provider (ProviderModule). */
  readonly module: string;
  readonly settings: Readonly<Record<string, unknown>>;
  /** Contexts with the worker at most; a power of two. 2048 unless told. */
  readonly slots?: number;
  /** Not to answer for so long is to be fenced; 10,000 unless told. */
  readonly timeoutMs?: number;
}

export interface ProviderWorkerData {
  readonly channel: WorkerChannel;
  readonly id: number;
  readonly name: string;
  readonly module: string;
  readonly settings: Readonly<Record<string, unknown>>;
  /** How often it shall give a sign of life. */
  readonly heartbeatMs: number;
}

const SLOTS = 2048;
/** How long is waited for a provider that holds contexts, unless told. */
export const TIMEOUT_MS = 10_000;
const HEARTBEAT_MS = 500;

export class WorkerStage implements Provider {
  readonly name: string;
  readonly priority: ProviderPriority;
  readonly flags: number;
  readonly queueLimit: number;
  readonly workLimit: number;
  readonly #options: WorkerStageOptions;
  readonly #timeoutMs: number;
  #channel: WorkerChannel | undefined;
  #worker: Worker | undefined;
  #host: ProviderHost | undefined;
  #page: WorkerPage | undefined;
  #bell: Doorbell | undefined;
  #log: ByteConsumer | undefined;
  #pool: ContextPool | undefined;
  #to: HandleProducer | undefined;
  #from: HandleConsumer | undefined;
  #notices: ContextPool | undefined;
  #up: HandleConsumer | undefined;
  #back: HandleProducer | undefined;
  /** The notification that zebra had no room for, or -1. */
  #notice = -1;
  /** The context that each copy is of, by the copy's slot. */
  #original = new Int32Array(0);
  #away = 0;
  #lastMs = 0; // when it last gave a sign of life
  #heartbeat = 0;
  #replays = 0;
  #began = false; // it is past its start
  #said = ''; // its last words
  #finishMs = -1; // when it was told to finish

  constructor(options: WorkerStageOptions) {
    this.name = options.name;
    this.priority = options.priority;
    this.flags = options.flags;
    this.queueLimit = options.slots ?? SLOTS;
    this.workLimit = this.queueLimit;
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  }

  start(host: ProviderHost): void {
    this.close();
    this.#away = 0;
    this.#heartbeat = 0;
    this.#replays = 0;
    this.#began = false;
    this.#said = '';
    this.#finishMs = -1;
    const { name, module, settings } = this.#options;
    const channel = createWorkerChannel(this.queueLimit, host.bell);
    this.#channel = channel;
    this.#host = host;
    this.#page = new WorkerPage(channel.page);
    this.#bell = new Doorbell(channel.workerBell);
    this.#log = new ByteConsumer(channel.log);
    this.#pool = contextPool(channel.pool);
    this.#to = new HandleProducer(channel.to);
    this.#from = new HandleConsumer(channel.from);
    this.#notices = contextPool(channel.notices);
    this.#up = new HandleConsumer(channel.up);
    this.#back = new HandleProducer(channel.back);
    this.#notice = -1;
    this.#original = new Int32Array(this.queueLimit);
    this.#lastMs = performance.now();
    const heartbeatMs = Math.min(HEARTBEAT_MS, this.#timeoutMs / 4);
    const data: ProviderWorkerData = { channel, id: host.id, name, module, settings, heartbeatMs };
    const entry = import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js';
    // The dataplane thread runs no Node loop, so it hears of the worker by the page alone.
    this.#worker = new Worker(new URL(entry, import.meta.url), { name, workerData: data });
    this.#worker.unref();
    // Where there is such a loop, an error that ended the worker must not end its owner too.
    this.#worker.on('error', (error: Error) => {
      this.#said = error.message;
    });
  }

  process(work: ProviderWork): void {
    // Looked at first: what it said before it ended is in the log by then, and what it finished in the ring.
    const { state } = this.#page!;
    this.#takeBack(work);
    for (const line of readLog(this.#log!)) {
      this.#said = line;
      this.#host!.log(line);
    }
    this.#passOn();
    this.#send(work);
    this.#watch(state);
  }

  wakeInMs(): number {
    const finishing = this.#finishMs >= 0;
    if (finishing ? this.finished() : this.#away === 0 && (this.flags & PROVIDER_FOLLOWER) === 0) return -1;
    return Math.max(0, Math.max(this.#lastMs, this.#finishMs) + this.#limitMs - performance.now());
  }

  finish(early: boolean): void {
    if (!early) this.#finishMs = performance.now();
    this.#page!.tell(early ? COMMAND_FINISH_EARLY : COMMAND_FINISH);
    this.#bell!.ring();
  }

  /** One that does not finish in time will not do it later either. */
  finished(): boolean {
    const { state } = this.#page!;
    return state === FINISHED || state === BROKEN || performance.now() - this.#finishMs > this.#timeoutMs;
  }

  status(): Readonly<Record<string, unknown>> | undefined {
    return this.#page?.status;
  }

  /** Ends the worker, without asking where that is safe. */
  close(): void {
    // Told first: it says that it has loaded, and then looks whether it was told.
    this.#page?.tell(COMMAND_ABANDON);
    if (this.#page?.state !== LOADING) void this.#worker?.terminate();
    this.#worker = undefined;
    if (this.#channel !== undefined) Doorbell.close(this.#channel.workerBell);
    this.#channel = undefined;
  }

  #takeBack(work: ProviderWork): void {
    const copies = this.#pool!;
    let taken = 0;
    for (let copy = this.#from!.pop(); copy >= 0; copy = this.#from!.pop(), taken++) {
      const handle = this.#original[copies.indexOf(copy)]!;
      const undo = (work.pool.flags(handle) & FLAG_UNDO) !== 0;
      const failed = undo ? (copies.flags(copy) & FLAG_UNDO_FAILED) !== 0 : copies.status(copy) === STATUS_FAILED;
      const errno = copies.errno(copy);
      if (!undo) work.pool.takeBack(handle, copies, copy);
      // Whose it is was not for the worker to say.
      if ((work.pool.flags(handle) & FLAG_TARGET) !== 0) work.pool.setProvider(handle, work.id);
      copies.free(copy);
      if (failed) work.fail(handle, errno || E.EIO);
      else work.finish(handle);
    }
    if (taken === 0) return;
    this.#from!.release();
    this.#away -= taken;
    this.#lastMs = performance.now();
  }

  /** What the worker saw goes up as far as zebra has room; it gives contexts back with a ring, and that brings the next cycle. */
  #passOn(): void {
    const [notices, up, back] = [this.#notices!, this.#up!, this.#back!];
    let passed = 0;
    for (;;) {
      if (this.#notice < 0) this.#notice = up.pop();
      const notice = this.#notice;
      if (notice < 0) break;
      if (!this.#host!.notify(notices.op(notice), (pool, handle) => pool.adopt(handle, notices, notice))) break;
      back.push(notice);
      this.#notice = -1;
      passed++;
    }
    if (passed === 0) return;
    up.release();
    back.publish();
    this.#bell!.ring();
  }

  #send(work: ProviderWork): void {
    const copies = this.#pool!;
    let sent = 0;
    for (let handle = work.peek(); handle >= 0; handle = work.peek()) {
      const copy = copies.copyFrom(work.pool, handle);
      if (copy === 0) {
        if (this.#away + sent > 0) break;
        // It would find no room later either.
        work.fail(work.take(), E.EMSGSIZE);
        continue;
      }
      work.take();
      // Whether a provider behind it could not undo it is not for this one to answer for.
      copies.setFlags(copy, copies.flags(copy) & ~FLAG_UNDO_FAILED);
      this.#original[copies.indexOf(copy)] = handle;
      this.#to!.push(copy);
      sent++;
    }
    if (sent === 0) return;
    // What waited for nothing has not been silent.
    if (this.#away === 0) this.#lastMs = performance.now();
    this.#away += sent;
    this.#to!.publish();
    this.#bell!.ring();
  }

  #watch(state: number): void {
    const { heartbeat, replays } = this.#page!;
    // As it was told to.
    if (state === FINISHED && this.#finishMs >= 0 && this.#away === 0) return;
    if (state === BROKEN || state === FINISHED) throw new Error(this.#said === '' ? 'its thread ended' : this.#said);
    if (replays !== this.#replays) {
      this.#replays = replays;
      this.#host!.replay();
    }
    const follower = (this.flags & PROVIDER_FOLLOWER) !== 0;
    const silent = follower ? heartbeat === this.#heartbeat : this.#away > 0;
    this.#heartbeat = heartbeat;
    const now = performance.now();
    const began = state === RUNNING && !this.#began;
    this.#began = state > STARTING;
    if (!silent || began) this.#lastMs = now;
    else if (now - this.#lastMs > this.#limitMs) {
      throw new Error(`it did not answer for ${this.#limitMs} ms, with ${this.#away} contexts`);
    }
  }

  /** A thread needs its time to begin. */
  get #limitMs(): number {
    return this.#began ? this.#timeoutMs : Math.max(TIMEOUT_MS, this.#timeoutMs);
  }
}
