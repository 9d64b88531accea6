// A neighbour: what is configured of it, its session, and its place in each table.
//
//   settings ─▶ session (session/) ─ update ─▶ parser ─▶ table, under this peer's index
//            ─▶ import policy of the table
//            ─▶ update group of the table ─ messages ─▶ session.send
//
// Each address family of it is a PeerFamily; what its session runs with is put together in peer-session.ts.
import type { TimerTask } from '../concurrency/index.ts';
import { type AddressWords, AF_INET, AF_INET6, equalWords, type Family, isLinkLocal6 } from '../net/index.ts';
import { type SessionState, STATES } from './fsm/machine.ts';
import type { BgpInstance, Place } from './instance.ts';
import { RestartHelper, restartCapability } from './graceful-restart.ts';
import { hostPrefix } from './interfaces.ts';
import type { Connection, SocketAddress } from './io/types.ts';
import { PeerFamily } from './peer-family.ts';
import { sessionConfig, type SessionPeer } from './peer-session.ts';
import { formatDownReason } from './session/down-reason.ts';
import { createSession } from './session/session.ts';
import type { DownReason, Negotiated, Session, SessionHandler } from './session/types.ts';
import { forFamilies, merged, type PeerSettings, type SettingsLayer } from './settings.ts';
import { type FamilyName, FAMILY, FAMILY_NAMES, familyOf, ofFamily } from './wire/family.ts';
import type { GracefulRestart } from './wire/capability.ts';
import { ACTION_RESET, UPDATE_MESSAGE_ERROR } from './wire/attribute.ts';
import { Cease, ErrorCode, peerError, type PeerError } from './wire/notification.ts';
import { RefreshKind, type RouteRefresh } from './wire/refresh.ts';
import { NO_ROLE, ROLES } from './wire/role.ts';
import { HEADER_BYTES, UpdateParser } from './wire/update.ts';
import { PeerConstraint } from './vpn/peer-constraint.ts';

/** A neighbour that has sent no UPDATE for this long has sent its routes. */
const QUIET_MS = 5000;

const NOWHERE: AddressWords = [0, 0, 0, 0];

const rank = (state: SessionState): number => STATES.indexOf(state);

/** Settings that many neighbours share. */
export class PeerGroup {
  readonly name: string;
  readonly own: SettingsLayer;

  constructor(name: string, own: SettingsLayer) {
    this.name = name;
    this.own = own;
  }
}

export class Peer implements SessionHandler, SessionPeer {
  readonly instance: BgpInstance;
  /** The address as configured. */
  readonly name: string;
  readonly family: Family;
  /** Of an unnumbered neighbour: as it advertises itself, zeros before it does. */
  words: AddressWords;
  readonly own: SettingsLayer;
  /** It came by itself from a listen range, and goes as it came. */
  readonly dynamic: boolean;
  /** `neighbor IFNAME interface`: it is whoever is at the other end of the interface, which is its name. */
  readonly unnumbered: string | undefined;
  groupName: string | undefined;
  settings: PeerSettings = {};
  session: Session | undefined;
  negotiated: Negotiated | undefined;
  /** As `negotiated`, and kept when the session ends: what was learnt of the neighbour. */
  learnt: Negotiated | undefined;
  readonly families: Readonly<Record<FamilyName, PeerFamily>>;
  readonly helper: RestartHelper;
  readonly constraint: PeerConstraint;
  /** Why it is not even trying, in FRR's words; undefined: it is. */
  idleReason: string | undefined;
  /** After maximum-prefix: until `clear`. */
  held = false;
  establishedWallMs = 0;
  lastUpdateMs: number | undefined;
  #upMs = 0;
  /** Ends the watch of the neighbour's own address, which stands while the session does. */
  #unwatch: () => void = () => {};
  #sessionKey = '';
  #parser: UpdateParser | undefined;
  /** Families of the present session. */
  #up: PeerFamily[] = [];
  /** Where it was when the session came up. */
  #placeThen: Place | undefined;
  /** The address that a password is set for where connections come in; undefined: for none. */
  #md5At: AddressWords | undefined;
  #restart: TimerTask | undefined;
  #restartAtMs = 0;
  /** The interface that zebra was asked to advertise us on; 0: none. */
  #discoversOn = 0;
  #closed = false;

