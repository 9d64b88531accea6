// The order in which FRR writes a configuration. Operators compare texts, so ours comes in the same one; and it is the order
// in which it can be read again: what makes a thing stands before what speaks of it.
import { parseAddress } from '../net/index.ts';

/** Sections of the whole configuration; the hundreds separate what stands between two `!`. */
const SECTIONS: readonly (readonly [RegExp, number])[] = [
  [/^frr version/, 0],
  [/^frr defaults/, 1],
  [/^hostname/, 2],
  [/^domainname/, 3],
  [/^(?:enable )?password/, 4],
  [/^log/, 5],
  [/^ip(?:v6)? forwarding/, 6],
  [/^zebra/, 7],
  [/^service/, 8],
  [/^debug/, 100],
  [/^vrf/, 200],
  [/^ip route/, 300],
  [/^ipv6 route/, 301],
  [/^interface/, 400],
  [/^mpls lsp/, 420],
  [/^router/, 500],
  [/^access-list/, 600],
  [/^ip prefix-list/, 700],
  [/^ipv6 access-list/, 800],
  [/^ipv6 prefix-list/, 900],
  [/^(?:bgp )?(?:ip )?as-path/, 1000],
  [/^(?:bgp |ip )?(?:community|comm)/, 1100],
  [/^(?:bgp |ip )?extcommunity/, 1101],
  [/^(?:bgp |ip )?large-community/, 1102],
  [/^bgp input-queue-limit/, 451],
  [/^bgp output-queue-limit/, 452],
  [/^bgp /, 450],
  [/^route-map/, 1200],
  [/^segment-routing/, 1300],
  [/^line/, 9000],
];

/** Ranks of the lists and maps that other lines refer to by name. */
const FIRST_DEFINITION = 600;
const LAST_DEFINITION = 1200;

/** Whether a line at the top of the configuration defines something that lines of other sections refer to. */
export function isDefinition(line: { readonly rank: number }): boolean {
  return line.rank >= FIRST_DEFINITION && line.rank <= LAST_DEFINITION;
}

/** Everything that no section names comes after the forwarding lines. */
const OTHER = 9;

const BGP_WORDS: Readonly<Record<string, number>> = {
  bgp: 0,
  'write-quanta': 1,
  'read-quanta': 2,
  timers: 3,
  distance: 9,
  network: 10,
  'aggregate-address': 11,
  redistribute: 12,
  neighbor: 20,
  'maximum-paths': 30,
  'table-map': 31,
  'address-family': 40,
};

const LISTEN_RANGE = 25;

/** Lines about VPNs stand behind all others of an address family. */
const FIRST_VPN = 32;
const VPN_LINES: readonly RegExp[] = [
  /^(?:route-map vpn import|import vrf route-map) /,
  /^label vpn /,
  /^sid vpn /,
  /^rd vpn /,
  /^nexthop vpn /,
  /^rt (?:vpn )?import /,
  /^rt (?:vpn )?export /,
  /^route-map vpn export /,
  /^export vpn/,
  /^import vpn/,
  /^import vrf /,
];

/** Blocks of one version of IP. */
const SAFIS: readonly string[] = ['unicast', 'vpn', 'rtc'];

/** Words of a neighbour's lines. A group's `peer-group` line makes it, and stands first of all. */
const NEIGHBOR_WORDS: readonly string[] = [
  'remote-as',
  'peer-group',
  'local-as',
  'description',
  'shutdown',
  'password',
  'port',
  'interface',
  'passive',
  'ebgp-multihop',
  'ttl-security',
  'disable-connected-check',
  'enforce-first-as',
  'update-source',
  'advertisement-interval',
  'timers',
  'timers connect',
  'timers delayopen',
  'capability',
  'dont-capability-negotiate',
  'graceful-restart-disable',
  'activate',
  'route-reflector-client',
  'next-hop-self',
  'remove-private-AS',
  'send-community',
  'default-originate',
  'soft-reconfiguration',
  'maximum-prefix',
  'allowas-in',
  'weight',
  'distribute-list',
  'prefix-list',
  'route-map',
  'filter-list',
  'attribute-unchanged',
];

/** First words of lines in the blocks of SRv6. */
const SRV6_WORDS: Readonly<Record<string, number>> = { encapsulation: 0, locators: 1, prefix: 0, behavior: 1 };

/** First words of a route map's lines. */
const CLAUSE_WORDS: Readonly<Record<string, number>> = { call: 0, description: 1, match: 2, 'on-match': 3, set: 4 };

export interface Place {
  readonly rank: number;
  /** Lines with the same rank and group stand together. */
  readonly group: string;
  /** Among them. */
  readonly place: number;
}

/** Where a line stands in a block of this mode, and with which lines it stays together. */
export function rankOf(mode: string, text: string): Place {
  if (mode === 'configure') {
    for (const [pattern, rank] of SECTIONS) if (pattern.test(text)) return { rank, group: '', place: 0 };
    return { rank: OTHER, group: '', place: 0 };
  }
  // Sets stay in the order in which they are made.
  if (mode === 'route-map') return { rank: CLAUSE_WORDS[text.split(' ', 1)[0]!] ?? 0, group: '', place: 0 };
  if (mode.startsWith('srv6')) return { rank: SRV6_WORDS[text.split(' ', 1)[0]!] ?? 0, group: '', place: 0 };
  if (mode !== 'router-bgp' && !mode.startsWith('address-family')) return { rank: 0, group: '', place: 0 };
  const [first = '', name = '', ...words] = text.split(' ');
  const rank = BGP_WORDS[first] ?? 15;
  // It speaks of a group.
  if (text.startsWith('bgp listen range')) return { rank: LISTEN_RANGE, group: '', place: 0 };
  if (first === 'address-family') {
    return { rank: name === 'ipv4' ? rank : rank + 1, group: '', place: SAFIS.indexOf(words[0] ?? '') };
  }
  const vpn = VPN_LINES.findIndex(pattern => pattern.test(text));
  if (vpn >= 0) return { rank: FIRST_VPN + vpn, group: '', place: 0 };
  if (first !== 'neighbor') return { rank, group: '', place: 0 };
  // Groups stand before the neighbours, which may be members of them.
  const group = parseAddress(name) === undefined;
  return { rank: group ? rank : rank + 1, group: name, place: placeOf(words.join(' ')) };
}

/** Where a line of a neighbour or a group stands among the others of it. */
function placeOf(text: string): number {
  if (text === 'peer-group') return -1;
  const place = NEIGHBOR_WORDS.findLastIndex(word => `${text} `.startsWith(`${word} `));
  return place < 0 ? NEIGHBOR_WORDS.length : place;
}
