// What the configuration wants of interfaces, by name, because an interface may come later than its lines. It is compared
// with what the kernel says whenever either changes: addresses are added and removed and links set down or up through the
// plane; descriptions are ours alone. Lines of a VRF that is a network namespace wait for that, too: `attach` and `detach`.
import { AF_INET, equalWords, formatPrefix, type Prefix } from '../../net/index.ts';
import type { Plane } from '../plane.ts';
import { IFF_UP, type Interface, type Interfaces } from './interfaces.ts';

interface Wanted {
  description: string;
  readonly addresses: Map<string, Prefix>;
  /** undefined: the configuration says nothing, so the link is left as it is. */
  shutdown: boolean | undefined;
  /** Labelled packets are taken (`mpls enable`); undefined: as it is. */
  labels: boolean | undefined;
}

/** Whose interfaces they are. */
export interface InterfaceHost {
  readonly plane: Pick<Plane, 'address' | 'linkFlags'>;
  readonly interfaces: Interfaces;
  /** Whether labelled packets are taken, which the kernel is told by a file. Throws what the file system says. */
  setLabelInput(name: string, on: boolean): void;
  log(text: string): void;
}

export class InterfaceConfig {
  #host: InterfaceHost | undefined;
  readonly #wanted: Map<string, Wanted> = new Map();

  /** It is these interfaces that are meant. */
  attach(host: InterfaceHost): void {
    this.#host = host;
    for (const name of this.#wanted.keys()) {
      const one = host.interfaces.byName(name);
      if (one !== undefined) this.interfaceCame(one);
    }
  }

  detach(): void {
    this.#host = undefined;
  }

  /** Whether addresses and links can be changed from here, as far as that is known. */
  get able(): boolean {
    const plane = this.#host?.plane;
    return plane === undefined || (plane.address !== undefined && plane.linkFlags !== undefined);
  }

  #of(name: string): Wanted {
    let wanted = this.#wanted.get(name);
    if (wanted === undefined) {
      wanted = { description: '', addresses: new Map(), shutdown: undefined, labels: undefined };
      this.#wanted.set(name, wanted);
    }
    return wanted;
  }

  describe(name: string, description: string): void {
    this.#of(name).description = description;
    const one = this.#host?.interfaces.byName(name);
    if (one !== undefined) one.description = description;
  }

  addAddress(name: string, address: Prefix): void {
    this.#of(name).addresses.set(formatPrefix(address), address);
    const one = this.#host?.interfaces.byName(name);
    if (one !== undefined) this.#ensure(one, address);
  }

  removeAddress(name: string, address: Prefix): void {
    this.#of(name).addresses.delete(formatPrefix(address));
    const one = this.#host?.interfaces.byName(name);
    if (one === undefined || !this.#has(one, address)) return;
    this.#host?.plane.address?.(false, one.ifindex, address.family, address.words, address.length);
  }

  shutdown(name: string, down: boolean): void {
    this.#of(name).shutdown = down ? true : undefined;
    const one = this.#host?.interfaces.byName(name);
    if (one !== undefined) this.#host?.plane.linkFlags?.(one.ifindex, IFF_UP, down ? 0 : IFF_UP);
  }

  /** Throws what the file system says. */
  takeLabels(name: string, on: boolean): void {
    if (this.#host?.interfaces.byName(name) !== undefined) this.#host.setLabelInput(name, on);
    this.#of(name).labels = on ? true : undefined;
  }

  /** `no interface NAME`: what the block configured is taken back. */
  forget(name: string): void {
    const wanted = this.#wanted.get(name);
    if (wanted === undefined) return;
    for (const address of wanted.addresses.values()) this.removeAddress(name, address);
    if (wanted.shutdown === true) this.shutdown(name, false);
    if (wanted.labels === true) this.#setLabels(name, false);
    this.describe(name, '');
    this.#wanted.delete(name);
  }

  /** An interface came, or was renamed: its lines come into force. */
  interfaceCame(one: Interface): void {
    const wanted = this.#wanted.get(one.name);
    one.description = wanted?.description ?? '';
    if (wanted === undefined) return;
    for (const address of wanted.addresses.values()) this.#ensure(one, address);
    if (wanted.shutdown === true && (one.flags & IFF_UP) !== 0) this.#host?.plane.linkFlags?.(one.ifindex, IFF_UP, 0);
    if (wanted.labels === true) this.#setLabels(one.name, true);
  }

  /** Without anybody there to be told that it did not work. */
  #setLabels(name: string, on: boolean): void {
    if (this.#host?.interfaces.byName(name) === undefined) return;
    try {
      this.#host?.setLabelInput(name, on);
    } catch (error) {
      this.#host?.log(
        `mpls ${on ? 'enable' : 'disable'} on ${name}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }

  #has(one: Interface, address: Prefix): boolean {
    if (one.address(formatPrefix(address)) !== undefined) return true;
    return one.addresses.some(
      other =>
        other.family === address.family && other.length === address.length && equalWords(other.local, address.words),
    );
  }

  #ensure(one: Interface, address: Prefix): void {
    if (!this.#has(one, address)) {
      this.#host?.plane.address?.(true, one.ifindex, address.family, address.words, address.length);
    }
  }
}

/** `ip` or `ipv6`, the word that an address line begins with. */
export function addressWord(address: Prefix): 'ip' | 'ipv6' {
  return address.family === AF_INET ? 'ip' : 'ipv6';
}
