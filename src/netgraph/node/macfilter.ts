// ng_macfilter(4): sorts hosts by their Ethernet addresses. What comes in by `ether` goes out of the hook that its source address is
// directed to, else out of `default`; what comes in by any other hook goes out of `ether`. For each address that is directed it is counted
// what came from it and what went to it.
//
// Addresses lie in a table in shared memory (lib/mac-table.ts), which says a number of each; two more columns say by the number which
// hook it is directed to, and hold its counters. So one address more costs no commit.
import { load, store, words } from '../../concurrency/index.ts';
import { NetgraphError } from '../graph/error.ts';
import type { Hook, Node } from '../graph/node.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { formatMac, MAC_FULL, macWords, MacTable } from '../lib/mac-table.ts';
import { array, hookbuf, mac, struct, uint16, uint32, uint64, type ValueOf } from '../message/form.ts';
import { PKT_DATA, PKT_LENGTH } from '../packet/packets.ts';
import { addCounts, blockBytes, Counts } from '../worker/counts.ts';
import { DataHalf, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone } from './lib/alone.ts';
import { hookOf } from './lib/hook-of.ts';
import { releaseAtEnd } from './lib/release.ts';

/** Addresses of a node; the table has a free slot for every three. */
const ADDRESSES = 12_288;
const SLOTS = 16_384;
const HEADER_BYTES = 14;
const DEFAULT = 0;

const direct = struct({ ether: mac, hookname: hookbuf });
const directId = struct({ ether: mac, hookid: uint16 });
const address = struct({
  ether: mac,
  hookid: uint16,
  packets_in: uint64,
  bytes_in: uint64,
  packets_out: uint64,
  bytes_out: uint64,
});
const addresses = struct({ n: uint32, macs: array({ element: address, length: ({ n }: { n: number }) => n }) });
const hook = struct({ hookname: hookbuf, hookid: uint16, maccnt: uint32 });
const hooks = struct({ n: uint32, hooks: array({ element: hook, length: ({ n }: { n: number }) => n }) });

type Addresses = ValueOf<typeof addresses>;
const [PACKETS_IN, BYTES_IN, PACKETS_OUT, BYTES_OUT] = [0, 1, 2, 3];
const COUNTERS = 4;

/** An address that is directed. */
interface Directed {
  readonly low: number;
  readonly high: number;
  /** In the shared columns, from 1. */
  readonly number: number;
  hookId: number;
  /** What was counted when it was directed, or cleared last. */
  base: Float64Array;
}

interface Config {
  readonly table: number;
  readonly targets: number;
  readonly counters: number;
  /** Hooks by their IDs. */
  readonly hooks: readonly (readonly [id: number, name: string])[];
}

/** Bytes of one worker's counters of all addresses. */
function strideOf(): number {
  return blockBytes(COUNTERS) * (ADDRESSES + 1);
}

class MacfilterControl extends ControlHalf {
  readonly #table: MacTable;
  readonly #targets: Int32Array;
  readonly #counters: SharedArrayBuffer;
  readonly #memories: readonly number[];
  /** IDs by name of hook; `default` is 0. */
  readonly #ids: Map<string, number> = new Map();
  readonly #directed: Map<string, Directed> = new Map();
  readonly #free: number[] = [];
  #next = 1;

  constructor(node: Node) {
    super(node);
    const { plane } = node.graph;
    const table = MacTable.create(SLOTS);
    const targets = new SharedArrayBuffer((ADDRESSES + 1) * 4);
    this.#counters = new SharedArrayBuffer(strideOf() * plane.workers);
    this.#table = new MacTable(table);
    this.#targets = words(targets, 0, ADDRESSES + 1);
    this.#memories = [table, targets, this.#counters].map(memory => plane.announce(memory));
  }

