// `show bgp neighbors`: everything about a session and its families, in FRR's words and keys.
import { formatIp4 } from '../net/index.ts';
import type { PeerFamily } from './peer-family.ts';
import type { Peer } from './peer.ts';
import { formatDownReason } from './session/down-reason.ts';
import { addressText, clockTime, routerIdText, uptime } from './show-format.ts';
import type { Negotiated, OpenSummary, SessionStats } from './session/types.ts';
import { AFI_KEY, AFI_NUMBER, AFI_TITLE, AFIS, type Afi } from './settings.ts';

/** `advertised`, `received`, both, or nothing: text and key of a capability. */
function exchanged(local: boolean, remote: boolean): { text: string; key: string } | undefined {
  if (local && remote) return { text: 'advertised and received', key: 'advertisedAndReceived' };
  if (local) return { text: 'advertised', key: 'advertised' };
  return remote ? { text: 'received', key: 'received' } : undefined;
}

interface CapabilityLine {
  readonly title: string;
  readonly key: string;
  readonly on: (open: OpenSummary) => boolean;
}

const CAPABILITIES: readonly CapabilityLine[] = [
  { title: '4 Byte AS', key: '4byteAs', on: open => open.as4 },
  { title: 'Extended Message', key: 'extendedMessage', on: open => open.extendedMessages },
  { title: 'Route refresh', key: 'routeRefresh', on: open => open.routeRefresh },
  { title: 'Enhanced Route Refresh', key: 'enhancedRouteRefresh', on: open => open.enhancedRefresh },
];

function hasFamily(open: OpenSummary, afi: Afi): boolean {
  return open.families.some(family => family.afi === AFI_NUMBER[afi] && family.safi === 1);
}

function hopsAway(peer: Peer): number {
  if (peer.internal) return 255;
  const { ebgpMultihop, ttlSecurityHops } = peer.settings;
  return ttlSecurityHops ?? ebgpMultihop ?? 1;
}

function activeFamilies(peer: Peer): PeerFamily[] {
  return AFIS.map(afi => peer.families[afi]).filter(one => one.index !== 0);
}

function sentCount(one: PeerFamily): number {
  return one.membership === undefined ? 0 : one.membership.slot.group.advertisedCount(one.membership.member);
}

export function neighborText(peer: Peer): string {
  const { instance, settings } = peer;
  const stats = peer.session?.stats();
  const negotiated = peer.negotiated;
  const lines: string[] = [];
  const link = peer.internal ? 'internal' : 'external';
  lines.push(`BGP neighbor is ${peer.name}, remote AS ${peer.remoteAs}, local AS ${peer.localAs}, ${link} link`);
  if (settings.description !== undefined) lines.push(` Description: ${settings.description}`);
  if (negotiated?.remote.hostname !== undefined) lines.push(`Hostname: ${negotiated.remote.hostname}`);
  if (peer.groupName !== undefined) lines.push(` Member of peer-group ${peer.groupName} for session parameters`);
  if (settings.shutdown === true) lines.push(' Administratively shut down');
  lines.push(
    `  BGP version 4, remote router ID ${formatIp4(negotiated?.remoteRouterId ?? 0)}, local router ID ${routerIdText(instance)}`,
  );
  const up = negotiated === undefined ? '' : `, up for ${uptime(stats?.sinceMs ?? 0)}`;
  lines.push(`  BGP state = ${peer.state}${up}`);
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
  if (negotiated !== undefined) lines.push(...capabilityText(negotiated));
  lines.push(...messageText(stats));
  lines.push(`  Minimum time between advertisement runs is ${settings.advertisementIntervalS ?? 0} seconds`, '');
  for (const one of activeFamilies(peer)) lines.push(...familyText(one));
  lines.push(
    `  Connections established ${stats?.connectionsEstablished ?? 0}; dropped ${stats?.connectionsDropped ?? 0}`,
    stats?.lastReset === undefined
      ? '  Last reset never'
      : `  Last reset ${clockTime(stats.lastReset.agoMs)},  ${formatDownReason(stats.lastReset.reason)}`,
  );
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
    lines.push(`Next connect timer due in ${Math.round(stats.nextConnectMs / 1000)} seconds`);
  }
  return `${lines.join('\n')}\n\n`;
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

