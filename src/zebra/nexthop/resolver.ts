// Resolution: for each member of a next-hop set, the way it really goes. A gateway is looked up in the RIB by longest match;
// a connected route there means that it is on the link; any other route lends its own paths, if recursion is allowed.
//
//   member 10.9.9.9 ──longest match──▶ 10.9.0.0/16 (static, set 7) ──set 7's paths──▶ 192.0.2.1 dev eth0
//
// The same look-up answers clients that track a next hop (NHT). Nothing is resolved per route: sets and registrations are
// few. Whatever changes (a destination's selection, an interface, a set that others go through) marks those that depend on
// it, and `run` works the marks off until nothing moves.
//
// Two routes can still each be right only while the other is not: a static route that resolves through the BGP route which it
// is preferred to. Such a pair would swap for ever. So a set whose paths change too often within a second is held down, for
// a second at first and up to a minute, and tried again.
//
// Never through itself: a covering route is passed over when its set is this one or goes through this one, so the graph of
// "goes through" has no cycles, at any time.
import { AF_INET, type AddressWords, equalWords, type Family, isLinkLocal6, isMulticast } from '../../net/index.ts';
import type { NhtFace, NhtRegistration, NhtResolution, Owner } from '../face.ts';
import type { Interfaces } from '../interface/interfaces.ts';
import type { RibTable } from '../rib/table.ts';
import { ROUTE_CONNECT } from '../route-type.ts';
import type { Vrf } from '../vrf.ts';
import { joined, pushed, sameEncap, vrfTableOf, withEncap } from './encap.ts';
import {
  ECMP_LIMIT,
  type Member,
  type MemberResolution,
  type NexthopSet,
  type NexthopSets,
  type ResolvedPath,
} from './set.ts';
import { TrackedAddresses } from './tracked.ts';

/** Changes of a set's paths in a second, beyond which it is held down. */
const CHANGES_LIMIT = 32;
const HOLD_FIRST_MS = 1000;
const HOLD_MAX_MS = 60_000;

const INACTIVE: MemberResolution = { active: false, recursive: false, paths: [] };

class Registration implements NhtRegistration {
  readonly kind = 'registration';
  readonly owner: Owner;
  readonly vrf: number;
  readonly family: Family;
  readonly words: AddressWords;
  readonly length: number;
  readonly safi: number;
  connected = false;
  resolveViaDefault = false;
  resolution: NhtResolution | undefined = undefined;
  changed: (registration: NhtRegistration) => void;
  /** The client has not heard anything yet. */
  fresh = true;
  dirty = false;
  gone = false;
  /** Set of the covering route, 0 = none. */
  throughSet = 0;

  constructor(
    owner: Owner,
    vrf: number,
    family: Family,
    words: AddressWords,
    length: number,
    safi: number,
    changed: (registration: NhtRegistration) => void,
  ) {
    this.owner = owner;
    this.vrf = vrf;
    this.family = family;
    this.words = words;
    this.length = length;
    this.safi = safi;
    this.changed = changed;
  }
}

function registrationKey(
  owner: Owner,
  vrf: number,
  family: Family,
  words: AddressWords,
  length: number,
  safi: number,
): string {
  return `${owner}/${vrf}/${family}/${words.join('.')}/${length}/${safi}`;
}

export interface ResolverHost {
  table(vrf: number, family: Family): RibTable;
  hasVrf(vrf: number): boolean;
  /** Whether a VRF device has this table. */
  isVrfTable(table: number): boolean;
  /** The paths of a set changed (`activeChanged`: whether its routes can be used at all did, too). */
  setChanged(set: NexthopSet, activeChanged: boolean): void;
  /** Work is waiting for `run`. */
  wake(): void;
  nowS(): number;
  later(ms: number, fn: () => void): void;
}

/** Whether both lead to the same gateway over the same link. */
function sameWay(a: ResolvedPath, b: ResolvedPath): boolean {
  return (
    a.ifindex === b.ifindex &&
    a.gatewayFamily === b.gatewayFamily &&
    a.blackhole === b.blackhole &&
    equalWords(a.gateway, b.gateway)
  );
}

/** Weights aside. */
function samePath(a: ResolvedPath, b: ResolvedPath): boolean {
  return sameWay(a, b) && a.onlink === b.onlink && sameEncap(a.encap, b.encap);
}

