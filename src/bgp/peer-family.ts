// A neighbour in one address family: its index in the table, its import policy, and its update group. The index lives as long
// as the family is activated, over sessions; the membership in a group lives as long as a session.
import {
  type AddressWords,
  AF_INET,
  AF_INET6,
  equalWords,
  type Family,
  isLinkLocal6,
  type Prefix,
} from '../net/index.ts';
import type { FamilyInstance, Membership } from './family.ts';
import type { BgpInstance, Place } from './instance.ts';
import { addressOf, hostPrefix } from './interfaces.ts';
import { DENY_ALL, dependsOn, PeerPolicy } from './peer-policy.ts';
import {
  PEER_CONFED,
  PEER_EBGP,
  PEER_IBGP,
  PEER_IBGP_CLIENT,
  type PeerInfo,
  type PeerKind,
  type Policy,
} from './rib/index.ts';
import { mapped } from './nexthop-tracking.ts';
import { PrefixLimit } from './prefix-limit.ts';
import type { Negotiated, Session } from './session/types.ts';
import { type PeerAfSettings, type PeerSettings } from './settings.ts';
import { type FamilyName, ofFamily } from './wire/family.ts';
import type { GroupOptions, RouteFilter } from './updategroup/index.ts';
import type { AddPath } from './wire/capability.ts';

/** The neighbour, as its families see it. */
export interface Neighbour {
  readonly instance: BgpInstance;
  /** The address as configured. */
  readonly name: string;
  /** The peer group that it is in. */
  readonly groupName: string | undefined;
  readonly family: Family;
  readonly words: AddressWords;
  readonly settings: PeerSettings;
  readonly session: Session | undefined;
  readonly negotiated: Negotiated | undefined;
  readonly remoteAs: number;
  readonly localAs: number;
  readonly place: Place;
  readonly internal: boolean;
  readonly singleHop: boolean;
  /** Ours towards it (RFC 9234), NO_ROLE for none. */
  readonly role: number;
  /** Which routes of VPNs it asks for. */
  readonly constraint: { readonly waiting: boolean; readonly interest: RouteFilter | undefined };
  /** What may be announced in the family, or what counts, changed. */
  limitChanged(one: PeerFamily): void;
}

export class PeerFamily {
  readonly peer: Neighbour;
  readonly afi: FamilyName;
  readonly family: FamilyInstance;
  settings: PeerAfSettings = {};
  /** In the table; 0: not activated. */
  index = 0;
  info: PeerInfo | undefined = undefined;
  importKey = '';
  importPolicy: PeerPolicy | undefined = undefined;
  /** Negotiated in the present session. */
  up = false;
  membership: Membership | undefined = undefined;
  endOfRibReceived = false;
  /** The neighbour says everything anew, and has said that it does (RFC 7313). */
  refreshing = false;
  readonly limit: PrefixLimit;
  #limits = '';

  constructor(peer: Neighbour, afi: FamilyName) {
    this.peer = peer;
    this.afi = afi;
    this.family = peer.instance.family[afi];
    this.limit = new PrefixLimit(afi);
  }

  /** What the present session agreed on of paths besides the best one (RFC 7911). */
  get addPath(): AddPath | undefined {
    return ofFamily(this.peer.negotiated?.addPath, this.afi);
  }

  // ---- inwards -------------------------------------------------------------------------------------------------------

  /** Activated. */
  enter(): void {
    this.info = this.#info();
    this.index = this.family.table.addPeer(this.info);
    this.importKey = '';
  }

  /** Activated no longer. */
  leave(): void {
    this.leaveGroup();
    this.family.table.removePeer(this.index);
    this.index = 0;
    this.up = false;
    this.importPolicy = undefined;
  }

