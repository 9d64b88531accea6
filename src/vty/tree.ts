// The running configuration as a value: blocks of lines.
//
// Each line has a key; a block holds one line per key, so that saying something again replaces what was said. A line typed
// by the operator is first planned: the plan lists what the owners' threads must do, and each step is committed to the
// tree only when its owner agreed. A tree can also stand for itself (a file that was read): the difference between two
// trees is a list of the same steps.
import type { ArgumentValue, CommandArgs } from './args.ts';
import type { Match } from './bind.ts';
import type { Siblings } from './command.ts';
import { CommandError } from './error.ts';
import type { Grammar } from './grammar.ts';
import type { Entry } from './mode-grammar.ts';
import { isDefinition, rankOf } from './order.ts';
import type { ConfigAction } from './serve.ts';

export interface Line {
  readonly entry: Entry;
  /** Without `no`. */
  readonly text: string;
  readonly args: CommandArgs;
  readonly key: string;
  /** The line is `no …`. */
  readonly negative: boolean;
  /** Place among the lines of its block; see order.ts. */
  readonly rank: number;
  /** Lines with the same rank and group stand together. */
  readonly group: string;
  /** Place within its group. */
  readonly place: number;
  readonly sequence: number;
  /** What the line opens. */
  readonly block: Block | undefined;
  /** Line number in the file it came from, 0 when it was typed. */
  readonly source: number;
}

interface SequenceGroup {
  last: number;
  /** By text without its number. */
  readonly unnumbered: Map<string, Line>;
}

export class Block implements Siblings {
  readonly mode: string;
  readonly parent: Block | undefined;
  readonly lines: Map<string, Line> = new Map();
  readonly groups: Map<string, SequenceGroup> = new Map();
  /** The line that opens this block; undefined for the whole configuration. */
  opener: Line | undefined;

  constructor(mode: string, parent: Block | undefined) {
    this.mode = mode;
    this.parent = parent;
  }

  /** Arguments of the enclosing blocks' lines, outermost first. */
  get context(): CommandArgs[] {
    return this.parent && this.opener ? [...this.parent.context, this.opener.args] : [];
  }

  text(key: string): string | undefined {
    const line = this.lines.get(key);
    return line?.negative === false ? line.text : undefined;
  }

  *texts(): Generator<string> {
    for (const line of this.lines.values()) if (!line.negative) yield line.text;
  }

  /** The block still belongs to the configuration. */
  get attached(): boolean {
    if (!this.parent || !this.opener) return this.parent === undefined;
    return this.parent.lines.get(this.opener.key)?.block === this && this.parent.attached;
  }
}

/** A change that one owner has to agree to. */
export interface Step {
  readonly owner: string;
  readonly action: ConfigAction;
  /** The line as it would be typed, for messages. */
  readonly text: string;
  /** Line number in the file it came from, or 0. */
  readonly source: number;
  /** Puts the change into the tree. */
  readonly commit: () => void;
}

export interface Plan {
  readonly steps: readonly Step[];
  /** The block that the shell enters when all steps were accepted. */
  readonly enter?: () => Block;
}

export class ConfigTree {
  readonly root: Block = new Block('configure', undefined);
  readonly #grammar: Grammar;

  constructor(grammar: Grammar) {
    this.#grammar = grammar;
  }

