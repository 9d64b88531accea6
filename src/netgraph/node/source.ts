// ng_source(4): keeps what comes in by `input`, and when it is told to start sends copies of it out of `output`, round and round, so many
// in all, as fast as it can or by a rate. Counters and the time can be written into each.
//
//    input ─▶ [ p0 p1 p2 … ] ─▶ a copy of the next, with up to 4 counters and the time written into it ─▶ output
//
// FreeBSD's node fills the queue of the interface behind `output`, as far as that has room. Ours asks no interface: without a rate
// it sends a vector a round, and so much at once as there are packets for; `setiface` only says whether there is such an interface. As
// on FreeBSD an ether behind `output` leaves the source addresses alone from then on.
import { interfaceIndex } from '../../sys/index.ts';
import { NetgraphError } from '../graph/error.ts';
import { tell } from '../graph/messages.ts';
import type { Hook } from '../graph/node.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { hint16, hint8, int32, int64, string, struct, uint32, uint64, uint8, type ValueOf } from '../message/form.ts';
import { endsAlone } from './lib/alone.ts';
import { Asks, sayTo } from './lib/ask.ts';
import { onlyHooks } from './lib/hook-of.ts';
import { asking, inside } from './lib/namespace.ts';
import { type Counter, type Said, SourceData, type SourceState, type Stamp } from './lib/source-data.ts';
import { statsCommands } from './lib/stats-commands.ts';

// FreeBSD's struct timeval on amd64.
const timeval = struct({ tv_sec: int64, tv_usec: int64 });
/** struct ng_source_stats */
const stats = struct({
  outOctets: uint64,
  outFrames: uint64,
  queueOctets: uint32,
  queueFrames: uint32,
  maxPps: uint32,
  startTime: timeval,
  endTime: timeval,
  elapsedTime: timeval,
  lastTime: timeval,
});

/** struct ng_source_embed_info */
const stampForm = struct({ offset: hint16, flags: hint8 });
/** struct ng_source_embed_cnt_info */
const counterForm = struct({
  offset: hint16,
  flags: hint8,
  width: uint8,
  next_val: uint32,
  min_val: uint32,
  max_val: uint32,
  increment: int32,
  index: uint8,
});

const COUNTERS = 4;
const NO_COUNTER: Counter = {
  offset: 0,
  flags: 0,
  width: 0,
  next_val: 0,
  min_val: 0,
  max_val: 0,
  increment: 0,
  index: 0,
};

