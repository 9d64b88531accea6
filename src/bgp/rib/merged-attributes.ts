// What attribute sets amount to together (RFC 4271 §9.2.2.2), kept while sets come and go: none of them is looked at again
// because another one changed.
//
// The ASes that every path begins with stay a sequence; all others of all paths are a set. The paths stand in a tree in which
// each step counts the paths that take it, so the common beginning is the way down as long as all go the same way.
//
// What is merged from a million routes fits in no message. A list that has grown too long for one is left out as a whole, which
// costs nothing while it is: ASes that are not said are what ATOMIC_AGGREGATE is for (RFC 4271 §5.1.6).
import type { AsPathSegment, AttributeSet } from './attribute-set.ts';

/** Values that are said at most; all kinds together fit in a message of 4,096 octets. */
const MOST_ASES = 500;
const MOST_COMMUNITIES = 240;
const MOST_EXTENDED = 48;
const MOST_LARGE = 32;
/** From here on communities are well-known ones (RFC 1997), which are said whatever the number: they say how far a route may go. */
const WELL_KNOWN = 0xffff0000;

interface Step {
  /** Paths that come this way. */
  paths: number;
  readonly next: Map<number, Step>;
}

/** How often each value is there; one that is there no more is gone. */
class Tally<T> {
  readonly counts: Map<T, number> = new Map();

  add(value: T, times: number): void {
    const count = (this.counts.get(value) ?? 0) + times;
    if (count === 0) this.counts.delete(value);
    else this.counts.set(value, count);
  }
}

export class MergedAttributes {
  readonly #paths: Step = { paths: 0, next: new Map() };
  /** Every AS of every path, and those of the confederation's segments. */
  readonly #ases = new Tally<number>();
  readonly #members = new Tally<number>();
  readonly #communities = new Tally<number>();
  readonly #wellKnown = new Tally<number>();
  // By their octets in hexadecimal, and as text.
  readonly #extended = new Tally<string>();
  readonly #large = new Tally<string>();

  add(set: AttributeSet): void {
    this.#count(set, 1);
  }

  /** Takes back one that was added. */
  remove(set: AttributeSet): void {
    this.#count(set, -1);
  }

  #count(set: AttributeSet, times: 1 | -1): void {
    let step: Step | undefined = this.#paths;
    step.paths += times;
    for (const { type, as } of set.asPath) {
      const confed = type === 'confed-sequence' || type === 'confed-set';
      // What stands behind a set stands in no order to what is before it.
      if (type === 'set') step = undefined;
      for (const one of as) {
        (confed ? this.#members : this.#ases).add(one, times);
        if (confed || step === undefined) continue;
        let next = step.next.get(one);
        if (next === undefined) step.next.set(one, (next = { paths: 0, next: new Map() }));
        next.paths += times;
        if (next.paths === 0) step.next.delete(one);
        step = next;
      }
    }
    for (const one of set.communities) {
      this.#communities.add(one, times);
      if (one >= WELL_KNOWN) this.#wellKnown.add(one, times);
    }
    for (const one of set.extendedCommunities) this.#extended.add(Buffer.from(one).toString('hex'), times);
    for (const one of set.largeCommunities) this.#large.add(one.join(':'), times);
  }

  /** There are more ASes than are said. */
  get truncated(): boolean {
    return this.#ases.counts.size + this.#members.counts.size > MOST_ASES;
  }

  /** The common beginning, then the others as a set, unless `truncated`. */
  get asPath(): AsPathSegment[] {
    const { paths } = this.#paths;
    const common: number[] = [];
    for (let step: Step | undefined = this.#paths; step !== undefined; ) {
      let shared: [number, Step] | undefined;
      if (step.next.size === 1) for (const way of step.next) if (way[1].paths === paths) shared = way;
      if (shared !== undefined) common.push(shared[0]);
      step = shared?.[1];
    }
    if (this.truncated) return common.length === 0 ? [] : [{ type: 'sequence', as: common }];
    // An AS that stands nowhere but in the common beginning is not said twice.
    const inCommon = new Tally<number>();
    for (const as of common) inCommon.add(as, paths);
    const others: number[] = [];
    for (const [as, count] of this.#ases.counts) if (count > (inCommon.counts.get(as) ?? 0)) others.push(as);
    const ascending = (a: number, b: number): number => a - b;
    const segments: AsPathSegment[] = [
      { type: 'confed-set', as: [...this.#members.counts.keys()].sort(ascending) },
      { type: 'sequence', as: common },
      { type: 'set', as: others.sort(ascending) },
    ];
    return segments.filter(segment => segment.as.length > 0);
  }

  get communities(): number[] {
    const { counts } = this.#communities;
    const all = counts.size <= MOST_COMMUNITIES ? [...counts.keys()] : [...this.#wellKnown.counts.keys()];
    return all.sort((a, b) => a - b);
  }

  get extendedCommunities(): Uint8Array[] {
    if (this.#extended.counts.size > MOST_EXTENDED) return [];
    return [...this.#extended.counts.keys()].sort().map(hex => new Uint8Array(Buffer.from(hex, 'hex')));
  }

  get largeCommunities(): [number, number, number][] {
    if (this.#large.counts.size > MOST_LARGE) return [];
    return [...this.#large.counts.keys()]
      .map(text => text.split(':').map(Number) as [number, number, number])
      .sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
  }
}
