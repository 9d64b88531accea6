// Large communities (RFC 8092) as `65001:1:2` and, in between, as the 24 hex digits of their octets, which sort as numbers do.

/** `65001:1:2` to its digits; undefined where the text is no large community. */
export function parseLargeCommunity(text: string): string | undefined {
  const parts = /^(\d{1,10}):(\d{1,10}):(\d{1,10})$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some(part => part > 0xffffffff)) return undefined;
  return parts.map(part => part.toString(16).padStart(8, '0')).join('');
}

export function formatLargeCommunity(value: string): string {
  return [0, 8, 16].map(at => Number.parseInt(value.slice(at, at + 8), 16)).join(':');
}

/** Words separated by spaces, in ascending order without repetitions. Throws a RangeError naming a bad word. */
export function parseLargeCommunities(text: string): string[] {
  const values = text
    .trim()
    .split(/\s+/)
    .map(word => {
      const value = parseLargeCommunity(word);
      if (value === undefined) throw new RangeError(`'${word}' is not a large community`);
      return value;
    });
  return [...new Set(values)].sort();
}

export function formatLargeCommunities(values: readonly string[]): string {
  return values.map(formatLargeCommunity).join(' ');
}
