// One way of a pipe. Packets wait in queues, one for all or one for each flow of IPv4 hosts, until the link has sent those before them;
// then they are on their way for the delay, and come out.
//
//    in ─▶ [ flow │ flow │ flow ] ── bandwidth ──▶ bit errors? ──▶ [ delay ] ─▶ out
//            the next is the first's head: first in first out, deficit round robin, or the one that would have been sent first
//
// Times are milliseconds of the worker's clock, as timers are asked for: one that is called at its time finds that time come, to the last bit.
// The moment at which the link is free again is kept, not the time that is left, so what a late timer loses is made up for.
//
// A link that is as good as none has packets go by it in whole vectors. On others a flow that ends is kept for the next one: no object
// is made for a packet (but numbers that the engine boxes still are).
import { read32 } from '../../lib/ip.ts';
import { PKT_DATA, PKT_LENGTH } from '../../packet/packets.ts';
import { type DataContext, DROP } from '../../worker/half.ts';
import type { DataHook } from '../../worker/node.ts';

export interface LaneConfig {
  /** Bits a second; 0: as many as come. */
  readonly bandwidth: number;
  /** Bits to one that is wrong; 0: none is. */
  readonly ber: number;
  /** Packets that wait for the link, and that are on their way (0: any number). */
  readonly queuelen: number;
  readonly delaylen: number;
  /** Percent that come twice. */
  readonly duplicate: number;
  readonly discipline: 'fifo' | 'drr' | 'wfq';
  /** Bytes that a flow may send in its turn, of deficit round robin. */
  readonly quantum: number;
  readonly drophead: boolean;
}

export interface LinkConfig {
  /** Microseconds. */
  readonly delay: number;
  /** Bytes before the IPv4 header, for who tells flows apart. */
  readonly headerOffset: number;
  /** Bytes that the link adds to each packet. */
  readonly overhead: number;
}

/** Of a lane's counters. */
export const LANE_COUNTERS: readonly string[] = [
  'FwdOctets',
  'FwdFrames',
  'queueDropOctets',
  'queueDropFrames',
  'delayDropOctets',
  'delayDropFrames',
];
const FORWARDED = 0;
const QUEUE_DROP = 2;
const DELAY_DROP = 4;

export interface LaneRun {
  readonly queues: number;
  readonly queuedOctets: number;
  readonly queuedFrames: number;
  readonly delayedOctets: number;
  readonly delayedFrames: number;
}

/** A ring of numbers that grows. */
class Ring {
  length = 0;
  #items: Float64Array = new Float64Array(16);
  #head = 0;

  at(index: number): number {
    return this.#items[(this.#head + index) & (this.#items.length - 1)]!;
  }

  push(item: number): void {
    if (this.length === this.#items.length) {
      const larger = new Float64Array(2 * this.length);
      for (let i = 0; i < this.length; i++) larger[i] = this.at(i);
      this.#items = larger;
      this.#head = 0;
    }
    this.#items[(this.#head + this.length++) & (this.#items.length - 1)] = item;
  }

  shift(): number {
    const item = this.at(0);
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.length--;
    return item;
  }

  pop(): number {
    return this.at(--this.length);
  }
}

/** Flows that are kept for others to come. */
const SPARE_FLOWS = 64;

interface Flow {
  hash: number;
  readonly packets: Ring;
  deficit: number;
  /** When its head would have been sent if every flow had its part of the link. */
  virtual: number;
}

export class Lane {
  readonly #node: DataContext;
  readonly #first: number;
  readonly #random: () => number;
  #config: LaneConfig;
  #link: LinkConfig;
  /** In the order in which they are served. */
  readonly #flows: Flow[] = [];
  readonly #spare: Flow[] = [];
  readonly #delayed = new Ring();
  /** When each of them comes out. */
  readonly #due = new Ring();
  #free = 0;
  #queuedFrames = 0;
  #queuedOctets = 0;
  #delayedOctets = 0;