  #info(): PeerInfo {
    const { settings } = this;
    const { localAs, localAsNoPrepend } = this.peer.settings;
    const inside: PeerKind = settings.routeReflectorClient === true ? PEER_IBGP_CLIENT : PEER_IBGP;
    return {
      kind: ({ outside: PEER_EBGP, confed: PEER_CONFED, inside } as const)[this.peer.place],
      as: this.peer.remoteAs,
      routerId: this.peer.negotiated?.remoteRouterId ?? 0,
      address: this.peer.words,
      weight: settings.weight ?? 0,
      allowOwnAs: settings.allowAsIn ?? 0,
      allowOwnOrigin: settings.allowAsInOrigin === true,
      localAs: localAs ?? 0,
      // Once, where we put it there ourselves.
      allowLocalAs: settings.allowAsIn ?? (localAsNoPrepend === true ? 0 : 1),
      routeServerClient: settings.routeServerClient === true,
      role: this.peer.role,
      owner: this.peer,
    };
  }

  /** Settings, or what the session negotiated, may differ: table and group are told of what does. */
  update(): void {
    const info = this.info!;
    const now = this.#info();
    const changed = (...fields: (keyof PeerInfo)[]): boolean => fields.some(field => info[field] !== now[field]);
    const loops = changed('allowOwnAs', 'allowOwnOrigin', 'localAs', 'allowLocalAs');
    // With another role the session begins anew, so nothing is there yet.
    const moved = !equalWords(info.address, now.address);
    if (loops || moved || changed('kind', 'as', 'routerId', 'weight', 'routeServerClient', 'role')) {
      const { owner: _, ...fields } = now;
      Object.assign(info, fields);
      this.family.table.peerChanged(this.index);
    }
    this.updateImport(loops);
    const { maximumPrefix, maximumPrefixThreshold, maximumPrefixWarningOnly, maximumPrefixForce } = this.settings;
    const limits = `${maximumPrefix} ${maximumPrefixThreshold} ${maximumPrefixWarningOnly} ${maximumPrefixForce}`;
    if (limits !== this.#limits) {
      this.#limits = limits;
      this.limit.renew();
      this.peer.limitChanged(this);
    }
    if (this.up) this.joinGroup();
  }

  /** The import policy; set anew where its names changed, or where `again` says that its answers may differ. */
  updateImport(again: boolean): void {
    const { distributeListIn, prefixListIn, filterListIn, routeMapIn } = this.settings;
    const { localAs, localAsNoPrepend } = this.peer.settings;
    const prepend = localAs !== undefined && localAsNoPrepend !== true && !this.peer.internal ? localAs : 0;
    const guarded = missingPolicy(this).in;
    const named = distributeListIn ?? prefixListIn ?? filterListIn ?? routeMapIn;
    const key = [
      distributeListIn,
      prefixListIn,
      filterListIn,
      routeMapIn,
      prepend,
      guarded,
      this.peer.internal,
      this.peer.localAs,
      this.peer.groupName,
      this.peer.instance.options.defaultLocalPref,
    ].join('\n');
    if (key === this.importKey && !again) return;
    this.importKey = key;
    this.importPolicy = undefined;
    let policy: Policy | undefined;
    if (guarded) policy = DENY_ALL;
    else if (named !== undefined || prepend !== 0) {
      this.importPolicy = this.#policy({
        distributeList: distributeListIn,
        prefixList: prefixListIn,
        filterList: filterListIn,
        routeMap: routeMapIn,
        prepend,
      });
      policy = this.importPolicy;
    }
    this.family.table.setImportPolicy(this.index, policy);
  }

  #policy(names: ConstructorParameters<typeof PeerPolicy>[0], own?: Prefix): PeerPolicy {
    const { instance, groupName } = this.peer;
    return new PeerPolicy(names, instance.bgp.policy, this.family.table, instance.access, {
      ...instance.policyUse,
      peer: this.peer.name,
      peerNames: groupName === undefined ? [] : [groupName],
      peerAddress: hostPrefix(this.peer.family, this.peer.words),
      ownAddress: own,
      internal: this.peer.internal,
      localAs: this.peer.localAs,
    });
  }

  /** Lists or maps changed. */
  policyChanged(changed: ReadonlySet<string>): void {
    if (this.importPolicy !== undefined && dependsOn(this.importPolicy, changed)) this.updateImport(true);
    if (this.membership !== undefined && this.membership.dependsOn(changed)) {
      this.membership.policyChanged();
      this.joinGroup();
    }
  }

  // ---- outwards ------------------------------------------------------------------------------------------------------

  leaveGroup(): void {
    this.membership?.leave();
    this.membership = undefined;
  }

  /** Puts the peer into the group that its settings ask for. */
  joinGroup(): void {
    const { instance, session, negotiated, constraint } = this.peer;
    if (session === undefined || negotiated === undefined) return;
    const { vpn } = this.family.table;
    if (vpn && constraint.waiting) return;
    const filter = vpn ? constraint.interest : undefined;
    const { distributeListOut, prefixListOut, filterListOut, routeMapOut } = this.settings;
    const { defaultOriginate, defaultOriginateMap } = this.settings;
    const defaultOrigin = defaultOriginate === true ? this.family.defaultOrigin(defaultOriginateMap) : undefined;
    const own = hostPrefix(negotiated.localAddress.family, negotiated.localAddress.words);
    const { localAs, localAsReplace } = this.peer.settings;
    const names = {
      distributeList: distributeListOut,
      prefixList: prefixListOut,
      filterList: filterListOut,
      routeMap: routeMapOut,
      unsuppressMap: this.settings.unsuppressMap,
      prepend: localAs !== undefined && localAsReplace !== true && !this.peer.internal ? instance.as : 0,
      noDefault: defaultOrigin && ((): boolean => defaultOrigin.present),
    };
    const guarded = missingPolicy(this).out;
    const make = (): PeerPolicy | undefined =>
      guarded || Object.values(names).every(name => name === undefined || name === 0)
        ? undefined
        : this.#policy(names, own);
    const options = this.#groupOptions(negotiated);
    const policy = make();
    const key = JSON.stringify([
      options,
      names,
      guarded,
      defaultOrigin && (defaultOriginateMap ?? ''),
      this.peer.settings.advertisementIntervalS ?? 0,
      // A limit counts what this one was told, and what it asks for may change at any time.
      options.maximumPrefixes > 0 ||
      filter !== undefined ||
      this.peer.settings.solo === true ||
      policy?.perPeer === true
        ? `${this.peer.name} ${this.peer.groupName ?? ''}`
        : '',
    ]);
    this.membership = this.family.join(this, {
      key,
      options: { ...options, filter, ...(guarded && { policy: DENY_ALL }) },
      makePolicy: make,
      intervalMs: (this.peer.settings.advertisementIntervalS ?? 0) * 1000,
      defaultOrigin,
      target: session,
    });
  }

  #groupOptions(negotiated: Negotiated): GroupOptions {
    const { instance } = this.peer;
    const { settings } = this;
    const internal = negotiated.kind === 'internal';
    // A VRF may be a namespace of its own: until zebra has told of it, the system's are the best guess.
    const { interfaces } = instance.vrf.known ? instance : instance.bgp;
    const local = negotiated.localAddress;
    // Several links may have the same link-local address at our end: it comes with its link.
    const on = interfaces.get(local.scopeId) ?? interfaces.owner(local.family, local.words);
    const near = interfaces.connected(this.peer.family, this.peer.words);
    const inside = settings.routeReflectorClient === true ? 'ibgp-client' : 'ibgp';
    const options: GroupOptions = {
      kind: ({ outside: 'ebgp', confed: 'confed', inside } as const)[this.peer.place],
      localAs: this.peer.localAs,
      remoteAs: (settings.asOverride ?? settings.removePrivateAs) === undefined ? 0 : negotiated.remoteAs,
      routerId: instance.routerId,
      clusterId: instance.clusterId,
      defaultLocalPref: instance.options.defaultLocalPref,
      nextHopSelf: settings.nextHopSelf ?? false,
      nextHopUnchanged: settings.nextHopUnchanged === true || settings.routeServerClient === true,
      sendCommunity: settings.sendCommunity ?? true,
      sendExtendedCommunity: settings.sendExtendedCommunity ?? true,
      sendLargeCommunity: settings.sendLargeCommunity ?? true,
      removePrivateAs: settings.removePrivateAs ?? 'no',
      overrideAs: settings.asOverride === true,
      asPathUnchanged: settings.asPathUnchanged === true,
      medUnchanged: settings.medUnchanged === true,
      routeServerClient: settings.routeServerClient === true,
      clientToClient: instance.options.clientToClient,
      unsuppress: settings.unsuppressMap !== undefined,
      as4: negotiated.as4,
      extendedNextHop: negotiated.extendedNextHop,
      maximumMessageBytes: negotiated.maximumMessageBytes,
      role: this.peer.role,
      gracefulShutdown: instance.gracefulShutdown,
      maximumPrefixes: settings.maximumPrefixOut ?? 0,
      // Without the setting, the session that agreed on it ends in a moment.
      addPath: this.addPath?.send === true ? (settings.addPathTx ?? 'all') : undefined,
    };
    const address4 = local.family === AF_INET ? local.words : on && addressOf(on, AF_INET);
    // Over IPv6, a neighbour that asked for IPv6 next hops gets them (RFC 8950), whether there is an IPv4 address or not. What a
    // VPN's packets go to is the session's own address.
    const { vpn } = this.family.table;
    const wide = (vpn || negotiated.extendedNextHop) && local.family === AF_INET6;
    if (vpn) options.extendedNextHop = wide;
    if (address4 !== undefined && !wide) options.localAddress4 = address4[0];
    const global6 =
      local.family === AF_INET6 && !isLinkLocal6(local.words) ? local.words : on && addressOf(on, AF_INET6);
    const link6 = on && addressOf(on, AF_INET6, true);
    if (global6 !== undefined) options.localAddress6 = global6;
    // RFC 4659 §3.2.1.2.
    else if (vpn && local.family === AF_INET) options.localAddress6 = mapped(local.words[0]);
    else if (link6 !== undefined) options.localAddress6 = link6;
    // RFC 2545 §3: the link-local address goes along only to those on the link.
    if (link6 !== undefined && near !== undefined && !vpn) options.localLinkLocal6 = link6;
    if (!internal && this.peer.singleHop && near !== undefined && on === near.on) options.sharedSubnet = near.network;
    return options;
  }
}

/** RFC 8212: an external neighbour without a policy is told nothing, and nothing is taken from it. */
export function missingPolicy({ family, info, settings }: PeerFamily): { readonly in: boolean; readonly out: boolean } {
  const { distributeListIn, prefixListIn, filterListIn, routeMapIn } = settings;
  const { distributeListOut, prefixListOut, filterListOut, routeMapOut } = settings;
  const required = family.instance.options.ebgpRequiresPolicy && info?.kind === PEER_EBGP;
  return {
    in: required && (distributeListIn ?? prefixListIn ?? filterListIn ?? routeMapIn) === undefined,
    out: required && (distributeListOut ?? prefixListOut ?? filterListOut ?? routeMapOut) === undefined,
  };
}
