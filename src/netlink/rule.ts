// RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE: policy routing rules.
import type { AddressWords } from '../net/index.ts';
import {
  type AttributeTable,
  address,
  attribute,
  be64,
  type Codec,
  MessageWriter,
  readAttributes,
  text,
  u8,
  u16,
  u32,
  writeAttributes,
} from './attribute.ts';
import { HEADER_BYTES } from './buffer.ts';

interface RuleAttributes {
  destination?: AddressWords;
  source?: AddressWords;
  inputInterface?: string;
  goto?: number;
  priority?: number;
  mark?: number;
  suppressPrefixLength?: number;
  table?: number;
  markMask?: number;
  outputInterface?: string;
  /** Not 0: the table is that of the VRF that the packet's interface is in. */
  l3mdev?: number;
  /** RTPROT_* of who made the rule. */
  protocol?: number;
  tunnelId?: number;
  suppressGroup?: number;
  uids?: Range;
  /** IPPROTO_* of the packet. */
  ipProtocol?: number;
  sourcePorts?: Range;
  destinationPorts?: Range;
  /** The six bits of DSCP, where the kernel has it (6.13); `tos` must be 0 then. */
  dscp?: number;
}

/** Both ends belong to it. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export interface RuleMessage extends RuleAttributes {
  family: number;
  destinationLength: number;
  sourceLength: number;
  tos: number;
  /** FR_ACT_* */
  action: number;
  /** FIB_RULE_* */
  flags: number;
}

function range(end: Codec<number>, width: number): Codec<Range> {
  return {
    write: (writer, value, family) => {
      end.write(writer, value.start, family);
      end.write(writer, value.end, family);
    },
    read: (bytes, offset, length, family) => ({
      start: end.read(bytes, offset, Math.min(length, width), family),
      end: length >= 2 * width ? end.read(bytes, offset + width, width, family) : 0,
    }),
  };
}

const table: AttributeTable<RuleAttributes> = {
  destination: attribute(1, address),
  source: attribute(2, address),
  inputInterface: attribute(3, text),
  goto: attribute(4, u32),
  priority: attribute(6, u32),
  mark: attribute(10, u32),
  suppressPrefixLength: attribute(14, u32),
  table: attribute(15, u32),
  markMask: attribute(16, u32),
  outputInterface: attribute(17, text),
  l3mdev: attribute(19, u8),
  protocol: attribute(21, u8),
  tunnelId: attribute(12, be64),
  suppressGroup: attribute(13, u32),
  uids: attribute(20, range(u32, 4)),
  ipProtocol: attribute(22, u8),
  sourcePorts: attribute(23, range(u16, 2)),
  destinationPorts: attribute(24, range(u16, 2)),
  dscp: attribute(25, u8),
};

export function writeRule(
  writer: MessageWriter,
  type: number,
  flags: number,
  sequence: number,
  message: Partial<RuleMessage>,
): void {
  const start = writer.begin(type, flags, sequence);
  const family = message.family ?? 0;
  const tableId = message.table ?? 0;
  writer
    .u8(family)
    .u8(message.destinationLength ?? 0)
    .u8(message.sourceLength ?? 0)
    .u8(message.tos ?? 0)
    .u8(tableId < 256 ? tableId : 0)
    .u16(0)
    .u8(message.action ?? 0)
    .u32(message.flags ?? 0);
  writeAttributes<RuleAttributes>(writer, table, message, family);
  writer.end(start);
}

export function readRule(bytes: Uint8Array, offset: number, length: number): RuleMessage {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
  const family = view.getUint8(16);
  return {
    table: view.getUint8(20),
    ...readAttributes(bytes, offset + HEADER_BYTES + 12, offset + length, table, family),
    family,
    destinationLength: view.getUint8(17),
    sourceLength: view.getUint8(18),
    tos: view.getUint8(19),
    action: view.getUint8(23),
    flags: view.getUint32(24, true),
  };
}
