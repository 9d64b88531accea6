// What the structures of src/concurrency cost, each beside what one would use without them. Prints a line a figure with its
// ratio and target, and a last line `met` or `missed`; the exit code says the same.
//
//    node bench/concurrency.ts
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import {
  ByteConsumer,
  ByteProducer,
  ByteRing,
  Doorbell,
  HandleConsumer,
  HandleProducer,
  HandleRing,
  SlotPool,
  StreamReader,
  StreamRing,
  TaskLoop,
  Thread,
  WorkQueue,
} from '../src/concurrency/index.ts';

const WORKER = new URL('./concurrency-worker.ts', import.meta.url);
const missed: string[] = [];

/** Prints a figure; `limit` is what it must not exceed (or, for rates, fall below). */
function figure(
  name: string,
  value: number,
  unit: string,
  baseline: string,
  ratio: number,
  met: boolean,
  target: string,
): void {
  if (!met) missed.push(name);
  console.log(
    `${name.padEnd(38)} ${value.toPrecision(3).padStart(9)} ${unit.padEnd(10)} ${`${ratio.toPrecision(3)}x`.padStart(8)} ${baseline.padEnd(28)} target ${target}: ${met ? 'met' : 'missed'}`,
  );
}

function once(worker: Worker, event: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once(event, resolve);
    worker.once('error', reject);
  });
}

async function partner(data: object): Promise<Worker> {
  const worker = new Worker(WORKER, { workerData: data });
  await once(worker, 'message');
  return worker;
}

/** Best of `times` runs, in nanoseconds per operation. */
function best(times: number, operations: number, run: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    run();
    least = Math.min(least, performance.now() - start);
  }
  return (least * 1e6) / operations;
}

async function postMessageRate(): Promise<number> {
  const count = 200_000;
  const worker = await partner({ kind: 'post', count });
  const start = performance.now();
  worker.postMessage('go');
  let seen = 0;
  await new Promise<void>(resolve => {
    worker.on('message', () => {
      if (++seen === count) resolve();
    });
  });
  const rate = count / ((performance.now() - start) / 1000);
  await worker.terminate();
  return rate;
}

async function handleRate(burst: number): Promise<number> {
  const count = burst === 1 ? 2_000_000 : 20_000_000;
  const memory = HandleRing.create(4096);
  const worker = await partner({ kind: 'handle', memory, count, burst });
  const consumer = new HandleConsumer(memory);
  worker.postMessage('go');
  while (consumer.length === 0);
  const start = performance.now();
  let sum = 0;
  for (let seen = 0; seen < count; ) {
    const handle = consumer.pop();
    if (handle < 0) {
      consumer.release();
      continue;
    }
    sum += handle;
    if ((++seen & (burst - 1)) === 0) consumer.release();
  }
  consumer.release();
  const rate = count / ((performance.now() - start) / 1000);
  if (sum !== (count * (count - 1)) / 2) throw new Error('the ring lost handles');
  await worker.terminate();
  return rate;
}

async function byteRate(size: number): Promise<number> {
  const count = Math.min(2_000_000, Math.floor(2e9 / size));
  const memory = ByteRing.create(1 << 20);
  const worker = await partner({ kind: 'byte', memory, count, size });
  const consumer = new ByteConsumer(memory);
  worker.postMessage('go');
  while (consumer.length === 0);
  const start = performance.now();
  let sum = 0;
  for (let seen = 0; seen < count; ) {
    if (!consumer.next()) {
      consumer.release();
      continue;
    }
    sum += consumer.bytes[consumer.offset]!;
    if ((++seen & 15) === 0) consumer.release();
  }
  consumer.release();
  const seconds = (performance.now() - start) / 1000;
  if (sum !== count * 7) throw new Error('the ring lost frames');
  await worker.terminate();
  return (count * size) / seconds / 1e9;
}

async function streamRate(size: number): Promise<number> {
  const count = Math.min(2_000_000, Math.floor(2e9 / size));
  const memory = StreamRing.create(1 << 20);
  const worker = await partner({ kind: 'stream', memory, count, size });
  const reader = new StreamReader(memory);
  worker.postMessage('go');
  while (reader.length === 0);
  const start = performance.now();
  let sum = 0;
  for (let left = count * size; left > 0; ) {
    if (!reader.peek()) continue;
    const { offset, size: length } = reader;
    sum += reader.bytes[offset]! + reader.bytes[offset + length - 1]!;
    reader.consume(length);
    left -= length;
  }
  const seconds = (performance.now() - start) / 1000;
  if (sum === 0 || sum % 14 !== 0) throw new Error('the ring tore bytes');
  await worker.terminate();
  return (count * size) / seconds / 1e9;
}

