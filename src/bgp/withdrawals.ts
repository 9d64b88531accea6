// Messages that withdraw prefixes, for the rare case that no update group makes them.
import { AF_INET } from '../net/index.ts';
import { ATTR_MP_UNREACH } from './wire/attribute.ts';
import { type FamilyCode, familyOf } from './wire/family.ts';
import { WITHDRAWN_LABEL } from './wire/labels.ts';
import { PATH_ID_BYTES, VPN_HEAD_BYTES, writePathId, writePrefix4, writePrefix6, writeVpn } from './wire/nlri.ts';
import { beginUpdate, endWithdrawals, withdrawalsStart } from './wire/update.ts';

/** Four address words, the length, and, of a VPN's, the two words of the route distinguisher. */
export type PrefixWords = readonly [number, number, number, number, number, number?, number?];

/**
 * One UPDATE of at most `maximumBytes` that withdraws prefixes `from` … `end` (exclusive); `read` gives a prefix's words and
 * length, or undefined to leave it out. `id` gives its path identifier, where there are such (RFC 7911). `next` is the first prefix that found no place; no message where all were left out.
 */
export function encodeWithdrawals(
  family: FamilyCode,
  maximumBytes: number,
  from: number,
  end: number,
  read: (i: number) => PrefixWords | undefined,
  id?: (i: number) => number,
): { message: Uint8Array | undefined; next: number } {
  const bytes = new Uint8Array(maximumBytes);
  beginUpdate(bytes, 0);
  const { shape, vpn } = familyOf(family);
  const begin = withdrawalsStart(family);
  let at = begin;
  let next = from;
  const reserve = 17 + 2 + (id === undefined ? 0 : PATH_ID_BYTES) + (vpn ? VPN_HEAD_BYTES : 0);
  for (; next < end && at + reserve <= maximumBytes; next++) {
    const prefix = read(next);
    if (prefix === undefined) continue;
    const [w0, w1, w2, w3, length, rd0 = 0, rd1 = 0] = prefix;
    if (id !== undefined) at += writePathId(bytes, at, id(next));
    if (vpn) at += writeVpn(bytes, at, w0, w1, w2, w3, length, WITHDRAWN_LABEL, rd0, rd1);
    else if (shape === AF_INET) at += writePrefix4(bytes, at, w0, length);
    else at += writePrefix6(bytes, at, w0, w1, w2, w3, length);
  }
  if (at === begin) return { message: undefined, next };
  return { message: bytes.slice(0, endWithdrawals(bytes, family, at)), next };
}

/** Whether a message is End-of-RIB (RFC 4724 §2) as this speaker writes it: nothing in it, or an empty MP_UNREACH_NLRI. */
export function isEndOfRib(bytes: Uint8Array, offset: number, length: number): boolean {
  if (length === 23) return true;
  return (
    length === 29 && bytes[offset + 19] === 0 && bytes[offset + 20] === 0 && bytes[offset + 24] === ATTR_MP_UNREACH
  );
}
