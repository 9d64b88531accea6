// From words to a command.
//
// The commands of one mode are read together: a state is the set of (command, position) pairs that the words so far may
// have reached, and a word leads from state to state. States are made when they are first reached and kept, so a
// configuration of fifty thousand lines walks over a few hundred of them. At each state a word is tried in FRR's order of
// preference: the keyword itself, keywords that it begins, then typed tokens, the more telling first. A choice that
// leads nowhere is taken back, so `show ip route` works although `r` alone would be ambiguous.
//
// Which command it is comes out of that walk; which argument each word is, out of a second one over that command alone.
import { AF_INET6, formatAddress, parseIp6 } from '../net/index.ts';
import type { ArgumentValue, CommandArgs } from './args.ts';
import type { Command, CommandSet, Mode } from './command.ts';
import { accepts, Kind, mayBecome, negate, type Position, parseSyntax, type Syntax } from './syntax.ts';

/** How a line names its command: as declared, after `no`, or by one of the shorter forms after `no`. */
export type Form = 'plain' | 'no' | 'short';

/** A command in the form in which it can be typed. */
export interface Entry {
  readonly owner: string;
  /** Position in the owner's CommandSet. */
  readonly number: number;
  readonly command: Command<never>;
  readonly form: Form;
  readonly syntax: Syntax;
}

/** A line that was understood. */
export interface Match {
  readonly entry: Entry;
  readonly args: CommandArgs;
  /** The line with keywords written out and addresses in their usual form; for `no …` without the `no`. */
  readonly text: string;
  /** The mode whose command it is: the one asked for or one above it. */
  readonly mode: string;
  /** Arguments every full line has, but this `no …` left out. */
  readonly missing: readonly string[];
}

export type ParseError = {
  readonly kind: 'unknown' | 'ambiguous' | 'incomplete';
  /** Index of the first word that was not understood; the number of words where more should follow. */
  readonly at: number;
};

export interface Candidate {
  /** A keyword, the token's notation (`A.B.C.D`), or `<cr>` where the line may end. */
  readonly text: string;
  readonly help: string;
  /** It can be typed as it stands. */
  readonly keyword: boolean;
}

interface State {
  /** Position numbers of the mode, sorted. */
  readonly members: readonly number[];
  readonly keywords: Map<string, State>;
  /** Keywords in the order of the alphabet, for abbreviations; made at first use. */
  sorted: readonly string[] | undefined;
  /** Positions that are not keywords, by kind. */
  readonly typed: ReadonlyMap<Kind, readonly number[]>;
  readonly next: Map<string, State>;
  /** Entries that may end here. */
  readonly ends: readonly Entry[];
}

class ModeGrammar {
  readonly entries: Entry[] = [];
  readonly #positions: Position[] = [];
  /** Number in this mode of an entry's position 0, and the entry, by position number. */
  readonly #base: number[] = [];
  readonly #entryOf: Entry[] = [];
  readonly #states = new Map<string, State>();
  #start: State | undefined;

  add(entry: Entry): void {
    const base = this.#positions.length;
    for (const position of entry.syntax.positions) {
      this.#positions.push(position);
      this.#base.push(base);
      this.#entryOf.push(entry);
    }
    this.entries.push(entry);
    this.#start = undefined;
    this.#states.clear();
  }

  get start(): State {
    if (!this.#start) {
      const first: number[] = [];
      let base = 0;
      for (const entry of this.entries) {
        for (const position of entry.syntax.first) first.push(base + position);
        base += entry.syntax.positions.length;
      }
      this.#start = this.#make(first, []);
    }
    return this.#start;
  }

