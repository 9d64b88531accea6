// The picture: what the kernel is believed to have, as far as it concerns proxies. A platform tells it what is, in order; it finds
// what has changed and says so, once. What the platform tells is level, not edge: told twice, nothing happens.
//
// A dump is told between `begin` and `end`: what was not told between them is no more, and goes at the end. Who tells routes has to know
// which of them are one and the same (each system has rules of its own), so routes are added, replaced and removed by row.
import { AF_INET, AF_INET6, type Family } from '../net/index.ts';
import type { Attached } from './attached.ts';
import {
  type AddressValue,
  EVENT_ADDRESS_ADDED,
  EVENT_ADDRESS_CHANGED,
  EVENT_ADDRESS_DELETED,
  EVENT_LINK,
  EVENT_MAC,
  EVENT_MTU,
  EVENT_NAME,
  EVENT_NEIGHBOR_ADDED,
  EVENT_NEIGHBOR_CHANGED,
  EVENT_NEIGHBOR_DELETED,
  FLAG_DERIVED,
  FLAG_OWN,
  type NeighborValue,
} from './event.ts';
import { HOP_DEAD, HOP_WORD, HOP_WORDS, PathSets, type PathSet, SOURCE_WORDS } from './paths.ts';
import { RouteTable, type RouteInput, routeWord, ROW_OWN, ROW_DECORATED } from './routes.ts';
import {
  addressKey,
  AddressState,
  equalBytes,
  isAnother,
  type LinkInput,
  LinkState,
  neighborKey,
  NeighborState,
  type PictureEvents,
  sameAddress,
  sameNeighbor,
} from './states.ts';

/** Kinds of objects, one bit each. */
export const PICTURE_LINKS = 1;
export const PICTURE_ADDRESSES = 2;
export const PICTURE_ROUTES = 4;
export const PICTURE_NEIGHBORS = 8;
export const PICTURE_ALL = 15;

/** RTN_LOCAL, as every system with BSD's or Linux's numbers has it here. */
const TYPE_LOCAL = 2;
/** Routes of types above broadcast, anycast and multicast have no hop: blackhole, unreachable, prohibit, throw. */
const TYPE_REJECT = 6;

export function isReject(type: number): boolean {
  return type >= TYPE_REJECT;
}

/** How a route loses hops. */
export interface Loss {
  /** `dead`: the hop stays and may come back; `removed`: it does not; `whole`: the route goes with its first hop lost. */
  readonly how: 'dead' | 'removed' | 'whole';
  /** Whether routes to the host's own addresses stay. */
  readonly keepLocal: boolean;
  /** Whether routes stay whose hops are a nexthop object's. */
  readonly keepObjects: boolean;
  /** Routes that would lose their last hop stay as they are: that is told. */
  readonly onlySome?: boolean;
}

export class Picture {
  readonly links: Map<number, LinkState> = new Map();
  /** Of all interfaces. */
  readonly addresses: Map<string, AddressState> = new Map();
  /** Of proxies only. */
  readonly neighbors: Map<string, NeighborState> = new Map();
  readonly sets: PathSets = new PathSets();
  readonly routes4: RouteTable = new RouteTable(AF_INET, this.sets);
  readonly routes6: RouteTable = new RouteTable(AF_INET6, this.sets);
  /** By ifindex. */
  readonly proxies: Map<number, Attached> = new Map();
  /** All of them, as an array that is never changed. */
  attached: readonly Attached[] = [];
  /** Counts changes of `proxies`: what was worked out of them before is to be worked out again. */
  epoch = 0;
  /** IPv4 routes of several hops go whole with the interface of one (Linux). */
  wholeRoutesGo = false;
  readonly #events: PictureEvents;
  readonly #ipv4: Map<number, number> = new Map();
  readonly #ipv6: Map<number, number> = new Map();
  #serial = 0;
  #ended = 0; // kinds that were told whole at least once
  readonly #seen: number[] = [0, 0, 0, 0, 0, 0, 0, 0, 0];
  #scratch: Int32Array = new Int32Array(64);

  constructor(events: PictureEvents) {
    this.#events = events;
  }

