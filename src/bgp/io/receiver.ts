// From the socket: bytes are received behind what was left of the last message, and every run of whole UPDATE and
// ROUTE-REFRESH messages becomes one frame of `updates`, whatever else one frame of `urgent`.
//
// A connection is read only while bgp has credit for it and both rings have room for whatever may arrive in one read. One
// turn reads a bounded amount. Where messages are counted (limits.ts), what waits in the socket is looked at first, and only
// what may come is taken, so that the rest is where TCP tells the peer of it.
import type { StreamWriter } from '../../concurrency/index.ts';
import { E, errno, libc, linux } from '../../sys/index.ts';
import { checkHeader, HEADER_BYTES, headerError, MessageType, messageType } from '../wire/message.ts';
import type { Socket } from './socket.ts';
import { failure } from './sockets.ts';
import {
  BYTES_TOLD,
  type ConnectionTable,
  CONSUMED,
  CONSUMED_MESSAGES,
  KEEPALIVE_TOLD,
  KEEPALIVES_RECEIVED,
  MAXIMUM,
  nowMs32,
  RECEIVED_AT,
} from './table.ts';
import type { ToBgp } from './to-bgp.ts';
import type { TransportFailure } from './types.ts';

/** Received at most in one call. */
const READ_BYTES = 256 * 1024;
/** Calls in one turn of one socket. */
const READS = 4;
/** UPDATE bytes of one connection that bgp has not finished with, at least; at most half of its ring. */
const CREDIT_MIN = 64 * 1024;

/** Undefined: there may be more to read, now or later. `full`: bgp has no room. `closed`, or a failure: the end. */
export type Received = 'full' | 'closed' | TransportFailure | undefined;

export class Receiver {
  readonly #table: ConnectionTable;
  readonly #bgp: ToBgp;
  readonly #scratch: Uint8Array = new Uint8Array(READ_BYTES + 65536);
  #credit: number = CREDIT_MIN;

  constructor(table: ConnectionTable, bgp: ToBgp) {
    this.#table = table;
    this.#bgp = bgp;
  }

