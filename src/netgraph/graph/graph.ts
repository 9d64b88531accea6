// The graph: nodes joined by hooks, in the thread that made it. Every operation changes the nodes here at once, and collects what the
// workers have to do as actions; the outermost `change` commits them at one point, so that each packet goes wholly by the old or wholly by
// the new graph. Where anything in it is refused, all of it is undone and nobody is told.
//
//    change(fn) ─▶ operations ─▶ actions ─▶ plane.commit ─▶ every worker, between two vectors
//                     │                         └─▶ what was taken away is freed after a grace period
//                     └─ undo, newest first, where one throws
//
// netgraph's rules hold: names, addresses, who may refuse what, errors by their names (netgraph(4)).
import { checkHookName, checkNodeName, parseAddress } from './address.ts';
import { NetgraphError } from './error.ts';
import { Hook, Node } from './node.ts';
import type { ControlHalf, NodeType } from './type.ts';
import { blockBytes } from '../worker/counts.ts';
import type { Action, Place } from '../worker/plan.ts';
import type { Plane } from '../worker/plane.ts';
import { NODE_COUNTERS } from '../worker/node.ts';

/** Numbers of nodes are words, those of hooks go through rings of handles, which are not negative. */
const MOST_NODES = 0xffff_ffff;
const MOST_HOOKS = 0x7fff_ffff;

export interface GraphEvents {
  /** A node's code failed in a worker, or a worker died or stands still: what happened, in words. */
  trouble?(text: string): void;
}

/** A change under way. */
interface Change {
  readonly actions: Action[];
  /** What puts the nodes back, in the order done. */
  readonly undo: (() => void)[];
  /** What is done when it is committed. */
  readonly committed: (() => void)[];
  /** What is freed when no worker uses it any more. */
  readonly retired: (() => void)[];
  readonly dirty: Set<Node>;
}

export class Graph {
  readonly plane: Plane;
  readonly #types: Map<string, NodeType> = new Map();
  readonly #loaded: Map<string, string> = new Map(); // name to URL, of types that workers have to load
  readonly #nodes: Map<number, Node> = new Map();
  readonly #names: Map<string, Node> = new Map();
  readonly #cleared: WeakMap<Node | Hook, Float64Array> = new WeakMap();
  readonly #events: GraphEvents;
  #nextNode = 0;
  #nextHook = 0;
  /** Numbers of all hooks. */
  readonly #hooks: Set<number> = new Set();
  #change: Change | undefined;
  /** What was to be freed in the course of an undoing: it goes with the next commit. */
  readonly #owed: (() => void)[] = [];
  readonly #disordered: Set<Map<unknown, { readonly id: number }>> = new Set();
  /** What types do on their own when a hook goes, they may not do when it goes because it was never there. */
  #undoing = false;

  constructor(plane: Plane, types: readonly NodeType[], events: GraphEvents = {}) {
    this.plane = plane;
    this.#events = events;
    for (const type of types) this.#types.set(type.name, type);
    plane.attach({
      told: (id, worker, value) => {
        const node = this.#nodes.get(id);
        if (node?.state !== 'there') return;
        try {
          this.change(() => node.control.told(worker, value));
        } catch (error) {
          // There is nobody else to hear of it.
          this.trouble(`node ${node.address} did not take what worker ${worker} told it: ${inText(error)}`);
        }
      },
      failed: (id, worker, error) => this.#failed(id, worker, error),
      snapshot: () => this.snapshot(),
      gone: worker => this.#each(worker, control => control.workerGone(worker)),
      delayed: (worker, error, ms) =>
        this.trouble(`worker ${worker} died: ${error.message}; another takes its place in ${ms} ms`),
      replaced: (worker, error) => {
        this.trouble(`worker ${worker} died: ${error.message}; another has taken its place`);
        this.#each(worker, control => control.workerBegun(worker));
      },
      stalled: (worker, ms) => this.trouble(`worker ${worker} has stood still for ${Math.round(ms)} ms`),
    });
  }

  get nodes(): Iterable<Node> {
    return this.#nodes.values();
  }

  get types(): Iterable<NodeType> {
    return this.#types.values();
  }

  get nodeCount(): number {
    return this.#nodes.size;
  }

