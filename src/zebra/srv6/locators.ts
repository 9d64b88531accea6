// SRv6 locators (RFC 8986 §3.1): prefixes from which SIDs of this router are made. An operator configures them; a client asks for one
// by its name, whether it is there or not, and is granted the whole of it (its "chunk") as soon as it is there and nobody who asked
// earlier has it. Whatever changes of a locator makes what was granted void.
//
//   ask ──▶ wishes, in their order ──first of them──▶ granted
//   configured, changed ──▶ gone (to who had the old one), came (to all), granted
import { type AddressWords, AF_INET6, containsAddress, containsPrefix, type Prefix } from '../../net/index.ts';
import type { Owner } from '../face.ts';

/** Lengths in bits. Block and node make up the prefix. */
export interface LocatorFormat {
  readonly prefix: Prefix;
  readonly blockBits: number;
  readonly nodeBits: number;
  readonly functionBits: number;
}

export interface Locator extends LocatorFormat {
  readonly name: string;
  /** Its SIDs are micro SIDs (RFC 9800). */
  readonly usid: boolean;
}

export interface LocatorListener {
  /** It is there, or is another one under its name. */
  came?(locator: Locator): void;
  /** It is not there any more, or not as it was: what this client made of it is void. */
  gone?(locator: Locator, owner: Owner): void;
  /** It is this client's to make SIDs from. May be said again. */
  granted?(locator: Locator, owner: Owner): void;
}

interface Entry {
  format: LocatorFormat | undefined;
  usid: boolean;
  /** Undefined while it has no prefix. */
  locator: Locator | undefined;
  /** Who asked, in this order: it is the first one's. */
  readonly wishes: Owner[];
}

function same(a: LocatorFormat | undefined, b: LocatorFormat | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.prefix.length === b.prefix.length &&
    containsPrefix(a.prefix, b.prefix) &&
    a.blockBits === b.blockBits &&
    a.functionBits === b.functionBits
  );
}

export class Locators {
  /** By name, in the order in which they were first spoken of. */
  readonly #entries: Map<string, Entry> = new Map();
  readonly #listeners: Set<LocatorListener> = new Set();

  listen(listener: LocatorListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Those that have a prefix. */
  list(): Locator[] {
    return [...this.#entries.values()].flatMap(({ locator }) => locator ?? []);
  }

  get(name: string): Locator | undefined {
    return this.#entries.get(name)?.locator;
  }

  /** The one that an address is of. */
  of(address: AddressWords): Locator | undefined {
    return this.list().find(({ prefix }) => containsAddress(prefix, AF_INET6, address));
  }

  /** Another one that has addresses of this prefix. */
  rival(name: string, prefix: Prefix): Locator | undefined {
    return this.list().find(
      one => one.name !== name && (containsPrefix(one.prefix, prefix) || containsPrefix(prefix, one.prefix)),
    );
  }

  /** Whose it is; 0: nobody's. */
  ownerOf(name: string): Owner {
    const entry = this.#entries.get(name);
    return (entry?.locator && entry.wishes[0]) ?? 0;
  }

  // Configuration -------------------------------------------------------------------------------------------------------

  setFormat(name: string, format: LocatorFormat | undefined): void {
    const entry = this.#entry(name);
    if (same(entry.format, format)) return;
    entry.format = format;
    this.#changed(name, entry);
  }

  setUsid(name: string, usid: boolean): void {
    const entry = this.#entry(name);
    if (entry.usid === usid) return;
    entry.usid = usid;
    this.#changed(name, entry);
  }

  remove(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    entry.usid = false;
    if (entry.format !== undefined) {
      entry.format = undefined;
      this.#changed(name, entry);
    }
    this.#tidy(name, entry);
  }

  removeAll(): void {
    for (const name of this.#entries.keys()) this.remove(name);
  }

  // Clients -------------------------------------------------------------------------------------------------------------

  ask(name: string, owner: Owner): void {
    const entry = this.#entry(name);
    if (!entry.wishes.includes(owner)) entry.wishes.push(owner);
    if (entry.wishes[0] === owner) this.#grant(entry);
  }

  release(name: string, owner: Owner): void {
    const entry = this.#entries.get(name);
    if (entry !== undefined) this.#release(name, entry, owner);
  }

  dropOwner(owner: Owner): void {
    for (const [name, entry] of this.#entries) this.#release(name, entry, owner);
  }

  // Inside --------------------------------------------------------------------------------------------------------------

  #entry(name: string): Entry {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      entry = { format: undefined, usid: false, locator: undefined, wishes: [] };
      this.#entries.set(name, entry);
    }
    return entry;
  }

  #release(name: string, entry: Entry, owner: Owner): void {
    const at = entry.wishes.indexOf(owner);
    if (at < 0) return;
    entry.wishes.splice(at, 1);
    if (at === 0) this.#grant(entry);
    this.#tidy(name, entry);
  }

  #changed(name: string, entry: Entry): void {
    const { locator: before, format, usid, wishes } = entry;
    const now = format === undefined ? undefined : { ...format, name, usid };
    entry.locator = now;
    const owner = wishes[0];
    if (before !== undefined && owner !== undefined)
      for (const listener of this.#listeners) listener.gone?.(before, owner);
    if (now !== undefined) for (const listener of this.#listeners) listener.came?.(now);
    this.#grant(entry);
  }

  #grant({ locator, wishes: [owner] }: Entry): void {
    if (locator === undefined || owner === undefined) return;
    for (const listener of this.#listeners) listener.granted?.(locator, owner);
  }

  /** Nobody configured it, and nobody waits for it. */
  #tidy(name: string, entry: Entry): void {
    if (entry.format === undefined && !entry.usid && entry.wishes.length === 0) this.#entries.delete(name);
  }
}
