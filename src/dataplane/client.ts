// Zebra's side of the dataplane: allocate a context, fill it, enqueue it, flush; later, results and notifications come back
// through `poll`, in the one order in which they left the dataplane thread.
//
//   const handle = client.allocate(OP_ROUTE_INSTALL);          // 0: no room now; zebraBell rings when results come
//   client.requests.setObject(handle, routeId, generation);
//   client.requests.setRoute(handle, 254, AF_INET, w0, 0, 0, 0, 24, RTPROT_BGP, RTN_UNICAST, 20, nexthopId);
//   client.enqueue(handle);
//   ...
//   client.flush();
//
// Results and notifications use two rings (so that a flood of events never blocks a result), but carry one sequence, and
// `poll` merges them by it. That matters after a resynchronisation: between DUMP_BEGIN and DUMP_END of a kind, an object for
// which a result arrives has just been written by us, and what the dump says (or does not say) of it may be older. But that is so only
// of what was enqueued after DUMP_BEGIN: what was on its way by then the kernel may have done before, and somebody undone.
import {
  Doorbell,
  HandleConsumer,
  HandleProducer,
  HandleRing,
  type QueueStats,
  type PoolStats,
} from '../concurrency/index.ts';
import { clockMonotonicUs } from '../sys/index.ts';
import { type DataplaneChannel, DataplanePage } from './channel.ts';
import { FLAG_TARGET, STATUS_QUEUED } from './constants.ts';
import { contextPool } from './checked-pool.ts';
import { ContextPool } from './context.ts';
import { OP_RESYNC } from './operation.ts';

/** Of the pool, what one follower may have. */
const FOLLOWER_PART = 16;

/** Called with the pool and a handle; the context is freed when it returns. */
export type ContextHandler = (pool: ContextPool, handle: number) => void;

export interface DataplaneClientStats {
  readonly requests: PoolStats;
  readonly notifications: PoolStats;
  readonly down: QueueStats;
  readonly results: QueueStats;
  readonly up: QueueStats;
}

export class DataplaneClient {
  /** Contexts on their way down; owned here. */
  readonly requests: ContextPool;
  /** Contexts that came up; owned by the dataplane thread. */
  readonly notifications: ContextPool;
  /** Rings when results or notifications are there: watch it, then call `poll`. */
  readonly bell: Doorbell;
  readonly #channel: DataplaneChannel;
  readonly #down: HandleProducer;
  readonly #results: HandleConsumer;
  readonly #up: HandleConsumer;
  readonly #back: HandleProducer;
  readonly #dataplaneBell: Doorbell;
  readonly #page: DataplanePage;
  #limit: number;
  /** Of contexts for a follower alone, by slot: its number and how many slots; and the sums. */
  readonly #asideOf: Int32Array;
  readonly #asideSlots: Int32Array;
  readonly #aside: Map<number, number> = new Map();
  #asideAll = 0;
  #staged = 0;
  #enteredUs = 0;
  #result = -1; // popped, not yet handled
  #notification = -1;

  constructor(channel: DataplaneChannel) {
    this.#channel = channel;
    this.requests = contextPool(channel.requests);
    this.notifications = contextPool(channel.notifications);
    this.bell = new Doorbell(channel.zebraBell);
    this.#down = new HandleProducer(channel.down);
    this.#results = new HandleConsumer(channel.results);
    this.#up = new HandleConsumer(channel.up);
    this.#back = new HandleProducer(channel.back);
    this.#dataplaneBell = new Doorbell(channel.dataplaneBell);
    this.#page = new DataplanePage(channel.page);
    this.#limit = this.requests.limit;
    this.#asideOf = new Int32Array(2 ** Math.ceil(Math.log2(this.#limit)));
    this.#asideSlots = new Int32Array(this.#asideOf.length);
  }

  /** Requests that may be under way at a time, those for followers aside; 0: as many as there are contexts. */
  set limit(limit: number) {
    this.#page.limit = limit;
    this.#limit = limit === 0 ? this.requests.limit : Math.min(limit, this.requests.limit);
  }

