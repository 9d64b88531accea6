// One address family's routes: every path that every peer announced, which of them are selected, and who still has to be
// told. There are no objects for routes: a prefix is a row of PrefixTable, a path is a row of the columns below.
//
//   prefix row            path rows (a list for each prefix, newest first)
//   ┌───────┬──────┐      ┌──────────────────────────────┐   ┌──────┐
//   │ first │ best │ ───▶ │ peer, received, attributes … │──▶│ …    │──▶ 0
//   └───────┴──────┘      └──────────────────────────────┘   └──────┘
//
//   ingest ──▶ [undecided] ──decide──▶ [zebra's dirty set]   ──nextChanges──▶ ZAPI
//   walks  ──▶                    └──▶ [each group's own]    ──UpdateGroup──▶ peers
//
// A path keeps the attributes as received and as the import policy left them, so a policy can change at any time without
// asking the peer again; a refused path stays, flagged. Nothing is told to anybody while a prefix is being changed: a
// change marks the prefix undecided, `decide` selects, and only a different selection marks it for the consumers. They
// hold a bit per prefix and read the table when they come, so the slowest of them costs a bit and always gets the newest.
//
// Whatever touches every path (a session lost, a policy or a next hop changed) is a walk over the path rows in slices.
// A session is told from the one before it by an epoch in the path's flags: paths of an older epoch are stale; they go
// when a walk comes by, unless the peer has announced them again by then.
import { AF_INET, type Family, PrefixTable, grown, moreRows } from '../../net/index.ts';
import { ACTION_WITHDRAW } from '../wire/attribute.ts';
import { prefixWord } from '../wire/nlri.ts';
import type { UpdateParser } from '../wire/update.ts';
import { type AttributeStore, HAS_LOCAL_PREF, HAS_MED, HAS_ORIGINATOR, HAS_WEIGHT } from './attributes.ts';
import { DirtySet } from './dirty.ts';
import {
  type DecisionOptions,
  PATH_BEST,
  PATH_CHANGED,
  PATH_FILTERED,
  PATH_LOCAL,
  PATH_LOOP,
  PATH_MULTIPATH,
  PATH_REMOVED,
  PATH_VALID,
  PEER_EBGP,
  PEER_LOCAL,
  type PeerInfo,
  type Policy,
  REASON_AS_PATH,
  REASON_CLUSTER,
  REASON_FIRST,
  REASON_IGP_METRIC,
  REASON_INELIGIBLE,
  REASON_LOCAL,
  REASON_LOCAL_PREF,
  REASON_MED,
  REASON_NEIGHBOUR,
  REASON_OLDER,
  REASON_ORIGIN,
  REASON_PEER_TYPE,
  REASON_ROUTER_ID,
  REASON_WEIGHT,
} from './types.ts';

const NO_PEER = 0xffff; // in `pathPeer`: the row is free
const EPOCH_SHIFT = 9;
const EPOCH_MASK = 0x7f;
const FLAG_MASK = (1 << EPOCH_SHIFT) - 1;
/** Weight of routes that start here, as every router of this tradition has it. */
const LOCAL_WEIGHT = 32768;
const MAX_PEERS = 65534;

/** Who is told of changed selections: update groups. */
export interface TableConsumer {
  /** Prefixes whose best path changed. */
  readonly dirty: DirtySet;
  /** Whether the prefix's row is still needed although it has no path. */
  holds(prefix: number): boolean;
  /** There is something in `dirty`. */
  wake(): void;
}

export interface BgpTableOptions {
  family: Family;
  store: AttributeStore;
  decision: DecisionOptions;
  /** Prefixes expected: a table made for them need not grow. What is not used costs address space only. */
  rows?: number;
  /** Seconds, for the time of last change. */
  now?: () => number;
}

/** What a peer's paths amount to. */
export interface PeerCounts {
  /** Prefixes the peer has announced and not withdrawn. */
  received: number;
  /** Of these, how many the import policy and the loop checks let pass. */
  accepted: number;
}

type WalkKind = 'gone' | 'policy' | 'nexthops' | 'all';
interface Walk {
  kind: WalkKind;
  peer: number;
  row: number;
  changed?: Uint8Array;
}

export class BgpTable {
  readonly family: Family;
  readonly store: AttributeStore;
  readonly prefixes: PrefixTable;
  readonly decision: DecisionOptions;
  /** By index, from 1. */
  readonly peers: (PeerInfo | undefined)[] = [undefined];
  /** Called when `work` has something to do, and when zebra or a group has. */
  onWork: () => void = () => {};
  /** Called when zebra's dirty set has something in it. */
  onZebra: () => void = () => {};

  // By prefix.
  first: Uint32Array = new Uint32Array(1024);
  /** The selected path, 0 for none. */
  best: Uint32Array = new Uint32Array(1024);
  /** `changes` when the selected path changed last. */
  version: Uint32Array = new Uint32Array(1024);

