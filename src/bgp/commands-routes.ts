// What an instance makes of routes in an address family: its own ones, aggregates, how many paths, how far, which way to zebra.
import {
  addressBits,
  AF_INET,
  formatPrefix,
  isLinkLocal6,
  makePrefix,
  maskWord,
  parsePrefix,
  type Prefix,
} from '../net/index.ts';
import { type Args, type Command, CommandError, config } from '../vty/index.ts';
import type { AggregateSettings } from './aggregation.ts';
import { type Bgp, instanceOf } from './bgp.ts';
import { UNICAST_MODES, unicastAt } from './commands-neighbor-line.ts';
import { readIp4 } from './policy/commands-list.ts';
import { ORIGIN_EGP, ORIGIN_IGP, ORIGIN_INCOMPLETE } from './rib/index.ts';
import { FAMILY, type UnicastName } from './wire/family.ts';

function readPrefix(afi: UnicastName, text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined || prefix.family !== FAMILY[afi].shape) {
    throw new CommandError(`% Malformed prefix: ${text} is not of ${FAMILY[afi].title}`);
  }
  if (afi === 'ipv6' && isLinkLocal6(prefix.words)) {
    throw new CommandError(`% Malformed prefix (link-local address): ${text}`);
  }
  return prefix;
}

/** A network by its mask, or by the class that its address had before there were masks. */
function networkPrefix(address: string, mask: string | undefined): Prefix {
  const word = readIp4(address);
  if (mask === undefined) {
    if (word === 0) return makePrefix(AF_INET, [0, 0, 0, 0], 0);
    const length = word >>> 31 === 0 ? 8 : word >>> 30 === 2 ? 16 : word >>> 29 === 6 ? 24 : 0;
    if (length === 0) throw new CommandError(`% Inconsistent address and mask: ${address} is of no class`);
    return makePrefix(AF_INET, [word, 0, 0, 0], length);
  }
  const length = Math.clz32(~readIp4(mask));
  if (maskWord(length) !== readIp4(mask)) throw new CommandError(`% Inconsistent address and mask: ${mask} is no mask`);
  return makePrefix(AF_INET, [word, 0, 0, 0], length);
}

const AGGREGATE_TAIL =
  '[{as-set|summary-only|route-map WORD$map|origin <egp|igp|incomplete>$origin|matching-MED-only|suppress-map WORD$suppress}]';
const AGGREGATE_HELP = [
  'Generate AS set path information',
  'Filter more specific routes from updates',
  'Apply route map to aggregate network',
  'Route map name',
  'BGP origin code',
  'Remote EGP',
  'Local IGP',
  'Unknown heritage',
  'Only aggregate routes with matching MED',
  'Suppress the selected more specific routes',
  'Route map with the route selectors',
];
const ORIGINS = { igp: ORIGIN_IGP, egp: ORIGIN_EGP, incomplete: ORIGIN_INCOMPLETE };

type AggregateArgs = Args<`aggregate-address A.B.C.D/M$prefix ${typeof AGGREGATE_TAIL}`>;

function aggregateSettings(args: Omit<AggregateArgs, 'prefix'>): AggregateSettings {
  return {
    asSet: args['as-set'] === true,
    summaryOnly: args['summary-only'] === true,
    matchingMedOnly: args['matching-MED-only'] === true,
    origin: args.origin && ORIGINS[args.origin],
    map: args.map,
    suppressMap: args.suppress,
  };
}

/** The line as it is written, of what it stands for. */
function aggregateLine(prefix: Prefix, args: Omit<AggregateArgs, 'prefix'>): string {
  const words = [
    'aggregate-address',
    formatPrefix(prefix),
    args['as-set'] === true && 'as-set',
    args['summary-only'] === true && 'summary-only',
    args.map !== undefined && `route-map ${args.map}`,
    args.origin !== undefined && `origin ${args.origin}`,
    args['matching-MED-only'] === true && 'matching-MED-only',
    args.suppress !== undefined && `suppress-map ${args.suppress}`,
  ];
  return words.filter(Boolean).join(' ');
}

function checkAggregate(prefix: Prefix, args: Omit<AggregateArgs, 'prefix'>): void {
  if (prefix.length === addressBits(prefix.family)) {
    throw new CommandError(`% ${formatPrefix(prefix)} has nothing below it to be aggregated`);
  }
  if (args['summary-only'] === true && args.suppress !== undefined) {
    throw new CommandError("% 'summary-only' and 'suppress-map' can't be used at the same time");
  }
}

function maximumPaths(kind: 'ebgp' | 'ibgp'): Command<Bgp> {
  const words = kind === 'ebgp' ? 'maximum-paths' : 'maximum-paths ibgp';
  return config({
    mode: UNICAST_MODES,
    syntax: `${words} (1-256)$count`,
    help: ['Forward packets over multiple paths', ...(kind === 'ebgp' ? [] : ['iBGP-multipath']), 'Number of paths'],
    key: () => words,
    apply(bgp: Bgp, args, context) {
      instanceOf(bgp, context).setMaximumPaths(unicastAt(context), kind, args.count);
    },
    remove(bgp: Bgp, _, context) {
      instanceOf(bgp, context).setMaximumPaths(unicastAt(context), kind, 1);
    },
  });
}

