// Memory as the system sees it: which pages have been touched, what glibc's allocator keeps, and when it gives it back.
import { readFileSync } from 'node:fs';
import { addressOf, libc } from './libc.ts';

export const PAGE_BYTES: number = 4096;
const MADV_HUGEPAGE = 14;
const MADV_POPULATE_WRITE = 23;
const M_MMAP_THRESHOLD = -3;
/** Memory of this size and more gets a mapping of its own (`keepLargeMemoryApart`): its pages have not been touched. */
export const LARGE_BYTES: number = 1 << 20;
const HUGE_BYTES = 2 << 20;

/**
 * Has the kernel put memory behind all pages of `column`, which costs half of what touching them one by one does. A kernel
 * older than 5.14 refuses, and nothing is lost.
 */
export function touchPages(column: ArrayBufferView): void {
  if (column.byteLength === 0) return;
  const begin = addressOf(new Uint8Array(column.buffer, column.byteOffset, column.byteLength));
  const first = begin & -BigInt(PAGE_BYTES);
  libc.madvise(first, Number(begin - first) + column.byteLength, MADV_POPULATE_WRITE);
}

/**
 * Asks for pages of 2 MB behind a column that is read all over the place, and that is as long now as it will be: one of a thousand
 * entries of the processor's table of addresses does for it then, instead of five hundred. Where there are none, nothing is lost.
 */
export function preferHugePages(column: ArrayBufferView): void {
  if (column.byteLength < HUGE_BYTES) return;
  const begin = addressOf(new Uint8Array(column.buffer, column.byteOffset, column.byteLength));
  const first = begin & -BigInt(PAGE_BYTES);
  libc.madvise(first, Number(begin - first) + column.byteLength, MADV_HUGEPAGE);
}

/** Whether addresses may be asked for that no memory stands behind (vm.overcommit_memory, proc_sys_vm(5)). */
export function overcommitsMemory(): boolean {
  try {
    return readFileSync('/proc/sys/vm/overcommit_memory', 'utf8').trim() !== '2';
  } catch {
    return true;
  }
}

/**
 * Large arrays get mappings of their own from now on, in the whole process. Each time one is freed, glibc would otherwise
 * hold the next ones of that size (up to 32 MiB) in its heap, where they are cleared by writing to every page of them,
 * and where what is freed does not go back to the system.
 */
export function keepLargeMemoryApart(): void {
  libc.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
}

/** After much was used that is not needed any more: collects this thread's garbage (where `--expose-gc` lets it), and gives the
 *  system back what glibc keeps of the whole process. Takes some 10 ms. */
export function giveMemoryBack(): void {
  (globalThis as { gc?: () => void }).gc?.();
  libc.malloc_trim(0);
}
