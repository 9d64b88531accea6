// A context in one line, for people who debug.
import { formatAddress, AF_INET, AF_INET6, type Family } from '../net/index.ts';
import {
  FIELD_ADDRESS,
  FIELD_FDB,
  FIELD_KINDS,
  FIELD_LABEL,
  FIELD_LINK,
  FIELD_LINK_CHANGE,
  FIELD_MULTICAST,
  FIELD_NEIGHBOR,
  FIELD_NETCONF,
  FIELD_NEXTHOP,
  FIELD_ROUTE,
  FIELD_RULE,
  FLAG_GROUP,
  FLAG_TARGET,
  FLAG_UNDO_FAILED,
  STATUS_FAILED,
} from './constants.ts';
import type { ContextPool } from './context.ts';
import { operationFields, operationName } from './operation.ts';

function address(pool: ContextPool, handle: number, family: number): string {
  const word = (i: number): number => pool.prefixWord(handle, i);
  if (family !== AF_INET && family !== AF_INET6) return `family ${family} ${word(0)}`;
  return formatAddress(family as Family, [word(0), word(1), word(2), word(3)]);
}

function formatMac(mac: Uint8Array): string {
  return Array.from(mac, byte => byte.toString(16).padStart(2, '0')).join(':');
}

function subject(pool: ContextPool, handle: number): string {
  const fields = operationFields[pool.op(handle)]!;
  if ((fields & FIELD_ROUTE) !== 0) {
    const prefix = `${address(pool, handle, pool.family(handle))}/${pool.length(handle)}`;
    const id = pool.nexthopId(handle);
    return ` ${prefix} table ${pool.table(handle)} proto ${pool.protocol(handle)}${id === 0 ? '' : ` nhid ${id}`}`;
  }
  if ((fields & FIELD_NEXTHOP) !== 0)
    return ` id ${pool.nexthopId(handle)}${(pool.flags(handle) & FLAG_GROUP) === 0 ? '' : ` group of ${pool.count(handle)}`}`;
  if ((fields & FIELD_LINK) !== 0) return ` ${pool.link(handle).name} index ${pool.ifindex(handle)}`;
  if ((fields & FIELD_LINK_CHANGE) !== 0) return ` index ${pool.ifindex(handle)}`;
  if ((fields & (FIELD_ADDRESS | FIELD_NEIGHBOR)) !== 0)
    return ` ${address(pool, handle, pool.family(handle))} index ${pool.ifindex(handle)}`;
  if ((fields & FIELD_LABEL) !== 0) return ` label ${pool.label(handle)} proto ${pool.protocol(handle)}`;
  if ((fields & FIELD_FDB) !== 0) {
    const { mac, vlan, ifindex, nexthopId, tunnelFamily } = pool.fdb(handle);
    const to = tunnelFamily === 0 ? '' : ` dst ${address(pool, handle, tunnelFamily)}`;
    const tag = vlan === 0 ? '' : ` vlan ${vlan}`;
    return ` ${formatMac(mac)}${tag}${to}${nexthopId === 0 ? '' : ` nhid ${nexthopId}`} index ${ifindex}`;
  }
  if ((fields & FIELD_NETCONF) !== 0) return ` family ${pool.family(handle)} index ${pool.ifindex(handle)}`;
  if ((fields & FIELD_MULTICAST) !== 0) {
    const { family, source, group } = pool.multicastQuery(handle);
    return ` (${formatAddress(family, source)}, ${formatAddress(family, group)})`;
  }
  if ((fields & FIELD_RULE) !== 0) return ` priority ${pool.rule(handle).priority} table ${pool.table(handle)}`;
  if ((fields & FIELD_KINDS) !== 0) return ` kinds ${pool.kinds(handle)}`;
  return '';
}

/** `ROUTE_INSTALL 10.0.0.0/8 table 254 proto 186 nhid 7: errno 22 from provider 1`. */
export function describeContext(pool: ContextPool, handle: number): string {
  let text = `${operationName(pool.op(handle))}${subject(pool, handle)}`;
  if (pool.namespace(handle) !== 0) text += ` in namespace ${pool.namespace(handle)}`;
  if ((pool.flags(handle) & FLAG_TARGET) !== 0) text += ` for provider ${pool.provider(handle)}`;
  if (pool.status(handle) === STATUS_FAILED)
    text += `: errno ${pool.errno(handle)} from provider ${pool.provider(handle)}`;
  if ((pool.flags(handle) & FLAG_UNDO_FAILED) !== 0) text += ', not undone';
  return text;
}
