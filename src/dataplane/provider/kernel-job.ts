// What the kernel provider and its writer thread share: a few batches used in turn, and for each whose turn it is.
//
//    state   IDLE ──provider fills──▶ POSTED ──writer sends, reads the answers──▶ DONE ──provider settles──▶ IDLE
//
// The state word orders everything: each side touches a batch only in its states, and the other one sees what it wrote when
// it sees the new state (atomics.ts). Several batches, so that the writer has the next one when it is done with one, even
// when the dataplane thread is not scheduled at that moment; they are sent in the order in which they were posted.
import { compareExchange, load, notify, octets, store, wait, words } from '../../concurrency/index.ts';
import { MessageBuffer } from '../../netlink/index.ts';

/** Batches in flight at most. */
export const JOBS = 4;
export const BATCH_BYTES = 65_536;
export const BATCH_MESSAGES = 1024;
/** Questions in one batch at most, and the bytes of an answer: all outputs that a multicast route can have fit. */
export const BATCH_ANSWERS = 8;
const ANSWER_BYTES = 512;

export const JOB_STARTING = 0;
export const JOB_IDLE = 1;
export const JOB_POSTED = 2;
export const JOB_DONE = 3;
/** The writer died; its reason is in the text. */
export const JOB_BROKEN = 4;
export const JOB_CLOSED = 5;
/** The writer has seen that, and touches no socket any more. */
export const JOB_ENDED = 6;

const STATE = 0;
const COUNT = 1;
const FIRST = 2;
const PORT_ID = 3;
const DOUBTS = 4;
const RETRIES = 5;
const BUSY_US = 6;
const TEXT_LENGTH = 7;
const ANSWERS = 8;
const REASONS = 9;
const GENERIC = 10;
const FD = 11;
/** In front of an answer: the place in the batch of what it answers, and its length. */
const ANSWER_HEADER_BYTES = 8;
const HEADER_BYTES = 64;
const TEXT_BYTES = 512;
/** Different sentences of the kernel in one batch that are kept, and the bytes of each. */
const REASONS_MAX = 8;
const REASON_BYTES = 128;
const REASONS_AT: number = HEADER_BYTES + TEXT_BYTES;
const REASON_OF_AT: number = REASONS_AT + REASONS_MAX * REASON_BYTES;
const ERRORS_AT: number = REASON_OF_AT + BATCH_MESSAGES;
const ANSWERS_AT: number = ERRORS_AT + BATCH_MESSAGES * 4;
const BATCH_AT: number = ANSWERS_AT + BATCH_ANSWERS * ANSWER_BYTES;

