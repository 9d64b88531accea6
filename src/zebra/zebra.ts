// Zebra as one object: tables, interfaces, next hops and the plane, wired to each other. It has no loop of its own: whoever
// owns it calls `receive` when the plane has something, `process` when `wake` asked for it, and the timers' functions when
// their time comes (thread.ts does; tests do it by hand).
//
//   plane ──▶ receive ──▶ interfaces, objects, rib (mark dirty)
//   clients, configuration ──▶ rib (mark dirty), nexthops
//   process: resolver ─▶ walks ─▶ urgent destinations ─▶ the others ─▶ doomed objects ─▶ flush
import { inNetworkNamespace } from '../sys/index.ts';
import { AF_INET, AF_INET6, type AddressWords, type Family } from '../net/index.ts';
import type {
  InterfacesFace,
  NexthopsFace,
  NhtFace,
  OwnerOptions,
  Owner,
  RedistributionFeed,
  RouteNotes,
  VrfsFace,
  ZebraFace,
} from './face.ts';
import { setLabelInput } from './forwarding.ts';
import { Followers, type FollowersHost } from './feed/followers.ts';
import { InterfaceConfig } from './interface/config.ts';
import { ConnectedRoutes } from './interface/connected.ts';
import { IFF_UP, type Interface, Interfaces } from './interface/interfaces.ts';
import { RouterId } from './interface/router-id.ts';
import { NexthopObjects } from './nexthop/objects.ts';
import { Mpls } from './mpls/mpls.ts';
import type { Namespaces } from './namespace/namespaces.ts';
import type { Zebras } from './namespace/zebras.ts';
import { Resolver } from './nexthop/resolver.ts';
import { NexthopSets, SetIds } from './nexthop/set.ts';
import {
  KIND_ADDRESS,
  KIND_ALL,
  KIND_LABEL,
  KIND_LINK,
  KIND_NEXTHOP,
  KIND_ROUTE,
  type KernelPath,
  type Plane,
  type PlaneEvents,
  RTN_BLACKHOLE,
  RTN_PROHIBIT,
  RTN_UNICAST,
  RTN_UNREACHABLE,
} from './plane.ts';
import type { Keeps } from './rib/earlier-life.ts';
import { Feed } from './rib/redistribution.ts';
import type { RibWatcher } from './rib/parts.ts';
import { Rib } from './rib/rib.ts';
import { isOwnProtocol, kernelProtocol } from './route-type.ts';
import type { ZapiServer } from './server/index.ts';
import { Locators } from './srv6/locators.ts';
import { AllStatics, type StaticPlace, type StaticRoutes } from './static.ts';
import { DEFAULT_VRF, type Vrf, Vrfs } from './vrf.ts';

const RTPROT_REDIRECT = 1;
const RTPROT_KERNEL = 2;

export interface ZebraHooks {
  /** Call `process` soon. */
  wake(): void;
  /** What comes when nothing is under way may wait so long for more, so that `wake` may come later. */
  hold?(ms: number): void;
  /** Call `followers.run` soon. */
  wakeFeed?(): void;
  /** Call `fn` after that many milliseconds, once. */
  later(ms: number, fn: () => void): void;
  /** Seconds of a clock that never goes back. */
  nowS(): number;
  /**
   * Destinations that may wait for the dataplane before clients are asked to wait; a million unless told. One costs four
   * bytes of a queue beside its row in the table, and whoever is read while the kernel is busy need not be read afterwards.
   */
  readonly mostWaiting?: number;
  /** Says what an operator should know. */
  log?(text: string): void;
}

/** Which part of the machine it is the zebra of: the network namespace that we are in, unless told. */
export interface ZebraPlace {
  /** The VRF of all that is no port of a VRF's device. */
  readonly vrf?: Vrf;
  /** Devices of the kind are VRFs; true unless told. */
  readonly devices?: boolean;
  /** Shared by all zebras of the machine. */
  readonly setIds?: SetIds;
}

export interface OwnerState {
  readonly id: Owner;
  readonly options: OwnerOptions;
  readonly since: number;
  notify: boolean;
  /** Whether it has said that it announces everything again, and that it has done so. */
  restoring: 'unsaid' | 'pending' | 'complete';
  /** Families in which it may count on routes of an earlier life: those that it did not announce again in time. */
  readonly keeps: Set<Family>;
}

const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 30_000;
const POLL_AT_ONCE = 512;
const MOST_WAITING = 1 << 20;

