// UPDATEs that nobody would send: each a few mutations away from one of a corpus, parsed, and judged by reset-oracle.ts. Everything follows
// from the seed.
import { AF_INET, AF_INET6 } from '../../../src/net/index.ts';
import { HEADER_BYTES, UpdateParser, type UpdateSession } from '../../../src/bgp/wire/update.ts';
import { ACTION_RESET, ACTION_WITHDRAW, attributeTypes } from '../../../src/bgp/wire/attribute.ts';
import { IPV4_VPN, IPV6_VPN, ROUTE_TARGET } from '../../../src/bgp/wire/family.ts';
import { AttributeStore, NexthopTable } from '../../../src/bgp/rib/index.ts';
import { endsSession } from './reset-oracle.ts';

const OTHERS = [IPV4_VPN, IPV6_VPN, ROUTE_TARGET] as const;

/** Sessions that read the same octets differently. */
export const SESSIONS: readonly Required<Omit<UpdateSession, 'confed'>>[] = [
  { ebgp: true, as4: true, ipv4: true, ipv6: true, firstAs: 0, others: [], addPath: [] },
  { ebgp: false, as4: true, ipv4: true, ipv6: true, firstAs: 0, others: [], addPath: [AF_INET6] },
  { ebgp: true, as4: false, ipv4: true, ipv6: false, firstAs: 65001, others: [], addPath: [] },
  { ebgp: false, as4: false, ipv4: true, ipv6: true, firstAs: 0, others: [], addPath: [AF_INET, AF_INET6] },
  { ebgp: false, as4: true, ipv4: true, ipv6: false, firstAs: 0, others: OTHERS, addPath: [] },
  { ebgp: true, as4: true, ipv4: true, ipv6: true, firstAs: 65001, others: OTHERS, addPath: OTHERS },
  { ebgp: false, as4: true, ipv4: false, ipv6: false, firstAs: 0, others: [IPV6_VPN], addPath: [IPV4_VPN] },
];

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

/** An UPDATE of withdrawn prefixes, attributes and prefixes. */
function update(withdrawn: string, attributes: string, nlri: string): Uint8Array {
  const fields = [withdrawn, attributes, nlri].map(hex);
  const body = fields.flatMap((field, i) => (i < 2 ? [field.length >>> 8, field.length & 255, ...field] : [...field]));
  const length = HEADER_BYTES + body.length;
  return Uint8Array.from([...Array<number>(16).fill(255), length >>> 8, length & 255, 2, ...body]);
}

const ORIGIN = '40010100';
const PATH4 = '4002 0e 0203 0000fde9 0000fdea 00011170';
const PATH2 = '4002 08 0203 fde9 fdea 5ba0';
const HOP = '400304 0a000001';
const PREFER = '400504 00000064';
const COMMUNITIES = 'c00808 fde90001 ffffff01';
const SERVICE =
  'c028 2f 01 0007 00000000000064 05 0022 00 01 001e 00 20010db8000100010000000000000000 00 0013 00 01 0006 281810001040';
const REACH6 = '800e 25 0002 01 10 20010db8000000000000000000000001 00 3020010db80001 40 20010db800020003';
const REACH6_LINK =
  '800e 2d 0002 01 20 20010db8000000000000000000000001 fe800000000000000000000000000001 00 3020010db80001 00';

const TARGETS = 'c01010 0002fde90000000a 0102c0000201000b';
const ZERO = '0000000000000000';
const HOP6 = '20010db8000000000000000000000001';
const LINK6 = 'fe800000000000000000000000000001';
// Label 16, distinguisher 65001:10.
const HEAD = '000101 0000fde90000000a';
const MEMBER = '60 0000fde9 0002fde90000000a';

/** An attribute with a length of one octet. */
function optional(code: string, value: string): string {
  return `80${code}${hex(value).length.toString(16).padStart(2, '0')}${value}`;
}

