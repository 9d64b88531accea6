// Routes that start here: `network` lines and what is redistributed from zebra. Each source is a peer of kind PEER_LOCAL in
// the table, and its route map is the import policy of that peer, so that a change of the map is handled as for any
// neighbour.
//
//   network P              source `network`            one for each route map in use
//   redistribute static    source `redistribute static`
import { AF_INET, AF_INET6, type AddressWords, formatPrefix, isLinkLocal6, type Prefix } from '../net/index.ts';
import {
  AFI_IP,
  AFI_IP6,
  FRR_8_4_4,
  NEXTHOP_BLACKHOLE,
  NEXTHOP_IPV4,
  NEXTHOP_IPV4_IFINDEX,
  NEXTHOP_IPV6,
  NEXTHOP_IPV6_IFINDEX,
  NexthopColumns,
  type RouteMessage,
} from '../zapi/index.ts';
import type { TimerTask } from '../concurrency/index.ts';
import type { FamilyInstance } from './family.ts';
import { dependsOn, PeerPolicy } from './peer-policy.ts';
import type { Protocol } from './protocol.ts';
import { ORIGIN_IGP, ORIGIN_INCOMPLETE, PEER_LOCAL, type PeerInfo } from './rib/index.ts';
import { NO_ROLE } from './wire/role.ts';

interface Source {
  readonly index: number;
  policy: PeerPolicy | undefined;
  map: string | undefined;
}

interface Network {
  readonly prefix: Prefix;
  map: string | undefined;
  /** In the RIB, as far as anybody checks. */
  present: boolean;
  announcedBy: Source | undefined;
  unwatch: (() => void) | undefined;
}

interface Redistribution {
  readonly protocol: Protocol;
  readonly source: Source;
  metric: number | undefined;
  /** What zebra has not said again since it came back goes then. */
  readonly sweep: TimerTask;
}

interface Hop {
  readonly words: AddressWords;
  /** 0: none. */
  readonly ifindex: number;
}

/** Routes that a zebra which came back has not said again by then are gone. */
const SWEEP_MS = 5000;
const SETS_KEPT = 1024;
const ZERO: AddressWords = [0, 0, 0, 0];
const NOWHERE: Hop = { words: ZERO, ifindex: 0 };

/** A source of routes that start here, as the table knows it. */
export function localPeer({ instance }: FamilyInstance, name: string): PeerInfo {
  return {
    kind: PEER_LOCAL,
    as: 0,
    routerId: instance.routerId,
    address: ZERO,
    weight: 0,
    allowOwnAs: 0,
    role: NO_ROLE,
    owner: name,
  };
}

/** A route map for routes that start here. */
export function localPolicy({ instance, table }: FamilyInstance, map: string, protocol: string): PeerPolicy {
  const names = { prefixList: undefined, filterList: undefined, routeMap: map };
  const use = { ...instance.policyUse, peer: 'local', peerAddress: undefined, protocol };
  return new PeerPolicy(names, instance.bgp.policy, table, instance.access, use);
}

export class LocalRoutes {
  readonly #family: FamilyInstance;
  /** By prefix as text. */
  readonly networks: Map<string, Network> = new Map();
  readonly #networkSources: Map<string, Source> = new Map();
  readonly redistributions: Map<Protocol, Redistribution> = new Map();
  /** Attribute sets of redistributed routes by what they are made of; each holds a reference. Forgotten where they become
   *  many: interfaces and next hops that come and go leave some behind. */
  readonly #sets: Map<string, number> = new Map();
  readonly #hops: NexthopColumns = new NexthopColumns();
  /** What maps were bound with. */
  #defaultLocalPref: number;

  constructor(family: FamilyInstance) {
    this.#family = family;
    this.#defaultLocalPref = family.instance.options.defaultLocalPref;
  }

  setNetwork(prefix: Prefix, wanted: { map: string | undefined } | undefined): void {
    const key = formatPrefix(prefix);
    let network = this.networks.get(key);
    if (wanted === undefined) {
      if (network === undefined) return;
      this.networks.delete(key);
      network.unwatch?.();
      this.#withdraw(network);
      return;
    }
    if (network === undefined) {
      network = { prefix, map: wanted.map, present: false, announcedBy: undefined, unwatch: undefined };
      this.networks.set(key, network);
    } else if (network.map !== wanted.map) {
      this.#withdraw(network);
      network.map = wanted.map;
    }
    this.#family.instance.bgp.changed();
  }

