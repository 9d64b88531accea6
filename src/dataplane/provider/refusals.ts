// What the kernel refused, kept by operation and by the kernel's own words: one refusal makes others (a route names an object
// that was refused), so the last words alone hide the cause. The first of each kind is told in the log.
import { errnoName } from '../../sys/index.ts';
import type { ContextPool } from '../context.ts';
import { describeContext } from '../describe.ts';
import { operationName } from '../operation.ts';

/** The kernel knows some fifty sentences; a router hears a few. */
const KINDS_MAX = 32;

export interface Refusal {
  readonly operation: string;
  /** The kernel's words, or the name of the errno where it had none. */
  readonly reason: string;
  readonly count: number;
  /** The first of them. */
  readonly first: string;
}

export class Refusals {
  /** The last words. */
  last = '';
  readonly #kinds: Map<string, { -readonly [K in keyof Refusal]: Refusal[K] }> = new Map();

  get all(): readonly Refusal[] {
    return [...this.#kinds.values()];
  }

  /** A context was refused with this errno and these words (or ''). Tells who should log the first of its kind what to say. */
  note(pool: ContextPool, handle: number, errno: number, words: string): string | undefined {
    const reason = words === '' ? errnoName(errno) : words;
    this.last = reason;
    const operation = operationName(pool.op(handle));
    const kind = this.#kinds.get(`${operation} ${reason}`);
    if (kind !== undefined) {
      kind.count++;
      return undefined;
    }
    if (this.#kinds.size === KINDS_MAX) return undefined;
    const first = describeContext(pool, handle);
    this.#kinds.set(`${operation} ${reason}`, { operation, reason, count: 1, first });
    return `refused: ${first}: ${errnoName(errno)}${words === '' ? '' : `: ${words}`}`;
  }
}
