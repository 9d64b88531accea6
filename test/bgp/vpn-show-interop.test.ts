// What a provider edge shows of its VPNs, beside FRR: both have the same instances, VRFs and locator, and are told the same by the same
// neighbours. Where the two differ on purpose, `alike` says it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parseAddress, parseIp6, parsePrefix } from '../../src/net/index.ts';
import { EndpointBehavior, type L3Service } from '../../src/bgp/wire/prefix-sid.ts';
import { Lab } from '../lib/netns.ts';
import type { Live } from '../zebra/live.ts';
import { Edges } from './lib/edges.ts';
import { vpnAnnouncement, type VpnRoute } from './lib/vpn-update.ts';

const [REFLECTOR, OTHER_AS] = ['10.0.0.2', '10.0.0.3'];

const LINES = `router bgp 65001
 bgp router-id 1.1.1.1
 no bgp default ipv4-unicast
 no bgp ebgp-requires-policy
 neighbor ${REFLECTOR} remote-as 65001
 neighbor ${REFLECTOR} passive
 neighbor ${OTHER_AS} remote-as 65003
 neighbor ${OTHER_AS} passive
 segment-routing srv6
  locator loc0
 exit
 address-family ipv4 vpn
  neighbor ${REFLECTOR} activate
  neighbor ${OTHER_AS} activate
 exit-address-family
 address-family ipv6 vpn
  neighbor ${REFLECTOR} activate
 exit-address-family
exit
router bgp 65001 vrf vrf10
 bgp router-id 1.1.1.1
 address-family ipv4 unicast
  redistribute static
  sid vpn export auto
  rd vpn export 65001:101
  rt vpn both 65001:10
  export vpn
  import vpn
 exit-address-family
 address-family ipv6 unicast
  redistribute static
  sid vpn export auto
  rd vpn export 65001:101
  rt vpn both 65001:10
  export vpn
  import vpn
 exit-address-family
exit
router bgp 65001 vrf vrf20
 bgp router-id 1.1.1.1
 address-family ipv4 unicast
  rt vpn import 65001:20 65001:10
  import vpn
 exit-address-family
exit
`;

const structure = {
  blockBits: 40,
  nodeBits: 24,
  functionBits: 16,
  argumentBits: 0,
  transpositionLength: 16,
  transpositionOffset: 64,
};
const sid = (text: string): L3Service => ({ sid: parseIp6(text)!, behavior: EndpointBehavior.opaque, structure });
const inside = { targets: '65001:10', nextHop: REFLECTOR, localPref: 100 };

const REFLECTED: readonly VpnRoute[] = [
  { ...inside, rd: '65001:102', prefix: '10.3.0.0/24', label: 4096, med: 0, service: sid('2001:db8:f2:0:100::') },
  {
    ...inside,
    rd: '65001:102',
    prefix: '10.3.1.0/24',
    label: 77,
    as: [65101],
    communities: ['65001:7'],
    originator: '3.3.3.3',
  },
  {
    ...inside,
    rd: '192.0.2.7:5',
    prefix: '10.3.1.0/24',
    label: 78,
    targets: '192.0.2.1:30 65001:20 4200000001:3',
    localPref: 200,
    extended: ['0003fde900000005'],
  },
  {
    ...inside,
    rd: '70000:1',
    prefix: '10.3.2.0/24',
    label: 3,
    service: { sid: parseIp6('2001:db8:f2:0:300::')!, behavior: EndpointBehavior.dt4 },
  },
  {
    ...inside,
    rd: '65001:102',
    prefix: 'fd10:3::/64',
    label: 8192,
    nextHop: 'fd00::2',
    med: 0,
    service: sid('2001:db8:f2:0:200::'),
  },
  // Too long for its column, whatever follows it.
  { ...inside, rd: '65001:102', prefix: 'fd10:4:1234:5678::/64', label: 99, nextHop: 'fd00::2:3:4:5' },
];
const FOREIGN: readonly VpnRoute[] = [
  { rd: '65003:1', prefix: '10.5.0.0/24', label: 55, targets: '65001:10', nextHop: OTHER_AS, as: [65003], med: 5 },
  { rd: '65001:102', prefix: '10.3.0.0/24', label: 56, targets: '65001:10', nextHop: OTHER_AS, as: [65003] },
];