/** MP_REACH_NLRI and MP_UNREACH_NLRI; `family`: AFI and SAFI. */
function reach(family: string, hop: string, nlri: string): string {
  return optional('0e', `${family}${hex(hop).length.toString(16).padStart(2, '0')}${hop}00${nlri}`);
}

function unreach(family: string, nlri: string): string {
  return optional('0f', family + nlri);
}

/** What fuzzing begins with, besides a corpus that was kept. */
export const PLAIN: readonly Uint8Array[] = [
  update('', ORIGIN + PATH4 + HOP, '18c00002 10ac10 00'),
  update('', ORIGIN + PATH2 + HOP + 'c011 0e 0203 0000fde9 0000fdea 00011170 c012 08 00011170 0a000001', '18c00002'),
  update('', ORIGIN + PATH4 + HOP + PREFER + '800904 0a000009 800a08 0a000007 0a000008 800404 00000007', '18c00002'),
  update('', ORIGIN + PATH4 + HOP + COMMUNITIES + 'c01010 0002fde900000001 4004fde900000002', '20c0000201'),
  update('', ORIGIN + PATH4 + HOP + 'c0200c 0000fde9 00000001 00000002 c02304 0000fde9 c0630401020304', '18c00002'),
  update('', ORIGIN + PATH4 + HOP + '400600 c00708 0000fde9 0a000001', '08 0a'),
  update('', ORIGIN + PATH4 + HOP + SERVICE, '18c00002'),
  update('18c00002 10ac10', '', ''),
  update('', '', ''),
  update('', '800f03 0002 01', ''),
  update('', '800f0a 0002 01 30 20010db80001', ''),
  update('', ORIGIN + PATH4 + REACH6, ''),
  update('', ORIGIN + PATH4 + PREFER + REACH6_LINK, ''),
  update('', ORIGIN + PATH4 + '800e 15 0001 01 10 20010db8000000000000000000000001 00', '18c00002'),
  // With path identifiers.
  update('00000001 18c00002', ORIGIN + PATH4 + HOP + PREFER, '00000002 18c00002 00000003 18c00002'),
  update(
    '',
    ORIGIN + PATH2 + PREFER + '800e 20 0002 01 10 20010db8000000000000000000000001 00 00000007 3020010db80001',
    '',
  ),
  // VPNs: prefixes of 24, 0 and 32 bits, and of 64 and 128; next hops of each length.
  update(
    '',
    ORIGIN +
      PATH4 +
      PREFER +
      reach('000180', `${ZERO}0a000001`, `70 ${HEAD} 0a0100 58 ${HEAD} 78 ${HEAD} 0a010203`) +
      TARGETS,
    '',
  ),
  update('', ORIGIN + PATH4 + PREFER + reach('000180', ZERO + HOP6, `70 ${HEAD} 0a0100`) + TARGETS + SERVICE, ''),
  update(
    '',
    ORIGIN + PATH4 + PREFER + reach('000280', ZERO + HOP6, `98 ${HEAD} 20010db800010002 d8 ${HEAD} ${HOP6}`) + TARGETS,
    '',
  ),
  update('', ORIGIN + PATH4 + reach('000280', ZERO + HOP6 + ZERO + LINK6, `98 ${HEAD} 20010db800010002`), ''),
  update('', unreach('000180', '70 800000 0000fde90000000a 0a0100 58 000000 0000fde90000000a'), ''),
  update('', unreach('000280', '98 800000 0000fde90000000a 20010db800010002'), ''),
  update('', ORIGIN + PATH4 + reach('000180', `${ZERO}0a000001`, `00000007 70 ${HEAD} 0a0100`) + TARGETS, ''),
  update('', unreach('000280', '00000007 98 800000 0000fde90000000a 20010db800010002'), ''),
  // Route targets: one, an AS's, the first bits of one, all.
  update('', ORIGIN + PATH4 + PREFER + reach('000184', '0a000001', `${MEMBER} 20 0000fde9 34 0000fde9 000200 00`), ''),
  update('', ORIGIN + PATH4 + reach('000184', HOP6, `00000007 ${MEMBER} 00000008 00`), ''),
  update('', unreach('000184', `${MEMBER} 00`), ''),
  ...['000180', '000280', '000184'].map(family => update('', unreach(family, ''), '')),
];

