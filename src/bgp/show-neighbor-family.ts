// A neighbour in one address family, as `show bgp neighbors` tells it: its update group, the settings that change what is
// sent and taken, and how many prefixes.
import { missingPolicy, type PeerFamily } from './peer-family.ts';
import { isSlow, sentCount } from './show-format.ts';
import { type PeerAfSettings } from './settings.ts';
import { FAMILY } from './wire/family.ts';

const PRIVATE_AS: Readonly<Record<NonNullable<PeerAfSettings['removePrivateAs']>, { text: string; key: string }>> = {
  'if-only': { text: 'removed', key: 'privateAsNumsRemovedInUpdatesToNbr' },
  'replace-if-only': { text: 'replaced', key: 'privateAsNumsReplacedInUpdatesToNbr' },
  all: { text: '(all) removed', key: 'privateAsNumsAllRemovedInUpdatesToNbr' },
  replace: { text: '(all) replaced', key: 'privateAsNumsAllReplacedInUpdatesToNbr' },
};

const ADD_PATH: Readonly<Record<NonNullable<PeerAfSettings['addPathTx']>, { text: string; key: string }>> = {
  all: { text: 'Advertise all paths via addpath', key: 'addpathTxAllPaths' },
  'best-per-as': { text: 'Advertise bestpath per AS via addpath', key: 'addpathTxBestpathPerAS' },
};

/** Which communities are sent; FRR's JSON knows of no large ones. */
function communities(settings: PeerAfSettings): { text: string | undefined; key: string | undefined } {
  const standard = settings.sendCommunity ?? true;
  const extended = settings.sendExtendedCommunity ?? true;
  const large = settings.sendLargeCommunity ?? true;
  let text: string | undefined;
  if (standard && extended && large) text = 'all';
  else if (large) text = 'large';
  else if (standard && extended) text = 'both';
  else if (extended) text = 'extended';
  else if (standard) text = 'standard';
  let key: string | undefined;
  if (standard && extended) key = 'extendedAndStandard';
  else if (extended) key = 'extended';
  else if (standard) key = 'standard';
  return { text, key };
}

/** Attributes that are propagated unchanged. */
function keptAttributes(settings: PeerAfSettings): { title: string; key: string }[] {
  return [
    ...(settings.asPathUnchanged === true ? [{ title: 'AS_PATH', key: 'AsPath' }] : []),
    ...(settings.nextHopUnchanged === true || settings.routeServerClient === true
      ? [{ title: 'NEXT_HOP', key: 'NextHop' }]
      : []),
    ...(settings.medUnchanged === true ? [{ title: 'MED', key: 'Med' }] : []),
  ];
}

/** Whether it was told of a default route that we make. */
function originates({ membership }: PeerFamily): boolean {
  return membership?.originatesDefault === true;
}

export function familyText(one: PeerFamily, groupName: string | undefined): string[] {
  const { settings } = one;
  const lines = [` For address family: ${FAMILY[one.afi].title}`];
  if (groupName !== undefined) lines.push(`  ${groupName} peer-group member`);
  if (one.membership === undefined) lines.push('  Not part of any update group');
  else {
    const { slot } = one.membership;
    lines.push(`  Update group ${slot.id}, subgroup ${slot.id}`, `  Packet Queue length ${slot.group.stats().pending}`);
    if (isSlow(one)) lines.push('  Slow: it does not read, and its update group has gone on without it');
  }
  if (settings.routeReflectorClient === true) lines.push('  Route-Reflector Client');
  if (settings.routeServerClient === true) lines.push('  Route-Server Client');
  if (settings.softReconfiguration === true) lines.push('  Inbound soft reconfiguration allowed');
  if (settings.removePrivateAs !== undefined) {
    lines.push(`  Private AS numbers ${PRIVATE_AS[settings.removePrivateAs].text} in updates to this neighbor`);
  }
  if (settings.asOverride === true) lines.push('  Override ASNs in outbound updates if aspath equals remote-as');
  if (settings.addPathTx !== undefined) lines.push(`  ${ADD_PATH[settings.addPathTx].text}`);
  if (settings.nextHopSelf !== undefined) lines.push('  NEXT_HOP is always this router');
  for (const { title } of keptAttributes(settings)) lines.push(`  ${title} is propagated unchanged to this neighbor`);
  const { text } = communities(settings);
  if (text !== undefined) lines.push(`  Community attribute sent to this neighbor(${text})`);
  if (settings.defaultOriginate === true) {
    const map = settings.defaultOriginateMap;
    const criteria = map === undefined ? '' : ` default route-map *${map},`;
    lines.push(`  Default information originate,${criteria} default ${originates(one) ? 'sent' : 'not sent'}`);
  }
  if (named(settings, 'In')) lines.push('  Inbound path policy configured');
  if (named(settings, 'Out')) lines.push('  Outbound path policy configured');
  for (const { field, text } of LISTS) {
    if (settings[field] !== undefined) lines.push(`  ${text} is *${settings[field]}`);
  }
  const missing = missingPolicy(one);
  if (missing.in) lines.push('  Inbound updates discarded due to missing policy');
  if (missing.out) lines.push('  Outbound updates discarded due to missing policy');
  lines.push(`  ${one.family.table.peerCounts(one.index).accepted} accepted prefixes`);
  if (settings.maximumPrefixOut !== undefined) {
    lines.push(`  Maximum allowed prefixes sent ${settings.maximumPrefixOut}`);
  }
  if (settings.maximumPrefix !== undefined) {
    const { maximumPrefixRestartMin, maximumPrefixWarningOnly, maximumPrefixThreshold } = settings;
    lines.push(
      `  Maximum prefixes allowed ${settings.maximumPrefix}${maximumPrefixWarningOnly === true ? ' (warning-only)' : ''}`,
      `  Threshold for warning message ${maximumPrefixThreshold ?? 75}%${maximumPrefixRestartMin === undefined ? '' : `, restart interval ${maximumPrefixRestartMin} min`}`,
    );
  }
  lines.push('');
  return lines;
}

