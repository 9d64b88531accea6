// Commands that main itself answers: the configuration as a whole, the daemon's threads, and what a shell does to itself.
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import { eventCpuJson, formatEventCpu, formatWorkQueues } from '../concurrency/index.ts';
import {
  type Command,
  CommandError,
  type CommandSet,
  commandSet,
  config,
  exec,
  type Mode,
  type Session,
  type ThreadStatus,
} from '../vty/index.ts';
import type { RunningConfiguration } from './configuration.ts';
import { graphCommands } from './graph-commands.ts';
import type { GraphView } from './graph-service.ts';

export interface ThreadInfo {
  readonly name: string;
  /** `running`, `starting`, `stopping`, `restarting`, `failed`: shown as it is. */
  readonly state: string;
  readonly restarts: number;
  /** Milliseconds since 1970, when it last became ready. */
  readonly since?: number;
  readonly lastError?: string;
}

/** What main's commands work on. */
export interface MainState {
  readonly configuration: RunningConfiguration;
  readonly configFile: string | undefined;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Threads as the supervisor sees them. */
  threads(): readonly ThreadInfo[];
  /** Asks every thread, main included, for its status; one that does not answer in time is left out. */
  statuses(): Promise<readonly { readonly name: string; readonly status: ThreadStatus }[]>;
  /** The daemon's graph; undefined where there can be none. */
  readonly graph: GraphView | undefined;
  /** Called when a `log …` line comes or goes. */
  logChanged(line: string, present: boolean): void;
}

/** What a shell session lets main's commands do to it. */
export interface ShellSession extends Session {
  terminalLength: number;
  readonly history: readonly string[];
  readonly mode: string;
  /** Enters configuration mode. */
  configure(): void;
  /** One mode up; from exec mode the session ends. */
  leave(): void;
  /** Back to exec mode. */
  end(): void;
}

const shell = (session: Session): ShellSession => session as ShellSession;

const MODES: readonly Mode[] = [{ name: 'line-vty', prompt: '(config-line)', parent: 'configure' }];

/** A line that is kept in the text and asks nothing of anybody. */
function kept<const Syntax extends string>(
  syntax: Syntax,
  help: readonly string[],
  more: { mode?: string; key?: string; keeps?: 'both'; opens?: string } = {},
): Command<MainState> {
  const { key } = more;
  return config<MainState, Syntax>({
    mode: more.mode ?? 'configure',
    syntax,
    help,
    ...(key === undefined ? {} : { key: () => key }),
    ...(more.keeps === undefined ? {} : { keeps: more.keeps }),
    ...(more.opens === undefined ? {} : { opens: more.opens }),
    apply: () => {},
    remove: () => {},
  });
}

const LEVELS: readonly string[] = [
  'System is unusable',
  'Immediate action needed',
  'Critical conditions',
  'Error conditions',
  'Warning conditions',
  'Normal but significant conditions',
  'Informational messages',
  'Debugging messages',
];
const LEVEL_SYNTAX = '[<emergencies|alerts|critical|errors|warnings|notifications|informational|debugging>$level]';

function log<const Syntax extends string>(syntax: Syntax, help: readonly string[], key: string): Command<MainState> {
  return config<MainState, Syntax>({
    mode: 'configure',
    syntax,
    help,
    key: () => key,
    apply: (main, args) => main.logChanged(logText(key, args), true),
    remove: (main, args) => main.logChanged(logText(key, args), false),
  });
}

function logText(key: string, args: object): string {
  const { filename, level } = args as { filename?: string; level?: string };
  return [key, filename, level].filter(word => word !== undefined).join(' ');
}

const SHOW = 'Show running system information';
const JSON_HELP = 'JavaScript Object Notation';

