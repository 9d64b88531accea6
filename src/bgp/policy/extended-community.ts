// Extended communities (RFC 4360, RFC 5668) as the text that routers share and, in between, as the 16 hex digits of their
// octets:
//
//    | type | subtype | AS (2)          | number (4) |     00: RT:65001:7
//    | type | subtype | IPv4 address (4) | number (2) |    01: RT:192.0.2.1:7
//    | type | subtype | AS (4)          | number (2) |     02: RT:4200000001:7
//
// Where a list names them, it says `rt 65001:7`; where routes are shown, and in what expressions match, it is `RT:65001:7`.
import { AS_TRANS } from '../wire/attribute.ts';
import { formatOwned, OWNER_AS2, OWNER_AS4 } from '../wire/route-distinguisher.ts';
import { parseOwned, SUBTYPE_ROUTE_ORIGIN, SUBTYPE_ROUTE_TARGET } from '../wire/route-target.ts';

export type ExtendedCommunityKind = 'rt' | 'soo';

const NON_TRANSITIVE = 0x40;
const SUBTYPES: Readonly<Record<ExtendedCommunityKind, number>> = {
  rt: SUBTYPE_ROUTE_TARGET,
  soo: SUBTYPE_ROUTE_ORIGIN,
};
const SHOWN: ReadonlyMap<number, string> = new Map([
  [SUBTYPE_ROUTE_TARGET, 'RT'],
  [SUBTYPE_ROUTE_ORIGIN, 'SoO'],
]);
const LINK_BANDWIDTH = 4;

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

/** `65001:7`, `4200000001:7` or `192.0.2.1:7` to its digits; undefined where the text is none of them. */
export function parseExtendedCommunity(kind: ExtendedCommunityKind, text: string): string | undefined {
  const words = parseOwned(SUBTYPES[kind], text);
  return words && hex(words[0], 8) + hex(words[1], 8);
}

/** What follows `rt` or `soo` in a set line, in ascending order. Throws a RangeError naming a bad word. */
export function parseExtendedCommunitiesOf(kind: ExtendedCommunityKind, text: string): string[] {
  const values = text
    .trim()
    .split(/\s+/)
    .map(word => {
      const value = parseExtendedCommunity(kind, word);
      if (value === undefined) throw new RangeError(`'${word}' is not an extended community`);
      return value;
    });
  return [...new Set(values)].sort();
}

/** `rt 65001:1 soo 65001:2`, in ascending order. Throws a RangeError naming what is wrong. */
export function parseExtendedCommunities(text: string): string[] {
  const words = text.trim().split(/\s+/);
  const values = new Set<string>();
  for (let i = 0; i < words.length; i += 2) {
    const kind = words[i]!.toLowerCase();
    if (kind !== 'rt' && kind !== 'soo') throw new RangeError(`'${words[i]}' is neither rt nor soo`);
    const word = words[i + 1] ?? '';
    const value = parseExtendedCommunity(kind, word);
    if (value === undefined) throw new RangeError(`'${word}' is not an extended community`);
    values.add(value);
  }
  return [...values].sort();
}

/** Owner and number, whatever the subtype says of them. */
function pairOf(type: number, value: string): string {
  return formatOwned(type, Number.parseInt(value.slice(0, 8), 16), Number.parseInt(value.slice(8), 16));
}

/** As a standard list's entry has it. */
export function formatExtendedList(values: readonly string[]): string {
  return values
    .map(value => {
      const kind = Number.parseInt(value.slice(2, 4), 16) === SUBTYPES.rt ? 'rt' : 'soo';
      return `${kind} ${pairOf(Number.parseInt(value.slice(0, 2), 16), value)}`;
    })
    .join(' ');
}

/** Eight octets as digits; what this speaker has no name for is shown by type and subtype. */
export function formatExtendedCommunity(value: string): string {
  const type = Number.parseInt(value.slice(0, 2), 16);
  const subtype = Number.parseInt(value.slice(2, 4), 16);
  const shown = SHOWN.get(subtype);
  if (type <= OWNER_AS4 && shown !== undefined) return `${shown}:${pairOf(type, value)}`;
  if ((type & ~NON_TRANSITIVE) === OWNER_AS2 && subtype === LINK_BANDWIDTH) {
    const bytesPerSecond = Buffer.from(value.slice(8), 'hex').readFloatBE();
    return `LB:${Number.parseInt(value.slice(4, 8), 16)}:${Math.round(bytesPerSecond)} (${formatRate(bytesPerSecond * 8)})`;
  }
  return `UNK:${type}, ${subtype}`;
}

export function formatExtendedCommunities(values: readonly string[]): string {
  return values.map(formatExtendedCommunity).join(' ');
}

function formatRate(bitsPerSecond: number): string {
  for (const [unit, name] of [
    [1e9, 'Gbps'],
    [1e6, 'Mbps'],
    [1e3, 'Kbps'],
  ] as const) {
    if (bitsPerSecond >= unit) return `${(bitsPerSecond / unit).toFixed(3)} ${name}`;
  }
  return `${Math.round(bitsPerSecond)} bps`;
}

/** The bandwidth of the link to `as` (draft-ietf-idr-link-bandwidth): octets a second, as a 32-bit float. */
export function linkBandwidth(as: number, megabitsPerSecond: number, transitive: boolean): string {
  const rate = Buffer.alloc(4);
  rate.writeFloatBE((megabitsPerSecond * 1e6) / 8);
  const type = transitive ? OWNER_AS2 : OWNER_AS2 | NON_TRANSITIVE;
  return `${hex(type, 2)}${hex(LINK_BANDWIDTH, 2)}${hex(as > 0xffff ? AS_TRANS : as, 4)}${rate.toString('hex')}`;
}

/** Type and subtype: an added bandwidth takes the place of the one that is there. */
export function sameKind(a: string, b: string): boolean {
  return a.slice(0, 4) === b.slice(0, 4);
}
