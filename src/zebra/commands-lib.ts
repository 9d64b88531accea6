// What commands of several files say alike.
import { parsePrefix, type Prefix } from '../net/index.ts';
import { type CommandArgs, CommandError } from '../vty/index.ts';
import type { Vrf } from './vrf.ts';
import type { Zebra } from './zebra.ts';

export const SHOW = 'Show running system information';
export const IP = 'IP information';
export const IPV6 = 'IPv6 information';
export const JSON_HELP = 'JavaScript Object Notation';
export const VRF_HELP = ['Specify the VRF', 'The VRF name, or all'] as const;

export function readPrefix(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new CommandError(`% Malformed address: ${text}`);
  return prefix;
}

/** The VRF whose block a line is in. */
export function vrfName(context: readonly CommandArgs[]): string {
  return (context[0]?.['name'] as string | undefined) ?? 'default';
}

/** The VRFs that a command is about: the default one unless one is named. What there is of one its zebra knows (Zebra.of). */
export function vrfsOf(zebra: Zebra, name: string | undefined): readonly Vrf[] {
  if (name === undefined) return [zebra.vrfs.default];
  if (name === 'all') return zebra.everyVrf.list();
  const vrf = zebra.everyVrf.named(name);
  if (vrf === undefined) throw new CommandError(`% VRF ${name} not found`);
  return [vrf];
}
