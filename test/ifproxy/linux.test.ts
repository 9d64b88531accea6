// Every event by a real `ip` command, in callbacks and in a queue that another thread reads, and what they sum up to beside `ip -j`.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import {
  type EventKind,
  IfProxy,
  IfProxyError,
  LinuxPlatform,
  type Proxy,
  routeValue,
} from '../../src/ifproxy/index.ts';
import { encodeRouteWithPaths, NetlinkSocket, rtnetlink as c } from '../../src/netlink/index.ts';
import { inNetworkNamespace } from '../../src/sys/index.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { kernelText } from './replay.ts';
import { closeWorlds, TestPort, World } from './world.ts';

describe('each command and what it says', { timeout: 120_000 }, () => {
  const lab = new Lab();
  after(() => closeWorlds());
  after(() => lab.close());
  let world: World;
  let proxy: Proxy;
  let worker: Worker;
  let queued = '';
  let queuedKinds: string[] = [];

  before(async () => {
    const namespace = await lab.namespace('a');
    world = new World(namespace);
    const queue = world.library.queue();
    proxy = await world.tap();
    // No address that comes by itself, and is another one when it has been tried.
    await world.ip('link', 'set', 'tap1', 'addrgenmode', 'none');
    await world.ip('-6', 'addr', 'flush', 'dev', 'tap1');
    worker = new Worker(new URL('queue-worker.ts', import.meta.url), {
      workerData: { share: queue.share, proxyId: proxy.id },
    });
    worker.on('message', ({ text, kinds }: { text: string; kinds: string[] }) => {
      queued = text;
      queuedKinds.push(...kinds);
    });
    await settled();
  });
  after(() => world.library.close());

  async function settled(): Promise<void> {
    await world.agrees();
    let kernel = '';
    await until(
      async () => {
        kernel = await kernelText(world.namespace, 'tap1');
        return queued === kernel;
      },
      { what: () => `the kernel has\n${kernel}\nand the queue\n${queued}` },
    );
  }

  /** What these commands are told as, in callbacks and in the queue. */
  async function says(commands: string, expected: readonly EventKind[]): Promise<void> {
    world.told.length = 0;
    queuedKinds.length = 0;
    for (const command of commands.split('; ')) await world.ip(...command.split(' '));
    await settled();
    const told = world.told.filter(kind => kind !== 'commit');
    await until(() => queuedKinds.length >= told.length, { what: 'the queue’s thread' });
    assert.deepEqual(queuedKinds, told);
    assert.deepEqual(told, expected);
  }

  const steps: [string, EventKind[]][] = [
    ['link set tap1 mtu 1600', ['mtuChanged']],
    ['link set tap1 address 02:00:00:00:00:99', ['macChanged']],
    ['addr add 10.0.0.1/24 dev tap1', ['addressAdded', 'routeAdded', 'routeAdded', 'routeAdded']],
    ['addr add 10.1.0.1 peer 10.1.0.2/32 dev tap1', ['addressAdded', 'routeAdded', 'routeAdded']],
    ['addr del 10.1.0.1 peer 10.1.0.2/32 dev tap1', ['addressDeleted', 'routeDeleted', 'routeDeleted']],
    ['-6 addr add 2001:db8::1/64 dev tap1 nodad scope link', ['routeAdded', 'addressAdded', 'routeAdded']],
    ['-6 addr change 2001:db8::1/64 dev tap1 nodad home', ['addressChanged']],
    ['route add default via 10.0.0.2', ['routeAdded']],
    ['route del default', ['routeDeleted']],
    ['-6 route add default via 2001:db8::2 metric 7', ['routeAdded']],
    ['route add 10.9.0.0/16 via 10.0.0.2 table 77 metric 5 proto bgp', ['routeAdded']],
    ['route replace 10.9.0.0/16 via 10.0.0.3 table 77 metric 5', ['routeReplaced']],
    ['route append 10.9.0.0/16 via 10.0.0.4 table 77 metric 5', ['routeAdded']],
    ['route add 10.8.0.0/16 nexthop via 10.0.0.2 weight 3 nexthop via 10.0.0.3', ['routeAdded']],
    ['route add 10.7.0.0/16 via inet6 fe80::1 dev tap1', ['routeAdded']],
    ['route add unreachable 10.6.0.0/16', ['routeAdded']],
    [
      'nexthop add id 7 via 10.0.0.5 dev tap1; nexthop add id 8 via 10.0.0.6 dev tap1; nexthop add id 9 group 7/8,3',
      [],
    ],
    ['route add 10.5.0.0/16 nhid 9', ['routeAdded']],
    ['nexthop replace id 8 via 10.0.0.7 dev tap1', ['routeReplaced']],
    ['nexthop del id 7', ['routeReplaced']],
    ['nexthop del id 8', ['routeDeleted']],
    ['neigh add 10.0.0.77 lladdr 02:00:00:00:00:01 dev tap1', ['neighborAdded']],
    ['neigh change 10.0.0.77 lladdr 02:00:00:00:00:02 dev tap1', ['neighborChanged']],
    ['neigh del 10.0.0.77 dev tap1', ['neighborChanged', 'neighborDeleted']],
    ['-6 neigh add 2001:db8::9 lladdr 02:00:00:00:00:01 dev tap1 router', ['neighborAdded']],
  ];
  for (const [commands, expected] of steps) test(commands, () => says(commands, expected));

  test('link set tap1 down: all that goes with it', async () => {
    world.told.length = 0;
    await world.ip('link', 'set', 'tap1', 'down');
    await settled();
    assert.equal(world.told[0], 'linkChanged');
    assert.ok(world.told.includes('routeDeleted') && world.told.includes('neighborDeleted'));
    assert.equal(world.replay.link.up, false);
    assert.deepEqual(
      [...world.replay.routes.values()].filter(route => route.hops.length > 0 && route.type === 1),
      [],
    );
  });

  test('link set tap1 name tap7, and up again', async () => {
    world.told.length = 0;
    await world.ip('link', 'set', 'tap1', 'name', 'tap7');
    await until(() => world.replay.link.name === 'tap7', { what: 'the new name' });
    assert.equal(proxy.info.name, 'tap7');
    assert.equal(world.library.proxy('tap7'), proxy);
    await world.ip('link', 'set', 'tap7', 'name', 'tap1');
    await world.ip('link', 'set', 'tap1', 'up');
    await settled();
  });

  test('link del: the proxy is gone', async () => {
    world.told.length = 0;
    const ended = new Promise(resolve => worker.once('exit', resolve));
    await world.ip('link', 'del', 'tap1');
    await until(() => world.replay.gone, { what: 'proxyGone' });
    assert.equal(proxy.state, 'gone');
    assert.equal(world.replay.addresses.size + world.replay.neighbors.size, 0);
    await ended;
    assert.equal(proxy.transmit(new Uint8Array(60)), false);
    assert.equal(proxy.receive(new Uint8Array(2000)), 0);
  });
});

