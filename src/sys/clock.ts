// Clocks as plain numbers. CLOCK_MONOTONIC is the same in every thread, unlike performance.now(), whose zero is each
// worker's own start; so times that cross threads are taken here.
import { libc } from './libc.ts';

const CLOCK_MONOTONIC = 1;
const CLOCK_THREAD_CPUTIME_ID = 3;

const words = new Uint32Array(4); // struct timespec: seconds (64 bits), nanoseconds (64 bits)
const bytes = new Uint8Array(words.buffer);

function read(clock: number): number {
  libc.clock_gettime(clock, bytes);
  return (words[0]! + words[1]! * 0x1_0000_0000) * 1e6 + words[2]! / 1000;
}

/** Microseconds since some fixed moment, the same for all threads of the machine; nanosecond fractions included. */
export function clockMonotonicUs(): number {
  return read(CLOCK_MONOTONIC);
}

/** CPU time this thread has used, in microseconds. */
export function threadCpuUs(): number {
  return read(CLOCK_THREAD_CPUTIME_ID);
}
