// What is shown of VPNs where FRR has nothing to compare with: routes of other instances, why routes are not exported, what a policy
// refused; and `clear` of one address family. Speakers are without a zebra.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until } from '../lib/wait.ts';
import { routersOnLoopback } from './lib/loopback.ts';
import { Router } from './lib/router.ts';

const PORT = 20_000 + (process.pid % 20_000);
const routers = routersOnLoopback('vpn-show', async namespace => {
  for (const last of [1, 2]) await namespace.run('ip', 'addr', 'add', `fd09::${last}/128`, 'dev', 'lo');
});

function router(last: number, text: string): Router {
  // Neighbours are at other addresses of this host: none of them is known to be its own.
  const made = new Router(`pe${last}`, PORT + last, { networkInterfaces: () => ({}) });
  routers.push(made);
  made.config(text);
  return made;
}

/** The default instance of an edge at 10.9.0.`last`, with one neighbour. */
function edge(last: number, neighbour: number, as = 65001, more = '', inVpn = ''): string {
  return `router bgp 65001
 bgp router-id 10.9.0.${last}
 no bgp default ipv4-unicast
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.9.0.${neighbour} remote-as ${as}
 neighbor 10.9.0.${neighbour} port ${PORT + neighbour}
 neighbor 10.9.0.${neighbour} update-source 10.9.0.${last}
 neighbor 10.9.0.${neighbour} timers connect 1
${more} address-family ipv4 vpn
  neighbor 10.9.0.${neighbour} activate
${inVpn} exit-address-family
exit
`;
}

/** The instance of a VRF, with these lines of its address family. */
function vrf(name: string, lines: string, networks: readonly string[] = []): string {
  return `router bgp 65001 vrf ${name}
 bgp router-id 10.9.0.1
 no bgp network import-check
 address-family ipv4 unicast
${networks.map(network => `  network ${network}\n`).join('')}${lines} exit-address-family
exit
`;
}

const DEFAULT = 'router bgp 65001\n bgp router-id 10.9.0.1\nexit\n';
const leak = (one: Router, name: string): string => one.show(`show bgp vrf ${name} ipv4 unicast route-leak`);

