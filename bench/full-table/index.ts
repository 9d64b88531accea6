// npm run bench:full-table [-- --prefixes N] [--parts kernel,load,table,through] [--contestants grevy,bird,frr]
//
// One full table, 1,000,000 IPv4 prefixes in 150,000 attribute sets, from one feeder:
//   kernel   session up → last route in the kernel: the floor, Grevy, BIRD, FRR (what does Grevy lose to the kernel's own cost?)
//   table    first byte → the whole table held, nothing done with it
//   through  first byte → last prefix at a receiving peer
// and while Grevy loads the table: how long its shell takes, how soon a link that goes down is known, whether a keepalive is
// late. Targets compare within this run only.
import { parseArgs } from 'node:util';
import { summary, short, table, type Target } from '../lib/report.ts';
import { countRoutes, RouteProbe } from '../lib/kernel-routes.ts';
import { percentile } from '../lib/percentile.ts';
import { cpuSeconds, peakMegabytes } from '../lib/process.ts';
import { until } from '../../test/lib/wait.ts';
import { bird, type Contestant, frr, grevy, HOLD_S } from './contestants.ts';
import { Helper, makeField, quiet } from './lab.ts';
import { buildTable, setsOf } from '../lib/table.ts';
import { feeder, type Result, through } from './through.ts';
import { nowMs } from './speaker.ts';

const { values: options } = parseArgs({
  options: {
    prefixes: { type: 'string', default: '1000000' },
    parts: { type: 'string', default: 'kernel,load,table,through' },
    contestants: { type: 'string', default: 'grevy,bird,frr' },
  },
});
const PREFIXES = Number(options.prefixes);
const SETS = setsOf(PREFIXES);
/** Loads of Grevy's beside loads of the floor's. */
const PAIRS = 5;
const parts = options.parts.split(',');
const contestants: readonly (readonly [string, Contestant])[] = (
  [
    ['Grevy', grevy],
    ['BIRD', bird],
    ['FRR', frr],
  ] as const
).filter(([name]) => options.contestants.split(',').includes(name.toLowerCase()));

interface UnderLoad {
  askMs: number;
  /** From the kernel's announcement to zebra's telling its clients: the longest of `flaps`; null where there was none. */
  linkDownMs: number | null;
  flaps: number;
}

async function floor(): Promise<Result> {
  await quiet();
  const field = await makeField();
  await field.dut.run('ip', 'nexthop', 'add', 'id', '7', 'via', '10.0.0.2', 'dev', 'eth0');
  const script = new URL('floor.ts', import.meta.url).pathname;
  const answer = await field.dut.run(process.execPath, script, String(PREFIXES), String(SETS), '7');
  const { ms, cpuSeconds: cpu } = JSON.parse(answer) as { ms: number; cpuSeconds: number };
  const count = await countRoutes(field.dut);
  if (count < PREFIXES) throw new Error(`the floor left ${count} routes`);
  await field.lab.close();
  return { seconds: ms / 1000, cpu, megabytes: 0 };
}

/** /24s, which nothing longer hides: spread over the table, and the last ones announced. */
function probes(): [number, number][] {
  const { addresses, lengths } = buildTable({ prefixes: PREFIXES, attributeSets: SETS });
  const chosen: [number, number][] = [];
  const add = (from: number, step: number, most: number): void => {
    for (let i = from; i >= 0 && i < lengths.length && chosen.length < most; i += step) {
      if (lengths[i] === 24) chosen.push([addresses[i]!, 24]);
    }
  };
  add(lengths.length - 1, -1, 24);
  add(11, Math.max(1, Math.floor(lengths.length / 100)), 80);
  return chosen;
}

