// What the kernel says of its routes, unasked or in a dump. Of our own routes it corrects the `kernel` column and marks the
// destination: sending what the kernel already has is harmless, so all doubt (something was on its way while the notice
// came) is resolved by sending once more. Routes of others become rows, beside those of clients.
import { AF_INET, equalWords, type Family } from '../../net/index.ts';
import { sameEncap, withEncap } from '../nexthop/encap.ts';
import type { PathLists } from '../nexthop/path-lists.ts';
import {
  BLACKHOLE_NULL,
  BLACKHOLE_PROHIBIT,
  BLACKHOLE_REJECT,
  blackholeNexthop,
  type Nexthop,
  type NexthopSet,
  type NexthopSets,
} from '../nexthop/set.ts';
import { KIND_ROUTE, type KernelPath, type Plane, RTN_PROHIBIT, RTN_UNICAST, RTN_UNREACHABLE } from '../plane.ts';
import { isOwnProtocol, ROUTE_CONNECT, ROUTE_KERNEL } from '../route-type.ts';
import type { EarlierLife } from './earlier-life.ts';
import type { KernelUsers } from './kernel-users.ts';
import { isForeign, KERNEL_METRIC, type RibHost, type RibRows, type RibStats } from './parts.ts';
import { KERNEL_OTHER } from './settling.ts';
import { DOUBT, IN_FLIGHT, type RibTable, ROW_SEEN, SEEN, STALE } from './table.ts';
import type { RibTables } from './tables.ts';

export class KernelNotices {
  readonly #host: RibHost;
  readonly #rows: RibRows;
  readonly #plane: Plane;
  readonly #tables: RibTables;
  readonly #sets: NexthopSets;
  readonly #kernel: KernelUsers;
  readonly #lists: PathLists;
  readonly #earlier: EarlierLife;
  readonly #stats: RibStats;
  /** `allow-external-route-update`: what somebody deletes of ours is not put back until something else is to be done about it. */
  othersMayDelete = false;
  #dumping = false;
  /** A dump was asked for, and has not begun. */
  #rereading = false;

  constructor(
    host: RibHost,
    rows: RibRows,
    plane: Plane,
    tables: RibTables,
    sets: NexthopSets,
    kernel: KernelUsers,
    lists: PathLists,
    earlier: EarlierLife,
    stats: RibStats,
  ) {
    this.#host = host;
    this.#rows = rows;
    this.#plane = plane;
    this.#tables = tables;
    this.#sets = sets;
    this.#kernel = kernel;
    this.#lists = lists;
    this.#earlier = earlier;
    this.#stats = stats;
  }

