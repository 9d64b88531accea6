// A TCP stream that became longer or shorter on its way (RFC 3022 §4.3): sequence numbers of what follows are shifted, and what the other side
// says of them is shifted back. One place in the stream is remembered, the last that changed: what is before it has the shift of before, so a
// segment that is sent again is found again. Numbers are signed words, which wrap as they should.
import { update32 } from './checksum.ts';
import { readInt32, write32 } from './ip.ts';

const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_SACK = 5;

export class SequenceShift {
  #position = 0;
  #before = 0;
  #after = 0;

  /** The segment that begins at `sequence`, as its sender has it, became so many bytes longer; said again, it is known already. */
  add(sequence: number, bytes: number): void {
    if (this.#before !== this.#after && !isLater(sequence, this.#position)) return;
    this.#position = sequence;
    this.#before = this.#after;
    this.#after += bytes;
  }

  /** Shifts a segment of the stream; `tcp` is where its header is. */
  forth(bytes: Uint8Array, tcp: number): void {
    const sequence = readInt32(bytes, tcp + 4);
    const by = isLater(sequence, this.#position) ? this.#after : this.#before;
    if (by !== 0) replace(bytes, tcp, tcp + 4, sequence + by);
  }

  /** Shifts back what a segment of the other side acknowledges, with SACK too (RFC 2018 §3). Its header is whole. */
  back(bytes: Uint8Array, tcp: number): void {
    if ((bytes[tcp + 13]! & 0x10) !== 0) this.#backAt(bytes, tcp, tcp + 8);
    const end = tcp + ((bytes[tcp + 12]! >>> 4) << 2);
    for (let at = tcp + 20; at < end; ) {
      const kind = bytes[at]!;
      if (kind === OPTION_END) return;
      const size = kind === OPTION_NOP ? 1 : at + 1 < end ? bytes[at + 1]! : 0;
      if (size === 0 || at + size > end || (size === 1 && kind !== OPTION_NOP)) return;
      if (kind === OPTION_SACK)
        for (let edge = at + 2; edge + 4 <= at + size; edge += 4) this.#backAt(bytes, tcp, edge);
      at += size;
    }
  }

  #backAt(bytes: Uint8Array, tcp: number, at: number): void {
    const said = readInt32(bytes, at);
    const by = isLater((said - this.#before) | 0, this.#position) ? this.#after : this.#before;
    if (by !== 0) replace(bytes, tcp, at, said - by);
  }
}

function isLater(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

function replace(bytes: Uint8Array, tcp: number, at: number, value: number): void {
  const before = readInt32(bytes, at);
  write32(bytes, at, value);
  const check = (bytes[tcp + 16]! << 8) | bytes[tcp + 17]!;
  // In the sum, a word at an odd place counts with its bytes swapped (RFC 1071 §2 (B)).
  const odd = ((at - tcp) & 1) !== 0;
  const after = odd ? update32(check, swapped(before), swapped(value)) : update32(check, before, value);
  bytes[tcp + 16] = after >>> 8;
  bytes[tcp + 17] = after;
}

function swapped(word: number): number {
  return ((word & 0x00ff00ff) << 8) | ((word >>> 8) & 0x00ff00ff);
}
