// What nghook(8) can do beside piping: -l, -m, -s, -S, and -e, which runs a program on the hook; as processes, against a graph in the test's own.
import assert from 'node:assert/strict';
import { spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { type Graph, graphMessenger, NgctlService, openGraph, socketOf } from '../../../src/netgraph/index.ts';
import { closeFd, unixPair } from '../../../src/sys/index.ts';
import { temporaryDirectory } from '../../lib/temporary.ts';
import { until } from '../../lib/wait.ts';

const GREVY: string = resolve(import.meta.dirname, '../../../bin/grevy');

let graph: Graph;
let service: NgctlService;
const runDir = temporaryDirectory();

before(async () => {
  graph = await openGraph({ workers: 1, trouble: text => assert.fail(text) });
  service = new NgctlService({ runDir, makeMessenger: name => graphMessenger(graph, name) });
  await service.listen();
});
after(async () => {
  await service.close();
  await graph.close();
});

interface Ran {
  readonly stdin: NodeJS.WritableStream;
  readonly done: Promise<number>;
  out: string;
  err: string;
}

let running: Ran;

function nghook(argv: readonly string[], stdio: StdioOptions = 'pipe'): Ran {
  const child = spawn(GREVY, ['nghook', '--run-dir', runDir, ...argv], { stdio });
  const done = once(child, 'close').then(([code]) => code as number);
  const ran: Ran = (running = { stdin: child.stdin!, done, out: '', err: '' });
  child.stdout?.on('data', (chunk: Buffer) => (ran.out += chunk.toString('latin1')));
  child.stderr?.on('data', (chunk: Buffer) => (ran.err += chunk.toString('latin1')));
  return ran;
}

/** A socket node that keeps what comes; its hook `hook` goes to a hub of this name. */
function listener(name: string): { came: string[]; write: (text: string) => void; end: () => void } {
  const me = graph.create('socket', `${name}-me`);
  const hub = graph.mkpeer(me, 'hub', 'hook', 'test');
  graph.rename(hub, name);
  const came: string[] = [];
  socketOf(me).onData = (_, data) => came.push(Buffer.from(data).toString('latin1'));
  return {
    came,
    write: text => socketOf(me).write('hook', Buffer.from(text, 'latin1')),
    end: () => graph.shutdown(me),
  };
}

const joined = (name: string): Promise<unknown> =>
  until(() => graph.named(name)?.hooks.has('h'), { what: () => `a hook to ${name}: ${running.err}` });

test('-l sends back what it writes; -n reads nothing; the end of the node ends it not', async () => {
  const peer = listener('loop');
  const ran = nghook(['-ln', 'loop:', 'h']);
  ran.stdin.end('not read');
  await joined('loop');
  peer.write('over');
  await until(() => ran.out === 'over' && peer.came.length === 1, { what: 'both ways' });
  assert.deepEqual(peer.came, ['over']);
  await service.close();
  assert.equal(await ran.done, 71, 'the daemon went');
  assert.match(ran.err, /read EOF from hook/);
  await service.listen();
  peer.end();
});

test('-m tells the node before anything goes, more than once; what is refused ends it', async () => {
  const peer = listener('told');
  graph.mkpeer(graph.named('told')!, 'tee', 't', 'left');
  const ran = nghook(['-m', 'clrstats', '-m', 'name { name="renamed" }', 'told:t', 'right']);
  await until(() => graph.named('renamed')?.hooks.has('right'), { what: 'the name' });
  ran.stdin.end('text');
  assert.equal(await ran.done, 71);
  assert.equal(ran.err, 'nghook: EOF(stdin)\n');
  await until(() => peer.came.length === 1, { what: 'the packet' });
  const refused = nghook(['-m', 'nonsense 5', 'renamed:', 'right']);
  assert.equal(await refused.done, 71);
  assert.match(refused.err, /^nghook: sending message 'nonsense 5': Invalid argument\nnghook: .*'nonsense'/);
  peer.end();
});

for (const [flag, what, place] of [
  ['-s', 'writes to descriptor 0', 0],
  ['-S', 'reads from descriptor 1', 1],
] as const)
  test(`${flag} ${what}, as under inetd(8)`, async () => {
    const peer = listener('inetd');
    const [ours, theirs] = unixPair();
    const stdio: StdioOptions = ['pipe', 'pipe', 'pipe'];
    stdio[place] = theirs;
    const ran = nghook([flag, 'inetd:', 'h'], stdio);
    closeFd(theirs);
    const socket = new net.Socket({ fd: ours, readable: true, writable: true });
    let came = '';
    socket.on('data', (chunk: Buffer) => (came += chunk.toString()));
    await joined('inetd');
    socket.write('in');
    await until(() => peer.came.join('') === 'in', { what: 'what was written to the socket' });
    peer.write('out');
    await until(() => came === 'out', { what: 'what came for it' });
    socket.end();
    assert.equal(await ran.done, 71);
    socket.destroy();
    peer.end();
  });

test('-e runs a program on the hook, packets stay apart, and its exit code is ours', async () => {
  const peer = listener('run');
  const program =
    'for i in 1 2 3; do printf "packet $i"; done; for i in 1 2; do dd bs=9000 count=1 2>/dev/null; done; echo done >&2; exit 7';
  const ran = nghook(['-e', 'run:', 'h', 'sh', '-c', program]);
  await until(() => peer.came.length === 3, { what: 'three packets' });
  assert.deepEqual(peer.came, ['packet 1', 'packet 2', 'packet 3']);
  peer.write('one');
  peer.write('two');
  assert.equal(await ran.done, 7);
  assert.equal(ran.err, 'done\n');
  await until(() => peer.came.length === 5, { what: 'what it wrote last' });
  assert.deepEqual(peer.came.slice(3), ['one', 'two'], 'a read is a packet');
  await until(() => !graph.named('run')!.hooks.has('h'), { what: 'the hook to go' });
  peer.end();
});

test('-e -n gives the program no input; -m comes before it; it ends with the daemon', async () => {
  const peer = listener('run');
  const ran = nghook(['-e', '-n', '-m', 'name { name="ran" }', 'run:', 'h', 'sh', '-c', 'cat; printf end']);
  assert.equal(await ran.done, 0, ran.err);
  await until(() => peer.came.join() === 'end', { what: 'its output' });
  assert.ok(graph.named('ran'));
  const reader = nghook(['-e', 'ran:', 'h', 'cat']);
  await joined('ran');
  peer.write('x');
  await until(() => peer.came.join() === 'end,x', { what: 'cat' });
  await service.close();
  assert.equal(await reader.done, 0, 'cat has read the end of its input');
  assert.match(reader.err, /^$|read EOF|EOF/);
  await service.listen();
  peer.end();
});

test('-e: what can not be run, and usage', async () => {
  const peer = listener('run');
  const ran = nghook(['-e', 'run:', 'h', '/nowhere/prog']);
  assert.equal(await ran.done, 71);
  assert.match(ran.err, /^nghook: \/nowhere\/prog: .*ENOENT/);
  assert.equal(await nghook(['-e', 'nil:', 'h', 'cat']).done, 71);
  for (const argv of [
    ['-e', 'run:', 'h'],
    ['-e', '-a', 'run:', 'h', 'cat'],
    ['-el', 'run:', 'h', 'cat'],
  ]) {
    const bad = nghook(argv);
    assert.equal(await bad.done, 64, argv.join(' '));
    assert.match(bad.err, /or: nghook -e/);
  }
  peer.end();
});
