// Packets between workers: a ring from each worker to each other. It carries vectors for hooks of nodes that run there alone, and
// slots that go home.
//
//    ring from a to b    hook, count, handle ... handle      a vector for the hook
//                        0, count, handle ... handle         b's own slots, free again
//
// A vector is pushed whole or not at all, and taken out whole. Who takes one out writes in `holders` that its slots are his, before he gives
// the room in the ring back. So at every moment a slot is in one place:
//
//    it is in a ring from x to y     x sent it, and y has not given its room back: `holders` says x, or y already
//    it is in no ring                its holder has it: free, on its way through his graph, or kept by a node of his
//
// That is what the successor of a worker that died in the middle of anything goes by (`reclaim`): what `holders` calls its own and no
// ring from or to it has. What is in the rings to it comes to it as it would have come to the dead one; nobody has to stop meanwhile.
// Why nobody gets a slot twice: the successor looks at the rings first. A slot from its predecessor's rings that it does not find there
// any more was marked by who took it, before that one gave back the room. Afterwards such marks change under its eyes, but never
// to its own number: only it takes from the rings to it.
import {
  HandleConsumer,
  HandleProducer,
  HandleRing,
  LINE_BYTES,
  LINE_WORDS,
  load,
  octets,
  store,
  words,
} from '../../concurrency/index.ts';
import type { Returns } from '../packet/packets.ts';
import { VECTOR } from './vector.ts';

const HOME = 0;
// Words of a worker's line.
const UP = 0;
const FREE = 1;

/** Rings between all workers, and who holds which slot. */
export interface ExchangeMemory {
  /** `rings[from][to]`; empty where from is to. */
  readonly rings: readonly (readonly (SharedArrayBuffer | undefined)[])[];
  /** One byte a slot: the worker that has it. */
  readonly holders: SharedArrayBuffer;
  /** A line a worker: whether packets may be sent to it, and how many slots it has free. */
  readonly lines: SharedArrayBuffer;
  readonly stride: number; // words of a slot
}

/** `perWorker` slots each; a ring always has room for all that may go home by it. */
export function createExchange(workers: number, perWorker: number, stride: number): ExchangeMemory {
  const capacity = 2 ** Math.ceil(Math.log2(perWorker * 4 + 4096));
  const rings = Array.from({ length: workers }, (_, from) =>
    Array.from({ length: workers }, (_, to) => (from === to ? undefined : HandleRing.create(capacity))),
  );
  const holders = new SharedArrayBuffer(1 + workers * perWorker);
  const lines = new SharedArrayBuffer(workers * LINE_BYTES);
  const view = words(lines, 0, lines.byteLength / 4);
  for (let worker = 0; worker < workers; worker++) {
    octets(holders, 1 + worker * perWorker, perWorker).fill(worker);
    view[worker * LINE_WORDS + UP] = 1;
    view[worker * LINE_WORDS + FREE] = perWorker;
  }
  return { rings, holders, lines, stride };
}

/** The graph's side: which workers there are, and what they have. */
export class Exchanges {
  readonly #lines: Int32Array;

  constructor(memory: ExchangeMemory) {
    this.#lines = words(memory.lines, 0, memory.lines.byteLength / 4);
  }

  /** Whether anybody may send to the worker. One that is dead would keep what others may need. */
  setUp(worker: number, up: boolean): void {
    store(this.#lines, worker * LINE_WORDS + UP, up ? 1 : 0);
  }

  /** Slots of its own that the worker had free when it told last: it does when it shows its counters. */
  free(worker: number): number {
    return load(this.#lines, worker * LINE_WORDS + FREE);
  }
}

/** One worker's ends of the rings. */
export class Exchange implements Returns {
  readonly #memory: ExchangeMemory;
  readonly #worker: number;
  readonly #out: readonly (HandleProducer | undefined)[];
  readonly #in: readonly (HandleConsumer | undefined)[];
  readonly #holders: Uint8Array;
  readonly #lines: Int32Array;
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
    this.#memory = memory;
    this.#worker = worker;
    this.#perWorker = perWorker;
    this.#stride = memory.stride;
    this.#holders = octets(memory.holders, 0, memory.holders.byteLength);
    this.#lines = words(memory.lines, 0, memory.lines.byteLength / 4);
    this.#out = memory.rings[worker]!.map(ring => ring && new HandleProducer(ring));
    this.#in = memory.rings.map(from => from[worker] && new HandleConsumer(from[worker]));
    this.#ring = ring;
    this.#home = Array.from({ length: workers }, () => new Int32Array(VECTOR));
    this.#homeCount = new Int32Array(workers);
  }

  /** A vector for a hook of another worker's node; false where its ring has no room, or nobody is there. */
  cross(worker: number, hook: number, handles: Int32Array, count: number): boolean {
    const out = this.#out[worker]!;
    // Room for everything that may still go home by this ring is kept.
    if (load(this.#lines, worker * LINE_WORDS + UP) === 0 || out.room() < count + 2 + this.#perWorker * 3) {
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

  /** Tells how many slots of its own the worker has free. */
  show(free: number): void {
    store(this.#lines, this.#worker * LINE_WORDS + FREE, free);
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
        for (let j = 0; j < count; j++) {
          const handle = ring.pop();
          this.#handles[j] = handle;
          this.#holders[handle / this.#stride] = this.#worker;
        }
        // Before anything is done with them: a successor must not get them again.
        ring.release();
        vectors++;
        if (hook === HOME) freed(this.#handles, count);
        else arrived(hook, this.#handles, count);
      }
    }
    return vectors;
  }

  /** For the successor of a worker that died, before it does anything else: everything that the dead one had. Slots of its own part are told
   *  to `own`, the others go home. */
  reclaim(own: (handle: number) => void): void {
    const moving = this.#moving();
    for (let slot = 1; slot < this.#holders.length; slot++) {
      const handle = slot * this.#stride;
      if (moving.has(handle) || this.#holders[slot] !== this.#worker) continue;
      if (Math.trunc((slot - 1) / this.#perWorker) === this.#worker) own(handle);
      else this.giveBack(handle);
    }
    this.flush();
  }

  /** Which of these slots of others this worker has, and is not about to give back. Not for hot paths. */
  held(handles: readonly number[]): number[] {
    const moving = this.#moving();
    this.#home.forEach((slots, worker) => {
      for (let i = 0; i < this.#homeCount[worker]!; i++) moving.add(slots[i]!);
    });
    return handles.filter(handle => !moving.has(handle) && this.#holders[handle / this.#stride] === this.#worker);
  }

  /** What is in the rings from and to this worker. */
  #moving(): Set<number> {
    const found = new Set<number>();
    const { rings } = this.#memory;
    for (const ring of [...rings[this.#worker]!, ...rings.map(from => from[this.#worker])]) {
      if (!ring) continue;
      // Only looks: it gives no room back.
      const looker = new HandleConsumer(ring);
      while (looker.pop() >= 0) for (let count = looker.pop(); count > 0; count--) found.add(looker.pop());
    }
    return found;
  }

  #goHome(worker: number): void {
    this.#push(this.#out[worker]!, worker, HOME, this.#home[worker]!, this.#homeCount[worker]!);
    this.#homeCount[worker] = 0;
  }

  #push(out: HandleProducer, worker: number, hook: number, handles: Int32Array, count: number): void {
    out.push(hook);
    out.push(count);
    for (let i = 0; i < count; i++) out.push(handles[i]!);
    out.publish();
    this.#ring(worker);
  }
}
