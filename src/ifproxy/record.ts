// Events as records of words, one a frame of a byte ring (concurrency/byte-ring.ts). The first three words are the same for all; the
// rest is fixed for a kind, but for what is of no fixed length, which comes last: a name, a hardware address, a route's hops.
//
//    0  code | flags << 8
//    1  proxy              2  port
//    name, mac     3 bytes, 4… the bytes
//    mtu           3
//    link          3 up | carrier << 1
//    address       3 family | length << 8 | scope << 16 | peer? << 24, 4 flags, 5–8 address, 9–12 peer
//    neighbour     3 family | flags << 8 | state << 16, 4–7 address, 8 bytes of its hardware address, 9… the bytes
//    route         3 id, 4 family | length << 8 | source's family << 16, 5 table, 6 metric, 7 type | protocol << 8 | scope << 16 | tos
//                  << 24, 8 offload, 9 nexthop object, 10–13 prefix, 14–17 source, 18 hops, 19… seven words a hop (paths.ts)
import { type AddressWords, familyOf } from '../net/index.ts';
import {
  type AddressValue,
  EVENT_ADDRESS_ADDED,
  EVENT_ADDRESS_CHANGED,
  EVENT_ADDRESS_DELETED,
  EVENT_KINDS,
  EVENT_LINK,
  EVENT_MAC,
  EVENT_MTU,
  EVENT_NAME,
  EVENT_NEIGHBOR_ADDED,
  EVENT_NEIGHBOR_CHANGED,
  EVENT_NEIGHBOR_DELETED,
  EVENT_PICTURE_FINISHED,
  EVENT_PROXY_GONE,
  EVENT_ROUTE_ADDED,
  EVENT_ROUTE_DELETED,
  EVENT_ROUTE_REPLACED,
  FLAG_DERIVED,
  FLAG_OWN,
  FLAG_PICTURE,
  type NeighborValue,
  type ProxyEvent,
  type RouteEvent,
} from './event.ts';
import { HOP_ENCAP, HOP_GATEWAY, HOP_IFINDEX, HOP_WORD, HOP_WORDS } from './paths.ts';

const ROUTE_HOPS = 19;

/** Bytes of a record without what comes last. */
export const RECORD_BYTES = 12;
export const ADDRESS_RECORD_BYTES = 52;
export const NEIGHBOR_RECORD_BYTES = 36;

export function routeRecordBytes(hops: number): number {
  return 4 * (ROUTE_HOPS + HOP_WORDS * hops);
}

/** All writers take the ring's memory as words and as bytes, and the word where the record begins. */
export function writeHead(
  words: Int32Array,
  at: number,
  code: number,
  flags: number,
  proxy: number,
  port: number,
): void {
  words[at] = code | (flags << 8);
  words[at + 1] = proxy;
  words[at + 2] = port;
}

/** A name or a hardware address. */
export function writeOctets(words: Int32Array, bytes: Uint8Array, at: number, octets: Uint8Array): void {
  words[at] = octets.length;
  bytes.set(octets, 4 * (at + 1));
}

function writeAddressWords(words: Int32Array, at: number, value: AddressWords): void {
  for (let i = 0; i < 4; i++) words[at + i] = value[i]!;
}

export function writeAddress(words: Int32Array, at: number, value: AddressValue): void {
  const { family, length, scope, peer } = value;
  words[at + 3] = family | (length << 8) | (scope << 16) | (peer === undefined ? 0 : 1 << 24);
  words[at + 4] = value.flags;
  writeAddressWords(words, at + 5, value.words);
  writeAddressWords(words, at + 9, peer ?? [0, 0, 0, 0]);
}

export function writeNeighbor(words: Int32Array, bytes: Uint8Array, at: number, value: NeighborValue): void {
  words[at + 3] = value.family | (value.flags << 8) | (value.state << 16);
  writeAddressWords(words, at + 4, value.words);
  writeOctets(words, bytes, at + 8, value.mac);
}

export function writeRoute(words: Int32Array, at: number, event: RouteEvent): void {
  words[at + 3] = event.id;
  words[at + 4] = event.family | (event.length << 8) | (event.sourceFamily << 16);
  words[at + 5] = event.table;
  words[at + 6] = event.metric;
  words[at + 7] = event.type | (event.protocol << 8) | (event.scope << 16) | (event.tos << 24);
  words[at + 8] = event.offload;
  words[at + 9] = event.nexthopId;
  words[at + 10] = event.w0;
  words[at + 11] = event.w1;
  words[at + 12] = event.w2;
  words[at + 13] = event.w3;
  for (let i = 0; i < 4; i++) words[at + 14 + i] = event.source[i]!;
  const count = event.hopCount;
  words[at + 18] = count;
  let to = at + ROUTE_HOPS;
  for (let i = 0; i < count; i++, to += HOP_WORDS) {
    words[to + HOP_IFINDEX] = event.hopIfindex[i]!;
    words[to + HOP_WORD] = event.hopGatewayFamily[i]! | (event.hopFlags[i]! << 8) | ((event.hopWeight[i]! - 1) << 16);
    for (let w = 0; w < 4; w++) words[to + HOP_GATEWAY + w] = event.hopGateway[4 * i + w]!;
    words[to + HOP_ENCAP] = event.hopEncap[i]!;
  }
}

