// What stands between a speaker and its surroundings while it is on tape: a recorder, with the real loop and the real transport
// behind it, or a player, with nothing behind it but the tape.
import type { Loop } from '../../concurrency/index.ts';
import type { Transport } from '../io/types.ts';
import type { EntryTag, Tape, TapeReader, TapeWriter } from './tape.ts';

/** Plays an entry about a party to whom it is for; what it says is next on the tape. */
export type Hear = (tag: EntryTag, tape: TapeReader) => void;

export interface Deck {
  readonly tape: Tape;
  /** Undefined: it plays. */
  readonly real: { readonly loop: Loop; readonly transport: Transport } | undefined;
  /** Adds a party; returns its number. */
  add(hear: Hear): number;
  /** Recording: an entry begins, and what it says is to be written. Playing, nothing comes here from outside. */
  entry(tag: EntryTag, party: number): TapeWriter;
}
