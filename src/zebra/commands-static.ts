// Lines of static routes, as FRR writes them.
import { AF_INET, formatPrefix, maskWord, parseAddress, type Prefix } from '../net/index.ts';
import { type Command, type CommandArgs, CommandError, config } from '../vty/index.ts';
import { readLabels, readPrefix, vrfName } from './commands-lib.ts';
import { BLACKHOLE_NULL, BLACKHOLE_REJECT, ECMP_LIMIT } from './nexthop/set.ts';
import type { StaticNexthop } from './static.ts';
import type { Zebra } from './zebra.ts';

const DEFAULT_DISTANCE = 1;

function staticNexthop(args: {
  gateway?: string | undefined;
  interface?: string | undefined;
  drop?: string | undefined;
  onlink?: unknown;
  nexthopVrf?: string | undefined;
  label?: string | undefined;
}): StaticNexthop {
  const drop = args.drop?.toLowerCase();
  return {
    gateway: args.gateway === undefined ? undefined : parseAddress(args.gateway),
    interface: args.interface,
    blackhole: drop === undefined ? 0 : drop === 'reject' ? BLACKHOLE_REJECT : BLACKHOLE_NULL,
    onlink: args.onlink !== undefined,
    vrf: args.nexthopVrf,
    labels: args.label === undefined ? [] : readLabels(args.label),
  };
}

interface StaticArgs {
  readonly prefix?: string | undefined;
  /** The other form of an IPv4 prefix. */
  readonly network?: string | undefined;
  readonly mask?: string | undefined;
  readonly gateway?: string;
  readonly interface?: string;
  readonly drop?: string;
  readonly distance?: number;
  readonly tag?: number;
  readonly onlink?: unknown;
  readonly vrf?: string;
  readonly nexthopVrf?: string;
  readonly label?: string;
}

function destination({ prefix, network, mask }: StaticArgs): Prefix {
  if (prefix !== undefined) return readPrefix(prefix);
  const length = maskLength(mask!);
  if (length === undefined) throw new CommandError(`% Malformed mask: ${mask}`);
  return readPrefix(`${network}/${length}`);
}

/** The length of the prefix that a mask stands for; undefined where its ones are not together. */
function maskLength(mask: string): number | undefined {
  const word = parseAddress(mask)!.words[0];
  const length = Math.clz32(~word);
  return maskWord(length) >>> 0 === word >>> 0 ? length : undefined;
}

function staticKey(args: StaticArgs): string {
  // Neither host bits nor another form make another route. A `no …` that is cut short may say nothing of it.
  const complete = args.prefix !== undefined || (args.mask !== undefined && maskLength(args.mask) !== undefined);
  const name = complete ? formatPrefix(destination(args)) : '';
  const way = `${args.gateway ?? ''} ${args.interface ?? ''} ${args.drop?.toLowerCase() ?? ''} ${args.nexthopVrf ?? ''}`;
  return `${name} ${way}${args.vrf === undefined ? '' : ` ${args.vrf}`}`;
}

/** The line as FRR writes it. */
function staticLine(args: StaticArgs): string {
  const prefix = destination(args);
  const words = [prefix.family === AF_INET ? 'ip' : 'ipv6', 'route', formatPrefix(prefix)];
  for (const one of [args.gateway, args.interface, args.drop]) if (one !== undefined) words.push(one);
  if (args.tag !== undefined) words.push('tag', String(args.tag));
  if (args.distance !== undefined && args.distance !== DEFAULT_DISTANCE) words.push(String(args.distance));
  if (args.label !== undefined) words.push('label', readLabels(args.label).join('/'));
  if (args.nexthopVrf !== undefined) words.push('nexthop-vrf', args.nexthopVrf);
  if (args.onlink !== undefined) words.push('onlink');
  if (args.vrf !== undefined) words.push('vrf', args.vrf);
  return words.join(' ');
}

/** The VRF of a static route: a line in a block belongs to that block. */
function staticVrf({ vrf }: StaticArgs, context: readonly CommandArgs[]): string {
  const own = vrfName(context);
  if (vrf !== undefined && context.length > 0 && vrf !== own) {
    throw new CommandError(`% A route of VRF ${vrf} in the block of VRF ${own}`);
  }
  return vrf ?? own;
}

function checkStatic(args: StaticArgs, context: readonly CommandArgs[]): void {
  destination(args);
  staticVrf(args, context);
}

function applyStatic(zebra: Zebra, args: StaticArgs, context: readonly CommandArgs[]): void {
  const prefix = destination(args);
  const statics = zebra.staticsOf(staticVrf(args, context));
  if (statics.add(prefix, staticNexthop(args), args.distance ?? DEFAULT_DISTANCE, args.tag ?? 0)) return;
  throw new CommandError(
    `% ${formatPrefix(prefix)} has ${ECMP_LIMIT} next hops, which is the most that a route may have`,
  );
}

