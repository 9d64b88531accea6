// ng_hole(4): the end of everything, data and messages. Each hook counts what it swallowed.
import { string, struct, uint64 } from '../message/form.ts';
import { NetgraphError } from '../graph/error.ts';
import { ControlHalf, type NodeType } from '../graph/type.ts';
import { DataHalf } from '../worker/half.ts';
import { PKT_LENGTH } from '../packet/packets.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone } from './lib/alone.ts';
import { statsCommands } from './lib/stats-commands.ts';

const OCTETS = 0;
const FRAMES = 1;

const stats = struct({ frames: uint64, octets: uint64 });

class HoleControl extends ControlHalf {
  override disconnected(): void {
    endsAlone(this.node);
  }

  override received(): undefined {}

  stats(name: string, clear: boolean): { frames: number; octets: number } {
    const hook = this.node.hooks.get(name);
    if (!hook) throw new NetgraphError('ENOENT', `node ${this.node.address} has no hook '${name}'`);
    const { frames, octets } = hook.counts();
    if (clear) this.node.graph.clearCounts(hook);
    return { frames: frames!, octets: octets! };
  }
}

class HoleData extends DataHalf {
  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const { packets } = this.node;
    const { words } = packets;
    let octets = 0;
    for (let i = 0; i < count; i++) octets += words[handles[i]! + PKT_LENGTH]!;
    hook.counts[OCTETS] = hook.counts[OCTETS]! + octets;
    hook.counts[FRAMES] = hook.counts[FRAMES]! + count;
    packets.releaseMany(handles, count);
  }
}

export const hole: NodeType = {
  name: 'hole',
  cookie: 915433206,
  messages: [
    ...statsCommands({
      cmds: [1, 2, 3],
      args: string,
      reply: stats,
      stats: (hole: HoleControl, said, clear) => hole.stats(said, clear),
    }),
  ],
  control: HoleControl,
  data: HoleData,
  hookCounters: ['octets', 'frames'],
};
