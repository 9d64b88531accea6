// What a session needs of a network, as interfaces: connections that carry whole BGP messages, listeners, and one kind of
// raw stream for the ZAPI client. `transport.ts` implements them over the bgp-io thread; tests implement them in memory,
// on virtual time. Callbacks run on the bgp thread, in turns of its task loop, and never inside a call of ours.
import type { SocketAddress } from '../../sys/index.ts';
import type { PeerError } from '../wire/notification.ts';
import type { MessageLimits } from './limits.ts';

export type { SocketAddress } from '../../sys/index.ts';
export type { MessageLimits } from './limits.ts';

/** Why a connection could not be made, or ended: what the system said. */
export interface TransportFailure {
  readonly syscall: string;
  readonly errno: number;
  /** `ECONNREFUSED`. */
  readonly code: string;
}

export interface SocketOptions {
  /** Time to live of what is sent, 1–255. Undefined: the system's default (64). */
  ttl?: number;
  /** TTL security (RFC 5082): drops what arrives with less. */
  minTtl?: number;
  /** Of a connection, in messages. Undefined: as they were, none at first. */
  limits?: MessageLimits;
}

export interface ConnectOptions extends SocketOptions {
  /** Link-local IPv6 addresses carry their interface in `scopeId`. */
  remote: SocketAddress;
  /** update-source; port 0. Undefined: the system chooses. */
  local?: SocketAddress;
  /** Interface or VRF that the socket is tied to. */
  device?: string;
  /** TCP MD5 signature (RFC 2385). */
  md5Key?: string;
  /** Network namespace to open the socket in (`/run/netns/NAME`); default: the process's. */
  namespace?: string;
}

export interface ListenOptions {
  /** Any address is all words 0. */
  local: SocketAddress;
  device?: string;
  /** Network namespace to open the socket in; default: the process's. */
  namespace?: string;
}

/** What a connection tells its user. After `failed`, `closed`, `headerError` or a NOTIFICATION nothing more comes. */
export interface ConnectionEvents {
  /** An outgoing connection is up; `local` and `remote` are known now. */
  connected(): void;
  /** An outgoing connection could not be made. The connection is gone; nothing needs to be closed. */
  failed(failure: TransportFailure): void;
  /**
   * One whole message with a good header. The body (what follows the 19 bytes of header) is
   * `bytes[offset, offset + length)`, good during the call only. OPEN, KEEPALIVE and NOTIFICATION overtake the UPDATE and
   * ROUTE-REFRESH messages before them, never the other way round. KEEPALIVEs that came faster than they were taken are
   * told once.
   */
  message(type: number, bytes: Uint8Array, offset: number, length: number): void;
  /** A header was wrong (RFC 4271 §6.1). Nothing more is read; send the NOTIFICATION and close. */
  headerError(error: PeerError): void;
  /** The peer closed (no failure) or the connection broke. It is gone; nothing needs to be closed. */
  closed(failure: TransportFailure | undefined): void;
  /** There is room again after `wantWritable`. */
  writable(): void;
  /** Answer to `probe`: `silentMs` is now judged with the socket's own queue seen. */
  probed(): void;
}

/** Of a connection that nobody listens to, or not any more. */
export const DEAF: ConnectionEvents = {
  connected() {},
  failed() {},
  message() {},
  headerError() {},
  closed() {},
  writable() {},
  probed() {},
};