  // By path; row 0 is no path.
  pathPrefix: Uint32Array = new Uint32Array(1024);
  pathNext: Uint32Array = new Uint32Array(1024);
  pathPeer: Uint16Array = new Uint16Array(1024);
  /** Attribute set as the peer sent it. */
  pathReceived: Uint32Array = new Uint32Array(1024);
  /** Attribute set after the import policy; 0 where it refused. */
  pathAttributes: Uint32Array = new Uint32Array(1024);
  /** PATH_ flags and, above them, the session's epoch. */
  pathFlags: Uint16Array = new Uint16Array(1024);
  /** When the path last changed, in the clock's seconds. */
  pathChanged: Uint32Array = new Uint32Array(1024);
  /** REASON_ of the last comparison. */
  pathReason: Uint8Array = new Uint8Array(1024);
  /** Path rows handed out so far, row 0 included. */
  pathLimit = 1;
  /** Paths alive. */
  pathCount = 0;
  /** Announced prefixes that no unicast table can hold (multicast, IPv6 link-local). */
  ignored = 0;
  /** Decisions made, and how many of them changed the best path. */
  decisions = 0;
  changes = 0;

  #freePath = 0;
  readonly #undecided = new DirtySet();
  readonly #zebra = new DirtySet();
  #zebraAttached = false;
  readonly #consumers: TableConsumer[] = [];
  #wake = false;
  #clock = 0; // the time of this batch
  readonly #walks: Walk[] = [];
  readonly #now: () => number;
  readonly #policies: (Policy | undefined)[] = [];
  readonly #received: number[] = [0];
  readonly #accepted: number[] = [0];
  readonly #leaving = new Set<number>(); // peers to be forgotten when their paths are gone
  #selected = new Uint32Array(64);
  #candidates = new Uint32Array(64);
  // What the decision asks of a peer, by index.
  #peerKind = new Uint8Array(64);
  #peerWeight = new Uint32Array(64);
  #peerRouterId = new Uint32Array(64);
  #peerEpoch = new Uint8Array(64);
  #reason = 0; // of the last `#compare`

  constructor(options: BgpTableOptions) {
    this.family = options.family;
    this.store = options.store;
    this.decision = options.decision;
    this.prefixes = new PrefixTable(options.family, options.rows);
    this.#now = options.now ?? ((): number => Math.floor(performance.now() / 1000));
  }

  // ===== peers =====

  /** A peer, or a source of routes that start here, gets its index. */
  addPeer(info: PeerInfo): number {
    let index = 1;
    while (index < this.peers.length && this.peers[index] !== undefined) index++;
    if (index > MAX_PEERS) throw new Error(`more than ${MAX_PEERS} peers in one table`);
    if (index >= this.#peerKind.length) {
      const rows = this.#peerKind.length * 2;
      [this.#peerKind, this.#peerWeight, this.#peerRouterId, this.#peerEpoch] = grown(
        rows,
        this.#peerKind,
        this.#peerWeight,
        this.#peerRouterId,
        this.#peerEpoch,
      );
    }
    this.peers[index] = info;
    this.#received[index] = 0;
    this.#accepted[index] = 0;
    this.#policies[index] = undefined;
    this.#copyPeer(index);
    return index;
  }

