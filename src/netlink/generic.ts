// Generic netlink: protocols that are no part of rtnetlink have a number that the kernel gives out by name, and share one
// socket (NetlinkSocket with `protocol` NETLINK_GENERIC). Of these protocols we use SEG6, for one thing: the source address of
// packets that are encapsulated with a segment routing header.
import type { AddressWords } from '../net/index.ts';
import {
  type AttributeTable,
  address6,
  attribute,
  type MessageWriter,
  readAttributes,
  text,
  u16,
  writeAttributes,
} from './attribute.ts';
import { HEADER_BYTES } from './buffer.ts';
import { AF_UNSPEC } from './constants.ts';
import type { NetlinkSocket } from './socket.ts';

/** Bytes of `struct genlmsghdr`. */
const GENERIC_HEADER_BYTES = 4;

const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;
const SEG6_CMD_SET_TUNSRC = 3;
const SEG6_CMD_GET_TUNSRC = 4;

interface FamilyAttributes {
  id?: number;
  name?: string;
}

const familyTable: AttributeTable<FamilyAttributes> = { id: attribute(1, u16), name: attribute(2, text) };

interface Seg6Attributes {
  address?: AddressWords;
}

const seg6Table: AttributeTable<Seg6Attributes> = { address: attribute(1, address6) };

/** What of it all these requests have in common. */
function writeGeneric<T extends object>(
  writer: MessageWriter,
  type: number,
  flags: number,
  sequence: number,
  command: number,
  table: AttributeTable<T>,
  values: T,
): void {
  const start = writer.begin(type, flags, sequence);
  writer.u8(command).u8(1).u16(0);
  writeAttributes<T>(writer, table, values, AF_UNSPEC);
  writer.end(start);
}

/** Sends one command of the protocol `type` and reads the attributes of what answers it. */
export function genericRequest<T extends object>(
  socket: NetlinkSocket,
  what: string,
  type: number,
  command: number,
  table: AttributeTable<T>,
  values: T,
): Partial<T> {
  let answer: Partial<T> = {};
  socket.request(
    what,
    (writer, flags, sequence) => {
      writeGeneric(writer, type, flags, sequence, command, table, values);
    },
    (_type, bytes, offset, length) => {
      const from = offset + HEADER_BYTES + GENERIC_HEADER_BYTES;
      answer = readAttributes(bytes, from, offset + length, table, AF_UNSPEC);
    },
  );
  return answer;
}

/** The number of the protocol of this name. Throws NetlinkError (ENOENT) where the kernel has none. */
export function genericFamily(socket: NetlinkSocket, name: string): number {
  return genericRequest(socket, `family ${name}`, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, familyTable, { name }).id!;
}

/** The protocol of the source of SRv6 packets. */
export const SEG6_FAMILY = 'SEG6';

/** The source of packets that this namespace encapsulates; `::` where the kernel chooses. */
export function tunnelSource(socket: NetlinkSocket): AddressWords {
  const family = genericFamily(socket, SEG6_FAMILY);
  return genericRequest(socket, 'SRv6 source', family, SEG6_CMD_GET_TUNSRC, seg6Table, {}).address ?? [0, 0, 0, 0];
}

export function setTunnelSource(socket: NetlinkSocket, address: AddressWords): void {
  const family = genericFamily(socket, SEG6_FAMILY);
  genericRequest(socket, 'SRv6 source', family, SEG6_CMD_SET_TUNSRC, seg6Table, { address });
}

/** Appends what `setTunnelSource` sends; `family` is the number of the protocol. */
export function writeTunnelSource(
  writer: MessageWriter,
  family: number,
  flags: number,
  sequence: number,
  address: AddressWords,
): void {
  writeGeneric<Seg6Attributes>(writer, family, flags, sequence, SEG6_CMD_SET_TUNSRC, seg6Table, { address });
}
