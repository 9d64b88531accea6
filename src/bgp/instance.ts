// One BGP instance: a local AS with its neighbours and its tables, one for each address family. `reconcile` compares what is
// configured with what runs, and changes only what differs: it may be called at any time, and is, after every change of
// settings, interfaces or router id.
import {
  type AddressWords,
  AF_INET,
  AF_INET6,
  containsAddress,
  equalWords,
  type Family,
  formatAddress,
  formatPrefix,
  parseAddress,
  type Prefix,
} from '../net/index.ts';
import type { TimerTask } from '../concurrency/index.ts';
import { CommandError } from '../vty/index.ts';
import type { AggregateSettings } from './aggregation.ts';
import { FamilyInstance } from './family.ts';
import { defaultOptions, type InstanceOptions } from './instance-options.ts';
import type { Interfaces } from './interfaces.ts';
import type { Connection } from './io/types.ts';
import { type ListenRange, ListenRanges } from './listen-range.ts';
import { NexthopTracker } from './nexthop-tracking.ts';
import { Peer, PeerGroup } from './peer.ts';
import { type AttributeAccess, attributeAccess, type PolicyUse } from './policy/index.ts';
import { ProcessQueue } from './process-queue.ts';
import { AttributeStore, NexthopTable } from './rib/index.ts';
import { restartMode, undefer } from './graceful-restart.ts';
import { emptyLayer, forFamilies, type SettingsLayer } from './settings.ts';
import { type FamilyName, FAMILY_NAMES, UNICAST_NAMES, type UnicastName } from './wire/family.ts';
import type { Speaker } from './speaker.ts';
import { RouteTargetConstraint } from './vpn/constraint.ts';
import type { Vrf } from './vrf.ts';
import type { ZebraLink } from './zclient.ts';

/** A view has tables and neighbours like any other, in the default VRF, and nothing to do with zebra. */
export type InstanceKind = 'default' | 'vrf' | 'view';

/** Of a neighbour: in our AS, in another one of our confederation, or in neither. */
export type Place = 'inside' | 'confed' | 'outside';

export class BgpInstance {
  readonly bgp: Speaker;
  readonly kind: InstanceKind;
  readonly name: string;
  readonly as: number;
  /** Other instances name it so where they lead packets into it. */
  readonly number: number;
  readonly vrf: Vrf;
  readonly options: InstanceOptions = defaultOptions();
  /** By address as text. */
  readonly peers: Map<string, Peer> = new Map();
  readonly groups: Map<string, PeerGroup> = new Map();
  readonly ranges: ListenRanges = new ListenRanges();
  /** What is configured of a neighbour or group, by its name. It is here whether or not there is one, so that lines may come
   *  and go in any order. */
  readonly #own: Map<string, SettingsLayer> = new Map();
  readonly queue: ProcessQueue;
  readonly nexthops: NexthopTable;
  readonly store: AttributeStore;
  readonly access: AttributeAccess;
  readonly tracker: NexthopTracker;
  readonly family: Readonly<Record<FamilyName, FamilyInstance>>;
  #rangeKeys: ReadonlyMap<string, { readonly prefix: Prefix; readonly key: string }> = new Map();
  /** OPENs say no more that we have restarted. */
  readonly #restarted: TimerTask;
  readonly #deferred: TimerTask;
  #constraint: RouteTargetConstraint | undefined;
  #begun = false;
  #closed = false;

  constructor(bgp: Speaker, kind: InstanceKind, name: string, as: number, vrf: Vrf, number: number) {
    this.bgp = bgp;
    this.kind = kind;
    this.name = name;
    this.as = as;
    this.vrf = vrf;
    this.number = number;
    this.queue = new ProcessQueue(bgp.loop, name);
    this.#restarted = bgp.loop.timer('bgp graceful restart', () => this.peersChanged());
    this.#deferred = bgp.loop.timer('bgp select deferral', () => undefer(this, true));
    this.nexthops = new NexthopTable(
      id => this.tracker.track(id),
      id => {
        this.tracker.forget(id);
        for (const family of this.unicast) family.announcer.forgetNexthop(id);
      },
    );
    this.nexthops.defaultReachable = this.zebra === undefined;
    this.store = new AttributeStore(this.nexthops);
    this.access = attributeAccess(this.store);
    this.tracker = new NexthopTracker(this);
    this.family = forFamilies(name => new FamilyInstance(this, name));
    this.zebra?.attach(this);
  }

  /** Who is told what is selected, and asked about next hops. */
  get zebra(): ZebraLink | undefined {
    return this.kind === 'view' ? undefined : this.bgp.zebra;
  }

