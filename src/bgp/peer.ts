// A neighbour: what is configured of it, its session, and its place in each table.
//
//   settings ─▶ session (session/) ─ update ─▶ parser ─▶ table, under this peer's index
//            ─▶ import policy of the table
//            ─▶ update group of the table ─ messages ─▶ session.send
//
// The index in a table lives as long as the family is activated, over sessions; the membership in an update group lives
// as long as a session.
import { AF_INET, AF_INET6, type AddressWords, type Family, isLinkLocal6, type Prefix } from '../net/index.ts';
import type { FamilyInstance, Membership } from './family.ts';
import type { BgpInstance } from './instance.ts';
import { addressOf, hostPrefix } from './interfaces.ts';
import type { Connection, SocketAddress } from './io/types.ts';
import { DENY_ALL, PeerPolicy } from './peer-policy.ts';
import { PEER_EBGP, PEER_IBGP, PEER_IBGP_CLIENT, type PeerInfo, type Policy } from './rib/index.ts';
import { createSession } from './session/session.ts';
import type { DownReason, Negotiated, Session, SessionConfig, SessionHandler } from './session/types.ts';
import {
  AFI_NUMBER,
  AFIS,
  type Afi,
  emptyLayer,
  merged,
  type PeerAfSettings,
  type PeerSettings,
  type SettingsLayer,
} from './settings.ts';
import type { GroupOptions } from './updategroup/index.ts';
import { ACTION_RESET, UPDATE_MESSAGE_ERROR } from './wire/attribute.ts';
import { Cease, ErrorCode, formatNotification, type PeerError, peerError } from './wire/notification.ts';
import type { RouteRefresh } from './wire/refresh.ts';
import { HEADER_BYTES, UpdateParser } from './wire/update.ts';

/** A neighbour that has sent no UPDATE for this long has sent its routes. */
const QUIET_MS = 5000;

/** Settings that many neighbours share. */
export class PeerGroup {
  readonly name: string;
  readonly own: SettingsLayer = emptyLayer();

  constructor(name: string) {
    this.name = name;
  }
}

/** A neighbour in one address family. */
export interface PeerFamily {
  readonly afi: Afi;
  readonly family: FamilyInstance;
  settings: PeerAfSettings;
  /** In the table; 0: not activated. */
  index: number;
  info: PeerInfo | undefined;
  importKey: string;
  importPolicy: PeerPolicy | undefined;
  /** Negotiated in the present session. */
  up: boolean;
  membership: Membership | undefined;
  endOfRibReceived: boolean;
  /** The maximum was reached, and said so once. */
  warned: boolean;
}

export class Peer implements SessionHandler {
  readonly instance: BgpInstance;
  /** The address as configured. */
  readonly name: string;
  readonly family: Family;
  readonly words: AddressWords;
  readonly own: SettingsLayer = emptyLayer();
  groupName: string | undefined;
  settings: PeerSettings = {};
  session: Session | undefined;
  negotiated: Negotiated | undefined;
  /** As `negotiated`, and kept when the session ends: what was learnt of the neighbour. */
  learnt: Negotiated | undefined;
  readonly families: Readonly<Record<Afi, PeerFamily>>;
  /** Why it is not even trying, in FRR's words; undefined: it is. */
  idleReason: string | undefined;
  establishedWallMs = 0;
  lastUpdateMs: number | undefined;
  #upMs = 0;
  /** Ends the watch of the neighbour's own address, which stands while the session does. */
  #unwatch: () => void = () => {};
  /** After maximum-prefix: until `clear`. */
  #held = false;
  #sessionKey = '';
  #parser: UpdateParser | undefined;
  #closed = false;

