// VPNs between two speakers without a zebra: what goes into them and comes out, in two instances with the same prefixes, over route
// reflection, with policy, and between instances of one speaker.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatRouteDistinguisher } from '../../src/bgp/wire/route-distinguisher.ts';
import { until } from '../lib/wait.ts';
import { routersOnLoopback } from './lib/loopback.ts';
import { Router } from './lib/router.ts';

const PORT = 20_000 + (process.pid % 20_000);
const routers = routersOnLoopback('vpn');

function router(last: number, text: string): Router {
  const made = new Router(`pe${last}`, PORT + last);
  routers.push(made);
  made.config(text);
  return made;
}

/** A provider edge at 10.9.0.`last`; both customers announce the same prefix. */
function edge(last: number, neighbour: number, inside = ''): string {
  return `router bgp 65001
 bgp router-id 10.9.0.${last}
 no bgp default ipv4-unicast
 neighbor 10.9.0.${neighbour} remote-as 65001
 neighbor 10.9.0.${neighbour} port ${PORT + neighbour}
 neighbor 10.9.0.${neighbour} update-source 10.9.0.${last}
 neighbor 10.9.0.${neighbour} timers connect 1
 address-family ipv4 vpn
  neighbor 10.9.0.${neighbour} activate
 exit-address-family
 address-family ipv6 vpn
  neighbor 10.9.0.${neighbour} activate
 exit-address-family
exit
${inside}`;
}

function vrf(name: string, target: string, networks: readonly string[], more = ''): string {
  return `router bgp 65001 vrf ${name}
 no bgp network import-check
 address-family ipv4 unicast
${networks.map(network => `  network ${network}\n`).join('')}  rt both ${target}
${more} exit-address-family
exit
`;
}

const keys = (one: Router, where: string): string[] =>
  Object.keys((one.json(`show bgp ${where} ipv4 unicast json`) as { routes: object }).routes);

/** `RD PREFIX` of the VPN table. */
function rows(one: Router): string[] {
  const { prefixes } = one.bgp.instances.get('default')!.family.vpnv4.table;
  return [...prefixes.sorted()].map(
    row => `${formatRouteDistinguisher(prefixes.rd0[row]!, prefixes.rd1[row]!)} ${prefixes.format(row)}`,
  );
}

