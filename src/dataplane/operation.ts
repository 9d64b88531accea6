// What the dataplane can be asked to do, and what it can tell. Each operation is declared here once: its name, its direction,
// its class (for counters), the fields of a context that it uses (accessors check those), and, where a kernel understands
// it, how it is told to one, what an answer means and how it is taken back (provider/encoding). Nothing else lists
// operations: a new one is a new row.
import {
  FIELD_ADDRESS,
  FIELD_EVENT,
  FIELD_FDB,
  FIELD_KINDS,
  FIELD_LABEL,
  FIELD_LINK,
  FIELD_LINK_CHANGE,
  FIELD_MEMBERS,
  FIELD_MULTICAST,
  FIELD_NAMESPACE,
  FIELD_NEIGHBOR,
  FIELD_NETCONF,
  FIELD_NEXTHOP,
  FIELD_PATH,
  FIELD_ROUTE,
  FIELD_RULE,
} from './constants.ts';
import { address, netconfTold, told as addressTold } from './provider/encoding/address.ts';
import type { Encoding, Message } from './provider/encoding/encoding.ts';
import * as label from './provider/encoding/label.ts';
import * as link from './provider/encoding/link.ts';
import * as multicast from './provider/encoding/multicast.ts';
import {
  discovery,
  fdb,
  fdbTold,
  fdbUpdate,
  neighbor,
  neighborUpdate,
  told as neighborTold,
} from './provider/encoding/neighbor.ts';
import * as nexthop from './provider/encoding/nexthop.ts';
import * as route from './provider/encoding/route.ts';
import { rule, told as ruleTold } from './provider/encoding/rule.ts';
import { tunnelSource } from './provider/encoding/seg6.ts';

export type OperationClass = 'route' | 'label' | 'nexthop' | 'link' | 'address' | 'neighbor' | 'fdb' | 'rule' | 'other';

export interface Operation {
  readonly code: number;
  readonly name: string;
  readonly direction: 'request' | 'notification' | 'part';
  readonly class: OperationClass;
  /** FIELD_* bits. */
  readonly fields: number;
  /** The rtnetlink message that says the same; absent where there is none. */
  readonly message?: Message;
  /** Of a request: how the kernel hears of it, by that message. Absent: the kernel has nothing to do with it. */
  readonly kernel?: Encoding;
}

/** Operations by code. Code 0 is none. */
const table: (Operation | undefined)[] = [undefined];

function declare(operation: Omit<Operation, 'code'>): number {
  return table.push({ code: table.length, ...operation }) - 1;
}

function request(name: string, kind: OperationClass, fields: number, encoding?: Encoding): number {
  return declare({
    name,
    direction: 'request',
    class: kind,
    fields,
    ...(encoding && { kernel: encoding, message: encoding }),
  });
}

function notification(name: string, kind: OperationClass, fields: number, message?: Message): number {
  return declare({ name, direction: 'notification', class: kind, fields, ...(message && { message }) });
}

export const OP_NONE = 0;

// Requests: down from zebra, through the providers, back as a result.
const NEXTHOP_FIELDS: number = FIELD_NEXTHOP | FIELD_PATH | FIELD_MEMBERS;

