// What can be configured of a neighbour, as plain values. A neighbour's own settings lie over those of its peer group, and
// these over the defaults: a field that is undefined lets the next layer through.
import type { Family } from '../net/index.ts';
import { type AddressFamily, SAFI_UNICAST } from './wire/capability.ts';
import type { RoleName } from './wire/role.ts';

/** What is done about a restart (RFC 4724): of ours and theirs, of theirs, nothing. */
export type RestartMode = 'restart' | 'helper' | 'disable';

export interface PeerSettings {
  remoteAs?: number | 'internal' | 'external';
  description?: string;
  password?: string;
  /** `timers KEEPALIVE HOLDTIME`. */
  keepaliveS?: number;
  holdTimeS?: number;
  connectRetryS?: number;
  delayOpenS?: number;
  /** An address or the name of an interface. */
  updateSource?: string;
  /** The interface that a link-local address is reached through. */
  interface?: string;
  ebgpMultihop?: number;
  ttlSecurityHops?: number;
  passive?: boolean;
  shutdown?: boolean;
  shutdownMessage?: string;
  port?: number;
  localAs?: number;
  localAsNoPrepend?: boolean;
  localAsReplace?: boolean;
  advertisementIntervalS?: number;
  disableConnectedCheck?: boolean;
  extendedNextHop?: boolean;
  dontCapabilityNegotiate?: boolean;
  extendedParameters?: boolean;
  /** An update group of its own. */
  solo?: boolean;
  localRole?: RoleName;
  strictRole?: boolean;
  enforceFirstAs?: boolean;
  gracefulRestart?: RestartMode;
}

export interface PeerAfSettings {
  activate?: boolean;
  nextHopSelf?: boolean | 'force';
  routeReflectorClient?: boolean;
  routeServerClient?: boolean;
  sendCommunity?: boolean;
  sendExtendedCommunity?: boolean;
  sendLargeCommunity?: boolean;
  distributeListIn?: string;
  distributeListOut?: string;
  prefixListIn?: string;
  prefixListOut?: string;
  filterListIn?: string;
  filterListOut?: string;
  routeMapIn?: string;
  routeMapOut?: string;
  unsuppressMap?: string;
  softReconfiguration?: boolean;
  defaultOriginate?: boolean;
  defaultOriginateMap?: string;
  maximumPrefix?: number;
  maximumPrefixThreshold?: number;
  maximumPrefixWarningOnly?: boolean;
  maximumPrefixRestartMin?: number;
  maximumPrefixForce?: boolean;
  maximumPrefixOut?: number;
  allowAsIn?: number;
  allowAsInOrigin?: boolean;
  asOverride?: boolean;
  removePrivateAs?: 'if-only' | 'all' | 'replace' | 'replace-if-only';
  weight?: number;
  nextHopUnchanged?: boolean;
  asPathUnchanged?: boolean;
  medUnchanged?: boolean;
  /** Paths besides the best one are not taken (RFC 7911). */
  disableAddPathRx?: boolean;
  /** Which paths are sent besides the best one. */
  addPathTx?: 'all' | 'best-per-as';
}

/** Address families by the names that commands give them. */
export const AFIS = ['ipv4', 'ipv6'] as const;
export type Afi = (typeof AFIS)[number];

export const AFI_NUMBER: Record<Afi, 1 | 2> = { ipv4: 1, ipv6: 2 };
export const AFI_FAMILY: Record<Afi, Family> = { ipv4: 2, ipv6: 10 };
/** `IPv4 Unicast`, `ipv4Unicast`: as shown. */
export const AFI_TITLE: Record<Afi, string> = { ipv4: 'IPv4 Unicast', ipv6: 'IPv6 Unicast' };
export const AFI_KEY: Record<Afi, string> = { ipv4: 'ipv4Unicast', ipv6: 'ipv6Unicast' };

/** The unicast one of several that OPENs speak of. */
export function ofFamily<T extends AddressFamily>(families: readonly T[] | undefined, afi: Afi): T | undefined {
  return families?.find(one => one.afi === AFI_NUMBER[afi] && one.safi === SAFI_UNICAST);
}

/** One layer of settings: a neighbour's own, or a group's. */
export interface SettingsLayer {
  readonly peer: PeerSettings;
  readonly af: Record<Afi, PeerAfSettings>;
}

export function emptyLayer(): SettingsLayer {
  return { peer: {}, af: { ipv4: {}, ipv6: {} } };
}

/** The upper layer where it says something, the lower one elsewhere. */
export function merged<T extends object>(upper: T, lower: T | undefined): T {
  return { ...lower, ...upper };
}
