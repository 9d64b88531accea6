// What a node has of the kernel's, given back at its end: when that is sure, and no worker uses it any more. A node that never
// came to be, since the change that made it is undone, is used by nobody.
import type { Node } from '../../graph/node.ts';

/** For `shutdown` of a control half. */
export function releaseAtEnd(node: Node, release: () => void): void {
  if (node.state === 'going') node.graph.retire(release);
  else release();
}
