// Configuration lines of lists and route maps, and what shows them.
//
// A route map's match and set lines are a table: a line's syntax, its help, and what it means as a value. The words
// before its first variable say what it looks at or changes; a later line with the same words replaces it.
import { AF_INET, AF_INET6, type AddressWords, type Family, parseIp4, parseIp6, parsePrefix } from '../../net/index.ts';
import { type Args, type Command, CommandError, type CommandArgs, config, exec, formatJson } from '../../vty/index.ts';
import { formatCommunity, parseCommunities } from './community.ts';
import type { PolicyLibrary } from './library.ts';
import {
  anyPrefix,
  formatPrefixListEntry,
  type PrefixList,
  type PrefixListEntry,
  prefixListEntry,
} from './prefix-list.ts';
import { PathRegex } from './regex.ts';
import type { Clause, Match, RouteMap, SetAction } from './route-map.ts';

/** Whoever owns the lists. */
export interface PolicyOwner {
  readonly policy: PolicyLibrary;
}

// ---- prefix lists --------------------------------------------------------------------------------------------------

interface PrefixListArgs {
  readonly name: string;
  readonly seq?: number;
  readonly action: 'deny' | 'permit';
  readonly any?: unknown;
  readonly prefix?: string;
  readonly ge?: number;
  readonly le?: number;
}

function readEntry(family: Family, args: PrefixListArgs, sequence: number): PrefixListEntry {
  const permit = args.action === 'permit';
  if (args.prefix === undefined) {
    const { prefix, le } = anyPrefix(family);
    return prefixListEntry(sequence, permit, prefix, undefined, le, true);
  }
  const prefix = parsePrefix(args.prefix);
  if (prefix === undefined) throw new CommandError(`% Malformed prefix: ${args.prefix}`);
  return orCommandError(() => prefixListEntry(sequence, permit, prefix, args.ge, args.le));
}

/** A list's own complaint as the operator's mistake. */
function orCommandError<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError || error instanceof SyntaxError) throw new CommandError(`% ${error.message}`);
    throw error;
  }
}

function prefixListText(family: Family, args: PrefixListArgs, sequence: number): string {
  const words = family === AF_INET ? 'ip' : 'ipv6';
  return `${words} prefix-list ${args.name} ${formatPrefixListEntry(readEntry(family, args, sequence))}`;
}

function applyEntry(owner: PolicyOwner, family: Family, args: PrefixListArgs): void {
  const list = owner.policy.needPrefixList(family, args.name);
  list.set(readEntry(family, args, args.seq ?? list.nextSequence()));
  owner.policy.touch('prefix-list', args.name);
}

function removeEntry(owner: PolicyOwner, family: Family, args: PrefixListArgs): void {
  const list = owner.policy.prefixList(family, args.name);
  if (list === undefined) return;
  const entry = readEntry(family, args, args.seq ?? 0);
  const sequence = args.seq ?? list.find(entry.permit, entry.prefix, entry.ge, entry.le)?.sequence;
  if (sequence !== undefined) list.remove(sequence);
  dropEmpty(owner, list);
  owner.policy.touch('prefix-list', args.name);
}

function dropEmpty(owner: PolicyOwner, list: PrefixList): void {
  if (list.entries.length === 0 && list.description === undefined) {
    owner.policy.prefixLists(list.family).delete(list.name);
  }
}

function describe(owner: PolicyOwner, family: Family, name: string, text: string | undefined): void {
  const list = owner.policy.needPrefixList(family, name);
  list.description = text;
  dropEmpty(owner, list);
}

const PREFIX_LIST_HELP = [
  'Build a prefix list',
  'Name of a prefix list',
  'Sequence number of an entry',
  'Sequence number',
  'Specify packets to reject',
  'Specify packets to forward',
  'Any prefix match. Same as "0.0.0.0/0 le 32" or "::/0 le 128"',
];
const RANGE_HELP = [
  'Minimum prefix length to be matched',
  'Minimum prefix length',
  'Maximum prefix length to be matched',
  'Maximum prefix length',
];

