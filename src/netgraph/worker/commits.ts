// How a commit reaches every worker: a frame in the ring of each, then one word that all of them read before each vector. And when what a
// commit took away may be used again.
//
//    control                                      worker
//      reserve a frame in every ring                ... a vector, with the graph as it was
//      write and publish each                       load epoch ── is not mine? ──▶ take as many frames as it is ahead, do them
//      epoch := epoch + 1   (store)                                                applied := epoch (store)
//      every applied >= epoch? free                 ... a vector, with the graph as it is
//
// Why a worker that sees the epoch finds its frame: frames are published before the epoch moves. Why two workers agree on a packet that
// crosses: who sends it has seen epoch n, so n was stored, so every ring holds frame n; who receives it takes it out of the ring
// between them first, loads the epoch after, and therefore sees n too.
//
// Why what a commit took away may be freed when every worker has applied it: it does so between two vectors, and from there on nothing that
// it runs knows of it; what it read and wrote before comes before its store, which the control thread loads. This is reclamation by
// quiescent states, as concurrency/qsbr.ts, but the state that counts is not that a worker holds nothing (it sleeps, or is between two
// vectors, or has not begun). A worker that is behind does one commit after the other, and on the way looks at what a later one took
// away: it makes a node that is gone already, reads its counters, opens its memory. So it is waited for until it has done all of them; who
// sleeps is woken by each commit, and who begins counts from the moment that its first frame was made of the graph.
import {
  ByteConsumer,
  ByteProducer,
  ByteRing,
  Limbo,
  LINE_BYTES,
  LINE_WORDS,
  load,
  type QsbrReader,
  store,
  words,
} from '../../concurrency/index.ts';

const EPOCH = 0;
/** What may wait to be freed, at most. */
const LIMBO = 65_536;
/** Commits that a worker does between two vectors, at most: where they come faster than that, packets go on by the graphs in between. */
const AT_ONCE = 32;

function appliedWord(worker: number): number {
  return (1 + worker) * LINE_WORDS;
}

/** Shared memory of the commits of a graph. */
export const Commits = {
  create(workers: number): SharedArrayBuffer {
    return new SharedArrayBuffer((1 + workers) * LINE_BYTES);
  },
  /** A worker's ring of `bytes`: a power of two. One commit has at most half of it. */
  createRing(bytes: number): SharedArrayBuffer {
    return ByteRing.create(bytes);
  },
} as const;

/** A worker that has not done any commit for a while though there are some. */
export interface StalledWorker {
  readonly worker: number;
  readonly ms: number;
}

/** The graph's side. */
export class CommitWriter {
  /** Bytes that a commit may have. */
  readonly maxBytes: number;
  readonly #words: Int32Array;
  readonly #rings: (ByteProducer | undefined)[];
  readonly #limbo: Limbo = new Limbo(LIMBO, 0);
  /** What each had applied when this was looked at, and since when that is so, where it is behind. */
  readonly #seen: Int32Array;
  readonly #since: Float64Array;
  #epoch = 0;

  constructor(memory: SharedArrayBuffer, rings: readonly SharedArrayBuffer[]) {
    this.#words = words(memory, 0, memory.byteLength / 4);
    this.#rings = rings.map(ring => new ByteProducer(ring));
    this.maxBytes = this.#rings[0]!.maxFrame;
    this.#seen = new Int32Array(rings.length);
    this.#since = new Float64Array(rings.length).fill(Number.POSITIVE_INFINITY);
  }

