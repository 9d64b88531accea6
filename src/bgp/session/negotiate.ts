// What two OPENs mean together: whether the peer is who it should be, and what both sides can do. No state, no side effects.
import { AF_INET6 } from '../../net/index.ts';
import {
  AFI_IPV4,
  AFI_IPV6,
  type AddPath,
  type AddressFamily,
  type Capability,
  type GracefulRestart,
  SAFI_UNICAST,
  sameFamily,
  writeCapability,
} from '../wire/capability.ts';
import { EXTENDED_MESSAGE_BYTES, MAXIMUM_MESSAGE_BYTES } from '../wire/message.ts';
import { ErrorCode, OpenError, type PeerError, peerError } from '../wire/notification.ts';
import { AS_TRANS, type Open } from '../wire/open.ts';
import { SAFI_VPN } from '../wire/family.ts';
import { COUNTERPART } from '../wire/role.ts';
import type { Negotiated, OpenSummary, SessionConfig } from './types.ts';

export const DEFAULT_HOLD_S = 180;
export const DEFAULT_KEEPALIVE_S = 60;
export const DEFAULT_RESTART_TIME_S = 120;

/** `Negotiated` without what only the connection knows. */
export type Agreement = Omit<Negotiated, 'localAddress' | 'remoteAddress' | 'outgoing'>;

const HELPER: GracefulRestart = {
  restarting: false,
  notification: false,
  timeS: DEFAULT_RESTART_TIME_S,
  families: [],
};

/** Our OPEN. */
export function localOpen(config: SessionConfig): Open {
  return {
    as2: config.localAs > 0xffff ? AS_TRANS : config.localAs,
    holdTimeS: config.holdTimeS ?? DEFAULT_HOLD_S,
    routerId: config.routerId,
    capabilities: config.dontCapabilityNegotiate === true ? [] : localCapabilities(config),
    ...(config.extendedParameters === true && { extended: true }),
  };
}

function localCapabilities(config: SessionConfig): Capability[] {
  const list: Capability[] = config.families.map(family => ({ kind: 'multiprotocol', family }));
  if (config.announceRouteRefresh !== false) list.push({ kind: 'routeRefresh' }, { kind: 'enhancedRefresh' });
  if (config.announceAs4 !== false) list.push({ kind: 'as4', as: config.localAs });
  const uses = config.families
    .filter(family => wideNextHops(config, family))
    .map(family => ({ family, nextHopAfi: AFI_IPV6 }));
  if (uses.length > 0) list.push({ kind: 'extendedNextHop', uses });
  if (config.addPath !== undefined && config.addPath.length > 0) {
    list.push({ kind: 'addPath', families: config.addPath });
  }
  if (config.announceExtendedMessages !== false) list.push({ kind: 'extendedMessage' });
  if (config.role !== undefined) list.push({ kind: 'role', role: config.role.number });
  if (config.hostname !== undefined) {
    list.push({ kind: 'fqdn', hostname: config.hostname, domainname: config.domainname ?? '' });
  }
  if (config.gracefulRestart !== false) {
    list.push({ kind: 'gracefulRestart', restart: config.gracefulRestart ?? HELPER });
  }
  list.push(...(config.extraCapabilities ?? []));
  return list;
}

/** Whether a family's prefixes may have IPv6 next hops (RFC 8950 §4): of a VPN's, over IPv6 they mostly have no others. */
function wideNextHops(config: SessionConfig, family: AddressFamily): boolean {
  if (sameFamily(family, IPV4_UNICAST)) return config.extendedNextHop === true;
  return family.afi === AFI_IPV4 && family.safi === SAFI_VPN && config.remote.family === AF_INET6;
}

/** An OPEN as one looks at it afterwards. Where a capability comes twice, the first one counts (RFC 5492 §4). */
export function summarize(open: Open): OpenSummary {
  const { capabilities } = open;
  const find = <Kind extends Capability['kind']>(kind: Kind): Extract<Capability, { kind: Kind }> | undefined =>
    capabilities.find((capability): capability is Extract<Capability, { kind: Kind }> => capability.kind === kind);
  const families: AddressFamily[] = [];
  for (const capability of capabilities) {
    if (capability.kind !== 'multiprotocol') continue;
    if (!families.some(family => sameFamily(family, capability.family))) families.push(capability.family);
  }
  const as4 = find('as4');
  const fqdn = find('fqdn');
  const restart = find('gracefulRestart')?.restart;
  return {
    as: as4?.as ?? open.as2,
    routerId: open.routerId,
    holdTimeS: open.holdTimeS,
    families,
    routeRefresh: find('routeRefresh') !== undefined,
    enhancedRefresh: find('enhancedRefresh') !== undefined,
    as4: as4 !== undefined,
    extendedNextHop:
      find('extendedNextHop')?.uses.some(use => sameFamily(use.family, IPV4_UNICAST) && use.nextHopAfi === AFI_IPV6) ===
      true,
    extendedMessages: find('extendedMessage') !== undefined,
    ...(restart && { gracefulRestart: restart }),
    ...(fqdn && { hostname: fqdn.hostname, domainname: fqdn.domainname }),
    capabilities,
  };
}

