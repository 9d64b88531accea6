// The example and its demo, as a user runs them.
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { runCommand } from '../lib/netns.ts';

const DEMO = resolve(import.meta.dirname, '../../examples/ifproxy/demo.ts');

test('npm run demo:ifproxy: pings go through the router whatever the administrator changes', {
  timeout: 180_000,
}, async () => {
  const said = await runCommand(process.execPath, ['--conditions=source', DEMO]);
  assert.match(said, /every change by `ip` was heard/);
  assert.doesNotMatch(said, /✘/);
});
