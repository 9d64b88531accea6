// The words that the table, the attribute store and the update groups share with whoever ties them together: how a path
// is flagged, what a peer looks like to the decision process, which knobs the decision has, and the hooks for policy.
import type { AddressWords } from '../../net/index.ts';

/** ORIGIN values (RFC 4271 §5.1.1). */
export const ORIGIN_IGP = 0;
export const ORIGIN_EGP = 1;
export const ORIGIN_INCOMPLETE = 2;

/** Where a path comes from, as the decision process and the export rules see it. */
export const PEER_LOCAL = 0; // network, redistribute, aggregate: each source is a peer of this kind
export const PEER_EBGP = 1;
export const PEER_IBGP = 2;
export const PEER_IBGP_CLIENT = 3; // a route reflector's client (RFC 4456)
export const PEER_CONFED = 4; // in another AS of our confederation (RFC 5065)
/** Of a VPN that we had from inside, or of another instance that did (RFC 4364 §7): as good as PEER_IBGP, and it goes on to everybody. */
export const PEER_IMPORTED = 5;
export type PeerKind =
  | typeof PEER_LOCAL
  | typeof PEER_EBGP
  | typeof PEER_IBGP
  | typeof PEER_IBGP_CLIENT
  | typeof PEER_CONFED
  | typeof PEER_IMPORTED;

/** What a table must know of a peer. Change the fields, then call `BgpTable.peerChanged(index)`. */
export interface PeerInfo {
  kind: PeerKind;
  /** Remote AS; 0 for local sources. */
  as: number;
  /** BGP identifier that the peer gave in its OPEN, as a word. */
  routerId: number;
  /** The session's remote address; IPv4 in the first word. */
  address: AddressWords;
  /** Weight of paths whose attribute set has none. */
  weight: number;
  /** How many times the local AS may stand in AS_PATH before a path counts as a loop (allowas-in). */
  allowOwnAs: number;
  /** A path that begins in the local AS is no loop (allowas-in origin). */
  allowOwnOrigin?: boolean;
  /** The AS that we pretend to be for this peer (local-as), 0 or undefined: none. */
  localAs?: number;
  /** How many times that one may stand in AS_PATH. */
  allowLocalAs?: number;
  routeServerClient?: boolean;
  /** Ours towards it (RFC 9234), NO_ROLE for none. */
  role: number;
  /** Whatever the owner wants to find again from a path. */
  readonly owner?: unknown;
}

/** Path flags (`BgpTable.pathFlags`). */
export const PATH_BEST = 1;
/** Selected together with the best path (the best path itself carries it too). */
export const PATH_MULTIPATH = 2;
/** Denied by the import policy; kept, because the policy may change. */
export const PATH_FILTERED = 4;
/** AS_PATH, ORIGINATOR_ID or CLUSTER_LIST shows that the path went through here before. */
export const PATH_LOOP = 8;
/** Withdrawn. The row goes when the decision has looked and nobody has still to be told of it. Readers skip it. */
export const PATH_REMOVED = 16;
/** From a source of kind PEER_LOCAL. */
export const PATH_LOCAL = 32;
/** The next hop resolved when the decision last looked. */
export const PATH_VALID = 64;
/** Attributes changed since the decision last looked (inside the table only). */
export const PATH_CHANGED = 128;

/** Why the best path won its last comparison, and why each other path lost (`BgpTable.pathReason`). */
export const REASONS: readonly string[] = [
  'Nothing to compare',
  'First path received',
  'Weight',
  'Local Pref',
  'Local Route',
  'AS Path',
  'Origin',
  'MED',
  'Peer Type',
  'IGP Metric',
  'Older Path',
  'Router ID',
  'Cluster length',
  'Neighbor IP',
  'Not eligible',
  'Nothing left to compare',
  'Confederation based AS Path',
];
export const REASON_NONE = 0;
export const REASON_FIRST = 1;
export const REASON_WEIGHT = 2;
export const REASON_LOCAL_PREF = 3;
export const REASON_LOCAL = 4;
export const REASON_AS_PATH = 5;
export const REASON_ORIGIN = 6;
export const REASON_MED = 7;
export const REASON_PEER_TYPE = 8;
export const REASON_IGP_METRIC = 9;
export const REASON_OLDER = 10;
export const REASON_ROUTER_ID = 11;
export const REASON_CLUSTER = 12;
export const REASON_NEIGHBOUR = 13;
export const REASON_INELIGIBLE = 14;
export const REASON_EQUAL = 15;
export const REASON_CONFED_AS_PATH = 16;

/** Knobs of the decision process. Change them, then call `BgpTable.redecideAll()`. */
export interface DecisionOptions {
  localAs: number;
  /** The confederation's AS (RFC 5065), 0: there is none. */
  confederation: number;
  routerId: number;
  /** Own cluster id for loop detection and reflection; the router id unless configured. */
  clusterId: number;
  /** LOCAL_PREF of paths without one. */
  defaultLocalPref: number;
  alwaysCompareMed: boolean;
  deterministicMed: boolean;
  missingMedAsWorst: boolean;
  /** Compare router ids even where the older external path would win. */
  compareRouterId: boolean;
  ignoreAsPathLength: boolean;
  /** ASes of our confederation count for the length. */
  countConfederation: boolean;
  /** Paths with an AS_SET in them are refused (RFC 9774). */
  rejectAsSets: boolean;
  /** Multipath needs equal AS_PATH length only, not equal AS_PATH. */
  multipathRelax: boolean;
  /** Multipath mixes paths from outside with those from inside. */
  relaxPeerType: boolean;
  maximumPathsEbgp: number;
  maximumPathsIbgp: number;
}

export function defaultDecisionOptions(localAs: number, routerId: number): DecisionOptions {
  return {
    localAs,
    confederation: 0,
    routerId,
    clusterId: routerId,
    defaultLocalPref: 100,
    alwaysCompareMed: false,
    deterministicMed: false,
    missingMedAsWorst: false,
    compareRouterId: false,
    ignoreAsPathLength: false,
    countConfederation: false,
    rejectAsSets: false,
    multipathRelax: false,
    relaxPeerType: false,
    maximumPathsEbgp: 1,
    maximumPathsIbgp: 1,
  };
}

/**
 * A policy turns an attribute set into another or refuses it. `apply` returns the id of the set to use, owning one
 * reference: `store.retain(id)` for the set unchanged, what `AttributeEditor.finish()` gave for a changed one; -1 denies.
 */
export interface Policy {
  /** Whether the answer can differ between prefixes with one attribute set. If not, it is asked once a set, and kept. */
  readonly perPrefix: boolean;
  /** False: MED is neither looked at nor set. */
  readonly concernsMed?: boolean;
  /** `prefix` is a row of the table's PrefixTable, or -1 where `perPrefix` is false. `peer` is the path's source. */
  apply(attributes: number, prefix: number, peer: number): number;
}
