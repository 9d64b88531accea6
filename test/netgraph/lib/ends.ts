// A node that sends frames from every worker by its hook `way`, and counts what comes back to each: both ends of a way through what is tested.
import { ControlHalf, type DataContext, DataHalf, type DataHook, type NodeType } from '../../../src/netgraph/index.ts';

/** Frames that each worker sends, a few of each every few milliseconds. */
export type EndsConfig = readonly Uint8Array[];

const EVERY_MS = 2;
const BURST = 4;

export class EndsControl extends ControlHalf {
  #frames: EndsConfig = [];

  override config(): EndsConfig {
    return this.#frames;
  }

  send(frames: EndsConfig): void {
    this.#frames = frames;
    this.node.reconfigure();
  }
}

class EndsData extends DataHalf<EndsConfig> {
  #frames: EndsConfig = [];

  constructor(node: DataContext) {
    super(node);
    this.due = node.now() + EVERY_MS;
  }

  override configure(frames: EndsConfig): void {
    this.#frames = frames;
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    hook.counts[0] = hook.counts[0]! + count;
    this.node.packets.releaseMany(handles, count);
  }

  override timer(now: number): void {
    const { packets, counts, worker } = this.node;
    const way = this.node.hook('way');
    for (let i = 0; way && i < BURST; i++) {
      for (const frame of this.#frames) {
        const handle = packets.from(frame);
        if (handle === 0) continue;
        way.send(handle);
        counts[worker] = counts[worker]! + 1;
      }
    }
    this.due = now + EVERY_MS;
  }
}

export const ends: NodeType = {
  name: 'test-ends',
  cookie: 1,
  messages: [],
  control: EndsControl,
  data: EndsData as unknown as NonNullable<NodeType['data']>,
  counters: ['sent0', 'sent1'],
  hookCounters: ['came'],
  url: import.meta.url,
};
