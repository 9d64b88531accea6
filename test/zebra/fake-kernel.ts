// A model of what the kernel does with zebra's requests, for tests: a queue of requests that is worked off when the test says
// so, silent deletions (a device that goes down takes nexthop objects, groups and IPv4 routes along), refusals, and
// notifications in one order with the results.
import { OBJECTS_FROM } from '../../src/zebra/nexthop/objects.ts';
import { NO_DETAIL } from '../../src/dataplane/index.ts';
import { AF_INET, type AddressWords, type Family } from '../../src/net/index.ts';
import type {
  AddressFacts,
  FollowerEvents,
  FollowerPlane,
  GroupMember,
  KernelPath,
  LinkFacts,
  Plane,
  PlaneEvents,
} from '../../src/zebra/plane.ts';
import { KIND_LABEL, KINDS } from '../../src/zebra/plane.ts';
import { FakeFollower, followerPlane } from './fake-follower.ts';

const MAIN_TABLE = 254;

const ENOENT = 2;
const EAGAIN = 11;
const ENODEV = 19;
const ESRCH = 3;
const EINVAL = 22;
const ENETDOWN = 100;

export interface FakeRoute {
  key: string;
  table: number;
  family: Family;
  words: AddressWords;
  length: number;
  protocol: number;
  type: number;
  nexthopId: number;
  metric: number;
  paths: readonly KernelPath[];
}

interface FakeLink {
  facts: LinkFacts;
  up: boolean;
}

type Event = (events: PlaneEvents) => void;

export class FakeKernel implements Plane {
  capacity: number;
  readonly routes: Map<string, FakeRoute> = new Map();
  readonly nexthops: Map<number, { family: Family; path: KernelPath }> = new Map();
  readonly groups: Map<number, GroupMember[]> = new Map();
  /** MPLS labels, whoever's. */
  readonly labels: Map<number, { protocol: number; paths: readonly KernelPath[] }> = new Map();
  /** As the sysctl of this name: labels from here on are refused. */
  platformLabels = 1_048_576;
  labelMessages = 0;
  readonly links: Map<number, FakeLink> = new Map();
  readonly addresses: AddressFacts[] = [];
  /** What is done with zebra's own changes of addresses. */
  address?: NonNullable<Plane['address']>;
  readonly #requests: (() => void)[] = [];
  /** Those for followers alone, which do not wait for the others. */
  readonly #targeted: (() => void)[] = [];
  readonly #up: Event[] = [];
  readonly followers: Map<number, FakeFollower> = new Map();
  readonly followerCredit = 12;
  /** Requests not answered yet, or whose answer was not read yet. */
  #inFlight = 0;
  /** Messages that created, replaced or deleted something. */
  routeMessages = 0;
  nexthopMessages = 0;
  /** Gives an errno to refuse a route with, or 0. */
  refuse: () => number = () => 0;
  /** Events are thrown away (an overrun), to be followed by a resynchronisation. */
  deaf = false;

  constructor(capacity = 64) {
    this.capacity = capacity;
  }

  // Plane -----------------------------------------------------------------------------------------------------------

  room(): number {
    return this.capacity - this.#inFlight;
  }

