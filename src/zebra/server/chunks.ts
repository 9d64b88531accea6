// Hands out ranges of numbers to daemons: labels (label manager) and routing tables (table manager). First fit; a daemon
// that comes back gets its old ranges taken away first, as it will ask again.

interface Chunk {
  readonly start: number;
  /** Last number of the chunk. */
  readonly end: number;
  readonly key: string;
}

export class Chunks {
  readonly #first: number;
  readonly #last: number;
  /** By start. */
  readonly #chunks: Chunk[] = [];

  constructor(first: number, last: number) {
    this.#first = first;
    this.#last = last;
  }

  /** A free range of `size` numbers, at `base` where that is not 0; undefined where there is none. */
  take(key: string, size: number, base: number): { start: number; end: number } | undefined {
    if (size < 1) return undefined;
    let start = base === 0 ? this.#first : base;
    if (start < this.#first) return undefined;
    let at = 0;
    for (; at < this.#chunks.length; at++) {
      const one = this.#chunks[at]!;
      if (one.end < start) continue;
      if (start + size - 1 < one.start) break;
      if (base !== 0) return undefined;
      start = one.end + 1;
    }
    const end = start + size - 1;
    if (end > this.#last) return undefined;
    this.#chunks.splice(at, 0, { start, end, key });
    return { start, end };
  }

  /** Gives back one range; false where the key does not hold exactly it. */
  release(key: string, start: number, end: number): boolean {
    const at = this.#chunks.findIndex(one => one.start === start && one.end === end && one.key === key);
    if (at < 0) return false;
    this.#chunks.splice(at, 1);
    return true;
  }

  /** Gives back everything that a key holds. */
  releaseAll(key: string): void {
    for (let i = this.#chunks.length - 1; i >= 0; i--) if (this.#chunks[i]!.key === key) this.#chunks.splice(i, 1);
  }
}
