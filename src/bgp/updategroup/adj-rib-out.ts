// The adj-RIB-out of a group, by prefix: the attribute set that its members are to have, and the one that those of the main
// stream were told last. Prefixes that want one set are chained, so that they are found when a message of that set is
// packed. Each set that is named here is held by a reference.
import { grown, moreRows } from '../../net/index.ts';
import type { AttributeStore } from '../rib/attributes.ts';
import type { DirtySet } from '../rib/dirty.ts';
import type { BgpTable } from '../rib/table.ts';
import type { Stream } from './streams.ts';

/** In `sent`: members differ in what they were told last. */
export const UNKNOWN = 0xffffffff;

export class AdjRibOut {
  /** The set that members are to have, 0: none. */
  out: Uint32Array = new Uint32Array(0);
  /** The peer whose path it is. */
  source: Uint16Array = new Uint16Array(0);
  /** Chain of the prefixes that want one set: prefix + 1. */
  next: Uint32Array = new Uint32Array(0);
  prev: Uint32Array = new Uint32Array(0);
  /** What the main stream's members were told last. */
  sent: Uint32Array = new Uint32Array(0);
  sentSource: Uint16Array = new Uint16Array(0);
  /** Prefixes with something to announce, */
  prefixes = 0;
  /** and how many of them are each peer's own. */
  #ownCount = new Uint32Array(16);
  #head = new Uint32Array(0); // by attribute set, the first of its chain: prefix + 1
  readonly #table: BgpTable;
  readonly #store: AttributeStore;

  constructor(table: BgpTable) {
    this.#table = table;
    this.#store = table.store;
  }

  /** Members are to have `out` of `source` now; takes the caller's reference to it. False where they were to have it before,
   *  whosever path it was. */
  want(prefix: number, out: number, source: number): boolean {
    const before = this.out[prefix]!;
    if (before !== 0) this.#ownCount[this.source[prefix]!]!--;
    this.source[prefix] = source;
    if (out !== 0) {
      if (source >= this.#ownCount.length) [this.#ownCount] = grown(source * 2, this.#ownCount);
      this.#ownCount[source]!++;
    }
    if (out === before) {
      this.#store.release(out);
      return false;
    }
    if (before !== 0) {
      this.#unlink(prefix, before);
      this.#store.release(before);
      this.prefixes--;
    }
    this.out[prefix] = out;
    if (out !== 0) {
      this.#link(prefix, out);
      this.prefixes++;
    }
    return true;
  }

  /** Prefixes that a peer is to have: all but its own. */
  wantedBy(peer: number): number {
    return this.prefixes - (this.#ownCount[peer] ?? 0);
  }

  /** The main stream's members were told `out`, of the present source. */
  told(prefix: number, out: number): void {
    const sent = this.sent[prefix]!;
    if (sent !== out) {
      if (out !== 0) this.#store.retain(out);
      this.sent[prefix] = out;
      if (sent !== UNKNOWN) this.#store.release(sent);
    }
    this.sentSource[prefix] = this.source[prefix]!;
  }

  /** From now on the main stream's members differ in what they were told. */
  toldDifferently(prefix: number): void {
    const sent = this.sent[prefix]!;
    if (sent !== UNKNOWN) this.#store.release(sent);
    this.sent[prefix] = UNKNOWN;
    this.sentSource[prefix] = 0;
  }

  /** Whether the main stream's members were told exactly this. */
  known(prefix: number, out: number): boolean {
    return this.sent[prefix] === out && this.sentSource[prefix] === this.source[prefix];
  }

  /** Whether members of the stream may have been told of the prefix. */
  wasAnnounced(stream: Stream, prefix: number): boolean {
    if (stream.main) return this.sent[prefix] !== 0;
    return stream.announced === undefined || stream.announced.has(prefix);
  }

  /** Whether anything is wanted, or known to have been said, of the prefix. */
  holds(prefix: number): boolean {
    return prefix < this.out.length && (this.out[prefix] !== 0 || this.sent[prefix] !== 0);
  }

  markWanted(dirty: DirtySet): void {
    for (let prefix = 0; prefix < this.out.length; prefix++) if (this.out[prefix] !== 0) dirty.add(prefix);
  }

  /** Gives everything back. */
  close(): void {
    for (let prefix = 0; prefix < this.out.length; prefix++) {
      if (!this.holds(prefix)) continue;
      const sent = this.sent[prefix]!;
      this.#store.release(this.out[prefix]!);
      if (sent !== UNKNOWN) this.#store.release(sent);
      this.out[prefix] = this.sent[prefix] = 0;
      this.#table.releasePrefix(prefix);
    }
    this.prefixes = 0;
    this.#ownCount.fill(0);
  }

  #link(prefix: number, out: number): void {
    if (out >= this.#head.length) [this.#head] = grown(this.#store.capacity, this.#head);
    const head = this.#head[out]!;
    this.next[prefix] = head;
    this.prev[prefix] = 0;
    if (head !== 0) this.prev[head - 1] = prefix + 1;
    this.#head[out] = prefix + 1;
  }

  #unlink(prefix: number, out: number): void {
    const next = this.next[prefix]!;
    const prev = this.prev[prefix]!;
    if (prev === 0) this.#head[out] = next;
    else this.next[prev - 1] = next;
    if (next !== 0) this.prev[next - 1] = prev;
  }

  /** Has a row for every prefix of the table. */
  grow(): void {
    if (this.#table.prefixes.capacity <= this.out.length) return;
    const rows = Math.max(this.#table.prefixes.capacity, moreRows(this.out.length));
    [this.out, this.source, this.next, this.prev, this.sent, this.sentSource] = grown(
      rows,
      this.out,
      this.source,
      this.next,
      this.prev,
      this.sent,
      this.sentSource,
    );
  }
}
