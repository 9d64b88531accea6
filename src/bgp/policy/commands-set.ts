// What a route map can change.
import { type AddressWords, AF_INET, AF_INET6, isLinkLocal6, isUnspecified } from '../../net/index.ts';
import { type Args, type Command, CommandError } from '../../vty/index.ts';
import { clauseLine, type ClauseLineOptions, ORIGINS } from './commands-clause.ts';
import { IP, IP6, orCommandError, words4, words6 } from './commands-list.ts';
import { formatCommunities, parseCommunities } from './community.ts';
import { type ExtendedCommunityKind, parseExtendedCommunitiesOf } from './extended-community.ts';
import { parseLargeCommunities } from './large-community.ts';
import type { PolicyOwner } from './library.ts';
import type { SetAction } from './route-map.ts';

function setLine<const Syntax extends string>(
  syntax: Syntax,
  help: readonly string[],
  make: (args: Args<Syntax>) => { set: SetAction; text: string },
  options?: ClauseLineOptions,
): Command<PolicyOwner> {
  return clauseLine(
    clause => clause.sets,
    syntax,
    ['Set values in destination routing protocol', ...help],
    make,
    options,
  );
}

function signed(text: string, what: string): { sign: '' | '+' | '-'; value: number } {
  const parts = /^([+-]?)(\d{1,10})$/.exec(text);
  const value = Number(parts?.[2] ?? Number.NaN);
  if (parts === null || value > 0xffffffff) throw new CommandError(`% Invalid ${what}: ${text}`);
  return { sign: parts[1] as '' | '+' | '-', value };
}

/** 224.0.0.0: from here on nothing is a host's. */
const FIRST_MULTICAST = 0xe0000000;

/** An IPv6 next hop, global or link-local. */
function scoped(address: string, linkLocal: boolean): AddressWords {
  const words = words6(address);
  if (isUnspecified(words) || words[0] >>> 24 === 0xff) {
    throw new CommandError(`% Not the address of a host: ${address}`);
  }
  if (isLinkLocal6(words) === linkLocal) return words;
  throw new CommandError(`% Not a ${linkLocal ? 'link-local' : 'global'} address: ${address}`);
}

/** Communities of a set line, with `additive` at the end, or none. */
function readCommunities<Value>(
  line: string,
  parse: (text: string) => Value[],
): { values: Value[]; additive: boolean; text: (format: (values: readonly Value[]) => string) => string } {
  const words = line.trim().split(/\s+/);
  if (words.length === 1 && words[0] === 'none') return { values: [], additive: false, text: () => 'none' };
  const additive = words.at(-1) === 'additive';
  if (additive) words.pop();
  const values = orCommandError(() => parse(words.join(' ')));
  return { values, additive, text: format => format(values) + (additive ? ' additive' : '') };
}

function extendedLine(kind: ExtendedCommunityKind, help: string): Command<PolicyOwner> {
  return setLine(
    `set extcommunity ${kind} ASN:NN...$text` as 'set extcommunity rt ASN:NN...$text',
    ['BGP extended community attribute', help, 'VPN extended community: ASN:NN or IP-ADDRESS:NN'],
    ({ text }) => ({
      set: { kind: 'extcommunity', values: orCommandError(() => parseExtendedCommunitiesOf(kind, text)) },
      text,
    }),
  );
}

