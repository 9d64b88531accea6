// What a source does in its worker: keeps packets, and sends copies of them by the clock.
import { write16, write32 } from '../../lib/ip.ts';
import { PKT_DATA, PKT_LENGTH } from '../../packet/packets.ts';
import { type DataContext, DataHalf, DROP } from '../../worker/half.ts';
import type { DataHook } from '../../worker/node.ts';
import { VECTOR } from '../../worker/vector.ts';
import { answer, isQuestion } from './ask.ts';
import { WallClock } from './wall-clock.ts';

/** In flags: it is written. */
const ENABLE = 1;
/** A counter goes on once a round of the queue, not with each packet. */
const ONCE_A_ROUND = 2;

/** Packets that a source keeps at most. */
const QUEUE_LIMIT = 2048;
/** Milliseconds' worth of packets that a source that came late makes up for at most. */
const LATE_MS = 100;
const ROUNDING_MS = 1e-6;

/** Where the time is written: seconds and microseconds of 32 bits each, as FreeBSD does where a `long` has 32 bits. */
export interface Stamp {
  readonly offset: number;
  readonly flags: number;
}

/** A counter, as it is told. */
export interface Counter {
  readonly offset: number;
  readonly flags: number;
  /** Bytes: 1, 2 or 4. */
  readonly width: number;
  readonly next_val: number;
  readonly min_val: number;
  readonly max_val: number;
  readonly increment: number;
  readonly index: number;
}

export type Said = 'stop' | 'clrdata' | 'clrstats' | { readonly start: number; readonly run: number };

/** What the control half may ask for; times in milliseconds since 1970, 0: not yet. */
export interface SourceState {
  readonly now: number;
  readonly frames: number;
  readonly octets: number;
  readonly start: number;
  readonly end: number;
  readonly last: number;
  /** Of each counter. */
  readonly next: readonly number[];
}

interface SourceConfig {
  readonly pps: number;
  readonly stamp: Stamp;
  readonly counters: readonly { readonly set: number; readonly counter: Counter }[];
}

const OUT_OCTETS = 0;
const OUT_FRAMES = 1;

/** A counter at work. */
class Writer {
  readonly set: number;
  readonly offset: number;
  readonly width: number;
  readonly on: boolean;
  readonly onceARound: boolean;
  readonly #min: number;
  readonly #max: number;
  readonly #increment: number;
  next: number;

  constructor(set: number, { offset, width, flags, next_val, min_val, max_val, increment }: Counter) {
    this.set = set;
    this.offset = offset;
    this.width = width;
    this.on = (flags & ENABLE) !== 0;
    this.onceARound = (flags & ONCE_A_ROUND) !== 0;
    this.next = next_val;
    this.#min = min_val;
    this.#max = max_val;
    this.#increment = increment;
  }

  /** Past its end it goes on from the other one, by as much as it went past. */
  step(): void {
    const min = this.#min;
    const max = this.#max;
    let next = this.next + this.#increment;
    if (this.#increment > 0 && next > max) {
      next = min - 1 + (next - max);
      if (next > max) next = max;
    } else if (this.#increment < 0 && next < min) {
      next = max + 1 + (next - min);
      if (next < min) next = max;
    }
    this.next = next;
  }
}

export class SourceData extends DataHalf<SourceConfig> {
  readonly #wall: WallClock;
  readonly #queue: Int32Array = new Int32Array(QUEUE_LIMIT);
  readonly #limit: number;
  #count = 0;
  #octets = 0;
  /** Which goes next. */
  #at = 0;
  #input: DataHook | undefined;
  #output: DataHook | undefined;
  #pps = 0;
  #stamp: Stamp = { offset: 0, flags: 0 };
  #writers: Writer[] = [];
  /** Packets still to be sent, in the run of this number; 0: none. */
  #left = 0;
  #run = 0;
  /** By the worker's clock; -1: not yet. */
  #start = -1;
  #end = -1;
  /** Up to when what the rate allows has been sent. */
  #last = -1;

  constructor(node: DataContext) {
    super(node);
    this.#wall = new WallClock(node.now());
    // Half of the worker's packets at most: copies need the others.
    this.#limit = Math.min(QUEUE_LIMIT, node.packets.size >> 1);
  }

