// What providers may do and what becomes of those that do something else: undo, fences, restarts, removal, followers,
// observers. All in one thread; worker.test.ts has those with a thread of their own.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DataplanePlane } from '../../src/zebra/dataplane.ts';
import type { PlaneEvents } from '../../src/zebra/plane.ts';
import { World } from './world.ts';
import {
  type ContextPool,
  contextPool,
  ContextPool as Unchecked,
  DataplanePage,
  EVENT_GONE,
  EVENT_REPLAY,
  FLAG_TARGET,
  FLAG_UNDO,
  FLAG_UNDO_FAILED,
  loadProvider,
  OP_LINK,
  OP_NEXTHOP_INSTALL,
  OP_ROUTE_INSTALL,
  type Provider,
  PROVIDER_ESSENTIAL,
  PROVIDER_FOLLOWER,
  PROVIDER_UNDO,
  type ProviderCounters,
  type ProviderHost,
  type ProviderPriority,
  ProviderWork,
  seeded,
  STATUS_FAILED,
  TestProvider,
} from '../../src/dataplane/index.ts';
import { E } from '../../src/sys/index.ts';
import { until } from '../lib/wait.ts';

/** Passes everything on, and says what it saw. */
function recorder(name: string, seen: string[], more: Partial<Provider> = {}): Provider {
  return {
    name,
    priority: 'pre-kernel',
    process(work: ProviderWork): void {
      for (let handle = work.take(); handle >= 0; handle = work.take()) {
        const undo = (work.pool.flags(handle) & FLAG_UNDO) !== 0;
        seen.push(`${name} ${undo ? 'undoes ' : ''}${work.pool.object(handle)}`);
        work.finish(handle);
      }
    },
    ...more,
  };
}

function counters(world: World, name: string): ProviderCounters {
  return world.pipeline.providers.find(provider => provider.name === name)!;
}

