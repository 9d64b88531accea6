// A virtual machine that goes wrong is a failure that says how, in time, and leaves nothing behind.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCommand } from '../lib/netns.ts';
import { bootVm } from '../lib/vm.ts';
import { until } from '../lib/wait.ts';

/** The process of a machine that is a child of ours; pgrep fails where there is none. */
const machine = (): Promise<string> =>
  runCommand('pgrep', ['-P', String(process.pid), 'qemu-system']).then(
    text => text.trim(),
    () => '',
  );

test('a machine that does not come up within the limit', async () => {
  await assert.rejects(
    bootVm('true', { timeoutMs: 300 }),
    /: the virtual machine did not end within 300 ms, and never came/,
  );
  assert.equal(await machine(), '');
});

test('a machine that ends before its script, as after a panic', async () => {
  const rejected = assert.rejects(
    bootVm('sleep infinity'),
    /: the virtual machine ended before its script did.*console:/s,
  );
  // Others may have theirs first.
  const pid = await until(machine, { timeoutMs: 200_000, what: 'a machine of ours' });
  process.kill(Number(pid));
  await rejected;
  assert.equal(await machine(), '');
});
