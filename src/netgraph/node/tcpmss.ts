// ng_tcpmss(4): lowers the maximum segment size that TCP's SYNs offer, so that what comes back fits a link with a small MTU. Each hook
// says by which other its packets go on, and how much may be offered; one that does not say so drops what comes in. IPv4 as on
// FreeBSD, and IPv6 likewise.
import type { Hook } from '../graph/node.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { clampMss, MSS_CLAMPED, MSS_MALFORMED, MSS_UNTOUCHED } from '../lib/tcpmss.ts';
import { hookbuf, struct, uint16, uint64, type ValueOf } from '../message/form.ts';
import { PKT_DATA, PKT_LENGTH } from '../packet/packets.ts';
import { DataHalf, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone } from './lib/alone.ts';
import { hookOf } from './lib/hook-of.ts';
import { statsCommands } from './lib/stats-commands.ts';

/** struct ng_tcpmss_config; maxMSS 0: nothing is changed. */
const setting = struct({ inHook: hookbuf, outHook: hookbuf, maxMSS: uint16 });
type Setting = ValueOf<typeof setting>;

const COUNTERS = ['Octets', 'Packets', 'SYNPkts', 'FixedPkts'] as const;
const OCTETS = 0;
const PACKETS = 1;
const SYNS = 2;
const FIXED = 3;

/** struct ng_tcpmss_hookstat */
const hookStats = struct({ Octets: uint64, Packets: uint64, maxMSS: uint16, SYNPkts: uint64, FixedPkts: uint64 });
type HookStats = ValueOf<typeof hookStats>;

interface Way {
  readonly out: Hook;
  readonly maxMSS: number;
}

class TcpmssControl extends ControlHalf {
  /** By the hook that it is for. A way leads nowhere while its hook `out` is not there. */
  readonly #ways: WeakMap<Hook, Way> = new WeakMap();

  override newHook(): void {
    this.node.reconfigure();
  }

  override disconnected(): void {
    endsAlone(this.node);
    if (this.node.state === 'there') this.node.reconfigure();
  }

  override config(): readonly Setting[] {
    return [...this.node.hooks.values()].flatMap(hook => {
      const way = this.#way(hook);
      return way ? [{ inHook: hook.name, outHook: way.out.name, maxMSS: way.maxMSS }] : [];
    });
  }

  override save(): () => void {
    const before = [...this.node.hooks.values()].map(hook => [hook, this.#ways.get(hook)] as const);
    return () => {
      for (const [hook, way] of before) {
        if (way) this.#ways.set(hook, way);
        else this.#ways.delete(hook);
      }
    };
  }

  set({ inHook, outHook, maxMSS }: Setting): void {
    const out = hookOf(this.node, outHook);
    this.#ways.set(hookOf(this.node, inHook), { out, maxMSS });
    this.node.reconfigure();
  }

  stats(name: string, clear: boolean): HookStats {
    const hook = hookOf(this.node, name);
    const { Octets, Packets, SYNPkts, FixedPkts } = hook.counts();
    if (clear) this.node.graph.clearCounts(hook);
    const maxMSS = this.#way(hook)?.maxMSS ?? 0;
    return { Octets: Octets!, Packets: Packets!, maxMSS, SYNPkts: SYNPkts!, FixedPkts: FixedPkts! };
  }

  #way(hook: Hook): Way | undefined {
    const way = this.#ways.get(hook);
    return way && this.node.hooks.get(way.out.name) === way.out ? way : undefined;
  }
}

/** What a hook of a worker has. */
interface DataWay {
  readonly out: DataHook | undefined;
  readonly maxMSS: number;
}
const NOWHERE: DataWay = { out: undefined, maxMSS: 0 };

class TcpmssData extends DataHalf<readonly Setting[]> {
  override configure(settings: readonly Setting[]): void {
    const ways = new Map(settings.map(set => [set.inHook, set]));
    for (const hook of this.node.hooks) {
      const set = ways.get(hook.name);
      hook.state = set ? { out: this.node.hook(set.outHook), maxMSS: set.maxMSS } : NOWHERE;
    }
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const { out, maxMSS } = hook.state as DataWay;
    if (out === undefined) {
      this.node.dropMany(handles, count, DROP.filtered);
      return;
    }
    const { words, bytes } = this.node.packets;
    const { counts } = hook;
    let octets = 0;
    let syns = 0;
    let fixed = 0;
    let good = 0;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const length = words[handle + PKT_LENGTH]!;
      octets += length;
      if (maxMSS > 0) {
        const result = clampMss(bytes, words[handle + PKT_DATA]!, length, maxMSS);
        if (result === MSS_MALFORMED) {
          this.node.drop(handle, DROP.malformed);
          continue;
        }
        if (result !== MSS_UNTOUCHED) syns++;
        if (result === MSS_CLAMPED) fixed++;
      }
      handles[good++] = handle;
    }
    counts[OCTETS] = counts[OCTETS]! + octets;
    counts[PACKETS] = counts[PACKETS]! + count;
    counts[SYNS] = counts[SYNS]! + syns;
    counts[FIXED] = counts[FIXED]! + fixed;
    out.sendMany(handles, good);
  }
}

export const tcpmss: NodeType = {
  name: 'tcpmss',
  cookie: 1097623478,
  messages: [
    ...statsCommands({
      cmds: [1, 2, 3],
      args: hookbuf,
      reply: hookStats,
      stats: (tcpmss: TcpmssControl, said, clear) => tcpmss.stats(said, clear),
    }),
    command({
      name: 'config',
      cmd: 4,
      args: setting,
      handle: (tcpmss: TcpmssControl, set) => tcpmss.set(set),
    }),
  ],
  control: TcpmssControl,
  data: TcpmssData,
  hookCounters: COUNTERS,
};
