// The one place that calls libc. Every prototype is declared here, once, and is loaded anew in each thread (a worker has an
// environment of its own). Functions behave as in C: -1 means failure, and `errno()` must be read before anything else.
//
// Memory rules. A `Pointer` argument takes a Uint8Array (also over a SharedArrayBuffer; its byteOffset counts) or an address
// as bigint. koffi keeps an array alive for the call only: a structure that holds *addresses* (iovec, msghdr) must live,
// like what it points to, in memory that is never collected. `arena` (arena.ts) is that memory.
import * as koffi from 'koffi';

export type Pointer = Uint8Array | bigint | null;

/** C's functions. Sizes and results are plain numbers; descriptors, flags and options are int. */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  socketpair(domain: number, type: number, protocol: number, fds: Pointer): number;
  bind(fd: number, address: Pointer, length: number): number;
  connect(fd: number, address: Pointer, length: number): number;
  listen(fd: number, backlog: number): number;
  accept4(fd: number, address: Pointer, length: Pointer, flags: number): number;
  shutdown(fd: number, how: number): number;
  send(fd: number, bytes: Pointer, length: number, flags: number): number;
  recv(fd: number, bytes: Pointer, length: number, flags: number): number;
  sendto(fd: number, bytes: Pointer, length: number, flags: number, address: Pointer, addressLength: number): number;
  recvfrom(fd: number, bytes: Pointer, length: number, flags: number, address: Pointer, addressLength: Pointer): number;
  sendmsg(fd: number, header: Pointer, flags: number): number;
  recvmsg(fd: number, header: Pointer, flags: number): number;
  /** Messages sent or received at once; `headers` is an array of `struct mmsghdr`. */
  sendmmsg(fd: number, headers: Pointer, count: number, flags: number): number;
  recvmmsg(fd: number, headers: Pointer, count: number, flags: number, timeout: Pointer): number;
  readv(fd: number, vectors: Pointer, count: number): number;
  writev(fd: number, vectors: Pointer, count: number): number;
  read(fd: number, bytes: Pointer, length: number): number;
  write(fd: number, bytes: Pointer, length: number): number;
  close(fd: number): number;
  setsockopt(fd: number, level: number, option: number, value: Pointer, length: number): number;
  getsockopt(fd: number, level: number, option: number, value: Pointer, length: Pointer): number;
  getsockname(fd: number, address: Pointer, length: Pointer): number;
  getpeername(fd: number, address: Pointer, length: Pointer): number;
  poll(fds: Pointer, count: number, timeoutMs: number): number;
  eventfd(initial: number, flags: number): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, operation: number, fd: number, event: Pointer): number;
  /** For bpf(2), which C has no function for. */
  syscall(number: number, command: number, attributes: Pointer, length: number): number;
  /** `flags` only; `open` with O_CREAT needs `openMode`. */
  open(path: string, flags: number, mode: number): number;
  ioctl(fd: number, request: number, argument: Pointer): number;
  fcntl(fd: number, command: number, argument: number): number;
  setns(fd: number, kind: number): number;
  unshare(flags: number): number;
  mount(source: string, target: string, type: string | null, flags: number, data: string | null): number;
  umount2(target: string, flags: number): number;
  kill(pid: number, signal: number): number;
  prctl(option: number, a: number, b: number, c: number, d: number): number;
  clock_gettime(clock: number, timespec: Pointer): number;
  if_nametoindex(name: string): number;
  getpid(): number;
  gettid(): number;
  geteuid(): number;
  madvise(address: bigint, length: number, advice: number): number;
  /** The address; see `mapMemory` for what a failure looks like. */
  mmap(address: Pointer, length: number, protection: number, flags: number, fd: number, offset: number): bigint;
  munmap(address: bigint, length: number): number;
  mallopt(parameter: number, value: number): number;
  malloc_trim(pad: number): number;
  strerror(errno: number): string;
}

const library = koffi.load(null);

