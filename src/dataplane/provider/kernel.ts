// The provider that programs the kernel: contexts become messages of one batch, sent in one system call, and its answers
// become results. The call is made by a thread of its own (kernel-writer.ts), because it waits whenever somebody else holds
// the kernel's routing lock; the dataplane thread fills the batch, goes on with its other work, and settles it when the
// bell rings. A batch is bounded by time, so that nobody else waits long for that lock either.
//
// A message that failed for lack of memory and the like is sent again after a pause, together with everything behind it in
// the batch: all requests say how things shall be, so repeating them does no harm, and the order stays. Answers that were
// lost are asked for again (NetlinkBatch.verify) before anything is believed. Whatever else the kernel refuses goes back to
// the owner with its errno: it knows what must come first.
import { Worker } from 'node:worker_threads';
import { clockMonotonicUs, E } from '../../sys/index.ts';
import { FLAG_SKIP_KERNEL, STATUS_FAILED, STATUS_SUCCESS } from '../context.ts';
import { PROVIDER_KERNEL, type Provider, type ProviderWork } from '../provider.ts';
import {
  BATCH_BYTES,
  BATCH_MESSAGES,
  JOB_BROKEN,
  JOB_CLOSED,
  JOB_DONE,
  JOB_IDLE,
  JOB_POSTED,
  JOB_STARTING,
  KernelJob,
} from './kernel-job.ts';
import { kernelOperations, VERDICT_RETRY } from './kernel-operation.ts';
import type { KernelWriterData } from './kernel-writer.ts';

/** One batch shall take no longer than this in the kernel. */
const BATCH_US = 4000;
const MESSAGES_MIN = 32;
const ATTEMPTS = 10;
const RETRY_MAX_MS = 64;
const START_MS = 10_000;

export interface KernelProviderOptions {
  /** Messages of one batch at most, whatever the time; 1,024 unless told. */
  readonly messages?: number;
  /** Receive buffer of the command socket: errors of one batch must fit, at some 800 bytes each. */
  readonly receiveBuffer?: number;
}

export interface KernelStats {
  readonly batches: number;
  readonly messages: number;
  readonly bytes: number;
  /** Time spent in the kernel, in microseconds. */
  readonly busyUs: number;
  /** Batches sent again, in part or whole, because something was lacking for a moment. */
  readonly retries: number;
  /** Batches of which answers were lost, or that were refused as a whole. */
  readonly doubts: number;
  /** Messages of one batch at present. */
  readonly batchLimit: number;
  /** The last refusal, in the kernel's words. */
  readonly lastError: string;
}

export class KernelProvider implements Provider {
  readonly name = 'Kernel';
  readonly priority = 'kernel';
  readonly flags: number = PROVIDER_KERNEL;
  readonly #job: KernelJob;
  readonly #messagesMax: number;
  // Contexts taken and not finished, in order, with their message's place in the batch (-1: none).
  readonly #handles: Int32Array = new Int32Array(BATCH_MESSAGES);
  readonly #places: Int32Array = new Int32Array(BATCH_MESSAGES);
  #held = 0;
  #count = 0; // messages in the batch
  #offset = 0; // their bytes
  #first = 1; // sequence number of the first
  #attempt = 0;
  #retryAtUs = 0;
  #limit: number;
  #costUs = 5; // of one message, a moving mean
  #batches = 0;
  #messages = 0;
  #bytes = 0;
  #busyUs = 0;
  #retries = 0;
  #doubts = 0;
  #lastError = '';

  /** `bell` is rung when a batch is done. The writer works in the network namespace that this thread is in. */
  constructor(bell: SharedArrayBuffer, options: KernelProviderOptions = {}) {
    this.#messagesMax = Math.min(BATCH_MESSAGES, options.messages ?? BATCH_MESSAGES);
    this.#limit = Math.min(256, this.#messagesMax);
    const memory = KernelJob.create();
    this.#job = new KernelJob(memory);
    const data: KernelWriterData = { job: memory, bell, receiveBuffer: options.receiveBuffer ?? 4 << 20 };
    const module = import.meta.url.endsWith('.ts') ? './kernel-writer.ts' : './kernel-writer.js';
    // A thread without Node's loop hears nothing of its workers, so the writer's fate is told by the job.
    new Worker(new URL(module, import.meta.url), { name: 'kernel-writer', workerData: data }).unref();
    this.#job.sleep(JOB_STARTING, START_MS);
    this.#check();
  }

  /** Whose echoes the listener leaves out. */
  get portId(): number {
    return this.#job.portId;
  }

