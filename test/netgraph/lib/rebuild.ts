// A graph whose one branch is rebuilt at random while traffic runs through both.
//
//    source ─▶ parity ─▶ a ─▶ stamp ─▶ stamp ─▶ check                      nobody touches it
//                 └────▶ b ─▶ stamp ─▶ pass ... pass ─▶ stamp ─▶ check     each change: other stamps, or other nodes in between
//
// Every change gives both stamps of the way a new generation and tells the first how many nodes there are in between: a packet whose two
// stamps differ, or which has met another number of nodes, has gone partly by an old and partly by a new way.
import { type Graph, type Node, openGraph, send, type WorkersOptions } from '../../../src/netgraph/index.ts';
import { allTypes, CHECKED, type StampConfig, type TrafficConfig } from './traffic-types.ts';

const LONGEST = 6;

/** xorshift: the same changes for the same seed. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed | 0 || 1;
  return below => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

export interface Checked {
  readonly received: number;
  readonly missing: number;
  readonly disorder: number;
  readonly mixed: number;
}

export interface Tally {
  readonly sent: number;
  readonly a: Checked;
  readonly b: Checked;
  /** Packets of b that came while its edge was away, or found no room on their way to another worker. */
  readonly dropped: number;
}

/** The command of `set` without its promise: a change may not wait. */
function set(node: Node, settings: unknown): void {
  const control = node.control as unknown as { settings: unknown };
  control.settings = settings;
  node.reconfigure();
}

export class Rebuild {
  readonly graph: Graph;
  /** Changes that were done, and that were refused because a worker was too far behind. */
  changes = 0;
  refused = 0;
  readonly trouble: string[];
  readonly #random: (below: number) => number;
  readonly #source: Node;
  readonly #parity: Node;
  readonly #checks: { a: Node; b: Node };
  readonly #away: boolean;
  /** First stamp, what is in between, last stamp; empty while the edge is away. */
  #way: Node[] = [];
  #generation = 0;

