// Next hops in another VRF, beside FRR's: the same lines, routes of a client and leaks of a bgpd, then the same things done to both.
// The kernel's tables, what the shells show and what packets do are compared.
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Daemon, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { Announcer } from '../zebra/announcer.ts';

export const MODULES: readonly string[] = ['veth', 'vrf', 'mpls_router', 'mpls_iptunnel'];

const SLOW_MS = 60_000;
const RED = 100;
const BLUE = 101;
const RED0 = 102;
const MAIN0 = 104;

const LINES = `vrf red
 ip route 20.0.0.0/24 10.2.0.2 nexthop-vrf blue
 ip route 20.0.1.0/24 blue0 nexthop-vrf blue
 ip route 20.0.2.0/24 10.0.0.2 main0 nexthop-vrf default
 ip route 20.0.3.0/24 10.0.0.2 main0 nexthop-vrf default onlink
 ip route 20.0.5.0/24 blue nexthop-vrf blue
 ip route 20.0.7.0/24 10.0.0.2 tag 5 7 nexthop-vrf default
 ip route 20.0.7.0/24 10.1.0.2 tag 5 7
 ip route 20.0.8.0/24 blue0
 ip route 20.0.10.0/24 10.1.0.3 nexthop-vrf nosuch
 ip route 20.0.11.0/24 10.0.77.1 nexthop-vrf default
 ipv6 route 2001:db8::/48 fd00::2 nexthop-vrf default
exit-vrf
ip route 10.0.77.0/24 10.0.0.9
ip route 40.0.0.0/24 10.1.0.7 nexthop-vrf red
ip route 40.0.1.0/24 red nexthop-vrf red
ip route 40.0.2.0/24 red
`;

const BGPD = `router bgp 65000
 bgp router-id 1.1.1.1
 address-family ipv4 unicast
  redistribute connected
  import vrf red
 exit-address-family
exit
router bgp 65000 vrf red
 bgp router-id 1.1.1.2
 address-family ipv4 unicast
  redistribute connected
  import vrf default
 exit-address-family
exit
`;

/** Runs inside. */
export function suite(): void {
  describe('next hops in another VRF', tests);
}

/** Keys whose values are of one run only. */
const OWN = new Set([
  'nexthopGroupId',
  'installedNexthopGroupId',
  'uptime',
  'internalFlags',
  'internalStatus',
  'flags',
]);

interface Side {
  readonly namespace: Namespace;
  readonly zebra: Daemon;
  readonly client: Announcer;
}

