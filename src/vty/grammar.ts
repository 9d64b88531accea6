// The command language: the tables of all owners together, by mode. Which command a line is comes out of a walk over all of
// a mode's commands (mode-grammar.ts); which argument each word is, out of a second one over that command alone (bind.ts).
import { bind, type Match } from './bind.ts';
import type { Command, CommandSet, Mode } from './command.ts';
import { type Candidate, type Entry, ModeGrammar, type ParseError } from './mode-grammar.ts';
import { negate, parseSyntax, type Syntax } from './syntax.ts';

/** The two modes that are always there. */
export const BASE_MODES: readonly Mode[] = [
  { name: 'exec', prompt: '', parent: '' },
  { name: 'configure', prompt: '(config)', parent: 'exec' },
];

/** The command language of a daemon: all owners' tables together. */
export class Grammar {
  readonly modes: ReadonlyMap<string, Mode>;
  readonly sets: readonly CommandSet<never>[];
  readonly #grammars = new Map<string, ModeGrammar>();

  constructor(sets: readonly CommandSet<never>[]) {
    this.sets = sets;
    this.modes = new Map([...BASE_MODES, ...sets.flatMap(set => set.modes)].map(mode => [mode.name, mode]));
    for (const set of sets) {
      set.commands.forEach((command, number) => {
        const syntax = parseSyntax(command.syntax, command.help);
        const entry = { owner: set.owner, number, command };
        this.#add(command.modes, { ...entry, form: 'plain', syntax });
        if (!command.config) return;
        this.#add(command.modes, { ...entry, form: 'no', syntax: negate(syntax, neededArguments(command, syntax)) });
        for (const short of command.config.no) {
          // Its words are the first ones of the command, so it borrows their help.
          const form = negate(parseSyntax(short, command.help), undefined);
          this.#add(command.modes, { ...entry, form: 'short', syntax: form });
        }
      });
    }
  }

  #add(modes: readonly string[], entry: Entry): void {
    for (const name of modes.includes('*') ? this.modes.keys() : modes) {
      if (!this.modes.has(name))
        throw new Error(`'${entry.command.syntax}' belongs to the mode '${name}', which nobody declares`);
      let grammar = this.#grammars.get(name);
      if (!grammar) {
        grammar = new ModeGrammar();
        this.#grammars.set(name, grammar);
      }
      grammar.add(entry);
    }
  }

  /** What can be typed in a mode. */
  entries(mode: string): readonly Entry[] {
    return this.#grammars.get(mode)?.entries ?? [];
  }

  /** Faults of the tables: lines that two commands of one mode claim, tokens without help. For tests. */
  faults(): string[] {
    const faults: string[] = [];
    for (const [mode, grammar] of this.#grammars) {
      for (const conflict of grammar.conflicts()) faults.push(`${mode}: two commands for one line: ${conflict}`);
      for (const { command, form, syntax } of grammar.entries) {
        const { length } = syntax.positions;
        if (form === 'plain' && command.help.length !== length) {
          faults.push(`${mode}: '${command.syntax}' has ${length} tokens and ${command.help.length} lines of help`);
        }
        if (command.help.some(line => line.trim() === ''))
          faults.push(`${mode}: '${command.syntax}' has an empty line of help`);
      }
    }
    return faults;
  }

  /** Modes in which a line typed in `mode` is looked up: itself, then the ones it lies in, up to `configure`. */
  scopes(mode: string): string[] {
    const scopes: string[] = [];
    for (let name = mode; name !== ''; name = this.modes.get(name)?.parent ?? '') {
      if (name === 'exec' && mode !== 'exec') break;
      scopes.push(name);
    }
    return scopes;
  }

  /** Reads a line in `mode` or the modes that it lies in. */
  parse(mode: string, words: readonly string[]): Match | ParseError {
    let worst: ParseError = { kind: 'unknown', at: 0 };
    for (const name of this.scopes(mode)) {
      const found = this.#grammars.get(name)?.match(words);
      if (!found) continue;
      if ('kind' in found) {
        if (found.kind === 'ambiguous' && found.at === words.length - 1 && worst.kind === 'unknown') worst = found;
        else if (found.at > worst.at || (found.at === worst.at && worst.kind === 'unknown')) worst = found;
        continue;
      }
      // Two entries end here only where one table says the same thing twice (`no` in full and in short); the full one tells more.
      const entry = found.entries.find(e => e.form !== 'short') ?? (found.entries[0] as Entry);
      const match = bind(entry, found.words, name);
      if (match) return match;
      worst = { kind: 'unknown', at: words.length - 1 };
    }
    return worst;
  }

  /** What may come next after `words`, given what is typed of the next one. The modes above are asked only where the mode
   *  itself knows nothing, so that `?` shows what belongs here. */
  candidates(mode: string, words: readonly string[], partial: string): Candidate[] {
    for (const name of this.scopes(mode)) {
      const found = this.#grammars.get(name)?.candidates(words, partial) ?? [];
      if (found.length > 0) return found;
    }
    return [];
  }
}

/** The arguments of every full line that its key looks at; undefined where the whole line is the key. */
function neededArguments(command: Command<never>, syntax: Syntax): readonly string[] | undefined {
  const key = command.config?.key;
  if (!key) return undefined;
  const read = new Set<string>();
  try {
    key(new Proxy({}, { get: (_args, name) => void read.add(String(name)) }));
  } catch {
    // A key that works on its arguments cannot do so without them; what it looked at first is known.
  }
  return syntax.required.filter(name => read.has(name));
}

/** The words of a line; empty for blank lines and comments. */
export function wordsOf(line: string): string[] {
  const words = line.split(/\s+/);
  if (words[0] === '') words.shift();
  if (words.at(-1) === '') words.pop();
  return words[0]?.startsWith('!') || words[0]?.startsWith('#') ? [] : words;
}

/** What a shell says of a line that was not understood, in the words of FRR's. */
export function explain(error: ParseError, words: readonly string[]): string {
  if (error.kind === 'ambiguous') return '% Ambiguous command.';
  if (error.kind === 'incomplete') return `% Command incomplete: ${words.join(' ')}`;
  return `% Unknown command: ${words.join(' ')}`;
}
