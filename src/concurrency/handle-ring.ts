// A bounded queue of 32-bit handles from one thread to one other, without locks.
//
//    line 0: capacity                                       written once, before the ring is shared
//    line 1: written   ← producer                           positions count up for ever (mod 2^32);
//    line 2: read      ← consumer                           position & mask is the slot
//    line 3: producer's tallies      line 4: consumer's
//
//          read        written          staged
//            ▼            ▼               ▼
//    ┌───┬───┬───┬───┬───┬───┬───┬───┬───┬───┬───┬───┐
//    │   │   │ h │ h │ h │ s │ s │ s │   │   │   │   │      h: the consumer's   s: staged, still the producer's
//    └───┴───┴───┴───┴───┴───┴───┴───┴───┴───┴───┴───┘
//
// Why it is right. A slot belongs to the consumer exactly while read <= position < written, and to the producer
// otherwise; each index has one writer. The producer fills slots first and stores `written` after, so whoever loads the
// new `written` sees the slots filled. The consumer takes handles out first and stores `read` after, so a producer that
// loads the new `read` may overwrite them. Neither side reads an index of its own from memory.
//
// Why it is fast. Each side remembers the other's index and loads it again only when what it remembers says full or
// empty, and announces once per burst, not per handle. So a burst of 64 costs two atomic operations a side.
import { LINE_BYTES, LINE_WORDS, load, store, tally, words } from './atomics.ts';

const CAPACITY = 0;
const WRITTEN: number = LINE_WORDS;
const READ: number = 2 * LINE_WORDS;
const REFUSED: number = 3 * LINE_WORDS;
const WAITS: number = REFUSED + 1;
const HIGH_WATER: number = 4 * LINE_WORDS;
const HEADER_BYTES: number = 5 * LINE_BYTES;

/** What a bounded queue counts; units are handles or bytes, as the queue's own. */
export interface QueueStats {
  capacity: number;
  /** Held now. */
  length: number;
  /** Held at most. The consumer samples it when it looks for more; a refusal means it was full. */
  highWater: number;
  /** Attempts refused because it was full. */
  refused: number;
  /** Times the producer ran into the full queue: refusals in a row count once. */
  waits: number;
}

/** Handle rings: `create` makes the shared memory, the producer's and the consumer's class look at it. */
export const HandleRing = {
  /** Shared memory for a ring of `capacity` handles: a power of two, at most 2^28. */
  create(capacity: number): SharedArrayBuffer {
    if (!Number.isInteger(Math.log2(capacity)) || capacity > 2 ** 28) {
      throw new RangeError(`HandleRing capacity must be a power of two up to 2^28, not ${capacity}`);
    }
    const memory = new SharedArrayBuffer(HEADER_BYTES + capacity * 4);
    words(memory, 0, HEADER_BYTES / 4)[CAPACITY] = capacity;
    return memory;
  },

  /** Counters of the ring, from any thread. */
  stats(memory: SharedArrayBuffer): QueueStats {
    const header = words(memory, 0, HEADER_BYTES / 4);
    const capacity = header[CAPACITY]!;
    const refused = load(header, REFUSED) >>> 0;
    return {
      capacity,
      length: (load(header, WRITTEN) - load(header, READ)) >>> 0,
      highWater: refused > 0 ? capacity : load(header, HIGH_WATER),
      refused,
      waits: load(header, WAITS) >>> 0,
    };
  },
} as const;

export class HandleProducer {
  readonly capacity: number;
  readonly #header: Int32Array;
  readonly #slots: Int32Array;
  readonly #mask: number;
  #staged: number;
  #written: number;
  #readSeen: number;
  #refused: number;
  #waits: number;
  #blocked = false;

  /** Takes the producer's side; after a restart of the thread it goes on where the last one published. */
  constructor(memory: SharedArrayBuffer) {
    this.#header = words(memory, 0, HEADER_BYTES / 4);
    this.capacity = this.#header[CAPACITY]!;
    this.#mask = this.capacity - 1;
    this.#slots = words(memory, HEADER_BYTES, this.capacity);
    this.#written = load(this.#header, WRITTEN);
    this.#staged = this.#written;
    this.#readSeen = load(this.#header, READ);
    this.#refused = load(this.#header, REFUSED);
    this.#waits = load(this.#header, WAITS);
  }

  /** Stages one handle (>= 0: the consumer's -1 means empty). False where the ring is full, and nothing changed. */
  push(handle: number): boolean {
    const staged = this.#staged;
    if (((staged - this.#readSeen) | 0) === this.capacity) {
      this.#readSeen = load(this.#header, READ);
      if (((staged - this.#readSeen) | 0) === this.capacity) {
        this.#refuse();
        return false;
      }
    }
    this.#slots[staged & this.#mask] = handle;
    this.#staged = (staged + 1) | 0;
    this.#blocked = false;
    return true;
  }

  /** Hands everything staged to the consumer. Ring its doorbell after this. */
  publish(): void {
    if (this.#staged === this.#written) return;
    this.#written = this.#staged;
    store(this.#header, WRITTEN, this.#written);
  }

  /** How many handles `push` will take now, at least. */
  room(): number {
    this.#readSeen = load(this.#header, READ);
    return this.capacity - ((this.#staged - this.#readSeen) | 0);
  }

  #refuse(): void {
    this.#refused = (this.#refused + 1) | 0;
    tally(this.#header, REFUSED, this.#refused);
    if (this.#blocked) return;
    this.#blocked = true;
    this.#waits = (this.#waits + 1) | 0;
    tally(this.#header, WAITS, this.#waits);
  }
}

export class HandleConsumer {
  readonly capacity: number;
  readonly #header: Int32Array;
  readonly #slots: Int32Array;
  readonly #mask: number;
  #next: number;
  #read: number;
  #writtenSeen: number;
  #highWater: number;

  /** Takes the consumer's side; handles that an earlier consumer took without `release` come again. */
  constructor(memory: SharedArrayBuffer) {
    this.#header = words(memory, 0, HEADER_BYTES / 4);
    this.capacity = this.#header[CAPACITY]!;
    this.#mask = this.capacity - 1;
    this.#slots = words(memory, HEADER_BYTES, this.capacity);
    this.#read = load(this.#header, READ);
    this.#next = this.#read;
    this.#writtenSeen = this.#read;
    this.#highWater = load(this.#header, HIGH_WATER);
  }

  /** Takes the next handle, or -1 where there is none. */
  pop(): number {
    const next = this.#next;
    if (next === this.#writtenSeen && this.#look() === next) return -1;
    this.#next = (next + 1) | 0;
    return this.#slots[next & this.#mask]!;
  }

  /** Gives the room of everything popped back to the producer. */
  release(): void {
    if (this.#next === this.#read) return;
    this.#read = this.#next;
    store(this.#header, READ, this.#read);
  }

  /** Handles that `pop` will give now. */
  get length(): number {
    return (this.#look() - this.#next) | 0;
  }

  #look(): number {
    this.#writtenSeen = load(this.#header, WRITTEN);
    const held = (this.#writtenSeen - this.#read) | 0;
    if (held > this.#highWater) {
      this.#highWater = held;
      tally(this.#header, HIGH_WATER, held);
    }
    return this.#writtenSeen;
  }
}
