// Confederations (RFC 5065) beside FRR's: a router in AS 65001 of confederation 100, with one neighbour outside, one in another
// AS of the confederation, and one in its own.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Daemon } from '../lib/daemons.ts';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { Beside } from './lib/beside.ts';

const OUTSIDE = 3;
const MEMBER = 2;
const INSIDE = 1;

const lab = new Lab();
let both: Beside;

before(async () => {
  const confederation = ' bgp confederation identifier 100\n';
  both = await Beside.start(lab, {
    as: 65001,
    policy: 'bgp community-list standard NONE permit 1:1\n',
    lines: `${confederation} bgp confederation peers 65002 65009
 address-family ipv4 unicast
  network 10.11.0.0/24
 exit-address-family
`,
    observers: [
      {
        number: OUTSIDE,
        as: 65003,
        theirAs: 100,
        networks: ['10.3.0.0/24', '10.3.1.0/24'],
        policy: `ip prefix-list LOOP permit 10.3.1.0/24
route-map OUT permit 10
 match ip address prefix-list LOOP
 set as-path prepend 100
exit
route-map OUT permit 20
 set metric 33
exit
`,
        about: '  neighbor ADDRESS route-map OUT out',
      },
      {
        number: MEMBER,
        as: 65002,
        theirAs: 65001,
        lines: `${confederation} bgp confederation peers 65001`,
        networks: ['10.2.0.0/24', '10.2.1.0/24', '10.2.2.0/24', '10.2.3.0/24'],
        policy: `ip prefix-list ONE permit 10.2.1.0/24
ip prefix-list TWO permit 10.2.2.0/24
route-map OUT permit 10
 match ip address prefix-list ONE
 set community no-export
exit
route-map OUT permit 20
 match ip address prefix-list TWO
 set community local-AS
exit
route-map OUT permit 30
 set metric 22
 set local-preference 222
exit
`,
        about: '  neighbor ADDRESS route-map OUT out',
      },
      {
        number: INSIDE,
        as: 65001,
        theirAs: 65001,
        lines: confederation,
        networks: ['10.1.0.0/24', '10.1.1.0/24', '10.1.2.0/24'],
        policy: `ip prefix-list ONE permit 10.1.1.0/24
ip prefix-list TWO permit 10.1.2.0/24
route-map OUT permit 10
 match ip address prefix-list ONE
 set community no-export
exit
route-map OUT permit 20
 match ip address prefix-list TWO
 set community local-AS
exit
route-map OUT permit 30
 set metric 11
 set local-preference 111
exit
`,
        about: '  neighbor ADDRESS route-map OUT out',
      },
    ],
  });
});
after(() => lab.close());

test('outside nothing is seen of the confederation but its AS', async () => {
  const told = await both.same(OUTSIDE, '10.1.0.0/24', '10.11.0.0/24', '10.2.0.0/24', '10.2.3.0/24');
  assert.equal(told['10.2.0.0/24']!['path'], '100');
  assert.equal(told['10.2.0.0/24']!['localPref'], undefined);
  assert.equal(told['10.2.0.0/24']!['metric'], undefined);
});

test('another AS of the confederation gets local preference, MED and next hop as they are', async () => {
  // What must not leave the AS does not (RFC 1997: NO_EXPORT_SUBCONFED), what must not leave the confederation may.
  const told = await both.same(MEMBER, '10.1.0.0/24', '10.1.1.0/24', '10.11.0.0/24', '10.3.0.0/24');
  assert.equal(told['10.1.0.0/24']!['path'], '(65001)');
  assert.equal(told['10.1.0.0/24']!['localPref'], 111);
  assert.equal(told['10.1.0.0/24']!['metric'], 11);
  assert.equal(told['10.3.0.0/24']!['path'], '(65001) 65003');
  assert.equal(told['10.3.0.0/24']!['nextHop'], '10.0.0.3');
});

test('our own AS gets paths with those of the confederation in them', async () => {
  const all = ['10.11.0.0/24', '10.2.0.0/24', '10.2.1.0/24', '10.2.2.0/24', '10.2.3.0/24', '10.3.0.0/24'];
  const told = await both.same(INSIDE, ...all);
  assert.equal(told['10.2.0.0/24']!['path'], '(65002)');
  assert.equal(told['10.2.0.0/24']!['localPref'], 222);
});

test('a path with the AS of the confederation in it has been here before', async () => {
  const shown = await both.grevy.sh('show bgp ipv4 unicast 10.3.1.0/24');
  assert.match(shown, /not in table/);
});

