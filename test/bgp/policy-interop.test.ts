// Every line of policy, judged by FRR: a router of FRR's and one of ours have the same configuration and the same neighbours,
// and what the neighbours get from the one is what they get from the other.
//
//                     ┌─ frr ───┐     ┌─ outside (FRR, another AS)
//    feeder (BIRD) ───┤         ├─────┤
//                     └─ grevy ─┘     └─ inside  (FRR, the same AS)
//
// Each case is a few clauses with prefixes of their own: 10.N.V.0 passes them on its way in, 20.N.V.0 on its way out. Of each
// there are the same variants V, with one attribute or another.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Daemon, startBird, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

/** What stands in a clause; `permit` or `deny` begins another one, whose number is the case's plus so much. */
const CASES4: readonly string[] = [
  'match community C1',
  'match community C12',
  'match community C12 exact-match',
  'match community INTERNET exact-match',
  'match community CX',
  'match community CXNONE',
  'match community CDENY',
  'match community 50',
  'match community NOBODY',
  'match extcommunity E1',
  'match extcommunity E12',
  'match extcommunity EX',
  'match extcommunity EIP',
  'match extcommunity 60',
  'match large-community L1',
  'match large-community L12',
  'match large-community L12 exact-match',
  'match large-community LX',
  'match large-community LX exact-match',
  'match as-path A2',
  'match as-path NOBODY',
  'match metric 50',
  'match local-preference 100',
  'match origin egp',
  'match origin incomplete',
  'match peer 10.0.0.1',
  'match peer 10.0.0.9',
  'match peer local',
  'match probability 0',
  'match probability 100',
  'match ip address ACL',
  'match ip address STD',
  'match ip address EXT',
  'match ip address NOBODY',
  'match ip next-hop HOPACL',
  'match ip next-hop prefix-list HOPPL',
  'match ip next-hop address 10.0.0.77',
  'match ip next-hop type blackhole',
  'match ip route-source SRCACL',
  'match ip route-source prefix-list SRCPL',
  'match ipv6 address prefix-list P6',
  'match interface eth0',
  'match tag 5',
  'set as-path prepend 65050 65051',
  'set as-path prepend last-as 2',
  'set as-path exclude 65002',
  'set as-path exclude 65001\nset as-path prepend 65050',
  'set as-path prepend 65002\nset as-path exclude 65002',
  'set as-path replace any',
  'set as-path replace 65002',
  'set aggregator as 65077 10.7.7.7',
  'set atomic-aggregate',
  'set comm-list C12 delete',
  'set comm-list CX delete',
  'set comm-list INTERNET delete',
  'set comm-list CDENY delete',
  'set community 65005:5 no-export additive\nset comm-list C12 delete',
  'set community 65005:5 65004:4',
  'set community 65005:5 65004:4 additive',
  'set community none',
  'set large-comm-list L12 delete',
  'set large-comm-list LX delete',
  'set large-community 65005:5:5 1:1:1',
  'set large-community 65005:5:5 1:1:1 additive',
  'set large-community none',
  'set extcommunity rt 65005:5 1.2.3.4:5 4200000001:5',
  'set extcommunity soo 70000:5',
  'set extcommunity rt 65005:5\nset extcommunity soo 65005:6',
  'set extcommunity none',
  'set extcommunity bandwidth 100',
  'set extcommunity bandwidth 1000 non-transitive',
  'set local-preference 300',
  'set local-preference 300\non-match next\npermit 1\nset local-preference +10',
  'set local-preference 300\non-match next\npermit 1\nset local-preference -301',
  'set metric 7',
  'set metric +7',
  'set metric -60',
  'set origin egp',
  'set originator-id 10.8.8.8',
  'set weight 77',
  'set tag 9',
  'set distance 33',
  'set ip next-hop 10.0.0.88',
  'set ip next-hop 10.0.0.77',
  'set ip next-hop peer-address',
  'set ip next-hop unchanged',
  'call SUB\nset metric 5',
  'call NOBODY\nset metric 5',
  'call DENY\nset metric 5',
  'set metric 5\non-match next\npermit 1\nset weight 5\nset community 65009:9',
  'set metric 5\non-match goto +2\npermit 1\nset community 65009:8\npermit 2\nset community 65009:9',
  'match community C1\nset metric 5\non-match next\npermit 1\nmatch metric 5\nset community 65009:9',
  'match community C1\ncontinue +2\ndeny 1\npermit 2\nset metric 9',
  'set metric 5\non-match next\ndeny 1\nmatch community C1\npermit 2\nset metric +6',
];

