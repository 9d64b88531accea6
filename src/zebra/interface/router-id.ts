// The router id of each VRF, as FRR chooses it (seen from outside): what is configured, else the highest IPv4 address of a
// loopback interface that is not in 127.0.0.0/8, else the highest of any interface; chosen anew with every change.
import { AF_INET, AF_INET6, type AddressWords, type Family, isLoopback, parseIp6 } from '../../net/index.ts';
import type { RouterIdFace } from '../face.ts';
import type { InterfaceAddress, Interfaces } from './interfaces.ts';

const NONE: AddressWords = [0, 0, 0, 0];

export class RouterId implements RouterIdFace {
  readonly #interfaces: Interfaces;
  readonly #listeners: Set<(vrf: number) => void> = new Set();
  #configured4: AddressWords | undefined;
  #configured6: AddressWords | undefined;
  #current: AddressWords = NONE;
  /** The highest of loopback interfaces, and of all. */
  #loopback = 0;
  #any = 0;

  constructor(interfaces: Interfaces) {
    this.#interfaces = interfaces;
    interfaces.listen({
      address: (one, address) => {
        const word = candidate(address);
        if (one.loopback) this.#loopback = Math.max(this.#loopback, word);
        this.#any = Math.max(this.#any, word);
        this.#choose();
      },
      addressGone: (_one, address) => {
        const word = candidate(address);
        if (word === 0 || (word !== this.#loopback && word !== this.#any)) return;
        this.#lookThrough();
        this.#choose();
      },
    });
  }

  get(_vrf: number, family: Family): AddressWords {
    if (family === AF_INET6) return this.#configured6 ?? NONE;
    return this.#current;
  }

  /** Configured, or undefined for the automatic choice. */
  configure(family: Family, words: AddressWords | undefined): void {
    if (family === AF_INET6) {
      this.#configured6 = words;
      for (const listener of this.#listeners) listener(0);
      return;
    }
    this.#configured4 = words;
    this.#choose();
  }

  get configured(): boolean {
    return this.#configured4 !== undefined;
  }

  listen(listener: (vrf: number) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #choose(): void {
    const best = this.#loopback || this.#any;
    const next = this.#configured4 ?? (best === 0 ? NONE : [best, 0, 0, 0]);
    if (next[0] === this.#current[0]) return;
    this.#current = next;
    for (const listener of this.#listeners) listener(0);
  }

  #lookThrough(): void {
    this.#loopback = 0;
    this.#any = 0;
    for (const one of this.#interfaces.list(0)) {
      for (const address of one.addresses) {
        const word = candidate(address);
        if (one.loopback) this.#loopback = Math.max(this.#loopback, word);
        this.#any = Math.max(this.#any, word);
      }
    }
  }
}

/** The address as a router id, 0 where it is none. */
function candidate({ family, local }: InterfaceAddress): number {
  return family !== AF_INET || isLoopback(family, local) ? 0 : local[0];
}

/** `X:X::X:X` of `ipv6 router-id`. */
export function parseRouterId6(text: string): AddressWords | undefined {
  return parseIp6(text);
}