  constructor(instance: BgpInstance, name: string, family: Family, words: AddressWords) {
    this.instance = instance;
    this.name = name;
    this.family = family;
    this.words = words;
    const of = (afi: Afi): PeerFamily => ({
      afi,
      family: instance.family[afi],
      settings: {},
      index: 0,
      info: undefined,
      importKey: '',
      importPolicy: undefined,
      up: false,
      membership: undefined,
      endOfRibReceived: false,
      warned: false,
    });
    this.families = { ipv4: of('ipv4'), ipv6: of('ipv6') };
  }

  get group(): PeerGroup | undefined {
    return this.groupName === undefined ? undefined : this.instance.groups.get(this.groupName);
  }

  get state(): string {
    return this.session?.state ?? 'Idle';
  }

  /** As configured, or as learnt where `external` or `internal` leaves it open; 0: not known. */
  get remoteAs(): number {
    const as = this.settings.remoteAs;
    if (typeof as === 'number') return as;
    return as === 'internal' ? this.localAs : (this.learnt?.remoteAs ?? 0);
  }

  get localAs(): number {
    return this.settings.localAs ?? this.instance.as;
  }

  get internal(): boolean {
    const as = this.settings.remoteAs;
    return as === 'internal' || as === this.localAs;
  }

  // ---- configuration -------------------------------------------------------------------------------------------------

  /** Compares settings with what runs, and changes what differs. */
  reconcile(): void {
    if (this.#closed) return;
    const group = this.group;
    // A description is of one, whoever has it.
    const { description: _, ...shared } = group?.own.peer ?? {};
    this.settings = merged(this.own.peer, shared);
    const { options } = this.instance;
    for (const afi of AFIS) {
      const one = this.families[afi];
      one.settings = merged(this.own.af[afi], group?.own.af[afi]);
      const active = one.settings.activate ?? (afi === 'ipv4' ? options.defaultIpv4 : options.defaultIpv6);
      if (active && one.index === 0) this.#enter(one);
      else if (!active && one.index !== 0) this.#leaveFamily(one);
      if (one.index !== 0) this.#updateFamily(one);
    }
    this.#reconcileSession();
    this.#updateFirstAs();
  }

  #enter(one: PeerFamily): void {
    one.info = this.#info(one);
    one.index = one.family.table.addPeer(one.info);
    one.importKey = '';
  }

