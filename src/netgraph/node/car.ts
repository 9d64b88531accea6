// ng_car(4): limits the rate of what goes each way, by token buckets (lib/meter.ts): a packet is green, yellow or red, and each colour is
// forwarded, marked and forwarded, or dropped. In SHAPE mode packets that are too early wait, up to 99 of them. Downstream is from `upper` to `lower`.
import { NetgraphError } from '../graph/error.ts';
import type { Hook } from '../graph/node.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { Meter, METER_SHAPE, METER_SINGLE_RATE, SHAPE_QUEUE, GREEN, RED, YELLOW } from '../lib/meter.ts';
import { struct, uint64, uint8, type ValueOf } from '../message/form.ts';
import { PKT_COLOUR_SHIFT, PKT_FLAGS, PKT_LENGTH } from '../packet/packets.ts';
import { type DataContext, DataHalf, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone, joinNeighbours } from './lib/alone.ts';
import { onlyHooks } from './lib/hook-of.ts';
import { statsCommands } from './lib/stats-commands.ts';

const FORWARD = 1;
const DROP_ACTION = 2;
/** Forward, and tell the next car what colour it has here. */
const MARK = 3;
/** opt: a packet that was marked before can not get a better colour. SHAPE has nothing to do with it. */
const COLOUR_AWARE = 1;
/** opt: rates and bursts are in packets. */
const COUNT_PACKETS = 2;
/** What a packet counts as then. */
const PACKET_BYTES = 128;

const hookConf = struct({
  cbs: uint64,
  ebs: uint64,
  cir: uint64,
  pir: uint64,
  greenAction: uint8,
  yellowAction: uint8,
  redAction: uint8,
  mode: uint8,
  opt: uint8,
});
const hookStats = struct({
  passed: uint64,
  dropped: uint64,
  green: uint64,
  yellow: uint64,
  red: uint64,
  errors: uint64,
});
const conf = struct({ upstream: hookConf, downstream: hookConf });
const stats = struct({ upstream: hookStats, downstream: hookStats });

type HookConf = ValueOf<typeof hookConf>;
type HookStats = ValueOf<typeof hookStats>;
type Conf = ValueOf<typeof conf>;

const STATS = ['passed', 'dropped', 'green', 'yellow', 'red', 'errors'] as const;
const [PASSED, DROPPED, COLOURS] = [0, 1, 2];

const DEFAULT: HookConf = {
  cbs: 8192,
  ebs: 8192,
  cir: 10_240,
  pir: 0,
  greenAction: FORWARD,
  yellowAction: FORWARD,
  redAction: DROP_ACTION,
  mode: METER_SINGLE_RATE,
  opt: 0,
};

function meterOf({ cbs, ebs, cir, pir, mode, opt }: HookConf, now: number): Meter {
  const bytes = (opt & COUNT_PACKETS) !== 0 ? PACKET_BYTES : 1;
  const bits = bytes === 1 ? 1 : 8 * bytes;
  return new Meter({ mode, cir: cir * bits, pir: pir * bits, cbs: cbs * bytes, ebs: ebs * bytes }, now);
}

class CarControl extends ControlHalf {
  #conf: Conf = { upstream: DEFAULT, downstream: DEFAULT };

  override newHook(hook: Hook): void {
    onlyHooks(hook, ['upper', 'lower']);
  }

  override disconnected(): void {
    endsAlone(this.node);
  }

  override shutdown(): void {
    joinNeighbours(this.node, 'upper', 'lower');
  }

  override config(): Conf {
    return this.#conf;
  }

