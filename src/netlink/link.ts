// RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK: interfaces.
import { readWord, writeWord } from '../net/index.ts';
import {
  type AttributeTable,
  attribute,
  type Codec,
  MessageWriter,
  nested,
  octets,
  readAttributes,
  text,
  u8,
  u16,
  u32,
  writeAttributes,
} from './attribute.ts';
import { HEADER_BYTES } from './buffer.ts';
import { AF_UNSPEC } from './constants.ts';

/** What a link has because of its kind; see `kinds` for whose is what. */
export interface LinkData {
  /** vrf: its routing table. */
  table?: number;
  /** vlan: its number. */
  vlan?: number;
  /** bridge: not 0 where it tells VLANs apart. */
  vlanFiltering?: number;
  /** vxlan: its network identifier. */
  vni?: number;
  /** Tunnels: ifindex of the device that their packets leave by. */
  lower?: number;
  /** Tunnels over IPv4: both ends, as words. */
  local?: number;
  remote?: number;
}

export interface LinkInfo {
  kind?: string;
  /** What the link is a port of: bridge, bond, vrf … */
  slaveKind?: string;
  /** For the kinds in `kinds` only. */
  data?: LinkData;
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
  /** Not 0: a process or a driver keeps it down (IFLA_PROTO_DOWN). */
  protoDown?: number;
  /** Bits of why, which processes give a meaning. */
  protoDownReason?: { value?: number };
  /** What an operator called it; bytes one to one. */
  alias?: string;
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

const ipv4: Codec<number> = {
  write: (writer, value) => {
    const bytes = new Uint8Array(4);
    writeWord(bytes, 0, value);
    writer.raw(bytes);
  },
  read: (bytes, offset, length) => (length >= 4 ? readWord(bytes, offset) : 0),
};

/** The attributes of IFLA_INFO_DATA, which mean something else for every kind. */
const kinds: Readonly<Record<string, Partial<AttributeTable<LinkData>>>> = {
  vrf: { table: attribute(1, u32) },
  vlan: { vlan: attribute(1, u16) },
  bridge: { vlanFiltering: attribute(7, u8) },
  vxlan: { vni: attribute(1, u32), remote: attribute(2, ipv4), lower: attribute(3, u32), local: attribute(4, ipv4) },
  gre: { lower: attribute(1, u32), local: attribute(6, ipv4), remote: attribute(7, ipv4) },
  gretap: { lower: attribute(1, u32), local: attribute(6, ipv4), remote: attribute(7, ipv4) },
  ipip: { lower: attribute(1, u32), local: attribute(2, ipv4), remote: attribute(3, ipv4) },
  sit: { lower: attribute(1, u32), local: attribute(2, ipv4), remote: attribute(3, ipv4) },
};

const INFO_DATA = 2;
const infoTable: AttributeTable<Omit<LinkInfo, 'data'>> = { kind: attribute(1, text), slaveKind: attribute(4, text) };
const rawData: AttributeTable<{ data?: Uint8Array }> = { data: attribute(INFO_DATA, octets) };

/** The codec of IFLA_LINKINFO: how its data are read hangs on its kind. */
const info: Codec<LinkInfo> = {
  write: (writer, value, family) => {
    nested(infoTable).write(writer, value, family);
    const table = kinds[value.kind ?? ''];
    if (value.data === undefined || table === undefined) return;
    const { data } = value;
    const codec = nested(table as AttributeTable<LinkData>);
    writer.attribute(INFO_DATA, () => codec.write(writer, data, family));
  },
  read: (bytes, offset, length, family) => {
    const end = offset + length;
    const value: LinkInfo = readAttributes(bytes, offset, end, infoTable, family);
    const table = kinds[value.kind ?? ''] as AttributeTable<LinkData> | undefined;
    const raw = table && readAttributes(bytes, offset, end, rawData, family).data;
    if (raw !== undefined) value.data = readAttributes(raw, 0, raw.length, table!, family);
    return value;
  },
};

const table: AttributeTable<LinkAttributes> = {
  address: attribute(1, octets),
  name: attribute(3, text),
  mtu: attribute(4, u32),
  link: attribute(5, u32),
  master: attribute(10, u32),
  operState: attribute(16, u8),
  group: attribute(27, u32),
  protoDown: attribute(39, u8),
  protoDownReason: attribute(55, nested<{ value?: number }>({ value: attribute(2, u32) })),
  alias: attribute(20, text),
  info: attribute(18, info),
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
