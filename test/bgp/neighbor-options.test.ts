// What is said to a neighbour with each of the options that change it, beside FRR's.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { Beside } from './lib/beside.ts';

/** Two outside, with a private AS and with a public one, and one inside. */
const PRIVATE = 1;
const PUBLIC = 2;
const INSIDE = 3;
const OTHER = 4;

const lab = new Lab();
let both: Beside;

/** One network for each path that OTHER announces behind its own AS. */
const PATHS: readonly string[] = [
  '',
  '64600',
  '64600 64601',
  '64600 7',
  '7 64600',
  '65001',
  '65001 64600',
  '9 64600 7',
];
const network = (i: number): string => `10.4.${i}.0/24`;

before(async () => {
  both = await Beside.start(lab, {
    as: 65010,
    policy: `bgp as-path access-list SEVEN permit _7_
ip prefix-list FIRST permit 10.4.0.0/24
ip prefix-list LOCAL permit 10.10.0.0/24
route-map FIRST permit 10
 match ip address prefix-list FIRST
 set metric 77
 set community 65010:77
exit
`,
    lines: ' address-family ipv4 unicast\n  network 10.10.0.0/24\n exit-address-family\n',
    observers: [
      { number: PRIVATE, as: 65001, theirAs: 65010, about: '  neighbor ADDRESS allowas-in' },
      { number: PUBLIC, as: 8, theirAs: 65010, about: '  neighbor ADDRESS allowas-in' },
      { number: INSIDE, as: 65010, theirAs: 65010, networks: ['10.3.0.0/24'] },
      {
        number: OTHER,
        as: 64999,
        theirAs: 65010,
        networks: [...PATHS.map((_, i) => network(i)), '10.4.100.0/24', '10.4.101.0/24'],
        policy: `${PATHS.map(
          (path, i) => `ip prefix-list N${i} permit ${network(i)}
route-map OUT permit ${i + 1}
 match ip address prefix-list N${i}
 set metric ${i + 1}
${path === '' ? '' : ` set as-path prepend ${path}\n`}exit
`,
        ).join('')}ip prefix-list LOOP permit 10.4.100.0/24
route-map OUT permit 100
 match ip address prefix-list LOOP
 set as-path prepend 3 65010
exit
ip prefix-list BEHIND permit 10.4.101.0/24
route-map OUT permit 101
 match ip address prefix-list BEHIND
 set as-path prepend 3 65010 4
exit
`,
        about: '  neighbor ADDRESS route-map OUT out',
      },
    ],
  });
});
after(() => lab.close());

const ALL = ['10.10.0.0/24', '10.3.0.0/24', ...PATHS.map((_, i) => network(i))];
const neighbor = (number: number, line: string): string => `neighbor 10.0.0.${number} ${line}`;
const af = (...lines: string[]): string[] => ['address-family ipv4 unicast', ...lines];

/** With the lines in force both say the same to the one they are about, and shown as FRR shows it. */
async function using(number: number, lines: readonly string[], ...networks: string[]): Promise<Record<string, string>> {
  await both.configure(...af(...lines.map(line => neighbor(number, line))));
  const told = await both.same(number, ...networks);
  const [ours, theirs] = await both.written(new RegExp(lines.map(line => line.split(' ')[0]).join('|')));
  assert.deepEqual(
    ours.filter(line => line.includes(`10.0.0.${number} `)).toSorted(),
    theirs.filter(line => line.includes(`10.0.0.${number} `)).toSorted(),
  );
  const marks = async (router: 'grevy' | 'frr'): Promise<string[]> =>
    (await both[router].sh(`show bgp neighbors 10.0.0.${number}`))
      .split('\n')
      .filter(line => /Private AS|Override|propagated|Server Client|default/.test(line));
  assert.deepEqual(await marks('grevy'), await marks('frr'));
  return Object.fromEntries(Object.entries(told).map(([prefix, one]) => [prefix, String(one['path'])]));
}

async function without(number: number, ...lines: string[]): Promise<void> {
  await both.configure(...af(...lines.map(line => `no ${neighbor(number, line)}`)));
}