test('shows say what is in the confederation, as FRR does', async () => {
  const lines = async (router: Daemon, command: string, pattern: RegExp): Promise<string[]> =>
    (await router.sh(command)).split('\n').flatMap(line => pattern.exec(line)?.[0] ?? []);
  const cases: readonly [string, RegExp][] = [
    ['show bgp ipv4 unicast 10.2.0.0/24', /localpref.*(?=best)/],
    ['show bgp ipv4 unicast 10.1.0.0/24', /localpref.*(?=best)/],
    ['show bgp ipv4 unicast 10.3.0.0/24', /metric.*(?=best)/],
    ['show bgp neighbors 10.0.0.1', /local AS.*|.*common admin.*/],
    ['show bgp neighbors 10.0.0.2', /local AS.*|.*common admin.*/],
    ['show bgp neighbors 10.0.0.3', /local AS.*|.*common admin.*/],
    ['show bgp neighbors 10.0.0.2 json', /"nbrC.*/],
    ['show bgp neighbors 10.0.0.1 json', /"nbrC.*/],
    ['show bgp ipv4 unicast 10.2.0.0/24 json', /"(type|segments)".*/],
    ['show bgp ipv4 unicast neighbors 10.0.0.2 advertised-routes', /10\.[13]\..*/],
    ['show bgp ipv4 unicast neighbors 10.0.0.3 advertised-routes', /10\.[12]\..*/],
  ];
  for (const [command, pattern] of cases) {
    const ours = await lines(both.grevy, command, pattern);
    assert.ok(ours.length > 0, command);
    const tidy = (all: string[]): string[] => all.map(line => line.replaceAll(/[ ,:]+/g, ' ').trim());
    assert.deepEqual(tidy(ours), tidy(await lines(both.frr, command, pattern)), command);
  }
});

test('ASes of the confederation count for the length of a path where they are to', async () => {
  // 10.3.0.0/24 comes from outside as 65003; from the other AS of the confederation it would be longer by that.
  const member = both.observers.get(MEMBER)!;
  await member.sh(
    [
      'configure terminal',
      'ip prefix-list OWN permit 10.3.0.0/24',
      'ip prefix-list THREE permit 10.3.0.0/24',
      'route-map OUT permit 5',
      'match ip address prefix-list THREE',
      'set as-path prepend 65003',
      'set local-preference 100',
      'set metric 33',
      'exit',
      'router bgp 65002',
      'address-family ipv4 unicast',
      'network 10.3.0.0/24',
      'end',
    ].join('\n'),
  );
  const reason = async (router: Daemon): Promise<string> =>
    /best \(([^)]*)\)/.exec(await router.sh('show bgp ipv4 unicast 10.3.0.0/24'))?.[1] ?? '';
  const decided = async (expected: string): Promise<void> => {
    let said: string[] = [];
    const agree = async (): Promise<boolean> => {
      said = await Promise.all([reason(both.grevy), reason(both.frr)]);
      return said[0] === expected && said[1] === expected;
    };
    await until(agree, { timeoutMs: 20_000, what: () => `${expected}: ${said.join(' and ')}` });
  };
  await decided('Peer Type');
  await both.configure('bgp bestpath as-path confed');
  await decided('Confederation based AS Path');
});

test('the lines are written so that FRR reads them', async () => {
  const [ours, theirs] = await both.written(/confed/);
  assert.deepEqual(ours, [
    ' bgp confederation identifier 100',
    ' bgp confederation peers 65002',
    ' bgp confederation peers 65009',
    ' bgp bestpath as-path confed',
  ]);
  assert.ok(theirs.includes(' bgp confederation peers 65002 65009'));
  const refused = await both.grevy
    .sh('configure terminal\nrouter bgp 65001\nbgp confederation peers 65001')
    .catch(String);
  assert.match(refused, /Local member-AS not allowed/);
});

test('a neighbour that joins the confederation, and leaves it, is another one each time', async () => {
  let link = '';
  const isOutside = async (): Promise<boolean> => {
    link = /local AS (.*) link/.exec(await both.grevy.sh('show bgp neighbors 10.0.0.2'))?.[1] ?? '';
    return link === '100, external';
  };
  await both.grevy.sh('configure terminal\nrouter bgp 65001\nno bgp confederation peers 65002 65009');
  await until(isOutside, { what: () => link });
  await both.grevy.sh('configure terminal\nrouter bgp 65001\nbgp confederation peers 65002');
  await both.same(MEMBER, '10.1.0.0/24', '10.1.1.0/24', '10.11.0.0/24', '10.3.0.0/24');
});