describe('VPNs', () => {
  test('keep the same prefixes of two customers apart, and go as they came', async () => {
    const one = router(
      1,
      edge(1, 2, vrf('red', '65001:10', ['10.1.0.0/24']) + vrf('blue', '65001:20', ['10.1.0.0/24'])),
    );
    const two = router(
      2,
      edge(2, 1, vrf('red', '65001:10', ['10.2.0.0/24', '10.3.0.0/24']) + vrf('blue', '65001:20', ['10.2.0.0/24'])),
    );
    await until(() => keys(one, 'vrf red').length === 3 && keys(two, 'vrf red').length === 3, {
      what: () => `routes of both in red\n${one.show('show bgp vrf all ipv4 unicast')}${one.logged.join('\n')}`,
    });
    assert.deepEqual(keys(one, 'vrf blue'), ['10.1.0.0/24', '10.2.0.0/24']);
    assert.deepEqual(keys(two, 'vrf blue'), ['10.1.0.0/24', '10.2.0.0/24']);
    two.type('router bgp 65001 vrf red', 'address-family ipv4 unicast', 'no network 10.3.0.0/24');
    await until(() => keys(one, 'vrf red').length === 2, { what: 'the withdrawal' });
    assert.deepEqual(keys(one, 'vrf blue'), ['10.1.0.0/24', '10.2.0.0/24']);
    // Another target: red's routes are no more for those of before.
    two.type('router bgp 65001 vrf red', 'address-family ipv4 unicast', 'rt both 65001:30');
    await until(() => keys(one, 'vrf red').join() === '10.1.0.0/24' && keys(two, 'vrf red').join() === '10.2.0.0/24', {
      what: () => `red for itself\n${one.show('show bgp vrf red ipv4 unicast')}`,
    });
    assert.deepEqual(keys(two, 'vrf blue'), ['10.1.0.0/24', '10.2.0.0/24']);
    two.type('router bgp 65001 vrf red', 'address-family ipv4 unicast', 'rt both 65001:10');
    await until(() => keys(one, 'vrf red').length === 2 && keys(two, 'vrf red').length === 2, { what: 'both again' });
    // Another distinguisher: the same route, once.
    two.type('router bgp 65001 vrf red', 'address-family ipv4 unicast', 'rd vpn export 65001:77');
    const distinguishers = (): string[] => rows(one).map(row => row.split(' ')[0]!);
    await until(() => distinguishers().includes('65001:77') && rows(one).length === 4, {
      what: () => `the new distinguisher alone: ${rows(one).join()}`,
    });
    assert.deepEqual(keys(one, 'vrf red'), ['10.1.0.0/24', '10.2.0.0/24']);
    // Without the instance, nothing of it is left.
    two.type('no router bgp 65001 vrf red');
    await until(() => keys(one, 'vrf red').length === 1 && rows(one).length === 3, { what: 'nothing of the instance' });
  });

  test('go over a reflector that has no instances', async () => {
    router(
      9,
      `router bgp 65001
 bgp router-id 10.9.0.9
 no bgp default ipv4-unicast
${[1, 2]
  .map(
    last => ` neighbor 10.9.0.${last} remote-as 65001
 neighbor 10.9.0.${last} passive
 address-family ipv4 vpn
  neighbor 10.9.0.${last} activate
  neighbor 10.9.0.${last} route-reflector-client
 exit-address-family
 address-family ipv6 vpn
  neighbor 10.9.0.${last} activate
  neighbor 10.9.0.${last} route-reflector-client
 exit-address-family
`,
  )
  .join('')}exit
`,
    );
    const one = router(1, edge(1, 9, vrf('red', '65001:10', ['10.1.0.0/24'])));
    const two = router(2, edge(2, 9, vrf('red', '65001:10', ['10.2.0.0/24'])));
    await until(() => keys(one, 'vrf red').length === 2 && keys(two, 'vrf red').length === 2, { what: 'both' });
    two.type('router bgp 65001 vrf red', 'no bgp network import-check');
    two.type('router bgp 65001 vrf red', 'address-family ipv6 unicast', 'network 2001:db8:2::/48');
    two.type('router bgp 65001 vrf red', 'address-family ipv6 unicast', 'rt both 65001:10');
    one.type('router bgp 65001 vrf red', 'address-family ipv6 unicast', 'rt both 65001:10');
    const six = (): { nexthops: { ip: string }[] }[] | undefined =>
      (one.json('show bgp vrf red ipv6 unicast 2001:db8:2::/48 json') as { paths?: { nexthops: { ip: string }[] }[] })
        .paths;
    await until(() => six() !== undefined, { what: 'an IPv6 route over IPv4' });
    const hop = (path: { nexthops: { ip: string }[] }): string => path.nexthops[0]!.ip;
    assert.deepEqual(six()!.map(hop), ['::ffff:10.9.0.2'], 'RFC 4659 §3.2.1.2');
    const route = one.json('show bgp vrf red ipv4 unicast 10.2.0.0/24 json') as {
      paths: { nexthops: { ip: string }[] }[];
    };
    assert.deepEqual(route.paths.map(hop), ['10.9.0.2'], 'the edge, not the reflector');
  });

  test('take what their maps let through, as the maps make it', async () => {
    const maps = `ip prefix-list some permit 10.2.0.0/15 le 24
route-map out permit 10
 match ip address prefix-list some
 set community 65001:1
exit
route-map in deny 10
 match community wrong
exit
route-map in permit 20
 set local-preference 77
exit
bgp community-list standard wrong permit 65001:2
`;
    const one = router(1, edge(1, 2, vrf('red', '65001:10', ['10.1.0.0/24'], '  route-map vpn import in\n') + maps));
    const two = router(
      2,
      edge(
        2,
        1,
        vrf('red', '65001:10', ['10.2.0.0/24', '10.3.0.0/24', '10.4.0.0/24'], '  route-map vpn export out\n') + maps,
      ),
    );
    await until(() => keys(one, 'vrf red').length === 3, { what: 'what the maps let through' });
    assert.deepEqual(keys(one, 'vrf red'), ['10.1.0.0/24', '10.2.0.0/24', '10.3.0.0/24']);
    const pref = (): unknown =>
      (one.json('show bgp vrf red ipv4 unicast json') as { routes: Record<string, { locPrf?: number }[]> }).routes[
        '10.2.0.0/24'
      ]?.[0]?.locPrf;
    assert.equal(pref(), 77);
    two.type('route-map out permit 10', 'set community 65001:2');
    await until(() => keys(one, 'vrf red').join() === '10.1.0.0/24', { what: 'the import map to refuse it' });
    one.type('no route-map in deny 10');
    await until(() => keys(one, 'vrf red').length === 3, { what: 'the import map to let it in' });
  });

  test('keep the weight that their neighbour has, and the one that its policy gives', async () => {
    const one = router(1, edge(1, 2, vrf('red', '65001:10', [])));
    router(2, edge(2, 1, vrf('red', '65001:10', ['10.2.0.0/24'])));
    const weight = (): unknown =>
      (one.json('show bgp vrf red ipv4 unicast json') as { routes: Record<string, { weight: number }[]> }).routes[
        '10.2.0.0/24'
      ]?.[0]?.weight;
    await until(() => weight() === 0, { what: 'the route' });
    one.type('router bgp 65001', 'address-family ipv4 vpn', 'neighbor 10.9.0.2 weight 33');
    await until(() => weight() === 33, { what: () => `the neighbour's: ${String(weight())}` });
    one.type('route-map heavy permit 10', 'set weight 44');
    one.type('router bgp 65001', 'address-family ipv4 vpn', 'neighbor 10.9.0.2 route-map heavy in');
    await until(() => weight() === 44, { what: () => `the policy's: ${String(weight())}` });
    one.type('router bgp 65001', 'address-family ipv4 vpn', 'no neighbor 10.9.0.2 route-map heavy in');
    one.type('router bgp 65001', 'address-family ipv4 vpn', 'no neighbor 10.9.0.2 weight');
    await until(() => weight() === 0, { what: () => `none again: ${String(weight())}` });
  });

  test('tie instances of one speaker together', async () => {
    const one = router(
      1,
      `router bgp 65001
 bgp router-id 10.9.0.1
exit
${vrf('red', '65001:10', ['10.1.0.0/24'])}${vrf('blue', '65001:20', ['10.2.0.0/24'], '  rt import 65001:10\n')}${vrf('green', '65001:30', ['10.3.0.0/24'], '  import vrf blue\n')}`,
    );
    await until(() => keys(one, 'vrf blue').length === 2 && keys(one, 'vrf green').length === 2, { what: 'the leaks' });
    assert.deepEqual(keys(one, 'vrf red'), ['10.1.0.0/24']);
    assert.deepEqual(keys(one, 'vrf blue'), ['10.1.0.0/24', '10.2.0.0/24']);
    assert.deepEqual(keys(one, 'vrf green'), ['10.2.0.0/24', '10.3.0.0/24'], 'what is leaked is not leaked on');
    one.type('router bgp 65001 vrf red', 'address-family ipv4 unicast', 'no network 10.1.0.0/24');
    one.type('router bgp 65001 vrf green', 'address-family ipv4 unicast', 'no import vrf blue');
    await until(() => keys(one, 'vrf blue').length === 1 && keys(one, 'vrf green').length === 1, {
      what: 'them to go',
    });
    one.type('router bgp 65001 vrf green', 'address-family ipv4 unicast', 'import vrf default');
    one.type('router bgp 65001', 'no bgp network import-check');
    one.type('router bgp 65001', 'address-family ipv4 unicast', 'network 10.9.9.0/24');
    await until(() => keys(one, 'vrf green').length === 2, { what: 'a route of the default instance' });
    one.type('no router bgp 65001');
    await until(() => keys(one, 'vrf green').join() === '10.3.0.0/24', { what: 'it to go with its instance' });
  });
});