describe('undo', () => {
  test('goes through those before that can, latest first, and keeps whose error it was', () => {
    const world = new World();
    const seen: string[] = [];
    world.pipeline.register(recorder('first', seen, { flags: PROVIDER_UNDO }));
    world.pipeline.register(recorder('cannot', seen));
    world.pipeline.register(recorder('third', seen, { flags: PROVIDER_UNDO }));
    const id = world.pipeline.register(new TestProvider({ name: 'fails', failEvery: 2, failErrno: E.ENOSPC }));
    world.pipeline.register(recorder('last', seen, { flags: PROVIDER_UNDO, priority: 'last' }));
    world.sendAll(1, 3);
    world.run();
    assert.deepEqual(seen, [
      'first 1',
      'first 2',
      'cannot 1',
      'cannot 2',
      'third 1',
      'third 2',
      'last 1',
      'third undoes 2',
      'first undoes 2',
    ]);
    assert.deepEqual(
      world.results.map(({ object, errno, provider, flags }) => [object, errno, provider, flags]),
      [
        [1, 0, 0, 0],
        [2, E.ENOSPC, id, FLAG_UNDO],
      ],
    );
    assert.equal(counters(world, 'fails').errors, 1);
    assert.equal(counters(world, 'third').undone, 1);
    world.assertEmpty();
    world.close();
  });

  test('that fails is told, still goes further back, and does not cover the first error', () => {
    const world = new World();
    const seen: string[] = [];
    world.pipeline.register(recorder('first', seen, { flags: PROVIDER_UNDO }));
    world.pipeline.register(new TestProvider({ name: 'refuses', priority: 'kernel', undoFailRate: 1, failErrno: 99 }));
    const id = world.pipeline.register(new TestProvider({ name: 'fails', failEvery: 1, failErrno: E.ENOSPC }));
    world.sendAll(1, 2);
    world.run();
    assert.deepEqual(seen, ['first 1', 'first undoes 1']);
    const [result] = world.results;
    assert.deepEqual(
      [result!.errno, result!.provider, result!.flags],
      [E.ENOSPC, id, FLAG_UNDO | FLAG_UNDO_FAILED],
      'the error is that of who failed it, not that of who could not undo it',
    );
    assert.equal(counters(world, 'refuses').undoErrors, 1);
    assert.equal(counters(world, 'refuses').errors, 0);
    assert.equal(counters(world, 'first').undoErrors, 0);
    world.close();
  });

  test('is offered only to who took the context: not to one that came later, nor to one that was passed by', () => {
    const world = new World();
    const seen: string[] = [];
    const fails = new TestProvider({ name: 'fails', failEvery: 1, hold: true, priority: 'last' });
    world.pipeline.register(recorder('early', seen, { flags: PROVIDER_UNDO }));
    world.pipeline.register(new TestProvider({ name: 'fenced', priority: 'kernel', throwNth: 1 }));
    world.pipeline.register(fails);
    world.sendAll(1, 2);
    world.run();
    assert.match(counters(world, 'fenced').state, /thrown at context 1/);
    world.sendAll(2, 3);
    world.run();
    world.pipeline.register(recorder('late', seen, { flags: PROVIDER_UNDO }));
    fails.release();
    world.run();
    assert.deepEqual(seen, ['early 1', 'early undoes 1', 'early 2', 'early undoes 2']);
    assert.deepEqual(
      world.results.map(({ object, errno, flags }) => [object, errno, flags]),
      [
        [1, E.EIO, FLAG_UNDO],
        [2, E.EIO, FLAG_UNDO],
      ],
      'no undo is in doubt: who was passed by did nothing',
    );
    world.close();
  });

  test('of a context that a provider took before it was fenced is in doubt', () => {
    const world = new World();
    const later = new TestProvider({ name: 'later', priority: 'last', hold: true, failEvery: 1 });
    const breaks = new TestProvider({ name: 'breaks', priority: 'kernel', throwNth: 2 });
    world.pipeline.register(breaks);
    world.pipeline.register(later);
    world.sendAll(1, 2);
    world.run();
    world.sendAll(2, 3);
    world.run();
    assert.deepEqual(world.objects, [2], 'the one that it held when it threw');
    later.release();
    world.run();
    assert.equal(world.results[1]!.flags, FLAG_UNDO | FLAG_UNDO_FAILED);
    world.assertEmpty();
    world.close();
  });

  test('comes back at once where those behind are stalled', () => {
    const world = new World();
    const stalled = new TestProvider({ name: 'stalled', priority: 'last', queueLimit: 4, hold: true });
    world.pipeline.register(new TestProvider({ name: 'fails', priority: 'kernel', failPrefix: '10.0.99.0/24' }));
    world.pipeline.register(stalled);
    world.sendAll(0, 50);
    world.run();
    assert.deepEqual(world.results, []);
    world.sendAll(99, 100);
    world.run();
    assert.deepEqual(world.objects, [99], 'past all that waits for the stalled one');
    stalled.release();
    world.run();
    assert.equal(world.results.length, 51);
    world.assertEmpty();
    world.close();
  });
});

describe('a provider', () => {
  test('is given what it is to undo even while its out queue is full', () => {
    const pool = contextPool(Unchecked.create(8));
    const work = new ProviderWork(recorder('full', []), 1, pool, 1);
    const [onward, back, waits] = [1, 2, 3].map(() => pool.allocate(OP_ROUTE_INSTALL));
    work.enter(onward!);
    work.finish(work.take());
    work.enter(waits!);
    assert.equal(work.take(), -1, 'out is full');
    pool.setFlags(back!, FLAG_UNDO);
    work.enterUndo(back!);
    assert.equal(work.take(), back);
    work.finish(back!);
    assert.equal(work.leaveBack(), back);
  });
});

