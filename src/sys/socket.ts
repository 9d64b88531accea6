// Sockets as descriptors: opened non-blocking and close-on-exec, options set by name, addresses encoded as the kernel
// wants them. TCP over both families and Unix streams; netlink has a room of its own.
import * as c from './constants.ts';
import { check, E, SysError } from './error.ts';
import { errno, libc } from './libc.ts';

/** An IPv4 or IPv6 endpoint. `words` as everywhere: most significant first, IPv4 in the first one. */
export interface SocketAddress {
  readonly family: typeof c.AF_INET | typeof c.AF_INET6;
  readonly words: readonly [number, number, number, number];
  readonly port: number;
  /** Interface index of a link-local IPv6 address, else 0. */
  readonly scopeId: number;
}

const SOCKADDR_IN = 16;
const SOCKADDR_IN6 = 28;

/** `struct sockaddr_in` or `sockaddr_in6`. */
export function encodeSocketAddress(address: SocketAddress): Uint8Array {
  const bytes = new Uint8Array(address.family === c.AF_INET ? SOCKADDR_IN : SOCKADDR_IN6);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, address.family, true);
  view.setUint16(2, address.port);
  if (address.family === c.AF_INET) view.setUint32(4, address.words[0]);
  else {
    for (let i = 0; i < 4; i++) view.setUint32(8 + 4 * i, address.words[i]!);
    view.setUint32(24, address.scopeId, true);
  }
  return bytes;
}

/** Undefined where the structure is of another family. */
export function decodeSocketAddress(bytes: Uint8Array): SocketAddress | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < SOCKADDR_IN) return undefined;
  const family = view.getUint16(0, true);
  const port = view.getUint16(2);
  if (family === c.AF_INET) return { family, words: [view.getUint32(4), 0, 0, 0], port, scopeId: 0 };
  if (family !== c.AF_INET6 || bytes.length < SOCKADDR_IN6) return undefined;
  const words = [view.getUint32(8), view.getUint32(12), view.getUint32(16), view.getUint32(20)] as const;
  return { family, words, port, scopeId: view.getUint32(24, true) };
}

/** `struct sockaddr_un`; throws where the path does not fit (107 bytes). */
export function encodeUnixAddress(path: string): Uint8Array {
  const text = Buffer.from(path);
  if (text.length > 107) throw new SysError('connect', E.ENAMETOOLONG, path);
  const bytes = new Uint8Array(2 + text.length + 1);
  bytes[0] = c.AF_UNIX;
  bytes.set(text, 2);
  return bytes;
}

/** What a `struct sockaddr_un` says: '' for a socket without a name, an abstract one with `\0` before it; undefined for another family. */
export function decodeUnixAddress(bytes: Uint8Array): string | undefined {
  if (bytes.length < 2 || (bytes[0]! | (bytes[1]! << 8)) !== c.AF_UNIX) return undefined;
  const path = bytes.subarray(2);
  // unix(7): an abstract name is as long as the length says, a path ends at its first zero.
  const end = path[0] === 0 ? path.length : path.indexOf(0);
  return Buffer.from(end < 0 ? path : path.subarray(0, end)).toString();
}

const word = new Int32Array(1);
const wordBytes = new Uint8Array(word.buffer);
const nameBytes = new Uint8Array(112);
const lengthWord = new Int32Array(1);
const lengthBytes = new Uint8Array(lengthWord.buffer);

/** setsockopt with an int. */
export function setOption(fd: number, level: number, option: number, value: number): void {
  word[0] = value;
  check(libc.setsockopt(fd, level, option, wordBytes, 4), 'setsockopt', `level ${level} option ${option} = ${value}`);
}

/** getsockopt of an int. */
export function getOption(fd: number, level: number, option: number): number {
  lengthWord[0] = 4;
  check(libc.getsockopt(fd, level, option, wordBytes, lengthBytes), 'getsockopt', `level ${level} option ${option}`);
  return word[0]!;
}

/** setsockopt with a structure. */
export function setOptionBytes(fd: number, level: number, option: number, value: Uint8Array): void {
  const what = `level ${level} option ${option}, ${value.length} bytes`;
  check(libc.setsockopt(fd, level, option, value, value.length), 'setsockopt', what);
}

/** getsockopt of at most `room` bytes. */
export function getOptionBytes(fd: number, level: number, option: number, room: number): Uint8Array {
  const value = new Uint8Array(room);
  lengthWord[0] = room;
  check(libc.getsockopt(fd, level, option, value, lengthBytes), 'getsockopt', `level ${level} option ${option}`);
  return value.subarray(0, lengthWord[0]);
}

export function closeFd(fd: number): void {
  check(libc.close(fd), 'close', `descriptor ${fd}`);
}

function open(family: number, type: number): number {
  return openSocket(family, type, 0);
}