  /** The state in which `candidates` may come next; `reached` are the positions just taken. */
  #make(candidates: number[], reached: readonly number[]): State {
    const members = [...new Set(candidates)].sort((a, b) => a - b);
    const ends = [
      ...new Set(reached.filter(n => (this.#positions[n] as Position).final).map(n => this.#entryOf[n] as Entry)),
    ];
    const key = `${members.join()};${ends.map(entry => this.entries.indexOf(entry)).join()}`;
    const known = this.#states.get(key);
    if (known) return known;
    const typed = new Map<Kind, number[]>();
    for (const n of members) {
      const position = this.#positions[n] as Position;
      if (position.kind === Kind.Keyword) continue;
      const list = typed.get(position.kind);
      if (list) list.push(n);
      else typed.set(position.kind, [n]);
    }
    const state: State = {
      members,
      keywords: new Map(),
      sorted: undefined,
      typed: new Map([...typed].sort((a, b) => a[0] - b[0])),
      next: new Map(),
      ends,
    };
    this.#states.set(key, state);
    return state;
  }

  #after(reached: readonly number[]): State {
    const candidates: number[] = [];
    for (const n of reached) {
      const base = this.#base[n] as number;
      for (const next of (this.#positions[n] as Position).follow) candidates.push(base + next);
    }
    return this.#make(candidates, reached);
  }

  #keyword(state: State, word: string): State | undefined {
    const known = state.keywords.get(word);
    if (known) return known;
    const reached = state.members.filter(n => {
      const position = this.#positions[n] as Position;
      return position.kind === Kind.Keyword && position.token === word;
    });
    if (reached.length === 0) return undefined;
    const next = this.#after(reached);
    state.keywords.set(word, next);
    return next;
  }

  #keywordsOf(state: State): readonly string[] {
    state.sorted ??= [
      ...new Set(
        state.members
          .map(n => this.#positions[n] as Position)
          .filter(p => p.kind === Kind.Keyword)
          .map(p => p.token),
      ),
    ].sort();
    return state.sorted;
  }

  #typed(state: State, kind: Kind, word: string): State | undefined {
    const list = state.typed.get(kind) as readonly number[];
    const reached =
      list.length === 1 && kind === Kind.Variable
        ? list
        : list.filter(n => accepts(this.#positions[n] as Position, word));
    if (reached.length === 0) return undefined;
    const key = reached.join();
    let next = state.next.get(key);
    if (!next) {
      next = this.#after(reached);
      state.next.set(key, next);
    }
    return next;
  }

  match(words: readonly string[]): { entries: readonly Entry[]; words: readonly string[] } | ParseError {
    const written = [...words];
    let error: ParseError = { kind: 'unknown', at: 0 };
    const worse = (kind: ParseError['kind'], at: number) => {
      if (at > error.at || (at === error.at && kind !== 'unknown')) error = { kind, at };
    };

    const walk = (state: State, at: number): State | undefined => {
      if (at === words.length) {
        if (state.ends.length > 0) return state;
        worse('incomplete', at);
        return undefined;
      }
      const word = words[at] as string;
      const exact = this.#keyword(state, word);
      if (exact) {
        const end = walk(exact, at + 1);
        if (end) {
          written[at] = word;
          return end;
        }
      } else {
        const begun = this.#keywordsOf(state).filter(keyword => keyword.startsWith(word));
        let found: State | undefined;
        let kept: readonly string[] = [];
        let matches = 0;
        for (const keyword of begun) {
          const end = walk(this.#keyword(state, keyword) as State, at + 1);
          if (!end) continue;
          matches++;
          found = end;
          written[at] = keyword;
          kept = written.slice(at);
        }
        if (matches > 1) throw new Ambiguous(at);
        if (found) {
          for (let i = 0; i < kept.length; i++) written[at + i] = kept[i] as string;
          return found;
        }
        if (begun.length > 1 && error.kind === 'incomplete') error = { kind: 'ambiguous', at };
      }
      for (const kind of state.typed.keys()) {
        const next = this.#typed(state, kind, word);
        const end = next && walk(next, at + 1);
        if (end) {
          written[at] = word;
          return end;
        }
      }
      worse('unknown', at);
      return undefined;
    };

    try {
      const end = walk(this.start, 0);
      return end ? { entries: end.ends, words: written } : error;
    } catch (thrown) {
      if (thrown instanceof Ambiguous) return { kind: 'ambiguous', at: thrown.at };
      throw thrown;
    }
  }

  /** Every state that the words may lead to, abbreviations included, without asking what follows. */
  #reach(words: readonly string[]): State[] {
    let states = [this.start];
    for (const word of words) {
      const next = new Set<State>();
      for (const state of states) {
        const exact = this.#keyword(state, word);
        if (exact) {
          next.add(exact);
          continue;
        }
        const begun = this.#keywordsOf(state).filter(keyword => keyword.startsWith(word));
        for (const keyword of begun) next.add(this.#keyword(state, keyword) as State);
        for (const kind of state.typed.keys()) {
          const typed = this.#typed(state, kind, word);
          if (typed) next.add(typed);
        }
      }
      states = [...next];
    }
    return states;
  }

  /** Lines that two commands both claim. */
  conflicts(): string[] {
    const found = new Set<string>();
    const seen = new Set<State>();
    const queue = [this.start];
    for (let state = queue.pop(); state; state = queue.pop()) {
      if (seen.has(state)) continue;
      seen.add(state);
      for (const form of ['plain', 'no'] as const) {
        const ends = state.ends.filter(entry => entry.form === form);
        if (ends.length > 1)
          found.add(ends.map(e => `${e.owner}: ${form === 'no' ? 'no ' : ''}${e.command.syntax}`).join(' | '));
      }
      for (const keyword of this.#keywordsOf(state)) queue.push(this.#keyword(state, keyword) as State);
      // One word may stand at several typed positions of a kind at once: overlapping ranges are taken together.
      for (const list of state.typed.values()) {
        for (const n of list)
          queue.push(
            this.#after(
              list.filter(other => overlap(this.#positions[n] as Position, this.#positions[other] as Position)),
            ),
          );
      }
    }
    return [...found];
  }

  candidates(words: readonly string[], partial: string): Candidate[] {
    const found = new Map<string, Candidate>();
    for (const state of this.#reach(words)) {
      if (partial === '' && state.ends.some(entry => !entry.command.hidden)) {
        found.set('<cr>', { text: '<cr>', help: '', keyword: false });
      }
      for (const n of state.members) {
        const position = this.#positions[n] as Position;
        if ((this.#entryOf[n] as Entry).command.hidden || found.has(position.token)) continue;
        if (!mayBecome(position, partial)) continue;
        if (position.kind === Kind.Keyword) {
          found.set(position.token, { text: position.token, help: position.help, keyword: true });
        } else {
          const token = position.repeats ? `${position.token}...` : position.token;
          found.set(token, { text: token, help: position.help, keyword: false });
        }
      }
    }
    return [...found.values()].sort((a, b) => rank(a) - rank(b) || (a.text < b.text ? -1 : a.text > b.text ? 1 : 0));
  }
}

function overlap(a: Position, b: Position): boolean {
  return a.kind !== Kind.Range || (a.low <= b.high && b.low <= a.high);
}

class Ambiguous extends Error {
  readonly at: number;
  constructor(at: number) {
    super();
    this.at = at;
  }
}

function rank(candidate: Candidate): number {
  return candidate.text === '<cr>' ? 2 : candidate.keyword ? 0 : 1;
}

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

/** Gives each word to the argument it is; undefined where a choice of `{a|b}` was made twice. */
function bind(entry: Entry, words: readonly string[], mode: string): Match | undefined {
  const { positions, first } = entry.syntax;
  const path = new Int32Array(words.length);
  const taken = new Uint8Array(positions.length);

  const walk = (candidates: readonly number[], at: number): boolean => {
    // Keywords before typed tokens, as when the command was chosen.
    for (const keywords of [true, false]) {
      for (const n of candidates) {
        const position = positions[n] as Position;
        if ((position.kind === Kind.Keyword) !== keywords) continue;
        if (taken[n] && !position.repeats) continue;
        if (!accepts(position, words[at] as string)) continue;
        taken[n]!++;
        path[at] = n;
        if (at + 1 === words.length ? position.final : walk(position.follow, at + 1)) return true;
        taken[n]!--;
      }
    }
    return false;
  };

  const args: Record<string, ArgumentValue> = {};
  const out: string[] = [];
  if (!walk(first, 0)) return undefined;
  for (let at = 0; at < words.length; at++) {
    const position = positions[path[at] as number] as Position;
    const word = usual(position, words[at] as string);
    out.push(word);
    if (position.flag !== undefined && args[position.flag] === undefined) args[position.flag] = true;
    const value = position.kind === Kind.Range ? Number(word) : word;
    for (const name of position.names) {
      if (!position.repeats) args[name] = value;
      else if (typeof value === 'number') args[name] = [...((args[name] as number[] | undefined) ?? []), value];
      else args[name] = args[name] === undefined ? word : `${args[name] as string} ${word}`;
    }
  }
  const missing = entry.form === 'plain' ? [] : entry.syntax.required.filter(name => args[name] === undefined);
  return { entry, args, text: (entry.form === 'plain' ? out : out.slice(1)).join(' '), mode, missing };
}

/** IPv6 in lower case with its longest run of zeros left out; everything else as it was typed. */
function usual(position: Position, word: string): string {
  if (position.kind !== Kind.Address6 && position.kind !== Kind.Prefix6) return word;
  const slash = word.indexOf('/');
  const parsed = parseIp6(slash < 0 ? word : word.slice(0, slash));
  return parsed ? `${formatAddress(AF_INET6, parsed)}${slash < 0 ? '' : word.slice(slash)}` : word;
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
