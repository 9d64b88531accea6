// Plays a tape to a speaker of its own: there are no sockets, no clock and no other threads, and the speaker comes to be what the
// recorded one was, turn by turn. It says so where it does anything else.
import { type CommandReply, commandHandler } from '../../vty/index.ts';
import { Bgp } from '../bgp.ts';
import { bgpCommands } from '../commands.ts';
import type { Deck, Hear } from './deck.ts';
import { tapedEnvironment } from './environment.ts';
import { Tag, TapeError, type TapeReader, type TapeWriter } from './tape.ts';

export interface PlayerOptions {
  /** What the speaker logs. */
  readonly log?: (text: string) => void;
  /** A command that is on the tape, and what the speaker says to it. */
  readonly answered?: (request: unknown, reply: CommandReply | undefined) => void;
}

export class Player implements Deck {
  readonly real: undefined;
  readonly tape: TapeReader;
  readonly bgp: Bgp;
  readonly #parties: Hear[] = [];
  readonly #options: PlayerOptions;
  readonly #handler: ReturnType<typeof commandHandler>;

  constructor(tape: TapeReader, options: PlayerOptions = {}) {
    this.tape = tape;
    this.#options = options;
    const environment = tapedEnvironment(this, tape.head, options.log ?? (() => {}));
    this.bgp = new Bgp(environment);
    this.#handler = commandHandler(bgpCommands, this.bgp, { now: () => environment.loop.now() });
  }

  add(hear: Hear): number {
    this.#parties.push(hear);
    return this.tape.party();
  }

  entry(): TapeWriter {
    throw new Error('nobody but the tape calls a speaker that is played to');
  }

  /** Plays one entry; false at the end of the tape. Throws TapeError where the speaker does something else. */
  step(): boolean {
    const entry = this.tape.next();
    if (entry === undefined) return false;
    const { tag, party } = entry;
    if (tag === Tag.request) {
      const request = this.tape.readJson();
      const reply = this.#handler(request);
      // bgp has no command that promises.
      if (!(reply instanceof Promise)) this.#options.answered?.(request, reply);
    } else if (tag === Tag.hostname) this.bgp.setHostname(this.tape.readJson() as string);
    else if (tag === Tag.stop) this.bgp.close(this.tape.readJson() as boolean);
    else {
      const hear = this.#parties[party];
      if (hear === undefined) throw new TapeError(`another run: entry ${this.tape.entries} is for a party ${party}`);
      hear(tag, this.tape);
    }
    return true;
  }

  /** Plays all of it; returns the entries. */
  play(): number {
    while (this.step());
    return this.tape.entries;
  }

  /** Asks the speaker as main would, when the tape is over. */
  ask(request: unknown): CommandReply | undefined {
    const reply = this.#handler(request);
    if (reply instanceof Promise) throw new Error('bgp has no command that promises');
    return reply;
  }
}
