// ng_pipe(4): a link that is slow, long or bad: bandwidth, delay, bit errors, packets that come twice, and queues that are limited, each way
// of its own. Downstream is from `upper` to `lower`. In `setcfg` 0 leaves a value as it is, and all bits set (−1) means 0. Where the node
// ends, its neighbours are joined.
import { NetgraphError } from '../graph/error.ts';
import type { Hook } from '../graph/node.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { int64, struct, uint32, uint64, type ValueOf } from '../message/form.ts';
import { DataHalf } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone, joinNeighbours } from './lib/alone.ts';
import { answer, Asks, isQuestion } from './lib/ask.ts';
import { LINK_IS_DOWN, LINK_IS_UP, tellPeer } from './lib/flow.ts';
import { onlyHooks } from './lib/hook-of.ts';
import { Lane, LANE_COUNTERS, type LaneConfig, type LaneRun, type LinkConfig } from './lib/pipe-lane.ts';
import { statsCommands } from './lib/stats-commands.ts';

const hookStat = struct({
  FwdOctets: uint64,
  FwdFrames: uint64,
  queueDropOctets: uint64,
  queueDropFrames: uint64,
  delayDropOctets: uint64,
  delayDropFrames: uint64,
});
const stats = struct({ downstream: hookStat, upstream: hookStat });
const hookRun = struct({
  queues: uint32,
  queuedOctets: uint32,
  queuedFrames: uint32,
  delayedOctets: uint32,
  delayedFrames: uint32,
});
const run = struct({ downstream: hookRun, upstream: hookRun });
const hookCfg = struct({
  bandwidth: int64,
  BER: int64,
  queuelen: uint32,
  delaylen: uint32,
  duplicate: uint32,
  fifo: uint32,
  drr: uint32,
  wfq: uint32,
  droptail: uint32,
  drophead: uint32,
});
const cfg = struct({
  bandwidth: int64,
  delay: int64,
  header_offset: uint32,
  overhead: uint32,
  downstream: hookCfg,
  upstream: hookCfg,
});

type HookStat = ValueOf<typeof hookStat>;
type HookCfg = ValueOf<typeof hookCfg>;
type Cfg = ValueOf<typeof cfg>;
type Run = { readonly downstream: LaneRun; readonly upstream: LaneRun };

interface Config {
  readonly link: LinkConfig;
  readonly downstream: LaneConfig;
  readonly upstream: LaneConfig;
}

const ALL_ONES = 0xffff_ffff;
/** Bits a second of a link at most: an exabit. */
const FASTEST = 1e18;
const QUANTUM = 2048;
const LEAST_QUANTUM = 32;
const LANE: LaneConfig = {
  bandwidth: 0,
  ber: 0,
  queuelen: 50,
  delaylen: 0,
  duplicate: 0,
  discipline: 'fifo',
  quantum: QUANTUM,
  drophead: false,
};

/** A value that is set: as it was, none, or this. */
function chosen(name: string, given: number, before: number, most: number): number {
  if (given === 0) return before;
  if (given === -1 || given === ALL_ONES) return 0;
  if (given < 0 || given > most) throw new NetgraphError('EINVAL', `${name}=${given}: 1 to ${most}, or -1 for none`);
  return given;
}

class PipeControl extends ControlHalf {
  #config: Config = { link: { delay: 0, headerOffset: 0, overhead: 0 }, downstream: LANE, upstream: LANE };
  readonly #asks: Asks<'run', Run> = new Asks(this.node);

  override newHook(hook: Hook): void {
    onlyHooks(hook, ['upper', 'lower']);
  }

  override disconnected(): void {
    endsAlone(this.node);
  }

  override shutdown(): void {
    this.#asks.end(`node ${this.node.address} has ended`);
    joinNeighbours(this.node, 'upper', 'lower');
  }

  override config(): Config {
    return this.#config;
  }

  override workerBegun(worker: number): void {
    this.#asks.again(worker);
  }

  override told(_worker: number, value: unknown): void {
    this.#asks.told(value);
  }

