import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { VtyClient } from '../../src/cli/shell/client.ts';
import { columns, commonStart, describe as describeCandidates, interactive } from '../../src/cli/shell/interactive.ts';
import { LineEditor } from '../../src/cli/shell/line-editor.ts';
import { VtyService } from '../../src/daemon/vty-service.ts';
import { temporaryDirectory } from '../lib/temporary.ts';
import { until } from '../lib/wait.ts';

/** A terminal that remembers what was written to it, and what its screen would show. */
class FakeTerminal {
  readonly input = new PassThrough();
  readonly output: Writable & { columns: number; rows: number };
  written = '';
  /** Lines of the screen with all that has scrolled away. */
  lines: string[] = [''];
  #row = 0;
  #column = 0;

  constructor(columns: number, rows: number) {
    const output = new Writable({
      decodeStrings: false,
      write: (chunk: string, _encoding, done) => {
        this.written += chunk;
        this.#show(chunk);
        done();
      },
    });
    this.output = Object.assign(output, { columns, rows });
  }

  type(text: string): void {
    this.input.write(text);
  }

  get screen(): string {
    return this.lines.join('\n').trimEnd();
  }

  /** The few sequences that the shell uses. */
  #show(text: string): void {
    // oxlint-disable-next-line no-control-regex
    for (const [piece] of text.matchAll(/\x1b\[\d*[A-Z]|[\r\n]|[^\x1b\r\n]/g)) {
      // oxlint-disable-next-line no-control-regex
      const move = /^\x1b\[(\d*)([A-Z])$/.exec(piece);
      if (move) {
        const n = Number(move[1] || 1);
        if (move[2] === 'A') this.#row -= n;
        else if (move[2] === 'C') this.#column += n;
        else if (move[2] === 'J') {
          this.lines.length = this.#row + 1;
          this.lines[this.#row] = (this.lines[this.#row] ?? '').slice(0, this.#column);
        }
      } else if (piece === '\r') this.#column = 0;
      else if (piece === '\n') this.#newLine();
      else {
        if (this.#column === this.output.columns) {
          this.#newLine();
          this.#column = 0;
        }
        const line = (this.lines[this.#row] ?? '').padEnd(this.#column);
        this.lines[this.#row] = line.slice(0, this.#column) + piece + line.slice(this.#column + 1);
        this.#column++;
      }
    }
  }

  #newLine(): void {
    this.#row++;
    while (this.lines.length <= this.#row) this.lines.push('');
  }
}

void describe('the shell on a terminal', () => {
  const directory = temporaryDirectory();
  let service: VtyService;
  let path = '';

  before(async () => {
    service = new VtyService({ runDir: directory, version: '1', thread: () => undefined, threads: () => [] });
    path = await service.listen();
    assert.deepEqual(
      await service.load('hostname r1\nlog syslog informational\nline vty\n exec-timeout 0 0\n', 'x'),
      [],
    );
  });
  after(async () => {
    await service.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function shell(
    work: (terminal: FakeTerminal, see: (text: string | RegExp) => Promise<unknown>) => Promise<void>,
    size: [number, number] = [80, 24],
  ): Promise<number> {
    const client = await VtyClient.connect(path);
    const terminal = new FakeTerminal(...size);
    const code = interactive(client, terminal);
    const see = (text: string | RegExp): Promise<unknown> =>
      until(() => (typeof text === 'string' ? terminal.screen.includes(text) : text.test(terminal.screen)), {
        timeoutMs: 5000,
        what: () => `${text} on the screen:\n${terminal.screen}`,
      });
    try {
      await see(/# ?$/);
      await work(terminal, see);
    } finally {
      client.close();
    }
    return code;
  }

  void test('lines run, modes change the prompt, exit ends', async () => {
    const code = await shell(async (terminal, see) => {
      terminal.type('show running-config no-header\r');
      await see('exec-timeout 0 0');
      terminal.type('conf t\rline vty\r');
      await see(/r1\(config-line\)#$/);
      terminal.type('\x1a');
      await see(/\nr1#$/);
      terminal.type('nonsense\r');
      await see('% Unknown command: nonsense');
      terminal.type('exit\r');
      await until(() => terminal.input.isPaused(), { what: 'the end' });
    });
    assert.equal(code, 0);
  });

  void test('? shows help and keeps the line; Tab completes what is certain', () =>
    shell(async (terminal, see) => {
      terminal.type('show ?');
      await see(/running-config +Current operating configuration/);
      await see(/\nr1# show$/);
      terminal.type('runn\t');
      await see(/\nr1# show running-config$/);
      terminal.type('no\t\r');
      await see('exec-timeout');
      assert.doesNotMatch(terminal.screen, /Building/);
    }).then(() => {}));

  void test('Tab lists the choices after their common beginning', () =>
    shell(async (terminal, see) => {
      terminal.type('show th\t');
      await see(/r1# show thread$/);
      terminal.type('\t');
      await see(/\nthread +threads\nr1# show thread$/);
    }).then(() => {}));

  void test('history goes up and down, and comes back to the line being written', () =>
    shell(async (terminal, see) => {
      terminal.type('show version\r');
      await see('Node v');
      terminal.type('half');
      await see(/r1# half$/);
      terminal.type('\x1b[A');
      await see(/r1# show version$/);
      terminal.type('\x1b[B');
      await see(/r1# half$/);
      terminal.type('\x03');
      await see(/half\^C\nr1#$/);
    }).then(() => {}));

  void test('a line longer than the screen is edited across its rows', () =>
    shell(
      async (terminal, see) => {
        const words = 'show abcdefghij klmnopqrst uvwxyz';
        terminal.type(words);
        await until(() => terminal.lines.join('').endsWith(words), { what: () => terminal.screen });
        terminal.type('\x01X');
        await until(() => terminal.lines.join('').endsWith(`r1# X${words}`), { what: () => terminal.screen });
        terminal.type('\x0b\x15');
        await see(/r1#$/);
        assert.equal(terminal.lines.length, 1);
      },
      [20, 24],
    ).then(() => {}));

  void test('a long text stops at each screen, and q ends it', () =>
    shell(
      async (terminal, see) => {
        terminal.type('list\r');
        await see(/--More--$/);
        assert.equal(terminal.lines.length, 11, 'the line typed, nine of text, and the question');
        terminal.type('\r');
        await until(() => terminal.lines.length === 12, { what: 'one line more' });
        terminal.type('q');
        await see(/\nr1#$/);
        terminal.type('terminal length 0\rlist\r');
        await see(/write terminal\nr1#$/);
      },
      [80, 10],
    ).then(() => {}));

  void test('keys typed while a command runs are not lost', () =>
    shell(async (terminal, see) => {
      terminal.type('show version\rshow threads\rconf t\rhostname r1\r');
      await see(/r1\(config\)# hostname r1\nr1\(config\)#$/);
    }).then(() => {}));
});

void test('editing keys', () => {
  const editor = new LineEditor();
  for (const c of 'show ip route') editor.key(c, { name: c });
  editor.key(undefined, { name: 'w', ctrl: true });
  assert.equal(editor.text, 'show ip ');
  editor.key(undefined, { name: 'a', ctrl: true });
  editor.key(undefined, { name: 'y', ctrl: true });
  assert.equal(editor.text, 'routeshow ip ');
  editor.key(undefined, { name: 'd', ctrl: true });
  assert.equal(editor.text, 'routehow ip ');
  editor.key(undefined, { name: 'e', ctrl: true });
  editor.key(undefined, { name: 'backspace' });
  assert.equal(editor.text, 'routehow ip');
  assert.equal(editor.key('?', {}), 'help');
  editor.key(undefined, { name: 'v', ctrl: true });
  editor.key('?', {});
  assert.equal(editor.text, 'routehow ip?');
});

void test('texts for the screen', () => {
  assert.equal(commonStart(['running', 'run', 'rune']), 'run');
  assert.equal(columns(['a', 'bbb', 'cc'], 11), 'a    bbb\ncc\n');
  assert.equal(
    describeCandidates([
      { text: 'json', help: 'JSON', keyword: true },
      { text: '<cr>', help: '', keyword: false },
    ]),
    '  json  JSON\n  <cr>\n',
  );
});

void describe('grevy check', () => {
  const GREVY: string = resolve(import.meta.dirname, '../../bin/grevy');
  const directory = temporaryDirectory();
  after(() => rmSync(directory, { recursive: true, force: true }));

  function check(text: string): Promise<{ code: number; stdout: string; stderr: string }> {
    const file = join(directory, 'x.conf');
    writeFileSync(file, text);
    return new Promise(done => {
      execFile(GREVY, ['check', '-c', file], (error, stdout, stderr) =>
        done({
          code: typeof error?.code === 'number' ? error.code : 0,
          stdout: stdout.replaceAll(directory, ''),
          stderr: stderr.replaceAll(directory, ''),
        }),
      );
    });
  }

  void test('names file, line and words of what it does not understand', async () => {
    const { code, stderr } = await check('hostname r1\n!\nhostnam\nlog sysl info\nfoo bar\n');
    assert.equal(code, 1);
    assert.match(stderr, /^\/x\.conf:3: error: more words are missing after 'hostnam'$/m);
    assert.match(stderr, /^\/x\.conf:5: error: not understood: 'foo bar'$/m);
  });

  void test('accepts the housekeeping lines of a real frr.conf', async () => {
    const text = `frr version 8.4.4
frr defaults traditional
hostname r1
log syslog informational
log file /var/log/frr/frr.log debugging
log timestamp precision 3
no ipv6 forwarding
service integrated-vtysh-config
password zebra
enable password 8 abc
!
line vty
 exec-timeout 0 0
 no login
!
end
`;
    assert.deepEqual(await check(text), { code: 0, stdout: '/x.conf: no errors\n', stderr: '' });
  });
});
