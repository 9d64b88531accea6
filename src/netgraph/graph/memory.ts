// The graph's shared memory: blocks of it hold counters and what nodes share between workers. One thread, the graph's, gives them out
// and takes them back; a block is only given back after a grace period, when no worker can look at it any more.
//
// Sizes are powers of two from 128 bytes (two cache lines: no block shares a line with another), each size with a list of its own. All
// addresses are reserved at once and the kernel puts memory behind them when they are touched, so an idle graph stays small.
import { octets } from '../../concurrency/index.ts';
import { NetgraphError } from './error.ts';

const SMALLEST = 128;

export class GraphMemory {
  readonly memory: SharedArrayBuffer;
  /** Bytes given out. */
  inUse = 0;
  /** Bytes given out at most. */
  highWater = 0;
  readonly #bytes: Uint8Array;
  readonly #free: number[][] = [];
  readonly #sizes: Map<number, number> = new Map();
  readonly #poison: boolean;
  #fresh = SMALLEST; // offset 0 is nobody's

  /** `poison`: what is given back is overwritten, so that who still looks at it is found out. */
  constructor(bytes: number, poison = false) {
    this.memory = new SharedArrayBuffer(bytes);
    this.#bytes = octets(this.memory, 0, bytes);
    this.#poison = poison;
  }

  /** A zeroed block of at least `bytes`: its offset. Throws ENOBUFS where there is no more. */
  allocate(bytes: number): number {
    const order = bytes <= SMALLEST ? 0 : Math.ceil(Math.log2(bytes / SMALLEST));
    const size = SMALLEST * 2 ** order;
    let offset = this.#free[order]?.pop();
    if (offset === undefined) {
      if (this.#fresh + size > this.memory.byteLength) {
        throw new NetgraphError(
          'ENOBUFS',
          `${bytes} bytes more than the graph's ${this.memory.byteLength} of shared memory`,
        );
      }
      offset = this.#fresh;
      this.#fresh += size;
    } else this.#bytes.fill(0, offset, offset + size);
    this.#sizes.set(offset, order);
    this.inUse += size;
    if (this.inUse > this.highWater) this.highWater = this.inUse;
    return offset;
  }

  /** Takes a block back. One that is not given out is a mistake of ours and throws. */
  free(offset: number): void {
    const order = this.#sizes.get(offset);
    if (order === undefined) throw new Error(`block ${offset} of the graph's memory is not in use`);
    const size = SMALLEST * 2 ** order;
    this.#sizes.delete(offset);
    this.inUse -= size;
    if (this.#poison) this.#bytes.fill(0xdd, offset, offset + size);
    (this.#free[order] ??= []).push(offset);
  }
}