/** A non-blocking socket of any family, type (SOCK_STREAM, SOCK_DGRAM, SOCK_RAW) and protocol. */
export function openSocket(family: number, type: number, protocol: number): number {
  const what = `family ${family}, type ${type}, protocol ${protocol}`;
  return check(libc.socket(family, type | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC, protocol), 'socket', what);
}

/** A non-blocking TCP socket. IPv6 ones take IPv6 only, so that both families can listen on one port. */
export function openTcp(family: typeof c.AF_INET | typeof c.AF_INET6): number {
  const fd = open(family, c.SOCK_STREAM);
  if (family === c.AF_INET6) setOption(fd, c.IPPROTO_IPV6, c.IPV6_V6ONLY, 1);
  return fd;
}

/** Another descriptor of the same open file. */
export function duplicateFd(fd: number): number {
  return check(libc.fcntl(fd, c.F_DUPFD_CLOEXEC, 3), 'fcntl(F_DUPFD_CLOEXEC)');
}

/** A non-blocking Unix stream socket. */
export function openUnix(): number {
  return open(c.AF_UNIX, c.SOCK_STREAM);
}

/** Two connected Unix stream sockets. */
export function unixPair(): [number, number] {
  return pair(c.SOCK_STREAM | c.SOCK_NONBLOCK);
}

/** Two connected Unix sockets that keep packets apart, and block. */
export function packetPair(): [number, number] {
  return pair(c.SOCK_SEQPACKET);
}

function pair(type: number): [number, number] {
  const fds = new Int32Array(2);
  check(libc.socketpair(c.AF_UNIX, type | c.SOCK_CLOEXEC, 0, new Uint8Array(fds.buffer)), 'socketpair');
  return [fds[0]!, fds[1]!];
}

export function bindSocket(fd: number, address: SocketAddress): void {
  const bytes = encodeSocketAddress(address);
  check(libc.bind(fd, bytes, bytes.length), 'bind', `port ${address.port}`);
}

export function bindUnix(fd: number, path: string): void {
  const bytes = encodeUnixAddress(path);
  check(libc.bind(fd, bytes, bytes.length), 'bind', path);
}

/** bind to an address as the kernel has it (a `struct sockaddr` of any family). */
export function bindName(fd: number, name: Uint8Array): void {
  check(libc.bind(fd, name, name.length), 'bind', describeName(name));
}

/** connect, as `connectSocket`, to an address as the kernel has it. A datagram socket is connected at once. */
export function connectName(fd: number, name: Uint8Array): boolean {
  return connect(fd, name, describeName(name));
}

function describeName(name: Uint8Array): string {
  const address = decodeSocketAddress(name);
  return address === undefined ? (decodeUnixAddress(name) ?? 'an address') : `port ${address.port}`;
}

/** getsockname, as the kernel has it. */
export function localName(fd: number): Uint8Array {
  lengthWord[0] = nameBytes.length;
  check(libc.getsockname(fd, nameBytes, lengthBytes), 'getsockname');
  return nameBytes.slice(0, lengthWord[0]);
}

/** getpeername, as the kernel has it; undefined where it is not connected (any more). */
export function peerName(fd: number): Uint8Array | undefined {
  lengthWord[0] = nameBytes.length;
  if (libc.getpeername(fd, nameBytes, lengthBytes) === -1) return undefined;
  return nameBytes.slice(0, lengthWord[0]);
}

export function listenSocket(fd: number, backlog = 128): void {
  check(libc.listen(fd, backlog), 'listen');
}

function connect(fd: number, bytes: Uint8Array, detail: string): boolean {
  if (libc.connect(fd, bytes, bytes.length) === 0) return true;
  const error = errno();
  if (error === E.EINPROGRESS) return false;
  throw new SysError('connect', error, detail);
}

/** Starts to connect: true = connected at once, false = wait until writable, then ask `socketError`. */
export function connectSocket(fd: number, address: SocketAddress): boolean {
  return connect(fd, encodeSocketAddress(address), `port ${address.port}`);
}

/** The same to a Unix socket. EAGAIN (the listener's backlog is full) is thrown: try again later. */
export function connectUnix(fd: number, path: string): boolean {
  return connect(fd, encodeUnixAddress(path), path);
}

/** SO_ERROR: 0 = connected; else the errno, which reading clears. */
export function socketError(fd: number): number {
  return getOption(fd, c.SOL_SOCKET, c.SO_ERROR);
}

export interface Accepted {
  readonly fd: number;
  /** Undefined for a Unix socket. */
  readonly peer: SocketAddress | undefined;
}

/** The next waiting connection, non-blocking; undefined where none waits (or it was gone before we came). */
export function acceptSocket(fd: number): Accepted | undefined {
  lengthWord[0] = nameBytes.length;
  const accepted = libc.accept4(fd, nameBytes, lengthBytes, c.SOCK_NONBLOCK | c.SOCK_CLOEXEC);
  if (accepted >= 0) return { fd: accepted, peer: decodeSocketAddress(nameBytes.subarray(0, lengthWord[0])) };
  const error = errno();
  if (error === E.EAGAIN || error === E.ECONNABORTED || error === E.EINTR) return undefined;
  throw new SysError('accept4', error);
}

