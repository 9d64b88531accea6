// The programs against a graph with a worker of its own, over a daemon's socket and within the process.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import {
  type Graph,
  graphMessenger,
  NgctlClient,
  NgctlService,
  openGraph,
  runFlowctl,
  runNgctl,
  runNghook,
  send,
  socketOf,
} from '../../../src/netgraph/index.ts';
import { ip4, ip6, udp } from '../lib/packets.ts';
import { temporaryDirectory } from '../../lib/temporary.ts';
import { until } from '../../lib/wait.ts';

let graph: Graph;
let service: NgctlService;
let path: string;
const runDir = temporaryDirectory();

before(async () => {
  graph = await openGraph({ workers: 1, trouble: text => assert.fail(text) });
  service = new NgctlService({ runDir, makeMessenger: name => graphMessenger(graph, name) });
  path = await service.listen();
});

after(async () => {
  await service.close();
  await graph.close();
});

interface Ran {
  readonly stdin: PassThrough;
  readonly done: Promise<number>;
  out: string;
  err: string;
}

function run(
  program: typeof runNgctl,
  argv: readonly string[],
  { terminal = false, dir = ['--run-dir', runDir] }: { terminal?: boolean; dir?: readonly string[] } = {},
): Ran {
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const ran: Ran = {
    stdin,
    out: '',
    err: '',
    done: program([...dir, ...argv], { stdin, stdout, stderr, terminal }, async name => {
      const alone = await openGraph({ workers: 0 });
      return { messenger: graphMessenger(alone, name), close: () => alone.close() };
    }),
  };
  stdout.on('data', (chunk: Buffer) => {
    ran.out += chunk.toString('latin1');
  });
  stderr.on('data', (chunk: Buffer) => {
    ran.err += chunk.toString('latin1');
  });
  return ran;
}

async function ended(ran: Ran, code: number): Promise<void> {
  assert.equal(await ran.done, code, ran.err);
  // What was written to a stream is read from it in a turn of its own.
  await new Promise(resolve => setImmediate(resolve));
}

