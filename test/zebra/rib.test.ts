import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, AF_INET6, formatPrefix, parsePrefix } from '../../src/net/index.ts';
import { NOTE_BETTER_ADMIN_WON, NOTE_INSTALLED, ROUTE_BGP, ROUTE_STATIC } from '../../src/zebra/index.ts';
import { showRouteJson } from '../../src/zebra/show/route.ts';
import { FakeKernel, routeKey } from './fake-kernel.ts';
import { Bench } from './lib.ts';

function keyOf(prefix: string, metric = 20): string {
  const { family, words, length } = parsePrefix(prefix)!;
  return routeKey(family, words, length, metric);
}

function two(): Bench {
  const bench = new Bench();
  bench.link(2, 'eth0', '192.0.2.1/24');
  bench.link(3, 'eth1', '198.51.100.1/24');
  return bench;
}

test('a route with a gateway on the link is installed through a group object', () => {
  const b = two();
  b.add('10.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.9')], 20);
  b.settle();
  const route = b.kernel.routes.get(keyOf('10.0.0.0/8'))!;
  assert.equal(route.protocol, 186);
  assert.deepEqual(b.kernel.pathsOf(route), ['3221225993.0.0.0/2%2']);
  assert.equal(b.kernel.groups.get(route.nexthopId)!.length, 1);
});

test('the lower distance wins, and the loser comes back when the winner goes', () => {
  const b = two();
  b.add('10.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.9')], 20);
  b.settle();
  b.add('10.0.0.0/8', ROUTE_STATIC, [b.via('198.51.100.9')], 1);
  b.settle();
  assert.equal(b.kernel.routes.get(keyOf('10.0.0.0/8'))!.protocol, 196);
  b.remove('10.0.0.0/8', ROUTE_STATIC);
  b.settle();
  assert.equal(b.kernel.routes.get(keyOf('10.0.0.0/8'))!.protocol, 186);
});

test('owners hear that their route is installed, and that a better one won', () => {
  const b = two();
  const notes: [number, number][] = [];
  b.zebra.setNotes({ note: (owner, note) => void notes.push([owner, note]) });
  const owner = b.zebra.addOwner({
    type: ROUTE_BGP,
    instance: 0,
    session: 0,
    name: 'bgp',
    synchronous: false,
    notify: true,
  });
  b.add('10.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.9')], 20, 0, owner);
  b.settle();
  b.add('10.0.0.0/8', ROUTE_STATIC, [b.via('192.0.2.8')], 1);
  b.settle();
  assert.deepEqual(notes, [
    [owner, NOTE_INSTALLED],
    [owner, NOTE_BETTER_ADMIN_WON],
  ]);
});

test('a recursive next hop follows the route that covers it with one message, however many routes use it', () => {
  const b = two();
  b.add('203.0.113.0/24', ROUTE_STATIC, [b.via('192.0.2.9')], 1);
  for (let i = 0; i < 200; i++) b.add(`10.${i}.0.0/16`, ROUTE_BGP, [b.via('203.0.113.7')], 200);
  b.settle();
  const route = b.kernel.routes.get(keyOf('10.7.0.0/16'))!;
  assert.deepEqual(b.kernel.pathsOf(route), ['3221225993.0.0.0/2%2']);
  const before = b.kernel.routeMessages;
  b.add('203.0.113.0/24', ROUTE_STATIC, [b.via('198.51.100.9')], 1);
  b.settle();
  assert.deepEqual(b.kernel.pathsOf(b.kernel.routes.get(keyOf('10.7.0.0/16'))!), ['3325256713.0.0.0/2%3']);
  assert.ok(b.kernel.routeMessages - before <= 1, `${b.kernel.routeMessages - before} route messages`);
});

test('a next hop is never resolved through the route that it serves', () => {
  const b = two();
  b.add('192.0.0.0/8', ROUTE_BGP, [b.via('192.0.3.1')], 20);
  b.settle();
  assert.equal(b.kernel.routes.has(keyOf('192.0.0.0/8')), false);
  b.add('192.0.2.128/25', ROUTE_BGP, [b.via('192.0.2.200')], 20);
  b.settle();
  assert.deepEqual(b.kernel.pathsOf(b.kernel.routes.get(keyOf('192.0.2.128/25'))!), ['3221226184.0.0.0/2%2']);
});

test('the default route resolves next hops only when told so', () => {
  const b = two();
  b.add('0.0.0.0/0', ROUTE_STATIC, [b.via('192.0.2.9')], 1);
  b.add('10.0.0.0/8', ROUTE_BGP, [b.via('8.8.8.8')], 200);
  b.settle();
  assert.equal(b.kernel.routes.has(keyOf('10.0.0.0/8')), false);
  b.zebra.resolver.viaDefault.ip = true;
  b.zebra.resolver.everything();
  b.settle();
  assert.equal(b.kernel.routes.has(keyOf('10.0.0.0/8')), true);
});

