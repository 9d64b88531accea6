// What the feeder of a rehearsal says: a small table as it might come from the Internet. It is made to show the code all that
// a real one will: addresses from both halves of the number space, every usual length, sets with and without MED and
// communities, long paths, both families, the same routes with other attributes, and withdrawals.
import { AF_INET, AF_INET6, grown, maskWord } from '../../net/index.ts';
import { encodeAttributes } from '../rib/attribute-set.ts';
import { ATTR_MP_REACH, AttributeWriter, FLAG_EXTENDED, FLAG_OPTIONAL } from '../wire/attribute.ts';
import { writePrefix4, writePrefix6 } from '../wire/nlri.ts';
import { beginUpdate, endUpdate } from '../wire/update.ts';
import { encodeWithdrawals, type PrefixWords } from '../withdrawals.ts';

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
function prefix4(number: number): PrefixWords {
  const length = LENGTHS[number % LENGTHS.length]!;
  const bits = mix(number);
  const first = 16 + ((bits >>> 24) % 110) + (number % 2) * 97;
  const word = (((first << 24) | (bits & 0xffffff)) & maskWord(length)) >>> 0;
  return [word, 0, 0, 0, length];
}

function prefix6(number: number): PrefixWords {
  const bits = mix(number);
  return [0x2a000000 | (bits >>> 12), bits & 0xffff0000, 0, 0, (bits & 1) === 0 ? 48 : 44];
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
      at = this.#begin(at);
      for (let i = 0; i < PREFIXES_PER_SET; i++) {
        const [word, , , , length] = prefix4(set * PREFIXES_PER_SET + i);
        at += writePrefix4(this.#bytes, at, word, length);
      }
      return at;
    });
  }

  announce6(set: number, variant: number): void {
    this.#encode(set, variant);
    this.#message(from => {
      const header = this.#begin(from);
      let at = header + 4;
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
      for (let i = 0; i < PREFIXES_PER_SET; i++) {
        const [w0, w1, w2, w3, length] = prefix6(set * PREFIXES_PER_SET + i);
        at += writePrefix6(this.#bytes, at, w0, w1, w2, w3, length);
      }
      this.#bytes[header] = FLAG_OPTIONAL | FLAG_EXTENDED;
      this.#bytes[header + 1] = ATTR_MP_REACH;
      this.#word16(header + 2, at - header - 4);
      this.#word16(from + 2, this.#attributes.length + at - header);
      return at;
    });
  }

  withdraw(family: typeof AF_INET | typeof AF_INET6, set: number): void {
    const first = set * PREFIXES_PER_SET;
    const read = family === AF_INET ? prefix4 : prefix6;
    const { message } = encodeWithdrawals(family, MESSAGE_ROOM, first, first + PREFIXES_PER_SET, read);
    this.#room();
    this.#bytes.set(message!, this.#end);
    this.#end += message!.length;
    this.#messages++;
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
    this.#room();
    const end = fill(beginUpdate(this.#bytes, this.#end));
    endUpdate(this.#bytes, this.#end, end);
    this.#end = end;
    this.#messages++;
  }

  #room(): void {
    if (this.#end + MESSAGE_ROOM <= this.#bytes.length) return;
    [this.#bytes] = grown(this.#bytes.length * 2, this.#bytes);
  }

  /** No withdrawn routes, and the attributes; returns where what follows them begins. */
  #begin(at: number): number {
    this.#word16(at, 0);
    this.#word16(at + 2, this.#attributes.length);
    this.#bytes.set(this.#attributes.bytes.subarray(0, this.#attributes.length), at + 4);
    return at + 4 + this.#attributes.length;
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
  for (let set = 0; set < SETS_IPV4; set += 2) writer.withdraw(AF_INET, set);
  for (let set = 0; set < SETS_IPV6; set += 2) writer.withdraw(AF_INET6, set);
  return writer.act;
}