const prefixListCommands: Command<PolicyOwner>[] = [
  config({
    mode: 'configure',
    syntax:
      'ip prefix-list WORD$name [seq (1-4294967295)$seq] <deny|permit>$action <any$any|A.B.C.D/M$prefix [{ge (0-32)$ge|le (0-32)$le}]>',
    help: ['IP information', ...PREFIX_LIST_HELP, 'IP prefix <network>/<length>, e.g., 35.0.0.0/8', ...RANGE_HELP],
    key: args => `ip prefix-list ${args.name} ${args.seq ?? ''}`,
    no: ['ip prefix-list WORD$name', 'ip prefix-list WORD$name seq (1-4294967295)$seq'],
    sequence: {
      group: args => `ip prefix-list ${args.name}`,
      of: args => args.seq,
      write: (args, sequence) => prefixListText(AF_INET, args, sequence),
    },
    check: args => void readEntry(AF_INET, args, 0),
    apply: (owner: PolicyOwner, args) => applyEntry(owner, AF_INET, args),
    remove: (owner: PolicyOwner, args) => removeEntry(owner, AF_INET, args),
  }),
  config({
    mode: 'configure',
    syntax: 'ip prefix-list WORD$name description LINE...$text',
    help: [
      'IP information',
      'Build a prefix list',
      'Name of a prefix list',
      'Prefix-list specific description',
      'Description',
    ],
    key: args => `ip prefix-list ${args.name} description`,
    apply: (owner: PolicyOwner, args) => describe(owner, AF_INET, args.name, args.text),
    remove: (owner: PolicyOwner, args) => describe(owner, AF_INET, args.name, undefined),
  }),
  config({
    mode: 'configure',
    syntax:
      'ipv6 prefix-list WORD$name [seq (1-4294967295)$seq] <deny|permit>$action <any$any|X:X::X:X/M$prefix [{ge (0-128)$ge|le (0-128)$le}]>',
    help: ['IPv6 information', ...PREFIX_LIST_HELP, 'IPv6 prefix', ...RANGE_HELP],
    key: args => `ipv6 prefix-list ${args.name} ${args.seq ?? ''}`,
    no: ['ipv6 prefix-list WORD$name', 'ipv6 prefix-list WORD$name seq (1-4294967295)$seq'],
    sequence: {
      group: args => `ipv6 prefix-list ${args.name}`,
      of: args => args.seq,
      write: (args, sequence) => prefixListText(AF_INET6, args, sequence),
    },
    check: args => void readEntry(AF_INET6, args, 0),
    apply: (owner: PolicyOwner, args) => applyEntry(owner, AF_INET6, args),
    remove: (owner: PolicyOwner, args) => removeEntry(owner, AF_INET6, args),
  }),
  config({
    mode: 'configure',
    syntax: 'ipv6 prefix-list WORD$name description LINE...$text',
    help: [
      'IPv6 information',
      'Build a prefix list',
      'Name of a prefix list',
      'Prefix-list specific description',
      'Description',
    ],
    key: args => `ipv6 prefix-list ${args.name} description`,
    apply: (owner: PolicyOwner, args) => describe(owner, AF_INET6, args.name, args.text),
    remove: (owner: PolicyOwner, args) => describe(owner, AF_INET6, args.name, undefined),
  }),
];

// ---- AS path and community lists -----------------------------------------------------------------------------------

const LIST_HELP = [
  'Sequence number of an entry',
  'Sequence number',
  'Specify packets to reject',
  'Specify packets to forward',
];

const asPathCommands: Command<PolicyOwner>[] = [
  config({
    mode: 'configure',
    syntax: 'bgp as-path access-list WORD$name [seq (0-4294967295)$seq] <deny|permit>$action LINE...$regex',
    help: [
      'BGP information',
      'BGP autonomous system path filter',
      'Specify an access list name',
      'Regular expression access list name',
      ...LIST_HELP,
      'A regular-expression (1234567890_^|[,{}() ]$*+.?-\\) to match the BGP AS paths',
    ],
    key: args => `as-path ${args.name} ${args.seq ?? ''}`,
    no: ['bgp as-path access-list WORD$name'],
    sequence: {
      group: args => `as-path ${args.name}`,
      of: args => args.seq,
      write: (args, sequence) => `bgp as-path access-list ${args.name} seq ${sequence} ${args.action} ${args.regex}`,
    },
    check: args => void orCommandError(() => new PathRegex(args.regex)),
    apply(owner: PolicyOwner, args) {
      const list = owner.policy.needAsPathList(args.name);
      const regex = orCommandError(() => new PathRegex(args.regex));
      list.set({ sequence: args.seq ?? list.nextSequence(), permit: args.action === 'permit', regex });
      owner.policy.touch('as-path', args.name);
    },
    remove(owner: PolicyOwner, args) {
      const list = owner.policy.asPathList(args.name);
      if (list === undefined) return;
      const same = list.entries.find(
        entry => entry.regex.source === args.regex && entry.permit === (args.action === 'permit'),
      );
      list.remove(args.seq ?? same?.sequence ?? -1);
      if (list.entries.length === 0) owner.policy.asPathLists.delete(args.name);
      owner.policy.touch('as-path', args.name);
    },
  }),
];

