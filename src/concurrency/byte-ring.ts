// A bounded queue of messages (frames of bytes) from one thread to one other, without locks and without copying: the
// producer builds a frame in place, the consumer reads it in place.
//
//    line 0: capacity   line 1: written ← producer   line 2: read ← consumer   lines 3, 4: tallies
//
//    read                          written    staged
//     ▼                               ▼          ▼
//    ┌────┬───────────┬────┬─────────┬────┬─────┬───────────┬────┬─────────┐
//    │size│ frame ... │size│ frame...│size│frame│           │ -1 │ not used│
//    └────┴───────────┴────┴─────────┴────┴─────┴───────────┴────┴─────────┘
//
// A frame is a word with its size in bytes, then its bytes, padded to four. It never wraps: where it does not fit before
// the end, the word there says -1 and the frame starts at 0. So a frame may need up to twice its own size of free room,
// and is at most half the ring (`maxFrame`): then an empty ring always has room for it, and nobody waits for ever.
//
// Why it is right: as in handle-ring.ts, with bytes for slots. All bytes in read <= position < written are the
// consumer's, the others the producer's; size words and frame bytes are plain writes before the atomic store of
// `written`, plain reads before that of `read`. The word at a position below `written` is always a size or -1, because
// positions are multiples of four and frames are staged whole.
import { LINE_BYTES, LINE_WORDS, load, octets, store, tally, words } from './atomics.ts';
import type { QueueStats } from './handle-ring.ts';

const CAPACITY = 0;
const WRITTEN: number = LINE_WORDS;
const READ: number = 2 * LINE_WORDS;
const REFUSED: number = 3 * LINE_WORDS;
const WAITS: number = REFUSED + 1;
const HIGH_WATER: number = 4 * LINE_WORDS;
const HEADER_BYTES: number = 5 * LINE_BYTES;
const WRAP = -1;

/** Byte rings: `create` makes the shared memory, the producer's and the consumer's class look at it. */
export const ByteRing = {
  /** Shared memory for a ring of `bytes` (frames and their size words): a power of two from 16 to 2^30. */
  create(bytes: number): SharedArrayBuffer {
    if (!Number.isInteger(Math.log2(bytes)) || bytes < 16 || bytes > 2 ** 30) {
      throw new RangeError(`ByteRing size must be a power of two from 16 to 2^30, not ${bytes}`);
    }
    const memory = new SharedArrayBuffer(HEADER_BYTES + bytes);
    words(memory, 0, HEADER_BYTES / 4)[CAPACITY] = bytes;
    return memory;
  },

  /** Counters of the ring in bytes, from any thread. */
  stats(memory: SharedArrayBuffer): QueueStats {
    const header = words(memory, 0, HEADER_BYTES / 4);
    const refused = load(header, REFUSED) >>> 0;
    return {
      capacity: header[CAPACITY]!,
      length: (load(header, WRITTEN) - load(header, READ)) >>> 0,
      highWater: load(header, HIGH_WATER),
      refused,
      waits: load(header, WAITS) >>> 0,
    };
  },
} as const;

export class ByteProducer {
  readonly capacity: number;
  /** Largest frame in bytes. */
  readonly maxFrame: number;
  /** Where frames are written, at the offset that `reserve` gives. */
  readonly bytes: Uint8Array;
  readonly #header: Int32Array;
  readonly #sizes: Int32Array;
  #staged: number;
  #written: number;
  #readSeen: number;
  #reserved = -1; // bytes asked for, -1 where nothing is reserved
  #start = 0; // position of the reserved frame's size word
  #refused: number;
  #waits: number;
  #blocked = false;

  /** Takes the producer's side; after a restart of the thread it goes on where the last one published. */
  constructor(memory: SharedArrayBuffer) {
    this.#header = words(memory, 0, HEADER_BYTES / 4);
    this.capacity = this.#header[CAPACITY]!;
    this.maxFrame = this.capacity / 2 - 4;
    this.#sizes = words(memory, HEADER_BYTES, this.capacity / 4);
    this.bytes = octets(memory, HEADER_BYTES, this.capacity);
    this.#written = load(this.#header, WRITTEN);
    this.#staged = this.#written;
    this.#readSeen = load(this.#header, READ);
    this.#refused = load(this.#header, REFUSED);
    this.#waits = load(this.#header, WAITS);
  }

