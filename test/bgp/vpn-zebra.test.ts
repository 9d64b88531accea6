// What zebra is told of VPNs: SIDs and labels of our VRFs, routes with segments and labels, leaks between VRFs; and what becomes of them when
// locators, labels, VRFs and zebra itself come and go. Zebra is played.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Peer } from '../../src/bgp/peer.ts';
import { PEER_EBGP } from '../../src/bgp/rib/index.ts';
import { emptyLayer } from '../../src/bgp/settings.ts';
import { type AddressWords, parsePrefix } from '../../src/net/index.ts';
import { LOCATOR_USID } from '../../src/zapi/index.ts';
import { until } from '../lib/wait.ts';
import { routersOnLoopback } from './lib/loopback.ts';
import { PlayedZebra } from './lib/played-zebra.ts';
import { Router } from './lib/router.ts';

const PORT = 20_000 + (process.pid % 20_000);
const routers = routersOnLoopback('vpn-zebra');

const RED = 11;
const BLUE = 12;
const GREEN = 13;
const FE80_2: AddressWords = [0xfe800000, 0, 0, 2];
const prefix = (text: string): NonNullable<ReturnType<typeof parsePrefix>> => parsePrefix(text)!;

const HEAD = `router bgp 65001
 bgp router-id 10.9.0.1
 segment-routing srv6
  locator loc0
 exit
exit
`;

function vrf(name: string, four: string, six = '', more = ''): string {
  return `router bgp 65001 vrf ${name}
 bgp router-id 10.9.0.1
 no bgp network import-check
${more} address-family ipv4 unicast
${four} exit-address-family
 address-family ipv6 unicast
${six} exit-address-family
exit
`;
}

function start(text: string, last = 1, zebra = new PlayedZebra()): { router: Router; zebra: PlayedZebra } {
  const router = new Router(`pe${last}`, PORT + last, { zebra: zebra.connect });
  routers.push(router);
  router.config(text);
  return { router, zebra };
}

/** Tells the VRFs when the speaker is there. */
async function vrfs(zebra: PlayedZebra, router: Router): Promise<void> {
  await until(() => router.bgp.zebra!.client.connected, { what: 'the connection' });
  zebra.vrf('red', RED, 10);
  zebra.vrf('blue', BLUE, 20);
}

const sids = (zebra: PlayedZebra): string[] =>
  [...zebra.routes].filter(([, hops]) => hops.includes('action')).map(([key, hops]) => `${key.slice(2)} ${hops}`);

