// Who is told: an object of callbacks, or a queue for another thread; and the walks that it is owed (delivery.ts).
import { ByteRing } from '../concurrency/index.ts';
import type { Binding } from './attached.ts';
import { type EventKind, type EventOf, MAX_HOPS, type StreamEvent } from './event.ts';
import { type EventFilter, Filter } from './filter.ts';
import type { AddressState, NeighborState } from './states.ts';
import { IfProxyError, type Port, type Proxy } from './port.ts';
import { createShare, type EventQueueStats, type QueueShare, QueueWriter } from './queue.ts';
import { RECORD_BYTES, writeHead } from './record.ts';

/**
 * A function for each kind of event that is wanted. It may do with the library whatever it likes. True: it is handled, and goes to no
 * queue. An event is good while the function runs; so is a route's view.
 */
export type ProxyCallbacks = {
  readonly [K in Exclude<EventKind, StreamEvent['kind']>]?: (
    event: EventOf<K>,
    port: Port,
    proxy: Proxy,
    // oxlint-disable-next-line typescript/no-invalid-void-type: a function without a return is the usual one
  ) => boolean | void;
} & { readonly [K in StreamEvent['kind']]?: (event: EventOf<K>) => void };

export const STAGE_LINK = 0;
export const STAGE_ADDRESSES = 1;
export const STAGE_ROUTES4 = 2;
export const STAGE_ROUTES6 = 3;
export const STAGE_NEIGHBORS = 4;
export const STAGE_DONE = 5;

export class Walk {
  readonly binding: Binding;
  /** Part of what is there when the consumer begins: `configurationFinished` comes after it, and no `pictureFinished`. */
  readonly first: boolean;
  stage: number = STAGE_LINK;
  /** Within the stage: what is told next (link's kinds, rows), or the serial of what was told last. */
  at = 0;
  /** Of the stage's addresses or neighbours, and the one that found no room. */
  entries: Iterator<AddressState | NeighborState> | undefined;
  held: AddressState | NeighborState | undefined;

  constructor(binding: Binding, first: boolean) {
    this.binding = binding;
    this.first = first;
  }
}

export abstract class Consumer {
  readonly filter: Filter;
  readonly walks: Map<Binding, Walk> = new Map();
  configured = false;
  closed = false;
  /** Something was told since the last commit. */
  told = false;

  constructor(filter: Filter) {
    this.filter = filter;
  }
}

export class Registration extends Consumer {
  readonly callbacks: ProxyCallbacks;
  readonly #drop: (consumer: Registration) => void;

  constructor(callbacks: ProxyCallbacks, filter: Filter, drop: (consumer: Registration) => void) {
    super(filter);
    this.#drop = drop;
    this.callbacks = callbacks;
  }

  /** No callback is called any more. */
  close(): void {
    this.#drop(this);
  }
}

export interface EventQueueOptions {
  /** Bytes of the ring: a power of two, at least 16 KiB. A route with one hop takes 108, one with 256 hops 7 KiB. 4 MiB unless told. */
  readonly bytes?: number;
  readonly filter?: EventFilter;
}

/** An empty ring has room for a frame of half its size, less a word: for the longest event there is. */
const LEAST_BYTES = 1 << 14;

/** A bounded queue of events; `share` goes to the thread that reads it (`EventReader`). */
export class EventQueue extends Consumer {
  readonly share: QueueShare;
  readonly writer: QueueWriter;
  /** It was full: nothing goes in until all can be told anew. */
  lost = false;
  resynchronizing = false;
  resynchronizations = 0;
  readonly #drop: (consumer: EventQueue) => void;

  constructor(options: EventQueueOptions, drop: (consumer: EventQueue) => void) {
    super(new Filter(options.filter));
    this.#drop = drop;
    const { bytes = 4 << 20 } = options;
    if (bytes < LEAST_BYTES) {
      throw new IfProxyError(
        `a queue of ${bytes} bytes has no room for a route of ${MAX_HOPS} hops: ${LEAST_BYTES} at least`,
      );
    }
    this.share = createShare(bytes);
    this.writer = new QueueWriter(this.share);
  }

  get stats(): EventQueueStats {
    return { ...ByteRing.stats(this.share.ring), resynchronizations: this.resynchronizations };
  }

  /** The reader must not use it any more. */
  close(): void {
    this.#drop(this);
  }

  /** It was full: what it has been told is not to be relied on. */
  lose(): void {
    if (this.lost) return;
    this.lost = true;
    this.resynchronizing = false;
    this.walks.clear();
    this.resynchronizations++;
    this.told = false;
    this.writer.publish();
  }

  /** A record that is a head only; false where there is no room. */
  put(code: number, flags: number, proxyId: number, portId: number): boolean {
    const at = this.writer.reserve(RECORD_BYTES);
    if (at < 0) return false;
    writeHead(this.writer.words, at, code, flags, proxyId, portId);
    this.writer.commit();
    return true;
  }
}

/** Whether what is at this place of the picture has been told to the consumer. */
export function passed(consumer: Consumer, binding: Binding, stage: number, at: number): boolean {
  const walk = consumer.walks.get(binding);
  return walk === undefined || walk.stage > stage || (walk.stage === stage && at <= walk.at);
}
