// Flows in columns: packets of one direction that share addresses, ports, protocol, type of service and input interface, counted until the
// flow is over; then it waits in a list for who exports it. The rules are those of FreeBSD's ng_netflow: over is what was idle for 15
// seconds, what has lasted 30 minutes, a TCP connection that says so, and a count that is about to overflow.
import { IPPROTO_TCP, IPPROTO_UDP, ip4HeaderLength, ip6Upper, read16, read32 } from './ip.ts';

/** Seconds. */
export const FLOW_ACTIVE_TIMEOUT = 1800;
export const FLOW_INACTIVE_TIMEOUT = 15;

/** `add`: the packet is cut short or malformed. */
export const FLOW_MALFORMED = -1;
/** `add`: all flows are in use; the packet is counted in `failed`. */
export const FLOW_FULL = -2;

const NONE = -1;
/** Seconds that the wheel sees ahead. */
const WHEEL = 512;
const OVERFLOW = 2 ** 32 - 65_536;
const FIN_OR_RST = 0x05;

export class FlowCache {
  // By flow. Addresses of IPv4 are in the first word, the others 0.
  readonly family: Uint8Array; // 4 or 6
  readonly source: Uint32Array; // four words each
  readonly destination: Uint32Array;
  readonly sourcePort: Uint16Array;
  readonly destinationPort: Uint16Array;
  readonly protocol: Uint8Array;
  readonly tos: Uint8Array;
  readonly input: Uint16Array;
  /** What routing says of the flow; who adds packets fills it in where `created` says so. */
  readonly nextHop: Uint32Array;
  readonly output: Uint16Array;
  readonly sourceMask: Uint8Array;
  readonly destinationMask: Uint8Array;
  readonly packets: Float64Array;
  readonly octets: Float64Array;
  /** Milliseconds of uptime. */
  readonly first: Float64Array;
  readonly last: Float64Array;
  readonly tcpFlags: Uint8Array;

  activeMs: number = FLOW_ACTIVE_TIMEOUT * 1000;
  inactiveMs: number = FLOW_INACTIVE_TIMEOUT * 1000;
  /** Whether the last `add` made a new flow. */
  created = false;
  /** Flows in the cache, those that wait to be exported included. */
  used = 0;
  /** Packets, and their bytes, that were counted; flows that were not made for lack of room; flows that ended, by why. */
  totalPackets = 0;
  totalOctets = 0;
  failed = 0;
  activeExpiries = 0;
  inactiveExpiries = 0;

  readonly #limit: number;
  readonly #heads: Int32Array;
  readonly #next: Int32Array; // in its hash chain, in the free list, or in the list of those that are over
  readonly #over: Uint8Array; // 0: runs; 1: is over; 2: and was released, but the wheel still has it; 3: the wheel has not
  readonly #wheel: Int32Array = new Int32Array(WHEEL).fill(NONE);
  readonly #wheelNext: Int32Array;
  readonly #mask: number;
  #free = 0;
  #overHead = NONE;
  #overTail = NONE;
  #second: number;
  // The key of the packet that is being added.
  readonly #key: Uint32Array = new Uint32Array(10);
  #family = 4;

  constructor(limit: number, uptimeMs: number) {
    if (!Number.isInteger(limit) || limit < 1 || limit > 2 ** 24) {
      throw new RangeError(`a flow cache has 1 to 16777216 flows, not ${limit}`);
    }
    let size = 16;
    while (size < limit) size *= 2;
    this.#limit = limit;
    this.family = new Uint8Array(limit);
    this.source = new Uint32Array(limit * 4);
    this.destination = new Uint32Array(limit * 4);
    this.sourcePort = new Uint16Array(limit);
    this.destinationPort = new Uint16Array(limit);
    this.protocol = new Uint8Array(limit);
    this.tos = new Uint8Array(limit);
    this.input = new Uint16Array(limit);
    this.nextHop = new Uint32Array(limit * 4);
    this.output = new Uint16Array(limit);
    this.sourceMask = new Uint8Array(limit);
    this.destinationMask = new Uint8Array(limit);
    this.packets = new Float64Array(limit);
    this.octets = new Float64Array(limit);
    this.first = new Float64Array(limit);
    this.last = new Float64Array(limit);
    this.tcpFlags = new Uint8Array(limit);
    this.#heads = new Int32Array(size).fill(NONE);
    this.#next = Int32Array.from({ length: limit }, (_, i) => (i + 1 < limit ? i + 1 : NONE));
    this.#over = new Uint8Array(limit);
    this.#wheelNext = new Int32Array(limit);
    this.#mask = size - 1;
    this.#second = Math.floor(uptimeMs / 1000);
  }

  get limit(): number {
    return this.#limit;
  }

  /** Whether a flow of this number is being counted. */
  runs(flow: number): boolean {
    return this.#over[flow] === 0 && this.packets[flow] !== 0;
  }

