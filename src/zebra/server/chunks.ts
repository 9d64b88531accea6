// Hands out ranges of numbers to daemons: labels (label manager) and routing tables (table manager). First fit. A daemon is known
// by a key, over connections; its numbers are free again when the connection over which it got them ends, unless it asked for
// keeping them.

interface Chunk {
  readonly start: number;
  /** Last number of the chunk. */
  readonly end: number;
  readonly key: string;
  /** The connection that it ends with; undefined: it is kept. */
  over: object | undefined;
}

export interface Range {
  readonly start: number;
  readonly end: number;
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

  /**
   * A free range of `size` numbers, at `base` where that is not 0; undefined where there is none. One that the daemon has it may
   * claim again: a new connection may be here before the old one's end is seen.
   */
  take(key: string, size: number, base: number, over: object | undefined): Range | undefined {
    if (size < 1) return undefined;
    const own = base === 0 ? undefined : this.#chunks.find(one => one.start === base && one.key === key);
    if (own !== undefined && own.end - own.start + 1 === size) {
      own.over = over;
      return { start: own.start, end: own.end };
    }
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
    this.#chunks.splice(at, 0, { start, end, key, over });
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
    this.#drop(one => one.key === key);
  }

  /** A connection ended. */
  ended(over: object): void {
    this.#drop(one => one.over === over);
  }

  #drop(gone: (one: Chunk) => boolean): void {
    for (let i = this.#chunks.length - 1; i >= 0; i--) if (gone(this.#chunks[i]!)) this.#chunks.splice(i, 1);
  }

  /** What was got over a connection. */
  of(over: object): Range[] {
    return this.#chunks.filter(one => one.over === over).map(({ start, end }) => ({ start, end }));
  }

  /** How many numbers are out. */
  get taken(): number {
    return this.#chunks.reduce((sum, { start, end }) => sum + end - start + 1, 0);
  }
}
