// What is redistributed, and what a neighbour hears of it: Grevy's whole daemon, and FRR that listens.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Daemon, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const lab = new Lab();
let grevy: Daemon;
let frr: Daemon;

before(async () => {
  const [here, there] = await Promise.all([lab.namespace('here'), lab.namespace('there')]);
  await lab.link(here, 'eth0', there, 'eth0');
  await here.run('ip', 'address', 'add', '10.0.1.1/24', 'dev', 'eth0');
  await here.run('ip', 'address', 'add', 'fd01::1/64', 'dev', 'eth0', 'nodad');
  await there.run('ip', 'address', 'add', '10.0.1.2/24', 'dev', 'eth0');
  grevy = await startGrevy(
    lab,
    here,
    `router bgp 65001
 bgp router-id 10.0.1.1
 no bgp ebgp-requires-policy
 neighbor 10.0.1.2 remote-as 65002
 neighbor 10.0.1.2 timers connect 1
 address-family ipv6 unicast
  redistribute connected
  neighbor 10.0.1.2 activate
 exit-address-family
exit
`,
  );
  const directory = await lab.directory();
  await startFrr(lab, there, 'zebra', '', { directory });
  frr = await startFrr(
    lab,
    there,
    'bgpd',
    `router bgp 65002
 bgp router-id 10.0.1.2
 no bgp ebgp-requires-policy
 neighbor 10.0.1.1 remote-as 65001
 neighbor 10.0.1.1 timers connect 1
 address-family ipv6 unicast
  neighbor 10.0.1.1 activate
 exit-address-family
exit
`,
    { directory },
  );
});

after(() => lab.close());

void test("a link's fe80::/64 is connected, and stays here", async () => {
  await until(async () => (await grevy.sh('show ipv6 route json')).includes('fe80::/64'), {
    what: () => 'fe80::/64 to be connected',
  });
  const heard = async (): Promise<string[]> => {
    const { routes } = JSON.parse(await frr.sh('show bgp ipv6 unicast json')) as { routes: object };
    return Object.keys(routes);
  };
  await until(async () => (await heard()).includes('fd01::/64'), { what: () => 'fd01::/64 to be heard' });
  assert.deepEqual(await heard(), ['fd01::/64']);
  const { routes } = JSON.parse(await grevy.sh('show bgp ipv6 unicast json')) as { routes: object };
  assert.deepEqual(Object.keys(routes), ['fd01::/64']);
});
