// What a router says and does to packets: MSS, ARP, Neighbor Discovery, ICMP errors, fragments. tshark reads what is built.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  ARP_FRAME_BYTES,
  ARP_REPLY,
  ARP_REQUEST,
  arpOperation,
  arpSenderIp,
  arpTargetIp,
  writeArpReply,
  writeArpRequest,
} from '../../../src/netgraph/lib/arp.ts';
import { CHECK_OK, ip4HeaderOk, set6, verify4, verify6 } from '../../../src/netgraph/lib/checksum.ts';
import {
  FRAGMENT_FORBIDDEN,
  FRAGMENT_MALFORMED,
  fragmentCount,
  writeFragment,
} from '../../../src/netgraph/lib/fragment.ts';
import {
  ErrorLimiter,
  ICMP6_PACKET_TOO_BIG,
  ICMP6_PARAMETER_PROBLEM,
  ICMP6_UNREACHABLE,
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  ICMP_UNREACHABLE_NEED_FRAGMENT,
  mayError4,
  mayError6,
  turnEcho,
  writeError4,
  writeError6,
} from '../../../src/netgraph/lib/icmp.ts';
import { read16, write16 } from '../../../src/netgraph/lib/ip.ts';
import {
  ND_ADVERT,
  ND_FRAME_BYTES,
  ND_OVERRIDE,
  ND_ROUTER,
  ND_SOLICIT,
  ndFlags,
  ndLinkLayer,
  ndMessage,
  ndTarget,
  writeNeighborAdvert,
  writeNeighborSolicit,
} from '../../../src/netgraph/lib/nd.ts';
import {
  clampMss,
  MSS_BAD_OPTIONS,
  MSS_CLAMPED,
  MSS_KEPT,
  MSS_MALFORMED,
  MSS_UNTOUCHED,
} from '../../../src/netgraph/lib/tcpmss.ts';
import { icmp, ip4, ip6, tcp, tshark, udp } from './packets.ts';

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const A6 = Uint8Array.from(Buffer.from('20010db8000000000000000000000001', 'hex'));
const B6 = Uint8Array.from(Buffer.from('20010db80000000000000000abcdef02', 'hex'));
const MULTICAST6 = Uint8Array.from(Buffer.from('ff020000000000000000000000000001', 'hex'));

describe('tcpmss', () => {
  test('the option is lowered wherever it stands, and the checksum stays right', () => {
    for (const before of [[], [1], [1, 1], [1, 3, 3, 7]]) {
      const options = [...before, 2, 4, 5, 0xb4];
      while (options.length % 4 !== 0) options.push(0);
      for (const bytes of [ip4(tcp(1, 2, 0x02, options), { protocol: 6 }), ip6(tcp(1, 2, 0x12, options), 6, A6, B6)]) {
        const verify = bytes[0]! >>> 4 === 4 ? verify4 : verify6;
        const at = bytes.length - options.length + before.length + 2;
        assert.equal(clampMss(bytes, 0, bytes.length, 1460), MSS_KEPT);
        assert.equal(clampMss(bytes, 0, bytes.length, 1212), MSS_CLAMPED);
        assert.equal(read16(bytes, at), 1212);
        assert.equal(verify(bytes, 0, bytes.length), CHECK_OK, `${before.length} bytes before`);
        assert.equal(clampMss(bytes, 0, bytes.length, 1212), MSS_KEPT);
      }
    }
  });

  test('only a SYN has its option lowered; what is malformed is told and left alone', () => {
    const mss = [2, 4, 5, 0xb4];
    const data = ip4(tcp(1, 2, 0x10, mss), { protocol: 6 });
    assert.equal(clampMss(data, 0, data.length, 500), MSS_UNTOUCHED);
    const later = ip4(tcp(1, 2, 0x02, mss), { protocol: 6, fragment: 5 });
    assert.equal(clampMss(later, 0, later.length, 500), MSS_UNTOUCHED);
    const other = ip4(udp(1, 2, new Uint8Array(20)));
    assert.equal(clampMss(other, 0, other.length, 500), MSS_UNTOUCHED);
    for (const bad of [
      [3, 0, 0, 0],
      [3, 9, 0, 0],
      [1, 1, 1, 2],
      [2, 3, 5, 0],
    ]) {
      const bytes = ip4(tcp(1, 2, 0x02, bad), { protocol: 6 });
      const copy = bytes.slice();
      assert.equal(clampMss(bytes, 0, bytes.length, 500), MSS_BAD_OPTIONS, String(bad));
      assert.deepEqual(bytes, copy);
    }
    const whole = ip4(tcp(1, 2, 0x02, mss), { protocol: 6 });
    for (let length = 0; length < whole.length; length++) assert.equal(clampMss(whole, 0, length, 500), MSS_MALFORMED);
  });
});

