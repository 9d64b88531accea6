// A descriptor belongs to the network namespace of the thread at the moment it is opened, so a thread can visit a namespace,
// open what it needs and come back.
import { CLONE_NEWNET, O_CLOEXEC, O_RDONLY } from './constants.ts';
import { check } from './error.ts';
import { libc } from './libc.ts';
import { closeFd } from './socket.ts';

/** Runs `fn` with this thread in the network namespace at `path` (`/proc/PID/ns/net`, `/run/netns/NAME`), then returns. */
export function inNetworkNamespace<T>(path: string, fn: () => T): T {
  const fd = openNamespace(path);
  try {
    return inNamespaceOf(fd, fn);
  } finally {
    closeFd(fd);
  }
}

/** A descriptor of what is at `path`; nothing says yet that it is a namespace. */
export function openNamespace(path: string): number {
  return check(libc.open(path, O_RDONLY | O_CLOEXEC, 0), 'open', path);
}

/** The same for a namespace that is open already. */
export function inNamespaceOf<T>(fd: number, fn: () => T): T {
  const home = check(
    libc.open('/proc/thread-self/ns/net', O_RDONLY | O_CLOEXEC, 0),
    'open',
    '/proc/thread-self/ns/net',
  );
  try {
    check(libc.setns(fd, CLONE_NEWNET), 'setns');
    try {
      return fn();
    } finally {
      check(libc.setns(home, CLONE_NEWNET), 'setns', 'back home');
    }
  } finally {
    closeFd(home);
  }
}

/** Moves this thread for good. */
export function enterNetworkNamespace(path: string): void {
  const fd = openNamespace(path);
  try {
    check(libc.setns(fd, CLONE_NEWNET), 'setns', path);
  } finally {
    closeFd(fd);
  }
}
