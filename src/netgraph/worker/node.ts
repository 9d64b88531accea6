// Hooks and nodes as the workers have them: what a type's data half holds in its hands. A hook fills the vector that it has open; the
// runtime hands it to the peer's node when its turn comes.
import type { NodeType } from '../graph/type.ts';
import type { Packets } from '../packet/packets.ts';
import type { Counts } from './counts.ts';
import { type DataContext, type DataHalf, DROP_REASONS } from './half.ts';
import type { Runtime } from './runtime.ts';
import { NONE, VECTOR, type Vector } from './vector.ts';

/** Counters that every node has, after its type's own. */
export const NODE_COUNTERS: readonly string[] = [
  'vectors',
  'packets',
  'ns',
  ...DROP_REASONS.map(name => `drop.${name}`),
];
const VECTORS = 0;
const PACKETS = 1;
const NS = 2;
const DROPS = 3;

/** Fewer are looked through. */
const MANY_HOOKS = 16;

/** Takes one out of a list, which keeps its order, and leaves no garbage. */
export function leave<T>(all: T[], one: T): void {
  const at = all.indexOf(one);
  if (at < 0) return;
  // In an array of objects copyWithin is thirty times slower.
  for (let i = at + 1; i < all.length; i++) all[i - 1] = all[i]!;
  all.pop();
}

/** A hook as the workers have it. */
export class DataHook {
  readonly id: number;
  readonly name: string;
  readonly node: DataNode;
  /** What the hook's packets are sent to; undefined: nowhere. */
  peer: DataHook | undefined = undefined;
  /** The type's own counters of this hook, by the order of its `hookCounters`. */
  readonly counts: Float64Array;
  /** For the type: what it has to know of the hook at once. A number, so that all hooks stay of one shape. */
  role = 0;
  /** The same, for types that keep more. */
  state: object | undefined = undefined;
  readonly counters: Counts;
  open: Vector = NONE;
  readonly #runtime: Runtime;

  constructor(runtime: Runtime, node: DataNode, id: number, name: string, counters: Counts) {
    this.#runtime = runtime;
    this.node = node;
    this.id = id;
    this.name = name;
    this.counters = counters;
    this.counts = counters.values;
  }

  get connected(): boolean {
    return this.peer !== undefined;
  }

  /** Sends one packet out of this hook. It is not the sender's any more. */
  send(handle: number): void {
    let vector = this.open;
    let count = vector.count;
    if (count === VECTOR) {
      vector = this.#runtime.openFor(this);
      count = 0;
    }
    vector.handles[count] = handle;
    vector.count = count + 1;
  }

  /** Sends on what is being received, or the `count` packets at the start of its array: the vector itself moves, and nothing is copied.
   *  Nothing more may be done with the array then. */
  pass(count: number): void {
    this.#runtime.passOn(this, count);
  }

  /** Sends `count` packets of the array, from `first` on. */
  sendMany(handles: Int32Array, count: number, first = 0): void {
    let sent = first;
    const last = first + count;
    while (sent < last) {
      let vector = this.open;
      if (vector.count === VECTOR) vector = this.#runtime.openFor(this);
      const at = vector.count;
      const room = VECTOR - at;
      const end = last - sent < room ? last : sent + room;
      this.#runtime.copy(vector, at, handles, sent, end);
      vector.count = at + end - sent;
      sent = end;
    }
  }
}

/** A node as the workers have it. */
export class DataNode implements DataContext {
  readonly id: number;
  name: string;
  readonly type: NodeType;
  /** The worker where it runs; -1: each. */
  readonly home: number;
  readonly hooks: DataHook[] = [];
  /** Since a hook was asked for when there were many. */
  #byName: Map<string, DataHook> | undefined = undefined;
  readonly counters: Counts;
  readonly counts: Float64Array;
  /** Absent where the node runs elsewhere. */
  half: DataHalf | undefined = undefined;
  failed = false;
  /** Packets that it had been handed or given when it failed and that are in no place that the runtime knows: it may have kept them. */
  strays: readonly number[] = [];
  readonly #all: Float64Array;
  /** Where the counters that every node has begin. */
  readonly #base: number;
  readonly #runtime: Runtime;

  constructor(runtime: Runtime, id: number, name: string, type: NodeType, home: number, counters: Counts) {
    this.#runtime = runtime;
    this.id = id;
    this.name = name;
    this.type = type;
    this.home = home;
    this.counters = counters;
    this.#all = counters.values;
    this.counts = counters.values;
    this.#base = counters.values.length - NODE_COUNTERS.length;
  }

  get worker(): number {
    return this.#runtime.worker;
  }

  get workers(): number {
    return this.#runtime.workers;
  }

  get packets(): Packets {
    return this.#runtime.packets;
  }

  now(): number {
    return this.#runtime.nowMs;
  }

  drop(handle: number, reason: number): void {
    this.#count(DROPS + reason, 1);
    this.#runtime.packets.release(handle);
  }

  dropMany(handles: Int32Array, count: number, reason: number): void {
    this.#count(DROPS + reason, count);
    this.#runtime.packets.releaseMany(handles, count);
  }

  miss(reason: number): void {
    this.#count(DROPS + reason, 1);
  }

  tell(value: unknown): boolean {
    return this.#runtime.around.tell(this.id, value);
  }

  memory(id: number): SharedArrayBuffer {
    return this.#runtime.around.announced(id);
  }

  hook(name: string): DataHook | undefined {
    const { hooks } = this;
    if (hooks.length >= MANY_HOOKS) {
      this.#byName ??= new Map(hooks.map(hook => [hook.name, hook]));
      return this.#byName.get(name);
    }
    for (const hook of hooks) if (hook.name === name) return hook;
    return undefined;
  }

  added(hook: DataHook): void {
    this.hooks.push(hook);
    this.#byName?.set(hook.name, hook);
  }

  removed(hook: DataHook): void {
    leave(this.hooks, hook);
    this.#byName?.delete(hook.name);
  }

  /** A vector was received. */
  took(packets: number): void {
    this.#count(VECTORS, 1);
    this.#count(PACKETS, packets);
  }

  /** What receiving has cost. */
  lasted(ns: number): void {
    this.#count(NS, ns);
  }

  #count(counter: number, by: number): void {
    const at = this.#base + counter;
    this.#all[at] = this.#all[at]! + by;
  }
}
