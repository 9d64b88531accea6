// Routes that others write into the kernel: whatever they do, zebra shows what `ip route` shows.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { Host } from './host-process.ts';

interface KernelRoute {
  dst: string;
  protocol: string;
  gateway?: string;
  metric?: number;
  nexthops?: { gateway?: string }[];
}

interface ShownRoute {
  protocol: string;
  metric: number;
  nexthops: { ip?: string }[];
}

/** A static route of our own. */
const OURS = '40.0.0.0/24';

describe('routes of others', { timeout: 60_000 }, () => {
  const lab = new Lab();
  let ns: Namespace;
  let host: Host;

  const ip = (text: string): Promise<string> => ns.run('ip', ...text.split(' '));

  async function inKernel(family: '-4' | '-6'): Promise<string[]> {
    const routes = await ns.ipJson<KernelRoute[]>(family, 'route');
    return routes
      .filter(one => one.protocol !== 'kernel' && one.dst !== OURS)
      .map(one => {
        const gateways = (one.nexthops ?? [{ gateway: one.gateway }]).map(hop => hop.gateway ?? '').toSorted();
        return `${one.dst} metric ${one.metric ?? 0} ${gateways.join(' ')}`;
      })
      .toSorted();
  }

  async function shown(family: '-4' | '-6'): Promise<string[]> {
    const text = await host.run(`show ${family === '-4' ? 'ip' : 'ipv6'} route json`);
    return Object.entries(JSON.parse(text) as Record<string, ShownRoute[]>)
      .flatMap(([prefix, routes]) =>
        routes
          .filter(one => one.protocol === 'kernel')
          .map(
            one =>
              `${prefix} metric ${one.metric} ${one.nexthops
                .map(hop => hop.ip ?? '')
                .toSorted()
                .join(' ')}`,
          ),
      )
      .toSorted();
  }

  async function agree(family: '-4' | '-6', count: number): Promise<void> {
    let seen = '';
    await until(
      async () => {
        const kernel = await inKernel(family);
        const ours = await shown(family);
        seen = `kernel ${kernel.join(', ')}\nshown ${ours.join(', ')}`;
        return kernel.length === count && JSON.stringify(kernel) === JSON.stringify(ours);
      },
      { what: () => seen, timeoutMs: 5000 },
    );
  }

  before(async () => {
    ns = await lab.namespace('r1');
    for (const n of [0, 1]) {
      await ip(`link add eth${n} type veth peer name p${n}`);
      await ip(`link set eth${n} up`);
      await ip(`link set p${n} up`);
      await ip(`addr add 10.0.${n}.1/24 dev eth${n}`);
      await ip(`-6 addr add 2001:db8:${n}::1/64 dev eth${n} nodad`);
    }
    host = new Host(ns, `${await lab.directory()}/zserv.api`, 60_000);
    await host.ready;
  });

  after(() => lab.close());

  test('several of one prefix and metric are told apart by their next hops', async () => {
    await ip('route add 30.0.0.0/24 via 10.0.0.2 proto static');
    await ip('route append 30.0.0.0/24 via 10.0.1.2 proto 99');
    await ip('route append 30.0.0.0/24 via 10.0.1.3 proto 98');
    await agree('-4', 3);
    await ip('route del 30.0.0.0/24 via 10.0.0.2');
    await agree('-4', 2);
    await ip('route del 30.0.0.0/24 via 10.0.1.3');
    await ip('route replace 30.0.0.0/24 via 10.0.0.3');
    await agree('-4', 1);
    await ip('route del 30.0.0.0/24');
    await agree('-4', 0);
  });

  test('of several, `ip route replace` replaces the first', async () => {
    await ip('route add 30.0.0.0/24 via 10.0.0.2 proto static');
    await ip('route append 30.0.0.0/24 via 10.0.1.2 proto 99');
    await ip('route append 30.0.0.0/24 via 10.0.1.3 proto 98');
    await ip('route replace 30.0.0.0/24 via 10.0.0.9');
    await agree('-4', 3);
    await ip('route prepend 30.0.0.0/24 via 10.0.0.4');
    await ip('route change 30.0.0.0/24 via 10.0.0.5');
    await agree('-4', 4);
    // Of the connected network, the kernel's own route is the first.
    await ip('route append 10.0.0.0/24 via 10.0.1.2');
    await ip('route replace 10.0.0.0/24 via 10.0.1.3');
    await agree('-4', 6);
    await ip('route flush root 30.0.0.0/24');
    await ip('route flush root 10.0.0.0/24 proto boot');
    await agree('-4', 0);
    await ip('route add 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1');
    await ip('-6 route add 2001:db8:30::/48 via 2001:db8:1::2');
    await ip('-6 route append 2001:db8:30::/48 via 2001:db8:1::3');
    await ip('-6 route append 2001:db8:30::/48 dev eth0');
    await ip('-6 route replace 2001:db8:30::/48 via 2001:db8:1::9');
    await agree('-6', 2);
    await ip('-6 route replace 2001:db8:30::/48 dev eth1');
    await agree('-6', 2);
    await ip('-6 route flush root 2001:db8:30::/48');
    await agree('-6', 0);
  });

  test('they go without a word with the last IPv4 address of their device, except those through objects', async () => {
    await ip('nexthop add id 5 via 10.0.1.2 dev eth1');
    await ip('route add 30.0.0.0/24 via 10.0.1.2');
    await ip('route add 30.0.1.0/24 via 10.0.0.2');
    await ip('route add 30.0.2.0/24 nhid 5');
    await agree('-4', 3);
    await ip('addr del 10.0.1.1/24 dev eth1');
    await agree('-4', 2);
    await ip('addr add 10.0.1.1/24 dev eth1');
    await ip('route del 30.0.1.0/24');
    await ip('nexthop del id 5');
    await agree('-4', 0);
  });

  test('paths of an IPv6 route come and go one by one', async () => {
    await ip('-6 route add 2001:db8:30::/48 via 2001:db8:0::2');
    await ip('-6 route append 2001:db8:30::/48 via 2001:db8:1::2');
    await ip('-6 route append 2001:db8:30::/48 via 2001:db8:1::3');
    await agree('-6', 1);
    await ip('-6 route del 2001:db8:30::/48 via 2001:db8:1::2');
    await agree('-6', 1);
    await ip('-6 route replace 2001:db8:30::/48 via 2001:db8:1::9');
    await agree('-6', 1);
    await ip('-6 route del 2001:db8:30::/48');
    await agree('-6', 0);
  });

  test("routes through somebody's nexthop objects have the objects' paths, and go with them", async () => {
    await ip('nexthop add id 5 via 10.0.0.2 dev eth0');
    await ip('nexthop add id 6 via 10.0.1.2 dev eth1');
    await ip('nexthop add id 7 group 5/6');
    await ip('route add 30.0.0.0/24 nhid 5');
    await ip('route add 30.0.1.0/24 nhid 7');
    await agree('-4', 2);
    await ip('nexthop replace id 5 via 10.0.0.9 dev eth0');
    await agree('-4', 2);
    await ip('nexthop del id 6');
    await agree('-4', 2);
    await ip('nexthop del id 5');
    await agree('-4', 0);
  });

  test('routes through objects of ours, and through groups of them, go with these in silence', async () => {
    const objects = async (): Promise<{ id: number; group?: unknown[] }[]> =>
      (await ns.ipJson<{ id: number; protocol: string }[]>('nexthop')).filter(one => one.protocol === 'zebra');
    const borrow = async (): Promise<number> => {
      await until(async () => (await objects()).length === 2, { what: 'objects of ours' });
      const group = (await objects()).find(one => one.group !== undefined)!.id;
      const path = (await objects()).find(one => one.group === undefined)!.id;
      await ip(`nexthop add id 8 group ${path}`);
      await ip(`route add 30.0.0.0/24 nhid ${group}`);
      await ip(`route add 30.0.1.0/24 nhid ${path}`);
      await ip('route add 30.0.2.0/24 nhid 8');
      await agree('-4', 3);
      return path;
    };
    await host.configure(`ip route ${OURS} 10.0.0.2`);
    await borrow();
    await host.configure(`no ip route ${OURS} 10.0.0.2`);
    await agree('-4', 0);
    // The same when somebody else takes ours away: our own route comes back, theirs do not.
    await host.configure(`ip route ${OURS} 10.0.0.2`);
    await ip(`nexthop del id ${await borrow()}`);
    await until(async () => (await ns.ipJson<unknown[]>('route', 'show', OURS)).length === 1, {
      what: 'our own route to come back',
    });
    await agree('-4', 0);
    await host.configure(`no ip route ${OURS} 10.0.0.2`);
  });

  test('a device that is deleted takes the whole of a route along that has a path elsewhere, except by objects', async () => {
    await ip('link add eth2 type veth peer name p2');
    for (const end of ['eth2', 'p2']) await ip(`link set ${end} up`);
    await ip('addr add 10.0.2.1/24 dev eth2');
    await ip('nexthop add id 5 via 10.0.0.2 dev eth0');
    await ip('nexthop add id 6 via 10.0.2.2 dev eth2');
    await ip('nexthop add id 7 group 5/6');
    await ip('route add 30.0.0.0/24 nexthop via 10.0.0.2 nexthop via 10.0.2.2');
    await ip('route add 30.0.1.0/24 nhid 7');
    await agree('-4', 2);
    await ip('link del eth2');
    await agree('-4', 1);
    await ip('nexthop del id 5');
    await agree('-4', 0);
  });

  test('a lost carrier does not end them, except those through objects; a link set down does', async () => {
    await ip('nexthop add id 5 via 10.0.0.2 dev eth0');
    await ip('route add 30.0.0.0/24 nhid 5');
    await ip('route add 30.0.1.0/24 via 10.0.0.2');
    await ip('route add 30.0.2.0/24 nexthop via 10.0.0.2 nexthop via 10.0.1.2');
    await agree('-4', 3);
    await ip('link set p0 down');
    await agree('-4', 2);
    assert.match(await host.run('show ip route 30.0.1.0/24'), /inactive/);
    await ip('link set p1 down');
    await ip('link set p0 up');
    await agree('-4', 2);
    await ip('link set eth0 down');
    await agree('-4', 1);
    await ip('link set eth1 down');
    await agree('-4', 0);
  });
});
