// Packets of the graph: slots of one size in shared memory. A packet is a handle, and a handle is the number of its slot's first
// word, so that `words[handle + PKT_LENGTH]` needs no arithmetic. Nothing else of a packet exists: no object, no reference count.
//
//    slot   ┌──────────────┬───────────────┬──────────────────────────┬─────────┐
//           │ 16 words     │ headroom      │ data ...                 │ tailroom│     stride: an odd number of cache lines,
//           │ data, length │ for prepended │                          │         │     or the slots' first lines would all
//           │ mark, ...    │ headers       │                          │         │     fall into the same few sets of a cache
//           └──────────────┴───────────────┴──────────────────────────┴─────────┘
//           ▲ handle                       ▲ words[handle + PKT_DATA], a byte offset
//
// Every worker has a part of the slots as its own, with a stack of the free ones in memory of its own: the slot freed last, still in
// the cache, goes out first. Who has a packet may free it: a slot of another worker's goes home by a ring (worker/exchange.ts).
//
// Why it is right: a packet belongs to one worker at a time; it passes to another only through a ring, whose atomics order what was
// written before with what is read after.
import { octets, words } from '../../concurrency/index.ts';
import { preferHugePages } from '../../sys/index.ts';

/** Word: byte offset of the first byte of data, into `bytes`. */
export const PKT_DATA = 0;
/** Word: bytes of data. */
export const PKT_LENGTH = 1;
/** Word: what a node wants to tell a later one; 0 where nothing does. */
export const PKT_MARK = 2;
/** Word: bits, PKT_FLAG_… */
export const PKT_FLAGS = 3;
/** Word: interface that the packet came in by (ifindex), 0 where it did not come from one. */
export const PKT_INTERFACE = 4;
/** Word: VLAN tag (TCI) that the device took off, with PKT_FLAG_VLAN. */
export const PKT_VLAN = 5;
/** Two words, low and high: when it came, in microseconds of CLOCK_MONOTONIC; or what a benchmark writes. Not cleared. */
export const PKT_TIME = 6;
/** Word: next hop that a FIB found, an IPv4 address in network order as a number; 0: the destination is on the link. With
 *  PKT_FLAG_NEXT_HOP6 four words, an IPv6 address. */
export const PKT_NEXT_HOP = 8;
/** Four words: tags that nodes of type tag have put on, with PKT_FLAG_TAGS; 0 where there are fewer. */
export const PKT_TAGS = 12;
/** Words at the start of a slot that are the packet's, not data: one cache line. */
export const PKT_WORDS = 16;

/** It is a copy of a packet that goes on elsewhere. */
export const PKT_FLAG_COPY = 2;
/** It came as a multicast or broadcast of the link: no ICMP error may answer it (RFC 1122 §3.2.2). */
export const PKT_FLAG_MULTICAST = 4;
/** PKT_VLAN holds a tag. */
export const PKT_FLAG_VLAN = 8;
/** PKT_NEXT_HOP holds an IPv6 address. */
export const PKT_FLAG_NEXT_HOP6 = 16;
/** PKT_TAGS holds tags. */
export const PKT_FLAG_TAGS = 32;
/** Two bits of the flags, shifted by this: the colour that a meter gave it, green 1, yellow 2, red 3; 0 where none did. */
export const PKT_COLOUR_SHIFT = 6;
/** Fifteen bits of the flags from this one on: netflow nodes that have counted the packet, and are to count it once. */
export const PKT_COUNTED_SHIFT = 16;
export const PKT_COUNTED_BITS = 15;

/** Bytes before the data of a fresh packet: room for the headers that tunnels and tags put in front. */
export const HEADROOM = 64;

/** A node's code gets no more slots than that in one call, or is not asked about those before (a power of two). */
const GIVEN = 1024;

export interface PacketsShape {
  /** Slots of each worker. */
  readonly perWorker: number;
  readonly workers: number;
  /** Longest packet in bytes, headers of the link included. */
  readonly maxBytes: number;
}

/** Shape of one kind of memory for packets. */
export function packetStride({ maxBytes }: PacketsShape): number {
  const lines = Math.ceil((PKT_WORDS * 4 + HEADROOM + maxBytes) / 64);
  return (lines | 1) * 64;
}