const CASES6: readonly string[] = [
  'match ipv6 address ACL6',
  'match ipv6 address prefix-list SOME6',
  'match ipv6 address NOBODY',
  'match ipv6 next-hop HOPACL6',
  'match ipv6 next-hop prefix-list HOPPL6',
  'match ipv6 next-hop address fd00::77',
  'match ip address prefix-list ANY4',
  'match ip next-hop prefix-list ANY4',
  'set ipv6 next-hop global fd00::88',
  'set ipv6 next-hop global fd00::77',
  'set ipv6 next-hop peer-address',
  'set ipv6 next-hop prefer-global',
  'set ip next-hop unchanged',
  'set ip next-hop 10.0.0.88',
];

/** What FRR asks of an update group, which has no address, when it asks outwards: no route is let through. */
const INWARDS_ONLY: ReadonlySet<string> = new Set(['match peer 10.0.0.9']);

const LISTS = `access-list ACL seq 5 permit 10.0.0.0/8 exact-match
access-list ACL seq 10 deny 10.33.1.0/24
access-list ACL seq 15 permit 10.33.0.0/16
access-list ACL seq 20 deny 20.33.1.0/24
access-list ACL seq 25 permit 20.33.0.0/16
access-list STD seq 5 permit 10.34.1.0 0.0.0.255
access-list STD seq 10 permit 20.34.3.0
access-list STD seq 15 deny 20.34.2.0
access-list STD seq 20 permit 20.34.2.9 0.0.1.255
access-list EXT seq 5 permit ip 10.35.0.0 0.0.255.255 host 255.255.255.128
access-list EXT seq 10 permit ip 20.35.0.0 0.0.3.0 host 255.255.255.0
access-list EXT seq 15 permit ip any 255.255.255.0 0.0.0.128
access-list HOPACL seq 5 permit 10.0.0.77/32
access-list SRCACL seq 5 permit 10.0.0.1/32
access-list SRCACL seq 10 permit 10.0.0.9/32
ip prefix-list HOPPL seq 5 permit 10.0.0.64/26 le 32
ip prefix-list SRCPL seq 5 permit 10.0.0.8/29 le 32
ip prefix-list ANY4 seq 5 permit any
ipv6 access-list ACL6 seq 5 permit 2001:10:1:1::/64 exact-match
ipv6 access-list ACL6 seq 10 deny 2001:20:1:1::/64
ipv6 access-list ACL6 seq 15 permit 2001:20::/32
ipv6 access-list HOPACL6 seq 5 permit fd00::77/128
ipv6 prefix-list HOPPL6 seq 5 permit fd00::70/124 le 128
ipv6 prefix-list P6 seq 5 permit any
ipv6 prefix-list SOME6 seq 5 permit 2001:10:2:1::/64
ipv6 prefix-list SOME6 seq 10 permit 2001:20:2::/48 ge 64
bgp as-path access-list A2 seq 5 permit _65002_
bgp community-list 50 seq 5 permit 65001:3
bgp community-list standard C1 seq 5 permit 65001:1
bgp community-list standard C12 seq 5 permit 65001:1 65001:2
bgp community-list standard CDENY seq 5 deny 65001:2
bgp community-list standard CDENY seq 10 permit 65001:1
bgp community-list expanded CX seq 5 permit _65001:[23]_
bgp community-list expanded CXNONE seq 5 permit ^$
bgp community-list standard INTERNET seq 5 permit internet
bgp extcommunity-list 60 seq 5 permit soo 65001:2
bgp extcommunity-list standard E1 seq 5 permit rt 65001:1
bgp extcommunity-list standard E12 seq 5 permit rt 65001:1 soo 65001:2
bgp extcommunity-list standard EIP seq 5 permit rt 1.2.3.4:7
bgp extcommunity-list expanded EX seq 5 permit RT:65001:.*
bgp large-community-list standard L1 seq 5 permit 65001:1:1
bgp large-community-list standard L12 seq 5 permit 65001:1:1 65001:1:2
bgp large-community-list expanded LX seq 5 permit ^65001:1:1$
`;

type Direction = 10 | 20;

