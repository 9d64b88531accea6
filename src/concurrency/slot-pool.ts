// Slots of one size in shared memory, addressed by handles. One thread, the owner, allocates and frees; any thread that
// was given a handle (through a ring) may read and write its slot until it gives the handle back.
//
//    handle = generation << indexBits | index        31 bits, never negative, 0 is no handle
//
//    ┌────────┬──────────────────┬────────┬────────┬────────┬─ ─ ─ ─ ─ ─ ─
//    │ header │ generations      │ slot 0 │ slot 1 │ slot 2 │        slab │ no memory yet
//    └────────┴──────────────────┴────────┴────────┴────────┴─ ─ ─ ─ ─ ─ ─┴─ ─ ─ ─ ─ ─ ─
//                                                           ▲ fresh        ▲ size          ▲ limit
//    free list (the owner's own memory): a stack, so the slot freed last, still in the cache, goes out first
//
// The generation of a slot changes each time it is freed, so a handle kept too long is recognised (`holds`) instead of
// quietly meaning somebody else's slot. Addresses are reserved for the limit at once, memory is put behind them a slab at a
// time, the first one when the owner comes: slots are taken in order from `fresh`, so an idle pool stays small.
//
// Why it is right: allocation and freeing are one thread's, so they need no atomics. A slot's bytes and its generation
// pass between threads only along with the handle, whose ring orders them.
import { touchPages } from '../sys/index.ts';
import { LINE_BYTES, load, octets, tally, words } from './atomics.ts';

const SLOT_WORDS = 0;
const LIMIT = 1;
const IN_USE = 2;
const HIGH_WATER = 3;
const REFUSED = 4;
const SIZE = 5;
const HEADER_BYTES: number = LINE_BYTES;
/** Bytes of slots that memory is put behind at a time. */
const SLAB_BYTES = 131_072;

export interface PoolStats {
  /** Slots at most. */
  limit: number;
  /** Slots that there is memory for. */
  size: number;
  inUse: number;
  highWater: number;
  /** Allocations refused because all were in use. */
  refused: number;
  /** Bytes of a slot. */
  slotBytes: number;
}

export class SlotPool {
  readonly limit: number;
  readonly slotBytes: number;
  /** All slots as words; a slot's first is `wordOf(handle)`. */
  readonly words: Int32Array;
  /** All slots as bytes; a slot's first is `byteOf(handle)`. */
  readonly bytes: Uint8Array;
  readonly #header: Int32Array;
  readonly #generations: Int32Array;
  readonly #slotWords: number;
  readonly #indexMask: number;
  readonly #indexBits: number;
  readonly #generationMask: number;
  #free: Int32Array | undefined; // stack of indices
  #freeCount = 0;
  #fresh = 0;
  #size = 0;
  #inUse = 0;
  #highWater = 0;
  #refused = 0;

  /** Shared memory for `limit` slots (at most 2^24) of `slotBytes` (a multiple of 4). */
  static create(slotBytes: number, limit: number): SharedArrayBuffer {
    if (!Number.isInteger(slotBytes / 4) || slotBytes <= 0) {
      throw new RangeError(`SlotPool slots must be a positive multiple of 4 bytes, not ${slotBytes}`);
    }
    if (!Number.isInteger(limit) || limit < 1 || limit > 2 ** 24) {
      throw new RangeError(`SlotPool limit must be 1 to 2^24, not ${limit}`);
    }
    const memory = new SharedArrayBuffer(HEADER_BYTES + generationBytes(limit) + limit * slotBytes);
    const header = words(memory, 0, HEADER_BYTES / 4);
    header[SLOT_WORDS] = slotBytes / 4;
    header[LIMIT] = limit;
    return memory;
  }

