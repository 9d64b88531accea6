// What a request to the graph may be refused with. The codes are errno names, as FreeBSD's netgraph answers them; the text says
// which value was at fault.

/** What is told of a code, in strerror(3)'s words on FreeBSD, which ngctl prints. */
export const CODES = {
  EPERM: 'Operation not permitted',
  ENOENT: 'No such file or directory',
  EIO: 'Input/output error',
  ENXIO: 'Device not configured',
  E2BIG: 'Argument list too long',
  ENOMEM: 'Cannot allocate memory',
  EACCES: 'Permission denied',
  EBUSY: 'Device busy',
  EEXIST: 'File exists',
  ENODEV: 'Operation not supported by device',
  EINVAL: 'Invalid argument',
  ENOSPC: 'No space left on device',
  EPIPE: 'Broken pipe',
  EDOM: 'Numerical argument out of domain',
  ERANGE: 'Result too large',
  EAGAIN: 'Resource temporarily unavailable',
  EINPROGRESS: 'Operation now in progress',
  EALREADY: 'Operation already in progress',
  EDESTADDRREQ: 'Destination address required',
  EMSGSIZE: 'Message too long',
  EPROTONOSUPPORT: 'Protocol not supported',
  EOPNOTSUPP: 'Operation not supported',
  EPFNOSUPPORT: 'Protocol family not supported',
  EAFNOSUPPORT: 'Address family not supported by protocol family',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: "Can't assign requested address",
  ENETDOWN: 'Network is down',
  ENETUNREACH: 'Network is unreachable',
  ECONNABORTED: 'Software caused connection abort',
  ECONNRESET: 'Connection reset by peer',
  ENOBUFS: 'No buffer space available',
  EISCONN: 'Socket is already connected',
  ENOTCONN: 'Socket is not connected',
  ESHUTDOWN: "Can't send after socket shutdown",
  ETIMEDOUT: 'Operation timed out',
  ECONNREFUSED: 'Connection refused',
  ELOOP: 'Too many levels of symbolic links',
  EHOSTDOWN: 'Host is down',
  EHOSTUNREACH: 'No route to host',
  EPROTO: 'Protocol error',
} as const;

export type NetgraphErrorCode = keyof typeof CODES;

/** A refusal: `ENOENT: there is no node 'foo'`. */
export class NetgraphError extends Error {
  override readonly name: string = 'NetgraphError';
  readonly code: NetgraphErrorCode;

  /** `explanation` names the value at fault. */
  constructor(code: NetgraphErrorCode, explanation: string) {
    super(`${code}: ${explanation}`);
    this.code = code;
  }

  /** The message without its code. */
  get explanation(): string {
    return this.message.slice(this.code.length + 2);
  }
}

/** `code` is one that a NetgraphError may carry. */
export function isNetgraphErrorCode(code: unknown): code is NetgraphErrorCode {
  return typeof code === 'string' && Object.hasOwn(CODES, code);
}
