// Aggregates beside FRR's: one feeder tells Grevy and FRR the same routes, both have the same lines, and what both tell a
// listener, and show themselves, is compared.
//
//    feeder (FRR) ──┬── grevy ──┬── listener (FRR)
//                   └── frr ────┘
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Daemon, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const lab = new Lab();
let host: Namespace;
let feeder: Daemon;
let grevy: Daemon;
let frr: Daemon;
let listener: Daemon;

const FEEDER = `hostname feeder
ip prefix-list ONE permit 10.1.1.0/24
ip prefix-list TWO permit 10.1.2.0/24
route-map OUT permit 10
 match ip address prefix-list ONE
 set community 65002:1 65002:7
 set large-community 65002:1:1
 set metric 10
 set as-path prepend 65002 7 8
exit
route-map OUT permit 20
 match ip address prefix-list TWO
 set community 65002:2
 set metric 20
 set as-path prepend 65002 9 8
 set origin egp
exit
route-map OUT permit 30
exit
router bgp 65002
 bgp router-id 10.0.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.0.10 remote-as 65010
 neighbor 10.0.0.10 timers connect 1
 neighbor 10.0.0.11 remote-as 65010
 neighbor 10.0.0.11 timers connect 1
 neighbor fd00::10 remote-as 65010
 neighbor fd00::10 timers connect 1
 address-family ipv4 unicast
  neighbor 10.0.0.10 route-map OUT out
  neighbor 10.0.0.11 route-map OUT out
  no neighbor fd00::10 activate
  network 10.1.1.0/24
  network 10.1.2.0/24
  network 10.1.3.0/24
 exit-address-family
 address-family ipv6 unicast
  neighbor fd00::10 activate
  network 2001:db8:1::/48
 exit-address-family
exit
`;

/** Both of those that are compared. */
const both = (id: string): string => `hostname ${id}
ip prefix-list ONE permit 10.1.1.0/24
route-map ONE permit 10
 match ip address prefix-list ONE
exit
route-map MARK permit 10
 set community 65010:5 additive
 set metric 55
exit
route-map NONE deny 10
exit
router bgp 65010
 bgp router-id 10.0.0.${id === 'grevy' ? 10 : 11}
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.0.2 remote-as 65002
 neighbor 10.0.0.2 timers connect 1
 neighbor 10.0.0.3 remote-as 65003
 neighbor 10.0.0.3 timers connect 1
exit
`;

const LISTENER = `hostname listener
router bgp 65003
 bgp router-id 10.0.0.3
 no bgp ebgp-requires-policy
 neighbor 10.0.0.10 remote-as 65010
 neighbor 10.0.0.10 timers connect 1
 neighbor 10.0.0.11 remote-as 65010
 neighbor 10.0.0.11 timers connect 1
 address-family ipv4 unicast
  neighbor 10.0.0.10 soft-reconfiguration inbound
  neighbor 10.0.0.11 soft-reconfiguration inbound
 exit-address-family
exit
`;

before(async () => {
  host = await lab.namespace('grevy');
  const hub = await lab.namespace('hub');
  await hub.run('ip', 'link', 'add', 'br0', 'type', 'bridge');
  await hub.run('ip', 'link', 'set', 'br0', 'up');
  const others = [await lab.namespace('feeder'), await lab.namespace('frr'), await lab.namespace('listener')];
  const numbers = [10, 2, 11, 3];
  for (const [i, namespace] of [host, ...others].entries()) {
    await lab.link(namespace, 'eth0', hub, `p${i}`);
    await hub.run('ip', 'link', 'set', `p${i}`, 'master', 'br0');
    await namespace.run('ip', 'addr', 'add', `10.0.0.${numbers[i]}/24`, 'dev', 'eth0');
    await namespace.run('ip', 'addr', 'add', `fd00::${numbers[i]}/64`, 'dev', 'eth0', 'nodad');
  }
  const start = async (namespace: Namespace, configuration: string): Promise<Daemon> => {
    const directory = await lab.directory();
    await startFrr(lab, namespace, 'zebra', '', { directory });
    return await startFrr(lab, namespace, 'bgpd', configuration, { directory });
  };
  [feeder, frr, listener, grevy] = await Promise.all([
    start(others[0]!, FEEDER),
    start(others[1]!, both('frr')),
    start(others[2]!, LISTENER),
    startGrevy(lab, host, both('grevy')),
  ]);
  await until(
    async () => {
      const [ours, theirs] = await Promise.all([heard('10.0.0.10'), heard('10.0.0.11')]);
      return Object.keys(ours).length === 3 && Object.keys(theirs).length === 3;
    },
    { timeoutMs: 60_000, what: grevy.output },
  );
});
after(() => lab.close());