describe('arp', () => {
  test('a request and its reply, as tshark reads them', () => {
    const request = new Uint8Array(ARP_FRAME_BYTES + 2);
    assert.equal(writeArpRequest(request, 2, MAC, 0xc0000201, 0xc0000202), ARP_FRAME_BYTES);
    assert.equal(arpOperation(request, 16, 28), ARP_REQUEST);
    assert.deepEqual([arpSenderIp(request, 16), arpTargetIp(request, 16)], [0xc0000201, 0xc0000202]);
    const reply = new Uint8Array(ARP_FRAME_BYTES);
    writeArpReply(reply, 0, Uint8Array.of(2, 0, 0, 0, 0, 2), 0xc0000202, request, 16);
    assert.equal(arpOperation(reply, 14, 28), ARP_REPLY);
    const fields = [
      'eth.dst',
      'eth.src',
      'arp.opcode',
      'arp.src.hw_mac',
      'arp.src.proto_ipv4',
      'arp.dst.hw_mac',
      'arp.dst.proto_ipv4',
    ];
    assert.deepEqual(tshark([request.subarray(2), reply], 1, fields), [
      [
        'ff:ff:ff:ff:ff:ff',
        '02:00:00:00:00:01',
        '1',
        '02:00:00:00:00:01',
        '192.0.2.1',
        '00:00:00:00:00:00',
        '192.0.2.2',
      ],
      [
        '02:00:00:00:00:01',
        '02:00:00:00:00:02',
        '2',
        '02:00:00:00:00:02',
        '192.0.2.2',
        '02:00:00:00:00:01',
        '192.0.2.1',
      ],
    ]);
    for (let length = 0; length < 28; length++) assert.equal(arpOperation(reply, 14, length), -1);
    for (const at of [15, 16, 18, 19, 21]) {
      const other = reply.slice();
      other[at]! ^= 8;
      assert.equal(arpOperation(other, 14, 28), -1, `byte ${at}`);
    }
  });
});

