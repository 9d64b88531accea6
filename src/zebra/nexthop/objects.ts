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
import { type AddressWords, equalWords, type Family, formatAddress, grown } from '../../net/index.ts';
import {
  type GroupMember,
  type KernelPath,
  type Plane,
  RTN_BLACKHOLE,
  RTN_PROHIBIT,
  RTN_UNREACHABLE,
} from '../plane.ts';
import { BLACKHOLE_PROHIBIT, BLACKHOLE_REJECT, type NexthopSet, type ResolvedPath } from './set.ts';

/** Ids of ours are BASE + 1 … BASE + SPAN - 1; FRR's own stay below 250,000,000 too but start at 1. */
export const NEXTHOP_ID_BASE = 100_000_000;
export const NEXTHOP_ID_SPAN: number = 1 << 22;
/** RTPROT_ZEBRA: what our objects carry. */
export const RTPROT_ZEBRA = 11;

/** Group members that one context holds; longer groups take several. */
const MEMBERS_PER_CONTEXT = 6;

/** `require` could not hand the objects over for want of room: ask again after results. */
export const NO_ROOM = -1;

interface Singleton {
  readonly kind: 'singleton';
  readonly id: number;
  readonly key: string;
  readonly family: Family;
  readonly path: KernelPath;
  /** Groups that want it. */
  readonly groups: Set<Group>;
  have: boolean;
  inFlight: '' | 'install' | 'delete';
  generation: number;
  doubt: boolean;
  /** The books say that the kernel has it not, but it may: to be deleted rather than forgotten. */
  perhaps: boolean;
  errno: number;
  seen: boolean;
}

interface Group {
  readonly kind: 'group';
  readonly id: number;
  /** The set that it serves; undefined for one that was found at start and nobody claimed yet. */
  set: NexthopSet | undefined;
  want: readonly Singleton[];
  weights: readonly number[];
  have: readonly GroupMember[] | undefined;
  sent: readonly GroupMember[];
  inFlight: '' | 'install' | 'delete';
  generation: number;
  doubt: boolean;
  /** The books say that the kernel has it not, but it may: to be deleted rather than forgotten. */
  perhaps: boolean;
  errno: number;
  seen: boolean;
  /** No route may want it: to be deleted when every destination has had its turn, and its routes with it. */
  doomed: boolean;
}

export interface ObjectsListener {
  /** The routes that name this group are no longer in the kernel. */
  lost(groupId: number): void;
  /** The group of this set came to be after routes had to wait for it, or is wanted again after having been doomed. */
  revisit(set: NexthopSet, groupId: number): void;
  /** Something failed: call `retry` later. */
  retryLater(): void;
  /** How many routes in the kernel name this group, and under which protocol they were written. */
  users(groupId: number): { count: number; protocol: number };
}

function pathKey(
  family: Family,
  path: { gatewayFamily: Family | 0; gateway: AddressWords; ifindex: number; onlink: boolean },
  blackhole: boolean,
): string {
  if (blackhole) return `${family}!`;
  // A singleton without a gateway belongs to one family; with one, to its gateway's.
  if (path.gatewayFamily === 0) return `${family}%${path.ifindex}`;
  return `${formatAddress(path.gatewayFamily, path.gateway)}%${path.ifindex}${path.onlink ? 'o' : ''}`;
}

function sameMembers(a: readonly GroupMember[] | undefined, b: readonly GroupMember[]): boolean {
  if (a === undefined || a.length !== b.length) return false;
  // The kernel keeps the order it was given.
  return a.every((one, i) => one.id === b[i]!.id && one.weight === b[i]!.weight);
}

const BLACKHOLE_TYPE = (blackhole: number): number =>
  blackhole === BLACKHOLE_REJECT ? RTN_UNREACHABLE : blackhole === BLACKHOLE_PROHIBIT ? RTN_PROHIBIT : RTN_BLACKHOLE;

export class NexthopObjects {
  /** By set id: what a route of the set names in the kernel (an object's id, or RTN_BLACKHOLE… itself). */
  groupOf: Uint32Array = new Uint32Array(64);
  /** By set id: 1 when `groupOf` may be used in a route now, because the kernel has it or is about to. */
  ready: Uint8Array = new Uint8Array(64);

