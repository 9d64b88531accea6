// A storm of changes, far more than the kernel keeps for a daemon that was given next to no receive buffer: what it did not
// hear of is found and repaired. Afterwards it shows what `ip -j` shows, and what it wants is in the kernel.
//
//     edge (Grevy, AS 65001) 10.0.0.1 ── 10.0.0.2 transit (BIRD, AS 65002: 300 static routes)
//      └─ eth1, eth2, eth3: 10.1.N.1/24, where the storm is
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Daemon, startBird, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const ROUTES = 300;
const prefix = (i: number): string => `20.${i >> 8}.${i & 255}.0/24`;
const FIRST_SEED = Number(process.env['GREVY_SEED'] ?? 1);
const STORMS = Number(process.env['GREVY_STORMS'] ?? 3);
const CHANGES = 10_000;

const EDGE = `ip route 198.51.100.0/24 blackhole
ip route 203.0.113.0/24 10.0.0.2
ipv6 route 2001:db8:51::/48 2001:db8::2
!
router bgp 65001
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
 neighbor 10.0.0.2 remote-as 65002
 neighbor 10.0.0.2 timers connect 1
exit
`;

const TRANSIT = `router id 10.0.0.2;
protocol device { }
protocol static { ipv4;
${Array.from({ length: ROUTES }, (_, i) => `  route ${prefix(i)} blackhole;`).join('\n')}
}
protocol bgp edge {
  local 10.0.0.2 as 65002;
  neighbor 10.0.0.1 as 65001;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv4 { import all; export where source = RTS_STATIC; };
}
`;

/** Numbers that look random and are the same for the same seed (mulberry32). */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return below => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) % below;
  };
}

/** What the last line of a storm adds. */
const END = '31.0.0.0/24';

/** Lines for `ip -force -batch`; many fail, as a storm's do. */
function storm(seed: number): string {
  const random = randomOf(seed);
  const one = <T>(...values: readonly T[]): T => values[random(values.length)]!;
  const dev = (): string => `eth${1 + random(3)}`;
  const foreign = (): string => `30.0.${random(40)}.0/24`;
  const gateway = (): string => `10.1.${1 + random(3)}.${2 + random(3)}`;
  const metric = (): string => one('', '', ' metric 50', ' metric 20');
  const changes: readonly (() => string)[] = [
    () => `route ${one('add', 'add', 'append', 'replace')} ${foreign()} via ${gateway()}${metric()}`,
    () => `route ${one('add', 'replace')} ${foreign()}${metric()} nexthop via ${gateway()} nexthop via ${gateway()}`,
    () => `route ${one('add', 'replace')} ${one('blackhole', 'unreachable')} ${foreign()}${metric()}`,
    () => `route del ${foreign()}${metric()}`,
    () =>
      `route ${one('add', 'append', 'replace')} 2001:db8:30:${random(20)}::/64 via fe80::${2 + random(3)} dev ${dev()}`,
    () => `route del 2001:db8:30:${random(20)}::/64`,
    // What is the daemon's own.
    () => `route del ${prefix(random(ROUTES))} proto bgp`,
    () => `route replace ${prefix(random(ROUTES))} via ${gateway()} proto bgp metric 20`,
    () => `route replace blackhole ${prefix(random(ROUTES))} proto bgp metric 20`,
    () => one('route del 203.0.113.0/24', 'route del 198.51.100.0/24', 'route del 2001:db8:51::/48'),
  ];
  const rare: readonly (() => string)[] = [
    () => `nexthop del id 10000000${1 + random(9)}`,
    () => 'nexthop flush proto 11',
    () => 'route flush proto bgp',
    () => `nexthop replace id ${5 + random(3)} via ${gateway()} dev ${dev()}`,
    () => `route replace ${foreign()} nhid ${5 + random(3)}`,
    () => `nexthop del id ${5 + random(3)}`,
    () => `addr add 10.1.${1 + random(3)}.${10 + random(5)}/24 dev ${dev()}`,
    () => `addr del 10.1.${1 + random(3)}.${10 + random(5)}/24 dev ${dev()}`,
    () => `addr add 2001:db8:1::${10 + random(5)}/64 dev ${dev()} nodad`,
    () => `addr del 2001:db8:1::${10 + random(5)}/64 dev ${dev()}`,
    () => `addr ${one('add', 'del')} 10.1.${1 + random(3)}.1/24 dev ${dev()}`,
    () => `addr flush dev ${dev()} scope global`,
    () => `link set ${dev()} ${one('down', 'up')}`,
    () => `link set ${dev()} mtu ${one(1400, 1500)}`,
    () => `link add more${random(4)} type veth peer name peer${random(4)}`,
    () => `link del more${random(4)}`,
    () => `link set eth0 down\nlink set eth0 up`,
  ];
  const lines = Array.from({ length: CHANGES }, () => (random(20) === 0 ? one(...rare)() : one(...changes)()));
  return `route del ${END}\n${lines.join('\n')}\nroute add blackhole ${END}\n`;
}

