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
import { CommandError } from '../vty/index.ts';
import { FamilyInstance } from './family.ts';
import type { Connection, Listener } from './io/types.ts';
import { DEFAULT_LISTEN_LIMIT, type ListenRange, ListenRanges } from './listen-range.ts';
import { NexthopTracker } from './nexthop-tracking.ts';
import { Peer, PeerGroup } from './peer.ts';
import { type AttributeAccess, attributeAccess } from './policy/index.ts';
import { AttributeStore, NexthopTable } from './rib/index.ts';
import { DEFAULT_RESTART_TIME_S } from './session/negotiate.ts';
import { type Afi, AFIS, emptyLayer, type SettingsLayer } from './settings.ts';
import type { Speaker } from './speaker.ts';
import { DEFAULT_STALE_S } from './zclient.ts';

export interface InstanceOptions {
  routerId: number | undefined;
  clusterId: number | undefined;
  ebgpRequiresPolicy: boolean;
  defaultIpv4: boolean;
  defaultIpv6: boolean;
  defaultLocalPref: number;
  logNeighborChanges: boolean;
  alwaysCompareMed: boolean;
  deterministicMed: boolean;
  ignoreAsPathLength: boolean;
  multipathRelax: boolean;
  compareRouterId: boolean;
  missingMedAsWorst: boolean;
  networkImportCheck: boolean;
  keepaliveS: number;
  holdTimeS: number;
  /** Zebra keeps our routes this long without us. */
  staleS: number;
  /** What our OPENs say of graceful restart: after this long without us, we are not coming back. */
  restartTimeS: number;
  gracefulRestartDisable: boolean;
  enforceFirstAs: boolean;
  /** No neighbour is spoken to. */
  shutdown: boolean;
  shutdownMessage: string | undefined;
  gracefulShutdown: boolean;
  /** Neighbours that nobody configured, at most. */
  listenLimit: number;
}

function defaultOptions(): InstanceOptions {
  return {
    routerId: undefined,
    clusterId: undefined,
    ebgpRequiresPolicy: true,
    defaultIpv4: true,
    defaultIpv6: false,
    defaultLocalPref: 100,
    logNeighborChanges: false,
    alwaysCompareMed: false,
    deterministicMed: false,
    ignoreAsPathLength: false,
    multipathRelax: false,
    compareRouterId: false,
    missingMedAsWorst: false,
    networkImportCheck: true,
    keepaliveS: 60,
    holdTimeS: 180,
    staleS: DEFAULT_STALE_S,
    restartTimeS: DEFAULT_RESTART_TIME_S,
    gracefulRestartDisable: false,
    enforceFirstAs: false,
    shutdown: false,
    shutdownMessage: undefined,
    gracefulShutdown: false,
    listenLimit: DEFAULT_LISTEN_LIMIT,
  };
}

const LISTEN_RETRY_MS = 3000;

export class BgpInstance {
  readonly bgp: Speaker;
  readonly name: string;
  readonly as: number;
  /** VRF id, as ZAPI has it. */
  readonly vrf: number = 0;
  readonly options: InstanceOptions = defaultOptions();
  /** By address as text. */
  readonly peers: Map<string, Peer> = new Map();
  readonly groups: Map<string, PeerGroup> = new Map();
  readonly ranges: ListenRanges = new ListenRanges();
  /** What is configured of a neighbour or group, by its name. It is here whether or not there is one, so that lines may come
   *  and go in any order. */
  readonly #own: Map<string, SettingsLayer> = new Map();
  readonly nexthops: NexthopTable;
  readonly store: AttributeStore;
  readonly access: AttributeAccess;
  readonly tracker: NexthopTracker;
  readonly family: Readonly<Record<Afi, FamilyInstance>>;
  readonly #listeners: Listener[] = [];
  #rangeKeys: ReadonlyMap<string, { readonly prefix: Prefix; readonly key: string }> = new Map();
  #closed = false;

  constructor(bgp: Speaker, name: string, as: number) {
    this.bgp = bgp;
    this.name = name;
    this.as = as;
    this.nexthops = new NexthopTable(
      id => this.tracker.track(id),
      id => {
        this.tracker.forget(id);
        for (const family of this.families) family.announcer.forgetNexthop(id);
      },
    );
    this.nexthops.defaultReachable = bgp.zebra === undefined;
    this.store = new AttributeStore(this.nexthops);
    this.access = attributeAccess(this.store);
    this.tracker = new NexthopTracker(this);
    this.family = { ipv4: new FamilyInstance(this, 'ipv4'), ipv6: new FamilyInstance(this, 'ipv6') };
    bgp.zebra?.attach(this);
    const port = bgp.environment.listenPort ?? 179;
    if (port !== 0) for (const family of [AF_INET, AF_INET6] as const) this.#listen(family, port);
  }

  get families(): readonly FamilyInstance[] {
    return AFIS.map(afi => this.family[afi]);
  }