/** What is tried in one address family. */
interface Trial {
  readonly afi: 'ipv4' | 'ipv6';
  readonly ip: 'ip' | 'ipv6';
  readonly cases: readonly string[];
  /** Of a case, and of each of its variants. */
  readonly network: (direction: Direction, number: number) => string;
  readonly prefix: (direction: Direction, number: number, variant: number) => string;
  readonly all: (direction: Direction) => string;
  /** A router's address on the network. */
  readonly address: (host: number) => string;
  /** What the feeder says of each variant. */
  readonly variants: readonly string[];
  /** What else the routers have in this family. */
  readonly lines: readonly string[];
}

const TRIALS: readonly Trial[] = [
  {
    afi: 'ipv4',
    ip: 'ip',
    cases: CASES4,
    network: (direction, number) => `${direction}.${number}.0.0/16 le 32`,
    prefix: (direction, number, variant) => `${direction}.${number}.${variant}.0/${variant === 3 ? 25 : 24}`,
    all: direction => `${direction}.0.0.0/8 le 32`,
    address: host => `10.0.0.${host}`,
    variants: [
      '',
      `bgp_community.add((65001,1)); bgp_community.add((65001,2)); bgp_large_community.add((65001,1,1));
       bgp_large_community.add((65001,1,2)); bgp_ext_community.add((rt,65001,1));
       bgp_ext_community.add((ro,65001,2)); bgp_med = 50;`,
      `bgp_community.add((65001,1)); bgp_large_community.add((65001,1,1)); bgp_ext_community.add((rt,65001,1));
       bgp_ext_community.add((generic,0x00990000,0x1)); bgp_origin = ORIGIN_EGP;
       bgp_path.prepend(65003); bgp_path.prepend(65002);`,
      `bgp_community.add((65001,3)); bgp_community.add((65002,1)); bgp_large_community.add((65002,9,9));
       bgp_large_community.add((65001,1,1)); bgp_ext_community.add((rt,1.2.3.4,7)); bgp_med = 100;
       bgp_origin = ORIGIN_INCOMPLETE; bgp_next_hop = 10.0.0.77; bgp_path.prepend(65002); bgp_path.prepend(65002);`,
    ],
    lines: [
      ' redistribute connected route-map RED',
      ' redistribute static route-map RED',
      ' table-map TABLE',
      ' neighbor 10.0.0.9 distribute-list SOME in',
      ' neighbor 10.0.0.10 distribute-list SOME out',
    ],
  },
  {
    afi: 'ipv6',
    ip: 'ipv6',
    cases: CASES6,
    network: (direction, number) => `2001:${direction}:${number}::/48 le 128`,
    prefix: (direction, number, variant) => `2001:${direction}:${number}:${variant + 1}::/64`,
    all: direction => `2001:${direction}::/32 le 128`,
    address: host => `fd00::${host}`,
    variants: ['', 'bgp_next_hop = fd00::77;'],
    lines: [],
  },
];

/** Routes of the routers' own are one variant more. */
const prefixesOf = ({ cases, variants, prefix }: Trial, direction: Direction, variant: number): string[] =>
  cases.map((_, i) => prefix(direction, i + 1, variant === -1 ? variants.length + 1 : variant));

/** The clauses of all cases, each for its own prefixes. */
function routeMap(name: string, { ip, afi, cases }: Trial, passing: string): string {
  const text: string[] = [`route-map ${name} permit 5`, ` match ${ip} address prefix-list ${passing}`];
  cases.forEach((lines, index) => {
    const base = (index + 1) * 10;
    const open = (action: string, more: number): void => {
      const list = `CASE${afi.slice(-1)}-${index + 1}`;
      text.push('exit', `route-map ${name} ${action} ${base + more}`, ` match ${ip} address prefix-list ${list}`);
    };
    open('permit', 0);
    for (const line of lines.split('\n')) {
      const [, action, more] = /^(permit|deny) (\d)$/.exec(line) ?? [];
      if (action !== undefined) open(action, Number(more));
      else
        text.push(` ${line.replace(/(goto|continue) \+(\d)$/, (_, word, jump) => `${word} ${base + Number(jump)}`)}`);
    }
  });
  return `${text.join('\n')}\nexit\n`;
}

