// Whatever touches every path (a session lost, a policy or a next hop changed) is a walk over the path rows in slices. One
// that is asked for again while it is under way starts over.
import { grown } from '../../net/index.ts';
import type { AttributeStore } from './attributes.ts';
import { EPOCH_SHIFT, FLAG_MASK, NO_PEER, type TableColumns } from './columns.ts';
import type { Ingest } from './ingest.ts';
import { PATH_CHANGED, PATH_REMOVED } from './types.ts';

export type WalkKind = 'gone' | 'peer' | 'policy' | 'nexthops' | 'all';

interface Walk {
  kind: WalkKind;
  peer: number;
  row: number;
  /** Of `gone`: paths of this session stay, as those of the present one do. */
  epoch?: number;
  changed?: Uint8Array;
}

export class Walks {
  readonly #rows: TableColumns;
  readonly #store: AttributeStore;
  readonly #ingest: Ingest;
  readonly #walks: Walk[] = [];

  constructor(rows: TableColumns, ingest: Ingest) {
    this.#rows = rows;
    this.#store = rows.store;
    this.#ingest = ingest;
  }

  /** Walks under way or waiting. */
  get length(): number {
    return this.#walks.length;
  }

  /**
   * `gone`: stale paths of a peer go. `peer`: the peer itself changed. `policy`: its import policy is applied anew. `all`:
   * every prefix is decided again.
   */
  start(kind: 'gone' | 'peer' | 'policy' | 'all', peer = 0): void {
    const epoch = this.#rows.peerEpochs[peer]!;
    const walk = this.#walks.find(other => other.kind === kind && other.peer === peer);
    if (walk) Object.assign(walk, { row: 1, epoch });
    else this.#walks.push({ kind, peer, row: 1, epoch });
  }

  /** The prefixes that lead to these next hops are decided again. */
  startNexthops(changed: Uint8Array): void {
    const walk = this.#walks.find(other => other.kind === 'nexthops');
    if (walk) {
      const both = walk.changed!.length >= changed.length ? walk.changed! : grown(changed.length, walk.changed!)[0];
      for (let id = 0; id < changed.length; id++) both[id]! |= changed[id]!;
      walk.changed = both;
      walk.row = 1;
    } else this.#walks.push({ kind: 'nexthops', peer: 0, row: 1, changed: changed.slice() });
  }

  /** A slice of at most `maxRows` path rows; `done` hears of walks that came to their end. */
  run(maxRows: number, done: (kind: WalkKind, peer: number) => void): void {
    let left = maxRows;
    while (left > 0 && this.#walks.length > 0) {
      const walk = this.#walks[0]!;
      const end = Math.min(this.#rows.pathLimit, walk.row + left);
      left -= end - walk.row;
      if (walk.kind === 'gone') this.#walkGone(walk.peer, walk.epoch!, walk.row, end);
      else if (walk.kind === 'peer') this.#walkPeer(walk.peer, walk.row, end);
      else if (walk.kind === 'policy') this.#walkPolicy(walk.peer, walk.row, end);
      else if (walk.kind === 'nexthops') this.#walkNexthops(walk.changed!, walk.row, end);
      else this.#walkAll(walk.row, end);
      walk.row = end;
      if (end === this.#rows.pathLimit) {
        this.#walks.shift();
        done(walk.kind, walk.peer);
      }
    }
  }

  #walkGone(peer: number, alive: number, from: number, end: number): void {
    const rows = this.#rows;
    const present = rows.peerEpochs[peer]!;
    for (let path = from; path < end; path++) {
      if (rows.pathPeer[path] !== peer) continue;
      const flags = rows.pathFlags[path]!;
      const epoch = flags >>> EPOCH_SHIFT;
      if (epoch !== present && epoch !== alive && (flags & PATH_REMOVED) === 0) this.#ingest.removePath(path);
    }
  }

  /** What a path is worth, and to whom it may go on, hangs on who announced it (RFC 4456 §6). */
  #walkPeer(peer: number, from: number, end: number): void {
    const rows = this.#rows;
    for (let path = from; path < end; path++) {
      if (rows.pathPeer[path] !== peer || (rows.pathFlags[path]! & PATH_REMOVED) !== 0) continue;
      rows.pathFlags[path]! |= PATH_CHANGED;
      rows.undecided.add(rows.pathPrefix[path]!);
    }
  }

  #walkPolicy(peer: number, from: number, end: number): void {
    const rows = this.#rows;
    const store = this.#store;
    const perPrefix = rows.peerPolicies[peer]?.perPrefix === true;
    // Rows side by side mostly came in one message: the last answer often holds for the next row.
    let known = 0;
    let answer = -1;
    for (let path = from; path < end; path++) {
      if (rows.pathPeer[path] !== peer || (rows.pathFlags[path]! & PATH_REMOVED) !== 0) continue;
      const received = rows.pathReceived[path]!;
      if (perPrefix || known !== received) {
        if (answer > 0) store.release(answer);
        answer = this.#ingest.import(peer, received, perPrefix ? rows.pathPrefix[path]! : -1);
        known = received;
      }
      const before = rows.pathFlags[path]!;
      const stale = before >>> EPOCH_SHIFT;
      const loop = this.#ingest.loopFlag(peer, received);
      this.#ingest.announce(rows.pathPrefix[path]!, peer, rows.idOf(path), received, answer, loop);
      // A walk is no announcement: what was stale is still.
      rows.pathFlags[path] = (rows.pathFlags[path]! & FLAG_MASK) | (stale << EPOCH_SHIFT);
    }
    if (answer > 0) store.release(answer);
  }

  #walkNexthops(changed: Uint8Array, from: number, end: number): void {
    const rows = this.#rows;
    const nexthop = this.#store.nexthop;
    for (let path = from; path < end; path++) {
      if (rows.pathPeer[path] === NO_PEER) continue;
      const id = nexthop[rows.pathAttributes[path]!]!;
      if (id < changed.length && changed[id] === 1) rows.undecided.add(rows.pathPrefix[path]!);
    }
  }

  #walkAll(from: number, end: number): void {
    const rows = this.#rows;
    for (let path = from; path < end; path++) {
      if (rows.pathPeer[path] !== NO_PEER) rows.undecided.add(rows.pathPrefix[path]!);
    }
  }
}
