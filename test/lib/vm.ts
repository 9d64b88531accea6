// Tests that need a kernel with more than the host's own: a virtual machine, emulated, that boots Debian's kernel (scripts/vm.sh)
// with the host's root as its root; what it writes there stays in its memory. One file is both sides of such a test:
//
//   describeInVm('routes of a VRF', { file: import.meta.filename, modules: ['vrf', 'dummy'] }, () => {
//     test('…', …);
//   });
//
// Run as any other test file, it boots the machine and runs itself there, and what its tests come to there is reported here.
// Two streams come out: the console, and a port on which each line is a JSON object.
import { cpSync, existsSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Lab } from './netns.ts';

const ROOT: string = resolve(import.meta.dirname, '../..');
const KERNEL: string = join(ROOT, '.cache/vm');
/** The environment variable that is set inside. */
const INSIDE = 'GREVY_IN_VM';
export const INSIDE_VM: boolean = process.env[INSIDE] !== undefined;
/** What our child says when no other machine runs any more. */
const OUR_TURN = 'grevy: our turn';
const CONSOLE_CHARS = 8000;
const VM_TEST_MS = 1_200_000;

/** What one test inside came to. */
export interface VmResult {
  /** Its name, after those of the suites around it. */
  test: string[];
  ok: boolean;
  /** What it took, there. */
  seconds: number;
  error?: string;
  skip?: string;
}

export interface VmOptions {
  /** Modules of the kernel; those that they need come along. */
  modules?: readonly string[];
  /** From the machine's start to its end. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

interface BootOptions extends VmOptions {
  /** One file more that is to be there, by its path from the project's root. */
  file?: string;
  /** A line of JSON came. */
  onMessage?: (message: object) => void;
  /** A line came on the console, since the machine is up. */
  onOutput?: (line: string) => void;
  /** The console is our terminal. */
  interactive?: boolean;
}

/**
 * Boots a machine, runs a script of the shell in it, and gives its exit status; the script starts in a compiled copy
 * of the project (vm/compile.ts). One machine runs at a time.
 */