test('through a blackhole is a blackhole', () => {
  const b = two();
  b.add(
    '203.0.113.0/24',
    ROUTE_STATIC,
    [{ gatewayFamily: 0, gateway: [0, 0, 0, 0], ifindex: 0, blackhole: 1, onlink: false, weight: 1 }],
    1,
  );
  b.add('10.0.0.0/8', ROUTE_BGP, [b.via('203.0.113.7')], 200);
  b.settle();
  assert.equal(b.kernel.routes.get(keyOf('203.0.113.0/24'))!.type, 6);
  assert.deepEqual(b.kernel.pathsOf(b.kernel.routes.get(keyOf('10.0.0.0/8'))!), ['blackhole']);
});

test('a speed that is known late is told as such: the link is what it was', () => {
  const b = two();
  const told: string[] = [];
  b.zebra.interfaces.listen({
    link: one => void told.push(`link ${one.name}`),
    speed: one => void told.push(`speed ${one.name} ${one.speed}`),
  });
  const eth0 = b.zebra.interfaces.byIndex(2)!;
  b.kernel.setLink(2, false);
  b.settle();
  assert.deepEqual(told, ['link eth0']);
  b.zebra.interfaces.onSpeed(eth0, 10_000);
  b.zebra.interfaces.onSpeed(eth0, 10_000);
  assert.deepEqual(told, ['link eth0', 'speed eth0 10000']);
});

test('routes that the kernel drops with a link are known to be gone and come back with it', () => {
  const b = two();
  for (let i = 0; i < 300; i++)
    b.add(
      `10.${i % 250}.${i}.0/24`.replace(/\.(\d{3,})\./, (_, n) => `.${Number(n) % 256}.`),
      ROUTE_BGP,
      [b.via('192.0.2.9')],
      20,
    );
  b.settle();
  const count = b.kernel.ours().length;
  b.kernel.setLink(2, false);
  b.settle();
  assert.equal(b.kernel.ours().length, 0);
  assert.equal(b.zebra.rib.walks.installedCount(), 0);
  b.kernel.setLink(2, true);
  b.settle();
  assert.equal(b.kernel.ours().length, count);
});

test('a nexthop object deleted behind our back is put back with its routes', () => {
  const b = two();
  for (let i = 0; i < 100; i++) b.add(`10.${i}.0.0/16`, ROUTE_BGP, [b.via('192.0.2.9'), b.via('198.51.100.9')], 20);
  b.settle();
  const [group] = [...b.kernel.groups.keys()];
  b.kernel.deleteNexthop(group!);
  b.settle();
  assert.equal(b.kernel.ours().length, 100);
  assert.equal(b.zebra.rib.stats.lostRoutes, 100);
  const [single] = [...b.kernel.nexthops.keys()];
  b.kernel.deleteNexthop(single!);
  b.settle();
  assert.equal(b.kernel.pathsOf(b.kernel.ours()[0]!).length, 2);
});

test('a route deleted behind our back is put back, one that a foreign route replaced comes back after it', () => {
  const b = two();
  b.add('10.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.9')], 20);
  b.settle();
  b.kernel.deleteRoute(keyOf('10.0.0.0/8'));
  b.settle();
  assert.equal(b.kernel.routes.has(keyOf('10.0.0.0/8')), true);
  b.kernel.foreignRoute(AF_INET, [0x0a000000, 0, 0, 0], 8, 20, [
    { gatewayFamily: 2, gateway: [0xc0000207, 0, 0, 0], ifindex: 2, blackhole: false, onlink: false, weight: 1 },
  ]);
  b.settle();
  assert.equal(b.kernel.routes.get(keyOf('10.0.0.0/8'))!.protocol, 4);
  b.kernel.deleteRoute(keyOf('10.0.0.0/8'));
  b.settle();
  assert.equal(b.kernel.routes.get(keyOf('10.0.0.0/8'))!.protocol, 186);
});

test("somebody's route that ours replaced on its way is not believed in: ours stays, and no other is shown", () => {
  for (const replaces of [false, true]) {
    const b = two();
    b.add('11.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.7')], 20);
    b.settle();
    b.add('10.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.7')], 20);
    b.work(); // on its way now
    b.kernel.foreignRoute(
      AF_INET,
      [0x0a000000, 0, 0, 0],
      8,
      20,
      [{ gatewayFamily: 2, gateway: [0xc0000208, 0, 0, 0], ifindex: 2, blackhole: false, onlink: false, weight: 1 }],
      replaces,
    );
    b.settle();
    assert.equal(b.kernel.routes.get(keyOf('10.0.0.0/8'))!.protocol, 186);
    const table = b.zebra.rib.table(0, AF_INET);
    const id = table.prefixes.find(0x0a000000, 0, 0, 0, 8);
    assert.equal(table.next[table.first[id]!], -1, 'one route');
    assert.equal(table.type[table.selected[id]!], ROUTE_BGP);
  }
});

