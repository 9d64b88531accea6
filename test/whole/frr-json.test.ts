// What scripts written for FRR read: Grevy and FRR's three daemons are each put into the same network, with the same
// configuration and the same neighbours (FRR's bgpd), and every JSON is compared: its keys, the types of its values, and its
// values where these are no times, ports or numbers of ours.
//
//                      ┌─ eth0 ── r2  AS 65002, IPv4; prefixes that are refused
//    subject ──────────┼─ eth1 ── r3  AS 65001, member of a peer group, and a session over IPv6
//    AS 65001          └─ eth2 ── r4  AS 65004, the other half of an ECMP route
//    eth3 (up, no carrier) ─ eth4 (down); neighbours that nobody answers for, shut down, passive, not activated, off the net
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Daemon, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const INTERFACES = `interface eth0
 description to r2
exit
`;

// None by way of the neighbour that hears of it: we do not tell it then (RFC 4271 §5.1.3), FRR does.
const STATICS = `ip route 172.16.1.0/24 blackhole
ip route 172.16.9.0/24 blackhole tag 7
ip route 172.17.1.0/24 10.0.0.7
ip route 172.18.1.0/24 10.0.0.7
ip route 172.18.1.0/24 10.0.2.4
ip route 172.19.1.0/24 172.17.1.1
ip route 172.21.1.0/24 reject
ip route 172.22.1.0/24 eth0
ipv6 route 2001:db8:1::/48 blackhole
ipv6 route 2001:db8:11::/48 fd01::7
ipv6 route 2001:db8:12::/48 fe80::2 eth0
`;

const BGP = `ip prefix-list OURS seq 5 permit 172.16.0.0/12 le 24
ip prefix-list OURS seq 10 permit 198.18.2.0/24
ip prefix-list STATICS seq 5 permit 172.16.0.0/12 le 24
ip prefix-list REFUSE seq 5 deny 198.18.99.0/24
ip prefix-list REFUSE seq 10 permit any
ipv6 prefix-list OURS seq 5 permit 2001:db8::/36 le 48
bgp as-path access-list ANY permit .*
bgp community-list standard FROM2 permit 65002:1
route-map OUT permit 10
 description first
 match ip address prefix-list STATICS
 set metric 50
 set community 65001:7 additive
exit
route-map OUT deny 20
exit
route-map IN permit 10
 match community FROM2
 set local-preference 200
 on-match next
exit
route-map IN permit 20
 call SUB
exit
route-map SUB permit 10
 match as-path ANY
 set weight 10
exit
router bgp 65001
 bgp router-id 10.255.0.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 bgp bestpath as-path multipath-relax
 bgp bestpath compare-routerid
 bgp bestpath med missing-as-worst
 neighbor MATES peer-group
 neighbor MATES remote-as 65001
 neighbor MATES description all of us
 neighbor MATES timers 30 90
 neighbor MATES timers connect 1
 neighbor 10.0.0.2 remote-as external
 neighbor 10.0.0.2 description the other one
 neighbor 10.0.0.2 timers connect 1
 neighbor 10.0.1.3 peer-group MATES
 neighbor 10.0.2.4 remote-as 65004
 neighbor 10.0.2.4 timers 1 3
 neighbor 10.0.2.4 timers connect 1
 neighbor fd01::3 remote-as 65001
 neighbor fd01::3 timers connect 1
 neighbor 10.0.0.77 remote-as 65077
 neighbor 10.0.0.77 password secret
 neighbor 10.0.0.77 local-as 64999 no-prepend replace-as
 neighbor 10.0.0.78 remote-as 65078
 neighbor 10.0.0.78 shutdown
 neighbor 10.0.0.79 remote-as 65079
 neighbor 10.0.0.80 remote-as 65080
 neighbor 10.0.0.80 passive
 neighbor 10.0.0.80 ebgp-multihop 3
 neighbor 10.0.0.80 update-source 10.255.0.1
 neighbor 10.88.0.1 remote-as 65088
 neighbor 10.88.0.2 peer-group MATES
 address-family ipv4 unicast
  maximum-paths 8
  network 198.51.100.0/24
  redistribute static
  neighbor 10.0.0.2 soft-reconfiguration inbound
  neighbor 10.0.0.2 prefix-list REFUSE in
  neighbor 10.0.0.2 route-map OUT out
  neighbor 10.0.0.2 maximum-prefix 1000 80
  neighbor MATES route-reflector-client
  neighbor MATES next-hop-self
  neighbor MATES prefix-list OURS out
  neighbor 10.0.1.3 route-map IN in
  neighbor 10.0.2.4 default-originate
  neighbor 10.0.2.4 filter-list ANY in
  neighbor 10.0.2.4 prefix-list STATICS out
  neighbor 10.0.0.77 remove-private-AS
  neighbor 10.0.0.77 maximum-prefix 10 warning-only
  neighbor 10.0.0.77 attribute-unchanged next-hop
  neighbor 10.0.0.77 weight 77
  neighbor 10.0.0.80 remove-private-AS all replace-AS
  neighbor 10.0.0.80 maximum-prefix 10 restart 5
  no neighbor 10.0.0.80 send-community
  no neighbor 10.0.0.79 activate
  no neighbor fd01::3 activate
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:77::/48
  redistribute static
  neighbor fd01::3 activate
  neighbor fd01::3 prefix-list OURS out
 exit-address-family
exit
`;

