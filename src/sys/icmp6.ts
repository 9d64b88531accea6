// ICMPv6 as far as routers find each other by it (RFC 4861 §4.1, §4.2): a raw socket that lets router solicitations and
// advertisements pass, and says of each on which interface it came and with what hop limit.
//
//   recvmsg:  msghdr ─▶ name (who), iovec ─▶ data, control ─▶ cmsg IPV6_HOPLIMIT
import { arena } from './arena.ts';
import * as c from './constants.ts';
import { check, E, SysError } from './error.ts';
import { errno, libc } from './libc.ts';
import { closeFd, decodeSocketAddress, encodeSocketAddress, setOption, type SocketAddress } from './socket.ts';

export const ROUTER_SOLICITATION = 133;
export const ROUTER_ADVERTISEMENT = 134;

const IPPROTO_ICMPV6 = 58;
const ICMPV6_FILTER = 1;
const IPV6_MULTICAST_HOPS = 18;
const IPV6_MULTICAST_LOOP = 19;
const IPV6_ADD_MEMBERSHIP = 20;
const IPV6_DROP_MEMBERSHIP = 21;
const IPV6_RECVHOPLIMIT = 51;
const IPV6_HOPLIMIT = 52;

/** Multicast groups of a link. */
export const ALL_NODES: SocketAddress['words'] = [0xff020000, 0, 0, 1];
export const ALL_ROUTERS: SocketAddress['words'] = [0xff020000, 0, 0, 2];

const NAME_BYTES = 28;
const DATA_BYTES = 2048;
const CONTROL_BYTES = 64;
const CMSG_HEADER = 16;

export interface RouterPacket {
  /** `scopeId` is the interface. */
  readonly from: SocketAddress;
  readonly hopLimit: number;
  /** The ICMPv6 message; a copy. */
  readonly bytes: Uint8Array;
}

export class RouterSocket {
  readonly fd: number;
  readonly #name = arena(NAME_BYTES);
  readonly #data = arena(DATA_BYTES);
  readonly #control = arena(CONTROL_BYTES);
  readonly #vector = arena(16);
  readonly #header = arena(56);

  /** Throws a SysError where the system has no IPv6, or we may not. */
  constructor() {
    const type = c.SOCK_RAW | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC;
    this.fd = check(libc.socket(c.AF_INET6, type, IPPROTO_ICMPV6), 'socket', 'ICMPv6');
    // A bit that is set blocks its type.
    const filter = new Uint32Array(8).fill(0xffffffff);
    for (const kind of [ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT]) filter[kind >>> 5]! &= ~(1 << (kind & 31));
    const bytes = new Uint8Array(filter.buffer);
    check(libc.setsockopt(this.fd, IPPROTO_ICMPV6, ICMPV6_FILTER, bytes, bytes.length), 'setsockopt', 'ICMPV6_FILTER');
    // RFC 4861 §6.1: what did not come with 255 came through a router.
    for (const option of [IPV6_MULTICAST_HOPS, c.IPV6_UNICAST_HOPS]) setOption(this.fd, c.IPPROTO_IPV6, option, 255);
    setOption(this.fd, c.IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0);
    setOption(this.fd, c.IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
    this.#vector.view.setBigUint64(0, this.#data.address, true);
    this.#vector.view.setBigUint64(8, BigInt(DATA_BYTES), true);
  }

  /** Hears what is sent to all routers of a link, or no longer. The errno, or 0. */
  hearRouters(ifindex: number, on: boolean): number {
    const request = new Uint8Array(20); // struct ipv6_mreq
    const view = new DataView(request.buffer);
    ALL_ROUTERS.forEach((word, i) => view.setUint32(4 * i, word));
    view.setUint32(16, ifindex, true);
    const option = on ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP;
    return libc.setsockopt(this.fd, c.IPPROTO_IPV6, option, request, request.length) < 0 ? errno() : 0;
  }

  /** Sends a message to a group of the link, from its link-local address; the kernel fills in the checksum. The errno, or 0. */
  send(ifindex: number, to: SocketAddress['words'], bytes: Uint8Array): number {
    const address = encodeSocketAddress({ family: c.AF_INET6, words: to, port: 0, scopeId: ifindex });
    return libc.sendto(this.fd, bytes, bytes.length, c.MSG_DONTWAIT, address, address.length) < 0 ? errno() : 0;
  }

  /** The next message; undefined where there is none. Throws a SysError where the socket is of no use any more. */
  receive(): RouterPacket | undefined {
    const { view } = this.#header;
    view.setBigUint64(0, this.#name.address, true);
    view.setUint32(8, NAME_BYTES, true);
    view.setBigUint64(16, this.#vector.address, true);
    view.setBigUint64(24, 1n, true);
    view.setBigUint64(32, this.#control.address, true);
    view.setBigUint64(40, BigInt(CONTROL_BYTES), true);
    view.setInt32(48, 0, true);
    const size = libc.recvmsg(this.fd, this.#header.address, c.MSG_DONTWAIT);
    if (size < 0) {
      const error = errno();
      if (error === E.EAGAIN || error === E.EINTR) return undefined;
      throw new SysError('recvmsg', error, 'ICMPv6');
    }
    const from = decodeSocketAddress(this.#name.bytes);
    if (from === undefined) return undefined;
    return { from, hopLimit: this.#hopLimit(), bytes: this.#data.bytes.slice(0, size) };
  }

  #hopLimit(): number {
    const { view } = this.#control;
    const end = Number(this.#header.view.getBigUint64(40, true));
    for (let at = 0; at + CMSG_HEADER <= end; ) {
      const length = Number(view.getBigUint64(at, true));
      if (length < CMSG_HEADER) break;
      if (view.getInt32(at + 8, true) === c.IPPROTO_IPV6 && view.getInt32(at + 12, true) === IPV6_HOPLIMIT) {
        return view.getInt32(at + CMSG_HEADER, true);
      }
      at += (length + 7) & ~7;
    }
    return -1;
  }

  close(): void {
    closeFd(this.fd);
  }
}
