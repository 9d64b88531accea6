// The lines of policy as an operator types them: what is refused and why, what `no …` takes away, and that a saved text means
// what was typed.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import fc from 'fast-check';
import { closeAll, Speaker } from './lib/configured.ts';

afterEach(closeAll);

void test('what cannot be meant is refused, and said with the value', () => {
  const map = (line: string): string => `route-map M permit 10\n${line}`;
  const neighbor = (line: string): string =>
    `router bgp 1\nneighbor 10.1.1.1 remote-as 2\naddress-family ipv4 unicast\n${line}`;
  const cases: [string, string][] = [
    ['bgp large-community-list standard L permit 1:2', "% '1:2' is not a large community"],
    ['bgp large-community-list 7 permit 1:2:3 1:2:4294967296', "% '1:2:4294967296' is not a large community"],
    ['bgp extcommunity-list standard E permit rt 70000:70000', "% '70000:70000' is not an extended community"],
    ['bgp extcommunity-list standard E permit rt 1:1 2:2', "% '2:2' is neither rt nor soo"],
    ['bgp extcommunity-list 5 permit soo 1.2.3.4:65536', "% '1.2.3.4:65536' is not an extended community"],
    ['bgp community-list standard C permit 65001:99999', "% '65001:99999' is not a community"],
    [
      'bgp large-community-list standard L permit 1:2:3\nbgp large-community-list expanded L permit 1:.*',
      '% Community name conflict, L was previously defined as standard community',
    ],
    [map('set large-community 1:2 additive'), "% '1:2' is not a large community"],
    [map('set extcommunity rt 1:1 foo'), "% 'foo' is not an extended community"],
    [map('set local-preference foo'), '% Invalid local preference: foo'],
    [map('set metric rtt'), '% Invalid metric: rtt'],
    [map('set ip next-hop 0.0.0.0'), '% Not the address of a host: 0.0.0.0'],
    [map('set ip next-hop 224.0.0.5'), '% Not the address of a host: 224.0.0.5'],
    [map('set ipv6 next-hop global fe80::1'), '% Not a global address: fe80::1'],
    [map('set ipv6 next-hop local 2001:db8::1'), '% Not a link-local address: 2001:db8::1'],
    [map('on-match goto 5'), "% Can't jump backwards: to 5 from 10"],
    [map('continue 10'), "% Can't jump backwards: to 10 from 10"],
    [map('set originator-id 1.2.3.256'), '% Unknown command: set originator-id 1.2.3.256'],
    [map('match probability 101'), '% Unknown command: match probability 101'],
    [
      neighbor('neighbor 10.1.1.1 prefix-list P in\nneighbor 10.1.1.1 distribute-list A in'),
      '% Prefix/distribute list can not co-exist: distribute-list A in with neighbor 10.1.1.1 prefix-list P in',
    ],
    [
      neighbor('neighbor 10.1.1.1 distribute-list A out\nneighbor 10.1.1.1 prefix-list P out'),
      '% Prefix/distribute list can not co-exist: prefix-list P out with neighbor 10.1.1.1 distribute-list A out',
    ],
  ];
  for (const [lines, said] of cases) assert.equal(new Speaker().type(lines), said, lines);
});

void test('a line is written in one way, however it was typed', () => {
  const cases: [string, string][] = [
    ['access-list A permit host 10.1.1.1', 'access-list A seq 5 permit 10.1.1.1'],
    ['access-list A permit 10.1.1.1/8', 'access-list A seq 5 permit 10.0.0.0/8'],
    ['access-list A deny ip any host 255.0.0.0', 'access-list A seq 5 deny ip any host 255.0.0.0'],
    ['access-list A deny ip 1.2.3.4 0.0.0.0 any', 'access-list A seq 5 deny ip host 1.2.3.4 any'],
    [
      'ipv6 access-list A permit 2001:DB8::1/32 exact-match',
      'ipv6 access-list A seq 5 permit 2001:db8::/32 exact-match',
    ],
    ['bgp community-list 5 permit no-export 65001:1 65001:1', 'bgp community-list 5 seq 5 permit 65001:1 no-export'],
    [
      'bgp extcommunity-list standard E permit soo 1:1 RT 2:2',
      'bgp extcommunity-list standard E seq 5 permit rt 2:2 soo 1:1',
    ],
    ['bgp community-list standard 5 permit 1:1', 'bgp community-list 5 seq 5 permit 1:1'],
    ['bgp community-list standard 105 permit 1:1', 'bgp community-list standard 105 seq 5 permit 1:1'],
    ['bgp large-community-list 7 permit 1:2:3 1:2:2', 'bgp large-community-list 7 seq 5 permit 1:2:2 1:2:3'],
    ['route-map M permit 5\ncontinue', 'route-map M permit 5\n on-match next'],
    ['route-map M permit 5\ncontinue 9', 'route-map M permit 5\n on-match goto 9'],
    ['route-map M permit 5\nset community 2:2 1:1 additive', 'route-map M permit 5\n set community 1:1 2:2 additive'],
    ['route-map M permit 5\nset metric 5\nmatch tag 6', 'route-map M permit 5\n match tag 6\n set metric 5'],
  ];
  for (const [typed, written] of cases) {
    const speaker = new Speaker();
    assert.equal(speaker.type(typed), '', typed);
    assert.equal(speaker.tree.text.replace(/\n(?:exit\n)?!\n$/, ''), written, typed);
  }
});

