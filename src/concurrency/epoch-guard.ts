// Looking at shared structures now and then, from a thread that has no vectors: a guard is pinned for the time of a look.
//
//    using pinned = guard.pin();
//    const route = table.lookup(pinned, address);     // a function that takes a `Pinned` can not be called without
//
// Epoch-based reclamation as crossbeam-epoch has it, on a slot of a Qsbr domain: to pin is to come online (store the token, load
// it again), to unpin is to go offline. So one writer waits for workers and guards alike. It costs two stores a look where a
// worker pays a load a vector; in return nobody waits for the thread while it does not look.
import { QsbrReader } from './qsbr.ts';

declare const proof: unique symbol;

/** Proof that the thread is pinned; what it looks at is not freed before it is disposed of. Never kept beyond that. */
export interface Pinned extends Disposable {
  readonly [proof]: true;
}

/** One per thread. Looks nest: the outermost counts. Between `pin` and its end the thread must not wait (no `await`, either). */
export class EpochGuard {
  readonly #reader: QsbrReader;
  readonly #pinned: Pinned;
  #depth = 0;

  /** Takes the slot, not pinned. Throws as QsbrReader does. */
  constructor(memory: SharedArrayBuffer, slot: number) {
    this.#reader = new QsbrReader(memory, slot);
    this.#pinned = { [Symbol.dispose]: () => this.unpin() } as Pinned;
  }

  get slot(): number {
    return this.#reader.slot;
  }

  get generation(): number {
    return this.#reader.generation;
  }

  get isPinned(): boolean {
    return this.#depth > 0;
  }

  /** From here to its `unpin`, or the end of the `using` block, references may be taken and followed. */
  pin(): Pinned {
    if (this.#depth === 0) this.#reader.online();
    this.#depth++;
    return this.#pinned;
  }

  /** Ends the latest `pin`. Throws where nothing is pinned. */
  unpin(): void {
    if (this.#depth === 0) throw new Error(`epoch guard of slot ${this.slot}: unpin without a pin`);
    this.#depth--;
    if (this.#depth === 0) this.#reader.offline();
  }

  /** Gives the slot back. Throws where it is pinned. */
  close(): void {
    if (this.#depth > 0) throw new Error(`epoch guard of slot ${this.slot}: closed while pinned`);
    this.#reader.close();
  }
}