  #leaveFamily(one: PeerFamily): void {
    this.#leaveGroup(one);
    one.family.table.removePeer(one.index);
    one.index = 0;
    one.up = false;
    one.importPolicy = undefined;
  }

  #info(one: PeerFamily): PeerInfo {
    const kind = !this.internal ? PEER_EBGP : one.settings.routeReflectorClient === true ? PEER_IBGP_CLIENT : PEER_IBGP;
    return {
      kind,
      as: this.remoteAs,
      routerId: this.negotiated?.remoteRouterId ?? 0,
      address: this.words,
      weight: one.settings.weight ?? 0,
      allowOwnAs: one.settings.allowAsIn ?? 0,
      owner: this,
    };
  }

  #updateFamily(one: PeerFamily): void {
    const info = one.info!;
    const now = this.#info(one);
    const loops = info.allowOwnAs !== now.allowOwnAs;
    const differs =
      info.kind !== now.kind || info.as !== now.as || info.routerId !== now.routerId || info.weight !== now.weight;
    if (differs || loops) {
      Object.assign(info, {
        kind: now.kind,
        as: now.as,
        routerId: now.routerId,
        weight: now.weight,
        allowOwnAs: now.allowOwnAs,
      });
      one.family.table.peerChanged(one.index);
    }
    this.#updateImport(one, loops);
    if (one.up) this.#joinGroup(one);
  }

  /** The import policy; set anew where its names changed, or where `again` says that its answers may differ. */
  #updateImport(one: PeerFamily, again: boolean): void {
    const { prefixListIn, filterListIn, routeMapIn } = one.settings;
    const { localAs, localAsNoPrepend } = this.settings;
    const prepend = localAs !== undefined && localAsNoPrepend !== true && !this.internal ? localAs : 0;
    const guarded = missingPolicy(one).in;
    const key = [prefixListIn, filterListIn, routeMapIn, prepend, guarded, this.internal].join('\n');
    if (key === one.importKey && !again) return;
    one.importKey = key;
    one.importPolicy = undefined;
    let policy: Policy | undefined;
    if (guarded) policy = DENY_ALL;
    else if (prefixListIn !== undefined || filterListIn !== undefined || routeMapIn !== undefined || prepend !== 0) {
      one.importPolicy = this.#policy(one, {
        prefixList: prefixListIn,
        filterList: filterListIn,
        routeMap: routeMapIn,
        prepend,
      });
      policy = one.importPolicy;
    }
    one.family.table.setImportPolicy(one.index, policy);
  }

  #policy(one: PeerFamily, names: ConstructorParameters<typeof PeerPolicy>[0], own?: Prefix): PeerPolicy {
    const { instance } = this;
    return new PeerPolicy(names, instance.bgp.policy, one.family.table, instance.access, {
      name: this.name,
      address: own ?? hostPrefix(this.family, this.words),
    });
  }

  /** Lists or maps changed. */
  policyChanged(changed: ReadonlySet<string>): void {
    for (const afi of AFIS) {
      const one = this.families[afi];
      if (one.index === 0) continue;
      if (one.importPolicy !== undefined && dependsOn(one.importPolicy, changed)) this.#updateImport(one, true);
      if (one.membership !== undefined && one.membership.dependsOn(changed)) {
        one.membership.policyChanged();
        this.#joinGroup(one);
      }
    }
  }

  /** `clear … soft in`. */
  softIn(afi: Afi): void {
    const one = this.families[afi];
    if (one.index !== 0) this.#updateImport(one, true);
  }

  /** `clear … soft out`. */
  softOut(afi: Afi): void {
    this.families[afi].membership?.refresh();
  }

  // ---- session -------------------------------------------------------------------------------------------------------

  /** `clear bgp X`. */
  reset(): void {
    const stopped = this.#held || this.session === undefined;
    this.#held = false;
    if (stopped) this.reconcile();
    else this.session?.reset();
  }

  #reconcileSession(): void {
    const config = this.#sessionConfig();
    if (config === undefined) {
      this.#sessionKey = '';
      if (this.session !== undefined) this.session.stop(this.#farewell());
      return;
    }
    const key = JSON.stringify(config);
    if (key === this.#sessionKey) return;
    const first = this.session === undefined;
    const was = this.#sessionKey;
    this.#sessionKey = key;
    const { environment } = this.instance.bgp;
    if (first) {
      this.session = createSession(config, environment, this);
      this.session.start();
    } else if (was === '' && JSON.stringify(this.session!.config) === key) this.session!.start();
    else this.session!.reset({ config, error: peerError(ErrorCode.cease, Cease.otherConfigurationChange) });
    this.installMd5Key();
  }

  #farewell(): { text?: string } {
    return this.settings.shutdownMessage === undefined ? {} : { text: this.settings.shutdownMessage };
  }

  /** What the session runs with; undefined where it must not run, and `idleReason` says why. */
  #sessionConfig(): SessionConfig | undefined {
    const { settings, instance } = this;
    const { options } = instance;
    const active = AFIS.filter(afi => this.families[afi].index !== 0);
    const routerId = instance.routerId;
    this.idleReason = undefined;
    if (settings.remoteAs === undefined) this.idleReason = 'No remote AS configured';
    else if (settings.shutdown === true) this.idleReason = 'Admin. shutdown';
    else if (this.#held) this.idleReason = 'Maximum prefix limit exceeded';
    else if (active.length === 0) this.idleReason = 'No AFI/SAFI activated for peer';
    else if (routerId === 0) this.idleReason = 'Router ID not configured yet';
    else if (!this.#reachable()) this.idleReason = 'Waiting for NHT';
    if (this.idleReason !== undefined) return undefined;
    const local = this.#source();
    if (local === null) {
      this.idleReason = 'Update source not available';
      return undefined;
    }
    const ttl = this.#ttl();
    return {
      localAs: this.localAs,
      remoteAs: settings.remoteAs!,
      routerId,
      remote: this.remoteAddress(),
      ...(local === undefined ? {} : { local }),
      passive: settings.passive === true,
      ...(settings.password === undefined ? {} : { md5Key: settings.password }),
      ...(ttl === undefined ? {} : ttl),
      holdTimeS: settings.holdTimeS ?? options.holdTimeS,
      keepaliveS: settings.keepaliveS ?? options.keepaliveS,
      ...(settings.connectRetryS === undefined ? {} : { connectRetryS: settings.connectRetryS }),
      ...(settings.delayOpenS === undefined ? {} : { delayOpenS: settings.delayOpenS }),
      families: active.map(afi => ({ afi: AFI_NUMBER[afi], safi: 1 })),
      ...(instance.bgp.hostname === '' ? {} : { hostname: instance.bgp.hostname }),
      ...(settings.extendedNextHop === true ? { extendedNextHop: true } : {}),
      ...(settings.dontCapabilityNegotiate === true ? { dontCapabilityNegotiate: true } : {}),
    };
  }

  /** RFC 5082, RFC 4271 §5.1.3: one hop for eBGP unless told otherwise. */
  #ttl(): { ttl: number; minTtl?: number } | undefined {
    if (this.settings.ttlSecurityHops !== undefined) return { ttl: 255, minTtl: 256 - this.settings.ttlSecurityHops };
    if (this.internal) return { ttl: 255 };
    return { ttl: this.settings.ebgpMultihop ?? 1 };
  }

  get singleHop(): boolean {
    const { ebgpMultihop, ttlSecurityHops, disableConnectedCheck } = this.settings;
    if (this.internal) return false;
    return (ebgpMultihop ?? 1) === 1 && (ttlSecurityHops ?? 1) === 1 && disableConnectedCheck !== true;
  }

  /** Routes of this peer may resolve through other routes. */
  get recursive(): boolean {
    return !this.singleHop;
  }

  /** A single-hop neighbour must be on a network of ours. Without zebra nobody checks. */
  #reachable(): boolean {
    const { bgp } = this.instance;
    if (bgp.zebra === undefined || !bgp.zebra.known || !this.singleHop) return true;
    if (this.family === AF_INET6 && isLinkLocal6(this.words)) return true;
    return this.instance.connected(this.family, this.words);
  }

  /** `update-source`; null: its interface has no address yet. */
  #source(): SocketAddress | undefined | null {
    const source = this.settings.updateSource;
    if (source === undefined) return undefined;
    const { bgp } = this.instance;
    const named = bgp.interfaces.named(source);
    const own = named === undefined ? undefined : addressOf(named, this.family);
    const words = own ?? this.instance.parse(this.family, source);
    return words === undefined ? null : { family: this.family, words, port: 0, scopeId: 0 };
  }

  remoteAddress(): SocketAddress {
    const { settings, family, words } = this;
    let scopeId = 0;
    if (family === AF_INET6 && isLinkLocal6(words) && settings.interface !== undefined) {
      scopeId = this.instance.bgp.interfaces.named(settings.interface)?.ifindex ?? 0;
    }
    return { family, words, port: settings.port ?? 179, scopeId };
  }

  /** Whether the connection is this peer's. */
  accept(connection: Connection): boolean {
    if (this.session === undefined || this.idleReason !== undefined) return false;
    this.session.accept(connection);
    return true;
  }

  installMd5Key(): void {
    if (this.settings.password !== undefined || this.#md5Installed) {
      this.instance.setMd5Key(this, this.settings.password ?? '');
      this.#md5Installed = this.settings.password !== undefined;
    }
  }

  #md5Installed = false;

  close(): void {
    this.#closed = true;
    for (const afi of AFIS) if (this.families[afi].index !== 0) this.#leaveFamily(this.families[afi]);
    this.session?.destroy();
    this.session = undefined;
    this.negotiated = undefined;
  }

  // ---- what the session tells ----------------------------------------------------------------------------------------

  established(negotiated: Negotiated): void {
    this.negotiated = negotiated;
    this.learnt = negotiated;
    this.establishedWallMs = this.instance.bgp.wallMs();
    this.#upMs = this.instance.bgp.loop.now();
    this.#log('Up');
    // It is the next hop of most that an external neighbour sends, so zebra is asked before the first route needs to know.
    if (negotiated.kind === 'external') {
      this.#unwatch = this.instance.tracker.watch(hostPrefix(this.family, this.words), () => {});
    }
    const has = (afi: Afi): boolean => negotiated.families.some(one => one.afi === AFI_NUMBER[afi] && one.safi === 1);
    this.#parser = new UpdateParser({
      ebgp: negotiated.kind === 'external',
      as4: negotiated.as4,
      ipv4: this.families.ipv4.index !== 0 && has('ipv4'),
      ipv6: this.families.ipv6.index !== 0 && has('ipv6'),
      firstAs: this.#firstAs(negotiated),
    });
    for (const afi of AFIS) {
      const one = this.families[afi];
      if (one.index === 0 || !has(afi)) continue;
      one.up = true;
      one.endOfRibReceived = false;
      one.warned = false;
      this.#updateFamily(one);
    }
  }

  /** The AS that must stand first in what an external neighbour sends; 0: any may. */
  #firstAs({ kind, remoteAs }: Negotiated): number {
    const enforce = this.settings.enforceFirstAs ?? this.instance.options.enforceFirstAs;
    return enforce && kind === 'external' ? remoteAs : 0;
  }

  /** The neighbour's routes are asked for again where the rule for them has changed. */
  #updateFirstAs(): void {
    const { negotiated } = this;
    if (negotiated === undefined || this.#parser === undefined) return;
    const firstAs = this.#firstAs(negotiated);
    if (!this.#parser.setFirstAs(firstAs)) return;
    for (const family of negotiated.families) this.session?.sendRouteRefresh(family);
  }

  /** Whether the neighbour has said all that it has in a family, or is not going to. */
  told(afi: Afi): boolean {
    const { settings, negotiated } = this;
    const one = this.families[afi];
    if (one.index === 0 || settings.remoteAs === undefined || settings.shutdown === true || this.#held) return true;
    if (negotiated === undefined) return false;
    if (!one.up || one.endOfRibReceived) return true;
    // Only those who know graceful restart owe an End-of-RIB (RFC 4724 §4); of others, silence has to do.
    if (negotiated.remote.gracefulRestart !== undefined) return false;
    return this.instance.bgp.loop.now() - Math.max(this.#upMs, this.lastUpdateMs ?? 0) > QUIET_MS;
  }

  down(reason: DownReason): void {
    this.#log(`Down ${formatDownReason(reason)}`);
    this.#unwatch();
    this.#unwatch = () => {};
    this.negotiated = undefined;
    this.#parser = undefined;
    for (const afi of AFIS) {
      const one = this.families[afi];
      if (!one.up) continue;
      one.up = false;
      this.#leaveGroup(one);
      if (one.index !== 0) one.family.table.peerDown(one.index);
    }
  }

  update(bytes: Uint8Array, offset: number, length: number): PeerError | undefined {
    const parser = this.#parser;
    if (parser === undefined) return undefined;
    const update = parser.parse(bytes, offset - HEADER_BYTES, length + HEADER_BYTES);
    this.lastUpdateMs = this.instance.bgp.loop.now();
    if (update.action === ACTION_RESET) {
      this.instance.bgp.log(`${this.name}: ${parser.describe()}`);
      return peerError(UPDATE_MESSAGE_ERROR, update.subcode, parser.faultData());
    }
    const { ipv4, ipv6 } = this.families;
    if (update.endOfRib !== 0) {
      const one = update.endOfRib === AF_INET ? ipv4 : ipv6;
      one.endOfRibReceived = true;
      return undefined;
    }
    if (ipv4.up) ipv4.family.table.ingest(ipv4.index, parser);
    if (ipv6.up) ipv6.family.table.ingest(ipv6.index, parser);
    return this.#overLimit(ipv4) ?? this.#overLimit(ipv6);
  }

  /** `maximum-prefix` (RFC 4486: Cease, maximum number of prefixes reached). */
  #overLimit(one: PeerFamily): PeerError | undefined {
    const { maximumPrefix, maximumPrefixThreshold, maximumPrefixWarningOnly, maximumPrefixRestartMin } = one.settings;
    if (maximumPrefix === undefined || !one.up) return undefined;
    const { received } = one.family.table.peerCounts(one.index);
    if (received <= (maximumPrefix * (maximumPrefixThreshold ?? 75)) / 100) return undefined;
    const over = received > maximumPrefix;
    if (!one.warned || over) {
      one.warned = true;
      this.instance.bgp.log(`${this.name}: ${received} prefixes received, limit ${maximumPrefix}`);
    }
    if (!over || maximumPrefixWarningOnly === true) return undefined;
    this.#held = true;
    this.instance.bgp.changed();
    if (maximumPrefixRestartMin !== undefined) {
      const timer = this.instance.bgp.loop.timer('bgp maximum prefix restart', () => {
        this.#held = false;
        this.instance.bgp.changed();
      });
      timer.start(maximumPrefixRestartMin * 60_000);
    }
    const data = new Uint8Array(7);
    const view = new DataView(data.buffer);
    view.setUint16(0, AFI_NUMBER[one.afi]);
    view.setUint8(2, 1);
    view.setUint32(3, maximumPrefix);
    return peerError(ErrorCode.cease, Cease.maximumPrefixes, data);
  }

  routeRefresh(refresh: RouteRefresh): void {
    for (const afi of AFIS) {
      if (AFI_NUMBER[afi] === refresh.afi && refresh.safi === 1) this.families[afi].membership?.refresh();
    }
  }

  writable(): void {
    for (const afi of AFIS) this.families[afi].membership?.writable();
  }

  #log(text: string): void {
    const { bgp, options } = this.instance;
    if (options.logNeighborChanges) bgp.log(`%ADJCHANGE: neighbor ${this.name} in vrf ${this.instance.name} ${text}`);
  }

  // ---- outwards ------------------------------------------------------------------------------------------------------

  #leaveGroup(one: PeerFamily): void {
    one.membership?.leave();
    one.membership = undefined;
  }

  /** Puts the peer into the group that its settings ask for. */
  #joinGroup(one: PeerFamily): void {
    const { instance, session, negotiated } = this;
    if (session === undefined || negotiated === undefined) return;
    const { prefixListOut, filterListOut, routeMapOut, defaultOriginate } = one.settings;
    const own = hostPrefix(negotiated.localAddress.family, negotiated.localAddress.words);
    const { localAs, localAsReplace } = this.settings;
    const names = {
      prefixList: prefixListOut,
      filterList: filterListOut,
      routeMap: routeMapOut,
      prepend: localAs !== undefined && localAsReplace !== true && !this.internal ? instance.as : 0,
      noDefault: defaultOriginate === true,
    };
    const guarded = missingPolicy(one).out;
    const make = (): PeerPolicy | undefined =>
      guarded || Object.values(names).every(name => name === undefined || name === 0 || name === false)
        ? undefined
        : this.#policy(one, names, own);
    const options = this.#groupOptions(one, negotiated);
    const policy = make();
    const key = JSON.stringify([
      options,
      names,
      guarded,
      this.settings.advertisementIntervalS ?? 0,
      policy?.perPeer === true ? this.name : '',
    ]);
    one.membership = one.family.join(one, {
      key,
      options: guarded ? { ...options, policy: DENY_ALL } : options,
      makePolicy: make,
      intervalMs: (this.settings.advertisementIntervalS ?? 0) * 1000,
      defaultOriginate: defaultOriginate === true,
      target: session,
    });
  }

  #groupOptions(one: PeerFamily, negotiated: Negotiated): GroupOptions {
    const { instance } = this;
    const { settings } = one;
    const internal = negotiated.kind === 'internal';
    const { interfaces } = instance.bgp;
    const local = negotiated.localAddress;
    const on = interfaces.owner(local.family, local.words);
    const near = interfaces.connected(this.family, this.words);
    const options: GroupOptions = {
      kind: !internal ? 'ebgp' : settings.routeReflectorClient === true ? 'ibgp-client' : 'ibgp',
      localAs: this.localAs,
      routerId: instance.routerId,
      clusterId: instance.clusterId,
      defaultLocalPref: instance.options.defaultLocalPref,
      nextHopSelf: settings.nextHopSelf ?? false,
      nextHopUnchanged: settings.nextHopUnchanged === true,
      sendCommunity: settings.sendCommunity ?? true,
      sendExtendedCommunity: settings.sendExtendedCommunity ?? true,
      sendLargeCommunity: settings.sendLargeCommunity ?? true,
      removePrivateAs: settings.removePrivateAs ?? 'no',
      as4: negotiated.as4,
      extendedNextHop: negotiated.extendedNextHop,
      maximumMessageBytes: negotiated.maximumMessageBytes,
    };
    const address4 = local.family === AF_INET ? local.words : on && addressOf(on, AF_INET);
    // Over IPv6, a neighbour that asked for IPv6 next hops gets them (RFC 8950), whether there is an IPv4 address or not.
    const wide = negotiated.extendedNextHop && local.family === AF_INET6;
    if (address4 !== undefined && !wide) options.localAddress4 = address4[0];
    const global6 =
      local.family === AF_INET6 && !isLinkLocal6(local.words) ? local.words : on && addressOf(on, AF_INET6);
    const link6 = on && addressOf(on, AF_INET6, true);
    if (global6 !== undefined) options.localAddress6 = global6;
    else if (link6 !== undefined) options.localAddress6 = link6;
    // RFC 2545 §3: the link-local address goes along only to those on the link.
    if (link6 !== undefined && near !== undefined) options.localLinkLocal6 = link6;
    if (!internal && this.singleHop && near !== undefined && on === near.on) options.sharedSubnet = near.network;
    return options;
  }
}