  /** Room for a frame of `size` bytes: its offset into `bytes`, or -1 where the ring is too full. A reservation that was
   *  not committed is replaced. */
  reserve(size: number): number {
    if (size < 0 || size > this.maxFrame) {
      throw new RangeError(`frame of ${size} bytes in a ring whose frames have 0 to ${this.maxFrame}`);
    }
    const need = (size + 7) & ~3;
    const at = this.#staged & (this.capacity - 1);
    const tail = this.capacity - at;
    const total = need <= tail ? need : tail + need;
    if (((this.#staged - this.#readSeen) | 0) + total > this.capacity) {
      this.#readSeen = load(this.#header, READ);
      if (((this.#staged - this.#readSeen) | 0) + total > this.capacity) {
        this.#refuse();
        return -1;
      }
    }
    this.#blocked = false;
    this.#reserved = size;
    this.#start = this.#staged;
    if (need > tail) {
      this.#sizes[at >> 2] = WRAP;
      this.#start = (this.#staged + tail) | 0;
    }
    return (this.#start & (this.capacity - 1)) + 4;
  }

  /** Stages the reserved frame, of `size` bytes where it came out shorter than reserved. */
  commit(size: number = this.#reserved): void {
    if (size < 0 || size > this.#reserved) {
      throw new RangeError(`commit of ${size} bytes after a reservation of ${this.#reserved}`);
    }
    this.#sizes[(this.#start & (this.capacity - 1)) >> 2] = size;
    this.#staged = (this.#start + ((size + 7) & ~3)) | 0;
    this.#reserved = -1;
  }

  /** Hands everything staged to the consumer. Ring its doorbell after this. */
  publish(): void {
    if (this.#staged === this.#written) return;
    this.#written = this.#staged;
    store(this.#header, WRITTEN, this.#written);
  }

  /** Bytes free now, at least; a frame needs up to twice its size. */
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

export class ByteConsumer {
  readonly capacity: number;
  /** Where frames are read, from `offset`. */
  readonly bytes: Uint8Array;
  /** Offset into `bytes` of the frame that `next` found. */
  offset = 0;
  /** Its size in bytes. */
  size = 0;
  readonly #header: Int32Array;
  readonly #sizes: Int32Array;
  #next: number;
  #read: number;
  #writtenSeen: number;
  #highWater: number;

  /** Takes the consumer's side; frames that an earlier consumer took without `release` come again. */
  constructor(memory: SharedArrayBuffer) {
    this.#header = words(memory, 0, HEADER_BYTES / 4);
    this.capacity = this.#header[CAPACITY]!;
    this.#sizes = words(memory, HEADER_BYTES, this.capacity / 4);
    this.bytes = octets(memory, HEADER_BYTES, this.capacity);
    this.#read = load(this.#header, READ);
    this.#next = this.#read;
    this.#writtenSeen = this.#read;
    this.#highWater = load(this.#header, HIGH_WATER);
  }

  /** Moves to the next frame: `offset` and `size` describe it. False where there is none. The bytes stay valid until
   *  `release`. */
  next(): boolean {
    if (this.#next === this.#writtenSeen && this.#look() === this.#next) return false;
    let at = this.#next & (this.capacity - 1);
    let size = this.#sizes[at >> 2]!;
    if (size === WRAP) {
      this.#next = (this.#next + this.capacity - at) | 0;
      at = 0;
      size = this.#sizes[0]!;
    }
    this.offset = at + 4;
    this.size = size;
    this.#next = (this.#next + ((size + 7) & ~3)) | 0;
    return true;
  }

  /** Gives the room of every frame that `next` moved to, the last one included, back to the producer. */
  release(): void {
    if (this.#next === this.#read) return;
    this.#read = this.#next;
    store(this.#header, READ, this.#read);
  }

  /** Bytes waiting, frames' size words included. */
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
