// What commands of several files say alike.
import { parsePrefix, type Prefix } from '../net/index.ts';
import { type CommandArgs, CommandError } from '../vty/index.ts';
import type { InterfaceConfig } from './interface/config.ts';
import { FIRST_LABEL, LAST_LABEL } from './mpls/lsp.ts';
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

const MOST_LABELS = 16;

/** MPLS labels as a line has them, the outermost first: `100/200`. */
export function readLabels(text: string): number[] {
  const words = text.split('/');
  if (words.length > MOST_LABELS) throw new CommandError(`% More than ${MOST_LABELS} labels: ${text}`);
  return words.map(word => {
    const label = /^\d{1,7}$/.test(word) ? Number(word) : -1;
    if (label >= FIRST_LABEL && label <= LAST_LABEL) return label;
    throw new CommandError(`% Invalid label: ${word} (labels are ${FIRST_LABEL} to ${LAST_LABEL})`);
  });
}

/** The interface whose block a line is in. */
export function interfaceName(context: readonly CommandArgs[]): string {
  const name = context[0]?.['name'];
  if (typeof name !== 'string') throw new CommandError('% Not inside an interface block');
  return name;
}

/** The lines of the VRF whose interface a block is about. VRFs that are devices have one row of names. */
export function interfaceLines(zebra: Zebra, vrf: unknown): InterfaceConfig {
  return zebra.zebras?.interfaceLines(typeof vrf === 'string' ? vrf : 'default') ?? zebra.interfaceConfig;
}

/** The same, of the block that a line is in. */
export function linesOf(zebra: Zebra, context: readonly CommandArgs[]): InterfaceConfig {
  return interfaceLines(zebra, context[0]?.['vrf']);
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
