// A long-lived thread of the daemon: started with a handshake, asked things, stopped in order, and noticed when it dies.
//
//    parent                                     worker (threadSide)
//      start ────────── data ───────────────────▶ builds its world
//        ◀───────────── ready ───────────────────
//      post / request ── message + doorbell ────▶ onMessage / onRequest
//        ◀───────────── reply, post ─────────────
//      stop ─────────── stop + doorbell ────────▶ onStop: withdraws, closes; then the thread ends
//        ◀───────────── exit ────────────────────  (after the grace time it is terminated)
//
// What goes this way are commands, configuration and life-cycle: rare things, as objects through the worker's port. Routes
// and messages go through rings. A thread on Node's loop gets its messages from that loop; one that sits in poll(2) or
// Atomics.wait has to fetch them: every message is followed by a ring of the thread's own doorbell, which it watches, and
// `poll` fetches what came.
//
// A thread in a system call cannot be terminated, and would hang process.exit() with it; so its bell is rung by force
// first, which makes poll(2) return, and the termination happens at the next instruction of JavaScript. A thread on
// Node's loop must not be terminated at all while it watches descriptors (clock.ts says why): it is only asked, and where
// it does not answer the process is what has to go.
import { parentPort, receiveMessageOnPort, type Transferable, Worker, workerData } from 'node:worker_threads';
import { Doorbell } from './doorbell.ts';

/** An exception as it crosses threads. */
interface WireError {
  name: string;
  message: string;
  stack: string | undefined;
}

type Down =
  | { kind: 'message'; body: unknown }
  | { kind: 'request'; id: number; body: unknown }
  | { kind: 'stop'; how: StopKind };
type Up =
  | { kind: 'ready' }
  | { kind: 'message'; body: unknown }
  | { kind: 'reply'; id: number; body: unknown }
  | { kind: 'error'; id: number; error: WireError };

/** `end`: for good, so take back what you did to the world. `restart`: another thread takes your place at once, so leave it. */
export type StopKind = 'end' | 'restart';

interface WorkerData {
  name: string;
  data: unknown;
  bell: SharedArrayBuffer;
}

function toWire(error: unknown): WireError {
  return error instanceof Error
    ? { name: error.name, message: error.message, stack: error.stack }
    : { name: 'Error', message: String(error), stack: undefined };
}

function fromWire(wire: WireError): Error {
  const error = new Error(wire.message);
  error.name = wire.name;
  if (wire.stack !== undefined) error.stack = wire.stack;
  return error;
}

export interface ThreadOptions {
  name: string;
  /** The worker's module. */
  entry: URL;
  /** What `threadSide().data` gives; must survive structured cloning. */
  data?: unknown;
  transfer?: readonly Transferable[];
  onMessage?: (body: unknown) => void;
  /** The thread ended without having been asked to; it has been cleaned up. Not called for a start that failed. */
  onCrash?: (error: Error) => void;
  /** The thread runs a loop of its own, without Node's: it may be terminated. Default false. */
  ownLoop?: boolean;
  /** The start fails where `ready` does not come in this time. Default 30 s. */
  readyTimeoutMs?: number;
  execArgv?: string[];
}

export class Thread {
  readonly name: string;
  /** Settles when the thread has ended, however it ended. */
  readonly ended: Promise<void>;
  readonly #worker: Worker;
  readonly #bellMemory: SharedArrayBuffer;
  readonly #bell: Doorbell;
  readonly #options: ThreadOptions;
  readonly #replies: Map<number, { resolve: (body: unknown) => void; reject: (error: Error) => void }> = new Map();
  #nextId = 1;
  #state: 'starting' | 'running' | 'stopping' | 'ended' = 'starting';
  #error: Error | undefined;
  #onReady: (() => void) | undefined;

