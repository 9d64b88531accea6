// pcapng (draft-ietf-opsawg-pcapng): a file is a section header, a description of one interface, and a block for each packet.
//
//    ┌────────┬────────┬───────────┬──────────┬───────┬─────────┬────────┐
//    │type 6  │length  │interface  │time high │low    │captured │original│
//    ├────────┴────────┴──┬────────┴──────────┴───┬───┴─────────┼────────┤
//    │cooked header, 16   │netlink message, padded│options      │length  │
//    └────────────────────┴───────────────────────┴─────────────┴────────┘
//
// LINKTYPE_NETLINK packets begin with a header as Linux's "cooked" captures have it, in network order: packet type,
// ARPHRD_NETLINK, ten bytes unused, the netlink family (NETLINK_ROUTE, 0).
const LINKTYPE_NETLINK = 253;
const ARPHRD_NETLINK = 824;
const COOKED_BYTES = 16;

/** Direction of a packet, as nlmon(4) tells it (PACKET_USER, PACKET_KERNEL), and as the block's flags do. */
export const FROM_KERNEL = 6;
export const TO_KERNEL = 7;
const INBOUND = 1;
const OUTBOUND = 2;

const OPTION_END = 0;
const OPTION_COMMENT = 1;
const OPTION_FLAGS = 2;
const OPTION_NAME = 2;
const OPTION_APPLICATION = 4;

const padded = (length: number): number => (length + 3) & ~3;

function textOption(code: number, text: string): Buffer {
  const bytes = Buffer.from(text);
  const option = Buffer.alloc(4 + padded(bytes.length));
  option.writeUInt16LE(code, 0);
  option.writeUInt16LE(bytes.length, 2);
  bytes.copy(option, 4);
  return option;
}

function block(type: number, fixed: readonly number[], ...options: Buffer[]): Buffer {
  const body = Buffer.alloc(4 * fixed.length);
  fixed.forEach((word, i) => body.writeInt32LE(word | 0, 4 * i));
  const length = 12 + body.length + options.reduce((sum, option) => sum + option.length, 0) + 4;
  const head = Buffer.alloc(8);
  head.writeUInt32LE(type, 0);
  head.writeUInt32LE(length, 4);
  const tail = Buffer.alloc(8); // the end of the options, and the length again
  tail.writeUInt32LE(length, 4);
  return Buffer.concat([head, body, ...options, tail]);
}

/** What every file begins with. Times are in microseconds, the default. */
export function fileHeader(application: string, name: string): Buffer {
  // Byte order, version 1.0, and a section whose length is not told.
  const section = block(0x0a0d0d0a, [0x1a2b3c4d, 1, -1, -1], textOption(OPTION_APPLICATION, application));
  return Buffer.concat([section, block(1, [LINKTYPE_NETLINK, 0], textOption(OPTION_NAME, name))]);
}

/** Bytes of the block of a packet. */
export function packetBytes(messageBytes: number, commentBytes: number): number {
  return 28 + COOKED_BYTES + padded(messageBytes) + 8 + 4 + padded(commentBytes) + 4 + 4;
}

/** Writes the block of one netlink message at `at`, a multiple of 4. `timeUs`: since 1970. */
export function writePacket(
  view: DataView,
  bytes: Uint8Array,
  at: number,
  timeUs: number,
  direction: number,
  message: Uint8Array,
  comment: Uint8Array,
): void {
  const length = packetBytes(message.length, comment.length);
  const captured = COOKED_BYTES + message.length;
  view.setUint32(at, 6, true);
  view.setUint32(at + 4, length, true);
  view.setUint32(at + 8, 0, true);
  view.setUint32(at + 12, Math.floor(timeUs / 2 ** 32), true);
  view.setUint32(at + 16, timeUs % 2 ** 32, true);
  view.setUint32(at + 20, captured, true);
  view.setUint32(at + 24, captured, true);
  let end = at + 28;
  bytes.fill(0, end, end + COOKED_BYTES);
  view.setUint16(end, direction);
  view.setUint16(end + 2, ARPHRD_NETLINK);
  end += COOKED_BYTES;
  bytes.set(message, end);
  bytes.fill(0, end + message.length, end + padded(message.length));
  end += padded(message.length);
  view.setUint16(end, OPTION_FLAGS, true);
  view.setUint16(end + 2, 4, true);
  view.setUint32(end + 4, direction === TO_KERNEL ? OUTBOUND : INBOUND, true);
  view.setUint16(end + 8, OPTION_COMMENT, true);
  view.setUint16(end + 10, comment.length, true);
  end += 12;
  bytes.set(comment, end);
  bytes.fill(0, end + comment.length, end + padded(comment.length));
  end += padded(comment.length);
  view.setUint32(end, OPTION_END, true);
  view.setUint32(end + 4, length, true);
}
