// Node types of the benchmarks: a source of ready IPv4 packets in memory, and a sink that counts them.
import {
  command,
  ControlHalf,
  type DataContext,
  DataHalf,
  type DataHook,
  type NodeType,
  PKT_DATA,
  PKT_LENGTH,
} from '../../src/netgraph/index.ts';

class Plain extends ControlHalf {
  settings: unknown = undefined;
  override config(): unknown {
    return this.settings;
  }
}

/** Destinations that packets go to in turn. */
export interface GeneratorConfig {
  readonly running: boolean;
  /** IPv4 destinations in network order; a packet each in turn. */
  readonly destinations: Int32Array;
  readonly length: number;
}

class GeneratorData extends DataHalf<GeneratorConfig> {
  override readonly source = true;
  #out: DataHook | undefined;
  #config: GeneratorConfig = { running: false, destinations: new Int32Array(1), length: 64 };
  #next = 0;
  readonly #handles = new Int32Array(256);
  readonly #header = new Int32Array(5);

  constructor(node: DataContext) {
    super(node);
    const bytes = new Uint8Array(this.#header.buffer);
    bytes.set([0x45, 0, 0, 64, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0]);
  }

  override configure(config: GeneratorConfig | undefined): void {
    if (config) this.#config = config;
  }
  override hookAdded(hook: DataHook): void {
    this.#out = hook;
  }
  override hookRemoved(): void {
    this.#out = undefined;
  }
  override receive(_hook: DataHook, handles: Int32Array, count: number): void {
    this.node.dropMany(handles, count, 0);
  }

  override poll(budget: number): number {
    const out = this.#out;
    const { destinations, running, length } = this.#config;
    if (!out || !running) return 0;
    const { packets } = this.node;
    const handles = this.#handles;
    const count = packets.allocateMany(handles, budget);
    const { words } = packets;
    const header = this.#header;
    const h0 = header[0]!;
    const h1 = header[1]!;
    const h3 = header[3]!;
    let next = this.#next;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const at = words[handle + PKT_DATA]! >> 2;
      words[handle + PKT_LENGTH] = length;
      const destination = destinations[next]!;
      if (++next === destinations.length) next = 0;
      words[at] = h0;
      words[at + 1] = h1;
      // TTL 64, UDP; the checksum of a header with this destination.
      let sum =
        0x4011 +
        0x4500 +
        length +
        0x4000 +
        0x0a00 +
        1 +
        (((destination & 255) << 8) | ((destination >>> 8) & 255)) +
        ((((destination >>> 16) & 255) << 8) | (destination >>> 24));
      sum = (sum & 0xffff) + (sum >>> 16);
      sum = ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
      words[at + 2] = 64 | (17 << 8) | ((sum >>> 8) << 16) | ((sum & 255) << 24);
      words[at + 3] = h3;
      words[at + 4] = destination;
    }
    this.#next = next;
    out.sendMany(handles, count);
    return count;
  }
}

export const generator: NodeType = {
  name: 'bench-generator',
  cookie: 1,
  messages: [
    command({
      name: 'set',
      cmd: 1,
      handle: (control: Plain, args) => ((control.settings = args), control.node.reconfigure()),
    }),
  ],
  control: Plain,
  data: GeneratorData,
  url: import.meta.url,
};