  node(id: number): Node | undefined {
    return this.#nodes.get(id);
  }

  named(name: string): Node | undefined {
    return this.#names.get(name);
  }

  type(name: string): NodeType | undefined {
    return this.#types.get(name);
  }

  /** Makes a type known. It takes the place of the one that came from the same file before: EBUSY where that has nodes; EEXIST where there
   *  is another of that name. */
  addType(type: NodeType): void {
    const { name, url } = type;
    const before = this.#types.get(name);
    if (before === type) return;
    if (before) this.#checkReplaced(before, type);
    if (type.data && url === undefined) {
      throw new NetgraphError(
        'EINVAL',
        `node type '${name}' does not say the URL of its module, so workers can not load it`,
      );
    }
    this.change(() => {
      const loaded = this.#loaded.get(name);
      this.#undo(() => {
        put(this.#types, name, before);
        put(this.#loaded, name, loaded);
      });
      this.#types.set(name, type);
      if (url === undefined) return;
      this.#loaded.set(name, url);
      this.#act({ op: 'type', name, url });
    });
  }

  #checkReplaced(before: NodeType, { name, url }: NodeType): void {
    const file = (from: string | undefined): string | undefined => from?.replace(/\?load=\d+$/, '');
    if (url === undefined || url === before.url || file(url) !== file(before.url)) {
      throw new NetgraphError('EEXIST', `there is a node type '${name}' already`);
    }
    const left = [...this.#nodes.values()].filter(node => node.type === before);
    if (left.length === 0) return;
    const some = left.slice(0, 5).map(({ address }) => address);
    throw new NetgraphError('EBUSY', `type '${name}' has ${left.length} of its nodes left: ${some.join(' ')}`);
  }

  /** A change that was refused is being undone: what it made was never told to any worker. */
  get undoing(): boolean {
    return this.#undoing;
  }

  /** What went wrong that no caller is there to hear of. */
  trouble(text: string): void {
    this.#events.trouble?.(text);
  }