test('after a restart, equal routes are adopted without a message and the others are swept', () => {
  const b = two();
  for (let i = 0; i < 100; i++) b.add(`10.${i}.0.0/16`, ROUTE_BGP, [b.via(i < 50 ? '192.0.2.9' : '198.51.100.9')], 20);
  b.settle();
  b.restart();
  const before = b.kernel.routeMessages;
  const nexthopsBefore = b.kernel.nexthopMessages;
  for (let i = 0; i < 90; i++) b.add(`10.${i}.0.0/16`, ROUTE_BGP, [b.via(i < 50 ? '192.0.2.9' : '198.51.100.9')], 20);
  b.settle();
  assert.equal(b.kernel.routeMessages - before, 0);
  assert.equal(b.kernel.nexthopMessages - nexthopsBefore, 0);
  assert.equal(b.kernel.ours().length, 100);
  b.zebra.sweep();
  b.settle();
  assert.equal(b.kernel.ours().length, 90);
  assert.equal(b.kernel.routeMessages - before, 10);
});

/** A zebra that came back to the routes of 10.0.0.0/16 … 10.9.0.0/16, and clients of bgp that reconnected to it. */
function reconnected(clients = 1): { b: Bench; owners: number[] } {
  const b = two();
  for (let i = 0; i < 10; i++) b.add(`10.${i}.0.0/16`, ROUTE_BGP, [b.via(i < 5 ? '192.0.2.9' : '198.51.100.9')], 20);
  b.add('10.200.0.0/16', ROUTE_STATIC, [b.via('192.0.2.9')], 1);
  b.settle();
  b.restart();
  const owners = Array.from({ length: clients }, () =>
    b.zebra.addOwner({ type: ROUTE_BGP, instance: 0, session: 0, name: 'bgp', synchronous: false, notify: false }),
  );
  return { b, owners };
}

test('after a restart, the routes of a connected client that announces nothing again are kept until it goes', () => {
  const { b, owners } = reconnected();
  const before = b.kernel.routeMessages;
  b.zebra.sweep();
  b.settle();
  // The static route, of which no client is here, went.
  assert.equal(b.kernel.routeMessages - before, 1);
  assert.equal(b.kernel.ours().length, 10);
  assert.equal(b.zebra.keptFor(owners[0]!), 10);
  assert.deepEqual(b.logged.length, 1);
  assert.match(b.logged[0]!, /10 routes .* bgp/);
  b.zebra.reconcile();
  b.settle();
  assert.equal(b.kernel.ours().length, 10);
  b.zebra.dropOwner(owners[0]!);
  b.settle();
  assert.equal(b.kernel.ours().length, 0);
  assert.equal(b.kernel.groups.size + b.kernel.nexthops.size, 0);
});

test('a kept route goes when its client takes it back, is adopted when it is announced, and gives way to another', () => {
  const { b, owners } = reconnected();
  b.zebra.sweep();
  b.settle();
  const before = b.kernel.routeMessages;
  assert.equal(b.remove('10.0.0.0/16', ROUTE_STATIC), false);
  assert.equal(b.remove('10.0.0.0/16', ROUTE_BGP), false);
  b.add('10.1.0.0/16', ROUTE_BGP, [b.via('192.0.2.9')], 20, 0, owners[0]);
  b.settle();
  assert.equal(b.kernel.routes.has(keyOf('10.0.0.0/16')), false);
  assert.equal(b.kernel.routeMessages - before, 1);
  // News of one route says nothing of the others.
  assert.equal(b.kernel.ours().length, 9);
  assert.equal(b.zebra.keptFor(owners[0]!), 8);
  b.add('10.2.0.0/16', ROUTE_BGP, [b.via('203.0.113.1')], 20, 0, owners[0]);
  b.add('10.3.0.0/16', ROUTE_BGP, [b.via('198.51.100.9')], 20, 0, owners[0]);
  b.settle();
  assert.equal(b.kernel.routes.has(keyOf('10.2.0.0/16')), false, 'its new next hop does not resolve');
  assert.equal(b.kernel.routeMessages - before, 3);
  b.zebra.sweepKept();
  b.settle();
  assert.deepEqual(
    b.kernel
      .ours()
      .map(route => route.key)
      .toSorted(),
    [keyOf('10.1.0.0/16'), keyOf('10.3.0.0/16')],
  );
});

