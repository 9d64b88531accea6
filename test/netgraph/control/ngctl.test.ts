import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { splitWords } from '../../../src/netgraph/control/command-line.ts';
import { exitCode, Ngctl, type Outcome } from '../../../src/netgraph/control/ngctl.ts';
import { NetgraphError } from '../../../src/netgraph/graph/error.ts';
import { temporaryDirectory } from '../../lib/temporary.ts';
import { FakeMessenger } from './fake.ts';

interface Run {
  readonly fake: FakeMessenger;
  readonly ngctl: Ngctl;
  out: string;
  err: string;
}

function start(): Run {
  const fake = new FakeMessenger();
  const run: Run = {
    fake,
    out: '',
    err: '',
    ngctl: new Ngctl(fake, {
      print: text => {
        run.out += text;
      },
      printError: text => {
        run.err += text;
      },
    }),
  };
  return run;
}

async function prints(line: string, out: string): Promise<void> {
  const run = start();
  assert.equal(await run.ngctl.runLine(line), 'ok', run.err);
  assert.equal(run.out, out);
  assert.equal(run.err, '');
}

async function fails(line: string, outcome: Outcome, err: string): Promise<void> {
  const run = start();
  assert.equal(await run.ngctl.runLine(line), outcome);
  assert.equal(run.out, '');
  assert.equal(run.err, err);
}

async function asks(line: string, ...asked: unknown[]): Promise<void> {
  const run = start();
  assert.equal(await run.ngctl.runLine(line), 'ok', run.err);
  assert.deepEqual(run.fake.asked, [asked]);
}

describe('what FreeBSD prints', () => {
  test('list', () =>
    prints(
      'list',
      `There are 3 total nodes:
  Name: bnet0           Type: bridge          ID: 0000001f   Num hooks: 2
  Name: fxp0            Type: ether           ID: 00000003   Num hooks: 2
  Name: <unnamed>       Type: hole            ID: 00000020   Num hooks: 0
`,
    ));

  test('list -n', () =>
    prints(
      'ls -n',
      `There are 2 total named nodes:
  Name: bnet0           Type: bridge          ID: 0000001f   Num hooks: 2
  Name: fxp0            Type: ether           ID: 00000003   Num hooks: 2
`,
    ));

  const shown = `  Name: bnet0           Type: bridge          ID: 0000001f   Num hooks: 2
  Local hook      Peer name       Peer type    Peer ID         Peer hook      
  ----------      ---------       ---------    -------         ---------      
  link0           fxp0            ether        00000003        lower          
  link1           fxp0            ether        00000003        upper          
`;
  test('show', () => prints('show bnet0:', shown));
  test('show -n', () => prints('show -n [1f]:', shown.split('\n', 1)[0] + '\n'));

  test('list -l shows the hooks of each', async () => {
    const run = start();
    assert.equal(await run.ngctl.runLine('list -ln'), 'ok');
    assert.ok(run.out.startsWith(`There are 2 total named nodes:\n${shown}  Name: fxp0 `), run.out);
  });

  test('list -l passes a node that went away', async () => {
    const run = start();
    run.fake.intercept = (path, command) =>
      command === 'listhooks' && path === '[3]:' ? Promise.reject(new NetgraphError('ENOENT', 'gone')) : undefined;
    assert.equal(await run.ngctl.runLine('list -l'), 'ok');
    assert.ok(run.out.includes('<unnamed>') && !run.out.includes('Name: fxp0'), run.out);
  });

  test('types', () =>
    prints(
      'types',
      `There are 2 total types:
      Type name   Number of living nodes
      ---------   ----------------------
         bridge       1
       one2many   12345
`,
    ));

  test('msg', () =>
    prints('msg bnet0: getstats 0', `Rec'd response "getstats" (3) from "[1f]:":\nArgs:\t{ recvOctets=7 }\n`));
  test('msg without an argument', () =>
    prints('msg bnet0: getnothing', `Rec'd response "getnothing" (4) from "bnet0:":\nNo arguments\n`));
  test('load', () => prints('lo /x/good.ts', 'good\nbetter\n'));
  test('status', () => prints('status fxp0:', 'Status for "fxp0:":\nup\n'));
  test('no status', () => prints('status bnet0:', 'No status available for "bnet0:"\n'));
  test('config', () => prints('config fxp0:', 'Config for "fxp0:":\nas it was\n'));
  test('config with words', () => prints('config fxp0: a  b', 'Config for "fxp0:":\nnow a b\n'));
  test('debug', () => prints('debug', 'Current debug level is 0\n'));
  test('show graph runtime', () =>
    prints(
      'show graph runtime',
      `Name   Type    Worker  Vectors  Packets  Drops  ns/Packet  Packets/Vector
bnet0  bridge       0       10      640      3      50.00           64.00
[20]   hole        11        0        0      0       0.00            0.00

Name   Reason    Worker  Drops
bnet0  rate           0      1
bnet0  filtered       0      2
`,
    ));

  test('dot, in a file too', async () => {
    const drawing = `graph netgraph {
	edge [ weight = 1.0 ];
	node [ shape = record, fontsize = 12 ] {
		"1f" [ label = "{bnet0:|{bridge|[1f]:}}" ];
		"3" [ label = "{fxp0:|{ether|[3]:}}" ];
		"20" [ label = "{\\<unnamed\\>:|{hole|[20]:}}" ];
	};
	subgraph cluster_disconnected {
		bgcolor = pink;
		"20";
	};
	node [ shape = octagon, fontsize = 10 ] {
		"1f.link0" [ label = "link0" ];
		"1f.link1" [ label = "link1" ];
	};
	{
		edge [ weight = 2.0, style = bold ];
		"1f" -- "1f.link0";
		"1f" -- "1f.link1";
	};
	"1f.link0" -- "3.lower";
	"1f.link1" -- "3.upper";
	node [ shape = octagon, fontsize = 10 ] {
		"3.lower" [ label = "lower" ];
		"3.upper" [ label = "upper" ];
	};
	{
		edge [ weight = 2.0, style = bold ];
		"3" -- "3.lower";
		"3" -- "3.upper";
	};
}
`;
    await prints('dot', drawing);
    const file = join(temporaryDirectory(), 'graph.dot');
    await prints(`dot ${file}`, '');
    assert.equal(readFileSync(file, 'utf8'), drawing);
  });

  test('help', async () => {
    const run = start();
    assert.equal(await run.ngctl.runLine('?'), 'ok');
    const lines = run.out.split('\n');
    assert.equal(lines[0], 'Available commands:');
    assert.equal(lines.length, 20);
    assert.match(run.out, /^ {2}mkpeer {5}Make a node/m);
    run.out = '';
    assert.equal(await run.ngctl.runLine('help rmhook'), 'ok');
    assert.match(
      run.out,
      /^usage: {4}rmhook \[path\] <hook>\nAliases: {2}disconnect\nSummary: .*\nDescription:\n {2}Without/,
    );
  });
});