const IPV4_UNICAST: AddressFamily = { afi: AFI_IPV4, safi: SAFI_UNICAST };

/** RFC 9234 §4.2; one that says several roles must not say different ones. */
function rolesAgree({ role }: SessionConfig, { capabilities }: Open): boolean {
  if (role === undefined) return true;
  const said = capabilities.flatMap(one => (one.kind === 'role' ? [one.role] : []));
  return said.length === 0 ? !role.strict : said.every(one => one === COUNTERPART[role.number]);
}

/** Path identifiers go one way where one side offers to send and the other to receive them (RFC 7911 §4). */
function agreedAddPath(local: OpenSummary, remote: OpenSummary, families: readonly AddressFamily[]): AddPath[] {
  const offer = ({ capabilities }: OpenSummary, family: AddressFamily): AddPath | undefined => {
    for (const capability of capabilities) {
      if (capability.kind !== 'addPath') continue;
      const one = capability.families.find(other => sameFamily(other, family));
      if (one !== undefined) return one;
    }
    return undefined;
  };
  return families.flatMap(family => {
    const [ours, theirs] = [offer(local, family), offer(remote, family)];
    if (ours === undefined || theirs === undefined) return [];
    const receive = ours.receive && theirs.send;
    const send = ours.send && theirs.receive;
    return receive || send ? [{ ...family, receive, send }] : [];
  });
}

/** The agreement of our OPEN with theirs, or what to answer it with (RFC 4271 §6.2). */
export function negotiate(config: SessionConfig, ours: Open, theirs: Open): Agreement | PeerError {
  const local = summarize(ours);
  const remote = summarize(theirs);
  const badAs = (): PeerError =>
    peerError(ErrorCode.open, OpenError.badPeerAs, new Uint8Array([theirs.as2 >>> 8, theirs.as2]));
  // RFC 7607: AS 0 is nobody's. A speaker's two forms of its number must agree (RFC 6793 §4.1).
  if (remote.as === 0 || theirs.as2 === 0) return badAs();
  if (remote.as4 && theirs.as2 !== AS_TRANS && theirs.as2 !== remote.as) return badAs();
  const internal = remote.as === config.localAs;
  if (
    config.remoteAs === 'internal'
      ? !internal
      : config.remoteAs === 'external'
        ? internal
        : remote.as !== config.remoteAs
  ) {
    return badAs();
  }
  if (!internal && !rolesAgree(config, theirs)) return peerError(ErrorCode.open, OpenError.roleMismatch);
  // RFC 6286 §2.2: any identifier but 0, and inside an AS none like ours.
  if (remote.routerId === 0 || (internal && remote.routerId === config.routerId)) {
    const id = theirs.routerId;
    return peerError(
      ErrorCode.open,
      OpenError.badIdentifier,
      new Uint8Array([id >>> 24, (id >>> 16) & 255, (id >>> 8) & 255, id & 255]),
    );
  }
  // RFC 4271 §4.2: zero, or at least three seconds.
  if (remote.holdTimeS === 1 || remote.holdTimeS === 2) {
    return peerError(ErrorCode.open, OpenError.unacceptableHoldTime, new Uint8Array([0, remote.holdTimeS]));
  }
  // A speaker that announces no family speaks IPv4 unicast (RFC 4760 §8).
  const offered = local.families.length > 0 ? local.families : [IPV4_UNICAST];
  const wanted = remote.families.length > 0 ? remote.families : [IPV4_UNICAST];
  const families = offered.filter(family => wanted.some(other => sameFamily(other, family)));
  if (families.length === 0) {
    // RFC 5492 §5: the data lists the capabilities that we miss.
    const missing = offered.map(family => writeCapability({ kind: 'multiprotocol', family }));
    return peerError(ErrorCode.open, OpenError.unsupportedCapability, Buffer.concat(missing));
  }
  const holdTimeMs = Math.min(local.holdTimeS, remote.holdTimeS) * 1000;
  const wantedKeepaliveMs = (config.keepaliveS ?? DEFAULT_KEEPALIVE_S) * 1000;
  // RFC 4271 §4.4: a third of the hold time is reasonable, more often than once a second is forbidden.
  const keepaliveMs = holdTimeMs === 0 ? 0 : Math.max(1000, Math.min(wantedKeepaliveMs, Math.floor(holdTimeMs / 3)));
  const extended = local.extendedMessages && remote.extendedMessages;
  return {
    kind: internal ? 'internal' : 'external',
    remoteAs: remote.as,
    remoteRouterId: remote.routerId,
    local,
    remote,
    families,
    holdTimeMs,
    keepaliveMs,
    as4: local.as4 && remote.as4,
    routeRefresh: local.routeRefresh && remote.routeRefresh,
    enhancedRefresh: local.enhancedRefresh && remote.enhancedRefresh,
    extendedNextHop: local.extendedNextHop && remote.extendedNextHop,
    notificationRestart: local.gracefulRestart?.notification === true && remote.gracefulRestart?.notification === true,
    addPath: agreedAddPath(local, remote, families),
    maximumMessageBytes: extended ? EXTENDED_MESSAGE_BYTES : MAXIMUM_MESSAGE_BYTES,
  };
}