describe('route-leak', () => {
  test('says who takes what from whom, and as what it goes into VPNs', async () => {
    const one = router(
      1,
      DEFAULT +
        vrf('red', '  rd vpn export 65001:1\n  rt vpn both 65001:10\n  export vpn\n  import vpn\n') +
        vrf('blue', '  import vrf red\n  import vrf default\n  rt vpn import 65001:20 192.0.2.1:3\n  import vpn\n') +
        vrf('green', '  import vrf red\n'),
    );
    await until(() => leak(one, 'red').includes('exporting IPv4 Unicast routes to VPNs'), { what: 'the export' });
    assert.equal(
      leak(one, 'red'),
      `This VRF is not importing IPv4 Unicast routes from any other VRF
This VRF is importing IPv4 Unicast routes from VPNs
Import RT(s): 65001:10
This VRF is exporting IPv4 Unicast routes to the following VRFs:
  blue
  green
This VRF is exporting IPv4 Unicast routes to VPNs
RD: 65001:1
Export RT: 65001:10
`,
    );
    assert.equal(
      leak(one, 'blue'),
      `This VRF is importing IPv4 Unicast routes from the following VRFs:
  red
  default
This VRF is importing IPv4 Unicast routes from VPNs
Import RT(s): 65001:20 192.0.2.1:3
This VRF is not exporting IPv4 Unicast routes to any other VRF
`,
    );
    assert.deepEqual(one.json('show bgp vrf default ipv4 unicast route-leak json'), {
      vrf: 'default',
      afiSafi: 'ipv4Unicast',
      importFromVrfs: 'none',
      importRts: 'none',
      exportToVrfs: ['blue'],
      // As FRR makes it: of the router id, and the instance's number.
      routeDistinguisher: '10.9.0.1:1',
      exportRts: 'none',
      importFromVpn: false,
      exportToVpn: false,
    });
    const all = one.json('show bgp vrf all ipv4 unicast route-leak json') as { vrfs: object };
    assert.deepEqual(Object.keys(all.vrfs), ['default', 'red', 'blue', 'green']);
    assert.match(one.show('show bgp vrf all ipv4 unicast route-leak'), /\nInstance green:\nThis VRF is importing/);
    assert.throws(() => one.show('show bgp ipv4 vpn route-leak'), /applicable only for unicast/);
  });

  test('says why nothing goes into VPNs', async () => {
    const sid = '  sid vpn export auto\n  rt vpn both 65001:10\n  export vpn\n';
    const one = router(
      1,
      DEFAULT +
        vrf('red', sid, ['10.1.0.0/24']) +
        vrf('blue', '  export vpn\n  import vpn\n') +
        vrf('green', '  label vpn export auto\n  rt vpn export 65001:10\n  export vpn\n'),
    );
    const why = (name: string): string | undefined => /^Not exported to VPNs: (.*)$/m.exec(leak(one, name))?.[1];
    await until(() => why('red') !== undefined, { what: () => `a reason: ${leak(one, 'red')}` });
    assert.equal(why('red'), 'no SRv6 locator is configured (segment-routing srv6, locator NAME)');
    assert.doesNotMatch(leak(one, 'red'), /is exporting/);
    assert.equal(why('blue'), 'no route target is configured');
    assert.match(leak(one, 'blue'), /^Not imported from VPNs: no route target is configured$/m);
    assert.equal(why('green'), 'there is no VRF green');
    one.type('router bgp 65001', 'segment-routing srv6', 'locator nowhere');
    await until(() => why('red') === 'there is no SRv6 locator nowhere', {
      what: () => `another: ${leak(one, 'red')}`,
    });
    const json = one.json('show bgp vrf red ipv4 unicast route-leak json') as Record<string, unknown>;
    assert.equal(json['notExportedToVpn'], 'there is no SRv6 locator nowhere');
    assert.equal(json['exportToVpn'], false);
    assert.equal(one.show('show bgp ipv4 vpn'), 'No BGP prefixes displayed, 0 exist\n');
    const text = one.show('show bgp segment-routing srv6');
    assert.match(text, /^locator_name: nowhere\nlocator_chunks:\nfunctions:\nbgps:\n- name: default\n/);
    assert.match(
      text,
      /- name: red\n {2}vpn_policy\[AFI_IP\]\.tovpn_sid: none\n {2}vpn_policy\[AFI_IP6\]\.tovpn_sid: none\n {2}problem: there is no SRv6 locator nowhere\n/,
    );
    const { bgps } = one.json('show bgp segment-routing srv6 json') as {
      bgps: { name: string; problems?: string[] }[];
    };
    assert.deepEqual(bgps.find(({ name }) => name === 'red')?.problems, ['there is no SRv6 locator nowhere']);
  });
});

test('a route of another instance is from whom that one has it, and of its VRF', async () => {
  router(
    2,
    `router bgp 65002
 bgp router-id 10.9.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.9.0.1 remote-as 65001
 neighbor 10.9.0.1 passive
 address-family ipv4 unicast
  network 10.2.0.0/24
 exit-address-family
exit
`,
  );
  const one = router(
    1,
    edge(1, 2, 65002, ' address-family ipv4 unicast\n  neighbor 10.9.0.2 activate\n exit-address-family\n') +
      vrf('red', '  rt vpn both 65001:10\n  export vpn\n  import vrf default\n', ['10.1.0.0/24']) +
      vrf('blue', '  rt vpn import 65001:10\n  import vpn\n  import vrf red\n'),
  );
  const rows = (name: string): string[] =>
    one
      .show(`show bgp vrf ${name} ipv4 unicast`)
      .split('\n')
      .filter(line => /^[* ][> ]/.test(line) && line.includes('10.'));
  // Twice: by the VPN, and without one.
  await until(() => rows('red').length === 2 && rows('blue').length === 1, {
    what: () => one.show('show bgp vrf all ipv4 unicast'),
  });
  await until(() => one.show('show bgp vrf blue ipv4 unicast 10.1.0.0/24').includes('(2 available'), {
    what: () => one.show('show bgp vrf blue ipv4 unicast 10.1.0.0/24'),
  });
  // Without a zebra, VRFs have no numbers.
  const unknown = '-';
  const text = one.show('show bgp vrf red ipv4 unicast 10.2.0.0/24');
  assert.match(text, /^ {2}Imported from 10\.9\.0\.1:1:10\.2\.0\.0\/24\n {2}65002\n/m);
  assert.match(text, /^ {4}10\.9\.0\.2 from 10\.9\.0\.2 \(10\.9\.0\.2\) vrf default\(0\) announce-nh-self\n/m);
  assert.match(text, /^ {6}Origin IGP, metric 0, valid, sourced, local, best /m);
  assert.doesNotMatch(text, /AddPath|label/);
  const json = one.json('show bgp vrf red ipv4 unicast json') as {
    routes: Record<string, { peerId: string; nhVrfName?: string; nexthops: { hostname?: string }[] }[]>;
  };
  assert.deepEqual(
    json.routes['10.2.0.0/24']?.map(({ peerId, nhVrfName }) => [peerId, nhVrfName]),
    [['10.9.0.2', 'default']],
  );
  assert.equal(json.routes['10.2.0.0/24']?.[0]?.nexthops[0]?.hostname, 'pe2');
  const detail = one.json('show bgp vrf red ipv4 unicast 10.2.0.0/24 json') as {
    paths: { importedFrom: string; peer: object; sourced: boolean; local: boolean }[];
  };
  const [path] = detail.paths;
  assert.equal(path?.importedFrom, '10.9.0.1:1:10.2.0.0/24');
  assert.deepEqual(path.peer, { peerId: '10.9.0.2', routerId: '10.9.0.2', hostname: 'pe2' });
  assert.ok(path.sourced && path.local);
  // What is leaked is not leaked on.
  assert.equal(one.show('show bgp vrf blue ipv4 unicast 10.2.0.0/24'), '% Network not in table\n');
  const both = one.show('show bgp vrf blue ipv4 unicast 10.1.0.0/24');
  const number = one.bgp.instances.get('red')!.number;
  assert.equal(both.match(new RegExp(`Imported from 10\\.9\\.0\\.1:${number}:10\\.1\\.0\\.0/24`, 'g'))?.length, 2);
  assert.match(
    both,
    new RegExp(`^ {4}0\\.0\\.0\\.0 from 0\\.0\\.0\\.0 \\(10\\.9\\.0\\.1\\) vrf red\\(${unknown}\\)`, 'm'),
  );
  assert.match(both, /weight 32768, valid, sourced, local/);
});

