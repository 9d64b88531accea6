// One worker's copy of the graph, and the loop that runs packets through it.
//
//    round    for each source: poll a vector's worth ─▶ run until nothing is on its way ─▶ quiescent (the caller's business)
//
//             ready    ┌────────┐   ┌────────┐   ┌────────┐        vectors in the order in which their first packet was sent
//             first ──▶│ vector │──▶│ vector │──▶│ vector │◀── last
//                      └────────┘   └────────┘   └────────┘
//                       one is taken, its receiver's `receive` is called with all of it, and what that sends goes to the end
//
// A packet goes by the order of edges only: what was sent over one edge arrives in that order. Nothing calls anything
// recursively, so a loop of nodes costs no stack; a round ends after MAX_VECTORS, so a loop that never ends starves nobody.
//
// What a node sends to a hook that leads nowhere goes into a vector like any other, and is dropped with a count when its turn comes:
// the hot path does not ask. A commit is applied between rounds, when normally nothing is on its way: a packet then goes wholly by the
// old or wholly by the new graph. What a loop still has on its way by an edge that the commit takes is dropped and counted.
import { isNodeType } from '../graph/load.ts';
import { loadModule } from '../graph/module.ts';
import { ControlHalf, type NodeType } from '../graph/type.ts';
import type { Packets } from '../packet/packets.ts';
import { Counts } from './counts.ts';
import { type DataContext, DataHalf, DROP } from './half.ts';
import { DataHook, DataNode, leave, NODE_COUNTERS } from './node.ts';
import type { Doer, Place } from './plan.ts';
import { NONE, VECTOR, type Vector, VectorPool } from './vector.ts';

/** Vectors that one run handles at most: a source's 256 packets through any graph without a loop, copies included. */
const MAX_VECTORS = 4096;
/** Packets that are copied into another vector rather than handed over in one of their own. */
const FEW = 24;
/** Rounds of a busy worker from one look at the clock and the timers to the next: a look costs as much as some ten packets. */
const LOOK_ROUNDS = 16;
/** Looks after which it shows its counters. */
const SHOW_LOOKS = 8;
/** Of so many runs one is timed, and stands for all. */
const TIMED_RUNS = 64;

/** Counters of nodes and hooks that are gone, kept of each size. */
const SPARE_COUNTS = 256;
/** Of hooks whose type counts nothing by hook. */
const NO_COUNTS: Counts = new Counts(new SharedArrayBuffer(0), undefined, 0, 0);

/** What the runtime asks of whoever runs it. */
export interface Surroundings {
  readonly worker: number;
  readonly workers: number;
  readonly packets: Packets;
  /** The graph's memory: counters, and what nodes share. */
  readonly memory: SharedArrayBuffer;
  /** Memory that was announced by number. */
  announced(id: number): SharedArrayBuffer;
  /** Milliseconds. */
  clock(): number;
  tell(node: number, value: unknown): boolean;
  /** Shows how many packets of the worker's own are free. */
  showFree(slots: number): void;
  /** Hands a vector to the worker where the hook's node runs; false where the ring is full, or nobody is there. */
  cross(worker: number, hook: number, handles: Int32Array, count: number): boolean;
  /** A node's own code failed: it is said, and the node's packets are dropped from then on. */
  failed(node: number, error: Error): void;
}

export class Runtime implements Doer {
  readonly around: Surroundings;
  readonly worker: number;
  readonly workers: number;
  readonly packets: Packets;
  /** Of the present round. */
  nowMs = 0;
  readonly #types: Map<string, NodeType>;
  readonly #nodes: Map<number, DataNode> = new Map();
  readonly #hooks: Map<number, DataHook> = new Map();
  #sources: DataHalf[] = [];
  #halves: DataHalf[] = [];
  #first: Vector | undefined = undefined;
  #last: Vector | undefined = undefined;
  readonly #vectors: VectorPool = new VectorPool();
  /** By how many counters they have. */
  readonly #spareCounts: Map<number, Counts[]> = new Map();
  #rounds = 0;
  #looks = 0;
  #clockReads = 0;
  #runs = 0;
  /** The vector that a node has been handed; undefined where it has been passed on. */
  #received: Vector | undefined = undefined;
  /** What a node has been handed that came from another worker. */
  #arrived: Int32Array = NONE.handles;

  constructor(around: Surroundings, types: readonly NodeType[]) {
    this.around = around;
    this.worker = around.worker;
    this.workers = around.workers;
    this.packets = around.packets;
    this.#types = new Map(types.map(type => [type.name, type]));
    this.nowMs = around.clock();
  }

  /** Vectors on their way: none, unless the graph has a loop. */
  get busy(): boolean {
    return this.#first !== undefined;
  }

