// Which nexthop objects there are: by id, by content, by the set that they serve; and the ids that are free.
import type { Family } from '../../net/index.ts';
import type { GroupMember, KernelPath } from '../plane.ts';
import {
  type Group,
  kernelPath,
  NEXTHOP_ID_BASE,
  NEXTHOP_ID_SPAN,
  pathKey,
  sameMembers,
  type Singleton,
  wantedMembers,
} from './object.ts';
import { PathLists } from './path-lists.ts';
import type { NexthopSet, ResolvedPath } from './set.ts';

export class ObjectBook {
  readonly byId: Map<number, Singleton | Group> = new Map();
  /** By content. */
  readonly singletons: Map<string, Singleton> = new Map();
  /** By set id. */
  readonly bySet: Map<number, Group> = new Map();
  /** Ids in our range that are somebody else's. */
  readonly foreign: Set<number> = new Set();
  /** What routes have instead of objects, with ids of the same range. */
  readonly lists: PathLists = new PathLists(() => this.allocate());
  #next = NEXTHOP_ID_BASE + 1;

  allocate(): number {
    for (;;) {
      const id = this.#next++;
      if (this.#next >= NEXTHOP_ID_BASE + NEXTHOP_ID_SPAN) this.#next = NEXTHOP_ID_BASE + 1;
      // Going round the range before an id is used again keeps late results and late readers from meeting a new owner.
      if (!this.byId.has(id) && !this.foreign.has(id) && !this.lists.has(id)) return id;
    }
  }

  newSingleton(key: string, id: number, family: Family, path: KernelPath): Singleton {
    const singleton: Singleton = {
      kind: 'singleton',
      id,
      key,
      family,
      path,
      groups: new Set(),
      have: false,
      inherited: false,
      inFlight: '',
      generation: 0,
      doubt: false,
      perhaps: false,
      errno: 0,
      seen: true,
    };
    this.singletons.set(key, singleton);
    this.byId.set(id, singleton);
    return singleton;
  }

  newGroup(set: NexthopSet | undefined, id: number): Group {
    const group: Group = {
      kind: 'group',
      id,
      set,
      want: [],
      weights: [],
      have: undefined,
      sent: [],
      inFlight: '',
      generation: 0,
      doubt: false,
      perhaps: false,
      errno: 0,
      seen: true,
      doomed: false,
      idleS: -1,
    };
    this.byId.set(id, group);
    if (set !== undefined) this.bySet.set(set.id, group);
    return group;
  }

  /** The singletons of what the set resolves to, made where they are new. */
  singletonsOf(set: NexthopSet): { singletons: Singleton[]; weights: number[] } {
    const singletons: Singleton[] = [];
    const weights: number[] = [];
    for (const path of set.paths) {
      const one = this.#singletonFor(set.family, path);
      const at = singletons.indexOf(one);
      // The kernel refuses the same member twice: two ways to the same gateway weigh as much as both.
      if (at >= 0) weights[at] = Math.min(256, weights[at]! + path.weight);
      else {
        singletons.push(one);
        weights.push(path.weight);
      }
    }
    return { singletons, weights };
  }

  #singletonFor(family: Family, path: ResolvedPath): Singleton {
    const blackhole = path.blackhole !== 0;
    const told = kernelPath(path);
    const key = pathKey(family, told, blackhole);
    const known = this.singletons.get(key);
    if (known !== undefined) return known;
    const objectFamily = path.gatewayFamily === 0 ? family : path.gatewayFamily;
    return this.newSingleton(key, this.allocate(), objectFamily, { ...told, weight: 1 });
  }

  /** Ids of the singletons that a group has in the kernel, is about to, or may have. */
  inGroups(): Set<number> {
    const ids = new Set<number>();
    for (const group of this.byId.values()) {
      if (group.kind !== 'group') continue;
      if (group.perhaps) for (const one of this.singletons.values()) ids.add(one.id);
      for (const member of group.have ?? []) ids.add(member.id);
      if (group.inFlight === 'install') for (const member of group.sent) ids.add(member.id);
    }
    return ids;
  }

  /** Groups that want it, or have it in the kernel, or may. */
  *groupsNaming(object: Singleton): Generator<Group, void, undefined> {
    for (const group of this.byId.values()) {
      if (group.kind !== 'group') continue;
      if (group.perhaps || object.groups.has(group) || (group.have?.some(member => member.id === object.id) ?? false))
        yield group;
    }
  }

  forgetSingleton(object: Singleton): void {
    this.singletons.delete(object.key);
    this.byId.delete(object.id);
  }

  get inFlight(): number {
    let count = 0;
    for (const object of this.byId.values()) if (object.inFlight !== '') count++;
    return count;
  }

  /** Objects whose content in the kernel is not the wanted one, for the drift report. */
  drift(): { id: number; errno: number; kind: string }[] {
    const out: { id: number; errno: number; kind: string }[] = [];
    for (const object of this.byId.values()) {
      if (
        object.kind === 'singleton'
          ? object.groups.size > 0 && !object.have
          : object.set !== undefined && !sameMembers(object.have, wantedMembers(object))
      ) {
        out.push({ id: object.id, errno: object.errno, kind: object.kind });
      }
    }
    return out;
  }

  /** For `show nexthop-group rib`. */
  *describe(): Generator<
    {
      id: number;
      set: NexthopSet | undefined;
      installed: boolean;
      path?: KernelPath;
      family?: Family;
      members: readonly GroupMember[];
      users: number[];
    },
    void,
    undefined
  > {
    const ids = [...this.byId.keys()].toSorted((a, b) => a - b);
    for (const id of ids) {
      const object = this.byId.get(id);
      if (object === undefined) continue;
      if (object.kind === 'singleton') {
        yield {
          id,
          set: undefined,
          installed: object.have,
          path: object.path,
          family: object.family,
          members: [],
          users: [...object.groups].map(group => group.id),
        };
      } else {
        yield { id, set: object.set, installed: object.have !== undefined, members: object.have ?? [], users: [] };
      }
    }
  }
}
