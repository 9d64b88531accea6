// The shell's socket: RUN_DIR/vty.sock. A session is a connection; several live side by side. The protocol is one JSON
// object a line, both ways (docs/vty-protocol.md). What a command shows is pulled from its thread piece by piece and only as fast
// as the socket takes it, so a shell that stops reading stops the command, not the daemon.
import type net from 'node:net';
import { join } from 'node:path';
import type { TaskStats } from '../concurrency/index.ts';
import { LocalSocket } from '../sys/index.ts';
import {
  type Block,
  type CommandReply,
  type CommandSet,
  CommandError,
  commandHandler,
  type ConfigProblem,
  explain,
  Grammar,
  type Match,
  type ThreadStatus,
  wordsOf,
} from '../vty/index.ts';
import { allCommands } from './commands.ts';
import { type Owner, RunningConfiguration } from './configuration.ts';
import type { GraphView } from './graph-service.ts';
import { type Filter, FILTERS, makeFilter } from './filter.ts';
import { hostname, type MainState, mainCommands, type ShellSession, type ThreadInfo } from './main-commands.ts';

export type { Owner } from './configuration.ts';
export type { ThreadInfo } from './main-commands.ts';

export interface VtyServiceOptions {
  readonly runDir: string;
  /** Where `write` saves. */
  readonly configFile?: string;
  readonly version: string;
  /** The thread of this name, while it runs. A thread's name is the name of the command set it serves. */
  readonly thread: (name: string) => Owner | undefined;
  /** All threads, for `show threads`; each that `thread` knows is asked for its status. */
  readonly threads: () => readonly ThreadInfo[];
  /** Accounts of main's own loop. */
  readonly tasks?: () => readonly TaskStats[];
  /** The daemon's graph, for `show graph`. */
  readonly graph?: GraphView;
  /** Command tables; the daemon's own unless told. `main`'s must be among them. */
  readonly commands?: readonly CommandSet<never>[];
  readonly logChanged?: (line: string, present: boolean) => void;
}

/** A thread that does not tell its status in this time is left out of `show memory`. */
const STATUS_TIMEOUT_MS = 2000;
/** Lines that a client may send ahead. */
const PENDING_LIMIT = 256;
/** A request longer than this ends the session. */
const REQUEST_LIMIT = 1024 * 1024;
const HISTORY_LIMIT = 200;
const SESSION_LIMIT = 100;

export const SOCKET_NAME = 'vty.sock';

export class VtyService {
  readonly configuration: RunningConfiguration;
  readonly #options: VtyServiceOptions;
  readonly #socket: LocalSocket;
  readonly #sessions = new Set<VtySession>();
  readonly #main: Owner;
  readonly #state: MainState;

  constructor(options: VtyServiceOptions) {
    this.#options = options;
    const startedAt = Date.now();
    this.configuration = new RunningConfiguration(new Grammar(options.commands ?? allCommands), name =>
      this.owner(name),
    );
    this.#state = {
      configuration: this.configuration,
      configFile: options.configFile,
      version: options.version,
      startedAt,
      threads: () => [
        { name: 'main', state: 'running', restarts: 0, since: startedAt },
        ...options.threads().filter(thread => thread.name !== 'main'),
      ],
      statuses: () => this.#statuses(),
      graph: options.graph,
      logChanged: (line, present) => options.logChanged?.(line, present),
    };
    const handler = commandHandler(mainCommands, this.#state, {
      ...(options.tasks ? { tasks: options.tasks } : {}),
      tables: () => ({ sessions: this.#sessions.size }),
    });
    this.#main = { request: async message => handler(message) };
    this.#socket = new LocalSocket(join(options.runDir, SOCKET_NAME), socket => this.#accept(socket));
  }

  /** Reads a configuration and puts it into force; gives what is wrong with it. Where a line is not understood nothing was
   *  done; lines that a thread refused are left out and reported. */
  load(text: string, file: string): Promise<ConfigProblem[]> {
    return this.configuration.load(text, file);
  }

