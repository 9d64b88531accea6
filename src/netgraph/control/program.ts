// The programs ngctl, nghook and flowctl: their options, where the graph is that they speak to, and what they end with.
import { createReadStream, openSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { CODES, NetgraphError } from '../graph/error.ts';
import { NgctlClient } from './client.ts';
import { getopt } from './command-line.ts';
import { showFlows } from './flowctl.ts';
import { OUTPUT_LIMIT, SOCKET_NAME } from './frame.ts';
import { interactive } from './interactive.ts';
import { HookProgram } from './hook-program.ts';
import type { Messenger } from './messenger.ts';
import { nghook } from './nghook.ts';
import { EX_NOINPUT, EX_OSERR, EX_USAGE, exitCode, Ngctl } from './ngctl.ts';
import { why } from './packet-bytes.ts';
import { inputFrom, outputTo } from './swapped.ts';

const RUN_DIR = '/run/grevy';
const LONG: readonly string[] = ['run-dir:', 'standalone'];
const NGCTL_USAGE = 'usage: ngctl [-d] [-f file] [-n name] [--run-dir DIR | --standalone] [command ...]\n';
const NGHOOK_USAGE =
  'usage: nghook [-adlnsS] [-m msg]* [--run-dir DIR | --standalone] path [hookname]\n' +
  '   or: nghook -e [-n] [-m msg]* [--run-dir DIR | --standalone] path hookname prog [args...]\n';
const FLOWCTL_USAGE =
  'usage: flowctl [-d level] [--run-dir DIR | --standalone] node show [ipv4 | ipv6] [verbose | human]\n';

export interface ProgramStreams {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Somebody sits there. */
  readonly terminal: boolean;
}

/** A Messenger on a graph that this process has for itself, and what ends it. */
export type OpenAlone = (name: string | undefined) => Promise<{ messenger: Messenger; close: () => Promise<void> }>;

interface Opened {
  readonly messenger: Messenger;
  readonly ended: Promise<unknown>;
  readonly close: () => Promise<void>;
}

type Options = ReadonlyMap<string, readonly string[]>;

async function open(
  program: string,
  options: Options,
  name: string | undefined,
  openAlone: OpenAlone,
  stderr: Writable,
): Promise<Opened | undefined> {
  const runDir = options.get('run-dir')?.at(-1) ?? RUN_DIR;
  const path = join(runDir, SOCKET_NAME);
  try {
    if (options.has('standalone')) {
      const { messenger, close } = await openAlone(name);
      return { messenger, close, ended: new Promise(() => {}) };
    }
    const client = await NgctlClient.connect(path, name);
    return { messenger: client, close: () => client.close(), ended: client.closed };
  } catch (error) {
    if (error instanceof NetgraphError) {
      stderr.write(`${program}: can't create node: ${CODES[error.code]}\n${program}: ${error.explanation}\n`);
      return undefined;
    }
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const nobody = code === 'ENOENT' || code === 'ECONNREFUSED';
    stderr.write(
      `${program}: ${path}: ${nobody ? `no daemon answers (is 'grevy run --run-dir ${runDir}' running?)` : why(error)}\n`,
    );
    return undefined;
  }
}

/** `ngctl` with these arguments; gives the exit code. */
export async function runNgctl(
  argv: readonly string[],
  streams: ProgramStreams,
  openAlone: OpenAlone,
): Promise<number> {
  const { stdin, stdout, stderr, terminal } = streams;
  const given = getopt(argv, 'df:n:', LONG);
  if (!given) {
    stderr.write(`ngctl: ${NGCTL_USAGE}`);
    return EX_USAGE;
  }
  const { options, operands } = given;
  const file = options.get('f')?.at(-1);
  if (operands.length === 0 && file === undefined && !terminal) {
    stderr.write(`ngctl: no command specified\nngctl: ${NGCTL_USAGE}`);
    return EX_USAGE;
  }
  let script: Readable | undefined;
  if (operands.length === 0 && file !== undefined) {
    try {
      script = file === '-' ? stdin : createReadStream(file, { fd: openSync(file, 'r') });
    } catch (error) {
      stderr.write(`ngctl: ${file}: ${why(error)}\n`);
      return EX_NOINPUT;
    }
  }
  const name = options.get('n')?.at(-1) ?? `ngctl${process.pid}`;
  const opened = await open('ngctl', options, name, openAlone, stderr);
  if (!opened) return EX_OSERR;
  try {
    const ngctl = new Ngctl(opened.messenger, {
      print: text => stdout.write(text),
      printError: text => stderr.write(text),
      debugLevel: options.get('d')?.length ?? 0,
    });
    if (operands.length > 0) return exitCode(await ngctl.run(operands));
    if (script) return exitCode(await ngctl.runScript(createInterface({ input: script, crlfDelay: Infinity })));
    await interactive(ngctl, opened.messenger, { input: stdin, output: stdout, ended: opened.ended });
    return 0;
  } finally {
    script?.destroy();
    await opened.close();
  }
}

/** `nghook` with these arguments; gives the exit code. */
export async function runNghook(
  argv: readonly string[],
  streams: ProgramStreams,
  openAlone: OpenAlone,
): Promise<number> {
  const { stdin, stdout, stderr } = streams;
  const given = getopt(argv, 'adelm:nsS', LONG);
  const [path, hook = 'debug'] = given?.operands ?? [];
  const program = given?.options.has('e') ? given.operands.slice(2) : undefined;
  if (!given || path === undefined || (program ? program.length === 0 : given.operands.length > 2)) {
    stderr.write(NGHOOK_USAGE);
    return EX_USAGE;
  }
  const { options } = given;
  if (program && ['a', 'l', 's', 'S'].some(letter => options.has(letter))) {
    stderr.write(`conflicting options\n${NGHOOK_USAGE}`);
    return EX_USAGE;
  }
  const opened = await open('nghook', options, undefined, openAlone, stderr);
  if (!opened) return EX_OSERR;
  if (program) {
    try {
      return await execute(opened, path, hook, program as [string, ...string[]], options, stderr);
    } finally {
      await opened.close();
    }
  }
  const output = options.has('s') ? outputTo(0) : stdout;
  const input = options.has('S') ? inputFrom(1) : stdin;
  try {
    return await nghook(opened.messenger, {
      path,
      hook,
      ascii: options.has('a'),
      loop: options.has('l'),
      messages: options.get('m') ?? [],
      ...(options.has('n') ? {} : { input: () => input }),
      write: data => {
        if (output.writableLength > OUTPUT_LIMIT) return false;
        output.write(data);
        return true;
      },
      printError: text => stderr.write(text),
      ended: opened.ended,
    });
  } finally {
    input.destroy();
    if (output !== stdout) output.end();
    await opened.close();
  }
}

/** `flowctl` with these arguments; gives the exit code. */
export async function runFlowctl(
  argv: readonly string[],
  { stdout, stderr }: ProgramStreams,
  openAlone: OpenAlone,
): Promise<number> {
  const given = getopt(argv, 'd:', LONG);
  const [node, show, ...words] = given?.operands ?? [];
  const version = words[0] === 'ipv4' || words[0] === 'ipv6' ? words.shift() : undefined;
  const how = words.shift() ?? 'short';
  const known = node !== undefined && show === 'show' && words.length === 0;
  if (!given || !known || (how !== 'short' && how !== 'verbose' && how !== 'human')) {
    stderr.write(FLOWCTL_USAGE);
    return EX_USAGE;
  }
  const opened = await open('flowctl', given.options, `flowctl${process.pid}`, openAlone, stderr);
  if (!opened) return EX_OSERR;
  try {
    await showFlows(opened.messenger, {
      path: node.includes(':') ? node : `${node}:`,
      versions: version === 'ipv4' ? [4] : version === 'ipv6' ? [6] : [4, 6],
      how,
      print: text => stdout.write(text),
    });
    return 0;
  } catch (error) {
    if (!(error instanceof NetgraphError)) throw error;
    stderr.write(`flowctl: ${CODES[error.code]}\nflowctl: ${error.explanation}\n`);
    return EX_OSERR;
  } finally {
    await opened.close();
  }
}

/** nghook -e: gives what the program ended with. */
async function execute(
  { messenger, ended }: Opened,
  path: string,
  hook: string,
  argv: readonly [string, ...string[]],
  options: Options,
  stderr: Writable,
): Promise<number> {
  const program = new HookProgram(argv, !options.has('n'));
  let warned = '';
  let failed: number;
  try {
    failed = await nghook(messenger, {
      path,
      hook,
      ascii: false,
      loop: false,
      messages: options.get('m') ?? [],
      input: () => program.run(),
      write: data => program.write(data),
      printError: text => (warned += text),
      ended,
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    failed = EX_OSERR;
    warned = `nghook: ${argv[0]}: ${why(error)}\n`;
  }
  const code = await program.end();
  // That it ended is nothing to tell; that it never began, or that packets were dropped, is.
  if (code === undefined || warned !== 'nghook: EOF(stdin)\n')
    stderr.write(warned.replace(/^nghook: EOF\(stdin\)\n/, ''));
  return code ?? failed;
}
