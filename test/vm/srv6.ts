// Local SIDs in a kernel with VRFs: what FRR's bgpd has our zebra install is what it has FRR's install, and a behaviour that looks up
// the table of a VRF waits for the VRF.
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { rtnetlink as c } from '../../src/netlink/index.ts';
import { type Daemon, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { Announcer, type Hop } from '../zebra/announcer.ts';
import { bgpRoutes, type Route } from '../zebra/plain-routes.ts';

export const MODULES: readonly string[] = ['veth', 'vrf'];

/** Runs inside. */
export function suite(): void {
  describe('SRv6 SIDs', tests);
}

const SLOW_MS = 90_000;
const ETH0 = 100;
const RED = 101;
const TABLE = 10;
const BLUE_TABLE = 20;

const LOCATOR = `segment-routing
 srv6
  locators
   locator loc0
    prefix fd00:aaaa:1:1::/64 func-bits 16
   exit
   !
  exit
  !
 exit
 !
exit
`;

const family = (name: string): string => ` address-family ${name} unicast
  sid vpn export auto
  rd vpn export 65001:10
  rt vpn both 65001:10
  export vpn
  import vpn
 exit-address-family
`;
const BGPD = `router bgp 65001
 bgp router-id 192.0.2.1
 segment-routing srv6
  locator loc0
 exit
exit
router bgp 65001 vrf red
 bgp router-id 192.0.2.1
${family('ipv4')}${family('ipv6')}exit
`;

/** What bgpd 8.4.4 never asks for, and its zebra knows. */
const OTHERS: Readonly<Record<string, Hop>> = {
  'fd00:bbbb::1/128': { ifindex: ETH0, local: { action: c.SEG6_LOCAL_ACTION_END } },
  'fd00:bbbb::2/128': { ifindex: ETH0, local: { action: c.SEG6_LOCAL_ACTION_END_X, nh6: '2001:db8::9' } },
  'fd00:bbbb::4/128': { ifindex: ETH0, local: { action: c.SEG6_LOCAL_ACTION_END_DX4, nh4: '192.0.2.9' } },
};
/** What its zebra does not know. */
const DX6: Hop = { ifindex: ETH0, local: { action: c.SEG6_LOCAL_ACTION_END_DX6, nh6: '2001:db8::9' } };
const DT46: Hop = { ifindex: RED, local: { action: c.SEG6_LOCAL_ACTION_END_DT46, table: TABLE } };
const BLUE: Hop = { ifindex: ETH0, local: { action: c.SEG6_LOCAL_ACTION_END_DT4, table: BLUE_TABLE } };

function tests(): void {
  const lab = new Lab();
  let ours: Namespace;
  let theirs: Namespace;
  let grevy: Daemon;
  let bgpd: Daemon;
  const clients: Announcer[] = [];

  const settled = (namespace: Namespace, ...present: readonly string[]): Promise<Route[]> => {
    let seen: Route[] = [];
    return until(
      async () => {
        seen = await bgpRoutes(namespace);
        return String(seen.map(({ dst }) => dst)) === String(present.toSorted()) ? seen : undefined;
      },
      { timeoutMs: SLOW_MS, what: () => `${String(present)}, not ${JSON.stringify(seen)}\n${grevy.output()}` },
    );
  };
  const said = (routes: readonly Route[], dst: string): unknown[] => {
    const { action, vrftable, table, dev, metric } = routes.find(one => one.dst === dst)!;
    return [action, vrftable, table, dev, metric];
  };

  async function vrf(namespace: Namespace, name: string, table: number, ifindex: number): Promise<void> {
    await namespace.run('ip', 'link', 'add', name, 'index', String(ifindex), 'type', 'vrf', 'table', String(table));
    await namespace.run('ip', 'link', 'set', name, 'up');
  }

  const DT4 = 'fd00:aaaa:1:1:100::';
  const DT6 = 'fd00:aaaa:1:1:200::';
  const others = Object.keys(OTHERS).map(prefix => prefix.replace('/128', ''));

  async function build(name: string): Promise<Namespace> {
    const namespace = await lab.namespace(name);
    await namespace.run('sysctl', '-q', '-w', 'net.vrf.strict_mode=1');
    await namespace.run('ip', 'link', 'add', 'eth0', 'index', String(ETH0), 'type', 'veth', 'peer', 'name', 'p0');
    for (const one of ['eth0', 'p0']) await namespace.run('ip', 'link', 'set', one, 'up');
    await namespace.run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0');
    await namespace.run('ip', 'addr', 'add', '2001:db8::1/64', 'dev', 'eth0', 'nodad');
    await vrf(namespace, 'red', TABLE, RED);
    return namespace;
  }

  before(async () => {
    theirs = await build('frr');
    ours = await build('grevy');
    const directory = await lab.directory();
    [grevy] = await Promise.all([
      startGrevy(lab, ours, LOCATOR),
      startFrr(lab, theirs, 'zebra', LOCATOR, { directory }),
    ]);
    chmodSync(grevy.directory, 0o755);
    const paths = [join(directory, 'zserv.api'), join(grevy.directory, 'run', 'zserv.api')];
    for (const [i, namespace] of [theirs, ours].entries()) {
      bgpd = await startFrr(lab, namespace, 'bgpd', BGPD, { zserv: paths[i]! });
      const client = new Announcer(paths[i]!);
      clients.push(client);
      for (const [prefix, hop] of Object.entries(OTHERS)) client.announce(prefix, hop);
    }
  });

  after(async () => {
    for (const client of clients) client.close();
    await lab.close();
  });

  test("those of FRR's bgpd and of any client are in the kernel as FRR's zebra has them there", async () => {
    const mine = await settled(ours, DT4, DT6, ...others);
    assert.deepEqual(mine, await settled(theirs, DT4, DT6, ...others));
    assert.deepEqual(said(mine, DT4), ['End.DT4', '10', undefined, 'red', 20]);
    assert.deepEqual(said(mine, DT6), ['End.DT6', undefined, '10', 'red', 20]);
  });

  test('are shown, and their locator as the one of bgpd', async () => {
    const shown = await grevy.sh('show segment-routing srv6 sid');
    assert.match(shown, /fd00:aaaa:1:1:100:: +End\.DT4 +VRF 'red' +bgp\(0\) +loc0 +dynamic/);
    assert.match(shown, /fd00:bbbb::2 +End\.X +Interface 'eth0' +bgp\(0\) +- +dynamic/);
    assert.match(await grevy.sh('show segment-routing srv6 locator loc0 detail'), /owner: bgp/);
  });

  test('End.DX6, End.DT46, and End.DT4 for a VRF that comes later', async () => {
    const [, client] = clients;
    client!.announce('fd00:bbbb::5/128', DX6);
    client!.announce('fd00:bbbb::6/128', DT46);
    client!.announce('fd00:bbbb::7/128', BLUE);
    others.push('fd00:bbbb::5');
    const all = await settled(ours, DT4, DT6, ...others, 'fd00:bbbb::6');
    assert.equal(all.find(one => one.dst === 'fd00:bbbb::5')!['nh6'], '2001:db8::9');
    assert.deepEqual(said(all, 'fd00:bbbb::6'), ['End.DT46', '10', undefined, 'red', 20]);
    await until(() => grevy.output().includes('no VRF device has this table'), {
      timeoutMs: SLOW_MS,
      what: () => grevy.output(),
    });
    assert.match(grevy.output(), /End\.DT4 and End\.DT46 SIDs of table 20 wait/);
    assert.match(await grevy.sh('show segment-routing srv6 sid fd00:bbbb::7'), /End\.DT4 +Table 20/);
    // Nor does the kernel take it before this is 1; then it comes by itself.
    const strict = (value: number): Promise<string> => ours.run('sysctl', '-q', '-w', `net.vrf.strict_mode=${value}`);
    await strict(0);
    await vrf(ours, 'blue', BLUE_TABLE, 102);
    await until(() => /[Ss]trict mode/.test(grevy.output()), { timeoutMs: SLOW_MS, what: () => grevy.output() });
    await strict(1);
    const now = await settled(ours, DT4, DT6, ...others, 'fd00:bbbb::6', 'fd00:bbbb::7');
    assert.deepEqual(said(now, 'fd00:bbbb::7'), ['End.DT4', '20', undefined, 'eth0', 20]);
  });

  test('go with their VRF, and come back with it, whatever its number', async () => {
    await ours.run('ip', 'link', 'del', 'blue');
    await settled(ours, DT4, DT6, ...others, 'fd00:bbbb::6');
    await vrf(ours, 'blue', BLUE_TABLE, 103);
    await settled(ours, DT4, DT6, ...others, 'fd00:bbbb::6', 'fd00:bbbb::7');
    await ours.run('ip', 'link', 'del', 'red');
    await settled(ours, ...others, 'fd00:bbbb::7');
    await vrf(ours, 'red', TABLE, 104);
    // bgpd 8.4.4 knows its SIDs by the VRF's name.
    const now = await settled(ours, DT4, DT6, ...others, 'fd00:bbbb::7');
    assert.deepEqual(said(now, DT4), ['End.DT4', '10', undefined, 'red', 20]);
  });

  test('go with their locator and are others with another one', async () => {
    await grevy.sh('configure terminal\nsegment-routing\nsrv6\nlocators\nlocator loc0\nprefix fd00:cccc:1:1::/64');
    await settled(ours, ...others, 'fd00:bbbb::7', 'fd00:cccc:1:1:100::', 'fd00:cccc:1:1:200::');
    await bgpd.stop();
    await settled(ours, ...others, 'fd00:bbbb::7');
    assert.match(await grevy.sh('show segment-routing srv6 locator loc0 detail'), /owner: system/);
  });

  test("those of Grevy's own bgp are FRR's", async () => {
    const whole = await build('whole');
    grevy = await startGrevy(lab, whole, LOCATOR + BGPD);
    const mine = await settled(whole, DT4, DT6);
    assert.deepEqual(
      mine,
      (await bgpRoutes(theirs)).filter(({ dst }) => dst === DT4 || dst === DT6),
    );
    assert.match(await grevy.sh('show segment-routing srv6 locator loc0 detail'), /owner: bgp/);
  });
}
