// The commands of ngctl(8): what each takes, sends and prints.
import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { formatId } from '../graph/address.ts';
import { CODES, NetgraphError } from '../graph/error.ts';
import type { Connect, HookList, MkPeer, Name, NameList, RmHook, TypeList } from '../message/generic.ts';
import { getopt } from './command-line.ts';
import { formatCount, formatDot, formatHooks, formatNodes, formatReply, formatRuntime, formatTypes } from './format.ts';
import type { Messenger } from './messenger.ts';
import { fileBytes, why, wordBytes } from './packet-bytes.ts';

/** How a command ended. */
export type Outcome = 'ok' | 'usage' | 'error' | 'quit';

/** What the commands act on. */
export interface Session {
  readonly messenger: Messenger;
  /** With -d and `debug`: from 1 on, each message that is sent is told on standard error. */
  debugLevel: number;
  print(text: string): void;
  /** A line on standard error, after `ngctl: `. */
  warn(text: string): void;
  /** Runs the commands of a file. */
  readFile(path: string): Promise<Outcome>;
}

export interface NgctlCommand {
  /** Its name and what it takes. */
  readonly usage: string;
  readonly summary: string;
  readonly description?: string;
  readonly aliases: readonly string[];
  /** FreeBSD's has no such command: it makes no abbreviation of theirs ambiguous. */
  readonly ours?: boolean;
  run(session: Session, args: readonly string[]): Promise<Outcome>;
}

const HERE = '.:';
const HELP_WIDTH = 64;

/** Sends; where that is refused, says so as warn(3) does, then what was wrong. */
async function send<T>(session: Session, doing: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof NetgraphError)) throw error;
    session.warn(`${doing}: ${CODES[error.code]}`);
    session.warn(error.explanation);
    return undefined;
  }
}

/** A request that is answered by nothing. */
async function tell(
  session: Session,
  path: string,
  command: string,
  args?: unknown,
  doing = 'send msg',
): Promise<Outcome> {
  const sent = await send(session, doing, async () => {
    await request(session, path, command, args);
    return true;
  });
  return sent ? 'ok' : 'error';
}

function request(session: Session, path: string, command: string, args?: unknown): Promise<unknown> {
  if (session.debugLevel > 0)
    session.warn(`to '${path}': ${command}${args === undefined ? '' : ` ${JSON.stringify(args)}`}`);
  return session.messenger.request(path, command, args);
}

/** The text that a node tells of itself, or that it tells none. */
async function text(session: Session, what: string, path: string, command: string, args?: string): Promise<Outcome> {
  let answer: unknown;
  try {
    answer = await request(session, path, command, args);
  } catch (error) {
    if (!(error instanceof NetgraphError)) throw error;
    // The node exists, but does not know the message.
    if (error.code !== 'EINVAL') {
      session.warn(`send msg: ${CODES[error.code]}`);
      session.warn(error.explanation);
      return 'error';
    }
  }
  session.print(
    typeof answer === 'string'
      ? `${what[0]!.toUpperCase()}${what.slice(1)} for "${path}":\n${answer}\n`
      : `No ${what} available for "${path}"\n`,
  );
  return 'ok';
}