describe('a pipeline of any providers', () => {
  const faults = fc.record(
    {
      queueLimit: fc.integer({ min: 2, max: 20 }),
      workLimit: fc.integer({ min: 1, max: 20 }),
      flags: fc.constantFrom(0, PROVIDER_UNDO),
      priority: fc.constantFrom<ProviderPriority>('pre-kernel', 'kernel', 'post-kernel', 'last'),
      failRate: fc.constantFrom(0, 0.1, 0.5, 1),
      undoFailRate: fc.constantFrom(0, 0.3),
      stallRate: fc.constantFrom(0, 0.5, 0.9),
      delayMs: fc.constantFrom(0, 3),
      throwNth: fc.integer({ min: 1, max: 60 }),
      swapNth: fc.integer({ min: 1, max: 60 }),
      seed: fc.integer(),
    },
    { requiredKeys: ['queueLimit', 'workLimit', 'flags', 'priority', 'seed'] },
  );

  test('gives back exactly once what was sent, keeps each object in order, and no queue grows past its limit', () => {
    let undone = 0;
    let fenced = 0;
    fc.assert(
      fc.property(fc.array(faults, { minLength: 1, maxLength: 5 }), fc.integer(), (settings, seed) => {
        const world = new World(128);
        let now = 0;
        settings.forEach((options, i) =>
          world.pipeline.register(new TestProvider({ ...options, name: `p${i}`, now: () => now })),
        );
        const random = seeded(seed);
        // As zebra does: one context of an object under way; its generations count up.
        const generation = new Int32Array(200);
        const underWay = new Set<number>();
        let sent = 0;
        let got = 0;
        const poll = (): void => {
          world.pipeline.publish();
          world.client.poll(
            1000,
            (pool: ContextPool, handle) => {
              const object = pool.object(handle);
              assert.ok(underWay.delete(object), `${object} came back twice`);
              assert.equal(pool.generation(handle), generation[object], 'the one that was sent');
              const failed = pool.errno(handle) !== 0;
              assert.equal(failed, pool.provider(handle) !== 0, 'an error has its provider');
              if (!failed) assert.equal(pool.flags(handle), 0);
              got++;
            },
            () => assert.fail(),
          );
        };
        for (let round = 0; round < 40; round++) {
          for (let i = random() * 20; i > 0; i--) {
            const object = Math.trunc(random() * 200);
            if (underWay.has(object)) continue;
            const handle = world.client.allocate(OP_ROUTE_INSTALL);
            if (handle === 0) break;
            world.client.requests.setObject(handle, object, ++generation[object]!);
            world.client.enqueue(handle);
            underWay.add(object);
            sent++;
          }
          world.client.flush();
          for (let i = random() * 5; i > 0; i--) world.pipeline.cycle();
          if (random() < 0.2) world.pipeline.restart(`p${Math.trunc(random() * settings.length)}`);
          now++;
          poll();
        }
        for (let i = 0; i < 3000 && got < sent; i++, now++) {
          // One that is to be overtaken waits for a next one, which may never come.
          if (i % 500 === 499) for (const { name } of world.pipeline.providers) world.pipeline.restart(name);
          world.pipeline.cycle();
          poll();
        }
        assert.equal(got, sent, `${sent - got} of ${sent} did not come back`);
        world.assertEmpty();
        for (const provider of world.pipeline.providers) {
          const limit = settings[Number(provider.name.slice(1))]!.queueLimit;
          assert.ok(provider.inMax <= limit && provider.outMax <= limit, `${provider.name} held more than it may`);
          undone += provider.undone;
          fenced += provider.restarts;
        }
        world.close();
      }),
      { numRuns: 150 },
    );
    assert.ok(undone > 100 && fenced > 100, 'it was about something');
  });

  test('asks for no cycle that would get nowhere', () => {
    const world = new World(256);
    const slow = new TestProvider({ name: 'slow', queueLimit: 8, stallRate: 1 });
    world.pipeline.register(recorder('first', [], { queueLimit: 8 }));
    world.pipeline.register(slow);
    world.sendAll(0, 200);
    assert.ok(world.run() < 20, 'one that takes nothing is left alone');
    const before = world.pipeline.stats.cycles;
    assert.equal(world.pipeline.cycle(), false);
    assert.equal(world.pipeline.stats.cycles, before + 1);
    slow.faults = {};
    world.run();
    assert.equal(world.results.length, 200, 'and goes on when it is called again');
    world.close();
  });

  test('is woken for one that wants a cycle later, and not before', () => {
    const world = new World();
    let now = 1000;
    world.pipeline.register(new TestProvider({ delayMs: 50, now: () => now }));
    assert.equal(world.pipeline.wakeInMs(), -1);
    world.sendAll(1, 2);
    assert.ok(world.run() <= 2);
    assert.equal(world.pipeline.wakeInMs(), 50);
    now += 20;
    assert.equal(world.pipeline.wakeInMs(), 30);
    now += 30;
    assert.equal(world.pipeline.wakeInMs(), 0);
    world.run();
    assert.deepEqual(world.objects, [1]);
    assert.equal(world.pipeline.wakeInMs(), -1);
    world.close();
  });
});

