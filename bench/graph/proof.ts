// The proof of the plan switch: numbered traffic at full rate through two branches for minutes, while one of them is rebuilt at random ten
// thousand times a second. Says what was lost, doubled, out of order or mixed, and whether memory stays flat.
//
//    npm run proof:graph [-- MINUTES [WORKERS [CHANGES A SECOND]]]       default 10 minutes, one worker, 10,000
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { WorkerPlane } from '../../src/netgraph/index.ts';
import { Rebuild } from '../../test/netgraph/lib/rebuild.ts';

const [minutes = 10, workers = 1, rate = 10_000] = process.argv.slice(2).map(Number);
/** What the process may have grown by to count as flat: some bytes a change in ten minutes, and more than what garbage is there at one
 *  moment and not at another. */
const FLAT = 32 * 2 ** 20;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

interface Memory {
  readonly rss: number;
  readonly heap: number;
  readonly graph: number;
  readonly limbo: number;
}

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const number = (value: number): string => Math.round(value).toLocaleString('en');

const seed = Number(process.env['SEED'] ?? Math.trunc(Math.random() * 2 ** 31));
const rebuild = await Rebuild.open({ workers, seed });
const { graph } = rebuild;
const plane = graph.plane as WorkerPlane;

async function memory(): Promise<Memory> {
  await graph.settled();
  collect();
  const { rss, heapUsed } = process.memoryUsage();
  return { rss, heap: heapUsed, graph: plane.memory.inUse, limbo: plane.limbo };
}

const show = ({ rss, heap, graph: used, limbo }: Memory): string =>
  `process ${mib(rss)}, heap of the control thread ${mib(heap)}, the graph's ${mib(used)}, limbo ${limbo}`;

/** Changes for so long, as many as are due by now; what is too many at once is made up for, but not for ever. */
async function change(ms: number): Promise<void> {
  const start = performance.now();
  let done = 0;
  for (let now = start; now < start + ms; now = performance.now()) {
    const due = ((now - start) / 1000) * rate;
    for (let i = 0; i < 50 && done < due; i++) if (rebuild.step()) done++;
    await new Promise(resolve => setImmediate(resolve));
  }
}

console.log(
  `${minutes} minutes, ${workers} worker${workers === 1 ? '' : 's'}, ${number(rate)} changes a second, seed ${seed}`,
);
await rebuild.run(Number.MAX_SAFE_INTEGER);
// Until code is compiled, every list has its length, and the collector has found how large its spaces are to be: that took most of a
// minute here, and 70 MiB, and then nothing more.
await change(60_000);
const before = await memory();
console.log(`at the start: ${show(before)}`);
const start = performance.now();
const first = { changes: rebuild.changes, refused: rebuild.refused, sent: rebuild.tally().sent };
let highest = 0;
for (let minute = 0; minute < minutes; minute++) {
  await change(Math.min(1, minutes - minute) * 60_000);
  const at = await memory();
  highest = Math.max(highest, at.rss);
  const { sent, a, b } = rebuild.tally();
  console.log(
    `minute ${minute + 1}: ${number(rebuild.changes)} changes, ${number(sent)} packets, ` +
      `a ${a.missing}/${a.disorder}/${a.mixed}, b ${b.missing}/${b.disorder}/${b.mixed} missing/disordered/mixed; ${show(at)}`,
  );
}
const seconds = (performance.now() - start) / 1000;
const changes = (rebuild.changes - first.changes) / seconds;
const packets = (rebuild.tally().sent - first.sent) / seconds;
await rebuild.run(0);
await graph.settled();
const grew = (await memory()).rss - before.rss;
// The counters are shown when a worker sleeps or has gone some rounds; it goes on polling.
await new Promise(resolve => setTimeout(resolve, 500));
const { sent, a, b, dropped } = rebuild.tally();
const whole = Math.abs(sent / 2 - a.received) <= workers / 2 && Math.abs(sent / 2 - b.received) <= workers / 2;
const results: [what: string, ok: boolean][] = [
  [`${number(changes)} changes a second (${number(rate)})`, changes >= rate * 0.99],
  [`${number(packets / 1000)} kpps, ${number(sent)} packets`, sent > 0],
  [`all of them arrived, ${number(dropped)} dropped`, whole && dropped === 0],
  [
    `untouched branch: ${a.missing} lost, ${a.disorder} doubled or out of order, ${a.mixed} mixed`,
    a.missing + a.disorder + a.mixed === 0,
  ],
  [
    `rebuilt branch: ${b.missing} lost, ${b.disorder} doubled or out of order, ${b.mixed} mixed`,
    b.missing + b.disorder + b.mixed === 0,
  ],
  [`memory ${grew < 0 ? '' : '+'}${mib(grew)} (at most ${mib(highest)})`, grew <= FLAT],
  [
    `${rebuild.trouble.length} reports of trouble${rebuild.trouble.map(text => `: ${text}`).join('')}`,
    rebuild.trouble.length === 0,
  ],
];
await graph.close();
results.push([`${plane.memory.inUse} bytes of the graph's memory left over`, plane.memory.inUse === 0]);
for (const [what, ok] of results) console.log(`${ok ? 'met   ' : 'MISSED'} ${what}`);
const missed = results.filter(([, ok]) => !ok).length;
console.log(
  missed === 0
    ? `proof:graph: all ${results.length} targets met`
    : `proof:graph: ${missed} of ${results.length} targets MISSED`,
);
process.exitCode = missed === 0 ? 0 : 1;
