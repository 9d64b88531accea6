// Reclamation with real threads: what is freed is overwritten at once, and no reader ever sees that. And what there is for when
// a reader does not answer: reports, limits, and the death of a thread.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import {
  EpochGuard,
  exchange,
  load,
  notify,
  type Pinned,
  Qsbr,
  QsbrReader,
  QsbrWriter,
  store,
  words,
} from '../../src/concurrency/index.ts';
import { BAD, LOOKS, OBJECT_WORDS, OBJECTS, PUBLISHED, READY, STATE_WORDS, STOP } from './reclamation-shape.ts';

const POISON = 0xdeadbeef | 0;
const limits = { timeout: 30_000 };

interface Readers {
  qsbr: SharedArrayBuffer;
  state: Int32Array;
  objects: Int32Array;
  workers: Worker[];
  ended: Promise<unknown>[];
}

function readers(kind: 'torture' | 'hold', count: number): Readers {
  const qsbr = Qsbr.create(count + 1);
  const shared = new SharedArrayBuffer(STATE_WORDS * 4);
  const objects = new SharedArrayBuffer(OBJECTS * OBJECT_WORDS * 4);
  const all = words(objects, 0, OBJECTS * OBJECT_WORDS).fill(POISON);
  all.fill(256, 0, OBJECT_WORDS);
  const workers = Array.from(
    { length: count },
    (_, slot) =>
      new Worker(new URL('./reclamation-worker.ts', import.meta.url), {
        workerData: { kind, qsbr, slot, shared, objects },
      }),
  );
  const ended = workers.map(worker => {
    return new Promise((resolve, reject) => {
      worker.on('exit', resolve);
      worker.on('error', reject);
    });
  });
  return { qsbr, state: words(shared, 0, STATE_WORDS), objects: all, workers, ended };
}

const generationOf = (worker: Worker): Promise<number> => new Promise(resolve => worker.once('message', resolve));

/**
 * Publishes one object after the other, until `enough`. What is retired is overwritten and used again; `atOnce`: without waiting
 * for anybody.
 */
async function replace(world: Readers, writer: QsbrWriter, atOnce: boolean, enough: (n: number) => boolean) {
  const { state, objects } = world;
  const free = Array.from({ length: OBJECTS - 1 }, (_, i) => i + 1);
  for (let n = 0; !enough(n); n++) {
    if (free.length === 0) {
      writer.reclaim();
      if (free.length === 0) await writer.barrier();
    }
    const object = free.pop()!;
    // Values end in 0 and poison in 0xef: one is never taken for the other.
    objects.fill((n + 2) << 8, object * OBJECT_WORDS, (object + 1) * OBJECT_WORDS);
    const old = exchange(state, PUBLISHED, object);
    const give = (): void => {
      objects.fill(POISON, old * OBJECT_WORDS, (old + 1) * OBJECT_WORDS);
      free.push(old);
    };
    if (atOnce) give();
    else assert.ok(writer.retire(give, OBJECT_WORDS * 4));
  }
  store(state, STOP, 1);
  await Promise.all(world.ended);
}

test('two hundred thousand objects are freed under two readers, and none sees one that was', limits, async t => {
  const world = readers('torture', 2);
  const writer = new QsbrWriter(world.qsbr);
  const seen = (): number => Math.min(load(world.state, LOOKS), load(world.state, LOOKS + 1));
  // Both read from the first object to the last.
  while (seen() === 0) await new Promise(resolve => setImmediate(resolve));
  await replace(world, writer, false, n => n >= 200_000 && seen() > 10_000);
  assert.equal(load(world.state, BAD), 0);
  await writer.barrier();
  const { limbo, bytes, highWater, refused, reclaimed, gracePeriods } = writer.stats();
  assert.deepEqual({ limbo, bytes, refused }, { limbo: 0, bytes: 0, refused: 0 });
  assert.ok(highWater < OBJECTS, `${highWater} in limbo`);
  assert.ok(reclaimed >= 200_000 && gracePeriods > reclaimed, `${reclaimed} freed in ${gracePeriods} periods`);
  assert.deepEqual(
    Qsbr.stats(world.qsbr).slots.map(({ state, generation }) => [state, generation]),
    [
      ['free', 1],
      ['free', 1],
      ['free', 0],
    ],
  );
  t.diagnostic(`${seen()} looks at least`);
});

test('the torture finds out who does not wait', limits, async () => {
  const world = readers('torture', 2);
  const writer = new QsbrWriter(world.qsbr);
  await replace(world, writer, true, n => n >= 20_000_000 || load(world.state, BAD) > 0);
  assert.ok(load(world.state, BAD) > 0);
});