  override save(): () => void {
    const config = this.#config;
    return () => void (this.#config = config);
  }

  run(): Promise<Run> {
    return this.#asks.ask('run');
  }

  set(wanted: Cfg): void {
    const { link } = this.#config;
    const bandwidth = chosen('bandwidth', wanted.bandwidth, 0, FASTEST);
    // A link of another speed is another link, which frames packets in its own way unless told.
    const framing = wanted.bandwidth === 0 ? link.overhead : framingOf(bandwidth);
    const next: LinkConfig = {
      delay: chosen('delay', wanted.delay, link.delay, 10_000_000),
      headerOffset: chosen('header_offset', wanted.header_offset, link.headerOffset, 63),
      overhead: chosen('overhead', wanted.overhead, framing, 255),
    };
    const lane = (way: 'downstream' | 'upstream'): LaneConfig => {
      const before = this.#config[way];
      // Said of both, and then of each.
      const both = wanted.bandwidth === 0 ? before : { ...before, bandwidth };
      return laneOf(way, wanted[way], both);
    };
    const wasDown = this.#isDown;
    this.#config = { link: next, downstream: lane('downstream'), upstream: lane('upstream') };
    this.node.reconfigure();
    this.#tellIfDown(wasDown);
  }

  get(): Cfg {
    const { link, downstream, upstream } = this.#config;
    // What is the same both ways is said once.
    const same = downstream.bandwidth === upstream.bandwidth;
    return {
      bandwidth: same ? downstream.bandwidth : 0,
      delay: link.delay,
      header_offset: link.headerOffset,
      overhead: link.overhead,
      downstream: { ...cfgOf(downstream), bandwidth: same ? 0 : downstream.bandwidth },
      upstream: { ...cfgOf(upstream), bandwidth: same ? 0 : upstream.bandwidth },
    };
  }

  /** Every bit is wrong, one way at least. */
  get #isDown(): boolean {
    return this.#config.downstream.ber === 1 || this.#config.upstream.ber === 1;
  }

  #tellIfDown(wasDown: boolean): void {
    if (this.#isDown === wasDown) return;
    for (const hook of this.node.hooks.values()) tellPeer(hook, wasDown ? LINK_IS_UP : LINK_IS_DOWN);
  }

  stats(clear: boolean): ValueOf<typeof stats> {
    const counts = this.node.counts();
    const of = (way: string): HookStat =>
      Object.fromEntries(LANE_COUNTERS.map(name => [name, counts[`${way}.${name}`]!])) as HookStat;
    if (clear) this.node.graph.clearCounts(this.node);
    return { downstream: of('downstream'), upstream: of('upstream') };
  }
}

/** Bytes that a link of this speed puts around a packet, as ng_pipe takes it to be: Ethernet's preamble, check and gap, or HDLC's. */
function framingOf(bandwidth: number): number {
  if (bandwidth === 0) return 0;
  return bandwidth >= 10_000_000 ? 24 : 10;
}

function laneOf(way: string, wanted: HookCfg, before: LaneConfig): LaneConfig {
  const { fifo, drr, wfq, droptail, drophead } = wanted;
  if ([fifo, drr, wfq].filter(Boolean).length > 1) {
    throw new NetgraphError('EINVAL', `${way}: one of fifo, drr and wfq, not several`);
  }
  if (droptail !== 0 && drophead !== 0) throw new NetgraphError('EINVAL', `${way}: droptail or drophead, not both`);
  // A queue of none would let nothing through: then it is as long as at first.
  const queuelen = chosen(`${way}.queuelen`, wanted.queuelen, before.queuelen, 1_000_000);
  return {
    bandwidth: chosen(`${way}.bandwidth`, wanted.bandwidth, before.bandwidth, FASTEST),
    ber: chosen(`${way}.BER`, wanted.BER, before.ber, 1e15),
    queuelen: queuelen === 0 ? LANE.queuelen : queuelen,
    delaylen: chosen(`${way}.delaylen`, wanted.delaylen, before.delaylen, 1_000_000),
    duplicate: chosen(`${way}.duplicate`, wanted.duplicate, before.duplicate, 50),
    // Without a bandwidth nothing waits for its turn.
    discipline:
      fifo !== 0 || wanted.bandwidth === -1 ? 'fifo' : drr !== 0 ? 'drr' : wfq !== 0 ? 'wfq' : before.discipline,
    // A mere 1 says that, and no quantum.
    quantum: drr === 0 ? before.quantum : drr >= LEAST_QUANTUM ? drr : QUANTUM,
    drophead: drophead !== 0 || (droptail === 0 && before.drophead),
  };
}

