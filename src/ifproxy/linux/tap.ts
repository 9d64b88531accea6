// TAP and TUN: interfaces whose other end is a descriptor of ours (Documentation/networking/tuntap.rst). What the kernel sends by the
// interface is read from the descriptor, a frame a read; what is written to it the kernel receives. It goes with its descriptor.
import { E, check, errno, libc, SysError } from '../../sys/index.ts';
import { IfProxyError } from '../port.ts';

const TUNSETIFF = 0x400454ca;
const TUNGETIFF = 0x800454d2;
const IFF_TUN = 1;
const IFF_TAP = 2;
const IFF_NO_PI = 0x1000;
const IFREQ_BYTES = 40;
const NAME_BYTES = 16;
const O_RDWR = 2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
/** The interface was deleted; Node does not know the name. */
const EBADFD = 77;
const PATH = '/dev/net/tun';

/** Opens one named `name` (`%d` in it is a number that is free) in this thread's network namespace. */
export function openTap(name: string, type: 'tap' | 'tun'): { fd: number; name: string } {
  if (!/^[^\s/:]{1,15}$/.test(name)) throw new IfProxyError(`${name} is no name of an interface`);
  const fd = check(libc.open(PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC, 0), 'open', PATH);
  const request = new Uint8Array(IFREQ_BYTES);
  request.set(Buffer.from(name, 'latin1'));
  new DataView(request.buffer).setUint16(NAME_BYTES, (type === 'tap' ? IFF_TAP : IFF_TUN) | IFF_NO_PI, true);
  if (libc.ioctl(fd, TUNSETIFF, request) === -1) {
    const error = errno();
    libc.close(fd);
    throw new SysError('ioctl TUNSETIFF', error, name);
  }
  return { fd, name: nameIn(request) };
}

/** What the descriptor's interface is called now; undefined where it has none any more, deleted by `ip link del`. */
export function tapName(fd: number): string | undefined {
  const request = new Uint8Array(IFREQ_BYTES);
  return libc.ioctl(fd, TUNGETIFF, request) === 0 ? nameIn(request) : undefined;
}

/** Bytes of the frame read, 0 where none waits, or where the interface is no more. */
export function readTap(fd: number, into: Uint8Array): number {
  for (;;) {
    const length = libc.read(fd, into, into.length);
    if (length >= 0) return length;
    const error = errno();
    if (error === E.EAGAIN || error === EBADFD) return 0;
    if (error !== E.EINTR) throw new SysError('read', error, 'TAP');
  }
}

/** False where the interface takes nothing: it is down, or no more. */
export function writeTap(fd: number, frame: Uint8Array): boolean {
  for (;;) {
    if (libc.write(fd, frame, frame.length) >= 0) return true;
    const error = errno();
    if (error === E.EIO || error === EBADFD || error === E.EAGAIN || error === E.ENOBUFS) return false;
    if (error !== E.EINTR) throw new SysError('write', error, `TAP, ${frame.length} bytes`);
  }
}

function nameIn(request: Uint8Array): string {
  const end = request.indexOf(0);
  return Buffer.from(request.subarray(0, end < 0 || end > NAME_BYTES ? NAME_BYTES : end)).toString('latin1');
}
