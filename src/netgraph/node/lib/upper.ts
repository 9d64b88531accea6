// The host's side of an interface, taken between the host and the interface: what the host sends by it is ours to have, and what we write the
// host receives as if it had come in by it. A packet socket can do neither. So there is a TAP, up but without an address, and programs at
// the two interfaces (BPF by tcx, Linux 6.6) lead frames from one to the other:
//
//    host ── egress of eth0 ──▶ TAP ──▶ a descriptor of the TAP, one for each worker
//    host ◀─ ingress of eth0 ◀─ TAP ◀── the same
//
// What is on this way has a mark, by which a TAP's own chatter (IPv6 looks for neighbours) is told from it, the gate lets it in, and the
// packet rings leave it alone.
import {
  addToEpoll,
  attachTcx,
  closeFd,
  interfaceIndexOf,
  openEpoll,
  openPacketSocket,
  openTap,
  passMarked,
  redirect,
  setInterfaceMtu,
  setInterfaceUp,
  setTapQueue,
  TCX_EGRESS,
  TCX_INGRESS,
} from '../../../sys/index.ts';
import type { Plane } from '../../worker/plane.ts';

/** `grev`. */
export const UPPER_MARK = 0x67726576;

/** By worker: where the host's frames are read and written, and what is readable when there are some. */
export interface UpperPort {
  readonly tap: number;
  readonly epoll: number;
}

export class Upper {
  readonly ports: readonly UpperPort[];
  readonly #fds: number[] = [];

  /** In this thread's network namespace. Throws a SysError where the kernel has no tcx, or does not let us. */
  constructor(ifindex: number, mtu: number, { workers }: Plane) {
    const keep = (fd: number): number => {
      this.#fds.push(fd);
      return fd;
    };
    try {
      const multiQueue = workers > 1;
      const { fd, name } = openTap('ngup%d', 'tap', { multiQueue });
      const taps = [keep(fd)];
      while (taps.length < workers) taps.push(keep(openTap(name, 'tap', { multiQueue }).fd));
      this.ports = taps.map(tap => {
        const epoll = keep(openEpoll());
        addToEpoll(epoll, tap);
        return { tap, epoll };
      });
      const asker = openPacketSocket();
      try {
        const own = interfaceIndexOf(asker, name);
        setInterfaceMtu(asker, name, mtu);
        keep(attachTcx(passMarked(UPPER_MARK, true), own, TCX_EGRESS));
        keep(attachTcx(redirect(UPPER_MARK, ifindex, true), own, TCX_INGRESS));
        setInterfaceUp(asker, name);
        keep(attachTcx(redirect(UPPER_MARK, own, false), ifindex, TCX_EGRESS));
      } finally {
        closeFd(asker);
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The worker is no more: the others have its flows until its successor takes them. */
  workerGone(worker: number): void {
    if (this.ports.length > 1) setTapQueue(this.ports[worker]!.tap, false);
  }

  close(): void {
    // The programs first: what the host sends then leaves at once.
    for (const fd of this.#fds.splice(0).reverse()) closeFd(fd);
  }
}

/** Lets the host have what comes from `upper`, and of what comes in by the interface all or, where it `drops`, nothing. */
export class UpperGate {
  readonly #fd: number;

  constructor(ifindex: number, drops: boolean) {
    this.#fd = attachTcx(passMarked(UPPER_MARK, drops), ifindex, TCX_INGRESS);
  }

  close(): void {
    closeFd(this.#fd);
  }
}