describe('SIDs', () => {
  test('of each family of each VRF, as FRR numbers them; of both at once; of micro segments', async () => {
    const { router, zebra } = start(
      HEAD +
        vrf('red', '  sid vpn export auto\n  rt both 65001:10\n', '  sid vpn export auto\n  rt both 65001:10\n') +
        vrf('blue', '  rt both 65001:20\n', '  rt both 65001:20\n', ' sid vpn per-vrf export auto\n'),
    );
    zebra.locator('loc0', prefix('2001:db8:f1::/64'), 16);
    await vrfs(zebra, router);
    await until(() => sids(zebra).length === 3, { what: () => `three SIDs: ${sids(zebra).join()}` });
    assert.deepEqual(sids(zebra), [
      `2001:db8:f1:0:100::/128 0: dev ${RED} action 8 table 10`,
      `2001:db8:f1:0:200::/128 0: dev ${RED} action 7 table 10`,
      `2001:db8:f1:0:300::/128 0: dev ${BLUE} action 16 table 20`,
    ]);
    router.type('router bgp 65001 vrf red', 'address-family ipv6 unicast', 'sid vpn export 9');
    await until(() => sids(zebra).some(one => one.startsWith('2001:db8:f1:0:900::/128 ')), { what: 'the chosen one' });
    await until(() => sids(zebra).length === 3, { what: 'the other one to go' });
    assert.throws(() => router.type('router bgp 65001 vrf blue', 'address-family ipv4 unicast', 'sid vpn export auto'));
    zebra.locator('loc0', prefix('2001:db8:f1::/64'), 16, LOCATOR_USID);
    const behaviors = (): number[] => [...router.bgp.vpn.sids].map(({ sid }) => sid.behavior);
    await until(() => behaviors().every(one => one >= 0x3e), { what: () => `NEXT-C-SID: ${behaviors().join()}` });
  });

  test('go over to another locator with both there for a while, and go with the locator', async () => {
    const { router, zebra } = start(
      HEAD + vrf('red', '  sid vpn export auto\n  rt both 65001:10\n  network 10.1.0.0/24\n'),
    );
    await vrfs(zebra, router);
    const { vpn } = router.bgp;
    const red = router.bgp.instances.get('red')!.family.ipv4;
    await until(() => vpn.problem(red) === 'there is no SRv6 locator loc0', { what: 'why not' });
    assert.match(router.logged.join('\n'), /vpn: red ipv4: routes are not exported: there is no SRv6 locator loc0/);
    zebra.locator('loc0', prefix('2001:db8:f1::/64'), 16);
    await until(() => sids(zebra).length === 1 && vpn.exported(red, 'ipv4') !== undefined, { what: 'the first' });
    zebra.locator('loc0', prefix('2001:db8:f2::/64'), 16);
    await until(() => sids(zebra).length === 2, { what: 'both' });
    await until(() => sids(zebra).length === 1, { what: 'the second alone' });
    assert.match(sids(zebra)[0]!, /^2001:db8:f2:0:100::/);
    zebra.noLocator('loc0');
    await until(() => sids(zebra).length === 0 && vpn.exported(red, 'ipv4') === undefined, { what: 'none' });
    assert.equal(router.bgp.instances.get('default')!.family.vpnv4.table.pathCount, 0);
  });

  test('are refused where there is no room, and given when there is', async () => {
    const { router, zebra } = start(
      HEAD +
        vrf('red', '  sid vpn export auto\n  rt both 65001:10\n', '  sid vpn export 1\n  rt both 65001:10\n') +
        vrf('blue', '  sid vpn export auto\n  rt both 65001:20\n'),
    );
    zebra.locator('loc0', prefix('2001:db8:f1::/64'), 1);
    await vrfs(zebra, router);
    const problem = (name: string, afi: 'ipv4' | 'ipv6'): string | undefined =>
      router.bgp.vpn.problem(router.bgp.instances.get(name)!.family[afi]);
    await until(() => sids(zebra).length === 1 && problem('red', 'ipv4') !== undefined, { what: 'one SID' });
    assert.match(sids(zebra)[0]!, /^2001:db8:f1:0:8000::\/128 0: dev 11 action 7/);
    assert.equal(problem('red', 'ipv4'), 'locator loc0 has no function left of 1');
    assert.equal(problem('blue', 'ipv4'), 'locator loc0 has no function left of 1');
    router.type('router bgp 65001 vrf red', 'address-family ipv6 unicast', 'no sid vpn export');
    await until(() => sids(zebra).some(one => one.includes('action 8 table 10')), {
      what: () => `red to have it: ${sids(zebra).join()}`,
    });
    router.type('router bgp 65001 vrf blue', 'address-family ipv4 unicast', 'sid vpn export 2');
    await until(() => problem('blue', 'ipv4')?.startsWith('SID') === true, { what: 'another reason' });
    assert.equal(problem('blue', 'ipv4'), 'SID 2 has no place in 1 bits of locator loc0');
    router.type('router bgp 65001 vrf blue', 'address-family ipv4 unicast', 'sid vpn export 1');
    await until(() => sids(zebra).some(one => one.includes('table 20')), { what: 'the chosen one to go first' });
  });

  test('and labels and routes come back with zebra and with their VRF', async () => {
    const { router, zebra } = start(
      HEAD +
        vrf('red', '  sid vpn export auto\n  rt both 65001:10\n  network 10.1.0.0/24\n') +
        vrf(
          'blue',
          '  label vpn export auto\n  rt both 65001:20\n  rt import 65001:10\n',
          '  label vpn export 777\n  rt both 65001:20\n',
        ),
    );
    zebra.locator('loc0', prefix('2001:db8:f1::/64'), 16);
    await vrfs(zebra, router);
    const all = (): boolean => sids(zebra).length === 1 && zebra.vrfLabels.size === 2;
    await until(all, { what: () => `a SID and two labels: ${sids(zebra).join()} ${[...zebra.vrfLabels].join()}` });
    assert.deepEqual(Object.fromEntries(zebra.vrfLabels), { [`${BLUE}/1`]: 100, [`${BLUE}/2`]: 777 });
    zebra.drop();
    await until(() => router.bgp.zebra!.client.connected, { what: 'the connection' });
    await vrfs(zebra, router);
    await until(all, { what: 'the same again' });
    assert.equal(zebra.vrfLabels.get(`${BLUE}/1`), 100);
    zebra.tell('VRF_DELETE', { table: 10, netns: '', name: 'red' }, RED);
    await until(() => sids(zebra).length === 0, { what: 'the SID to go' });
    assert.equal(router.bgp.vpn.problem(router.bgp.instances.get('red')!.family.ipv4), 'there is no VRF red');
    zebra.vrf('red', 21, 10);
    await until(() => sids(zebra).length === 1, { what: 'the SID to come back' });
    assert.deepEqual(sids(zebra), ['2001:db8:f1:0:100::/128 0: dev 21 action 8 table 10']);
  });

  test('labels that zebra does not have are waited for, and said', async () => {
    const zebra = new PlayedZebra();
    zebra.labels = [100, 99];
    const { router } = start(
      vrf('red', '  label vpn export auto\n  rt both 65001:10\n') + 'router bgp 65001\nexit\n',
      1,
      zebra,
    );
    await vrfs(zebra, router);
    const problem = (): string | undefined => router.bgp.vpn.problem(router.bgp.instances.get('red')!.family.ipv4);
    await until(() => problem() === 'zebra has no label left', { what: () => `why not: ${problem()}` });
    router.type('router bgp 65001 vrf red', 'address-family ipv4 unicast', 'label vpn export 16');
    await until(() => zebra.vrfLabels.get(`${RED}/1`) === 16 && problem() === undefined, { what: 'the chosen one' });
  });

  test('a label that two VRFs choose is the first one’s, and then the other’s', async () => {
    const { router, zebra } = start(
      'router bgp 65001\nexit\n' +
        vrf('red', '  label vpn export 777\n  rt both 65001:10\n', '  label vpn export 777\n') +
        vrf('blue', '  label vpn export 777\n  rt both 65001:20\n'),
    );
    await vrfs(zebra, router);
    const problem = (): string | undefined => router.bgp.vpn.problem(router.bgp.instances.get('blue')!.family.ipv4);
    await until(() => problem() === "label 777 is another VRF's", { what: () => `why not: ${problem()}` });
    assert.deepEqual(Object.fromEntries(zebra.vrfLabels), { [`${RED}/1`]: 777, [`${RED}/2`]: 777 });
    router.type('router bgp 65001 vrf red', 'address-family ipv6 unicast', 'no label vpn export');
    router.type('router bgp 65001 vrf red', 'address-family ipv4 unicast', 'label vpn export 778');
    await until(() => zebra.vrfLabels.size === 2 && problem() === undefined, { what: 'it to be free' });
    assert.deepEqual(Object.fromEntries(zebra.vrfLabels), { [`${RED}/1`]: 778, [`${BLUE}/1`]: 777 });
  });

  test('go with the default instance, and what hangs on it is said', async () => {
    const { router, zebra } = start(HEAD + vrf('red', '  sid vpn export auto\n  rt both 65001:10\n'));
    zebra.locator('loc0', prefix('2001:db8:f1::/64'), 16);
    await vrfs(zebra, router);
    await until(() => sids(zebra).length === 1, { what: 'the SID' });
    const { vpn } = router.bgp;
    const red = router.bgp.instances.get('red')!.family.ipv4;
    router.type('no router bgp 65001');
    await until(() => sids(zebra).length === 0, { what: 'the SID to go' });
    assert.equal(vpn.problem(red), 'there is no default instance, which has the VPN tables');
    router.type('router bgp 65001', 'bgp router-id 10.9.0.1');
    await until(() => vpn.problem(red)?.startsWith('no SRv6 locator') === true, {
      what: () => `the locator to be configured anew: ${vpn.problem(red)}`,
    });
    router.type('no router bgp 65001 vrf red');
    assert.equal(vpn.problem(red), undefined, 'nothing is kept of it');
  });
});

