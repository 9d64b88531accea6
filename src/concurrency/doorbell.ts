// Wakes a thread that sleeps, and costs nothing when it does not: the bell holds a flag that says how the thread sleeps,
// and an eventfd. A producer publishes to a ring and rings; only when the flag is set is there a system call.
//
//    word 0: eventfd number (file descriptors belong to the process, so every thread may use it)
//    line 1: flag     0 awake     1 asleep in poll(2) or Node's loop     2 asleep in Atomics.wait
//
//       consumer                          producer
//       flag := 1            (arm)        written := n        (publish to the ring)
//       load written         (re-check)   load flag           (ring)
//       nothing new: sleep                not 0: flag := 0, write the eventfd
//
// Why no wake-up is lost: atomics have one order that all threads agree on. In it either the consumer's flag := 1 comes
// before the producer's load of the flag, and the producer writes the eventfd; or it comes after, then the producer's
// publish came before the consumer's re-check, which sees it. Both may happen, which costs one needless wake-up. An
// eventfd remembers that it was written, so a write between re-check and poll(2) is no problem either; the same holds for
// Atomics.wait, which does not sleep when the flag is no longer 2.
//
// Several producers may share a bell: the exchange lets only one of them pay for the system call.
import { add, exchange, LINE_BYTES, LINE_WORDS, load, notify, store, wait, waitAsync, words } from './atomics.ts';
import { clearWake, closeWake, openWake, wake } from './wake.ts';

const FD = 0;
const FLAG: number = LINE_WORDS;
const RINGS: number = 2 * LINE_WORDS;
const AWAKE = 0;
const IN_POLL = 1;
const IN_WAIT = 2;

export class Doorbell {
  /** Readable while there was a ring that nobody answered; for poll(2) and watchFd. */
  readonly fd: number;
  readonly #words: Int32Array;

  /** Shared memory with a new eventfd in it. Whoever creates it closes it with `Doorbell.close`. */
  static create(): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(3 * LINE_BYTES);
    words(memory, 0, 1)[FD] = openWake();
    return memory;
  }

  /** Closes the eventfd, when no thread uses the bell any more. */
  static close(memory: SharedArrayBuffer): void {
    closeWake(words(memory, 0, 1)[FD]!);
  }

  constructor(memory: SharedArrayBuffer) {
    this.#words = words(memory, 0, (3 * LINE_BYTES) / 4);
    this.fd = this.#words[FD]!;
  }

  /** Producer: wakes the consumer if it sleeps. Call it after `publish`. */
  ring(): void {
    if (load(this.#words, FLAG) !== AWAKE) this.#wake();
  }

  /** Wakes the consumer whatever the flag says: before a thread is stopped. */
  force(): void {
    store(this.#words, FLAG, AWAKE);
    wake(this.fd);
    notify(this.#words, FLAG);
  }

  /** Consumer: says that it is about to sleep on `fd`. Look at the rings once more after this, then sleep or `disarm`. */
  arm(): void {
    store(this.#words, FLAG, IN_POLL);
  }

  /** Consumer: awake again, by a ring or otherwise. */
  disarm(): void {
    store(this.#words, FLAG, AWAKE);
  }

  /** Consumer: makes `fd` unreadable after poll(2) said it is readable. Only then, and before a look at the rings: a ring
   *  that is wiped after the look is lost. */
  answer(): void {
    clearWake(this.fd);
  }

  /** Consumer that has no file descriptors to watch: as `arm`, for `sleep`. */
  armWait(): void {
    store(this.#words, FLAG, IN_WAIT);
  }

  /** Consumer: sleeps after `armWait` and the re-check, at most `timeoutMs`; false where nobody rang. */
  sleep(timeoutMs?: number): boolean {
    const result = wait(this.#words, FLAG, IN_WAIT, timeoutMs);
    store(this.#words, FLAG, AWAKE);
    return result !== 'timed-out';
  }

  /**
   * Consumer on Node's loop that may be terminated, so must not watch a descriptor: after `armWait` and the re-check, settles at
   * the next ring (which has put the flag down), or is undefined where there was one. Does not keep the loop alive.
   */
  rung(): Promise<unknown> | undefined {
    return waitAsync(this.#words, FLAG, IN_WAIT);
  }

  /** The consumer sleeps, or is about to. */
  get armed(): boolean {
    return load(this.#words, FLAG) !== AWAKE;
  }

  /** Times a ring had to wake somebody. */
  get wakeUps(): number {
    return load(this.#words, RINGS);
  }

  #wake(): void {
    const flag = exchange(this.#words, FLAG, AWAKE);
    if (flag === AWAKE) return;
    add(this.#words, RINGS, 1);
    if (flag === IN_POLL) wake(this.fd);
    else notify(this.#words, FLAG);
  }
}