  /** Tells a thread that was started anew its part of the configuration. */
  replay(name: string): Promise<string[]> {
    return this.configuration.replay(name);
  }

  owner(name: string): Owner | undefined {
    return name === 'main' ? this.#main : this.#options.thread(name);
  }

  /** Opens the socket and gives its path. Refuses where another daemon answers on it. */
  async listen(): Promise<string> {
    await this.#socket.listen();
    return this.#socket.path;
  }

  async close(): Promise<void> {
    for (const session of this.#sessions) session.close();
    await this.#socket.close();
  }

  #accept(socket: net.Socket): void {
    if (this.#sessions.size >= SESSION_LIMIT) {
      socket.end(`${JSON.stringify({ error: `% ${SESSION_LIMIT} shells are already connected` })}\n`);
      return;
    }
    const session = new VtySession(socket, this, () => this.#sessions.delete(session));
    this.#sessions.add(session);
  }

  async #statuses(): Promise<{ name: string; status: ThreadStatus }[]> {
    const names = this.#state.threads().map(thread => thread.name);
    const found = await Promise.all(
      names.map(async name => {
        const reply = await withTimeout(this.owner(name)?.request({ vty: 'status' }), STATUS_TIMEOUT_MS);
        const status = (reply as { status?: ThreadStatus } | undefined)?.status;
        return status ? { name, status } : undefined;
      }),
    );
    return found.filter(entry => entry !== undefined);
  }
}

/** What a client sends; see docs/vty-protocol.md. */
type Request =
  | { op: 'execute'; id: number; line: string }
  | { op: 'complete' | 'help'; id: number; line: string }
  | { op: 'interrupt'; id?: number }
  | { op: 'terminal'; length: number };

let nextCommandId = 1;

class VtySession {
  readonly #socket: net.Socket;
  readonly #service: VtyService;
  readonly #shell: ShellSession;
  readonly #history: string[] = [];
  readonly #waiting: Extract<Request, { op: 'execute' }>[] = [];
  readonly #ended: () => void;
  /** The block that configuration lines go to; undefined in exec mode. */
  #block: Block | undefined;
  #partial = '';
  #busy = false;
  #open = true;
  #leaving = false;
  /** Ends the command that runs. */
  #interrupt: (() => void) | undefined;

  constructor(socket: net.Socket, service: VtyService, ended: () => void) {
    this.#socket = socket;
    this.#service = service;
    this.#ended = ended;
    const root = (): Block => service.configuration.tree.root;
    const setBlock = (block: Block | undefined): void => {
      this.#block = block;
    };
    const modeNow = (): string => this.#mode;
    const leave = (): void => this.#leave();
    this.#shell = {
      terminalLength: 0,
      history: this.#history,
      get mode() {
        return modeNow();
      },
      configure: () => setBlock(root()),
      leave,
      end: () => setBlock(undefined),
    };
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#data(text));
    // The other end went away: a write to it fails, and that is all there is to it.
    socket.on('error', () => {});
    socket.on('close', () => this.#end());
    socket.on('end', () => this.#end());
    this.#send({ prompt: this.#prompt() });
  }

  close(): void {
    this.#socket.destroy();
    this.#end();
  }

  get #mode(): string {
    return this.#block?.mode ?? 'exec';
  }

