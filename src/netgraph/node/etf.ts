// ng_etf(4): Ethernet frames by their ethertype. What comes in by `downstream` goes out of the hook that its type was given to, else of
// `nomatch`. What comes in by any of these goes downstream, if it is of a type that the hook was given: no hook can send what it would not get.
import { hookbuf, struct, uint16, uint32 } from '../message/form.ts';
import { NetgraphError } from '../graph/error.ts';
import type { Hook } from '../graph/node.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { PKT_DATA, PKT_LENGTH } from '../packet/packets.ts';
import { DataHalf, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone } from './lib/alone.ts';
import { hookOf } from './lib/hook-of.ts';

const HEADER_BYTES = 14;
const COUNTERS = ['packets_in', 'packets_out'] as const;
const [PACKETS_IN, PACKETS_OUT] = [0, 1];

const filter = struct({ matchhook: hookbuf, ethertype: uint16 });
const status = struct({ packets_in: uint32, packets_out: uint32 });

/** Ethertypes, and the hooks they go to. */
type Filters = readonly (readonly [ethertype: number, hook: string])[];

class EtfControl extends ControlHalf {
  #filters: Map<number, Hook> = new Map();

  override disconnected(): void {
    this.node.reconfigure();
    endsAlone(this.node);
  }

  override config(): Filters {
    return [...this.#filters]
      .filter(([, hook]) => this.node.hooks.get(hook.name) === hook)
      .map(([ethertype, { name }]) => [ethertype, name]);
  }

  override status(): string {
    return this.config()
      .map(([ethertype, hook]) => `0x${ethertype.toString(16).padStart(4, '0')} ${hook}\n`)
      .join('');
  }

  override save(): () => void {
    const filters = new Map(this.#filters);
    return () => void (this.#filters = filters);
  }

  add({ matchhook, ethertype }: { matchhook: string; ethertype: number }): void {
    const hook = hookOf(this.node, matchhook);
    if (matchhook === 'downstream') {
      throw new NetgraphError('EINVAL', 'frames that come in by downstream can not be sent there');
    }
    const before = this.#filters.get(ethertype);
    if (before && this.node.hooks.get(before.name) === before) {
      throw new NetgraphError('EEXIST', `ethertype 0x${ethertype.toString(16)} goes to hook '${before.name}' already`);
    }
    this.#filters.set(ethertype, hook);
    this.node.reconfigure();
  }

  counted(): { packets_in: number; packets_out: number } {
    const { packets_in: packetsIn, packets_out: packetsOut } = this.node.counts();
    return { packets_in: packetsIn! % 2 ** 32, packets_out: packetsOut! % 2 ** 32 };
  }
}

class EtfData extends DataHalf<Filters> {
  #filters: Filters = [];
  /** By ethertype; undefined: it has none. */
  readonly #outs: (DataHook | undefined)[] = new Array<DataHook | undefined>(65_536).fill(undefined);
  #downstream: DataHook | undefined;
  #nomatch: DataHook | undefined;

  override configure(filters: Filters): void {
    for (const [ethertype] of this.#filters) this.#outs[ethertype] = undefined;
    this.#filters = filters;
    this.#find();
  }

  override hookAdded(): void {
    this.#find();
  }

  override hookRemoved(): void {
    this.#find();
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    if (hook === this.#downstream) this.#up(handles, count);
    else this.#down(hook, handles, count);
  }

  #up(handles: Int32Array, count: number): void {
    const { words, bytes } = this.node.packets;
    const outs = this.#outs;
    const nomatch = this.#nomatch;
    this.node.counts[PACKETS_IN] = this.node.counts[PACKETS_IN]! + count;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      if (words[handle + PKT_LENGTH]! < HEADER_BYTES) {
        this.node.drop(handle, DROP.malformed);
        continue;
      }
      const at = words[handle + PKT_DATA]! + 12;
      const out = outs[(bytes[at]! << 8) | bytes[at + 1]!] ?? nomatch;
      if (out === undefined) this.node.drop(handle, DROP.notConnected);
      else out.send(handle);
    }
  }

  #down(hook: DataHook, handles: Int32Array, count: number): void {
    const { words, bytes } = this.node.packets;
    const outs = this.#outs;
    const nomatch = this.#nomatch;
    const out = this.#downstream;
    let good = 0;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      if (words[handle + PKT_LENGTH]! < HEADER_BYTES) {
        this.node.drop(handle, DROP.malformed);
        continue;
      }
      const at = words[handle + PKT_DATA]! + 12;
      if ((outs[(bytes[at]! << 8) | bytes[at + 1]!] ?? nomatch) === hook) handles[good++] = handle;
      else this.node.drop(handle, DROP.filtered);
    }
    if (out === undefined) this.node.dropMany(handles, good, DROP.notConnected);
    else {
      this.node.counts[PACKETS_OUT] = this.node.counts[PACKETS_OUT]! + good;
      out.sendMany(handles, good);
    }
  }

  #find(): void {
    this.#downstream = this.node.hook('downstream');
    this.#nomatch = this.node.hook('nomatch');
    for (const [ethertype, name] of this.#filters) this.#outs[ethertype] = this.node.hook(name);
  }
}

export const etf: NodeType = {
  name: 'etf',
  cookie: 983_084_516,
  messages: [
    command({ name: 'getstatus', cmd: 2, reply: status, handle: (etf: EtfControl) => etf.counted() }),
    command({ name: 'setfilter', cmd: 3, args: filter, handle: (etf: EtfControl, args) => etf.add(args) }),
  ],
  control: EtfControl,
  data: EtfData,
  counters: COUNTERS,
};
