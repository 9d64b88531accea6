// Bridges' forwarding tables: RTM_NEWNEIGH, RTM_DELNEIGH and RTM_GETNEIGH of AF_BRIDGE. A MAC is behind a port of the bridge
// (NTF_MASTER), or in the device's own table (NTF_SELF): for a VXLAN device that says which tunnel end has it.
//
// A VXLAN device has one tunnel end for a MAC, which another one replaces without a word about the first; for groups and for
// the MAC of zeroes (whatever is not known) it has several, each an entry of its own.
//
// When a port leaves its bridge, its own MAC goes over to the bridge without a word: who keeps a picture dumps again.
//
// A dump also has what every device's filter holds (its own addresses, multicast), which comes and goes without a word: entries
// with NTF_SELF that have neither a tunnel end nor a nexthop are none of a router's.
import {
  type AttributeTable,
  attribute,
  be16,
  type Endpoint,
  endpoint,
  MessageWriter,
  octets,
  readAttributes,
  u8,
  u16,
  u32,
  writeAttributes,
} from './attribute.ts';
import { HEADER_BYTES } from './buffer.ts';
import { AF_BRIDGE } from './constants.ts';

interface FdbAttributes {
  mac?: Uint8Array;
  vlan?: number;
  /** vxlan: the tunnel end that has the MAC … */
  tunnel?: Endpoint;
  /** … its UDP port, VNI and the interface towards it, where not the device's own. */
  port?: number;
  vni?: number;
  viaIfindex?: number;
  /** vxlan in metadata mode: the VNI that the entry belongs to. */
  sourceVni?: number;
  /** vxlan: a nexthop object with the tunnel ends, instead of one. */
  nexthopId?: number;
  /** ifindex of the bridge. */
  master?: number;
  /** RTPROT_* of who made the entry. */
  protocol?: number;
  /** NTF_EXT_* */
  extendedFlags?: number;
}

export interface FdbMessage extends FdbAttributes {
  /** The port, or the device whose own table it is. */
  ifindex: number;
  /** NUD_*: NUD_PERMANENT is the bridge's own, NUD_NOARP is static. */
  state: number;
  /** NTF_* */
  flags: number;
}

const table: AttributeTable<FdbAttributes> = {
  mac: attribute(2, octets),
  vlan: attribute(5, u16),
  tunnel: attribute(1, endpoint),
  port: attribute(6, be16),
  vni: attribute(7, u32),
  viaIfindex: attribute(8, u32),
  sourceVni: attribute(11, u32),
  nexthopId: attribute(13, u32),
  master: attribute(9, u32),
  protocol: attribute(12, u8),
  extendedFlags: attribute(15, u32),
};

export function writeFdb(
  writer: MessageWriter,
  type: number,
  flags: number,
  sequence: number,
  message: Partial<FdbMessage>,
): void {
  const start = writer.begin(type, flags, sequence);
  writer
    .u8(AF_BRIDGE)
    .u8(0)
    .u16(0)
    .u32(message.ifindex ?? 0)
    .u16(message.state ?? 0)
    .u8(message.flags ?? 0)
    .u8(0);
  writeAttributes<FdbAttributes>(writer, table, message, AF_BRIDGE);
  writer.end(start);
}

export function readFdb(bytes: Uint8Array, offset: number, length: number): FdbMessage {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
  return {
    ...readAttributes(bytes, offset + HEADER_BYTES + 12, offset + length, table, AF_BRIDGE),
    ifindex: view.getUint32(20, true),
    state: view.getUint16(24, true),
    flags: view.getUint8(26),
  };
}
