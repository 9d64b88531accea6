// `neighbor …` where it is about one address family: which routes go to the neighbour and come from it, and as what. A table row
// for each line, as in commands-neighbor.ts.
import { type Args, type Command, type CommandArgs, CommandError, config, fixedWords } from '../vty/index.ts';
import type { Bgp } from './bgp.ts';
import {
  dropSettings,
  FAMILY_MODES,
  familyAt,
  layerOf,
  NEIGHBOR,
  NEIGHBOR_HELP,
  type Neighbor,
  neighborOf,
} from './commands-neighbor-line.ts';
import type { PeerAfSettings } from './settings.ts';
import { FAMILY } from './wire/family.ts';

/** A line about one address family. */
function afLine<const Tail extends string>(
  tail: Tail,
  help: readonly string[],
  read: (args: Args<Neighbor<Tail>>) => PeerAfSettings,
  fields: readonly (keyof PeerAfSettings)[],
  key: (args: Args<Neighbor<Tail>>) => string = () => fixedWords(tail),
  writes?: (args: Args<Neighbor<Tail>>) => string,
  check?: (context: readonly CommandArgs[]) => void,
): Command<Bgp> {
  return config({
    mode: FAMILY_MODES,
    syntax: `${NEIGHBOR} ${tail}` as Neighbor<Tail>,
    help: [...NEIGHBOR_HELP, ...help],
    key: args => `${neighborOf(args)} ${key(args)}`,
    ...(check && { check: (_: unknown, context: readonly CommandArgs[]) => check(context) }),
    ...(writes && {
      writes: (args: Args<Neighbor<Tail>>): string[] => [`neighbor ${neighborOf(args)} ${writes(args)}`],
    }),
    apply(bgp: Bgp, args, context) {
      const { instance, layer } = layerOf(bgp, context, neighborOf(args));
      const af = layer.af[familyAt(context)];
      for (const field of fields) delete af[field];
      Object.assign(af, read(args));
      instance.peersChanged();
    },
    remove(bgp: Bgp, args, context) {
      dropSettings(bgp, context, neighborOf(args), layer => {
        for (const field of fields) delete layer.af[familyAt(context)][field];
      });
    },
  });
}

type ListWord = 'distribute-list' | 'prefix-list' | 'filter-list' | 'route-map';

const LIST_FIELDS: Readonly<Record<ListWord, Readonly<Record<'in' | 'out', keyof PeerAfSettings>>>> = {
  'distribute-list': { in: 'distributeListIn', out: 'distributeListOut' },
  'prefix-list': { in: 'prefixListIn', out: 'prefixListOut' },
  'filter-list': { in: 'filterListIn', out: 'filterListOut' },
  'route-map': { in: 'routeMapIn', out: 'routeMapOut' },
};

/** Lists of prefixes of which a neighbour has one in each direction. */
const EITHER: Readonly<Partial<Record<ListWord, ListWord>>> = {
  'distribute-list': 'prefix-list',
  'prefix-list': 'distribute-list',
};

/** A line with a direction: `prefix-list NAME in`. */
function listLine(word: ListWord, help: readonly string[]): Command<Bgp> {
  return config({
    mode: FAMILY_MODES,
    syntax: `${NEIGHBOR} ${word} WORD$name <in|out>$direction` as Neighbor<'route-map WORD$name <in|out>$direction'>,
    help: [...NEIGHBOR_HELP, ...help],
    key: args => `${args.neighbor} ${word} ${args.direction}`,
    check({ neighbor, name, direction }, _, lines) {
      const other = EITHER[word];
      const there = other === undefined ? undefined : lines.text(`${neighbor} ${other} ${direction}`);
      if (there === undefined) return;
      throw new CommandError(`% Prefix/distribute list can not co-exist: ${word} ${name} ${direction} with ${there}`);
    },
    apply(bgp: Bgp, args, context) {
      const { instance, layer } = layerOf(bgp, context, args.neighbor);
      Object.assign(layer.af[familyAt(context)], { [LIST_FIELDS[word][args.direction]]: args.name });
      instance.peersChanged();
    },
    remove(bgp: Bgp, args, context) {
      const field = LIST_FIELDS[word][args.direction];
      dropSettings(bgp, context, args.neighbor, layer => delete layer.af[familyAt(context)][field]);
    },
  });
}

/** Each kind of community is a setting of its own, whatever words name several of them. */
const COMMUNITY_KINDS = {
  standard: ['send-community'],
  extended: ['send-community extended'],
  large: ['send-community large'],
  both: ['send-community', 'send-community extended'],
  all: ['send-community', 'send-community extended', 'send-community large'],
} as const;
const COMMUNITY_FIELD = {
  standard: 'sendCommunity',
  extended: 'sendExtendedCommunity',
  large: 'sendLargeCommunity',
} as const;

