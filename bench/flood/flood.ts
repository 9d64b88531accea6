// Somebody changes as many routes as are being installed, while they are: zebra, with the real dataplane, announces a table, and
// `ip -batch` in a process of its own adds, replaces and deletes routes, half of them beside or in place of zebra's, and takes
// nexthop objects away under them. When both are done, what zebra believes of every route is what the kernel has, as ip(8)
// prints it. Prints one line of JSON. Run in a network namespace of its own (index.ts and the tests do).
//
//   node flood.ts ROUTES CHANGES SEED RECEIVE_BUFFER
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { TaskLoop, Thread } from '../../src/concurrency/index.ts';
import {
  closeDataplaneChannel,
  createDataplaneChannel,
  DataplaneClient,
  dataplaneThread,
  seeded,
} from '../../src/dataplane/index.ts';
import { AF_INET, formatIp4, parsePrefix } from '../../src/net/index.ts';
import { gatewayNexthop, ROUTE_BGP, ROUTE_KERNEL } from '../../src/zebra/index.ts';
import { DataplanePlane } from '../../src/zebra/dataplane.ts';
import { runZebra } from '../../src/zebra/run.ts';

export interface FloodResult {
  readonly routes: number;
  readonly changes: number;
  /** Seconds from the beginning until all was announced, was installed, was changed, and both pictures were equal. */
  readonly announcedS: number;
  readonly installedS: number;
  readonly batchS: number;
  readonly equalS: number;
  readonly comparisons: number;
  readonly overruns: number;
  readonly dumps: number;
  readonly interruptions: number;
  /** Routes of zebra's that were found changed, and gone. */
  readonly repaired: number;
  readonly lost: number;
  /** Routes that the kernel has, and that zebra believes it has. */
  readonly kernel: number;
  readonly believed: number;
  /** Of those announced, how many zebra still has. */
  readonly announced: number;
  readonly unsettled: number;
  /** Lines of ip(8) that zebra knows otherwise; ten at most. */
  readonly strange: readonly string[];
  readonly equal: boolean;
  readonly peakMb: number;
}

const [routes, changes, seed, receiveBuffer] = process.argv.slice(2).map(Number) as [number, number, number, number];

const BASE = 0x10000000;
const GATEWAYS = 16;
const BGP = '186';
const OUR_METRIC = 20;
/** The first of the objects that zebra makes. */
const FIRST_OBJECT = 100_000_001;
/** The last change of all. */
const END = '223.0.0.0/24';
const MARKS = 5;
const LIMIT_MS = 300_000;

const ip = (...argv: string[]): void => void execFileSync('ip', argv);
const prefix = (i: number): string => `${formatIp4((BASE + i * 256) >>> 0)}/24`;

// The changes ---------------------------------------------------------------------------------------------------------

