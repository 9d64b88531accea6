// ng_one2many(4): one link over many. What comes in by `one` goes out of the active ones of `many0` … `many63`: of each in turn, of all, or of
// the first; what comes in by any of them goes out of `one`. A link is active while it is connected and enabled, by `setconfig` or by what
// it says itself of its state.
//
// Workers take turns each for themselves, so with several of them a link's share is even but its order is not that of the packets.
import { NGM_READONLY } from '../message/command.ts';
import { array, int32, struct, uint32, uint64, uint8 } from '../message/form.ts';
import { NetgraphError } from '../graph/error.ts';
import type { Hook } from '../graph/node.ts';
import { command, ControlHalf, type NodeType, type Sender } from '../graph/type.ts';
import { PKT_LENGTH } from '../packet/packets.ts';
import { DataHalf, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone } from './lib/alone.ts';
import { LINK_IS_DOWN, LINK_IS_UP, tellPeer } from './lib/flow.ts';
import { statsCommands } from './lib/stats-commands.ts';

const MAX_LINKS = 64;
const XMIT_ROUND_ROBIN = 1;
const XMIT_ALL = 2;
const XMIT_FAILOVER = 3;
const FAIL_MANUAL = 1;
const FAIL_NOTIFY = 2;

const COUNTERS = ['recvOctets', 'recvPackets', 'xmitOctets', 'xmitPackets', 'memoryFailures'] as const;
const [RECV_OCTETS, RECV_PACKETS, XMIT_OCTETS, XMIT_PACKETS, MEMORY_FAILURES] = [0, 1, 2, 3, 4];

const config = struct({
  xmitAlg: uint32,
  failAlg: uint32,
  enabledLinks: array({ element: uint8, length: MAX_LINKS }),
});
const stats = struct({
  recvOctets: uint64,
  recvPackets: uint64,
  xmitOctets: uint64,
  xmitPackets: uint64,
  memoryFailures: uint64,
});

interface Config {
  xmitAlg: number;
  failAlg: number;
  enabledLinks: number[];
}

interface DataConfig {
  readonly xmitAlg: number;
  /** Hooks that are enabled, in the order of their numbers. */
  readonly active: readonly string[];
}

type Stats = Record<(typeof COUNTERS)[number], number>;
const NOTHING: Stats = { recvOctets: 0, recvPackets: 0, xmitOctets: 0, xmitPackets: 0, memoryFailures: 0 };

/** The number of a hook `manyN`, -1 for `one`; undefined for what is neither. */
function linkNumber(name: string): number | undefined {
  if (name === 'one') return -1;
  const digits = /^many(0|[1-9]\d?)$/.exec(name)?.[1];
  return digits !== undefined && Number(digits) < MAX_LINKS ? Number(digits) : undefined;
}

class One2manyControl extends ControlHalf {
  #xmitAlg = XMIT_ROUND_ROBIN;
  #failAlg = FAIL_MANUAL;
  /** By hook and not by number, so that one that comes back because a change is undone is as it was. */
  readonly #disabled: WeakSet<Hook> = new WeakSet();
  #up = false;

  override newHook({ name }: Hook): void {
    if (linkNumber(name) === undefined) {
      throw new NetgraphError('EINVAL', `a one2many has hooks one, many0 to many${MAX_LINKS - 1}, not '${name}'`);
    }
    this.node.reconfigure();
  }

  override connected(): void {
    this.#notify();
  }

  override disconnected(): void {
    this.node.reconfigure();
    this.#notify();
    endsAlone(this.node);
  }