  /** Those of its VRF. */
  get interfaces(): Interfaces {
    return this.bgp.zebra === undefined ? this.bgp.interfaces : this.vrf.interfaces;
  }

  /** Its VRF is there. Without a zebra that would know, it is taken for granted. */
  get ready(): boolean {
    return this.bgp.zebra === undefined || this.vrf.exists;
  }

  /** What the maps of all uses have in common. */
  get policyUse(): Pick<PolicyUse, 'localAs' | 'defaultLocalPref' | 'random' | 'interfaceName'> {
    return {
      localAs: this.as,
      defaultLocalPref: this.options.defaultLocalPref,
      random: this.bgp.environment.random,
      interfaceName: index => this.interfaces.get(index)?.name,
    };
  }

  /** What neighbours ask for of the routes of VPNs. */
  get constraint(): RouteTargetConstraint {
    this.#constraint ??= new RouteTargetConstraint(this.family.rtc);
    return this.#constraint;
  }

  get families(): readonly FamilyInstance[] {
    return FAMILY_NAMES.map(afi => this.family[afi]);
  }

  /** Those that zebra has to do with. */
  get unicast(): readonly FamilyInstance[] {
    return UNICAST_NAMES.map(afi => this.family[afi]);
  }

  /** Configured, or zebra's choice, or the highest IPv4 address at hand; 0 where there is none. */
  get routerId(): number {
    if (this.options.routerId !== undefined) return this.options.routerId;
    if (this.bgp.zebra !== undefined) return this.vrf.routerId;
    let highest = 0;
    for (const one of this.interfaces.values()) {
      for (const { family, words } of one.addresses) {
        if (family === AF_INET && words[0] >>> 24 !== 127 && words[0] > highest) highest = words[0];
      }
    }
    return highest;
  }

  /** The AS that those outside know us by. */
  get publicAs(): number {
    return this.options.confederation ?? this.as;
  }

  /** Where a neighbour of this AS is. */
  placeOf(as: number | 'internal' | 'external' | undefined): Place {
    if (as === 'internal' || as === this.as) return 'inside';
    const { confederation, confederationPeers } = this.options;
    return confederation !== undefined && typeof as === 'number' && confederationPeers.has(as) ? 'confed' : 'outside';
  }

  /** What we announce is about to go (RFC 8326). */
  get gracefulShutdown(): boolean {
    return this.options.gracefulShutdown || this.bgp.gracefulShutdown;
  }

  get clusterId(): number {
    return this.options.clusterId ?? this.routerId;
  }

  // ---- configuration -------------------------------------------------------------------------------------------------

  own(name: string): SettingsLayer {
    let layer = this.#own.get(name);
    if (layer === undefined) {
      layer = emptyLayer();
      this.#own.set(name, layer);
    }
    return layer;
  }

  /** Whether there is a neighbour or a group of that name. */
  knows(name: string): boolean {
    return this.peers.has(name) || this.groups.has(name);
  }

  addGroup(name: string): void {
    if (!this.groups.has(name)) this.groups.set(name, new PeerGroup(name, this.own(name)));
    this.peersChanged();
  }

  removeGroup(name: string): void {
    this.groups.delete(name);
    for (const peer of this.peers.values()) {
      if (peer.groupName !== name) continue;
      peer.groupName = undefined;
      this.#dropIfBare(peer);
    }
    this.peersChanged();
  }

  /** `remote-as` makes a neighbour, and without it (its own or its group's) there is none. */
  setRemoteAs(name: string, as: number | 'internal' | 'external' | undefined): void {
    if (as === undefined) {
      delete this.own(name).peer.remoteAs;
      const peer = this.peers.get(name);
      if (peer !== undefined) this.#dropIfBare(peer);
    } else {
      if (!this.groups.has(name)) this.#needPeer(name);
      this.own(name).peer.remoteAs = as;
    }
    this.peersChanged();
  }

  setGroup(name: string, group: string | undefined): void {
    if (group !== undefined) {
      const target = this.groups.get(group);
      if (target === undefined) throw new CommandError(`% Configure the peer-group first: ${group}`);
      if (!this.peers.has(name) && target.own.peer.remoteAs === undefined) {
        throw new CommandError(`% Specify remote-as or peer-group remote AS first: ${name}`);
      }
      this.#needPeer(name).groupName = group;
    } else {
      const peer = this.peers.get(name);
      if (peer === undefined) return;
      peer.groupName = undefined;
      this.#dropIfBare(peer);
    }
    this.peersChanged();
  }

