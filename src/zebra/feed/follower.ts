// One follower: it is told the state of each object that changed, when it has room, and is never waited for.
//
//   asked ─▶ beginning ─▶ telling ─────▶ ending ─▶ following
//            REPLAY_BEGIN  everything    REPLAY_END  what changes
//
// What is told is what is true when its turn comes, so however much happens while it is slow, what waits is a bit per prefix.
// At most `credit` contexts are with it at a time, and one of an object: an answer that there was no room (EAGAIN) lets
// nothing overtake. Nexthop objects go first; what keeps routes from naming one that it has not is in told-objects.ts.
import { AF_INET, formatPrefix } from '../../net/index.ts';
import { withEncap } from '../nexthop/encap.ts';
import { blackholeType } from '../nexthop/object.ts';
import { OBJECTS_FROM } from '../nexthop/objects.ts';
import type { ObjectBook } from '../nexthop/object-book.ts';
import type { NexthopSet, NexthopSets } from '../nexthop/set.ts';
import { type FollowerPlane, type KernelPath, type Plane, roomOf, RTN_UNICAST } from '../plane.ts';
import { KERNEL_METRIC } from '../rib/parts.ts';
import { IN_FLIGHT, type RibTable } from '../rib/table.ts';
import { ROUTE_KERNEL } from '../route-type.ts';
import { type LabelBook, ToldLabels } from './told-labels.ts';
import { ToldObjects } from './told-objects.ts';
import { stateOf, SYSTEM, ToldRoutes, WALKING } from './told-routes.ts';

export const EAGAIN = 11;
const RTPROT_KERNEL = 2;
/** One that had no room is asked again after this long, or when it has answered something else. */
const PAUSE_MS = 20;
const CREDIT = 256;

export interface FollowerHost {
  readonly plane: Plane;
  readonly sets: NexthopSets;
  readonly book: ObjectBook;
  readonly labels: LabelBook;
  readonly tables: readonly RibTable[];
  /** There is something to tell. */
  wake(): void;
  later(ms: number, fn: () => void): void;
  /** Nothing is to be said of the destination any more. */
  released(t: RibTable, id: number): void;
}

/** For `show`. */
export interface FollowerState {
  /** Its provider's number. */
  readonly follower: number;
  readonly state: string;
  readonly routes: number;
  readonly nexthops: number;
  readonly labels: number;
  /** Contexts that it answered, ever; that it has not yet; and objects that wait to be told. */
  readonly told: number;
  readonly outstanding: number;
  readonly dirty: number;
  readonly replays: number;
  /** Answers that there was no room. */
  readonly refusals: number;
  /** Other errors, by errno. */
  readonly failures: Readonly<Record<string, number>>;
  readonly lastFailure: { readonly what: string; readonly errno: number } | undefined;
}

export class Follower {
  readonly id: number;
  /** Tells its answers from those of an earlier one of the same number. */
  readonly incarnation: number;
  readonly #host: FollowerHost;
  readonly #plane: FollowerPlane;
  readonly #credit: number;
  readonly #objects: ToldObjects;
  readonly #labels: ToldLabels;
  /** By the table's index. */
  readonly #routes: ToldRoutes[] = [];
  #state: 'asked' | 'beginning' | 'telling' | 'ending' | 'following' = 'asked';
  #outstanding = 0;
  #told = 0;
  #replays = 0;
  #refusals = 0;
  #paused = false;
  readonly #failures: Map<number, number> = new Map();
  #lastFailure: { what: string; errno: number } | undefined = undefined;

  constructor(id: number, incarnation: number, plane: FollowerPlane, host: FollowerHost) {
    this.id = id;
    this.incarnation = incarnation;
    this.#plane = plane;
    this.#host = host;
    this.#credit = host.plane.followerCredit ?? CREDIT;
    this.#labels = new ToldLabels(host.labels, plane, incarnation, contexts => this.#take(contexts));
    this.#objects = new ToldObjects(
      host.book,
      plane,
      incarnation,
      contexts => this.#take(contexts),
      () => {
        for (const routes of this.#routes) routes.objectCame();
      },
    );
  }

  // What is to be told -----------------------------------------------------------------------------------------------------

  /** It asks for everything, from nothing. */
  replay(): void {
    this.#state = 'asked';
    this.#replays++;
    this.#host.wake();
  }

