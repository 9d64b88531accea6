// Providers in a worker of their own, through WorkerStage: what they change, what they break, and that nobody waits for them.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { World } from './world.ts';
import { temporaryDirectory } from '../lib/temporary.ts';
import { until } from '../lib/wait.ts';
import {
  contextPool,
  EVENT_GONE,
  EVENT_REPLAY,
  FLAG_OFFLOADED,
  FLAG_TARGET,
  FLAG_UNDO,
  FLAG_UNDO_FAILED,
  loadProvider,
  notificationHandler,
  OP_NEXTHOP_INSTALL,
  OP_ROUTE,
  type ProviderCounters,
  type ProviderRequest,
  TestProvider,
} from '../../src/dataplane/index.ts';
import { Doorbell } from '../../src/concurrency/index.ts';
import { WorkerStage } from '../../src/dataplane/worker/stage.ts';
import { E } from '../../src/sys/index.ts';

/** Registers a provider in a worker; returns its number. */
function threaded(world: World, request: Partial<ProviderRequest>): number {
  const whole: ProviderRequest = { name: 'worker', module: 'test', priority: 'pre-kernel', threaded: true, ...request };
  return world.pipeline.register(loadProvider(whole), () => loadProvider(whole));
}

/** Cycles until it is so. */
async function runUntil(world: World, what: string, condition: () => boolean): Promise<void> {
  await until(
    () => {
      world.run();
      return condition();
    },
    {
      timeoutMs: 20_000,
      everyMs: 2,
      what: () => `${what}; ${JSON.stringify(world.pipeline.providers)}, ${world.logs.join('; ')}`,
    },
  );
}

function counters(world: World): ProviderCounters {
  return world.pipeline.providers.find(({ name }) => name === 'worker')!;
}

let modules = 0;

/** A module of a provider, out of tree. */
function moduleOf(source: string, folder = 'out of tree'): string {
  const directory = join(temporaryDirectory(), `${folder} ${modules++}`);
  mkdirSync(directory);
  const path = join(directory, 'provider.mjs');
  writeFileSync(path, source);
  return path;
}

test('one that is closed at any moment of its start takes nobody along', async () => {
  const bell = Doorbell.create();
  const module = import.meta.resolve('../../src/dataplane/provider/test.ts');
  const logs: string[] = [];
  const log = (line: string): number => logs.push(line);
  for (let ms = 0; ms < 40; ms += 0.8) {
    const stage = new WorkerStage({ name: 'worker', priority: 'last', flags: 0, module, settings: {} });
    stage.start({ id: 1, bell, log, replay: () => undefined, notify: () => false });
    await setTimeout(ms);
    stage.close();
  }
  Doorbell.close(bell);
  assert.deepEqual(logs, []);
});