export const mainCommands: CommandSet<MainState> = commandSet<MainState>(
  'main',
  [
    // The shell itself.
    exec({
      syntax: 'configure terminal',
      help: ['Configuration from vty interface', 'Configuration terminal'],
      run: (_main, _args, session) => shell(session).configure(),
    }),
    exec({
      mode: '*',
      syntax: 'exit',
      help: ['Exit current mode and down to previous mode'],
      run: (_main, _args, session) => shell(session).leave(),
    }),
    exec({
      mode: '*',
      syntax: 'quit',
      help: ['Exit current mode and down to previous mode'],
      run: (_main, _args, session) => shell(session).leave(),
    }),
    exec({
      mode: '*',
      syntax: 'end',
      help: ['End current mode and change to enable mode'],
      run: (_main, _args, session) => shell(session).end(),
    }),
    exec({
      // An interactive shell of FRR's starts in view mode; ours starts enabled, and scripts that say `enable` go on working.
      syntax: 'enable',
      help: ['Turn on privileged mode command'],
      hidden: true,
      run: () => {},
    }),
    exec({
      mode: '*',
      syntax: 'list',
      help: ['Print command list'],
      run: (main, _args, session) =>
        main.configuration.grammar
          .entries(shell(session).mode)
          .filter(entry => entry.form === 'plain' && !entry.command.hidden)
          .map(entry => `  ${entry.command.syntax.replace(/\$[A-Za-z0-9_-]+/g, '')}\n`)
          .sort()
          .join(''),
    }),
    exec({
      mode: '*',
      syntax: 'find REGEX...',
      help: ['Find CLI command matching a regular expression', 'Search pattern (a regular expression)'],
      run: (main, args) => {
        let pattern: RegExp;
        try {
          pattern = new RegExp(args.regex);
        } catch (error) {
          throw new CommandError(`% Not a regular expression: ${args.regex} (${(error as Error).message})`);
        }
        const { grammar } = main.configuration;
        const out: string[] = [];
        for (const mode of grammar.modes.keys()) {
          for (const entry of grammar.entries(mode)) {
            if (entry.form !== 'plain' || entry.command.hidden) continue;
            if (pattern.test(entry.command.syntax)) out.push(`  (${mode})  ${entry.command.syntax}\n`);
          }
        }
        return out.join('');
      },
    }),
    exec({
      syntax: 'terminal length (0-512)$length',
      help: ['Set terminal line parameters', 'Set number of lines on a screen', 'Lines on screen (0 for no pausing)'],
      run: (_main, args, session) => {
        shell(session).terminalLength = args.length;
      },
    }),
    exec({
      syntax: 'show history',
      help: [SHOW, 'The commands of this session'],
      run: (_main, _args, session) =>
        shell(session)
          .history.map(line => `  ${line}\n`)
          .join(''),
    }),

    // The configuration.
    exec({
      syntax: 'show running-config [no-header]',
      help: [SHOW, 'Current operating configuration', 'Without the lines before the configuration'],
      run: (main, args) => runningText(main, args['no-header'] === true),
    }),
    exec({
      syntax: 'write terminal',
      help: ['Write running configuration', 'Show it'],
      run: main => runningText(main, false),
    }),
    exec({
      syntax: 'write [<memory|file>]',
      help: ['Write running configuration', 'Save it to the configuration file', 'Save it to the configuration file'],
      run: save,
    }),
    exec({
      syntax: 'copy running-config startup-config',
      help: ['Copy from one file to another', 'The configuration in force', 'The configuration file'],
      run: save,
    }),
    exec({
      syntax: 'show startup-config',
      help: [SHOW, 'The configuration file'],
      run: main => {
        if (main.configFile === undefined) throw new CommandError('% Grevy was started without a configuration file');
        if (!existsSync(main.configFile)) throw new CommandError(`% There is no file ${main.configFile}`);
        return readFileSync(main.configFile, 'utf8');
      },
    }),

    // The daemon.
    exec({ syntax: 'show version [json]', help: [SHOW, 'Displays Grevy version', JSON_HELP], run: showVersion }),
    exec({ syntax: 'show memory [json]', help: [SHOW, 'Memory statistics', JSON_HELP], run: showMemory }),
    exec({
      syntax: 'show event cpu [json]',
      help: [SHOW, 'Event information', 'Event CPU usage', JSON_HELP],
      run: showEventCpu,
    }),
    exec({
      syntax: 'show thread cpu [json]',
      help: [SHOW, 'Thread information', 'Thread CPU usage', JSON_HELP],
      run: showEventCpu,
    }),
    exec({
      syntax: 'show work-queues [json]',
      help: [SHOW, 'Work queue information', JSON_HELP],
      run: showWorkQueues,
    }),
    exec({
      syntax: 'show threads [json]',
      help: [SHOW, "The daemon's threads: state and restarts", JSON_HELP],
      run: showThreads,
    }),

    ...graphCommands,

    // Lines of the configuration.
    kept('frr version VERSION', ['FRRouting', 'FRRouting configuration version', 'Version string'], {
      key: 'frr version',
    }),
    kept(
      'frr defaults <traditional|datacenter>$profile',
      ['FRRouting', 'Set default values profile', 'Defaults of the Internet', 'Defaults for data centers'],
      { key: 'frr defaults' },
    ),
    kept('hostname WORD$name', ["Set system's network name", "This system's network name"], { key: 'hostname' }),
    kept('domainname WORD$name', ["Set system's domain name", "This system's domain name"], { key: 'domainname' }),
    kept('service integrated-vtysh-config', ['Set up miscellaneous service', 'One configuration file for all'], {
      keeps: 'both',
    }),
    kept('service password-encryption', ['Set up miscellaneous service', 'Encrypt passwords in the text']),
    kept('service advanced-vty', ['Set up miscellaneous service', 'Enable advanced mode vty interface']),
    kept('password LINE...', ['Modify the terminal connection password', 'The password, or 8 and its hash'], {
      key: 'password',
    }),
    kept(
      'enable password LINE...',
      ['Modify enable password parameters', 'Modify enable password parameters', 'The password, or 8 and its hash'],
      { key: 'enable password' },
    ),
    log(`log stdout ${LEVEL_SYNTAX}`, ['Logging control', 'Set stdout logging level', ...LEVELS], 'log stdout'),
    log(`log syslog ${LEVEL_SYNTAX}`, ['Logging control', 'Set syslog logging level', ...LEVELS], 'log syslog'),
    log(
      `log file FILENAME ${LEVEL_SYNTAX}`,
      ['Logging control', 'Logging to file', 'Logging filename', ...LEVELS],
      'log file',
    ),
    kept('log commands', ['Logging control', 'Log all commands'], { keeps: 'both' }),
    kept(
      'log timestamp precision (0-6)$digits',
      ['Logging control', 'Timestamp configuration', 'Set the timestamp precision', 'Number of subsecond digits'],
      { key: 'log timestamp precision' },
    ),
    kept('log record-priority', ['Logging control', 'Log the priority of the message within the message']),
    kept('log facility WORD', ['Logging control', 'Facility parameter for syslog messages', 'Facility'], {
      key: 'log facility',
    }),
    kept('line vty', ['Configure a terminal line', 'Virtual terminal'], { opens: 'line-vty' }),
    kept(
      'exec-timeout (0-35791)$minutes [(0-2147483)$seconds]',
      ['Set timeout value', 'Timeout value in minutes', 'Timeout value in seconds'],
      { mode: 'line-vty', key: 'exec-timeout' },
    ),
    kept('login', ['Enable password checking'], { mode: 'line-vty', keeps: 'both' }),
    kept('access-class WORD', ['Filter connections based on an IP access list', 'IP access list'], {
      mode: 'line-vty',
      key: 'access-class',
    }),
  ],
  MODES,
);

