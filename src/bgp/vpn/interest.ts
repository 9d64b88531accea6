// What one neighbour asks for of the routes of VPNs, and so which of them it is sent (RFC 4684 §6): those that carry a target which one of
// its memberships covers. Whose AS a membership is from is not compared: it says where the wish is from, not what is wished. A route
// without a target goes to those only who want everything.
import { grown } from '../../net/index.ts';
import type { AttributeStore } from '../rib/index.ts';
import type { RouteFilter } from '../updategroup/index.ts';
import { MEMBERSHIP_BITS, wantsTarget } from '../wire/rt-membership.ts';
import { type TargetLists, targetWords } from './target-lists.ts';

/** A membership that is for several targets. */
interface Wide {
  readonly length: number;
  readonly w1: number;
  readonly w2: number;
  count: number;
}

const UNKNOWN = 0;
const NO = 1;
const YES = 2;
/** In a verdict: the last change turned it. */
const TURNED = 4;

export class Interest implements RouteFilter {
  /** It asks for something else than before; `turned`: which of the routes that were looked at `turned` says. */
  onChange: (turned: boolean) => void = () => {};
  readonly #lists: TargetLists;
  // Memberships that say the same are counted: they may be from several ASes, or paths.
  #everything = 0;
  readonly #exact: Map<number, Map<number, number>> = new Map();
  readonly #wide: Map<string, Wide> = new Map();
  #changed = false;
  /** By list of targets. */
  #verdicts = new Uint8Array(64);
  #generation = 0;
  /** Verdicts were lost with the numbers of their lists: any may turn unseen. */
  #lost = false;

  constructor(lists: TargetLists) {
    this.#lists = lists;
    this.#generation = lists.generation;
  }

  /** A membership with these words came (1), or went (-1). */
  count(length: number, w1: number, w2: number, by: 1 | -1): void {
    let count: number;
    if (length === 0) count = this.#everything += by;
    else if (length === MEMBERSHIP_BITS) count = this.#countExact(w1, w2, by);
    else count = this.#countWide(length, w1, w2, by);
    // The first, or the last, of those that say the same.
    if (count === (by > 0 ? 1 : 0)) this.#changed = true;
  }

  #countExact(hi: number, lo: number, by: 1 | -1): number {
    let counts = this.#exact.get(hi);
    if (counts === undefined) this.#exact.set(hi, (counts = new Map()));
    const count = (counts.get(lo) ?? 0) + by;
    if (count > 0) counts.set(lo, count);
    else counts.delete(lo);
    if (counts.size === 0) this.#exact.delete(hi);
    return count;
  }

  #countWide(length: number, w1: number, w2: number, by: 1 | -1): number {
    const key = `${length} ${w1} ${w2}`;
    let wide = this.#wide.get(key);
    if (wide === undefined) this.#wide.set(key, (wide = { length, w1, w2, count: 0 }));
    wide.count += by;
    if (wide.count === 0) this.#wide.delete(key);
    return wide.count;
  }

  /** All that came and went by now counts: who sends the neighbour routes is told of what changed by it. */
  settle(): void {
    if (!this.#changed) return;
    this.#changed = false;
    this.#renew();
    let turned = this.#lost;
    for (let list = 0; list < this.#verdicts.length; list++) {
      const known = this.#verdicts[list]!;
      if (known === UNKNOWN) continue;
      const now = this.#judge(this.#lists.words(list));
      if (known === now) continue;
      this.#verdicts[list] = now | TURNED;
      turned = true;
    }
    this.onChange(turned);
    this.#lost = false;
    for (let list = 0; list < this.#verdicts.length; list++) this.#verdicts[list]! &= ~TURNED;
  }

  #judge(words: Uint32Array): typeof NO | typeof YES {
    if (this.#everything > 0) return YES;
    for (let i = 0; i < words.length; i += 2) if (this.#wants(words[i]!, words[i + 1]!)) return YES;
    return NO;
  }

  #wants(hi: number, lo: number): boolean {
    if (this.#exact.get(hi)?.has(lo) === true) return true;
    for (const { length, w1, w2 } of this.#wide.values()) if (wantsTarget(length, w1, w2, hi, lo)) return true;
    return false;
  }

  // ===== the update group's side =====

  wants(set: number): boolean {
    const list = this.#listOf(set);
    let verdict = this.#verdicts[list]! & ~TURNED;
    if (verdict === UNKNOWN) {
      verdict = this.#judge(this.#lists.words(list));
      this.#verdicts[list] = verdict;
    }
    return verdict === YES;
  }

  wantsOf(store: AttributeStore, set: number): boolean {
    return this.#judge(targetWords(store, set)) === YES;
  }

  turned(set: number): boolean {
    return this.#lost || (this.#verdicts[this.#listOf(set)]! & TURNED) !== 0;
  }

  #listOf(set: number): number {
    const list = this.#lists.of(set);
    this.#renew();
    if (list >= this.#verdicts.length) [this.#verdicts] = grown(list * 2, this.#verdicts);
    return list;
  }

  /** Where lists have other numbers than before, nothing is known of them. */
  #renew(): void {
    const { generation } = this.#lists;
    if (generation === this.#generation) return;
    this.#generation = generation;
    this.#verdicts.fill(UNKNOWN);
    this.#lost = true;
  }
}
