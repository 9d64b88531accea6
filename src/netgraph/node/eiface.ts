// ng_eiface(4): an Ethernet interface that the host sees (TAP), whose wire is the hook `ether`. It appears as ngeth0, ngeth1, … in the network
// namespace of the workers, and stays until `shutdown`, whether the hook is joined or not.
import { collect, dumpRequest, NetlinkSocket, readAddressMessage, rtnetlink } from '../../netlink/index.ts';
import { formatIp4, formatIp6 } from '../../net/index.ts';
import { interfaceAddress, linux, setInterfaceAddress } from '../../sys/index.ts';
import { NetgraphError } from '../graph/error.ts';
import type { Hook, Node } from '../graph/node.ts';
import { command, type NodeType } from '../graph/type.ts';
import { array, mac, string, struct, uint32 } from '../message/form.ts';
import { PKT_DATA, PKT_FLAG_MULTICAST, PKT_FLAGS, PKT_LENGTH } from '../packet/packets.ts';
import { type DataContext, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { asking, inside, macBytes, macText } from './lib/namespace.ts';
import { TAP_COUNTERS, TapControl, TapData } from './lib/tap-node.ts';

interface Addresses {
  count: number;
  addrs: string[];
}

class EifaceControl extends TapControl {
  constructor(node: Node) {
    super(node, 'tap', 'ngeth%d');
  }

  override newHook({ name }: Hook): void {
    if (name !== 'ether') throw new NetgraphError('EINVAL', `eiface has a hook ether, not '${name}'`);
  }

  set(address: string): void {
    asking(() => setInterfaceAddress(this.asker, this.ifname(), macBytes(address)));
  }

  /** The Ethernet address, then those of IP with their lengths. */
  addresses(): Addresses {
    const addrs = [macText(asking(() => interfaceAddress(this.asker, this.ifname()).address))];
    const socket = inside(this.node.graph.plane.namespace, () => asking(() => new NetlinkSocket()));
    try {
      for (const each of collect(socket, dumpRequest(rtnetlink.RTM_GETADDR), readAddressMessage)) {
        const words = each.local ?? each.peer;
        if (each.ifindex !== this.ifindex || !words) continue;
        addrs.push(`${each.family === linux.AF_INET ? formatIp4(words[0]) : formatIp6(...words)}/${each.length}`);
      }
    } finally {
      socket.close();
    }
    return { count: addrs.length, addrs };
  }
}

class EifaceData extends TapData {
  #out: DataHook | undefined;

  constructor(node: DataContext) {
    super(node, 2);
  }

  override hookAdded(hook: DataHook): void {
    this.#out = hook;
  }

  override hookRemoved(): void {
    this.#out = undefined;
  }

  protected override deliver(handle: number): void {
    const { words, bytes } = this.node.packets;
    if ((bytes[words[handle + PKT_DATA]!]! & 1) !== 0) words[handle + PKT_FLAGS] = PKT_FLAG_MULTICAST;
    if (this.#out === undefined) this.node.drop(handle, DROP.notConnected);
    else this.#out.send(handle);
  }

  override receive(_hook: DataHook, handles: Int32Array, count: number): void {
    const { words } = this.node.packets;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      if (words[handle + PKT_LENGTH]! < 14) this.node.drop(handle, DROP.malformed);
      else this.transmit(handle);
    }
  }
}

export const eiface: NodeType = {
  name: 'eiface',
  cookie: 948_105_892,
  messages: [
    command({ name: 'getifname', cmd: 1, reply: string, handle: (e: EifaceControl) => e.ifname() }),
    command({
      name: 'getifaddrs',
      cmd: 2,
      reply: struct({ count: uint32, addrs: array({ element: string, length: ({ count }: Addresses) => count }) }),
      handle: (e: EifaceControl) => e.addresses(),
    }),
    command({ name: 'set', cmd: 3, args: mac, handle: (e: EifaceControl, address) => e.set(address) }),
  ],
  control: EifaceControl,
  data: EifaceData,
  counters: TAP_COUNTERS,
};