  override shutdown(): void {
    const { graph } = this.node;
    releaseAtEnd(this.node, () => {
      for (const memory of this.#memories) graph.plane.forget(memory);
    });
  }

  override newHook({ name }: Hook): void {
    // One whose end is undone has its ID again already.
    if (name === 'ether' || this.#ids.has(name)) return;
    let id = DEFAULT;
    if (name !== 'default') {
      const taken = new Set(this.#ids.values());
      for (id = 1; taken.has(id); id++);
      if (id > 0xffff) throw new NetgraphError('ENOBUFS', 'a macfilter has 65,535 hooks at most');
    }
    this.#ids.set(name, id);
  }

  override connected(): void {
    this.node.reconfigure();
  }

  /** Addresses that were directed to it are directed nowhere, so to the default. */
  override disconnected({ name }: Hook): void {
    const id = this.#ids.get(name);
    this.#ids.delete(name);
    if (id !== undefined) this.node.graph.onUndo(() => this.#ids.set(name, id));
    if (id !== undefined && id !== DEFAULT) {
      for (const [ether, { hookId }] of this.#directed) if (hookId === id) this.#forget(ether);
    }
    this.node.reconfigure();
    endsAlone(this.node);
  }

  override config(): Config {
    const [table, targets, counters] = this.#memories as [number, number, number];
    const byId = [...this.#ids].sort(([, a], [, b]) => a - b);
    return { table, targets, counters, hooks: byId.map(([name, id]) => [id, name] as const) };
  }

  reset(): void {
    for (const ether of this.#directed.keys()) this.#forget(ether);
  }

  direct(ether: string, name: string): void {
    hookOf(this.node, name);
    const id = this.#ids.get(name);
    if (id === undefined) throw new NetgraphError('EINVAL', `an address can not be directed to '${name}'`);
    this.#direct(ether, id);
  }

  directId(ether: string, id: number): void {
    if (![...this.#ids.values()].includes(id)) throw new NetgraphError('EINVAL', `no hook has ID ${id}`);
    this.#direct(ether, id);
  }

  addresses(clear: boolean): Addresses {
    const macs = [...this.#directed.values()]
      .sort((a, b) => (formatMac(a.low, a.high) < formatMac(b.low, b.high) ? -1 : 1))
      .map(directed => {
        const counts = this.#sum(directed.number);
        const { base } = directed;
        if (clear) {
          this.node.graph.onUndo(() => (directed.base = base));
          directed.base = counts;
        }
        const since = (i: number): number => counts[i]! - base[i]!;
        return {
          ether: formatMac(directed.low, directed.high),
          hookid: directed.hookId,
          packets_in: since(PACKETS_IN!),
          bytes_in: since(BYTES_IN!),
          packets_out: since(PACKETS_OUT!),
          bytes_out: since(BYTES_OUT!),
        };
      });
    return { n: macs.length, macs };
  }

  hooks(): ValueOf<typeof hooks> {
    const all = [...this.#ids]
      .sort(([, a], [, b]) => a - b)
      .map(([hookname, hookid]) => ({
        hookname,
        hookid,
        maccnt: [...this.#directed.values()].filter(({ hookId }) => hookId === hookid).length,
      }));
    return { n: all.length, hooks: all };
  }

  #direct(ether: string, hookId: number): void {
    const there = this.#directed.get(ether);
    if (hookId === DEFAULT) {
      if (there) this.#forget(ether);
      return;
    }
    if (there) {
      const before = there.hookId;
      const set = (id: number): void => {
        there.hookId = id;
        store(this.#targets, there.number, id);
      };
      this.node.graph.onUndo(() => set(before));
      set(hookId);
      return;
    }
    const number = this.#free.pop() ?? this.#next++;
    if (number > ADDRESSES) {
      this.#next--;
      throw new NetgraphError('ENOBUFS', `${ADDRESSES} addresses are directed already`);
    }
    const { low, high } = macWords(ether);
    store(this.#targets, number, hookId);
    if (this.#table.put(low, high, number, 1, 0) === MAC_FULL) {
      this.#free.push(number);
      throw new NetgraphError('ENOBUFS', `there is no room for ${ether}`);
    }
    this.#directed.set(ether, { low, high, number, hookId, base: this.#sum(number) });
    this.node.graph.onUndo(() => this.#forget(ether));
  }

  #forget(ether: string): void {
    const directed = this.#directed.get(ether)!;
    const { low, high, number } = directed;
    const { graph } = this.node;
    this.#table.remove(low, high);
    this.#directed.delete(ether);
    graph.onUndo(() => {
      this.#directed.set(ether, directed);
      this.#table.put(low, high, number, 1, 0);
    });
    // A worker may have found its number just now.
    graph.retire(() => this.#free.push(number));
  }

  #sum(number: number): Float64Array {
    const sum = new Float64Array(COUNTERS);
    const place = { offset: number * blockBytes(COUNTERS), stride: strideOf() };
    for (let worker = 0; worker < this.node.graph.plane.workers; worker++) {
      addCounts(this.#counters, place, worker, sum);
    }
    return sum;
  }
}

class MacfilterData extends DataHalf<Config> {
  #table: MacTable | undefined;
  #targets: Int32Array = new Int32Array(1);
  #memory: SharedArrayBuffer = new SharedArrayBuffer(0);
  #hooks: readonly (readonly [number, string])[] = [];
  #ether: DataHook | undefined;
  /** The next packet finds the hooks anew: there may be thousands of changes before it. */
  #stale = true;
  /** By ID. */
  #outs: (DataHook | undefined)[] = [];
  /** By number of the address, once something was counted. */
  readonly #counts: (Counts | undefined)[] = [];
  readonly #touched: Counts[] = [];

  override configure({ table, targets, counters, hooks }: Config): void {
    if (!this.#table) {
      this.#table = new MacTable(this.node.memory(table));
      this.#targets = words(this.node.memory(targets), 0, ADDRESSES + 1);
      this.#memory = this.node.memory(counters);
    }
    this.#hooks = hooks;
    this.#stale = true;
  }

  override hookAdded(): void {
    this.#stale = true;
  }

  override hookRemoved(): void {
    this.#stale = true;
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    if (this.#stale) this.#find();
    const { words, bytes } = this.node.packets;
    const table = this.#table!;
    const up = hook === this.#ether;
    const target = up ? this.#outs[DEFAULT] : this.#ether;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const length = words[handle + PKT_LENGTH]!;
      if (length < HEADER_BYTES) {
        this.node.drop(handle, DROP.malformed);
        continue;
      }
      const at = words[handle + PKT_DATA]! + (up ? 6 : 0);
      const low = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      let out = target;
      if (table.findSurely(low, bytes[at + 4]! | (bytes[at + 5]! << 8)) >= 0) {
        const number = table.value;
        if (up) out = this.#outs[load(this.#targets, number)];
        this.#count(number, up ? PACKETS_IN! : PACKETS_OUT!, length - HEADER_BYTES);
      }
      if (out) out.send(handle);
      else this.node.drop(handle, DROP.notConnected);
    }
    for (const counts of this.#touched) counts.show();
    this.#touched.length = 0;
  }

  #count(number: number, packets: number, bytes: number): void {
    let counts = this.#counts[number];
    if (!counts) {
      const place = { offset: number * blockBytes(COUNTERS), stride: strideOf() };
      counts = new Counts(this.#memory, place, this.node.worker, COUNTERS);
      this.#counts[number] = counts;
    }
    const { values } = counts;
    values[packets] = values[packets]! + 1;
    values[packets + 1] = values[packets + 1]! + bytes;
    // Mostly the same host goes on.
    if (this.#touched[this.#touched.length - 1] !== counts) this.#touched.push(counts);
  }

  #find(): void {
    this.#stale = false;
    this.#ether = this.node.hook('ether');
    this.#outs = [];
    for (const [id, name] of this.#hooks) this.#outs[id] = this.node.hook(name);
  }
}

export const macfilter: NodeType = {
  name: 'macfilter',
  cookie: 1042445461,
  messages: [
    command({ name: 'reset', cmd: 1, handle: (filter: MacfilterControl) => filter.reset() }),
    command({
      name: 'direct',
      cmd: 2,
      args: direct,
      handle: (filter: MacfilterControl, { ether, hookname }) => filter.direct(ether, hookname),
    }),
    command({
      name: 'directi',
      cmd: 3,
      args: directId,
      handle: (filter: MacfilterControl, { ether, hookid }) => filter.directId(ether, hookid),
    }),
    command({
      name: 'getmacs',
      cmd: 4,
      reply: addresses,
      handle: (filter: MacfilterControl) => filter.addresses(false),
    }),
    command({
      name: 'getclrmacs',
      cmd: 5,
      reply: addresses,
      handle: (filter: MacfilterControl) => filter.addresses(true),
    }),
    command({ name: 'clrmacs', cmd: 6, handle: (filter: MacfilterControl) => void filter.addresses(true) }),
    command({ name: 'gethooks', cmd: 7, reply: hooks, handle: (filter: MacfilterControl) => filter.hooks() }),
  ],
  control: MacfilterControl,
  data: MacfilterData,
};
