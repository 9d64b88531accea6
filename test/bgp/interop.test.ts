// Grevy's whole daemon against the routers that people run: FRR's bgpd, BIRD and GoBGP, in namespaces, judged by what their
// own shells and the kernel say.
//
//    frr ──┐
//    bird ─┼── eth0 of grevy is one port of a bridge
//    gobgp ┘
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Daemon, startBird, startFrr, startGobgp, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const lab = new Lab();
let frr: Daemon;
let bird: Daemon;
let gobgp: Daemon;
let grevy: Daemon;
let host: Namespace;

const FRR = `hostname frr
route-map ALL permit 10
exit
router bgp 65001
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.0.10 remote-as 65010
 neighbor fd00::10 remote-as 65010
 address-family ipv4 unicast
  network 10.1.0.0/24
  network 10.1.1.0/24
  no neighbor fd00::10 activate
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:1::/48
  neighbor fd00::10 activate
 exit-address-family
exit
`;

const BIRD = `router id 10.0.0.2;
protocol device {}
protocol static s4 { ipv4; route 10.2.0.0/24 blackhole; route 10.2.1.0/24 blackhole; }
protocol static s6 { ipv6; route 2001:db8:2::/48 blackhole; }
protocol bgp grevy {
  local 10.0.0.2 as 65010; neighbor 10.0.0.10 as 65010;
  ipv4 { import all; export where source = RTS_STATIC; };
}
protocol bgp grevy6 {
  local fd00::2 as 65010; neighbor fd00::10 as 65010;
  ipv6 { import all; export where source = RTS_STATIC; };
}
`;

const GOBGP = `[global.config]
  as = 65003
  router-id = "10.0.0.3"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.10"
    peer-as = 65010
  [neighbors.transport.config]
    passive-mode = true
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
`;

const GREVY = `hostname grevy
ip prefix-list ONE seq 5 permit 10.1.0.0/24
route-map FROM-FRR permit 10
 match ip address prefix-list ONE
 set local-preference 250
 set community 65010:1
exit
route-map FROM-FRR permit 20
exit
route-map TO-FRR permit 10
 set as-path prepend 65010 65010
 set metric 77
exit
router bgp 65010
 bgp router-id 10.0.0.10
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.0.1 remote-as 65001
 neighbor 10.0.0.1 timers connect 1
 neighbor fd00::1 remote-as 65001
 neighbor fd00::1 timers connect 1
 neighbor 10.0.0.2 remote-as internal
 neighbor 10.0.0.2 timers connect 1
 neighbor fd00::2 remote-as internal
 neighbor fd00::2 timers connect 1
 neighbor 10.0.0.3 remote-as external
 neighbor 10.0.0.3 timers connect 1
 !
 address-family ipv4 unicast
  network 10.10.0.0/24
  redistribute static
  neighbor 10.0.0.1 route-map FROM-FRR in
  neighbor 10.0.0.1 route-map TO-FRR out
  neighbor 10.0.0.2 next-hop-self
  no neighbor fd00::1 activate
  no neighbor fd00::2 activate
 exit-address-family
 !
 address-family ipv6 unicast
  network 2001:db8:10::/48
  neighbor fd00::1 activate
  neighbor fd00::2 activate
  neighbor fd00::2 next-hop-self
 exit-address-family
exit
ip route 10.99.0.0/16 blackhole
`;

interface Route {
  dst: string;
  protocol: string;
}

async function kernel(...family: string[]): Promise<string[]> {
  const routes = await host.ipJson<Route[]>(...family, 'route', 'show', 'proto', 'bgp');
  return routes.map(route => route.dst).sort();
}

before(async () => {
  host = await lab.namespace('grevy');
  const [one, two, three] = [await lab.namespace('frr'), await lab.namespace('bird'), await lab.namespace('gobgp')];
  // Grevy's side is routed, one network for each peer being needless: a bridge joins them.
  const hub = await lab.namespace('hub');
  await hub.run('ip', 'link', 'add', 'br0', 'type', 'bridge');
  await hub.run('ip', 'link', 'set', 'br0', 'up');
  for (const [i, namespace] of [host, one, two, three].entries()) {
    const number = i === 0 ? 10 : i;
    await lab.link(namespace, 'eth0', hub, `p${i}`);
    await hub.run('ip', 'link', 'set', `p${i}`, 'master', 'br0');
    await namespace.run('ip', 'addr', 'add', `10.0.0.${number}/24`, 'dev', 'eth0');
    await namespace.run('ip', 'addr', 'add', `fd00::${number}/64`, 'dev', 'eth0', 'nodad');
  }
  // bgpd takes no IPv6 route with a link-local next hop unless its zebra has told it the interfaces.
  const directory = await lab.directory();
  await startFrr(lab, one, 'zebra', 'hostname frr\n', { directory });
  [frr, bird, gobgp, grevy] = await Promise.all([
    startFrr(lab, one, 'bgpd', FRR, { directory }),
    startBird(lab, two, BIRD),
    startGobgp(lab, three, GOBGP),
    startGrevy(lab, host, GREVY),
  ]);
});
after(() => lab.close());