export function createPackets(shape: PacketsShape): SharedArrayBuffer {
  const { perWorker, workers, maxBytes } = shape;
  if (!Number.isInteger(maxBytes) || maxBytes < 64 || maxBytes > 65_536) {
    throw new RangeError(`packets of at most ${maxBytes} bytes: 64 to 65536`);
  }
  if (!Number.isInteger(perWorker) || perWorker < 2 || perWorker > 2 ** 22) {
    throw new RangeError(`${perWorker} packets a worker: 2 to 4194304`);
  }
  const bytes = (perWorker * workers + 1) * packetStride(shape);
  if (bytes > 2 ** 33) throw new RangeError(`${bytes} bytes of packets: 8 GiB at most`);
  const memory = new SharedArrayBuffer(bytes);
  // A vector of 256 packets lies on some 140 pages of 4 KiB, more than the processor's first table of addresses has.
  preferHugePages(octets(memory, 0, bytes));
  return memory;
}

/** Where a packet goes that is not of this worker's slots. */
export interface Returns {
  giveBack(handle: number): void;
  /** Which of these the worker still has, and is not about to give back. */
  held(handles: readonly number[]): number[];
}

/** One worker's view of all packets, and the owner of its own slots. */
export class Packets {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  /** Longest packet in bytes. */
  readonly maxBytes: number;
  /** Slots of this worker. */
  readonly size: number;
  readonly #stride: number; // words
  readonly #first: number;
  readonly #end: number;
  readonly #free: Int32Array;
  #count: number;
  readonly #reserve: number;
  readonly #returns: Returns | undefined;
  /** Slots given out since `mark` one by one, and those given out at once: where they were put. */
  readonly #given: Int32Array = new Int32Array(GIVEN);
  #givenCount = 0;
  #many: Int32Array = this.#given;
  #manyCount = 0;

  constructor(memory: SharedArrayBuffer, shape: PacketsShape, worker: number, returns?: Returns) {
    this.#stride = packetStride(shape) / 4;
    this.words = words(memory, 0, memory.byteLength / 4);
    this.bytes = octets(memory, 0, memory.byteLength);
    this.maxBytes = shape.maxBytes;
    this.size = shape.perWorker;
    // Slot 0 is nobody's: handle 0 is no packet.
    this.#first = (1 + worker * shape.perWorker) * this.#stride;
    this.#end = this.#first + shape.perWorker * this.#stride;
    this.#free = new Int32Array(shape.perWorker);
    for (let i = 0; i < shape.perWorker; i++) this.#free[i] = this.#end - (i + 1) * this.#stride;
    this.#count = shape.perWorker;
    this.#reserve = shape.perWorker >> 3;
    this.#returns = returns;
  }

  /** Free slots of this worker. */
  get free(): number {
    return this.#count;
  }