/** From session up to the last route in the kernel; `disturbed` by an operator or left alone. */
async function toKernel(
  contestant: Contestant,
  disturbed = false,
): Promise<Result & { silenceMs: number; load?: UnderLoad }> {
  await quiet();
  const field = await makeField();
  const running = await contestant({ lab: field.lab, dut: field.dut, kernel: true, receiver: false });
  const feed = feeder(field, PREFIXES);
  await feed.event('established');
  const operator = disturbed ? new Helper(field.dut, 'operator.ts', [running.runDir!, field.recv.path]) : undefined;
  await operator?.event('ready');
  await quiet();
  const look = probes();
  const probe = new RouteProbe(field.dut);
  const before = cpuSeconds(running.pids());
  feed.say('announce');
  const { atMs: startMs } = await feed.event<{ atMs: number }>('announcing');
  operator?.say('begin');
  let next = 0;
  let doneMs = 0;
  await until(
    async () => {
      const from = next;
      while (next < look.length && probe.has(look[next]![0], look[next]![1])) next++;
      if (next < look.length) return false;
      if (from < next) operator?.say('end');
      const atMs = nowMs();
      if ((await countRoutes(field.dut)) < PREFIXES) return false;
      doneMs = atMs;
      return true;
    },
    {
      timeoutMs: 300_000,
      everyMs: 20,
      what: () => `the last route in the kernel; ${next} of ${look.length} probes found`,
    },
  );
  const pids = running.pids();
  const result = { seconds: (doneMs - startMs) / 1000, cpu: cpuSeconds(pids) - before, megabytes: peakMegabytes(pids) };
  feed.say('silence');
  const silenceMs = (await feed.event<{ longestMs: number }>('silence')).longestMs;
  const load = await operator?.event<UnderLoad & Record<string, number>>('load');
  probe.close();
  await running.stop();
  await field.lab.close();
  return { ...result, silenceMs, ...(load && { load }) };
}

async function tableAlone(contestant: Contestant): Promise<Result> {
  await quiet();
  const field = await makeField();
  const running = await contestant({ lab: field.lab, dut: field.dut, kernel: false, receiver: false });
  const feed = feeder(field, PREFIXES);
  await feed.event('established');
  await quiet();
  const before = cpuSeconds(running.pids());
  feed.say('announce');
  const { atMs } = await feed.event<{ atMs: number }>('announcing');
  await until(async () => (await running.tableSize()) >= PREFIXES, {
    everyMs: 10,
    timeoutMs: 120_000,
    what: 'the whole table',
  });
  const pids = running.pids();
  const result = { seconds: (nowMs() - atMs) / 1000, cpu: cpuSeconds(pids) - before, megabytes: peakMegabytes(pids) };
  await running.stop();
  await field.lab.close();
  return result;
}

/** One start of Grevy that is not measured: what runs for the first time after an installation is compiled and kept. */
async function firstStart(): Promise<void> {
  const field = await makeField();
  const running = await grevy({ lab: field.lab, dut: field.dut, kernel: true, receiver: true });
  await quiet();
  await running.stop();
  await field.lab.close();
}

/** Runs every contestant in turn; the results by name. */
async function each<T>(run: (contestant: Contestant) => Promise<T>): Promise<Map<string, T>> {
  const results = new Map<string, T>();
  for (const [name, contestant] of contestants) results.set(name, await run(contestant));
  return results;
}

/** A column's value relative to one contestant's, NaN where that one did not run. */
function ratio(results: Map<string, Result>, name: string, to: string): number {
  return (results.get(name)?.seconds ?? Number.NaN) / (results.get(to)?.seconds ?? Number.NaN);
}

/** The middle one by seconds. */
function median<R extends Result>(results: readonly R[]): R {
  return results.toSorted((a, b) => a.seconds - b.seconds)[results.length >> 1]!;
}

const targets: Target[] = [];
console.log(`${PREFIXES} prefixes in ${SETS} attribute sets\n`);
await firstStart();

