// Zebra's commands: what main's grammar reads, and what zebra's thread runs.
import {
  AF_INET,
  AF_INET6,
  type Family,
  formatAddress,
  formatPrefix,
  maskWord,
  parseAddress,
  parseInterfaceAddress,
  parsePrefix,
  type Prefix,
} from '../net/index.ts';
import { type CommandArgs, CommandError, type CommandSet, commandSet, config, exec, formatJson } from '../vty/index.ts';
import { isForwarding, setForwarding } from './forwarding.ts';
import type { Interface } from './interface/interfaces.ts';
import { BLACKHOLE_NULL, BLACKHOLE_REJECT, ECMP_LIMIT } from './nexthop/set.ts';
import { routeTypeByName } from './route-type.ts';
import { clientCommands } from './server/index.ts';
import { settings } from './settings.ts';
import { feedJson, showFeed } from './show/feed.ts';
import {
  interfaceJson,
  interfacesBriefJson,
  showInterface,
  showInterfaceDescriptions,
  showInterfacesBrief,
  sortedInterfaces,
} from './show/interface.ts';
import { nexthopGroupsJson, showNexthopGroups } from './show/nexthop-group.ts';
import { showNht } from './show/nht.ts';
import { type RouteFilter, showRoute, routeCodes, showRouteJson, showRoutes, showRoutesJson } from './show/route.ts';
import { showSummary, showSummaryJson } from './show/summary.ts';
import { drift, showDrift, showZebra } from './show/zebra.ts';
import type { StaticNexthop } from './static.ts';
import { type Vrf, VRF_DEFAULT } from './vrf.ts';
import type { Zebra } from './zebra.ts';

const SHOW = 'Show running system information';
const IP = 'IP information';
const IPV6 = 'IPv6 information';
const JSON_HELP = 'JavaScript Object Notation';
const VRF_HELP = ['Specify the VRF', 'The VRF name, or all'] as const;
const LINE_VRF_HELP = ['Specify the VRF', 'The VRF name'] as const;
const DEFAULT_DISTANCE = 1;

function readPrefix(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new CommandError(`% Malformed address: ${text}`);
  return prefix;
}

function typeNumber(name: string): number {
  const type = routeTypeByName(name);
  if (type === undefined) throw new CommandError(`% Unknown route type: ${name}`);
  return type.number;
}

