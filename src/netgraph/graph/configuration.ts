// A graph as a value: named nodes, what they are told, and the edges between them. What it takes to get from the graph that there is to the
// one that is wanted is a list of operations, which can be looked at before it is done; doing it is one change, so every packet goes wholly
// by the old or wholly by the new graph, and where anything is refused nothing has happened.
//
//    const bridge = {
//      nodes: { br: { type: 'bridge', tell: [['setpersistent']] }, left: { type: 'ether', tell: [['attach', { ifname: 'eth0' }]] } },
//      edges: [['left.lower', 'br.link0']],
//    };
//    const live = new ConfiguredGraph(graph);
//    live.apply(bridge);                       // returns the operations it did
//
// Nodes of the same name and type stay, with their state and counters; an edge that is in both stays untouched. What a node is told is
// said again only where it differs. Nodes are there as long as they are in the configuration, hooks or none. Nodes that no configuration made are left alone.
import { inspect, isDeepStrictEqual } from 'node:util';
import { NetgraphError } from './error.ts';
import type { Graph } from './graph.ts';
import { tell } from './messages.ts';
import type { Node } from './node.ts';

/** A message: its name, and its argument as a value where it has one. */
export type Told = readonly [message: string, args?: unknown];

export interface NodeConfiguration {
  readonly type: string;
  readonly tell?: readonly Told[];
}

/** `name.hook` of each end. */
export type EdgeConfiguration = readonly [string, string];

export interface GraphConfiguration {
  readonly nodes: Readonly<Record<string, NodeConfiguration>>;
  readonly edges?: readonly EdgeConfiguration[];
}

/** One step; in a list they are in an order in which they can be done. */
export type Operation =
  | { readonly do: 'disconnect'; readonly node: string; readonly hook: string }
  | { readonly do: 'shutdown'; readonly node: string }
  | { readonly do: 'create'; readonly node: string; readonly type: string }
  | { readonly do: 'connect'; readonly a: End; readonly b: End }
  | { readonly do: 'tell'; readonly node: string; readonly message: string; readonly args: unknown };

interface End {
  readonly node: string;
  readonly hook: string;
}

const EMPTY: GraphConfiguration = { nodes: {} };

/** What leads from one configuration to another. Throws EINVAL where the new one contradicts itself. */
export function difference(from: GraphConfiguration, to: GraphConfiguration): Operation[] {
  check(to);
  const edgesTo = readEdges(to);
  const stays = (name: string): boolean =>
    from.nodes[name] !== undefined && from.nodes[name].type === to.nodes[name]?.type;
  const operations: Operation[] = [];
  for (const [key, [a, b]] of readEdges(from)) {
    // The edges of a node that goes, go with it.
    if (edgesTo.has(key) || !stays(a.node) || !stays(b.node)) continue;
    operations.push({ do: 'disconnect', node: a.node, hook: a.hook });
  }
  for (const name of Object.keys(from.nodes)) if (!stays(name)) operations.push({ do: 'shutdown', node: name });
  for (const [name, { type }] of Object.entries(to.nodes)) {
    if (!stays(name)) operations.push({ do: 'create', node: name, type });
  }
  const edgesFrom = readEdges(from);
  for (const [key, [a, b]] of edgesTo) {
    if (!edgesFrom.has(key) || !stays(a.node) || !stays(b.node)) operations.push({ do: 'connect', a, b });
  }
  for (const [name, { tell: wanted = [] }] of Object.entries(to.nodes)) {
    const said = stays(name) ? (from.nodes[name]!.tell ?? []) : [];
    for (const told of wanted) {
      if (said.some(each => isDeepStrictEqual(each, told))) continue;
      operations.push({ do: 'tell', node: name, message: told[0], args: told[1] });
    }
  }
  return operations;
}

/** Keeps part of a graph as a configuration says. */
export class ConfiguredGraph {
  readonly graph: Graph;
  #now: GraphConfiguration = EMPTY;
  readonly #nodes: Map<string, Node> = new Map();

  constructor(graph: Graph) {
    this.graph = graph;
  }

  /** What it was told last. */
  get configuration(): GraphConfiguration {
    return this.#now;
  }