function tests(): void {
  const lab = new Lab();
  const sides: Side[] = [];

  async function vrf(namespace: Namespace, name: string, index: number, table: number, port: string): Promise<void> {
    await namespace.run('ip', 'link', 'add', name, 'index', String(index), 'type', 'vrf', 'table', String(table));
    await namespace.run('ip', 'link', 'set', name, 'up');
    await namespace.run('ip', 'link', 'set', port, 'master', name);
    await namespace.run('sysctl', '-qw', `net.ipv4.conf.${port}.rp_filter=0`);
  }

  async function machine(name: string): Promise<Namespace> {
    const namespace = await lab.namespace(name);
    await namespace.run('sysctl', '-qw', 'net.ipv4.ip_forward=1');
    for (const [i, port] of ['red0', 'blue0', 'main0'].entries()) {
      const index = String(RED0 + i);
      await namespace.run('ip', 'link', 'add', port, 'index', index, 'type', 'veth', 'peer', 'name', `${port}p`);
      for (const one of [port, `${port}p`]) await namespace.run('ip', 'link', 'set', one, 'up');
    }
    await vrf(namespace, 'red', RED, 10, 'red0');
    await vrf(namespace, 'blue', BLUE, 20, 'blue0');
    await namespace.run('ip', 'addr', 'add', '10.1.0.1/24', 'dev', 'red0');
    await namespace.run('ip', 'addr', 'add', '10.2.0.1/24', 'dev', 'blue0');
    await namespace.run('ip', 'addr', 'add', '10.0.0.1/24', 'dev', 'main0');
    await namespace.run('ip', 'addr', 'add', 'fd00::1/64', 'dev', 'main0', 'nodad');
    return namespace;
  }

  function announce({ client }: Side): void {
    // As of an L3VPN: the route in the VRF, its way in the default one.
    client.announceIn(RED, '50.0.0.0/24', { via: '10.0.0.2', vrf: 0, labels: [100] });
    client.announceIn(RED, '50.0.1.0/24', { via: 'fd00::2', vrf: 0, sid: 'fd00:9::1' });
    client.announceIn(RED, '2001:db8:50::/48', { via: 'fd00::2', vrf: 0, sid: 'fd00:9::2' });
    client.announceIn(RED, '50.0.2.0/24', { via: '10.0.77.9', vrf: 0, labels: [200] });
    client.announceIn(RED, '50.0.3.0/24', { ifindex: MAIN0, vrf: 0 }, { ifindex: RED0 });
    client.announceIn(0, '50.0.4.0/24', { ifindex: RED, vrf: RED });
    client.announceIn(0, '50.0.5.0/24', { via: '10.1.0.9', ifindex: RED0, vrf: RED });
  }

  /** The routes of a table that a daemon put there, each with its ways, by whatever nexthop objects. */
  async function kernel(namespace: Namespace, table: number): Promise<string[]> {
    const all: string[] = [];
    for (const family of ['-4', '-6']) {
      const text = await namespace.run('ip', family, 'route', 'show', 'table', String(table)).catch(() => '');
      for (const route of text.trim().split(/\n(?!\s)/)) {
        if (!/ proto (static|bgp|196|186) /.test(route)) continue;
        const ways = route.matchAll(/(?:encap (\S+ .*?) )?(?:via (?:inet6 )?(\S+) )?dev (\S+)/g);
        all.push([route.split(' ')[0], ...Array.from(ways, ([way]) => way.replace(/ +/g, ' ')).toSorted()].join(' | '));
      }
    }
    return all.sort();
  }

  /** What is in the tables of both VRFs and the main one, on each side: as many as expected, and the same. */
  async function alike(expected: Readonly<Record<number, number>>): Promise<string[][]> {
    const tables = Object.keys(expected).map(Number);
    const counts = Object.values(expected);
    let last: string[][][] = [];
    await until(
      async () => {
        last = await Promise.all(
          sides.map(({ namespace }) => Promise.all(tables.map(table => kernel(namespace, table)))),
        );
        const [mine, theirs] = last;
        return (
          JSON.stringify(mine) === JSON.stringify(theirs) &&
          JSON.stringify(mine!.map(one => one.length)) === JSON.stringify(counts)
        );
      },
      { timeoutMs: SLOW_MS, everyMs: 200, what: () => `the same routes: ${JSON.stringify(last, null, 1)}` },
    );
    return last[0]!;
  }

  /** Both shells' answer, without what is of one run only. */
  async function shown(command: string): Promise<unknown[]> {
    return await Promise.all(
      sides.map(async ({ zebra }) => {
        const text = await zebra.sh(command);
        if (command.endsWith('json'))
          return JSON.parse(text, (key, value: unknown) => (OWN.has(key) ? undefined : value)) as unknown;
        // FRR says of segments that there is no local SID.
        return text
          .replace(/\d\d:\d\d:\d\d/g, 'TIME')
          .replaceAll(' seg6local unspec unknown(seg6local_context2str),', '');
      }),
    );
  }

  before(async () => {
    const grevy = await machine('grevy');
    const frr = await machine('frr');
    const zebra = await startGrevy(lab, grevy, LINES);
    chmodSync(zebra.directory, 0o755);
    const directory = await lab.directory();
    const theirs = await startFrr(lab, frr, 'zebra', '', { directory });
    await startFrr(lab, frr, 'staticd', LINES, { directory });
    for (const [namespace, daemon, zserv] of [
      [grevy, zebra, join(zebra.directory, 'run', 'zserv.api')],
      [frr, theirs, join(directory, 'zserv.api')],
    ] as const) {
      sides.push({ namespace, zebra: daemon, client: new Announcer(zserv) });
    }
    for (const side of sides) announce(side);
  });
  after(async () => {
    for (const { client } of sides) client.close();
    await lab.close();
  });

  test("are in the kernel as FRR's are there", async () => {
    const [red] = await alike({ 10: 13, 20: 0, 254: 5 });
    assert.ok(red!.includes('50.0.0.0/24 | encap mpls 100 via 10.0.0.2 dev main0'), red!.join('\n'));
    assert.ok(
      red!.some(one => /^2001:db8:50::\/48 \| encap seg6 mode encap segs 1 \[ fd00:9::2 \] .*dev main0/.test(one)),
    );
  });

  for (const command of [
    'show ip route vrf red',
    'show ip route',
    'show ipv6 route vrf red',
    'show ip route vrf red 20.0.11.0/24',
    'show ip route vrf red 50.0.0.0/24',
    'show ip route vrf red json',
    'show ip route 50.0.4.0/24 json',
  ]) {
    test(`\`${command}\` says what FRR says`, async () => {
      const [mine, theirs] = await shown(command);
      assert.deepEqual(mine, theirs);
    });
  }

  test('what a bgpd of FRR leaks between VRFs', async () => {
    for (const [i, { zebra }] of sides.entries()) {
      const zserv = i === 0 ? join(zebra.directory, 'run', 'zserv.api') : join(zebra.directory, 'zserv.api');
      await startFrr(lab, sides[i]!.namespace, 'bgpd', BGPD, { zserv });
    }
    const [red, , main] = await alike({ 10: 14, 20: 0, 254: 6 });
    assert.ok(red!.includes('10.0.0.0/24 | dev main0'));
    assert.ok(main!.includes('10.1.0.0/24 | dev red0'));
  });

  test('the next hops that it and others track are shown by VRF', async () => {
    for (const { zebra } of sides) {
      assert.match(await zebra.sh('show ip nht vrf all'), /^\nVRF blue:\n[^]*\nVRF default:\n[^]*\nVRF red:\n/);
    }
  });

  test('a VRF in which next hops lie goes, and comes again', async () => {
    for (const { namespace } of sides) await namespace.run('ip', 'link', 'del', 'blue');
    // Its port is in the default VRF meanwhile, whose networks are leaked.
    await alike({ 10: 12, 254: 6 });
    // Under another number: with the same one FRR does not find the gateway again.
    for (const { namespace } of sides) await vrf(namespace, 'blue', BLUE + 10, 20, 'blue0');
    await alike({ 10: 14, 20: 0, 254: 6 });
  });

  test('one that is renamed is no longer the one that lines name', async () => {
    const { namespace, zebra } = sides[0]!;
    for (const word of ['down', 'name', 'up']) {
      const what = word === 'name' ? ['name', 'green'] : [word];
      await namespace.run('ip', 'link', 'set', word === 'up' ? 'green' : 'blue', ...what);
    }
    await until(async () => !/vrf (blue|green)/.test(await zebra.sh('show ip route vrf red')), {
      timeoutMs: SLOW_MS,
      what: 'no next hop in a VRF that is no more',
    });
  });
}