const json = async (router: Daemon, command: string): Promise<never> => JSON.parse(await router.sh(command)) as never;

/** Waits until a shell's answer matches. */
const says = (router: Daemon, command: string, pattern: RegExp): Promise<string> => {
  let last = '';
  return until(
    async () => {
      last = await router.sh(command).catch(error => String(error));
      return pattern.test(last) ? last : '';
    },
    { timeoutMs: 20_000, everyMs: 100, what: () => `${command}: ${pattern}\n${last}\n${grevy.output()}` },
  );
};

test('sessions with FRR, BIRD and GoBGP come up in both families', async () => {
  interface Summary {
    peers: Record<string, { state: string }>;
  }
  await until(
    async () => {
      const { ipv4Unicast, ipv6Unicast } = (await json(grevy, 'show bgp summary json')) as Record<string, Summary>;
      const states = [...Object.values(ipv4Unicast!.peers), ...Object.values(ipv6Unicast!.peers)].map(
        peer => peer.state,
      );
      return states.length === 5 && states.every(state => state === 'Established');
    },
    { timeoutMs: 30_000, what: grevy.output },
  );
});

test('routes go both ways, and through policy, as FRR sees them', async () => {
  await says(frr, 'show bgp ipv4 unicast', /10\.10\.0\.0\/24[^]*10\.99\.0\.0\/16/);
  const { paths } = (await json(frr, 'show bgp ipv4 unicast 10.10.0.0/24 json')) as {
    paths: { aspath: { string: string }; metric: number; nexthops: { ip: string }[] }[];
  };
  const [path] = paths;
  assert.equal(path?.aspath.string, '65010 65010 65010');
  assert.equal(path.metric, 77);
  assert.equal(path.nexthops[0]?.ip, '10.0.0.10');
  await says(frr, 'show bgp ipv6 unicast', /2001:db8:2::\/48[^]*2001:db8:10::\/48/);
  // From BIRD, an internal neighbour, to FRR, an external one: on the shared network the next hop stays (RFC 4271 §5.1.3).
  await says(frr, 'show bgp ipv4 unicast 10.2.0.0/24', /65010 65010 65010\n {4}10\.0\.0\.2 from 10\.0\.0\.10/);
});

test('what FRR announces arrives with the import policy applied, and reaches the kernel', async () => {
  await says(grevy, 'show bgp ipv4 unicast', /10\.1\.0\.0\/24[^]*10\.1\.1\.0\/24/);
  const { paths } = (await json(grevy, 'show bgp ipv4 unicast 10.1.0.0/24 json')) as {
    paths: { locPrf: number; community: { string: string }; valid: boolean }[];
  };
  assert.equal(paths[0]?.locPrf, 250);
  assert.equal(paths[0].community.string, '65010:1');
  await until(async () => (await kernel('-4')).join(' ') === '10.1.0.0/24 10.1.1.0/24 10.2.0.0/24 10.2.1.0/24', {
    what: grevy.output,
    timeoutMs: 15_000,
  });
  await until(async () => (await kernel('-6')).join(' ') === '2001:db8:1::/48 2001:db8:2::/48', { what: grevy.output });
});

test('BIRD, an internal neighbour, gets local preference, communities and this router as next hop', async () => {
  const text = await says(bird, 'show route all for 10.1.0.0/24', /BGP\.local_pref: 250/);
  assert.match(text, /via 10\.0\.0\.10|10\.0\.0\.10/);
  assert.match(text, /BGP\.as_path: 65001/);
  assert.match(text, /BGP\.next_hop: 10\.0\.0\.10/);
  assert.match(text, /BGP\.community: \(65010,1\)/);
  await says(bird, 'show route all for 2001:db8:1::/48', /BGP\.next_hop: fd00::10/);
});