function prepare(live: Live): void {
  live.zebra.locators.setFormat('loc0', {
    prefix: parsePrefix('2001:db8:f1::/64')!,
    blockBits: 40,
    nodeBits: 24,
    functionBits: 16,
  });
  live.link(21, 'ce', '172.16.1.1/24', 'fd01::1/64');
  live.kernel.changeLink(21, { master: 11 });
  live.kick();
  for (const [prefix, gateway] of [
    ['10.7.0.0/24', '172.16.1.2'],
    ['fd77::/64', 'fd01::2'],
  ] as const) {
    const hop = { gateway: parseAddress(gateway)!, interface: undefined, blackhole: 0, onlink: false };
    live.zebra.staticsOf('vrf10').add(parsePrefix(prefix)!, hop as never, 1, 0);
  }
}

/** What makes no difference between the two. */
function alike(text: string): string {
  return (
    text
      // FRR counts for each route distinguisher anew.
      .replaceAll(/(table version is|, version) \d+/g, '$1 N')
      // FRR tells a neighbour in another AS what it has from that neighbour.
      .replace(/(:10\.5\.0\.0\/24[^:]*:[^:]*:\n {2}10\.0\.0\.2) 10\.0\.0\.3/, '$1')
      // Whom an imported route is really from; FRR says that it is ours.
      .replaceAll(/from \S+ \(\S+\) (vrf default)/g, 'from PEER $1')
      .split('\n')
      // FRR notes the instance's router id in what it exports, and forwards by no SID what stays in the machine.
      .filter(line => !/^ {6}Originator: 1\.1\.1\.1$/.test(line))
      // What is ours to say.
      .filter(line => !/^ {6}SID (?:structure|with)/.test(line))
      .map(line => line.trimEnd())
      .join('\n')
  );
}

type Json = { readonly [key: string]: unknown };

/** Keys whose values are counted otherwise, or belong to who an imported route is from. */
const OTHERWISE = new Set(['version', 'tableVersion', 'bgpTableVersion', 'originatorId', 'lastUpdate', 'hostname']);

/** Whether all that FRR says is said: what it lacks may be there. */
function covers(ours: unknown, theirs: unknown, path: string): void {
  if (Array.isArray(theirs)) {
    assert.ok(Array.isArray(ours), path);
    assert.equal(ours.length, theirs.length, path);
    for (const [i, value] of theirs.entries()) covers(ours[i], value, `${path}/${i}`);
  } else if (typeof theirs === 'object' && theirs !== null) {
    assert.equal(typeof ours, 'object', path);
    for (const [key, value] of Object.entries(theirs)) {
      if (OTHERWISE.has(key)) continue;
      // Only those that have something.
      if (path.endsWith('/routeDistinguishers') && Object.keys(value as Json).length === 0) continue;
      covers((ours as Json)[key], value, `${path}/${key}`);
    }
  } else assert.equal(ours, theirs, path);
}

/** As FRR says it of what was imported: that it is from nobody. */
function fromNobody(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromNobody);
  if (typeof value !== 'object' || value === null) return value;
  const object = value as Json;
  const entries = Object.entries(object).map(([key, inner]) => [key, fromNobody(inner)] as const);
  const copy: Record<string, unknown> = Object.fromEntries(entries);
  if (object['announceNexthopSelf'] === true) {
    if ('peerId' in copy) copy['peerId'] = '(unspec)';
    if ('peer' in copy) copy['peer'] = {};
  }
  return copy;
}

const lab = new Lab();
let edges: Edges;

before(async () => {
  edges = await Edges.start(lab, { lines: LINES, neighbours: [REFLECTOR, OTHER_AS, 'fd00::2'], prepare });
  const vpn = (afi: number) => ({ kind: 'multiprotocol', family: { afi, safi: 128 } }) as const;
  const reflector = await edges.play({ from: REFLECTOR, as: 65001, capabilities: [vpn(1), vpn(2)] });
  const other = await edges.play({ from: OTHER_AS, as: 65003, capabilities: [vpn(1)] });
  // One after the other, so that paths of a prefix come in the same order.
  for (const [players, routes] of [
    [reflector, REFLECTED],
    [other, FOREIGN],
  ] as const) {
    for (const route of routes) {
      for (const player of players) await player.write(vpnAnnouncement(route));
      const [address] = route.prefix.split('/');
      await edges.same(`show bgp ${address!.includes(':') ? 'ipv6' : 'ipv4'} vpn ${route.prefix}`, alike);
    }
  }
  await edges.same('show bgp vrf vrf20 ipv4 unicast', alike);
});

