// Attribute sets, each kept once: a set is its canonical octets (wire/update.ts) in an arena, found again by hash, named by
// a small integer, and counted. What the decision process asks for stands in columns beside it; everything else is
// parsed from the octets when somebody wants to see it.
//
//   heads (hash)      rows (id)                                 arena
//   ┌───┐            ┌────┬──────┬───────┬────────┬───────┐     ┌──────────────────────────────┐
//   │ 3 │──────────▶ │ 3  │ next │ start │ length │ refs … │──▶ │ 40 01 01 00 40 02 0a 02 02 …  │
//   └───┘            └────┴──────┴───────┴────────┴───────┘     └──────────────────────────────┘
//
// Id 0 is no set. `intern` gives the caller one reference; `retain` and `release` count from there. A set that nobody holds
// stays where it is until `sweep` comes by or its room is needed: it may be wanted again, and whoever gave up the last
// reference does not wait for that. `serial` tells a set from a later one with the same id, so that caches may keep ids without
// holding references.
import { grown, moreRows, newColumn, readWord } from '../../net/index.ts';
import {
  ATTR_AS_PATH,
  ATTR_ATOMIC_AGGREGATE,
  ATTR_CLUSTER_LIST,
  ATTR_COMMUNITIES,
  ATTR_INTERNAL,
  ATTR_LOCAL_PREF,
  ATTR_MED,
  ATTR_NEXT_HOP,
  ATTR_ORIGIN,
  ATTR_ORIGINATOR_ID,
  ATTR_OTC,
  AttributeWriter,
  asPathLength,
  COMMUNITY_BLACKHOLE,
  COMMUNITY_GRACEFUL_SHUTDOWN,
  COMMUNITY_NO_ADVERTISE,
  COMMUNITY_NO_EXPORT,
  COMMUNITY_NO_EXPORT_SUBCONFED,
  countAs,
  FLAG_EXTENDED,
  SEGMENT_CONFED_SEQUENCE,
  SEGMENT_CONFED_SET,
  SEGMENT_SEQUENCE,
  SEGMENT_SET,
} from '../wire/attribute.ts';
import { AttributeEditor } from './attribute-editor.ts';
import { DirtySet } from './dirty.ts';
import { type AttributeSet, decodeAttributes, encodeAttributes, formatAsPath } from './attribute-set.ts';
import {
  INTERNAL_FLAGS,
  INTERNAL_HAS_WEIGHT,
  INTERNAL_NEXT_HOP_KEPT,
  INTERNAL_WEIGHT,
  viaAt,
} from './internal-attribute.ts';
import type { NexthopTable } from './nexthops.ts';

export const HAS_LOCAL_PREF = 1;
export const HAS_MED = 2;
export const HAS_ORIGINATOR = 4;
export const HAS_CLUSTER_LIST = 8;
export const HAS_NO_EXPORT = 16;
export const HAS_NO_ADVERTISE = 32;
export const HAS_NO_EXPORT_SUBCONFED = 64;
export const HAS_COMMUNITIES = 128;
export const HAS_WEIGHT = 256;
export const HAS_ATOMIC_AGGREGATE = 512;
export const HAS_GRACEFUL_SHUTDOWN = 1024;
export const HAS_BLACKHOLE = 2048;
export const HAS_OTC = 4096;
/** Policy chose the next hop. */
export const HAS_NEXT_HOP_KEPT = 8192;
/** The next hop is another instance's to find. */
export const HAS_NEXT_HOP_VIA = 16384;

/** Arena blocks are multiples of this; below `LARGE` each multiple has a free list, above it each power of two. */
const BLOCK = 16;
const LARGE = 1024;
const LARGE_CLASSES = 24;

/** The hash begins with so many heads, and grows eightfold, so that there are few sets to move each time. */
const FEW_HEADS = 128;

function blockBytes(length: number): number {
  if (length <= LARGE) return (length + BLOCK - 1) & ~(BLOCK - 1);
  return 1 << (32 - Math.clz32(length - 1));
}

function blockClass(bytes: number): number {
  return bytes <= LARGE ? bytes / BLOCK : LARGE / BLOCK + (31 - Math.clz32(bytes)) - 10;
}

/** The first AS of a path that is outside the confederation (RFC 5065 §5), 0 where a set stands there, or nothing. */
function neighbourOf(arena: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && arena[at]! >= SEGMENT_CONFED_SEQUENCE) at += 2 + arena[at + 1]! * 4;
  return at < end && arena[at] === SEGMENT_SEQUENCE ? readWord(arena, at + 2) : 0;
}

