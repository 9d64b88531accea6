// The arguments of a command, typed from its syntax string.
//
// `Args<'ip route A.B.C.D/M$prefix <A.B.C.D$gateway|INTERFACE> [(1-255)$distance]'>` is
// `{ prefix: string; gateway?: string; interface?: string; distance?: number }`.
//
// The type-level reader does what syntax.ts does at run time, in one pass over the tokens: it spaces out the brackets,
// splits, and walks with a stack that has one entry per open bracket (the union of the values seen inside it), so that a
// name after a closing bracket (`<A.B.C.D|X:X::X:X>$peer`) gets the values of its alternatives.

type ReplaceAll<
  S extends string,
  From extends string,
  Out extends string = '',
> = S extends `${infer Head}${From}${infer Rest}` ? ReplaceAll<Rest, From, `${Out}${Head} ${From} `> : `${Out}${S}`;

type Spaced<S extends string> = ReplaceAll<
  ReplaceAll<ReplaceAll<ReplaceAll<ReplaceAll<ReplaceAll<ReplaceAll<S, '<'>, '>'>, '['>, ']'>, '{'>, '}'>,
  '|'
>;

type Split<S extends string, Out extends string[] = []> = S extends `${infer Head} ${infer Rest}`
  ? Split<Rest, Head extends '' ? Out : [...Out, Head]>
  : S extends ''
    ? Out
    : [...Out, S];

/** What a token is worth: a range is a number, a keyword is itself, everything else is the text that was typed. */
type Value<T extends string> = T extends `${infer Base}...`
  ? T extends `(${string}`
    ? number[]
    : Value<Base>
  : T extends `(${string}`
    ? number
    : T extends 'A.B.C.D' | 'A.B.C.D/M' | 'X:X::X:X' | 'X:X::X:X/M'
      ? string
      : IsVariable<T> extends true
        ? string
        : T;

/** A token without a lower-case letter that begins with a capital: WORD, INTERFACE, LINE, RMAP_NAME, AA:NN. */
type IsVariable<T extends string> = T extends Uppercase<T> ? (T extends Lowercase<T> ? false : true) : false;

type Bare<T extends string> = T extends `${infer Base}...` ? Base : T;

type DefaultName<T extends string> = T extends 'A.B.C.D' | 'X:X::X:X'
  ? 'address'
  : T extends 'A.B.C.D/M' | 'X:X::X:X/M'
    ? 'prefix'
    : T extends `(${string}`
      ? 'number'
      : IsVariable<T> extends true
        ? Lowercase<T>
        : T;

/** [name, value, 'must' | 'may'] of one argument; 'flag' is an unnamed keyword in brackets, which gives way to a name. */
type Entry = [string, unknown, 'must' | 'may' | 'flag'];

type Need<Stack extends unknown[]> = Stack extends [] ? 'must' : 'may';

type Scan<T extends string[], Stack extends unknown[] = [], Out extends Entry = never> = T extends [
  infer Head extends string,
  ...infer Rest extends string[],
]
  ? Head extends '<' | '[' | '{'
    ? Scan<Rest, [never, ...Stack], Out>
    : Head extends '|'
      ? Scan<Rest, Stack, Out>
      : Head extends '>' | ']' | '}'
        ? Stack extends [infer Seen, ...infer Outer]
          ? Rest extends [`$${infer Name}`, ...infer After extends string[]]
            ? Scan<After, Seeing<Outer, Seen>, Out | [Name, Seen, Head extends '>' ? Need<Outer> : 'may']>
            : Scan<Rest, Seeing<Outer, Seen>, Out>
          : never
        : Head extends `${infer Token}$${infer Name}`
          ? Scan<
              Rest,
              Seeing<Stack, Value<`${Token}${Dots<Name>}`>>,
              Out | [Bare<Name>, Value<`${Token}${Dots<Name>}`>, Need<Stack>]
            >
          : IsKeyword<Head> extends true
            ? Scan<Rest, Seeing<Stack, Head>, Stack extends [] ? Out : Out | [Head, true, 'flag']>
            : Scan<Rest, Seeing<Stack, Value<Head>>, Out | [DefaultName<Bare<Head>>, Value<Head>, Need<Stack>]>
  : Out;

type Dots<Name extends string> = Name extends `${string}...` ? '...' : '';

type IsKeyword<T extends string> = T extends `(${string}` | 'A.B.C.D' | 'A.B.C.D/M' | 'X:X::X:X' | 'X:X::X:X/M'
  ? false
  : IsVariable<Bare<T>> extends true
    ? false
    : true;

type Seeing<Stack extends unknown[], V> = Stack extends [infer Top, ...infer Outer] ? [Top | V, ...Outer] : Stack;

type FromEntries<E extends Entry> = {
  [K in E as K[2] extends 'must' ? K[0] : never]: K[1];
} & {
  [K in E as K[2] extends 'may' ? K[0] : never]?: K[1];
} & {
  [K in E as K[2] extends 'flag' ? (K[0] extends Named<E> ? never : K[0]) : never]?: K[1];
};

type Named<E extends Entry> = E extends [infer Name, unknown, 'must' | 'may'] ? Name : never;

type Flatten<T> = { [K in keyof T]: T[K] };

/**
 * Arguments of a command by name. A name is what follows `$`; without one it is the keyword itself (inside brackets only,
 * value `true`), `address` for an address, `prefix` for a prefix, `number` for a range, and the lower-cased token for
 * WORD, INTERFACE, LINE and any other variable in capitals. `X...` takes one or more words: text joined by single
 * spaces, or an array of numbers for a range. A named keyword is worth its own text.
 */
export type Args<Syntax extends string> = string extends Syntax
  ? CommandArgs
  : Flatten<FromEntries<Scan<Split<Spaced<Syntax>>>>>;

/** Arguments whose syntax is not known here (those of the enclosing blocks, for instance). */
export type CommandArgs = Readonly<Record<string, ArgumentValue | undefined>>;
export type ArgumentValue = string | number | boolean | readonly number[];