  readonly #plane: Plane;
  readonly #listener: ObjectsListener;
  readonly #byId: Map<number, Singleton | Group> = new Map();
  readonly #singletons: Map<string, Singleton> = new Map();
  readonly #bySet: Map<number, Group> = new Map();
  /** Found at start, not claimed: by content. */
  readonly #unclaimed: Set<Group> = new Set();
  readonly #waiting: Set<Group> = new Set();
  readonly #doomed: Set<Group> = new Set();
  /** Ids in our range that are somebody else's. */
  readonly #foreign: Set<number> = new Set();
  #next = NEXTHOP_ID_BASE + 1;
  installs = 0;
  deletes = 0;
  errors = 0;
  adopted = 0;

  constructor(plane: Plane, listener: ObjectsListener) {
    this.#plane = plane;
    this.#listener = listener;
  }

  /** The set exists: a plain blackhole needs no object, all others get one when a route first asks. */
  setCreated(set: NexthopSet): void {
    if (set.id >= this.ready.length) {
      const rows = Math.max(set.id + 1, this.ready.length * 2);
      [this.groupOf, this.ready] = grown(rows, this.groupOf, this.ready);
    }
    const blackhole = set.blackhole;
    this.groupOf[set.id] = blackhole === 0 ? 0 : BLACKHOLE_TYPE(blackhole);
    this.ready[set.id] = blackhole === 0 ? 0 : 1;
  }

  setReleased(set: NexthopSet): void {
    this.groupOf[set.id] = 0;
    this.ready[set.id] = 0;
  }

  /** Whether the kernel still has, or is being told of, something of this set. */
  busy(set: NexthopSet): boolean {
    return this.#bySet.has(set.id);
  }

  /**
   * What a route of this set names in the kernel, its objects handed over first where needed. 0: the objects cannot be had
   * at present (`revisit` tells when), NO_ROOM: later. `hint` is the object that the asking destination's route names in
   * the kernel now, `protocol` the kernel's number for who asks: after a restart they tell which object to claim.
   */
  require(set: NexthopSet, hint: number, protocol: number): number {
    if (this.ready[set.id] === 1) return this.groupOf[set.id]!;
    if (!set.active || set.paths.length === 0) return 0;
    let group = this.#bySet.get(set.id);
    if (group === undefined) {
      const { singletons, weights } = this.#singletonsOf(set);
      group = this.#claim(set, singletons, weights, hint, protocol) ?? this.#newGroup(set, this.#allocate());
      this.#setWant(group, singletons, weights);
      this.groupOf[set.id] = group.id;
    }
    if (group.doomed) this.#undoom(group);
    if (group.want.length === 0) {
      const { singletons, weights } = this.#singletonsOf(set);
      this.#setWant(group, singletons, weights);
    }
    const told = this.#sync(group);
    if (!told) return NO_ROOM;
    return this.ready[set.id] === 1 ? group.id : 0;
  }

  /** The set resolves differently now. */
  update(set: NexthopSet): void {
    if (set.blackhole !== 0) return;
    const group = this.#bySet.get(set.id);
    if (group === undefined) return;
    if (!set.active) {
      this.doom(set);
      return;
    }
    if (group.doomed) {
      if (set.routes === 0) return;
      this.#undoom(group);
    }
    const { singletons, weights } = this.#singletonsOf(set);
    this.#setWant(group, singletons, weights);
    this.#sync(group);
  }

  /** No route may want this set's group any more: it goes when `deleteDoomed` is called. */
  doom(set: NexthopSet): void {
    const group = this.#bySet.get(set.id);
    if (group === undefined || group.doomed) return;
    group.doomed = true;
    this.ready[set.id] = 0;
    this.#doomed.add(group);
  }

  /** Whether a route that names this object may be left for the object's deletion to take along. */
  isDoomed(groupId: number): boolean {
    const object = this.#byId.get(groupId);
    return object !== undefined && object.kind === 'group' && object.doomed;
  }

  get doomedCount(): number {
    return this.#doomed.size;
  }

