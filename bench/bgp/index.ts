// npm run bench:bgp [-- --prefixes N] [--parts through,feeders,route-server,failover,peers] [--contestants grevy,bird,…]
//
// BGP beside BIRD, FRR and, for what they finish, OpenBGPD and GoBGP, on the same processors, IPv4, as root:
//   through       feeder → router → receiver: N/10 and N prefixes, announced and withdrawn; a single route
//   feeders       ten feeders with the same 0.4 N prefixes, by different paths
//   route-server  one feeder of 0.2 N prefixes, a hundred receivers with one policy, or with one each
//   failover      the better of two peers with N prefixes goes: until the kernel has switched
//   peers         a thousand peers with a hold time of 3 s: who notices that a full table is loaded, or its policy changed?
// Those who play the neighbours use the same processors; what they spend stands beside. Only failover has to do with the
// kernel's table. Targets compare within this run only.
import { parseArgs } from 'node:util';
import { chosen, type Contestant, grevy, openbgpd } from '../lib/contestants.ts';
import { short, summary, table, type Target } from '../lib/report.ts';
import { firstStart, median, type Result } from '../lib/stage.ts';
import { failover } from './failover.ts';
import { FEEDERS, feeders } from './feeders.ts';
import { type Disturbance, manyPeers, reloadAlone } from './many-peers.ts';
import { RECEIVERS, routeServer } from './route-server.ts';
import { firstRoute, through } from './through.ts';

const { values: options } = parseArgs({
  options: {
    prefixes: { type: 'string', default: '1000000' },
    parts: { type: 'string', default: 'through,feeders,route-server,failover,peers' },
    contestants: { type: 'string', default: 'grevy,bird,frr,openbgpd,gobgp' },
    sessions: { type: 'string', default: '1000' },
  },
});
const PREFIXES = Number(options.prefixes);
const SESSIONS = Number(options.sessions);
const parts = options.parts.split(',');
const contestants = chosen(options.contestants);
const targets: Target[] = [];

/** Results of each contestant, by name, in the order of their rounds; a contestant that failed has none. */
type Rounds<T> = ReadonlyMap<string, readonly T[]>;

/**
 * Runs all contestants by turns, because the machine drifts. What takes under half a second is soon disturbed: five rounds
 * of it, three of what takes under two seconds.
 */
async function rounds<T>(
  work: number,
  run: (contestant: Contestant) => Promise<T>,
  seconds: (result: T) => number,
  able: (contestant: Contestant) => boolean = () => true,
): Promise<Rounds<T>> {
  const results = new Map<string, T[]>();
  const wanted = new Map(contestants.map(({ name }) => [name, 1]));
  for (let round = 0; round < 5; round++) {
    for (const contestant of contestants) {
      const { name, most } = contestant;
      if (!able(contestant) || work > most || round >= wanted.get(name)!) continue;
      try {
        const result = await run(contestant);
        results.set(name, [...(results.get(name) ?? []), result]);
        if (round === 0) wanted.set(name, seconds(result) < 0.5 ? 5 : seconds(result) < 2 ? 3 : 1);
      } catch (error) {
        console.error(`(${name} did not finish: ${(error as Error).message.slice(0, 500)})`);
        wanted.set(name, 0);
        results.delete(name);
      }
    }
  }
  return results;
}

function medians<T, R extends Result>(results: Rounds<T>, of: (result: T) => R): Map<string, R> {
  return new Map([...results].map(([name, all]) => [name, median(all.map(of))]));
}

/** One number of one contestant relative to another's; NaN where one of them has none. */
function ratio<R>(results: ReadonlyMap<string, R>, of: (result: R) => number, to: string, name = 'Grevy'): number {
  const [one, other] = [results.get(name), results.get(to)];
  return one && other ? of(one) / of(other) : Number.NaN;
}

const seconds = (result: Result): number => result.seconds;

/** Prints results, with columns of their own if need be, and each one's seconds beside BIRD's. */
function show<R extends Result>(
  heading: string,
  results: ReadonlyMap<string, R>,
  more: Record<string, (r: R) => number> = {},
) {
  table(
    [heading, 'seconds', '× BIRD', 'CPU s', 'tester CPU s', 'peak MB', ...Object.keys(more)],
    [...results].map(([name, r]) => [
      name,
      r.seconds,
      ratio(results, seconds, 'BIRD', name),
      r.cpu,
      r.testerCpu,
      r.megabytes,
      ...Object.values(more).map(of => of(r)),
    ]),
  );
  console.log('');
}

/** Grevy's seconds are to be at most so many times another's. */
function target(name: string, results: ReadonlyMap<string, Result>, to: string, most: number): void {
  targets.push({ name, value: ratio(results, seconds, to), most, unit: ` × ${to}` });
}

