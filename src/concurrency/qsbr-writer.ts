// Quiescent-state-based reclamation, the writers' side: grace periods, and what waits for them. qsbr.ts says why it is right
// for one writer; this is why it is for several, each a view of its own in its own thread.
//
// A writer's `token` is what its own add made of the shared one, so it is newer than all that was opened before, and two writers
// never share one. To ask about a token means to look at each slot after it was opened, which anybody may do at any time.
//
// One look answers for all of a writer's tokens up to the oldest that a slot shows: that is remembered (`acknowledged`), and
// older ones cost nothing. It proves nothing about tokens that others opened during the look, after a slot was found offline;
// so nobody asks about another's token, and what is remembered never exceeds the writer's own newest.
//
// How far tokens may run ahead of a reader (qsbr.ts: less than half a round, 2^31). A writer with more than WINDOW between what it
// knows to be acknowledged and its own newest opens no more: 16 million grace periods without an answer. Each writer may
// add its own, so there may be 63 of them. And what a writer remembers may be more than half a round old when it comes back,
// for others went on: then it looks anew. (Periods of its own that it left open for 2^30 of others' may be held to be open for
// as many more; never to have passed.)
import { setImmediate, setTimeout } from 'node:timers/promises';
import { add, compareExchange, LINE_WORDS, load, store, wait, words } from './atomics.ts';
import { Limbo } from './limbo.ts';
import {
  DEAD,
  LEAVING,
  qsbrWords,
  SEEN,
  SLOTS,
  slotWord,
  STATE,
  STATE_MASK,
  STEP,
  TAKEN,
  TOKEN,
} from './qsbr-memory.ts';

/** Distance of tokens that a writer may have open at most. */
const WINDOW: number = 2 ** 24 * STEP;
/** Slots looked at before a waiting thread lets others run: some fifty microseconds, less than it takes to fall asleep and wake up. */
const SPINS = 5000;
/** Turns of Node's loop that `barrier` waits before it waits for time to pass. */
const TURNS = 100;
const LONGEST_NAP_MS = 10;

export interface QsbrWriterOptions {
  /** Retired and not yet freed, at most. Default 65,536; at most 2^23. */
  entries?: number;
  /** Their bytes, at most. Default 256 MiB. */
  bytes?: number;
  /** Milliseconds, monotonic. Default performance.now. */
  now?: () => number;
}

/** A reader that is online and has not passed a quiescent state. */
export interface StalledReader {
  slot: number;
  generation: number;
  /** Milliseconds since this writer first saw it behind. */
  ms: number;
  /** What waits for it in this writer's limbo, and its bytes. */
  pending: number;
  bytes: number;
}

export interface QsbrWriterStats {
  /** Retired and not freed yet, and their bytes. */
  limbo: number;
  bytes: number;
  limit: number;
  limitBytes: number;
  highWater: number;
  highWaterBytes: number;
  /** Retirements that a limit refused. */
  refused: number;
  /** Freed since the beginning. */
  reclaimed: number;
  /** Grace periods that this writer has opened. */
  gracePeriods: number;
}

/** One per thread that changes shared structures; tokens and what is retired are its own. */
export class QsbrWriter {
  readonly #words: Int32Array;
  readonly #slots: number;
  readonly #firstSlot: number;
  readonly #limbo: Limbo;
  readonly #now: () => number;
  // By slot: the token it showed when it was first seen behind (0: it is not), and when that was.
  readonly #behind: Int32Array;
  readonly #behindSinceMs: Float64Array;
  #opened = 0;
  #acknowledged = 0; // = opened: nothing of ours is open
  #gracePeriods = 0;
  #reclaimed = 0;
  #nap: Int32Array | undefined;

  constructor(memory: SharedArrayBuffer, options: QsbrWriterOptions = {}) {
    this.#words = qsbrWords(memory);
    this.#slots = this.#words[SLOTS]!;
    this.#firstSlot = slotWord(this.#words, 0);
    this.#limbo = new Limbo(options.entries ?? 65_536, options.bytes ?? 2 ** 28);
    this.#now = options.now ?? (() => performance.now());
    this.#behind = new Int32Array(this.#slots);
    this.#behindSinceMs = new Float64Array(this.#slots);
  }

