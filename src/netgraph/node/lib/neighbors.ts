// Neighbours of a link, and how sure a node is of each: the states of RFC 4861 §7.3.2, which do for ARP as well (RFC 1122 §2.3.2.1 wants no
// less). Thousands at most, an object each, found by a hash of four words (IPv4 uses the first).

/** Asked for; packets wait. */
export const INCOMPLETE = 0;
/** It has answered lately. */
export const REACHABLE = 1;
/** Its address is known, but not whether it is still there; nobody asks until somebody needs it. */
export const STALE = 2;
/** It was needed; it is asked if nothing is heard of it soon. */
export const DELAY = 3;
/** It is asked, itself alone; packets go to the known address meanwhile. */
export const PROBE = 4;
/** Somebody has said so. */
export const PERMANENT = 5;

/** Packets that wait for a neighbour at most; of more the oldest goes (RFC 4861 §7.2.2). */
export const WAITING = 16;

export class Neighbor {
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
  readonly mac: Uint8Array = new Uint8Array(6);
  state: number = INCOMPLETE;
  /** Milliseconds: when something is to be done about it. */
  at: number = Number.POSITIVE_INFINITY;
  /** Questions since the last answer. */
  asked = 0;
  /** When the other workers were told of it. */
  told: number = Number.NEGATIVE_INFINITY;
  /** When a packet went to it. */
  used = 0;
  /** Handles of packets that wait. */
  readonly waiting: number[] = [];
  /** Next of the same hash. */
  next: Neighbor | undefined = undefined;

  constructor(w0: number, w1: number, w2: number, w3: number) {
    this.w0 = w0;
    this.w1 = w1;
    this.w2 = w2;
    this.w3 = w3;
  }
}

export class NeighborTable {
  readonly limit: number;
  size = 0;
  readonly #heads: (Neighbor | undefined)[];
  readonly #mask: number;

  constructor(limit: number) {
    this.limit = limit;
    this.#mask = 2 ** Math.ceil(Math.log2(limit)) - 1;
    this.#heads = new Array<Neighbor | undefined>(this.#mask + 1).fill(undefined);
  }

  find(w0: number, w1: number, w2: number, w3: number): Neighbor | undefined {
    let neighbor = this.#heads[this.#hash(w0, w1, w2, w3)];
    while (
      neighbor !== undefined &&
      (neighbor.w0 !== w0 || neighbor.w3 !== w3 || neighbor.w1 !== w1 || neighbor.w2 !== w2)
    ) {
      neighbor = neighbor.next;
    }
    return neighbor;
  }

  /** A new one, which is not there yet; undefined where there are too many. */
  add(w0: number, w1: number, w2: number, w3: number): Neighbor | undefined {
    if (this.size >= this.limit) return undefined;
    const hash = this.#hash(w0, w1, w2, w3);
    const neighbor = new Neighbor(w0, w1, w2, w3);
    neighbor.next = this.#heads[hash];
    this.#heads[hash] = neighbor;
    this.size++;
    return neighbor;
  }

  remove(neighbor: Neighbor): void {
    const hash = this.#hash(neighbor.w0, neighbor.w1, neighbor.w2, neighbor.w3);
    let before: Neighbor | undefined;
    for (let at = this.#heads[hash]; at !== undefined; before = at, at = at.next) {
      if (at !== neighbor) continue;
      if (before === undefined) this.#heads[hash] = at.next;
      else before.next = at.next;
      this.size--;
      return;
    }
  }

  all(): Neighbor[] {
    const all: Neighbor[] = [];
    for (const head of this.#heads) for (let at = head; at !== undefined; at = at.next) all.push(at);
    return all;
  }

  #hash(w0: number, w1: number, w2: number, w3: number): number {
    const mixed = Math.imul(Math.imul(w0 ^ (w1 << 7), 0x9e3779b1) ^ (w2 << 3) ^ w3, 0x85ebca6b);
    return (mixed ^ (mixed >>> 15)) & this.#mask;
  }
}
