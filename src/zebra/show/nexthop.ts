// One next hop of a route, as it is printed: members, and below a recursive one the paths that it resolves to.
import { AF_INET, type Family, formatAddress } from '../../net/index.ts';
import { type Encap, encapJson, encapText, withEncap } from '../nexthop/encap.ts';
import {
  BLACKHOLE_NULL,
  BLACKHOLE_PROHIBIT,
  BLACKHOLE_REJECT,
  type Member,
  type MemberResolution,
  type Nexthop,
  type ResolvedPath,
} from '../nexthop/set.ts';
import type { RibTable } from '../rib/table.ts';
import { ROUTE_CONNECT, ROUTE_KERNEL } from '../route-type.ts';
import type { Zebra } from '../zebra.ts';

export interface Shown {
  readonly level: 0 | 1;
  readonly recursive: boolean;
  readonly active: boolean;
  readonly gatewayFamily: Family | 0;
  readonly gateway: Nexthop['gateway'];
  readonly ifindex: number;
  readonly blackhole: number;
  readonly onlink: boolean;
  /** undefined where none is printed: connected routes, and kernel routes of one path. */
  readonly weight: number | undefined;
  readonly encap?: Encap;
  /** Name of the VRF that it lies in, where that is not the route's. */
  readonly vrf: string | undefined;
}

export function shownNexthops(zebra: Zebra, table: RibTable, row: number): Shown[] {
  const set = zebra.sets.get(table.set[row]!);
  const type = table.type[row]!;
  const weighted = type !== ROUTE_CONNECT && (type !== ROUTE_KERNEL || set.members.length > 1);
  const out: Shown[] = [];
  const shown = (
    path: Member | ResolvedPath,
    level: 0 | 1,
    recursive: boolean,
    active: boolean,
    ifindex = path.ifindex,
  ): Shown => ({
    level,
    recursive,
    active,
    gatewayFamily: path.gatewayFamily,
    gateway: path.gateway,
    ifindex,
    blackhole: path.blackhole,
    // Kernel routes are marked so inside, because nothing about them is to be proved; they are not printed so.
    onlink: path.onlink && type !== ROUTE_KERNEL,
    weight: weighted ? path.weight || 1 : undefined,
    ...withEncap(path.encap),
    vrf: path.vrf === table.vrf ? undefined : zebra.vrfs.nameOf(path.vrf),
  });
  set.members.forEach((member, i) => {
    const resolution: MemberResolution | undefined = set.resolution[i];
    if (resolution === undefined || !resolution.active) out.push(shown(member, 0, false, false));
    else if (!resolution.recursive)
      out.push(shown(member, 0, false, true, resolution.paths[0]?.ifindex ?? member.ifindex));
    else {
      out.push(shown(member, 0, true, true));
      for (const path of resolution.paths) out.push(shown(path, 1, false, true));
    }
  });
  return out;
}

export function blackholeText(blackhole: number): string {
  if (blackhole === BLACKHOLE_REJECT) return ' unreachable (ICMP unreachable)';
  if (blackhole === BLACKHOLE_PROHIBIT) return ' unreachable (ICMP admin-prohibited)';
  if (blackhole === BLACKHOLE_NULL) return ' unreachable (blackhole)';
  return ' unreachable';
}

export function nexthopText(zebra: Zebra, one: Shown, uptime: string): string {
  let text: string;
  if (one.blackhole !== 0) text = blackholeText(one.blackhole);
  else if (one.gatewayFamily !== 0) {
    text = ` via ${formatAddress(one.gatewayFamily, one.gateway)}`;
    if (one.ifindex !== 0 && !one.recursive) text += `, ${zebra.interfaces.nameOf(one.ifindex)}`;
  } else text = ` is directly connected, ${zebra.interfaces.nameOf(one.ifindex)}`;
  return `${text}${one.vrf === undefined ? '' : ` ${vrfText(one)}`}${remarks(one)}, ${uptime}\n`;
}

/** `(vrf red)`, or nothing. */
export function vrfText({ vrf }: Shown): string {
  return vrf === undefined ? '' : `(vrf ${vrf})`;
}

/** What follows a next hop in every form of text. */
export function remarks(one: Shown): string {
  let text = one.active ? '' : ' inactive';
  if (one.onlink) text += ' onlink';
  if (one.recursive) text += ' (recursive)';
  text += encapText(one.encap);
  if (one.weight !== undefined) text += `, weight ${one.weight}`;
  return text;
}

export function nexthopJson(zebra: Zebra, one: Shown, fib: boolean): Record<string, unknown> {
  const inFibNow = fib && one.active && !one.recursive;
  const json: Record<string, unknown> = {
    flags: (one.active ? 1 : 0) | (inFibNow ? 2 : 0) | (one.recursive ? 4 : 0) | (one.onlink ? 8 : 0),
  };
  if (inFibNow) json['fib'] = true;
  if (one.blackhole !== 0) {
    json['unreachable'] = true;
    if (one.blackhole === BLACKHOLE_NULL) json['blackhole'] = true;
    else if (one.blackhole === BLACKHOLE_REJECT) json['reject'] = true;
    else json['adminProhibited'] = true;
  } else if (one.gatewayFamily !== 0) {
    json['ip'] = formatAddress(one.gatewayFamily, one.gateway);
    json['afi'] = one.gatewayFamily === AF_INET ? 'ipv4' : 'ipv6';
  } else json['directlyConnected'] = true;
  if (one.ifindex !== 0 && !one.recursive) {
    json['interfaceIndex'] = one.ifindex;
    json['interfaceName'] = zebra.interfaces.nameOf(one.ifindex);
  }
  if (one.level > 0) json['resolver'] = true;
  if (one.vrf !== undefined) json['vrf'] = one.vrf;
  if (one.active) json['active'] = true;
  if (one.onlink) json['onLink'] = true;
  if (one.recursive) json['recursive'] = true;
  if (one.weight !== undefined) json['weight'] = one.weight;
  return Object.assign(json, encapJson(one.encap));
}
