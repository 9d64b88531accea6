// The daemon: reads the configuration, takes the run directory, starts the threads, opens the sockets of shell and ngctl, and waits to
// be told to stop.
//
//    SIGTERM, SIGINT   stop in order: sessions are closed, routes withdrawn from the kernel (unless `retain`); a second
//                      signal, or the deadline, ends it at once and leaves the routes where they are
//    SIGHUP            reads the configuration file again, and puts the difference into force
//    kill -9           everything is gone but the routes: they forward until the next start adopts them
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TaskLoop } from '../concurrency/index.ts';
import { keepLargeMemoryApart } from '../sys/index.ts';
import { type ConfigProblem, Grammar, loadConfig } from '../vty/index.ts';
import { allCommands } from './commands.ts';
import { GraphService } from './graph-service.ts';
import { hostname } from './main-commands.ts';
import { RunDirectoryInUse, takeRunDirectory } from './run-directory.ts';
import { Supervisor } from './supervisor.ts';
import { groupPlans } from './threads.ts';
import { VtyService } from './vty-service.ts';

export interface DaemonOptions {
  readonly configFile: string;
  readonly runDir: string;
  /** The ZAPI socket; RUN_DIR/zserv.api unless told. */
  readonly zserv?: string;
  /** Leave the routes in the kernel when stopped in order. */
  readonly retain?: boolean;
  /** Each named network namespace is a VRF. */
  readonly namespaces?: boolean;
  /** How long routes of an earlier life may wait to be announced again; a minute unless told. */
  readonly gracefulRestartMs?: number;
  /** Bytes that the kernel may hold of notifications not yet read; 64 MiB unless told. */
  readonly receiveBuffer?: number;
  /** Whether the threads rehearse when they start (rehearsal.ts of each); they do unless told. */
  readonly rehearse?: boolean;
  /** The file for a tape of bgp's run (bgp/record). */
  readonly record?: string;
  /** Threads of the graph (netgraph), once it is opened; 1 unless told. */
  readonly graphWorkers?: number;
  readonly version: string;
  /** For the whole of an orderly stop. */
  readonly stopDeadlineMs?: number;
}

/** How the daemon ended. */
export const ExitCode = {
  ok: 0,
  /** The configuration was not understood, or a thread could not be started. */
  failed: 1,
  usage: 2,
  /** Another daemon has the run directory. */
  inUse: 3,
} as const;

const STOP_DEADLINE_MS = 60_000;
/** A signal so soon after another is the same wish. */
const SAME_WISH_MS = 500;

export function log(text: string): void {
  process.stderr.write(`${new Date().toISOString()} ${text}\n`);
}

function report(problems: readonly ConfigProblem[]): void {
  for (const { file, line, message } of problems) process.stderr.write(`${file}:${line}: ${message}\n`);
}

/** Ends the process although a thread hangs: the ordinary way would wait for that thread. */
function endNow(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable');
}