describe('interfaces', { timeout: 60_000 }, () => {
  const lab = new Lab();
  after(() => closeWorlds());
  after(() => lab.close());
  let namespace: Namespace;
  let library: IfProxy;

  before(async () => {
    namespace = await lab.namespace('a');
    library = new IfProxy({ platform: new LinuxPlatform({ namespace: namespace.path }) });
  });
  after(() => library.close());

  test('a TAP as asked for, and frames both ways', async () => {
    const mac = Uint8Array.of(2, 0, 0, 0, 0, 7);
    const proxy = library.create('tap%d', { mtu: 1400, mac, up: true });
    const [link] = await namespace.ipJson('link', 'show', 'dev', 'tap0');
    assert.equal(link!['mtu'], 1400);
    assert.equal(link!['address'], '02:00:00:00:00:07');
    assert.ok((link!['flags'] as string[]).includes('UP'));
    const port = new TestPort('p');
    library.bind(port, proxy);
    assert.deepEqual(port.mac, mac);
    // ARP for an address of the interface is answered by the kernel.
    await namespace.run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'tap0');
    const request = Buffer.from(
      'ffffffffffff02000000000808060001080006040001020000000008c0000202000000000000c0000201',
      'hex',
    );
    const frame = new Uint8Array(2000);
    let answered = false;
    await until(
      () => {
        assert.ok(proxy.transmit(request));
        for (let length = proxy.receive(frame); length > 0; length = proxy.receive(frame)) {
          if (frame[12] === 8 && frame[13] === 6 && frame[21] === 2) answered = true;
        }
        return answered;
      },
      { what: 'an answer to ARP' },
    );
    library.unbind(port);
    library.destroy(proxy);
    assert.deepEqual(await namespace.ipJson('link', 'show', 'type', 'tun'), []);
    assert.throws(() => proxy.transmit(request), IfProxyError);
  });

  test('a TUN has no MAC', () => {
    const proxy = library.create('tun7', { type: 'tun' });
    assert.equal(proxy.info.mac.length, 0);
    const port = new TestPort('p');
    library.bind(port, proxy);
    assert.equal(port.mac, undefined);
    library.unbind(port);
    library.destroy(proxy);
  });

  test('names that cannot be', () => {
    assert.throws(() => library.create('a name'), new IfProxyError('a name is no name of an interface'));
    assert.throws(() => library.create('lo'), /TUNSETIFF.*lo/);
    for (const nowhere of ['nowhere', 'longer than a name can be', 0, -1]) {
      assert.throws(() => library.adopt(nowhere), new IfProxyError(`there is no interface ${nowhere}`));
    }
    assert.throws(() => library.create('tap5', { mtu: 3 }), /link/);
  });

  for (const [what, ...add] of [
    ['veth', 'type', 'veth', 'peer', 'name', 'other'],
    ['bridge', 'type', 'bridge'],
    ['macvlan', 'link', 'lower', 'type', 'macvlan'],
  ]) {
    test(`an adopted ${what}`, async () => {
      const other = await lab.namespace(what!);
      const world = new World(other);
      await world.ip('link', 'add', 'name', 'lower', 'type', 'veth', 'peer', 'name', 'upper');
      await world.ip('link', 'set', 'lower', 'up');
      await world.ip(
        'link',
        'add',
        ...add.slice(0, 2).filter(word => word === 'link' || word === 'lower'),
        'name',
        'here',
        ...(add[0] === 'link' ? add.slice(2) : add),
      );
      const proxy = world.library.adopt('here');
      world.library.bind(world.port, proxy);
      world.library.listen();
      await world.ip('link', 'set', 'here', 'up');
      await world.ip('addr', 'add', '10.0.0.1/24', 'dev', 'here');
      await world.agrees('here');
      assert.throws(() => proxy.transmit(new Uint8Array(60)), /it was adopted/);
      world.library.close();
      assert.equal((await other.ipJson('link', 'show', 'dev', 'here')).length, 1);
    });
  }

  test('one moved to another namespace is gone from this one, and may be adopted when it is back', async () => {
    const [here, there] = [await lab.namespace('here'), await lab.namespace('there')];
    const world = new World(here);
    await world.ip('link', 'add', 'name', 'v0', 'type', 'veth', 'peer', 'name', 'v1');
    await world.ip('link', 'set', 'v0', 'up');
    await world.ip('addr', 'add', '10.0.0.1/24', 'dev', 'v0');
    const proxy = world.library.adopt('v0');
    world.library.bind(world.port, proxy);
    world.library.listen();
    await world.agrees('v0');
    await world.ip('link', 'set', 'v0', 'netns', String(there.pid));
    await until(() => world.replay.gone, { what: 'proxyGone' });
    assert.equal(world.replay.addresses.size, 0);
    assert.equal(world.replay.routes.size, 0);
    assert.equal(proxy.state, 'gone');
    await there.run('ip', 'link', 'set', 'v0', 'netns', String(here.pid));
    const again = world.library.adopt('v0');
    world.library.bind(world.port, again);
    world.replay.forget();
    await world.ip('link', 'set', 'v0', 'up');
    await world.agrees('v0');
    world.library.close();
  });

  test('one deleted and another with its number, while nobody listened', async () => {
    const namespace = await lab.namespace('reuse');
    const world = new World(namespace, { receiveBuffer: 2048 });
    const { library } = world;
    const settle = (): void => {
      while (library.step() || library.stats.dumps === 0);
    };
    await world.ip('link', 'add', 'name', 'v0', 'index', '77', 'type', 'veth', 'peer', 'name', 'v1');
    const tap = library.create('tap1', { up: true });
    const adopted = library.adopt('v0');
    library.bind(world.port, adopted);
    library.bind(new TestPort('p2'), tap);
    library.open();
    settle();
    const { ifindex } = tap.info;
    assert.equal(tap.state, 'there');
    await world.ip('link', 'del', 'tap1');
    await world.ip('link', 'del', 'v0');
    await world.ip('link', 'add', 'name', 'v0', 'index', '77', 'type', 'veth', 'peer', 'name', 'v1');
    await world.ip('link', 'set', 'v0', 'name', 'v7');
    await world.ip('tuntap', 'add', 'mode', 'tap', 'name', 'tap9');
    await world.ip('link', 'del', 'tap9');
    await world.ip('link', 'add', 'name', 'tap1', 'index', String(ifindex), 'type', 'bridge');
    settle();
    assert.ok(library.stats.overruns > 0);
    assert.equal(tap.state, 'gone');
    assert.equal(adopted.state, 'gone');
    assert.ok(world.replay.gone);
    assert.equal(library.proxy('v7'), undefined);
  });

  test('two proxies of one library, a link that another one’s routes lead over as well', async () => {
    const world = new World(await lab.namespace('two'));
    const second = world.library.create('tap2', { up: true });
    world.library.bind(new TestPort('p2'), second);
    await world.tap();
    await world.ip('addr', 'add', '10.0.0.1/24', 'dev', 'tap1');
    await world.ip('addr', 'add', '10.0.2.1/24', 'dev', 'tap2');
    const hops = ['nexthop', 'via', '10.0.0.2', 'nexthop', 'via', '10.0.2.2'];
    await world.ip('route', 'add', '10.9.0.0/16', ...hops);
    await world.agrees();
    const hopsOf = (): number =>
      [...world.replay.routes.values()].find(route => route.words[0] === 0x0a090000)!.hops.length;
    assert.equal(hopsOf(), 2);
    await world.ip('link', 'set', 'tap2', 'down');
    await world.agrees();
    assert.equal(hopsOf(), 1);
    await world.ip('link', 'set', 'tap2', 'up');
    await world.agrees();
    assert.equal(hopsOf(), 2);
    world.library.close();
  });
});

