// FRR's dataplane has been mended for many years; each mending says what such a program gets wrong. Here every defect that is known
// of it (of 8.4.4, or of the master of 2026) is shown not to be in Grevy: by a test of that name below, or, where the proof stands
// elsewhere, by the entry in ELSEWHERE, whose words are checked.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { Thread } from '../../src/concurrency/index.ts';
import { RunningConfiguration } from '../../src/daemon/configuration.ts';
import {
  closeDataplaneChannel,
  CONTEXT_BYTES,
  type ContextPool,
  createDataplaneChannel,
  DataplaneClient,
  dataplaneThread,
  FLAG_SKIP_KERNEL,
  KIND_ALL,
  KIND_LINK,
  OP_ADDRESS,
  OP_DUMP_BEGIN,
  OP_DUMP_END,
  OP_FINISH,
  OP_LINK,
  OP_LINK_GONE,
  OP_LINK_SET,
  OP_NEIGHBOR,
  OP_NEIGHBOR_GONE,
  OP_NEXTHOP_INSTALL,
  OP_RESYNC,
  OP_ROUTE,
  OP_ROUTE_DELETE,
  OP_ROUTE_INSTALL,
  OP_ROUTE_UPDATE,
  type Provider,
  type ProviderHost,
  TestProvider,
} from '../../src/dataplane/index.ts';
import { dataplaneCommands } from '../../src/dataplane/commands.ts';
import { AF_INET } from '../../src/net/index.ts';
import { Grammar } from '../../src/vty/index.ts';
import { DataplanePlane } from '../../src/zebra/dataplane.ts';
import { NOTE_FAIL_INSTALL, NOTE_INSTALLED, ROUTE_BGP } from '../../src/zebra/index.ts';
import type { PlaneEvents } from '../../src/zebra/plane.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { routeKey } from '../zebra/fake-kernel.ts';
import { Host } from '../zebra/host-process.ts';
import { Bench } from '../zebra/lib.ts';
import { ifindexOf, kernelRoutes, KernelWorld } from './kernel-world.ts';
import { World } from './world.ts';

