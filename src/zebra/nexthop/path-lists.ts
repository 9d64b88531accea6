// Lists of paths, for routes that carry their own (`no zebra nexthop kernel enable`, or a route that an earlier life wrote so).
// A list is known by its content and never changes: a set that resolves differently means another list, and its routes are
// written again. So a list has an id, and a destination's column `kernel` names it as it would name an object.
import type { Family } from '../../net/index.ts';
import type { KernelPath } from '../plane.ts';
import { pathKey } from './object.ts';

export interface PathList {
  readonly id: number;
  readonly key: string;
  readonly family: Family;
  readonly paths: readonly KernelPath[];
  /** Sets that resolve to it now. */
  sets: number;
}

/** Whatever order the kernel gives them in. */
function listKey(family: Family, paths: readonly KernelPath[]): string {
  const keys = paths.map(path => `${pathKey(family, path, path.blackhole)}*${path.weight}`);
  return `${family} ${keys.toSorted().join(' ')}`;
}

export class PathLists {
  readonly #byId: Map<number, PathList> = new Map();
  readonly #byKey: Map<string, PathList> = new Map();
  /** Those to which no set resolves: they stay while a route in the kernel has their paths. */
  readonly #idle: Set<PathList> = new Set();
  readonly #allocate: () => number;

  constructor(allocate: () => number) {
    this.#allocate = allocate;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** The list of this content, made where it is new. */
  intern(family: Family, paths: readonly KernelPath[]): number {
    const key = listKey(family, paths);
    let list = this.#byKey.get(key);
    if (list === undefined) {
      list = { id: this.#allocate(), key, family, paths, sets: 0 };
      this.#byId.set(list.id, list);
      this.#byKey.set(key, list);
      this.#idle.add(list);
    }
    return list.id;
  }

  /** The id of the list of this content, or 0. */
  find(family: Family, paths: readonly KernelPath[]): number {
    return this.#byId.size === 0 ? 0 : (this.#byKey.get(listKey(family, paths))?.id ?? 0);
  }

  get(id: number): PathList | undefined {
    return this.#byId.get(id);
  }

  has(id: number): boolean {
    return this.#byId.has(id);
  }

  /** A set resolves to it; `drop` when it does no longer. */
  hold(id: number): void {
    const list = this.#byId.get(id)!;
    if (list.sets++ === 0) this.#idle.delete(list);
  }

  drop(id: number): void {
    const list = this.#byId.get(id);
    if (list !== undefined && --list.sets === 0) this.#idle.add(list);
  }

  /** Forgets those that nothing names. */
  sweep(inKernel: (id: number) => boolean): void {
    for (const list of this.#idle) {
      if (inKernel(list.id)) continue;
      this.#idle.delete(list);
      this.#byId.delete(list.id);
      this.#byKey.delete(list.key);
    }
  }

  [Symbol.iterator](): IterableIterator<PathList> {
    return this.#byId.values();
  }
}
