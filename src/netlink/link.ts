// RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK: interfaces.
import {
  type AttributeTable,
  attribute,
  MessageWriter,
  nested,
  octets,
  readAttributes,
  text,
  u8,
  u32,
  writeAttributes,
} from './attribute.ts';
import { HEADER_BYTES } from './buffer.ts';
import { AF_UNSPEC } from './constants.ts';

interface VrfData {
  table?: number;
}

interface LinkInfo {
  kind?: string;
  /** Only read, and only meaningful for `kind` vrf. */
  data?: VrfData;
}

interface LinkAttributes {
  /** Hardware address. */
  address?: Uint8Array;
  name?: string;
  mtu?: number;
  /** ifindex of the device below or of the peer. */
  link?: number;
  /** ifindex of the bridge, bond or VRF that it is a port of. */
  master?: number;
  /** IF_OPER_* (RFC 2863). */
  operState?: number;
  group?: number;
  info?: LinkInfo;
}

export interface LinkMessage extends LinkAttributes {
  /** AF_UNSPEC; AF_BRIDGE messages describe a bridge port, not a link. */
  family: number;
  /** ARPHRD_* */
  hardwareType: number;
  ifindex: number;
  /** IFF_* */
  flags: number;
  /** Which flags a request changes, or a notification changed. */
  change: number;
}

const table: AttributeTable<LinkAttributes> = {
  address: attribute(1, octets),
  name: attribute(3, text),
  mtu: attribute(4, u32),
  link: attribute(5, u32),
  master: attribute(10, u32),
  operState: attribute(16, u8),
  group: attribute(27, u32),
  info: attribute<LinkInfo>(
    18,
    nested<LinkInfo>({
      kind: attribute(1, text),
      data: attribute<VrfData>(2, nested<VrfData>({ table: attribute(1, u32) })),
    }),
  ),
};

/** Appends a message of `type` (RTM_*) to the writer. */
export function writeLink(
  writer: MessageWriter,
  type: number,
  flags: number,
  sequence: number,
  link: Partial<LinkMessage>,
): void {
  const start = writer.begin(type, flags, sequence);
  writer
    .u8(link.family ?? AF_UNSPEC)
    .u8(0)
    .u16(link.hardwareType ?? 0)
    .u32(link.ifindex ?? 0)
    .u32(link.flags ?? 0)
    .u32(link.change ?? 0);
  writeAttributes<LinkAttributes>(writer, table, link, AF_UNSPEC);
  writer.end(start);
}

/** Reads the message of `length` bytes at `offset`. */
export function readLink(bytes: Uint8Array, offset: number, length: number): LinkMessage {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
  return {
    ...readAttributes(bytes, offset + HEADER_BYTES + 16, offset + length, table, AF_UNSPEC),
    family: view.getUint8(16),
    hardwareType: view.getUint16(18, true),
    ifindex: view.getUint32(20, true),
    flags: view.getUint32(24, true),
    change: view.getUint32(28, true),
  };
}