test('news before the sweep is not taken for everything, and what was taken back before it goes with it', () => {
  const { b, owners } = reconnected();
  b.add('10.1.0.0/16', ROUTE_BGP, [b.via('192.0.2.9')], 20, 0, owners[0]);
  b.remove('10.2.0.0/16', ROUTE_BGP);
  b.remove('10.3.0.0/16', ROUTE_BGP);
  b.settle();
  assert.equal(b.kernel.ours().length, 11, 'taken back first and announced a moment later is not touched');
  b.add('10.3.0.0/16', ROUTE_BGP, [b.via('192.0.2.9')], 20, 0, owners[0]);
  b.zebra.sweep();
  b.settle();
  assert.equal(b.kernel.routes.has(keyOf('10.2.0.0/16')), false);
  assert.equal(b.kernel.ours().length, 9);
});

test('one client that has announced everything does not speak for another of its protocol', () => {
  const { b, owners } = reconnected(2);
  const [own, other] = owners as [number, number];
  b.add('10.0.0.0/16', ROUTE_BGP, [b.via('192.0.2.9')], 20, 0, own);
  b.zebra.routesPending(own);
  b.zebra.routesComplete(own);
  b.zebra.sweep();
  b.settle();
  assert.equal(b.kernel.ours().length, 10);
  b.zebra.routesComplete(other);
  b.settle();
  assert.equal(b.kernel.ours().length, 1);
});

test('a client that announces everything again, and says when it has, keeps nothing that it left out', () => {
  const { b, owners } = reconnected();
  b.zebra.routesPending(owners[0]!);
  b.add('10.0.0.0/16', ROUTE_BGP, [b.via('192.0.2.9')], 20, 0, owners[0]);
  b.zebra.sweep();
  b.settle();
  assert.equal(b.kernel.ours().length, 1);
});

test('after a restart, a route that had gone meanwhile takes its old next hop object when it comes first', () => {
  const b = two();
  const prefixes = ['10.0.0.0/16', '10.1.0.0/16', '10.2.0.0/16'];
  b.add('10.200.0.0/16', ROUTE_STATIC, [b.via('192.0.2.9', 2)], 1);
  for (const prefix of prefixes) b.add(prefix, ROUTE_BGP, [b.via('192.0.2.9')], 20);
  b.settle();
  b.kernel.deleteRoute(keyOf('10.0.0.0/16'));
  b.kernel.deleteRoute(keyOf('10.200.0.0/16'));
  b.restart();
  const before = b.kernel.routeMessages;
  const nexthopsBefore = b.kernel.nexthopMessages;
  b.add('10.200.0.0/16', ROUTE_STATIC, [b.via('192.0.2.9', 2)], 1);
  b.settle();
  for (const prefix of prefixes) {
    b.add(prefix, ROUTE_BGP, [b.via('192.0.2.9')], 20);
    b.settle();
  }
  assert.equal(b.kernel.ours().length, 4);
  assert.equal(b.kernel.routeMessages - before, 2);
  assert.equal(b.kernel.nexthopMessages - nexthopsBefore, 0);
});

test('an orderly stop leaves nothing of ours, and hardly needs a message per route', () => {
  const b = two();
  for (let i = 0; i < 250; i++) b.add(`10.${i}.0.0/16`, ROUTE_BGP, [b.via('192.0.2.9')], 20);
  b.settle();
  const before = b.kernel.routeMessages;
  b.zebra.withdraw();
  b.settle();
  assert.equal(b.kernel.ours().length, 0);
  assert.equal(b.kernel.groups.size + b.kernel.nexthops.size, 0);
  assert.equal(b.kernel.routeMessages - before, 0);
  assert.equal(b.zebra.rib.stats.lostRoutes, 0, 'they were to go');
});

test('a route forwards on 256 paths at most, and no other is shown as if it did', () => {
  const b = new Bench(new FakeKernel(4096));
  b.link(2, 'eth0', '192.0.0.1/16');
  const gateways = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => b.via(`192.0.${1 + ((from + i) >> 7)}.${1 + ((from + i) & 127)}`));
  b.add('10.1.0.0/16', ROUTE_STATIC, gateways(0, 200), 1);
  b.add('10.2.0.0/16', ROUTE_STATIC, gateways(200, 100), 1);
  b.add('10.3.0.0/16', ROUTE_BGP, [b.via('10.1.0.1'), b.via('10.2.0.1'), b.via('192.0.4.1')], 20);
  b.add('10.4.0.0/16', ROUTE_BGP, gateways(0, 257), 20);
  b.settle();
  for (const [prefix, inactive] of [
    ['10.3.0.0/16', ['192.0.4.1']],
    ['10.4.0.0/16', ['192.0.3.1']],
  ] as const) {
    assert.equal(b.kernel.pathsOf(b.kernel.routes.get(keyOf(prefix))!).length, 256);
    const json = showRouteJson(b.zebra, 0, parsePrefix(prefix)!, true) as Record<
      string,
      { nexthops: { ip: string; fib?: boolean; active?: boolean }[] }[]
    >;
    const { nexthops } = json[prefix]![0]!;
    assert.equal(nexthops.filter(one => one.fib === true).length, 256);
    assert.deepEqual(
      nexthops.filter(one => one.active !== true).map(one => one.ip),
      inactive,
    );
  }
});

