// Regular expressions over AS paths and communities, in the syntax routers share: POSIX extended expressions in which `_`
// stands for a boundary: the start, the end, a space, a comma, a brace or a parenthesis.
//
// The expression comes from the operator but the text from a peer, so matching must not depend on luck: a backtracking
// engine takes exponential time on paths a peer can choose. This one compiles to states of a non-deterministic machine
// and builds the deterministic one lazily while it reads; each character then costs one table look-up.
//
//   text → byte class ─▶ next[state][class] ── −1 ─▶ step the set of positions, intern it as a new state
//
// What is known: alternatives, groups, `* + ? {m,n}`, bracket expressions with ranges and negation, `.`, `^`, `$`, `\`.

type Node =
  | { kind: 'set'; has: Uint8Array } // one character of a set (128 flags)
  | { kind: 'start' }
  | { kind: 'end' }
  | { kind: 'sequence'; parts: Node[] }
  | { kind: 'either'; parts: Node[] }
  | { kind: 'repeat'; part: Node; from: number; to: number };

const BOUNDARY = ' ,{}()';
/** Repetitions beyond this make an expression larger than any router accepts. */
const REPEAT_LIMIT = 255;
/** Positions a compiled expression may have. */
const POSITION_LIMIT = 4096;
/** Deterministic states kept before the cache starts again. */
const STATE_LIMIT = 1024;

/** What stands before the first and after the last character. */
const CHARACTERS = 128;

export class PathRegex {
  readonly source: string;
  readonly #program: Position[] = [];
  readonly #start: number;
  /** Whether the empty text matches: the one place that is both start and end. */
  readonly #matchesNothing: boolean;
  #sets: Int32Array[] = [];
  #bySet: Map<string, number> = new Map();
  #next: Int32Array = new Int32Array(0);
  #accepting: Uint8Array = new Uint8Array(0);

