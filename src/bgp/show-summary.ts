// `show bgp summary`: a line for each neighbour, in FRR's columns and keys.
import type { FamilyInstance } from './family.ts';
import type { InstanceOptions } from './instance-options.ts';
import { missingPolicy, type PeerFamily } from './peer-family.ts';
import type { Peer } from './peer.ts';
import { shownName, count, memorySize, peersOf, routerIdText, sentCount, uptime } from './show-format.ts';
import { FAMILY, FAMILY_NAMES, type FamilyName } from './wire/family.ts';
import { titleOf } from './show-instances.ts';

interface Row {
  readonly peer: Peer;
  readonly one: PeerFamily;
  readonly received: number;
  readonly sent: number;
}

/** A family is shown where somebody activated it. */
export function shownFamilies(
  families: Readonly<Record<FamilyName, FamilyInstance>>,
  afi: FamilyName | undefined,
): FamilyInstance[] {
  return FAMILY_NAMES.filter(name => afi === undefined || afi === name)
    .map(name => families[name])
    .filter(family => rows(family).length > 0);
}

function rows(family: FamilyInstance): Row[] {
  return peersOf(family.instance)
    .map(peer => ({ peer, one: peer.families[family.afi] }))
    .filter(({ one }) => one.index !== 0)
    .map(({ peer, one }) => ({
      peer,
      one,
      received: one.up ? family.table.peerCounts(one.index).accepted : 0,
      sent: sentCount(one),
    }));
}

/** Bytes that a prefix costs here: rows of the prefix table, its paths. */
function memoryOf(family: FamilyInstance): number {
  return family.table.stats().columnBytes;
}

/** About what a neighbour costs beside its routes. */
const PEER_BYTES = 1024;

/** FRR has these as strings. */
function bestPathJson(options: InstanceOptions): object {
  return {
    ...(options.ignoreAsPathLength ? { asPath: 'ignore' } : {}),
    multiPathRelax: options.multipathRelax ? 'true' : 'false',
    ...(options.compareRouterId ? { compareRouterId: 'true' } : {}),
    ...(options.missingMedAsWorst ? { med: 'missing-as-worst' } : {}),
  };
}

function overLimit(peer: Peer): boolean {
  return peer.idleReason === 'Maximum prefix limit exceeded';
}

/** What stands in State/PfxRcd. */
function stateOf(peer: Peer): string {
  if (peer.shutDown) return 'Idle (Admin)';
  if (overLimit(peer)) return 'Idle (PfxCt)';
  return peer.state;
}

export function* summaryText(family: FamilyInstance, titled: boolean): Generator<string> {
  const { instance } = family;
  const all = rows(family);
  if (titled) yield `\n${FAMILY[family.afi].title} Summary (${titleOf(instance)}):\n`;
  yield `BGP router identifier ${routerIdText(instance)}, local AS number ${instance.as} vrf-id ${instance.vrf.id}\n`;
  yield `BGP table version ${family.table.changes}\n`;
  yield `RIB entries ${family.table.prefixCount}, using ${memorySize(memoryOf(family))} of memory\n`;
  yield `Peers ${all.length}, using ${memorySize(all.length * PEER_BYTES)} of memory\n`;
  if (instance.groups.size > 0)
    yield `Peer groups ${instance.groups.size}, using ${memorySize(instance.groups.size * 64)} of memory\n`;
  const width = Math.max(16, ...all.map(({ peer }) => shownName(peer).length + 1));
  yield `\n${'Neighbor'.padEnd(width)}V         AS   MsgRcvd   MsgSent   TblVer  InQ OutQ  Up/Down State/PfxRcd   PfxSnt Desc\n`;
  for (const { peer, one, received, sent } of all) {
    const stats = peer.session?.stats();
    const since =
      peer.negotiated === undefined && (stats?.connectionsEstablished ?? 0) === 0 ? undefined : stats?.sinceMs;
    const missing = missingPolicy(one);
    const shown = one.up
      ? missing.in
        ? '(Policy)'
        : String(received)
      : peer.negotiated === undefined
        ? stateOf(peer)
        : 'NoNeg';
    const out = one.up ? (missing.out ? '(Policy)' : String(sent)) : '0';
    const pad = (value: string | number, n: number): string => String(value).padStart(n);
    yield `${shownName(peer).padEnd(width)}4 ${pad(peer.remoteAs, 10)} ${pad(count(stats?.received), 9)} ${pad(
      count(stats?.sent),
      9,
    )} ${pad(0, 8)} ${pad(0, 4)} ${pad(0, 4)} ${pad(since === undefined ? 'never' : uptime(since), 8)} ${pad(shown, 12)} ${pad(out, 8)} ${
      peer.settings.description ?? 'N/A'
    }\n`;
  }
  yield `\nTotal number of neighbors ${all.length}\n`;
  const dynamic = all.filter(({ peer }) => peer.dynamic).length;
  if (dynamic > 0) {
    yield `* - dynamic neighbor\n${dynamic} dynamic neighbor(s), limit ${instance.options.listenLimit}\n`;
  }
}