function policyOf(trial: Trial): string {
  const { ip, afi, cases, network, all } = trial;
  const lists = cases.flatMap((_, i) =>
    [10, 20].map(
      direction =>
        `${ip} prefix-list CASE${afi.slice(-1)}-${i + 1} seq ${direction} permit ${network(direction as Direction, i + 1)}\n`,
    ),
  );
  const [inwards, outwards] = [`INWARDS${afi.slice(-1)}`, `OUTWARDS${afi.slice(-1)}`];
  return `${lists.join('')}${ip} prefix-list ${inwards} seq 5 permit ${all(10)}
${ip} prefix-list ${outwards} seq 5 permit ${all(20)}
${routeMap(`IN${afi.slice(-1)}`, trial, outwards)}${routeMap(`OUT${afi.slice(-1)}`, trial, inwards)}`;
}

const NEIGHBOURS = [
  [1, 65001],
  [9, 65009],
  [10, 65010],
] as const;

function familyOf(trial: Trial): string {
  const { afi, address } = trial;
  const version = afi.slice(-1);
  const lines = NEIGHBOURS.flatMap(([host, as]) => {
    const neighbor = ` neighbor ${address(host)}`;
    return [
      `${neighbor} activate`,
      ...(as === 65010 ? [] : [`${neighbor} route-map IN${version} in`]),
      `${neighbor} route-map OUT${version} out`,
      `${neighbor} send-community all`,
    ];
  });
  const networks = [
    ...prefixesOf(trial, 10, -1).map(prefix => ` network ${prefix} route-map IN${version}`),
    ...prefixesOf(trial, 20, -1).map(prefix => ` network ${prefix}`),
  ];
  return `${[` address-family ${afi} unicast`, ...networks, ...lines, ...trial.lines].join('\n ')}\n exit-address-family\n`;
}

const ROUTER = `hostname dut
${LISTS}route-map SUB permit 10
 match community C1
 set community 65099:1 additive
exit
route-map DENY deny 10
exit
access-list SOME seq 5 deny 10.200.4.0/24
access-list SOME seq 10 deny 20.199.2.0/24
access-list SOME seq 15 permit any
route-map TABLE deny 10
 match ip address prefix-list CASE4-4
exit
route-map TABLE permit 20
 match ip address prefix-list CASE4-1
 set metric 999
 set tag 77
exit
route-map TABLE permit 30
 match ip address prefix-list CASE4-6
 set ip next-hop 10.0.0.66
exit
route-map TABLE permit 40
exit
route-map RED permit 10
 match interface lo
 set community 65010:10
exit
route-map RED permit 20
 match tag 5
 set community 65010:20
exit
route-map RED permit 30
 match ip next-hop type blackhole
 set community 65010:30
exit
route-map RED permit 40
 match ip next-hop address 10.0.0.77
 set community 65010:40
exit
route-map RED permit 50
 match interface eth0
 set community 65010:50
exit
${TRIALS.map(policyOf).join('')}router bgp 65010
 bgp router-id 10.0.0.5
 no bgp network import-check
${TRIALS.flatMap(({ address }) =>
  NEIGHBOURS.map(
    ([host, as]) => ` neighbor ${address(host)} remote-as ${as}\n neighbor ${address(host)} timers connect 1\n`,
  ),
).join('')}${TRIALS.map(familyOf).join('')}exit
`;

const STATIC = `ip route 10.200.1.0/24 10.0.0.77 tag 5
ip route 10.200.2.0/24 blackhole
ip route 10.200.3.0/24 10.0.0.77
ip route 10.200.4.0/24 10.0.0.77
`;

const receiver = (as: number, id: number): string => `hostname receiver
router bgp ${as}
 bgp router-id 10.0.0.${id}
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.0.2 remote-as 65010
 neighbor 10.0.0.3 remote-as 65010
 neighbor fd00::2 remote-as 65010
 neighbor fd00::3 remote-as 65010
 address-family ipv4 unicast
  network 20.${190 + id}.1.0/24
  network 20.${190 + id}.2.0/24
 exit-address-family
 address-family ipv6 unicast
  neighbor fd00::2 activate
  neighbor fd00::3 activate
 exit-address-family
exit
`;

