// Extended communities (RFC 4360, RFC 5668) as the text that routers share and, in between, as the 16 hex digits of their
// octets:
//
//    | type | subtype | AS (2)          | number (4) |     00: RT:65001:7
//    | type | subtype | IPv4 address (4) | number (2) |    01: RT:192.0.2.1:7
//    | type | subtype | AS (4)          | number (2) |     02: RT:4200000001:7
//
// Where a list names them, it says `rt 65001:7`; where routes are shown, and in what expressions match, it is `RT:65001:7`.
import { formatIp4, parseIp4 } from '../../net/index.ts';
import { AS_TRANS } from '../wire/attribute.ts';

export type ExtendedCommunityKind = 'rt' | 'soo';

const TYPE_AS2 = 0;
const TYPE_IP4 = 1;
const TYPE_AS4 = 2;
const NON_TRANSITIVE = 0x40;
const SUBTYPES: Readonly<Record<ExtendedCommunityKind, number>> = { rt: 2, soo: 3 };
const SHOWN: ReadonlyMap<number, string> = new Map([
  [2, 'RT'],
  [3, 'SoO'],
]);
const LINK_BANDWIDTH = 4;

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

/** `65001:7`, `4200000001:7` or `192.0.2.1:7` to its digits; undefined where the text is none of them. */
export function parseExtendedCommunity(kind: ExtendedCommunityKind, text: string): string | undefined {
  const parts = /^([\d.]+):(\d{1,10})$/.exec(text);
  if (parts === null) return undefined;
  const [, owner = '', last] = parts;
  const number = Number(last);
  const subtype = hex(SUBTYPES[kind], 2);
  if (owner.includes('.')) {
    const address = parseIp4(owner);
    if (address < 0 || number > 0xffff) return undefined;
    return `${hex(TYPE_IP4, 2)}${subtype}${hex(address, 8)}${hex(number, 4)}`;
  }
  const as = Number(owner);
  if (as <= 0xffff) {
    return number > 0xffffffff ? undefined : `${hex(TYPE_AS2, 2)}${subtype}${hex(as, 4)}${hex(number, 8)}`;
  }
  if (as > 0xffffffff || number > 0xffff) return undefined;
  return `${hex(TYPE_AS4, 2)}${subtype}${hex(as, 8)}${hex(number, 4)}`;
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
  const wide = type !== TYPE_AS2;
  const owner = Number.parseInt(value.slice(4, wide ? 12 : 8), 16);
  const number = Number.parseInt(value.slice(wide ? 12 : 8), 16);
  return `${type === TYPE_IP4 ? formatIp4(owner) : owner}:${number}`;
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
  if (type <= TYPE_AS4 && shown !== undefined) return `${shown}:${pairOf(type, value)}`;
  if ((type & ~NON_TRANSITIVE) === TYPE_AS2 && subtype === LINK_BANDWIDTH) {
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
  const type = transitive ? TYPE_AS2 : TYPE_AS2 | NON_TRANSITIVE;
  return `${hex(type, 2)}${hex(LINK_BANDWIDTH, 2)}${hex(as > 0xffff ? AS_TRANS : as, 4)}${rate.toString('hex')}`;
}

/** Type and subtype: an added bandwidth takes the place of the one that is there. */
export function sameKind(a: string, b: string): boolean {
  return a.slice(0, 4) === b.slice(0, 4);
}
