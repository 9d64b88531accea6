// RTM_NEWNETCONF, RTM_DELNETCONF, RTM_GETNETCONF: how an interface forwards, for each family (IPv4, IPv6, MPLS): what the
// sysctls net.*.conf say. Nothing can be set this way.
//
// A new interface's come before the link itself is told. IPv4's defaults, when they change, go over to all interfaces that were
// never set themselves, and of those nothing is told: who keeps a picture dumps again.
import { type AttributeTable, attribute, i32, MessageWriter, readAttributes, writeAttributes } from './attribute.ts';
import { HEADER_BYTES } from './buffer.ts';

interface NetconfAttributes {
  /** Also NETCONFA_IFINDEX_ALL and NETCONFA_IFINDEX_DEFAULT. */
  ifindex?: number;
  forwarding?: number;
  rpFilter?: number;
  multicastForwarding?: number;
  proxyNeighbor?: number;
  ignoreRoutesWithLinkdown?: number;
  /** MPLS: not 0 where labelled packets are taken. */
  input?: number;
  broadcastForwarding?: number;
}

/** A notification has only what changed. */
export interface NetconfMessage extends NetconfAttributes {
  family: number;
}

const table: AttributeTable<NetconfAttributes> = {
  ifindex: attribute(1, i32),
  forwarding: attribute(2, i32),
  rpFilter: attribute(3, i32),
  multicastForwarding: attribute(4, i32),
  proxyNeighbor: attribute(5, i32),
  ignoreRoutesWithLinkdown: attribute(6, i32),
  input: attribute(7, i32),
  broadcastForwarding: attribute(8, i32),
};

/** RTM_GETNETCONF with a family and an ifindex asks for one. */
export function writeNetconf(
  writer: MessageWriter,
  type: number,
  flags: number,
  sequence: number,
  message: NetconfMessage,
): void {
  const start = writer.begin(type, flags, sequence);
  writer.u8(message.family).align();
  writeAttributes<NetconfAttributes>(writer, table, message, message.family);
  writer.end(start);
}

export function readNetconf(bytes: Uint8Array, offset: number, length: number): NetconfMessage {
  const family = bytes[offset + HEADER_BYTES]!;
  return { ...readAttributes(bytes, offset + HEADER_BYTES + 4, offset + length, table, family), family };
}
