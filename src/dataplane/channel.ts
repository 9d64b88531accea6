// What zebra and the dataplane thread share: two pools, four rings, two doorbells, and a page.
//
//                 ── down ──▶   requests' handles                  zebra owns the pool of requests, the
//      zebra      ◀─ results ─  the same handles, done     dplane  dataplane that of notifications: each
//                 ◀── up ────   notifications' handles             is allocated and freed by one thread
//                 ── back ──▶   the same handles, read
//
// The page says which provider has its turn, for whoever watches that none keeps it; and how many requests zebra may have
// under way.
//
// Every ring holds all handles of its pool, so only an exhausted pool makes anybody wait, and there the wait is counted. A
// result can always be given back: the dataplane never blocks on a slow zebra for what zebra itself asked for.
import { Doorbell, HandleRing, load, octets, store, words } from '../concurrency/index.ts';
import { ContextPool } from './context.ts';

export interface DataplaneOptions {
  /** Requests in flight at most; a power of two. */
  readonly requests?: number;
  /** Notifications in flight at most; a power of two. */
  readonly notifications?: number;
}

/** Plain shared memory: goes into both threads' workerData. */
export interface DataplaneChannel {
  readonly requests: SharedArrayBuffer;
  readonly notifications: SharedArrayBuffer;
  readonly down: SharedArrayBuffer;
  readonly results: SharedArrayBuffer;
  readonly up: SharedArrayBuffer;
  readonly back: SharedArrayBuffer;
  /** Wakes the dataplane thread. */
  readonly dataplaneBell: SharedArrayBuffer;
  /** Wakes zebra. */
  readonly zebraBell: SharedArrayBuffer;
  /** DataplanePage. */
  readonly page: SharedArrayBuffer;
}

export function createDataplaneChannel(options: DataplaneOptions = {}): DataplaneChannel {
  const requests = options.requests ?? 16_384;
  const notifications = options.notifications ?? 16_384;
  return {
    requests: ContextPool.create(requests),
    notifications: ContextPool.create(notifications),
    down: HandleRing.create(requests),
    results: HandleRing.create(requests),
    up: HandleRing.create(notifications),
    back: HandleRing.create(notifications),
    dataplaneBell: Doorbell.create(),
    zebraBell: Doorbell.create(),
    page: DataplanePage.create(),
  };
}

const TURN = 0;
const ACTIVE = 1;
const LIMIT = 2;
const HEADER_BYTES = 64;
const NAME_BYTES = 64;
/** Providers at a time. */
export const PROVIDERS_MAX = 64;

export class DataplanePage {
  readonly #words: Int32Array;
  readonly #names: Uint8Array;

  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(HEADER_BYTES + PROVIDERS_MAX * NAME_BYTES);
  }

  constructor(memory: SharedArrayBuffer) {
    this.#words = words(memory, 0, HEADER_BYTES / 4);
    this.#names = octets(memory, HEADER_BYTES, PROVIDERS_MAX * NAME_BYTES);
  }

  /** The pipeline: this provider has its turn. Returns whose turn is interrupted by it, for `end`. */
  begin(provider: number): number {
    const before = this.#words[ACTIVE]!;
    store(this.#words, TURN, this.#words[TURN]! + 1);
    store(this.#words, ACTIVE, provider);
    return before;
  }

  /** The turn is over, and that of `before` goes on. */
  end(before: number): void {
    store(this.#words, ACTIVE, before);
  }

  /** Whose turn it is (0: nobody's), and which turn that is. */
  get turn(): { provider: number; number: number } {
    return { provider: load(this.#words, ACTIVE), number: load(this.#words, TURN) };
  }

  /** So that a provider has a name for those who only know its number. */
  setName(provider: number, name: string): void {
    const bytes = Buffer.from(name).subarray(0, NAME_BYTES);
    const at = (provider % PROVIDERS_MAX) * NAME_BYTES;
    this.#names.fill(0, at, at + NAME_BYTES);
    this.#names.set(bytes, at);
  }

  nameOf(provider: number): string {
    const at = (provider % PROVIDERS_MAX) * NAME_BYTES;
    return Buffer.from(this.#names.slice(at, at + NAME_BYTES))
      .toString()
      .replace(/\0+$/, '');
  }

  /** Requests that zebra may have under way; 0: as many as there are contexts. */
  get limit(): number {
    return load(this.#words, LIMIT);
  }

  set limit(limit: number) {
    store(this.#words, LIMIT, limit);
  }
}

/** When neither thread uses it any more. */
export function closeDataplaneChannel(channel: DataplaneChannel): void {
  Doorbell.close(channel.dataplaneBell);
  Doorbell.close(channel.zebraBell);
}
