// The whole daemon in a namespace of its own, as an operator starts, stops and kills it; the kernel is asked with ip(8).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { startGrevy } from '../lib/daemons.ts';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const GREVY: string = resolve(import.meta.dirname, '../../bin/grevy');
const CONFIGURATION = `hostname r1
!
ip route 203.0.113.0/24 Null0
!
router bgp 65001
 bgp router-id 192.0.2.1
exit
!
`;

test('grevy run: five threads, one daemon a directory, routes that survive kill -9 and leave with an orderly stop', async t => {
  const lab = new Lab();
  t.after(() => lab.close());
  const namespace = await lab.namespace('r1');
  const routes = async (): Promise<string> => (await namespace.run('ip', 'route', 'show', 'type', 'blackhole')).trim();
  const first = await startGrevy(lab, namespace, CONFIGURATION, { rehearsal: true });
  await until(async () => (await routes()).includes('203.0.113.0/24'), { timeoutMs: 5000, what: 'the static route' });
  const threads = await first.sh('show threads');
  for (const name of ['main', 'zebra', 'dplane', 'bgp', 'bgp-io', 'bgp-ka']) {
    assert.match(threads, new RegExp(`^${name} +running +0 `, 'm'));
  }

  const runDir = join(first.directory, 'run');
  const second = spawnSync(GREVY, ['run', '-c', join(first.directory, 'grevy.conf'), '--run-dir', runDir], {
    encoding: 'utf8',
  });
  assert.equal(second.status, 3);
  assert.match(second.stderr, /in use by another daemon \(process \d+\); use another --run-dir/);
  assert.equal(
    Number(readFileSync(join(runDir, 'grevy.pid'), 'utf8')),
    Number(/process (\d+)/.exec(second.stderr)?.[1]),
  );

  await first.kill();
  assert.match(await routes(), /blackhole 203\.0\.113\.0\/24/);

  const again = await startGrevy(lab, namespace, CONFIGURATION, { directory: first.directory });
  assert.match(await routes(), /blackhole 203\.0\.113\.0\/24/);
  await again.stop();
  assert.equal(again.child.exitCode, 0, again.output());
  assert.equal(await routes(), '');

  const retaining = await startGrevy(lab, namespace, CONFIGURATION, { directory: first.directory, args: ['--retain'] });
  await until(async () => (await routes()) !== '', { timeoutMs: 5000, what: 'the static route' });
  await retaining.stop();
  assert.equal(retaining.child.exitCode, 0, retaining.output());
  assert.match(await routes(), /blackhole 203\.0\.113\.0\/24/);
});

test('a configuration that is not understood starts nothing, and every such line is told', async t => {
  const lab = new Lab();
  t.after(() => lab.close());
  const home = await lab.directory();
  const file = join(home, 'bad.conf');
  writeFileSync(
    file,
    'hostname r1\nip roude 192.0.2.0/24 Null0\nrouter bgp 65001\n neighbour 192.0.2.1 remote-as 1\nexit\n',
  );
  const outcome = spawnSync(GREVY, ['run', '-c', file, '--run-dir', join(home, 'run')], { encoding: 'utf8' });
  assert.equal(outcome.status, 1);
  assert.match(outcome.stderr, /bad\.conf:2: .*roude/);
  assert.match(outcome.stderr, /bad\.conf:4: .*neighbour/);
  const missing = spawnSync(GREVY, ['run', '-c', join(home, 'none.conf'), '--run-dir', home], { encoding: 'utf8' });
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /none\.conf/);
});

test('a tape that cannot be written starts nothing', async t => {
  const lab = new Lab();
  t.after(() => lab.close());
  const home = await lab.directory();
  const file = join(home, 'grevy.conf');
  writeFileSync(file, CONFIGURATION);
  const args = ['run', '-c', file, '--run-dir', join(home, 'run'), '--record', join(home, 'none', 'tape')];
  const outcome = spawnSync(GREVY, args, { encoding: 'utf8' });
  assert.equal(outcome.status, 1);
  assert.match(outcome.stderr, /^grevy run: ENOENT: .*none\/tape'\n$/);
});

test('signals that mean nothing change nothing: no debugger is opened, and the daemon lives on', async t => {
  const lab = new Lab();
  t.after(() => lab.close());
  const namespace = await lab.namespace('r1');
  const grevy = await startGrevy(lab, namespace, CONFIGURATION);
  for (const signal of ['SIGUSR1', 'SIGUSR2', 'SIGPIPE', 'SIGHUP'] as const) process.kill(grevy.pid, signal);
  await until(() => grevy.output().includes('in force'), { timeoutMs: 5000, what: () => grevy.output() });
  assert.match(await grevy.sh('show version'), /^Grevy/);
  assert.doesNotMatch(grevy.output(), /Debugger/);
  assert.doesNotMatch(await namespace.run('ss', '-Hltn'), /:9229/);
});

test('without the privilege to change the kernel it runs, and says what will be missing', async t => {
  const lab = new Lab();
  t.after(() => lab.close());
  const home = await lab.directory();
  writeFileSync(join(home, 'grevy.conf'), 'hostname r1\n');
  const namespace = await lab.namespace('r1');
  const powerless = ['setpriv', '--bounding-set=-all', '--'];
  const child = namespace.spawn([
    ...powerless,
    GREVY,
    'run',
    '-c',
    join(home, 'grevy.conf'),
    '--run-dir',
    join(home, 'run'),
  ]);
  let said = '';
  child.stderr?.on('data', chunk => (said += String(chunk)));
  await until(() => said.includes(' runs: '), { timeoutMs: 20_000, what: () => said });
  assert.match(said, /without CAP_NET_ADMIN/);
});
