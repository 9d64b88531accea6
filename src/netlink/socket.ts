// A netlink socket. Two facts shape everything here: rtnetlink handles a whole send before the call returns, so answers
// are always waiting by then and a request needs no promise; and an answer that finds no room in the receive buffer is
// dropped, which the next receive reports once as ENOBUFS.
import { E, errno, libc, linux, SysError, setOption } from '../sys/index.ts';
import { MessageWriter } from './attribute.ts';
import * as c from './constants.ts';
import { NetlinkError, readExtendedAck } from './error.ts';

export interface NetlinkOptions {
  /** NETLINK_*; NETLINK_ROUTE unless told. */
  readonly protocol?: number;
  /** Receive buffer in bytes, as far as the system allows (SO_RCVBUFFORCE, else SO_RCVBUF). */
  readonly receiveBuffer?: number;
  /** Send buffer in bytes: limits one send. */
  readonly sendBuffer?: number;
  /** Bytes of one receive; the kernel fills dumps up to 32 KiB a datagram. */
  readonly datagram?: number;
  /** One that is open already, and that somebody else closes; the other options but `datagram` are his. */
  readonly fd?: number;
}

/** What `receive` gives instead of a length. */
export const RECEIVE_EMPTY = 0;
export const RECEIVE_OVERRUN: number = -1;

export class NetlinkSocket {
  readonly fd: number;
  /** nlmsg_pid that the kernel puts into echoes of what this socket asked for; 0 of one that somebody else opened. */
  readonly portId: number;
  /** The last datagram received. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  #sequence = 1;
  #closed = false;
  readonly #address: Uint8Array = new Uint8Array(12);
  readonly #addressLength: Int32Array = new Int32Array(1);
  readonly #addressLengthBytes: Uint8Array;

  constructor(options: NetlinkOptions = {}) {
    this.bytes = new Uint8Array(options.datagram ?? 65_536);
    this.view = new DataView(this.bytes.buffer);
    this.#addressLengthBytes = new Uint8Array(this.#addressLength.buffer);
    if (options.fd !== undefined) {
      this.fd = options.fd;
      this.portId = 0;
      this.#closed = true;
      return;
    }
    const type = linux.SOCK_RAW | linux.SOCK_NONBLOCK | linux.SOCK_CLOEXEC;
    const fd = libc.socket(linux.AF_NETLINK, type, options.protocol ?? c.NETLINK_ROUTE);
    if (fd === -1) throw new SysError('socket', errno(), 'AF_NETLINK');
    this.fd = fd;
    try {
      setOption(fd, c.SOL_NETLINK, c.NETLINK_EXT_ACK, 1);
      setOption(fd, c.SOL_NETLINK, c.NETLINK_CAP_ACK, 1);
      setOption(fd, c.SOL_NETLINK, c.NETLINK_GET_STRICT_CHK, 1);
      if (options.receiveBuffer !== undefined) {
        force(fd, linux.SO_RCVBUFFORCE, linux.SO_RCVBUF, options.receiveBuffer);
      }
      if (options.sendBuffer !== undefined) force(fd, linux.SO_SNDBUFFORCE, linux.SO_SNDBUF, options.sendBuffer);
      const address = this.#address;
      address.fill(0);
      address[0] = linux.AF_NETLINK;
      if (libc.bind(fd, address, 12) === -1) throw new SysError('bind', errno(), 'AF_NETLINK');
      this.#addressLength[0] = 12;
      if (libc.getsockname(fd, address, this.#addressLengthBytes) === -1) throw new SysError('getsockname', errno());
      this.portId = new DataView(address.buffer).getUint32(4, true);
    } catch (error) {
      libc.close(fd);
      throw error;
    }
  }

  /** A sequence number not used before on this socket; `count` of them are taken. */
  sequence(count = 1): number {
    const first = this.#sequence;
    this.#sequence = (first + count) | 0;
    return first;
  }

  /** Joins a multicast group (RTNLGRP_*). */
  join(group: number): void {
    setOption(this.fd, c.SOL_NETLINK, c.NETLINK_ADD_MEMBERSHIP, group);
  }