  /** The check against the RIB may have been switched on or off, and what maps reckon with may be another. */
  reconcile(): void {
    const { instance } = this.#family;
    const { defaultLocalPref } = instance.options;
    if (defaultLocalPref !== this.#defaultLocalPref) {
      this.#defaultLocalPref = defaultLocalPref;
      for (const source of this.#networkSources.values()) this.#setMap(source, source.map, 'local', true);
      for (const { source, protocol } of this.redistributions.values())
        this.#setMap(source, source.map, protocol, true);
    }
    const check = instance.options.networkImportCheck && instance.zebra !== undefined && !instance.bgp.noRib;
    for (const network of this.networks.values()) {
      if (!check) {
        network.unwatch?.();
        network.unwatch = undefined;
        network.present = true;
      } else if (network.unwatch === undefined) {
        network.present = false;
        network.unwatch = instance.tracker.watch(network.prefix, update => {
          const found = update.nexthops.length > 0 && formatPrefix(update.resolved) === formatPrefix(network.prefix);
          if (found === network.present) return;
          network.present = found;
          this.#settle(network);
        });
      }
      this.#settle(network);
    }
  }

  #settle(network: Network): void {
    if (!network.present) this.#withdraw(network);
    else if (network.announcedBy === undefined) {
      const source = this.#networkSource(network.map);
      const { store } = this.#family.instance;
      const set = store.encode({
        origin: ORIGIN_IGP,
        asPath: [],
        med: 0,
        nextHop: { family: this.#family.table.family, words: ZERO },
      });
      const [w0, w1, w2, w3] = network.prefix.words;
      this.#family.table.announce(source.index, w0, w1, w2, w3, network.prefix.length, set);
      store.release(set);
      network.announcedBy = source;
    }
  }

  #withdraw(network: Network): void {
    if (network.announcedBy === undefined) return;
    const [w0, w1, w2, w3] = network.prefix.words;
    this.#family.table.withdraw(network.announcedBy.index, w0, w1, w2, w3, network.prefix.length);
    network.announcedBy = undefined;
  }

