import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { VtyClient } from '../../src/cli/shell/client.ts';
import { mainCommands } from '../../src/daemon/main-commands.ts';
import { type Owner, VtyService } from '../../src/daemon/vty-service.ts';
import { CommandError, type CommandSet, commandHandler, commandSet, config, exec } from '../../src/vty/index.ts';
import { temporaryDirectory } from '../lib/temporary.ts';
import { until } from '../lib/wait.ts';

const GREVY: string = resolve(import.meta.dirname, '../../bin/grevy');

/** Stands for a room with state of its own. */
interface Toy {
  values: Map<string, string>;
  made: number;
  finished: number;
  log: string[];
}

const LINE = `${'x'.repeat(99)}\n`;

const toyCommands: CommandSet<Toy> = commandSet<Toy>(
  'toy',
  [
    exec({
      syntax: 'show long (1-10000000)$lines',
      help: ['Show', 'Many lines', 'How many'],
      *run(toy, args) {
        try {
          for (let i = 0; i < args.lines; i++) {
            toy.made++;
            yield LINE;
          }
        } finally {
          toy.finished++;
        }
      },
    }),
    exec({ syntax: 'show toy json', help: ['Show', 'Toy', 'JSON'], run: toy => Object.fromEntries(toy.values) }),
    exec({
      syntax: 'show broken',
      help: ['Show', 'Breaks half way'],
      *run() {
        yield 'half\n';
        throw new CommandError('% the other half is missing');
      },
    }),
    config({
      mode: 'configure',
      syntax: 'toy WORD$name',
      help: ['Toy', 'Name'],
      opens: 'toy',
      apply: (toy, args) => {
        if (args.name === 'bad') throw new CommandError('% bad is not a name');
        toy.log.push(`+${args.name}`);
      },
      remove: (toy, args) => {
        toy.log.push(`-${args.name}`);
      },
    }),
    config({
      mode: 'toy',
      syntax: 'value WORD$value',
      help: ['Value', 'Its text'],
      key: () => 'value',
      apply: (toy, args, context) => {
        toy.values.set(context[0]?.['name'] as string, args.value);
      },
      remove: (toy, _args, context) => {
        toy.values.delete(context[0]?.['name'] as string);
      },
    }),
  ],
  [{ name: 'toy', prompt: '(config-toy)', parent: 'configure' }],
);

function newToy(): Toy {
  return { values: new Map(), made: 0, finished: 0, log: [] };
}

