// The interfaces that sessions run over: told by zebra, or, where a speaker runs without one, asked of the system.
import { networkInterfaces } from 'node:os';
import {
  AF_INET,
  type AddressWords,
  addressBits,
  containsAddress,
  equalWords,
  type Family,
  isLinkLocal6,
  isLoopback,
  maskWords,
  type Prefix,
  parseInterfaceAddress,
} from '../net/index.ts';

/** Addresses with their lengths, host bits kept: one that comes or goes costs the same among ten thousand. */
export class Addresses {
  readonly #byText: Map<string, Prefix> = new Map();

  add(address: Prefix): void {
    this.#byText.set(keyOf(address), address);
  }

  delete(address: Prefix): void {
    this.#byText.delete(keyOf(address));
  }

  [Symbol.iterator](): MapIterator<Prefix> {
    return this.#byText.values();
  }
}

function keyOf({ family, words, length }: Prefix): string {
  return family === AF_INET ? `${words[0]}/${length}` : `${words.join(':')}/${length}`;
}

export interface BgpInterface {
  readonly ifindex: number;
  name: string;
  up: boolean;
  readonly addresses: Addresses;
}

export class Interfaces {
  readonly #byIndex: Map<number, BgpInterface> = new Map();

  /** What the system says now; interface indices are known for those with an IPv6 link-local address only. */
  static ofSystem(read: typeof networkInterfaces = networkInterfaces): Interfaces {
    const all = new Interfaces();
    let unknown = -1;
    for (const [name, addresses] of Object.entries(read())) {
      const scoped = addresses?.find(address => address.family === 'IPv6' && (address.scopeid ?? 0) > 0);
      const one = all.set(scoped?.family === 'IPv6' ? (scoped.scopeid ?? unknown--) : unknown--, name, true);
      for (const { cidr } of addresses ?? []) {
        const address = cidr === null ? undefined : parseInterfaceAddress(cidr);
        if (address !== undefined) one.addresses.add(address);
      }
    }
    return all;
  }

  values(): IterableIterator<BgpInterface> {
    return this.#byIndex.values();
  }

  get(ifindex: number): BgpInterface | undefined {
    return this.#byIndex.get(ifindex);
  }

  named(name: string): BgpInterface | undefined {
    for (const one of this.#byIndex.values()) if (one.name === name) return one;
    return undefined;
  }

  set(ifindex: number, name: string, up: boolean): BgpInterface {
    let one = this.#byIndex.get(ifindex);
    if (one === undefined) {
      one = { ifindex, name, up, addresses: new Addresses() };
      this.#byIndex.set(ifindex, one);
    }
    one.name = name;
    one.up = up;
    return one;
  }

  remove(ifindex: number): void {
    this.#byIndex.delete(ifindex);
  }

  clear(): void {
    this.#byIndex.clear();
  }

  /** The interface that has this address itself. */
  owner(family: Family, words: AddressWords): BgpInterface | undefined {
    for (const one of this.#byIndex.values()) {
      for (const own of one.addresses) if (own.family === family && equalWords(own.words, words)) return one;
    }
    return undefined;
  }

  /** The interface, up, one of whose networks holds the address, and that network. */
  connected(family: Family, words: AddressWords): { on: BgpInterface; network: Prefix } | undefined {
    let best: { on: BgpInterface; network: Prefix } | undefined;
    for (const on of this.#byIndex.values()) {
      if (!on.up) continue;
      for (const own of on.addresses) {
        if (!containsAddress(own, family, words)) continue;
        if (best !== undefined && best.network.length >= own.length) continue;
        best = { on, network: { family, words: maskWords(own.words, own.length), length: own.length } };
      }
    }
    return best;
  }
}

/** An interface's address of a family: global or link-local for IPv6. */
export function addressOf(one: BgpInterface, family: Family, linkLocal = false): AddressWords | undefined {
  for (const { family: has, words } of one.addresses) {
    // Nobody is reached from 127.0.0.1 or ::1, which stand first on lo.
    if (has !== family || isLoopback(family, words)) continue;
    if (family === AF_INET || isLinkLocal6(words) === linkLocal) return words;
  }
  return undefined;
}

/** A host route of the address. */
export function hostPrefix(family: Family, words: AddressWords): Prefix {
  return { family, words, length: addressBits(family) };
}
