// `import vrf NAME`: the routes that another instance has itself, in this one, with nothing of a VPN between.
import type { WorkTask } from '../../concurrency/index.ts';
import { AF_INET } from '../../net/index.ts';
import type { FamilyInstance } from '../family.ts';
import { DirtySet, type TableConsumer } from '../rib/index.ts';
import { ATTR_INTERNAL, ATTR_PREFIX_SID } from '../wire/attribute.ts';
import { carry, SetMemory } from './carry.ts';
import { ForeignRoutes, ForeignSource, interfaceOf, isOnLink } from './foreign.ts';

/** Prefixes between two looks at the clock. */
const BATCH = 256;

export class VrfLeak implements TableConsumer {
  readonly dirty: DirtySet = new DirtySet();
  readonly everyPath = false;
  readonly from: FamilyInstance;
  readonly routes: ForeignRoutes;
  readonly #memory: SetMemory;
  readonly #work: WorkTask;
  #closed = false;

  constructor(from: FamilyInstance, to: FamilyInstance) {
    this.from = from;
    this.routes = new ForeignRoutes(to, from);
    this.#memory = new SetMemory(from.instance.store, to.instance.store);
    this.#work = to.instance.bgp.loop.work('bgp vrf import', () => this.#run());
    from.table.attach(this);
    this.#work.wake();
  }

  holds(prefix: number): boolean {
    return this.dirty.has(prefix);
  }

  holdsPath(): boolean {
    return false;
  }

  wake(): void {
    this.#work.wake();
  }

  sweep(): number {
    return 0;
  }

  #run(): boolean {
    if (this.#closed) return false;
    this.from.table.decide();
    do {
      for (let i = 0; i < BATCH; i++) {
        const prefix = this.dirty.take();
        if (prefix < 0) return false;
        this.#one(prefix);
      }
    } while (!this.from.instance.bgp.loop.shouldYield());
    return true;
  }

  #one(prefix: number): void {
    const { table } = this.from;
    const { prefixes } = table;
    const wide = prefixes.family !== AF_INET;
    const w0 = prefixes.w0[prefix]!;
    const w1 = wide ? prefixes.w1[prefix]! : 0;
    const w2 = wide ? prefixes.w2[prefix]! : 0;
    const w3 = wide ? prefixes.w3[prefix]! : 0;
    const length = prefixes.length[prefix]!;
    const best = table.best[prefix]!;
    const info = table.peers[table.pathPeer[best]!];
    if (best === 0 || info === undefined || info.owner instanceof ForeignSource) {
      this.routes.withdraw(w0, w1, w2, w3, length, 0);
    } else {
      const set = this.#carried(best);
      this.routes.announce(info, w0, w1, w2, w3, length, set, 0);
      this.routes.family.instance.store.release(set);
    }
    table.releasePrefix(prefix);
  }

  #carried(path: number): number {
    const { instance, table } = this.from;
    const attributes = table.pathAttributes[path]!;
    // On several links there may be the same address.
    const alike = !isOnLink(this.from, attributes);
    const known = alike ? this.#memory.recall(attributes) : -1;
    if (known > 0) return known;
    const { weight } = instance.access.internal(attributes);
    const ifindex = interfaceOf(this.from, path);
    const set = carry(instance.store, attributes, this.routes.family.instance.store, editor =>
      editor
        .remove(ATTR_INTERNAL)
        .remove(ATTR_PREFIX_SID)
        .setInternal({ via: instance.number, ifindex, ...(weight === undefined ? {} : { weight }) }),
    );
    if (alike) this.#memory.remember(attributes, set);
    return set;
  }

  close(): void {
    this.#closed = true;
    this.from.table.detach(this);
    this.from.table.releaseAll(this.dirty);
    this.routes.close();
  }
}
