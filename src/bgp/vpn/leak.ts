// `import vrf NAME`: the routes that another instance has itself, in this one, with nothing of a VPN between.
import { AF_INET } from '../../net/index.ts';
import type { FamilyInstance } from '../family.ts';
import { carry, SetMemory } from './carry.ts';
import { TableFollower } from './follower.ts';
import { asThere, ForeignRoutes, isOnLink, ownBest } from './foreign.ts';

export class VrfLeak extends TableFollower {
  readonly routes: ForeignRoutes;
  readonly #memory: SetMemory;

  constructor(from: FamilyInstance, to: FamilyInstance) {
    super(from, 'bgp vrf import');
    this.routes = new ForeignRoutes(to, from);
    this.#memory = new SetMemory(from.instance.store, to.instance.store);
    this.follow();
  }

  protected override look(prefix: number): void {
    const { table } = this.family;
    const { prefixes } = table;
    const wide = prefixes.family !== AF_INET;
    const w0 = prefixes.w0[prefix]!;
    const w1 = wide ? prefixes.w1[prefix]! : 0;
    const w2 = wide ? prefixes.w2[prefix]! : 0;
    const w3 = wide ? prefixes.w3[prefix]! : 0;
    const length = prefixes.length[prefix]!;
    const best = ownBest(table, prefix);
    if (best === 0) this.routes.withdraw(w0, w1, w2, w3, length, 0);
    else {
      const set = this.#carried(best);
      this.routes.announce(table.peers[table.pathPeer[best]!]!, w0, w1, w2, w3, length, set, 0);
      this.routes.family.instance.store.release(set);
    }
  }

  #carried(path: number): number {
    const { instance, table } = this.family;
    const attributes = table.pathAttributes[path]!;
    // On several links there may be the same address.
    const alike = !isOnLink(this.family, attributes);
    const known = alike ? this.#memory.recall(attributes) : -1;
    if (known > 0) return known;
    const change = asThere(this.family, path);
    const set = carry(instance.store, attributes, this.routes.family.instance.store, change);
    if (alike) this.#memory.remember(attributes, set);
    return set;
  }

  override close(): void {
    super.close();
    this.routes.close();
  }
}
