// Columns: typed arrays that grow. The columns of a table grow together, into one block of memory, one behind the other:
//
//   block   │ first ▓▓▓▓▓▓▓▓▓░░░│ next ▓▓▓▓▓▓▓▓▓░░░│ flags ▓▓▓▓░│      ▓ moved rows   ░ room, zero
//
// What was never written to costs no memory, because the kernel hands out zero pages when they are touched. Touching is what
// costs time: up to 11 µs a page on a virtual machine, and a full table touches 40,000. So rows are moved while they are few,
// and a block for many is reserved at once. (Huge pages cost there as much for their bytes, and all of it at one touch: 5 ms.)

export type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array;

const SMALL = 8192;
const FULL = 1 << 20;
const PAGE = 4096;

/** Rows to grow to from `rows`: eightfold at first, then at once to a full table's million, then twice. */
export function moreRows(rows: number): number {
  if (rows >= FULL) return rows * 2;
  return rows >= SMALL ? FULL : rows * 8;
}

/**
 * V8 counts an ArrayBuffer's bytes, touched or not, and collects garbage for every 64 MB of them; of shared memory it knows
 * nothing. What is large stays until its table goes.
 */
function zeros(bytes: number, rows: number): ArrayBufferLike {
  return rows >= FULL ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes);
}

/** A new column of zeros. */
export function newColumn(rows: number): Uint32Array {
  return new Uint32Array(zeros(rows * 4, rows));
}

/**
 * The columns with room for `rows`, new ones zero, in one new block. The old ones must not be used again: their memory is
 * given back at once, so all columns of a block have to move together.
 */
export function grown<C extends readonly Column[]>(rows: number, ...columns: C): C {
  let bytes = 0;
  for (const column of columns) bytes += padded(rows * column.BYTES_PER_ELEMENT);
  const block = zeros(bytes, rows);
  let at = 0;
  const moved = columns.map(column => {
    const Kind = column.constructor as new (buffer: ArrayBufferLike, offset: number, rows: number) => Column;
    const larger = new Kind(block, at, rows);
    larger.set(column);
    at += padded(rows * column.BYTES_PER_ELEMENT);
    return larger;
  });
  for (const { buffer } of columns) {
    // One that several columns shared is empty after the first time.
    if (buffer instanceof ArrayBuffer && buffer.byteLength > 0) buffer.transfer(0);
  }
  return moved as unknown as C;
}

/** Columns begin with a page, or at least with a cache line, so that none straddles what another one has touched. */
function padded(bytes: number): number {
  const unit = bytes >= PAGE ? PAGE : 64;
  return (bytes + unit - 1) & -unit;
}