export class KernelJob {
  readonly buffer: MessageBuffer;
  readonly errors: Int32Array;
  readonly #header: Int32Array;
  readonly #text: Uint8Array;
  readonly #reasons: Uint8Array;
  /** By message: 1 + the place of its sentence, or 0. */
  readonly #reasonOf: Uint8Array;
  readonly #answerWords: Int32Array;
  /** Where `answerOf` finds what it gives. */
  readonly answers: Uint8Array;

  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(BATCH_AT + BATCH_BYTES);
  }

  constructor(memory: SharedArrayBuffer) {
    this.#header = words(memory, 0, HEADER_BYTES / 4);
    this.#text = octets(memory, HEADER_BYTES, TEXT_BYTES);
    this.#reasons = octets(memory, REASONS_AT, REASONS_MAX * REASON_BYTES);
    this.#reasonOf = octets(memory, REASON_OF_AT, BATCH_MESSAGES);
    this.errors = words(memory, ERRORS_AT, BATCH_MESSAGES);
    this.answers = octets(memory, ANSWERS_AT, BATCH_ANSWERS * ANSWER_BYTES);
    this.#answerWords = words(memory, ANSWERS_AT, (BATCH_ANSWERS * ANSWER_BYTES) / 4);
    this.buffer = new MessageBuffer(BATCH_BYTES, memory, BATCH_AT);
  }

  get state(): number {
    return load(this.#header, STATE);
  }

  /** Hands the batch to the other side. */
  turn(state: number): void {
    store(this.#header, STATE, state);
    notify(this.#header, STATE);
  }

  /** The same if the state is still `from`; false where the other side changed it. */
  pass(from: number, to: number): boolean {
    if (compareExchange(this.#header, STATE, from, to) !== from) return false;
    notify(this.#header, STATE);
    return true;
  }

  /** Sleeps while the state is `state`. */
  sleep(state: number, timeoutMs?: number): void {
    wait(this.#header, STATE, state, timeoutMs);
  }

  get count(): number {
    return this.#header[COUNT]!;
  }

  get first(): number {
    return this.#header[FIRST]!;
  }

  /** It is one message of generic netlink's. */
  get generic(): boolean {
    return this.#header[GENERIC] === 1;
  }

  /** The socket that the batch is for; 0: the writer's own. */
  get fd(): number {
    return this.#header[FD]!;
  }

  describe(count: number, first: number, generic: boolean, fd: number): void {
    this.#header[COUNT] = count;
    this.#header[FIRST] = first;
    this.#header[GENERIC] = generic ? 1 : 0;
    this.#header[FD] = fd;
    this.#header[ANSWERS] = 0;
    this.#header[REASONS] = 0;
  }

  /** The kernel's answer to the message at this place; what is repeated takes the place of what was. */
  answer(place: number, bytes: Uint8Array, offset: number, length: number): void {
    let at = this.answerOf(place) - ANSWER_HEADER_BYTES;
    const count = this.#header[ANSWERS]!;
    if (at < 0) {
      if (count === BATCH_ANSWERS) return;
      at = count * ANSWER_BYTES;
    }
    if (length > ANSWER_BYTES - ANSWER_HEADER_BYTES) return;
    this.#answerWords[at / 4] = place;
    this.#answerWords[at / 4 + 1] = length;
    this.answers.set(bytes.subarray(offset, offset + length), at + ANSWER_HEADER_BYTES);
    if (at === count * ANSWER_BYTES) this.#header[ANSWERS] = count + 1;
  }

  /** Where in `answers` that of the message at this place is; -1: there is none. */
  answerOf(place: number): number {
    for (let i = 0; i < this.#header[ANSWERS]!; i++) {
      const at = i * ANSWER_BYTES;
      if (this.#answerWords[at / 4] === place) return at + ANSWER_HEADER_BYTES;
    }
    return -1;
  }

  /** Its length. */
  answerLength(at: number): number {
    return this.#answerWords[(at - ANSWER_HEADER_BYTES) / 4 + 1]!;
  }

  get portId(): number {
    return this.#header[PORT_ID]! >>> 0;
  }

  set portId(id: number) {
    this.#header[PORT_ID] = id;
  }

  /** Times that answers were lost and had to be asked for again. */
  get doubts(): number {
    return this.#header[DOUBTS]!;
  }

  /** Times that a part was sent again because something was lacking for a moment. */
  get retries(): number {
    return this.#header[RETRIES]!;
  }

  /** Time that the system calls took. */
  get busyUs(): number {
    return this.#header[BUSY_US]!;
  }

  report(doubts: number, retries: number, busyUs: number): void {
    this.#header[DOUBTS] = doubts;
    this.#header[RETRIES] = retries;
    this.#header[BUSY_US] = busyUs;
  }

  /** The kernel's words by message: of the first few sentences, which all the others repeat. */
  explain(reasons: ReadonlyMap<number, string>): void {
    if (reasons.size === 0) return;
    this.#reasonOf.fill(0);
    const sentences: string[] = [];
    for (const [message, sentence] of reasons) {
      let at = sentences.indexOf(sentence);
      if (at < 0 && sentences.length < REASONS_MAX) {
        at = sentences.push(sentence) - 1;
        const bytes = Buffer.from(sentence).subarray(0, REASON_BYTES - 1);
        this.#reasons[at * REASON_BYTES] = bytes.length;
        this.#reasons.set(bytes, at * REASON_BYTES + 1);
      }
      this.#reasonOf[message] = at + 1;
    }
    this.#header[REASONS] = sentences.length;
  }

  /** Why the kernel refused the message at this place, in its words; '' where it had none. */
  reasonOf(place: number): string {
    const at = this.#header[REASONS] === 0 ? -1 : (this.#reasonOf[place]! - 1) * REASON_BYTES;
    return at < 0 ? '' : Buffer.from(this.#reasons.subarray(at + 1, at + 1 + this.#reasons[at]!)).toString();
  }

  /** Why the writer died. */
  get text(): string {
    return Buffer.from(this.#text.subarray(0, this.#header[TEXT_LENGTH])).toString();
  }

  set text(text: string) {
    const bytes = Buffer.from(text).subarray(0, TEXT_BYTES);
    this.#text.set(bytes);
    this.#header[TEXT_LENGTH] = bytes.length;
  }
}