/** What is proved elsewhere: the defect, the file, and the name of the test. */
const ELSEWHERE: readonly (readonly [defect: string, file: string, test: string])[] = [
  // Queues and back-pressure
  [
    'between providers a queue grows without bound; an early provider starves; after a yield the next is skipped',
    'dataplane/providers.test.ts',
    'gives back exactly once what was sent, keeps each object in order, and no queue grows past its limit',
  ],
  [
    'only the incoming queue counts for back-pressure',
    'dataplane/pipeline.test.ts',
    'a stalled provider stalls those before it, and at last zebra; nothing is lost or overtakes',
  ],
  [
    'the queue of results, and of what the kernel tells, towards a slow zebra is unbounded',
    'dataplane/thread.test.ts',
    'a zebra that takes nothing costs bounded memory, and hears the truth afterwards',
  ],
  [
    'FPM: a peer that accepts and never reads parks every context there is, and the FIB status with them',
    'dataplane/fpm.test.ts',
    'a peer that accepts and never reads costs a megabyte, and the kernel nothing',
  ],
  [
    'FPM: the wedge timer resets a connection in the middle of a big table',
    'dataplane/fpm.test.ts',
    'a peer that takes nothing is given up, one that takes little is not',
  ],
  [
    'FPM: deletes are missed, and a peer that comes back is not told everything',
    'dataplane/fpm.test.ts',
    'a connection that ends in the middle: the next one is told everything',
  ],
  [
    'FPM: a threaded provider has a private queue without a bound',
    'dataplane/worker.test.ts',
    'takes no more at a time than it has room for, and refuses what will never fit',
  ],
  [
    'FPM: one slow consumer holds up what the kernel has confirmed',
    'dataplane/providers.test.ts',
    'gets its own contexts only; its result is its own; when it is full or gone that is said at once',
  ],
  [
    'an unbounded output buffer to a slow ZAPI client',
    'zebra/server.test.ts',
    'bounds what waits for a client that does not read, and tells it the last state when it does',
  ],
  // Providers
  [
    'an asynchronous provider never wakes the loop, and routes stay queued',
    'dataplane/worker.test.ts',
    'gets the cycle that it asks for, threaded or not',
  ],
  [
    'what failed skips the rest of the chain, and those before cannot undo',
    'dataplane/providers.test.ts',
    'goes through those before that can, latest first, and keeps whose error it was',
  ],
  [
    'a provider can not be removed or restarted while the daemon runs',
    'dataplane/providers.test.ts',
    'ends while contexts are inside: what it holds fails, what waits goes on, and it is let go of when it has let go',
  ],
  [
    'a provider looks into objects of the main thread',
    'dataplane/worker.test.ts',
    'spoils no request, whatever it does to its copy, nor whose it is and where it goes',
  ],
  [
    'FPM: the thread spins while the peer does not read, and nothing recovers',
    'whole/fpm-load.test.ts',
    'a peer that stops reading keeps nobody busy and delays nobody, whatever the limit of the queue',
  ],
  [
    'a peer or a plugin is told nothing of the routes of the system',
    'zebra/feed-kernel.test.ts',
    'is told static, connected and kernel routes',
  ],
  [
    'under churn what waits for a slow consumer grows with every change',
    'zebra/feed.test.ts',
    'what changes many times while a follower is slow is told once',
  ],
  [
    'a plugin that can only leave late sees every route taken back',
    'dataplane/providers.test.ts',
    'is told before what zebra takes back, though no context was free when it came',
  ],
  // The listener
  [
    'causes and effects are read from different sockets, and overtake each other',
    'dataplane/thread.test.ts',
    'tells what others do, in order',
  ],
  [
    'events wait behind a flood of installs',
    'dataplane/thread.test.ts',
    'a link that goes down while routes pour in is told between two batches',
  ],
  [
    'an overrun of the receive buffer under any storm diverges for good',
    'whole/overrun.test.ts',
    'what was missed is found and repaired',
  ],
  // The kernel provider
  [
    'no acknowledgement is asked for: silence is success',
    'netlink/kernel.test.ts',
    'lost answers leave doubt, which asking again removes',
  ],
  [
    'an error is matched by walking, and fails its neighbours',
    'dataplane/thread.test.ts',
    'installs, replaces and deletes; results carry the identity of their owner, in order',
  ],
  ['two network namespaces, and a crash at their end', 'dataplane/namespaces.test.ts', 'three namespaces at once'],
  // The RIB and the kernel
  ['a route that failed is never tried again', 'zebra/rib.test.ts', 'a refused route is tried again'],
  [
    "the kernel deleted a nexthop object: it comes back, its routes don't",
    'zebra/kernel.test.ts',
    'a nexthop object deleted behind our back comes back with the routes that went with it',
  ],
  [
    'routes that the kernel drops in silence with a link are shown installed, and ECMP is out of step after a flap',
    'zebra/kernel.test.ts',
    'a link that goes down takes its routes along, and brings them back',
  ],
  [
    'routes that depend on a changed one are not resolved again',
    'zebra/rib.test.ts',
    'a recursive next hop follows the route that covers it with one message, however many routes use it',
  ],
  [
    'a bit of the meta queue leaks, and the route is stuck',
    'zebra/property.test.ts',
    'after any disturbance, what the kernel has is what is wanted',
  ],
  [
    'a route of somebody else that ours replaced on its way is believed in, and neither is in the kernel',
    'zebra/rib.test.ts',
    "somebody's route that ours replaced on its way is not believed in: ours stays, and no other is shown",
  ],
  [
    'a restart removes every route before anybody can announce it again',
    'whole/recovery.test.ts',
    'kill -9 leaves the routes forwarding; the next start touches none that is right and sweeps what is stale',
  ],
  [
    'bgpd does not announce again what a restarted zebra does not know',
    'zebra/frr-kernel.test.ts',
    'none of its routes is touched by the sweep; news of one route is of one route',
  ],
  [
    'removing a million routes takes as many messages',
    'zebra/rib.test.ts',
    'an orderly stop leaves nothing of ours, and hardly needs a message per route',
  ],
  [
    'IPv4 routes that go in silence with an address are shown installed',
    'zebra/paths.test.ts',
    'with the last address of a device routes go without a word, and come back',
  ],
  [
    'a route of ours that gave way to one of the system does not come back, its result being lost',
    'zebra/rib.test.ts',
    'a route deleted behind our back is put back, one that a foreign route replaced comes back after it',
  ],
  [
    'asking for the speed of a link holds up everything',
    'zebra/rib.test.ts',
    'a speed that is known late is told as such: the link is what it was',
  ],
  [
    'the same next hops have several groups, and more after a link went down and came up',
    'zebra/server.test.ts',
    'gives routes of the same next hops one group, in whatever order they come and whatever their links do',
  ],
  // What is shown
  [
    '`detailed` is ignored, and there is no JSON',
    'whole/cli.test.ts',
    'every show command runs, prints something, and its JSON is JSON',
  ],
];

test('what is proved elsewhere is still there', () => {
  for (const [defect, file, name] of ELSEWHERE) {
    const text = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
    assert.ok(text.includes(name), `${defect}: ${file} has no test "${name}"`);
  }
});

describe('defects that Grevy is without: contexts', () => {
  test('a context is as wide as the widest operation, and next hops are allocated beside it', () => {
    const world = new World(64);
    assert.ok(CONTEXT_BYTES <= 128);
    assert.ok(
      world.channel.requests.byteLength <= 64 * (CONTEXT_BYTES + 8) + 1024,
      'the pool is contexts, and little else',
    );
    assert.ok(world.send(1));
    assert.equal(world.client.stats().requests.inUse, 1, 'a route with its next hop is one slot');
    world.client.flush();
    world.run();
    world.close();
  });

  test('a context is allocated for every update', () => {
    const world = new World(64);
    const bytes = world.channel.requests;
    for (let round = 0; round < 100; round++) {
      world.sendAll(0, 64);
      assert.equal(world.send(64), false, 'none is made where all are in use');
      world.run();
    }
    const { limit, highWater, refused } = world.client.stats().requests;
    assert.deepEqual({ limit, highWater, refused }, { limit: 64, highWater: 64, refused: 100 });
    assert.equal(bytes, world.channel.requests);
    world.close();
  });

  test('results are taken without a bound, and nobody else has a turn meanwhile', () => {
    const world = new World(256);
    world.sendAll(0, 256);
    while (world.pipeline.cycle());
    world.pipeline.publish();
    const counts: number[] = [];
    const nothing = (): void => {};
    for (let taken = 100; taken === 100; ) counts.push((taken = world.client.poll(100, nothing, nothing)));
    assert.deepEqual(counts, [100, 100, 56]);
    world.close();
  });
});

