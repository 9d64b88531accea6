// Where things are in a context's 32 words: see the picture in ../context.ts.
export const CONTEXT_BYTES = 128;
export const CONTEXT_WORDS: number = CONTEXT_BYTES / 4;

/** Operation, status, flags. */
export const HEAD = 0;
export const SEQUENCE = 1;
export const OBJECT = 2;
export const GENERATION = 3;
/** Number of the network namespace; 0: the one that the dataplane works in. */
export const NAMESPACE = 4;
export const TABLE = 5;
/** Family, length, protocol, type. */
export const ROUTE = 6;
export const PREFIX = 7;
export const METRIC = 11;
export const NEXTHOP_ID = 12;
export const OLD_ID = 13;
export const IFINDEX = 14;
export const ERRNO = 15;
export const PROVIDER = 16;
export const COUNT = 17;
export const NEXT = 18;
export const ENTERED = 19;
export const PAYLOAD = 20;

// A path.
export const GATEWAY_FAMILY: number = PAYLOAD;
export const GATEWAY: number = PAYLOAD + 1;
export const PATH_FLAGS: number = PAYLOAD + 5;
export const WEIGHT: number = PAYLOAD + 6;
/** What it does to packets: type (LWTUNNEL_ENCAP_*, 0 none), and in the upper half the bytes of the value. */
export const ENCAP: number = PAYLOAD + 7;
/** The value's first bytes; the others are in slots behind. */
export const ENCAP_VALUE: number = PAYLOAD + 8;

/** Bytes that a slot has for a text or a value that goes on behind another slot. */
export const PART_BYTES: number = CONTEXT_BYTES - PAYLOAD * 4;
export const ENCAP_FIRST_BYTES: number = CONTEXT_BYTES - ENCAP_VALUE * 4;

/** Interface names are bytes to the kernel, 15 at most; Latin-1 keeps them one to one. */
const NAME_BYTES = 16;

export type Words = readonly [number, number, number, number];

export function readWords(words: Int32Array, at: number): Words {
  return [words[at]! >>> 0, words[at + 1]! >>> 0, words[at + 2]! >>> 0, words[at + 3]! >>> 0];
}

export function writeWords(words: Int32Array, at: number, value: Words): void {
  for (let i = 0; i < 4; i++) words[at + i] = value[i]!;
}

/** A name in the four words from `at` on. */
export function writeName(bytes: Uint8Array, at: number, name: string): void {
  const from = at * 4;
  for (let i = 0; i < NAME_BYTES; i++) bytes[from + i] = i < NAME_BYTES - 1 && i < name.length ? name.charCodeAt(i) : 0;
}

export function readName(bytes: Uint8Array, at: number): string {
  return readText(bytes, at * 4, NAME_BYTES);
}

/** Up to `length` bytes of Latin-1, or to the zero before. */
export function readText(bytes: Uint8Array, from: number, length: number): string {
  let text = '';
  for (let i = 0; i < length && bytes[from + i] !== 0; i++) text += String.fromCharCode(bytes[from + i]!);
  return text;
}

/** A hardware address, up to 8 bytes, in the two words from `at` on. */
export function writeMac(bytes: Uint8Array, at: number, mac: Uint8Array): void {
  for (let i = 0; i < 8; i++) bytes[at * 4 + i] = mac[i] ?? 0;
}

export function readMac(bytes: Uint8Array, at: number, length: number): Uint8Array {
  return Uint8Array.from(bytes.subarray(at * 4, at * 4 + Math.min(8, length)));
}
