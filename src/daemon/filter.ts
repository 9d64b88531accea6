// `show … | include RE`: what the shell does with a command's text before it shows it.
import { CommandError } from '../vty/index.ts';

/** Takes pieces of text, cut anywhere, and gives what is to be shown. */
export interface Filter {
  push(text: string): string;
  end(): string;
}

export const FILTERS: Readonly<Record<string, string>> = {
  include: 'Lines that match',
  exclude: 'Lines that do not match',
  begin: 'Everything from the first line that matches',
  section: 'Blocks whose first line matches',
  count: 'How many lines match',
};

/** `words` is what stands after `|`: a filter's name, or the beginning of one, and a regular expression. */
export function makeFilter(words: readonly string[]): Filter {
  const [name = '', ...rest] = words;
  const kinds = Object.keys(FILTERS).filter(kind => kind.startsWith(name) && name !== '');
  const kind = kinds[0];
  if (kind === undefined) throw new CommandError(`% Unknown filter: ${words.join(' ')}`);
  if (rest.length === 0 && kind !== 'count') throw new CommandError(`% Command incomplete: | ${kind}`);
  let pattern: RegExp;
  try {
    pattern = new RegExp(rest.join(' '));
  } catch (error) {
    throw new CommandError(`% Not a regular expression: ${rest.join(' ')} (${String(error)})`);
  }
  let begun = false;
  let inSection = false;
  let indent = 0;
  let count = 0;
  const keep = (line: string): boolean => {
    switch (kind) {
      case 'include':
        return pattern.test(line);
      case 'exclude':
        return !pattern.test(line);
      case 'begin':
        begun ||= pattern.test(line);
        return begun;
      case 'section': {
        const own = line.length - line.trimStart().length;
        if (inSection && own > indent) return true;
        inSection = pattern.test(line);
        indent = own;
        return inSection;
      }
      default:
        if (pattern.test(line)) count++;
        return false;
    }
  };
  let partial = '';
  return {
    push(text) {
      const lines = (partial + text).split('\n');
      partial = lines.pop() as string;
      let out = '';
      for (const line of lines) if (keep(line)) out += `${line}\n`;
      return out;
    },
    end() {
      const last = partial !== '' && keep(partial) ? `${partial}\n` : '';
      partial = '';
      return kind === 'count' ? `${count}\n` : last;
    },
  };
}
