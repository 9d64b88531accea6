// Messages between a socket of any kind and packets that lie in one memory: no object is made for a message, nothing is thrown. Who
// sent it, and whom to send to, are `sockaddr` structures in buffers that stay, as the kernel wants them (encodeSocketAddress,
// encodeUnixAddress write such).
//
//   msghdr ─▶ name      (struct sockaddr, up to 128 bytes)
//          ─▶ iovec     ─▶ memory[offset, offset + length)
import { arena } from './arena.ts';
import * as c from './constants.ts';
import { E } from './error.ts';
import { FrameVector } from './frame-vector.ts';
import { errno, libc } from './libc.ts';

/** sizeof(struct sockaddr_storage). */
export const SOCKADDR_BYTES = 128;
const MSGHDR_BYTES = 56;
const NAME_LENGTH = 8 >> 2;
const FLAGS = 48 >> 2;

export class SocketPort {
  readonly fd: number;
  /** Of the last message received: who sent it. */
  readonly from: Uint8Array;
  /** Bytes of `from`; 0 where the kernel named nobody (a connected stream, a Unix socket without a name). */
  fromLength = 0;
  /** Whether the last message was longer than the room there was: its end is lost. */
  truncated = false;
  /** Where `send` sends to when it is told an address' length. */
  readonly to: Uint8Array;
  /** errno of the last call that did not do what was asked; 0 where the socket just had nothing, or no room. */
  error = 0;
  readonly #vector: FrameVector;
  readonly #receive: { readonly address: bigint; readonly words: Int32Array };
  readonly #send: { readonly address: bigint; readonly words: Int32Array };

  constructor(fd: number, memory: Uint8Array) {
    this.fd = fd;
    this.#vector = new FrameVector(memory);
    const from = arena(SOCKADDR_BYTES);
    const to = arena(SOCKADDR_BYTES);
    this.from = from.bytes;
    this.to = to.bytes;
    this.#receive = header(from.address, this.#vector.address);
    this.#send = header(to.address, this.#vector.address);
  }

  /**
   * Receives into `memory[offset, offset + room)`: the bytes that are there now (0 = an empty datagram, or the end of a stream); -1 =
   * nothing waits where `error` is 0, else a failure. Such an errno may be an earlier send's (ECONNREFUSED) and spoils nothing.
   */
  receive(offset: number, room: number): number {
    this.#vector.at(offset, room);
    const { address, words } = this.#receive;
    for (;;) {
      words[NAME_LENGTH] = SOCKADDR_BYTES;
      const length = libc.recvmsg(this.fd, address, c.MSG_DONTWAIT);
      if (length >= 0) {
        this.fromLength = words[NAME_LENGTH]!;
        this.truncated = (words[FLAGS]! & c.MSG_TRUNC) !== 0;
        return length;
      }
      const error = errno();
      if (error === E.EINTR) continue;
      this.error = error === E.EAGAIN ? 0 : error;
      return -1;
    }
  }

  /**
   * Sends `memory[offset, offset + length)` to the address in the first `toLength` bytes of `to`, or where the socket is connected to
   * (0). The bytes taken, of a stream maybe fewer than `length`; -1 = no room now where `error` is 0, else a failure.
   */
  send(offset: number, length: number, toLength: number): number {
    this.#vector.at(offset, length);
    const { address, words } = this.#send;
    words[NAME_LENGTH] = toLength;
    for (;;) {
      const sent = libc.sendmsg(this.fd, address, c.MSG_DONTWAIT | c.MSG_NOSIGNAL);
      if (sent >= 0) return sent;
      const error = errno();
      if (error === E.EINTR) continue;
      this.error = error === E.EAGAIN ? 0 : error;
      return -1;
    }
  }
}

/** A `struct msghdr` with a name and one vector. */
function header(name: bigint, vector: bigint): { readonly address: bigint; readonly words: Int32Array } {
  const { view, address, bytes } = arena(MSGHDR_BYTES);
  view.setBigUint64(0, name, true);
  view.setBigUint64(16, vector, true);
  view.setBigUint64(24, 1n, true);
  return { address, words: new Int32Array(bytes.buffer, 0, MSGHDR_BYTES >> 2) };
}