/** Takes a path into the list, or adds its weight to the one there that is the same to the kernel; false where the list is full. */
function addPath(paths: ResolvedPath[], path: ResolvedPath): boolean {
  // The same gateway, once proved to be on the link and once taken to be, is one way.
  const at = paths.findIndex(other => sameWay(other, path) && sameEncap(pushed(other.encap), pushed(path.encap)));
  if (at < 0 && paths.length >= ECMP_LIMIT) return false;
  if (at < 0) paths.push(path);
  else paths[at] = { ...paths[at]!, weight: Math.min(256, paths[at]!.weight + path.weight) };
  return true;
}

/** Whether a destination of the set's VRF is that of the routes which use the set. */
function isExcepted({ except, family }: NexthopSet, { prefixes, family: tableFamily }: RibTable, id: number): boolean {
  if (except === undefined || family !== tableFamily || prefixes.length[id] !== except.length) return false;
  return equalWords(except.words, prefixes.words(id));
}

function samePaths(a: readonly ResolvedPath[], b: readonly ResolvedPath[]): boolean {
  return (
    a.length === b.length &&
    a.every((one, i) => samePath(one, b[i]!) && one.weight === b[i]!.weight && one.vrf === b[i]!.vrf)
  );
}

export class Resolver implements NhtFace {
  /** `ip nht resolve-via-default`, `ipv6 nht resolve-via-default`. */
  readonly viaDefault: { ip: boolean; ipv6: boolean } = { ip: false, ipv6: false };

  readonly #host: ResolverHost;
  readonly #sets: NexthopSets;
  readonly #interfaces: Interfaces;
  readonly #tracked: Map<number, TrackedAddresses<NexthopSet | Registration>> = new Map();
  readonly #registrations: Set<Registration> = new Set();
  readonly #byKey: Map<string, Registration> = new Map();
  readonly #dirtySets: Set<NexthopSet> = new Set();
  readonly #dirtyRegistrations: Set<Registration> = new Set();
  readonly #mark: (user: NexthopSet | Registration) => void;
  resolutions = 0;
  /** Times that a set had to be held down. */
  holds = 0;

