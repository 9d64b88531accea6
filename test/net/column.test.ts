import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grown, moreRows, newColumn } from '../../src/net/index.ts';

test('columns that grow together keep their rows, are zero behind them, and do not touch each other', () => {
  for (const rows of [16, 100, 4097, 300_000]) {
    const a = Uint32Array.of(1, 2, 3);
    const b = Uint8Array.of(4, 5, 6);
    const c = Int32Array.of(-1, -2, -3);
    let [x, y, z] = grown(rows, a, b, c);
    assert.deepEqual([x.length, y.length, z.length], [rows, rows, rows]);
    assert.deepEqual([x.byteOffset % 4, z.byteOffset % 4], [0, 0]);
    assert.deepEqual(
      [[...x.subarray(0, 4)], [...y.subarray(0, 4)], [...z.subarray(0, 4)]],
      [
        [1, 2, 3, 0],
        [4, 5, 6, 0],
        [-1, -2, -3, 0],
      ],
    );
    x.fill(0xffffffff);
    z.fill(-1);
    assert.ok(y.subarray(3).every(value => value === 0));
    y.fill(7);
    assert.ok(x.every(value => value === 0xffffffff) && z.every(value => value === -1));
    const rows2 = moreRows(rows);
    [x, y, z] = grown(rows2, x, y, z);
    assert.equal(x[rows - 1], 0xffffffff);
    assert.equal(x[rows], 0);
    assert.equal(y[rows - 1], 7);
    assert.equal(y[rows2 - 1], 0);
  }
});

test('what has moved to a larger block gives its memory back at once', () => {
  const [first, second] = grown(1000, new Uint32Array(10), new Uint16Array(10));
  grown(2000, first, second);
  assert.deepEqual([first.length, second.length], [0, 0]);
});

test('a column made for many rows is zero', () => {
  for (const rows of [10, 1 << 20]) {
    const column = newColumn(rows);
    assert.equal(column.length, rows);
    assert.ok(column.every(value => value === 0));
  }
});
