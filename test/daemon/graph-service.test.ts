// The graph of a whole daemon: nobody asks, nothing is there; the tools over its socket, and the shell's `show graph`.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { type Daemon, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const GREVY: string = resolve(import.meta.dirname, '../../bin/grevy');
const SAMPLE: string = resolve(import.meta.dirname, '../../examples/netgraph/sample.ts');

const lab = new Lab();
let namespace: Namespace;
let daemon: Daemon;
let runDir: string;

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function grevy(argv: readonly string[], input = ''): Promise<Ran> {
  const child = spawn(GREVY, argv);
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('latin1')));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString('latin1')));
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

/** `grevy ngctl` that has to succeed. */
async function ngctl(argv: readonly string[], input?: string): Promise<string> {
  const { code, out, err } = await grevy(['ngctl', '--run-dir', runDir, ...argv], input);
  assert.equal(code, 0, err);
  return out;
}

const threads = (): string[] =>
  readdirSync(`/proc/${daemon.pid}/task`)
    .map(task => readFileSync(`/proc/${daemon.pid}/task/${task}/comm`, 'latin1').trim())
    .filter(name => name.startsWith('graph-'));

before(async () => {
  namespace = await lab.namespace('r1');
  daemon = await startGrevy(lab, namespace, 'hostname r1\n', { args: ['--graph-workers', '2'] });
  runDir = join(daemon.directory, 'run');
});
after(() => lab.close());

test('without a client there is no graph', async () => {
  assert.ok(existsSync(join(runDir, 'ngctl.sock')));
  assert.match(await daemon.sh('show graph'), /opened by its first client/);
  assert.deepEqual(JSON.parse(await daemon.sh('show graph runtime json')), { nodes: [] });
  assert.ok(!(await daemon.sh('show threads')).includes('graph-'));
  assert.deepEqual(threads(), []);
});

test('scripts by -f and from standard input, and one command at a time', async () => {
  const file = join(daemon.directory, 'graph.ngctl');
  writeFileSync(file, '# a tee whose tap nobody reads\nmkpeer tee a left\nname .:a t\nmkpeer t: echo right x\n');
  await ngctl(['-f', file]);
  // The socket that made it is gone, and the tee has one hook left.
  assert.deepEqual(threads().sort(), ['graph-0', 'graph-1']);
  assert.match(await ngctl(['show', 't:']), /^ {2}right +<unnamed> +echo/m);
  const out = await ngctl(['-f', '-'], 'connect .: t: mine left\nwrite mine 1 2 3\nmsg t: getstats\n');
  assert.match(out, /Rec'd response "getstats"/);
  const script = join(daemon.directory, 'more.ngctl');
  writeFileSync(script, 'mkpeer t: hole left2right tap\nname t:left2right sink\n');
  await ngctl(['read', script]);
  assert.match(await ngctl(['list']), /^There are \d+ total nodes:\n[^]*Name: sink/);
  assert.match(await ngctl(['dot']), /^graph netgraph \{/);
  const wrong = await grevy(['ngctl', '--run-dir', runDir, '-f', '-'], 'types\nshow nobody:\n');
  assert.equal(wrong.code, 71);
  assert.match(wrong.err, /ngctl: line 2: error in file\n$/);
});

test('nghook pipes bytes through an echo node', async () => {
  const child = spawn(GREVY, ['nghook', '--run-dir', runDir, 't:', 'left']);
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('latin1')));
  const text = 'there and back again';
  child.stdin.write(text);
  await until(() => out === text, { what: () => `the echo, not '${out}'` });
  child.stdin.end();
  const [code] = (await once(child, 'close')) as [number];
  assert.equal(code, 71);
});

test('show graph, and what each node did on each worker', async () => {
  assert.match(await daemon.sh('show graph'), /^ {2}Name: t +Type: tee [^]*^ {2}left2right +sink +hole/m);
  const { nodes } = JSON.parse(await daemon.sh('show graph json')) as {
    nodes: { name: string; type: string; hooks: { name: string; peer: { name: string; hook: string } }[] }[];
  };
  const tee = nodes.find(({ name }) => name === 't')!;
  assert.equal(tee.type, 'tee');
  assert.deepEqual(
    tee.hooks.map(({ name, peer }) => [name, peer.name, peer.hook]),
    [
      ['right', '', 'x'],
      ['left2right', 'sink', 'tap'],
    ],
  );
  type Row = { name: string; type: string; worker: number; packets: number; vectors: number; nsPerPacket: number };
  const rows = async (): Promise<Row[]> =>
    (JSON.parse(await daemon.sh('show graph runtime json')) as { nodes: Row[] }).nodes;
  // A row of each worker.
  await until(
    async () => (await rows()).filter(({ name }) => name === 'sink').reduce((sum, { packets }) => sum + packets, 0) > 0,
    { what: 'the tap to have been counted' },
  );
  assert.deepEqual(
    (await rows()).filter(({ name }) => name === 't').map(({ worker, type }) => [worker, type]),
    [
      [0, 'tee'],
      [1, 'tee'],
    ],
  );
  assert.match(await daemon.sh('show graph runtime'), /^Name +Type +Worker +Vectors +Packets +Drops/);
  assert.match(await ngctl(['show', 'graph', 'runtime']), /^t +tee +1 /m);
  const shown = await daemon.sh('show threads');
  for (const name of ['graph-0', 'graph-1']) assert.match(shown, new RegExp(`^${name} +running +0 `, 'm'));
});

test('a type of the user’s own is loaded into the running graph', async () => {
  assert.equal(await ngctl(['load', SAMPLE]), 'sample\n');
  await ngctl(['-f', '-'], 'mkpeer t: sample right2left in\nname t:right2left s\nmsg s: setrate { rate=10 }\n');
  assert.match(await ngctl(['msg', 's:', 'getrate']), /Args:\t\{ rate=10 \}/);
  assert.match(await ngctl(['types']), /^ {9}sample +1$/m);
  for (const [file, say] of [
    [SAMPLE, /Device busy\n.*'sample' has 1 of its nodes left: s:/],
    ['/nowhere.ts', /No such file or directory\n.*'\/nowhere\.ts'/],
    [join(daemon.directory, 'graph.ngctl'), /Invalid argument\n.*graph\.ngctl/],
    [import.meta.dirname + '/../lib/wait.ts', /Invalid argument\n.*exports no node type/],
  ] as const) {
    const { code, err } = await grevy(['ngctl', '--run-dir', runDir, 'load', file]);
    assert.equal(code, 71, file);
    assert.match(err, say);
  }
});

test('an orderly end leaves nothing', async () => {
  await daemon.stop();
  assert.equal(daemon.child.exitCode, 0, daemon.output());
  assert.match(daemon.output(), /netgraph: the graph is open, 2 workers/);
  assert.doesNotMatch(daemon.output(), /failed|died|has not ended/);
  assert.deepEqual(readdirSync(runDir), []);
});

test('workers that can not be', async () => {
  for (const number of ['0', '65', 'many', '-1']) {
    const { code, err } = await grevy(['run', '-c', '/dev/null', `--graph-workers=${number}`]);
    assert.equal(code, 2);
    assert.match(err, /--graph-workers .*: 1 to 64/);
  }
});
