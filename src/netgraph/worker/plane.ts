// Where packets run: what the graph needs of its workers, whether they are threads (threads.ts) or one runtime in the caller's own
// thread (InlinePlane), for tests and for programs that run packets themselves.
import type { GraphMemory } from '../graph/memory.ts';
import type { NodeType } from '../graph/type.ts';
import { createPackets, Packets, type PacketsShape } from '../packet/packets.ts';
import { addCounts } from './counts.ts';
import { type Action, doActions, encodeActions, type Place } from './plan.ts';
import { Runtime } from './runtime.ts';

/** What the workers say to the graph. */
export interface PlaneEvents {
  /** A data half told its control half something. */
  told(node: number, worker: number, value: unknown): void;
  /** A data half failed: its node drops everything in that worker from now on. */
  failed(node: number, worker: number, error: Error): void;
  /** The whole graph as actions, for a worker that begins. */
  snapshot(): readonly Action[];
  /** A worker died: it runs nothing any more, and nobody does in its place yet. */
  gone(worker: number): void;
  /** Another takes its place, but not before so many milliseconds: it had died before, or none could be started. */
  delayed(worker: number, error: Error, ms: number): void;
  /** Another has taken its place. */
  replaced(worker: number, error: Error): void;
  /** A worker has not come to a quiescent state for so long. */
  stalled(worker: number, ms: number): void;
}

/** How a worker does. */
export interface Health {
  readonly state: 'running' | 'restarting';
  /** Deaths so far. */
  readonly deaths: number;
  /** Milliseconds since 1970, when it last began. */
  readonly since?: number;
  /** What the last one died of. */
  readonly lastError?: string;
  /** Milliseconds from its death to the next one's beginning, where that is put off. */
  readonly backoffMs?: number;
}

export interface Plane {
  readonly workers: number;
  readonly memory: GraphMemory;
  readonly maxPacketBytes: number;
  /** Path of the network namespace that the workers are in; undefined: the process's own. */
  readonly namespace: string | undefined;
  /** Whose plane this is: called once, before the first commit. */
  attach(events: PlaneEvents): void;
  /**
   * Hands the actions to every worker; each does all of them between two vectors. `retired` run when no worker can be using what the
   * actions took away. Throws NetgraphError ENOBUFS, and nothing has happened, where a worker is too far behind to be told.
   */
  commit(actions: readonly Action[], retired: readonly (() => void)[]): void;
  /** Settles when every worker runs the graph as it is now, and what was taken away before is freed. */
  settled(): Promise<void>;
  /** Makes memory known to the workers by the number that is returned, in time for the next commit. */
  announce(memory: SharedArrayBuffer): number;
  forget(id: number): void;
  /** Says something to a node's data half in a worker; false where too much waits for that worker already. */
  say(worker: number, node: number, value: unknown): boolean;
  /** Counters at a place, summed over the workers. */
  counts(place: Place, counters: number): Float64Array;
  health(worker: number): Health;
  close(): Promise<void>;
}

export interface InlineOptions {
  readonly types: readonly NodeType[];
  readonly memory: GraphMemory;
  /** Default: 1,024 packets of 2,048 bytes. */
  readonly packets?: Omit<PacketsShape, 'workers'>;
  /** Milliseconds; performance.now unless told. */
  readonly clock?: () => number;
  /** Where nodes open their interfaces; the caller's own thread stays where it is. */
  readonly namespace?: string;
}

/** The graph runs where it is called: `step` is a round. */
export class InlinePlane implements Plane {
  readonly workers = 1;
  readonly memory: GraphMemory;
  readonly maxPacketBytes: number;
  readonly namespace: string | undefined;
  readonly packets: Packets;
  readonly runtime: Runtime;
  #events: PlaneEvents | undefined;
  readonly #announced: Map<number, SharedArrayBuffer> = new Map();
  #next = 1;

  constructor({ types, memory, packets, clock, namespace }: InlineOptions) {
    this.memory = memory;
    this.namespace = namespace;
    const shape = { perWorker: 1024, maxBytes: 2048, ...packets, workers: 1 };
    this.maxPacketBytes = shape.maxBytes;
    this.packets = new Packets(createPackets(shape), shape, 0);
    this.runtime = new Runtime(
      {
        worker: 0,
        workers: 1,
        packets: this.packets,
        memory: memory.memory,
        announced: id => this.#announced.get(id)!,
        clock: clock ?? (() => performance.now()),
        tell: (node, value) => {
          // As from a thread: a copy, and not before what tells it has returned.
          const copy: unknown = structuredClone(value);
          queueMicrotask(() => this.#events?.told(node, 0, copy));
          return true;
        },
        showFree: () => {},
        cross: () => false,
        failed: (node, error) => this.#events?.failed(node, 0, error),
      },
      types,
    );
  }

  attach(events: PlaneEvents): void {
    this.#events = events;
  }

  commit(actions: readonly Action[], retired: readonly (() => void)[]): void {
    this.runtime.readClock();
    doActions(this.runtime, encodeActions(actions));
    for (const free of retired) free();
  }

  /** One round: every source once, and what it brought to its end. Packets that sources looked at, and timers. */
  step(): number {
    return this.runtime.round();
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }

  announce(memory: SharedArrayBuffer): number {
    this.#announced.set(this.#next, memory);
    return this.#next++;
  }

  forget(id: number): void {
    this.#announced.delete(id);
  }

  say(_worker: number, node: number, value: unknown): boolean {
    this.runtime.readClock();
    return this.runtime.heard(node, structuredClone(value));
  }

  counts(place: Place, counters: number): Float64Array {
    this.runtime.show();
    const sum = new Float64Array(counters);
    addCounts(this.memory.memory, place, 0, sum);
    return sum;
  }

  health(): Health {
    return { state: 'running', deaths: 0 };
  }

  close(): Promise<void> {
    this.runtime.close();
    return Promise.resolve();
  }
}