const speaker = (name: string, lines: string): string => `hostname ${name}
route-map TAGGED permit 10
 set community 65002:1 no-export
 set large-community 65002:1:2
 set metric 30
exit
route-map AGGREGATED permit 10
 set as-path prepend 65009 65010
 set aggregator as 65002 10.0.0.2
 set atomic-aggregate
exit
route-map FROM2 permit 10
 set community 65002:1
 set origin egp
exit
router bgp ${lines} no bgp ebgp-requires-policy
 no bgp network import-check
`;

const R2 = `${speaker('r2', '65002\n bgp router-id 10.0.0.2\n')} neighbor 10.0.0.1 remote-as 65001
 neighbor 10.0.0.1 timers connect 1
 address-family ipv4 unicast
  network 198.18.2.0/24
  network 198.18.3.0/24 route-map TAGGED
  network 198.18.4.0/24 route-map AGGREGATED
  network 198.18.30.0/24
  network 198.18.99.0/24
 exit-address-family
exit
`;

const R3 = `${speaker('r3', '65001\n bgp router-id 10.0.1.3\n')} neighbor 10.0.1.1 remote-as 65001
 neighbor 10.0.1.1 timers connect 1
 neighbor fd01::1 remote-as 65001
 neighbor fd01::1 timers connect 1
 address-family ipv4 unicast
  network 198.18.5.0/24
  network 198.18.6.0/24 route-map FROM2
  no neighbor fd01::1 activate
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:f003::/48
  network 2001:db8:f004::/48 route-map AGGREGATED
  neighbor fd01::1 activate
 exit-address-family
exit
`;

const R4 = `${speaker('r4', '65004\n bgp router-id 10.0.2.4\n')} neighbor 10.0.2.1 remote-as 65001
 neighbor 10.0.2.1 timers connect 1
 address-family ipv4 unicast
  network 198.18.30.0/24
 exit-address-family
exit
`;

/** One of the two, in a network of its own. */
class Side {
  readonly name: 'frr' | 'grevy';
  readonly peers: Record<string, Daemon> = {};
  host!: Namespace;
  #zebra!: Daemon;
  #bgp!: Daemon;

  constructor(name: 'frr' | 'grevy') {
    this.name = name;
  }