  override configure({ pps, stamp, counters }: SourceConfig): void {
    if (this.#run !== 0 && pps !== this.#pps) {
      this.#last = this.node.now();
      this.due = this.#last;
    }
    this.#pps = pps;
    this.#stamp = stamp;
    const before = this.#writers;
    this.#writers = counters.map(({ set, counter }, i) =>
      before[i]?.set === set ? before[i] : new Writer(set, counter),
    );
  }

  override hookAdded(): void {
    this.#input = this.node.hook('input');
    this.#output = this.node.hook('output');
  }

  override hookRemoved(): void {
    this.hookAdded();
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    if (hook !== this.#input) {
      this.node.dropMany(handles, count, DROP.filtered);
      return;
    }
    const { words } = this.node.packets;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      if (this.#count === this.#limit) this.node.drop(handle, DROP.queueFull);
      else {
        this.#queue[this.#count++] = handle;
        this.#octets += words[handle + PKT_LENGTH]!;
      }
    }
  }

  override heard(value: unknown): boolean {
    if (isQuestion(value)) return answer(this.node, value, this.#state());
    const said = value as Said;
    const now = this.node.now();
    if (said === 'stop') this.#stop(now);
    else if (said === 'clrdata') this.#clear();
    else if (said === 'clrstats') this.#start = this.#end = this.#last = -1;
    else {
      this.#left = said.start;
      this.#run = said.run;
      this.#start = this.#last = this.due = now;
      this.#end = -1;
    }
    return true;
  }

  override timer(now: number): void {
    if (this.#run === 0) return;
    const pps = this.#pps;
    let most = this.#left < VECTOR ? this.#left : VECTOR;
    if (pps > 0) {
      const late = Math.max(LATE_MS, 1000 / pps);
      if (now - this.#last > late) this.#last = now - late;
      // Sums of fractions come out a little short.
      const allowed = Math.floor(((now - this.#last + 2 * ROUNDING_MS) * pps) / 1000);
      if (allowed < most) most = allowed;
    }
    const sent = this.#send(most, now);
    this.#left -= sent;
    if (pps > 0) this.#last += (sent * 1000) / pps;
    else this.#last = now;
    if (this.#left === 0) this.#stop(now);
    else if (sent < most) this.due = now + 1;
    else this.due = pps > 0 ? this.#last + 1000 / pps - ROUNDING_MS : now;
  }

  override close(): void {
    this.#clear();
  }

  /** Sends so many, or fewer where there is nothing to send or no packet for a copy; how many. */
  #send(most: number, now: number): number {
    const out = this.#output;
    const { packets, counts } = this.node;
    const { words, bytes } = packets;
    const writers = this.#writers;
    const stamp = (this.#stamp.flags & ENABLE) !== 0;
    const { offset } = this.#stamp;
    const wall = this.#wall.at(now);
    let octets = 0;
    let sent = 0;
    if (out === undefined || this.#count === 0) return 0;
    while (sent < most) {
      const copy = packets.copy(this.#queue[this.#at]!);
      if (copy === 0) break;
      const at = words[copy + PKT_DATA]!;
      const length = words[copy + PKT_LENGTH]!;
      const last = this.#at === this.#count - 1;
      for (let i = 0; i < writers.length; i++) {
        const writer = writers[i]!;
        if (!writer.on) continue;
        if (writer.offset + writer.width <= length) {
          const to = at + writer.offset;
          if (writer.width === 4) write32(bytes, to, writer.next);
          else if (writer.width === 2) write16(bytes, to, writer.next);
          else bytes[to] = writer.next;
        }
        if (last || !writer.onceARound) writer.step();
      }
      if (stamp && offset + 8 <= length) {
        const second = Math.floor(wall / 1000);
        write32(bytes, at + offset, second);
        write32(bytes, at + offset + 4, Math.floor((wall - second * 1000) * 1000));
      }
      out.send(copy);
      this.#at = last ? 0 : this.#at + 1;
      octets += length;
      sent++;
    }
    counts[OUT_OCTETS] = counts[OUT_OCTETS]! + octets;
    counts[OUT_FRAMES] = counts[OUT_FRAMES]! + sent;
    return sent;
  }

  #stop(now: number): void {
    this.due = Number.POSITIVE_INFINITY;
    this.#left = 0;
    if (this.#run === 0) return;
    this.#end = now;
    this.node.tell({ ended: this.#run });
    this.#run = 0;
  }

  #clear(): void {
    this.node.packets.releaseMany(this.#queue, this.#count);
    this.#count = this.#octets = this.#at = 0;
  }

  #state(): SourceState {
    const wall = (now: number): number => (now < 0 ? 0 : this.#wall.at(now));
    return {
      now: wall(this.node.now()),
      frames: this.#count,
      octets: this.#octets,
      start: wall(this.#start),
      end: wall(this.#end),
      last: wall(this.#last),
      next: this.#writers.map(({ next }) => next),
    };
  }
}
