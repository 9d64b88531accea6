// A capture, read by tshark and capinfos, and its bytes by hand where they matter to a reader that is stricter.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  DIRECTION_IN,
  DIRECTION_OUT,
  DIRECTION_UNKNOWN,
  LINKTYPE_ETHERNET,
  LINKTYPE_RAW,
  PCAPNG_PACKET_OVERHEAD,
  writeInterface,
  writePacket,
  writeSection,
  writeStatistics,
} from '../../../src/netgraph/lib/pcapng.ts';
import { temporaryDirectory } from '../../lib/temporary.ts';

const ARP = Uint8Array.from(
  Buffer.from('ffffffffffff02000000000208060001080006040001020000000002c0000201000000000000c0000202', 'hex'),
);
const IP = Uint8Array.from(Buffer.from('4500001c00000000401100000a000001c6336407c350003500080000', 'hex'));

describe('pcapng', () => {
  test('tshark reads what was written: interfaces, times to the nanosecond, lengths, directions, comments', () => {
    const bytes = new Uint8Array(4096);
    let at = writeSection(bytes, 0, 'grevy');
    at = writeInterface(bytes, at, LINKTYPE_ETHERNET, 65535, 'left.hook');
    at = writeInterface(bytes, at, LINKTYPE_RAW, 65535, 'r');
    at = writePacket(bytes, at, 0, 1_800_000_000, 123_456_789, ARP, 0, ARP.length, ARP.length, DIRECTION_IN);
    at = writePacket(
      bytes,
      at,
      1,
      1_800_000_001,
      999_999_999,
      IP,
      0,
      IP.length,
      1500,
      DIRECTION_OUT,
      Buffer.from('cut ✂'),
    );
    at = writePacket(bytes, at, 0, 4_294_967_295, 1, ARP, 2, 15, 15, DIRECTION_UNKNOWN);
    at = writeStatistics(bytes, at, 0, 1_800_000_000, 1_800_000_002, 5, 2 ** 33 + 7, 3);
    const file = join(temporaryDirectory(), 'x.pcapng');
    writeFileSync(file, bytes.subarray(0, at));
    const fields =
      'frame.interface_name frame.time_epoch frame.cap_len frame.len frame.packet_flags_direction frame.comment';
    const text = execFileSync(
      'tshark',
      ['-r', file, '-T', 'fields', ...fields.split(' ').flatMap(field => ['-e', field])],
      { encoding: 'utf8', stdio: 'pipe' },
    );
    assert.deepEqual(
      text
        .replace(/\n$/, '')
        .split('\n')
        .map(line => line.split('\t').map(field => field.trim())),
      [
        ['left.hook', '1800000000.123456789', '42', '42', '0x00000001', ''],
        ['r', '1800000001.999999999', '28', '1500', '0x00000002', 'cut ✂'],
        ['left.hook', '4294967295.000000001', '15', '15', '', ''],
      ],
    );
    const protocols = execFileSync('tshark', ['-r', file, '-T', 'fields', '-e', 'frame.protocols'], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
    assert.match(protocols, /^eth:ethertype:arp\nraw:ip:udp/);
    const info = execFileSync('capinfos', [file], { encoding: 'utf8' });
    assert.match(info, /Capture application:\s+grevy/);
    assert.match(info, /Name = left\.hook/);
    assert.match(info, /Time precision = nanoseconds/);
    assert.match(info, /Number of stat entries = 1/);
  });

  test('every block says its length twice, and is padded', () => {
    const bytes = new Uint8Array(4096).fill(0xcc);
    for (let length = 0; length < 9; length++) {
      const end = writePacket(bytes, 4, 0, 1, 2, ARP, 0, length, length, DIRECTION_IN);
      const view = new DataView(bytes.buffer);
      assert.equal(end % 4, 0);
      assert.ok(end - 4 <= length + PCAPNG_PACKET_OVERHEAD);
      assert.equal(view.getUint32(8, true), end - 4);
      assert.equal(view.getUint32(end - 4, true), end - 4);
      assert.ok(bytes.subarray(32 + length, 32 + ((length + 3) & ~3)).every(byte => byte === 0));
    }
  });

  test('what has no room is refused whole', () => {
    const end = writePacket(new Uint8Array(4096), 0, 0, 1, 2, ARP, 0, 42, 42, DIRECTION_IN);
    for (let room = 0; room < end; room++) {
      const bytes = new Uint8Array(room);
      assert.equal(writePacket(bytes, 0, 0, 1, 2, ARP, 0, 42, 42, DIRECTION_IN), -1);
      assert.ok(bytes.every(byte => byte === 0));
    }
    assert.equal(writePacket(new Uint8Array(end), 0, 0, 1, 2, ARP, 0, 42, 42, DIRECTION_IN), end);
    assert.equal(writeSection(new Uint8Array(30), 0, 'grevy'), -1);
    assert.equal(writeInterface(new Uint8Array(30), 0, 1, 0, 'x'), -1);
    assert.equal(writeStatistics(new Uint8Array(70), 0, 0, 1, 1, 1, 1, 1), -1);
  });
});
