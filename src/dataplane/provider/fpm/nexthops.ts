// For peers that know no nexthop objects: what each object leads to, so that a route can carry its paths itself. An object that
// is replaced moves its routes without a word about them; who carries paths has to be told them again (`stale`).
import type { RoutePath } from '../../../netlink/index.ts';
import { FLAG_GROUP, PATH_BLACKHOLE } from '../../constants.ts';
import type { ContextPool } from '../../context.ts';
import { pathOf } from '../encoding/path.ts';

/** An object of its own, whose single path may be none: a blackhole. */
interface Single {
  readonly path: RoutePath | undefined;
}

interface Group {
  readonly members: readonly { readonly id: number; readonly weight: number }[];
}

/** What an object leads to: paths, or a hole. */
export type Paths = readonly RoutePath[] | 'blackhole';

export class FlatNexthops {
  readonly #objects: Map<number, Single | Group> = new Map();
  /** What `paths` found out, until something changes. */
  readonly #found: Map<number, Paths> = new Map();
  /** Objects that somebody asked for in vain. */
  readonly #wanted: Set<number> = new Set();
  /** Routes were given paths by now that are not what their objects lead to any more, or could not be given any. */
  stale = false;

  get size(): number {
    return this.#objects.size;
  }

  /** From nothing. */
  clear(): void {
    this.#objects.clear();
    this.#found.clear();
    this.#wanted.clear();
    this.stale = false;
  }

  /** NEXTHOP_INSTALL or NEXTHOP_UPDATE. */
  install(pool: ContextPool, handle: number): void {
    const id = pool.nexthopId(handle);
    const object = read(pool, handle);
    const before = this.#objects.get(id);
    this.#objects.set(id, object);
    if (before === undefined ? this.#wanted.delete(id) : !same(before, object)) this.stale = true;
    // Groups of which it is a member change with it.
    this.#found.clear();
  }

  /** Nothing uses it any more. */
  remove(id: number): void {
    if (this.#objects.delete(id)) this.#found.clear();
  }

  /** Undefined where it leads nowhere that is known. */
  paths(id: number): Paths | undefined {
    const known = this.#found.get(id);
    if (known !== undefined) return known;
    const object = this.#objects.get(id);
    if (object === undefined) {
      this.#wanted.add(id);
      return undefined;
    }
    const paths =
      'members' in object ? this.#groupPaths(object) : object.path === undefined ? 'blackhole' : [object.path];
    if (paths !== undefined) this.#found.set(id, paths);
    return paths;
  }

  #groupPaths(group: Group): Paths | undefined {
    const paths: RoutePath[] = [];
    let holes = 0;
    for (const { id, weight } of group.members) {
      const member = this.#objects.get(id);
      if (member === undefined) this.#wanted.add(id);
      else if ('path' in member && member.path !== undefined) paths.push({ ...member.path, weight });
      else holes++;
    }
    if (paths.length > 0) return paths;
    return holes > 0 ? 'blackhole' : undefined;
  }
}

function read(pool: ContextPool, handle: number): Single | Group {
  if ((pool.flags(handle) & FLAG_GROUP) === 0) {
    return { path: (pool.pathFlags(handle) & PATH_BLACKHOLE) !== 0 ? undefined : pathOf(pool, handle) };
  }
  const members: { id: number; weight: number }[] = [];
  pool.members(handle, (id, weight) => members.push({ id, weight: Math.max(1, weight) }));
  return { members };
}

function same(a: Single | Group, b: Single | Group): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