export const setCommands: readonly Command<PolicyOwner>[] = [
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
  setLine('set distance (0-255)$value', ['BGP Administrative Distance to use', 'Distance value'], args => ({
    set: { kind: 'distance', value: args.value },
    text: String(args.value),
  })),
  setLine('set originator-id A.B.C.D$id', ['BGP originator ID attribute', 'IP address of originator'], ({ id }) => ({
    set: { kind: 'originator-id', value: words4(id)[0] },
    text: id,
  })),
  setLine(
    'set aggregator as (1-4294967295)$as A.B.C.D$id',
    ['BGP aggregator attribute', 'AS number of aggregator', 'AS number', 'IP address of aggregator'],
    ({ as, id }) => ({ set: { kind: 'aggregator', as, routerId: words4(id)[0] }, text: `${as} ${id}` }),
  ),
  setLine(
    'set community AA:NN...$text',
    [
      'BGP community attribute',
      'Community numbers in AA:NN format, well-known names, or none; additive at the end adds',
    ],
    args => {
      const { values, additive, text } = readCommunities(args.text, parseCommunities);
      return { set: { kind: 'community', values, additive }, text: text(formatCommunities) };
    },
    { canonical: true },
  ),
  setLine(
    'set large-community AA:BB:CC...$text',
    ['BGP large community attribute', 'Large community numbers in AA:BB:CC format, or none; additive at the end adds'],
    args => {
      const { values, additive } = readCommunities(args.text, parseLargeCommunities);
      return { set: { kind: 'large-community', values, additive }, text: args.text };
    },
  ),
  extendedLine('rt', 'Route Target extended community'),
  extendedLine('soo', 'Site-of-Origin extended community'),
  setLine('set extcommunity none', ['BGP extended community attribute', 'No extended community attribute'], () => ({
    set: { kind: 'extcommunity-none' },
    text: '',
  })),
  setLine(
    'set extcommunity bandwidth (1-25600)$rate [non-transitive]',
    [
      'BGP extended community attribute',
      'Link bandwidth extended community',
      'Bandwidth value in Mbps',
      'Attribute is set as non-transitive',
    ],
    args => {
      const transitive = args['non-transitive'] !== true;
      return {
        set: { kind: 'bandwidth', megabitsPerSecond: args.rate, transitive },
        text: `${args.rate}${transitive ? '' : ' non-transitive'}`,
      };
    },
  ),
  setLine(
    'set comm-list WORD$name delete',
    ['Set BGP community list for deletion', 'Community-list name or number', 'Delete matching communities'],
    ({ name }) => ({ set: { kind: 'comm-list-delete', name }, text: name }),
    { no: ['set comm-list', 'set comm-list WORD$name'] },
  ),
  setLine(
    'set large-comm-list WORD$name delete',
    ['Set BGP large community list for deletion', 'Large Community-list name or number', 'Delete matching communities'],
    ({ name }) => ({ set: { kind: 'large-comm-list-delete', name }, text: name }),
    { no: ['set large-comm-list', 'set large-comm-list WORD$name'] },
  ),
  setLine(
    'set as-path prepend (1-4294967295)...$path',
    ['Transform BGP AS-path attribute', 'Prepend to the as-path', 'AS number'],
    args => ({ set: { kind: 'prepend', path: args.path }, text: args.path.join(' ') }),
    { key: 'set as-path prepend' },
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
    { key: 'set as-path prepend' },
  ),
  setLine(
    'set as-path replace <any|(1-4294967295)>$as',
    ['Transform BGP AS-path attribute', 'Replace ASes by the local one', 'Every AS', 'AS number'],
    ({ as }) => ({ set: { kind: 'replace', as }, text: String(as) }),
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
    'set ip next-hop <A.B.C.D|peer-address|unchanged>$hop',
    [
      IP,
      'Next hop address',
      'IP address of next hop',
      'Use peer address (for BGP only)',
      "Don't modify existing Next hop address",
    ],
    ({ hop }) => {
      if (hop === 'unchanged') return { set: { kind: 'next-hop-unchanged' }, text: hop };
      if (hop === 'peer-address') return { set: { kind: 'next-hop-peer', family: AF_INET }, text: hop };
      const words = words4(hop);
      if (words[0] === 0 || words[0] >= FIRST_MULTICAST) throw new CommandError(`% Not the address of a host: ${hop}`);
      return { set: { kind: 'next-hop', family: AF_INET, words }, text: hop };
    },
  ),
  setLine(
    'set ipv6 next-hop global X:X::X:X$address',
    [IP6, 'IPv6 next-hop address', 'IPv6 global address', 'IPv6 address of next hop'],
    ({ address }) => ({
      set: { kind: 'next-hop', family: AF_INET6, words: scoped(address, false) },
      text: address,
    }),
  ),
  setLine(
    'set ipv6 next-hop local X:X::X:X$address',
    [IP6, 'IPv6 next-hop address', 'IPv6 local address', 'IPv6 address of next hop'],
    ({ address }) => ({ set: { kind: 'next-hop-link-local', words: scoped(address, true) }, text: address }),
  ),
  setLine(
    'set ipv6 next-hop prefer-global',
    [IP6, 'IPv6 next-hop address', 'Prefer global over link-local if both exist'],
    () => ({ set: { kind: 'next-hop-prefer-global' }, text: '' }),
  ),
  setLine('set ipv6 next-hop peer-address', [IP6, 'IPv6 next-hop address', 'Use peer address (for BGP only)'], () => ({
    set: { kind: 'next-hop-peer', family: AF_INET6 },
    text: '',
  })),
];
