// The provider that programs the kernel: contexts become messages of one batch, sent in one system call, and its answers
// become results. One batch a turn, and none longer than some milliseconds, so that the thread sees a link go down while a
// million routes are on their way.
//
// A message that failed for lack of memory and the like is sent again after a pause, together with everything behind it in
// the batch: all requests say how things shall be, so repeating them does no harm, and the order stays. Answers that were
// lost are asked for again (NetlinkBatch.verify) before anything is believed. Whatever else the kernel refuses goes back to
// the owner with its errno: it knows what must come first.
import { BATCH_CONFIRMED, BATCH_DOUBTFUL, NetlinkBatch, NetlinkSocket } from '../../netlink/index.ts';
import { clockMonotonicUs, E } from '../../sys/index.ts';
import { FLAG_SKIP_KERNEL, STATUS_FAILED, STATUS_SUCCESS } from '../context.ts';
import { PROVIDER_KERNEL, type Provider, type ProviderWork } from '../provider.ts';
import { kernelOperations, VERDICT_RETRY } from './kernel-operation.ts';

/** One batch shall take no longer than this in the kernel. */
const BATCH_US = 4000;
const MESSAGES_MIN = 32;
const MESSAGES_MAX = 1024;
const BATCH_BYTES = 65_536;
const ATTEMPTS = 10;
const RETRY_MAX_MS = 64;

export interface KernelProviderOptions {
  /** Messages of one batch at most, whatever the time; 1024 unless told. */
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
  /** Batches whose answers were lost. */
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
  readonly #socket: NetlinkSocket;
  readonly #batch: NetlinkBatch;
  readonly #messagesMax: number;
  // Contexts taken and not finished, in order, with their message's place in the batch (-1: none).
  readonly #handles: Int32Array = new Int32Array(MESSAGES_MAX);
  readonly #places: Int32Array = new Int32Array(MESSAGES_MAX);
  #held = 0;
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

  constructor(options: KernelProviderOptions = {}) {
    this.#messagesMax = Math.min(MESSAGES_MAX, options.messages ?? MESSAGES_MAX);
    this.#limit = Math.min(256, this.#messagesMax);
    this.#socket = new NetlinkSocket({ receiveBuffer: options.receiveBuffer ?? 4 << 20, sendBuffer: 1 << 20 });
    this.#batch = new NetlinkBatch(this.#socket, { bytes: BATCH_BYTES, messages: this.#messagesMax });
  }

  /** Whose echoes the listener leaves out. */
  get portId(): number {
    return this.#socket.portId;
  }

  process(work: ProviderWork): void {
    if (this.#held > 0) {
      if (clockMonotonicUs() < this.#retryAtUs) return;
      this.#encodeHeld(work);
    } else this.#fill(work);
    if (this.#held > 0) this.#run(work);
  }

  wakeInMs(): number {
    if (this.#held === 0) return -1;
    return Math.max(0, Math.ceil((this.#retryAtUs - clockMonotonicUs()) / 1000));
  }

  close(): void {
    this.#socket.close();
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

  #fill(work: ProviderWork): void {
    const batch = this.#batch;
    batch.reset();
    while (this.#held < this.#limit) {
      const handle = work.peek();
      if (handle < 0) return;
      if (!this.#encode(work, handle)) return;
      work.take();
      this.#handles[this.#held++] = handle;
    }
  }

  #encodeHeld(work: ProviderWork): void {
    this.#batch.reset();
    const count = this.#held;
    // They fitted into one batch before.
    for (this.#held = 0; this.#held < count; this.#held++) this.#encode(work, this.#handles[this.#held]!);
  }

  /** Appends the context's message; false where it does not fit into what is left of the batch. */
  #encode(work: ProviderWork, handle: number): boolean {
    const { pool } = work;
    const batch = this.#batch;
    const operation = kernelOperations[pool.op(handle)];
    const status = pool.status(handle);
    this.#places[this.#held] = -1;
    if (operation === undefined || status === STATUS_FAILED || (pool.flags(handle) & FLAG_SKIP_KERNEL) !== 0)
      return true;
    const bytes = operation.bytes(pool, handle);
    if (!batch.fits(bytes)) {
      if (batch.count > 0 || this.#held > 0) return false;
      // It would not fit into an empty batch either: it is judged, in its turn, like a refusal of the kernel's.
      pool.setResult(handle, E.EMSGSIZE);
      return true;
    }
    this.#places[this.#held] = batch.count;
    batch.commit(operation.encode(pool, handle, batch.buffer, batch.offset, batch.sequence));
    return true;
  }

  /** Sends the batch and finishes what it settled; keeps the rest for another attempt. */
  #run(work: ProviderWork): void {
    const batch = this.#batch;
    if (batch.count > 0) {
      const startUs = clockMonotonicUs();
      let outcome = batch.send();
      if (outcome === BATCH_DOUBTFUL) {
        this.#doubts++;
        if (batch.verify()) outcome = BATCH_CONFIRMED;
      }
      this.#account(clockMonotonicUs() - startUs);
      if (outcome !== BATCH_CONFIRMED && outcome !== BATCH_DOUBTFUL) batch.errors.fill(batch.sendErrno, 0, batch.count);
    }
    this.#settle(work);
  }

  #settle(work: ProviderWork): void {
    const { pool } = work;
    const batch = this.#batch;
    for (let i = 0; i < this.#held; i++) {
      const handle = this.#handles[i]!;
      const place = this.#places[i]!;
      if (place < 0) {
        work.finish(handle);
        continue;
      }
      const errno = batch.errors[place]!;
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
        this.#lastError = batch.reasons.get(place) ?? this.#lastError;
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

  #account(us: number): void {
    const batch = this.#batch;
    this.#batches++;
    this.#messages += batch.count;
    this.#bytes += batch.offset;
    this.#busyUs += us;
    // Small batches say more about the system call than about a message.
    if (batch.count >= MESSAGES_MIN) {
      this.#costUs += (us / batch.count - this.#costUs) / 8;
      const messages = Math.round(BATCH_US / this.#costUs);
      this.#limit = Math.max(Math.min(MESSAGES_MIN, this.#messagesMax), Math.min(this.#messagesMax, messages));
    }
  }
}