  /** Opens a grace period: what was unpublished before is unreachable once `passed(token)`. Throws where WINDOW are open. */
  start(): number {
    if ((this.#opened - this.#acknowledged) >>> 0 >= WINDOW) {
      this.#opened = load(this.#words, TOKEN);
      this.#acknowledged = this.#look();
      if ((this.#opened - this.#acknowledged) >>> 0 >= WINDOW) {
        throw new Error(`qsbr: a reader has not answered ${WINDOW / STEP} grace periods`);
      }
    }
    this.#opened = (add(this.#words, TOKEN, STEP) + STEP) | 0;
    this.#gracePeriods++;
    if ((this.#opened - this.#acknowledged - 1) >>> 0 >= 2 ** 30) this.#acknowledged = this.#look();
    return this.#opened;
  }

  /** Whether every reader has been quiescent, or offline, since this writer opened the period. Never waits. */
  passed(token: number): boolean {
    if (((this.#acknowledged - token) | 0) >= 0) return true;
    this.#learn();
    return ((this.#acknowledged - token) | 0) >= 0;
  }

  /**
   * Keeps `free` until nobody can look any more at what was unpublished before this call; `reclaim`, `barrier` or `synchronize`
   * then call it. False where limbo is at its limit: nothing has happened, reclaim and try again. Calls nothing itself.
   * Throws a RangeError where `bytes` alone exceed the limit.
   */
  retire(free: () => void, bytes = 0): boolean {
    if (!this.#limbo.admits(bytes)) return false;
    this.#limbo.push(this.start(), free, bytes);
    return true;
  }

  /** Frees what may be freed, oldest first, at most `max`; how many. What a `free` throws comes out of here; the rest stays for the next call. */
  reclaim(max: number = Number.POSITIVE_INFINITY): number {
    let freed = 0;
    while (freed < max && this.#limbo.count > 0 && this.passed(this.#limbo.token)) {
      freed++;
      this.#reclaimed++;
      this.#limbo.shift()();
    }
    return freed;
  }

  /** Settles when every reader has passed a quiescent state after this call, and everything retired before it is freed. */
  async barrier(): Promise<void> {
    const token = this.start();
    for (let turn = 0; !this.#spin(token); turn++) {
      if (turn < TURNS) await setImmediate();
      else await setTimeout(Math.min(turn - TURNS + 1, LONGEST_NAP_MS));
    }
    this.reclaim();
  }

  /** As `barrier`, for a thread that may block: false after `timeoutMs`. The thread must not be online itself. */
  synchronize(timeoutMs: number): boolean {
    const token = this.start();
    if (!this.#spin(token)) {
      const deadline = this.#now() + timeoutMs;
      this.#nap ??= words(new SharedArrayBuffer(4), 0, 1);
      for (let ms = 0.05; !this.#spin(token); ms = Math.min(ms * 2, LONGEST_NAP_MS)) {
        const left = deadline - this.#now();
        if (!(left > 0)) return false;
        wait(this.#nap, 0, 0, Math.min(ms, left));
      }
    }
    this.reclaim();
    return true;
  }

  /** Readers that are online and have been behind for at least `ms`, as far as this writer has looked: it looks whenever it waits. */
  stalled(ms: number): readonly StalledReader[] {
    const found: StalledReader[] = [];
    if (this.#opened === this.#acknowledged) return found;
    this.#learn();
    const now = this.#now();
    for (let slot = 0; slot < this.#slots; slot++) {
      const seen = this.#behind[slot]!;
      const behindMs = now - this.#behindSinceMs[slot]!;
      if (seen === 0 || behindMs < ms) continue;
      const generation = load(this.#words, this.#firstSlot + slot * LINE_WORDS + STATE) >>> 2;
      const { count, bytes } = this.#limbo.after(seen);
      found.push({ slot, generation, ms: behindMs, pending: count, bytes });
    }
    return found;
  }

  /**
   * The thread that has the slot has exited, so it holds nothing; call it from the worker's `exit` event, never on suspicion.
   * The slot can be taken again. False where nobody has it, or where somebody of another `generation` has.
   */
  dead(slot: number, generation?: number): boolean {
    const at = slotWord(this.#words, slot);
    const before = load(this.#words, at + STATE);
    if ((before & STATE_MASK) !== TAKEN) return false;
    if (generation !== undefined && before >>> 2 !== generation) return false;
    // Of several that say so one goes on; and nobody takes the slot before it is offline.
    const mine = before & ~STATE_MASK;
    if (compareExchange(this.#words, at + STATE, before, mine | LEAVING) !== before) return false;
    store(this.#words, at + SEEN, 0);
    store(this.#words, at + STATE, mine | DEAD);
    return true;
  }

  stats(): QsbrWriterStats {
    const { count, bytes, limit, limitBytes, highWater, highWaterBytes, refused } = this.#limbo;
    return {
      limbo: count,
      bytes,
      limit,
      limitBytes,
      highWater,
      highWaterBytes,
      refused,
      reclaimed: this.#reclaimed,
      gracePeriods: this.#gracePeriods,
    };
  }

  #spin(token: number): boolean {
    for (let left = SPINS; left > 0; left -= this.#slots) if (this.passed(token)) return true;
    return false;
  }

  /** Remembers what a look proves. A reader that is just coming online may show an old token for a moment: what has passed stays so. */
  #learn(): void {
    const oldest = this.#look();
    if (((oldest - this.#acknowledged) | 0) > 0) this.#acknowledged = oldest;
  }

  /** Looks at every slot and notes who is behind. All of this writer's periods up to the result have passed. */
  #look(): number {
    let oldest = this.#opened;
    for (let slot = 0, at = this.#firstSlot + SEEN; slot < this.#slots; slot++, at += LINE_WORDS) {
      const seen = load(this.#words, at);
      if (seen === 0 || ((seen - this.#opened) | 0) >= 0) {
        this.#behind[slot] = 0;
        continue;
      }
      if (((seen - oldest) | 0) < 0) oldest = seen;
      if (this.#behind[slot] === seen) continue;
      this.#behind[slot] = seen;
      this.#behindSinceMs[slot] = this.#now();
    }
    return oldest;
  }
}
