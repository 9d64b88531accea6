// Multicast routes, which the kernel takes from a multicast daemon's socket and shows here: RTM_GETROUTE of the families
// RTNL_FAMILY_IPMR and RTNL_FAMILY_IP6MR, for one (source, group) or as a dump.
import { AF_INET, AF_INET6, type AddressWords, type Family } from '../net/index.ts';
import {
  type AttributeTable,
  address,
  attribute,
  type Codec,
  MessageWriter,
  readAttributes,
  u32,
  u64,
  writeAttributes,
} from './attribute.ts';
import { HEADER_BYTES, little16, little32 } from './buffer.ts';
import {
  RT_TABLE_DEFAULT,
  RT_TABLE_MAIN,
  RTM_GETROUTE,
  RTNH_F_UNRESOLVED,
  RTNL_FAMILY_IP6MR,
  RTNL_FAMILY_IPMR,
} from './constants.ts';

export interface MulticastOutput {
  readonly ifindex: number;
  /** Packets with a smaller one are not sent there. */
  readonly ttl: number;
}

export interface MulticastCounters {
  readonly packets: number;
  readonly bytes: number;
  /** Packets that came in by another interface. */
  readonly wrongInterface: number;
}

interface MulticastAttributes {
  source?: AddressWords;
  group?: AddressWords;
  table?: number;
  inputIfindex?: number;
  outputs?: readonly MulticastOutput[];
  counters?: MulticastCounters;
  /** Time since a packet used it, in hundredths of a second. */
  idle?: number;
}

export interface MulticastRoute extends MulticastAttributes {
  family: Family;
  protocol: number;
  /** A packet waits for a daemon to say where to. */
  unresolved: boolean;
}

/** Every rtnexthop is of 8 bytes: length, flags, TTL in the place of the weight, interface. */
const outputs: Codec<readonly MulticastOutput[]> = {
  write: (writer, values) => {
    for (const { ifindex, ttl } of values) writer.u16(8).u8(0).u8(ttl).u32(ifindex);
  },
  read: (bytes, offset, length) => {
    const values: MulticastOutput[] = [];
    for (let at = offset; at + 8 <= offset + length; ) {
      const size = little16(bytes, at);
      if (size < 8 || at + size > offset + length) break;
      values.push({ ifindex: little32(bytes, at + 4), ttl: bytes[at + 3]! });
      at += (size + 3) & ~3;
    }
    return values;
  },
};

/** struct rta_mfc_stats */
const counters: Codec<MulticastCounters> = {
  write: (writer, value, family) => {
    for (const count of [value.packets, value.bytes, value.wrongInterface]) u64.write(writer, count, family);
  },
  read: (bytes, offset, length, family) => {
    const word = (i: number): number => (length >= 8 * i + 8 ? u64.read(bytes, offset + 8 * i, 8, family) : 0);
    return { packets: word(0), bytes: word(1), wrongInterface: word(2) };
  },
};

const table: AttributeTable<MulticastAttributes> = {
  source: attribute(2, address),
  group: attribute(1, address),
  table: attribute(15, u32),
  inputIfindex: attribute(3, u32),
  outputs: attribute(9, outputs),
  counters: attribute(17, counters),
  idle: attribute(23, u64),
};

/** Where a daemon's routes are that asked for no table: IPv4's is the default one, IPv6's the main one. */
const defaultTable = (family: Family): number => (family === AF_INET ? RT_TABLE_DEFAULT : RT_TABLE_MAIN);

/** Asks for the route of one source (all zeroes: any) and group. The kernel does not know IPv6's table unless it is named. */
export function writeMulticastGet(
  writer: MessageWriter,
  flags: number,
  sequence: number,
  family: Family,
  source: AddressWords,
  group: AddressWords,
  tableId: number = defaultTable(family),
): void {
  const bits = family === AF_INET ? 32 : 128;
  const start = writer.begin(RTM_GETROUTE, flags, sequence);
  writer
    .u8(family === AF_INET ? RTNL_FAMILY_IPMR : RTNL_FAMILY_IP6MR)
    .u8(bits)
    .u8(bits)
    .u8(0)
    .u32(0)
    .u32(0);
  writeAttributes<MulticastAttributes>(writer, table, { source, group, table: tableId }, family);
  writer.end(start);
}

/** Writes a route as the kernel tells it. */
export function writeMulticastRoute(
  writer: MessageWriter,
  type: number,
  flags: number,
  sequence: number,
  route: MulticastRoute,
): void {
  const bits = route.family === AF_INET ? 32 : 128;
  const start = writer.begin(type, flags, sequence);
  writer
    .u8(route.family === AF_INET ? RTNL_FAMILY_IPMR : RTNL_FAMILY_IP6MR)
    .u8(bits)
    .u8(bits)
    .u8(0)
    .u8((route.table ?? 0) & 255)
    .u8(route.protocol)
    .u16(0)
    .u32(route.unresolved ? RTNH_F_UNRESOLVED : 0);
  writeAttributes<MulticastAttributes>(writer, table, route, route.family);
  writer.end(start);
}

/** Reads an RTM_NEWROUTE of these families; undefined where it is of another one. */
export function readMulticastRoute(bytes: Uint8Array, offset: number, length: number): MulticastRoute | undefined {
  const at = offset + HEADER_BYTES;
  const kernelFamily = bytes[at]!;
  if (length < HEADER_BYTES + 12 || (kernelFamily !== RTNL_FAMILY_IPMR && kernelFamily !== RTNL_FAMILY_IP6MR)) {
    return undefined;
  }
  const family = kernelFamily === RTNL_FAMILY_IPMR ? AF_INET : AF_INET6;
  return {
    table: bytes[at + 4]!,
    ...readAttributes(bytes, at + 12, offset + length, table, family),
    family,
    protocol: bytes[at + 5]!,
    unresolved: (little32(bytes, at + 8) & RTNH_F_UNRESOLVED) !== 0,
  };
}
