// Several zebras as one. A network namespace has its own interfaces, tables and nexthop objects, and no route leads from one into
// another; so a VRF that is a namespace has a zebra of its own, which knows of no other. Clients see VRFs by number:
//
//   ZapiServer ── VRF 0 ──▶ home: the namespace that we are in ──┐
//              ── VRF 1 ──▶ a namespace's                      ──┼── contexts with the namespace's number ──▶ dplane
//              ── VRF 2 ──▶ another's                          ──┘
//
// Here is the way from the one to the others, and what is told to all of them. Numbers of clients are the same in all, and ids of
// next-hop sets are one row. Without namespaces the server speaks to the one zebra itself.
import type {
  InterfaceListener,
  InterfacesFace,
  NexthopsFace,
  NhtFace,
  Owner,
  OwnerOptions,
  RedistributionFeed,
  RedistributionSink,
  RibFace,
  RouterIdFace,
  RouteNotes,
  VrfsFace,
  ZebraFace,
} from '../face.ts';
import { InterfaceConfig } from '../interface/config.ts';
import type { SetIds } from '../nexthop/set.ts';
import type { StaticPlace } from '../static.ts';
import type { VrfListener } from '../vrf.ts';
import type { Zebra } from '../zebra.ts';

export class Zebras implements ZebraFace {
  readonly home: Zebra;
  readonly rib: RibFace;
  readonly nexthops: NexthopsFace;
  readonly interfaces: InterfacesFace;
  readonly vrfs: VrfsFace;
  readonly routerId: RouterIdFace;
  readonly nht: NhtFace;
  readonly #ids: SetIds;
  /** Lines of interfaces, by the name of their VRF, which may not be there. */
  readonly #interfaceLines: Map<string, InterfaceConfig> = new Map();
  /** Those of other namespaces that clients know of, by the number of the VRF. */
  readonly #byVrf: Map<number, Zebra> = new Map();
  /** By the number of the VRF: what ends its being listened to. */
  readonly #stops: Map<number, (() => void)[]> = new Map();
  readonly #interfaceListeners: Set<InterfaceListener> = new Set();
  readonly #vrfListeners: Set<VrfListener> = new Set();
  readonly #routerIdListeners: Set<(vrf: number) => void> = new Set();
  readonly #relief: Set<() => void> = new Set();
  readonly #feeds: Set<Feeds> = new Set();
  #notes: RouteNotes | undefined;

