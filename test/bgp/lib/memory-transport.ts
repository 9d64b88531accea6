// A transport without sockets, for tests on virtual time: everything happens in turns of one task loop, and hold times pass
// when the test moves the clock.
//
//    const network = new MemoryNetwork(loop);
//    const transport = network.transport({ family: 2, words: [0x0a000001, 0, 0, 0], port: 179, scopeId: 0 });
import type { TaskLoop, TimerTask } from '../../../src/concurrency/index.ts';
import {
  type ByteStream,
  type Connection,
  type ConnectionEvents,
  type ConnectOptions,
  DEAF,
  type Listener,
  type ListenerEvents,
  type ListenOptions,
  type SocketAddress,
  type Transport,
  type TransportFailure,
} from '../../../src/bgp/io/types.ts';
import {
  checkHeader,
  EXTENDED_MESSAGE_BYTES,
  HEADER_BYTES,
  headerError,
  KEEPALIVE,
  messageLength,
  messageType,
} from '../../../src/bgp/wire/message.ts';

const REFUSED: TransportFailure = { syscall: 'connect', errno: 111, code: 'ECONNREFUSED' };
const IN_USE: TransportFailure = { syscall: 'bind', errno: 98, code: 'EADDRINUSE' };
const key = (address: SocketAddress): string => `${address.words.join('.')}:${address.port}`;

export class MemoryNetwork {
  readonly loop: TaskLoop;
  readonly listeners: Map<string, ListenerEvents> = new Map();
  /** Bytes on the way are lost: a cable pulled. */
  cut = false;
  /** No connection takes another byte, until `drain`. */
  full = false;
  readonly waiting: Set<MemoryConnection> = new Set();
  readonly open: Set<MemoryConnection> = new Set();
  /** Every message that was delivered, by type. */
  readonly delivered: number[] = [0, 0, 0, 0, 0, 0];

  constructor(loop: TaskLoop) {
    this.loop = loop;
  }

  drain(): void {
    this.full = false;
    for (const connection of this.waiting) connection.wantWritable();
    this.waiting.clear();
  }

  /** The transport of the speaker at `address`. */
  transport(address: SocketAddress): Transport {
    return memoryTransport(this, address);
  }

  /** In a turn of its own: nothing here calls back at once. */
  later(fn: () => void): void {
    this.loop.event('network', fn).schedule();
  }
}

function memoryTransport(network: MemoryNetwork, address: SocketAddress): Transport {
  const own = new Set<string>();
  return {
    connect(options: ConnectOptions): Connection {
      const near = new MemoryConnection(network, true, options.remote);
      near.local = address;
      network.later(() => {
        const accept = network.cut ? undefined : network.listeners.get(key(options.remote));
        if (near.closed) return;
        if (!accept) {
          near.closed = true;
          return near.events.failed(REFUSED);
        }
        const far = new MemoryConnection(network, false, address);
        far.local = options.remote;
        near.far = far;
        far.far = near;
        near.events.connected();
        accept.accepted(far);
      });
      return near;
    },
    listen(options: ListenOptions, events: ListenerEvents): Listener {
      const { family, words, port } = options.local;
      // At any address of a family: a speaker has one here.
      const any = family === address.family && words.every(word => word === 0);
      const at = any ? { ...address, port } : options.local;
      // As a kernel without VRFs has it; another speaker that has the address is one that began anew.
      const first = !own.has(key(at));
      if (first) {
        own.add(key(at));
        network.listeners.set(key(at), events);
      }
      network.later(() => (first ? events.listening() : events.failed(IN_USE)));
      return {
        local: at,
        setMd5Key() {},
        close() {
          if (!first) return;
          own.delete(key(at));
          network.listeners.delete(key(at));
        },
      };
    },
    connectPair(): Connection {
      throw new Error('connect to a listener instead');
    },
    connectUnix(): ByteStream {
      throw new Error('no raw streams in memory');
    },
    flush() {},
    pauseUpdates() {},
    resumeUpdates() {},
  };
}

export class MemoryConnection implements Connection {
  readonly outgoing: boolean;
  local: SocketAddress | undefined;
  readonly remote: SocketAddress;
  events: ConnectionEvents = DEAF;
  far: MemoryConnection | undefined;
  closed = false;
  keepalivesSent = 0;
  keepalivesReceived = 0;
  maximum = 4096;
  readonly queuedBytes: number = 0;
  readonly #network: MemoryNetwork;
  #receivedAtMs: number;
  #sentAtMs: number | undefined;
  #keepalive: TimerTask;
  #keepaliveMs = 0;
  /** Pretends that the peer takes nothing since then. */
  stuckSinceMs: number | undefined;

  constructor(network: MemoryNetwork, outgoing: boolean, remote: SocketAddress) {
    this.#network = network;
    this.outgoing = outgoing;
    this.remote = remote;
    network.open.add(this);
    this.#receivedAtMs = network.loop.now();
    this.#keepalive = network.loop.timer('keepalives', () => {
      this.keepalivesSent++;
      this.send(KEEPALIVE, 0, KEEPALIVE.length);
      this.#keepalive.start(this.#keepaliveMs);
    });
  }

  room(): number {
    return this.#network.full ? 0 : 65536;
  }

  send(bytes: Uint8Array, offset: number, length: number): boolean {
    const copy = bytes.slice(offset, offset + length);
    this.#sentAtMs = this.#network.loop.now();
    this.#network.later(() => {
      if (!this.#network.cut) this.far?.receive(copy);
    });
    return true;
  }

  receive(bytes: Uint8Array): void {
    if (this.closed) return;
    this.#receivedAtMs = this.#network.loop.now();
    for (let at = 0; at < bytes.length && !this.closed; at += messageLength(bytes, at)) {
      const length = checkHeader(bytes, at, Math.min(this.maximum, EXTENDED_MESSAGE_BYTES));
      if (length < 0) return this.events.headerError(headerError(bytes, at, this.maximum));
      const type = messageType(bytes, at);
      this.#network.delivered[type]!++;
      if (type === 4) this.keepalivesReceived++;
      this.events.message(type, bytes, at + HEADER_BYTES, length - HEADER_BYTES);
    }
  }

  wantWritable(): void {
    if (this.#network.full) this.#network.waiting.add(this);
    else this.#network.later(() => this.events.writable());
  }

  setMaximumMessage(bytes: number): void {
    this.maximum = bytes;
  }

  setOptions(): void {}

  setKeepalive(intervalMs: number): void {
    this.#keepaliveMs = intervalMs;
    if (intervalMs > 0) this.#keepalive.start(intervalMs);
    else this.#keepalive.stop();
  }

  silentMs(): number {
    return this.#network.loop.now() - this.#receivedAtMs;
  }

  stuckMs(): number {
    return this.stuckSinceMs === undefined ? 0 : this.#network.loop.now() - this.stuckSinceMs;
  }

  sentAgoMs(): number | undefined {
    return this.#sentAtMs === undefined ? undefined : this.#network.loop.now() - this.#sentAtMs;
  }

  probe(): void {
    this.#network.later(() => this.events.probed());
  }

  close(last?: Uint8Array): void {
    if (this.closed) return;
    if (last) this.send(last, 0, last.length);
    this.closed = true;
    this.setKeepalive(0);
    this.events = DEAF;
    const { far } = this;
    this.#network.later(() => {
      if (!far || far.closed || this.#network.cut) return;
      far.closed = true;
      far.setKeepalive(0);
      far.events.closed(undefined);
    });
  }
}
