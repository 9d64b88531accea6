// What the dataplane can be asked to do, and what it can tell. Each operation is declared here once: its number, name,
// direction, class (for counters), and the fields of a context that it uses; accessors check those. How a request is
// encoded for the kernel, and how its errors are judged, is one more row per request in provider/kernel-operation.ts.

export const OP_NONE = 0;

// Requests: down from zebra, through the providers, back as a result.
export const OP_ROUTE_INSTALL = 1;
export const OP_ROUTE_DELETE = 2;
export const OP_NEXTHOP_INSTALL = 3;
export const OP_NEXTHOP_DELETE = 4;
export const OP_RESYNC = 5;
export const OP_LINK_SET = 6;
export const OP_ADDRESS_INSTALL = 7;
export const OP_ADDRESS_DELETE = 8;

// Notifications: what happened in the kernel, in its order.
export const OP_LINK = 16;
export const OP_LINK_GONE = 17;
export const OP_ADDRESS = 18;
export const OP_ADDRESS_GONE = 19;
export const OP_ROUTE = 20;
export const OP_ROUTE_GONE = 21;
export const OP_NEXTHOP = 22;
export const OP_NEXTHOP_GONE = 23;
export const OP_NEIGHBOR = 24;
export const OP_NEIGHBOR_GONE = 25;
export const OP_RULE = 26;
export const OP_RULE_GONE = 27;
export const OP_DUMP_BEGIN = 28;
export const OP_DUMP_END = 29;

/** Only as a slot chained behind another one: more members, more paths, a rule's second name, a link's alias. */
export const OP_MORE = 31;

// Fields, one bit each.
export const FIELD_ROUTE = 1; // table, family, prefix, protocol, type, metric, nexthop ids
export const FIELD_NEXTHOP = 2; // nexthop id, protocol, family
export const FIELD_PATH = 4; // gateway, interface, flags, weight
export const FIELD_MEMBERS = 8; // group members
export const FIELD_LINK = 16; // interface, name, flags, MTU, hardware address
export const FIELD_ADDRESS = 32; // interface, address, peer, flags, label
export const FIELD_NEIGHBOR = 64; // interface, address, state, hardware address
export const FIELD_RULE = 128; // priority, selectors, action, table
export const FIELD_KINDS = 256; // kinds of objects (KIND_*)

// Kinds of objects that are dumped and resynchronised together, one bit each.
export const KIND_LINK = 1;
export const KIND_ADDRESS = 2;
export const KIND_NEXTHOP = 4;
export const KIND_ROUTE = 8;
export const KIND_NEIGHBOR = 16;
export const KIND_RULE = 32;
export const KIND_ALL = 63;

export type OperationClass = 'route' | 'nexthop' | 'link' | 'address' | 'neighbor' | 'rule' | 'other';

export interface Operation {
  readonly code: number;
  readonly name: string;
  readonly direction: 'request' | 'notification' | 'part';
  readonly class: OperationClass;
  /** FIELD_* bits. */
  readonly fields: number;
}

const table: readonly Operation[] = [
  row(OP_ROUTE_INSTALL, 'ROUTE_INSTALL', 'request', 'route', FIELD_ROUTE),
  row(OP_ROUTE_DELETE, 'ROUTE_DELETE', 'request', 'route', FIELD_ROUTE),
  row(OP_NEXTHOP_INSTALL, 'NEXTHOP_INSTALL', 'request', 'nexthop', FIELD_NEXTHOP | FIELD_PATH | FIELD_MEMBERS),
  row(OP_NEXTHOP_DELETE, 'NEXTHOP_DELETE', 'request', 'nexthop', FIELD_NEXTHOP),
  row(OP_RESYNC, 'RESYNC', 'request', 'other', FIELD_KINDS),
  row(OP_LINK_SET, 'LINK_SET', 'request', 'link', FIELD_LINK),
  row(OP_ADDRESS_INSTALL, 'ADDRESS_INSTALL', 'request', 'address', FIELD_ADDRESS),
  row(OP_ADDRESS_DELETE, 'ADDRESS_DELETE', 'request', 'address', FIELD_ADDRESS),
  row(OP_LINK, 'LINK', 'notification', 'link', FIELD_LINK),
  row(OP_LINK_GONE, 'LINK_GONE', 'notification', 'link', FIELD_LINK),
  row(OP_ADDRESS, 'ADDRESS', 'notification', 'address', FIELD_ADDRESS),
  row(OP_ADDRESS_GONE, 'ADDRESS_GONE', 'notification', 'address', FIELD_ADDRESS),
  row(OP_ROUTE, 'ROUTE', 'notification', 'route', FIELD_ROUTE | FIELD_PATH),
  row(OP_ROUTE_GONE, 'ROUTE_GONE', 'notification', 'route', FIELD_ROUTE | FIELD_PATH),
  row(OP_NEXTHOP, 'NEXTHOP', 'notification', 'nexthop', FIELD_NEXTHOP | FIELD_PATH | FIELD_MEMBERS),
  row(OP_NEXTHOP_GONE, 'NEXTHOP_GONE', 'notification', 'nexthop', FIELD_NEXTHOP | FIELD_PATH | FIELD_MEMBERS),
  row(OP_NEIGHBOR, 'NEIGHBOR', 'notification', 'neighbor', FIELD_NEIGHBOR),
  row(OP_NEIGHBOR_GONE, 'NEIGHBOR_GONE', 'notification', 'neighbor', FIELD_NEIGHBOR),
  row(OP_RULE, 'RULE', 'notification', 'rule', FIELD_RULE),
  row(OP_RULE_GONE, 'RULE_GONE', 'notification', 'rule', FIELD_RULE),
  row(OP_DUMP_BEGIN, 'DUMP_BEGIN', 'notification', 'other', FIELD_KINDS),
  row(OP_DUMP_END, 'DUMP_END', 'notification', 'other', FIELD_KINDS),
  row(OP_MORE, 'MORE', 'part', 'other', FIELD_PATH | FIELD_MEMBERS | FIELD_RULE),
];

function row(
  code: number,
  name: string,
  direction: Operation['direction'],
  kind: OperationClass,
  fields: number,
): Operation {
  return { code, name, direction, class: kind, fields };
}

/** Operations by code; undefined where the code is not in use. */
export const OPERATIONS: readonly (Operation | undefined)[] = Array.from({ length: 32 }, (_, code) =>
  table.find(operation => operation.code === code),
);

/** FIELD_* bits by code, for the accessors' checks. */
export const operationFields: Uint16Array = Uint16Array.from(OPERATIONS, operation => operation?.fields ?? 0);

export function operationName(code: number): string {
  return OPERATIONS[code]?.name ?? `operation ${code}`;
}