describe('between two edges', () => {
  async function pair(inVpn = '', maps = ''): Promise<[Router, Router]> {
    const lines = '  rd vpn export 65001:2\n  rt vpn both 65001:10\n  export vpn\n  import vpn\n';
    const one = router(1, edge(1, 2, 65001, '', inVpn) + vrf('red', lines.replace(':2', ':1')) + maps);
    const two = router(2, edge(2, 1) + vrf('red', lines, ['10.2.0.0/24', '10.3.0.0/24']));
    await until(() => one.show('show bgp ipv4 vpn neighbors 10.9.0.2 received-routes').includes('prefixes 2'), {
      what: () => `both routes\n${one.show('show bgp ipv4 vpn')}${one.logged.join('\n')}`,
    });
    return [one, two];
  }

  test('what a policy refused is told by itself', async () => {
    const maps =
      'ip prefix-list some permit 10.2.0.0/16 le 24\nroute-map in permit 10\n match ip address prefix-list some\nexit\n';
    const [one] = await pair('  neighbor 10.9.0.2 route-map in in\n', maps);
    const of = (what: string): string[] =>
      one
        .show(`show bgp ipv4 vpn neighbors 10.9.0.2 ${what}`)
        .split('\n')
        .filter(line => /^(?:Route D|\*|Total|Displayed)/.test(line))
        .map(line => line.slice(0, 40).trimEnd());
    const rd = 'Route Distinguisher: 65001:2';
    assert.deepEqual(of('received-routes'), [
      rd,
      '*> 10.2.0.0/24      10.9.0.2',
      '*> 10.3.0.0/24      10.9.0.2',
      'Total number of prefixes 2 (1 filtered)',
    ]);
    assert.deepEqual(of('filtered-routes'), [rd, '*> 10.3.0.0/24      10.9.0.2', 'Total number of prefixes 1']);
    assert.deepEqual(of('routes'), [rd, '*>i10.2.0.0/24      10.9.0.2', 'Displayed  1 routes and 1 total paths']);
    const json = one.json('show bgp ipv4 vpn neighbors 10.9.0.2 received-routes json') as Record<string, never>;
    assert.deepEqual(Object.keys(json['receivedRoutes']!), ['65001:2']);
    assert.deepEqual(Object.keys(json['receivedRoutes']!['65001:2']), ['rd', '10.2.0.0/24', '10.3.0.0/24']);
    assert.equal(json['filteredPrefixCounter'], 1);
    const none = one.json('show bgp ipv4 vpn neighbors 10.9.0.2 advertised-routes json') as Record<string, never>;
    assert.deepEqual(none['advertisedRoutes'], {});
  });

  test('clear is about one address family, and one direction', async () => {
    const [one, two] = await pair();
    const of = (
      router: Router,
      peer: string,
    ): { connectionsEstablished: number; messageStats: { updatesRecv: number } } =>
      (router.json(`show bgp neighbors ${peer} json`) as never)[peer]!;
    const heard = (): number => of(two, '10.9.0.1').messageStats.updatesRecv;
    one.type('router bgp 65001 vrf red', 'address-family ipv4 unicast', 'network 10.1.0.0/24');
    const routes = (): string => two.show('show bgp ipv4 vpn neighbors 10.9.0.1 routes');
    await until(() => routes().includes('10.1.0.0/24'), { what: 'a route of our own' });
    /** What the other one hears of it. */
    const cleared = async (...families: string[]): Promise<number> => {
      const before = heard();
      for (const family of families) one.show(`clear bgp ${family} * soft out`);
      await until(() => heard() > before, { what: () => `${families.join()} again` });
      return heard() - before;
    };
    const alone = await cleared('ipv4 vpn');
    // Of the others there is nothing to say.
    assert.equal(await cleared('ipv6 vpn', 'ipv4 unicast', 'ipv4 vpn'), alone);
    one.show('clear bgp ipv4 vpn 10.9.0.2 soft in');
    one.show('clear ip bgp ipv6 vpn 10.9.0.2 in');
    assert.match(one.show('show bgp ipv4 vpn neighbors 10.9.0.2 routes'), /10\.2\.0\.0\/24/);
    assert.equal(of(one, '10.9.0.2').connectionsEstablished, 1);
    one.show('clear bgp ipv4 vpn *');
    await until(() => of(one, '10.9.0.2').connectionsEstablished === 2, { what: 'a new session' });
  });

  test('update groups and memory name the family', async () => {
    const [one] = await pair();
    assert.match(one.show('show bgp update-groups'), /^ {4}Address family: ipv4 vpn$/m);
    assert.match(one.show('show bgp ipv4 vpn update-groups'), /^ {6}- 10\.9\.0\.2$/m);
    assert.equal(one.show('show bgp ipv4 unicast update-groups'), '');
    assert.match(one.show('show bgp memory'), /RIB nodes/);
  });

  test('what is asked for wrongly is said', async () => {
    const [one] = await pair();
    assert.throws(() => one.show('show bgp ipv4 vpn rd 65001'), { message: '% Malformed Route Distinguisher: 65001' });
    assert.throws(() => one.show('show bgp ipv4 vpn rd 65001:2 fd00::/64'), {
      message: '% Malformed prefix: fd00::/64',
    });
    assert.equal(one.show('show bgp ipv4 vpn rd 65001:2 10.9.0.0/16'), '% Network not in table\n');
    assert.equal(one.show('show bgp vrf nosuch ipv4 vpn'), 'View/Vrf nosuch is unknown\n');
  });
});