describe('a provider in a worker', () => {
  test('may change a context before the kernel has it, and fail it with an error of its own', async () => {
    const world = new World();
    const id = threaded(world, { settings: { addMetric: 100, failPrefix: '10.0.5.0/24', failErrno: E.ENOSPC } });
    const metrics: number[] = [];
    world.pipeline.register({
      name: 'kernel',
      priority: 'kernel',
      process(work) {
        for (let handle = work.take(); handle >= 0; handle = work.take()) {
          metrics.push(work.pool.metric(handle));
          work.finish(handle);
        }
      },
    });
    world.sendAll(1, 10);
    await runUntil(world, 'all come back', () => world.results.length === 9);
    assert.deepEqual(
      metrics,
      Array.from({ length: 8 }, () => 120),
    );
    assert.deepEqual(
      world.results.filter(({ errno }) => errno !== 0).map(({ object, errno, provider }) => [object, errno, provider]),
      [[5, E.ENOSPC, id]],
    );
    assert.equal(counters(world).errors, 1);
    assert.deepEqual(world.pipeline.status('worker'), { taken: 9, held: 0, failed: 1, undone: 0, undoRefused: 0 });
    world.assertEmpty();
    world.close();
  });

  test('undoes among what goes on, in the order in which it took both', async () => {
    const world = new World(2048);
    const id = threaded(world, { undo: true, slots: 64, settings: { seed: 4, undoFailRate: 0.2 } });
    const fails = world.pipeline.register(
      new TestProvider({ name: 'fails', failRate: 0.5, failErrno: E.ENOSPC, queueLimit: 16 }),
    );
    world.sendAll(0, 2000);
    await runUntil(world, 'all come back', () => world.results.length === 2000);
    assert.equal(counters(world).state, 'running');
    const undone = world.results.filter(({ flags }) => (flags & FLAG_UNDO) !== 0);
    assert.ok(undone.length > 800, `${undone.length} were undone`);
    for (const { errno, provider } of undone) assert.deepEqual([errno, provider], [E.ENOSPC, fails]);
    const refused = undone.filter(({ flags }) => (flags & FLAG_UNDO_FAILED) !== 0).length;
    assert.ok(refused > 100);
    assert.deepEqual([counters(world).id, counters(world).undoErrors], [id, refused]);
    assert.equal(new Set(world.objects).size, 2000);
    world.assertEmpty();
    world.close();
  });

  test('does not answer for an undo that somebody else refused', async () => {
    const world = new World();
    threaded(world, { undo: true });
    world.pipeline.register(new TestProvider({ name: 'refuses', priority: 'kernel', undoFailRate: 1 }));
    world.pipeline.register(new TestProvider({ name: 'fails', failEvery: 1 }));
    world.sendAll(1, 2);
    await runUntil(world, 'it comes back', () => world.results.length === 1);
    assert.equal(world.results[0]!.flags, FLAG_UNDO | FLAG_UNDO_FAILED);
    assert.equal(counters(world).undone, 1);
    assert.equal(counters(world).undoErrors, 0);
    world.close();
  });

  test('takes no more at a time than it has room for, and refuses what will never fit', async () => {
    const world = new World(1024);
    threaded(world, { slots: 8 });
    world.sendAll(0, 200);
    const group = (object: number, members: number): void => {
      const ids = Array.from({ length: members }, (_, i) => i + 1);
      const filled = world.send(
        object,
        (pool, handle) => assert.ok(pool.setMembers(handle, ids, ids)),
        OP_NEXTHOP_INSTALL,
      );
      assert.ok(filled);
    };
    group(300, 48);
    group(301, 49);
    world.sendAll(400, 500);
    await runUntil(world, 'all come back', () => world.results.length === 302);
    assert.deepEqual(
      world.results.filter(({ errno }) => errno !== 0).map(({ object, errno }) => [object, errno]),
      [[301, E.EMSGSIZE]],
    );
    assert.ok(counters(world).inMax <= 8 && counters(world).outMax <= 8);
    world.assertEmpty();
    world.close();
  });

  test('keeps nobody busy while it thinks', async () => {
    const world = new World();
    threaded(world, { slots: 4, settings: { delayMs: 300 } });
    world.sendAll(1, 9);
    world.run();
    const before = world.pipeline.stats.cycles;
    assert.ok(world.run() <= 2, 'no cycle is asked for until it rings');
    assert.equal(world.pipeline.stats.cycles - before <= 2, true);
    assert.ok(world.pipeline.wakeInMs() > 9000, 'but for the time by which it must have answered');
    await runUntil(world, 'all come back', () => world.results.length === 8);
    assert.equal(world.pipeline.wakeInMs(), -1);
    world.close();
  });

  test('gets the cycle that it asks for, threaded or not', async () => {
    const world = new World();
    // It does everything in its second cycle, for which nobody rings.
    const module = moduleOf(`export default () => {
      let due = 0;
      return {
        process(work) {
          if (due === 0) due = Date.now() + 30;
          if (Date.now() < due) return;
          for (let handle = work.take(); handle >= 0; handle = work.take()) work.finish(handle);
        },
        wakeInMs: () => Math.max(0, due - Date.now()),
      };
    }`);
    threaded(world, { module });
    world.sendAll(1, 3);
    await runUntil(world, 'all come back', () => world.results.length === 2);
    world.close();
  });

  test('spoils no request, whatever it does to its copy, nor whose it is and where it goes', async () => {
    const world = new World();
    const module = moduleOf(`export default () => ({
      process(work) {
        for (let handle = work.take(); handle >= 0; handle = work.take()) {
          const { pool } = work;
          if (pool.object(handle) === 2) pool.words.fill(0x7fffffff);
          else {
            pool.setObject(handle, 999, 999);
            pool.setFlags(handle, 0xffff & ~16);
            pool.setCount(handle, 1000);
            pool.setSequence(handle, 999);
          }
          if (pool.object(handle) > 1000) for (;;);
          work.finish(handle);
        }
      },
    })`);
    threaded(world, { module, timeoutMs: 300 });
    const counts: number[] = [];
    world.pipeline.register({
      name: 'kernel',
      priority: 'kernel',
      process(work) {
        for (let handle = work.take(); handle >= 0; handle = work.take()) {
          counts.push(work.pool.object(handle), work.pool.count(handle), work.pool.next(handle));
          work.finish(handle);
        }
      },
    });
    world.sendAll(1, 2);
    await runUntil(world, 'the first comes back', () => world.results.length === 1);
    assert.deepEqual(counts, [1, 0, 0]);
    world.sendAll(2, 3);
    await runUntil(world, 'the second comes back', () => world.results.length === 2);
    // World.collect has checked objects and generations.
    assert.deepEqual(
      world.results.map(({ object, errno, metric }) => [object, errno, metric]),
      [
        [1, 0, 20],
        [2, E.EIO, 20],
      ],
    );
    world.assertEmpty();
    world.close();
  });
});

