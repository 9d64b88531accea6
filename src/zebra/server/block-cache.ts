// From a route message's block of next hops to zebra's set. A full table comes with a handful of different blocks, so the
// block is looked up by its bytes as they lie in the message, and parsed only when it is seen for the first time. Most
// routes have the block of the route before them, which costs one comparison of some 14 bytes.
import type { Family } from '../../net/index.ts';

interface Entry {
  readonly hash: number;
  readonly bytes: Uint8Array;
  readonly vrf: number;
  readonly family: Family;
  readonly recursive: boolean;
  readonly set: number;
}

/** What the cache asks of its owner when a block is new. */
export interface BlockSource {
  /** The set's id, or minus a reason why there is none. */
  intern(vrf: number, family: Family, recursive: boolean): number;
  hold(set: number): void;
  drop(set: number): void;
}

/** More blocks than this and the cache starts over: it bounds what it keeps alive. */
const LIMIT = 1024;

export class BlockCache {
  readonly #source: BlockSource;
  readonly #byHash: Map<number, Entry[]> = new Map();
  #last: Entry | undefined;
  #size = 0;

  constructor(source: BlockSource) {
    this.#source = source;
  }

  /** The set of the block `bytes[start, end)`, or what `intern` said against it (negative). */
  find(bytes: Uint8Array, start: number, end: number, vrf: number, family: Family, recursive: boolean): number {
    const last = this.#last;
    if (last !== undefined && same(last, bytes, start, end, vrf, family, recursive)) return last.set;
    let hash = 0x811c9dc5 ^ vrf;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    const bucket = this.#byHash.get(hash);
    if (bucket !== undefined) {
      for (let i = 0; i < bucket.length; i++) {
        const entry = bucket[i]!;
        if (same(entry, bytes, start, end, vrf, family, recursive)) {
          this.#last = entry;
          return entry.set;
        }
      }
    }
    const set = this.#source.intern(vrf, family, recursive);
    if (set < 0) return set;
    if (this.#size >= LIMIT) this.clear();
    this.#source.hold(set);
    const entry: Entry = { hash, bytes: bytes.slice(start, end), vrf, family, recursive, set };
    const chain = this.#byHash.get(hash);
    if (chain === undefined) this.#byHash.set(hash, [entry]);
    else chain.push(entry);
    this.#size++;
    this.#last = entry;
    return set;
  }

  /** Lets go of every set. */
  clear(): void {
    for (const bucket of this.#byHash.values()) for (const entry of bucket) this.#source.drop(entry.set);
    this.#byHash.clear();
    this.#last = undefined;
    this.#size = 0;
  }
}

function same(
  entry: Entry,
  bytes: Uint8Array,
  start: number,
  end: number,
  vrf: number,
  family: Family,
  recursive: boolean,
): boolean {
  const known = entry.bytes;
  const n = end - start;
  if (known.length !== n || entry.vrf !== vrf || entry.family !== family || entry.recursive !== recursive) return false;
  for (let i = 0; i < n; i++) if (known[i] !== bytes[start + i]) return false;
  return true;
}