describe('what the kernel says in few words, or in none', { timeout: 60_000 }, () => {
  const lab = new Lab();
  let namespaces = 0;
  after(() => closeWorlds());
  after(() => lab.close());

  /** A TAP with addresses, and a veth with others, the proxy being the TAP. */
  async function ready(...settings: string[]): Promise<World> {
    const world = new World(await lab.namespace(`n${namespaces++}`));
    if (settings.length > 0) await world.namespace.run('sysctl', '-qw', ...settings);
    await world.tap();
    await run(
      world,
      'addr add 10.0.0.1/24 dev tap1',
      '-6 addr add 2001:db8::1/64 dev tap1 nodad',
      'link add name v0 up type veth peer name v1',
      'link set v1 up',
      'addr add 10.2.0.1/24 dev v0',
      '-6 addr add 2001:db8:2::1/64 dev v0 nodad',
    );
    await world.agrees();
    return world;
  }

  async function run(world: World, ...commands: string[]): Promise<void> {
    for (const command of commands) await world.ip(...command.split(' '));
  }

  test('the address that routes are from is deleted', async () => {
    const world = await ready();
    await run(
      world,
      'addr add 10.1.0.1/32 dev v0',
      'route add 10.9.0.0/16 via 10.0.0.2 src 10.1.0.1',
      '-6 addr add 2001:db8:1::1/64 dev tap1 nodad',
      '-6 route add 2001:db9::/32 via 2001:db8::2 src 2001:db8:1::1',
    );
    await world.agrees();
    await run(world, 'addr del 10.1.0.1/32 dev v0', '-6 addr del 2001:db8:1::1/64 dev tap1');
    await world.agrees();
  });

  test('two IPv4 routes that differ in their metrics only', async () => {
    const world = await ready();
    await run(
      world,
      'route add 10.9.0.0/16 via 10.0.0.2 mtu 1400',
      'route append 10.9.0.0/16 via 10.0.0.2',
      'route append 10.9.0.0/16 via 10.0.0.2 mtu 1300',
    );
    await world.agrees();
    await run(world, 'route del 10.9.0.0/16 via 10.0.0.2');
    await world.agrees();
  });

  test('IPv6 routes that an administrator says were advertised join, as others do', async () => {
    const world = await ready();
    await run(world, '-6 route add default proto ra via fe80::1 dev tap1');
    await world.agrees();
    world.told.length = 0;
    await run(world, '-6 route append default proto ra via fe80::2 dev tap1');
    await world.agrees();
    const routes = world.told.filter(kind => kind.startsWith('route'));
    assert.deepEqual(routes, ['routeReplaced']);
    await run(world, '-6 route append default proto static via fe80::3 dev tap1');
    await world.agrees();
    await run(world, '-6 route del default proto ra via fe80::1 dev tap1');
    await world.agrees();
  });

  for (const compat of [0, 1]) {
    test(`an object becomes a blackhole, and leads somewhere again, with nexthop_compat_mode ${compat}`, async () => {
      const world = await ready(`net.ipv4.nexthop_compat_mode=${compat}`);
      await run(world, 'nexthop add id 7 via 10.0.0.5 dev tap1', 'route add 10.9.0.0/16 nhid 7');
      await world.agrees();
      await run(world, 'nexthop replace id 7 blackhole');
      await world.agrees();
      await run(world, 'nexthop replace id 7 via 10.2.0.5 dev v0');
      await world.agrees();
    });
  }

  test('IPv6 is taken from the interface of one of several hops', async () => {
    const world = await ready();
    await run(world, '-6 route add 2001:db9::/32 nexthop via 2001:db8::2 nexthop via 2001:db8:2::2');
    await world.agrees();
    await world.namespace.run('sysctl', '-qw', 'net.ipv6.conf.v0.disable_ipv6=1');
    await world.agrees();
    await world.namespace.run('sysctl', '-qw', 'net.ipv6.conf.v0.disable_ipv6=0');
    await world.agrees();
  });

  test('a neighbour whose MAC becomes a group’s', async () => {
    const world = await ready();
    await run(world, 'neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev tap1 nud permanent');
    await world.agrees();
    await run(world, 'neigh replace 10.0.0.9 lladdr 01:00:5e:00:00:09 dev tap1 nud noarp');
    await world.agrees();
  });

  test('an IPv6 route for some sources only is not told, nor taken for another', async () => {
    const world = await ready();
    await run(world, '-6 route add 2001:db9::/32 via 2001:db8::2');
    await world.agrees();
    world.told.length = 0;
    await run(
      world,
      '-6 route add 2001:db9::/32 from 2001:db8:5::/64 via 2001:db8::3',
      '-6 route del 2001:db9::/32 from 2001:db8:5::/64 via 2001:db8::3',
      'link set tap1 mtu 1400',
    );
    await world.agrees();
    assert.deepEqual(
      world.told.filter(kind => kind !== 'commit'),
      ['mtuChanged'],
    );
  });

  test('what is found after an overrun is deleted before what came in its place is added', async () => {
    const world = new World(await lab.namespace('order'), { receiveBuffer: 2048 });
    const { library } = world;
    const settle = (): void => {
      while (library.step() || library.stats.dumps === 0);
    };
    const tap = library.create('tap1', { up: true });
    library.bind(world.port, tap);
    library.open();
    settle();
    await run(world, '-6 addr add 2001:db8::1/64 dev tap1 nodad', '-6 route add 2001:db9::/32 dev tap1');
    settle();
    world.told.length = 0;
    const routes: string[] = [];
    const hear = ({ kind, w0 }: { kind: string; w0: number }): void => void (w0 === 0x20010db9 && routes.push(kind));
    library.register({ routeAdded: hear, routeReplaced: hear, routeDeleted: hear });
    settle();
    routes.length = 0;
    for (let mtu = 1400; mtu < 1412; mtu++) await run(world, `link set tap1 mtu ${mtu}`);
    // Another name and another MAC, and nobody heard: it is the TAP that the library holds all the same.
    await run(world, 'link set tap1 name tap2', 'link set tap2 address 02:00:00:00:00:77');
    await run(world, '-6 route del 2001:db9::/32 dev tap2', '-6 route add 2001:db9::/32 via 2001:db8::2 dev tap2');
    settle();
    assert.ok(library.stats.overruns > 0);
    assert.equal(tap.state, 'there');
    assert.equal(tap.info.name, 'tap2');
    assert.deepEqual(routes, ['routeDeleted', 'routeAdded']);
    await world.agrees('tap2');
  });
});

