// A provider that misbehaves to order: it fails, delays, holds, reorders, throws, exits, hangs or refuses to undo, so that one
// can see what the rest of the system makes of it. All chance comes from a seed: the same settings and the same contexts give
// the same faults.
import { performance } from 'node:perf_hooks';
import { Doorbell } from '../../concurrency/index.ts';
import { containsPrefix, makePrefix, parsePrefix } from '../../net/index.ts';
import { E } from '../../sys/index.ts';
import { FIELD_ROUTE, FLAG_UNDO } from '../constants.ts';
import type { ContextPool } from '../context.ts';
import type { ProviderSettings } from '../load.ts';
import { OPERATIONS, operationFields } from '../operation.ts';
import {
  type Provider,
  PROVIDER_UNDO,
  type ProviderHost,
  type ProviderPriority,
  type ProviderWork,
} from '../provider.ts';

/** What it does wrong. Counts are of the contexts that it took, from 1; `nth` means one of them, `every` each n-th. */
export interface TestFaults {
  readonly seed?: number;
  /** It fails those that fit all that is said of them here; none where nothing is. */
  readonly failEvery?: number;
  /** From 0 to 1: how many of them. */
  readonly failRate?: number;
  /** Those of this operation. */
  readonly failOperation?: string;
  /** Routes within this prefix. */
  readonly failPrefix?: string;
  /** With this errno; EIO unless told. */
  readonly failErrno?: number;
  /** From 0 to 1: how many it refuses to undo. */
  readonly undoFailRate?: number;
  /** It keeps each for so long. */
  readonly delayMs?: number;
  /** It takes, and finishes nothing until `release`. */
  readonly hold?: boolean;
  /** From 0 to 1: how often it takes nothing although something waits, and rings for another cycle. */
  readonly stallRate?: number;
  /** Added to routes' metrics. */
  readonly addMetric?: number;
  /** The n-th is overtaken by the one after it, which no provider may let happen. */
  readonly swapNth?: number;
  readonly throwNth?: number;
  /** It ends its thread: for one in a worker. */
  readonly exitNth?: number;
  /** It never comes back: for one in a worker. */
  readonly hangNth?: number;
}

export interface TestOptions extends TestFaults {
  readonly name?: string;
  readonly priority?: ProviderPriority;
  readonly flags?: number;
  readonly queueLimit?: number;
  readonly workLimit?: number;
  /** Milliseconds, as performance.now. */
  readonly now?: () => number;
}

/** Random numbers from 0 to below 1 (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), 1 | state);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Held {
  readonly handle: number;
  readonly nth: number;
  readonly dueMs: number;
}

export class TestProvider implements Provider {
  readonly name: string;
  readonly priority: ProviderPriority;
  readonly flags: number;
  readonly queueLimit: number;
  readonly workLimit: number;
  /** May be changed at any time. */
  faults: TestFaults;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #held: Held[] = [];
  #bell: Doorbell | undefined;
  #taken = 0;
  #failed = 0;
  #undone = 0;
  #undoRefused = 0;

  constructor(options: TestOptions = {}) {
    this.name = options.name ?? 'test';
    this.priority = options.priority ?? 'post-kernel';
    this.flags = options.flags ?? PROVIDER_UNDO;
    this.queueLimit = options.queueLimit ?? 2048;
    this.workLimit = options.workLimit ?? 1024;
    this.faults = options;
    this.#now = options.now ?? (() => performance.now());
    this.#random = seeded(options.seed ?? 1);
  }

  start(host: ProviderHost): void {
    this.#held.length = 0;
    this.#bell = new Doorbell(host.bell);
  }

  process(work: ProviderWork): void {
    if (this.#chance(this.faults.stallRate)) {
      this.#bell?.ring();
      return;
    }
    for (let handle = work.take(); handle >= 0; handle = work.take()) this.#take(work.pool, handle);
    if (this.faults.hold === true) return;
    const now = this.#now();
    for (let [first, second] = this.#held; first !== undefined && first.dueMs <= now; [first, second] = this.#held) {
      if (first.nth === this.faults.swapNth) {
        if (second === undefined) return;
        work.finish(second.handle);
      }
      this.#held.shift();
      this.#finish(work, first);
    }
  }

  wakeInMs(): number {
    const [first] = this.#held;
    if (first === undefined || this.faults.hold === true || first.nth === this.faults.swapNth) return -1;
    return Math.max(0, first.dueMs - this.#now());
  }

  /** Ends a `hold`. */
  release(): void {
    this.faults = { ...this.faults, hold: false };
    this.#bell?.ring();
  }

  status(): Readonly<Record<string, unknown>> {
    return {
      taken: this.#taken,
      held: this.#held.length,
      failed: this.#failed,
      undone: this.#undone,
      undoRefused: this.#undoRefused,
    };
  }

  #take(pool: ContextPool, handle: number): void {
    const { throwNth, exitNth, hangNth, addMetric, delayMs } = this.faults;
    const nth = ++this.#taken;
    if (nth === throwNth) throw new Error(`thrown at context ${nth}, as ordered`);
    if (nth === exitNth) process.exit(3);
    if (nth === hangNth) for (;;);
    const undo = (pool.flags(handle) & FLAG_UNDO) !== 0;
    if (addMetric !== undefined && !undo && isRoute(pool, handle)) {
      pool.setMetric(handle, pool.metric(handle) + addMetric);
    }
    this.#held.push({ handle, nth, dueMs: this.#now() + (delayMs ?? 0) });
  }

  #finish(work: ProviderWork, { handle, nth }: Held): void {
    const undo = (work.pool.flags(handle) & FLAG_UNDO) !== 0;
    if (undo ? this.#chance(this.faults.undoFailRate) : this.#fails(work.pool, handle, nth)) {
      if (undo) this.#undoRefused++;
      else this.#failed++;
      work.fail(handle, this.faults.failErrno ?? E.EIO);
    } else {
      if (undo) this.#undone++;
      work.finish(handle);
    }
  }

  #fails(pool: ContextPool, handle: number, nth: number): boolean {
    const { failEvery, failRate, failOperation, failPrefix } = this.faults;
    const said = [failEvery, failRate, failOperation, failPrefix].some(word => word !== undefined);
    if (!said || nth % (failEvery ?? 1) !== 0) return false;
    if (failOperation !== undefined && OPERATIONS[pool.op(handle)]?.name !== failOperation) return false;
    if (failPrefix !== undefined && !within(failPrefix, pool, handle)) return false;
    return failRate === undefined || this.#chance(failRate);
  }

  #chance(rate = 0): boolean {
    return rate > 0 && this.#random() < rate;
  }
}

function isRoute(pool: ContextPool, handle: number): boolean {
  return (operationFields[pool.op(handle)]! & FIELD_ROUTE) !== 0;
}

function within(text: string, pool: ContextPool, handle: number): boolean {
  const outer = parsePrefix(text);
  if (outer === undefined) throw new Error(`failPrefix: ${text} is no prefix`);
  if (!isRoute(pool, handle) || pool.family(handle) !== outer.family) return false;
  const word = (i: number): number => pool.prefixWord(handle, i);
  return containsPrefix(outer, makePrefix(outer.family, [word(0), word(1), word(2), word(3)], pool.length(handle)));
}

export default (settings: ProviderSettings): Provider => new TestProvider(settings);
