// Two real threads on two real cores: the producer is a worker, the consumer this thread, which sleeps on the doorbell like
// a task loop does. A lost wake-up shows as a test that never ends, a lost or torn item as a break in the sequence.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import {
  ByteConsumer,
  ByteRing,
  Doorbell,
  HandleConsumer,
  HandleRing,
  StreamReader,
  StreamRing,
  TaskLoop,
} from '../../src/concurrency/index.ts';

/** Runs a producer thread against `take`, which returns whether it found anything, until `done`. */
async function torture(
  kind: string,
  ring: SharedArrayBuffer,
  count: number,
  take: () => boolean,
  done: () => boolean,
): Promise<number> {
  const bell = Doorbell.create();
  const view = new Doorbell(bell);
  const loop = new TaskLoop('consumer');
  const worker = new Worker(new URL('./torture-worker.ts', import.meta.url), {
    workerData: { kind, ring, bell, count },
  });
  const ended = new Promise((resolve, reject) => {
    worker.on('exit', resolve);
    worker.on('error', reject);
  });
  await new Promise<void>((resolve, reject) => {
    worker.on('error', reject);
    loop.doorbell('ring', view, () => {
      const found = take();
      if (done()) resolve();
      return found;
    });
  });
  await ended;
  const wakeUps = view.wakeUps;
  loop.close();
  Doorbell.close(bell);
  return wakeUps;
}

const limits = { timeout: 30_000 };

test('two million handles arrive in order through a ring of 64', limits, async t => {
  const count = 2_000_000;
  const ring = HandleRing.create(64);
  const consumer = new HandleConsumer(ring);
  let expected = 0;
  const wakeUps = await torture(
    'handle',
    ring,
    count,
    () => {
      let found = false;
      for (let left = 1000; left > 0; left--) {
        const handle = consumer.pop();
        if (handle < 0) break;
        if (handle !== expected) assert.fail(`handle ${handle} after ${expected - 1}`);
        expected++;
        found = true;
        if ((expected & 15) === 0) consumer.release();
      }
      consumer.release();
      return found;
    },
    () => expected === count,
  );
  t.diagnostic(`${wakeUps} wake-ups`);
});

test('four hundred thousand frames arrive whole and in order through a byte ring of 4 kB', limits, async () => {
  const count = 400_000;
  const ring = ByteRing.create(4096);
  const consumer = new ByteConsumer(ring);
  let expected = 0;
  await torture(
    'byte',
    ring,
    count,
    () => {
      let found = false;
      for (let left = 500; left > 0 && consumer.next(); left--) {
        const { bytes, offset, size } = consumer;
        if (bytes[offset] !== size) assert.fail(`frame ${expected}: size ${size}, expected ${bytes[offset]}`);
        for (let i = 1; i < size; i++) {
          if (bytes[offset + i] !== (expected & 255))
            assert.fail(`frame ${expected}: byte ${i} is ${bytes[offset + i]}`);
        }
        expected++;
        found = true;
      }
      consumer.release();
      return found;
    },
    () => expected === count,
  );
});

test('forty million bytes arrive in order through a stream ring of 1 kB', limits, async () => {
  const count = 40_000_000;
  const ring = StreamRing.create(1024);
  const reader = new StreamReader(ring);
  let expected = 0;
  await torture(
    'stream',
    ring,
    count,
    () => {
      let found = false;
      for (let left = 500; left > 0 && reader.peek(); left--) {
        const { bytes, offset, size } = reader;
        for (let i = 0; i < size; i++) {
          if (bytes[offset + i] !== ((expected + i) & 255)) assert.fail(`byte ${expected + i} is ${bytes[offset + i]}`);
        }
        expected += size;
        reader.consume(size);
        found = true;
      }
      return found;
    },
    () => expected === count,
  );
});