/** getsockname. */
export function localAddress(fd: number): SocketAddress | undefined {
  lengthWord[0] = nameBytes.length;
  check(libc.getsockname(fd, nameBytes, lengthBytes), 'getsockname');
  return decodeSocketAddress(nameBytes.subarray(0, lengthWord[0]));
}

/** getpeername; undefined where it is not connected (any more). */
export function peerAddress(fd: number): SocketAddress | undefined {
  lengthWord[0] = nameBytes.length;
  if (libc.getpeername(fd, nameBytes, lengthBytes) === -1) return undefined;
  return decodeSocketAddress(nameBytes.subarray(0, lengthWord[0]));
}

/** Bytes read into `into[offset, offset + length)`; 0 = end of stream; -1 = nothing now. Other failures throw. */
export function receive(fd: number, into: Uint8Array, offset: number, length: number): number {
  for (;;) {
    const count = libc.recv(fd, into.subarray(offset, offset + length), length, 0);
    if (count >= 0) return count;
    const error = errno();
    if (error === E.EAGAIN) return -1;
    if (error !== E.EINTR) throw new SysError('recv', error);
  }
}

/** Bytes taken from `from[offset, offset + length)`; -1 = no room now. Other failures throw (EPIPE, never a signal). */
export function transmit(fd: number, from: Uint8Array, offset: number, length: number): number {
  for (;;) {
    const count = libc.send(fd, from.subarray(offset, offset + length), length, c.MSG_NOSIGNAL);
    if (count >= 0) return count;
    const error = errno();
    if (error === E.EAGAIN) return -1;
    if (error !== E.EINTR) throw new SysError('send', error);
  }
}

export function setReuseAddress(fd: number): void {
  setOption(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
}

export function setNoDelay(fd: number, on = true): void {
  setOption(fd, c.IPPROTO_TCP, c.TCP_NODELAY, on ? 1 : 0);
}

/** Time to live of what is sent, 1–255 (IP_TTL, IPV6_UNICAST_HOPS). */
export function setTtl(fd: number, family: number, ttl: number): void {
  if (family === c.AF_INET) setOption(fd, c.IPPROTO_IP, c.IP_TTL, ttl);
  else setOption(fd, c.IPPROTO_IPV6, c.IPV6_UNICAST_HOPS, ttl);
}

/** Drops what arrives with a smaller TTL (RFC 5082; IP_MINTTL, IPV6_MINHOPCOUNT). */
export function setMinTtl(fd: number, family: number, ttl: number): void {
  if (family === c.AF_INET) setOption(fd, c.IPPROTO_IP, c.IP_MINTTL, ttl);
  else setOption(fd, c.IPPROTO_IPV6, c.IPV6_MINHOPCOUNT, ttl);
}

/** The DSCP byte of what is sent (BGP uses CS6 = 0xc0). */
export function setTrafficClass(fd: number, family: number, value: number): void {
  if (family === c.AF_INET) setOption(fd, c.IPPROTO_IP, c.IP_TOS, value);
  else setOption(fd, c.IPPROTO_IPV6, c.IPV6_TCLASS, value);
}

/** Ties the socket to an interface (or VRF) by name. */
export function bindToDevice(fd: number, name: string): void {
  const bytes = Buffer.from(`${name}\0`);
  check(libc.setsockopt(fd, c.SOL_SOCKET, c.SO_BINDTODEVICE, bytes, bytes.length), 'setsockopt', `device ${name}`);
}

/**
 * TCP MD5 signature (RFC 2385) for segments to and from one peer address; an empty key removes it. Set on a listener it
 * holds for connections from that peer, or from all whose address begins with `length` bits of it. At most 80 bytes of key.
 */
export function setTcpMd5(fd: number, peer: Omit<SocketAddress, 'port'>, key: string, length?: number): void {
  const secret = Buffer.from(key);
  if (secret.length > 80) throw new SysError('setsockopt', E.EINVAL, 'MD5 key longer than 80 bytes');
  // struct tcp_md5sig: sockaddr_storage, flags, prefix length, key length, ifindex, key
  const signature = new Uint8Array(128 + 8 + 80);
  signature.set(encodeSocketAddress({ ...peer, port: 0 }), 0);
  new DataView(signature.buffer).setUint16(130, secret.length, true);
  signature.set(secret, 136);
  if (length !== undefined) {
    signature[128] = c.TCP_MD5SIG_FLAG_PREFIX;
    signature[129] = length;
  }
  const option = length === undefined ? c.TCP_MD5SIG : c.TCP_MD5SIG_EXT;
  check(libc.setsockopt(fd, c.IPPROTO_TCP, option, signature, signature.length), 'setsockopt', 'TCP_MD5SIG');
}
