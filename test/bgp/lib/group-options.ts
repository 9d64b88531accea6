// An update group's options for tests of groups alone: what a plain external neighbour gets.
import type { GroupOptions } from '../../../src/bgp/updategroup/index.ts';
import { NO_ROLE } from '../../../src/bgp/wire/role.ts';

export const PLAIN_GROUP: GroupOptions = {
  kind: 'ebgp',
  localAs: 65000,
  routerId: 99,
  clusterId: 99,
  defaultLocalPref: 100,
  localAddress4: 0x0a000063,
  nextHopSelf: false,
  nextHopUnchanged: false,
  sendCommunity: true,
  sendExtendedCommunity: true,
  sendLargeCommunity: true,
  removePrivateAs: 'no',
  remoteAs: 0,
  overrideAs: false,
  asPathUnchanged: false,
  medUnchanged: false,
  routeServerClient: false,
  clientToClient: true,
  unsuppress: false,
  as4: true,
  extendedNextHop: false,
  maximumMessageBytes: 4096,
  role: NO_ROLE,
  gracefulShutdown: false,
  maximumPrefixes: 0,
};