describe('a fence', () => {
  test('goes up around one that throws: what it held fails with its name, the rest passes it by', () => {
    const world = new World();
    const id = world.pipeline.register(new TestProvider({ name: 'throws', throwNth: 3, hold: true }));
    world.sendAll(1, 6);
    world.run();
    assert.deepEqual(
      world.byObject.map(({ object, errno, provider }) => [object, errno, provider]),
      [
        [1, E.EIO, id],
        [2, E.EIO, id],
        [3, E.EIO, id],
        [4, 0, 0],
        [5, 0, 0],
      ],
    );
    assert.equal(counters(world, 'throws').state, 'thrown at context 3, as ordered');
    assert.match(world.logs.join('\n'), /throws is passed by: thrown at context 3/);
    world.assertEmpty();
    world.close();
  });

  for (const [what, limits] of [
    ['takes nothing', { workLimit: 0 }],
    ['finishes nothing', { workLimit: 2 }],
  ] as const) {
    test(`goes up around one that ${what} for longer than it may, and it is not asked for a cycle before`, async () => {
      const world = new World();
      const late = world.pipeline.register(
        recorder('late', [], {
          ...limits,
          timeoutMs: 100,
          process: work => {
            while (work.take() >= 0);
          },
        }),
      );
      world.pipeline.register(recorder('patient', [], { timeoutMs: 1 }));
      assert.equal(world.pipeline.wakeInMs(), -1);
      world.sendAll(1, 5);
      world.run(3);
      assert.deepEqual(world.results, []);
      const wakeMs = world.pipeline.wakeInMs();
      assert.ok(wakeMs > 0 && wakeMs <= 100, `a cycle in ${wakeMs} ms`);
      await until(() => (world.run(3), world.results.length > 0), { what: 'it is fenced', everyMs: 5 });
      world.run();
      assert.match(counters(world, 'late').state, /did not answer for 100 ms, with 4 contexts/);
      const failed = world.byObject.filter(({ errno }) => errno === E.EIO);
      assert.deepEqual(
        failed.map(({ object, provider }) => [object, provider]),
        limits.workLimit === 0 ? [] : [1, 2, 3, 4].map(object => [object, late]),
      );
      assert.equal(world.results.length, 4);
      world.assertEmpty();
      assert.equal(counters(world, 'patient').state, 'running');
      assert.equal(world.pipeline.wakeInMs(), -1);
      world.close();
    });
  }

  test('need not go up around one that fails a context without a reason, or by its status alone', () => {
    const world = new World();
    const ways: ((work: ProviderWork, handle: number) => void)[] = [
      (work, handle) => work.fail(handle, 0),
      (work, handle) => (work.pool.setStatus(handle, STATUS_FAILED), work.finish(handle)),
      (work, handle) => (work.pool.setResult(handle, E.ENOSPC), work.finish(handle)),
    ];
    const seen: string[] = [];
    world.pipeline.register(recorder('before', seen, { flags: PROVIDER_UNDO }));
    const process = (work: ProviderWork): void => {
      for (let handle = work.take(); handle >= 0; handle = work.take()) ways[work.pool.object(handle)]!(work, handle);
    };
    const id = world.pipeline.register(recorder('fails', [], { process }));
    world.sendAll(0, 3);
    world.run();
    assert.deepEqual(
      world.byObject.map(({ errno, provider }) => [errno, provider]),
      [
        [E.EIO, id],
        [E.EIO, id],
        [E.ENOSPC, id],
      ],
    );
    assert.equal(counters(world, 'fails').errors, 3);
    assert.equal(seen.filter(line => line.includes('undoes')).length, 3);
    world.close();
  });

  test('goes up around one that breaks the order', () => {
    const world = new World();
    world.pipeline.register(new TestProvider({ name: 'swaps', swapNth: 2 }));
    world.sendAll(1, 6);
    world.run();
    assert.match(counters(world, 'swaps').state, /not the one that was to be finished next/);
    assert.deepEqual(
      world.results.filter(({ errno }) => errno === 0).map(({ object }) => object),
      [1],
      'what it had done before is done',
    );
    assert.equal(world.results.length, 5);
    world.assertEmpty();
    world.close();
  });

  for (const what of ['start', 'observe', 'wakeInMs', 'finish'] as const) {
    test(`goes up around one whose ${what} throws`, () => {
      const world = new World();
      const bad = (): never => {
        throw new Error(`${what} is broken`);
      };
      world.pipeline.register(recorder('bad', [], { [what]: bad }));
      world.pipeline.register(recorder('good', [], { priority: 'last' }));
      world.sendAll(1, 2);
      world.run();
      world.pipeline.wakeInMs();
      world.pipeline.finish(true);
      assert.equal(counters(world, 'bad').state, `${what} is broken`);
      assert.equal(counters(world, 'good').state, 'running');
      world.sendAll(2, 3);
      world.run();
      assert.deepEqual(world.objects, [1, 2]);
      world.close();
    });
  }

  test('can be put up around one that hangs, wherever it does: all that it is asked is its turn', () => {
    const world = new World();
    const page = new DataplanePage(world.channel.page);
    const seen: Record<string, number> = {};
    const see =
      <T>(what: string, answer: T) =>
      (): T => {
        seen[what] = page.turn.provider;
        return answer;
      };
    const turnOf = (number: number): number => {
      assert.ok(page.turn.number > number, 'it is another turn');
      return page.turn.number;
    };
    let turns = 0;
    const first = world.pipeline.register(
      recorder('asks', [], {
        start: see('start', undefined),
        wakeInMs: see('wakeInMs', -1),
        finish: see('finish', undefined),
        finished: see('finished', true),
        status: see('status', {}),
        close: see('close', undefined),
      }),
    );
    const second = world.pipeline.register(
      recorder('interrupted', [], {
        process(work) {
          turns = turnOf(turns);
          world.pipeline.observe(world.client.requests, work.peek());
          seen['process'] = page.turn.provider;
          turns = turnOf(turns);
          for (let handle = work.take(); handle >= 0; handle = work.take()) work.finish(handle);
        },
      }),
    );
    const third = world.pipeline.register(recorder('observes', [], { observe: see('observe', undefined) }));
    world.sendAll(1, 2);
    world.run(1);
    world.pipeline.wakeInMs();
    world.pipeline.status('asks');
    world.pipeline.finish(false);
    assert.deepEqual(world.pipeline.unfinished, []);
    world.close();
    const { observe, process, ...rest } = seen;
    assert.deepEqual([observe, process], [third, second]);
    for (const what of ['start', 'wakeInMs', 'finish', 'finished', 'status', 'close'])
      assert.equal(rest[what], first, what);
    assert.equal(page.turn.provider, 0);
  });

  test('goes up around one whose observe throws while it holds contexts, which come back without another word', () => {
    const world = new World();
    const looks = Object.assign(new TestProvider({ name: 'looks' }), { observe: () => assert.fail('what a result') });
    const later = new TestProvider({ name: 'later', priority: 'last', hold: true });
    world.pipeline.register(looks);
    world.pipeline.register(later);
    world.sendAll(9, 10);
    world.run();
    looks.faults = { hold: true };
    world.sendAll(1, 3);
    world.run();
    later.release();
    world.run();
    assert.deepEqual(world.objects, [9, 1, 2]);
    world.assertEmpty();
    world.close();
  });

  test('comes down by a restart, with a provider made anew', () => {
    const world = new World();
    let made = 0;
    const make = (): Provider => new TestProvider({ name: 'again', ...(made++ === 0 ? { throwNth: 1 } : {}) });
    world.pipeline.register(make(), make);
    world.sendAll(1, 2);
    world.run();
    assert.equal(world.pipeline.restart('again'), undefined);
    world.sendAll(2, 3);
    world.run();
    assert.deepEqual(
      world.results.map(({ errno }) => errno),
      [E.EIO, 0],
    );
    assert.equal(counters(world, 'again').restarts, 1);
    assert.equal(made, 2);
    assert.equal(world.pipeline.restart('nobody'), 'there is no provider nobody');
    world.close();
  });

  test('is not for what the dataplane is nothing without', () => {
    const world = new World();
    world.pipeline.register(new TestProvider({ name: 'kernel', flags: PROVIDER_ESSENTIAL, throwNth: 2 }));
    assert.equal(world.pipeline.unregister('kernel'), false);
    assert.match(world.pipeline.restart('kernel')!, /nothing without/);
    world.sendAll(1, 3);
    assert.throws(() => world.pipeline.cycle(), /thrown at context 2/);
    world.close();
  });
});

