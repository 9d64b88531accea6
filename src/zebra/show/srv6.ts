// SRv6: locators and whose they are, local SIDs, what is configured. Keys and tables are FRR's; of SIDs, which 8.4.4 does not show, those
// of later releases.
import { type AddressWords, AF_INET6, equalWords, formatAddress, formatIp4, formatPrefix } from '../../net/index.ts';
import { rtnetlink as c, type Seg6LocalEncap } from '../../netlink/index.ts';
import { actionName } from '../nexthop/encap.ts';
import type { NexthopSet } from '../nexthop/set.ts';
import { ROW_INSTALLED } from '../rib/table.ts';
import { ROUTE_SYSTEM, routeTypeName } from '../route-type.ts';
import type { Locator } from '../srv6/locators.ts';
import type { Zebra } from '../zebra.ts';

// Locators ----------------------------------------------------------------------------------------------------------------

function ownerOf(zebra: Zebra, { name }: Locator): { proto: string; instance: number; sessionId: number } {
  const { type, instance, session } = zebra.owners.get(zebra.locators.ownerOf(name))?.options ?? {
    type: ROUTE_SYSTEM,
    instance: 0,
    session: 0,
  };
  return { proto: routeTypeName(type), instance, sessionId: session };
}

export function showLocators(zebra: Zebra): string {
  const lines = ['Locator:', 'Name                 ID      Prefix                   Status'];
  lines.push('-------------------- ------- ------------------------ -------');
  for (const [i, { name, prefix }] of zebra.locators.list().entries())
    lines.push(`${name.padEnd(20)} ${String(i + 1).padStart(7)} ${formatPrefix(prefix).padEnd(24)} Up`);
  return `${lines.join('\n')}\n\n`;
}

const behaviorOf = ({ usid }: Locator): { behavior?: string } => (usid ? { behavior: 'usid' } : {});

export function locatorsJson(zebra: Zebra): object {
  return {
    locators: zebra.locators.list().map(one => ({
      name: one.name,
      prefix: formatPrefix(one.prefix),
      functionBitsLength: one.functionBits,
      ...behaviorOf(one),
      statusUp: true,
      chunks: [{ prefix: formatPrefix(one.prefix), proto: ownerOf(zebra, one).proto }],
    })),
  };
}

export function showLocatorDetail(zebra: Zebra, one: Locator): string {
  const prefix = formatPrefix(one.prefix);
  return `Name: ${one.name}
Prefix: ${prefix}
Function-Bit-Len: ${one.functionBits}
${one.usid ? 'Behavior: uSID\n' : ''}Chunks:
- prefix: ${prefix}, owner: ${ownerOf(zebra, one).proto}
`;
}

export function locatorDetailJson(zebra: Zebra, one: Locator): object {
  const format = {
    prefix: formatPrefix(one.prefix),
    blockBitsLength: one.blockBits,
    nodeBitsLength: one.nodeBits,
    functionBitsLength: one.functionBits,
    argumentBitsLength: 0,
  };
  return {
    name: one.name,
    ...format,
    algoNum: 0,
    ...behaviorOf(one),
    statusUp: true,
    chunks: [{ ...format, keep: 0, ...ownerOf(zebra, one) }],
  };
}

// What is configured ------------------------------------------------------------------------------------------------------

export function showManager(zebra: Zebra): string {
  const source = zebra.srv6Source;
  const said = source === undefined ? '' : `      Configured: ${formatAddress(AF_INET6, source)}\n`;
  return `Parameters:\n  Encapsulation:\n    Source Address:\n${said}`;
}

export function managerJson(zebra: Zebra): object {
  const source = zebra.srv6Source;
  const sourceAddress = source === undefined ? {} : { configured: formatAddress(AF_INET6, source) };
  return { parameters: { encapsulation: { sourceAddress } } };
}

// SIDs --------------------------------------------------------------------------------------------------------------------

export interface SidFilter {
  /** Name of a locator. */
  readonly locator?: string | undefined;
  readonly sid?: AddressWords | undefined;
}

interface Sid {
  readonly words: AddressWords;
  readonly text: string;
  readonly behavior: string;
  readonly encap: Seg6LocalEncap;
  readonly ifindex: number;
  readonly locator: Locator | undefined;
  readonly type: number;
  readonly instance: number;
  readonly installed: boolean;
}

/** RFC 9800 §5: what a behaviour is called in a network of micro SIDs. */
const USID_NAMES: Readonly<Record<number, string>> = {
  [c.SEG6_LOCAL_ACTION_END]: 'uN',
  [c.SEG6_LOCAL_ACTION_END_X]: 'uA',
  [c.SEG6_LOCAL_ACTION_END_DT4]: 'uDT4',
  [c.SEG6_LOCAL_ACTION_END_DT6]: 'uDT6',
  [c.SEG6_LOCAL_ACTION_END_DT46]: 'uDT46',
};