function feed(trial: Trial): string {
  const { afi, variants, address } = trial;
  const version = afi.slice(-1);
  const statics = variants.map((_, v) => {
    const routes = ([10, 20] as const).flatMap(direction => prefixesOf(trial, direction, v));
    const lines = routes.map(prefix => `  route ${prefix} blackhole;\n`);
    return `protocol static kind${version}${v} { ${afi};\n${lines.join('')}}\n`;
  });
  const sessions = [2, 3].map(
    host => `protocol bgp to${version}${host} {
  local ${address(1)} as 65001; neighbor ${address(host)} as 65010;
  connect retry time 1; ${afi} { import none; export filter feed${version}; next hop keep; };
}
`,
  );
  const says = variants.map((change, v) => `  if proto = "kind${version}${v}" then { ${change} accept; }\n`);
  return `${statics.join('')}filter feed${version} {\n${says.join('')}  reject;\n}\n${sessions.join('')}`;
}

const FEEDER = `router id 10.0.0.1;\nprotocol device {}\n${TRIALS.map(feed).join('')}`;

const lab = new Lab();
let frr: Daemon;
let theirZebra: Daemon;
let grevy: Daemon;
let outside: Daemon;
let inside: Daemon;

before(async () => {
  const hub = await lab.namespace('hub');
  await hub.run('ip', 'link', 'add', 'br0', 'type', 'bridge');
  await hub.run('ip', 'link', 'set', 'br0', 'up');
  const at = async (name: string, number: number): Promise<Namespace> => {
    const namespace = await lab.namespace(name);
    await lab.link(namespace, 'eth0', hub, `p${number}`);
    await hub.run('ip', 'link', 'set', `p${number}`, 'master', 'br0');
    await namespace.run('ip', 'addr', 'add', `10.0.0.${number}/24`, 'dev', 'eth0');
    await namespace.run('ip', 'addr', 'add', `fd00::${number}/64`, 'dev', 'eth0', 'nodad');
    return namespace;
  };
  const [feeder, two, three, nine, ten] = [
    await at('feeder', 1),
    await at('frr', 2),
    await at('grevy', 3),
    await at('outside', 9),
    await at('inside', 10),
  ];
  for (const router of [two, three]) await router.run('ip', 'addr', 'add', '10.255.0.1/32', 'dev', 'lo');
  // bgpd takes no IPv6 route with a link-local next hop unless its zebra has told it the interfaces.
  const bgpd = async (namespace: Namespace, configuration: string): Promise<Daemon> => {
    const directory = await lab.directory();
    const zebra = await startFrr(lab, namespace, 'zebra', 'hostname zebra\n', { directory });
    if (namespace === two) {
      theirZebra = zebra;
      await startFrr(lab, namespace, 'staticd', STATIC, { directory });
    }
    return await startFrr(lab, namespace, 'bgpd', configuration, { directory });
  };
  [frr, grevy, outside, inside] = await Promise.all([
    bgpd(two, ROUTER),
    startGrevy(lab, three, ROUTER + STATIC),
    bgpd(nine, receiver(65009, 9)),
    bgpd(ten, receiver(65010, 10)),
  ]);
  await startBird(lab, feeder, FEEDER);
});
after(() => lab.close());

interface Path {
  peer?: { peerId: string };
  nexthops: { ip: string; scope?: string }[];
  [field: string]: unknown;
}

const ITSELF = /^(?:10\.0\.0\.|fd00::)[23]$/;

/** What is compared of a path: all that policy can say. */
function plain(path: Path): object {
  const names = ['origin', 'metric', 'locPrf', 'weight', 'tag', 'atomicAggregate', 'aggregatorAs', 'aggregatorId'];
  const text = (name: string): string | undefined => (path[name] as { string: string } | undefined)?.string;
  // FRR sends its own link-local address beside a global one of somebody else; by RFC 2545 §3 both are the next hop's.
  const hops = path.nexthops.map(hop => hop.ip).filter(ip => !ip.startsWith('fe80'));
  return JSON.parse(
    JSON.stringify({
      ...Object.fromEntries([...names, 'originatorId'].map(name => [name, path[name]])),
      hops: hops.map(ip => (ITSELF.test(ip) ? 'itself' : ip)),
      path: text('aspath'),
      community: text('community'),
      // Without an order (RFC 4360 §2): FRR adds at the end, and sorts what it receives.
      extended: text('extendedCommunity')?.split(' ').sort(),
      large: text('largeCommunity'),
    }),
  ) as object;
}

type Paths = Map<string, object>;