function capabilityText({ local, remote }: Negotiated): string[] {
  const lines = ['  Neighbor capabilities:'];
  for (const { title, on } of CAPABILITIES) {
    const state = exchanged(on(local), on(remote));
    if (state !== undefined) lines.push(`    ${title}: ${state.text}`);
  }
  for (const afi of AFIS) {
    const state = exchanged(hasFamily(local, afi), hasFamily(remote, afi));
    if (state !== undefined) lines.push(`    Address Family ${AFI_TITLE[afi]}: ${state.text}`);
  }
  const name = (open: OpenSummary): string =>
    `name: ${open.hostname ?? 'n/a'},domain name: ${open.domainname || 'n/a'}`;
  lines.push(
    `    Hostname Capability: ${local.hostname === undefined ? 'not advertised' : `advertised (${name(local)})`} ${remote.hostname === undefined ? 'not received' : `received (${name(remote)})`}`,
  );
  const restart = exchanged(local.gracefulRestart !== undefined, remote.gracefulRestart !== undefined);
  if (restart !== undefined) {
    lines.push(`    Graceful Restart Capability: ${restart.text}`);
    if (remote.gracefulRestart !== undefined) {
      lines.push(
        `      Remote Restart timer is ${remote.gracefulRestart.timeS} seconds`,
        '      Address families by peer:',
        `        ${remote.gracefulRestart.families.length === 0 ? 'none' : remote.gracefulRestart.families.map(one => (one.afi === 1 ? 'IPv4 Unicast' : 'IPv6 Unicast')).join(', ')}`,
      );
    }
  }
  return lines;
}

function messageText(stats: SessionStats | undefined): string[] {
  const pair = (title: string, key: keyof SessionStats['sent']): string =>
    `    ${`${title}:`.padEnd(15)}${String(stats?.sent[key] ?? 0).padStart(10)} ${String(stats?.received[key] ?? 0).padStart(10)}`;
  const total = (counts: object | undefined): number =>
    counts === undefined ? 0 : Object.values(counts as Record<string, number>).reduce((sum, one) => sum + one, 0);
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
    `    ${'Total:'.padEnd(15)}${String(total(stats?.sent)).padStart(10)} ${String(total(stats?.received)).padStart(10)}`,
  ];
}

function familyText(one: PeerFamily): string[] {
  const { settings } = one;
  const lines = [` For address family: ${AFI_TITLE[one.afi]}`];
  if (one.membership === undefined) lines.push('  Not part of any update group');
  else {
    const { slot } = one.membership;
    lines.push(`  Update group ${slot.id}, subgroup ${slot.id}`, `  Packet Queue length ${slot.group.stats().pending}`);
  }
  if (settings.routeReflectorClient === true) lines.push('  Route-Reflector Client');
  if (settings.softReconfiguration === true) lines.push('  Inbound soft reconfiguration allowed');
  if (settings.nextHopSelf !== undefined) {
    lines.push(`  NEXT_HOP is always this router${settings.nextHopSelf === 'force' ? ' (force)' : ''}`);
  }
  if (settings.allowAsIn !== undefined) lines.push(`  Local AS allowed in path, ${settings.allowAsIn} occurrences`);
  if (settings.removePrivateAs !== undefined) lines.push('  Private AS numbers removed in updates to this neighbor');
  if (settings.defaultOriginate === true) lines.push('  Default information originate, default sent');
  lines.push('  Community attribute sent to this neighbor(all)');
  const { prefixListIn, prefixListOut, filterListIn, filterListOut, routeMapIn, routeMapOut } = settings;
  if ((prefixListIn ?? filterListIn ?? routeMapIn) !== undefined) lines.push('  Inbound path policy configured');
  if ((prefixListOut ?? filterListOut ?? routeMapOut) !== undefined) lines.push('  Outbound path policy configured');
  if (prefixListIn !== undefined) lines.push(`  Incoming update prefix filter list is *${prefixListIn}`);
  if (prefixListOut !== undefined) lines.push(`  Outgoing update prefix filter list is *${prefixListOut}`);
  if (filterListIn !== undefined) lines.push(`  Incoming update AS path filter list is *${filterListIn}`);
  if (filterListOut !== undefined) lines.push(`  Outgoing update AS path filter list is *${filterListOut}`);
  if (routeMapIn !== undefined) lines.push(`  Route map for incoming advertisements is *${routeMapIn}`);
  if (routeMapOut !== undefined) lines.push(`  Route map for outgoing advertisements is *${routeMapOut}`);
  lines.push(`  ${one.family.table.peerCounts(one.index).accepted} accepted prefixes`);
  if (settings.maximumPrefix !== undefined) {
    lines.push(
      `  Maximum prefixes allowed ${settings.maximumPrefix}${settings.maximumPrefixWarningOnly === true ? ' (warning-only)' : ''}`,
      `  Threshold for warning message ${settings.maximumPrefixThreshold ?? 75}%`,
    );
  }
  lines.push('');
  return lines;
}

