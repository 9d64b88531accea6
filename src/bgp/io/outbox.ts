// Where one message ends and the next begins in a stream of outgoing bytes, of which only pieces are seen. bgp-io feeds it
// what the socket took; it knows then whether a KEEPALIVE may go in between.
//
//      ┌── 19 ──┬───── length - 19 ─────┐┌── 19 ──┬──
//      │ header │ body                  ││ header │ …      position: bytes of the current message that are out
//      └────────┴───────────────────────┘└────────┴──
import type { StreamReader } from '../../concurrency/index.ts';
import { HEADER_BYTES, MessageType } from '../wire/message.ts';

export class MessageTracker {
  /** Bytes of the current message that went out; 0 between messages. */
  position = 0;
  /** Type of the last message whose header went out whole. */
  lastType = 0;
  /** UPDATEs that went out whole, modulo 2^32. */
  updates = 0;
  #length = 0;

  reset(): void {
    this.position = 0;
    this.lastType = 0;
    this.updates = 0;
    this.#length = 0;
  }

  /** Empties the queue: what of the message under way has still to go out, for nothing else may follow its beginning. */
  cut(queue: StreamReader): Uint8Array {
    const rest: number[] = [];
    while (this.position > 0) {
      if (!queue.peek()) throw new Error('the queue ends inside a message');
      const left = (this.position < HEADER_BYTES ? HEADER_BYTES : this.#length) - this.position;
      const size = Math.min(left, queue.size);
      for (let i = queue.offset; i < queue.offset + size; i++) rest.push(queue.bytes[i]!);
      this.advance(queue.bytes, queue.offset, size);
      queue.consume(size);
    }
    while (queue.peek()) queue.consume(queue.size);
    return Uint8Array.from(rest);
  }

  /** `bytes[offset, offset + size)` went out. */
  advance(bytes: Uint8Array, offset: number, size: number): void {
    let at = offset;
    const end = offset + size;
    while (at < end) {
      if (this.position < HEADER_BYTES) {
        // The header may come in pieces; only three of its bytes matter.
        if (this.position === 16) this.#length = bytes[at]! << 8;
        else if (this.position === 17) this.#length |= bytes[at]!;
        else if (this.position === 18) this.lastType = bytes[at]!;
        else if (this.position < 16) {
          const skip = Math.min(16 - this.position, end - at);
          this.position += skip;
          at += skip;
          continue;
        }
        this.position++;
        at++;
        if (this.position < HEADER_BYTES) continue;
      }
      const rest = this.#length - this.position;
      const skip = Math.min(rest, end - at);
      this.position += skip;
      at += skip;
      if (this.position === this.#length) {
        this.position = 0;
        if (this.lastType === MessageType.update) this.updates = (this.updates + 1) | 0;
      }
    }
  }

  /** How many of `bytes[offset, offset + size)`, which is to go out next, bring so many messages to an end, the one under way
   *  included; all of them where they do not. */
  reach(bytes: Uint8Array, offset: number, size: number, messages: number): number {
    const end = offset + size;
    let begin = offset - this.position;
    for (let left = messages; left > 0; left--) {
      if (begin + 18 > end) return size;
      // What is out of a header may be in these bytes no more, but is remembered.
      const high = begin + 16 < offset ? this.#length & 0xff00 : bytes[begin + 16]! << 8;
      const low = begin + 17 < offset ? this.#length & 0xff : bytes[begin + 17]!;
      begin += high | low;
      if (begin >= end) return size;
    }
    return begin - offset;
  }
}
