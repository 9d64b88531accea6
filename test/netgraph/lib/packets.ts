// Packets for the tests of the libraries: built plainly, and read by tshark.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { set4, set6, setIp4Checksum } from '../../../src/netgraph/lib/checksum.ts';
import { write16, write32 } from '../../../src/netgraph/lib/ip.ts';
import { DIRECTION_UNKNOWN, writeInterface, writePacket, writeSection } from '../../../src/netgraph/lib/pcapng.ts';
import { temporaryDirectory } from '../../lib/temporary.ts';

export interface Ip4Options {
  source?: number;
  destination?: number;
  protocol?: number;
  ttl?: number;
  id?: number;
  fragment?: number;
  options?: readonly number[];
}

/** An IPv4 packet with right checksums. */
export function ip4(payload: ArrayLike<number>, about: Ip4Options = {}): Uint8Array {
  const {
    source = 0x0a000001,
    destination = 0xc6336407,
    protocol = 17,
    ttl = 64,
    id = 1,
    fragment = 0,
    options = [],
  } = about;
  const header = 20 + options.length;
  const bytes = new Uint8Array(header + payload.length);
  bytes[0] = 0x40 | (header >>> 2);
  write16(bytes, 2, bytes.length);
  write16(bytes, 4, id);
  write16(bytes, 6, fragment);
  bytes[8] = ttl;
  bytes[9] = protocol;
  write32(bytes, 12, source);
  write32(bytes, 16, destination);
  bytes.set(options, 20);
  setIp4Checksum(bytes, 0, header);
  bytes.set(payload, header);
  set4(bytes, 0, bytes.length);
  return bytes;
}

export function ip6(
  payload: ArrayLike<number>,
  protocol: number,
  source: Uint8Array,
  destination: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(40 + payload.length);
  bytes[0] = 0x60;
  write16(bytes, 4, payload.length);
  bytes[6] = protocol;
  bytes[7] = 64;
  bytes.set(source, 8);
  bytes.set(destination, 24);
  bytes.set(payload, 40);
  set6(bytes, 0, bytes.length);
  return bytes;
}

export function udp(source: number, destination: number, data: ArrayLike<number> = []): Uint8Array {
  const bytes = new Uint8Array(8 + data.length);
  write16(bytes, 0, source);
  write16(bytes, 2, destination);
  write16(bytes, 4, bytes.length);
  bytes.set(data, 8);
  return bytes;
}

export function tcp(source: number, destination: number, flags: number, options: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(20 + options.length);
  write16(bytes, 0, source);
  write16(bytes, 2, destination);
  write32(bytes, 4, 0x01020304);
  bytes[12] = (bytes.length >>> 2) << 4;
  bytes[13] = flags;
  bytes.set(options, 20);
  return bytes;
}

export function icmp(type: number, code: number, rest: number, data: ArrayLike<number> = []): Uint8Array {
  const bytes = new Uint8Array(8 + data.length);
  bytes[0] = type;
  bytes[1] = code;
  write32(bytes, 4, rest);
  bytes.set(data, 8);
  return bytes;
}

/** What tshark says of these packets in these fields, a line each, with every checksum looked at. */
export function tshark(
  packets: readonly Uint8Array[],
  linkType: number,
  fields: readonly string[],
  options: string[] = [],
): string[][] {
  const bytes = new Uint8Array(packets.reduce((sum, packet) => sum + packet.length + 64, 512));
  let at = writeInterface(bytes, writeSection(bytes, 0, 'test'), linkType, 65535, 'x');
  for (const packet of packets) {
    at = writePacket(bytes, at, 0, 1_800_000_000, 0, packet, 0, packet.length, packet.length, DIRECTION_UNKNOWN);
  }
  const file = join(temporaryDirectory(), 'x.pcapng');
  writeFileSync(file, bytes.subarray(0, at));
  const checks = ['ip', 'udp', 'tcp'].flatMap(name => ['-o', `${name}.check_checksum:TRUE`]);
  const text = execFileSync(
    'tshark',
    [
      '-r',
      file,
      '-n',
      ...checks,
      ...options,
      '-T',
      'fields',
      '-E',
      'separator=|',
      ...fields.flatMap(field => ['-e', field]),
    ],
    { encoding: 'utf8', stdio: 'pipe' },
  );
  return text
    .replace(/\n$/, '')
    .split('\n')
    .map(line => line.split('|'));
}