async function throughPart(): Promise<void> {
  for (const prefixes of [PREFIXES / 10, PREFIXES]) {
    const results = await rounds(
      2 * prefixes,
      c => through(c, prefixes),
      ({ announce }) => announce.seconds,
    );
    const announced = medians(results, ({ announce }) => announce);
    const withdrawn = medians(results, ({ withdraw }) => withdraw);
    show(`through, ${short(prefixes)} announced`, announced, {
      'first ms': ({ firstMs }) => firstMs,
      UPDATEs: ({ updates }) => updates,
    });
    show(`through, ${short(prefixes)} withdrawn`, withdrawn);
    target(`announce ${short(prefixes)}`, announced, 'BIRD', 0.7);
    target(`withdraw ${short(prefixes)}`, withdrawn, 'BIRD', 0.7);
  }
  const single = await rounds(2, firstRoute, () => Infinity);
  table(
    ['a single route', 'ms, median', 'slowest'],
    [...single].map(([name, [result]]) => [name, result!.median, result!.worst]),
  );
  console.log('');
  targets.push({ name: 'first route', value: single.get('Grevy')?.[0]?.median ?? Number.NaN, most: 1, unit: ' ms' });
}

async function feedersPart(): Promise<void> {
  const prefixes = PREFIXES * 0.4;
  const results = medians(await rounds((FEEDERS + 1) * prefixes, c => feeders(c, prefixes), seconds), result => result);
  show(`${FEEDERS} feeders of ${short(prefixes)}`, results, { UPDATEs: ({ updates }) => updates });
  target('feeders', results, 'BIRD', 1);
  targets.push({
    name: 'memory',
    value: ratio(results, ({ megabytes }) => megabytes, 'BIRD'),
    most: 1.5,
    unit: ' × BIRD',
  });
}

async function routeServerPart(): Promise<void> {
  const prefixes = PREFIXES * 0.2;
  for (const different of [false, true]) {
    const results = medians(
      await rounds((RECEIVERS + 1) * prefixes, c => routeServer(c, prefixes, different), seconds),
      result => result,
    );
    const what = different ? `${RECEIVERS} policies` : 'one policy';
    show(`${short(prefixes)} to ${RECEIVERS} receivers, ${what}`, results);
    target(`route server, ${what}`, results, 'BIRD', 1);
    target(`route server, ${what}`, results, 'FRR', 1);
  }
}

async function failoverPart(): Promise<void> {
  const results = medians(
    await rounds(
      2 * PREFIXES,
      c => failover(c, PREFIXES),
      seconds,
      ({ kernel }) => kernel,
    ),
    result => result,
  );
  show(`failover of ${short(PREFIXES)} in the kernel`, results);
  target('failover', results, 'BIRD', 1);
  target('failover', results, 'FRR', 1);
}

async function peersPart(): Promise<void> {
  const results = await rounds(
    3 * PREFIXES,
    c => manyPeers(c, PREFIXES, SESSIONS),
    () => Infinity,
    // A thousand sessions keep it busy for minutes.
    contestant => contestant !== openbgpd,
  );
  for (const what of ['load', 'reload'] as const) {
    const all = medians(results, result => result[what]);
    const heading = what === 'load' ? '3 × announced, 2 × withdrawn' : 'a new policy';
    show(`${SESSIONS} peers, ${short(PREFIXES)}: ${heading}`, all, {
      lost: ({ lost }) => lost,
      KEEPALIVEs: ({ messages }) => messages,
      'late ms, p50': ({ lateMs }) => lateMs.p50,
      'p99.9': ({ lateMs }) => lateMs.p999,
      max: ({ lateMs }) => lateMs.max,
    });
    table(
      ['the shell meanwhile', 'answers', 'ms, p50', 'p99', 'max'],
      [...all].map(([name, { answers: a }]) => (a ? [name, a.count, a.p50, a.p99, a.max] : [name])),
    );
    console.log('');
    const ours: Disturbance | undefined = all.get('Grevy');
    targets.push(
      { name: `${what}: lateness p99.9`, value: ours?.lateMs.p999 ?? Number.NaN, most: 50, unit: ' ms' },
      { name: `${what}: sessions lost`, value: ours?.lost ?? Number.NaN, most: 0 },
      { name: `${what}: shell p99`, value: ours?.answers?.p99 ?? Number.NaN, most: 50, unit: ' ms' },
    );
    if (what === 'reload') target(what, all, 'BIRD', 1);
  }
  const alone = medians(await rounds(3 * PREFIXES, c => reloadAlone(c, PREFIXES), seconds), result => result);
  show(`${short(PREFIXES)}: a new policy, no other peers`, alone);
  target('reload, no other peers', alone, 'BIRD', 1);
}

const PARTS: Record<string, () => Promise<void>> = {
  through: throughPart,
  feeders: feedersPart,
  'route-server': routeServerPart,
  failover: failoverPart,
  peers: peersPart,
};
for (const part of parts) if (!(part in PARTS)) throw new Error(`there is no part ${part}`);

if (contestants.includes(grevy)) await firstStart();
for (const part of parts) await PARTS[part]!();
summary('bgp', targets);
process.exit();