describe('registration', () => {
  test('works while contexts are under way: a new provider sees what enters from then on', () => {
    const world = new World();
    const seen: string[] = [];
    const held = new TestProvider({ name: 'held', priority: 'kernel', hold: true });
    world.pipeline.register(held);
    world.sendAll(1, 4);
    world.run();
    world.pipeline.register(recorder('before', seen));
    world.pipeline.register(recorder('behind', seen, { priority: 'last' }));
    assert.throws(() => world.pipeline.register(recorder('behind', seen)), /behind already/);
    world.sendAll(4, 5);
    world.run();
    held.release();
    world.run();
    assert.deepEqual(seen, ['before 4', 'behind 1', 'behind 2', 'behind 3', 'behind 4']);
    assert.deepEqual(world.objects, [1, 2, 3, 4]);
    world.close();
  });

  test('ends while contexts are inside: what it holds fails, what waits goes on, and it is let go of when it has let go', () => {
    const world = new World();
    let closed = 0;
    let finished = false;
    const holds = Object.assign(new TestProvider({ name: 'holds', hold: true, workLimit: 2 }), {
      finished: () => finished,
      close: () => void closed++,
    });
    world.pipeline.register(holds);
    world.sendAll(1, 6);
    world.pipeline.cycle();
    assert.deepEqual([counters(world, 'holds').held, counters(world, 'holds').inQueue], [2, 3]);
    assert.ok(world.pipeline.unregister('holds'));
    assert.equal(world.pipeline.unregister('holds'), false);
    world.run();
    assert.deepEqual(
      world.byObject.map(({ object, errno }) => [object, errno]),
      [
        [1, E.EIO],
        [2, E.EIO],
        [3, 0],
        [4, 0],
        [5, 0],
      ],
    );
    assert.deepEqual([world.pipeline.providers.length, closed], [1, 0], 'it has not let go yet');
    // Its name is free at once.
    world.pipeline.register(recorder('holds', []));
    finished = true;
    world.run();
    assert.deepEqual([world.pipeline.providers.length, closed], [1, 1]);
    world.assertEmpty();
    world.close();
  });

  test('gives a number whose name is nobody else’s, however often providers come and go', () => {
    const world = new World();
    const page = new DataplanePage(world.channel.page);
    const kernel = world.pipeline.register(recorder('kernel', [], { priority: 'kernel' }));
    for (let i = 0; i < 200; i++) {
      const id = world.pipeline.register(recorder('other', []));
      assert.deepEqual([page.nameOf(kernel), page.nameOf(id)], ['kernel', 'other']);
      world.pipeline.unregister('other');
      world.run();
    }
    world.close();
  });

  test('ends of one that is fenced', () => {
    const world = new World();
    // It is closed already, so what it says now is of no account.
    const broken = Object.assign(new TestProvider({ name: 'broken', throwNth: 1 }), { finished: () => false });
    world.pipeline.register(broken);
    world.sendAll(1, 2);
    world.run();
    assert.ok(world.pipeline.unregister('broken'));
    world.run();
    assert.deepEqual(world.pipeline.providers, []);
    world.close();
  });

  test('finds the providers that are built in, and modules whose path has spaces', () => {
    const request = { name: 'faulty', module: 'test', priority: 'last', threaded: false } as const;
    const provider = loadProvider({ ...request, settings: { failEvery: 1 } });
    assert.ok(provider instanceof TestProvider);
    assert.deepEqual([provider.name, provider.priority], ['faulty', 'last']);
    assert.equal(loadProvider(request).timeoutMs, 10_000);
    assert.equal(loadProvider({ ...request, timeoutMs: 2000 }).timeoutMs, 2000);
    assert.throws(
      () => loadProvider({ name: 'x', module: '/no such/module.ts', priority: 'last', threaded: false }),
      /no such.module/,
    );
  });
});

