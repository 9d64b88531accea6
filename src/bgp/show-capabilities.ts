// What two OPENs said, as `show bgp neighbors` tells it: capabilities, and what follows from graceful restart. What the other
// side offers and we have not (long-lived graceful restart) is `received`.
import type { PeerFamily } from './peer-family.ts';
import type { Peer } from './peer.ts';
import type { Negotiated, OpenSummary } from './session/types.ts';
import { restartMode } from './graceful-restart.ts';
import { type RestartMode } from './settings.ts';
import { FAMILY, FAMILY_NAMES, type FamilyName, ofFamily } from './wire/family.ts';
import { ROLES } from './wire/role.ts';
import { type AddPath, AFI_IPV6, type Capability } from './wire/capability.ts';

type Kind = Capability['kind'];

/** `advertised`, `received`, both, or nothing: text and key of a capability. */
function exchanged(local: boolean, remote: boolean): { text: string; key: string } | undefined {
  if (local && remote) return { text: 'advertised and received', key: 'advertisedAndReceived' };
  if (local) return { text: 'advertised', key: 'advertised' };
  return remote ? { text: 'received', key: 'received' } : undefined;
}

function find<K extends Kind>(open: OpenSummary | undefined, kind: K): Extract<Capability, { kind: K }> | undefined {
  return open?.capabilities.find((one): one is Extract<Capability, { kind: K }> => one.kind === kind);
}

function has(open: OpenSummary, ...kinds: Kind[]): boolean {
  return open.capabilities.some(one => kinds.includes(one.kind));
}

/** RFC 9234 §4.1. */
export function roleOf(open: OpenSummary | undefined): string {
  return ROLES[find(open, 'role')?.role ?? -1] ?? 'undefined';
}

/** Which of the two route refresh capabilities came: FRR says it together with the direction. */
function refreshForms(remote: OpenSummary): { text: string; key: string } {
  const old = has(remote, 'oldRouteRefresh');
  if (old && has(remote, 'routeRefresh')) return { text: '(old & new)', key: 'OldNew' };
  return old ? { text: '(old)', key: 'Old' } : { text: '(new)', key: 'New' };
}

/** Both directions of ADD-PATH in a family, each with who offered it. */
function addPathWays(
  { local, remote }: Negotiated,
  afi: FamilyName,
): { title: string; prefix: string; state: NonNullable<ReturnType<typeof exchanged>> }[] {
  const [ours, theirs] = [local, remote].map(open => ofFamily<AddPath>(find(open, 'addPath')?.families, afi));
  const ways = [
    { title: 'TX', prefix: 'tx', state: exchanged(ours?.send === true, theirs?.send === true) },
    { title: 'RX', prefix: 'rx', state: exchanged(ours?.receive === true, theirs?.receive === true) },
  ];
  return ways.flatMap(({ title, prefix, state }) => (state === undefined ? [] : [{ title, prefix, state }]));
}

/** Families for which the other side takes next hops of IPv6 (RFC 8950). */
function wideNextHops(remote: OpenSummary): FamilyName[] {
  const uses = find(remote, 'extendedNextHop')?.uses ?? [];
  const families = uses.filter(use => use.nextHopAfi === AFI_IPV6).map(use => use.family);
  return FAMILY_NAMES.filter(afi => ofFamily(families, afi) !== undefined);
}

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

