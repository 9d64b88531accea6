import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Doorbell,
  eventCpuJson,
  formatEventCpu,
  formatWorkQueues,
  MarkQueue,
  HandleConsumer,
  HandleProducer,
  HandleRing,
  PollLoop,
  TaskLoop,
  VirtualClock,
  WorkQueue,
} from '../../src/concurrency/index.ts';
import { libc } from '../../src/sys/index.ts';
import { until } from '../lib/wait.ts';

test('an event scheduled three times runs once, and a cancelled one not at all', () => {
  const clock = new VirtualClock();
  const loop = new TaskLoop('t', clock);
  let runs = 0;
  const event = loop.event('e', () => runs++);
  event.schedule();
  event.schedule();
  event.schedule();
  clock.settle();
  assert.equal(runs, 1);
  event.schedule();
  event.cancel();
  clock.settle();
  assert.equal(runs, 1);
  event.schedule();
  event.cancel();
  event.schedule();
  clock.settle();
  assert.equal(runs, 2);
});

test('work in slices takes turns with other work, and yields after 2 ms of its own', () => {
  const clock = new VirtualClock();
  const loop = new TaskLoop('t', clock);
  const order: string[] = [];
  const worker = (name: string, slices: number) =>
    loop.work(name, () => {
      order.push(name);
      assert.equal(loop.shouldYield(), false);
      clock.consume(1.2);
      assert.equal(loop.shouldYield(), false);
      clock.consume(1.2);
      assert.equal(loop.shouldYield(), true);
      return --slices > 0;
    });
  worker('a', 3).wake();
  worker('b', 2).wake();
  clock.settle();
  assert.deepEqual(order, ['a', 'b', 'a', 'b', 'a']);
});

test('a round ends after 2 ms, so that what is not a task has its turn', () => {
  const clock = new VirtualClock();
  const loop = new TaskLoop('t', clock);
  const order: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    loop
      .event(name, () => {
        if (name === 'a') clock.immediate(() => order.push('socket'));
        order.push(name);
        clock.consume(1.2);
      })
      .schedule();
  }
  clock.settle();
  assert.deepEqual(order, ['a', 'b', 'socket', 'c']);
});

test('a timer runs when it is due, starts afresh, and does not run once stopped, not even when already due', () => {
  const clock = new VirtualClock();
  const loop = new TaskLoop('t', clock);
  const at: number[] = [];
  const timer = loop.timer('timer', () => at.push(clock.now()));
  timer.start(100);
  clock.advance(60);
  timer.start(100);
  assert.equal(timer.active, true);
  clock.advance(99);
  assert.equal(at.length, 0);
  clock.advance(1);
  assert.deepEqual(at, [160]);
  assert.equal(timer.active, false);
  const other = loop.timer('other', () => at.push(-1));
  const stopper = loop.timer('stopper', () => other.stop());
  stopper.start(10);
  other.start(10);
  clock.advance(20);
  assert.deepEqual(at, [160]);
  assert.equal(loop.stats().find(row => row.name === 'other')!.active, 0);
});

test('time is counted by name: short slices by the wall clock, long ones by the CPU clock', () => {
  const clock = new VirtualClock();
  const loop = new TaskLoop('zebra', clock);
  loop.event('short', () => clock.consume(0.05)).schedule();
  loop.event('long', () => clock.consume(3)).schedule();
  clock.settle();
  loop.event('long', () => clock.consume(1)).schedule();
  clock.settle();
  const rows = loop.stats();
  assert.deepEqual(
    rows.map(row => [row.name, row.invoked, Math.round(row.runtimeMs * 100) / 100, Math.round(row.realMaxUs)]),
    [
      ['short', 1, 0.05, 50],
      ['long', 2, 4, 3000],
    ],
  );
  const text = formatEventCpu([{ thread: 'zebra', tasks: rows }]);
  assert.match(text, /Showing statistics for pthread zebra\n-+\n.*\nActive +Runtime\(ms\) +Invoked Avg uSec Max uSecs/);
  assert.match(text, / 0 +4\.000 +2 +2000 +3000 +2000 +3000 +E +long/);
  assert.match(text, / 0 +4\.050 +3 .* TOTAL/);
  assert.deepEqual(eventCpuJson([{ thread: 'zebra', tasks: rows.slice(1) }]), {
    zebra: {
      long: {
        active: 0,
        runtimeMsec: 4,
        invoked: 2,
        cpuAvgUsec: 2000,
        cpuMaxUsec: 3000,
        realAvgUsec: 2000,
        realMaxUsec: 3000,
        types: 'E',
      },
    },
  });
});