class SourceControl extends ControlHalf {
  readonly #asks: Asks<'state', SourceState> = new Asks(this.node);
  #pps = 0;
  stamp: Stamp = { offset: 0, flags: 0 };
  /** Each with a number that is another whenever it was set: the data half counts on where it is the same. */
  #counters: { readonly set: number; readonly counter: Counter }[] = Array.from({ length: COUNTERS }, (_, index) => ({
    set: 0,
    counter: { ...NO_COUNTER, index },
  }));
  #sets = 0;
  #runs = 0;
  /** The run that has not ended yet; 0: none. */
  #run = 0;

  override newHook(hook: Hook): void {
    onlyHooks(hook, ['input', 'output']);
  }

  override connected({ name, peer }: Hook): void {
    const { graph } = this.node;
    if (name === 'output' && peer!.node.type.name === 'ether') tell(graph, this.node, 'output', 'setautosrc', 0);
  }

  override disconnected({ name }: Hook): void {
    if (name === 'output') this.node.graph.shutdown(this.node);
    else endsAlone(this.node);
  }

  override shutdown(): void {
    this.#asks.end(`node ${this.node.address} has ended`);
  }

  override config(): unknown {
    return { pps: this.#pps, stamp: this.stamp, counters: [...this.#counters] };
  }

  override workerBegun(worker: number): void {
    this.#asks.again(worker);
  }

  override told(_worker: number, value: unknown): void {
    if (!this.#asks.told(value) && (value as { ended: number }).ended === this.#run) this.#run = 0;
  }

  override workerGone(worker: number): void {
    // What it was sending died with it.
    if (worker === this.node.worker) this.#run = 0;
  }

  override save(): () => void {
    const [pps, stamp, counters] = [this.#pps, this.stamp, [...this.#counters]];
    return () => void ([this.#pps, this.stamp, this.#counters] = [pps, stamp, counters]);
  }

  start(packets: number): void {
    if (!this.node.hooks.has('output')) {
      throw new NetgraphError('ENOTCONN', `node ${this.node.address} has no hook 'output'`);
    }
    if (this.#run !== 0) throw new NetgraphError('EBUSY', `node ${this.node.address} is sending`);
    sayTo(this.node, { start: packets, run: ++this.#runs } satisfies Said);
    this.#run = this.#runs;
  }

  stop(): void {
    sayTo(this.node, 'stop' satisfies Said);
    this.#run = 0;
  }

  clearData(): void {
    sayTo(this.node, 'clrdata' satisfies Said);
  }

  checkInterface(ifname: string): void {
    inside(this.node.graph.plane.namespace, () => asking(() => interfaceIndex(ifname)));
  }

  setPps(pps: number): void {
    this.#pps = pps;
    this.node.reconfigure();
  }

  setStamp(stamp: Stamp): void {
    this.stamp = stamp;
    this.node.reconfigure();
  }

  setCounter(counter: Counter): void {
    const { index, width, min_val, max_val } = counter;
    checkIndex(index);
    if (![1, 2, 4].includes(width)) throw new NetgraphError('EINVAL', `width=${width}: a counter has 1, 2 or 4 bytes`);
    if (min_val > max_val) throw new NetgraphError('EINVAL', `min_val=${min_val} is more than max_val=${max_val}`);
    this.#counters[index] = { set: ++this.#sets, counter };
    this.node.reconfigure();
  }

  async counter(index: number): Promise<Counter> {
    checkIndex(index);
    const { next } = await this.#asks.ask('state');
    return { ...this.#counters[index]!.counter, next_val: next[index]! };
  }

  async stats(clear: boolean): Promise<ValueOf<typeof stats>> {
    const state = await this.#asks.ask('state');
    const { outOctets, outFrames } = this.node.counts();
    if (clear) {
      this.node.graph.clearCounts(this.node);
      sayTo(this.node, 'clrstats' satisfies Said);
    }
    const { start, end, last } = state;
    return {
      outOctets: outOctets!,
      outFrames: outFrames!,
      queueOctets: state.octets,
      queueFrames: state.frames,
      maxPps: this.#pps,
      startTime: timevalOf(start),
      endTime: timevalOf(end),
      elapsedTime: timevalOf(start === 0 ? 0 : (end === 0 ? state.now : end) - start),
      lastTime: timevalOf(last),
    };
  }
}

function checkIndex(index: number): void {
  if (index >= COUNTERS) throw new NetgraphError('EINVAL', `index ${index}: counters are 0 to ${COUNTERS - 1}`);
}

function timevalOf(ms: number): { tv_sec: number; tv_usec: number } {
  const us = Math.round(ms * 1000);
  return { tv_sec: Math.floor(us / 1e6), tv_usec: us % 1e6 };
}

export const source: NodeType = {
  name: 'source',
  cookie: 1110646684,
  messages: [
    ...statsCommands({
      cmds: [1, 2, 3],
      reply: stats,
      stats: (source: SourceControl, _args, clear) => source.stats(clear),
    }),
    command({
      name: 'start',
      cmd: 4,
      args: uint64,
      handle: (source: SourceControl, packets) => source.start(packets),
    }),
    command({ name: 'stop', cmd: 5, handle: (source: SourceControl) => source.stop() }),
    command({ name: 'clrdata', cmd: 6, handle: (source: SourceControl) => source.clearData() }),
    command({
      name: 'setiface',
      cmd: 7,
      args: string,
      handle: (source: SourceControl, name) => source.checkInterface(name),
    }),
    command({ name: 'setpps', cmd: 8, args: uint32, handle: (source: SourceControl, pps) => source.setPps(pps) }),
    command({
      name: 'settimestamp',
      cmd: 9,
      args: stampForm,
      handle: (source: SourceControl, stamp) => source.setStamp(stamp),
    }),
    command({
      name: 'gettimestamp',
      cmd: 10,
      reply: stampForm,
      handle: (source: SourceControl) => source.stamp,
    }),
    command({
      name: 'setcounter',
      cmd: 11,
      args: counterForm,
      handle: (source: SourceControl, counter) => source.setCounter(counter),
    }),
    command({
      name: 'getcounter',
      cmd: 12,
      args: uint8,
      reply: counterForm,
      handle: (source: SourceControl, index) => source.counter(index),
    }),
  ],
  control: SourceControl,
  data: SourceData,
  runsIn: 'one',
  counters: ['outOctets', 'outFrames'],
};
