// `show bgp neighbors`: everything about a session, in FRR's words and keys; its address families, what its OPENs said and
// why it ended last are told by files of their own.
import { formatIp4, formatPrefix, isUnspecified } from '../net/index.ts';
import type { PeerFamily } from './peer-family.ts';
import type { Peer } from './peer.ts';
import type { SessionStats } from './session/types.ts';
import { FAMILY, FAMILY_NAMES } from './wire/family.ts';
import { capabilitiesJson, capabilityText, restartJson, restartText, roleOf } from './show-capabilities.ts';
import { addressText, clockTime, count, routerIdText, shownName, uptime } from './show-format.ts';
import { familyJson, familyText } from './show-neighbor-family.ts';
import { resetJson, resetText } from './show-reset.ts';

function hopsAway(peer: Peer): number {
  if (peer.internal) return 255;
  const { ebgpMultihop, ttlSecurityHops } = peer.settings;
  return ttlSecurityHops ?? ebgpMultihop ?? 1;
}

/** In our confederation. */
function confederated(peer: Peer): boolean {
  return peer.place !== 'outside' && peer.instance.options.confederation !== undefined;
}

function activeFamilies(peer: Peer): PeerFamily[] {
  return FAMILY_NAMES.map(afi => peer.families[afi]).filter(one => one.index !== 0);
}

export function neighborText(peer: Peer): string {
  const { instance, settings } = peer;
  const stats = peer.session?.stats();
  const negotiated = peer.negotiated;
  const lines: string[] = [];
  const link = `${confederated(peer) ? 'confed-' : ''}${peer.internal ? 'internal' : 'external'}`;
  const prepend = `${settings.localAsNoPrepend === true ? ' no-prepend' : ''}${settings.localAsReplace === true ? ' replace-as' : ''}`;
  lines.push(
    `BGP neighbor ${titleOf(peer)}, remote AS ${peer.remoteAs}, local AS ${peer.localAs}${prepend}, ${link} link`,
    `  Local Role: ${settings.localRole ?? 'undefined'}`,
    `  Remote Role: ${roleOf(negotiated?.remote)}`,
  );
  if (settings.description !== undefined) lines.push(` Description: ${settings.description}`);
  const hostname = peer.learnt?.remote.hostname;
  if (hostname !== undefined) lines.push(`Hostname: ${hostname}`);
  if (peer.place === 'confed') lines.push('  Neighbor under common administration');
  if (peer.groupName !== undefined) lines.push(` Member of peer-group ${peer.groupName} for session parameters`);
  const range = rangeOf(peer);
  if (range !== undefined) lines.push(`  Belongs to the subnet range group: ${range}`);
  if (peer.shutDown) lines.push(' Administratively shut down');
  lines.push(
    `  BGP version 4, remote router ID ${formatIp4(negotiated?.remoteRouterId ?? 0)}, local router ID ${routerIdText(instance)}`,
  );
  const up = negotiated === undefined ? '' : `, up for ${uptime(stats?.sinceMs ?? 0)}`;
  lines.push(`  BGP state = ${peer.state}${waits(peer) ? ' (passive)' : ''}${up}`);
  if (peer.idleReason !== undefined) lines.push(`  Not started: ${peer.idleReason}`);
  const ago = (ms: number | undefined): string => (ms === undefined ? 'never' : clockTime(ms));
  lines.push(`  Last read ${ago(stats?.lastReadMs)}, Last write ${ago(stats?.lastWriteMs)}`);
  const seconds = (ms: number | undefined): number => Math.round((ms ?? 0) / 1000);
  const hold = settings.holdTimeS ?? instance.options.holdTimeS;
  const keepalive = settings.keepaliveS ?? instance.options.keepaliveS;
  lines.push(
    `  Hold time is ${stats === undefined ? hold : seconds(stats.holdTimeMs)} seconds, keepalive interval is ${stats === undefined ? keepalive : seconds(stats.keepaliveMs)} seconds`,
    `  Configured hold time is ${hold} seconds, keepalive interval is ${keepalive} seconds`,
  );
  if (settings.extendedParameters === true) lines.push('  Extended Optional Parameters Length is enabled');
  if (negotiated !== undefined) lines.push(...capabilityText(negotiated));
  lines.push(...restartText(peer), ...messageText(stats));
  lines.push(`  Minimum time between advertisement runs is ${settings.advertisementIntervalS ?? 0} seconds`);
  if (settings.updateSource !== undefined) lines.push(`  Update source is ${settings.updateSource}`);
  lines.push('');
  for (const one of activeFamilies(peer)) lines.push(...familyText(one, peer.groupName));
  lines.push(
    `  Connections established ${stats?.connectionsEstablished ?? 0}; dropped ${stats?.connectionsDropped ?? 0}`,
    resetText(stats?.lastReset),
  );
  if (peer.held) {
    const ms = peer.restartMs;
    lines.push(
      '  Peer had exceeded the max. no. of prefixes configured.',
      ms === undefined
        ? `  Reduce the no. of prefix and clear ip bgp ${peer.name} to restore peering`
        : `  Reduce the no. of prefix from ${peer.name}, will restart in ${Math.floor(ms / 1000)} seconds`,
    );
  }
  const kind = peer.internal ? 'Internal' : 'External';
  lines.push(`  ${kind} BGP neighbor may be up to ${hopsAway(peer)} hops away.`);
  if (negotiated !== undefined) {
    const { localAddress, remoteAddress } = negotiated;
    lines.push(
      `Local host: ${addressText(localAddress)}, Local port: ${localAddress.port}`,
      `Foreign host: ${addressText(remoteAddress)}, Foreign port: ${remoteAddress.port}`,
      ...Object.entries(nexthops(peer)).map(([title, value]) => `${title}: ${value}`),
      `BGP connection: ${shared(peer) ? 'shared network' : 'non shared network'}`,
    );
  }
  lines.push(`BGP Connect Retry Timer in Seconds: ${settings.connectRetryS ?? 120}`);
  if (stats?.nextConnectMs !== undefined) {
    lines.push(`Next ${nextStep(peer)} timer due in ${Math.round(stats.nextConnectMs / 1000)} seconds`);
  }
  if (settings.password !== undefined) lines.push('Peer Authentication Enabled');
  const thread = negotiated === undefined ? 'off' : 'on';
  lines.push(`Read thread: ${thread}  Write thread: ${thread}`);
  return `${lines.join('\n')}\n\n`;
}