test('a link that goes down makes nobody ask the kernel for what it must refuse', () => {
  const b = two();
  b.add('203.0.113.0/24', ROUTE_STATIC, [b.via('192.0.2.9')], 1);
  for (let i = 0; i < 10; i++) {
    b.add(`10.${i}.0.0/16`, ROUTE_STATIC, [b.via(`192.0.2.${10 + i}`), b.via(`198.51.100.${10 + i}`)], 1);
    b.add(`11.${i}.0.0/16`, ROUTE_BGP, [b.via(`203.0.113.${i}`), b.via(`192.0.2.${20 + i}`)], 20);
  }
  b.settle();
  b.kernel.setLink(2, false);
  b.settle();
  assert.equal(b.kernel.ours().length, 10);
  assert.equal(b.zebra.objects.errors, 0);
  b.kernel.setLink(2, true);
  b.settle();
  assert.equal(b.kernel.ours().length, 21);
  assert.equal(b.zebra.objects.errors, 0);
});

test('a set that nobody used for a moment, and resolves differently since, forwards as it resolves now', () => {
  const b = two();
  const add = (): void => b.add('10.0.0.0/16', ROUTE_BGP, [b.via('192.0.2.10'), b.via('10.1.0.5')], 20);
  add();
  b.work();
  // Its object is on its way, so it cannot be deleted yet.
  b.remove('10.0.0.0/16', ROUTE_BGP);
  b.add('10.1.0.0/16', ROUTE_STATIC, [b.via('192.0.2.9')], 1);
  b.work();
  add();
  b.settle();
  assert.equal(b.kernel.pathsOf(b.kernel.routes.get(keyOf('10.0.0.0/16'))!).length, 2);
});

test('a nexthop object that no route names any more may stay for a while, and is used again meanwhile', () => {
  const b = two();
  b.zebra.keepNexthops(30);
  b.add('10.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.9')], 20);
  b.settle();
  const { nexthopId } = b.kernel.routes.get(keyOf('10.0.0.0/8'))!;
  const replace = (gateway: string): void => {
    b.add('10.0.0.0/8', ROUTE_BGP, [b.via(gateway)], 20);
    b.settle();
  };
  replace('192.0.2.8');
  assert.ok(b.kernel.groups.has(nexthopId));
  replace('192.0.2.9');
  assert.equal(b.kernel.routes.get(keyOf('10.0.0.0/8'))!.nexthopId, nexthopId);
  replace('192.0.2.8');
  b.nowS += 30;
  b.advance(30_000);
  b.settle();
  assert.deepEqual(b.kernel.groups.has(nexthopId), false);
  // What is taken back is not kept: its object takes the route along.
  b.remove('10.0.0.0/8', ROUTE_BGP);
  b.settle();
  assert.deepEqual([b.kernel.routes.size, b.kernel.groups.size], [0, 0]);
});

test('a refused route is tried again', () => {
  const b = two();
  b.kernel.refuse = () => 105;
  b.add('10.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.9')], 20);
  b.settle();
  assert.equal(b.kernel.routes.has(keyOf('10.0.0.0/8')), false);
  b.kernel.refuse = () => 0;
  b.advance(100);
  b.settle();
  assert.equal(b.kernel.routes.has(keyOf('10.0.0.0/8')), true);
});

test('an overrun is repaired by a dump: what vanished unheard is installed again', () => {
  const b = two();
  for (let i = 0; i < 100; i++) b.add(`10.${i}.0.0/16`, ROUTE_BGP, [b.via('192.0.2.9')], 20);
  b.settle();
  b.kernel.deaf = true;
  for (let i = 0; i < 50; i++) b.kernel.deleteRoute(keyOf(`10.${i}.0.0/16`));
  b.kernel.setLink(3, false);
  b.zebra.reconcile();
  b.settle();
  assert.equal(b.kernel.ours().length, 100);
  assert.equal(b.zebra.interfaces.byName('eth1')!.operative, false);
});

