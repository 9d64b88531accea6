// A bounded stream of bytes from one thread to one other, without locks: what a TCP socket's send buffer is, in shared
// memory. There are no frames; the reader takes what there is, in regions that do not wrap, so that it can pass them to
// send(2) as they lie.
//
//    line 0: capacity   line 1: written ← writer   line 2: read ← reader   lines 3, 4: tallies
//
//         read            written
//          ▼                 ▼
//    ┌─────┬─────────────────┬──────────────┐      first peek: from read to written, or to the end of the memory;
//    │     │ readable        │              │      the rest after that is consumed
//    └─────┴─────────────────┴──────────────┘
//
// Why it is right: as in handle-ring.ts, with bytes for slots. It may live inside a larger piece of shared memory, so
// that a table of connections is one allocation; its place is a multiple of 128 bytes.
import { LINE_BYTES, LINE_WORDS, load, octets, store, tally, words } from './atomics.ts';
import type { QueueStats } from './handle-ring.ts';

const CAPACITY = 0;
const WRITTEN: number = LINE_WORDS;
const READ: number = 2 * LINE_WORDS;
const REFUSED: number = 3 * LINE_WORDS;
const WAITS: number = REFUSED + 1;
const HIGH_WATER: number = 4 * LINE_WORDS;
const HEADER_BYTES: number = 5 * LINE_BYTES;

/** Stream rings: memory for one, or a place inside larger memory. */
export const StreamRing = {
  /** Bytes of shared memory that a ring of `bytes` takes. */
  footprint(bytes: number): number {
    return HEADER_BYTES + Math.ceil(bytes / LINE_BYTES) * LINE_BYTES;
  },

  /** Shared memory for a ring of `bytes`: a power of two up to 2^30. */
  create(bytes: number): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(StreamRing.footprint(bytes));
    StreamRing.initialize(memory, 0, bytes);
    return memory;
  },

  /** Makes an empty ring at byte `offset` of `memory`; also resets one that neither side is using. */
  initialize(memory: SharedArrayBuffer, offset: number, bytes: number): void {
    if (!Number.isInteger(Math.log2(bytes)) || bytes > 2 ** 30) {
      throw new RangeError(`StreamRing size must be a power of two up to 2^30, not ${bytes}`);
    }
    const header = words(memory, offset, HEADER_BYTES / 4);
    header.fill(0);
    header[CAPACITY] = bytes;
  },

  /** Counters of the ring in bytes, from any thread. */
  stats(memory: SharedArrayBuffer, offset = 0): QueueStats {
    const header = words(memory, offset, HEADER_BYTES / 4);
    return {
      capacity: header[CAPACITY]!,
      length: (load(header, WRITTEN) - load(header, READ)) >>> 0,
      highWater: load(header, HIGH_WATER),
      refused: load(header, REFUSED) >>> 0,
      waits: load(header, WAITS) >>> 0,
    };
  },
} as const;

export class StreamWriter {
  readonly capacity: number;
  /** Where a caller may build bytes in place, from `offset`; see `contiguous` and `advance`. */
  readonly bytes: Uint8Array;
  readonly #header: Int32Array;
  #staged: number;
  #written: number;
  #readSeen: number;
  #refused: number;
  #waits: number;
  #blocked = false;

  constructor(memory: SharedArrayBuffer, offset = 0) {
    this.#header = words(memory, offset, HEADER_BYTES / 4);
    this.capacity = this.#header[CAPACITY]!;
    this.bytes = octets(memory, offset + HEADER_BYTES, this.capacity);
    this.#written = load(this.#header, WRITTEN);
    this.#staged = this.#written;
    this.#readSeen = load(this.#header, READ);
    this.#refused = load(this.#header, REFUSED);
    this.#waits = load(this.#header, WAITS);
  }

  /** Bytes that `write` will take now. */
  get room(): number {
    this.#readSeen = load(this.#header, READ);
    return this.capacity - ((this.#staged - this.#readSeen) | 0);
  }

  /** Offset into `bytes` of the next byte to write. */
  get offset(): number {
    return this.#staged & (this.capacity - 1);
  }

  /** Bytes that may be built in place at `offset` before `advance`: the free room up to the end of the memory. */
  get contiguous(): number {
    return Math.min(this.room, this.capacity - this.offset);
  }

  /** Stages `size` bytes built in place at `offset`. */
  advance(size: number): void {
    if (size < 0 || size > this.capacity - ((this.#staged - this.#readSeen) | 0)) {
      throw new RangeError(`advance by ${size} bytes beyond the room of a stream ring`);
    }
    this.#staged = (this.#staged + size) | 0;
  }

  /** Stages `size` bytes of `source` from `from`, all or nothing: false where there is no room for all of them. */
  write(source: Uint8Array, from: number, size: number): boolean {
    if (((this.#staged - this.#readSeen) | 0) + size > this.capacity && this.room < size) {
      this.#refuse();
      return false;
    }
    this.#blocked = false;
    const at = this.#staged & (this.capacity - 1);
    const first = Math.min(size, this.capacity - at);
    this.bytes.set(source.subarray(from, from + first), at);
    if (first < size) this.bytes.set(source.subarray(from + first, from + size), 0);
    this.#staged = (this.#staged + size) | 0;
    return true;
  }

  /** Hands everything staged to the reader. Ring its doorbell after this. */
  publish(): void {
    if (this.#staged === this.#written) return;
    this.#written = this.#staged;
    store(this.#header, WRITTEN, this.#written);
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

export class StreamReader {
  readonly capacity: number;
  /** Where bytes are read, from `offset`. */
  readonly bytes: Uint8Array;
  /** Offset into `bytes` of what `peek` found. */
  offset = 0;
  /** Its size in bytes: the longest readable region that does not wrap. */
  size = 0;
  readonly #header: Int32Array;
  #read: number;
  #writtenSeen: number;
  #highWater: number;

  constructor(memory: SharedArrayBuffer, offset = 0) {
    this.#header = words(memory, offset, HEADER_BYTES / 4);
    this.capacity = this.#header[CAPACITY]!;
    this.bytes = octets(memory, offset + HEADER_BYTES, this.capacity);
    this.#read = load(this.#header, READ);
    this.#writtenSeen = this.#read;
    this.#highWater = load(this.#header, HIGH_WATER);
  }

  /** Looks for bytes: `offset` and `size` describe the first region. False where there are none. */
  peek(): boolean {
    const length = this.length;
    this.offset = this.#read & (this.capacity - 1);
    this.size = Math.min(length, this.capacity - this.offset);
    return this.size > 0;
  }

  /** Bytes readable now, over both regions. */
  get length(): number {
    this.#writtenSeen = load(this.#header, WRITTEN);
    const held = (this.#writtenSeen - this.#read) | 0;
    if (held > this.#highWater) {
      this.#highWater = held;
      tally(this.#header, HIGH_WATER, held);
    }
    return held;
  }

  /** Gives the first `size` bytes back to the writer, at once. */
  consume(size: number): void {
    if (size < 0 || size > ((this.#writtenSeen - this.#read) | 0)) {
      throw new RangeError(`consume of ${size} bytes beyond what a stream ring holds`);
    }
    if (size === 0) return;
    this.#read = (this.#read + size) | 0;
    this.offset = this.#read & (this.capacity - 1);
    this.size = Math.min((this.#writtenSeen - this.#read) | 0, this.capacity - this.offset);
    store(this.#header, READ, this.#read);
  }
}
