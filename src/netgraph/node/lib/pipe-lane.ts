// One way of a pipe. Packets wait in queues, one for all or one for each flow of IPv4 hosts, until the link has sent those before them;
// then they are on their way for the delay, and come out.
//
//    in ─▶ [ flow │ flow │ flow ] ── bandwidth ──▶ bit errors? ──▶ [ delay ] ─▶ out
//            the next is the first's head: first in first out, deficit round robin, or the one that would have been sent first
//
// Times are microseconds of the worker's clock. The moment at which the link is free again is kept, not the time that is left, so what a late
// timer loses is made up for.
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

interface Flow {
  readonly hash: number;
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
  readonly #delayed = new Ring();
  /** When each of them comes out. */
  readonly #due = new Ring();
  #freeUs = 0;
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

  receive(handle: number, nowUs: number): void {
    if (this.#queuedFrames === 0 && this.#freeUs < nowUs) this.#freeUs = nowUs;
    const length = this.#length(handle);
    const hash = this.#config.discipline === 'fifo' ? 0 : this.#hash(handle, length);
    let flow = this.#flowOf(hash);
    if (flow) flow.packets.push(handle);
    else {
      flow = { hash, packets: new Ring(), deficit: this.#config.quantum, virtual: 0 };
      flow.packets.push(handle);
      this.#insert(flow, length, nowUs, this.#flows.length + 1);
    }
    this.#queuedFrames++;
    this.#queuedOctets += length;
    if (this.#queuedFrames > this.#config.queuelen) this.#dropOne();
  }

  /** Does what is due; when something is next, in microseconds. */
  serve(out: DataHook | undefined, nowUs: number): number {
    while (this.#flows.length > 0 && this.#freeUs <= nowUs) this.#send(nowUs);
    while (this.#due.length > 0 && this.#due.at(0) <= nowUs) {
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
    const link = this.#flows.length > 0 ? this.#freeUs : Number.POSITIVE_INFINITY;
    return this.#due.length > 0 ? Math.min(link, this.#due.at(0)) : link;
  }

  /** Everything in it is dropped. */
  clear(): void {
    for (const { packets } of this.#flows) while (packets.length > 0) this.#node.drop(packets.shift(), DROP.removed);
    this.#flows.length = 0;
    while (this.#delayed.length > 0) this.#node.drop(this.#delayed.shift(), DROP.removed);
    this.#due.length = 0;
    this.#queuedFrames = 0;
    this.#queuedOctets = 0;
    this.#delayedOctets = 0;
  }

  /** The link takes one packet. */
  #send(nowUs: number): void {
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
    if (bandwidth > 0) this.#freeUs += (bits * 1e6) / bandwidth;
    if (flow.packets.length === 0) this.#flows.shift();
    else if (discipline === 'wfq') {
      this.#flows.shift();
      this.#insert(flow, this.#length(flow.packets.at(0)), nowUs, this.#flows.length + 1);
    }
    // Each bit is wrong by itself.
    const spoilt = ber > 0 && this.#random() >= Math.exp(bits * Math.log1p(-1 / ber));
    if (spoilt || (delaylen > 0 && this.#delayed.length >= delaylen)) {
      this.#tally(DELAY_DROP, length);
      this.#node.drop(handle, spoilt ? DROP.filtered : DROP.queueFull);
      return;
    }
    this.#delayed.push(handle);
    this.#due.push(this.#freeUs + this.#link.delay);
    this.#delayedOctets += length;
  }

  /** To the end, or of weighted fair queueing before those that would be sent later. */
  #insert(flow: Flow, length: number, nowUs: number, flows: number): void {
    const { discipline, bandwidth } = this.#config;
    if (discipline !== 'wfq' || bandwidth === 0) {
      this.#flows.push(flow);
      return;
    }
    flow.virtual = nowUs + ((length + this.#link.overhead) * flows * 8e6) / bandwidth;
    let at = this.#flows.length;
    while (at > 0 && this.#flows[at - 1]!.virtual > flow.virtual) at--;
    this.#flows.splice(at, 0, flow);
  }

  /** The longest flow pays. */
  #dropOne(): void {
    let longest = this.#flows[0]!;
    for (const flow of this.#flows) if (flow.packets.length > longest.packets.length) longest = flow;
    const handle = this.#config.drophead ? longest.packets.shift() : longest.packets.pop();
    const length = this.#length(handle);
    this.#queuedFrames--;
    this.#queuedOctets -= length;
    if (longest.packets.length === 0) this.#flows.splice(this.#flows.indexOf(longest), 1);
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

  #tally(pair: number, length: number): void {
    const { counts } = this.#node;
    const octets = this.#first + pair;
    counts[octets] = counts[octets]! + length;
    counts[octets + 1] = counts[octets + 1]! + 1;
  }
}