  /** The fields of a peer's PeerInfo changed (router id at OPEN, weight …). */
  peerChanged(index: number): void {
    this.#copyPeer(index);
    if (this.#received[index]! > 0) this.redecideAll();
  }

  /** Takes a peer out: its paths go in slices, then its index may be given to another. */
  removePeer(index: number): void {
    this.#leaving.add(index);
    this.peerDown(index);
  }

  /**
   * The session ended: the peer's paths go, in slices. With `keepStale` they stay, marked stale, until the peer announces
   * them again or `sweepStale` is called (RFC 4724 §4.2).
   */
  peerDown(index: number, keepStale = false): void {
    this.#peerEpoch[index] = (this.#peerEpoch[index]! + 1) & EPOCH_MASK;
    if (!keepStale) this.sweepStale(index);
  }

  /** Paths of sessions before the present one go, in slices. */
  sweepStale(index: number): void {
    const walk = this.#walks.find(other => other.kind === 'gone' && other.peer === index);
    if (walk) walk.row = 1;
    else this.#walks.push({ kind: 'gone', peer: index, row: 1 });
    this.onWork();
  }

  /** Whether the path is from an earlier session of its peer. */
  isStale(path: number): boolean {
    return this.pathFlags[path]! >>> EPOCH_SHIFT !== this.#peerEpoch[this.pathPeer[path]!];
  }

  /** Paths that nobody refused, of all peers. */
  get acceptedPaths(): number {
    return this.#accepted.reduce((sum, count) => sum + count, 0);
  }

  peerCounts(index: number): PeerCounts {
    return { received: this.#received[index] ?? 0, accepted: this.#accepted[index] ?? 0 };
  }

  /** The import policy of a peer, applied to what comes and, in slices, to what is there (also when it changed inside). */
  setImportPolicy(index: number, policy: Policy | undefined): void {
    this.#policies[index] = policy;
    if (this.#received[index] === 0) return;
    const walk = this.#walks.find(other => other.kind === 'policy' && other.peer === index);
    if (walk) walk.row = 1;
    else this.#walks.push({ kind: 'policy', peer: index, row: 1 });
    this.onWork();
  }

  // ===== what comes in =====

  /**
   * Everything of this family in a parsed UPDATE; the caller has dealt with ACTION_RESET. A table of another family finds
   * nothing in it.
   */
  ingest(peer: number, update: UpdateParser): void {
    const bytes = update.bytes;
    const ipv4 = this.family === AF_INET;
    // Once a batch; the clock costs more than a prefix.
    if (this.#undecided.size === 0) this.#clock = this.#now();
    if (ipv4 && update.withdrawnEnd > update.withdrawnStart) {
      this.#withdrawRange(peer, bytes, update.withdrawnStart, update.withdrawnEnd);
    }
    if (update.unreachFamily === this.family) {
      this.#withdrawRange(peer, bytes, update.unreachStart, update.unreachEnd);
    }
    const plain = ipv4 && update.nlriEnd > update.nlriStart;
    const reach = update.reachFamily === this.family && update.reachEnd > update.reachStart;
    if (update.action === ACTION_WITHDRAW) {
      if (plain) this.#withdrawRange(peer, bytes, update.nlriStart, update.nlriEnd);
      if (reach) this.#withdrawRange(peer, bytes, update.reachStart, update.reachEnd);
    } else {
      if (plain) this.#announceRange(peer, update, false, update.nlriStart, update.nlriEnd);
      if (reach) this.#announceRange(peer, update, true, update.reachStart, update.reachEnd);
    }
    if (this.#undecided.size > 0) this.onWork();
  }

  /** Announces one prefix with the attribute set `attributes`, of which the caller keeps its reference. */
  announce(peer: number, w0: number, w1: number, w2: number, w3: number, length: number, attributes: number): void {
    const prefix = this.prefixes.insert(w0, w1, w2, w3, length);
    if (prefix >= this.first.length) this.#growPrefixes();
    this.#clock = this.#now();
    const loop = this.#loopFlag(peer, attributes);
    const post = this.#import(peer, attributes, prefix);
    this.#announce(prefix, peer, attributes, post, loop);
    if (post > 0) this.store.release(post);
    this.onWork();
  }

  /** Withdraws one prefix; false where the peer had not announced it. */
  withdraw(peer: number, w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    const prefix = this.prefixes.find(w0, w1, w2, w3, length);
    if (prefix < 0 || !this.#withdraw(prefix, peer)) return false;
    this.onWork();
    return true;
  }

  #announceRange(peer: number, update: UpdateParser, reach: boolean, from: number, end: number): void {
    const bytes = update.bytes;
    const store = this.store;
    const prefixes = this.prefixes;
    const attributes = store.intern(update.canonical(reach));
    const loop = this.#loopFlag(peer, attributes);
    const policy = this.#policies[peer];
    const perPrefix = policy?.perPrefix === true;
    let post = perPrefix ? 0 : this.#import(peer, attributes, -1);
    if (this.family === AF_INET) {
      for (let at = from; at < end; ) {
        const length = bytes[at]!;
        const word = prefixWord(bytes, at, 0);
        at += 1 + ((length + 7) >>> 3);
        if (word >>> 28 === 14) {
          this.ignored++;
          continue;
        }
        const prefix = prefixes.insert(word, 0, 0, 0, length);
        if (prefix >= this.first.length) this.#growPrefixes();
        if (perPrefix) post = this.#import(peer, attributes, prefix);
        this.#announce(prefix, peer, attributes, post, loop);
        if (perPrefix && post > 0) store.release(post);
      }
    } else {
      for (let at = from; at < end; ) {
        const length = bytes[at]!;
        const w0 = prefixWord(bytes, at, 0);
        const w1 = prefixWord(bytes, at, 1);
        const w2 = prefixWord(bytes, at, 2);
        const w3 = prefixWord(bytes, at, 3);
        at += 1 + ((length + 7) >>> 3);
        if (w0 >>> 24 === 255 || (w0 >>> 22 === 0x3fa && length >= 10)) {
          this.ignored++;
          continue;
        }
        const prefix = prefixes.insert(w0, w1, w2, w3, length);
        if (prefix >= this.first.length) this.#growPrefixes();
        if (perPrefix) post = this.#import(peer, attributes, prefix);
        this.#announce(prefix, peer, attributes, post, loop);
        if (perPrefix && post > 0) store.release(post);
      }
    }
    if (!perPrefix && post > 0) store.release(post);
    store.release(attributes);
  }

  #withdrawRange(peer: number, bytes: Uint8Array, from: number, end: number): void {
    const prefixes = this.prefixes;
    const ipv4 = this.family === AF_INET;
    for (let at = from; at < end; ) {
      const length = bytes[at]!;
      const prefix = ipv4
        ? prefixes.find(prefixWord(bytes, at, 0), 0, 0, 0, length)
        : prefixes.find(
            prefixWord(bytes, at, 0),
            prefixWord(bytes, at, 1),
            prefixWord(bytes, at, 2),
            prefixWord(bytes, at, 3),
            length,
          );
      at += 1 + ((length + 7) >>> 3);
      if (prefix >= 0) this.#withdraw(prefix, peer);
    }
  }

  /** What the import policy makes of a set: an id with one reference, or -1. */
  #import(peer: number, attributes: number, prefix: number): number {
    const policy = this.#policies[peer];
    const post = policy ? policy.apply(attributes, prefix, peer) : this.store.retain(attributes);
    // Paths lead to this next hop from now on.
    if (post > 0) this.store.nexthops.track(this.store.nexthop[post]!);
    return post;
  }

  /** RFC 4271 §9.1.2, RFC 4456 §8: routes that went through here before. */
  #loopFlag(peer: number, attributes: number): number {
    const info = this.peers[peer]!;
    if (info.kind === PEER_LOCAL) return PATH_LOCAL;
    const store = this.store;
    const decision = this.decision;
    if (store.countAs(attributes, decision.localAs) > info.allowOwnAs) return PATH_LOOP;
    if (info.kind === PEER_EBGP) return 0;
    if ((store.flags[attributes]! & HAS_ORIGINATOR) !== 0 && store.originatorId[attributes] === decision.routerId) {
      return PATH_LOOP;
    }
    return store.hasCluster(attributes, decision.clusterId) ? PATH_LOOP : 0;
  }

  /** Takes a reference of its own to each set. */
  #announce(prefix: number, peer: number, received: number, post: number, loop: number): void {
    const store = this.store;
    const epoch = this.#peerEpoch[peer]! << EPOCH_SHIFT;
    let path = this.first[prefix]!;
    while (path !== 0 && this.pathPeer[path] !== peer) path = this.pathNext[path]!;
    let flags = loop | epoch | PATH_CHANGED;
    if (post < 0) flags |= PATH_FILTERED;
    const accepted = (flags & (PATH_FILTERED | PATH_LOOP)) === 0 ? 1 : 0;
    if (path === 0) {
      path = this.#freePath;
      if (path !== 0) this.#freePath = this.pathNext[path]!;
      else {
        if (this.pathLimit === this.pathPrefix.length) this.#growPaths();
        path = this.pathLimit++;
      }
      this.pathCount++;
      this.pathPrefix[path] = prefix;
      this.pathPeer[path] = peer;
      this.pathNext[path] = this.first[prefix]!;
      this.first[prefix] = path;
      this.#received[peer]!++;
      this.#accepted[peer]! += accepted;
    } else {
      const before = this.pathFlags[path]!;
      if (
        this.pathReceived[path] === received &&
        this.pathAttributes[path] === (post < 0 ? 0 : post) &&
        ((before ^ flags) & (PATH_FILTERED | PATH_LOOP | PATH_REMOVED)) === 0
      ) {
        // Said again: nothing changed, but it is not stale.
        this.pathFlags[path] = (before & FLAG_MASK) | epoch;
        return;
      }
      if ((before & PATH_REMOVED) !== 0) {
        this.pathCount++;
        this.#received[peer]!++;
      } else if ((before & (PATH_FILTERED | PATH_LOOP)) === 0) this.#accepted[peer]!--;
      this.#accepted[peer]! += accepted;
      // After the new ones are held: they may be the same.
      flags |= before & (PATH_BEST | PATH_MULTIPATH | PATH_VALID);
      store.retain(received);
      if (post > 0) store.retain(post);
      store.release(this.pathReceived[path]!);
      store.release(this.pathAttributes[path]!);
      this.pathReceived[path] = received;
      this.pathAttributes[path] = post < 0 ? 0 : post;
      this.pathFlags[path] = flags;
      this.pathChanged[path] = this.#clock;
      this.#undecided.add(prefix);
      return;
    }
    store.retain(received);
    if (post > 0) store.retain(post);
    this.pathReceived[path] = received;
    this.pathAttributes[path] = post < 0 ? 0 : post;
    this.pathFlags[path] = flags;
    this.pathChanged[path] = this.#clock;
    this.pathReason[path] = 0;
    this.#undecided.add(prefix);
  }

  #withdraw(prefix: number, peer: number): boolean {
    let path = this.first[prefix]!;
    while (path !== 0 && this.pathPeer[path] !== peer) path = this.pathNext[path]!;
    if (path === 0 || (this.pathFlags[path]! & PATH_REMOVED) !== 0) return false;
    this.#removePath(path);
    return true;
  }

