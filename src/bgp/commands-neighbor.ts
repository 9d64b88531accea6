// `neighbor …`: one table row for each line. A row says what the line's words mean as a change of settings, and which
// fields a `no` takes back; who the neighbour is (an address or a peer group) and in which address family the line
// stands is the same for all rows.
import { type Args, type Command, CommandError, type CommandArgs, config, type Siblings } from '../vty/index.ts';
import { parseAddress } from '../net/index.ts';
import type { BgpInstance } from './instance.ts';
import { type Bgp, instanceOf } from './bgp.ts';
import { SHUTDOWN_BYTES } from './wire/notification.ts';
import { type Afi, type PeerAfSettings, type PeerSettings, type SettingsLayer } from './settings.ts';

const NEIGHBOR = 'neighbor <A.B.C.D|X:X::X:X|WORD>$neighbor';
const NEIGHBOR_HELP = ['Specify neighbor router', 'Neighbor address', 'Neighbor IPv6 address', 'Neighbor tag'];

type Neighbor<Tail extends string> = `${typeof NEIGHBOR} ${Tail}`;

/** RFC 4271 §4.2. */
export function badHoldTime(holdS: number): string {
  return `% hold time value must be either 0 or at least 3: ${holdS}`;
}

/** RFC 9003 §2. */
export function shutdownMessage(text: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes <= SHUTDOWN_BYTES) return text;
  throw new CommandError(`% Shutdown message size exceeded ${SHUTDOWN_BYTES}: it has ${bytes} octets`);
}