  /** Does `fn`'s operations as one change. It may not wait: what a promise does later is another change. */
  change<T>(fn: () => T): T {
    if (this.#change) return fn();
    const change: Change = { actions: [], undo: [], committed: [], retired: [], dirty: new Set() };
    this.#change = change;
    let result: T;
    try {
      result = fn();
      for (const node of change.dirty) {
        if (node.state !== 'there') continue;
        node.control.prepare();
        change.actions.push({ op: 'configure', id: node.id, config: node.control.config() });
      }
      if (change.actions.length > 0) {
        this.plane.commit(change.actions, [...this.#owed, ...change.retired]);
        this.#owed.length = 0;
      }
    } catch (error) {
      this.#undoing = true;
      change.retired.length = 0;
      for (const undo of change.undo.reverse()) this.#attempt(undo);
      for (const map of this.#disordered) order(map);
      this.#disordered.clear();
      this.#owed.push(...change.retired);
      throw error;
    } finally {
      this.#undoing = false;
      this.#change = undefined;
    }
    if (change.committed.length > 0) {
      this.change(() => {
        for (const then of change.committed) then();
      });
    }
    return result;
  }

  /** A node of this type that no hook joins yet. ENXIO where nobody knows the type, EADDRINUSE where the name is taken. */
  create(typeName: string, name?: string): Node {
    return this.change(() => {
      const type = this.#types.get(typeName);
      if (!type) throw new NetgraphError('ENXIO', `there is no node type '${typeName}'`);
      const id = this.#nodeNumber();
      const place = this.#place(NODE_COUNTERS.length + (type.counters?.length ?? 0));
      const worker = type.runsIn === 'one' ? id % this.plane.workers : -1;
      const node = new Node(this, id, type, worker, place);
      this.#nodes.set(id, node);
      this.#undo(() => {
        node.state = 'gone';
        this.#nodes.delete(id);
      });
      node.control = new type.control(node);
      this.#undo(() => void node.control.shutdown());
      node.state = 'there';
      this.#act({ op: 'node', id, type: type.name, name: name ?? '', worker, place, config: node.control.config() });
      if (name !== undefined) this.rename(node, name);
      return node;
    });
  }

  /** A new node of the type, its hook `theirHook` joined to `ourHook` of `node`. */
  mkpeer(node: Node, typeName: string, ourHook: string, theirHook: string): Node {
    return this.change(() => {
      checkFree(node, ourHook);
      const made = this.create(typeName);
      this.connect(node, ourHook, made, theirHook);
      return made;
    });
  }

  /** Joins a new hook of one node to a new hook of another, or of the same. Either may refuse. */
  connect(a: Node, aHook: string, b: Node, bHook: string): void {
    this.change(() => {
      const first = this.#addHook(a, aHook);
      const second = this.#addHook(b, bHook);
      first.peer = second;
      second.peer = first;
      this.#act({ op: 'join', a: first.id, b: second.id });
      a.control.connected(first);
      b.control.connected(second);
    });
  }

  rmhook(hook: Hook): void {
    this.change(() => this.#unhook(hook));
  }

  /** Joins the peers of two hooks of one node to each other; the hooks are gone then. Their order of packets is kept: what is on its way
   *  through the node has left it before the change is done. */
  bypass(a: Hook, b: Hook): void {
    this.change(() => {
      const first = a.peer;
      const second = b.peer;
      if (!first || !second || first === b) {
        this.#unhook(a);
        this.#unhook(b);
        return;
      }
      for (const hook of [a, b]) {
        hook.peer = undefined;
        this.#dropHook(hook);
      }
      first.peer = second;
      second.peer = first;
      this.#undo(() => {
        first.peer = a;
        second.peer = b;
        a.peer = first;
        b.peer = second;
      });
      this.#act({ op: 'join', a: first.id, b: second.id });
    });
  }

  /** Ends a node: its hooks go, then it, unless its type keeps it. */
  shutdown(node: Node): void {
    if (node.state !== 'there' || this.#undoing) return;
    this.change(() => {
      node.state = 'going';
      this.#undo(() => (node.state = 'there'));
      const stays = node.control.shutdown() === true;
      for (const hook of node.hooks.values()) this.#unhook(hook);
      if (stays) {
        node.state = 'there';
        return;
      }
      node.state = 'gone';
      this.#nodes.delete(node.id);
      const { name } = node;
      if (name !== undefined) this.#names.delete(name);
      this.#undo(() => {
        this.#putBack(this.#nodes, node.id, node);
        if (name !== undefined) this.#names.set(name, node);
      });
      this.#act({ op: 'remove', id: node.id });
      this.release(node.place.offset);
    });
  }