export class Zebra implements ZebraFace, PlaneEvents {
  readonly plane: Plane;
  readonly interfaces: Interfaces & InterfacesFace;
  readonly vrfs: Vrfs;
  readonly sets: NexthopSets;
  readonly objects: NexthopObjects;
  readonly rib: Rib;
  readonly routerId: RouterId;
  readonly resolver: Resolver;
  readonly nht: NhtFace;
  readonly nexthops: NexthopsFace;
  readonly mpls: Mpls;
  readonly connected: ConnectedRoutes;
  /** Lines of its interfaces; those of a VRF that is another network namespace are its zebra's (Zebras). */
  interfaceConfig: InterfaceConfig = new InterfaceConfig();
  readonly statics: AllStatics = new AllStatics(name => (this.zebras ?? this).placeOf(name));
  readonly followers: Followers;
  readonly locators: Locators = new Locators();
  /** Of packets encapsulated by SRv6, as configured; undefined: the kernel chooses. */
  #srv6Source: AddressWords | undefined;
  readonly owners: Map<Owner, OwnerState> = new Map();
  /** Owners that went and whose routes are kept for a while: what ends that. */
  readonly #departed: Map<Owner, () => void> = new Map();
  /** Who speaks to clients, for the commands that show it. */
  server: ZapiServer | undefined = undefined;
  /** Where VRFs are network namespaces: this one's zebra, and theirs. */
  zebras: Zebras | undefined = undefined;
  namespaces: Namespaces | undefined = undefined;
  /** Names of VRFs that there are lines of. */
  readonly vrfLines: Set<string> = new Set();
  readonly startedS: number;

  readonly #hooks: ZebraHooks;
  /** Feeds of clients, and the followers while there are any. */
  readonly #watchers: RibWatcher[] = [];
  readonly #feedsByOwner: Map<Owner, Feed[]> = new Map();
  readonly #relief: Set<() => void> = new Set();
  readonly #readyListeners: (() => void)[] = [];
  /** Interfaces whose lines have been put into force, and under which name. */
  readonly #configured: Map<number, string> = new Map();
  #notes: RouteNotes | undefined;
  #nextOwner = 1;
  #waiting: number = KIND_ALL;
  #dumping = 0;
  readonly #mostWaiting: number;
  #congested = false;
  #retryMs = RETRY_FIRST_MS;
  #retryArmed = false;
  #stopping = false;
  readonly #nexthopObjects = { kernel: true, protocolsOnly: false };
  /** Tables of VRFs that local SIDs wait for, and that was said. */
  readonly #vrfTablesMissed: Set<number> = new Set();
  /** There was a route of somebody else that names a nexthop object. */
  #throughObjects = false;
  /** Objects of ours that somebody else's route or group named. */
  readonly #borrowed: Set<number> = new Set();
  resyncs = 0;

