// The daemon's graph (netgraph): RUN_DIR/ngctl.sock, and the graph behind it, in the daemon's network namespace. Neither the graph, nor its
// workers, nor its code are there before the first client is: a router that has no use for them pays nothing.
import type net from 'node:net';
import { join } from 'node:path';
import type { Graph, Health, HookList, NgctlService, RuntimeRow } from '../netgraph/index.ts';
import { LocalSocket } from '../sys/index.ts';
import type { ThreadInfo } from './main-commands.ts';

export interface GraphServiceOptions {
  readonly runDir: string;
  /** Threads that run packets. */
  readonly workers: number;
  readonly log: (text: string) => void;
}

/** What `show graph` asks. */
export interface GraphView {
  /** Nodes and their hooks, how the workers do, and the text that shows them. */
  nodes(): Promise<{ readonly nodes: readonly HookList[]; readonly workers: readonly Health[]; readonly text: string }>;
  /** What each node did on each worker. */
  runtime(): Promise<{ readonly rows: readonly RuntimeRow[]; readonly text: string }>;
}

/** For the whole of an orderly end. */
const CLOSE_MS = 5000;

type Netgraph = typeof import('../netgraph/index.ts');

export class GraphService implements GraphView {
  readonly #options: GraphServiceOptions;
  readonly #socket: LocalSocket;
  #netgraph: Promise<Netgraph> | undefined;
  #service: NgctlService | undefined;
  #opening: Promise<Graph> | undefined;
  #graph: Graph | undefined;
  #since = 0;
  #closed = false;

  constructor(options: GraphServiceOptions) {
    this.#options = options;
    this.#socket = new LocalSocket(join(options.runDir, 'ngctl.sock'), socket => void this.#accept(socket));
  }

  listen(): Promise<void> {
    return this.#socket.listen();
  }

  /** Workers, for `show threads`. */
  threads(): ThreadInfo[] {
    const graph = this.#graph;
    if (!graph) return [];
    return Array.from({ length: graph.plane.workers }, (_, worker) => {
      const { state, deaths, since = this.#since, lastError } = graph.plane.health(worker);
      return {
        name: `graph-${worker}`,
        state,
        restarts: state === 'running' ? deaths : deaths - 1,
        ...(state === 'running' ? { since } : {}),
        ...(lastError === undefined ? {} : { lastError }),
      };
    });
  }

  async nodes(): Promise<{ nodes: readonly HookList[]; workers: readonly Health[]; text: string }> {
    const graph = this.#graph;
    if (!graph) return { nodes: [], workers: [], text: '' };
    const { formatHooks, formatWorkers, hookListOf } = await this.#code();
    const nodes = [...graph.nodes].map(hookListOf);
    const workers = Array.from({ length: graph.plane.workers }, (_, worker) => graph.plane.health(worker));
    return { nodes, workers, text: nodes.map(node => formatHooks(node, true)).join('') + formatWorkers(workers) };
  }

  async runtime(): Promise<{ rows: readonly RuntimeRow[]; text: string }> {
    if (!this.#graph) return { rows: [], text: '' };
    const { formatRuntime, runtimeOf } = await this.#code();
    const rows = runtimeOf(this.#graph);
    return { rows, text: formatRuntime(rows) };
  }

  /** Ends the clients, then the nodes, with what they opened, then the workers. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const socket = this.#socket.close();
    await this.#service?.close();
    const graph = await this.#opening?.catch(() => undefined);
    if (graph) await this.#end(graph);
    await socket;
  }

  async #end(graph: Graph): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>(resolve => {
      timer = setTimeout(() => resolve('late'), CLOSE_MS);
    });
    try {
      // A worker in a node that never comes back does no change any more.
      if ((await Promise.race([graph.close(), late])) !== 'late') return;
      this.#options.log(`netgraph: the graph has not ended after ${CLOSE_MS} ms, its workers are ended`);
    } catch (error) {
      this.#options.log(`netgraph: ${(error as Error).message}`);
    } finally {
      clearTimeout(timer);
    }
    await graph.plane.close();
  }

  async #accept(socket: net.Socket): Promise<void> {
    // What becomes of it before there is somebody to serve it.
    socket.on('error', () => {});
    try {
      const { NgctlService } = await this.#code();
      if (this.#closed) {
        socket.destroy();
        return;
      }
      this.#service ??= new NgctlService({
        runDir: this.#options.runDir,
        makeMessenger: async name => {
          const graph = await (this.#opening ??= this.#open());
          return (await this.#code()).graphMessenger(graph, name);
        },
        onError: error => this.#options.log(`netgraph: ${error instanceof Error ? error.stack : String(error)}`),
      });
      this.#service.accept(socket);
    } catch (error) {
      this.#options.log(`netgraph: ${String(error)}`);
      socket.destroy();
    }
  }

  #code(): Promise<Netgraph> {
    return (this.#netgraph ??= import('../netgraph/index.ts'));
  }

  async #open(): Promise<Graph> {
    const { workers, log } = this.#options;
    try {
      const { openGraph } = await this.#code();
      this.#graph = await openGraph({ workers, trouble: text => log(`netgraph: ${text}`) });
    } catch (error) {
      // The next client tries anew.
      this.#opening = undefined;
      throw error;
    }
    this.#since = Date.now();
    log(`netgraph: the graph is open, ${workers} ${workers === 1 ? 'worker' : 'workers'}`);
    return this.#graph;
  }
}