/** Fills the view with a route's record. */
export function readRoute(words: Int32Array, at: number, event: RouteEvent): void {
  const head = words[at]!;
  event.kind = EVENT_KINDS[head & 255] as RouteEvent['kind'];
  event.flags = head >>> 8;
  event.proxyId = words[at + 1]!;
  event.portId = words[at + 2]!;
  event.id = words[at + 3]!;
  const family = words[at + 4]!;
  event.family = familyOf(family & 255);
  event.length = (family >>> 8) & 255;
  const source = family >>> 16;
  event.sourceFamily = source === 0 ? 0 : familyOf(source);
  event.table = words[at + 5]! >>> 0;
  event.metric = words[at + 6]! >>> 0;
  const word = words[at + 7]!;
  event.type = word & 255;
  event.protocol = (word >>> 8) & 255;
  event.scope = (word >>> 16) & 255;
  event.tos = word >>> 24;
  event.offload = words[at + 8]! >>> 0;
  event.nexthopId = words[at + 9]! >>> 0;
  event.w0 = words[at + 10]! >>> 0;
  event.w1 = words[at + 11]! >>> 0;
  event.w2 = words[at + 12]! >>> 0;
  event.w3 = words[at + 13]! >>> 0;
  for (let i = 0; i < 4; i++) event.source[i] = words[at + 14 + i]!;
  readHops(words, at + ROUTE_HOPS, words[at + 18]!, event);
}

/** Fills the view's hops with `count` of seven words each. */
export function readHops(words: Int32Array, from: number, count: number, event: RouteEvent): void {
  event.hopCount = count;
  for (let i = 0, at = from; i < count; i++, at += HOP_WORDS) readHop(words, at, event, i);
}

/** Fills hop `i` of the view. */
export function readHop(words: Int32Array, at: number, event: RouteEvent, i: number): void {
  event.hopIfindex[i] = words[at + HOP_IFINDEX]!;
  const word = words[at + HOP_WORD]!;
  event.hopGatewayFamily[i] = word & 255;
  event.hopFlags[i] = (word >>> 8) & 255;
  event.hopWeight[i] = (word >>> 16) + 1;
  const g = event.hopGateway;
  g[4 * i] = words[at + HOP_GATEWAY]!;
  g[4 * i + 1] = words[at + HOP_GATEWAY + 1]!;
  g[4 * i + 2] = words[at + HOP_GATEWAY + 2]!;
  g[4 * i + 3] = words[at + HOP_GATEWAY + 3]!;
  event.hopEncap[i] = words[at + HOP_ENCAP]!;
}

function readAddressWords(words: Int32Array, at: number): AddressWords {
  return [words[at]! >>> 0, words[at + 1]! >>> 0, words[at + 2]! >>> 0, words[at + 3]! >>> 0];
}

/** The record at word `at` as an event; a route's is `route`, filled. */
export function readRecord(words: Int32Array, bytes: Uint8Array, at: number, route: RouteEvent): ProxyEvent {
  const head = words[at]!;
  const code = head & 255;
  if (code === EVENT_ROUTE_ADDED || code === EVENT_ROUTE_REPLACED || code === EVENT_ROUTE_DELETED) {
    readRoute(words, at, route);
    return route;
  }
  const flags = head >>> 8;
  const about = {
    proxyId: words[at + 1]!,
    portId: words[at + 2]!,
    picture: (flags & FLAG_PICTURE) !== 0,
    own: (flags & FLAG_OWN) !== 0,
    derived: (flags & FLAG_DERIVED) !== 0,
  };
  const octets = (word: number): Uint8Array => bytes.slice(4 * (word + 1), 4 * (word + 1) + words[word]!);
  const kind = EVENT_KINDS[code]!;
  switch (code) {
    case EVENT_NAME:
      return { kind: 'nameChanged', ...about, name: Buffer.from(octets(at + 3)).toString('latin1') };
    case EVENT_MAC:
      return { kind: 'macChanged', ...about, mac: octets(at + 3) };
    case EVENT_MTU:
      return { kind: 'mtuChanged', ...about, mtu: words[at + 3]! >>> 0 };
    case EVENT_LINK:
      return { kind: 'linkChanged', ...about, up: (words[at + 3]! & 1) !== 0, carrier: (words[at + 3]! & 2) !== 0 };
    case EVENT_ADDRESS_ADDED:
    case EVENT_ADDRESS_CHANGED:
    case EVENT_ADDRESS_DELETED: {
      const word = words[at + 3]!;
      const address = {
        family: familyOf(word & 255),
        words: readAddressWords(words, at + 5),
        length: (word >>> 8) & 255,
        peer: word >>> 24 === 0 ? undefined : readAddressWords(words, at + 9),
        scope: (word >>> 16) & 255,
        flags: words[at + 4]! >>> 0,
      };
      return { kind: kind as 'addressAdded', ...about, address };
    }
    case EVENT_NEIGHBOR_ADDED:
    case EVENT_NEIGHBOR_CHANGED:
    case EVENT_NEIGHBOR_DELETED: {
      const word = words[at + 3]!;
      const neighbor = {
        family: familyOf(word & 255),
        words: readAddressWords(words, at + 4),
        mac: octets(at + 8),
        state: word >>> 16,
        flags: (word >>> 8) & 255,
      };
      return { kind: kind as 'neighborAdded', ...about, neighbor };
    }
    case EVENT_PROXY_GONE:
      return { kind: 'proxyGone', ...about };
    case EVENT_PICTURE_FINISHED:
      return { kind: 'pictureFinished', portId: about.portId };
    default:
      return { kind } as ProxyEvent;
  }
}