describe('what a worker saw', () => {
  const index = new URL('../../src/dataplane/index.ts', import.meta.url).href;
  const notifier = (body: string): string =>
    moduleOf(
      `import * as d from ${JSON.stringify(index)};
       let host;
       const words = [0x0a000000, 0, 0, 0];
       export default () => ({ start(given) { host = given; ${body} }, process() {} })`,
      'notifier',
    );

  test('comes up with all that it says, of every kind', async () => {
    const world = new World();
    const notifications = contextPool(world.channel.notifications);
    const told: unknown[] = [];
    const tell = notificationHandler({
      netconf: ({ forwarding, input }) => void told.push(['netconf', forwarding, input]),
      rule: ({ destinationLength, inverted, ipProtocol }) =>
        void told.push(['rule', destinationLength, inverted, ipProtocol]),
      link: ({ name, detail }) => void told.push(['link', name, detail.protoDown]),
      route: ({ paths }, { flags }) =>
        void told.push(['route', ...paths.map(path => path.gateway[0]), paths[0]?.encap?.type, flags]),
      nexthop: ({ members }) => void told.push(['nexthop', ...members.map(member => member.id)]),
    });
    world.notify = (_provider, op, fill) => {
      const handle = notifications.allocate(op);
      fill(notifications, handle);
      tell(notifications, handle);
      notifications.free(handle);
      return true;
    };
    const module = notifier(`
      host.notify(d.OP_NETCONF, (pool, h) => pool.setNetconf(h, { ifindex: 3, family: 2, forwarding: 1, input: 1 }));
      const rule = { family: 2, priority: 1, action: 1, table: 5, source: words, sourceLength: 8, destination: words };
      const rest = { mark: 0, markMask: 0, protocol: 1, inputInterface: '', outputInterface: '', ipProtocol: 6 };
      host.notify(d.OP_RULE, (pool, h) => pool.setRule(h, { ...rule, destinationLength: 9, inverted: true, ...rest }));
      const link = { ifindex: 3, name: 'port', flags: 1, mtu: 1500, mac: new Uint8Array(6), hardwareType: 1, link: 0 };
      const detail = { ...d.NO_DETAIL, protoDown: true };
      host.notify(d.OP_LINK, (pool, h) => pool.setLink(h, { ...link, master: 0, operState: 6, detail }));
      host.notify(d.OP_ROUTE, (pool, h) => {
        pool.setRoute(h, 254, 2, ...words, 24, 186, 1, 20, 0);
        pool.setPath(h, 3, 2, 77, 0, 0, 0, 0, 1);
        pool.setEncap(h, { type: 1, labels: [16, 17] });
        pool.setFlags(h, d.FLAG_OFFLOADED);
      });
      host.notify(d.OP_NEXTHOP, (pool, h) => {
        pool.setNexthop(h, 9, 0, 11);
        pool.setMembers(h, [1, 2, 3], [1, 1, 1]);
      });`);
    threaded(world, { module });
    await runUntil(world, 'all is told', () => told.length === 5);
    assert.deepEqual(told, [
      ['netconf', 1, 1],
      ['rule', 9, true, 6],
      ['link', 'port', true],
      ['route', 77, 1, FLAG_OFFLOADED],
      ['nexthop', 1, 2, 3],
    ]);
    world.close();
  });

  test('is told in one slot, and what it spoilt is not believed', async () => {
    const world = new World();
    const notifications = contextPool(world.channel.notifications);
    const told: number[] = [];
    world.notify = (_provider, op, fill) => {
      const handle = notifications.allocate(op);
      fill(notifications, handle);
      told.push(notifications.op(handle), notifications.count(handle), notifications.next(handle));
      told.push(notifications.encapLength(handle));
      notifications.free(handle);
      return true;
    };
    const spoils = notifier(`host.notify(d.OP_ROUTE, (pool, h) => {
      pool.words.fill(0x7ffdff00 | d.OP_ROUTE);
      pool.setNext(h, 0);
    });`);
    threaded(world, { module: spoils });
    await runUntil(world, 'it is told', () => told.length > 0);
    assert.deepEqual(told, [OP_ROUTE, 1, 0, 0]);
    const wide = notifier(`
      const seven = [1, 2, 3, 4, 5, 6, 7];
      host.notify(d.OP_NEXTHOP, (pool, h) => pool.setMembers(h, seven, seven));`);
    threaded(world, { module: wide, name: 'wide' });
    const state = (): string => world.pipeline.providers.find(({ name }) => name === 'wide')!.state;
    await runUntil(world, 'it is fenced', () => state() !== 'running');
    assert.match(state(), /a notification of more than one slot: NEXTHOP/);
    assert.equal(told.length, 4);
    world.close();
  });
});

