// Which outer ports are taken, a bit each, by address and protocol: a free one is found by looking at words, not by trying ports, so a
// NAT that is full knows it in microseconds.
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from './ip.ts';

const WORDS = 2048;
const EVEN = 0x55555555;

export class NatPorts {
  readonly #taken: Int32Array;

  /** For so many addresses. */
  constructor(addresses: number) {
    this.#taken = new Int32Array(addresses * 3 * WORDS);
  }

  /**
   * A free port near `start`, or -1: below 1024 exactly where `port` is, and even exactly where it is, if that can be (RFC 4787
   * §4.2.2, REQ-3 (a), REQ-4). `keep`: `port` itself where it is free.
   */
  choose(address: number, protocol: number, port: number, start: number, keep: boolean): number {
    const base = baseOf(address, protocol);
    if (keep && !this.#isTaken(base, port)) return port;
    const parity = (port & 1) === 0 ? EVEN : ~EVEN;
    // An ICMP identifier is no port, and has neither range nor parity.
    if (protocol === IPPROTO_ICMP) return this.#scan(base, start, 0, WORDS, ~0);
    const first = port < 1024 ? 0 : 32;
    const end = port < 1024 ? 32 : WORDS;
    const found = this.#scan(base, start, first, end, parity);
    return found >= 0 ? found : this.#scan(base, start, first, end, ~parity);
  }

  take(address: number, protocol: number, port: number): void {
    this.#taken[baseOf(address, protocol) + (port >>> 5)]! |= 1 << (port & 31);
  }

  isTaken(address: number, protocol: number, port: number): boolean {
    return this.#isTaken(baseOf(address, protocol), port);
  }

  release(address: number, protocol: number, port: number): void {
    this.#taken[baseOf(address, protocol) + (port >>> 5)]! &= ~(1 << (port & 31));
  }

  #isTaken(base: number, port: number): boolean {
    return (this.#taken[base + (port >>> 5)]! & (1 << (port & 31))) !== 0;
  }

  /** A free port in these words that `allowed` has a bit for, from `start` round. */
  #scan(base: number, start: number, first: number, end: number, allowed: number): number {
    const count = end - first;
    const offset = (start >>> 5) % count;
    for (let i = 0; i < count; i++) {
      const word = first + ((offset + i) % count);
      // Port 0 is nobody's.
      let free = ~this.#taken[base + word]! & allowed & (word === 0 ? ~1 : ~0);
      if (free === 0) continue;
      const rest = free & (~0 << (start & 31));
      if (rest !== 0) free = rest;
      return word * 32 + (31 - Math.clz32(free & -free));
    }
    return -1;
  }
}

/** Whether a protocol has what is counted here. */
export function hasPorts(protocol: number): boolean {
  return protocol === IPPROTO_TCP || protocol === IPPROTO_UDP || protocol === IPPROTO_ICMP;
}

function baseOf(address: number, protocol: number): number {
  return (address * 3 + (protocol === IPPROTO_TCP ? 0 : protocol === IPPROTO_UDP ? 1 : 2)) * WORDS;
}
