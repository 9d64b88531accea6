// ng_patch(4): every operation at every length, beside big numbers; what is skipped; checksums.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { CHECK_OK, verify4 } from '../../../src/netgraph/lib/checksum.ts';
import { Inline } from '../lib/inline.ts';
import { ip4, udp } from '../lib/packets.ts';

let inline: Inline;
beforeEach(async () => {
  inline = await Inline.open();
});
afterEach(() => inline.close());

const model: Record<number, (before: bigint, value: bigint) => bigint> = {
  1: (_before, value) => value,
  2: (before, value) => before + value,
  3: (before, value) => before - value,
  4: (before, value) => before * value,
  5: (before, value) => before / value,
  6: before => -before,
  7: (before, value) => before & value,
  8: (before, value) => before | value,
  9: (before, value) => before ^ value,
  10: (before, value) => (value > 63n ? 0n : before << value),
  11: (before, value) => (value > 63n ? 0n : before >> value),
};

test('every mode and length does what arithmetic modulo its length does', async () => {
  const node = inline.make('patch', 'in', 'out');
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 11 }),
      fc.constantFrom(1, 2, 4, 8),
      fc.uint8Array({ minLength: 12, maxLength: 12 }),
      fc.nat(4),
      fc.oneof(fc.nat(70), fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }).map(Number)),
      async (mode, length, bytes, offset, any) => {
        const value = Number(BigInt(any) % (length === 8 ? 2n ** 53n : 2n ** BigInt(8 * length)));
        fc.pre(mode !== 5 || value !== 0);
        await inline.send(node, 'setconfig', {
          count: 1,
          csum_flags: 0,
          relative_offset: 0,
          ops: [{ value, offset, length, mode }],
        });
        inline.write('in', bytes);
        const [came] = await inline.came();
        const read = (from: Uint8Array): bigint =>
          BigInt(
            `0x${Buffer.from(from)
              .subarray(offset, offset + length)
              .toString('hex')}`,
          );
        assert.equal(came!.hook, 'out');
        assert.equal(read(came!.data), BigInt.asUintN(8 * length, model[mode]!(read(bytes), BigInt(value))));
        const rest = (from: Uint8Array): string =>
          Buffer.concat([from.subarray(0, offset), from.subarray(offset + length)]).toString('hex');
        assert.equal(rest(came!.data), rest(bytes));
      },
    ),
    { numRuns: 500 },
  );
});

test('operations go one after the other, those behind the end are left out; the way back changes nothing', async () => {
  const node = inline.make('patch', 'in', 'out');
  await inline.ascii(
    node,
    'setconfig',
    '{ count=3 ops=[ { value=5 offset=0 length=1 mode=1 } { value=3 offset=0 length=1 mode=4 } { value=7 offset=9 length=2 mode=1 } ] }',
  );
  inline.write('in', Uint8Array.of(1, 2, 3));
  inline.write('out', Uint8Array.of(1, 2, 3));
  inline.write('in', Uint8Array.of());
  assert.deepEqual(await inline.hex(), ['out 0f0203', 'in 010203', 'out ']);
  const { packets } = node.counts();
  assert.equal(await inline.ascii(node, 'getclrstats'), '{ Received=3 Patched=1 }');
  assert.equal(node.counts()['packets'], packets, 'what every node counts goes on');
  assert.equal(await inline.ascii(node, 'getstats'), '{}');
  inline.graph.rmhook(node.hooks.get('out')!);
  inline.write('in', Uint8Array.of(0));
  assert.deepEqual(await inline.hex(), ['in 0f']);
  inline.graph.rmhook(node.hooks.get('in')!);
  assert.equal(node.state, 'gone');
});

test('checksums are made anew, behind an Ethernet header too', async () => {
  const node = inline.make('patch', 'in', 'out');
  const packet = ip4(udp(1000, 2000, Buffer.from('hello')), { protocol: 17 });
  // Another destination.
  const ops = [{ value: 0x0a090807, offset: 16, length: 4, mode: 1 }];
  await inline.send(node, 'setconfig', { count: 1, csum_flags: 3, relative_offset: 1, ops });
  inline.write('in', packet);
  assert.equal(await inline.ascii(node, 'getdlt'), '12');
  await inline.ascii(node, 'setdlt', '1');
  inline.write('in', Buffer.concat([Buffer.from('0200000000010200000000020800', 'hex'), packet]));
  const [raw, framed] = await inline.came();
  for (const came of [raw!.data, framed!.data.subarray(14)]) {
    assert.equal(came.subarray(16, 20).toString('hex'), '0a090807');
    assert.equal(verify4(came, 0, came.length), CHECK_OK);
  }
});

test('what is refused', async () => {
  const node = inline.make('patch', 'in', 'out');
  inline.refusesHook(node, 'EINVAL', 'other', 'other');
  const bad: [string, RegExp][] = [
    ['{ count=1 ops=[ { length=3 mode=1 } ] }', /length of 3/],
    ['{ count=1 ops=[ { length=1 mode=12 } ] }', /mode 12/],
    ['{ count=1 ops=[ { length=1 mode=1 value=256 } ] }', /256/],
    ['{ count=1 ops=[ { length=1 mode=5 } ] }', /division/],
    ['{ csum_flags=8 }', /csum_flags=8/],
  ];
  for (const [text, why] of bad) await inline.refuses(node, 'EINVAL', 'setconfig', text, why);
  await inline.refuses(node, 'EINVAL', 'setdlt', '9', /dlt=9/);
});
