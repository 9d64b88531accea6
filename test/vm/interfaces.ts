// The whole daemon on Debian's kernel: its static routes, and what it says of links that other kernels lack, beside FRR's zebra
// with the same links in another namespace.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Daemon, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

export const MODULES: readonly string[] = 'dummy vrf 8021q bonding ip_gre veth bridge vxlan macvlan mpls_router'.split(
  ' ',
);

/** `ip -batch`. */
const LINKS = `link add du0 type dummy
address add 192.0.2.1/24 dev du0
link add du1 type dummy
link set du1 alias "an alias"
link add red type vrf table 10
link add du2 type dummy
link set du2 master red
link add ve0 type veth peer name ve1
link add ve0.5 link ve0 type vlan id 5
link add br0 type bridge
link add br1 type bridge vlan_filtering 1
link add du3 type dummy
link set du3 master br1
link add br1.9 link br1 type vlan id 9
link add bo0 type bond mode active-backup
link add du4 type dummy
link set du4 master bo0
link add gre1 type gre local 192.0.2.1 remote 203.0.113.1
link add gre2 type gre local 192.0.2.1 remote 203.0.113.2 dev du0 key 42
link add gre3 type gre local 192.0.2.1 key 7
link add vx1 type vxlan id 101 local 192.0.2.1 dstport 4789
link add vx2 type vxlan id 102 group 239.1.1.1 dev du0 dstport 4790
link add vx3 type vxlan id 103 local 192.0.2.1 dstport 4791
link set vx3 master br0
link add mv1 link ve0 type macvlan
link add mv2 link ve0 type macvlan
link set du0 up
link set du2 up
link set red up
link set ve0 up
link set ve1 up
link set ve0.5 up
link set br0 up
link set br1 up
link set du3 up
link set br1.9 up
link set bo0 up
link set gre1 up
link set gre2 up
link set gre3 up
link set vx1 up
link set vx3 up
link set mv1 up
link set mv2 up
`;

/** A process keeps these down; said while the links come up, the kernel may lift it again. */
const KEPT_DOWN = `link set mv1 protodown on
link set mv2 protodown on protodown_reason 3 on
`;

const ROUTES = `ip route 10.7.0.0/16 gre1
ip route 10.8.0.0/16 192.0.2.2
ip route 10.9.0.0/16 blackhole
ip route 10.10.0.0/16 ve0.5
`;

/** What hangs on the kind of a link. All are in one VRF here, as long as ours knows no other. */
const KEYS = `administrativeStatus operationalStatus OsDescription speed flags type mtu interfaceType interfaceSlaveType
  bridgeVlanAware vlanId vxlanId vtepIp vtepRemoteIp mcastGroup linkInterface masterInterface parentInterface
  lacpBypass protodown protodownReason`.split(/\s+/);

type Facts = Record<string, unknown>;

/** Runs inside. */
export function suite(): void {
  describe('links of every kind', tests);
}

function tests(): void {
  const lab = new Lab();
  let ours: Namespace;
  let grevy: Daemon;
  let frr: Daemon;

  const shown = async (daemon: Daemon): Promise<Record<string, Facts>> => {
    const all = JSON.parse(await daemon.sh('show interface json')) as Record<string, Facts>;
    const kept = (facts: Facts): Facts =>
      Object.fromEntries(Object.entries(facts).filter(([key]) => KEYS.includes(key)));
    return Object.fromEntries(Object.entries(all).map(([name, facts]) => [name, kept(facts)]));
  };

  before(async () => {
    const directory = await lab.directory();
    ours = await lab.namespace('grevy');
    const theirs = await lab.namespace('frr');
    for (const [name, batch, settled] of [
      ['links', LINKS, { ve0: 'UP', 've0.5': 'UP', mv1: 'UP', mv2: 'UP', 'br1.9': 'UP', bo0: 'UP' }],
      ['kept-down', KEPT_DOWN, { mv1: 'LOWERLAYERDOWN', mv2: 'LOWERLAYERDOWN' }],
    ] as const) {
      writeFileSync(join(directory, name), batch);
      for (const namespace of [ours, theirs]) {
        await namespace.run('ip', '-batch', join(directory, name));
        let states: Record<string, string> = {};
        await until(
          async () => {
            const links = await namespace.ipJson<{ ifname: string; operstate: string }[]>('link', 'show');
            states = Object.fromEntries(links.map(({ ifname, operstate }) => [ifname, operstate]));
            return Object.entries(settled).every(([link, state]) => states[link] === state);
          },
          { timeoutMs: 60_000, what: () => `links in their states: ${JSON.stringify(states)}` },
        );
      }
    }
    [grevy, frr] = await Promise.all([startGrevy(lab, ours, ROUTES), startFrr(lab, theirs, 'zebra', '')]);
  });
  after(() => lab.close());

  test('static routes are in the kernel', async () => {
    type Route = { dst: string; type?: string; gateway?: string; dev?: string; protocol: string };
    const routes = async (): Promise<Route[]> =>
      (await ours.ipJson<Route[]>('route', 'show')).filter(({ protocol }) => protocol === 'static');
    await until(async () => (await routes()).length >= 4, {
      timeoutMs: 60_000,
      what: () => `four routes; ${grevy.output()}`,
    });
    const found = (await routes()).map(({ dst, type, gateway, dev }) => [dst, [type ?? 'unicast', gateway, dev]]);
    assert.deepEqual(Object.fromEntries(found), {
      '10.7.0.0/16': ['unicast', undefined, 'gre1'],
      '10.8.0.0/16': ['unicast', '192.0.2.2', 'du0'],
      '10.9.0.0/16': ['blackhole', undefined, undefined],
      '10.10.0.0/16': ['unicast', undefined, 've0.5'],
    });
  });

  test('`show interface json` says of each what FRR says', async () => {
    // Speeds are asked for beside everything else.
    const speeds = async (daemon: Daemon): Promise<string> =>
      JSON.stringify(Object.entries(await shown(daemon)).map(([name, { speed }]) => [name, speed]));
    const wanted = await speeds(frr);
    await until(async () => (await speeds(grevy)) === wanted, { timeoutMs: 60_000, everyMs: 500, what: 'speeds' });
    const [us, them] = await Promise.all([shown(grevy), shown(frr)]);
    assert.ok(them['gre2']!['vtepRemoteIp'] === '203.0.113.2' && them['br1']!['bridgeVlanAware'] === true);
    assert.deepEqual(us, them);
  });
}
