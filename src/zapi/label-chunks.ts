// Chunks of labels as a client has them of zebra's label manager, over connections. Zebra gives a client's labels to others when
// the connection ends; so those that were granted are claimed again, by their numbers, on the next one, before anything else is
// asked for. Answers come in the order of the questions, and carry nothing else that would tell whose they are.
//
//   get ──▶ asked ──granted──▶ held ──the connection ends──▶ asked, with its base ──granted──▶ held
//                └──refused──▶ nothing                                           └──refused──▶ lost
import { ANY_LABEL_BASE } from './messages.ts';

/** What became of a chunk; `end` is its last label. */
export type LabelEvent =
  | { readonly kind: 'granted'; readonly start: number; readonly end: number }
  /** Zebra has not so many in a row. */
  | { readonly kind: 'refused'; readonly size: number }
  /** Somebody else has it now. */
  | { readonly kind: 'lost'; readonly start: number; readonly end: number };

interface Question {
  readonly size: number;
  /** ANY_LABEL_BASE, or the first label of a chunk that was ours on an earlier connection. */
  readonly base: number;
  /** Given back before it was answered. */
  dropped: boolean;
}

/** Puts messages on the wire; false where there is no room. */
export interface LabelWire {
  ask(size: number, base: number): boolean;
  giveBack(start: number, end: number): boolean;
}

export class LabelChunks {
  readonly #onEvent: (event: LabelEvent) => void;
  /** Last label by first. */
  readonly #held: Map<number, number> = new Map();
  /** In the order of their answers; the first `#said` of them are on the wire. */
  #questions: Question[] = [];
  #said = 0;
  readonly #returns: [start: number, end: number][] = [];

  constructor(onEvent: (event: LabelEvent) => void) {
    this.#onEvent = onEvent;
  }

  get(size: number): void {
    this.#questions.push({ size, base: ANY_LABEL_BASE, dropped: false });
  }

  release(start: number): void {
    const end = this.#held.get(start);
    if (end === undefined) return;
    this.#held.delete(start);
    const claim = this.#questions.find(one => one.base === start);
    if (claim === undefined) this.#returns.push([start, end]);
    else claim.dropped = true;
  }

  /** A new connection. */
  opened(): void {
    const claims = [...this.#held].map(([start, end]) => ({ size: end - start + 1, base: start, dropped: false }));
    this.#questions = [...claims, ...this.#questions.filter(({ base }) => base === ANY_LABEL_BASE)];
    this.#said = 0;
    this.#returns.length = 0;
  }

  /** Says what is to be said, as far as there is room; false where there was not enough. */
  pump(wire: LabelWire): boolean {
    for (let one = this.#questions[this.#said]; one !== undefined; one = this.#questions[this.#said]) {
      if (!wire.ask(one.size, one.base)) return false;
      this.#said++;
    }
    for (let one = this.#returns[0]; one !== undefined; one = this.#returns[0]) {
      if (!wire.giveBack(...one)) return false;
      this.#returns.shift();
    }
    return true;
  }

  answered(range: { readonly start: number; readonly end: number } | undefined): void {
    if (this.#said === 0) return;
    this.#said--;
    const { size, base, dropped } = this.#questions.shift()!;
    if (base === ANY_LABEL_BASE) {
      if (range === undefined) this.#onEvent({ kind: 'refused', size });
      else {
        this.#held.set(range.start, range.end);
        this.#onEvent({ kind: 'granted', start: range.start, end: range.end });
      }
    } else if (dropped) {
      if (range !== undefined) this.#returns.push([range.start, range.end]);
    } else if (range?.start !== base) {
      this.#held.delete(base);
      if (range !== undefined) this.#returns.push([range.start, range.end]);
      this.#onEvent({ kind: 'lost', start: base, end: base + size - 1 });
    }
  }
}
