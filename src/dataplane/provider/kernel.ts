// The provider that programs the kernel: contexts become messages of one batch, sent in one system call, and its answers
// become results. The call is made by a thread of its own (kernel-writer.ts), because it waits whenever somebody else holds
// the kernel's routing lock; the dataplane thread fills batches, goes on with its other work, and settles them when
// the bell rings. A batch is bounded by time, so that a result does not wait long for its neighbours.
//
// Whatever the kernel refuses for good goes back to the owner with its errno: it knows what must come first.
import { Worker } from 'node:worker_threads';
import { closeAtEnd } from '../../concurrency/index.ts';
import { NetlinkSocket, saysGone } from '../../netlink/index.ts';
import { E } from '../../sys/index.ts';
import { FLAG_ALREADY, FLAG_SKIP_KERNEL, FLAG_UNDO, STATUS_SUCCESS } from '../constants.ts';
import type { ContextPool } from '../context.ts';
import { OPERATIONS } from '../operation.ts';
import {
  type Provider,
  PROVIDER_ESSENTIAL,
  PROVIDER_KERNEL,
  PROVIDER_UNDO,
  type ProviderHost,
  type ProviderWork,
} from '../provider.ts';
import {
  BATCH_ANSWERS,
  BATCH_BYTES,
  BATCH_MESSAGES,
  JOB_BROKEN,
  JOB_CLOSED,
  JOB_DONE,
  JOB_IDLE,
  JOB_POSTED,
  JOB_STARTING,
  JOBS,
  KernelJob,
} from './kernel-job.ts';
import type { KernelWriterData } from './kernel-writer.ts';
import { type Refusal, Refusals } from './refusals.ts';

/** One batch shall take no longer than this in the kernel. */
const BATCH_US = 4000;
const MESSAGES_MIN = 32;
const START_MS = 10_000;

export interface KernelProviderOptions {
  /** Messages of one batch at most, whatever the time; 1,024 unless told. */
  readonly messages?: number;
  /** Receive buffer of the command socket: errors of one batch must fit, at some 800 bytes each. */
  readonly receiveBuffer?: number;
  /** Starts whoever performs the batches; unless told, the thread that sends them to the kernel. */
  readonly writer?: (data: KernelWriterData) => void;
}

export interface KernelStats {
  readonly batches: number;
  readonly messages: number;
  readonly bytes: number;
  /** Time spent in the kernel, in microseconds. */
  readonly busyUs: number;
  /** Times that (a part of) a batch was sent again because something was lacking for a moment. */
  readonly retries: number;
  /** Times that answers of a batch were lost. */
  readonly doubts: number;
  /** Messages of one batch at present. */
  readonly batchLimit: number;
  /** Bytes of one batch at most. */
  readonly bytesLimit: number;
  /** The last refusal, in the kernel's words. */
  readonly lastError: string;
}

/** In place of a message's place in its batch: there is nothing to be said, or what should be said is not known, or to whom. */
const NOTHING = -1;
const UNKNOWN = -2;
const NOWHERE = -3;
/** Bytes that one send may have, and the writer's time to see that it is over. */
const SEND_BUFFER = 1 << 20;
const END_MS = 1000;

/** One batch in flight: the contexts in it, in order, and their messages' places in it. */
class Flight {
  readonly job: KernelJob;
  readonly handles: Int32Array = new Int32Array(BATCH_MESSAGES);
  readonly places: Int32Array = new Int32Array(BATCH_MESSAGES);
  /** Of all its contexts. */
  namespace = 0;
  /** Contexts. */
  held = 0;
  /** Messages, and their bytes. */
  count = 0;
  offset = 0;
  /** Messages that are questions. */
  questions = 0;
  /** It is for another socket, and alone. */
  generic = false;

  constructor(job: KernelJob) {
    this.job = job;
  }
}

