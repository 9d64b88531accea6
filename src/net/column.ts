// Columns: typed arrays that grow. `grown` moves the rows into a larger array of the same kind; rows never written to
// cost no memory, because the kernel hands out zero pages only when they are touched.

export type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array;

const FULL = 1 << 20;

/**
 * Rows to grow to from `rows`. Eightfold at first, then at once to a full table's million: moving a column touches every
 * page of it twice, and what is reserved but not used yet costs nothing.
 */
export function moreRows(rows: number): number {
  if (rows >= FULL) return rows * 2;
  return rows >= 65536 ? FULL : rows * 8;
}

/**
 * `column` with room for `rows`, new ones zero. The old array must not be used again: its memory is given back at once.
 * Not `transfer(bytes)`: that writes zeros to every new page, where a new array has the kernel's untouched ones.
 */
export function grown<C extends Column>(column: C, rows: number): C {
  const Kind = column.constructor as new (rows: number) => C;
  const larger = new Kind(rows);
  larger.set(column);
  (column.buffer as ArrayBuffer).transfer(0);
  return larger;
}
