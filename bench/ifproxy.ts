// How fast a port hears: `npm run bench:ifproxy [ROUTES]`, as root. Each part runs in a process of its own, in a network namespace that
// goes with it, beside what the kernel and `ip` alone take for the same.
import { execFileSync } from 'node:child_process';
import { percentile } from './lib/percentile.ts';
import { summary, table } from './lib/report.ts';

const routes = Number(process.argv[2] ?? 1_000_000);
const BURST = 100_000;
const ROUNDS = 3;

function part<T>(name: string, ...argv: (string | number)[]): T {
  const file = new URL(`ifproxy/${name}.ts`, import.meta.url).pathname;
  const line = execFileSync('unshare', ['--net', process.execPath, file, ...argv.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(line.toString().trim().split('\n').at(-1)!) as T;
}

/** The middle one. */
const median = (values: readonly number[]): number => percentile(values, 0.5);

interface BurstRound {
  alone: number;
  batch: number;
  delivered: number;
  overruns: number;
}

const bursts = part<BurstRound[]>('burst', BURST, ROUNDS);
table(
  [`${BURST} routes by ip -batch, ms`, ...bursts.map((_, i) => `round ${i + 1}`)],
  [
    ['ip -batch, nobody listens', ...bursts.map(round => round.alone)],
    ['ip -batch, we listen (208 KiB)', ...bursts.map(round => round.batch)],
    ['the last one delivered', ...bursts.map(round => round.delivered)],
    ['overruns mended', ...bursts.map(round => String(round.overruns))],
  ],
);
console.log();

interface PictureRound {
  install: number;
  dump: number;
  picture: number;
  mebibytes: number;
}

const pictures = Array.from({ length: ROUNDS }, () => part<PictureRound>('picture', routes));
table(
  [`first picture of ${routes} routes, ms`, ...pictures.map((_, i) => `process ${i + 1}`)],
  [
    ['the kernel’s dump, read and thrown away', ...pictures.map(round => round.dump)],
    ['listen to configurationFinished', ...pictures.map(round => round.picture)],
    ['memory that took, MiB', ...pictures.map(round => round.mebibytes)],
  ],
);
console.log();

const changes = part<number[]>('change', 3000);
table(
  ['a change to its callback, µs', 'median', 'p99', 'longest'],
  [['from before the send in another thread', median(changes), percentile(changes, 0.99), Math.max(...changes)]],
);
console.log();

summary('ifproxy', [
  {
    name: `delivered / ip -batch`,
    value: median(bursts.map(round => round.delivered)) / median(bursts.map(round => round.alone)),
    most: 1.5,
    unit: ' x',
  },
  { name: `first picture of ${routes}`, value: median(pictures.map(round => round.picture)), most: 1000, unit: ' ms' },
  { name: 'change to callback', value: median(changes), most: 200, unit: ' µs' },
]);