  async start(lab: Lab): Promise<void> {
    const host = await lab.namespace(this.name);
    this.host = host;
    for (const switches of ['ipv4.ip_forward', 'ipv6.conf.all.forwarding'])
      await host.run('sysctl', '-q', '-w', `net.${switches}=1`);
    const configurations = [R2, R3, R4];
    for (const i of [0, 1, 2]) {
      const other = await lab.namespace(`r${i + 2}`);
      // Link-local addresses come from the hardware address, and at once.
      for (const namespace of [host, other])
        await namespace.run('sysctl', '-q', '-w', 'net.ipv6.conf.default.accept_dad=0');
      const link = ['ip', 'link', 'add', `eth${i}`, 'address', `02:00:00:00:01:0${i}`, 'type', 'veth', 'peer'];
      await host.run(...link, 'name', 'eth0', 'address', `02:00:00:00:0${i + 2}:00`, 'netns', String(other.pid));
      for (const [namespace, device, end] of [
        [host, `eth${i}`, 1],
        [other, 'eth0', i + 2],
      ] as const) {
        await namespace.run('ip', 'link', 'set', device, 'up');
        await namespace.run('ip', 'addr', 'add', `10.0.${i}.${end}/24`, 'dev', device);
        if (i < 2) await namespace.run('ip', 'addr', 'add', `fd0${i}::${end}/64`, 'dev', device, 'nodad');
      }
      this.peers[`r${i + 2}`] = await startFrr(lab, other, 'bgpd', configurations[i]!, { args: ['-Z'] });
    }
    await host.run('ip', 'addr', 'add', '10.0.0.11/24', 'dev', 'eth0');
    await host.run('ip', 'addr', 'add', '10.255.0.1/32', 'dev', 'lo');
    await host.run('ip', 'addr', 'add', '203.0.113.1', 'peer', '203.0.113.2/32', 'dev', 'eth1');
    const loose = ['ip', 'link', 'add', 'eth3', 'address', '02:00:00:00:01:03', 'type', 'veth', 'peer', 'name', 'eth4'];
    await host.run(...loose, 'address', '02:00:00:00:01:04');
    await host.run('ip', 'addr', 'add', '10.0.3.1/24', 'dev', 'eth3');
    await host.run('ip', 'addr', 'add', '10.0.4.1/24', 'dev', 'eth4');
    await host.run('ip', 'link', 'set', 'eth3', 'up');
    await host.run('ip', 'route', 'add', '203.0.114.0/24', 'via', '10.0.0.2', 'metric', '100');
    if (this.name === 'grevy') {
      this.#zebra = await startGrevy(lab, host, `hostname subject\n${INTERFACES}${STATICS}${BGP}`);
      this.#bgp = this.#zebra;
      return;
    }
    this.#zebra = await startFrr(lab, host, 'zebra', `hostname subject\n${INTERFACES}`);
    const { directory } = this.#zebra;
    await startFrr(lab, host, 'staticd', STATICS, { directory });
    this.#bgp = await startFrr(lab, host, 'bgpd', `hostname subject\n${BGP}`, { directory });
  }

