// ng_checksum(4): writes the checksums of IPv4's header, TCP and UDP into what comes in by `in`, and sends it out of `out`, or back where
// there is no `out`. What comes in by `out` goes out of `in` untouched.
//
// FreeBSD's node can leave part of the work to a network card: `csum_offload` says which. No packet of ours goes to a card directly,
// so what would be left to it is computed here too, and the wire sees the same.
import { NetgraphError } from '../graph/error.ts';
import type { Hook } from '../graph/node.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { CHECK_OK, set4, set6, setIp4Checksum } from '../lib/checksum.ts';
import {
  ETHERTYPE_IP,
  ETHERTYPE_IPV6,
  IP6_MALFORMED,
  IPPROTO_TCP,
  IPPROTO_UDP,
  ip4HeaderLength,
  ip6Upper,
} from '../lib/ip.ts';
import { struct, uint64, uint8, type ValueOf } from '../message/form.ts';
import { PKT_DATA, PKT_LENGTH } from '../packet/packets.ts';
import { DataHalf, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone } from './lib/alone.ts';
import { checkDlt, DLT_EN10MB, DLT_RAW, ETHER_OTHER, etherPayload } from './lib/dlt.ts';
import { onlyHooks } from './lib/hook-of.ts';
import { statsCommands } from './lib/stats-commands.ts';

// sys/mbuf.h
const CSUM_IP = 0x0001;
const CSUM_IP_UDP = 0x0002;
const CSUM_IP_TCP = 0x0004;
const CSUM_IP6_UDP = 0x0200;
const CSUM_IP6_TCP = 0x0400;
const CSUM_IP4: number = CSUM_IP | CSUM_IP_UDP | CSUM_IP_TCP;
const CSUM_IP6: number = CSUM_IP6_UDP | CSUM_IP6_TCP;

const RECEIVED = 0;
const PROCESSED = 1;
const DROPPED = 2;

/** struct ng_checksum_config */
const settings = struct({ csum_flags: uint64, csum_offload: uint64 });
type Settings = ValueOf<typeof settings>;
/** struct ng_checksum_stats */
const stats = struct({ Received: uint64, Processed: uint64, Dropped: uint64 });
type Stats = ValueOf<typeof stats>;

interface ChecksumConfig {
  readonly dlt: number;
  readonly flags: number;
}

class ChecksumControl extends ControlHalf {
  dlt: number = DLT_RAW;
  settings: Settings = { csum_flags: 0, csum_offload: 0 };

  override newHook(hook: Hook): void {
    onlyHooks(hook, ['in', 'out']);
  }

  override disconnected(): void {
    endsAlone(this.node);
  }

  override config(): ChecksumConfig {
    return { dlt: this.dlt, flags: this.settings.csum_flags };
  }

  override save(): () => void {
    const before = [this.dlt, this.settings] as const;
    return () => void ([this.dlt, this.settings] = before);
  }

  setDlt(dlt: number): void {
    checkDlt(dlt);
    this.dlt = dlt;
    this.node.reconfigure();
  }

  set(to: Settings): void {
    for (const [name, flags] of Object.entries(to)) {
      // As numbers: flags may have more than 32 bits.
      const known = (flags % 0x1000) & (CSUM_IP4 | CSUM_IP6);
      if (flags !== known) throw new NetgraphError('EINVAL', `${name}=0x${flags.toString(16)} is more than 0x607`);
    }
    this.settings = to;
    this.node.reconfigure();
  }

  stats(clear: boolean): Stats {
    const { received, processed, dropped } = this.node.counts();
    if (clear) this.node.graph.clearCounts(this.node);
    return { Received: received!, Processed: processed!, Dropped: dropped! };
  }
}

class ChecksumData extends DataHalf<ChecksumConfig> {
  #in: DataHook | undefined;
  #out: DataHook | undefined;
  #dlt: number = DLT_RAW;
  #flags = 0;

  override configure({ dlt, flags }: ChecksumConfig): void {
    this.#dlt = dlt;
    this.#flags = flags;
  }

