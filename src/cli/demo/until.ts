// Waiting for a condition, with a limit, and saying what was waited for when it never came. Nothing here sleeps for a
// fixed time.

const FIRST_MS = 20;
const LAST_MS = 250;

export interface UntilOptions {
  /** Gives up after this long. */
  timeoutMs?: number;
  /** Looks again this often; without it after 20 ms at first, and then after a tenth of what was waited: looking costs, too. */
  everyMs?: number;
  /** What is waited for, or a function that describes what was seen instead. */
  what: string | (() => string);
}

/** Resolves with the first truthy value of `condition`; rejects when `timeoutMs` passed without one. */
export async function until<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 30_000, everyMs, what }: UntilOptions,
): Promise<NonNullable<T>> {
  const start = performance.now();
  for (;;) {
    const value = await condition();
    if (value) return value as NonNullable<T>;
    const waitedMs = performance.now() - start;
    if (waitedMs > timeoutMs) {
      throw new Error(`gave up after ${timeoutMs} ms: ${typeof what === 'string' ? what : what()}`);
    }
    await new Promise(resolve => setTimeout(resolve, everyMs ?? Math.min(Math.max(waitedMs / 10, FIRST_MS), LAST_MS)));
  }
}
