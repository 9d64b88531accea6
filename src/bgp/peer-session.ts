// What a neighbour's session runs with, and whether it may run at all.
import { AF_INET6, isLinkLocal6, isUnspecified } from '../net/index.ts';
import { addressOf } from './interfaces.ts';
import type { SocketAddress } from './io/types.ts';
import type { Neighbour, PeerFamily } from './peer-family.ts';
import type { SessionConfig } from './session/types.ts';
import type { GracefulRestart } from './wire/capability.ts';
import { NO_ROLE } from './wire/role.ts';
import { type FamilyName, FAMILY, FAMILY_NAMES } from './wire/family.ts';

/** The neighbour, as far as its session hangs on it. */
export interface SessionPeer extends Neighbour {
  readonly families: Readonly<Record<FamilyName, PeerFamily>>;
  /** After maximum-prefix: until `clear`. */
  readonly held: boolean;
  readonly dynamic: boolean;
  /** It is whoever is at the other end of this interface. */
  readonly unnumbered: string | undefined;
  /** By an operator, who wants it so. */
  readonly shutDown: boolean;
  remoteAddress(): SocketAddress;
  restartCapability(active: readonly FamilyName[]): GracefulRestart | false;
}

/** What the session runs with; where it must not run, why, in FRR's words. */
export function sessionConfig(peer: SessionPeer): SessionConfig | string {
  const { settings, instance } = peer;
  const { options } = instance;
  const active = FAMILY_NAMES.filter(afi => peer.families[afi].index !== 0);
  const routerId = instance.routerId;
  if (settings.remoteAs === undefined) return 'No remote AS configured';
  if (peer.shutDown) return 'Admin. shutdown';
  if (peer.held) return 'Maximum prefix limit exceeded';
  if (active.length === 0) return 'No AFI/SAFI activated for peer';
  if (!instance.ready) return 'Waiting for VRF to be initialized';
  if (peer.unnumbered !== undefined && isUnspecified(peer.words)) return 'Waiting for router advertisement';
  if (routerId === 0) return 'Router ID not configured yet';
  if (!reachable(peer)) return 'Waiting for NHT';
  const local = sourceAddress(peer);
  if (local === null) return 'Update source not available';
  const ttl = ttlOf(peer);
  return {
    localAs: peer.localAs,
    remoteAs: settings.remoteAs,
    routerId,
    remote: peer.remoteAddress(),
    ...(local === undefined ? {} : { local }),
    ...instance.vrf.place,
    passive: settings.passive === true || peer.dynamic,
    ...(settings.password === undefined ? {} : { md5Key: settings.password }),
    ...(ttl === undefined ? {} : ttl),
    limits: {
      readQuanta: options.readQuanta,
      writeQuanta: options.writeQuanta,
      inputQueue: instance.bgp.inputQueueLimit,
      outputQueue: instance.bgp.outputQueueLimit,
    },
    holdTimeS: settings.holdTimeS ?? options.holdTimeS,
    keepaliveS: settings.keepaliveS ?? options.keepaliveS,
    ...(settings.connectRetryS === undefined ? {} : { connectRetryS: settings.connectRetryS }),
    ...(settings.delayOpenS === undefined ? {} : { delayOpenS: settings.delayOpenS }),
    families: active.map(name => ({ afi: FAMILY[name].afi, safi: FAMILY[name].safi })),
    addPath: active.flatMap(afi => {
      const { disableAddPathRx, addPathTx } = peer.families[afi].settings;
      const [receive, send] = [disableAddPathRx !== true, addPathTx !== undefined];
      return receive || send ? [{ afi: FAMILY[afi].afi, safi: FAMILY[afi].safi, receive, send }] : [];
    }),
    ...(instance.bgp.hostname === '' ? {} : { hostname: instance.bgp.hostname }),
    // An unnumbered link has no IPv4 address that could be a next hop.
    ...(settings.extendedNextHop === true || peer.unnumbered !== undefined ? { extendedNextHop: true } : {}),
    gracefulRestart: peer.restartCapability(active),
    ...(options.hardAdministrativeReset ? {} : { hardAdministrativeReset: false }),
    ...(peer.role === NO_ROLE ? {} : { role: { number: peer.role, strict: settings.strictRole === true } }),
    ...(settings.extendedParameters === true ? { extendedParameters: true } : {}),
    ...(settings.dontCapabilityNegotiate === true ? { dontCapabilityNegotiate: true } : {}),
  };
}

/** RFC 5082, RFC 4271 §5.1.3: one hop for eBGP unless told otherwise. */
function ttlOf(peer: SessionPeer): { ttl: number; minTtl?: number } | undefined {
  if (peer.settings.ttlSecurityHops !== undefined) return { ttl: 255, minTtl: 256 - peer.settings.ttlSecurityHops };
  if (peer.internal) return { ttl: 255 };
  return { ttl: peer.settings.ebgpMultihop ?? 1 };
}

/** A single-hop neighbour must be on a network of ours. Without zebra nobody checks. */
function reachable(peer: SessionPeer): boolean {
  const { zebra, vrf } = peer.instance;
  if (zebra === undefined || !vrf.known || !peer.singleHop) return true;
  if (peer.family === AF_INET6 && isLinkLocal6(peer.words)) return true;
  // A session that is there ends by its hold time, where it is not to end with the link.
  if (peer.negotiated !== undefined && !peer.instance.options.fastExternalFailover) return true;
  return peer.instance.connected(peer.family, peer.words);
}

/** `update-source`; null: its interface has no address yet. */
function sourceAddress(peer: SessionPeer): SocketAddress | undefined | null {
  const source = peer.settings.updateSource;
  if (source === undefined) return undefined;
  const named = peer.instance.interfaces.named(source);
  const own = named === undefined ? undefined : addressOf(named, peer.family);
  const words = own ?? peer.instance.parse(peer.family, source);
  return words === undefined ? null : { family: peer.family, words, port: 0, scopeId: 0 };
}
