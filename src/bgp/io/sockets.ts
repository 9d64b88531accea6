// Sockets for peers: opened and given their options here, so that io-loop.ts need not know how; and what of them failed.
import {
  bindSocket,
  bindToDevice,
  closeFd,
  connectSocket,
  connectUnix,
  errnoName,
  inNetworkNamespace,
  listenSocket,
  openTcp,
  openUnix,
  setMinTtl,
  setNoDelay,
  setReuseAddress,
  setTcpMd5,
  setTrafficClass,
  setTtl,
  SysError,
} from '../../sys/index.ts';
import type { ConnectOptions, ListenOptions, SocketOptions, TransportFailure } from './types.ts';

/** DSCP class selector 6, "internetwork control" (RFC 4271 says precedence; FRR and BIRD mark the same). */
const CS6 = 0xc0;
/** Many peers may come back at the same moment: a short queue makes them wait for a retry each. */
const BACKLOG = 512;

export interface Opened {
  readonly fd: number;
  /** Connected at once; otherwise wait until the descriptor is writable. */
  readonly connected: boolean;
}

function inside<T>(namespace: string | undefined, fn: () => T): T {
  return namespace === undefined ? fn() : inNetworkNamespace(namespace, fn);
}

/** `make` a descriptor ready; where that fails it is closed. */
function prepared<T>(fd: number, make: (fd: number) => T): T {
  try {
    return make(fd);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

export function applyOptions(fd: number, family: number, options: SocketOptions): void {
  if (options.ttl !== undefined) setTtl(fd, family, options.ttl);
  if (options.minTtl !== undefined) setMinTtl(fd, family, options.minTtl);
}

/** What every socket towards a peer gets. */
export function prepareStream(fd: number, family: number): void {
  // Our messages are whole when we send them; waiting for more only delays them.
  setNoDelay(fd);
  setTrafficClass(fd, family, CS6);
}

/** A socket that connects. */
export function openConnection(options: ConnectOptions): Opened {
  const { remote, local, device, md5Key } = options;
  return inside(options.namespace, () =>
    prepared(openTcp(remote.family), fd => {
      prepareStream(fd, remote.family);
      applyOptions(fd, remote.family, options);
      if (device !== undefined) bindToDevice(fd, device);
      if (md5Key !== undefined && md5Key !== '') setTcpMd5(fd, remote, md5Key);
      if (local) bindSocket(fd, local);
      return { fd, connected: connectSocket(fd, remote) };
    }),
  );
}

/** A socket that listens. */
export function openListener(options: ListenOptions): number {
  const { local, device } = options;
  return inside(options.namespace, () =>
    prepared(openTcp(local.family), fd => {
      setReuseAddress(fd);
      // A peer with TTL security drops our SYN-ACK where it does not come with 255 (RFC 5082 §3); to others it is the same.
      setTtl(fd, local.family, 255);
      if (device !== undefined) bindToDevice(fd, device);
      bindSocket(fd, local);
      listenSocket(fd, BACKLOG);
      return fd;
    }),
  );
}

/** A Unix stream socket that connects. */
export function openUnixConnection(path: string): Opened {
  return prepared(openUnix(), fd => ({ fd, connected: connectUnix(fd, path) }));
}

export function failure(syscall: string, number: number): TransportFailure {
  return { syscall, errno: number, code: errnoName(number) };
}

export function failureOf(error: unknown): TransportFailure {
  if (error instanceof SysError) return { syscall: error.syscall, errno: error.errno, code: error.code };
  throw error;
}
