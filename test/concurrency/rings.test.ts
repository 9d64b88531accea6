import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ByteConsumer,
  ByteProducer,
  ByteRing,
  HandleConsumer,
  HandleProducer,
  HandleRing,
  SlotPool,
  StreamReader,
  StreamRing,
  StreamWriter,
} from '../../src/concurrency/index.ts';

/** Sets the positions of an idle ring, so that they wrap at 2^32 in the middle of a test. */
function ageTo(memory: SharedArrayBuffer, position: number): void {
  const words = new Int32Array(memory);
  words[32] = position;
  words[64] = position;
}

const positions = fc.constantFrom(0, -8, 2 ** 31 - 8);

test('a handle ring behaves as a bounded queue, also where its positions wrap', () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant('push' as const), count: fc.integer({ min: 1, max: 6 }) }),
    fc.record({ kind: fc.constant('pop' as const), count: fc.integer({ min: 1, max: 6 }) }),
    fc.constant({ kind: 'publish' as const }),
    fc.constant({ kind: 'release' as const }),
  );
  fc.assert(
    fc.property(
      fc.constantFrom(1, 2, 4, 8),
      positions,
      fc.array(action, { maxLength: 60 }),
      (capacity, start, actions) => {
        const memory = HandleRing.create(capacity);
        ageTo(memory, start);
        const producer = new HandleProducer(memory);
        const consumer = new HandleConsumer(memory);
        const staged: number[] = [];
        const published: number[] = [];
        let unreleased = 0;
        let next = 0;
        let refused = 0;
        const held = (): number => staged.length + published.length + unreleased;
        for (const one of actions) {
          if (one.kind === 'push') {
            for (let i = 0; i < one.count; i++) {
              const fits = held() < capacity;
              assert.equal(producer.push(next), fits);
              if (fits) staged.push(next++);
              else refused++;
            }
          } else if (one.kind === 'pop') {
            for (let i = 0; i < one.count; i++) {
              const expected = published.shift();
              if (expected !== undefined) unreleased++;
              assert.equal(consumer.pop(), expected ?? -1);
            }
          } else if (one.kind === 'publish') {
            producer.publish();
            published.push(...staged.splice(0));
          } else {
            consumer.release();
            unreleased = 0;
          }
          assert.equal(producer.room(), capacity - held());
          assert.equal(consumer.length, published.length);
        }
        const stats = HandleRing.stats(memory);
        assert.equal(stats.refused, refused);
        assert.equal(stats.length, published.length + unreleased);
        assert.ok(stats.highWater <= capacity);
      },
    ),
  );
});

test('a byte ring gives back frames as they were, in order, contiguous and aligned', () => {
  const action = fc.oneof(
    fc.record({
      kind: fc.constant('frame' as const),
      size: fc.integer({ min: 0, max: 28 }),
      cut: fc.integer({ min: 0, max: 9 }),
    }),
    fc.constant({ kind: 'publish' as const }),
    fc.record({ kind: fc.constant('take' as const), count: fc.integer({ min: 1, max: 4 }) }),
  );
  fc.assert(
    fc.property(positions, fc.array(action, { maxLength: 80 }), (start, actions) => {
      const memory = ByteRing.create(64);
      ageTo(memory, start);
      const producer = new ByteProducer(memory);
      const consumer = new ByteConsumer(memory);
      const staged: Uint8Array[] = [];
      const published: Uint8Array[] = [];
      let seed = 1;
      for (const one of actions) {
        if (one.kind === 'frame') {
          const at = producer.reserve(one.size);
          if (at < 0) {
            assert.ok(staged.length + published.length > 0, 'an empty ring takes any frame');
            continue;
          }
          assert.equal(at % 4, 0);
          const size = Math.max(0, one.size - one.cut);
          for (let i = 0; i < size; i++) producer.bytes[at + i] = (seed * 31 + i) & 255;
          producer.commit(size);
          staged.push(producer.bytes.slice(at, at + size));
          seed++;
        } else if (one.kind === 'publish') {
          producer.publish();
          published.push(...staged.splice(0));
        } else {
          for (let i = 0; i < one.count; i++) {
            const expected = published.shift();
            assert.equal(consumer.next(), expected !== undefined);
            if (!expected) break;
            assert.deepEqual(consumer.bytes.slice(consumer.offset, consumer.offset + consumer.size), expected);
          }
          consumer.release();
        }
      }
    }),
  );
});

test('a frame larger than the ring allows is refused with its size', () => {
  const producer = new ByteProducer(ByteRing.create(64));
  assert.equal(producer.maxFrame, 28);
  assert.throws(() => producer.reserve(29), /frame of 29 bytes.*0 to 28/);
  producer.reserve(8);
  assert.throws(() => producer.commit(9), /commit of 9 bytes after a reservation of 8/);
});