const json = async (router: Daemon, command: string): Promise<never> => JSON.parse(await router.sh(command)) as never;

/** What the listener has been told by one of the two, as far as it can be equal. */
async function heard(from: string): Promise<Record<string, object>> {
  const { receivedRoutes } = (await json(listener, `show bgp ipv4 unicast neighbors ${from} received-routes json`)) as {
    receivedRoutes?: Record<string, { path: string; bgpOriginCode: string; metric?: number }>;
  };
  const routes: Record<string, object> = {};
  for (const network of Object.keys(receivedRoutes ?? {})) {
    const { paths } = (await json(listener, `show bgp ipv4 unicast ${network} json`)) as { paths?: Path[] };
    const path = paths?.find(one => one.peer.peerId === from);
    if (path === undefined) continue;
    routes[network] = {
      path: path.aspath.string,
      origin: path.origin,
      metric: path.metric,
      community: path.community?.string,
      large: path.largeCommunity?.string,
      atomic: path.atomicAggregate,
      aggregator: path.aggregatorAs,
    };
  }
  return routes;
}

interface Path {
  peer: { peerId: string };
  aspath: { string: string };
  origin: string;
  metric?: number;
  community?: { string: string };
  largeCommunity?: { string: string };
  atomicAggregate?: boolean;
  aggregatorAs?: number;
}

/** What a router shows of its table: marks and paths. */
async function table(router: Daemon): Promise<string[]> {
  const text = await router.sh('show bgp ipv4 unicast');
  return (
    text
      .split('\n')
      .filter(line => /^[s*]/.test(line))
      // The next hop of an aggregate is the other family's in FRR.
      .map(line => line.replace(/ (::|0\.0\.0\.0) +/, ' ').replace(/ +/g, ' '))
  );
}

async function configure(...lines: string[]): Promise<void> {
  const text = ['configure terminal', 'router bgp 65010', 'address-family ipv4 unicast', ...lines, 'end'];
  await grevy.sh(text.join('\n'));
  await frr.sh(text.join('\n'));
}

/** Waits until both show and say the same, and the listener has heard of `expected`. */
async function same(...expected: string[]): Promise<void> {
  let state = '';
  const agree = async (): Promise<boolean> => {
    const shown = await Promise.all([table(grevy), table(frr)]);
    const told = await Promise.all([heard('10.0.0.10'), heard('10.0.0.11')]);
    state = JSON.stringify([shown, told], null, 1);
    return (
      JSON.stringify(shown[0]) === JSON.stringify(shown[1]) &&
      JSON.stringify(told[0]) === JSON.stringify(told[1]) &&
      Object.keys(told[0]).sort().join() === expected.sort().join()
    );
  };
  await until(agree, { timeoutMs: 20_000, everyMs: 200, what: () => state });
  const lines = async (router: Daemon): Promise<string[]> =>
    (await router.sh('show running-config')).split('\n').filter(line => line.includes('aggregate-address'));
  assert.deepEqual(await lines(grevy), await lines(frr));
}

const ALL = ['10.1.1.0/24', '10.1.2.0/24', '10.1.3.0/24'];

test('an aggregate is there with all kinds of options as FRR has it', async () => {
  await configure('aggregate-address 10.1.0.0/16');
  await same('10.1.0.0/16', ...ALL);
  await configure('aggregate-address 10.1.0.0/16 as-set');
  await same('10.1.0.0/16', ...ALL);
  await configure('aggregate-address 10.1.0.0 255.255.0.0 summary-only origin incomplete');
  await same('10.1.0.0/16');
  await configure('aggregate-address 10.1.0.0/16 as-set summary-only route-map MARK');
  await same('10.1.0.0/16');
  await configure('aggregate-address 10.1.0.0/16 summary-only route-map NONE');
  await same(...ALL);
  await configure('aggregate-address 10.1.0.0/16 suppress-map ONE');
  await same('10.1.0.0/16', '10.1.2.0/24', '10.1.3.0/24');
  await configure('aggregate-address 10.1.0.0/16 matching-MED-only summary-only');
  await same(...ALL);
});

