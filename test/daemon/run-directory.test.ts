import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { RunDirectoryInUse, takeRunDirectory } from '../../src/daemon/run-directory.ts';
import { temporaryDirectory } from '../lib/temporary.ts';

test("a run directory is one daemon's, until it is released or its holder is killed", async t => {
  const home = temporaryDirectory();
  t.after(() => rmSync(home, { recursive: true }));
  const path = join(home, 'deep', 'run');
  const taken = takeRunDirectory(path);
  assert.equal(readFileSync(join(path, 'grevy.pid'), 'utf8'), `${process.pid}\n`);
  assert.throws(() => takeRunDirectory(path), RunDirectoryInUse);
  taken.release();
  assert.ok(!existsSync(join(path, 'grevy.pid')));

  const module = new URL('../../src/daemon/run-directory.ts', import.meta.url).href;
  const child = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    `import { takeRunDirectory } from '${module}'; takeRunDirectory('${path}'); console.log('taken'); process.stdin.resume();`,
  ]);
  await once(child.stdout, 'data');
  assert.throws(() => takeRunDirectory(path), {
    message: `${path} is in use by another daemon (process ${child.pid}); use another --run-dir`,
  });
  child.kill('SIGKILL');
  await once(child, 'exit');
  takeRunDirectory(path).release();
});

test('where a file system takes no directories, it is said at once', () => {
  assert.throws(() => takeRunDirectory('/proc/grevy/run'), { code: 'ENOENT' });
  assert.throws(() => takeRunDirectory('/dev/null/run'), { code: 'ENOTDIR' });
});