export async function bootVm(script: string, options: BootOptions = {}): Promise<number> {
  const { file, modules = [], timeoutMs = 1_100_000, signal, interactive = false } = options;
  if (process.arch !== 'x64')
    throw new Error(`the virtual machine of the tests is an x86-64, and this is ${process.arch}`);
  if (!existsSync(KERNEL)) throw new Error('no kernel for a virtual machine yet: run `sh scripts/peers.sh`');
  const lab = new Lab();
  let console = '';
  let booted = false;
  let exit: number | undefined;
  let stopped: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  try {
    const files = await lab.directory();
    const load = modules.length === 0 ? '' : `modprobe -d ${quoted(KERNEL)} -a ${modules.join(' ')} || exit 1\n`;
    writeFileSync(join(files, 'script'), `${load}${script}\n`);
    cpSync(join(import.meta.dirname, 'vm/stage.sh'), join(files, 'stage.sh'));
    // Not needed inside, where it would take long to load.
    const { compileProject } = await import('./vm/compile.ts');
    await compileProject(ROOT, join(files, 'project'), file);
    const child = lab.spawn('flock', [...turn(), ...machine(files, interactive)], {
      stdio: interactive ? ['inherit', 'inherit', 'inherit', 'pipe'] : ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    const stop = (why: string): void => {
      stopped ??= why;
      child.kill('SIGKILL');
    };
    const onAbort = (): void => stop('was given up');
    signal?.addEventListener('abort', onAbort, { once: true });
    const onLine = (line: string): void => {
      if (line === OUR_TURN) timer = setTimeout(() => stop(`did not end within ${timeoutMs} ms`), timeoutMs);
      else if (booted && exit === undefined) options.onOutput?.(line);
      console = `${console}${line}\n`.slice(-CONSOLE_CHARS);
    };
    for (const stream of [child.stdout, child.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', onLine);
    }
    createInterface({ input: child.stdio[3] as Readable }).on('line', line => {
      const message = JSON.parse(line) as { booted?: true; exit?: number };
      booted ||= message.booted === true;
      exit ??= message.exit;
      options.onMessage?.(message);
    });
    await new Promise((done, failed) => child.once('close', done).once('error', failed));
    signal?.removeEventListener('abort', onAbort);
  } finally {
    clearTimeout(timer);
    await lab.close();
  }
  if (exit !== undefined) return exit;
  const what = `the virtual machine ${stopped ?? 'ended before its script did'}${booted ? '' : ', and never came up'}`;
  throw new Error(`${what}; the end of its console:\n${console}`);
}

/** The machine itself holds the lock (--no-fork), so that it is free when the machine is gone, however it went. */
function turn(): string[] {
  return ['--no-fork', join(KERNEL, 'kernel'), 'sh', '-c', `echo '${OUR_TURN}'; exec "$@"`, 'sh'];
}

function machine(files: string, interactive: boolean): string[] {
  // One processor: emulating two that share memory costs more for each instruction than the second brings. A time stamp counter that is
  // believed: without it every look at the clock leaves the emulated machine.
  const kernel = 'console=ttyS0 panic=-1 quiet loglevel=1 mitigations=off tsc=reliable cryptomgr.notests';
  return [
    ['qemu-system-x86_64', '-accel', 'tcg', '-cpu', 'max,+invtsc', '-smp', '1', '-m', '1536', '-no-reboot'],
    ['-nic', 'none', '-vga', 'none', '-display', 'none', '-serial', interactive ? 'mon:stdio' : 'stdio'],
    ['-kernel', join(KERNEL, 'kernel'), '-initrd', join(KERNEL, 'initrd')],
    ['-append', `${kernel} grevy.files=${files}`],
    ['-virtfs', 'local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap'],
    ['-device', 'virtio-serial', '-chardev', 'socket,id=results,fd=3', '-device', 'virtserialport,chardev=results'],
  ].flat();
}

/** Runs one file of tests inside: what each came to, the exit status, and what was printed. */
export async function runInVm(
  file: string | URL,
  options: VmOptions & { args?: readonly string[]; onResult?: (result: VmResult) => void } = {},
): Promise<{ exit: number; results: VmResult[]; output: string }> {
  const { args = [], onResult, ...rest } = options;
  const source = relative(ROOT, file instanceof URL ? fileURLToPath(file) : file);
  const path = source.replace(/\.ts$/, '.js');
  const reporter = ['--test-reporter=./test/lib/vm/reporter.js', '--test-reporter-destination=stdout'];
  const command = [process.execPath, '--enable-source-maps', ...reporter, path, ...args].map(quoted).join(' ');
  const results: VmResult[] = [];
  let output = '';
  const exit = await bootVm(`${INSIDE}=1 ${passedOn()} exec ${command}`, {
    ...rest,
    file: source,
    onOutput: line => (output += `${line}\n`),
    onMessage: message => {
      if (!('test' in message)) return;
      results.push(message as VmResult);
      onResult?.(message as VmResult);
    },
  });
  return { exit, results, output };
}

/** A suite that runs inside (see above): outside, a test with a subtest for each of its tests. */
export function describeInVm(name: string, options: VmOptions & { file: string }, body: () => void): void {
  if (INSIDE_VM) {
    describe(name, body);
    return;
  }
  const { file, ...rest } = options;
  // Others may have the machine first.
  test(name, { timeout: VM_TEST_MS }, async context => {
    let reported = Promise.resolve();
    const report = async ({ test: [, ...path], ok, seconds, error, skip }: VmResult): Promise<void> => {
      await context.test(path.join(' > ') || name, skip === undefined ? {} : { skip }, inner => {
        inner.diagnostic(`${seconds.toFixed(1)} s inside`);
        if (!ok) throw Object.assign(new Error(error), { stack: error });
      });
    };
    const onResult = (result: VmResult): void => {
      reported = reported.then(() => report(result));
    };
    let inside: Awaited<ReturnType<typeof runInVm>>;
    try {
      inside = await runInVm(file, { signal: context.signal, ...rest, onResult });
    } finally {
      await reported;
    }
    const { exit, results, output } = inside;
    if (output !== '') context.diagnostic(`inside:\n${output}`);
    if (results.length === 0 || (exit !== 0 && results.every(({ ok }) => ok)))
      throw new Error(`${results.length} tests ran inside, and Node ended with ${exit}:\n${output}`);
  });
}

/** Settings of suites, which are variables of the environment, for the shell inside. */
function passedOn(): string {
  const name = 'GREVY_L3VPN';
  const value = process.env[name];
  return value === undefined ? '' : `${name}=${quoted(value)}`;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
