// TAP and TUN: interfaces whose other end is a descriptor of ours (Documentation/networking/tuntap.rst). What the kernel sends by the
// interface is read from the descriptor, a frame a read; what is written to it the kernel receives. It goes with its descriptor, or
// with the last of its descriptors where it has several queues: the kernel then spreads flows over them, one for each worker.
import { check, E, SysError } from './error.ts';
import { FrameVector } from './frame-vector.ts';
import { errno, libc } from './libc.ts';

const TUNSETIFF = 0x400454ca;
const TUNGETIFF = 0x800454d2;
const TUNSETQUEUE = 0x400454d9;
const IFF_TUN = 1;
const IFF_TAP = 2;
const IFF_MULTI_QUEUE = 0x100;
const IFF_ATTACH_QUEUE = 0x200;
const IFF_DETACH_QUEUE = 0x400;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const IFREQ_BYTES = 40;
const NAME_BYTES = 16;
const O_RDWR = 2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
/** The interface was deleted; Node does not know the name. */
const EBADFD = 77;
const PATH = '/dev/net/tun';

export interface TapOptions {
  /** One of several descriptors of the interface: open it once for each worker, each time with this. */
  readonly multiQueue?: boolean;
  /** A `struct virtio_net_hdr` (10 bytes) is before each frame, both ways. */
  readonly vnetHeader?: boolean;
}

/** Whether the kernel takes `name` for an interface (dev_valid_name); `%d` in it is a number that is free. */
export function isInterfaceName(name: string): boolean {
  return /^[^\s/:]{1,15}$/.test(name) && name !== '.' && name !== '..';
}

/**
 * Opens one named `name` (`%d` in it is a number that is free) in this thread's network namespace. Throws a RangeError for what is no
 * name, a SysError where the kernel refuses.
 */
export function openTap(name: string, type: 'tap' | 'tun', options: TapOptions = {}): { fd: number; name: string } {
  if (!isInterfaceName(name)) throw new RangeError(`${name} is no name of an interface`);
  const fd = check(libc.open(PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC, 0), 'open', PATH);
  let flags = (type === 'tap' ? IFF_TAP : IFF_TUN) | IFF_NO_PI;
  if (options.multiQueue === true) flags |= IFF_MULTI_QUEUE;
  if (options.vnetHeader === true) flags |= IFF_VNET_HDR;
  const request = new Uint8Array(IFREQ_BYTES);
  request.set(Buffer.from(name, 'latin1'));
  new DataView(request.buffer).setUint16(NAME_BYTES, flags, true);
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

/**
 * One of several queues has its part of the flows, or the others have all, and what waits in it is gone. False where that is so already,
 * or the interface is no more.
 */
export function setTapQueue(fd: number, on: boolean): boolean {
  const request = new Uint8Array(IFREQ_BYTES);
  new DataView(request.buffer).setUint16(NAME_BYTES, on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE, true);
  return libc.ioctl(fd, TUNSETQUEUE, request) === 0;
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

/**
 * Frames between a descriptor of a TAP and packets that lie in one memory: no object is made for a frame, nothing is thrown.
 */
export class TapPort {
  readonly fd: number;
  /** errno of the last call that did not do what was asked; 0 where a frame just did not wait. */
  error = 0;
  readonly #vector: FrameVector;

  constructor(fd: number, memory: Uint8Array) {
    this.fd = fd;
    this.#vector = new FrameVector(memory);
  }

  /** Reads a frame into `memory[offset, offset + room)`: its bytes (what is longer is cut), 0 where none waits, -1 = see `error`. */
  read(offset: number, room: number): number {
    const vector = this.#vector.at(offset, room);
    for (;;) {
      const length = libc.readv(this.fd, vector, 1);
      if (length >= 0) return length;
      this.error = errno();
      if (this.error === E.EINTR) continue;
      if (this.error !== E.EAGAIN) return -1;
      this.error = 0;
      return 0;
    }
  }

  /** Writes a frame; false = not taken, see `error` (EIO: the interface is down; EBADFD: it is no more; EINVAL: no frame). */
  write(offset: number, length: number): boolean {
    const vector = this.#vector.at(offset, length);
    for (;;) {
      if (libc.writev(this.fd, vector, 1) >= 0) return true;
      this.error = errno();
      if (this.error !== E.EINTR) return false;
    }
  }
}

function nameIn(request: Uint8Array): string {
  const end = request.indexOf(0);
  return Buffer.from(request.subarray(0, end < 0 || end > NAME_BYTES ? NAME_BYTES : end)).toString('latin1');
}
