// What stands in for src/concurrency/atomics.ts while the model checker runs.
import { atomic, type ModelArray, notifyOn, view, waitOn } from './engine.ts';

export {
  tornAdd,
  tornCompareExchange,
  tornExchange,
  weakAdd,
  weakCompareExchange,
  weakLoad,
  weakStore,
} from './engine.ts';

export const LINE_WORDS = 32;
export const LINE_BYTES: number = LINE_WORDS * 4;

export function words(memory: SharedArrayBuffer, offset: number, length: number): ModelArray {
  return view(memory, offset, length, 4);
}

export function octets(memory: SharedArrayBuffer, offset: number, length: number): ModelArray {
  return view(memory, offset, length, 1);
}

export function load(array: ModelArray, index: number): number {
  return atomic(array, index, () => undefined);
}

export function store(array: ModelArray, index: number, value: number): void {
  atomic(array, index, () => value, false);
}

export function add(array: ModelArray, index: number, value: number): number {
  return atomic(array, index, old => old + value);
}

export function exchange(array: ModelArray, index: number, value: number): number {
  return atomic(array, index, () => value);
}

export function compareExchange(array: ModelArray, index: number, expected: number, value: number): number {
  return atomic(array, index, old => (old === expected ? value : undefined));
}

/** A load that a mutant left out. */
export function noLoad(): number {
  return 0;
}

export function wait(array: ModelArray, index: number, value: number, timeoutMs?: number): string {
  return waitOn(array, index, value, timeoutMs);
}

/** A thread of the model is suspended wherever it waits, so there is nothing to be promised. */
export function waitAsync(array: ModelArray, index: number, value: number): undefined {
  waitOn(array, index, value, undefined);
}

export function notify(array: ModelArray, index: number): number {
  return notifyOn(array, index);
}

/** Statistics are nobody's business here. */
export function tally(): void {}
