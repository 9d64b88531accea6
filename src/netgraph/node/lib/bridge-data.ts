// What a bridge does to frames, in every worker at once: all of them learn in one table of hosts and mute in one of links, both in shared
// memory. The first worker counts the seconds there and forgets who was not heard of.
import { load, store, words } from '../../../concurrency/index.ts';
import { MAC_DONE, MAC_FULL, MAC_UNSTABLE, MacTable } from '../../lib/mac-table.ts';
import { PKT_DATA, PKT_LENGTH } from '../../packet/packets.ts';
import { type DataContext, DataHalf, DROP } from '../../worker/half.ts';
import type { DataHook } from '../../worker/node.ts';

/** Muted links, by the hook's number modulo this: the hook, and the tick when it ends. Of two that meet the later one is muted. */
const MUTES = 1024;
const HEADER_BYTES = 14;
const UPLINK = 1;

/** Of each link. */
export const COUNTERS = [
  'recvOctets',
  'recvPackets',
  'recvMulticast',
  'recvBroadcast',
  'recvUnknown',
  'recvRunts',
  'recvInvalid',
  'xmitOctets',
  'xmitPackets',
  'xmitMulticasts',
  'xmitBroadcasts',
  'loopDrops',
  'loopDetects',
  'memoryFailures',
] as const;
const RECV_OCTETS = 0;
const RECV_PACKETS = 1;
/** Broadcasts are the next, here and of what is sent. */
const RECV_MULTICAST = 2;
const RECV_UNKNOWN = 4;
const RECV_RUNTS = 5;
const RECV_INVALID = 6;
const XMIT_OCTETS = 7;
const XMIT_PACKETS = 8;
const XMIT_MULTICASTS = 9;
const LOOP_DROPS = 11;
const LOOP_DETECTS = 12;
const MEMORY_FAILURES = 13;

/** Kinds of destinations, in the order of the counters. */
const UNICAST = -1;
const MULTICAST = 0;
const BROADCAST = 1;

export interface BridgeConfig {
  /** 2: loops are said. */
  debugLevel: number;
  /** Seconds, all three. */
  loopTimeout: number;
  maxStaleness: number;
  minStableAge: number;
}

export interface BridgeDataConfig extends BridgeConfig {
  /** Numbers of announced memory. */
  readonly hosts: number;
  readonly mutes: number;
  /** Links do not get what is for unknown hosts. */
  readonly isPrivate: boolean;
}

