// A port for who has none: an AF_PACKET socket on an interface (packet(7)), which gets and sends whole frames. The interface may lie in
// a network namespace where nobody else looks, so that no other stack answers what it gets.
import { NetlinkSocket, rtnetlink as c, writeLink } from '../../netlink/index.ts';
import { check, closeFd, E, errno, inNetworkNamespace, libc, linux, setOption, SysError } from '../../sys/index.ts';
import { IfProxyError, type Port } from '../port.ts';

const AF_PACKET = 17;
const ETH_P_ALL = 3;
const SOL_PACKET = 263;
/** Frames that we send ourselves are not given back to us. */
const PACKET_IGNORE_OUTGOING = 23;

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
      return { fd: openPacketSocket(ifindex, name), ifindex, commands: new NetlinkSocket() };
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

function openPacketSocket(ifindex: number, name: string): number {
  const fd = check(
    libc.socket(AF_PACKET, linux.SOCK_RAW | linux.SOCK_NONBLOCK | linux.SOCK_CLOEXEC, 0),
    'socket',
    'AF_PACKET',
  );
  try {
    setOption(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    // struct sockaddr_ll; with a protocol it receives from now on.
    const address = new Uint8Array(20);
    const view = new DataView(address.buffer);
    view.setUint16(0, AF_PACKET, true);
    view.setUint16(2, ETH_P_ALL);
    view.setInt32(4, ifindex, true);
    check(libc.bind(fd, address, address.length), 'bind', name);
    return fd;
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}
