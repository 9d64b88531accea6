// Which argument each word of a line is, once it is known which command the line is: a second walk, over that command alone.
import { AF_INET6, formatAddress, formatPrefix, parseInterfaceAddress, parseIp6, parsePrefix } from '../net/index.ts';
import type { ArgumentValue, CommandArgs } from './args.ts';
import type { Entry } from './mode-grammar.ts';
import { accepts, Kind, type Position } from './syntax.ts';

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

/** Gives each word to the argument it is; undefined where a choice of `{a|b}` was made twice. */
export function bind(entry: Entry, words: readonly string[], mode: string): Match | undefined {
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
  const hostBits = entry.command.config?.hostBits === true;
  for (let at = 0; at < words.length; at++) {
    const position = positions[path[at] as number] as Position;
    const word = usual(position, words[at] as string, hostBits);
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

/** IPv6 in lower case with its longest run of zeros left out, prefixes without host bits; everything else as it was typed. */
function usual(position: Position, word: string, hostBits: boolean): string {
  if (position.kind === Kind.Address6) {
    const words = parseIp6(word);
    return words ? formatAddress(AF_INET6, words) : word;
  }
  if (position.kind !== Kind.Prefix4 && position.kind !== Kind.Prefix6) return word;
  const prefix = hostBits ? parseInterfaceAddress(word) : parsePrefix(word);
  return prefix ? formatPrefix(prefix) : word;
}