export function capabilityText(agreed: Negotiated): string[] {
  const { local, remote } = agreed;
  const lines = ['  Neighbor capabilities:'];
  const add = (title: string, state: { text: string } | undefined, more = ''): void => {
    if (state !== undefined) lines.push(`    ${title}: ${state.text}${more}`);
  };
  const both = (kind: Kind): ReturnType<typeof exchanged> => exchanged(has(local, kind), has(remote, kind));
  add('4 Byte AS', exchanged(local.as4, remote.as4));
  add('Extended Message', both('extendedMessage'));
  const ways = FAMILY_NAMES.flatMap(afi => addPathWays(agreed, afi).map(way => ({ ...way, afi })));
  if (ways.length > 0) lines.push('    AddPath:');
  for (const { afi, title, state } of ways) lines.push(`      ${FAMILY[afi].title}: ${title} ${state.text}`);
  add('Extended nexthop', both('extendedNextHop'));
  const wide = wideNextHops(remote);
  if (wide.length > 0) lines.push('      Address families by peer:');
  // The first one stands further in, as FRR has it.
  for (const [i, afi] of wide.entries()) lines.push(`${' '.repeat(i === 0 ? 19 : 11)}${FAMILY[afi].title}`);
  const longLived = find(remote, 'longLivedRestart');
  add('Long-lived Graceful Restart', both('longLivedRestart'));
  if (longLived !== undefined) {
    lines.push('      Address families by peer:');
    for (const afi of FAMILY_NAMES) {
      if (ofFamily(longLived.families, afi) !== undefined) lines.push(`           ${FAMILY[afi].title}`);
    }
  }
  const refresh = exchanged(has(local, 'routeRefresh'), has(remote, 'routeRefresh', 'oldRouteRefresh'));
  add('Route refresh', refresh, refresh?.key === 'advertisedAndReceived' ? refreshForms(remote).text : '');
  add('Enhanced Route Refresh', both('enhancedRefresh'));
  for (const afi of FAMILY_NAMES) {
    const state = exchanged(ofFamily(local.families, afi) !== undefined, ofFamily(remote.families, afi) !== undefined);
    add(`Address Family ${FAMILY[afi].title}`, state);
  }
  add('Role', both('role'));
  const name = (open: OpenSummary): string =>
    `name: ${open.hostname ?? 'n/a'},domain name: ${open.domainname || 'n/a'}`;
  lines.push(
    `    Hostname Capability: ${local.hostname === undefined ? 'not advertised' : `advertised (${name(local)})`} ${remote.hostname === undefined ? 'not received' : `received (${name(remote)})`}`,
  );
  add('Graceful Restart Capability', both('gracefulRestart'));
  const restart = remote.gracefulRestart;
  if (restart !== undefined) {
    lines.push(`      Remote Restart timer is ${restart.timeS} seconds`, '      Address families by peer:');
    if (restart.families.length === 0) lines.push('        none');
    for (const afi of FAMILY_NAMES) {
      const one = ofFamily(restart.families, afi);
      if (one !== undefined)
        lines.push(`        ${FAMILY[afi].title}(${one.forwarding ? 'preserved' : 'not preserved'})`);
    }
  }
  return lines;
}

export function capabilitiesJson(agreed: Negotiated): object {
  const { local, remote } = agreed;
  const json: Record<string, unknown> = {};
  const add = (key: string, state: { key: string } | undefined, more = ''): void => {
    if (state !== undefined) json[key] = state.key + more;
  };
  const both = (kind: Kind): ReturnType<typeof exchanged> => exchanged(has(local, kind), has(remote, kind));
  /** An object with a member for each family that has something to say. */
  const families = (of: (afi: FamilyName) => object | undefined): Record<string, object> =>
    Object.fromEntries(
      FAMILY_NAMES.flatMap(afi => {
        const value = of(afi);
        return value === undefined ? [] : [[FAMILY[afi].key, value] as const];
      }),
    );
  add('4byteAs', exchanged(local.as4, remote.as4));
  add('extendedMessage', both('extendedMessage'));
  const addPath = families(afi => {
    const ways = addPathWays(agreed, afi);
    if (ways.length === 0) return undefined;
    return Object.fromEntries(ways.map(({ prefix, state }) => [`${prefix}${capital(state.key)}`, true]));
  });
  if (Object.keys(addPath).length > 0) json['addPath'] = addPath;
  add('extendedNexthop', both('extendedNextHop'));
  if (has(remote, 'extendedNextHop')) {
    // FRR spells both so.
    json['extendedNexthopFamililesByPeer'] = Object.fromEntries(
      wideNextHops(remote).map(afi => [FAMILY[afi].key, 'recieved']),
    );
  }
  add('longLivedGracefulRestart', both('longLivedRestart'));
  // FRR names no family here, whatever the other side said.
  if (has(remote, 'longLivedRestart')) json['longLivedGracefulRestartByPeer'] = {};
  const refresh = exchanged(has(local, 'routeRefresh'), has(remote, 'routeRefresh', 'oldRouteRefresh'));
  add('routeRefresh', refresh, refresh?.key === 'advertisedAndReceived' ? refreshForms(remote).key : '');
  add('enhancedRouteRefresh', both('enhancedRefresh'));
  json['multiprotocolExtensions'] = families(afi => {
    const state = exchanged(ofFamily(local.families, afi) !== undefined, ofFamily(remote.families, afi) !== undefined);
    return state === undefined ? undefined : { [state.key]: true };
  });
  add('role', both('role'));
  json['hostName'] = {
    ...(local.hostname === undefined ? {} : { advHostName: local.hostname, advDomainName: local.domainname || 'n/a' }),
    ...(remote.hostname === undefined
      ? {}
      : { rcvHostName: remote.hostname, rcvDomainName: remote.domainname || 'n/a' }),
  };
  add('gracefulRestart', both('gracefulRestart'));
  const restart = remote.gracefulRestart;
  if (restart !== undefined) {
    json['gracefulRestartRemoteTimerMsecs'] = restart.timeS * 1000;
    json['addressFamiliesByPeer'] =
      restart.families.length === 0
        ? 'none'
        : families(afi => (ofFamily(restart.families, afi) === undefined ? undefined : {}));
  }
  return json;
}

