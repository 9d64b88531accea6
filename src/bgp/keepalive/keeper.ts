// Keeps peers from giving us up: knows when each one's next KEEPALIVE is due and sends it itself, with nothing between it
// and the socket but one lock that is never held for longer than a system call. Whatever the bgp thread computes, and
// whoever makes bgp-io busy, the KEEPALIVEs go on.
//
//    due?  ── lock free, no message half written ──▶ send(2), 19 bytes
//          ── otherwise ──▶ mark it DUE: bgp-io sends it where the message under way ends
//
// Where the socket takes nothing at all, more KEEPALIVEs would be of no use, so one mark is enough.
import { Doorbell, HandleProducer } from '../../concurrency/index.ts';
import { E, errno, libc, linux } from '../../sys/index.ts';
import { type BgpChannels, CONNECTIONS } from '../io/channels.ts';
import {
  ConnectionTable,
  DUE,
  DUE_QUEUED,
  FD,
  KA_LATEST_MS,
  KA_LEFT_TO_IO,
  KA_SENT,
  KEEPALIVE_EPOCH,
  KEEPALIVE_MS,
  KEEPALIVES_SENT,
  LOCK_KA,
  MID,
  nowMs32,
  PARTIAL,
  SENT_ANY,
  SENT_AT,
  SPOKEN_LAST,
  USED,
} from '../io/table.ts';
import { HEADER_BYTES, KEEPALIVE } from '../wire/message.ts';

const FLAGS: number = linux.MSG_DONTWAIT | linux.MSG_NOSIGNAL;

export class Keeper {
  readonly #table: ConnectionTable;
  readonly #due: HandleProducer;
  readonly #ioBell: Doorbell;
  readonly #bell: Doorbell;
  readonly #random: () => number;
  /** By slot: when the next one is due (ms32), and of which setting. */
  readonly #dueAt: Int32Array = new Int32Array(CONNECTIONS);
  readonly #epoch: Int32Array = new Int32Array(CONNECTIONS);

  constructor(channels: BgpChannels, random: () => number = Math.random) {
    this.#table = new ConnectionTable(channels.table);
    this.#due = new HandleProducer(channels.due);
    this.#ioBell = new Doorbell(channels.ioBell);
    this.#bell = new Doorbell(channels.kaBell);
    this.#random = random;
  }

  /** Sends what is due; milliseconds until the next one is, at most `limitMs`. */
  turn(limitMs: number): number {
    const table = this.#table;
    const used = Math.min(table.global(USED), CONNECTIONS);
    const now = nowMs32();
    let next = limitMs;
    for (let slot = 0; slot < used; slot++) {
      // The epoch first: bgp writes it last, so a new one means a new interval too.
      const epoch = table.get(slot, KEEPALIVE_EPOCH);
      const intervalMs = table.get(slot, KEEPALIVE_MS);
      if (epoch !== this.#epoch[slot]) {
        this.#epoch[slot] = epoch;
        this.#dueAt[slot] = now + this.#jittered(intervalMs);
      }
      if (intervalMs <= 0) continue;
      let left = (this.#dueAt[slot]! - now) | 0;
      if (left <= 0) {
        this.#keep(slot);
        if (-left > table.global(KA_LATEST_MS)) table.setGlobal(KA_LATEST_MS, -left);
        left = this.#jittered(intervalMs);
        this.#dueAt[slot] = now + left;
      }
      if (left < next) next = left;
    }
    return next;
  }

  /** Sleeps until something may be due, for at most `limitMs`, or until bgp changed an interval. */
  sleep(limitMs: number): void {
    this.#bell.armWait();
    this.#bell.sleep(Math.max(0, this.turn(limitMs)));
  }

  /** RFC 4271 §10: between 75 % and all of the interval. */
  #jittered(intervalMs: number): number {
    return Math.ceil(intervalMs * (0.75 + 0.25 * this.#random()));
  }

  #keep(slot: number): void {
    const table = this.#table;
    if (!table.tryLock(slot, LOCK_KA)) return this.#leaveToIo(slot);
    // Asked again under the lock: bgp-io may have closed the descriptor, and its number may be another one's by now.
    const fd = table.get(slot, FD);
    const may = fd >= 0 && table.get(slot, KEEPALIVE_MS) > 0 && table.get(slot, SPOKEN_LAST) === 0;
    const whole = table.get(slot, MID) === 0 && table.get(slot, SENT_ANY) === 1;
    const sent = may && whole ? this.#send(slot, fd) : false;
    table.unlock(slot);
    if (may && !sent) this.#leaveToIo(slot);
  }

  /** The lock is held, and nothing is half written. False where bgp-io has to do it. */
  #send(slot: number, fd: number): boolean {
    const table = this.#table;
    const size = libc.send(fd, KEEPALIVE, HEADER_BYTES, FLAGS);
    if (size < 0) {
      const error = errno();
      // Anything but a full socket is for bgp-io to find, which reads it.
      return error !== E.EAGAIN && error !== E.EINTR;
    }
    table.increase(slot, KEEPALIVES_SENT, 1);
    table.set(slot, SENT_AT, nowMs32());
    table.setGlobal(KA_SENT, table.global(KA_SENT) + 1);
    if (size < HEADER_BYTES) {
      table.set(slot, PARTIAL, size);
      table.set(slot, MID, 1);
      this.#kick(slot); // the rest of it
    }
    return true;
  }

  #leaveToIo(slot: number): void {
    this.#table.set(slot, DUE, 1);
    this.#table.setGlobal(KA_LEFT_TO_IO, this.#table.global(KA_LEFT_TO_IO) + 1);
    this.#kick(slot);
  }

  #kick(slot: number): void {
    if (!this.#table.raise(slot, DUE_QUEUED)) return;
    // One entry a slot, and more room than slots.
    if (!this.#due.push(slot)) throw new Error('the ring of due keepalives is full');
    this.#due.publish();
    this.#ioBell.ring();
  }
}