if (parts.includes('kernel')) {
  // The floor drifts by a third within minutes on a machine that others share, so ours is set beside it several times in turn.
  const floors: Result[] = [];
  const loads: Result[] = [];
  for (let round = 0; round < PAIRS; round++) {
    floors.push(await floor());
    if (contestants.some(([, contestant]) => contestant === grevy)) loads.push(await toKernel(grevy));
  }
  const bottom = median(floors);
  const pairs = loads.map((load, round) => load.seconds / floors[round]!.seconds);
  const results: Map<string, Result> = await each(async contestant =>
    contestant === grevy
      ? { ...median(loads), megabytes: Math.max(...loads.map(load => load.megabytes)) }
      : toKernel(contestant),
  );
  table(
    ['session up → kernel', 'seconds', 'CPU s', 'peak MB', '× floor', '× BIRD'],
    [
      ['floor', bottom.seconds, bottom.cpu, '–', 1, '–'],
      ...[...results].map(([name, r]) => [
        name,
        r.seconds,
        r.cpu,
        r.megabytes,
        r.seconds / bottom.seconds,
        ratio(results, name, 'BIRD'),
      ]),
    ],
  );
  console.log(`Grevy beside the floor, pair by pair: ${pairs.map(short).join(' ')}\n`);
  const ours = results.get('Grevy');
  targets.push(
    {
      name: 'kernel',
      value: percentile(pairs, 0.5),
      most: 1.25,
      unit: ' × floor (median)',
    },
    { name: 'kernel', value: ratio(results, 'Grevy', 'BIRD'), most: 0.45, unit: ' × BIRD' },
    { name: 'memory', value: ours?.megabytes ?? Number.NaN, most: 350, unit: ' MB' },
  );
}
if (parts.includes('load')) {
  const { load, silenceMs } = await toKernel(grevy, true);
  const linkDownMs = load?.linkDownMs ?? Number.NaN;
  table(
    ['while the table loads', 'ms'],
    [
      ['slowest shell command', load!.askMs],
      [`link down, kernel's word → zebra's (longest of ${load!.flaps})`, linkDownMs],
      [`longest silence of a peer that owes a keepalive each ${(HOLD_S / 3) * 1000} ms`, silenceMs],
    ],
  );
  console.log('');
  targets.push(
    { name: 'shell', value: load!.askMs, most: 50, unit: ' ms' },
    { name: 'link down', value: linkDownMs, most: 20, unit: ' ms' },
    { name: 'keepalive', value: silenceMs, most: (HOLD_S / 3) * 1000 * 1.1, unit: ' ms apart' },
  );
}
if (parts.includes('table')) {
  const results: Map<string, Result> = await each(tableAlone);
  table(
    ['table alone', 'seconds', 'CPU s', 'peak MB', '× BIRD'],
    [...results].map(([name, r]) => [name, r.seconds, r.cpu, r.megabytes, ratio(results, name, 'BIRD')]),
  );
  console.log('');
  targets.push({ name: 'table', value: ratio(results, 'Grevy', 'BIRD'), most: 1, unit: ' × BIRD' });
}
if (parts.includes('through')) {
  for (const prefixes of [PREFIXES / 10, PREFIXES]) {
    // What takes a quarter of a second is soon disturbed: the middle one of three, from everybody.
    const rounds = prefixes < PREFIXES ? 3 : 1;
    const results = await each(async contestant => {
      const runs: Awaited<ReturnType<typeof through>>[] = [];
      for (let round = 0; round < rounds; round++) runs.push(await through(contestant, prefixes));
      return median(runs);
    });
    table(
      [`to a receiver, ${short(prefixes)}`, 'seconds', 'first ms', 'CPU s', 'peak MB', 'UPDATEs', '× BIRD'],
      [...results].map(([name, r]) => [
        name,
        r.seconds,
        r.firstMs,
        r.cpu,
        r.megabytes,
        r.updates,
        ratio(results, name, 'BIRD'),
      ]),
    );
    console.log('');
    const value = ratio(results, 'Grevy', 'BIRD');
    targets.push({ name: `through ${short(prefixes)}`, value, most: 1, unit: ' × BIRD' });
  }
}
summary('full-table', targets);
process.exit();