  constructor(
    instance: BgpInstance,
    name: string,
    family: Family,
    words: AddressWords,
    own: SettingsLayer,
    kind: { readonly dynamic?: boolean; readonly unnumbered?: boolean } = {},
  ) {
    this.instance = instance;
    this.name = name;
    this.own = own;
    this.dynamic = kind.dynamic === true;
    this.unnumbered = kind.unnumbered === true ? name : undefined;
    this.family = family;
    this.words = words;
    this.families = forFamilies(name => new PeerFamily(this, name));
    this.helper = new RestartHelper(this);
    this.constraint = new PeerConstraint(this);
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
    const { instance } = this;
    const own = instance.placeOf(this.settings.remoteAs) === 'outside' ? instance.publicAs : instance.as;
    return this.settings.localAs ?? own;
  }

  /** Where it is; one that calls us by an AS which is its own as well is in ours. */
  get place(): Place {
    const as = this.settings.remoteAs;
    return as === this.localAs && this.settings.localAs !== undefined ? 'inside' : this.instance.placeOf(as);
  }

  /** Roles are for external sessions (RFC 9234 §3). */
  get role(): number {
    const { localRole } = this.settings;
    return localRole === undefined || this.place !== 'outside' ? NO_ROLE : ROLES.indexOf(localRole);
  }

  get internal(): boolean {
    return this.place === 'inside';
  }

  // ---- configuration -------------------------------------------------------------------------------------------------

