// `npm start -- --once` as a user runs it: as root, as somebody without privileges, and interrupted.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { after, describe, test } from 'node:test';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const ROOT: string = resolve(import.meta.dirname, '../..');
const proved = (count: number): RegExp => new RegExp(`BGP routes of r2's kernel: ${count}\\n`);
/** Where it is not about the number of routes. */
const FEW = 2000;
/** In a chroot, where user namespaces are forbidden anyway, MOUNTED may be the first that fails. */
const FORBIDDEN = /Forbidden here: .*(sysctl|unshare says)|cannot change root filesystem propagation/;
/** Shows a directory in another place to a command, and to nobody else. */
const MOUNTED = ['unshare', '--mount', '--', 'sh', '-ec', 'mount --bind "$1" "$2"; shift 2; exec "$@"', 'sh'];
const UNPRIVILEGED = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--'];

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
  async function start({
    privileged = true,
    routes = FEW,
  }: {
    privileged?: boolean;
    routes?: number | 'all';
  } = {}): Promise<Run> {
    const directory = await lab.directory();
    const [temporary, checkout] = [join(directory, 'tmp'), join(directory, 'checkout')];
    await Promise.all([mkdir(temporary), mkdir(checkout)]);
    chmodSync(temporary, 0o1777);
    const before = hostInterfaces();
    // A checkout below /root is nothing that others can read.
    const as = privileged ? [] : [...MOUNTED, ROOT, checkout, ...UNPRIVILEGED];
    const argv = [
      ...as,
      join(privileged ? ROOT : checkout, 'bin/grevy'),
      'demo',
      '--once',
      ...(routes === 'all' ? [] : ['--routes', String(routes)]),
    ];
    const child = lab.spawn('env', [`TMPDIR=${temporary}`, 'HOME=/tmp', ...argv], {
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
    const demo = await start({ routes: 'all' });
    await demo.ended();
    assert.equal(demo.child.exitCode, 0, demo.output());
    assert.match(demo.output(), proved(100_000));
  });

  test('works without privileges in a user namespace, or says which setting forbids it', async () => {
    const demo = await start({ privileged: false });
    await demo.ended();
    assert.match(demo.output(), demo.child.exitCode === 0 ? proved(FEW) : FORBIDDEN);
  });

  const moments: [RegExp, number | 'all'][] = [
    [/building/, FEW],
    [/giving/, 'all'],
    [/starting/, FEW],
    [/in r2's kernel +[1-9]/, 20_000],
  ];
  for (const [moment, routes] of moments) {
    test(`Ctrl-C at "${moment.source}" leaves no process, interface or file behind`, async () => {
      const demo = await start({ routes });
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
    const demo = await start({ routes: 'all' });
    await until(() => /giving/.test(demo.output()) || demo.child.exitCode !== null, {
      timeoutMs: 60_000,
      everyMs: 2,
      what: demo.output,
    });
    demo.child.kill('SIGTERM');
    await demo.ended();
    assert.equal(demo.child.exitCode, 143, demo.output());
  });

  /** Waits until it is under way; false where it may not be. */
  async function underWay(demo: Run): Promise<boolean> {
    await until(() => /starting/.test(demo.output()) || demo.child.exitCode !== null, {
      timeoutMs: 60_000,
      what: demo.output,
    });
    if (demo.child.exitCode !== null) assert.match(demo.output(), FORBIDDEN);
    return demo.child.exitCode === null;
  }

  test('Ctrl-C reaches it inside its user namespace, too', async () => {
    const demo = await start({ privileged: false });
    if (await underWay(demo)) process.kill(-demo.child.pid!, 'SIGINT');
    await demo.ended();
  });

  for (const privileged of [true, false]) {
    test(`kill -9 leaves nothing either${privileged ? '' : ', without privileges'}`, async () => {
      const demo = await start({ privileged });
      if (await underWay(demo)) demo.child.kill('SIGKILL');
      await demo.ended();
    });
  }
});
