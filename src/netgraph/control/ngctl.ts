// ngctl(8): commands given as words, as lines of a script, or typed, over any Messenger.
import { scriptLines, splitWords } from './command-line.ts';
import { fileLines, findCommand, type Outcome, type Session } from './commands.ts';
import type { Messenger } from './messenger.ts';

export type { Outcome } from './commands.ts';

/** Of sysexits(3), as FreeBSD's ngctl ends. */
export const EX_USAGE = 64;
export const EX_NOINPUT = 66;
export const EX_OSERR = 71;

export interface NgctlOptions {
  /** For standard output. */
  readonly print: (text: string) => void;
  /** For standard error, lines with their end. */
  readonly printError: (text: string) => void;
  readonly debugLevel?: number;
  /** In front of what is told on standard error; `ngctl` unless told. */
  readonly program?: string;
}

/** Files that read each other go no deeper. */
const READ_DEPTH = 20;

export class Ngctl {
  readonly #session: Session;
  #depth = 0;

  constructor(messenger: Messenger, { print, printError, debugLevel = 0, program = 'ngctl' }: NgctlOptions) {
    this.#session = {
      messenger,
      debugLevel,
      print,
      warn: text => printError(`${program}: ${text}\n`),
      readFile: path => this.readFile(path),
    };
  }

  /** One command, its words apart. */
  async run(words: readonly string[]): Promise<Outcome> {
    const [word, ...args] = words;
    if (word === undefined || word === '') return 'ok';
    const command = findCommand(this.#session, word);
    if (!command) return 'error';
    const outcome = await command.run(this.#session, args);
    if (outcome === 'usage') this.#session.warn(`usage: ${command.usage}`);
    return outcome;
  }

  /** A line as it is typed. */
  runLine(line: string): Promise<Outcome> {
    return this.run(splitWords(line));
  }

  /** The lines of a script, up to the first that fails, which is told by its number. */
  async runScript(lines: AsyncIterable<string> | Iterable<string>): Promise<Outcome> {
    for await (const { number, line } of scriptLines(lines)) {
      const outcome = await this.runLine(line);
      if (outcome === 'quit') return 'quit';
      if (outcome === 'ok') continue;
      this.#session.warn(`line ${number}: error in file`);
      return outcome;
    }
    return 'ok';
  }

  async readFile(path: string): Promise<Outcome> {
    if (this.#depth >= READ_DEPTH) {
      this.#session.warn(`${path}: files that read files, ${READ_DEPTH} deep`);
      return 'error';
    }
    const lines = await fileLines(this.#session, path);
    if (!lines) return 'error';
    this.#depth++;
    try {
      return await this.runScript(lines);
    } finally {
      this.#depth--;
    }
  }
}

/** What the process ends with. */
export function exitCode(outcome: Outcome): number {
  return outcome === 'usage' ? EX_USAGE : outcome === 'error' ? EX_OSERR : 0;
}