  /** The word that ends this mode's block in a configuration, where it has one of its own (`exit-address-family`). */
  get #ownExit(): string | undefined {
    return this.#service.configuration.grammar.modes.get(this.#mode)?.exit;
  }

  #prompt(): string {
    const { grammar } = this.#service.configuration;
    return `${hostname(this.#service.configuration)}${grammar.modes.get(this.#mode)?.prompt ?? ''}# `;
  }

  #leave(): void {
    if (this.#block) this.#block = this.#block.parent;
    else this.#leaving = true;
  }

  #end(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#waiting.length = 0;
    this.#interrupt?.();
    this.#socket.destroy();
    this.#ended();
  }

  #send(message: object): boolean {
    return this.#open && this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  #data(text: string): void {
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop() as string;
    for (const line of lines) {
      if (line.trim() === '') continue;
      let request: Request;
      try {
        request = JSON.parse(line) as Request;
      } catch {
        this.#send({ error: `% Not a request: ${line.slice(0, 100)}` });
        this.#end();
        return;
      }
      this.#request(request);
    }
    if (this.#partial.length > REQUEST_LIMIT) {
      this.#send({ error: `% A request of more than ${REQUEST_LIMIT} characters` });
      this.#end();
    }
  }

  #request(request: Request): void {
    switch (request.op) {
      case 'execute':
        if (typeof request.line !== 'string') break;
        this.#waiting.push(request);
        if (this.#waiting.length >= PENDING_LIMIT) this.#socket.pause();
        void this.#work();
        return;
      case 'complete':
      case 'help':
        if (typeof request.line !== 'string') break;
        this.#send({ id: request.id, ...this.#complete(request.line) });
        return;
      case 'interrupt':
        this.#waiting.length = 0;
        this.#interrupt?.();
        return;
      case 'terminal':
        this.#shell.terminalLength = Number.isInteger(request.length) ? Math.max(0, request.length) : 0;
        return;
      default:
    }
    this.#send({ error: `% Not a request: ${JSON.stringify(request).slice(0, 100)}` });
  }

  /** Runs the lines that wait, one after the other. */
  async #work(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (let request = this.#waiting.shift(); request && this.#open; request = this.#waiting.shift()) {
      if (this.#waiting.length < PENDING_LIMIT / 2) this.#socket.resume();
      const error = await this.#execute(request.id, request.line);
      this.#send({
        id: request.id,
        done: true,
        ok: error === undefined,
        ...(error === undefined ? {} : { error }),
        prompt: this.#prompt(),
        mode: this.#mode,
        terminalLength: this.#shell.terminalLength,
        ...(this.#leaving ? { exit: true } : {}),
      });
      if (this.#leaving) this.#socket.end();
    }
    this.#busy = false;
  }

  /** Gives the error, or undefined where all went well. */
  async #execute(id: number, line: string): Promise<string | undefined> {
    const words = wordsOf(line);
    if (words.length === 0) return undefined;
    if (this.#history.length >= HISTORY_LIMIT) this.#history.shift();
    this.#history.push(words.join(' '));
    if (this.#block && !this.#block.attached) {
      this.#block = this.#service.configuration.tree.root;
      if (words[0] !== 'end' && words[0] !== 'exit')
        return '% The block that you were in was removed from the configuration';
    }
    if (words.length === 1 && words[0] === this.#ownExit) {
      this.#leave();
      return undefined;
    }
    try {
      const found = this.#find(words);
      if ('error' in found) return found.error;
      const { match, filter } = found;
      return match.entry.command.config ? await this.#configure(id, match) : await this.#show(id, match, filter);
    } catch (error) {
      return error instanceof CommandError ? error.message : `% ${(error as Error).message}`;
    }
  }

  /** The command that the words name, here or, in a configuration mode, in exec mode. */
  #find(words: readonly string[]): { match: Match; filter: Filter | undefined } | { error: string } {
    const { grammar } = this.#service.configuration;
    const doing = this.#block !== undefined && words[0] === 'do' && words.length > 1;
    const mine = doing ? words.slice(1) : words;
    const first = grammar.parse(doing ? 'exec' : this.#mode, mine);
    if ('entry' in first) return { match: first, filter: undefined };
    // Only what shows something is filtered; `|` is an ordinary character of a description.
    const bar = mine.indexOf('|');
    const plain = bar > 0 ? mine.slice(0, bar) : mine;
    const second = bar > 0 || this.#block ? grammar.parse('exec', plain) : first;
    if ('entry' in second && !second.entry.command.config) {
      return { match: second, filter: bar > 0 ? makeFilter(mine.slice(bar + 1)) : undefined };
    }
    const worst = 'entry' in second || first.at >= second.at ? first : second;
    return { error: explain(worst, mine) };
  }

  async #configure(id: number, match: Match): Promise<string | undefined> {
    const at = this.#block ?? this.#service.configuration.tree.root;
    const { errors, warnings, block } = await this.#service.configuration.enter(at, match);
    if (this.#block) this.#block = block;
    if (warnings.length > 0) this.#send({ id, out: `${warnings.join('\n')}\n` });
    return errors.length > 0 ? errors.map(({ message }) => message).join('\n') : undefined;
  }

  async #show(id: number, match: Match, filter: Filter | undefined): Promise<string | undefined> {
    const { owner: name, number } = match.entry;
    const owner = this.#service.owner(name);
    if (!owner) return `% ${name} is not running`;
    let interrupted = false;
    const stop = new Promise<undefined>(resolve => {
      this.#interrupt = () => {
        interrupted = true;
        resolve(undefined);
      };
    });
    const command = nextCommandId++;
    // Main's own commands act on the session; to another thread only its values go.
    const session = name === 'main' ? this.#shell : { terminalLength: this.#shell.terminalLength };
    let last = '\n';
    try {
      let request: object = { vty: 'exec', id: command, command: number, args: match.args, session };
      for (;;) {
        const reply = (await Promise.race([owner.request(request), stop])) as CommandReply | undefined;
        if (interrupted || reply === undefined) break;
        if ('error' in reply) return reply.error;
        if (!('text' in reply)) return `% ${name} gave no answer`;
        const text = filter ? filter.push(reply.text) + (reply.done ? filter.end() : '') : reply.text;
        if (text !== '') {
          last = text.at(-1) as string;
          if (!this.#send({ id, out: text }) && this.#open) await Promise.race([drained(this.#socket), stop]);
        }
        if (reply.done) {
          if (last !== '\n') this.#send({ id, out: '\n' });
          return undefined;
        }
        if (interrupted) break;
        request = { vty: 'more', id: command };
      }
    } finally {
      this.#interrupt = undefined;
    }
    // The thread may be gone with its command; then there is nothing left to close.
    await owner.request({ vty: 'close', id: command }).catch(() => {});
    return undefined;
  }

  /** What may come next, for Tab and `?`. The last word is the one being typed; a line that ends in a space begins a new one. */
  #complete(line: string): object {
    const { grammar } = this.#service.configuration;
    const words = line.split(/\s+/);
    if (words[0] === '') words.shift();
    const partial = words.length > 0 ? (words.pop() as string) : '';
    let mode = this.#mode;
    if (this.#block && words[0] === 'do') {
      words.shift();
      mode = 'exec';
    }
    const bar = words.indexOf('|');
    if (bar > 0 && mode === 'exec') {
      const after = words.slice(bar + 1);
      if (after.length > 0)
        return { candidates: [{ text: 'REGEX', help: 'A regular expression', keyword: false }], partial };
      const filters = Object.entries(FILTERS).filter(([name]) => name.startsWith(partial));
      return { candidates: filters.map(([text, help]) => ({ text, help, keyword: true })), partial };
    }
    let candidates = grammar.candidates(mode, words, partial);
    if (candidates.length === 0 && this.#block && mode !== 'exec')
      candidates = grammar.candidates('exec', words, partial);
    if (this.#block && mode !== 'exec' && words.length === 0 && 'do'.startsWith(partial)) {
      candidates.push({ text: 'do', help: 'To run exec commands in config mode', keyword: true });
    }
    const exit = this.#ownExit;
    if (exit !== undefined && words.length === 0 && exit.startsWith(partial)) {
      candidates.push({ text: exit, help: 'Leave this block', keyword: true });
    }
    if (mode === 'exec' && candidates.some(candidate => candidate.text === '<cr>')) {
      candidates.push({ text: '|', help: 'Filter the output', keyword: true });
    }
    return { candidates, partial };
  }
}

function drained(socket: net.Socket): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}

async function withTimeout(work: Promise<unknown> | undefined, ms: number): Promise<unknown> {
  if (!work) return undefined;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>(resolve => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([work.catch(() => undefined), late]);
  } finally {
    clearTimeout(timer);
  }
}
