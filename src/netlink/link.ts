// RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK: interfaces. RTM_NEWLINK with an ifindex changes one, with NLM_F_CREATE, a name and
// a kind it makes one. Flags are changed where `change` has their bit; `master` 0 takes a port out.
import type { AddressWords } from '../net/index.ts';
import {
  type AttributeTable,
  address6,
  attribute,
  be16,
  be32,
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
  /** vlan: the EtherType of its tags. */
  tagProtocol?: number;
  /** bridge: not 0 where it tells VLANs apart. */
  vlanFiltering?: number;
  /** vxlan: its network identifier. */
  vni?: number;
  /** vxlan: the UDP port it sends to and listens on. */
  port?: number;
  /** vxlan: not 0 where it learns from what it receives. */
  learning?: number;
  /** vxlan: not 0 where each packet or route says the VNI and the remote end ("external"). */
  metadata?: number;
  /** vxlan: not 0 where such a device takes only the VNIs it was told. */
  vniFilter?: number;
  /** veth: the other end, as it is made. */
  peer?: Partial<LinkMessage>;
  /** macvlan: MACVLAN_MODE_* */
  mode?: number;
  /** Tunnels: ifindex of the device that their packets leave by. */
  lower?: number;
  /** Tunnels over IPv4: both ends, as words. */
  local?: number;
  remote?: number;
  /** The same for tunnels over IPv6. */
  local6?: AddressWords;
  remote6?: AddressWords;
  ttl?: number;
  /** gre: GRE_KEY (0x2000) and the like, and the keys. */
  inputFlags?: number;
  outputFlags?: number;
  inputKey?: number;
  outputKey?: number;
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
  protoDownReason?: { mask?: number; value?: number };
  /** What an operator called it; bytes one to one. */
  alias?: string;
  info?: LinkInfo;
  /** Of a request: the network namespace to be moved to or made in, as a file descriptor. */
  namespaceFd?: number;
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

/** VETH_INFO_PEER: what follows the header of a message about the other end. */
const peer: Codec<Partial<LinkMessage>> = {
  write: (writer, value) => writeBody(writer, value),
  read: (bytes, offset, length) => (length >= 16 ? readBody(bytes, offset, offset + length) : {}),
};

/** The attributes of IFLA_INFO_DATA, which mean something else for every kind. */
const kinds: Readonly<Record<string, Partial<AttributeTable<LinkData>>>> = {
  vrf: { table: attribute(1, u32) },
  vlan: { vlan: attribute(1, u16), tagProtocol: attribute(5, be16) },
  bridge: { vlanFiltering: attribute(7, u8) },
  veth: { peer: attribute(1, peer) },
  macvlan: { mode: attribute(1, u32) },
  vxlan: {
    vni: attribute(1, u32),
    remote: attribute(2, be32),
    lower: attribute(3, u32),
    local: attribute(4, be32),
    ttl: attribute(5, u8),
    learning: attribute(7, u8),
    port: attribute(15, be16),
    remote6: attribute(16, address6),
    local6: attribute(17, address6),
    metadata: attribute(25, u8),
    vniFilter: attribute(30, u8),
  },
  gre: gre(be32),
  gretap: gre(be32),
  ip6gre: gre(address6),
  ip6gretap: gre(address6),
  ipip: { lower: attribute(1, u32), local: attribute(2, be32), remote: attribute(3, be32), ttl: attribute(4, u8) },
  sit: { lower: attribute(1, u32), local: attribute(2, be32), remote: attribute(3, be32), ttl: attribute(4, u8) },
};

function gre(ends: typeof be32 | typeof address6): Partial<AttributeTable<LinkData>> {
  return {
    lower: attribute(1, u32),
    inputFlags: attribute(2, be16),
    outputFlags: attribute(3, be16),
    inputKey: attribute(4, be32),
    outputKey: attribute(5, be32),
    ...(ends === be32
      ? { local: attribute(6, be32), remote: attribute(7, be32) }
      : { local6: attribute(6, address6), remote6: attribute(7, address6) }),
    ttl: attribute(8, u8),
  };
}

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
  protoDownReason: attribute(
    55,
    nested<{ mask?: number; value?: number }>({ mask: attribute(1, u32), value: attribute(2, u32) }),
  ),
  alias: attribute(20, text),
  info: attribute(18, info),
  namespaceFd: attribute(28, u32),
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
  writeBody(writer, link);
  writer.end(start);
}

/** Reads the message of `length` bytes at `offset`. */
export function readLink(bytes: Uint8Array, offset: number, length: number): LinkMessage {
  return readBody(bytes, offset + HEADER_BYTES, offset + length);
}

function writeBody(writer: MessageWriter, link: Partial<LinkMessage>): void {
  writer
    .u8(link.family ?? AF_UNSPEC)
    .u8(0)
    .u16(link.hardwareType ?? 0)
    .u32(link.ifindex ?? 0)
    .u32(link.flags ?? 0)
    .u32(link.change ?? 0);
  writeAttributes<LinkAttributes>(writer, table, link, AF_UNSPEC);
}

function readBody(bytes: Uint8Array, offset: number, end: number): LinkMessage {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, end - offset);
  return {
    ...readAttributes(bytes, offset + 16, end, table, AF_UNSPEC),
    family: view.getUint8(0),
    hardwareType: view.getUint16(2, true),
    ifindex: view.getUint32(4, true),
    flags: view.getUint32(8, true),
    change: view.getUint32(12, true),
  };
}