  /** `first`: where its counters begin. */
  constructor(node: DataContext, first: number, config: LaneConfig, link: LinkConfig, random: () => number) {
    this.#node = node;
    this.#first = first;
    this.#config = config;
    this.#link = link;
    this.#random = random;
  }

  configure(config: LaneConfig, link: LinkConfig): void {
    // Who waits by flow, waits on by flow; new ones go by the new rule.
    this.#config = config;
    this.#link = link;
  }

  get run(): LaneRun {
    return {
      queues: this.#flows.length,
      queuedOctets: this.#queuedOctets,
      queuedFrames: this.#queuedFrames,
      delayedOctets: this.#delayedOctets,
      delayedFrames: this.#delayed.length,
    };
  }

  /** Nothing is to be done to packets, and nobody waits before them. */
  get straight(): boolean {
    const { bandwidth, ber, duplicate } = this.#config;
    if (bandwidth > 0 || ber > 0 || duplicate > 0 || this.#link.delay > 0) return false;
    return this.#queuedFrames === 0 && this.#delayed.length === 0;
  }

  /** Sends on what is being received, where the lane is `straight`. */
  pass(handles: Int32Array, count: number, out: DataHook | undefined): void {
    const { words } = this.#node.packets;
    let octets = 0;
    for (let i = 0; i < count; i++) octets += words[handles[i]! + PKT_LENGTH]!;
    this.#tally(out ? FORWARDED : DELAY_DROP, octets, count);
    if (out) out.pass(count);
    else this.#node.dropMany(handles, count, DROP.notConnected);
  }

  receive(handle: number, now: number): void {
    if (this.#queuedFrames === 0 && this.#free < now) this.#free = now;
    const length = this.#length(handle);
    const hash = this.#config.discipline === 'fifo' ? 0 : this.#hash(handle, length);
    const flow = this.#flowOf(hash);
    if (flow) flow.packets.push(handle);
    else this.#begin(hash, handle, length, now);
    this.#queuedFrames++;
    this.#queuedOctets += length;
    if (this.#queuedFrames > this.#config.queuelen) this.#dropOne();
  }

  /** Does what is due; when something is next. */
  serve(out: DataHook | undefined, now: number): number {
    while (this.#flows.length > 0 && this.#free <= now) this.#send(now);
    while (this.#due.length > 0 && this.#due.at(0) <= now) {
      this.#due.shift();
      const handle = this.#delayed.shift();
      const length = this.#length(handle);
      this.#delayedOctets -= length;
      if (out) {
        this.#tally(FORWARDED, length);
        out.send(handle);
      } else {
        this.#tally(DELAY_DROP, length);
        this.#node.drop(handle, DROP.notConnected);
      }
    }
    const link = this.#flows.length > 0 ? this.#free : Number.POSITIVE_INFINITY;
    return this.#due.length > 0 ? Math.min(link, this.#due.at(0)) : link;
  }

  /** Everything in it is dropped. */
  clear(): void {
    while (this.#flows.length > 0) {
      const { packets } = this.#flows[0]!;
      while (packets.length > 0) this.#node.drop(packets.shift(), DROP.removed);
      this.#end(0);
    }
    while (this.#delayed.length > 0) this.#node.drop(this.#delayed.shift(), DROP.removed);
    this.#due.length = 0;
    this.#queuedFrames = 0;
    this.#queuedOctets = 0;
    this.#delayedOctets = 0;
  }

  /** The link takes one packet. */
  #send(now: number): void {
    const { discipline, quantum, bandwidth, duplicate, ber, delaylen } = this.#config;
    const flow = this.#flows[0]!;
    const head = flow.packets.at(0);
    const length = this.#length(head);
    if (discipline === 'drr') {
      if (flow.deficit < length) {
        flow.deficit += quantum;
        this.#flows.push(this.#flows.shift()!);
        return;
      }
      flow.deficit -= length;
    }
    let handle = head;
    const twin = duplicate > 0 && this.#random() * 100 < duplicate ? this.#node.packets.copy(head) : 0;
    if (twin !== 0) handle = twin;
    else {
      flow.packets.shift();
      this.#queuedFrames--;
      this.#queuedOctets -= length;
    }
    const bits = 8 * (length + this.#link.overhead);
    if (bandwidth > 0) this.#free += (bits * 1e3) / bandwidth;
    if (flow.packets.length === 0) this.#end(0);
    else if (discipline === 'wfq') {
      this.#flows.shift();
      this.#insert(flow, this.#length(flow.packets.at(0)), now, this.#flows.length + 1);
    }
    // Each bit is wrong by itself.
    const spoilt = ber > 0 && this.#random() >= Math.exp(bits * Math.log1p(-1 / ber));
    if (spoilt || (delaylen > 0 && this.#delayed.length >= delaylen)) {
      this.#tally(DELAY_DROP, length);
      this.#node.drop(handle, spoilt ? DROP.filtered : DROP.queueFull);
      return;
    }
    this.#delayed.push(handle);
    this.#due.push(this.#free + this.#link.delay / 1000);
    this.#delayedOctets += length;
  }

  /** To the end, or of weighted fair queueing before those that would be sent later. */
  #insert(flow: Flow, length: number, now: number, flows: number): void {
    const { discipline, bandwidth } = this.#config;
    if (discipline !== 'wfq' || bandwidth === 0) {
      this.#flows.push(flow);
      return;
    }
    flow.virtual = now + ((length + this.#link.overhead) * flows * 8e3) / bandwidth;
    const all = this.#flows;
    let at = all.length;
    all.push(flow);
    for (; at > 0 && all[at - 1]!.virtual > flow.virtual; at--) all[at] = all[at - 1]!;
    all[at] = flow;
  }

  #begin(hash: number, handle: number, length: number, now: number): void {
    const flow = this.#spare.pop() ?? { hash, packets: new Ring(), deficit: 0, virtual: 0 };
    flow.hash = hash;
    flow.deficit = this.#config.quantum;
    flow.packets.push(handle);
    this.#insert(flow, length, now, this.#flows.length + 1);
  }

  /** The flow at this place has no packets any more. */
  #end(at: number): void {
    const all = this.#flows;
    const flow = all[at]!;
    all.copyWithin(at, at + 1);
    all.length--;
    if (this.#spare.length < SPARE_FLOWS) this.#spare.push(flow);
  }

  /** The longest flow pays. */
  #dropOne(): void {
    const all = this.#flows;
    let at = 0;
    for (let i = 1; i < all.length; i++) if (all[i]!.packets.length > all[at]!.packets.length) at = i;
    const longest = all[at]!;
    const handle = this.#config.drophead ? longest.packets.shift() : longest.packets.pop();
    const length = this.#length(handle);
    this.#queuedFrames--;
    this.#queuedOctets -= length;
    if (longest.packets.length === 0) this.#end(at);
    this.#tally(QUEUE_DROP, length);
    this.#node.drop(handle, DROP.queueFull);
  }

  #flowOf(hash: number): Flow | undefined {
    const flows = this.#flows;
    for (let i = 0; i < flows.length; i++) if (flows[i]!.hash === hash) return flows[i];
    return undefined;
  }

  /** Flows are pairs of IPv4 hosts; all else is one. */
  #hash(handle: number, length: number): number {
    const { headerOffset } = this.#link;
    const { words, bytes } = this.#node.packets;
    const at = words[handle + PKT_DATA]! + headerOffset;
    if (length < headerOffset + 20 || bytes[at] !== 0x45) return 0;
    const source = read32(bytes, at + 12);
    const destination = read32(bytes, at + 16);
    return (Math.imul(source, 0x9e3779b1) ^ Math.imul(destination, 0x85ebca6b)) >>> 0;
  }

  #length(handle: number): number {
    return this.#node.packets.words[handle + PKT_LENGTH]!;
  }

  #tally(pair: number, length: number, frames = 1): void {
    const { counts } = this.#node;
    const octets = this.#first + pair;
    counts[octets] = counts[octets]! + length;
    counts[octets + 1] = counts[octets + 1]! + frames;
  }
}
