// Columns: typed arrays that grow. The columns of a table grow together, into one block of memory, one behind the other:
//
//   block   │ first ▓▓▓▓▓▓▓▓▓░░░│ next ▓▓▓▓▓▓▓▓▓░░░│ flags ▓▓▓▓░│      ▓ moved rows   ░ room, zero
//
// Large blocks lie on huge pages: a full table fills some 200 MB, and to touch these for the first time page by page took a
// tenth of the time that the table took.
import { adviseHugePages, HUGE_PAGE_BYTES } from '../sys/index.ts';

export type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array;

const SMALL = 65_536;
const FULL = 1 << 20;
const PAGE = 4096;

/** Rows to grow to from `rows`: eightfold at first, then fourfold up to a full table's million, then twice. */
export function moreRows(rows: number): number {
  if (rows < SMALL) return rows * 8;
  return rows < FULL ? rows * 4 : rows * 2;
}

/** Zeros, on huge pages where there are enough of them. */
function zeros(bytes: number): Uint8Array<ArrayBuffer> {
  if (bytes < HUGE_PAGE_BYTES) return new Uint8Array(bytes);
  const room = new Uint8Array(bytes + HUGE_PAGE_BYTES);
  return room.subarray(adviseHugePages(room), bytes + HUGE_PAGE_BYTES);
}

/** A new column of zeros. */
export function newColumn<C extends Column>(
  Kind: new (buffer: ArrayBuffer, offset: number, rows: number) => C,
  rows: number,
): C {
  const memory = zeros(rows * (Kind as unknown as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT);
  return new Kind(memory.buffer, memory.byteOffset, rows);
}

/**
 * The columns with room for `rows`, new ones zero, in one new block. The old ones must not be used again: their memory is
 * given back at once, so all columns of a block have to move together.
 */
export function grown<C extends readonly Column[]>(rows: number, ...columns: C): C {
  let bytes = 0;
  for (const column of columns) bytes += padded(rows * column.BYTES_PER_ELEMENT);
  const block = zeros(bytes);
  let at = block.byteOffset;
  const moved = columns.map(column => {
    const Kind = column.constructor as new (buffer: ArrayBuffer, offset: number, rows: number) => Column;
    const larger = new Kind(block.buffer, at, rows);
    larger.set(column);
    at += padded(rows * column.BYTES_PER_ELEMENT);
    return larger;
  });
  // A buffer that several columns shared is empty after the first time.
  for (const { buffer } of columns) if (buffer.byteLength > 0) (buffer as ArrayBuffer).transfer(0);
  return moved as unknown as C;
}

/** Columns begin with a page, or at least with a cache line, so that none straddles what another one has touched. */
function padded(bytes: number): number {
  const unit = bytes >= PAGE ? PAGE : 64;
  return (bytes + unit - 1) & -unit;
}
