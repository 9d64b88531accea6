// The kernel's nexthop objects, as wanted and as they are. Each set in use has a group object with an id of its own that
// never changes, even for one path; its members are singleton objects (gateway and interface) shared by all groups. So a
// change of resolution replaces one group, and a million routes stay as they are.
//
//   set 12 ──▶ group 100000012 ──▶ singleton 100000003 (192.0.2.1 dev eth0)
//   set 13 ──▶ group 100000015 ──▶ singleton 100000003, 100000004
//
// Level-triggered: `want` and `have` are compared, the difference is sent, at most one context per object is on its way.
// What the kernel does without a word is modelled here (seen on 6.18): a device that goes down or loses its carrier takes
// its singletons along, groups lose those members, and a group that lost its last one is gone with every IPv4 route that
// used it. Each group that vanished is reported through `lost`, and the RIB marks its routes.
//
// An operator may do without objects (`enabled`): then a route of a set names the list of its paths (path-lists.ts), and has
// to be written again when that is another one.
import { AF_INET, type Family, grown } from '../../net/index.ts';
import { type GroupMember, type KernelPath, type Plane, roomOf } from '../plane.ts';
import { ObjectBook } from './object-book.ts';
import {
  blackholeType,
  type Group,
  kernelPath,
  NEXTHOP_ID_BASE,
  NEXTHOP_ID_SPAN,
  pathKey,
  RTPROT_ZEBRA,
  sameMembers,
  type Singleton,
  wantedMembers,
} from './object.ts';
import type { NexthopSet } from './set.ts';
import { UnclaimedGroups } from './unclaimed.ts';

/** Group members that one context holds; longer groups take several. */
const MEMBERS_PER_CONTEXT = 6;

/** Names below it are a blackhole's RTN_*, which is all that a route of one needs. */
export const OBJECTS_FROM = 256;

/** `require` could not hand the objects over for want of room: ask again after results. */
export const NO_ROOM = -1;

export interface ObjectsListener {
  /** What the kernel has of this object is something else, or a change of it is no longer on its way. */
  changed(id: number): void;
  /** The routes that name this group are no longer in the kernel, or (`perhaps`) nobody knows. */
  lost(groupId: number, perhaps: boolean): void;
  /** The group of this set came to be after routes had to wait for it, or is wanted again after having been doomed. */
  revisit(set: NexthopSet, groupId: number): void;
  /** Something failed: call `retry` later. */
  retryLater(): void;
  nowS(): number;
  /** Decide again, in so many seconds, what is doomed. */
  later(seconds: number): void;
  /** How many routes in the kernel name this group, and under which protocol they were written. */
  users(groupId: number): { count: number; protocol: number };
  /** Routes on their way to something else: they come back to this group if they are refused there. */
  leaving(groupId: number): number;
}

export class NexthopObjects {
  /** By set id: what a route of the set names in the kernel (an object's id or a path list's, or RTN_BLACKHOLE… itself). */
  groupOf: Uint32Array = new Uint32Array(64);
  /** By set id: 1 when `groupOf` may be used in a route now, because the kernel has it or is about to. */
  ready: Uint8Array = new Uint8Array(64);

  readonly book: ObjectBook = new ObjectBook();
  readonly #plane: Plane;
  readonly #listener: ObjectsListener;
  readonly #unclaimed: UnclaimedGroups;
  /** For room in the dataplane, or for resolution. */
  readonly #waiting: Set<Group> = new Set();
  readonly #doomed: Set<Group> = new Set();
  /** There may be singletons without a group. */
  #unusedSingletons = false;
  /** Some of them stay until the groups that may have them are settled. */
  #keptSingletons = false;
  #enabled = true;
  /** A group that no route names stays so long. */
  #keepS = 0;
  installs = 0;
  deletes = 0;
  errors = 0;
  adopted = 0;

  constructor(plane: Plane, listener: ObjectsListener) {
    this.#plane = plane;
    this.#listener = listener;
    this.#unclaimed = new UnclaimedGroups(id => listener.users(id));
  }

