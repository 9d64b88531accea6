// What the commands of lists and route maps have in common: how they read what was typed.
import { type AddressWords, parseIp4, parseIp6 } from '../../net/index.ts';
import { CommandError } from '../../vty/index.ts';

export const IP = 'IP information';
export const IP6 = 'IPv6 information';

/** Help of what stands between a list's name and what an entry matches. */
export const LIST_HELP: readonly string[] = [
  'Sequence number of an entry',
  'Sequence number',
  'Specify packets to reject',
  'Specify packets to forward',
];

/** An IPv4 address that somebody typed, as a word. */
export function readIp4(text: string): number {
  const word = parseIp4(text);
  if (word < 0) throw new CommandError(`% Malformed address: ${text}`);
  return word;
}

export function words4(text: string): AddressWords {
  return [readIp4(text), 0, 0, 0];
}

export function words6(text: string): AddressWords {
  const words = parseIp6(text);
  if (words === undefined) throw new CommandError(`% Malformed address: ${text}`);
  return words;
}

/** A list's own complaint as the operator's mistake. */
export function orCommandError<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError || error instanceof SyntaxError) throw new CommandError(`% ${error.message}`);
    throw error;
  }
}

export function selected<T extends { name: string }>(all: ReadonlyMap<string, T>, name: string | undefined): T[] {
  if (name !== undefined) {
    const one = all.get(name);
    return one === undefined ? [] : [one];
  }
  return [...all.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
