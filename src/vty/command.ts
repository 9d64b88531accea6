// How a room declares its commands. A declaration is a value: main reads its syntax and help, the thread that owns the
// state runs it. Nothing here knows how a command line is parsed (grammar.ts) or carried (serve.ts).
import type { Args, CommandArgs } from './args.ts';

/**
 * What an exec command gives back. Text is shown as it is (a final newline is added where missing). A generator yields
 * pieces of text and is run slice by slice, as fast as the reader takes them: use it for anything that may be long.
 * Arrays and other objects are shown as JSON. A promise or an async generator is for threads with Node's loop only.
 */
export type Output =
  | string
  | Iterable<string>
  | AsyncIterable<string>
  | Promise<string | Iterable<string> | object | undefined>
  | object
  | undefined
  // biome-ignore lint/suspicious/noConfusingVoidType: a command that shows nothing may simply return.
  | void;

export interface ExecSpec<State, Syntax extends string> {
  readonly syntax: Syntax;
  /** One line for each token of the syntax that can be typed, in the order written, alternatives included. */
  readonly help: readonly string[];
  /** The mode it belongs to; `exec` unless told, `*` for all. In configuration modes exec commands work after `do`. */
  readonly mode?: string;
  /** Left out of `?` and completion, but works. */
  readonly hidden?: boolean;
  readonly run: (state: State, args: Args<Syntax>, session: Session) => Output;
}

/** What a command may know of who runs it. */
export interface Session {
  /** Where the shell is: 0 = no pager. */
  readonly terminalLength: number;
}

/** How lines that form a numbered list are grouped and sorted. */
export interface Sequence<Syntax extends string> {
  /** Lines with the same group stand together. */
  readonly group: (args: Args<Syntax>) => string;
  /** Rank within the group; undefined where the line does not say. */
  readonly of: (args: Args<Syntax>) => number | undefined;
  /** The line's whole text with this sequence number, for lines typed without one: they get the last number, rounded
   *  down to a multiple of 5, plus 5. Without `write`, lines keep the order in which they came. */
  readonly write?: (args: Args<Syntax>, sequence: number) => string;
}

/** The lines of the block in which a line is typed, as far as a line may ask for its neighbours. */
export interface Siblings {
  /** The positive line with this key. */
  text(key: string): string | undefined;
  /** All positive lines. */
  texts(): Iterable<string>;
}

export interface ConfigSpec<State, Syntax extends string> {
  /** The mode that the line is typed in: `configure`, `interface`, `router-bgp`, `address-family`, … or several. Where the
   *  first of several says which of its blocks is `implied`, that one holds what is typed in its parent's mode. */
  readonly mode: string | readonly string[];
  readonly syntax: Syntax;
  readonly help: readonly string[];
  /** The mode that this line enters: it is then a block, and the lines inside get its arguments as context. */
  readonly opens?: string;
  /** Equal keys within one block are the same setting: the later line replaces the earlier one, and only `apply` of the
   *  later is called. By default the whole line is the key, so that different lines stand beside each other. The
   *  arguments may be incomplete when the line is taken back by a short `no …`. */
  readonly key?: (args: Args<Syntax>) => string;
  /** A prefix of the line is an address and the length of its network: host bits stay. */
  readonly hostBits?: boolean;
  /** The line as it is written, where it may be typed in other words; several where it says several things, and
   *  `no …` where it takes a line back. */
  readonly writes?: (args: Args<Syntax>) => readonly string[];
  /** The line with which this one is written as `both`, where that one's text is `text`. */
  readonly pair?: (args: Args<Syntax>) => { readonly key: string; readonly text: string; readonly both: string };
  /** Which forms are kept in the configuration. `positive` (default): `no …` takes the line away. `negative`: the setting
   *  is on by default, so only `no …` is kept. `both`: the default depends, so whichever was said last is kept. */
  readonly keeps?: 'positive' | 'negative' | 'both';
  /** Shorter forms that are accepted after `no`: each takes away every line of the block (and of the blocks in it) that
   *  begins with these words (`neighbor <A.B.C.D|X:X::X:X>$neighbor`, `ip prefix-list WORD`). Leaving out what follows the
   *  last keyword outside brackets is always accepted. */
  readonly no?: readonly string[];
  /** What else `no …` takes along: all lines of the block (and of the blocks in it) that begin with one of these texts.
   *  For lines that make something which other lines are about. */
  readonly takes?: (args: Args<Syntax>, lines: Siblings) => readonly string[];
  /** Keys of the lines of the block whose say ends when this one is in force. */
  readonly replaces?: (args: Args<Syntax>, lines: Siblings) => readonly string[];
  readonly sequence?: Sequence<Syntax>;
  readonly hidden?: boolean;
  /** A check that needs no state; main calls it before the line is sent. Throws CommandError. */
  readonly check?: (args: Args<Syntax>, context: readonly CommandArgs[], lines: Siblings) => void;
  /** Puts the line into force, in the owner's thread. Level, not edge: it may be called again with the same or other
   *  values. `context` holds the arguments of the enclosing blocks, outermost first. A text returned is shown as a
   *  warning. Throws CommandError to refuse: the line is then not stored. */
  // biome-ignore lint/suspicious/noConfusingVoidType: most lines have nothing to say.
  readonly apply: (state: State, args: Args<Syntax>, context: readonly CommandArgs[]) => string | void;
  /** Takes the line out of force. It always gets the arguments of the line as it was stored, however short the `no …`;
   *  for lines that keep a negative form and were not stored, the arguments typed. The inner lines of a
   *  block at the top are not removed one by one first: removing it ends all of it. Those of a block inside a block are. */
  // biome-ignore lint/suspicious/noConfusingVoidType: as above.
  readonly remove: (state: State, args: Args<Syntax>, context: readonly CommandArgs[]) => string | void;
  /** For lines that keep both forms: puts the setting to what it is where neither was said. Without it, `no …` is undone by
   *  `apply`, and the other way round. */
  // biome-ignore lint/suspicious/noConfusingVoidType: as above.
  readonly reset?: (state: State, args: Args<Syntax>, context: readonly CommandArgs[]) => string | void;
}

