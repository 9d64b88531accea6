// What glibc's allocator does with large memory, and when it gives memory back.
import { addressOf, libc } from './libc.ts';

/** Bytes of a huge page (x86-64, and arm64 with pages of 4 KiB). */
export const HUGE_PAGE_BYTES: number = 2 << 20;

const MADV_HUGEPAGE = 14;
const M_MMAP_THRESHOLD = -3;
const LARGE_BYTES = 1 << 20;

/**
 * Asks for huge pages in `bytes` and gives the offset at which the first of them begins. Memory that nothing was written to
 * goes on costing nothing. A kernel without huge pages refuses, and nothing is lost.
 */
export function adviseHugePages(bytes: Uint8Array): number {
  const address = addressOf(bytes);
  const skip = Number(-address & BigInt(HUGE_PAGE_BYTES - 1));
  if (skip < bytes.length) libc.madvise(address + BigInt(skip), bytes.length - skip, MADV_HUGEPAGE);
  return skip;
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