/** The words of a line that say which setting it is: those before the first variable or bracket. */
function setting(tail: string): string {
  return tail.split(/ ?(?=[A-Z(<[])/)[0]!;
}

function neighborOf(args: unknown): string {
  return (args as { neighbor: string }).neighbor;
}

/** The address family of a line is its block's. What is typed in the router's block itself has been put into IPv4's. */
export function afiOf(context: readonly CommandArgs[]): Afi {
  return context[1]!['afi'] as Afi;
}

/** The settings that a line is about; the neighbour or group must be there. */
function layerOf(
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
function dropSettings(
  bgp: Bgp,
  context: readonly CommandArgs[],
  neighbor: string,
  drop: (layer: SettingsLayer) => void,
): void {
  const instance = instanceOf(bgp, context);
  drop(instance.own(neighbor));
  instance.peersChanged();
}

/** A line about the session. `read` gives the fields it sets, `fields` are those that its `no` clears. */
function peerLine<const Tail extends string>(
  tail: Tail,
  help: readonly string[],
  read: (args: Args<Neighbor<Tail>>) => PeerSettings,
  fields: readonly (keyof PeerSettings)[],
  /** Throws where the line does not go with what is said of the neighbour already. */
  fits: (settings: PeerSettings, instance: BgpInstance) => void = () => {},
  /** Where several lines are about one setting. */
  key: string = setting(tail),
): Command<Bgp> {
  return config({
    mode: 'router-bgp',
    syntax: `${NEIGHBOR} ${tail}` as Neighbor<Tail>,
    help: [...NEIGHBOR_HELP, ...help],
    key: args => `${neighborOf(args)} ${key}`,
    check: args => void read(args),
    apply(bgp: Bgp, args, context) {
      const { instance, layer } = layerOf(bgp, context, neighborOf(args));
      fits({ ...instance.peers.get(neighborOf(args))?.group?.own.peer, ...layer.peer }, instance);
      for (const field of fields) delete layer.peer[field];
      Object.assign(layer.peer, read(args));
      instance.peersChanged();
    },
    remove(bgp: Bgp, args, context) {
      dropSettings(bgp, context, neighborOf(args), layer => {
        for (const field of fields) delete layer.peer[field];
      });
    },
  });
}

/** A line about one address family. */
function afLine<const Tail extends string>(
  tail: Tail,
  help: readonly string[],
  read: (args: Args<Neighbor<Tail>>) => PeerAfSettings,
  fields: readonly (keyof PeerAfSettings)[],
  key: (args: Args<Neighbor<Tail>>) => string = () => setting(tail),
  writes?: (args: Args<Neighbor<Tail>>) => string,
): Command<Bgp> {
  return config({
    mode: ['address-family', 'router-bgp'],
    syntax: `${NEIGHBOR} ${tail}` as Neighbor<Tail>,
    help: [...NEIGHBOR_HELP, ...help],
    key: args => `${neighborOf(args)} ${key(args)}`,
    ...(writes && {
      writes: (args: Args<Neighbor<Tail>>): string[] => [`neighbor ${neighborOf(args)} ${writes(args)}`],
    }),
    apply(bgp: Bgp, args, context) {
      const { instance, layer } = layerOf(bgp, context, neighborOf(args));
      const af = layer.af[afiOf(context)];
      for (const field of fields) delete af[field];
      Object.assign(af, read(args));
      instance.peersChanged();
    },
    remove(bgp: Bgp, args, context) {
      dropSettings(bgp, context, neighborOf(args), layer => {
        for (const field of fields) delete layer.af[afiOf(context)][field];
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
    mode: ['address-family', 'router-bgp'],
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
      Object.assign(layer.af[afiOf(context)], { [LIST_FIELDS[word][args.direction]]: args.name });
      instance.peersChanged();
    },
    remove(bgp: Bgp, args, context) {
      const field = LIST_FIELDS[word][args.direction];
      dropSettings(bgp, context, args.neighbor, layer => delete layer.af[afiOf(context)][field]);
    },
  });
}

function parseAs(text: string): number | 'internal' | 'external' {
  if (text === 'internal' || text === 'external') return text;
  return Number(text);
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

/** Those whose group this is. */
function membersOf(group: string, lines: Siblings): string[] {
  if (lines.text(`${group} peer-group`) !== `neighbor ${group} peer-group`) return [];
  const members: string[] = [];
  for (const text of lines.texts()) {
    const [word, name, what, of] = text.split(' ');
    if (word === 'neighbor' && what === 'peer-group' && of === group) members.push(name!);
  }
  return members;
}

function groupOf(neighbor: string, lines: Siblings): string | undefined {
  return lines.text(`${neighbor} peer-group`)?.split(' ')[3];
}

/** The ranges whose neighbours are of this group. */
function rangesOf(group: string, lines: Siblings): string[] {
  return [...lines.texts()].filter(
    text => text.startsWith('bgp listen range ') && text.endsWith(` peer-group ${group}`),
  );
}

/** All that is said of a neighbour; of a group, of its members too. */
function allOf(name: string, lines: Siblings): string[] {
  return [name, ...membersOf(name, lines)].map(one => `neighbor ${one}`);
}

/** Lines of FRR's that ask for what is not here, or would change nothing: who types them is told so. */
const REFUSED: readonly { readonly tail: string; readonly help: readonly string[]; readonly why: string }[] = [
  {
    tail: 'capability dynamic',
    help: ['Advertise capability to the peer', 'Advertise dynamic capability to this neighbor'],
    why: 'capabilities are said in OPEN, and change with the next session',
  },
  {
    tail: 'capability orf prefix-list <both|send|receive>$way',
    help: [
      'Advertise capability to the peer',
      'Advertise ORF capability to the peer',
      'Advertise prefixlist ORF capability to this neighbor',
      'Capability to SEND and RECEIVE the ORF to/from this neighbor',
      'Capability to SEND the ORF to this neighbor',
      'Capability to RECEIVE the ORF from this neighbor',
    ],
    why: 'outbound route filters (RFC 5291) are not spoken; a policy of the neighbor does the same',
  },
  {
    tail: 'override-capability',
    help: ['Override capability negotiation result'],
    why: 'what a neighbor did not say it can do, it is not sent',
  },
];

function refuse(line: string, why: string): never {
  throw new CommandError(`% ${setting(line)} is not supported: ${why}`);
}

export const neighborCommands: readonly Command<Bgp>[] = [
  config({
    mode: 'router-bgp',
    syntax: 'neighbor WORD$name peer-group',
    help: ['Specify neighbor router', 'Neighbor tag', 'Configure peer-group'],
    key: args => `${args.name} peer-group`,
    takes: (args, lines) => [...allOf(args.name, lines), ...rangesOf(args.name, lines)],
    check({ name }) {
      if (parseAddress(name) !== undefined)
        throw new CommandError(`% A peer-group has a name, not an address: ${name}`);
    },
    apply(bgp: Bgp, args, context) {
      instanceOf(bgp, context).addGroup(args.name);
    },
    remove(bgp: Bgp, args, context) {
      instanceOf(bgp, context).removeGroup(args.name);
    },
  }),
  config({
    mode: 'router-bgp',
    syntax: 'neighbor <A.B.C.D|X:X::X:X|WORD>$neighbor remote-as <(1-4294967295)|internal|external>$as',
    help: [...NEIGHBOR_HELP, 'Specify a BGP neighbor', 'AS number', 'Internal BGP peer', 'External BGP peer'],
    key: args => `${args.neighbor} remote-as`,
    no: ['neighbor <A.B.C.D|X:X::X:X|WORD>$neighbor'],
    // Without it there is no neighbour, and a group has none that get their AS from it.
    takes(args, lines) {
      const { neighbor } = args;
      const group = lines.text(`${neighbor} peer-group`) === `neighbor ${neighbor} peer-group`;
      return group ? membersOf(neighbor, lines).map(one => `neighbor ${one}`) : allOf(neighbor, lines);
    },
    check({ neighbor }, _, lines) {
      const group = groupOf(neighbor, lines);
      if (group !== undefined && lines.text(`${group} remote-as`) !== undefined) {
        throw new CommandError(
          `% Peer-group member cannot override remote-as of peer-group: ${neighbor} is in ${group}`,
        );
      }
    },
    replaces: (args, lines) => membersOf(args.neighbor, lines).map(one => `${one} remote-as`),
    apply(bgp: Bgp, args, context) {
      instanceOf(bgp, context).setRemoteAs(args.neighbor, parseAs(String(args.as)));
    },
    remove(bgp: Bgp, args, context) {
      instanceOf(bgp, context).setRemoteAs(args.neighbor, undefined);
    },
  }),
  config({
    mode: 'router-bgp',
    syntax: 'neighbor <A.B.C.D|X:X::X:X>$neighbor peer-group WORD$group',
    help: [...NEIGHBOR_HELP.slice(0, 3), 'Member of the peer-group', 'Peer-group name'],
    key: args => `${args.neighbor} peer-group`,
    takes: (args, lines) => allOf(args.neighbor, lines),
    check({ neighbor, group }, _, lines) {
      const now = groupOf(neighbor, lines);
      if (now !== undefined && now !== group) {
        throw new CommandError(
          `% Cannot change the peer-group of ${neighbor} from ${now} to ${group}. Deconfigure first`,
        );
      }
    },
    replaces: (args, lines) =>
      lines.text(`${args.group} remote-as`) === undefined ? [] : [`${args.neighbor} remote-as`],
    apply(bgp: Bgp, args, context) {
      instanceOf(bgp, context).setGroup(args.neighbor, args.group);
    },
    remove(bgp: Bgp, args, context) {
      instanceOf(bgp, context).setGroup(args.neighbor, undefined);
    },
  }),
  config({
    mode: 'router-bgp',
    syntax:
      'neighbor WORD$name interface [v6only] [<remote-as <(1-4294967295)|internal|external>$as|peer-group WORD$group>]',
    help: [
      'Specify neighbor router',
      'Interface name or neighbor tag',
      'Enable BGP on interface',
      'Enable BGP with v6 link-local only',
      'Specify a BGP neighbor',
      'AS number',
      'Internal BGP peer',
      'External BGP peer',
      'Member of the peer-group',
      'Peer-group name',
    ],
    key: args => `${args.name} interface`,
    no: ['neighbor WORD$name interface'],
    takes: args => [`neighbor ${args.name}`],
    check({ name, group }, _, lines) {
      if (parseAddress(name) !== undefined)
        throw new CommandError(`% An interface has a name, not an address: ${name}`);
      if (lines.text(`${name} peer-group`) !== undefined) throw new CommandError(`% Peer-group ${name} exists already`);
      if (group !== undefined && lines.text(`${group} peer-group`) !== `neighbor ${group} peer-group`) {
        throw new CommandError(`% Configure the peer-group first: ${group}`);
      }
    },
    apply(bgp: Bgp, { name, as, group }, context) {
      const instance = instanceOf(bgp, context);
      instance.setUnnumbered(name, true);
      if (as !== undefined) instance.setRemoteAs(name, parseAs(String(as)));
      if (group !== undefined) instance.setGroup(name, group);
    },
    remove(bgp: Bgp, { name }, context) {
      const instance = instanceOf(bgp, context);
      instance.setUnnumbered(name, false);
      instance.setRemoteAs(name, undefined);
    },
  }),
  peerLine(
    'description LINE...$text',
    ['Neighbor specific description', 'Up to 80 characters describing this neighbor'],
    args => ({ description: args.text }),
    ['description'],
  ),
  peerLine('password LINE...$text', ['Set a password', 'The password'], args => ({ password: args.text }), [
    'password',
  ]),
  peerLine(
    'timers (0-65535)$keepalive (0-65535)$hold',
    ['BGP per neighbor timers', 'Keepalive interval', 'Holdtime'],
    args => {
      if (args.hold === 1 || args.hold === 2) throw new CommandError(badHoldTime(args.hold));
      return { keepaliveS: args.keepalive, holdTimeS: args.hold };
    },
    ['keepaliveS', 'holdTimeS'],
  ),
  peerLine(
    'timers connect (1-65535)$seconds',
    ['BGP per neighbor timers', 'BGP connect timer', 'Connect timer'],
    args => ({ connectRetryS: args.seconds }),
    ['connectRetryS'],
  ),
  peerLine(
    'timers delayopen (1-240)$seconds',
    ['BGP per neighbor timers', 'RFC 4271 DelayOpenTimer', 'DelayOpenTime timer interval'],
    args => ({ delayOpenS: args.seconds }),
    ['delayOpenS'],
  ),
  peerLine(
    'update-source <A.B.C.D|X:X::X:X|WORD>$source',
    ['Source of routing updates', 'IPv4 address', 'IPv6 address', 'Interface name (requires zebra to be running)'],
    args => ({ updateSource: args.source }),
    ['updateSource'],
  ),
  config({
    mode: 'router-bgp',
    syntax: 'neighbor <A.B.C.D|X:X::X:X>$neighbor interface WORD$name',
    help: [...NEIGHBOR_HELP.slice(0, 3), 'Interface', 'Interface name'],
    key: args => `${args.neighbor} interface`,
    apply(bgp: Bgp, args, context) {
      const { instance, layer } = layerOf(bgp, context, args.neighbor);
      layer.peer.interface = args.name;
      instance.peersChanged();
    },
    remove(bgp: Bgp, args, context) {
      dropSettings(bgp, context, args.neighbor, layer => delete layer.peer.interface);
    },
  }),
  peerLine(
    'ebgp-multihop [(1-255)$hops]',
    ['Allow EBGP neighbors not on directly connected networks', 'maximum hop count'],
    args => ({ ebgpMultihop: args.hops ?? 255 }),
    ['ebgpMultihop'],
  ),
  peerLine(
    'ttl-security hops (1-254)$hops',
    ['BGP ttl-security parameters', 'Specify the maximum number of hops to the BGP peer', 'Number of hops to BGP peer'],
    args => ({ ttlSecurityHops: args.hops }),
    ['ttlSecurityHops'],
  ),
  peerLine('passive', ["Don't send open messages to this neighbor"], () => ({ passive: true }), ['passive']),
  peerLine(
    'shutdown [message LINE...$text]',
    ['Administratively shut down this neighbor', 'Add a shutdown message (RFC 9003)', 'Shutdown message'],
    args => ({ shutdown: true, ...(args.text !== undefined && { shutdownMessage: shutdownMessage(args.text) }) }),
    ['shutdown', 'shutdownMessage'],
  ),
  peerLine('port (0-65535)$port', ["Neighbor's BGP port", 'TCP port number'], args => ({ port: args.port }), ['port']),
  peerLine(
    'local-as (1-4294967295)$as [no-prepend [replace-as]]',
    [
      'Specify a local-as number',
      'AS number used as local AS',
      'Do not prepend local-as to updates from ebgp peers',
      'Do not prepend local-as to updates from ibgp peers',
    ],
    args => ({
      localAs: args.as,
      localAsNoPrepend: args['no-prepend'] === true,
      localAsReplace: args['replace-as'] === true,
    }),
    ['localAs', 'localAsNoPrepend', 'localAsReplace'],
  ),
  peerLine(
    'advertisement-interval (0-600)$seconds',
    ['Minimum interval between sending BGP routing updates', 'time in seconds'],
    args => ({ advertisementIntervalS: args.seconds }),
    ['advertisementIntervalS'],
  ),
  peerLine(
    'disable-connected-check',
    ['one-hop away EBGP peer using loopback address'],
    () => ({ disableConnectedCheck: true }),
    ['disableConnectedCheck'],
  ),
  peerLine(
    'capability extended-nexthop',
    ['Advertise capability to the peer', 'Advertise extended next-hop capability to the peer'],
    () => ({ extendedNextHop: true }),
    ['extendedNextHop'],
  ),
  peerLine('enforce-first-as', ['Enforce the first AS for EBGP routes'], () => ({ enforceFirstAs: true }), [
    'enforceFirstAs',
  ]),
  peerLine(
    'dont-capability-negotiate',
    ['Do not perform capability negotiation'],
    () => ({ dontCapabilityNegotiate: true }),
    ['dontCapabilityNegotiate'],
  ),
  peerLine(
    'extended-optional-parameters',
    ['Force the extended optional parameters format for OPEN messages'],
    () => ({ extendedParameters: true }),
    ['extendedParameters'],
  ),
  peerLine(
    'local-role <provider|rs-server|rs-client|customer|peer>$role [strict-mode]',
    [
      'Set session role',
      'We are the provider of the neighbor',
      'We are a route server of the neighbor',
      'We are a client of the route server',
      'We are a customer of the neighbor',
      'We are peers',
      'Refuse a neighbor that says no role',
    ],
    args => ({ localRole: args.role, strictRole: args['strict-mode'] === true }),
    ['localRole', 'strictRole'],
    ({ remoteAs, localAs }, { as }) => {
      if (remoteAs === 'internal' || remoteAs === (localAs ?? as))
        throw new CommandError('% External roles can be set only on eBGP session');
    },
  ),
  peerLine('solo', ['Solo peer - part of its own update group'], () => ({ solo: true }), ['solo']),
  ...REFUSED.map(({ tail, help, why }) => peerLine(tail, help, () => refuse(tail, why), [])),
  ...(
    [
      ['graceful-restart', 'Graceful restart of either side', 'restart'],
      ['graceful-restart-helper', 'Graceful restart of the neighbor only', 'helper'],
      ['graceful-restart-disable', 'Graceful restart disable command', 'disable'],
    ] as const
  ).map(([tail, help, mode]) =>
    peerLine(
      tail,
      [help],
      () => ({ gracefulRestart: mode }),
      ['gracefulRestart'],
      () => {},
      'graceful restart',
    ),
  ),
  config({
    mode: ['address-family', 'router-bgp'],
    syntax: 'neighbor <A.B.C.D|X:X::X:X|WORD>$neighbor activate',
    help: [...NEIGHBOR_HELP, 'Enable the Address Family for this Neighbor'],
    key: args => `${args.neighbor} activate`,
    keeps: 'both',
    apply(bgp: Bgp, args, context) {
      const { instance, layer } = layerOf(bgp, context, args.neighbor);
      layer.af[afiOf(context)].activate = true;
      instance.peersChanged();
    },
    remove(bgp: Bgp, args, context) {
      const { instance, layer } = layerOf(bgp, context, args.neighbor);
      layer.af[afiOf(context)].activate = false;
      instance.peersChanged();
    },
    reset(bgp: Bgp, args, context) {
      dropSettings(bgp, context, args.neighbor, layer => delete layer.af[afiOf(context)].activate);
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
    mode: ['address-family', 'router-bgp'],
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
      dropSettings(bgp, context, neighbor, layer => delete layer.af[afiOf(context)][field]);
    },
    remove(bgp: Bgp, { neighbor, which }, context) {
      const { instance, layer } = layerOf(bgp, context, neighbor);
      layer.af[afiOf(context)][communityField(which)] = false;
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
