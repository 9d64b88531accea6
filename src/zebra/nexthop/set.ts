// A next-hop set is what a client asked for: a list of gateways, interfaces or a blackhole. It is interned by content, so a
// million routes of one peer share one set, and everything that must be known about their forwarding (whether they
// resolve, through what, which object the kernel has for them) is known once.
//
//   route rows ──set id──▶ NexthopSet ──members──▶ resolution ──paths──▶ kernel: group object ──▶ singleton objects
//
// A route must never resolve through itself. Where a route's prefix covers a gateway of its own set, the route gets a variant
// of the set that passes over that very prefix; there are as few of those as there are such odd routes.
//
// A next hop lies in a VRF, which need not be that of the routes: that is how routes leak from one VRF into another, and what an
// L3VPN's routes are.
//
// An id stays with its content while a route, a hold or an object in the kernel needs it.
import {
  AF_INET,
  type AddressWords,
  containsAddress,
  type Family,
  formatAddress,
  formatPrefix,
  maskWord,
  type Prefix,
} from '../../net/index.ts';
import { type Encap, encapKey, withEncap } from './encap.ts';

/** ZAPI's blackhole types; 0: not a blackhole. */
export const BLACKHOLE_NULL = 1;
export const BLACKHOLE_REJECT = 2;
export const BLACKHOLE_PROHIBIT = 3;

/** Paths of one set at most; FRR's default (Debian's build). */
export const ECMP_LIMIT = 256;

/** One next hop as asked for. */
export interface Nexthop {
  /** Family of the gateway, 0 where there is none (an interface alone, or a blackhole). */
  readonly gatewayFamily: Family | 0;
  readonly gateway: AddressWords;
  /** 0: whatever the gateway resolves to. */
  readonly ifindex: number;
  /** BLACKHOLE_* or 0. */
  readonly blackhole: number;
  /** The gateway is on the link even if no address of the interface says so. */
  readonly onlink: boolean;
  /** 1–256; 0 is taken as 1. */
  readonly weight: number;
  /** What it does to packets besides. */
  readonly encap?: Encap;
  /** The VRF in which it lies, where it is not that of the routes. */
  readonly vrf?: number;
}

/** A next hop of a set. */
export interface Member extends Nexthop {
  readonly vrf: number;
}

const NO_ADDRESS: AddressWords = [0, 0, 0, 0];

export function gatewayNexthop(
  family: Family,
  gateway: AddressWords,
  ifindex = 0,
  onlink = false,
  weight = 1,
  encap?: Encap,
): Nexthop {
  return { gatewayFamily: family, gateway, ifindex, blackhole: 0, onlink, weight, ...withEncap(encap) };
}

export function interfaceNexthop(ifindex: number, weight = 1, encap?: Encap): Nexthop {
  return { gatewayFamily: 0, gateway: NO_ADDRESS, ifindex, blackhole: 0, onlink: false, weight, ...withEncap(encap) };
}

export function blackholeNexthop(blackhole: number = BLACKHOLE_NULL): Nexthop {
  return { gatewayFamily: 0, gateway: NO_ADDRESS, ifindex: 0, blackhole, onlink: false, weight: 1 };
}

/** A path to forward on, fully resolved. */
export interface ResolvedPath {
  readonly gatewayFamily: Family | 0;
  readonly gateway: AddressWords;
  /** 0 only for a blackhole. */
  readonly ifindex: number;
  /** BLACKHOLE_* or 0. */
  readonly blackhole: number;
  readonly onlink: boolean;
  /** 1–256. */
  readonly weight: number;
  readonly encap?: Encap;
  /** The VRF that it leads on in. */
  readonly vrf: number;
}

/** What became of one member. */
export interface MemberResolution {
  readonly active: boolean;
  /** Resolved through another route rather than on the link. */
  readonly recursive: boolean;
  /** Its paths; for a member on the link exactly one, with the ifindex found. */
  readonly paths: readonly ResolvedPath[];
}

export class NexthopSet {
  readonly id: number;
  readonly vrf: number;
  /** Family of the routes that use it. */
  readonly family: Family;
  readonly members: readonly Member[];
  readonly recursive: boolean;
  /** This destination is passed over when gateways are looked up: that of the routes that use the set. */
  readonly except: Prefix | undefined;
  readonly key: string;
  /** Route rows that name it. */
  routes = 0;
  holds = 0;
  /** Destinations whose route in the kernel names this set's group. */
  installed = 0;

  /** At least one member resolves. */
  active = false;
  resolution: readonly MemberResolution[] = [];
  /** All paths without duplicates, in order; capped at the ECMP limit. */
  paths: readonly ResolvedPath[] = [];
  /** Sets that some member resolves through. */
  through: ReadonlySet<number> = new Set<number>();
  /** Some covering route was passed over because it goes through this set. */
  avoided = false;
  readonly createdS: number;
  /** Changes of its paths within the second `changedS`, and how long it was held down last for too many of them. */
  changes = 0;
  changedS = 0;
  heldMs = 0;
  /** It is taken for unresolvable until it has calmed down (resolver.ts). */
  held = false;

  constructor(
    id: number,
    vrf: number,
    family: Family,
    members: readonly Member[],
    recursive: boolean,
    except: Prefix | undefined,
    key: string,
    nowS: number,
  ) {
    this.id = id;
    this.vrf = vrf;
    this.family = family;
    this.members = members;
    this.recursive = recursive;
    this.except = except;
    this.key = key;
    this.createdS = nowS;
  }

