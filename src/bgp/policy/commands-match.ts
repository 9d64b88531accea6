// What a route map can look at.
import { AF_INET, AF_INET6, type Family } from '../../net/index.ts';
import type { Args, Command } from '../../vty/index.ts';
import { clauseLine, ORIGINS } from './commands-clause.ts';
import { IP, IP6, words4, words6 } from './commands-list.ts';
import type { PolicyOwner } from './library.ts';
import type { Match } from './route-map.ts';

function matchLine<const Syntax extends string>(
  syntax: Syntax,
  help: readonly string[],
  make: (args: Args<Syntax>) => { match: Match; text: string },
): Command<PolicyOwner> {
  return clauseLine(clause => clause.matches, syntax, ['Match values from routing table', ...help], make);
}

/** Lines that look an address up in a list: in a prefix list, or in an access list. */
function listLines(
  family: Family,
  words: string,
  help: string,
  kind: 'address' | 'next-hop-address' | 'route-source',
): Command<PolicyOwner>[] {
  const ip = family === AF_INET ? 'ip' : 'ipv6';
  const about = [family === AF_INET ? IP : IP6, help];
  return [
    matchLine(
      `match ${ip} ${words} prefix-list WORD$name` as 'match ip address prefix-list WORD$name',
      [...about, 'Match entries of prefix-lists', 'IP prefix-list name'],
      ({ name }) => ({ match: { kind, list: 'prefix-list', family, name }, text: name }),
    ),
    matchLine(
      `match ${ip} ${words} WORD$name` as 'match ip address WORD$name',
      [...about, 'IP access-list name'],
      ({ name }) => ({ match: { kind, list: 'access-list', family, name }, text: name }),
    ),
  ];
}

function exactMatch(
  kind: 'community' | 'large-community',
  name: string,
  exact: boolean,
): { match: Match; text: string } {
  return { match: { kind, name, exact }, text: exact ? `${name} exact-match` : name };
}

const EXACT = 'Do exact matching of communities';

export const matchCommands: readonly Command<PolicyOwner>[] = [
  ...listLines(AF_INET, 'address', 'Match address of route', 'address'),
  ...listLines(AF_INET6, 'address', 'Match IPv6 address of route', 'address'),
  ...listLines(AF_INET, 'next-hop', 'Match next-hop address of route', 'next-hop-address'),
  ...listLines(AF_INET6, 'next-hop', 'Match IPv6 next-hop address of route', 'next-hop-address'),
  ...listLines(AF_INET, 'route-source', 'Match advertising source address of route', 'route-source'),
  matchLine(
    'match ip address prefix-len (0-32)$length',
    [IP, 'Match address of route', 'Match prefix length of IP address', 'Prefix length'],
    args => ({ match: { kind: 'prefix-length', family: AF_INET, length: args.length }, text: String(args.length) }),
  ),
  matchLine(
    'match ipv6 address prefix-len (0-128)$length',
    [IP6, 'Match IPv6 address of route', 'Match prefix length of IPv6 address', 'Prefix length'],
    args => ({ match: { kind: 'prefix-length', family: AF_INET6, length: args.length }, text: String(args.length) }),
  ),
  matchLine(
    'match ip next-hop address A.B.C.D$address',
    [IP, 'Match next-hop address of route', 'IP address', 'IP address of next hop'],
    args => ({ match: { kind: 'next-hop', family: AF_INET, words: words4(args.address) }, text: args.address }),
  ),
  matchLine(
    'match ipv6 next-hop address X:X::X:X$address',
    [IP6, 'Match IPv6 next-hop address of route', 'IPv6 address', 'IPv6 address of next hop'],
    args => ({ match: { kind: 'next-hop', family: AF_INET6, words: words6(args.address) }, text: args.address }),
  ),
  matchLine(
    'match ip next-hop type <blackhole>$type',
    [IP, 'Match next-hop address of route', 'Match entries by type', 'Routes that drop packets'],
    ({ type }) => ({ match: { kind: 'next-hop-blackhole', family: AF_INET }, text: type }),
  ),
  matchLine(
    'match ipv6 next-hop type <blackhole>$type',
    [IP6, 'Match IPv6 next-hop address of route', 'Match entries by type', 'Routes that drop packets'],
    ({ type }) => ({ match: { kind: 'next-hop-blackhole', family: AF_INET6 }, text: type }),
  ),
  matchLine('match as-path WORD$name', ['Match BGP AS path list', 'AS path access-list name'], ({ name }) => ({
    match: { kind: 'as-path', name },
    text: name,
  })),
  matchLine(
    'match community WORD$name [exact-match]',
    ['Match BGP community list', 'Community-list name or number', EXACT],
    args => exactMatch('community', args.name, args['exact-match'] === true),
  ),
  matchLine(
    'match large-community WORD$name [exact-match]',
    ['Match BGP large community list', 'Large Community-list name or number', EXACT],
    args => exactMatch('large-community', args.name, args['exact-match'] === true),
  ),
  matchLine(
    'match extcommunity WORD$name',
    ['Match BGP/VPN extended community list', 'Extended community-list name or number'],
    ({ name }) => ({ match: { kind: 'extcommunity', name }, text: name }),
  ),
  matchLine('match interface WORD$name', ['Match first hop interface of route', 'Interface name'], ({ name }) => ({
    match: { kind: 'interface', name },
    text: name,
  })),
  matchLine(
    'match probability (0-100)$percent',
    ['Match portion of routes defined by percentage value', 'Percentage of routes'],
    ({ percent }) => ({ match: { kind: 'probability', percent }, text: String(percent) }),
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
    'match peer <A.B.C.D|X:X::X:X|local|WORD>$peer',
    [
      'Match peer address',
      'IP address of peer',
      'IPv6 address of peer',
      'Static or Redistributed routes',
      'Interface name of peer or peer group name',
    ],
    ({ peer }) => ({ match: { kind: 'peer', name: peer }, text: peer }),
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