  constructor(plane: Plane, hooks: ZebraHooks, place: ZebraPlace = {}) {
    const { vrf: home = DEFAULT_VRF, devices = true, setIds = new SetIds() } = place;
    this.plane = plane;
    this.#hooks = hooks;
    this.#mostWaiting = hooks.mostWaiting ?? MOST_WAITING;
    this.startedS = hooks.nowS();
    const wake = (): void => hooks.wake();
    const nowS = (): number => hooks.nowS();
    this.vrfs = new Vrfs(home, devices);
    this.interfaces = new Interfaces(() => Date.now(), home.id, devices);
    // Before all others: what they look for in a VRF is there then, and is no more when it went.
    this.interfaces.listen({
      link: one => this.vrfs.linkChanged(one),
      linkGone: one => this.vrfs.linkGone(one),
    });
    this.sets = new NexthopSets(
      {
        created: set => {
          this.objects.setCreated(set);
          this.resolver.setCreated(set);
          hooks.wake(); // so that an id nobody takes is given up
        },
        released: set => {
          this.objects.setReleased(set);
          this.resolver.setReleased(set);
        },
      },
      nowS,
      setIds,
    );
    this.objects = new NexthopObjects(plane, {
      changed: id => this.followers.objectChanged(id),
      lost: (id, perhaps) => this.rib.walks.groupLost(id, perhaps),
      revisit: (set, id) => this.rib.walks.revisit(set, id),
      retryLater: () => this.#retryLater(),
      nowS,
      later: seconds => hooks.later(seconds * 1000, wake),
      users: id => ({ count: this.rib.kernel.usersOf(id), protocol: this.rib.kernel.protocolOf(id) }),
      leaving: id => this.rib.kernel.leavingOf(id),
    });
    this.rib = new Rib(
      {
        nowS,
        wake,
        selectionChanged: (table, id) => this.resolver.destinationChanged(table, id),
        note: (owner, note, table, id, type, instance) => this.#notes?.note(owner, note, table, id, type, instance),
        retryLater: () => this.#retryLater(),
        interfaceVrf: ifindex => this.interfaces.byIndex(ifindex)?.vrf,
      },
      plane,
      this.sets,
      this.objects,
      this.#watchers,
      home.id,
    );
    this.resolver = new Resolver(
      {
        table: (vrf, family) => this.rib.table(vrf, family),
        hasVrf: vrf => this.vrfs.get(vrf) !== undefined,
        isVrfTable: table => this.#isVrfTable(table),
        setChanged: (set, activeChanged) => {
          this.objects.update(set);
          this.mpls.lsps.setChanged(set);
          if (activeChanged) this.rib.walks.revisit(set, 0);
        },
        wake,
        nowS,
        later: (ms, fn) => hooks.later(ms, fn),
      },
      this.sets,
      this.interfaces,
    );
    this.mpls = new Mpls(
      {
        plane,
        sets: this.sets,
        wake,
        retryLater: () => this.#retryLater(),
        changed: label => this.followers.labelChanged(label),
      },
      this.rib,
      this.vrfs,
      this.interfaces,
    );
    this.nht = this.resolver;
    this.nexthops = this.sets;
    this.routerId = new RouterId(this.interfaces, this.vrfs);
    this.connected = new ConnectedRoutes(this.rib, this.sets);
    this.interfaceConfig.attach(this);
    this.followers = new Followers(this.#followersHost());
    this.interfaces.listen({
      link: (one, wasUp) => this.#linkChanged(one, wasUp),
      linkGone: one => this.#linkLost(one),
      leaving: one => this.connected.leaving(one),
      joined: one => {
        this.connected.update(one);
        this.resolver.interfaceChanged(one.ifindex);
        for (const { family, local } of one.addresses) this.resolver.localChanged(one.vrf, family, local);
      },
      address: (one, address) => {
        this.connected.addressChanged(one, address);
        this.resolver.localChanged(one.vrf, address.family, address.local);
      },
      addressGone: (one, address) => {
        this.connected.addressChanged(one, address);
        this.resolver.localChanged(one.vrf, address.family, address.local);
        if (address.family === AF_INET) this.#addressLost(one);
      },
    });
    this.vrfs.listen({
      came: vrf => {
        this.rib.openVrf(vrf.id, vrf.table);
        this.#vrfTablesMissed.delete(vrf.table);
        // Somebody may have filled the table before there was a VRF that it belonged to.
        if (this.ready) this.plane.requestResync(KIND_ROUTE);
        this.resolver.vrfChanged(vrf);
        this.statics.vrfChanged(vrf.name);
        this.mpls.vrfs.came(vrf);
      },
      renamed: (vrf, before) => {
        this.mpls.vrfs.renamed(vrf);
        this.statics.vrfChanged(before);
        this.statics.vrfChanged(vrf.name);
      },
      gone: vrf => {
        this.mpls.vrfs.gone(vrf);
        this.rib.closeVrf(vrf.id);
        this.resolver.vrfChanged(vrf);
        this.statics.vrfChanged(vrf.name);
      },
    });
  }

  /** Whether a VRF device has this table, which some local SIDs need that look up there. What the kernel would refuse is not asked of it. */
  #isVrfTable(table: number): boolean {
    if (this.vrfs.list().some(vrf => vrf !== this.vrfs.default && vrf.table === table)) return true;
    if (!this.#vrfTablesMissed.has(table)) {
      this.#vrfTablesMissed.add(table);
      this.#hooks.log?.(`End.DT4 and End.DT46 SIDs of table ${table} wait: no VRF device has this table`);
    }
    return false;
  }

