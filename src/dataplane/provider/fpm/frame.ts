// How FPM frames netlink messages on a TCP stream. A frame holds one or more of them:
//
//    ┌─────────┬──────┬────────────────┬───────────────────────┐
//    │ version │ type │ length (BE)    │ netlink messages      │
//    │ 1       │ 1    │ with the header│                       │
//    └─────────┴──────┴────────────────┴───────────────────────┘
import { HEADER_BYTES, type MessageBuffer } from '../../../netlink/index.ts';

export const FRAME_BYTES = 4;
export const FRAME_BYTES_MAX = 65_535;
const VERSION = 1;
const TYPE_NETLINK = 1;

/** The stream is not FPM's: there is no telling where its next frame begins. */
export class FrameError extends Error {}

/** `length` with the header. */
export function writeFrameHeader(buffer: MessageBuffer, offset: number, length: number): void {
  buffer.bytes[offset] = VERSION;
  buffer.bytes[offset + 1] = TYPE_NETLINK;
  buffer.view.setUint16(offset + 2, length);
}

/** Cuts a stream, however it comes in pieces, into netlink messages. Frames of other types are passed over. */
export class FrameReader {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** End of the frame that is being read; `#at` is before it while messages of it are left. */
  #frameEnd = 0;

  add(bytes: Uint8Array): void {
    const left = this.#bytes.subarray(this.#at);
    this.#frameEnd -= this.#at;
    this.#at = 0;
    this.#bytes = left.length === 0 ? bytes : Buffer.concat([left, bytes]);
  }

  /** The next whole message, or undefined; it stays the next one until `drop`. Throws FrameError. */
  peek(): Uint8Array | undefined {
    while (this.#at >= this.#frameEnd) if (!this.#open()) return undefined;
    const room = this.#frameEnd - this.#at;
    const length = room < HEADER_BYTES ? 0 : this.#view.getUint32(this.#at, true);
    if (length < HEADER_BYTES || length > room) {
      throw new FrameError(`a netlink message of ${length} bytes where ${room} are left of its frame`);
    }
    return this.#bytes.subarray(this.#at, this.#at + length);
  }

  drop(): void {
    const length = this.peek()?.length ?? 0;
    this.#at = Math.min(this.#frameEnd, this.#at + ((length + 3) & ~3));
  }

  /** Goes into the next frame that is of netlink and all there. */
  #open(): boolean {
    for (;;) {
      const left = this.#bytes.length - this.#at;
      if (left < FRAME_BYTES) return false;
      const view = this.#view;
      const [version, type, length] = [
        view.getUint8(this.#at),
        view.getUint8(this.#at + 1),
        view.getUint16(this.#at + 2),
      ];
      if (version !== VERSION) throw new FrameError(`a frame of version ${version}`);
      if (length < FRAME_BYTES) throw new FrameError(`a frame of ${length} bytes`);
      if (left < length) return false;
      this.#frameEnd = this.#at + length;
      this.#at += FRAME_BYTES;
      if (type === TYPE_NETLINK) return true;
      this.#at = this.#frameEnd;
    }
  }

  get #view(): DataView {
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
  }
}