/** What a receiver has from a router, by prefix. */
async function heard(who: Daemon, { afi, address }: Trial, from: number): Promise<Paths> {
  const { routes } = JSON.parse(await who.sh(`show bgp ${afi} unicast json detail`)) as {
    routes: Record<string, Path[]>;
  };
  const all: Paths = new Map();
  for (const [prefix, paths] of Object.entries(routes)) {
    const path = paths.find(one => one.peer?.peerId === address(from));
    if (path !== undefined) all.set(prefix, plain(path));
  }
  return all;
}

function caseOf({ cases }: Trial, prefix: string): string {
  const [direction, number] = prefix.split(/[.:]/).slice(prefix.startsWith('2001:') ? 1 : 0);
  const lines = cases[Number(number) - 1] ?? 'none of the cases';
  return INWARDS_ONLY.has(lines) && direction === '20' ? '' : lines.replaceAll('\n', ' / ');
}

function differences(trial: Trial, theirs: Paths, ours: Paths): string[] {
  const lines: string[] = [];
  for (const prefix of [...new Set([...theirs.keys(), ...ours.keys()])].sort()) {
    const [a, b] = [theirs, ours].map(all => JSON.stringify(all.get(prefix)));
    const what = caseOf(trial, prefix);
    if (a !== b && what !== '') lines.push(`${what}: ${prefix}\n    FRR   ${a}\n    Grevy ${b}`);
  }
  return lines;
}

/** The paths of a router's own table, by prefix. */
async function table(router: Daemon, { afi, variants, ...trial }: Trial): Promise<Map<string, Path>> {
  const all = new Map<string, Path>();
  if (router === frr) {
    const { routes } = JSON.parse(await router.sh(`show bgp ${afi} unicast json detail`)) as {
      routes: Record<string, Path[]>;
    };
    for (const [prefix, [, path]] of Object.entries(routes)) if (path !== undefined) all.set(prefix, path);
    return all;
  }
  const prefixes = variants.flatMap((_, v) => prefixesOf({ afi, variants, ...trial }, 10, v));
  for (const prefix of prefixes) {
    const { paths } = JSON.parse(await router.sh(`show bgp ${afi} unicast ${prefix} json`)) as { paths?: Path[] };
    if (paths?.[0] !== undefined) all.set(prefix, paths[0]);
  }
  return all;
}

/** What came in, as a router has it, and as its zebra has it. */
async function own(router: Daemon, trial: Trial): Promise<Paths> {
  const all: Paths = new Map();
  const paths = await table(router, trial);
  const zebra = router === frr ? theirZebra : router;
  const rib = JSON.parse(await zebra.sh(`show ${trial.ip} route bgp json`)) as Record<
    string,
    { distance: number; metric: number; tag?: number; nexthops: { ip?: string }[] }[]
  >;
  for (const prefix of trial.variants.flatMap((_, v) => prefixesOf(trial, 10, v))) {
    const path = paths.get(prefix);
    const [route] = rib[prefix] ?? [];
    if (path === undefined && route === undefined) continue;
    const { distance, metric, tag, nexthops } = route ?? {};
    // Where policy sets a global next hop, FRR forwards to the link-local one that came with another.
    const gateways = trial.afi === 'ipv4' ? nexthops?.map(hop => hop.ip) : [];
    all.set(prefix, { ...(path && plain(path)), route: [distance, metric, tag, gateways] });
  }
  return all;
}

/** Waits until the last case has come to FRR, then until Grevy has the same. */
async function agree(trial: Trial, read: (whose: 'frr' | 'grevy') => Promise<Paths>): Promise<void> {
  let lines: string[] = ['too little was heard'];
  await until(
    async () => {
      const theirs = await read('frr');
      if (!theirs.has(prefixesOf(trial, 10, 0).at(-1)!)) return false;
      lines = differences(trial, theirs, await read('grevy'));
      return lines.length === 0;
    },
    { timeoutMs: 20_000, everyMs: 500, what: () => `agreement\n${lines.join('\n')}\n${grevy.output()}` },
  );
}

for (const trial of TRIALS) {
  test(`${trial.afi}: the routers have the same routes, and forward by the same`, async () => {
    await agree(trial, whose => own(whose === 'frr' ? frr : grevy, trial));
  });

  test(`${trial.afi}: a neighbour outside hears the same from both`, async () => {
    await agree(trial, whose => heard(outside, trial, whose === 'frr' ? 2 : 3));
  });

  test(`${trial.afi}: a neighbour inside hears the same from both`, async () => {
    await agree(trial, whose => heard(inside, trial, whose === 'frr' ? 2 : 3));
  });
}