test('a task that throws does not take the ready tasks after it along', () => {
  const clock = new VirtualClock();
  const loop = new TaskLoop('t', clock);
  let ran = false;
  loop
    .event('bad', () => {
      throw new Error('bad');
    })
    .schedule();
  loop.event('good', () => (ran = true)).schedule();
  assert.throws(() => clock.settle(), /bad/);
  clock.settle();
  assert.ok(ran);
});

test('sockets of Node are served while tasks keep the loop busy', async () => {
  const loop = new TaskLoop('busy');
  let stop = false;
  let slices = 0;
  loop
    .work('spin', () => {
      slices++;
      while (!loop.shouldYield());
      return !stop;
    })
    .wake();
  for (let i = 0; i < 5; i++) await new Promise(resolve => setTimeout(resolve, 1));
  stop = true;
  assert.ok(slices <= 20, `five timers took ${slices} slices of the task that keeps the loop busy`);
  loop.close();
});

for (const kind of ['TaskLoop', 'PollLoop'] as const) {
  test(`${kind}: a descriptor wakes its task until it is read, and is not watched when nobody wants it`, async () => {
    const fd = libc.eventfd(0, 0o4000);
    const loop = kind === 'TaskLoop' ? new TaskLoop('t') : new PollLoop('t');
    const turn = (): void => {
      if (loop instanceof PollLoop) loop.turn(1);
    };
    let calls = 0;
    const watch = loop.io('fd', fd, {
      readable: () => {
        if (++calls === 3) libc.read(fd, new Uint8Array(8), 8);
      },
    });
    libc.write(fd, new Uint8Array(new BigUint64Array([1n]).buffer), 8);
    await until(() => (turn(), calls === 3), { timeoutMs: 2000, what: 'three calls' });
    for (let i = 0; i < 20; i++) {
      turn();
      await new Promise(resolve => setImmediate(resolve));
    }
    assert.equal(calls, 3);
    watch.set({});
    libc.write(fd, new Uint8Array(new BigUint64Array([1n]).buffer), 8);
    for (let i = 0; i < 20; i++) {
      turn();
      await new Promise(resolve => setImmediate(resolve));
    }
    assert.equal(calls, 3);
    watch.set({ readable: true });
    await until(() => (turn(), calls > 3), { timeoutMs: 2000, what: 'a fourth call' });
    watch.close();
    if (loop instanceof TaskLoop) loop.close();
    libc.close(fd);
  });
}

test('PollLoop: timers, events and a doorbell run; an idle turn sleeps until the next timer', () => {
  const loop = new PollLoop('dplane');
  const bellMemory = Doorbell.create();
  const ring = HandleRing.create(8);
  const consumer = new HandleConsumer(ring);
  const producer = new HandleProducer(ring);
  const got: number[] = [];
  loop.doorbell('ring', new Doorbell(bellMemory), () => {
    const handle = consumer.pop();
    if (handle < 0) return false;
    got.push(handle);
    consumer.release();
    return true;
  });
  const started = performance.now();
  const timer = loop.timer('timer', () => {
    producer.push(5);
    producer.push(6);
    producer.publish();
    new Doorbell(bellMemory).ring();
    loop.event('last', () => loop.timer('end', () => loop.stop()).start(5)).schedule();
  });
  timer.start(20);
  loop.run();
  assert.deepEqual(got, [5, 6]);
  assert.ok(performance.now() - started >= 24);
  const invoked = loop.stats().find(row => row.name === 'ring')!.invoked;
  assert.ok(invoked < 40, `the doorbell's task ran ${invoked} times: the loop does not sleep`);
  Doorbell.close(bellMemory);
});

