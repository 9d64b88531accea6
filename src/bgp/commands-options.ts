// An instance's own settings, as lines of its block.
import {
  AF_INET6,
  equalPrefix,
  formatIp4,
  formatPrefix,
  isLinkLocal6,
  parsePrefix,
  type Prefix,
} from '../net/index.ts';
import { type Args, type Command, CommandError, config, fixedWords } from '../vty/index.ts';
import { type Bgp, instanceOf } from './bgp.ts';
import { badHoldTime, shutdownMessage } from './commands-neighbor.ts';
import { defaultOptions, type InstanceOptions } from './instance-options.ts';
import { overlap } from './listen-range.ts';
import { readIp4 } from './policy/commands-list.ts';
import { type RestartMode } from './settings.ts';

const BGP = 'BGP specific commands';

const INITIAL: InstanceOptions = defaultOptions();

/** They are as they were before anything was said. */
function initially(...fields: readonly (keyof InstanceOptions)[]): (options: InstanceOptions) => void {
  return options => {
    for (const field of fields) Object.assign(options, { [field]: INITIAL[field] });
  };
}

/** A line that is one option of the instance. */
function optionLine<const Syntax extends string>(
  syntax: Syntax,
  help: readonly string[],
  set: (options: InstanceOptions, args: Args<Syntax>) => void,
  unset: (options: InstanceOptions) => void,
  keeps: 'positive' | 'negative' = 'positive',
  writes?: (args: Args<Syntax>) => readonly string[],
  /** Where several lines are about one setting. */
  key: string = fixedWords(syntax),
): Command<Bgp> {
  return config({
    mode: 'router-bgp',
    syntax,
    help,
    keeps,
    key: () => key,
    ...(writes && { writes }),
    apply(bgp: Bgp, args, context) {
      const instance = instanceOf(bgp, context);
      set(instance.options, args);
      instance.optionsChanged();
    },
    remove(bgp: Bgp, _, context) {
      const instance = instanceOf(bgp, context);
      unset(instance.options);
      instance.optionsChanged();
    },
  });
}

type Flag = { [K in keyof InstanceOptions]-?: InstanceOptions[K] extends boolean ? K : never }[keyof InstanceOptions];

function flagLine(
  syntax: string,
  help: readonly string[],
  flag: Flag,
  keeps: 'positive' | 'negative' = 'positive',
): Command<Bgp> {
  return optionLine(
    syntax,
    help,
    options => {
      options[flag] = true;
    },
    options => {
      options[flag] = false;
    },
    keeps,
  );
}

type Seconds = { [K in keyof InstanceOptions]-?: InstanceOptions[K] extends number ? K : never }[keyof InstanceOptions];

/** A line that is a number of seconds, and nothing else. */
function secondsLine(syntax: `${string}$seconds`, help: readonly string[], option: Seconds): Command<Bgp> {
  return optionLine(
    syntax,
    help,
    (options, args) => {
      options[option] = Number(args.seconds);
    },
    initially(option),
  );
}

function restartLine(syntax: string, help: string, mode: RestartMode): Command<Bgp> {
  return optionLine(
    syntax,
    [BGP, help],
    options => {
      options.gracefulRestart = mode;
    },
    initially('gracefulRestart'),
    'positive',
    undefined,
    'graceful restart',
  );
}

/** How many UPDATEs of each neighbour may wait, of whatever instance. */
function queueLine(
  syntax: `bgp ${string} (1-4294967295)$limit`,
  help: readonly [string, string],
  queue: 'inputQueueLimit' | 'outputQueueLimit',
): Command<Bgp> {
  return config({
    mode: 'configure',
    syntax,
    help: [BGP, ...help],
    key: () => queue,
    apply: (bgp: Bgp, args) => bgp.setQueueLimit(queue, args.limit),
    remove: (bgp: Bgp) => bgp.setQueueLimit(queue, 0),
  });
}

/** Where dynamic neighbours come from. */
function listenPrefix(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new CommandError(`% Malformed listen range: ${text}`);
  if (prefix.family === AF_INET6 && isLinkLocal6(prefix.words)) {
    throw new CommandError(`% Malformed listen range (link-local address): ${text}`);
  }
  return prefix;
}