void describe('vty service', () => {
  const directory = temporaryDirectory();
  const configFile = join(directory, 'grevy.conf');
  let toy = newToy();
  let owner: Owner | undefined;
  let service: VtyService;
  let path = '';

  const startToy = (): void => {
    toy = newToy();
    const handler = commandHandler(toyCommands, toy, { tables: () => ({ values: toy.values.size }) });
    // Through a structured clone, as between threads.
    owner = { request: async message => structuredClone(await handler(structuredClone(message))) };
  };

  before(async () => {
    startToy();
    service = new VtyService({
      runDir: directory,
      configFile,
      version: '1.2.3',
      commands: [mainCommands, toyCommands],
      thread: name => (name === 'toy' ? owner : undefined),
      threads: () => [{ name: 'toy', state: 'running', restarts: 0 }],
    });
    path = await service.listen();
  });
  after(async () => {
    await service.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function run(client: VtyClient, line: string): Promise<string> {
    let text = '';
    const ended = await client.execute(line, piece => {
      text += piece;
    });
    return ended.ok ? text : `${text}${ended.error}`;
  }

  async function session<T>(work: (client: VtyClient) => Promise<T>): Promise<T> {
    const client = await VtyClient.connect(path);
    try {
      return await work(client);
    } finally {
      client.close();
    }
  }

  void test('the socket is for owner and group only, and a second daemon does not take it', async () => {
    assert.equal(statSync(path).mode & 0o777, 0o660);
    const second = new VtyService({ runDir: directory, version: '', thread: () => undefined, threads: () => [] });
    await assert.rejects(second.listen(), /another daemon/);
  });

  void test('lines typed in modes reach their owner, and the tree holds what the owner took', () =>
    session(async client => {
      await run(client, 'hostname r1');
      assert.equal(await run(client, 'conf t'), '');
      assert.match(client.prompt, /\(config\)# $/);
      assert.equal(await run(client, 'hostname r1'), '');
      assert.equal(client.prompt, 'r1(config)# ');
      assert.equal(await run(client, 'toy a'), '');
      assert.equal(client.prompt, 'r1(config-toy)# ');
      assert.equal(await run(client, 'value one'), '');
      assert.equal(await run(client, 'do show toy json'), '{\n  "a": "one"\n}\n');
      assert.equal(await run(client, 'toy bad'), '% bad is not a name');
      assert.equal(await run(client, 'show running-config no-header'), 'hostname r1\n!\ntoy a\n value one\nexit\n!\n');
      assert.equal(await run(client, 'end'), '');
      assert.equal(client.prompt, 'r1# ');
      assert.deepEqual(toy.log, ['+a']);
    }));

  void test('a block that another session removes is noticed', () =>
    session(async one => {
      for (const line of ['conf t', 'toy gone']) await run(one, line);
      await session(async two => {
        for (const line of ['conf t', 'no toy gone']) assert.equal(await run(two, line), '');
      });
      assert.match(await run(one, 'value x'), /was removed/);
    }));

  void test('a thread that starts anew is told everything again', async () => {
    startToy();
    assert.deepEqual(await service.replay('toy'), []);
    assert.deepEqual(toy.log, ['+a']);
    assert.equal(toy.values.get('a'), 'one');
  });

  void test('while its thread is down a line is refused, and not stored', () =>
    session(async client => {
      const mine = owner;
      owner = undefined;
      await run(client, 'conf t');
      assert.equal(await run(client, 'toy lost'), '% toy is not running');
      owner = mine;
      assert.doesNotMatch(await run(client, 'do show running-config'), /lost/);
    }));

  void test('write saves atomically and keeps the file before', () =>
    session(async client => {
      writeFileSync(configFile, 'hostname before\n', { mode: 0o600 });
      assert.equal(
        await run(client, 'write'),
        `Building Configuration...\nIntegrated configuration saved to ${configFile}\n[OK]\n`,
      );
      assert.equal(readFileSync(configFile, 'utf8'), 'hostname r1\n!\ntoy a\n value one\nexit\n!\n');
      assert.equal(readFileSync(`${configFile}.sav`, 'utf8'), 'hostname before\n');
      assert.equal(statSync(configFile).mode & 0o777, 0o600);
    }));

  void test('a file that is not understood changes nothing; a good one is applied as the difference', async () => {
    const problems = await service.load('hostname r2\ntoy a\n value\n', 'new.conf');
    assert.deepEqual(problems, [{ file: 'new.conf', line: 3, message: "more words are missing after 'value'" }]);
    assert.match(service.configuration.tree.text, /hostname r1/);
    toy.log.length = 0;
    assert.deepEqual(await service.load('hostname r1\ntoy a\n value two\nexit\ntoy b\n', 'new.conf'), []);
    assert.deepEqual(toy.log, ['+b'], 'what stays is not touched');
    assert.equal(toy.values.get('a'), 'two');
  });

  void test('output is filtered as FRR does', () =>
    session(async client => {
      assert.equal(await run(client, 'show running-config | include toy'), 'toy a\ntoy b\n');
      assert.equal(await run(client, 'show running-config | section toy a'), 'toy a\n value two\n');
      assert.equal(await run(client, 'show running-config | count ^toy'), '2\n');
      assert.equal(await run(client, 'show running-config no-header | begin toy b'), 'toy b\nexit\n!\n');
      assert.match(await run(client, 'show running-config | include ('), /^% Not a regular expression/);
      assert.match(await run(client, 'show running-config | foo x'), /^% Unknown filter/);
    }));

  void test('an error after half of the text comes after that half', () =>
    session(async client => {
      assert.equal(await run(client, 'show broken'), 'half\n% the other half is missing\n');
    }));

  void test('a million lines arrive whole', () =>
    session(async client => {
      let length = 0;
      await client.execute('show long 1000000', text => {
        length += text.length;
      });
      assert.equal(length, 1_000_000 * LINE.length);
    }));

  void test('a reader that stops holds the command back, and one that goes away ends it', async () => {
    const finished = toy.finished;
    toy.made = 0;
    const socket = net.connect(path);
    await new Promise(done => socket.once('connect', done));
    socket.write(`${JSON.stringify({ id: 1, op: 'execute', line: 'show long 10000000' })}\n`);
    socket.pause();
    // Until two looks in a row see the same: what the sockets' buffers take, and not a line more.
    let seen = -1;
    await until(
      () => {
        const same = toy.made === seen && seen > 0;
        seen = toy.made;
        return same;
      },
      { everyMs: 200, what: () => `the command to stand still, it made ${toy.made} lines` },
    );
    assert.ok(toy.made * LINE.length < 2_000_000, `${toy.made} lines were made for nobody`);
    socket.destroy();
    await until(() => toy.finished > finished, { what: 'the command to be closed' });
  });

  void test('an interrupt ends the command, and the session goes on', () =>
    session(async client => {
      const finished = toy.finished;
      let pieces = 0;
      const ended = await client.execute('show long 10000000', () => {
        if (++pieces === 3) client.interrupt();
      });
      assert.equal(ended.ok, true);
      assert.ok(toy.made < 9_000_000);
      assert.equal(toy.finished, finished + 1);
      assert.match(await run(client, 'show version'), /^Grevy 1\.2\.3 \(r1\)/);
    }));

  void test('a long command of one session does not hold up another', () =>
    session(slow =>
      session(async quick => {
        const long = slow.execute('show long 10000000', () => {});
        let over = false;
        void long.finally(() => (over = true));
        for (let i = 0; i < 10; i++) assert.match(await run(quick, 'show version'), /Grevy/);
        assert.ok(!over, 'ten short commands went by while the long one ran');
        slow.interrupt();
        await long;
      }),
    ));

  void test('completion offers what may come, in this mode', () =>
    session(async client => {
      const offered = async (line: string) => (await client.complete(line)).candidates.map(c => c.text);
      assert.deepEqual(await offered('show ru'), ['running-config']);
      assert.deepEqual(await offered('show running-config '), ['no-header', '<cr>', '|']);
      assert.deepEqual(await offered('show version | in'), ['include']);
      await run(client, 'conf t');
      await run(client, 'toy a');
      assert.deepEqual(await offered(''), ['end', 'exit', 'find', 'list', 'no', 'quit', 'value', 'do']);
      assert.deepEqual(await offered('do show ver'), ['version']);
    }));

  void test('garbage ends its session and no other', async () => {
    const socket = net.connect(path);
    socket.setEncoding('utf8');
    let text = '';
    socket.on('data', piece => {
      text += String(piece);
    });
    socket.write('GET / HTTP/1.1\r\n');
    await new Promise(done => socket.once('close', done));
    assert.match(text, /Not a request/);
    await session(async client => assert.match(await run(client, 'show version'), /Grevy/));
  });

  void test('show memory and show event cpu ask every thread', () =>
    session(async client => {
      const memory = JSON.parse(await run(client, 'show memory json')) as {
        threads: Record<string, { tables: object }>;
      };
      assert.deepEqual(Object.keys(memory.threads), ['main', 'toy']);
      assert.deepEqual(memory.threads['toy']?.tables, { values: 1 });
      assert.match(await run(client, 'show event cpu'), /pthread toy/);
      assert.deepEqual(JSON.parse(await run(client, 'show threads json')).toy, { state: 'running', restarts: 0 });
    }));

  // ---- grevy sh ---------------------------------------------------------------------------------------------------

  function sh(args: readonly string[], input = ''): Promise<{ code: number; stdout: string; stderr: string }> {
    return new Promise(done => {
      const child = execFile(
        GREVY,
        ['sh', '--run-dir', directory, ...args],
        { timeout: 20_000 },
        (error, stdout, stderr) =>
          done({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr }),
      );
      child.stdin?.end(input);
    });
  }

  void test('sh -c prints exactly what the command prints, and stops at the first that fails', async () => {
    assert.deepEqual(await sh(['-c', 'show toy json']), { code: 0, stdout: '{\n  "a": "two"\n}\n', stderr: '' });
    assert.deepEqual(await sh(['-c', 'show toy json', '-c', 'nonsense', '-c', 'show toy json']), {
      code: 1,
      stdout: '{\n  "a": "two"\n}\n',
      stderr: '% Unknown command: nonsense\n',
    });
    assert.equal((await sh(['-c', 'conf t', '-c', 'toy a', '-c', 'value three'])).code, 0);
    assert.equal(toy.values.get('a'), 'three');
  });

  void test('sh runs the lines of its standard input', async () => {
    const { code, stdout, stderr } = await sh([], 'show toy json\nnonsense\nshow running-config | include hostname\n');
    assert.equal(stdout, '{\n  "a": "three"\n}\nhostname r1\n');
    assert.equal(stderr, 'line 2: % Unknown command: nonsense\n');
    assert.equal(code, 1);
  });

  void test('sh says where it looked when no daemon answers', async () => {
    const { code, stderr } = await sh(['--run-dir', join(directory, 'nobody'), '-c', 'show version']);
    assert.equal(code, 1);
    assert.match(stderr, /nobody\/vty\.sock: no daemon answers/);
  });

  void test('sh ends quietly when its reader has seen enough', async () => {
    const child = spawn('sh', ['-c', `'${GREVY}' sh --run-dir '${directory}' -c 'show long 10000000' | head -1`]);
    let text = '';
    child.stdout.on('data', piece => {
      text += String(piece);
    });
    let complaint = '';
    child.stderr.on('data', piece => {
      complaint += String(piece);
    });
    await new Promise(done => child.once('close', done));
    assert.equal(text, LINE);
    assert.equal(complaint, '');
  });
});
