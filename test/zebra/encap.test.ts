// Routes whose next hops do something to packets: SRv6 in the kernel, beside FRR's zebra, and labels as far as any kernel goes.
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AF_INET } from '../../src/net/index.ts';
import { rtnetlink as c } from '../../src/netlink/index.ts';
import { gatewayNexthop, ROUTE_BGP } from '../../src/zebra/index.ts';
import { showRoutes } from '../../src/zebra/show/route.ts';
import { type Daemon, startFrr } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { Announcer, type Hop } from './announcer.ts';
import { frrRows } from './frr-rows.ts';
import { Host } from './host-process.ts';
import { Bench } from './lib.ts';
import { bgpRoutes as routes, type Route } from './plain-routes.ts';

const WITHOUT_OBJECTS = 'no zebra nexthop kernel enable\n';
const ETH0 = 100;

const ROUTES: Readonly<Record<string, readonly Hop[]>> = {
  '10.1.0.0/16': [{ via: '192.0.2.9', ifindex: ETH0, sid: 'fd00::1' }],
  '10.2.0.0/16': [
    { via: '192.0.2.9', ifindex: ETH0, sid: 'fd00::1' },
    { via: '192.0.2.10', ifindex: ETH0, sid: 'fd00::2' },
  ],
  '10.3.0.0/16': [{ via: '192.0.2.9', ifindex: ETH0, labels: [3] }],
  '2001:db8:1::/48': [{ via: '2001:db8::9', ifindex: ETH0, sid: 'fd00::1' }],
  'fd00:1::1/128': [{ ifindex: ETH0, local: { action: c.SEG6_LOCAL_ACTION_END } }],
  'fd00:1::2/128': [{ ifindex: ETH0, local: { action: c.SEG6_LOCAL_ACTION_END_X, nh6: '2001:db8::9' } }],
  'fd00:1::3/128': [{ ifindex: ETH0, local: { action: c.SEG6_LOCAL_ACTION_END_T, table: 254 } }],
  'fd00:1::4/128': [{ ifindex: ETH0, local: { action: c.SEG6_LOCAL_ACTION_END_DX4, nh4: '192.0.2.9' } }],
  'fd00:1::6/128': [{ ifindex: ETH0, local: { action: c.SEG6_LOCAL_ACTION_END_DT6, table: 254 } }],
};

describe('SRv6, beside FRR', { timeout: 60_000 }, () => {
  const lab = new Lab();
  let theirs: Namespace;
  let mine: Namespace;
  let zebra: Daemon;
  let host: Host;
  const clients: Announcer[] = [];

  async function build(namespace: Namespace): Promise<void> {
    await namespace.run('ip', 'link', 'add', 'eth0', 'index', String(ETH0), 'type', 'veth', 'peer', 'name', 'p0');
    for (const name of ['eth0', 'p0']) {
      await namespace.run('ip', 'link', 'set', name, 'addrgenmode', 'none');
      await namespace.run('ip', 'link', 'set', name, 'up');
    }
    await namespace.run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0');
    await namespace.run('ip', 'addr', 'add', '2001:db8::1/64', 'dev', 'eth0', 'nodad');
  }

  async function settled(namespace: Namespace): Promise<void> {
    let seen: Route[] = [];
    await until(async () => (seen = await routes(namespace)).length === Object.keys(ROUTES).length, {
      what: () => `all routes, not ${JSON.stringify(seen)}`,
    });
  }

  before(async () => {
    theirs = await lab.namespace('frr');
    mine = await lab.namespace('grevy');
    await build(theirs);
    await build(mine);
    const directory = await lab.directory();
    zebra = await startFrr(lab, theirs, 'zebra', '', { directory });
    const home = await lab.directory();
    chmodSync(home, 0o755);
    host = new Host(mine, join(home, 'zserv.api'), 60_000);
    await host.ready;
    for (const path of [join(directory, 'zserv.api'), join(home, 'zserv.api')]) {
      const client = new Announcer(path);
      clients.push(client);
      for (const [prefix, hops] of Object.entries(ROUTES)) client.announce(prefix, ...hops);
    }
    await settled(theirs);
    await settled(mine);
  });

  after(async () => {
    for (const client of clients) client.close();
    await lab.close();
  });

  test('the same routes are in the kernel, by nexthop objects that do the same', async () => {
    assert.deepEqual(await routes(mine), await routes(theirs));
    const encaps = (await mine.ipJson<{ encap?: string; segs?: string[] }[]>('nexthop')).filter(one => one.encap);
    assert.equal(encaps.length, 8);
  });

  test('show ip route says the same', async () => {
    for (const command of ['show ip route json', 'show ipv6 route json']) {
      assert.deepEqual(frrRows(await host.run(command)), frrRows(await zebra.sh(command)));
    }
    assert.match(await host.run('show ip route'), /10\.1\.0\.0\/16 .* via 192\.0\.2\.9, eth0, seg6 fd00::1, weight 1/);
    const six = await host.run('show ipv6 route');
    assert.match(six, /fd00:1::2\/128 .* eth0, seg6local End\.X nh6 2001:db8::9, weight 1/);
    assert.match(six, /fd00:1::6\/128 .* eth0, seg6local End\.DT6 table 254, weight 1/);
  });

  test('without nexthop objects the routes do the same themselves', async () => {
    const before = await routes(mine);
    await host.configure(WITHOUT_OBJECTS);
    await until(async () => (await mine.ipJson<object[]>('nexthop')).length === 0, { what: 'the objects to go' });
    assert.deepEqual(await routes(mine), before);
    // What somebody took away comes back as it was.
    await mine.run('ip', 'route', 'del', '10.1.0.0/16', 'proto', '186');
    await settled(mine);
    assert.deepEqual(await routes(mine), before);
  });
});

