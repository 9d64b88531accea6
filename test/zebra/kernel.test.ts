// Zebra with the real dataplane and the real kernel, in a namespace, checked with `ip -j`.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { Host } from './host-process.ts';

interface Route {
  dst: string;
  gateway?: string;
  dev?: string;
  protocol: string;
  metric?: number;
  nhid?: number;
  type?: string;
  nexthops?: { gateway?: string; dev: string }[];
}

describe('zebra in a namespace', { timeout: 60_000 }, () => {
  const lab = new Lab();
  let ns: Namespace;
  let host: Host;
  let zserv: string;

  const config = `
ip route 10.1.0.0/16 192.0.2.9
ip route 10.2.0.0/16 10.1.0.5
ip route 10.3.0.0/16 blackhole
ip route 10.5.0.0/16 192.0.2.9
ip route 10.5.0.0/16 198.51.100.9
ip route 10.6.0.0/16 eth0
ip route 10.8.0.0/16 10.6.1.1
ip route 10.11.0.0/16 10.3.1.1
ipv6 route 2001:db8:1::/48 2001:db8::9
ipv6 route 2001:db8:2::/48 fe80::9 eth0
ipv6 route 2001:db8:3::/48 blackhole
`;

  async function ours(family: '-4' | '-6' = '-4'): Promise<Map<string, Route>> {
    const routes = await ns.ipJson<Route[]>(family, 'route', 'show', 'proto', '196');
    return new Map(routes.map(route => [route.dst, route]));
  }

  async function settled(count4: number, count6 = 3): Promise<void> {
    await until(async () => (await ours()).size === count4 && (await ours('-6')).size === count6, {
      what: `${count4} IPv4 and ${count6} IPv6 routes`,
      timeoutMs: 5000,
    });
  }

  before(async () => {
    ns = await lab.namespace('r1');
    await ns.run('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'p0');
    await ns.run('ip', 'link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', 'p1');
    for (const name of ['eth0', 'eth1', 'p0', 'p1']) await ns.run('ip', 'link', 'set', name, 'up');
    await ns.run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0');
    await ns.run('ip', 'addr', 'add', '198.51.100.1/24', 'dev', 'eth1');
    await ns.run('ip', 'addr', 'add', '2001:db8::1/64', 'dev', 'eth0', 'nodad');
    await ns.run('ip', 'route', 'add', '172.17.0.0/16', 'via', '192.0.2.77');
    zserv = `${await lab.directory()}/zserv.api`;
    host = new Host(ns, zserv, 60_000);
    await host.ready;
    await host.configure(config);
    await settled(7);
  });

  after(() => lab.close());

  test('static routes of every shape are in the kernel as asked', async () => {
    const routes = await ours();
    const nexthops =
      await ns.ipJson<{ id: number; group?: { id: number }[]; gateway?: string; dev?: string }[]>('nexthop');
    const byId = new Map(nexthops.map(one => [one.id, one]));
    const ways = (dst: string): string[] =>
      byId.get(routes.get(dst)!.nhid!)!.group!.map(member => {
        const one = byId.get(member.id)!;
        return `${one.gateway ?? ''}%${one.dev ?? ''}`;
      });
    assert.deepEqual(ways('10.1.0.0/16'), ['192.0.2.9%eth0']);
    assert.deepEqual(ways('10.2.0.0/16'), ['192.0.2.9%eth0']);
    assert.deepEqual(ways('10.5.0.0/16'), ['192.0.2.9%eth0', '198.51.100.9%eth1']);
    assert.deepEqual(ways('10.6.0.0/16'), ['%eth0']);
    assert.deepEqual(ways('10.8.0.0/16'), ['10.6.1.1%eth0']);
    assert.equal(routes.get('10.3.0.0/16')!.type, 'blackhole');
    assert.equal(routes.get('10.1.0.0/16')!.metric, 20);
  });

  test('show ip route prints connected, kernel and static routes as FRR does', async () => {
    const text = (await host.run('show ip route')).replaceAll(/\d\d:\d\d:\d\d/g, 'T');
    assert.ok(text.includes('S>  10.2.0.0/16 [1/0] via 10.1.0.5 (recursive), weight 1, T\n'), text);
    assert.ok(text.includes('  *                     via 192.0.2.9, eth0, weight 1, T\n'), text);
    assert.ok(text.includes('S>* 10.3.0.0/16 [1/0] unreachable (blackhole), weight 1, T\n'), text);
    assert.ok(text.includes('  *                     via 10.6.1.1, eth0 onlink, weight 1, T\n'), text);
    assert.ok(text.includes('C>* 192.0.2.0/24 is directly connected, eth0, T\n'), text);
    assert.ok(text.includes('K>* 172.17.0.0/16 [0/0] via 192.0.2.77, eth0, T\n'), text);
    const json = JSON.parse(await host.run('show ip route 10.5.0.0/16 json')) as Record<
      string,
      Record<string, unknown>[]
    >;
    assert.equal(json['10.5.0.0/16']![0]!['installed'], true);
    assert.equal((json['10.5.0.0/16']![0]!['nexthops'] as unknown[]).length, 2);
    const whole = JSON.parse(await host.run('show ip route json')) as object;
    assert.ok('172.17.0.0/16' in whole);
    assert.equal((JSON.parse(await host.run('show interface eth0 json')) as { eth0: { mtu: number } }).eth0.mtu, 1500);
  });

  test('a route deleted behind our back is put back', async () => {
    await ns.run('ip', 'route', 'del', '10.1.0.0/16', 'proto', '196');
    await ns.run('ip', '-6', 'route', 'del', '2001:db8:1::/48');
    await settled(7);
  });

  test('a route deleted behind our back is left alone where others may, until somebody asks', async () => {
    await host.configure(`${config}allow-external-route-update`);
    await ns.run('ip', 'route', 'del', '10.1.0.0/16', 'proto', '196');
    const installed = async (): Promise<unknown> =>
      JSON.parse(await host.run('show ip route 10.1.0.0/16 json'))['10.1.0.0/16'][0].installed;
    await until(async () => (await installed()) === undefined, { what: 'zebra notices' });
    // What comes later is done, and this is not.
    await host.configure(`${config}allow-external-route-update\nip route 10.77.0.0/16 blackhole`);
    await settled(7);
    assert.equal((await ours()).has('10.1.0.0/16'), false);
    await host.run('clear zebra route reconcile');
    await until(async () => (await ours()).has('10.1.0.0/16'), { what: 'it is back' });
    await host.configure(config);
    await settled(7);
  });

  test('a route that somebody gave fewer paths gets its own back', async () => {
    await ns.run(...'ip route replace 10.5.0.0/16 via 192.0.2.9 dev eth0 proto 196 metric 20'.split(' '));
    await until(async () => (await ours()).get('10.5.0.0/16')?.nexthops?.length === 2, { what: 'both paths' });
  });

  test('a nexthop object deleted behind our back comes back with the routes that went with it', async () => {
    const nhid = (await ours()).get('10.5.0.0/16')!.nhid!;
    await ns.run('ip', 'nexthop', 'del', 'id', String(nhid));
    await settled(7);
    await ns.run('ip', 'nexthop', 'flush');
    await settled(7);
  });

  test('a link that goes down takes its routes along, and brings them back', async () => {
    await ns.run('ip', 'link', 'set', 'eth1', 'down');
    await until(
      async () =>
        JSON.parse(await host.run('show ip route 10.5.0.0/16 json'))['10.5.0.0/16'][0].internalNextHopActiveNum === 1,
      { what: 'one next hop left' },
    );
    await ns.run('ip', 'link', 'set', 'eth0', 'down');
    await until(async () => (await ours()).size === 2, { what: 'only the blackholes' });
    const gone = await host.run('show ip route 172.17.0.0/16');
    assert.match(gone, /not in table/);
    await ns.run('ip', 'link', 'set', 'eth0', 'up');
    await ns.run('ip', 'link', 'set', 'eth1', 'up');
    await ns.run('ip', 'addr', 'replace', '2001:db8::1/64', 'dev', 'eth0', 'nodad');
    await settled(7);
    await until(async () => (await host.run('show zebra route drift')).includes('to repair:  0'), { what: 'no drift' });
  });

  test('a recursive route follows the one that it goes through', async () => {
    await host.configure(config.replace('10.1.0.0/16 192.0.2.9', '10.1.0.0/16 198.51.100.9'));
    await until(async () => (await host.run('show ip route 10.2.0.0/16')).includes('198.51.100.9, via eth1'), {
      what: 'the new way',
    });
    await host.configure(config);
    await settled(7);
  });

  test('a recursive IPv6 route has all paths of the one that it goes through, and follows it to the kernel', async () => {
    // An address that comes is what makes the second gateway reachable, and a link that goes what takes it away.
    const more = `${config}
ipv6 route 2001:db8:4::/48 2001:db8::9
ipv6 route 2001:db8:4::/48 2001:db8:ffff::9
ipv6 route 2001:db8:5::/48 2001:db8:4::1
ipv6 route 2001:db8:6::/48 2001:db8:5::1
ipv6 route 2001:db8:7::/48 2001:db8::9 200
ipv6 route 2001:db8:7::/48 2001:db8:4::2 150
`;
    const ways = async (prefix: string): Promise<string> => {
      const route = (await ours('-6')).get(prefix);
      const paths = route?.nexthops ?? (route === undefined ? [] : [{ gateway: route.gateway, dev: route.dev }]);
      return paths
        .map(path => `${path.gateway} ${path.dev}`)
        .sort()
        .join(', ');
    };
    const all = (what: string): Promise<unknown> =>
      until(
        async () => {
          for (const net of [4, 5, 6, 7]) if ((await ways(`2001:db8:${net}::/48`)) !== what) return false;
          return true;
        },
        { what: `four routes by ${what}` },
      );
    await host.configure(more);
    await all('2001:db8::9 eth0');
    await ns.run('ip', 'addr', 'add', '2001:db8:ffff::1/64', 'dev', 'eth1', 'nodad');
    await all('2001:db8::9 eth0, 2001:db8:ffff::9 eth1');
    await ns.run('ip', 'link', 'set', 'eth1', 'down');
    await all('2001:db8::9 eth0');
    await ns.run('ip', 'link', 'set', 'eth1', 'up');
    await ns.run('ip', 'addr', 'replace', '2001:db8:ffff::1/64', 'dev', 'eth1', 'nodad');
    await all('2001:db8::9 eth0, 2001:db8:ffff::9 eth1');
    // The covering route moves; where it goes, the farther of two distances takes over.
    await host.configure(more.replace('ipv6 route 2001:db8:4::/48 2001:db8::9\n', ''));
    await all('2001:db8:ffff::9 eth1');
    await host.configure(more.replaceAll(/ipv6 route 2001:db8:4::.*\n/g, ''));
    await until(async () => (await ways('2001:db8:7::/48')) === '2001:db8::9 eth0', { what: 'the distance of 200' });
    await until(async () => (await ours('-6')).size === 4, { what: 'the recursive routes to be gone' });
    await ns.run('ip', 'addr', 'del', '2001:db8:ffff::1/64', 'dev', 'eth1');
    await host.configure(config);
    await settled(7);
  });

  test('what waits for more is decided once', async () => {
    const monitor = ns.spawn(['ip', 'monitor', 'route'], { stdio: ['ignore', 'pipe', 'ignore'] });
    let seen = '';
    monitor.stdout!.on('data', (chunk: Buffer) => (seen += chunk.toString()));
    const lines = `${config}zebra work-queue 1000\n`;
    await host.configure(lines);
    await host.configure(`${lines}ip route 10.20.0.0/16 192.0.2.20\n`);
    await until(() => seen.includes('10.20.0.0/16'), { what: 'the monitor to hear' });
    for (const gateway of ['192.0.2.21', '192.0.2.22']) {
      await host.configure(`${lines}ip route 10.20.0.0/16 ${gateway}\n`);
    }
    await until(() => seen.includes('192.0.2.22'), { what: 'the last' });
    assert.doesNotMatch(seen, /192\.0\.2\.21/);
    await lab.stop(monitor);
    await host.configure(config);
    await settled(7);
  });

  test("addresses and shutdown of an interface block are the kernel's, and go with the block", async () => {
    const addresses = async (): Promise<string[]> => {
      const [one] = await ns.ipJson<{ flags: string[]; addr_info: { local: string }[] }[]>('addr', 'show', 'dev', 'p1');
      return [...one!.addr_info.map(info => info.local), one!.flags.includes('UP') ? 'up' : 'down'];
    };
    await host.configure(
      `${config}interface p1\n description spare\n ip address 100.64.0.1/24\n ipv6 address 2001:db8:64::1/64\n`,
    );
    await until(async () => (await addresses()).includes('100.64.0.1'), { what: 'the address' });
    await until(async () => (await addresses()).includes('2001:db8:64::1'), { what: 'the IPv6 address' });
    await until(async () => (await host.run('show ip route 100.64.0.0/24')).includes('directly connected, p1'), {
      what: 'the connected route',
    });
    assert.match(await host.run('show interface p1'), /Description: spare/);
    await host.configure(`${config}interface p1\n shutdown\n`);
    await until(async () => (await addresses()).includes('down'), { what: 'shutdown' });
    await host.configure(config);
    await until(async () => (await addresses()).includes('up'), { what: 'up again' });
    assert.equal((await addresses()).includes('100.64.0.1'), false);
    await settled(7);
  });

  test('a line with a next hop beyond the 256th of a route is refused', async () => {
    const gateways = Array.from({ length: 258 }, (_, i) => `172.16.${i >> 7}.${1 + (i & 127)}`);
    const lines = gateways.map(one => `ip route 10.12.0.0/16 ${one} eth0 onlink\n`);
    const refused = await host.load(config + lines.join(''));
    assert.equal(refused.length, 2);
    assert.match(refused[0]!.message, /^10\.12\.0\.0\/16 has 256 next hops/);
    // ip(8) cannot read a route of so many next hops; it can read what the route names.
    const groups = async (): Promise<number[]> =>
      (await ns.ipJson<{ group?: unknown[] }[]>('nexthop')).map(one => one.group?.length ?? 0);
    await until(async () => (await groups()).includes(256), { what: 'a group of 256', timeoutMs: 5000 });
    // The route follows its group.
    await until(async () => (await host.run('show ip route 10.12.0.0/16')).match(/\* 172\.16\./g)?.length === 256, {
      what: '256 next hops in use',
      timeoutMs: 5000,
    });
    await host.configure(config);
    await settled(7);
  });

  test('after kill -9, a new start adopts what is right without touching it, and sweeps the rest', async () => {
    host.child.kill('SIGKILL');
    // setpriv and nsenter exec: the child is the process itself.
    await until(() => host.child.signalCode !== null, { what: 'the end of the host' });
    assert.equal((await ours()).size, 7);
    const monitor = ns.spawn(['ip', 'monitor', 'route', 'nexthop'], { stdio: ['ignore', 'pipe', 'ignore'] });
    let seen = '';
    monitor.stdout!.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
    });
    host = new Host(ns, zserv, 1500);
    await host.ready;
    // All but one are announced again.
    await host.configure(config.replace('ip route 10.11.0.0/16 10.3.1.1\n', ''));
    await until(async () => (await ours()).size === 6, { what: 'the sweep', timeoutMs: 8000 });
    await lab.stop(monitor);
    const ofOurs = seen.split('\n').filter(line => /proto (static|zebra)/.test(line));
    const routes = ofOurs.filter(line => !line.includes(' id '));
    assert.deepEqual(
      // Which number its object has depends on how many the life before went through.
      routes.map(line => line.trim().replace(/ nhid \d+/, '')),
      ['Deleted blackhole 10.11.0.0/16 dev lo proto static metric 20'],
      seen,
    );
    assert.ok(
      ofOurs.every(line => line.startsWith('Deleted')),
      seen,
    );
    const json = JSON.parse(await host.run('show zebra route drift json')) as { stale: number; failed: number };
    assert.equal(json.stale, 0);
    assert.equal(json.failed, 0);
  });

  test('an orderly stop leaves nothing of ours in the kernel', async () => {
    await host.stop();
    assert.equal((await ours()).size, 0);
    assert.equal((await ours('-6')).size, 0);
    assert.deepEqual(await ns.ipJson('nexthop'), []);
  });
});
