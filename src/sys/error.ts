// Operational failures: what the system answered, with the call, the errno and its name. Mistakes of a peer and bugs of ours
// are other types of error.
import { constants } from 'node:os';
import { errno, libc } from './libc.ts';

export type ErrnoName = keyof typeof constants.errno;

/** errno values by name: `E.EAGAIN`. */
export const E: Readonly<Record<ErrnoName, number>> = constants.errno;

const names: string[] = [];
for (const [name, value] of Object.entries(E)) {
  // EWOULDBLOCK and EAGAIN share a number, as do EOPNOTSUPP and ENOTSUP: keep the name Linux prints.
  if (names[value] === undefined || name === 'EAGAIN' || name === 'EOPNOTSUPP') names[value] = name;
}

/** `ENOBUFS`; `E12345` for a number without a name. */
export function errnoName(value: number): string {
  return names[value] ?? `E${value}`;
}

export class SysError extends Error {
  override readonly name: string = 'SysError';
  readonly syscall: string;
  /** Positive, as in errno.h. */
  readonly errno: number;
  /** `ENOBUFS`. */
  readonly code: string;

  constructor(syscall: string, errno: number, detail?: string) {
    super(`${syscall}: ${libc.strerror(errno)} (${errnoName(errno)})${detail === undefined ? '' : `: ${detail}`}`);
    this.syscall = syscall;
    this.errno = errno;
    this.code = errnoName(errno);
  }
}

/** `result`, or throws what errno says where it is -1. `detail` names the value at fault. */
export function check(result: number, syscall: string, detail?: string): number {
  if (result === -1) throw new SysError(syscall, errno(), detail);
  return result;
}
