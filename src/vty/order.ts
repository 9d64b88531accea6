// The order in which FRR writes a configuration. Operators compare texts, so ours comes in the same one.

/** Sections of the whole configuration; the hundreds separate what stands between two `!`. */
const SECTIONS: readonly (readonly [RegExp, number])[] = [
  [/^frr version/, 0],
  [/^frr defaults/, 1],
  [/^hostname/, 2],
  [/^domainname/, 3],
  [/^(?:enable )?password/, 4],
  [/^log/, 5],
  [/^service/, 7],
  [/^ip(?:v6)? forwarding/, 6],
  [/^debug/, 100],
  [/^vrf/, 200],
  [/^ip route/, 300],
  [/^ipv6 route/, 301],
  [/^interface/, 400],
  [/^router/, 500],
  [/^ip prefix-list/, 600],
  [/^ipv6 prefix-list/, 700],
  [/^(?:bgp )?(?:ip )?as-path/, 800],
  [/^(?:bgp |ip )?(?:community|extcommunity|large-community|comm)/, 900],
  [/^bgp /, 450],
  [/^route-map/, 1000],
  [/^line/, 9000],
];

/** Ranks of the lists and maps that other lines refer to by name. */
const FIRST_DEFINITION = 600;
const LAST_DEFINITION = 1000;

/** Whether a line at the top of the configuration defines something that lines of other sections refer to. */
export function isDefinition(line: { readonly rank: number }): boolean {
  return line.rank >= FIRST_DEFINITION && line.rank <= LAST_DEFINITION;
}

/** Everything that no section names comes after the forwarding lines. */
const OTHER = 8;

const BGP_WORDS: Readonly<Record<string, number>> = {
  bgp: 0,
  timers: 1,
  'read-quanta': 1,
  'write-quanta': 1,
  network: 10,
  'aggregate-address': 11,
  redistribute: 12,
  neighbor: 20,
  distance: 30,
  'maximum-paths': 30,
};

/** Where a line stands in a block of this mode, and with which lines it stays together. */
export function rankOf(mode: string, text: string): { rank: number; group: string; place: number } {
  if (mode === 'configure') {
    for (const [pattern, rank] of SECTIONS) if (pattern.test(text)) return { rank, group: '', place: 0 };
    return { rank: OTHER, group: '', place: 0 };
  }
  const first = text.slice(0, text.indexOf(' ') < 0 ? undefined : text.indexOf(' '));
  if (mode !== 'router-bgp' && !mode.startsWith('address-family')) return { rank: 0, group: '', place: 0 };
  const rank = BGP_WORDS[first] ?? 15;
  if (first !== 'neighbor') return { rank, group: '', place: 0 };
  const [, name = '', word = '', ...rest] = text.split(' ');
  // A group is there before its members, and a neighbour before what is said of it.
  if (word === 'peer-group' && rest.length === 0) return { rank: rank - 1, group: name, place: 0 };
  return { rank, group: name, place: word === 'remote-as' || word === 'peer-group' ? 0 : 1 };
}
