// Packets between workers: a ring from each worker to each other. It carries vectors for hooks of nodes that run there alone, and
// slots that go home.
//
//    ring from a to b    hook, count, handle ... handle      a vector for the hook
//                        0, count, handle ... handle         b's own slots, free again
//
// A vector is pushed whole or not at all. Who sends one has written in `holders` that the packet is the other's from now on: when a
// worker dies, everything that it held is found there (`reclaim`).
import { HandleConsumer, HandleProducer, HandleRing } from '../../concurrency/index.ts';
import type { Returns } from '../packet/packets.ts';
import { VECTOR } from './vector.ts';

const HOME = 0;

/** Rings between all workers, and who holds which slot. */
export interface ExchangeMemory {
  /** `rings[from][to]`; empty where from is to. */
  readonly rings: readonly (readonly (SharedArrayBuffer | undefined)[])[];
  /** One byte a slot: the worker that has it. */
  readonly holders: SharedArrayBuffer;
  readonly stride: number; // words of a slot
}

/** `perWorker` slots each; a ring always has room for all that may go home by it. */
export function createExchange(workers: number, perWorker: number, stride: number): ExchangeMemory {
  const capacity = 2 ** Math.ceil(Math.log2(perWorker * 4 + 4096));
  const rings = Array.from({ length: workers }, (_, from) =>
    Array.from({ length: workers }, (_, to) => (from === to ? undefined : HandleRing.create(capacity))),
  );
  const holders = new SharedArrayBuffer(1 + workers * perWorker);
  const view = new Uint8Array(holders);
  for (let worker = 0; worker < workers; worker++) {
    view.fill(worker, 1 + worker * perWorker, 1 + (worker + 1) * perWorker);
  }
  return { rings, holders, stride };
}

/** One worker's ends of the rings. */
export class Exchange implements Returns {
  /** Vectors that another worker's ring had no room for. */
  refused = 0;
  readonly #worker: number;
  readonly #out: readonly (HandleProducer | undefined)[];
  readonly #in: readonly (HandleConsumer | undefined)[];
  readonly #holders: Uint8Array;
  readonly #stride: number;
  readonly #perWorker: number;
  readonly #ring: (worker: number) => void;
  readonly #handles: Int32Array = new Int32Array(VECTOR);
  /** Slots on their way home, by worker. */
  readonly #home: readonly Int32Array[];
  readonly #homeCount: Int32Array;

  /** `ring` wakes a worker. */
  constructor(memory: ExchangeMemory, worker: number, perWorker: number, ring: (worker: number) => void) {
    const workers = memory.rings.length;
    this.#worker = worker;
    this.#perWorker = perWorker;
    this.#stride = memory.stride;
    this.#holders = new Uint8Array(memory.holders);
    this.#out = memory.rings[worker]!.map(ring => ring && new HandleProducer(ring));
    this.#in = memory.rings.map(from => from[worker] && new HandleConsumer(from[worker]));
    this.#ring = ring;
    this.#home = Array.from({ length: workers }, () => new Int32Array(VECTOR));
    this.#homeCount = new Int32Array(workers);
  }

  /** A vector for a hook of another worker's node; false where its ring has no room. */
  cross(worker: number, hook: number, handles: Int32Array, count: number): boolean {
    const out = this.#out[worker]!;
    // Room for everything that may still go home by this ring is kept.
    if (out.room() < count + 2 + this.#perWorker * 3) {
      this.refused += count;
      return false;
    }
    this.#push(out, worker, hook, handles, count);
    return true;
  }

  giveBack(handle: number): void {
    const home = Math.trunc((handle / this.#stride - 1) / this.#perWorker);
    const slots = this.#home[home]!;
    slots[this.#homeCount[home]!] = handle;
    if (++this.#homeCount[home]! === VECTOR) this.#goHome(home);
  }

  /** What waits to go home goes; at the end of a round. */
  flush(): void {
    for (let worker = 0; worker < this.#home.length; worker++) if (this.#homeCount[worker]! > 0) this.#goHome(worker);
  }

  /** Something waits. */
  get pending(): boolean {
    for (const ring of this.#in) if (ring && ring.length > 0) return true;
    return false;
  }

  /** Takes up to a few vectors from each other worker. `arrived` gets vectors for hooks, `freed` slots of ours; how many vectors. */
  drain(
    arrived: (hook: number, handles: Int32Array, count: number) => void,
    freed: (handles: Int32Array, count: number) => void,
  ): number {
    let vectors = 0;
    for (const ring of this.#in) {
      if (!ring) continue;
      for (let i = 0; i < 4; i++) {
        const hook = ring.pop();
        if (hook < 0) break;
        const count = ring.pop();
        for (let j = 0; j < count; j++) this.#handles[j] = ring.pop();
        // Before anything is done with them: a successor must not get them again.
        ring.release();
        vectors++;
        if (hook === HOME) freed(this.#handles, count);
        else arrived(hook, this.#handles, count);
      }
    }
    return vectors;
  }

  /** For the successor of a worker that died, while nobody sends to it: everything that the dead one held. Slots of its own part are told to
   *  `own`, the others go home. Whatever is in the rings to it counts as held by it. */
  reclaim(own: (handle: number) => void): void {
    for (const ring of this.#in) {
      if (!ring) continue;
      while (ring.pop() >= 0);
      ring.release();
    }
    for (let slot = 1; slot < this.#holders.length; slot++) {
      if (this.#holders[slot] !== this.#worker) continue;
      const handle = slot * this.#stride;
      if (Math.trunc((slot - 1) / this.#perWorker) === this.#worker) own(handle);
      else this.giveBack(handle);
    }
    this.flush();
  }

  #goHome(worker: number): void {
    this.#push(this.#out[worker]!, worker, HOME, this.#home[worker]!, this.#homeCount[worker]!);
    this.#homeCount[worker] = 0;
  }

  #push(out: HandleProducer, worker: number, hook: number, handles: Int32Array, count: number): void {
    out.push(hook);
    out.push(count);
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      this.#holders[handle / this.#stride] = worker;
      out.push(handle);
    }
    out.publish();
    this.#ring(worker);
  }
}
