// RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH: the neighbour tables (ARP, ND). Those of AF_BRIDGE are in fdb.ts.
//
// NTF_USE with NLM_F_CREATE asks the kernel to find the neighbour: the entry is made where there is none, and solicited as if a
// packet waited for it. The state in the message is passed over then.
import type { AddressWords } from '../net/index.ts';
import {
  type AttributeTable,
  address,
  attribute,
  MessageWriter,
  octets,
  readAttributes,
  u8,
  u32,
  writeAttributes,
} from './attribute.ts';
import { HEADER_BYTES } from './buffer.ts';

interface NeighborAttributes {
  destination?: AddressWords;
  /** Hardware address. */
  mac?: Uint8Array;
  /** RTPROT_* of who made the entry. */
  protocol?: number;
  /** NTF_EXT_* */
  extendedFlags?: number;
}

export interface NeighborMessage extends NeighborAttributes {
  family: number;
  ifindex: number;
  /** NUD_* */
  state: number;
  /** NTF_* */
  flags: number;
  /** RTN_* */
  type: number;
}

const table: AttributeTable<NeighborAttributes> = {
  destination: attribute(1, address),
  mac: attribute(2, octets),
  protocol: attribute(12, u8),
  extendedFlags: attribute(15, u32),
};

export function writeNeighbor(
  writer: MessageWriter,
  type: number,
  flags: number,
  sequence: number,
  message: Partial<NeighborMessage>,
): void {
  const start = writer.begin(type, flags, sequence);
  const family = message.family ?? 0;
  writer
    .u8(family)
    .u8(0)
    .u16(0)
    .u32(message.ifindex ?? 0)
    .u16(message.state ?? 0)
    .u8(message.flags ?? 0)
    .u8(message.type ?? 0);
  writeAttributes<NeighborAttributes>(writer, table, message, family);
  writer.end(start);
}

export function readNeighbor(bytes: Uint8Array, offset: number, length: number): NeighborMessage {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
  const family = view.getUint8(16);
  return {
    ...readAttributes(bytes, offset + HEADER_BYTES + 12, offset + length, table, family),
    family,
    ifindex: view.getUint32(20, true),
    state: view.getUint16(24, true),
    flags: view.getUint8(26),
    type: view.getUint8(27),
  };
}