  /**
   * Requests that can be allocated now. Chained slots (groups of more than six) count too. What followers have does not: they
   * keep it as long as they like, and must not hold up anybody else.
   */
  room(): number {
    const { inUse, limit } = this.requests;
    const underWay = inUse - this.#asideAll;
    // With nothing under way any number may go: what belongs together may be more than the limit that an operator set.
    return Math.min(limit - inUse, underWay === 0 ? limit : Math.max(0, this.#limit - underWay));
  }

  /** The same of what one follower alone is told: it has its share, and something that is wider goes where it has nothing else. */
  roomFor(follower: number): number {
    const { inUse, limit } = this.requests;
    const has = this.#aside.get(follower) ?? 0;
    return Math.min(limit - inUse, has === 0 ? limit : Math.max(0, limit / FOLLOWER_PART - has));
  }

  /** A context for one request, or 0 where all are in flight: wait for results. */
  allocate(op: number): number {
    return this.requests.allocate(op);
  }

  /** Gives back a context that was allocated but will not be enqueued. */
  cancel(handle: number): void {
    this.requests.free(handle);
  }

  /** Puts a filled context into the queue; the dataplane sees it after `flush`. Must not be touched after this. */
  enqueue(handle: number): void {
    if (this.#staged++ === 0) this.#enteredUs = clockMonotonicUs();
    this.requests.setStatus(handle, STATUS_QUEUED);
    this.requests.setEntered(handle, this.#enteredUs);
    if ((this.requests.flags(handle) & FLAG_TARGET) !== 0) this.#goAside(handle);
    if (!this.#down.push(handle)) throw new Error('dataplane: the ring of requests is smaller than their pool');
  }

  #goAside(handle: number): void {
    const { requests } = this;
    const slots = requests.slots(handle);
    this.#asideOf[requests.indexOf(handle)] = requests.provider(handle);
    this.#asideSlots[requests.indexOf(handle)] = slots;
    this.#addAside(handle, slots);
  }

  #addAside(handle: number, slots: number): void {
    const follower = this.#asideOf[this.requests.indexOf(handle)]!;
    this.#aside.set(follower, (this.#aside.get(follower) ?? 0) + slots);
    this.#asideAll += slots;
  }

  /** Hands over what was enqueued, and wakes the dataplane thread if it sleeps. */
  flush(): void {
    if (this.#staged === 0) return;
    this.#staged = 0;
    // A handler of `poll` may get here: contexts that it freed may be among these, so their old places must be free too before
    // the dataplane can hand them in once more.
    this.#results.release();
    this.#down.publish();
    this.#dataplaneBell.ring();
  }

  /** Asks for a dump of the kinds (KIND_* bits). False where no request can be allocated now. */
  requestResync(kinds: number): boolean {
    const handle = this.allocate(OP_RESYNC);
    if (handle === 0) return false;
    this.requests.setKinds(handle, kinds);
    this.enqueue(handle);
    this.flush();
    return true;
  }

  /**
   * Takes at most `max` results and notifications, in their order, and frees them after the handler. Returns how many
   * there were; as many as `max` means: come again.
   */
  poll(max: number, onResult: ContextHandler, onNotification: ContextHandler): number {
    let done = 0;
    for (; done < max; done++) {
      // What is older than a handle seen in one ring is to be seen in the other by then (Dataplane), but not before: so
      // each ring is looked at after what the other one showed.
      if (this.#result < 0) this.#result = this.#results.pop();
      if (this.#notification < 0) {
        this.#notification = this.#up.pop();
        if (this.#notification >= 0 && this.#result < 0) this.#result = this.#results.pop();
      }
      if (this.#result < 0 && this.#notification < 0) break;
      const resultFirst =
        this.#notification < 0 ||
        (this.#result >= 0 &&
          ((this.requests.sequence(this.#result) - this.notifications.sequence(this.#notification)) | 0) < 0);
      if (resultFirst) {
        const handle = this.#result;
        this.#result = -1;
        onResult(this.requests, handle);
        if ((this.requests.flags(handle) & FLAG_TARGET) !== 0)
          this.#addAside(handle, -this.#asideSlots[this.requests.indexOf(handle)]!);
        this.requests.free(handle);
      } else {
        const handle = this.#notification;
        this.#notification = -1;
        onNotification(this.notifications, handle);
        this.#back.push(handle);
      }
    }
    if (done > 0) {
      this.#results.release();
      this.#up.release();
      this.#back.publish();
      // The dataplane waits for notifications to come back only when it ran out of them; else nobody sleeps on this.
      this.#dataplaneBell.ring();
    }
    return done;
  }

  /** Whether `poll` has something to give. Ask after `bell.arm()`. */
  get pending(): boolean {
    return this.#result >= 0 || this.#notification >= 0 || this.#results.length > 0 || this.#up.length > 0;
  }

  stats(): DataplaneClientStats {
    return {
      requests: ContextPool.stats(this.#channel.requests),
      notifications: ContextPool.stats(this.#channel.notifications),
      down: HandleRing.stats(this.#channel.down),
      results: HandleRing.stats(this.#channel.results),
      up: HandleRing.stats(this.#channel.up),
    };
  }
}