  /** What a line means for the configuration, typed while in `block`. Throws CommandError where it cannot be. */
  plan(at: Block, match: Match, source = 0): Plan {
    let block = at;
    while (block.mode !== match.mode && block.parent) block = block.parent;
    const home = this.#home(block, match, source);
    const plans = this.#asWritten(match).map(one =>
      one.entry.form === 'plain' ? this.#planLine(home.block, one, source) : this.#planNo(home.block, one, source),
    );
    if (plans.length === 1 && home.steps.length === 0) return plans[0] as Plan;
    const steps = plans.flatMap(plan => plan.steps);
    return { steps: steps.length === 0 ? [] : [...home.steps, ...steps] };
  }

  /** The block that a line belongs to, and what opens it where it is not there. */
  #home(block: Block, match: Match, source: number): { readonly block: Block; readonly steps: readonly Step[] } {
    const mode = this.#grammar.modes.get(match.entry.command.modes[0] as string);
    if (mode?.implied === undefined || mode.parent !== block.mode) return { block, steps: [] };
    const { steps, enter } = this.#planLine(block, this.#read(block.mode, mode.implied), source);
    return { block: (enter as () => Block)(), steps };
  }

  #planLine(block: Block, match: Match, source: number): Plan {
    const config = configOf(match);

    const numbered = this.#number(block, match);
    if (!numbered) return { steps: [] };
    config.check?.(numbered.args, block.context, block);
    const old = block.lines.get(keyOf(numbered));
    if (old && !old.negative && old.text === numbered.text) {
      const inner = old.block;
      return inner ? { steps: [], enter: () => inner } : { steps: [] };
    }
    const inner = config.opens === undefined ? undefined : (old?.block ?? new Block(config.opens, block));
    const line = makeLine(block, numbered, false, inner, source);
    if (inner) inner.opener ??= line;
    const step: Step = {
      owner: numbered.entry.owner,
      action: { type: 'apply', command: numbered.entry.number, args: numbered.args, context: block.context },
      text: numbered.text,
      source,
      commit: () => {
        if (config.keeps === 'negative') remove(block, line.key);
        else put(block, line);
      },
    };
    const replaced = config.replaces?.(numbered.args, block) ?? [];
    const ended = replaced.flatMap(key => removals(block, block.lines.get(key)));
    const steps = [step, ...ended];
    return inner ? { steps, enter: () => inner } : { steps };
  }

  #planNo(block: Block, match: Match, source: number): Plan {
    const { entry } = match;
    const config = configOf(match);
    const found = entry.form === 'short' ? [] : this.#find(block, match);
    if (entry.form === 'short' || config.keeps === 'positive') {
      const words = config.takes?.(match.args, block).slice() ?? [];
      if (entry.form === 'short') words.push(match.text);
      return { steps: collect(block, words, found).reverse() };
    }
    // Words that were all typed say what they say, whatever stored line begins with them.
    const stored = match.missing.length > 0 ? found[0] : found.find(line => line.key === keyOf(match));
    const args = stored?.args ?? match.args;
    const line = makeLine(block, { ...match, args }, true, undefined, source);
    return {
      steps: [
        {
          owner: entry.owner,
          action: { type: 'remove', command: entry.number, args, context: block.context },
          text: `no ${match.text}`,
          source,
          commit: () => put(block, line),
        },
      ],
    };
  }

  /** The stored lines that `no …` speaks of. */
  #find(block: Block, match: Match): Line[] {
    const { entry, args } = match;
    const config = configOf(match);
    const exact = block.lines.get(config.key ? config.key(complete(match)) : match.text);
    if (exact && exact.entry.command === entry.command) {
      // A block that goes takes much along: it has to be the one that is meant (`no router bgp` with another number).
      if (config.opens !== undefined && !begins(exact.text, match.text) && !begins(match.text, exact.text)) {
        throw new CommandError(`% There is no '${match.text}', but '${exact.text}'`);
      }
      return [exact];
    }
    if (config.sequence?.write && config.sequence.of(args) === undefined && match.missing.length === 0) {
      const line = block.groups.get(config.sequence.group(args))?.unnumbered.get(config.sequence.write(args, 0));
      if (line) return [line];
    }
    // Nor is it another one that merely begins so (`no router bgp`, where there are only VRFs').
    if (config.opens !== undefined && config.key !== undefined) return [];
    return [...block.lines.values()].filter(
      line => line.entry.command === entry.command && begins(line.text, match.text),
    );
  }

  /** A line of a numbered list with its number filled in; undefined where the list has it already. */
  #number(block: Block, match: Match): Match | undefined {
    const sequence = match.entry.command.config?.sequence;
    if (!sequence?.write || sequence.of(match.args) !== undefined) return match;
    const group = block.groups.get(sequence.group(match.args));
    if (group?.unnumbered.has(sequence.write(match.args, 0))) return undefined;
    const next = group ? Math.floor(group.last / 5) * 5 + 5 : 5;
    const text = sequence.write(match.args, next);
    return this.#read(match.mode, text);
  }

  /** A line in the words in which it is written; several where it says several things. */
  #asWritten(match: Match): Match[] {
    const { form } = match.entry;
    const writes = configOf(match).writes;
    if (writes === undefined || form === 'short' || match.missing.length > 0) return [match];
    return writes(match.args).map(text => {
      if (text === match.text) return match;
      return this.#read(match.mode, form === 'no' && !text.startsWith('no ') ? `no ${text}` : text);
    });
  }

  #read(mode: string, text: string): Match {
    const match = this.#grammar.parse(mode, text.split(' '));
    if (!('entry' in match)) throw new Error(`the line '${text}' is not understood in '${mode}'`);
    return match;
  }

  /** What makes this tree from `old`: first what goes, last lines first, then what comes, in the order of the text. */
  stepsFrom(old: ConfigTree): Step[] {
    const gone: Step[] = [];
    const come: Step[] = [];
    compare(old.root, this.root, gone, come, line => !isDefinition(line));
    // A filter that is in force before its list is there lets nothing through, so lists and route-maps come before those who
    // use them, and go after them.
    const dropped: Step[] = [];
    const defined: Step[] = [];
    compare(old.root, this.root, dropped, defined, isDefinition);
    return [...defined, ...gone.reverse(), ...come, ...dropped.reverse()];
  }

  /** Every line of one owner, for a thread that starts anew. */
  actionsOf(owner: string): ConfigAction[] {
    const actions: ConfigAction[] = [];
    const walk = (block: Block, among: (line: Line) => boolean = () => true) => {
      const context = block.context;
      for (const line of sortedLines(block)) {
        if (!among(line)) continue;
        if (line.entry.owner === owner) {
          actions.push({
            type: line.negative ? 'remove' : 'apply',
            command: line.entry.number,
            args: line.args,
            context,
          });
        }
        if (line.block) walk(line.block);
      }
    };
    walk(this.root, isDefinition);
    walk(this.root, line => !isDefinition(line));
    return actions;
  }

  /** Every line with the block it is in, in the order of the text. */
  *walk(block: Block = this.root): Generator<{ readonly line: Line; readonly block: Block }> {
    for (const line of sortedLines(block)) {
      yield { line, block };
      if (line.block) yield* this.walk(line.block);
    }
  }

  /** The configuration as FRR writes it, piece by piece. */
  *render(): Generator<string> {
    let section = -1;
    for (const line of sortedLines(this.root)) {
      if (this.#isClosed(line) && isHollow(line)) continue;
      const own = sectionOf(line);
      if (section >= 0 && (own !== section || line.block)) yield '!\n';
      section = own;
      yield* this.#renderLine(line, '');
    }
    if (section >= 0) yield '!\n';
  }

  *#renderLine(line: Line, indent: string): Generator<string> {
    yield `${indent}${line.negative ? 'no ' : ''}${line.text}\n`;
    if (!line.block) return;
    /** Keys of lines that were written together with another one. */
    const written = new Set<string>();
    for (const inner of sortedLines(line.block)) {
      const closed = this.#isClosed(inner);
      // A block inside another one is only a place for lines.
      if (inner.block?.lines.size === 0 || (closed && isHollow(inner)) || written.has(inner.key)) continue;
      if (inner.block && !closed) yield `${indent} !\n`;
      const pair = inner.negative ? undefined : inner.entry.command.config?.pair?.(inner.args);
      if (pair !== undefined && line.block.text(pair.key) === pair.text) {
        written.add(pair.key);
        yield `${indent} ${pair.both}\n`;
      } else yield* this.#renderLine(inner, `${indent} `);
      if (closed) yield `${indent} !\n`;
    }
    yield `${indent}${this.#grammar.modes.get(line.block.mode)?.exit ?? 'exit'}\n`;
  }

  #isClosed({ block }: Line): boolean {
    return block !== undefined && this.#grammar.modes.get(block.mode)?.closed === true;
  }

  get text(): string {
    return [...this.render()].join('');
  }
}