  sh(command: string): Promise<string> {
    return (/^show (bgp|ip bgp|route-map)|^configure/.test(command) ? this.#bgp : this.#zebra).sh(command);
  }

  async json(command: string): Promise<unknown> {
    const text = await this.sh(`${command} json`);
    try {
      return JSON.parse(text);
    } catch {
      throw new Error(`${this.name}: ${command} json: ${text}`);
    }
  }

  says(command: string, ...patterns: RegExp[]): Promise<void> {
    let text = '';
    return until(
      async () => {
        text = await this.sh(command);
        return patterns.every(pattern => pattern.test(text));
      },
      { timeoutMs: 60_000, everyMs: 100, what: () => `${this.name}: ${command}: ${patterns.join(' ')}\n${text}` },
    ).then(() => {});
  }
}

// ---- comparing ---------------------------------------------------------------------------------------------------------

/** Values that differ from run to run or count what each daemon does in its own way: only their types are compared. */
const VARIES = new RegExp(
  `\\.(${[
    // times
    'uptime|peerUptime|peerUptimeMsec|peerUptimeEstablishedEpoch|lastUpdate\\.(epoch|string)|lastLink(Up|Down)',
    'bgpTimerUp(Msec|String|EstablishedEpoch)|bgpTimerLast(Read|Write)|bgpInUpdateElapsedTimeMsecs|lastResetTimerMsecs',
    'nextConnectTimerDueInMsecs',
    // ports, ids and versions
    'port(Local|Foreign)|(nexthopGroup|installedNexthopGroup)Id|(update|sub)GroupId|version|tableVersion|bgpTableVersion',
    // messages, memory, calls
    'processedChange|msg(Rcvd|Sent)|messageStats\\.\\w+|rib(Count|Memory)|peer(Memory|GroupMemory)|invoked',
    'connections(Established|Dropped)|endOfRibSentAfterUpdate',
  ].join('|')})$`,
);

/** Where we say otherwise, and why. */
const REASONS: readonly (readonly [path: RegExp, why: string])[] = [
  // Capabilities that FRR offers and we do not: ours is `received` where FRR's is `advertisedAndReceived`.
  [/\.longLivedGracefulRestart$/, 'we do not offer long-lived graceful restart'],
  [/\.gracefulRestartInfo\.localGrMode$/, 'we keep no routes of a neighbour that restarts'],
  [/\.timers\.stalePathTimer$/, 'we keep no routes of a neighbour that restarts: 0'],
  [/\.lastNotificationHardReset$/, 'a hard reset needs the N bit of RFC 8538, which we do not offer'],
  [/\.bgpTimerConfiguredConditionalAdvertisementsSec$/, 'we advertise nothing on a condition: 0'],
  // bgp-io has the sockets, and tells nobody of TCP's estimates.
  [/\.estimatedRttInMsecs$/, 'read from the socket by FRR'],
  // FRR takes the start of its daemon for a reset; we say `never` until there was one.
  [/\.(lastReset|lastResetTimerMsecs|lastResetDueTo|lastResetCode)$/, 'before the first reset'],
  // FRR counts a message that says `down` again as one more fall.
  [/^\.eth[34]\.(linkUps|linkDowns|lastLinkUp|lastLinkDown)$/, 'an interface that came up without carrier'],
  // A connected, kernel or blackhole route uses no nexthop object of the kernel here.
  [/\.(nexthopGroupId|installedNexthopGroupId|internalFlags)$/, 'ours have an object in the kernel or no id'],
  // After a failed attempt we wait in Idle (RFC 4271 §8.2.2), FRR in Active.
  [/\.(10\.0\.0\.77|10\.88\.0\.[12]|10\.0\.0\.79|10\.0\.[012]\.\d|fd01::3)\.(bgpState|state)$/, 'between attempts'],
  [/\.next(Connect|Start)TimerDueInMsecs$/, 'FRR counts also where there is nothing to connect to'],
];

/** More of them where sessions have ended. */
const ENDED: typeof REASONS = [
  [
    /\.(hostLocal|hostForeign|nexthop|nexthopGlobal|nexthopLocal|bgpConnection|readThread|writeThread)$/,
    'of the last attempt, in FRR',
  ],
  [/^\.(fd01::3|10\.0\.2\.4)\.remoteRouterId$/, 'FRR keeps it after a shutdown, and now and then after a silence'],
];

/** Lines that say where two values differ; lists are in the same order. */
function differences(theirs: unknown, ours: unknown, reasons: typeof REASONS, path = ''): string[] {
  if (reasons.some(([pattern]) => pattern.test(path))) return [];
  const text = (value: unknown): string => (value === undefined ? 'nothing' : JSON.stringify(value));
  const differ = `${path}: FRR ${text(theirs)}, Grevy ${text(ours)}`;
  const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
  if (isObject(theirs) && isObject(ours) && Array.isArray(theirs) === Array.isArray(ours)) {
    const names = new Set([...Object.keys(theirs), ...Object.keys(ours)]);
    return Array.from(names).flatMap(name => differences(theirs[name], ours[name], reasons, `${path}.${name}`));
  }
  if (typeof theirs !== typeof ours) return [differ];
  return theirs === ours || VARIES.test(path) ? [] : [differ];
}

/** Routes of a prefix come in the order in which they were learnt. */
function ordered(value: unknown): unknown {
  if (Array.isArray(value)) {
    const key = (item: unknown): string => {
      const { nexthops, distance, peerId, peer } = item as {
        nexthops?: { ip?: string; interfaceName?: string; weight?: number }[];
        distance?: number;
        peerId?: string;
        peer?: { peerId?: string };
      };
      const hops = nexthops?.map(hop => `${hop.ip} ${hop.interfaceName}`).join();
      return JSON.stringify([distance, peerId, peer?.peerId, hops]);
    };
    const all = value.map(ordered);
    return all.some(item => typeof item === 'object' && item !== null && 'nexthops' in item)
      ? all.toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
      : all;
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, ordered(inner)]));
}

/** Without times, versions, amounts of memory and numbers of messages. */
function plain(text: string): string {
  return text
    .replaceAll(/\b\d\d:\d\d:\d\d\b/g, 'T')
    .replaceAll(/Last update: .*/g, 'Last update: T')
    .replaceAll(/version (is )?\d+/g, 'version N')
    .replaceAll(/^(RIB entries|Peers) .*$/gm, '$1 N')
    .split('\n')
    .map(line => line.trimEnd())
    .join('\n')
    .trim();
}

const ALIVE = ['10.0.0.2', '10.0.1.3', '10.0.2.4', 'fd01::3'];
const NEIGHBORS = [...ALIVE, '10.0.0.77', '10.0.0.78', '10.0.0.79', '10.0.0.80', '10.88.0.1', '10.88.0.2'];

