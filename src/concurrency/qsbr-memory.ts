// The memory that the readers and writers of one reclamation domain share: a token and a slot for each reader thread.
//
//    line 0: number of slots                               written once, before the memory is shared
//    line 1: token             ← writers                   odd, counts up by STEP, round and round
//    line 2: slot 0: seen      ← its reader                the token its reader saw last; 0: offline, holds nothing
//                    state     ← its reader, dead()        generation << 2 | FREE, TAKEN, LEAVING or DEAD
//                    heartbeat ← its reader                a statistic: tokens it has answered
//    line 3: slot 1 …
//
// A line is two cache lines (atomics.ts), so a reader that answers disturbs no other reader. Tokens are odd, so none is ever 0,
// however often they go round: nobody has to step over the 0 that means offline.
import { LINE_BYTES, LINE_WORDS, load, words } from './atomics.ts';

export const SLOTS = 0;
export const TOKEN: number = LINE_WORDS;
const FIRST_SLOT: number = 2 * LINE_WORDS;
/** Words of a slot, from `slotWord`. */
export const SEEN = 0;
export const STATE = 1;
export const HEARTBEAT = 2;

/** From one token to the next. */
export const STEP = 2;

export const FREE = 0;
export const TAKEN = 1;
/** Somebody has called `dead` and is at it. */
export const LEAVING = 2;
export const DEAD = 3;
export const STATE_MASK = 3;
/** One generation, in a state word. */
export const GENERATION = 4;

const LIMIT = 4096;

export interface SlotStats {
  slot: number;
  state: 'free' | 'offline' | 'online' | 'dead';
  /** How often the slot has been taken, modulo 2^30. */
  generation: number;
  /** Tokens that its readers have answered while online, modulo 2^32. */
  heartbeat: number;
}

export interface QsbrMemoryStats {
  /** The newest token. */
  token: number;
  slots: SlotStats[];
}

/** First word of a slot; a RangeError where there is no such slot. */
export function slotWord(shared: Int32Array, slot: number): number {
  const slots = shared[SLOTS]!;
  if (!Number.isInteger(slot) || slot < 0 || slot >= slots) {
    throw new RangeError(`qsbr: slot must be 0 to ${slots - 1}, not ${slot}`);
  }
  return FIRST_SLOT + slot * LINE_WORDS;
}

/** All of a domain's words. */
export function qsbrWords(memory: SharedArrayBuffer): Int32Array {
  return words(memory, 0, memory.byteLength / 4);
}

/** Reclamation domains: `create` makes the shared memory; readers, guards and writers are views of it. */
export const Qsbr = {
  /** Shared memory for `slots` readers, 1 to 4,096. A grace period looks at every slot, so make as many as there are threads. */
  create(slots: number): SharedArrayBuffer {
    if (!Number.isInteger(slots) || slots < 1 || slots > LIMIT) {
      throw new RangeError(`Qsbr slots must be 1 to ${LIMIT}, not ${slots}`);
    }
    const memory = new SharedArrayBuffer((FIRST_SLOT / LINE_WORDS + slots) * LINE_BYTES);
    const shared = qsbrWords(memory);
    shared[SLOTS] = slots;
    shared[TOKEN] = 1;
    return memory;
  },

  /** Who reads, from any thread: a picture of each slot at a moment of its own. */
  stats(memory: SharedArrayBuffer): QsbrMemoryStats {
    const shared = qsbrWords(memory);
    const slots: SlotStats[] = [];
    for (let slot = 0; slot < shared[SLOTS]!; slot++) {
      const at = slotWord(shared, slot);
      const word = load(shared, at + STATE);
      const state = word & STATE_MASK;
      const online = load(shared, at + SEEN) !== 0;
      slots.push({
        slot,
        state: state === FREE ? 'free' : state === TAKEN ? (online ? 'online' : 'offline') : 'dead',
        generation: word >>> 2,
        heartbeat: load(shared, at + HEARTBEAT) >>> 0,
      });
    }
    return { token: load(shared, TOKEN), slots };
  },
} as const;