  /** Counters, from any thread. */
  static stats(memory: SharedArrayBuffer): PoolStats {
    const header = words(memory, 0, HEADER_BYTES / 4);
    return {
      limit: header[LIMIT]!,
      size: load(header, SIZE),
      inUse: load(header, IN_USE),
      highWater: load(header, HIGH_WATER),
      refused: load(header, REFUSED) >>> 0,
      slotBytes: header[SLOT_WORDS]! * 4,
    };
  }

  /** A view of the pool. Exactly one thread's view is the owner and may call `allocate` and `free`. */
  constructor(memory: SharedArrayBuffer) {
    this.#header = words(memory, 0, HEADER_BYTES / 4);
    this.#slotWords = this.#header[SLOT_WORDS]!;
    this.slotBytes = this.#slotWords * 4;
    this.limit = this.#header[LIMIT]!;
    this.#indexBits = Math.ceil(Math.log2(this.limit));
    this.#indexMask = 2 ** this.#indexBits - 1;
    this.#generationMask = 2 ** (31 - this.#indexBits) - 1;
    this.#generations = words(memory, HEADER_BYTES, this.limit);
    const slots = HEADER_BYTES + generationBytes(this.limit);
    this.words = words(memory, slots, this.limit * this.#slotWords);
    this.bytes = octets(memory, slots, this.limit * this.slotBytes);
  }

  /** A slot's handle, or 0 where all are in use. The slot holds what its last user left in it. */
  allocate(): number {
    let index: number;
    if (this.#freeCount > 0) index = this.#free![--this.#freeCount]!;
    else if (this.#fresh < this.limit) {
      if (this.#fresh === this.#size) this.#grow();
      index = this.#fresh++;
      this.#generations[index] = 1;
    } else {
      this.#refused++;
      tally(this.#header, REFUSED, this.#refused);
      return 0;
    }
    this.#inUse++;
    if (this.#inUse > this.#highWater) {
      this.#highWater = this.#inUse;
      tally(this.#header, HIGH_WATER, this.#highWater);
    }
    tally(this.#header, IN_USE, this.#inUse);
    return (this.#generations[index]! << this.#indexBits) | index;
  }

  /** One more slab. */
  #grow(): void {
    const { slotBytes } = this;
    const slots = Math.min(Math.max(1, Math.floor(SLAB_BYTES / slotBytes)), this.limit - this.#size);
    touchPages(this.bytes.subarray(this.#size * slotBytes, (this.#size + slots) * slotBytes));
    this.#size += slots;
    tally(this.#header, SIZE, this.#size);
  }

  /** Gives a slot back. A handle that is not in use is a mistake of ours and throws. */
  free(handle: number): void {
    if (!this.holds(handle)) throw new Error(`SlotPool: free of handle ${handle}, which is not in use`);
    const index = handle & this.#indexMask;
    const generation = (this.#generations[index]! + 1) & this.#generationMask;
    this.#generations[index] = generation === 0 ? 1 : generation;
    this.#free ??= new Int32Array(this.limit);
    this.#free[this.#freeCount++] = index;
    this.#inUse--;
    tally(this.#header, IN_USE, this.#inUse);
  }

  /** Whether the handle is of this slot's present generation. */
  holds(handle: number): boolean {
    const index = handle & this.#indexMask;
    const generation = handle >>> this.#indexBits;
    return handle > 0 && generation > 0 && index < this.limit && this.#generations[index] === generation;
  }

  /** Index of the slot, below `limit`: for columns of the owner beside the pool. */
  indexOf(handle: number): number {
    return handle & this.#indexMask;
  }

  /** First word of the slot in `words`. */
  wordOf(handle: number): number {
    return (handle & this.#indexMask) * this.#slotWords;
  }

  /** First byte of the slot in `bytes`. */
  byteOf(handle: number): number {
    return (handle & this.#indexMask) * this.slotBytes;
  }

  get inUse(): number {
    return this.#inUse;
  }
}

function generationBytes(limit: number): number {
  return Math.ceil((limit * 4) / LINE_BYTES) * LINE_BYTES;
}
