// Which instances and which address family a command is about: the default instance, the one of a VRF or a view, or all of them one
// after the other.
import { CommandError, formatJson, type Output } from '../vty/index.ts';
import type { BgpInstance } from './instance.ts';
import type { FamilyName, UnicastName } from './wire/family.ts';
import { VPN_OF } from './vpn/vpn.ts';
import { VRF_DEFAULT } from './vrf.ts';

/** The arguments of `[<view|vrf>$kind WORD$where]`. */
export interface Where {
  readonly kind?: 'view' | 'vrf' | undefined;
  readonly where?: string | undefined;
}

// Help for words that many commands have.
export const SHOW = 'Show running system information';
export const BGP = 'BGP information';
export const JSON_HELP = 'JavaScript Object Notation';
export const AFI_HELP = [
  'Address Family',
  'Address Family',
  'Address Family modifier',
  'Address Family modifier',
] as const;
export const PREFIX_HELP = [
  'Network in the BGP routing table to display',
  'IPv4 prefix',
  'Network in the BGP routing table to display',
  'IPv6 prefix',
] as const;
export const WHERE_HELP = ['BGP view', 'BGP VRF', 'View/VRF name, or all'] as const;

/** The address family of `<ipv4|ipv6>$afi [<unicast|vpn>$safi]`; IPv4's where nothing was said. */
export function familyNamed({
  afi = 'ipv4',
  safi,
}: {
  readonly afi?: UnicastName | undefined;
  readonly safi?: 'unicast' | 'vpn' | undefined;
}): FamilyName {
  return safi === 'vpn' ? VPN_OF[afi] : afi;
}

/** What one instance is shown as. */
type Shown = string | object | Iterable<string>;

/** The instance meant; `all` is none. */
export function instanceAt(instances: ReadonlyMap<string, BgpInstance>, { where }: Where): BgpInstance | undefined {
  return instances.get(where ?? VRF_DEFAULT);
}

/** `VRF red`, `VIEW v1`: as titles have it. */
export function titleOf({ kind, name }: BgpInstance): string {
  return `${kind === 'view' ? 'VIEW' : 'VRF'} ${name}`;
}

/**
 * Shows the instances meant. Of all, each is told under its name (`headed`: in text too); the pieces of a large one stream. `missing`:
 * what is said where there is none of that name.
 */
export function showInstances(
  instances: ReadonlyMap<string, BgpInstance>,
  where: Where,
  json: boolean,
  show: (instance: BgpInstance) => Shown,
  missing: (name: string) => Shown,
  headed = true,
): Output {
  if (where.where === 'all') return (json ? allJson : allText)(instances.values(), show, headed);
  const instance = instanceAt(instances, where);
  return instance === undefined ? missing(where.where ?? VRF_DEFAULT) : show(instance);
}

/** One instance, for a command that is about one; throws where there is none. */
export function theInstance(instances: ReadonlyMap<string, BgpInstance>, where: Where): BgpInstance {
  const instance = instanceAt(instances, where);
  if (instance === undefined) throw new CommandError(`% BGP instance ${where.where ?? VRF_DEFAULT} not found`);
  return instance;
}

function* pieces(shown: Shown): Generator<string> {
  if (typeof shown === 'string') yield shown;
  else if (Symbol.iterator in shown) yield* shown;
  else yield formatJson(shown);
}

function* allText(
  instances: Iterable<BgpInstance>,
  show: (instance: BgpInstance) => Shown,
  headed: boolean,
): Generator<string> {
  for (const instance of instances) {
    if (headed) yield `\nInstance ${instance.name}:\n`;
    yield* pieces(show(instance));
  }
}

function* allJson(instances: Iterable<BgpInstance>, show: (instance: BgpInstance) => Shown): Generator<string> {
  let before = '{\n';
  for (const instance of instances) {
    yield `${before}${JSON.stringify(instance.name)}:`;
    yield* pieces(show(instance));
    before = ',\n';
  }
  yield before === '{\n' ? '{}\n' : '}\n';
}