  /** Counts an IPv4 or IPv6 packet; returns its flow, or FLOW_…. */
  add(bytes: Uint8Array, offset: number, length: number, input: number, uptimeMs: number): number {
    this.created = false;
    if (length < 1) return FLOW_MALFORMED;
    const octets = bytes[offset]! >>> 4 === 6 ? this.#read6(bytes, offset, length) : this.#read4(bytes, offset, length);
    if (octets < 0) return FLOW_MALFORMED;
    const key = this.#key;
    const flags = key[9]! >>> 16;
    const head = this.#hash(input) & this.#mask;
    let flow = this.#heads[head]!;
    while (flow >= 0 && !this.#is(flow, input)) flow = this.#next[flow]!;
    this.totalPackets++;
    this.totalOctets += octets;
    if (flow < 0) {
      flow = this.#create(head, input, uptimeMs);
      if (flow < 0) return FLOW_FULL;
    }
    this.packets[flow]!++;
    this.octets[flow]! += octets;
    this.last[flow] = uptimeMs;
    this.tcpFlags[flow]! |= flags;
    const ends =
      (flags & FIN_OR_RST) !== 0 || uptimeMs - this.first[flow]! > this.activeMs || this.octets[flow]! >= OVERFLOW;
    // The packet that makes a flow never ends it.
    if (ends && !this.created) {
      this.activeExpiries++;
      this.#finish(flow, head);
    }
    return flow;
  }

  /** Ends flows that are idle or old; to be called about once a second. */
  expire(uptimeMs: number): void {
    const second = Math.floor(uptimeMs / 1000);
    if (second - this.#second > WHEEL) this.#second = second - WHEEL;
    while (this.#second < second) {
      const slot = ++this.#second & (WHEEL - 1);
      let flow = this.#wheel[slot]!;
      this.#wheel[slot] = NONE;
      while (flow >= 0) {
        const next = this.#wheelNext[flow]!;
        if (this.#over[flow] !== 0) {
          // It ended before the wheel came to it.
          if (this.#over[flow] === 2) this.#recycle(flow);
          else this.#over[flow] = 3;
        } else if (uptimeMs - this.last[flow]! > this.inactiveMs) {
          this.inactiveExpiries++;
          this.#finishOffWheel(flow);
        } else if (uptimeMs - this.first[flow]! > this.activeMs) {
          this.activeExpiries++;
          this.#finishOffWheel(flow);
        } else this.#schedule(flow);
        flow = next;
      }
    }
  }

  /** Ends all flows: at shutdown, before a last export. */
  flush(): void {
    for (let slot = 0; slot < WHEEL; slot++) {
      for (let flow = this.#wheel[slot]!; flow >= 0; flow = this.#wheelNext[flow]!) {
        if (this.#over[flow] === 0) this.#finish(flow, this.#headOf(flow));
      }
    }
  }

  /** The next flow that is over, oldest first, or -1. It is the caller's until `release`. */
  take(): number {
    const flow = this.#overHead;
    if (flow < 0) return NONE;
    this.#overHead = this.#next[flow]!;
    if (this.#overHead < 0) this.#overTail = NONE;
    return flow;
  }

  /** Gives a flow back that was taken. */
  release(flow: number): void {
    if (this.#over[flow] === 3) this.#recycle(flow);
    else this.#over[flow] = 2; // the wheel still has it
  }

  #read4(bytes: Uint8Array, offset: number, length: number): number {
    const header = ip4HeaderLength(bytes, offset, length);
    if (header < 0) return -1;
    const key = this.#key;
    key.fill(0);
    key[0] = read32(bytes, offset + 12);
    key[4] = read32(bytes, offset + 16);
    const total = read16(bytes, offset + 2);
    const later = (read16(bytes, offset + 6) & 0x1fff) !== 0;
    this.#readUpper(bytes, offset + header, later ? 0 : total - header, bytes[offset + 9]!, bytes[offset + 1]!, 4);
    return total;
  }

  #read6(bytes: Uint8Array, offset: number, length: number): number {
    const upper = ip6Upper(bytes, offset, length);
    if (upper === -1) return -1;
    const key = this.#key;
    for (let i = 0; i < 8; i++) key[i] = read32(bytes, offset + 8 + i * 4);
    const total = 40 + read16(bytes, offset + 4);
    const start = upper & 0xffff;
    const protocol = upper < 0 ? 44 : upper >>> 16;
    const tos = (read16(bytes, offset) >>> 4) & 255;
    this.#readUpper(bytes, offset + start, upper < 0 ? 0 : total - start, protocol, tos, 6);
    return total;
  }

  /** key[8]: ports; key[9]: TCP flags, family, type of service, protocol. */
  #readUpper(bytes: Uint8Array, upper: number, room: number, protocol: number, tos: number, family: number): void {
    const key = this.#key;
    const ports = (protocol === IPPROTO_TCP || protocol === IPPROTO_UDP) && room >= 4;
    const flags = protocol === IPPROTO_TCP && room >= 14 ? bytes[upper + 13]! : 0;
    key[8] = ports ? read32(bytes, upper) : 0;
    // Type of service 8 bits and protocol 8 bits below; the family is known by who compares.
    key[9] = (flags << 16) | (tos << 8) | protocol;
    this.#family = family;
  }

  #hash(input: number): number {
    const key = this.#key;
    return mix(
      key[0]! ^ key[1]! ^ Math.imul(key[2]!, 3) ^ Math.imul(key[3]!, 5),
      key[4]! ^ key[5]! ^ Math.imul(key[6]!, 3) ^ Math.imul(key[7]!, 5),
      key[8]!,
      (key[9]! & 0xffff) ^ (input << 16),
    );
  }

  #headOf(flow: number): number {
    const { source, destination } = this;
    const at = flow * 4;
    return (
      mix(
        source[at]! ^ source[at + 1]! ^ Math.imul(source[at + 2]!, 3) ^ Math.imul(source[at + 3]!, 5),
        destination[at]! ^
          destination[at + 1]! ^
          Math.imul(destination[at + 2]!, 3) ^
          Math.imul(destination[at + 3]!, 5),
        (this.sourcePort[flow]! << 16) | this.destinationPort[flow]!,
        ((this.tos[flow]! << 8) | this.protocol[flow]!) ^ (this.input[flow]! << 16),
      ) & this.#mask
    );
  }

  #is(flow: number, input: number): boolean {
    const key = this.#key;
    const { source, destination } = this;
    const at = flow * 4;
    return (
      source[at] === key[0] &&
      destination[at] === key[4] &&
      this.sourcePort[flow] === key[8]! >>> 16 &&
      this.destinationPort[flow] === (key[8]! & 0xffff) &&
      this.protocol[flow] === (key[9]! & 255) &&
      this.tos[flow] === ((key[9]! >>> 8) & 255) &&
      this.input[flow] === input &&
      this.family[flow] === this.#family &&
      source[at + 1] === key[1] &&
      source[at + 2] === key[2] &&
      source[at + 3] === key[3] &&
      destination[at + 1] === key[5] &&
      destination[at + 2] === key[6] &&
      destination[at + 3] === key[7]
    );
  }

