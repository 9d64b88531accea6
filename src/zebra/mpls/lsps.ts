// All label-switched paths, and the kernel's label table beside them. As with routes what is wanted and what the kernel has are
// both known, of each at most one change is on its way, and every doubt is ended by writing once more.
//
//   add, remove, set resolves anew ──▶ dirty ──▶ want == have?  no: one context ──▶ result ──▶ dirty
//   somebody deletes, replaces; a device goes; a dump ends ──▶ have corrected ──▶ dirty
import { AF_INET } from '../../net/index.ts';
import type { Owner } from '../face.ts';
import type { Nexthop, NexthopSet, NexthopSets } from '../nexthop/set.ts';
import { type KernelPath, type Plane, roomOf } from '../plane.ts';
import { isOwnProtocol } from '../route-type.ts';
import { VRF_DEFAULT } from '../vrf.ts';
import { FIRST_LABEL, type KernelLabel, Lsp, type LspEntry, sameLabel, sameWay } from './lsp.ts';

export interface LspsHost {
  readonly plane: Plane;
  readonly sets: NexthopSets;
  /** There is something to do for `run`. */
  wake(): void;
  /** Something failed: call `retry` later. */
  retryLater(): void;
  /** What the kernel has of a label is something else. */
  changed(label: number): void;
}

export class Lsps {
  readonly #host: LspsHost;
  readonly #byLabel: Map<number, Lsp> = new Map();
  /** By set id, those that go by it. */
  readonly #bySet: Map<number, Set<Lsp>> = new Map();
  readonly #dirty: Set<Lsp> = new Set();
  #inFlight = 0;
  /** The kernel's state is not known yet. */
  #starting = true;
  #withdrawing = false;
  installs = 0;
  removals = 0;
  /** Adopted of an earlier life, and removed because nobody asked for them. */
  adopted = 0;
  swept = 0;

  constructor(host: LspsHost) {
    this.#host = host;
  }

  /** What the kernel has of a label, as far as it is ours. */
  have(label: number): KernelLabel | undefined {
    return this.#byLabel.get(label)?.have;
  }

  *labels(): Generator<number, void, undefined> {
    for (const { label, have } of this.#byLabel.values()) if (have !== undefined) yield label;
  }

  get(label: number): Lsp | undefined {
    return this.#byLabel.get(label);
  }

  get size(): number {
    return this.#byLabel.size;
  }

  /** By label. */
  list(): Lsp[] {
    return [...this.#byLabel.values()].sort((a, b) => a.label - b.label);
  }

  // What is wanted ---------------------------------------------------------------------------------------------------------

  /** The next hops of a label as one type says them, from now on these. None: it says nothing of the label any more. */
  set(label: number, type: number, members: readonly Nexthop[], owner: Owner, ofVrf = false): void {
    const lsp = this.#byLabel.get(label) ?? new Lsp(label);
    const entry = lsp.entry(type, ofVrf);
    if (members.length === 0) {
      if (entry !== undefined) this.#remove(lsp, entry);
      return;
    }
    this.#byLabel.set(label, lsp);
    const { sets } = this.#host;
    const set = sets.get(sets.intern(VRF_DEFAULT, AF_INET, members, true));
    if (entry === undefined) lsp.entries.unshift({ type, ofVrf, owner, members, set });
    else {
      const before = entry.set;
      entry.owner = owner;
      entry.members = members;
      if (before === set) return;
      entry.set = set;
      this.#leave(lsp, before);
    }
    sets.hold(set.id);
    const users = this.#bySet.get(set.id);
    if (users === undefined) this.#bySet.set(set.id, new Set([lsp]));
    else users.add(lsp);
    this.#wantChanged(lsp);
  }

  /** Adds next hops; one that is there already gets the new labels. */
  add(label: number, type: number, members: readonly Nexthop[], owner: Owner): void {
    const there = this.#byLabel.get(label)?.entry(type, false)?.members ?? [];
    const kept = there.map(one => members.find(other => sameWay(one, other)) ?? one);
    const added = members.filter((one, i) => {
      const first = members.findIndex(other => sameWay(one, other)) === i;
      return first && !there.some(other => sameWay(one, other));
    });
    this.set(label, type, [...kept, ...added], owner);
  }

  /** Takes next hops away, whatever their labels. False where there was none of them. */
  remove(label: number, type: number, members: readonly Nexthop[]): boolean {
    const entry = this.#byLabel.get(label)?.entry(type, false);
    if (entry === undefined) return false;
    const left = entry.members.filter(one => !members.some(other => sameWay(one, other)));
    if (left.length === entry.members.length) return false;
    this.set(label, type, left, entry.owner);
    return true;
  }

  dropOwner(owner: Owner): void {
    for (const lsp of this.#byLabel.values()) {
      for (const entry of lsp.entries.filter(one => one.owner === owner)) this.#remove(lsp, entry);
    }
  }

  #remove(lsp: Lsp, entry: LspEntry): void {
    lsp.entries.splice(lsp.entries.indexOf(entry), 1);
    this.#leave(lsp, entry.set);
    this.#wantChanged(lsp);
  }

  #leave(lsp: Lsp, set: NexthopSet): void {
    this.#host.sets.drop(set.id);
    if (lsp.entries.some(one => one.set === set)) return;
    const users = this.#bySet.get(set.id)!;
    users.delete(lsp);
    if (users.size === 0) this.#bySet.delete(set.id);
  }

