// Packets on their way from one hook to another: at most 256 of them, in the order in which they were sent. A hook fills the one that it
// has open; the runtime hands it over whole. Vectors are taken from a stack and put back, so a busy graph makes none.
import type { DataHook } from './runtime.ts';

/** Packets of a vector, at most. */
export const VECTOR = 256;

export class Vector {
  readonly handles: Int32Array = new Int32Array(VECTOR);
  count = 0;
  /** Who sent them. */
  from: DataHook | undefined = undefined;
  next: Vector | undefined = undefined;
}

/** What a hook has open that has none: it is full, so that the first packet looks for another. */
export const NONE: Vector = new Vector();
NONE.count = VECTOR;