test('before anything, both say the same to everybody', async () => {
  for (const number of [PRIVATE, PUBLIC]) await both.same(number, ...ALL);
  await both.same(INSIDE, ...ALL.filter(one => one !== '10.3.0.0/24'));
});

for (const line of ['', ' all', ' replace-AS', ' all replace-AS']) {
  test(`remove-private-AS${line}`, async () => {
    for (const number of [PRIVATE, PUBLIC]) {
      await using(number, [`remove-private-AS${line}`], ...ALL);
      await without(number, `remove-private-AS${line}`);
      // FRR leaves a flag behind that has been set with another.
      if (line === ' all replace-AS')
        await both.frr.sh(
          [
            'configure terminal',
            'router bgp 65010',
            ...af(
              `no ${neighbor(number, 'remove-private-AS all')}`,
              `no ${neighbor(number, 'remove-private-AS replace-AS')}`,
            ),
          ].join('\n'),
        );
    }
  });
}

test('as-override', async () => {
  const told = await using(PRIVATE, ['as-override'], ...ALL);
  assert.equal(told[network(5)], '65010 64999 65010');
  await without(PRIVATE, 'as-override');
});

for (const line of ['', ' as-path', ' next-hop', ' med', ' as-path med']) {
  test(`attribute-unchanged${line}`, async () => {
    await using(PUBLIC, [`attribute-unchanged${line}`], ...ALL);
    await without(PUBLIC, 'attribute-unchanged');
  });
}

test('route-server-client, from one that is and from one that is not', async () => {
  await using(PUBLIC, ['route-server-client'], ...ALL).catch(error => {
    // FRR writes a line more, which says what the first one does.
    if (!String(error).includes('attribute-unchanged')) throw error;
  });
  await both.same(PUBLIC, ...ALL);
  await both.configure(...af(neighbor(OTHER, 'route-server-client')));
  await both.same(PUBLIC, ...ALL);
  await without(OTHER, 'route-server-client');
  await without(PUBLIC, 'route-server-client');
  await both.same(PUBLIC, ...ALL);
});

test('allowas-in, and where the path begins here', async () => {
  await both.configure(...af(neighbor(OTHER, 'allowas-in 1')));
  await both.same(PUBLIC, ...ALL, '10.4.100.0/24', '10.4.101.0/24');
  await both.configure(...af(neighbor(OTHER, 'allowas-in origin')));
  await both.same(PUBLIC, ...ALL, '10.4.100.0/24');
  await without(OTHER, 'allowas-in');
  await both.same(PUBLIC, ...ALL);
});

test('default-originate, always and while a route map permits a route', async () => {
  await using(PUBLIC, ['default-originate'], '0.0.0.0/0', ...ALL);
  await using(PUBLIC, ['default-originate route-map FIRST'], '0.0.0.0/0', ...ALL);
  const [told] = await both.told(PUBLIC);
  assert.equal(told['0.0.0.0/0']?.['metric'], 77);
  assert.equal(told['0.0.0.0/0']?.['community'], '65010:77');
  const feed = (...lines: string[]): Promise<string> =>
    both.observers.get(OTHER)!.sh(['configure terminal', 'router bgp 64999', ...af(...lines)].join('\n'));
  await feed(`no network ${network(0)}`);
  await both.same(PUBLIC, ...ALL.filter(one => one !== network(0)));
  await feed(`network ${network(0)}`);
  await both.same(PUBLIC, '0.0.0.0/0', ...ALL);
  await without(PUBLIC, 'default-originate');
  await both.same(PUBLIC, ...ALL);
});

