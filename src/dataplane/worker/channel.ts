// What the dataplane thread and the worker of a threaded provider share: a pool of copies and one of notifications, two rings
// of each one's handles, two doorbells, and a page with the worker's state, what it is told to do, and what it has to say.
//
//      dplane   ── to ──▶    copies of contexts      worker
//               ◀─ from ──   the same, done
//               ◀─── up ──   notifications
//               ── back ──▶  the same, passed on
//               ── command ▶ finish early, finish
//               ◀─ state, heartbeat, log, status
//
// The worker never sees the requests' own memory: a provider that was ended in the middle of something can spoil its copies
// only. The dataplane thread owns the pool of copies, the worker that of notifications.
import {
  add,
  ByteConsumer,
  ByteProducer,
  ByteRing,
  Doorbell,
  HandleRing,
  load,
  octets,
  store,
  words,
} from '../../concurrency/index.ts';
import { ContextPool } from '../context.ts';

export interface WorkerChannel {
  readonly pool: SharedArrayBuffer;
  readonly to: SharedArrayBuffer;
  readonly from: SharedArrayBuffer;
  readonly notices: SharedArrayBuffer;
  readonly up: SharedArrayBuffer;
  readonly back: SharedArrayBuffer;
  readonly log: SharedArrayBuffer;
  readonly page: SharedArrayBuffer;
  readonly workerBell: SharedArrayBuffer;
  readonly dataplaneBell: SharedArrayBuffer;
}

/**
 * Its own modules are being loaded. Not to be terminated now: a library of koffi's that is refused something halfway, because
 * its thread is to end, takes the whole process with it.
 */
export const LOADING = 0;
/** The provider starts. */
export const STARTING = 1;
export const RUNNING = 2;
/** It threw; the log says what. */
export const BROKEN = 3;
/** It let go of everything, as it was told to. */
export const FINISHED = 4;

// What the worker is told, one bit each. Bits are only ever added, and the worker remembers what it obeyed.
export const COMMAND_FINISH_EARLY = 1;
export const COMMAND_FINISH = 2;
/** Nobody waits for it: one that is still loading ends by itself. */
export const COMMAND_ABANDON = 4;

const STATE = 0;
const COMMAND = 1;
const HEARTBEAT = 2;
const REPLAYS = 3;
const STATUS_LENGTH = 4;
/** Odd while the status is being written. */
const STATUS_VERSION = 5;
/** A status is written in microseconds. */
const STATUS_READS = 1000;
const HEADER_BYTES = 64;
const STATUS_BYTES = 16_384;
const LOG_BYTES = 65_536;
/** Notifications that may be on their way from a worker; a power of two. */
const NOTICES = 1024;

/** `slots` contexts may be with the worker at a time; a power of two. */
export function createWorkerChannel(slots: number, dataplaneBell: SharedArrayBuffer): WorkerChannel {
  return {
    pool: ContextPool.create(slots),
    to: HandleRing.create(slots),
    from: HandleRing.create(slots),
    notices: ContextPool.create(NOTICES),
    up: HandleRing.create(NOTICES),
    back: HandleRing.create(NOTICES),
    log: ByteRing.create(LOG_BYTES),
    page: new SharedArrayBuffer(HEADER_BYTES + STATUS_BYTES),
    workerBell: Doorbell.create(),
    dataplaneBell,
  };
}

/** The page, from either side. */
export class WorkerPage {
  readonly #header: Int32Array;
  readonly #status: Uint8Array;

  constructor(page: SharedArrayBuffer) {
    this.#header = words(page, 0, HEADER_BYTES / 4);
    this.#status = octets(page, HEADER_BYTES, STATUS_BYTES);
  }

  get state(): number {
    return load(this.#header, STATE);
  }

  set state(state: number) {
    store(this.#header, STATE, state);
  }

  /** COMMAND_* bits. */
  get commands(): number {
    return load(this.#header, COMMAND);
  }

  tell(command: number): void {
    store(this.#header, COMMAND, this.commands | command);
  }

  /** Counts up while the worker's loop turns. */
  get heartbeat(): number {
    return load(this.#header, HEARTBEAT);
  }

  beat(): void {
    add(this.#header, HEARTBEAT, 1);
  }

  /** Times the provider asked for a replay. */
  get replays(): number {
    return load(this.#header, REPLAYS);
  }

  askReplay(): void {
    add(this.#header, REPLAYS, 1);
  }

  /** The provider's words of itself, as JSON; undefined where it said nothing, or says something else all the time. */
  get status(): Readonly<Record<string, unknown>> | undefined {
    for (let i = 0; i < STATUS_READS; i++) {
      const version = load(this.#header, STATUS_VERSION);
      const bytes = this.#status.slice(0, load(this.#header, STATUS_LENGTH));
      if (version === 0) return undefined;
      if ((version & 1) === 1 || load(this.#header, STATUS_VERSION) !== version) continue;
      return parsed(Buffer.from(bytes).toString());
    }
    return undefined;
  }

  setStatus(status: Readonly<Record<string, unknown>>): void {
    const bytes = Buffer.from(JSON.stringify(status));
    if (bytes.length > STATUS_BYTES) return;
    add(this.#header, STATUS_VERSION, 1);
    store(this.#header, STATUS_LENGTH, bytes.length);
    this.#status.set(bytes);
    add(this.#header, STATUS_VERSION, 1);
  }
}

/** A worker that was ended in the middle of its words has said nothing. */
function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}

/** Lines from the worker to whoever reads the daemon's log; what finds no room is lost. */
export class WorkerLog {
  readonly #ring: ByteProducer;

  constructor(memory: SharedArrayBuffer) {
    this.#ring = new ByteProducer(memory);
  }

  write(text: string): void {
    const bytes = Buffer.from(text).subarray(0, 4096);
    const at = this.#ring.reserve(bytes.length);
    if (at < 0) return;
    this.#ring.bytes.set(bytes, at);
    this.#ring.commit(bytes.length);
    this.#ring.publish();
  }
}

export function* readLog(ring: ByteConsumer): Generator<string> {
  while (ring.next()) {
    yield Buffer.from(ring.bytes.subarray(ring.offset, ring.offset + ring.size)).toString();
    ring.release();
  }
}