test('GoBGP gets everything, and what it announces is passed on', async () => {
  await says(gobgp, 'global rib', /10\.1\.0\.0\/24[^]*10\.10\.0\.0\/24/);
  // A third-party next hop on the shared network stays (RFC 4271 §5.1.3).
  await says(gobgp, 'global rib', /10\.1\.0\.0\/24 +10\.0\.0\.1 +65010 65001/);
  await gobgp.sh('global rib add 10.3.0.0/24 -a ipv4');
  await says(frr, 'show bgp ipv4 unicast 10.3.0.0/24', /65010 65010 65010 65003/);
  await until(async () => (await kernel('-4')).includes('10.3.0.0/24'), { what: 'the route in the kernel' });
});

test('withdrawals reach everybody and the kernel', async () => {
  await gobgp.sh('global rib del 10.3.0.0/24 -a ipv4');
  await says(frr, 'show bgp ipv4 unicast 10.3.0.0/24', /not in table/);
  await until(async () => !(await kernel('-4')).includes('10.3.0.0/24'), { what: 'the route to go' });
  await bird.sh('disable s4');
  await says(frr, 'show bgp ipv4 unicast 10.2.0.0/24', /not in table/);
  await says(gobgp, 'global rib', /^(?![^]*10\.2\.0\.0)/);
  await says(grevy, 'show bgp ipv4 unicast 10.2.0.0/24', /not in table/);
  await bird.sh('enable s4');
  await says(frr, 'show bgp ipv4 unicast 10.2.0.0/24', /65010/);
});

test('a route map typed into the running daemon changes what FRR sees', async () => {
  const lines = ['configure terminal', 'route-map TO-FRR permit 10', 'no set metric', 'set metric 99', 'end'];
  await grevy.sh(lines.join('\n')).catch(() => '');
  const shown = await grevy.sh('show route-map TO-FRR');
  if (!shown.includes('metric 99')) return assert.fail(`the shell did not take the lines: ${shown}`);
  await says(frr, 'show bgp ipv4 unicast 10.10.0.0/24', /metric 99/);
});

test('shows have the keys of FRR', async () => {
  const pairs: readonly [string, string, string][] = [
    ['show bgp summary json', 'ipv4Unicast.peers.10.0.0.1', 'ipv4Unicast.peers.10.0.0.10'],
    ['show bgp ipv4 unicast json', 'routes.10.1.0.0/24.0', 'routes.10.2.0.0/24.0'],
    ['show bgp ipv4 unicast 10.1.0.0/24 json', 'paths.0.nexthops.0', 'paths.0.nexthops.0'],
  ];
  for (const [command] of pairs) {
    const ours = (await json(grevy, command)) as object;
    const theirs = (await json(frr, command)) as object;
    const missing = Object.keys(theirs).filter(key => !(key in ours) && key !== 'advertisedTo');
    assert.deepEqual(missing, [], `${command}: keys that FRR has`);
  }
  const neighbor = (router: Daemon, address: string): Promise<Record<string, object>> =>
    json(router, `show bgp neighbors ${address} json`);
  const ours = (await neighbor(grevy, '10.0.0.1'))['10.0.0.1']!;
  const theirs = (await neighbor(frr, '10.0.0.10'))['10.0.0.10']!;
  const absent = Object.keys(theirs).filter(key => !(key in ours));
  assert.deepEqual(
    absent.filter(key => !FRR_ONLY.has(key)),
    [],
  );
});

/** Keys of what Grevy does not have: roles, conditional advertisement, a code for each reason. */
const FRR_ONLY: ReadonlySet<string> = new Set([
  'localRole',
  'remoteRole',
  'bgpTimerConfiguredConditionalAdvertisementsSec',
  'extendedOptionalParametersLength',
  'lastResetCode',
  'lastResetDueTo',
  'lastResetTimerMsecs',
  'lastNotificationReason',
  'lastErrorCodeSubcode',
  'estimatedRttInMsecs',
]);

test('without the instance everything is withdrawn from the kernel, and it all comes back with it', async () => {
  await grevy.sh('configure terminal\nno router bgp\nend');
  await until(async () => (await kernel('-4')).length + (await kernel('-6')).length === 0, { what: grevy.output });
  await says(frr, 'show bgp ipv4 unicast 10.10.0.0/24', /not in table/);
  await grevy.sh(
    'configure terminal\nrouter bgp 65010\nbgp router-id 10.0.0.10\nno bgp ebgp-requires-policy\nneighbor 10.0.0.1 remote-as 65001\nneighbor 10.0.0.1 timers connect 1\nend',
  );
  await until(async () => (await kernel('-4')).includes('10.1.0.0/24'), { timeoutMs: 30_000, what: grevy.output });
});
