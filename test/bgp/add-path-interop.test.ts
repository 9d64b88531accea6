// Add-path (RFC 7911) in both directions with FRR, BIRD and GoBGP, in both families, judged by their own shells.
//
//    bird AS 65002 ── two paths of each prefix ──┬── frr AS 65010, all paths to grevy, grevy's to it
//                                                └── grevy AS 65010 ──┬── frr4 AS 65004: all paths, then the best of each AS
//                                                                     └── gobgp AS 65003: all paths, and two of its own
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Daemon, startBird, startFrr, startGobgp, startGrevy } from '../lib/daemons.ts';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const lab = new Lab();
let frr: Daemon;
let frr4: Daemon;
let bird: Daemon;
let gobgp: Daemon;
let grevy: Daemon;

const FRR = `hostname frr
router bgp 65010
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.0.2 remote-as 65002
 neighbor 10.0.0.10 remote-as 65010
 address-family ipv4 unicast
  neighbor 10.0.0.10 addpath-tx-all-paths
 exit-address-family
 address-family ipv6 unicast
  neighbor 10.0.0.2 activate
  neighbor 10.0.0.10 activate
  neighbor 10.0.0.10 addpath-tx-all-paths
 exit-address-family
exit
`;

const FRR4 = `hostname frr4
router bgp 65004
 bgp router-id 10.0.0.4
 no bgp ebgp-requires-policy
 neighbor 10.0.0.10 remote-as 65010
 address-family ipv6 unicast
  neighbor 10.0.0.10 activate
 exit-address-family
exit
`;

const session = (name: string, address: number): string => `protocol bgp ${name} {
  local 10.0.0.2 as 65002; neighbor 10.0.0.${address} as 65010;
  connect retry time 1; connect delay time 1; error wait time 1, 2;
  ipv4 { add paths on; import all; export where ours(); };
  ipv6 { add paths on; import all; export where ours(); next hop address fd00::2; };
}
`;
const BIRD = `router id 10.0.0.2;
protocol device {}
function ours() {
  if proto = "a4" || proto = "a6" then { bgp_med = 1; return true; }
  if proto = "b4" || proto = "b6" then { bgp_med = 2; bgp_path.prepend(64999); return true; }
  return false;
}
protocol static a4 { ipv4; route 10.2.0.0/24 blackhole; route 10.2.1.0/24 blackhole; }
protocol static b4 { ipv4 { preference 150; }; route 10.2.0.0/24 blackhole; }
protocol static a6 { ipv6; route 2001:db8:2::/48 blackhole; }
protocol static b6 { ipv6 { preference 150; }; route 2001:db8:2::/48 blackhole; }
${session('frr', 1)}${session('grevy', 10)}`;

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
    [neighbors.afi-safis.add-paths.config]
      receive = true
      send-max = 8
`;

const GREVY = `hostname grevy
router bgp 65010
 bgp router-id 10.0.0.10
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.0.1 remote-as 65010
 neighbor 10.0.0.1 timers connect 1
 neighbor 10.0.0.2 remote-as 65002
 neighbor 10.0.0.2 timers connect 1
 neighbor 10.0.0.3 remote-as 65003
 neighbor 10.0.0.3 timers connect 1
 neighbor 10.0.0.4 remote-as 65004
 neighbor 10.0.0.4 timers connect 1
 address-family ipv4 unicast
  network 10.10.0.0/24
  neighbor 10.0.0.1 addpath-tx-all-paths
  neighbor 10.0.0.2 addpath-tx-all-paths
  neighbor 10.0.0.3 addpath-tx-all-paths
  neighbor 10.0.0.4 addpath-tx-all-paths
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:10::/48
  neighbor 10.0.0.1 activate
  neighbor 10.0.0.2 activate
  neighbor 10.0.0.2 addpath-tx-all-paths
  neighbor 10.0.0.4 activate
  neighbor 10.0.0.4 addpath-tx-all-paths
 exit-address-family
