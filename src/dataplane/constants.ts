// The numbers that a context is made of. What each operation uses of them is declared in operation.ts.

// Fields, one bit each.
export const FIELD_ROUTE = 1; // table, family, prefix, protocol, type, metric, nexthop ids
export const FIELD_NEXTHOP = 2; // nexthop id, protocol, family
export const FIELD_PATH = 4; // gateway, interface, flags, weight, encapsulation
export const FIELD_MEMBERS = 8; // group members
export const FIELD_LINK = 16; // interface, name, flags, MTU, hardware address
export const FIELD_ADDRESS = 32; // interface, address, peer, flags, label
export const FIELD_NEIGHBOR = 64; // interface, address, state, hardware address
export const FIELD_RULE = 128; // priority, selectors, action, table
export const FIELD_KINDS = 256; // kinds of objects (KIND_*)
export const FIELD_LINK_CHANGE = 512; // interface, and what of it is to be set
export const FIELD_NETCONF = 1024; // interface, family, switches
export const FIELD_MULTICAST = 2048; // source, group, counters
export const FIELD_EVENT = 4096; // provider, what happened to it
export const FIELD_LABEL = 8192; // MPLS label, protocol
export const FIELD_FDB = 16384; // interface, hardware address, VLAN, tunnel end
export const FIELD_NAMESPACE = 32768; // a descriptor of a network namespace

// Kinds of objects that are dumped and resynchronised together, one bit each.
export {
  KIND_ADDRESS,
  KIND_EVERY as KIND_ALL,
  KIND_FDB,
  KIND_LINK,
  KIND_MPLS,
  KIND_NEIGHBOR,
  KIND_NETCONF,
  KIND_NEXTHOP,
  KIND_ROUTE,
  KIND_RULE,
} from '../netlink/index.ts';

export const STATUS_NONE = 0;
export const STATUS_QUEUED = 1;
export const STATUS_SUCCESS = 2;
export const STATUS_FAILED = 3;

/** No provider that stands for the kernel may act on it. */
export const FLAG_SKIP_KERNEL = 1;
/** NEXTHOP_INSTALL: a group of `count` members rather than one path. */
export const FLAG_GROUP = 2;
/** Notification: it is an item of a dump, between DUMP_BEGIN and DUMP_END. */
export const FLAG_DUMP = 4;
/** ROUTE notification: it took the place of the one there was (NLM_F_REPLACE), rather than a place beside it. */
export const FLAG_REPLACE = 8;
/** A later provider failed it: on its way back, for those before to take back what they did. */
export const FLAG_UNDO = 16;
/** Result: a provider could not take back what it did, so what the plane has is in doubt. */
export const FLAG_UNDO_FAILED = 32;
/** For the follower in its provider word alone. */
export const FLAG_TARGET = 64;
/** ROUTE notification: somebody's hardware has it (RTM_F_OFFLOAD), traps it (RTM_F_TRAP), could not take it. */
export const FLAG_OFFLOADED = 128;
export const FLAG_TRAPPED = 256;
export const FLAG_OFFLOAD_FAILED = 512;
/**
 * Result: the kernel had it so already; what was to be deleted was not there. Of a neighbour, a forwarding entry, a label: there was
 * one, which this one replaced.
 */
export const FLAG_ALREADY = 1024;
/** NEXTHOP_INSTALL: its paths are tunnel ends, for a VXLAN device's forwarding entries and not for routes. */
export const FLAG_TUNNEL_ENDS = 2048;

// Path flags.
export const PATH_BLACKHOLE = 1;
export const PATH_ONLINK = 2;
/** The kernel says that it cannot use this path now (RTNH_F_DEAD, RTNH_F_LINKDOWN). */
export const PATH_DEAD = 4;
export const PATH_LINKDOWN = 8;

/** Group members in one slot. */
export const MEMBERS_PER_SLOT = 6;