test('over IPv6, next hops of IPv4 prefixes are shown to be agreed on', async () => {
  const lines = (last: number, neighbour: number): string => `router bgp 65001
 bgp router-id 10.9.0.${last}
 neighbor fd09::${neighbour} remote-as 65001
 neighbor fd09::${neighbour} port ${PORT + neighbour}
 neighbor fd09::${neighbour} update-source fd09::${last}
 neighbor fd09::${neighbour} timers connect 1
 neighbor fd09::${neighbour} capability extended-nexthop
 address-family ipv4 vpn
  neighbor fd09::${neighbour} activate
 exit-address-family
exit
`;
  const one = router(1, lines(1, 2));
  router(2, lines(2, 1));
  const shown = (): string => one.show('show bgp neighbors fd09::2');
  await until(() => shown().includes('Established'), { what: () => `a session\n${shown()}` });
  // As FRR says it, between two of its kind.
  assert.ok(
    shown().includes(`    Extended nexthop: advertised and received
      Address families by peer:
                   IPv4 Unicast
           IPv4 VPN
`),
    shown(),
  );
  const json = one.json('show bgp neighbors fd09::2 json') as Record<string, { neighborCapabilities: object }>;
  const { extendedNexthop, extendedNexthopFamililesByPeer } = json['fd09::2']!.neighborCapabilities as Record<
    string,
    unknown
  >;
  assert.equal(extendedNexthop, 'advertisedAndReceived');
  assert.deepEqual(extendedNexthopFamililesByPeer, { ipv4Unicast: 'recieved', ipv4Vpn: 'recieved' });
});