  /** The set exists: a plain blackhole needs no object, all others get one when a route first asks. */
  setCreated(set: NexthopSet): void {
    if (set.id >= this.ready.length) {
      const rows = Math.max(set.id + 1, this.ready.length * 2);
      [this.groupOf, this.ready] = grown(rows, this.groupOf, this.ready);
    }
    const blackhole = set.blackhole;
    this.groupOf[set.id] = blackhole === 0 ? 0 : blackholeType(blackhole);
    this.ready[set.id] = blackhole === 0 ? 0 : 1;
  }

  setReleased(set: NexthopSet): void {
    this.#nameOf(set, 0);
  }

  /** Whether sets are served by objects. */
  get enabled(): boolean {
    return this.#enabled;
  }

  /**
   * From now on they are, or are not. Whoever calls has every destination decided again: its route moves over in one message,
   * and objects go when no route names them any more.
   */
  enable(on: boolean, sets: Iterable<NexthopSet>): void {
    if (on === this.#enabled) return;
    for (const set of sets) {
      this.doom(set);
      if (set.blackhole === 0) this.#nameOf(set, 0);
    }
    this.#enabled = on;
  }

  /** Whether the kernel still has, or is being told of, something of this set. */
  busy(set: NexthopSet): boolean {
    return this.book.bySet.has(set.id);
  }

  /**
   * What a route of this set names in the kernel, its objects handed over first where needed. 0: the objects cannot be had
   * at present (`revisit` tells when), NO_ROOM: later. `hint` is the object that the asking destination's route names in
   * the kernel now, `protocol` the kernel's number for who asks: after a restart they tell which object to claim.
   */
  require(set: NexthopSet, hint: number, protocol: number): number {
    if (this.ready[set.id] === 1) return this.groupOf[set.id]!;
    if (!set.active || set.paths.length === 0) return 0;
    if (!this.#enabled) return this.#requireList(set);
    let group = this.book.bySet.get(set.id);
    if (group === undefined) {
      const { singletons, weights } = this.book.singletonsOf(set);
      group = this.#claim(set, singletons, weights, hint, protocol) ?? this.book.newGroup(set, this.book.allocate());
      this.#setWant(group, singletons, weights);
    }
    this.groupOf[set.id] = group.id;
    // While nobody used it, it was not told what its set resolves to.
    const unused = group.doomed;
    if (unused) this.#undoom(group);
    if (unused || group.want.length === 0) {
      const { singletons, weights } = this.book.singletonsOf(set);
      this.#setWant(group, singletons, weights);
    }
    const told = this.#sync(group);
    if (!told) return NO_ROOM;
    return this.ready[set.id] === 1 ? group.id : 0;
  }

  /** The set resolves differently now. */
  update(set: NexthopSet): void {
    if (set.blackhole !== 0) return;
    if (!this.#enabled) {
      this.#updateList(set);
      return;
    }
    const group = this.book.bySet.get(set.id);
    if (group === undefined) return;
    if (!set.active) {
      this.doom(set);
      return;
    }
    if (group.doomed) {
      if (set.routes === 0) return;
      this.#undoom(group);
    }
    const { singletons, weights } = this.book.singletonsOf(set);
    this.#setWant(group, singletons, weights);
    this.#sync(group);
  }

  /** No route may want this set's group any more: it goes when `deleteDoomed` is called. */
  doom(set: NexthopSet): void {
    if (!this.#enabled) {
      if (set.blackhole === 0) this.#nameOf(set, 0);
      return;
    }
    const group = this.book.bySet.get(set.id);
    if (group === undefined || group.doomed) return;
    group.doomed = true;
    this.ready[set.id] = 0;
    this.#doomed.add(group);
  }

  /** Whether a route that names this object may be left for the object's deletion to take along. */
  isDoomed(groupId: number): boolean {
    if (!this.#enabled) return false;
    const object = this.book.byId.get(groupId);
    return object !== undefined && object.kind === 'group' && object.doomed;
  }

  get doomedCount(): number {
    return this.#doomed.size;
  }

  /** `zebra nexthop-group keep`. What is taken back is not kept, for that it takes its routes along. */
  keep(seconds: number): void {
    this.#keepS = seconds;
  }

  get keepS(): number {
    return this.#keepS;
  }

  /** To be called when no destination waits for its turn, `moving`: though some are on their way. False: room ran out. */
  deleteDoomed(moving: boolean): boolean {
    for (const group of this.#doomed) {
      if (group.inFlight !== '' || this.#isKept(group, moving) || this.#listener.leaving(group.id) > 0) continue;
      // Without objects no route may be taken along: one that could not move over yet still forwards by it.
      if (!this.#enabled && (moving || this.#listener.users(group.id).count > 0)) continue;
      if (group.have !== undefined || group.perhaps) {
        if (this.#plane.room() < 1) return false;
        this.#sendDelete(group);
      } else this.#forgetGroup(group);
    }
    return true;
  }

  #isKept(group: Group, moving: boolean): boolean {
    if (this.#keepS === 0 || !this.#enabled || group.have === undefined) return false;
    if (moving) return true; // who names it when nothing moves any more waits for its deletion
    if (this.#listener.users(group.id).count > 0) return false;
    const nowS = this.#listener.nowS();
    if (group.idleS < 0) {
      group.idleS = nowS;
      this.#listener.later(this.#keepS);
    }
    return nowS - group.idleS < this.#keepS;
  }

  /** Hands over what had to wait for room; false where there is still none. */
  flushWaiting(): boolean {
    for (const group of this.#waiting) if (!this.#sync(group)) return false;
    return true;
  }

  /** Tries again what had failed. */
  retry(): void {
    const groups = new Set<Group>();
    for (const object of this.book.byId.values()) {
      if (object.errno === 0 || object.inFlight !== '') continue;
      object.errno = 0;
      if (object.kind === 'group') groups.add(object);
      else for (const group of object.groups) groups.add(group);
    }
    for (const group of groups) this.#sync(group);
  }

  // Results ---------------------------------------------------------------------------------------------------------

  installed(id: number, generation: number, errno: number): void {
    const object = this.book.byId.get(id);
    if (object === undefined || object.generation !== generation || object.inFlight !== 'install') return;
    object.inFlight = '';
    object.errno = errno;
    this.#listener.changed(id);
    if (errno !== 0) {
      this.errors++;
      this.#listener.retryLater();
    }
    if (object.kind === 'singleton') {
      object.have = errno === 0 && !object.doubt;
      if (errno === 0) object.perhaps = object.doubt;
      object.doubt = false;
      if (object.groups.size === 0) this.#dropSingleton(object);
      else for (const group of object.groups) this.#sync(group);
      return;
    }
    if (errno === 0) {
      object.have = object.sent;
      object.perhaps = false;
    }
    if (object.doubt) {
      object.doubt = false;
      object.perhaps ||= object.have !== undefined;
      this.#vanished(object, true);
    }
    this.#settled(object);
  }

  deleted(id: number, generation: number, errno: number): void {
    const object = this.book.byId.get(id);
    if (object === undefined || object.generation !== generation || object.inFlight !== 'delete') return;
    object.inFlight = '';
    this.#listener.changed(id);
    if (errno !== 0) this.errors++;
    // Whatever the error (ENOENT: it had gone already), there is nothing to be gained from keeping it in our books.
    object.perhaps = false;
    if (object.kind === 'singleton') {
      object.have = false;
      object.doubt = false;
      if (object.groups.size === 0) this.#forgetSingleton(object);
      else for (const group of object.groups) this.#sync(group);
      return;
    }
    object.doubt = false;
    this.#vanished(object, false);
    if (object.doomed) this.#forgetGroup(object);
    else this.#settled(object);
  }

  // What the kernel says or is known to do ----------------------------------------------------------------------------

  /**
   * A device went down or lost its carrier: the kernel removed every object through it and said nothing. What the groups are
   * to be now is known when their sets are resolved anew; the kernel would refuse what they have been.
   */
  deviceLost(ifindex: number, carrierOnly: boolean): void {
    for (const object of this.book.singletons.values()) {
      if (object.path.ifindex !== ifindex || object.path.blackhole) continue;
      this.#singletonGone(object, this.#waiting);
    }
    for (const group of this.#unclaimed) if (group.have === undefined) this.#forgetGroup(group);
    if (carrierOnly) return; // routes with paths of their own stay
    for (const { id, family, paths } of this.book.lists) {
      if (family !== AF_INET || !paths.some(path => path.ifindex === ifindex)) continue;
      this.#listener.lost(id, !paths.every(path => path.ifindex === ifindex));
    }
  }

  /** Whether routes with paths of their own go through this device. */
  listsThrough(ifindex: number): boolean {
    for (const { paths } of this.book.lists) if (paths.some(path => path.ifindex === ifindex)) return true;
    return false;
  }

  /** Whether it is one of ours. */
  knows(id: number): boolean {
    return this.book.byId.has(id);
  }

  gone(id: number): void {
    const object = this.book.byId.get(id);
    this.book.foreign.delete(id);
    if (object === undefined) return;
    if (object.kind === 'singleton') {
      const touched = new Set<Group>();
      this.#singletonGone(object, touched);
      if (object.groups.size === 0 && object.inFlight === '') this.#forgetSingleton(object);
      for (const group of touched) this.#sync(group);
      return;
    }
    if (object.inFlight !== '') object.doubt = true;
    this.#vanished(object, object.inFlight !== '');
    if (object.set === undefined) this.#forgetGroup(object);
    else if (object.inFlight === '') this.#settled(object);
  }

  /** The kernel has this object: in a dump, or because somebody else changed it. */
  seen(
    id: number,
    protocol: number,
    family: Family,
    path: KernelPath | undefined,
    members: readonly GroupMember[],
  ): void {
    if (id <= NEXTHOP_ID_BASE || id >= NEXTHOP_ID_BASE + NEXTHOP_ID_SPAN) return;
    const object = this.book.byId.get(id);
    if (object === undefined) {
      if (protocol !== RTPROT_ZEBRA) {
        this.book.foreign.add(id);
        return;
      }
      if (path !== undefined) {
        const key = pathKey(family, path, path.blackhole);
        if (this.book.singletons.has(key)) {
          this.book.foreign.add(id); // a second object of the same content: left alone
          return;
        }
        const found = this.book.newSingleton(key, id, family, path);
        found.have = true;
        found.inherited = true;
      } else {
        const found = this.book.newGroup(undefined, id);
        found.have = members;
        found.seen = true;
        this.#unclaimed.add(found);
      }
      this.#listener.changed(id);
      return;
    }
    object.seen = true;
    if (object.inFlight !== '') return;
    this.#listener.changed(id);
    if (object.kind === 'singleton') {
      object.have = path !== undefined && pathKey(family, path, path.blackhole) === object.key;
      object.perhaps = !object.have;
      if (!object.have) for (const group of object.groups) this.#sync(group);
      return;
    }
    object.have = path === undefined ? members : undefined;
    object.perhaps = path !== undefined;
    if (object.set !== undefined && !object.doomed) this.#sync(object);
  }

  dumpBegin(): void {
    for (const object of this.book.byId.values()) {
      object.seen = false;
      // The kernel may have done it before this dump began, and somebody undone it: its result will not say which was first.
      if (object.inFlight !== '') object.doubt = true;
    }
  }

  dumpEnd(): void {
    for (const object of this.book.byId.values()) {
      if (object.seen) continue;
      if (object.inFlight !== '') object.doubt = true;
      else if (object.kind === 'singleton' ? object.have : object.have !== undefined) this.gone(object.id);
    }
  }

  /**
   * Removes what an earlier life left and nobody claimed, but for groups that routes which are kept still name: groups
   * first, they take their IPv4 routes along.
   */
  doomUnclaimed(kept: ReadonlySet<number> = new Set()): void {
    this.#unusedSingletons = true;
    for (const group of this.#unclaimed) {
      if (group.doomed || kept.has(group.id)) continue;
      group.doomed = true;
      this.#doomed.add(group);
    }
  }

  /** After the groups: singletons that no group wants. Those that an earlier life left somebody may still want. */
  deleteUnused(keepFound: boolean): boolean {
    const inGroups = this.book.inGroups();
    for (const object of this.book.singletons.values()) {
      if (object.groups.size > 0 || object.inFlight !== '' || (keepFound && object.inherited)) continue;
      if (!object.have && !object.perhaps) this.#forgetSingleton(object);
      // The kernel would take it out of a group that is not yet what it is wanted to be, and with its last one the group and
      // its routes.
      else if (inGroups.has(object.id)) this.#keptSingletons = true;
      else if (this.#plane.room() < 1) return false;
      else this.#sendDelete(object);
    }
    return true;
  }

  /** Every object, for an orderly stop: groups before singletons. */
  doomAll(): void {
    this.#keepS = 0;
    for (const group of this.book.bySet.values()) {
      if (group.set !== undefined) this.doom(group.set);
    }
    this.doomUnclaimed();
  }

  get count(): number {
    return this.book.byId.size;
  }

  // Inside ------------------------------------------------------------------------------------------------------------

  #requireList(set: NexthopSet): number {
    const only = set.paths.length === 1 ? set.paths[0]! : undefined;
    if (only !== undefined && only.blackhole !== 0) this.#nameOf(set, blackholeType(only.blackhole));
    else this.#nameOf(set, this.book.lists.intern(set.family, ownPaths(set)));
    return this.groupOf[set.id]!;
  }

  #updateList(set: NexthopSet): void {
    const before = this.groupOf[set.id]!;
    if (before === 0) return; // no route has asked for it
    if (set.active) this.#requireList(set);
    else this.#nameOf(set, 0);
    if (this.groupOf[set.id] !== before) this.#listener.revisit(set, 0);
  }

  /** Routes of the set name this list from now on; 0: none. */
  #nameOf(set: NexthopSet, name: number): void {
    const { lists } = this.book;
    const before = this.groupOf[set.id]!;
    this.groupOf[set.id] = name;
    this.ready[set.id] = name === 0 ? 0 : 1;
    if (this.#enabled || name === before) return;
    if (name >= OBJECTS_FROM) lists.hold(name);
    if (before >= OBJECTS_FROM) lists.drop(before);
  }

  #claim(
    set: NexthopSet,
    singletons: readonly Singleton[],
    weights: readonly number[],
    hint: number,
    protocol: number,
  ): Group | undefined {
    const found = this.#unclaimed.claim(singletons, weights, hint, protocol);
    if (found === undefined) return undefined;
    this.#doomed.delete(found);
    found.doomed = false;
    found.set = set;
    this.book.bySet.set(set.id, found);
    this.adopted++;
    return found;
  }

  #setWant(group: Group, singletons: readonly Singleton[], weights: readonly number[]): void {
    const before = group.want;
    for (const one of singletons) one.groups.add(group);
    group.want = singletons;
    group.weights = weights;
    for (const one of before) {
      if (singletons.includes(one)) continue;
      one.groups.delete(group);
      if (one.groups.size === 0) this.#unusedSingletons = true;
    }
    group.errno = 0;
  }

  /** Sends what is missing. False only where room ran out; it is then in the waiting list. */
  #sync(group: Group): boolean {
    if (group.inFlight !== '' || group.doomed || group.set === undefined) {
      this.#waiting.delete(group);
      return true;
    }
    const members = wantedMembers(group);
    let missing =
      Math.max(1, Math.ceil(group.want.length / MEMBERS_PER_CONTEXT)) +
      Math.ceil((group.have?.length ?? 0) / MEMBERS_PER_CONTEXT);
    const groupContexts = missing;
    for (const one of group.want) {
      if (one.errno === 0 && one.inFlight === 'delete') return true; // its result comes back here
      if (one.errno === 0 && !one.have && one.inFlight === '') missing += roomOf([one.path]);
    }
    const complete = missing === groupContexts && group.want.every(one => one.errno !== 0 || one.have);
    if (members.length === 0 || (complete && sameMembers(group.have, members))) {
      this.#waiting.delete(group);
      this.#publish(group);
      return true;
    }
    if (group.errno !== 0) {
      this.#publish(group);
      return true; // refused as it is: `retry` clears that
    }
    if (this.#plane.room() < missing) {
      this.#waiting.add(group);
      return false;
    }
    this.#waiting.delete(group);
    for (const one of group.want) {
      if (one.errno !== 0 || one.have || one.inFlight !== '') continue;
      one.inFlight = 'install';
      one.generation = (one.generation + 1) & 0xffff;
      this.installs++;
      this.#plane.nexthopInstall(one.id, one.generation, one.family, one.path);
    }
    group.inFlight = 'install';
    group.generation = (group.generation + 1) & 0xffff;
    group.sent = members;
    this.installs++;
    this.#plane.groupInstall(group.id, group.generation, members, group.have);
    this.#publish(group);
    return true;
  }

  /** After a result: in step, or once more. */
  #settled(group: Group): void {
    if (this.#keptSingletons) {
      this.#keptSingletons = false;
      this.#unusedSingletons = true;
    }
    if (group.doomed) return;
    if (group.errno !== 0 && !sameMembers(group.sent, wantedMembers(group))) group.errno = 0;
    this.#sync(group);
  }

  #publish(group: Group): void {
    const set = group.set;
    if (set === undefined) return;
    const before = this.ready[set.id]!;
    const now =
      group.inFlight === 'install' || (group.inFlight === '' && group.have !== undefined && !group.doomed) ? 1 : 0;
    this.ready[set.id] = now;
    if (now === 1 && before === 0) this.#listener.revisit(set, group.id);
  }

  /** Whether the routes of its set name it, or are to. */
  #serves({ set, id }: Group): boolean {
    return set !== undefined && this.groupOf[set.id] === id;
  }

  /** The kernel has the group no longer, and its IPv4 routes neither; or, while a change was on its way, nobody knows. */
  #vanished(group: Group, perhaps: boolean): void {
    group.have = undefined;
    if (this.#serves(group) && group.inFlight !== 'install') this.ready[group.set!.id] = 0;
    this.#listener.changed(group.id);
    this.#listener.lost(group.id, perhaps);
  }

  #singletonGone(object: Singleton, touched: Set<Group>): void {
    object.have = false;
    object.errno = 0;
    this.#listener.changed(object.id);
    if (object.inFlight !== '') object.doubt = true;
    for (const group of this.book.groupsNaming(object)) {
      touched.add(group);
      if (group.inFlight !== '') group.doubt = true;
      if (group.have === undefined) continue;
      group.have = group.have.filter(member => member.id !== object.id);
      this.#listener.changed(group.id);
      if (group.have.length === 0) this.#vanished(group, group.inFlight !== '');
    }
  }

  #undoom(group: Group): void {
    group.doomed = false;
    group.idleS = -1;
    this.#doomed.delete(group);
    if (group.set === undefined) return;
    this.groupOf[group.set.id] = group.id;
    this.#listener.revisit(group.set, group.id);
  }

