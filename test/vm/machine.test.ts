// A virtual machine that goes wrong is a failure that says how, in time, and leaves nothing behind.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCommand } from '../lib/netns.ts';
import { bootVm } from '../lib/vm.ts';

/** Children of ours. */
const machines = async (): Promise<string> =>
  runCommand('pgrep', ['-P', String(process.pid), 'qemu-system']).catch(() => '');

test('a kernel that panics', async () => {
  await assert.rejects(
    bootVm('echo before; echo c >/proc/sysrq-trigger; sleep infinity'),
    /^Error: the virtual machine ended before its script did; the end of its console:\n(.*\n)*before\n(.*\n)*.*Kernel panic/,
  );
  assert.equal(await machines(), '');
});

test('a machine that does not come up within the limit', async () => {
  await assert.rejects(
    bootVm('true', { timeoutMs: 300 }),
    /^Error: .* did not end within 300 ms, and never came up; the end/,
  );
  assert.equal(await machines(), '');
});