describe('a worker that', () => {
  const breaks: [string, Partial<ProviderRequest>, RegExp][] = [
    ['throws', { settings: { throwNth: 3, hold: true } }, /it failed: thrown at context 3, as ordered/],
    ['breaks the order', { settings: { swapNth: 1 } }, /not the one that was to be finished next/],
    ['exits', { settings: { exitNth: 3, hold: true } }, /its thread ended with exit code 3/],
    ['hangs', { settings: { hangNth: 3, hold: true }, timeoutMs: 300 }, /did not answer for 300 ms, with 5 contexts/],
    ['exits while it is loaded', { module: moduleOf('process.exit(7); export {};') }, /ended with exit code 7/],
    ['cannot be loaded', { module: '/no/such/module.mjs' }, /Cannot find module/],
    ['exports nothing', { module: moduleOf('export const nothing = 0;') }, /is not a function/],
  ];
  for (const [what, request, reason] of breaks) {
    test(`${what} is fenced with the reason: what it held fails with its name, the rest passes, and it can be restarted`, async () => {
      const world = new World();
      const id = threaded(world, request);
      world.sendAll(1, 6);
      await runUntil(world, 'all come back', () => world.results.length === 5);
      assert.match(counters(world).state, reason);
      assert.match(world.logs.join('\n'), reason);
      for (const { errno, provider } of world.results)
        assert.deepEqual([errno, provider], errno === 0 ? [0, 0] : [E.EIO, id]);
      assert.ok(world.results.some(({ errno }) => errno === E.EIO));
      world.sendAll(6, 8);
      world.run();
      assert.deepEqual(
        world.results.slice(5).map(({ object, errno }) => [object, errno]),
        [
          [6, 0],
          [7, 0],
        ],
      );
      assert.equal(world.pipeline.restart('worker'), undefined);
      assert.deepEqual([counters(world).state, counters(world).restarts], ['running', 1]);
      world.assertEmpty();
      world.close();
    });
  }

  test('was restarted works again, and gets nothing that the one before it had', async () => {
    const world = new World();
    threaded(world, { settings: { exitNth: 3, hold: false } });
    world.sendAll(1, 3);
    await runUntil(world, 'both come back', () => world.results.length === 2);
    world.sendAll(3, 5);
    await runUntil(world, 'both fail', () => world.results.length === 4);
    world.pipeline.restart('worker');
    world.sendAll(5, 7);
    await runUntil(world, 'both come back', () => world.results.length === 6);
    assert.deepEqual(
      world.results.map(({ errno }) => errno),
      [0, 0, E.EIO, E.EIO, 0, 0],
    );
    assert.equal(world.pipeline.status('worker')!['taken'], 2);
    world.assertEmpty();
    world.close();
  });
});