test(
  'a reader that stalls is reported, fills limbo to its limit and no further, and is waited for',
  limits,
  async () => {
    let nowMs = 1000;
    const world = readers('hold', 1);
    const writer = new QsbrWriter(world.qsbr, { entries: 4, bytes: 100, now: () => nowMs });
    assert.equal(await generationOf(world.workers[0]!), 1);
    let freed = 0;
    const free = (): void => void freed++;
    for (let i = 0; i < 4; i++) assert.equal(writer.retire(free, 10), true);
    assert.equal(writer.retire(free, 10), false);
    assert.equal(writer.reclaim(), 0);
    assert.deepEqual(writer.stalled(1), []);
    nowMs += 50;
    assert.deepEqual(writer.stalled(51), []);
    assert.deepEqual(writer.stalled(50), [{ slot: 0, generation: 1, ms: 50, pending: 4, bytes: 40 }]);
    const settled = writer.barrier();
    assert.equal(freed, 0);
    store(world.state, READY, 1);
    notify(world.state, READY);
    await settled;
    assert.equal(freed, 4);
    assert.deepEqual(writer.stalled(0), []);
    assert.equal(writer.retire(free, 60), true);
    assert.equal(writer.retire(free, 41), false);
    assert.throws(() => writer.retire(free, 101), { name: 'RangeError', message: /0 to 100 bytes, not 101/ });
    assert.throws(() => writer.retire(free, Number.NaN), RangeError);
    const { limbo, bytes, highWater, highWaterBytes, refused } = writer.stats();
    assert.deepEqual([limbo, bytes, highWater, highWaterBytes, refused], [1, 60, 4, 60, 2]);
    assert.equal(writer.reclaim(), 0);
    store(world.state, STOP, 1);
    notify(world.state, STOP);
    await Promise.all(world.ended);
    assert.equal(writer.reclaim(), 1);
  },
);

test('a reader that dies online holds everything until it is said to be dead', limits, async () => {
  const world = readers('hold', 1);
  const writer = new QsbrWriter(world.qsbr);
  const generation = await generationOf(world.workers[0]!);
  let freed = 0;
  assert.equal(
    writer.retire(() => freed++),
    true,
  );
  await world.workers[0]!.terminate();
  assert.equal(writer.synchronize(1), false);
  assert.throws(() => new QsbrReader(world.qsbr, 0), /slot 0 is taken/);
  assert.equal(writer.dead(0, generation + 1), false);
  assert.equal(freed, 0);
  assert.equal(writer.dead(0, generation), true);
  assert.equal(writer.dead(0, generation), false);
  assert.equal(writer.synchronize(1), true);
  assert.equal(freed, 1);
  const successor = new QsbrReader(world.qsbr, 0);
  assert.equal(successor.generation, generation + 1);
  assert.equal(writer.dead(0, generation), false);
  successor.close();
});

test('guards and readers of one thread: what is online is waited for, and nothing else', () => {
  const qsbr = Qsbr.create(2);
  const writer = new QsbrWriter(qsbr);
  const guard = new EpochGuard(qsbr, 1);
  const passes = (): boolean => writer.passed(writer.start());
  const look = (pinned: Pinned): boolean => guard.isPinned && Symbol.dispose in pinned;
  assert.ok(passes());
  const token = ((): number => {
    using outer = guard.pin();
    {
      using inner = guard.pin();
      assert.ok(look(inner));
    }
    assert.ok(look(outer));
    const opened = writer.start();
    assert.equal(writer.passed(opened), false);
    assert.throws(() => guard.close(), /slot 1: closed while pinned/);
    return opened;
  })();
  assert.equal(guard.isPinned, false);
  assert.ok(writer.passed(token));
  assert.throws(() => guard.unpin(), /unpin without a pin/);
  guard.close();

  const reader = new QsbrReader(qsbr, 0);
  reader.online();
  const behind = writer.start();
  assert.equal(writer.passed(behind), false);
  reader.quiescent();
  assert.ok(writer.passed(behind));
  assert.equal(passes(), false);
  assert.ok(reader.isOnline);
  reader.offline();
  assert.ok(passes());
  assert.throws(() => reader.quiescent(), /slot 0 is offline/);
  reader.close();
  reader.close();
  assert.throws(() => reader.online(), /slot 0 is closed/);
});

test('what is freed comes in order, as many as asked for; what one throws comes out and the rest stays', async () => {
  const writer = new QsbrWriter(Qsbr.create(1));
  const freed: number[] = [];
  for (let i = 0; i < 100; i++) writer.retire(() => freed.push(i));
  assert.equal(writer.reclaim(10), 10);
  for (let i = 100; i < 130; i++) writer.retire(() => freed.push(i));
  writer.retire(() => {
    writer.retire(() => freed.push(131));
    throw new TypeError('on purpose');
  });
  await assert.rejects(writer.barrier(), TypeError);
  assert.equal(writer.stats().limbo, 1);
  assert.equal(writer.reclaim(), 1);
  assert.deepEqual(freed, [...Array(130).keys(), 131]);
});

test('slots and limits that there are not', () => {
  for (const slots of [0, 1.5, 4097]) assert.throws(() => Qsbr.create(slots), { message: new RegExp(`not ${slots}`) });
  const qsbr = Qsbr.create(2);
  for (const slot of [-1, 2, 0.5]) {
    assert.throws(() => new QsbrReader(qsbr, slot), {
      name: 'RangeError',
      message: `qsbr: slot must be 0 to 1, not ${slot}`,
    });
  }
  assert.throws(() => new QsbrWriter(qsbr, { entries: 0 }), /not 0/);
  assert.throws(() => new QsbrWriter(qsbr, { bytes: -1 }), /not -1/);
});
