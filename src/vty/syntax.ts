// FRR's command notation, read into positions.
//
// A syntax string is a small regular expression over words:
//
//     ip route A.B.C.D/M$prefix <A.B.C.D$gateway|INTERFACE> [(1-255)$distance]
//
// `<a|b>` one of, `[a]` may be left out, `{a|b}` any of, in any order, each once, `x...` one or more, `$name` names an
// argument. Each token that can be typed is a position; what matters of the expression is which positions may come first,
// which may follow which, and after which a line may end (Glushkov's construction), so there are no empty moves to chase.

import { parseIp4, parseIp6 } from '../net/index.ts';

/** What a word must look like at a position. Ordered by how much it says: a lower kind is preferred. */
export const Kind = {
  Keyword: 0,
  Range: 1,
  Address4: 2,
  Prefix4: 3,
  Address6: 4,
  Prefix6: 5,
  Variable: 6,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

export interface Position {
  readonly kind: Kind;
  /** As written in the syntax, without name and dots: `route`, `(1-255)`, `A.B.C.D`, `WORD`. */
  readonly token: string;
  readonly help: string;
  /** Bounds of a range. */
  readonly low: number;
  readonly high: number;
  /** Argument names that this position sets; the enclosing groups' names come last. */
  readonly names: readonly string[];
  /** A name of its own was written, or it is not a keyword: the word is the argument's value. */
  readonly valued: boolean;
  /** A keyword in brackets without a name of its own sets its own name to true. */
  readonly flag: string | undefined;
  /** One or more words (`x...`). */
  readonly repeats: boolean;
  /** Outside all brackets: always typed. */
  readonly outside: boolean;
  /** Positions that may come next. */
  follow: number[];
  /** A line may end here. */
  final: boolean;
}

export interface Syntax {
  readonly positions: readonly Position[];
  readonly first: readonly number[];
  /** Arguments that every full line has. */
  readonly required: readonly string[];
}

/** The words of a syntax before its first variable or bracket: they say which setting a line is. */
export function fixedWords(syntax: string): string {
  return syntax.split(/ (?=[A-Z(<[])/)[0]!;
}

/** A mistake in a command's declaration: ours. */
export class SyntaxDeclarationError extends Error {
  override readonly name = 'SyntaxDeclarationError';
}

interface Fragment {
  first: number[];
  last: number[];
  empty: boolean;
}

const CLOSING: Record<string, string> = { '<': '>', '[': ']', '{': '}' };

/** Reads a syntax string. `help` has one line per position, in the order written. */
export function parseSyntax(text: string, help: readonly string[]): Syntax {
  const tokens = text
    .replace(/[<>[\]{}|]/g, ' $& ')
    .split(' ')
    .filter(token => token !== '');
  const positions: Position[] = [];
  const required = new Set<string>();
  let at = 0;

  const fail = (what: string): never => {
    throw new SyntaxDeclarationError(`${what} in the syntax '${text}'`);
  };

  function sequence(closing: string | undefined, depth: number): Fragment {
    let whole: Fragment = { first: [], last: [], empty: true };
    while (at < tokens.length && tokens[at] !== '|' && tokens[at] !== closing) {
      const part = item(depth);
      link(whole.last, part.first);
      whole = {
        first: whole.empty ? [...whole.first, ...part.first] : whole.first,
        last: part.empty ? [...whole.last, ...part.last] : part.last,
        empty: whole.empty && part.empty,
      };
    }
    return whole;
  }

  function link(from: readonly number[], to: readonly number[]): void {
    for (const a of from) {
      const position = positions[a] as Position;
      for (const b of to) if (!position.follow.includes(b)) position.follow.push(b);
    }
  }

  function item(depth: number): Fragment {
    const open = tokens[at] as string;
    const closing = CLOSING[open];
    if (!closing) return token(tokens[at++] as string, depth);
    at++;
    const begin = positions.length;
    let group = sequence(closing, depth + 1);
    while (tokens[at] === '|') {
      at++;
      const other = sequence(closing, depth + 1);
      group = {
        first: [...group.first, ...other.first],
        last: [...group.last, ...other.last],
        empty: group.empty || other.empty,
      };
    }
    if (tokens[at] !== closing) fail(`'${open}' is not closed`);
    at++;
    if (group.empty && open !== '[') fail(`an empty alternative`);
    if (open === '{') link(group.last, group.first);
    if (open === '[') group = { ...group, empty: true };
    const name = tokens[at];
    if (name?.startsWith('$')) {
      at++;
      for (const position of positions.slice(begin)) (position.names as string[]).push(name.slice(1));
      if (depth === 0 && open === '<') required.add(name.slice(1));
    }
    return group;
  }

  function token(written: string, depth: number): Fragment {
    const repeats = written.includes('...');
    const bare = written.replace('...', '');
    const cut = bare.indexOf('$');
    const base = cut < 0 ? bare : bare.slice(0, cut);
    const name = cut < 0 ? undefined : bare.slice(cut + 1);
    if (base === '' || name === '') fail(`'${written}' names nothing`);
    const kind = kindOf(base);
    const [low, high] = kind === Kind.Range ? bounds(base) : [0, 0];
    const own = name ?? (kind === Kind.Keyword ? undefined : defaultName(base, kind));
    const index = positions.length;
    positions.push({
      kind,
      token: base,
      help: help[index] ?? '',
      low,
      high,
      names: own === undefined ? [] : [own],
      valued: own !== undefined,
      flag: kind === Kind.Keyword && name === undefined && depth > 0 ? base : undefined,
      repeats,
      outside: depth === 0,
      follow: repeats ? [index] : [],
      final: false,
    });
    if (depth === 0 && own !== undefined) required.add(own);
    return { first: [index], last: [index], empty: false };
  }

  function bounds(base: string): [number, number] {
    const match = /^\((-?\d+)-(-?\d+)\)$/.exec(base);
    if (!match || Number(match[1]) > Number(match[2])) fail(`'${base}' is not a range`);
    return [Number(match?.[1]), Number(match?.[2])];
  }

  const whole = sequence(undefined, 0);
  if (at < tokens.length) fail(`'${tokens[at]}' out of place`);
  if (positions.length === 0 || whole.empty) fail('nothing that must be typed');
  for (const index of whole.last) (positions[index] as Position).final = true;
  return { positions, first: whole.first, required: [...required] };
}

function kindOf(base: string): Kind {
  if (base.startsWith('(')) return Kind.Range;
  if (base === 'A.B.C.D') return Kind.Address4;
  if (base === 'A.B.C.D/M') return Kind.Prefix4;
  if (base === 'X:X::X:X') return Kind.Address6;
  if (base === 'X:X::X:X/M') return Kind.Prefix6;
  return base === base.toUpperCase() && base !== base.toLowerCase() ? Kind.Variable : Kind.Keyword;
}

function defaultName(base: string, kind: Kind): string {
  if (kind === Kind.Range) return 'number';
  if (kind === Kind.Address4 || kind === Kind.Address6) return 'address';
  if (kind === Kind.Prefix4 || kind === Kind.Prefix6) return 'prefix';
  return base.toLowerCase();
}

/**
 * The form after `no`: the same with `no` in front. With `needed`, the arguments that tell the line from others, everything
 * after them and after the last keyword that stands outside brackets may be left out, from any point on.
 */
export function negate(syntax: Syntax, needed: readonly string[] | undefined): Syntax {
  const lastKeyword = syntax.positions.findLastIndex(p => p.kind === Kind.Keyword && p.outside);
  const lastNeeded = syntax.positions.findLastIndex(p => needed?.some(name => p.names.includes(name)));
  const lastNames = syntax.positions[lastNeeded]?.names ?? [];
  const mayEnd = (position: Position, index: number): boolean => {
    if (!needed || lastKeyword < 0 || index < lastKeyword) return false;
    return index >= lastNeeded || position.names.some(name => lastNames.includes(name) && needed.includes(name));
  };
  const positions: Position[] = syntax.positions.map((position, index) => ({
    ...position,
    follow: position.follow.map(next => next + 1),
    final: position.final || mayEnd(position, index),
  }));
  positions.unshift({
    kind: Kind.Keyword,
    token: 'no',
    help: 'Negate a command or set its defaults',
    low: 0,
    high: 0,
    names: [],
    valued: false,
    flag: undefined,
    repeats: false,
    outside: true,
    follow: syntax.first.map(next => next + 1),
    final: false,
  });
  return { positions, first: [0], required: syntax.required };
}

/** Whether a word can stand at a position. */
export function accepts(position: Position, word: string): boolean {
  switch (position.kind) {
    case Kind.Keyword:
      return word === position.token;
    case Kind.Range: {
      if (!/^-?\d{1,20}$/.test(word)) return false;
      const value = Number(word);
      return value >= position.low && value <= position.high;
    }
    case Kind.Address4:
      return parseIp4(word) >= 0;
    case Kind.Prefix4: {
      const slash = word.indexOf('/');
      return slash > 0 && parseIp4(word.slice(0, slash)) >= 0 && lengthWithin(word.slice(slash + 1), 32);
    }
    case Kind.Address6:
      return word.includes(':') && parseIp6(word) !== undefined;
    case Kind.Prefix6: {
      const slash = word.indexOf('/');
      return slash > 0 && parseIp6(word.slice(0, slash)) !== undefined && lengthWithin(word.slice(slash + 1), 128);
    }
    case Kind.Variable:
      return true;
    default:
      return false;
  }
}

function lengthWithin(digits: string, most: number): boolean {
  return /^\d{1,3}$/.test(digits) && Number(digits) <= most;
}

/** Whether a word that is still being typed may become one that `accepts` takes. */
export function mayBecome(position: Position, word: string): boolean {
  if (word === '') return true;
  switch (position.kind) {
    case Kind.Keyword:
      return position.token.startsWith(word);
    case Kind.Range:
      return (
        /^-?\d+$/.test(word) && Math.abs(Number(word)) <= Math.max(Math.abs(position.low), Math.abs(position.high))
      );
    case Kind.Address4:
      return /^[\d.]{1,15}$/.test(word);
    case Kind.Prefix4:
      return /^[\d.]{1,15}(?:\/\d{0,2})?$/.test(word);
    case Kind.Address6:
      return /^[0-9a-fA-F:.]+$/.test(word);
    case Kind.Prefix6:
      return /^[0-9a-fA-F:.]+(?:\/\d{0,3})?$/.test(word);
    case Kind.Variable:
      return true;
    default:
      return false;
  }
}