export function neighborJson(peer: Peer): object {
  const { instance, settings } = peer;
  const stats = peer.session?.stats();
  const negotiated = peer.negotiated;
  const holdMs = (settings.holdTimeS ?? instance.options.holdTimeS) * 1000;
  const keepaliveMs = (settings.keepaliveS ?? instance.options.keepaliveS) * 1000;
  const whole = (ms: number): number => Math.floor(ms);
  const hostname = negotiated?.remote.hostname;
  return {
    remoteAs: peer.remoteAs,
    localAs: peer.localAs,
    ...(peer.internal ? { nbrInternalLink: true } : { nbrExternalLink: true }),
    ...(settings.description === undefined ? {} : { nbrDesc: settings.description }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(peer.groupName === undefined ? {} : { peerGroup: peer.groupName }),
    ...(settings.shutdown === true ? { adminShutDown: true } : {}),
    bgpVersion: 4,
    remoteRouterId: formatIp4(negotiated?.remoteRouterId ?? 0),
    localRouterId: routerIdText(instance),
    bgpState: peer.state,
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
    ...(negotiated === undefined ? {} : { neighborCapabilities: capabilitiesJson(negotiated) }),
    ...(negotiated === undefined ? {} : { gracefulRestartInfo: restartJson(peer) }),
    messageStats: messagesJson(stats),
    minBtwnAdvertisementRunsTimerMsecs: (settings.advertisementIntervalS ?? 0) * 1000,
    addressFamilyInfo: Object.fromEntries(activeFamilies(peer).map(one => [AFI_KEY[one.afi], familyJson(one)])),
    connectionsEstablished: stats?.connectionsEstablished ?? 0,
    connectionsDropped: stats?.connectionsDropped ?? 0,
    ...(stats?.lastReset === undefined
      ? { lastReset: 'never' }
      : {
          lastResetTimerMsecs: whole(stats.lastReset.agoMs),
          lastResetDueTo: formatDownReason(stats.lastReset.reason),
        }),
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
    ...(stats?.nextConnectMs === undefined ? {} : { nextConnectTimerDueInMsecs: whole(stats.nextConnectMs) }),
    readThread: negotiated === undefined ? 'off' : 'on',
    writeThread: negotiated === undefined ? 'off' : 'on',
  };
}

function capabilitiesJson({ local, remote }: Negotiated): object {
  const flags: Record<string, unknown> = {};
  for (const { key, on } of CAPABILITIES) {
    const state = exchanged(on(local), on(remote));
    if (state === undefined) continue;
    flags[key] =
      key === 'routeRefresh' && state.key === 'advertisedAndReceived' ? 'advertisedAndReceivedNew' : state.key;
  }
  const families: Record<string, object> = {};
  for (const afi of AFIS) {
    const state = exchanged(hasFamily(local, afi), hasFamily(remote, afi));
    if (state !== undefined) families[AFI_KEY[afi]] = { [state.key]: true };
  }
  const restart = exchanged(local.gracefulRestart !== undefined, remote.gracefulRestart !== undefined);
  return {
    ...flags,
    multiprotocolExtensions: families,
    hostName: {
      ...(local.hostname === undefined
        ? {}
        : { advHostName: local.hostname, advDomainName: local.domainname || 'n/a' }),
      ...(remote.hostname === undefined
        ? {}
        : { rcvHostName: remote.hostname, rcvDomainName: remote.domainname || 'n/a' }),
    },
    ...(restart === undefined ? {} : { gracefulRestart: restart.key }),
    ...(remote.gracefulRestart === undefined
      ? {}
      : {
          gracefulRestartRemoteTimerMsecs: remote.gracefulRestart.timeS * 1000,
          addressFamiliesByPeer:
            remote.gracefulRestart.families.length === 0
              ? 'none'
              : Object.fromEntries(
                  remote.gracefulRestart.families.map(one => [one.afi === 1 ? 'ipv4Unicast' : 'ipv6Unicast', {}]),
                ),
        }),
  };
}

function restartJson(peer: Peer): object {
  const up = activeFamilies(peer).filter(one => one.up);
  const sent = (one: PeerFamily): boolean =>
    one.membership !== undefined && one.membership.slot.group.stats().pending === 0;
  return {
    endOfRibSend: Object.fromEntries(up.filter(sent).map(one => [AFI_KEY[one.afi], true])),
    endOfRibRecv: Object.fromEntries(up.filter(one => one.endOfRibReceived).map(one => [AFI_KEY[one.afi], true])),
  };
}

function messagesJson(stats: SessionStats | undefined): object {
  const { sent, received } = stats ?? {};
  const total = (counts: object | undefined): number =>
    counts === undefined ? 0 : Object.values(counts as Record<string, number>).reduce((sum, one) => sum + one, 0);
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
    totalSent: total(sent),
    totalRecv: total(received),
  };
}

