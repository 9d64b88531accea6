// How a commit reaches every worker: a frame in the ring of each, then one word that all of them read before each vector.
//
//    control                                      worker
//      reserve a frame in every ring                quiescent()                        the reader's token (concurrency/qsbr.ts)
//      write and publish each                       load epoch ── is not mine? ──▶ take as many frames as it is ahead, do them
//      epoch := epoch + 1   (store)                                                applied := epoch (store)
//      what the commit took away: retire
//
// Why a worker that sees the epoch finds its frame: frames are published before the epoch moves. Why two workers agree on a packet that
// crosses: who sends it has seen epoch n, so n was stored, so every ring holds frame n; who receives it takes it out of the ring
// between them first, loads the epoch after, and therefore sees n too.
//
// Why what was taken away may be freed after a grace period: the token of the grace period is drawn after the epoch was stored. A reader that
// has seen the token and then loads the epoch sees the new one, and does the frame before it touches another packet; so the order
// in a worker is quiescent first, epoch after. Where it is the other way round, it may say that it holds nothing while it runs the old
// graph for one more vector. A worker that is offline does the same when it comes back. `Pause` keeps that order.
import {
  ByteConsumer,
  ByteProducer,
  ByteRing,
  LINE_BYTES,
  LINE_WORDS,
  load,
  type QsbrReader,
  store,
  words,
} from '../../concurrency/index.ts';

const EPOCH = 0;

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

/** The graph's side. */
export class CommitWriter {
  /** Bytes that a commit may have. */
  readonly maxBytes: number;
  readonly #words: Int32Array;
  readonly #rings: (ByteProducer | undefined)[];
  #epoch = 0;

  constructor(memory: SharedArrayBuffer, rings: readonly SharedArrayBuffer[]) {
    this.#words = words(memory, 0, memory.byteLength / 4);
    this.#rings = rings.map(ring => new ByteProducer(ring));
    this.maxBytes = this.#rings[0]!.maxFrame;
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

  /** Whether the worker does what was committed last. */
  applied(worker: number): boolean {
    return this.#rings[worker] === undefined || load(this.#words, appliedWord(worker)) === this.#epoch;
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

  /** Has `fn` do every commit that there is: `size` bytes from `offset` on of the ring's, good until it returns. */
  take(fn: (bytes: Uint8Array, offset: number, size: number) => void): void {
    const epoch = load(this.#words, EPOCH);
    while (this.#epoch !== epoch) {
      if (!this.#ring.next()) throw new Error(`commit ${this.#epoch + 1} of ${epoch} is not in the ring`);
      fn(this.#ring.bytes, this.#ring.offset, this.#ring.size);
      this.#epoch = (this.#epoch + 1) | 0;
    }
    this.#ring.release();
    store(this.#words, this.#mine, epoch);
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

  /** Does the commits that there are. Also for who has taken something from another worker, before it looks at it. */
  catchUp(): void {
    if (this.#commits.pending) this.#commits.take(this.#apply);
  }

  /** The worker holds nothing of the graph's memory; when this returns, it has the graph as it is. */
  between(): void {
    this.#qsbr.quiescent();
    this.catchUp();
  }

  /** The worker begins. */
  begin(): void {
    this.#qsbr.online();
    this.catchUp();
  }

  /** Has `fn` wait for something. Nobody waits for the worker meanwhile, and the graph may change. */
  away(fn: () => void): void {
    this.#qsbr.offline();
    fn();
    this.begin();
  }
}