  routes(family: Family): RouteTable {
    return family === AF_INET ? this.routes4 : this.routes6;
  }

  // Proxies

  attach(proxy: Attached): void {
    this.proxies.set(proxy.ifindex, proxy);
    this.attached = [...this.attached, proxy];
    this.epoch++;
  }

  /** Forgets the proxy, and what concerned only it, without a word. */
  detach(proxy: Attached): void {
    if (!this.attached.includes(proxy)) return;
    if (this.proxies.get(proxy.ifindex) === proxy) this.proxies.delete(proxy.ifindex);
    this.attached = this.attached.filter(other => other !== proxy);
    this.epoch++;
    for (const [key, state] of this.neighbors) {
      if (state.ifindex !== proxy.ifindex) continue;
      state.gone = true;
      this.neighbors.delete(key);
    }
    for (const table of [this.routes4, this.routes6]) {
      const affected = this.#sets(set => set.uses(proxy.ifindex) && !this.concerns(set));
      for (let row = 0; row < table.limit && affected.size > 0; row++) {
        if (table.prefix[row] === 0 || !affected.has(table.set[row]!)) continue;
        const set = table.paths(row);
        table.remove(row);
        this.sets.release(set);
      }
    }
  }

  /** Whether a hop of the list, dead or not, leads over a proxy. */
  concerns(set: PathSet): boolean {
    return this.concernsPaths(set.words, set.words.length);
  }

  concernsPaths(words: Int32Array, length: number): boolean {
    for (let at = SOURCE_WORDS; at < length; at += HOP_WORDS) if (this.proxies.has(words[at]!)) return true;
    return false;
  }

  /** The proxies that the list leads over by hops that are not dead. */
  proxiesOf(set: PathSet): readonly Attached[] {
    if (set.epoch === this.epoch) return set.proxies;
    const proxies: Attached[] = [];
    const { words } = set;
    for (let at = SOURCE_WORDS; at < words.length; at += HOP_WORDS) {
      if ((words[at + HOP_WORD]! & HOP_DEAD) !== 0) continue;
      const proxy = this.proxies.get(words[at]!);
      if (proxy !== undefined && !proxies.includes(proxy)) proxies.push(proxy);
    }
    set.proxies = proxies;
    set.epoch = this.epoch;
    return proxies;
  }

  // Dumps

  begin(kind: number): void {
    this.#seen[kind]!++;
    for (const proxy of this.attached) proxy.begun |= kind;
  }

  /** Removes what was not told since `begin`. Routes are swept by who tells them, before. */
  end(kind: number): void {
    const seen = this.#seen[kind]!;
    if (kind === PICTURE_LINKS) {
      for (const link of this.links.values()) if (link.seen !== seen) this.linkGone(link.ifindex, 0);
      for (const proxy of this.attached) {
        if ((proxy.begun & kind) !== 0 && proxy.state === 'new') this.#lose(proxy, 0);
      }
    } else if (kind === PICTURE_ADDRESSES) {
      for (const [key, address] of this.addresses) if (address.seen !== seen) this.#addressGone(key, address, 0);
    } else if (kind === PICTURE_NEIGHBORS) {
      for (const [key, neighbor] of this.neighbors) if (neighbor.seen !== seen) this.#neighborGone(key, neighbor, 0);
    }
    this.#ended |= kind;
    let settled = this.#ended === PICTURE_ALL;
    for (const proxy of this.attached) {
      if ((proxy.begun & kind) === 0) {
        settled = false;
        continue;
      }
      const before = proxy.ended;
      proxy.ended |= kind;
      if (before !== PICTURE_ALL && proxy.ended === PICTURE_ALL) this.#events.whole(proxy);
      if (proxy.ended !== PICTURE_ALL) settled = false;
    }
    if (settled) this.#events.settled();
  }

  // Links

