// ng_bridge(4): a learning bridge over its links. Where a host is, is learnt from what it sends; what is for a host goes out of its link,
// what is for many or for a host that nobody knows goes out of all others. A link `uplinkN` learns nothing and always gets what is for
// unknown hosts; where the first link is one, the links `linkN` do not get that.
//
// A host that comes in by another link before it has been `minStableAge` seconds by one means a loop: the link is muted for
// `loopTimeout` seconds.
//
// What is done to frames is in lib/bridge-data.ts.
import { formatMac, MAC_FULL, MAC_UNSTABLE, MacTable, macWords } from '../lib/mac-table.ts';
import { array, hookbuf, int32, mac, struct, uint16, uint32, uint64, uint8 } from '../message/form.ts';
import { NetgraphError } from '../graph/error.ts';
import type { Hook, Node } from '../graph/node.ts';
import { command, ControlHalf, type NodeType, type Sender } from '../graph/type.ts';
import { endsAlone } from './lib/alone.ts';
import { releaseAtEnd } from './lib/release.ts';
import { type BridgeConfig, BridgeData, type BridgeDataConfig, COUNTERS, Mutes } from './lib/bridge-data.ts';
import { statsCommands } from './lib/stats-commands.ts';

/** 49,152 hosts. Memory that no host was in is never touched. */
const SLOTS = 65_536;

const config = struct({ debugLevel: uint8, loopTimeout: uint32, maxStaleness: uint32, minStableAge: uint32 });
const stats = struct(
  Object.fromEntries(COUNTERS.map(name => [name, uint64])) as Record<(typeof COUNTERS)[number], typeof uint64>,
);
const table = struct({
  numHosts: uint32,
  hosts: array({
    element: struct({ addr: mac, hook: hookbuf, age: uint16, staleness: uint16 }),
    length: ({ numHosts }: { numHosts: number }) => numHosts,
  }),
});

interface Host {
  addr: string;
  hook: string;
  age: number;
  staleness: number;
}

interface Table {
  numHosts: number;
  hosts: Host[];
}

type Stats = Record<(typeof COUNTERS)[number], number>;

class BridgeControl extends ControlHalf {
  #config: BridgeConfig = { debugLevel: 1, loopTimeout: 60, maxStaleness: 15 * 60, minStableAge: 1 };
  #isPrivate = false;
  readonly #hosts: MacTable;
  readonly #mutes: Mutes;
  /** Numbers of the memory that was announced. */
  readonly #memory: { readonly hosts: number; readonly mutes: number };

  constructor(node: Node) {
    super(node);
    const hosts = MacTable.create(SLOTS);
    const mutes = Mutes.create();
    this.#hosts = new MacTable(hosts);
    this.#mutes = new Mutes(mutes);
    const { plane } = node.graph;
    this.#memory = { hosts: plane.announce(hosts), mutes: plane.announce(mutes) };
  }