/** RFC 8212: an external neighbour without a policy is told nothing, and nothing is taken from it. */
export function missingPolicy({ family, info, settings }: PeerFamily): { readonly in: boolean; readonly out: boolean } {
  const { prefixListIn, prefixListOut, filterListIn, filterListOut, routeMapIn, routeMapOut } = settings;
  const required = family.instance.options.ebgpRequiresPolicy && info?.kind === PEER_EBGP;
  return {
    in: required && (prefixListIn ?? filterListIn ?? routeMapIn) === undefined,
    out: required && (prefixListOut ?? filterListOut ?? routeMapOut) === undefined,
  };
}

export function dependsOn(policy: { readonly depends: ReadonlySet<string> }, changed: ReadonlySet<string>): boolean {
  for (const name of changed) if (policy.depends.has(name)) return true;
  return false;
}

/** Why a session went down, for the log and `show`. */
export function formatDownReason(reason: DownReason): string {
  switch (reason.kind) {
    case 'notification-received':
      return `BGP Notification received: ${formatNotification(reason.error)}`;
    case 'notification-sent':
      return `BGP Notification send: ${formatNotification(reason.error)}`;
    case 'connection':
      return reason.failure === undefined
        ? 'Peer closed the session'
        : `${reason.failure.syscall}: ${reason.failure.code}`;
    case 'stopped':
      return 'Stopped';
  }
}
