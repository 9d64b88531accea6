// Communities (RFC 1997) as 32-bit words and as the text that routers share.

/** Names of well-known communities (IANA), as configured and shown. `internet` matches every route. */
const WELL_KNOWN: ReadonlyArray<readonly [string, number]> = [
  ['internet', 0],
  ['graceful-shutdown', 0xffff0000],
  ['accept-own', 0xffff0001],
  ['route-filter-translated-v4', 0xffff0002],
  ['route-filter-v4', 0xffff0003],
  ['route-filter-translated-v6', 0xffff0004],
  ['route-filter-v6', 0xffff0005],
  ['llgr-stale', 0xffff0006],
  ['no-llgr', 0xffff0007],
  ['accept-own-nexthop', 0xffff0008],
  ['blackhole', 0xffff029a],
  ['no-export', 0xffffff01],
  ['no-advertise', 0xffffff02],
  ['local-AS', 0xffffff03],
  ['no-peer', 0xffffff04],
];
const BY_NAME: ReadonlyMap<string, number> = new Map(WELL_KNOWN);
const BY_VALUE: ReadonlyMap<number, string> = new Map(WELL_KNOWN.map(([name, value]) => [value, name]));

export const COMMUNITY_INTERNET = 0;

/** `65001:7`, a well-known name or a plain number, to its word; -1 where the text is none of them. */
export function parseCommunity(text: string): number {
  const named = BY_NAME.get(text);
  if (named !== undefined) return named;
  const pair = /^(\d{1,5}):(\d{1,5})$/.exec(text);
  if (pair !== null) {
    const high = Number(pair[1]);
    const low = Number(pair[2]);
    return high <= 0xffff && low <= 0xffff ? high * 65536 + low : -1;
  }
  if (!/^\d{1,10}$/.test(text)) return -1;
  const value = Number(text);
  return value <= 0xffffffff ? value : -1;
}

export function formatCommunity(value: number): string {
  return BY_VALUE.get(value) ?? `${value >>> 16}:${value & 0xffff}`;
}

/** The name that JSON has: `noExport` for `no-export`. */
export function jsonCommunity(value: number): string {
  const name = BY_VALUE.get(value);
  return name === undefined
    ? formatCommunity(value)
    : name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** All of them in ascending order, separated by spaces. */
export function formatCommunities(values: readonly number[]): string {
  return values.map(formatCommunity).join(' ');
}

/** Words separated by spaces to values in ascending order without repetitions. Throws a RangeError naming a bad word. */
export function parseCommunities(text: string): number[] {
  const values = new Set<number>();
  for (const word of text.trim().split(/\s+/)) {
    const value = parseCommunity(word);
    if (value < 0) throw new RangeError(`'${word}' is not a community`);
    values.add(value);
  }
  return [...values].sort((a, b) => a - b);
}