function cfgOf(lane: LaneConfig): HookCfg {
  return {
    bandwidth: lane.bandwidth,
    BER: lane.ber,
    queuelen: lane.queuelen,
    delaylen: lane.delaylen,
    duplicate: lane.duplicate,
    fifo: lane.discipline === 'fifo' ? 1 : 0,
    drr: lane.discipline === 'drr' ? lane.quantum : 0,
    wfq: lane.discipline === 'wfq' ? 1 : 0,
    droptail: lane.drophead ? 0 : 1,
    drophead: lane.drophead ? 1 : 0,
  };
}

class PipeData extends DataHalf<Config> {
  readonly #down: Lane;
  readonly #up: Lane;
  #upper: DataHook | undefined;
  #lower: DataHook | undefined;

  constructor(node: DataHalf['node']) {
    super(node);
    const link = { delay: 0, headerOffset: 0, overhead: 0 };
    this.#down = new Lane(node, 0, LANE, link, Math.random);
    this.#up = new Lane(node, LANE_COUNTERS.length, LANE, link, Math.random);
  }

  override configure({ link, downstream, upstream }: Config): void {
    this.#down.configure(downstream, link);
    this.#up.configure(upstream, link);
    this.#serve(this.node.now());
  }

  override hookAdded(): void {
    this.#find();
  }

  /** What came in by the hook goes with it. */
  override hookRemoved(hook: DataHook): void {
    if (hook.name === 'upper') this.#down.clear();
    else this.#up.clear();
    this.#find();
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const now = this.node.now();
    const lane = hook === this.#upper ? this.#down : this.#up;
    const out = hook === this.#upper ? this.#lower : this.#upper;
    if (lane.straight) {
      lane.pass(handles, count, out);
      return;
    }
    for (let i = 0; i < count; i++) {
      lane.receive(handles[i]!, now);
      lane.serve(out, now);
    }
    this.#serve(now);
  }

  override timer(now: number): void {
    this.#serve(now);
  }

  override heard(value: unknown): boolean {
    if (!isQuestion<'run'>(value)) return true;
    return answer(this.node, value, { downstream: this.#down.run, upstream: this.#up.run } satisfies Run);
  }

  override close(): void {
    this.#down.clear();
    this.#up.clear();
  }

  #serve(now: number): void {
    this.due = Math.min(this.#down.serve(this.#lower, now), this.#up.serve(this.#upper, now));
  }

  #find(): void {
    this.#upper = this.node.hook('upper');
    this.#lower = this.node.hook('lower');
  }
}

export const pipe: NodeType = {
  name: 'pipe',
  cookie: 200708191,
  messages: [
    ...statsCommands({ cmds: [1, 2, 3], reply: stats, stats: (pipe: PipeControl, _args, clear) => pipe.stats(clear) }),
    command({ name: 'getrun', cmd: 4, reply: run, handle: (pipe: PipeControl) => pipe.run() }),
    command({ name: 'getcfg', cmd: 5, reply: cfg, handle: (pipe: PipeControl) => pipe.get() }),
    command({ name: 'setcfg', cmd: 6, args: cfg, handle: (pipe: PipeControl, args) => pipe.set(args) }),
  ],
  control: PipeControl,
  data: PipeData,
  runsIn: 'one',
  counters: ['downstream', 'upstream'].flatMap(way => LANE_COUNTERS.map(name => `${way}.${name}`)),
};