const JSON_SHOWS: readonly string[] = [
  'show interface',
  ...['lo', 'eth0', 'eth1', 'eth3', 'eth4', 'nonesuch'].map(name => `show interface ${name}`),
  'show interface brief',
  'show ip route',
  'show ip route static',
  'show ip route summary',
  'show ipv6 route',
  'show ipv6 route summary',
  ...['172.16.1.0/24', '172.18.1.0/24', '172.19.1.0/24', '172.19.1.9', '198.18.30.0/24', '198.18.2.0/24'].map(
    prefix => `show ip route ${prefix}`,
  ),
  ...['10.0.0.0/24', '10.0.3.0/24', '203.0.114.0/24', '9.9.9.0/24'].map(prefix => `show ip route ${prefix}`),
  ...['2001:db8:f003::/48', '2001:db8:12::/48', 'fd00::/64'].map(prefix => `show ipv6 route ${prefix}`),
  'show bgp summary',
  'show ip bgp summary',
  'show bgp ipv4 unicast summary',
  'show bgp ipv6 unicast summary',
  'show bgp ipv4 unicast',
  'show bgp ipv6 unicast',
  'show bgp ipv4 unicast 198.18.0.0/16 longer-prefixes',
  ...['172.16.1.0/24', '172.19.1.0/24', '198.51.100.0/24', '9.9.9.0/24'].map(
    prefix => `show bgp ipv4 unicast ${prefix}`,
  ),
  ...[2, 3, 4, 5, 6, 30, 99].map(net => `show bgp ipv4 unicast 198.18.${net}.0/24`),
  ...['2001:db8:1::/48', '2001:db8:77::/48', '2001:db8:f003::/48', '2001:db8:f004::/48'].map(
    prefix => `show bgp ipv6 unicast ${prefix}`,
  ),
  'show bgp neighbors',
  ...NEIGHBORS.map(neighbor => `show bgp neighbors ${neighbor}`),
  'show bgp neighbors 192.0.2.1',
  // Without soft-reconfiguration FRR has no received routes to show; ours are always there.
  'show bgp ipv4 unicast neighbors 10.0.0.2 received-routes',
  'show bgp ipv4 unicast neighbors 10.0.0.2 filtered-routes',
  ...['10.0.0.2', '10.0.1.3', '10.0.2.4', '10.0.0.77', '10.0.0.79', '192.0.2.1'].flatMap(neighbor =>
    ['advertised-routes', 'routes'].map(what => `show bgp ipv4 unicast neighbors ${neighbor} ${what}`),
  ),
  'show bgp ipv6 unicast neighbors fd01::3 advertised-routes',
  'show bgp ipv6 unicast neighbors fd01::3 routes',
  'show route-map',
  'show route-map IN',
  'show route-map NONESUCH',
  'show bgp vrfs',
];

const TEXT_SHOWS: readonly string[] = [
  'show interface brief',
  'show interface description',
  'show ip route summary',
  'show bgp ipv6 unicast',
  'show bgp ipv4 unicast 198.18.4.0/24',
  'show bgp ipv4 unicast 198.51.100.0/24',
  'show bgp ipv4 unicast 172.16.1.0/24',
  ...['10.0.0.2', '10.0.1.3', '10.0.2.4'].map(
    neighbor => `show bgp ipv4 unicast neighbors ${neighbor} advertised-routes`,
  ),
  'show bgp ipv4 unicast neighbors 10.0.0.2 received-routes',
  'show bgp ipv4 unicast neighbors 10.0.0.2 filtered-routes',
];

