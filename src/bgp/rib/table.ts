// One address family's routes: every path that every peer announced, which of them are selected, and who still has to be
// told.
//
//   ingest ──▶ [undecided] ──decide──▶ [zebra's dirty set]   ──nextChanges──▶ ZAPI
//   walks  ──▶                    └──▶ [each group's own]    ──UpdateGroup──▶ peers
//
// A change marks the prefix undecided, `decide` selects, and only a different selection marks it for the consumers: however
// often a prefix changes, it is decided once.
import type { FamilyCode } from '../wire/family.ts';
import type { UpdateParser } from '../wire/update.ts';
import { Aggregates } from './aggregates.ts';
import type { AttributeStore } from './attributes.ts';
import { EPOCH_MASK, TableColumns } from './columns.ts';
import { Consumers, type TableConsumer } from './consumers.ts';
import { Decision } from './decision.ts';
import type { DirtySet } from './dirty.ts';
import { Ingest } from './ingest.ts';
import type { DecisionOptions, PeerInfo, Policy } from './types.ts';
import { type WalkKind, Walks } from './walks.ts';

const MAX_PEERS = 65534;
/** Rows of empty prefixes that are looked at before a table without a free one grows. */
const SWEPT_ROWS = 1_000;

export interface BgpTableOptions {
  family: FamilyCode;
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

export class BgpTable extends TableColumns {
  readonly decision: DecisionOptions;
  /** Routes of our own that stand for others. */
  readonly aggregates: Aggregates;
  /** Called when `work` has something to do, and when zebra or a group has. */
  onWork: () => void = () => {};
  /** Called when zebra's dirty set has something in it. */
  onZebra: () => void = () => {};
  /** Called when there is something to `sweep`. */
  onEmpty: () => void = () => {};
  /** Called when a peer's import policy was applied to all that it had announced. */
  onPolicyApplied: (peer: number) => void = () => {};

  #deferred = false;
  readonly #ingest: Ingest;
  readonly #walks: Walks;
  readonly #decision: Decision;
  readonly #consumers: Consumers;
  #suppressionChanged = false;
  readonly #leaving = new Set<number>(); // peers to be forgotten when their paths are gone
  readonly #walked = (kind: WalkKind, peer: number): void => {
    if (kind === 'gone' && this.#leaving.has(peer)) this.#forget(peer);
    else if (kind === 'policy') this.onPolicyApplied(peer);
  };

  constructor(options: BgpTableOptions) {
    super(options.family, options.store, options.rows);
    this.decision = options.decision;
    const now = options.now ?? ((): number => Math.floor(performance.now() / 1000));
    this.#ingest = new Ingest(this, options.decision, now);
    this.#walks = new Walks(this, this.#ingest);
    this.#consumers = new Consumers(this);
    this.#decision = new Decision(this, options.decision, this.#consumers);
    this.aggregates = new Aggregates(this);
    this.#consumers.onEmpty = () => this.onEmpty();
    this.beforeGrowth = () => this.#consumers.sweepRows(SWEPT_ROWS);
  }

  // ===== peers =====

  /** A peer, or a source of routes that start here, gets its index. */
  addPeer(info: PeerInfo): number {
    let index = 1;
    while (index < this.peers.length && this.peers[index] !== undefined) index++;
    if (index > MAX_PEERS) throw new Error(`more than ${MAX_PEERS} peers in one table`);
    if (index >= this.peerKinds.length) this.growPeers();
    this.peers[index] = info;
    this.peerReceived[index] = 0;
    this.peerAccepted[index] = 0;
    this.peerPolicies[index] = undefined;
    this.copyPeer(index);
    return index;
  }

  /** The fields of a peer's PeerInfo changed (router id at OPEN, kind, weight …): its paths count as changed, in slices. */
  peerChanged(index: number): void {
    this.copyPeer(index);
    if (this.peerReceived[index] === 0) return;
    this.#walks.start('peer', index);
    this.onWork();
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
    this.peerEpochs[index] = (this.peerEpochs[index]! + 1) & EPOCH_MASK;
    if (!keepStale) this.sweepStale(index);
  }

  /** Paths of sessions before the present one go, in slices. */
  sweepStale(index: number): void {
    this.#walks.start('gone', index);
    this.onWork();
  }

