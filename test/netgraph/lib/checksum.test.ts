// Checksums against the sum of RFC 1071 written as plainly as it can be, and against a packet of the world.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  CHECK_BAD,
  CHECK_MALFORMED,
  CHECK_NONE,
  CHECK_OK,
  checksum,
  decrementTtl,
  finish,
  ip4HeaderOk,
  set4,
  set6,
  setIp4Checksum,
  sum,
  update16,
  update32,
  verify4,
  verify6,
} from '../../../src/netgraph/lib/checksum.ts';
import { read16, write16, write32 } from '../../../src/netgraph/lib/ip.ts';

function plain(bytes: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    total += bytes[i]! * 256 + (bytes[i + 1] ?? 0);
    if (total > 0xffff) total -= 0xffff;
  }
  return 0xffff - total;
}

/** An IPv4 packet of this protocol and payload, without checksums. */
function packet4(protocol: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(20 + payload.length);
  bytes.set([0x45, 0, 0, 0, 1, 2, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 198, 51, 100, 7]);
  write16(bytes, 2, bytes.length);
  bytes.set(payload, 20);
  return bytes;
}

function packet6(protocol: number, payload: Uint8Array, extension: number[] = []): Uint8Array {
  const bytes = new Uint8Array(40 + extension.length + payload.length);
  bytes.set([0x60, 0, 0, 0, 0, 0, extension.length > 0 ? 60 : protocol, 64, 0x20, 1, 0xd, 0xb8]);
  write16(bytes, 4, bytes.length - 40);
  bytes[39] = 9;
  bytes.set(extension, 40);
  bytes.set(payload, 40 + extension.length);
  return bytes;
}

describe('checksum', () => {
  test('a piece at any offset sums as RFC 1071 says', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(7), (data, offset) => {
        const bytes = new Uint8Array(offset + data.length + 3).fill(0xaa);
        bytes.set(data, offset);
        assert.equal(checksum(bytes, offset, data.length), plain(data));
        // The same within a larger memory, and by turns in another.
        const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + 9), 9);
        shared.set(bytes);
        assert.equal(checksum(shared, offset, data.length), plain(data));
        assert.equal(checksum(bytes, offset, data.length), plain(data));
      }),
    );
    const long = new Uint8Array(65535).fill(0xff);
    assert.equal(checksum(long, 0, long.length), plain(long));
  });

  test('sums of pieces add up', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 90 }), fc.nat(45), (data, half) => {
        const cut = Math.min(half * 2, data.length & ~1);
        assert.equal(finish(sum(data, 0, cut) + sum(data, cut, data.length - cut)), plain(data));
      }),
    );
  });

  test('an update equals a new sum, but for the zero that RFC 1624 §3 names', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 8, maxLength: 40 }),
        fc.nat(1),
        fc.nat(0xffff),
        fc.nat(0xffffffff),
        (data, at, word, long) => {
          const bytes = new Uint8Array((data.length + 1) & ~1);
          bytes.set(data);
          bytes[bytes.length - 1] = 1; // a sum that is not zero has one representation
          const before = checksum(bytes, 0, bytes.length);
          const old16 = read16(bytes, at * 2);
          write16(bytes, at * 2, word);
          const middle = checksum(bytes, 0, bytes.length);
          assert.equal(update16(before, old16, word), middle);
          const old32 = ((read16(bytes, 2) << 16) | read16(bytes, 4)) >>> 0;
          write32(bytes, 2, long);
          assert.equal(update32(middle, old32, long), checksum(bytes, 0, bytes.length));
        },
      ),
    );
    assert.equal(update16(0xdd2f, 0x5555, 0x3285), 0x0000); // the example of RFC 1624 §4
  });

  test('the header of a packet of the world', () => {
    const header = Uint8Array.from(Buffer.from('45000073000040004011b861c0a80001c0a800c7', 'hex'));
    assert.ok(ip4HeaderOk(header, 0, 20));
    header[10] = 0;
    assert.ok(!ip4HeaderOk(header, 0, 20));
    setIp4Checksum(header, 0, 20);
    assert.equal(read16(header, 10), 0xb861);
    assert.equal(decrementTtl(header, 0), 63);
    assert.ok(ip4HeaderOk(header, 0, 20));
  });

  test('what is set is right, and any changed byte is noticed', () => {
    for (const [protocol, header] of [
      [6, 20],
      [17, 8],
      [1, 8],
      [58, 8],
    ] as const) {
      fc.assert(
        fc.property(fc.uint8Array({ minLength: header, maxLength: 61 }), fc.nat(60), (payload, where) => {
          if (protocol === 17) write16(payload, 4, payload.length);
          for (const v6 of protocol === 1 ? [false] : protocol === 58 ? [true] : [false, true]) {
            const bytes = v6 ? packet6(protocol, payload) : packet4(protocol, payload);
            const start = bytes.length - payload.length;
            const verify = v6 ? verify6 : verify4;
            assert.equal((v6 ? set6 : set4)(bytes, 0, bytes.length), CHECK_OK);
            assert.equal(verify(bytes, 0, bytes.length), CHECK_OK);
            const at = start + (where % payload.length);
            const checkAt = start + (protocol === 6 ? 16 : protocol === 17 ? 6 : 2);
            if (at === checkAt || at === checkAt + 1 || (protocol === 17 && at - start >= 4 && at - start < 6)) return;
            bytes[at]! ^= 0x10;
            assert.equal(verify(bytes, 0, bytes.length), CHECK_BAD);
          }
        }),
      );
    }
  });

  test('UDP: none over IPv4 is allowed, over IPv6 not; a sum of zero is sent as all ones', () => {
    const payload = new Uint8Array(10);
    write16(payload, 4, 10);
    const four = packet4(17, payload);
    assert.equal(verify4(four, 0, four.length), CHECK_NONE);
    set4(four, 0, four.length);
    write16(four, 28, read16(four, 26)); // the data takes the checksum's place: the sum comes to zero
    set4(four, 0, four.length);
    assert.equal(read16(four, 26), 0xffff);
    assert.equal(verify4(four, 0, four.length), CHECK_OK);
    const six = packet6(17, payload);
    assert.equal(verify6(six, 0, six.length), CHECK_BAD);
  });

  test('extension headers are passed, fragments and routed packets left alone, short ones told', () => {
    const payload = new Uint8Array(20).fill(7);
    const options = packet6(6, payload, [6, 0, 1, 4, 0, 0, 0, 0]);
    assert.equal(set6(options, 0, options.length), CHECK_OK);
    assert.equal(verify6(options, 0, options.length), CHECK_OK);
    const routed = packet6(6, payload, [6, 0, 4, 1, 0, 0, 0, 0]);
    routed[6] = 43;
    assert.equal(verify6(routed, 0, routed.length), CHECK_NONE);
    routed[43] = 0; // no segments left: the header names the last destination
    assert.equal(verify6(routed, 0, routed.length), CHECK_BAD);
    const later = packet6(6, payload, [6, 0, 0, 8, 0, 0, 0, 0]);
    later[6] = 44;
    assert.equal(verify6(later, 0, later.length), CHECK_NONE);
    const four = packet4(6, payload);
    four[6] = 0x20;
    assert.equal(verify4(four, 0, four.length), CHECK_NONE);
    for (let length = 0; length < options.length; length++) {
      assert.equal(verify6(options, 0, length), CHECK_MALFORMED);
      assert.equal(verify4(four, 0, Math.min(length, four.length - 1)), CHECK_MALFORMED);
    }
  });
});
