// An attribute set of one instance in the store of another: the same octets but for what changes on the way. Answers are remembered
// by the set that they are for, so that a million routes with few sets cost few copies.
import { grown } from '../../net/index.ts';
import type { AttributeEditor, AttributeStore } from '../rib/index.ts';

/** The set `id` of `from` in `to`, changed, with one reference. */
export function carry(
  from: AttributeStore,
  id: number,
  to: AttributeStore,
  change: (editor: AttributeEditor) => AttributeEditor,
): number {
  const start = from.start[id]!;
  const plain = to.internBytes(from.arena, start, start + from.length[id]!);
  const changed = change(to.editor.begin(plain)).finish();
  to.release(plain);
  return changed;
}

/** What came out for the sets of a store, as long as neither set's id was given to another. */
export class SetMemory {
  readonly #from: AttributeStore;
  readonly #to: AttributeStore;
  #out = new Uint32Array(0); // id + 1; 0: not known
  #serial = new Uint32Array(0);
  #outSerial = new Uint32Array(0);

  constructor(from: AttributeStore, to: AttributeStore) {
    this.#from = from;
    this.#to = to;
  }

  /** The set remembered for `id`, with one reference; 0: that there is none; -1: nothing is remembered. */
  recall(id: number): number {
    const out = id < this.#out.length ? this.#out[id]! - 1 : -1;
    if (out < 0 || this.#serial[id] !== this.#from.serial[id]) return -1;
    if (out === 0) return 0;
    if (this.#outSerial[id] !== this.#to.serial[out] || this.#to.references(out) === 0) return -1;
    return this.#to.retain(out);
  }

  /** `out`: 0 where nothing came out. */
  remember(id: number, out: number): void {
    if (id >= this.#out.length) {
      [this.#out, this.#serial, this.#outSerial] = grown(this.#from.capacity, this.#out, this.#serial, this.#outSerial);
    }
    this.#out[id] = out + 1;
    this.#serial[id] = this.#from.serial[id]!;
    this.#outSerial[id] = this.#to.serial[out]!;
  }

  forget(): void {
    this.#out.fill(0);
  }
}