test('shows of an aggregate, and of what it suppresses, have the keys of FRR', async () => {
  await configure('aggregate-address 10.1.0.0/16 summary-only');
  await same('10.1.0.0/16');
  const keys = (value: unknown): unknown =>
    value !== null && typeof value === 'object'
      ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, keys(one)]))
      : typeof value;
  for (const network of ['10.1.0.0/16', '10.1.1.0/24']) {
    const command = `show bgp ipv4 unicast ${network} json`;
    const [ours, theirs] = [await json(grevy, command), await json(frr, command)] as { paths: object[] }[];
    const [one, other] = [ours!.paths[0] as Record<string, unknown>, theirs!.paths[0] as Record<string, unknown>];
    const missing = Object.keys(other).filter(key => !(key in one) && key !== 'extendedCommunity');
    assert.deepEqual(missing, [], network);
    assert.deepEqual(keys(one['aspath']), keys(other['aspath']));
  }
  const routes = (await json(grevy, 'show bgp ipv4 unicast json')) as { routes: Record<string, object[]> };
  assert.equal((routes.routes['10.1.1.0/24']![0] as { suppressed?: boolean }).suppressed, true);
  assert.match(
    await grevy.sh('show bgp ipv4 unicast 10.1.1.0/24'),
    /Paths: \(1 available, best #1, table default, Advertisements suppressed by an aggregate\.\)/,
  );
  assert.match(
    await grevy.sh('show bgp ipv4 unicast 10.1.0.0/16'),
    /Local, \(aggregated by 65010 10\.0\.0\.10\)[^]*weight 32768, valid, aggregated, local, atomic-aggregate, best/,
  );
});

test('a neighbour with an unsuppress-map is told what it permits', async () => {
  await configure('neighbor 10.0.0.3 unsuppress-map ONE');
  await same('10.1.0.0/16', '10.1.1.0/24');
  await configure('no neighbor 10.0.0.3 unsuppress-map ONE');
  await same('10.1.0.0/16');
});

test('where what it stands for is missing, the kernel discards', async () => {
  interface Route {
    type?: string;
    dst: string;
  }
  const discards = async (): Promise<string[]> =>
    (await host.ipJson<Route[]>('route', 'show', 'proto', 'bgp'))
      .filter(route => route.type === 'blackhole')
      .map(route => route.dst);
  await until(async () => (await discards()).join() === '10.1.0.0/16', { what: grevy.output });
});

test('it goes with the last of those it stands for, and comes with the first', async () => {
  const feed = (...lines: string[]): Promise<string> =>
    feeder.sh(['configure terminal', 'router bgp 65002', 'address-family ipv4 unicast', ...lines].join('\n'));
  await feed(...ALL.map(network => `no network ${network}`));
  await same();
  await feed('network 10.1.3.0/24');
  await same('10.1.0.0/16');
  await configure('no aggregate-address 10.1.0.0/16');
  await same('10.1.3.0/24');
});

test('what cannot be an aggregate is refused', async () => {
  const said = await grevy
    .sh('configure terminal\nrouter bgp 65010\naddress-family ipv4 unicast\naggregate-address 10.1.1.1/32')
    .catch(error => String(error));
  assert.match(said, /10\.1\.1\.1\/32 has nothing below it/);
  const both = await grevy
    .sh(
      'configure terminal\nrouter bgp 65010\naddress-family ipv4 unicast\naggregate-address 10.1.0.0/16 summary-only suppress-map ONE',
    )
    .catch(error => String(error));
  assert.match(both, /'summary-only' and 'suppress-map' can't be used at the same time/);
});

test('the same in IPv6', async () => {
  await grevy.sh(
    [
      'configure terminal',
      'router bgp 65010',
      'neighbor fd00::2 remote-as 65002',
      'neighbor fd00::2 timers connect 1',
      'address-family ipv6 unicast',
      'neighbor fd00::2 activate',
      'aggregate-address 2001:db8::/32 as-set summary-only',
      'end',
    ].join('\n'),
  );
  let text = '';
  const settled = async (): Promise<boolean> => {
    text = await grevy.sh('show bgp ipv6 unicast');
    return text.includes('s> 2001:db8:1::/48') && /\*> 2001:db8::\/32 +:: +0 +32768 65002 i/.test(text);
  };
  await until(settled, { timeoutMs: 30_000, what: () => text });
});