interface KernelRoute {
  readonly dst: string;
  readonly type?: string;
  readonly protocol: string;
  readonly metric?: number;
  readonly gateway?: string;
  readonly dev?: string;
  readonly flags?: readonly string[];
  readonly nexthops?: readonly { gateway?: string; dev: string }[];
}

interface ShownRoute {
  readonly protocol: string;
  readonly metric: number;
  readonly nexthops: readonly { ip?: string; interfaceName?: string; unreachable?: boolean }[];
}

describe('an overrun of notifications', { timeout: 240_000 }, () => {
  const lab = new Lab();
  let edge: Namespace;
  let grevy: Daemon;

  const ip = (text: string): Promise<string> => edge.run('ip', ...text.split(' '));

  /** Routes of others, as `ip` shows them. */
  async function routesOfKernel(family: '-4' | '-6'): Promise<string[]> {
    const routes = await edge.ipJson<KernelRoute[]>(family, 'route');
    const lines = routes
      .filter(({ protocol }) => !['kernel', 'bgp', 'static', '196', 'ra'].includes(protocol))
      .map(({ dst, type, metric = 0, gateway, dev, nexthops }) => {
        const hops = type === 'unicast' ? (nexthops ?? [{ gateway, dev }]) : [];
        return `${dst} metric ${metric} ${hops
          .map(hop => `${hop.gateway} ${hop.dev}`)
          .toSorted()
          .join(', ')}`;
      });
    return [...new Set(lines)].toSorted();
  }

  async function routesShown(family: '-4' | '-6'): Promise<string[]> {
    const text = await grevy.sh(`show ${family === '-4' ? 'ip' : 'ipv6'} route json`);
    const lines = Object.entries(JSON.parse(text) as Record<string, ShownRoute[]>).flatMap(([dst, routes]) =>
      routes
        .filter(({ protocol }) => protocol === 'kernel')
        .map(({ metric, nexthops }) => {
          const hops = nexthops.filter(hop => !hop.unreachable);
          return `${dst} metric ${metric} ${hops
            .map(hop => `${hop.ip} ${hop.interfaceName}`)
            .toSorted()
            .join(', ')}`;
        }),
    );
    return [...new Set(lines)].toSorted();
  }

  async function linksOfKernel(): Promise<string[]> {
    const links =
      await edge.ipJson<
        { ifname: string; mtu: number; flags: string[]; addr_info: { local: string; prefixlen: number }[] }[]
      >('addr');
    return links
      .filter(({ ifname }) => ifname !== 'lo')
      .map(({ ifname, mtu, flags, addr_info }) => {
        const addresses = addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`).toSorted();
        return `${ifname} ${mtu} ${flags.includes('UP') ? 'up' : 'down'} ${addresses.join(' ')}`;
      })
      .toSorted();
  }

  async function linksShown(): Promise<string[]> {
    const links = JSON.parse(await grevy.sh('show interface json')) as Record<
      string,
      { mtu: number; administrativeStatus: string; ipAddresses: { address: string }[] }
    >;
    return Object.entries(links)
      .filter(([name]) => name !== 'lo')
      .map(([name, { mtu, administrativeStatus, ipAddresses }]) => {
        const addresses = ipAddresses.map(({ address }) => address).toSorted();
        return `${name} ${mtu} ${administrativeStatus} ${addresses.join(' ')}`;
      })
      .toSorted();
  }

  /** What the daemon shall have in the kernel: prefix, and through what. */
  const WANTED: readonly string[] = [
    ...Array.from({ length: ROUTES }, (_, i) => `${prefix(i)} via 10.0.0.2 eth0`),
    '198.51.100.0/24 blackhole',
    '203.0.113.0/24 via 10.0.0.2 eth0',
    '2001:db8:51::/48 via 2001:db8::2 eth0',
  ].toSorted();

  async function ownOfKernel(): Promise<string[]> {
    const both = await Promise.all(['-4', '-6'].map(family => edge.ipJson<KernelRoute[]>(family, 'route')));
    return both
      .flat()
      .filter(({ protocol }) => protocol === 'bgp' || protocol === '196' || protocol === 'static')
      .map(({ dst, type, gateway, dev, nexthops = [{ gateway, dev }] }) =>
        type === 'blackhole'
          ? `${dst} ${type}`
          : `${dst} via ${nexthops.map(hop => `${hop.gateway} ${hop.dev}`).join()}`,
      )
      .toSorted();
  }

  async function overruns(): Promise<number> {
    const shown = JSON.parse(await grevy.sh('show zebra dplane detailed json')) as { listener: { overruns: number } };
    return shown.listener.overruns;
  }

  async function agrees(what: string, theirs: () => Promise<string[]>, ours: () => Promise<string[]>): Promise<void> {
    let seen = '';
    await until(
      async () => {
        const [kernel, shown] = [await theirs(), await ours()];
        const only = (a: string[], b: string[]): string => a.filter(line => !b.includes(line)).join('\n  ');
        seen = `only in the kernel:\n  ${only(kernel, shown)}\nonly in Grevy:\n  ${only(shown, kernel)}`;
        return JSON.stringify(kernel) === JSON.stringify(shown);
      },
      { what: () => `${what} to agree; ${seen}\n${grevy.output()}`, timeoutMs: 20_000, everyMs: 100 },
    );
  }

  before(async () => {
    edge = await lab.namespace('edge');
    const transit = await lab.namespace('transit');
    await lab.link(edge, 'eth0', transit, 'eth0');
    await ip('addr add 10.0.0.1/24 dev eth0');
    await transit.run('ip', 'addr', 'add', '10.0.0.2/24', 'dev', 'eth0');
    // Or the kernel would take it away with the link.
    await edge.run('sysctl', '-qw', 'net.ipv6.conf.all.keep_addr_on_down=1');
    await ip('-6 addr add 2001:db8::1/64 dev eth0 nodad');
    for (const n of [1, 2, 3]) {
      await lab.link(edge, `eth${n}`, transit, `eth${n}`);
      await ip(`addr add 10.1.${n}.1/24 dev eth${n}`);
    }
    await startBird(lab, transit, TRANSIT);
    grevy = await startGrevy(lab, edge, EDGE, { args: ['--nl-bufsize', '4096'] });
    await agrees('routes wanted', ownOfKernel, () => Promise.resolve([...WANTED]));
  });
  after(() => lab.close());

  for (let seed = FIRST_SEED; seed < FIRST_SEED + STORMS; seed++) {
    test(`storm ${seed}: what was missed is found and repaired`, async () => {
      const before = await overruns();
      const file = join(grevy.directory, `storm-${seed}`);
      writeFileSync(file, storm(seed));
      await edge.run('sh', '-c', `ip -force -batch ${file} >/dev/null 2>&1 || true`);
      assert.equal((await edge.ipJson('route', 'show', END)).length, 1, 'the storm was not cut short');
      await agrees('links and addresses', linksOfKernel, linksShown);
      await agrees('routes wanted', ownOfKernel, () => Promise.resolve([...WANTED]));
      await agrees(
        'IPv4 routes of others',
        () => routesOfKernel('-4'),
        () => routesShown('-4'),
      );
      await agrees(
        'IPv6 routes of others',
        () => routesOfKernel('-6'),
        () => routesShown('-6'),
      );
      assert.ok((await overruns()) > before, 'the buffer was overrun');
    });
  }
});
