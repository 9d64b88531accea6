// Whatever packet comes in by whatever hook, whichever others are joined: nothing fails, nothing is written outside of the packet's slot, what
// goes out lies within its own, and no packet is lost: it goes out, is dropped with a reason, or is given back at the end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  NetgraphError,
  packetStride,
  PKT_DATA,
  PKT_LENGTH,
  PKT_WORDS,
  standardTypes,
} from '../../src/netgraph/index.ts';
import { runs } from './lib/fuzz.ts';
import { SAMPLES } from './lib/good-messages.ts';
import { Inline } from './lib/inline.ts';
import { icmp, ip4, ip6, tcp, udp } from './lib/packets.ts';

const SHAPE = { perWorker: 24, maxBytes: 2048 };
const CANARY = 0xa5;
/** Types of which each packet that comes in goes out once or ends. The others copy, make packets of their own, cut or keep some. */
const ONE_FOR_ONE: readonly string[] =
  'bpf checksum counter echo etf fib4 fib6 macfilter patch split tag tcpmss vlan vlan_rotate'.split(' ');
const LENGTHS = [0, 1, 13, 14, 15, 17, 18, 19, 20, 21, 27, 28, 33, 34, 39, 40, 42, 54, 60, 576, 1514, 2044, 2047, 2048];

const [A, B] = ['20010db8000000000000000000000001', '20010db8000000000000000000000002'].map(hex =>
  Uint8Array.from(Buffer.from(hex, 'hex')),
) as [Uint8Array, Uint8Array];
const extension = (next: number, length: number, of: ArrayLike<number>): Uint8Array =>
  Uint8Array.from([next, length, ...new Array<number>(8 * length + 6).fill(1), ...Array.from(of)]);
const IP: readonly Uint8Array[] = [
  ip4(udp(1, 53, [1, 2, 3])),
  ip4(tcp(1, 80, 2, [2, 4, 5, 0xb4, 1, 1, 1, 0]), { protocol: 6, destination: 0xc0000201 }),
  ip4(icmp(8, 0, 1), { protocol: 1, destination: 0xc0000201, ttl: 1 }),
  ip4(icmp(3, 4, 576, ip4(udp(1, 2))), { protocol: 1 }),
  ip4(udp(1, 2, new Uint8Array(1400)), { options: [7, 7, 4, 1, 2, 3, 4, 0], fragment: 0x2000 }),
  ip4(new Uint8Array(64), { fragment: 0x0010, protocol: 47 }),
  ip6(udp(1, 53, [1]), 17, A, B),
  ip6(extension(44, 0, [6, 0, 0, 1, 0, 0, 0, 1, ...tcp(1, 2, 2, [2, 4, 5, 0xb4])]), 0, A, B),
  ip6(extension(43, 1, extension(17, 2, udp(1, 2, [9]))), 60, A, B),
  ip6(Uint8Array.from([135, 0, 0, 0, 0, 0, 0, 0, ...A, 1, 1, 2, 0, 0, 0, 0, 1]), 58, A, B),
  ip6(Uint8Array.from([136, 0, 0, 0, 0x60, 0, 0, 0, ...B, 2, 1, 2, 0, 0, 0, 0, 2]), 58, B, A),
];

const arp = (operation: string): Uint8Array =>
  Uint8Array.from(Buffer.from(`00010800060400${operation}020000000002c0000202000000000000c0000201`, 'hex'));

const tags = fc.array(fc.tuple(fc.constantFrom(0x8100, 0x88a8, 0x9100), fc.constantFrom(0, 100, 200, 0xffff)), {
  maxLength: 12,
});
const macs = fc.constantFrom('020000000001020000000002', 'ffffffffffff020000000001', '01005e000001010000000001');

/** Ethernet around it. */
function framed(payload: Uint8Array, addresses: string, stack: readonly (readonly [number, number])[]): Uint8Array {
  const words = [...stack.flat(), payload[0]! >>> 4 === 6 ? 0x86dd : payload.length === 28 ? 0x806 : 0x800];
  const header = words.flatMap(word => [word >>> 8, word & 255]);
  return Uint8Array.from([...Buffer.from(addresses, 'hex'), ...header, ...payload]);
}

