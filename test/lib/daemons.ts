// Real routers, started in a namespace as their users start them: Grevy from bin/grevy, FRR, BIRD, GoBGP, OpenBGPD and
// ExaBGP from Debian. Each is given its configuration text and resolves once its own shell answers.
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ask } from '../../src/cli/shell/client.ts';
import { askFrr, isPlainShow } from './frr-shell.ts';
import { type Lab, type Namespace, runCommand } from './netns.ts';
import { until } from './wait.ts';

const GREVY: string = resolve(import.meta.dirname, '../../bin/grevy');

export interface Daemon {
  pid: number;
  child: ChildProcess;
  directory: string;
  /** The end of what it printed. */
  output: () => string;
  /** Runs one command of its shell and gives what it prints. */
  sh: (command: string) => Promise<string>;
  /** SIGTERM, then SIGKILL when it does not end. */
  stop: (graceMs?: number) => Promise<void>;
  /** kill -9, and wait until it is gone. */
  kill: () => Promise<void>;
}

async function started(
  lab: Lab,
  child: ChildProcess,
  directory: string,
  sh: (command: string) => Promise<string>,
  hello: string,
  /** Where its shell connects: before that is there, asking would only take the daemon's processor. */
  socket?: string,
): Promise<Daemon> {
  let text = '';
  child.stdout?.on('data', chunk => (text = (text + String(chunk)).slice(-8000)));
  child.stderr?.on('data', chunk => (text = (text + String(chunk)).slice(-8000)));
  const gone = new Promise<void>(done => child.once('exit', () => done()));
  const daemon: Daemon = {
    pid: child.pid!,
    child,
    directory,
    output: () => text,
    sh,
    stop: (graceMs = 10_000) => lab.stop(child, graceMs),
    kill: async () => {
      child.kill('SIGKILL');
      await gone;
    },
  };
  await until(
    async () => {
      if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${text}`);
      if (socket !== undefined && !existsSync(socket)) return false;
      return (await sh(hello).catch(() => '')) !== '';
    },
    { timeoutMs: 120_000, what: () => `a daemon to answer; it printed:\n${text}` },
  );
  return daemon;
}

/** `grevy run`; pass the directory of an earlier one to start again on the same files. */
export async function startGrevy(
  lab: Lab,
  namespace: Namespace,
  configuration: string,
  {
    directory,
    args = [],
    rehearsal = false,
  }: {
    directory?: string;
    args?: readonly string[];
    /** As without tests; it is a second of CPU. */
    rehearsal?: boolean;
  } = {},
): Promise<Daemon> {
  const home = directory ?? (await lab.directory());
  const file = join(home, 'grevy.conf');
  writeFileSync(file, configuration);
  const runDir = join(home, 'run');
  const child = namespace.spawn([
    GREVY,
    'run',
    '-c',
    file,
    '--run-dir',
    runDir,
    ...(rehearsal ? [] : ['--no-rehearsal']),
    ...args,
  ]);
  // A process of the shell for each command would be most of the time that many tests take; cli.test.ts has those.
  const socket = join(runDir, 'vty.sock');
  const sh = (command: string): Promise<string> => ask(socket, ...command.split('\n'));
  return await started(lab, child, home, sh, 'show version', socket);
}

/** One FRR daemon. `zserv` is the ZAPI socket that it serves (zebra) or uses (the others). */
export async function startFrr(
  lab: Lab,
  namespace: Namespace,
  name: 'zebra' | 'bgpd' | 'staticd' | 'ldpd',
  configuration: string,
  { directory, zserv, args = [] }: { directory?: string; zserv?: string; args?: readonly string[] } = {},
): Promise<Daemon> {
  const home = directory ?? (await lab.directory());
  const sockets = join(home, 'vty');
  mkdirSync(sockets, { recursive: true });
  // Debian's FRR refuses to run as root: it drops to frr:frr, which must be able to write where its sockets are.
  await runCommand('chown', ['-R', 'frr:frr', home]);
  const file = join(home, `${name}.conf`);
  writeFileSync(file, configuration);
  const files = ['-f', file, '-i', join(home, `${name}.pid`), '--vty_socket', sockets];
  const child = namespace.spawn([`/usr/lib/frr/${name}`, ...files, '-z', zserv ?? join(home, 'zserv.api'), ...args]);
  const socket = join(sockets, `${name}.vty`);
  const sh = (command: string): Promise<string> =>
    isPlainShow(command)
      ? askFrr(socket, command)
      : runCommand('vtysh', ['--vty_socket', sockets, '-d', name, '-c', command]);
  return await started(lab, child, home, sh, 'show version', socket);
}

/** BIRD 2. */
export async function startBird(
  lab: Lab,
  namespace: Namespace,
  configuration: string,
  { directory }: { directory?: string } = {},
): Promise<Daemon> {
  const home = directory ?? (await lab.directory());
  const file = join(home, 'bird.conf');
  const socket = join(home, 'bird.ctl');
  writeFileSync(file, `log "${join(home, 'bird.log')}" { fatal, bug, error, warning };\n${configuration}`);
  const child = namespace.spawn(['bird', '-f', '-c', file, '-s', socket]);
  const sh = (command: string): Promise<string> => runCommand('birdc', ['-s', socket, ...command.split(' ')]);
  return await started(lab, child, home, sh, 'show status', socket);
}

/** GoBGP; the configuration is its TOML. */
export async function startGobgp(
  lab: Lab,
  namespace: Namespace,
  configuration: string,
  args: readonly string[] = [],
): Promise<Daemon> {
  const home = await lab.directory();
  const file = join(home, 'gobgpd.toml');
  writeFileSync(file, configuration);
  const child = namespace.spawn(['gobgpd', '-f', file, '--log-level=error', '--pprof-disable', ...args]);
  const sh = (command: string): Promise<string> => namespace.run('gobgp', ...command.split(' '));
  return await started(lab, child, home, sh, 'global');
}

/** OpenBGPD; its bgpd has the name of FRR's, and another place. */
export async function startOpenbgpd(lab: Lab, namespace: Namespace, configuration: string): Promise<Daemon> {
  const home = await lab.directory();
  const file = join(home, 'bgpd.conf');
  const socket = join(home, 'bgpd.sock');
  writeFileSync(file, `fib-update no\nsocket "${socket}"\n${configuration}`, { mode: 0o600 });
  // Its processes lock themselves up in their user's home, which the system makes when it boots.
  const passwd = await runCommand('getent', ['passwd', '_openbgpd']);
  mkdirSync(passwd.split(':')[5]!, { recursive: true });
  const child = namespace.spawn(['/usr/sbin/bgpd', '-d', '-f', file]);
  const sh = (command: string): Promise<string> => runCommand('bgpctl', ['-s', socket, ...command.split(' ')]);
  return await started(lab, child, home, sh, 'show summary', socket);
}

/**
 * ExaBGP, whose `process seen` gets what arrives, as JSON. It has no shell: every command gives what has been seen so far. `bind`: where it
 * waits for connections.
 */
export async function startExabgp(
  lab: Lab,
  namespace: Namespace,
  configuration: string,
  bind: string,
): Promise<Daemon> {
  const home = await lab.directory();
  const file = join(home, 'exabgp.conf');
  const seen = join(home, 'seen');
  writeFileSync(seen, '');
  // Its output stays open, or ExaBGP takes it for dead.
  writeFileSync(join(home, 'seen.sh'), `#!/bin/sh\ncat >> ${seen}\n`, { mode: 0o755 });
  writeFileSync(file, `process seen { run ${join(home, 'seen.sh')}; encoder json; }\n${configuration}`);
  const settings = ['daemon.user=root', 'daemon.drop=false', 'api.cli=false', 'log.level=WARNING', `tcp.bind=${bind}`];
  const child = namespace.spawn(['env', ...settings.map(one => `exabgp.${one}`), 'exabgp', file]);
  // It says of itself that it is there when it has begun its process.
  const sh = async (): Promise<string> => readFileSync(seen, 'utf8') || ' ';
  return await started(lab, child, home, sh, '');
}