after(async () => {
  await edges.close();
  await lab.close();
});

describe('as text', () => {
  for (const command of [
    'show bgp ipv4 vpn',
    'show bgp ipv6 vpn',
    'show ip bgp ipv4 vpn',
    'show bgp ipv4 vpn rd all',
    'show bgp ipv4 vpn rd 65001:102',
    'show bgp ipv4 vpn rd 65001:9',
    'show bgp ipv4 vpn all rd 192.0.2.7:5',
    'show bgp ipv4 vpn 10.3.0.0/24',
    'show bgp ipv4 vpn 10.3.1.0/24',
    'show bgp ipv4 vpn 10.3.1.77',
    'show bgp ipv4 vpn 10.3.2.0/24',
    'show bgp ipv4 vpn 10.5.0.0/24',
    'show bgp ipv4 vpn 10.7.0.0/24',
    'show bgp ipv4 vpn 10.99.0.0/16',
    'show bgp ipv4 vpn rd 192.0.2.7:5 10.3.1.0/24',
    'show bgp ipv4 vpn rd 65001:9 10.3.1.0/24',
    'show bgp ipv4 vpn rd all 10.3.1.0/24',
    'show bgp ipv4 vpn 10.3.0.0/16 longer-prefixes',
    'show bgp ipv6 vpn fd77::/64',
    'show bgp ipv6 vpn fd10:3::/64',
    'show bgp ipv4 vpn neighbors 10.0.0.2 advertised-routes',
    'show bgp ipv6 vpn neighbors 10.0.0.2 advertised-routes',
    'show bgp ipv4 vpn neighbors 10.0.0.2 routes',
    'show bgp ipv6 vpn neighbors 10.0.0.2 routes',
    'show bgp ipv4 vpn neighbors 10.0.0.9 routes',
    'show bgp ipv6 vpn neighbors 10.0.0.3 advertised-routes',
    'show bgp vrf vrf10 ipv4 vpn',
    'show bgp vrf vrf10 ipv4 vpn summary',
    'show bgp vrf vrf10 summary',
    'show bgp vrf vrf10 ipv4 unicast',
    'show bgp vrf vrf20 ipv4 unicast',
    'show bgp vrf vrf10 ipv6 unicast',
    'show bgp vrf vrf10 ipv4 unicast 10.3.0.0/24',
    'show bgp vrf vrf10 ipv4 unicast 10.7.0.0/24',
    'show bgp vrf vrf20 ipv4 unicast 10.3.1.0/24',
    'show bgp vrf vrf10 ipv6 unicast fd10:3::/64',
    'show bgp segment-routing srv6',
    'show bgp vrf nosuch ipv4 unicast route-leak',
  ]) {
    test(command, async () => {
      const [ours, theirs] = await edges.both(command);
      assert.equal(alike(ours), alike(theirs));
    });
  }

  test('what stays in the machine is forwarded by no SID', async () => {
    const [ours, theirs] = await edges.both('show bgp vrf vrf20 ipv4 unicast 10.7.0.0/24');
    assert.match(theirs, /Remote SID/);
    assert.equal(alike(ours), alike(theirs.replace(/ *Remote SID.*\n/, '')));
    assert.match(ours, /Imported from 65001:101:10\.7\.0\.0\/24\n/);
  });

  test('the peer that an imported route is from, and all of its SID, are said besides', () => {
    const ours = edges.ours('show bgp vrf vrf10 ipv4 unicast 10.3.0.0/24');
    assert.match(ours, /^ {4}10\.0\.0\.2 from 10\.0\.0\.2 \(10\.0\.0\.2\) vrf default\(0\) announce-nh-self$/m);
    assert.match(ours, /^ {4}10\.0\.0\.3 from 10\.0\.0\.3 \(10\.0\.0\.3\) vrf default\(0\) announce-nh-self$/m);
    assert.match(
      ours,
      / {6}Remote SID: 2001:db8:f2::\n {6}SID structure: \[40,24,16,0\]\n {6}SID with the label's part: 2001:db8:f2:0:100::\n/,
    );
  });

  test('a summary has the same titles and counts', async () => {
    const columns = (text: string): string[][] =>
      text.split('\n').flatMap(line => {
        if (line.includes('Summary')) return [[line]];
        const words = line.split(/ +/);
        // What the neighbour in another AS is told, FRR counts otherwise (see above).
        const sent = words[0] === OTHER_AS ? -2 : -1;
        return words[0]!.startsWith('10.0.0.') ? [[words[0]!, words[2]!, ...words.slice(-3, sent)]] : [];
      });
    for (const command of ['show bgp summary', 'show bgp ipv4 vpn summary', 'show bgp vrf all summary']) {
      const [ours, theirs] = await edges.both(command);
      assert.deepEqual(columns(ours), columns(theirs), command);
      assert.ok(columns(ours).length > 0);
    }
  });

  test('a neighbour has its families under the same names', async () => {
    const of = (text: string): string[] =>
      text.split('\n').filter(line => /For address family|Address Family|IPv\d VPN: RX|accepted prefixes/.test(line));
    const [ours, theirs] = await edges.both('show bgp neighbors 10.0.0.2');
    assert.deepEqual(of(ours), of(theirs));
    assert.ok(of(ours).includes(' For address family: IPv6 VPN'));
  });
});