  /** Throws a SyntaxError that names what cannot be read. */
  constructor(source: string) {
    this.source = source;
    const tree = new Parser(source).parse();
    const accept = push(this.#program, { kind: 'accept' });
    this.#start = emit(this.#program, tree, accept);
    const set = new Set<number>();
    close(this.#program, this.#start, true, true, set);
    this.#matchesNothing = set.has(accept);
    this.#reset();
  }

  /** Whether the expression matches anywhere in the text. */
  test(text: string): boolean {
    if (text === '') return this.#matchesNothing;
    let state = 0;
    for (let i = 0; i < text.length; i++) {
      if (this.#accepting[state] === 1) return true;
      const c = text.charCodeAt(i) & 127;
      const next = this.#next[state * CHARACTERS + c]!;
      state = next >= 0 ? next : this.#step(state, c);
    }
    return this.#accepting[state] === 1 || this.#atEnd(state);
  }

  #reset(): void {
    this.#sets = [];
    this.#bySet = new Map();
    this.#next = new Int32Array(16 * CHARACTERS);
    this.#accepting = new Uint8Array(16);
    const set = new Set<number>();
    close(this.#program, this.#start, true, false, set);
    this.#intern(set);
  }

  #intern(set: Set<number>): number {
    const positions = Int32Array.from(set).sort();
    const key = positions.join();
    const known = this.#bySet.get(key);
    if (known !== undefined) return known;
    const state = this.#sets.length;
    if (state === this.#accepting.length) {
      const next = new Int32Array(this.#next.length * 2);
      next.set(this.#next);
      this.#next = next;
      const accepting = new Uint8Array(this.#accepting.length * 2);
      accepting.set(this.#accepting);
      this.#accepting = accepting;
    }
    this.#next.fill(-1, state * CHARACTERS, (state + 1) * CHARACTERS);
    this.#accepting[state] = positions.some(p => this.#program[p]!.kind === 'accept') ? 1 : 0;
    this.#sets.push(positions);
    this.#bySet.set(key, state);
    return state;
  }

  #step(state: number, c: number): number {
    const set = new Set<number>();
    for (const p of this.#sets[state]!) {
      const position = this.#program[p]!;
      if (position.kind === 'set' && position.has[c] === 1) close(this.#program, position.next, false, false, set);
    }
    // Unanchored: a match may begin after any character.
    close(this.#program, this.#start, false, false, set);
    if (this.#sets.length >= STATE_LIMIT) {
      this.#reset();
      return this.#intern(set);
    }
    const next = this.#intern(set);
    this.#next[state * CHARACTERS + c] = next;
    return next;
  }

  #atEnd(state: number): boolean {
    const set = new Set<number>();
    // Positions wait before `end`: closing them again with the end in sight takes them through it.
    for (const p of this.#sets[state]!) close(this.#program, p, false, true, set);
    return [...set].some(p => this.#program[p]!.kind === 'accept');
  }
}

type Position =
  | { kind: 'set'; has: Uint8Array; next: number }
  | { kind: 'start'; next: number }
  | { kind: 'end'; next: number }
  | { kind: 'split'; next: number; other: number }
  | { kind: 'accept' };

function push(program: Position[], position: Position): number {
  if (program.length >= POSITION_LIMIT) throw new SyntaxError('the expression is too large');
  return program.push(position) - 1;
}

/** Emits `node` in front of `next`, back to front; returns where it begins. */
function emit(program: Position[], node: Node, next: number): number {
  switch (node.kind) {
    case 'set':
      return push(program, { kind: 'set', has: node.has, next });
    case 'start':
    case 'end':
      return push(program, { kind: node.kind, next });
    case 'sequence':
      return node.parts.reduceRight((after, part) => emit(program, part, after), next);
    case 'either':
      return node.parts
        .map(part => emit(program, part, next))
        .reduceRight((other, first) => push(program, { kind: 'split', next: first, other }));
    case 'repeat': {
      let after = next;
      if (node.to === Number.POSITIVE_INFINITY) {
        const loop = push(program, { kind: 'split', next: -1, other: after });
        const body = emit(program, node.part, loop);
        (program[loop] as { next: number }).next = body;
        after = loop;
      } else {
        for (let i = node.from; i < node.to; i++) {
          after = push(program, { kind: 'split', next: emit(program, node.part, after), other: next });
        }
      }
      for (let i = 0; i < node.from; i++) after = emit(program, node.part, after);
      return after;
    }
  }
}

/** Adds to `set` all positions reachable from `p` without reading a character. */
function close(program: Position[], p: number, atStart: boolean, atEnd: boolean, set: Set<number>): void {
  const todo = [p];
  for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
    if (set.has(at)) continue;
    set.add(at);
    const position = program[at]!;
    if (position.kind === 'split') todo.push(position.other, position.next);
    else if (position.kind === 'start' && atStart) todo.push(position.next);
    else if (position.kind === 'end' && atEnd) todo.push(position.next);
  }
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Node {
    const node = this.#either();
    if (this.#at < this.#text.length) this.#fail('unmatched )');
    return node;
  }

  #either(): Node {
    const parts = [this.#sequence()];
    while (this.#text[this.#at] === '|') {
      this.#at++;
      parts.push(this.#sequence());
    }
    return parts.length === 1 ? parts[0]! : { kind: 'either', parts };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    while (this.#at < this.#text.length && this.#text[this.#at] !== '|' && this.#text[this.#at] !== ')') {
      parts.push(this.#repeated());
    }
    return { kind: 'sequence', parts };
  }

  #repeated(): Node {
    let part = this.#atom();
    for (;;) {
      const c = this.#text[this.#at];
      let from = 0;
      let to = Number.POSITIVE_INFINITY;
      if (c === '+') from = 1;
      else if (c === '?') to = 1;
      else if (c === '{') {
        const bounds = /^\{(\d+)(,(\d*))?\}/.exec(this.#text.slice(this.#at));
        if (bounds === null) return part;
        from = Number(bounds[1]);
        if (bounds[2] === undefined) to = from;
        else if (bounds[3] !== '') to = Number(bounds[3]);
        if (from > REPEAT_LIMIT || (to !== Number.POSITIVE_INFINITY && to > REPEAT_LIMIT) || from > to) {
          this.#fail(`bad repetition ${bounds[0]}`);
        }
        this.#at += bounds[0].length - 1;
      } else if (c !== '*') return part;
      this.#at++;
      part = { kind: 'repeat', part, from, to };
    }
  }

  #atom(): Node {
    const c = this.#text[this.#at++]!;
    switch (c) {
      case '(': {
        const node = this.#either();
        if (this.#text[this.#at] !== ')') this.#fail('missing )');
        this.#at++;
        return node;
      }
      case '[':
        return this.#bracket();
      case '.':
        return { kind: 'set', has: new Uint8Array(128).fill(1) };
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '_': {
        const has = new Uint8Array(128);
        for (const boundary of BOUNDARY) has[boundary.charCodeAt(0)] = 1;
        return { kind: 'either', parts: [{ kind: 'start' }, { kind: 'set', has }, { kind: 'end' }] };
      }
      case '*':
      case '+':
      case '?':
        return this.#fail(`nothing to repeat before ${c}`);
      case '\\': {
        const escaped = this.#text[this.#at++];
        if (escaped === undefined) return this.#fail('a backslash at the end');
        return literal(escaped);
      }
      default:
        return literal(c);
    }
  }

  #bracket(): Node {
    const has = new Uint8Array(128);
    const negated = this.#text[this.#at] === '^';
    if (negated) this.#at++;
    for (let first = true; ; first = false) {
      const c = this.#text[this.#at++];
      if (c === undefined) this.#fail('missing ]');
      else if (c === ']' && !first) break;
      else {
        const named = c === '[' ? /^:(\w+):\]/.exec(this.#text.slice(this.#at)) : null;
        if (named !== null) {
          if (named[1] !== 'digit' && named[1] !== 'space') this.#fail(`unknown class [:${named[1]}:]`);
          for (const member of named[1] === 'digit' ? '0123456789' : ' \t') has[member.charCodeAt(0)] = 1;
          this.#at += named[0].length;
          continue;
        }
        const low = c.charCodeAt(0) & 127;
        let high = low;
        if (this.#text[this.#at] === '-' && this.#text[this.#at + 1] !== ']' && this.#at + 1 < this.#text.length) {
          high = this.#text.charCodeAt(this.#at + 1) & 127;
          if (high < low) this.#fail(`bad range ${this.#text.slice(this.#at - 1, this.#at + 2)}`);
          this.#at += 2;
        }
        has.fill(1, low, high + 1);
      }
    }
    if (negated) for (let i = 0; i < 128; i++) has[i] = has[i] === 1 ? 0 : 1;
    return { kind: 'set', has };
  }

  #fail(why: string): never {
    throw new SyntaxError(`cannot read the regular expression ${this.#text}: ${why}`);
  }
}

function literal(c: string): Node {
  const has = new Uint8Array(128);
  has[c.charCodeAt(0) & 127] = 1;
  return { kind: 'set', has };
}
