// A session's way out. Frames are put together in a buffer and go to the socket when it is full or when the present task
// ends. Node keeps what the kernel does not take, so how much waits is a number:
//
//   0 ──────── SOFT ─────────────────────────── HARD
//   state is    state waits (it is sent as it    the client does not read:
//   written     is when there is room again),    it is cut off
//               its input is not read
//
// What is level-triggered (interfaces, next hops, redistribution, router ids) asks for `room` first and so never passes
// SOFT by more than a frame; only answers and notes, which are events, may.
import type { Socket } from 'node:net';
import { type Dialect, encodeToClient, type ServerMessages } from '../../zapi/index.ts';

export const SOFT_BYTES: number = 256 * 1024;
export const HARD_BYTES: number = 32 * 1024 * 1024;
const BUFFER_BYTES = 64 * 1024;

export class Out {
  readonly #socket: Socket;
  readonly #dialect: Dialect;
  /** The encoders write here, at `end`. */
  readonly buffer: Uint8Array = new Uint8Array(BUFFER_BYTES);
  end = 0;
  frames = 0;
  bytes = 0;
  highWater = 0;
  /** When bytes last went to the socket, as performance.now() gives it; 0 = never. */
  lastWriteMs = 0;
  /** Name of the last command sent. */
  lastCommand = '';
  #scheduled = false;
  #closed = false;
  readonly #overflow: (waiting: number) => void;

  constructor(socket: Socket, dialect: Dialect, overflow: (waiting: number) => void) {
    this.#socket = socket;
    this.#dialect = dialect;
    this.#overflow = overflow;
  }

  /** Bytes that the client has not taken. */
  get waiting(): number {
    return this.#socket.writableLength + this.end;
  }

  get room(): boolean {
    return this.#socket.writableLength + this.end < SOFT_BYTES;
  }

  /** Sends a message, whatever waits. */
  put<Name extends keyof ServerMessages>(name: Name, message: ServerMessages[Name], vrf: number = 0): void {
    if (this.#closed) return;
    let end = encodeToClient(this.#dialect, name, message, vrf, this.buffer, this.end);
    if (end < 0) {
      this.flush();
      end = encodeToClient(this.#dialect, name, message, vrf, this.buffer, this.end);
    }
    this.lastCommand = name;
    this.added(end);
  }

  /** Somebody encoded a frame into the buffer, up to `end`. */
  added(end: number): void {
    this.end = end;
    this.frames++;
    if (!this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(this.#later);
    }
  }

  readonly #later = (): void => {
    this.#scheduled = false;
    this.flush();
  };

  flush(): void {
    if (this.end === 0 || this.#closed) return;
    const chunk = Buffer.from(this.buffer.subarray(0, this.end));
    this.bytes += this.end;
    this.end = 0;
    this.lastWriteMs = performance.now();
    this.#socket.write(chunk);
    const waiting = this.#socket.writableLength;
    if (waiting > this.highWater) this.highWater = waiting;
    if (waiting > HARD_BYTES) {
      this.close();
      this.#overflow(waiting);
    }
  }

  /** Drops what is sent from now on. */
  close(): void {
    this.#closed = true;
    this.end = 0;
  }
}