function titleOf(peer: Peer): string {
  if (peer.unnumbered === undefined) return `is ${shownName(peer)}`;
  return `on ${peer.unnumbered}: ${foundAt(peer) ?? 'None'}`;
}

/** The address of an unnumbered neighbour, where it is known. */
function foundAt(peer: Peer): string | undefined {
  return isUnspecified(peer.words) ? undefined : addressText(peer);
}

/** Where a neighbour that nobody configured came from. */
function rangeOf(peer: Peer): string | undefined {
  const range = peer.dynamic ? peer.instance.ranges.find(peer.family, peer.words) : undefined;
  return range && formatPrefix(range.prefix);
}

/** Only accepts, and nobody has come yet. */
function waits(peer: Peer): boolean {
  return peer.settings.passive === true && peer.state === 'Active';
}

/** What the running timer is for. */
function nextStep(peer: Peer): 'start' | 'connect' {
  return peer.state === 'Idle' ? 'start' : 'connect';
}

function shared(peer: Peer): boolean {
  return peer.instance.connected(peer.family, peer.words);
}

/** Own addresses that go into next hops, as FRR titles them. */
function nexthops(peer: Peer): { Nexthop: string; 'Nexthop global': string; 'Nexthop local': string } {
  const one = activeFamilies(peer).find(family => family.membership !== undefined);
  const options = one?.membership?.slot.group.options;
  const text6 = (words: readonly [number, number, number, number] | undefined): string =>
    words === undefined ? '::' : addressText({ family: 10, words });
  return {
    Nexthop: options?.localAddress4 === undefined ? '0.0.0.0' : formatIp4(options.localAddress4),
    'Nexthop global': text6(options?.localAddress6),
    'Nexthop local': text6(options?.localLinkLocal6),
  };
}

