// What VPNs have to do with a path, as the shows tell it: whose next hop it is, where it came from, and what packets for it carry.
import { formatIp6 } from '../../net/index.ts';
import type { FamilyInstance } from '../family.ts';
import { formatExtendedCommunity } from '../policy/index.ts';
import type { BgpTable } from '../rib/index.ts';
import type { PathView } from '../show-format.ts';
import { ATTR_EXTENDED_COMMUNITIES, ATTR_PREFIX_SID } from '../wire/attribute.ts';
import {
  L3ServiceReader,
  SERVICE_NONE,
  SERVICE_USABLE,
  type SidStructure,
  VPN_LABEL_BITS,
} from '../wire/prefix-sid.ts';
import { formatRouteDistinguisher } from '../wire/route-distinguisher.ts';
import type { Vrf } from '../vrf.ts';
import { VrfExport } from './export.ts';
import { ForeignSource } from './foreign.ts';
import { distinguisherOf } from './vpn.ts';

/** `65001:10`, of a prefix of a VPN table. */
export function rdText({ prefixes }: BgpTable, prefix: number): string {
  return formatRouteDistinguisher(prefixes.rd0[prefix]!, prefixes.rd1[prefix]!);
}

/** What has the paths of `path`'s source in this table, where that is another table. */
export function ownerOf(table: BgpTable, path: number): VrfExport | ForeignSource | undefined {
  const owner = table.peers[table.pathPeer[path]!]?.owner;
  return owner instanceof VrfExport || owner instanceof ForeignSource ? owner : undefined;
}

/** The path of an instance that one in a VPN table stands for; undefined where there is none (any more). */
export function exportedPath(
  table: BgpTable,
  path: number,
): { readonly family: FamilyInstance; readonly path: number } | undefined {
  const owner = ownerOf(table, path);
  if (!(owner instanceof VrfExport)) return undefined;
  const { family } = owner;
  const prefix = table.pathPrefix[path]!;
  const { words, length } = table.prefixes.prefix(prefix);
  const row = family.table.prefixes.find(...words, length);
  const best = row < 0 ? 0 : family.table.best[row]!;
  return best === 0 ? undefined : { family, path: best };
}

/** The VRF in which the next hop of a path is, where it is not the table's own. */
export function nextHopVrf({ table, instance }: FamilyInstance, path: number): Vrf | undefined {
  const owner = ownerOf(table, path);
  if (owner instanceof VrfExport) return owner.family.instance.vrf;
  if (owner === undefined) return undefined;
  const { via } = instance.access.internal(table.pathAttributes[path]!);
  return via === undefined ? undefined : instance.bgp.numbered(via)?.vrf;
}

/** `65001:10:10.0.0.0/24`, the route of another table that a path was; undefined where it was none. */
export function importedFrom({ table }: FamilyInstance, path: number): string | undefined {
  const owner = ownerOf(table, path);
  if (!(owner instanceof ForeignSource)) return undefined;
  const { from } = owner.routes;
  const network = table.prefixes.format(table.pathPrefix[path]!);
  // The VPN's row is the path's identifier.
  if (from.table.prefixes.distinguished)
    return `${rdText(from.table, from.table.pathPrefix[table.idOf(path)]!)}:${network}`;
  const rd = distinguisherOf(from);
  return rd && `${formatRouteDistinguisher(...rd)}:${network}`;
}

/** What packets for a path carry. */
export interface Service {
  /** As it stands with the prefix. */
  readonly label: number;
  /** As it stands in the attribute, without the bits that stand in the label. */
  readonly sid?: string;
  /** Undefined where nothing is said of it. */
  readonly structure?: SidStructure;
  /** The SID that packets are sent to; undefined where the other one does not hold. */
  readonly whole?: string;
}

const reader = new L3ServiceReader();

/** What a route of a VPN says of that; `path` is one of its table, or one that an instance took from there. */
export function serviceOf(family: FamilyInstance, path: number): Service | undefined {
  const { table, instance } = family;
  if (!table.prefixes.distinguished) {
    const owner = ownerOf(table, path);
    if (!(owner instanceof ForeignSource)) return undefined;
    const { from } = owner.routes;
    const row = table.idOf(path);
    // What was ours before leads on without any of it.
    if (!from.table.prefixes.distinguished || ownerOf(from.table, row) !== undefined) return undefined;
    return serviceOf(from, row);
  }
  const set = table.pathAttributes[path]!;
  const { label } = set === 0 ? {} : instance.access.internal(set);
  if (label === undefined) return undefined;
  const { store } = instance;
  if (!store.find(set, ATTR_PREFIX_SID)) return { label };
  const state = reader.read(store.arena, store.foundStart, store.foundEnd, VPN_LABEL_BITS);
  if (state === SERVICE_NONE) return { label };
  const text = (): string => formatIp6(reader.w0, reader.w1, reader.w2, reader.w3);
  const sid = text();
  const { blockBits, nodeBits, functionBits, argumentBits, transpositionLength, transpositionOffset } = reader;
  const bits = { blockBits, nodeBits, functionBits, argumentBits };
  const structure = reader.structured ? { ...bits, transpositionLength, transpositionOffset } : undefined;
  if (state === SERVICE_USABLE) reader.merge(label, VPN_LABEL_BITS);
  return {
    label,
    sid,
    ...(structure === undefined ? {} : { structure }),
    ...(state === SERVICE_USABLE ? { whole: text() } : {}),
  };
}

/** How FRR numbers routes: those of peers, and those that another instance had first. */
const SUBTYPE_NORMAL = 0;
const SUBTYPE_IMPORTED = 5;

/** The line below a path's row in a VPN table. */
export function vpnLine(family: FamilyInstance, path: number, { nextHop, foreign }: PathView): string {
  const words = [`UN=${nextHop}`];
  const communities = communitiesOf(family, path).map(one => formatExtendedCommunity(one).replace(/^(?:RT|SoO):/, ''));
  if (communities.length > 0) words.push(`EC{${communities.join(' ')}}`);
  const { label, sid, structure } = serviceOf(family, path) ?? {};
  if (label !== undefined) words.push(`label=${label}`);
  if (sid !== undefined) words.push(`sid=${sid}`);
  if (structure !== undefined) words.push(`sid_structure=[${structureText(structure)}]`);
  words.push('type=bgp,', `subtype=${foreign ? SUBTYPE_IMPORTED : SUBTYPE_NORMAL}`);
  return `    ${words.join(' ')}\n`;
}

/** Bits of block, node, function and argument. */
export function structureText({ blockBits, nodeBits, functionBits, argumentBits }: SidStructure): string {
  return [blockBits, nodeBits, functionBits, argumentBits].join();
}

/** Extended communities of a path, of 16 hexadecimal digits each, in ascending order. */
function communitiesOf({ table, instance }: FamilyInstance, path: number): string[] {
  const { store } = instance;
  if (!store.find(table.pathAttributes[path]!, ATTR_EXTENDED_COMMUNITIES)) return [];
  return (
    Buffer.from(store.arena.subarray(store.foundStart, store.foundEnd)).toString('hex').match(/.{16}/g)?.sort() ?? []
  );
}