  link(input: LinkInput, own: boolean): void {
    const { ifindex } = input;
    const proxy = this.proxies.get(ifindex);
    let link = this.links.get(ifindex);
    if (link !== undefined && isAnother(link, input) && !isHeld(proxy, link, input)) {
      this.linkGone(ifindex, 0);
      link = undefined;
    }
    const flags = own ? FLAG_OWN : 0;
    if (link === undefined) {
      link = new LinkState(input);
      this.links.set(ifindex, link);
    }
    link.seen = this.#seen[PICTURE_LINKS]!;
    if (proxy !== undefined && proxy.state === 'new' && (proxy.begun & PICTURE_LINKS) !== 0) {
      proxy.state = 'there';
      proxy.link = link;
    }
    const told = proxy !== undefined && proxy.link === link ? proxy : undefined;
    link.own = own;
    if (link.name !== input.name) {
      link.name = input.name;
      if (told !== undefined) this.#events.link(told, EVENT_NAME, link, flags);
    }
    if (!equalBytes(link.mac, input.mac)) {
      link.mac = input.mac;
      if (told !== undefined) this.#events.link(told, EVENT_MAC, link, flags);
    }
    if (link.mtu !== input.mtu) {
      link.mtu = input.mtu;
      if (told !== undefined) this.#events.link(told, EVENT_MTU, link, flags);
    }
    if (link.up !== input.up || link.carrier !== input.carrier) {
      link.up = input.up;
      link.carrier = input.carrier;
      if (told !== undefined) this.#events.link(told, EVENT_LINK, link, flags);
    }
  }

  /** The interface is no more, and all that it had. */
  linkGone(ifindex: number, flags: number): void {
    const link = this.links.get(ifindex);
    if (link === undefined) return;
    this.#strip(ifindex, flags | FLAG_DERIVED);
    this.links.delete(ifindex);
    const proxy = this.proxies.get(ifindex);
    if (proxy !== undefined && proxy.link === link) this.#lose(proxy, flags);
  }

  /** A proxy's device was deleted and another one has its number. */
  lost(proxy: Attached): void {
    if (proxy.link === undefined) return;
    this.linkGone(proxy.ifindex, 0);
  }

