// What each node did on each worker since the start, as VPP's `show runtime` tells it of its graph: read from the counters, so the workers
// do not notice.
import type { Graph } from '../graph/graph.ts';
import type { Node } from '../graph/node.ts';
import { addCounts } from '../worker/counts.ts';
import { NODE_COUNTERS } from '../worker/node.ts';
import type { RuntimeRow } from './messenger.ts';

const VECTORS = NODE_COUNTERS.indexOf('vectors');
const PACKETS = NODE_COUNTERS.indexOf('packets');
const NS = NODE_COUNTERS.indexOf('ns');
const DROPS = 'drop.';

/** A row for each node and worker where it runs, by the order in which nodes were made. */
export function runtimeOf(graph: Graph): RuntimeRow[] {
  const rows: RuntimeRow[] = [];
  for (const node of graph.nodes) {
    if (!node.type.data) continue;
    for (let worker = 0; worker < graph.plane.workers; worker++)
      if (node.worker < 0 || node.worker === worker) rows.push(rowOf(graph, node, worker));
  }
  return rows;
}

function rowOf({ plane }: Graph, node: Node, worker: number): RuntimeRow {
  const own = node.type.counters?.length ?? 0;
  let all = new Float64Array(own + NODE_COUNTERS.length);
  // One worker's counters are the sum, which an inline plane brings up to date.
  if (plane.workers === 1) all = new Float64Array(plane.counts(node.place, all.length));
  else addCounts(plane.memory.memory, node.place, worker, all);
  const sum = all.subarray(own);
  const reasons: Record<string, number> = {};
  let drops = 0;
  NODE_COUNTERS.forEach((name, i) => {
    if (!name.startsWith(DROPS) || sum[i] === 0) return;
    reasons[name.slice(DROPS.length)] = sum[i]!;
    drops += sum[i]!;
  });
  return {
    node: node.name ?? node.address.slice(0, -1),
    type: node.type.name,
    worker,
    vectors: sum[VECTORS]!,
    packets: sum[PACKETS]!,
    drops,
    reasons,
    ns: sum[NS]!,
  };
}
