// Route-target constraint (RFC 4684): the memberships of an instance's table, as what each neighbour asks for. Of one neighbour all of
// them count that were not refused, whether or not they are the best paths (§3.2): the table's selection is for those who are told of
// memberships, this is for those who are sent routes.
//
//   table of memberships ─dirty─▶ who each path is from ─▶ Interest of that neighbour ─▶ its update groups of VPN families
//                                     counted[path]: it counts for that one, so what goes is taken from the same
import type { WorkTask } from '../../concurrency/index.ts';
import { grown } from '../../net/index.ts';
import type { FamilyInstance } from '../family.ts';
import { DirtySet, PATH_FILTERED, PATH_LOOP, PATH_REMOVED, PEER_LOCAL, type TableConsumer } from '../rib/index.ts';
import { Interest } from './interest.ts';
import { TargetLists } from './target-lists.ts';

/** Memberships between two looks at the clock. */
const BATCH = 256;

export class RouteTargetConstraint implements TableConsumer {
  readonly dirty: DirtySet = new DirtySet();
  readonly everyPath = true;
  readonly #family: FamilyInstance;
  readonly #lists: TargetLists;
  readonly #work: WorkTask;
  /** By the neighbour's index in the table. */
  readonly #interests: Map<number, Interest> = new Map();
  readonly #changed: Set<Interest> = new Set();
  /** By path, the neighbour that it counts for; 0: for none. */
  #counted: Uint16Array = new Uint16Array(0);
  #closed = false;

  constructor(family: FamilyInstance) {
    this.#family = family;
    this.#lists = new TargetLists(family.instance.store);
    this.#work = family.instance.bgp.loop.work('bgp route targets', () => this.#run());
    family.table.attach(this);
  }

  /** What a neighbour asks for, by its index in the table of memberships. */
  of(peer: number): Interest {
    let interest = this.#interests.get(peer);
    if (interest === undefined) this.#interests.set(peer, (interest = new Interest(this.#lists)));
    return interest;
  }

  /** Everything that came by now counts. */
  settle(): void {
    while (this.#run());
  }

  close(): void {
    this.#closed = true;
    this.#counted.fill(0);
    this.#family.table.detach(this);
    this.#family.table.releaseAll(this.dirty);
  }

  // ===== the table's side =====

  holds(prefix: number): boolean {
    return this.dirty.has(prefix);
  }

  holdsPath(path: number): boolean {
    return path < this.#counted.length && this.#counted[path] !== 0;
  }

  wake(): void {
    this.#work.wake();
  }

  sweep(): number {
    return 0;
  }

  // ===== work =====

  #run(): boolean {
    if (this.#closed) return false;
    const { table, instance } = this.#family;
    table.decide();
    if (table.pathPrefix.length > this.#counted.length) [this.#counted] = grown(table.pathPrefix.length, this.#counted);
    do {
      for (let i = 0; i < BATCH; i++) {
        const prefix = this.dirty.take();
        if (prefix < 0) {
          for (const interest of this.#changed) interest.settle();
          this.#changed.clear();
          return false;
        }
        this.#one(prefix);
      }
    } while (!instance.bgp.loop.shouldYield());
    return true;
  }

  #one(prefix: number): void {
    const { table } = this.#family;
    for (let path = table.first[prefix]!; path !== 0; ) {
      const next = table.pathNext[path]!; // the row may go
      const flags = table.pathFlags[path]!;
      const peer = table.pathPeer[path]!;
      const refused = (flags & (PATH_FILTERED | PATH_LOOP | PATH_REMOVED)) !== 0;
      const now = refused || table.peerKind(peer) === PEER_LOCAL ? 0 : peer;
      const before = this.#counted[path]!;
      if (now !== before) {
        this.#counted[path] = now;
        if (before !== 0) this.#count(before, prefix, -1);
        if (now !== 0) this.#count(now, prefix, 1);
      }
      if ((flags & PATH_REMOVED) !== 0) table.releasePath(path);
      path = next;
    }
    table.releasePrefix(prefix);
  }

  #count(peer: number, prefix: number, by: 1 | -1): void {
    const { w1, w2, length } = this.#family.table.prefixes;
    const interest = this.of(peer);
    interest.count(length[prefix]!, w1[prefix]!, w2[prefix]!, by);
    this.#changed.add(interest);
  }
}
