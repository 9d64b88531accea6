// What a node type is: one file that exports one of these. It says which messages its nodes understand, and has two halves:
//
//    control    one object a node, in the graph's thread: accepts or refuses hooks, answers messages, decides what the workers are told
//    data       one object a node and worker, in the workers' threads: what happens to packets (worker/half.ts)
//
// The halves share nothing but what goes between them on purpose: `configure` hands the data halves a value at a commit, `tell` brings
// one back, counters are read by the control half, and shared memory is set apart for both.
import type { Command } from '../message/command.ts';
import type { Form } from '../message/form.ts';
import type { DataContext, DataHalf } from '../worker/half.ts';
import type { Graph } from './graph.ts';
import type { Hook, Node } from './node.ts';

/** Who sent a message: the node, and the hook of the receiver that it came by, where it came along an edge. */
export interface Sender {
  readonly node: Node | undefined;
  readonly hook: Hook | undefined;
}

/** A command that a type's nodes understand, and what they do. Its `handle` may change the graph; what it throws undoes that. */
export interface TypeCommand extends Command {
  handle(control: never, args: never, sender: Sender): unknown;
}

/** Declares a command, with its argument's and response's types from their forms. */
export function command<Control extends ControlHalf, A = undefined, R = void>(row: {
  readonly name: string;
  readonly cmd: number;
  readonly args?: Form<A>;
  readonly reply?: Form<R>;
  handle(control: Control, args: A, sender: Sender): R | Promise<R>;
}): TypeCommand {
  return row as unknown as TypeCommand;
}

export interface NodeType {
  /** As `mkpeer` says it. */
  readonly name: string;
  /** Names the type in messages: FreeBSD's number where the type is. */
  readonly cookie: number;
  readonly messages: readonly TypeCommand[];
  /** Makes the control half. */
  readonly control: new (
    node: Node,
  ) => ControlHalf;
  /** Makes a data half; absent where packets have no business here. */
  readonly data?: (new (context: DataContext) => DataHalf) | undefined;
  /** `every` worker has a data half (the default), or `one` has: then packets cross to it. */
  readonly runsIn?: 'every' | 'one';
  /** Names of the counters of a node, and of each of its hooks, beside those that all have. */
  readonly counters?: readonly string[];
  readonly hookCounters?: readonly string[];
  /** Makes the node that is meant by a name which no node has: one that is there as soon as somebody speaks of it. Undefined: none is. */
  readonly onDemand?: (graph: Graph, name: string) => Node | undefined;
  /** Its nodes belong to programs, which make them; `mkpeer` makes none. */
  readonly ofPrograms?: boolean;
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

  /** What messages set here: what it returns puts it back, where their change comes to nothing. What they did outside of the graph, or
   *  have already had a worker do, is done. */
  save?(): () => void;

  /** A message that no table knows; where it is absent, that is EINVAL to the sender. */
  received?(name: string, args: unknown, sender: Sender): unknown;

  /** For `textstatus`. */
  status?(): string;

  /** For `textconfig`: sets it where there is a text, and says what it is. */
  textConfig?(text: string | undefined): string;

  /** The node is about to go. True: it stays (ether), only its hooks go. */
  shutdown(): boolean | void {}

  /** What a data half told. */
  told(_worker: number, _value: unknown): void {}

  /** A worker is no more, and its successor has not begun: what the node's data half there held of the system goes back. */
  workerGone(_worker: number): void {}

  /** Another has taken its place: it hears what is said from now on. */
  workerBegun(_worker: number): void {}

  /** A change is about to be committed by which the data halves are configured anew: makes ready what `config` is to say. Throwing still
   *  undoes the change. */
  prepare(): void {}

  /** What the data halves start with. */
  config(): unknown {
    return undefined;
  }
}
