// The decision (RFC 4271 §9.1): of a prefix's paths the best, and those that share traffic with it. Steps that multipath asks
// to be equal come first; which step told two paths apart is kept beside the path, for those who ask why.
import { grown } from '../../net/index.ts';
import { type AttributeStore, HAS_LOCAL_PREF, HAS_MED, HAS_ORIGINATOR, HAS_WEIGHT } from './attributes.ts';
import type { TableColumns } from './columns.ts';
import type { Consumers } from './consumers.ts';
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
  REASON_AS_PATH,
  REASON_CLUSTER,
  REASON_CONFED_AS_PATH,
  REASON_EQUAL,
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

export class Decision {
  /** Decisions made, and how many of them changed the best path. */
  decisions = 0;
  changes = 0;
  readonly #rows: TableColumns;
  readonly #store: AttributeStore;
  readonly #options: DecisionOptions;
  readonly #consumers: Consumers;
  #news = false;
  #selected = new Uint32Array(64);
  #selectedCount = 0;
  #candidates = new Uint32Array(64);
  #ofEachAs = new Uint32Array(16);
  #reason = 0; // of the last `#compare`

  constructor(rows: TableColumns, options: DecisionOptions, consumers: Consumers) {
    this.#rows = rows;
    this.#store = rows.store;
    this.#options = options;
    this.#consumers = consumers;
  }

  /** Decides every prefix that is due. True: a consumer has something to hear. */
  run(): boolean {
    const { undecided } = this.#rows;
    for (let prefix = undecided.take(); prefix >= 0; prefix = undecided.take()) this.#decide(prefix);
    const news = this.#news;
    this.#news = false;
    return news;
  }

