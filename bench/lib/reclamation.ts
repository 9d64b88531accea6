// What both threads of the reclamation benchmark do: work that takes about as long as packets do, and ways to go in and out of
// a shared structure.
import { add, EpochGuard, load, sub, words } from '../../src/concurrency/index.ts';

const table: Int32Array = new Int32Array(4096).map((_, i) => (i * 7919) & 4095);
let at = 1;

/** A chain of `spins` dependent loads: nothing of it can be left out or done at once. */
export function vectorOf(spins: number): number {
  let here = at;
  for (let i = 0; i < spins; i++) here = table[(here + i) & 4095]!;
  at = here;
  return here;
}

/** `guard`: an epoch guard. `rwlock`: netgraph's way, a counter of readers for all that is added to and taken from. */
export type Gate = 'guard' | 'rwlock';

/** Goes in, loads one shared word, and out again, `times`. */
export function enterLeave(
  gate: Gate,
  qsbr: SharedArrayBuffer,
  slot: number,
  memory: SharedArrayBuffer,
): (times: number) => void {
  const shared = words(memory, 0, memory.byteLength / 4);
  if (gate === 'guard') {
    const guard = new EpochGuard(qsbr, slot);
    return times => {
      for (let i = 0; i < times; i++) {
        guard.pin();
        load(shared, 32);
        guard.unpin();
      }
    };
  }
  return times => {
    for (let i = 0; i < times; i++) {
      add(shared, 0, 4);
      load(shared, 32);
      sub(shared, 0, 4);
    }
  };
}
