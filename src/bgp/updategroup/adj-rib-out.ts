// The adj-RIB-out of a group, by route (routes.ts: a prefix, or a path): the attribute set that its members are to have, and
// the one that those of the main stream were told last. Routes that want one set are chained, so that they are found when a
// message of that set is packed. Each set that is named here is held by a reference. The sets are the group's own, numbered
// from 1 without gaps, so that what goes by set is as long as the group needs, however many other groups there are.
import { grown, moreRows } from '../../net/index.ts';
import type { AttributeStore } from '../rib/attributes.ts';
import type { DirtySet } from '../rib/dirty.ts';
import type { Routes } from './routes.ts';
import type { Stream } from './streams.ts';

/** In `sent`: members differ in what they were told last. */
export const UNKNOWN = 0xffffffff;

export class AdjRibOut {
  /** The set that members are to have, 0: none. */
  out: Uint32Array = new Uint32Array(0);
  /** The peer whose path it is. */
  source: Uint16Array = new Uint16Array(0);
  /** Chain of the routes that want one set: route + 1. */
  next: Uint32Array = new Uint32Array(0);
  prev: Uint32Array = new Uint32Array(0);
  /** What the main stream's members were told last. */
  sent: Uint32Array = new Uint32Array(0);
  sentSource: Uint16Array = new Uint16Array(0);
  /** Routes with something to announce, */
  wanted = 0;
  /** and how many of them are each peer's own. */
  #ownCount = new Uint32Array(16);
  #head = new Uint32Array(0); // by attribute set, the first of its chain: route + 1
  readonly #routes: Routes;
  readonly #sets: AttributeStore;

  constructor(routes: Routes, sets: AttributeStore) {
    this.#routes = routes;
    this.#sets = sets;
  }

  /** Members are to have `out` of `source` now; takes the caller's reference to it. False where they were to have it before,
   *  whosever path it was. */
  want(route: number, out: number, source: number): boolean {
    const before = this.out[route]!;
    if (before !== 0) this.#ownCount[this.source[route]!]!--;
    this.source[route] = source;
    if (out !== 0) {
      if (source >= this.#ownCount.length) [this.#ownCount] = grown(source * 2, this.#ownCount);
      this.#ownCount[source]!++;
    }
    if (out === before) {
      this.#sets.release(out);
      return false;
    }
    if (before !== 0) {
      this.#unlink(route, before);
      this.#sets.release(before);
      this.wanted--;
    }
    this.out[route] = out;
    if (out !== 0) {
      this.#link(route, out);
      this.wanted++;
    }
    return true;
  }

  /** Routes that a peer is to have: all but its own. */
  wantedBy(peer: number): number {
    return this.wanted - (this.#ownCount[peer] ?? 0);
  }

  /** The main stream's members were told `out`, of the present source. */
  told(route: number, out: number): void {
    const sent = this.sent[route]!;
    if (sent !== out) {
      if (out !== 0) this.#sets.retain(out);
      this.sent[route] = out;
      if (sent !== UNKNOWN) this.#sets.release(sent);
    }
    this.sentSource[route] = this.source[route]!;
  }

  /** From now on the main stream's members differ in what they were told. */
  toldDifferently(route: number): void {
    const sent = this.sent[route]!;
    if (sent !== UNKNOWN) this.#sets.release(sent);
    this.sent[route] = UNKNOWN;
    this.sentSource[route] = 0;
  }

  /** Whether the main stream's members were told exactly this. */
  known(route: number, out: number): boolean {
    return this.sent[route] === out && this.sentSource[route] === this.source[route];
  }

  /** Whether members of the stream may have been told of the route. */
  wasAnnounced(stream: Stream, route: number): boolean {
    if (stream.main) return this.sent[route] !== 0;
    return stream.announced === undefined || stream.announced.has(route);
  }

  /** Whether anything is wanted, or known to have been said, of the route. */
  holds(route: number): boolean {
    return route < this.out.length && (this.out[route] !== 0 || this.sent[route] !== 0);
  }

  markWanted(dirty: DirtySet): void {
    for (let route = 0; route < this.out.length; route++) if (this.out[route] !== 0) dirty.add(route);
  }

  /** Gives everything back. */
  close(): void {
    for (let route = 0; route < this.out.length; route++) {
      if (!this.holds(route)) continue;
      const sent = this.sent[route]!;
      this.#sets.release(this.out[route]!);
      if (sent !== UNKNOWN) this.#sets.release(sent);
      this.out[route] = this.sent[route] = 0;
      this.#routes.release(route);
    }
    this.wanted = 0;
    this.#ownCount.fill(0);
  }

  #link(route: number, out: number): void {
    if (out >= this.#head.length) [this.#head] = grown(this.#sets.capacity, this.#head);
    const head = this.#head[out]!;
    this.next[route] = head;
    this.prev[route] = 0;
    if (head !== 0) this.prev[head - 1] = route + 1;
    this.#head[out] = route + 1;
  }

  #unlink(route: number, out: number): void {
    const next = this.next[route]!;
    const prev = this.prev[route]!;
    if (prev === 0) this.#head[out] = next;
    else this.next[prev - 1] = next;
    if (next !== 0) this.prev[next - 1] = prev;
  }

  /** Has a row for every route of the table. */
  grow(): void {
    const { capacity } = this.#routes;
    if (capacity <= this.out.length) return;
    const rows = Math.max(capacity, moreRows(this.out.length));
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