export function summaryJson(family: FamilyInstance): object {
  const { instance, table } = family;
  const all = rows(family);
  const established = all.filter(({ one }) => one.up).length;
  return {
    routerId: routerIdText(instance),
    as: instance.as,
    vrfId: instance.vrf.id,
    vrfName: instance.name,
    tableVersion: table.changes,
    ribCount: table.prefixCount,
    ribMemory: memoryOf(family),
    peerCount: all.length,
    peerMemory: all.length * PEER_BYTES,
    ...(instance.groups.size === 0
      ? {}
      : { peerGroupCount: instance.groups.size, peerGroupMemory: instance.groups.size * 64 }),
    peers: Object.fromEntries(all.map(row => [row.peer.name, peerJson(row)])),
    failedPeers: all.length - established,
    displayedPeers: all.length,
    totalPeers: all.length,
    dynamicPeers: all.filter(({ peer }) => peer.dynamic).length,
    bestPath: bestPathJson(instance.options),
  };
}

function peerState(peer: Peer, one: PeerFamily): string {
  if (peer.shutDown) return 'Admin';
  if (overLimit(peer)) return 'PfxCt';
  if (peer.settings.passive === true) return 'Passive';
  const missing = missingPolicy(one);
  return missing.in || missing.out ? 'Policy' : 'OK';
}

function peerJson({ peer, one, received, sent }: Row): object {
  const stats = peer.session?.stats();
  const ever = (stats?.connectionsEstablished ?? 0) > 0;
  const since = ever ? (stats?.sinceMs ?? 0) : 0;
  const hostname = peer.learnt?.remote.hostname;
  return {
    ...(hostname === undefined ? {} : { hostname }),
    ...(peer.dynamic ? { dynamicPeer: true } : {}),
    remoteAs: peer.remoteAs,
    localAs: peer.localAs,
    version: 4,
    msgRcvd: count(stats?.received),
    msgSent: count(stats?.sent),
    tableVersion: 0,
    outq: 0,
    inq: 0,
    peerUptime: ever ? uptime(since) : 'never',
    peerUptimeMsec: Math.floor(since),
    ...(ever ? { peerUptimeEstablishedEpoch: Math.floor(peer.establishedWallMs / 1000) } : {}),
    pfxRcd: received,
    pfxSnt: sent,
    state: peer.negotiated !== undefined && !one.up ? 'NoNeg' : stateOf(peer),
    peerState: peerState(peer, one),
    connectionsEstablished: stats?.connectionsEstablished ?? 0,
    connectionsDropped: stats?.connectionsDropped ?? 0,
    ...(peer.settings.description === undefined ? {} : { desc: peer.settings.description }),
    idType: peer.family === 2 ? 'ipv4' : 'ipv6',
  };
}