describe('defects that Grevy is without: providers', () => {
  test('a provider that reached its work limit and asks for nothing is not called again', () => {
    const world = new World(256);
    const taken: number[] = [];
    world.pipeline.register({
      name: 'forgetful',
      priority: 'pre-kernel',
      workLimit: 10,
      process(work) {
        for (let handle = work.take(); handle >= 0; handle = work.take()) {
          taken.push(work.pool.object(handle));
          work.finish(handle);
        }
      },
    });
    world.sendAll(0, 256);
    assert.ok(world.run() >= 25);
    assert.equal(taken.length, 256);
    world.assertEmpty();
    world.close();
  });

  test('an operation that a provider does not know is lost in it', () => {
    const world = new World();
    const early: boolean[] = [];
    world.pipeline.register({
      name: 'routes only',
      priority: 'pre-kernel',
      process(work) {
        for (let handle = work.take(); handle >= 0; handle = work.take()) {
          if (work.pool.op(handle) === OP_ROUTE_INSTALL) work.pool.setMetric(handle, 7);
          work.finish(handle);
        }
      },
      finish: first => void early.push(first),
    });
    const nothing = (): void => {};
    world.send(1, nothing, OP_RESYNC);
    world.send(2);
    world.send(3, nothing, OP_FINISH);
    world.client.flush();
    world.run();
    assert.deepEqual(
      world.byObject.map(({ object, errno, metric }) => [object, errno, metric]),
      [
        [1, 0, 0],
        [2, 0, 7],
        [3, 0, 0],
      ],
    );
    assert.deepEqual(early, [true]);
    world.close();
  });

  test('a queue is shown as long as all that ever went through it', () => {
    const world = new World();
    world.pipeline.register(new TestProvider({ name: 'one' }));
    world.sendAll(0, 200);
    world.run();
    const [one] = world.pipeline.providers;
    assert.deepEqual([one!.in, one!.inQueue, one!.out, one!.outQueue], [200, 0, 200, 0]);
    world.close();
  });
});

describe('defects that Grevy is without: results', () => {
  test('a result is matched to the route that is there now, not to the one it is about', () => {
    const b = new Bench();
    b.link(2, 'eth0', '192.0.2.1/24');
    const notes: number[] = [];
    b.zebra.setNotes({ note: (_owner, note) => void notes.push(note) });
    const owner = b.zebra.addOwner({
      type: ROUTE_BGP,
      instance: 0,
      session: 0,
      name: 'bgp',
      synchronous: false,
      notify: true,
    });
    b.add('11.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.7')], 20);
    b.add('12.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.8')], 20);
    b.settle();
    // Announced, and on its way; withdrawn and announced otherwise, before the kernel refuses the first.
    b.add('10.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.7')], 20, 0, owner);
    b.work();
    b.remove('10.0.0.0/8', ROUTE_BGP);
    b.add('10.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.8')], 20, 0, owner);
    let refusals = 0;
    b.kernel.refuse = () => (refusals++ === 0 ? 22 : 0);
    b.settle();
    const route = b.kernel.routes.get(routeKey(AF_INET, [0x0a000000, 0, 0, 0], 8, 20));
    assert.deepEqual(route && b.kernel.pathsOf(route), ['3221225992.0.0.0/2%2'], 'by 192.0.2.8');
    assert.equal(notes.at(-1), NOTE_INSTALLED);
    assert.equal(notes.filter(note => note === NOTE_FAIL_INSTALL).length, 0, 'the second never failed');
  });

  test('a late result of a nexthop object is taken for one of another that has its id now', () => {
    const b = new Bench();
    b.link(2, 'eth0', '192.0.2.1/24');
    b.add('10.0.0.0/8', ROUTE_BGP, [b.via('192.0.2.7')], 20);
    b.settle();
    const before = b.kernel.routeMessages + b.kernel.nexthopMessages;
    for (const id of [...b.kernel.groups.keys(), ...b.kernel.nexthops.keys()]) {
      b.zebra.nexthopInstalled(id, 4711, 22);
      b.zebra.nexthopDeleted(id, 4711, 0);
    }
    b.settle();
    assert.equal(b.kernel.routeMessages + b.kernel.nexthopMessages, before, 'nothing was done about it');
    assert.equal(b.kernel.ours().length, 1);
  });
});

