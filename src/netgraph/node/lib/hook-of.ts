// The hook that a message names, or ENOENT to who sent it.
import { NetgraphError } from '../../graph/error.ts';
import type { Hook, Node } from '../../graph/node.ts';

export function hookOf(node: Node, name: string): Hook {
  const hook = node.hooks.get(name);
  if (!hook) throw new NetgraphError('ENOENT', `node ${node.address} has no hook '${name}'`);
  return hook;
}

/** Throws EINVAL where a node of this type has no hook of this name, whatever else it has. */
export function onlyHooks({ name, node }: Hook, names: readonly string[]): void {
  if (names.includes(name)) return;
  throw new NetgraphError('EINVAL', `a node of type '${node.type.name}' has hooks ${names.join(', ')}, not '${name}'`);
}