  #followersHost(): FollowersHost {
    const { plane, sets, rib } = this;
    const isReady = (): boolean => this.ready;
    return {
      plane,
      sets,
      book: this.objects.book,
      labels: this.mpls.lsps,
      tables: rib.tables,
      get ready() {
        return isReady();
      },
      wake: () => this.#hooks.wakeFeed?.(),
      later: (ms, fn) => this.#hooks.later(ms, fn),
      released: (t, id) => rib.settling.forgetIfIdle(t, id),
      following: on => {
        rib.kernel.watcher = on ? this.followers : undefined;
        if (on) this.#watchers.push(this.followers);
        else this.#unwatch(this.followers);
      },
    };
  }

  nowS(): number {
    return this.#hooks.nowS();
  }

  // Life ------------------------------------------------------------------------------------------------------------------

  /** Asks for the kernel's state; nothing is decided before it is known. */
  start(): void {
    this.plane.requestResync(KIND_ALL);
  }

  get ready(): boolean {
    return this.#waiting === 0;
  }

  onReady(listener: () => void): void {
    if (this.ready) listener();
    else this.#readyListeners.push(listener);
  }

  /** Takes what the plane has, a bounded amount; true when there may be more. */
  receive(): boolean {
    const count = this.plane.poll(this, POLL_AT_ONCE);
    if (count > 0) this.#relieve();
    // Room came back, or something changed: either way there may be something to decide.
    if (count > 0) {
      this.#hooks.wake();
      if (this.followers.any) this.#hooks.wakeFeed?.();
    }
    return count === POLL_AT_ONCE;
  }

  /** One slice of work; true when there is more that could be done right away. */
  process(shouldYield: () => boolean): boolean {
    if (!this.resolver.run(shouldYield)) {
      this.plane.flush();
      return true;
    }
    if (!this.mpls.lsps.run(shouldYield)) {
      this.plane.flush();
      return true;
    }
    const done = this.rib.run(shouldYield);
    let more = !done && !this.rib.blocked;
    if (done && this.resolver.idle && !this.rib.walks.walking) {
      if (!this.objects.tidy(!this.rib.earlier.swept)) more = false;
      this.sets.sweep(set => this.objects.busy(set));
    } else if (done) more = true;
    this.plane.flush();
    this.#relieve();
    return more;
  }

  /** Nothing waits, nothing is on its way. */
  get idle(): boolean {
    return (
      this.ready &&
      this.resolver.idle &&
      this.mpls.lsps.idle &&
      this.rib.dirty === 0 &&
      this.rib.settling.inFlight === 0 &&
      !this.rib.walks.walking &&
      this.objects.doomedCount === 0 &&
      this.objects.book.inFlight === 0
    );
  }

  /** Orderly stop: everything of ours leaves the kernel. Go on calling `receive` and `process` until `idle`. */
  withdraw(): void {
    this.#stopping = true;
    this.rib.walks.withdrawAll();
    this.mpls.lsps.withdraw();
    this.#hooks.wake();
  }

  /**
   * Routes of an earlier life that nobody asked for until now are removed; the time is up. But a client that is connected,
   * never said that it would announce everything again, and announced less than what it leaves unsaid, announces only what
   * is new: what it told an earlier zebra holds.
   */
  sweep(): void {
    const { earlier } = this.rib;
    if (earlier.swept) return;
    for (const family of [AF_INET, AF_INET6] as const) {
      const unspoken = earlier.unspoken(family);
      for (const { id, restoring, keeps, options } of this.owners.values()) {
        if (restoring !== 'unsaid' || options.synchronous) continue;
        if (earlier.confirmed(id, family) < unspoken[kernelProtocol(options.type)]!) keeps.add(family);
      }
    }
    earlier.sweepAll(this.#keeps);
    this.#sweepLabels();
    for (const [name, count] of this.kept) {
      this.#hooks.log?.(
        `${count} routes of an earlier life are kept: the client ${name} has announced few or none of its routes again; ` +
          "'clear zebra stale' removes them",
      );
    }
  }

  /** Routes of an earlier life that are kept, by the name of the clients that may count on them. */
  get kept(): Map<string, number> {
    return new Map(
      [...this.owners].map(([id, one]) => [one.options.name, this.keptFor(id)] as const).filter(([, n]) => n > 0),
    );
  }

  /** Removes what is kept of an earlier life, whoever may count on it. */
  sweepKept(): void {
    for (const { keeps } of this.owners.values()) keeps.clear();
    this.rib.earlier.sweepAll();
    this.#sweepLabels();
  }

  /** Labels of an earlier life stay as long as routes of the same client may. */
  #sweepLabels(only = 0): void {
    const counted = (protocol: number): boolean => this.#keeps(protocol, AF_INET) || this.#keeps(protocol, AF_INET6);
    this.mpls.lsps.sweep(protocol => (only !== 0 && protocol !== only) || counted(protocol));
  }

  /** Routes of an earlier life that are kept for an owner. */
  keptFor(owner: Owner): number {
    const state = this.owners.get(owner);
    let count = 0;
    for (const family of state?.keeps ?? []) {
      count += this.rib.earlier.unspoken(family)[kernelProtocol(state!.options.type)]!;
    }
    return count;
  }

  /** Asks the kernel for everything again, and repairs the difference. */
  reconcile(): void {
    this.resyncs++;
    this.plane.requestResync(KIND_ALL);
    this.rib.walks.recheck();
  }

  /** `zebra nexthop kernel enable`, and `zebra nexthop proto only`, which leaves objects to clients that bring their own. */
  setNexthopObjects(what: { kernel?: boolean; protocolsOnly?: boolean }): void {
    Object.assign(this.#nexthopObjects, what);
    const { kernel, protocolsOnly } = this.#nexthopObjects;
    const on = kernel && !protocolsOnly;
    if (on === this.objects.enabled) return;
    this.objects.enable(on, this.sets);
    this.rib.walks.recheck();
  }

  get srv6Source(): AddressWords | undefined {
    return this.#srv6Source;
  }

  /** `segment-routing srv6 encapsulation source-address`. */
  setSrv6Source(address: AddressWords | undefined): void {
    this.#srv6Source = address;
    this.plane.srv6Source?.(address ?? [0, 0, 0, 0]);
  }

  /** What an operator has said of how another one works goes for this one. */
  workLike(other: Zebra): void {
    Object.assign(this.resolver.viaDefault, other.resolver.viaDefault);
    this.rib.notices.othersMayDelete = other.rib.notices.othersMayDelete;
    this.setNexthopObjects(other.#nexthopObjects);
    this.keepNexthops(other.objects.keepS);
    this.routerId.take(other.routerId);
  }

  /** The static routes of the VRF of this name. */
  staticsOf(vrf: string): StaticRoutes {
    return this.statics.of(vrf);
  }

  /** Where static routes of the VRF of this name go; undefined while it is not there. */
  placeOf(name: string): StaticPlace | undefined {
    const vrf = this.vrfs.named(name);
    return vrf === undefined ? undefined : { vrf: vrf.id, rib: this.rib, sets: this.sets, interfaces: this.interfaces };
  }

  /** The zebra of a VRF: this one, unless it is a network namespace. */
  of(vrf: number): Zebra {
    return this.zebras?.of(vrf) ?? this;
  }

  /** This one, and those of network namespaces. */
  get all(): readonly Zebra[] {
    return this.zebras?.all ?? [this];
  }

  /** All VRFs. */
  get everyVrf(): VrfsFace {
    return this.zebras?.vrfs ?? this.vrfs;
  }

  /** What was configured of the VRF of this name is no more. */
  forgetVrf(name: string): void {
    this.vrfLines.delete(name);
    this.statics.forget(name);
    this.namespaces?.configure(name, undefined);
    for (const one of this.all)
      for (const family of [AF_INET, AF_INET6] as const) one.routerId.configure(name, family, undefined);
  }

  /** `zebra work-queue`: what comes when there is nothing to do waits so long for more. */
  hold(ms: number): void {
    this.#hooks.hold?.(ms);
  }

  /** `zebra nexthop-group keep`. */
  keepNexthops(seconds: number): void {
    this.objects.keep(seconds);
    this.#hooks.wake();
  }

  // Clients ---------------------------------------------------------------------------------------------------------------

  #freeOwner(): Owner {
    let id = this.#nextOwner;
    while (this.owners.has(id)) id = (id % 65_535) + 1;
    this.#nextOwner = (id % 65_535) + 1;
    return id;
  }

  /** `id`: the number that it has with another zebra. */
  addOwner(options: OwnerOptions, id: Owner = this.#freeOwner()): Owner {
    this.owners.set(id, {
      id,
      options,
      since: Date.now(),
      notify: options.notify,
      restoring: 'unsaid',
      keeps: new Set(),
    });
    this.rib.earlier.ownerCame(id);
    this.rib.notify[id] = options.notify ? 1 : 0;
    return id;
  }

  /** Those that are connected. */
  get present(): OwnerState[] {
    return [...this.owners.values()].filter(({ id }) => !this.#departed.has(id));
  }

  setNotify(owner: Owner, notify: boolean): void {
    const state = this.owners.get(owner);
    if (state === undefined) return;
    state.notify = notify;
    this.rib.notify[owner] = notify ? 1 : 0;
  }

  dropOwner(owner: Owner, retainMs = 0): void {
    const state = this.owners.get(owner);
    if (state === undefined) return;
    this.rib.notify[owner] = 0;
    this.resolver.dropOwner(owner);
    this.locators.dropOwner(owner);
    for (const feed of (this.#feedsByOwner.get(owner) ?? []).slice()) feed.close();
    this.#feedsByOwner.delete(owner);
    this.#departed.delete(owner);
    const end = (): void => {
      if (!this.owners.delete(owner)) return;
      this.#departed.delete(owner);
      this.rib.walks.dropOwner(owner);
      this.mpls.dropOwner(owner);
      if (state.keeps.size > 0) this.rib.earlier.sweep(this.#keeps);
      if (this.rib.earlier.swept) this.#sweepLabels();
    };
    if (retainMs === 0) end();
    else {
      this.#departed.set(owner, end);
      this.#hooks.later(retainMs, end);
    }
  }

  routesPending(owner: Owner): void {
    const state = this.owners.get(owner);
    if (state !== undefined) state.restoring = 'pending';
  }

  routesComplete(owner: Owner): void {
    const state = this.owners.get(owner);
    if (state === undefined) return;
    // What an earlier life of the same client left, and this one did not announce again, nobody wants any more.
    const { type, instance, session } = state.options;
    for (const [gone, end] of this.#departed) {
      const before = this.owners.get(gone)?.options;
      if (before?.type === type && before.instance === instance && before.session === session) end();
    }
    state.restoring = 'complete';
    state.keeps.clear();
    const protocol = kernelProtocol(type);
    if (protocol === 0) return;
    this.rib.earlier.sweep(this.#keeps, protocol);
    this.#sweepLabels(protocol);
  }

  /** Whether a client of this kernel protocol is here that may count on what it told an earlier zebra. */
  readonly #keeps: Keeps = (protocol, family) => {
    const inTime = !this.rib.earlier.swept;
    for (const { restoring, keeps, options } of this.owners.values()) {
      if (options.synchronous || kernelProtocol(options.type) !== protocol) continue;
      if (inTime ? restoring !== 'complete' : keeps.has(family)) return true;
    }
    return false;
  };

  setNotes(notes: RouteNotes): void {
    this.#notes = notes;
  }

  redistribution(owner: Owner, ready: () => void): RedistributionFeed {
    const feed = new Feed(
      {
        table: (vrf, family) => this.rib.table(vrf, family),
        released: (table, id) => this.rib.settling.forgetIfIdle(table, id),
        closed: one => {
          this.#unwatch(one);
          const own = this.#feedsByOwner.get(owner);
          if (own !== undefined) own.splice(own.indexOf(one), 1);
        },
      },
      ready,
    );
    this.#watchers.push(feed);
    const own = this.#feedsByOwner.get(owner);
    if (own === undefined) this.#feedsByOwner.set(owner, [feed]);
    else own.push(feed);
    return feed;
  }

  #unwatch(one: RibWatcher): void {
    const at = this.#watchers.indexOf(one);
    if (at >= 0) this.#watchers.splice(at, 1);
  }

  get congested(): boolean {
    if (!this.#congested && this.rib.dirty > this.#mostWaiting) {
      this.#congested = true;
      this.rib.stats.congestions++;
    }
    return this.#congested;
  }

  onRelief(listener: () => void): () => void {
    this.#relief.add(listener);
    return () => void this.#relief.delete(listener);
  }

  #relieve(): void {
    if (!this.#congested || this.rib.dirty > this.#mostWaiting / 4) return;
    this.#congested = false;
    for (const listener of this.#relief) listener();
  }

  log(text: string): void {
    this.#hooks.log?.(text);
  }

  /** As InterfaceHost has it, in the network namespace of the interfaces. */
  setLabelInput(name: string, on: boolean): void {
    const { namespace } = this.vrfs.default;
    if (namespace === undefined) setLabelInput(name, on);
    else inNetworkNamespace(namespace.path, () => setLabelInput(name, on));
  }

  // Interfaces ------------------------------------------------------------------------------------------------------------

  #linkChanged(one: Interface, wasUp: boolean): void {
    if (!one.keepsNexthops) this.#kernelDropped(one.ifindex, (one.flags & IFF_UP) !== 0);
    if (one.operative !== wasUp) {
      this.connected.update(one);
      this.resolver.interfaceChanged(one.ifindex);
      if (one.operative && wasUp !== one.operative) this.#dependencyCame();
    }
    this.statics.interfaceChanged(one);
    if (this.#configured.get(one.ifindex) !== one.name) {
      this.#configured.set(one.ifindex, one.name);
      this.interfaceConfig.interfaceCame(one);
    }
  }

  #linkLost(one: Interface): void {
    this.#configured.delete(one.ifindex);
    this.#kernelDropped(one.ifindex, false);
    this.mpls.lsps.deviceGone(one.ifindex);
    // A device that goes for good takes the whole of an IPv4 route along that has other paths too, except by objects.
    if (this.#someRouteThrough(one.ifindex)) this.plane.requestResync(KIND_ROUTE);
    this.connected.update(one);
    this.resolver.interfaceChanged(one.ifindex);
    this.statics.interfaceChanged(one);
  }

  /**
   * What the kernel removes in silence when a device goes down, or only loses its carrier: then others' routes stay, except
   * those that name a nexthop object.
   */
  #kernelDropped(ifindex: number, carrierOnly: boolean): void {
    this.objects.deviceLost(ifindex, carrierOnly);
    this.#dumpAgain();
    if (carrierOnly) {
      if (this.#throughObjects) this.plane.requestResync(KIND_ROUTE);
      return;
    }
    this.rib.notices.routesLost(set =>
      set.members.every(member => {
        if (member.blackhole !== 0) return false;
        if (member.ifindex === ifindex) return true;
        const other = this.interfaces.byIndex(member.ifindex);
        return other === undefined || (other.flags & IFF_UP) === 0;
      }),
    );
  }

  /** The dump of routes that is going on may still tell of what the kernel has just dropped in silence. */
  #dumpAgain(): void {
    if ((this.#dumping & KIND_ROUTE) !== 0) this.plane.requestResync(KIND_ROUTE);
  }

  /**
   * With the last IPv4 address of a device the kernel removes IPv4 routes through it in silence, except those that name a
   * nexthop object.
   */
  #addressLost(one: Interface): void {
    if ((one.flags & IFF_UP) === 0 || one.addresses.some(other => other.family === AF_INET)) return;
    if (this.objects.listsThrough(one.ifindex) || this.#someRouteThrough(one.ifindex))
      this.plane.requestResync(KIND_ROUTE);
  }

  /** Whether an IPv4 route names the device. */
  #someRouteThrough(ifindex: number): boolean {
    for (const set of this.sets) {
      if (set.routes === 0 || set.family !== AF_INET) continue;
      if (set.members.some(member => member.ifindex === ifindex)) return true;
    }
    return false;
  }

  /** Something came that failed installs may have waited for. */
  #dependencyCame(): void {
    this.objects.retry();
    this.mpls.lsps.retry();
    this.rib.walks.retryFailed();
  }

  #retryLater(): void {
    if (this.#retryArmed || this.#stopping) return;
    this.#retryArmed = true;
    this.#hooks.later(this.#retryMs, () => {
      this.#retryArmed = false;
      this.objects.retry();
      const failed = this.rib.walks.retryFailed() + this.mpls.lsps.retry();
      this.#retryMs = failed === 0 ? RETRY_FIRST_MS : Math.min(RETRY_MAX_MS, this.#retryMs * 2);
      if (failed > 0) this.#retryLater();
      this.#hooks.wake();
    });
  }

  // PlaneEvents -----------------------------------------------------------------------------------------------------------

  routeInstalled(
    object: number,
    generation: number,
    errno: number,
    protocol: number,
    type: number,
    id: number,
    had: number,
  ): void {
    this.rib.settling.routeInstalled(object, generation, errno, protocol, type, id, had);
  }

  routeDeleted(object: number, generation: number, errno: number, had: number): void {
    this.rib.settling.routeDeleted(object, generation, errno, had);
  }

  nexthopInstalled(id: number, generation: number, errno: number): void {
    if (this.#borrowed.has(id)) this.plane.requestResync(KIND_ROUTE);
    this.objects.installed(id, generation, errno);
  }

  nexthopDeleted(id: number, generation: number, errno: number): void {
    if (this.#borrowed.delete(id)) this.plane.requestResync(KIND_ROUTE);
    this.objects.deleted(id, generation, errno);
  }

  labelAnswered(label: number, generation: number, errno: number): void {
    this.mpls.lsps.answered(label, generation, errno);
  }

  link(facts: Parameters<PlaneEvents['link']>[0]): void {
    this.interfaces.onLink(facts);
  }

  linkGone(ifindex: number): void {
    this.interfaces.onLinkGone(ifindex);
  }

  address(facts: Parameters<PlaneEvents['address']>[0]): void {
    this.interfaces.onAddress(facts);
  }

  addressGone(facts: Parameters<PlaneEvents['address']>[0]): void {
    this.interfaces.onAddressGone(facts);
  }

  route(
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
    nexthopId: number,
    paths: () => readonly KernelPath[],
    replaces: boolean,
  ): void {
    if (!isOwnProtocol(protocol)) {
      // The kernel's own routes (connected, local, broadcast) follow from addresses; redirects are not routing.
      if (protocol === RTPROT_KERNEL || protocol === RTPROT_REDIRECT || protocol === 0) return;
      if (family === AF_INET6 && (w0 >>> 22 === 0x3fa || w0 >>> 24 === 0xff)) return;
    }
    if (type !== RTN_UNICAST && type !== RTN_BLACKHOLE && type !== RTN_UNREACHABLE && type !== RTN_PROHIBIT) return;
    if (nexthopId !== 0 && !isOwnProtocol(protocol)) {
      this.#throughObjects = true;
      if (this.objects.knows(nexthopId)) this.#borrowed.add(nexthopId);
    }
    this.rib.notices.route(table, family, w0, w1, w2, w3, length, protocol, type, metric, nexthopId, paths, replaces);
  }

  routeGone(
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
    paths: () => readonly KernelPath[],
  ): void {
    this.rib.notices.routeGone(table, family, w0, w1, w2, w3, length, protocol, type, metric, paths);
  }

  routeOutcome(
    table: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    outcome: number,
    source: number,
    paths: () => readonly KernelPath[],
  ): void {
    this.rib.outcomes.told(table, family, w0, w1, w2, w3, length, protocol, outcome, source, paths);
  }

  routeMissed(
    table: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    source: number,
  ): void {
    const t = this.rib.notices.missed(table, family, w0, w1, w2, w3, length, protocol, this.followers.has(source));
    if (t !== undefined) this.followers.touch(t, t.prefixes.find(w0, w1, w2, w3, length));
  }

  nexthop(
    id: number,
    protocol: number,
    family: Family,
    path: KernelPath | undefined,
    members: Parameters<PlaneEvents['nexthop']>[4],
  ): void {
    if (!this.objects.knows(id))
      for (const member of members) if (this.objects.knows(member.id)) this.#borrowed.add(member.id);
    this.objects.seen(id, protocol, family, path, members);
  }

  nexthopGone(id: number): void {
    // The kernel says nothing of somebody else's IPv4 routes that go with an object.
    const lent = this.#borrowed.delete(id);
    if (this.#throughObjects && (lent || !this.objects.knows(id))) this.plane.requestResync(KIND_ROUTE);
    this.#dumpAgain();
    this.objects.gone(id);
  }

  label(label: number, protocol: number, paths: () => readonly KernelPath[]): void {
    this.mpls.lsps.told(label, protocol, paths());
  }

  labelGone(label: number): void {
    this.mpls.lsps.gone(label);
  }

  dumpBegin(kind: number): void {
    this.#dumping |= kind;
    if (kind === KIND_LINK) this.interfaces.beginLinkDump();
    else if (kind === KIND_ADDRESS) this.interfaces.beginAddressDump();
    else if (kind === KIND_NEXTHOP) this.objects.dumpBegin();
    else if (kind === KIND_ROUTE) this.rib.notices.dumpBegin();
    else if (kind === KIND_LABEL) this.mpls.lsps.dumpBegin();
  }

  dumpEnd(kind: number): void {
    if ((this.#dumping & kind) === 0) return;
    this.#dumping &= ~kind;
    if (kind === KIND_LINK) this.interfaces.endLinkDump();
    else if (kind === KIND_ADDRESS) this.interfaces.endAddressDump();
    else if (kind === KIND_NEXTHOP) this.objects.dumpEnd();
    else if (kind === KIND_ROUTE) this.rib.notices.dumpEnd();
    else if (kind === KIND_LABEL) this.mpls.lsps.dumpEnd();
    if (this.#waiting === 0) return;
    this.#waiting &= ~kind;
    if (this.#waiting === 0) {
      this.rib.earlier.started();
      this.mpls.lsps.started();
      for (const listener of this.#readyListeners.splice(0)) listener();
    }
  }
}