  override save(): () => void {
    const conf = this.#conf;
    return () => void (this.#conf = conf);
  }

  /** A direction of which nothing is said stays as it is. */
  set(wanted: Conf): void {
    const next = { ...this.#conf };
    for (const way of ['upstream', 'downstream'] as const) {
      if (Object.values(wanted[way]).every(value => value === 0)) continue;
      next[way] = checked(way, wanted[way]);
    }
    this.#conf = next;
    this.node.reconfigure();
  }

  stats(clear: boolean): ValueOf<typeof stats> {
    const counts = this.node.counts();
    const of = (way: string): HookStats =>
      Object.fromEntries(STATS.map(name => [name, counts[`${way}.${name}`]!])) as HookStats;
    if (clear) this.node.graph.clearCounts(this.node);
    return { upstream: of('upstream'), downstream: of('downstream') };
  }
}

function checked(way: string, wanted: HookConf): HookConf {
  for (const action of ['greenAction', 'yellowAction', 'redAction'] as const) {
    if (wanted[action] >= FORWARD && wanted[action] <= MARK) continue;
    throw new NetgraphError('EINVAL', `${way}: ${action}=${wanted[action]} is none of 1 (forward), 2 (drop), 3 (mark)`);
  }
  if ((wanted.opt & ~(COLOUR_AWARE | COUNT_PACKETS)) !== 0) {
    throw new NetgraphError('EINVAL', `${way}: opt=${wanted.opt}: 1 (colour aware) and 2 (count packets) are known`);
  }
  try {
    meterOf(wanted, 0);
  } catch (error) {
    throw new NetgraphError('EINVAL', `${way}: ${(error as Error).message}`);
  }
  return wanted;
}

/** What a car before has marked the packet as; green where none has. */
function colourOf(flags: number): number {
  const mark = (flags >> PKT_COLOUR_SHIFT) & 3;
  return mark === 0 ? GREEN : mark - 1;
}

function marked(flags: number, colour: number): number {
  return (flags & ~(3 << PKT_COLOUR_SHIFT)) | ((colour + 1) << PKT_COLOUR_SHIFT);
}

/** One way. */
class Lane {
  meter: Meter;
  #conf: HookConf;
  /** Where its counters begin. */
  readonly #first: number;
  readonly #node: DataContext;
  // Those that wait, a ring.
  readonly #queue: Int32Array = new Int32Array(128);
  #head = 0;
  #waiting = 0;

  constructor(node: DataContext, first: number, conf: HookConf) {
    this.#node = node;
    this.#first = first;
    this.#conf = conf;
    this.meter = meterOf(conf, node.now());
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** What waits goes on waiting, for the new rate. */
  configure(conf: HookConf, out: DataHook | undefined): void {
    if (JSON.stringify(conf) === JSON.stringify(this.#conf)) return;
    this.#conf = conf;
    this.meter = meterOf(conf, this.#node.now());
    if (conf.mode !== METER_SHAPE) while (this.#waiting > 0) this.#forward(this.#take(), out);
    else if (this.#waiting > 0) this.meter.sent(this.#length(this.#queue[this.#head]!));
  }

  receive(handles: Int32Array, count: number, out: DataHook | undefined, now: number): void {
    const { counts } = this.#node;
    const { words } = this.#node.packets;
    const shape = this.#conf.mode === METER_SHAPE;
    const aware = (this.#conf.opt & COLOUR_AWARE) !== 0;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const length = this.#length(handle);
      const colour = shape
        ? this.meter.shape(length, this.#waiting, now)
        : this.meter.meter(length, now, aware ? colourOf(words[handle + PKT_FLAGS]!) : GREEN);
      const counter = this.#first + COLOURS! + colour;
      counts[counter] = counts[counter]! + 1;
      if (shape && colour === YELLOW) {
        this.#queue[(this.#head + this.#waiting++) & 127] = handle;
        continue;
      }
      const action =
        colour === GREEN
          ? this.#conf.greenAction
          : colour === RED
            ? shape
              ? DROP_ACTION
              : this.#conf.redAction
            : this.#conf.yellowAction;
      if (action === MARK) words[handle + PKT_FLAGS] = marked(words[handle + PKT_FLAGS]!, colour);
      if (action !== DROP_ACTION) this.#forward(handle, out);
      else {
        counts[this.#first + DROPPED!] = counts[this.#first + DROPPED!]! + 1;
        this.#node.drop(handle, DROP.rate);
      }
    }
  }

  /** Sends what may go; when the next may, in the clock's milliseconds. */
  serve(out: DataHook | undefined, now: number): number {
    while (this.#waiting > 0) {
      const wait = this.meter.readyInMs(now);
      if (wait > 1e-6) return now + wait;
      this.#forward(this.#take(), out);
      if (this.#waiting > 0) this.meter.sent(this.#length(this.#queue[this.#head]!));
    }
    return Number.POSITIVE_INFINITY;
  }

  close(): void {
    while (this.#waiting > 0) this.#node.drop(this.#take(), DROP.removed);
  }

  #take(): number {
    const handle = this.#queue[this.#head]!;
    this.#head = (this.#head + 1) & 127;
    this.#waiting--;
    return handle;
  }

  #forward(handle: number, out: DataHook | undefined): void {
    const { counts } = this.#node;
    if (!out) {
      counts[this.#first + STATS.length - 1] = counts[this.#first + STATS.length - 1]! + 1;
      this.#node.drop(handle, DROP.notConnected);
      return;
    }
    counts[this.#first + PASSED!] = counts[this.#first + PASSED!]! + 1;
    out.send(handle);
  }

  #length(handle: number): number {
    return (this.#conf.opt & COUNT_PACKETS) !== 0 ? PACKET_BYTES : this.#node.packets.words[handle + PKT_LENGTH]!;
  }
}

class CarData extends DataHalf<Conf> {
  readonly #up: Lane = new Lane(this.node, 0, DEFAULT);
  readonly #down: Lane = new Lane(this.node, STATS.length, DEFAULT);
  #upper: DataHook | undefined;
  #lower: DataHook | undefined;

  override configure({ upstream, downstream }: Conf): void {
    this.#up.configure(upstream, this.#upper);
    this.#down.configure(downstream, this.#lower);
    this.#serve(this.node.now());
  }

  override hookAdded(): void {
    this.#find();
  }

  /** What came in by the hook and waits goes with it. */
  override hookRemoved(hook: DataHook): void {
    if (hook.name === 'upper') this.#down.close();
    else this.#up.close();
    this.#find();
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const now = this.node.now();
    if (hook === this.#lower) this.#up.receive(handles, count, this.#upper, now);
    else this.#down.receive(handles, count, this.#lower, now);
    if (this.#up.waiting + this.#down.waiting > 0) this.#serve(now);
  }

  override timer(now: number): void {
    this.#serve(now);
  }

  override close(): void {
    this.#up.close();
    this.#down.close();
  }

  #serve(now: number): void {
    this.due = Math.min(this.#up.serve(this.#upper, now), this.#down.serve(this.#lower, now));
  }

  #find(): void {
    this.#upper = this.node.hook('upper');
    this.#lower = this.node.hook('lower');
  }
}

if (SHAPE_QUEUE >= 128) throw new Error('the ring of a car holds 127 packets');

export const car: NodeType = {
  name: 'car',
  cookie: 1173648034,
  messages: [
    ...statsCommands({ cmds: [1, 2, 3], reply: stats, stats: (car: CarControl, _args, clear) => car.stats(clear) }),
    command({ name: 'getconf', cmd: 4, reply: conf, handle: (car: CarControl) => car.config() }),
    command({ name: 'setconf', cmd: 5, args: conf, handle: (car: CarControl, args) => car.set(args) }),
  ],
  control: CarControl,
  data: CarData,
  runsIn: 'one',
  counters: ['upstream', 'downstream'].flatMap(way => STATS.map(name => `${way}.${name}`)),
};
