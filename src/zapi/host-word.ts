// Words that FRR puts on the wire as they lie in memory. Linux runs FRR on little-endian machines; where it does not, both
// sides are the same machine (a Unix socket), so the host's order is right either way.
import { readWord, writeWord } from '../net/index.ts';

const LITTLE_ENDIAN: boolean = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** A word in the host's byte order. */
export function readHostWord(bytes: Uint8Array, at: number): number {
  if (!LITTLE_ENDIAN) return readWord(bytes, at);
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

export function writeHostWord(bytes: Uint8Array, at: number, word: number): void {
  if (!LITTLE_ENDIAN) {
    writeWord(bytes, at, word);
    return;
  }
  bytes[at] = word;
  bytes[at + 1] = word >>> 8;
  bytes[at + 2] = word >>> 16;
  bytes[at + 3] = word >>> 24;
}