  #sendDelete(object: Singleton | Group): void {
    object.inFlight = 'delete';
    object.generation = (object.generation + 1) & 0xffff;
    this.deletes++;
    this.#plane.nexthopDelete(object.id, object.generation);
  }

  /** Singletons without a group are removed when nothing else is to do; cheap when there are none. */
  tidy(keepFound: boolean): boolean {
    this.book.lists.sweep(id => this.#listener.users(id).count > 0);
    if (!this.#unusedSingletons) return true;
    this.#unusedSingletons = false;
    if (!this.deleteUnused(keepFound)) {
      this.#unusedSingletons = true;
      return false;
    }
    return true;
  }

  #dropSingleton(object: Singleton): void {
    if (object.have || object.perhaps) this.#unusedSingletons = true;
    else this.#forgetSingleton(object);
  }

  #forgetSingleton(object: Singleton): void {
    this.book.forgetSingleton(object);
    this.#listener.changed(object.id);
  }

  #forgetGroup(group: Group): void {
    for (const one of group.want) one.groups.delete(group);
    group.want = [];
    this.book.byId.delete(group.id);
    this.#listener.changed(group.id);
    this.#doomed.delete(group);
    this.#waiting.delete(group);
    this.#unclaimed.delete(group);
    if (group.set !== undefined) {
      this.book.bySet.delete(group.set.id);
      if (this.#serves(group)) {
        this.groupOf[group.set.id] = 0;
        this.ready[group.set.id] = 0;
        // Routes may have asked for it while its deletion was under way.
        this.#listener.revisit(group.set, group.id);
      }
    }
    this.#unusedSingletons = true;
  }
}

/** What a route of the set carries itself: the kernel would look for a gateway in the route's own table, and one in another VRF is not there. */
function ownPaths({ vrf, paths }: NexthopSet): KernelPath[] {
  return paths.map(path => {
    const elsewhere = path.vrf !== vrf && path.gatewayFamily !== 0;
    return kernelPath(elsewhere ? { ...path, onlink: true } : path);
  });
}
