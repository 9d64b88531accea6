// Memory that belongs to the kernel too (a ring of a packet socket), mapped into the process. A thread sees it as an ArrayBuffer
// (`viewMemory`), one of its own: it is not a SharedArrayBuffer, but Atomics' loads and stores work on it.
//
// Reading a page that is mapped no more ends the process. So each thread detaches its buffer before: whoever still holds a view of it
// then sees one of no length.
import { errno, libc } from './libc.ts';
import { SysError } from './error.ts';

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_FAILED = (1n << 64n) - 1n;

/** Maps `bytes` of what `fd` stands for, for reading and writing: its address, for munmap(2). Throws a SysError. */
export function mapMemory(fd: number, bytes: number): bigint {
  const address = BigInt.asUintN(64, libc.mmap(null, bytes, PROT_READ_WRITE, MAP_SHARED, fd, 0));
  if (address === MAP_FAILED) throw new SysError('mmap', errno(), `${bytes} bytes of descriptor ${fd}`);
  return address;
}
