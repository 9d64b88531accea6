// A descriptor that is readable when one of several others is (epoll(7)), for who can wait for one alone.
import { check, E, SysError } from './error.ts';
import { errno, libc } from './libc.ts';

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;

export function openEpoll(): number {
  return check(libc.epoll_create1(EPOLL_CLOEXEC), 'epoll_create1');
}

/** Adds `fd`, which leaves it by being closed; nothing where it is among them already. */
export function addToEpoll(epoll: number, fd: number): void {
  // struct epoll_event is packed on x86 alone; the bits come first everywhere.
  const event = new Uint8Array(16);
  event[0] = EPOLLIN;
  if (libc.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, event) !== -1) return;
  const error = errno();
  if (error !== E.EEXIST) throw new SysError('epoll_ctl', error, `descriptor ${fd}`);
}