  override hookAdded(): void {
    this.#in = this.node.hook('in');
    this.#out = this.node.hook('out');
  }

  override hookRemoved(): void {
    this.hookAdded();
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const { counts } = this.node;
    counts[RECEIVED] = counts[RECEIVED]! + count;
    const inward = hook === this.#in;
    const to = inward ? (this.#out ?? this.#in) : this.#in;
    if (to === undefined) {
      counts[DROPPED] = counts[DROPPED]! + count;
      this.node.dropMany(handles, count, DROP.notConnected);
      return;
    }
    if (inward && this.#flags !== 0) counts[PROCESSED] = counts[PROCESSED]! + this.#process(handles, count);
    to.sendMany(handles, count);
  }

  /** How many had a checksum written. What is malformed goes on as it is. */
  #process(handles: Int32Array, count: number): number {
    const { words, bytes } = this.node.packets;
    const flags = this.#flags;
    const ether = this.#dlt === DLT_EN10MB;
    let processed = 0;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      let at = words[handle + PKT_DATA]!;
      let length = words[handle + PKT_LENGTH]!;
      let type = length > 0 ? (bytes[at]! >>> 4 === 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP) : 0;
      if (ether) {
        const payload = etherPayload(bytes, at, length);
        if (payload === ETHER_OTHER) continue;
        type = payload >>> 16;
        at += payload & 0xffff;
        length -= payload & 0xffff;
      }
      let wrote = false;
      if (type === ETHERTYPE_IP && (flags & CSUM_IP4) !== 0) wrote = write4(bytes, at, length, flags);
      else if (type === ETHERTYPE_IPV6 && (flags & CSUM_IP6) !== 0) wrote = write6(bytes, at, length, flags);
      if (wrote) processed++;
    }
    return processed;
  }
}

function write4(bytes: Uint8Array, at: number, length: number, flags: number): boolean {
  const header = ip4HeaderLength(bytes, at, length);
  if (header < 0) return false;
  let wrote = false;
  if ((flags & CSUM_IP) !== 0) {
    setIp4Checksum(bytes, at, header);
    wrote = true;
  }
  const protocol = bytes[at + 9]!;
  const wanted = protocol === IPPROTO_TCP ? CSUM_IP_TCP : protocol === IPPROTO_UDP ? CSUM_IP_UDP : 0;
  // A fragment's can not be computed: set4 leaves it.
  if ((flags & wanted) !== 0 && set4(bytes, at, length) === CHECK_OK) wrote = true;
  return wrote;
}

function write6(bytes: Uint8Array, at: number, length: number, flags: number): boolean {
  const upper = ip6Upper(bytes, at, length);
  if (upper <= IP6_MALFORMED) return false;
  const protocol = upper >>> 16;
  const wanted = protocol === IPPROTO_TCP ? CSUM_IP6_TCP : protocol === IPPROTO_UDP ? CSUM_IP6_UDP : 0;
  return (flags & wanted) !== 0 && set6(bytes, at, length) === CHECK_OK;
}

export const checksum: NodeType = {
  name: 'checksum',
  cookie: 439419912,
  messages: [
    command({
      name: 'getdlt',
      cmd: 1,
      reply: uint8,
      handle: (checksum: ChecksumControl) => checksum.dlt,
    }),
    command({
      name: 'setdlt',
      cmd: 2,
      args: uint8,
      handle: (checksum: ChecksumControl, dlt) => checksum.setDlt(dlt),
    }),
    command({
      name: 'getconfig',
      cmd: 3,
      reply: settings,
      handle: (checksum: ChecksumControl) => checksum.settings,
    }),
    command({
      name: 'setconfig',
      cmd: 4,
      args: settings,
      handle: (checksum: ChecksumControl, to) => checksum.set(to),
    }),
    ...statsCommands({
      cmds: [6, 7, 5],
      reply: stats,
      stats: (checksum: ChecksumControl, _args, clear) => checksum.stats(clear),
    }),
  ],
  control: ChecksumControl,
  data: ChecksumData,
  counters: ['received', 'processed', 'dropped'],
};
