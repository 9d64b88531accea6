// Zebra's commands: what main's grammar reads, and what zebra's thread runs.
import {
  AF_INET,
  AF_INET6,
  type Family,
  formatAddress,
  parseAddress,
  parseInterfaceAddress,
  type Prefix,
} from '../net/index.ts';
import { inNetworkNamespace, SysError } from '../sys/index.ts';
import {
  type CommandArgs,
  CommandError,
  type CommandSet,
  commandSet,
  config,
  exec,
  type Output,
} from '../vty/index.ts';
import {
  interfaceLines,
  interfaceName,
  IP,
  IPV6,
  linesOf,
  JSON_HELP,
  SHOW,
  VRF_HELP,
  vrfName,
  vrfsOf,
} from './commands-lib.ts';
import { mplsCommands } from './commands-mpls.ts';
import { routeCommands } from './commands-routes.ts';
import { srv6Commands, srv6Modes } from './commands-srv6.ts';
import { staticCommands } from './commands-static.ts';
import { forwardsLabels, isForwarding, setForwarding } from './forwarding.ts';
import type { InterfaceConfig } from './interface/config.ts';
import type { Interface } from './interface/interfaces.ts';
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
import { nhtJson, showNht } from './show/nht.ts';
import { drift, showDrift, showZebra } from './show/zebra.ts';
import { VRF_DEFAULT } from './vrf.ts';
import type { Zebra } from './zebra.ts';

function interfaceAddress(text: string): Prefix {
  const address = parseInterfaceAddress(text);
  if (address === undefined) throw new CommandError(`% Malformed address: ${text}`);
  return address;
}

function requirePlane(lines: InterfaceConfig): void {
  if (!lines.able) throw new CommandError('% The dataplane cannot change interfaces');
}

/** Those of a VRF, or of all where none is named. */
function interfacesOf(zebra: Zebra, vrf = 'all'): Interface[] {
  return vrfsOf(zebra, vrf).flatMap(({ id }) => sortedInterfaces(zebra.of(id), id));
}

/** What is to be said of an interface by its zebra, where its VRF is a network namespace in that, for what only the kernel knows. */
function ofInterface<T>(zebra: Zebra, one: Interface, say: (its: Zebra, one: Interface) => T): T {
  const path = zebra.everyVrf.get(one.vrf)?.namespace?.path;
  const its = zebra.of(one.vrf);
  if (path === undefined) return say(its, one);
  try {
    return inNetworkNamespace(path, () => say(its, one));
  } catch (error) {
    if (error instanceof SysError) return say(its, one); // its name is gone
    throw error;
  }
}

function interfaceNamed(zebra: Zebra, name: string, vrf: string | undefined): Interface | undefined {
  // A device's name is its own in a network namespace, so VRFs that are devices need not be right.
  const all =
    vrf === undefined || zebra.zebras === undefined ? zebra.all : vrfsOf(zebra, vrf).map(({ id }) => zebra.of(id));
  return all.map(one => one.interfaces.byName(name)).find(one => one !== undefined);
}

function showVrfs(zebra: Zebra): string {
  const lines = zebra.everyVrf
    .list()
    .filter(({ id }) => id !== VRF_DEFAULT)
    .map(({ name, id, table, namespace }) => {
      const where = namespace === undefined ? `table ${table}` : `netns ${namespace.path}`;
      return [name, `id ${id} ${where}${zebra.vrfLines.has(name) ? ' (configured)' : ''}`];
    });
  for (const name of zebra.vrfLines) {
    if (zebra.everyVrf.named(name) === undefined) lines.push([name, 'inactive (configured)']);
  }
  const text = lines.toSorted(([a], [b]) => (a! < b! ? -1 : 1)).map(([name, what]) => `vrf ${name} ${what}\n`);
  return `${zebra.namespaces === undefined ? '' : 'netns-based vrfs\n'}${text.join('')}`;
}

function setRouterId(zebra: Zebra, context: readonly CommandArgs[], family: Family, id: string | undefined): void {
  const words = id === undefined ? undefined : parseAddress(id)!.words;
  for (const one of zebra.all) one.routerId.configure(vrfName(context), family, words);
}

function nexthopGroups(
  zebra: Zebra,
  { vrf, id, json }: { vrf?: string | undefined; id?: number | undefined; json?: unknown },
): Output {
  const all = new Set(vrfsOf(zebra, vrf).map(one => zebra.of(one.id)));
  if (json === undefined)
    return (function* () {
      for (const one of all) yield* showNexthopGroups(one, id);
    })();
  const [first] = all;
  // Each namespace has ids of its own.
  if (all.size === 1) return nexthopGroupsJson(first!, id);
  return Object.fromEntries(Array.from(all, one => [one.vrfs.default.name, nexthopGroupsJson(one, id)]));
}

