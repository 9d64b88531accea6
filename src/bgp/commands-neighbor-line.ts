// What all `neighbor …` lines have in common: who the neighbour is (an address, an interface, a peer group), in which address
// family the line stands, and the settings that it is about.
import { type CommandArgs, CommandError } from '../vty/index.ts';
import { type Bgp, instanceOf } from './bgp.ts';
import type { BgpInstance } from './instance.ts';
import type { SettingsLayer } from './settings.ts';
import type { FamilyName, UnicastName } from './wire/family.ts';

export const NEIGHBOR = 'neighbor <A.B.C.D|X:X::X:X|WORD>$neighbor';
export const NEIGHBOR_HELP: readonly string[] = [
  'Specify neighbor router',
  'Neighbor address',
  'Neighbor IPv6 address',
  'Neighbor tag',
];

export type Neighbor<Tail extends string> = `${typeof NEIGHBOR} ${Tail}`;

export function neighborOf(args: unknown): string {
  return (args as { neighbor: string }).neighbor;
}

/** The address family of a line is its block's. What is typed in the router's block itself has been put into IPv4's. */
export function familyAt(context: readonly CommandArgs[]): FamilyName {
  const { afi, vpn, rtc } = context[1]!;
  if (rtc !== undefined) return 'rtc';
  if (vpn === undefined) return afi as UnicastName;
  return afi === 'ipv6' ? 'vpnv6' : 'vpnv4';
}

/** The same of a line that only unicast families have. */
export function unicastAt(context: readonly CommandArgs[]): UnicastName {
  return context[1]!['afi'] as UnicastName;
}

/** The modes of lines that every address family has; what is typed in the router's block itself is about IPv4. */
export const FAMILY_MODES = ['address-family', 'router-bgp', 'address-family-vpn'] as const;
/** Those of lines about routes of our own. */
export const UNICAST_MODES = ['address-family', 'router-bgp'] as const;

/** The settings that a line is about; the neighbour or group must be there. */
export function layerOf(
  bgp: Bgp,
  context: readonly CommandArgs[],
  neighbor: string,
): { instance: BgpInstance; layer: SettingsLayer } {
  const instance = instanceOf(bgp, context);
  if (instance.peers.get(neighbor)?.dynamic === true) {
    throw new CommandError(`% Operation not allowed on a dynamic neighbor: ${neighbor}`);
  }
  if (!instance.knows(neighbor)) {
    throw new CommandError(`% Specify remote-as or peer-group commands first: ${neighbor}`);
  }
  return { instance, layer: instance.own(neighbor) };
}

/** The same for a line that goes, which it may do after its neighbour. */
export function dropSettings(
  bgp: Bgp,
  context: readonly CommandArgs[],
  neighbor: string,
  drop: (layer: SettingsLayer) => void,
): void {
  const instance = instanceOf(bgp, context);
  drop(instance.own(neighbor));
  instance.peersChanged();
}
