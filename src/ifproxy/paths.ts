// The hops of a route, each list of them kept once. A million routes share a few lists, so a route's row has the list's number;
// whether a list leads over a link is answered once for all routes that use it.
//
//    words   │ source: family, 4 words │ hop: ifindex, family | flags | weight, gateway: 4 words, encap │ hop … │
//
// Lists are found by a hash of their words, and freed with their last route.
import type { Attached } from './attached.ts';

/** Words before the first hop. */
export const SOURCE_WORDS = 5;
/** Words of a hop. */
export const HOP_WORDS = 7;
export const HOP_IFINDEX = 0;
/** Family of the gateway | RTNH_F_* << 8 | (weight - 1) << 16. */
export const HOP_WORD = 1;
export const HOP_GATEWAY = 2;
export const HOP_ENCAP = 6;

/** RTNH_F_DEAD in HOP_WORD: the hop is there, but its link is not up. */
export const HOP_DEAD: number = 1 << 8;

export class PathSet {
  readonly id: number;
  readonly hash: number;
  readonly words: Int32Array;
  /** Routes that use it. */
  rows = 0;
  /** The next with this hash. */
  next: PathSet | undefined = undefined;
  /** Proxies that a hop which is not dead leads over, as of `epoch`. */
  proxies: readonly Attached[] = [];
  epoch = -1;

  constructor(id: number, hash: number, words: Int32Array) {
    this.id = id;
    this.hash = hash;
    this.words = words;
  }

  get hopCount(): number {
    return (this.words.length - SOURCE_WORDS) / HOP_WORDS;
  }

  /** Whether a hop, dead or not, leads over this interface. */
  uses(ifindex: number): boolean {
    const { words } = this;
    for (let at = SOURCE_WORDS; at < words.length; at += HOP_WORDS) if (words[at] === ifindex) return true;
    return false;
  }

  /** Whether no hop is left that is not dead. */
  get dead(): boolean {
    const { words } = this;
    for (let at = SOURCE_WORDS; at < words.length; at += HOP_WORDS) {
      if ((words[at + HOP_WORD]! & HOP_DEAD) === 0) return false;
    }
    return true;
  }
}

export class PathSets {
  /** By number; undefined where it was freed. */
  readonly sets: (PathSet | undefined)[] = [];
  readonly #byHash: Map<number, PathSet> = new Map();
  readonly #free: number[] = [];
  #last: PathSet | undefined;

  /** The list of the first `length` words, which it copies where it is new. */
  intern(words: Int32Array, length: number): PathSet {
    // Routes come in runs with the same hops.
    if (this.#last !== undefined && same(this.#last.words, words, length)) return this.#last;
    let hash = length;
    for (let i = 0; i < length; i++) hash = Math.imul(hash ^ words[i]!, 0x9e3779b1) ^ (hash >>> 15);
    const first = this.#byHash.get(hash);
    for (let set = first; set !== undefined; set = set.next) {
      if (same(set.words, words, length)) {
        this.#last = set;
        return set;
      }
    }
    const set = new PathSet(this.#free.pop() ?? this.sets.length, hash, words.slice(0, length));
    set.next = first;
    this.#byHash.set(hash, set);
    this.sets[set.id] = set;
    this.#last = set;
    return set;
  }

  /** Frees it where no route uses it. */
  release(set: PathSet): void {
    if (set.rows > 0 || this.sets[set.id] !== set) return;
    const first = this.#byHash.get(set.hash)!;
    if (first !== set) {
      let before = first;
      while (before.next !== set) before = before.next!;
      before.next = set.next;
    } else if (set.next === undefined) this.#byHash.delete(set.hash);
    else this.#byHash.set(set.hash, set.next);
    this.sets[set.id] = undefined;
    this.#free.push(set.id);
    if (this.#last === set) this.#last = undefined;
  }
}

function same(a: Int32Array, b: Int32Array, length: number): boolean {
  if (a.length !== length) return false;
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}