/** Lines for `ip -force -batch`: many fail, because what they name is not there, or there already. */
function* flood(): Generator<string> {
  const random = seeded(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const one = <T>(...values: readonly T[]): T => values[below(values.length)]!;
  // Half of them are zebra's, the other half nobody else's.
  const any = (): string => prefix(below(2 * routes));
  const via = (): string => `via 10.0.0.${2 + below(GATEWAYS)}`;
  const metric = (): string => one('', ' metric 20', ' metric 50');
  const kinds = [
    () => `route add ${any()} ${via()}${metric()}`,
    () => `route replace ${any()} ${via()}${metric()}`,
    () => `route replace blackhole ${any()}${metric()}`,
    () => `route del ${any()}${metric()}`,
    () => `route del ${any()}`,
    () => `route del ${prefix(below(routes))} proto ${BGP}`,
    () => `route replace blackhole ${prefix(below(routes))} proto ${BGP} metric ${OUR_METRIC}`,
  ] as const;
  const objects = Math.max(1, Math.floor(changes / MARKS));
  for (let i = 0; i < changes; i++) {
    if (i % objects === objects - 1) yield `nexthop del id ${FIRST_OBJECT + below(GATEWAYS)}`;
    else yield one(...kinds)();
  }
}

// The network, the batch, and zebra -------------------------------------------------------------------------------------

ip('link', 'set', 'lo', 'up');
ip('link', 'add', 'd0', 'type', 'veth', 'peer', 'name', 'e0');
ip('link', 'set', 'e0', 'up');
ip('link', 'set', 'd0', 'up');
ip('addr', 'add', '10.0.0.1/24', 'dev', 'd0');

const directory = mkdtempSync(join(tmpdir(), 'grevy-flood-'));
const batch = join(directory, 'batch');
{
  const lines: string[] = [];
  for (const line of flood()) lines.push(line);
  writeFileSync(batch, `${lines.join('\n')}\n`);
}

const channel = createDataplaneChannel();
const thread = await Thread.start({
  name: 'dplane',
  entry: dataplaneThread,
  data: { channel, receiveBuffer },
  ownLoop: true,
  onMessage: text => console.error(text),
  onCrash: error => {
    console.error(error);
    process.exit(1);
  },
});
const loop = new TaskLoop('zebra');
const client = new DataplaneClient(channel);
const { zebra, close } = runZebra(loop, new DataplanePlane(client));
const table = zebra.rib.table(0, AF_INET);
const busy = (): boolean => client.stats().notifications.inUse > 0 || client.stats().requests.inUse > 0;
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

async function reached(done: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!done()) {
    if (performance.now() > deadline) throw new Error(`gave up on ${what}`);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

interface ListenerCounts {
  readonly overruns: number;
  readonly dumps: number;
  readonly interruptions: number;
}

async function listener(): Promise<ListenerCounts> {
  const reply = (await thread.request({
    vty: 'exec',
    id: 1,
    command: 0,
    args: { detailed: true, json: true },
    session: { terminalLength: 0 },
  })) as { text: string };
  return (JSON.parse(reply.text) as { listener: ListenerCounts }).listener;
}

// Two pictures of one table -----------------------------------------------------------------------------------------------

/** What zebra takes to be the kernel's route of each kind, counted. */
function believed(): number {
  let count = 0;
  for (let id = 0; id < table.prefixes.limit; id++) {
    if (!table.prefixes.has(id)) continue;
    if (table.kernel[id] !== 0) count++;
    for (let row = table.first[id]!; row >= 0; row = table.next[row]!) if (table.type[row] === ROUTE_KERNEL) count++;
  }
  return count;
}

/** Destinations whose kernel route is not the one that won. */
function unsettled(): number {
  let count = 0;
  for (let id = 0; id < table.prefixes.limit; id++) {
    if (!table.prefixes.has(id)) continue;
    const row = table.selected[id]!;
    const wanted = row >= 0 && table.type[row] === ROUTE_BGP;
    if (wanted !== (table.kernel[id] !== 0)) count++;
  }
  return count;
}

/** Of what zebra announced, how much it still wants in the kernel. */
function announced(): number {
  let count = 0;
  for (let i = 0; i < routes; i++) {
    const id = table.prefixes.find((BASE + i * 256) >>> 0, 0, 0, 0, 24);
    let row = id < 0 ? -1 : table.first[id]!;
    while (row >= 0 && table.type[row] !== ROUTE_BGP) row = table.next[row]!;
    if (row >= 0) count++;
  }
  return count;
}

/** Whether zebra believes of this line of `ip -N route` what it says. */
function agrees(line: string): boolean {
  const words = line.trim().split(/\s+/);
  const blackhole = words[0] === '6'; // RTN_BLACKHOLE
  const after = (word: string): string | undefined => {
    const at = words.indexOf(word);
    return at < 0 ? undefined : words[at + 1];
  };
  const { words: address, length } = parsePrefix(blackhole ? words[1]! : words[0]!)!;
  const id = table.prefixes.find(address[0], 0, 0, 0, length);
  if (id < 0) return false;
  const metric = Number(after('metric') ?? 0);
  if (after('proto') === BGP) {
    const row = table.selected[id]!;
    const [member] = row < 0 ? [] : zebra.sets.get(table.set[row]!).members;
    return (
      metric === OUR_METRIC &&
      String(table.kernel[id]) === after('nhid') &&
      member !== undefined &&
      after('via') === formatIp4(member.gateway[0])
    );
  }
  for (let row = table.first[id]!; row >= 0; row = table.next[row]!) {
    if (table.type[row] !== ROUTE_KERNEL || table.metric[row] !== metric) continue;
    const [member] = zebra.sets.get(table.set[row]!).members;
    if (blackhole ? member!.blackhole !== 0 : after('via') === formatIp4(member!.gateway[0])) return true;
  }
  return false;
}

async function compare(): Promise<{ kernel: number; believed: number; strange: string[] }> {
  const child = spawn('ip', ['-N', '-o', '-4', 'route', 'show', 'table', '254'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const strange: string[] = [];
  let kernel = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (/ proto 2 /.test(line)) continue; // connected
    kernel++;
    if (!agrees(line) && strange.length < 10) strange.push(line);
  }
  return { kernel, believed: believed(), strange };
}

// The run -----------------------------------------------------------------------------------------------------------------

zebra.start();
await reached(() => zebra.ready, 'the first dump');
const sets = Array.from({ length: GATEWAYS }, (_, i) => {
  const set = zebra.nexthops.intern(0, AF_INET, [gatewayNexthop(AF_INET, [0x0a000002 + i, 0, 0, 0])], true);
  zebra.nexthops.hold(set);
  return set;
});

const startMs = performance.now();
const since = (): number => (performance.now() - startMs) / 1000;
let batchS = 0;
const child = spawn('sh', ['-c', `ip -force -batch ${batch} >/dev/null 2>&1; ip route add blackhole ${END}`], {
  stdio: 'inherit',
});
child.once('exit', () => (batchS = since()));
for (let i = 0; i < routes; i++) {
  const set = sets[i % GATEWAYS]!;
  zebra.rib.add(0, AF_INET, (BASE + i * 256) >>> 0, 0, 0, 0, 24, ROUTE_BGP, 0, 0, 20, 0, 0, set, 1);
  if ((i & 1023) === 1023) await turn();
  while (zebra.congested) await turn();
}
const announcedS = since();
await reached(() => zebra.rib.dirty === 0 && zebra.rib.settling.inFlight === 0, 'the first time that nothing waits');
const installedS = since();
await reached(() => batchS > 0, 'the batch');

const end = parsePrefix(END)!;
let comparisons = 0;
let result = { kernel: 0, believed: 0, strange: ['nothing compared'] };
let differences = 0;
for (const deadline = performance.now() + LIMIT_MS; performance.now() < deadline; ) {
  await reached(
    () => zebra.idle && table.prefixes.find(end.words[0], 0, 0, 0, end.length) >= 0 && !busy(),
    'zebra to come to rest',
  );
  comparisons++;
  result = await compare();
  differences = unsettled();
  if (result.strange.length === 0 && result.kernel === result.believed && differences === 0) break;
}
const equalS = since();
const counts = await listener();
const equal = result.strange.length === 0 && result.kernel === result.believed && differences === 0;

close();
loop.close();
await thread.stop(5000, 'restart');
closeDataplaneChannel(channel);
rmSync(directory, { recursive: true });
const said: FloodResult = {
  routes,
  changes,
  announcedS,
  installedS,
  batchS,
  equalS,
  comparisons,
  overruns: counts.overruns,
  dumps: counts.dumps,
  interruptions: counts.interruptions,
  repaired: zebra.rib.stats.repaired,
  lost: zebra.rib.stats.lostRoutes,
  kernel: result.kernel,
  believed: result.believed,
  announced: announced(),
  unsettled: differences,
  strange: result.strange,
  equal,
  peakMb: process.resourceUsage().maxRSS / 1024,
};
console.log(JSON.stringify(said));
process.exit(equal ? 0 : 1);
