// What has been retired and may not be freed yet: a bounded queue, oldest token first, with a limit of entries and of bytes.
// One thread's own; nothing of it is shared.
//
//    ┌────┬────┬────┬────┬─ ─ ─
//    │ 5  │ 7  │ 7  │ 9  │             tokens never go back, so whatever may be freed is at the head
//    └────┴────┴────┴────┴─ ─ ─
//      ▲ head              ▲ tail      both count up; & mask is the place; it doubles up to the limit
const SMALLEST = 16;

const nothing = (): void => {};

export class Limbo {
  readonly limit: number;
  readonly limitBytes: number;
  count = 0;
  bytes = 0;
  highWater = 0;
  highWaterBytes = 0;
  /** Refused because a limit was reached. */
  refused = 0;
  #tokens: Int32Array = new Int32Array(SMALLEST);
  #sizes: Float64Array = new Float64Array(SMALLEST);
  #frees: (() => void)[] = new Array<() => void>(SMALLEST).fill(nothing);
  #head = 0;

  constructor(limit: number, limitBytes: number) {
    if (!Number.isInteger(limit) || limit < 1 || limit > 2 ** 23) {
      throw new RangeError(`limbo: entries must be 1 to 2^23, not ${limit}`);
    }
    if (!(limitBytes >= 0)) throw new RangeError(`limbo: bytes must be 0 or more, not ${limitBytes}`);
    this.limit = limit;
    this.limitBytes = limitBytes;
  }

  /** Whether one more of so many bytes would be taken; a refusal is counted. */
  admits(bytes: number): boolean {
    // Also true of NaN. What exceeds the limit alone would be refused for ever.
    if (!(bytes >= 0 && bytes <= this.limitBytes)) {
      throw new RangeError(`limbo: one entry must be 0 to ${this.limitBytes} bytes, not ${bytes}`);
    }
    if (this.count < this.limit && this.bytes + bytes <= this.limitBytes) return true;
    this.refused++;
    return false;
  }

  /** Puts one in that `admits` has let in. */
  push(token: number, free: () => void, bytes: number): void {
    if (this.count === this.#tokens.length) this.#grow();
    const at = (this.#head + this.count) & (this.#tokens.length - 1);
    this.#tokens[at] = token;
    this.#sizes[at] = bytes;
    this.#frees[at] = free;
    this.count++;
    this.bytes += bytes;
    if (this.count > this.highWater) this.highWater = this.count;
    if (this.bytes > this.highWaterBytes) this.highWaterBytes = this.bytes;
  }

  /** Token of the oldest; only where `count` > 0. */
  get token(): number {
    return this.#tokens[this.#head]!;
  }

  /** Takes the oldest out; only where `count` > 0. */
  shift(): () => void {
    const at = this.#head;
    const free = this.#frees[at]!;
    this.#frees[at] = nothing;
    this.#head = (at + 1) & (this.#tokens.length - 1);
    this.count--;
    this.bytes -= this.#sizes[at]!;
    return free;
  }

  /** How many are newer than the token, and their bytes. */
  after(token: number): { count: number; bytes: number } {
    let count = 0;
    let bytes = 0;
    for (let i = this.count - 1; i >= 0; i--) {
      const at = (this.#head + i) & (this.#tokens.length - 1);
      if (((this.#tokens[at]! - token) | 0) <= 0) break;
      count++;
      bytes += this.#sizes[at]!;
    }
    return { count, bytes };
  }

  #grow(): void {
    const { length } = this.#tokens;
    const [tokens, sizes] = [new Int32Array(length * 2), new Float64Array(length * 2)];
    const frees = new Array<() => void>(length * 2).fill(nothing);
    for (let i = 0; i < length; i++) {
      const at = (this.#head + i) & (length - 1);
      tokens[i] = this.#tokens[at]!;
      sizes[i] = this.#sizes[at]!;
      frees[i] = this.#frees[at]!;
    }
    [this.#tokens, this.#sizes, this.#frees, this.#head] = [tokens, sizes, frees, 0];
  }
}