  rename(node: Node, name: string): void {
    checkNodeName(name);
    if (node.state === 'gone') throw new NetgraphError('EINVAL', `node ${node.address} is gone`);
    if (node.name === name) return;
    const other = this.#names.get(name);
    if (other) throw new NetgraphError('EADDRINUSE', `the name '${name}' is node ${other.id.toString(16)}'s`);
    const before = node.name;
    if (before !== undefined) this.#names.delete(before);
    node.name = name;
    this.#names.set(name, node);
    this.#undo(() => {
      this.#names.delete(name);
      if (before === undefined) node.name = undefined;
      else this.#names.set((node.name = before), node);
    });
  }

  /** Has the node's data halves configured anew, once, when the change is committed. */
  reconfigure(node: Node): void {
    this.change(() => this.#change!.dirty.add(node));
  }

  /** For control halves: puts back what they have changed of their own, where the change that is under way comes to nothing. */
  onUndo(fn: () => void): void {
    this.#undo(fn);
  }

  /** For what can not be undone: it is done when the change that is under way is committed; at once where none is. */
  onCommit(fn: () => void): void {
    if (this.#change) this.#change.committed.push(fn);
    else fn();
  }

  /** Memory of `bytes`, zeroed, that data halves may be told of by its offset; freed by `release`. */
  allocate(bytes: number): number {
    const offset = this.plane.memory.allocate(bytes);
    this.#undo(() => this.plane.memory.free(offset));
    return offset;
  }

  /** Frees memory of `allocate` when no worker can be using it any more. */
  release(offset: number): void {
    this.#retire(() => this.plane.memory.free(offset));
  }

  /** Runs `free` when no worker can be using what the present change takes away. */
  retire(free: () => void): void {
    this.#retire(() => {
      try {
        free();
      } catch (error) {
        this.trouble(`what a node had is not wholly freed: ${inText(error)}`);
      }
    });
  }

  #retire(free: () => void): void {
    this.change(() => {
      this.#change!.retired.push(free);
      // A grace period belongs to a commit, so there has to be one.
      if (this.#change!.actions.length === 0) this.#change!.actions.push({ op: 'nothing' });
    });
  }

  /** Settles when every worker runs the graph as it is now, and no packet is in an older one. */
  settled(): Promise<void> {
    return this.plane.settled();
  }

  /** The node at an address, as seen from `from`; and its hook that the last step of the path came in by. ENOENT where there is none. */
  find(address: string, from?: Node): { readonly node: Node; readonly hook: Hook | undefined } {
    const { from: start, hooks } = parseAddress(address);
    let node: Node | undefined;
    let hook: Hook | undefined;
    if ('here' in start) node = from?.state === 'gone' ? undefined : from;
    else if ('id' in start) node = this.#nodes.get(start.id);
    else node = this.#names.get(start.name) ?? this.#onDemand(start.name);
    if (!node) throw new NetgraphError('ENOENT', `there is no node '${address}'`);
    for (const name of hooks) {
      const out: Hook | undefined = node.hooks.get(name);
      if (!out?.peer)
        throw new NetgraphError('ENOENT', `node ${node.address} has no hook '${name}' (address '${address}')`);
      hook = out.peer;
      node = hook.node;
    }
    return { node, hook };
  }

  #onDemand(name: string): Node | undefined {
    for (const type of this.types) {
      const node = type.onDemand?.(this, name);
      if (node) return node;
    }
    return undefined;
  }

  /** Counters since they were last cleared, by name. */
  countsOf(target: Node | Hook): Record<string, number> {
    const { names, sum } = this.#sum(target);
    const base = this.#cleared.get(target);
    return Object.fromEntries(names.map((name, i) => [name, sum[i]! - (base?.[i] ?? 0)]));
  }

  /** From now on `countsOf` counts what the type counts from zero; what all nodes count (`packets`, `drop.…`) goes on. */
  clearCounts(target: Node | Hook): void {
    const before = this.#cleared.get(target);
    this.#undo(() => (before ? this.#cleared.set(target, before) : this.#cleared.delete(target)));
    const { sum } = this.#sum(target);
    if (target instanceof Node) sum.fill(0, sum.length - NODE_COUNTERS.length);
    this.#cleared.set(target, sum);
  }

  /** The graph as actions that make it, for a worker that begins. */
  snapshot(): readonly Action[] {
    const actions: Action[] = [];
    for (const [name, url] of this.#loaded) actions.push({ op: 'type', name, url });
    for (const node of this.#nodes.values()) {
      actions.push({
        op: 'node',
        id: node.id,
        type: node.type.name,
        name: node.name ?? '',
        worker: node.worker,
        place: node.place,
        config: node.control.config(),
      });
      for (const hook of node.hooks.values()) {
        actions.push({ op: 'hook', node: node.id, hook: hook.id, name: hook.name, place: hook.place });
      }
    }
    for (const node of this.#nodes.values()) {
      for (const hook of node.hooks.values()) {
        if (hook.peer && hook.id < hook.peer.id) actions.push({ op: 'join', a: hook.id, b: hook.peer.id });
      }
    }
    // As at the end of the changes that made the hooks: what is said of them finds them.
    for (const { id, control } of this.#nodes.values()) {
      actions.push({ op: 'configure', id, config: control.config() });
    }
    return actions;
  }

  /** Ends every node, and the workers. */
  async close(): Promise<void> {
    try {
      this.change(() => {
        for (const node of this.#nodes.values()) this.shutdown(node);
      });
    } finally {
      await this.plane.close();
    }
  }

  /** Tells every node of what became of a worker. */
  #each(worker: number, fn: (control: ControlHalf) => void): void {
    for (const { id, control } of this.#nodes.values()) {
      try {
        fn(control);
      } catch (error) {
        this.#failed(id, worker, error as Error);
      }
    }
  }

  #failed(id: number, worker: number, error: Error): void {
    const node = this.#nodes.get(id);
    if (node) node.failure = error;
    this.trouble(
      `node ${node?.address ?? id} of type ${node?.type.name ?? '?'} failed in worker ${worker}: ${error.stack ?? error.message}`,
    );
  }

  /** 32 bits, as FreeBSD's: the numbers go round, and one that is in use is passed over. */
  #nodeNumber(): number {
    do this.#nextNode = this.#nextNode >= MOST_NODES ? 1 : this.#nextNode + 1;
    while (this.#nodes.has(this.#nextNode));
    return this.#nextNode;
  }

  #hookNumber(): number {
    do this.#nextHook = this.#nextHook >= MOST_HOOKS ? 1 : this.#nextHook + 1;
    while (this.#hooks.has(this.#nextHook));
    return this.#nextHook;
  }

  #addHook(node: Node, name: string): Hook {
    if (node.state !== 'there') throw new NetgraphError('EINVAL', `node ${node.address} is going`);
    checkFree(node, name);
    const counters = node.type.hookCounters?.length ?? 0;
    const hook = new Hook(node, this.#hookNumber(), name, counters > 0 ? this.#place(counters) : undefined);
    node.control.newHook(hook);
    node.hooks.set(name, hook);
    this.#hooks.add(hook.id);
    this.#undo(() => {
      node.hooks.delete(name);
      this.#hooks.delete(hook.id);
      hook.peer = undefined;
      if (node.state === 'there') node.control.disconnected(hook);
    });
    this.#act({ op: 'hook', node: node.id, hook: hook.id, name, place: hook.place });
    return hook;
  }

  #unhook(hook: Hook): void {
    if (hook.node.hooks.get(hook.name) !== hook) return;
    const { peer } = hook;
    hook.peer = undefined;
    this.#dropHook(hook);
    if (peer) {
      peer.peer = undefined;
      this.#dropHook(peer);
      this.#undo(() => {
        peer.peer = hook;
        hook.peer = peer;
      });
      peer.node.control.disconnected(peer);
    }
    hook.node.control.disconnected(hook);
  }

  /** Takes one end away; its node hears of it from the caller. */
  #dropHook(hook: Hook): void {
    const { node, name } = hook;
    node.hooks.delete(name);
    this.#hooks.delete(hook.id);
    this.#undo(() => {
      this.#hooks.add(hook.id);
      this.#putBack(node.hooks, name, hook);
      node.control.newHook(hook);
    });
    this.#act({ op: 'unhook', hook: hook.id });
    if (hook.place) this.release(hook.place.offset);
  }

  #sum(target: Node | Hook): { names: readonly string[]; sum: Float64Array } {
    const names =
      target instanceof Node
        ? [...(target.type.counters ?? []), ...NODE_COUNTERS]
        : (target.node.type.hookCounters ?? []);
    const { place } = target;
    return { names, sum: place ? this.plane.counts(place, names.length) : new Float64Array(names.length) };
  }

  #place(counters: number): Place {
    const stride = blockBytes(counters);
    return { offset: this.allocate(stride * this.plane.workers), stride };
  }

  #act(action: Action): void {
    this.#change!.actions.push(action);
  }

  /** What is done to undo is not undone. */
  #undo(fn: () => void): void {
    if (!this.#undoing) this.#change?.undo.push(fn);
  }

  /** Nodes and hooks stand in the order of their numbers: again when all is undone. */
  #putBack<K, V extends { readonly id: number }>(map: Map<K, V>, key: K, value: V): void {
    map.set(key, value);
    this.#disordered.add(map);
  }

  /** One that fails keeps the others from nothing. */
  #attempt(undo: () => void): void {
    try {
      undo();
    } catch (error) {
      this.trouble(`what a refused change had done is not wholly undone: ${String(error)}`);
    }
  }
}

function inText(error: unknown): string {
  return error instanceof NetgraphError ? error.message : error instanceof Error ? error.stack! : String(error);
}

function order(map: Map<unknown, { readonly id: number }>): void {
  const all = [...map].sort(([, a], [, b]) => a.id - b.id);
  map.clear();
  for (const [key, value] of all) map.set(key, value);
}

function put<K, V>(map: Map<K, V>, key: K, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}

function checkFree(node: Node, hook: string): void {
  checkHookName(hook);
  if (node.hooks.has(hook)) throw new NetgraphError('EEXIST', `node ${node.address} has a hook '${hook}' already`);
}
