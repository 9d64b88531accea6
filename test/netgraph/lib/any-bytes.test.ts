// Whatever comes: no library throws, hangs, or writes outside the packet. Packets are right ones that were spoilt, because bytes at
// random seldom come past the first check.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { arpOperation } from '../../../src/netgraph/lib/arp.ts';
import { set4, set6, verify4, verify6 } from '../../../src/netgraph/lib/checksum.ts';
import { FlowCache } from '../../../src/netgraph/lib/flow-cache.ts';
import { fragmentCount, writeFragment } from '../../../src/netgraph/lib/fragment.ts';
import { mayError4, mayError6, turnEcho, writeError4, writeError6 } from '../../../src/netgraph/lib/icmp.ts';
import { ip6Extension } from '../../../src/netgraph/lib/ip.ts';
import { Nat } from '../../../src/netgraph/lib/nat.ts';
import { ndMessage, writeNeighborAdvert } from '../../../src/netgraph/lib/nd.ts';
import { clampMss } from '../../../src/netgraph/lib/tcpmss.ts';
import { icmp, ip4, ip6, tcp, udp } from './packets.ts';

const A = Uint8Array.from(Buffer.from('20010db8000000000000000000000001', 'hex'));
const B = Uint8Array.from(Buffer.from('ff0200000000000000000001ff000002', 'hex'));
const quoted = ip4(udp(1, 2), { source: 0xc0000201 });
const good = [
  ip4(udp(1, 2, [1, 2, 3])),
  ip4(tcp(1, 2, 2, [2, 4, 5, 0xb4, 1, 1, 1, 0]), { protocol: 6 }),
  ip4([...tcp(4000, 21, 0x18), ...Buffer.from('PORT 10,0,0,1,20,001\r\n')], { protocol: 6 }),
  ip4(icmp(8, 0, 1), { protocol: 1 }),
  ip4(icmp(3, 1, 0, quoted), { protocol: 1 }),
  ip4(udp(1, 2, new Uint8Array(200)), { options: [0x83, 7, 4, 1, 2, 3, 4, 1] }),
  ip6(tcp(1, 2, 2, [2, 4, 5, 0xb4]), 6, A, B),
  ip6(new Uint8Array([58, 0, 0, 1, 0, 0, 0, 1, ...icmp(128, 0, 1)]), 44, A, B),
  ip6(new Uint8Array([17, 1, 1, 12, ...new Uint8Array(12), ...udp(1, 2)]), 0, A, B),
  ip6(new Uint8Array([135, 0, 0, 0, 0, 0, 0, 0, ...A, 1, 1, 2, 0, 0, 0, 0, 1]), 58, A, B),
];

test('whatever comes, nothing throws and nothing outside the packet is touched', () => {
  const spoilt = fc.record({
    packet: fc.constantFrom(...good),
    changes: fc.array(fc.tuple(fc.nat(110), fc.nat(255)), { maxLength: 6 }),
    cut: fc.oneof(fc.constant(0), fc.nat(120)),
  });
  const nat = new Nat({ addresses: [0xc0000201], sessions: 100 }, 0);
  nat.ftp = true;
  const flows = new FlowCache(50, 0);
  const out = new Uint8Array(2048);
  let now = 0;
  fc.assert(
    fc.property(spoilt, ({ packet, changes, cut }) => {
      const length = Math.max(0, packet.length - cut);
      const before = 20;
      const bytes = new Uint8Array(before + packet.length + 20).fill(0xa5);
      const fresh = (): void => {
        bytes.set(packet, before);
        for (const [at, value] of changes) if (at < packet.length) bytes[before + at] = value;
        bytes.fill(0xa5, before + length);
      };
      now += 100;
      const each: (() => unknown)[] = [
        () => set4(bytes, before, length),
        () => set6(bytes, before, length),
        () => verify4(bytes, before, length),
        () => verify6(bytes, before, length),
        () => clampMss(bytes, before, length, 100),
        () => turnEcho(bytes, before, length),
        () => {
          nat.room = length;
          nat.outbound(bytes, before, length, now);
        },
        () => nat.inbound(bytes, before, length, now),
        () => nat.expire(now),
        () => flows.add(bytes, before, length, 1, now),
        () => flows.expire(now),
        () => arpOperation(bytes, before, length),
        () => ip6Extension(bytes, before, length, 43),
        () => mayError4(bytes, before, length) && writeError4(out, 0, 11, 0, 0, 1, bytes, before, length),
        () =>
          mayError6(bytes, before, length, 3, 0, false) && writeError6(out, 0, 3, 0, 0, A, 0, bytes, before, length),
        () => ndMessage(bytes, before, length) === 135 && writeNeighborAdvert(out, 0, A, 0, bytes, before, length),
        () => {
          const count = fragmentCount(bytes, before, length, 68);
          for (let i = 0; i < count; i++) {
            if (count > 1) assert.ok(writeFragment(out, 0, bytes, before, i, 68) <= 68);
          }
        },
      ];
      for (const one of each) {
        fresh();
        one();
        for (let i = 0; i < before; i++) assert.equal(bytes[i], 0xa5, String(one));
        for (let i = before + length; i < bytes.length; i++) assert.equal(bytes[i], 0xa5, String(one));
      }
      for (let flow = flows.take(); flow >= 0; flow = flows.take()) flows.release(flow);
    }),
    { numRuns: 3000 },
  );
});
