// Notifications as values, for programs that have no million of them:
//
//   client.poll(1000, onResult, notificationHandler({
//     fdb: (entry, { gone }) => console.log(gone ? 'gone' : 'there', entry.mac),
//   }));
//
// Who has a million routes reads the words that it needs by the pool's accessors.
import { type AddressWords, type Family, familyOf } from '../net/index.ts';
import type { RoutePath } from '../netlink/index.ts';
import type { ContextHandler } from './client.ts';
import { FLAG_DUMP, FLAG_GROUP, FLAG_REPLACE, PATH_BLACKHOLE } from './constants.ts';
import type {
  AddressValue,
  ContextPool,
  FdbValue,
  LinkValue,
  NeighborValue,
  NetconfValue,
  RuleValue,
} from './context.ts';
import {
  OP_ADDRESS,
  OP_ADDRESS_GONE,
  OP_DUMP_BEGIN,
  OP_DUMP_END,
  OP_FDB,
  OP_FDB_GONE,
  OP_LABEL,
  OP_LABEL_GONE,
  OP_LINK,
  OP_LINK_GONE,
  OP_NEIGHBOR,
  OP_NEIGHBOR_GONE,
  OP_NETCONF,
  OP_NETCONF_GONE,
  OP_NEXTHOP,
  OP_NEXTHOP_GONE,
  OP_PROVIDER,
  OP_ROUTE,
  OP_ROUTE_GONE,
  OP_RULE,
  OP_RULE_GONE,
} from './operation.ts';
import { pathOf, pathsOf } from './provider/encoding/path.ts';

/** How something was told. */
export interface Told {
  /** It is no more. */
  readonly gone: boolean;
  /** An item of a dump, between its beginning and its end. */
  readonly dumped: boolean;
  /** A route or a label: it took the place of the one there was. */
  readonly replaces: boolean;
  /** Number of the provider whose word it is; 0: the kernel's. */
  readonly provider: number;
  /** FLAG_* */
  readonly flags: number;
}

export interface RouteValue {
  readonly table: number;
  readonly family: Family;
  readonly prefix: AddressWords;
  readonly length: number;
  /** RTPROT_* */
  readonly protocol: number;
  /** RTN_* */
  readonly type: number;
  readonly metric: number;
  /** 0: none. */
  readonly nexthopId: number;
  readonly paths: readonly RoutePath[];
}

export interface LabelValue {
  readonly label: number;
  /** RTPROT_* */
  readonly protocol: number;
  /** The encap of each is what the label is replaced by; none: it is taken off. */
  readonly paths: readonly RoutePath[];
}

export interface NexthopValue {
  readonly id: number;
  readonly family: number;
  readonly protocol: number;
  /** Of an object that is neither a group nor a hole. */
  readonly path: RoutePath | undefined;
  readonly blackhole: boolean;
  readonly members: readonly { readonly id: number; readonly weight: number }[];
}

export interface NotificationCallbacks {
  readonly link?: (link: LinkValue, told: Told) => void;
  readonly address?: (address: AddressValue, told: Told) => void;
  readonly netconf?: (netconf: NetconfValue, told: Told) => void;
  readonly route?: (route: RouteValue, told: Told) => void;
  readonly label?: (label: LabelValue, told: Told) => void;
  readonly nexthop?: (nexthop: NexthopValue, told: Told) => void;
  readonly neighbor?: (neighbor: NeighborValue, told: Told) => void;
  readonly fdb?: (fdb: FdbValue, told: Told) => void;
  readonly rule?: (rule: RuleValue, told: Told) => void;
  /** KIND_* bits. */
  readonly dumpBegin?: (kinds: number) => void;
  readonly dumpEnd?: (kinds: number) => void;
  /** EVENT_* of the provider of this number. */
  readonly provider?: (provider: number, event: number) => void;
}

