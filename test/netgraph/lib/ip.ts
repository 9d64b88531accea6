// IP packets for tests, right in every sum.
import { parseAddress } from '../../../src/net/index.ts';
import { set4, set6, setIp4Checksum } from '../../../src/netgraph/lib/checksum.ts';

export interface Ip4 {
  readonly from?: string;
  readonly to: string;
  readonly ttl?: number;
  readonly protocol?: number;
  /** DF and the like. */
  readonly flags?: number;
  readonly options?: readonly number[];
}

export function ip4(
  { from = '198.51.100.1', to, ttl = 64, protocol = 17, flags = 0, options = [] }: Ip4,
  payload: Uint8Array,
): Buffer {
  const header = 20 + options.length;
  const bytes = Buffer.alloc(header + payload.length);
  bytes.set([0x40 | (header >> 2), 0, 0, 0, 0x12, 0x34, flags, 0, ttl, protocol]);
  bytes.writeUInt16BE(bytes.length, 2);
  bytes.writeUInt32BE(parseAddress(from)!.words[0], 12);
  bytes.writeUInt32BE(parseAddress(to)!.words[0], 16);
  bytes.set(options, 20);
  bytes.set(payload, header);
  setIp4Checksum(bytes, 0, header);
  set4(bytes, 0, bytes.length);
  return bytes;
}

export interface Ip6 {
  readonly from?: string;
  readonly to: string;
  readonly hops?: number;
  readonly next?: number;
}

export function ip6({ from = '2001:db8:9::1', to, hops = 64, next = 17 }: Ip6, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(40 + payload.length);
  bytes.set([0x60, 0, 0, 0, 0, 0, next, hops]);
  bytes.writeUInt16BE(payload.length, 4);
  parseAddress(from)!.words.forEach((word, i) => bytes.writeUInt32BE(word, 8 + 4 * i));
  parseAddress(to)!.words.forEach((word, i) => bytes.writeUInt32BE(word, 24 + 4 * i));
  bytes.set(payload, 40);
  set6(bytes, 0, bytes.length);
  return bytes;
}

/** A UDP header with this many bytes behind it. */
export function udp(size: number, port = 9): Buffer {
  const bytes = Buffer.alloc(8 + size, 0x61);
  bytes.writeUInt16BE(4000, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.writeUInt16BE(8 + size, 4);
  return bytes;
}

/** An ICMP message. */
export function icmp(type: number, ...rest: readonly number[]): Buffer {
  return Buffer.from([type, 0, 0, 0, 0, 7, 0, 1, ...rest]);
}
