// Followers of the dataplane: whatever they miss, refuse or ask for again, they end up with what the kernel has, and nothing
// that they are told names what they do not have.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AF_INET } from '../../src/net/index.ts';
import { blackholeNexthop, ROUTE_BGP, ROUTE_CONNECT, ROUTE_KERNEL, ROUTE_STATIC } from '../../src/zebra/index.ts';
import type { FakeFollower } from './fake-follower.ts';
import { Bench } from './lib.ts';
import { LINKS, operation, type Operation, World } from './world.ts';

const FOLLOWER = 7;
/** Prefixes of somebody else's routes, which nothing of the world resolves through. */
const FOREIGN = [0x32000000, 0x33000000];

type FeedOperation =
  | Operation
  | { kind: 'foreign'; prefix: number; link: number }
  | { kind: 'follow'; changes: number }
  | { kind: 'limit'; limit: number }
  | { kind: 'rest' }
  | { kind: 'replay' }
  | { kind: 'restart' };

const feedOperation: fc.Arbitrary<FeedOperation> = fc.oneof(
  { weight: 30, arbitrary: operation },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('foreign' as const), prefix: fc.nat(1), link: fc.nat(1) }),
  },
  { weight: 20, arbitrary: fc.record({ kind: fc.constant('follow' as const), changes: fc.nat(8) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('limit' as const), limit: fc.nat(14) }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'rest' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'replay' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
);

/** What a follower shall have of the routes: those of the system that are selected, and ours as the kernel has them. */
function expected(bench: Bench): Record<string, string> {
  const { kernel, zebra } = bench;
  const out: Record<string, string> = {};
  for (const route of kernel.ours()) {
    const paths = route.paths.map(path => `${path.gateway.join('.')}%${path.ifindex}`);
    out[`${route.family}:${route.words.join('.')}/${route.length}`] =
      `proto ${route.protocol} type ${route.type} nhid ${route.nexthopId} metric ${route.metric} ${paths.toString()}`;
  }
  for (const table of zebra.rib.tables) {
    for (const id of table.prefixes.sorted()) {
      const row = table.selected[id]!;
      if (row < 0 || (table.type[row] !== ROUTE_CONNECT && table.type[row] !== ROUTE_KERNEL)) continue;
      const { words, length } = table.prefixes.prefix(id);
      const key = `${table.family}:${words.join('.')}/${length}`;
      const foreign = [...kernel.routes.values()].filter(
        route => route.protocol === 4 && `${route.family}:${route.words.join('.')}/${route.length}` === key,
      );
      const paths = foreign.flatMap(route => route.paths.map(path => `${path.gateway.join('.')}%${path.ifindex}`));
      const connected = zebra.sets.get(table.set[row]!).members.map(member => `0.0.0.0%${member.ifindex}`);
      const metric = foreign[0]?.metric ?? 0;
      out[key] = `proto 2 type 1 nhid 0 metric ${metric} ${(paths.length > 0 ? paths : connected).toString()}`;
    }
  }
  return out;
}

function actual(follower: FakeFollower): Record<string, string> {
  return Object.fromEntries(
    Array.from(follower.routes, ([key, route]) => [
      key,
      `proto ${route.protocol} type ${route.type} nhid ${route.nexthopId} metric ${route.metric} ${route.paths
        .map(path => `${path.gateway.join('.')}%${path.ifindex}`)
        .toString()}`,
    ]),
  );
}

function checkFollower(bench: Bench, follower: FakeFollower): void {
  const { kernel } = bench;
  assert.deepEqual(actual(follower), expected(bench));
  assert.deepEqual(new Map(follower.groups), new Map(kernel.groups));
  assert.deepEqual(new Set(follower.nexthops.keys()), new Set(kernel.nexthops.keys()));
}

/** Zebra, the kernel and the follower work until nothing moves. */
function settle(bench: Bench, follower: FakeFollower): void {
  for (let round = 0; round < 10_000; round++) {
    bench.settle();
    if (follower.serve() === 0) {
      bench.advance(20);
      bench.settle();
      if (follower.serve() === 0 && bench.zebra.followers.states.every(one => one.state === 'following')) {
        bench.settle();
        if (follower.serve() === 0) return;
      }
    }
  }
  throw new Error(`the feed does not come to rest: ${JSON.stringify(bench.zebra.followers.states)}`);
}

class FeedWorld extends World {
  follower: FakeFollower = this.bench.kernel.follow(FOLLOWER);

  doFeed(one: FeedOperation): void {
    const { kernel, zebra } = this.bench;
    switch (one.kind) {
      case 'foreign': {
        const { ifindex, word } = LINKS[one.link]!;
        if (!this.up[one.link]) break;
        const path = {
          gatewayFamily: AF_INET,
          gateway: [word + 8, 0, 0, 0],
          ifindex,
          blackhole: false,
          onlink: false,
          weight: 1,
        } as const;
        kernel.foreignRoute(AF_INET, [FOREIGN[one.prefix]!, 0, 0, 0], 8, 100, [path]);
        break;
      }
      case 'follow':
        zebra.followers.run(() => false);
        kernel.handOver();
        this.follower.serve(one.changes);
        zebra.receive();
        break;
      case 'limit':
        this.follower.limit = one.limit;
        break;
      case 'rest':
        this.bench.settle();
        if (this.follower.limit > 0) settle(this.bench, this.follower);
        break;
      case 'replay':
        this.follower.replay();
        break;
      case 'restart':
        kernel.unfollow(FOLLOWER);
        this.follower = kernel.follow(FOLLOWER);
        break;
      case 'add':
      case 'link':
      case 'objects':
      case 'overrun':
      case 'refuse':
      case 'remove':
      case 'steal':
      case 'stealNexthop':
      case 'step':
      case 'sweep':
        this.do(one);
        break;
      default:
    }
  }

  restFeed(): void {
    this.follower.limit = 8;
    this.rest();
    settle(this.bench, this.follower);
  }
}

function world(): Bench {
  const bench = new Bench();
  bench.link(2, 'eth0', '192.0.2.1/24');
  bench.link(3, 'eth1', '198.51.100.1/24');
  return bench;
}

describe('the feed of followers', () => {
  test('after any disturbance of either, a follower has what the kernel has', () => {
    fc.assert(
      fc.property(fc.array(feedOperation, { minLength: 5, maxLength: 120, size: 'max' }), operations => {
        const here = new FeedWorld();
        for (const one of operations) here.doFeed(one);
        here.restFeed();
        here.check();
        checkFollower(here.bench, here.follower);
      }),
      { numRuns: 1500 },
    );
  });

  test('the end of a replay comes when everything was told, once', () => {
    const bench = world();
    for (let i = 0; i < 100; i++) bench.add(`10.${i}.0.0/16`, ROUTE_STATIC, [bench.via('192.0.2.9')], 1);
    bench.settle();
    const follower = bench.kernel.follow(FOLLOWER);
    follower.limit = 3;
    // One after the other, so that what comes after one that found no room may find some.
    for (let i = 0; i < 10_000 && follower.complete === 0; i++) {
      bench.work();
      bench.kernel.handOver(1);
      if (i % 3 === 0) follower.serve(1);
      bench.zebra.receive();
      bench.advance(1);
    }
    const [state] = bench.zebra.followers.states;
    assert.ok(state!.refusals > 10, JSON.stringify(state));
    checkFollower(bench, follower);
    assert.equal(follower.complete, 1);
    // A hundred routes, two connected ones, a group and its member: nothing twice.
    assert.equal(follower.changes, 104);
    settle(bench, follower);
    assert.equal(follower.changes, 104);
    follower.replay();
    settle(bench, follower);
    assert.equal(follower.complete, 2);
    assert.equal(follower.changes, 208);
  });

  test('a route whose change is on its way is told when that is done, and the end of the replay waits for it', () => {
    const bench = world();
    bench.add('10.1.0.0/16', ROUTE_STATIC, [bench.via('192.0.2.9')], 1);
    bench.settle();
    const follower = bench.kernel.follow(FOLLOWER);
    /** Everybody works except the kernel. */
    const feed = (): void => {
      for (let i = 0; i < 20; i++) {
        bench.zebra.receive();
        bench.work();
        bench.kernel.handOver();
        follower.serve();
        bench.advance(20);
      }
    };
    bench.add('10.1.0.0/16', ROUTE_STATIC, [blackholeNexthop()], 1);
    feed();
    assert.equal(follower.routes.size, 2, 'connected ones');
    assert.equal(follower.complete, 0);
    follower.replay();
    bench.zebra.receive();
    bench.work();
    bench.kernel.handOver();
    follower.serve();
    bench.zebra.receive();
    // The replay has begun, and has not come to the route when that is gone.
    bench.remove('10.1.0.0/16', ROUTE_STATIC);
    while (bench.kernel.serve() > 0) {
      bench.zebra.receive();
      while (bench.zebra.process(() => false));
    }
    feed();
    settle(bench, follower);
    assert.equal(follower.complete, 1);
    checkFollower(bench, follower);
  });

  test('what changes many times while a follower is slow is told once', () => {
    const bench = world();
    bench.zebra.sweep();
    const follower = bench.kernel.follow(FOLLOWER);
    settle(bench, follower);
    const before = follower.changes;
    for (let i = 0; i < 200; i++) {
      bench.add('10.1.0.0/16', ROUTE_BGP, [bench.via(`192.0.2.${10 + i}`)], 20);
      bench.settle();
    }
    const [state] = bench.zebra.followers.states;
    assert.ok(state!.outstanding <= 12 && state!.dirty <= 12, JSON.stringify(state));
    settle(bench, follower);
    checkFollower(bench, follower);
    assert.ok(
      follower.changes - before < 60,
      `${follower.changes - before} changes for 200 routes one after the other`,
    );
    // Ten thousand prefixes come and go, and nothing of them stays.
    for (let i = 0; i < 10_000; i++) {
      bench.add(`11.${i >> 8}.${i & 255}.0/24`, ROUTE_BGP, [bench.via('192.0.2.9')], 20);
    }
    bench.settle();
    for (let i = 0; i < 10_000; i++) bench.remove(`11.${i >> 8}.${i & 255}.0/24`, ROUTE_BGP);
    bench.remove('10.1.0.0/16', ROUTE_BGP);
    bench.settle();
    settle(bench, follower);
    checkFollower(bench, follower);
    assert.equal(bench.zebra.rib.table(0, AF_INET).prefixes.size, 2, 'prefixes that nobody needs are forgotten');
  });

  test('a follower that refuses is counted, and not told again until something changes', () => {
    const bench = world();
    const follower = bench.kernel.follow(FOLLOWER);
    settle(bench, follower);
    follower.refuse = () => 95;
    bench.add('10.2.0.0/16', ROUTE_STATIC, [bench.via('192.0.2.9')], 1);
    settle(bench, follower);
    const [state] = bench.zebra.followers.states;
    assert.deepEqual(state!.failures, { 95: 3 });
    assert.deepEqual(state!.lastFailure, { what: '10.2.0.0/16', errno: 95 });
    follower.refuse = () => 0;
    follower.replay();
    settle(bench, follower);
    checkFollower(bench, follower);
  });

  test('a follower that is gone leaves nothing behind', () => {
    const bench = world();
    const follower = bench.kernel.follow(FOLLOWER);
    bench.add('10.1.0.0/16', ROUTE_STATIC, [bench.via('192.0.2.9')], 1);
    settle(bench, follower);
    bench.remove('10.1.0.0/16', ROUTE_STATIC);
    bench.settle();
    const { prefixes } = bench.zebra.rib.table(0, AF_INET);
    assert.equal(prefixes.size, 3, 'it stays for the deletion that is to be told');
    bench.kernel.unfollow(FOLLOWER);
    bench.settle();
    assert.equal(prefixes.size, 2);
    assert.deepEqual(bench.zebra.followers.states, []);
    assert.equal(bench.zebra.rib.kernel.watcher, undefined);
  });
});