  override config(): DataConfig {
    return { xmitAlg: this.#xmitAlg, active: this.#active() };
  }

  override received(name: string, _args: unknown, { hook }: Sender): void {
    if (name !== LINK_IS_UP && name !== LINK_IS_DOWN) {
      throw new NetgraphError('EINVAL', `nodes of type 'one2many' do not know the message '${name}'`);
    }
    if (this.#failAlg !== FAIL_NOTIFY || !hook || hook.name === 'one') return;
    if (name === LINK_IS_UP) this.#disabled.delete(hook);
    else this.#disabled.add(hook);
    this.node.reconfigure();
    this.#notify();
  }

  override save(): () => void {
    const before = [this.#xmitAlg, this.#failAlg] as const;
    const hooks = [...this.node.hooks.values()].map(hook => [hook, this.#disabled.has(hook)] as const);
    return () => {
      [this.#xmitAlg, this.#failAlg] = before;
      for (const [hook, disabled] of hooks) this.#disabled[disabled ? 'add' : 'delete'](hook);
      this.#notify();
    };
  }

  set({ xmitAlg, failAlg, enabledLinks }: Config): void {
    if (xmitAlg < XMIT_ROUND_ROBIN || xmitAlg > XMIT_FAILOVER) {
      throw new NetgraphError('EINVAL', `xmitAlg is 1 (in turn), 2 (all) or 3 (the first), not ${xmitAlg}`);
    }
    if (failAlg !== FAIL_MANUAL && failAlg !== FAIL_NOTIFY) {
      throw new NetgraphError('EINVAL', `failAlg is 1 (manual) or 2 (as links say), not ${failAlg}`);
    }
    this.#xmitAlg = xmitAlg;
    this.#failAlg = failAlg;
    // One that is not connected is enabled when it will be.
    for (const hook of this.node.hooks.values()) {
      if (hook.name === 'one') continue;
      if (enabledLinks[linkNumber(hook.name)!]) this.#disabled.delete(hook);
      else this.#disabled.add(hook);
    }
    this.node.reconfigure();
    this.#notify();
  }

  get(): Config {
    const enabledLinks = new Array<number>(MAX_LINKS).fill(0);
    for (const name of this.#active()) enabledLinks[linkNumber(name)!] = 1;
    return { xmitAlg: this.#xmitAlg, failAlg: this.#failAlg, enabledLinks };
  }

  stats(link: number, clear: boolean): Stats {
    if (link < -1 || link >= MAX_LINKS) {
      throw new NetgraphError('EINVAL', `a one2many has links 0 to ${MAX_LINKS - 1}, and -1 for one, not ${link}`);
    }
    const hook = this.node.hooks.get(link === -1 ? 'one' : `many${link}`);
    const counts = (hook?.counts() as Stats | undefined) ?? NOTHING;
    if (clear && hook) this.node.graph.clearCounts(hook);
    return counts;
  }

  #active(): string[] {
    return [...this.node.hooks.values()]
      .filter(hook => hook.name !== 'one' && !this.#disabled.has(hook))
      .map(hook => hook.name)
      .sort((a, b) => linkNumber(a)! - linkNumber(b)!);
  }

  /** Tells whoever is behind `one` when the first link comes up or the last goes down. */
  #notify(): void {
    const up = this.#active().length > 0;
    if (up === this.#up) return;
    this.#up = up;
    const one = this.node.hooks.get('one');
    if (one) tellPeer(one, up ? LINK_IS_UP : LINK_IS_DOWN);
  }
}

class One2manyData extends DataHalf<DataConfig> {
  #xmitAlg = XMIT_ROUND_ROBIN;
  #names: readonly string[] = [];
  #active: DataHook[] = [];
  #one: DataHook | undefined;
  #next = 0;

  override configure({ xmitAlg, active }: DataConfig): void {
    this.#xmitAlg = xmitAlg;
    this.#names = active;
    this.#find();
  }

  override hookAdded(): void {
    this.#find();
  }

  override hookRemoved(): void {
    this.#find();
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const { words } = this.node.packets;
    let octets = 0;
    for (let i = 0; i < count; i++) octets += words[handles[i]! + PKT_LENGTH]!;
    hook.counts[RECV_OCTETS] = hook.counts[RECV_OCTETS]! + octets;
    hook.counts[RECV_PACKETS] = hook.counts[RECV_PACKETS]! + count;
    const active = this.#active;
    const out = hook === this.#one ? active[0] : this.#one;
    if (out === undefined) {
      this.node.dropMany(handles, count, DROP.notConnected);
      return;
    }
    if (hook === this.#one) {
      if (this.#xmitAlg === XMIT_ROUND_ROBIN) {
        this.#inTurn(handles, count);
        return;
      }
      // The first has the packets themselves, the others copies.
      if (this.#xmitAlg === XMIT_ALL) for (let i = 1; i < active.length; i++) this.#copy(active[i]!, handles, count);
    }
    out.counts[XMIT_OCTETS] = out.counts[XMIT_OCTETS]! + octets;
    out.counts[XMIT_PACKETS] = out.counts[XMIT_PACKETS]! + count;
    out.sendMany(handles, count);
  }

  #inTurn(handles: Int32Array, count: number): void {
    const { words } = this.node.packets;
    const active = this.#active;
    let next = this.#next;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      if (next >= active.length) next = 0;
      const out = active[next++]!;
      out.counts[XMIT_OCTETS] = out.counts[XMIT_OCTETS]! + words[handle + PKT_LENGTH]!;
      out.counts[XMIT_PACKETS] = out.counts[XMIT_PACKETS]! + 1;
      out.send(handle);
    }
    this.#next = next;
  }

  #copy(out: DataHook, handles: Int32Array, count: number): void {
    const { packets } = this.node;
    const { words } = packets;
    for (let i = 0; i < count; i++) {
      const copy = packets.copy(handles[i]!);
      if (copy === 0) {
        out.counts[MEMORY_FAILURES] = out.counts[MEMORY_FAILURES]! + 1;
        this.node.miss(DROP.noPacket);
        continue;
      }
      out.counts[XMIT_OCTETS] = out.counts[XMIT_OCTETS]! + words[copy + PKT_LENGTH]!;
      out.counts[XMIT_PACKETS] = out.counts[XMIT_PACKETS]! + 1;
      out.send(copy);
    }
  }

  #find(): void {
    this.#one = this.node.hook('one');
    this.#active = this.#names.map(name => this.node.hook(name)).filter(hook => hook !== undefined);
  }
}

export const one2many: NodeType = {
  name: 'one2many',
  cookie: 1_100_897_444,
  messages: [
    command({ name: 'setconfig', cmd: 0, args: config, handle: (one: One2manyControl, args) => one.set(args) }),
    command({
      name: 'getconfig',
      cmd: 1 | NGM_READONLY,
      reply: config,
      handle: (one: One2manyControl) => one.get(),
    }),
    ...statsCommands({
      cmds: [2 | NGM_READONLY, 3, 4],
      args: int32,
      reply: stats,
      stats: (one: One2manyControl, said, clear) => one.stats(said, clear),
    }),
  ],
  control: One2manyControl,
  data: One2manyData,
  hookCounters: COUNTERS,
};
