// ng_vlan(4): IEEE 802.1Q tags. A frame that comes in by `downstream` with a tag of a configured VLAN goes out of the VLAN's hook without it;
// any other goes out of `nomatch`, as it is. What comes in by a VLAN's hook gets its tag and goes downstream; by `nomatch` it goes as it is.
//
// A tag is in the frame, or beside it where the device took it off (PKT_VLAN). `setdecap` has tags of unknown VLANs put beside their
// frames, `setencap` says from which hooks tags go into frames; else they stay or are put beside them.
import { array, hookbuf, struct, uint16, uint32, uint8 } from '../message/form.ts';
import { NetgraphError } from '../graph/error.ts';
import type { Hook } from '../graph/node.ts';
import { command, ControlHalf, type NodeType, type Sender } from '../graph/type.ts';
import { PKT_DATA, PKT_FLAG_VLAN, PKT_FLAGS, PKT_LENGTH, PKT_VLAN } from '../packet/packets.ts';
import { DataHalf, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone } from './lib/alone.ts';
import { LINK_IS_DOWN, LINK_IS_UP, tellPeer } from './lib/flow.ts';
import { hookOf } from './lib/hook-of.ts';

const HEADER_BYTES = 14;
const TAG_BYTES = 4;
const VLANS = 4096;
const ENCAP_FROM_FILTER = 1;
const ENCAP_FROM_NOMATCH = 2;

const filter = struct({ hook: hookbuf, vlan: uint16, vid: uint16, pcp: uint8, cfi: uint8 });
const table = struct({ n: uint32, filter: array({ element: filter, length: ({ n }: { n: number }) => n }) });

interface Filter {
  hook: string;
  /** The old name of `vid`. */
  vlan: number;
  vid: number;
  pcp: number;
  cfi: number;
}

interface Config {
  readonly decap: boolean;
  readonly encap: number;
  /** Ethertype of tags. */
  readonly protocol: number;
  /** Numbers of hooks, and the TCI of each: the whole table, as small as can be. */
  readonly hooks: Int32Array;
  readonly tcis: Int32Array;
}

class VlanControl extends ControlHalf {
  decap = 0;
  encap = ENCAP_FROM_FILTER;
  protocol = 0x8100;
  /** By VLAN. Those whose hook is gone count no more. */
  #filters: Map<number, { readonly hook: Hook; readonly tci: number }> = new Map();
  #vids: Map<Hook, number> = new Map();

  override disconnected(): void {
    this.node.reconfigure();
    endsAlone(this.node);
  }