export const routeCommands: readonly Command<Bgp>[] = [
  maximumPaths('ebgp'),
  maximumPaths('ibgp'),
  config({
    mode: UNICAST_MODES,
    syntax: 'distance bgp (1-255)$external (1-255)$internal (1-255)$local',
    help: [
      'Define an administrative distance',
      'BGP distance',
      'Distance for routes external to the AS',
      'Distance for routes internal to the AS',
      'Distance for local routes',
    ],
    key: () => 'distance bgp',
    apply(bgp: Bgp, args, context) {
      instanceOf(bgp, context).setDistance(unicastAt(context), args.external, args.internal, args.local);
    },
    remove(bgp: Bgp, _, context) {
      instanceOf(bgp, context).setDistance(unicastAt(context), 20, 200, 200);
    },
  }),
  config({
    mode: UNICAST_MODES,
    syntax: 'table-map WORD$name',
    help: ['BGP table to RIB route download filter', 'Name of the route map'],
    key: () => 'table-map',
    apply(bgp: Bgp, args, context) {
      instanceOf(bgp, context).family[unicastAt(context)].announcer.setTableMap(args.name);
    },
    remove(bgp: Bgp, _, context) {
      instanceOf(bgp, context).family[unicastAt(context)].announcer.setTableMap(undefined);
    },
  }),
  config({
    mode: UNICAST_MODES,
    syntax: 'network <A.B.C.D/M|X:X::X:X/M>$prefix [route-map WORD$map]',
    help: [
      'Specify a network to announce via BGP',
      'IPv4 prefix',
      'IPv6 prefix',
      'Route-map to modify the attributes',
      'Name of the route map',
    ],
    key: args => `network ${args.prefix}`,
    check: (args, context) => void readPrefix(unicastAt(context), args.prefix),
    apply(bgp: Bgp, args, context) {
      const afi = unicastAt(context);
      instanceOf(bgp, context).setNetwork(afi, readPrefix(afi, args.prefix), { map: args.map });
    },
    remove(bgp: Bgp, args, context) {
      const afi = unicastAt(context);
      instanceOf(bgp, context).setNetwork(afi, readPrefix(afi, args.prefix), undefined);
    },
  }),
  config({
    mode: UNICAST_MODES,
    syntax: 'network A.B.C.D$address [mask A.B.C.D$mask] [route-map WORD$map]',
    help: [
      'Specify a network to announce via BGP',
      'Network number',
      'Network mask',
      'Network mask',
      'Route-map to modify the attributes',
      'Name of the route map',
    ],
    key: args => `network ${args.address} ${args.mask}`,
    writes: ({ address, mask, map }) => [
      `network ${formatPrefix(networkPrefix(address, mask))}${map === undefined ? '' : ` route-map ${map}`}`,
    ],
    // It is written, and carried out, as the line above.
    apply() {},
    remove() {},
  }),
  config({
    mode: UNICAST_MODES,
    syntax: `aggregate-address <A.B.C.D/M|X:X::X:X/M>$prefix ${AGGREGATE_TAIL}`,
    help: ['Configure BGP aggregate entries', 'Aggregate prefix', 'Aggregate prefix', ...AGGREGATE_HELP],
    key: args => `aggregate-address ${args.prefix}`,
    writes: args => [aggregateLine(parsePrefix(args.prefix)!, args)],
    check: (args, context) => checkAggregate(readPrefix(unicastAt(context), args.prefix), args),
    apply(bgp: Bgp, args, context) {
      const afi = unicastAt(context);
      instanceOf(bgp, context).setAggregate(afi, readPrefix(afi, args.prefix), aggregateSettings(args));
    },
    remove(bgp: Bgp, args, context) {
      const afi = unicastAt(context);
      instanceOf(bgp, context).setAggregate(afi, readPrefix(afi, args.prefix), undefined);
    },
  }),
  config({
    mode: UNICAST_MODES,
    syntax: `aggregate-address A.B.C.D$address A.B.C.D$mask ${AGGREGATE_TAIL}`,
    help: ['Configure BGP aggregate entries', 'Aggregate address', 'Aggregate mask', ...AGGREGATE_HELP],
    key: args => `aggregate-address ${args.address} ${args.mask}`,
    writes: args => [aggregateLine(networkPrefix(args.address, args.mask), args)],
    // It is written, and carried out, as the line above.
    apply() {},
    remove() {},
  }),
  config({
    mode: UNICAST_MODES,
    syntax: 'redistribute <kernel|connected|static>$protocol [{metric (0-4294967295)$metric|route-map WORD$map}]',
    help: [
      'Redistribute information from another routing protocol',
      'Kernel routes (not installed via the zebra RIB)',
      'Connected routes (directly attached subnet or host)',
      'Statically configured routes',
      'Metric for redistributed routes',
      'Default metric',
      'Route map reference',
      'Pointer to route-map entries',
    ],
    key: args => `redistribute ${args.protocol}`,
    apply(bgp: Bgp, args, context) {
      instanceOf(bgp, context).setRedistribute(unicastAt(context), args.protocol, {
        metric: args.metric,
        map: args.map,
      });
    },
    remove(bgp: Bgp, args, context) {
      instanceOf(bgp, context).setRedistribute(unicastAt(context), args.protocol, undefined);
    },
  }),
];
