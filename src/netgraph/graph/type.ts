// What a node type is: one file that exports one of these. It says which messages its nodes understand, and has two halves:
//
//    control    one object a node, in the graph's thread: accepts or refuses hooks, answers messages, decides what the workers are told
//    data       one object a node and worker, in the workers' threads: what happens to packets (worker/half.ts)
//
// The halves share nothing but what goes between them on purpose: `configure` hands the data halves a value at a commit, `tell` brings
// one back, counters are read by the control half, and shared memory is set apart for both.
import type { ValueOf } from '../message/form.ts';
import type { Form } from '../message/form.ts';
import type { DataContext, DataHalf, DropReason } from '../worker/half.ts';
import type { Hook, Node } from './node.ts';

/** One message of a type. */
// biome-ignore lint: the table holds messages of any shape
export interface MessageType<Control = never, Argument = never, Reply = unknown> {
  /** Its number, unique in the type; its meaning is FreeBSD's where the type is. */
  readonly cmd: number;
  readonly argument?: Form<Argument> | undefined;
  readonly reply?: Form<Reply> | undefined;
  /** Changes nothing, so it needs no turn of its own. */
  readonly readOnly?: boolean;
  handle(control: Control, argument: Argument, from: Sender): Reply | Promise<Reply>;
}

/** Who sent a message: the node, and the hook of the receiver that it came by, where it came along an edge. */
export interface Sender {
  readonly node: Node | undefined;
  readonly hook: Hook | undefined;
}

export type MessageTable = Readonly<Record<string, MessageType>>;

/** Declares one message, with its argument's and reply's types from their forms. */
export function message<Control, A = undefined, R = void>(declared: {
  readonly cmd: number;
  readonly argument?: Form<A> | undefined;
  readonly reply?: Form<R> | undefined;
  readonly readOnly?: boolean;
  handle(control: Control, argument: A, from: Sender): R | Promise<R>;
}): MessageType {
  return declared as unknown as MessageType;
}

export interface NodeType {
  /** As `mkpeer` says it. */
  readonly name: string;
  /** Names the type in messages: FreeBSD's number where the type is. */
  readonly cookie: number;
  readonly messages: MessageTable;
  /** Makes the control half. */
  readonly control: new (node: Node) => ControlHalf;
  /** Makes a data half; absent where packets have no business here. */
  readonly data?: (new (context: DataContext) => DataHalf) | undefined;
  /** `every` worker has a data half (the default), or `one` has: then packets cross to it. */
  readonly runsIn?: 'every' | 'one';
  /** Names of the counters of a node, and of each of its hooks, beside those that all have. */
  readonly counters?: readonly string[];
  readonly hookCounters?: readonly string[];
  /** Where its module is, for workers that have to load it; the standard ones know. */
  readonly url?: string;
}

/** The control half of a node. What a method does not do, it need not have. */
export abstract class ControlHalf {
  readonly node: Node;

  constructor(node: Node) {
    this.node = node;
  }

  /** A hook of this name is about to be. Throws a NetgraphError where there may be none. */
  newHook(_hook: Hook): void {}

  /** Both ends are there. Throwing still undoes it. */
  connected(_hook: Hook): void {}

  /** The hook is gone. */
  disconnected(_hook: Hook): void {}

  /** A message that no table knows: throws EINVAL unless the type has a use for it. True where it was answered. */
  received?(name: string, argument: unknown, from: Sender): unknown;

  /** The node is about to go. True: it stays (ether), only its hooks go. */
  shutdown(): boolean | void {}

  /** What a data half told. */
  told(_worker: number, _value: unknown): void {}

  /** What the data halves start with. */
  config(): unknown {
    return undefined;
  }
}

export type { DataContext, DataHalf, DropReason, ValueOf };
