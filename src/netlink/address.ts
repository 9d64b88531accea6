// RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR: addresses of interfaces.
import type { AddressWords } from '../net/index.ts';
import {
  type AttributeTable,
  address,
  attribute,
  MessageWriter,
  readAttributes,
  text,
  u32,
  writeAttributes,
} from './attribute.ts';
import { HEADER_BYTES } from './buffer.ts';

interface AddressAttributes {
  /** IFA_ADDRESS: the other end of a point-to-point interface, else the address itself. */
  peer?: AddressWords;
  /** IFA_LOCAL: IPv4 always has it, IPv6 only with a peer. */
  local?: AddressWords;
  label?: string;
  broadcast?: AddressWords;
  /** IFA_F_*, all 32 bits. */
  flags?: number;
}

export interface AddressMessage extends AddressAttributes {
  family: number;
  length: number;
  scope: number;
  ifindex: number;
}

const table: AttributeTable<AddressAttributes> = {
  peer: attribute(1, address),
  local: attribute(2, address),
  label: attribute(3, text),
  broadcast: attribute(4, address),
  flags: attribute(8, u32),
};

export function writeAddressMessage(
  writer: MessageWriter,
  type: number,
  flags: number,
  sequence: number,
  message: Partial<AddressMessage>,
): void {
  const start = writer.begin(type, flags, sequence);
  const family = message.family ?? 0;
  writer
    .u8(family)
    .u8(message.length ?? 0)
    .u8((message.flags ?? 0) & 255)
    .u8(message.scope ?? 0)
    .u32(message.ifindex ?? 0);
  writeAttributes<AddressAttributes>(writer, table, message, family);
  writer.end(start);
}

export function readAddressMessage(bytes: Uint8Array, offset: number, length: number): AddressMessage {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
  const family = view.getUint8(16);
  return {
    flags: view.getUint8(18),
    ...readAttributes(bytes, offset + HEADER_BYTES + 8, offset + length, table, family),
    family,
    length: view.getUint8(17),
    scope: view.getUint8(19),
    ifindex: view.getUint32(20, true),
  };
}