describe('beside FRR', { timeout: 300_000 }, () => {
  const lab = new Lab();
  const frr = new Side('frr');
  const grevy = new Side('grevy');
  const both = async (action: (side: Side) => Promise<unknown>): Promise<void> => {
    await Promise.all([frr, grevy].map(action));
  };

  before(async () => {
    await both(side => side.start(lab));
    await both(async side => {
      for (const neighbor of ALIVE) {
        const ends = /"endOfRibSend":\s*\{\s*"ipv[46]Unicast":\s*true\s*\},\s*"endOfRibRecv":\s*\{\s*"ipv[46]Unicast"/;
        await side.says(`show bgp neighbors ${neighbor} json`, /"Established"/, ends);
      }
      await side.says('show ip route summary json', /"rib":\s*1,[^}]*"type":\s*"kernel"/);
      for (const prefix of ['198.18.2.0/24', '198.18.6.0/24', '172.19.1.0/24'])
        await side.says(`show ip route ${prefix} json`, /"installed"/);
      await side.says('show ip route 198.18.30.0/24 json', /"10\.0\.0\.2"/, /"10\.0\.2\.4"/, /"installed"/);
      await side.says('show ipv6 route 2001:db8:f004::/48 json', /"installed"/);
      const stale = async (): Promise<boolean> => (await side.sh('show bgp ipv4 unicast json')).includes('"stale"');
      await until(async () => !(await stale()), {
        timeoutMs: 60_000,
        what: 'neighbours that connected twice to say all',
      });
      for (const peer of ['10.0.0.2', '10.0.1.3', '10.0.2.4'])
        await side.says(`show bgp ipv4 unicast neighbors ${peer} advertised-routes`, /172\.19\.1\.0/, /172\.22\.1\.0/);
    });
  });
  after(() => lab.close());

  const withoutLo = (text: string): string => text.replace(/^Interface lo .*\n(?: .*\n)*/m, '');

  const compare = async (command: string, reasons = REASONS): Promise<void> => {
    // Speeds are asked for beside everything else.
    if (command.startsWith('show interface')) {
      const known = async (): Promise<boolean> => !/ mtu \d+ speed 0/.test(withoutLo(await grevy.sh('show interface')));
      await until(known, { everyMs: 500, timeoutMs: 30_000, what: 'the speeds of links' });
    }
    // Neighbours may still have something to say to either: both come to say the same.
    let left: unknown[] = [];
    const same = async (): Promise<boolean> => {
      const [theirs, ours] = await Promise.all([frr.json(command), grevy.json(command)]);
      left = differences(ordered(theirs), ordered(ours), reasons);
      return left.length === 0;
    };
    await until(same, { what: () => `the same of both: ${JSON.stringify(left, null, 1)}` });
  };

  for (const command of JSON_SHOWS) test(`${command} json`, () => compare(command));

  for (const command of TEXT_SHOWS) {
    test(`${command}: the same text`, async () => {
      assert.equal(plain(await grevy.sh(command)), plain(await frr.sh(command)));
    });
  }

  describe('after sessions ended', () => {
    before(async () => {
      await both(async side => {
        await side.peers['r2']!.kill();
        await side.peers['r3']!.sh('configure terminal\nrouter bgp 65001\nneighbor 10.0.1.1 shutdown\nend');
        process.kill(side.peers['r4']!.pid, 'SIGSTOP');
        await side.sh('configure terminal\nrouter bgp 65001\nneighbor fd01::3 shutdown\nend');
        await side.host.run('ip', 'link', 'set', 'eth4', 'up');
        for (const neighbor of ALIVE)
          await side.says(`show bgp neighbors ${neighbor} json`, /"connectionsDropped":\s*1/);
        await side.says('show interface eth3 json', /"operationalStatus":\s*"up"/);
        await side.says('show ip route summary json', /^(?!.*"ebgp")/s);
      });
    });

    // What is the reset's own differs from neighbour to neighbour, and has to be the same now.
    for (const [neighbor, cause] of [
      ['10.0.0.2', 'Peer closed the session'],
      ['10.0.1.3', 'BGP Notification received'],
      ['10.0.2.4', 'BGP Notification send'],
      ['fd01::3', 'Admin. shutdown'],
    ] as const) {
      test(`show bgp neighbors ${neighbor} json says why: ${cause}`, async () => {
        type Reset = Record<string, unknown>;
        const reset = async (side: Side): Promise<Reset> => {
          const all = (await side.json(`show bgp neighbors ${neighbor}`)) as Record<string, Reset>;
          const kept = Object.entries(all[neighbor]!).filter(
            ([key]) => /^last(Reset(DueTo|Code)|ErrorCodeSubcode|NotificationReason)$/.test(key), // not when, nor how hard
          );
          return Object.fromEntries(kept);
        };
        const ours = await reset(grevy);
        assert.deepEqual(ours, await reset(frr));
        assert.equal(ours['lastResetDueTo'], cause);
      });
    }

    for (const command of [
      'show interface',
      'show interface brief',
      'show ip route',
      'show ipv6 route',
      'show ip route summary',
      'show bgp summary',
      'show bgp ipv4 unicast',
      'show bgp ipv4 unicast 198.18.2.0/24',
      'show bgp ipv4 unicast 172.16.1.0/24',
      ...NEIGHBORS.map(neighbor => `show bgp neighbors ${neighbor}`),
      'show bgp ipv4 unicast neighbors 10.0.0.2 advertised-routes',
      'show bgp ipv4 unicast neighbors 10.0.0.2 routes',
    ]) {
      test(`${command} json`, () => compare(command, [...REASONS, ...ENDED]));
    }
  });
});
