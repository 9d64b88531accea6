// Which next hops resolve, and at what cost. The table of next hops says which ones paths lead to; each of them is registered
// with zebra, and what zebra says goes back into the table, which then decides the prefixes concerned again.
//
//    NexthopTable ─ onTrack, onForget ─▶ tracker ─ NEXTHOP_REGISTER ─▶ zebra
//    BgpTable ◀─ nexthopsChanged ─ NexthopTable.set ◀─ NEXTHOP_UPDATE ─┘
//
// The registrations also serve the check of `network` lines against the RIB: there it is the prefix itself that must be in
// the RIB, and not merely be covered.
import {
  addressBits,
  AF_INET,
  AF_INET6,
  type AddressWords,
  equalWords,
  type Family,
  formatPrefix,
  isLinkLocal6,
  isUnspecified,
  type Prefix,
} from '../net/index.ts';
import type { EventTask, Loop } from '../concurrency/index.ts';
import type { NexthopUpdate } from '../zapi/index.ts';
import { hostPrefix, type Interfaces } from './interfaces.ts';
import { type BgpTable, METRIC_UNKNOWN, type NexthopTable } from './rib/index.ts';
import type { Vrf } from './vrf.ts';

export interface ResolvedNexthop {
  readonly prefix: Prefix;
  /** Users: next-hop ids, and whoever watches a prefix. */
  uses: number;
  /** Undefined: zebra has not answered yet. */
  update: NexthopUpdate | undefined;
  /** Bad news that may be premature. */
  doubted?: NexthopUpdate | undefined;
  /** Epoch milliseconds of the last answer. */
  changedMs: number;
  watchers: Set<(update: NexthopUpdate) => void>;
}

/** The instance whose next hops they are. */
export interface TrackerHost {
  readonly nexthops: NexthopTable;
  readonly families: readonly { readonly table: BgpTable }[];
  readonly vrf: Vrf;
  readonly interfaces: Interfaces;
  /** Who is asked; undefined: nobody, and every next hop resolves. */
  readonly zebra: { register(vrf: Vrf, prefix: Prefix): void; unregister(vrf: Vrf, prefix: Prefix): void } | undefined;
  readonly bgp: {
    readonly loop: Loop;
    wallMs(): number;
    /** Another instance, which has to find next hops of routes that come from there. */
    numbered(number: number): { readonly tracker: NexthopTracker } | undefined;
  };
}

export class NexthopTracker {
  readonly #instance: TrackerHost;
  /** By prefix as text. */
  readonly registered: Map<string, ResolvedNexthop> = new Map();
  /** What was registered for an id: by then its words are gone from the table. */
  readonly #keyOf: Map<number, string> = new Map();
  /** Of next hops that other instances find for us. */
  readonly #elsewhere: Map<number, { readonly by: NexthopTracker | undefined; readonly stop: () => void }> = new Map();
  readonly #apply: EventTask;
  #doubts = false;

  constructor(instance: TrackerHost) {
    this.#instance = instance;
    this.#apply = instance.bgp.loop.event('bgp nexthop tracking', () => this.#changed());
  }

  /** A path leads to this next hop for the first time. */
  track(id: number): void {
    const hops = this.#instance.nexthops;
    const family = hops.family(id);
    const words = hops.words(id);
    if (isUnspecified(words)) {
      hops.set(id, true, 0);
      this.#apply.schedule();
      return;
    }
    if (this.#instance.zebra === undefined || isLinkLocal(family, words)) {
      // Nobody to ask; a link-local address is on the link that the session runs over.
      hops.set(id, true, 0);
      this.#apply.schedule();
      return;
    }
    if (hops.via(id) !== 0) return this.#trackElsewhere(id);
    const entry = this.#register(toResolve(family, words));
    this.#keyOf.set(id, formatPrefix(entry.prefix));
    if (entry.update !== undefined) this.#set(id, entry.update);
  }

  /** By whoever has the number now: an instance may have gone, and another one got it. */
  #trackElsewhere(id: number): void {
    const hops = this.#instance.nexthops;
    const by = this.#instance.bgp.numbered(hops.via(id))?.tracker;
    const known = this.#elsewhere.get(id);
    if (known !== undefined && known.by === by) return;
    known?.stop();
    // Not as IPv4's, where it is one of those that are written so: Linux sends no IPv6 packet to an IPv4 gateway.
    const prefix = hostPrefix(hops.family(id), hops.words(id));
    const stop = by?.watch(prefix, update => this.#set(id, update, by.#instance.interfaces));
    this.#elsewhere.set(id, { by, stop: stop ?? ((): void => {}) });
  }

  forget(id: number): void {
    this.#elsewhere.get(id)?.stop();
    this.#elsewhere.delete(id);
    const key = this.#keyOf.get(id);
    if (key === undefined) return;
    this.#keyOf.delete(id);
    this.#release(key);
  }