  /** Starts a thread; the promise settles when it is ready, or rejects with what it died of. */
  static async start(options: ThreadOptions): Promise<Thread> {
    const thread = new Thread(options);
    const timeoutMs = options.readyTimeoutMs ?? 30_000;
    let timer: NodeJS.Timeout | undefined;
    const outcome = await Promise.race([
      new Promise<'ready'>(resolve => (thread.#onReady = () => resolve('ready'))),
      thread.ended.then(() => 'ended' as const),
      new Promise<'late'>(resolve => (timer = setTimeout(() => resolve('late'), timeoutMs))),
    ]);
    clearTimeout(timer);
    if (outcome === 'ready') return thread;
    if (outcome === 'late') {
      await thread.stop(1000);
      throw new Error(`thread ${options.name} was not ready within ${timeoutMs} ms`);
    }
    throw thread.#error ?? new Error(`thread ${options.name} ended before it was ready`);
  }

  private constructor(options: ThreadOptions) {
    this.name = options.name;
    this.#options = options;
    this.#bellMemory = Doorbell.create();
    this.#bell = new Doorbell(this.#bellMemory);
    const data: WorkerData = { name: options.name, data: options.data, bell: this.#bellMemory };
    this.#worker = new Worker(options.entry, {
      name: options.name,
      workerData: data,
      transferList: [...(options.transfer ?? [])],
      ...(options.execArgv ? { execArgv: options.execArgv } : {}),
    });
    this.#worker.on('message', (message: Up) => this.#receive(message));
    this.#worker.on('error', (error: unknown) => {
      this.#error = error instanceof Error ? error : new Error(String(error));
    });
    this.#worker.on('messageerror', error => {
      this.#error = error;
    });
    this.ended = new Promise(resolve => {
      this.#worker.on('exit', code => {
        this.#end(code);
        resolve();
      });
    });
  }

  get running(): boolean {
    return this.#state === 'running';
  }

  /** Sends a message; nothing comes back. To a thread that ended it goes nowhere. */
  post(body: unknown, transfer: readonly Transferable[] = []): void {
    this.#send({ kind: 'message', body }, transfer);
  }

  /** Asks; settles with the reply, and rejects with what the handler threw or when the thread ends first. */
  request(body: unknown, transfer: readonly Transferable[] = []): Promise<unknown> {
    if (this.#state === 'ended') return Promise.reject(new Error(`thread ${this.name} has ended`));
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#replies.set(id, { resolve, reject });
      try {
        this.#send({ kind: 'request', id, body }, transfer);
      } catch (error) {
        this.#replies.delete(id);
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  /** Asks the thread to stop. One with a loop of its own is terminated when it has not after `graceMs`. False where the
   *  thread is still there: it hangs, and only the end of the process will end it. */
  async stop(graceMs = 5000, how: StopKind = 'end'): Promise<boolean> {
    if (this.#state === 'ended') return true;
    this.#state = 'stopping';
    this.#send({ kind: 'stop', how }, []);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>(resolve => (timer = setTimeout(() => resolve(false), graceMs)));
    const inTime = await Promise.race([this.ended.then(() => true), late]);
    clearTimeout(timer);
    if (inTime) return true;
    if (!this.#options.ownLoop) return false;
    const done = this.#worker.terminate();
    this.#bell.force();
    await done;
    await this.ended;
    return true;
  }

  #send(message: Down, transfer: readonly Transferable[]): void {
    if (this.#state === 'ended') return;
    this.#worker.postMessage(message, [...transfer]);
    this.#bell.ring();
  }

  #receive(message: Up): void {
    switch (message.kind) {
      case 'ready':
        if (this.#state === 'starting') this.#state = 'running';
        this.#onReady?.();
        break;
      case 'message':
        this.#options.onMessage?.(message.body);
        break;
      case 'reply':
        this.#take(message.id)?.resolve(message.body);
        break;
      case 'error':
        this.#take(message.id)?.reject(fromWire(message.error));
        break;
    }
  }

  #take(id: number): { resolve: (body: unknown) => void; reject: (error: Error) => void } | undefined {
    const reply = this.#replies.get(id);
    this.#replies.delete(id);
    return reply;
  }

  #end(code: number): void {
    const before = this.#state;
    this.#state = 'ended';
    Doorbell.close(this.#bellMemory);
    this.#error ??= before === 'stopping' ? undefined : new Error(`thread ${this.name} ended with code ${code}`);
    const reason = this.#error ?? new Error(`thread ${this.name} was stopped`);
    for (const { reject } of this.#replies.values()) reject(reason);
    this.#replies.clear();
    if (before === 'running') this.#options.onCrash?.(reason);
  }
}

/** The worker's side of a Thread. */
export interface ThreadSide<Data> {
  readonly data: Data;
  readonly name: string;
  /** Rung after every message from the parent: for a thread that does not run Node's loop. */
  readonly bell: Doorbell;
  /** Says that the thread is ready; `Thread.start` settles. */
  ready(): void;
  post(body: unknown, transfer?: readonly Transferable[]): void;
  onMessage(fn: (body: unknown) => void): void;
  /** Answers requests; an exception or a rejected promise goes back to the asker. */
  onRequest(fn: (body: unknown) => unknown): void;
  /** Runs when the parent asks to stop; when its promise settles the thread ends. */
  onStop(fn: (how: StopKind) => void | Promise<void>): void;
  /** Fetches and handles messages without Node's loop; how many there were. After it came a stop, `stopping` is true, and
   *  the thread ends when `onStop`'s function has returned. */
  poll(): number;
  readonly stopping: boolean;
}

class WorkerSide<Data> implements ThreadSide<Data> {
  readonly data: Data;
  readonly name: string;
  readonly bell: Doorbell;
  stopping = false;
  readonly #port: NonNullable<typeof parentPort>;
  #message: ((body: unknown) => void) | undefined;
  #request: ((body: unknown) => unknown) | undefined;
  #stop: ((how: StopKind) => void | Promise<void>) | undefined;

  constructor() {
    if (!parentPort) throw new Error('threadSide() outside a thread');
    const { data, name, bell } = workerData as WorkerData;
    this.data = data as Data;
    this.name = name;
    this.bell = new Doorbell(bell);
    this.#port = parentPort;
    this.#port.on('message', (message: Down) => this.#receive(message));
  }

  ready(): void {
    this.#up({ kind: 'ready' });
  }

  post(body: unknown, transfer: readonly Transferable[] = []): void {
    this.#up({ kind: 'message', body }, transfer);
  }

  onMessage(fn: (body: unknown) => void): void {
    this.#message = fn;
  }

  onRequest(fn: (body: unknown) => unknown): void {
    this.#request = fn;
  }

  onStop(fn: (how: StopKind) => void | Promise<void>): void {
    this.#stop = fn;
  }

  poll(): number {
    let count = 0;
    for (;;) {
      const envelope = receiveMessageOnPort(this.#port) as { message: Down } | undefined;
      if (!envelope) return count;
      count++;
      this.#receive(envelope.message);
    }
  }

  #up(message: Up, transfer: readonly Transferable[] = []): void {
    this.#port.postMessage(message, [...transfer]);
  }

  #receive(message: Down): void {
    switch (message.kind) {
      case 'message':
        this.#message?.(message.body);
        break;
      case 'request':
        this.#answer(message.id, message.body);
        break;
      case 'stop':
        this.stopping = true;
        this.#finish(message.how);
        break;
    }
  }

  #answer(id: number, body: unknown): void {
    const fail = (error: unknown): void => this.#up({ kind: 'error', id, error: toWire(error) });
    try {
      if (!this.#request) throw new Error(`thread ${this.name} answers no requests`);
      const result = this.#request(body);
      // A thread without Node's loop never runs a promise's reaction, so a plain result goes back at once.
      if (result instanceof Promise) result.then(value => this.#up({ kind: 'reply', id, body: value }), fail);
      else this.#up({ kind: 'reply', id, body: result });
    } catch (error) {
      fail(error);
    }
  }

  #finish(how: StopKind): void {
    const done = this.#stop?.(how);
    // In a worker this ends the thread, not the process.
    if (done instanceof Promise) {
      done.then(
        () => process.exit(0),
        (error: unknown) => {
          setImmediate(() => {
            throw error;
          });
        },
      );
    } else process.exit(0);
  }
}

let side: WorkerSide<unknown> | undefined;

/** The worker's side; the same object however often it is asked for. */
export function threadSide<Data>(): ThreadSide<Data> {
  side ??= new WorkerSide<unknown>();
  return side as ThreadSide<Data>;
}
