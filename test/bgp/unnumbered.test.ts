// Unnumbered neighbours: two routers with nothing but link-local addresses between them find each other by router
// advertisements, and exchange IPv4 and IPv6 routes over them (RFC 8950). FRR is the other side, its zebra and bgpd both.
//
//    grevy (10.10.0.1, 2001:db8:10::1 on lo) eth1 ──── eth0 frr (10.1.0.1, 2001:db8:1::1 on lo)
//    65010                                              65001
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Daemon, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const lab = new Lab();
let host: Namespace;
let other: Namespace;
let grevy: Daemon;
let frr: Daemon;

const FRR = `hostname frr
router bgp 65001
 bgp router-id 10.1.0.1
 no bgp ebgp-requires-policy
 neighbor eth0 interface remote-as external
 neighbor eth0 timers connect 1
 address-family ipv4 unicast
  network 10.1.0.1/32
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:1::1/128
  neighbor eth0 activate
 exit-address-family
exit
`;

const GREVY = `hostname grevy
router bgp 65010
 bgp router-id 10.10.0.1
 no bgp ebgp-requires-policy
 neighbor eth1 interface remote-as external
 neighbor eth1 timers connect 1
 !
 address-family ipv4 unicast
  network 10.10.0.1/32
 exit-address-family
 !
 address-family ipv6 unicast
  network 2001:db8:10::1/128
  neighbor eth1 activate
 exit-address-family
exit
`;

before(async () => {
  host = await lab.namespace('grevy');
  other = await lab.namespace('frr');
  await lab.link(host, 'eth1', other, 'eth0');
  for (const one of [host, other])
    for (const name of ['ipv4.ip_forward', 'ipv6.conf.all.forwarding'])
      await one.run('sysctl', '-q', '-w', `net.${name}=1`);
  for (const address of ['10.10.0.1/32', '2001:db8:10::1/128'])
    await host.run('ip', 'addr', 'add', address, 'dev', 'lo');
  for (const address of ['10.1.0.1/32', '2001:db8:1::1/128'])
    await other.run('ip', 'addr', 'add', address, 'dev', 'lo');
  const directory = await lab.directory();
  await startFrr(lab, other, 'zebra', 'hostname frr\n', { directory });
  [frr, grevy] = await Promise.all([startFrr(lab, other, 'bgpd', FRR, { directory }), startGrevy(lab, host, GREVY)]);
});
after(() => lab.close());

const configure = async (router: Daemon, ...lines: string[]): Promise<void> => {
  const output = await router.sh(['configure terminal', ...lines, 'end'].join('\n'));
  assert.doesNotMatch(output, /^%/m);
};
const says = (router: Daemon, command: string, pattern: RegExp): Promise<string> => {
  let last = '';
  return until(
    async () => {
      last = await router.sh(command).catch(error => String(error));
      return pattern.test(last) ? last : '';
    },
    { timeoutMs: 40_000, everyMs: 50, what: () => `${command}: ${pattern}\n${last}\n${grevy.output()}` },
  );
};
const linkLocal = async (namespace: Namespace, device: string): Promise<string> =>
  /inet6 (fe80::[0-9a-f:]+)/.exec(await namespace.run('ip', 'address', 'show', device))![1]!;
/** Packets go both ways: a port where nobody listens refuses. */
const reaches = (from: Namespace, to: string): Promise<unknown> => {
  let last = '';
  return until(
    async () => {
      last = await from.run('timeout', '2', 'bash', '-c', `exec 3<>/dev/tcp/${to}/9`).catch(error => String(error));
      return /Connection refused/.test(last);
    },
    { timeoutMs: 20_000, what: () => `an answer of ${to}: ${last}\n${grevy.output()}` },
  );
};

test('each finds the other by its advertisements, and routes of both families go both ways', async () => {
  const theirs = await linkLocal(other, 'eth0');
  await says(grevy, 'show bgp neighbors eth1', /BGP state = Established/);
  await says(grevy, 'show bgp neighbors eth1', new RegExp(`BGP neighbor on eth1: ${theirs}, remote AS 65001,`));
  await says(grevy, 'show bgp summary', /\neth1 +4 +65001 /);
  await says(
    frr,
    'show bgp neighbors eth0',
    new RegExp(`BGP neighbor on eth0: ${await linkLocal(host, 'eth1')}, remote AS 65010`),
  );
  await says(frr, 'show bgp ipv4 unicast 10.10.0.1/32', /65010/);
  await says(frr, 'show bgp ipv6 unicast 2001:db8:10::1/128', /65010/);
  interface Route {
    dev: string;
    via?: { family: string; host: string };
    gateway?: string;
  }
  let seen: Route[] = [];
  await until(
    async () => {
      seen = await host.ipJson<Route[]>('route', 'show', '10.1.0.1');
      return seen[0]?.dev === 'eth1' && seen[0].via?.host === theirs;
    },
    { what: () => `10.1.0.1 via ${theirs}: ${JSON.stringify(seen)}\n${grevy.output()}` },
  );
  await reaches(host, '10.1.0.1');
  await reaches(host, '2001:db8:1::1');
  await reaches(other, '10.10.0.1');
});

test('the session goes with the link and comes back with it', async () => {
  await other.run('ip', 'link', 'set', 'eth0', 'down');
  await says(
    grevy,
    'show bgp neighbors eth1',
    /BGP neighbor on eth1: None,[^]*Not started: Waiting for router advertisement/,
  );
  await other.run('ip', 'link', 'set', 'eth0', 'up');
  await says(grevy, 'show bgp neighbors eth1', /BGP state = Established/);
  await reaches(host, '10.1.0.1');
});

test('a neighbour of a peer-group, v6only; without its line it is gone, and advertised to no more', async () => {
  await configure(grevy, 'router bgp 65010', 'no neighbor eth1 interface');
  await says(grevy, 'show bgp neighbors eth1', /No such neighbor/);
  await says(frr, 'show bgp neighbors eth0', /Peer De-configured|BGP state = (?!Established)/);
  await configure(
    grevy,
    'router bgp 65010',
    'neighbor FABRIC peer-group',
    'neighbor FABRIC remote-as external',
    'neighbor FABRIC timers connect 1',
    'neighbor eth1 interface v6only peer-group FABRIC',
  );
  await says(grevy, 'show running-config', /\n neighbor eth1 interface v6only peer-group FABRIC\n/);
  await says(grevy, 'show bgp neighbors eth1', /Member of peer-group FABRIC[^]*BGP state = Established/);
  await reaches(host, '10.1.0.1');
});
