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
import { until } from '../../test/lib/wait.ts';
import { chosen, type Contestant, grevy } from '../lib/contestants.ts';
import { Helper, makeField, quiet } from '../lib/field.ts';
import { peers, type RouterDescription } from '../lib/peers.ts';
import { firstStart, LIMIT_MS, median, onStage, type Result } from '../lib/stage.ts';
import { buildTable, setsOf } from '../lib/table.ts';
import { nowMs } from '../lib/speaker.ts';
import { HOLD_S, type Through, through } from '../bgp/through.ts';

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
const contestants = chosen(options.contestants);

interface UnderLoad {
  askMs: number;
  /** From the kernel's announcement to zebra's telling its clients: the longest of `flaps`; null where there was none. */
  linkDownMs: number | null;
  flaps: number;
}

async function floor(): Promise<Result> {
  await quiet();
  const field = await makeField(peers({}));
  await field.dut.run('ip', 'nexthop', 'add', 'id', '7', 'via', '10.0.0.2', 'dev', 'eth0');
  const script = new URL('floor.ts', import.meta.url).pathname;
  const answer = await field.dut.run(process.execPath, script, String(PREFIXES), String(SETS), '7');
  const { ms, cpuSeconds: cpu } = JSON.parse(answer) as { ms: number; cpuSeconds: number };
  const count = await countRoutes(field.dut);
  if (count < PREFIXES) throw new Error(`the floor left ${count} routes`);
  await field.lab.close();
  return { seconds: ms / 1000, cpu, testerCpu: 0, megabytes: 0 };
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

/** One feeder, and nobody who is sent anything. */
function oneFeeder(kernel: boolean): RouterDescription {
  return { holdTimeS: HOLD_S, kernel, peers: peers({ table: { prefixes: PREFIXES, attributeSets: SETS } }) };
}

/** From session up to the last route in the kernel; `disturbed` by an operator or left alone. */
function toKernel(
  contestant: Contestant,
  disturbed = false,
): Promise<Result & { silenceMs: number; load?: UnderLoad }> {
  return onStage(contestant, oneFeeder(true), async ({ field, running, tester, measure }) => {
    const script = new URL('operator.ts', import.meta.url);
    const operator = disturbed ? new Helper(field.dut, script, [running.runDir!, field.neighbours.path]) : undefined;
    await operator?.event('ready');
    await quiet();
    const look = probes();
    const probe = new RouteProbe(field.dut);
    const end = measure();
    tester.tell({ do: 'announce' });
    const { atMs: startMs } = await tester.event<{ atMs: number }>('announcing');
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
        timeoutMs: LIMIT_MS,
        everyMs: 20,
        what: () => `the last route in the kernel; ${next} of ${look.length} probes found`,
      },
    );
    const result = end(doneMs - startMs);
    tester.tell({ do: 'silence' });
    const silenceMs = (await tester.event<{ longestMs: number }>('silence')).longestMs;
    const load = await operator?.event<UnderLoad & Record<string, number>>('load');
    probe.close();
    return { ...result, silenceMs, ...(load && { load }) };
  });
}

function tableAlone(contestant: Contestant): Promise<Result> {
  return onStage(contestant, oneFeeder(false), async ({ running, tester, measure }) => {
    const end = measure();
    tester.tell({ do: 'announce' });
    const { atMs } = await tester.event<{ atMs: number }>('announcing');
    await until(async () => (await running.paths()) >= PREFIXES, {
      everyMs: 10,
      timeoutMs: LIMIT_MS,
      what: 'the whole table',
    });
    return end(nowMs() - atMs);
  });
}

/** Runs every contestant in turn; the results by name. */
async function each<T>(run: (contestant: Contestant) => Promise<T>): Promise<Map<string, T>> {
  const results = new Map<string, T>();
  for (const contestant of contestants) results.set(contestant.name, await run(contestant));
  return results;
}

/** A column's value relative to one contestant's, NaN where that one did not run. */
function ratio(results: Map<string, Result>, name: string, to: string): number {
  return (results.get(name)?.seconds ?? Number.NaN) / (results.get(to)?.seconds ?? Number.NaN);
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
    if (contestants.includes(grevy)) loads.push(await toKernel(grevy));
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
      const runs: Through['announce'][] = [];
      for (let round = 0; round < rounds; round++) runs.push((await through(contestant, prefixes)).announce);
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
