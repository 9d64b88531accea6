// What zebra and the dataplane thread share: two pools, four rings, two doorbells, and a page of counters.
//
//                 ── down ──▶   requests' handles                  zebra owns the pool of requests, the
//      zebra      ◀─ results ─  the same handles, done     dplane  dataplane that of notifications: each
//                 ◀── up ────   notifications' handles             is allocated and freed by one thread
//                 ── back ──▶   the same handles, read
//
// Every ring holds all handles of its pool, so only an exhausted pool makes anybody wait, and there the wait is counted. A
// result can always be given back: the dataplane never blocks on a slow zebra for what zebra itself asked for.
import { Doorbell, HandleRing } from '../concurrency/index.ts';
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
  };
}

/** When neither thread uses it any more. */
export function closeDataplaneChannel(channel: DataplaneChannel): void {
  Doorbell.close(channel.dataplaneBell);
  Doorbell.close(channel.zebraBell);
}
