// The route targets that instances here import, said to the world (RFC 4684 §4): a route of our own for each in the default instance's
// table of memberships. Who hears of them, and as what, is for the rules that all routes have.
import { AF_INET } from '../../net/index.ts';
import type { FamilyInstance } from '../family.ts';
import { localPeer } from '../local-routes.ts';
import { ORIGIN_IGP } from '../rib/index.ts';
import type { WordPair } from '../wire/route-distinguisher.ts';
import { MEMBERSHIP_BITS } from '../wire/rt-membership.ts';

export class Memberships {
  readonly family: FamilyInstance;
  readonly #source: number;
  /** The attribute set that all of them have. */
  readonly #set: number;
  /** By its words. */
  #said: ReadonlyMap<string, WordPair> = new Map();
  #as = 0;

  constructor(family: FamilyInstance) {
    this.family = family;
    this.#source = family.table.addPeer(localPeer(family, 'route targets'));
    const nextHop = { family: AF_INET, words: [0, 0, 0, 0] } as const;
    this.#set = family.instance.store.encode({ origin: ORIGIN_IGP, asPath: [], nextHop });
  }

  /** These are imported, and no others. */
  set(targets: readonly WordPair[]): void {
    const { table, instance } = this.family;
    // Those outside know nothing of the ASes of our confederation.
    const as = instance.publicAs;
    const before = as === this.#as ? this.#said : new Map<string, WordPair>();
    if (as !== this.#as) {
      for (const [hi, lo] of this.#said.values()) this.#withdraw(hi, lo);
    }
    this.#as = as;
    const now = new Map(targets.map(pair => [pair.join(), pair]));
    for (const [key, [hi, lo]] of before) if (!now.has(key)) this.#withdraw(hi, lo);
    for (const [key, [hi, lo]] of now) {
      if (!before.has(key)) table.announce(this.#source, as, hi, lo, 0, MEMBERSHIP_BITS, this.#set);
    }
    this.#said = now;
  }

  #withdraw(hi: number, lo: number): void {
    this.family.table.withdraw(this.#source, this.#as, hi, lo, 0, MEMBERSHIP_BITS);
  }

  close(): void {
    this.family.table.removePeer(this.#source);
    this.family.instance.store.release(this.#set);
  }
}
