// Memory that belongs to the kernel too (a ring of a packet socket), mapped into the process and seen as an ArrayBuffer. It is not a
// SharedArrayBuffer, but Atomics' loads and stores work on it; another thread maps it for itself, or is told the address.
//
// Reading a page that is mapped no more ends the process. So the buffer is detached before: whoever still holds a view of it then
// sees one of no length.
import { errno, libc, viewMemory } from './libc.ts';
import { SysError } from './error.ts';

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_FAILED = (1n << 64n) - 1n;

export interface Mapping {
  readonly buffer: ArrayBuffer;
  /** Unmaps it, once; views of the buffer are of length 0 from then on. No other thread may look at the memory any more. */
  unmap(): void;
}

/** Maps `bytes` of what `fd` stands for, for reading and writing. Throws a SysError. */
export function mapMemory(fd: number, bytes: number): Mapping {
  const address = BigInt.asUintN(64, libc.mmap(null, bytes, PROT_READ_WRITE, MAP_SHARED, fd, 0));
  if (address === MAP_FAILED) throw new SysError('mmap', errno(), `${bytes} bytes of descriptor ${fd}`);
  const buffer = viewMemory(address, bytes);
  return {
    buffer,
    unmap() {
      if (buffer.detached) return;
      buffer.transfer(0);
      libc.munmap(address, bytes);
    },
  };
}
