// A first-in first-out queue of row ids over one typed array that grows by doubling. The caller's flag per row keeps an id
// from waiting twice, so a queue is never longer than its table.
export class IdQueue {
  #ids: Uint32Array = new Uint32Array(1024);
  #head = 0;
  length = 0;
  highWater = 0;

  push(id: number): void {
    if (this.length === this.#ids.length) this.#grow();
    this.#ids[(this.#head + this.length) & (this.#ids.length - 1)] = id;
    this.length++;
    if (this.length > this.highWater) this.highWater = this.length;
  }

  /** The oldest id, or -1. */
  shift(): number {
    if (this.length === 0) return -1;
    const id = this.#ids[this.#head]!;
    this.#head = (this.#head + 1) & (this.#ids.length - 1);
    this.length--;
    return id;
  }

  /** Puts back the id that was taken last. */
  unshift(id: number): void {
    if (this.length === this.#ids.length) this.#grow();
    this.#head = (this.#head - 1) & (this.#ids.length - 1);
    this.#ids[this.#head] = id;
    this.length++;
  }

  #grow(): void {
    const ids = new Uint32Array(this.#ids.length * 2);
    const tail = this.#ids.length - this.#head;
    ids.set(this.#ids.subarray(this.#head), 0);
    ids.set(this.#ids.subarray(0, this.#head), tail);
    this.#ids = ids;
    this.#head = 0;
  }
}
