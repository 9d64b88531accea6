// Route targets (RFC 4364 §4.3.1): extended communities (RFC 4360 §4, RFC 5668) that say which VPNs a route is for. Compared as two
// words. Their six octets of owner and number are those of a route distinguisher; before them stand its type and the subtype:
//
//    | 0, 1 or 2 | 2 | owner (2 or 4) | number (4 or 2) |
import { formatOwned, OWNER_AS4, parseRouteDistinguisher, type WordPair } from './route-distinguisher.ts';

export const SUBTYPE_ROUTE_TARGET = 2;
export const SUBTYPE_ROUTE_ORIGIN = 3;

/** Octets of an extended community. */
export const EXTENDED_COMMUNITY_BYTES = 8;

/** Whether an extended community with this first word is a route target. */
export function isRouteTarget(hi: number): boolean {
  return ((hi >>> 16) & 0xff) === SUBTYPE_ROUTE_TARGET && hi >>> 24 <= OWNER_AS4;
}

/** OWNER:NUMBER to the extended community of this subtype; undefined where the text is not one. */
export function parseOwned(subtype: number, text: string): WordPair | undefined {
  const pair = parseRouteDistinguisher(text);
  return pair && [(((pair[0] >>> 16) << 24) | (subtype << 16) | (pair[0] & 0xffff)) >>> 0, pair[1]];
}

/** `65001:10`, `192.0.2.1:10` or `65536:10` to words; undefined where the text is none of them, or a number has no room. */
export function parseRouteTarget(text: string): WordPair | undefined {
  return parseOwned(SUBTYPE_ROUTE_TARGET, text);
}

/** Words between blanks, in the order they came, each once. Throws a RangeError naming what is no route target. */
export function parseRouteTargets(text: string): WordPair[] {
  const targets = new Map<string, WordPair>();
  for (const word of text.trim().split(/\s+/)) {
    const target = parseRouteTarget(word);
    if (target === undefined) throw new RangeError(`'${word}' is not a route target`);
    targets.set(target.join(':'), target);
  }
  return [...targets.values()];
}

/** Words of a route target to text. */
export function formatRouteTarget(hi: number, lo: number): string {
  return formatOwned(hi >>> 24, hi, lo);
}
