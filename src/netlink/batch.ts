// Many messages in one send. Only the last asks for an ACK: rtnetlink handles a send from front to back before the call
// returns, and answers errors as they come, so the last ACK says that all the others were handled, and the errors before it
// say which of them failed.
//
//    message     m0      m1      m2  …  mN-1 (NLM_F_ACK)
//    sequence    s       s+1     s+2    s+N-1
//    answers             E(s+1)         ACK(s+N-1)           ⇒ m1 failed, all others are confirmed
//
// When the ACK does not come (the answers overran the receive buffer) whatever has no error of its own is in doubt. It is then
// sent again in small groups that all ask for ACKs: `verify`.
//
// What is sent again may find its own work: what was to be made is there, what was to go is gone. That is no failure, nor somebody
// else's doing, so what was done once stays done.
//
// To "create or replace" the kernel does not say whether there was something. Who has to know asks for both, NLM_F_EXCL and
// NLM_F_REPLACE: the kernel says EEXIST, and what is sent again then (`replaceThere`) is to replace; the answer stays EEXIST.
import { E } from '../sys/index.ts';
import { MessageBuffer } from './buffer.ts';
import { NLM_F_ACK, NLM_F_EXCL, NLM_F_REPLACE, NLMSG_ERROR, RTM_NEWLINK } from './constants.ts';
import { readExtendedAck } from './error.ts';
import { NetlinkSocket, RECEIVE_EMPTY, RECEIVE_OVERRUN } from './socket.ts';

export interface BatchOptions {
  /** Bytes of one send at most; the socket's send buffer must hold it. */
  readonly bytes?: number;
  /** Messages of one send at most. */
  readonly messages?: number;
  /** Where messages and errors are; its own memory unless told. */
  readonly memory?: BatchMemory;
  /** Gets what a message that is a question (RTM_GET… of one object) is answered; more than once where it had to be repeated. */
  readonly onAnswer?: (message: number, bytes: Uint8Array, offset: number, length: number) => void;
}

/** Memory of a batch that one thread fills and another one sends. */
export interface BatchMemory {
  readonly buffer: MessageBuffer;
  /** By message, as `NetlinkBatch.errors`; at least `messages` long. */
  readonly errors: Int32Array;
}

/** All messages have an answer. */
export const BATCH_CONFIRMED = 0;
/** Some answers were lost: see `errors` for those that came, and `verify`. */
export const BATCH_DOUBTFUL = 1;
/** The kernel took nothing (`sendErrno`, and in `errors` of all that is not done already): it may be sent again. */
export const BATCH_REFUSED = 2;
export type BatchOutcome = typeof BATCH_CONFIRMED | typeof BATCH_DOUBTFUL | typeof BATCH_REFUSED;

const UNANSWERED: number = -1;

/** Of message types the last two bits: RTM_NEW…, RTM_DEL… */
const VERB = 3;
const ASKS: number = (NLM_F_EXCL | NLM_F_REPLACE) << 16;
const NEW = 0;
const DELETE = 1;

/** How the kernel says that what was to be deleted is not there: gone, with its table, its device or its nexthop object. */
export function saysGone(errno: number): boolean {
  return errno === E.ESRCH || errno === E.ENOENT || errno === E.ENODEV || errno === E.EADDRNOTAVAIL;
}

export class NetlinkBatch {
  readonly buffer: MessageBuffer;
  readonly capacityBytes: number;
  readonly capacityMessages: number;
  /** Messages in the batch. */
  count = 0;
  /** Where the next message goes. */
  offset = 0;
  /** By message, after `send`: 0 = done, an errno, or -1 where the answer was lost. */
  readonly errors: Int32Array;
  /** Extended-ACK texts by message, of failures only. */
  readonly reasons: Map<number, string> = new Map();
  /** errno of the send that was refused. */
  sendErrno = 0;
  readonly #offsets: Int32Array;
  /** By message: it was done when it was sent before, or, a deletion, may have been. */
  readonly #done: Uint8Array;
  /** By message: it takes the place of something, and is to say so. */
  readonly #replaces: Uint8Array;
  #replacing = false;
  /** Messages that were sent before. */
  #sent = 0;
  #socket: NetlinkSocket;
  readonly #onAnswer: BatchOptions['onAnswer'];
  #first: number;

