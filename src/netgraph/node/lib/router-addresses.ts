// The addresses that a router has: what is for itself, and as whom it speaks. Few, so they are looked through; but not for each packet: a table
// of the last bytes says of most destinations that they are none of them.
import { AF_INET, type AddressWords } from '../../../net/index.ts';

export interface OwnAddress {
  readonly family: number;
  readonly words: AddressWords;
  /** Interface that it belongs to, 0 = any. */
  readonly ifindex: number;
}

export class RouterAddresses {
  /** By the last byte of an address: not 0 where one of ours ends so. */
  readonly maybe: Uint8Array = new Uint8Array(256);
  readonly #all: readonly OwnAddress[];
  readonly #bytes: readonly Uint8Array[];

  constructor(all: readonly OwnAddress[]) {
    this.#all = all;
    this.#bytes = all.map(({ words }) => {
      const bytes = new Uint8Array(16);
      words.forEach((word, i) => new DataView(bytes.buffer).setUint32(4 * i, word));
      return bytes;
    });
    for (const { family, words } of all) this.maybe[(family === AF_INET ? words[0] : words[3]) & 255] = 1;
  }

  /** Whether the IPv4 address (unsigned) is ours. */
  has4(address: number): boolean {
    for (const each of this.#all) if (each.family === AF_INET && each.words[0] === address) return true;
    return false;
  }

  /** Whether the sixteen bytes are an address of ours. */
  has6(bytes: Uint8Array, at: number): boolean {
    for (let n = 0; n < this.#all.length; n++) {
      if (this.#all[n]!.family === AF_INET) continue;
      const own = this.#bytes[n]!;
      let i = 0;
      while (i < 16 && own[i] === bytes[at + i]) i++;
      if (i === 16) return true;
    }
    return false;
  }

  /** As whom to speak about what came in by the interface: 0 where there is no address. */
  source4(ifindex: number): number {
    return this.#source(AF_INET, ifindex)?.words[0] ?? 0;
  }

  /** The same as bytes. */
  source6(ifindex: number): Uint8Array | undefined {
    const own = this.#source(0, ifindex);
    return own && this.#bytes[this.#all.indexOf(own)];
  }

  #source(family: number, ifindex: number): OwnAddress | undefined {
    let any: OwnAddress | undefined;
    for (const each of this.#all) {
      if ((each.family === AF_INET) !== (family === AF_INET)) continue;
      if (each.ifindex === ifindex) return each;
      any ??= each;
    }
    return any;
  }
}
