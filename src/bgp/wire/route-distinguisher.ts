// Route distinguishers (RFC 4364 §4.2): what makes the same prefix of two VPNs two. Eight octets, kept as two words; a table never
// looks inside. The text is OWNER:NUMBER, whose form says the type:
//
//    | 0 | AS (2)           | number (4) |     65001:10
//    | 1 | IPv4 address (4) | number (2) |     192.0.2.1:10
//    | 2 | AS (4)           | number (2) |     65536:10
//
// Extended communities of these three types have the same six octets behind another first word half (route-target.ts).
import { formatIp4, parseIp4 } from '../../net/index.ts';

/** Eight octets as two words, the more significant first. */
export type WordPair = readonly [hi: number, lo: number];

export const OWNER_AS2 = 0;
export const OWNER_IP4 = 1;
export const OWNER_AS4 = 2;

/** Octets on the wire. */
export const RD_BYTES = 8;
export const RD_BITS = 64;

/**
 * OWNER:NUMBER to words with the type in the first 16 bits; undefined where the text is not one, or one of its numbers has no
 * room. FRR takes such a number modulo what there is room for.
 */
export function parseRouteDistinguisher(text: string): WordPair | undefined {
  const parts = /^([\d.]{1,15}):(\d{1,10})$/.exec(text);
  if (parts === null) return undefined;
  const [, owner = '', last] = parts;
  const number = Number(last);
  if (owner.includes('.')) {
    const address = parseIp4(owner);
    return address < 0 || number > 0xffff ? undefined : wide(OWNER_IP4, address, number);
  }
  const as = Number(owner);
  // 2^16 times the type, which is 0.
  if (as <= 0xffff) return number > 0xffffffff ? undefined : [as, number];
  return as > 0xffffffff || number > 0xffff ? undefined : wide(OWNER_AS4, as, number);
}

function wide(type: number, owner: number, number: number): WordPair {
  return [((type << 16) | (owner >>> 16)) >>> 0, ((owner << 16) | number) >>> 0];
}

/** Words to OWNER:NUMBER; octets of a type that has no text are shown as they are. */
export function formatRouteDistinguisher(hi: number, lo: number): string {
  const type = hi >>> 16;
  return type > OWNER_AS4 ? `0x${hex(hi)}${hex(lo)}` : formatOwned(type, hi, lo);
}

/** OWNER:NUMBER of the last six of the eight octets; `type` is one of the three. */
export function formatOwned(type: number, hi: number, lo: number): string {
  if (type === OWNER_AS2) return `${hi & 0xffff}:${lo}`;
  const owner = ((hi << 16) | (lo >>> 16)) >>> 0;
  return `${type === OWNER_IP4 ? formatIp4(owner) : owner}:${lo & 0xffff}`;
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}
