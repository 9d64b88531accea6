import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { TaskLoop } from '../../src/concurrency/index.ts';
import { Supervisor } from '../../src/daemon/supervisor.ts';
import type { GroupPlan } from '../../src/daemon/threads.ts';
import { until } from '../lib/wait.ts';

interface Rig {
  supervisor: Supervisor;
  /** Starts, stops for a restart, stops for good of member `name`. */
  counts: (name: string) => number[];
  lives: () => number;
  disposals: () => number;
  replayed: string[][];
  hopeless: string[];
  log: string[];
}

/** Two groups: `one` with members a and b, `two` with member c. */
function rig(t: TestContext, failFrom?: number): Rig {
  const loop = new TaskLoop('main');
  const shared = new Map(['a', 'b', 'c'].map(name => [name, new SharedArrayBuffer(12)]));
  const entry = new URL('./supervised-worker.ts', import.meta.url);
  let lives = 0;
  let disposals = 0;
  const group = (name: string, members: string[]): GroupPlan => ({
    name,
    begin() {
      if (name === 'one') lives++;
      return {
        threads: members.map(member => ({
          name: member,
          entry,
          ownLoop: false,
          data: { counts: shared.get(member), ...(member === 'b' && failFrom !== undefined ? { failFrom } : {}) },
        })),
        dispose: () => {
          if (name === 'one') disposals++;
        },
      };
    },
  });
  const replayed: string[][] = [];
  const hopeless: string[] = [];
  const log: string[] = [];
  const supervisor = new Supervisor({
    loop,
    plans: [group('one', ['a', 'b']), group('two', ['c'])],
    log: text => log.push(text),
    restarted: async names => {
      replayed.push([...names]);
    },
    hopeless: reason => hopeless.push(reason),
    backoffMs: [5, 40],
  });
  t.after(async () => {
    await supervisor.stop(5000);
    loop.close();
  });
  return {
    supervisor,
    counts: name => Array.from(new Int32Array(shared.get(name)!)),
    lives: () => lives,
    disposals: () => disposals,
    replayed,
    hopeless,
    log,
  };
}

const limits = { timeout: 20_000 };

test(
  'when a thread dies its group starts again with new structures, the other group never notices',
  limits,
  async t => {
    const { supervisor, counts, lives, disposals, replayed, hopeless } = rig(t);
    await supervisor.start();
    assert.deepEqual(
      supervisor.threads().map(({ name, state, restarts }) => [name, state, restarts]),
      [
        ['a', 'running', 0],
        ['b', 'running', 0],
        ['c', 'running', 0],
      ],
    );
    supervisor.thread('b')!.post('crash');
    await until(() => replayed.length === 1, { timeoutMs: 5000, what: 'the replay' });
    assert.deepEqual(replayed, [['a', 'b']]);
    assert.deepEqual(counts('a'), [2, 1, 0]);
    assert.deepEqual(counts('b'), [2, 0, 0]);
    assert.deepEqual(counts('c'), [1, 0, 0]);
    assert.deepEqual([lives(), disposals()], [2, 1]);
    const [a, b, c] = supervisor.threads();
    assert.deepEqual([a!.restarts, b!.restarts, c!.restarts], [1, 1, 0]);
    assert.equal(b!.lastError, 'crashed on purpose');
    assert.deepEqual(await supervisor.thread('a')!.request('x'), { name: 'a', body: 'x' });
    assert.equal(await supervisor.stop(5000), true);
    assert.deepEqual(counts('a'), [2, 1, 1]);
    assert.deepEqual([lives(), disposals()], [2, 2]);
    assert.deepEqual(hopeless, []);
  },
);

test('two members that die at once are one restart', limits, async t => {
  const { supervisor, counts, replayed } = rig(t);
  await supervisor.start();
  const [a, b] = [supervisor.thread('a')!, supervisor.thread('b')!];
  a.post('crash');
  b.post('crash');
  await until(() => replayed.length === 1, { timeoutMs: 5000, what: 'the replay' });
  assert.equal(counts('a')[0], 2);
  assert.equal(counts('b')[0], 2);
  assert.equal(supervisor.threads()[0]!.restarts, 1);
});

test('a restart that fails is tried again after a longer wait', limits, async t => {
  const { supervisor, replayed, log } = rig(t, 2);
  await supervisor.start();
  supervisor.thread('a')!.post('crash');
  await until(() => replayed.length === 1, { timeoutMs: 5000, what: 'the replay' });
  const waits = log.flatMap(line => /again in (\d+) ms/.exec(line)?.[1] ?? []);
  assert.deepEqual(waits, ['5', '10', '20']);
  assert.equal(supervisor.threads()[0]!.restarts, 3);
  assert.ok(supervisor.thread('a')!.running && supervisor.thread('b')!.running);
});

test('a first start that fails stops everything and says why', limits, async t => {
  const { supervisor, counts } = rig(t, 1);
  await assert.rejects(supervisor.start(), /start 1 fails on purpose/);
  assert.equal(counts('a')[1], 1);
  assert.equal(supervisor.thread('a'), undefined);
});

test('a crash while a restart waits, or a stop during it, leaves nothing running', limits, async t => {
  const { supervisor, counts } = rig(t);
  await supervisor.start();
  supervisor.thread('a')!.post('crash');
  await until(() => supervisor.thread('a') === undefined, { timeoutMs: 5000, what: 'the end of a' });
  assert.equal(await supervisor.stop(5000), true);
  // Whether the restart had begun by then is chance; each life but the one that crashed was stopped.
  const [starts, restarts, ends] = counts('a');
  assert.equal(starts! - 1, restarts! + ends!);
  assert.equal(supervisor.thread('b'), undefined);
  assert.equal(supervisor.thread('c'), undefined);
});