  #lose(proxy: Attached, flags: number): void {
    this.proxies.delete(proxy.ifindex);
    this.attached = this.attached.filter(other => other !== proxy);
    this.epoch++;
    proxy.lose();
    this.#events.gone(proxy, flags);
  }

  #strip(ifindex: number, flags: number): void {
    this.loseHops(this.routes6, ifindex, { how: 'removed', keepLocal: false, keepObjects: false }, flags);
    const how = this.wholeRoutesGo ? 'whole' : 'removed';
    this.loseHops(this.routes4, ifindex, { how, keepLocal: false, keepObjects: false }, flags);
    for (const [key, state] of this.neighbors) if (state.ifindex === ifindex) this.#neighborGone(key, state, flags);
    for (const [key, state] of this.addresses) if (state.ifindex === ifindex) this.#addressGone(key, state, flags);
  }

  // Addresses

  address(ifindex: number, value: AddressValue, own: boolean): void {
    const key = addressKey(ifindex, value);
    let state = this.addresses.get(key);
    const flags = own ? FLAG_OWN : 0;
    const proxy = this.proxies.get(ifindex);
    let code = -1;
    if (state === undefined) {
      state = new AddressState(ifindex, value, ++this.#serial);
      this.addresses.set(key, state);
      this.#count(ifindex, value.family, 1);
      code = EVENT_ADDRESS_ADDED;
    } else if (!sameAddress(state.value, value)) {
      state.value = value;
      code = EVENT_ADDRESS_CHANGED;
    }
    state.seen = this.#seen[PICTURE_ADDRESSES]!;
    if (code < 0) return;
    state.own = own;
    if (proxy !== undefined) this.#events.address(proxy, code, state, flags);
  }

  addressGone(ifindex: number, value: AddressValue, own: boolean): void {
    const key = addressKey(ifindex, value);
    const state = this.addresses.get(key);
    if (state !== undefined) this.#addressGone(key, state, own ? FLAG_OWN : 0);
  }

  #addressGone(key: string, state: AddressState, flags: number): void {
    this.addresses.delete(key);
    this.#count(state.ifindex, state.value.family, -1);
    state.gone = true;
    const proxy = this.proxies.get(state.ifindex);
    if (proxy !== undefined) this.#events.address(proxy, EVENT_ADDRESS_DELETED, state, flags);
  }

  /** Addresses of a family on the interface. */
  addressCount(ifindex: number, family: Family): number {
    return (family === AF_INET ? this.#ipv4 : this.#ipv6).get(ifindex) ?? 0;
  }

  #count(ifindex: number, family: Family, change: number): void {
    const counts = family === AF_INET ? this.#ipv4 : this.#ipv6;
    counts.set(ifindex, this.addressCount(ifindex, family) + change);
  }

  // Neighbours

  neighbor(ifindex: number, value: NeighborValue, own: boolean): void {
    const proxy = this.proxies.get(ifindex);
    if (proxy === undefined) return;
    const key = neighborKey(ifindex, value);
    let state = this.neighbors.get(key);
    let code = -1;
    if (state === undefined) {
      state = new NeighborState(ifindex, value, ++this.#serial);
      this.neighbors.set(key, state);
      code = EVENT_NEIGHBOR_ADDED;
    } else if (!sameNeighbor(state.value, value)) {
      state.value = value;
      code = EVENT_NEIGHBOR_CHANGED;
    }
    state.seen = this.#seen[PICTURE_NEIGHBORS]!;
    if (code < 0) return;
    state.own = own;
    this.#events.neighbor(proxy, code, state, own ? FLAG_OWN : 0);
  }

  neighborGone(ifindex: number, value: NeighborValue, own: boolean): void {
    const key = neighborKey(ifindex, value);
    const state = this.neighbors.get(key);
    if (state !== undefined) this.#neighborGone(key, state, own ? FLAG_OWN : 0);
  }

  #neighborGone(key: string, state: NeighborState, flags: number): void {
    this.neighbors.delete(key);
    state.gone = true;
    const proxy = this.proxies.get(state.ifindex);
    if (proxy !== undefined) this.#events.neighbor(proxy, EVENT_NEIGHBOR_DELETED, state, flags);
  }

  // Routes

  /** A new row of a prefix (`RouteTable.locate`) behind row `after`; -1: before all its others. */
  addRoute(table: RouteTable, input: RouteInput, prefix: number, after: number, flags: number): number {
    const row = table.add(input, prefix, after);
    this.#events.route(table, row, undefined, table.paths(row), 0, flags | (input.own ? FLAG_OWN : 0));
    return row;
  }

  /** What a row says now; nothing happens where it said so before. */
  replaceRoute(table: RouteTable, row: number, input: RouteInput, flags: number): void {
    const before = table.paths(row);
    const wordBefore = table.word[row]!;
    const decorated = (table.state[row]! & ROW_DECORATED) !== 0;
    const offload = table.offload[row];
    const nexthop = table.nexthop[row];
    const stateBefore = table.state[row]!;
    table.replace(row, input);
    const after = table.paths(row);
    const same =
      after === before &&
      wordBefore === table.word[row] &&
      decorated === input.decorated &&
      offload === input.offload &&
      nexthop === input.nexthopId;
    if (same) {
      // Told again: it stays whose it was.
      table.state[row] = stateBefore;
      return;
    }
    this.#events.route(table, row, before, after, wordBefore, flags | (input.own ? FLAG_OWN : 0));
    this.sets.release(before);
  }

  /** Other hops for a row, all else as it was. */
  repathRoute(table: RouteTable, row: number, words: Int32Array, length: number, flags: number): void {
    const before = table.paths(row);
    const after = this.sets.intern(words, length);
    if (after === before) return;
    table.setPaths(row, after);
    table.state[row]! &= ROW_DECORATED;
    if ((flags & FLAG_OWN) !== 0) table.state[row]! |= ROW_OWN;
    this.#events.route(table, row, before, after, table.word[row]!, flags);
    this.sets.release(before);
  }

  removeRoute(table: RouteTable, row: number, flags: number): void {
    const before = table.paths(row);
    this.#events.route(table, row, before, undefined, table.word[row]!, flags);
    table.remove(row);
    this.sets.release(before);
  }

  /** Routes lose their hops over this interface, and go where none is left. */
  loseHops(table: RouteTable, ifindex: number, loss: Loss, flags: number): void {
    const affected = this.#sets(set => set.uses(ifindex));
    if (affected.size === 0) return;
    for (let row = 0; row < table.limit; row++) {
      if (table.prefix[row] === 0 || !affected.has(table.set[row]!)) continue;
      const type = table.word[row]! & 255;
      if ((loss.keepLocal && type === TYPE_LOCAL) || isReject(type)) continue;
      if (loss.keepObjects && table.nexthop[row] !== 0) continue;
      const set = table.paths(row);
      const length = this.#without(set, ifindex, loss.how === 'dead');
      const left = loss.how !== 'whole' && anyAlive(this.#scratch, length);
      if (left) this.repathRoute(table, row, this.#scratch, length, flags);
      else if (loss.onlySome !== true) this.removeRoute(table, row, flags);
    }
  }

  /** Hops over this interface that were dead are not any more. */
  reviveHops(table: RouteTable, ifindex: number, flags: number): void {
    const affected = this.#sets(set => set.uses(ifindex));
    if (affected.size === 0) return;
    for (let row = 0; row < table.limit; row++) {
      if (table.prefix[row] === 0 || !affected.has(table.set[row]!)) continue;
      const { words } = table.paths(row);
      const scratch = this.#room(words.length);
      scratch.set(words);
      for (let at = SOURCE_WORDS; at < words.length; at += HOP_WORDS) {
        if (words[at] === ifindex) scratch[at + HOP_WORD]! &= ~HOP_DEAD;
      }
      this.repathRoute(table, row, scratch, words.length, flags);
    }
  }

  /** The list without its hops over the interface, or with them dead, in `#scratch`; its length. */
  #without(set: PathSet, ifindex: number, dead: boolean): number {
    const { words } = set;
    const scratch = this.#room(words.length);
    let to = SOURCE_WORDS;
    for (let i = 0; i < SOURCE_WORDS; i++) scratch[i] = words[i]!;
    for (let at = SOURCE_WORDS; at < words.length; at += HOP_WORDS) {
      const lost = words[at] === ifindex;
      if (lost && !dead) continue;
      for (let i = 0; i < HOP_WORDS; i++) scratch[to + i] = words[at + i]!;
      if (lost) scratch[to + HOP_WORD]! |= HOP_DEAD;
      to += HOP_WORDS;
    }
    return to;
  }

  #room(length: number): Int32Array {
    if (this.#scratch.length < length) this.#scratch = new Int32Array(length * 2);
    return this.#scratch;
  }

  #sets(test: (set: PathSet) => boolean): ReadonlySet<number> {
    const found = new Set<number>();
    for (const set of this.sets.sets) if (set !== undefined && test(set)) found.add(set.id);
    return found;
  }
}

