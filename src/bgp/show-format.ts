// Small pieces of text and JSON that several shows share, in FRR's form.
import { formatAddress, formatIp4 } from '../net/index.ts';
import { AGGREGATE } from './aggregation.ts';
import type { FamilyInstance } from './family.ts';
import type { BgpInstance } from './instance.ts';
import type { PeerFamily } from './peer-family.ts';
import { Peer } from './peer.ts';
import { type AttributeStore, HAS_COMMUNITIES, HAS_LOCAL_PREF, HAS_MED, HAS_WEIGHT, PEER_LOCAL } from './rib/index.ts';
import { VrfExport } from './vpn/export.ts';
import { ForeignSource } from './vpn/foreign.ts';
import { exportedPath, nextHopVrf } from './vpn/show-path.ts';
import type { Vrf } from './vrf.ts';

export const ORIGIN_CODES: readonly string[] = ['i', 'e', '?'];
export const ORIGIN_NAMES: readonly string[] = ['IGP', 'EGP', 'incomplete'];

/** `00:00:31`, `1d02h03m`, `02w3d04h`, `1y02w3d`. */
export function uptime(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (n: number): string => String(Math.floor(n)).padStart(2, '0');
  const days = Math.floor(seconds / 86400);
  if (days < 1) return `${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
  if (days < 7) return `${days}d${two((seconds / 3600) % 24)}h${two((seconds / 60) % 60)}m`;
  if (days < 365) return `${two(days / 7)}w${days % 7}d${two((seconds / 3600) % 24)}h`;
  return `${Math.floor(days / 365)}y${two((days % 365) / 7)}w${(days % 365) % 7}d`;
}

/** `hh:mm:ss` also beyond a day's end, as FRR prints ages. */
export function clockTime(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (n: number): string => String(Math.floor(n)).padStart(2, '0');
  return `${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** `Sat Nov 21 09:48:58 2026`, in local time as ctime(3). */
export function ctime(epochMs: number): string {
  const [day, month, date, year, time] = new Date(epochMs).toString().split(' ');
  return `${day} ${month} ${String(Number(date)).padStart(2)} ${time} ${year}`;
}

export function routerIdText(instance: BgpInstance): string {
  return formatIp4(instance.routerId);
}

/** `5376 bytes`, `5793 KiB`: in the largest unit of which there are more than ten. */
export function memorySize(bytes: number): string {
  let size = bytes;
  let unit = 'bytes';
  for (const next of ['KiB', 'MiB', 'GiB', 'TiB']) {
    if (size <= 10 * 1024) break;
    size = Math.floor(size / 1024);
    unit = next;
  }
  return `${size} ${unit}`;
}

/** As FRR lists neighbours: members of peer groups first, then by address. */
export function peersOf(instance: BgpInstance): Peer[] {
  return [...instance.peers.values()].sort((a, b) => {
    const grouped = Number(b.groupName !== undefined) - Number(a.groupName !== undefined);
    if (grouped !== 0 || a.family !== b.family) return grouped || a.family - b.family;
    for (let i = 0; i < 4; i++) if (a.words[i] !== b.words[i]) return a.words[i]! - b.words[i]!;
    return 0;
  });
}

/** A neighbour as it is listed: with a star where nobody configured it. */
export function shownName(peer: Peer): string {
  return peer.dynamic ? `*${peer.name}` : peer.name;
}

/** All messages of either direction. */
export function count(messages: object | undefined): number {
  return Object.values((messages ?? {}) as Record<string, number>).reduce((sum, one) => sum + one, 0);
}

/** Prefixes that a neighbour was told of, the default route that `default-originate` makes included. */
export function sentCount({ membership }: PeerFamily): number {
  if (membership === undefined) return 0;
  return membership.slot.group.advertisedCount(membership.member) + (membership.originatesDefault ? 1 : 0);
}

/** Whether the others of its update group have gone on without it. */
export function isSlow({ membership }: PeerFamily): boolean {
  return membership?.slot.group.slow(membership.member) === true;
}

/** What a row of a path shows: read once from the columns. */
export interface PathView {
  readonly attributes: number;
  readonly nextHop: string;
  readonly med: number | undefined;
  readonly localPref: number | undefined;
  readonly weight: number;
  readonly path: string;
  readonly origin: number;
  readonly local: boolean;
  /** Local, and it comes from zebra. */
  readonly redistributed: boolean;
  /** Local, and it stands for others. */
  readonly aggregated: boolean;
  readonly peer: Peer | undefined;
  /** Another table of this speaker had it first. */
  readonly foreign: boolean;
  /** Where its next hop is, if not in the table's own VRF. */
  readonly nextHopVrf: Vrf | undefined;
}

/** A path with what policy made of its attributes, or with another set; `store`: where the set is. */
export function viewPath(
  family: FamilyInstance,
  path: number,
  set: number = family.table.pathAttributes[path]!,
  store: AttributeStore = family.table.store,
): PathView {
  const { table } = family;
  const flags = store.flags[set]!;
  const source = table.pathPeer[path]!;
  const owner = table.peers[source]?.owner;
  const foreign = owner instanceof ForeignSource || owner instanceof VrfExport;
  const from = owner instanceof ForeignSource ? owner.of.owner : owner;
  const local = table.peerKind(source) === PEER_LOCAL;
  const defaultWeight = local ? 32768 : (table.peers[source]?.weight ?? 0);
  const view = {
    attributes: set,
    nextHop: nextHopText(store, set),
    med: (flags & HAS_MED) === 0 ? undefined : store.med[set]!,
    localPref: (flags & HAS_LOCAL_PREF) === 0 ? undefined : store.localPref[set]!,
    weight: (flags & HAS_WEIGHT) === 0 ? defaultWeight : store.weight[set]!,
    path: store.asPathText(set),
    origin: store.origin[set]!,
    local,
    redistributed: typeof owner === 'string' && owner.startsWith('redistribute '),
    aggregated: owner === AGGREGATE,
    peer: from instanceof Peer ? from : undefined,
    foreign,
    nextHopVrf: foreign ? nextHopVrf(family, path) : undefined,
  };
  if (!(owner instanceof VrfExport) || store !== table.store) return view;
  // What a VPN is not told of a route of ours, its instance knows.
  const own = exportedPath(table, path);
  if (own === undefined) return view;
  const { nextHop, weight } = viewPath(own.family, own.path);
  return { ...view, weight, ...(owner.settings.nextHop === undefined ? { nextHop } : {}) };
}

export function nextHopText(store: AttributeStore, set: number): string {
  const hop = store.nexthop[set]!;
  return hop === 0 ? '0.0.0.0' : store.nexthops.format(hop);
}

/** Whether a set has communities at all: cheaper than decoding. */
export function hasCommunities(instance: BgpInstance, set: number): boolean {
  return (instance.store.flags[set]! & HAS_COMMUNITIES) !== 0;
}

export function addressText(address: { family: 2 | 10; words: readonly [number, number, number, number] }): string {
  return formatAddress(address.family, address.words);
}
