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
import { cpuSeconds, peakMegabytes } from '../lib/process.ts';
import { until } from '../../test/lib/wait.ts';
import { bird, type Contestant, FEEDER_ASN, frr, grevy, HOLD_S, RECEIVER_ASN, type Running } from './contestants.ts';
import { type Field, Helper, makeField, quiet } from './lab.ts';
import { buildTable } from '../lib/table.ts';
import { kernelLinks, type LinkState, zebraLinks } from './links.ts';
import { nowMs } from './speaker.ts';

const { values: options } = parseArgs({
  options: {
    prefixes: { type: 'string', default: '1000000' },
    parts: { type: 'string', default: 'kernel,load,table,through' },
    contestants: { type: 'string', default: 'grevy,bird,frr' },
  },
});
const PREFIXES = Number(options.prefixes);
const SETS = Math.round(PREFIXES * 0.15);
const parts = options.parts.split(',');
const contestants: readonly (readonly [string, Contestant])[] = (
  [
    ['Grevy', grevy],
    ['BIRD', bird],
    ['FRR', frr],
  ] as const
).filter(([name]) => options.contestants.split(',').includes(name.toLowerCase()));

interface Result {
  seconds: number;
  cpu: number;
  megabytes: number;
}

interface UnderLoad {
  askMs: number;
  /** From the kernel's announcement to zebra's telling its clients: the longest of `flaps`. */
  linkDownMs: number;
  flaps: number;
  /** The table is there: no more disturbing. */
  over: boolean;
  silenceMs: number;
}