  process(work: ProviderWork): void {
    const { state } = this.#job;
    if (state === JOB_POSTED) return;
    if (state === JOB_DONE) {
      this.#account();
      this.#job.turn(JOB_IDLE);
      this.#settle(work);
    } else this.#check();
    if (this.#held > 0) {
      if (clockMonotonicUs() < this.#retryAtUs) return;
      this.#encodeHeld(work);
    } else this.#fill(work);
    if (this.#count > 0) {
      this.#job.describe(this.#count, this.#first);
      this.#job.turn(JOB_POSTED);
    } else if (this.#held > 0) this.#settle(work);
  }

  wakeInMs(): number {
    if (this.#held === 0 || this.#job.state !== JOB_IDLE) return -1;
    return Math.max(0, Math.ceil((this.#retryAtUs - clockMonotonicUs()) / 1000));
  }

  close(): void {
    this.#job.turn(JOB_CLOSED);
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
      lastError: this.#lastError,
    };
  }

  #check(): void {
    const { state } = this.#job;
    if (state === JOB_IDLE) return;
    if (state === JOB_BROKEN) throw new Error(`kernel writer: ${this.#job.text}`);
    throw new Error(`kernel writer: did not start, or is closed (state ${state})`);
  }

  #reset(): void {
    this.#first = (this.#first + this.#count) | 0;
    this.#count = 0;
    this.#offset = 0;
  }

  #fill(work: ProviderWork): void {
    this.#reset();
    while (this.#held < this.#limit) {
      const handle = work.peek();
      if (handle < 0) return;
      if (!this.#encode(work, handle)) return;
      work.take();
      this.#handles[this.#held++] = handle;
    }
  }

  #encodeHeld(work: ProviderWork): void {
    this.#reset();
    const count = this.#held;
    // They fitted into one batch before.
    for (this.#held = 0; this.#held < count; this.#held++) this.#encode(work, this.#handles[this.#held]!);
  }

  /** Appends the context's message; false where it does not fit into what is left of the batch. */
  #encode(work: ProviderWork, handle: number): boolean {
    const { pool } = work;
    const operation = kernelOperations[pool.op(handle)];
    const failed = pool.status(handle) === STATUS_FAILED;
    this.#places[this.#held] = -1;
    if (operation === undefined || failed || (pool.flags(handle) & FLAG_SKIP_KERNEL) !== 0) return true;
    if (this.#offset + operation.bytes(pool, handle) > BATCH_BYTES) {
      if (this.#held > 0) return false;
      // It would not fit into an empty batch either: it comes back in its turn, like a refusal of the kernel's.
      pool.setResult(handle, E.EMSGSIZE);
      return true;
    }
    this.#places[this.#held] = this.#count;
    const sequence = (this.#first + this.#count) | 0;
    this.#offset += operation.encode(pool, handle, this.#job.buffer, this.#offset, sequence);
    this.#count++;
    return true;
  }

  /** Finishes what the batch settled; keeps the rest for another attempt. */
  #settle(work: ProviderWork): void {
    const { pool } = work;
    const { errors } = this.#job;
    const refused = this.#job.sendErrno;
    for (let i = 0; i < this.#held; i++) {
      const handle = this.#handles[i]!;
      const place = this.#places[i]!;
      if (place < 0) {
        work.finish(handle);
        continue;
      }
      const errno = refused === 0 ? errors[place]! : refused;
      if (errno === 0) {
        pool.setStatus(handle, STATUS_SUCCESS);
        work.finish(handle);
        continue;
      }
      // -1: even the repetition got no answer.
      const verdict = errno < 0 ? VERDICT_RETRY : kernelOperations[pool.op(handle)]!.judge(errno);
      if (verdict === VERDICT_RETRY && this.#attempt < ATTEMPTS) {
        this.#retry(i);
        return;
      }
      if (verdict === 0) {
        pool.setStatus(handle, STATUS_SUCCESS);
        work.finish(handle);
      } else {
        this.#lastError = this.#job.text;
        work.fail(handle, errno < 0 ? E.ENOBUFS : errno);
      }
    }
    this.#held = 0;
    this.#attempt = 0;
  }

  /** Keeps the contexts from `from` on, in their order. */
  #retry(from: number): void {
    // What came before went through, so the next attempts are this one's first.
    if (from > 0) this.#attempt = 0;
    this.#handles.copyWithin(0, from, this.#held);
    this.#held -= from;
    const pauseMs = Math.min(RETRY_MAX_MS, 2 ** this.#attempt);
    this.#attempt++;
    this.#retries++;
    this.#retryAtUs = clockMonotonicUs() + pauseMs * 1000;
  }

  #account(): void {
    const us = this.#job.busyUs;
    this.#batches++;
    this.#messages += this.#count;
    this.#bytes += this.#offset;
    this.#busyUs += us;
    this.#doubts += this.#job.doubts;
    // Small batches say more about the system call than about a message, and one that had to wait for somebody else says
    // nothing of its size: what is far above the mean counts little.
    if (this.#count >= MESSAGES_MIN) {
      const cost = Math.min(us / this.#count, 4 * this.#costUs);
      this.#costUs += (cost - this.#costUs) / 8;
      const messages = Math.round(BATCH_US / this.#costUs);
      this.#limit = Math.max(Math.min(MESSAGES_MIN, this.#messagesMax), Math.min(this.#messagesMax, messages));
    }
  }
}
