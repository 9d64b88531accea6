// What a netflow node does in its worker: counts what passes into flows, and once a second sends those that are over as datagrams.
import { FLOW_FULL, FlowCache } from '../../lib/flow-cache.ts';
import { ETHERTYPE_IP, ETHERTYPE_IPV6 } from '../../lib/ip.ts';
import { Netflow5Exporter, Netflow9Exporter } from '../../lib/netflow.ts';
import {
  PKT_COUNTED_BITS,
  PKT_COUNTED_SHIFT,
  PKT_DATA,
  PKT_FLAGS,
  PKT_INTERFACE,
  PKT_LENGTH,
} from '../../packet/packets.ts';
import { type DataContext, DataHalf, DROP } from '../../worker/half.ts';
import type { DataHook } from '../../worker/node.ts';
import { answer, isQuestion } from './ask.ts';
import { DLT_EN10MB, ETHER_OTHER, etherPayload } from './dlt.ts';
import { flowPage } from './netflow-show.ts';
import { WallClock } from './wall-clock.ts';

/** In an interface's conf. */
export const CONF_INGRESS = 1;
export const CONF_EGRESS = 2;
/** What a node of this kind has counted is not counted again: any, or this one. */
export const CONF_ONCE = 4;
export const CONF_THIS_ONCE = 8;

/** Flows that a node knows at once at most. */
const FLOWS = 65_536;
const EXPORT_MS = 1000;
/** Of IPv6 and UDP, which an MTU includes and a datagram of ours does not. */
export const EXPORT_HEADERS = 48;

export interface Interface {
  readonly dlt: number;
  /** 0: what the packet says. */
  readonly index: number;
  readonly conf: number;
}

export interface NetflowConfig {
  readonly interfaces: ReadonlyMap<number, Interface>;
  readonly inactive: number;
  readonly active: number;
  readonly templateSeconds: number;
  readonly templatePackets: number;
  readonly mtu: number;
  /** Set in the flags of packets that are to be counted once. */
  readonly mark: number;
}

export type NetflowQuestion = 'state' | { readonly family: 4 | 6; readonly first: number };

export interface NetflowState {
  readonly used4: number;
  readonly used6: number;
  readonly failed: number;
  readonly activeExpiries: number;
  readonly inactiveExpiries: number;
}

export const NETFLOW_COUNTERS = [
  'bytes4',
  'packets4',
  'bytes6',
  'packets6',
  'skippedBytes4',
  'skippedPackets4',
  'skippedBytes6',
  'skippedPackets6',
  'failed5',
  'failed9',
] as const;
const BYTES4 = 0;
const BYTES6 = 2;
const SKIPPED = 4;
const FAILED5 = 8;
const FAILED9 = 9;

/** That any netflow has counted the packet. */
const COUNTED: number = ((1 << PKT_COUNTED_BITS) - 1) << PKT_COUNTED_SHIFT;

/** What a hook of packets has. */
class Side {
  out: DataHook | undefined = undefined;
  /** In the flags of a packet: one that has any of these is not counted, one that is counted gets them. */
  seen = 0;
  mark = 0;
  counts = false;
  ether = true;
  index = 0;
}

export class NetflowData extends DataHalf<NetflowConfig> {
  readonly #flows: FlowCache;
  readonly #wall: WallClock;
  readonly #start: number;
  readonly #five: Netflow5Exporter = new Netflow5Exporter();
  readonly #nine: Netflow9Exporter;
  #interfaces: ReadonlyMap<number, Interface> = new Map();
  #export: DataHook | undefined;
  #export9: DataHook | undefined;
  #used6 = 0;
  #mark = 0;

  constructor(node: DataContext) {
    super(node);
    this.#start = node.now();
    this.#wall = new WallClock(this.#start);
    this.#flows = new FlowCache(FLOWS, 0);
    this.#nine = new Netflow9Exporter(node.id, Math.min(node.packets.maxBytes, 65_507));
    this.due = this.#start + EXPORT_MS;
  }

  /** The next packet finds the hooks anew: there may be thousands of changes before it. */
  #stale = true;

  override configure(config: NetflowConfig): void {
    this.#flows.inactiveMs = config.inactive * 1000;
    this.#flows.activeMs = config.active * 1000;
    this.#nine.templateSeconds = config.templateSeconds;
    this.#nine.templatePackets = config.templatePackets;
    // What lies there already may be longer than the new MTU: it goes first.
    this.#finish9();
    this.#nine.limit = Math.min(config.mtu - EXPORT_HEADERS, this.#nine.buffer.length);
    this.#interfaces = config.interfaces;
    this.#mark = config.mark;
    this.#find();
  }

  override hookAdded(): void {
    this.#find();
  }

  override hookRemoved(): void {
    this.#find();
  }

