// What an update group needs to know: the rules that all of its members share, and how to hand bytes to a member.
import type { AddressWords, Family, Prefix } from '../../net/index.ts';
import type { AttributeStore } from '../rib/attributes.ts';
import type { Policy } from '../rib/types.ts';

/** Everything that decides what is sent. Peers for which all of it is equal belong in one group. */
export interface GroupOptions {
  /** 'confed': in another AS of our confederation (RFC 5065). 'ibgp-client': route reflection towards a client (RFC 4456). */
  kind: 'ebgp' | 'confed' | 'ibgp' | 'ibgp-client';
  localAs: number;
  /** The members' AS, for `overrideAs` and `removePrivateAs`; 0 where neither asks for it. */
  remoteAs: number;
  routerId: number;
  clusterId: number;
  /** LOCAL_PREF given to iBGP peers for paths without one. */
  defaultLocalPref: number;
  /** Own address of the session, as next hop for IPv4 prefixes. Undefined: IPv4 next hops cannot be set to self. */
  localAddress4?: number | undefined;
  /** Own IPv6 addresses: for IPv6 prefixes, and IPv4 prefixes where `extendedNextHop`. */
  localAddress6?: AddressWords | undefined;
  localLinkLocal6?: AddressWords | undefined;
  /** eBGP on a shared network: a next hop inside stays as it is (third-party next hop, RFC 4271 §5.1.3). */
  sharedSubnet?: Prefix | undefined;
  /** 'force' also rewrites reflected routes. */
  nextHopSelf: boolean | 'force';
  /** attribute-unchanged next-hop. */
  nextHopUnchanged: boolean;
  sendCommunity: boolean;
  sendExtendedCommunity: boolean;
  sendLargeCommunity: boolean;
  /** 'if-only' and 'replace-if-only': only from paths with no other ASes. */
  removePrivateAs: 'no' | 'if-only' | 'all' | 'replace' | 'replace-if-only';
  /** as-override: our AS in place of the members'. */
  overrideAs: boolean;
  /** attribute-unchanged as-path: our AS is put in front of paths of our own only. */
  asPathUnchanged: boolean;
  /** attribute-unchanged med. */
  medUnchanged: boolean;
  /** No AS of ours in paths, and what comes from another client goes on as it came. */
  routeServerClient: boolean;
  /** Between clients of ours routes are reflected. */
  clientToClient: boolean;
  /** Members speak 4-octet AS numbers (RFC 6793). */
  as4: boolean;
  /** IPv4 prefixes go with an IPv6 next hop (RFC 8950): every member negotiated it and there is no IPv4 local address. */
  extendedNextHop: boolean;
  /** Members are sent several paths of a prefix, each with an identifier (RFC 7911): all, or the best of each neighbouring AS. */
  addPath?: 'all' | 'best-per-as' | undefined;
  /** 4096, or 65535 where every member negotiated extended messages (RFC 8654). */
  maximumMessageBytes: number;
  /** The policy is asked of routes that an aggregate suppresses too (unsuppress-map). */
  unsuppress: boolean;
  /** Ours towards external members (RFC 9234), NO_ROLE for none. */
  role: number;
  /** We are about to leave (RFC 8326): what goes out is marked, or is the last choice inside the AS. */
  gracefulShutdown: boolean;
  /** The members, of which there is one then, are told of so many prefixes at most; 0: of all. */
  maximumPrefixes: number;
  /** Export policy; runs on the path's own attributes before next hop, AS prepending and the rest. */
  policy?: Policy | undefined;
  /** Which routes the members, of which there is one then, ask for; undefined: all. */
  filter?: RouteFilter | undefined;
}

/** What decides by the attribute set alone, and may decide otherwise later: `UpdateGroup.filterChanged` says that it does. */
export interface RouteFilter {
  /** Whether routes of a set of the table's are wanted. */
  wants(set: number): boolean;
  /** The same of a set that may be in another store. */
  wantsOf(store: AttributeStore, set: number): boolean;
  /** While the change is being said: whether it made `wants` answer otherwise. */
  turned(set: number): boolean;
}

/** The same rules in an object that has every field in one order: groups whose rules differ then run the same machine code. */
export function uniformRules(options: GroupOptions): GroupOptions {
  return {
    kind: options.kind,
    localAs: options.localAs,
    remoteAs: options.remoteAs,
    routerId: options.routerId,
    clusterId: options.clusterId,
    defaultLocalPref: options.defaultLocalPref,
    localAddress4: options.localAddress4,
    localAddress6: options.localAddress6,
    localLinkLocal6: options.localLinkLocal6,
    sharedSubnet: options.sharedSubnet,
    nextHopSelf: options.nextHopSelf,
    nextHopUnchanged: options.nextHopUnchanged,
    sendCommunity: options.sendCommunity,
    sendExtendedCommunity: options.sendExtendedCommunity,
    sendLargeCommunity: options.sendLargeCommunity,
    removePrivateAs: options.removePrivateAs,
    overrideAs: options.overrideAs,
    asPathUnchanged: options.asPathUnchanged,
    medUnchanged: options.medUnchanged,
    routeServerClient: options.routeServerClient,
    clientToClient: options.clientToClient,
    as4: options.as4,
    extendedNextHop: options.extendedNextHop,
    addPath: options.addPath,
    maximumMessageBytes: options.maximumMessageBytes,
    unsuppress: options.unsuppress,
    role: options.role,
    gracefulShutdown: options.gracefulShutdown,
    maximumPrefixes: options.maximumPrefixes,
    policy: options.policy,
    filter: options.filter,
  };
}

/** Where a group writes for one peer. */
export interface GroupMember {
  /** The peer's index in the table: its own routes are not sent back to it. */
  readonly peer: number;
  /** The session's remote address: no route that starts here is sent with it as next hop. */
  readonly family: Family;
  readonly address: AddressWords;
  /** Whether `send` takes this many bytes now; where not, the group is to be run again when it does. */
  hasRoom(bytes: number): boolean;
  /** Copies one whole message; false where there is no room (nothing was taken). */
  send(bytes: Uint8Array, offset: number, length: number): boolean;
  /** Says that the answer to a route refresh begins, or ends (RFC 7313); there is room. Undefined: that was not agreed. */
  readonly markRefresh?: ((kind: 'begin' | 'end') => void) | undefined;
  /** An answer begins, marked or not: what the peer is told beside the group is told again. There is room. */
  readonly refreshBegins?: (() => void) | undefined;
}
