// What safe reclamation costs who reads (QSBR once a vector, an epoch guard beside a reader-writer gate), and how long who
// writes waits for it (grace periods under a busy worker). Prints a table, then a line of targets met or missed.
//
//    node bench/reclamation.ts
import { Worker } from 'node:worker_threads';
import { Qsbr, QsbrReader, QsbrWriter, store, words } from '../src/concurrency/index.ts';
import { percentile } from './lib/percentile.ts';
import { enterLeave, type Gate, vectorOf } from './lib/reclamation.ts';
import { short, summary, table } from './lib/report.ts';

const PACKET_NS = 25;
/** Runs of so many grace periods; the one with the least p99 counts: in the others somebody else had the processors. */
const RUNS = 20;
const PERIODS = 5000;

/** Least of `times` runs, in nanoseconds per operation. */
function best(times: number, operations: number, run: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    run();
    least = Math.min(least, performance.now() - start);
  }
  return (least * 1e6) / operations;
}

/** Steps of `vectorOf` that take as long as one packet. */
function calibrate(): number {
  const spins = 1_000_000;
  return PACKET_NS / best(20, spins, () => vectorOf(spins));
}

/** Nanoseconds of a vector alone, and with a quiescent state after it; runs of both take turns. */
function quiescent(spins: number): { without: number; with: number } {
  const reader = new QsbrReader(Qsbr.create(1), 0);
  reader.online();
  const vectors = Math.ceil(200_000 / spins);
  const [without, after] = [
    () => {
      for (let i = 0; i < vectors; i++) vectorOf(spins);
    },
    () => {
      for (let i = 0; i < vectors; i++) {
        vectorOf(spins);
        reader.quiescent();
      }
    },
  ];
  const least = { without: Number.POSITIVE_INFINITY, with: Number.POSITIVE_INFINITY };
  for (let i = 0; i < 600; i++) {
    least.without = Math.min(least.without, best(1, vectors, without));
    least.with = Math.min(least.with, best(1, vectors, after));
  }
  return least;
}

async function beside<Result>(data: object, stop: SharedArrayBuffer, run: () => Result): Promise<Result> {
  const worker = new Worker(new URL('./reclamation-worker.ts', import.meta.url), { workerData: { ...data, stop } });
  const ended = new Promise((resolve, reject) => {
    worker.once('exit', resolve);
    worker.once('error', reject);
  });
  await Promise.race([ended, new Promise(resolve => worker.once('message', resolve))]);
  const result = run();
  store(words(stop, 0, 1), 0, 1);
  await ended;
  return result;
}

/** Nanoseconds to go in and out, alone and beside another thread that does the same. */
async function gate(kind: Gate): Promise<{ alone: number; two: number }> {
  const qsbr = Qsbr.create(2);
  const memory = new SharedArrayBuffer(512);
  const times = 100_000;
  const run = enterLeave(kind, qsbr, 0, memory);
  const measure = (): number => best(30, times, () => run(times));
  const alone = measure();
  return { alone, two: await beside({ kind: 'gate', gate: kind, qsbr, memory }, new SharedArrayBuffer(4), measure) };
}

/** Grace periods in microseconds while a worker is busy with vectors of so many steps. */
function grace(spins: number): Promise<number[]> {
  const qsbr = Qsbr.create(1);
  const writer = new QsbrWriter(qsbr);
  return beside({ kind: 'busy', qsbr, spins }, new SharedArrayBuffer(4), () => {
    const waits: number[] = [];
    for (let i = -PERIODS; i < RUNS * PERIODS; i++) {
      const start = performance.now();
      if (!writer.synchronize(10_000)) throw new Error('no grace period in ten seconds');
      if (i >= 0) waits.push((performance.now() - start) * 1000);
      // The next begins at any moment of the worker's vectors, not with one of them.
      vectorOf((Math.imul(i, 0x9e3779b1) >>> 8) % (4 * spins));
    }
    return waits;
  });
}

const spinsPerPacket = calibrate();
const spinsOf = (packets: number): number => Math.round(packets * spinsPerPacket);
const rows: (string | number)[][] = [];

const bareReader = new QsbrReader(Qsbr.create(1), 0);
bareReader.online();
const bare = best(30, 200_000, () => {
  for (let i = 0; i < 200_000; i++) bareReader.quiescent();
});
rows.push(['quiescent, again and again', `${short(bare)} ns`, '']);
const shares = new Map<number, number>();
for (const packets of [32, 256]) {
  const ns = quiescent(spinsOf(packets));
  // Between packets it may cost nothing, since the processor has other things to do meanwhile; the worse counts.
  const cost = Math.max(bare, ns.with - ns.without);
  shares.set(packets, (100 * cost) / (packets * PACKET_NS));
  rows.push([`quiescent, vector of ${packets}`, `${short(ns.without)} ns without`, `${short(ns.with)} ns with it`]);
  rows.push([
    '  its cost, at worst',
    `${short(cost)} ns`,
    `${short(shares.get(packets)!)} % of ${packets} x ${PACKET_NS} ns`,
  ]);
}
const guard = await gate('guard');
const rwlock = await gate('rwlock');
rows.push(['epoch guard, pin and unpin', `${short(guard.alone)} ns alone`, `${short(guard.two)} ns beside another`]);
rows.push([
  'reader-writer gate, in and out',
  `${short(rwlock.alone)} ns alone`,
  `${short(rwlock.two)} ns beside another`,
]);
const periods = new Map<number, { p50: number; p99: number }>();
for (const packets of [32, 128]) {
  const waits = await grace(spinsOf(packets));
  const runs = Array.from({ length: RUNS }, (_, i) => {
    const run = waits.slice(i * PERIODS, (i + 1) * PERIODS);
    return { p50: percentile(run, 0.5), p99: percentile(run, 0.99) };
  });
  const { p50, p99 } = runs.sort((a, b) => a.p99 - b.p99)[0]!;
  periods.set(packets, { p50, p99 });
  rows.push([
    `grace period, vectors of ${packets}`,
    `p50 ${short(p50)} us`,
    `p99 ${short(p99)} us (of all runs: ${short(percentile(waits, 0.5))}, ${short(percentile(waits, 0.99))})`,
  ]);
}
table(['', '', ''], rows);
summary('reclamation', [
  { name: 'quiescent of a vector of 256', value: shares.get(256)!, most: 2, unit: ' %' },
  ...[32, 128].flatMap(packets => [
    { name: `grace p50, vectors of ${packets},`, value: periods.get(packets)!.p50, most: 2, unit: ' us' },
    { name: `grace p99, vectors of ${packets},`, value: periods.get(packets)!.p99, most: 10, unit: ' us' },
  ]),
]);