export const OP_ROUTE_INSTALL: number = request('ROUTE_INSTALL', 'route', FIELD_ROUTE | FIELD_PATH, route.install);
/** An install in place of what `oldNexthopId` leads to. */
export const OP_ROUTE_UPDATE: number = request('ROUTE_UPDATE', 'route', FIELD_ROUTE | FIELD_PATH, route.update);
export const OP_ROUTE_DELETE: number = request('ROUTE_DELETE', 'route', FIELD_ROUTE, route.remove);
export const OP_NEXTHOP_INSTALL: number = request('NEXTHOP_INSTALL', 'nexthop', NEXTHOP_FIELDS, nexthop.install);
export const OP_NEXTHOP_UPDATE: number = request('NEXTHOP_UPDATE', 'nexthop', NEXTHOP_FIELDS, nexthop.update);
export const OP_NEXTHOP_DELETE: number = request('NEXTHOP_DELETE', 'nexthop', FIELD_NEXTHOP, nexthop.remove);
/** Dumps of kinds of objects; ends when they are asked for, not when they are done. */
export const OP_RESYNC: number = request('RESYNC', 'other', FIELD_KINDS);
export const OP_LINK_SET: number = request('LINK_SET', 'link', FIELD_LINK_CHANGE, link.set);
export const OP_LINK_CREATE: number = request('LINK_CREATE', 'link', FIELD_LINK, link.create);
export const OP_LINK_DELETE: number = request('LINK_DELETE', 'link', FIELD_LINK, link.remove);
export const OP_ADDRESS_INSTALL: number = request('ADDRESS_INSTALL', 'address', FIELD_ADDRESS, address.install);
export const OP_ADDRESS_DELETE: number = request('ADDRESS_DELETE', 'address', FIELD_ADDRESS, address.remove);
export const OP_NEIGHBOR_INSTALL: number = request('NEIGHBOR_INSTALL', 'neighbor', FIELD_NEIGHBOR, neighbor.install);
export const OP_NEIGHBOR_DELETE: number = request('NEIGHBOR_DELETE', 'neighbor', FIELD_NEIGHBOR, neighbor.remove);
/** An install over the one there is. */
export const OP_NEIGHBOR_UPDATE: number = request('NEIGHBOR_UPDATE', 'neighbor', FIELD_NEIGHBOR, neighborUpdate);
export const OP_NEIGHBOR_DISCOVER: number = request('NEIGHBOR_DISCOVER', 'neighbor', FIELD_NEIGHBOR, discovery);
export const OP_FDB_INSTALL: number = request('FDB_INSTALL', 'fdb', FIELD_FDB, fdb.install);
export const OP_FDB_UPDATE: number = request('FDB_UPDATE', 'fdb', FIELD_FDB, fdbUpdate);
export const OP_FDB_DELETE: number = request('FDB_DELETE', 'fdb', FIELD_FDB, fdb.remove);
/** What arrives with an MPLS label. */
export const OP_LABEL_INSTALL: number = request('LABEL_INSTALL', 'label', FIELD_LABEL | FIELD_PATH, label.install);
export const OP_LABEL_UPDATE: number = request('LABEL_UPDATE', 'label', FIELD_LABEL | FIELD_PATH, label.update);
export const OP_LABEL_DELETE: number = request('LABEL_DELETE', 'label', FIELD_LABEL, label.remove);
/** Counters of a multicast route: they are in the result. */
export const OP_MULTICAST_READ: number = request('MULTICAST_READ', 'other', FIELD_MULTICAST, multicast.read);
export const OP_RULE_INSTALL: number = request('RULE_INSTALL', 'rule', FIELD_RULE, rule.install);
export const OP_RULE_DELETE: number = request('RULE_DELETE', 'rule', FIELD_RULE, rule.remove);
/** The source of packets encapsulated by SRv6: the local address; `::` leaves it to the kernel. Not rtnetlink's, so no `message`. */
export const OP_SRV6_SOURCE_SET: number = declare({
  name: 'SRV6_SOURCE_SET',
  direction: 'request',
  class: 'other',
  fields: FIELD_ADDRESS,
  kernel: tunnelSource,
});
/** zebra is about to take its routes back: providers hear `finish(true)`. */
export const OP_FINISH: number = request('FINISH', 'other', 0);
/**
 * A network namespace is to be served, under the number in the context: requests that carry it are for that kernel, and what happens
 * there is told with it, beginning with a dump of every kind.
 */