function feeder(field: Field, prefixes = PREFIXES, sets = SETS): Helper {
  return new Helper(field.feed, 'feeder.ts', ['10.0.0.2', '10.0.0.1', FEEDER_ASN, prefixes, sets, HOLD_S]);
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

async function toKernel(
  contestant: Contestant,
  underLoad?: (field: Field, running: Running, result: UnderLoad) => Promise<void>,
): Promise<Result & UnderLoad> {
  await quiet();
  const field = await makeField();
  const running = await contestant({ lab: field.lab, dut: field.dut, kernel: true, receiver: false });
  const feed = feeder(field);
  await feed.event('established');
  await quiet();
  const look = probes();
  const probe = new RouteProbe(field.dut);
  const load: UnderLoad = { askMs: Number.NaN, linkDownMs: Number.NaN, flaps: 0, over: false, silenceMs: Number.NaN };
  const before = cpuSeconds(running.pids());
  feed.say('announce');
  const { atMs: startMs } = await feed.event<{ atMs: number }>('announcing');
  const measuring = underLoad?.(field, running, load);
  let next = 0;
  let doneMs = 0;
  await until(
    async () => {
      while (next < look.length && probe.has(look[next]![0], look[next]![1])) next++;
      if (next < look.length) return false;
      const atMs = nowMs();
      // Counting a million lines keeps this process from hearing anything, so whoever measures here stops first.
      load.over = true;
      await measuring;
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
  load.silenceMs = (await feed.event<{ longestMs: number }>('silence')).longestMs;
  probe.close();
  await running.stop();
  await field.lab.close();
  return { ...result, ...load };
}

/** While Grevy loads: its shell again and again, and the far end of the spare cable goes down and up. */
async function disturb(field: Field, running: Running, load: UnderLoad): Promise<void> {
  let worst = 0;
  const ask = async (): Promise<void> => {
    while (!load.over) {
      const askedMs = nowMs();
      await running.ask();
      worst = Math.max(worst, nowMs() - askedMs);
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  };
  const flap = async (): Promise<void> => {
    const announced: LinkState[] = [];
    const known: LinkState[] = [];
    const ends = [
      kernelLinks(field.dut, state => announced.push(state)),
      zebraLinks(running.zserv!, state => known.push(state)),
    ];
    const take = (states: LinkState[], up: boolean): LinkState | undefined => {
      const at = states.findIndex(state => state.name === 'flap0' && state.up === up);
      return at < 0 ? undefined : states.splice(0, at + 1).at(-1);
    };
    await new Promise(resolve => setTimeout(resolve, 250));
    const downs: number[] = [];
    for (let up = false; !load.over; up = !up) {
      await field.recv.run('ip', 'link', 'set', 'spare0', up ? 'up' : 'down');
      const first = await until(() => take(announced, up), { everyMs: 1, what: 'the kernel to announce it' });
      const then = await until(() => take(known, up), { everyMs: 1, what: 'zebra to tell it' });
      if (!up) downs.push(then.atMs - first.atMs);
      await new Promise(resolve => setTimeout(resolve, 100));
    }
    for (const end of ends) end();
    load.flaps = downs.length;
    // Where the table was there before anything could be measured, that is not a target met.
    load.linkDownMs = downs.length === 0 ? Number.NaN : Math.max(...downs);
  };
  await Promise.all([ask(), flap()]);
  load.askMs = worst;
}

async function tableAlone(contestant: Contestant): Promise<Result> {
  await quiet();
  const field = await makeField();
  const running = await contestant({ lab: field.lab, dut: field.dut, kernel: false, receiver: false });
  const feed = feeder(field);
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

async function through(
  contestant: Contestant,
  prefixes: number,
): Promise<Result & { firstMs: number; updates: number }> {
  await quiet();
  const field = await makeField();
  const running = await contestant({ lab: field.lab, dut: field.dut, kernel: false, receiver: true });
  const receive = new Helper(field.recv, 'receiver.ts', ['10.0.1.2', '10.0.1.1', RECEIVER_ASN, prefixes, HOLD_S]);
  const feed = feeder(field, prefixes, Math.round(prefixes * 0.15));
  await feed.event('established');
  await receive.event('established');
  await quiet();
  const before = cpuSeconds(running.pids());
  feed.say('announce');
  const { atMs } = await feed.event<{ atMs: number }>('announcing');
  const last = await receive.event<{ atMs: number; updates: number }>('last', 300_000);
  const first = await receive.event<{ atMs: number }>('first');
  const pids = running.pids();
  const result = {
    seconds: (last.atMs - atMs) / 1000,
    cpu: cpuSeconds(pids) - before,
    megabytes: peakMegabytes(pids),
    firstMs: first.atMs - atMs,
    updates: last.updates,
  };
  await running.stop();
  await field.lab.close();
  return result;
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

const targets: Target[] = [];
console.log(`${PREFIXES} prefixes in ${SETS} attribute sets\n`);

if (parts.includes('kernel')) {
  const bottom = await floor();
  const results: Map<string, Result> = await each(contestant => toKernel(contestant));
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
  console.log('');
  const ours = results.get('Grevy');
  targets.push(
    { name: 'kernel', value: (ours?.seconds ?? Number.NaN) / bottom.seconds, most: 1.25, unit: ' × floor' },
    { name: 'kernel', value: ratio(results, 'Grevy', 'BIRD'), most: 0.45, unit: ' × BIRD' },
    { name: 'memory', value: ours?.megabytes ?? Number.NaN, most: 350, unit: ' MB' },
  );
}
if (parts.includes('load')) {
  const loaded = await toKernel(grevy, disturb);
  table(
    ['while the table loads', 'ms'],
    [
      ['slowest shell command', loaded.askMs],
      [`link down, kernel's word → zebra's (longest of ${loaded.flaps})`, loaded.linkDownMs],
      [`longest silence of a peer that owes a keepalive each ${(HOLD_S / 3) * 1000} ms`, loaded.silenceMs],
    ],
  );
  console.log('');
  targets.push(
    { name: 'shell', value: loaded.askMs, most: 50, unit: ' ms' },
    { name: 'link down', value: loaded.linkDownMs, most: 20, unit: ' ms' },
    { name: 'keepalive', value: loaded.silenceMs, most: (HOLD_S / 3) * 1000 * 1.1, unit: ' ms apart' },
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
    const results = await each(contestant => through(contestant, prefixes));
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