test('what was on its way when a dump began is sent once more: the kernel may have done it before, and somebody undone it', () => {
  const b = two();
  b.add('10.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.9')], 20);
  b.settle();
  b.add('11.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.9')], 20);
  b.add('12.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.10')], 20);
  b.work();
  b.kernel.serve();
  // It is there, and is gone again, unheard, before zebra hears that it was done.
  b.kernel.deaf = true;
  b.kernel.deleteRoute(keyOf('11.0.0.0/8'));
  b.kernel.deleteNexthop([...b.kernel.nexthops.keys()].at(-1)!);
  b.kernel.deaf = false;
  for (const kind of [4, 8]) b.zebra.dumpBegin(kind);
  b.zebra.receive();
  for (const [id, { family, path }] of b.kernel.nexthops) b.zebra.nexthop(id, 11, family, path, []);
  for (const [id, members] of b.kernel.groups) b.zebra.nexthop(id, 11, AF_INET, undefined, [...members]);
  for (const kind of [4, 8]) b.zebra.dumpEnd(kind);
  b.settle();
  assert.equal(b.kernel.ours().length, 3);
});

test('an IPv4 route may go through an IPv6 next hop, and an IPv6 one has objects of its own family', () => {
  const b = two();
  b.kernel.addAddress(2, AF_INET6, [0x20010db8, 0, 0, 1], 64);
  b.settle();
  b.add('10.0.0.0/8', ROUTE_BGP, [b.via('fe80::9', 2)], 20);
  b.add('11.0.0.0/8', ROUTE_BGP, [b.via('2001:db8::9')], 20);
  b.add('2001:db8:1::/48', ROUTE_STATIC, [b.via('2001:db8::9')], 1);
  b.add('2001:db8:2::/48', ROUTE_STATIC, [b.via('2001:db8:1::5')], 1);
  b.settle();
  const [linkLocal, global, six, recursive] = ['10.0.0.0/8', '11.0.0.0/8', '2001:db8:1::/48', '2001:db8:2::/48'].map(
    prefix => b.kernel.pathsOf(b.kernel.routes.get(keyOf(prefix))!),
  );
  assert.match(linkLocal![0]!, /\/10%2$/);
  assert.match(global![0]!, /\/10%2$/);
  assert.deepEqual(six, global);
  assert.deepEqual(recursive, six);
});

test('two routes that are right only while the other is not are held down instead of swapping for ever', () => {
  const b = two();
  // 20/8 has a route of its own; 10/8 goes through it; a preferred 20/8 goes through 10/8.
  b.add('20.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.9')], 20);
  b.add('10.0.0.0/8', ROUTE_STATIC, [b.via('20.0.0.1')], 1);
  b.settle();
  b.add('20.0.0.0/8', ROUTE_STATIC, [b.via('10.0.0.1')], 1);
  b.settle();
  assert.ok(b.zebra.resolver.holds > 0);
  assert.equal(b.zebra.idle, true);
});

test('next hop tracking tells of the route that covers, once at first and then on change only', () => {
  const b = two();
  const told: string[] = [];
  const owner = b.zebra.addOwner({
    type: ROUTE_BGP,
    instance: 0,
    session: 0,
    name: 'bgp',
    synchronous: false,
    notify: false,
  });
  b.zebra.nht.register(
    owner,
    0,
    AF_INET,
    [0x0a000001, 0, 0, 0],
    32,
    1,
    { connected: false, resolveViaDefault: false },
    one =>
      void told.push(
        one.resolution === undefined ? 'no' : `${one.resolution.length} ${one.resolution.paths[0]!.ifindex}`,
      ),
  );
  assert.deepEqual(told, []);
  b.settle();
  b.add('10.0.0.0/8', ROUTE_STATIC, [b.via('192.0.2.9')], 1);
  b.settle();
  b.add('11.0.0.0/8', ROUTE_STATIC, [b.via('192.0.2.9')], 1);
  b.add('10.0.0.0/16', ROUTE_STATIC, [b.via('198.51.100.9')], 1);
  b.settle();
  b.kernel.setLink(3, false);
  b.settle();
  b.zebra.dropOwner(owner);
  b.remove('10.0.0.0/8', ROUTE_STATIC);
  b.settle();
  assert.deepEqual(told, ['no', '8 2', '16 3', '8 2']);
});