/** Runs the daemon until it is told to stop; gives its exit code. */
export async function runDaemon(options: DaemonOptions): Promise<number> {
  keepLargeMemoryApart();
  const { configFile, runDir } = options;
  let text: string;
  try {
    text = readFileSync(configFile, 'utf8');
  } catch (error) {
    process.stderr.write(`grevy run: ${(error as Error).message}\n`);
    return ExitCode.failed;
  }
  // Before anything is started: a daemon with half of its configuration does more harm than none.
  const { problems } = loadConfig(new Grammar(allCommands), text, configFile);
  if (problems.length > 0) {
    report(problems);
    return ExitCode.failed;
  }
  let directory: ReturnType<typeof takeRunDirectory>;
  try {
    // Whoever asks for a tape hears now that there cannot be one. What is in the file stays until bgp begins.
    if (options.record !== undefined) closeSync(openSync(options.record, 'a', 0o640));
    directory = takeRunDirectory(runDir);
  } catch (error) {
    const hint =
      (error as NodeJS.ErrnoException).code === 'EACCES' ? ' (run it as root, or use another --run-dir)' : '';
    process.stderr.write(`grevy run: ${(error as Error).message}${hint}\n`);
    return error instanceof RunDirectoryInUse ? ExitCode.inUse : ExitCode.failed;
  }
  // Listened for from the first moment on: a signal during the start is not lost.
  const signals = stopSignals();
  let running = false;
  const onReload = (): void => {
    if (running) void reload(vty, configFile);
  };
  process.on('SIGHUP', onReload);
  // FRR's daemons open their log files again at this one; there are none here, and Node would open its debugger's port.
  const ignore = (): void => {};
  process.on('SIGUSR1', ignore);
  process.on('SIGUSR2', ignore);
  if (!capable(CAP_NET_ADMIN)) {
    log(
      'without CAP_NET_ADMIN the kernel takes no change from this process: no route will be installed (run it as root)',
    );
  }
  const loop = new TaskLoop('main');
  const supervisor = new Supervisor({
    loop,
    plans: groupPlans({
      zserv: options.zserv ?? join(runDir, 'zserv.api'),
      retain: options.retain ?? false,
      rehearse: options.rehearse ?? true,
      ...(options.record === undefined ? {} : { record: options.record }),
      version: options.version,
      ...(options.gracefulRestartMs === undefined ? {} : { gracefulRestartMs: options.gracefulRestartMs }),
      namespaces: options.namespaces ?? false,
      ...(options.receiveBuffer === undefined ? {} : { receiveBuffer: options.receiveBuffer }),
    }),
    log,
    restarted: async names => {
      tellHostname();
      await replay(vty, names);
    },
    hopeless: reason => {
      log(`${reason}: the daemon ends, routes stay in the kernel`);
      endNow();
    },
  });
  const graph = new GraphService({ runDir, workers: options.graphWorkers ?? 1, log });
  const vty = new VtyService({
    runDir,
    configFile,
    version: options.version,
    thread: name => supervisor.thread(name),
    threads: () => [...supervisor.threads(), ...graph.threads()],
    graph,
    tasks: () => loop.stats(),
  });
  // The name stands in main's part of the configuration, and bgp announces it to its peers: it has to know it before the
  // first of them, whose connection may come as soon as bgp has its own lines.
  const tellHostname = (): void => supervisor.thread('bgp')?.post({ hostname: hostname(vty.configuration) });
  vty.configuration.onChange = tellHostname;
  let code: number = ExitCode.ok;
  try {
    await supervisor.start();
    report(await vty.load(text, configFile));
    await vty.listen();
    await graph.listen();
    running = true;
    log(`grevy ${options.version} runs: process ${process.pid}, run directory ${runDir}`);
    log(`${await signals.first}: stopping`);
  } catch (error) {
    log(`cannot start: ${(error as Error).stack ?? String(error)}`);
    code = ExitCode.failed;
  }
  running = false;
  void signals.second.then(signal => {
    log(`${signal} again: the daemon ends at once, routes stay in the kernel`);
    endNow();
  });
  await vty.close();
  await graph.close();
  const clean = await supervisor.stop(options.stopDeadlineMs ?? STOP_DEADLINE_MS);
  if (!clean) {
    log('the daemon ends although threads still run, routes stay in the kernel');
    endNow();
  }
  loop.close();
  directory.release();
  signals.forget();
  process.off('SIGHUP', onReload);
  process.off('SIGUSR1', ignore);
  process.off('SIGUSR2', ignore);
  if (code === ExitCode.ok) log('stopped');
  return code;
}

const CAP_NET_ADMIN = 12;

/** Whether this process has the capability, in whichever user namespace it is. */
function capable(capability: number): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> BigInt(capability)) & 1n) === 1n;
}

async function replay(vty: VtyService, names: readonly string[]): Promise<void> {
  for (const name of names)
    for (const refused of await vty.replay(name)) log(`${name} refused after its restart: ${refused}`);
}

async function reload(vty: VtyService, file: string): Promise<void> {
  try {
    const problems = await vty.load(readFileSync(file, 'utf8'), file);
    report(problems);
    log(problems.length > 0 ? `${file}: ${problems.length} lines not in force` : `${file}: in force`);
  } catch (error) {
    log(`${file} not read: ${(error as Error).message}`);
  }
}

interface StopSignals {
  readonly first: Promise<NodeJS.Signals>;
  readonly second: Promise<NodeJS.Signals>;
  forget(): void;
}

function stopSignals(): StopSignals {
  const waiting: ((signal: NodeJS.Signals) => void)[] = [];
  const first = new Promise<NodeJS.Signals>(resolve => waiting.push(resolve));
  const second = new Promise<NodeJS.Signals>(resolve => waiting.push(resolve));
  let nextMs = 0;
  const listener = (signal: NodeJS.Signals): void => {
    // timeout(1), and a Ctrl-C that a wrapper passes on, signal the process and its group: one wish, told twice.
    if (performance.now() < nextMs) return;
    nextMs = performance.now() + SAME_WISH_MS;
    waiting.shift()?.(signal);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, listener);
  return {
    first,
    second,
    forget(): void {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.off(signal, listener);
    },
  };
}
