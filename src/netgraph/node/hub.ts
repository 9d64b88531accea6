// ng_hub(4): what comes in by a hook goes out of every other. The last of them gets the packet itself, the others copies; which one is last
// is known before the first copy is made, since nothing changes in the middle of a vector.
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { DataHalf, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone } from './lib/alone.ts';

class HubControl extends ControlHalf {
  override disconnected(): void {
    endsAlone(this.node);
  }
}

class HubData extends DataHalf {
  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const { hooks, packets } = this.node;
    const last = hooks[hooks.length - 1] === hook ? hooks.length - 2 : hooks.length - 1;
    if (last < 0) {
      this.node.dropMany(handles, count, DROP.notConnected);
      return;
    }
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      for (let j = 0; j < last; j++) {
        const out = hooks[j]!;
        if (out === hook) continue;
        const copy = packets.copy(handle);
        if (copy !== 0) out.send(copy);
        else this.node.miss(DROP.noPacket);
      }
      hooks[last]!.send(handle);
    }
  }
}

export const hub: NodeType = {
  name: 'hub',
  cookie: 1082189597,
  messages: [
    command({ name: 'setpersistent', cmd: 1, handle: (hub: HubControl) => void (hub.node.persistent = true) }),
  ],
  control: HubControl,
  data: HubData,
};