/** Links that are muted. */
export class Mutes {
  readonly #words: Int32Array;

  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(MUTES * 8);
  }

  constructor(memory: SharedArrayBuffer) {
    this.#words = words(memory, 0, MUTES * 2);
  }

  isMuted(hook: number, tick: number): boolean {
    const at = (hook & (MUTES - 1)) * 2;
    return load(this.#words, at + 1) > tick && load(this.#words, at) === hook;
  }

  mute(hook: number, until: number): void {
    const at = (hook & (MUTES - 1)) * 2;
    store(this.#words, at, hook);
    store(this.#words, at + 1, Math.min(until, 0x7fff_ffff));
  }

  clear(): void {
    for (let i = 0; i < MUTES * 2; i++) store(this.#words, i, 0);
  }
}

export class BridgeData extends DataHalf<BridgeDataConfig> {
  #hosts: MacTable | undefined;
  #mutes: Mutes | undefined;
  #loopTimeout = 0;
  #maxStaleness = 0;
  #minStableAge = 0;
  #isPrivate = false;
  readonly #links: Map<number, DataHook> = new Map();
  /** The next packet finds them anew: there may be thousands of changes before it. */
  #stale = true;
  /** What is for unknown hosts goes there. */
  #unknown: DataHook[] = [];

  constructor(node: DataContext) {
    super(node);
    if (node.worker === 0) this.due = node.now() + 1000;
  }

  override configure(config: BridgeDataConfig): void {
    this.#hosts ??= new MacTable(this.node.memory(config.hosts), this.node.worker);
    this.#mutes ??= new Mutes(this.node.memory(config.mutes));
    this.#loopTimeout = config.loopTimeout;
    this.#maxStaleness = config.maxStaleness;
    this.#minStableAge = config.minStableAge;
    this.#isPrivate = config.isPrivate;
    this.#stale = true;
  }

  override hookAdded(hook: DataHook): void {
    if (hook.name.startsWith('uplink')) hook.role = UPLINK;
    this.#links.set(hook.id, hook);
    this.#stale = true;
  }

  override hookRemoved({ id }: DataHook): void {
    this.#links.delete(id);
    this.#stale = true;
  }

  /** A second is over. */
  override timer(now: number): void {
    const hosts = this.#hosts!;
    const tick = hosts.tick + 1;
    hosts.tick = tick;
    hosts.expire(tick, this.#maxStaleness);
    this.due = now + 1000;
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    if (this.#stale) this.#find();
    const { words, bytes } = this.node.packets;
    const { id, counts } = hook;
    const hosts = this.#hosts!;
    const links = this.#links;
    const { tick } = hosts;
    let muted = this.#mutes!.isMuted(id, tick);
    // Most of a vector is for one host.
    let last = 0;
    let lastLink: DataHook | undefined;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const at = words[handle + PKT_DATA]!;
      const length = words[handle + PKT_LENGTH]!;
      if (length < HEADER_BYTES) {
        counts[RECV_RUNTS] = counts[RECV_RUNTS]! + 1;
        this.node.drop(handle, DROP.malformed);
        continue;
      }
      if ((bytes[at + 6]! & 1) !== 0) {
        counts[RECV_INVALID] = counts[RECV_INVALID]! + 1;
        this.node.drop(handle, DROP.malformed);
        continue;
      }
      if (muted) {
        counts[LOOP_DROPS] = counts[LOOP_DROPS]! + 1;
        this.node.drop(handle, DROP.loop);
        continue;
      }
      counts[RECV_OCTETS] = counts[RECV_OCTETS]! + length;
      counts[RECV_PACKETS] = counts[RECV_PACKETS]! + 1;

      const source = bytes[at + 6]! | (bytes[at + 7]! << 8) | (bytes[at + 8]! << 16) | (bytes[at + 9]! << 24);
      const sourceHigh = bytes[at + 10]! | (bytes[at + 11]! << 8);
      const known = hosts.find(source, sourceHigh);
      if (known < 0) {
        if (hook.role !== UPLINK && hosts.learn(source, sourceHigh, id, tick) === MAC_FULL) {
          counts[MEMORY_FAILURES] = counts[MEMORY_FAILURES]! + 1;
        }
      } else {
        hosts.touch(known, tick);
        if (hosts.value !== id && !this.#moved(hook, source, sourceHigh, tick)) {
          counts[LOOP_DROPS] = counts[LOOP_DROPS]! + 1;
          this.node.drop(handle, DROP.loop);
          muted = this.#mutes!.isMuted(id, tick);
          continue;
        }
      }

      const low = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      const high = bytes[at + 4]! | (bytes[at + 5]! << 8);
      if ((low & 1) !== 0) {
        const cast = low === -1 && high === 0xffff ? BROADCAST : MULTICAST;
        counts[RECV_MULTICAST + cast] = counts[RECV_MULTICAST + cast]! + 1;
        this.#sendAll(hook, handle, length, cast);
        continue;
      }
      if (hosts.find(low, high) >= 0) {
        const { value } = hosts;
        if (value === id) {
          // It has got there without us.
          this.node.drop(handle, DROP.filtered);
          continue;
        }
        if (value !== last) {
          last = value;
          lastLink = links.get(value);
        }
        if (lastLink !== undefined) {
          this.#send(lastLink, handle, length, UNICAST);
          continue;
        }
      }
      counts[RECV_UNKNOWN] = counts[RECV_UNKNOWN]! + 1;
      this.#sendAll(hook, handle, length, UNICAST);
    }
  }

  /** A host that `find` has just found by another link; false where its packet is to go nowhere. */
  #moved(hook: DataHook, low: number, high: number, tick: number): boolean {
    const hosts = this.#hosts!;
    // Where the other link is gone, the host did not jump.
    const minAge = this.#links.has(hosts.value) ? this.#minStableAge : 0;
    const age = tick - hosts.born;
    const result = hosts.move(low, high, hook.id, tick, minAge);
    if (result === MAC_DONE) return true;
    if (result === MAC_UNSTABLE) {
      hook.counts[LOOP_DETECTS] = hook.counts[LOOP_DETECTS]! + 1;
      this.#mutes!.mute(hook.id, tick + this.#loopTimeout);
      this.node.tell(hook.name);
      return false;
    }
    return age >= minAge;
  }

  #send(out: DataHook, handle: number, length: number, cast: number): void {
    const { counts } = out;
    counts[XMIT_OCTETS] = counts[XMIT_OCTETS]! + length;
    counts[XMIT_PACKETS] = counts[XMIT_PACKETS]! + 1;
    if (cast !== UNICAST) counts[XMIT_MULTICASTS + cast] = counts[XMIT_MULTICASTS + cast]! + 1;
    out.send(handle);
  }

  /** To all other links: the last gets the packet itself. */
  #sendAll(from: DataHook, handle: number, length: number, cast: number): void {
    const { packets } = this.node;
    const outs = cast === UNICAST ? this.#unknown : (this.node.hooks as DataHook[]);
    const last = outs[outs.length - 1] === from ? outs.length - 2 : outs.length - 1;
    if (last < 0) {
      this.node.drop(handle, DROP.notConnected);
      return;
    }
    for (let i = 0; i < last; i++) {
      const out = outs[i]!;
      if (out === from) continue;
      const copy = packets.copy(handle);
      if (copy === 0) {
        from.counts[MEMORY_FAILURES] = from.counts[MEMORY_FAILURES]! + 1;
        this.node.miss(DROP.noPacket);
        break;
      }
      this.#send(out, copy, length, cast);
    }
    this.#send(outs[last]!, handle, length, cast);
  }

  #find(): void {
    this.#stale = false;
    this.#unknown = this.node.hooks.filter(hook => !this.#isPrivate || hook.role === UPLINK);
  }
}