/** The field of a line as it is written. */
function communityField(
  which: keyof typeof COMMUNITY_KINDS | undefined,
): (typeof COMMUNITY_FIELD)['standard' | 'extended' | 'large'] {
  if (which === 'both' || which === 'all') throw new Error(`send-community ${which} is written as several lines`);
  return COMMUNITY_FIELD[which ?? 'standard'];
}

/** `allowas-in` without a number. */
const ALLOW_AS_IN = 3;

/** The attributes of `attribute-unchanged`, in the order in which they are written; none named means all. */
const UNCHANGED = ['as-path', 'next-hop', 'med'] as const;

function unchanged(args: { [K in (typeof UNCHANGED)[number]]?: unknown }): string[] {
  return UNCHANGED.filter(name => args[name] !== undefined);
}

export const neighborFamilyCommands: readonly Command<Bgp>[] = [
  config({
    mode: FAMILY_MODES,
    syntax: 'neighbor <A.B.C.D|X:X::X:X|WORD>$neighbor activate',
    help: [...NEIGHBOR_HELP, 'Enable the Address Family for this Neighbor'],
    key: args => `${args.neighbor} activate`,
    keeps: 'both',
    apply(bgp: Bgp, args, context) {
      const { instance, layer } = layerOf(bgp, context, args.neighbor);
      layer.af[familyAt(context)].activate = true;
      instance.peersChanged();
    },
    remove(bgp: Bgp, args, context) {
      const { instance, layer } = layerOf(bgp, context, args.neighbor);
      layer.af[familyAt(context)].activate = false;
      instance.peersChanged();
    },
    reset(bgp: Bgp, args, context) {
      dropSettings(bgp, context, args.neighbor, layer => delete layer.af[familyAt(context)].activate);
    },
  }),
  afLine(
    'next-hop-self [force]',
    ['Disable the next hop calculation for this neighbor', 'Set the next hop to self for reflected routes'],
    args => ({ nextHopSelf: args.force === true ? 'force' : true }),
    ['nextHopSelf'],
  ),
  afLine('route-server-client', ['Configure a neighbor as Route Server client'], () => ({ routeServerClient: true }), [
    'routeServerClient',
  ]),
  afLine(
    'route-reflector-client',
    ['Configure a neighbor as Route Reflector client'],
    () => ({ routeReflectorClient: true }),
    ['routeReflectorClient'],
  ),
  config({
    mode: FAMILY_MODES,
    syntax: 'neighbor <A.B.C.D|X:X::X:X|WORD>$neighbor send-community [<standard|extended|large|both|all>$which]',
    help: [
      ...NEIGHBOR_HELP,
      'Send Community attribute to this neighbor',
      'Send Standard Community attributes',
      'Send Extended Community attributes',
      'Send Large Community attributes',
      'Send Standard and Extended Community attributes',
      'Send Standard, Large and Extended Community attributes',
    ],
    // All kinds are sent unless told otherwise, so only the negative form says anything.
    keeps: 'negative',
    key: args => `${args.neighbor} send-community ${args.which ?? 'standard'}`,
    writes: ({ neighbor, which }) => COMMUNITY_KINDS[which ?? 'standard'].map(kind => `neighbor ${neighbor} ${kind}`),
    apply(bgp: Bgp, { neighbor, which }, context) {
      const field = communityField(which);
      dropSettings(bgp, context, neighbor, layer => delete layer.af[familyAt(context)][field]);
    },
    remove(bgp: Bgp, { neighbor, which }, context) {
      const { instance, layer } = layerOf(bgp, context, neighbor);
      layer.af[familyAt(context)][communityField(which)] = false;
      instance.peersChanged();
    },
  }),
  listLine('distribute-list', [
    'Filter updates to/from this neighbor',
    'IP Access-list name',
    'Filter incoming updates',
    'Filter outgoing updates',
  ]),
  listLine('prefix-list', [
    'Filter updates to/from this neighbor',
    'Name of a prefix list',
    'Filter incoming updates',
    'Filter outgoing updates',
  ]),
  listLine('filter-list', [
    'Establish BGP filters',
    'AS path access-list name',
    'Filter incoming routes',
    'Filter outgoing routes',
  ]),
  listLine('route-map', [
    'Apply route map to neighbor',
    'Name of route map',
    'Apply map to incoming routes',
    'Apply map to outbound routes',
  ]),
  afLine(
    'unsuppress-map WORD$map',
    ['Route-map to selectively unsuppress suppressed routes', 'Name of route map'],
    args => ({ unsuppressMap: args.map }),
    ['unsuppressMap'],
  ),
  afLine(
    'soft-reconfiguration inbound',
    ['Per neighbor soft reconfiguration', 'Allow inbound soft reconfiguration for this neighbor'],
    () => ({ softReconfiguration: true }),
    ['softReconfiguration'],
  ),
  afLine(
    'default-originate [route-map WORD$map]',
    [
      'Originate default route to this neighbor',
      'Route-map to specify criteria to originate default',
      'route-map name',
    ],
    args => ({ defaultOriginate: true, ...(args.map !== undefined && { defaultOriginateMap: args.map }) }),
    ['defaultOriginate', 'defaultOriginateMap'],
    undefined,
    undefined,
    // Of memberships, the default one asks for everything. A VPN's default route would need a distinguisher, targets, a label.
    context => {
      const { vpn, words } = FAMILY[familyAt(context)];
      if (vpn) throw new CommandError(`% default-originate is not for address family ${words}`);
    },
  ),
  afLine(
    'maximum-prefix (1-4294967295)$count [(1-100)$threshold] [<warning-only|restart (1-65535)$restart>] [force]',
    [
      'Maximum number of prefix accept from this peer',
      'maximum no. of prefix limit',
      'Threshold value (%) at which to generate a warning msg',
      'Only give warning message when limit is exceeded',
      'Restart bgp connection after limit is exceeded',
      'Restart interval in minutes',
      'Force checking all received routes not only accepted',
    ],
    args => ({
      maximumPrefix: args.count,
      maximumPrefixThreshold: args.threshold ?? 75,
      maximumPrefixWarningOnly: args['warning-only'] === true,
      maximumPrefixForce: args.force === true,
      ...(args.restart === undefined ? {} : { maximumPrefixRestartMin: args.restart }),
    }),
    [
      'maximumPrefix',
      'maximumPrefixThreshold',
      'maximumPrefixWarningOnly',
      'maximumPrefixForce',
      'maximumPrefixRestartMin',
    ],
  ),
  afLine(
    'maximum-prefix-out (1-4294967295)$count',
    ['Maximum number of prefixes to be sent to this peer', 'Maximum no. of prefix limit'],
    args => ({ maximumPrefixOut: args.count }),
    ['maximumPrefixOut'],
  ),
  afLine(
    'allowas-in [<(1-10)|origin>$which]',
    [
      'Accept as-path with my AS present in it',
      'Number of occurrences of AS number',
      'Only accept my AS in the as-path if the route was originated in my AS',
    ],
    ({ which }) => (which === 'origin' ? { allowAsInOrigin: true } : { allowAsIn: which ?? ALLOW_AS_IN }),
    ['allowAsIn', 'allowAsInOrigin'],
    () => 'allowas-in',
    ({ which }) => `allowas-in${which === undefined || which === ALLOW_AS_IN ? '' : ` ${which}`}`,
  ),
  afLine(
    'as-override',
    ['Override ASNs in outbound updates if aspath equals remote-as'],
    () => ({ asOverride: true }),
    ['asOverride'],
  ),
  afLine(
    'remove-private-AS [all] [replace-AS]',
    [
      'Remove private ASNs in outbound updates',
      'Apply to all AS numbers',
      'Replace private ASNs with our ASN in outbound updates',
    ],
    args => {
      const replace = args['replace-AS'] === true;
      if (args.all === true) return { removePrivateAs: replace ? 'replace' : 'all' };
      return { removePrivateAs: replace ? 'replace-if-only' : 'if-only' };
    },
    ['removePrivateAs'],
  ),
  afLine(
    'weight (0-65535)$weight',
    ['Set default weight for routes from this neighbor', 'default weight'],
    args => ({ weight: args.weight }),
    ['weight'],
  ),
  afLine('disable-addpath-rx', ['Do not accept additional paths'], () => ({ disableAddPathRx: true }), [
    'disableAddPathRx',
  ]),
  afLine(
    'addpath-tx-all-paths',
    ['Use addpath to advertise all paths to a neighbor'],
    () => ({ addPathTx: 'all' }),
    ['addPathTx'],
    () => 'addpath-tx',
  ),
  afLine(
    'addpath-tx-bestpath-per-AS',
    ['Use addpath to advertise the bestpath per each neighboring AS'],
    () => ({ addPathTx: 'best-per-as' }),
    ['addPathTx'],
    () => 'addpath-tx',
  ),
  afLine(
    'attribute-unchanged [{as-path|next-hop|med}]',
    [
      'BGP attribute is propagated unchanged to this neighbor',
      'As-path attribute',
      'Nexthop attribute',
      'Med attribute',
    ],
    args => {
      const all = unchanged(args).length === 0;
      return {
        ...((all || args['as-path'] === true) && { asPathUnchanged: true }),
        ...((all || args['next-hop'] === true) && { nextHopUnchanged: true }),
        ...((all || args.med === true) && { medUnchanged: true }),
      };
    },
    ['asPathUnchanged', 'nextHopUnchanged', 'medUnchanged'],
    () => 'attribute-unchanged',
    args => ['attribute-unchanged', ...(unchanged(args).length === 0 ? UNCHANGED : unchanged(args))].join(' '),
  ),
];