/** Median of a round trip in microseconds: both sides sleep in between. */
async function bellTrip(): Promise<number> {
  const there = HandleRing.create(8);
  const back = HandleRing.create(8);
  const mine = Doorbell.create();
  const yours = Doorbell.create();
  const worker = await partner({ kind: 'bell', there, back, mine, yours });
  const loop = new TaskLoop('bench');
  const producer = new HandleProducer(there);
  const consumer = new HandleConsumer(back);
  const bell = new Doorbell(yours);
  const trips: number[] = [];
  await new Promise<void>(resolve => {
    let sent = 0;
    const send = (): void => {
      sent = performance.now();
      producer.push(1);
      producer.publish();
      bell.ring();
    };
    loop.doorbell('back', new Doorbell(mine), () => {
      if (consumer.pop() < 0) return false;
      consumer.release();
      trips.push((performance.now() - sent) * 1000);
      if (trips.length === 3000) resolve();
      else send();
      return true;
    });
    send();
  });
  loop.close();
  worker.postMessage('end');
  bell.force();
  await once(worker, 'exit');
  return trips.sort((a, b) => a - b)[trips.length >> 1]!;
}

async function postTrip(): Promise<number> {
  const worker = await partner({ kind: 'echo' });
  const trips: number[] = [];
  for (let i = 0; i < 3000; i++) {
    const start = performance.now();
    const answer = once(worker, 'message');
    worker.postMessage(1);
    await answer;
    trips.push((performance.now() - start) * 1000);
    worker.removeAllListeners('error');
  }
  await worker.terminate();
  return trips.sort((a, b) => a - b)[trips.length >> 1]!;
}

function singleThreaded(): void {
  const operations = 1_000_000;
  const memory = HandleRing.create(1024);
  const producer = new HandleProducer(memory);
  const consumer = new HandleConsumer(memory);
  const ring = best(5, operations, () => {
    for (let i = 0; i < operations; i += 64) {
      for (let k = 0; k < 64; k++) producer.push(i + k);
      producer.publish();
      for (let k = 0; k < 64; k++) consumer.pop();
      consumer.release();
    }
  });
  const array = best(5, operations, () => {
    const queue: number[] = [];
    for (let i = 0; i < operations; i += 64) {
      for (let k = 0; k < 64; k++) queue.push(i + k);
      for (let k = 0; k < 64; k++) queue.shift();
    }
  });
  figure('handle in and out, one thread', ring, 'ns', 'of an array queue', ring / array, ring < 15, '< 15 ns');

  const bytes = ByteRing.create(1 << 16);
  const byteProducer = new ByteProducer(bytes);
  const byteConsumer = new ByteConsumer(bytes);
  const frame = best(5, operations / 10, () => {
    for (let i = 0; i < operations / 10; i += 16) {
      for (let k = 0; k < 16; k++) {
        byteProducer.bytes[byteProducer.reserve(60)] = k;
        byteProducer.commit();
      }
      byteProducer.publish();
      while (byteConsumer.next());
      byteConsumer.release();
    }
  });
  const port = new MessageChannel();
  const clone = best(2, 20_000, () => {
    for (let i = 0; i < 20_000; i++) {
      port.port1.postMessage(new Uint8Array(60));
      receiveMessageOnPort(port.port2);
    }
  });
  port.port1.close();
  figure('frame of 60 bytes in and out', frame, 'ns', 'of a posted Uint8Array', frame / clone, frame < 60, '< 60 ns');

  const pool = new SlotPool(SlotPool.create(128, 1 << 16));
  const handles = new Int32Array(1024);
  const slot = best(5, operations, () => {
    for (let i = 0; i < operations; i += 1024) {
      for (let k = 0; k < 1024; k++) handles[k] = pool.allocate();
      for (let k = 0; k < 1024; k++) pool.free(handles[k]!);
    }
  });
  const kept: unknown[] = new Array(1024);
  const object = best(5, operations, () => {
    for (let i = 0; i < operations; i += 1024) for (let k = 0; k < 1024; k++) kept[k] = new Uint8Array(128);
  });
  figure('slot allocated and freed', slot, 'ns', 'of new Uint8Array(128)', slot / object, slot < 60, '< 60 ns');

  const doorbell = Doorbell.create();
  const bell = new Doorbell(doorbell);
  const ring0 = best(5, operations, () => {
    for (let i = 0; i < operations; i++) bell.ring();
  });
  const call = best(3, 20_000, () => {
    for (let i = 0; i < 20_000; i++) bell.force();
  });
  figure('ring of a thread that is awake', ring0, 'ns', 'of a wake-up', ring0 / call, ring0 < 15, '< 15 ns');
  Doorbell.close(doorbell);
}

