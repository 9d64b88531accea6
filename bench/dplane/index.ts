// The dataplane's own speed: `npm run bench:dplane [ROUTES]`, as root. Each part runs in a process of its own; those that meet the
// kernel in a network namespace that goes with them.
import { execFileSync } from 'node:child_process';
import { percentile } from '../lib/percentile.ts';
import { summary, table } from '../lib/report.ts';

const routes = process.argv[2] ?? '1000000';
const part = (name: string): string => new URL(`${name}.ts`, import.meta.url).pathname;

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)!;
}

const pipelineText = execFileSync(process.execPath, ['--trace-gc', part('pipeline')]).toString();
const { perSecond } = JSON.parse(pipelineText.split('\n').find(line => line.startsWith('{'))!) as { perSecond: number };
const collections = pipelineText.split('MARK\n')[1]!.match(/Scavenge|Mark-Compact/g)?.length ?? 0;

const kernelText = execFileSync('unshare', ['--net', process.execPath, part('kernel'), routes], {
  stdio: ['ignore', 'pipe', 'inherit'],
}).toString();
const { rates, downs, moves } = JSON.parse(lastLine(kernelText)) as {
  rates: Record<'gateway' | 'object', { floor: number[]; dataplane: number[] }>;
  downs: number[];
  moves: { movedMs: number; answeredMs: number }[];
};
const withdrawText = execFileSync('unshare', ['--net', process.execPath, part('withdraw'), routes], {
  stdio: ['ignore', 'pipe', 'inherit'],
}).toString();
const withdrawn = JSON.parse(lastLine(withdrawText)) as { announced: number; longest: number; zebra: number };
const count = Number(routes);
const rows = Object.entries(rates).flatMap(([shape, of]) =>
  Object.entries(of).map(([who, seconds]) => [
    `${shape}: ${who}`,
    ...seconds.map(s => s.toFixed(2)),
    `${Math.round(count / Math.min(...seconds) / 1000)} k/s`,
  ]),
);
table(['routes to the kernel', 'seconds', 'again', 'best'], rows);
const ratio = (shape: 'gateway' | 'object'): number =>
  Math.min(...rates[shape].floor) / Math.min(...rates[shape].dataplane);
console.log(
  `link down, kernel's word → client, while ${count} routes go in: ${downs.length} falls, median ${percentile(downs, 0.5).toFixed(1)} ms, ` +
    `p99 ${percentile(downs, 0.99).toFixed(1)} ms, longest ${Math.max(...downs).toFixed(1)} ms`,
);
const list = (values: readonly number[]): string => values.map(ms => ms.toFixed(1)).join(' ');
const moved = moves.map(move => move.movedMs);
console.log(
  `failover of ${count} routes: first packet by the new path after ${list(moved)} ms, ` +
    `the kernel's answer after ${list(moves.map(move => move.answeredMs))} ms`,
);
console.log(
  `${count} routes withdrawn, their nexthop object stays: zebra ${withdrawn.zebra.toFixed(2)} s; deletions encoded beforehand, as announced ` +
    `${withdrawn.announced.toFixed(2)} s, longest first ${withdrawn.longest.toFixed(2)} s`,
);
console.log(`collections in 5,000,000 contexts after the warm-up: ${collections}`);
summary('dplane', [
  { name: 'three providers', value: perSecond / 1e6, least: 3, unit: ' M contexts/s' },
  { name: 'collections', value: collections, most: 0 },
  { name: 'gateway routes', value: ratio('gateway'), least: 0.9, unit: ' × floor' },
  { name: 'nexthop-object routes', value: ratio('object'), least: 0.9, unit: ' × floor' },
  { name: 'link down p99', value: percentile(downs, 0.99), most: 10, unit: ' ms' },
  { name: 'withdrawal', value: withdrawn.zebra / withdrawn.announced, most: 0.5, unit: ' × as announced' },
  { name: 'failover', value: Math.max(...moved), most: 50, unit: ' ms' },
]);