  /** `neighbor IFNAME interface`: whoever is at its other end. */
  setUnnumbered(name: string, on: boolean): void {
    const known = this.peers.get(name);
    if (on && known === undefined) {
      this.peers.set(name, new Peer(this, name, AF_INET6, [0, 0, 0, 0], this.own(name), { unnumbered: true }));
    } else if (!on && known !== undefined) {
      this.peers.delete(name);
      known.close();
    }
    this.peersChanged();
  }

  #needPeer(name: string): Peer {
    let peer = this.peers.get(name);
    // One that came by itself makes room for one that is configured.
    if (peer?.dynamic === true) this.dropDynamic(peer);
    else if (peer !== undefined) return peer;
    const address = parseAddress(name);
    if (address === undefined) throw new CommandError(`% Create the peer-group or interface first: ${name}`);
    if (this.interfaces.owner(address.family, address.words) !== undefined) {
      throw new CommandError(`% Can not configure the local system as neighbor: ${name}`);
    }
    peer = new Peer(this, name, address.family, address.words, this.own(name));
    this.peers.set(name, peer);
    return peer;
  }

  #dropIfBare(peer: Peer): void {
    if (peer.own.peer.remoteAs !== undefined || peer.groupName !== undefined || peer.unnumbered !== undefined) return;
    this.peers.delete(peer.name);
    peer.close();
  }

  setMaximumPaths(afi: UnicastName, kind: 'ebgp' | 'ibgp', count: number): void {
    const decision = this.family[afi].table.decision;
    if (kind === 'ebgp') decision.maximumPathsEbgp = count;
    else decision.maximumPathsIbgp = count;
    this.family[afi].table.redecideAll();
  }

  setDistance(afi: UnicastName, external: number, internal: number, local: number): void {
    this.family[afi].setDistance(external, internal, local);
  }

  setNetwork(afi: UnicastName, prefix: Prefix, network: { map: string | undefined } | undefined): void {
    this.family[afi].local.setNetwork(prefix, network);
  }

  setAggregate(afi: UnicastName, prefix: Prefix, settings: AggregateSettings | undefined): void {
    this.family[afi].aggregation.set(prefix, settings);
  }

  setRedistribute(
    afi: UnicastName,
    protocol: 'kernel' | 'connected' | 'static',
    options: { metric: number | undefined; map: string | undefined } | undefined,
  ): void {
    this.family[afi].local.setRedistribute(protocol, options);
  }

  peersChanged(): void {
    this.bgp.changed();
  }

  optionsChanged(): void {
    this.bgp.changed();
  }

  // ---- running -------------------------------------------------------------------------------------------------------

  /** Families in which nobody owes us anything may select. */
  undefer(): void {
    undefer(this, false);
  }

  /** We have just been started, perhaps again: neighbours may have kept our routes, and are waited for. */
  #begin(): void {
    this.#begun = true;
    const leftMs = this.options.restartTimeS * 1000 - this.bgp.startedAgoMs();
    if (leftMs <= 0 || !Array.from(this.peers.values()).some(peer => restartMode(peer) === 'restart')) return;
    this.#restarted.start(leftMs);
    if (this.options.selectDeferS === 0) return;
    for (const family of this.families) family.table.deferred = true;
    this.#deferred.start(this.options.selectDeferS * 1000);
  }

  /** Brings what runs to what is configured. */
  reconcile(): void {
    if (this.#closed) return;
    this.zebra?.keepStale(this.vrf, this.options.staleS);
    for (const family of this.families) family.reconcile();
    for (const peer of this.peers.values()) peer.reconcile();
    this.#installRangeKeys();
    this.tracker.interfacesChanged();
    if (!this.#begun) this.#begin();
    this.undefer();
  }

  /** Lists or maps changed: whoever depends on one of them is evaluated anew. */
  policyChanged(changed: ReadonlySet<string>): void {
    for (const peer of this.peers.values()) peer.policyChanged(changed);
    for (const family of this.families) family.policyChanged(changed);
  }

  /** `clear … soft`: inwards the routes kept are evaluated anew, outwards everything is sent again. */
  softClear(peer: Peer, afi: FamilyName, direction: 'in' | 'out' | undefined): void {
    if (direction !== 'out') peer.softIn(afi);
    if (direction !== 'in') peer.softOut(afi);
  }

  /** Zebra has its VRF (again): what is wanted of it is asked for. */
  vrfAppeared(): void {
    this.tracker.vrfAppeared();
    for (const family of this.unicast) family.local.vrfAppeared();
    // Routes of others that lead through it name it by a number, which may be another one.
    for (const other of this.bgp.instances.values()) {
      if (!other.nexthops.leadsVia(this.number)) continue;
      for (const family of other.unicast) family.announcer.restart();
    }
  }

  /** Its VRF is gone, and with it the sockets of its sessions and the routes that came from there. */
  vrfGone(): void {
    for (const peer of this.peers.values()) peer.reconcile();
    for (const family of this.unicast) {
      family.announcer.disconnected();
      family.local.vrfGone();
    }
    this.tracker.vrfGone();
  }

  /** Why none of these neighbours has this incoming connection; undefined: one has taken it. */
  accept(connection: Connection, family: Family, words: AddressWords): string | undefined {
    let why = 'not a configured neighbor';
    for (const peer of this.peers.values()) {
      if (peer.family !== family || !equalWords(peer.words, words)) continue;
      // The same link-local address may be on several links.
      if (peer.unnumbered !== undefined && peer.remoteAddress().scopeId !== connection.remote.scopeId) continue;
      if (peer.accept(connection)) return undefined;
      why = peer.idleReason ?? why;
    }
    const range = this.ranges.find(family, words);
    if (range !== undefined && !this.peers.has(formatAddress(family, words))) {
      return this.#acceptDynamic(connection, family, words, range);
    }
    return why;
  }

  // ---- neighbours that come by themselves ----------------------------------------------------------------------------

  get dynamicPeers(): Peer[] {
    return [...this.peers.values()].filter(peer => peer.dynamic);
  }

  /** Why it is refused; undefined: it is not. */
  #acceptDynamic(connection: Connection, family: Family, words: AddressWords, range: ListenRange): string | undefined {
    const { listenLimit } = this.options;
    if (this.dynamicPeers.length >= listenLimit) return `limit of ${listenLimit} dynamic neighbors reached`;
    const name = formatAddress(family, words);
    const peer = new Peer(this, name, family, words, emptyLayer(), { dynamic: true });
    peer.groupName = range.group;
    this.peers.set(name, peer);
    peer.reconcile();
    if (peer.accept(connection)) return undefined;
    this.dropDynamic(peer);
    return peer.idleReason ?? `peer-group ${range.group} is not configured`;
  }

  dropDynamic(peer: Peer): void {
    if (this.peers.get(peer.name) === peer) this.peers.delete(peer.name);
    peer.close();
  }

  setRange(prefix: Prefix, group: string | undefined): void {
    const before = this.ranges.delete(prefix);
    if (group !== undefined) this.ranges.set(prefix, group);
    if (before !== undefined && before.group !== group) {
      for (const peer of this.dynamicPeers) {
        if (containsAddress(prefix, peer.family, peer.words)) this.dropDynamic(peer);
      }
    }
    this.#installRangeKeys();
  }

  /** A socket of its VRF listens: it is told the passwords. */
  listening(): void {
    for (const peer of this.peers.values()) peer.installMd5Key();
    this.#rangeKeys = new Map();
    this.#installRangeKeys();
  }

  /** Passwords of groups are those of whoever comes from their ranges. */
  #installRangeKeys(): void {
    const wanted = new Map<string, { prefix: Prefix; key: string }>();
    for (const { prefix, group } of this.ranges) {
      const key = this.groups.get(group)?.own.peer.password;
      if (key !== undefined) wanted.set(formatPrefix(prefix), { prefix, key });
    }
    const tell = (prefix: Prefix, key: string): void => {
      this.bgp.setMd5Key(this.vrf, prefix.family, prefix.words, key, prefix.length);
    };
    for (const [name, { prefix }] of this.#rangeKeys) if (!wanted.has(name)) tell(prefix, '');
    for (const [name, { prefix, key }] of wanted) if (this.#rangeKeys.get(name)?.key !== key) tell(prefix, key);
    this.#rangeKeys = wanted;
  }

  /** `no router bgp`: sessions end, and everything is withdrawn from zebra. */
  close(retain = false): void {
    this.#closed = true;
    this.#restarted.stop();
    this.#deferred.stop();
    for (const peer of this.peers.values()) peer.close(retain && restartMode(peer) === 'restart');
    this.#constraint?.close();
    for (const family of this.families) family.close();
    this.tracker.close();
    this.zebra?.detach(this);
  }

  /** Whether zebra says that the address is on a network of ours. */
  connected(family: Family, words: AddressWords): boolean {
    return this.interfaces.connected(family, words) !== undefined;
  }

  /** An address of the family, or undefined. */
  parse(family: Family, text: string): AddressWords | undefined {
    const address = parseAddress(text);
    return address?.family === family ? address.words : undefined;
  }
}
