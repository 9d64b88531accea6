// Routes added by `ip -batch`: how long that takes while nobody listens, while we do, and until the last callback. Each round begins
// with an empty table: a link that goes down takes its routes with it.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IfProxy } from '../../src/ifproxy/index.ts';
import { formatIp4 } from '../../src/net/index.ts';

const count = Number(process.argv[2]);
const rounds = Number(process.argv[3]);
/** SO_RCVBUF is twice what is asked for: net.core.rmem_default's 212,992 bytes. */
const RECEIVE_BUFFER = 106_496;

const directory = mkdtempSync(join(tmpdir(), 'grevy-bench-'));
const file = join(directory, 'batch');
const lines = Array.from({ length: count }, (_, i) => `route add ${formatIp4(0x14000000 + (i << 8))}/24 via 10.0.0.2`);
writeFileSync(file, `${lines.join('\n')}\n`);

const ip = (...argv: string[]): void => void execFileSync('ip', argv);
function fresh(): void {
  ip('link', 'set', 'tap1', 'down');
  ip('link', 'set', 'tap1', 'up');
  ip('addr', 'replace', '10.0.0.1/24', 'dev', 'tap1');
}

function batch(): Promise<number> {
  const began = performance.now();
  const child = spawn('ip', ['-batch', file], { stdio: ['ignore', 'ignore', 'inherit'] });
  return new Promise(resolve => child.once('exit', () => resolve(performance.now() - began)));
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 5));
};

const results = [];
for (let round = 0; round < rounds; round++) {
  const library = new IfProxy({ receiveBuffer: RECEIVE_BUFFER });
  const proxy = library.create('tap1', { up: true });
  library.bind({ name: 'port' }, proxy);
  fresh();
  const alone = await batch();
  fresh();
  let routes = 0;
  let lastMs = 0;
  let finished = false;
  const about = (event: { metric: number; type: number; length: number }): boolean => event.length === 24;
  library.register({
    routeAdded: event => {
      if (!about(event) || event.w0 < 0x14000000) return;
      routes++;
      lastMs = performance.now();
    },
    routeDeleted: event => {
      if (about(event) && event.w0 >= 0x14000000) routes--;
    },
    configurationFinished: () => {
      finished = true;
    },
  });
  library.listen();
  await until(() => finished);
  const began = performance.now();
  const took = await batch();
  await until(() => routes === count);
  results.push({ alone, batch: took, delivered: lastMs - began, overruns: library.stats.overruns });
  library.close();
}
rmSync(directory, { recursive: true });
console.log(JSON.stringify(results));
