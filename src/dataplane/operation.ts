// What the dataplane can be asked to do, and what it can tell. Each operation is declared here once: its name, its direction,
// its class (for counters), the fields of a context that it uses (accessors check those), and, where a kernel understands
// it, how it is told to one, what an answer means and how it is taken back (provider/kernel-encoding.ts). Nothing else lists
// operations: a new one is a new row.
import {
  FIELD_ADDRESS,
  FIELD_EVENT,
  FIELD_KINDS,
  FIELD_LINK,
  FIELD_LINK_CHANGE,
  FIELD_MEMBERS,
  FIELD_NEIGHBOR,
  FIELD_NEXTHOP,
  FIELD_PATH,
  FIELD_ROUTE,
  FIELD_RULE,
} from './constants.ts';
import * as kernel from './provider/kernel-encoding.ts';

export type OperationClass = 'route' | 'nexthop' | 'link' | 'address' | 'neighbor' | 'fdb' | 'rule' | 'other';

export interface Operation {
  readonly code: number;
  readonly name: string;
  readonly direction: 'request' | 'notification' | 'part';
  readonly class: OperationClass;
  /** FIELD_* bits. */
  readonly fields: number;
  /** The rtnetlink message that says the same; absent where there is none. */
  readonly message?: kernel.Message;
  /** Of a request: how the kernel hears of it, by that message. Absent: the kernel has nothing to do with it. */
  readonly kernel?: kernel.Encoding;
}

/** Operations by code. Code 0 is none. */
const table: (Operation | undefined)[] = [undefined];

function declare(operation: Omit<Operation, 'code'>): number {
  return table.push({ code: table.length, ...operation }) - 1;
}

function request(name: string, kind: OperationClass, fields: number, encoding?: kernel.Encoding): number {
  return declare({
    name,
    direction: 'request',
    class: kind,
    fields,
    ...(encoding && { kernel: encoding, message: encoding }),
  });
}

function notification(name: string, kind: OperationClass, fields: number, message?: kernel.Message): number {
  return declare({ name, direction: 'notification', class: kind, fields, ...(message && { message }) });
}

export const OP_NONE = 0;

// Requests: down from zebra, through the providers, back as a result.
const NEXTHOP_FIELDS: number = FIELD_NEXTHOP | FIELD_PATH | FIELD_MEMBERS;

export const OP_ROUTE_INSTALL: number = request(
  'ROUTE_INSTALL',
  'route',
  FIELD_ROUTE | FIELD_PATH,
  kernel.routeInstall,
);
/** An install in place of what `oldNexthopId` leads to. */
export const OP_ROUTE_UPDATE: number = request('ROUTE_UPDATE', 'route', FIELD_ROUTE | FIELD_PATH, kernel.routeUpdate);
export const OP_ROUTE_DELETE: number = request('ROUTE_DELETE', 'route', FIELD_ROUTE, kernel.routeDelete);
export const OP_NEXTHOP_INSTALL: number = request('NEXTHOP_INSTALL', 'nexthop', NEXTHOP_FIELDS, kernel.nexthopInstall);
export const OP_NEXTHOP_UPDATE: number = request('NEXTHOP_UPDATE', 'nexthop', NEXTHOP_FIELDS, kernel.nexthopUpdate);
export const OP_NEXTHOP_DELETE: number = request('NEXTHOP_DELETE', 'nexthop', FIELD_NEXTHOP, kernel.nexthopDelete);
/** Dumps of kinds of objects; ends when they are asked for, not when they are done. */
export const OP_RESYNC: number = request('RESYNC', 'other', FIELD_KINDS);
export const OP_LINK_SET: number = request('LINK_SET', 'link', FIELD_LINK_CHANGE, kernel.linkSet);
export const OP_LINK_CREATE: number = request('LINK_CREATE', 'link', FIELD_LINK, kernel.linkCreate);
export const OP_LINK_DELETE: number = request('LINK_DELETE', 'link', FIELD_LINK, kernel.linkDelete);
export const OP_ADDRESS_INSTALL: number = request('ADDRESS_INSTALL', 'address', FIELD_ADDRESS, kernel.address.install);
export const OP_ADDRESS_DELETE: number = request('ADDRESS_DELETE', 'address', FIELD_ADDRESS, kernel.address.remove);
export const OP_NEIGHBOR_INSTALL: number = request(
  'NEIGHBOR_INSTALL',
  'neighbor',
  FIELD_NEIGHBOR,
  kernel.neighbor.install,
);
export const OP_NEIGHBOR_DELETE: number = request(
  'NEIGHBOR_DELETE',
  'neighbor',
  FIELD_NEIGHBOR,
  kernel.neighbor.remove,
);
export const OP_NEIGHBOR_DISCOVER: number = request(
  'NEIGHBOR_DISCOVER',
  'neighbor',
  FIELD_NEIGHBOR,
  kernel.neighborDiscovery,
);
export const OP_FDB_INSTALL: number = request('FDB_INSTALL', 'fdb', FIELD_NEIGHBOR, kernel.neighbor.install);
export const OP_FDB_DELETE: number = request('FDB_DELETE', 'fdb', FIELD_NEIGHBOR, kernel.neighbor.remove);
export const OP_RULE_INSTALL: number = request('RULE_INSTALL', 'rule', FIELD_RULE, kernel.rule.install);
export const OP_RULE_DELETE: number = request('RULE_DELETE', 'rule', FIELD_RULE, kernel.rule.remove);
/** zebra is about to take its routes back: providers hear `finish(true)`. */
export const OP_FINISH: number = request('FINISH', 'other', 0);
/** To a follower alone: it is told everything from here on, and what came since it asked for that counts for nothing. */
export const OP_REPLAY_BEGIN: number = request('REPLAY_BEGIN', 'other', 0);
/** To a follower alone: what comes before it is all there is of what was asked for again. */
export const OP_REPLAY_END: number = request('REPLAY_END', 'other', 0);