/** The lists and maps of a neighbour, in FRR's words. */
const LISTS = [
  {
    field: 'distributeListIn',
    text: 'Incoming update network filter list',
    key: 'incomingUpdateNetworkFilterList',
  },
  {
    field: 'distributeListOut',
    text: 'Outgoing update network filter list',
    key: 'outgoingUpdateNetworkFilterList',
  },
  { field: 'prefixListIn', text: 'Incoming update prefix filter list', key: 'incomingUpdatePrefixFilterList' },
  { field: 'prefixListOut', text: 'Outgoing update prefix filter list', key: 'outgoingUpdatePrefixFilterList' },
  { field: 'filterListIn', text: 'Incoming update AS path filter list', key: 'incomingUpdateAsPathFilterList' },
  { field: 'filterListOut', text: 'Outgoing update AS path filter list', key: 'outgoingUpdateAsPathFilterList' },
  { field: 'routeMapIn', text: 'Route map for incoming advertisements', key: 'routeMapForIncomingAdvertisements' },
  { field: 'routeMapOut', text: 'Route map for outgoing advertisements', key: 'routeMapForOutgoingAdvertisements' },
  { field: 'unsuppressMap', text: 'Route map for selective unsuppress', key: 'selectiveUnsuppressRouteMap' },
] as const;

/** Whether there is a policy in this direction. */
function named(settings: PeerAfSettings, direction: 'In' | 'Out'): boolean {
  const ours = (field: string): boolean =>
    field.endsWith(direction) || (direction === 'Out' && field === 'unsuppressMap');
  return LISTS.some(({ field }) => ours(field) && settings[field] !== undefined);
}

export function familyJson(one: PeerFamily, groupName: string | undefined): object {
  const { settings, membership } = one;
  const given = (key: string, value: unknown): object => (value === undefined ? {} : { [key]: value });
  const missing = missingPolicy(one);
  return {
    ...given('peerGroupMember', groupName),
    ...(membership === undefined
      ? {}
      : {
          updateGroupId: membership.slot.id,
          subGroupId: membership.slot.id,
          packetQueueLength: membership.slot.group.stats().pending,
          ...(isSlow(one) ? { slowPeer: true } : {}),
        }),
    ...(settings.routeReflectorClient === true ? { routeReflectorClient: true } : {}),
    ...(settings.routeServerClient === true ? { routeServerClient: true } : {}),
    ...(settings.softReconfiguration === true ? { inboundSoftConfigPermit: true } : {}),
    ...(settings.removePrivateAs === undefined ? {} : { [PRIVATE_AS[settings.removePrivateAs].key]: true }),
    ...(settings.asOverride === true ? { overrideASNsInOutboundUpdates: 'ifAspathEqualRemoteAs' } : {}),
    ...(settings.addPathTx === undefined ? {} : { [ADD_PATH[settings.addPathTx].key]: true }),
    ...(settings.nextHopSelf === undefined ? {} : { routerAlwaysNextHop: true }),
    ...Object.fromEntries(keptAttributes(settings).map(({ key }) => [`unchanged${key}PropogatedToNbr`, true])),
    ...given('commAttriSentToNbr', communities(settings).key),
    ...(settings.defaultOriginate === true
      ? {
          ...given('defaultRouteMap', settings.defaultOriginateMap),
          [originates(one) ? 'defaultSent' : 'defaultNotSent']: true,
        }
      : {}),
    ...(named(settings, 'In') ? { inboundPathPolicyConfig: true } : {}),
    ...(named(settings, 'Out') ? { outboundPathPolicyConfig: true } : {}),
    ...Object.fromEntries(
      LISTS.filter(({ field }) => settings[field] !== undefined).map(({ field, key }) => [key, settings[field]]),
    ),
    ...(missing.in ? { inboundEbgpRequiresPolicy: 'Inbound updates discarded due to missing policy' } : {}),
    ...(missing.out ? { outboundEbgpRequiresPolicy: 'Outbound updates discarded due to missing policy' } : {}),
    acceptedPrefixCounter: one.family.table.peerCounts(one.index).accepted,
    ...(membership === undefined ? {} : { sentPrefixCounter: sentCount(one) }),
    ...given('prefixOutAllowedMax', settings.maximumPrefixOut),
    ...(settings.maximumPrefix === undefined
      ? {}
      : {
          prefixAllowedMax: settings.maximumPrefix,
          ...(settings.maximumPrefixWarningOnly === true ? { prefixAllowedMaxWarning: true } : {}),
          prefixAllowedWarningThresh: settings.maximumPrefixThreshold ?? 75,
          ...(settings.maximumPrefixRestartMin === undefined
            ? {}
            : { prefixAllowedRestartIntervalMsecs: settings.maximumPrefixRestartMin * 60_000 }),
        }),
  };
}