  /** Hands the frame to every worker that there is; false, and nothing has happened, where one has no room for it. */
  commit(frame: Uint8Array): boolean {
    for (const ring of this.#rings) if (ring && ring.reserve(frame.length) < 0) return false;
    for (const ring of this.#rings) {
      if (!ring) continue;
      const offset = ring.reserve(frame.length);
      ring.bytes.set(frame, offset);
      ring.commit();
      ring.publish();
    }
    this.#epoch = (this.#epoch + 1) | 0;
    store(this.#words, EPOCH, this.#epoch);
    return true;
  }

  /** Whether every worker has done what was committed last. */
  applied(): boolean {
    return this.#oldest() === this.#epoch;
  }

  /** What waits to be freed. */
  get limbo(): number {
    return this.#limbo.count;
  }

  /** Whether so many more may be retired. */
  admits(count: number): boolean {
    return this.#limbo.count + count <= LIMBO;
  }

  /** `free` is called by `reclaim` when no worker can be using what the last commit took away. */
  retire(free: () => void): void {
    if (!this.#limbo.admits(0)) throw new Error(`more than ${LIMBO} things wait to be freed`);
    this.#limbo.push(this.#epoch, free, 0);
  }

  /** Frees what may be freed, oldest first; how many. */
  reclaim(): number {
    let freed = 0;
    if (this.#limbo.count === 0) return freed;
    for (const oldest = this.#oldest(); this.#limbo.count > 0 && ((oldest - this.#limbo.token) | 0) >= 0; freed++) {
      this.#limbo.shift()();
    }
    return freed;
  }

  /** Workers that have not done a commit for at least `ms` though there were some, as far as this has been asked. `now` in milliseconds. */
  stalled(ms: number, now: number): readonly StalledWorker[] {
    const found: StalledWorker[] = [];
    for (let worker = 0; worker < this.#rings.length; worker++) {
      const applied = this.#applied(worker);
      if (applied === this.#epoch) this.#since[worker] = Number.POSITIVE_INFINITY;
      else if (this.#seen[worker] !== applied || this.#since[worker] === Number.POSITIVE_INFINITY) {
        this.#since[worker] = now;
      } else if (now - this.#since[worker]! >= ms) found.push({ worker, ms: now - this.#since[worker]! });
      this.#seen[worker] = applied;
    }
    return found;
  }

  /** One that there is not has done everything. */
  #applied(worker: number): number {
    return this.#rings[worker] ? load(this.#words, appliedWord(worker)) : this.#epoch;
  }

  #oldest(): number {
    let oldest = this.#epoch;
    for (let worker = 0; worker < this.#rings.length; worker++) {
      const applied = this.#applied(worker);
      if (((applied - oldest) | 0) < 0) oldest = applied;
    }
    return oldest;
  }

  /** The worker is no more. */
  remove(worker: number): void {
    this.#rings[worker] = undefined;
  }

  /** A worker begins: it has the graph as it is now from the first frame of its ring. */
  join(worker: number, ring: SharedArrayBuffer, snapshot: Uint8Array): boolean {
    const producer = new ByteProducer(ring);
    const offset = producer.reserve(snapshot.length);
    if (offset < 0) return false;
    producer.bytes.set(snapshot, offset);
    producer.commit();
    producer.publish();
    this.#rings[worker] = producer;
    // One frame is the whole graph, so the worker is one behind. Plain: the last that had the word is dead, the next is not born.
    this.#words[appliedWord(worker)] = (this.#epoch - 1) | 0;
    return true;
  }
}

/** A worker's side. */
export class CommitReader {
  readonly #words: Int32Array;
  readonly #ring: ByteConsumer;
  readonly #mine: number;
  #epoch: number;

  constructor(memory: SharedArrayBuffer, ring: SharedArrayBuffer, worker: number) {
    this.#words = words(memory, 0, memory.byteLength / 4);
    this.#ring = new ByteConsumer(ring);
    this.#mine = appliedWord(worker);
    this.#epoch = this.#words[this.#mine]!;
  }

  /** There are commits to do: one load. */
  get pending(): boolean {
    return load(this.#words, EPOCH) !== this.#epoch;
  }

  /** Has `fn` do the commits that there are, the `most` oldest of them: `size` bytes from `offset` on of the ring's, good until it returns. */
  take(fn: (bytes: Uint8Array, offset: number, size: number) => void, most: number): void {
    const epoch = load(this.#words, EPOCH);
    for (let left = most; this.#epoch !== epoch && left > 0; left--) {
      if (!this.#ring.next()) throw new Error(`commit ${this.#epoch + 1} of ${epoch} is not in the ring`);
      fn(this.#ring.bytes, this.#ring.offset, this.#ring.size);
      this.#epoch = (this.#epoch + 1) | 0;
    }
    this.#ring.release();
    store(this.#words, this.#mine, this.#epoch);
  }
}

/** What a worker does between two vectors. */
export class Pause {
  readonly #qsbr: QsbrReader;
  readonly #commits: CommitReader;
  readonly #apply: (bytes: Uint8Array, offset: number, size: number) => void;

  constructor(
    qsbr: QsbrReader,
    commits: CommitReader,
    apply: (bytes: Uint8Array, offset: number, size: number) => void,
  ) {
    this.#qsbr = qsbr;
    this.#commits = commits;
    this.#apply = apply;
  }

  /** Does all commits that there are: for who has taken something from another worker, before it looks at it. */
  catchUp(): void {
    if (this.#commits.pending) this.#commits.take(this.#apply, Number.POSITIVE_INFINITY);
  }

  /** Between two vectors: does some of the commits that there are, nearly always all. */
  between(): void {
    this.#qsbr.quiescent();
    if (this.#commits.pending) this.#commits.take(this.#apply, AT_ONCE);
  }

  /** The worker begins. */
  begin(): void {
    this.#qsbr.online();
    this.catchUp();
  }

  /** Has `fn` wait for something, a commit among it. The graph may change meanwhile. */
  away(fn: () => void): void {
    this.#qsbr.offline();
    fn();
    this.begin();
  }
}