/** Values that field boundaries and lengths are made of. */
const EDGES: readonly number[] = [
  0, 1, 2, 3, 4, 5, 8, 12, 14, 15, 16, 24, 31, 32, 33, 48, 64, 87, 88, 96, 97, 120, 121, 127, 128, 129, 132, 216, 217,
  223, 224, 254, 255,
];
/** Of all messages, the most that one may have. */
const MOST_BYTES = 600;
/** One in so many that are accepted goes through the store and back. */
const STORED = 64;

export class Fuzzer {
  /** The shortest message of each behaviour, by `session action subcode attribute`. */
  readonly seen: Map<string, Uint8Array> = new Map();
  readonly counts: number[] = [0, 0, 0, 0];
  readonly #corpus: { readonly bytes: Uint8Array; readonly session: number }[];
  readonly #parsers: UpdateParser[] = SESSIONS.map(session => new UpdateParser({ ...session }));
  readonly #store: AttributeStore = new AttributeStore(new NexthopTable());
  readonly #message: Uint8Array = new Uint8Array(2 * MOST_BYTES);
  #length = 0;
  #state: number;
  #accepted = 0;

  /** `kept`: a corpus besides the plain one. */
  constructor(seed: number, kept: readonly Uint8Array[]) {
    this.#state = seed | 1;
    // Each with the session that finds least wrong with it, and of these one that knows the family.
    this.#corpus = [...PLAIN, ...kept].map(bytes => {
      const costs = this.#parsers.map(parser => {
        const { action, reachFamily, unreachFamily } = parser.parse(bytes, 0, bytes.length);
        return 2 * action + (reachFamily === 0 && unreachFamily === 0 ? 1 : 0);
      });
      return { bytes, session: costs.indexOf(Math.min(...costs)) };
    });
  }

  /** Marsaglia's xorshift: a number below `below`. */
  #random(below: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % below;
  }

  /** Makes and judges one message. Throws what is wrong, with the message. */
  step(): void {
    const meant = this.#make();
    const bytes = this.#message.subarray(0, this.#length);
    const which = this.#random(4) === 0 ? this.#random(SESSIONS.length) : meant;
    const session = SESSIONS[which]!;
    const parser = this.#parsers[which]!;
    const wrong = (what: string): Error =>
      new Error(`${what}: session ${which}, message ${Buffer.from(bytes).toString('hex')}`);
    try {
      parser.parse(bytes, 0, bytes.length);
    } catch (error) {
      throw wrong(`the parser throws ${String(error)}`);
    }
    const { action, subcode, attribute } = parser;
    this.counts[action]!++;
    if ((action === ACTION_RESET) !== endsSession(bytes, session)) {
      throw wrong(action === ACTION_RESET ? `a reset that no RFC asks for (${parser.describe()})` : 'no reset');
    }
    if (action < ACTION_WITHDRAW && ++this.#accepted % STORED === 0) this.#through(parser, wrong);
    const key = `${which} ${action} ${subcode} ${attributeTypes[attribute] === undefined ? -1 : attribute}`;
    const known = this.seen.get(key);
    if (known !== undefined && known.length <= bytes.length) return;
    const copy = bytes.slice();
    this.seen.set(key, copy);
    // Behaviour that is new is worth more mutations, unless the session ends there anyhow.
    if (known === undefined && action !== ACTION_RESET) this.#corpus.push({ bytes: copy, session: which });
  }

  /** What is accepted can be interned, and comes out as it went in. */
  #through(parser: UpdateParser, wrong: (what: string) => Error): void {
    for (const reach of [false, true]) {
      if (reach ? parser.reachFamily === 0 : parser.nlriEnd === parser.nlriStart) continue;
      const id = this.#store.intern(parser.canonical(reach));
      const again = this.#store.encode(this.#store.decode(id));
      const same = JSON.stringify(this.#store.decode(again)) === JSON.stringify(this.#store.decode(id));
      this.#store.release(again);
      this.#store.release(id);
      if (!same) throw wrong('a set that comes out otherwise than it went in');
    }
    if (this.#store.size !== 0) throw wrong('a set that stays');
  }

  /** The next message, in `#message`; the session that it is meant for. */
  #make(): number {
    // Half of them begin with one that nothing is wrong with.
    const among = this.#random(2) === 0 ? PLAIN.length : this.#corpus.length;
    const { bytes, session } = this.#corpus[this.#random(among)]!;
    this.#message.set(bytes);
    this.#length = bytes.length;
    for (let left = this.#random(4); left >= 0; left = this.#random(2) === 0 ? -1 : left - 1) this.#mutate();
    return session;
  }

  #mutate(): void {
    const message = this.#message;
    // The header was checked where messages are framed.
    const body = this.#length - HEADER_BYTES;
    const at = HEADER_BYTES + this.#random(Math.max(body, 1));
    switch (this.#random(7)) {
      case 0:
        message[at] = this.#random(256);
        break;
      case 1:
        message[at]! ^= 1 << this.#random(8);
        break;
      case 2:
        message[at] = EDGES[this.#random(EDGES.length)]!;
        break;
      case 3: // cut, at the end
        this.#length = Math.max(HEADER_BYTES, this.#length - 1 - this.#random(8));
        break;
      case 4: // take something out
        this.#splice(at, Math.min(1 + this.#random(8), this.#length - at), new Uint8Array(0));
        break;
      case 5: {
        // Say something twice, or what somebody else says.
        const other = this.#random(2) === 0 ? message : this.#corpus[this.#random(this.#corpus.length)]!.bytes;
        const limit = other === message ? this.#length : other.length;
        const start = HEADER_BYTES + this.#random(Math.max(limit - HEADER_BYTES, 1));
        this.#splice(at, 0, other.slice(start, Math.min(limit, start + 1 + this.#random(24))));
        break;
      }
      case 6: // a length that fits again
        this.#fit();
        break;
    }
  }

  #splice(at: number, remove: number, insert: Uint8Array): void {
    const more = insert.length - remove;
    const length = this.#length + more;
    if (remove < 0 || length > MOST_BYTES) return;
    const message = this.#message;
    // Mostly the attributes go on to fill the field that they are in.
    const total = HEADER_BYTES + 2 + ((message[HEADER_BYTES]! << 8) | message[HEADER_BYTES + 1]!);
    const bytes = (message[total]! << 8) | message[total + 1]!;
    if (at >= total + 2 && at + remove <= total + 2 + bytes && this.#random(4) > 0) {
      message[total] = (bytes + more) >>> 8;
      message[total + 1] = bytes + more;
    }
    this.#message.copyWithin(at + insert.length, at + remove, this.#length);
    this.#message.set(insert, at);
    this.#length = length;
  }

  /** Total path attribute length to what would leave no NLRI, or some. */
  #fit(): void {
    const message = this.#message;
    if (this.#length < HEADER_BYTES + 4) return;
    const at = HEADER_BYTES + 2 + ((message[HEADER_BYTES]! << 8) | message[HEADER_BYTES + 1]!);
    const rest = this.#length - at - 2;
    if (rest < 0) return;
    const total = Math.max(0, rest - (this.#random(2) === 0 ? 0 : this.#random(8)));
    message[at] = total >>> 8;
    message[at + 1] = total;
  }
}
