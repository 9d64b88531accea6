// Copies of frames between two memories without an object. `target.set(source.subarray(…))` makes one for each frame (54 ns for the
// shortest frame, 122 for the longest); a loop over words takes 16 ns and 228. So short frames go by words, and long ones by `set`.
// Eight bytes at a time as doubles would be faster still (12 and 111), but a frame is no number: V8 may change what is not one (NaN).
//
// Of shared memory `set` has a copy of its own, which takes 67 ns for the longest frame where memmove takes 51; so it is given a second view of
// that memory which does not say that it is shared. A frame is one thread's while it is copied, as everywhere.
import { addressOf, viewMemory } from './libc.ts';

/** From here on `set` is the faster. */
const LONG_BYTES = 256;

export class FrameCopy {
  readonly source: Uint8Array;
  readonly target: Uint8Array;
  readonly #sourceBytes: Uint8Array;
  readonly #targetBytes: Uint8Array;
  readonly #sourceWords: Int32Array;
  readonly #targetWords: Int32Array;

  /** Both memories begin at a multiple of four bytes of their buffers; a RangeError where not. */
  constructor(source: Uint8Array, target: Uint8Array) {
    this.source = source;
    this.target = target;
    this.#sourceBytes = plain(source);
    this.#targetBytes = plain(target);
    this.#sourceWords = new Int32Array(source.buffer, source.byteOffset, source.length >> 2);
    this.#targetWords = new Int32Array(target.buffer, target.byteOffset, target.length >> 2);
  }

  /**
   * Copies `source[from, from + length)` to `target[to, …)`. Words are copied whole: up to three bytes of the target before and after are
   * overwritten, so packets that are neighbours must not share a word. Fast where `from` and `to` are equal modulo four.
   */
  copy(from: number, to: number, length: number): void {
    let word = to >> 2;
    const end = (to + length + 3) >> 2;
    const distance = (from >> 2) - word;
    const source = this.#sourceWords;
    const target = this.#targetWords;
    const aligned = ((from ^ to) & 3) === 0;
    if (!aligned || length >= LONG_BYTES || end > target.length || end + distance > source.length) {
      this.#targetBytes.set(this.#sourceBytes.subarray(from, from + length), to);
      return;
    }
    for (; word < end; word++) target[word] = source[word + distance]!;
  }
}

/** The same bytes, for as long as the memory they are of is held. */
function plain(bytes: Uint8Array): Uint8Array {
  const shared = bytes.buffer instanceof SharedArrayBuffer && bytes.length > 0;
  return shared ? new Uint8Array(viewMemory(addressOf(bytes), bytes.length)) : bytes;
}