  /** Marks a path; the decision unlinks it, so that what is selected stays as it is until then. */
  #removePath(path: number): void {
    const flags = this.pathFlags[path]!;
    const peer = this.pathPeer[path]!;
    this.pathFlags[path] = flags | PATH_REMOVED;
    this.pathCount--;
    this.#received[peer]!--;
    if ((flags & (PATH_FILTERED | PATH_LOOP)) === 0) this.#accepted[peer]!--;
    this.#undecided.add(this.pathPrefix[path]!);
  }

  // ===== work in slices =====

  /** A slice of the walks, at most `maxRows` path rows, then all decisions that are due. True: there is more to do. */
  work(maxRows: number): boolean {
    let left = maxRows;
    this.#clock = this.#now();
    while (left > 0 && this.#walks.length > 0) {
      const walk = this.#walks[0]!;
      const end = Math.min(this.pathLimit, walk.row + left);
      left -= end - walk.row;
      if (walk.kind === 'gone') this.#walkGone(walk.peer, walk.row, end);
      else if (walk.kind === 'policy') this.#walkPolicy(walk.peer, walk.row, end);
      else if (walk.kind === 'nexthops') this.#walkNexthops(walk.changed!, walk.row, end);
      else this.#walkAll(walk.row, end);
      walk.row = end;
      if (end === this.pathLimit) {
        this.#walks.shift();
        if (walk.kind === 'gone' && this.#leaving.has(walk.peer)) this.#forget(walk.peer);
      }
    }
    this.decide();
    return this.#walks.length > 0;
  }

  /** Next hops changed (`NexthopTable.set` said so): the prefixes that lead there are decided again, in slices. */
  nexthopsChanged(changed: Uint8Array): void {
    const walk = this.#walks.find(other => other.kind === 'nexthops');
    if (walk) {
      const both = walk.changed!.length >= changed.length ? walk.changed! : grown(changed.length, walk.changed!)[0];
      for (let id = 0; id < changed.length; id++) both[id]! |= changed[id]!;
      walk.changed = both;
      walk.row = 1;
    } else this.#walks.push({ kind: 'nexthops', peer: 0, row: 1, changed: changed.slice() });
    this.onWork();
  }

  /** The decision's knobs changed. */
  redecideAll(): void {
    const walk = this.#walks.find(other => other.kind === 'all');
    if (walk) walk.row = 1;
    else this.#walks.push({ kind: 'all', peer: 0, row: 1 });
    this.onWork();
  }

  #walkGone(peer: number, from: number, end: number): void {
    const epoch = this.#peerEpoch[peer]!;
    for (let path = from; path < end; path++) {
      if (this.pathPeer[path] !== peer) continue;
      const flags = this.pathFlags[path]!;
      if (flags >>> EPOCH_SHIFT !== epoch && (flags & PATH_REMOVED) === 0) this.#removePath(path);
    }
  }

  #walkPolicy(peer: number, from: number, end: number): void {
    const store = this.store;
    const perPrefix = this.#policies[peer]?.perPrefix === true;
    // Rows side by side mostly came in one message: the last answer often holds for the next row.
    let known = 0;
    let answer = -1;
    for (let path = from; path < end; path++) {
      if (this.pathPeer[path] !== peer || (this.pathFlags[path]! & PATH_REMOVED) !== 0) continue;
      const received = this.pathReceived[path]!;
      if (perPrefix || known !== received) {
        if (answer > 0) store.release(answer);
        answer = this.#import(peer, received, perPrefix ? this.pathPrefix[path]! : -1);
        known = received;
      }
      const before = this.pathFlags[path]!;
      const stale = before >>> EPOCH_SHIFT;
      this.#announce(this.pathPrefix[path]!, peer, received, answer, this.#loopFlag(peer, received));
      // A walk is no announcement: what was stale is still.
      this.pathFlags[path] = (this.pathFlags[path]! & FLAG_MASK) | (stale << EPOCH_SHIFT);
    }
    if (answer > 0) store.release(answer);
  }

  #walkNexthops(changed: Uint8Array, from: number, end: number): void {
    const nexthop = this.store.nexthop;
    for (let path = from; path < end; path++) {
      if (this.pathPeer[path] === NO_PEER) continue;
      const id = nexthop[this.pathAttributes[path]!]!;
      if (id < changed.length && changed[id] === 1) this.#undecided.add(this.pathPrefix[path]!);
    }
  }

  #walkAll(from: number, end: number): void {
    for (let path = from; path < end; path++) {
      if (this.pathPeer[path] !== NO_PEER) this.#undecided.add(this.pathPrefix[path]!);
    }
  }

  #forget(peer: number): void {
    this.#leaving.delete(peer);
    this.decide();
    this.peers[peer] = undefined;
    this.#policies[peer] = undefined;
  }

  // ===== decision (RFC 4271 §9.1) =====

  /** Decides every prefix that is due. Consumers call it before they read. */
  decide(): void {
    const undecided = this.#undecided;
    for (let prefix = undecided.take(); prefix >= 0; prefix = undecided.take()) this.#decide(prefix);
    if (!this.#wake) return;
    this.#wake = false;
    for (let i = 0; i < this.#consumers.length; i++) this.#consumers[i]!.wake();
    if (this.#zebra.size > 0) this.onZebra();
  }

  #decide(prefix: number): void {
    this.decisions++;
    const before = this.best[prefix]!;
    let best = 0;
    let bestReason = REASON_FIRST;
    let candidates = 0;
    let changed = false;
    let previous = 0;
    for (let path = this.first[prefix]!; path !== 0; ) {
      const next = this.pathNext[path]!;
      const flags = this.pathFlags[path]!;
      if ((flags & PATH_REMOVED) !== 0) {
        if (previous === 0) this.first[prefix] = next;
        else this.pathNext[previous] = next;
        if ((flags & (PATH_BEST | PATH_MULTIPATH)) !== 0) changed = true;
        this.#freeRow(path);
        path = next;
        continue;
      }
      previous = path;
      if (this.#eligible(path, flags)) {
        if (candidates === this.#candidates.length) [this.#candidates] = grown(candidates * 2, this.#candidates);
        this.#candidates[candidates++] = path;
      } else this.pathReason[path] = REASON_INELIGIBLE;
      path = next;
    }
    if (candidates === 1) best = this.#candidates[0]!;
    else if (candidates > 1) {
      best = this.decision.deterministicMed ? this.#selectByNeighbour(candidates) : this.#select(candidates);
      bestReason = this.pathReason[best]!;
    }
    if (best !== 0) this.pathReason[best] = bestReason;

    // Flags and what differs from before. A path that changed in place and is selected is a change as well.
    const bestChanged = best !== before || (best !== 0 && (this.pathFlags[best]! & PATH_CHANGED) !== 0);
    if (candidates > 1) this.#multipath(best, candidates);
    for (let path = this.first[prefix]!; path !== 0; path = this.pathNext[path]!) {
      const flags = this.pathFlags[path]!;
      let now = flags & ~(PATH_BEST | PATH_MULTIPATH | PATH_CHANGED);
      if (path === best) now |= PATH_BEST | PATH_MULTIPATH;
      else if (candidates > 1 && this.#isSelected(path)) now |= PATH_MULTIPATH;
      if (((now ^ flags) & PATH_MULTIPATH) !== 0) changed = true;
      if ((now & PATH_MULTIPATH) !== 0 && (flags & PATH_CHANGED) !== 0) changed = true;
      if (now !== flags) this.pathFlags[path] = now;
    }
    this.best[prefix] = best;
    if (bestChanged && (best !== 0 || before !== 0)) {
      this.version[prefix] = ++this.changes;
      this.#wake = true;
      for (let i = 0; i < this.#consumers.length; i++) this.#consumers[i]!.dirty.add(prefix);
      if (this.#zebraAttached) this.#zebra.add(prefix);
    } else if (changed && this.#zebraAttached) {
      this.#wake = true;
      this.#zebra.add(prefix);
    }
    if (previous === 0) this.releasePrefix(prefix);
  }

  /** Not refused, no loop, and the next hop resolves; keeps PATH_VALID true to the last of these. */
  #eligible(path: number, flags: number): boolean {
    if ((flags & (PATH_FILTERED | PATH_LOOP)) !== 0) {
      if ((flags & PATH_VALID) !== 0) this.pathFlags[path] = flags & ~PATH_VALID;
      return false;
    }
    const store = this.store;
    const hop = store.nexthop[this.pathAttributes[path]!]!;
    const valid = (flags & PATH_LOCAL) !== 0 || store.nexthops.reachable[hop] === 1;
    this.pathFlags[path] = valid ? flags | PATH_VALID : flags & ~PATH_VALID;
    return valid;
  }

  /** The best of the candidates, each compared with the best so far. */
  #select(count: number): number {
    const candidates = this.#candidates;
    let best = candidates[0]!;
    for (let i = 1; i < count; i++) {
      const path = candidates[i]!;
      const loser = this.#compare(best, path) ? path : best;
      if (loser === best) best = path;
      this.pathReason[loser] = this.#reason;
      this.pathReason[best] = this.#reason;
    }
    return best;
  }

  /**
   * Deterministic MED: first the best of each neighbouring AS, then the best of these, so that the order in which paths
   * came cannot matter (RFC 4271 §9.1.2.2 (c) leaves it open).
   */
  #selectByNeighbour(count: number): number {
    const candidates = this.#candidates;
    const neighbour = this.store.neighborAs;
    const attributes = this.pathAttributes;
    // Neighbours side by side.
    for (let i = 1; i < count; i++) {
      const path = candidates[i]!;
      const as = neighbour[attributes[path]!]!;
      let j = i - 1;
      while (j >= 0 && neighbour[attributes[candidates[j]!]!]! > as) {
        candidates[j + 1] = candidates[j]!;
        j--;
      }
      candidates[j + 1] = path;
    }
    let best = 0;
    for (let i = 0; i < count; ) {
      let group = candidates[i]!;
      const as = neighbour[attributes[group]!]!;
      for (i++; i < count && neighbour[attributes[candidates[i]!]!] === as; i++)
        group = this.#better(group, candidates[i]!);
      best = best === 0 ? group : this.#better(best, group);
    }
    return best;
  }

  #better(a: number, b: number): number {
    const winner = this.#compare(a, b) ? a : b;
    this.pathReason[a] = this.#reason;
    this.pathReason[b] = this.#reason;
    return winner;
  }

  /** Whether `a` beats `b`; the step that told them apart is left in `#reason`. */
  #compare(a: number, b: number): boolean {
    const equal = this.#compareMetrics(a, b);
    if (equal !== 0) return equal < 0;
    const store = this.store;
    const peerA = this.pathPeer[a]!;
    const peerB = this.pathPeer[b]!;
    const setA = this.pathAttributes[a]!;
    const setB = this.pathAttributes[b]!;
    // Between external paths the one in use stays, so that routes do not move for a router id's sake (RFC 5004).
    if (
      !this.decision.compareRouterId &&
      this.#peerKind[peerA] === PEER_EBGP &&
      this.#peerKind[peerB] === PEER_EBGP &&
      ((this.pathFlags[a]! ^ this.pathFlags[b]!) & PATH_BEST) !== 0
    ) {
      this.#reason = REASON_OLDER;
      return (this.pathFlags[a]! & PATH_BEST) !== 0;
    }
    this.#reason = REASON_ROUTER_ID;
    const idA = (store.flags[setA]! & HAS_ORIGINATOR) !== 0 ? store.originatorId[setA]! : this.#peerRouterId[peerA]!;
    const idB = (store.flags[setB]! & HAS_ORIGINATOR) !== 0 ? store.originatorId[setB]! : this.#peerRouterId[peerB]!;
    if (idA !== idB) return idA < idB;
    this.#reason = REASON_CLUSTER;
    const clusterA = store.clusterLength[setA]!;
    const clusterB = store.clusterLength[setB]!;
    if (clusterA !== clusterB) return clusterA < clusterB;
    this.#reason = REASON_NEIGHBOUR;
    return this.#compareAddress(peerA, peerB) < 0;
  }

  /** Steps before the tie-breakers: what multipath asks to be equal. Negative: `a` is better. */
  #compareMetrics(a: number, b: number): number {
    const store = this.store;
    const decision = this.decision;
    const setA = this.pathAttributes[a]!;
    const setB = this.pathAttributes[b]!;
    const peerA = this.pathPeer[a]!;
    const peerB = this.pathPeer[b]!;
    const kindA = this.#peerKind[peerA]!;
    const kindB = this.#peerKind[peerB]!;
    const flagsA = store.flags[setA]!;
    const flagsB = store.flags[setB]!;

    this.#reason = REASON_WEIGHT;
    const weightA = (flagsA & HAS_WEIGHT) !== 0 ? store.weight[setA]! : this.#peerWeight[peerA]!;
    const weightB = (flagsB & HAS_WEIGHT) !== 0 ? store.weight[setB]! : this.#peerWeight[peerB]!;
    if (weightA !== weightB) return weightB - weightA;

    this.#reason = REASON_LOCAL_PREF;
    const prefA = (flagsA & HAS_LOCAL_PREF) !== 0 ? store.localPref[setA]! : decision.defaultLocalPref;
    const prefB = (flagsB & HAS_LOCAL_PREF) !== 0 ? store.localPref[setB]! : decision.defaultLocalPref;
    if (prefA !== prefB) return prefB - prefA;

    this.#reason = REASON_LOCAL;
    if (kindA !== kindB && (kindA === PEER_LOCAL || kindB === PEER_LOCAL)) return kindA === PEER_LOCAL ? -1 : 1;

    if (!decision.ignoreAsPathLength) {
      this.#reason = REASON_AS_PATH;
      const lengthA = store.asPathLength[setA]!;
      const lengthB = store.asPathLength[setB]!;
      if (lengthA !== lengthB) return lengthA - lengthB;
    }

    this.#reason = REASON_ORIGIN;
    const originA = store.origin[setA]!;
    const originB = store.origin[setB]!;
    if (originA !== originB) return originA - originB;

    if (decision.alwaysCompareMed || store.neighborAs[setA] === store.neighborAs[setB]) {
      this.#reason = REASON_MED;
      const missing = decision.missingMedAsWorst ? 0xffffffff : 0;
      const medA = (flagsA & HAS_MED) !== 0 ? store.med[setA]! : missing;
      const medB = (flagsB & HAS_MED) !== 0 ? store.med[setB]! : missing;
      if (medA !== medB) return medA - medB;
    }

    this.#reason = REASON_PEER_TYPE;
    if ((kindA === PEER_EBGP) !== (kindB === PEER_EBGP)) return kindA === PEER_EBGP ? -1 : 1;

    this.#reason = REASON_IGP_METRIC;
    const metric = store.nexthops.metric;
    const metricA = kindA === PEER_LOCAL ? 0 : metric[store.nexthop[setA]!]!;
    const metricB = kindB === PEER_LOCAL ? 0 : metric[store.nexthop[setB]!]!;
    return metricA - metricB;
  }

  #compareAddress(peerA: number, peerB: number): number {
    const a = this.peers[peerA]!.address;
    const b = this.peers[peerB]!.address;
    for (let i = 0; i < 4; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
    return peerA - peerB;
  }

  #selectedCount = 0;

  /** Leaves the paths that share traffic with `best`, itself first, in `#selected`. */
  #multipath(best: number, candidates: number): void {
    const decision = this.decision;
    const kind = this.#peerKind[this.pathPeer[best]!]!;
    this.#selected[0] = best;
    this.#selectedCount = 1;
    const maximum =
      kind === PEER_LOCAL ? 1 : kind === PEER_EBGP ? decision.maximumPathsEbgp : decision.maximumPathsIbgp;
    if (maximum <= 1) return;
    if (this.#selected.length <= candidates) [this.#selected] = grown(candidates * 2, this.#selected);
    let count = 1;
    for (let i = 0; i < candidates; i++) {
      const path = this.#candidates[i]!;
      if (path === best || this.#compareMetrics(best, path) !== 0) continue;
      const setA = this.pathAttributes[best]!;
      const setB = this.pathAttributes[path]!;
      if (!decision.multipathRelax && !this.store.sameAsPath(setA, setB)) continue;
      if (decision.ignoreAsPathLength && this.store.asPathLength[setA] !== this.store.asPathLength[setB]) continue;
      // By neighbour address, so that which of too many are taken does not hang on the order they came in.
      let j = count++;
      const peer = this.pathPeer[path]!;
      while (j > 1 && this.#compareAddress(peer, this.pathPeer[this.#selected[j - 1]!]!) < 0) {
        this.#selected[j] = this.#selected[j - 1]!;
        j--;
      }
      this.#selected[j] = path;
    }
    this.#selectedCount = Math.min(count, maximum);
  }

  #isSelected(path: number): boolean {
    for (let i = 0; i < this.#selectedCount; i++) if (this.#selected[i] === path) return true;
    return false;
  }

  // ===== consumers =====

  /** Update groups attach themselves; every prefix with a best path is dirty for them at first. */
  attach(consumer: TableConsumer): void {
    this.decide();
    this.#consumers.push(consumer);
    this.markAll(consumer.dirty);
  }

  detach(consumer: TableConsumer): void {
    const at = this.#consumers.indexOf(consumer);
    if (at >= 0) this.#consumers.splice(at, 1);
  }

  /** Adds every prefix that has a best path: 1 ms a million. */
  markAll(dirty: DirtySet): void {
    for (let prefix = 0; prefix < this.prefixes.limit; prefix++) if (this.best[prefix] !== 0) dirty.add(prefix);
  }

  /** Zebra is there (again): every selected prefix is pending for it. */
  attachZebra(): void {
    this.#zebraAttached = true;
    this.markAll(this.#zebra);
    if (this.#zebra.size > 0) this.onZebra();
  }

  /** Zebra is gone: nothing is kept for it. */
  detachZebra(): void {
    this.#zebraAttached = false;
    for (let prefix = this.#zebra.take(); prefix >= 0; prefix = this.#zebra.take()) this.releasePrefix(prefix);
  }

  /** Prefixes that zebra has still to be told of. */
  get zebraPending(): number {
    return this.#zebra.size;
  }

  /** Zebra refused or lost one: it is told again. */
  markZebra(prefix: number): void {
    if (this.#zebraAttached) this.#zebra.add(prefix);
  }

  /**
   * Hands at most `max` changed prefixes to zebra's announcer: the selected paths, the best one first, in an array that is
   * used again for the next; none (count 0): the prefix is withdrawn. The announcer answers false when it has no room; the
   * prefix stays pending then. Returns how many were taken.
   */
  nextChanges(max: number, announce: (prefix: number, paths: Uint32Array, count: number) => boolean): number {
    this.decide();
    let taken = 0;
    while (taken < max) {
      const prefix = this.#zebra.peek();
      if (prefix < 0) break;
      if (!announce(prefix, this.#selected, this.selectedPaths(prefix))) break;
      this.#zebra.delete(prefix);
      if (this.first[prefix] === 0) this.releasePrefix(prefix);
      taken++;
    }
    return taken;
  }

  /** Fills `nextChanges`' array with the selected paths of a prefix; returns how many. */
  selectedPaths(prefix: number): number {
    const best = this.best[prefix]!;
    if (best === 0) return 0;
    this.#selected[0] = best;
    let count = 1;
    for (let path = this.first[prefix]!; path !== 0; path = this.pathNext[path]!) {
      if (path === best || (this.pathFlags[path]! & PATH_MULTIPATH) === 0) continue;
      if (count === this.#selected.length) [this.#selected] = grown(count * 2, this.#selected);
      this.#selected[count++] = path;
    }
    return count;
  }

  /** Gives the prefix's row back if it has no path and nobody is still to be told of that. */
  releasePrefix(prefix: number): void {
    if (this.first[prefix] !== 0 || !this.prefixes.has(prefix)) return;
    if (this.#undecided.has(prefix) || this.#zebra.has(prefix)) return;
    for (let i = 0; i < this.#consumers.length; i++) if (this.#consumers[i]!.holds(prefix)) return;
    this.prefixes.remove(prefix);
  }

  /** Prefixes that have a best path: counted by a walk. */
  countSelected(): number {
    let count = 0;
    for (let prefix = 0; prefix < this.prefixes.limit; prefix++) if (this.best[prefix] !== 0) count++;
    return count;
  }

  /** Figures for `show memory`. */
  stats(): { prefixes: number; paths: number; columnBytes: number; undecided: number; walks: number } {
    return {
      prefixes: this.prefixes.size,
      paths: this.pathCount,
      columnBytes: this.first.length * 12 + this.pathPrefix.length * 25,
      undecided: this.#undecided.size,
      walks: this.#walks.length,
    };
  }

  /** A source's kind, for export rules. */
  peerKind(index: number): number {
    return this.#peerKind[index]!;
  }

  // ===== rows =====

  #copyPeer(index: number): void {
    const info = this.peers[index]!;
    this.#peerKind[index] = info.kind;
    this.#peerWeight[index] = info.kind === PEER_LOCAL ? LOCAL_WEIGHT : info.weight;
    this.#peerRouterId[index] = info.routerId;
  }

  #freeRow(path: number): void {
    this.store.release(this.pathReceived[path]!);
    this.store.release(this.pathAttributes[path]!);
    this.pathReceived[path] = 0;
    this.pathAttributes[path] = 0;
    this.pathPeer[path] = NO_PEER;
    this.pathFlags[path] = 0;
    this.pathNext[path] = this.#freePath;
    this.#freePath = path;
  }

  #growPrefixes(): void {
    const rows = Math.max(this.prefixes.capacity, moreRows(this.first.length));
    [this.first, this.best, this.version] = grown(rows, this.first, this.best, this.version);
  }

  #growPaths(): void {
    const rows = moreRows(this.pathPrefix.length);
    [
      this.pathPrefix,
      this.pathNext,
      this.pathPeer,
      this.pathReceived,
      this.pathAttributes,
      this.pathFlags,
      this.pathChanged,
      this.pathReason,
    ] = grown(
      rows,
      this.pathPrefix,
      this.pathNext,
      this.pathPeer,
      this.pathReceived,
      this.pathAttributes,
      this.pathFlags,
      this.pathChanged,
      this.pathReason,
    );
  }
}
