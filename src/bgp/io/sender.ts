// To the socket: the connection's stream ring is sent from where it lies, under the write lock that bgp-ka shares. One turn
// sends a bounded amount.
import { E, errno, libc, linux } from '../../sys/index.ts';
import { HEADER_BYTES, KEEPALIVE, MessageType } from '../wire/message.ts';
import type { Socket } from './socket.ts';
import {
  type ConnectionTable,
  DUE,
  KEEPALIVE_MS,
  KEEPALIVES_SENT,
  LOCK_IO,
  MID,
  nowMs32,
  PARTIAL,
  QUEUED_UPDATES,
  SENT_ANY,
  SENT_AT,
  SENT_UPDATES,
  SPOKEN_LAST,
  STUCK,
  STUCK_AT,
  WANTS_ROOM,
} from './table.ts';
import type { ToBgp } from './to-bgp.ts';

/** Calls in one turn of one socket. */
const WRITES = 8;
const FLAGS: number = linux.MSG_DONTWAIT | linux.MSG_NOSIGNAL;

export class Sender {
  readonly #table: ConnectionTable;
  readonly #bgp: ToBgp;

  constructor(table: ConnectionTable, bgp: ToBgp) {
    this.#table = table;
    this.#bgp = bgp;
  }

  /** Sends what is queued, as far as the socket takes it: `socket.blocked` says whether there is more. The errno, or 0. */
  send(socket: Socket): number {
    const { slot, out, tracker } = socket;
    const { writeQuanta } = socket.limits;
    const table = this.#table;
    let error = 0;
    let more = false;
    let sent = false;
    table.lock(slot, LOCK_IO);
    // First the rest of a KEEPALIVE that bgp-ka could not finish.
    const partial = table.get(slot, PARTIAL);
    if (partial > 0) {
      const size = libc.send(socket.fd, KEEPALIVE.subarray(partial), HEADER_BYTES - partial, FLAGS);
      if (size < 0) error = errno();
      else table.set(slot, PARTIAL, partial + size === HEADER_BYTES ? 0 : partial + size);
    }
    if (error === 0 && table.get(slot, PARTIAL) === 0 && socket.last !== undefined) error = this.#sendLast(socket);
    else if (error === 0 && table.get(slot, PARTIAL) === 0) {
      for (let i = 0; ; i++) {
        if (tracker.position === 0 && table.get(slot, DUE) !== 0 && !socket.raw) {
          error = this.#sendDue(socket);
          if (error !== 0) break;
        }
        if (!out.peek()) break;
        // Where messages are counted, one call has them all, but for what lies behind the ring's end.
        if (i === (writeQuanta > 0 ? 1 : WRITES)) {
          more = true;
          break;
        }
        const { offset } = out;
        const size = writeQuanta > 0 ? tracker.reach(out.bytes, offset, out.size, writeQuanta) : out.size;
        const taken = libc.send(socket.fd, out.bytes.subarray(offset, offset + size), size, FLAGS);
        if (taken < 0) {
          error = errno();
          break;
        }
        sent = true;
        if (!socket.raw) tracker.advance(out.bytes, offset, taken);
        out.consume(taken);
        if (taken < size) {
          error = E.EAGAIN;
          break;
        }
      }
    }
    const now = nowMs32();
    if (sent) {
      table.set(slot, SENT_AT, now);
      table.set(slot, SENT_ANY, 1);
      table.set(slot, SENT_UPDATES, tracker.updates);
    }
    const spokenLast = tracker.lastType === MessageType.notification;
    if (spokenLast) table.set(slot, SPOKEN_LAST, 1);
    table.set(slot, MID, tracker.position > 0 || table.get(slot, PARTIAL) > 0 ? 1 : 0);
    table.unlock(slot);

    const waiting = error === E.EAGAIN || error === E.EINTR;
    if (sent || !waiting || table.get(slot, STUCK) === 0) table.set(slot, STUCK_AT, now);
    table.set(slot, STUCK, waiting ? 1 : 0);
    if (this.#hasRoom(socket) && table.lower(slot, WANTS_ROOM)) this.#bgp.roomReady(slot);
    if (error !== 0 && !waiting) return error;
    // Where there is more, the rest goes in another turn, behind whoever waits: the socket is writable, so it comes soon.
    socket.blocked = waiting || more;
    return 0;
  }

  /** At least half of the queue is free. */
  #hasRoom({ slot, out, tracker, limits: { outputQueue } }: Socket): boolean {
    if (out.length > out.capacity / 2) return false;
    return outputQueue === 0 || ((this.#table.get(slot, QUEUED_UPDATES) - tracker.updates) | 0) <= outputQueue / 2;
  }

  /** What is said instead of the queue; the lock is held. The errno, or 0. */
  #sendLast(socket: Socket): number {
    const last = socket.last!;
    const size = libc.send(socket.fd, last, last.length, FLAGS);
    if (size < 0) return errno();
    socket.last = size === last.length ? undefined : last.subarray(size);
    return size === last.length ? 0 : E.EAGAIN;
  }

  /** A KEEPALIVE that bgp-ka left to us; the lock is held. The errno, or 0. */
  #sendDue(socket: Socket): number {
    const { slot } = socket;
    const table = this.#table;
    // Nothing goes before our OPEN or after a NOTIFICATION.
    if (table.get(slot, SENT_ANY) === 0 || socket.tracker.lastType === MessageType.notification) return 0;
    table.set(slot, DUE, 0);
    if (table.get(slot, KEEPALIVE_MS) === 0) return 0;
    const size = libc.send(socket.fd, KEEPALIVE, HEADER_BYTES, FLAGS);
    if (size < 0) {
      const error = errno();
      if (error === E.EAGAIN) table.set(slot, DUE, 1);
      return error;
    }
    table.increase(slot, KEEPALIVES_SENT, 1);
    table.set(slot, SENT_AT, nowMs32());
    if (size === HEADER_BYTES) return 0;
    table.set(slot, PARTIAL, size);
    return E.EAGAIN;
  }
}