export const OP_NAMESPACE_OPEN: number = request('NAMESPACE_OPEN', 'other', FIELD_NAMESPACE);
/** No more; when no request of it is under way. */
export const OP_NAMESPACE_CLOSE: number = request('NAMESPACE_CLOSE', 'other', 0);
/** To a follower alone: it is told everything from here on, and what came since it asked for that counts for nothing. */
export const OP_REPLAY_BEGIN: number = request('REPLAY_BEGIN', 'other', 0);
/** To a follower alone: what comes before it is all there is of what was asked for again. */
export const OP_REPLAY_END: number = request('REPLAY_END', 'other', 0);

// Notifications: what happened in the kernel, in its order.
export const OP_LINK: number = notification('LINK', 'link', FIELD_LINK, link.told.is);
export const OP_LINK_GONE: number = notification('LINK_GONE', 'link', FIELD_LINK, link.told.gone);
export const OP_ADDRESS: number = notification('ADDRESS', 'address', FIELD_ADDRESS, addressTold.is);
export const OP_ADDRESS_GONE: number = notification('ADDRESS_GONE', 'address', FIELD_ADDRESS, addressTold.gone);
export const OP_ROUTE: number = notification('ROUTE', 'route', FIELD_ROUTE | FIELD_PATH, route.told.is);
export const OP_ROUTE_GONE: number = notification('ROUTE_GONE', 'route', FIELD_ROUTE | FIELD_PATH, route.told.gone);
export const OP_NEXTHOP: number = notification('NEXTHOP', 'nexthop', NEXTHOP_FIELDS, nexthop.told.is);
export const OP_NEXTHOP_GONE: number = notification('NEXTHOP_GONE', 'nexthop', NEXTHOP_FIELDS, nexthop.told.gone);
export const OP_NEIGHBOR: number = notification('NEIGHBOR', 'neighbor', FIELD_NEIGHBOR, neighborTold.is);
export const OP_NEIGHBOR_GONE: number = notification('NEIGHBOR_GONE', 'neighbor', FIELD_NEIGHBOR, neighborTold.gone);
export const OP_FDB: number = notification('FDB', 'fdb', FIELD_FDB, fdbTold.is);
export const OP_FDB_GONE: number = notification('FDB_GONE', 'fdb', FIELD_FDB, fdbTold.gone);
export const OP_LABEL: number = notification('LABEL', 'label', FIELD_LABEL | FIELD_PATH, label.told.is);
export const OP_LABEL_GONE: number = notification('LABEL_GONE', 'label', FIELD_LABEL | FIELD_PATH, label.told.gone);
/** How an interface forwards. It tells no more than what changed. */
export const OP_NETCONF: number = notification('NETCONF', 'link', FIELD_NETCONF, netconfTold.is);
export const OP_NETCONF_GONE: number = notification('NETCONF_GONE', 'link', FIELD_NETCONF, netconfTold.gone);
export const OP_RULE: number = notification('RULE', 'rule', FIELD_RULE, ruleTold.is);
export const OP_RULE_GONE: number = notification('RULE_GONE', 'rule', FIELD_RULE, ruleTold.gone);
export const OP_DUMP_BEGIN: number = notification('DUMP_BEGIN', 'other', FIELD_KINDS);
export const OP_DUMP_END: number = notification('DUMP_END', 'other', FIELD_KINDS);
/** A provider was added, is behind, was fenced … (EVENT_*). */
export const OP_PROVIDER: number = notification('PROVIDER', 'other', FIELD_EVENT);

/** Only as a slot chained behind another one: more members, more paths, the rest of an encap, of a rule, of a link. */
export const OP_MORE: number = declare({
  name: 'MORE',
  direction: 'part',
  class: 'other',
  fields: FIELD_PATH | FIELD_MEMBERS | FIELD_RULE,
});

/** Operations by code; undefined where the code is not in use. */
export const OPERATIONS: readonly (Operation | undefined)[] = table;

/** FIELD_* bits by code, for the accessors' checks; any byte may be asked for. */
export const operationFields: Uint16Array = Uint16Array.from({ length: 256 }, (_, code) => table[code]?.fields ?? 0);

export function operationName(code: number): string {
  return table[code]?.name ?? `operation ${code}`;
}
