// A million route changes by somebody else while a million routes are being installed: `npm run proof:flood [ROUTES [CHANGES]]`, as
// root, in a network namespace that goes with it. It ends well when zebra believes of every route what the kernel has.
import { spawnSync } from 'node:child_process';
import { summary, table } from '../lib/report.ts';
import type { FloodResult } from './flood.ts';

const [routes = '1000000', changes = routes, seed = '1'] = process.argv.slice(2);
/** As much as the daemon asks for unless told. */
const RECEIVE_BUFFER = 64 << 20;
const script = new URL('flood.ts', import.meta.url).pathname;
const { stdout } = spawnSync(
  'unshare',
  ['--net', process.execPath, script, routes, changes, seed, String(RECEIVE_BUFFER)],
  { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
);
const result = JSON.parse(stdout.trim().split('\n').at(-1)!) as FloodResult;
table(
  ['', 'seconds'],
  [
    [`${routes} routes announced to zebra`, result.announcedS.toFixed(1)],
    ['installed for the first time', result.installedS.toFixed(1)],
    [`${changes} changes by ip -batch`, result.batchS.toFixed(1)],
    ['both pictures equal', result.equalS.toFixed(1)],
  ],
);
console.log(
  `${result.overruns} overruns, ${result.dumps} dumps, ${result.interruptions} of them begun again, ${result.repaired} routes found ` +
    `changed and ${result.lost} found gone; compared ${result.comparisons} times; peak ${result.peakMb.toFixed(0)} MB`,
);
for (const line of result.strange) console.log(`only in the kernel: ${line}`);
summary('flood', [
  { name: 'routes only one of them has', value: Math.abs(result.kernel - result.believed), most: 0 },
  { name: 'lines of ip that zebra knows otherwise', value: result.strange.length, most: 0 },
  { name: 'destinations not as decided', value: result.unsettled, most: 0 },
  { name: 'announced routes forgotten', value: Number(routes) - result.announced, most: 0 },
]);
