// What one follower has of MPLS labels, and which of them it is to be told of.
import type { KernelLabel } from '../mpls/lsp.ts';
import { type FollowerPlane, roomOf } from '../plane.ts';

/** What the kernel has. */
export interface LabelBook {
  have(label: number): KernelLabel | undefined;
  /** Those of which it has something. */
  labels(): Iterable<number>;
}

export class ToldLabels {
  readonly #book: LabelBook;
  readonly #plane: FollowerPlane;
  readonly #generation: number;
  /** Takes a context where there is room for so many. */
  readonly #room: (contexts: number) => boolean;
  /** Those that it has, or may have. */
  readonly #told: Set<number> = new Set();
  readonly #dirty: Set<number> = new Set();
  /** True: an install. */
  readonly #sent: Map<number, boolean> = new Map();

  constructor(book: LabelBook, plane: FollowerPlane, generation: number, room: (contexts: number) => boolean) {
    this.#book = book;
    this.#plane = plane;
    this.#generation = generation;
    this.#room = room;
  }

  get dirty(): number {
    return this.#dirty.size;
  }

  get count(): number {
    return this.#told.size;
  }

  /** All that was to be told is told and answered. */
  get settled(): boolean {
    return this.#dirty.size === 0 && this.#sent.size === 0;
  }

  touch(label: number): void {
    this.#dirty.add(label);
  }

  /** Nothing that it was told before counts, except that it may have to be taken back. */
  replay(): void {
    for (const label of this.#told) this.#dirty.add(label);
    for (const label of this.#book.labels()) this.#dirty.add(label);
  }

  /** Tells what can be told. False: room ran out. */
  send(): boolean {
    for (const label of this.#dirty) {
      if (this.#sent.has(label)) continue; // its answer comes first
      const have = this.#book.have(label);
      if (have !== undefined || this.#told.has(label)) {
        if (!this.#room(have === undefined ? 1 : roomOf(have.paths))) return false;
        this.#sent.set(label, have !== undefined);
        this.#told.add(label);
        if (have === undefined) this.#plane.labelDelete(label, this.#generation, 0);
        else this.#plane.labelInstall(label, this.#generation, have.protocol, have.paths, true);
      }
      this.#dirty.delete(label);
    }
    return true;
  }

  /** The follower's answer. `refused`: it had no room, so that nothing happened. */
  answered(label: number, refused: boolean): void {
    const install = this.#sent.get(label);
    this.#sent.delete(label);
    if (refused) this.#dirty.add(label);
    else if (install === false) this.#told.delete(label);
  }
}
