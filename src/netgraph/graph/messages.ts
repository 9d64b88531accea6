// Control messages: found by name or number in the type's table, else in the generic one; handled in the graph's thread as one change, so
// a message that is refused has changed nothing. What has no answer settles with undefined; what is refused rejects.
import { inspect } from 'node:util';
import { type Command, findCommand, type NgMesg } from '../message/command.ts';
import { fromBinary, parseAscii, printAscii, toBinary } from '../message/form.ts';
import {
  type Connect,
  GENERIC_COMMANDS,
  type HookList,
  type MkPeer,
  type Name,
  type NameList,
  NGM_GENERIC_COOKIE,
  type NodeInfo,
  type RmHook,
  type TypeList,
} from '../message/generic.ts';
import { NetgraphError } from './error.ts';
import type { Graph } from './graph.ts';
import type { Node } from './node.ts';
import type { Sender } from './type.ts';

/** A response. */
export interface Answer {
  readonly from: Node;
  readonly command: Command;
  /** Undefined where the response has no argument. */
  readonly args: unknown;
}

/** A command of a node, and whose it is. */
export interface Found {
  readonly command: Command;
  readonly cookie: number;
}

type Handler = (node: Node, args: never, graph: Graph, sender: Sender) => unknown;

const GENERIC: Readonly<Record<string, Handler>> = {
  shutdown: (node: Node, _args: undefined, graph: Graph) => graph.shutdown(node),
  mkpeer: (node: Node, { type, ourhook, peerhook }: MkPeer, graph: Graph) => {
    if (graph.type(type)?.ofPrograms) {
      throw new NetgraphError('EINVAL', `nodes of type '${type}' are made by the programs that they belong to`);
    }
    graph.mkpeer(node, type, ourhook, peerhook);
  },
  connect: (node: Node, { path, ourhook, peerhook }: Connect, graph: Graph) =>
    graph.connect(node, ourhook, graph.find(path, node).node, peerhook),
  name: (node: Node, { name }: Name, graph: Graph) => graph.rename(node, name),
  rmhook: (node: Node, { hook: name }: RmHook, graph: Graph) => {
    const hook = node.hooks.get(name);
    if (!hook) throw new NetgraphError('ENOENT', `node ${node.address} has no hook '${name}'`);
    graph.rmhook(hook);
  },
  nodeinfo: (node: Node): NodeInfo => nodeInfoOf(node),
  listhooks: (node: Node): HookList => hookListOf(node),
  listnames: (_node: Node, _args: undefined, graph: Graph): NameList =>
    listOf([...graph.nodes].filter(node => node.name !== undefined)),
  listnodes: (_node: Node, _args: undefined, graph: Graph): NameList => listOf([...graph.nodes]),
  listtypes: (_node: Node, _args: undefined, graph: Graph): TypeList => {
    const counts = new Map<string, number>();
    for (const { type } of graph.nodes) counts.set(type.name, (counts.get(type.name) ?? 0) + 1);
    const typeinfo = [...graph.types].map(({ name }) => ({ typename: name, numnodes: counts.get(name) ?? 0 }));
    return { numtypes: typeinfo.length, typeinfo };
  },
  textstatus: (node: Node): string => {
    const text = node.control.status?.();
    if (text === undefined) throw new NetgraphError('EINVAL', `nodes of type '${node.type.name}' have no status`);
    return text;
  },
  textconfig: (node: Node, text: string | undefined): string => {
    if (!node.control.textConfig) {
      throw new NetgraphError('EINVAL', `nodes of type '${node.type.name}' have no configuration in text`);
    }
    return node.control.textConfig(text);
  },
  ascii2binary: (node: Node, message: NgMesg): NgMesg => {
    const { command, cookie } = commandOf(node, message.cmdstr);
    const form = message.flags & 1 ? command.reply : command.args;
    const text = Buffer.from(message.data).toString().split('\0', 1)[0]!;
    const data = form ? toBinary(form, parseAscii(form, text)) : new Uint8Array();
    return { ...message, cmd: command.cmd, typecookie: cookie, arglen: data.length, data };
  },
  binary2ascii: (node: Node, message: NgMesg): NgMesg => {
    const { command } = commandByNumber(node, message.typecookie, message.cmd);
    const form = message.flags & 1 ? command.reply : command.args;
    const text = form ? printAscii(form, fromBinary(form, message.data)) : '';
    const data = new Uint8Array(Buffer.from(`${text}\0`, 'latin1'));
    return { ...message, cmdstr: command.name, arglen: data.length, data };
  },
};

/** Sends a message from `from` (undefined: from nowhere, so the address must be absolute) to the node at `path`. */
export async function send(
  graph: Graph,
  from: Node | undefined,
  path: string,
  name: string,
  args?: unknown,
): Promise<Answer> {
  const { node } = graph.find(path, from);
  const command = findFor(node, name)?.command ?? { name, cmd: 0 };
  return { from: node, command, args: await tell(graph, from, path, name, args) };
}