describe('a follower', () => {
  function target(world: World, id: number, object: number): void {
    world.send(object, (pool, handle) => {
      pool.setFlags(handle, FLAG_TARGET);
      pool.setProvider(handle, id);
    });
    world.client.flush();
  }

  test('gets its own contexts only; its result is its own; when it is full or gone that is said at once', () => {
    const world = new World();
    const seen: string[] = [];
    world.pipeline.register(recorder('chain', seen));
    const follower = new TestProvider({ name: 'follows', flags: PROVIDER_FOLLOWER, queueLimit: 2, failEvery: 3 });
    const id = world.pipeline.register(follower);
    assert.deepEqual(world.events, [[id, EVENT_REPLAY]]);
    world.sendAll(1, 2);
    target(world, id, 10);
    world.run();
    assert.deepEqual(seen, ['chain 1']);
    assert.deepEqual(follower.status().taken, 1);
    follower.faults = { stallRate: 1 };
    for (let object = 20; object < 24; object++) target(world, id, object);
    world.run();
    follower.faults = { failEvery: 3 };
    world.run();
    target(world, 77, 30);
    assert.ok(world.pipeline.unregister('follows'));
    assert.deepEqual(world.events.at(-1), [id, EVENT_GONE]);
    target(world, id, 31);
    world.run();
    assert.deepEqual(Object.fromEntries(world.results.map(({ object, errno }) => [object, errno])), {
      1: 0,
      10: 0,
      20: 0,
      21: E.EIO,
      22: E.EAGAIN,
      23: E.EAGAIN,
      30: E.ENODEV,
      31: E.ENODEV,
    });
    assert.equal(world.results.length, 8);
    world.assertEmpty();
    world.close();
  });

  test('keeps what it was told as long as it likes: that takes nothing from the limit of what is under way, nor from others', () => {
    const world = new World(256);
    const { client } = world;
    client.limit = 8;
    const keeps = (name: string): number =>
      world.pipeline.register(recorder(name, [], { flags: PROVIDER_FOLLOWER, process: work => void work.take() }));
    const [one, other] = [keeps('one'), keeps('other')];
    const tell = (follower: number, object: number, members: number): void => {
      const handle = client.allocate(OP_NEXTHOP_INSTALL);
      client.requests.setObject(handle, object, 2 * object);
      client.requests.setFlags(handle, FLAG_TARGET);
      client.requests.setProvider(handle, follower);
      const ids = Array.from({ length: members }, (_, i) => i + 1);
      assert.ok(client.requests.setMembers(handle, ids, ids));
      client.enqueue(handle);
    };
    // Its share is a sixteenth; what is wider goes where it has nothing.
    assert.equal(client.roomFor(one), 256);
    for (let object = 1; object <= 5; object++) tell(one, object, 18);
    client.flush();
    world.run();
    assert.deepEqual([client.room(), client.roomFor(one), client.roomFor(other)], [241, 1, 241]);
    world.sendAll(10, 12);
    assert.equal(client.room(), 6);
    world.sendAll(12, 18);
    assert.equal(client.room(), 0);
    world.run();
    assert.deepEqual(world.objects, [10, 11, 12, 13, 14, 15, 16, 17]);
    world.pipeline.unregister('one');
    world.run();
    assert.deepEqual([client.room(), client.roomFor(one)], [256, 256]);
    world.assertEmpty();
    world.close();
  });

  test('that is fenced has not got what waited for it', () => {
    const world = new World();
    const id = world.pipeline.register(
      new TestProvider({ name: 'follows', flags: PROVIDER_FOLLOWER, throwNth: 2, workLimit: 2 }),
    );
    for (let object = 1; object < 6; object++) target(world, id, object);
    world.run();
    assert.deepEqual(
      world.byObject.map(({ object, errno, provider }) => [object, errno, provider]),
      [
        [1, E.EIO, id],
        [2, E.EIO, id],
        [3, E.ENODEV, id],
        [4, E.ENODEV, id],
        [5, E.ENODEV, id],
      ],
    );
    assert.deepEqual(world.events, [
      [id, EVENT_REPLAY],
      [id, EVENT_GONE],
    ]);
    assert.equal(world.pipeline.restart('follows'), undefined);
    assert.deepEqual(world.events.at(-1), [id, EVENT_REPLAY]);
    world.assertEmpty();
    world.close();
  });

  test('asks for a replay whenever it likes', () => {
    const world = new World();
    let host: ProviderHost | undefined;
    const id = world.pipeline.register(
      recorder('follows', [], { flags: PROVIDER_FOLLOWER, start: given => void (host = given) }),
    );
    host!.replay();
    assert.deepEqual(world.events, [
      [id, EVENT_REPLAY],
      [id, EVENT_REPLAY],
    ]);
    host!.log('says something');
    assert.deepEqual(world.logs, ['follows: says something']);
    world.close();
  });
});