const whole = fc.oneof(
  fc.constantFrom(...IP),
  fc.tuple(fc.constantFrom(...IP), macs, tags).map(([packet, addresses, stack]) => framed(packet, addresses, stack)),
  fc.constantFrom('01', '02').map(operation => framed(arp(operation), 'ffffffffffff020000000002', [])),
  fc.uint8Array({ maxLength: 80 }),
);
/** Cut, filled up, or changed in some bytes of its headers. */
const packets = fc
  .record({
    packet: whole,
    length: fc.option(fc.constantFrom(...LENGTHS), { freq: 2 }),
    changes: fc.array(fc.tuple(fc.nat(90), fc.oneof(fc.nat(255), fc.constantFrom(0, 0xff))), { maxLength: 4 }),
  })
  .map(({ packet, length, changes }) => {
    const bytes = new Uint8Array(Math.min(length ?? packet.length, SHAPE.maxBytes));
    bytes.set(packet.subarray(0, bytes.length));
    for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
    return bytes;
  });

/** Every second slot is nobody's, and full of what no packet has; and who takes bytes of a packet looks where they lie. */
function guard({ plane: { packets: slots } }: Inline): () => void {
  const stride = packetStride({ ...SHAPE, workers: 1 });
  const handles: number[] = [];
  for (let handle = slots.allocate(); handle !== 0; handle = slots.allocate()) handles.push(handle);
  handles.sort((a, b) => a - b);
  const canaries = handles.filter((_, i) => i % 2 === 1);
  for (const handle of handles) {
    if (canaries.includes(handle)) slots.bytes.fill(CANARY, handle * 4, handle * 4 + stride);
    else slots.release(handle);
  }
  const take = slots.take.bind(slots);
  slots.take = handle => {
    const [data, length] = [slots.words[handle + PKT_DATA]!, slots.words[handle + PKT_LENGTH]!];
    assert.ok(
      data >= (handle + PKT_WORDS) * 4 && length >= 0 && data + length <= handle * 4 + stride,
      `${data} ${length}`,
    );
    return take(handle);
  };
  return () => {
    for (const handle of canaries) {
      const around = slots.bytes.subarray(handle * 4, handle * 4 + stride);
      assert.ok(
        around.every(byte => byte === CANARY),
        "a slot that is nobody's was written",
      );
      slots.release(handle);
    }
  };
}

/** False where the node keeps all that there is. */
function write(inline: Inline, hook: string, packet: Uint8Array): boolean {
  try {
    inline.write(hook, packet);
    return true;
  } catch (error) {
    assert.equal((error as NetgraphError).code, 'ENOBUFS');
    return false;
  }
}

for (const { name: type } of standardTypes) {
  const sample = SAMPLES[type];
  if (!sample) continue;
  test(`${type}: whatever comes`, async () => {
    const property = fc.asyncProperty(
      fc.subarray([...sample.hooks], { minLength: 1 }),
      fc.subarray([...sample.messages]),
      fc.array(fc.record({ by: fc.nat(20), packet: packets, count: fc.constantFrom(1, 1, 2, 5) }), { maxLength: 12 }),
      async (hooks, messages, steps) => {
        const inline = await Inline.open({ packets: SHAPE });
        const unguard = guard(inline);
        const node = inline.make(type, ...hooks);
        node.persistent = true;
        for (const [message, text] of messages) {
          if (message === 'start') continue;
          try {
            await inline.ascii(node, message, text);
          } catch (error) {
            assert.ok(error instanceof NetgraphError, String(error));
          }
        }
        let written = 0;
        for (const { by, packet, count } of steps) {
          for (let i = 0; i < count; i++) if (write(inline, hooks[by % hooks.length]!, packet)) written++;
          inline.pass(1);
        }
        inline.pass(1000);
        const came = (await inline.came()).length;
        const counts = node.counts();
        assert.equal(counts['packets'], written, 'each was received');
        if (ONE_FOR_ONE.includes(type)) {
          const dropped = Object.entries(counts).filter(([name]) => name.startsWith('drop.'));
          assert.equal(came + dropped.reduce((sum, [, count]) => sum + count, 0), written, JSON.stringify(counts));
        }
        inline.graph.shutdown(node);
        unguard();
        await inline.close();
      },
    );
    await fc.assert(property, runs(6));
  });
}