  /** Paths that nobody refused, of all peers. */
  get acceptedPaths(): number {
    return this.peerAccepted.reduce((sum, count) => sum + count, 0);
  }

  peerCounts(index: number): PeerCounts {
    return { received: this.peerReceived[index] ?? 0, accepted: this.peerAccepted[index] ?? 0 };
  }

  /** The import policy of a peer, applied to what comes and, in slices, to what is there (also when it changed inside). */
  setImportPolicy(index: number, policy: Policy | undefined): void {
    this.peerPolicies[index] = policy;
    if (this.peerReceived[index] === 0) return;
    this.#walks.start('policy', index);
    this.onWork();
  }

  /** A source's kind, for export rules. */
  peerKind(index: number): number {
    return this.peerKinds[index]!;
  }

  // ===== what comes in =====

  /**
   * Everything of this family in a parsed UPDATE; the caller has dealt with ACTION_RESET. A table of another family finds
   * nothing in it.
   */
  ingest(peer: number, update: UpdateParser): void {
    this.#ingest.update(peer, update);
    if (this.undecided.size > 0) this.onWork();
  }

  /** Announces one prefix with the attribute set `attributes`, of which the caller keeps its reference; `id`: which path of
   *  the peer it is, where it has several. */
  announce(
    peer: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    attributes: number,
    id = 0,
    rd0 = 0,
    rd1 = 0,
  ): void {
    const prefix = this.insert(w0, w1, w2, w3, length, rd0, rd1);
    this.#ingest.tick();
    this.#ingest.announceOne(prefix, peer, id, attributes, this.#ingest.loopFlag(peer, attributes));
    this.onWork();
  }

  /** Withdraws one prefix, or one path to it; false where the peer had not announced it. */
  withdraw(
    peer: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    id = 0,
    rd0 = 0,
    rd1 = 0,
  ): boolean {
    const prefix = this.prefixes.find(w0, w1, w2, w3, length, rd0, rd1);
    if (prefix < 0 || !this.#ingest.withdraw(prefix, peer, id)) return false;
    this.onWork();
    return true;
  }

  // ===== work in slices =====

  /** A slice of the walks, at most `maxRows` path rows, then all decisions that are due. True: there is more to do. */
  work(maxRows: number): boolean {
    this.#ingest.tick();
    this.#walks.run(maxRows, this.#walked);
    this.decide();
    const more = this.aggregates.work(maxRows);
    this.#wake(false);
    return more || this.#walks.length > 0;
  }

  /** Next hops changed (`NexthopTable.set` said so): the prefixes that lead there are decided again, in slices. */
  nexthopsChanged(changed: Uint8Array): void {
    this.#walks.startNexthops(changed);
    this.onWork();
  }

  /** The decision's knobs changed. */
  redecideAll(): void {
    this.#walks.start('all');
    this.onWork();
  }

  /** What makes a path a loop, or unacceptable from anybody, changed: all are looked at anew, in slices. */
  acceptanceChanged(): void {
    for (let index = 1; index < this.peers.length; index++) {
      if (this.peers[index] !== undefined && this.peerReceived[index] !== 0) this.#walks.start('policy', index);
    }
    this.onWork();
  }

  #forget(peer: number): void {
    this.#leaving.delete(peer);
    this.decide();
    this.peers[peer] = undefined;
    this.peerPolicies[peer] = undefined;
  }

  /**
   * While true, nothing is selected: after a restart, until the neighbours have said what they had said before (RFC 4724 §4.1).
   * Who sends what is selected has nothing to send, and nothing to say that it was all.
   */
  get deferred(): boolean {
    return this.#deferred;
  }

  set deferred(deferred: boolean) {
    this.#deferred = deferred;
    if (deferred) return;
    this.decide();
    this.#consumers.wakeGroups();
    this.onWork();
  }

