// A place in memory told to the kernel without an object. A system call wants an address; made of base and offset as a bigint, it is
// an object a packet. Here the sum is made with numbers (user space ends below 2^47, a double is exact to 2^53) and written into an
// iovec, whose own address never changes.
import { arena } from './arena.ts';
import { addressOf } from './libc.ts';

const WORD = 2 ** 32;

export class FrameVector {
  /** Keeps alive what the vector points to. */
  readonly memory: Uint8Array;
  /** Address of the `struct iovec`, for a msghdr that points to it. */
  readonly address: bigint;
  readonly #base: number;
  readonly #words: Uint32Array;

  constructor(memory: Uint8Array) {
    const block = arena(16);
    this.memory = memory;
    this.address = block.address;
    this.#base = Number(addressOf(memory));
    this.#words = new Uint32Array(block.bytes.buffer, 0, 4);
  }

  /** Points it to `memory[offset, offset + length)`; throws a RangeError for what is outside of it. */
  at(offset: number, length: number): bigint {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.memory.length)) this.#outside(offset, length);
    const address = this.#base + offset;
    const words = this.#words;
    words[0] = address; // modulo 2^32
    words[1] = address / WORD;
    words[2] = length;
    return this.address;
  }

  #outside(offset: number, length: number): never {
    throw new RangeError(`${length} bytes at ${offset} of a memory of ${this.memory.length}`);
  }
}
