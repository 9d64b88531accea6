// Columns: typed arrays that grow. `grown` moves the rows into a larger array of the same kind; rows never written to
// cost no memory, because the kernel hands out zero pages only when they are touched.

type Column = Uint8Array | Uint16Array | Uint32Array;

/** `column` with room for `rows`, new ones zero. The old array must not be used again. */
export function grown<C extends Column>(column: C, rows: number): C {
  const Kind = column.constructor as new (buffer: ArrayBuffer) => C;
  return new Kind((column.buffer as ArrayBuffer).transfer(rows * column.BYTES_PER_ELEMENT));
}
