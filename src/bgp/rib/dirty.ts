// What a consumer still has to look at: one bit per row, and above them one bit for each word that is not zero.
//
//   summary   0 1 0 0 …            one bit a word
//   bits      [0…0] [0100…1] …     one bit a row
//   cursor        ^                where the next search begins
//
// A row is in the set once however often it changes, so a consumer that falls behind costs one bit a row and nothing
// else, and gets the newest state when it comes. The search goes round from a cursor, so no row waits for ever; it takes
// rows in the order of their ids, which is the order in which they were first heard of, and kind to the caches.

export class DirtySet {
  /** Rows in the set. */
  size = 0;
  bits: Uint32Array = new Uint32Array(0);
  #summary: Uint32Array = new Uint32Array(0);
  #cursor = 0; // a word of `bits`

  add(row: number): void {
    const word = row >>> 5;
    if (word >= this.bits.length) this.#grow(word);
    const before = this.bits[word]!;
    const bit = 1 << (row & 31);
    if ((before & bit) !== 0) return;
    this.bits[word] = before | bit;
    this.#summary[word >>> 5]! |= 1 << (word & 31);
    this.size++;
  }

  delete(row: number): void {
    const word = row >>> 5;
    const before = word < this.bits.length ? this.bits[word]! : 0;
    const bit = 1 << (row & 31);
    if ((before & bit) === 0) return;
    this.bits[word] = before & ~bit;
    this.size--;
    if (this.bits[word] === 0) this.#summary[word >>> 5]! &= ~(1 << (word & 31));
  }

  has(row: number): boolean {
    const word = row >>> 5;
    return word < this.bits.length && (this.bits[word]! & (1 << (row & 31))) !== 0;
  }

  /** A row of the set, the next one after the last answer in a round; it stays in the set. -1: the set is empty. */
  peek(): number {
    if (this.size === 0) return -1;
    let word = this.#cursor;
    if (word >= this.bits.length || this.bits[word] === 0) {
      word = this.#nextWord(word);
      this.#cursor = word;
    }
    const bits = this.bits[word]!;
    return (word << 5) | (31 - Math.clz32(bits & -bits));
  }

  /** Takes a row out; -1 when the set is empty. */
  take(): number {
    const row = this.peek();
    if (row >= 0) this.delete(row);
    return row;
  }

  /** The first row of the set that is `from` or larger, or -1. */
  from(from: number): number {
    let word = from >>> 5;
    if (this.size === 0 || word >= this.bits.length) return -1;
    let bits = this.bits[word]! & (-1 << (from & 31));
    if (bits === 0) {
      const next = this.#wordAfter(word + 1);
      if (next < 0) return -1;
      word = next;
      bits = this.bits[word]!;
    }
    return (word << 5) | (31 - Math.clz32(bits & -bits));
  }

  /** Adds every row of `other`. */
  addAll(other: DirtySet): void {
    for (let row = other.from(0); row >= 0; row = other.from(row + 1)) this.add(row);
  }

  clear(): void {
    if (this.size === 0) return;
    this.bits.fill(0);
    this.#summary.fill(0);
    this.size = 0;
  }

  #nextWord(from: number): number {
    const word = this.#wordAfter(from);
    return word >= 0 ? word : this.#wordAfter(0);
  }

  /** First word that is not zero at or after `from`, or -1. */
  #wordAfter(from: number): number {
    const summary = this.#summary;
    let index = from >>> 5;
    if (index >= summary.length) return -1;
    let bits = summary[index]! & (-1 << (from & 31));
    while (bits === 0) {
      if (++index >= summary.length) return -1;
      bits = summary[index]!;
    }
    return (index << 5) | (31 - Math.clz32(bits & -bits));
  }

  #grow(word: number): void {
    const words = Math.max(1024, word + 1, this.bits.length * 2);
    const size = (words + 31) & ~31;
    const bits = new Uint32Array(size);
    bits.set(this.bits);
    this.bits = bits;
    const summary = new Uint32Array(size >>> 5);
    summary.set(this.#summary);
    this.#summary = summary;
  }
}
