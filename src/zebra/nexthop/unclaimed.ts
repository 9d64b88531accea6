// Groups that an earlier life left in the kernel. A set whose content one of them has takes it over, so that the routes that
// name it need no message.
import { type Group, sameMembers, type Singleton } from './object.ts';

export class UnclaimedGroups {
  readonly #groups: Set<Group> = new Set();
  readonly #users: (groupId: number) => { count: number; protocol: number };

  /** `users`: how many routes in the kernel name a group, and under which protocol they were written. */
  constructor(users: (groupId: number) => { count: number; protocol: number }) {
    this.#users = users;
  }

  add(group: Group): void {
    this.#groups.add(group);
  }

  delete(group: Group): void {
    this.#groups.delete(group);
  }

  [Symbol.iterator](): IterableIterator<Group> {
    return this.#groups.values();
  }

  /**
   * The group with this very content that a set shall take over: the one that the asking destination's route names. Where
   * that route is missing, the one that most routes of the protocol name, because they are the set's too unless two sets
   * resolve alike; one that other protocols' routes name is theirs to claim.
   */
  claim(
    singletons: readonly Singleton[],
    weights: readonly number[],
    hint: number,
    protocol: number,
  ): Group | undefined {
    if (this.#groups.size === 0) return undefined;
    const members = singletons.map((one, i) => ({ id: one.id, weight: weights[i]! }));
    let found: Group | undefined;
    let most = -1;
    for (const group of this.#groups) {
      if (!sameMembers(group.have, members)) continue;
      if (group.id === hint) {
        found = group;
        break;
      }
      const users = this.#users(group.id);
      if (users.count <= most || (users.count > 0 && users.protocol !== protocol)) continue;
      found = group;
      most = users.count;
    }
    if (found !== undefined) this.#groups.delete(found);
    return found;
  }
}