test('a stream ring gives back the same bytes, however they are cut, also inside larger memory', () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant('write' as const), size: fc.integer({ min: 0, max: 20 }) }),
    fc.record({ kind: fc.constant('place' as const), size: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ kind: fc.constant('read' as const), size: fc.integer({ min: 0, max: 20 }) }),
  );
  fc.assert(
    fc.property(fc.constantFrom(0, 128, 1280), fc.array(action, { maxLength: 80 }), (offset, actions) => {
      const memory = new SharedArrayBuffer(offset + StreamRing.footprint(16) + 128);
      const guard = new Uint8Array(memory, offset + StreamRing.footprint(16));
      guard.fill(0xee);
      StreamRing.initialize(memory, offset, 16);
      const writer = new StreamWriter(memory, offset);
      const reader = new StreamReader(memory, offset);
      let written = 0;
      let read = 0;
      for (const one of actions) {
        if (one.kind === 'write') {
          const source = Uint8Array.from({ length: one.size + 2 }, (_, i) => (written + i - 1) & 255);
          const fits = written - read + one.size <= 16;
          assert.equal(writer.room, 16 - (written - read));
          assert.equal(writer.write(source, 1, one.size), fits);
          if (fits) written += one.size;
          writer.publish();
        } else if (one.kind === 'place') {
          const size = Math.min(one.size, writer.contiguous);
          for (let i = 0; i < size; i++) writer.bytes[writer.offset + i] = (written + i) & 255;
          writer.advance(size);
          written += size;
          writer.publish();
        } else {
          assert.equal(reader.peek(), written > read);
          assert.equal(reader.length, written - read);
          const size = Math.min(one.size, reader.size);
          for (let i = 0; i < size; i++) assert.equal(reader.bytes[reader.offset + i], (read + i) & 255);
          reader.consume(size);
          read += size;
        }
      }
      assert.ok(guard.every(byte => byte === 0xee));
      assert.throws(() => reader.consume(17), RangeError);
    }),
  );
});

test('a slot pool never gives a slot twice, recognises old handles and stops at its limit', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(1, 2, 3, 8, 33),
      fc.array(fc.oneof(fc.constant(-1), fc.nat(40)), { maxLength: 200 }),
      (limit, actions) => {
        const memory = SlotPool.create(8, limit);
        const pool = new SlotPool(memory);
        const other = new SlotPool(memory);
        const live: number[] = [];
        const dead: number[] = [];
        for (const one of actions) {
          if (one < 0 || live.length === 0) {
            const handle = pool.allocate();
            assert.equal(handle > 0, live.length < limit);
            if (handle === 0) continue;
            assert.ok(!live.includes(handle));
            other.words[pool.wordOf(handle)] = handle;
            other.bytes[pool.byteOf(handle) + 4] = 7;
            live.push(handle);
          } else {
            const [handle] = live.splice(one % live.length, 1);
            assert.equal(pool.words[pool.wordOf(handle!)], handle);
            pool.free(handle!);
            dead.push(handle!);
          }
        }
        for (const handle of live) assert.ok(other.holds(handle) && other.indexOf(handle) < limit);
        for (const handle of dead) {
          assert.ok(!other.holds(handle));
          assert.throws(() => pool.free(handle), /not in use/);
        }
        assert.equal(SlotPool.stats(memory).inUse, live.length);
      },
    ),
  );
});

test('sizes that cannot be are refused with the value', () => {
  assert.throws(() => HandleRing.create(3), /power of two.*3/);
  assert.throws(() => ByteRing.create(24), /power of two.*24/);
  assert.throws(() => StreamRing.create(5), /power of two.*5/);
  assert.throws(() => SlotPool.create(6, 1), /multiple of 4 bytes, not 6/);
  assert.throws(() => SlotPool.create(8, 0), /1 to 2\^24, not 0/);
});

test('a ring counts a wait once however often the push is tried again', () => {
  const memory = HandleRing.create(2);
  const producer = new HandleProducer(memory);
  const consumer = new HandleConsumer(memory);
  for (const handle of [1, 2, 3, 3, 3]) producer.push(handle);
  producer.publish();
  assert.deepEqual(HandleRing.stats(memory), { capacity: 2, length: 2, highWater: 2, refused: 3, waits: 1 });
  assert.equal(consumer.pop(), 1);
  consumer.release();
  assert.ok(producer.push(3));
  assert.ok(!producer.push(4));
  assert.equal(HandleRing.stats(memory).waits, 2);
});
