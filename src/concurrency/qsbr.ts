// Quiescent-state-based reclamation, the readers' side: when may memory that others may still be looking at be used again?
//
//    writer   unpublish ─▶ token 5 ─▶ · · · all have seen 5, or are offline ─▶ free
//    reader   ── vector ──┤seen 3├── vector ──┤seen 5├── vector ──            ┤: quiescent, holds no reference
//
// A reader looks at shared structures as it likes, with no lock and no store, as long as it is online. Once a vector, when it
// holds no reference any more, it is *quiescent*: it loads the token, and where that has changed it stores it in its slot. A
// writer unpublishes an object first and opens a grace period after, by adding to the token (qsbr-writer.ts). When every slot
// shows that token or a newer one, or says offline, nobody can have the object.
//
// Why it is right. All these words are atomics of JavaScript: sequentially consistent, one order for all threads.
// - A reader whose slot shows the writer's token loaded it after the writer had unpublished; whatever it loads from then on
//   was loaded after, and it held nothing at that moment. Its plain reads of the object came before its store, the writer
//   loads that store and overwrites after: the bytes are ordered, too.
// - A reader found offline had not stored its token when the writer looked. `online` stores first and the reader loads a
//   reference after: that load comes after the writer's look, so it finds the new object. On other machines this needs a
//   full barrier between a store and a load (DPDK and liburcu have it there); a store of `Atomics` is one.
// - One token and one wait are enough, where liburcu waits twice for 32-bit counters: a counter that went round while somebody
//   was not looking could be taken for a newer one. Here it can not go that far. While a reader is online, writers open no more
//   than WINDOW beyond what it has seen (qsbr-writer.ts), and tokens are compared by the sign of their difference. A reader
//   that comes online stores the token it saw last, which may be any number of rounds old; so it loads the token after the
//   store, and takes part only once what it stored is the token.
import { compareExchange, load, store, tally } from './atomics.ts';
import {
  DEAD,
  FREE,
  GENERATION,
  HEARTBEAT,
  qsbrWords,
  SEEN,
  slotWord,
  STATE,
  STATE_MASK,
  TAKEN,
  TOKEN,
} from './qsbr-memory.ts';

/** One per worker thread. Every method but `close` is for the thread that made it; references are valid while it is online, up to its next `quiescent`. */
export class QsbrReader {
  readonly slot: number;
  /** Which holder of the slot this is; `QsbrWriter.dead` may be told, to be sure it means this one. */
  readonly generation: number;
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #state: number;
  #seen = 0; // as in the slot
  #last = 1; // before it was offline
  #heartbeat = 0;
  #closed = false;

  /** Takes the slot and is offline. Throws a RangeError where there is no such slot, an Error where somebody has it. */
  constructor(memory: SharedArrayBuffer, slot: number) {
    this.#words = qsbrWords(memory);
    this.#at = slotWord(this.#words, slot);
    this.slot = slot;
    // Taken by a guess, as if it never had been, and then by what was found: whoever was first may have given it back by then.
    for (let before = FREE; ; ) {
      const state = before & STATE_MASK;
      if (state !== FREE && state !== DEAD) throw new Error(`qsbr: slot ${slot} is taken`);
      this.#state = ((before & ~STATE_MASK) + GENERATION) | TAKEN;
      const found = compareExchange(this.#words, this.#at + STATE, before, this.#state);
      if (found === before) break;
      before = found;
    }
    this.generation = this.#state >>> 2;
  }

  get isOnline(): boolean {
    return this.#seen !== 0;
  }

  /** From here on references may be taken. Call it after everything that may wait: a thread that sleeps online holds all writers up. */
  online(): void {
    if (this.#seen !== 0) return;
    if (this.#closed) throw new Error(`qsbr: slot ${this.slot} is closed`);
    for (let token = this.#last; ; ) {
      store(this.#words, this.#at + SEEN, token);
      const now = load(this.#words, TOKEN);
      if (now === token) {
        this.#seen = token;
        return;
      }
      token = now;
    }
  }

  /** Holds no reference, and takes none before `online`. Call it before everything that may wait. */
  offline(): void {
    if (this.#seen === 0) return;
    this.#last = this.#seen;
    this.#seen = 0;
    store(this.#words, this.#at + SEEN, 0);
  }

  /** Holds no reference any more: once a vector. One atomic load where no grace period has been opened since. */
  quiescent(): void {
    const token = load(this.#words, TOKEN);
    if (token !== this.#seen) this.#answer(token);
  }

  /** Gives the slot back, for any thread to take. */
  close(): void {
    if (this.#closed) return;
    this.offline();
    this.#closed = true;
    store(this.#words, this.#at + STATE, (this.#state & ~STATE_MASK) | FREE);
  }

  #answer(token: number): void {
    if (this.#seen === 0) throw new Error(`qsbr: slot ${this.slot} is offline, and so has nothing to be quiescent of`);
    this.#seen = token;
    store(this.#words, this.#at + SEEN, token);
    this.#heartbeat = (this.#heartbeat + 1) | 0;
    tally(this.#words, this.#at + HEARTBEAT, this.#heartbeat);
  }
}
