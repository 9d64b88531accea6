// How a sleeping thread is woken: an eventfd(2), which poll(2) and Node's loop both watch. Apart from doorbell.ts, so that
// the model checker can stand in for the kernel too.
import { check, E, errno, libc, SysError } from '../sys/index.ts';

const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

// One private buffer a thread for the eight bytes of an eventfd; 1 is what we always add.
const one = new Uint8Array(new BigUint64Array([1n]).buffer);
const drained = new Uint8Array(8);

/** A new eventfd of value 0. */
export function openWake(): number {
  return check(libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), 'eventfd');
}

/** Makes the fd readable. */
export function wake(fd: number): void {
  // EAGAIN: the counter is at its limit, so the fd is readable already.
  if (libc.write(fd, one, 8) < 0 && errno() !== E.EAGAIN) throw new SysError('write to eventfd', errno());
}

/** Makes the fd unreadable again. */
export function clearWake(fd: number): void {
  if (libc.read(fd, drained, 8) < 0 && errno() !== E.EAGAIN) throw new SysError('read of eventfd', errno());
}

export function closeWake(fd: number): void {
  libc.close(fd);
}