function staticNexthop(args: {
  gateway?: string | undefined;
  interface?: string | undefined;
  drop?: string | undefined;
  onlink?: unknown;
}): StaticNexthop {
  const drop = args.drop?.toLowerCase();
  return {
    gateway: args.gateway === undefined ? undefined : parseAddress(args.gateway),
    interface: args.interface,
    blackhole: drop === undefined ? 0 : drop === 'reject' ? BLACKHOLE_REJECT : BLACKHOLE_NULL,
    onlink: args.onlink !== undefined,
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
  const way = `${args.gateway ?? ''} ${args.interface ?? ''} ${args.drop?.toLowerCase() ?? ''}`;
  return `${name} ${way}${args.vrf === undefined ? '' : ` ${args.vrf}`}`;
}

/** The line as FRR writes it. */
function staticLine(args: StaticArgs): string {
  const prefix = destination(args);
  const words = [prefix.family === AF_INET ? 'ip' : 'ipv6', 'route', formatPrefix(prefix)];
  for (const one of [args.gateway, args.interface, args.drop]) if (one !== undefined) words.push(one);
  if (args.tag !== undefined) words.push('tag', String(args.tag));
  if (args.distance !== undefined && args.distance !== DEFAULT_DISTANCE) words.push(String(args.distance));
  if (args.onlink !== undefined) words.push('onlink');
  if (args.vrf !== undefined) words.push('vrf', args.vrf);
  return words.join(' ');
}

/** The VRF whose block a line is in. */
function vrfName(context: readonly CommandArgs[]): string {
  return (context[0]?.['name'] as string | undefined) ?? 'default';
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

const DESTINATION_HELP = ['IP destination prefix', 'IP destination network', 'Mask of the network'] as const;
const DROP_HELP = ['Silently discard packets', 'Emit an ICMP unreachable', 'Null interface'] as const;
const OPTION_HELP = [
  'Set tag for this route',
  'Tag value',
  'Distance value for this route',
  'Treat the nexthop as directly attached to the interface',
] as const;

function interfaceName(context: readonly CommandArgs[]): string {
  const name = context[0]?.['name'];
  if (typeof name !== 'string') throw new CommandError('% Not inside an interface block');
  return name;
}

function interfaceAddress(text: string): Prefix {
  const address = parseInterfaceAddress(text);
  if (address === undefined) throw new CommandError(`% Malformed address: ${text}`);
  return address;
}

function requirePlane(zebra: Zebra): void {
  if (!zebra.interfaceConfig.able) throw new CommandError('% The dataplane cannot change interfaces');
}

interface VrfArgs {
  /** A name, or `all`. */
  readonly vrf?: string | undefined;
  readonly json?: unknown;
}

/** The VRFs that a command is about: the default one unless one is named. */
function vrfsOf(zebra: Zebra, name: string | undefined): readonly Vrf[] {
  if (name === undefined) return [zebra.vrfs.default];
  if (name === 'all') return zebra.vrfs.list();
  const vrf = zebra.vrfs.named(name);
  if (vrf === undefined) throw new CommandError(`% VRF ${name} not found`);
  return [vrf];
}

function oneRoute(zebra: Zebra, args: VrfArgs & { address?: string; prefix?: string }): string | object {
  const exact = args.prefix !== undefined;
  const prefix = readPrefix((args.prefix ?? args.address)!);
  const all = vrfsOf(zebra, args.vrf);
  if (args.json === undefined) return all.map(({ id }) => showRoute(zebra, id, prefix, exact)).join('');
  return Object.assign({}, ...all.map(({ id }) => showRouteJson(zebra, id, prefix, exact))) as object;
}

function summary(zebra: Zebra, args: VrfArgs, family: Family): string {
  return vrfsOf(zebra, args.vrf)
    .map(({ id }) =>
      args.json === undefined ? showSummary(zebra, id, family) : formatJson(showSummaryJson(zebra, id, family)),
    )
    .join('');
}

function* routes(zebra: Zebra, args: VrfArgs, family: Family, filter: RouteFilter): Generator<string> {
  let codes = routeCodes(family);
  for (const { id, name } of vrfsOf(zebra, args.vrf)) {
    if (args.json !== undefined) yield* showRoutesJson(zebra, id, family, filter);
    else {
      const head = args.vrf === undefined ? codes : `${codes}VRF ${name}:\n`;
      for (const text of showRoutes(zebra, id, family, filter, head)) {
        yield text;
        // The codes are explained once; what follows is set off.
        if (text !== '') codes = '\n';
      }
    }
  }
}

/** Those of a VRF, or of all where none is named. */
function interfacesOf(zebra: Zebra, vrf = 'all'): Interface[] {
  return vrfsOf(zebra, vrf).flatMap(({ id }) => sortedInterfaces(zebra, id));
}

function showVrfs(zebra: Zebra): string {
  return zebra.vrfs
    .list()
    .filter(({ id }) => id !== VRF_DEFAULT)
    .map(({ name, id, table }) => `vrf ${name} id ${id} table ${table}\n`)
    .join('');
}

function forwardingText(family: Family): string {
  const state = isForwarding(family) ? 'on' : 'off';
  return family === AF_INET ? `IP forwarding is ${state}\n` : `ipv6 forwarding is ${state}\n`;
}

function setForwardingTo(family: Family, on: boolean): void {
  try {
    setForwarding(family, on);
  } catch (error) {
    throw new CommandError(`% Cannot change forwarding: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const TYPE_HELP = [
  'Kernel routes',
  'Connected routes',
  'Static routes',
  'Border Gateway Protocol',
  'Open Shortest Path First',
  'Intermediate System to Intermediate System',
] as const;

export const zebraCommands: CommandSet<Zebra> = commandSet<Zebra>(
  'zebra',
  [
    // Routes ----------------------------------------------------------------------------------------------------------
    exec({
      syntax: 'show ip route [vrf WORD$vrf] [json]',
      help: [SHOW, IP, 'IP routing table', ...VRF_HELP, JSON_HELP],
      run: (zebra: Zebra, args) => routes(zebra, args, AF_INET, {}),
    }),
    exec({
      syntax: 'show ip route [vrf WORD$vrf] <A.B.C.D$address|A.B.C.D/M$prefix> [json]',
      help: [SHOW, IP, 'IP routing table', ...VRF_HELP, 'Network in the IP routing table', 'IP prefix', JSON_HELP],
      run: (zebra: Zebra, args) => oneRoute(zebra, args),
    }),
    exec({
      syntax: 'show ip route [vrf WORD$vrf] A.B.C.D/M$prefix longer-prefixes [json]',
      help: [SHOW, IP, 'IP routing table', ...VRF_HELP, 'IP prefix', 'Show this prefix and all longer ones', JSON_HELP],
      run: (zebra: Zebra, args) => {
        const filter = { inside: readPrefix(args.prefix) };
        return routes(zebra, args, AF_INET, filter);
      },
    }),
    exec({
      syntax: 'show ip route [vrf WORD$vrf] <kernel|connected|static|bgp|ospf|isis>$protocol [json]',
      help: [SHOW, IP, 'IP routing table', ...VRF_HELP, ...TYPE_HELP, JSON_HELP],
      run: (zebra: Zebra, args) => {
        const filter = { type: typeNumber(args.protocol) };
        return routes(zebra, args, AF_INET, filter);
      },
    }),
    exec({
      syntax: 'show ip route [vrf WORD$vrf] summary [json]',
      help: [SHOW, IP, 'IP routing table', ...VRF_HELP, 'Summary of all routes', JSON_HELP],
      run: (zebra: Zebra, args) => summary(zebra, args, AF_INET),
    }),
    exec({
      syntax: 'show ipv6 route [vrf WORD$vrf] [json]',
      help: [SHOW, IPV6, 'IPv6 routing table', ...VRF_HELP, JSON_HELP],
      run: (zebra: Zebra, args) => routes(zebra, args, AF_INET6, {}),
    }),
    exec({
      syntax: 'show ipv6 route [vrf WORD$vrf] <X:X::X:X$address|X:X::X:X/M$prefix> [json]',
      help: [
        SHOW,
        IPV6,
        'IPv6 routing table',
        ...VRF_HELP,
        'Network in the IPv6 routing table',
        'IPv6 prefix',
        JSON_HELP,
      ],
      run: (zebra: Zebra, args) => oneRoute(zebra, args),
    }),
    exec({
      syntax: 'show ipv6 route [vrf WORD$vrf] X:X::X:X/M$prefix longer-prefixes [json]',
      help: [
        SHOW,
        IPV6,
        'IPv6 routing table',
        ...VRF_HELP,
        'IPv6 prefix',
        'Show this prefix and all longer ones',
        JSON_HELP,
      ],
      run: (zebra: Zebra, args) => {
        const filter = { inside: readPrefix(args.prefix) };
        return routes(zebra, args, AF_INET6, filter);
      },
    }),
    exec({
      syntax: 'show ipv6 route [vrf WORD$vrf] <kernel|connected|static|bgp|ospf6|isis>$protocol [json]',
      help: [SHOW, IPV6, 'IPv6 routing table', ...VRF_HELP, ...TYPE_HELP, JSON_HELP],
      run: (zebra: Zebra, args) => {
        const filter = { type: typeNumber(args.protocol) };
        return routes(zebra, args, AF_INET6, filter);
      },
    }),
    exec({
      syntax: 'show ipv6 route [vrf WORD$vrf] summary [json]',
      help: [SHOW, IPV6, 'IPv6 routing table', ...VRF_HELP, 'Summary of all routes', JSON_HELP],
      run: (zebra: Zebra, args) => summary(zebra, args, AF_INET6),
    }),

    // Next hops -------------------------------------------------------------------------------------------------------
    exec({
      syntax: 'show nexthop-group rib [(0-4294967295)$id] [json]',
      help: [SHOW, 'Show nexthop groups', 'RIB information', 'Nexthop group id', JSON_HELP],
      run: (zebra: Zebra, args) =>
        args.json === undefined ? showNexthopGroups(zebra, args.id) : nexthopGroupsJson(zebra, args.id),
    }),
    exec({
      syntax: 'show ip nht',
      help: [SHOW, IP, 'IP nexthop tracking table'],
      run: (zebra: Zebra) => showNht(zebra, AF_INET),
    }),
    exec({
      syntax: 'show ipv6 nht',
      help: [SHOW, IPV6, 'IPv6 nexthop tracking table'],
      run: (zebra: Zebra) => showNht(zebra, AF_INET6),
    }),

    exec({
      syntax: 'show vrf',
      help: [SHOW, 'VRF'],
      run: (zebra: Zebra) => showVrfs(zebra),
    }),

    // Interfaces --------------------------------------------------------------------------------------------------------
    exec({
      syntax: 'show interface [vrf WORD$vrf] [json]',
      help: [SHOW, 'Interface status and configuration', ...VRF_HELP, JSON_HELP],
      run: (zebra: Zebra, args) =>
        args.json === undefined
          ? interfacesOf(zebra, args.vrf)
              .map(one => showInterface(zebra, one))
              .join('')
          : Object.fromEntries(interfacesOf(zebra, args.vrf).map(one => [one.name, interfaceJson(zebra, one)])),
    }),
    exec({
      syntax: 'show interface [vrf WORD$vrf] brief [json]',
      help: [
        SHOW,
        'Interface status and configuration',
        ...VRF_HELP,
        'Interface status and configuration summary',
        JSON_HELP,
      ],
      run: (zebra: Zebra, args) => {
        const shown = interfacesOf(zebra, args.vrf);
        return args.json === undefined ? showInterfacesBrief(zebra, shown) : interfacesBriefJson(zebra, shown);
      },
    }),
    exec({
      syntax: 'show interface description [vrf WORD$vrf]',
      help: [SHOW, 'Interface status and configuration', 'Interface description', ...VRF_HELP],
      run: (zebra: Zebra, args) => {
        // In three forms, as FRR has it.
        const { vrf } = args;
        return vrfsOf(zebra, vrf ?? 'all')
          .map(({ id, name }) => {
            const text = showInterfaceDescriptions(sortedInterfaces(zebra, id));
            const head = `\tVRF ${name}(${id})\n\n`;
            return vrf === undefined ? `${head}${text}\n` : vrf === 'all' ? `\n${head}${text}` : text;
          })
          .join('');
      },
    }),
    exec({
      syntax: 'show interface INTERFACE$name [vrf WORD$vrf] [json]',
      help: [SHOW, 'Interface status and configuration', 'Interface name', ...VRF_HELP, JSON_HELP],
      run: (zebra: Zebra, args) => {
        const one = zebra.interfaces.byName(args.name);
        if (args.json !== undefined) return one === undefined ? {} : { [one.name]: interfaceJson(zebra, one) };
        if (one === undefined) throw new CommandError(`% Can't find interface ${args.name}`);
        return showInterface(zebra, one);
      },
    }),

    // Zebra -------------------------------------------------------------------------------------------------------------
    exec({
      syntax: 'show zebra',
      help: [SHOW, 'Zebra information'],
      run: (zebra: Zebra) => showZebra(zebra, { ip: isForwarding(AF_INET), ipv6: isForwarding(AF_INET6) }),
    }),
    ...clientCommands<Zebra>(zebra => {
      if (zebra.server === undefined) throw new CommandError('% The ZAPI server is not running');
      return zebra.server;
    }),
    exec({
      syntax: 'show zebra route drift [json]',
      help: [SHOW, 'Zebra information', 'Routes', 'What is wanted and what the kernel has', JSON_HELP],
      run: (zebra: Zebra, args) => (args.json === undefined ? showDrift(zebra) : drift(zebra)),
    }),
    exec({
      syntax: 'show zebra feed [json]',
      help: [SHOW, 'Zebra information', 'What followers of the dataplane have been told', JSON_HELP],
      run: (zebra: Zebra, args) => (args.json === undefined ? showFeed(zebra) : feedJson(zebra)),
    }),
    exec({
      syntax: 'clear zebra route reconcile',
      help: ['Reset functions', 'Zebra information', 'Routes', 'Read the kernel again and repair the difference'],
      run: (zebra: Zebra) => {
        zebra.reconcile();
      },
    }),
    exec({
      syntax: 'clear zebra stale',
      help: [
        'Reset functions',
        'Zebra information',
        'Remove the routes of an earlier life that nobody announced again',
      ],
      run: (zebra: Zebra) => {
        zebra.sweepKept();
      },
    }),
    exec({
      syntax: 'show <ip|ipv6> router-id [vrf WORD$vrf]',
      help: [SHOW, IP, IPV6, 'Router ID', ...VRF_HELP],
      run: (zebra: Zebra, args) =>
        routerIds(zebra, args.vrf, 'ipv6' in args && args.ipv6 !== undefined ? AF_INET6 : AF_INET),
    }),
    exec({
      syntax: 'show router-id [vrf WORD$vrf]',
      help: [SHOW, 'Router ID', ...VRF_HELP],
      run: (zebra: Zebra, args) => routerIds(zebra, args.vrf, AF_INET),
    }),
    exec({
      syntax: 'show ip forwarding',
      help: [SHOW, IP, 'IP forwarding status'],
      run: () => forwardingText(AF_INET),
    }),
    exec({
      syntax: 'show ipv6 forwarding',
      help: [SHOW, IPV6, 'Forwarding status'],
      run: () => forwardingText(AF_INET6),
    }),

    // Configuration -----------------------------------------------------------------------------------------------------
    ...settings,
    config({
      mode: 'configure',
      syntax: 'ip forwarding',
      help: ['IP configuration', 'Turn on IP forwarding'],
      keeps: 'both',
      apply: () => setForwardingTo(AF_INET, true),
      remove: () => setForwardingTo(AF_INET, false),
    }),
    config({
      mode: 'configure',
      syntax: 'ipv6 forwarding',
      help: ['IPv6 configuration', 'Turn on IPv6 forwarding'],
      keeps: 'both',
      apply: () => setForwardingTo(AF_INET6, true),
      remove: () => setForwardingTo(AF_INET6, false),
    }),
    config({
      mode: 'configure',
      syntax: 'router-id A.B.C.D$id',
      help: ['Manually set the router id', 'Router id in dotted-quad form'],
      key: () => 'router-id',
      apply: (zebra: Zebra, args, context) =>
        zebra.routerId.configure(vrfName(context), AF_INET, parseAddress(args.id)!.words),
      remove: (zebra: Zebra, _args, context) => zebra.routerId.configure(vrfName(context), AF_INET, undefined),
    }),
    config({
      mode: ['configure', 'vrf'],
      syntax: 'ip router-id A.B.C.D$id',
      help: ['IP configuration', 'Manually set the router id', 'Router id in dotted-quad form'],
      key: () => 'router-id',
      apply: (zebra: Zebra, args, context) =>
        zebra.routerId.configure(vrfName(context), AF_INET, parseAddress(args.id)!.words),
      remove: (zebra: Zebra, _args, context) => zebra.routerId.configure(vrfName(context), AF_INET, undefined),
    }),
    config({
      mode: ['configure', 'vrf'],
      syntax: 'ipv6 router-id X:X::X:X$id',
      help: ['IPv6 configuration', 'Manually set the router id', 'IPv6 address used as router id'],
      key: () => 'ipv6 router-id',
      apply: (zebra: Zebra, args, context) =>
        zebra.routerId.configure(vrfName(context), AF_INET6, parseAddress(args.id)!.words),
      remove: (zebra: Zebra, _args, context) => zebra.routerId.configure(vrfName(context), AF_INET6, undefined),
    }),
    config({
      mode: ['configure', 'vrf'],
      syntax:
        'ip route <A.B.C.D/M$prefix|A.B.C.D$network A.B.C.D$mask> <blackhole|reject|Null0>$drop [{tag (1-4294967295)$tag|(1-255)$distance|vrf WORD$vrf}]',
      help: [
        'IP configuration',
        'Establish static routes',
        ...DESTINATION_HELP,
        ...DROP_HELP,
        ...OPTION_HELP.slice(0, 3),
        ...LINE_VRF_HELP,
      ],
      key: args => staticKey(args),
      writes: args => [staticLine(args)],
      check: (args, context) => checkStatic(args, context),
      apply: (zebra: Zebra, args, context) => applyStatic(zebra, args, context),
      remove: (zebra: Zebra, args, context) => removeStatic(zebra, args, context),
    }),
    config({
      mode: ['configure', 'vrf'],
      syntax:
        'ip route <A.B.C.D/M$prefix|A.B.C.D$network A.B.C.D$mask> A.B.C.D$gateway [{tag (1-4294967295)$tag|(1-255)$distance|vrf WORD$vrf}]',
      help: [
        'IP configuration',
        'Establish static routes',
        ...DESTINATION_HELP,
        'IP gateway address',
        ...OPTION_HELP.slice(0, 3),
        ...LINE_VRF_HELP,
      ],
      key: args => staticKey(args),
      writes: args => [staticLine(args)],
      check: (args, context) => checkStatic(args, context),
      apply: (zebra: Zebra, args, context) => applyStatic(zebra, args, context),
      remove: (zebra: Zebra, args, context) => removeStatic(zebra, args, context),
    }),
    config({
      mode: ['configure', 'vrf'],
      syntax:
        'ip route <A.B.C.D/M$prefix|A.B.C.D$network A.B.C.D$mask> A.B.C.D$gateway INTERFACE$interface [{tag (1-4294967295)$tag|(1-255)$distance|onlink|vrf WORD$vrf}]',
      help: [
        'IP configuration',
        'Establish static routes',
        ...DESTINATION_HELP,
        'IP gateway address',
        'Interface of the gateway',
        ...OPTION_HELP,
        ...LINE_VRF_HELP,
      ],
      key: args => staticKey(args),
      writes: args => [staticLine(args)],
      check: (args, context) => checkStatic(args, context),
      apply: (zebra: Zebra, args, context) => applyStatic(zebra, args, context),
      remove: (zebra: Zebra, args, context) => removeStatic(zebra, args, context),
    }),
    config({
      mode: ['configure', 'vrf'],
      syntax:
        'ip route <A.B.C.D/M$prefix|A.B.C.D$network A.B.C.D$mask> INTERFACE$interface [{tag (1-4294967295)$tag|(1-255)$distance|vrf WORD$vrf}]',
      help: [
        'IP configuration',
        'Establish static routes',
        ...DESTINATION_HELP,
        'Gateway interface',
        ...OPTION_HELP.slice(0, 3),
        ...LINE_VRF_HELP,
      ],
      key: args => staticKey(args),
      writes: args => [staticLine(args)],
      check: (args, context) => checkStatic(args, context),
      apply: (zebra: Zebra, args, context) => applyStatic(zebra, args, context),
      remove: (zebra: Zebra, args, context) => removeStatic(zebra, args, context),
    }),
    config({
      mode: ['configure', 'vrf'],
      syntax:
        'ipv6 route X:X::X:X/M$prefix <blackhole|reject|Null0>$drop [{tag (1-4294967295)$tag|(1-255)$distance|vrf WORD$vrf}]',
      help: [
        'IPv6 configuration',
        'Establish static routes',
        'IPv6 destination prefix',
        ...DROP_HELP,
        ...OPTION_HELP.slice(0, 3),
        ...LINE_VRF_HELP,
      ],
      key: args => staticKey(args),
      writes: args => [staticLine(args)],
      check: (args, context) => checkStatic(args, context),
      apply: (zebra: Zebra, args, context) => applyStatic(zebra, args, context),
      remove: (zebra: Zebra, args, context) => removeStatic(zebra, args, context),
    }),
    config({
      mode: ['configure', 'vrf'],
      syntax: 'ipv6 route X:X::X:X/M$prefix X:X::X:X$gateway [{tag (1-4294967295)$tag|(1-255)$distance|vrf WORD$vrf}]',
      help: [
        'IPv6 configuration',
        'Establish static routes',
        'IPv6 destination prefix',
        'IPv6 gateway address',
        ...OPTION_HELP.slice(0, 3),
        ...LINE_VRF_HELP,
      ],
      key: args => staticKey(args),
      writes: args => [staticLine(args)],
      check: (args, context) => checkStatic(args, context),
      apply: (zebra: Zebra, args, context) => applyStatic(zebra, args, context),
      remove: (zebra: Zebra, args, context) => removeStatic(zebra, args, context),
    }),
    config({
      mode: ['configure', 'vrf'],
      syntax:
        'ipv6 route X:X::X:X/M$prefix X:X::X:X$gateway INTERFACE$interface [{tag (1-4294967295)$tag|(1-255)$distance|onlink|vrf WORD$vrf}]',
      help: [
        'IPv6 configuration',
        'Establish static routes',
        'IPv6 destination prefix',
        'IPv6 gateway address',
        'Interface of the gateway',
        ...OPTION_HELP,
        ...LINE_VRF_HELP,
      ],
      key: args => staticKey(args),
      writes: args => [staticLine(args)],
      check: (args, context) => checkStatic(args, context),
      apply: (zebra: Zebra, args, context) => applyStatic(zebra, args, context),
      remove: (zebra: Zebra, args, context) => removeStatic(zebra, args, context),
    }),
    config({
      mode: ['configure', 'vrf'],
      syntax:
        'ipv6 route X:X::X:X/M$prefix INTERFACE$interface [{tag (1-4294967295)$tag|(1-255)$distance|vrf WORD$vrf}]',
      help: [
        'IPv6 configuration',
        'Establish static routes',
        'IPv6 destination prefix',
        'Gateway interface',
        ...OPTION_HELP.slice(0, 3),
        ...LINE_VRF_HELP,
      ],
      key: args => staticKey(args),
      writes: args => [staticLine(args)],
      check: (args, context) => checkStatic(args, context),
      apply: (zebra: Zebra, args, context) => applyStatic(zebra, args, context),
      remove: (zebra: Zebra, args, context) => removeStatic(zebra, args, context),
    }),
    config({
      mode: 'configure',
      syntax: 'vrf WORD$name',
      help: ['Select a VRF to configure', "VRF's name"],
      opens: 'vrf',
      apply: () => {},
      remove: (zebra: Zebra, args) => zebra.forgetVrf(args.name),
    }),
    config({
      mode: 'configure',
      syntax: 'interface INTERFACE$name',
      help: ['Select an interface to configure', 'Interface name'],
      opens: 'interface',
      apply: () => {},
      remove: (zebra: Zebra, args) => zebra.interfaceConfig.forget(args.name),
    }),
    config({
      mode: 'interface',
      syntax: 'description LINE...$text',
      help: ['Interface specific description', 'Characters describing this interface'],
      key: () => 'description',
      apply: (zebra: Zebra, args, context) => zebra.interfaceConfig.describe(interfaceName(context), textOf(args.text)),
      remove: (zebra: Zebra, _args, context) => zebra.interfaceConfig.describe(interfaceName(context), ''),
    }),
    config({
      mode: 'interface',
      syntax: 'ip address A.B.C.D/M$address',
      hostBits: true,
      help: ['IP configuration', 'Set the IP address of an interface', 'IP address (e.g. 10.0.0.1/8)'],
      apply: (zebra: Zebra, args, context) => {
        requirePlane(zebra);
        zebra.interfaceConfig.addAddress(interfaceName(context), interfaceAddress(args.address));
      },
      remove: (zebra: Zebra, args, context) =>
        zebra.interfaceConfig.removeAddress(interfaceName(context), interfaceAddress(args.address)),
    }),
    config({
      mode: 'interface',
      syntax: 'ipv6 address X:X::X:X/M$address',
      hostBits: true,
      help: ['IPv6 configuration', 'Set the IP address of an interface', 'IPv6 address (e.g. 3ffe:506::1/48)'],
      apply: (zebra: Zebra, args, context) => {
        requirePlane(zebra);
        zebra.interfaceConfig.addAddress(interfaceName(context), interfaceAddress(args.address));
      },
      remove: (zebra: Zebra, args, context) =>
        zebra.interfaceConfig.removeAddress(interfaceName(context), interfaceAddress(args.address)),
    }),
    config({
      mode: 'interface',
      syntax: 'shutdown',
      help: ['Shutdown the selected interface'],
      apply: (zebra: Zebra, _args, context) => {
        requirePlane(zebra);
        zebra.interfaceConfig.shutdown(interfaceName(context), true);
      },
      remove: (zebra: Zebra, _args, context) => zebra.interfaceConfig.shutdown(interfaceName(context), false),
    }),
  ],
  [
    { name: 'interface', prompt: '(config-if)', parent: 'configure' },
    { name: 'vrf', prompt: '(config-vrf)', parent: 'configure', exit: 'exit-vrf' },
  ],
);

function textOf(text: string | readonly string[]): string {
  return typeof text === 'string' ? text : text.join(' ');
}

function routerIds(zebra: Zebra, vrf: string | undefined, family: Family): string {
  const lines = vrfsOf(zebra, vrf).map(({ id, name }) => {
    const words = zebra.routerId.get(id, family);
    return `     router-id ${formatAddress(family, words)} vrf ${name}\n`;
  });
  return `zebra:\n${lines.join('')}`;
}
