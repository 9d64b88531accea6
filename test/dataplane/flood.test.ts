// The flood of bench/flood, as large as a test may be, and with so small a receive buffer that it overruns. `npm run proof:flood` is
// the same with a million of each.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { FloodResult } from '../../bench/flood/flood.ts';

const ROUTES = 50_000;
const RECEIVE_BUFFER = 64 << 10;

test('somebody changes as many routes as are being installed: zebra and the kernel agree on every one in the end', async t => {
  const seed = Number(process.env['GREVY_SEED'] ?? Math.trunc(Math.random() * 2 ** 31));
  t.diagnostic(`GREVY_SEED=${seed}`);
  const script = new URL('../../bench/flood/flood.ts', import.meta.url).pathname;
  const argv = [script, ROUTES, ROUTES, seed, RECEIVE_BUFFER].map(String);
  const { stdout } = await promisify(execFile)('unshare', ['--net', process.execPath, ...argv], { timeout: 120_000 });
  const result = JSON.parse(stdout) as FloodResult;
  assert.ok(result.overruns > 0, 'the receive buffer was overrun');
  assert.ok(result.lost > 0, 'routes of ours were taken away');
  assert.deepEqual(
    { strange: result.strange, kernel: result.kernel, unsettled: result.unsettled, announced: result.announced },
    { strange: [], kernel: result.believed, unsettled: 0, announced: ROUTES },
  );
  t.diagnostic(`${result.equalS.toFixed(1)} s, ${result.overruns} overruns, ${result.dumps} dumps`);
});
