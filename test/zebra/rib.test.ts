import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, parsePrefix } from '../../src/net/index.ts';
import { NOTE_BETTER_ADMIN_WON, NOTE_INSTALLED, ROUTE_BGP, ROUTE_STATIC } from '../../src/zebra/index.ts';
import { routeKey } from './fake-kernel.ts';
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
  const owner = b.zebra.addOwner({ type: ROUTE_BGP, instance: 0, session: 0, name: 'bgp', notify: true });
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
  assert.equal(b.zebra.rib.installedCount(), 0);
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
