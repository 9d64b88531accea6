// Node types of the benchmarks: sources of packets in memory, stages that only hand on, and what measures.
import {
  command,
  ControlHalf,
  type DataContext,
  DataHalf,
  type DataHook,
  type NodeType,
  PKT_DATA,
  PKT_LENGTH,
  type TypeCommand,
} from '../../src/netgraph/index.ts';
import { anything } from '../../test/netgraph/lib/anything.ts';

/** A control half that only passes on what it is told. */
export class Settings extends ControlHalf {
  settings: unknown = undefined;

  override config(): unknown {
    return this.settings;
  }
}

/** `set` with any value: the data halves are configured with it. */
export const set: TypeCommand = command({
  name: 'set',
  cmd: 1,
  args: anything,
  handle: (control: Settings, args) => {
    control.settings = args;
    control.node.reconfigure();
  },
});

export interface GeneratorConfig {
  /** IPv4 destinations as words in memory's order, a packet each in turn. */
  readonly destinations: Int32Array;
  /** Of a packet, in bytes. */
  readonly length: number;
}

/** Fresh packets with an IPv4 header each, as fast as they are taken. */
class GeneratorData extends DataHalf<GeneratorConfig | undefined> {
  override readonly source = true;
  #destinations: Int32Array | undefined;
  #next = 0;
  readonly #handles = new Int32Array(256);
  readonly #header = new Int32Array(5);
  /** The word with the checksum, by destination. */
  #checksums = new Int32Array(0);
  #length = 0;

  override configure(config: GeneratorConfig | undefined): void {
    if (!config) return;
    this.#destinations = config.destinations;
    this.#length = config.length;
    this.#next = 0;
    const bytes = new Uint8Array(this.#header.buffer);
    // UDP from 10.0.0.1, do not fragment, time to live 64.
    bytes.set([0x45, 0, config.length >> 8, config.length, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0]);
    const sum = this.#header.reduce((sum, word) => sum + (word & 0xffff) + (word >>> 16), 0);
    this.#checksums = config.destinations.map(destination => {
      let all = sum + (destination & 0xffff) + (destination >>> 16);
      all = (all & 0xffff) + (all >>> 16);
      all = (all & 0xffff) + (all >>> 16);
      return this.#header[2]! | (~all << 16);
    });
  }

  override receive(_hook: DataHook, handles: Int32Array, count: number): void {
    this.node.dropMany(handles, count, 0);
  }

  override poll(budget: number): number {
    const out = this.node.hooks[0];
    const destinations = this.#destinations;
    if (!out || !destinations) return 0;
    const { packets } = this.node;
    const handles = this.#handles;
    const count = packets.allocateMany(handles, budget);
    const { words } = packets;
    const header = this.#header;
    const first = header[0]!;
    const second = header[1]!;
    const source = header[3]!;
    const checksums = this.#checksums;
    const length = this.#length;
    let next = this.#next;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const at = words[handle + PKT_DATA]! >> 2;
      words[handle + PKT_LENGTH] = length;
      words[at] = first;
      words[at + 1] = second;
      words[at + 2] = checksums[next]!;
      words[at + 3] = source;
      words[at + 4] = destinations[next]!;
      if (++next === destinations.length) next = 0;
    }
    this.#next = next;
    out.sendMany(handles, count);
    return count;
  }
}

export const generator: NodeType = {
  name: 'bench-generator',
  cookie: 1,
  messages: [set],
  control: Settings,
  data: GeneratorData,
  url: import.meta.url,
};

/** `objects` handles that are no packets, the same ones for ever: what dpdk-test's source sends. Several hooks get a part each. */
class ObjectsData extends DataHalf<{ readonly objects: number } | undefined> {
  override readonly source = true;
  #objects = 256;
  #handles = new Int32Array(0);

  override configure(config: { readonly objects: number } | undefined): void {
    this.#objects = config?.objects ?? 256;
    this.#share();
  }

  override hookAdded(): void {
    this.#share();
  }

  override receive(): void {}

  override poll(): number {
    const handles = this.#handles;
    const { hooks } = this.node;
    for (let i = 0; i < hooks.length; i++) hooks[i]!.sendMany(handles, handles.length);
    return this.#objects;
  }

  #share(): void {
    const length = Math.trunc(this.#objects / Math.max(1, this.node.hooks.length));
    this.#handles = Int32Array.from({ length }, (_, i) => i + 1);
  }
}

/** Hands on; to several hooks by shares in percent, in one piece each. */
class StageData extends DataHalf<{ readonly shares: readonly number[] } | undefined> {
  #outs: DataHook[] = [];
  #shares: readonly number[] = [];

  override configure(config: { readonly shares: readonly number[] } | undefined): void {
    this.#shares = config?.shares ?? [100];
  }

  override hookAdded(hook: DataHook): void {
    if (hook.name.startsWith('out')) this.#outs.push(hook);
  }

  override receive(_hook: DataHook, handles: Int32Array, count: number): void {
    const outs = this.#outs;
    if (outs.length === 1) {
      outs[0]!.pass(count);
      return;
    }
    // The first share stays where it is.
    const stays = Math.trunc((count * this.#shares[0]!) / 100);
    let at = stays;
    for (let i = 1; i < outs.length; i++) {
      const share = i === outs.length - 1 ? count - at : Math.trunc((count * this.#shares[i]!) / 100);
      outs[i]!.sendMany(handles, share, at);
      at += share;
    }
    outs[0]!.pass(stays);
  }
}

/** The end of objects that are no packets. */
class EndData extends DataHalf {
  override receive(): void {}
}

const plain = (name: string, cookie: number, data: new (context: DataContext) => DataHalf): NodeType => ({
  name,
  cookie,
  messages: [set],
  control: Settings,
  data,
  url: import.meta.url,
});

export const objects: NodeType = plain('bench-objects', 2, ObjectsData);
export const stage: NodeType = plain('bench-stage', 3, StageData);
export const end: NodeType = plain('bench-end', 4, EndData);
