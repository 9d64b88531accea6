// A small network on one machine, for the demo and for tests. Each namespace is held by a process of ours and has no name:
// when we end, however we end, the kernel takes the holder (parent-death signal) and with it the namespace, its interfaces
// and its routes. What the kernel does not take, the janitor does.
//
//   const lab = new Lab();
//   const r1 = await lab.namespace('r1');
//   await lab.link(r1, 'eth0', r2, 'eth0');
//   await r1.run('ip', 'addr', 'add', '10.0.0.1/24', 'dev', 'eth0');
//   ...
//   await lab.close();
import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process';
import { mkdirSync, readlinkSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MARK, startJanitor } from './janitor.ts';
import { until } from './until.ts';

export class Namespace {
  readonly name: string;
  /** Process id of the holder; `/proc/PID/ns/net` is the namespace. */
  readonly pid: number;
  readonly #lab: Lab;

  constructor(lab: Lab, name: string, pid: number) {
    this.#lab = lab;
    this.name = name;
    this.pid = pid;
  }

  get path(): string {
    return `/proc/${this.pid}/ns/net`;
  }

  /** Command line that runs `argv` inside. */
  wrap(argv: readonly string[]): [string, string[]] {
    return ['nsenter', [`--net=${this.path}`, '--', ...argv]];
  }

  /** Runs a command to its end and gives its standard output; rejects with what it said when it fails. */
  run(...argv: string[]): Promise<string> {
    const [command, args] = this.wrap(argv);
    return runCommand('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args]);
  }

  /** `ip -j …` parsed. */
  async ipJson<T = Record<string, unknown>[]>(...argv: string[]): Promise<T> {
    const text = await this.run('ip', '-j', '-d', ...argv);
    return JSON.parse(text.trim() === '' ? '[]' : text) as T;
  }

  /** Starts a process inside; the lab ends it when it closes. */
  spawn(argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const [command, args] = this.wrap(argv);
    return this.#lab.spawn(command, args, options);
  }
}

export class Lab {
  readonly #children: Set<ChildProcess> = new Set();
  /** All that the lab writes is below; it also is the mark of its processes. */
  readonly #root: string = join(tmpdir(), `grevy-lab-${randomUUID().slice(0, 8)}`);
  #directories = 0;
  #dismissJanitor: (() => void) | undefined;
  readonly namespaces: Namespace[] = [];

  /** A new empty namespace with `lo` up. */
  async namespace(name: string): Promise<Namespace> {
    const own = readlinkSync('/proc/self/ns/net');
    const holder = this.spawn('unshare', ['--net', '--', 'sleep', 'infinity'], { stdio: 'ignore' });
    const pid = holder.pid;
    if (pid === undefined) throw new Error('unshare did not start');
    await until(
      () => {
        try {
          return readlinkSync(`/proc/${pid}/ns/net`) !== own;
        } catch {
          return false;
        }
      },
      { what: `a network namespace for ${name}`, everyMs: 2 },
    );
    const namespace = new Namespace(this, name, pid);
    this.namespaces.push(namespace);
    await namespace.run('ip', 'link', 'set', 'lo', 'up');
    return namespace;
  }

  /** A veth pair between two namespaces, both ends up. */
  async link(a: Namespace, aName: string, b: Namespace, bName: string): Promise<void> {
    await a.run('ip', 'link', 'add', aName, 'type', 'veth', 'peer', 'name', bName, 'netns', String(b.pid));
    await a.run('ip', 'link', 'set', aName, 'up');
    await b.run('ip', 'link', 'set', bName, 'up');
  }

  /** A directory that goes with the lab. */
  async directory(): Promise<string> {
    if (this.#closed) throw new Error('the lab is closed');
    this.#dismissJanitor ??= startJanitor(this.#root);
    const path = join(this.#root, String(++this.#directories));
    // At once: made in the background, it could come after `close` has removed what there was.
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Nothing is started any more. */
  #closed = false;

  /** Starts a process that dies with this one (PR_SET_PDEATHSIG) and is ended by `close`. */
  spawn(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    if (this.#closed) throw new Error('the lab is closed');
    this.#dismissJanitor ??= startJanitor(this.#root);
    const env = { ...(options.env ?? process.env), [MARK]: this.#root };
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args], { ...options, env });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  /** Ends one process: SIGTERM, then SIGKILL after `graceMs`. */
  async stop(child: ChildProcess, graceMs = 3000): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>(resolve => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    await gone;
    clearTimeout(timer);
  }

  /** Ends every process, and removes the directories. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#children].toReversed().map(child => this.stop(child, 1500)));
    await rm(this.#root, { recursive: true, force: true });
    this.#dismissJanitor?.();
    this.#dismissJanitor = undefined;
  }
}

/** Runs a command to its end; resolves with standard output, rejects with both outputs. */
export function runCommand(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${command} ${args.join(' ')}: ${stderr || stdout || error.message}`));
      else resolve(stdout);
    });
  });
}