describe('the end of a worker', () => {
  test('comes when it has finished what it held; it hears of both ends, however soon one follows the other', async () => {
    const world = new World();
    const module = moduleOf(`export default () => {
      let host, queues;
      const held = [];
      return {
        start: given => void (host = given),
        process(work) {
          queues = work;
          for (let handle = work.take(); handle >= 0; handle = work.take()) held.push(handle);
        },
        finish(early) {
          host.log(early ? 'early' : 'late');
          if (!early) setTimeout(() => held.splice(0).forEach(handle => queues.finish(handle)), 30);
        },
      };
    }`);
    threaded(world, { module });
    world.sendAll(1, 4);
    world.run();
    world.pipeline.finish(true);
    world.pipeline.finish(false);
    assert.deepEqual(world.pipeline.unfinished, ['worker']);
    await runUntil(world, 'it has finished', () => world.pipeline.unfinished.length === 0);
    world.run();
    assert.deepEqual(
      world.results.map(({ errno }) => errno),
      [0, 0, 0],
    );
    assert.deepEqual(world.logs, ['worker: early', 'worker: late']);
    assert.equal(counters(world).state, 'running', 'to end as told is no fault');
    assert.equal(world.pipeline.wakeInMs(), -1);
    world.close();
  });

  test('is waited for when it is removed, and not for ever', async () => {
    const world = new World();
    threaded(world, { settings: { hangNth: 1 }, timeoutMs: 200 });
    world.sendAll(1, 2);
    await runUntil(world, 'it is started', () => counters(world).held === 1);
    assert.ok(world.pipeline.unregister('worker'));
    world.run();
    assert.deepEqual(
      world.results.map(({ errno }) => errno),
      [E.EIO],
    );
    assert.equal(world.pipeline.providers.length, 1, 'it may have something to let go of');
    assert.ok(world.pipeline.wakeInMs() > 100);
    await runUntil(world, 'it is gone', () => world.pipeline.providers.length === 0);
    world.close();
  });
});

describe('a follower in a worker', () => {
  function target(world: World, id: number, object: number): void {
    world.send(object, (pool, handle) => {
      pool.setFlags(handle, FLAG_TARGET);
      pool.setProvider(handle, id);
    });
    world.client.flush();
  }

  test('may keep its contexts as long as it likes, if only its loop turns', async () => {
    const world = new World();
    const id = threaded(world, { follower: true, timeoutMs: 200, slots: 4, settings: { delayMs: 1500 } });
    for (let object = 0; object < 12; object++) target(world, id, object);
    await runUntil(world, 'those without room come back', () => world.results.length > 0);
    assert.ok(world.results.every(({ errno }) => errno === E.EAGAIN));
    const refused = world.results.length;
    await runUntil(world, 'all come back', () => world.results.length === 12);
    assert.deepEqual(
      world.results.slice(refused).map(({ errno, provider }) => [errno, provider]),
      Array.from({ length: 12 - refused }, () => [0, id]),
    );
    assert.equal(counters(world).state, 'running');
    assert.deepEqual(world.events, [[id, EVENT_REPLAY]]);
    world.assertEmpty();
    world.close();
  });

  test('whose loop stands still is fenced, and zebra is told', async () => {
    const world = new World();
    const id = threaded(world, { follower: true, timeoutMs: 300, settings: { hangNth: 1 } });
    target(world, id, 1);
    await runUntil(world, 'it comes back', () => world.results.length === 1);
    assert.deepEqual([world.results[0]!.errno, world.results[0]!.provider], [E.EIO, id]);
    assert.deepEqual(world.events, [
      [id, EVENT_REPLAY],
      [id, EVENT_GONE],
    ]);
    world.close();
  });

  test('is told that it will see no results and notifications of others, if it wants to', async () => {
    const world = new World();
    threaded(world, { module: moduleOf('export default () => ({ observe() {}, process() {} })') });
    await runUntil(world, 'it is said', () => world.logs.some(line => line.startsWith('worker: it observes nothing')));
    world.close();
  });

  test('asks for a replay from its thread', async () => {
    const world = new World();
    const module = moduleOf(`export default () => ({ start: host => setTimeout(host.replay, 50), process() {} })`);
    const id = threaded(world, { module, follower: true });
    await runUntil(world, 'it asks', () => world.events.length === 2);
    assert.deepEqual(world.events[1], [id, EVENT_REPLAY]);
    world.close();
  });
});
