// Columns: typed arrays that grow. The columns of a table grow together, into one block of memory, one behind the other:
//
//   block   │ first ▓▓▓▓▓▓▓▓▓░░░│ next ▓▓▓▓▓▓▓▓▓░░░│ flags ▓▓▓▓░│      ▓ moved rows   ░ room, zero
//
// What was never written to costs no memory, because the kernel hands out zero pages when they are touched. Touching is what
// costs time: up to 11 µs a page on a virtual machine, and a full table touches 40,000. So rows are moved while they are few,
// and the blocks of a full table lie on huge pages: loading the table alone takes a fifth less.
import { adviseHugePages, HUGE_PAGE_BYTES } from '../sys/index.ts';

export type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array;

const SMALL = 65_536;
const FULL = 1 << 20;
const PAGE = 4096;

/** Rows to grow to from `rows`: eightfold at first, then fourfold up to a full table's million, then twice. */
export function moreRows(rows: number): number {
  if (rows >= FULL) return rows * 2;
  return rows >= SMALL ? rows * 4 : rows * 8;
}

/**
 * Zeros for so many rows. V8 counts an ArrayBuffer's bytes, touched or not, and collects garbage for every 64 MB of them; of
 * shared memory it knows nothing. What is that large stays until its table goes.
 */
function zeros(bytes: number, rows: number): Uint8Array {
  if (rows < FULL || bytes < HUGE_PAGE_BYTES) return new Uint8Array(bytes);
  // Room for the boundary before the first huge page, and for the whole of the last.
  const room = bytes + 2 * HUGE_PAGE_BYTES;
  const memory = new Uint8Array(new SharedArrayBuffer(room));
  return memory.subarray(adviseHugePages(memory));
}

/** A new column of zeros. */
export function newColumn(rows: number): Uint32Array {
  const memory = zeros(rows * 4, rows);
  return new Uint32Array(memory.buffer, memory.byteOffset, rows);
}

/**
 * The columns with room for `rows`, new ones zero, in one new block. The old ones must not be used again: their memory is
 * given back at once, so all columns of a block have to move together.
 */
export function grown<C extends readonly Column[]>(rows: number, ...columns: C): C {
  let bytes = 0;
  for (const column of columns) bytes += padded(rows * column.BYTES_PER_ELEMENT);
  const block = zeros(bytes, rows);
  let at = block.byteOffset;
  const moved = columns.map(column => {
    const Kind = column.constructor as new (buffer: ArrayBufferLike, offset: number, rows: number) => Column;
    const larger = new Kind(block.buffer, at, rows);
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