  /** Tells `fn` now (if known) and at every change how zebra resolves a prefix; the result ends that. */
  watch(prefix: Prefix, fn: (update: NexthopUpdate) => void): () => void {
    const entry = this.#register(prefix);
    entry.watchers.add(fn);
    if (entry.update !== undefined) fn(entry.update);
    return () => {
      if (entry.watchers.delete(fn)) this.#release(formatPrefix(prefix));
    };
  }

  /** NEXTHOP_UPDATE. */
  updated(update: NexthopUpdate): void {
    const entry = this.registered.get(formatPrefix(update.match));
    if (entry === undefined) return;
    entry.doubted = undefined;
    if (this.#doubts && update.nexthops.length === 0 && entry.update !== undefined) entry.doubted = update;
    else this.#believe(entry, update);
  }

  /** From now on an answer that a next hop does not resolve any more may be premature; with false, it is not. */
  doubt(doubts: boolean): void {
    this.#doubts = doubts;
    if (doubts) return;
    for (const entry of this.registered.values()) {
      if (entry.doubted === undefined) continue;
      this.#believe(entry, entry.doubted);
      entry.doubted = undefined;
    }
  }

  /** Zebra has the VRF (again), and is asked. */
  vrfAppeared(): void {
    const { zebra, vrf } = this.#instance;
    for (const { prefix } of this.registered.values()) zebra?.register(vrf, prefix);
  }

  /** Nothing resolves in a VRF that is not there. */
  vrfGone(): void {
    for (const entry of this.registered.values()) {
      if (entry.update !== undefined) this.#believe(entry, { ...entry.update, nexthops: [] });
      entry.update = undefined;
      entry.doubted = undefined;
    }
  }

  /** Zebra has said of all of them what it knows, and the tables have been told. */
  get settled(): boolean {
    if (this.#instance.nexthops.hasChanged) return false;
    for (const entry of this.registered.values()) if (entry.update === undefined) return false;
    return true;
  }

  #believe(entry: ResolvedNexthop, update: NexthopUpdate): void {
    entry.update = update;
    entry.changedMs = this.#instance.bgp.wallMs();
    const { family, words, length } = update.match;
    if (length === addressBits(family)) {
      const { nexthops } = this.#instance;
      for (const id of nexthops.find(family, words)) this.#set(id, update);
      if (family === AF_INET) for (const id of nexthops.find(AF_INET6, mapped(words[0]))) this.#set(id, update);
    }
    for (const watcher of entry.watchers) watcher(update);
  }

  /** Own addresses changed, or which instances there are: a next hop that is one of ours resolves no more, or again. */
  interfacesChanged(): void {
    for (const [id, key] of this.#keyOf) {
      const update = this.registered.get(key)?.update;
      if (update !== undefined) this.#set(id, update);
    }
    for (const id of this.#elsewhere.keys()) this.#trackElsewhere(id);
  }

  close(): void {
    for (const { stop } of this.#elsewhere.values()) stop();
    this.#elsewhere.clear();
    for (const entry of this.registered.values()) this.#unregister(entry);
    this.registered.clear();
    this.#keyOf.clear();
    this.#apply.cancel();
  }

  #register(prefix: Prefix): ResolvedNexthop {
    const key = formatPrefix(prefix);
    let entry = this.registered.get(key);
    if (entry === undefined) {
      entry = { prefix, uses: 0, update: undefined, changedMs: this.#instance.bgp.wallMs(), watchers: new Set() };
      this.registered.set(key, entry);
      this.#instance.zebra?.register(this.#instance.vrf, prefix);
    }
    entry.uses++;
    return entry;
  }

  #unregister({ prefix }: ResolvedNexthop): void {
    this.#instance.zebra?.unregister(this.#instance.vrf, prefix);
  }

  #release(key: string): void {
    const entry = this.registered.get(key);
    if (entry === undefined || --entry.uses > 0) return;
    this.registered.delete(key);
    this.#unregister(entry);
  }

  /** `interfaces`: of the instance that found it. */
  #set(id: number, update: NexthopUpdate, interfaces: Interfaces = this.#instance.interfaces): void {
    const hops = this.#instance.nexthops;
    const own = interfaces.owner(hops.family(id), hops.words(id)) !== undefined;
    const reachable = update.nexthops.length > 0 && !own;
    if (hops.set(id, reachable, reachable ? update.metric : METRIC_UNKNOWN)) this.#apply.schedule();
  }

  #changed(): void {
    const changed = this.#instance.nexthops.takeChanged();
    if (changed === undefined) return;
    for (const family of this.#instance.families) family.table.nexthopsChanged(changed);
  }
}

/** What is asked for: an IPv4 address that is written as an IPv6 one is IPv4's to find (RFC 4659 §3.2.1.2). */
function toResolve(family: Family, words: AddressWords): Prefix {
  return family === AF_INET6 && equalWords(words, mapped(words[3]))
    ? hostPrefix(AF_INET, [words[3], 0, 0, 0])
    : hostPrefix(family, words);
}

/** `::ffff:192.0.2.1`. */
export function mapped(word: number): AddressWords {
  return [0, 0, 0xffff, word];
}

function isLinkLocal(family: Family, words: AddressWords): boolean {
  return family !== 2 && isLinkLocal6(words);
}