  touch(t: RibTable, id: number): void {
    if (this.#routesOf(t).touch(id)) this.#host.wake();
  }

  objectChanged(id: number): void {
    this.#objects.touch(id);
    this.#host.wake();
  }

  labelChanged(label: number): void {
    this.#labels.touch(label);
    this.#host.wake();
  }

  needs(t: RibTable, id: number): boolean {
    return this.#routesOf(t).needs(id);
  }

  /** Prefixes that stay for its sake. */
  *needed(): Generator<[RibTable, number], void, undefined> {
    for (const routes of this.#routes) for (const id of routes.needed()) yield [routes.table, id];
  }

  #routesOf(t: RibTable): ToldRoutes {
    while (this.#routes.length <= t.index) this.#routes.push(new ToldRoutes(this.#host.tables[this.#routes.length]!));
    return this.#routes[t.index]!;
  }

  // Telling ------------------------------------------------------------------------------------------------------------------

  /** Tells what it has room for. True: there is more, and only time was short. */
  run(shouldYield: () => boolean): boolean {
    if (this.#paused || this.#state === 'beginning') return false;
    if (this.#state === 'asked') {
      // What it was told before must be answered, or it could come after the beginning.
      if (this.#outstanding > 0 || !this.#take(1)) return false;
      this.#plane.replayBegin(this.incarnation);
      this.#state = 'beginning';
      return false;
    }
    if (!this.#objects.send() || !this.#objects.settled || !this.#labels.send()) return false;
    let count = 0;
    for (const routes of this.#routes) {
      while (this.#hasRoom(1)) {
        const id = routes.next();
        if (id === -1) break;
        if (id !== WALKING && !this.#tell(routes, id)) return false;
        if ((++count & 63) === 0 && shouldYield()) return true;
      }
    }
    if (this.#state === 'telling' && this.#nothingOwed() && this.#take(1)) {
      this.#plane.replayEnd(this.incarnation);
      this.#state = 'ending';
    }
    return false;
  }

  #nothingOwed(): boolean {
    return (
      this.#objects.dirty === 0 &&
      this.#labels.settled &&
      this.#routes.every(routes => !routes.walking && routes.owed === 0)
    );
  }

  #hasRoom(contexts: number): boolean {
    return this.#outstanding < this.#credit && this.#plane.room() >= contexts;
  }

  #take(contexts: number): boolean {
    if (!this.#hasRoom(contexts)) return false;
    this.#outstanding++;
    return true;
  }

  /** False: no room. */
  #tell(routes: ToldRoutes, id: number): boolean {
    const { table: t } = routes;
    // While a change is on its way nobody knows: the result brings it back.
    if (!routes.free(id) || (t.state[id]! & IN_FLIGHT) !== 0) return true;
    const state = stateOf(t, id);
    if (state === SYSTEM) return this.#tellSystem(routes, id);
    if (state === 0 && routes.told(id) !== 0) this.#tellDeletion(routes, id);
    else if (state !== 0) {
      const list = this.#host.book.lists.get(state);
      if (list !== undefined) {
        return this.#tellPaths(routes, id, t.kernelProtocol[id]!, RTN_UNICAST, KERNEL_METRIC, list.paths);
      }
      if (state < OBJECTS_FROM || this.#objects.usable(state)) this.#tellRoute(routes, id, state);
      else routes.awaits(id);
    } else {
      routes.passed(id);
      if (!routes.needs(id)) this.#host.released(t, id);
    }
    return true;
  }

  #tellDeletion(routes: ToldRoutes, id: number): void {
    const { table: t } = routes;
    const { prefixes } = t;
    this.#outstanding++;
    routes.sent(id);
    const v4 = t.family === AF_INET;
    this.#plane.routeDelete(
      id,
      (t.index << 16) | this.incarnation,
      t.kernelTable,
      t.family,
      prefixes.w0[id]!,
      v4 ? 0 : prefixes.w1[id]!,
      v4 ? 0 : prefixes.w2[id]!,
      v4 ? 0 : prefixes.w3[id]!,
      prefixes.length[id]!,
      0, // whoever's, of whatever metric
      0,
      0,
    );
  }

  #tellRoute(routes: ToldRoutes, id: number, state: number): void {
    const { table: t } = routes;
    const { prefixes } = t;
    this.#outstanding++;
    routes.sent(id);
    const object = state >= OBJECTS_FROM;
    if (object) this.#objects.use(state);
    const v4 = t.family === AF_INET;
    this.#plane.routeInstall(
      id,
      (t.index << 16) | this.incarnation,
      t.kernelTable,
      t.family,
      prefixes.w0[id]!,
      v4 ? 0 : prefixes.w1[id]!,
      v4 ? 0 : prefixes.w2[id]!,
      v4 ? 0 : prefixes.w3[id]!,
      prefixes.length[id]!,
      t.kernelProtocol[id]!,
      object ? RTN_UNICAST : state,
      object ? state : 0,
      KERNEL_METRIC,
      0,
    );
  }

