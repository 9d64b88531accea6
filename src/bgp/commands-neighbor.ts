// `neighbor …` where it is about the neighbour itself and the session with it: a table row for each line. A row says what the
// line's words mean as a change of settings, and which fields a `no` takes back.
import { type Args, type Command, CommandError, config, fixedWords, type Siblings } from '../vty/index.ts';
import { parseAddress } from '../net/index.ts';
import type { BgpInstance } from './instance.ts';
import { type Bgp, instanceOf } from './bgp.ts';
import { dropSettings, layerOf, NEIGHBOR, NEIGHBOR_HELP, type Neighbor, neighborOf } from './commands-neighbor-line.ts';
import { SHUTDOWN_BYTES } from './wire/notification.ts';
import type { PeerSettings } from './settings.ts';

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

/** Linux takes no longer key (TCP_MD5SIG_MAXKEYLEN). */
const PASSWORD_BYTES = 80;

function checkedPassword(text: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes <= PASSWORD_BYTES) return text;
  throw new CommandError(`% A password has at most ${PASSWORD_BYTES} octets: this one has ${bytes}`);
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
  key: string = fixedWords(tail),
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

function parseAs(text: string): number | 'internal' | 'external' {
  if (text === 'internal' || text === 'external') return text;
  return Number(text);
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
  throw new CommandError(`% ${fixedWords(line)} is not supported: ${why}`);
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
  peerLine(
    'password LINE...$text',
    ['Set a password', 'The password'],
    args => ({ password: checkedPassword(args.text) }),
    ['password'],
  ),
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
];
