// Records a speaker: stands in front of its loop and its transport, and writes a tape.
import type { Loop, TimerTask } from '../../concurrency/index.ts';
import type { Transport } from '../io/types.ts';
import type { BgpEnvironment } from '../speaker.ts';
import type { Deck } from './deck.ts';
import { tapedEnvironment } from './environment.ts';
import { type EntryTag, Tag, type TapeHead, TapeWriter } from './tape.ts';

/** What is written goes to the file after this long at the latest. */
const FLUSH_MS = 1_000;

export interface RecorderOptions {
  readonly loop: Loop;
  readonly transport: Transport;
  readonly about: Omit<TapeHead, 'startMs' | 'date'>;
  readonly log: (text: string) => void;
  /** Takes a piece of the tape; what it throws ends the recording, not the run. */
  readonly put: (bytes: Uint8Array) => void;
}

export class Recorder implements Deck {
  readonly real: { readonly loop: Loop; readonly transport: Transport };
  readonly tape: TapeWriter;
  /** For the speaker. */
  readonly environment: BgpEnvironment;
  readonly #timer: TimerTask;

  constructor({ loop, transport, about, log, put }: RecorderOptions) {
    this.real = { loop, transport };
    let failed = false;
    const guarded = (bytes: Uint8Array): void => {
      if (failed) return;
      try {
        put(bytes);
      } catch (error) {
        failed = true;
        log(`nothing is recorded any more: ${(error as Error).message}`);
      }
    };
    const head: TapeHead = { ...about, startMs: loop.now(), date: new Date().toISOString() };
    this.tape = new TapeWriter(head, guarded);
    this.#timer = loop.timer('bgp tape', () => this.tape.flush());
    this.environment = tapedEnvironment(this, head, log);
  }

  add(): number {
    return this.tape.party();
  }

  entry(tag: EntryTag, party = 0): TapeWriter {
    if (!this.#timer.active) this.#timer.start(FLUSH_MS);
    this.tape.entry(tag, party);
    return this.tape;
  }

  /** What main asks and orders goes through this on its way to the speaker. */
  requests<Reply>(handler: (message: unknown) => Reply): (message: unknown) => Reply {
    return message => {
      // That one is about the thread, and asked every second where somebody looks.
      if ((message as { vty?: unknown } | undefined)?.vty !== 'status') this.entry(Tag.request).writeJson(message);
      return handler(message);
    };
  }

  hostname(name: string): void {
    this.entry(Tag.hostname).writeJson(name);
  }

  stop(retain: boolean): void {
    this.entry(Tag.stop).writeJson(retain);
  }

  /** Everything is with `put` after this. */
  flush(): void {
    this.tape.flush();
  }
}