export interface Connection {
  readonly outgoing: boolean;
  /** Known once connected. */
  readonly local: SocketAddress | undefined;
  readonly remote: SocketAddress;
  /** Who is told; whoever makes or accepts a connection sets it in the same turn. */
  events: ConnectionEvents;
  /** Bytes that `send` takes now; 0 where as many UPDATEs wait as may. */
  room(): number;
  /** Bytes sent that the socket has not taken yet. */
  readonly queuedBytes: number;
  /** Queues whole messages, all or nothing: false where there is no room, in bytes or, for UPDATEs, in messages. They go out
   *  at the end of this turn. */
  send(bytes: Uint8Array, offset: number, length: number): boolean;
  /** Asks for one `writable` event as soon as at least half of the queue is free. */
  wantWritable(): void;
  /** Longest message taken from now on: 4096 at first, 65535 (RFC 8654). Call it before the KEEPALIVE that answers OPEN. */
  setMaximumMessage(bytes: number): void;
  /** Options of an accepted connection, or other ones while it is up. */
  setOptions(options: SocketOptions): void;
  /** A KEEPALIVE is sent each `intervalMs` (jittered down to 75 %) until 0 is set, whatever this thread is doing. */
  setKeepalive(intervalMs: number): void;
  /** Milliseconds since the last byte from the peer arrived (or since the connection came up). */
  silentMs(): number;
  /** Milliseconds since the peer last took bytes of ours, 0 where none are waiting (RFC 9687). */
  stuckMs(): number;
  /** Milliseconds since something was sent; undefined: nothing yet. */
  sentAgoMs(): number | undefined;
  /** Asks the other thread to look at the socket; `probed` follows. */
  probe(): void;
  /** KEEPALIVEs that went out by `setKeepalive`, and all that came in. */
  readonly keepalivesSent: number;
  readonly keepalivesReceived: number;
  /**
   * Sends what is queued (for at most a few seconds), then closes. No event comes after this. With `last`, a NOTIFICATION, that
   * is sent instead of the queue: only the message under way is finished before it.
   */
  close(last?: Uint8Array): void;
}

export interface Listener {
  readonly local: SocketAddress;
  /** The key for connections from one peer, or from all of a prefix with that `length`; empty removes it. */
  setMd5Key(peer: SocketAddress, key: string, length?: number): void;
  close(): void;
}

export interface ListenerEvents {
  /** The listener works, or does not. What fails after that, a key or one connection, leaves it as it is. */
  listening(): void;
  failed(failure: TransportFailure): void;
  /** A peer connected. Set `connection.events`, or call `close`. */
  accepted(connection: Connection): void;
}

/** A raw stream of bytes both ways (the ZAPI client's Unix socket). */
export interface ByteStream {
  /** Bytes received and not consumed: the first region without a wrap. `peek` renews `offset` and `size`. */
  readonly input: StreamInput;
  /** Bytes that `write` takes now. */
  room(): number;
  /** Queues bytes, all or nothing. They go out at the end of this turn. */
  write(bytes: Uint8Array, offset: number, length: number): boolean;
  /** Asks for one `writable` event as soon as at least half of the queue is free. */
  wantWritable(): void;
  close(): void;
}

export interface StreamInput {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly size: number;
  readonly length: number;
  readonly capacity: number;
  peek(): boolean;
  consume(size: number): void;
}

export interface StreamEvents {
  connected(): void;
  failed(failure: TransportFailure): void;
  /** `input` has bytes. Take what you want: return true to be called again in another turn, because there is more to do. */
  readable(): boolean;
  writable(): void;
  closed(failure: TransportFailure | undefined): void;
}

export interface Transport {
  /** Starts a connection; set its `events` before this turn ends. Exactly one of `connected` and `failed` follows, unless it
   *  is closed before. */
  connect(options: ConnectOptions): Connection;
  listen(options: ListenOptions, events: ListenerEvents): Listener;
  connectUnix(path: string, events: StreamEvents): ByteStream;
  /**
   * A connection of this thread with itself, by way of bgp-io like every other: no packet leaves the process. Its far end
   * is handed to `accepted` as a listener's would be; the addresses are only names.
   */
  connectPair(local: SocketAddress, remote: SocketAddress, accepted: (connection: Connection) => void): Connection;
  /** What was sent in this turn goes on its way now, and not at the turn's end: for those who have just sent much. */
  flush(): void;
  /** Stops handing out UPDATEs of all peers: when what is behind the sessions has no room. Peers are held by TCP. */
  pauseUpdates(): void;
  resumeUpdates(): void;
}