export class KernelProvider implements Provider {
  readonly name = 'Kernel';
  readonly priority = 'kernel';
  readonly flags: number = PROVIDER_KERNEL | PROVIDER_UNDO | PROVIDER_ESSENTIAL;
  readonly queueLimit: number = 2 * JOBS * BATCH_MESSAGES;
  readonly workLimit: number = JOBS * BATCH_MESSAGES;
  readonly #flights: readonly Flight[];
  /** Command sockets of other network namespaces. */
  readonly #sockets: Map<number, NetlinkSocket> = new Map();
  readonly #receiveBuffer: number;
  readonly #messagesMax: number;
  #oldest = 0; // the flight to be settled next
  #flying = 0; // flights from there on that are posted
  #sequence = 1;
  #limit: number;
  #bytesMax = BATCH_BYTES;
  #costUs = 5; // of one message, a moving mean
  #batches = 0;
  #messages = 0;
  #bytes = 0;
  #busyUs = 0;
  #retries = 0;
  #doubts = 0;
  readonly #refusals: Refusals = new Refusals();
  #log: (text: string) => void = () => {};

  /** `bell` is rung when a batch is done. The writer works in the network namespace that this thread is in. */
  constructor(bell: SharedArrayBuffer, options: KernelProviderOptions = {}) {
    this.#messagesMax = Math.min(BATCH_MESSAGES, options.messages ?? BATCH_MESSAGES);
    this.#limit = Math.min(256, this.#messagesMax);
    const jobs = Array.from({ length: JOBS }, () => KernelJob.create());
    this.#flights = jobs.map(memory => new Flight(new KernelJob(memory)));
    this.#receiveBuffer = options.receiveBuffer ?? 4 << 20;
    const data: KernelWriterData = { jobs, bell, receiveBuffer: this.#receiveBuffer };
    closeAtEnd(() => Array.from(this.#sockets.values(), ({ fd }) => fd));
    (options.writer ?? startWriter)(data);
    for (const { job } of this.#flights) {
      job.sleep(JOB_STARTING, START_MS);
      expectIdle(job);
    }
  }

  /** Whose echoes the listener leaves out. */
  get portId(): number {
    return this.#flights[0]!.job.portId;
  }

  /** Opens a command socket in the namespace that the thread is in. Returns its port id. */
  openNamespace(namespace: number): number {
    const socket = new NetlinkSocket({ receiveBuffer: this.#receiveBuffer, sendBuffer: SEND_BUFFER });
    this.#sockets.set(namespace, socket);
    return socket.portId;
  }

  /** When nothing of it is under way. */
  closeNamespace(namespace: number): void {
    this.#sockets.get(namespace)?.close();
    this.#sockets.delete(namespace);
  }

  start(host: ProviderHost): void {
    this.#log = host.log;
  }

  process(work: ProviderWork): void {
    while (this.#flying > 0) {
      const flight = this.#flights[this.#oldest]!;
      const { state } = flight.job;
      if (state === JOB_POSTED) break;
      if (state !== JOB_DONE) expectIdle(flight.job);
      this.#account(flight);
      this.#settle(work, flight);
      flight.job.turn(JOB_IDLE);
      this.#oldest = (this.#oldest + 1) % JOBS;
      this.#flying--;
    }
    while (this.#flying < JOBS) {
      const flight = this.#flights[(this.#oldest + this.#flying) % JOBS]!;
      this.#fill(work, flight);
      if (flight.count > 0) {
        const fd = this.#sockets.get(flight.namespace)?.fd ?? 0;
        flight.job.describe(flight.count, (this.#sequence - flight.count) | 0, flight.generic, fd);
        flight.job.turn(JOB_POSTED);
        this.#flying++;
      } else if (flight.held > 0 && this.#flying === 0) this.#settle(work, flight);
      else break;
    }
  }

  close(): void {
    for (const { job } of this.#flights) job.turn(JOB_CLOSED);
    if (this.#sockets.size === 0) return;
    // It may be in the middle of a send.
    this.#flights[0]!.job.sleep(JOB_CLOSED, END_MS);
    for (const namespace of this.#sockets.keys()) this.closeNamespace(namespace);
  }

  /** Bytes of one send at most; undefined: as many as a batch has room for. */
  limitBytes(bytes: number | undefined): void {
    this.#bytesMax = Math.min(BATCH_BYTES, bytes ?? BATCH_BYTES);
  }

  status(): Readonly<Record<string, unknown>> {
    return { ...this.stats };
  }

  get stats(): KernelStats {
    return {
      batches: this.#batches,
      messages: this.#messages,
      bytes: this.#bytes,
      busyUs: Math.round(this.#busyUs),
      retries: this.#retries,
      doubts: this.#doubts,
      batchLimit: this.#limit,
      bytesLimit: this.#bytesMax,
      lastError: this.#refusals.last,
    };
  }

  /** What the kernel refused, by operation and reason. */
  get refusals(): readonly Refusal[] {
    return this.#refusals.all;
  }

  #fill(work: ProviderWork, flight: Flight): void {
    flight.held = 0;
    flight.count = 0;
    flight.offset = 0;
    flight.questions = 0;
    flight.generic = false;
    while (flight.held < this.#limit) {
      const handle = work.peek();
      if (handle < 0) return;
      const namespace = work.pool.namespace(handle);
      if (flight.held === 0) flight.namespace = namespace;
      else if (flight.namespace !== namespace) return;
      if (!this.#encode(work, flight, handle)) return;
      work.take();
      flight.handles[flight.held++] = handle;
    }
  }

  /** Appends the context's message; false where it does not belong into this batch any more. */
  #encode(work: ProviderWork, flight: Flight, handle: number): boolean {
    const { pool } = work;
    const encoding = OPERATIONS[pool.op(handle)]?.kernel;
    const flags = pool.flags(handle);
    const undo = (flags & FLAG_UNDO) !== 0;
    const already = (flags & FLAG_ALREADY) !== 0;
    const lost = undo && already && encoding?.overwrites === true;
    const encode = lost ? undefined : undo ? encoding?.undo : encoding?.encode;
    const question = encoding?.answer !== undefined;
    flight.places[flight.held] = NOTHING;
    // What was so before we came, we did not do.
    const nothing = undo && !lost && (encoding?.passing === true || already);
    if (encoding === undefined || (flags & FLAG_SKIP_KERNEL) !== 0 || nothing) return this.#inTurn(flight);
    const generic = encoding.generic === true;
    // Of generic netlink's family there is a socket in the dataplane's own only.
    if (flight.namespace !== 0 && (generic || !this.#sockets.has(flight.namespace))) {
      flight.places[flight.held] = NOWHERE;
      return this.#inTurn(flight);
    }
    if (question && flight.questions === BATCH_ANSWERS) return false;
    if ((generic && flight.count > 0) || flight.generic) return false;
    const end = flight.offset + encoding.bytes(pool, handle);
    if (end > this.#bytesMax && flight.count > 0) return false;
    if (end > BATCH_BYTES) {
      if (flight.held > 0 || this.#flying > 0) return false;
      // It would not fit into an empty batch either: it comes back in its turn, like a refusal of the kernel's.
      flight.places[flight.held] = UNKNOWN;
      return true;
    }
    const bytes = encode?.(pool, handle, flight.job.buffer, flight.offset, this.#sequence) ?? 0;
    if (bytes === 0) {
      flight.places[flight.held] = UNKNOWN;
      return this.#inTurn(flight);
    }
    flight.places[flight.held] = flight.count;
    flight.offset += bytes;
    this.#sequence = (this.#sequence + 1) | 0;
    flight.count++;
    if (question) flight.questions++;
    flight.generic = generic;
    return true;
  }

  /** What has no message is only finished in its turn, so it must not begin a flight while others are on their way. */
  #inTurn(flight: Flight): boolean {
    return flight.count > 0 || this.#flying === 0;
  }

  /** Finishes all contexts of a batch, in their order. */
  #settle(work: ProviderWork, flight: Flight): void {
    const { pool } = work;
    const { errors } = flight.job;
    for (let i = 0; i < flight.held; i++) {
      const handle = flight.handles[i]!;
      const place = flight.places[i]!;
      if (place === NOTHING) {
        work.finish(handle);
        continue;
      }
      const undo = (pool.flags(handle) & FLAG_UNDO) !== 0;
      // -1: after all repetitions there was still no answer.
      const errno = errnoAt(errors, place);
      const encoding = OPERATIONS[pool.op(handle)]!.kernel!;
      let verdict = errno === 0 ? 0 : undo ? judgeUndo(errno) : encoding.judge(errno);
      if (verdict === 0 && encoding.answer !== undefined && !undo) verdict = answered(pool, handle, flight.job, place);
      if (verdict === 0) {
        if (!undo) pool.setStatus(handle, STATUS_SUCCESS);
        if (errno !== 0 && !undo) pool.setFlags(handle, pool.flags(handle) | FLAG_ALREADY);
        work.finish(handle);
      } else {
        // What cannot be taken back because nobody said what there was, the kernel did not refuse.
        if (!undo || place >= 0) {
          const words = place < 0 ? '' : flight.job.reasonOf(place);
          const said = this.#refusals.note(pool, handle, verdict, words);
          if (said !== undefined) this.#log(said);
        }
        work.fail(handle, verdict);
      }
    }
    flight.held = 0;
  }

  #account(flight: Flight): void {
    const { job, count } = flight;
    const us = job.busyUs;
    this.#batches++;
    this.#messages += count;
    this.#bytes += flight.offset;
    this.#busyUs += us;
    this.#doubts += job.doubts;
    this.#retries += job.retries;
    // Small batches say more about the system call than about a message, and one that had to wait for somebody else says
    // nothing of its size: what is far above the mean counts little.
    if (count >= MESSAGES_MIN) {
      const cost = Math.min(us / count, 4 * this.#costUs);
      this.#costUs += (cost - this.#costUs) / 8;
      const messages = Math.round(BATCH_US / this.#costUs);
      this.#limit = Math.max(Math.min(MESSAGES_MIN, this.#messagesMax), Math.min(this.#messagesMax, messages));
    }
  }
}

function errnoAt(errors: Int32Array, place: number): number {
  if (place === UNKNOWN) return E.EMSGSIZE;
  if (place === NOWHERE) return E.ENODEV;
  return errors[place]! < 0 ? E.ENOBUFS : errors[place]!;
}

/** What the kernel answered goes into the context; no answer is an error. */
function answered(pool: ContextPool, handle: number, job: KernelJob, place: number): number {
  const at = job.answerOf(place);
  if (at < 0) return E.ENOBUFS;
  OPERATIONS[pool.op(handle)]!.kernel!.answer!(pool, handle, job.answers, at, job.answerLength(at));
  return 0;
}

function startWriter(data: KernelWriterData): void {
  const module = import.meta.url.endsWith('.ts') ? './kernel-writer.ts' : './kernel-writer.js';
  // A thread without Node's loop hears nothing of its workers, so the writer's fate is told by the jobs.
  new Worker(new URL(module, import.meta.url), { name: 'kernel-writer', workerData: data }).unref();
}

/** What is to be taken back may be gone by itself, or be there again. */
function judgeUndo(errno: number): number {
  return saysGone(errno) || errno === E.EEXIST ? 0 : errno;
}

function expectIdle(job: KernelJob): void {
  const { state } = job;
  if (state === JOB_IDLE) return;
  if (state === JOB_BROKEN) throw new Error(`kernel writer: ${job.text}`);
  throw new Error(`kernel writer: did not start, or is closed (state ${state})`);
}