  /** Compares settings with what runs, and changes what differs. */
  reconcile(): void {
    if (this.#closed) return;
    if (this.unnumbered !== undefined) this.#discover(this.unnumbered);
    const group = this.group;
    // A description is of one, whoever has it.
    const { description: _, ...shared } = group?.own.peer ?? {};
    this.settings = merged(this.own.peer, shared);
    const { options } = this.instance;
    for (const afi of FAMILY_NAMES) {
      const one = this.families[afi];
      one.settings = merged(this.own.af[afi], group?.own.af[afi]);
      const unless = { ipv4: options.defaultIpv4, ipv6: options.defaultIpv6, vpnv4: false, vpnv6: false, rtc: false };
      const active = one.settings.activate ?? unless[afi];
      if (active && one.index === 0) one.enter();
      else if (!active && one.index !== 0) one.leave();
      if (one.index !== 0) one.update();
    }
    this.#reconcileSession();
    this.#updateFirstAs();
  }

  /** Looks for the neighbour at the other end of its interface. */
  #discover(name: string): void {
    const { zebra, interfaces, vrf } = this.instance;
    const ifindex = interfaces.named(name)?.ifindex ?? 0;
    if (ifindex !== this.#discoversOn) {
      if (this.#discoversOn !== 0) zebra?.stopDiscovery(vrf, this.#discoversOn);
      if (ifindex !== 0) zebra?.discover(vrf, ifindex);
      this.#discoversOn = ifindex;
    }
    this.words = vrf.neighbours.get(ifindex) ?? NOWHERE;
  }

  /** Lists or maps changed. */
  policyChanged(changed: ReadonlySet<string>): void {
    for (const afi of FAMILY_NAMES) {
      const one = this.families[afi];
      if (one.index !== 0) one.policyChanged(changed);
    }
  }

  /** `clear … soft in`. */
  softIn(afi: FamilyName): void {
    const one = this.families[afi];
    if (one.index !== 0) one.updateImport(true);
  }

  /** `clear … soft out`. */
  softOut(afi: FamilyName): void {
    this.families[afi].membership?.refresh(false);
  }

  // ---- session -------------------------------------------------------------------------------------------------------

  /** `clear bgp X`: the neighbour hears `text`, where there is one (RFC 9003). */
  reset(text?: string): void {
    const stopped = this.held || this.session === undefined;
    this.#release();
    if (stopped) this.reconcile();
    else this.session?.reset(text === undefined ? {} : { text });
  }

  #reconcileSession(): void {
    const config = sessionConfig(this);
    this.idleReason = typeof config === 'string' ? config : undefined;
    if (typeof config === 'string') {
      this.#sessionKey = '';
      // What is kept of one that restarts is not kept of one that is not wanted.
      if (this.shutDown || this.held || this.settings.remoteAs === undefined) this.helper.stop();
      if (this.session !== undefined) this.session.stop(this.#farewell());
      return;
    }
    const key = JSON.stringify(config);
    if (key === this.#sessionKey) {
      // What is said and understood hangs on it.
      if (this.negotiated !== undefined && this.#placeThen !== this.place) this.session?.reset();
      return;
    }
    const first = this.session === undefined;
    const was = this.#sessionKey;
    this.#sessionKey = key;
    const { environment } = this.instance.bgp;
    if (first) {
      this.session = createSession(config, environment, this);
      this.session.start();
    } else if (was === '' && JSON.stringify(this.session!.config) === key) this.session!.start();
    else this.session!.reconfigure(config);
    this.installMd5Key();
  }

  get shutDown(): boolean {
    return this.settings.shutdown === true || this.instance.options.shutdown;
  }

  /** What a neighbour that we stop to talk to hears: an operator's words, if it was one (RFC 9003). */
  #farewell(): { error?: PeerError; text?: string } {
    if (!this.shutDown) return { error: peerError(ErrorCode.cease, Cease.otherConfigurationChange) };
    const text = this.settings.shutdownMessage ?? this.instance.options.shutdownMessage;
    return text === undefined ? {} : { text };
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

  remoteAddress(): SocketAddress {
    const { settings, family, words } = this;
    let scopeId = 0;
    const on = this.unnumbered ?? settings.interface;
    if (family === AF_INET6 && isLinkLocal6(words) && on !== undefined) {
      scopeId = this.instance.interfaces.named(on)?.ifindex ?? 0;
    }
    return { family, words, port: settings.port ?? 179, scopeId };
  }

  restartCapability(active: readonly FamilyName[]): GracefulRestart | false {
    return restartCapability(this, active);
  }

  /** Whether the connection is this peer's. */
  accept(connection: Connection): boolean {
    if (this.session === undefined || this.idleReason !== undefined) return false;
    this.session.accept(connection);
    return true;
  }

  installMd5Key(): void {
    // A range's key is its group's.
    if (this.dynamic) return;
    const { password } = this.settings;
    // An unnumbered neighbour may be at another address than before.
    if (password === undefined || (this.#md5At !== undefined && !equalWords(this.#md5At, this.words))) {
      this.#removeMd5Key();
    }
    if (password === undefined) return;
    this.instance.bgp.setMd5Key(this.instance.vrf, this.family, this.words, password);
    this.#md5At = this.words;
  }

  /** Left where it is, it would keep out whoever has the address next and no password. */
  #removeMd5Key(): void {
    if (this.#md5At === undefined) return;
    this.instance.bgp.setMd5Key(this.instance.vrf, this.family, this.#md5At, '');
    this.#md5At = undefined;
  }

  /** `quietly`: without a word to the neighbour, who keeps our routes if it can. */
  close(quietly = false): void {
    this.#closed = true;
    for (const afi of FAMILY_NAMES) if (this.families[afi].index !== 0) this.families[afi].leave();
    this.#restart?.stop();
    this.helper.stop();
    this.constraint.down();
    if (this.#discoversOn !== 0) this.instance.zebra?.stopDiscovery(this.instance.vrf, this.#discoversOn);
    this.session?.destroy(quietly);
    this.#removeMd5Key();
    this.session = undefined;
    this.negotiated = undefined;
  }

  // ---- what the session tells ----------------------------------------------------------------------------------------

  established(negotiated: Negotiated): void {
    this.negotiated = negotiated;
    this.learnt = negotiated;
    this.#placeThen = this.place;
    this.establishedWallMs = this.instance.bgp.wallMs();
    this.#upMs = this.instance.bgp.loop.now();
    this.#log('Up');
    // It is the next hop of most that an external neighbour sends, so zebra is asked before the first route needs to know.
    if (negotiated.kind === 'external') {
      this.#unwatch = this.instance.tracker.watch(hostPrefix(this.family, this.words), () => {});
    }
    const active = FAMILY_NAMES.filter(
      name => this.families[name].index !== 0 && ofFamily(negotiated.families, name) !== undefined,
    );
    this.#parser = new UpdateParser({
      ebgp: negotiated.kind === 'external' && this.place !== 'confed',
      confed: this.place === 'confed',
      as4: negotiated.as4,
      ipv4: active.includes('ipv4'),
      ipv6: active.includes('ipv6'),
      others: active.map(name => FAMILY[name].code).filter(code => code !== AF_INET && code !== AF_INET6),
      addPath: active.filter(name => this.families[name].addPath?.receive).map(name => FAMILY[name].code),
      firstAs: this.#firstAs(negotiated),
    });
    this.#up = active.map(name => this.families[name]);
    this.constraint.up(active.includes('rtc'));
    for (const one of this.#up) {
      one.up = true;
      one.endOfRibReceived = false;
      one.refreshing = false;
      one.limit.renew();
      one.update();
    }
    this.helper.up(negotiated);
    this.instance.undefer();
  }

  /** The AS that must stand first in what an external neighbour sends; 0: any may. */
  #firstAs({ kind, remoteAs }: Negotiated): number {
    const enforce = this.settings.enforceFirstAs ?? this.instance.options.enforceFirstAs;
    return enforce && kind === 'external' && this.place !== 'confed' ? remoteAs : 0;
  }

  /** The neighbour's routes are asked for again where the rule for them has changed. */
  #updateFirstAs(): void {
    const { negotiated } = this;
    if (negotiated === undefined || this.#parser === undefined) return;
    const firstAs = this.#firstAs(negotiated);
    if (!this.#parser.setFirstAs(firstAs)) return;
    for (const family of negotiated.families) this.session?.sendRouteRefresh(family);
  }

  /** Whether it is to be spoken to in a family. */
  wanted(afi: FamilyName): boolean {
    return this.families[afi].index !== 0 && this.settings.remoteAs !== undefined && !this.shutDown && !this.held;
  }

  /** Whether the neighbour has said all that it has in a family, or is not going to. */
  told(afi: FamilyName): boolean {
    const { negotiated } = this;
    const one = this.families[afi];
    if (!this.wanted(afi)) return true;
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
    const negotiated = this.negotiated!;
    this.negotiated = undefined;
    this.#parser = undefined;
    this.#up = [];
    this.constraint.down();
    for (const afi of FAMILY_NAMES) {
      const one = this.families[afi];
      if (!one.up) continue;
      one.up = false;
      one.leaveGroup();
      if (one.index !== 0) this.helper.down(one, reason, negotiated);
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
    if (update.endOfRib !== 0) {
      const one = this.families[familyOf(update.endOfRib).name];
      one.endOfRibReceived = true;
      this.helper.endOfRib(one.afi);
      this.instance.undefer();
      if (one.afi === 'rtc') this.constraint.endOfRib();
      return undefined;
    }
    let error: PeerError | undefined;
    for (let i = 0; i < this.#up.length; i++) {
      const one = this.#up[i]!;
      if (!one.up) continue;
      one.family.table.ingest(one.index, parser);
      error ??= this.#judgeLimit(one);
    }
    return error;
  }

  /** What the session is to be ended with, where there are too many prefixes. It rests then until `clear`, or for a time. */
  #judgeLimit(one: PeerFamily): PeerError | undefined {
    const { settings } = one;
    if (settings.maximumPrefix === undefined || !one.up) return undefined;
    const { bgp } = this.instance;
    const counts = one.family.table.peerCounts(one.index);
    const error = one.limit.judge(counts, settings, this.name, text => bgp.log(text));
    if (error === undefined) return undefined;
    this.held = true;
    bgp.changed();
    if (settings.maximumPrefixRestartMin !== undefined) {
      this.#restart ??= bgp.loop.timer('bgp maximum prefix restart', () => this.#release());
      this.#restart.start(settings.maximumPrefixRestartMin * 60_000);
      this.#restartAtMs = bgp.loop.now() + settings.maximumPrefixRestartMin * 60_000;
    }
    return error;
  }

  /** The limit, or what counts, changed while the session goes on. */
  limitChanged(one: PeerFamily): void {
    const error = this.#judgeLimit(one);
    if (error !== undefined) this.session?.stop({ error });
  }

  /** Milliseconds until it may come back by itself; undefined: not before `clear`. */
  get restartMs(): number | undefined {
    if (!this.held || this.#restart?.active !== true) return undefined;
    return Math.max(0, this.#restartAtMs - this.instance.bgp.loop.now());
  }

  #release(): void {
    this.#restart?.stop();
    if (!this.held) return;
    this.held = false;
    this.instance.bgp.changed();
  }

  stateChanged(from: SessionState, to: SessionState): void {
    if (rank(from) >= rank('OpenSent') && rank(to) < rank('OpenSent')) this.leaveIfGone();
  }

  /** One that came by itself goes with its session, or, where it restarts, when nothing of it is kept any more. */
  leaveIfGone(): void {
    if (!this.dynamic || this.#closed) return;
    this.instance.bgp.loop
      .event('bgp dynamic neighbor', () => {
        const gone = rank(this.session?.state ?? 'Idle') < rank('OpenSent');
        if (gone && !this.helper.keeps) this.instance.dropDynamic(this);
      })
      .schedule();
  }

  routeRefresh(refresh: RouteRefresh): void {
    const one = FAMILY_NAMES.map(afi => this.families[afi]).find(
      ({ afi }) => FAMILY[afi].afi === refresh.afi && FAMILY[afi].safi === refresh.safi,
    );
    if (one === undefined || !one.up) return;
    // The octet means something only to those who agreed that it does (RFC 7313 §3.2); a kind we do not know is ignored (§5).
    const kind = this.negotiated?.enhancedRefresh === true ? refresh.kind : RefreshKind.request;
    if (kind === RefreshKind.request) one.membership?.refresh(true);
    else if (kind === RefreshKind.begin) this.#refreshBegins(one);
    else if (kind === RefreshKind.end && one.refreshing) {
      one.refreshing = false;
      one.family.table.sweepStale(one.index);
    }
  }

  /**
   * What the peer does not say between the marks is gone (RFC 7313 §4.2). Of one that knows graceful restart, a mark before
   * its End-of-RIB is ignored: what it has not come to yet would be taken for gone.
   */
  #refreshBegins(one: PeerFamily): void {
    if (this.negotiated?.remote.gracefulRestart !== undefined && !one.endOfRibReceived) return;
    one.refreshing = true;
    one.family.table.peerDown(one.index, true);
  }

  writable(): void {
    for (const afi of FAMILY_NAMES) this.families[afi].membership?.writable();
  }

  #log(text: string): void {
    const { bgp, options } = this.instance;
    if (options.logNeighborChanges) bgp.log(`%ADJCHANGE: neighbor ${this.name} in vrf ${this.instance.name} ${text}`);
  }
}
