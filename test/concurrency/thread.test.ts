import assert from 'node:assert/strict';
import { existsSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { Thread, type ThreadOptions } from '../../src/concurrency/index.ts';
import { until } from '../lib/wait.ts';

interface Started {
  thread: Thread;
  messages: unknown[];
  crashes: Error[];
}

async function start(mode: string, options: Partial<ThreadOptions> = {}): Promise<Started> {
  const messages: unknown[] = [];
  const crashes: Error[] = [];
  const thread = await Thread.start({
    name: `test-${mode}`,
    entry: new URL('./thread-worker.ts', import.meta.url),
    data: { mode },
    ownLoop: mode !== 'node',
    onMessage: body => messages.push(body),
    onCrash: error => crashes.push(error),
    ...options,
  });
  return { thread, messages, crashes };
}

for (const mode of ['node', 'poll', 'wait']) {
  test(`a thread with a ${mode} loop answers, echoes and stops in order`, async () => {
    const { thread, messages, crashes } = await start(mode);
    assert.deepEqual(await thread.request('hello'), { name: `test-${mode}`, body: 'hello' });
    await assert.rejects(thread.request('throw'), { name: 'RangeError', message: 'no such thing' });
    thread.post('one');
    thread.post('two');
    await until(() => messages.length === 2, { timeoutMs: 2000, what: 'two echoes' });
    assert.deepEqual(messages, [{ echo: 'one' }, { echo: 'two' }]);
    assert.equal(await thread.stop(), true);
    assert.equal(thread.running, false);
    await until(() => messages.length === 3, { timeoutMs: 2000, what: 'the farewell' });
    assert.equal(messages[2], 'stopping: end');
    assert.deepEqual(crashes, []);
    await assert.rejects(thread.request('late'), /has ended/);
  });

  test(`a thread with a ${mode} loop that crashes is reported once, and its questions are answered with the reason`, async () => {
    const { thread, crashes } = await start(mode);
    const asked = mode === 'node' ? thread.request('never') : undefined;
    thread.post('crash');
    if (asked) await assert.rejects(asked, /crashed on purpose/);
    await thread.ended;
    assert.deepEqual(
      crashes.map(error => error.message),
      ['crashed on purpose'],
    );
  });
}

for (const mode of ['node', 'poll']) {
  test(`what a thread with a ${mode} loop watched is closed when it crashes`, async () => {
    const { thread, messages } = await start(mode);
    thread.post('fd');
    await until(() => messages.length === 1, { timeoutMs: 2000, what: 'the descriptor' });
    const path = `/proc/self/fd/${String(messages[0])}`;
    assert.match(readlinkSync(path), /eventfd/);
    const before = readlinkSync(path);
    thread.post('crash');
    await thread.ended;
    assert.ok(!existsSync(path) || readlinkSync(path) !== before);
  });
}

test('a promise answers a request when it settles', async () => {
  const { thread } = await start('node');
  assert.equal(await thread.request('later'), 'later');
  await thread.stop();
});

test('a start that fails or comes too late is an error that says so', async () => {
  await assert.rejects(start('fail'), /cannot start/);
  await assert.rejects(start('late', { readyTimeoutMs: 300 }), /test-late was not ready within 300 ms/);
});

test('a thread with a loop of its own that hangs is terminated after its grace', async () => {
  const { thread, crashes } = await start('poll');
  thread.post('spin');
  assert.equal(await thread.stop(100), true);
  assert.deepEqual(crashes, []);
});