function declare(): Libc {
  const prototypes = [
    'int socket(int, int, int)',
    'int socketpair(int, int, int, void *)',
    'int bind(int, void *, uint32_t)',
    'int connect(int, void *, uint32_t)',
    'int listen(int, int)',
    'int accept4(int, void *, void *, int)',
    'int shutdown(int, int)',
    'ssize_t send(int, void *, size_t, int)',
    'ssize_t recv(int, void *, size_t, int)',
    'ssize_t sendto(int, void *, size_t, int, void *, uint32_t)',
    'ssize_t recvfrom(int, void *, size_t, int, void *, void *)',
    'ssize_t sendmsg(int, void *, int)',
    'ssize_t recvmsg(int, void *, int)',
    'int sendmmsg(int, void *, unsigned int, int)',
    'int recvmmsg(int, void *, unsigned int, int, void *)',
    'ssize_t readv(int, void *, int)',
    'ssize_t writev(int, void *, int)',
    'ssize_t read(int, void *, size_t)',
    'ssize_t write(int, void *, size_t)',
    'int close(int)',
    'int setsockopt(int, int, int, void *, uint32_t)',
    'int getsockopt(int, int, int, void *, void *)',
    'int getsockname(int, void *, void *)',
    'int getpeername(int, void *, void *)',
    'int poll(void *, unsigned long, int)',
    'int eventfd(unsigned int, int)',
    'int epoll_create1(int)',
    'int epoll_ctl(int, int, int, void *)',
    // open, ioctl, fcntl, prctl and syscall are variadic in C; on x86-64 and arm64 Linux a fixed prototype passes the same registers.
    'int open(const char *, int, unsigned int)',
    'int ioctl(int, unsigned long, void *)',
    'int fcntl(int, int, long)',
    'long syscall(long, int, void *, unsigned int)',
    'int setns(int, int)',
    'int unshare(int)',
    'int mount(const char *, const char *, const char *, unsigned long, const char *)',
    'int umount2(const char *, int)',
    'int kill(int, int)',
    'int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)',
    'int clock_gettime(int, void *)',
    'int madvise(void *, size_t, int)',
    'void *mmap(void *, size_t, int, int, int, int64_t)',
    'int munmap(void *, size_t)',
    'int mallopt(int, int)',
    'int malloc_trim(size_t)',
    'unsigned int if_nametoindex(const char *)',
    'int getpid()',
    'int gettid()',
    'unsigned int geteuid()',
    'const char *strerror(int)',
  ];
  const functions: Record<string, unknown> = {};
  for (const prototype of prototypes) {
    const definition = library.func(prototype.replaceAll('ssize_t', 'int64_t').replaceAll(' size_t', ' uint64_t'));
    functions[definition.info.name] = definition;
  }
  return functions as unknown as Libc;
}

export const libc: Libc = declare();

/**
 * `ioctl` on a thread of libuv's pool, for a call that may wait long; resolves with what it returned (its errno is that
 * thread's, so unknown). All memory that the call reaches must be kept alive by the caller until then.
 */
export function ioctlInPool(fd: number, request: number, argument: Uint8Array): Promise<number> {
  type Done = (error: unknown, result: number) => void;
  const { ioctl } = libc as unknown as {
    ioctl: { async(fd: number, request: number, argument: Uint8Array, done: Done): void };
  };
  return new Promise((resolve, reject) => {
    ioctl.async(fd, request, argument, (error, result) => {
      if (error) reject(error as Error);
      else resolve(result);
    });
  });
}

// errno is a word of this thread's memory: looking at it through a view costs less than a call (0.4 against 13 ns).
const errnoWord: Int32Array = new Int32Array(
  koffi.view((library.func('void *__errno_location()') as () => bigint)(), 4),
);

/** The thread's errno. Read it first thing after a call that returned -1. */
export function errno(): number {
  return errnoWord[0]!;
}

/** Address of an array's first byte. The array must be kept alive by the caller: see `arena`. */
export function addressOf(bytes: Uint8Array): bigint {
  return koffi.address(bytes);
}

/** Memory that libc gave (mmap) as an ArrayBuffer; never unmapped by it. */
export function viewMemory(address: bigint, bytes: number): ArrayBuffer {
  return koffi.view(address, bytes);
}
