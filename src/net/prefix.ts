// A prefix as a small immutable object, for the control plane: configuration, interfaces, next hops. Tables with many
// rows use PrefixTable, which holds the same words in columns.
import { AF_INET, type AddressWords, addressBits, type Family, formatAddress, parseAddress } from './address.ts';

export interface Prefix {
  readonly family: Family;
  /** Network address; host bits are zero. */
  readonly words: AddressWords;
  /** Prefix length in bits, 0–32 or 0–128. */
  readonly length: number;
}

/** The word of a netmask that keeps `bits` leading bits (0–32). */
export function maskWord(bits: number): number {
  return bits <= 0 ? 0 : bits >= 32 ? 0xffffffff : (0xffffffff << (32 - bits)) >>> 0;
}

/** `words` with everything after `length` bits cleared. */
export function maskWords(words: AddressWords, length: number): AddressWords {
  return [
    (words[0] & maskWord(length)) >>> 0,
    (words[1] & maskWord(length - 32)) >>> 0,
    (words[2] & maskWord(length - 64)) >>> 0,
    (words[3] & maskWord(length - 96)) >>> 0,
  ];
}

/** A prefix with its host bits cleared. */
export function makePrefix(family: Family, words: AddressWords, length: number): Prefix {
  return { family, words: maskWords(words, length), length };
}

/** An address and its length (`10.0.0.1/24`), host bits kept: what interfaces carry. */
export function parseInterfaceAddress(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (!address) return undefined;
  const bits = addressBits(address.family);
  if (slash < 0) return { ...address, length: bits };
  const digits = text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(digits)) return undefined;
  const length = Number(digits);
  return length <= bits ? { ...address, length } : undefined;
}

/** `A.B.C.D/M` or `X:X::X:X/M`, host bits cleared; without a length it is a host prefix. Undefined where malformed. */
export function parsePrefix(text: string): Prefix | undefined {
  const parsed = parseInterfaceAddress(text);
  return parsed && makePrefix(parsed.family, parsed.words, parsed.length);
}

export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix.family, prefix.words)}/${prefix.length}`;
}

export function equalWords(a: AddressWords, b: AddressWords): boolean {
  return a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3];
}

export function equalPrefix(a: Prefix, b: Prefix): boolean {
  return a.family === b.family && a.length === b.length && equalWords(a.words, b.words);
}

/** Whether `outer` holds the address `words` of the same family. */
export function containsAddress(outer: Prefix, family: Family, words: AddressWords): boolean {
  return outer.family === family && equalWords(maskWords(words, outer.length), maskWords(outer.words, outer.length));
}

/** Whether `outer` holds all of `inner`, itself included. */
export function containsPrefix(outer: Prefix, inner: Prefix): boolean {
  return outer.length <= inner.length && containsAddress(outer, inner.family, inner.words);
}

/** 0.0.0.0 or ::. */
export function isUnspecified(words: AddressWords): boolean {
  return (words[0] | words[1] | words[2] | words[3]) === 0;
}

/** fe80::/10 (RFC 4291 §2.5.6). */
export function isLinkLocal6(words: AddressWords): boolean {
  return words[0] >>> 22 === 0x3fa;
}

/** 127.0.0.0/8 or ::1: of this host alone. */
export function isLoopback(family: Family, words: AddressWords): boolean {
  if (family === AF_INET) return words[0] >>> 24 === 127;
  return words[0] === 0 && words[1] === 0 && words[2] === 0 && words[3] === 1;
}

/** 224.0.0.0/4 or ff00::/8. */
export function isMulticast(family: Family, words: AddressWords): boolean {
  return family === AF_INET ? words[0] >>> 28 === 14 : words[0] >>> 24 === 255;
}
