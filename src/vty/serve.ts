// The owner's side of the command language: main asks, the thread that owns the state answers.
//
// A command may show a million lines, and the shell that reads them may be slow. So main pulls: `exec` answers with the
// first piece of text, every `more` with the next, and `close` ends a command whose reader went away. One request is one
// slice of work (a few milliseconds or a piece of text, whichever comes first), so the thread's other tasks run between
// two slices, and no more than one piece is ever on its way. Nothing here waits, so the same handler serves a thread
// that polls its port without Node's loop (there, commands must not give promises).
import type { TaskStats, WorkQueueStats } from '../concurrency/index.ts';
import type { CommandArgs } from './args.ts';
import type { Command, CommandSet, Output, Session } from './command.ts';
import { CommandError } from './error.ts';

/** What main sends. `command` is the position in the owner's CommandSet. */
export type CommandRequest =
  | {
      readonly vty: 'exec';
      readonly id: number;
      readonly command: number;
      readonly args: CommandArgs;
      readonly session: Session;
    }
  | { readonly vty: 'more'; readonly id: number }
  | { readonly vty: 'close'; readonly id: number }
  | { readonly vty: 'config'; readonly actions: readonly ConfigAction[] }
  | { readonly vty: 'status' };

/** One change of the configuration. */
export interface ConfigAction {
  readonly type: 'apply' | 'remove' | 'reset';
  readonly command: number;
  readonly args: CommandArgs;
  readonly context: readonly CommandArgs[];
}

export type CommandReply =
  | { readonly text: string; readonly done: boolean }
  | { readonly error: string }
  | { readonly results: readonly ConfigResult[] }
  | { readonly status: ThreadStatus };

/** What a thread says of itself for `show memory` and `show event cpu`. */
export interface ThreadStatus {
  /** Bytes of this thread's JavaScript heap, used and reserved; of memory outside it; of that, in array buffers. */
  readonly memory: {
    readonly heapUsed: number;
    readonly heapTotal: number;
    readonly external: number;
    readonly arrayBuffers: number;
  };
  readonly tasks: readonly TaskStats[];
  /** What waits to be worked off. */
  readonly queues: readonly WorkQueueStats[];
  /** Sizes of tables by name: a number, or numbers by name. */
  readonly tables: Tables;
}

export type Tables = Readonly<Record<string, number | Readonly<Record<string, number>>>>;

/** What a thread can say beyond its commands. */
export interface ServeExtras {
  /** Accounts of the thread's loop (`TaskLoop.stats`). */
  readonly tasks?: () => readonly TaskStats[];
  readonly queues?: () => readonly WorkQueueStats[];
  /** Sizes of its tables, in rows or bytes as the names say. */
  readonly tables?: () => Tables;
  /** Milliseconds, for how long a slice may take; the system's unless told. */
  readonly now?: () => number;
  /** Gets the requests that are not about commands. */
  readonly otherwise?: (message: unknown) => unknown;
}

/** `error`: refused, and not in force. `warning`: in force, but the operator should know. */
export interface ConfigResult {
  readonly error?: string;
  readonly warning?: string;
}

/** The worker's end of its port to main, as `threadSide()` of concurrency gives it. */
export interface RequestSide {
  onRequest(handler: (message: unknown) => unknown): void;
}

/** A slice of a command stops after this long, */
const SLICE_MS = 5;
/** or when it has this much text, in UTF-16 units. */
const PIECE_LENGTH = 64 * 1024;
/** Commands that stream at the same time in one thread. */
const RUNNING_LIMIT = 64;

type Handler = (message: unknown) => CommandReply | Promise<CommandReply> | undefined;

