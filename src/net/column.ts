// Columns: typed arrays that grow. The columns of a table grow together, in one block of memory, one behind the other:
//
//   block   │ first ▓▓▓▓▓▒▒···········│ next ▓▓▓▓▓▒▒···········│ flags ▓▒··│
//
//           ▓ rows in use   ▒ rows there are, zero   · rows reserved: addresses that no memory stands behind yet
//
// A table of few rows moves to a larger block when it grows; one of many is given its block once, with addresses enough for
// any table, and then takes a further piece of it each time: nothing is moved, and no thread is held up for it.
//
// What was never written to costs no memory, because the kernel hands out a page when it is touched. Touching is what costs time:
// up to 20 µs a page on a virtual machine, and a full table has 40,000. So the pages of new rows are asked for together.
import { LARGE_BYTES, overcommitsMemory, PAGE_BYTES, preferHugePages, touchPages } from '../sys/index.ts';

export type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array;

/** Rows up to which a table moves when it grows. */
const FEW = 8192;
/** Rows that a larger table grows by. */
const STEP = 16_384;
/** Addresses of a larger table's block: enough for five million rows of fifty bytes. */
const RESERVED_BYTES = 256 << 20;

/** Rows to grow to from `rows`: eightfold at first, then by a fixed number. */
export function moreRows(rows: number): number {
  return rows < FEW ? Math.min(rows * 8, FEW) : rows + STEP;
}

/** Rows that a new block of so many has addresses for. */
function roomFor(rows: number, rowBytes: number): number {
  if (rows <= FEW) return rows;
  // Where the system counts every address as memory used, there are few to spare.
  return Math.max(rows * 2, overcommitsMemory() ? Math.floor(RESERVED_BYTES / rowBytes) : 0);
}

/** Rows that a block has addresses for, by its memory; a block that is not here has none but those in use. */
const rooms = new WeakMap<ArrayBufferLike, number>();

/** A new column of zeros. */
export function newColumn(rows: number): Uint32Array {
  const column = new Uint32Array(rows);
  preferHugePages(column);
  if (column.byteLength >= LARGE_BYTES) touchPages(column);
  return column;
}

/**
 * The columns with room for `rows`, new ones zero. The old ones must not be used again: their memory may be given back at
 * once, so all columns of a block have to grow together, and in one order.
 */
export function grown<C extends readonly Column[]>(rows: number, ...columns: C): C {
  const room = rooms.get(columns[0]!.buffer) ?? 0;
  return (rows <= room ? extended(rows, columns) : moved(rows, columns)) as unknown as C;
}

/** The same columns, longer. */
function extended(rows: number, columns: readonly Column[]): Column[] {
  return columns.map(column => {
    const longer = view(column, column.buffer, column.byteOffset, rows);
    touchPages(longer.subarray(column.length));
    return longer;
  });
}

/** The columns in a block of their own. */
function moved(rows: number, columns: readonly Column[]): Column[] {
  const rowBytes = columns.reduce((sum, column) => sum + column.BYTES_PER_ELEMENT, 0);
  const room = roomFor(rows, rowBytes);
  let bytes = 0;
  for (const column of columns) bytes += padded(room * column.BYTES_PER_ELEMENT);
  // V8 counts an ArrayBuffer's bytes, touched or not, and collects garbage for every 64 MB of them; of shared memory it knows
  // nothing.
  const block = room > rows ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes);
  if (room > rows) rooms.set(block, room);
  let at = 0;
  const result = columns.map(column => {
    const larger = view(column, block, at, rows);
    if (bytes >= LARGE_BYTES) touchPages(larger);
    larger.set(column);
    at += padded(room * column.BYTES_PER_ELEMENT);
    return larger;
  });
  for (const { buffer } of columns) {
    // One that several columns shared is empty after the first time.
    if (buffer instanceof ArrayBuffer && buffer.byteLength > 0) buffer.transfer(0);
  }
  return result;
}

function view(like: Column, buffer: ArrayBufferLike, offset: number, rows: number): Column {
  const Kind = like.constructor as new (buffer: ArrayBufferLike, offset: number, rows: number) => Column;
  return new Kind(buffer, offset, rows);
}

/** Columns begin with a page, or at least with a cache line, so that none straddles what another one has touched. */
function padded(bytes: number): number {
  const unit = bytes >= PAGE_BYTES ? PAGE_BYTES : 64;
  return (bytes + unit - 1) & -unit;
}