/** The hooks of a node that `listnodes` told of; undefined where it is gone by now. */
async function hooksOf(session: Session, id: number): Promise<HookList | undefined> {
  try {
    return (await request(session, formatId(id), 'listhooks')) as HookList;
  } catch (error) {
    if (error instanceof NetgraphError && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function allHooks(session: Session, list: NameList): Promise<HookList[]> {
  const found: HookList[] = [];
  for (const { id } of list.nodeinfo) {
    const hooks = await hooksOf(session, id);
    if (hooks) found.push(hooks);
  }
  return found;
}

export const COMMANDS: readonly NgctlCommand[] = [
  {
    usage: 'config <path> [arguments]',
    summary: 'Ask for the configuration of the node at <path>, or set it',
    aliases: [],
    async run(session, [path, ...words]) {
      if (path === undefined) return 'usage';
      return text(session, 'config', path, 'textconfig', words.length > 0 ? words.join(' ') : undefined);
    },
  },
  {
    usage: 'connect [path] <relpath> <hook> <peerhook>',
    summary: 'Join <hook> of the node at <path> to <peerhook> of the node at <relpath>',
    description:
      'A new edge joins two nodes that exist: "hook" of the node at "path" and "peerhook" of the node at "relpath". ' +
      'A "relpath" that is not absolute is walked from the node at "path". Without "path" it is ngctl\'s own node.',
    aliases: ['join'],
    async run(session, args) {
      if (args.length < 3 || args.length > 4) return 'usage';
      const [peerhook, ourhook, path, from = HERE] = [...args].reverse() as [string, string, string, string?];
      return tell(session, from, 'connect', { path, ourhook, peerhook } satisfies Connect);
    },
  },
  {
    usage: 'debug [level]',
    summary: 'Show or set how much ngctl tells of its own work',
    description: 'The level is a number, or "+" or "-" to raise or lower it by one. At 0 ngctl tells nothing.',
    aliases: [],
    async run(session, args) {
      if (args.length > 1) return 'usage';
      const [level] = args;
      if (level === undefined) session.print(`Current debug level is ${session.debugLevel}\n`);
      else if (level === '+') session.debugLevel++;
      else if (level === '-') session.debugLevel--;
      else if (/^\d+$/.test(level)) session.debugLevel = Number(level);
      else return 'usage';
      return 'ok';
    },
  },
  {
    usage: 'dot [outputfile]',
    summary: 'Draw the whole graph for graphviz',
    description: 'Without "outputfile" the drawing goes to standard output: ngctl dot | dot -Tsvg > graph.svg',
    aliases: ['graphviz', 'confdot'],
    async run(session, args) {
      if (args.length > 1) return 'usage';
      const drawing = await send(session, 'send listnodes msg', async () => {
        const list = (await request(session, HERE, 'listnodes')) as NameList;
        return formatDot(list.nodeinfo, await allHooks(session, list));
      });
      if (drawing === undefined) return 'error';
      const [file] = args;
      if (file === undefined) {
        session.print(drawing);
        return 'ok';
      }
      try {
        await writeFile(file, drawing);
      } catch (error) {
        session.warn(`Could not open ${file} for writing: ${why(error)}`);
        return 'error';
      }
      return 'ok';
    },
  },
  {
    usage: 'help [command]',
    summary: 'List the commands, or tell more about one',
    aliases: ['?'],
    async run(session, [name]) {
      if (name === undefined) {
        const lines = COMMANDS.map(command => `  ${nameOf(command).padEnd(10)} ${command.summary}\n`);
        session.print(`Available commands:\n${lines.join('')}`);
        return 'ok';
      }
      const command = findCommand(session, name);
      if (command) session.print(helpText(command));
      return 'ok';
    },
  },
  {
    usage: 'list [-ln]',
    summary: 'Show all nodes',
    description: 'With -n only the nodes that have a name are shown. With -l the hooks of each are shown too.',
    aliases: ['ls'],
    async run(session, args) {
      const given = getopt(args, 'ln');
      if (!given || given.operands.length > 0) return 'usage';
      const named = given.options.has('n');
      const out = await send(session, 'send msg', async () => {
        const list = (await request(session, HERE, named ? 'listnames' : 'listnodes')) as NameList;
        if (!given.options.has('l')) return formatNodes(list, named);
        const hooks = await allHooks(session, list);
        return formatCount(list.nodeinfo.length, named) + hooks.map(each => formatHooks(each, true)).join('');
      });
      if (out === undefined) return 'error';
      session.print(out);
      return 'ok';
    },
  },
  {
    usage: 'load <filename>',
    summary: 'Make the node types of a module known',
    description:
      'The file exports one node type or more, written in TypeScript or JavaScript; the process of the graph loads it, and so do its ' +
      'workers. A file that has changed is loaded anew when no node of its types is left. FreeBSD loads kernel modules instead, with ' +
      'kldload(8).',
    aliases: [],
    ours: true,
    async run(session, args) {
      const [file] = args;
      if (file === undefined || args.length > 1) return 'usage';
      const names = await send(session, `load ${file}`, () => session.messenger.load(resolve(file)));
      if (!names) return 'error';
      for (const name of names) session.print(`${name}\n`);
      return 'ok';
    },
  },
  {
    usage: 'mkpeer [path] <type> <hook> <peerhook>',
    summary: 'Make a node of <type> and join it to the node at <path>',
    description:
      'The new node\'s "peerhook" is joined to "hook" of the node at "path", or nothing is made. ' +
      'Without "path" it is ngctl\'s own node.',
    aliases: [],
    async run(session, args) {
      if (args.length < 3 || args.length > 4) return 'usage';
      const [peerhook, ourhook, type, path = HERE] = [...args].reverse() as [string, string, string, string?];
      return tell(session, path, 'mkpeer', { type, ourhook, peerhook } satisfies MkPeer);
    },
  },
  {
    usage: 'msg path command [args ... ]',
    summary: 'Send a control message to the node at "path"',
    description: "The command is one of the node's type or a generic one; its argument is written { field=value ... }.",
    aliases: ['cmd'],
    async run(session, [path, command, ...words]) {
      if (path === undefined || command === undefined) return 'usage';
      const ascii = words.join(' ');
      if (session.debugLevel > 0) session.warn(`to '${path}': ${command} ${ascii}`);
      const replies = await send(session, 'send msg', () => session.messenger.message(path, command, ascii));
      if (!replies) return 'error';
      for (const reply of replies) session.print(formatReply(reply));
      return 'ok';
    },
  },
  {
    usage: 'name <path> <name>',
    summary: 'Name the node at <path> <name>',
    aliases: [],
    async run(session, args) {
      const [path, name] = args;
      if (path === undefined || name === undefined || args.length > 2) return 'usage';
      return tell(session, path, 'name', { name } satisfies Name);
    },
  },
  {
    usage: 'read <filename>',
    summary: 'Run the commands of a file',
    aliases: ['source', '.'],
    async run(session, args) {
      const [path] = args;
      return path === undefined || args.length > 1 ? 'usage' : session.readFile(path);
    },
  },
  {
    usage: 'rmhook [path] <hook>',
    summary: 'Remove <hook> of the node at <path>, and its peer',
    description: 'Without "path" it is a hook of ngctl\'s own node.',
    aliases: ['disconnect'],
    async run(session, args) {
      if (args.length < 1 || args.length > 2) return 'usage';
      const [hook, path = HERE] = [...args].reverse() as [string, string?];
      return tell(session, path, 'rmhook', { hook } satisfies RmHook);
    },
  },
  {
    usage: 'show [-n] <path> | show graph runtime',
    summary: 'Show the node at <path>',
    description:
      'With -n its hooks are left out. "show graph runtime" tells what each node did on each worker: ' +
      'how many packets, in how many vectors, and how long one took.',
    aliases: ['inquire', 'info'],
    async run(session, args) {
      if (args.length === 2 && args[0] === 'graph' && args[1] === 'runtime') {
        const rows = await send(session, 'send msg', () => session.messenger.runtime());
        if (!rows) return 'error';
        session.print(formatRuntime(rows));
        return 'ok';
      }
      const given = getopt(args, 'n');
      const path = given?.operands[0];
      if (!given || path === undefined || given.operands.length > 1) return 'usage';
      const list = await send(session, 'send msg', () => request(session, path, 'listhooks'));
      if (list === undefined) return 'error';
      session.print(formatHooks(list as HookList, !given.options.has('n')));
      return 'ok';
    },
  },
  {
    usage: 'shutdown <path>',
    summary: 'End the node at <path>',
    aliases: ['kill', 'rmnode'],
    async run(session, args) {
      const [path] = args;
      return path === undefined || args.length > 1 ? 'usage' : tell(session, path, 'shutdown', undefined, 'shutdown');
    },
  },
  {
    usage: 'status <path>',
    summary: 'Show what the node at <path> says of its state',
    aliases: [],
    async run(session, args) {
      const [path] = args;
      return path === undefined || args.length > 1 ? 'usage' : text(session, 'status', path, 'textstatus');
    },
  },
  {
    usage: 'types',
    summary: 'Show the types of nodes that can be made',
    aliases: [],
    async run(session, args) {
      if (args.length > 0) return 'usage';
      const list = await send(session, 'send msg', () => request(session, HERE, 'listtypes'));
      if (list === undefined) return 'error';
      session.print(formatTypes(list as TypeList));
      return 'ok';
    },
  },
  {
    usage: 'write hook < -f file | byte ... >',
    summary: "Send a packet out of <hook> of ngctl's own node",
    description: 'Its bytes are those of a file, or are given one by one: decimal, 0x... or 0....',
    aliases: ['w'],
    async run(session, [hook, ...words]) {
      if (hook === undefined || words.length === 0) return 'usage';
      const warn = (text: string): void => session.warn(text);
      const fromFile = words[0] === '-f';
      if (fromFile && words.length !== 2) return 'usage';
      const data = fromFile ? await fileBytes(warn, words[1]!) : wordBytes(warn, words);
      if (!data) return 'error';
      const sent = await send(session, `writing to hook "${hook}"`, async () => {
        await session.messenger.write(hook, data);
        return true;
      });
      return sent ? 'ok' : 'error';
    },
  },
  { usage: 'quit', summary: 'Leave ngctl', aliases: ['exit'], run: async () => 'quit' },
];

export function nameOf(command: NgctlCommand): string {
  return command.usage.split(' ', 1)[0]!;
}

/** The command of which `word` is a beginning, whatever the case, by its name or an alias; says so where there is not one. */
export function findCommand(session: Session, word: string): NgctlCommand | undefined {
  const start = word.toLowerCase();
  const all = COMMANDS.filter(command => [nameOf(command), ...command.aliases].some(name => name.startsWith(start)));
  const theirs = all.filter(command => !command.ours);
  const found = theirs.length > 0 ? theirs : all;
  if (found.length === 1) return found[0];
  session.warn(`"${word}": ${found.length > 1 ? 'ambiguous' : 'unknown'} command`);
  return undefined;
}

function helpText(command: NgctlCommand): string {
  let out = `usage:    ${command.usage}\n`;
  if (command.aliases.length > 0) out += `Aliases:  ${command.aliases.join(', ')}\n`;
  out += `Summary:  ${command.summary}\n`;
  if (command.description === undefined) return out;
  out += 'Description:\n';
  let line = '';
  for (const word of command.description.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > HELP_WIDTH) {
      out += `  ${line}\n`;
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return `${out}  ${line}\n`;
}

/** The lines of a file, or undefined where it can not be read, which is said. */
export async function fileLines(session: Session, path: string): Promise<readonly string[] | undefined> {
  try {
    return (await readFile(path, 'utf8')).split('\n');
  } catch (error) {
    session.warn(`${path}: ${why(error)}`);
    return undefined;
  }
}