function messageText(stats: SessionStats | undefined): string[] {
  const pair = (title: string, key: keyof SessionStats['sent']): string =>
    `    ${`${title}:`.padEnd(15)}${String(stats?.sent[key] ?? 0).padStart(10)} ${String(stats?.received[key] ?? 0).padStart(10)}`;
  return [
    '  Message statistics:',
    '    Inq depth is 0',
    '    Outq depth is 0',
    '                         Sent       Rcvd',
    pair('Opens', 'opens'),
    pair('Notifications', 'notifications'),
    pair('Updates', 'updates'),
    pair('Keepalives', 'keepalives'),
    pair('Route Refresh', 'routeRefreshes'),
    pair('Capability', 'capabilities'),
    `    ${'Total:'.padEnd(15)}${String(count(stats?.sent)).padStart(10)} ${String(count(stats?.received)).padStart(10)}`,
  ];
}

export function neighborJson(peer: Peer): object {
  const { instance, settings } = peer;
  const stats = peer.session?.stats();
  const negotiated = peer.negotiated;
  const holdMs = (settings.holdTimeS ?? instance.options.holdTimeS) * 1000;
  const keepaliveMs = (settings.keepaliveS ?? instance.options.keepaliveS) * 1000;
  const whole = (ms: number): number => Math.floor(ms);
  const hostname = peer.learnt?.remote.hostname;
  return {
    ...(peer.unnumbered === undefined ? {} : { bgpNeighborAddr: foundAt(peer) ?? 'none' }),
    remoteAs: peer.remoteAs,
    localAs: peer.localAs,
    ...(settings.localAsNoPrepend === true ? { localAsNoPrepend: true } : {}),
    ...(settings.localAsReplace === true ? { localAsReplaceAs: true } : {}),
    [`nbr${confederated(peer) ? 'Confed' : ''}${peer.internal ? 'Internal' : 'External'}Link`]: true,
    localRole: settings.localRole ?? 'undefined',
    remoteRole: roleOf(negotiated?.remote),
    ...(settings.description === undefined ? {} : { nbrDesc: settings.description }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(peer.groupName === undefined ? {} : { peerGroup: peer.groupName }),
    ...(rangeOf(peer) === undefined ? {} : { peerSubnetRangeGroup: rangeOf(peer) }),
    ...(peer.shutDown ? { adminShutDown: true } : {}),
    bgpVersion: 4,
    remoteRouterId: formatIp4(negotiated?.remoteRouterId ?? 0),
    localRouterId: routerIdText(instance),
    ...(peer.place === 'confed' ? { nbrCommonAdmin: true } : {}),
    bgpState: peer.state,
    ...(waits(peer) ? { bgpStateIs: 'passive' } : {}),
    ...(negotiated === undefined
      ? {}
      : {
          bgpTimerUpMsec: whole(stats?.sinceMs ?? 0),
          bgpTimerUpString: uptime(stats?.sinceMs ?? 0),
          bgpTimerUpEstablishedEpoch: Math.floor(peer.establishedWallMs / 1000),
        }),
    bgpTimerLastRead: whole(stats?.lastReadMs ?? 0),
    bgpTimerLastWrite: whole(stats?.lastWriteMs ?? 0),
    bgpInUpdateElapsedTimeMsecs:
      peer.lastUpdateMs === undefined ? 0 : whole(instance.bgp.loop.now() - peer.lastUpdateMs),
    bgpTimerConfiguredHoldTimeMsecs: holdMs,
    bgpTimerConfiguredKeepAliveIntervalMsecs: keepaliveMs,
    bgpTimerHoldTimeMsecs: stats?.holdTimeMs ?? holdMs,
    bgpTimerKeepAliveIntervalMsecs: stats?.keepaliveMs ?? keepaliveMs,
    extendedOptionalParametersLength: settings.extendedParameters === true,
    // Nothing is advertised on a condition.
    bgpTimerConfiguredConditionalAdvertisementsSec: 0,
    ...(negotiated === undefined ? {} : { neighborCapabilities: capabilitiesJson(negotiated) }),
    gracefulRestartInfo: restartJson(peer),
    messageStats: messagesJson(stats),
    minBtwnAdvertisementRunsTimerMsecs: (settings.advertisementIntervalS ?? 0) * 1000,
    ...(settings.updateSource === undefined ? {} : { updateSource: settings.updateSource }),
    addressFamilyInfo: Object.fromEntries(
      activeFamilies(peer).map(one => [FAMILY[one.afi].key, familyJson(one, peer.groupName)]),
    ),
    connectionsEstablished: stats?.connectionsEstablished ?? 0,
    connectionsDropped: stats?.connectionsDropped ?? 0,
    ...resetJson(stats?.lastReset),
    ...(peer.held
      ? {
          prefixesConfigExceedMax: true,
          ...(peer.restartMs === undefined
            ? { reducePrefixNumAndClearIpBgp: peer.name }
            : { reducePrefixNumFrom: peer.name, restartInTimerMsec: Math.floor(peer.restartMs) }),
        }
      : {}),
    [peer.internal ? 'internalBgpNbrMaxHopsAway' : 'externalBgpNbrMaxHopsAway']: hopsAway(peer),
    ...(negotiated === undefined
      ? { hostLocal: 'Unknown', portLocal: -1, hostForeign: 'Unknown', portForeign: -1 }
      : {
          hostLocal: addressText(negotiated.localAddress),
          portLocal: negotiated.localAddress.port,
          hostForeign: addressText(negotiated.remoteAddress),
          portForeign: negotiated.remoteAddress.port,
          nexthop: nexthops(peer).Nexthop,
          nexthopGlobal: nexthops(peer)['Nexthop global'],
          nexthopLocal: nexthops(peer)['Nexthop local'],
          bgpConnection: shared(peer) ? 'sharedNetwork' : 'nonSharedNetwork',
        }),
    connectRetryTimer: settings.connectRetryS ?? 120,
    ...(stats?.nextConnectMs === undefined
      ? {}
      : {
          [nextStep(peer) === 'start' ? 'nextStartTimerDueInMsecs' : 'nextConnectTimerDueInMsecs']: whole(
            stats.nextConnectMs,
          ),
        }),
    ...(settings.password === undefined ? {} : { authenticationEnabled: 1 }),
    readThread: negotiated === undefined ? 'off' : 'on',
    writeThread: negotiated === undefined ? 'off' : 'on',
  };
}

function messagesJson(stats: SessionStats | undefined): object {
  const { sent, received } = stats ?? {};
  return {
    depthInq: 0,
    depthOutq: 0,
    opensSent: sent?.opens ?? 0,
    opensRecv: received?.opens ?? 0,
    notificationsSent: sent?.notifications ?? 0,
    notificationsRecv: received?.notifications ?? 0,
    updatesSent: sent?.updates ?? 0,
    updatesRecv: received?.updates ?? 0,
    keepalivesSent: sent?.keepalives ?? 0,
    keepalivesRecv: received?.keepalives ?? 0,
    routeRefreshSent: sent?.routeRefreshes ?? 0,
    routeRefreshRecv: received?.routeRefreshes ?? 0,
    capabilitySent: sent?.capabilities ?? 0,
    capabilityRecv: received?.capabilities ?? 0,
    totalSent: count(sent),
    totalRecv: count(received),
  };
}