  /** Credit shrinks when there are many, so that together they cannot fill the ring for the others. */
  share(connections: number): void {
    const fair = Math.floor(this.#bgp.capacity / 2 / Math.max(1, connections));
    this.#credit = Math.max(CREDIT_MIN, fair);
  }

  /** Whether bgp has room for what may come. */
  mayRead(socket: Socket): boolean {
    if (socket.input) return socket.input.room >= socket.input.capacity / 4;
    const underWay = (socket.produced - this.#table.get(socket.slot, CONSUMED)) | 0;
    if (underWay >= this.#credit || !this.#bgp.hasRoom(this.#scratch.length)) return false;
    return socket.limits.inputQueue === 0 || this.#queueRoom(socket) > 0;
  }

  /** Messages that bgp may be handed before it takes some. */
  #queueRoom(socket: Socket): number {
    const { inputQueue } = socket.limits;
    if (inputQueue === 0) return Infinity;
    return inputQueue - ((socket.producedMessages - this.#table.get(socket.slot, CONSUMED_MESSAGES)) | 0);
  }

  receive(socket: Socket): Received {
    if (socket.input) return this.#stream(socket, socket.input);
    const { readQuanta, inputQueue } = socket.limits;
    return readQuanta > 0 || inputQueue > 0 ? this.#counted(socket) : this.#messages(socket);
  }

  /** What waits in the socket is life, even where we must not read it yet. */
  probe(socket: Socket): void {
    if (libc.recv(socket.fd, this.#scratch, 1, linux.MSG_DONTWAIT | linux.MSG_PEEK) > 0) this.heard(socket);
  }

  heard(socket: Socket): void {
    this.#table.set(socket.slot, RECEIVED_AT, nowMs32());
  }

  /** Throws away what comes; true: nothing will any more. */
  discard(socket: Socket): boolean {
    for (let i = 0; i < READS; i++) {
      const size = libc.recv(socket.fd, this.#scratch, READ_BYTES, linux.MSG_DONTWAIT);
      if (size > 0) continue;
      return !(size < 0 && errno() === E.EAGAIN);
    }
    return false;
  }

  #messages(socket: Socket): Received {
    const scratch = this.#scratch;
    for (let i = 0; i < READS && !socket.deaf; i++) {
      if (!this.mayRead(socket)) return 'full';
      const kept = socket.partialSize;
      if (kept > 0) scratch.set(socket.partial.subarray(0, kept));
      const size = libc.recv(socket.fd, kept > 0 ? scratch.subarray(kept) : scratch, READ_BYTES, linux.MSG_DONTWAIT);
      if (size <= 0) return ending(size);
      this.heard(socket);
      this.#frame(socket, kept + size);
      // Less than asked for: the socket is empty, and asking again would only cost a call.
      if (size < READ_BYTES) return undefined;
    }
    return undefined;
  }

  /** As `#messages`, in one read of what the limits in messages let through. */
  #counted(socket: Socket): Received {
    if (!this.mayRead(socket)) return 'full';
    const scratch = this.#scratch;
    const maximum = this.#table.get(socket.slot, MAXIMUM);
    const messages = socket.limits.readQuanta === 0 ? Infinity : socket.limits.readQuanta;
    const queued = this.#queueRoom(socket);
    const kept = socket.partialSize;
    if (kept > 0) scratch.set(socket.partial.subarray(0, kept));
    const into = kept > 0 ? scratch.subarray(kept) : scratch;
    // One more than may come: what does not count may follow.
    const wanted = Math.min(READ_BYTES, (Math.min(messages, queued) + 1) * maximum);
    const seen = libc.recv(socket.fd, into, wanted, linux.MSG_DONTWAIT | linux.MSG_PEEK);
    if (seen <= 0) return ending(seen);
    const share = this.#share(kept + seen, maximum, messages, queued) - kept;
    const size = libc.recv(socket.fd, into, share, linux.MSG_DONTWAIT);
    if (size <= 0) return ending(size);
    this.heard(socket);
    this.#frame(socket, kept + size);
    return undefined;
  }

  /** Bytes of `scratch[0, size)` that hold no more than so many messages, and so many that are queued for bgp; at least the first
   *  message, or its beginning. */
  #share(size: number, maximum: number, messages: number, queued: number): number {
    const scratch = this.#scratch;
    let at = 0;
    let left = messages;
    let room = queued;
    while (size - at >= HEADER_BYTES) {
      const length = checkHeader(scratch, at, maximum);
      if (length < 0) return size; // as #frame will find out
      if (left-- === 0) return at;
      if (isQueued(messageType(scratch, at)) && room-- === 0) return at;
      at += length;
    }
    return size;
  }

  /** Cuts `scratch[0, size)` into messages. There is room for all of them: `mayRead`. */
  #frame(socket: Socket, size: number): void {
    const scratch = this.#scratch;
    const maximum = this.#table.get(socket.slot, MAXIMUM);
    let run = 0; // start of the run of UPDATEs under way
    let at = 0;
    while (size - at >= HEADER_BYTES) {
      const length = checkHeader(scratch, at, maximum);
      if (length < 0) {
        this.#pass(socket, run, at);
        socket.deaf = true;
        const { code, subcode, data } = headerError(scratch, at, maximum);
        return this.#bgp.say({ is: 'headerError', token: socket.token, code, subcode, data: [...data] });
      }
      if (at + length > size) break;
      const type = messageType(scratch, at);
      if (isQueued(type)) socket.producedMessages = (socket.producedMessages + 1) | 0;
      else {
        this.#pass(socket, run, at);
        run = at + length;
        this.#passUrgent(socket, type, at + HEADER_BYTES, run);
        if (socket.deaf) return;
      }
      at += length;
    }
    this.#pass(socket, run, at);
    const rest = size - at;
    if (rest > socket.partial.length) socket.partial = new Uint8Array(rest <= 4096 ? 4096 : 65536);
    if (rest > 0) socket.partial.set(scratch.subarray(at, size));
    socket.partialSize = rest;
  }

  /** A run of whole messages, `scratch[from, to)`. */
  #pass(socket: Socket, from: number, to: number): void {
    if (from === to) return;
    this.#bgp.passUpdates(socket.slot, this.#scratch.subarray(from, to));
    socket.produced = (socket.produced + to - from) | 0;
  }

  /** Another message, whose body is `scratch[from, to)`. */
  #passUrgent(socket: Socket, type: number, from: number, to: number): void {
    if (type === MessageType.keepalive) {
      this.#table.increase(socket.slot, KEEPALIVES_RECEIVED, 1);
      // One that bgp has not seen yet says all that this one does.
      if (!this.#table.raise(socket.slot, KEEPALIVE_TOLD)) return;
    }
    if (type === MessageType.notification) socket.deaf = true;
    // A second OPEN ends the session, so what follows it is of no interest.
    if (type === MessageType.open && ++socket.opens > 1) socket.deaf = true;
    this.#bgp.passUrgent(socket.slot, type, this.#scratch.subarray(from, to));
  }

  #stream(socket: Socket, input: StreamWriter): Received {
    let any = false;
    let result: Received;
    for (let i = 0; i < READS; i++) {
      const room = input.contiguous;
      if (room === 0) {
        result = 'full';
        break;
      }
      const at = input.offset;
      const wanted = Math.min(room, READ_BYTES);
      const size = libc.recv(socket.fd, input.bytes.subarray(at, at + wanted), wanted, linux.MSG_DONTWAIT);
      if (size <= 0) {
        result = ending(size);
        break;
      }
      any = true;
      input.advance(size);
      input.publish();
      if (size < wanted) break;
    }
    if (any && this.#table.raise(socket.slot, BYTES_TOLD)) this.#bgp.bytesReady(socket.slot);
    return result;
  }
}

/** Whether a message goes by the `updates` ring. */
function isQueued(type: number): boolean {
  return type === MessageType.update || type === MessageType.routeRefresh;
}

/** What it means that `recv` brought nothing. */
function ending(size: number): Received {
  if (size === 0) return 'closed';
  const error = errno();
  return error === E.EAGAIN || error === E.EINTR ? undefined : failure('recv', error);
}