void test('a line is taken back by its first words', () => {
  const cases: [string, string][] = [
    ['set comm-list C delete', 'set comm-list'],
    ['set large-comm-list L delete', 'set large-comm-list L'],
    ['set large-community 1:1:1 additive', 'set large-community'],
    ['set extcommunity rt 1:1 2:2', 'set extcommunity rt'],
    ['set extcommunity bandwidth 5 non-transitive', 'set extcommunity bandwidth'],
    ['set aggregator as 5 1.1.1.1', 'set aggregator as'],
    ['set as-path replace any', 'set as-path replace'],
    ['match large-community L exact-match', 'match large-community'],
    ['match ip address A', 'match ip address'],
    ['match ip next-hop type blackhole', 'match ip next-hop type'],
    ['match peer 1.1.1.1', 'match peer'],
    ['continue 50', 'on-match goto'],
  ];
  for (const [line, undone] of cases) {
    const speaker = new Speaker();
    assert.equal(speaker.type(`route-map M permit 10\n${line}\nno ${undone}`), '', line);
    assert.equal(speaker.tree.text, 'route-map M permit 10\nexit\n!\n', line);
    const clause = speaker.bgp.policy.routeMap('M')!.clauses[0]!;
    assert.deepEqual([clause.matches.size, clause.sets.size, clause.onMatch], [0, 0, 'exit'], line);
  }
});

const LISTS = [
  'access-list A permit 10.0.0.0/8',
  'access-list A seq 7 deny 10.0.0.0 0.0.0.255',
  'access-list A permit ip any any',
  'access-list A remark one two',
  'ipv6 access-list A permit any',
  'bgp community-list standard C permit 1:1',
  'bgp community-list standard C seq 7 deny 1:1 2:2',
  'bgp community-list 100 permit _1:',
  'bgp extcommunity-list standard E permit rt 1:1 soo 2:2',
  'bgp extcommunity-list expanded EX seq 3 deny RT',
  'bgp large-community-list standard L permit 1:1:1',
  'bgp large-community-list expanded LX permit ^1:1',
];
const GONE = [
  'no access-list A',
  'no ipv6 access-list A',
  'no bgp community-list standard C',
  'no bgp extcommunity-list standard E',
  'no bgp large-community-list standard L',
  'no bgp community-list 100',
];
const CLAUSE = [
  'match ip address A',
  'match ip address prefix-list P',
  'match large-community L exact-match',
  'match large-community L',
  'match extcommunity E',
  'match interface eth0',
  'match peer G',
  'set large-community 1:1:1 2:2:2 additive',
  'set large-community none',
  'set extcommunity rt 1:1',
  'set extcommunity soo 1:1',
  'set extcommunity bandwidth 100 non-transitive',
  'set large-comm-list L delete',
  'set as-path replace any',
  'set as-path prepend 1 2',
  'set as-path prepend last-as 2',
  'set aggregator as 5 1.1.1.1',
  'set distance 5',
  'set ip next-hop unchanged',
  'set ip next-hop peer-address',
  'on-match next',
  'continue 50',
];

/** All lists and maps as they are in force. */
function inForce({ bgp: { policy } }: Speaker): object {
  const lists = [
    policy.accessLists4,
    policy.accessLists6,
    policy.communityLists,
    policy.extendedCommunityLists,
    policy.largeCommunityLists,
  ];
  const sorted = <T extends { name: string }>(map: Map<string, T>): T[] =>
    [...map.values()].sort((a, b) => a.name.localeCompare(b.name));
  return JSON.parse(
    JSON.stringify({
      lists: lists.map(map => sorted<{ name: string; entries: readonly object[] }>(map as never)),
      maps: sorted(policy.routeMaps).map(({ name, clauses }) => ({
        name,
        clauses: clauses.map(clause => ({
          ...clause,
          matches: [...clause.matches],
          sets: [...clause.sets],
        })),
      })),
    }),
  ) as object;
}

void test('whatever is typed and undone, the text that is saved reads back as the same policy', () => {
  const undone = (lines: readonly string[]): fc.Arbitrary<string> =>
    fc.tuple(fc.constantFrom('', '', 'no '), fc.constantFrom(...lines)).map(words => words.join(''));
  const clauses = fc
    .tuple(fc.constantFrom(10, 20), fc.array(undone(CLAUSE), { minLength: 1, maxLength: 6 }))
    .map(([number, lines]) => `route-map M permit ${number}\n${lines.join('\n')}\nexit`);
  const session = fc
    .array(fc.oneof({ weight: 3, arbitrary: undone(LISTS) }, fc.constantFrom(...GONE), clauses), { maxLength: 15 })
    .map(lines => lines.join('\n'));
  fc.assert(
    fc.property(session, text => {
      const speaker = new Speaker();
      if (text !== '') speaker.type(text);
      const again = new Speaker(speaker.tree.text);
      assert.equal(again.tree.text, speaker.tree.text);
      assert.deepEqual(inForce(again), inForce(speaker), speaker.tree.text);
      closeAll();
    }),
    { numRuns: 300 },
  );
});
