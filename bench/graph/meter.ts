// Node types that measure how long packets are in the graph: a source that writes down when it made them, and a sink that looks.
import { DataHalf, type DataHook, type NodeType, PKT_DATA, PKT_LENGTH, PKT_TIME } from '../../src/netgraph/index.ts';
import { load, store, words } from '../../src/concurrency/index.ts';
import { set, Settings } from './types.ts';

/** Buckets of times: bucket i ends at 0.1 µs × 1.1 to the power of i + 1. */
export const METER_BUCKETS = 192;
const WORDS = 256;

/** Memory of `slots` meters. */
export function sharedMeters(slots: number): Int32Array {
  return words(new SharedArrayBuffer(slots * WORDS * 4), 0, slots * WORDS);
}

export function readMeter(memory: Int32Array, slot: number): { packets: number; buckets: number[] } {
  const at = slot * WORDS;
  const buckets = Array.from({ length: METER_BUCKETS }, (_, i) => load(memory, at + i) >>> 0);
  return { packets: buckets.reduce((sum, count) => sum + count, 0), buckets };
}

/** IPv4 packets alternately out of `a` and `b`, at `mpps` millions a second, or with 0 as fast as they are taken. */
class TwowayData extends DataHalf<{ readonly mpps: number } | undefined> {
  override readonly source = true;
  #mpps = -1;
  #sent = 0;
  #start = 0;
  readonly #handles = new Int32Array(256);
  readonly #half = new Int32Array(128);
  readonly #header = new Int32Array(
    // UDP from 10.0.0.1 to 10.0.0.2, 64 bytes, time to live 64.
    Uint8Array.of(0x45, 0, 0, 64, 0, 0, 0x40, 0, 64, 17, 0x26, 0xab, 10, 0, 0, 1, 10, 0, 0, 2).buffer,
  );

  override configure(config: { readonly mpps: number } | undefined): void {
    if (!config) return;
    this.#mpps = config.mpps;
    this.#sent = 0;
    this.#start = performance.now();
  }

  override receive(_hook: DataHook, handles: Int32Array, count: number): void {
    this.node.dropMany(handles, count, 0);
  }

  override poll(budget: number): number {
    if (this.#mpps < 0) return 0;
    const now = performance.now();
    let wanted = budget;
    if (this.#mpps > 0) {
      // What was not sent in time is not made up for beyond a millisecond.
      const due = (now - this.#start) * this.#mpps * 1000;
      if (due - this.#sent > this.#mpps * 1000) this.#sent = due - this.#mpps * 1000;
      wanted = Math.min(budget, Math.floor(due - this.#sent)) & ~1;
      if (wanted <= 0) return 0;
    }
    const { packets } = this.node;
    const { words } = packets;
    const handles = this.#handles;
    const count = packets.allocateMany(handles, wanted) & ~1;
    this.#sent += count;
    const header = this.#header;
    // Nanoseconds, modulo 2^31.
    const time = ((now * 1e6) % 2 ** 31) | 0;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const at = words[handle + PKT_DATA]! >> 2;
      words[handle + PKT_LENGTH] = 64;
      words[handle + PKT_TIME] = time;
      for (let j = 0; j < 5; j++) words[at + j] = header[j]!;
    }
    const half = count >> 1;
    this.node.hook('a')!.sendMany(handles, half);
    for (let i = 0; i < half; i++) this.#half[i] = handles[half + i]!;
    this.node.hook('b')!.sendMany(this.#half, half);
    return count;
  }
}

class MeterData extends DataHalf<{ readonly memory: number; readonly slot: number } | undefined> {
  #words: Int32Array | undefined;
  #at = 0;

  override configure(config: { readonly memory: number; readonly slot: number } | undefined): void {
    if (!config) return;
    const memory = this.node.memory(config.memory);
    this.#words = words(memory, 0, memory.byteLength / 4);
    this.#at = config.slot * WORDS;
  }

  override receive(_hook: DataHook, handles: Int32Array, count: number): void {
    const { packets } = this.node;
    const shown = this.#words;
    if (shown) {
      // All of a vector came at once, and mostly left together.
      const now = ((performance.now() * 1e6) % 2 ** 31) | 0;
      let from = 0;
      for (let i = 1; i <= count; i++) {
        const time = packets.words[handles[from]! + PKT_TIME]!;
        if (i < count && packets.words[handles[i]! + PKT_TIME] === time) continue;
        const us = ((now - time) & 0x7fff_ffff) / 1000;
        const bucket = Math.min(METER_BUCKETS - 1, Math.max(0, Math.floor(Math.log(us * 10) / Math.log(1.1))));
        store(shown, this.#at + bucket, load(shown, this.#at + bucket) + i - from);
        from = i;
      }
    }
    packets.releaseMany(handles, count);
  }
}

const common = { messages: [set], control: Settings, url: import.meta.url };
export const twoway: NodeType = { ...common, name: 'bench-twoway', cookie: 5, data: TwowayData };
export const meter: NodeType = { ...common, name: 'bench-meter', cookie: 6, data: MeterData };
