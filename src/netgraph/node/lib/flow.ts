// What a link says to the node at its other end when it comes up or goes down (NGM_FLOW_COOKIE's messages). Who is not interested
// refuses it, and nobody minds.
import type { Hook } from '../../graph/node.ts';
import { send } from '../../graph/messages.ts';

export const LINK_IS_UP = 'link_is_up';
export const LINK_IS_DOWN = 'link_is_down';

/** Tells the peer of `hook`, when the present change is done. */
export function tellPeer(hook: Hook, message: string): void {
  queueMicrotask(() => {
    const { node, name } = hook;
    if (node.hooks.get(name) !== hook) return;
    send(node.graph, node, name, message).catch(() => {});
  });
}
