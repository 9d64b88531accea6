// What most types do when their last hook goes: the node goes too, unless somebody wants it to stay.
import type { Node } from '../../graph/node.ts';

export function endsAlone(node: Node): void {
  if (node.hooks.size === 0 && !node.persistent) node.graph.shutdown(node);
}