describe('defects that Grevy is without: time', () => {
  test('whatever comes after a pause waits ten milliseconds for company', () => {
    const world = new World();
    world.pipeline.register(new TestProvider({ name: 'one' }));
    world.pipeline.register(new TestProvider({ name: 'other', priority: 'last' }));
    const b = new Bench();
    b.link(2, 'eth0', '192.0.2.1/24');
    for (let i = 0; i < 10; i++) {
      world.sendAll(i, i + 1);
      assert.equal(world.run(), 1, 'through all providers in one cycle');
      assert.equal(world.results.length, i + 1);
      b.add(`10.${i}.0.0/16`, ROUTE_BGP, [b.via('192.0.2.7')], 20);
      b.settle();
      assert.equal(b.kernel.ours().length, i + 1, 'no timer ran for it');
    }
    world.close();
  });
});

describe('defects that Grevy is without: over the kernel', () => {
  const lab = new Lab();
  let ns: Namespace;
  let world: KernelWorld;
  let d0 = 0;
  const DOWN = 7;
  let notify: ProviderHost['notify'];

  before(async () => {
    ns = await lab.namespace('dp');
    for (const [near, far] of [
      ['d0', 'e0'],
      ['d1', 'e1'],
    ] as const) {
      await ns.run('ip', 'link', 'add', near, 'type', 'veth', 'peer', 'name', far);
      for (const name of [near, far]) {
        await ns.run('ip', 'link', 'set', name, 'addrgenmode', 'none');
        await ns.run('ip', 'link', 'set', name, 'up');
      }
    }
    await ns.run('ip', 'addr', 'add', '10.1.0.1/24', 'dev', 'd0');
    d0 = await ifindexOf(ns, 'd0');
  });
  // Routes go with their objects.
  afterEach(() => ns.run('ip', 'nexthop', 'flush'));
  after(() => lab.close());

  async function over(settings: ConstructorParameters<typeof KernelWorld>[1] = {}): Promise<void> {
    world = new KernelWorld(ns, settings);
    await world.ready();
  }

  async function batch(lines: readonly string[]): Promise<void> {
    const file = join(await lab.directory(), 'batch');
    writeFileSync(file, `${lines.join('\n')}\n`);
    await ns.run('sh', '-c', `ip -force -batch ${file} 2>/dev/null || true`); // some is gone before its line comes
  }

  async function picturesAgree(): Promise<void> {
    const kernel = await kernelRoutes(ns);
    await world.until(
      () => kernel.size === world.routes.size && [...kernel].every(key => world.routes.has(key)),
      () => `${world.routes.size} routes to be the kernel's ${kernel.size}`,
    );
  }

  test('an update is skipped because the next hop is the same, though the kernel lost the route meanwhile', async () => {
    await over();
    world.nexthop(5, d0, '10.1.0.2');
    world.route(1, 0x14000000, 5);
    await world.results(2);
    await ns.run('ip', 'route', 'del', '20.0.0.0/24');
    // Nobody has heard of that yet.
    world.route(1, 0x14000000, 5, OP_ROUTE_UPDATE);
    assert.equal((await world.results(3)).at(-1)!.errno, 0);
    assert.deepEqual([...(await kernelRoutes(ns, 'proto', '186'))], ['20.0.0.0/24 20']);
    await world.close();
  });

  test('an overrun is swallowed, or ends the process; there is no resynchronisation', async () => {
    await ns.run('ip', 'route', 'add', 'blackhole', '30.255.255.0/24', 'proto', '4');
    await over({ receiveBuffer: 65_536 });
    // The kernel runs ahead of who does not listen: the black box of FRR, which knew 10,083 of 20,001 routes ever after.
    const prefixes = Array.from({ length: 20_000 }, (_, i) => `30.${i >> 8}.${i & 255}.0/24`);
    await batch([...prefixes.map(prefix => `route add blackhole ${prefix} proto 4`), 'route del 30.255.255.0/24']);
    await picturesAgree();
    assert.ok(world.routes.has('30.78.31.0/24 0') && !world.routes.has('30.255.255.0/24 0'));
    assert.ok(world.dataplane.listener.stats.overruns > 0, 'counted');
    const dumps = world.dataplane.listener.stats.dumps;
    await batch(prefixes.map(prefix => `route del ${prefix}`));
    await picturesAgree();
    assert.ok(world.dataplane.listener.stats.dumps > dumps);
    await world.close();
  });

  test('an overrun loses a result, or an install under way', async () => {
    await over({ receiveBuffer: 4096 });
    world.nexthop(5, d0, '10.1.0.2');
    await world.results(1);
    for (let i = 0; i < 2000; i++) world.route(i, 0x14000000 + i * 256, 5);
    await batch(Array.from({ length: 3000 }, (_, i) => `route add blackhole 30.${i >> 8}.${i & 255}.0/24 proto 4`));
    const outcomes = await world.results(2001);
    assert.deepEqual(
      outcomes.slice(1).map(({ object, errno }) => [object, errno]),
      Array.from({ length: 2000 }, (_, i) => [i, 0]),
    );
    assert.equal((await kernelRoutes(ns, 'proto', '186')).size, 2000);
    assert.ok(world.dataplane.listener.stats.overruns > 0);
    await world.close();
    await ns.run('ip', 'route', 'flush', 'proto', '4');
  });

  test('a flood of neighbours ends the process', async () => {
    await over({ receiveBuffer: 4096 });
    const neighbours = new Set<number>();
    let seen: Set<number> | undefined;
    world.watch = (pool, handle) => {
      const op = pool.op(handle);
      if (op === OP_DUMP_BEGIN && pool.kinds(handle) === 16) seen = new Set();
      if (op === OP_DUMP_END && pool.kinds(handle) === 16 && seen !== undefined) {
        for (const word of neighbours) if (!seen.has(word)) neighbours.delete(word);
        seen = undefined;
      }
      if ((op !== OP_NEIGHBOR && op !== OP_NEIGHBOR_GONE) || pool.family(handle) !== 2) return;
      const word = pool.neighbor(handle).address[0];
      if (op === OP_NEIGHBOR_GONE) neighbours.delete(word);
      else {
        neighbours.add(word);
        seen?.add(word);
      }
    };
    const addresses = Array.from({ length: 3000 }, (_, i) => `10.2.${i >> 8}.${i & 255}`);
    await batch(addresses.map(one => `neigh replace ${one} lladdr 02:00:00:00:00:01 dev d0 nud permanent`));
    const count = async (): Promise<number> =>
      (await ns.ipJson<{ state: string[] }[]>('-4', 'neigh', 'show', 'dev', 'd0')).length;
    const there = await count();
    assert.ok(there >= 900, 'as many as the kernel keeps at least');
    await world.until(
      () => neighbours.size >= there,
      () => `${there} neighbours, heard of ${neighbours.size}`,
    );
    assert.ok(world.dataplane.listener.stats.overruns > 0);
    await batch(addresses.map(one => `neigh del ${one} dev d0`));
    await world.until(
      () => neighbours.size === 0,
      () => `no neighbour, heard of ${neighbours.size}`,
    );
    await world.close();
  });

  test('a dump that the kernel says was interrupted is believed', async () => {
    const names = Array.from({ length: 60 }, (_, i) => [`v${i}`, `w${i}`] as const);
    await batch(names.map(([near, far]) => `link add ${near} type veth peer name ${far}`));
    await over();
    const links = new Map<number, string>();
    world.watch = (pool, handle) => {
      if (pool.op(handle) === OP_LINK) links.set(pool.ifindex(handle), pool.link(handle).name);
      if (pool.op(handle) === OP_LINK_GONE) links.delete(pool.ifindex(handle));
    };
    // Nothing of before is left to be read.
    await world.until(() => !world.turn(), 'quiet');
    world.client.requestResync(KIND_LINK);
    world.dataplane.pipeline.cycle();
    const { dumps, interruptions } = world.dataplane.listener.stats;
    // It rests for as long as the one before took.
    await until(() => world.dataplane.listener.run(1) && world.dataplane.listener.stats.dumps > dumps, {
      what: 'a dump to begin',
      everyMs: 1,
    });
    // A step is one datagram; a dump of so many links takes several. The first alone, then as many as what is told of a link that
    // goes, or the dump would never have its turn.
    for (let i = 0; world.dataplane.listener.stats.interruptions === interruptions && i < names.length; i++) {
      world.dataplane.listener.run(i === 0 ? 1 : 8);
      await ns.run('ip', 'link', 'del', `v${i}`);
    }
    assert.ok(world.dataplane.listener.stats.interruptions > interruptions, 'a dump was begun again');
    await batch(names.map(([near]) => `link del ${near}`));
    const there = await ns.ipJson<{ ifname: string }[]>('link');
    await world.until(
      () => links.size === there.length,
      () => `${there.map(one => one.ifname).join()}; heard of ${[...links.values()].join()}`,
    );
    await world.close();
  });

  test('an address is told before its link', async () => {
    await over();
    const links = new Set<number>();
    const strangers: number[] = [];
    let addresses = 0;
    world.watch = (pool, handle) => {
      if (pool.op(handle) === OP_LINK) links.add(pool.ifindex(handle));
      if (pool.op(handle) !== OP_ADDRESS) return;
      addresses++;
      if (!links.has(pool.ifindex(handle))) strangers.push(pool.ifindex(handle));
    };
    const lines = Array.from({ length: 50 }, (_, i) => [
      `link add n${i} type veth peer name m${i}`,
      `addr add 10.3.${i}.1/24 dev n${i}`,
    ]);
    await batch(lines.flat());
    await world.until(
      () => addresses >= 50,
      () => `50 addresses, heard of ${addresses}`,
    );
    assert.deepEqual(strangers, []);
    await batch(lines.map((_, i) => `link del n${i}`));
    await world.close();
  });

  test('what has nothing to do with the kernel overtakes what waits for it', async () => {
    await over();
    world.nexthop(5, d0, '10.1.0.2');
    for (let i = 0; i < 600; i++)
      world.route(i, 0x14000000 + i * 256, 5, OP_ROUTE_INSTALL, i % 3 === 0 ? FLAG_SKIP_KERNEL : 0);
    const outcomes = await world.results(601);
    assert.deepEqual(
      outcomes.slice(1).map(({ object, errno }) => [object, errno]),
      Array.from({ length: 600 }, (_, i) => [i, 0]),
    );
    assert.equal((await kernelRoutes(ns, 'proto', '186')).size, 400);
    for (let i = 0; i < 600; i++) world.route(i, 0x14000000 + i * 256, 0, OP_ROUTE_DELETE);
    await world.results(1201);
    assert.equal((await kernelRoutes(ns, 'proto', '186')).size, 0);
    await world.close();
  });

  test('a result overtakes what a provider told before it', async () => {
    await over({
      providers: [
        {
          name: 'tells',
          priority: 'last',
          start: host => void (notify = host.notify),
          process(work) {
            const handle = work.take();
            if (handle < 0) return;
            assert.ok(
              notify(OP_ROUTE, (pool, one) => pool.setRoute(one, 254, 2, 0x14000000, 0, 0, 0, 24, 186, 1, 20, 5)),
            );
            work.finish(handle);
          },
        },
      ],
    });
    world.turn();
    const order: number[] = [];
    const look = (): void => {
      const note = (pool: ContextPool, handle: number): void => void order.push(pool.sequence(handle));
      world.client.poll(100, note, note);
    };
    // Zebra may look at any moment; it does whenever the results are to be seen and the notifications not yet.
    const { listener } = world.dataplane;
    const publish = listener.publish.bind(listener);
    listener.publish = () => {
      look();
      publish();
    };
    for (let i = 0; i < 5; i++) world.route(i, 0x14000000 + i * 256, 0);
    await until(
      () => {
        world.dataplane.turn();
        look();
        return order.length >= 10;
      },
      { what: () => `five results and what is told before each; ${order.join()}`, everyMs: 1 },
    );
    assert.deepEqual(
      order,
      order.map((_, i) => order[0]! + i),
    );
    await world.close();
    for (let i = 0; i < 5; i++) await ns.run('ip', 'route', 'del', 'blackhole', `20.0.${i}.0/24`, 'metric', '20');
  });

  test('a refusal of the kernel is swallowed', async () => {
    await over();
    await ns.run('ip', 'link', 'set', 'd1', 'down');
    world.nexthop(6, await ifindexOf(ns, 'd1'), '10.9.0.2');
    world.route(DOWN, 0x15000000, 6);
    const outcomes = await world.results(2);
    assert.equal(outcomes[0]!.op, OP_NEXTHOP_INSTALL);
    assert.ok(
      outcomes.every(({ errno, provider }) => errno !== 0 && provider === 1),
      JSON.stringify(outcomes),
    );
    assert.equal((await kernelRoutes(ns, 'proto', '186')).size, 0);
    await world.close();
    await ns.run('ip', 'link', 'set', 'd1', 'up');
  });

  test('of a refusal that makes others, only the last is told, and its words are lost', async () => {
    await over();
    // The kernel says why it refuses the object; of the routes, that they name one that is not there.
    world.nexthop(6, d0, '224.0.0.5');
    world.route(1, 0x15000000, 6);
    world.route(2, 0x15000100, 6);
    await world.results(3);
    const { refusals } = world.dataplane.kernel;
    assert.deepEqual(
      refusals.map(({ operation, reason, count }) => [operation, reason, count]),
      [
        ['NEXTHOP_INSTALL', 'Nexthop has invalid gateway', 1],
        ['ROUTE_INSTALL', 'Nexthop id does not exist', 2],
      ],
    );
    assert.deepEqual(
      world.logs.filter(text => text.startsWith('Kernel')),
      [
        'Kernel: refused: NEXTHOP_INSTALL id 6: ENETUNREACH: Nexthop has invalid gateway',
        'Kernel: refused: ROUTE_INSTALL 21.0.0.0/24 table 254 proto 186 nhid 6: EINVAL: Nexthop id does not exist',
      ],
    );
    // What has no words has the name of its errno, and not the words that this batch's memory held before.
    for (let object = 3; object < 8; object++) {
      world.send(OP_LINK_SET, object, (pool, handle) =>
        pool.setLinkChange(handle, { ifindex: 4711, flags: 1, change: 1, mtu: 1500 }),
      );
      await world.results(object + 1);
    }
    const { operation, reason, count, first } = world.dataplane.kernel.refusals[2]!;
    assert.deepEqual([operation, reason, count, first], ['LINK_SET', 'ENODEV', 5, 'LINK_SET index 4711']);
    assert.equal(world.dataplane.kernel.stats.lastError, 'ENODEV');
    await world.close();
  });

  test('an update of an IPv6 route is a delete and an add, with a gap between', async () => {
    await over();
    world.nexthop(8, d0, 'fe80::8', 10);
    world.nexthop(9, d0, 'fe80::9', 10);
    const install = (object: number, id: number, op: number): void =>
      world.send(op, object, (pool, handle) =>
        pool.setRoute(handle, 254, 10, 0x20010db8, object, 0, 0, 64, 186, 1, 20, id),
      );
    for (let i = 0; i < 50; i++) install(i, 8, OP_ROUTE_INSTALL);
    await world.results(52);
    let heard = '';
    const monitor = ns.spawn(['ip', '-6', '-o', 'monitor', 'route'], { stdio: ['ignore', 'pipe', 'inherit'] });
    monitor.stdout!.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    // It listens when it has heard of something.
    await until(
      async () => {
        await ns.run('ip', '-6', 'route', 'replace', 'blackhole', '2001:db8:beef::/48');
        return heard !== '';
      },
      { what: 'the monitor to listen' },
    );
    for (let i = 0; i < 50; i++) install(i, 9, OP_ROUTE_UPDATE);
    const outcomes = await world.results(102);
    assert.ok(outcomes.every(({ errno }) => errno === 0));
    await ns.run('ip', '-6', 'route', 'add', 'blackhole', '2001:db8:dead::/48');
    await until(() => heard.includes('dead'), { what: 'the monitor' });
    const ours = heard.split('\n').filter(line => line.includes('/64') && line.includes('bgp'));
    assert.equal(ours.length, 50, heard);
    assert.deepEqual(
      ours.filter(line => line.includes('Deleted')),
      [],
    );
    monitor.kill();
    for (const prefix of ['dead', 'beef']) await ns.run('ip', '-6', 'route', 'del', `2001:db8:${prefix}::/48`);
    await world.close();
  });

  test('a batch ends after a hundred contexts and with every wake-up, whatever its buffer; nobody is told', async () => {
    await over();
    world.nexthop(5, d0, '10.1.0.2');
    let done = (await world.results(1)).length;
    const { kernel } = world.dataplane;
    /** Messages of a send. */
    const install = async (count: number): Promise<number> => {
      const before = kernel.stats;
      for (let i = 0; i < count; i++) world.route(i, 0x14000000 + i * 256, 5);
      await world.results((done += count));
      return (kernel.stats.messages - before.messages) / (kernel.stats.batches - before.batches);
    };
    assert.ok((await install(4000)) > 100, `${kernel.stats.batches} sends`);
    kernel.limitBytes(1);
    assert.equal(await install(100), 1, 'as small as an operator wants');
    kernel.limitBytes(520);
    const few = await install(100);
    assert.ok(few > 4 && few <= 10, `${few} a send`);
    kernel.limitBytes(1 << 20);
    assert.ok((await install(4000)) > 100);
    await world.close();
  });

  test('a group that does not fit what is left of a batch makes it fail', async () => {
    await over();
    const members = Array.from({ length: 200 }, (_, i) => 1000 + i);
    for (const id of members) world.nexthop(id, d0, '10.1.0.2');
    for (let i = 0; i < 100; i++) {
      world.send(OP_NEXTHOP_INSTALL, 2000 + i, (pool, handle) => {
        pool.setNexthop(handle, 2000 + i, 0, 11);
        assert.ok(pool.setMembers(handle, members, new Uint8Array(members.length).fill(1)));
      });
    }
    const outcomes = await world.results(300);
    assert.deepEqual(
      outcomes.filter(({ errno }) => errno !== 0),
      [],
    );
    const there = await ns.ipJson<{ id: number; group?: unknown[] }[]>('nexthop', 'show', 'groups');
    assert.equal(there.filter(({ group }) => group?.length === 200).length, 100);
    await world.close();
  });

  test('a late word of the hardware brings a route back that its owner has taken away', async () => {
    await over();
    world.turn();
    const fill = (pool: ContextPool, handle: number): void =>
      pool.setRoute(handle, 254, 2, 0x14000000, 0, 0, 0, 24, 186, 1, 20, 5);
    const FPM = 3;
    assert.ok(world.dataplane.listener.notify(FPM, OP_ROUTE, fill));
    assert.ok(world.dataplane.listener.notify(0, OP_ROUTE, fill));
    world.dataplane.listener.publish();
    const told: string[] = [];
    const events = new Proxy({}, { get: (_, name) => () => void told.push(String(name)) }) as PlaneEvents;
    assert.equal(new DataplanePlane(world.client).poll(events, 10), 2);
    // An outcome says how a route that is there fares (test/zebra/outcomes.test.ts); what is there, the kernel alone tells.
    assert.deepEqual(told, ['routeOutcome', 'routeOutcome', 'route']);
    await world.close();
  });

  test('shutdown waits without a limit for who does not finish, and does not say for what', async () => {
    // Whoever stands behind it hears of both ends nevertheless, and has time to let go.
    const heard: boolean[] = [];
    let lateMs = 0;
    const other: Provider = {
      name: 'other',
      priority: 'last',
      process: () => {},
      finish: early => {
        heard.push(early);
        lateMs = performance.now();
      },
      finished: () => performance.now() - lateMs > 20,
    };
    await over({ providers: [new TestProvider({ name: 'deaf', priority: 'pre-kernel', hold: true }), other] });
    for (let i = 0; i < 3; i++) world.route(i, 0x14000000 + i * 256, 0);
    const limitMs = 200;
    const startMs = performance.now();
    const left = world.dataplane.finish(limitMs);
    // It slept nearly all that time, and came back when it was over: a second would be another kind of limit.
    assert.ok(performance.now() - startMs < 50 * limitMs);
    assert.equal(left, '3 contexts');
    assert.deepEqual(heard, [true, false]);
    closeDataplaneChannel(world.channel);
  });
});