  #request(run: () => Event, contexts = 1): void {
    if (this.room() < contexts) throw new Error('no room');
    this.#inFlight += contexts;
    this.#requests.push(() => {
      const result = run();
      this.#up.push(events => {
        this.#inFlight -= contexts;
        result(events);
      });
    });
  }

  routeInstall(
    object: number,
    generation: number,
    table: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    type: number,
    nexthopId: number,
    metric: number,
    have: number,
  ): void {
    this.#request(() => {
      this.routeMessages++;
      let errno = this.refuse();
      if (errno === 0 && type === 1 && !this.groups.has(nexthopId)) errno = EINVAL;
      if (errno === 0) {
        const key = routeKey(family, [w0, w1, w2, w3], length, metric, table);
        this.routes.set(key, {
          key,
          table,
          family,
          words: [w0, w1, w2, w3],
          length,
          protocol,
          type,
          nexthopId,
          metric,
          paths: [],
        });
      }
      return events => events.routeInstalled(object, generation, errno, protocol, type, nexthopId, objectOf(have));
    });
  }

  routeWithPaths(
    object: number,
    generation: number,
    table: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    type: number,
    metric: number,
    paths: readonly KernelPath[],
    name: number,
  ): void {
    this.#request(() => {
      this.routeMessages++;
      let errno = this.refuse();
      if (errno === 0 && !paths.every(path => this.links.get(path.ifindex)?.up ?? false)) errno = ENETDOWN;
      if (errno === 0) {
        const words = [w0, w1, w2, w3] as const;
        const key = routeKey(family, words, length, metric, table);
        this.routes.set(key, { key, table, family, words, length, protocol, type, nexthopId: 0, metric, paths });
      }
      return events => events.routeInstalled(object, generation, errno, protocol, type, name, 0);
    }, paths.length);
  }

  routeDelete(
    object: number,
    generation: number,
    table: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    metric: number,
    have: number,
  ): void {
    this.#request(() => {
      this.routeMessages++;
      const key = routeKey(family, [w0, w1, w2, w3], length, metric, table);
      const there = this.routes.get(key);
      let errno = this.refuse();
      if (errno === 0) {
        if (there === undefined || there.protocol !== protocol) errno = ESRCH;
        else this.routes.delete(key);
      }
      return events => events.routeDeleted(object, generation, errno, objectOf(have));
    });
  }

  nexthopInstall(id: number, generation: number, family: Family, path: KernelPath): void {
    this.#request(() => {
      this.nexthopMessages++;
      const errno = !path.blackhole && !(this.links.get(path.ifindex)?.up ?? false) ? ENETDOWN : 0;
      if (errno === 0) this.nexthops.set(id, { family, path });
      return events => events.nexthopInstalled(id, generation, errno);
    });
  }

  groupInstall(id: number, generation: number, members: readonly GroupMember[]): void {
    this.#request(() => {
      this.nexthopMessages++;
      const unique = new Set(members.map(one => one.id)).size === members.length;
      const errno = unique && members.length > 0 && members.every(one => this.nexthops.has(one.id)) ? 0 : EINVAL;
      if (errno === 0) this.groups.set(id, [...members]);
      return events => events.nexthopInstalled(id, generation, errno);
    });
  }

  nexthopDelete(id: number, generation: number): void {
    this.#request(() => {
      this.nexthopMessages++;
      let errno = 0;
      if (this.groups.has(id)) this.#dropGroup(id, true);
      else if (this.nexthops.has(id)) this.#dropNexthop(id, true);
      else errno = ENOENT;
      return events => events.nexthopDeleted(id, generation, errno);
    });
  }

  labelInstall(label: number, generation: number, protocol: number, paths: readonly KernelPath[]): void {
    this.#request(() => {
      this.labelMessages++;
      let errno = this.refuse();
      if (errno === 0 && label >= this.platformLabels) errno = EINVAL;
      if (errno === 0 && !paths.every(path => this.links.has(path.ifindex))) errno = ENODEV;
      if (errno === 0) this.labels.set(label, { protocol, paths });
      return events => events.labelAnswered(label, generation, errno);
    }, paths.length);
  }

  labelDelete(label: number, generation: number): void {
    this.#request(() => {
      this.labelMessages++;
      const errno = this.refuse();
      if (errno === 0) this.labels.delete(label);
      return events => events.labelAnswered(label, generation, errno);
    });
  }

  readonly follower = (number: number): FollowerPlane =>
    followerPlane(
      () => this.room(),
      (change, told) => {
        if (this.room() <= 0) throw new Error('no room');
        this.#inFlight++;
        const answer = (errno: number): void =>
          void this.#up.push(events => {
            this.#inFlight--;
            told(events.followers, number, errno);
          });
        this.#targeted.push(() => {
          const one = this.followers.get(number);
          if (one === undefined) answer(ENODEV);
          else if (!one.enter(change, answer)) answer(EAGAIN);
        });
      },
    );

  flush(): void {}

  requestResync(kinds: number): void {
    this.#requests.push(() => {
      this.deaf = false;
      for (const kind of KINDS) if ((kinds & kind) !== 0) this.#dump(kind);
    });
  }

  poll(events: PlaneEvents, max: number): number {
    let count = 0;
    while (count < max) {
      const event = this.#up.shift();
      if (event === undefined) break;
      event(events);
      count++;
    }
    return count;
  }

  // What the test does ------------------------------------------------------------------------------------------------

  /** Works off up to `count` requests. */
  serve(count: number = Number.POSITIVE_INFINITY): number {
    let done = 0;
    while (done < count) {
      const request = this.#requests.shift();
      if (request === undefined) break;
      request();
      done++;
    }
    return done;
  }

  /** Hands followers what is for them. */
  handOver(count: number = Number.POSITIVE_INFINITY): number {
    const requests = this.#targeted.splice(0, count);
    for (const request of requests) request();
    return requests.length;
  }

  get busy(): boolean {
    return this.#requests.length > 0 || this.#targeted.length > 0 || this.#up.length > 0;
  }

  get pendingEvents(): number {
    return this.#up.length;
  }

  notify(event: Event): void {
    if (!this.deaf) this.#up.push(event);
  }

  addLink(ifindex: number, name: string, up: boolean, more: Partial<LinkFacts> = {}): void {
    const facts = { ...linkFacts(ifindex, name, up), ...more };
    this.links.set(ifindex, { facts, up });
    this.notify(events => events.link(facts));
  }

  setLink(ifindex: number, up: boolean): void {
    const link = this.links.get(ifindex)!;
    if (link.up === up) return;
    link.up = up;
    link.facts = { ...link.facts, flags: linkFacts(ifindex, '', up).flags };
    if (!up) {
      for (const [id, one] of Array.from(this.nexthops)) if (one.path.ifindex === ifindex) this.#dropNexthop(id, false);
      for (const [key, route] of Array.from(this.routes)) {
        // One of several paths only dies, and lives again with its device.
        const through = route.paths.filter(path => path.ifindex === ifindex);
        if (route.family !== AF_INET || route.nexthopId !== 0 || through.length === 0) continue;
        if (route.paths.every(path => !(this.links.get(path.ifindex)?.up ?? false))) this.routes.delete(key);
      }
    }
    const facts = link.facts;
    this.notify(events => events.link(facts));
  }

  /** Another name, another master; a port that moves goes down and up for it. */
  changeLink(ifindex: number, more: Partial<LinkFacts>): void {
    const link = this.links.get(ifindex)!;
    if (more.master !== undefined) this.setLink(ifindex, false);
    const facts = { ...link.facts, ...more };
    link.facts = facts;
    this.notify(events => events.link(facts));
    if (more.master !== undefined) this.setLink(ifindex, true);
  }

  /** A device goes; its ports have no master then. */
  removeLink(ifindex: number): void {
    for (const { facts } of Array.from(this.links.values()))
      if (facts.master === ifindex) this.changeLink(facts.ifindex, { master: 0 });
    this.setLink(ifindex, false);
    this.links.delete(ifindex);
    for (const [label, { protocol, paths }] of Array.from(this.labels)) {
      const left = paths.filter(path => path.ifindex !== ifindex);
      // What goes altogether is told; of what only loses a path nothing is said.
      if (left.length === 0) this.deleteLabel(label);
      else this.labels.set(label, { protocol, paths: left });
    }
    this.notify(events => events.linkGone(ifindex));
  }

  addAddress(ifindex: number, family: Family, local: AddressWords, length: number): void {
    const facts: AddressFacts = { ifindex, family, local, peer: local, length, flags: 0, label: '' };
    this.addresses.push(facts);
    this.notify(events => events.address(facts));
  }

  removeAddress(at: number): void {
    const [facts] = this.addresses.splice(at, 1);
    if (facts) this.notify(events => events.addressGone(facts));
  }

  /** `ip route del` of a route of anybody's. */
  deleteRoute(key: string): void {
    const route = this.routes.get(key);
    if (route === undefined) return;
    this.routes.delete(key);
    this.notify(events =>
      events.routeGone(
        route.table,
        route.family,
        ...route.words,
        ...([route.length, route.protocol, route.type, route.metric, () => route.paths] as const),
      ),
    );
  }

  /** `ip nexthop del`: told, but not the IPv4 routes that go with it. */
  deleteNexthop(id: number): void {
    if (this.groups.has(id)) {
      this.#dropGroup(id, false);
      this.notify(events => events.nexthopGone(id));
    } else if (this.nexthops.has(id)) {
      this.#dropNexthop(id, false);
      this.notify(events => events.nexthopGone(id));
    }
  }

  /** `ip -f mpls route del`, by anybody. */
  deleteLabel(label: number): void {
    if (this.labels.delete(label)) this.notify(events => events.labelGone(label));
  }

  /** `ip -f mpls route replace`, by anybody. */
  writeLabel(label: number, protocol: number, paths: readonly KernelPath[]): void {
    this.labels.set(label, { protocol, paths });
    this.notify(events => events.label(label, protocol, () => paths));
  }

  /** A route of somebody else: `ip route replace`, or `ip route add`, which is refused where there is one of this metric. */
  foreignRoute(
    family: Family,
    words: AddressWords,
    length: number,
    metric: number,
    paths: readonly KernelPath[],
    replaces = true,
  ): void {
    const key = routeKey(family, words, length, metric);
    if (!replaces && this.routes.has(key)) return;
    const route: FakeRoute = {
      key,
      table: MAIN_TABLE,
      family,
      words,
      length,
      protocol: 4,
      type: 1,
      nexthopId: 0,
      metric,
      paths,
    };
    this.routes.set(key, route);
    this.notify(events => this.#tell(events, route, replaces));
  }

  /** A follower comes, or comes again under the same number. */
  follow(number: number): FakeFollower {
    const tell = (what: (events: FollowerEvents) => void): void => void this.#up.push(events => what(events.followers));
    const one = new FakeFollower(() => tell(events => events.replay(number)));
    this.followers.set(number, one);
    one.replay();
    return one;
  }

  /** It goes; what it held fails. */
  unfollow(number: number): void {
    this.followers.get(number)?.end();
    this.followers.delete(number);
    this.#up.push(events => events.followers.gone(number));
  }

  ours(): FakeRoute[] {
    return [...this.routes.values()].filter(route => route.protocol !== 4);
  }

  /** The paths that a route of ours really has. */
  pathsOf(route: FakeRoute): string[] {
    if (route.type !== 1) return [`type ${route.type}`];
    const members = this.groups.get(route.nexthopId) ?? [];
    const paths = route.nexthopId === 0 ? route.paths : members.map(member => this.nexthops.get(member.id)!.path);
    return paths
      .map(path => {
        return path.blackhole ? 'blackhole' : `${path.gateway.join('.')}/${path.gatewayFamily}%${path.ifindex}`;
      })
      .toSorted();
  }

  #tell(events: PlaneEvents, route: FakeRoute, replaces = true): void {
    events.route(
      route.table,
      route.family,
      ...route.words,
      route.length,
      route.protocol,
      route.type,
      route.metric,
      route.nexthopId,
      () => route.paths,
      replaces,
    );
  }

  #dropNexthop(id: number, quiet: boolean): void {
    this.nexthops.delete(id);
    for (const [group, members] of Array.from(this.groups)) {
      const left = members.filter(member => member.id !== id);
      if (left.length === members.length) continue;
      if (left.length === 0) this.#dropGroup(group, quiet);
      else this.groups.set(group, left);
    }
  }

  #dropGroup(id: number, _quiet: boolean): void {
    this.groups.delete(id);
    for (const [key, route] of Array.from(this.routes)) {
      if (route.nexthopId !== id) continue;
      this.routes.delete(key);
      if (route.family !== AF_INET) {
        this.notify(events =>
          events.routeGone(
            route.table,
            route.family,
            ...route.words,
            ...([route.length, route.protocol, route.type, route.metric, () => route.paths] as const),
          ),
        );
      }
    }
  }

  #dump(kind: number): void {
    this.#up.push(events => events.dumpBegin(kind));
    if (kind === 1) for (const link of this.links.values()) this.#push(link.facts, (events, one) => events.link(one));
    if (kind === 2) for (const one of this.addresses) this.#push(one, (events, facts) => events.address(facts));
    if (kind === 4) {
      for (const [id, one] of this.nexthops) {
        this.#up.push(events => events.nexthop(id, 11, one.family, one.path, []));
      }
      for (const [id, members] of this.groups) {
        const copy = [...members];
        this.#up.push(events => events.nexthop(id, 11, AF_INET, undefined, copy));
      }
    }
    if (kind === 8)
      for (const route of Array.from(this.routes.values())) this.#up.push(events => this.#tell(events, route));
    if (kind === KIND_LABEL) {
      for (const [label, { protocol, paths }] of this.labels) {
        this.#up.push(events => events.label(label, protocol, () => paths));
      }
    }
    this.#up.push(events => events.dumpEnd(kind));
  }

  #push<T>(value: T, tell: (events: PlaneEvents, value: T) => void): void {
    this.#up.push(events => tell(events, value));
  }
}

/** Of what a route was, the nexthop object. */
function objectOf(have: number): number {
  return have < OBJECTS_FROM ? 0 : have;
}

export function routeKey(
  family: Family,
  words: AddressWords,
  length: number,
  metric: number,
  table: number = MAIN_TABLE,
): string {
  return `${family}:${words.join('.')}/${length}#${metric}${table === MAIN_TABLE ? '' : ` table ${table}`}`;
}

function linkFacts(ifindex: number, name: string, up: boolean): LinkFacts {
  return {
    ifindex,
    name,
    flags: up ? 0x1 | 0x40 | 0x10000 | 0x1000 | 0x2 : 0x2 | 0x1000,
    mtu: 1500,
    mac: new Uint8Array([2, 0, 0, 0, 0, ifindex]),
    hardwareType: 1,
    link: 0,
    master: 0,
    detail: NO_DETAIL,
  };
}
