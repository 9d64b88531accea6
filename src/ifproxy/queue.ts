// A queue of events from the library's thread to one other, in shared memory:
//
//    library ── byte ring of records (record.ts) ──▶ reader        bell: wakes the reader      room: wakes the library, where it
//            ◀──────────── room ────────────────────                                           waits for the reader to take some
//
// It is bounded. When an event finds no room, the queue is *lost*: nothing more is put in until the reader has taken half of it; then
// `resynchronize` says so, and the whole picture follows, as fast as the reader takes it, up to `pictureFinished`. So a slow reader costs
// no memory, and never believes what is not so for longer than it is slow.
//
// What one run of the library tells is published together, with a `commit` behind it; a run that is longer than the ring is published
// in parts.
import { ByteConsumer, ByteProducer, ByteRing, Doorbell, type QueueStats } from '../concurrency/index.ts';
import { type ProxyEvent, RouteEvent } from './event.ts';
import { readRecord } from './record.ts';

/** What a thread needs to read a queue; it may be sent to a worker. */
export interface QueueShare {
  readonly ring: SharedArrayBuffer;
  readonly bell: SharedArrayBuffer;
  readonly room: SharedArrayBuffer;
}

export interface EventQueueStats extends QueueStats {
  /** Times it was full and the reader had to be told everything anew. */
  readonly resynchronizations: number;
}

export function createShare(bytes: number): QueueShare {
  return { ring: ByteRing.create(bytes), bell: Doorbell.create(), room: Doorbell.create() };
}

/** The library's end. */
export class QueueWriter {
  readonly share: QueueShare;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly #producer: ByteProducer;
  readonly #bell: Doorbell;
  readonly #room: Doorbell;
  #rung: Promise<unknown> | undefined;

  constructor(share: QueueShare) {
    this.share = share;
    this.#producer = new ByteProducer(share.ring);
    this.#bell = new Doorbell(share.bell);
    this.#room = new Doorbell(share.room);
    const { bytes } = this.#producer;
    this.bytes = bytes;
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
  }

  /** Room for a record of so many bytes: its first word, or -1. */
  reserve(bytes: number): number {
    const at = this.#producer.reserve(bytes);
    return at < 0 ? -1 : at >> 2;
  }

  commit(): void {
    this.#producer.commit();
  }

  publish(): void {
    this.#producer.publish();
    this.#bell.ring();
  }

  /** Whether the reader has taken at least half of what there can be. */
  get roomy(): boolean {
    return this.#producer.room() * 2 >= this.#producer.capacity;
  }

  /** Calls `fn` once the reader has taken something. */
  onRoom(fn: () => void): void {
    if (this.#rung !== undefined) return;
    this.#room.armWait();
    if (this.roomy) {
      this.#room.disarm();
      setImmediate(fn);
      return;
    }
    this.#rung = this.#room.rung();
    if (this.#rung === undefined) setImmediate(fn);
    void this.#rung?.then(() => {
      this.#rung = undefined;
      fn();
    });
  }

  close(): void {
    this.#bell.force();
    this.#room.force();
    Doorbell.close(this.share.bell);
    Doorbell.close(this.share.room);
  }
}

/** The reader's end, in whatever thread. */
export class EventReader {
  /** For poll(2) and the like: readable when there are events, after `arm`. */
  readonly fd: number;
  readonly #consumer: ByteConsumer;
  readonly #bell: Doorbell;
  readonly #room: Doorbell;
  readonly #words: Int32Array;
  readonly #route: RouteEvent = new RouteEvent();
  #taken = 0;

  constructor(share: QueueShare) {
    this.#consumer = new ByteConsumer(share.ring);
    this.#bell = new Doorbell(share.bell);
    this.#room = new Doorbell(share.room);
    const { bytes } = this.#consumer;
    this.#words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
    this.fd = this.#bell.fd;
  }

  /** The next event, or undefined where none waits. A route's is a view that the next call overwrites. */
  next(): ProxyEvent | undefined {
    if (this.#taken === BURST) this.#release();
    if (!this.#consumer.next()) {
      this.#release();
      return undefined;
    }
    this.#taken++;
    return readRecord(this.#words, this.#consumer.bytes, this.#consumer.offset >> 2, this.#route);
  }

  /** Blocks this thread until there is something, at most `timeoutMs`; false where there is nothing. Not for Node's loop. */
  wait(timeoutMs?: number): boolean {
    this.#release();
    this.#bell.armWait();
    if (this.#consumer.length > 0) {
      this.#bell.disarm();
      return true;
    }
    this.#bell.sleep(timeoutMs);
    return this.#consumer.length > 0;
  }

  /** Resolves when there is something. For a thread that runs Node's loop, which it does not keep alive. */
  async ready(): Promise<void> {
    this.#release();
    this.#bell.armWait();
    if (this.#consumer.length > 0) {
      this.#bell.disarm();
      return;
    }
    await this.#bell.rung();
  }

  /** Before poll(2) on `fd`: false where there are events already. After it, and before `next`: `answer`. */
  arm(): boolean {
    this.#release();
    this.#bell.arm();
    if (this.#consumer.length === 0) return true;
    this.#bell.disarm();
    return false;
  }

  answer(): void {
    this.#bell.disarm();
    this.#bell.answer();
  }

  #release(): void {
    if (this.#taken === 0) return;
    this.#taken = 0;
    this.#consumer.release();
    this.#room.ring();
  }
}

/** Events after which their room is given back. */
const BURST = 64;