  /** `ids`: those of home's sets, which the others' are to come from, too. */
  constructor(home: Zebra, ids: SetIds) {
    this.home = home;
    this.#ids = ids;
    this.#interfaceLines.set(home.vrfs.default.name, home.interfaceConfig);
    this.rib = {
      table: (vrf, family) => this.of(vrf).rib.table(vrf, family),
      add: (vrf, family, w0, w1, w2, w3, length, type, instance, flags, distance, metric, tag, set, owner) =>
        this.of(vrf).rib.add(
          vrf,
          family,
          w0,
          w1,
          w2,
          w3,
          length,
          type,
          instance,
          flags,
          distance,
          metric,
          tag,
          set,
          owner,
        ),
      remove: (vrf, family, w0, w1, w2, w3, length, type, instance, distance, owner) =>
        this.of(vrf).rib.remove(vrf, family, w0, w1, w2, w3, length, type, instance, distance, owner),
    };
    this.nexthops = {
      intern: (vrf, family, members, recursive) => this.of(vrf).nexthops.intern(vrf, family, members, recursive),
      get: id => home.sets.get(id),
      hold: id => home.sets.hold(id),
      drop: id => this.#drop(id),
    };
    this.interfaces = {
      list: vrf => this.of(vrf).interfaces.list(vrf),
      byIndex: ifindex => home.interfaces.byIndex(ifindex),
      byName: name => this.all.map(one => one.interfaces.byName(name)).find(one => one !== undefined),
      listen: listener => listenTo(this.#interfaceListeners, listener),
    };
    this.vrfs = {
      get: id => this.of(id).vrfs.get(id),
      named: name => this.all.map(one => one.vrfs.named(name)).find(one => one !== undefined),
      list: () => this.all.flatMap(one => one.vrfs.list()).toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      listen: listener => listenTo(this.#vrfListeners, listener),
    };
    this.routerId = {
      get: (vrf, family) => this.of(vrf).routerId.get(vrf, family),
      listen: listener => listenTo(this.#routerIdListeners, listener),
    };
    this.nht = {
      register: (owner, vrf, family, words, length, safi, flags, changed) =>
        this.of(vrf).nht.register(owner, vrf, family, words, length, safi, flags, changed),
      unregister: (owner, vrf, family, words, length, safi) =>
        this.of(vrf).nht.unregister(owner, vrf, family, words, length, safi),
    };
    this.#listen(home);
  }

  /** The zebra of a VRF; of one that is not there: home, which has no routes of it. */
  of(vrf: number): Zebra {
    return this.#byVrf.get(vrf) ?? this.home;
  }

  /** Home first. */
  get all(): readonly Zebra[] {
    return [this.home, ...this.#byVrf.values()];
  }

  /** As Zebra's. */
  placeOf(name: string): StaticPlace | undefined {
    const vrf = this.vrfs.named(name);
    return vrf === undefined ? undefined : this.of(vrf.id).placeOf(name);
  }

  // Which there are -------------------------------------------------------------------------------------------------------

  /** A namespace's zebra knows its kernel: its VRF is there. */
  join(zebra: Zebra): void {
    const vrf = zebra.vrfs.default;
    for (const { id, options, notify, restoring } of this.home.present) {
      zebra.addOwner(options, id);
      zebra.setNotify(id, notify);
      // Who said that it had announced everything did not know of this VRF: what it left there has its time.
      if (restoring !== 'unsaid') zebra.routesPending(id);
    }
    if (this.#notes !== undefined) zebra.setNotes(this.#notes);
    this.#byVrf.set(vrf.id, zebra);
    this.#listen(zebra);
    this.#lend(zebra, vrf.name);
    for (const listener of this.#vrfListeners) listener.came?.(vrf);
    this.home.statics.vrfChanged(vrf.name);
  }

  /** It is no more, and all that is in it, as far as clients are concerned. */
  leave(zebra: Zebra): void {
    const vrf = zebra.vrfs.default;
    if (this.#byVrf.get(vrf.id) !== zebra) return;
    for (const stop of this.#stops.get(vrf.id) ?? []) stop();
    this.#stops.delete(vrf.id);
    zebra.interfaceConfig.detach();
    const interfaces = zebra.interfaces.list(vrf.id);
    this.#byVrf.delete(vrf.id);
    for (const one of interfaces) {
      one.gone = true;
      for (const listener of this.#interfaceListeners) listener.linkGone?.(one);
    }
    for (const feeds of this.#feeds) feeds.leave(zebra);
    for (const listener of this.#vrfListeners) listener.gone?.(vrf);
    this.home.statics.vrfChanged(vrf.name);
  }

  /** Nothing of it is left: ids of its sets that no client holds are given back. */
  forget(zebra: Zebra): void {
    for (const set of zebra.sets) if (set.holds === 0) this.#ids.giveBack(set.id);
  }

  /** A client lets go of a set, whose zebra may be gone. */
  #drop(id: number): void {
    const set = this.home.sets.get(id);
    const zebra = this.of(set.vrf);
    if (zebra.vrfs.get(set.vrf) !== undefined) zebra.sets.drop(id);
    else if (--set.holds === 0) this.#ids.giveBack(id);
  }

  /** Lines of the interfaces of the VRF of this name. */
  interfaceLines(name: string): InterfaceConfig {
    let lines = this.#interfaceLines.get(name);
    if (lines === undefined) this.#interfaceLines.set(name, (lines = new InterfaceConfig()));
    return lines;
  }

  /** The namespace is the VRF of this name from now on: that one's lines are its interfaces'. */
  #lend(zebra: Zebra, name: string): void {
    zebra.interfaceConfig.detach();
    zebra.interfaceConfig = this.interfaceLines(name);
    zebra.interfaceConfig.attach(zebra);
  }

  #listen(zebra: Zebra): void {
    const toAll =
      <What extends keyof InterfaceListener>(what: What) =>
      (...args: Parameters<Required<InterfaceListener>[What]>): void => {
        for (const listener of this.#interfaceListeners) {
          (listener[what] as ((...all: typeof args) => void) | undefined)?.(...args);
        }
      };
    this.#stops.set(zebra.vrfs.default.id, [
      zebra.interfaces.listen({
        link: toAll('link'),
        linkGone: toAll('linkGone'),
        leaving: toAll('leaving'),
        joined: toAll('joined'),
        speed: toAll('speed'),
        address: toAll('address'),
        addressGone: toAll('addressGone'),
      }),
      zebra === this.home
        ? (): void => {}
        : zebra.interfaces.listen({
            link: one => this.home.statics.interfaceChanged(one),
            linkGone: one => this.home.statics.interfaceChanged(one),
          }),
      zebra.vrfs.listen({
        came: vrf => {
          for (const listener of this.#vrfListeners) listener.came?.(vrf);
        },
        renamed: (vrf, before) => {
          for (const listener of this.#vrfListeners) listener.renamed?.(vrf, before);
          this.home.statics.vrfChanged(before);
          this.home.statics.vrfChanged(vrf.name);
          if (zebra !== this.home) this.#lend(zebra, vrf.name);
        },
        gone: vrf => {
          for (const listener of this.#vrfListeners) listener.gone?.(vrf);
        },
      }),
      zebra.routerId.listen(vrf => {
        for (const listener of this.#routerIdListeners) listener(vrf);
      }),
      zebra.onRelief(() => {
        if (!this.congested) for (const listener of this.#relief) listener();
      }),
    ]);
  }

  // What is of all ----------------------------------------------------------------------------------------------------------

  addOwner(options: OwnerOptions): Owner {
    const id = this.home.addOwner(options);
    for (const one of this.#byVrf.values()) one.addOwner(options, id);
    return id;
  }

  setNotify(owner: Owner, notify: boolean): void {
    for (const one of this.all) one.setNotify(owner, notify);
  }

  dropOwner(owner: Owner, retainMs?: number): void {
    for (const one of this.all) one.dropOwner(owner, retainMs);
    for (const feeds of this.#feeds) if (feeds.owner === owner) this.#feeds.delete(feeds);
  }

  keptFor(owner: Owner): number {
    return this.all.reduce((sum, one) => sum + one.keptFor(owner), 0);
  }

  routesPending(owner: Owner): void {
    for (const one of this.all) one.routesPending(owner);
  }

  routesComplete(owner: Owner): void {
    for (const one of this.all) one.routesComplete(owner);
  }

  setNotes(notes: RouteNotes): void {
    this.#notes = notes;
    for (const one of this.all) one.setNotes(notes);
  }

  redistribution(owner: Owner, ready: () => void): RedistributionFeed {
    const feeds = new Feeds(this, owner, ready, () => this.#feeds.delete(feeds));
    this.#feeds.add(feeds);
    return feeds;
  }

  get congested(): boolean {
    for (const one of this.#byVrf.values()) if (one.congested) return true;
    return this.home.congested;
  }

  onRelief(listener: () => void): () => void {
    return listenTo(this.#relief, listener);
  }

  /** SIDs are looked up in the daemon's own namespace. */
  get locators(): ZebraFace['locators'] {
    return this.home.locators;
  }

  /** So are labels. */
  get mpls(): ZebraFace['mpls'] {
    return this.home.mpls;
  }

  get ready(): boolean {
    return this.home.ready;
  }

  onReady(listener: () => void): void {
    this.home.onReady(listener);
  }
}

function listenTo<T>(listeners: Set<T>, one: T): () => void {
  listeners.add(one);
  return () => void listeners.delete(one);
}

/** What is redistributed to a client: a feed of each zebra that it asked something of. */
class Feeds implements RedistributionFeed {
  readonly owner: Owner;
  readonly #zebras: Zebras;
  readonly #ready: () => void;
  readonly #closed: () => void;
  readonly #feeds: Map<Zebra, RedistributionFeed> = new Map();

  constructor(zebras: Zebras, owner: Owner, ready: () => void, closed: () => void) {
    this.#zebras = zebras;
    this.owner = owner;
    this.#ready = ready;
    this.#closed = closed;
  }

  subscribe(...[vrf, family, type, instance]: Parameters<RedistributionFeed['subscribe']>): void {
    const zebra = this.#zebras.of(vrf);
    let feed = this.#feeds.get(zebra);
    if (feed === undefined) this.#feeds.set(zebra, (feed = zebra.redistribution(this.owner, this.#ready)));
    feed.subscribe(vrf, family, type, instance);
  }

  unsubscribe(...[vrf, family, type, instance]: Parameters<RedistributionFeed['unsubscribe']>): void {
    this.#feeds.get(this.#zebras.of(vrf))?.unsubscribe(vrf, family, type, instance);
  }

  /** Each in its turn: one that has much holds nobody else up. */
  take(max: number, sink: RedistributionSink): number {
    let count = 0;
    for (const [zebra, feed] of this.#feeds) {
      const taken = feed.take(max - count, sink);
      if (taken > 0) {
        this.#feeds.delete(zebra);
        this.#feeds.set(zebra, feed);
      }
      count += taken;
      if (count >= max) break;
    }
    return count;
  }

  get pending(): number {
    let count = 0;
    for (const feed of this.#feeds.values()) count += feed.pending;
    return count;
  }

  leave(zebra: Zebra): void {
    this.#feeds.get(zebra)?.close();
    this.#feeds.delete(zebra);
  }

  close(): void {
    for (const feed of this.#feeds.values()) feed.close();
    this.#feeds.clear();
    this.#closed();
  }
}