/** Sets that nobody holds that are looked at before the store grows. */
const SWEPT_SETS = 1_000;

export class AttributeStore {
  readonly nexthops: NexthopTable;
  /** Sets that somebody holds. */
  size = 0;
  /** Ids handed out so far, id 0 included. */
  limit = 1;
  /** The arena; a set's octets are [start[id], start[id] + length[id]). Changes when it grows. */
  arena: Uint8Array;
  start: Uint32Array;
  length: Uint32Array;
  /** Differs each time an id is given to another set. */
  serial: Uint32Array;
  origin: Uint8Array;
  /** ASes that count (RFC 4271 §9.1.2.2 (a)). */
  asPathLength: Uint16Array;
  /** First AS of the path outside our confederation, 0 where there is none: decides whether two MEDs compare. */
  neighborAs: Uint32Array;
  /** LOCAL_PREF; read only where HAS_LOCAL_PREF. */
  localPref: Uint32Array;
  /** MULTI_EXIT_DISC; read only where HAS_MED. */
  med: Uint32Array;
  /** Id in `nexthops`. */
  nexthop: Uint32Array;
  /** ORIGINATOR_ID; read only where HAS_ORIGINATOR. */
  originatorId: Uint32Array;
  /** Entries of CLUSTER_LIST. */
  clusterLength: Uint16Array;
  /** Read only where HAS_WEIGHT. */
  weight: Uint32Array;
  flags: Uint16Array;
  /** For policies: changes a set into another. One at a time. */
  readonly editor: AttributeEditor;

  #arenaWords: Uint32Array;
  #arenaEnd = 0;
  #arenaUsed = 0;
  #freeBlocks = new Uint32Array(LARGE / BLOCK + LARGE_CLASSES); // start + 1 of the first free block of a class
  #refs: Uint32Array;
  #hash: Uint32Array;
  #next: Uint32Array; // hash chain, or list of free ids
  #heads: Uint32Array;
  #freeId = 0;
  /** Sets that nobody held when it was last looked at. */
  readonly #unheld = new DirtySet();
  readonly #scratch: AttributeWriter = new AttributeWriter();
  // Where `find` left its answer.
  foundStart = 0;
  foundEnd = 0;

  constructor(nexthops: NexthopTable, rows = 1024) {
    this.nexthops = nexthops;
    const buffer = new ArrayBuffer(rows * 64);
    this.arena = new Uint8Array(buffer);
    this.#arenaWords = new Uint32Array(buffer);
    this.start = new Uint32Array(rows);
    this.length = new Uint32Array(rows);
    this.serial = new Uint32Array(rows);
    this.origin = new Uint8Array(rows);
    this.asPathLength = new Uint16Array(rows);
    this.neighborAs = new Uint32Array(rows);
    this.localPref = new Uint32Array(rows);
    this.med = new Uint32Array(rows);
    this.nexthop = new Uint32Array(rows);
    this.originatorId = new Uint32Array(rows);
    this.clusterLength = new Uint16Array(rows);
    this.weight = new Uint32Array(rows);
    this.flags = new Uint16Array(rows);
    this.#refs = new Uint32Array(rows);
    this.#hash = new Uint32Array(rows);
    this.#next = new Uint32Array(rows);
    this.#heads = new Uint32Array(FEW_HEADS);
    this.editor = new AttributeEditor(this);
  }

  /** Rows that a caller's column by attribute id needs. */
  get capacity(): number {
    return this.start.length;
  }

