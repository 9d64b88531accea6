/**
 * rtnetlink: the kernel's links, addresses, neighbours, bridges' tables, routes (also of MPLS labels and with encapsulations),
 * nexthop objects, rules and what forwards.
 *
 * - `NetlinkSocket.request` does one thing and throws `NetlinkError` with the kernel's own words where it is refused.
 * - `NetlinkBatch` does up to thousands of things in one system call, and says which of them failed.
 * - `collect`, `readDump`, `Dump` read whole tables, and again where the kernel says that one changed meanwhile.
 * - `NotificationStream` gives the whole history in one order and repairs itself after an overrun; `observe` runs it on Node's
 *   loop. Without a loop, poll(2) its `socket.fd` and call `step`.
 *
 * Addresses are words as in `grevy/net`. Sockets are synchronous: rtnetlink answers within the send.
 */
export * from './address.ts';
export * from './attribute.ts';
export * from './batch.ts';
export * from './buffer.ts';
export * as rtnetlink from './constants.ts';
export * from './dump.ts';
export * from './encap.ts';
export * from './error.ts';
export * from './fdb.ts';
export * from './filter.ts';
export * from './generic.ts';
export * from './link.ts';
export * from './mpls.ts';
export * from './multicast.ts';
export * from './neighbor.ts';
export * from './netconf.ts';
export * from './nexthop.ts';
export * from './observe.ts';
export * from './route.ts';
export * from './rule.ts';
export * from './socket.ts';
export * from './stream.ts';