describe('what is asked of the graph', () => {
  test('mkpeer', () => asks('mkpeer hole a b', '.:', 'mkpeer', { type: 'hole', ourhook: 'a', peerhook: 'b' }));
  test('mkpeer of another', () =>
    asks('mk bnet0: eiface link2 ether', 'bnet0:', 'mkpeer', { type: 'eiface', ourhook: 'link2', peerhook: 'ether' }));
  test('connect', () =>
    asks('join fxp0: a lower', '.:', 'connect', { path: 'fxp0:', ourhook: 'a', peerhook: 'lower' }));
  test('connect of another', () =>
    asks('connect fxp0: bnet0: lower link0', 'fxp0:', 'connect', {
      path: 'bnet0:',
      ourhook: 'lower',
      peerhook: 'link0',
    }));
  test('name', () => asks('name fxp0: wan', 'fxp0:', 'name', { name: 'wan' }));
  test('rmhook', () => asks('rmhook a', '.:', 'rmhook', { hook: 'a' }));
  test('rmhook of another', () => asks('disconnect fxp0: lower', 'fxp0:', 'rmhook', { hook: 'lower' }));
  test('shutdown', () => asks('SHUTDOWN fxp0:', 'fxp0:', 'shutdown'));
  test('msg keeps what stands in quotes', () =>
    asks('msg fxp0: set {  name="a  b\\" c"  }', 'fxp0:', 'msg', 'set', '{ name="a  b\\" c" }'));

  test('write', async () => {
    const run = start();
    const file = join(temporaryDirectory(), 'packet');
    writeFileSync(file, 'Hi');
    assert.equal(await run.ngctl.runLine('write a 1 0x1f 010 -1 255'), 'ok', run.err);
    assert.equal(await run.ngctl.runLine(`w b -f ${file}`), 'ok', run.err);
    assert.deepEqual(run.fake.written, [
      { hook: 'a', data: Uint8Array.of(1, 0x1f, 8, 255, 255) },
      { hook: 'b', data: Uint8Array.of(0x48, 0x69) },
    ]);
  });
});