interface CommunityListArgs {
  readonly name: string | number;
  readonly seq?: number;
  readonly action: 'deny' | 'permit';
  readonly text: string;
}

function communityListLine<const Syntax extends string>(
  expanded: boolean,
  syntax: Syntax,
  help: readonly string[],
  head: string,
): Command<PolicyOwner> {
  const as = (args: unknown): CommunityListArgs => args as CommunityListArgs;
  const check = (args: CommunityListArgs): void => {
    if (expanded) orCommandError(() => new PathRegex(args.text));
    else orCommandError(() => parseCommunities(args.text));
  };
  return config({
    mode: 'configure',
    syntax,
    help: ['BGP information', 'Add a community list entry', ...help, ...LIST_HELP],
    key: args => `community-list ${as(args).name} ${as(args).seq ?? ''}`,
    sequence: {
      group: args => `community-list ${as(args).name}`,
      of: args => as(args).seq,
      write: (args, sequence) =>
        `bgp community-list ${head}${as(args).name} seq ${sequence} ${as(args).action} ${as(args).text}`,
    },
    check: args => check(as(args)),
    apply(owner: PolicyOwner, typed) {
      const args = as(typed);
      const name = String(args.name);
      const list = owner.policy.needCommunityList(name, expanded);
      if (list.expanded !== expanded) {
        throw new CommandError(
          `% Community name conflict, previously defined as ${list.expanded ? 'expanded' : 'standard'} community`,
        );
      }
      orCommandError(() => list.set(args.seq ?? list.nextSequence(), args.action === 'permit', args.text));
      owner.policy.touch('community-list', name);
    },
    remove(owner: PolicyOwner, typed) {
      const args = as(typed);
      const name = String(args.name);
      const list = owner.policy.communityList(name);
      if (list === undefined) return;
      const same = list.entries.find(entry => entry.text === args.text && entry.permit === (args.action === 'permit'));
      list.remove(args.seq ?? same?.sequence ?? -1);
      if (list.entries.length === 0) owner.policy.communityLists.delete(name);
      owner.policy.touch('community-list', name);
    },
  });
}

const communityCommands: Command<PolicyOwner>[] = [
  communityListLine(
    false,
    'bgp community-list (1-99)$name [seq (0-4294967295)$seq] <deny|permit>$action AA:NN...$text',
    ['Community list number (standard)'],
    '',
  ),
  communityListLine(
    false,
    'bgp community-list standard WORD$name [seq (0-4294967295)$seq] <deny|permit>$action AA:NN...$text',
    ['Add an standard community-list entry', 'Community list name'],
    'standard ',
  ),
  communityListLine(
    true,
    'bgp community-list (100-500)$name [seq (0-4294967295)$seq] <deny|permit>$action AA:NN...$text',
    ['Community list number (expanded)'],
    '',
  ),
  communityListLine(
    true,
    'bgp community-list expanded WORD$name [seq (0-4294967295)$seq] <deny|permit>$action AA:NN...$text',
    ['Add an expanded community-list entry', 'Community list name'],
    'expanded ',
  ),
].map((command, i) => ({
  ...command,
  help: [
    ...command.help,
    i < 2 ? 'Community value in aa:nn format, or a well-known name' : 'An ordered list as a regular-expression',
  ],
}));

// ---- route maps ----------------------------------------------------------------------------------------------------

function clauseOf(owner: PolicyOwner, context: readonly CommandArgs[]): { map: RouteMap; clause: Clause } {
  const { name, action, sequence } = context[0] as { name: string; action: string; sequence: number };
  const map = owner.policy.needRouteMap(name);
  return { map, clause: map.clause(sequence, action === 'permit') };
}