  /**
   * A route that the kernel has. Of somebody else's the kernel may have several of one prefix and metric (`ip route append`,
   * other protocols), which their next hops tell apart; `replaces`: this one took the place of one of them.
   */
  route(
    kernelTable: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    type: number,
    metric: number,
    nexthopId: number,
    paths: () => readonly KernelPath[],
    replaces: boolean,
  ): void {
    const t = this.#tables.ofKernel(kernelTable, family);
    if (t === undefined) return;
    if (isOwnProtocol(protocol)) {
      if (metric !== KERNEL_METRIC) return; // not a shape of ours: somebody borrowed the protocol number
      const value = type !== RTN_UNICAST ? type : this.#nameOf(family, nexthopId, paths);
      let id = t.prefixes.find(w0, w1, w2, w3, length);
      if (this.#earlier.starting) {
        id = t.destination(w0, w1, w2, w3, length);
        this.#kernel.set(t, id, value, protocol);
        t.state[id]! |= STALE | SEEN;
        return;
      }
      if (id < 0) return;
      t.state[id]! |= SEEN;
      if ((t.state[id]! & IN_FLIGHT) !== 0) {
        if (!this.#dumping) t.state[id]! |= DOUBT;
        return;
      }
      if (t.kernel[id] === value && t.kernelProtocol[id] === protocol) return;
      if (t.first[id]! < 0 && t.kernel[id] === 0) return;
      this.#kernel.set(t, id, value, protocol);
      this.#stats.repaired++;
      this.#tables.mark(t, id, true);
      return;
    }
    // One of the same metric may have taken our route's place without a word about ours.
    if (metric === KERNEL_METRIC) {
      const id = t.prefixes.find(w0, w1, w2, w3, length);
      if (id >= 0 && (t.kernel[id] !== 0 || (t.state[id]! & IN_FLIGHT) !== 0)) {
        if ((t.state[id]! & IN_FLIGHT) !== 0) t.state[id]! |= DOUBT;
        else if (!this.#dumping) this.#tables.mark(t, id, true);
      }
    }
    const members = this.#nexthopsOf(type, paths());
    const before = t.prefixes.find(w0, w1, w2, w3, length);
    const known = before >= 0 && this.#foreignRow(t, before, metric, members) >= 0;
    this.#addForeign(t, w0, w1, w2, w3, length, metric, members);
    const id = t.prefixes.find(w0, w1, w2, w3, length);
    // What may be what it replaced: the kernel takes the first of them, in an order that nobody is told.
    let candidates = metric === KERNEL_METRIC && t.kernel[id] !== 0 ? 1 : 0;
    let replaced = -1;
    for (let row = t.first[id]!; row >= 0; ) {
      const next = t.next[row]!;
      if (t.type[row] === ROUTE_CONNECT) candidates++;
      else if (isForeign(t, row, metric)) {
        const others = this.#sets.get(t.set[row]!).members;
        if (!sameNexthops(others, members)) {
          // To an IPv6 route with gateways the kernel adds paths, and tells the whole.
          if (family !== AF_INET && others.length < members.length && includesAll(members, others)) {
            this.#rows.removeRow(t, id, row);
          } else {
            candidates++;
            replaced = row;
          }
        }
      }
      row = next;
    }
    if (!replaces || replaced < 0) return;
    if (candidates === 1 && !known) this.#rows.removeRow(t, id, replaced);
    else this.reread();
  }

  /** What a route of ours names: an object, or a list of paths that is known, or that is to be at start. */
  #nameOf(family: Family, nexthopId: number, paths: () => readonly KernelPath[]): number {
    if (nexthopId !== 0) return this.#lists.has(nexthopId) ? KERNEL_OTHER : nexthopId;
    if (this.#earlier.starting) return this.#lists.intern(family, paths());
    return this.#lists.find(family, paths()) || KERNEL_OTHER;
  }

  /** The row of somebody else's route of this metric with these next hops, or -1. */
  #foreignRow(t: RibTable, id: number, metric: number, members: readonly Nexthop[]): number {
    let row = t.first[id]!;
    while (row >= 0 && !(isForeign(t, row, metric) && sameNexthops(this.#sets.get(t.set[row]!).members, members))) {
      row = t.next[row]!;
    }
    return row;
  }

  /** What the kernel did is not to be known from what it said: a dump will tell. */
  reread(): void {
    if (this.#rereading) return;
    this.#rereading = true;
    this.#plane.requestResync(KIND_ROUTE);
  }

  #addForeign(
    t: RibTable,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    metric: number,
    members: readonly Nexthop[],
  ): void {
    const set = this.#sets.intern(t.vrf, t.family, members, false);
    const distance = metric >>> 24;
    this.#rows.add(t.vrf, t.family, w0, w1, w2, w3, length, ROUTE_KERNEL, 0, 0, distance, metric & 0xffffff, 0, set, 0);
  }

  routeGone(
    kernelTable: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    type: number,
    metric: number,
    paths: () => readonly KernelPath[],
  ): void {
    const t = this.#tables.ofKernel(kernelTable, family);
    if (t === undefined) return;
    const id = t.prefixes.find(w0, w1, w2, w3, length);
    if (id < 0) return;
    if (isOwnProtocol(protocol)) {
      if (metric !== KERNEL_METRIC) return;
      if ((t.state[id]! & IN_FLIGHT) !== 0) t.state[id]! |= DOUBT;
      else if (t.kernel[id] !== 0) this.#lost(t, id);
      return;
    }
    const members = this.#nexthopsOf(type === 0 ? RTN_UNICAST : type, paths());
    const gone = this.#foreignRow(t, id, metric, members);
    if (gone >= 0) {
      this.#rows.removeRow(t, id, gone);
      return;
    }
    for (let row = t.first[id]!; row >= 0; row = t.next[row]!) {
      if (!isForeign(t, row, metric)) continue;
      const others = this.#sets.get(t.set[row]!).members;
      if (family !== AF_INET && members.length < others.length && includesAll(others, members)) {
        const left = others.filter(one => !members.some(other => sameNexthop(one, other)));
        this.#addForeign(t, w0, w1, w2, w3, length, metric, left);
        this.#rows.removeRow(t, id, row);
        return;
      }
      // Told otherwise than before, or of a time before the last dump.
      this.reread();
    }
  }

  /** Somebody deleted a route of ours. */
  #lost(t: RibTable, id: number): void {
    this.#kernel.set(t, id, 0, 0);
    t.state[id]! &= ~STALE;
    this.#stats.lostRoutes++;
    if (!this.othersMayDelete || t.first[id]! < 0) this.#tables.mark(t, id, true);
  }

  /**
   * A provider that is not the kernel has lost a route of ours. One that stands `aside` is told again, for which its table is
   * returned; to one in the chain it is sent again.
   */
  missed(
    kernelTable: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    aside: boolean,
  ): RibTable | undefined {
    const t = this.#tables.ofKernel(kernelTable, family);
    const id = t?.prefixes.find(w0, w1, w2, w3, length) ?? -1;
    if (t === undefined || id < 0 || !isOwnProtocol(protocol)) return undefined;
    if (aside) return t;
    if ((t.state[id]! & IN_FLIGHT) !== 0) t.state[id]! |= DOUBT;
    else if (t.kernel[id] !== 0) {
      this.#kernel.set(t, id, KERNEL_OTHER, t.kernelProtocol[id]!);
      this.#stats.lostRoutes++;
      this.#tables.mark(t, id, true);
    }
    return undefined;
  }

  dumpBegin(): void {
    this.#dumping = true;
    this.#rereading = false;
    for (const t of this.#tables.all) {
      for (let id = 0; id < t.prefixes.limit; id++) {
        if (!t.prefixes.has(id)) continue;
        t.state[id]! &= ~SEEN;
        // The kernel may have done it before this dump began, and somebody undone it: its result will not say which was first.
        if ((t.state[id]! & IN_FLIGHT) !== 0) t.state[id]! |= DOUBT;
        for (let row = t.first[id]!; row >= 0; row = t.next[row]!) {
          if (t.type[row] === ROUTE_KERNEL) t.flags[row]! &= ~ROW_SEEN;
        }
      }
    }
  }

  dumpEnd(): void {
    this.#dumping = false;
    for (const t of this.#tables.all) {
      for (let id = 0; id < t.prefixes.limit; id++) {
        if (!t.prefixes.has(id)) continue;
        if (t.kernel[id] !== 0 || (t.state[id]! & IN_FLIGHT) !== 0) {
          if ((t.state[id]! & IN_FLIGHT) !== 0) t.state[id]! |= DOUBT;
          else if ((t.state[id]! & SEEN) === 0) this.#lost(t, id);
        }
        for (let row = t.first[id]!; row >= 0; ) {
          const next = t.next[row]!;
          if (t.type[row] === ROUTE_KERNEL && (t.flags[row]! & ROW_SEEN) === 0) this.#rows.removeRow(t, id, row);
          row = next;
        }
      }
    }
  }

  /** A kernel route's paths as the members of a set. */
  #nexthopsOf(type: number, paths: readonly KernelPath[]): Nexthop[] {
    if (type !== RTN_UNICAST) {
      return [
        blackholeNexthop(
          type === RTN_UNREACHABLE ? BLACKHOLE_REJECT : type === RTN_PROHIBIT ? BLACKHOLE_PROHIBIT : BLACKHOLE_NULL,
        ),
      ];
    }
    return paths.map(path => {
      const vrf = this.#host.interfaceVrf(path.ifindex);
      return {
        gatewayFamily: path.gatewayFamily,
        gateway: path.gateway,
        ifindex: path.ifindex,
        blackhole: path.blackhole ? BLACKHOLE_NULL : 0,
        // It is in the kernel already: nothing about it is to be proved again.
        onlink: path.gatewayFamily !== 0,
        weight: path.weight,
        ...(vrf === undefined ? {} : { vrf }),
        ...withEncap(path.encap),
      };
    });
  }

  /** Interfaces through which the kernel dropped everybody's IPv4 routes without a word: foreign ones are gone for good. */
  routesLost(dead: (set: NexthopSet) => boolean): void {
    const sets = new Set<number>();
    for (const set of this.#sets) if (set.routes > 0 && set.family === AF_INET && dead(set)) sets.add(set.id);
    if (sets.size === 0) return;
    for (const t of this.#tables.all) {
      if (t.family !== AF_INET) continue;
      for (let id = 0; id < t.prefixes.limit; id++) {
        if (!t.prefixes.has(id)) continue;
        for (let row = t.first[id]!; row >= 0; ) {
          const next = t.next[row]!;
          if (t.type[row] === ROUTE_KERNEL && sets.has(t.set[row]!)) this.#rows.removeRow(t, id, row);
          row = next;
        }
      }
    }
  }
}

function sameNexthop(a: Nexthop, b: Nexthop): boolean {
  const sameWay = a.ifindex === b.ifindex && a.blackhole === b.blackhole && equalWords(a.gateway, b.gateway);
  return sameWay && sameEncap(a.encap, b.encap);
}

function includesAll(all: readonly Nexthop[], some: readonly Nexthop[]): boolean {
  return some.every(one => all.some(other => sameNexthop(one, other)));
}

function sameNexthops(a: readonly Nexthop[], b: readonly Nexthop[]): boolean {
  return a.length === b.length && includesAll(a, b);
}