test('a default route that was learnt goes out while ours is not there', async () => {
  const inside = (...lines: string[]): Promise<string> =>
    both.observers
      .get(INSIDE)!
      .sh(
        ['configure terminal', 'ip prefix-list OWN permit 0.0.0.0/0', 'router bgp 65010', ...af(...lines)].join('\n'),
      );
  await inside('network 0.0.0.0/0');
  await both.same(PUBLIC, '0.0.0.0/0', ...ALL);
  await both.policy('route-map NOTHING permit 10', 'match as-path SEVEN', 'match ip address prefix-list LOCAL', 'exit');
  await both.configure(...af(neighbor(PUBLIC, 'default-originate route-map NOTHING')));
  // FRR says nothing then.
  const learnt = async (): Promise<boolean> => {
    const [ours] = await both.told(PUBLIC);
    return ours['0.0.0.0/0']?.['nextHop'] === '10.0.0.3';
  };
  await until(learnt, { timeoutMs: 20_000, what: both.grevy.output });
  await inside('no network 0.0.0.0/0');
  await both.same(PUBLIC, ...ALL);
  await without(PUBLIC, 'default-originate');
});

test('filter-list and weight', async () => {
  await both.configure(...af(neighbor(OTHER, 'filter-list SEVEN in'), neighbor(OTHER, 'weight 9')));
  await both.same(PUBLIC, '10.10.0.0/24', '10.3.0.0/24', network(3), network(4), network(7));
  const weight = async (router: 'grevy' | 'frr'): Promise<string | undefined> =>
    /weight (\d+)/.exec(await both[router].sh(`show bgp ipv4 unicast ${network(3)}`))?.[1];
  assert.equal(await weight('grevy'), '9');
  assert.equal(await weight('frr'), '9');
  await without(OTHER, 'filter-list SEVEN in', 'weight');
  await both.same(PUBLIC, ...ALL);
  await both.configure(...af(neighbor(PUBLIC, 'filter-list SEVEN out')));
  await both.same(PUBLIC, network(3), network(4), network(7));
  await without(PUBLIC, 'filter-list SEVEN out');
});

test('an external session ends with its link, or lives on', async () => {
  const state = async (): Promise<string> =>
    /BGP state = (\w+)/.exec(await both.grevy.sh('show bgp neighbors 10.0.0.2'))?.[1] ?? '';
  let now = '';
  const is = (pattern: RegExp): Promise<unknown> =>
    until(async () => pattern.test((now = await state())), { timeoutMs: 30_000, what: () => now });
  const link = (to: 'up' | 'down'): Promise<unknown> => both.host.run('ip', 'link', 'set', 'eth0', to);
  await link('down');
  await is(/^(?!Established)/);
  await link('up');
  await is(/Established/);
  await both.configure('no bgp fast-external-failover');
  const [ours, theirs] = await both.written(/failover/);
  assert.deepEqual(ours, theirs);
  // That it heard of the link is seen by the routes, which lead nowhere then.
  const path = (): Promise<string> => both.grevy.sh(`show bgp ipv4 unicast ${network(0)}`);
  await until(async () => (await path()).includes('best'), { timeoutMs: 30_000, what: both.grevy.output });
  await link('down');
  let text = '';
  const lost = async (): Promise<boolean> => (text = await path()).includes('inaccessible');
  await until(lost, { timeoutMs: 20_000, what: () => text });
  assert.equal(await state(), 'Established');
  await link('up');
  await until(async () => (await path()).includes('best'), { timeoutMs: 30_000, what: both.grevy.output });
  assert.equal(await state(), 'Established');
});

test('the lines of the best path are written so that FRR reads them', async () => {
  const lines = [
    'bgp bestpath as-path confed',
    'bgp bestpath as-path multipath-relax',
    'bgp bestpath compare-routerid',
    'bgp bestpath med confed missing-as-worst',
    'bgp bestpath peer-type multipath-relax',
    'bgp reject-as-sets',
  ];
  await both.configure(...lines);
  const [ours, theirs] = await both.written(/bestpath|reject/);
  const each = (all: string[]): string[] =>
    all
      .flatMap(line =>
        line.includes('med confed missing')
          ? [' bgp bestpath med confed', ' bgp bestpath med missing-as-worst']
          : [line],
      )
      .toSorted();
  assert.deepEqual(each(ours), each(theirs));
  assert.equal(ours.length, 7);
});
