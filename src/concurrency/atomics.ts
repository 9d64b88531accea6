// Every word that two threads share is read and written through this module, and every view over shared memory is made
// here. Production code gets the thinnest possible wrapper (V8 inlines it); the model checker of the tests puts another
// module in this one's place, and so sees, orders and mutates every access.
//
// JavaScript's atomics are sequentially consistent: all threads agree on one order of all of them. A plain write before
// an atomic store is visible to whoever reads that store's value atomically. The structures here lean on both facts, and
// on nothing else: no plain word is ever touched by two threads without such a pair between them.

/** Words between two indices that different threads write: two cache lines, because the prefetcher fetches lines in pairs. */
export const LINE_WORDS = 32;
/** The same in bytes. */
export const LINE_BYTES: number = LINE_WORDS * 4;

/** A view of `length` 32-bit words of shared memory, from byte `offset`. */
export function words(memory: SharedArrayBuffer, offset: number, length: number): Int32Array {
  return new Int32Array(memory, offset, length);
}

/** A view of `length` bytes of shared memory, from byte `offset`. */
export function octets(memory: SharedArrayBuffer, offset: number, length: number): Uint8Array {
  return new Uint8Array(memory, offset, length);
}

export function load(array: Int32Array, index: number): number {
  return Atomics.load(array, index);
}

export function store(array: Int32Array, index: number, value: number): void {
  Atomics.store(array, index, value);
}

/** Adds and returns the value before. */
export function add(array: Int32Array, index: number, value: number): number {
  return Atomics.add(array, index, value);
}

/** Subtracts and returns the value before. */
export function sub(array: Int32Array, index: number, value: number): number {
  return Atomics.sub(array, index, value);
}

/** Writes and returns the value before. */
export function exchange(array: Int32Array, index: number, value: number): number {
  return Atomics.exchange(array, index, value);
}

/** Writes `value` where the word was `expected`; returns the value before. */
export function compareExchange(array: Int32Array, index: number, expected: number, value: number): number {
  return Atomics.compareExchange(array, index, expected, value);
}

/** Sleeps while the word is `value`, at most `timeoutMs`. Not for a thread that runs Node's loop. */
export function wait(
  array: Int32Array,
  index: number,
  value: number,
  timeoutMs?: number,
): 'ok' | 'not-equal' | 'timed-out' {
  return Atomics.wait(array, index, value, timeoutMs);
}

/** As `wait`, for a thread that runs Node's loop: undefined where the word is not `value`, else what settles when it is woken. */
export function waitAsync(array: Int32Array, index: number, value: number): Promise<unknown> | undefined {
  const outcome = Atomics.waitAsync(array, index, value);
  return outcome.async ? outcome.value : undefined;
}

/** Wakes sleepers on the word; returns how many. */
export function notify(array: Int32Array, index: number, count?: number): number {
  return Atomics.notify(array, index, count);
}

/** Writes a statistic: one thread writes it, any may look, nothing depends on it. */
export function tally(array: Int32Array, index: number, value: number): void {
  Atomics.store(array, index, value);
}
