// What a route map can look at.
import { AF_INET, AF_INET6, type Family } from '../../net/index.ts';
import type { Args, Command } from '../../vty/index.ts';
import { clauseLine, ORIGINS, words4, words6 } from './commands-clause.ts';
import { IP, IP6 } from './commands-list.ts';
import type { PolicyOwner } from './library.ts';
import type { Match } from './route-map.ts';

function matchLine<const Syntax extends string>(
  syntax: Syntax,
  help: readonly string[],
  make: (args: Args<Syntax>) => { match: Match; text: string },
): Command<PolicyOwner> {
  return clauseLine(clause => clause.matches, syntax, ['Match values from routing table', ...help], make);
}

function listMatch(family: Family, kind: 'prefix-list' | 'next-hop-prefix-list') {
  return (args: { name: string }): { match: Match; text: string } => ({
    match: { kind, family, name: args.name },
    text: args.name,
  });
}

const PREFIX_LIST = ['Match entries of prefix-lists', 'IP prefix-list name'];

export const matchCommands: readonly Command<PolicyOwner>[] = [
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
];
