// What can be configured of a neighbour, one thing after the other, between Grevy's whole daemon and real routers. The others
// judge: what FRR and BIRD show, and what the kernel has.
//
//    bird ─ 10.0.2.0/24 ─ grevy ─ 10.0.1.0/24 ─ near (FRR) ─ 10.0.3.0/24 ─ far (FRR, 10.255.0.3 on its loopback)
//   65002                 65010                 65001                      65003
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Daemon, startBird, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const lab = new Lab();
let host: Namespace;
let grevy: Daemon;
let near: Daemon;

const NEAR = `hostname near
log stdout
router bgp 65001
 bgp router-id 10.0.1.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.1.10 remote-as 65010
 neighbor 10.0.1.10 timers connect 1
 neighbor fd01::10 remote-as 65010
 neighbor fd01::10 timers connect 1
 address-family ipv4 unicast
  network 10.1.0.0/24
  no neighbor fd01::10 activate
 exit-address-family
exit
`;

const FAR = `hostname far
log stdout
router bgp 65003
 bgp router-id 10.0.3.3
 no bgp ebgp-requires-policy
 no bgp network import-check
 address-family ipv4 unicast
  network 10.3.0.0/24
 exit-address-family
exit
`;

const birdConfig = (options = ''): string => `router id 10.0.2.2;
protocol device {}
protocol static s4 {
  ipv4;
  route 10.2.0.0/24 blackhole;
  route 10.2.1.0/24 blackhole { bgp_community.add((65535, 65281)); };
}
protocol bgp grevy {
  local 10.0.2.2 as 65002; neighbor 10.0.2.10 as 65010;
  connect delay time 1; connect retry time 1; error wait time 1, 1;
  ${options}
  ipv4 { import all; export where source = RTS_STATIC; };
}
`;

const GREVY = `hostname grevy
ip route 10.0.3.0/24 10.0.1.1
ip route 10.255.0.3/32 10.0.1.1
router bgp 65010
 bgp router-id 10.0.0.10
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.1.1 remote-as 65001
 neighbor 10.0.1.1 timers connect 1
 neighbor 10.0.2.2 remote-as 65002
 neighbor 10.0.2.2 timers connect 1
 !
 address-family ipv4 unicast
  network 10.10.0.0/24
 exit-address-family
exit
`;

before(async () => {
  host = await lab.namespace('grevy');
  const [left, middle, right] = [await lab.namespace('bird'), await lab.namespace('near'), await lab.namespace('far')];
  await lab.link(host, 'eth1', middle, 'eth0');
  await lab.link(host, 'eth2', left, 'eth0');
  await lab.link(middle, 'eth1', right, 'eth0');
  const address = async (namespace: Namespace, device: string, ...addresses: string[]): Promise<void> => {
    for (const one of addresses) {
      const v6 = one.includes(':') ? ['nodad'] : [];
      await namespace.run('ip', 'addr', 'add', one, 'dev', device, ...v6);
    }
  };
  await address(host, 'eth1', '10.0.1.10/24', 'fd01::10/64');
  await address(host, 'eth2', '10.0.2.10/24', 'fd02::10/64');
  await address(host, 'lo', '10.255.0.10/32');
  await address(middle, 'eth0', '10.0.1.1/24', 'fd01::1/64');
  await address(middle, 'eth1', '10.0.3.1/24');
  await address(left, 'eth0', '10.0.2.2/24', 'fd02::2/64');
  await address(right, 'eth0', '10.0.3.3/24');
  await address(right, 'lo', '10.255.0.3/32');
  for (const forwarding of ['ipv4.ip_forward', 'ipv6.conf.all.forwarding'])
    await middle.run('sysctl', '-q', '-w', `net.${forwarding}=1`);
  await middle.run('ip', 'route', 'add', '10.255.0.10/32', 'via', '10.0.1.10');
  await middle.run('ip', 'route', 'add', '10.255.0.3/32', 'via', '10.0.3.3');
  for (const back of ['10.0.1.0/24', '10.255.0.10/32']) await right.run('ip', 'route', 'add', back, 'via', '10.0.3.1');
  const frr = async (namespace: Namespace, name: string, configuration: string): Promise<Daemon> => {
    const directory = await lab.directory();
    await startFrr(lab, namespace, 'zebra', `hostname ${name}\n`, { directory });
    return await startFrr(lab, namespace, 'bgpd', configuration, { directory });
  };
  [near, , , grevy] = await Promise.all([
    frr(middle, 'near', NEAR),
    frr(right, 'far', FAR),
    startBird(lab, left, birdConfig()),
    startGrevy(lab, host, GREVY),
  ]);
});
after(() => lab.close());

/** Lines typed in `configure terminal`. */
const configure = async (router: Daemon, ...lines: string[]): Promise<void> => {
  const output = await router.sh(['configure terminal', ...lines, 'end'].join('\n'));
  assert.doesNotMatch(output, /^%/m);
};
const ours = (...lines: string[]): Promise<void> => configure(grevy, 'router bgp 65010', ...lines);

/** Waits until a shell's answer matches. */
const says = (router: Daemon, command: string, pattern: RegExp): Promise<string> => {
  let last = '';
  return until(
    async () => {
      last = await router.sh(command).catch(error => String(error));
      return pattern.test(last) ? last : '';
    },
    { timeoutMs: 20_000, everyMs: 50, what: () => `${command}: ${pattern}\n${last}\n${grevy.output()}` },
  );
};

test('a community that the export policy sets goes with the route, and one that the path carried holds it back', async () => {
  await says(near, 'show bgp ipv4 unicast', /10\.10\.0\.0\/24/);
  await says(near, 'show bgp ipv4 unicast', /10\.2\.0\.0\/24/);
  await says(grevy, 'show bgp ipv4 unicast 10.2.1.0/24', /no-export/);
  for (const community of ['no-export', 'no-advertise', 'local-AS']) {
    await configure(grevy, 'route-map OUT permit 10', `set community ${community}`);
    await ours('address-family ipv4 unicast', 'neighbor 10.0.1.1 route-map OUT out');
    for (const prefix of ['10.10.0.0/24', '10.2.0.0/24'])
      await says(near, `show bgp ipv4 unicast ${prefix}`, new RegExp(`Community: ${community}`));
  }
  await ours('address-family ipv4 unicast', 'no neighbor 10.0.1.1 route-map OUT out');
  await says(near, 'show bgp ipv4 unicast 10.10.0.0/24', /^(?![^]*Community)[^]*65010/);
  await says(near, 'show bgp ipv4 unicast 10.2.1.0/24', /not in table/);
});