  private constructor(graph: Graph, trouble: string[], seed: number, crossing: boolean, away: boolean) {
    this.graph = graph;
    this.trouble = trouble;
    this.#random = randomOf(seed);
    this.#away = away;
    this.#source = graph.create('test-traffic', 'source');
    this.#parity = graph.mkpeer(this.#source, 'test-parity', 'out', 'in');
    this.#checks = {
      a: graph.create('test-check', 'check-a'),
      b: graph.create(crossing ? 'test-check-one' : 'test-check', 'check-b'),
    };
    graph.change(() => {
      const still = [graph.create('test-stamp'), graph.create('test-stamp')];
      set(still[0]!, { generation: 0, last: false, between: 0 } satisfies StampConfig);
      set(still[1]!, { generation: 0, last: true, between: 0 } satisfies StampConfig);
      this.#join(this.#parity, 'a', [...still, this.#checks.a]);
      this.#replace(2);
    });
  }

  /** `crossing`: the end of b runs in one worker, so packets cross. `away`: now and then b's edge is taken away for a change. */
  static async open(
    options: Partial<WorkersOptions> & { seed: number; crossing?: boolean; away?: boolean },
  ): Promise<Rebuild> {
    const { seed, crossing = false, away = false, ...rest } = options;
    const trouble: string[] = [];
    const graph = await openGraph({
      packets: { perWorker: 4096, maxBytes: 128 },
      types: allTypes,
      poison: true,
      trouble: text => trouble.push(text),
      ...rest,
    });
    return new Rebuild(graph, trouble, seed, crossing, away);
  }

  /** Packets that each worker sends from now on, in all. */
  async run(limit: number): Promise<void> {
    await send(this.graph, undefined, 'source:', 'set', { running: true, limit } satisfies TrafficConfig);
  }

  /** A change at random, done a piece at a time as none may be: what it mixes has to be found out. */
  torn(): void {
    this.#change();
    this.changes++;
  }

  /** One change at random; false where it was refused, and nothing happened. */
  step(): boolean {
    const [way, generation] = [this.#way, this.#generation];
    try {
      this.graph.change(() => this.#change());
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOBUFS') throw error;
      [this.#way, this.#generation] = [way, generation];
      this.refused++;
      return false;
    }
    this.changes++;
    return true;
  }

  /** Puts the edge back where it is away. */
  whole(): void {
    if (this.#way.length === 0) this.graph.change(() => this.#replace(1));
  }

  tally(): Tally {
    const checked = (node: Node): Checked => {
      const counts = node.counts();
      return Object.fromEntries(CHECKED.map(name => [name, counts[name]])) as unknown as Checked;
    };
    let dropped = this.#parity.counts()['drop.notConnected']!;
    // Every way ends in the same hook's peer; what crossed not was counted by the last stamp of its time, which may be gone.
    for (const node of this.#way) dropped += node.counts()['drop.crossing']!;
    return {
      sent: this.#source.counts()['sent']!,
      a: checked(this.#checks.a),
      b: checked(this.#checks.b),
      dropped,
    };
  }

  #change(): void {
    const { graph } = this;
    const between = this.#way.slice(1, -1);
    if (this.#way.length === 0) {
      this.#replace(this.#random(LONGEST + 1));
      return;
    }
    switch (this.#random(this.#away ? 8 : 7)) {
      case 0:
        this.#replace(this.#random(LONGEST + 1));
        return;
      case 1:
      case 2: {
        // A node more.
        if (between.length >= LONGEST) break;
        const at = this.#random(between.length + 1);
        const before = this.#way[at]!;
        const after = this.#way[at + 1]!;
        graph.rmhook(before.hooks.get('out')!);
        const node = graph.mkpeer(before, 'test-pass', 'out', 'in');
        graph.connect(node, 'out', after, 'in');
        this.#way = [...this.#way.slice(0, at + 1), node, ...this.#way.slice(at + 1)];
        break;
      }
      case 3:
      case 4: {
        // A node less, and its neighbours joined.
        if (between.length === 0) break;
        const at = 1 + this.#random(between.length);
        const node = this.#way[at]!;
        graph.bypass(node.hooks.get('in')!, node.hooks.get('out')!);
        graph.shutdown(node);
        this.#way = this.#way.filter(other => other !== node);
        break;
      }
      case 5: {
        // The same nodes in another order.
        if (between.length < 2) break;
        const ends = [this.#way[0]!, this.#way[this.#way.length - 1]!];
        for (const node of this.#way.slice(0, -1)) graph.rmhook(node.hooks.get('out')!);
        const at = this.#random(between.length);
        const order = [...between.slice(at), ...between.slice(0, at)].reverse();
        this.#way = [ends[0]!, ...order, ends[1]!];
        this.#chain(this.#way);
        break;
      }
      case 6:
        // The same way, told anew.
        break;
      default:
        for (const node of this.#way) graph.shutdown(node);
        this.#way = [];
        return;
    }
    this.#stamp();
  }

  /** A whole new way in the place of the old. */
  #replace(between: number): void {
    const { graph } = this;
    for (const node of this.#way) graph.shutdown(node);
    this.#way = [
      graph.create('test-stamp'),
      ...Array.from({ length: between }, () => graph.create('test-pass')),
      graph.create('test-stamp'),
    ];
    this.#stamp();
    this.#join(this.#parity, 'b', [...this.#way, this.#checks.b]);
  }

  #stamp(): void {
    const generation = ++this.#generation;
    const between = this.#way.length - 2;
    set(this.#way[0]!, { generation, last: false, between } satisfies StampConfig);
    set(this.#way[this.#way.length - 1]!, { generation, last: true, between } satisfies StampConfig);
  }

  #join(from: Node, hook: string, nodes: readonly Node[]): void {
    this.graph.connect(from, hook, nodes[0]!, 'in');
    this.#chain(nodes);
  }

  #chain(nodes: readonly Node[]): void {
    for (let i = 0; i + 1 < nodes.length; i++) this.graph.connect(nodes[i]!, 'out', nodes[i + 1]!, 'in');
  }
}