describe('the end', () => {
  test('is told before what zebra takes back, though no context was free when it came', () => {
    const world = new World(64);
    const plane = new DataplanePlane(world.client);
    const heard: string[] = [];
    const one = new TestProvider({ name: 'one', hold: true });
    world.pipeline.register(one);
    world.pipeline.register({
      ...recorder('other', heard),
      priority: 'last',
      finish: early => void heard.push(early ? 'early' : 'late'),
    });
    const events = new Proxy({}, { get: () => () => {} }) as PlaneEvents;
    const poll = (): void => {
      while (world.pipeline.cycle());
      world.pipeline.publish();
      plane.poll(events, 1000);
    };
    world.sendAll(0, 64);
    plane.finishing();
    poll();
    assert.deepEqual(heard, []);
    one.release();
    assert.equal(plane.room(), 0);
    poll();
    assert.equal(plane.room(), 63, 'it has taken the first that came back');
    world.sendAll(64, 65);
    poll();
    assert.deepEqual(heard.slice(-2), ['early', 'other 64']);
    assert.equal(heard.length, 66);
    world.assertEmpty();
    world.pipeline.finish(false);
    assert.deepEqual(heard.slice(66), ['late'], 'and nothing twice');
    world.close();
  });
});

describe('an observer', () => {
  test('sees every result and every notification, in the one order', () => {
    const world = new World();
    const seen: [number, string][] = [];
    world.pipeline.register(
      recorder('looks', [], {
        observe: (pool, handle) => void seen.push([pool.sequence(handle), `${pool.op(handle)} ${pool.errno(handle)}`]),
      }),
    );
    world.pipeline.register(new TestProvider({ name: 'fails', failEvery: 2 }));
    const notifications = contextPool(world.channel.notifications);
    const notify = (): void => {
      const handle = notifications.allocate(OP_LINK);
      notifications.setSequence(handle, world.stamp.next());
      world.pipeline.observe(notifications, handle);
    };
    notify();
    world.sendAll(1, 3);
    world.run();
    notify();
    assert.deepEqual(seen, [
      [1, `${OP_LINK} 0`],
      [2, `${OP_ROUTE_INSTALL} 0`],
      [3, `${OP_ROUTE_INSTALL} ${E.EIO}`],
      [4, `${OP_LINK} 0`],
    ]);
    world.close();
  });
});

describe('a context that was given back', () => {
  test('is found out by whoever still uses it', () => {
    const world = new World();
    let kept = -1;
    world.pipeline.register(
      recorder('keeps', [], {
        observe(pool, handle) {
          if (kept >= 0) pool.prefixWord(kept, 0);
          kept = handle;
        },
      }),
    );
    world.sendAll(1, 2);
    world.run();
    world.sendAll(2, 3);
    world.run();
    assert.match(counters(world, 'keeps').state, /prefixWord of \d+, which was given back/);
    world.close();
  });

  test('is not looked for where nobody asked', () => {
    const memory = Unchecked.create(4);
    assert.equal(new Unchecked(memory).constructor, Unchecked);
    const checked = contextPool(memory);
    const handle = checked.allocate(OP_ROUTE_INSTALL);
    checked.setRoute(handle, 254, 2, 1, 0, 0, 0, 24, 1, 1, 1, 1);
    checked.free(handle);
    assert.throws(() => checked.setMetric(handle, 1), /setMetric of \d+, which was given back/);
    assert.equal(new Unchecked(memory).metric(handle), 1);
  });
});