  /** Whether a route of this prefix would cover one of the set's own gateways. */
  coveredBy(w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    const members = this.members;
    for (let i = 0; i < members.length; i++) {
      const member = members[i]!;
      if (member.gatewayFamily !== this.family || member.vrf !== this.vrf) continue;
      if (this.family === AF_INET) {
        if (((member.gateway[0] ^ w0) & maskWord(length)) === 0) return true;
      } else if (
        containsAddress({ family: this.family, words: [w0, w1, w2, w3], length }, this.family, member.gateway)
      ) {
        return true;
      }
    }
    return false;
  }

  /** BLACKHOLE_* where the whole set is one blackhole as asked for; 0 otherwise. */
  get blackhole(): number {
    return this.members.length === 1 ? this.members[0]!.blackhole : 0;
  }
}

function memberKey(one: Nexthop): string {
  const weight = one.weight === 0 ? 1 : one.weight;
  const gateway = one.gatewayFamily === 0 ? '' : formatAddress(one.gatewayFamily, one.gateway);
  return `${gateway}%${one.ifindex}${one.blackhole ? `!${one.blackhole}` : ''}${one.onlink ? 'o' : ''}${encapKey(one.encap)}*${weight}`;
}

/** What of it does not go without saying. */
function vrfKey({ vrf }: Nexthop, own: number): string {
  return vrf === undefined || vrf === own ? '' : `@${vrf}`;
}

/** One order, whatever the order in which they were asked for, so that the same next hops are the same set. */
export function compareNexthops(a: Nexthop, b: Nexthop): number {
  return (
    (a.vrf ?? -1) - (b.vrf ?? -1) ||
    a.blackhole - b.blackhole ||
    a.gatewayFamily - b.gatewayFamily ||
    a.gateway[0] - b.gateway[0] ||
    a.gateway[1] - b.gateway[1] ||
    a.gateway[2] - b.gateway[2] ||
    a.gateway[3] - b.gateway[3] ||
    a.ifindex - b.ifindex ||
    a.weight - b.weight ||
    encapKey(a.encap).localeCompare(encapKey(b.encap))
  );
}

export interface SetsListener {
  /** A set of new content: to be resolved. */
  created(set: NexthopSet): void;
  /** Nothing needs it any more. */
  released(set: NexthopSet): void;
}

/** Sets by id. Ids are small and reused, and one row for all zebras of the machine: an id alone says which set is meant. */
export class SetIds {
  readonly #byId: (NexthopSet | undefined)[] = [undefined];
  readonly #free: number[] = [];

  /** Ids handed out are below this. */
  get limit(): number {
    return this.#byId.length;
  }

  take(): number {
    return this.#free.pop() ?? this.#byId.length;
  }

  put(set: NexthopSet): void {
    this.#byId[set.id] = set;
  }

  peek(id: number): NexthopSet | undefined {
    return this.#byId[id];
  }

  giveBack(id: number): void {
    this.#byId[id] = undefined;
    this.#free.push(id);
  }
}

/** All sets by id and by content. */
export class NexthopSets {
  readonly #ids: SetIds;
  readonly #byKey: Map<string, NexthopSet> = new Map();
  readonly #unused: Set<NexthopSet> = new Set();
  readonly #listener: SetsListener;
  readonly #nowS: () => number;

  constructor(listener: SetsListener, nowS: () => number, ids: SetIds = new SetIds()) {
    this.#listener = listener;
    this.#nowS = nowS;
    this.#ids = ids;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Ids handed out are below this. */
  get limit(): number {
    return this.#ids.limit;
  }

  intern(vrf: number, family: Family, members: readonly Nexthop[], recursive: boolean): number {
    const keys = members.map(one => memberKey(one) + vrfKey(one, vrf)).join(',');
    const key = `${vrf}/${family === AF_INET ? 4 : 6}${recursive ? 'r' : '-'}${keys}`;
    return this.#intern(key, vrf, family, members, recursive, undefined);
  }

  /** The same set for the routes of one prefix, which it must not resolve through. */
  variant(set: NexthopSet, except: Prefix): number {
    const key = `${set.key}!${formatPrefix(except)}`;
    return this.#intern(key, set.vrf, set.family, set.members, set.recursive, except);
  }

  #intern(
    key: string,
    vrf: number,
    family: Family,
    members: readonly Nexthop[],
    recursive: boolean,
    except: Prefix | undefined,
  ): number {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known.id;
    const id = this.#ids.take();
    const placed = members.map(one => ({ ...one, vrf: one.vrf ?? vrf }));
    const set = new NexthopSet(id, vrf, family, placed, recursive, except, key, this.#nowS());
    this.#ids.put(set);
    this.#byKey.set(key, set);
    this.#unused.add(set);
    this.#listener.created(set);
    return id;
  }

  get(id: number): NexthopSet {
    const set = this.#ids.peek(id);
    if (set === undefined) throw new RangeError(`next-hop set ${id} does not exist`);
    return set;
  }

  peek(id: number): NexthopSet | undefined {
    return this.#ids.peek(id);
  }

  hold(id: number): void {
    this.get(id).holds++;
  }

  drop(id: number): void {
    const set = this.get(id);
    set.holds--;
    if (set.holds === 0 && set.routes === 0) this.#unused.add(set);
  }

  /** A set lost its last route, hold or place in the kernel: looked at by the next `sweep`. */
  maybeUnused(set: NexthopSet): void {
    this.#unused.add(set);
  }

  /** Gives up the ids that nothing needs. `busy` says whether the kernel still has something of a set. */
  sweep(busy: (set: NexthopSet) => boolean): void {
    for (const set of this.#unused) {
      if (set.routes === 0 && set.holds === 0 && set.installed === 0) {
        if (busy(set)) continue;
        this.#byKey.delete(set.key);
        this.#ids.giveBack(set.id);
        this.#listener.released(set);
      }
      this.#unused.delete(set);
    }
  }

  [Symbol.iterator](): IterableIterator<NexthopSet> {
    return this.#byKey.values();
  }
}