// ---- graceful restart ------------------------------------------------------------------------------------------------

const MODES: Readonly<Record<RestartMode, string>> = { restart: 'Restart', helper: 'Helper', disable: 'Disable' };

/** With a star: as the instance has it. */
function localMode(peer: Peer): string {
  return `${MODES[restartMode(peer)]}${peer.settings.gracefulRestart === undefined ? '*' : ''}`;
}

function remoteMode(peer: Peer): string {
  if (peer.negotiated === undefined) return 'NotApplicable';
  const restart = peer.negotiated.remote.gracefulRestart;
  if (restart === undefined) return 'Disable';
  return restart.families.length === 0 ? 'Helper' : 'Restart';
}

interface EndOfRib {
  readonly afi: FamilyName;
  readonly sent: boolean;
  /** Nothing was said after it. */
  readonly last: boolean;
  readonly received: boolean;
  readonly forwarding: boolean;
}

function endsOfRib(peer: Peer): EndOfRib[] {
  const families: PeerFamily[] = FAMILY_NAMES.map(afi => peer.families[afi]).filter(one => one.up);
  return families.map(({ afi, membership, endOfRibReceived }) => ({
    afi,
    ...(membership?.slot.group.endOfRib(membership.member) ?? { sent: false, last: false }),
    received: endOfRibReceived,
    forwarding: ofFamily(peer.negotiated?.remote.gracefulRestart?.families, afi)?.forwarding === true,
  }));
}

export function restartText(peer: Peer): string[] {
  const ends = endsOfRib(peer);
  const remote = peer.negotiated?.remote.gracefulRestart;
  const names = (on: (one: EndOfRib) => boolean): string =>
    ends
      .filter(on)
      .map(one => FAMILY[one.afi].title)
      .join(', ');
  const flag = (on: boolean | undefined): string => (on === true ? 'True' : 'False');
  const yes = (on: boolean): string => (on ? 'Yes' : 'No');
  const lines = ['  Graceful restart information:'];
  if (names(one => one.sent) !== '') lines.push(`    End-of-RIB send: ${names(one => one.sent)}`);
  if (names(one => one.received) !== '') lines.push(`    End-of-RIB received: ${names(one => one.received)}`);
  lines.push(
    `    Local GR Mode: ${localMode(peer)}`,
    `    Remote GR Mode: ${remoteMode(peer)}`,
    `    R bit: ${flag(remote?.restarting)}`,
    `    N bit: ${flag(remote?.notification)}`,
    '    Timers:',
    `      Configured Restart Time(sec): ${peer.instance.options.restartTimeS}`,
    `      Received Restart Time(sec): ${peer.learnt?.remote.gracefulRestart?.timeS ?? 0}`,
  );
  for (const one of ends) {
    lines.push(
      `    ${FAMILY[one.afi].title}:`,
      `      F bit: ${flag(one.forwarding)}`,
      `      End-of-RIB sent: ${yes(one.sent)}`,
      `      End-of-RIB sent after update: ${yes(one.last)}`,
      `      End-of-RIB received: ${yes(one.received)}`,
      '      Timers:',
      `        Configured Stale Path Time(sec): ${peer.instance.options.stalePathS}`,
    );
  }
  return lines;
}

export function restartJson(peer: Peer): object {
  const ends = endsOfRib(peer);
  const remote = peer.negotiated?.remote.gracefulRestart;
  const keys = (on: (one: EndOfRib) => boolean): object =>
    Object.fromEntries(ends.filter(on).map(one => [FAMILY[one.afi].key, true]));
  return {
    endOfRibSend: keys(one => one.sent),
    endOfRibRecv: keys(one => one.received),
    localGrMode: localMode(peer),
    remoteGrMode: remoteMode(peer),
    rBit: remote?.restarting === true,
    nBit: remote?.notification === true,
    timers: {
      configuredRestartTimer: peer.instance.options.restartTimeS,
      receivedRestartTimer: peer.learnt?.remote.gracefulRestart?.timeS ?? 0,
    },
    ...Object.fromEntries(
      ends.map(one => [
        FAMILY[one.afi].key,
        {
          fBit: one.forwarding,
          endOfRibStatus: {
            endOfRibSend: one.sent,
            endOfRibSentAfterUpdate: one.last,
            endOfRibRecv: one.received,
          },
          timers: { stalePathTimer: peer.instance.options.stalePathS },
        },
      ]),
    ),
  };
}