/** A command with its types erased, as tables hold it. */
export interface Command<in State> {
  readonly kind: 'exec' | 'config';
  readonly modes: readonly string[];
  readonly syntax: string;
  readonly help: readonly string[];
  readonly hidden: boolean;
  readonly run?: (state: State, args: CommandArgs, session: Session) => Output;
  readonly config?: ErasedConfig<State>;
}

export interface ErasedConfig<in State> {
  readonly opens: string | undefined;
  readonly key: ((args: CommandArgs) => string) | undefined;
  readonly hostBits: boolean;
  readonly writes: ((args: CommandArgs) => readonly string[]) | undefined;
  readonly pair:
    | ((args: CommandArgs) => { readonly key: string; readonly text: string; readonly both: string })
    | undefined;
  readonly keeps: 'positive' | 'negative' | 'both';
  readonly no: readonly string[];
  readonly sequence:
    | {
        readonly group: (args: CommandArgs) => string;
        readonly of: (args: CommandArgs) => number | undefined;
        readonly write?: (args: CommandArgs, sequence: number) => string;
      }
    | undefined;
  readonly takes: ((args: CommandArgs, lines: Siblings) => readonly string[]) | undefined;
  readonly replaces: ((args: CommandArgs, lines: Siblings) => readonly string[]) | undefined;
  readonly check: ((args: CommandArgs, context: readonly CommandArgs[], lines: Siblings) => void) | undefined;
  // biome-ignore lint/suspicious/noConfusingVoidType: as in ConfigSpec.
  readonly apply: (state: State, args: CommandArgs, context: readonly CommandArgs[]) => string | void;
  // biome-ignore lint/suspicious/noConfusingVoidType: as in ConfigSpec.
  readonly remove: (state: State, args: CommandArgs, context: readonly CommandArgs[]) => string | void;
  // biome-ignore lint/suspicious/noConfusingVoidType: as in ConfigSpec.
  readonly reset: ((state: State, args: CommandArgs, context: readonly CommandArgs[]) => string | void) | undefined;
}

/** A configuration mode: what its prompt says and how its block ends. */
export interface Mode {
  readonly name: string;
  /** Between host name and `#`: `(config-router)`. */
  readonly prompt: string;
  /** Where `exit` leads; lines that this mode does not know are tried there too. */
  readonly parent: string;
  /** The line of the parent's block that opens the block of this mode to which lines belong that are typed in the parent's
   *  mode, although this one is the first of their command's modes. */
  readonly implied?: string;
  /** The word that ends the block in the text of a configuration; `exit` unless told. */
  readonly exit?: string;
  /** Inside another block FRR writes a `!` behind this one's end, not before its beginning, and nothing where it has no lines. */
  readonly closed?: boolean;
}

/** All commands of one owner. */
export interface CommandSet<in State> {
  readonly owner: string;
  readonly commands: readonly Command<State>[];
  readonly modes: readonly Mode[];
}

/** Declares a command that shows or does something. */
export function exec<State, const Syntax extends string>(spec: ExecSpec<State, Syntax>): Command<State> {
  return {
    kind: 'exec',
    modes: [spec.mode ?? 'exec'],
    syntax: spec.syntax,
    help: spec.help,
    hidden: spec.hidden ?? false,
    run: spec.run as unknown as NonNullable<Command<State>['run']>,
  };
}

/** Declares a line of the configuration; `no …` comes with it. */
export function config<State, const Syntax extends string>(spec: ConfigSpec<State, Syntax>): Command<State> {
  return {
    kind: 'config',
    modes: typeof spec.mode === 'string' ? [spec.mode] : spec.mode,
    syntax: spec.syntax,
    help: spec.help,
    hidden: spec.hidden ?? false,
    config: {
      opens: spec.opens,
      key: spec.key as ErasedConfig<State>['key'],
      hostBits: spec.hostBits ?? false,
      writes: spec.writes as unknown as ErasedConfig<State>['writes'],
      pair: spec.pair as unknown as ErasedConfig<State>['pair'],
      keeps: spec.keeps ?? 'positive',
      no: spec.no ?? [],
      sequence: spec.sequence as unknown as ErasedConfig<State>['sequence'],
      takes: spec.takes as unknown as ErasedConfig<State>['takes'],
      replaces: spec.replaces as unknown as ErasedConfig<State>['replaces'],
      check: spec.check as unknown as ErasedConfig<State>['check'],
      apply: spec.apply as unknown as ErasedConfig<State>['apply'],
      remove: spec.remove as unknown as ErasedConfig<State>['remove'],
      reset: spec.reset as unknown as ErasedConfig<State>['reset'],
    },
  };
}

/** A table of commands. The position of a command in it is its number on the way between threads. */
export function commandSet<State>(
  owner: string,
  commands: readonly Command<State>[],
  modes: readonly Mode[] = [],
): CommandSet<State> {
  return { owner, commands, modes };
}
