// Route reflection (RFC 4456) beside FRR's: who gets whose routes, with which ORIGINATOR_ID and CLUSTER_LIST.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { Beside, type Told } from './lib/beside.ts';

const CLIENT = 1;
const OTHER_CLIENT = 2;
const NON_CLIENT = 3;
const OUTSIDE = 4;

const lab = new Lab();
let both: Beside;

const af = (...lines: string[]): string[] => ['address-family ipv4 unicast', ...lines];

before(async () => {
  const route = 'route-map OUT permit 10\n set metric 5\n set local-preference 150\nexit\n';
  const inside = (number: number): object => ({
    number,
    as: 65010,
    theirAs: 65010,
    networks: [`10.${number}.0.0/24`],
    policy: route,
    about: '  neighbor ADDRESS route-map OUT out',
  });
  both = await Beside.start(lab, {
    as: 65010,
    lines: ` address-family ipv4 unicast
  network 10.10.0.0/24
  neighbor 10.0.0.${CLIENT} route-reflector-client
  neighbor 10.0.0.${OTHER_CLIENT} route-reflector-client
 exit-address-family
`,
    observers: [
      inside(CLIENT) as never,
      inside(OTHER_CLIENT) as never,
      inside(NON_CLIENT) as never,
      { number: OUTSIDE, as: 64, theirAs: 65010, networks: ['10.4.0.0/24'] },
    ],
  });
});
after(() => lab.close());

const expect = async (
  client: string[],
  other: string[],
  non: string[],
  outside: string[],
): Promise<Record<string, Told>[]> => {
  const all = [client, other, non, outside].map(list => list.map(n => `10.${n}.0.0/24`));
  const told: Record<string, Told>[] = [];
  for (const [i, networks] of all.entries()) told.push(await both.same(i + 1, ...networks));
  return told;
};

test('from clients to all, from others to clients; who reflects says so', async () => {
  const [client, , non] = await expect(
    ['2', '3', '4', '10'],
    ['1', '3', '4', '10'],
    ['1', '2', '4', '10'],
    ['1', '2', '3', '10'],
  );
  assert.equal(client!['10.2.0.0/24']!['originator'], '10.0.0.2');
  assert.equal(client!['10.2.0.0/24']!['clusters'], 'SELF');
  assert.equal(client!['10.2.0.0/24']!['localPref'], 150);
  assert.equal(client!['10.4.0.0/24']!['originator'], undefined);
  assert.equal(client!['10.10.0.0/24']!['clusters'], undefined);
  assert.equal(non!['10.1.0.0/24']!['clusters'], 'SELF');
});

test('a configured cluster id stands in the list', async () => {
  await both.configure('bgp cluster-id 7');
  const [client] = await expect(
    ['2', '3', '4', '10'],
    ['1', '3', '4', '10'],
    ['1', '2', '4', '10'],
    ['1', '2', '3', '10'],
  );
  assert.equal(client!['10.2.0.0/24']!['clusters'], '0.0.0.7');
  const [ours, theirs] = await both.written(/cluster-id/);
  assert.deepEqual(ours, theirs);
});

test('next-hop-self is for what is not reflected, with force for all', async () => {
  await both.configure(...af(`neighbor 10.0.0.${CLIENT} next-hop-self`));
  const told = await both.same(CLIENT, '10.10.0.0/24', '10.2.0.0/24', '10.3.0.0/24', '10.4.0.0/24');
  assert.equal(told['10.4.0.0/24']!['nextHop'], 'SELF');
  assert.equal(told['10.2.0.0/24']!['nextHop'], '10.0.0.2');
  await both.configure(...af(`neighbor 10.0.0.${CLIENT} next-hop-self force`));
  const forced = await both.same(CLIENT, '10.10.0.0/24', '10.2.0.0/24', '10.3.0.0/24', '10.4.0.0/24');
  assert.equal(forced['10.2.0.0/24']!['nextHop'], 'SELF');
  // Two settings of FRR's.
  await both.configure(
    ...af(`no neighbor 10.0.0.${CLIENT} next-hop-self force`, `no neighbor 10.0.0.${CLIENT} next-hop-self`),
  );
  await both.same(CLIENT, '10.10.0.0/24', '10.2.0.0/24', '10.3.0.0/24', '10.4.0.0/24');
});

test('between clients that reach each other nothing is reflected', async () => {
  await both.configure('no bgp client-to-client reflection');
  await expect(['3', '4', '10'], ['3', '4', '10'], ['1', '2', '4', '10'], ['1', '2', '3', '10']);
  const [ours, theirs] = await both.written(/client-to-client/);
  assert.deepEqual(ours, theirs);
  await both.configure('bgp client-to-client reflection');
  await expect(['2', '3', '4', '10'], ['1', '3', '4', '10'], ['1', '2', '4', '10'], ['1', '2', '3', '10']);
});

test('one who is made a client, and no longer is', async () => {
  await both.configure(...af(`neighbor 10.0.0.${NON_CLIENT} route-reflector-client`));
  await expect(['2', '3', '4', '10'], ['1', '3', '4', '10'], ['1', '2', '4', '10'], ['1', '2', '3', '10']);
  await both.configure(...af(`no neighbor 10.0.0.${NON_CLIENT} route-reflector-client`));
  await both.configure(...af(`no neighbor 10.0.0.${OTHER_CLIENT} route-reflector-client`));
  await expect(['2', '3', '4', '10'], ['1', '4', '10'], ['1', '4', '10'], ['1', '2', '3', '10']);
  await both.configure(...af(`neighbor 10.0.0.${OTHER_CLIENT} route-reflector-client`));
  await expect(['2', '3', '4', '10'], ['1', '3', '4', '10'], ['1', '2', '4', '10'], ['1', '2', '3', '10']);
});

test('what another reflector brings: its list grows, and what has our cluster or our id in it is not taken', async () => {
  // The non-client reflects between the two: what each has of the clients comes to the other with the cluster of the first.
  const reflector = both.observers.get(NON_CLIENT)!;
  const lines = ['10.0.0.10', '10.0.0.11'].flatMap(address => [
    `neighbor ${address} route-reflector-client`,
    `no neighbor ${address} prefix-list OWN out`,
    `no neighbor ${address} route-map OUT out`,
  ]);
  await reflector.sh(['configure terminal', 'router bgp 65010', ...af(...lines)].join('\n'));
  const paths = async (router: 'grevy' | 'frr'): Promise<number> =>
    Number(/\((\d+) available/.exec(await both[router].sh('show bgp ipv4 unicast 10.1.0.0/24'))?.[1] ?? 0);
  const counts = (grevy: number, frr: number): Promise<unknown> => {
    let state = '';
    const agree = async (): Promise<boolean> => {
      const now = [await paths('grevy'), await paths('frr')];
      state = now.join();
      return now[0] === grevy && now[1] === frr;
    };
    return until(agree, { timeoutMs: 20_000, what: () => `${grevy}, ${frr} paths; now ${state}` });
  };
  // Both are in cluster 7: nothing that went through the other one is taken.
  await counts(1, 1);
  // In clusters of their own, one of them takes what the non-client has from the other.
  await both.configure('no bgp cluster-id');
  let state = '';
  const one = async (): Promise<boolean> => {
    const now = [await paths('grevy'), await paths('frr')];
    state = now.join();
    return Math.min(...now) === 1 && Math.max(...now) === 2;
  };
  await until(one, { timeoutMs: 20_000, what: () => state });
});