/** For `DataplaneClient.poll`. What has no callback is passed over. */
export function notificationHandler(callbacks: NotificationCallbacks): ContextHandler {
  return (pool, handle) => {
    const op = pool.op(handle);
    switch (op) {
      case OP_LINK:
      case OP_LINK_GONE:
        callbacks.link?.(pool.link(handle), told(pool, handle, op === OP_LINK_GONE));
        return;
      case OP_ADDRESS:
      case OP_ADDRESS_GONE:
        callbacks.address?.(pool.address(handle), told(pool, handle, op === OP_ADDRESS_GONE));
        return;
      case OP_NETCONF:
      case OP_NETCONF_GONE:
        callbacks.netconf?.(pool.netconf(handle), told(pool, handle, op === OP_NETCONF_GONE));
        return;
      case OP_ROUTE:
      case OP_ROUTE_GONE:
        callbacks.route?.(routeOf(pool, handle), told(pool, handle, op === OP_ROUTE_GONE));
        return;
      case OP_LABEL:
      case OP_LABEL_GONE:
        callbacks.label?.(labelOf(pool, handle), told(pool, handle, op === OP_LABEL_GONE));
        return;
      case OP_NEXTHOP:
      case OP_NEXTHOP_GONE:
        callbacks.nexthop?.(nexthopOf(pool, handle), told(pool, handle, op === OP_NEXTHOP_GONE));
        return;
      case OP_NEIGHBOR:
      case OP_NEIGHBOR_GONE:
        callbacks.neighbor?.(pool.neighbor(handle), told(pool, handle, op === OP_NEIGHBOR_GONE));
        return;
      case OP_FDB:
      case OP_FDB_GONE:
        callbacks.fdb?.(pool.fdb(handle), told(pool, handle, op === OP_FDB_GONE));
        return;
      case OP_RULE:
      case OP_RULE_GONE:
        callbacks.rule?.(pool.rule(handle), told(pool, handle, op === OP_RULE_GONE));
        return;
      case OP_DUMP_BEGIN:
        callbacks.dumpBegin?.(pool.kinds(handle));
        return;
      case OP_DUMP_END:
        callbacks.dumpEnd?.(pool.kinds(handle));
        return;
      case OP_PROVIDER:
        callbacks.provider?.(pool.provider(handle), pool.event(handle));
        return;
      default:
    }
  };
}

function told(pool: ContextPool, handle: number, gone: boolean): Told {
  const flags = pool.flags(handle);
  return {
    gone,
    dumped: (flags & FLAG_DUMP) !== 0,
    replaces: (flags & FLAG_REPLACE) !== 0,
    provider: pool.provider(handle),
    flags,
  };
}

function routeOf(pool: ContextPool, handle: number): RouteValue {
  const word = (i: number): number => pool.prefixWord(handle, i);
  return {
    table: pool.table(handle),
    family: familyOf(pool.family(handle)),
    prefix: [word(0), word(1), word(2), word(3)],
    length: pool.length(handle),
    protocol: pool.protocol(handle),
    type: pool.routeType(handle),
    metric: pool.metric(handle),
    nexthopId: pool.nexthopId(handle),
    paths: pathsOf(pool, handle),
  };
}

function labelOf(pool: ContextPool, handle: number): LabelValue {
  return { label: pool.label(handle), protocol: pool.protocol(handle), paths: pathsOf(pool, handle) };
}

function nexthopOf(pool: ContextPool, handle: number): NexthopValue {
  const group = (pool.flags(handle) & FLAG_GROUP) !== 0;
  const blackhole = !group && (pool.pathFlags(handle) & PATH_BLACKHOLE) !== 0;
  const members: { id: number; weight: number }[] = [];
  if (group) pool.members(handle, (id, weight) => members.push({ id, weight }));
  return {
    id: pool.nexthopId(handle),
    family: pool.family(handle),
    protocol: pool.protocol(handle),
    path: group || blackhole ? undefined : pathOf(pool, handle),
    blackhole,
    members,
  };
}