/** A block in which there is nothing, or only such blocks. */
function isHollow({ block }: Line): boolean {
  return block !== undefined && [...block.lines.values()].every(isHollow);
}

function configOf(match: Match): NonNullable<Entry['command']['config']> {
  const { config, syntax } = match.entry.command;
  if (!config) throw new Error(`'${syntax}' is not a line of the configuration`);
  return config;
}

function keyOf(match: Match): string {
  return match.entry.command.config?.key?.(match.args) ?? match.text;
}

function makeLine(block: Block, match: Match, negative: boolean, inner: Block | undefined, source: number): Line {
  const sequence = match.entry.command.config?.sequence;
  const { rank, group, place } = rankOf(block.mode, match.text);
  const line: Line = {
    entry: match.entry,
    text: match.text,
    args: match.args,
    key: keyOf(match),
    negative,
    rank: inner && block.parent ? 1000 + rank : rank,
    group: sequence ? sequence.group(match.args) : group,
    place,
    sequence: sequence?.of(match.args) ?? 0,
    block: inner,
    source,
  };
  return line;
}

function put(block: Block, line: Line): void {
  const old = block.lines.get(line.key);
  if (old) forgetNumber(block, old);
  block.lines.set(line.key, line);
  if (line.block) line.block.opener = line;
  const sequence = line.entry.command.config?.sequence;
  if (!sequence?.write) return;
  let group = block.groups.get(line.group);
  if (!group) {
    group = { last: 0, unnumbered: new Map() };
    block.groups.set(line.group, group);
  }
  group.last = Math.max(group.last, line.sequence);
  group.unnumbered.set(sequence.write(line.args, 0), line);
}

function remove(block: Block, key: string): void {
  const line = block.lines.get(key);
  if (!line) return;
  forgetNumber(block, line);
  block.lines.delete(key);
}

