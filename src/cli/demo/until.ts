// Waiting for a condition, with a limit, and saying what was waited for when it never came. Nothing here sleeps for a
// fixed time.

export interface UntilOptions {
  /** Gives up after this long. */
  timeoutMs?: number;
  /** Looks again this often. */
  everyMs?: number;
  /** What is waited for, or a function that describes what was seen instead. */
  what: string | (() => string);
}

/** Resolves with the first truthy value of `condition`; rejects when `timeoutMs` passed without one. */
export async function until<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 30_000, everyMs = 20, what }: UntilOptions,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value as NonNullable<T>;
    if (performance.now() > deadline) {
      throw new Error(`gave up after ${timeoutMs} ms: ${typeof what === 'string' ? what : what()}`);
    }
    await new Promise(resolve => setTimeout(resolve, everyMs));
  }
}