  constructor(socket: NetlinkSocket, options: BatchOptions = {}) {
    this.#socket = socket;
    this.#onAnswer = options.onAnswer;
    this.capacityBytes = options.bytes ?? 65_536;
    this.capacityMessages = options.messages ?? 1024;
    this.buffer = options.memory?.buffer ?? new MessageBuffer(this.capacityBytes);
    this.errors = options.memory?.errors ?? new Int32Array(this.capacityMessages);
    this.#offsets = new Int32Array(this.capacityMessages + 1);
    this.#done = new Uint8Array(this.capacityMessages);
    this.#replaces = new Uint8Array(this.capacityMessages);
    this.#first = socket.sequence(this.capacityMessages);
  }

  /** Whether a message of `bytes` still fits. */
  fits(bytes: number): boolean {
    return this.count < this.capacityMessages && this.offset + bytes <= this.capacityBytes;
  }

  /** The sequence number that the next message must carry. */
  get sequence(): number {
    return (this.#first + this.count) | 0;
  }

  /** Takes in the message of `bytes` just encoded at `offset`. */
  commit(bytes: number): void {
    this.#offsets[this.count] = this.offset;
    this.offset += bytes;
    this.count++;
    this.#offsets[this.count] = this.offset;
  }

  /**
   * Takes over `count` messages that somebody else wrote into the buffer, one behind the other from its beginning, with
   * sequence numbers from `first` on, for this socket.
   */
  adopt(count: number, first: number, socket: NetlinkSocket = this.#socket): void {
    this.#socket = socket;
    this.reset();
    this.#first = first;
    for (let i = 0; i < count; i++) this.commit(this.buffer.words[this.offset >> 2]!);
  }

  /** Empties it for the next round. */
  reset(): void {
    this.count = 0;
    this.offset = 0;
    this.sendErrno = 0;
    this.#sent = 0;
    if (this.#replacing) this.#replaces.fill(0);
    this.#replacing = false;
    if (this.reasons.size > 0) this.reasons.clear();
    this.#first = this.#socket.sequence(this.capacityMessages);
  }

  /** Sends all, or what is left from message `from` on, and reads the answers. */
  send(from = 0): BatchOutcome {
    const count = this.count;
    if (count === from) return BATCH_CONFIRMED;
    this.#wantAck(count - 1);
    const start = this.#offsets[from]!;
    const bytes = from === 0 ? this.buffer.bytes : this.buffer.bytes.subarray(start, this.offset);
    this.sendErrno = this.#socket.send(bytes, this.offset - start);
    if (this.sendErrno !== 0) {
      for (let i = from; i < count; i++) if (i >= this.#sent || this.errors[i] !== 0) this.errors[i] = this.sendErrno;
      return BATCH_REFUSED;
    }
    this.#remember(from, count);
    this.errors.fill(0, from, count);
    const answered = this.#read(from, count);
    this.#recall(from, count);
    if (answered) return BATCH_CONFIRMED;
    // An error that we saw stands; what was silent may have failed.
    for (let i = from; i < count; i++) if (this.errors[i] === 0) this.errors[i] = UNANSWERED;
    return BATCH_DOUBTFUL;
  }

  /**
   * Sends all again, a few at a time and each with an ACK, because some have no answer. True where all have one now. What was to
   * be new and is there now may be somebody else's: nobody can say.
   */
  verify(): boolean {
    const few = 32;
    let all = true;
    for (let from = 0; from < this.count; from += few) {
      const to = Math.min(this.count, from + few);
      for (let i = from; i < to; i++) this.#wantAck(i);
      const start = this.#offsets[from]!;
      const end = this.#offsets[to]!;
      if (this.#socket.send(this.buffer.bytes.subarray(start, end), end - start) !== 0) {
        all = false;
        continue;
      }
      this.#remember(from, to);
      this.errors.fill(UNANSWERED, from, to);
      if (!this.#read(from, to)) all = false;
      this.#recall(from, to);
    }
    return all;
  }

  /**
   * Messages that asked whether there was something, and heard that there is: they are to take its place. Returns the first of
   * them, from which on all must be sent again; -1: there is none.
   */
  replaceThere(): number {
    let first = -1;
    for (let i = this.count - 1; i >= 0; i--) {
      if (this.errors[i] !== E.EEXIST || (this.#head(i) & ASKS) !== ASKS) continue;
      this.buffer.words[(this.#offsets[i]! >> 2) + 1]! &= ~(NLM_F_EXCL << 16);
      this.#replaces[i] = 1;
      this.#replacing = true;
      this.errors[i] = E.EAGAIN;
      this.reasons.delete(i);
      first = i;
    }
    return first;
  }

  /** When nothing is sent again any more: what took the place of something says so. */
  tellReplaced(): void {
    if (!this.#replacing) return;
    for (let i = 0; i < this.count; i++) if (this.#replaces[i] === 1 && this.errors[i] === 0) this.errors[i] = E.EEXIST;
  }

  /** Before `[from, to)` are sent: which of them were done already. */
  #remember(from: number, to: number): void {
    for (let i = from; i < to; i++) {
      const before = i < this.#sent ? this.errors[i]! : E.EAGAIN;
      if (i >= this.#sent) this.#done[i] = 0;
      if (before === 0 || (before === UNANSWERED && this.#verb(i) === DELETE)) this.#done[i] = 1;
    }
    this.#sent = Math.max(this.#sent, to);
  }

  /** After they were answered: those that found what they had done themselves. */
  #recall(from: number, to: number): void {
    for (let i = from; i < to; i++) {
      const errno = this.errors[i]!;
      if (errno <= 0 || this.#done[i] === 0) continue;
      const verb = this.#verb(i);
      if (verb === NEW ? errno !== E.EEXIST : verb !== DELETE || !saysGone(errno)) continue;
      this.errors[i] = 0;
      this.reasons.delete(i);
    }
  }

  /** Type and flags. */
  #head(message: number): number {
    return this.buffer.words[(this.#offsets[message]! >> 2) + 1]!;
  }

  #verb(message: number): number {
    return this.#head(message) & VERB;
  }

  #wantAck(message: number): void {
    this.buffer.words[(this.#offsets[message]! >> 2) + 1]! |= NLM_F_ACK << 16;
  }

  /** Reads answers until that of the last of `[from, to)`; false where answers were lost. */
  #read(from: number, to: number): boolean {
    const socket = this.#socket;
    const view = socket.view;
    let lost = false;
    for (;;) {
      const length = socket.receive();
      if (length === RECEIVE_EMPTY) return false;
      if (length === RECEIVE_OVERRUN) {
        // Read on: errors that are still there count.
        lost = true;
        continue;
      }
      for (let at = 0; at + 20 <= length; ) {
        const size = view.getUint32(at, true);
        if (size < 16 || at + size > length) break;
        const message = (view.getInt32(at + 8, true) - this.#first) | 0;
        const type = view.getUint16(at + 4, true);
        if (type >= RTM_NEWLINK && message >= from && message < to) this.#onAnswer?.(message, socket.bytes, at, size);
        if (type === NLMSG_ERROR && message >= from && message < to) {
          const error = -view.getInt32(at + 16, true);
          this.errors[message] = error;
          if (error !== 0) {
            const { reason } = readExtendedAck(socket.bytes, at, size);
            if (reason !== '') this.reasons.set(message, reason);
          }
          // In the first round silence means success, so a loss before the last answer leaves doubt all the same.
          if (message === to - 1) return !lost;
        }
        at += (size + 3) & ~3;
      }
    }
  }
}
