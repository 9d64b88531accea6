// Integers of 8 to 64 bits, each in three printings: signed, unsigned, and hexadecimal (`hint`). As with strtol(3), text may be
// decimal, 0x… or 0…, and any of the three takes both -1 and all bits set.
import { NetgraphError } from '../graph/error.ts';
import type { AsciiReader } from './reader.ts';
import type { Form } from './shape.ts';

type Printing = 'signed' | 'unsigned' | 'hexadecimal';

/** Magnitudes of 64-bit values end here: a number holds no more exactly. */
const EXACT = Number.MAX_SAFE_INTEGER;

class Integer implements Form<number> {
  readonly label: string;
  readonly align: number;
  readonly #bits: 8 | 16 | 32 | 64;
  readonly #printing: Printing;
  readonly #least: number;
  readonly #most: number;

  constructor(bits: 8 | 16 | 32 | 64, printing: Printing) {
    this.#bits = bits;
    this.#printing = printing;
    this.align = bits / 8;
    this.label = `${{ signed: 'int', unsigned: 'uint', hexadecimal: 'hint' }[printing]}${bits}`;
    const signed = printing === 'signed';
    this.#least = !signed ? 0 : bits === 64 ? -EXACT : -(2 ** (bits - 1));
    this.#most = bits === 64 ? EXACT : 2 ** (signed ? bits - 1 : bits) - 1;
  }

  makeDefault(): number {
    return 0;
  }

  isDefault(value: number): boolean {
    return value === 0;
  }

  parse(reader: AsciiReader): number {
    const expected = `a number (${this.label})`;
    const word = reader.word(expected);
    const at = reader.offset - word.length;
    const parts = /^([+-]?)(?:(0[xX][0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))$/.exec(word);
    if (!parts) throw reader.error(expected, at);
    const [, sign, hex, octal, decimal] = parts;
    const magnitude =
      hex !== undefined ? Number(hex) : octal !== undefined ? Number.parseInt(octal, 8) : Number(decimal);
    const value = sign === '-' && magnitude !== 0 ? -magnitude : magnitude;
    const bits = this.#bits;
    const least = bits === 64 ? -EXACT : -(2 ** (bits - 1));
    const most = bits === 64 ? EXACT : 2 ** bits - 1;
    if (value >= this.#least && value <= this.#most) return value;
    if (value < least || value > most || bits === 64)
      throw reader.error(`a number from ${bits === 64 ? this.#least : least} to ${most}`, at);
    return value < 0 ? value + 2 ** bits : value - 2 ** bits;
  }

  print(value: number): string {
    return this.#printing === 'hexadecimal' ? `0x${value.toString(16)}` : String(value);
  }

  size(): number {
    return this.align;
  }

  encode(view: DataView, offset: number, value: number): number {
    if (!Number.isInteger(value) || value < this.#least || value > this.#most)
      throw new NetgraphError('EINVAL', `${value} is no ${this.label} (${this.#least} to ${this.#most})`);
    switch (this.#bits) {
      case 8:
        view.setUint8(offset, value);
        break;
      case 16:
        view.setUint16(offset, value, true);
        break;
      case 32:
        view.setUint32(offset, value, true);
        break;
      case 64:
        view.setBigInt64(offset, BigInt(value), true);
        break;
    }
    return offset + this.align;
  }

  decode(view: DataView, offset: number): number {
    const signed = this.#printing === 'signed';
    switch (this.#bits) {
      case 8:
        return signed ? view.getInt8(offset) : view.getUint8(offset);
      case 16:
        return signed ? view.getInt16(offset, true) : view.getUint16(offset, true);
      case 32:
        return signed ? view.getInt32(offset, true) : view.getUint32(offset, true);
      case 64: {
        const wide = signed ? view.getBigInt64(offset, true) : view.getBigUint64(offset, true);
        const value = Number(wide);
        if (!Number.isSafeInteger(value))
          throw new NetgraphError('EINVAL', `${wide} is too large for a ${this.label} (${EXACT} at most)`);
        return value;
      }
    }
  }
}

export const int8: Form<number> = new Integer(8, 'signed');
export const uint8: Form<number> = new Integer(8, 'unsigned');
export const hint8: Form<number> = new Integer(8, 'hexadecimal');
export const int16: Form<number> = new Integer(16, 'signed');
export const uint16: Form<number> = new Integer(16, 'unsigned');
export const hint16: Form<number> = new Integer(16, 'hexadecimal');
export const int32: Form<number> = new Integer(32, 'signed');
export const uint32: Form<number> = new Integer(32, 'unsigned');
export const hint32: Form<number> = new Integer(32, 'hexadecimal');
/** The 64-bit forms take what a number holds exactly, ±(2⁵³ − 1), and refuse the rest. */
export const int64: Form<number> = new Integer(64, 'signed');
export const uint64: Form<number> = new Integer(64, 'unsigned');
export const hint64: Form<number> = new Integer(64, 'hexadecimal');