  /** False: no room for all its paths. */
  #tellSystem(routes: ToldRoutes, id: number): boolean {
    const { table: t } = routes;
    const row = t.selected[id]!;
    const set = this.#host.sets.get(t.set[row]!);
    const type = set.blackhole === 0 ? RTN_UNICAST : blackholeType(set.blackhole);
    const metric = t.type[row] === ROUTE_KERNEL ? ((t.distance[row]! << 24) | t.metric[row]!) >>> 0 : 0;
    return this.#tellPaths(routes, id, RTPROT_KERNEL, type, metric, systemPaths(set));
  }

  /** False: no room for all of them. */
  #tellPaths(
    routes: ToldRoutes,
    id: number,
    protocol: number,
    type: number,
    metric: number,
    paths: readonly KernelPath[],
  ): boolean {
    const { table: t } = routes;
    if (this.#plane.room() < roomOf(paths)) {
      routes.touch(id);
      return false;
    }
    this.#outstanding++;
    routes.sent(id);
    const [w0, w1, w2, w3] = t.prefixes.words(id);
    this.#plane.routeWithPaths(
      id,
      (t.index << 16) | this.incarnation,
      t.kernelTable,
      t.family,
      w0,
      w1,
      w2,
      w3,
      t.prefixes.length[id]!,
      protocol,
      type,
      metric,
      paths,
      0,
      0,
    );
    return true;
  }

  // Its answers --------------------------------------------------------------------------------------------------------------

  routeTold(t: RibTable, id: number, errno: number, type: number, nexthopId: number): void {
    const routes = this.#routesOf(t);
    const before = routes.told(id);
    const refused = this.#answer(errno, () => formatPrefix(t.prefixes.prefix(id)));
    if (refused) routes.refused(id);
    else routes.answered(id, nexthopId !== 0 ? nexthopId : type);
    const left = refused ? nexthopId : before;
    if (left >= OBJECTS_FROM) this.#objects.unuse(left);
    if (!routes.needs(id)) this.#host.released(t, id);
  }

  nexthopTold(id: number, errno: number): void {
    this.#objects.answered(
      id,
      this.#answer(errno, () => `nexthop ${id}`),
    );
  }

  labelTold(label: number, errno: number): void {
    this.#labels.answered(
      label,
      this.#answer(errno, () => `label ${label}`),
    );
  }

  replayTold(errno: number): void {
    const refused = this.#answer(errno, () => 'replay');
    if (this.#state === 'beginning') {
      if (refused) this.#state = 'asked';
      else this.#start();
    } else if (this.#state === 'ending') this.#state = refused ? 'telling' : 'following';
  }

  #start(): void {
    this.#state = 'telling';
    this.#objects.replay();
    this.#labels.replay();
    for (const t of this.#host.tables) this.#routesOf(t).replay();
  }

  /** Whether it had no room. */
  #answer(errno: number, what: () => string): boolean {
    this.#outstanding--;
    if (errno !== EAGAIN) {
      this.#paused = false;
      this.#told++;
      if (errno !== 0) {
        this.#failures.set(errno, (this.#failures.get(errno) ?? 0) + 1);
        this.#lastFailure = { what: what(), errno };
      }
      return false;
    }
    this.#refusals++;
    if (!this.#paused) {
      this.#paused = true;
      this.#host.later(PAUSE_MS, () => {
        this.#paused = false;
        this.#host.wake();
      });
    }
    return true;
  }

  get state(): FollowerState {
    const routes = this.#routes;
    return {
      follower: this.id,
      state: this.#state,
      routes: routes.reduce((sum, one) => sum + one.count, 0),
      nexthops: this.#objects.count,
      labels: this.#labels.count,
      told: this.#told,
      outstanding: this.#outstanding,
      dirty: routes.reduce((sum, one) => sum + one.dirty, this.#objects.dirty + this.#labels.dirty),
      replays: this.#replays,
      refusals: this.#refusals,
      failures: Object.fromEntries(this.#failures),
      lastFailure: this.#lastFailure,
    };
  }
}

/** A kernel's route goes as the kernel said, a connected one through its interface; a blackhole has no path. */
function systemPaths(set: NexthopSet): KernelPath[] {
  if (set.blackhole !== 0) return [];
  return set.members.map(member => ({
    gatewayFamily: member.gatewayFamily,
    gateway: member.gateway,
    ifindex: member.ifindex,
    blackhole: false,
    onlink: false,
    weight: Math.max(1, member.weight),
    ...withEncap(member.encap),
  }));
}
