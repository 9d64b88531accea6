// What many types do at their ends: a node goes with its last hook, and one that lay between two others joins them.
import type { Node } from '../../graph/node.ts';

/** For `disconnected`: the node goes with its last hook, unless somebody wants it to stay. */
export function endsAlone(node: Node): void {
  if (node.hooks.size === 0 && !node.persistent) node.graph.shutdown(node);
}

/** For `shutdown`: where both hooks are there, their peers are joined in the node's place. */
export function joinNeighbours(node: Node, a: string, b: string): void {
  const first = node.hooks.get(a);
  const second = node.hooks.get(b);
  if (first && second) node.graph.bypass(first, second);
}
