// What a commit tells the workers: a list of actions, done one after the other between two vectors. It is data, because a function can
// not cross threads: each worker makes its own objects of it. Nodes and hooks are numbers that are never used again.
//
//    types       a module that exports the NodeType of that name is loaded by its URL
//    places      where a node's or hook's counters lie in the graph's memory: said by the plan, so that a worker that comes later
//                puts them where the others do
import { deserialize, serialize } from 'node:v8';

/** A node's or hook's counters: byte offset in the graph's memory of the first worker's block, bytes from one worker's to the next. */
export interface Place {
  readonly offset: number;
  readonly stride: number;
}

export type Action =
  /** Loads the type's module, where it is not among the standard ones. */
  | { readonly op: 'type'; readonly name: string; readonly url: string }
  /** A node runs; `worker` -1: in every worker, else in this one alone. */
  | {
      readonly op: 'node';
      readonly id: number;
      readonly type: string;
      readonly name: string;
      readonly worker: number;
      readonly place: Place;
      readonly config: unknown;
    }
  /** Its configuration is now this. */
  | { readonly op: 'configure'; readonly id: number; readonly config: unknown }
  | {
      readonly op: 'hook';
      readonly node: number;
      readonly hook: number;
      readonly name: string;
      readonly place: Place | undefined;
    }
  /** What one sends the other receives. */
  | { readonly op: 'join'; readonly a: number; readonly b: number }
  | { readonly op: 'unhook'; readonly hook: number }
  | { readonly op: 'remove'; readonly id: number }
  /** For a grace period that only frees. */
  | { readonly op: 'nothing' };

export function encodeActions(actions: readonly Action[]): Uint8Array {
  return serialize(actions);
}

export function decodeActions(bytes: Uint8Array): readonly Action[] {
  return deserialize(bytes) as Action[];
}