  /** Makes the graph what the configuration says, in one change; what it took. Answers of messages that take time are not waited for. */
  apply(configuration: GraphConfiguration): readonly Operation[] {
    const wanted = copyOf(configuration);
    // What somebody else has ended is made anew.
    const nodes = Object.fromEntries(
      Object.entries(this.#now.nodes).filter(([name]) => this.#nodes.get(name)?.state === 'there'),
    );
    const there = (end: string): boolean => Object.hasOwn(nodes, end.slice(0, end.indexOf('.')));
    const edges = (this.#now.edges ?? []).filter(([a, b]) => there(a) && there(b));
    const operations = difference({ nodes, edges }, wanted);
    const before = new Map(this.#nodes);
    try {
      this.graph.change(() => {
        for (const operation of operations) this.#do(operation);
      });
    } catch (error) {
      this.#nodes.clear();
      for (const [name, node] of before) this.#nodes.set(name, node);
      throw error;
    }
    this.#now = wanted;
    return operations;
  }

  /** Takes away everything that it made. */
  clear(): void {
    this.apply(EMPTY);
  }

  #do(operation: Operation): void {
    switch (operation.do) {
      case 'disconnect': {
        const hook = this.#nodes.get(operation.node)?.hooks.get(operation.hook);
        // Somebody else may have taken it away.
        if (hook) this.graph.rmhook(hook);
        break;
      }
      case 'shutdown': {
        const node = this.#nodes.get(operation.node);
        this.#nodes.delete(operation.node);
        if (node) this.graph.shutdown(node);
        break;
      }
      case 'create': {
        const node = this.graph.create(operation.type, operation.node);
        // It is there because the configuration says so, with or without hooks.
        node.persistent = true;
        this.#nodes.set(operation.node, node);
        break;
      }
      case 'connect': {
        const ends = [operation.a, operation.b].map(({ node, hook }) => ({ node: this.#node(node), hook }));
        // A tee that was ended by somebody else has joined its neighbours, for one: what is wanted goes before.
        for (const { node, hook } of ends) {
          const other = node.hooks.get(hook);
          if (other) this.graph.rmhook(other);
        }
        const [a, b] = ends as [(typeof ends)[0], (typeof ends)[0]];
        this.graph.connect(a.node, a.hook, b.node, b.hook);
        break;
      }
      case 'tell': {
        const result = tell(
          this.graph,
          undefined,
          this.#node(operation.node).address,
          operation.message,
          operation.args,
        );
        if (result instanceof Promise) {
          result.catch((error: unknown) =>
            this.graph.trouble(`${operation.node}, told ${operation.message}: ${String(error)}`),
          );
        }
        break;
      }
    }
  }

  #node(name: string): Node {
    const node = this.#nodes.get(name);
    if (!node || node.state !== 'there')
      throw new NetgraphError('ENOENT', `node '${name}' of the configuration has ended`);
    return node;
  }
}

/** It may come from a file: what it is not is said, with the value at fault. */
function check(value: unknown): asserts value is GraphConfiguration {
  const wants = (good: boolean, what: string, bad: unknown): void => {
    if (!good) throw new NetgraphError('EINVAL', `${what}, not ${inspect(bad, { depth: 2 }).slice(0, 200)}`);
  };
  wants(isObject(value), 'a configuration is { nodes, edges }', value);
  const { nodes, edges = [] } = value as Record<string, unknown>;
  wants(isObject(nodes), 'nodes are { name: { type, tell } }', nodes);
  for (const [name, node] of Object.entries(nodes as object)) {
    const { type, tell = [] } = (isObject(node) ? node : {}) as Record<string, unknown>;
    wants(typeof type === 'string', `node '${name}' is { type, tell }`, node);
    wants(Array.isArray(tell), `what node '${name}' is told is an array`, tell);
    for (const told of tell as unknown[])
      wants(
        Array.isArray(told) && typeof told[0] === 'string',
        `what node '${name}' is told is [message, argument]`,
        told,
      );
  }
  wants(Array.isArray(edges), 'edges are an array', edges);
  for (const edge of edges as unknown[]) {
    const good = Array.isArray(edge) && edge.length === 2 && edge.every(end => typeof end === 'string');
    wants(good, "an edge is ['node.hook', 'node.hook']", edge);
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whose it is may change it later. */
function copyOf(configuration: GraphConfiguration): GraphConfiguration {
  check(configuration);
  try {
    return structuredClone(configuration);
  } catch (error) {
    throw new NetgraphError('EINVAL', `a configuration is data: ${String(error)}`);
  }
}

function readEdges({ nodes, edges = [] }: GraphConfiguration): Map<string, readonly [End, End]> {
  const read = new Map<string, readonly [End, End]>();
  const taken = new Set<string>();
  for (const [left, right] of edges) {
    const ends = [left, right].sort().map(text => {
      const dot = text.indexOf('.');
      const end = { node: text.slice(0, dot), hook: text.slice(dot + 1) };
      if (dot < 1 || !Object.hasOwn(nodes, end.node))
        throw new NetgraphError('EINVAL', `'${text}' is no hook of a node of the configuration`);
      if (taken.has(text)) throw new NetgraphError('EINVAL', `hook '${text}' is at two edges`);
      taken.add(text);
      return end;
    }) as [End, End];
    read.set(`${left < right ? left : right} ${left < right ? right : left}`, ends);
  }
  return read;
}
