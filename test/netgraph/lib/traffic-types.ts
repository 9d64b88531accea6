// Node types for traffic that proves itself: packets carry numbers and what they met on their way, and the end of the way checks both.
//
//    packet, words    0 number   1 worker that it came from   2 generation that the way's first node wrote, 3 the last   4 nodes in between
//                     5 how many there should have been, as the first node was told
//
//    test-traffic ─▶ test-parity ─▶ a ─▶ ... ─▶ test-check      even numbers, and odd ones by b
//    test-stamp   begins or ends a way      test-pass   is in between      test-memory   looks at shared memory for every vector
//    test-fault   throws, spins, or ends its worker      test-keep   keeps packets for a while, in one worker
import {
  command,
  ControlHalf,
  type DataContext,
  DataHalf,
  type DataHook,
  DROP,
  type Node,
  type NodeType,
  PKT_DATA,
  PKT_LENGTH,
} from '../../../src/netgraph/index.ts';
import { anything } from './anything.ts';

const BYTES = 24;

class Settable extends ControlHalf {
  settings: unknown = undefined;

  override config(): unknown {
    return this.settings;
  }
}

const set = command({
  name: 'set',
  cmd: 1,
  args: anything,
  handle(control: Settable, args) {
    control.settings = args;
    control.node.reconfigure();
  },
});

const data = (
  name: string,
  half: NonNullable<NodeType['data']>,
  more: Partial<NodeType> = {},
): NodeType & { url: string } => ({
  name,
  cookie: 1,
  messages: [set],
  control: Settable,
  data: half,
  ...more,
  url: import.meta.url,
});

/** A node that sends what comes in by one hook out of the other: `in` and `out`. */
abstract class Through extends DataHalf<never> {
  protected out: DataHook | undefined;

  override hookAdded(hook: DataHook): void {
    if (hook.name === 'out') this.out = hook;
  }

  override hookRemoved(hook: DataHook): void {
    if (hook === this.out) this.out = undefined;
  }

  override receive(_hook: DataHook, handles: Int32Array, count: number): void {
    const { words } = this.node.packets;
    for (let i = 0; i < count; i++) this.touch(words, words[handles[i]! + PKT_DATA]! >> 2);
    if (this.out) this.out.pass(count);
    else this.node.dropMany(handles, count, DROP.notConnected);
  }

  protected touch(_words: Int32Array, _at: number): void {}
}

export interface TrafficConfig {
  readonly running: boolean;
  /** Packets that each worker sends in all. */
  readonly limit: number;
}

class Traffic extends DataHalf<TrafficConfig | undefined> {
  override readonly source = true;
  #out: DataHook | undefined;
  #config: TrafficConfig = { running: false, limit: 0 };
  #next = 0;
  readonly #handles = new Int32Array(256);

  override configure(config: TrafficConfig | undefined): void {
    if (config) this.#config = config;
  }

  override hookAdded(hook: DataHook): void {
    this.#out = hook;
  }

  override hookRemoved(): void {
    this.#out = undefined;
  }

  override receive(_hook: DataHook, handles: Int32Array, count: number): void {
    this.node.dropMany(handles, count, DROP.filtered);
  }