describe('routes', () => {
  test('of another VRF lead through it as it is numbered now', async () => {
    const { router, zebra } = start(
      `router bgp 65001\nexit\n${vrf('red', '  redistribute static\n')}${vrf('blue', '  import vrf red\n')}`,
    );
    await vrfs(zebra, router);
    const leak = (): string | undefined => zebra.routes.get(`${BLUE} 10.1.0.0/24`);
    zebra.staticRoute('10.1.0.0/24', '10.0.0.2', 5, RED);
    await until(() => leak() === `${RED}: 10.0.0.2`, { what: () => `the leak: ${leak()}` });
    zebra.vrf('red', 21, 10);
    zebra.staticRoute('10.1.0.0/24', '10.0.0.2', 5, 21);
    await until(() => leak() === '21: 10.0.0.2', { what: () => `the leak in its new VRF: ${leak()}` });
  });

  test('of another VRF lead to a neighbour on its link, whichever of two has the same address there', async () => {
    const { router, zebra } = start(
      `router bgp 65001\nexit\n${vrf('red', '', '  rt both 65001:10\n')}${vrf('blue', '', '  import vrf red\n')}${vrf('green', '', '  rt import 65001:10\n')}`,
    );
    await vrfs(zebra, router);
    zebra.vrf('green', GREEN, 30);
    const { table, instance } = router.bgp.instances.get('red')!.family.ipv6;
    for (const link of [5, 6]) {
      // Neighbours that need no session: who they are is all that is asked.
      const owner = new Peer(instance, `eth${link}`, 10, [0, 0, 0, 0], emptyLayer(), { unnumbered: true });
      owner.remoteAddress = () => ({ family: 10, words: FE80_2, port: 179, scopeId: link });
      const index = table.addPeer({
        kind: PEER_EBGP,
        as: 65000 + link,
        routerId: link,
        address: FE80_2,
        weight: 0,
        allowOwnAs: 0,
        role: -1,
        owner,
      });
      const set = instance.store.encode({ origin: 0, asPath: [], nextHop: { family: 10, words: FE80_2 } });
      const { words, length } = prefix(`2001:db8:${link}::/48`);
      table.announce(index, ...words, length, set);
      instance.store.release(set);
    }
    for (const vrf of [BLUE, GREEN]) {
      for (const link of [5, 6]) {
        const route = (): string | undefined => zebra.routes.get(`${vrf} 2001:db8:${link}::/48`);
        await until(() => route() === `${RED}: fe80::2 dev ${link}`, { what: () => `${link} in ${vrf}: ${route()}` });
      }
    }
  });

  test('have segments or labels, in the VRF that they were taken into, found in the one that they came from', async () => {
    const neighbour = (last: number, other: number): string => `router bgp 65001
 bgp router-id 10.9.0.${last}
 no bgp default ipv4-unicast
 neighbor 10.9.0.${other} remote-as 65001
 neighbor 10.9.0.${other} port ${PORT + other}
 neighbor 10.9.0.${other} update-source 10.9.0.${last}
 neighbor 10.9.0.${other} timers connect 1
 address-family ipv4 vpn
  neighbor 10.9.0.${other} activate
 exit-address-family
 address-family ipv6 vpn
  neighbor 10.9.0.${other} activate
  neighbor 10.9.0.${other} next-hop-self
 exit-address-family
 segment-routing srv6
  locator loc0
 exit
exit
`;
    const red = (network: string, more: string): string =>
      vrf('red', `  network ${network}\n  rt both 65001:10\n${more}`);
    const blue = (network: string): string =>
      vrf('blue', `  network ${network}\n  rt both 65001:20\n  label vpn export auto\n`);
    const one = start(neighbour(1, 2) + red('10.1.0.0/24', '  sid vpn export auto\n') + blue('10.1.0.0/24'));
    const two = start(neighbour(2, 1) + red('10.2.0.0/24', '  sid vpn export auto\n') + blue('10.2.0.0/24'), 2);
    for (const [last, { zebra, router }] of [one, two].entries()) {
      zebra.locator('loc0', prefix(`2001:db8:f${last + 1}::/64`), 16);
      await vrfs(zebra, router);
    }
    const route = (key: string): string | undefined => one.zebra.routes.get(key);
    await until(() => route(`${RED} 10.2.0.0/24`) !== undefined && route(`${BLUE} 10.2.0.0/24`) !== undefined, {
      what: () =>
        `both routes: ${[...one.zebra.routes].join(' ')}\n${one.router.show('show bgp vrf all ipv4 unicast')}${one.router.logged.join('\n')}`,
    });
    assert.equal(route(`${RED} 10.2.0.0/24`), '0: 10.9.0.2 sid 2001:db8:f2:0:100::');
    assert.equal(route(`${BLUE} 10.2.0.0/24`), '0: 10.9.0.2 label 100');
    two.router.type('router bgp 65001 vrf blue', 'address-family ipv4 unicast', 'label vpn export 4242');
    await until(() => route(`${BLUE} 10.2.0.0/24`) === '0: 10.9.0.2 label 4242', { what: 'the new label' });
    two.router.type('router bgp 65001 vrf red', 'address-family ipv4 unicast', 'no sid vpn export');
    await until(() => route(`${RED} 10.2.0.0/24`) === '0: 10.9.0.2 label 3', { what: 'no segment any more' });
    two.router.type('router bgp 65001 vrf red', 'address-family ipv4 unicast', 'nexthop vpn export 10.9.0.99');
    await until(() => route(`${RED} 10.2.0.0/24`) === '0: 10.9.0.99 label 3', { what: 'the next hop of its own' });
    two.router.type('no router bgp 65001 vrf red');
    await until(() => route(`${RED} 10.2.0.0/24`) === undefined, { what: 'the route to go' });
    assert.equal(route(`${BLUE} 10.2.0.0/24`), '0: 10.9.0.2 label 4242');
  });
});
