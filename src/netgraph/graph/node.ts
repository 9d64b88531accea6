// Nodes and hooks as the graph's thread has them: small objects, thousands at most. A node knows its hooks by name, a hook its peer. What
// changes goes through the graph, which turns it into actions for the workers.
import type { Graph } from './graph.ts';
import type { Place } from '../worker/plan.ts';
import type { ControlHalf, NodeType } from './type.ts';

export class Hook {
  readonly id: number;
  readonly name: string;
  readonly node: Node;
  peer: Hook | undefined = undefined;
  /** Where its counters lie; undefined where its type has none for hooks. */
  readonly place: Place | undefined;

  constructor(node: Node, id: number, name: string, place: Place | undefined) {
    this.node = node;
    this.id = id;
    this.name = name;
    this.place = place;
  }

  /** The type's counters of this hook, summed over the workers, since they were last cleared. */
  counts(): Record<string, number> {
    return this.node.graph.countsOf(this);
  }
}

export class Node {
  readonly graph: Graph;
  readonly id: number;
  readonly type: NodeType;
  /** The worker where it runs; -1: each. */
  readonly worker: number;
  readonly place: Place;
  name: string | undefined = undefined;
  readonly hooks: Map<string, Hook> = new Map();
  /** It stays when its last hook goes, though its type would end it. */
  persistent = false;
  /** Set by the graph right after the node is there. */
  control!: ControlHalf;
  state: 'making' | 'there' | 'going' | 'gone' = 'making';
  /** What its own code died of in a worker. */
  failure: Error | undefined = undefined;

  constructor(graph: Graph, id: number, type: NodeType, worker: number, place: Place) {
    this.graph = graph;
    this.id = id;
    this.type = type;
    this.worker = worker;
    this.place = place;
  }

  /** How it is addressed: `name:` or `[id]:`. */
  get address(): string {
    return this.name === undefined ? `[${this.id.toString(16)}]:` : `${this.name}:`;
  }

  /** Its counters by name, the general ones (`vectors`, `packets`, `ns`, `drop.…`) included, summed over the workers. */
  counts(): Record<string, number> {
    return this.graph.countsOf(this);
  }

  /** Says something to the data half in `worker`, or in each; false where too much waits there already. */
  say(value: unknown, worker: number = this.worker): boolean {
    const { plane } = this.graph;
    if (worker >= 0) return plane.say(worker, this.id, value);
    let all = true;
    for (let each = 0; each < plane.workers; each++) all = plane.say(each, this.id, value) && all;
    return all;
  }

  /** Has the data halves configured anew with what `control.config()` says, at the next commit. */
  reconfigure(): void {
    this.graph.reconfigure(this);
  }
}
