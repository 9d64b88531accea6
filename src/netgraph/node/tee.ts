// ng_tee(4): a wire with two taps. What goes right to left is copied out of right2left, what goes left to right out of left2right; what comes
// in by right2left goes out of right, by left2right out of left, and is not copied. Where the node ends, the wire is mended: left's and right's peers are joined.
import { struct, uint64 } from '../message/form.ts';
import { NetgraphError } from '../graph/error.ts';
import type { Hook } from '../graph/node.ts';
import { ControlHalf, type NodeType } from '../graph/type.ts';
import { PKT_LENGTH } from '../packet/packets.ts';
import { type DataContext, DataHalf, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone, joinNeighbours } from './lib/alone.ts';
import { statsCommands } from './lib/stats-commands.ts';

const HOOKS = ['right', 'left', 'right2left', 'left2right'] as const;
type HookName = (typeof HOOKS)[number];
const COUNTERS = ['inOctets', 'inFrames', 'outOctets', 'outFrames'] as const;
const [IN_OCTETS, IN_FRAMES, OUT_OCTETS, OUT_FRAMES] = [0, 1, 2, 3];

const hookStats = struct({ inOctets: uint64, inFrames: uint64, outOctets: uint64, outFrames: uint64 });
const stats = struct({ right: hookStats, left: hookStats, right2left: hookStats, left2right: hookStats });

type HookStats = Record<(typeof COUNTERS)[number], number>;
const NOTHING: HookStats = { inOctets: 0, inFrames: 0, outOctets: 0, outFrames: 0 };

class TeeControl extends ControlHalf {
  override newHook({ name }: Hook): void {
    if (!(HOOKS as readonly string[]).includes(name)) {
      throw new NetgraphError('EINVAL', `a tee has hooks ${HOOKS.join(', ')}, not '${name}'`);
    }
  }

  override disconnected(): void {
    endsAlone(this.node);
  }

  override shutdown(): void {
    joinNeighbours(this.node, 'left', 'right');
  }

  stats(clear: boolean): Record<HookName, HookStats> {
    const all = Object.fromEntries(
      HOOKS.map(name => [name, (this.node.hooks.get(name)?.counts() as HookStats | undefined) ?? NOTHING]),
    ) as Record<HookName, HookStats>;
    if (clear) for (const hook of this.node.hooks.values()) this.node.graph.clearCounts(hook);
    return all;
  }
}

class TeeData extends DataHalf {
  #left: DataHook | undefined;
  #right: DataHook | undefined;
  #right2left: DataHook | undefined;
  #left2right: DataHook | undefined;

  constructor(node: DataContext) {
    super(node);
    this.#find();
  }

  override hookAdded(): void {
    this.#find();
  }

  override hookRemoved(): void {
    this.#find();
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const { words } = this.node.packets;
    let octets = 0;
    for (let i = 0; i < count; i++) octets += words[handles[i]! + PKT_LENGTH]!;
    hook.counts[IN_OCTETS] = hook.counts[IN_OCTETS]! + octets;
    hook.counts[IN_FRAMES] = hook.counts[IN_FRAMES]! + count;
    let onward: DataHook | undefined;
    let tap: DataHook | undefined;
    if (hook === this.#right) [onward, tap] = [this.#left, this.#right2left];
    else if (hook === this.#left) [onward, tap] = [this.#right, this.#left2right];
    else onward = hook === this.#right2left ? this.#right : this.#left;
    // Without an onward hook the tap has the packet itself.
    if (!onward) [onward, tap] = [tap, undefined];
    if (!onward) {
      this.node.dropMany(handles, count, DROP.notConnected);
      return;
    }
    if (tap) this.#copy(tap, handles, count);
    onward.counts[OUT_OCTETS] = onward.counts[OUT_OCTETS]! + octets;
    onward.counts[OUT_FRAMES] = onward.counts[OUT_FRAMES]! + count;
    onward.pass(count);
  }

  #copy(tap: DataHook, handles: Int32Array, count: number): void {
    const { packets } = this.node;
    const { words } = packets;
    let octets = 0;
    let frames = 0;
    for (let i = 0; i < count; i++) {
      const copy = packets.copy(handles[i]!);
      // The original goes on all the same.
      if (copy === 0) {
        this.node.miss(DROP.noPacket);
        continue;
      }
      octets += words[copy + PKT_LENGTH]!;
      frames++;
      tap.send(copy);
    }
    tap.counts[OUT_OCTETS] = tap.counts[OUT_OCTETS]! + octets;
    tap.counts[OUT_FRAMES] = tap.counts[OUT_FRAMES]! + frames;
  }

  #find(): void {
    this.#left = this.node.hook('left');
    this.#right = this.node.hook('right');
    this.#right2left = this.node.hook('right2left');
    this.#left2right = this.node.hook('left2right');
  }
}

export const tee: NodeType = {
  name: 'tee',
  cookie: 916107047,
  messages: [
    ...statsCommands({ cmds: [1, 2, 3], reply: stats, stats: (tee: TeeControl, _args, clear) => tee.stats(clear) }),
  ],
  control: TeeControl,
  data: TeeData,
  hookCounters: COUNTERS,
};