/** Answers the requests of main; undefined for a message that is not about commands. */
export function commandHandler<State>(set: CommandSet<State>, state: State, extras: ServeExtras = {}): Handler {
  const now = extras.now ?? ((): number => performance.now());
  const running = new Map<number, Iterator<string> | AsyncIterator<string>>();
  /** Commands whose promise has not settled; false once their reader went away. */
  const promised = new Map<number, boolean>();

  function exec(request: Extract<CommandRequest, { vty: 'exec' }>): CommandReply | Promise<CommandReply> {
    const command = set.commands[request.command];
    if (!command?.run) return { error: `% ${set.owner} has no command number ${request.command}` };
    if (running.size >= RUNNING_LIMIT) return { error: `% ${set.owner} is already running ${RUNNING_LIMIT} commands` };
    try {
      const output = command.run(state, request.args, request.session);
      if (output instanceof Promise) {
        promised.set(request.id, true);
        return output
          .then(
            value => (promised.get(request.id) ? begin(request.id, value) : { text: '', done: true }),
            (error: unknown) => failure(command, error),
          )
          .finally(() => promised.delete(request.id));
      }
      return begin(request.id, output);
    } catch (error) {
      return failure(command, error);
    }
  }

  function begin(id: number, output: Output): CommandReply | Promise<CommandReply> {
    const iterator = textIterator(output);
    if (typeof iterator === 'string') return { text: iterator, done: true };
    running.set(id, iterator);
    return more(id);
  }

  function more(id: number): CommandReply | Promise<CommandReply> {
    const iterator = running.get(id);
    if (!iterator) return { error: `% ${set.owner} is not running command ${id}` };
    const deadline = now() + SLICE_MS;
    let text = '';
    try {
      while (text.length < PIECE_LENGTH && now() < deadline) {
        const step = iterator.next();
        if (step instanceof Promise) return moreLater(id, iterator as AsyncIterator<string>, step, text);
        if (step.done) {
          running.delete(id);
          return { text, done: true };
        }
        text += step.value;
      }
    } catch (error) {
      running.delete(id);
      return partly(text, failure(undefined, error));
    }
    return { text, done: false };
  }

  async function moreLater(
    id: number,
    iterator: AsyncIterator<string>,
    first: Promise<IteratorResult<string>>,
    before: string,
  ): Promise<CommandReply> {
    let text = before;
    try {
      for (let step = await first; ; step = await iterator.next()) {
        if (step.done) {
          running.delete(id);
          return { text, done: true };
        }
        text += step.value;
        if (text.length >= PIECE_LENGTH) return { text, done: false };
      }
    } catch (error) {
      running.delete(id);
      return partly(text, failure(undefined, error));
    }
  }

  function close(id: number): CommandReply {
    const iterator = running.get(id);
    running.delete(id);
    if (promised.has(id)) promised.set(id, false);
    // A generator runs its `finally` here, which may let go of what it held.
    void iterator?.return?.();
    return { text: '', done: true };
  }

  function configure(actions: readonly ConfigAction[]): CommandReply {
    return { results: actions.map(action => perform(set, state, action)) };
  }

  return message => {
    const request = message as CommandRequest;
    switch (request?.vty) {
      case 'exec':
        return exec(request);
      case 'more':
        return more(request.id);
      case 'close':
        return close(request.id);
      case 'config':
        return configure(request.actions);
      case 'status':
        return { status: statusOf(extras) };
      default:
        return undefined;
    }
  };
}

/**
 * Answers main's commands on a worker's port. For loops without Node, call `commandHandler` and hand it the messages. A
 * thread without commands serves an empty set, so that it is seen in `show memory` and `show event cpu`.
 */
export function serveCommands<State>(
  set: CommandSet<State>,
  state: State,
  side: RequestSide,
  extras: ServeExtras = {},
): void {
  const handler = commandHandler(set, state, extras);
  side.onRequest(message => handler(message) ?? extras.otherwise?.(message));
}

function statusOf(extras: ServeExtras): ThreadStatus {
  const { heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
  return {
    memory: { heapUsed, heapTotal, external, arrayBuffers },
    tasks: extras.tasks?.() ?? [],
    queues: extras.queues?.() ?? [],
    tables: extras.tables?.() ?? {},
  };
}

/** Runs one change against the state it belongs to. */
export function perform<State>(set: CommandSet<State>, state: State, action: ConfigAction): ConfigResult {
  const command = set.commands[action.command];
  if (!command?.config) return { error: `% ${set.owner} has no configuration line number ${action.command}` };
  try {
    const warning = command.config[action.type]?.(state, action.args, action.context);
    return warning ? { warning } : {};
  } catch (error) {
    const reply = failure(command, error);
    return { error: 'error' in reply ? reply.error : '' };
  }
}

/** Text as one string when it is at hand, or an iterator over pieces of it. */
function textIterator(output: Output): string | Iterator<string> | AsyncIterator<string> {
  if (output === undefined || output === null) return '';
  if (typeof output === 'string') return output;
  if (!Array.isArray(output)) {
    if (Symbol.iterator in output) return (output as Iterable<string>)[Symbol.iterator]();
    if (Symbol.asyncIterator in output) return (output as AsyncIterable<string>)[Symbol.asyncIterator]();
  }
  return formatJson(output);
}

/** JSON as it is shown: two spaces a level, and a newline at the end. */
export function formatJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function failure(command: Command<never> | undefined, error: unknown): CommandReply {
  if (error instanceof CommandError) return { error: error.message };
  // Ours, not the operator's: say where it happened, and let the thread live on.
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { error: `% Internal error${command ? ` in '${command.syntax}'` : ''}: ${text}` };
}

/** What was shown before a command failed is shown, then the error. */
function partly(text: string, reply: CommandReply): CommandReply {
  return text === '' || !('error' in reply) ? reply : { text: `${text}${reply.error}\n`, done: true };
}
