// What is written and not yet sent, bounded: two halves, one of which is being sent while the other fills. When that one is full
// and the first not all gone, there is no room, and who writes has to wait; so all that a slow peer costs is these two.
import { MessageBuffer } from '../../../netlink/index.ts';

const HALF_BYTES: number = 512 * 1024;

/** Sends the bytes, which stay as they are until `done`. */
export type Send = (bytes: Uint8Array, done: () => void) => void;

export class Output {
  readonly #send: Send;
  readonly #onRoom: () => void;
  #filling: MessageBuffer = new MessageBuffer(HALF_BYTES);
  #other: MessageBuffer = new MessageBuffer(HALF_BYTES);
  #filled = 0;
  #sending = 0;

  /** `onRoom`: a half is gone. */
  constructor(send: Send, onRoom: () => void) {
    this.#send = send;
    this.#onRoom = onRoom;
  }

  /** Where so many bytes (a multiple of 4, at most half of it all) can be written in `buffer`; -1: no room now. */
  room(bytes: number): number {
    if (this.#filled + bytes > HALF_BYTES) {
      if (this.#sending > 0) return -1;
      this.flush();
    }
    return this.#filled;
  }

  get buffer(): MessageBuffer {
    return this.#filling;
  }

  /** They are written. */
  wrote(bytes: number): void {
    this.#filled += bytes;
  }

  /** Sends what is there, unless the half before is still on its way: then it follows it. */
  flush(): void {
    if (this.#sending > 0 || this.#filled === 0) return;
    const half = this.#filling;
    const bytes = this.#filled;
    this.#filling = this.#other;
    this.#other = half;
    this.#filled = 0;
    this.#sending = bytes;
    this.#send(half.bytes.subarray(0, bytes), () => {
      this.#sending = 0;
      this.flush();
      this.#onRoom();
    });
  }

  /** Bytes not yet sent. */
  get pending(): number {
    return this.#filled + this.#sending;
  }
}