  constructor(host: ResolverHost, sets: NexthopSets, interfaces: Interfaces) {
    this.#host = host;
    this.#sets = sets;
    this.#interfaces = interfaces;
    this.#mark = user => {
      if (user instanceof Registration) this.#dirtyRegistrations.add(user);
      else this.#dirtySets.add(user);
    };
  }

  get registrations(): ReadonlySet<NhtRegistration> {
    return this.#registrations;
  }

  /** Addresses that are watched, for reports. */
  get watched(): number {
    let count = 0;
    for (const one of this.#tracked.values()) count += one.size;
    return count;
  }

  // Sets ---------------------------------------------------------------------------------------------------------------

  /** A new set is resolved at once: its first route is decided right after. */
  setCreated(set: NexthopSet): void {
    for (const member of set.members) {
      if (member.gatewayFamily !== 0) this.#trackedOf(member.vrf, member.gatewayFamily).add(member.gateway, set);
    }
    this.#resolve(set);
  }

  setReleased(set: NexthopSet): void {
    for (const member of set.members) {
      if (member.gatewayFamily !== 0) this.#trackedOf(member.vrf, member.gatewayFamily).delete(member.gateway, set);
    }
    this.#dirtySets.delete(set);
  }

  // What changed -------------------------------------------------------------------------------------------------------

  /** The selected route of a destination is another one, or says something else. */
  destinationChanged(table: RibTable, id: number): void {
    const tracked = this.#tracked.get(table.vrf * 2 + (table.family === AF_INET ? 0 : 1));
    if (tracked === undefined || tracked.size === 0) return;
    const prefixes = table.prefixes;
    if (table.family === AF_INET) tracked.within(prefixes.w0[id]!, 0, 0, 0, prefixes.length[id]!, this.#mark);
    else {
      tracked.within(
        prefixes.w0[id]!,
        prefixes.w1[id]!,
        prefixes.w2[id]!,
        prefixes.w3[id]!,
        prefixes.length[id]!,
        this.#mark,
      );
    }
    if (this.#dirtySets.size > 0 || this.#dirtyRegistrations.size > 0) this.#host.wake();
  }

  /** An interface became operative or ceased to be, came or went. */
  interfaceChanged(ifindex: number): void {
    for (const set of this.#sets) {
      if (set.members.some(member => member.ifindex === ifindex)) this.#dirtySets.add(set);
    }
    this.#host.wake();
  }

  /** A VRF came or went: next hops of other VRFs' routes may lie in it, and local SIDs look up in its table. */
  vrfChanged({ id, table }: Vrf): void {
    for (const set of this.#sets) {
      const member = set.members.some(one => (one.vrf === id && set.vrf !== id) || vrfTableOf(one.encap) === table);
      if (member) this.#dirtySets.add(set);
    }
    if (!this.idle) this.#host.wake();
  }

  /** An address became one of this host's, or ceased to be: no gateway may be one. */
  localChanged(vrf: number, family: Family, [w0, w1, w2, w3]: AddressWords): void {
    const tracked = this.#tracked.get(vrf * 2 + (family === AF_INET ? 0 : 1));
    if (tracked === undefined || tracked.size === 0) return;
    tracked.within(w0, w1, w2, w3, family === AF_INET ? 32 : 128, this.#mark);
    if (!this.idle) this.#host.wake();
  }

  /** Something that every resolution may depend on (`resolve-via-default`). */
  everything(): void {
    for (const set of this.#sets) this.#dirtySets.add(set);
    for (const one of this.#registrations) this.#dirtyRegistrations.add(one);
    this.#host.wake();
  }

  /** Works off what is marked; false when it was told to yield with work left. */
  run(shouldYield: () => boolean): boolean {
    while (this.#dirtySets.size > 0 || this.#dirtyRegistrations.size > 0) {
      for (const set of this.#dirtySets) {
        this.#dirtySets.delete(set);
        this.#resolve(set);
        if (shouldYield()) return false;
      }
      for (const one of this.#dirtyRegistrations) {
        this.#dirtyRegistrations.delete(one);
        if (!one.gone) this.#evaluate(one);
        if (shouldYield()) return false;
      }
    }
    return true;
  }

  get idle(): boolean {
    return this.#dirtySets.size === 0 && this.#dirtyRegistrations.size === 0;
  }

  #resolve(set: NexthopSet): void {
    this.resolutions++;
    const through = new Set<number>();
    set.avoided = false;
    const resolution: MemberResolution[] = [];
    const paths: ResolvedPath[] = [];
    for (const member of set.members) {
      const one = this.#resolveMember(set, member, through);
      // What is over the limit is not forwarded on, and not shown as if it were.
      const used = one.paths.filter(path => addPath(paths, path));
      if (used.length === one.paths.length) resolution.push(one);
      else resolution.push(used.length === 0 ? INACTIVE : { ...one, paths: used });
    }
    // A blackhole beside real paths has no say: the kernel wants it alone or not at all.
    let ways = paths.some(path => path.blackhole === 0)
      ? paths.filter(path => path.blackhole === 0)
      : paths.slice(0, 1);
    const rewired = through.symmetricDifference(set.through).size > 0;
    if (set.held) ways = [];
    else if ((rewired || !samePaths(ways, set.paths)) && this.#restless(set)) ways = [];
    const active = ways.length > 0;
    const changed = !samePaths(ways, set.paths);
    const activeChanged = active !== set.active;
    set.resolution = resolution;
    set.through = through;
    if (rewired) {
      // Whoever passed over a route that would have led back to itself may find that it does so no more.
      for (const other of this.#sets) if (other.avoided && other !== set) this.#dirtySets.add(other);
    }
    if (!changed && !activeChanged) return;
    set.paths = ways;
    set.active = active;
    this.#host.setChanged(set, activeChanged);
    // Those that go through it, and the clients that were told its paths.
    for (const other of this.#sets) if (other.through.has(set.id)) this.#dirtySets.add(other);
    for (const one of this.#registrations) if (one.throughSet === set.id) this.#dirtyRegistrations.add(one);
    if (!this.idle) this.#host.wake();
  }

  /** Counts a change; true where it was one too many, and the set is held down from now on. */
  #restless(set: NexthopSet): boolean {
    const nowS = this.#host.nowS();
    if (set.changedS !== nowS) {
      // A minute of peace, and the next time begins with a short hold again.
      if (nowS - set.changedS > HOLD_MAX_MS / 1000) set.heldMs = 0;
      set.changedS = nowS;
      set.changes = 0;
    }
    if (++set.changes <= CHANGES_LIMIT) return false;
    set.held = true;
    set.heldMs = Math.min(HOLD_MAX_MS, set.heldMs === 0 ? HOLD_FIRST_MS : set.heldMs * 2);
    this.holds++;
    this.#host.later(set.heldMs, () => {
      set.held = false;
      set.changes = 0;
      if (this.#sets.peek(set.id) !== set) return;
      this.#dirtySets.add(set);
      this.#host.wake();
    });
    return true;
  }

  #resolveMember(set: NexthopSet, member: Member, through: Set<number>): MemberResolution {
    const { vrf } = member;
    if (vrf !== set.vrf && !this.#host.hasVrf(vrf)) return INACTIVE;
    const weight = member.weight === 0 ? 1 : member.weight;
    const own = member.encap;
    const vrfTable = vrfTableOf(own);
    if (vrfTable !== undefined && !this.#host.isVrfTable(vrfTable)) return INACTIVE;
    if (member.blackhole !== 0) return { active: true, recursive: false, paths: [{ ...member, weight }] };
    if (member.ifindex !== 0) {
      const one = this.#interfaces.byIndex(member.ifindex);
      if (one === undefined || !one.operative) return INACTIVE;
      const linkLocal = member.gatewayFamily !== 0 && member.gatewayFamily !== AF_INET && isLinkLocal6(member.gateway);
      if (member.gatewayFamily === 0 || member.onlink || linkLocal) {
        return { active: true, recursive: false, paths: [{ ...member, weight }] };
      }
    }
    const family = member.gatewayFamily;
    if (family === 0 || isMulticast(family, member.gateway)) return INACTIVE;
    if (family !== AF_INET && isLinkLocal6(member.gateway)) return INACTIVE; // on which link?
    // The kernel refuses a gateway that is an address of this host, in the VRF.
    if (this.#interfaces.isLocal(vrf, family, member.gateway)) return INACTIVE;

    const table = this.#host.table(vrf, family);
    const viaDefault = family === AF_INET ? this.viaDefault.ip : this.viaDefault.ipv6;
    const [w0, w1, w2, w3] = member.gateway;
    let longest = family === AF_INET ? 32 : 128;
    while (longest >= 0) {
      const id = table.prefixes.match(w0, w1, w2, w3, longest);
      if (id < 0) return INACTIVE;
      const length = table.prefixes.length[id]!;
      longest = length - 1;
      if (length === 0 && !viaDefault) return INACTIVE;
      const row = table.selected[id]!;
      if (row < 0) continue;
      if (set.vrf === vrf && isExcepted(set, table, id)) continue;
      const cover = this.#sets.get(table.set[row]!);
      if (cover === set || this.#reaches(cover, set.id)) {
        set.avoided = true;
        continue;
      }
      if (table.type[row] === ROUTE_CONNECT) {
        const ifindex = this.#connectedInterface(table, id, member.ifindex);
        if (ifindex === 0) return INACTIVE;
        return { active: true, recursive: false, paths: [{ ...member, weight, ifindex }] };
      }
      if (!set.recursive) return INACTIVE;
      // Also where it leads nowhere at present: when it leads somewhere again, this set has to hear of it.
      through.add(cover.id);
      // Its route is about to be deselected; what covers it is the answer then.
      if (!cover.active) continue;
      const paths: ResolvedPath[] = [];
      for (const path of cover.paths) {
        if (member.ifindex !== 0 && path.ifindex !== member.ifindex) continue;
        const encap = path.blackhole === 0 ? joined(own, path.encap) : undefined;
        if (encap === false) continue;
        paths.push(
          path.gatewayFamily === 0 && path.blackhole === 0
            ? // The covering route names an interface only: the gateway is on that link, whatever its addresses say.
              {
                gatewayFamily: family,
                gateway: member.gateway,
                ifindex: path.ifindex,
                blackhole: 0,
                onlink: true,
                weight,
                vrf: path.vrf,
                ...withEncap(encap),
              }
            : { ...path, weight: Math.min(256, path.weight * weight), ...withEncap(encap) },
        );
      }
      return paths.length === 0 ? INACTIVE : { active: true, recursive: true, paths };
    }
    return INACTIVE;
  }

  /** The operative interface of a connected destination: the wanted one (0 = any), else 0. */
  #connectedInterface(table: RibTable, id: number, wanted: number): number {
    const selected = table.selected[id]!;
    const first = this.#sets.get(table.set[selected]!);
    if (wanted === 0) return first.paths[0]?.ifindex ?? 0;
    for (let row = table.first[id]!; row >= 0; row = table.next[row]!) {
      if (table.type[row] !== ROUTE_CONNECT) continue;
      const set = this.#sets.get(table.set[row]!);
      if (set.active && set.paths[0]?.ifindex === wanted) return wanted;
    }
    return 0;
  }

  /** Whether `from` goes, over however many others, through the set `id`. */
  #reaches(from: NexthopSet, id: number): boolean {
    if (from.through.size === 0) return false;
    if (from.through.has(id)) return true;
    for (const next of from.through) {
      const set = this.#sets.peek(next);
      if (set !== undefined && this.#reaches(set, id)) return true;
    }
    return false;
  }

  // Next hop tracking -----------------------------------------------------------------------------------------------------

  register(
    owner: Owner,
    vrf: number,
    family: Family,
    words: AddressWords,
    length: number,
    safi: number,
    flags: { connected: boolean; resolveViaDefault: boolean },
    changed: (registration: NhtRegistration) => void,
  ): NhtRegistration {
    let one = this.#registration(owner, vrf, family, words, length, safi);
    if (one === undefined) {
      one = new Registration(owner, vrf, family, words, length, safi, changed);
      this.#registrations.add(one);
      this.#byKey.set(registrationKey(owner, vrf, family, words, length, safi), one);
      this.#trackedOf(vrf, family).add(words, one);
    }
    one.changed = changed;
    one.connected = flags.connected;
    one.resolveViaDefault = flags.resolveViaDefault;
    one.fresh = true;
    this.#dirtyRegistrations.add(one);
    this.#host.wake();
    return one;
  }

  unregister(owner: Owner, vrf: number, family: Family, words: AddressWords, length: number, safi: number): void {
    const one = this.#registration(owner, vrf, family, words, length, safi);
    if (one !== undefined) this.#forget(one);
  }

  dropOwner(owner: Owner): void {
    for (const one of this.#registrations) if (one.owner === owner) this.#forget(one);
  }

  #forget(one: Registration): void {
    one.gone = true;
    this.#registrations.delete(one);
    this.#byKey.delete(registrationKey(one.owner, one.vrf, one.family, one.words, one.length, one.safi));
    this.#dirtyRegistrations.delete(one);
    this.#trackedOf(one.vrf, one.family).delete(one.words, one);
  }

  #registration(
    owner: Owner,
    vrf: number,
    family: Family,
    words: AddressWords,
    length: number,
    safi: number,
  ): Registration | undefined {
    return this.#byKey.get(registrationKey(owner, vrf, family, words, length, safi));
  }

  #evaluate(one: Registration): void {
    const before = one.resolution;
    const found = this.#lookUp(one);
    one.resolution = found;
    if (!one.fresh && sameResolution(before, found)) return;
    one.fresh = false;
    one.changed(one);
  }

  #lookUp(one: Registration): NhtResolution | undefined {
    const table = this.#host.table(one.vrf, one.family);
    const viaDefault = one.resolveViaDefault || (one.family === AF_INET ? this.viaDefault.ip : this.viaDefault.ipv6);
    const [w0, w1, w2, w3] = one.words;
    let longest = one.length;
    one.throughSet = 0;
    while (longest >= 0) {
      const id = table.prefixes.match(w0, w1, w2, w3, longest);
      if (id < 0) return undefined;
      const length = table.prefixes.length[id]!;
      longest = length - 1;
      if (length === 0 && !viaDefault && one.length !== 0) return undefined;
      const row = table.selected[id]!;
      if (row < 0) continue;
      const set = this.#sets.get(table.set[row]!);
      one.throughSet = set.id;
      // Its route is about to be deselected: a client must not hear of a gap that will not be.
      if (!set.active) continue;
      if (one.connected && table.type[row] !== ROUTE_CONNECT) return undefined;
      return {
        family: one.family,
        words: table.prefixes.words(id),
        length,
        type: table.type[row]!,
        instance: table.instance[row]!,
        distance: table.distance[row]!,
        metric: table.metric[row]!,
        tag: table.tag[row]!,
        paths: set.paths,
      };
    }
    return undefined;
  }

  #trackedOf(vrf: number, family: Family): TrackedAddresses<NexthopSet | Registration> {
    const key = vrf * 2 + (family === AF_INET ? 0 : 1);
    let tracked = this.#tracked.get(key);
    if (tracked === undefined) {
      tracked = new TrackedAddresses(family);
      this.#tracked.set(key, tracked);
    }
    return tracked;
  }
}

function sameResolution(a: NhtResolution | undefined, b: NhtResolution | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.length === b.length &&
    equalWords(a.words, b.words) &&
    a.type === b.type &&
    a.instance === b.instance &&
    a.distance === b.distance &&
    a.metric === b.metric &&
    a.tag === b.tag &&
    samePaths(a.paths as readonly ResolvedPath[], b.paths as readonly ResolvedPath[])
  );
}
