// Unnumbered neighbours: one is whoever is at the other end of the interface that has its name now, and link-local addresses
// say nothing without their link. FRR is at both other ends.
//
//    65001 eth0 ──── eth1 grevy eth2 ──── eth0 65002
import { after, before, test } from 'node:test';
import { type Daemon, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const lab = new Lab();
let host: Namespace;
let grevy: Daemon;

before(async () => {
  host = await lab.namespace('grevy');
  for (const last of [1, 2]) {
    const there = await lab.namespace(`frr${last}`);
    await lab.link(host, `eth${last}`, there, 'eth0');
    const directory = await lab.directory();
    await startFrr(lab, there, 'zebra', '', { directory });
    const configuration = `router bgp 6500${last}
 bgp router-id 10.${last}.0.1
 no bgp ebgp-requires-policy
 neighbor eth0 interface remote-as external
 neighbor eth0 timers connect 1
exit
`;
    await startFrr(lab, there, 'bgpd', configuration, { directory });
  }
  grevy = await startGrevy(
    lab,
    host,
    `router bgp 65010
 bgp router-id 10.10.0.1
 no bgp ebgp-requires-policy
 neighbor eth1 interface remote-as external
 neighbor eth1 timers connect 1
 neighbor eth2 interface remote-as external
 neighbor eth2 timers connect 1
exit
`,
  );
});
after(() => lab.close());

const finds = (name: string, as: number): Promise<unknown> => {
  let last = '';
  return until(
    async () => {
      last = await grevy.sh(`show bgp neighbors ${name}`);
      return new RegExp(`remote AS ${as},[^]*BGP state = Established`).test(last);
    },
    { timeoutMs: 40_000, everyMs: 100, what: () => `${as} on ${name}\n${last}\n${grevy.output()}` },
  );
};
const rename = async (from: string, to: string): Promise<void> => {
  await host.run('ip', 'link', 'set', from, 'down');
  await host.run('ip', 'link', 'set', from, 'name', to);
  await host.run('ip', 'link', 'set', to, 'up');
};

test('two interfaces that change their names change their neighbours', async () => {
  await finds('eth1', 65001);
  await finds('eth2', 65002);
  await rename('eth1', 'between');
  await rename('eth2', 'eth1');
  await rename('between', 'eth2');
  await finds('eth1', 65002);
  await finds('eth2', 65001);
});

test('where both have the same link-local address, each has the other addresses of its own interface', async () => {
  for (const name of ['eth1', 'eth2']) {
    await host.run('ip', 'link', 'set', name, 'addrgenmode', 'none');
    await host.run('ip', '-6', 'addr', 'flush', 'dev', name);
    for (const address of ['fe80::1/64', `2001:db8:${name.slice(-1)}::1/64`])
      await host.run('ip', 'addr', 'add', address, 'dev', name, 'nodad');
  }
  await grevy.sh('clear bgp *');
  for (const name of ['eth1', 'eth2']) {
    let last = '';
    const own = new RegExp(`Local host: fe80::1,[^]*Nexthop global: 2001:db8:${name.slice(-1)}::1\n`);
    await until(async () => own.test((last = await grevy.sh(`show bgp neighbors ${name}`))), {
      timeoutMs: 60_000,
      everyMs: 100,
      what: () => `${own}\n${last}\n${grevy.output()}`,
    });
  }
});