/** The words of a syntax before its first variable or bracket. */
function fixedWords(syntax: string): string {
  return syntax.split(/ (?=[A-Z(<[])/)[0]!;
}

function matchLine<const Syntax extends string>(
  syntax: Syntax,
  help: readonly string[],
  make: (args: Args<Syntax>) => { match: Match; text: string },
): Command<PolicyOwner> {
  const key = fixedWords(syntax);
  return config({
    mode: 'route-map',
    syntax,
    help: ['Match values from routing table', ...help],
    key: () => key,
    check: args => void make(args),
    apply(owner: PolicyOwner, args, context) {
      const { map, clause } = clauseOf(owner, context);
      const { match, text } = make(args);
      clause.matches.set(key, { match, text: `${key.slice('match '.length)}${text === '' ? '' : ` ${text}`}` });
      owner.policy.touch('route-map', map.name);
    },
    remove(owner: PolicyOwner, _, context) {
      const { map, clause } = clauseOf(owner, context);
      clause.matches.delete(key);
      owner.policy.touch('route-map', map.name);
    },
  });
}

function setLine<const Syntax extends string>(
  syntax: Syntax,
  help: readonly string[],
  make: (args: Args<Syntax>) => { set: SetAction; text: string },
  key: string = fixedWords(syntax),
): Command<PolicyOwner> {
  const words = fixedWords(syntax).slice('set '.length);
  return config({
    mode: 'route-map',
    syntax,
    help: ['Set values in destination routing protocol', ...help],
    key: () => key,
    check: args => void make(args),
    apply(owner: PolicyOwner, args, context) {
      const { map, clause } = clauseOf(owner, context);
      const { set, text } = make(args);
      clause.sets.set(key, { set, text: `${words}${text === '' ? '' : ` ${text}`}` });
      owner.policy.touch('route-map', map.name);
    },
    remove(owner: PolicyOwner, _, context) {
      const { map, clause } = clauseOf(owner, context);
      clause.sets.delete(key);
      owner.policy.touch('route-map', map.name);
    },
  });
}

const ORIGINS: readonly string[] = ['igp', 'egp', 'incomplete'];

function signed(text: string, what: string): { sign: '' | '+' | '-'; value: number } {
  const parts = /^([+-]?)(\d{1,10})$/.exec(text);
  const value = Number(parts?.[2] ?? Number.NaN);
  if (parts === null || value > 0xffffffff) throw new CommandError(`% Invalid ${what}: ${text}`);
  return { sign: parts[1] as '' | '+' | '-', value };
}

function words4(text: string): AddressWords {
  const word = parseIp4(text);
  if (word < 0) throw new CommandError(`% Malformed address: ${text}`);
  return [word, 0, 0, 0];
}

function words6(text: string): AddressWords {
  const words = parseIp6(text);
  if (words === undefined) throw new CommandError(`% Malformed address: ${text}`);
  return words;
}

function listMatch(family: Family, kind: 'prefix-list' | 'next-hop-prefix-list') {
  return (args: { name: string }): { match: Match; text: string } => ({
    match: { kind, family, name: args.name },
    text: args.name,
  });
}

function readSetCommunity(line: string): { set: SetAction; text: string } {
  const words = line.trim().split(/\s+/);
  const additive = words.at(-1) === 'additive';
  if (additive) words.pop();
  if (words.length === 1 && words[0] === 'none') {
    return { set: { kind: 'community', values: [], additive: false }, text: 'none' };
  }
  const values = orCommandError(() => parseCommunities(words.join(' ')));
  const text = values.map(formatCommunity).join(' ') + (additive ? ' additive' : '');
  return { set: { kind: 'community', values, additive }, text };
}

const IP = 'IP information';
const IP6 = 'IPv6 information';
const PREFIX_LIST = ['Match entries of prefix-lists', 'IP prefix-list name'];

const routeMapCommands: Command<PolicyOwner>[] = [
  config({
    mode: 'configure',
    syntax: 'route-map WORD$name <deny|permit>$action (1-65535)$sequence',
    help: [
      'Create route-map or enter route-map command mode',
      'Route map tag',
      'Route map denies set operations',
      'Route map permits set operations',
      'Sequence to insert to/delete from existing route-map entry',
    ],
    opens: 'route-map',
    key: args => `route-map ${args.name} ${args.sequence}`,
    no: ['route-map WORD$name'],
    sequence: { group: args => `route-map ${args.name}`, of: args => args.sequence },
    apply(owner: PolicyOwner, args) {
      clauseOf(owner, [args as CommandArgs]);
      owner.policy.touch('route-map', args.name);
    },
    remove(owner: PolicyOwner, args) {
      const map = owner.policy.routeMap(args.name);
      map?.remove(args.sequence);
      if (map?.clauses.length === 0) owner.policy.routeMaps.delete(args.name);
      owner.policy.touch('route-map', args.name);
    },
  }),
  config({
    mode: 'route-map',
    syntax: 'description LINE...$text',
    help: ['Route-map comment', 'Comment describing this route-map rule'],
    key: () => 'description',
    apply(owner: PolicyOwner, args, context) {
      clauseOf(owner, context).clause.description = args.text;
    },
    remove(owner: PolicyOwner, _, context) {
      clauseOf(owner, context).clause.description = undefined;
    },
  }),
  config({
    mode: 'route-map',
    syntax: 'call WORD$name',
    help: ['Jump to another Route-Map after match+set', 'Target route-map name'],
    key: () => 'call',
    apply(owner: PolicyOwner, args, context) {
      const { map, clause } = clauseOf(owner, context);
      clause.call = args.name;
      owner.policy.touch('route-map', map.name);
    },
    remove(owner: PolicyOwner, _, context) {
      const { map, clause } = clauseOf(owner, context);
      clause.call = undefined;
      owner.policy.touch('route-map', map.name);
    },
  }),
  onMatchLine('on-match next', ['Exit policy on matches', 'Next clause'], () => 'next'),
  onMatchLine(
    'on-match goto (1-65535)$sequence',
    ['Exit policy on matches', 'Goto Clause number', 'Number'],
    args => (args as { sequence: number }).sequence,
  ),
  onMatchLine(
    'continue [(1-65535)$sequence]',
    ['Continue on a different entry within the route-map', 'Route-map entry sequence number'],
    args => (args as { sequence?: number }).sequence ?? 'next',
  ),
  matchLine(
    'match ip address prefix-list WORD$name',
    [IP, 'Match address of route', ...PREFIX_LIST],
    listMatch(AF_INET, 'prefix-list'),
  ),
  matchLine(
    'match ip address prefix-len (0-32)$length',
    [IP, 'Match address of route', 'Match prefix length of IP address', 'Prefix length'],
    args => ({ match: { kind: 'prefix-length', family: AF_INET, length: args.length }, text: String(args.length) }),
  ),
  matchLine(
    'match ipv6 address prefix-list WORD$name',
    [IP6, 'Match IPv6 address of route', ...PREFIX_LIST],
    listMatch(AF_INET6, 'prefix-list'),
  ),
  matchLine(
    'match ipv6 address prefix-len (0-128)$length',
    [IP6, 'Match IPv6 address of route', 'Match prefix length of IPv6 address', 'Prefix length'],
    args => ({ match: { kind: 'prefix-length', family: AF_INET6, length: args.length }, text: String(args.length) }),
  ),
  matchLine(
    'match ip next-hop prefix-list WORD$name',
    [IP, 'Match next-hop address of route', ...PREFIX_LIST],
    listMatch(AF_INET, 'next-hop-prefix-list'),
  ),
  matchLine(
    'match ip next-hop address A.B.C.D$address',
    [IP, 'Match next-hop address of route', 'IP address', 'IP address of next hop'],
    args => ({ match: { kind: 'next-hop', family: AF_INET, words: words4(args.address) }, text: args.address }),
  ),
  matchLine(
    'match ipv6 next-hop prefix-list WORD$name',
    [IP6, 'Match IPv6 next-hop address of route', ...PREFIX_LIST],
    listMatch(AF_INET6, 'next-hop-prefix-list'),
  ),
  matchLine(
    'match ipv6 next-hop address X:X::X:X$address',
    [IP6, 'Match IPv6 next-hop address of route', 'IPv6 address', 'IPv6 address of next hop'],
    args => ({ match: { kind: 'next-hop', family: AF_INET6, words: words6(args.address) }, text: args.address }),
  ),
  matchLine('match as-path WORD$name', ['Match BGP AS path list', 'AS path access-list name'], args => ({
    match: { kind: 'as-path', name: args.name },
    text: args.name,
  })),
  matchLine(
    'match community WORD$name [exact-match]',
    ['Match BGP community list', 'Community-list name or number', 'Do exact matching of communities'],
    args => ({
      match: { kind: 'community', name: args.name, exact: args['exact-match'] === true },
      text: args['exact-match'] === true ? `${args.name} exact-match` : args.name,
    }),
  ),
  matchLine('match metric (0-4294967295)$value', ['Match metric of route', 'Metric value'], args => ({
    match: { kind: 'metric', value: args.value },
    text: String(args.value),
  })),
  matchLine(
    'match local-preference (0-4294967295)$value',
    ['Match local-preference of route', 'Metric value'],
    args => ({ match: { kind: 'local-preference', value: args.value }, text: String(args.value) }),
  ),
  matchLine('match tag (1-4294967295)$value', ['Match tag of route', 'Tag value'], args => ({
    match: { kind: 'tag', value: args.value },
    text: String(args.value),
  })),
  matchLine(
    'match origin <egp|igp|incomplete>$origin',
    ['BGP origin code', 'Remote EGP', 'Local IGP', 'Unknown heritage'],
    args => ({ match: { kind: 'origin', value: ORIGINS.indexOf(args.origin) }, text: args.origin }),
  ),
  matchLine(
    'match peer <A.B.C.D|X:X::X:X|local>$peer',
    ['Match peer address', 'IP address of peer', 'IPv6 address of peer', 'Static or Redistributed routes'],
    args => ({ match: { kind: 'peer', address: args.peer }, text: args.peer }),
  ),
  matchLine(
    'match source-protocol <bgp|connected|kernel|static>$protocol',
    [
      'Match protocol via which the route was learnt',
      'BGP protocol',
      'Routes from directly connected peer',
      'Routes from kernel',
      'Statically configured routes',
    ],
    args => ({ match: { kind: 'source-protocol', protocol: args.protocol }, text: args.protocol }),
  ),
  setLine(
    'set local-preference WORD$value',
    ['BGP local preference path attribute', 'Preference value (0-4294967295), + or - in front adds or subtracts'],
    args => ({
      set: { kind: 'local-preference', ...signed(args.value, 'local preference') },
      text: args.value,
    }),
  ),
  setLine(
    'set metric WORD$value',
    ['Metric value for destination routing protocol', 'Metric value (0-4294967295), + or - in front adds or subtracts'],
    args => ({
      set: { kind: 'metric', ...signed(args.value, 'metric') },
      text: args.value,
    }),
  ),
  setLine('set weight (0-4294967295)$value', ['BGP weight for routing table', 'Weight value'], args => ({
    set: { kind: 'weight', value: args.value },
    text: String(args.value),
  })),
  setLine('set tag (1-4294967295)$value', ['Tag value for routing protocol', 'Tag value'], args => ({
    set: { kind: 'tag', value: args.value },
    text: String(args.value),
  })),
  setLine(
    'set origin <egp|igp|incomplete>$origin',
    ['BGP origin code', 'Remote EGP', 'Local IGP', 'Unknown heritage'],
    args => ({ set: { kind: 'origin', value: ORIGINS.indexOf(args.origin) }, text: args.origin }),
  ),
  setLine(
    'set community AA:NN...$text',
    [
      'BGP community attribute',
      'Community numbers in AA:NN format, well-known names, or none; additive at the end adds',
    ],
    args => readSetCommunity(args.text),
  ),
  setLine(
    'set comm-list WORD$name delete',
    ['Set BGP community list for deletion', 'Community-list name or number', 'Delete matching communities'],
    args => ({ set: { kind: 'comm-list-delete', name: args.name }, text: `${args.name} delete` }),
  ),
  setLine(
    'set as-path prepend (1-4294967295)...$path',
    ['Transform BGP AS-path attribute', 'Prepend to the as-path', 'AS number'],
    args => ({ set: { kind: 'prepend', path: args.path }, text: args.path.join(' ') }),
    'set as-path prepend',
  ),
  setLine(
    'set as-path prepend last-as (1-10)$count',
    [
      'Transform BGP AS-path attribute',
      'Prepend to the as-path',
      'Use the last AS-number in the as-path',
      'Number of times to insert',
    ],
    args => ({ set: { kind: 'prepend-last', count: args.count }, text: String(args.count) }),
    'set as-path prepend',
  ),
  setLine(
    'set as-path exclude (1-4294967295)...$path',
    ['Transform BGP AS-path attribute', 'Exclude from the as-path', 'AS number'],
    args => ({ set: { kind: 'exclude', path: args.path }, text: args.path.join(' ') }),
  ),
  setLine('set atomic-aggregate', ['BGP atomic aggregate attribute'], () => ({
    set: { kind: 'atomic-aggregate' },
    text: '',
  })),
  setLine(
    'set ip next-hop <A.B.C.D|peer-address>$hop',
    [IP, 'Next hop address', 'IP address of next hop', 'Use peer address (for BGP only)'],
    args => {
      const hop = args.hop;
      if (hop === 'peer-address') return { set: { kind: 'next-hop-peer', family: AF_INET }, text: hop };
      return { set: { kind: 'next-hop', family: AF_INET, words: words4(hop) }, text: hop };
    },
  ),
  setLine(
    'set ipv6 next-hop global X:X::X:X$address',
    [IP6, 'IPv6 next-hop address', 'IPv6 global address', 'IPv6 address of next hop'],
    args => ({ set: { kind: 'next-hop', family: AF_INET6, words: words6(args.address) }, text: args.address }),
  ),
  setLine(
    'set ipv6 next-hop local X:X::X:X$address',
    [IP6, 'IPv6 next-hop address', 'IPv6 local address', 'IPv6 address of next hop'],
    args => ({ set: { kind: 'next-hop-link-local', words: words6(args.address) }, text: args.address }),
  ),
  setLine('set ipv6 next-hop peer-address', [IP6, 'IPv6 next-hop address', 'Use peer address (for BGP only)'], () => ({
    set: { kind: 'next-hop-peer', family: AF_INET6 },
    text: '',
  })),
];

function onMatchLine(
  syntax: string,
  help: readonly string[],
  to: (args: CommandArgs) => 'next' | number,
): Command<PolicyOwner> {
  return config({
    mode: 'route-map',
    syntax,
    help,
    key: () => 'on-match',
    check(args, context) {
      const target = to(args);
      if (typeof target === 'number' && target <= Number(context[0]?.['sequence'])) {
        throw new CommandError("% Can't jump backwards");
      }
    },
    apply(owner: PolicyOwner, args, context) {
      const { map, clause } = clauseOf(owner, context);
      clause.onMatch = to(args);
      owner.policy.touch('route-map', map.name);
    },
    remove(owner: PolicyOwner, _, context) {
      const { map, clause } = clauseOf(owner, context);
      clause.onMatch = 'exit';
      owner.policy.touch('route-map', map.name);
    },
  });
}

// ---- show ----------------------------------------------------------------------------------------------------------

function action(clause: Clause): string {
  if (clause.onMatch === 'exit') return 'Exit routemap';
  return clause.onMatch === 'next' ? 'Continue to next entry' : `Goto ${clause.onMatch}`;
}

function* routeMapText(maps: readonly RouteMap[]): Generator<string> {
  yield 'BGP:\n';
  for (const map of maps) {
    yield `route-map: ${map.name} Invoked: ${map.invoked} Optimization: enabled Processed Change: false\n`;
    for (const clause of map.clauses) {
      const lines = [` ${clause.permit ? 'permit' : 'deny'}, sequence ${clause.sequence} Invoked ${clause.invoked}`];
      if (clause.description !== undefined) lines.push('  Description:', `    ${clause.description}`);
      lines.push('  Match clauses:', ...[...clause.matches.values()].map(line => `    ${line.text}`));
      lines.push('  Set clauses:', ...[...clause.sets.values()].map(line => `    ${line.text}`));
      lines.push('  Call clause:', ...(clause.call === undefined ? [] : [`    Call ${clause.call}`]));
      lines.push('  Action:', `    ${action(clause)}`);
      yield `${lines.join('\n')}\n`;
    }
  }
}

function routeMapJson(map: RouteMap): object {
  return {
    invoked: map.invoked,
    disabledOptimization: false,
    processedChange: false,
    rules: map.clauses.map(clause => ({
      sequenceNumber: clause.sequence,
      type: clause.permit ? 'permit' : 'deny',
      invoked: clause.invoked,
      ...(clause.description === undefined ? {} : { description: clause.description }),
      matchClauses: [...clause.matches.values()].map(line => line.text),
      setClauses: [...clause.sets.values()].map(line => line.text),
      ...(clause.call === undefined ? {} : { callClause: clause.call }),
      action: action(clause),
    })),
  };
}

function prefixListJson(list: PrefixList): object {
  return {
    addressFamily: list.family === AF_INET ? 'IPv4' : 'IPv6',
    entries: list.entries.map(entry => ({
      sequenceNumber: entry.sequence,
      type: entry.permit ? 'permit' : 'deny',
      prefix: formatPrefixListEntry({ ...entry, any: false, ge: undefined, le: undefined }).split(' ')[3],
      ...(entry.ge === undefined ? {} : { minimumPrefixLength: entry.ge }),
      ...(entry.le === undefined ? {} : { maximumPrefixLength: entry.le }),
    })),
    ...(list.description === undefined ? {} : { description: list.description }),
  };
}

function* prefixListLines(
  owner: PolicyOwner,
  family: Family,
  name: string | undefined,
  detail: boolean,
): Generator<string> {
  const word = family === AF_INET ? 'ip' : 'ipv6';
  for (const list of selected(owner.policy.prefixLists(family), name)) {
    const described = list.description === undefined ? '' : `   Description: ${list.description}\n`;
    const { entries } = list;
    if (detail) {
      yield `BGP: ${word} prefix-list ${list.name}:\n${described}   count: ${entries.length}, range entries: 0, sequences: ${entries[0]?.sequence ?? 0} - ${entries.at(-1)?.sequence ?? 0}\n`;
    } else yield `BGP: ${word} prefix-list ${list.name}: ${entries.length} entries\n${described}`;
    for (const entry of entries) {
      const counts = detail ? ` (hit count: ${entry.hits}, refcount: ${entry.references})` : '';
      yield `   ${formatPrefixListEntry(entry)}${counts}\n`;
    }
  }
}

function selected<T extends { name: string }>(all: ReadonlyMap<string, T>, name: string | undefined): T[] {
  if (name !== undefined) {
    const one = all.get(name);
    return one === undefined ? [] : [one];
  }
  return [...all.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function showPrefixLists(word: 'ip' | 'ipv6', family: Family): Command<PolicyOwner>[] {
  const help = ['Show running system information', family === AF_INET ? IP : IP6, 'Build a prefix list'];
  return [
    exec({
      syntax: `show ${word} prefix-list [WORD$name] [json]` as 'show ip prefix-list [WORD$name] [json]',
      help: [...help, 'Name of a prefix list', 'JavaScript Object Notation'],
      run(owner: PolicyOwner, args) {
        if (args.name !== undefined && owner.policy.prefixList(family, args.name) === undefined && args.json !== true) {
          return "% Can't find specified prefix-list\n";
        }
        if (args.json !== true) return prefixListLines(owner, family, args.name, false);
        const lists = selected(owner.policy.prefixLists(family), args.name);
        return { BGP: Object.fromEntries(lists.map(list => [list.name, prefixListJson(list)])) };
      },
    }),
    exec({
      syntax: `show ${word} prefix-list detail [WORD$name]` as 'show ip prefix-list detail [WORD$name]',
      help: [...help, 'Detail of prefix lists', 'Name of a prefix list'],
      run: (owner: PolicyOwner, args) => prefixListLines(owner, family, args.name, true),
    }),
  ];
}

const showCommands: Command<PolicyOwner>[] = [
  exec({
    syntax: 'show route-map [WORD$name] [json]',
    help: ['Show running system information', 'route-map information', 'route-map name', 'JavaScript Object Notation'],
    run(owner: PolicyOwner, args) {
      const maps = selected(owner.policy.routeMaps, args.name);
      if (args.json === true) {
        return formatJson({ BGP: Object.fromEntries(maps.map(map => [map.name, routeMapJson(map)])) });
      }
      if (args.name !== undefined && maps.length === 0) return `BGP:\nBGP: 'route-map ${args.name}' not found\n`;
      return routeMapText(maps);
    },
  }),
  ...showPrefixLists('ip', AF_INET),
  ...showPrefixLists('ipv6', AF_INET6),
  exec({
    syntax: 'show bgp as-path-access-list [WORD$name] [json]',
    help: [
      'Show running system information',
      'BGP information',
      'List AS path access lists',
      'AS path access list name',
      'JavaScript Object Notation',
    ],
    run(owner: PolicyOwner, args) {
      const lists = selected(owner.policy.asPathLists, args.name);
      const line = (permit: boolean, regex: PathRegex): string => `${permit ? 'permit' : 'deny'} ${regex.source}`;
      if (args.json === true) {
        return Object.fromEntries(
          lists.map(list => [list.name, { name: list.name, entries: list.entries.map(e => line(e.permit, e.regex)) }]),
        );
      }
      return lists
        .map(
          list =>
            `AS path access list ${list.name}\n${list.entries.map(e => `    ${line(e.permit, e.regex)}\n`).join('')}`,
        )
        .join('');
    },
  }),
  exec({
    syntax: 'show bgp community-list [WORD$name]',
    help: [
      'Show running system information',
      'BGP information',
      'List community-list',
      'Community-list name or number',
    ],
    run(owner: PolicyOwner, args) {
      return selected(owner.policy.communityLists, args.name)
        .map(list => {
          const kind = list.expanded ? 'expanded' : 'standard';
          const named = /^\d+$/.test(list.name) ? `Community (${kind}) access list` : `Named Community ${kind} list`;
          return `${named} ${list.name}\n${list.entries.map(e => `    ${e.permit ? 'permit' : 'deny'} ${e.text}\n`).join('')}`;
        })
        .join('');
    },
  }),
];

export const policyCommands: readonly Command<PolicyOwner>[] = [
  ...prefixListCommands,
  ...asPathCommands,
  ...communityCommands,
  ...routeMapCommands,
  ...showCommands,
];