  /** Selects among a prefix's paths, and unlinks those that are withdrawn. */
  #decide(prefix: number): void {
    const rows = this.#rows;
    this.decisions++;
    const before = rows.best[prefix]!;
    let best = 0;
    let bestReason = REASON_FIRST;
    let candidates = 0;
    let changed = false;
    let previous = 0;
    for (let path = rows.first[prefix]!; path !== 0; ) {
      const next = rows.pathNext[path]!;
      const flags = rows.pathFlags[path]!;
      if ((flags & PATH_REMOVED) !== 0) {
        if ((flags & (PATH_BEST | PATH_MULTIPATH)) !== 0) changed = true;
        if (this.#consumers.holdsPath(path)) {
          rows.emptyPath(path);
          previous = path;
        } else rows.freePath(path, previous);
        path = next;
        continue;
      }
      previous = path;
      if (this.#eligible(path, flags)) {
        if (candidates === this.#candidates.length) [this.#candidates] = grown(candidates * 2, this.#candidates);
        this.#candidates[candidates++] = path;
      } else rows.pathReason[path] = REASON_INELIGIBLE;
      path = next;
    }
    if (candidates === 1) best = this.#candidates[0]!;
    else if (candidates > 1) {
      best = this.#options.deterministicMed ? this.#selectByNeighbour(candidates) : this.#select(candidates);
      bestReason = rows.pathReason[best]!;
    }
    if (best !== 0) rows.pathReason[best] = bestReason;

    // Flags and what differs from before. A path that changed in place and is selected is a change as well.
    const bestChanged = best !== before || (best !== 0 && (rows.pathFlags[best]! & PATH_CHANGED) !== 0);
    if (candidates > 1) this.#multipath(best, candidates);
    for (let path = rows.first[prefix]!; path !== 0; path = rows.pathNext[path]!) {
      const flags = rows.pathFlags[path]!;
      let now = flags & ~(PATH_BEST | PATH_MULTIPATH | PATH_CHANGED);
      if (path === best) now |= PATH_BEST | PATH_MULTIPATH;
      else if (candidates > 1 && this.#isSelected(path)) now |= PATH_MULTIPATH;
      if (((now ^ flags) & PATH_MULTIPATH) !== 0) changed = true;
      if ((now & PATH_MULTIPATH) !== 0 && (flags & PATH_CHANGED) !== 0) changed = true;
      if (now !== flags) rows.pathFlags[path] = now;
    }
    rows.best[prefix] = best;
    if (bestChanged && (best !== 0 || before !== 0)) {
      rows.version[prefix] = ++this.changes;
      this.#news = true;
      this.#consumers.bestChanged(prefix);
    } else if (changed && this.#consumers.multipathChanged(prefix)) this.#news = true;
    if (this.#consumers.pathsChanged(prefix)) this.#news = true;
    if (previous === 0) this.#consumers.releasePrefix(prefix);
  }

  /** Not refused, no loop, and the next hop resolves; keeps PATH_VALID true to the last of these. */
  #eligible(path: number, flags: number): boolean {
    const rows = this.#rows;
    if ((flags & (PATH_FILTERED | PATH_LOOP)) !== 0) {
      if ((flags & PATH_VALID) !== 0) rows.pathFlags[path] = flags & ~PATH_VALID;
      return false;
    }
    const store = this.#store;
    const hop = store.nexthop[rows.pathAttributes[path]!]!;
    const valid = (flags & PATH_LOCAL) !== 0 || store.nexthops.reachable[hop] === 1;
    rows.pathFlags[path] = valid ? flags | PATH_VALID : flags & ~PATH_VALID;
    return valid;
  }

  /** The best of the candidates, each compared with the best so far. */
  #select(count: number): number {
    const rows = this.#rows;
    const candidates = this.#candidates;
    let best = candidates[0]!;
    for (let i = 1; i < count; i++) {
      const path = candidates[i]!;
      const loser = this.#compare(best, path) ? path : best;
      if (loser === best) best = path;
      rows.pathReason[loser] = this.#reason;
      rows.pathReason[best] = this.#reason;
    }
    return best;
  }

  /**
   * Deterministic MED: first the best of each neighbouring AS, then the best of these, so that the order in which paths
   * came cannot matter (RFC 4271 §9.1.2.2 (c) leaves it open).
   */
  #selectByNeighbour(count: number): number {
    const candidates = this.#candidates;
    const neighbour = this.#store.neighborAs;
    const attributes = this.#rows.pathAttributes;
    this.#sortByNeighbour(count);
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

  /** Leaves the best path of each neighbouring AS in `ofEachAs`; returns how many they are. */
  bestOfEachAs(prefix: number): number {
    const rows = this.#rows;
    const neighbour = this.#store.neighborAs;
    const attributes = rows.pathAttributes;
    let candidates = 0;
    for (let path = rows.first[prefix]!; path !== 0; path = rows.pathNext[path]!) {
      if ((rows.pathFlags[path]! & (PATH_VALID | PATH_REMOVED)) !== PATH_VALID) continue;
      if (candidates === this.#candidates.length) [this.#candidates] = grown(candidates * 2, this.#candidates);
      this.#candidates[candidates++] = path;
    }
    this.#sortByNeighbour(candidates);
    let count = 0;
    let best = 0;
    for (let i = 0; i < candidates; i++) {
      const path = this.#candidates[i]!;
      if (best !== 0 && neighbour[attributes[path]!] === neighbour[attributes[best]!]) {
        if (!this.#compare(best, path)) this.#ofEachAs[count - 1] = best = path;
        continue;
      }
      if (count === this.#ofEachAs.length) [this.#ofEachAs] = grown(count * 2, this.#ofEachAs);
      this.#ofEachAs[count++] = best = path;
    }
    return count;
  }

  /** What `bestOfEachAs` found last. */
  get ofEachAs(): Uint32Array {
    return this.#ofEachAs;
  }

  /** Puts candidates of one neighbouring AS side by side. */
  #sortByNeighbour(count: number): void {
    const candidates = this.#candidates;
    const neighbour = this.#store.neighborAs;
    const attributes = this.#rows.pathAttributes;
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
  }

  #better(a: number, b: number): number {
    const rows = this.#rows;
    const winner = this.#compare(a, b) ? a : b;
    rows.pathReason[a] = this.#reason;
    rows.pathReason[b] = this.#reason;
    return winner;
  }

  /** Whether `a` beats `b`; the step that told them apart is left in `#reason`. */
  #compare(a: number, b: number): boolean {
    const rows = this.#rows;
    const equal = this.#compareMetrics(a, b);
    if (equal !== 0) return equal < 0;
    const store = this.#store;
    const peerA = rows.pathPeer[a]!;
    const peerB = rows.pathPeer[b]!;
    const setA = rows.pathAttributes[a]!;
    const setB = rows.pathAttributes[b]!;
    // Between external paths the one in use stays, so that routes do not move for a router id's sake (RFC 5004).
    if (
      !this.#options.compareRouterId &&
      rows.peerKinds[peerA] === PEER_EBGP &&
      rows.peerKinds[peerB] === PEER_EBGP &&
      ((rows.pathFlags[a]! ^ rows.pathFlags[b]!) & PATH_BEST) !== 0
    ) {
      this.#reason = REASON_OLDER;
      return (rows.pathFlags[a]! & PATH_BEST) !== 0;
    }
    this.#reason = REASON_ROUTER_ID;
    const idA = (store.flags[setA]! & HAS_ORIGINATOR) !== 0 ? store.originatorId[setA]! : rows.peerRouterIds[peerA]!;
    const idB = (store.flags[setB]! & HAS_ORIGINATOR) !== 0 ? store.originatorId[setB]! : rows.peerRouterIds[peerB]!;
    if (idA !== idB) return idA < idB;
    this.#reason = REASON_CLUSTER;
    const clusterA = store.clusterLength[setA]!;
    const clusterB = store.clusterLength[setB]!;
    if (clusterA !== clusterB) return clusterA < clusterB;
    this.#reason = peerA === peerB ? REASON_EQUAL : REASON_NEIGHBOUR;
    return this.#compareSource(a, b) < 0;
  }

  /** Steps before the tie-breakers: what multipath asks to be equal, peer types `relaxed` or not. Negative: `a` is better. */
  #compareMetrics(a: number, b: number, relaxed = false): number {
    const rows = this.#rows;
    const store = this.#store;
    const decision = this.#options;
    const setA = rows.pathAttributes[a]!;
    const setB = rows.pathAttributes[b]!;
    const peerA = rows.pathPeer[a]!;
    const peerB = rows.pathPeer[b]!;
    const kindA = rows.peerKinds[peerA]!;
    const kindB = rows.peerKinds[peerB]!;
    const flagsA = store.flags[setA]!;
    const flagsB = store.flags[setB]!;

    this.#reason = REASON_WEIGHT;
    const weightA = (flagsA & HAS_WEIGHT) !== 0 ? store.weight[setA]! : rows.peerWeights[peerA]!;
    const weightB = (flagsB & HAS_WEIGHT) !== 0 ? store.weight[setB]! : rows.peerWeights[peerB]!;
    if (weightA !== weightB) return weightB - weightA;

    this.#reason = REASON_LOCAL_PREF;
    const prefA = (flagsA & HAS_LOCAL_PREF) !== 0 ? store.localPref[setA]! : decision.defaultLocalPref;
    const prefB = (flagsB & HAS_LOCAL_PREF) !== 0 ? store.localPref[setB]! : decision.defaultLocalPref;
    if (prefA !== prefB) return prefB - prefA;

    this.#reason = REASON_LOCAL;
    if (kindA !== kindB && (kindA === PEER_LOCAL || kindB === PEER_LOCAL)) return kindA === PEER_LOCAL ? -1 : 1;

    if (!decision.ignoreAsPathLength) {
      this.#reason = REASON_AS_PATH;
      let lengthA = store.asPathLength[setA]!;
      let lengthB = store.asPathLength[setB]!;
      if (decision.countConfederation) {
        this.#reason = REASON_CONFED_AS_PATH;
        lengthA += store.confederationLength(setA);
        lengthB += store.confederationLength(setB);
      }
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
    if (!relaxed && (kindA === PEER_EBGP) !== (kindB === PEER_EBGP)) return kindA === PEER_EBGP ? -1 : 1;

    this.#reason = REASON_IGP_METRIC;
    const metric = store.nexthops.metric;
    const metricA = kindA === PEER_LOCAL ? 0 : metric[store.nexthop[setA]!]!;
    const metricB = kindB === PEER_LOCAL ? 0 : metric[store.nexthop[setB]!]!;
    return metricA - metricB;
  }

  /** Who two paths are from, by address; paths of one neighbour, by the identifiers that it gave them. Never 0. */
  #compareSource(pathA: number, pathB: number): number {
    const rows = this.#rows;
    const peerA = rows.pathPeer[pathA]!;
    const peerB = rows.pathPeer[pathB]!;
    if (peerA === peerB) return rows.idOf(pathA) - rows.idOf(pathB);
    const a = rows.peers[peerA]!.address;
    const b = rows.peers[peerB]!.address;
    for (let i = 0; i < 4; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
    return peerA - peerB;
  }

  /** Leaves the paths that share traffic with `best`, itself first, in `#selected`. */
  #multipath(best: number, candidates: number): void {
    const rows = this.#rows;
    const decision = this.#options;
    const kind = rows.peerKinds[rows.pathPeer[best]!]!;
    this.#selected[0] = best;
    this.#selectedCount = 1;
    const maximum =
      kind === PEER_LOCAL ? 1 : kind === PEER_EBGP ? decision.maximumPathsEbgp : decision.maximumPathsIbgp;
    if (maximum <= 1) return;
    if (this.#selected.length <= candidates) [this.#selected] = grown(candidates * 2, this.#selected);
    let count = 1;
    for (let i = 0; i < candidates; i++) {
      const path = this.#candidates[i]!;
      if (path === best || this.#compareMetrics(best, path, decision.relaxPeerType) !== 0) continue;
      const setA = rows.pathAttributes[best]!;
      const setB = rows.pathAttributes[path]!;
      if (!decision.multipathRelax && !this.#store.sameAsPath(setA, setB)) continue;
      if (decision.ignoreAsPathLength && this.#store.asPathLength[setA] !== this.#store.asPathLength[setB]) continue;
      // By neighbour address, so that which of too many are taken does not hang on the order they came in.
      let j = count++;
      while (j > 1 && this.#compareSource(path, this.#selected[j - 1]!) < 0) {
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
}