  #create(head: number, input: number, uptimeMs: number): number {
    const flow = this.#free;
    if (flow < 0) {
      this.failed++;
      return NONE;
    }
    this.#free = this.#next[flow]!;
    this.used++;
    this.created = true;
    const key = this.#key;
    for (let i = 0; i < 4; i++) {
      this.source[flow * 4 + i] = key[i]!;
      this.destination[flow * 4 + i] = key[4 + i]!;
      this.nextHop[flow * 4 + i] = 0;
    }
    this.family[flow] = this.#family;
    this.sourcePort[flow] = key[8]! >>> 16;
    this.destinationPort[flow] = key[8]! & 0xffff;
    this.protocol[flow] = key[9]! & 255;
    this.tos[flow] = (key[9]! >>> 8) & 255;
    this.input[flow] = input;
    this.output[flow] = 0;
    this.sourceMask[flow] = 0;
    this.destinationMask[flow] = 0;
    this.packets[flow] = 0;
    this.octets[flow] = 0;
    this.first[flow] = uptimeMs;
    this.last[flow] = uptimeMs;
    this.tcpFlags[flow] = 0;
    this.#over[flow] = 0;
    this.#next[flow] = this.#heads[head]!;
    this.#heads[head] = flow;
    this.#schedule(flow);
    return flow;
  }

  /** Out of its hash chain, to the end of those that are over. */
  #finish(flow: number, head: number): void {
    const next = this.#next;
    if (this.#heads[head] === flow) this.#heads[head] = next[flow]!;
    else {
      let at = this.#heads[head]!;
      while (next[at] !== flow) at = next[at]!;
      next[at] = next[flow]!;
    }
    this.#over[flow] = 1;
    next[flow] = NONE;
    if (this.#overTail < 0) this.#overHead = flow;
    else next[this.#overTail] = flow;
    this.#overTail = flow;
  }

  #finishOffWheel(flow: number): void {
    this.#finish(flow, this.#headOf(flow));
    this.#over[flow] = 3;
  }

  #recycle(flow: number): void {
    this.#next[flow] = this.#free;
    this.#free = flow;
    this.used--;
  }

  /** To be looked at when it may be idle or old for the first time. */
  #schedule(flow: number): void {
    const due = Math.floor(Math.min(this.last[flow]! + this.inactiveMs, this.first[flow]! + this.activeMs) / 1000) + 1;
    const ahead = Math.max(1, Math.min(due - this.#second, WHEEL - 1));
    const slot = (this.#second + ahead) & (WHEEL - 1);
    this.#wheelNext[flow] = this.#wheel[slot]!;
    this.#wheel[slot] = flow;
  }
}

function mix(a: number, b: number, c: number, d: number): number {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b) ^ Math.imul(c, 0xc2b2ae35) ^ Math.imul(d, 0x27d4eb2f);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return h ^ (h >>> 13);
}