describe('ngctl', () => {
  test('a script over the socket; the node goes with the connection', async () => {
    const file = join(temporaryDirectory(), 'script');
    writeFileSync(file, 'mkpeer tee a left\nname .:a t\nmkpeer t: echo right x\nshow t:\nmsg t: getstats\n');
    const ran = run(runNgctl, ['-n', 'mine', '-f', file]);
    await ended(ran, 0);
    assert.match(ran.out, /^ {2}left {12}mine {12}socket {7}0000000/m);
    assert.match(ran.out, /^Rec'd response "getstats" \(\d+\) from "\[[0-9a-f]+\]:":\nArgs:\t\{\}$/m);
    assert.equal(ran.err, '');
    await until(() => !graph.named('mine') && graph.named('t'), { what: 'the node to go, and what it made to stay' });
    await ended(run(runNgctl, ['shutdown', 't:']), 0);
    assert.equal(graph.named('t'), undefined);
  });

  test('commands from standard input, up to one that fails', async () => {
    const ran = run(runNgctl, ['-f', '-']);
    ran.stdin.end('types\nshow nil:\ntypes\n');
    await ended(ran, 71);
    assert.equal(ran.out.match(/total types/g)?.length, 1);
    assert.match(ran.err, /^ngctl: send msg: No such file or directory\n.*\nngctl: line 2: error in file\n$/);
  });

  test('standalone', async () => {
    const ran = run(runNgctl, ['list'], { dir: ['--standalone'] });
    await ended(ran, 0);
    assert.match(ran.out, /^There are 1 total nodes:\n {2}Name: ngctl\d+ +Type: socket/);
  });

  test('show graph runtime has a row of each node and worker', async () => {
    const ran = run(runNgctl, ['-n', 'me', 'show', 'graph', 'runtime']);
    await ended(ran, 0);
    assert.match(ran.out, /^me +socket +0 +\d+ +\d+ +0 /m);
  });

  test('at a terminal: help, a prompt, lines, what comes unasked, quit', async () => {
    const ran = run(runNgctl, ['-n', 'shell'], { terminal: true });
    await until(() => ran.out.includes('+ '), { what: 'a prompt' });
    assert.match(ran.out, /^Available commands:\n/);
    ran.stdin.write('mkpeer echo a b\nwrite a 0x48 0x69\n');
    await until(() => ran.out.includes('Hi'), { what: 'the echo' });
    assert.match(ran.out, /Rec'd data packet on hook "a":\n0000: {2}48 69 {44}Hi {14}\n/);
    const shell = await NgctlClient.connect(path);
    await shell.message('shell:', 'ping', 'there');
    await until(() => ran.out.includes('there'), { what: 'the message' });
    assert.match(ran.out, /Rec'd command "ping" \(0\) from "\[[0-9a-f]+\]:":\nArgs:\tthere\n/);
    await shell.close();
    ran.stdin.write('q\n');
    await ended(ran, 0);
  });

  test('what can not begin', async () => {
    for (const [argv, code, err] of [
      [['-x'], 64, /^ngctl: usage: ngctl \[-d\]/],
      [['-f'], 64, /usage/],
      [[], 64, /^ngctl: no command specified\nngctl: usage/],
      [['-f', '/nowhere'], 66, /^ngctl: \/nowhere: No such file or directory\n$/],
      [['-n', 'a.b', 'list'], 71, /^ngctl: can't create node: Invalid argument\n.*'a\.b'\n$/],
    ] as const) {
      const ran = run(runNgctl, argv);
      await ended(ran, code);
      assert.match(ran.err, err);
    }
    const ran = run(runNgctl, ['list'], { dir: ['--run-dir=/nowhere'] });
    await ended(ran, 71);
    assert.match(ran.err, /^ngctl: \/nowhere\/ngctl\.sock: no daemon answers/);
  });
});

describe('nghook', () => {
  test('packets out of standard input, and in to standard output', async () => {
    graph.create('echo', 'mirror');
    const ran = run(runNghook, ['-a', 'mirror:', 'h']);
    ran.stdin.write('0123456789abcdefXYZ');
    await until(() => ran.out.includes('XYZ'), { what: 'the echo' });
    assert.equal(
      ran.out,
      '0000:  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef\n' +
        `0010:  58 59 5a ${' '.repeat(39)} XYZ${' '.repeat(13)}\n\n`,
    );
    ran.stdin.end();
    await ended(ran, 71);
    assert.equal(ran.err, 'nghook: EOF(stdin)\n');
    // An echo node goes with its last hook.
    await until(() => !graph.named('mirror'), { what: 'the hook to go' });
  });

  test('a node that is not there, and usage', async () => {
    const ran = run(runNghook, ['nil:', 'h']);
    await ended(ran, 71);
    assert.match(ran.err, /^nghook: can't connect to node: No such file or directory\n/);
    await ended(run(runNghook, []), 64);
  });
});

describe('flowctl', () => {
  test('the flows of a netflow node, in three layouts', async () => {
    const me = graph.create('socket', 'probe');
    const netflow = graph.mkpeer(me, 'netflow', 'data', 'iface0');
    graph.rename(netflow, 'flows');
    await send(graph, me, 'data', 'setdlt', { iface: 0, dlt: 12 });
    await send(graph, me, 'data', 'setifindex', { iface: 0, index: 60_001 });
    await graph.settled();
    const dns = ip4(udp(4000, 53, [1, 2, 3, 4]));
    const flow6 = ip6(udp(9, 53, [1]), 17, new Uint8Array(16).fill(0x20), new Uint8Array(16).fill(0x30));
    for (const packet of [dns, dns, flow6]) socketOf(me).write('data', packet);
    await until(() => netflow.counts()['packets6'] === 1, { what: 'the packets to be counted' });
    const show = async (...words: string[]): Promise<string[]> => {
      const ran = run(runFlowctl, ['flows', 'show', ...words]);
      await ended(ran, 0);
      return ran.out.split('\n');
    };
    const [head4, row4, head6, row6] = await show();
    assert.equal(head4, 'SrcIf         SrcIPaddress    DstIf         DstIPaddress    Pr SrcP DstP   Pkts');
    assert.equal(row4, '60001         10.0.0.1        -             198.51.100.7    17 0fa0 0035      2');
    assert.match(head6!, /^SrcIf .* Pkts$/);
    assert.match(row6!, /^60001 {9}2020:2020:\S+:2020 .* 17 0009 0035 {6}1$/);
    assert.match((await show('ipv4', 'human'))[1]!, / 17 {5}4000 {7}53 {8}2$/);
    const verbose = await show('ipv4', 'verbose');
    assert.match(verbose[2]!, / 17 {3}0 {4}0 {6}2$/);
    assert.match(verbose[3]!, /^0fa0 \/0 .* 0035 \/0 .* 0\.0\.0\.0 .* 32 +0$/);
    await ended(run(runFlowctl, ['flows', 'show', 'all']), 64);
    const nil = run(runFlowctl, ['nil', 'show']);
    await ended(nil, 71);
    assert.match(nil.err, /^flowctl: No such file or directory\n/);
    graph.shutdown(me);
  });
});

describe('the graph is asked by values', () => {
  test('that have the form of the command, or are refused', async () => {
    const client = await NgctlClient.connect(path, 'values');
    const bad: readonly (readonly [string, unknown])[] = [
      ['mkpeer', undefined],
      ['mkpeer', null],
      ['mkpeer', { type: 'hole' }],
      ['mkpeer', { type: 'hole', ourhook: 5, peerhook: 'b' }],
      ['mkpeer', { type: 'x'.repeat(32), ourhook: 'a', peerhook: 'b' }],
      ['mkpeer', { type: 'hole', ourhook: 'a', peerhook: 'b', more: 1 }],
      ['listhooks', { a: 1 }],
      ['name', 'text'],
    ];
    for (const [command, args] of bad)
      await assert.rejects(client.request('.:', command, args), { code: 'EINVAL' }, JSON.stringify(args));
    await assert.rejects(client.request('.:', 'mkpeer', { type: 'nil', ourhook: 'a', peerhook: 'b' }), {
      code: 'ENXIO',
    });
    await client.request('.:', 'mkpeer', { type: 'hole', ourhook: 'a', peerhook: 'b' });
    assert.equal(graph.named('values')!.hooks.size, 1);
    // Somebody ends the node under its client.
    graph.shutdown(graph.named('values')!);
    await assert.rejects(client.request('.:', 'listnodes'), { code: 'ENOTCONN' });
    await assert.rejects(client.write('a', Uint8Array.of(1)), { code: 'ENOTCONN' });
    await client.close();
  });
});