/** What a set does, where it stands for a local SID: one next hop that says so. */
function localOf({ members }: NexthopSet): Seg6LocalEncap | undefined {
  const encap = members[0]?.encap;
  return encap?.type === c.LWTUNNEL_ENCAP_SEG6_LOCAL ? encap : undefined;
}

/** Routes whose next hop is a behaviour, by address: of each prefix the selected one, or the first. */
function sids(zebra: Zebra, { locator: name, sid }: SidFilter): Sid[] {
  const sets = new Set([...zebra.sets].filter(localOf).map(({ id }) => id));
  const found: Sid[] = [];
  if (sets.size === 0) return found;
  for (const table of zebra.rib.tables) {
    if (table.family !== AF_INET6) continue;
    const { prefixes, selected, first, next } = table;
    for (let id = 0; id < prefixes.limit; id++) {
      if (!prefixes.has(id)) continue;
      let row = selected[id]! >= 0 ? selected[id]! : first[id]!;
      while (row >= 0 && !sets.has(table.set[row]!)) row = next[row]!;
      if (row < 0) continue;
      const words = prefixes.words(id);
      const locator = zebra.locators.of(words);
      if ((name !== undefined && locator?.name !== name) || (sid !== undefined && !equalWords(words, sid))) continue;
      const set = zebra.sets.get(table.set[row]!);
      const encap = localOf(set)!;
      found.push({
        words,
        text: formatAddress(AF_INET6, words),
        behavior: (locator?.usid ? USID_NAMES[encap.action] : undefined) ?? actionName(encap.action),
        encap,
        ifindex: set.members[0]!.ifindex,
        locator,
        type: table.type[row]!,
        instance: table.instance[row]!,
        installed: row === selected[id] && (table.flags[row]! & ROW_INSTALLED) !== 0,
      });
    }
  }
  return found.sort((a, b) => {
    const at = a.words.findIndex((word, i) => word !== b.words[i]);
    return at < 0 ? 0 : a.words[at]! - b.words[at]!;
  });
}

/** Where a behaviour looks up, or where it sends to. */
interface SidContext {
  readonly vrfId?: number;
  readonly vrfName?: string;
  readonly table?: number;
  readonly interfaceIndex?: number;
  readonly interfaceName?: string;
  readonly nexthopIpv4Address?: string;
  readonly nexthopIpv6Address?: string;
}

function contextOf(zebra: Zebra, { encap, ifindex }: Sid): SidContext {
  const { gateway4, gateway6 } = encap;
  const table = encap.vrfTable ?? encap.table;
  if (table !== undefined) {
    const vrf = zebra.vrfs.list().find(one => one.table === table);
    return { ...(vrf && { vrfId: vrf.id, vrfName: vrf.name }), table };
  }
  if (gateway4 === undefined && gateway6 === undefined) return {};
  return {
    interfaceIndex: ifindex,
    interfaceName: zebra.interfaces.nameOf(ifindex),
    ...(gateway4 !== undefined && { nexthopIpv4Address: formatIp4(gateway4) }),
    ...(gateway6 !== undefined && { nexthopIpv6Address: formatAddress(AF_INET6, gateway6) }),
  };
}

function contextText(zebra: Zebra, one: Sid): string {
  const { vrfName, table, interfaceName } = contextOf(zebra, one);
  if (vrfName !== undefined) return `VRF '${vrfName}'`;
  if (table !== undefined) return `Table ${table}`;
  return interfaceName === undefined ? '-' : `Interface '${interfaceName}'`;
}

export function showSids(zebra: Zebra, filter: SidFilter): string {
  const rows = [['SID', 'Behavior', 'Context', 'Daemon/Instance', 'Locator', 'Allocation Type']];
  for (const one of sids(zebra, filter)) {
    const daemon = `${routeTypeName(one.type)}(${one.instance})`;
    rows.push([one.text, one.behavior, contextText(zebra, one), daemon, one.locator?.name ?? '-', 'dynamic']);
  }
  const widths = rows[0]!.map((_, column) => 2 + Math.max(...rows.map(row => row[column]!.length)));
  rows.splice(
    1,
    0,
    widths.map(width => '-'.repeat(width)),
  );
  return rows
    .map(row => ` ${row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ')}`.trimEnd())
    .join('\n')
    .concat('\n');
}

export function sidsJson(zebra: Zebra, filter: SidFilter): object {
  const shown: Record<string, object> = {};
  for (const one of sids(zebra, filter)) {
    shown[one.text] = {
      sid: one.text,
      behavior: one.behavior,
      context: contextOf(zebra, one),
      ...(one.locator && { locator: one.locator.name }),
      allocationMode: 'dynamic',
      installed: one.installed,
      clients: [{ proto: routeTypeName(one.type), instance: one.instance }],
    };
  }
  return shown;
}