  /** One send of `length` bytes, which the kernel takes whole or not at all. Returns 0, or the errno. */
  send(bytes: Uint8Array, length: number): number {
    for (;;) {
      if (libc.send(this.fd, bytes, length, 0) >= 0) return 0;
      const error = errno();
      if (error !== E.EINTR) return error;
    }
  }

  /**
   * Receives one datagram into `bytes`: its length, RECEIVE_EMPTY where none waits, or RECEIVE_OVERRUN where some were
   * lost. Datagrams that are not the kernel's are thrown away. Other failures throw.
   */
  receive(): number {
    for (;;) {
      this.#addressLength[0] = 12;
      const length = libc.recvfrom(
        this.fd,
        this.bytes,
        this.bytes.length,
        linux.MSG_TRUNC,
        this.#address,
        this.#addressLengthBytes,
      );
      if (length >= 0) {
        const address = this.#address;
        if ((address[4]! | address[5]! | address[6]! | address[7]!) !== 0) continue;
        // With MSG_TRUNC the true length is told: a datagram that did not fit is lost, like one that was never queued.
        if (length > this.bytes.length) return RECEIVE_OVERRUN;
        return length;
      }
      const error = errno();
      if (error === E.EAGAIN) return RECEIVE_EMPTY;
      // EMSGSIZE: the kernel could not put a notification together (a route of 250 hops), and says so to who would have had it.
      if (error === E.ENOBUFS || error === E.EMSGSIZE) return RECEIVE_OVERRUN;
      if (error !== E.EINTR) throw new SysError('recv', error, 'AF_NETLINK');
    }
  }

  /**
   * Sends one request that `write` appends (with NLM_F_ACK and the sequence number it is given) and waits for its ACK.
   * Throws NetlinkError where the kernel refuses it. Messages that answer it go to `visit`.
   */
  request(
    what: string,
    write: (writer: MessageWriter, flags: number, sequence: number) => void,
    visit?: (type: number, bytes: Uint8Array, offset: number, length: number) => void,
  ): void {
    const writer = new MessageWriter(65_536);
    const sequence = this.sequence();
    write(writer, c.NLM_F_ACK, sequence);
    const failed = this.send(writer.buffer.bytes, writer.at);
    if (failed !== 0) throw new NetlinkError(what, failed);
    for (;;) {
      const length = this.receiveWithin(5000);
      if (length === RECEIVE_OVERRUN) throw new NetlinkError(what, E.ENOBUFS, 'the answer was lost');
      for (let at = 0; at + 16 <= length; ) {
        const size = this.view.getUint32(at, true);
        if (size < 16 || at + size > length) break;
        if (this.view.getInt32(at + 8, true) === sequence) {
          const type = this.view.getUint16(at + 4, true);
          if (type === c.NLMSG_ERROR) {
            const error = -this.view.getInt32(at + 16, true);
            if (error === 0) return;
            const { reason, attributeOffset } = readExtendedAck(this.bytes, at, size);
            throw new NetlinkError(what, error, reason, attributeOffset);
          }
          visit?.(type, this.bytes, at, size);
        }
        at += (size + 3) & ~3;
      }
    }
  }

  /** As `receive`, but waits up to `timeoutMs` for something to come; throws ETIMEDOUT. Answers normally wait already. */
  receiveWithin(timeoutMs: number): number {
    const length = this.receive();
    if (length !== RECEIVE_EMPTY) return length;
    const fds = new Int32Array([this.fd, linux.POLLIN]);
    if (libc.poll(new Uint8Array(fds.buffer), 1, timeoutMs) === 0) {
      throw new SysError('recv', E.ETIMEDOUT, 'no answer from the kernel');
    }
    return this.receive();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    libc.close(this.fd);
  }
}

function force(fd: number, forced: number, plain: number, value: number): void {
  const word = new Int32Array([value]);
  const bytes = new Uint8Array(word.buffer);
  if (libc.setsockopt(fd, linux.SOL_SOCKET, forced, bytes, 4) === 0) return;
  setOption(fd, linux.SOL_SOCKET, plain, value);
}
