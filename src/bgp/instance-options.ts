// What can be configured of an instance, as plain values, and what they are where nothing is.
import { DEFAULT_RESTART_TIME_S } from './session/negotiate.ts';
import type { RestartMode } from './settings.ts';
import type { Chosen } from './vpn/settings.ts';
import { DEFAULT_STALE_S } from './zclient.ts';

export interface InstanceOptions {
  routerId: number | undefined;
  clusterId: number | undefined;
  /** One SRv6 SID for packets of all families (End.DT46). */
  sidPerVrf: Chosen | undefined;
  /** The confederation's AS, and the other ASes in it (RFC 5065). */
  confederation: number | undefined;
  readonly confederationPeers: Set<number>;
  ebgpRequiresPolicy: boolean;
  defaultIpv4: boolean;
  defaultIpv6: boolean;
  defaultLocalPref: number;
  logNeighborChanges: boolean;
  alwaysCompareMed: boolean;
  deterministicMed: boolean;
  ignoreAsPathLength: boolean;
  countConfederation: boolean;
  multipathRelax: boolean;
  compareRouterId: boolean;
  missingMedAsWorst: boolean;
  networkImportCheck: boolean;
  keepaliveS: number;
  holdTimeS: number;
  /** Zebra keeps our routes this long without us. */
  staleS: number;
  /** What our OPENs say of graceful restart: after this long without us, we are not coming back. */
  restartTimeS: number;
  gracefulRestart: RestartMode;
  /** Our forwarding goes on while we restart (the F bits of our OPENs). */
  preserveForwarding: boolean;
  /** A NOTIFICATION keeps routes, too (RFC 8538's N bit). */
  notificationRestart: boolean;
  hardAdministrativeReset: boolean;
  /** Routes of a neighbour that is back stay so long without being said again. */
  stalePathS: number;
  /** Nothing is selected for so long after a restart, at most. */
  selectDeferS: number;
  enforceFirstAs: boolean;
  rejectAsSets: boolean;
  relaxPeerType: boolean;
  /** An external session ends with the link that its neighbour is on. */
  fastExternalFailover: boolean;
  /** Routes of clients are reflected to other clients. */
  clientToClient: boolean;
  /** No neighbour is spoken to. */
  shutdown: boolean;
  shutdownMessage: string | undefined;
  gracefulShutdown: boolean;
  /** Neighbours that nobody configured, at most. */
  listenLimit: number;
  /** Messages that bgp-io takes from a neighbour's socket, and puts on it, in one turn; 0: as many bytes as others get. */
  readQuanta: number;
  writeQuanta: number;
}

export function defaultOptions(): InstanceOptions {
  return {
    routerId: undefined,
    clusterId: undefined,
    sidPerVrf: undefined,
    confederation: undefined,
    confederationPeers: new Set(),
    ebgpRequiresPolicy: true,
    defaultIpv4: true,
    defaultIpv6: false,
    defaultLocalPref: 100,
    logNeighborChanges: false,
    alwaysCompareMed: false,
    deterministicMed: false,
    ignoreAsPathLength: false,
    countConfederation: false,
    multipathRelax: false,
    compareRouterId: false,
    missingMedAsWorst: false,
    networkImportCheck: true,
    keepaliveS: 60,
    holdTimeS: 180,
    staleS: DEFAULT_STALE_S,
    restartTimeS: DEFAULT_RESTART_TIME_S,
    gracefulRestart: 'helper',
    preserveForwarding: false,
    notificationRestart: true,
    hardAdministrativeReset: true,
    stalePathS: 360,
    selectDeferS: 360,
    enforceFirstAs: false,
    rejectAsSets: false,
    relaxPeerType: false,
    fastExternalFailover: true,
    clientToClient: true,
    shutdown: false,
    shutdownMessage: undefined,
    gracefulShutdown: false,
    listenLimit: 100,
    readQuanta: 0,
    writeQuanta: 0,
  };
}
