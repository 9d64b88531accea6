// The connection table: a row of words for each connection, shared by bgp, bgp-io and bgp-ka. One thread writes a word
// unless it says otherwise; all may read it.
//
// The write lock is what keeps KEEPALIVEs whole: bgp-io holds it while it sends from the queue, bgp-ka while it sends its
// 19 bytes. Under it `mid` says whether a message is partly written. Neither ever waits in a system call with the lock held,
// so it is held for microseconds; and only bgp-io ever waits for it, where it must: before it closes the descriptor, whose
// number may be another socket's a moment later.
import { compareExchange, LINE_WORDS, load, notify, store, wait, words } from '../../concurrency/index.ts';
import { clockMonotonicUs } from '../../sys/index.ts';

/** Descriptor, or -1. Written by io under the lock. */
export const FD = 0;
/** Tells one user of the slot from the next. Written by io. */
export const GENERATION = 1;
/** When the last byte came (ms32). Written by io. */
export const RECEIVED_AT = 2;
/** When something was sent last (ms32), under the lock, and whether anything was. */
export const SENT_AT = 3;
export const SENT_ANY = 4;
/** When the socket last took bytes while more were waiting (ms32), and whether more are waiting. Written by io. */
export const STUCK_AT = 5;
export const STUCK = 6;
/** Longest message to take. Written by bgp. */
export const MAXIMUM = 7;
/** Bytes of UPDATEs bgp has finished with, modulo 2^32. Written by bgp. */
export const CONSUMED = 8;
/** Interval of KEEPALIVEs, 0 for none, and a count of its changes. Written by bgp. */
export const KEEPALIVE_MS = 9;
export const KEEPALIVE_EPOCH = 10;
/** KEEPALIVEs sent by ka and io, under the lock; received, by io. */
export const KEEPALIVES_SENT = 11;
export const KEEPALIVES_RECEIVED = 12;
/** 0 free, else who holds it. */
export const LOCK = 13;
/** A message is partly written, so nothing else may be sent. Under the lock. */
export const MID = 14;
/** Bytes of a KEEPALIVE that were written, where not all were. Under the lock. */
export const PARTIAL = 15;
/** A KEEPALIVE waits for io to send it. Set by ka, cleared by io. */
export const DUE = 16;
/** The slot is in `kicks` (set by bgp, cleared by io), in `due` (ka, io). */
export const KICKED = 17;
export const DUE_QUEUED = 18;
/** bgp waits for room. Set by bgp, cleared by io. */
export const WANTS_ROOM = 19;
/** A KEEPALIVE is in `urgent`, or a stream's slot in `ready`, that bgp has not looked at. Set by io, cleared by bgp. */
export const KEEPALIVE_TOLD = 20;
export const BYTES_TOLD = 21;
/** A NOTIFICATION was sent: nothing may follow. Under the lock. */
export const SPOKEN_LAST = 22;
/** Counts behind limits in messages (limits.ts), modulo 2^32: of `updates`, messages that bgp has finished with, written by
 *  bgp; UPDATEs queued for the socket, by bgp, and taken by it, by io. */
export const CONSUMED_MESSAGES = 23;
export const QUEUED_UPDATES = 24;
export const SENT_UPDATES = 25;

const ROW: number = LINE_WORDS;

/** Zero for a new user of the slot. */
const FORGOTTEN: readonly number[] = [
  SENT_ANY,
  STUCK,
  CONSUMED,
  KEEPALIVE_MS,
  KEEPALIVES_SENT,
  KEEPALIVES_RECEIVED,
  MID,
  PARTIAL,
  DUE,
  WANTS_ROOM,
  KEEPALIVE_TOLD,
  BYTES_TOLD,
  SPOKEN_LAST,
  CONSUMED_MESSAGES,
  QUEUED_UPDATES,
  SENT_UPDATES,
];

// Before the rows, a few words of the whole table.
/** Connections that io does not read because bgp is behind. Written by io. */
export const STALLED = 0;
/** Slots that were ever used: rows below it are worth a look. Written by io. */
export const USED = 1;
/** KEEPALIVEs sent by ka itself, left to io, and how late the latest was (ms). Written by ka. */
export const KA_SENT = 2;
export const KA_LEFT_TO_IO = 3;
export const KA_LATEST_MS = 4;

export const LOCK_IO = 1;
export const LOCK_KA = 2;

export function createTable(rows: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer((rows + 1) * ROW * 4);
  const view = words(memory, 0, (rows + 1) * ROW);
  for (let slot = 0; slot < rows; slot++) view[(slot + 1) * ROW + FD] = -1;
  return memory;
}

/** A thread's view of the table. */
export class ConnectionTable {
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = words(memory, 0, memory.byteLength / 4);
  }

  get(slot: number, column: number): number {
    return load(this.#words, (slot + 1) * ROW + column);
  }

  set(slot: number, column: number, value: number): void {
    store(this.#words, (slot + 1) * ROW + column, value);
  }

  /** Only for words with one writer. */
  increase(slot: number, column: number, by: number): void {
    const at = (slot + 1) * ROW + column;
    store(this.#words, at, (load(this.#words, at) + by) | 0);
  }

  /** Sets a flag; true where it was not set before. */
  raise(slot: number, column: number): boolean {
    return compareExchange(this.#words, (slot + 1) * ROW + column, 0, 1) === 0;
  }

  /** Clears a flag; true where it was set. */
  lower(slot: number, column: number): boolean {
    return compareExchange(this.#words, (slot + 1) * ROW + column, 1, 0) === 1;
  }

  global(word: number): number {
    return load(this.#words, word);
  }

  setGlobal(word: number, value: number): void {
    store(this.#words, word, value);
  }

  // By io.

  /** A descriptor gets the slot: what was of the one before is forgotten. */
  begin(slot: number, fd: number): void {
    for (const column of FORGOTTEN) this.set(slot, column, 0);
    this.set(slot, MAXIMUM, 4096);
    this.set(slot, RECEIVED_AT, nowMs32());
    this.increase(slot, GENERATION, 1);
    this.increase(slot, KEEPALIVE_EPOCH, 1);
    this.lock(slot, LOCK_IO);
    this.set(slot, FD, fd);
    this.unlock(slot);
    if (slot >= this.global(USED)) this.setGlobal(USED, slot + 1);
  }

  /** The descriptor is to be closed: nobody else uses it from here on. */
  end(slot: number): void {
    this.lock(slot, LOCK_IO);
    this.set(slot, FD, -1);
    this.unlock(slot);
  }

  isOpen(slot: number): boolean {
    return this.get(slot, FD) >= 0;
  }

  // The write lock.

  /** Takes it where it is free. */
  tryLock(slot: number, who: number): boolean {
    return compareExchange(this.#words, (slot + 1) * ROW + LOCK, 0, who) === 0;
  }

  /** Takes it, waiting for the other one's system call to return. */
  lock(slot: number, who: number): void {
    const at = (slot + 1) * ROW + LOCK;
    for (;;) {
      const holder = compareExchange(this.#words, at, 0, who);
      if (holder === 0) return;
      wait(this.#words, at, holder, 1);
    }
  }

  unlock(slot: number): void {
    const at = (slot + 1) * ROW + LOCK;
    store(this.#words, at, 0);
    notify(this.#words, at);
  }
}

/** Milliseconds of the clock that all threads share, modulo 2^32: compare by `(a - b) | 0`. */
export function nowMs32(): number {
  return Math.floor(clockMonotonicUs() / 1000) | 0;
}
