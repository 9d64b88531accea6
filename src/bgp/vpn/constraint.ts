// Route-target constraint (RFC 4684): the memberships of an instance's table, as what each neighbour asks for. Of one neighbour all of
// them count that were not refused, whether or not they are the best paths (§3.2): the table's selection is for those who are told of
// memberships, this is for those who are sent routes.
//
//   table of memberships ─dirty─▶ who each path is from ─▶ Interest of that neighbour ─▶ its update groups of VPN families
//                                     mark of a path: it counts for that one, so what goes is taken from the same
import type { FamilyInstance } from '../family.ts';
import { PATH_FILTERED, PATH_LOOP, PEER_LOCAL } from '../rib/index.ts';
import { PathFollower } from './follower.ts';
import { Interest } from './interest.ts';
import { TargetLists } from './target-lists.ts';

/** A path's mark is the neighbour that it counts for. */
export class RouteTargetConstraint extends PathFollower {
  readonly #lists: TargetLists;
  /** By the neighbour's index in the table. */
  readonly #interests: Map<number, Interest> = new Map();
  readonly #changed: Set<Interest> = new Set();

  constructor(family: FamilyInstance) {
    super(family, 'bgp route targets');
    this.#lists = new TargetLists(family.instance.store);
    this.follow();
  }

  /** What a neighbour asks for, by its index in the table of memberships. */
  of(peer: number): Interest {
    let interest = this.#interests.get(peer);
    if (interest === undefined) this.#interests.set(peer, (interest = new Interest(this.#lists)));
    return interest;
  }

  /** Everything that came by now counts. */
  settle(): void {
    while (this.run());
  }

  protected override looked(): void {
    for (const interest of this.#changed) interest.settle();
    this.#changed.clear();
  }

  protected override lookAt(prefix: number, path: number, gone: boolean, before: number): number {
    const { table } = this.family;
    const peer = table.pathPeer[path]!;
    const refused = gone || (table.pathFlags[path]! & (PATH_FILTERED | PATH_LOOP)) !== 0;
    const now = refused || table.peerKind(peer) === PEER_LOCAL ? 0 : peer;
    if (now !== before) {
      if (before !== 0) this.#count(before, prefix, -1);
      if (now !== 0) this.#count(now, prefix, 1);
    }
    return now;
  }

  #count(peer: number, prefix: number, by: 1 | -1): void {
    const { w1, w2, length } = this.family.table.prefixes;
    const interest = this.of(peer);
    interest.count(length[prefix]!, w1[prefix]!, w2[prefix]!, by);
    this.#changed.add(interest);
  }
}