function setNamespace(zebra: Zebra, vrf: string, nameOrPath: string | undefined): void {
  if (zebra.namespaces === undefined)
    throw new CommandError('% VRFs are devices here: for network namespaces run with --vrfwnetns');
  try {
    zebra.namespaces.configure(vrf, nameOrPath);
  } catch (error) {
    if (error instanceof RangeError) throw new CommandError(`% ${error.message}`);
    throw error;
  }
}

function nht(
  zebra: Zebra,
  { vrf, address, json }: { vrf?: string | undefined; address?: string | undefined; json?: unknown },
  family: Family,
): string | object {
  const vrfs = vrfsOf(zebra, vrf);
  const only = address === undefined ? undefined : formatAddress(family, parseAddress(address)!.words);
  return json === undefined ? showNht(zebra, vrfs, family, vrf === 'all', only) : nhtJson(zebra, vrfs, family, only);
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

export const zebraCommands: CommandSet<Zebra> = commandSet<Zebra>(
  'zebra',
  [
    ...routeCommands,

    // Next hops -------------------------------------------------------------------------------------------------------
    exec({
      syntax: 'show nexthop-group rib [(0-4294967295)$id] [vrf WORD$vrf] [json]',
      help: [SHOW, 'Show nexthop groups', 'RIB information', 'Nexthop group id', ...VRF_HELP, JSON_HELP],
      run: (zebra: Zebra, args) => nexthopGroups(zebra, args),
    }),
    exec({
      syntax: 'show ip nht [vrf WORD$vrf] [A.B.C.D$address] [json]',
      help: [SHOW, IP, 'IP nexthop tracking table', ...VRF_HELP, 'IPv4 address of a nexthop', JSON_HELP],
      run: (zebra: Zebra, args) => nht(zebra, args, AF_INET),
    }),
    exec({
      syntax: 'show ipv6 nht [vrf WORD$vrf] [X:X::X:X$address] [json]',
      help: [SHOW, IPV6, 'IPv6 nexthop tracking table', ...VRF_HELP, 'IPv6 address of a nexthop', JSON_HELP],
      run: (zebra: Zebra, args) => nht(zebra, args, AF_INET6),
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
              .map(one => ofInterface(zebra, one, showInterface))
              .join('')
          : Object.fromEntries(
              interfacesOf(zebra, args.vrf).map(one => [one.name, ofInterface(zebra, one, interfaceJson)]),
            ),
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
        if (args.json !== undefined) return interfacesBriefJson(zebra, interfacesOf(zebra, args.vrf));
        const byVrf = vrfsOf(zebra, args.vrf ?? 'all').map(({ name }) => interfacesOf(zebra, name));
        return byVrf
          .filter((shown, i) => shown.length > 0 || (i === 0 && byVrf.length === 1))
          .map(shown => showInterfacesBrief(zebra, shown))
          .join('');
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
            const text = showInterfaceDescriptions(sortedInterfaces(zebra.of(id), id));
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
        const one = interfaceNamed(zebra, args.name, args.vrf);
        if (args.json !== undefined)
          return one === undefined ? {} : { [one.name]: ofInterface(zebra, one, interfaceJson) };
        if (one === undefined) throw new CommandError(`% Can't find interface ${args.name}`);
        return ofInterface(zebra, one, showInterface);
      },
    }),

    // Zebra -------------------------------------------------------------------------------------------------------------
    exec({
      syntax: 'show zebra',
      help: [SHOW, 'Zebra information'],
      run: (zebra: Zebra) =>
        showZebra(zebra, { ip: isForwarding(AF_INET), ipv6: isForwarding(AF_INET6), labels: forwardsLabels() }),
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
        for (const one of zebra.all) one.reconcile();
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
        for (const one of zebra.all) one.sweepKept();
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
      apply: (zebra: Zebra, args, context) => setRouterId(zebra, context, AF_INET, args.id),
      remove: (zebra: Zebra, _args, context) => setRouterId(zebra, context, AF_INET, undefined),
    }),
    config({
      mode: ['configure', 'vrf'],
      syntax: 'ip router-id A.B.C.D$id',
      help: ['IP configuration', 'Manually set the router id', 'Router id in dotted-quad form'],
      key: () => 'router-id',
      apply: (zebra: Zebra, args, context) => setRouterId(zebra, context, AF_INET, args.id),
      remove: (zebra: Zebra, _args, context) => setRouterId(zebra, context, AF_INET, undefined),
    }),
    config({
      mode: ['configure', 'vrf'],
      syntax: 'ipv6 router-id X:X::X:X$id',
      help: ['IPv6 configuration', 'Manually set the router id', 'IPv6 address used as router id'],
      key: () => 'ipv6 router-id',
      apply: (zebra: Zebra, args, context) => setRouterId(zebra, context, AF_INET6, args.id),
      remove: (zebra: Zebra, _args, context) => setRouterId(zebra, context, AF_INET6, undefined),
    }),
    ...staticCommands,
    ...srv6Commands,
    ...mplsCommands,
    config({
      mode: 'configure',
      syntax: 'vrf WORD$name',
      help: ['Select a VRF to configure', "VRF's name"],
      opens: 'vrf',
      apply: (zebra: Zebra, args) => void zebra.vrfLines.add(args.name),
      remove: (zebra: Zebra, args) => zebra.forgetVrf(args.name),
    }),
    config({
      mode: 'vrf',
      syntax: 'netns WORD$namespace',
      help: ['Attach a VRF to a network namespace', 'Its name in /run/netns, or its path'],
      key: () => 'netns',
      no: ['netns'],
      apply: (zebra: Zebra, args, context) => setNamespace(zebra, vrfName(context), args.namespace),
      remove: (zebra: Zebra, _args, context) => setNamespace(zebra, vrfName(context), undefined),
    }),
    config({
      mode: 'configure',
      syntax: 'interface INTERFACE$name [vrf WORD$vrf]',
      help: ['Select an interface to configure', 'Interface name', 'Specify the VRF', 'The VRF name'],
      opens: 'interface',
      apply: () => {},
      remove: (zebra: Zebra, args) => interfaceLines(zebra, args.vrf).forget(args.name),
    }),
    config({
      mode: 'interface',
      syntax: 'description LINE...$text',
      help: ['Interface specific description', 'Characters describing this interface'],
      key: () => 'description',
      apply: (zebra: Zebra, args, context) =>
        linesOf(zebra, context).describe(interfaceName(context), textOf(args.text)),
      remove: (zebra: Zebra, _args, context) => linesOf(zebra, context).describe(interfaceName(context), ''),
    }),
    config({
      mode: 'interface',
      syntax: 'ip address A.B.C.D/M$address',
      hostBits: true,
      help: ['IP configuration', 'Set the IP address of an interface', 'IP address (e.g. 10.0.0.1/8)'],
      apply: (zebra: Zebra, args, context) => {
        requirePlane(linesOf(zebra, context));
        linesOf(zebra, context).addAddress(interfaceName(context), interfaceAddress(args.address));
      },
      remove: (zebra: Zebra, args, context) =>
        linesOf(zebra, context).removeAddress(interfaceName(context), interfaceAddress(args.address)),
    }),
    config({
      mode: 'interface',
      syntax: 'ipv6 address X:X::X:X/M$address',
      hostBits: true,
      help: ['IPv6 configuration', 'Set the IP address of an interface', 'IPv6 address (e.g. 3ffe:506::1/48)'],
      apply: (zebra: Zebra, args, context) => {
        requirePlane(linesOf(zebra, context));
        linesOf(zebra, context).addAddress(interfaceName(context), interfaceAddress(args.address));
      },
      remove: (zebra: Zebra, args, context) =>
        linesOf(zebra, context).removeAddress(interfaceName(context), interfaceAddress(args.address)),
    }),
    config({
      mode: 'interface',
      syntax: 'shutdown',
      help: ['Shutdown the selected interface'],
      apply: (zebra: Zebra, _args, context) => {
        requirePlane(linesOf(zebra, context));
        linesOf(zebra, context).shutdown(interfaceName(context), true);
      },
      remove: (zebra: Zebra, _args, context) => linesOf(zebra, context).shutdown(interfaceName(context), false),
    }),
  ],
  [
    { name: 'interface', prompt: '(config-if)', parent: 'configure' },
    { name: 'vrf', prompt: '(config-vrf)', parent: 'configure', exit: 'exit-vrf' },
    ...srv6Modes,
  ],
);

function textOf(text: string | readonly string[]): string {
  return typeof text === 'string' ? text : text.join(' ');
}

function routerIds(zebra: Zebra, vrf: string | undefined, family: Family): string {
  const lines = vrfsOf(zebra, vrf).map(({ id, name }) => {
    const words = zebra.of(id).routerId.get(id, family);
    return `     router-id ${formatAddress(family, words)} vrf ${name}\n`;
  });
  return `zebra:\n${lines.join('')}`;
}
