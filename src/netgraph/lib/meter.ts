// Token buckets that colour packets: the single rate three colour marker of RFC 2697, the two rate one of RFC 2698, and the two further
// modes of FreeBSD's ng_car, RED (a debt up to the extended burst, with a drop once in a while) and SHAPE (a queue).
// Colour-blind or aware of the colour that a packet has already, as ng_car is.
//
// Tokens are bytes, in doubles, so no rate is too slow for the clock. The clock is the caller's: each call is told the time in
// milliseconds, and one that goes backwards brings no tokens. Buckets are refilled at every packet and not, as ng_car does it, only
// when they do not suffice: else a bucket that was full all night passes its burst twice.

export const METER_SINGLE_RATE = 0;
export const METER_DOUBLE_RATE = 1;
export const METER_RED = 2;
export const METER_SHAPE = 3;

export const GREEN = 0;
export const YELLOW = 1;
export const RED = 2;

/** Packets that wait in SHAPE mode at most, and from how many on RED counts them (NG_CAR_QUEUE_SIZE, NG_CAR_QUEUE_MIN_TH). */
export const SHAPE_QUEUE = 99;
export const SHAPE_MIN_THRESHOLD = 8;

export interface MeterOptions {
  readonly mode: number;
  /** Committed information rate, bits a second. */
  readonly cir: number;
  /** Committed burst size, bytes. */
  readonly cbs: number;
  /** Excess burst size, bytes; in DOUBLE_RATE mode the peak burst size. */
  readonly ebs: number;
  /** Peak information rate, bits a second: in DOUBLE_RATE mode. */
  readonly pir?: number;
}

const LAST = 0;
const COMMITTED = 1;
const EXCESS = 2;

export class Meter {
  readonly options: MeterOptions;
  readonly #mode: number;
  readonly #cir: number; // bytes a millisecond
  readonly #pir: number;
  readonly #cbs: number;
  readonly #ebs: number;
  readonly #state: Float64Array = new Float64Array(3);

  /** Full buckets at `nowMs`. RangeError where an option is not sensible. */
  constructor(options: MeterOptions, nowMs: number) {
    const { mode, cir, cbs, ebs, pir = 0 } = options;
    if (!Number.isInteger(mode) || mode < METER_SINGLE_RATE || mode > METER_SHAPE) {
      throw new RangeError(`a meter's mode is 0 to ${METER_SHAPE}, not ${mode}`);
    }
    for (const [name, value] of Object.entries({ cir, pir, cbs, ebs })) {
      if (!Number.isFinite(value) || value < 0) throw new RangeError(`${name} must be 0 or more, not ${value}`);
    }
    // RFC 2697 §2: at least one of them is larger than 0.
    if (cbs === 0 && ebs === 0) throw new RangeError('cbs and ebs are both 0: nothing could ever pass');
    if (mode === METER_DOUBLE_RATE && pir < cir)
      throw new RangeError(`pir (${pir}) is less than cir (${cir}): RFC 2698 §2`);
    if (mode === METER_SHAPE && cir === 0)
      throw new RangeError('SHAPE needs a cir: else what waits would wait for ever');
    this.options = options;
    this.#mode = mode;
    this.#cir = cir / 8000;
    this.#pir = pir / 8000;
    this.#cbs = cbs;
    this.#ebs = ebs;
    this.#state[LAST] = nowMs;
    this.#state[COMMITTED] = cbs;
    this.#state[EXCESS] = mode === METER_SINGLE_RATE || mode === METER_DOUBLE_RATE ? ebs : 0;
  }

  /** Tokens in the committed bucket, below zero where there is a debt. */
  get committed(): number {
    return this.#state[COMMITTED]!;
  }

  /** Tokens in the excess or peak bucket; in RED and SHAPE mode what has been counted towards the next drop. */
  get excess(): number {
    return this.#state[EXCESS]!;
  }

  /** The colour of a packet of `length` bytes that had `before`, which it can not better; not in SHAPE mode. */
  meter(length: number, nowMs: number, before: number = GREEN): number {
    this.#refill(nowMs);
    const state = this.#state;
    const committed = state[COMMITTED]!;
    const excess = state[EXCESS]!;
    if (this.#mode === METER_DOUBLE_RATE) {
      // RFC 2698 §3: what is over the peak rate is red; what is not takes peak tokens, green or yellow.
      if (before === RED || excess < length) return RED;
      state[EXCESS] = excess - length;
      if (before === YELLOW || committed < length) return YELLOW;
      state[COMMITTED] = committed - length;
      return GREEN;
    }
    if (before === GREEN && committed >= length) {
      state[COMMITTED] = committed - length;
      return GREEN;
    }
    if (this.#mode === METER_SINGLE_RATE) {
      if (before === RED || excess < length) return RED;
      state[EXCESS] = excess - length;
      return YELLOW;
    }
    // RED: the packet goes into debt, at most by the extended burst; each packet in debt counts by what it lacks towards the next drop.
    const lacking = Math.max(length - committed, 0);
    if (before === RED || length + lacking > this.#ebs || excess + lacking >= this.#ebs) {
      state[EXCESS] = 0;
      return RED;
    }
    state[EXCESS] = excess + lacking;
    state[COMMITTED] = committed - length;
    return YELLOW;
  }

  /**
   * SHAPE mode: what becomes of a packet behind which `queued` others wait. GREEN: send it; YELLOW: put it at the queue's end; RED:
   * drop it. The queue's first has its tokens taken, so it goes when `readyInMs` says 0, and `sent` takes the next one's.
   */
  shape(length: number, queued: number, nowMs: number): number {
    this.#refill(nowMs);
    const state = this.#state;
    if (queued === 0 && state[COMMITTED]! >= length) {
      state[COMMITTED]! -= length;
      return GREEN;
    }
    if (queued >= SHAPE_QUEUE || state[EXCESS]! + queued > SHAPE_QUEUE) {
      state[EXCESS] = 0;
      return RED;
    }
    if (queued > SHAPE_MIN_THRESHOLD) state[EXCESS]! += queued - SHAPE_MIN_THRESHOLD;
    if (queued === 0) state[COMMITTED]! -= length;
    return YELLOW;
  }

  /** SHAPE mode: milliseconds until the queue's first packet may go. */
  readyInMs(nowMs: number): number {
    this.#refill(nowMs);
    const debt = -this.#state[COMMITTED]!;
    return debt <= 0 ? 0 : debt / this.#cir;
  }

  /** SHAPE mode: the first has gone, and one of `length` bytes is the queue's first now (0: none is). */
  sent(length: number): void {
    this.#state[COMMITTED]! -= length;
  }

  #refill(nowMs: number): void {
    const state = this.#state;
    const elapsed = nowMs - state[LAST]!;
    state[LAST] = nowMs;
    if (elapsed <= 0) return;
    let committed = state[COMMITTED]! + this.#cir * elapsed;
    const over = committed - this.#cbs;
    if (over > 0) committed = this.#cbs;
    state[COMMITTED] = committed;
    if (this.#mode === METER_SINGLE_RATE) {
      // RFC 2697 §3: what the committed bucket does not take goes into the excess one.
      if (over > 0) state[EXCESS] = Math.min(this.#ebs, state[EXCESS]! + over);
    } else if (this.#mode === METER_DOUBLE_RATE) {
      state[EXCESS] = Math.min(this.#ebs, state[EXCESS]! + this.#pir * elapsed);
    }
  }
}
