// A graph with its workers, in one call.
import { Graph } from './graph/graph.ts';
import { GraphMemory } from './graph/memory.ts';
import type { NodeType } from './graph/type.ts';
import { standardTypes } from './node/standard.ts';
import { InlinePlane } from './worker/plane.ts';
import { WorkerPlane, type WorkersOptions } from './worker/threads.ts';

export interface OpenOptions extends Partial<Omit<WorkersOptions, 'memory'>> {
  /** Bytes that counters and shared state may take. Default 64 MiB, of which what is used is touched. */
  readonly memoryBytes?: number;
  /** What is given back of that memory is overwritten, so that who still looks at it is found out. For tests. */
  readonly poison?: boolean;
  /** Types beside the standard ones. */
  readonly types?: readonly NodeType[];
  /** A node's code failed, a worker died or stands still: in words. Default: stderr. */
  readonly trouble?: (text: string) => void;
  /** Milliseconds, as nodes see them. Without workers only: threads have their own. */
  readonly clock?: () => number;
}

/** A graph whose packets run in `workers` threads (1 unless told), or with 0 in the caller's: then `(graph.plane as InlinePlane).step()`
 *  is a round. */
export async function openGraph(options: OpenOptions = {}): Promise<Graph> {
  const {
    workers = 1,
    memoryBytes = 64 << 20,
    poison = false,
    types = [],
    trouble = complain,
    packets,
    clock,
    ...rest
  } = options;
  const memory = new GraphMemory(memoryBytes, poison);
  const plane =
    workers === 0
      ? new InlinePlane({
          types: [...standardTypes, ...types],
          memory,
          ...(packets ? { packets } : {}),
          ...(clock ? { clock } : {}),
          ...(rest.namespace === undefined ? {} : { namespace: rest.namespace }),
        })
      : await WorkerPlane.start({ ...rest, ...(packets ? { packets } : {}), workers, memory });
  const graph = new Graph(plane, standardTypes, { trouble });
  for (const type of types) graph.addType(type);
  return graph;
}

function complain(text: string): void {
  process.stderr.write(`netgraph: ${text}\n`);
}
