// A port for who has none: an AF_PACKET socket on an interface (packet(7)), which gets and sends whole frames. The interface may lie in
// a network namespace where nobody else looks, so that no other stack answers what it gets.
import { NetlinkSocket, rtnetlink as c, writeLink } from '../../netlink/index.ts';
import {
  bindPacketSocket,
  closeFd,
  E,
  errno,
  inNetworkNamespace,
  libc,
  openPacketSocket,
  SysError,
} from '../../sys/index.ts';
import { IfProxyError, type Port } from '../port.ts';

export interface PacketPortOptions {
  /** Where the interface is (`/run/netns/NAME`, `/proc/PID/ns/net`); this thread's namespace unless told. */
  readonly namespace?: string;
}

export class PacketPort implements Port {
  readonly name: string;
  /** Readable when a frame waits. */
  readonly fd: number;
  readonly ifindex: number;
  readonly #commands: NetlinkSocket;
  #closed = false;

  constructor(name: string, options: PacketPortOptions = {}) {
    this.name = name;
    const { namespace } = options;
    const open = (): { fd: number; ifindex: number; commands: NetlinkSocket } => {
      const ifindex = libc.if_nametoindex(name);
      if (ifindex === 0) throw new IfProxyError(`there is no interface ${name}`);
      return { fd: openFor(ifindex), ifindex, commands: new NetlinkSocket() };
    };
    const opened = namespace === undefined ? open() : inNetworkNamespace(namespace, open);
    this.fd = opened.fd;
    this.ifindex = opened.ifindex;
    this.#commands = opened.commands;
  }

  /** The interface takes it, so that it gets what is sent to the proxy. */
  setMac(mac: Uint8Array): void {
    this.#commands.request('link', (writer, flags, sequence) => {
      writeLink(writer, c.RTM_NEWLINK, flags, sequence, { ifindex: this.ifindex, address: mac });
    });
  }

  /** Bytes of the frame received into `into`; 0 where none waits. */
  receive(into: Uint8Array): number {
    for (;;) {
      const length = libc.recv(this.fd, into, into.length, 0);
      if (length >= 0) return length;
      const error = errno();
      // An interface that is set down says so once.
      if (error === E.EAGAIN || error === E.ENETDOWN) return 0;
      if (error !== E.EINTR) throw new SysError('recv', error, this.name);
    }
  }

  /** False where it was not taken: the interface is down, or its queue is full. */
  transmit(frame: Uint8Array): boolean {
    for (;;) {
      if (libc.send(this.fd, frame, frame.length, 0) >= 0) return true;
      const error = errno();
      if (error === E.EAGAIN || error === E.ENETDOWN || error === E.ENOBUFS || error === E.EMSGSIZE) return false;
      if (error !== E.EINTR) throw new SysError('send', error, `${this.name}, ${frame.length} bytes`);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeFd(this.fd);
    this.#commands.close();
  }
}

function openFor(ifindex: number): number {
  const fd = openPacketSocket({ qdiscBypass: false });
  try {
    bindPacketSocket(fd, ifindex, true);
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}