describe('as JSON', () => {
  for (const command of [
    'show bgp ipv4 vpn json',
    'show bgp ipv6 vpn json',
    'show bgp ipv4 vpn all rd all json',
    'show bgp ipv4 vpn 10.3.0.0/24 json',
    'show bgp ipv4 vpn 10.3.1.0/24 json',
    'show bgp ipv4 vpn 10.7.0.0/24 json',
    'show bgp ipv4 vpn rd 192.0.2.7:5 10.3.1.0/24 json',
    'show bgp ipv4 vpn 10.99.0.0/16 json',
    'show bgp ipv6 vpn fd10:3::/64 json',
    'show bgp ipv4 vpn neighbors 10.0.0.2 routes json',
    'show bgp ipv4 vpn neighbors 10.0.0.2 advertised-routes json',
    'show bgp vrf vrf10 ipv4 unicast json',
    'show bgp vrf vrf20 ipv4 unicast json',
    'show bgp vrf vrf10 ipv6 unicast json',
    'show bgp vrf vrf10 ipv4 unicast 10.3.0.0/24 json',
    'show bgp vrf vrf10 ipv6 unicast fd10:3::/64 json',
    'show bgp vrf nosuch ipv4 unicast route-leak json',
  ]) {
    test(command, async () => {
      const both = await edges.both(command);
      const [ours, theirs] = both.map(text => fromNobody(JSON.parse(text)));
      covers(ours, theirs, '');
    });
  }

  test('of one route distinguisher', () => {
    // FRR's has no end.
    const { routes } = JSON.parse(edges.ours('show bgp ipv4 vpn rd 65001:102 json')) as {
      routes: { routeDistinguishers: Record<string, Json> };
    };
    assert.deepEqual(Object.keys(routes.routeDistinguishers), ['65001:102']);
    assert.deepEqual(Object.keys(routes.routeDistinguishers['65001:102']!), ['10.3.0.0/24', '10.3.1.0/24']);
  });

  test('the SIDs and who has them', () => {
    const json = JSON.parse(edges.ours('show bgp segment-routing srv6 json')) as Json;
    assert.equal(json['locatorName'], 'loc0');
    assert.deepEqual(json['functions'], [
      { sid: '2001:db8:f1:0:100::', locator: 'loc0', function: 256, behavior: 'End.DT4', vrf: 'vrf10' },
      { sid: '2001:db8:f1:0:200::', locator: 'loc0', function: 512, behavior: 'End.DT6', vrf: 'vrf10' },
    ]);
  });
});