describe('nd', () => {
  const fields = ['eth.dst', 'ipv6.dst', 'icmpv6.type', 'icmpv6.checksum.status', 'icmpv6.opt.linkaddr', 'ipv6.hlim'];

  test('a solicitation and its advertisement, as tshark reads them', () => {
    const solicit = new Uint8Array(ND_FRAME_BYTES);
    assert.equal(writeNeighborSolicit(solicit, 0, MAC, A6, B6, 0), ND_FRAME_BYTES);
    assert.equal(ndMessage(solicit, 14, 72), ND_SOLICIT);
    assert.deepEqual(solicit.subarray(ndTarget(14), ndTarget(14) + 16), B6);
    assert.deepEqual(solicit.subarray(ndLinkLayer(solicit, 14, 72), ndLinkLayer(solicit, 14, 72) + 6), MAC);
    const advert = new Uint8Array(ND_FRAME_BYTES);
    writeNeighborAdvert(advert, 0, Uint8Array.of(2, 0, 0, 0, 0, 2), ND_ROUTER | ND_OVERRIDE, solicit, 14, 72);
    assert.equal(ndMessage(advert, 14, 72), ND_ADVERT);
    assert.equal(ndFlags(advert, 14), 0xe0);
    assert.deepEqual(tshark([solicit, advert], 1, fields), [
      ['33:33:ff:cd:ef:02', 'ff02::1:ffcd:ef02', '135', '1', '02:00:00:00:00:01', '255'],
      ['02:00:00:00:00:01', '2001:db8::1', '136', '1', '02:00:00:00:00:02', '255'],
    ]);
  });

  test('an asker without an address is answered through all nodes, not as solicited', () => {
    const probe = new Uint8Array(ND_FRAME_BYTES);
    writeNeighborSolicit(probe, 0, MAC, new Uint8Array(16), B6, 0);
    assert.equal(ndMessage(probe, 14, 72), -1); // it may not tell a link-layer address
    write16(probe, 18, 24);
    set6(probe, 14, 64);
    assert.equal(ndMessage(probe, 14, 64), ND_SOLICIT);
    const advert = new Uint8Array(ND_FRAME_BYTES);
    writeNeighborAdvert(advert, 0, MAC, ND_OVERRIDE, probe, 14, 64);
    assert.equal(ndMessage(advert, 14, 72), ND_ADVERT);
    assert.equal(ndFlags(advert, 14), ND_OVERRIDE);
    assert.deepEqual(tshark([advert], 1, ['eth.dst', 'ipv6.dst', 'ipv6.src']), [
      ['33:33:00:00:00:01', 'ff02::1', '2001:db8::abcd:ef02'],
    ]);
  });

  test('what RFC 4861 §7.1 calls invalid is refused', () => {
    const good = new Uint8Array(ND_FRAME_BYTES);
    writeNeighborSolicit(good, 0, MAC, A6, B6, 0);
    const spoil = (at: number, value: number): number => {
      const bytes = good.slice();
      bytes[at] = value;
      set6(bytes, 14, 72);
      return ndMessage(bytes, 14, 72);
    };
    assert.equal(spoil(14 + 40, 135), ND_SOLICIT);
    assert.equal(spoil(14 + 7, 254), -1);
    assert.equal(spoil(14 + 41, 1), -1);
    assert.equal(spoil(14 + 48, 255), -1);
    assert.equal(spoil(14 + 65, 0), -1);
    assert.equal(spoil(14 + 65, 2), -1);
    const broken = good.slice();
    broken[60]! ^= 1;
    assert.equal(ndMessage(broken, 14, 72), -1);
    for (let length = 0; length < 72; length++) assert.equal(ndMessage(good, 14, length), -1);
  });
});