test('routes of other protocols are told apart by interface, tag and kind, and distribute-lists leave some out', async () => {
  const [ipv4] = TRIALS as [Trial];
  const red = async (who: Daemon, from: number): Promise<Record<string, unknown>> => {
    const paths = (await heard(who, ipv4, from)) as Map<string, { community?: string }>;
    const named = [...paths].filter(([prefix]) => /^10\.(?:0|200|255)\./.test(prefix));
    return Object.fromEntries(named.map(([prefix, { community }]) => [prefix, community]));
  };
  const all = {
    '10.0.0.0/24': '65010:50',
    '10.200.1.0/24': '65010:20',
    '10.200.2.0/24': '65010:30',
    '10.200.3.0/24': '65010:40',
    '10.200.4.0/24': '65010:40',
    '10.255.0.1/32': '65010:10',
  };
  const { '10.200.4.0/24': _, ...some } = all;
  for (const from of [2, 3]) {
    assert.deepEqual(await red(outside, from), all);
    assert.deepEqual(await red(inside, from), some);
  }
  for (const router of [frr, grevy]) {
    const said = await router.sh('show bgp ipv4 unicast');
    assert.match(said, /20\.199\.1\.0\/24/);
    assert.doesNotMatch(said, /20\.199\.2\.0\/24/);
  }
});

test('a list that changes is in force without a session having been reset', async () => {
  const [ipv4] = TRIALS as [Trial];
  const change = 'configure terminal\nbgp large-community-list standard L1 seq 5 permit 65002:9:9\nend';
  await Promise.all([frr.sh(change), grevy.sh(change)]);
  const prefix = ipv4.prefix(20, CASES4.indexOf('match large-community L1') + 1, 1);
  for (const from of [2, 3]) {
    await until(async () => !(await heard(outside, ipv4, from)).has(prefix), {
      timeoutMs: 20_000,
      what: () => `${prefix} to go\n${grevy.output()}`,
    });
  }
  await agree(ipv4, whose => heard(outside, ipv4, whose === 'frr' ? 2 : 3));
  const neighbors = JSON.parse(await grevy.sh('show bgp neighbors json')) as Record<
    string,
    { bgpState: string; connectionsEstablished: number }
  >;
  for (const [name, { bgpState, connectionsEstablished }] of Object.entries(neighbors)) {
    assert.deepEqual([name, bgpState, connectionsEstablished], [name, 'Established', 1]);
  }
});

test('lists, maps and the configuration are written as FRR writes them', async () => {
  const commands = [
    ...['community', 'extcommunity', 'large-community'].map(kind => `show bgp ${kind}-list`),
    'show bgp community-list C12 detail',
    'show bgp large-community-list NOBODY detail',
    'show bgp as-path-access-list',
    'show bgp as-path-access-list json',
    ...['ip', 'ipv6'].flatMap(ip => [`show ${ip} access-list`, `show ${ip} access-list json`]),
    'show ip access-list NOBODY',
    'show route-map',
    'show route-map json',
  ];
  // What was evaluated how often is nobody's business here; '(null)' is how FRR prints that there is nothing to print.
  const plainText = (text: string): string =>
    text
      .replace(/Invoked:? \d+/g, 'Invoked')
      .replace(/(Processed Change: )\w+/g, '$1')
      .replaceAll(' (null)', '')
      .replace(/^\s+|\s+$/gm, '');
  const value = (text: string): unknown =>
    JSON.parse(text, (key, one: unknown) => {
      if (key === 'invoked' || key === 'processedChange') return undefined;
      return typeof one === 'string' ? one.replace(' (null)', '') : one;
    });
  for (const command of commands) {
    const [theirs, ours] = await Promise.all([frr.sh(command), grevy.sh(command)]);
    if (command.endsWith('json')) assert.deepEqual(value(ours), value(theirs), command);
    else assert.equal(plainText(ours), plainText(theirs), command);
  }
  const lines = (text: string): string[] =>
    text
      .split('\n')
      .filter(line => /access-list|-list |table-map|^route-map|^ (?:match|set|call|on-match)/.test(line))
      .sort();
  const [theirs, ours] = await Promise.all([frr.sh('show running-config'), grevy.sh('show running-config')]);
  assert.deepEqual(lines(ours), lines(theirs));
});
