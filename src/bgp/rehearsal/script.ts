// What the feeder of a rehearsal says: a small table as it might come from the Internet. It is made to show the code all that
// a real one will: addresses from both halves of the number space, every usual length, sets with and without MED and
// communities, long paths, both families, the same routes with other attributes, and withdrawals.
import { AF_INET } from '../../net/index.ts';
import { encodeAttributes } from '../rib/attribute-set.ts';
import { ATTR_MP_REACH, ATTR_MP_UNREACH, AttributeWriter, FLAG_EXTENDED, FLAG_OPTIONAL } from '../wire/attribute.ts';
import { writePrefix4, writePrefix6 } from '../wire/nlri.ts';
import { beginUpdate, endUpdate } from '../wire/update.ts';

/** Attribute sets of each family, and prefixes of each set. */
const SETS_IPV4 = 1500;
const SETS_IPV6 = 150;
const PREFIXES_PER_SET = 6;
const LENGTHS = [24, 24, 24, 22, 23, 24, 20, 24, 19, 16, 21, 32, 18];
const MESSAGE_ROOM = 1024;
const AFI_IPV6 = 2;

export const FEEDER_AS = 65002;
/** 10.0.0.2 and 2001:db8::2. */
export const FEEDER_IPV4 = 0x0a000002;
export const FEEDER_IPV6: readonly [number, number, number, number] = [0x20010db8, 0, 0, 2];

export interface Act {
  /** Whole UPDATEs, one after the other. */
  readonly bytes: Uint8Array;
  readonly messages: number;
}

/** Well-mixed bits of a number: the table looks random and is the same each time. */
function mix(number: number): number {
  let h = Math.imul(number + 1, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return (h ^ (h >>> 13)) >>> 0;
}

/** A unicast IPv4 prefix that is not of the stage's own networks. */
function prefix4(number: number): { word: number; length: number } {
  const length = LENGTHS[number % LENGTHS.length]!;
  const bits = mix(number);
  const first = 16 + ((bits >>> 24) % 110) + (number % 2) * 97;
  const word = ((first << 24) | (bits & 0xffffff)) >>> 0;
  return { word: (word & (-1 << (32 - length))) >>> 0, length };
}

class ScriptWriter {
  #bytes: Uint8Array = new Uint8Array(1 << 18);
  #end = 0;
  #messages = 0;
  readonly #attributes: AttributeWriter = new AttributeWriter();

  get act(): Act {
    return { bytes: this.#bytes.subarray(0, this.#end), messages: this.#messages };
  }

  announce4(set: number, variant: number): void {
    this.#encode(set, variant, { family: AF_INET, words: [FEEDER_IPV4, 0, 0, 0] });
    this.#message(at => {
      at = this.#lengths(at, 0, this.#attributes.length);
      return this.#prefixes4(set, at);
    });
  }

  withdraw4(set: number): void {
    this.#message(at => {
      const end = this.#prefixes4(set, at + 2);
      this.#word16(at, end - at - 2);
      this.#word16(end, 0);
      return end + 2;
    });
  }

  announce6(set: number, variant: number): void {
    this.#encode(set, variant);
    this.#message(from => {
      let at = this.#lengths(from, 0, 0);
      const header = at;
      at += 4;
      this.#word16(at, AFI_IPV6);
      this.#bytes[at + 2] = 1; // SAFI unicast
      this.#bytes[at + 3] = 16;
      at += 4;
      for (const word of FEEDER_IPV6) {
        this.#word16(at, word >>> 16);
        this.#word16(at + 2, word);
        at += 4;
      }
      this.#bytes[at++] = 0; // reserved
      at = this.#prefixes6(set, at);
      this.#header(header, ATTR_MP_REACH, at);
      this.#word16(from + 2, this.#attributes.length + at - header);
      return at;
    });
  }

  withdraw6(set: number): void {
    this.#message(from => {
      this.#word16(from, 0);
      const header = from + 4;
      let at = header + 4;
      this.#word16(at, AFI_IPV6);
      this.#bytes[at + 2] = 1;
      at = this.#prefixes6(set, at + 3);
      this.#header(header, ATTR_MP_UNREACH, at);
      this.#word16(from + 2, at - header);
      return at;
    });
  }

  #encode(set: number, variant: number, nextHop?: Parameters<typeof encodeAttributes>[0]['nextHop']): void {
    const bits = mix(set * 7 + variant);
    const as = [FEEDER_AS];
    for (let i = 0; i < 1 + (bits % 5); i++)
      as.push(i === 3 ? 200_000 + (bits % 9000) : 1000 + ((bits >>> (2 * i)) % 60_000));
    this.#attributes.length = 0;
    encodeAttributes(
      {
        origin: bits % 3,
        asPath: [{ type: 'sequence', as }],
        ...(nextHop === undefined ? {} : { nextHop }),
        ...((bits & 4) === 0 ? { med: bits & 0xff } : {}),
        ...((bits & 24) === 0
          ? {}
          : { communities: [(FEEDER_AS << 16) | (bits & 0xfff), (174 << 16) | (set & 0xffff)] }),
      },
      this.#attributes,
    );
  }

  #message(fill: (at: number) => number): void {
    if (this.#end + MESSAGE_ROOM > this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    const end = fill(beginUpdate(this.#bytes, this.#end));
    endUpdate(this.#bytes, this.#end, end);
    this.#end = end;
    this.#messages++;
  }

  /** Both length fields and the attributes; returns where NLRI begins. */
  #lengths(at: number, withdrawn: number, attributes: number): number {
    this.#word16(at, withdrawn);
    this.#word16(at + 2, attributes);
    this.#bytes.set(this.#attributes.bytes.subarray(0, this.#attributes.length), at + 4);
    return at + 4 + this.#attributes.length;
  }

  #header(at: number, code: number, end: number): void {
    this.#bytes[at] = FLAG_OPTIONAL | FLAG_EXTENDED;
    this.#bytes[at + 1] = code;
    this.#word16(at + 2, end - at - 4);
  }

  #prefixes4(set: number, at: number): number {
    for (let i = 0; i < PREFIXES_PER_SET; i++) {
      const { word, length } = prefix4(set * PREFIXES_PER_SET + i);
      at += writePrefix4(this.#bytes, at, word, length);
    }
    return at;
  }

  #prefixes6(set: number, at: number): number {
    for (let i = 0; i < PREFIXES_PER_SET; i++) {
      const bits = mix(set * PREFIXES_PER_SET + i);
      at += writePrefix6(
        this.#bytes,
        at,
        0x2a000000 | (bits >>> 12),
        bits & 0xffff0000,
        0,
        0,
        (bits & 1) === 0 ? 48 : 44,
      );
    }
    return at;
  }

  #word16(at: number, value: number): void {
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
  }
}

/** Announces every route with the attributes of a variant. */
export function announcements(variant: number): Act {
  const writer = new ScriptWriter();
  for (let set = 0; set < SETS_IPV4; set++) writer.announce4(set, variant);
  for (let set = 0; set < SETS_IPV6; set++) writer.announce6(set, variant);
  return writer.act;
}

/** Withdraws every other set. */
export function withdrawals(): Act {
  const writer = new ScriptWriter();
  for (let set = 0; set < SETS_IPV4; set += 2) writer.withdraw4(set);
  for (let set = 0; set < SETS_IPV6; set += 2) writer.withdraw6(set);
  return writer.act;
}
