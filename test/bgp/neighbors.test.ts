// What can be configured of a neighbour, one thing after the other, between Grevy's whole daemon and real routers. The others
// judge: what FRR and BIRD show, and what the kernel has.
//
//    bird ─ 10.0.2.0/24 ─ grevy ─ 10.0.1.0/24 ─ near (FRR) ─ 10.0.3.0/24 ─ far (FRR, 10.255.0.3 on its loopback)
//   65002                 65010                 65001                      65003
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Daemon, startBird, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const lab = new Lab();
let host: Namespace;
let middle: Namespace;
let grevy: Daemon;
let near: Daemon;
let far: Daemon;
let bird: Daemon;

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
  route 10.2.2.0/24 blackhole { bgp_path.prepend(64999); };
  route 10.2.1.0/24 blackhole { bgp_community.add((65535, 65281)); };
}
protocol bgp grevy {
  local 10.0.2.2 as 65002; neighbor 10.0.2.10 as 65010;
  connect delay time 1; connect retry time 1; error wait time 1, 1;
  ${options}
  ipv4 { import all; export where source = RTS_STATIC; };
}
protocol bgp grevy6 {
  local fd02::2 as 65002; neighbor fd02::10 as 65010;
  connect delay time 1; connect retry time 1; error wait time 1, 1;
  ipv4 { extended next hop; import all; export where source = RTS_STATIC; };
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
  middle = await lab.namespace('near');
  const [left, right] = [await lab.namespace('bird'), await lab.namespace('far')];
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
  [near, far, bird, grevy] = await Promise.all([
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
    { timeoutMs: 40_000, everyMs: 50, what: () => `${command}: ${pattern}\n${last}\n${grevy.output()}` },
  );
};

/** Where the kernel sends a prefix; undefined: it has no such route. */
const installed = (prefix: string, gateway: string | undefined): Promise<unknown> =>
  until(async () => (await host.ipJson<{ gateway?: string }[]>('route', 'show', prefix))[0]?.gateway === gateway, {
    timeoutMs: 20_000,
    what: () => `${prefix} via ${gateway} in the kernel; Grevy printed ${grevy.output()}`,
  });

const reconfigureBird = async (options = ''): Promise<void> => {
  writeFileSync(join(bird.directory, 'bird.conf'), birdConfig(options));
  await bird.sh('configure');
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

/** The session that our side shows. */
const established = (address: string, up = true): Promise<string> =>
  says(grevy, `show bgp neighbors ${address}`, up ? /BGP state = Established/ : /BGP state = (?!Established)/);
/** That a session stays down cannot be waited for; that attempts are refused can. What was under way while the settings changed may come
 *  up once more, and stay: `end` ends it. */
const refused = async (address: string, seconds = 3, end?: () => Promise<unknown>): Promise<void> => {
  await established(address, false);
  let since = performance.now();
  let last = '';
  await until(
    async () => {
      last = await grevy.sh(`show bgp neighbors ${address}`);
      if (/BGP state = Established/.test(last)) {
        await end?.();
        since = performance.now();
      }
      return performance.now() - since > seconds * 1000;
    },
    { everyMs: 200, what: () => `some attempts of ${address} to be refused: ${last}\n${grevy.output()}` },
  );
};

test('MD5: FRR and BIRD with the right key, with a wrong one, and with a key that changes while both run', async () => {
  await established('10.0.1.1');
  await Promise.all([
    ours('neighbor 10.0.1.1 password first', 'neighbor 10.0.2.2 password other'),
    configure(near, 'router bgp 65001', 'neighbor 10.0.1.10 password first'),
    reconfigureBird('password "other";'),
  ]);
  await Promise.all([established('10.0.1.1'), established('10.0.2.2')]);
  await says(near, 'show bgp ipv4 unicast 10.2.0.0/24', /65010 65002/);
  await ours('neighbor 10.0.1.1 password second', 'neighbor 10.0.2.2 password second');
  await Promise.all([refused('10.0.1.1'), refused('10.0.2.2')]);
  await configure(near, 'router bgp 65001', 'neighbor 10.0.1.10 password second');
  await reconfigureBird('password "second";');
  await Promise.all([established('10.0.1.1'), established('10.0.2.2')]);
  await ours('no neighbor 10.0.1.1 password', 'no neighbor 10.0.2.2 password');
  await refused('10.0.1.1', 1);
  await configure(near, 'router bgp 65001', 'no neighbor 10.0.1.10 password');
  await reconfigureBird();
  await Promise.all([established('10.0.1.1'), established('10.0.2.2')]);
});

test('graceful-restart: FRR hears the restart time, and of no capability where it is disabled', async () => {
  const capability = (received: boolean): RegExp =>
    received ? /Graceful Restart Capability: advertised and received/ : /Graceful Restart Capability: advertised\n/;
  const heard = (pattern: RegExp): Promise<string> => says(near, 'show bgp neighbors 10.0.1.10', pattern);
  await ours('bgp graceful-restart restart-time 33');
  await grevy.sh('clear bgp 10.0.1.1'); // as with FRR, it is said when the session next comes up
  await heard(/Received Restart Time\(sec\): 33\n/);
  await says(grevy, 'show bgp neighbors 10.0.1.1', /Configured Restart Time\(sec\): 33\n/);
  const anew = async (...lines: string[]): Promise<void> => {
    await ours(...lines);
    await grevy.sh('clear bgp 10.0.1.1');
  };
  await anew('bgp graceful-restart-disable');
  await heard(capability(false));
  await anew('no bgp graceful-restart-disable');
  await heard(capability(true));
  await anew('neighbor 10.0.1.1 graceful-restart-disable');
  await heard(capability(false));
  await anew('no bgp graceful-restart restart-time', 'no neighbor 10.0.1.1 graceful-restart-disable');
  await heard(/Received Restart Time\(sec\): 120\n/);
  await established('10.0.1.1');
});

test('ttl-security: packets must come with a TTL that only the next hop can give them', async () => {
  await configure(near, 'router bgp 65001', 'neighbor 10.0.1.10 ttl-security hops 1');
  await ours('neighbor 10.0.1.1 ttl-security hops 1');
  await established('10.0.1.1');
  // One that does not send with 255 is not heard.
  await configure(near, 'router bgp 65001', 'no neighbor 10.0.1.10 ttl-security hops 1');
  const clear = (): Promise<string> => near.sh('clear bgp 10.0.1.10');
  await clear();
  await refused('10.0.1.1', 3, clear);
  await ours('no neighbor 10.0.1.1 ttl-security hops 1');
  // FRR may believe in a session whose end it could not be told, also in one that it began while we were asked: what it
  // acknowledged did not count.
  await until(
    async () => {
      if (/BGP state = Established/.test(await grevy.sh('show bgp neighbors 10.0.1.1'))) return true;
      await clear();
      return false;
    },
    { timeoutMs: 40_000, everyMs: 4000, what: 'the session without ttl-security' },
  );
});

test('ebgp-multihop: over two hops, where a static route leads to the neighbour', async () => {
  await configure(far, 'router bgp 65003', 'neighbor 10.0.1.10 remote-as 65010', 'neighbor 10.0.1.10 ebgp-multihop 2');
  await configure(far, 'router bgp 65003', 'neighbor 10.0.1.10 timers connect 1');
  await ours('neighbor 10.0.3.3 remote-as 65003', 'neighbor 10.0.3.3 timers connect 1');
  await says(grevy, 'show bgp neighbors 10.0.3.3', /BGP state = Idle/);
  await ours('neighbor 10.0.3.3 ebgp-multihop 2');
  await established('10.0.3.3');
  await says(far, 'show bgp ipv4 unicast 10.10.0.0/24', /10\.0\.1\.10 from 10\.0\.1\.10/);
  await installed('10.3.0.0/24', '10.0.1.1');
  await ours('no neighbor 10.0.3.3');
  await installed('10.3.0.0/24', undefined);
  await configure(far, 'router bgp 65003', 'no neighbor 10.0.1.10');
});

test('update-source: an internal session between loopbacks, and next hops that resolve through a static route', async () => {
  // The far router changes its AS for this.
  await configure(
    far,
    'no router bgp 65003',
    'router bgp 65010',
    'bgp router-id 10.0.3.3',
    'no bgp network import-check',
  );
  await configure(
    far,
    'router bgp 65010',
    'neighbor 10.255.0.10 remote-as 65010',
    'neighbor 10.255.0.10 update-source lo',
    'neighbor 10.255.0.10 timers connect 1',
    'address-family ipv4 unicast',
    'network 10.3.0.0/24',
  );
  await ours(
    'neighbor 10.255.0.3 remote-as internal',
    'neighbor 10.255.0.3 timers connect 1',
    'neighbor 10.255.0.3 update-source lo',
  );
  // lo has 127.0.0.1 first, which no neighbour is reached from.
  await established('10.255.0.3');
  await says(grevy, 'show bgp neighbors 10.255.0.3', /Local host: 10\.255\.0\.10/);
  await ours('neighbor 10.255.0.3 update-source 10.255.0.10');
  await established('10.255.0.3');
  await installed('10.3.0.0/24', '10.0.1.1');
  await says(grevy, 'show bgp ipv4 unicast 10.3.0.0/24', /10\.255\.0\.3/);
  await says(far, 'show bgp ipv4 unicast 10.10.0.0/24', /localpref 100[^]*internal/);
});

test('route reflection: FRR as client gets what another internal neighbour announced, with originator and cluster', async () => {
  await configure(
    near,
    'no router bgp 65001',
    'router bgp 65010',
    'bgp router-id 10.0.1.1',
    'no bgp network import-check',
  );
  await configure(
    near,
    'router bgp 65010',
    'neighbor 10.0.1.10 remote-as 65010',
    'neighbor 10.0.1.10 timers connect 1',
    'address-family ipv4 unicast',
    'network 10.1.0.0/24',
  );
  await ours('neighbor 10.0.1.1 remote-as 65010');
  await established('10.0.1.1');
  await says(near, 'show bgp ipv4 unicast 10.10.0.0/24', /internal/);
  await says(near, 'show bgp ipv4 unicast 10.3.0.0/24', /not in table/);
  // What was announced before it was a client's is reflected too, and no longer when it is none.
  await says(grevy, 'show bgp ipv4 unicast 10.1.0.0/24', /10\.0\.1\.1 from 10\.0\.1\.1/);
  await ours('bgp cluster-id 9.9.9.9', 'address-family ipv4 unicast', 'neighbor 10.0.1.1 route-reflector-client');
  await says(near, 'show bgp ipv4 unicast 10.3.0.0/24', /Originator: 10\.0\.3\.3, Cluster list: 9\.9\.9\.9/);
  await says(far, 'show bgp ipv4 unicast 10.1.0.0/24', /Originator: 10\.0\.1\.1, Cluster list: 9\.9\.9\.9/);
  await ours('address-family ipv4 unicast', 'no neighbor 10.0.1.1 route-reflector-client');
  await says(near, 'show bgp ipv4 unicast 10.3.0.0/24', /not in table/);
  await says(far, 'show bgp ipv4 unicast 10.1.0.0/24', /not in table/);
  await ours('no neighbor 10.255.0.3', 'no bgp cluster-id');
  await configure(
    near,
    'no router bgp 65010',
    'router bgp 65001',
    'bgp router-id 10.0.1.1',
    'no bgp network import-check',
  );
  await configure(
    near,
    'router bgp 65001',
    'no bgp ebgp-requires-policy',
    'neighbor 10.0.1.10 remote-as 65010',
    'neighbor 10.0.1.10 timers connect 1',
    'address-family ipv4 unicast',
    'network 10.1.0.0/24',
  );
  await ours('neighbor 10.0.1.1 remote-as 65001');
  await established('10.0.1.1');
});

test('local-as: FRR sees the other AS, in its OPEN and in front of the path', async () => {
  await configure(near, 'router bgp 65001', 'neighbor 10.0.1.10 remote-as 65099');
  await ours('neighbor 10.0.1.1 local-as 65099');
  await says(near, 'show bgp ipv4 unicast 10.10.0.0/24', /65099 65010/);
  await says(grevy, 'show bgp ipv4 unicast 10.1.0.0/24', /65099 65001/);
  await ours('neighbor 10.0.1.1 local-as 65099 no-prepend replace-as');
  await says(near, 'show bgp ipv4 unicast 10.10.0.0/24', /\n {2}65099\n/);
  await says(grevy, 'show bgp ipv4 unicast 10.1.0.0/24', /\n {2}65001\n/);
  await ours('no neighbor 10.0.1.1 local-as');
  await configure(near, 'router bgp 65001', 'neighbor 10.0.1.10 remote-as 65010');
  await established('10.0.1.1');
});

test('remove-private-AS: private numbers leave the path, or become ours', async () => {
  const path = (pattern: RegExp): Promise<string> => says(near, 'show bgp ipv4 unicast 10.2.0.0/24', pattern);
  await path(/\n {2}65010 65002\n/);
  await ours('address-family ipv4 unicast', 'neighbor 10.0.1.1 remove-private-AS');
  await path(/\n {2}65010\n/);
  await ours('address-family ipv4 unicast', 'neighbor 10.0.1.1 remove-private-AS all replace-AS');
  await path(/\n {2}65010 65010\n/);
  await ours('address-family ipv4 unicast', 'no neighbor 10.0.1.1 remove-private-AS all replace-AS');
  await path(/\n {2}65010 65002\n/);
});

test('maximum-prefix: FRR is told why the session ends, and it comes back after clear', async () => {
  await ours('address-family ipv4 unicast', 'neighbor 10.0.1.1 maximum-prefix 2');
  await established('10.0.1.1');
  const more = ['address-family ipv4 unicast', 'network 10.1.1.0/24', 'network 10.1.2.0/24'];
  await configure(near, 'router bgp 65001', ...more);
  await says(near, 'show bgp neighbors 10.0.1.10', /Cease\/Maximum Number of Prefixes Reached/i);
  await says(grevy, 'show bgp summary', /10\.0\.1\.1 .*(PfxCt|Idle)/);
  await configure(near, 'router bgp 65001', ...more.map(line => (line.startsWith('network') ? `no ${line}` : line)));
  await grevy.sh('clear bgp 10.0.1.1');
  await established('10.0.1.1');
  await ours('address-family ipv4 unicast', 'no neighbor 10.0.1.1 maximum-prefix 2');
});

test('enforce-first-as: a path that does not begin with the neighbour’s AS counts as withdrawn', async () => {
  const path = (pattern: RegExp): Promise<string> => says(grevy, 'show bgp ipv4 unicast 10.2.2.0/24', pattern);
  await path(/\n {2}65002 64999\n/);
  // A route server's own AS is not in the path.
  await reconfigureBird('rs client;');
  await path(/\n {2}64999\n/);
  await ours('neighbor 10.0.2.2 enforce-first-as');
  await path(/not in table/);
  await ours('no neighbor 10.0.2.2 enforce-first-as');
  await path(/\n {2}64999\n/);
  await ours('bgp enforce-first-as');
  await path(/not in table/);
  await ours('no bgp enforce-first-as');
  await reconfigureBird();
  await path(/\n {2}65002 64999\n/);
});

test('an IPv4 route over an IPv6 session with an IPv6 next hop (RFC 8950), from FRR and to it', async () => {
  const theirs = ['neighbor fd01::10 capability extended-nexthop', 'address-family ipv4 unicast'];
  await configure(
    near,
    'router bgp 65001',
    'neighbor fd01::10 remote-as 65010',
    'neighbor fd01::10 timers connect 1',
    ...theirs,
    'neighbor fd01::10 activate',
    'no neighbor 10.0.1.10 activate',
  );
  await ours(
    'neighbor fd01::1 remote-as 65001',
    'neighbor fd01::1 timers connect 1',
    'neighbor fd01::1 capability extended-nexthop',
    'address-family ipv4 unicast',
    'neighbor fd01::1 activate',
    'no neighbor 10.0.1.1 activate',
  );
  await established('fd01::1');
  await says(near, 'show bgp ipv4 unicast 10.10.0.0/24', /fd01::10/);
  await says(grevy, 'show bgp ipv4 unicast 10.1.0.0/24', /fd01::1/);
  await until(
    async () => {
      const [route] = await host.ipJson<{ via?: { family: string }; nhid?: number }[]>('route', 'show', '10.1.0.0/24');
      return route?.via?.family === 'inet6';
    },
    { what: () => `10.1.0.0/24 via an IPv6 next hop in the kernel: ${grevy.output()}` },
  );
});

test('an IPv4 route over an IPv6 session with an IPv6 next hop, from BIRD and to it', async () => {
  await ours(
    'neighbor fd02::2 remote-as 65002',
    'neighbor fd02::2 timers connect 1',
    'neighbor fd02::2 capability extended-nexthop',
    'address-family ipv4 unicast',
    'neighbor fd02::2 activate',
    'no neighbor 10.0.2.2 activate',
  );
  await established('fd02::2');
  await says(bird, 'show route all for 10.10.0.0/24', /BGP\.next_hop: fd02::10/);
  await says(grevy, 'show bgp ipv4 unicast 10.2.0.0/24', /fd02::2/);
  // BIRD gives its link-local address besides, and on the link that is the one (RFC 2545 §2).
  interface Via {
    dev: string;
    via?: { family: string; host: string };
  }
  let seen: Via[] = [];
  await until(
    async () => {
      seen = await host.ipJson<Via[]>('route', 'show', '10.2.0.0/24');
      return seen[0]?.dev === 'eth2' && /^(fe80:|fd02::2$)/.test(seen[0].via?.host ?? '');
    },
    { what: () => `10.2.0.0/24 via an IPv6 next hop in the kernel: ${JSON.stringify(seen)}` },
  );
});

test('an IPv6 neighbour by its link-local address and interface', async () => {
  const [address] = await host.ipJson<{ addr_info: { local: string; scope: string }[] }[]>('address', 'show', 'eth1');
  const own = address!.addr_info.find(one => one.scope === 'link')!.local;
  const theirs = /inet6 (fe80::[0-9a-f:]+)/.exec(await middle.run('ip', 'address', 'show', 'eth0'))![1]!;
  await configure(
    near,
    'router bgp 65001',
    `neighbor ${own} remote-as 65010`,
    `neighbor ${own} interface eth0`,
    `neighbor ${own} timers connect 1`,
    'address-family ipv6 unicast',
    'network 2001:db8:1::/48',
    `neighbor ${own} activate`,
  );
  await ours(
    `neighbor ${theirs} remote-as 65001`,
    `neighbor ${theirs} interface eth1`,
    `neighbor ${theirs} timers connect 1`,
    'address-family ipv6 unicast',
    'network 2001:db8:10::/48',
    `neighbor ${theirs} activate`,
  );
  await established(theirs);
  await says(near, 'show bgp ipv6 unicast 2001:db8:10::/48', /65010/);
  await until(async () => (await host.ipJson('-6', 'route', 'show', '2001:db8:1::/48')).length === 1, {
    what: () => `2001:db8:1::/48 in the kernel: ${grevy.output()}`,
  });
  // What is on the link is on no other: connected networks are announced without it.
  await ours('address-family ipv6 unicast', 'redistribute connected');
  const shown = await says(grevy, 'show bgp ipv6 unicast', /fd01::\/64/);
  assert.doesNotMatch(shown, /fe80::\/64/);
});