function* runningText(main: MainState, bare: boolean): Generator<string> {
  if (!bare) yield 'Building configuration...\n\nCurrent configuration:\n!\n';
  yield* main.configuration.tree.render();
  if (!bare) yield 'end\n';
}

function save(main: MainState): string {
  const { configFile } = main;
  if (configFile === undefined) throw new CommandError('% Grevy was started without a configuration file (-c FILE)');
  try {
    saveFile(configFile, main.configuration.tree.text);
  } catch (error) {
    throw new CommandError(`% The configuration was not saved to ${configFile}: ${(error as Error).message}`);
  }
  return `Building Configuration...\nIntegrated configuration saved to ${configFile}\n[OK]\n`;
}

/** Replaces a file in one step; the text before stays beside it as `FILE.sav`. */
export function saveFile(path: string, text: string): void {
  const exists = existsSync(path);
  // A link stays a link: what it leads to is replaced.
  const target = exists ? realpathSync(path) : path;
  const fresh = `${target}.${process.pid}.new`;
  const fd = openSync(fresh, 'w', 0o640);
  try {
    try {
      if (exists) chmodSync(fresh, statSync(target).mode & 0o7777);
      writeFileSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if (exists) {
      rmSync(`${target}.sav`, { force: true });
      linkSync(target, `${target}.sav`);
    }
    renameSync(fresh, target);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
}

function showVersion(main: MainState, args: { json?: true }): string | object {
  const host = hostname(main.configuration);
  const system = `${os.type()}(${os.release()})`;
  if (args.json) {
    return {
      version: main.version,
      hostname: host,
      system,
      node: process.version,
      v8: process.versions.v8,
      pid: process.pid,
      uptimeMsec: Date.now() - main.startedAt,
    };
  }
  return [
    `Grevy ${main.version} (${host}) on ${system}.`,
    `Node ${process.version}, V8 ${process.versions.v8}, process ${process.pid}, up ${duration(Date.now() - main.startedAt)}.`,
    '',
  ].join('\n');
}

/** The configured host name, or the system's. */
export function hostname(configuration: RunningConfiguration): string {
  const name = configuration.tree.root.lines.get('hostname')?.args['name'];
  return typeof name === 'string' ? name : os.hostname().replace(/\..*/, '');
}

async function showMemory(main: MainState, args: { json?: true }): Promise<string | object> {
  const statuses = await main.statuses();
  const { rss } = process.memoryUsage();
  const peakKb = process.resourceUsage().maxRSS;
  if (args.json) {
    return {
      process: { rssBytes: rss, peakRssBytes: peakKb * 1024 },
      threads: Object.fromEntries(
        statuses.map(({ name, status: { memory, tables } }) => [
          name,
          {
            heapUsedBytes: memory.heapUsed,
            heapTotalBytes: memory.heapTotal,
            externalBytes: memory.external,
            arrayBufferBytes: memory.arrayBuffers,
            tables,
          },
        ]),
      ),
    };
  }
  const out = [
    `Process: resident ${size(rss)}, at most ${size(peakKb * 1024)}`,
    '',
    `${'Thread'.padEnd(10)}${['Heap used', 'Heap total', 'External', 'In buffers'].map(title => title.padStart(14)).join('')}`,
  ];
  for (const { name, status } of statuses) {
    const { heapUsed, heapTotal, external, arrayBuffers } = status.memory;
    out.push(name.padEnd(10) + [heapUsed, heapTotal, external, arrayBuffers].map(n => size(n).padStart(14)).join(''));
  }
  for (const { name, status } of statuses) {
    const tables = Object.entries(status.tables);
    if (tables.length === 0) continue;
    out.push('', `Tables of ${name}:`);
    for (const [table, value] of tables) {
      if (typeof value === 'number') out.push(`  ${table.padEnd(32)}${String(value).padStart(14)}`);
      else
        for (const [part, n] of Object.entries(value))
          out.push(`  ${`${table} ${part}`.padEnd(32)}${String(n).padStart(14)}`);
    }
  }
  return `${out.join('\n')}\n`;
}

function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

async function showEventCpu(main: MainState, args: { json?: true }): Promise<string | object> {
  const statuses = await main.statuses();
  const threads = statuses.map(({ name, status }) => ({ thread: name, tasks: status.tasks }));
  return args.json ? eventCpuJson(threads) : formatEventCpu(threads);
}

async function showWorkQueues(main: MainState, args: { json?: true }): Promise<string | object> {
  const threads = (await main.statuses()).filter(({ status }) => status.queues.length > 0);
  if (args.json) return Object.fromEntries(threads.map(({ name, status }) => [name, status.queues]));
  return threads.map(({ name, status }) => `Work queues of ${name}:\n${formatWorkQueues(status.queues)}`).join('\n');
}

function showThreads(main: MainState, args: { json?: true }): string | object {
  const threads = main.threads();
  if (args.json) {
    return Object.fromEntries(
      threads.map(({ name, state, restarts, since, lastError }) => [
        name,
        {
          state,
          restarts,
          ...(since === undefined ? {} : { uptimeMsec: Date.now() - since }),
          ...(lastError === undefined ? {} : { lastError }),
        },
      ]),
    );
  }
  const out = [`${'Thread'.padEnd(12)}${'State'.padEnd(14)}${'Restarts'.padStart(8)}  Up`];
  for (const { name, state, restarts, since, lastError } of threads) {
    const up = since === undefined ? '-' : duration(Date.now() - since);
    out.push(`${name.padEnd(12)}${state.padEnd(14)}${String(restarts).padStart(8)}  ${up}`);
    if (lastError !== undefined) out.push(`  last ended with: ${lastError}`);
  }
  return `${out.join('\n')}\n`;
}

/** As FRR writes it: 00:01:02, 1d02h03m, 1w2d03h. */
export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (n: number): string => String(n).padStart(2, '0');
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (days === 0) return `${two(hours)}:${two(minutes % 60)}:${two(seconds % 60)}`;
  if (days < 7) return `${days}d${two(hours % 24)}h${two(minutes % 60)}m`;
  return `${two(Math.floor(days / 7))}w${days % 7}d${two(hours % 24)}h`;
}
