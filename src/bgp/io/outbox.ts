// Where one message ends and the next begins in a stream of outgoing bytes, of which only pieces are seen. bgp-io feeds it
// what the socket took; it knows then whether a KEEPALIVE may go in between.
//
//      ┌── 19 ──┬───── length - 19 ─────┐┌── 19 ──┬──
//      │ header │ body                  ││ header │ …      position: bytes of the current message that are out
//      └────────┴───────────────────────┘└────────┴──
import { HEADER_BYTES } from '../wire/message.ts';

export class MessageTracker {
  /** Bytes of the current message that went out; 0 between messages. */
  position = 0;
  /** Type of the last message whose header went out whole. */
  lastType = 0;
  #length = 0;

  reset(): void {
    this.position = 0;
    this.lastType = 0;
    this.#length = 0;
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
      if (this.position === this.#length) this.position = 0;
    }
  }
}