function removeStatic(zebra: Zebra, args: StaticArgs, context: readonly CommandArgs[]): void {
  zebra
    .staticsOf(staticVrf(args, context))
    .remove(destination(args), staticNexthop(args), args.distance ?? DEFAULT_DISTANCE);
}

const TO_4 = 'ip route <A.B.C.D/M$prefix|A.B.C.D$network A.B.C.D$mask>';
const TO_4_HELP = [
  'IP configuration',
  'Establish static routes',
  'IP destination prefix',
  'IP destination network',
  'Mask of the network',
] as const;
const TO_6 = 'ipv6 route X:X::X:X/M$prefix';
const TO_6_HELP = ['IPv6 configuration', 'Establish static routes', 'IPv6 destination prefix'] as const;
const DROP = '<blackhole|reject|Null0>$drop';
const DROP_HELP = ['Silently discard packets', 'Emit an ICMP unreachable', 'Null interface'] as const;
const OPTIONS = '[{tag (1-4294967295)$tag|(1-255)$distance|vrf WORD$vrf}]';
const WAY_OPTIONS =
  '[{tag (1-4294967295)$tag|(1-255)$distance|vrf WORD$vrf|label WORD$label|nexthop-vrf WORD$nexthopVrf}]';
const ONLINK_OPTIONS =
  '[{tag (1-4294967295)$tag|(1-255)$distance|onlink|vrf WORD$vrf|label WORD$label|nexthop-vrf WORD$nexthopVrf}]';
const TAG_HELP = ['Set tag for this route', 'Tag value', 'Distance value for this route'] as const;
const VRF_HELP = ['Specify the VRF', 'The VRF name'] as const;
const NEXTHOP_VRF_HELP = ['Specify the VRF of the nexthop', 'The VRF name'] as const;
const LABEL_HELP = ['Specify label(s) for this route', 'One or more labels, separated by /'] as const;
const OPTIONS_HELP = [...TAG_HELP, ...VRF_HELP] as const;
const WAY_HELP = [...OPTIONS_HELP, ...LABEL_HELP, ...NEXTHOP_VRF_HELP] as const;
const ONLINK_HELP = [
  ...TAG_HELP,
  'Treat the nexthop as directly attached to the interface',
  ...VRF_HELP,
  ...LABEL_HELP,
  ...NEXTHOP_VRF_HELP,
] as const;

const LINES = [
  { syntax: `${TO_4} ${DROP} ${OPTIONS}`, help: [...TO_4_HELP, ...DROP_HELP, ...OPTIONS_HELP] },
  { syntax: `${TO_4} A.B.C.D$gateway ${WAY_OPTIONS}`, help: [...TO_4_HELP, 'IP gateway address', ...WAY_HELP] },
  {
    syntax: `${TO_4} A.B.C.D$gateway INTERFACE$interface ${ONLINK_OPTIONS}`,
    help: [...TO_4_HELP, 'IP gateway address', 'Interface of the gateway', ...ONLINK_HELP],
  },
  { syntax: `${TO_4} INTERFACE$interface ${WAY_OPTIONS}`, help: [...TO_4_HELP, 'Gateway interface', ...WAY_HELP] },
  { syntax: `${TO_6} ${DROP} ${OPTIONS}`, help: [...TO_6_HELP, ...DROP_HELP, ...OPTIONS_HELP] },
  { syntax: `${TO_6} X:X::X:X$gateway ${WAY_OPTIONS}`, help: [...TO_6_HELP, 'IPv6 gateway address', ...WAY_HELP] },
  {
    syntax: `${TO_6} X:X::X:X$gateway INTERFACE$interface ${ONLINK_OPTIONS}`,
    help: [...TO_6_HELP, 'IPv6 gateway address', 'Interface of the gateway', ...ONLINK_HELP],
  },
  { syntax: `${TO_6} INTERFACE$interface ${WAY_OPTIONS}`, help: [...TO_6_HELP, 'Gateway interface', ...WAY_HELP] },
] as const;

export const staticCommands: readonly Command<Zebra>[] = LINES.map(({ syntax, help }) =>
  config({
    mode: ['configure', 'vrf'],
    syntax,
    help,
    key: args => staticKey(args),
    writes: args => [staticLine(args)],
    check: (args, context) => checkStatic(args, context),
    apply: (zebra: Zebra, args, context) => applyStatic(zebra, args, context),
    remove: (zebra: Zebra, args, context) => removeStatic(zebra, args, context),
  }),
);