export const optionCommands: readonly Command<Bgp>[] = [
  optionLine(
    'bgp router-id A.B.C.D$id',
    [BGP, 'Override configured router identifier', 'Manually configured router identifier'],
    (options, args) => {
      options.routerId = readIp4(args.id);
    },
    initially('routerId'),
    'positive',
    // No router has this one: it is how FRR's users say that it shall choose.
    args => [args.id === '0.0.0.0' ? 'no bgp router-id' : `bgp router-id ${args.id}`],
  ),
  optionLine(
    'bgp cluster-id <A.B.C.D|(1-4294967295)>$id',
    [
      BGP,
      'Configure Route-Reflector Cluster-id',
      'Route-Reflector Cluster-id in IP address format',
      'Route-Reflector Cluster-id as 32 bit quantity',
    ],
    (options, args) => {
      const text = String(args.id);
      options.clusterId = text.includes('.') ? readIp4(text) : Number(text);
    },
    initially('clusterId'),
    'positive',
    args => [`bgp cluster-id ${String(args.id).includes('.') ? args.id : formatIp4(Number(args.id))}`],
  ),
  optionLine(
    'bgp confederation identifier (1-4294967295)$as',
    [BGP, 'AS confederation parameters', 'Set routing domain confederation AS', 'AS number'],
    (options, args) => {
      options.confederation = args.as;
    },
    initially('confederation'),
  ),
  config({
    mode: 'router-bgp',
    syntax: 'bgp confederation peers (1-4294967295)...$members',
    help: [BGP, 'AS confederation parameters', 'Peer ASs in BGP confederation', 'AS number'],
    // Each is added to those that are there, and may go alone: a line for each.
    key: args => `bgp confederation peers ${args.members?.join(' ')}`,
    writes: args => Array.from(new Set(args.members), as => `bgp confederation peers ${as}`),
    check({ members }, context) {
      if (members.includes(context[0]?.['asn'] as number)) {
        throw new CommandError('% Local member-AS not allowed in confed peer list');
      }
    },
    apply(bgp: Bgp, args, context) {
      const instance = instanceOf(bgp, context);
      for (const as of args.members) instance.options.confederationPeers.add(as);
      instance.optionsChanged();
    },
    remove(bgp: Bgp, args, context) {
      const instance = instanceOf(bgp, context);
      for (const as of args.members) instance.options.confederationPeers.delete(as);
      instance.optionsChanged();
    },
  }),
  flagLine(
    'bgp client-to-client reflection',
    [BGP, 'Configure client to client route reflection', 'reflection of routes allowed'],
    'clientToClient',
    'negative',
  ),
  flagLine('bgp reject-as-sets', [BGP, 'Reject routes with AS_SET or AS_CONFED_SET flag'], 'rejectAsSets'),
  flagLine(
    'bgp bestpath as-path confed',
    [
      BGP,
      'Change the default bestpath selection',
      'AS-path attribute',
      'Compare path lengths including confederation sets & sequences in selecting a route',
    ],
    'countConfederation',
  ),
  flagLine(
    'bgp ebgp-requires-policy',
    [BGP, 'Require in and out policy for eBGP peers (RFC8212)'],
    'ebgpRequiresPolicy',
    'negative',
  ),
  flagLine(
    'bgp default ipv4-unicast',
    [BGP, 'Configure BGP defaults', 'Activate ipv4-unicast for a peer by default'],
    'defaultIpv4',
    'negative',
  ),
  flagLine(
    'bgp default ipv6-unicast',
    [BGP, 'Configure BGP defaults', 'Activate ipv6-unicast for a peer by default'],
    'defaultIpv6',
  ),
  optionLine(
    'bgp default local-preference (0-4294967295)$value',
    [
      BGP,
      'Configure BGP defaults',
      'local preference (higher=more preferred)',
      'Configure default local preference value',
    ],
    (options, args) => {
      options.defaultLocalPref = args.value;
    },
    initially('defaultLocalPref'),
  ),
  flagLine('bgp log-neighbor-changes', [BGP, 'Log neighbor up/down and reset reason'], 'logNeighborChanges'),
  flagLine('bgp enforce-first-as', [BGP, 'Enforce the first AS for eBGP routes'], 'enforceFirstAs'),
  flagLine('bgp always-compare-med', [BGP, 'Allow comparing MED from different neighbors'], 'alwaysCompareMed'),
  flagLine(
    'bgp deterministic-med',
    [BGP, 'Pick the best-MED path among paths advertised from the neighboring AS'],
    'deterministicMed',
  ),
  flagLine(
    'bgp bestpath as-path ignore',
    [BGP, 'Change the default bestpath selection', 'AS-path attribute', 'Ignore as-path length in selecting a route'],
    'ignoreAsPathLength',
  ),
  optionLine(
    'bgp bestpath as-path multipath-relax [<as-set|no-as-set>]',
    [
      BGP,
      'Change the default bestpath selection',
      'AS-path attribute',
      'Allow load sharing across routes that have different AS paths (but same length)',
      'Generate an AS_SET',
      'Do not generate an AS_SET',
    ],
    options => {
      options.multipathRelax = true;
    },
    initially('multipathRelax'),
  ),
  flagLine(
    'bgp bestpath compare-routerid',
    [BGP, 'Change the default bestpath selection', 'Compare router-id for identical EBGP paths'],
    'compareRouterId',
  ),
  config({
    mode: 'router-bgp',
    syntax: 'bgp bestpath med {confed|missing-as-worst}',
    help: [
      BGP,
      'Change the default bestpath selection',
      'MED attribute',
      'Compare MED among confederation paths',
      'Treat missing MED as the least preferred one',
    ],
    // Two settings, a line for each.
    key: args => `bgp bestpath med ${args.confed === true ? 'confed' : 'missing-as-worst'}`,
    writes: args => [
      ...(args.confed === true ? ['bgp bestpath med confed'] : []),
      ...(args['missing-as-worst'] === true ? ['bgp bestpath med missing-as-worst'] : []),
    ],
    apply(bgp: Bgp, args, context) {
      // Paths with no AS outside the confederation are compared by MED whatever is said of it, as in FRR.
      if (args.confed === true) return;
      const instance = instanceOf(bgp, context);
      instance.options.missingMedAsWorst = true;
      instance.optionsChanged();
    },
    remove(bgp: Bgp, args, context) {
      if (args.confed === true) return;
      const instance = instanceOf(bgp, context);
      instance.options.missingMedAsWorst = false;
      instance.optionsChanged();
    },
  }),
  flagLine(
    'bgp bestpath peer-type multipath-relax',
    [
      BGP,
      'Change the default bestpath selection',
      'Peer type',
      'Allow load sharing across routes learned from different peer types',
    ],
    'relaxPeerType',
  ),
  flagLine(
    'bgp fast-external-failover',
    [BGP, 'Immediately reset session if a link to a directly connected external peer goes down'],
    'fastExternalFailover',
    'negative',
  ),
  flagLine(
    'bgp network import-check',
    [BGP, 'BGP network command', 'Check BGP network route exists in IGP'],
    'networkImportCheck',
    'negative',
  ),
  restartLine('bgp graceful-restart', 'Graceful restart of this speaker', 'restart'),
  restartLine('bgp graceful-restart-disable', 'Graceful restart disable command', 'disable'),
  flagLine(
    'bgp graceful-restart preserve-fw-state',
    [BGP, 'Graceful restart capability parameters', 'Forwarding goes on while this speaker restarts (F bit)'],
    'preserveForwarding',
  ),
  flagLine(
    'bgp graceful-restart notification',
    [BGP, 'Graceful restart capability parameters', 'A NOTIFICATION keeps routes, too (RFC 8538)'],
    'notificationRestart',
    'negative',
  ),
  flagLine(
    'bgp hard-administrative-reset',
    [BGP, 'What an operator resets is reset for good (RFC 8538)'],
    'hardAdministrativeReset',
    'negative',
  ),
  secondsLine(
    'bgp graceful-restart stalepath-time (1-4095)$seconds',
    [
      BGP,
      'Graceful restart capability parameters',
      'How long paths of a neighbor that is back stay without being said again',
      'Delay value (seconds)',
    ],
    'stalePathS',
  ),
  secondsLine(
    'bgp graceful-restart select-defer-time (0-3600)$seconds',
    [
      BGP,
      'Graceful restart capability parameters',
      'How long nothing is selected after a restart, at most',
      'Delay value (seconds, 0 - no deferral)',
    ],
    'selectDeferS',
  ),
  secondsLine(
    'bgp graceful-restart restart-time (0-4095)$seconds',
    [
      BGP,
      'Graceful restart capability parameters',
      'Set the time to wait to delete stale routes before a BGP open message is received',
      'Delay value (seconds)',
    ],
    'restartTimeS',
  ),
  secondsLine(
    'bgp graceful-restart rib-stale-time (1-3600)$seconds',
    [
      BGP,
      'Graceful restart capability parameters',
      'Specify the stale route removal timer in rib',
      'Delay value (seconds)',
    ],
    'staleS',
  ),
  optionLine(
    'bgp shutdown [message LINE...$text]',
    [BGP, 'Administrative shutdown of the BGP instance', 'Add a shutdown message (RFC 9003)', 'Shutdown message'],
    (options, args) => {
      options.shutdownMessage = args.text === undefined ? undefined : shutdownMessage(args.text);
      options.shutdown = true;
    },
    initially('shutdown', 'shutdownMessage'),
  ),
  flagLine('bgp graceful-shutdown', [BGP, 'Graceful shutdown parameters'], 'gracefulShutdown'),
  optionLine(
    'bgp listen limit (1-65535)$count',
    [
      BGP,
      'BGP Dynamic Neighbors listen commands',
      'Maximum number of BGP Dynamic Neighbors that can be created',
      'Limit',
    ],
    (options, args) => {
      options.listenLimit = args.count;
    },
    initially('listenLimit'),
  ),
  config({
    mode: 'router-bgp',
    syntax: 'bgp listen range <A.B.C.D/M|X:X::X:X/M>$prefix peer-group WORD$group',
    help: [
      BGP,
      'BGP Dynamic Neighbors listen commands',
      'Configure BGP dynamic neighbors listen range',
      'IPv4 prefix',
      'IPv6 prefix',
      'Member of the peer-group',
      'Peer-group name',
    ],
    key: args => `bgp listen range ${formatPrefix(listenPrefix(args.prefix))}`,
    writes: args => [`bgp listen range ${formatPrefix(listenPrefix(args.prefix))} peer-group ${args.group}`],
    check({ prefix, group }, _, lines) {
      const wanted = listenPrefix(prefix);
      if (lines.text(`${group} peer-group`) !== `neighbor ${group} peer-group`) {
        throw new CommandError(`% Configure the peer-group first: ${group}`);
      }
      for (const text of lines.texts()) {
        if (!text.startsWith('bgp listen range ')) continue;
        const other = parsePrefix(text.split(' ')[3]!)!;
        if (!equalPrefix(other, wanted) && overlap(other, wanted)) {
          throw new CommandError(`% Listen range overlaps with existing listen range ${formatPrefix(other)}`);
        }
      }
    },
    apply(bgp: Bgp, args, context) {
      instanceOf(bgp, context).setRange(listenPrefix(args.prefix), args.group);
    },
    remove(bgp: Bgp, args, context) {
      instanceOf(bgp, context).setRange(listenPrefix(args.prefix), undefined);
    },
  }),
  optionLine(
    'write-quanta (1-64)$quanta',
    ['How many packets to write to peer socket per run', 'Number of packets'],
    (options, args) => {
      options.writeQuanta = args.quanta;
    },
    initially('writeQuanta'),
  ),
  optionLine(
    'read-quanta (1-10)$quanta',
    ['How many packets to read from peer socket per I/O cycle', 'Number of packets'],
    (options, args) => {
      options.readQuanta = args.quanta;
    },
    initially('readQuanta'),
  ),
  queueLine(
    'bgp input-queue-limit (1-4294967295)$limit',
    ['Set the BGP Input Queue limit for all peers when message parsing', 'Input-Queue limit'],
    'inputQueueLimit',
  ),
  queueLine(
    'bgp output-queue-limit (1-4294967295)$limit',
    ['Set the BGP Output Queue limit for all peers when message parsing', 'Output-Queue limit'],
    'outputQueueLimit',
  ),
  // It would bound what is bounded otherwise here (docs/architecture.md §3): who types it is told how.
  config({
    mode: 'router-bgp',
    syntax: 'bgp default subgroup-pkt-queue-max (20-100)$count',
    help: [BGP, 'Configure BGP defaults', 'subgroup-pkt-queue-max', 'Configure subgroup packet queue max'],
    check(): void {
      throw new CommandError(
        '% bgp default subgroup-pkt-queue-max is not supported: ' +
          'there is no queue of packets: what waits is a mark in its update group',
      );
    },
    apply() {},
    remove() {},
  }),
  optionLine(
    'timers bgp (0-65535)$keepalive (0-65535)$hold',
    ['Adjust routing timers', 'BGP timers', 'Keepalive interval', 'Holdtime'],
    (options, args) => {
      if (args.hold === 1 || args.hold === 2) throw new CommandError(badHoldTime(args.hold));
      options.keepaliveS = args.keepalive;
      options.holdTimeS = args.hold;
    },
    initially('keepaliveS', 'holdTimeS'),
  ),
];
