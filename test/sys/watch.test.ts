// The parent here is a process of its own: what must not happen would end it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

const PARENT = `
import { Worker } from 'node:worker_threads';
import { libc } from '${new URL('../../src/sys/index.ts', import.meta.url).href}';
const how = process.argv[1];
const fd = libc.eventfd(1, 0);
const worker = new Worker(new URL('${new URL('watch-worker.ts', import.meta.url).href}'), { execArgv: [], workerData: { fd, how } });
worker.on('error', error => console.log(error.message));
worker.on('exit', code => console.log('ended with', code));
`;

for (const [how, expected] of [
  ['exit', 'ended with 0\n'],
  ['throw', 'thrown with a watch open\nended with 1\n'],
] as const) {
  test(`a worker that ends by ${how} while what it watches is readable leaves the process alone`, async () => {
    const argv = ['--input-type=module', '-e', PARENT, how];
    const { stdout } = await promisify(execFile)(process.execPath, argv, { timeout: 20_000 });
    assert.equal(stdout, expected);
  });
}