exit
`;

before(async () => {
  const hub = await lab.namespace('hub');
  await hub.run('ip', 'link', 'add', 'br0', 'type', 'bridge');
  await hub.run('ip', 'link', 'set', 'br0', 'up');
  const spaces = [];
  for (const [name, number] of [
    ['grevy', 10],
    ['frr', 1],
    ['bird', 2],
    ['gobgp', 3],
    ['frr4', 4],
  ] as const) {
    const namespace = await lab.namespace(name);
    spaces.push(namespace);
    await lab.link(namespace, 'eth0', hub, `p${number}`);
    await hub.run('ip', 'link', 'set', `p${number}`, 'master', 'br0');
    await namespace.run('ip', 'addr', 'add', `10.0.0.${number}/24`, 'dev', 'eth0');
    await namespace.run('ip', 'addr', 'add', `fd00::${number}/64`, 'dev', 'eth0', 'nodad');
  }
  const [host, one, two, three, four] = spaces as [never, never, never, never, never];
  // bgpd resolves next hops with its zebra's help.
  const [directory, directory4] = [await lab.directory(), await lab.directory()];
  await Promise.all([
    startFrr(lab, one, 'zebra', 'hostname frr\n', { directory }),
    startFrr(lab, four, 'zebra', 'hostname frr4\n', { directory: directory4 }),
  ]);
  [frr, frr4, bird, gobgp, grevy] = await Promise.all([
    startFrr(lab, one, 'bgpd', FRR, { directory }),
    startFrr(lab, four, 'bgpd', FRR4, { directory: directory4 }),
    startBird(lab, two, BIRD),
    startGobgp(lab, three, GOBGP),
    startGrevy(lab, host, GREVY),
  ]);
});
after(() => lab.close());

interface Path {
  addpathRxId?: number;
  addpathTxId?: number;
  addpathTxIdAll?: number;
  addpathTxIdBestPerAS?: number;
  advertisedTo?: Record<string, object>;
  aspath: { string: string };
  bestpath?: { bestpathFromAs?: number; overall?: boolean };
  nexthops: { ip: string }[];
  peer: { peerId: string };
}

async function paths(router: Daemon, afi: 'ipv4' | 'ipv6', prefix: string): Promise<Path[]> {
  const { paths = [] } = JSON.parse(await router.sh(`show bgp ${afi} unicast ${prefix} json`)) as { paths?: Path[] };
  return paths;
}

/** What a router has of a prefix from one neighbour, once there is so much of it. */
async function pathsFrom(
  router: Daemon,
  afi: 'ipv4' | 'ipv6',
  prefix: string,
  peer: string,
  count: number,
): Promise<Path[]> {
  let found: Path[] = [];
  return until(
    async () => {
      found = (await paths(router, afi, prefix)).filter(path => path.peer.peerId === peer);
      return found.length === count ? found : undefined;
    },
    {
      timeoutMs: 30_000,
      everyMs: 100,
      what: () => `${count} paths of ${prefix} from ${peer}\n${JSON.stringify(found, null, 1)}\n${grevy.output()}`,
    },
  );
}

/** One that Grevy tells must have under Grevy's identifiers what Grevy says it tells. */
async function agrees(other: Daemon, name: string, afi: 'ipv4' | 'ipv6', prefix: string, count: number): Promise<void> {
  let [theirs, ours]: string[][] = [[], []];
  await until(
    async () => {
      const line = (id: number | undefined, path: string): string => `${id} ${path}`;
      theirs = (await paths(other, afi, prefix))
        .filter(path => path.peer.peerId === '10.0.0.10')
        .map(path => line(path.addpathRxId, path.aspath.string.replace(/^65010 ?/, '') || 'Local'))
        .sort();
      ours = (await paths(grevy, afi, prefix))
        .filter(path => path.advertisedTo?.[name] !== undefined)
        .map(path => line(path.addpathTxIdBestPerAS || path.addpathTxIdAll, path.aspath.string))
        .sort();
      return theirs.length === count && JSON.stringify(theirs) === JSON.stringify(ours);
    },
    {
      timeoutMs: 30_000,
      everyMs: 100,
      what: () => `${name} to have ${count} of ${prefix}: ${JSON.stringify({ theirs, ours })}\n${grevy.output()}`,
    },
  );
}

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

const configure = (...lines: string[]): Promise<string> =>
  grevy.sh(['configure terminal', 'router bgp 65010', 'address-family ipv4 unicast', ...lines].join('\n'));

test('both paths of a prefix come from BIRD, in both families', async () => {
  for (const [afi, prefix] of [
    ['ipv4', '10.2.0.0/24'],
    ['ipv6', '2001:db8:2::/48'],
  ] as const) {
    const found = await pathsFrom(grevy, afi, prefix, '10.0.0.2', 2);
    assert.deepEqual(found.map(path => path.aspath.string).sort(), ['65002', '65002 64999']);
    assert.equal(new Set(found.map(path => path.addpathRxId)).size, 2);
    assert.ok(found.every(path => path.addpathRxId !== 0));
  }
  await pathsFrom(grevy, 'ipv4', '10.2.1.0/24', '10.0.0.2', 1);
});

test('both come from FRR, by the identifiers that it says', async () => {
  for (const [afi, prefix] of [
    ['ipv4', '10.2.0.0/24'],
    ['ipv6', '2001:db8:2::/48'],
  ] as const) {
    await pathsFrom(grevy, afi, prefix, '10.0.0.1', 2);
    const own = await pathsFrom(frr, afi, prefix, '10.0.0.2', 2);
    const ids = (list: Path[], key: 'addpathRxId' | 'addpathTxIdAll'): string[] =>
      list.map(path => `${path[key]} ${path.aspath.string}`).sort();
    assert.deepEqual(
      ids(await pathsFrom(grevy, afi, prefix, '10.0.0.1', 2), 'addpathRxId'),
      ids(own, 'addpathTxIdAll'),
    );
  }
});

test('FRR as an external neighbour has all four paths, by the identifiers that Grevy says', async () => {
  await agrees(frr4, '10.0.0.4', 'ipv4', '10.2.0.0/24', 4);
  await agrees(frr4, '10.0.0.4', 'ipv6', '2001:db8:2::/48', 4);
  await agrees(frr4, '10.0.0.4', 'ipv4', '10.10.0.0/24', 1);
  // An internal one is not told what another internal one said, nor its own: the two from BIRD are left.
  await agrees(frr, '10.0.0.1', 'ipv4', '10.2.0.0/24', 2);
});

test('BIRD and GoBGP have them too', async () => {
  await says(bird, 'show route 10.10.0.0/24 all', /BGP\.as_path: 65010\n/);
  await says(bird, 'show route 2001:db8:10::/48 all', /BGP\.as_path: 65010\n/);
  // By way of FRR's AS, or from BIRD itself: not to BIRD, which knows its own AS. To GoBGP all four go.
  const text = await says(gobgp, 'neighbor 10.0.0.10 adj-in', /(10\.2\.0\.0\/24[^]*){4}10\.2\.1\.0\/24/);
  const rows = text.split('\n').filter(line => line.includes('10.2.0.0/24'));
  assert.equal(rows.length, 4, text);
  assert.equal(rows.filter(row => row.includes('65010 65002 64999')).length, 2, text);
});

test('what GoBGP injects with identifiers comes and goes path by path', async () => {
  const paths = [11, 12].map(id => `10.3.0.0/24 identifier ${id} origin igp med ${id}`);
  for (const path of paths) await gobgp.sh(`global rib add -a ipv4 ${path} nexthop 10.0.0.3`);
  await pathsFrom(grevy, 'ipv4', '10.3.0.0/24', '10.0.0.3', 2);
  await agrees(frr4, '10.0.0.4', 'ipv4', '10.3.0.0/24', 2);
  await gobgp.sh(`global rib del -a ipv4 ${paths[0]} nexthop 10.0.0.3`);
  await pathsFrom(grevy, 'ipv4', '10.3.0.0/24', '10.0.0.3', 1);
  await agrees(frr4, '10.0.0.4', 'ipv4', '10.3.0.0/24', 1);
});

test('one of two paths goes everywhere when its source withdraws it, the other keeps its identifier', async () => {
  const kept = (await paths(grevy, 'ipv4', '10.2.0.0/24')).filter(path => path.aspath.string === '65002');
  await bird.sh('disable b4');
  await pathsFrom(grevy, 'ipv4', '10.2.0.0/24', '10.0.0.2', 1);
  await agrees(frr4, '10.0.0.4', 'ipv4', '10.2.0.0/24', 2);
  await says(gobgp, 'neighbor 10.0.0.10 adj-in', /^(?!([^]*10\.2\.0\.0\/24){3})([^]*10\.2\.0\.0\/24){2}/);
  const left = await paths(grevy, 'ipv4', '10.2.0.0/24');
  const ids = (list: Path[]): Set<number | undefined> => new Set(list.map(path => path.addpathTxIdAll));
  assert.deepEqual(ids(left), ids(kept));
  await bird.sh('enable b4');
  await agrees(frr4, '10.0.0.4', 'ipv4', '10.2.0.0/24', 4);
});

test('a route refresh, a soft clear and a policy change leave every neighbour with every path', async () => {
  await frr4.sh('clear bgp ipv4 unicast 10.0.0.10 soft in');
  await grevy.sh('clear bgp ipv4 unicast 10.0.0.4 soft out');
  await agrees(frr4, '10.0.0.4', 'ipv4', '10.2.0.0/24', 4);
  await grevy.sh(
    [
      'configure terminal',
      'bgp as-path access-list LONG seq 5 permit 64999',
      'route-map SHORT deny 10',
      'match as-path LONG',
      'exit',
      'route-map SHORT permit 20',
      'exit',
      'router bgp 65010',
      'address-family ipv4 unicast',
      'neighbor 10.0.0.4 route-map SHORT out',
    ].join('\n'),
  );
  // Another group, which takes back what it does not want of what the one before told.
  await agrees(frr4, '10.0.0.4', 'ipv4', '10.2.0.0/24', 2);
  await configure('no neighbor 10.0.0.4 route-map SHORT out');
  await agrees(frr4, '10.0.0.4', 'ipv4', '10.2.0.0/24', 4);
  await grevy.sh('clear bgp ipv4 unicast 10.0.0.2 soft in');
  await agrees(frr4, '10.0.0.4', 'ipv4', '10.2.0.0/24', 4);
});

test('the default route goes along with an identifier, and is taken back', async () => {
  await configure('neighbor 10.0.0.4 default-originate');
  await pathsFrom(frr4, 'ipv4', '0.0.0.0/0', '10.0.0.10', 1);
  await agrees(frr4, '10.0.0.4', 'ipv4', '10.2.0.0/24', 4);
  await configure('no neighbor 10.0.0.4 default-originate');
  await pathsFrom(frr4, 'ipv4', '0.0.0.0/0', '10.0.0.10', 0);
  await agrees(frr4, '10.0.0.4', 'ipv4', '10.2.0.0/24', 4);
});

interface Neighbor {
  bgpState: string;
  connectionsEstablished: number;
  neighborCapabilities: { addPath: Record<string, object> };
  addressFamilyInfo: Record<string, Record<string, unknown>>;
}

const neighbor = async (router: Daemon, name: string): Promise<Neighbor> =>
  (JSON.parse(await router.sh(`show bgp neighbors ${name} json`)) as Record<string, Neighbor>)[name]!;

test('the best path of each AS instead of all: the session stays, the others are taken back', async () => {
  const { connectionsEstablished } = await neighbor(frr4, '10.0.0.10');
  await configure('neighbor 10.0.0.4 addpath-tx-bestpath-per-AS');
  await agrees(frr4, '10.0.0.4', 'ipv4', '10.2.0.0/24', 1);
  await agrees(frr4, '10.0.0.4', 'ipv6', '2001:db8:2::/48', 4);
  const [path] = (await paths(grevy, 'ipv4', '10.2.0.0/24')).filter(one => one.advertisedTo?.['10.0.0.4']);
  assert.deepEqual([path?.bestpath?.bestpathFromAs, path?.bestpath?.overall], [65002, true]);
  assert.equal((await neighbor(frr4, '10.0.0.10')).connectionsEstablished, connectionsEstablished);
  const { addPath } = (await neighbor(grevy, '10.0.0.4')).neighborCapabilities;
  assert.deepEqual(addPath['ipv4Unicast'], { txAdvertised: true, rxAdvertisedAndReceived: true });
  assert.equal((await neighbor(grevy, '10.0.0.4')).addressFamilyInfo['ipv4Unicast']!['addpathTxBestpathPerAS'], true);
  assert.match(await grevy.sh('show bgp neighbors 10.0.0.4'), /\n {2}Advertise bestpath per AS via addpath\n/);
  assert.match(
    await grevy.sh('show bgp ipv4 unicast 10.2.0.0/24'),
    /bestpath-from-AS 65002, best .*\n {6}AddPath ID: RX \d+, TX-All (\d+) TX-Best-Per-AS \1\n {6}Advertised to: .*10\.0\.0\.4/,
  );
});

test('a neighbour that is reset gets all of it again, the other way round too', async () => {
  await configure('neighbor 10.0.0.4 addpath-tx-all-paths');
  await agrees(frr4, '10.0.0.4', 'ipv4', '10.2.0.0/24', 4);
  await frr4.sh('clear bgp ipv4 10.0.0.10');
  await agrees(frr4, '10.0.0.4', 'ipv4', '10.2.0.0/24', 4);
  await agrees(frr4, '10.0.0.4', 'ipv6', '2001:db8:2::/48', 4);
  await grevy.sh('clear bgp ipv4 unicast 10.0.0.2');
  await pathsFrom(grevy, 'ipv4', '10.2.0.0/24', '10.0.0.2', 2);
  await agrees(frr4, '10.0.0.4', 'ipv4', '10.2.0.0/24', 4);
});

test('shows of what is sent and taken have a line for each path', async () => {
  const lines = async (command: string): Promise<number> =>
    (await grevy.sh(command)).split('\n').filter(line => line.includes('10.2.0.0/24')).length;
  const show = 'show bgp ipv4 unicast neighbors';
  assert.equal(await lines(`${show} 10.0.0.4 advertised-routes`), 4);
  assert.equal(await lines(`${show} 10.0.0.2 received-routes`), 2);
  const { totalPrefixCounter, advertisedRoutes } = JSON.parse(
    await grevy.sh(`${show} 10.0.0.4 advertised-routes json`),
  ) as { totalPrefixCounter: number; advertisedRoutes: object };
  assert.ok(totalPrefixCounter > Object.keys(advertisedRoutes).length);
  const sent = (await neighbor(grevy, '10.0.0.4')).addressFamilyInfo['ipv4Unicast']!['sentPrefixCounter'];
  assert.equal(sent, totalPrefixCounter);
});

test('without receiving, and without sending, one path a prefix is left', async () => {
  await configure('neighbor 10.0.0.1 disable-addpath-rx', 'no neighbor 10.0.0.4 addpath-tx-all-paths');
  const [path] = await pathsFrom(grevy, 'ipv4', '10.2.0.0/24', '10.0.0.1', 1);
  // Shown as 0 where another neighbour is told with identifiers.
  assert.equal(path?.addpathRxId ?? 0, 0);
  const [told] = await pathsFrom(frr4, 'ipv4', '10.2.0.0/24', '10.0.0.10', 1);
  assert.equal(told?.addpathRxId ?? 0, 0);
  await until(async () => (await neighbor(grevy, '10.0.0.1')).bgpState === 'Established', { what: grevy.output });
  const { addPath } = (await neighbor(grevy, '10.0.0.1')).neighborCapabilities;
  assert.deepEqual(addPath['ipv4Unicast'], { txAdvertisedAndReceived: true, rxReceived: true });
  const running = await grevy.sh('show running-config');
  assert.match(running, /\n {2}neighbor 10\.0\.0\.1 disable-addpath-rx\n/);
  const [ipv4] = running.split('address-family ipv6');
  assert.doesNotMatch(ipv4!, /10\.0\.0\.4 addpath/);
  // IPv6 goes on as it was.
  await agrees(frr4, '10.0.0.4', 'ipv6', '2001:db8:2::/48', 4);
});