test('redistribution replays what is selected, then tells each change once, however often it changed', () => {
  const b = two();
  b.add('10.0.0.0/8', ROUTE_STATIC, [b.via('192.0.2.9')], 1);
  b.settle();
  const owner = b.zebra.addOwner({
    type: ROUTE_BGP,
    instance: 0,
    session: 0,
    name: 'bgp',
    synchronous: false,
    notify: false,
  });
  const feed = b.zebra.redistribution(owner, () => {});
  const take = (): string[] => {
    const out: string[] = [];
    feed.take(100, (add, table, id) => void out.push(`${add ? '+' : '-'}${table.prefixes.format(id)}`));
    return out;
  };
  feed.subscribe(0, AF_INET, ROUTE_STATIC, 0);
  assert.deepEqual(take(), ['+10.0.0.0/8']);
  for (let i = 0; i < 5; i++) {
    b.add('11.0.0.0/8', ROUTE_STATIC, [b.via(i % 2 === 0 ? '192.0.2.9' : '198.51.100.9')], 1);
    b.settle();
  }
  b.remove('10.0.0.0/8', ROUTE_STATIC);
  b.settle();
  assert.deepEqual(take().toSorted(), ['+11.0.0.0/8', '-10.0.0.0/8']);
  b.add('11.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.9')], 0);
  b.settle();
  assert.deepEqual(take(), ['-11.0.0.0/8']);
  feed.close();
});

test("an owner's routes go with it, unless another announced them again in time", () => {
  const b = two();
  const make = (): number =>
    b.zebra.addOwner({ type: ROUTE_BGP, instance: 0, session: 0, name: 'bgp', synchronous: false, notify: false });
  const first = make();
  b.add('10.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.9')], 20, 0, first);
  b.add('11.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.9')], 20, 0, first);
  b.settle();
  b.zebra.dropOwner(first, 1000);
  const second = make();
  assert.notEqual(second, first);
  const before = b.kernel.routeMessages;
  b.add('10.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.9')], 20, 0, second);
  b.settle();
  assert.equal(b.kernel.routeMessages, before);
  b.advance(1000);
  b.settle();
  assert.deepEqual([...b.kernel.routes.keys()], [keyOf('10.0.0.0/8')]);
});

test('10,000 addresses of an interface resolve no route that has nothing to do with them', () => {
  const b = two();
  for (let i = 0; i < 200; i++) b.add(`10.${i}.0.0/16`, ROUTE_STATIC, [b.via(`192.0.2.${i + 2}`)], 1);
  b.settle();
  b.kernel.addLink(4, 'eth2', true);
  const before = b.zebra.resolver.resolutions;
  for (let i = 0; i < 10_000; i++) {
    b.kernel.addAddress(4, AF_INET, [0x3200_0001 + i * 256, 0, 0, 0], 24);
    // One by one, as a slow configurator has it.
    b.zebra.receive();
    b.work();
  }
  b.settle();
  assert.ok(b.zebra.resolver.resolutions - before < 10, 'the static routes have nothing to do with it');
  assert.equal(b.zebra.routerId.get(0, AF_INET)[0], 0xc633_6401);
  assert.notEqual(b.zebra.rib.table(0, AF_INET).prefixes.find(0x3200_0000, 0, 0, 0, 24), -1);
});

test('two addresses of one network make one connected route, which goes with the last', () => {
  const b = two();
  const connected = (): boolean => {
    const table = b.zebra.rib.table(0, AF_INET);
    const id = table.prefixes.find(0x0a01_0000, 0, 0, 0, 24);
    return id >= 0 && table.selected[id]! >= 0;
  };
  b.kernel.addAddress(2, AF_INET, [0x0a01_0001, 0, 0, 0], 24);
  b.kernel.addAddress(2, AF_INET, [0x0a01_0002, 0, 0, 0], 24);
  b.settle();
  assert.ok(connected());
  b.kernel.removeAddress(2);
  b.settle();
  assert.ok(connected());
  b.kernel.setLink(2, false);
  b.settle();
  assert.ok(!connected());
  b.kernel.setLink(2, true);
  b.settle();
  assert.ok(connected());
  b.kernel.removeAddress(2);
  b.settle();
  assert.ok(!connected());
});

test('a gateway that becomes an address of this host is none, until it ceases to be', () => {
  const b = two();
  b.add('10.0.0.0/8', ROUTE_STATIC, [b.via('192.0.2.9')], 1);
  b.settle();
  assert.ok(b.kernel.routes.has(keyOf('10.0.0.0/8')));
  b.kernel.addAddress(3, AF_INET, [0xc000_0209, 0, 0, 0], 32);
  b.settle();
  assert.ok(!b.kernel.routes.has(keyOf('10.0.0.0/8')));
  b.kernel.removeAddress(2);
  b.settle();
  assert.ok(b.kernel.routes.has(keyOf('10.0.0.0/8')));
});