  /** The id of the canonical set in `writer`, which must be padded; the caller owns one reference. */
  intern(writer: AttributeWriter): number {
    const words = writer.words;
    const length = writer.length;
    const wordCount = (length + 3) >>> 2;
    let hash = length;
    for (let i = 0; i < wordCount; i++) {
      hash = Math.imul(hash ^ words[i]!, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    hash >>>= 0;
    const arena = this.#arenaWords;
    for (let id = this.#heads[hash & (this.#heads.length - 1)]!; id !== 0; id = this.#next[id]!) {
      if (this.#hash[id] !== hash || this.length[id] !== length) continue;
      const start = this.start[id]! >>> 2;
      let i = 0;
      while (i < wordCount && arena[start + i] === words[i]) i++;
      if (i === wordCount) return this.retain(id);
    }
    return this.#insert(writer, hash, wordCount);
  }

  /** `intern` for octets that lie anywhere. */
  internBytes(bytes: Uint8Array, from: number, end: number): number {
    const scratch = this.#scratch;
    scratch.length = 0;
    scratch.need(end - from);
    scratch.copy(bytes, from, end);
    scratch.pad();
    return this.intern(scratch);
  }

  /** One more reference; returns `id`. */
  retain(id: number): number {
    if (this.#refs[id]!++ === 0) this.#holdAgain(id);
    return id;
  }

  /** One reference less; with the last one the set gives up its next hop. Id 0 is allowed. */
  release(id: number): void {
    if (id === 0 || --this.#refs[id]! > 0) return;
    this.nexthops.release(this.nexthop[id]!);
    this.nexthop[id] = 0;
    this.#unheld.add(id);
    this.size--;
  }

  #holdAgain(id: number): void {
    this.size++;
    const { foundStart, foundEnd } = this;
    let via = 0;
    if ((this.flags[id]! & HAS_NEXT_HOP_VIA) !== 0 && this.find(id, ATTR_INTERNAL))
      via = viaAt(this.arena, this.foundStart);
    if (this.find(id, ATTR_NEXT_HOP)) {
      this.nexthop[id] = this.nexthops.intern(this.arena, this.foundStart, this.foundEnd - this.foundStart, via);
    }
    this.foundStart = foundStart;
    this.foundEnd = foundEnd;
  }

  /** Frees sets that nobody holds; returns at how many it looked, `max` at most. */
  sweep(max: number): number {
    const count = Math.min(max, this.#unheld.size);
    for (let i = 0; i < count; i++) {
      const id = this.#unheld.take();
      if (this.#refs[id] === 0) this.#free(id);
    }
    return count;
  }

  references(id: number): number {
    return this.#refs[id]!;
  }

  /** Looks for an attribute: true leaves its value's range in `foundStart`, `foundEnd` (in `arena`). */
  find(id: number, code: number): boolean {
    const arena = this.arena;
    let at = this.start[id]!;
    const end = at + this.length[id]!;
    while (at < end) {
      const own = arena[at + 1]!;
      let length = arena[at + 2]!;
      if ((arena[at]! & FLAG_EXTENDED) !== 0) {
        length = (length << 8) | arena[at + 3]!;
        at++;
      }
      at += 3;
      if (own === code) {
        this.foundStart = at;
        this.foundEnd = at + length;
        return true;
      }
      if (own > code) return false;
      at += length;
    }
    return false;
  }

  /** How often `as` stands in AS_PATH. */
  countAs(id: number, as: number): number {
    return this.find(id, ATTR_AS_PATH) ? countAs(this.arena, this.foundStart, this.foundEnd, as) : 0;
  }

  /** The AS that the path begins in, 0 where it is not known. */
  originAs(id: number): number {
    if (!this.find(id, ATTR_AS_PATH)) return 0;
    const { arena } = this;
    let last = 0;
    for (let at = this.foundStart; at < this.foundEnd; ) {
      const next = at + 2 + arena[at + 1]! * 4;
      last = arena[at] === SEGMENT_SEQUENCE || arena[at] === SEGMENT_CONFED_SEQUENCE ? readWord(arena, next - 4) : 0;
      at = next;
    }
    return last;
  }

  /** Whether a set of ASes stands in the path. */
  hasAsSet(id: number): boolean {
    if (!this.find(id, ATTR_AS_PATH)) return false;
    const { arena } = this;
    for (let at = this.foundStart; at < this.foundEnd; at += 2 + arena[at + 1]! * 4) {
      if (arena[at] === SEGMENT_SET || arena[at] === SEGMENT_CONFED_SET) return true;
    }
    return false;
  }

  /** ASes of our confederation in the path, a set being one. */
  confederationLength(id: number): number {
    if (!this.find(id, ATTR_AS_PATH)) return 0;
    const { arena } = this;
    let length = 0;
    for (let at = this.foundStart; at < this.foundEnd; at += 2 + arena[at + 1]! * 4) {
      if (arena[at] === SEGMENT_CONFED_SEQUENCE) length += arena[at + 1]!;
      else if (arena[at] === SEGMENT_CONFED_SET) length++;
    }
    return length;
  }

  /** Whether CLUSTER_LIST holds `cluster` (RFC 4456 §8). */
  hasCluster(id: number, cluster: number): boolean {
    if ((this.flags[id]! & HAS_CLUSTER_LIST) === 0 || !this.find(id, ATTR_CLUSTER_LIST)) return false;
    for (let at = this.foundStart; at < this.foundEnd; at += 4) if (readWord(this.arena, at) === cluster) return true;
    return false;
  }

  /** Whether COMMUNITIES holds `community`. */
  hasCommunity(id: number, community: number): boolean {
    if ((this.flags[id]! & HAS_COMMUNITIES) === 0 || !this.find(id, ATTR_COMMUNITIES)) return false;
    for (let at = this.foundStart; at < this.foundEnd; at += 4) if (readWord(this.arena, at) === community) return true;
    return false;
  }

  /** Whether two sets have the same AS_PATH. */
  sameAsPath(a: number, b: number): boolean {
    if (a === b) return true;
    if (!this.find(a, ATTR_AS_PATH)) return !this.find(b, ATTR_AS_PATH);
    const from = this.foundStart;
    const length = this.foundEnd - from;
    if (!this.find(b, ATTR_AS_PATH) || this.foundEnd - this.foundStart !== length) return false;
    const other = this.foundStart;
    for (let i = 0; i < length; i++) if (this.arena[from + i] !== this.arena[other + i]) return false;
    return true;
  }

  /** The set as an object, for people. */
  decode(id: number): AttributeSet {
    return decodeAttributes(this.arena, this.start[id]!, this.start[id]! + this.length[id]!);
  }

  /** Interns an object; what it leaves out is not in the set, but ORIGIN (incomplete) and AS_PATH (empty) always are. */
  encode(set: Partial<AttributeSet>): number {
    this.#scratch.length = 0;
    encodeAttributes(set, this.#scratch);
    return this.intern(this.#scratch);
  }

  /** `65001 65002 {1,2}`: for regular expressions and for people. */
  asPathText(id: number): string {
    return this.find(id, ATTR_AS_PATH) ? formatAsPath(this.arena, this.foundStart, this.foundEnd) : '';
  }

  /** Figures for `show memory`. */
  stats(): { sets: number; arenaBytes: number; arenaUsedBytes: number; columnBytes: number } {
    const columnBytes = this.capacity * 53 + this.#heads.length * 4;
    return { sets: this.size, arenaBytes: this.arena.length, arenaUsedBytes: this.#arenaUsed, columnBytes };
  }

  #insert(writer: AttributeWriter, hash: number, wordCount: number): number {
    if (this.#freeId === 0 && this.limit === this.capacity) this.sweep(SWEPT_SETS);
    let id = this.#freeId;
    if (id !== 0) this.#freeId = this.#next[id]!;
    else {
      if (this.limit === this.capacity) this.#growRows();
      id = this.limit++;
    }
    if (++this.size > this.#heads.length) this.#growHeads();
    const start = this.#allocate(writer.length);
    const words = this.#arenaWords;
    for (let i = 0; i < wordCount; i++) words[(start >>> 2) + i] = writer.words[i]!;
    this.start[id] = start;
    this.length[id] = writer.length;
    this.#hash[id] = hash;
    const slot = hash & (this.#heads.length - 1);
    this.#next[id] = this.#heads[slot]!;
    this.#heads[slot] = id;
    this.#refs[id] = 1;
    this.#fill(id, start, start + writer.length);
    return id;
  }

  /** Fills the columns from the octets. */
  #fill(id: number, from: number, end: number): void {
    const arena = this.arena;
    let flags = 0;
    let nexthop = 0;
    let via = 0;
    this.origin[id] = 2;
    this.asPathLength[id] = 0;
    this.neighborAs[id] = 0;
    this.clusterLength[id] = 0;
    for (let at = from; at < end; ) {
      const code = arena[at + 1]!;
      let length = arena[at + 2]!;
      if ((arena[at]! & FLAG_EXTENDED) !== 0) {
        length = (length << 8) | arena[at + 3]!;
        at++;
      }
      at += 3;
      switch (code) {
        case ATTR_INTERNAL:
          this.weight[id] = readWord(arena, at + INTERNAL_WEIGHT);
          if ((arena[at + INTERNAL_FLAGS]! & INTERNAL_HAS_WEIGHT) !== 0) flags |= HAS_WEIGHT;
          if ((arena[at + INTERNAL_FLAGS]! & INTERNAL_NEXT_HOP_KEPT) !== 0) flags |= HAS_NEXT_HOP_KEPT;
          via = viaAt(arena, at);
          if (via !== 0) flags |= HAS_NEXT_HOP_VIA;
          break;
        case ATTR_ORIGIN:
          this.origin[id] = arena[at]!;
          break;
        case ATTR_AS_PATH:
          this.asPathLength[id] = asPathLength(arena, at, at + length, 4);
          this.neighborAs[id] = neighbourOf(arena, at, at + length);
          break;
        case ATTR_NEXT_HOP:
          nexthop = this.nexthops.intern(arena, at, length, via);
          break;
        case ATTR_MED:
          this.med[id] = readWord(arena, at);
          flags |= HAS_MED;
          break;
        case ATTR_LOCAL_PREF:
          this.localPref[id] = readWord(arena, at);
          flags |= HAS_LOCAL_PREF;
          break;
        case ATTR_ATOMIC_AGGREGATE:
          flags |= HAS_ATOMIC_AGGREGATE;
          break;
        case ATTR_COMMUNITIES:
          flags |= HAS_COMMUNITIES;
          for (let i = at; i < at + length; i += 4) {
            const community = readWord(arena, i);
            if (community === COMMUNITY_NO_EXPORT) flags |= HAS_NO_EXPORT;
            else if (community === COMMUNITY_NO_ADVERTISE) flags |= HAS_NO_ADVERTISE;
            else if (community === COMMUNITY_NO_EXPORT_SUBCONFED) flags |= HAS_NO_EXPORT_SUBCONFED;
            else if (community === COMMUNITY_GRACEFUL_SHUTDOWN) flags |= HAS_GRACEFUL_SHUTDOWN;
            else if (community === COMMUNITY_BLACKHOLE) flags |= HAS_BLACKHOLE;
          }
          break;
        case ATTR_ORIGINATOR_ID:
          this.originatorId[id] = readWord(arena, at);
          flags |= HAS_ORIGINATOR;
          break;
        case ATTR_CLUSTER_LIST:
          this.clusterLength[id] = length >>> 2;
          flags |= HAS_CLUSTER_LIST;
          break;
        case ATTR_OTC:
          flags |= HAS_OTC;
          break;
        default:
      }
      at += length;
    }
    this.nexthop[id] = nexthop;
    this.flags[id] = flags;
  }

  #free(id: number): void {
    const slot = this.#hash[id]! & (this.#heads.length - 1);
    if (this.#heads[slot] === id) this.#heads[slot] = this.#next[id]!;
    else {
      let before = this.#heads[slot]!;
      while (this.#next[before] !== id) before = this.#next[before]!;
      this.#next[before] = this.#next[id]!;
    }
    const bytes = blockBytes(this.length[id]!);
    const start = this.start[id]!;
    if (bytes > 0) {
      this.#arenaWords[start >>> 2] = this.#freeBlocks[blockClass(bytes)]!;
      this.#freeBlocks[blockClass(bytes)] = start + 1;
      this.#arenaUsed -= bytes;
    }
    this.serial[id]!++;
    this.#next[id] = this.#freeId;
    this.#freeId = id;
  }

  #allocate(length: number): number {
    const bytes = blockBytes(length);
    if (bytes === 0) return 0;
    this.#arenaUsed += bytes;
    const kind = blockClass(bytes);
    if (this.#freeBlocks[kind] === 0 && this.#arenaEnd + bytes > this.arena.length) this.sweep(SWEPT_SETS);
    const free = this.#freeBlocks[kind]!;
    if (free !== 0) {
      this.#freeBlocks[kind] = this.#arenaWords[(free - 1) >>> 2]!;
      return free - 1;
    }
    const start = this.#arenaEnd;
    if (start + bytes > this.arena.length) {
      let size = this.arena.length;
      while (start + bytes > size) size = moreRows(size);
      [this.arena] = grown(size, this.arena);
      // The arena's words are the same memory.
      this.#arenaWords = new Uint32Array(this.arena.buffer, this.arena.byteOffset, size >>> 2);
    }
    this.#arenaEnd = start + bytes;
    return start;
  }

  #growRows(): void {
    const rows = moreRows(this.capacity);
    [
      this.start,
      this.length,
      this.serial,
      this.origin,
      this.asPathLength,
      this.neighborAs,
      this.localPref,
      this.med,
      this.nexthop,
      this.originatorId,
      this.clusterLength,
      this.weight,
      this.flags,
      this.#refs,
      this.#hash,
      this.#next,
    ] = grown(
      rows,
      this.start,
      this.length,
      this.serial,
      this.origin,
      this.asPathLength,
      this.neighborAs,
      this.localPref,
      this.med,
      this.nexthop,
      this.originatorId,
      this.clusterLength,
      this.weight,
      this.flags,
      this.#refs,
      this.#hash,
      this.#next,
    );
  }

  /** Widens the hash; every set moves to where its hash now leads. */
  #growHeads(): void {
    const before = this.#heads;
    const heads = newColumn(before.length * 8);
    const mask = heads.length - 1;
    for (let slot = 0; slot < before.length; slot++) {
      for (let id = before[slot]!; id !== 0; ) {
        const next = this.#next[id]!;
        const to = this.#hash[id]! & mask;
        this.#next[id] = heads[to]!;
        heads[to] = id;
        id = next;
      }
    }
    this.#heads = heads;
  }
}