async function taskOverhead(): Promise<void> {
  const count = 300_000;
  const loop = new TaskLoop('bench');
  const start = performance.now();
  await new Promise<void>(resolve => {
    let left = count;
    for (let i = 0; i < 16; i++) {
      const event = loop.event(`task ${i}`, () => {
        if (--left > 0) event.schedule();
        else resolve();
      });
      event.schedule();
    }
  });
  const ns = ((performance.now() - start) * 1e6) / count;
  loop.close();
  const plainStart = performance.now();
  await new Promise<void>(resolve => {
    let left = count;
    const run = (): void => {
      if (--left > 0) setImmediate(run);
      else if (left === 0) resolve();
    };
    for (let i = 0; i < 16; i++) setImmediate(run);
  });
  const plain = ((performance.now() - plainStart) * 1e6) / count;
  figure('event of a task loop, accounted', ns, 'ns', 'of a bare setImmediate', ns / plain, ns < 1000, '< 1000 ns');
}

async function workQueue(): Promise<void> {
  const count = 65_536;
  const loop = new TaskLoop('bench');
  const run = async (): Promise<number> => {
    const start = performance.now();
    let sum = 0;
    await new Promise<void>(resolve => {
      let left = count;
      const queue = new WorkQueue<number>(loop, {
        name: 'items',
        limit: count,
        process: item => {
          sum += item;
          if (--left === 0) resolve();
          return 'done';
        },
      });
      for (let i = 0; i < count; i++) queue.add(i);
    });
    if (sum !== (count * (count - 1)) / 2) throw new Error('the queue lost items');
    return ((performance.now() - start) * 1e6) / count;
  };
  let ns = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 20; i++) ns = Math.min(ns, await run());
  loop.close();
  const plain = best(20, count, () => {
    const items: { item: number }[] = [];
    let sum = 0;
    for (let i = 0; i < count; i++) items.push({ item: i });
    for (const { item } of items) sum += item;
    if (sum === 0) throw new Error('nothing was added');
  });
  figure('item through a work queue, in slices', ns, 'ns', 'of an array of objects', ns / plain, ns < 250, '< 250 ns');
}

/** From the crash of a thread to the one that takes its place. */
async function threadRestart(): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    let died = (): void => {};
    const dead = new Promise<void>(resolve => (died = resolve));
    const options = { name: 'bench', entry: WORKER, data: { kind: 'thread' } };
    const thread = await Thread.start({ ...options, onCrash: () => died() });
    const start = performance.now();
    thread.post('crash');
    await dead;
    const next = await Thread.start(options);
    times.push(performance.now() - start);
    await next.stop();
  }
  return Math.min(...times);
}

async function threadStart(): Promise<void> {
  const times: number[] = [];
  const bare: number[] = [];
  for (let i = 0; i < 5; i++) {
    let start = performance.now();
    const thread = await Thread.start({ name: 'bench', entry: WORKER, data: { kind: 'thread' } });
    times.push(performance.now() - start);
    await thread.stop();
    start = performance.now();
    const worker = new Worker('require("node:worker_threads").parentPort.postMessage(0)', { eval: true });
    await once(worker, 'message');
    bare.push(performance.now() - start);
    await worker.terminate();
  }
  const ms = Math.min(...times);
  const empty = Math.min(...bare);
  figure('thread started until ready', ms, 'ms', 'of an empty worker', ms / empty, ms < 250, '< 250 ms');
  const again = await threadRestart();
  figure(
    'thread crashed, the next one is ready',
    again,
    'ms',
    'of an empty worker',
    again / empty,
    again < 300,
    '< 300 ms',
  );
}

singleThreaded();
await taskOverhead();
await workQueue();
await threadStart();
const posted = await postMessageRate();
for (const [burst, least] of [
  [1, 0.5], // every handle moves two cache lines: the reason for bursts
  [8, 10],
  [64, 20],
  [256, 20],
] as const) {
  const rate = await handleRate(burst);
  const name = `handles between threads, bursts of ${burst}`;
  figure(name, rate / 1e6, 'M/s', 'of postMessage', rate / posted, rate >= least * posted, `>= ${least}x`);
}
for (const size of [60, 1500, 4096]) {
  const rate = await byteRate(size);
  const least = size === 60 ? 0.2 : 1;
  figure(
    `bytes between threads, frames of ${size}`,
    rate,
    'GB/s',
    'of postMessage',
    (rate * 1e9) / size / posted,
    rate >= least,
    `>= ${least} GB/s`,
  );
}
for (const size of [60, 4096]) {
  const rate = await streamRate(size);
  const least = size === 60 ? 0.2 : 1;
  figure(
    `bytes through a stream ring, writes of ${size}`,
    rate,
    'GB/s',
    'of postMessage',
    (rate * 1e9) / size / posted,
    rate >= least,
    `>= ${least} GB/s`,
  );
}
const trip = await bellTrip();
const postedTrip = await postTrip();
figure(
  'doorbell round trip, both asleep',
  trip,
  'us',
  'of postMessage',
  trip / postedTrip,
  trip <= 1.5 * postedTrip + 20,
  '<= 1.5x',
);

console.log(missed.length === 0 ? 'met: every target' : `missed: ${missed.join('; ')}`);
process.exitCode = missed.length === 0 ? 0 : 1;
