// The router id of each VRF, as FRR chooses it (seen from outside): what is configured, else the highest IPv4 address of a
// loopback interface that is not in 127.0.0.0/8, else the highest of any interface; chosen anew with every change.
import { AF_INET, AF_INET6, type AddressWords, type Family, isLoopback, parseIp6 } from '../../net/index.ts';
import type { RouterIdFace } from '../face.ts';
import { VRF_DEFAULT, type Vrfs } from '../vrf.ts';
import type { InterfaceAddress, Interfaces } from './interfaces.ts';

const NONE: AddressWords = [0, 0, 0, 0];

/** Of one VRF. */
interface Choice {
  current: AddressWords;
  /** The highest of loopback interfaces, and of all. */
  loopback: number;
  any: number;
}

export class RouterId implements RouterIdFace {
  readonly #interfaces: Interfaces;
  readonly #listeners: Set<(vrf: number) => void> = new Set();
  readonly #byVrf: Map<number, Choice> = new Map();
  readonly #vrfs: Vrfs;
  /** By the name of the VRF, which may not be there yet, and family. */
  readonly #configured: Map<string, AddressWords> = new Map();

  constructor(interfaces: Interfaces, vrfs: Vrfs) {
    this.#interfaces = interfaces;
    this.#vrfs = vrfs;
    vrfs.listen({
      came: ({ id }) => this.#changed(id),
      renamed: ({ id }) => this.#changed(id),
      gone: ({ id }) => this.#byVrf.delete(id),
    });
    interfaces.listen({
      address: (one, address) => {
        const choice = this.#of(one.vrf);
        const word = candidate(address);
        if (one.loopback) choice.loopback = Math.max(choice.loopback, word);
        choice.any = Math.max(choice.any, word);
        this.#choose(one.vrf);
      },
      addressGone: (one, address) => {
        const { loopback, any } = this.#of(one.vrf);
        const word = candidate(address);
        if (word !== 0 && (word === loopback || word === any)) this.#lookThrough(one.vrf);
      },
      joined: (one, from) => {
        this.#lookThrough(from);
        this.#lookThrough(one.vrf);
      },
    });
  }

  get(vrf: number, family: Family): AddressWords {
    if (family === AF_INET6) return this.#configuredFor(vrf, family) ?? NONE;
    return this.#byVrf.get(vrf)?.current ?? NONE;
  }

  /** Configured for the VRF of this name, or undefined for the automatic choice. */
  configure(name: string, family: Family, words: AddressWords | undefined): void {
    const key = `${family} ${name}`;
    if (words === undefined) this.#configured.delete(key);
    else this.#configured.set(key, words);
    const vrf = this.#vrfs.named(name);
    if (vrf !== undefined) this.#changed(vrf.id);
  }

  /** What is configured of another one's VRFs is configured here. */
  take(other: RouterId): void {
    for (const [key, words] of other.#configured) this.#configured.set(key, words);
    for (const { id } of this.#vrfs.list()) this.#changed(id);
  }

  get configured(): boolean {
    return this.#configuredFor(VRF_DEFAULT, AF_INET) !== undefined;
  }

  #configuredFor(vrf: number, family: Family): AddressWords | undefined {
    return this.#configured.get(`${family} ${this.#vrfs.nameOf(vrf)}`);
  }

  /** Another one may be configured, because the lines changed or the VRF's name did. */
  #changed(vrf: number): void {
    this.#choose(vrf);
    for (const listener of this.#listeners) listener(vrf);
  }

  listen(listener: (vrf: number) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #of(vrf: number): Choice {
    let choice = this.#byVrf.get(vrf);
    if (choice === undefined) {
      choice = { current: NONE, loopback: 0, any: 0 };
      this.#byVrf.set(vrf, choice);
    }
    return choice;
  }

  #choose(vrf: number): void {
    const choice = this.#of(vrf);
    const best = choice.loopback || choice.any;
    const next = this.#configuredFor(vrf, AF_INET) ?? (best === 0 ? NONE : [best, 0, 0, 0]);
    if (next[0] === choice.current[0]) return;
    choice.current = next;
    for (const listener of this.#listeners) listener(vrf);
  }

  #lookThrough(vrf: number): void {
    const choice = this.#of(vrf);
    choice.loopback = 0;
    choice.any = 0;
    for (const one of this.#interfaces.list(vrf)) {
      for (const address of one.addresses) {
        const word = candidate(address);
        if (one.loopback) choice.loopback = Math.max(choice.loopback, word);
        choice.any = Math.max(choice.any, word);
      }
    }
    this.#choose(vrf);
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