describe('defects that Grevy is without: the thread', () => {
  const lab = new Lab();
  after(() => lab.close());

  test('a stalled provider, or nothing at all to do, keeps the thread busy', { timeout: 60_000 }, async t => {
    const ns = await lab.namespace('idle');
    const channel = createDataplaneChannel();
    const client = new DataplaneClient(channel);
    const thread = await Thread.start({
      name: 'dplane',
      entry: dataplaneThread,
      data: { channel, namespace: ns.path },
      ownLoop: true,
    });
    const configuration = new RunningConfiguration(new Grammar([dataplaneCommands]), () => thread);
    t.after(async () => {
      await thread.stop();
      closeDataplaneChannel(channel);
    });
    const module = join(await lab.directory(), 'stalls.ts');
    writeFileSync(
      module,
      `export default () => ({ process(work) { if (!this.held) this.held = work.take() >= 0; } });\n`,
    );
    const nothing = (): void => {};
    let dumped = 0;
    const poll = (): void =>
      void client.poll(4096, nothing, (pool, handle) => {
        if (pool.op(handle) === OP_DUMP_END) dumped |= pool.kinds(handle);
      });
    await until(() => (poll(), dumped === KIND_ALL), { what: 'the first dump', everyMs: 1 });

    /** Clock ticks that the thread has used so far. */
    const ticks = (): number => {
      for (const task of readdirSync('/proc/self/task')) {
        const [, name, rest] = /\((.*)\) (.*)/.exec(readFileSync(`/proc/self/task/${task}/stat`, 'utf8'))!;
        const fields = rest!.split(' ');
        if (name === 'dplane') return Number(fields[11]) + Number(fields[12]);
      }
      return assert.fail('no thread of this name');
    };
    const cycles = async (): Promise<number> => {
      const reply = (await thread.request({
        vty: 'exec',
        id: 1,
        command: 0,
        args: { detailed: true, json: true },
        session: { terminalLength: 0 },
      })) as { text: string };
      return (JSON.parse(reply.text) as { cycles: number }).cycles;
    };
    /** How many turns it makes, and what part of a processor it takes, while nothing happens. */
    const rest = async (): Promise<{ turns: number; share: number }> => {
      const before = await cycles();
      const startMs = performance.now();
      const start = ticks();
      await until(() => performance.now() - startMs > 500, { what: 'half a second' });
      const share = ((ticks() - start) * 10) / (performance.now() - startMs);
      return { turns: (await cycles()) - before, share };
    };

    const idle = await rest();
    assert.ok(idle.turns <= 10 && idle.share < 0.3, `idle: ${JSON.stringify(idle)}`);
    const line = `dplane provider stalls module ${module} priority pre-kernel`;
    assert.deepEqual(await configuration.load(line, 'test'), []);
    for (let i = 0; i < 5000; i++) {
      const handle = client.allocate(OP_ROUTE_INSTALL);
      client.requests.setRoute(handle, 254, 2, 0x14000000 + i * 256, 0, 0, 0, 24, 186, 6, 20, 0);
      client.enqueue(handle);
    }
    client.flush();
    await until(() => client.stats().down.length < 5000, { what: 'the provider to have what it can hold' });
    const stalled = await rest();
    assert.ok(stalled.turns <= 10 && stalled.share < 0.3, `stalled: ${JSON.stringify(stalled)}`);
    assert.ok(client.stats().down.length > 1000, 'the rest still waits');
    // What it holds fails with it, and the rest goes through.
    assert.deepEqual(await configuration.load(`no ${line}`, 'test'), []);
    await until(() => (poll(), client.stats().requests.inUse === 0), { what: 'every result', everyMs: 1 });
  });

  test('a zebra that was stopped for a while knows half of the routes ever after', { timeout: 60_000 }, async () => {
    const ns = await lab.namespace('stopped');
    const host = new Host(ns, join(await lab.directory(), 'zserv.api'), 60_000);
    await host.ready;
    const file = join(await lab.directory(), 'batch');
    const lines = Array.from({ length: 20_000 }, (_, i) => `route add blackhole 30.${i >> 8}.${i & 255}.0/24 proto 4`);
    writeFileSync(file, `${lines.join('\n')}\n`);
    host.child.kill('SIGSTOP');
    await ns.run('ip', '-batch', file);
    host.child.kill('SIGCONT');
    const known = async (): Promise<number> =>
      (JSON.parse(await host.run('show ip route summary json')) as { routes: { fib: number; type: string }[] }).routes
        .filter(one => one.type === 'kernel')
        .reduce((sum, one) => sum + one.fib, 0);
    let last = 0;
    await until(async () => (last = await known()) === 20_000, { what: () => `20,000 routes, known are ${last}` });
    await host.stop();
  });
});
