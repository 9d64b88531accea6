// From words to a command, among the commands of one mode.
//
// They are read together: a state is the set of (command, position) pairs that the words so far may have reached, and a
// word leads from state to state. States are made when they are first reached and kept, so a configuration of fifty
// thousand lines walks over a few hundred of them. At each state a word is tried in FRR's order of preference: the keyword
// itself, keywords that it begins, then typed tokens, the more telling first. A choice that leads nowhere is taken back,
// so `show ip route` works although `r` alone would be ambiguous.
import type { Command } from './command.ts';
import { accepts, Kind, mayBecome, type Position, type Syntax } from './syntax.ts';

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

export class ModeGrammar {
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