function familyJson(one: PeerFamily): object {
  const { settings, membership } = one;
  const { prefixListIn, prefixListOut, filterListIn, filterListOut, routeMapIn, routeMapOut } = settings;
  const given = (key: string, value: unknown): object => (value === undefined ? {} : { [key]: value });
  return {
    ...(membership === undefined
      ? {}
      : {
          updateGroupId: membership.slot.id,
          subGroupId: membership.slot.id,
          packetQueueLength: membership.slot.group.stats().pending,
        }),
    ...(settings.routeReflectorClient === true ? { routeReflectorClient: true } : {}),
    ...(settings.softReconfiguration === true ? { inboundSoftConfigPermit: true } : {}),
    ...(settings.nextHopSelf === undefined ? {} : { routerAlwaysNextHop: true }),
    ...given('allowAsInCount', settings.allowAsIn),
    ...(settings.defaultOriginate === true ? { defaultSent: true } : {}),
    commAttriSentToNbr: 'extendedAndStandard',
    ...((prefixListIn ?? filterListIn ?? routeMapIn) === undefined ? {} : { inboundPathPolicyConfig: true }),
    ...((prefixListOut ?? filterListOut ?? routeMapOut) === undefined ? {} : { outboundPathPolicyConfig: true }),
    ...given('incomingUpdatePrefixFilterList', prefixListIn),
    ...given('outgoingUpdatePrefixFilterList', prefixListOut),
    ...given('incomingUpdateAsPathFilterList', filterListIn),
    ...given('outgoingUpdateAsPathFilterList', filterListOut),
    ...given('routeMapForIncomingAdvertisements', routeMapIn),
    ...given('routeMapForOutgoingAdvertisements', routeMapOut),
    acceptedPrefixCounter: one.family.table.peerCounts(one.index).accepted,
    ...(membership === undefined ? {} : { sentPrefixCounter: sentCount(one) }),
    ...(settings.maximumPrefix === undefined
      ? {}
      : {
          prefixAllowedMax: settings.maximumPrefix,
          ...(settings.maximumPrefixWarningOnly === true ? { prefixAllowedMaxWarning: true } : {}),
          prefixAllowedWarningThresh: settings.maximumPrefixThreshold ?? 75,
        }),
  };
}
