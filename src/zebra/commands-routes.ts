// The lines of `show ip route` and `show ipv6 route`.
import { AF_INET, AF_INET6, type Family } from '../net/index.ts';
import { type Command, CommandError, exec, formatJson } from '../vty/index.ts';
import { IP, IPV6, JSON_HELP, readPrefix, SHOW, VRF_HELP, vrfsOf } from './commands-lib.ts';
import { routeTypeByName } from './route-type.ts';
import { routeCodes, type RouteFilter, showRoute, showRouteJson, showRoutes, showRoutesJson } from './show/route.ts';
import { showSummary, showSummaryJson } from './show/summary.ts';
import type { Zebra } from './zebra.ts';

function typeNumber(name: string): number {
  const type = routeTypeByName(name);
  if (type === undefined) throw new CommandError(`% Unknown route type: ${name}`);
  return type.number;
}

interface VrfArgs {
  /** A name, or `all`. */
  readonly vrf?: string | undefined;
  readonly json?: unknown;
}

function oneRoute(zebra: Zebra, args: VrfArgs & { address?: string; prefix?: string }): string | object {
  const exact = args.prefix !== undefined;
  const prefix = readPrefix((args.prefix ?? args.address)!);
  const all = vrfsOf(zebra, args.vrf);
  if (args.json === undefined) return all.map(({ id }) => showRoute(zebra.of(id), id, prefix, exact)).join('');
  return Object.assign({}, ...all.map(({ id }) => showRouteJson(zebra.of(id), id, prefix, exact))) as object;
}

function summary(zebra: Zebra, args: VrfArgs, family: Family): string {
  return vrfsOf(zebra, args.vrf)
    .map(({ id }) =>
      args.json === undefined
        ? showSummary(zebra.of(id), id, family)
        : formatJson(showSummaryJson(zebra.of(id), id, family)),
    )
    .join('');
}

function* routes(zebra: Zebra, args: VrfArgs, family: Family, filter: RouteFilter): Generator<string> {
  let codes = routeCodes(family);
  for (const { id, name } of vrfsOf(zebra, args.vrf)) {
    if (args.json !== undefined) yield* showRoutesJson(zebra.of(id), id, family, filter);
    else {
      const head = args.vrf === undefined ? codes : `${codes}VRF ${name}:\n`;
      for (const text of showRoutes(zebra.of(id), id, family, filter, head)) {
        yield text;
        // The codes are explained once; what follows is set off.
        if (text !== '') codes = '\n';
      }
    }
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

/** The lines of one address family. */
function routeLines(family: Family): readonly Command<Zebra>[] {
  const v4 = family === AF_INET;
  const route = v4 ? 'show ip route [vrf WORD$vrf]' : 'show ipv6 route [vrf WORD$vrf]';
  const address = v4 ? 'A.B.C.D' : 'X:X::X:X';
  const ip = v4 ? 'IP' : 'IPv6';
  const help = [SHOW, v4 ? IP : IPV6, `${ip} routing table`, ...VRF_HELP];
  return [
    exec({
      syntax: `${route} [json]`,
      help: [...help, JSON_HELP],
      run: (zebra: Zebra, args) => routes(zebra, args, family, {}),
    }),
    exec({
      syntax: `${route} <${address}$address|${address}/M$prefix> [json]`,
      help: [...help, `Network in the ${ip} routing table`, `${ip} prefix`, JSON_HELP],
      run: (zebra: Zebra, args) => oneRoute(zebra, args),
    }),
    exec({
      syntax: `${route} ${address}/M$prefix longer-prefixes [json]`,
      help: [...help, `${ip} prefix`, 'Show this prefix and all longer ones', JSON_HELP],
      run: (zebra: Zebra, args) => routes(zebra, args, family, { inside: readPrefix(args.prefix) }),
    }),
    exec({
      syntax: `${route} <kernel|connected|static|bgp|${v4 ? 'ospf' : 'ospf6'}|isis>$protocol [json]`,
      help: [...help, ...TYPE_HELP, JSON_HELP],
      run: (zebra: Zebra, args) => routes(zebra, args, family, { type: typeNumber(args.protocol) }),
    }),
    exec({
      syntax: `${route} summary [json]`,
      help: [...help, 'Summary of all routes', JSON_HELP],
      run: (zebra: Zebra, args) => summary(zebra, args, family),
    }),
  ];
}

export const routeCommands: readonly Command<Zebra>[] = [...routeLines(AF_INET), ...routeLines(AF_INET6)];