describe('what goes wrong', () => {
  test('a node that is not there', () =>
    fails('show nil:', 'error', "ngctl: send msg: No such file or directory\nngctl: there is no node 'nil:'\n"));
  test('shutdown of what is not there', () =>
    fails('shutdown nil:', 'error', "ngctl: shutdown: No such file or directory\nngctl: there is no node 'nil:'\n"));
  test('status of what is not there', () =>
    fails('status nil:', 'error', "ngctl: send msg: No such file or directory\nngctl: there is no node 'nil:'\n"));
  test('a hook that is not there', () =>
    fails(
      'write nohook 1',
      'error',
      `ngctl: writing to hook "nohook": Socket is not connected\nngctl: no hook 'nohook'\n`,
    ));
  test('an argument that is none', () =>
    fails(
      'msg a: bad { x=1 }',
      'error',
      "ngctl: send msg: Invalid argument\nngctl: at 2, expected one of a, b, found 'x'\n",
    ));
  test('an unknown command', () => fails('frobnicate', 'error', 'ngctl: "frobnicate": unknown command\n'));
  test('a beginning of several', () => fails('s fxp0:', 'error', 'ngctl: "s": ambiguous command\n'));
  test('l is list, as ever', () => fails('l all', 'usage', 'ngctl: usage: list [-ln]\n'));
  test('no such module', () =>
    fails('load /x', 'error', "ngctl: load /x: No such file or directory\nngctl: there is no module '/x'\n"));
  test('no byte', () => fails('write a 256', 'error', 'ngctl: invalid byte "256"\n'));
  test('no file', () =>
    fails('write a -f /nowhere', 'error', `ngctl: can't read file "/nowhere": No such file or directory\n`));
  test('no script', () => fails('read /nowhere', 'error', 'ngctl: /nowhere: No such file or directory\n'));
  for (const [line, usage] of [
    ['mkpeer a b', 'mkpeer [path] <type> <hook> <peerhook>'],
    ['show', 'show [-n] <path> | show graph runtime'],
    ['list -x', 'list [-ln]'],
    ['list all', 'list [-ln]'],
    ['msg a:', 'msg path command [args ... ]'],
    ['write a', 'write hook < -f file | byte ... >'],
    ['rmhook a b c', 'rmhook [path] <hook>'],
    ['debug -2', 'debug [level]'],
  ] as const)
    test(`usage of ${line}`, () => fails(line, 'usage', `ngctl: usage: ${usage}\n`));
  test('exit codes', () => assert.deepEqual((['ok', 'quit', 'usage', 'error'] as const).map(exitCode), [0, 0, 64, 71]));
});

describe('scripts', () => {
  test('comments, continued lines, and the number of the line that fails', async () => {
    const run = start();
    const script = ['# a comment', '', '  # another', 'mkpeer hole \\', '  a b', 'name nil: x', 'types'];
    assert.equal(await run.ngctl.runScript(script), 'error');
    assert.deepEqual(run.fake.asked, [
      ['.:', 'mkpeer', { type: 'hole', ourhook: 'a', peerhook: 'b' }],
      ['nil:', 'name', { name: 'x' }],
    ]);
    assert.match(run.err, /^ngctl: send msg: No such file or directory\n.*\nngctl: line 6: error in file\n$/);
    assert.equal(run.out, '');
  });

  test('quit ends a script well', async () => {
    const run = start();
    assert.equal(await run.ngctl.runScript(['quit', 'nonsense']), 'quit');
    assert.equal(run.err, '');
  });

  test('read runs a file; one that reads itself ends', async () => {
    const run = start();
    const file = join(temporaryDirectory(), 'script');
    writeFileSync(file, `debug\nread ${file}\n`);
    assert.equal(await run.ngctl.runLine(`. ${file}`), 'error');
    assert.equal(run.out, 'Current debug level is 0\n'.repeat(20));
    assert.match(run.err, /20 deep\n(ngctl: line 2: error in file\n){20}$/);
  });
});

test('words', () => {
  assert.deepEqual(splitWords('  a\tb "c d" e="f  g"h "i\\" j" '), ['a', 'b', '"c d"', 'e="f  g"h', '"i\\" j"']);
  assert.deepEqual(splitWords('a "open b'), ['a', '"open b']);
  assert.deepEqual(splitWords(''), []);
});