  #networkSource(map: string | undefined): Source {
    const key = map ?? '';
    let source = this.#networkSources.get(key);
    if (source === undefined) {
      source = this.#makeSource('network', map, 'local');
      this.#networkSources.set(key, source);
    }
    return source;
  }

  #makeSource(name: string, map: string | undefined, protocol: string): Source {
    const index = this.#family.table.addPeer(localPeer(this.#family, name));
    const source: Source = { index, policy: undefined, map: undefined };
    this.#setMap(source, map, protocol);
    return source;
  }

  #setMap(source: Source, map: string | undefined, protocol: string, again = false): void {
    if (source.map === map && !again) return;
    source.map = map;
    source.policy = map === undefined ? undefined : localPolicy(this.#family, map, protocol);
    this.#family.table.setImportPolicy(source.index, source.policy);
  }

  policyChanged(changed: ReadonlySet<string>): void {
    for (const source of this.#networkSources.values()) {
      if (source.policy !== undefined && dependsOn(source.policy, changed))
        this.#setMap(source, source.map, 'local', true);
    }
    for (const { source, protocol } of this.redistributions.values()) {
      if (source.policy !== undefined && dependsOn(source.policy, changed))
        this.#setMap(source, source.map, protocol, true);
    }
  }

  // ---- redistribution ------------------------------------------------------------------------------------------------

  setRedistribute(
    protocol: Protocol,
    wanted: { metric: number | undefined; map: string | undefined } | undefined,
  ): void {
    const { instance, table } = this.#family;
    const known = this.redistributions.get(protocol);
    if (wanted === undefined) {
      if (known === undefined) return;
      this.redistributions.delete(protocol);
      known.sweep.stop();
      instance.zebra?.unredistribute(instance, this.#afi, protocol);
      table.removePeer(known.source.index);
      return;
    }
    if (known !== undefined && known.metric === wanted.metric) {
      this.#setMap(known.source, wanted.map, protocol);
      return;
    }
    // Another metric: everything is asked for anew.
    if (known !== undefined) this.setRedistribute(protocol, undefined);
    const source = this.#makeSource(`redistribute ${protocol}`, wanted.map, protocol);
    const sweep = instance.bgp.loop.timer('bgp redistribute sweep', () => table.sweepStale(source.index));
    this.redistributions.set(protocol, { protocol, source, metric: wanted.metric, sweep });
    instance.zebra?.redistribute(instance, this.#afi, protocol);
  }

  get #afi(): number {
    return this.#family.afi === 'ipv4' ? AFI_IP : AFI_IP6;
  }

  /** A route of zebra's. */
  redistributed(add: boolean, protocol: Protocol, route: RouteMessage): void {
    const redistribution = this.redistributions.get(protocol);
    if (redistribution === undefined) return;
    const { table, instance } = this.#family;
    // Every link has fe80::/64: it says nothing to anybody off the link.
    if (table.family === AF_INET6 && isLinkLocal6([route.w0, route.w1, route.w2, route.w3])) return;
    const { index } = redistribution.source;
    if (!add) {
      table.withdraw(index, route.w0, route.w1, route.w2, route.w3, route.prefixLength);
      return;
    }
    const hop = this.#nextHop(route);
    const med = redistribution.metric ?? route.metric;
    const key = `${med}/${route.tag}/${hop.ifindex}/${hop.words.join()}`;
    let set = this.#sets.get(key);
    if (set === undefined) {
      set = instance.store.encode({
        origin: ORIGIN_INCOMPLETE,
        asPath: [],
        med,
        tag: route.tag,
        ifindex: hop.ifindex,
        nextHop: { family: table.family, words: hop.words },
      });
      if (this.#sets.size >= SETS_KEPT) this.#forgetSets();
      this.#sets.set(key, set);
    }
    table.announce(index, route.w0, route.w1, route.w2, route.w3, route.prefixLength, set);
  }

  #forgetSets(): void {
    for (const set of this.#sets.values()) this.#family.instance.store.release(set);
    this.#sets.clear();
  }

  /** Where a route leads to, as its first next hop says. */
  #nextHop(route: RouteMessage): Hop {
    if (route.nexthopCount === 0) return NOWHERE;
    const hops = this.#hops;
    hops.count = 0;
    const end = FRR_8_4_4.route.decodeNexthops(
      hops,
      route.bytes,
      route.nexthopStart,
      route.nexthopEnd,
      1,
      route.message,
    );
    if (end < 0) return NOWHERE;
    const type = hops.type[0]!;
    if (type === NEXTHOP_BLACKHOLE) return NOWHERE;
    const wide = type === NEXTHOP_IPV6 || type === NEXTHOP_IPV6_IFINDEX;
    let words = ZERO;
    if (this.#family.table.family === AF_INET) {
      if (type === NEXTHOP_IPV4 || type === NEXTHOP_IPV4_IFINDEX) words = [hops.w0[0]!, 0, 0, 0];
    } else if (wide) words = [hops.w0[0]!, hops.w1[0]!, hops.w2[0]!, hops.w3[0]!];
    return { words, ifindex: Math.max(hops.ifindex[0]!, 0) };
  }

  /** Zebra has the VRF (again). */
  vrfAppeared(): void {
    const { instance } = this.#family;
    for (const protocol of this.redistributions.keys()) instance.zebra?.redistribute(instance, this.#afi, protocol);
  }

  /** The VRF is gone, and the routes that came from it. */
  vrfGone(): void {
    for (const { source } of this.redistributions.values()) this.#family.table.peerDown(source.index);
  }

  /** Zebra is there again and says everything anew: what it does not say was lost meanwhile. */
  zebraReturned(): void {
    for (const { source, sweep } of this.redistributions.values()) {
      this.#family.table.peerDown(source.index, true);
      sweep.start(SWEEP_MS);
    }
  }

  /** Zebra is gone (again): it cannot say anything, so nothing goes. */
  zebraLost(): void {
    for (const { sweep } of this.redistributions.values()) sweep.stop();
  }

  close(): void {
    for (const network of this.networks.values()) network.unwatch?.();
    const { instance } = this.#family;
    for (const { protocol, sweep } of this.redistributions.values()) {
      sweep.stop();
      instance.zebra?.unredistribute(instance, this.#afi, protocol);
    }
    this.redistributions.clear();
    this.networks.clear();
  }
}
