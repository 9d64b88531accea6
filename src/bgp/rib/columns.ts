// The rows of a table. There are no objects for routes: a prefix is a row of PrefixTable, a path is a row of the columns
// below, and a peer is an index.
//
//   prefix row            path rows (a list for each prefix, newest first)
//   ┌───────┬──────┐      ┌──────────────────────────────┐   ┌──────┐
//   │ first │ best │ ───▶ │ peer, received, attributes … │──▶│ …    │──▶ 0
//   └───────┴──────┘      └──────────────────────────────┘   └──────┘
//
// A path keeps the attributes as received and as the import policy left them, so a policy can change at any time without
// asking the peer again; a refused path stays, flagged. Which path of a peer it is, where it has several (RFC 7911), is a column
// that is made when the first of them comes. A session is told from the one before it by an epoch in the path's
// flags: paths of an older epoch are stale.
import { type Family, grown, moreRows, PrefixTable } from '../../net/index.ts';
import type { AttributeStore } from './attributes.ts';
import { type FamilyCode, familyOf } from '../wire/family.ts';
import { DirtySet } from './dirty.ts';
import { PEER_LOCAL, type PeerInfo, type Policy } from './types.ts';

/** In `pathPeer`: the row is free. */
export const NO_PEER = 0xffff;
/** Above the PATH_ flags in `pathFlags`: the session that a path is from. */
export const EPOCH_SHIFT = 9;
export const EPOCH_MASK = 0x7f;
export const FLAG_MASK: number = (1 << EPOCH_SHIFT) - 1;
/** Weight of routes that start here, as every router of this tradition has it. */
const LOCAL_WEIGHT = 32768;

export class TableColumns {
  readonly code: FamilyCode;
  /** As what its prefixes are kept. */
  readonly family: Family;
  /** Prefixes have a route distinguisher, and attribute sets a label. */
  readonly vpn: boolean;
  readonly store: AttributeStore;
  readonly prefixes: PrefixTable;
  /** Called when there is no free row for another prefix, before the table grows. */
  protected beforeGrowth: () => void = () => {};
  /** Prefixes whose selection is due. */
  readonly undecided: DirtySet = new DirtySet();

  // By prefix.
  first: Uint32Array = new Uint32Array(1024);
  /** The selected path, 0 for none. */
  best: Uint32Array = new Uint32Array(1024);
  /** How many changes there had been, that one included, when the selected path changed last. */
  version: Uint32Array = new Uint32Array(1024);
  /** 1: an aggregate stands for it, and peers are not told of it. */
  suppressed: Uint8Array = new Uint8Array(1024);

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
  /** Identifier that the peer gave the path; no rows where nobody ever gave one: it is 0 then. */
  pathId: Uint32Array = new Uint32Array(0);
  /** Path rows handed out so far, row 0 included. */
  pathLimit = 1;
  /** Paths alive. */
  pathCount = 0;
  /** Prefixes with a path, or with one that somebody is still to be told is gone. */
  prefixCount = 0;

  // By peer, from 1.
  readonly peers: (PeerInfo | undefined)[] = [undefined];
  readonly peerPolicies: (Policy | undefined)[] = [];
  /** Paths announced and not withdrawn, and how many of them policy and loop checks let pass. */
  readonly peerReceived: number[] = [0];
  readonly peerAccepted: number[] = [0];
  // What the decision asks of a peer.
  peerKinds: Uint8Array = new Uint8Array(64);
  peerWeights: Uint32Array = new Uint32Array(64);
  peerRouterIds: Uint32Array = new Uint32Array(64);
  peerEpochs: Uint8Array = new Uint8Array(64);

  #free = 0;

  constructor(code: FamilyCode, store: AttributeStore, rows?: number) {
    const { shape, vpn } = familyOf(code);
    this.code = code;
    this.family = shape;
    this.vpn = vpn;
    this.store = store;
    this.prefixes = new PrefixTable(shape, rows, vpn);
  }

