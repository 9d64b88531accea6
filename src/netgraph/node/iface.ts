// ng_iface(4): a point-to-point interface that the host sees (TUN), with a hook for each protocol: what the host sends comes out of `inet` or
// `inet6`, what is sent to them the host receives. It appears as ng0, ng1, … in the network namespace of the workers, and stays until
// `shutdown`. Linux has none of FreeBSD's other protocols, and no TUN that broadcasts.
import { NetgraphError } from '../graph/error.ts';
import type { Hook, Node } from '../graph/node.ts';
import { command, type NodeType } from '../graph/type.ts';
import { string, uint32 } from '../message/form.ts';
import { PKT_DATA, PKT_LENGTH } from '../packet/packets.ts';
import { type DataContext, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { TAP_COUNTERS, TapControl, TapData } from './lib/tap-node.ts';

class IfaceControl extends TapControl {
  constructor(node: Node) {
    super(node, 'tun', 'ng%d');
  }

  override newHook({ name }: Hook): void {
    if (name !== 'inet' && name !== 'inet6') {
      throw new NetgraphError('EPFNOSUPPORT', `iface has hooks inet and inet6, not '${name}'`);
    }
  }

  broadcast(): void {
    throw new NetgraphError('EOPNOTSUPP', `${this.ifname()} is point-to-point: Linux has no TUN that broadcasts`);
  }
}

class IfaceData extends TapData {
  #inet: DataHook | undefined;
  #inet6: DataHook | undefined;

  constructor(node: DataContext) {
    super(node, 0);
  }

  override hookAdded(hook: DataHook): void {
    if (hook.name === 'inet') this.#inet = hook;
    else this.#inet6 = hook;
    hook.role = hook.name === 'inet' ? 4 : 6;
  }

  override hookRemoved(hook: DataHook): void {
    if (hook.role === 4) this.#inet = undefined;
    else this.#inet6 = undefined;
  }

  protected override deliver(handle: number): void {
    const { words, bytes } = this.node.packets;
    const version = bytes[words[handle + PKT_DATA]!]! >>> 4;
    const out = version === 4 ? this.#inet : version === 6 ? this.#inet6 : undefined;
    if (out === undefined) this.node.drop(handle, DROP.notConnected);
    else out.send(handle);
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const { words, bytes } = this.node.packets;
    const version = hook.role;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      // The kernel goes by the packet's first bits, so they have to say what the hook says.
      if (words[handle + PKT_LENGTH]! < 20 || bytes[words[handle + PKT_DATA]!]! >>> 4 !== version) {
        this.node.drop(handle, DROP.malformed);
      } else this.transmit(handle);
    }
  }
}

export const iface: NodeType = {
  name: 'iface',
  cookie: 1_108_312_559,
  messages: [
    command({ name: 'getifname', cmd: 1, reply: string, handle: (i: IfaceControl) => i.ifname() }),
    command({ name: 'point2point', cmd: 2, handle: () => {} }),
    command({ name: 'broadcast', cmd: 3, handle: (i: IfaceControl) => i.broadcast() }),
    command({ name: 'getifindex', cmd: 4, reply: uint32, handle: (i: IfaceControl) => i.ifindex }),
  ],
  control: IfaceControl,
  data: IfaceData,
  counters: TAP_COUNTERS,
};
