// What one follower has of the nexthop objects, and which of them it is to be told of. The order is kept by what it said it
// has: a group is told when it has the members, a route when it has the group, and an object is taken back when nothing that
// it was told uses it any more. So an order of events never matters, only what is true when it is the follower's turn.
//
//    kernel:  there ─┬─ members told? ─▶ install ─▶ has        gone ─┬─ users = 0 ─▶ delete ─▶ forgotten
//                    └─ no: stays dirty                              └─ else: the last user that goes brings it back
import type { ObjectBook } from '../nexthop/object-book.ts';
import { type Group, sameMembers, type Singleton } from '../nexthop/object.ts';
import { type FollowerPlane, type GroupMember, roomOf } from '../plane.ts';

/** Group members that one context holds; longer groups take several. */
const MEMBERS_PER_CONTEXT = 6;
const NOBODY: readonly GroupMember[] = [];

interface ToldObject {
  readonly id: number;
  /** It answered that it has it, since the last replay began. */
  has: boolean;
  /** It was told of it, ever: it may have it. */
  maybe: boolean;
  /** What it has not answered yet. */
  sent: '' | 'install' | 'delete';
  /** Routes and groups that it was told, or is being told, that use it. */
  users: number;
  /** As it was told. */
  members: readonly GroupMember[];
  /** As it is being told. */
  sending: readonly GroupMember[];
  /** Somebody could not be told because of it. */
  awaited: boolean;
}

export class ToldObjects {
  /** Objects that it has. */
  count = 0;
  readonly #book: ObjectBook;
  readonly #plane: FollowerPlane;
  readonly #generation: number;
  readonly #room: (contexts: number) => boolean;
  readonly #ready: () => void;
  readonly #byId: Map<number, ToldObject> = new Map();
  readonly #dirty: Set<ToldObject> = new Set();
  /** Installs that were not answered yet. */
  #installs = 0;

  /** `room`: whether so many contexts can be sent, which are then taken for one; `ready`: an object came that was awaited. */
  constructor(
    book: ObjectBook,
    plane: FollowerPlane,
    generation: number,
    room: (contexts: number) => boolean,
    ready: () => void,
  ) {
    this.#book = book;
    this.#plane = plane;
    this.#generation = generation;
    this.#room = room;
    this.#ready = ready;
  }

  get dirty(): number {
    return this.#dirty.size;
  }

  /** All that can be told is told and answered: routes may follow. */
  get settled(): boolean {
    return this.#installs === 0;
  }

  /** What the kernel has of an object changed. One that is gone and that it never heard of leaves nothing behind. */
  touch(id: number): void {
    const one = this.#at(id);
    this.#dirty.add(one);
    if (!this.#book.byId.has(id)) this.#forget(one);
  }

  /** Nothing that it was told before counts, except that it may have to be taken back. */
  replay(): void {
    for (const one of this.#byId.values()) {
      one.has = false;
      this.#dirty.add(one);
    }
    this.count = 0;
    for (const id of this.#book.byId.keys()) this.touch(id);
  }

  /** Whether a route may be told that uses it; if not, `ready` tells when to ask again. */
  usable(id: number): boolean {
    // One that is not in our books does not come: another one will be named.
    if (!this.#book.byId.has(id)) return false;
    const one = this.#at(id);
    if (!one.has) one.awaited = true;
    return one.has;
  }

  use(id: number): void {
    this.#at(id).users++;
  }

  unuse(id: number): void {
    const one = this.#at(id);
    one.users--;
    if (one.users === 0 && this.#inKernel(id) === undefined) this.#dirty.add(one);
  }

  /** Tells what can be told. False: room ran out. */
  send(): boolean {
    for (const one of this.#dirty) {
      if (one.sent !== '') continue;
      const object = this.#inKernel(one.id);
      // A change of what it has is better told when it is done.
      if (one.has && (this.#book.byId.get(one.id)?.inFlight ?? '') !== '') this.#dirty.delete(one);
      else if (object === undefined) {
        if (!this.#retract(one)) return false;
      } else if (!this.#install(one, object)) return false;
    }
    return true;
  }

  /** The follower's answer. `refused`: it had no room, so that nothing happened. */
  answered(id: number, refused: boolean): void {
    const one = this.#at(id);
    const { sent } = one;
    one.sent = '';
    if (sent === 'install') this.#installs--;
    if (refused) {
      this.#let(one.sending);
      this.#dirty.add(one);
    } else if (sent === 'install') {
      this.#let(one.members);
      one.members = one.sending;
      if (!one.has) this.count++;
      one.has = true;
      if (one.awaited) {
        one.awaited = false;
        this.#ready();
      }
    } else {
      this.#let(one.members);
      one.members = NOBODY;
      one.maybe = false;
      if (!this.#book.byId.has(id)) this.#forget(one);
    }
    one.sending = NOBODY;
  }

  /** False: no room. */
  #retract(one: ToldObject): boolean {
    if (one.maybe && one.users === 0) {
      if (!this.#room(1)) return false;
      if (one.has) this.count--;
      one.has = false;
      one.sent = 'delete';
      this.#plane.nexthopDelete(one.id, this.#generation);
    }
    this.#dirty.delete(one);
    if (!this.#book.byId.has(one.id)) this.#forget(one);
    return true;
  }

  /** False: no room. One that cannot be told yet stays dirty. */
  #install(one: ToldObject, object: Singleton | Group): boolean {
    const members = object.kind === 'group' ? this.#known(object.have!) : NOBODY;
    if (one.has && sameMembers(one.members, members)) {
      this.#dirty.delete(one);
      return true;
    }
    for (const member of members) if (!this.#at(member.id).has) return true;
    const contexts = object.kind === 'group' ? Math.ceil(members.length / MEMBERS_PER_CONTEXT) : roomOf([object.path]);
    if (!this.#room(contexts)) return false;
    this.#dirty.delete(one);
    one.maybe = true;
    one.sent = 'install';
    one.sending = members;
    this.#installs++;
    for (const member of members) this.use(member.id);
    if (object.kind === 'group') this.#plane.groupInstall(one.id, this.#generation, members, undefined);
    else this.#plane.nexthopInstall(one.id, this.#generation, object.family, object.path);
    return true;
  }

  /** As far as our books go: undefined where the kernel has it not, or has nothing of it that we know. */
  #inKernel(id: number): Singleton | Group | undefined {
    const object = this.#book.byId.get(id);
    if (object?.kind === 'singleton') return object.have ? object : undefined;
    return object?.have === undefined || this.#known(object.have).length === 0 ? undefined : object;
  }

  /** Members that are objects of ours; of somebody else's a follower hears nothing. */
  #known(members: readonly GroupMember[]): readonly GroupMember[] {
    const known = (member: GroupMember): boolean => {
      const object = this.#book.byId.get(member.id);
      return object?.kind === 'singleton' && (object.have || object.inFlight === 'install');
    };
    return members.every(known) ? members : members.filter(known);
  }

  #let(members: readonly GroupMember[]): void {
    for (const member of members) this.unuse(member.id);
  }

  #at(id: number): ToldObject {
    let one = this.#byId.get(id);
    if (one === undefined) {
      one = {
        id,
        has: false,
        maybe: false,
        sent: '',
        users: 0,
        members: NOBODY,
        sending: NOBODY,
        awaited: false,
      };
      this.#byId.set(id, one);
    }
    return one;
  }

  /** It is nobody's any more, unless the follower has it or somebody is said to use it. */
  #forget(one: ToldObject): void {
    if (one.maybe || one.users > 0) return;
    this.#dirty.delete(one);
    this.#byId.delete(one.id);
  }
}