  override config(): Config {
    const live = [...this.#filters.values()].filter(({ hook }) => this.#isThere(hook));
    return {
      decap: this.decap !== 0,
      encap: this.encap,
      protocol: this.protocol,
      hooks: Int32Array.from(live, ({ hook }) => hook.id),
      tcis: Int32Array.from(live, ({ tci }) => tci),
    };
  }

  override save(): () => void {
    const before = [this.decap, this.encap, this.protocol, new Map(this.#filters), new Map(this.#vids)] as const;
    return () => void ([this.decap, this.encap, this.protocol, this.#filters, this.#vids] = before);
  }

  /** How the link below is, its VLANs are. */
  override received(name: string, _args: unknown, { hook }: Sender): void {
    if (name !== LINK_IS_UP && name !== LINK_IS_DOWN) {
      throw new NetgraphError('EINVAL', `nodes of type 'vlan' do not know the message '${name}'`);
    }
    if (hook?.name !== 'downstream') return;
    for (const { hook: out } of this.#filters.values()) if (this.#isThere(out)) tellPeer(out, name);
  }

  add({ hook: name, vlan, vid: given, pcp, cfi }: Filter): void {
    if (given !== 0 && vlan !== 0 && given !== vlan) {
      throw new NetgraphError('EINVAL', `vlan=${vlan} and vid=${given} are two names of one number`);
    }
    const vid = checkVid(given === 0 ? vlan : given);
    if (pcp > 7) throw new NetgraphError('EINVAL', `a PCP is 0 to 7, not ${pcp}`);
    if (cfi > 1) throw new NetgraphError('EINVAL', `a CFI is 0 or 1, not ${cfi}`);
    const hook = hookOf(this.node, name);
    if (name === 'downstream' || name === 'nomatch') {
      throw new NetgraphError('EINVAL', `hook '${name}' can not be a VLAN's`);
    }
    const other = this.#vids.get(hook);
    if (other !== undefined) throw new NetgraphError('EEXIST', `hook '${name}' is VLAN ${other}'s already`);
    const before = this.#filters.get(vid)?.hook;
    if (before && this.#isThere(before)) {
      throw new NetgraphError('EEXIST', `VLAN ${vid} has hook '${before.name}' already`);
    }
    if (this.#filters.has(vid)) this.#vids.delete(this.#filters.get(vid)!.hook);
    this.#vids.set(hook, vid);
    this.#filters.set(vid, { hook, tci: (pcp << 13) | (cfi << 12) | vid });
    this.node.reconfigure();
  }

  removeHook(name: string): void {
    const hook = hookOf(this.node, name);
    const vid = this.#vids.get(hook);
    if (vid === undefined) throw new NetgraphError('ENOENT', `hook '${name}' is no VLAN's`);
    this.#vids.delete(hook);
    this.#filters.delete(vid);
    this.node.reconfigure();
  }

  removeVlan(vid: number): void {
    const filter = this.#filters.get(checkVid(vid));
    if (!filter || !this.#isThere(filter.hook)) throw new NetgraphError('ENOENT', `VLAN ${vid} has no hook`);
    this.removeHook(filter.hook.name);
  }

  list(): { n: number; filter: Filter[] } {
    const filters = [...this.#filters]
      .filter(([, { hook }]) => this.#isThere(hook))
      .sort(([a], [b]) => a - b)
      .map(([vid, { hook, tci }]) => ({ hook: hook.name, vlan: vid, vid, pcp: tci >> 13, cfi: (tci >> 12) & 1 }));
    return { n: filters.length, filter: filters };
  }

  setDecap(decap: number): void {
    this.decap = decap;
    this.node.reconfigure();
  }

  setEncap(encap: number): void {
    if ((encap & ~(ENCAP_FROM_FILTER | ENCAP_FROM_NOMATCH)) !== 0) {
      throw new NetgraphError('EINVAL', `encap is 1 (from filters), 2 (from nomatch), 3 or 0, not ${encap}`);
    }
    this.encap = encap;
    this.node.reconfigure();
  }

  setProtocol(protocol: number): void {
    this.protocol = protocol;
    this.node.reconfigure();
  }

  #isThere(hook: Hook): boolean {
    return this.node.hooks.get(hook.name) === hook;
  }
}

function checkVid(vid: number): number {
  if (vid >= VLANS) throw new NetgraphError('EINVAL', `a VLAN is 0 to ${VLANS - 1}, not ${vid}`);
  return vid;
}

class VlanData extends DataHalf<Config> {
  #config: Config | undefined;
  readonly #hooks: Map<number, DataHook> = new Map();
  /** By VLAN. */
  readonly #outs: (DataHook | undefined)[] = new Array<DataHook | undefined>(VLANS).fill(undefined);
  #downstream: DataHook | undefined;
  #nomatch: DataHook | undefined;
  #decap = false;
  #encap = 0;
  #protocol = 0;
  /** The hooks are to be found anew: by the next packet, for there may be thousands of changes before it. */
  #stale = true;

  override configure(config: Config): void {
    this.#config = config;
    this.#decap = config.decap;
    this.#encap = config.encap;
    this.#protocol = config.protocol;
    this.#stale = true;
  }

  override hookAdded(hook: DataHook): void {
    this.#hooks.set(hook.id, hook);
    this.#stale = true;
  }

  override hookRemoved({ id }: DataHook): void {
    this.#hooks.delete(id);
    this.#stale = true;
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    if (this.#stale) this.#find();
    if (hook === this.#downstream) this.#up(handles, count);
    else if (this.#downstream === undefined) this.node.dropMany(handles, count, DROP.notConnected);
    else this.#down(hook, this.#downstream, handles, count);
  }

  #up(handles: Int32Array, count: number): void {
    const { words, bytes } = this.node.packets;
    const outs = this.#outs;
    const nomatch = this.#nomatch;
    const protocol = this.#protocol;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const length = words[handle + PKT_LENGTH]!;
      if (length < HEADER_BYTES) {
        this.node.drop(handle, DROP.malformed);
        continue;
      }
      const at = words[handle + PKT_DATA]!;
      let out = nomatch;
      if ((words[handle + PKT_FLAGS]! & PKT_FLAG_VLAN) !== 0) {
        const vlan = outs[words[handle + PKT_VLAN]! & (VLANS - 1)];
        if (vlan !== undefined) {
          out = vlan;
          words[handle + PKT_FLAGS] = words[handle + PKT_FLAGS]! & ~PKT_FLAG_VLAN;
        }
      } else if (((bytes[at + 12]! << 8) | bytes[at + 13]!) === protocol) {
        if (length < HEADER_BYTES + TAG_BYTES) {
          this.node.drop(handle, DROP.malformed);
          continue;
        }
        const tci = (bytes[at + 14]! << 8) | bytes[at + 15]!;
        const vlan = outs[tci & (VLANS - 1)];
        if (vlan !== undefined) {
          out = vlan;
          this.#untag(handle, at);
        } else if (this.#decap) {
          words[handle + PKT_VLAN] = tci;
          words[handle + PKT_FLAGS] = words[handle + PKT_FLAGS]! | PKT_FLAG_VLAN;
          this.#untag(handle, at);
        }
      }
      if (out === undefined) this.node.drop(handle, DROP.notConnected);
      else out.send(handle);
    }
  }

  #down(hook: DataHook, out: DataHook, handles: Int32Array, count: number): void {
    const { words } = this.node.packets;
    const fromNomatch = hook === this.#nomatch;
    // One more than its TCI, 0 where it is no VLAN's.
    const tag = hook.role - 1;
    const inside = (this.#encap & (fromNomatch ? ENCAP_FROM_NOMATCH : ENCAP_FROM_FILTER)) !== 0;
    if (!fromNomatch && tag < 0) {
      this.node.dropMany(handles, count, DROP.filtered);
      return;
    }
    let good = 0;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      if (words[handle + PKT_LENGTH]! < HEADER_BYTES) {
        this.node.drop(handle, DROP.malformed);
        continue;
      }
      let tci = tag;
      if (fromNomatch) {
        tci = inside && (words[handle + PKT_FLAGS]! & PKT_FLAG_VLAN) !== 0 ? words[handle + PKT_VLAN]! : -1;
        if (tci >= 0) words[handle + PKT_FLAGS] = words[handle + PKT_FLAGS]! & ~PKT_FLAG_VLAN;
      } else if (!inside) {
        words[handle + PKT_VLAN] = tci;
        words[handle + PKT_FLAGS] = words[handle + PKT_FLAGS]! | PKT_FLAG_VLAN;
        tci = -1;
      }
      if (tci >= 0 && !this.#tag(handle, tci)) {
        this.node.drop(handle, DROP.tooBig);
        continue;
      }
      handles[good++] = handle;
    }
    out.sendMany(handles, good);
  }

  /** Takes the tag out: the addresses move up to what follows it. */
  #untag(handle: number, at: number): void {
    const { packets } = this.node;
    const { bytes } = packets;
    for (let i = at + 11; i >= at; i--) bytes[i + TAG_BYTES] = bytes[i]!;
    packets.strip(handle, TAG_BYTES);
  }

  /** Puts a tag in: the addresses move forward. False where there is no room in front. */
  #tag(handle: number, tci: number): boolean {
    const { packets } = this.node;
    if (!packets.prepend(handle, TAG_BYTES)) return false;
    const { bytes } = packets;
    const at = packets.words[handle + PKT_DATA]!;
    for (let i = at; i < at + 12; i++) bytes[i] = bytes[i + TAG_BYTES]!;
    bytes[at + 12] = this.#protocol >> 8;
    bytes[at + 13] = this.#protocol;
    bytes[at + 14] = tci >> 8;
    bytes[at + 15] = tci;
    return true;
  }

  #find(): void {
    this.#stale = false;
    this.#downstream = this.node.hook('downstream');
    this.#nomatch = this.node.hook('nomatch');
    for (const hook of this.#hooks.values()) hook.role = 0;
    this.#outs.fill(undefined);
    const config = this.#config;
    if (!config) return;
    config.hooks.forEach((id, i) => {
      const hook = this.#hooks.get(id);
      if (!hook) return;
      const tci = config.tcis[i]!;
      hook.role = tci + 1;
      this.#outs[tci & (VLANS - 1)] = hook;
    });
  }
}

export const vlan: NodeType = {
  name: 'vlan',
  cookie: 1_068_486_472,
  messages: [
    command({ name: 'addfilter', cmd: 1, args: filter, handle: (vlan: VlanControl, args) => vlan.add(args) }),
    command({ name: 'delfilter', cmd: 2, args: hookbuf, handle: (vlan: VlanControl, hook) => vlan.removeHook(hook) }),
    command({ name: 'gettable', cmd: 3, reply: table, handle: (vlan: VlanControl) => vlan.list() }),
    command({ name: 'delvidflt', cmd: 4, args: uint16, handle: (vlan: VlanControl, vid) => vlan.removeVlan(vid) }),
    command({ name: 'getdecap', cmd: 5, reply: uint32, handle: (vlan: VlanControl) => vlan.decap }),
    command({ name: 'setdecap', cmd: 6, args: uint32, handle: (vlan: VlanControl, decap) => vlan.setDecap(decap) }),
    command({ name: 'getencap', cmd: 7, reply: uint32, handle: (vlan: VlanControl) => vlan.encap }),
    command({ name: 'setencap', cmd: 8, args: uint32, handle: (vlan: VlanControl, encap) => vlan.setEncap(encap) }),
    command({ name: 'getencapproto', cmd: 9, reply: uint16, handle: (vlan: VlanControl) => vlan.protocol }),
    command({
      name: 'setencapproto',
      cmd: 10,
      args: uint16,
      handle: (vlan: VlanControl, protocol) => vlan.setProtocol(protocol),
    }),
  ],
  control: VlanControl,
  data: VlanData,
};