describe('icmp', () => {
  test('errors quote the packet, as tshark reads them', () => {
    const long = ip4(udp(5000, 53, new Uint8Array(1000).fill(7)), { ttl: 1 });
    const out = new Uint8Array(2000);
    const first = writeError4(out, 0, ICMP_TIME_EXCEEDED, 0, 0, 0xc0000201, long, 0, long.length);
    assert.equal(first, 576);
    const second = writeError4(
      out,
      600,
      ICMP_UNREACHABLE,
      ICMP_UNREACHABLE_NEED_FRAGMENT,
      1280,
      0xc0000201,
      long,
      0,
      long.length,
    );
    const fields = [
      'icmp.type',
      'icmp.code',
      'icmp.checksum.status',
      'ip.checksum.status',
      'ip.src',
      'ip.dst',
      'icmp.mtu',
      'udp.dstport',
    ];
    assert.deepEqual(tshark([out.slice(0, first), out.slice(600, 600 + second)], 101, fields), [
      ['11', '0', '1', '1,1', '192.0.2.1,10.0.0.1', '10.0.0.1,198.51.100.7', '', '53'],
      ['3', '4', '1', '1,1', '192.0.2.1,10.0.0.1', '10.0.0.1,198.51.100.7', '1280', '53'],
    ]);
    assert.equal(verify4(out, 0, first), CHECK_OK);
    const six = ip6(udp(5000, 53, new Uint8Array(1400)), 17, A6, B6);
    const size = writeError6(out, 0, ICMP6_PACKET_TOO_BIG, 0, 1300, B6, 0, six, 0, six.length);
    assert.equal(size, 1280);
    const got = tshark([out.slice(0, size)], 101, [
      'icmpv6.type',
      'icmpv6.mtu',
      'icmpv6.checksum.status',
      'udp.dstport',
    ]);
    assert.deepEqual(got, [['2', '1300', '1', '53']]);
  });

  test('RFC 1812 §4.3.2.7: about what no error is sent', () => {
    const may = (payload: Uint8Array, about = {}): boolean => {
      const bytes = ip4(payload, about);
      return mayError4(bytes, 0, bytes.length);
    };
    assert.ok(may(udp(1, 2)));
    assert.ok(may(icmp(8, 0, 0), { protocol: 1 }));
    assert.ok(may(udp(1, 2), { fragment: 0x2000 }));
    assert.ok(!may(icmp(3, 1, 0), { protocol: 1 }));
    assert.ok(!may(icmp(11, 0, 0), { protocol: 1 }));
    assert.ok(!may(icmp(5, 0, 0), { protocol: 1 }));
    assert.ok(!may(new Uint8Array(0), { protocol: 1 }));
    assert.ok(!may(udp(1, 2), { fragment: 1 }));
    for (const source of [0, 0x7f000001, 0xe0000001, 0xf0000001, 0xffffffff]) assert.ok(!may(udp(1, 2), { source }));
    for (const destination of [0xe0000001, 0xffffffff]) assert.ok(!may(udp(1, 2), { destination }));
  });

  test('RFC 4443 §2.4 (e): about what no error is sent', () => {
    const may = (bytes: Uint8Array, type = ICMP6_UNREACHABLE, code = 0, link = false): boolean =>
      mayError6(bytes, 0, bytes.length, type, code, link);
    const plain = ip6(udp(1, 2), 17, A6, B6);
    assert.ok(may(plain));
    assert.ok(!may(plain, ICMP6_UNREACHABLE, 0, true));
    assert.ok(may(plain, ICMP6_PACKET_TOO_BIG, 0, true));
    const many = ip6(udp(1, 2), 17, A6, MULTICAST6);
    assert.ok(!may(many));
    assert.ok(may(many, ICMP6_PACKET_TOO_BIG));
    assert.ok(may(many, ICMP6_PARAMETER_PROBLEM, 2));
    assert.ok(!may(many, ICMP6_PARAMETER_PROBLEM, 1));
    assert.ok(may(ip6(icmp(128, 0, 0), 58, A6, B6)));
    assert.ok(!may(ip6(icmp(1, 0, 0), 58, A6, B6)));
    assert.ok(!may(ip6(icmp(137, 0, 0), 58, A6, B6)));
    assert.ok(!may(ip6(udp(1, 2), 17, new Uint8Array(16), B6)));
    assert.ok(!may(ip6(udp(1, 2), 17, MULTICAST6, B6)));
  });

  test('an echo request to us becomes its reply', () => {
    const four = ip4(icmp(8, 0, 0x12340001, [1, 2, 3]), { protocol: 1, ttl: 3, options: [1, 1, 1, 0] });
    assert.ok(turnEcho(four, 0, four.length));
    assert.ok(ip4HeaderOk(four, 0, 24));
    assert.equal(verify4(four, 0, four.length), CHECK_OK);
    const six = ip6(icmp(128, 0, 0x12340001, [1, 2, 3]), 58, A6, B6);
    assert.ok(turnEcho(six, 0, six.length));
    assert.equal(verify6(six, 0, six.length), CHECK_OK);
    assert.deepEqual([six.subarray(8, 24), six.subarray(24, 40)], [B6, A6]);
    const fields = ['_ws.col.Source', '_ws.col.Destination', 'icmp.type', 'icmp.checksum.status', 'icmpv6.type'];
    const [read] = tshark([four], 101, fields);
    assert.deepEqual(read, ['198.51.100.7', '10.0.0.1', '0', '1', '']);
    assert.ok(!turnEcho(four, 0, four.length));
    assert.ok(!turnEcho(six, 0, six.length));
  });

  test('errors are few: a burst, then the rate', () => {
    const limiter = new ErrorLimiter(10, 5, 0);
    const burst = Array.from({ length: 8 }, () => limiter.allow(0));
    assert.deepEqual(burst, [true, true, true, true, true, false, false, false]);
    let sent = 0;
    for (let now = 1; now <= 1000; now++) if (limiter.allow(now)) sent++;
    assert.equal(sent, 10);
    assert.throws(() => new ErrorLimiter(10, 0, 0), /burst of 1, not 10 and 0/);
  });
});

