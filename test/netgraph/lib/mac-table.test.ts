// The table of Ethernet addresses: the same as a Map, and never a wrong answer to a thread that reads while another writes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import {
  formatMac,
  MAC_BUSY,
  MAC_DONE,
  MAC_FULL,
  MAC_UNSTABLE,
  MacTable,
  macWords,
} from '../../../src/netgraph/lib/mac-table.ts';

test('addresses as words and back', () => {
  const { low, high } = macWords('01:23:45:67:89:ff');
  assert.equal(low >>> 0, 0x67452301);
  assert.equal(high, 0xff89);
  assert.equal(formatMac(low, high), '01:23:45:67:89:ff');
});

test('as a Map, whatever is learnt, moved, forgotten and taken away', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('learn' as const), low: fc.nat(20), high: fc.nat(2), value: fc.nat(3) }),
    fc.record({ do: fc.constant('put' as const), low: fc.nat(20), high: fc.nat(2), value: fc.nat(3) }),
    fc.record({ do: fc.constant('move' as const), low: fc.nat(20), high: fc.nat(2), value: fc.nat(3) }),
    fc.record({ do: fc.constant('remove' as const), low: fc.nat(20), high: fc.nat(2), value: fc.constant(0) }),
    fc.record({ do: fc.constant('forget' as const), low: fc.constant(0), high: fc.constant(0), value: fc.nat(3) }),
    fc.record({ do: fc.constant('clear' as const), low: fc.constant(0), high: fc.constant(0), value: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), steps => {
      const table = new MacTable(MacTable.create(32)); // 24 of the 63 addresses fit
      const model = new Map<string, number>();
      for (const { do: what, low, high, value } of steps) {
        const key = formatMac(low, high);
        const full = !model.has(key) && model.size === 24;
        switch (what) {
          case 'learn':
            assert.equal(table.learn(low, high, value, 1), full ? MAC_FULL : MAC_DONE);
            if (!full && !model.has(key)) model.set(key, value);
            break;
          case 'put':
            assert.equal(table.put(low, high, value, 1, 0), full ? MAC_FULL : MAC_DONE);
            if (!full) model.set(key, value);
            break;
          case 'move':
            assert.equal(table.move(low, high, value, 1, 0), MAC_DONE);
            if (model.has(key)) model.set(key, value);
            break;
          case 'remove':
            assert.equal(table.remove(low, high), model.delete(key));
            break;
          case 'forget':
            table.forget(value);
            for (const [mac, of] of model) if (of === value) model.delete(mac);
            break;
          case 'clear':
            table.clear();
            model.clear();
        }
        for (let l = 0; l <= 20; l++) {
          for (let h = 0; h <= 2; h++) {
            const expected = model.get(formatMac(l, h));
            const slot = table.find(l, h);
            assert.equal(slot >= 0, expected !== undefined);
            if (slot >= 0) assert.equal(table.value, expected);
          }
        }
        assert.equal(table.count, model.size);
        assert.deepEqual(
          new Map(table.entries().map(entry => [formatMac(entry.low, entry.high), entry.value])),
          new Map(model),
        );
      }
    }),
    { numRuns: 150 },
  );
});

test('ages: what is too young does not move, and takes its new place down; what is not heard of is forgotten', () => {
  const table = new MacTable(MacTable.create(16));
  assert.equal(table.tick, 1);
  table.learn(1, 0, 100, 10);
  table.learn(2, 0, 200, 10);
  table.learn(3, 0, 200, 10);
  assert.equal(table.move(1, 0, 200, 10, 1), MAC_UNSTABLE);
  assert.equal(table.count, 1, 'all of the new value are forgotten');
  assert.equal(table.put(1, 0, 300, 10, 1), MAC_UNSTABLE);
  assert.equal(table.move(1, 0, 200, 11, 1), MAC_DONE);
  table.touch(table.find(1, 0), 15);
  assert.equal(table.born, 11);
  assert.ok(table.expire(24, 10));
  assert.equal(table.count, 1);
  assert.ok(table.expire(25, 10));
  assert.equal(table.count, 0);
});

test('who can not have the lock at once does without, and has it again when its holder is no more', () => {
  const memory = MacTable.create(16);
  const table = new MacTable(memory, 0);
  const other = new MacTable(memory, 1);
  table.learn(1, 0, 5, 1);
  assert.ok(other.lock());
  assert.equal(table.learn(2, 0, 5, 1), MAC_BUSY);
  assert.equal(table.move(1, 0, 6, 9, 1), MAC_BUSY);
  assert.equal(table.expire(100, 1), false);
  assert.ok(table.find(1, 0) >= 0, 'reading needs no lock');
  const graph = new MacTable(memory);
  graph.release(0);
  assert.equal(graph.lock(), false, 'another has died');
  graph.release(1);
  assert.ok(graph.lock());
  graph.release(1);
  assert.equal(table.learn(2, 0, 5, 1), MAC_BUSY, 'it had given it back');
  graph.unlock();
  assert.equal(table.learn(2, 0, 5, 1), MAC_DONE);
  assert.ok(table.expire(100, 1));
});

test('a table has a power of two of slots', () => {
  for (const slots of [0, 3, 24, 2 ** 25, 1.5]) assert.throws(() => MacTable.create(slots), RangeError);
});

test('a reader never sees what was not there, while addresses come, go and are moved about', async () => {
  const memory = MacTable.create(32);
  const table = new MacTable(memory);
  const flags = new Int32Array(new SharedArrayBuffer(16));
  // Of 32 slots 24 may be used, so hosts often stand in each other's way.
  table.put(25, 7, 250, 1, 0);
  const worker = new Worker(new URL('mac-reader.ts', import.meta.url), { workerData: { memory, flags } });
  const failure = new Promise<never>((_, reject) => worker.once('error', reject));
  try {
    const end = new Promise<void>(resolve => worker.once('exit', () => resolve()));
    let random = 1;
    for (let round = 0; Atomics.load(flags, 0) < 400; round++) {
      for (let i = 0; i < 1000; i++) {
        random = (Math.imul(random, 1_103_515_245) + 12_345) & 0x7fff_ffff;
        const host = 1 + ((random >> 16) % 23);
        const choice = (random >> 8) & 3;
        if (choice === 0) table.remove(host, 7);
        else table.put(host, 7, host * 10 + (choice & 1), i, 0);
      }
      if (round % 8 === 0) await Promise.race([failure, new Promise(resolve => setImmediate(resolve))]);
    }
    Atomics.store(flags, 1, 1);
    await Promise.race([failure, end]);
    assert.equal(flags[2], 0, 'wrong answers');
    assert.ok(flags[3]! > 1000, 'the reader found something');
  } finally {
    await worker.terminate();
  }
});