// Notifications: what happened in the kernel, in its order.
export const OP_LINK: number = notification('LINK', 'link', FIELD_LINK, kernel.told.link.is);
export const OP_LINK_GONE: number = notification('LINK_GONE', 'link', FIELD_LINK, kernel.told.link.gone);
export const OP_ADDRESS: number = notification('ADDRESS', 'address', FIELD_ADDRESS, kernel.told.address.is);
export const OP_ADDRESS_GONE: number = notification('ADDRESS_GONE', 'address', FIELD_ADDRESS, kernel.told.address.gone);
export const OP_ROUTE: number = notification('ROUTE', 'route', FIELD_ROUTE | FIELD_PATH, kernel.told.route.is);
export const OP_ROUTE_GONE: number = notification(
  'ROUTE_GONE',
  'route',
  FIELD_ROUTE | FIELD_PATH,
  kernel.told.route.gone,
);
export const OP_NEXTHOP: number = notification('NEXTHOP', 'nexthop', NEXTHOP_FIELDS, kernel.told.nexthop.is);
export const OP_NEXTHOP_GONE: number = notification(
  'NEXTHOP_GONE',
  'nexthop',
  NEXTHOP_FIELDS,
  kernel.told.nexthop.gone,
);
export const OP_NEIGHBOR: number = notification('NEIGHBOR', 'neighbor', FIELD_NEIGHBOR, kernel.told.neighbor.is);
export const OP_NEIGHBOR_GONE: number = notification(
  'NEIGHBOR_GONE',
  'neighbor',
  FIELD_NEIGHBOR,
  kernel.told.neighbor.gone,
);
export const OP_RULE: number = notification('RULE', 'rule', FIELD_RULE, kernel.told.rule.is);
export const OP_RULE_GONE: number = notification('RULE_GONE', 'rule', FIELD_RULE, kernel.told.rule.gone);
export const OP_DUMP_BEGIN: number = notification('DUMP_BEGIN', 'other', FIELD_KINDS);
export const OP_DUMP_END: number = notification('DUMP_END', 'other', FIELD_KINDS);
/** A provider was added, is behind, was fenced … (EVENT_*). */
export const OP_PROVIDER: number = notification('PROVIDER', 'other', FIELD_EVENT);

/** Only as a slot chained behind another one: more members, more paths, a rule's second name, a link's alias. */
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
