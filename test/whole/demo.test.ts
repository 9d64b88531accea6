// `npm start -- --once` as a user runs it: as root, as somebody without privileges, and interrupted.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { after, describe, test } from 'node:test';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const GREVY: string = resolve(import.meta.dirname, '../../bin/grevy');
const NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--'];
const PROVED = /BGP routes of r2's kernel: 100000/;

/** Processes with this word in their environment, which is how what the demo leaves can be told from everything else. */
function marked(mark: string): string[] {
  const has = (pid: string): boolean => {
    try {
      return readFileSync(join('/proc', pid, 'environ'), 'latin1').includes(mark);
    } catch {
      return false;
    }
  };
  return readdirSync('/proc').filter(name => /^\d+$/.test(name) && has(name));
}

const hostInterfaces = (): string => execFileSync('ip', ['-o', 'link'], { encoding: 'utf8' });

describe('the demo', () => {
  const lab = new Lab();
  after(() => lab.close());

  interface Run {
    child: ChildProcess;
    output: () => string;
    /** Resolves when it has ended, and fails where it left anything behind. */
    ended: () => Promise<void>;
  }

  /** Starts it in a process group of its own, as a terminal does, with a directory of its own for temporary files. */
  async function start(argv: readonly string[] = []): Promise<Run> {
    const temporary = join(await lab.directory(), 'tmp');
    await mkdir(temporary);
    chmodSync(temporary, 0o1777);
    const before = hostInterfaces();
    const [command, ...args] = [...argv, GREVY, 'demo', '--once'];
    const child = lab.spawn('env', [`TMPDIR=${temporary}`, 'HOME=/tmp', command!, ...args], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    child.stdout?.on('data', chunk => (text += String(chunk)));
    child.stderr?.on('data', chunk => (text += String(chunk)));
    return {
      child,
      output: () => text,
      async ended() {
        await until(() => child.exitCode !== null || child.signalCode !== null, {
          timeoutMs: 60_000,
          what: () => `its end; ${text}`,
        });
        await until(() => marked(`TMPDIR=${temporary}`).length === 0, {
          what: () =>
            `processes gone: ${execFileSync('ps', ['-f', '-p', marked(`TMPDIR=${temporary}`).join()]).toString()}`,
        });
        assert.deepEqual(readdirSync(temporary), [], 'files left');
        assert.equal(hostInterfaces(), before, 'interfaces of the host');
      },
    };
  }

  test('moves 100,000 routes from one kernel to another and ends with 0', async () => {
    const demo = await start();
    await demo.ended();
    assert.equal(demo.child.exitCode, 0, demo.output());
    assert.match(demo.output(), PROVED);
  });

  test('works without privileges in a user namespace, or says which setting forbids it', async () => {
    const demo = await start(NOBODY);
    await demo.ended();
    if (demo.child.exitCode === 0) assert.match(demo.output(), PROVED);
    else assert.match(demo.output(), /Forbidden here: .*(sysctl|unshare says)/);
  });

  const moments = [/building/, /giving/, /starting/, /in r2's kernel +[1-9]/];
  for (const moment of moments) {
    test(`Ctrl-C at "${moment.source}" leaves no process, interface or file behind`, async () => {
      const demo = await start();
      await until(() => moment.test(demo.output()) || demo.child.exitCode !== null, {
        timeoutMs: 60_000,
        everyMs: 2,
        what: demo.output,
      });
      assert.equal(demo.child.exitCode, null, demo.output());
      process.kill(-demo.child.pid!, 'SIGINT');
      await demo.ended();
      assert.equal(demo.child.exitCode, 130, demo.output());
    });
  }

  test('SIGTERM to it alone, while a step is under way, ends that step, too', async () => {
    const demo = await start();
    await until(() => /giving/.test(demo.output()) || demo.child.exitCode !== null, {
      timeoutMs: 60_000,
      everyMs: 2,
      what: demo.output,
    });
    demo.child.kill('SIGTERM');
    await demo.ended();
    assert.equal(demo.child.exitCode, 143, demo.output());
  });

  test('Ctrl-C reaches it inside its user namespace, too', async () => {
    const demo = await start(NOBODY);
    await until(() => /starting/.test(demo.output()) || demo.child.exitCode !== null, {
      timeoutMs: 60_000,
      what: demo.output,
    });
    process.kill(-demo.child.pid!, 'SIGINT');
    await demo.ended();
  });

  for (const who of [[], NOBODY]) {
    test(`kill -9 leaves nothing either${who.length > 0 ? ', without privileges' : ''}`, async () => {
      const demo = await start(who);
      await until(() => /starting/.test(demo.output()) || demo.child.exitCode !== null, {
        timeoutMs: 60_000,
        what: demo.output,
      });
      demo.child.kill('SIGKILL');
      await demo.ended();
    });
  }
});
