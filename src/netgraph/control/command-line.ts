// How a line of ngctl becomes words, and options among words. Blanks separate words, except within a string in double quotes,
// which keeps its quotes: the argument of `msg` is put together from words again.

/** The words of a line. */
export function splitWords(line: string): string[] {
  return line.match(/(?:[^\s"]|"[^"\\]*(?:\\[^][^"\\]*)*(?:"|$))+/g) ?? [];
}

/** getopt(3): letters of `known` in front of the operands; undefined where another letter is there. A letter followed by `:`
 *  takes a value, and so does a name of `long` (`--run-dir DIR`, `--run-dir=DIR`). */
export function getopt(
  argv: readonly string[],
  known: string,
  long: readonly string[] = [],
): { readonly options: ReadonlyMap<string, readonly string[]>; readonly operands: readonly string[] } | undefined {
  const options = new Map<string, string[]>();
  const give = (name: string, value: string): void => {
    options.set(name, [...(options.get(name) ?? []), value]);
  };
  let at = 0;
  for (; at < argv.length; at++) {
    const arg = argv[at]!;
    if (arg === '--') {
      at++;
      break;
    }
    if (!arg.startsWith('-') || arg === '-') break;
    if (arg.startsWith('--')) {
      const [name, given] = arg.slice(2).split(/=(.*)/s, 2) as [string, string?];
      const valued = long.includes(`${name}:`);
      if (!valued && (given !== undefined || !long.includes(name))) return undefined;
      const value = valued ? (given ?? argv[++at]) : '';
      if (value === undefined) return undefined;
      give(name, value);
      continue;
    }
    for (let i = 1; i < arg.length; i++) {
      const letter = arg[i]!;
      const where = letter === ':' ? -1 : known.indexOf(letter);
      if (where < 0) return undefined;
      if (known[where + 1] !== ':') {
        give(letter, '');
        continue;
      }
      const value = i + 1 < arg.length ? arg.slice(i + 1) : argv[++at];
      if (value === undefined) return undefined;
      give(letter, value);
      break;
    }
  }
  return { options, operands: argv.slice(at) };
}

/** Commands of a script, each with the number of its first line: `#` begins a comment line, a backslash at the end of a line
 *  continues it. */
export async function* scriptLines(
  lines: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<{ readonly number: number; readonly line: string }> {
  let number = 0;
  let first = 0;
  let held = '';
  for await (const line of lines) {
    number++;
    if (held === '') {
      first = number;
      if (/^\s*#/.test(line)) continue;
    }
    if (line.endsWith('\\')) {
      held += `${line.slice(0, -1)} `;
      continue;
    }
    yield { number: first, line: held + line };
    held = '';
  }
  if (held !== '') yield { number: first, line: held };
}
