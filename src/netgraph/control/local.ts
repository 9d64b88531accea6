// A Messenger in the process of the graph: a socket node with messages in ASCII and as values.
import { setTimeout as sleep } from 'node:timers/promises';
import { formatId } from '../graph/address.ts';
import { NetgraphError } from '../graph/error.ts';
import type { Graph } from '../graph/graph.ts';
import { loadTypes } from '../graph/load.ts';
import { send, sendAscii } from '../graph/messages.ts';
import type { Node } from '../graph/node.ts';
import type { Sender } from '../graph/type.ts';
import { type Command, findCommand } from '../message/command.ts';
import { type Form, printAscii } from '../message/form.ts';
import { GENERIC_COMMANDS } from '../message/generic.ts';
import { type SocketControl, socketOf } from '../node/socket.ts';
import type { Messenger, Reply, RuntimeRow } from './messenger.ts';
import { runtimeOf } from './runtime.ts';

/** How long the node stays for what was written to go out, where a worker does not come to it, in milliseconds. */
const PATIENCE_MS = 1000;

/** Makes a socket node in the graph, of this name where one is told. Throws NetgraphError: EADDRINUSE, EINVAL. */
export function graphMessenger(graph: Graph, name?: string): Messenger {
  return new GraphMessenger(graph, name);
}

class GraphMessenger implements Messenger {
  readonly #graph: Graph;
  readonly #node: Node;
  readonly #socket: SocketControl;

  constructor(graph: Graph, name: string | undefined) {
    this.#graph = graph;
    this.#node = graph.create('socket', name);
    this.#socket = socketOf(this.#node);
  }

  get name(): string {
    return this.#node.address;
  }

  async request(path: string, command: string, args?: unknown): Promise<unknown> {
    return (await send(this.#graph, this.#here(), path, command, args)).args;
  }

  async message(path: string, command: string, ascii: string): Promise<readonly Reply[]> {
    const { answer, ascii: text } = await sendAscii(this.#graph, this.#here(), path, command, ascii);
    const { command: row, args, from } = answer;
    if (args === undefined && !row.reply) return [];
    return [{ command: row.name, cmd: row.cmd, from: formatId(from.id), ascii: text, response: true }];
  }

  async write(hook: string, data: Uint8Array): Promise<void> {
    this.#socket.write(hook, data);
  }

  onMessage(fn: (reply: Reply) => void): void {
    this.#socket.onMessage = (name, args, sender) => fn(asReply(name, args, sender));
  }

  onData(fn: (hook: string, data: Uint8Array) => void): void {
    this.#socket.onData = fn;
  }

  async load(file: string): Promise<readonly string[]> {
    return loadTypes(this.#graph, file);
  }

  async runtime(): Promise<readonly RuntimeRow[]> {
    return runtimeOf(this.#graph);
  }

  async close(): Promise<void> {
    const patience = new AbortController();
    const enough = sleep(PATIENCE_MS, undefined, { ref: false, signal: patience.signal });
    await Promise.race([this.#socket.written(), enough]).catch(() => {});
    patience.abort();
    this.#graph.shutdown(this.#node);
  }

  /** Addresses are walked from here, but not from a node that somebody ended. */
  #here(): Node {
    if (this.#node.state === 'there') return this.#node;
    throw new NetgraphError('ENOTCONN', `the socket node ${this.name} is gone`);
  }
}

/** What somebody sends us is described by the sender's own table, or the generic one. */
function asReply(name: string, args: unknown, { node }: Sender): Reply {
  const row: Command | undefined =
    (node && findCommand<Command>(node.type.messages, name)) ?? findCommand(GENERIC_COMMANDS, name);
  return {
    command: name,
    cmd: row?.cmd ?? 0,
    from: node ? formatId(node.id) : '[0]:',
    ascii: textOf(row?.args ?? row?.reply, args),
    response: false,
  };
}

function textOf(form: Form<unknown> | undefined, args: unknown): string | undefined {
  if (args === undefined || typeof args === 'string') return args;
  try {
    if (form) return printAscii(form, args);
  } catch {
    // It is of no form that we know.
  }
  return JSON.stringify(args);
}
