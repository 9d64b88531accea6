// What most types do when their last hook goes: the node goes too.
import type { Node } from '../../graph/node.ts';

export function endsAlone(node: Node): void {
  if (node.hooks.size === 0) node.graph.shutdown(node);
}
