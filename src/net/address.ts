// Addresses as numbers. An IPv4 address is one unsigned 32-bit word in host order, an IPv6 address four of them, most
// significant first, so that tables hold them in typed arrays and hot loops never touch a string or a bigint.

/** Address family numbers as Linux gives them (`AF_INET`, `AF_INET6`), used on every interface of this project. */
export const AF_INET = 2;
export const AF_INET6 = 10;
export type Family = typeof AF_INET | typeof AF_INET6;

/** The family of this number: AF_INET, or else AF_INET6. For numbers that are known to be one of the two. */
export function familyOf(number: number): Family {
  return number === AF_INET ? AF_INET : AF_INET6;
}

/** Bits in an address of `family`: 32 or 128. */
export function addressBits(family: Family): 32 | 128 {
  return family === AF_INET ? 32 : 128;
}

/** Bytes in an address of `family`: 4 or 16. */
export function addressBytes(family: Family): 4 | 16 {
  return family === AF_INET ? 4 : 16;
}

/** Four words of an address; IPv4 uses the first and leaves the others 0. */
export type AddressWords = readonly [number, number, number, number];

/** Dotted quad to a word, or -1 where the text is not one. Leading zeros are refused, as inet_pton(3) does. */
export function parseIp4(text: string): number {
  let word = 0;
  let part = -1;
  let parts = 0;
  for (let i = 0; i <= text.length; i++) {
    const c = i < text.length ? text.charCodeAt(i) : 46;
    if (c === 46) {
      if (part < 0 || parts === 4) return -1;
      word = word * 256 + part;
      part = -1;
      parts++;
    } else if (c >= 48 && c <= 57) {
      if (part === 0) return -1;
      part = (part < 0 ? 0 : part * 10) + (c - 48);
      if (part > 255) return -1;
    } else return -1;
  }
  return parts === 4 ? word : -1;
}

/** Word to dotted quad. */
export function formatIp4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

/** RFC 4291 §2.2 text to four words, or undefined where the text is not an address. No zone index. */
export function parseIp6(text: string): AddressWords | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groups: number[] = [];
  let before = 0;
  for (let half = 0; half < halves.length; half++) {
    const source = halves[half]!;
    if (source !== '') {
      const pieces = source.split(':');
      for (let i = 0; i < pieces.length; i++) {
        const piece = pieces[i]!;
        if (piece.includes('.')) {
          // An embedded IPv4 address may only stand at the very end.
          if (half !== halves.length - 1 || i !== pieces.length - 1) return undefined;
          const word = parseIp4(piece);
          if (word < 0) return undefined;
          groups.push(word >>> 16, word & 0xffff);
        } else {
          if (!/^[0-9a-fA-F]{1,4}$/.test(piece)) return undefined;
          groups.push(Number.parseInt(piece, 16));
        }
      }
    }
    if (half === 0) before = groups.length;
  }
  if (halves.length === 2) {
    if (groups.length > 7) return undefined;
    groups.splice(before, 0, ...new Array<number>(8 - groups.length).fill(0));
  }
  if (groups.length !== 8) return undefined;
  const word = (i: number): number => ((groups[i]! << 16) | groups[i + 1]!) >>> 0;
  return [word(0), word(2), word(4), word(6)];
}

/** Four words to the canonical text of RFC 5952 §4. */
export function formatIp6(w0: number, w1: number, w2: number, w3: number): string {
  // IPv4-mapped addresses keep their dotted tail (RFC 5952 §5).
  if (w0 === 0 && w1 === 0 && w2 === 0xffff) return `::ffff:${formatIp4(w3)}`;
  const groups = [w0 >>> 16, w0 & 0xffff, w1 >>> 16, w1 & 0xffff, w2 >>> 16, w2 & 0xffff, w3 >>> 16, w3 & 0xffff];
  let best = -1;
  let bestLength = 1; // a single zero group is not shortened (§4.2.2)
  for (let i = 0; i < 8; ) {
    let j = i;
    while (j < 8 && groups[j] === 0) j++;
    if (j - i > bestLength) {
      best = i;
      bestLength = j - i;
    }
    i = j + 1;
  }
  const hex = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map(group => group.toString(16))
      .join(':');
  return best < 0 ? hex(0, 8) : `${hex(0, best)}::${hex(best + bestLength, 8)}`;
}

/** Text of either family to words, or undefined. */
export function parseAddress(text: string): { family: Family; words: AddressWords } | undefined {
  const word = parseIp4(text);
  if (word >= 0) return { family: AF_INET, words: [word, 0, 0, 0] };
  const words = parseIp6(text);
  return words && { family: AF_INET6, words };
}

/** Words to text. */
export function formatAddress(family: Family, words: AddressWords): string {
  return family === AF_INET ? formatIp4(words[0]) : formatIp6(words[0], words[1], words[2], words[3]);
}

/** The big-endian word at `offset`. */
export function readWord(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>> 0;
}

/** Writes `word` big-endian at `offset`. */
export function writeWord(bytes: Uint8Array, offset: number, word: number): void {
  bytes[offset] = word >>> 24;
  bytes[offset + 1] = word >>> 16;
  bytes[offset + 2] = word >>> 8;
  bytes[offset + 3] = word;
}

/** Network-order address at `offset` to words. */
export function readAddress(family: Family, bytes: Uint8Array, offset: number): AddressWords {
  if (family === AF_INET) return [readWord(bytes, offset), 0, 0, 0];
  return [
    readWord(bytes, offset),
    readWord(bytes, offset + 4),
    readWord(bytes, offset + 8),
    readWord(bytes, offset + 12),
  ];
}

/** Words to a network-order address at `offset`; returns the bytes written (4 or 16). */
export function writeAddress(family: Family, words: AddressWords, bytes: Uint8Array, offset: number): 4 | 16 {
  writeWord(bytes, offset, words[0]);
  if (family === AF_INET) return 4;
  writeWord(bytes, offset + 4, words[1]);
  writeWord(bytes, offset + 8, words[2]);
  writeWord(bytes, offset + 12, words[3]);
  return 16;
}