  /** Whether the path is from an earlier session of its peer. */
  isStale(path: number): boolean {
    return this.pathFlags[path]! >>> EPOCH_SHIFT !== this.peerEpochs[this.pathPeer[path]!];
  }

  /** The id of a prefix, made where it is new; its columns exist. */
  insert(w0: number, w1: number, w2: number, w3: number, length: number, rd0 = 0, rd1 = 0): number {
    if (this.prefixes.full) this.beforeGrowth();
    const prefix = this.prefixes.insert(w0, w1, w2, w3, length, rd0, rd1);
    if (prefix >= this.first.length) this.#growPrefixes();
    return prefix;
  }

  /** The identifier that the peer gave a path, 0: none. */
  idOf(path: number): number {
    return this.pathId.length === 0 ? 0 : this.pathId[path]!;
  }

  /** The path of `peer` to `prefix` that has this identifier, 0: none. It may be one that is removed. */
  find(prefix: number, peer: number, id: number): number {
    let path = this.first[prefix]!;
    if (this.pathId.length === 0) {
      if (id !== 0) return 0;
      while (path !== 0 && this.pathPeer[path] !== peer) path = this.pathNext[path]!;
      return path;
    }
    while (path !== 0 && (this.pathPeer[path] !== peer || this.pathId[path] !== id)) path = this.pathNext[path]!;
    return path;
  }

  /** A row for a path of `peer` to `prefix`, at the head of the prefix's list. */
  newPath(prefix: number, peer: number, id: number): number {
    let path = this.#free;
    if (path !== 0) this.#free = this.pathNext[path]!;
    else {
      if (this.pathLimit === this.pathPrefix.length) this.#growPaths();
      path = this.pathLimit++;
    }
    this.pathPrefix[path] = prefix;
    this.pathPeer[path] = peer;
    this.pathReason[path] = 0;
    if (id !== 0 && this.pathId.length === 0) [this.pathId] = grown(this.pathPrefix.length, this.pathId);
    if (this.pathId.length !== 0) this.pathId[path] = id;
    const head = this.first[prefix]!;
    if (head === 0) this.prefixCount++;
    this.pathNext[path] = head;
    this.first[prefix] = path;
    return path;
  }

  /** The row of a path that is gone keeps no attributes. */
  emptyPath(path: number): void {
    this.store.release(this.pathReceived[path]!);
    this.store.release(this.pathAttributes[path]!);
    this.pathReceived[path] = 0;
    this.pathAttributes[path] = 0;
  }

  /** Takes a row out of its prefix's list and gives it back; `previous`: the row before it, 0 for none. */
  freePath(path: number, previous: number): void {
    const next = this.pathNext[path]!;
    if (previous !== 0) this.pathNext[previous] = next;
    else {
      this.first[this.pathPrefix[path]!] = next;
      if (next === 0) this.prefixCount--;
    }
    this.emptyPath(path);
    this.pathPeer[path] = NO_PEER;
    this.pathFlags[path] = 0;
    this.pathNext[path] = this.#free;
    this.#free = path;
  }

  growPeers(): void {
    [this.peerKinds, this.peerWeights, this.peerRouterIds, this.peerEpochs] = grown(
      this.peerKinds.length * 2,
      this.peerKinds,
      this.peerWeights,
      this.peerRouterIds,
      this.peerEpochs,
    );
  }

  /** Reads a peer's PeerInfo (again). */
  copyPeer(index: number): void {
    const info = this.peers[index]!;
    this.peerKinds[index] = info.kind;
    this.peerWeights[index] = info.kind === PEER_LOCAL ? LOCAL_WEIGHT : info.weight;
    this.peerRouterIds[index] = info.routerId;
  }

  #growPrefixes(): void {
    const rows = Math.max(this.prefixes.capacity, moreRows(this.first.length));
    [this.first, this.best, this.version, this.suppressed] = grown(
      rows,
      this.first,
      this.best,
      this.version,
      this.suppressed,
    );
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
    if (this.pathId.length !== 0) [this.pathId] = grown(rows, this.pathId);
  }
}