/** As `send`, at once: it may be part of a change. What the handler gave, which may be a promise. The argument is held to the command's
 *  form: what is not said is the default. EINVAL where it is of another form. */
export function tell(graph: Graph, from: Node | undefined, path: string, name: string, args?: unknown): unknown {
  const { node, hook } = graph.find(path, from);
  const found = findFor(node, name);
  const sender = { node: from, hook };
  const taken = found ? checked(found.command, args) : args;
  return graph.change(() => {
    if (found?.cookie === NGM_GENERIC_COOKIE) return GENERIC[name]!(node, taken as never, graph, sender);
    graph.onUndo(saved(node));
    if (!found) return receive(node, name, args, sender);
    const row = node.type.messages.find(each => each.name === name)!;
    return row.handle(node.control as never, taken as never, sender);
  });
}

/** The same with the argument in ASCII: the answer's too, undefined where it has none. */
export async function sendAscii(
  graph: Graph,
  from: Node | undefined,
  path: string,
  name: string,
  text: string,
): Promise<{ readonly answer: Answer; readonly ascii: string | undefined }> {
  const { node } = graph.find(path, from);
  const found = findFor(node, name);
  let args: unknown;
  if (found) {
    const form = found.command.args;
    if (form) {
      // Where nothing is said and a default would do, ngctl says nothing.
      if (text.trim() !== '' || name !== 'textconfig') args = parseAscii(form, text);
    } else if (text.trim() !== '') {
      throw new NetgraphError('EINVAL', `message '${name}' takes no argument: '${text}'`);
    }
  } else args = text;
  const answer = await send(graph, from, path, name, args);
  const form = answer.command.reply;
  return { answer, ascii: form && answer.args !== undefined ? printAscii(form, answer.args) : undefined };
}

/** The command that `name` means to this node. EINVAL where it means nothing. */
export function commandOf(node: Node, name: string): Found {
  const found = findFor(node, name);
  if (found) return found;
  throw new NetgraphError('EINVAL', `nodes of type '${node.type.name}' do not know the message '${name}'`);
}

function findFor(node: Node, name: string): Found | undefined {
  const own = findCommand(node.type.messages, name);
  if (own) return { command: own, cookie: node.type.cookie };
  const generic = findCommand(GENERIC_COMMANDS, name);
  return generic && { command: generic, cookie: NGM_GENERIC_COOKIE };
}

function commandByNumber(node: Node, cookie: number, cmd: number): Found {
  const rows: readonly Command[] = cookie === NGM_GENERIC_COOKIE ? GENERIC_COMMANDS : node.type.messages;
  const command = rows.find(row => row.cmd === cmd);
  if (command && (cookie === NGM_GENERIC_COOKIE || cookie === node.type.cookie)) return { command, cookie };
  throw new NetgraphError('EINVAL', `nodes of type '${node.type.name}' have no command ${cmd} of cookie ${cookie}`);
}

function checked({ name, args: form }: Command, args: unknown): unknown {
  if (args === undefined) {
    if (form === undefined || name === 'textconfig') return undefined;
    throw new NetgraphError('EINVAL', `message '${name}' takes an argument`);
  }
  if (!form) throw new NetgraphError('EINVAL', `message '${name}' takes no argument: ${inText(args)}`);
  try {
    return fromBinary(form, toBinary(form, args));
  } catch (error) {
    if (error instanceof NetgraphError) throw error;
    throw new NetgraphError('EINVAL', `no argument of '${name}', which is a ${form.label}: ${inText(args)}`);
  }
}

function inText(value: unknown): string {
  return inspect(value, { depth: 2, breakLength: Number.POSITIVE_INFINITY }).slice(0, 200);
}

function saved(node: Node): () => void {
  const { persistent } = node;
  const putBack = node.control.save?.();
  return () => {
    node.persistent = persistent;
    putBack?.();
  };
}

function receive(node: Node, name: string, args: unknown, sender: Sender): unknown {
  if (node.control.received) return node.control.received(name, args, sender);
  throw new NetgraphError('EINVAL', `nodes of type '${node.type.name}' do not know the message '${name}'`);
}

/** A node, its hooks, and who is at their other ends. */
export function hookListOf(node: Node): HookList {
  return {
    nodeinfo: nodeInfoOf(node),
    linkinfo: [...node.hooks.values()].map(hook => ({
      ourhook: hook.name,
      peerhook: hook.peer!.name,
      nodeinfo: nodeInfoOf(hook.peer!.node),
    })),
  };
}

function nodeInfoOf(node: Node): NodeInfo {
  return { name: node.name ?? '', type: node.type.name, id: node.id, hooks: node.hooks.size };
}

function listOf(nodes: readonly Node[]): NameList {
  return { numnames: nodes.length, nodeinfo: nodes.map(nodeInfoOf) };
}