  override poll(budget: number): number {
    const out = this.#out;
    const left = this.#config.limit - this.#next;
    if (!out || !this.#config.running || left <= 0) return 0;
    const { packets, worker } = this.node;
    const { words } = packets;
    const count = packets.allocateMany(this.#handles, Math.min(budget, left));
    for (let i = 0; i < count; i++) {
      const handle = this.#handles[i]!;
      const at = words[handle + PKT_DATA]! >> 2;
      words[handle + PKT_LENGTH] = BYTES;
      words[at] = this.#next++ | 0; // modulo 2^32
      words[at + 1] = worker;
      words[at + 2] = words[at + 3] = words[at + 5] = -1;
      words[at + 4] = 0;
    }
    out.sendMany(this.#handles, count);
    this.node.counts[0] = this.#next;
    return count;
  }
}

class Parity extends DataHalf {
  #even: DataHook | undefined;
  #odd: DataHook | undefined;

  override hookAdded(hook: DataHook): void {
    if (hook.name === 'a') this.#even = hook;
    if (hook.name === 'b') this.#odd = hook;
  }

  override hookRemoved(hook: DataHook): void {
    if (hook === this.#even) this.#even = undefined;
    if (hook === this.#odd) this.#odd = undefined;
  }

  override receive(_hook: DataHook, handles: Int32Array, count: number): void {
    const { words } = this.node.packets;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const out = words[words[handle + PKT_DATA]! >> 2]! & 1 ? this.#odd : this.#even;
      if (out) out.send(handle);
      else this.node.drop(handle, DROP.notConnected);
    }
  }
}

export interface StampConfig {
  readonly generation: number;
  readonly last: boolean;
  /** Nodes in between, as they are in this generation. */
  readonly between: number;
}

class Stamp extends Through {
  #config: StampConfig = { generation: -2, last: false, between: -2 };

  override configure(config: never): void {
    if (config !== undefined) this.#config = config;
  }

  protected override touch(words: Int32Array, at: number): void {
    const { generation, last, between } = this.#config;
    words[at + (last ? 3 : 2)] = generation;
    if (!last) words[at + 5] = between;
  }
}

class Pass extends Through {
  protected override touch(words: Int32Array, at: number): void {
    words[at + 4] = words[at + 4]! + 1;
  }
}

export const CHECKED: readonly string[] = ['received', 'missing', 'disorder', 'mixed'];

/** Every number must be two more than the one before from that worker; both ends of the way must be of one generation, and
 *  what was in between as many as the first was told. */
class Check extends DataHalf {
  readonly #last = new Int32Array(64);
  readonly #begun = new Uint8Array(64);
  readonly #generation = new Int32Array(64).fill(-1);

  override receive(_hook: DataHook, handles: Int32Array, count: number): void {
    const { words } = this.node.packets;
    const { counts } = this.node;
    for (let i = 0; i < count; i++) {
      const at = words[handles[i]! + PKT_DATA]! >> 2;
      const number = words[at]!;
      const from = words[at + 1]!;
      // Before the first of either kind.
      const before = this.#begun[from] ? this.#last[from]! : (number & 1) - 2;
      const ahead = (number - before) | 0;
      this.#begun[from] = 1;
      counts[0]!++;
      if (ahead <= 0) counts[2]!++;
      else {
        counts[1] = counts[1]! + (ahead >> 1) - 1;
        this.#last[from] = number;
      }
      const generation = words[at + 2]!;
      if (generation !== words[at + 3]! || words[at + 4]! !== words[at + 5]! || generation < this.#generation[from]!) {
        counts[3]!++;
      }
      this.#generation[from] = generation;
    }
    this.node.dropMany(handles, count, DROP.filtered);
  }
}

/** Bytes of the block that a `test-memory` node looks at. */
const BLOCK = 4096;

/** Keeps a block of the graph's memory; `renew` puts another in its place. */
class MemoryControl extends ControlHalf {
  /** Gives back at once, while workers may still look: to see that it would be found out. */
  broken = false;
  #offset: number;
  #value = 0;
  readonly #memory: number;

  constructor(node: Node) {
    super(node);
    this.#memory = node.graph.plane.announce(node.graph.plane.memory.memory);
    this.#offset = this.#make();
  }

  override config(): unknown {
    return { memory: this.#memory, offset: this.#offset, value: this.#value };
  }

  renew(): void {
    const [old, value] = [this.#offset, this.#value];
    try {
      this.node.graph.change(() => {
        this.#offset = this.#make();
        this.#free(old);
        this.node.reconfigure();
      });
    } catch (error) {
      [this.#offset, this.#value] = [old, value];
      throw error;
    }
  }

  override shutdown(): void {
    const { graph } = this.node;
    const { plane } = graph;
    this.#free(this.#offset);
    graph.retire(() => plane.forget(this.#memory));
  }

  #make(): number {
    const { memory } = this.node.graph.plane;
    const offset = this.node.graph.allocate(BLOCK);
    this.#value = (this.#value + 1) & 0xff;
    new Uint8Array(memory.memory, offset, BLOCK).fill(this.#value === 0xdd ? ++this.#value : this.#value);
    return offset;
  }

  #free(offset: number): void {
    if (this.broken) this.node.graph.plane.memory.free(offset);
    else this.node.graph.release(offset);
  }
}

class MemoryData extends Through {
  #bytes: Uint8Array = new Uint8Array(0);
  #value = 0;

  override configure(config: never): void {
    const { memory, offset, value } = config as { memory: number; offset: number; value: number };
    this.#bytes = new Uint8Array(this.node.memory(memory), offset, BLOCK);
    this.#value = value;
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const { counts } = this.node;
    counts[0]!++;
    for (let i = 0; i < BLOCK; i += 8) {
      if (this.#bytes[i] === this.#value) continue;
      counts[1]!++;
      break;
    }
    super.receive(hook, handles, count);
  }
}

/** At its `at`-th vector does what it was told. */
export interface FaultConfig {
  readonly what: 'throw' | 'spin' | 'exit' | 'nothing';
  readonly at: number;
  /** Milliseconds to spin. */
  readonly ms?: number;
  /** The one worker that does it. */
  readonly worker?: number;
}

/** Sends every third packet, drops every third, keeps every third until there are 32; and so do its faults find it. */
class Fault extends DataHalf<FaultConfig | undefined> {
  #out: DataHook | undefined;
  #config: FaultConfig = { what: 'nothing', at: 0 };
  #left = 0;
  #kept: number[] = [];

  override configure(config: FaultConfig | undefined): void {
    if (!config) return;
    this.#config = config;
    this.#left = config.worker === undefined || config.worker === this.node.worker ? config.at : Infinity;
  }

  override hookAdded(hook: DataHook): void {
    if (hook.name === 'out') this.#out = hook;
  }

  override hookRemoved(hook: DataHook): void {
    if (hook === this.#out) this.#out = undefined;
  }

  override receive(_hook: DataHook, handles: Int32Array, count: number): void {
    for (let i = 0; i < count; i++) {
      if (i === count >> 1) this.tick();
      this.pass(handles[i]!, i);
    }
  }

  protected pass(handle: number, i: number): void {
    if (i % 3 === 0 && this.#out) this.#out.send(handle);
    else if (i % 3 === 1) this.#kept.push(handle);
    else this.node.drop(handle, DROP.filtered);
    while (this.#kept.length > 32) this.node.drop(this.#kept.shift()!, DROP.filtered);
  }

  protected tick(): void {
    if (--this.#left === 0) this.#fault();
  }

  override close(): void {
    for (const handle of this.#kept) this.node.drop(handle, DROP.removed);
    this.#kept = [];
  }

  #fault(): void {
    const { what, ms = 0 } = this.#config;
    if (what === 'throw') throw new Error('as it was told');
    // In a worker the thread ends, in the middle of this.
    if (what === 'exit') process.exit(3);
    const until = performance.now() + ms;
    while (performance.now() < until);
  }
}

/** Brings packets, of which it sends some, gives some back, keeps some and has some in its hands; and so do its faults find it. */
class FaultSource extends Fault {
  override readonly source = true;
  readonly #many = new Int32Array(64);

  override poll(budget: number): number {
    const { packets } = this.node;
    for (let i = 0; i < 9; i++) {
      const handle = packets.allocate();
      if (handle === 0) return 0;
      packets.words[handle + PKT_LENGTH] = BYTES;
      this.pass(handle, i);
    }
    const count = packets.allocateMany(this.#many, Math.min(budget, 64));
    const copy = packets.copy(this.#many[0]!);
    this.tick();
    packets.releaseMany(this.#many, count);
    if (copy !== 0) packets.release(copy);
    return 0;
  }
}

/** Keeps the last 32 packets, of whichever worker. */
class Keep extends DataHalf {
  #kept: number[] = [];

  override receive(_hook: DataHook, handles: Int32Array, count: number): void {
    for (let i = 0; i < count; i++) this.#kept.push(handles[i]!);
    while (this.#kept.length > 32) this.node.drop(this.#kept.shift()!, DROP.filtered);
  }

  override close(): void {
    for (const handle of this.#kept) this.node.drop(handle, DROP.removed);
    this.#kept = [];
  }
}

const of = (half: unknown): (new (context: DataContext) => DataHalf) => half as new (context: DataContext) => DataHalf;

export const traffic: NodeType = data('test-traffic', of(Traffic), { counters: ['sent'] });
export const parity: NodeType = data('test-parity', of(Parity));
export const stamp: NodeType = data('test-stamp', of(Stamp));
export const pass: NodeType = data('test-pass', of(Pass));
export const check: NodeType = data('test-check', of(Check), { counters: CHECKED });
export const checkInOne: NodeType = data('test-check-one', of(Check), { counters: CHECKED, runsIn: 'one' });
export const memory: NodeType = data('test-memory', of(MemoryData), {
  control: MemoryControl,
  counters: ['looks', 'wrong'],
});
export const fault: NodeType = data('test-fault', of(Fault));
export const faultInOne: NodeType = data('test-fault-one', of(Fault), { runsIn: 'one' });
export const faultSource: NodeType = data('test-fault-source', of(FaultSource));
export const keep: NodeType = data('test-keep', of(Keep), { runsIn: 'one' });
export const allTypes: readonly NodeType[] = [
  traffic,
  parity,
  stamp,
  pass,
  check,
  checkInOne,
  memory,
  fault,
  faultInOne,
  faultSource,
  keep,
];
export { MemoryControl };
