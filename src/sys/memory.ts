// What glibc's allocator does with large memory, and when it gives memory back.
import { libc } from './libc.ts';

const M_MMAP_THRESHOLD = -3;
const LARGE_BYTES = 1 << 20;

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