test('a work queue holds, retries with a limit, requeues, refuses beyond its limit, and counts all of it', () => {
  const clock = new VirtualClock();
  const loop = new TaskLoop('zebra', clock);
  const done: string[] = [];
  const failed: string[] = [];
  let requeued = false;
  const queue = new WorkQueue<string>(loop, {
    name: 'route queue',
    holdMs: 50,
    retryMs: 10,
    maxRetries: 2,
    limit: 4,
    process(item) {
      done.push(`${item}@${clock.now()}`);
      if (item === 'again') return 'retry';
      if (item === 'later' && !requeued) {
        requeued = true;
        return 'requeue';
      }
      return item === 'bad' ? 'failed' : 'done';
    },
    failed: item => failed.push(item),
  });
  assert.deepEqual(
    ['later', 'good', 'again', 'bad', 'fifth'].map(item => queue.add(item)),
    [true, true, true, true, false],
  );
  clock.advance(49);
  assert.deepEqual(done, []);
  clock.advance(200);
  assert.deepEqual(done, ['later@50', 'good@50', 'again@50', 'again@60', 'again@70', 'bad@70', 'later@70']);
  assert.deepEqual(failed, ['again', 'bad']);
  const stats = queue.stats();
  assert.deepEqual([stats.items, stats.highWater, stats.refused, stats.retries, stats.failed], [0, 4, 1, 2, 2]);
  assert.match(formatWorkQueues([stats]), /route queue/);
  queue.plug();
  queue.add('x');
  clock.advance(100);
  assert.equal(queue.length, 1);
  queue.unplug();
  clock.advance(1);
  assert.equal(queue.length, 0);
});

test('a work queue of a hundred thousand items yields every 2 ms', () => {
  const clock = new VirtualClock();
  const loop = new TaskLoop('zebra', clock);
  let processed = 0;
  const queue = new WorkQueue<number>(loop, {
    name: 'q',
    limit: 200_000,
    process() {
      processed++;
      clock.consume(0.01);
      return 'done';
    },
  });
  for (let i = 0; i < 100_000; i++) queue.add(i);
  clock.settle();
  assert.equal(processed, 100_000);
  // A second of work, and a slice that ends when its time is up.
  assert.ok(queue.stats().yields >= 450, `${queue.stats().yields} yields`);
});

test('a queue of marks holds only while there is nothing to do, yields, and tells what it has done', () => {
  const clock = new VirtualClock();
  const loop = new TaskLoop('bgp', clock);
  const marks = new Set<number>();
  let decided = 0;
  let blocked = false;
  const begun: number[] = [];
  const queue = new MarkQueue(loop, {
    name: 'process',
    slice() {
      begun.push(clock.now());
      if (blocked) return false;
      for (const mark of marks) {
        marks.delete(mark);
        decided++;
        clock.consume(1);
        if (loop.shouldYield()) break;
      }
      return marks.size > 0;
    },
    items: () => marks.size,
    processed: () => decided,
    blocked: () => blocked,
  });
  const mark = (count: number): void => {
    for (let i = 0; i < count; i++) marks.add(i);
    queue.wake();
  };
  queue.holdMs = 50;
  mark(3);
  mark(10);
  clock.advance(49);
  assert.deepEqual([decided, begun.length], [0, 0]);
  clock.advance(20);
  // Ten marks, however often they were set.
  assert.equal(decided, 10);
  const { items, highWater, processed, runs, yields, best, holdMs } = queue.stats();
  assert.deepEqual([items, highWater, processed, holdMs, yields, runs], [0, 10, 10, 50, runs - 1, begun.length]);
  assert.ok(best >= 2 && best < 10, `${best} in one slice`);
  // What waits for somebody else does not wait again when that one is ready.
  blocked = true;
  mark(1);
  clock.advance(60);
  blocked = false;
  const before = clock.now();
  queue.wake();
  clock.settle();
  assert.deepEqual([decided, begun.at(-1)], [11, before]);
});
