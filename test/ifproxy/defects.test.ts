// What DPDK's IF proxy (v3 of the patches) lost, one test each, by its number in the list of what was found in reading it: each test says
// what was wrong there. All on the real kernel.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, describe, test } from 'node:test';
import { EventReader, IfProxy, type IfProxyOptions, LinuxPlatform, type RouteValue } from '../../src/ifproxy/index.ts';
import { encodeRouteWithPaths, NetlinkSocket, NotificationStream, rtnetlink as c } from '../../src/netlink/index.ts';
import { getOption, inNetworkNamespace, linux } from '../../src/sys/index.ts';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { kernelText, Replay } from './replay.ts';
import { closeWorlds, TestPort, World } from './world.ts';

const NETLINK_GET_STRICT_CHK = 12;

describe('what DPDK’s IF proxy lost', { timeout: 300_000 }, () => {
  const lab = new Lab();
  let namespaces = 0;
  afterEach(() => closeWorlds());
  after(() => lab.close());

  async function world(options: IfProxyOptions = {}): Promise<World> {
    return new World(await lab.namespace(`n${namespaces++}`), options);
  }

  /** A world with a TAP that has 10.0.0.1/24 and 2001:db8::1/64. */
  async function ready(options: IfProxyOptions = {}): Promise<World> {
    const made = await world(options);
    await made.tap();
    await made.ip('addr', 'add', '10.0.0.1/24', 'dev', 'tap1');
    await made.ip('-6', 'addr', 'add', '2001:db8::1/64', 'dev', 'tap1', 'nodad');
    await made.agrees();
    return made;
  }

  const find = (w: World, word: number, family = 2): RouteValue[] =>
    [...w.replay.routes.values()].filter(route => route.words[0] === word && route.family === family);

  async function batch(w: World, lines: readonly string[]): Promise<void> {
    const file = join(await lab.directory(), 'batch');
    writeFileSync(file, `${lines.join('\n')}\n`);
    await w.ip('-force', '-batch', file).catch(() => '');
  }

  test('1: callbacks worked only when all of them were given, in order', async () => {
    const w = await world();
    const told: number[] = [];
    const proxy = w.library.create('tap1', { up: true });
    w.library.bind(w.port, proxy);
    w.library.register({ mtuChanged: event => void told.push(event.mtu) });
    w.library.listen();
    await until(() => told.length === 1, { what: 'the MTU' });
    await w.ip('link', 'set', 'tap1', 'mtu', '1400');
    await until(() => told.length === 2, { what: 'the new MTU' });
    assert.deepEqual(told, [1500, 1400]);
  });

  test('2: messages beyond 8 KiB were cut', async () => {
    const w = await ready();
    const { ifindex } = w.library.proxies[0]!.info;
    const paths = Array.from({ length: 256 }, (_, i) => ({
      ifindex,
      gatewayFamily: 10 as const,
      gateway: [0xfe800000, 0, 0, i + 1] as const,
      flags: 0,
      weight: 1,
    }));
    // More than `ip` has room for.
    const socket = inNetworkNamespace(w.namespace.path, () => new NetlinkSocket());
    socket.request('route', (writer, flags, sequence) => {
      const create = flags | c.NLM_F_CREATE;
      writer.at = encodeRouteWithPaths(
        writer.buffer,
        0,
        sequence,
        create,
        2,
        254,
        [0x0a090000, 0, 0, 0],
        16,
        4,
        0,
        paths,
      );
    });
    socket.close();
    await until(() => find(w, 0x0a090000).length === 1, { what: 'the route' });
    assert.equal(find(w, 0x0a090000)[0]!.hops.length, 256);
    // In a dump as well.
    const late = new World(w.namespace);
    late.library.bind(late.port, late.library.adopt('tap1'));
    late.library.listen();
    await until(() => find(late, 0x0a090000).length === 1, { what: 'the route in a dump' });
    assert.equal(find(late, 0x0a090000)[0]!.hops.length, 256);
  });

  test('3: an overrun, or a dump that was interrupted, left what was heard wrong for ever', async () => {
    const w = await ready({ receiveBuffer: 2048 });
    const add = Array.from({ length: 20_000 }, (_, i) => `route add 20.${i >> 8}.${i & 255}.0/24 dev tap1`);
    await batch(w, add);
    await w.agrees('tap1', 20_000);
    assert.ok(w.library.stats.overruns > 0);
    // Dumped while it changes.
    const late = new World(w.namespace);
    late.library.bind(late.port, late.library.adopt('tap1'));
    late.library.listen();
    await batch(
      w,
      add.map(line => line.replace('add', 'del')).filter((_, i) => i % 2 === 0),
    );
    await late.agrees('tap1', 20_000);
    await w.agrees('tap1', 20_000);
  });

  test('4: a proxy deleted under it said nothing', async () => {
    const w = await ready();
    await w.ip('link', 'del', 'tap1');
    await until(() => w.replay.gone, { what: 'proxyGone' });
  });

  test('5: default routes were dropped', async () => {
    const w = await ready();
    await w.ip('route', 'add', 'default', 'via', '10.0.0.2');
    await w.ip('-6', 'route', 'add', 'default', 'via', '2001:db8::2');
    await w.agrees();
    const defaults = [...w.replay.routes.values()].filter(route => route.length === 0);
    assert.deepEqual(
      defaults.map(route => route.family).toSorted((a, b) => a - b),
      [2, 10],
    );
  });

  test('6: multipath routes were dropped', async () => {
    const w = await ready();
    await w.ip('route', 'add', '10.9.0.0/16', 'nexthop', 'via', '10.0.0.2', 'nexthop', 'via', '10.0.0.3');
    await w.ip('-6', 'route', 'add', '2001:db9::/32', 'nexthop', 'via', '2001:db8::2', 'nexthop', 'via', '2001:db8::3');
    await w.agrees();
    assert.equal(find(w, 0x0a090000)[0]!.hops.length, 2);
    assert.equal(find(w, 0x20010db9, 10)[0]!.hops.length, 2);
  });

  test('7: a gateway of the other family was ignored', async () => {
    const w = await ready();
    await w.ip('route', 'add', '10.9.0.0/16', 'via', 'inet6', 'fe80::7', 'dev', 'tap1');
    await w.agrees();
    const [hop] = find(w, 0x0a090000)[0]!.hops;
    assert.equal(hop!.gatewayFamily, 10);
    assert.deepEqual(hop!.gateway, [0xfe800000, 0, 0, 7]);
  });

  test('8: nexthop objects were ignored', async () => {
    const w = await ready();
    await w.ip('nexthop', 'add', 'id', '7', 'via', '10.0.0.5', 'dev', 'tap1');
    await w.ip('nexthop', 'add', 'id', '8', 'via', '10.0.0.6', 'dev', 'tap1');
    await w.ip('nexthop', 'add', 'id', '9', 'group', '7/8');
    await w.ip('route', 'add', '10.9.0.0/16', 'nhid', '9');
    await w.agrees();
    assert.deepEqual(
      find(w, 0x0a090000)[0]!.hops.map(hop => hop.gateway[0]),
      [0x0a000005, 0x0a000006],
    );
    // An object that leads elsewhere: the route concerns the proxy no more, and then does again.
    await w.ip('link', 'add', 'name', 'v0', 'up', 'type', 'veth', 'peer', 'name', 'v1');
    await w.ip('link', 'set', 'v1', 'up');
    await w.ip('addr', 'add', '10.2.0.1/24', 'dev', 'v0');
    await w.ip('nexthop', 'replace', 'id', '9', 'group', '8');
    await w.ip('nexthop', 'replace', 'id', '8', 'via', '10.2.0.6', 'dev', 'v0');
    await w.agrees();
    assert.equal(find(w, 0x0a090000).length, 0);
    await w.ip('nexthop', 'replace', 'id', '8', 'via', '10.0.0.6', 'dev', 'tap1');
    await w.agrees();
    assert.equal(find(w, 0x0a090000).length, 1);
  });

  test('9: type, table and metric were ignored', async () => {
    const w = await ready();
    await w.ip('route', 'add', 'blackhole', '10.9.0.0/16');
    await w.ip('route', 'add', 'unreachable', '10.10.0.0/16');
    await w.ip('route', 'add', 'prohibit', '10.11.0.0/16');
    await w.ip('route', 'add', '10.12.0.0/16', 'via', '10.0.0.2', 'metric', '5');
    await w.ip('route', 'add', '10.12.0.0/16', 'via', '10.0.0.3', 'metric', '6');
    await w.ip('route', 'add', '10.12.0.0/16', 'via', '10.0.0.4', 'table', '77');
    await w.agrees();
    const types = [0x0a090000, 0x0a0a0000, 0x0a0b0000].map(word => find(w, word)[0]!.type);
    assert.deepEqual(types, [6, 7, 8]);
    const keys = find(w, 0x0a0c0000).map(({ table, metric }) => `${table} ${metric}`);
    assert.deepEqual(keys.toSorted(), ['254 5', '254 6', '77 0']);
    assert.ok(find(w, 0x0a000001).every(({ table, type }) => table === 255 && type === 2));
  });

  test('10: a replaced route was added a second time', async () => {
    const w = await ready();
    await w.ip('route', 'add', '10.9.0.0/16', 'via', '10.0.0.2');
    await w.ip('-6', 'route', 'add', '2001:db9::/32', 'via', '2001:db8::2');
    await w.agrees();
    w.told.length = 0;
    await w.ip('route', 'replace', '10.9.0.0/16', 'via', '10.0.0.3');
    await w.ip('-6', 'route', 'replace', '2001:db9::/32', 'via', '2001:db8::3');
    await w.agrees();
    const routes = w.told.filter(kind => kind.startsWith('route'));
    assert.deepEqual(routes, ['routeReplaced', 'routeReplaced']);
  });

  test('11: the state of a neighbour was ignored, and one without a MAC', async () => {
    const w = await ready();
    await w.ip('neigh', 'add', '10.0.0.9', 'lladdr', '02:00:00:00:00:09', 'dev', 'tap1', 'nud', 'reachable');
    await w.agrees();
    await w.ip('neigh', 'change', '10.0.0.9', 'dev', 'tap1', 'nud', 'failed');
    await until(() => [...w.replay.neighbors.values()].some(({ state }) => state === c.NUD_FAILED), { what: 'FAILED' });
    // Nobody answers: the kernel gives up after three seconds, and never knew a MAC.
    await w.ip('neigh', 'replace', '10.0.0.8', 'dev', 'tap1', 'use').catch(() => '');
    await w.namespace.run('sh', '-c', 'ping -c 1 -W 1 10.0.0.7 || :');
    await until(
      () => [...w.replay.neighbors.values()].some(({ mac, state }) => mac.length === 0 && state === c.NUD_FAILED),
      {
        what: 'a neighbour without a MAC',
      },
    );
    await w.agrees();
  });

  test('12: IPv4 routes lost with their link were not told', async () => {
    const w = await ready();
    await w.ip('route', 'add', '10.9.0.0/16', 'via', '10.0.0.2');
    await w.agrees();
    const derived: boolean[] = [];
    let known = false;
    w.library.register({
      configurationFinished: () => {
        known = true;
      },
      routeDeleted: event => void (event.w0 === 0x0a090000 && derived.push(event.derived)),
    });
    await until(() => known, { what: 'its picture' });
    await w.ip('link', 'set', 'tap1', 'down');
    await w.agrees();
    assert.deepEqual(derived, [true]);
  });

  test('13: a port bound later had others told again, and no routes and neighbours itself', async () => {
    const w = await ready();
    await w.ip('neigh', 'add', '10.0.0.9', 'lladdr', '02:00:00:00:00:09', 'dev', 'tap1');
    await w.agrees();
    const late = new TestPort('late');
    const replay = new Replay();
    let others = 0;
    let finished = false;
    w.library.register(
      Object.fromEntries(
        (
          [
            'addressAdded',
            'routeAdded',
            'neighborAdded',
            'linkChanged',
            'mtuChanged',
            'macChanged',
            'nameChanged',
          ] as const
        ).map(kind => [
          kind,
          (event: Parameters<Replay['apply']>[0], port: unknown) =>
            (port === late ? replay.apply(event) : others++) as undefined,
        ]),
      ),
    );
    w.library.register({
      pictureFinished: event => {
        finished ||= event.portId === w.library.portId(late);
      },
    });
    await until(() => others > 5, { what: 'the picture of the first port' });
    others = 0;
    w.library.bind(late, w.library.proxies[0]!);
    await until(() => finished, { what: 'pictureFinished' });
    assert.equal(others, 0);
    assert.equal(replay.text(), await kernelText(w.namespace, 'tap1'));
  });

  test('14: a full ring lost events, and their memory', async () => {
    const w = await ready();
    const queue = w.library.queue({ bytes: 1 << 14 });
    const reader = new EventReader(queue.share);
    let replay = new Replay();
    let said = 0;
    await batch(
      w,
      Array.from({ length: 2000 }, (_, i) => `route add 20.${i >> 8}.${i & 255}.0/24 dev tap1`),
    );
    await w.agrees();
    const kernel = await kernelText(w.namespace, 'tap1');
    await until(
      () => {
        for (let event = reader.next(); event !== undefined; event = reader.next()) {
          if (event.kind === 'resynchronize') {
            said++;
            replay = new Replay();
          } else replay.apply(event);
        }
        return replay.text() === kernel;
      },
      { what: 'the queue to say all', everyMs: 1 },
    );
    assert.equal(said, queue.stats.resynchronizations);
  });

  test('15: an MTU was cut to 16 bits', async () => {
    const w = await world();
    w.library.bind(w.port, w.library.adopt('lo'));
    w.library.listen();
    await until(() => w.replay.link.mtu === 65_536, { what: 'the MTU of lo' });
  });

  test('16: strict checking was asked for at the wrong level, which set a priority instead', async () => {
    const { path } = await lab.namespace('strict');
    const stream = inNetworkNamespace(path, () => new NotificationStream());
    assert.equal(getOption(stream.socket.fd, c.SOL_NETLINK, NETLINK_GET_STRICT_CHK), 1);
    assert.equal(getOption(stream.socket.fd, linux.SOL_SOCKET, linux.SO_PRIORITY), 0);
    stream.close();
  });

  test('17: of an address with a peer the peer was told, and no length', async () => {
    const w = await ready();
    await w.ip('addr', 'add', '10.1.0.1', 'peer', '10.1.0.2/30', 'dev', 'tap1');
    await w.agrees();
    const address = [...w.replay.addresses.values()].find(({ words }) => words[0] === 0x0a010001)!;
    assert.deepEqual([address.peer![0], address.length], [0x0a010002, 30]);
  });

  test('18: a carrier lost was not told, nor what the link was at first', async () => {
    const w = await world();
    await w.ip('link', 'add', 'name', 'v0', 'up', 'type', 'veth', 'peer', 'name', 'v1');
    await w.ip('link', 'set', 'v1', 'up');
    w.library.bind(w.port, w.library.adopt('v0'));
    w.library.listen();
    await until(() => w.replay.link.up === true && w.replay.link.carrier === true, { what: 'what it is at first' });
    await w.ip('link', 'set', 'v1', 'down');
    await until(() => w.replay.link.up === true && w.replay.link.carrier === false, { what: 'a carrier lost' });
  });

  test('19: a dump that failed, or was refused, ended the configuration before its end', async () => {
    // Many at once, in a namespace that changes: dumps are interrupted and begun again. Each ends, once.
    const namespace = await lab.namespace('many');
    await namespace.run('ip', 'link', 'add', 'name', 'v0', 'up', 'type', 'veth', 'peer', 'name', 'v1');
    const finished = new Map<number, number>();
    const libraries = Array.from({ length: 20 }, (_, i) => {
      const library = new IfProxy({ platform: new LinuxPlatform({ namespace: namespace.path }) });
      library.bind(new TestPort(String(i)), library.adopt('v0'));
      library.register({ configurationFinished: () => void finished.set(i, (finished.get(i) ?? 0) + 1) });
      library.listen();
      return library;
    });
    const changes = Array.from({ length: 300 }, (_, i) => `addr ${i % 2 === 0 ? 'add' : 'del'} 10.0.0.1/24 dev v0`);
    const file = join(await lab.directory(), 'batch');
    writeFileSync(file, `${changes.join('\n')}\n`);
    await namespace.run('ip', '-batch', file);
    await until(() => finished.size === 20, { what: 'the end of all configurations' });
    for (const library of libraries) library.close();
    assert.ok([...finished.values()].every(times => times === 1));
  });

  test('20: a new name was not told, and an interface without a MAC ended the program', async () => {
    const w = await world();
    const proxy = w.library.create('tun1', { type: 'tun', up: true });
    w.library.bind(w.port, proxy);
    w.library.listen();
    await w.agrees('tun1');
    await w.ip('link', 'set', 'tun1', 'name', 'tun2');
    await until(() => w.replay.link.name === 'tun2', { what: 'the new name' });
    await w.ip('addr', 'add', '10.0.0.1/24', 'dev', 'tun2');
    await w.ip('route', 'add', 'default', 'dev', 'tun2');
    await w.agrees('tun2');
  });

  test('21: no receive buffer, one message an interrupt, numbers of 24 bits', async () => {
    const w = await world();
    const history = w.library.open();
    // Linux doubles what is asked for.
    assert.ok(getOption(history.fd, linux.SOL_SOCKET, linux.SO_RCVBUF) >= 64 << 20);
    const far = new World(w.namespace);
    await w.ip('link', 'add', 'name', 'v0', 'index', '400000000', 'type', 'veth', 'peer', 'name', 'v1');
    far.library.bind(far.port, far.library.adopt('v0'));
    far.library.listen();
    await w.ip('link', 'set', 'v0', 'up');
    await w.ip('addr', 'add', '10.0.0.1/24', 'dev', 'v0');
    await far.agrees('v0');
    assert.equal(far.library.proxies[0]!.info.ifindex, 400_000_000);
  });

  test('22: IPv6 gateways were compared by the wrong one', async () => {
    const w = await ready();
    await w.ip('-6', 'route', 'add', '2001:db9::/32', 'via', '2001:db8::1:2');
    await w.ip('-6', 'route', 'add', '2001:dba::/32', 'via', '2001:db8::1:3');
    await w.agrees();
    await w.ip('-6', 'route', 'replace', '2001:dba::/32', 'via', '2001:db8::1:2');
    await w.ip('-6', 'route', 'replace', '2001:db9::/32', 'via', '2001:db8::1:4');
    await w.agrees();
    assert.equal(find(w, 0x20010db9, 10)[0]!.hops[0]!.gateway[3], 0x10004);
    assert.equal(find(w, 0x20010dba, 10)[0]!.hops[0]!.gateway[3], 0x10002);
  });
});
