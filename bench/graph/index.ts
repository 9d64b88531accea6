// The graph's speed, in one run: forwarding in memory, what its parts cost, beside netgraph's gate and beside dpdk-test, and what traffic
// notices of a graph that is rebuilt all the time. Prints tables, then one line of targets met or missed.
//
//    npm run bench:graph            dpdk-test is in Debian's package dpdk-dev
import { summary, table, type Target } from '../lib/report.ts';
import { compare, type Cost, idleCost, reclamationCost } from './forward.ts';
import { measureGrace } from './grace.ts';
import { measureRebuild } from './rebuild.ts';
import { measureDpdk, measureShape, SHAPES } from './shapes.ts';
import { measureWire, reportWire } from './wire.ts';

const targets: Target[] = [];

// First, because it may not be installed.
const dpdk = await measureDpdk();

const [plain, gate] = await compare(1, 'plain', 'gate');
const [plain2, gate2] = await compare(2, 'plain', 'gate');
const reclamation = await reclamationCost();
const idle = await idleCost();
const percent = (cost: Cost): number => (cost.with / cost.without - 1) * 100;
table(
  ['four-node IPv4 forwarding in memory', 'million packets/s', 'beside it', 'x'],
  [
    ['one worker; with a reader/writer gate a node', plain, gate, plain / gate],
    ['two workers; with a reader/writer gate a node', plain2, gate2, plain2 / gate2],
  ],
);
table(
  ['of the processor, ns a packet', 'with', 'without', 'cost, %'],
  [
    ['reclamation', reclamation.with, reclamation.without, percent(reclamation)],
    ['twenty idle nodes', idle.with, idle.without, percent(idle)],
  ],
);
targets.push(
  { name: 'forwarding', value: plain, least: 40, unit: ' Mpps' },
  { name: 'reclamation', value: percent(reclamation), most: 2, unit: ' %' },
  { name: 'idle types', value: percent(idle), most: 3, unit: ' %' },
);

const shapes: (string | number)[][] = [];
for (const shape of SHAPES) {
  const ours = await measureShape(shape, 6, 300);
  const theirs = dpdk.get(shape.dpdk) ?? Number.NaN;
  shapes.push([shape.name, ours, theirs, ours / theirs]);
}
table(['million objects/s to the sinks', 'Grevy', 'dpdk-test', 'x'], shapes);
targets.push({
  name: 'dpdk-test, least',
  value: Math.min(...shapes.map(row => row[3] as number)),
  least: 0.5,
  unit: ' x',
});

const rebuilds: (string | number)[][] = [];
for (const mpps of [0, 20, 3]) {
  const { calm, rebuilt, cost } = await measureRebuild(mpps);
  const what = mpps === 0 ? 'as many as go' : `${mpps} million/s offered`;
  rebuilds.push([what, calm.rate, rebuilt.rate, rebuilt.rebuilds, calm.p50, rebuilt.p50, calm.p999, rebuilt.p999]);
  targets.push(
    { name: `rebuilding, ${what}: throughput`, value: cost, most: 2, unit: ' %' },
    { name: 'p99.9', value: rebuilt.p999 / calm.p999, most: 2, unit: ' x' },
  );
}
table(
  ['rebuilding', 'Mpps calm', 'Mpps rebuilt', 'rebuilds/s', 'p50 µs calm', 'rebuilt', 'p99.9 µs calm', 'rebuilt'],
  rebuilds,
);

const graces: (string | number)[][] = [];
for (const vector of [32, 64, 256]) {
  const grace = await measureGrace(vector);
  graces.push([`vectors of ${vector}`, grace.p50, grace.p99, grace.allP50, grace.allP99]);
  if (vector !== 64) continue;
  targets.push(
    { name: 'grace period p50', value: grace.p50, most: 2, unit: ' µs' },
    { name: 'p99', value: grace.p99, most: 10, unit: ' µs' },
  );
}
table(['grace period, µs, worker busy', 'p50', 'p99', 'p50 of all runs', 'p99 of all runs'], graces);

targets.push(...reportWire(await measureWire()));

summary('bench:graph', targets);