describe('fragment', () => {
  /** A packet put together again from fragments in any order, as RFC 791 has it. */
  function reassembled(fragments: Uint8Array[]): { data: Uint8Array; more: boolean; from: number } {
    const from = Math.min(...fragments.map(bytes => (read16(bytes, 6) & 0x1fff) * 8));
    const parts = fragments.map(bytes => ({
      at: (read16(bytes, 6) & 0x1fff) * 8 - from,
      data: bytes.subarray((bytes[0]! & 15) * 4),
    }));
    const total = Math.max(...parts.map(part => part.at + part.data.length));
    assert.equal(
      parts.reduce((sum, part) => sum + part.data.length, 0),
      total,
      'no byte twice, none missing',
    );
    const data = new Uint8Array(total);
    for (const part of parts) data.set(part.data, part.at);
    return { data, more: fragments.every(bytes => (read16(bytes, 6) & 0x2000) !== 0), from };
  }

  test('fragments fit, are the packet again, and carry the options they must', () => {
    const optionSets = [[], [1, 1, 1, 0], [0x83, 7, 4, 1, 2, 3, 4, 1], [7, 7, 4, 0, 0, 0, 0, 0x82, 3, 9, 1, 0]];
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 8, maxLength: 3000 }),
        fc.integer({ min: 68, max: 1500 }),
        fc.constantFrom(...optionSets),
        fc.constantFrom(0, 0x2000, 0x2005, 0x0010),
        (payload, mtu, options, flags) => {
          const bytes = ip4(payload, { protocol: 99, options, fragment: flags });
          const count = fragmentCount(bytes, 0, bytes.length, mtu);
          if (bytes.length <= mtu) {
            assert.equal(count, 1);
            return;
          }
          const fragments = Array.from({ length: count }, (_, index) => {
            const out = new Uint8Array(mtu + 2).fill(0xcc);
            const size = writeFragment(out, 1, bytes, 0, index, mtu);
            assert.ok(size <= mtu && size > 20);
            const fragment = out.slice(1, 1 + size);
            assert.ok(ip4HeaderOk(fragment, 0, (fragment[0]! & 15) * 4));
            assert.equal(out[1 + size], 0xcc);
            const kept = fragment.subarray(20, (fragment[0]! & 15) * 4);
            const copied = options.includes(0x83)
              ? [0x83, 7, 4, 1, 2, 3, 4, 0]
              : options.includes(0x82)
                ? [0x82, 3, 9, 0]
                : [];
            assert.deepEqual([...kept], index === 0 ? options : copied);
            return fragment;
          });
          const { data, more, from } = reassembled(fragments);
          assert.deepEqual(data, payload);
          assert.equal(more, (flags & 0x2000) !== 0);
          assert.equal(from, (flags & 0x1fff) * 8);
        },
      ),
    );
  });

  test('tshark puts them together again', () => {
    const bytes = ip4(udp(1, 2, new Uint8Array(2000).fill(5)), { id: 77 });
    const count = fragmentCount(bytes, 0, bytes.length, 576);
    const fragments = Array.from({ length: count }, (_, index) => {
      const out = new Uint8Array(576);
      return out.slice(0, writeFragment(out, 0, bytes, 0, index, 576));
    });
    const lines = tshark(fragments, 101, ['udp.checksum.status', 'udp.length']);
    assert.equal(lines.length, 4);
    assert.deepEqual(lines.at(-1), ['1', '2008']);
  });

  test('what may not be cut says so', () => {
    const bytes = ip4(udp(1, 2, new Uint8Array(100)), { fragment: 0x4000 });
    assert.equal(fragmentCount(bytes, 0, bytes.length, 68), FRAGMENT_FORBIDDEN);
    assert.equal(fragmentCount(bytes, 0, bytes.length, 128), 1);
    assert.equal(fragmentCount(bytes, 0, 50, 68), FRAGMENT_MALFORMED);
    bytes[6] = 0;
    assert.equal(fragmentCount(bytes, 0, bytes.length, 27), FRAGMENT_MALFORMED);
  });
});