function forgetNumber(block: Block, line: Line): void {
  const sequence = line.entry.command.config?.sequence;
  const group = sequence?.write && block.groups.get(line.group);
  if (!group) return;
  group.unnumbered.delete(sequence.write(line.args, 0));
  if (group.unnumbered.size === 0) block.groups.delete(line.group);
  else if (line.sequence === group.last) {
    group.last = 0;
    for (const other of group.unnumbered.values()) group.last = Math.max(group.last, other.sequence);
  }
}

function removal(block: Block, line: Line): Step {
  const resets = line.entry.command.config?.reset !== undefined;
  return {
    owner: line.entry.owner,
    action: {
      type: resets ? 'reset' : line.negative ? 'apply' : 'remove',
      command: line.entry.number,
      args: line.args,
      context: block.context,
    },
    text: `${line.negative ? '' : 'no '}${line.text}`,
    source: 0,
    commit: () => remove(block, line.key),
  };
}

/**
 * Steps that take a line away, to be done last first. A block at the top is an object of its own, and goes with all that is in
 * it; a block inside another one is only a place for lines about that other, which lives on: they go one by one.
 */
function removals(block: Block, line: Line | undefined): Step[] {
  if (line === undefined) return [];
  const steps = [removal(block, line)];
  if (line.block && block.parent) {
    for (const inner of sortedLines(line.block)) steps.push(...removals(line.block, inner));
  }
  return steps;
}

/**
 * Steps, to be done last first, that take away the lines `found`, and every line that begins with one of `texts`, in this block
 * and the blocks in it. In the order of the text a line comes after those that it needs.
 */
function collect(block: Block, texts: readonly string[], found: readonly Line[]): Step[] {
  if (texts.length === 0) return found.flatMap(line => removals(block, line));
  return sortedLines(block).flatMap(line => {
    if (found.includes(line) || texts.some(text => begins(line.text, text))) return removals(block, line);
    return line.block ? collect(line.block, texts, []) : [];
  });
}

function begins(text: string, words: string): boolean {
  return text.startsWith(words) && (text.length === words.length || text[words.length] === ' ');
}

/** The arguments of a short `no …`, guarded: a key that needs a word which was left out makes the line incomplete. */
function complete(match: Match): CommandArgs {
  if (match.missing.length === 0) return match.args;
  return new Proxy(match.args as Record<string, ArgumentValue | undefined>, {
    get(args, name) {
      if (typeof name === 'string' && match.missing.includes(name)) {
        throw new CommandError(`% Command incomplete: no ${match.text}`);
      }
      return args[name as string];
    },
  });
}

/** What one side or the other lacks of the lines `among` which one looks, and of all that is inside of them. */
function compare(
  old: Block,
  wanted: Block,
  gone: Step[],
  come: Step[],
  among: (line: Line) => boolean = () => true,
): void {
  for (const line of sortedLines(old)) {
    if (among(line) && !wanted.lines.has(line.key)) gone.push(...removals(old, line));
  }
  for (const line of sortedLines(wanted)) {
    if (!among(line)) continue;
    const before = old.lines.get(line.key);
    const same = before && before.text === line.text && before.negative === line.negative;
    // What is in a block of the wanted tree belongs into the old tree's block of the same key, where there is one.
    const inner = line.block && (before?.block ?? new Block(line.block.mode, old));
    const placed = inner === line.block ? line : { ...line, block: inner };
    if (!same) {
      come.push({
        owner: line.entry.owner,
        action: {
          type: line.negative ? 'remove' : 'apply',
          command: line.entry.number,
          args: line.args,
          context: wanted.context,
        },
        text: `${line.negative ? 'no ' : ''}${line.text}`,
        source: line.source,
        commit: () => put(old, placed),
      });
    }
    if (line.block && inner) compare(inner, line.block, gone, come);
  }
}

function sortedLines(block: Block): Line[] {
  const lines = [...block.lines.values()];
  // Numbered lists by name, as FRR; other groups in the order of their first line.
  const groupOrder = new Map<string, number>();
  for (const line of lines) if (!groupOrder.has(line.group)) groupOrder.set(line.group, groupOrder.size);
  const order = (line: Line): number => groupOrder.get(line.group) as number;
  return lines.sort(
    (a, b) =>
      a.rank - b.rank ||
      (a.sequence > 0 && b.sequence > 0 && a.group !== b.group ? (a.group < b.group ? -1 : 1) : order(a) - order(b)) ||
      a.place - b.place ||
      a.sequence - b.sequence,
  );
}

/** Neighbouring top-level lines of one section stand without `!` between them. */
function sectionOf(line: Line): number {
  return Math.floor(line.rank / 100);
}