describe('whose a change is', { timeout: 60_000 }, () => {
  const lab = new Lab();
  after(() => closeWorlds());
  after(() => lab.close());

  test('own changes are known, and left out when asked', async () => {
    const namespace = await lab.namespace('a');
    const world = new World(namespace);
    const told: string[] = [];
    const others: string[] = [];
    const kinds = ['routeAdded', 'routeReplaced'] as const;
    const hear =
      (list: string[]) =>
      (event: { prefix: string; own: boolean; kind: string }): void => {
        list.push(`${event.kind} ${event.prefix} ${event.own}`);
      };
    world.library.register({ routeAdded: hear(told), routeReplaced: hear(told) }, { kinds, prefixes: ['10.9.0.0/16'] });
    world.library.register(
      { routeAdded: hear(others), routeReplaced: hear(others) },
      { kinds, prefixes: ['10.9.0.0/16'], own: false },
    );
    const proxy = await world.tap();
    const socket = inNetworkNamespace(namespace.path, () => new NetlinkSocket());
    world.library.own(socket.portId);
    await world.ip('addr', 'add', '10.0.0.1/24', 'dev', 'tap1');
    socket.request('route', (writer, flags, sequence) => {
      writer.at = encodeRouteWithPaths(
        writer.buffer,
        0,
        sequence,
        flags | c.NLM_F_CREATE,
        2,
        254,
        [0x0a090100, 0, 0, 0],
        24,
        4,
        0,
        [{ ifindex: proxy.info.ifindex, gatewayFamily: 2, gateway: [0x0a000002, 0, 0, 0], flags: 0, weight: 1 }],
      );
    });
    await world.ip('route', 'add', '10.9.2.0/24', 'via', '10.0.0.3', 'metric', '9', 'proto', 'static');
    await world.agrees();
    assert.deepEqual(told, ['routeAdded 10.9.1.0/24 true', 'routeAdded 10.9.2.0/24 false']);
    assert.deepEqual(others, ['routeAdded 10.9.2.0/24 false']);
    assert.equal(world.library.feedback(0, { offload: true }), false);
    socket.close();
    world.library.close();
  });

  test('Linux has no place for feedback: why there is none', async () => {
    const world = new World(await lab.namespace('c'));
    const proxy = await world.tap();
    await world.ip('addr', 'add', '10.0.0.1/24', 'dev', 'tap1');
    const socket = inNetworkNamespace(world.namespace.path, () => new NetlinkSocket());
    const { ifindex } = proxy.info;
    const put = (third: number, gateway: number, flags: number, how: number): void => {
      const path = { ifindex, gatewayFamily: 2, gateway: [0x0a000000 + gateway, 0, 0, 0], flags, weight: 1 } as const;
      socket.request('route', (writer, ack, sequence) => {
        const prefix = [0x0a090000 + (third << 8), 0, 0, 0] as const;
        const { buffer } = writer;
        writer.at = encodeRouteWithPaths(buffer, 0, sequence, ack | how, 2, 254, prefix, 24, 4, 0, [path], 255);
      });
    };
    const flagsOf = async (third: number): Promise<unknown> =>
      (await world.namespace.ipJson('route', 'show', `10.9.${third}.0/24`))[0]!['flags'];
    // Where a route is replaced, they are passed over.
    put(1, 2, 0, c.NLM_F_CREATE);
    put(1, 2, c.RTNH_F_OFFLOAD, c.NLM_F_REPLACE);
    assert.deepEqual(await flagsOf(1), []);
    // With hops that no route has they are taken, and are then all such routes'.
    put(2, 3, c.RTNH_F_OFFLOAD, c.NLM_F_CREATE);
    put(3, 3, 0, c.NLM_F_CREATE);
    assert.deepEqual(await flagsOf(3), ['offload']);
    // What is there is told.
    await world.agrees();
    socket.close();
    world.library.close();
  });

  test('a route’s event as a value has all that the kernel says of it', async () => {
    const world = new World(await lab.namespace('b'));
    let value: ReturnType<typeof routeValue> | undefined;
    world.library.register(
      {
        routeAdded: event => {
          value = routeValue(event);
        },
      },
      { prefixes: ['10.9.0.0/16'] },
    );
    await world.tap();
    await world.ip('addr', 'add', '10.0.0.1/24', 'dev', 'tap1');
    const directory = await lab.directory();
    const file = join(directory, 'batch');
    const hops =
      'nexthop via 10.0.0.2 weight 7 nexthop via inet6 fe80::1 dev tap1 nexthop via 192.0.2.1 dev tap1 onlink';
    writeFileSync(file, `route add 10.9.0.0/16 table 300 metric 17 tos 0x10 proto 99 src 10.0.0.1 ${hops}\n`);
    await world.ip('-batch', file);
    await until(() => value, { what: 'the route' });
    const { ifindex } = world.library.proxy('tap1')!.info;
    const { id: _id, ...rest } = value!;
    assert.deepEqual(rest, {
      family: 2,
      words: [0x0a090000, 0, 0, 0],
      length: 16,
      table: 300,
      metric: 17,
      tos: 16,
      protocol: 99,
      scope: 0,
      type: 1,
      offload: 0,
      nexthopId: 0,
      source: { family: 2, words: [0x0a000001, 0, 0, 0] },
      hops: [
        { ifindex, gatewayFamily: 2, gateway: [0x0a000002, 0, 0, 0], weight: 7, flags: 0, encap: 0 },
        { ifindex, gatewayFamily: 10, gateway: [0xfe800000, 0, 0, 1], weight: 1, flags: 0, encap: 0 },
        { ifindex, gatewayFamily: 2, gateway: [0xc0000201, 0, 0, 0], weight: 1, flags: 4, encap: 0 },
      ],
    });
    world.library.close();
  });
});