  /** An empty packet with its headroom in front, or 0 where there is none. */
  allocate(): number {
    if (this.#count === 0) return 0;
    const handle = this.#free[--this.#count]!;
    this.#given[this.#givenCount++ & (GIVEN - 1)] = handle;
    this.#clear(handle);
    return handle;
  }

  /** Up to `count` packets into `into`; how many. Their lengths are the caller's to set. */
  allocateMany(into: Int32Array, count: number): number {
    const free = this.#free;
    let left = this.#count;
    const n = count < left ? count : left;
    const words = this.words;
    if (this.#manyCount > 0) this.#noteMany();
    this.#many = into;
    this.#manyCount = n;
    for (let i = 0; i < n; i++) {
      const handle = free[--left]!;
      into[i] = handle;
      words[handle + PKT_DATA] = (handle << 2) + PKT_WORDS * 4 + HEADROOM;
      words[handle + PKT_MARK] = 0;
      words[handle + PKT_NEXT_HOP] = 0;
      words[handle + PKT_FLAGS] = 0;
      words[handle + PKT_INTERFACE] = 0;
    }
    this.#count = left;
    return n;
  }

  /** A node's code is about to be called. */
  mark(): void {
    this.#givenCount = 0;
    this.#manyCount = 0;
  }

  /** Slots that were given out since `mark`, whatever became of them. Not for hot paths. */
  given(): Int32Array {
    this.#noteMany();
    return this.#given.slice(0, this.#givenCount);
  }

  release(handle: number): void {
    if (handle >= this.#first && handle < this.#end) this.#free[this.#count++] = handle;
    else this.#returns!.giveBack(handle);
  }

  releaseMany(handles: Int32Array, count: number): void {
    const free = this.#free;
    const first = this.#first;
    const end = this.#end;
    let n = this.#count;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      if (handle >= first && handle < end) free[n++] = handle;
      else {
        this.#count = n;
        this.#returns!.giveBack(handle);
      }
    }
    this.#count = n;
  }

  /** Whether the slot is of this worker's part. */
  owns(handle: number): boolean {
    return handle >= this.#first && handle < this.#end;
  }

  /** Those of these slots that are neither free nor on their way home: somebody's in this worker, or lost. Not for hot paths. */
  used(handles: Iterable<number>): number[] {
    const free = new Set(this.#free.subarray(0, this.#count));
    const own: number[] = [];
    const others: number[] = [];
    for (const handle of new Set(handles)) {
      if (!this.owns(handle)) others.push(handle);
      else if (!free.has(handle)) own.push(handle);
    }
    return others.length === 0 ? own : [...own, ...this.#returns!.held(others)];
  }

  /** After a predecessor died: these slots are free, all others of the part are somebody's still. */
  restore(isFree: (handle: number) => boolean): void {
    this.#count = 0;
    for (let handle = this.#end - this.#stride; handle >= this.#first; handle -= this.#stride) {
      if (isFree(handle)) this.#free[this.#count++] = handle;
    }
  }

  /** A copy of data and of what nodes know of the packet, or 0 where there is no packet for it. An eighth of the slots is kept for
   *  packets that come from outside: a graph that copies in a circle would otherwise leave nobody else anything. */
  copy(handle: number): number {
    if (this.#count <= this.#reserve) return 0;
    const { words } = this;
    const length = words[handle + PKT_LENGTH]!;
    const from = words[handle + PKT_DATA]!;
    const copy = this.#free[--this.#count]!;
    this.#given[this.#givenCount++ & (GIVEN - 1)] = copy;
    // The same headroom, so the same words: whole words are copied, four bytes at a time.
    const delta = (copy - handle) << 2;
    const start = from >> 2;
    const end = (from + length + 3) >> 2;
    const shift = copy - handle;
    for (let i = start; i < end; i++) words[i + shift] = words[i]!;
    words[copy + PKT_DATA] = from + delta;
    words[copy + PKT_LENGTH] = length;
    words[copy + PKT_MARK] = words[handle + PKT_MARK]!;
    for (let i = PKT_NEXT_HOP; i < PKT_TAGS + 4; i++) words[copy + i] = words[handle + i]!;
    words[copy + PKT_VLAN] = words[handle + PKT_VLAN]!;
    words[copy + PKT_FLAGS] = words[handle + PKT_FLAGS]! | PKT_FLAG_COPY;
    words[copy + PKT_INTERFACE] = words[handle + PKT_INTERFACE]!;
    words[copy + PKT_TIME] = words[handle + PKT_TIME]!;
    words[copy + PKT_TIME + 1] = words[handle + PKT_TIME + 1]!;
    return copy;
  }

  /** Makes room for `count` more bytes in front; false, and nothing changed, where there is none. */
  prepend(handle: number, count: number): boolean {
    const { words } = this;
    const data = words[handle + PKT_DATA]! - count;
    if (data < (handle + PKT_WORDS) << 2) return false;
    words[handle + PKT_DATA] = data;
    words[handle + PKT_LENGTH] = words[handle + PKT_LENGTH]! + count;
    return true;
  }

  /** Takes `count` bytes (at most the length) off the front. */
  strip(handle: number, count: number): void {
    const { words } = this;
    words[handle + PKT_DATA] = words[handle + PKT_DATA]! + count;
    words[handle + PKT_LENGTH] = words[handle + PKT_LENGTH]! - count;
  }

  /** Bytes that data may have at most from where it begins now. */
  room(handle: number): number {
    return ((handle + this.#stride) << 2) - this.words[handle + PKT_DATA]!;
  }

  /** A packet with these bytes, or 0 where there is none, or where they are too many. */
  from(data: Uint8Array): number {
    if (data.length > this.maxBytes) return 0;
    const handle = this.allocate();
    if (handle === 0) return 0;
    this.bytes.set(data, this.words[handle + PKT_DATA]);
    this.words[handle + PKT_LENGTH] = data.length;
    return handle;
  }

  /** Its bytes, copied out. For tests, messages and whatever is not a hot path. */
  take(handle: number): Uint8Array {
    const start = this.words[handle + PKT_DATA]!;
    return new Uint8Array(this.bytes.subarray(start, start + this.words[handle + PKT_LENGTH]!));
  }

  #noteMany(): void {
    for (let i = 0; i < this.#manyCount; i++) this.#given[this.#givenCount++ & (GIVEN - 1)] = this.#many[i]!;
    this.#manyCount = 0;
  }

  #clear(handle: number): void {
    const { words } = this;
    words[handle + PKT_DATA] = (handle << 2) + PKT_WORDS * 4 + HEADROOM;
    words[handle + PKT_LENGTH] = 0;
    words[handle + PKT_MARK] = 0;
    words[handle + PKT_NEXT_HOP] = 0;
    words[handle + PKT_FLAGS] = 0;
    words[handle + PKT_INTERFACE] = 0;
  }
}