  /** Descriptors that sources wait on. */
  get fds(): readonly number[] {
    return this.#halves.filter(half => half.fd >= 0).map(half => half.fd);
  }

  /** Whether some source can only be polled: it has no descriptor to wait on. */
  get mustPoll(): boolean {
    return this.#sources.some(half => half.fd < 0);
  }

  /** When the next timer is due, in the clock's milliseconds. */
  get due(): number {
    let due = Number.POSITIVE_INFINITY;
    for (const half of this.#halves) if (half.due < due) due = half.due;
    return due;
  }

  get sources(): readonly DataHalf[] {
    return this.#sources;
  }

  /** For who comes back to it after a while: what is done now is not done when it was left. Touches nothing that is shared. */
  readClock(): void {
    this.nowMs = this.around.clock();
    this.#clockReads++;
  }

  /** Before a round: now and then the time, and the timers that are due. How many there were. */
  begin(): number {
    if (++this.#rounds < LOOK_ROUNDS) return 0;
    return this.look();
  }

  /** The time, the timers that are due (how many there were), and now and then the counters. */
  look(): number {
    this.#rounds = 0;
    const now = (this.nowMs = this.around.clock());
    this.#clockReads++;
    let fired = 0;
    const halves = this.#halves;
    for (let i = 0; i < halves.length; i++) {
      const half = halves[i]!;
      if (half.due > now) continue;
      half.due = Number.POSITIVE_INFINITY;
      fired++;
      this.#guard(half, () => half.timer(now));
    }
    if (fired > 0) this.run();
    if (++this.#looks >= SHOW_LOOKS) this.show();
    return fired;
  }

  /** One source's turn: what it brings runs through the graph. Packets that it looked at. */
  poll(half: DataHalf, budget: number = VECTOR): number {
    let found = 0;
    this.packets.mark();
    try {
      found = half.poll(budget);
    } catch (error) {
      this.#fail(half.node as DataNode, error, this.packets.given());
    }
    if (this.#first !== undefined) this.run();
    return found;
  }

  /** As `poll`, in a round of a busy worker: a silent source whose silence is dear has its turn once for each look at the clock. */
  turn(half: DataHalf, budget: number): number {
    if (half.silentAt === this.#clockReads) return 0;
    const found = this.poll(half, budget);
    if (found === 0 && half.dear) half.silentAt = this.#clockReads;
    return found;
  }

  /** One whole round, every source once. Packets that sources looked at. For who does nothing else in between. */
  round(budget: number = VECTOR): number {
    let found = this.look();
    const sources = this.#sources;
    for (let i = 0; i < sources.length; i++) found += this.poll(sources[i]!, budget);
    if (this.#first !== undefined) this.run();
    return found;
  }

  /** Runs what is on its way, to its end or to MAX_VECTORS. */
  run(): void {
    const timed = ++this.#runs === TIMED_RUNS;
    let before = 0;
    if (timed) {
      this.#runs = 0;
      before = performance.now();
    }
    for (let i = 0; i < MAX_VECTORS; i++) {
      const vector = this.#first;
      if (vector === undefined) {
        this.#received = undefined;
        return;
      }
      this.#first = vector.next;
      if (this.#first === undefined) this.#last = undefined;
      const from = vector.from!;
      if (from.open === vector) from.open = NONE;
      const { count, handles } = vector;
      const { peer } = from;
      this.#received = vector;
      if (peer === undefined) from.node.dropMany(handles, count, DROP.notConnected);
      else {
        const { node } = peer;
        const { half } = node;
        if (half === undefined || node.failed) this.#elsewhere(from, peer, handles, count);
        else {
          this.packets.mark();
          try {
            half.receive(peer, handles, count);
          } catch (error) {
            this.#fail(node, error, [...handles.subarray(0, count), ...this.packets.given()]);
          }
          node.took(count);
          if (timed) {
            const after = performance.now();
            node.lasted((after - before) * 1e6 * TIMED_RUNS);
            before = after;
          }
        }
      }
      // Unless it has been passed on, it is free.
      if (this.#received === vector) this.#vectors.give(vector);
    }
  }

  /** The receiver does not run here, or not any more. */
  #elsewhere(from: DataHook, peer: DataHook, handles: Int32Array, count: number): void {
    const { node } = peer;
    if (node.failed) node.dropMany(handles, count, DROP.refused);
    else if (!this.around.cross(node.home, peer.id, handles, count)) {
      from.node.dropMany(handles, count, DROP.crossing);
    }
  }

  /** The vector that is being received goes on whole, out of `hook`. */
  passOn(hook: DataHook, count: number): void {
    const vector = this.#received;
    if (vector === undefined || (count < FEW && hook.open !== NONE)) {
      // A few are better with those that go the same way already.
      hook.sendMany(vector?.handles ?? this.#arrived, count);
      return;
    }
    if (count === 0) return;
    this.#received = undefined;
    vector.from = hook;
    vector.count = count;
    vector.next = undefined;
    if (this.#last === undefined) this.#first = vector;
    else this.#last.next = vector;
    this.#last = vector;
    hook.open = vector;
  }

  /** A vector that came from another worker. */
  arrive(hook: number, handles: Int32Array, count: number): void {
    const found = this.#hooks.get(hook);
    const half = found?.node.half;
    if (!found || !half || found.node.failed) {
      if (found) found.node.dropMany(handles, count, DROP.removed);
      else this.packets.releaseMany(handles, count);
      return;
    }
    this.#received = undefined;
    this.#arrived = handles;
    this.packets.mark();
    try {
      half.receive(found, handles, count);
    } catch (error) {
      this.#fail(found.node, error, [...handles.subarray(0, count), ...this.packets.given()]);
    }
    found.node.took(count);
  }

  /** What the control half of a node said; false where the node can not take it now. */
  heard(id: number, value: unknown): boolean {
    const half = this.#nodes.get(id)?.half;
    if (!half) return true;
    let taken = true;
    this.#guard(half, () => (taken = half.heard(value)));
    if (this.#first !== undefined) this.run();
    return taken;
  }

  /** Handles from `first` to `end` of an array into a vector, from `at` on. */
  copy(vector: Vector, at: number, handles: Int32Array, first: number, end: number): void {
    const received = this.#received;
    if (end - first >= FEW) {
      if (received !== undefined && handles === received.handles && received.base >= 0 && vector.base >= 0) {
        this.#vectors.slab.copyWithin(vector.base + at, received.base + first, received.base + end);
        return;
      }
      if (at === 0 && first === 0 && end === handles.length) {
        vector.handles.set(handles);
        return;
      }
    }
    const into = vector.handles;
    while (first < end) into[at++] = handles[first++]!;
  }

  /** A vector for `hook`, at the end of what is ready. */
  openFor(hook: DataHook): Vector {
    const vector = this.#vectors.take();
    vector.from = hook;
    if (this.#last === undefined) this.#first = vector;
    else this.#last.next = vector;
    this.#last = vector;
    hook.open = vector;
    return vector;
  }

  /** Shows the counters to the other threads. */
  show(): void {
    this.#looks = 0;
    for (const node of this.#nodes.values()) node.counters.show();
    for (const hook of this.#hooks.values()) hook.counters.show();
    this.around.showFree(this.packets.free);
  }

  /** The halves that are asked for timers and packets: those of nodes that failed are not any more. */
  #gather(): void {
    this.#halves = [...this.#nodes.values()].flatMap(node => (node.half && !node.failed ? [node.half] : []));
    this.#sources = this.#halves.filter(half => half.source);
  }

  /** Every node ends; for the end of the worker. */
  close(): void {
    this.show();
    for (const id of this.#nodes.keys()) this.remove(id);
    while (this.#first) {
      this.#first.from!.node.dropMany(this.#first.handles, this.#first.count, DROP.removed);
      this.#first = this.#first.next;
    }
    this.#last = undefined;
  }

  node(id: number): DataNode | undefined {
    return this.#nodes.get(id);
  }

  load(name: string, url: string): void {
    const before = this.#types.get(name);
    if (before && (before.url ?? url) === url) return;
    try {
      this.#types.set(name, { ...typeIn(loadModule(url) as object, name), url });
    } catch (error) {
      // The type's nodes fail, not the worker: its successor would fare no better.
      this.#types.set(name, { ...brokenType(name, error), url });
    }
  }

  addNode(id: number, typeName: string, name: string, worker: number, place: Place, config: unknown): void {
    const type = this.#types.get(typeName);
    if (!type) throw new Error(`the plan has a node of type ${typeName}, which this worker does not know`);
    const counters = this.#counts(place, NODE_COUNTERS.length + (type.counters?.length ?? 0));
    const node = new DataNode(this, id, name, type, worker, counters);
    this.#nodes.set(id, node);
    if (!type.data || (worker >= 0 && worker !== this.worker)) return;
    try {
      node.half = new type.data(node);
      node.half.configure(config);
      this.#halves.push(node.half);
      this.#enlist(node.half);
    } catch (error) {
      this.#fail(node, error);
    }
  }

  configure(id: number, config: unknown): void {
    const half = this.#nodes.get(id)?.half;
    if (!half) return;
    this.#guard(half, () => half.configure(config));
    this.#enlist(half);
  }

  addHook(id: number, hookId: number, name: string, place: Place | undefined): void {
    const node = this.#nodes.get(id)!;
    const hook = new DataHook(this, node, hookId, name, this.#counts(place, node.type.hookCounters?.length ?? 0));
    this.#hooks.set(hookId, hook);
    node.added(hook);
    if (node.half) this.#tellOf(hook, true);
  }

  join(a: number, b: number): void {
    const one = this.#hooks.get(a)!;
    const other = this.#hooks.get(b)!;
    one.peer = other;
    other.peer = one;
  }

  unhook(id: number): void {
    const hook = this.#hooks.get(id);
    if (!hook) return;
    this.#hooks.delete(id);
    const { node, peer } = hook;
    node.removed(hook);
    if (peer) peer.peer = undefined;
    // What it has sent and nobody has received yet is dropped in its turn, since it leads nowhere.
    hook.peer = undefined;
    if (node.half) this.#tellOf(hook, false);
    this.#keep(hook.counters);
  }

  remove(id: number): void {
    const node = this.#nodes.get(id);
    if (!node) return;
    for (const hook of node.hooks.slice()) this.unhook(hook.id);
    if (node.half) {
      leave(this.#halves, node.half);
      leave(this.#sources, node.half);
      this.#end(node, node.half);
    }
    this.#nodes.delete(id);
    this.#keep(node.counters);
  }

  /** Whether it is a source may change whenever it is told something. */
  #enlist(half: DataHalf): void {
    const node = half.node as DataNode;
    const listed = this.#sources.includes(half);
    if (half.source === listed || node.failed) return;
    if (listed) leave(this.#sources, half);
    else this.#sources.push(half);
  }

  #counts(place: Place | undefined, counters: number): Counts {
    if (!place) return NO_COUNTS;
    const { memory } = this.around;
    const spare = this.#spareCounts.get(counters)?.pop();
    if (!spare) return new Counts(memory, place, this.worker, counters);
    spare.reuse(memory, place, this.worker);
    return spare;
  }

  /** Counters of what is gone are kept for others. */
  #keep(counts: Counts): void {
    if (counts === NO_COUNTS) return;
    const { length } = counts.values;
    const spare = this.#spareCounts.get(length);
    if (!spare) this.#spareCounts.set(length, [counts]);
    else if (spare.length < SPARE_COUNTS) spare.push(counts);
  }

  /** A node has the hook, or has it not any more. As `#guard`, for what a rebuild does most. */
  #tellOf(hook: DataHook, added: boolean): void {
    const { node } = hook;
    const half = node.half!;
    if (node.failed) return;
    this.packets.mark();
    try {
      if (added) half.hookAdded(hook);
      else half.hookRemoved(hook);
    } catch (error) {
      this.#fail(node, error, this.packets.given());
    }
    this.#enlist(half);
  }

  /** Calls a node's code. One that failed is in no state to be called, but to end. */
  #guard(half: DataHalf, fn: () => void): void {
    const node = half.node as DataNode;
    if (node.failed) return;
    this.packets.mark();
    try {
      fn();
    } catch (error) {
      this.#fail(node, error, this.packets.given());
    }
  }

  #end(node: DataNode, half: DataHalf): void {
    try {
      half.close();
    } catch (error) {
      this.#fail(node, error);
    }
    if (node.strays.length === 0) return;
    // What it had kept it has given back now; what is still nowhere nobody else will.
    const strays = this.#unplaced(node.strays);
    node.dropMany(Int32Array.from(strays), strays.length, DROP.removed);
  }

  /** `had`: what it had been handed and given in the call that failed. It may have sent, dropped or kept any part of that. What it had
   *  taken out of a queue of its own is lost until the worker ends. */
  #fail(node: DataNode, error: unknown, had?: Iterable<number>): void {
    node.failed = true;
    if (had) node.strays = this.#unplaced(had);
    this.#gather();
    this.around.failed(node.id, error instanceof Error ? error : new Error(String(error)));
  }

  /** Of these packets those that are not free, not on their way, and not another worker's. */
  #unplaced(handles: Iterable<number>): number[] {
    const moving = new Set<number>();
    for (let vector = this.#first; vector; vector = vector.next) {
      for (let i = 0; i < vector.count; i++) moving.add(vector.handles[i]!);
    }
    return this.packets.used(handles).filter(handle => !moving.has(handle));
  }
}

/** Stands for a type whose module can not be had. */
function brokenType(name: string, error: unknown): NodeType {
  class Broken extends DataHalf {
    constructor(node: DataContext) {
      super(node);
      throw error;
    }
    override receive(): void {}
  }
  return { name, cookie: 0, messages: [], control: ControlHalf as unknown as NodeType['control'], data: Broken };
}

/** The node type `name` that a module exports. */
function typeIn(module: object, name: string): NodeType {
  const type = (Object.values(module) as unknown[]).find(value => isNodeType(value) && value.name === name);
  if (!type) throw new Error(`the module exports no node type ${name}`);
  return type as NodeType;
}