describe('labels', () => {
  const label = (address: string, ...labels: number[]): ReturnType<typeof gatewayNexthop> => {
    const word = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
    return gatewayNexthop(AF_INET, [word, 0, 0, 0], 0, false, 1, { type: c.LWTUNNEL_ENCAP_MPLS, labels });
  };
  const pathsOf = (b: Bench): (readonly number[])[] =>
    [...b.kernel.nexthops.values()].map(({ path }) =>
      'labels' in (path.encap ?? {}) ? (path.encap as never)['labels'] : [],
    );

  function bench(): Bench {
    const b = new Bench();
    b.link(2, 'eth0', '192.0.2.1/24');
    return b;
  }

  test('are told to the kernel but for implicit null, and shown with it', () => {
    const b = bench();
    b.add('10.1.0.0/16', ROUTE_BGP, [label('192.0.2.9', 16, 17)], 20);
    b.add('10.2.0.0/16', ROUTE_BGP, [label('192.0.2.9', 3)], 20);
    b.settle();
    assert.deepEqual(pathsOf(b), [[16, 17], []]);
    const text = [...showRoutes(b.zebra, 0, AF_INET, {}, '\n\n')].join('');
    assert.match(text, /10\.1\.0\.0\/16 .* eth0, label 16\/17, weight 1/);
    assert.match(text, /10\.2\.0\.0\/16 .* eth0, label implicit-null, weight 1/);
  });

  test("a route's own are below those of the route that it resolves through", () => {
    const b = bench();
    b.add('10.1.0.0/16', ROUTE_BGP, [label('192.0.2.9', 16)], 20);
    b.add('10.2.0.0/16', ROUTE_BGP, [label('10.1.0.9', 18)], 20);
    b.settle();
    assert.deepEqual(pathsOf(b), [[16], [16, 18]]);
    b.add('10.1.0.0/16', ROUTE_BGP, [label('192.0.2.9', 20)], 20);
    b.settle();
    assert.deepEqual(
      pathsOf(b).toSorted((one, other) => one.length - other.length),
      [[20], [20, 18]],
    );
  });

  test('next hops that differ in nothing else are different', () => {
    const b = bench();
    b.add('10.1.0.0/16', ROUTE_BGP, [label('192.0.2.9', 16), label('192.0.2.9', 17)], 20);
    b.settle();
    const [route] = b.kernel.ours();
    assert.equal(b.kernel.groups.get(route!.nexthopId)!.length, 2);
  });
});