test('a renamed interface takes the lines of its new name', () => {
  const b = two();
  b.zebra.interfaceConfig.describe('eth1', 'old');
  b.zebra.interfaceConfig.describe('uplink', 'new');
  b.zebra.interfaceConfig.addAddress('uplink', parsePrefix('203.0.113.0/24')!);
  assert.equal(b.zebra.interfaces.byIndex(3)!.description, 'old');
  const asked: string[] = [];
  b.kernel.address = (add, ifindex, _family, words) => asked.push(`${add} ${ifindex} ${words[0] >>> 24}`) > 0;
  b.kernel.addLink(3, 'uplink', true);
  b.settle();
  assert.equal(b.zebra.interfaces.byIndex(3)!.description, 'new');
  assert.deepEqual(asked, ['true 3 203']);
});

test("a client's static route stands beside the configured one, and leaves it behind when it goes", () => {
  const b = two();
  const owner = b.zebra.addOwner({
    type: ROUTE_STATIC,
    instance: 0,
    session: 0,
    name: 'static',
    synchronous: false,
    notify: false,
  });
  b.add('10.0.0.0/8', ROUTE_STATIC, [b.via('192.0.2.9')], 1);
  b.add('10.0.0.0/8', ROUTE_STATIC, [b.via('198.51.100.9')], 1, 0, owner);
  b.settle();
  b.zebra.dropOwner(owner);
  b.settle();
  assert.deepEqual(b.kernel.pathsOf(b.kernel.routes.get(keyOf('10.0.0.0/8'))!), ['3221225993.0.0.0/2%2']);
  assert.ok(b.remove('10.0.0.0/8', ROUTE_STATIC));
  b.settle();
  assert.ok(!b.kernel.routes.has(keyOf('10.0.0.0/8')));
});

test('of many IPv4 routes that go, the longest go first; one that is wanted again meanwhile is not touched', () => {
  const b = two();
  const lengths = [16, 24, 8, 32, 24, 16, 28, 20];
  const prefixes = lengths.map((length, i) => `${10 + i}.0.0.0/${length}`);
  for (const prefix of prefixes) b.add(prefix, ROUTE_BGP, [b.via('192.0.2.9')], 20);
  b.add('9.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.9')], 20); // keeps the object
  b.settle();
  const gone: string[] = [];
  const { kernel } = b;
  const routeDelete = kernel.routeDelete.bind(kernel);
  kernel.routeDelete = (...change) => {
    gone.push(
      formatPrefix({ family: change[3], words: [change[4], change[5], change[6], change[7]], length: change[8] }),
    );
    routeDelete(...change);
  };
  const messages = kernel.routeMessages;
  for (const prefix of prefixes) b.remove(prefix, ROUTE_BGP);
  b.add('17.0.0.0/20', ROUTE_BGP, [b.via('192.0.2.9')], 20);
  b.settle();
  assert.deepEqual(gone, [
    '13.0.0.0/32',
    '16.0.0.0/28',
    '11.0.0.0/24',
    '14.0.0.0/24',
    '10.0.0.0/16',
    '15.0.0.0/16',
    '12.0.0.0/8',
  ]);
  assert.equal(kernel.routeMessages - messages, gone.length);
  assert.deepEqual([...kernel.routes.keys()].sort(), [keyOf('17.0.0.0/20'), keyOf('9.0.0.0/8')].sort());
});

test('those that go and those that come take turns while there is no room', () => {
  const b = two();
  for (let i = 0; i < 200; i++) b.add(`10.0.${i}.0/24`, ROUTE_BGP, [b.via('192.0.2.9')], 20);
  b.add('9.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.9')], 20);
  b.settle();
  const order: string[] = [];
  const { kernel } = b;
  const routeDelete = kernel.routeDelete.bind(kernel);
  const routeInstall = kernel.routeInstall.bind(kernel);
  kernel.routeDelete = (...change) => {
    order.push('-');
    routeDelete(...change);
  };
  kernel.routeInstall = (...change) => {
    order.push('+');
    routeInstall(...change);
  };
  for (let i = 0; i < 200; i++) b.remove(`10.0.${i}.0/24`, ROUTE_BGP);
  for (let i = 0; i < 200; i++) b.add(`11.0.${i}.0/24`, ROUTE_BGP, [b.via('192.0.2.9')], 20);
  b.settle();
  assert.equal(order.length, 400);
  assert.equal(order.slice(0, 100).filter(one => one === '-').length, 50);
});

test('without objects, a route that was on its way when its link fell and rose again is taken back for good', () => {
  const b = two();
  b.zebra.setNexthopObjects({ kernel: false });
  b.add('0.0.0.0/0', ROUTE_STATIC, [b.via('198.51.100.9')], 1);
  b.kernel.setLink(3, false);
  b.kernel.setLink(3, true);
  b.work();
  b.kernel.serve(1);
  b.zebra.receive(); // the fall, the rise, and then the route
  b.remove('0.0.0.0/0', ROUTE_STATIC);
  b.settle();
  assert.deepEqual([...b.kernel.routes.keys()], []);
});