  override config(): BridgeDataConfig {
    return { ...this.#config, ...this.#memory, isPrivate: this.#isPrivate };
  }

  override newHook({ name }: Hook): void {
    const digits = /^(?:link|uplink(?!0))(0|[1-9]\d{0,9})$/.exec(name)?.[1];
    if (digits === undefined || Number(digits) > 0xffff_ffff) {
      throw new NetgraphError('EINVAL', `a bridge has hooks link0, link1, … and uplink1, uplink2, …, not '${name}'`);
    }
  }

  override connected(hook: Hook): void {
    if (hook.peer!.node === this.node) {
      throw new NetgraphError('ELOOP', `link ${hook.name} of a bridge can not lead to the bridge itself`);
    }
    if (this.node.hooks.size > 1) return;
    this.#isPrivate = hook.name.startsWith('uplink');
    this.node.reconfigure();
  }

  override disconnected({ id }: Hook): void {
    // Workers may learn by the hook until they have heard that it is gone.
    this.node.graph.retire(() => void this.#forget(id));
    endsAlone(this.node);
  }

  override shutdown(): void {
    const { plane } = this.node.graph;
    releaseAtEnd(this.node, () => {
      plane.forget(this.#memory.hosts);
      plane.forget(this.#memory.mutes);
    });
  }

  override workerGone(worker: number): void {
    this.#hosts.release(worker);
  }

  /** A worker has found a loop. */
  override told(_worker: number, hook: unknown): void {
    if (this.#config.debugLevel < 2) return;
    this.node.graph.trouble(`bridge ${this.node.address} has a loop by its link ${String(hook)}, which is muted`);
  }

  override save(): () => void {
    const config = this.#config;
    return () => void (this.#config = config);
  }

  get(): BridgeConfig {
    return this.#config;
  }

  set(config: BridgeConfig): void {
    this.#config = { ...config };
    this.node.reconfigure();
  }

  reset(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.node.graph.onCommit(() => {
      this.#mutes.clear();
      Promise.resolve(this.#write(() => this.#hosts.clear())).then(resolve, reject);
    });
    for (const hook of this.node.hooks.values()) this.node.graph.clearCounts(hook);
    return promise;
  }

  /** Of a link; those with negative numbers are uplinks. */
  stats(link: number, clear: boolean): Stats {
    const name = link < 0 ? `uplink${-link}` : `link${link}`;
    const hook = this.node.hooks.get(name);
    if (!hook) throw new NetgraphError('ENOTCONN', `node ${this.node.address} has no hook '${name}'`);
    const counts = hook.counts() as Stats;
    if (clear) this.node.graph.clearCounts(hook);
    return counts;
  }

  list(): Table | Promise<Table> {
    return this.#write(() => this.#list());
  }

  #list(): Table {
    const names = new Map([...this.node.hooks.values()].map(hook => [hook.id, hook.name]));
    const { tick } = this.#hosts;
    const hosts: Host[] = [];
    for (const { low, high, value, born, seen } of this.#hosts.entries()) {
      const hook = names.get(value);
      if (hook === undefined) continue;
      const [age, staleness] = [tick - born, tick - seen].map(ticks => Math.min(Math.max(ticks, 0), 0xffff)) as [
        number,
        number,
      ];
      hosts.push({ addr: formatMac(low, high), hook, age, staleness });
    }
    return { numHosts: hosts.length, hosts };
  }

  /** Says where a host is. Without a hook's name, where the message came from. */
  move(addr: string, name: string, sender: Sender): void | Promise<void> {
    const hook = name === '' ? sender.hook : this.node.hooks.get(name);
    if (!hook || hook.node !== this.node) {
      throw new NetgraphError('ENOENT', `node ${this.node.address} has no hook '${name}'`);
    }
    return this.#write(() => this.#move(addr, hook));
  }

  #move(addr: string, hook: Hook): void {
    const { low, high } = macWords(addr);
    const { tick } = this.#hosts;
    const result = this.#hosts.put(low, high, hook.id, tick, this.#config.minStableAge);
    if (result === MAC_FULL) throw new NetgraphError('ENOBUFS', `${this.#hosts.count} hosts are known, which is all`);
    if (result === MAC_UNSTABLE) {
      this.#mutes.mute(hook.id, tick + this.#config.loopTimeout);
      throw new NetgraphError('ELOOP', `host ${addr} has been where it is for a moment only: ${hook.name} is muted`);
    }
  }

  async #forget(hook: number): Promise<void> {
    try {
      await this.#write(() => this.#hosts.forget(hook));
    } catch (error) {
      // The table went with its node.
      if (this.node.state === 'there') throw error;
    }
  }

  /** Has `fn` run when no worker writes in the table: at once, nearly always. Of one that dies at it this thread's loop hears, so nobody may
   *  wait here. */
  #write<T>(fn: () => T): T | Promise<T> {
    const { node } = this;
    if (node.state === 'gone') throw new NetgraphError('ESHUTDOWN', `node ${node.address} has ended`);
    if (!this.#hosts.lock()) return new Promise(resolve => setTimeout(resolve, 1)).then(() => this.#write(fn));
    try {
      return fn();
    } finally {
      this.#hosts.unlock();
    }
  }
}

export const bridge: NodeType = {
  name: 'bridge',
  cookie: 1_569_321_993,
  messages: [
    command({ name: 'setconfig', cmd: 1, args: config, handle: (bridge: BridgeControl, args) => bridge.set(args) }),
    command({
      name: 'getconfig',
      cmd: 2,
      reply: config,
      handle: (bridge: BridgeControl) => bridge.get(),
    }),
    command({ name: 'reset', cmd: 3, handle: (bridge: BridgeControl) => bridge.reset() }),
    ...statsCommands({
      cmds: [4, 5, 6],
      args: int32,
      reply: stats,
      stats: (bridge: BridgeControl, said, clear) => bridge.stats(said, clear),
    }),
    command({ name: 'gettable', cmd: 7, reply: table, handle: (bridge: BridgeControl) => bridge.list() }),
    command({ name: 'setpersistent', cmd: 8, handle: (bridge: BridgeControl) => void (bridge.node.persistent = true) }),
    command({
      name: 'movehost',
      cmd: 9,
      args: struct({ addr: mac, hook: hookbuf }),
      handle: (bridge: BridgeControl, { addr, hook }, sender) => bridge.move(addr, hook, sender),
    }),
  ],
  control: BridgeControl,
  data: BridgeData,
  hookCounters: COUNTERS,
};