  /** Configured, or zebra's choice, or the highest IPv4 address at hand; 0 where there is none. */
  get routerId(): number {
    if (this.options.routerId !== undefined) return this.options.routerId;
    if (this.bgp.zebra !== undefined) return this.bgp.zebra.routerId;
    let highest = 0;
    for (const one of this.bgp.interfaces.values()) {
      for (const { family, words } of one.addresses) {
        if (family === AF_INET && words[0] >>> 24 !== 127 && words[0] > highest) highest = words[0];
      }
    }
    return highest;
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
    if (this.bgp.interfaces.owner(address.family, address.words) !== undefined) {
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

  setMaximumPaths(afi: Afi, kind: 'ebgp' | 'ibgp', count: number): void {
    const decision = this.family[afi].table.decision;
    if (kind === 'ebgp') decision.maximumPathsEbgp = count;
    else decision.maximumPathsIbgp = count;
    this.family[afi].table.redecideAll();
  }

  setDistance(afi: Afi, external: number, internal: number, local: number): void {
    this.family[afi].setDistance(external, internal, local);
  }

  setNetwork(afi: Afi, prefix: Prefix, network: { map: string | undefined } | undefined): void {
    this.family[afi].local.setNetwork(prefix, network);
  }

  setRedistribute(
    afi: Afi,
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

  /** Brings what runs to what is configured. */
  reconcile(): void {
    if (this.#closed) return;
    this.bgp.zebra?.keepStale(this.options.staleS);
    for (const family of this.families) family.reconcile();
    for (const peer of this.peers.values()) peer.reconcile();
    this.#installRangeKeys();
    this.tracker.interfacesChanged();
  }

  /** Lists or maps changed: whoever depends on one of them is evaluated anew. */
  policyChanged(changed: ReadonlySet<string>): void {
    for (const peer of this.peers.values()) peer.policyChanged(changed);
    for (const family of this.families) family.local.policyChanged(changed);
  }

  /** `clear … soft`: inwards the routes kept are evaluated anew, outwards everything is sent again. */
  softClear(peer: Peer, afi: Afi, direction: 'in' | 'out' | undefined): void {
    if (direction !== 'out') peer.softIn(afi);
    if (direction !== 'in') peer.softOut(afi);
  }

  /** The peer that an incoming connection is from. */
  accept(connection: Connection): void {
    const { family, words } = plainAddress(connection.remote);
    let why = 'not a configured neighbor';
    for (const peer of this.peers.values()) {
      if (peer.family !== family || !equalWords(peer.words, words)) continue;
      // The same link-local address may be on several links.
      if (peer.unnumbered !== undefined && peer.remoteAddress().scopeId !== connection.remote.scopeId) continue;
      if (peer.accept(connection)) return;
      why = peer.idleReason ?? why;
    }
    const range = this.ranges.find(family, words);
    if (range !== undefined && !this.peers.has(formatAddress(family, words))) {
      why = this.#acceptDynamic(connection, family, words, range) ?? '';
      if (why === '') return;
    }
    this.bgp.log(`connection from ${formatAddress(family, words)} refused: ${why}`);
    connection.close();
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

  /** Passwords of groups are those of whoever comes from their ranges. */
  #installRangeKeys(): void {
    const wanted = new Map<string, { prefix: Prefix; key: string }>();
    for (const { prefix, group } of this.ranges) {
      const key = this.groups.get(group)?.own.peer.password;
      if (key !== undefined) wanted.set(formatPrefix(prefix), { prefix, key });
    }
    const tell = (prefix: Prefix, key: string): void => {
      const listener = this.#listeners.find(one => one.local.family === prefix.family);
      listener?.setMd5Key({ family: prefix.family, words: prefix.words, port: 0, scopeId: 0 }, key, prefix.length);
    };
    for (const [name, { prefix }] of this.#rangeKeys) if (!wanted.has(name)) tell(prefix, '');
    for (const [name, { prefix, key }] of wanted) if (this.#rangeKeys.get(name)?.key !== key) tell(prefix, key);
    this.#rangeKeys = wanted;
  }

  /** MD5 keys are the listeners' business: the kernel checks them before a connection is accepted. */
  setMd5Key(peer: Peer, key: string): void {
    const listener = this.#listeners.find(one => one.local.family === peer.family);
    listener?.setMd5Key({ family: peer.family, words: peer.words, port: 0, scopeId: 0 }, key);
  }

  #listen(family: Family, port: number): void {
    const { transport, loop } = this.bgp.environment;
    const retry = loop.timer('bgp listen', () => {
      if (!this.#closed) this.#listen(family, port);
    });
    const listener = transport.listen(
      { local: { family, words: [0, 0, 0, 0], port, scopeId: 0 } },
      {
        listening: () => {
          for (const peer of this.peers.values()) peer.installMd5Key();
          this.#rangeKeys = new Map();
          this.#installRangeKeys();
        },
        failed: failure => {
          this.bgp.log(`cannot listen on port ${port}: ${failure.syscall} ${failure.code}`);
          const at = this.#listeners.indexOf(listener);
          if (at >= 0) this.#listeners.splice(at, 1);
          if (failure.code !== 'EAFNOSUPPORT') retry.start(LISTEN_RETRY_MS);
        },
        accepted: connection => this.accept(connection),
      },
    );
    this.#listeners.push(listener);
  }

  /** `no router bgp`: sessions end, and everything is withdrawn from zebra. */
  close(): void {
    this.#closed = true;
    for (const listener of this.#listeners) listener.close();
    this.#listeners.length = 0;
    for (const peer of this.peers.values()) peer.close();
    for (const family of this.families) family.close();
    this.tracker.close();
    this.bgp.zebra?.detach(this);
  }

  /** Whether zebra says that the address is on a network of ours. */
  connected(family: Family, words: AddressWords): boolean {
    return this.bgp.interfaces.connected(family, words) !== undefined;
  }

  /** An address of the family, or undefined. */
  parse(family: Family, text: string): AddressWords | undefined {
    const address = parseAddress(text);
    return address?.family === family ? address.words : undefined;
  }
}

/** An IPv4 address that came in as an IPv4-mapped IPv6 one is an IPv4 address. */
function plainAddress(address: { family: Family; words: AddressWords }): { family: Family; words: AddressWords } {
  const { family, words } = address;
  if (family === AF_INET6 && words[0] === 0 && words[1] === 0 && words[2] === 0xffff) {
    return { family: AF_INET, words: [words[3], 0, 0, 0] };
  }
  return { family, words };
}