/** An interface that the library holds says itself what it is called: another name and another MAC do not make it another one. */
function isHeld(proxy: Attached | undefined, link: LinkState, input: LinkInput): boolean {
  return proxy?.link === link && link.nature === input.nature && proxy.device?.currentName() === input.name;
}

function anyAlive(words: Int32Array, length: number): boolean {
  for (let at = SOURCE_WORDS; at < length; at += HOP_WORDS) if ((words[at + HOP_WORD]! & HOP_DEAD) === 0) return true;
  return false;
}

/** Whether the row is what the input says, dead hops and flags of an offload apart. */
export function routeIs(table: RouteTable, row: number, input: RouteInput): boolean {
  return (
    table.table[row] === input.table &&
    table.metric[row] === input.metric &&
    table.word[row] === routeWord(input) &&
    table.nexthop[row] === input.nexthopId &&
    samePaths(table.paths(row).words, input.paths, input.pathWords)
  );
}

/** Whether two lists are the same but for which of their hops are dead. */
export function samePaths(a: Int32Array, b: Int32Array, length: number): boolean {
  if (a.length !== length) return false;
  for (let i = 0; i < length; i++) {
    if (a[i] === b[i]) continue;
    if ((i - SOURCE_WORDS) % HOP_WORDS !== HOP_WORD || ((a[i]! ^ b[i]!) & ~HOP_DEAD) !== 0) return false;
  }
  return true;
}