  /** Decides every prefix that is due. Consumers call it before they read. */
  decide(): void {
    if (this.#deferred) return;
    let news = this.#decision.run();
    // An aggregate that changes is a change for those above it; there are not many lengths.
    while (this.aggregates.run()) news = this.#decision.run() || news;
    this.#wake(news);
  }

  #wake(news: boolean): void {
    if (news || this.#suppressionChanged) this.#consumers.wakeGroups();
    this.#suppressionChanged = false;
    if (news && this.#consumers.zebraPending > 0) this.onZebra();
  }

  /** Whether peers are told of a prefix changed (`suppressed`). */
  suppressionChanged(prefix: number): void {
    this.#consumers.suppressionChanged(prefix, this.aggregates);
    this.#suppressionChanged = true;
  }

  /** Leaves the best path of each neighbouring AS in `ofEachAs`; returns how many they are. */
  bestOfEachAs(prefix: number): number {
    return this.#decision.bestOfEachAs(prefix);
  }

  /** What `bestOfEachAs` found last. */
  get ofEachAs(): Uint32Array {
    return this.#decision.ofEachAs;
  }

  /** Walks under way or waiting. */
  get walks(): number {
    return this.#walks.length;
  }

  /** Decisions made, and how many of them changed the best path. */
  get decisions(): number {
    return this.#decision.decisions;
  }

  get changes(): number {
    return this.#decision.changes;
  }

  // ===== consumers =====

  /** Update groups attach themselves; every prefix that has a path to use is dirty for them at first. */
  attach(consumer: TableConsumer): void {
    this.decide();
    this.#consumers.attach(consumer);
  }

  detach(consumer: TableConsumer): void {
    this.#consumers.detach(consumer);
  }

  /** Adds every prefix that has a best path: 1 ms a million. */
  markAll(dirty: DirtySet): void {
    this.#consumers.markAll(dirty);
  }

  /** Adds every prefix whose best path starts here, or, with `anyPath`, any of its paths. */
  markLocal(dirty: DirtySet, anyPath: boolean): void {
    this.#consumers.markLocal(dirty, anyPath);
  }

  /** Zebra is there (again): every selected prefix is pending for it. */
  attachZebra(): void {
    this.#consumers.attachZebra();
    if (this.#consumers.zebraPending > 0) this.onZebra();
  }

  /** Zebra is gone: nothing is kept for it. */
  detachZebra(): void {
    this.#consumers.detachZebra();
  }

  /** Prefixes that zebra has still to be told of. */
  get zebraPending(): number {
    return this.#consumers.zebraPending;
  }

  /** Zebra refused or lost one: it is told again. */
  markZebra(prefix: number): void {
    this.#consumers.markZebra(prefix);
  }

  /**
   * Hands at most `max` changed prefixes to zebra's announcer: the selected paths, the best one first, in an array that is
   * used again for the next; none (count 0): the prefix is withdrawn. The announcer answers false when it has no room; the
   * prefix stays pending then. Returns how many were taken.
   */
  nextChanges(max: number, announce: (prefix: number, paths: Uint32Array, count: number) => boolean): number {
    this.decide();
    return this.#consumers.next(max, announce);
  }

  /** Fills `nextChanges`' array with the selected paths of a prefix; returns how many. */
  selectedPaths(prefix: number): number {
    return this.#consumers.selectedPaths(prefix);
  }

  /** Somebody is done with the prefix. Where it has no path, its row is given back when `sweep` comes by and nobody needs it. */
  releasePrefix(prefix: number): void {
    this.#consumers.releasePrefix(prefix);
  }

  /** Gives rows of prefixes back that have no path any more, and attribute sets, where nobody needs them; looks at `max` of them
   *  at most. True: there may be more to be looked at. */
  sweep(max: number): boolean {
    return this.#consumers.sweep(max);
  }

  /** How often a prefix was found without paths: where it stays the same for a while, it is time to `sweep`. */
  get emptied(): number {
    return this.#consumers.emptied;
  }

  /** Gives a path's row back if the path is gone and nobody is still to be told of that. */
  releasePath(path: number): void {
    this.#consumers.releasePath(path);
  }

  /** `releasePrefix` for all of a set, which is empty then. */
  releaseAll(dirty: DirtySet): void {
    this.#consumers.releaseAll(dirty);
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
      prefixes: this.prefixCount,
      paths: this.pathCount,
      columnBytes: this.first.length * 13 + this.pathPrefix.length * 25 + this.pathId.length * 4,
      undecided: this.undecided.size,
      walks: this.#walks.length,
    };
  }
}