  /** To be called when no destination waits for its turn. Returns false where room ran out. */
  deleteDoomed(): boolean {
    for (const group of this.#doomed) {
      if (group.inFlight !== '') continue;
      if (group.have !== undefined || group.perhaps) {
        if (this.#plane.room() < 1) return false;
        this.#sendDelete(group);
      } else this.#forgetGroup(group);
    }
    return true;
  }

  /** Hands over what had to wait for room; false where there is still none. */
  flushWaiting(): boolean {
    for (const group of this.#waiting) if (!this.#sync(group)) return false;
    return true;
  }

  /** Tries again what had failed. */
  retry(): void {
    const groups = new Set<Group>();
    for (const object of this.#byId.values()) {
      if (object.errno === 0 || object.inFlight !== '') continue;
      object.errno = 0;
      if (object.kind === 'group') groups.add(object);
      else for (const group of object.groups) groups.add(group);
    }
    for (const group of groups) this.#sync(group);
  }

  // Results ---------------------------------------------------------------------------------------------------------

  installed(id: number, generation: number, errno: number): void {
    const object = this.#byId.get(id);
    if (object === undefined || object.generation !== generation || object.inFlight !== 'install') return;
    object.inFlight = '';
    object.errno = errno;
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
      this.#vanished(object);
    }
    this.#settled(object);
  }

  deleted(id: number, generation: number, errno: number): void {
    const object = this.#byId.get(id);
    if (object === undefined || object.generation !== generation || object.inFlight !== 'delete') return;
    object.inFlight = '';
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
    this.#vanished(object);
    if (object.doomed) this.#forgetGroup(object);
    else this.#settled(object);
  }

  // What the kernel says or is known to do ----------------------------------------------------------------------------

  /** A device went down or lost its carrier: the kernel removed every object through it and said nothing. */
  deviceLost(ifindex: number): void {
    const touched = new Set<Group>();
    for (const object of this.#singletons.values()) {
      if (object.path.ifindex !== ifindex || object.path.blackhole) continue;
      this.#singletonGone(object, touched);
    }
    for (const group of touched) this.#sync(group);
    for (const group of this.#unclaimed) if (group.have === undefined) this.#forgetGroup(group);
  }

  /** Whether it is one of ours. */
  knows(id: number): boolean {
    return this.#byId.has(id);
  }

  gone(id: number): void {
    const object = this.#byId.get(id);
    this.#foreign.delete(id);
    if (object === undefined) return;
    if (object.kind === 'singleton') {
      const touched = new Set<Group>();
      this.#singletonGone(object, touched);
      if (object.groups.size === 0 && object.inFlight === '') this.#forgetSingleton(object);
      for (const group of touched) this.#sync(group);
      return;
    }
    if (object.inFlight !== '') object.doubt = true;
    this.#vanished(object);
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
    const object = this.#byId.get(id);
    if (object === undefined) {
      if (protocol !== RTPROT_ZEBRA) {
        this.#foreign.add(id);
        return;
      }
      if (path !== undefined) {
        const key = pathKey(family, path, path.blackhole);
        if (this.#singletons.has(key)) {
          this.#foreign.add(id); // a second object of the same content: left alone
          return;
        }
        const found = this.#newSingleton(key, id, family, path);
        found.have = true;
        found.seen = true;
      } else {
        const found = this.#newGroup(undefined, id);
        found.have = members;
        found.seen = true;
        this.#unclaimed.add(found);
      }
      return;
    }
    object.seen = true;
    if (object.inFlight !== '') return;
    if (object.kind === 'singleton') {
      object.have = path !== undefined && pathKey(family, path, path.blackhole) === object.key;
      if (!object.have) for (const group of object.groups) this.#sync(group);
      return;
    }
    object.have = path === undefined ? members : undefined;
    if (object.set !== undefined && !object.doomed) this.#sync(object);
  }

  dumpBegin(): void {
    for (const object of this.#byId.values()) object.seen = false;
  }

  dumpEnd(): void {
    for (const object of this.#byId.values()) {
      if (object.seen) continue;
      if (object.inFlight !== '') object.doubt = true;
      else if (object.kind === 'singleton' ? object.have : object.have !== undefined) this.gone(object.id);
    }
  }

  /** Removes what an earlier life left and nobody claimed: groups first, they take their IPv4 routes along. */
  doomUnclaimed(): void {
    for (const group of this.#unclaimed) {
      group.doomed = true;
      this.#doomed.add(group);
    }
  }

  /** After the groups: singletons that no group wants. */
  deleteUnused(): boolean {
    for (const object of this.#singletons.values()) {
      if (object.groups.size > 0 || object.inFlight !== '') continue;
      if (!object.have && !object.perhaps) this.#forgetSingleton(object);
      else if (this.#plane.room() < 1) return false;
      else this.#sendDelete(object);
    }
    return true;
  }

  /** Every object, for an orderly stop: groups before singletons. */
  doomAll(): void {
    for (const group of this.#bySet.values()) {
      if (group.set !== undefined) this.doom(group.set);
    }
    this.doomUnclaimed();
  }

  get count(): number {
    return this.#byId.size;
  }

  get inFlight(): number {
    let count = 0;
    for (const object of this.#byId.values()) if (object.inFlight !== '') count++;
    return count;
  }

  /** Objects whose content in the kernel is not the wanted one, for the drift report. */
  drift(): { id: number; errno: number; kind: string }[] {
    const out: { id: number; errno: number; kind: string }[] = [];
    for (const object of this.#byId.values()) {
      if (
        object.kind === 'singleton'
          ? object.groups.size > 0 && !object.have
          : object.set !== undefined && !sameMembers(object.have, this.#members(object))
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
    const ids = [...this.#byId.keys()].toSorted((a, b) => a - b);
    for (const id of ids) {
      const object = this.#byId.get(id);
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

  // Inside ------------------------------------------------------------------------------------------------------------

  #allocate(): number {
    for (;;) {
      const id = this.#next++;
      if (this.#next >= NEXTHOP_ID_BASE + NEXTHOP_ID_SPAN) this.#next = NEXTHOP_ID_BASE + 1;
      // Going round the range before an id is used again keeps late results and late readers from meeting a new owner.
      if (!this.#byId.has(id) && !this.#foreign.has(id)) return id;
    }
  }

  #newSingleton(key: string, id: number, family: Family, path: KernelPath): Singleton {
    const singleton: Singleton = {
      kind: 'singleton',
      id,
      key,
      family,
      path,
      groups: new Set(),
      have: false,
      inFlight: '',
      generation: 0,
      doubt: false,
      perhaps: false,
      errno: 0,
      seen: true,
    };
    this.#singletons.set(key, singleton);
    this.#byId.set(id, singleton);
    return singleton;
  }

  #newGroup(set: NexthopSet | undefined, id: number): Group {
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
    };
    this.#byId.set(id, group);
    if (set !== undefined) this.#bySet.set(set.id, group);
    return group;
  }

  #singletonsOf(set: NexthopSet): { singletons: Singleton[]; weights: number[] } {
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
    const key = pathKey(family, path, blackhole);
    const known = this.#singletons.get(key);
    if (known !== undefined) return known;
    const objectFamily = path.gatewayFamily === 0 ? family : path.gatewayFamily;
    return this.#newSingleton(key, this.#allocate(), objectFamily, {
      gatewayFamily: path.gatewayFamily,
      gateway: path.gateway,
      ifindex: path.ifindex,
      blackhole,
      onlink: path.onlink,
      weight: 1,
    });
  }

  /**
   * A group of an earlier life with this very content becomes the set's: the one that the asking destination's route names.
   * Where that route is missing, the one that most routes of the protocol name, because they are the set's too unless two
   * sets resolve alike; one that other protocols' routes name is theirs to claim.
   */
  #claim(
    set: NexthopSet,
    singletons: readonly Singleton[],
    weights: readonly number[],
    hint: number,
    protocol: number,
  ): Group | undefined {
    if (this.#unclaimed.size === 0) return undefined;
    const members = singletons.map((one, i) => ({ id: one.id, weight: weights[i]! }));
    let found: Group | undefined;
    let most = -1;
    for (const group of this.#unclaimed) {
      if (!sameMembers(group.have, members)) continue;
      if (group.id === hint) {
        found = group;
        break;
      }
      const users = this.#listener.users(group.id);
      if (users.count <= most || (users.count > 0 && users.protocol !== protocol)) continue;
      found = group;
      most = users.count;
    }
    if (found === undefined) return undefined;
    this.#unclaimed.delete(found);
    this.#doomed.delete(found);
    found.doomed = false;
    found.set = set;
    this.#bySet.set(set.id, found);
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

  /** What the group's members should be now: those that the kernel refused are left out. */
  #members(group: Group): GroupMember[] {
    const members: GroupMember[] = [];
    for (let i = 0; i < group.want.length; i++) {
      const one = group.want[i]!;
      if (one.errno === 0) members.push({ id: one.id, weight: group.weights[i]! });
    }
    return members;
  }

  /** Sends what is missing. False only where room ran out; it is then in the waiting list. */
  #sync(group: Group): boolean {
    if (group.inFlight !== '' || group.doomed || group.set === undefined) {
      this.#waiting.delete(group);
      return true;
    }
    const members = this.#members(group);
    let missing = Math.max(1, Math.ceil(group.want.length / MEMBERS_PER_CONTEXT));
    const groupContexts = missing;
    for (const one of group.want) {
      if (one.errno === 0 && one.inFlight === 'delete') return true; // its result comes back here
      if (one.errno === 0 && !one.have && one.inFlight === '') missing++;
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
    this.#plane.groupInstall(group.id, group.generation, members);
    this.#publish(group);
    return true;
  }

  /** After a result: in step, or once more. */
  #settled(group: Group): void {
    if (group.doomed) return;
    if (group.errno !== 0 && !sameMembers(group.sent, this.#members(group))) group.errno = 0;
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

  /** The kernel has the group no longer, and its IPv4 routes neither. */
  #vanished(group: Group): void {
    group.have = undefined;
    if (group.set !== undefined && group.inFlight !== 'install') this.ready[group.set.id] = 0;
    this.#listener.lost(group.id);
  }

  #singletonGone(object: Singleton, touched: Set<Group>): void {
    object.have = false;
    object.errno = 0;
    if (object.inFlight !== '') object.doubt = true;
    for (const group of this.#groupsNaming(object)) {
      touched.add(group);
      if (group.inFlight !== '') group.doubt = true;
      if (group.have === undefined) continue;
      group.have = group.have.filter(member => member.id !== object.id);
      if (group.have.length === 0) this.#vanished(group);
    }
  }

  *#groupsNaming(object: Singleton): Generator<Group, void, undefined> {
    for (const group of this.#byId.values()) {
      if (group.kind !== 'group') continue;
      if (object.groups.has(group) || (group.have?.some(member => member.id === object.id) ?? false)) yield group;
    }
  }

  #undoom(group: Group): void {
    group.doomed = false;
    this.#doomed.delete(group);
    if (group.set !== undefined) this.#listener.revisit(group.set, group.id);
  }

  #sendDelete(object: Singleton | Group): void {
    object.inFlight = 'delete';
    object.generation = (object.generation + 1) & 0xffff;
    this.deletes++;
    this.#plane.nexthopDelete(object.id, object.generation);
  }

  #unusedSingletons = false;

  /** Singletons without a group are removed when nothing else is to do; cheap when there are none. */
  tidy(keepFound: boolean): boolean {
    if (!this.#unusedSingletons || keepFound) return true;
    this.#unusedSingletons = false;
    if (!this.deleteUnused()) {
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
    this.#singletons.delete(object.key);
    this.#byId.delete(object.id);
  }

  #forgetGroup(group: Group): void {
    for (const one of group.want) one.groups.delete(group);
    group.want = [];
    this.#byId.delete(group.id);
    this.#doomed.delete(group);
    this.#waiting.delete(group);
    this.#unclaimed.delete(group);
    if (group.set !== undefined) {
      this.#bySet.delete(group.set.id);
      this.groupOf[group.set.id] = 0;
      this.ready[group.set.id] = 0;
      // Routes may have asked for it while its deletion was under way.
      this.#listener.revisit(group.set, group.id);
    }
    this.#unusedSingletons = true;
  }
}

/** Whether two paths are the same way, weights aside. */
export function samePath(a: ResolvedPath, b: ResolvedPath): boolean {
  return (
    a.ifindex === b.ifindex &&
    a.gatewayFamily === b.gatewayFamily &&
    a.blackhole === b.blackhole &&
    a.onlink === b.onlink &&
    equalWords(a.gateway, b.gateway)
  );
}