  override heard(value: unknown): boolean {
    if (!isQuestion<NetflowQuestion>(value)) return true;
    if (value.question !== 'state') {
      return answer(this.node, value, flowPage(this.#flows, value.question.family, value.question.first));
    }
    const { used, failed, activeExpiries, inactiveExpiries } = this.#flows;
    const used6 = this.#used6;
    const state: NetflowState = { used4: used - used6, used6, failed, activeExpiries, inactiveExpiries };
    return answer(this.node, value, state);
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    if (this.#stale) this.#findSides();
    const side = hook.state as Side | undefined;
    if (side === undefined) {
      // An export hook: nothing is to come from there.
      this.node.dropMany(handles, count, DROP.filtered);
      return;
    }
    hook.counts[0] = hook.counts[0]! + count;
    if (side.counts) this.#count(side, handles, count);
    if (side.out !== undefined) side.out.sendMany(handles, count);
    // Whoever only wants to be told, by a tee, leaves the other hook away.
    else this.node.packets.releaseMany(handles, count);
  }

  override timer(now: number): void {
    const flows = this.#flows;
    const uptime = now - this.#start;
    flows.expire(uptime);
    for (let flow = flows.take(); flow >= 0; flow = flows.take()) {
      if (flows.family[flow] === 6) this.#used6--;
      if (this.#export !== undefined) {
        if (this.#five.full) this.#finish5();
        this.#five.add(flows, flow);
      }
      if (this.#export9 !== undefined && !this.#nine.add(flows, flow, uptime)) {
        this.#finish9();
        this.#nine.add(flows, flow, uptime);
      }
      flows.release(flow);
    }
    this.#finish5();
    this.#finish9();
    this.due = now + EXPORT_MS;
  }

  #count(side: Side, handles: Int32Array, count: number): void {
    const { words, bytes } = this.node.packets;
    const { counts } = this.node;
    const flows = this.#flows;
    const { ether, index, seen, mark } = side;
    const uptime = this.node.now() - this.#start;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      let at = words[handle + PKT_DATA]!;
      let length = words[handle + PKT_LENGTH]!;
      const flags = words[handle + PKT_FLAGS]!;
      if ((flags & seen) !== 0) continue;
      words[handle + PKT_FLAGS] = flags | mark;
      if (ether) {
        const payload = etherPayload(bytes, at, length);
        if (payload === ETHER_OTHER) continue;
        const type = payload >>> 16;
        if (type !== ETHERTYPE_IP && type !== ETHERTYPE_IPV6) continue;
        at += payload & 0xffff;
        length -= payload & 0xffff;
      }
      const octets = flows.totalOctets;
      const flow = flows.add(bytes, at, length, index === 0 ? words[handle + PKT_INTERFACE]! & 0xffff : index, uptime);
      if (flow < 0 && flow !== FLOW_FULL) continue;
      const six = bytes[at]! >>> 4 === 6;
      if (six && flows.created) this.#used6++;
      const where = (six ? BYTES6 : BYTES4) + (flow < 0 ? SKIPPED : 0);
      counts[where] = counts[where]! + flows.totalOctets - octets;
      counts[where + 1] = counts[where + 1]! + 1;
    }
  }

  #finish5(): void {
    const now = this.node.now();
    const length = this.#five.finish(now - this.#start, this.#wall.at(now));
    if (length > 0) this.#send(this.#export, this.#five.buffer, length, FAILED5);
  }

  #finish9(): void {
    const now = this.node.now();
    const length = this.#nine.finish(now - this.#start, this.#wall.at(now));
    if (length > 0) this.#send(this.#export9, this.#nine.buffer, length, FAILED9);
  }

  #send(hook: DataHook | undefined, datagram: Uint8Array, length: number, failed: number): void {
    const { packets, counts } = this.node;
    const handle = hook === undefined ? 0 : packets.from(datagram.subarray(0, length));
    if (handle === 0) counts[failed] = counts[failed]! + 1;
    else hook!.send(handle);
  }

  #find(): void {
    this.#export = this.node.hook('export');
    this.#export9 = this.node.hook('export9');
    this.#stale = true;
  }

  #findSides(): void {
    this.#stale = false;
    for (const hook of this.node.hooks) {
      const name = /^(iface|out)(\d+)$/.exec(hook.name);
      if (!name) continue;
      const inward = name[1] === 'iface';
      const side = (hook.state ??= new Side()) as Side;
      const about = this.#interfaces.get(Number(name[2]));
      side.out = this.node.hook((inward ? 'out' : 'iface') + name[2]!);
      side.counts = about !== undefined && (about.conf & (inward ? CONF_INGRESS : CONF_EGRESS)) !== 0;
      const once = about !== undefined && (about.conf & CONF_ONCE) !== 0;
      side.mark = once || (about !== undefined && (about.conf & CONF_THIS_ONCE) !== 0) ? this.#mark : 0;
      side.seen = once ? COUNTED : side.mark;
      side.ether = about?.dlt === DLT_EN10MB;
      side.index = about?.index ?? 0;
    }
  }
}
