// Packets on their way from one hook to another: at most 256 of them, in the order in which they were sent. A hook fills the one that it
// has open; the runtime hands it over whole. Vectors are taken from a stack and put back, so a busy graph makes none.
//
// Their handles lie in one array, a piece for each, because the engine copies within an array in 20 to 30 ns whatever the length, and a
// loop needs one for each handle.
import type { DataHook } from './node.ts';

/** Packets of a vector, at most. */
export const VECTOR = 256;
/** Vectors of one array: more than a graph has on its way unless it has a loop. They are memory when they are used. */
const POOL = 8192;

export class Vector {
  readonly handles: Int32Array;
  /** Where they lie in the pool's array; -1: in one of their own. */
  readonly base: number;
  count = 0;
  /** Who sent them. */
  from: DataHook | undefined = undefined;
  next: Vector | undefined = undefined;

  constructor(handles: Int32Array, base: number) {
    this.handles = handles;
    this.base = base;
  }
}

/** Vectors of one worker. */
export class VectorPool {
  readonly slab: Int32Array = new Int32Array(POOL * VECTOR);
  #made = 0;
  #spare: Vector | undefined = undefined;

  take(): Vector {
    const vector = this.#spare;
    if (vector === undefined) return this.#make();
    this.#spare = vector.next;
    vector.next = undefined;
    vector.count = 0;
    return vector;
  }

  give(vector: Vector): void {
    vector.next = this.#spare;
    this.#spare = vector;
  }

  #make(): Vector {
    if (this.#made === POOL) return new Vector(new Int32Array(VECTOR), -1);
    const base = this.#made++ * VECTOR;
    return new Vector(this.slab.subarray(base, base + VECTOR), base);
  }
}

/** What a hook has open that has none: it is full, so that the first packet looks for another. */
export const NONE: Vector = new Vector(new Int32Array(VECTOR), -1);
NONE.count = VECTOR;