  /** A set resolves differently now. */
  setChanged(set: NexthopSet): void {
    for (const lsp of this.#bySet.get(set.id) ?? []) this.#wantChanged(lsp);
  }

  /** Everything of ours leaves the kernel. */
  withdraw(): void {
    this.#withdrawing = true;
    for (const lsp of this.#byLabel.values()) {
      lsp.stale = false;
      this.#mark(lsp);
    }
  }

  /** What the kernel refused was something else. */
  #wantChanged(lsp: Lsp): void {
    lsp.errno = 0;
    this.#mark(lsp);
  }

  #mark(lsp: Lsp): void {
    this.#dirty.add(lsp);
    this.#host.wake();
  }

  // What the kernel is told ------------------------------------------------------------------------------------------------

  get dirty(): number {
    return this.#dirty.size;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get idle(): boolean {
    return this.#dirty.size === 0 && this.#inFlight === 0;
  }

  /** Works off what is marked. False: time was short, and there is more; without room it waits for results. */
  run(shouldYield: () => boolean): boolean {
    if (this.#starting) return true;
    for (const lsp of this.#dirty) {
      if (!this.#settle(lsp)) return true;
      this.#dirty.delete(lsp);
      if (shouldYield()) return this.#dirty.size === 0;
    }
    return true;
  }

  /** False: no room. */
  #settle(lsp: Lsp): boolean {
    if (lsp.inFlight !== '') return true; // its result brings it back
    const want = this.#withdrawing ? undefined : lsp.want();
    if (lsp.stale && want === undefined) return true; // until it is swept
    if (!lsp.doubt && sameLabel(want, lsp.have)) {
      if (lsp.stale) this.adopted++;
      lsp.stale = false;
      this.#forgetIfIdle(lsp);
      return true;
    }
    if (lsp.errno !== 0) return true; // `retry` brings it back
    const { plane } = this.#host;
    if (plane.room() < (want === undefined ? 1 : roomOf(want.paths))) return false;
    lsp.stale = false;
    lsp.generation = (lsp.generation + 1) & 0xffff;
    this.#inFlight++;
    if (want === undefined) {
      lsp.inFlight = 'delete';
      lsp.sent = undefined;
      this.removals++;
      plane.labelDelete(lsp.label, lsp.generation, lsp.have?.protocol ?? 0);
    } else {
      lsp.inFlight = 'install';
      lsp.sent = want;
      this.installs++;
      plane.labelInstall(lsp.label, lsp.generation, want.protocol, want.paths, lsp.have !== undefined || lsp.doubt);
    }
    return true;
  }

  #forgetIfIdle(lsp: Lsp): void {
    if (lsp.entries.length > 0 || lsp.have !== undefined || lsp.doubt || lsp.inFlight !== '') return;
    this.#byLabel.delete(lsp.label);
    this.#dirty.delete(lsp);
  }

  /** Result of an install or a delete. */
  answered(label: number, generation: number, errno: number): void {
    const lsp = this.#byLabel.get(label);
    if (lsp === undefined || lsp.inFlight === '' || lsp.generation !== generation) return;
    this.#inFlight--;
    lsp.inFlight = '';
    lsp.doubt = lsp.disturbed || (lsp.doubt && errno !== 0);
    lsp.disturbed = false;
    lsp.seen = true;
    lsp.errno = errno;
    if (errno === 0) this.#has(lsp, lsp.sent);
    else {
      this.#host.retryLater();
    }
    this.#mark(lsp);
  }

  #has(lsp: Lsp, have: KernelLabel | undefined): void {
    if (sameLabel(lsp.have, have)) return;
    lsp.have = have;
    this.#host.changed(lsp.label);
  }

  /** Tries again what had failed; how many there are. */
  retry(): number {
    let count = 0;
    for (const lsp of this.#byLabel.values()) {
      if (lsp.errno === 0 || lsp.inFlight !== '') continue;
      count++;
      lsp.errno = 0;
      this.#mark(lsp);
    }
    return count;
  }

  // What the kernel says ---------------------------------------------------------------------------------------------------

  /** It has this, in a dump or because somebody wrote it: our own echoes do not come here. */
  told(label: number, protocol: number, paths: readonly KernelPath[]): void {
    if (label < FIRST_LABEL) return;
    const own = isOwnProtocol(protocol);
    let lsp = this.#byLabel.get(label);
    if (lsp === undefined) {
      // Somebody else's, and no business of ours.
      if (!own) return;
      lsp = new Lsp(label);
      lsp.stale = this.#starting;
      this.#byLabel.set(label, lsp);
    }
    lsp.seen = true;
    if (lsp.inFlight !== '') lsp.disturbed = true;
    else {
      lsp.doubt = false;
      // Somebody else's is none of ours: it stays where we want nothing, and is written over where we do.
      this.#has(lsp, own ? { protocol, paths } : undefined);
    }
    this.#mark(lsp);
  }

  gone(label: number): void {
    const lsp = this.#byLabel.get(label);
    if (lsp === undefined) return;
    if (lsp.inFlight !== '') lsp.disturbed = true;
    else {
      lsp.doubt = false;
      this.#has(lsp, undefined);
    }
    this.#mark(lsp);
  }

  /** A device is gone; of what went through it besides others something is left, of which not every kernel says a word. */
  deviceGone(ifindex: number): void {
    for (const lsp of this.#byLabel.values()) {
      const through = ({ paths }: KernelLabel): boolean => paths.some(path => path.ifindex === ifindex);
      if (lsp.sent !== undefined && lsp.inFlight !== '' && through(lsp.sent)) lsp.disturbed = true;
      if (lsp.have === undefined || !through(lsp.have)) continue;
      lsp.doubt = true;
      this.#mark(lsp);
    }
  }

  dumpBegin(): void {
    for (const lsp of this.#byLabel.values()) {
      lsp.seen = false;
      // The kernel may have done it before, and somebody undone it: then the dump is right, and the result is not.
      if (lsp.inFlight !== '') lsp.disturbed = true;
    }
  }

  dumpEnd(): void {
    for (const lsp of this.#byLabel.values()) if (!lsp.seen && lsp.have !== undefined) this.gone(lsp.label);
  }

  // An earlier life --------------------------------------------------------------------------------------------------------

  /** What the kernel had at start is known: from now on it is told what is wanted. */
  started(): void {
    this.#starting = false;
    if (this.#dirty.size > 0) this.#host.wake();
  }

  get stale(): number {
    return this.#count(lsp => lsp.stale);
  }

  /** Those that the kernel refused, and that are to be tried again. */
  get failed(): number {
    return this.#count(lsp => lsp.errno !== 0);
  }

  #count(among: (lsp: Lsp) => boolean): number {
    let count = 0;
    for (const lsp of this.#byLabel.values()) if (among(lsp)) count++;
    return count;
  }

  /** Removes what an earlier life left and nobody asked for, except what may be counted on. */
  sweep(kept: (protocol: number) => boolean): void {
    for (const lsp of this.#byLabel.values()) {
      if (!lsp.stale) continue;
      const unspoken = lsp.entries.length === 0;
      if (unspoken && kept(lsp.have?.protocol ?? 0)) continue;
      lsp.stale = false;
      if (unspoken) this.swept++;
      this.#mark(lsp);
    }
  }
}
