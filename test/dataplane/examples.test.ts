// The examples of the library, as its users have them: a copy that finds the package by its name.
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { Lab } from '../lib/netns.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const lab = new Lab();
after(() => lab.close());

test('a provider vetoes what it does not want, and the kernel has the rest', async () => {
  const directory = await lab.directory();
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(ROOT, join(directory, 'node_modules/grevy'));
  copyFileSync(join(ROOT, 'examples/provider.ts'), join(directory, 'provider.ts'));
  const ns = await lab.namespace('example');
  const said = await ns.run(process.execPath, '--conditions=source', join(directory, 'provider.ts'));
  assert.deepEqual(said.trimEnd().split('\n').toSorted(), [
    '/16: installed',
    '/24: installed',
    '/32: refused by "no specifics", errno 1',
    'Kernel: 2 came in, 0 failed',
    'no specifics: 3 came in, 1 failed',
  ]);
  const routes = await ns.ipJson<{ dst: string }[]>('route', 'show', 'type', 'blackhole');
  assert.deepEqual(routes.map(({ dst }) => dst).toSorted(), ['198.51.0.0/16', '198.51.0.0/24']);
});
