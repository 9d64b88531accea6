// What a receiver holds: a bit for each prefix up to /24, so that one that comes twice counts once. Nothing is allocated for
// an UPDATE, and nothing of src is used.

/** A prefix has the number `1 followed by its bits`: all of up to 24 bits, each once. */
const PREFIXES: number = 2 ** 25;
const COMMUNITIES = 8;

export class Tally {
  /** Prefixes held. */
  held = 0;
  updates = 0;
  /** A community that an announcement must carry to count; 0 for none. */
  mark = 0;
  /** Filled, so that its pages are there before the clock runs. */
  readonly #bits: Uint32Array = new Uint32Array(PREFIXES / 32).fill(0);

  forget(): void {
    this.held = 0;
    this.updates = 0;
    this.#bits.fill(0);
  }

  /** The body of an UPDATE (RFC 4271 §4.3). */
  update(bytes: Uint8Array, start: number, end: number): void {
    this.updates++;
    const lost = start + 2 + ((bytes[start]! << 8) | bytes[start + 1]!);
    if (lost > start + 2) this.#withdraw(bytes, start + 2, lost);
    const prefixes = lost + 2 + ((bytes[lost]! << 8) | bytes[lost + 1]!);
    if (prefixes === end || (this.mark !== 0 && !carries(bytes, lost + 2, prefixes, this.mark))) return;
    let held = this.held;
    for (let at = prefixes; at < end; at += 1 + ((bytes[at]! + 7) >>> 3)) {
      const number = numberOf(bytes, at);
      const bit = 1 << (number & 31);
      const word = this.#bits[number >>> 5]!;
      if ((word & bit) !== 0) continue;
      this.#bits[number >>> 5] = word | bit;
      held++;
    }
    this.held = held;
  }

  #withdraw(bytes: Uint8Array, from: number, to: number): void {
    for (let at = from; at < to; at += 1 + ((bytes[at]! + 7) >>> 3)) {
      const number = numberOf(bytes, at);
      const bit = 1 << (number & 31);
      const word = this.#bits[number >>> 5]!;
      if ((word & bit) === 0) continue;
      this.#bits[number >>> 5] = word & ~bit;
      this.held--;
    }
  }
}

function numberOf(bytes: Uint8Array, at: number): number {
  const length = bytes[at]!;
  if (length > 24) throw new Error(`a prefix of length ${length}: the tables have none longer than 24`);
  let word = length > 0 ? bytes[at + 1]! << 16 : 0;
  if (length > 8) word |= bytes[at + 2]! << 8;
  if (length > 16) word |= bytes[at + 3]!;
  return (1 << length) | (word >>> (24 - length));
}

/** Whether the attributes have this community (RFC 1997). */
function carries(bytes: Uint8Array, from: number, to: number, community: number): boolean {
  for (let at = from; at < to; ) {
    const extended = (bytes[at]! & 0x10) !== 0;
    const value = at + (extended ? 4 : 3);
    const end = value + (extended ? (bytes[at + 2]! << 8) | bytes[at + 3]! : bytes[at + 2]!);
    if (bytes[at + 1] === COMMUNITIES) {
      for (let i = value; i < end; i += 4) {
        const here = ((bytes[i]! << 24) | (bytes[i + 1]! << 16) | (bytes[i + 2]! << 8) | bytes[i + 3]!) >>> 0;
        if (here === community) return true;
      }
      return false;
    }
    at = end;
  }
  return false;
}
