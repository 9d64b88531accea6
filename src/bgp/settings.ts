// What can be configured of a neighbour, as plain values. A neighbour's own settings lie over those of its peer group, and
// these over the defaults: a field that is undefined lets the next layer through.
import { FAMILY_NAMES, type FamilyName } from './wire/family.ts';
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

/** A value for each family. */
export function forFamilies<T>(make: (name: FamilyName) => T): Record<FamilyName, T> {
  return Object.fromEntries(FAMILY_NAMES.map(name => [name, make(name)])) as Record<FamilyName, T>;
}

/** One layer of settings: a neighbour's own, or a group's. */
export interface SettingsLayer {
  readonly peer: PeerSettings;
  readonly af: Record<FamilyName, PeerAfSettings>;
}

export function emptyLayer(): SettingsLayer {
  return { peer: {}, af: forFamilies(() => ({})) };
}

/** The upper layer where it says something, the lower one elsewhere. */
export function merged<T extends object>(upper: T, lower: T | undefined): T {
  return { ...lower, ...upper };
}
